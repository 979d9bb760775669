"""``ferdis check``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import USER_ERROR, long_form
from ferdis.cli.parsers import add_arguments, parser_of


def run(argv: Sequence[str]) -> int:
    """Look a data set over: count it, and name what is unreadable, there twice, or labelled in two ways."""
    from ferdis.datasets import entry

    parser = parser_of("check")
    parser.add_argument("name", type=str, help="the data set")
    if argv and not argv[0].startswith("-"):
        imported = entry(argv[0]).imported()
        add_arguments(parser, imported)
    arguments = parser.parse_args([*argv[:1], *long_form(argv[1:])]).as_dict()
    from ferdis.datasets.check import check as look_over

    report = look_over(arguments.pop("name"), **arguments)
    print(report)
    return 0 if report.ok else USER_ERROR
