"""How loaders word what they say."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NAMED = 5  # things that a message names before it only counts


def named(things: Iterable[object]) -> str:
    """The first few of ``things`` by name and the rest by number: ``a, b and 3 more``."""
    texts = [str(thing) for thing in things]
    rest = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + rest


def closest(text: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` if one of ``choices`` is near ``text``, else nothing."""
    near = difflib.get_close_matches(text, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
