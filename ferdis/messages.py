"""How ferdis words what it prints: the first few names, a long value cut short, an error on one line, a duration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NAMED = 5  # things that a message names before it only counts
QUOTED = 60  # characters of a value that a message quotes
LINE = 1200  # characters of an error's text: a file may hold anything, and its reader may quote it


def named(things: Iterable[object], most: int = NAMED, between: str = ", ") -> str:
    """The first few of ``things`` by name and the rest by number: ``a, b and 3 more``.

    Parameters
    ----------
    things : iterable
        What is named, by its ``str``.
    most : int
        How many are named.
    between : str
        What stands between two names.
    """
    texts = [str(thing) for thing in things]
    return between.join(texts[:most]) + and_more(len(texts) - most)


def and_more(count: int) -> str:
    """``" and 3 more"``; nothing where ``count`` is 0 or less."""
    return f" and {count} more" if count > 0 else ""


def short(value: object, most: int = QUOTED) -> str:
    """The text of a value on one line, its middle left out where it has more than ``most`` characters."""
    line = " ".join(str(value).split())
    if len(line) <= most:
        return line
    tail = (most - 3) // 3
    return f"{line[: most - 3 - tail]}...{line[len(line) - tail :]}"


def quoted(value: object, most: int = QUOTED) -> str:
    """The value in quotes as Python writes it, on one line and cut short: ``'anna'``."""
    return repr(short(value, most)) if isinstance(value, str) else short(repr(value), most)


def one_line(error: BaseException, most: int = LINE) -> str:
    """An error's text on one line, cut short; its type where it has no text."""
    return short(str(error), most) or type(error).__name__


def reason(error: BaseException, most: int = LINE) -> str:
    """Why something failed, for a message that names the file itself: the system's own word, else :func:`one_line`."""
    return short(getattr(error, "strerror", None) or "", most) or one_line(error, most)


def with_kind(error: BaseException, most: int = LINE) -> str:
    """:func:`one_line` of a ValueError, which speaks to the user; of any other error its type and its first line."""
    if isinstance(error, ValueError):
        return one_line(error, most)
    first = short(str(error).strip().partition("\n")[0], most)
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def markdown_table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown, a line for each row; what a cell holds is shown as text, be it Markdown or HTML.

    Parameters
    ----------
    head : names of the columns.
    rows : the cells of each row, by their ``str``.
    """
    names = list(head)
    lines = [map(_cell, names), ["---"] * len(names), *(map(_cell, row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    for sign, shown in (("|", r"\|"), ("<", "&lt;"), ("![", r"!\["), ("](", r"]\(")):
        text = text.replace(sign, shown)
    return text


def closest(text: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` if one of ``choices`` is near ``text``, else nothing."""
    near = difflib.get_close_matches(text, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def duration(seconds: float) -> str:
    """Seconds in words: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
