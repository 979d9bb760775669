"""Whether one system is better than another: paired tests, over people first.

Two systems are compared on the same test images. Three frames of one sequence are not independent, nor are the
sequences of one person, so what is drawn and what is permuted is the person:

- :func:`compare`: difference of a statistic, a paired cluster bootstrap over people for its interval, and a
  permutation test that gives each person's two sets of predictions to the two systems by chance. These come first.
- :func:`corrected_resampled_t`: the folds' differences, with the correction of Nadeau & Bengio (2003) for training
  parts that overlap. A few folds see little: it is the weaker test, kept because papers print means over folds.
- :func:`mcnemar`: exact, on one prediction a sequence (an image where there are no sequences). It takes the
  sequences of one person as independent, which they are not: read it beside the permutation test, not instead of it.

Several seeds are no further people. The counts of each person are averaged over the seeds of a system, so that
training twice makes no interval narrower by counting images twice. What the intervals do not cover is that a system
trained once more would be another one: with several seeds the average system is compared, with one this very training.

More than two systems: :func:`compare_systems` tests every pair and corrects for their number (Holm 1979).
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
        First less second, in units of the statistic (-1..1).
    low, high : float
        Bootstrap interval of it over people; NaN for a single person.
    p_value : float
        Two-sided, by permutation: the chance of a difference this large if, person by person, it did not
        matter which system was which. NaN for a single person.
    people : int
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
        Sequences (or images) that both systems decided, of one seed.
    first_only, second_only : float
        Of these, right by one system alone; mean over seeds.
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
    """Compare two systems over people: paired cluster bootstrap and permutation test.

    Parameters
    ----------
    rows : DataFrame
        Holds both systems, tested on the same images in the same folds. ``subject`` (or else ``path``) names
        what is drawn. Each system's seeds are averaged; the two need not have the same.
    first, second : str
        Names in the ``system`` column.
    statistic : {"accuracy", "uar", "macro_f1"}
        Of the pooled rows.
    level : float
        Coverage of the interval, 0..1.
    replicates, seed : int
        Draws of the bootstrap and of the permutation, and their seed. Where ``2**people`` is no more than
        ``replicates`` the permutation test goes through every arrangement.

    Raises
    ------
    ValueError
        If a system is not there, or the two were not tested on the same images.
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
    """:func:`compare`, from each person's confusion matrix.

    Parameters
    ----------
    first, second : array, (people, classes * classes)
        Flattened confusion matrices (true * classes + predicted), the same people in the same order.
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
    # The arrangement at hand is one of all: among those drawn by chance it is counted in.
    drawn_in = 0 if exhaustive(people, replicates) else 1
    p_value = (extreme + drawn_in) / (len(swapped) + drawn_in)
    return Comparison(difference, float(low), float(high), p_value, people)


def fold_differences(rows: pd.DataFrame, first: str, second: str, statistic: Statistic = "accuracy") -> pd.Series:
    """First less second on each fold, -1..1, mean over seeds; one a seed and fold where seeds have folds of their own.

    Parameters
    ----------
    rows, first, second, statistic
        As for :func:`compare`; the statistic is of the fold's own rows.

    Returns
    -------
    Series
        Indexed by (seed, fold); the seed is the first one where the folds are those of every seed.
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
    """Corrected resampled t test (Nadeau & Bengio 2003, section 3): do the folds' differences average to zero?

    ``t = mean / sqrt((1 / J + test_share) * variance)`` with J - 1 degrees of freedom: the plain t test would take
    folds as independent though their training parts overlap. For k-fold, repeated or not, J is the number of fits
    (Bouckaert & Frank 2004).

    Parameters
    ----------
    differences : array-like, (J,)
        One a fold.
    test_share : float
        Test images of a fold over its training images: 1 / 9 for ten folds, 1 / 8 if one of them validates.

    Returns
    -------
    (t, p)
        Two-sided; NaN twice for fewer than two folds. Differences that are all the same have t infinite (p 0), or 0
        (p 1) where they are all zero.
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
    """Exact McNemar test on one prediction a sequence, or an image where the rows know no sequences.

    With several seeds, the test is made for each seed that both systems have, and the p-values are joined as twice
    their median, which is valid however they depend on one another (Meinshausen, Meier & Buehlmann 2009). No seed in
    common: NaN.

    Parameters
    ----------
    rows, first, second
        As for :func:`compare`.
    """
    keys = ["seed", "fold", "unit", "true"]
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
    """Two-sided p of the exact McNemar test: decisions right by one alone are as likely of either, Binomial(n, 1/2)."""
    unlike = first_only + second_only
    return 1.0 if unlike == 0 else float(stats.binomtest(first_only, unlike).pvalue)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values corrected for their number (Holm 1979): the chance of any false one among all is held. NaN stays NaN.

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
        By default every pair, in the order of the rows. Naming only the pairs in question costs less power.
    test_shares : mapping of (seed, fold) to float, optional
        Test over training images of each fold, for the t test. By default what is not tested trains, which holds for
        k-fold without validation people; with them the true share is larger.
    replicates, seed : int
        As for :func:`compare`.

    Returns
    -------
    DataFrame
        One row a pair: ``first, second, images, people, folds``; for ``uar`` and ``accuracy`` each
        ``<s>_difference, <s>_low, <s>_high, <s>_p`` (people); ``t, t_p`` (accuracy over folds);
        ``decisions, first_only, second_only, mcnemar_p``; and ``uar_holm, accuracy_holm, t_holm, mcnemar_holm``, each
        test's p corrected for the number of pairs.

    Raises
    ------
    ValueError
        As :func:`compare`.
    """
    systems = list(dict.fromkeys(rows["system"]))
    lines = []
    for first, second in itertools.combinations(systems, 2) if pairs is None else pairs:
        both = rows[rows["system"].isin((first, second))]
        line: dict[str, object] = {"first": first, "second": second, "pictures": both["path"].nunique()}
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
    """Mean of test over training images of the folds; 1 where a single fold tests everything (t is NaN then)."""
    if given is not None:
        return float(np.mean([given[(int(seed), int(fold))] for seed, fold in folds.index]))
    each = (
        rows.groupby(["seed", "fold"])["path"].nunique() if "seed" in rows else rows.groupby("fold")["path"].nunique()
    )
    rest = rows["path"].nunique() - each
    return float((each / rest)[rest > 0].mean()) if (rest > 0).any() else 1.0


def _paired(rows: pd.DataFrame, first: str, second: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both systems, each image of a fold as often as any other, and the same images for both."""
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
    """How often each image was tested: once a seed."""
    return int(rows.groupby("path").size().iloc[0])
