"""What `ferdis kfold` passes on, with nothing trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferdis.cli import kfold
from ferdis.cli.arguments import UsageError
from ferdis.cli.building import Experiment
from ferdis.protocol import CalibratedKFold, SubjectKFold, TransductiveKFold
from ferdis.systems.person_mean import FEATURES, PersonMean
from tests.evaluation.runner_fakes import Plain, make_faces

SETTINGS = {
    "out": None,
    "new_folds": False,
    "person_mean": False,
    "person_features": "difference",
    "tuned": None,
    "seeds": [3, 5],
    "only_folds": None,
    "stress": True,
}
FACES, STRICT = make_faces(), SubjectKFold(3)


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a line whose settings are given; what reaches ``evaluate``."""
    monkeypatch.chdir(tmp_path)

    def run(argv: tuple[str, ...] = (), given: Any = STRICT, **settings: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def evaluate(systems: dict, faces: Any, protocol: Any, **more: Any) -> None:
            found.update(more, systems=systems, faces=faces, protocol=protocol)
            more["out"].mkdir(parents=True)
            (more["out"] / "summary.md").write_text("| system |")

        arguments = {"out": "x", "n_jobs": 2, "seeds": [3, 5], "plain": {}}
        experiment = Experiment({"plain": Plain()}, FACES, given, SETTINGS | settings, arguments, "ck->jaffe")
        monkeypatch.setattr(kfold, "read_experiment", lambda *_: experiment)
        monkeypatch.setattr("ferdis.evaluation.runner.evaluate", evaluate)
        kfold.run(argv)
        return found

    return run


def test_what_is_asked_for_is_passed_on(passed_on: Callable[..., dict[str, Any]]) -> None:
    found = passed_on()
    assert found["faces"] is FACES and found["protocol"] == SubjectKFold(3) and set(found["systems"]) == {"plain"}
    assert found["out"] == Path("runs/ck-to-jaffe-plain") and found["dataset"] == "ck->jaffe"
    assert found["seeds"] == [3, 5] and found["stress"] is True and found["tuned"] == []
    assert found["arguments"] == {"seeds": [3, 5], "plain": {}}, "where and how fast it ran is no part of it"


def test_new_folds_are_dealt_for_each_seed(passed_on: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    found = passed_on(new_folds=True, out=tmp_path / "run")
    assert found["protocol"] == [SubjectKFold(3, seed=3), SubjectKFold(3, seed=5)] and found["out"] == tmp_path / "run"


def test_each_system_less_its_persons_mean_is_tested_beside_it(passed_on: Callable[..., dict[str, Any]]) -> None:
    systems = passed_on(person_mean=True)["systems"]
    assert list(systems) == ["plain", "plain-mean"]
    assert isinstance(systems["plain"], Plain) and isinstance(systems["plain-mean"], PersonMean)


@pytest.mark.parametrize(
    ("protocol", "reference"),
    [
        (CalibratedKFold(3), "neutral"),
        (CalibratedKFold(3, expression="fear"), "fear"),
        (CalibratedKFold(3, expression="any"), "any"),
        (TransductiveKFold(3), "any"),
    ],
)
def test_means_in_training_are_of_what_the_protocol_gives(
    passed_on: Callable[..., dict[str, Any]], protocol: Any, reference: str
) -> None:
    systems = passed_on(given=protocol, person_mean=True)["systems"]
    assert systems["plain-mean"].reference == reference


@pytest.mark.parametrize("features", FEATURES)
def test_the_mean_is_subtracted_from_what_is_asked_for(passed_on: Callable[..., dict[str, Any]], features: str) -> None:
    systems = passed_on(person_mean=True, person_features=features)["systems"]
    assert systems["plain-mean"].features == features


def test_winners_are_passed_on_and_not_overridden(passed_on: Callable[..., dict[str, Any]]) -> None:
    winner = {"system": "plain", "parameters": {"rate": 0.5}, "people": ["a"], "fold": 1}
    (tuned,) = passed_on(tuned=[winner])["tuned"]
    assert tuned.parameters == {"rate": 0.5} and tuned.fold == 1
    for option in ("--plain.rate", "--system.rate"):
        with pytest.raises(UsageError, match=f"{option} is what the sweep has chosen"):
            passed_on((f"{option}=1",), tuned=[winner])
    assert passed_on(("--plain.epochs=1",), tuned=[winner], out=Path("other"))["tuned"] == [tuned]


def test_the_first_process_tells(
    passed_on: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank, told in ((1, ""), (0, "| system |\nrows, figures and weights are in out-0\n")):
        monkeypatch.setattr("ferdis.training.distributed.rank_and_world_of_launch", lambda rank=rank: (rank, 2))
        passed_on(out=Path(f"out-{rank}"))
        assert capsys.readouterr().out == told
