"""Protocols: which faces train, which choose the model, which test.

A protocol's ``split(faces)`` gives a list of :class:`Fold`. Every split here is by person: the parts of a
fold share nobody, and :mod:`ferdis.protocol.leakage` proves it on these folds as on anybody's published list. The folds
are the same at every call and on every platform, and do not depend on the order of the rows: people are
sorted by name, and what chance decides is decided by a SHA-256 of seed and name, not by a random number
generator whose stream may change between versions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from ferdis.faces import Faces
from ferdis.protocol.cross_dataset import COLUMN, join, set_names
from ferdis.protocol.folds import PARTS, Fold, read_folds, row_names

__all__ = [
    "CrossDataset",
    "FoldList",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "Splitter",
    "SubjectKFold",
    "repeat",
]

_UNIT = 2**52  # integer arithmetic for balance: floating point sums could differ between platforms
_CARVE = 20  # an official training part is dealt into this many pieces; some of them become the validation part


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
        _check_share(self.validation)

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
        if not len(validation):
            chosen = _carve(X[train], self.validation, self.seed)
            train, validation = train[~chosen], train[chosen]
        return [Fold(0, train, validation, test)]


@dataclasses.dataclass(frozen=True, eq=False)
class CrossDataset(_Parameters):
    """Train on whole data sets, test on another; one fold.

    Parameters
    ----------
    train : sequence of Faces, or of names
        Faces as the loaders give them, joined in :attr:`faces`; or names in the column ``dataset`` of faces that are
        joined already.
    test : Faces, or a name
    validation : float
        Share of the training people (images, where nobody is known) that becomes the validation part, 0 <= share < 1.
    seed : int
        Decides which people are carved off.

    Notes
    -----
    Only classes that both sides have are kept. People keep their namespace, so the audit refuses CK+ against CK+48
    (the same people), and BU-3DFE against BU-4DFE unless told otherwise; images of different sets are compared for
    near-duplicates as all others are.

    Examples
    --------
    >>> protocol = CrossDataset(train=[load("ckplus", root=...)], test=load("jaffe", root=...))   # doctest: +SKIP
    >>> evaluate(IFGAN(), protocol.faces, protocol)                                               # doctest: +SKIP
    """

    train: Sequence[Faces | str]
    test: Faces | str
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.train, Faces | str):
            object.__setattr__(self, "train", (self.train,))
        if not len(self.train):
            raise ValueError("train is empty: name at least one set to train on")
        given = [*self.train, self.test]
        if len({isinstance(item, str) for item in given}) > 1:
            raise ValueError("train and test mix names and Faces: give one or the other")
        if any(item is self.test or (isinstance(item, str) and item == self.test) for item in self.train):
            raise ValueError("the test set is among the training sets: to test within a set use SubjectKFold")
        _check_share(self.validation)

    @cached_property
    def faces(self) -> Faces:
        """All sets as one Faces, see :func:`ferdis.protocol.cross_dataset.join`.

        Raises
        ------
        ValueError
            If only names were given, or the sets do not fit together.
        """
        if isinstance(self.test, str):
            raise ValueError("CrossDataset knows its sets by name only: give Faces as train and test")
        return join([item for item in self.train if isinstance(item, Faces)], self.test)

    def get_n_splits(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> int:
        """1."""
        return 1

    def split(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> list[Fold]:
        """The one fold of :attr:`faces`, or of other faces with the column ``dataset``.

        Raises
        ------
        ValueError
            If there is no such column, or a set has no rows in it.
        """
        faces = self.faces if X is None else X
        if COLUMN not in faces.table:
            raise ValueError(f"these faces have no column {COLUMN!r}: evaluate on CrossDataset(...).faces")
        *train, test = self._names()
        origin = faces.table[COLUMN].astype(str)
        for name in (*train, test):
            if not (origin == name).any():
                raise ValueError(f"no row is of {name!r}: these faces are of {', '.join(sorted(set(origin)))}")
        rows = np.flatnonzero(origin.isin(train))
        chosen = _carve(faces[rows], self.validation, self.seed)
        return [Fold(0, rows[~chosen], rows[chosen], np.flatnonzero(origin == test))]

    def _names(self) -> list[str]:
        given = [*self.train, self.test]
        return [str(item) for item in given] if isinstance(self.test, str) else set_names(given)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class FoldList(_Parameters):
    """Folds that somebody wrote down.

    Parameters
    ----------
    path : path
        A CSV of fold, part, path (see :func:`write_folds`), such as RUN/folds.csv.
    """

    path: str | Path

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds of the file; raises as :func:`read_folds`."""
        return read_folds(self.path, X)


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


def _check_share(validation: float) -> None:
    if not 0 <= validation < 1:
        raise ValueError(f"validation={validation}: a share of the training part, 0 <= share < 1")


def _carve(faces: Faces, share: float, seed: int) -> np.ndarray:
    """Mask of the rows of a training part that validate: by person where known, balanced by class; (n,) bool."""
    if share == 0:
        return np.zeros(len(faces), dtype=bool)
    people, person = np.unique(faces.subject if faces.has_subjects else row_names(faces), return_inverse=True)
    if len(people) < 2:
        raise ValueError("one training person cannot both train and validate: use validation=0")
    pieces = min(_CARVE, len(people))
    taken = min(max(round(share * pieces), 1), pieces - 1)
    piece = _deal(people, _counts(person, faces.expression), pieces, seed)
    return (piece < taken)[person]


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
