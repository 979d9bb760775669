"""``ferdis protocols``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """List the protocols: the source of each, and what its figures are good for."""
    parser_of("protocols").parse_args(list(argv))
    from ferdis.protocol.published import describe_protocols

    print(describe_protocols())
