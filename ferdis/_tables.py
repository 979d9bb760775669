"""CSV files as they come from people: read as text, or refused in one line that names the file.

What pandas passes over in silence is looked at first: a header that names a column twice (pandas renames the second), a
file in another encoding, a NUL (pandas ends the cell there). Which words stand for a missing value is said here, once.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from ferdis.messages import quoted, reason

MISSING = frozenset(("", "nan", "none", "null", "na", "n/a", "<na>"))
"""Words, in small letters, that stand for a missing value wherever a table is read."""

_BLOCK = 1 << 20  # bytes looked through at a time
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_HEADER = 1 << 20  # characters; FER2013's pixels are no header


def missing(column: pd.Series) -> pd.Series:
    """Which cells of a column of text hold a missing value: empty, or a word of :data:`MISSING`."""
    return column.isna() | column.str.strip().str.casefold().isin(MISSING)


def header_of(path: Path) -> list[str]:
    """The column names of a CSV file, blanks around them removed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is empty, no UTF-8 text, or has a column twice. The message names the file.
    """
    _refuse_binary(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(_LONGEST_HEADER)
        cells = next(csv.reader([line], skipinitialspace=True), [])
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from None
    except csv.Error as error:
        raise ValueError(f"{path} line 1: no header of column names ({reason(error)})") from None
    names = [name.strip() for name in cells]
    if not any(names):
        what = "begins with a line that names no column" if line else "is empty"
        raise ValueError(f"{path} {what}: it needs a header line with the names of its columns")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name and seen.setdefault(name, place) != place:
            raise ValueError(
                f"{path} has two columns {quoted(name)} (the {_nth(seen[name])} and the {_nth(place)}): "
                "remove or rename one"
            )
    return names


def read_csv(path: Path, **arguments: Any) -> pd.DataFrame:
    """A CSV file with a sound header, by :func:`pandas.read_csv`; column names without blanks around them.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`header_of`; and if lines do not fit the header. The message names the file.
    """
    header_of(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines longer than the header, cut in silence
            raw = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True, **arguments)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty: it needs a header line with the names of its columns") from None
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:  # ParserError is a ValueError
        raise _unreadable(path, error) from None
    raw.columns = [str(name).strip() for name in raw.columns]
    return raw


def _refuse_binary(path: Path) -> None:
    """A ValueError for UTF-16 and for bytes that no text holds."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise ValueError(f"{path} is a folder or a device, not a file of comma-separated text")
    with path.open("rb") as file:
        block = file.read(_BLOCK)
        if block.startswith(_UTF_16):
            raise ValueError(f"{path} is UTF-16 text: save it as UTF-8 (CSV UTF-8 in a spreadsheet's list of formats)")
        start = 0
        while block:
            if (place := block.find(b"\0")) >= 0:
                raise ValueError(
                    f"{path} is no text (byte {start + place} is 0): save it as comma-separated UTF-8 text"
                )
            start += len(block)
            block = file.read(_BLOCK)


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read as comma-separated UTF-8 text: {reason(error, 200)}")


def _nth(place: int) -> str:
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
