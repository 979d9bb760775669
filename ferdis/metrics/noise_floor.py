"""Whether a gain stands out of the noise: an interval over people, and the spread of trainings, both at once.

Two things can make one system look better than another by chance. The tested people are a sample: others would have
given another difference. And a training is one of many: another seed, or folds that are dealt in another way, give
another difference on the very same people. :func:`ferdis.metrics.compare` answers the first question alone.

:func:`gain` takes rows of repeated k-fold (several partitions, each perhaps trained several times), pairs the two
systems on the same people in the same trainings, and calls a difference shown only if

- 0 is outside its interval, from resampling people (each person's counts are averaged over the trainings),
- it is above the floor: larger than the standard deviation of the difference from training to training, and, where
  there are few trainings, than what a t test of their differences asks for (1.24 standard deviations for five), and
- 0 is outside the interval that holds both sources of chance at once: the two half-widths added as squares (G. Zou and
  A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008). Each of the first
  two asks about one source as if the other did not exist, and together they let 7 % of nulls pass.

With a single training the second cannot be told, and nothing is shown. Seeds of one partition share its luck: where
there are several partitions, it is their means that count. The interval over people is the expanded percentile one
(T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 2015), as that of a dozen
people would be too short. How often a difference is shown that does not exist is in ``docs/report.md``; 200 simulated
nulls are a test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from ferdis.metrics.comparison import _paired
from ferdis.metrics.resampling import counts_of_trainings, draws, statistic_of

__all__ = ["Gain", "GainStatistic", "gain", "gain_of_counts", "gains", "partitions_of", "spread_of"]

GainStatistic = Literal["accuracy", "uar", "macro_f1", "person"]
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Gain:
    """The first system less the second, and how much of it could be chance.

    Attributes
    ----------
    difference : float
        Mean over the trainings, -1..1.
    low, high : float
        Interval over people; NaN for a single person.
    both_low, both_high : float
        Interval over people and trainings at once; NaN for a single person or training.
    spread : float
        Standard deviation (ddof 1) of the difference over all trainings; NaN for a single one.
    over_partitions : float
        Standard deviation of the partitions' mean differences; NaN for a single partition.
    over_seeds : float
        Standard deviation of the difference within a partition, pooled; NaN where each is trained once.
    floor : float
        What the difference must be above, in size; NaN for a single training.
    trainings, partitions, people : int
        How many of each.
    why_not : str
        Why the difference is not shown; empty where it is.
    """

    difference: float
    low: float
    high: float
    both_low: float
    both_high: float
    spread: float
    over_partitions: float
    over_seeds: float
    floor: float
    trainings: int
    partitions: int
    people: int
    why_not: str

    @property
    def shown(self) -> bool:
        """Whether the difference, a gain or a loss, stands out of the noise."""
        return not self.why_not

    @property
    def verdict(self) -> str:
        """ "shown", "shown: a loss", or "not shown" and why."""
        if self.why_not:
            return f"not shown: {self.why_not}"
        return "shown" if self.difference > 0 else "shown: a loss"


def gain(
    rows: pd.DataFrame,
    first: str,
    second: str,
    statistic: GainStatistic = "accuracy",
    *,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> Gain:
    """Compare two systems over people and over trainings.

    Parameters
    ----------
    rows : DataFrame
        As ``evaluate`` gives them: ``system, seed, fold, subject, path, true, predicted``. A seed is a training of all
        folds; seeds whose folds are the same belong to one partition.
    first, second : str
        Names in the ``system`` column; tested on the same images with the same seeds.
    statistic : {"accuracy", "uar", "macro_f1", "person"}
        Of all images together; "person" is the mean over people of each one's difference in accuracy, so that everyone
        counts alike however many images there are.
    level : float
        Coverage of the interval, 0..1.
    replicates, seed : int
        Number of draws of people, and their seed.

    Raises
    ------
    ValueError
        If a system is missing, or the two were not tested on the same images with the same seeds.
    """
    if statistic not in get_args(GainStatistic):
        raise ValueError(f"statistic={statistic!r}: choose one of {', '.join(get_args(GainStatistic))}")
    one, other = _paired(rows, first, second)
    seeds = sorted(set(one["seed"]))
    if seeds != sorted(set(other["seed"])):
        raise ValueError(f"{first} and {second} were not trained with the same seeds: compare runs of one protocol")
    counts, people = _counts(one, other, seeds)
    if not np.array_equal(people[0], people[1]):
        raise ValueError(f"{first} and {second} name the people of the same images differently: run both again")
    return gain_of_counts(counts, partitions_of(one, seeds), statistic, level=level, replicates=replicates, seed=seed)


def gain_of_counts(
    counts: np.ndarray,
    partition: np.ndarray,
    statistic: GainStatistic = "accuracy",
    *,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> Gain:
    """:func:`gain` from confusion matrices.

    Parameters
    ----------
    counts : (2 systems, trainings, people, classes * classes)
        Flattened confusion matrices; the first axis is the first system and the second.
    partition : (trainings,)
        Number of each training's partition.
    statistic, level, replicates, seed
        As for :func:`gain`.
    """
    trainings, people = counts.shape[1:3]
    everybody = np.ones((1, people))
    each = np.array([float(_drawn(counts[:, k], everybody, statistic)[0]) for k in range(trainings)])
    low, high = _interval(counts.mean(axis=1), statistic, level, replicates, seed)
    between, within = spread_of(each, partition)
    difference, spread, floor = float(each.mean()), *_floor(each, level)
    both = _both(difference, low, high, _means(each, partition), level)
    why_not = _why_not(difference, (low, high), both, floor)
    return Gain(
        difference, low, high, *both, spread, between, within, floor, trainings, len(set(partition)), people, why_not
    )


def gains(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    statistics: Iterable[GainStatistic] = ("person", "accuracy", "uar"),
    **arguments: int | float,
) -> pd.DataFrame:
    """:func:`gain` for pairs of systems, in percentage points.

    Returns
    -------
    DataFrame
        ``first, second, statistic, gain, low, high, both_low, both_high, spread, over_partitions, over_seeds,
        floor`` (points), ``trainings, partitions, people, verdict``; one row for each pair and statistic.
    """
    lines = []
    for first, second in pairs:
        for statistic in statistics:
            found = gain(rows, first, second, statistic, **arguments)  # type: ignore[arg-type]
            points = {
                name: 100 * getattr(found, name)
                for name in ("low", "high", "both_low", "both_high", "spread", "over_partitions", "over_seeds", "floor")
            }
            counted = {name: getattr(found, name) for name in ("trainings", "partitions", "people", "verdict")}
            named = {"first": first, "second": second, "statistic": statistic, "gain": 100 * found.difference}
            lines.append({**named, **points, **counted})
    return pd.DataFrame(lines)


def _counts(one: pd.DataFrame, other: pd.DataFrame, seeds: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Confusion matrices (2 systems, trainings, people, classes * classes), and the people of each system."""
    classes = sorted(set(one["true"]) | set(one["predicted"]) | set(other["predicted"]))
    counted = [counts_of_trainings(part, seeds, classes) for part in (one, other)]
    found, people = [matrices for matrices, _ in counted], [names for _, names in counted]
    return np.stack(found) if np.array_equal(people[0], people[1]) else np.zeros((2, 1, 1, 1)), people


def _drawn(counts: np.ndarray, times: np.ndarray, statistic: GainStatistic) -> np.ndarray:
    """The difference (b,) where each person is there so many ``times`` (b, people); counts (2, people, cells)."""
    value = statistic_of("accuracy" if statistic == "person" else statistic)
    if statistic == "person":
        return times @ (value(counts[0]) - value(counts[1])) / times.sum(axis=1)
    return value(times @ counts[0]) - value(times @ counts[1])


def _interval(
    counts: np.ndarray, statistic: GainStatistic, level: float, replicates: int, seed: int
) -> tuple[float, float]:
    """From resampling people."""
    people = counts.shape[1]
    if people < 2:
        return NAN, NAN
    found = np.concatenate([_drawn(counts, times, statistic) for times in draws(people, replicates, seed)])
    # The interval of a normal distribution would have the coverage that it should with t instead of z, and n - 1 not n.
    outside = stats.norm.cdf(stats.t.ppf((1 - level) / 2, people - 1) * np.sqrt(people / (people - 1)))
    low, high = np.quantile(found, [outside, 1 - outside])
    return float(low), float(high)


def partitions_of(rows: pd.DataFrame, seeds: Sequence[int]) -> np.ndarray:
    """Number of each training's partition: seeds that deal the images to the same folds share one."""
    dealt = rows.pivot(index="path", columns="seed", values="fold").to_numpy()  # columns in the order of seeds
    return np.unique(dealt, axis=1, return_inverse=True)[1].reshape(len(seeds))


def spread_of(each: np.ndarray, partition: np.ndarray) -> tuple[float, float]:
    """Standard deviation of the partitions' means, and that of trainings within partitions."""
    groups = [each[partition == number] for number in np.unique(partition)]
    between = float(np.std([group.mean() for group in groups], ddof=1)) if len(groups) > 1 else NAN
    freedom = len(each) - len(groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return between, float(np.sqrt(squares / freedom)) if freedom else NAN


def _floor(each: np.ndarray, level: float) -> tuple[float, float]:
    """Standard deviation of the trainings' differences, and what their mean must be above."""
    n = len(each)
    if n < 2:
        return NAN, NAN
    spread = float(each.std(ddof=1))
    return spread, spread * max(1.0, float(stats.t.ppf((1 + level) / 2, n - 1)) / np.sqrt(n))


def _means(each: np.ndarray, partition: np.ndarray) -> np.ndarray:
    """What varies independently: the partitions' means, or the trainings of a single partition."""
    numbers = np.unique(partition)
    return each if len(numbers) == 1 else np.array([each[partition == number].mean() for number in numbers])


def _both(difference: float, low: float, high: float, independent: np.ndarray, level: float) -> tuple[float, float]:
    """Limits over people and trainings at once, from those over people and a t interval over the trainings."""
    n = len(independent)
    if n < 2 or np.isnan(low):
        return NAN, NAN
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * independent.std(ddof=1) / np.sqrt(n))
    return difference - float(np.hypot(difference - low, half)), difference + float(np.hypot(high - difference, half))


def _why_not(difference: float, people: tuple[float, float], both: tuple[float, float], floor: float) -> str:
    if np.isnan(people[0]):
        return "one person has no interval"
    if people[0] <= 0 <= people[1]:
        return "0 is in the interval"
    if np.isnan(floor):
        return "one training has no spread"
    if abs(difference) <= floor:
        return "inside the spread of trainings"
    return "inside people and trainings together" if both[0] <= 0 <= both[1] else ""
