"""Protocols: which faces train, which choose the model, which test.

A protocol's ``split(faces)`` gives a list of :class:`Fold`. Every split here is by person: the parts of a
fold share nobody, and :mod:`ferdis.audit` proves it on these folds as on anybody's published list. The folds
are the same at every call and on every platform, and do not depend on the order of the rows: people are
sorted by name, and what chance decides is decided by a SHA-256 of seed and name, not by a random number
generator whose stream may change between versions.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import pandas as pd

from ferdis.faces import Faces

__all__ = [
    "Fold",
    "FoldList",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "Splitter",
    "SubjectKFold",
    "read_folds",
    "repeat",
    "row_names",
    "write_folds",
]

PARTS = ("train", "validation", "test")

_UNIT = 2**52  # integer arithmetic for balance: floating point sums could differ between platforms
_CARVE = 20  # an official training part is dealt into this many pieces; some of them become the validation part
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

    Notes
    -----
    Unpacking a fold gives ``train, test``, which is what scikit-learn's ``cross_val_score(cv=protocol)``
    expects; the validation part then sits out.
    """

    index: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        for part in PARTS:
            rows = np.sort(np.asarray(getattr(self, part), dtype=np.int64).ravel())
            rows.flags.writeable = False
            object.__setattr__(self, part, rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.train, self.test))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fold):
            return NotImplemented
        same = all(np.array_equal(getattr(self, part), getattr(other, part)) for part in PARTS)
        return self.index == other.index and same

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{part}={len(getattr(self, part))}" for part in PARTS)
        return f"Fold({self.index}: {sizes})"


class Splitter(Protocol):
    """What a runner asks of a protocol."""

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds of these faces."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Arguments by name, for the run's configuration."""
        ...


S = TypeVar("S", bound="_Parameters")


class _Parameters:
    """scikit-learn's get_params and get_n_splits for the dataclasses below."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Arguments by name. ``deep`` is there for scikit-learn; no argument is an estimator."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def get_n_splits(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds; depends on the faces for some protocols."""
        if X is None:
            raise ValueError(f"{type(self).__name__} needs the faces to tell how many folds it makes")
        return len(self.split(X))

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds of these faces; each protocol says how."""
        raise TypeError(f"{type(self).__name__} does not split")

    def with_seed(self: S, seed: int) -> S:
        """The same protocol with another seed.

        Raises
        ------
        ValueError
            If this protocol leaves nothing to chance.
        """
        if "seed" not in self.get_params():
            raise ValueError(f"{type(self).__name__} leaves nothing to chance: it has no seed to change")
        return dataclasses.replace(self, seed=seed)  # type: ignore[type-var]


def repeat(protocol: S, seeds: Iterable[int]) -> list[S]:
    """Repeated k-fold: the protocol once for each seed, ``[protocol.with_seed(s) for s in seeds]``."""
    return [protocol.with_seed(seed) for seed in seeds]


@dataclasses.dataclass(frozen=True)
class SubjectKFold(_Parameters):
    """k-fold cross-validation in which no person is in two subsets.

    Every subset is the test part once; the next ``validation_folds`` subsets, cyclically, are the validation
    part and the rest trains: 8 / 1 / 1 subsets by default, as in IF-GAN (Cai et al. 2021, section 4).

    Parameters
    ----------
    n_splits : int
        Subsets, at least 2 and at most as many as there are people.
    validation_folds : int
        Subsets that validate, 0 to ``n_splits - 2``.
    scheme : {"stratified", "id-ascending"}
        ``"stratified"``: people are dealt one by one, those with many or rare images first, each to the
        subset that has least of what that person brings, so that classes and sizes are balanced.
        ``"id-ascending"``: people in ascending order of their ids, every ``n_splits``-th to the same subset,
        the habit of the CK+ literature (ids in ascending order with a step of ten, since Liu
        et al., AU-aware deep networks, FG 2013). Numbers inside ids count as numbers: S9 comes before S10.
    seed : int
        Decides the order of people who weigh about the same (``"stratified"`` only).

    Examples
    --------
    >>> SubjectKFold(5, validation_folds=0).get_n_splits()
    5
    """

    n_splits: int = 10
    validation_folds: int = 1
    scheme: Literal["stratified", "id-ascending"] = "stratified"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_splits < 2:
            raise ValueError(f"n_splits={self.n_splits}: cross-validation needs at least 2 subsets")
        if not 0 <= self.validation_folds <= self.n_splits - 2:
            raise ValueError(
                f"validation_folds={self.validation_folds} with n_splits={self.n_splits} leaves no subset to "
                f"train on: choose 0 to {self.n_splits - 2}"
            )
        if self.scheme not in ("stratified", "id-ascending"):
            raise ValueError(f"scheme={self.scheme!r}: choose 'stratified' or 'id-ascending'")

    def get_n_splits(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> int:
        """``n_splits``."""
        return self.n_splits

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds; ``y`` and ``groups`` are ignored, the faces know both.

        Raises
        ------
        ValueError
            If the people are not known, or are fewer than ``n_splits``.
        """
        people, person = np.unique(X.subject, return_inverse=True)
        if len(people) < self.n_splits:
            raise ValueError(
                f"{len(people)} people cannot fill {self.n_splits} subject-exclusive folds: "
                f"use n_splits={len(people)} or fewer, or LeaveOneSubjectOut"
            )
        if self.scheme == "id-ascending":
            subset = np.empty(len(people), dtype=np.int64)
            subset[_ascending(people)] = np.arange(len(people)) % self.n_splits
        else:
            subset = _deal(people, _counts(person, X.expression), self.n_splits, self.seed)
        return _rotate(subset[person], self.n_splits, self.validation_folds)


@dataclasses.dataclass(frozen=True)
class LeaveOneSubjectOut(_Parameters):
    """Each person is the test part once, in ascending order of ids.

    Parameters
    ----------
    validation_subjects : int
        People that validate: the next ones after the test person, cyclically; 0 for none.
    """

    validation_subjects: int = 0

    def __post_init__(self) -> None:
        if self.validation_subjects < 0:
            raise ValueError(f"validation_subjects={self.validation_subjects}: choose 0 or more")

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """One fold a person.

        Raises
        ------
        ValueError
            If the people are not known or are too few to train on.
        """
        people, person = np.unique(X.subject, return_inverse=True)
        if len(people) < 2 + self.validation_subjects:
            raise ValueError(
                f"{len(people)} people are too few to leave one out with validation_subjects="
                f"{self.validation_subjects}: at least {2 + self.validation_subjects} are needed"
            )
        number = np.empty(len(people), dtype=np.int64)
        number[_ascending(people)] = np.arange(len(people))
        return _rotate(number[person], len(people), self.validation_subjects)


@dataclasses.dataclass(frozen=True)
class OfficialSplit(_Parameters):
    """The data set's own ``split`` column: ``train``, ``test`` and perhaps ``validation``; one fold.

    Parameters
    ----------
    validation : float
        Share of the training part that becomes the validation part where the set names none, 0 <= share < 1.
        It is carved by person where people are known, else stratified by class, in steps of 5 %.
    seed : int
        Decides which people (or images) are carved off.
    """

    validation: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation={self.validation}: a share of the training part, 0 <= share < 1")

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The one fold.

        Raises
        ------
        ValueError
            If there is no ``split`` column, a row has another value, a part is empty, or a single training
            person would have to validate too.
        """
        part = _official_parts(X)
        train, validation, test = (np.flatnonzero(part == name) for name in PARTS)
        for name, rows in (("train", train), ("test", test)):
            if not len(rows):
                raise ValueError(f"no row has split {name!r}: the official split needs train and test rows")
        if not len(validation) and self.validation > 0:
            chosen = self._carve(X[train])
            train, validation = train[~chosen], train[chosen]
        return [Fold(0, train, validation, test)]

    def _carve(self, faces: Faces) -> np.ndarray:
        """Mask of the rows of the training part that validate."""
        people, person = np.unique(faces.subject if faces.has_subjects else row_names(faces), return_inverse=True)
        if len(people) < 2:
            raise ValueError("one training person cannot both train and validate: use OfficialSplit(validation=0)")
        pieces = min(_CARVE, len(people))
        taken = min(max(round(self.validation * pieces), 1), pieces - 1)
        piece = _deal(people, _counts(person, faces.expression), pieces, self.seed)
        return (piece < taken)[person]


@dataclasses.dataclass(frozen=True)
class FoldList(_Parameters):
    """Folds that somebody wrote down: a CSV of fold, part, path (see :func:`write_folds`)."""

    path: str | Path

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds of the file; raises as :func:`read_folds`."""
        return read_folds(self.path, X)


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
    path = Path(path)
    names = row_names(faces)
    subjects = faces.subject if faces.has_subjects else np.full(len(faces), "")
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("fold", "part", "subject", "path"))
            for fold in folds:
                for part in PARTS:
                    rows = getattr(fold, part)
                    writer.writerows((fold.index, part, subjects[row], names[row]) for row in rows)
        os.replace(partial, path)  # noqa: PTH105  (atomic on every platform)
    except OSError as error:
        raise OSError(
            f"{path}: could not write the fold list ({error.strerror}): free space or choose another folder"
        ) from error


def read_folds(path: str | Path, faces: Faces) -> list[Fold]:
    """Read a fold list and find its pictures among the faces.

    Parameters
    ----------
    path : path
        CSV with at least the columns fold, part, path; ``subject``, where given, must agree with the faces
        (a name without its data set's namespace will do: ``S005`` for ``ck/S005``).
    faces : Faces
        Must hold every picture of the list. Faces that the list never tests are warned of.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or empty, lacks a column, names an unknown part or a picture that is not
        there, or gives a picture another person than the faces do.
    """
    table = read_fold_table(path)
    row_of = pd.Series(np.arange(len(faces)), index=row_names(faces))
    rows = row_of.reindex(table["path"])
    missing = rows.isna().to_numpy()
    if missing.any():
        absent = table["path"][missing].drop_duplicates()
        raise ValueError(
            f"{path}: {len(absent)} of {table['path'].nunique()} pictures of the list are not "
            f"among these {len(faces)} faces ({_few(absent)}): "
            "load the data set that the list was made for, with its paths"
        )
    table["row"] = rows.to_numpy().astype(np.int64)
    if "subject" in table and faces.has_subjects:
        _check_people(path, table, faces.subject[table["row"]])
    folds = []
    for index, group in table.groupby("fold", sort=True):
        parts = (group.loc[group["part"] == part, "row"].to_numpy() for part in PARTS)
        folds.append(Fold(int(index), *parts))  # type: ignore[call-overload]
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
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
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV with the columns fold, part, path ({error})".replace("\n", " ")) from error
    table.columns = table.columns.str.strip()
    absent = [name for name in ("fold", "part", "path") if name not in table]
    if absent or table.empty:
        problem = f"column {', '.join(absent)} is missing" if absent else "no rows"
        raise ValueError(f"{path}: {problem}: a fold list is a CSV with the columns fold, part, path")
    table["part"] = table["part"].str.strip().replace({"val": "validation"})
    number = pd.to_numeric(table["fold"], errors="coerce")
    for wrong, what in (
        (number.isna() | (number % 1 != 0), "fold is not a whole number"),
        (~table["part"].isin(PARTS), f"part is none of {', '.join(PARTS)}"),
        (table["path"] == "", "path is empty"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"{path}, line {row + 2}: {what} ({','.join(table.iloc[row])}): correct the line")
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
            f"{path}, line {row + 2}: {table['path'].iloc[row]} shows {listed[row]} in the list "
            f"but {known[row]} in these faces: the list was made for another version of the data"
        )


def _official_parts(faces: Faces) -> np.ndarray:
    """The ``split`` column as parts, (n,) of str."""
    if "split" not in faces.table:
        raise ValueError("these faces have no 'split' column: use SubjectKFold, or load a set with an official split")
    part = faces.table["split"].astype("string").str.strip().str.lower().replace({"val": "validation"})
    wrong = ~part.isin(PARTS).to_numpy(dtype=bool)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"row {row} ({row_names(faces)[row]}) has split {faces.table['split'].iloc[row]!r}: "
            f"known are {', '.join(PARTS)}"
        )
    return part.to_numpy(dtype=str)


def _counts(person: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """Images of each person (rows) in each class and, last column, in all: (people, classes + 1) int64."""
    classes, label = np.unique(expression, return_inverse=True)
    counts = np.zeros((int(person.max()) + 1, len(classes) + 1), dtype=np.int64)
    np.add.at(counts, (person, label), 1)
    counts[:, -1] = counts.sum(axis=1)
    return counts


def _deal(people: np.ndarray, counts: np.ndarray, n_subsets: int, seed: int) -> np.ndarray:
    """Deal people to subsets so that classes and sizes are balanced: (people,) int64 in 0..n_subsets-1.

    Greedy: those who weigh most go first (weights of images are relative to their class, so that rare
    classes are spread first), each to the subset of smallest scalar product with that person's counts, which
    is what keeps the sum of squared class shares least. An empty subset has product 0 and a filled one more,
    so none stays empty.
    """
    weights = _UNIT // np.maximum(counts.sum(axis=0), 1) ** 2
    weight = [int(value) for value in (counts * counts) @ weights]
    # Within a factor of two weights count as equal and the seed decides: else it would only break exact ties.
    order = sorted(range(len(people)), key=lambda row: (-weight[row].bit_length(), _chance(seed, str(people[row]))))
    held = np.zeros((n_subsets, counts.shape[1]), dtype=np.int64)
    subset = np.empty(len(people), dtype=np.int64)
    for row in order:
        overlap = held @ (weights * counts[row])
        subset[row] = np.lexsort((held[:, -1], overlap))[0]
        held[subset[row]] += counts[row]
    return subset


def _chance(seed: int, name: str) -> bytes:
    """What a shuffle sorts by: the same on every platform and whatever the order of the rows."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _rotate(subset: np.ndarray, n_subsets: int, n_validation: int) -> list[Fold]:
    """Folds from each row's subset: subset i tests, the next ``n_validation`` validate, the others train."""
    folds = []
    for index in range(n_subsets):
        turn = (subset - index) % n_subsets
        validation = (turn >= 1) & (turn <= n_validation)
        folds.append(
            Fold(
                index,
                np.flatnonzero(turn > n_validation),
                np.flatnonzero(validation),
                np.flatnonzero(turn == 0),
            )
        )
    return folds


def _ascending(names: np.ndarray) -> np.ndarray:
    """Row numbers in ascending order of ids, numbers inside them as numbers."""

    def key(row: int) -> tuple[list[Any], str]:
        name = str(names[row])
        return [int(piece) if odd % 2 else piece for odd, piece in enumerate(re.split(r"(\d+)", name))], name

    return np.array(sorted(range(len(names)), key=key), dtype=np.int64)


def _few(names: pd.Series) -> str:
    shown = ", ".join(names.iloc[:_NAMED])
    return shown + (", ..." if len(names) > _NAMED else "")
