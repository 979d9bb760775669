"""``ferdis datasets``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """List the data sets: people, classes, images, layout, and where to get them."""
    parser_of("datasets").parse_args(list(argv))
    from ferdis.datasets import describe_datasets

    print(describe_datasets())
