"""Accuracy of expression recognition: pure functions of labels, probabilities and rows.

Rows are the table that a run writes, one row per test image: ``system, dataset, fold, subject, path, true,
predicted, p_<class> ..., seed, selection`` and, where known, ``sequence``.

How figures are averaged:

- *Mean ± std over folds* is taken over the accuracies per fold, std with ddof 1. With several seeds the accuracy of a
  fold is first averaged over seeds; where seeds have their own folds (repeated k-fold), mean and std are taken within
  each seed and then averaged over seeds.
- *Accuracy, UAR, macro-F1* are computed on the pooled rows of all folds, because a class may be absent from a fold.
  Several seeds are pooled too: each image then counts once per seed.
- *Intervals* are over subjects, not images: subjects are drawn with replacement (cluster bootstrap), since the images
  of one subject are not independent. Where subjects are not known each image is its own cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

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

from ferdis.metrics.resampling import (
    Statistic,
    counts_by,
    draws,
    has_people,
    own_folds,
    person_of,
    statistic_of,
    with_seed,
)

__all__ = [
    "accuracy",
    "confusion",
    "decisions",
    "expected_calibration_error",
    "fold_accuracies",
    "interval",
    "macro_f1",
    "mean_std",
    "per_class",
    "probabilities",
    "recalls",
    "reliability",
    "sequence_accuracy",
    "summary",
    "uar",
]

_REPLICATES = 2000
_LEVEL = 0.95
_REQUIRED = ("system", "fold", "path", "true", "predicted")


def accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """Share of images classified correctly, 0..1."""
    return float(accuracy_score(true, predicted))


def uar(true: ArrayLike, predicted: ArrayLike) -> float:
    """Unweighted average recall (balanced accuracy), 0..1, over the classes that occur in ``true``."""
    present = np.unique(np.asarray(true))
    return float(recall_score(true, predicted, labels=present, average="macro", zero_division=0))


def macro_f1(true: ArrayLike, predicted: ArrayLike) -> float:
    """Mean F1 over the classes in ``true`` or ``predicted``, 0..1, as scikit-learn computes it."""
    return float(f1_score(true, predicted, average="macro", zero_division=0))


def recalls(true: ArrayLike, predicted: ArrayLike, classes: Sequence[str] | None = None) -> pd.Series:
    """Recall of each class, 0..1; NaN for a class that does not occur in ``true``.

    Parameters
    ----------
    true, predicted : array-like of str, (n,)
    classes : sequence of str, optional
        Order of the classes; by default those in ``true`` or ``predicted``, sorted.
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
        Order of the classes; by default those in ``true`` or ``predicted``, sorted.
    normalise : bool
        Divide each row by its sum (NaN for a class that does not occur) instead of giving counts.
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
    """Accuracy per fold and seed of one system: columns seed, fold, accuracy, n."""
    table = with_seed(rows).assign(right=rows["true"].to_numpy() == rows["predicted"].to_numpy())
    return table.groupby(["seed", "fold"], sort=True)["right"].agg(accuracy="mean", n="size").reset_index()


def probabilities(rows: pd.DataFrame) -> pd.DataFrame:
    """The ``p_<class>`` columns that are not empty, named by class, in sorted order; (n, classes), 0..1."""
    columns = sorted(name for name in rows if str(name).startswith("p_") and rows[name].notna().any())
    return rows[columns].rename(columns=lambda name: name.removeprefix("p_"))


def sequence_accuracy(rows: pd.DataFrame) -> float:
    """Share of sequences classified correctly from the mean of their frames' probabilities; NaN without sequences.

    See :func:`decisions` for what counts as one sequence.
    """
    if "sequence" not in rows or rows["sequence"].isna().all() or not probabilities(rows).shape[1]:
        return float("nan")
    return float(decisions(rows)["right"].mean())


def decisions(rows: pd.DataFrame) -> pd.DataFrame:
    """One prediction per sequence, from the mean of its frames' probabilities, for the rows of one system.

    A sequence belongs to one subject. Its frames with a different label (the neutral first frame of a CK+ sequence)
    count as a separate sequence. A row without a sequence counts as one; without probabilities every row does.

    Parameters
    ----------
    rows : DataFrame
        fold, path, true, predicted; sequence, seed and ``p_<class>`` where known.

    Returns
    -------
    DataFrame
        ``seed, fold, item`` (the sequence, or the image), ``true, right``.
    """
    table = with_seed(rows.reset_index(drop=True))
    probability = probabilities(table)
    if "sequence" not in table or table["sequence"].isna().all() or not probability.shape[1]:
        right = table["true"] == table["predicted"]
        return table[["seed", "fold", "true"]].assign(item=table["path"], right=right)
    alone = "\0" + table["path"].astype("string")
    item = table["sequence"].astype("string").fillna(alone).rename("item")
    if has_people(table):  # two people may each have a sequence "1"
        item = (table["subject"].astype("string") + "/" + item).rename("item")
    mean = probability.groupby([table["seed"], table["fold"], item, table["true"]], sort=True).mean()
    predicted = mean.columns.to_numpy()[mean.to_numpy().argmax(axis=1)]
    found = mean.index.to_frame(index=False)
    return found.assign(right=predicted == found["true"].to_numpy())


def expected_calibration_error(
    true: ArrayLike, probability: ArrayLike, classes: Sequence[str], *, bins: int = 15
) -> float:
    """Expected calibration error, 0..1 (Guo et al. 2017, Eq. 3): mean gap between confidence and accuracy.

    Parameters
    ----------
    true : array-like of str, (n,)
    probability : array-like, (n, classes), 0..1
    classes : sequence of str
        Names of the columns of ``probability``.
    bins : int
        Number of equally wide bins of confidence, (0, 1/bins], ..., each weighted by its share of the images.
    """
    table = reliability(true, probability, classes, bins=bins)
    if not table["n"].sum():
        return float("nan")
    gap = (table["accuracy"] - table["confidence"]).abs() * table["n"]
    return float(gap.sum() / table["n"].sum())


def reliability(true: ArrayLike, probability: ArrayLike, classes: Sequence[str], *, bins: int = 15) -> pd.DataFrame:
    """Confidence and accuracy per bin: the values of a reliability diagram.

    Parameters
    ----------
    true, probability, classes, bins
        As for :func:`expected_calibration_error`.

    Returns
    -------
    DataFrame
        One row per bin: ``low, high`` (its edges), ``confidence, accuracy`` (means, 0..1; NaN in an empty bin), ``n``.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    values = np.asarray(probability, dtype=float)
    if values.ndim != 2 or values.shape[1] != len(classes) or len(values) != len(np.asarray(true)):
        raise ValueError(f"probability has shape {values.shape}: it must be ({len(np.asarray(true))}, {len(classes)})")
    confidence = values.max(axis=1) if len(values) else np.empty(0)
    right = (np.asarray(classes)[values.argmax(axis=1)] == np.asarray(true)) if len(values) else np.empty(0)
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    n = np.bincount(number, minlength=bins)
    edges = np.linspace(0, 1, bins + 1)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(number, weights=what, minlength=bins) / n for what in (confidence, right)]
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "confidence": means[0], "accuracy": means[1], "n": n})


def interval(
    rows: pd.DataFrame,
    statistic: Statistic = "uar",
    *,
    level: float = _LEVEL,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over subjects (cluster bootstrap), for the rows of one system.

    Parameters
    ----------
    rows : DataFrame
        ``subject`` (or else ``path``) names the clusters.
    statistic : {"accuracy", "uar", "macro_f1"}
    level : float
        Coverage, 0..1.
    replicates, seed : int
        Number of bootstrap draws, and their seed.

    Returns
    -------
    (low, high)
        Both NaN where there is a single subject.
    """
    value = statistic_of(statistic)
    counts, people = counts_by(rows, person_of(rows), sorted(set(rows["true"]) | set(rows["predicted"])))
    if len(people) < 2:
        return float("nan"), float("nan")
    found = np.concatenate([value(times @ counts) for times in draws(len(people), replicates, seed)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summary(rows: pd.DataFrame, *, replicates: int = _REPLICATES) -> pd.DataFrame:
    """The summary of a run: one row per system and data set.

    Parameters
    ----------
    rows : DataFrame
        As described in the module; at least system, fold, path, true, predicted.
    replicates : int
        Number of bootstrap draws for the intervals.

    Returns
    -------
    DataFrame
        ``system, dataset, n`` (images), ``people`` (subjects; 0 = not known), ``folds, seeds, accuracy_mean,
        accuracy_std`` (over folds, ddof 1), ``accuracy, accuracy_low, accuracy_high, uar, uar_low, uar_high,
        macro_f1`` (pooled; 95 % intervals over subjects), ``sequence_accuracy, ece`` (NaN without sequences or
        probabilities). All rates 0..1.

    Raises
    ------
    ValueError
        If there are no rows, a column is missing, or a row has no prediction.
    """
    _check(rows)
    table = rows.reset_index(drop=True)  # concatenated rows of several runs may repeat their index
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
        "people": rows["subject"].nunique() if has_people(rows) else 0,
        "folds": rows["fold"].nunique(),
        "seeds": with_seed(rows)["seed"].nunique(),
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
    """Mean and std of the accuracy over folds; the module describes what happens with several seeds."""
    table = fold_accuracies(rows)
    if not own_folds(rows):
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
