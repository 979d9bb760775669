"""The four rows: which control a system is compared with, and when a gain is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import load

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture
def four_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import four_rows

    yield four_rows
    for name in ("four_rows", "table"):
        sys.modules.pop(name, None)


def rows_of(accuracy: dict[str, float], people: int = 40, images: int = 12) -> pd.DataFrame:
    """Rows of systems that are right at a given rate, the same for every subject."""
    rng, parts = np.random.default_rng(0), []
    true = np.where(np.arange(people * images) % 2, "fear", "anger")
    for system, rate in accuracy.items():
        right = rng.random(len(true)) < rate
        other = np.where(true == "fear", "anger", "fear")
        parts.append(
            pd.DataFrame(
                {
                    "system": system,
                    "seed": 0,
                    "fold": np.arange(len(true)) // images % 10,
                    "subject": [f"s{k // images}" for k in range(len(true))],
                    "path": [f"{k}.png" for k in range(len(true))],
                    "sequence": "",
                    "true": true,
                    "predicted": np.where(right, true, other),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_a_gain_is_over_the_control_with_the_same_start(four_rows) -> None:
    rates = {"control-scratch": 0.6, "relgan-scratch": 0.9, "control-same-people": 0.8, "relgan-same-people": 0.8}
    table = four_rows.gains(rows_of(rates), "relgan").set_index(["row", "of"])
    assert table.loc[("relgan-scratch", "accuracy"), ""] == "shown"
    assert table.loc[("relgan-same-people", "accuracy"), ""] == "not shown"
    assert table.loc[("relgan-same-people", "uar"), "over"] == "control-same-people"
    lines = four_rows.accuracies(rows_of(rates)).set_index("row")
    assert lines.loc["relgan-scratch", "accuracy"] == pytest.approx(90, abs=4)


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
            "--folds", "2", "--epochs", "1", "--pretrain_epochs", "1", "--out", str(tmp_path)]  # fmt: skip
    table = four_rows.run(argv)
    assert set(table["over"]) == {"control-scratch", "control-same-people"}
    assert (tmp_path / "gains.csv").is_file()
