"""Paired tests: values by hand, known limits, scipy where it has the test, and the rate of false alarms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ferdis.metrics import (
    compare,
    compare_systems,
    corrected_resampled_t,
    decisions,
    fold_differences,
    holm,
    mcnemar,
    uar,
)
from ferdis.metrics.comparison import compare_counts, mcnemar_p
from tests.metrics.test_recognition import make_rows

RIGHT, WRONG = "fear", "anger"


def systems_right_on(**right: str) -> pd.DataFrame:
    """Rows of systems; a string such as ``"110"`` says on which images each is right, one person an image."""
    parts = []
    for name, marks in right.items():
        number = range(len(marks))
        predicted = [RIGHT if mark == "1" else WRONG for mark in marks]
        parts.append(
            pd.DataFrame(
                {
                    "system": name,
                    "fold": [k % 3 for k in number],
                    "subject": [f"s{k:02d}" for k in number],
                    "path": [f"{k}.png" for k in number],
                    "true": RIGHT,
                    "predicted": predicted,
                    "seed": 0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def null_counts(rng: np.random.Generator, people: int, sequences: int = 4, frames: int = 3) -> tuple[np.ndarray, ...]:
    """Two systems of equal skill on correlated frames: right or wrong is decided a sequence, how often by the person.

    Gives each system's confusion matrices (people, 4) of a task with two classes, and for the naive test its frames
    (people * sequences * frames,) of bool.
    """
    true = np.arange(sequences) % 2
    matrices, marks = [], []
    for _ in range(2):
        skill = rng.beta(2, 1, people)  # each system has its own easy people
        right = rng.random((people, sequences)) < skill[:, None]
        counts = np.zeros((people, 2, 2))
        for k in range(sequences):
            counts[np.arange(people), true[k], np.where(right[:, k], true[k], 1 - true[k])] += frames
        matrices.append(counts.reshape(people, 4))
        marks.append(np.repeat(right, frames, axis=1).ravel())
    return matrices[0], matrices[1], marks[0], marks[1]


def test_comparison_finds_a_difference_and_none() -> None:
    weak, strong = make_rows(people=30, skill=0.4, seed=1), make_rows(people=30, skill=0.8, seed=2, system="two")
    found = compare(pd.concat([weak, strong]), "two", "one")
    assert found.difference == pytest.approx(
        uar(strong["true"], strong["predicted"]) - uar(weak["true"], weak["predicted"])
    )
    assert 0 < found.low < found.difference < found.high and found.p_value < 0.05 and found.people == 30
    turned = compare(pd.concat([weak, strong]), "one", "two")
    assert turned.difference == -found.difference

    same = compare(pd.concat([weak, weak.assign(system="copy")]), "one", "copy")
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_permutation_goes_through_every_arrangement_of_few_people() -> None:
    """Three people, one system right on all, the other on none: 2 of 8 arrangements are as extreme."""
    found = compare(systems_right_on(one="111", two="000"), "one", "two", "accuracy")
    assert (found.difference, found.p_value) == (1, 2 / 8)
    # one person apart: 1 - 0, 0 - 1, each with the 4 arrangements of two people who change nothing
    found = compare(systems_right_on(one="110", two="010"), "one", "two", "accuracy")
    assert (found.difference, found.p_value) == (pytest.approx(1 / 3), 1)


def test_permutation_by_chance_agrees_with_every_arrangement() -> None:
    rows = pd.concat([make_rows(people=12, skill=0.45, seed=1), make_rows(people=12, seed=2, system="two")])
    every = compare(rows, "one", "two", replicates=2**12)
    chance = compare(rows, "one", "two", replicates=2**12 - 1)
    assert every.p_value != chance.p_value == pytest.approx(every.p_value, abs=0.03)
    assert 0.001 < every.p_value < 0.6


def test_bootstrap_is_paired() -> None:
    """Two systems that fail on the same people: each one's interval is wide, that of their difference is not."""
    one = make_rows(people=20, each=12)
    two = one.assign(system="two")
    two.loc[two.index[:3], "predicted"] = two["true"][:3]
    found = compare(pd.concat([one, two]), "two", "one", "accuracy")
    assert found.difference > 0 and found.high - found.low < 0.03


@pytest.mark.parametrize("statistic", ["uar", "accuracy"])
def test_people_give_false_alarms_at_their_rate_and_frames_many_more(statistic: str) -> None:
    """Under the null, with correlated frames: p < 0.05 about once in twenty by person, far more often by frame."""
    rng = np.random.default_rng(5)
    runs, alarms, missed, naive = 400, 0, 0, 0
    for _ in range(runs):
        one, two, right, right_other = null_counts(rng, people=20)
        found = compare_counts(one, two, statistic, replicates=400, seed=int(rng.integers(2**31)))  # type: ignore[arg-type]
        alarms += found.p_value < 0.05
        missed += not found.low <= 0 <= found.high
        naive += mcnemar_p(int((right & ~right_other).sum()), int((~right & right_other).sum())) < 0.05
    # 400 draws at 0.05: 20 expected, standard deviation 4.4
    assert 8 <= alarms <= 33, alarms
    # percentile intervals of 20 people are a little short
    assert 8 <= missed <= 50, missed
    assert naive > 3 * 33, naive


def test_a_seed_more_is_not_a_person_more() -> None:
    """The very same predictions under three seeds: nothing becomes surer."""
    rows = pd.concat([make_rows(skill=0.55), make_rows(system="two", seed=3)])
    thrice = pd.concat([rows.assign(seed=seed) for seed in range(3)])
    assert compare(thrice, "one", "two") == compare(rows, "one", "two")
    once, again = compare_systems(rows).iloc[0], compare_systems(thrice).iloc[0]
    same = ["uar_p", "accuracy_low", "t", "t_p", "images", "decisions", "first_only"]
    assert once[same].tolist() == again[same].tolist()
    assert again["mcnemar_p"] == min(1, 2 * once["mcnemar_p"])  # the price of not knowing how seeds depend


def test_seeds_are_averaged_and_may_differ_in_number() -> None:
    one = [make_rows(seed=seed).assign(seed=seed) for seed in (0, 1)]
    two = make_rows(seed=9, system="two").assign(seed=4)
    found = compare(pd.concat([*one, two]), "one", "two")
    mean = np.mean([uar(part["true"], part["predicted"]) for part in one])
    assert found.difference == pytest.approx(mean - uar(two["true"], two["predicted"]))
    assert np.isnan(mcnemar(pd.concat([*one, two]), "one", "two").p_value)  # no seed in common


def test_fold_differences() -> None:
    rows = systems_right_on(one="111110", two="101010")
    assert fold_differences(rows, "one", "two").tolist() == [0.5, 0.5, 0.0]
    seeds = pd.concat([rows, rows.assign(seed=1, predicted=RIGHT)])
    assert fold_differences(seeds, "one", "two").tolist() == [0.25, 0.25, 0.0]
    # folds of their own: nothing to average over
    repeated = pd.concat([rows, rows.assign(seed=1, fold=(rows["fold"] + 1) % 3)])
    found = fold_differences(repeated, "one", "two")
    assert found.tolist() == [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]
    assert list(found.index) == [(seed, fold) for seed in (0, 1) for fold in range(3)]


def test_corrected_resampled_t() -> None:
    # by hand: mean 2, variance 1, J = 3, test share 1/2: t = 2 / sqrt(1/3 + 1/2); with 2 degrees of freedom
    # p = 1 - t / sqrt(2 + t^2) = 1 - sqrt(4.8 / 6.8)
    t, p = corrected_resampled_t([1.0, 2.0, 3.0], 0.5)
    assert (t, p) == pytest.approx((np.sqrt(4.8), 1 - np.sqrt(4.8 / 6.8)))
    # without overlap of training parts it is the plain t test
    values = np.random.default_rng(0).normal(0.2, 1, 10)
    plain = stats.ttest_1samp(values, 0)
    assert corrected_resampled_t(values, 1e-12) == pytest.approx((plain.statistic, plain.pvalue))
    assert corrected_resampled_t(values, 1 / 9)[1] > plain.pvalue
    assert corrected_resampled_t([0.0, 0.0], 0.5) == (0, 1) and corrected_resampled_t([-0.1, -0.1], 0.5) == (-np.inf, 0)
    assert np.isnan(corrected_resampled_t([0.3], 0.5)).all()
    with pytest.raises(ValueError, match="test images over training images"):
        corrected_resampled_t(values, 0)


def test_test_share_is_of_the_folds() -> None:
    rows = pd.concat([make_rows(skill=0.5), make_rows(system="two", seed=3)])
    differences = fold_differences(rows, "one", "two")
    line = compare_systems(rows).iloc[0]
    assert (line["t"], line["t_p"]) == pytest.approx(corrected_resampled_t(differences, 1 / 4))  # five folds
    validated = compare_systems(rows, test_shares={(0, fold): 1 / 3 for fold in range(5)}).iloc[0]
    assert (validated["t"], validated["t_p"]) == pytest.approx(corrected_resampled_t(differences, 1 / 3))
    single = compare_systems(rows.assign(fold=0)).iloc[0]
    assert np.isnan(single["t_p"]) and single["folds"] == 1


def test_mcnemar_by_hand() -> None:
    # five decisions for the first, none for the second: 2 * (1/2)^5
    found = mcnemar(systems_right_on(one="1111100", two="0000000"), "one", "two")
    assert (found.decisions, found.first_only, found.second_only, found.p_value) == (7, 5, 0, pytest.approx(1 / 16))
    assert mcnemar_p(0, 0) == 1 == mcnemar_p(4, 4)
    assert mcnemar_p(3, 9) == mcnemar_p(9, 3) == pytest.approx(2 * stats.binom.cdf(3, 12, 0.5))


def test_mcnemar_counts_a_sequence_once() -> None:
    rows = systems_right_on(one="111111", two="000111").assign(fold=0, subject="s", sequence=[*"aaabbb"] * 2)
    rows[f"p_{RIGHT}"] = (rows["predicted"] == RIGHT) * 0.8 + 0.1
    rows[f"p_{WRONG}"] = 1 - rows[f"p_{RIGHT}"]
    found = mcnemar(rows, "one", "two")
    assert (found.decisions, found.first_only, found.second_only, found.p_value) == (2, 1, 0, 1)
    assert decisions(rows[rows["system"] == "two"])["right"].tolist() == [False, True]
    other = rows.assign(sequence=np.where(rows["system"] == "one", rows["sequence"], "c"))
    with pytest.raises(ValueError, match="name the sequences of the same images differently"):
        mcnemar(other, "one", "two")


def test_holm() -> None:
    # sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, never linear_decay_second_half
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1, 1] and holm([0.03]).tolist() == [0.03]
    assert holm([np.nan, 0.02, 0.03])[1:].tolist() == [0.04, 0.04] and np.isnan(holm([np.nan])[0])


def test_holm_holds_the_chance_of_any_false_alarm() -> None:
    p_values = np.random.default_rng(1).random((4000, 5))
    assert np.mean([holm(line).min() < 0.05 for line in p_values]) == pytest.approx(0.05, abs=0.012)
    assert np.mean(p_values.min(axis=1) < 0.05) > 0.2


def test_every_pair_of_systems() -> None:
    rows = pd.concat([make_rows(system=name, seed=k, skill=0.4 + 0.2 * k) for k, name in enumerate("abc")])
    table = compare_systems(rows)
    assert list(zip(table["first"], table["second"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["uar_holm"].tolist() == holm(table["uar_p"]).tolist() and (table["uar_holm"] >= table["uar_p"]).all()
    assert (table["people"] == 20).all() and (table["folds"] == 5).all()
    one = compare_systems(rows, [("c", "a")])
    assert one["uar_difference"].iloc[0] == -table["uar_difference"].iloc[1]
    assert one["uar_holm"].iloc[0] == one["uar_p"].iloc[0]  # a single question needs no correction
    assert compare_systems(rows[rows["system"] == "a"]).empty


def test_a_single_person_or_picture_is_no_evidence() -> None:
    rows = systems_right_on(one="11", two="00").assign(subject="s", fold=0)
    found = compare(rows, "one", "two")
    assert found.difference == 1 and np.isnan([found.low, found.high, found.p_value]).all() and found.people == 1


def test_comparison_needs_the_same_images() -> None:
    one, two = make_rows(), make_rows(system="two")
    with pytest.raises(ValueError, match="not tested on the same images"):
        compare(pd.concat([one, two.iloc[1:]]), "one", "two")
    with pytest.raises(ValueError, match="no rows of system 'three': there are one, two"):
        compare(pd.concat([one, two]), "one", "three")
    twice = pd.concat([one, one.iloc[:3].assign(seed=1), two])
    with pytest.raises(ValueError, match="one was tested on some images more often"):
        compare(twice, "one", "two")
    renamed = two.assign(subject=two["subject"] + "x")
    with pytest.raises(ValueError, match="name the people of the same images differently"):
        compare(pd.concat([one, renamed]), "one", "two")
