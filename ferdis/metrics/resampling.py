"""Resampling over subjects: confusion matrices per cluster, their statistics, bootstrap draws and permutations.

Everything works on flattened confusion matrices, one per subject: a draw of subjects is then a matrix product, and no
loop runs over draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

Statistic = Literal["accuracy", "uar", "macro_f1"]

_CHUNK = 2**22  # numbers drawn at a time: 34 MB, whatever the number of subjects


def has_people(rows: pd.DataFrame) -> bool:
    """Whether every row names its subject."""
    return "subject" in rows and bool(rows["subject"].notna().all()) and bool((rows["subject"] != "").all())


def with_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, with seed 0 where they name none."""
    return rows if "seed" in rows and rows["seed"].notna().all() else rows.assign(seed=0)


def own_folds(rows: pd.DataFrame) -> bool:
    """Whether seeds have their own folds (repeated k-fold): an image is then tested in several folds."""
    return bool(rows.groupby("path")["fold"].nunique().max() > 1)


def person_of(rows: pd.DataFrame) -> np.ndarray:
    """The cluster of each row: its subject, or the image itself where subjects are not known; (n,) of str."""
    return rows["subject" if has_people(rows) else "path"].to_numpy(dtype=str)


def counts_by(rows: pd.DataFrame, cluster: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The flattened confusion matrix of each cluster, (clusters, classes * classes) float, and the sorted names.

    Parameters
    ----------
    rows : DataFrame
        Columns true, predicted.
    cluster : (n,)
        The cluster of each row.
    classes : sequence of str
        All classes that occur in either column.
    """
    names, number = np.unique(cluster, return_inverse=True)
    code = {name: place for place, name in enumerate(classes)}
    cell = rows["true"].map(code).to_numpy() * len(classes) + rows["predicted"].map(code).to_numpy()
    counts = np.zeros((len(names), len(classes) ** 2))
    np.add.at(counts, (number, cell.astype(np.int64)), 1)
    return counts, names


def counts_of_trainings(
    rows: pd.DataFrame, seeds: Sequence[int], classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The same of each subject in each training, (trainings, people, classes * classes), and the sorted subjects.

    Parameters
    ----------
    rows : DataFrame
        Columns seed, true, predicted, and the subject or the path.
    seeds : sequence of int
        Of the trainings.
    classes : sequence of str
        As for :func:`counts_by`.
    """
    person = person_of(rows)
    names = np.unique(person)
    matrices = np.zeros((len(seeds), len(names), len(classes) ** 2))
    for k, number in enumerate(seeds):
        mine = (rows["seed"] == number).to_numpy()
        counts, present = counts_by(rows[mine], person[mine], classes)
        matrices[k, np.searchsorted(names, present)] = counts
    return matrices, names


def statistic_of(name: Statistic) -> Callable[[np.ndarray], np.ndarray]:
    """The statistic as a function of flattened confusion matrices, (b, classes * classes) -> (b,), 0..1.

    UAR averages over the true classes of a matrix, macro-F1 over its true or predicted classes.

    Raises
    ------
    ValueError
        If there is no such statistic.
    """
    if name not in get_args(Statistic):
        raise ValueError(f"statistic={name!r}: choose 'accuracy', 'uar' or 'macro_f1'")

    def value(flat: np.ndarray) -> np.ndarray:
        side = math.isqrt(flat.shape[1])
        matrix = flat.reshape(-1, side, side)
        right = np.einsum("bii->bi", matrix)
        true, predicted = matrix.sum(axis=2), matrix.sum(axis=1)
        if name == "accuracy":
            return right.sum(axis=1) / true.sum(axis=1)
        if name == "uar":
            shown = true > 0
            return np.divide(right, true, out=np.zeros_like(right), where=shown).sum(axis=1) / shown.sum(axis=1)
        either = true + predicted
        f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
        return f1.sum(axis=1) / (either > 0).sum(axis=1)

    return value


def draws(people: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """How often each subject is drawn, with replacement; (b, people), block by block."""
    generator = np.random.default_rng(seed)
    share = np.full(people, 1 / people)
    for size in _blocks(people, replicates):
        yield generator.multinomial(people, share, size=size).astype(float)


def swaps(people: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """1 where a subject's two systems keep their names, 0 where they are swapped; (b, people), block by block.

    Every arrangement once where there are at most ``replicates`` of them (``2**people``); else that many at random.
    """
    if exhaustive(people, replicates):
        yield (np.arange(2**people)[:, None] >> np.arange(people) & 1).astype(float)
        return
    generator = np.random.default_rng(seed)
    for size in _blocks(people, replicates):
        yield generator.integers(0, 2, size=(size, people)).astype(float)


def exhaustive(people: int, replicates: int) -> bool:
    """Whether :func:`swaps` enumerates every arrangement."""
    return 2**people <= replicates


def _blocks(people: int, replicates: int) -> Iterator[int]:
    size = max(1, _CHUNK // people)
    for start in range(0, replicates, size):
        yield min(size, replicates - start)
