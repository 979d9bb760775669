"""The history of a training run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from ferdis.training.history import COLUMNS, History


def filled(steps: int, epoch_length: int = 10) -> History:
    history = History()
    history.begin_stage()
    for step in range(1, steps + 1):
        epoch = (step - 1) // epoch_length + 1
        history.add("main", epoch, step, "net", "loss", float(step))
        if step % epoch_length == 0:
            history.end_epoch("main", epoch, step, [("net", "learning_rate", 0.1)])
    return history


def test_epoch_means_are_rows():
    frame = filled(20).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame.values.tolist() == [
        ["main", 1, 10, "net", "loss", 5.5],
        ["main", 1, 10, "net", "learning_rate", 0.1],
        ["main", 2, 20, "net", "loss", 15.5],
        ["main", 2, 20, "net", "learning_rate", 0.1],
    ]


def test_running_mean():
    history = filled(20)
    assert history.mean("net/loss", last=1) == 20 and history.mean("net/loss", last=4) == 18.5
    assert history.mean("net/loss", last=1000) == 10.5
    history.add("main", 3, 21, "net", "loss", math.nan)
    assert history.mean("net/loss", last=3) == 19.5  # of 19 and 20: NaN says nothing
    assert math.isnan(history.mean("net/other", last=3))
    history.begin_stage()
    assert math.isnan(history.mean("net/loss"))
    for last in (0, 1001):
        with pytest.raises(ValueError, match="1 to 1000"):
            history.mean("net/loss", last)


def test_single_steps_are_thinned_evenly():
    frame = filled(5000).to_frame(steps=True)
    assert 500 <= len(frame) <= 1000
    assert set(frame.step.diff().dropna()) == {frame.step.diff().iloc[1]} and (frame.value == frame.step).all()
    assert len(filled(50).to_frame(steps=True)) == 50


def test_state_goes_through_a_file(tmp_path: Path):
    history, other = filled(3000), History()
    tensors, rest = history.state()
    other.load_state(tensors, json.loads(json.dumps(rest)))
    for each in (history, other):
        each.add("main", 301, 3001, "net", "loss", 1 / 3)
        each.end_epoch("main", 301, 3001)
    assert history.rows == other.rows and history.mean("net/loss", 77) == other.mean("net/loss", 77)
    pd.testing.assert_frame_equal(history.to_frame(steps=True), other.to_frame(steps=True))


def test_csv(tmp_path: Path):
    history = filled(20)
    history.write_csv(tmp_path / "run" / "history.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "run" / "history.csv"), history.to_frame(), check_dtype=False)
    with pytest.raises(OSError, match=r"history\.csv cannot be written"):
        history.write_csv(tmp_path / "run" / "history.csv" / "history.csv")
    assert len(list((tmp_path / "run").iterdir())) == 1
