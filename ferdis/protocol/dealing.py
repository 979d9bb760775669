"""What all protocols share: how people are dealt into subsets, the same on every platform and in any order of rows."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any, Protocol, TypeVar

import numpy as np

from ferdis.faces import Faces
from ferdis.protocol.folds import Fold, row_names

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


S = TypeVar("S", bound="Parameters")


class Parameters:
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


def check_share(validation: float) -> None:
    """Refuse a share of the training part that is none (ValueError)."""
    if not 0 <= validation < 1:
        raise ValueError(f"validation={validation}: a share of the training part, 0 <= share < 1")


def carve(faces: Faces, share: float, seed: int) -> np.ndarray:
    """Mask of the rows of a training part that validate: by person where known, balanced by class; (n,) bool."""
    if share == 0:
        return np.zeros(len(faces), dtype=bool)
    people, person = np.unique(faces.subject if faces.has_subjects else row_names(faces), return_inverse=True)
    if len(people) < 2:
        raise ValueError("one training person cannot both train and validate: use validation=0")
    pieces = min(_CARVE, len(people))
    taken = min(max(round(share * pieces), 1), pieces - 1)
    piece = deal(people, counts_of(person, faces.expression), pieces, seed)
    return (piece < taken)[person]


def counts_of(person: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """Images of each person (rows) in each class and, last column, in all: (people, classes + 1) int64."""
    classes, label = np.unique(expression, return_inverse=True)
    counts = np.zeros((int(person.max()) + 1, len(classes) + 1), dtype=np.int64)
    np.add.at(counts, (person, label), 1)
    counts[:, -1] = counts.sum(axis=1)
    return counts


def deal(people: np.ndarray, counts: np.ndarray, n_subsets: int, seed: int) -> np.ndarray:
    """Deal people to subsets so that classes and sizes are balanced: (people,) int64 in 0..n_subsets-1.

    Greedy: those who weigh most go first (weights of images are relative to their class, so that rare
    classes are spread first), each to the subset of smallest scalar product with that person's counts, which
    is what keeps the sum of squared class shares least. An empty subset has product 0 and a filled one more,
    so none stays empty.
    """
    weights = _UNIT // np.maximum(counts.sum(axis=0), 1) ** 2
    weight = [int(value) for value in (counts * counts) @ weights]
    # Within a factor of two weights count as equal and the seed decides: else it would only break exact ties.
    order = sorted(range(len(people)), key=lambda row: (-weight[row].bit_length(), chance(seed, str(people[row]))))
    held = np.zeros((n_subsets, counts.shape[1]), dtype=np.int64)
    subset = np.empty(len(people), dtype=np.int64)
    for row in order:
        overlap = held @ (weights * counts[row])
        subset[row] = np.lexsort((held[:, -1], overlap))[0]
        held[subset[row]] += counts[row]
    return subset


def chance(seed: int, name: str) -> bytes:
    """What a shuffle sorts by: the same on every platform and whatever the order of the rows."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def rotate(subset: np.ndarray, n_subsets: int, n_validation: int) -> list[Fold]:
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


def ascending(names: np.ndarray) -> np.ndarray:
    """Row numbers in ascending order of ids, numbers inside them as numbers."""

    def key(row: int) -> tuple[list[Any], str]:
        name = str(names[row])
        return [int(piece) if odd % 2 else piece for odd, piece in enumerate(re.split(r"(\d+)", name))], name

    return np.array(sorted(range(len(names)), key=key), dtype=np.int64)
