"""Metrics against scikit-learn, against plain transcriptions and against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from ferdis import metrics
from ferdis.metrics import (
    confusion,
    expected_calibration_error,
    fold_accuracies,
    interval,
    macro_f1,
    mean_std,
    per_class,
    probabilities,
    recalls,
    reliability,
    resampling,
    sequence_accuracy,
    summary,
    uar,
)

CLASSES = ("anger", "fear", "happiness")


def make_rows(
    people: int = 20, each: int = 6, folds: int = 5, skill: float = 0.7, seed: int = 0, system: str = "one"
) -> pd.DataFrame:
    """Rows of a run; each person is easy or hard, so that people matter."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(people), each)
    true = np.resize(np.array(CLASSES), people * each)
    right = rng.random(people * each) < np.clip(skill + rng.normal(0, 0.25, people), 0, 1)[subject]
    wrong = np.array(CLASSES)[rng.integers(0, 3, people * each)]
    predicted = np.where(right, true, wrong)
    probability = np.full((people * each, 3), 0.1)
    probability[np.arange(people * each), np.searchsorted(CLASSES, predicted)] = 0.8
    return pd.DataFrame(
        {
            "system": system,
            "dataset": "set",
            "fold": subject % folds,
            "subject": [f"s{number}" for number in subject],
            "path": [f"{row}.png" for row in range(people * each)],
            "true": true,
            "predicted": predicted,
            **{f"p_{name}": probability[:, k] for k, name in enumerate(CLASSES)},
            "seed": 0,
            "selection": "last",
        }
    )


labels = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=60)


@given(pairs=labels)
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_pooled_metrics_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    true, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    assert metrics.accuracy(true, predicted) == pytest.approx(accuracy_score(true, predicted))
    assert uar(true, predicted) == pytest.approx(balanced_accuracy_score(true, predicted))
    assert macro_f1(true, predicted) == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    names = sorted(set(true) | set(predicted))
    assert np.array_equal(confusion(true, predicted), confusion_matrix(true, predicted, labels=names))
    # the bootstrap's own arithmetic, on everybody
    rows = pd.DataFrame({"true": true, "predicted": predicted, "path": np.arange(len(true)).astype(str)})
    counts = resampling.counts_by(rows, resampling.person_of(rows), names)[0].sum(axis=0)[None]
    for name, value in (("accuracy", metrics.accuracy), ("uar", uar), ("macro_f1", macro_f1)):
        assert resampling.statistic_of(name)(counts)[0] == pytest.approx(value(true, predicted))  # type: ignore[arg-type]


def test_worked_out_by_hand() -> None:
    true = ["anger"] * 4 + ["fear"] * 2
    predicted = ["anger", "anger", "anger", "fear", "fear", "anger"]
    assert metrics.accuracy(true, predicted) == pytest.approx(4 / 6)
    assert uar(true, predicted) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert macro_f1(true, predicted) == pytest.approx((3 / 4 + 1 / 2) / 2)
    table = confusion(true, predicted, ["anger", "fear", "happiness"], normalise=True)
    assert table.loc["anger"].tolist() == [0.75, 0.25, 0.0]
    assert table.loc["happiness"].isna().all()
    found = recalls(true, predicted, ["anger", "fear", "happiness"])
    assert found["anger"] == 0.75 and found["fear"] == 0.5 and np.isnan(found["happiness"])


def test_mean_std() -> None:
    assert mean_std([1.0, 3.0]) == pytest.approx((2.0, np.sqrt(2.0)))  # ddof 1
    assert mean_std([1.0, np.nan, 3.0])[0] == 2.0
    mean, std = mean_std([0.5])
    assert mean == 0.5 and np.isnan(std)


def test_fold_accuracies_and_seeds() -> None:
    rows = pd.DataFrame(
        {
            "system": "one",
            "fold": [0, 0, 1, 1] * 2,
            "path": ["a", "b", "c", "d"] * 2,
            "seed": [0] * 4 + [1] * 4,
            "true": "fear",
            "predicted": ["fear", "fear", "fear", "anger", "fear", "anger", "anger", "anger"],
        }
    )
    table = fold_accuracies(rows)
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.5, 0.0] and table["n"].tolist() == [2] * 4
    line = summary(rows).iloc[0]
    # over seeds first: fold 0 has 0.75, fold 1 has 0.25
    assert line["accuracy_mean"] == 0.5 and line["accuracy_std"] == pytest.approx(np.std([0.75, 0.25], ddof=1))
    assert (line["n"], line["folds"], line["seeds"]) == (4, 2, 2)
    # seeds with folds of their own: within each seed, then over seeds
    rows.loc[rows["seed"] == 1, "path"] = ["a", "c", "b", "d"]
    line = summary(rows).iloc[0]
    assert line["accuracy_mean"] == 0.5 and line["accuracy_std"] == pytest.approx(0.5 / np.sqrt(2))


def test_sequence_accuracy_beside_frame_accuracy() -> None:
    rows = pd.DataFrame(
        {
            "fold": 0,
            "path": [f"{row}.png" for row in range(6)],
            "sequence": ["a", "a", "a", "b", "b", None],
            "true": ["fear", "fear", "fear", "fear", "anger", "anger"],
            "predicted": ["anger", "anger", "fear", "fear", "fear", "anger"],
            "p_anger": [0.6, 0.6, 0.1, 0.2, 0.4, 0.9],
            "p_fear": [0.4, 0.4, 0.9, 0.8, 0.6, 0.1],
        }
    )
    # a: mean fear 0.57, right though two of three frames are wrong; b holds two labels, one right, one wrong;
    # the row without a sequence is right
    assert sequence_accuracy(rows) == pytest.approx(3 / 4)
    assert metrics.accuracy(rows["true"], rows["predicted"]) == pytest.approx(0.5)
    # two people may each have a sequence of one name: of a's three frames the first two, wrong, are another person's
    people = rows.assign(subject=["p", "p", "q", "p", "p", "p"])
    assert sequence_accuracy(people) == pytest.approx(3 / 5)
    assert np.isnan(sequence_accuracy(rows.drop(columns="sequence")))
    assert np.isnan(sequence_accuracy(rows.drop(columns=["p_anger", "p_fear"])))
    assert np.isnan(sequence_accuracy(rows.assign(sequence=None)))


def test_calibration() -> None:
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    true = ["anger", "fear", "anger", "fear"]
    # bins of 0.1: |(0.5 - 0.9)| * 2/4 + |1 - 0.6| / 4 + |1 - 0.8| / 4
    found = expected_calibration_error(true, probability, ["anger", "fear"], bins=10)
    assert found == pytest.approx(0.2 + 0.1 + 0.05)
    table = reliability(true, probability, ["anger", "fear"], bins=10)
    filled = table[table["n"] > 0]
    assert filled["n"].tolist() == [1, 1, 2] and filled["low"].tolist() == pytest.approx([0.5, 0.7, 0.8])
    assert filled["confidence"].tolist() == pytest.approx([0.6, 0.8, 0.9])
    assert filled["accuracy"].tolist() == [1, 1, 0.5] and table["accuracy"].isna().sum() == 7
    certain = np.eye(2)[[0, 1, 0]]
    assert expected_calibration_error(["anger", "fear", "anger"], certain, ["anger", "fear"]) == 0
    with pytest.raises(ValueError, match=r"must be \(4, 3\)"):
        expected_calibration_error(true, probability, CLASSES)


def test_interval_is_a_bootstrap_over_people() -> None:
    """Against a loop that draws people and pools their rows."""
    rows = make_rows()
    low, high = interval(rows, "uar", replicates=4000)
    true, predicted = rows["true"].to_numpy(), rows["predicted"].to_numpy()
    by_person = list(rows.groupby("subject").indices.values())
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(600):
        pooled = np.concatenate([by_person[k] for k in rng.integers(0, len(by_person), len(by_person))])
        drawn.append(np.mean([(predicted[pooled] == name)[true[pooled] == name].mean() for name in CLASSES]))
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    assert low < uar(rows["true"], rows["predicted"]) < high
    assert interval(rows, "uar") == interval(rows, "uar")


def test_people_make_the_interval_wider_than_images() -> None:
    rows = make_rows(people=15, each=30)
    over_people = interval(rows, "accuracy")
    over_images = interval(rows.drop(columns="subject"), "accuracy")
    assert over_people[1] - over_people[0] > 1.3 * (over_images[1] - over_images[0])


def test_interval_of_one_person_is_unknown() -> None:
    assert np.isnan(interval(make_rows(people=1), "uar")).all()
    with pytest.raises(ValueError, match="'accuracy', 'uar' or 'macro_f1'"):
        interval(make_rows(), "f2")  # type: ignore[arg-type]


def test_summary_line() -> None:
    rows = pd.concat([make_rows(system="b"), make_rows(system="a", seed=1).assign(sequence="x")])
    table = summary(rows)
    assert table["system"].tolist() == ["b", "a"]  # in the order of the rows
    line, part = table.iloc[0], rows[rows["system"] == "b"]
    assert (line["n"], line["people"], line["folds"], line["seeds"]) == (120, 20, 5, 1)
    each = [accuracy_score(fold["true"], fold["predicted"]) for _, fold in part.groupby("fold")]
    assert line["accuracy_mean"] == pytest.approx(np.mean(each))
    assert line["accuracy_std"] == pytest.approx(np.std(each, ddof=1))
    assert line["accuracy"] == pytest.approx(accuracy_score(part["true"], part["predicted"]))
    assert line["uar"] == pytest.approx(balanced_accuracy_score(part["true"], part["predicted"]))
    assert line["macro_f1"] == pytest.approx(f1_score(part["true"], part["predicted"], average="macro"))
    assert line["uar_low"] < line["uar"] < line["uar_high"]
    assert line["accuracy_low"] < line["accuracy"] < line["accuracy_high"]
    assert line["ece"] == pytest.approx(abs(line["accuracy"] - 0.8))
    assert np.isnan(line["sequence_accuracy"]) and table["sequence_accuracy"].notna().tolist() == [False, True]


def test_rows_of_several_seeds_joined_as_they_are() -> None:
    rows = pd.concat([make_rows(seed=seed).assign(seed=seed, sequence="x") for seed in (0, 1)])
    line = summary(rows).iloc[0]
    assert (line["n"], line["seeds"]) == (120, 2) and 0 <= line["ece"] <= 1
    assert line["accuracy"] == pytest.approx(accuracy_score(rows["true"], rows["predicted"]))
    assert line["sequence_accuracy"] == sequence_accuracy(rows)


def test_summary_of_classes_absent_from_folds() -> None:
    """Pooled rows: a class that only one fold tests counts as much as any."""
    rows = make_rows()
    rows.loc[rows["fold"] > 0, "true"] = "anger"
    line = summary(rows).iloc[0]
    assert line["uar"] == pytest.approx(balanced_accuracy_score(rows["true"], rows["predicted"]))


def test_summary_without_people_or_probabilities() -> None:
    rows = make_rows()[["system", "fold", "path", "true", "predicted"]]
    line = summary(rows).iloc[0]
    assert line["people"] == 0 and line["dataset"] == "" and np.isnan(line["ece"])
    assert line["uar_low"] < line["uar"] < line["uar_high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="true"), "lack the column true"),
        (lambda rows: rows.iloc[:0], "no fold has finished"),
        (lambda rows: rows.assign(predicted=None), "0.png has no 'predicted' class"),
    ],
)
def test_summary_errors(change: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summary(change(make_rows()))  # type: ignore[operator]


def test_per_class_and_probabilities() -> None:
    rows = make_rows().assign(p_other=np.nan)
    table = per_class(rows)
    assert table.index.tolist() == list(CLASSES) and table["n"].sum() == len(rows)
    assert table["recall"].mean() == pytest.approx(uar(rows["true"], rows["predicted"]))
    assert list(probabilities(rows).columns) == list(CLASSES)
