"""Protocols over several data sets: train on some, test on another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ferdis.faces import Faces
from ferdis.protocol.cross_dataset import COLUMN, join, join_all, set_names
from ferdis.protocol.dealing import Parameters, carve, check_share
from ferdis.protocol.folds import Fold

__all__ = ["CrossDataset", "LeaveOneDatasetOut"]


@dataclasses.dataclass(frozen=True, eq=False)
class CrossDataset(Parameters):
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
        _check_one_kind([*self.train, self.test], "train and test mix")
        if any(item is self.test or (isinstance(item, str) and item == self.test) for item in self.train):
            raise ValueError("the test set is among the training sets: to test within a set use SubjectKFold")
        check_share(self.validation)

    @cached_property
    def faces(self) -> Faces:
        """All sets as one Faces, see :func:`ferdis.protocol.cross_dataset.join`.

        Raises
        ------
        ValueError
            If only names were given, or the sets do not fit together.
        """
        *train, test = _as_faces([*self.train, self.test], self, "train and test")
        return join(train, test)

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
        *train, test = _names_of([*self.train, self.test])
        return [_across(faces, _origin(faces, [*train, test]), 0, train, test, self.validation, self.seed)]


@dataclasses.dataclass(frozen=True, eq=False)
class LeaveOneDatasetOut(Parameters):
    """Each data set is the test part once, all others train: how a system does on a set that nobody trained on.

    Parameters
    ----------
    datasets : sequence of Faces, or of names
        At least two; as for :class:`CrossDataset`.
    validation : float
        Share of the training people (images, where nobody is known) that becomes the validation part, 0 <= share < 1.
    seed : int
        Decides which people are carved off.

    Notes
    -----
    Only classes that all sets have are kept, and the run says which. Any two sets are in different parts of some fold,
    so that the audit refuses subjects and images that any two of them share.
    """

    datasets: Sequence[Faces | str]
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.datasets, Faces | str) or len(self.datasets) < 2:
            raise ValueError("datasets names fewer than two sets: one is tested, the others train")
        _check_one_kind(self.datasets, "datasets mixes")
        if any(item is other for k, item in enumerate(self.datasets) for other in self.datasets[:k]):
            raise ValueError("datasets names a set twice: it would be tested and trained on")
        check_share(self.validation)

    @cached_property
    def faces(self) -> Faces:
        """All sets as one Faces, see :func:`ferdis.protocol.cross_dataset.join_all`.

        Raises
        ------
        ValueError
            If only names were given, or the sets do not fit together.
        """
        return join_all(_as_faces(self.datasets, self, "datasets"))

    def get_n_splits(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> int:
        """One fold a data set."""
        return len(self.datasets)

    def split(self, X: Faces | None = None, y: Any = None, groups: Any = None) -> list[Fold]:
        """One fold a data set, in the order of ``datasets``; raises as :meth:`CrossDataset.split`."""
        faces = self.faces if X is None else X
        names = _names_of(self.datasets)
        origin = _origin(faces, names)
        return [
            _across(faces, origin, number, [name for name in names if name != test], test, self.validation, self.seed)
            for number, test in enumerate(names)
        ]


def _check_one_kind(given: Sequence[Faces | str], what: str) -> None:
    """An error where some sets are given by name and some as Faces."""
    if len({isinstance(item, str) for item in given}) > 1:
        raise ValueError(f"{what} names and Faces: give one or the other")


def _as_faces(given: Sequence[Faces | str], protocol: Parameters, arguments: str) -> list[Faces]:
    """The sets of a protocol; an error where it has their names only."""
    found = [item for item in given if isinstance(item, Faces)]
    if not found:
        raise ValueError(f"{type(protocol).__name__} knows its sets by name only: give Faces as {arguments}")
    return found


def _names_of(given: Sequence[Faces | str]) -> list[str]:
    """The sets' names in the column ``dataset``."""
    found = [item for item in given if isinstance(item, Faces)]
    return set_names(found) if found else [str(item) for item in given]


def _origin(faces: Faces, names: Sequence[str]) -> np.ndarray:
    """The set of each row, (n,) of str; an error where the faces are not joined, or a set has no rows."""
    if COLUMN not in faces.table:
        raise ValueError(f"these faces have no column {COLUMN!r}: evaluate on the protocol's own .faces")
    origin = faces.table[COLUMN].to_numpy(dtype=str)
    for name in names:
        if not (origin == name).any():
            raise ValueError(f"no row is of {name!r}: these faces are of {', '.join(sorted(set(origin)))}")
    return origin


def _across(
    faces: Faces, origin: np.ndarray, index: int, train: Sequence[str], test: str, validation: float, seed: int
) -> Fold:
    """The fold that trains on some sets and tests on another."""
    rows = np.flatnonzero(np.isin(origin, train))
    chosen = carve(faces[rows], validation, seed)
    return Fold(index, rows[~chosen], rows[chosen], np.flatnonzero(origin == test))
