"""Names that may be one person's: ``7``, ``007`` and ``7.0``; ``anna`` and ``Anna``; one accent in two encodings.

A spreadsheet makes ``7`` of ``007``, and a file system stores accents its own way. Two spellings of one person in two
parts of a fold are a leak that no comparison of names sees. So names are compared after Unicode normalisation (NFC) and
case folding, without surplus blanks, and numbers by their value.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ferdis.protocol.folds import Fold

_NUMBER = re.compile(r"0*(\d+)(?:\.0*)?")


def subject_key(name: str) -> str:
    """What look-alike names have in common.

    Examples
    --------
    >>> subject_key("CK/007.0"), subject_key("ck/7")
    ('ck/7', 'ck/7')
    >>> subject_key("Anna  M.") == subject_key("anna m.")
    True
    """
    return "/".join(map(_part_key, str(name).split("/")))


def look_alike_subjects(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that may be one person's, sorted.

    Parameters
    ----------
    names : iterable of str
        Subjects, as often as they occur.

    Returns
    -------
    list of tuple of str
        Each with two names or more; a name is in one group at most.
    """
    groups = defaultdict(set)
    for name in {str(name) for name in names}:
        groups[subject_key(name)].add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


class LookAlike(NamedTuple):
    """Two names in two parts of a fold.

    Attributes
    ----------
    fold : int
    parts : (str, str)
    rows : (int, int)
        A row of each name.
    names : (str, str)
    matches : int
        Rows of the second name in the second part.
    """

    fold: int
    parts: tuple[str, str]
    rows: tuple[int, int]
    names: tuple[str, str]
    matches: int


def look_alikes_across(
    folds: Sequence[Fold], subject: np.ndarray, across: Sequence[tuple[str, str]]
) -> Iterator[LookAlike]:
    """Look-alike names that stand in two parts of one fold.

    Parameters
    ----------
    folds : sequence of Fold
    subject : ndarray of shape (n,), str
    across : sequence of pairs of parts
        Which parts are compared: ``(("train", "test"), ...)``.
    """
    group_of = {name: number for number, group in enumerate(look_alike_subjects(subject)) for name in group}
    for fold in folds if group_of else ():
        for first, second in across:
            theirs = _rows_of(getattr(fold, second), subject, group_of)
            for name, (row, _) in _rows_of(getattr(fold, first), subject, group_of).items():
                for other, (other_row, count) in theirs.items():
                    if name != other and group_of[name] == group_of[other]:
                        yield LookAlike(fold.index, (first, second), (row, other_row), (name, other), count)


def _rows_of(rows: np.ndarray, subject: np.ndarray, names: Container[str]) -> dict[str, tuple[int, int]]:
    """Of each of the names that occur in these rows: its first row, and how many there are."""
    found, first, counts = np.unique(subject[rows], return_index=True, return_counts=True)
    return {
        str(name): (int(rows[place]), int(count))
        for name, place, count in zip(found, first, counts, strict=True)
        if str(name) in names
    }


def _part_key(part: str) -> str:
    """One part of ``set/person``: normalised, small letters, single blanks; a number without its zeros."""
    visible = "".join(letter for letter in part if unicodedata.category(letter) != "Cf")  # zero-width marks
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", visible).casefold())
    text = " ".join(folded.split())
    number = _NUMBER.fullmatch(text)
    return number[1] if number else text
