"""What counts as a gain: planted ones are found, planted nulls are not, luck of a training is not taken for a gain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis.metrics import compare, gain, gains

CLASSES = np.array(["anger", "fear", "happiness"])


def rows(
    first: float,
    second: float,
    *,
    people: int = 40,
    images: int = 12,
    partitions: int = 5,
    seeds: int = 1,
    person_noise: float = 0.1,
    training_noise: float = 0.02,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of two systems, right at these rates on average: people are harder or easier, for each system apart, and
    each training of a system has luck of its own."""
    random = np.random.default_rng(seed)
    subject = np.repeat(np.arange(people), images)
    true = CLASSES[np.tile(np.arange(images), people) % len(CLASSES)]
    parts = []
    for name, rate in (("ours", first), ("theirs", second)):
        ease = random.normal(0, person_noise, people)[subject]
        for training in range(partitions * seeds):
            luck = random.normal(0, training_noise)
            right = random.random(len(true)) < np.clip(rate + ease + luck, 0, 1)
            wrong = CLASSES[(np.searchsorted(CLASSES, true) + 1) % len(CLASSES)]
            deal = np.random.default_rng(1000 + training // seeds).permutation(people) % 10
            parts.append(
                pd.DataFrame(
                    {"system": name, "seed": training, "fold": deal[subject], "subject": [f"s{k}" for k in subject],
                     "path": [f"{k}.png" for k in range(len(true))], "true": true,
                     "predicted": np.where(right, true, wrong)}
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("statistic", ["person", "accuracy", "uar", "macro_f1"])
def test_a_planted_gain_is_found_and_a_planted_loss_is_called_one(statistic) -> None:
    table = rows(0.9, 0.7)
    found = gain(table, "ours", "theirs", statistic)
    assert found.shown and found.verdict == "shown" and 0 < found.low < found.difference < found.high
    assert found.difference == pytest.approx(0.2, abs=0.06)
    back = gain(table, "theirs", "ours", statistic)
    assert back.difference == pytest.approx(-found.difference) and back.verdict == "shown: a loss"


def test_a_planted_null_is_hardly_ever_shown() -> None:
    """5 % of nulls would pass an interval that is exact; the spread keeps out the trainings' luck besides."""
    shown = [gain(rows(0.8, 0.8, seed=seed), "ours", "theirs", replicates=500).shown for seed in range(40)]
    assert sum(shown) <= 4


def test_the_luck_of_trainings_is_no_gain() -> None:
    """Trainings that differ by more than the systems do: resampling people alone would call it a difference."""
    outcomes = [rows(0.75, 0.75, person_noise=0.0, training_noise=0.1, seed=seed) for seed in range(30)]
    by_people = sum(not found.low <= 0 <= found.high for found in
                    (compare(table, "ours", "theirs", "accuracy", replicates=400) for table in outcomes))  # fmt: skip
    both = [gain(table, "ours", "theirs", replicates=400) for table in outcomes]
    assert by_people >= 15 and sum(found.shown for found in both) <= 6
    assert {found.why_not for found in both} >= {"inside the spread of trainings"}


def test_one_training_shows_nothing() -> None:
    found = gain(rows(0.95, 0.6, partitions=1), "ours", "theirs")
    assert found.low > 0 and not found.shown and found.verdict == "not shown: one training has no spread"
    assert np.isnan([found.spread, found.over_partitions, found.over_seeds]).all()


def test_one_person_has_no_interval() -> None:
    assert gain(rows(0.9, 0.6, people=1), "ours", "theirs").verdict == "not shown: one person has no interval"


def test_values_by_hand() -> None:
    """Two people, with 1 and 3 images; two partitions, the second trained twice."""
    lines = []
    right = {  # system -> training -> right of the four images; the first is one person's, three are the other's
        "ours": {0: [1, 1, 1, 0], 1: [1, 1, 1, 1], 2: [1, 0, 1, 1]},
        "theirs": {0: [0, 1, 0, 0], 1: [1, 0, 0, 1], 2: [0, 0, 1, 0]},
    }
    for system, trainings in right.items():
        for seed, each in trainings.items():
            for image, good in enumerate(each):
                about = {"system": system, "seed": seed, "fold": (image > 0) == (seed == 0), "path": str(image)}
                named = {"subject": "ab"[image > 0], "true": "fear", "predicted": "fear" if good else "anger"}
                lines.append({**about, **named})
    table = pd.DataFrame(lines)
    pooled = gain(table, "ours", "theirs", "accuracy")
    each = np.array([2 / 4, 2 / 4, 2 / 4])
    assert pooled.difference == pytest.approx(each.mean()) and pooled.spread == pytest.approx(0)
    person = gain(table, "ours", "theirs", "person")
    each = np.array([(1 + 1 / 3) / 2, (0 + 2 / 3) / 2, (1 + 1 / 3) / 2])
    assert person.difference == pytest.approx(each.mean()) and person.spread == pytest.approx(each.std(ddof=1))
    assert person.over_partitions == pytest.approx(np.std([each[0], each[1:].mean()], ddof=1))
    assert person.over_seeds == pytest.approx(each[1:].std(ddof=1))
    assert (person.trainings, person.partitions, person.people) == (3, 2, 2)
    low, high = (1 / 3 + 2 / 3 + 1 / 3) / 3, 2 / 3  # of b and of a: all draws lie between them
    assert (person.low, person.high) == pytest.approx((low, high))


def test_seeds_with_the_same_folds_are_one_partition() -> None:
    found = gain(rows(0.9, 0.7, partitions=2, seeds=3), "ours", "theirs", replicates=100)
    assert (found.trainings, found.partitions) == (6, 2) and found.over_seeds > 0 and found.over_partitions >= 0


def test_the_table_is_in_points() -> None:
    data = rows(0.9, 0.7)
    table = gains(data, [("ours", "theirs")], replicates=200)
    assert list(table["statistic"]) == ["person", "accuracy", "uar"]
    assert table.loc[1, "gain"] == pytest.approx(100 * gain(data, "ours", "theirs", "accuracy").difference)
    assert (table.low < table.gain).all() and (table.verdict == "shown").all() and (table.people == 40).all()


def test_what_cannot_be_compared_is_one_line() -> None:
    table = rows(0.9, 0.7)
    with pytest.raises(ValueError, match="no rows of system 'nobody'"):
        gain(table, "nobody", "theirs")
    with pytest.raises(ValueError, match="statistic='kappa': choose one of accuracy"):
        gain(table, "ours", "theirs", "kappa")  # type: ignore[arg-type]
    other = table.copy()
    other.loc[other.system == "theirs", "seed"] += 1
    with pytest.raises(ValueError, match="were not trained with the same seeds"):
        gain(other, "ours", "theirs")
