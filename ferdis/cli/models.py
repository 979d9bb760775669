"""``ferdis models``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import UsageError


def run(argv: Sequence[str]) -> None:
    """List the trained weights that ship with ferdis, or print the card of one: ferdis models [NAME]."""
    from ferdis.zoo import listing

    if len(argv) > 1 or any(token.startswith("-") for token in argv):
        raise UsageError("usage: ferdis models [NAME]")
    print(listing.text(argv[0]) if argv else listing.overview())
