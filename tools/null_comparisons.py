"""How often a comparison claims a difference that does not exist: made-up systems, no training.

``python -m tools.null_comparisons --draws 1000`` prints the table of docs/report.md: for a number of people and a luck
of trainings, how many null comparisons are called a difference by the interval over people alone and by
:func:`ferdis.metrics.gain`, and how many true gains are found.

Every person is harder or easier for each system apart (sd 10 points), every partition and every training of a system
has luck of its own; images are right or wrong by chance at the rate that follows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ferdis.metrics.noise_floor import Gain, gain_of_counts


def simulated(
    random: np.random.Generator,
    *,
    people: int,
    luck: float,
    gain: float = 0.0,
    partitions: int = 5,
    seeds: int = 1,
    images: int = 12,
    rate: float = 0.7,
    replicates: int = 1000,
) -> Gain:
    """One comparison of two made-up systems, the first better by ``gain``.

    Parameters
    ----------
    random : Generator
    people, images : int
        People tested, and images of each.
    luck : float
        Standard deviation (0..1) of a training's accuracy about the system's own; half of its variance is the
        partition's, half the seed's.
    gain : float
        True difference of the two systems, 0..1.
    partitions, seeds : int
        Partitions, and trainings of each.
    rate : float
        Accuracy of the second system.
    replicates : int
        Draws of people for the interval.
    """
    right = np.empty((2, partitions * seeds, people))
    for system, mean in enumerate((rate + gain, rate)):
        ease = random.normal(0, 0.1, people)
        of_partition = np.repeat(random.normal(0, luck / np.sqrt(2), partitions), seeds)
        of_seed = random.normal(0, luck / np.sqrt(2), partitions * seeds)
        chance = np.clip(mean + ease + (of_partition + of_seed)[:, None], 0, 1)
        right[system] = random.binomial(images, chance)
    counts = np.zeros((*right.shape, 4))  # two classes, all images of the first
    counts[..., 0], counts[..., 1] = right, images - right
    partition = np.repeat(np.arange(partitions), seeds)
    return gain_of_counts(counts, partition, replicates=replicates, seed=int(random.integers(2**31)))


def table(draws: int, *, partitions: int = 5, seeds: int = 1, gain: float = 0.05) -> pd.DataFrame:
    """False claims and true gains found, in per cent, for several numbers of people and lucks of a training."""
    lines = []
    for people in (10, 20, 50):
        for luck in (0.0, 0.03, 0.1):
            random = np.random.default_rng([people, int(100 * luck)])
            setting: dict[str, Any] = {"people": people, "luck": luck, "partitions": partitions, "seeds": seeds}
            null = [simulated(random, **setting) for _ in range(draws)]
            real = [simulated(random, **setting, gain=gain) for _ in range(draws)]
            lines.append(
                {
                    "people": people,
                    "luck of a training (points)": 100 * luck,
                    "claimed by people alone (%)": 100 * np.mean([not item.low <= 0 <= item.high for item in null]),
                    "claimed (%)": 100 * np.mean([item.shown for item in null]),
                    f"a gain of {100 * gain:.0f} points found (%)": 100
                    * np.mean([item.shown and item.difference > 0 for item in real]),
                }
            )
    return pd.DataFrame(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000, help="comparisons of each row")
    parser.add_argument("--partitions", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--gain", type=float, default=0.05, help="true gain, 0..1")
    options = parser.parse_args(argv)
    found = table(options.draws, partitions=options.partitions, seeds=options.seeds, gain=options.gain)
    print(found.to_string(index=False, float_format="%.1f"))


if __name__ == "__main__":
    main()
