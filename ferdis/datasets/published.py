"""Counts that the papers publish, held against a copy: what differs, and who or what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import pandas as pd

from ferdis.messages import named

Counts = Mapping[str, int]
"""``{"images": 981, "subjects": 118, "sequences of anger": 45, "images of train": 12271}``: what, perhaps of a class
or of a part of the official split."""


def count(table: pd.DataFrame, what: str) -> int:
    """``"images"``, ``"sequences"`` or ``"subjects"`` of a table, all or ``"... of CLASS"``, ``"... of PART"``."""
    kind, _, group = what.partition(" of ")
    if group:
        column = "split" if "split" in table and group in ("train", "validation", "test") else "expression"
        table = table[table[column] == group]
    return len(table) if kind == "images" else int(table[kind.removesuffix("s")].nunique())


def differing(table: pd.DataFrame, published: Counts) -> list[str]:
    """``["980 images (published 981)", ...]``: the counts of a table that are not the published ones."""
    here = {what: count(table, what) for what in published}
    return [f"{here[what]} {what} (published {number})" for what, number in published.items() if here[what] != number]


def missing(table: pd.DataFrame, expected: Mapping[str, Sequence[object]]) -> list[str]:
    """What a complete copy has and this one lacks: whole people first, then what is missing of the others.

    Parameters
    ----------
    table : DataFrame
    expected : mapping of column to values
        A complete copy has a row for each combination of them. The first column is ``subject``.
    """
    columns = list(expected)
    there = set(zip(*(table[column] for column in columns), strict=True))
    lacking = [names for names in product(*expected.values()) if names not in there]
    present = set(table["subject"])
    absent = [person for person in expected["subject"] if person not in present]
    notes = [f"people that are missing ({len(absent)}): {named(absent)}"] if absent else []
    rest = [" ".join(map(str, names)) for names in lacking if names[0] in present]
    return [*notes, *([f"missing of people who are there ({len(rest)}): {named(rest)}"] if rest else [])]


def numbered(pattern: str, numbers: Iterable[int]) -> list[str]:
    """Names of people: ``numbered("oulu/P{:03d}", range(1, 81))``."""
    return [pattern.format(number) for number in numbers]
