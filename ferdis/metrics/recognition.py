"""How well expressions are recognised: pure functions of labels, probabilities and rows.

Rows are the table that a run writes, one row a test image: ``system, dataset, fold, subject, path, true,
predicted, p_<class> ..., seed, selection`` and, where known, ``sequence``.

What is averaged how:

- *Mean ± std over folds* is of the folds' accuracies, std with ddof 1. With several seeds a fold's accuracy is
  first averaged over seeds; where seeds have folds of their own (repeated k-fold), mean and std are taken within
  each seed and then averaged over seeds.
- *Accuracy, UAR, macro-F1* beside it come from the pooled rows of all folds, because a class may be absent from a
  fold. Several seeds are pooled too: each image then counts once for each seed.
- *Intervals* are over people, not images: whole people are drawn with replacement (cluster bootstrap), since the
  images of one person are not independent. Where people are not known each image stands for itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

__all__ = [
    "Comparison",
    "accuracy",
    "compare",
    "confusion",
    "expected_calibration_error",
    "fold_accuracies",
    "interval",
    "macro_f1",
    "mean_std",
    "per_class",
    "probabilities",
    "recalls",
    "sequence_accuracy",
    "summary",
    "uar",
]

Statistic = Literal["accuracy", "uar", "macro_f1"]

_REPLICATES = 2000
_LEVEL = 0.95
_CHUNK = 2**22  # numbers drawn at a time: 34 MB, whatever the number of people
_REQUIRED = ("system", "fold", "path", "true", "predicted")


def accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of images predicted right, 0..1."""
    return float(accuracy_score(true, predicted))


def uar(true: ArrayLike, predicted: ArrayLike) -> float:
    """Unweighted average recall (balanced accuracy), 0..1, over the classes that occur in ``true``."""
    present = np.unique(np.asarray(true))
    return float(recall_score(true, predicted, labels=present, average="macro", zero_division=0))


def macro_f1(true: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of the classes' F1, 0..1, as scikit-learn has it: over classes in ``true`` or ``predicted``."""
    return float(f1_score(true, predicted, average="macro", zero_division=0))


def recalls(true: ArrayLike, predicted: ArrayLike, classes: Sequence[str] | None = None) -> pd.Series:
    """Recall of each class, 0..1; NaN for a class that does not occur in ``true``.

    Parameters
    ----------
    true, predicted : array-like of str, (n,)
    classes : sequence of str, optional
        Their order; by default the classes in ``true`` or ``predicted``, sorted.
    """
    matrix = confusion(true, predicted, classes)
    total = matrix.sum(axis=1)
    diagonal = pd.Series(np.diag(matrix), index=matrix.index, dtype=float)
    return (diagonal / total.where(total > 0)).rename("recall")


def confusion(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str] | None = None, *, normalise: bool = False
) -> pd.DataFrame:
    """Confusion matrix: rows are true classes, columns predicted ones.

    Parameters
    ----------
    true, predicted : array-like of str, (n,)
    classes : sequence of str, optional
        Their order; by default the classes in ``true`` or ``predicted``, sorted.
    normalise : bool
        Shares of each true class (rows sum to 1; NaN for a class that does not occur) instead of counts.
    """
    names = list(classes) if classes is not None else list(np.union1d(np.asarray(true), np.asarray(predicted)))
    counts = confusion_matrix(true, predicted, labels=names)
    table = pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))
    return table.div(table.sum(axis=1).replace(0, np.nan), axis=0) if normalise else table


def per_class(rows: pd.DataFrame) -> pd.DataFrame:
    """Recall, precision, F1 and number of images of each class that occurs; pooled rows of one system."""
    classes = sorted(set(rows["true"]))
    precision, recall, f1, support = precision_recall_fscore_support(
        rows["true"], rows["predicted"], labels=classes, zero_division=0
    )
    columns = {"recall": recall, "precision": precision, "f1": f1, "n": support}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))


def mean_std(values: ArrayLike) -> tuple[float, float]:
    """Mean and standard deviation with ddof 1; the latter is NaN for a single value. NaN values are left out."""
    known = pd.Series(np.asarray(values, dtype=float)).dropna()
    return float(known.mean()), float(known.std(ddof=1))


def fold_accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each fold and seed of one system: columns seed, fold, accuracy, n."""
    table = _with_seed(rows).assign(right=rows["true"].to_numpy() == rows["predicted"].to_numpy())
    return table.groupby(["seed", "fold"], sort=True)["right"].agg(accuracy="mean", n="size").reset_index()


def probabilities(rows: pd.DataFrame) -> pd.DataFrame:
    """The ``p_<class>`` columns that hold numbers, named by class, in sorted order; (n, classes), 0..1."""
    columns = sorted(name for name in rows if str(name).startswith("p_") and rows[name].notna().any())
    return rows[columns].rename(columns=lambda name: name.removeprefix("p_"))


def sequence_accuracy(rows: pd.DataFrame) -> float:
    """Share of sequences predicted right from the mean of their frames' probabilities; NaN without sequences.

    Frames of a sequence that carry another label (the neutral first frame of a CK+ sequence) count as a
    sequence of their own. A row without a sequence is one by itself.
    """
    rows = rows.reset_index(drop=True)
    table = _with_seed(rows)
    probability = probabilities(rows)
    if "sequence" not in rows or rows["sequence"].isna().all() or probability.empty or not probability.shape[1]:
        return float("nan")
    alone = pd.Series([f"\0{row}" for row in range(len(rows))], index=rows.index)
    sequence = rows["sequence"].astype("string").fillna(alone.astype("string"))
    keys = [table["seed"], table["fold"], sequence, rows["true"]]
    mean = probability.groupby(keys, sort=True).mean()
    predicted = mean.columns.to_numpy()[mean.to_numpy().argmax(axis=1)]
    return float((predicted == mean.index.get_level_values(-1).to_numpy()).mean())


def expected_calibration_error(
    true: ArrayLike, probability: ArrayLike, classes: Sequence[str], *, bins: int = 15
) -> float:
    """Expected calibration error, 0..1 (Guo et al. 2017, Eq. 3): mean gap of confidence and accuracy.

    Parameters
    ----------
    true : array-like of str, (n,)
    probability : array-like, (n, classes), 0..1
    classes : sequence of str
        Names of the columns of ``probability``.
    bins : int
        Equally wide bins of confidence, (0, 1/bins], ..., each weighted by its share of the images.
    """
    values = np.asarray(probability, dtype=float)
    if values.ndim != 2 or values.shape[1] != len(classes) or len(values) != len(np.asarray(true)):
        raise ValueError(f"probability has shape {values.shape}: it must be ({len(np.asarray(true))}, {len(classes)})")
    if not len(values):
        return float("nan")
    confidence = values.max(axis=1)
    right = np.asarray(classes)[values.argmax(axis=1)] == np.asarray(true)
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(values))


def interval(
    rows: pd.DataFrame,
    statistic: Statistic = "uar",
    *,
    level: float = _LEVEL,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over people (cluster bootstrap), of one system's rows.

    Parameters
    ----------
    rows : DataFrame
        ``subject`` (or else ``path``) names the clusters.
    statistic : {"accuracy", "uar", "macro_f1"}
    level : float
        Coverage, 0..1.
    replicates, seed : int
        Bootstrap draws, and the seed of the draws.

    Returns
    -------
    (low, high)
        NaN twice where there is a single person.
    """
    counts, _ = _by_person(rows)
    people = len(counts)
    if people < 2:
        return float("nan"), float("nan")
    value = _statistic(statistic)
    found = np.concatenate([value(weights @ counts) for weights in _draws(people, replicates, seed)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Difference of two systems on the same images.

    Attributes
    ----------
    difference : float
        First less second, in units of the statistic (-1..1).
    low, high : float
        Bootstrap interval of it over people.
    p_value : float
        Two-sided, by permutation: the chance of a difference this large if, person by person, it did not
        matter which system was which.
    people : int
    """

    difference: float
    low: float
    high: float
    p_value: float
    people: int


def compare(
    rows: pd.DataFrame,
    first: str,
    second: str,
    statistic: Statistic = "uar",
    *,
    level: float = _LEVEL,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Compare two systems over people: paired cluster bootstrap and permutation test.

    Parameters
    ----------
    rows : DataFrame
        Holds both systems, tested on the same images with the same seeds.
    first, second : str
        Names in the ``system`` column.
    statistic, level, replicates, seed
        As for :func:`interval`.

    Raises
    ------
    ValueError
        If a system is not there, or the two were not tested on the same images.
    """
    one, other = (_of_system(rows, name) for name in (first, second))
    if not _tested(one).equals(_tested(other)):
        raise ValueError(f"{first} and {second} were not tested on the same images: compare runs of one protocol")
    classes = sorted(set(rows["true"]) | set(rows["predicted"]))
    counts, people = _by_person(one, classes)
    counts_other, people_other = _by_person(other, classes)
    if not np.array_equal(people, people_other):
        raise ValueError(f"{first} and {second} name the people of the same images differently: run both again")
    value = _statistic(statistic)

    def gap(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return value(ours) - value(theirs)

    difference = float(gap(counts.sum(axis=0)[None], counts_other.sum(axis=0)[None])[0])
    n = len(people)
    if n < 2:
        return Comparison(difference, float("nan"), float("nan"), float("nan"), n)
    drawn = np.concatenate([gap(w @ counts, w @ counts_other) for w in _draws(n, replicates, seed)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    total = counts + counts_other
    mixed = (kept @ counts + (1 - kept) @ counts_other for kept in _swaps(n, replicates, seed))
    swapped = np.concatenate([gap(ours, total.sum(axis=0) - ours) for ours in mixed])
    # The arrangement at hand is one of the permutations, hence the 1; the tolerance is for rounding.
    extreme = np.sum(np.abs(swapped) >= abs(difference) - 1e-12)
    return Comparison(difference, float(low), float(high), float((1 + extreme) / (1 + replicates)), n)


def summary(rows: pd.DataFrame, *, replicates: int = _REPLICATES) -> pd.DataFrame:
    """One row for each system and data set.

    Parameters
    ----------
    rows : DataFrame
        See the module; at least system, fold, path, true, predicted.
    replicates : int
        Bootstrap draws of the intervals.

    Returns
    -------
    DataFrame
        ``system, dataset, n`` (images), ``people`` (0 = not known), ``folds, seeds, accuracy_mean,
        accuracy_std`` (over folds, ddof 1), ``accuracy, accuracy_low, accuracy_high, uar, uar_low, uar_high,
        macro_f1`` (pooled; 95 % intervals over people), ``sequence_accuracy, ece`` (NaN where there is
        nothing to take them from). All 0..1.

    Raises
    ------
    ValueError
        If there are no rows, a column is missing, or a row has no prediction.
    """
    _check(rows)
    table = rows.reset_index(drop=True)  # rows of several runs, joined, may repeat their index
    table = table if "dataset" in table else table.assign(dataset="")
    groups = table.groupby(["dataset", "system"], sort=False, dropna=False)
    lines = [_summary_line(str(system), str(dataset), part, replicates) for (dataset, system), part in groups]
    return pd.DataFrame(lines)


def _summary_line(system: str, dataset: str, rows: pd.DataFrame, replicates: int) -> dict[str, object]:
    true, predicted = rows["true"], rows["predicted"]
    mean, std = _over_folds(rows)
    accuracy_low, accuracy_high = interval(rows, "accuracy", replicates=replicates)
    uar_low, uar_high = interval(rows, "uar", replicates=replicates)
    probability = probabilities(rows).dropna()
    calibration = float("nan")
    if probability.shape[1]:
        known, classes = true[probability.index], list(probability.columns)
        calibration = expected_calibration_error(known, probability, classes)
    return {
        "system": system,
        "dataset": dataset,
        "n": rows["path"].nunique(),
        "people": rows["subject"].nunique() if _has_people(rows) else 0,
        "folds": rows["fold"].nunique(),
        "seeds": _with_seed(rows)["seed"].nunique(),
        "accuracy_mean": mean,
        "accuracy_std": std,
        "accuracy": accuracy(true, predicted),
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "uar": uar(true, predicted),
        "uar_low": uar_low,
        "uar_high": uar_high,
        "macro_f1": macro_f1(true, predicted),
        "sequence_accuracy": sequence_accuracy(rows),
        "ece": calibration,
    }


def _over_folds(rows: pd.DataFrame) -> tuple[float, float]:
    """Mean and std over folds of the accuracy; see the module for several seeds."""
    table = fold_accuracies(rows)
    if rows.groupby("path")["fold"].nunique().max() == 1:  # every seed has the same folds
        return mean_std(table.groupby("fold")["accuracy"].mean())
    each = [mean_std(part["accuracy"]) for _, part in table.groupby("seed")]
    return float(np.mean([mean for mean, _ in each])), float(np.mean([std for _, std in each]))


def _check(rows: pd.DataFrame) -> None:
    absent = [name for name in _REQUIRED if name not in rows]
    if absent:
        raise ValueError(f"the rows lack the column {', '.join(absent)}: they need {', '.join(_REQUIRED)}")
    if rows.empty:
        raise ValueError("there are no rows to summarise: no fold has finished yet")
    for name in ("true", "predicted"):
        if rows[name].isna().any():
            path = rows.loc[rows[name].isna(), "path"].iloc[0]
            raise ValueError(f"the row of {path} has no {name!r} class: run its fold again")


def _has_people(rows: pd.DataFrame) -> bool:
    return "subject" in rows and bool(rows["subject"].notna().all()) and bool((rows["subject"] != "").all())


def _with_seed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows if "seed" in rows and rows["seed"].notna().all() else rows.assign(seed=0)


def _of_system(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    part = rows[rows["system"] == name]
    if part.empty:
        raise ValueError(f"no rows of system {name!r}: there are {', '.join(sorted(set(rows['system'])))}")
    return part


def _tested(rows: pd.DataFrame) -> pd.DataFrame:
    """What was tested, in a comparable order."""
    columns = ["seed", "fold", "path", "true"]
    return _with_seed(rows)[columns].astype(str).sort_values(columns).reset_index(drop=True)


def _by_person(rows: pd.DataFrame, classes: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each person's confusion matrix, flattened: (people, classes * classes) float, and their names, sorted."""
    names = sorted(set(rows["true"]) | set(rows["predicted"])) if classes is None else list(classes)
    cluster = rows["subject" if _has_people(rows) else "path"].to_numpy(dtype=str)
    people, person = np.unique(cluster, return_inverse=True)
    code = {name: number for number, name in enumerate(names)}
    cell = rows["true"].map(code).to_numpy() * len(names) + rows["predicted"].map(code).to_numpy()
    counts = np.zeros((len(people), len(names) ** 2))
    np.add.at(counts, (person, cell.astype(np.int64)), 1)
    return counts, people


def _statistic(name: Statistic) -> Callable[[np.ndarray], np.ndarray]:
    """The statistic as a function of flattened confusion matrices (b, classes * classes) -> (b,)."""
    if name not in ("accuracy", "uar", "macro_f1"):
        raise ValueError(f"statistic={name!r}: choose 'accuracy', 'uar' or 'macro_f1'")

    def value(flat: np.ndarray) -> np.ndarray:
        side = math.isqrt(flat.shape[1])
        matrix = flat.reshape(-1, side, side)
        right = np.einsum("bii->bi", matrix)
        true, predicted = matrix.sum(axis=2), matrix.sum(axis=1)
        if name == "accuracy":
            return right.sum(axis=1) / true.sum(axis=1)
        if name == "uar":  # over the classes that this draw of people shows
            return (right / np.maximum(true, 1)).sum(axis=1) / (true > 0).sum(axis=1)
        used = (true + predicted) > 0
        return (2 * right / np.maximum(true + predicted, 1)).sum(axis=1) / used.sum(axis=1)

    return value


def _chunks(people: int, replicates: int) -> Iterator[int]:
    size = max(1, _CHUNK // people)
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def _draws(people: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """How often each person is drawn, (b, people), block by block."""
    generator = np.random.default_rng(seed)
    share = np.full(people, 1 / people)
    for size in _chunks(people, replicates):
        yield generator.multinomial(people, share, size=size).astype(float)


def _swaps(people: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """1 where a person's two systems keep their names, 0 where they change, (b, people), block by block."""
    generator = np.random.default_rng(seed)
    for size in _chunks(people, replicates):
        yield generator.integers(0, 2, size=(size, people)).astype(float)
