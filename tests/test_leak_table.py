"""The table of accuracy, leak and cost: its rows, its front, and that it goes on where it was stopped."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ferdis import IdentityReversal, ResNetClassifier
from ferdis.metrics import disentanglement
from tests.systems.test_identity_reversal import KNOWN, people
from tests.systems.test_ifgan import TINY

SMALL = {name: value for name, value in TINY.items() if name in KNOWN}


@pytest.fixture
def leak_table(experiment, monkeypatch: pytest.MonkeyPatch):
    leak_table = experiment("leak_table")
    monkeypatch.setattr(
        leak_table, "SYSTEMS", {"resnet": (ResNetClassifier, SMALL), "reversal": (IdentityReversal, SMALL)}
    )
    monkeypatch.setattr(leak_table, "read", lambda options: people(96))
    return leak_table


def test_the_front_is_what_no_other_row_beats(leak_table) -> None:
    accuracy, leak = np.array([80.0, 70.0, 80.0, 60.0, 60.0]), np.array([5.0, 2.0, 6.0, 1.0, 1.0])
    np.testing.assert_array_equal(leak_table.pareto(accuracy, leak), [True, True, False, True, True])


def test_rows_stay_and_the_table_grows(leak_table, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(disentanglement, "_HALVINGS", 1)  # of five, which are most of the time
    arguments = ["--out", str(tmp_path), "--folds", "2", "--epochs", "2"]
    first = leak_table.run([*arguments, "--systems", "resnet"])
    assert list(first["system"]) == ["resnet"] and first["front"].all()
    before = json.loads((tmp_path / "resnet" / "leak.json").read_text())

    def again(*_: object, **__: object) -> None:
        raise AssertionError("a finished row is measured again")

    real = leak_table.leak_records
    monkeypatch.setattr(leak_table, "leak_records", again)
    leak_table.run([*arguments, "--systems", "resnet"])
    monkeypatch.setattr(leak_table, "leak_records", real)
    table = leak_table.run(arguments)
    assert list(table["system"]) == ["resnet", "reversal"]
    assert json.loads((tmp_path / "resnet" / "leak.json").read_text()) == before
    for name in leak_table.COLUMNS.values():
        assert table[name].between(0, 100).all()
    assert (table["accuracy low"] <= table["accuracy (%)"]).all() and (table["minutes per fold"] > 0).all()
    assert table["parameters (million)"].nunique() == 1, "the network that names people is not used in prediction"
    assert table["people told apart"].between(1, 2).all() and table[leak_table.LEAK].between(0, 100).all()
    assert (tmp_path / "leak.png").stat().st_size > 5000
    text = (tmp_path / "leak.md").read_text()
    assert "| resnet |" in text.replace("**", "") and "of 2 people per fold" in text
    assert list(pd.read_csv(tmp_path / "leak.csv")["system"]) == ["resnet", "reversal"]


def test_errors_are_one_line(experiment, capsys) -> None:
    assert experiment("leak_table").main(["--dataset", "rafd", "--out", "x"]) == 2
    assert "--dataset rafd needs --root" in capsys.readouterr().err


def test_ten_rows_or_more_and_the_controls_are_among_them(experiment) -> None:
    leak_table = experiment("leak_table")
    assert len(leak_table.SYSTEMS) >= 8 and {"reversal-off", "resnet-balanced"} <= set(leak_table.SYSTEMS)
    for cls, changes in leak_table.SYSTEMS.values():
        cls.small(**changes)._check_parameters()
