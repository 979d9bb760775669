"""Protocols: which faces train, which choose the model, which test.

A protocol's ``split(faces)`` gives a list of :class:`Fold`. Every split here is by person: the parts of a
fold share nobody, and :mod:`ferdis.protocol.leakage` proves it on these folds as on anybody's published list. The folds
are the same at every call and on every platform, and do not depend on the order of the rows: people are
sorted by name, and what chance decides is decided by a SHA-256 of seed and name, not by a random number
generator whose stream may change between versions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ferdis.faces import Faces
from ferdis.protocol.across_datasets import CrossDataset, LeaveOneDatasetOut
from ferdis.protocol.dealing import (
    Parameters,
    S,
    Splitter,
    ascending,
    carve,
    chance,
    check_share,
    counts_of,
    deal,
    rotate,
)
from ferdis.protocol.folds import PARTS, Fold, read_folds, row_names

__all__ = [
    "CalibratedKFold",
    "CrossDataset",
    "FoldList",
    "LeaveOneDatasetOut",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "Splitter",
    "SubjectKFold",
    "TransductiveKFold",
    "partitioned",
    "repeat",
]


def repeat(protocol: S, seeds: Iterable[int]) -> list[S]:
    """Repeated k-fold: the protocol once for each seed, ``[protocol.with_seed(s) for s in seeds]``."""
    return [protocol.with_seed(seed) for seed in seeds]


def partitioned(protocol: Any, seeds: Sequence[int], partitions: int) -> tuple[Any, list[int]]:
    """A protocol over several seeded partitions: the protocol of each training, and the numbers of the trainings.

    Partition p deals the people with the protocol's seed plus p; the training of seed s in it has the number
    ``s + p * (max(seeds) + 1)``, which is what the rows call its seed and what the system is seeded with.

    Parameters
    ----------
    protocol : with a seed, where ``partitions`` is more than 1.
    seeds : of the trainings of each partition, 0 or more.
    partitions : 1 or more; with 1 the protocol and the seeds are given back.

    Raises
    ------
    ValueError
        If the protocol leaves nothing to chance, or is several protocols already.
    """
    if partitions < 1:
        raise ValueError(f"partitions={partitions}: at least 1")
    if partitions == 1:
        return protocol, list(seeds)
    if not isinstance(protocol, Parameters):
        raise ValueError("partitions are dealt by one protocol with a seed, such as SubjectKFold(10): give one")
    if getattr(protocol, "scheme", "") == "id-ascending":
        raise ValueError(
            f"{type(protocol).__name__} deals people by their ids: there is one partition, not {partitions}"
        )
    first, step = protocol.get_params().get("seed", 0), max(seeds) + 1
    if min(seeds) < 0:
        raise ValueError(f"seeds={tuple(seeds)}: several partitions number their trainings, give seeds from 0")
    dealt = repeat(protocol, [first + number for number in range(partitions)])
    return [part for part in dealt for _ in seeds], [
        seed + number * step for number in range(partitions) for seed in seeds
    ]


@dataclasses.dataclass(frozen=True)
class SubjectKFold(Parameters):
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
            subset[ascending(people)] = np.arange(len(people)) % self.n_splits
        else:
            subset = deal(people, counts_of(person, X.expression), self.n_splits, self.seed)
        return rotate(subset[person], self.n_splits, self.validation_folds)


@dataclasses.dataclass(frozen=True)
class CalibratedKFold(SubjectKFold):
    """k-fold by subject in which some images of each test person may be given to a system: never a strict protocol.

    The folds are those of :class:`SubjectKFold`; of each test person some images leave the test part and become the
    fold's ``reference``. A system that declares ``uses_reference`` gets them with the test images; others are tested on
    the same images without them, as controls. Rows name what was given.

    Parameters
    ----------
    n_splits, validation_folds, scheme, seed
        As for :class:`SubjectKFold`.
    expression : str
        Expression of the reference images, ``"neutral"``; or ``"any"``: whatever they show, labels hidden.
    images : int
        Reference images of each person, those whose names a hash of ``reference_seed`` puts first; 0 for all of the
        expression.
    reference_seed : int
        Decides which images these are; apart from ``seed``, so that all partitions test the same images.
    """

    expression: str = "neutral"
    images: int = 1
    reference_seed: int = 0

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds.

        Raises
        ------
        ValueError
            As :meth:`SubjectKFold.split`; or if a person has no such image, or no other one to be tested on.
        """
        if self.images < 0 or (self.expression == "any" and not self.images):
            raise ValueError(f"images={self.images}: 1 or more, or 0 for all of one expression")
        names, chosen = row_names(X), np.zeros(len(X), dtype=bool)
        order = np.array(
            sorted(range(len(X)), key=lambda row: chance(self.reference_seed, str(names[row]))), dtype=np.int64
        )
        fits = np.full(len(X), True) if self.expression == "any" else X.expression == self.expression
        without = sorted(set(X.subject) - set(X.subject[fits]))
        if without:
            raise ValueError(
                f"{len(without)} people have no {self.expression} image ({without[0]}): leave them out, or take "
                "expression='any'"
            )
        for person in np.unique(X.subject):
            mine = order[fits[order] & (X.subject[order] == person)]
            chosen[mine[: self.images or None]] = True
        alone = sorted(set(X.subject) - set(X.subject[~chosen]))
        if alone:
            raise ValueError(f"{alone[0]} has reference images alone, and none to be tested on: take fewer images")
        return [
            dataclasses.replace(fold, test=fold.test[~chosen[fold.test]], reference=fold.test[chosen[fold.test]])
            for fold in super().split(X)
        ]


class TransductiveKFold(SubjectKFold):
    """k-fold by subject in which a system may look at all tested images of a person at once: never a strict protocol.

    The folds are those of :class:`SubjectKFold`, and their ``reference`` is the test part itself, without labels. A
    system that declares ``uses_reference`` gets it with the test images, as whoever has a film or an album of a person
    has all of it before naming anything; others name each image by itself, as controls. Rows name what was given.
    Parameters are those of :class:`SubjectKFold`.

    Notes
    -----
    Where everybody shows every expression equally often, as in posed sets, a person's images together say what each of
    them can be: figures of such sets are higher than those of an album.
    """

    def split(self, X: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        """The folds; errors as of :meth:`SubjectKFold.split`."""
        return [dataclasses.replace(fold, reference=fold.test) for fold in super().split(X)]


@dataclasses.dataclass(frozen=True)
class LeaveOneSubjectOut(Parameters):
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
        number[ascending(people)] = np.arange(len(people))
        return rotate(number[person], len(people), self.validation_subjects)


@dataclasses.dataclass(frozen=True)
class OfficialSplit(Parameters):
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
        check_share(self.validation)

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
            chosen = carve(X[train], self.validation, self.seed)
            train, validation = train[~chosen], train[chosen]
        return [Fold(0, train, validation, test)]


@dataclasses.dataclass(frozen=True)
class FoldList(Parameters):
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
