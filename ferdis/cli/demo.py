"""``ferdis demo``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> int:
    """Run the main job on embedded people: IF-GAN against its ResNet baseline, 10 subject-exclusive folds."""
    from ferdis import demo

    parser = parser_of("demo", run)
    parser.add_function_arguments(demo.run)
    return demo.run(**parser.parse_args(long_form(argv)).as_dict())
