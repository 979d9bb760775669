"""Spaces of a sweep: what may be written, and one line for what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from ferdis.sweep.search_space import Choice, Range, Space
from tests.sweep.sweep_fakes import Curve


def test_each_kind_of_entry(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "rate: {low: 1e-5, high: 1e-1, log: true}\n"
        "epochs: {low: 2, high: 8, step: 2}\n"
        "kind: [plain, good]\n"
        "sizes: {choices: [[1, 2], [4]]}\n"
    )
    space = Space.read(tmp_path / "space.yaml", Curve())
    assert space.items["rate"] == Range(1e-5, 1e-1, integer=False, log=True)
    assert space.items["epochs"] == Range(2, 8, integer=True, step=2)
    assert space.items["kind"] == Choice(("plain", "good"))
    drawn = [space.draw(optuna.trial.FixedTrial({"rate": 0.01, "epochs": 4, "kind": "good", "sizes": "[4]"}))]
    assert drawn == [{"rate": 0.01, "epochs": 4, "kind": "good", "sizes": [4]}]


def test_each_range_is_drawn_as_it_is_written() -> None:
    """Ends included, in steps from the lowest, and evenly in the logarithm where that is asked for."""
    given = {
        "rate": {"low": 1e-5, "high": 1e-1, "log": True}, "epochs": {"low": 2, "high": 8, "step": 2},
    }  # fmt: skip
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(200)]
    drawn = [Space(given, Curve()).draw(trial) for trial in trials]
    assert {one["epochs"] for one in drawn} == {2, 4, 6, 8}
    below = [one["rate"] < 1e-3 for one in drawn]  # the middle of the scale
    assert 0.4 < sum(below) / len(below) < 0.6
    assert trials[0].distributions == {
        "rate": FloatDistribution(1e-5, 1e-1, log=True), "epochs": IntDistribution(2, 8, step=2),
    }  # fmt: skip
    other = {"rate": {"low": 0.1, "high": 0.9, "step": 0.2}, "epochs": {"low": 1, "high": 64, "log": True}}
    Space(other, Curve()).draw(trial := optuna.create_study().ask())
    assert trial.distributions == {
        "rate": FloatDistribution(0.1, 0.9, step=0.2), "epochs": IntDistribution(1, 64, log=True),
    }  # fmt: skip


def test_all_conditions_must_hold() -> None:
    space = Space(
        {"kind": ["plain", "good"], "sizes": {"choices": [1, 2]},
         "rate": {"low": 0.1, "high": 0.5, "when": {"kind": "good", "sizes": [2]}}},
        Curve(),
    )  # fmt: skip
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.draw(study.ask()) for _ in range(30)]
    assert all(("rate" in one) == (one["kind"] == "good" and one["sizes"] == 2) for one in drawn)
    assert len({(one["kind"], one["sizes"]) for one in drawn}) == 4


def test_whole_numbers_are_floats_where_the_argument_is_one() -> None:
    space = Space({"rate": {"low": 0, "high": 1}}, Curve())
    study = optuna.create_study()
    values = [space.draw(study.ask())["rate"] for _ in range(5)]
    assert all(isinstance(value, float) for value in values) and any(value % 1 for value in values)


def test_a_condition_is_kept_whatever_the_order_in_the_file() -> None:
    space = Space({"rate": {"low": 0.1, "high": 0.5, "when": {"kind": "good"}}, "kind": ["plain", "good"]}, Curve())
    assert list(space.items) == ["kind", "rate"]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.draw(study.ask()) for _ in range(30)]
    assert all(("rate" in one) == (one["kind"] == "good") for one in drawn)
    assert {one["kind"] for one in drawn} == {"plain", "good"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "is empty"),
        (["rate"], "is empty"),
        ({"rat": [1.0]}, "rat is no argument of Curve; did you mean 'rate'?"),
        ({"seed": {"low": 0, "high": 5}}, "seed cannot be drawn"),
        ({"extra_train": [None]}, "extra_train cannot be drawn"),
        ({"rate": 0.5}, "give a list of values, or"),
        ({"rate": []}, "give a list of values, or"),
        ({"rate": [0.1, 0.1]}, "lists a value twice"),
        ({"rate": {"low": 0.1}}, "rate needs high"),
        ({"rate": {"low": 0.5, "high": 0.1}}, "low must be the smaller"),
        ({"rate": {"low": "small", "high": 1.0}}, "low 'small', which is no number"),
        ({"rate": {"low": 0.0, "high": 1.0, "log": True}}, "starts above 0"),
        ({"rate": {"low": 0.1, "high": 1.0, "log": True, "step": 0.1}}, "not together with log"),
        ({"rate": {"low": 0.1, "high": 1.0, "step": 0}}, "step 0: above 0"),
        ({"rate": {"low": 0.1, "high": 1.0, "log": "yes"}}, "log 'yes': true or false"),
        ({"rate": {"low": 0.1, "high": 1.0, "scale": 2}}, "unknown key 'scale'"),
        ({"rate": {"choices": [0.1], "low": 0.1}}, "choices and 'low'"),
        ({"epochs": {"low": 1.5, "high": 4}}, "takes whole numbers"),
        (
            {"rate": {"low": 0.1, "high": 1.0, "when": {"kind": "good"}}},
            "depends on 'kind', which must be in the space",
        ),
        (
            {"rate": {"low": 0.1, "high": 1.0, "when": {"kind": "bad"}}, "kind": ["plain", "good"]},
            "which kind never is",
        ),
        (
            {
                "kind": {"choices": ["plain", "good"], "when": {"epochs": 1}},
                "epochs": {"choices": [1, 2], "when": {"kind": "good"}},
            },
            "in a circle",
        ),
    ],
)
def test_what_cannot_be_a_space_is_one_line(given: Any, says: str) -> None:
    with pytest.raises(ValueError) as error:
        Space(given, Curve(), "space.yaml")
    assert says in str(error.value) and "\n" not in str(error.value) and "space.yaml" in str(error.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"space .*none\.yaml: no such file"):
        Space.read(tmp_path / "none.yaml", Curve())
    (tmp_path / "bad.yaml").write_text("rate: [0.1\n")
    with pytest.raises(ValueError, match=r"bad\.yaml is no YAML"):
        Space.read(tmp_path / "bad.yaml", Curve())
