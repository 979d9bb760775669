"""Definitions that lie close together told apart by hand: which rows, which people, which seed, which tail."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ferdis.metrics import compare, fold_differences, gain, interval, recalls, sequence_accuracy, spread, summary
from ferdis.metrics.noise_floor import gain_of_counts
from ferdis.metrics.resampling import counts_of_trainings, draws, statistic_of
from ferdis.metrics.selective import temperatures, tempered
from tests.metrics.test_recognition import CLASSES, make_rows


def answers(marks: str, system: str = "one", seed: int = 0, people: int = 0) -> pd.DataFrame:
    """Rows of one class; "1" is a right answer. One person per image, or so many people in turn."""
    n = len(marks)
    return pd.DataFrame(
        {
            "system": system, "seed": seed, "fold": [k % 2 for k in range(n)], "path": [f"{k:03d}" for k in range(n)],
            "subject": [f"s{k % (people or n):03d}" for k in range(n)], "true": "fear",
            "predicted": ["fear" if mark == "1" else "anger" for mark in marks],
        }
    )  # fmt: skip


def test_recall_is_over_the_true_class() -> None:
    """Of three images of anger one is found; all of fear; happiness is answered, never true."""
    true = ["anger", "anger", "anger", "fear"]
    found = recalls(true, ["anger", "fear", "happiness", "fear"])
    assert found["anger"] == pytest.approx(1 / 3) and found["fear"] == 1 and np.isnan(found["happiness"])


def test_a_sequence_is_named_by_the_mean_of_its_frames_not_the_surest() -> None:
    rows = pd.DataFrame(
        {"fold": 0, "subject": "s", "path": ["1", "2", "3"], "sequence": "a", "true": "anger", "predicted": "anger",
         "p_anger": [0.6, 0.6, 0.1], "p_fear": [0.4, 0.4, 0.9]}
    )  # fmt: skip
    assert sequence_accuracy(rows) == 0  # 1.3 / 3 against 1.7 / 3
    assert sequence_accuracy(rows.assign(p_anger=[0.7, 0.7, 0.2], p_fear=[0.3, 0.3, 0.8])) == 1  # 1.6 against 1.4


def test_calibration_is_of_the_rows_that_have_probabilities() -> None:
    """Sure and right in all rows that have probabilities; the first two have none."""
    rows = make_rows(people=4, each=3).assign(predicted=lambda table: table["true"])
    for name in CLASSES:
        rows[f"p_{name}"] = (rows["true"] == name).astype(float)
    rows.loc[[0, 1], [f"p_{name}" for name in CLASSES]] = np.nan
    assert summary(rows, replicates=10)["ece"].iloc[0] == 0


def test_images_are_counted_once_whatever_the_seeds() -> None:
    rows = pd.concat([make_rows(), make_rows().assign(seed=1)])
    line = summary(rows, replicates=10).iloc[0]
    assert (line["n"], line["seeds"], line["people"]) == (120, 2, 20)


def test_an_interval_has_the_width_of_its_level_and_the_draws_of_its_seed() -> None:
    rows = answers("1110" * 100)
    low, high = interval(rows, "accuracy")
    assert high - low == pytest.approx(2 * stats.norm.ppf(0.975) * np.sqrt(0.75 * 0.25 / 400), rel=0.08)
    half = interval(rows, "accuracy", level=0.5)
    assert half[1] - half[0] == pytest.approx(2 * stats.norm.ppf(0.75) * np.sqrt(0.75 * 0.25 / 400), rel=0.08)
    assert interval(rows, "accuracy", seed=1) != (low, high) == interval(rows, "accuracy", seed=0)
    both = pd.concat([rows, answers("1" * 400, "two")])
    found = compare(both, "two", "one", "accuracy", replicates=2000)
    assert found.high - found.low == pytest.approx(high - low, rel=0.08)  # the second is always right


def test_people_are_drawn_once_for_both_systems() -> None:
    """Second is right wherever first is, and on one image more: no draw of people has it worse."""
    first, second = "10" * 20, "11" + "10" * 19
    found = compare(pd.concat([answers(second, "b"), answers(first, "a")]), "b", "a", "accuracy", replicates=500)
    assert found.low == 0 and found.difference == pytest.approx(1 / 40)


def test_training_a_system_three_times_alike_changes_no_test() -> None:
    first, second = "1101111011", "0101101000"
    once = compare(pd.concat([answers(first, "a"), answers(second, "b")]), "a", "b", "accuracy")
    thrice = pd.concat([answers(first, "a", seed) for seed in range(3)])
    again = compare(pd.concat([thrice, answers(second, "b")]), "a", "b", "accuracy")
    assert again == once
    # All 4 people who differ favour a: of their 2**4 arrangements two are as extreme.
    assert once.p_value == pytest.approx(2 / 16)


def test_two_sided_whichever_comes_first() -> None:
    both = pd.concat([answers("1101111011", "a"), answers("0101101000", "b")])
    assert compare(both, "b", "a", "accuracy").p_value == pytest.approx(2 / 16)
    many = pd.concat([answers("1" * 30, "a"), answers("0" * 30, "b")])
    assert compare(many, "a", "b", "accuracy", replicates=999).p_value == pytest.approx(1 / 1000)  # never 0


def test_differences_over_folds_average_the_seeds() -> None:
    one = pd.concat([answers("1111", "a", 0), answers("0000", "a", 1)])
    both = pd.concat([one, answers("0000", "b", 0), answers("0000", "b", 1)])
    assert fold_differences(both, "a", "b").tolist() == [0.5, 0.5]


def test_a_training_without_some_people_keeps_the_others_in_place() -> None:
    first, second = answers("1010"), answers("1010", seed=1).iloc[2:]
    counts, names = counts_of_trainings(pd.concat([first, second]), [0, 1], ["anger", "fear"])
    assert names.tolist() == ["s000", "s001", "s002", "s003"]
    assert counts[1, :, 3].tolist() == [0, 0, 1, 0] and counts[1, :, 2].tolist() == [0, 0, 0, 1]


def test_a_drawn_sample_has_as_many_people_as_there_are() -> None:
    drawn = np.concatenate(list(draws(7, 500, 0)))
    assert (drawn.sum(axis=1) == 7).all() and drawn.shape == (500, 7)
    assert drawn.var() == pytest.approx(7 * (1 / 7) * (6 / 7), rel=0.1)  # binomial


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_people_are_those_of_all_trainings(order: tuple[int, int]) -> None:
    """In one training everybody is right, in the other every second person."""
    marks = {0: "1" * 40, 1: "10" * 20}
    rows = pd.concat([answers(marks[number], seed=seed) for seed, number in enumerate(order)])
    found = spread(rows, "accuracy")
    assert found.people == pytest.approx(np.std([1, 0.5]) / np.sqrt(40), rel=0.1)
    other = answers("0" * 40, "none")
    both = pd.concat([rows, other, other.assign(seed=1)])
    gained = gain(both, "one", "none")
    assert gained.high - gained.low == pytest.approx(2 * stats.t.ppf(0.975, 39) * np.std([1, 0.5]) / 39**0.5, rel=0.1)


def trainings(*shares: tuple[int, ...]) -> pd.DataFrame:
    """Rows of ten images per training; for each partition, how many of them are right in each of its trainings."""
    parts, seed = [], 0
    for number, some in enumerate(shares):
        for right in some:
            rows = answers("1" * right + "0" * (10 - right), seed=seed)
            parts.append(rows.assign(fold=[k // (number + 1) % 2 for k in range(10)]))
            seed += 1
    return pd.concat(parts)


def test_nested_analysis_of_unequal_partitions_by_hand() -> None:
    """Partitions of 2 and 4 trainings: the seeds' share of a partition's mean is 1/2 and 1/4 of their variance."""
    found = spread(trainings((2, 4), (7, 9, 7, 9)), "accuracy", replicates=50)
    within = (0.02 + 0.04) / (6 - 2)  # squares about the partitions' means 0.3 and 0.8
    between = 0.25 / 2  # variance, ddof 1, of these two means
    assert found.n_partitions == 2 and found.seeds == pytest.approx(np.sqrt(within))
    assert found.partitions == pytest.approx(np.sqrt(between - within * (1 / 2 + 1 / 4) / 2))
    each = np.array([2, 4, 7, 9, 7, 9]) / 10
    assert found.trainings == pytest.approx(each.std(ddof=1))
    assert found.total == pytest.approx(np.hypot(found.people, found.trainings))


def test_the_mean_over_people_has_the_standard_error_of_people() -> None:
    rows = answers("1100" * 10, people=20)  # 20 people of two images, right in both or in none
    assert spread(rows, "person").people == pytest.approx(0.5 / np.sqrt(20), rel=0.1)


def counts(differences: np.ndarray) -> np.ndarray:
    """Matrices (2, trainings, people, 4) of ten images of each person: right in 5 and so many more, and in 5."""
    first = np.stack([0 * differences, 0 * differences, 5 - differences, 5 + differences], axis=-1)
    return np.stack([first, np.broadcast_to([0, 0, 5, 5], first.shape)]).astype(float)


def test_limits_of_both_sources_by_hand() -> None:
    """Four trainings in two partitions: their two means vary independently, and no more."""
    people = np.array([0, 1, 1, 4])
    found = gain_of_counts(counts(people[None] + np.array([[0], [0], [1], [1]])), np.array([0, 0, 1, 1]))
    assert found.difference == pytest.approx(0.2) and found.spread == pytest.approx(0.1 / np.sqrt(3))
    half = stats.t.ppf(0.975, 1) * 0.1 / np.sqrt(2) / np.sqrt(2)  # of the means 0.15 and 0.25
    assert found.both_low == pytest.approx(0.2 - np.hypot(0.2 - found.low, half))
    assert found.both_high == pytest.approx(0.2 + np.hypot(found.high - 0.2, half))
    assert found.high - 0.2 > 0.2 - found.low, "one person stands out above: the interval is not symmetric"
    assert found.floor == pytest.approx(found.spread * stats.t.ppf(0.975, 3) / 2)
    assert (found.over_seeds, found.over_partitions) == pytest.approx((0, 0.1 / np.sqrt(2)))


def test_the_interval_over_few_people_is_wider_than_the_plain_one() -> None:
    people = np.array([0, 1, 2, 3, 4, 1, 2, 3])
    found = gain_of_counts(counts(np.stack([people, people])), np.array([0, 1]))
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 7) * people.std() / 10 / np.sqrt(7), rel=0.08)


@pytest.mark.parametrize(("n", "least"), [(2, stats.t.ppf(0.975, 1) / np.sqrt(2)), (30, 1.0)])
def test_the_floor_is_the_larger_of_one_deviation_and_the_t_test(n: int, least: float) -> None:
    shift = np.arange(n) % 2
    found = gain_of_counts(counts(np.array([1, 2, 1, 2])[None] + shift[:, None]), np.arange(n), replicates=50)
    assert found.spread == pytest.approx(np.std(shift / 10, ddof=1)) and found.floor == pytest.approx(
        least * found.spread
    )


def test_a_loss_as_large_as_a_gain_is_shown_alike() -> None:
    base = counts(np.array([2, 3, 2, 3])[None] + np.array([[0], [1], [0], [1]]))
    found, back = (gain_of_counts(some, np.arange(4)) for some in (base, base[::-1]))
    assert (found.verdict, back.verdict) == ("shown", "shown: a loss")
    small = counts(np.array([1, 1, 1, 1])[None] + np.array([[0], [2], [0], [2], [-2]]))
    assert gain_of_counts(small[::-1], np.arange(5)).why_not == "inside the spread of trainings"


def confident(seed: int, fold: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    """120 rows of two classes, half of them right, at confidences that grow with the fold."""
    true = np.where(np.arange(120) % 2, "anger", "fear")
    sure = 0.6 + 0.1 * fold + 0.05 * random.random(120)
    anger = np.where(random.random(120) < 0.75, np.where(true == "anger", sure, 1 - sure), 0.5)
    table = pd.DataFrame({"system": "x", "seed": seed, "fold": fold, "path": np.arange(120).astype(str), "true": true})
    return table.assign(p_anger=anger, p_fear=1 - anger)


def test_a_temperature_is_of_its_own_training_and_finds_its_rows() -> None:
    """In another partition the test people of a fold are in other folds: their rows there must not enter either."""
    random = np.random.default_rng(0)
    first, second = confident(0, np.arange(120) % 3, random), confident(1, np.arange(120) // 40, random)
    both = temperatures(pd.concat([first, second], ignore_index=True))
    alone = pd.concat([temperatures(first), temperatures(second)])
    assert alone.nunique() == 6
    pd.testing.assert_series_equal(both, alone)
    rows = pd.concat([first, second], ignore_index=True)
    cooled = tempered(rows)
    assert cooled is not None
    for row in (0, 1, 45, 130, 239):
        share = rows.loc[row, ["p_anger", "p_fear"]].to_numpy(float) ** (
            1 / both[rows.loc[row, "seed"], rows.loc[row, "fold"]]
        )
        assert cooled.loc[row].to_numpy() == pytest.approx(share / share.sum())


def test_macro_f1_is_over_the_classes_of_each_matrix() -> None:
    """Of three classes one is neither true nor answered: the mean is over the other two."""
    matrix = np.array([[[2.0, 1, 0], [1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 2]]]).reshape(2, 9)
    assert statistic_of("macro_f1")(matrix) == pytest.approx([(4 / 6 + 2 / 4) / 2, 1])
    assert statistic_of("uar")(matrix) == pytest.approx([(2 / 3 + 1 / 2) / 2, 1])
    assert statistic_of("accuracy")(matrix) == pytest.approx([3 / 5, 1])
    unlike = np.array([[0.0, 3, 0, 0]])  # three of the first class, all taken for the second, which never is true
    assert statistic_of("uar")(unlike) == 0 == statistic_of("macro_f1")(unlike)
    found = statistic_of("uar")(np.array([[1.0, 1, 0, 0]]))  # one class is true: its recall, not half of it
    assert found == 0.5


def test_outside_each_source_is_not_outside_both() -> None:
    people, shift = np.array([0, 1, 2, 0, 1, 2, -1, 0]), np.array([-1, 0, 1, 2, 0, 1])
    found = gain_of_counts(counts(people[None] + shift[:, None]), np.arange(6))
    assert found.low > 0 and found.difference > found.floor and found.both_low < 0
    assert found.verdict == "not shown: inside people and trainings together"


def test_people_weigh_alike_in_the_mean_over_people() -> None:
    """One image is right with the first system alone, nine of another person with both."""
    first = np.array([[[0, 0, 0, 1], [0, 0, 0, 9]]], dtype=float)  # (trainings, people, cells)
    second = np.array([[[0, 0, 1, 0], [0, 0, 0, 9]]], dtype=float)
    for statistic, difference in (("person", 1 / 2), ("accuracy", 1 / 10)):
        found = gain_of_counts(np.stack([first, second]), np.zeros(1, int), statistic)  # type: ignore[arg-type]
        assert found.difference == pytest.approx(difference)
