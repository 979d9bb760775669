"""Whether one system is better than another: paired tests, over subjects first.

Two systems are compared on the same test images. The frames of one sequence are not independent, nor are the
sequences of one subject, so subjects are resampled and permuted, not images:

- :func:`compare`: difference of a statistic, its interval from a paired cluster bootstrap over subjects, and a
  permutation test that swaps the two systems' predictions subject by subject. This is the primary test.
- :func:`corrected_resampled_t`: the differences per fold, with the correction of Nadeau & Bengio (2003) for
  overlapping training parts. With few folds it has little power; it is here because papers print means over folds.
- :func:`mcnemar`: exact, on one prediction per sequence (per image where there are no sequences). It treats the
  sequences of one subject as independent, which they are not: read it beside the permutation test, not instead of it.

Several seeds do not add subjects. The counts of each subject are averaged over the seeds of a system, so that training
twice does not narrow an interval by counting images twice. The intervals do not cover the variance of training: with
several seeds the average over trainings is compared, with one seed this one training.

For more than two systems :func:`compare_systems` tests every pair and corrects for their number (Holm 1979).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ferdis.metrics.recognition import decisions
from ferdis.metrics.resampling import (
    Statistic,
    counts_by,
    draws,
    exhaustive,
    own_folds,
    person_of,
    statistic_of,
    swaps,
    with_seed,
)

__all__ = [
    "Comparison",
    "McNemar",
    "compare",
    "compare_counts",
    "compare_systems",
    "corrected_resampled_t",
    "fold_differences",
    "holm",
    "mcnemar",
    "mcnemar_p",
]

_REPLICATES = 10_000
_LEVEL = 0.95
_ROUNDING = 1e-12
NAN = float("nan")

# (seed, fold) -> images in its test part / images in its training part
Shares = Mapping[tuple[int, int], float]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Difference of two systems on the same images.

    Attributes
    ----------
    difference : float
        First less second, on the scale of the statistic (-1..1).
    low, high : float
        Bootstrap interval of the difference over subjects; NaN for a single subject.
    p_value : float
        Two-sided, by permutation: the probability of a difference at least this large if the two systems were
        exchangeable for every subject. NaN for a single subject.
    people : int
        Number of subjects.
    """

    difference: float
    low: float
    high: float
    p_value: float
    people: int


@dataclasses.dataclass(frozen=True)
class McNemar:
    """Decisions on which only one of two systems is right.

    Attributes
    ----------
    decisions : int
        Sequences (or images) that both systems classified, per seed.
    first_only, second_only : float
        How many of these only the first, or only the second, system classifies correctly; mean over seeds.
    p_value : float
        Two-sided, exact; see :func:`mcnemar` for several seeds.
    """

    decisions: int
    first_only: float
    second_only: float
    p_value: float


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
    """Compare two systems over subjects: paired cluster bootstrap and permutation test.

    Parameters
    ----------
    rows : DataFrame
        Holds both systems, tested on the same images in the same folds. ``subject`` (or else ``path``) names the
        clusters. Each system's seeds are averaged; the two systems need not have the same seeds.
    first, second : str
        Names in the ``system`` column.
    statistic : {"accuracy", "uar", "macro_f1"}
        Of the pooled rows.
    level : float
        Coverage of the interval, 0..1.
    replicates, seed : int
        Number of bootstrap and permutation draws, and their seed. Where ``2**people`` is at most ``replicates`` the
        permutation test enumerates every arrangement.

    Raises
    ------
    ValueError
        If a system is missing, or the two were not tested on the same images.
    """
    one, other = _paired(rows, first, second)
    classes = sorted(set(one["true"]) | set(one["predicted"]) | set(other["predicted"]))
    counts, people = counts_by(one, person_of(one), classes)
    counts_other, people_other = counts_by(other, person_of(other), classes)
    if not np.array_equal(people, people_other):
        raise ValueError(f"{first} and {second} name the people of the same images differently: run both again")
    mean, mean_other = counts / _seeds(one), counts_other / _seeds(other)
    return compare_counts(mean, mean_other, statistic, level=level, replicates=replicates, seed=seed)


def compare_counts(
    first: np.ndarray,
    second: np.ndarray,
    statistic: Statistic = "uar",
    *,
    level: float = _LEVEL,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> Comparison:
    """:func:`compare`, from the confusion matrix of each subject.

    Parameters
    ----------
    first, second : array, (people, classes * classes)
        Flattened confusion matrices (true * classes + predicted), the same subjects in the same order.
    statistic, level, replicates, seed
        As for :func:`compare`.
    """
    value = statistic_of(statistic)

    def gap(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return value(ours) - value(theirs)

    difference = float(gap(first.sum(axis=0)[None], second.sum(axis=0)[None])[0])
    people = len(first)
    if people < 2:
        return Comparison(difference, NAN, NAN, NAN, people)
    drawn = np.concatenate([gap(times @ first, times @ second) for times in draws(people, replicates, seed)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    total = (first + second).sum(axis=0)
    mixed = (kept @ first + (1 - kept) @ second for kept in swaps(people, replicates, seed))
    swapped = np.concatenate([gap(ours, total - ours) for ours in mixed])
    extreme = int(np.sum(np.abs(swapped) >= abs(difference) - _ROUNDING))
    # The observed arrangement is one of all possible ones: it is added to those drawn at random.
    drawn_in = 0 if exhaustive(people, replicates) else 1
    p_value = (extreme + drawn_in) / (len(swapped) + drawn_in)
    return Comparison(difference, float(low), float(high), p_value, people)


def fold_differences(rows: pd.DataFrame, first: str, second: str, statistic: Statistic = "accuracy") -> pd.Series:
    """Difference (first less second) per fold, -1..1.

    Parameters
    ----------
    rows, first, second, statistic
        As for :func:`compare`; the statistic is computed on the rows of each fold.

    Returns
    -------
    Series
        Indexed by (seed, fold). Where all seeds share their folds, the mean over seeds, under the first seed; where
        seeds have their own folds (repeated k-fold), one value per seed and fold.
    """
    one, other = _paired(rows, first, second)
    repeated = own_folds(one)
    found = []
    for part in (one, other):
        classes = sorted(set(part["true"]) | set(part["predicted"]))
        fit = part.groupby(["seed", "fold"], sort=True).ngroup().to_numpy()
        keys = part[["seed", "fold"]].drop_duplicates().sort_values(["seed", "fold"])
        values = pd.Series(statistic_of(statistic)(counts_by(part, fit, classes)[0]), pd.MultiIndex.from_frame(keys))
        if not repeated:
            values = values.groupby(level="fold").mean()
            values.index = pd.MultiIndex.from_product([[one["seed"].min()], values.index], names=["seed", "fold"])
        found.append(values)
    return (found[0] - found[1]).rename("difference")


def corrected_resampled_t(differences: ArrayLike, test_share: float) -> tuple[float, float]:
    """Corrected resampled t test (Nadeau & Bengio 2003, section 3): is the mean difference over folds zero?

    ``t = mean / sqrt((1 / J + test_share) * variance)`` with J - 1 degrees of freedom. The plain t test would treat
    folds as independent although their training parts overlap. For k-fold, repeated or not, J is the number of fits
    (Bouckaert & Frank 2004).

    Parameters
    ----------
    differences : array-like, (J,)
        One per fold.
    test_share : float
        Test images of a fold divided by its training images: 1 / 9 for ten folds, 1 / 8 if one of them validates.

    Returns
    -------
    (t, p)
        Two-sided; both NaN for fewer than two folds. If all differences are equal, t is infinite (p 0), or 0 (p 1)
        where they are all zero.
    """
    values = np.asarray(differences, dtype=float)
    if not test_share > 0:
        raise ValueError(f"test_share={test_share}: it is test images over training images, above 0")
    if len(values) < 2:
        return NAN, NAN
    mean, spread = values.mean(), values.std(ddof=1)
    if spread < _ROUNDING:
        return (0.0, 1.0) if abs(mean) < _ROUNDING else (float(np.copysign(np.inf, mean)), 0.0)
    t = mean / (spread * np.sqrt(1 / len(values) + test_share))
    return float(t), float(2 * stats.t.sf(abs(t), len(values) - 1))


def mcnemar(rows: pd.DataFrame, first: str, second: str) -> McNemar:
    """Exact McNemar test on one prediction per sequence, or per image where the rows name no sequences.

    With several seeds, the test is made for each seed that both systems have, and the p-values are combined as twice
    their median, which is valid under any dependence between them (Meinshausen, Meier & Buehlmann 2009). Without a
    common seed the result is NaN.

    Parameters
    ----------
    rows, first, second
        As for :func:`compare`.
    """
    keys = ["seed", "fold", "item", "true"]
    one, other = (decisions(part).set_index(keys)["right"].sort_index() for part in _paired(rows, first, second))
    counts, p_values = [], []
    for seed in one.index.unique("seed").intersection(other.index.unique("seed")):
        ours, theirs = one.loc[seed], other.loc[seed]
        if not ours.index.equals(theirs.index):
            raise ValueError(f"{first} and {second} name the sequences of the same images differently: run both again")
        first_only, second_only = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
        counts.append((len(ours), first_only, second_only))
        p_values.append(mcnemar_p(first_only, second_only))
    if not counts:
        return McNemar(0, NAN, NAN, NAN)
    number, first_mean, second_mean = np.mean(counts, axis=0)
    joined = p_values[0] if len(p_values) == 1 else min(1.0, 2 * float(np.median(p_values)))
    return McNemar(int(number), float(first_mean), float(second_mean), joined)


def mcnemar_p(first_only: int, second_only: int) -> float:
    """Two-sided p of the exact McNemar test: ``first_only`` follows Binomial(first_only + second_only, 1/2)."""
    unlike = first_only + second_only
    return 1.0 if unlike == 0 else float(stats.binomtest(first_only, unlike).pvalue)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), which controls the family-wise error rate. NaN stays NaN.

    Parameters
    ----------
    p_values : array-like, (m,), 0..1
    """
    values = np.asarray(p_values, dtype=float)
    corrected = np.full(len(values), NAN)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    times = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * times))
    return corrected


def compare_systems(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    test_shares: Shares | None = None,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """Every comparison of every pair of systems.

    Parameters
    ----------
    rows : DataFrame
        Systems tested on the same images of one data set.
    pairs : sequence of (first, second), optional
        By default every pair, in the order of the rows. Naming only the pairs of interest keeps more power.
    test_shares : mapping of (seed, fold) to float, optional
        Test images divided by training images of each fold, for the t test. By default everything that is not tested
        counts as training, which holds for k-fold without a validation part; with one the true share is larger.
    replicates, seed : int
        As for :func:`compare`.

    Returns
    -------
    DataFrame
        One row per pair: ``first, second, images, people, folds``; for each of ``uar`` and ``accuracy``
        ``<s>_difference, <s>_low, <s>_high, <s>_p`` (over subjects); ``t, t_p`` (accuracy over folds);
        ``decisions, first_only, second_only, mcnemar_p``; and ``uar_holm, accuracy_holm, t_holm, mcnemar_holm``, the
        p-values of each test corrected for the number of pairs.

    Raises
    ------
    ValueError
        As :func:`compare`.
    """
    systems = list(dict.fromkeys(rows["system"]))
    lines = []
    for first, second in itertools.combinations(systems, 2) if pairs is None else pairs:
        both = rows[rows["system"].isin((first, second))]
        line: dict[str, object] = {"first": first, "second": second, "images": both["path"].nunique()}
        for statistic in ("uar", "accuracy"):
            found = compare(both, first, second, statistic, replicates=replicates, seed=seed)  # type: ignore[arg-type]
            line["people"] = found.people
            line |= {f"{statistic}_{key}": getattr(found, key) for key in ("difference", "low", "high")}
            line[f"{statistic}_p"] = found.p_value
        folds = fold_differences(both, first, second)
        line["folds"] = len(folds)
        line["t"], line["t_p"] = corrected_resampled_t(folds, _test_share(both, folds, test_shares))
        unlike = mcnemar(both, first, second)
        line |= {key: getattr(unlike, key) for key in ("decisions", "first_only", "second_only")}
        line["mcnemar_p"] = unlike.p_value
        lines.append(line)
    table = pd.DataFrame(lines)
    for test in ("uar", "accuracy", "t", "mcnemar"):
        table[f"{test}_holm"] = holm(table[f"{test}_p"]) if len(table) else []
    return table


def _test_share(rows: pd.DataFrame, folds: pd.Series, given: Shares | None) -> float:
    """Mean over folds of test images / training images; 1 where a single fold tests everything (t is NaN then)."""
    if given is not None:
        return float(np.mean([given[(int(seed), int(fold))] for seed, fold in folds.index]))
    each = (
        rows.groupby(["seed", "fold"])["path"].nunique() if "seed" in rows else rows.groupby("fold")["path"].nunique()
    )
    rest = rows["path"].nunique() - each
    return float((each / rest)[rest > 0].mean()) if (rest > 0).any() else 1.0


def _paired(rows: pd.DataFrame, first: str, second: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both systems, checked: every image equally often, and the same images for both."""
    parts = []
    for name in (first, second):
        part = with_seed(rows[rows["system"] == name])
        if part.empty:
            raise ValueError(f"no rows of system {name!r}: there are {', '.join(sorted(set(rows['system'])))}")
        if part.groupby("path").size().nunique() > 1:
            raise ValueError(f"{name} was tested on some images more often than on others: let its run finish")
        parts.append(part)
    tested = [set(zip(part["fold"], part["path"], part["true"], strict=True)) for part in parts]
    if tested[0] != tested[1]:
        raise ValueError(f"{first} and {second} were not tested on the same images: compare runs of one protocol")
    return parts[0], parts[1]


def _seeds(rows: pd.DataFrame) -> int:
    """How often each image was tested: once per seed."""
    return int(rows.groupby("path").size().iloc[0])
