"""Folds and fold lists: which rows train, validate and test, in memory and as a CSV of fold, part, path."""

from __future__ import annotations

import csv
import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ferdis._io import guarded_text, replacing, unguarded
from ferdis._tables import read_csv
from ferdis.faces import Faces
from ferdis.messages import named, short

PARTS = ("train", "validation", "test")
REFERENCE = "reference"  # images of test people that a system may be given: a part of no strict protocol

_MOST_FOLDS = 1_000_000  # a larger number is no fold's
_NAMED = 3  # names that an error lists before it only counts


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """One run: row numbers of the faces that train, validate and test.

    Attributes
    ----------
    index : int
        Number of the fold, from 0.
    train, validation, test : ndarray of int64
        Sorted row numbers; ``validation`` may be empty. The arrays are read-only.
    reference : ndarray of int64
        Images of the *test* people that may be given to a system that declares ``uses_reference``: in a calibrated
        protocol others than those that are tested, in a transductive one the tested ones, without labels; in a strict
        one none.

    Notes
    -----
    Unpacking a fold gives ``train, test``, which is what scikit-learn's ``cross_val_score(cv=protocol)``
    expects; the validation part then sits out.
    """

    index: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    reference: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        for part in (*PARTS, REFERENCE):
            rows = np.sort(np.asarray(getattr(self, part), dtype=np.int64).ravel())
            rows.flags.writeable = False
            object.__setattr__(self, part, rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.train, self.test))

    @property
    def transductive(self) -> bool:
        """Whether the reference is the test part itself, so that its labels are what is asked for."""
        return len(self.reference) > 0 and np.array_equal(self.reference, self.test)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fold):
            return NotImplemented
        same = all(np.array_equal(getattr(self, part), getattr(other, part)) for part in (*PARTS, REFERENCE))
        return self.index == other.index and same

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (*PARTS, REFERENCE) if len(self.reference) else PARTS
        sizes = ", ".join(f"{part}={len(getattr(self, part))}" for part in shown)
        return f"Fold({self.index}: {sizes})"


def row_names(faces: Faces) -> np.ndarray:
    """A stable name for each row, (n,) of str: its ``path``, or ``row-000012`` where there is no such column.

    Raises
    ------
    ValueError
        If a path is missing or two rows have the same one.
    """
    if "path" not in faces.table:
        return np.array([f"row-{row:06d}" for row in range(len(faces))], dtype=str)
    paths = faces.table["path"]
    if paths.isna().any():
        raise ValueError(f"row {int(np.flatnonzero(paths.isna())[0])} has no path: name every row, or drop the column")
    twice = paths.duplicated(keep=False)
    if twice.any():
        rows = np.flatnonzero(twice & (paths == paths[twice].iloc[0]))
        raise ValueError(f"rows {rows[0]} and {rows[1]} have one path, {paths.iloc[rows[0]]}: keep one of them")
    return paths.to_numpy(dtype=str)


def write_folds(path: str | Path, faces: Faces, folds: Sequence[Fold]) -> None:
    """Write a fold list: CSV with the columns fold, part (train, validation, test), subject, path.

    The file appears whole or not at all. ``subject`` is empty where people are not known.
    """
    names = [guarded_text(name) for name in row_names(faces).tolist()]
    subjects = [guarded_text(name) for name in faces.subject.tolist()] if faces.has_subjects else [""] * len(faces)
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("fold", "part", "subject", "path"))
        for fold in folds:
            for part in (*PARTS, REFERENCE):
                rows = getattr(fold, part)
                writer.writerows((fold.index, part, subjects[row], names[row]) for row in rows)


def read_folds(path: str | Path, faces: Faces) -> list[Fold]:
    """Read a fold list and find its images among the faces.

    Parameters
    ----------
    path : path
        CSV with at least the columns fold, part, path; ``subject``, where given, must agree with the faces
        (a name without its data set's namespace will do: ``S005`` for ``ck/S005``).
    faces : Faces
        Must hold every image of the list. Faces that the list never tests are warned of.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or empty, lacks a column, names an unknown part or an image that is not
        there, or gives an image another person than the faces do.
    """
    table = read_fold_table(path)
    row_of = pd.Series(np.arange(len(faces)), index=row_names(faces))
    rows = row_of.reindex(table["path"])
    missing = rows.isna().to_numpy()
    if missing.any():
        absent = table["path"][missing].drop_duplicates()
        raise ValueError(
            f"{path}: {len(absent)} of {table['path'].nunique()} images of the list are not "
            f"among these {len(faces)} faces ({named(map(short, absent), _NAMED)}): "
            "load the data set that the list was made for, with its paths"
        )
    table["row"] = rows.to_numpy().astype(np.int64)
    if "subject" in table and faces.has_subjects:
        _check_people(path, table, faces.subject[table["row"]])
    folds = []
    for index, group in table.groupby("fold", sort=True):
        parts = (group.loc[group["part"] == part, "row"].to_numpy() for part in (*PARTS, REFERENCE))
        folds.append(Fold(int(index), *parts))  # type: ignore[call-overload]
    tested = np.unique(np.concatenate([part for fold in folds for part in (fold.test, fold.reference)]))
    if len(folds) > 1 and len(tested) < len(faces):
        warnings.warn(f"{path}: {len(faces) - len(tested)} of {len(faces)} faces are in no test part", stacklevel=2)
    return folds


def read_fold_table(path: str | Path) -> pd.DataFrame:
    """The rows of a fold list as a DataFrame: fold (int), part, path, and ``subject`` where given (str).

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or empty, lacks a column, or a line has no fold number, part or path.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such fold list: give a CSV with the columns fold, part, path")
    table = read_csv(Path(path), dtype=str, keep_default_na=False, index_col=False).fillna("")
    table = unguarded(table)
    absent = [name for name in ("fold", "part", "path") if name not in table]
    if absent or table.empty:
        problem = f"column {', '.join(absent)} is missing" if absent else "no rows"
        raise ValueError(f"{path}: {problem}: a fold list is a CSV with the columns fold, part, path")
    table["part"] = table["part"].str.strip().replace({"val": "validation"})
    number = pd.to_numeric(table["fold"], errors="coerce")
    for wrong, what in (
        (~number.between(0, _MOST_FOLDS) | (number % 1 != 0), "fold is not a whole number from 0"),
        (~table["part"].isin((*PARTS, REFERENCE)), f"part is none of {', '.join(PARTS)}"),
        (table["path"] == "", "path is empty"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            line = short(",".join(table.iloc[row]))
            raise ValueError(f"{path}, line {row + 2}: {what} ({line}): correct the line")
    table["fold"] = number.astype(np.int64)
    return table


def _check_people(path: str | Path, table: pd.DataFrame, known: np.ndarray) -> None:
    """The list's people must be those of the faces, with or without the namespace."""
    listed = table["subject"].to_numpy(dtype=str)
    bare = np.array([name.rsplit("/", 1)[-1] for name in known], dtype=str)
    wrong = (listed != "") & (listed != known) & (listed != bare)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{path}, line {row + 2}: {short(table['path'].iloc[row])} shows {short(listed[row])} in the list "
            f"but {known[row]} in these faces: the list was made for another version of the data"
        )
