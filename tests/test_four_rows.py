"""The four rows: which control a system is compared with, and when a gain is shown."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ferdis import SubjectKFold, load

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def four_rows(experiment):
    return experiment("four_rows")


def rows_of(accuracy: dict[str, float], people: int = 40, images: int = 12, partitions: int = 5) -> pd.DataFrame:
    """Rows of systems that are right at a given rate, the same for every subject, in some partitions."""
    rng, parts = np.random.default_rng(0), []
    true = np.where(np.arange(people * images) % 2, "fear", "anger")
    for system, rate in accuracy.items():
        for seed in range(partitions):
            right = rng.random(len(true)) < rate
            other = np.where(true == "fear", "anger", "fear")
            parts.append(
                pd.DataFrame(
                    {
                        "system": system,
                        "seed": seed,
                        "fold": (np.arange(len(true)) // images + seed * (np.arange(len(true)) // images % 3)) % 10,
                        "subject": [f"s{k // images}" for k in range(len(true))],
                        "path": [f"{k}.png" for k in range(len(true))],
                        "sequence": "",
                        "true": true,
                        "predicted": np.where(right, true, other),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


RATES = {"control-scratch": 0.6, "relgan-scratch": 0.9, "control-same-people": 0.8, "relgan-same-people": 0.8}


def test_a_gain_is_over_the_control_with_the_same_start(four_rows) -> None:
    table = four_rows.compared(rows_of(RATES), "relgan")
    verdicts = table.set_index(["first", "second", "statistic"]).verdict
    assert verdicts["relgan-scratch", "control-scratch", "accuracy"] == "shown"
    assert verdicts["relgan-same-people", "control-same-people", "person"].startswith("not shown")
    assert verdicts["control-same-people", "control-scratch", "uar"] == "shown"
    assert verdicts["relgan-same-people", "relgan-scratch", "person"] == "shown: a loss"
    assert len(table) == 4 * 3 and (table.partitions > 1).all()
    shown = four_rows.readable(table)
    assert shown["gain [95 % over people]"][0].startswith("+29.8 [") and set(shown.seeds) == {"-"}
    lines = four_rows.accuracies(rows_of(RATES)).set_index("row")
    assert lines.loc["relgan-scratch", "accuracy"] == pytest.approx(90, abs=4)


def fold_rows(seed: int, fold: int, right: tuple[int, int]) -> pd.DataFrame:
    """Three images of anger and one of fear, of which so many are named rightly."""
    true = ["anger"] * 3 + ["fear"]
    other = {"anger": "fear", "fear": "anger"}
    hit = [k < right[0] for k in range(3)] + [bool(right[1])]
    predicted = [name if is_right else other[name] for name, is_right in zip(true, hit, strict=True)]
    return pd.DataFrame({"system": "relgan-scratch", "seed": seed, "fold": fold, "true": true, "predicted": predicted})


def test_accuracy_and_its_spreads_by_hand(four_rows) -> None:
    folds = {(0, 0): (3, 1), (0, 1): (3, 0), (1, 0): (0, 0), (1, 1): (1, 1)}  # right: 100, 75, 0 and 50 %
    rows = pd.concat([fold_rows(*place, right) for place, right in folds.items()])
    (line,) = four_rows.accuracies(rows).to_dict("records")
    assert line["row"] == "relgan-scratch" and line["accuracy"] == pytest.approx(100 * 9 / 16)
    assert line["uar"] == pytest.approx(100 * (7 / 12 + 2 / 4) / 2)
    assert line["std over folds"] == pytest.approx(np.std([100, 75, 0, 50], ddof=1))
    assert line["std over partitions"] == pytest.approx(np.std([87.5, 25], ddof=1))
    assert "std over partitions" not in four_rows.accuracies(rows[rows.seed == 0])


def test_each_number_of_a_gain_stands_in_its_column(four_rows) -> None:
    gain = {"first": "a", "second": "b", "statistic": "uar", "gain": 1.25, "low": -2.0, "high": 3.0, "spread": 0.4,
            "floor": 0.8, "over_partitions": 0.3, "over_seeds": 0.2, "verdict": "not shown"}  # fmt: skip
    (line,) = four_rows.readable(pd.DataFrame([gain])).to_dict("records")
    assert line == {"row": "a", "over": "b", "of": "uar", "gain [95 % over people]": "+1.2 [-2.0, +3.0]",
                    "spread": "0.4", "floor": "0.8", "partitions": "0.3", "seeds": "0.2", "": "not shown"}  # fmt: skip


def test_system_and_control_have_the_same_start(four_rows) -> None:
    argv = ["--system", "ifgan", "--dataset", "synthetic", "--weights", "zoo:expression"]
    rows = four_rows.estimators(four_rows.arguments(argv), None)
    assert {name: row.weights for name, row in rows.items()} == {
        "control-scratch": None, "ifgan-scratch": None,
        "control-same-people": "zoo:expression", "ifgan-same-people": "zoo:expression",
    }  # fmt: skip


def test_folds_partitions_and_trainings_are_those_asked_for(four_rows, tmp_path, monkeypatch) -> None:
    asked: dict = {}

    def evaluate(rows: dict, faces: object, protocol: object, **more: object) -> SimpleNamespace:
        asked.update(more, rows=rows, protocol=protocol)
        return SimpleNamespace(rows=rows_of(RATES, people=6, partitions=2))

    monkeypatch.setattr(four_rows, "evaluate", evaluate)
    monkeypatch.setattr(four_rows, "read", lambda options: None)
    argv = ["--system", "relgan", "--dataset", "synthetic", "--weights", "zoo:expression", "--folds", "7",
            "--seeds", "3", "--partitions", "4", "--jobs", "2", "--out", str(tmp_path)]  # fmt: skip
    table = four_rows.run(argv)
    assert asked["protocol"] == SubjectKFold(7, validation_folds=0) and set(asked["rows"]) == set(RATES)
    assert list(asked["seeds"]) == [0, 1, 2] and asked["partitions"] == 4 and asked["n_jobs"] == 2
    assert len(pd.read_csv(tmp_path / "gains.csv")) == len(table) == 12


def test_one_partition_shows_no_gain(four_rows) -> None:
    table = four_rows.compared(rows_of(RATES, partitions=1), "relgan")
    assert table.verdict.str.startswith("not shown").all()


def test_partitions_and_trainings_are_one_or_more(four_rows) -> None:
    argv = ["--system", "relgan", "--dataset", "synthetic", "--partitions", "2"]
    assert four_rows.arguments([*argv, "--seeds", "3"]).seeds == 3
    with pytest.raises(SystemExit):
        four_rows.arguments([*argv, "--seeds", "0"])


def test_arguments_of_system_and_control(four_rows) -> None:
    argv = ["--system", "relgan", "--dataset", "synthetic", "--epochs", "3", "--arguments", "{mlp_epochs: 7}",
            "--control_arguments", "{epochs: 9}"]  # fmt: skip
    rows = four_rows.estimators(four_rows.arguments(argv), None)
    assert rows["relgan-scratch"].mlp_epochs == 7 and rows["relgan-scratch"].epochs == 3
    assert rows["control-scratch"].epochs == 9


def test_the_control_learns_labels_as_long_as_the_system(four_rows) -> None:
    """Else the longer training looks like what reenactment brings."""
    argv = ["--system", "relgan", "--dataset", "synthetic", "--weights", "zoo:expression"]
    rows = four_rows.estimators(four_rows.arguments(argv), None)
    for start in four_rows.STARTS:
        system, control = rows[f"relgan-{start}"], rows[f"control-{start}"]
        assert control.epochs == system.epochs + system.mlp_epochs == 40
        assert (control.min_steps, control.steps_per_image) == (2 * system.min_steps, 2 * system.steps_per_image)
    frozen = [*argv, "--arguments", "{finetune_encoder: false, mlp_epochs: 60}"]
    for line, epochs in (
        (frozen, 20),
        ([*argv, "--control_arguments", "{epochs: 5}"], 5),
        ([*argv, "--epochs", "3"], 23),
        ([*argv, "--arguments", "{names_weight: 0}"], 20),
    ):
        assert four_rows.estimators(four_rows.arguments(line), None)["control-scratch"].epochs == epochs
    ifgan = ["--system", "ifgan", "--dataset", "synthetic"]
    assert four_rows.estimators(four_rows.arguments(ifgan), None)["control-scratch"].epochs == 20


@pytest.mark.parametrize("system", ["relgan", "ifgan"])
def test_the_rows_differ_in_system_and_start_alone(four_rows, system: str) -> None:
    argv = ["--system", system, "--dataset", "synthetic", "--augmentation", "strong"]
    people = load("synthetic", people=2, images_per_expression=1, image_size=72)
    rows = four_rows.estimators(four_rows.arguments(argv), people)
    assert list(rows) == [f"{who}-{start}" for start in four_rows.STARTS for who in ("control", system)]
    assert {type(row) for row in rows.values()} == set(four_rows.SYSTEMS[system])
    assert [row.pretrain is people for row in rows.values()] == [False, False, True, True]
    assert {row.augmentation for row in rows.values()} == {"strong"}
    alone = four_rows.estimators(four_rows.arguments(argv), None)
    assert list(alone) == ["control-scratch", f"{system}-scratch"]


def test_a_set_without_a_folder_is_one_line(four_rows, capsys) -> None:
    assert four_rows.main(["--system", "relgan", "--dataset", "jaffe"]) == 2
    assert capsys.readouterr().err.startswith("four_rows: error: --dataset jaffe needs --root")


@pytest.mark.slow
def test_the_rows_run(four_rows, tmp_path, monkeypatch) -> None:
    few = load("synthetic", people=2, images_per_expression=1, image_size=72, seed=2000)
    monkeypatch.setattr(four_rows, "read_further", lambda argument, given, faces: few)
    argv = ["--system", "relgan", "--dataset", "synthetic", "--people", "3", "--pretrain", "synthetic=2",
            "--folds", "2", "--epochs", "1", "--pretrain_epochs", "1", "--out", str(tmp_path),
            "--partitions", "2"]  # fmt: skip
    table = four_rows.run(argv)
    assert set(table["second"]) == {"control-scratch", "control-same-people", "relgan-scratch"}
    assert (table.trainings == 2).all() and table.people.eq(3).all()
    assert (tmp_path / "gains.csv").is_file()
