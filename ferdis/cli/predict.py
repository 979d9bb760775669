"""``ferdis predict``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import leading, long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Name the expression of every face in images, folders, videos or before a camera."""
    from ferdis.predict import command

    parser = parser_of("predict")
    parser.add_function_arguments(command.run, skip={"model", "paths", "draw_to"})
    parser.add_argument("--draw", type=str, default=None, help="folder for the images with boxes and probabilities")
    names, options = leading(argv)
    arguments = parser.parse_args(long_form(options, lists=())).as_dict()
    model, paths = command.with_model(names)
    command.run(model, paths, draw_to=arguments.pop("draw"), **arguments)
