"""What evaluate() hands on: to the audit, the records, the estimate, the bar, and to whoever reads of a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from ferdis.evaluation import runner
from ferdis.evaluation.fit_and_score import Job, Outcome
from ferdis.evaluation.runner import EvaluationError, evaluate
from ferdis.evaluation.tuned_parameters import TunedParameters
from ferdis.evaluation.workers import Workers
from ferdis.faces import Faces
from ferdis.protocol import Fold, SubjectKFold
from ferdis.run_folder import RunFolder, Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Plain

pytestmark = pytest.mark.usefixtures("quick")


# ---------------------------------------------------------------- what was asked for


def test_a_system_says_what_is_wrong_with_it_before_anything_runs(faces: Faces, tmp_path: Path) -> None:
    class Checks(Plain):
        def check(self) -> None:
            raise ValueError("no weights anywhere")

    with pytest.raises(ValueError, match="no weights anywhere"):
        evaluate(Checks(), faces, PROTOCOL, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_the_record_says_what_was_run(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "departures_of", lambda protocol, faces: ["9 people, not 118"])
    systems = {"short": NearestMean(epochs=1), "long": NearestMean(epochs=2)}
    rows = evaluate(
        systems, faces, PROTOCOL, out=tmp_path, dataset="mine", arguments={"dataset": {"root": "here"}}, progress=False
    ).rows
    record = json.loads((tmp_path / "resolved.json").read_text())
    assert record["faces"]["people"] == 9 and record["faces"]["images"] == 54 and record["dataset"] == "mine"
    assert record["protocol"]["departures"] == ["9 people, not 118"]
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {"dataset": {"root": "here"}}
    assert set(rows["dataset"]) == {"mine"} and rows.groupby("parameters")["system"].nunique().tolist() == [1, 1]


def test_partitions_are_further_trainings(faces: Faces) -> None:
    rows = evaluate(Plain(), faces, SubjectKFold(3), partitions=2, seeds=(0, 1), progress=False).rows
    assert rows.groupby("seed").size().to_dict() == {0: 54, 1: 54, 2: 54, 3: 54}


def test_name_spaces_of_winners_are_let_pass_where_overlap_is_allowed(faces: Faces) -> None:
    renamed = faces.with_table(faces.to_frame().assign(subject=[f"bu3d/{name[2:]}" for name in faces.subject]))
    winner = TunedParameters("plain", {}, ("0" * 12,), ("bu4d",))
    found = evaluate(Plain(), renamed, PROTOCOL, tuned=[winner], allow_overlap=True, progress=False)
    assert len(found.rows) == 54


@pytest.mark.parametrize("wanted", [True, False])
def test_stress_is_for_those_who_ask(faces: Faces, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    asked: list[int] = []
    monkeypatch.setattr(runner, "stress_all", lambda run, jobs, **_: asked.append(len(jobs)))
    evaluate(Plain(), faces, PROTOCOL, stress=wanted, progress=False)
    assert asked == ([3] if wanted else [])


def test_as_many_protocols_as_seeds(faces: Faces) -> None:
    with pytest.raises(ValueError, match="2 protocols for 3 seeds: give one protocol, or one a seed"):
        evaluate(Plain(), faces, [PROTOCOL, PROTOCOL], seeds=(0, 1, 2), progress=False)


def test_leaks_that_are_let_pass_are_counted_one_by_one(faces: Faces) -> None:
    """Two people of the test part also train."""
    fold = PROTOCOL.split(faces)[0]
    first, second = sorted(set(faces.subject[fold.test]))[:2]
    moved = [next(row for row in fold.test if faces.subject[row] == person) for person in (first, second)]
    leaking = Fold(0, np.append(fold.train, moved), fold.validation, np.setdiff1d(fold.test, moved))
    options = {"near_duplicates": False, "threshold": 0.97, "allow_overlap": True}
    _, found = runner._audit({}, faces, {0: [leaking]}, options, False, of_others=True)
    assert found["leaks"] == 2


def test_a_finished_fold_may_be_in_anothers_hands(faces: Faces, tmp_path: Path) -> None:
    evaluate(Plain(), faces, PROTOCOL, out=tmp_path, only_folds=[0], progress=False)
    with RunFolder(tmp_path).fits_locked([Task(0, 0, "plain")]):
        assert len(evaluate(Plain(), faces, PROTOCOL, out=tmp_path, progress=False).rows) == 54


@pytest.mark.parametrize(
    ("system", "together"), [({}, False), ({"devices": 1}, False), ({"devices": "1"}, False), ({"devices": 2}, True)]
)
def test_several_devices_train_a_fold_together(system: dict[str, Any], together: bool) -> None:
    assert runner._together([SimpleNamespace(), SimpleNamespace(**system)]) is together


# ---------------------------------------------------------------- running


class NoBar:
    """Notes what the bar is told."""

    def __init__(self, what: str, total: int, done: int, shown: bool, each: bool) -> None:
        self.about, self.apart, self.steps = (what, total, done, shown, each), 0.0, list[str]()

    def __enter__(self) -> NoBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, name: str) -> None:
        self.steps.append(name)


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[NoBar]:
    """The bars that were made."""
    made: list[NoBar] = []
    monkeypatch.setattr(runner, "Bar", lambda *about, **more: made.append(NoBar(*about, **more)) or made[-1])
    return made


def run_all(
    outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch, faces: Faces, *, progress: bool = False
) -> list[tuple[Any, ...]]:
    """Run four fits, of which that of fold 0 is finished; gives what the estimate was asked for."""
    fold = PROTOCOL.split(faces)[0]
    jobs = [job_of(Task(0, number, "a"), Plain(), faces, fold) for number in range(4)]

    def run_fits(pending: list[Job], workers: Workers, tell: bool) -> Iterator[Outcome]:
        assert [item.task.fold for item in pending] == [1, 2, 3] and tell is progress
        yield from outcomes

    estimates: list[tuple[Any, ...]] = []
    monkeypatch.setattr(runner, "run_fits", run_fits)
    monkeypatch.setattr(runner, "tell_estimate", lambda some, n_jobs: estimates.append((len(some), n_jobs)))
    run: Any = SimpleNamespace(root=Path("run"), is_done=lambda task: task.fold == 0)
    runner._run_all(run, jobs, Workers(n_jobs=3), progress)
    return estimates


@pytest.mark.parametrize("progress", [True, False])
def test_only_what_is_ahead_is_estimated(
    faces: Faces, bars: list[NoBar], monkeypatch: pytest.MonkeyPatch, progress: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = run_all([Outcome(Task(0, 2, "a"))], monkeypatch, faces, progress=progress)
    assert asked == [(3, 3)] * progress
    assert bars[0].about == ("fits", 4, 1, progress, True) and bars[0].steps == ["a, fold 2, seed 0"]
    assert capsys.readouterr().err.startswith("validation: ") is progress


def test_seconds_that_folds_share_are_taken_once_for_each_system(
    faces: Faces, bars: list[NoBar], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = (("a", 1, 5.0), ("a", 2, 7.0), ("b", 1, 2.0), ("a", 3, 0.0))
    run_all([Outcome(Task(0, fold, name), shared_seconds=some) for name, fold, some in seconds], monkeypatch, faces)
    assert bars[0].apart == 9.0


def test_failures_are_named_in_the_order_of_the_folds(
    faces: Faces, bars: list[NoBar], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = [Outcome(Task(0, fold, "a"), f"broken {fold}") for fold in (3, 1)]
    with pytest.raises(EvaluationError) as error:
        run_all([*failed, Outcome(Task(0, 2, "a"))], monkeypatch, faces)
    assert str(error.value).startswith(
        "2 of 4 fits failed (a, fold 1, seed 0: broken 1; a, fold 3, seed 0: broken 3); the other 2 are finished"
    )
    assert bars[0].steps == ["a, fold 3, seed 0 FAILED", "a, fold 1, seed 0 FAILED", "a, fold 2, seed 0"]
