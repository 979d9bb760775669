"""The three spreads: planted ones are found again; null comparisons are hardly ever claimed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis.metrics import spread, spreads
from tools.null_comparisons import simulated, table


def rows(
    people_sd: float, partition_sd: float, seed_sd: float, *, partitions: int = 30, seeds: int = 4
) -> pd.DataFrame:
    """Rows of one system: 40 people of 25 images, right at 0.5 on average."""
    random = np.random.default_rng(0)
    subject = np.repeat(np.arange(40), 25)
    ease = random.normal(0, people_sd, 40)[subject]
    parts = []
    for partition in range(partitions):
        luck = random.normal(0, partition_sd)
        fold = random.permutation(40)[subject] % 5
        for seed in range(seeds):
            rate = np.clip(0.5 + ease + luck + random.normal(0, seed_sd), 0, 1)
            # Stratified chance: the images of a person are right in the share that the rate says.
            right = (np.arange(25)[None] + random.random((40, 1))) / 25 < rate.reshape(40, 25)[:, :1]
            about = {"system": "one", "seed": partition * seeds + seed, "fold": fold, "subject": subject}
            table = pd.DataFrame({**about, "path": [f"{k}.png" for k in range(1000)], "true": "fear"})
            parts.append(table.assign(predicted=np.where(right.ravel(), "fear", "anger")))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("people", "partitions", "seeds"), [(0.2, 0.0, 0.03), (0.02, 0.08, 0.01), (0.02, 0.0, 0.08), (0.1, 0.06, 0.04)]
)
def test_planted_spreads_are_found_again(people: float, partitions: float, seeds: float) -> None:
    found = spread(rows(people, partitions, seeds), "accuracy")
    assert found.people == pytest.approx(people / np.sqrt(40), rel=0.35, abs=0.004)
    assert found.partitions == pytest.approx(partitions, rel=0.4, abs=0.015)
    assert found.seeds == pytest.approx(seeds, rel=0.25, abs=0.006)
    assert found.total == pytest.approx(np.hypot(found.people, found.trainings))
    assert (found.n_people, found.n_partitions, found.n_trainings) == (40, 30, 120)


def test_what_cannot_be_told_apart_is_not() -> None:
    once = spread(rows(0.1, 0.05, 0.05, partitions=6, seeds=1))
    assert np.isnan([once.partitions, once.seeds]).all() and once.trainings > 0.03
    single = spread(rows(0.1, 0.0, 0.0, partitions=1, seeds=1))
    assert np.isnan(single.trainings) and np.isnan(single.total) and single.people > 0
    seeds = spread(rows(0.1, 0.0, 0.05, partitions=1, seeds=6))
    assert np.isnan(seeds.partitions) and seeds.seeds == pytest.approx(seeds.trainings)


def test_the_table_is_in_points_with_a_row_per_system() -> None:
    data = rows(0.1, 0.02, 0.02, partitions=3, seeds=2)
    both = pd.concat([data, data.assign(system="two", predicted="fear")])
    found = spreads(both, "accuracy")
    assert list(found["system"]) == ["one", "two"] and found.loc[1, "value"] == 100 and found.loc[1, "trainings"] == 0
    assert found.loc[0, "value"] == pytest.approx(100 * spread(data, "accuracy").value)


def test_of_200_null_comparisons_at_most_one_in_twenty_is_claimed() -> None:
    """People, luck of trainings and numbers of trainings as they occur; the seeds are fixed."""
    random = np.random.default_rng(22)
    settings = [(people, luck, parts, seeds) for people in (10, 20, 50) for luck in (0.0, 0.03, 0.1)
                for parts, seeds in ((2, 1), (5, 1), (10, 1), (1, 5), (5, 2))]  # fmt: skip
    claimed = 0
    for number in range(200):
        people, luck, parts, seeds = settings[number % len(settings)]
        claimed += simulated(random, people=people, luck=luck, partitions=parts, seeds=seeds, replicates=500).shown
    assert claimed <= 10


def test_a_large_gain_is_found_all_the_same() -> None:
    random = np.random.default_rng(5)
    found = [simulated(random, people=50, luck=0.03, gain=0.15, replicates=500) for _ in range(40)]
    assert sum(item.shown and item.difference > 0 for item in found) >= 38


def test_the_tool_prints_each_setting() -> None:
    found = table(3, partitions=2)
    assert len(found) == 9 and found["people"].tolist() == [10] * 3 + [20] * 3 + [50] * 3
