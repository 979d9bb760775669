"""``ferdis web``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Serve a page that runs the models in the browser, or write it into a folder: no picture leaves the computer."""
    from ferdis.web import command

    parser = parser_of("web")
    parser.add_function_arguments(command.run)
    command.run(**parser.parse_args(long_form(argv, lists=())).as_dict())
