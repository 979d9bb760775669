"""Where the spread of a figure comes from: the people tested, the partition into folds, the seed of a training.

A figure that is printed once hides three kinds of chance. :func:`spreads` tells them apart for each system, from rows
of repeated k-fold (several seeded partitions, each perhaps trained with several seeds):

- *people*: the standard error over the people tested, from resampling them, each with the counts of all trainings;
- *partitions*: how far the figure moves if subjects are dealt into other folds, with the seeds' share taken off;
- *seeds*: how far it moves if the same folds are trained with another seed.

The last two are the standard deviations of a nested analysis of variance with random effects (partition, seed within
partition), from the mean squares. Where each partition is trained once the two cannot be told apart: their common
spread is in ``trainings``, and both are NaN. The *total* is that of one run: one partition, one seed, so many people.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from ferdis.metrics.noise_floor import GainStatistic, partitions_of, spread_of
from ferdis.metrics.resampling import counts_of_trainings, draws, statistic_of, with_seed

__all__ = ["Spread", "spread", "spreads"]

NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Spread:
    """A figure and the standard deviations of its sources of chance; all 0..1.

    Attributes
    ----------
    value : float
        Mean over the trainings.
    people : float
        Standard error over people; NaN for a single person.
    partitions, seeds : float
        Standard deviation from partition to partition, and from seed to seed within one; NaN where not known.
    trainings : float
        Standard deviation from training to training, whatever their cause; NaN for one training.
    total : float
        Of a single run, from people and trainings; NaN where either is not known.
    n_people, n_partitions, n_trainings : int
    """

    value: float
    people: float
    partitions: float
    seeds: float
    trainings: float
    total: float
    n_people: int
    n_partitions: int
    n_trainings: int


def spread(rows: pd.DataFrame, statistic: GainStatistic = "uar", *, replicates: int = 2000, seed: int = 0) -> Spread:
    """Take the spread of one system's figure apart.

    Parameters
    ----------
    rows : DataFrame
        Of one system, as ``evaluate`` gives them; a seed is a training of all folds, and seeds whose folds are the same
        belong to one partition.
    statistic : {"uar", "accuracy", "macro_f1", "person"}
        "person" is the mean over people of each one's accuracy.
    replicates, seed : int
        Number of draws of people, and their seed.
    """
    rows = with_seed(rows)
    numbers = sorted(set(rows["seed"]))
    counts = _counts(rows, numbers)
    everybody = np.ones((1, counts.shape[1]))
    each = np.array([float(_figure(one, everybody, statistic)[0]) for one in counts])
    people = NAN
    if counts.shape[1] > 1:
        drawn = [_figure(counts.mean(axis=0), times, statistic) for times in draws(counts.shape[1], replicates, seed)]
        people = float(np.concatenate(drawn).std(ddof=1))
    partition = partitions_of(rows, numbers)
    parts = len(set(partition))
    between, within = spread_of(each, partition)
    trainings = float(each.std(ddof=1)) if len(each) > 1 else NAN
    if np.isnan(within):  # each partition is trained once
        between = NAN
    elif parts > 1:
        between = float(np.sqrt(max(0.0, between**2 - within**2 / _harmonic(partition))))
    total = float(np.hypot(people, trainings))
    return Spread(float(each.mean()), people, between, within, trainings, total, counts.shape[1], parts, len(each))


def spreads(rows: pd.DataFrame, statistic: GainStatistic = "uar", **arguments: int) -> pd.DataFrame:
    """:func:`spread` of each system, in percentage points; one row per system, ``system`` and the fields of Spread."""
    lines = []
    for system, part in rows.groupby("system", sort=False):
        found = dataclasses.asdict(spread(part, statistic, **arguments))
        points = {name: value if name.startswith("n_") else 100 * value for name, value in found.items()}
        lines.append({"system": system, **points})
    return pd.DataFrame(lines)


def _counts(rows: pd.DataFrame, seeds: list[int]) -> np.ndarray:
    """Flattened confusion matrices, (trainings, people, classes * classes)."""
    classes = sorted(set(rows["true"]) | set(rows["predicted"]))
    return counts_of_trainings(rows, seeds, classes)[0]


def _figure(counts: np.ndarray, times: np.ndarray, statistic: GainStatistic) -> np.ndarray:
    """The figure (b,) where each person is there so many ``times`` (b, people); counts (people, cells)."""
    if statistic == "person":
        return times @ statistic_of("accuracy")(counts) / times.sum(axis=1)
    return statistic_of(statistic)(times @ counts)


def _harmonic(partition: np.ndarray) -> float:
    """Harmonic mean of the trainings per partition."""
    return float(1 / np.mean(1 / np.unique(partition, return_counts=True)[1]))
