"""Folds that train together: the rows, files and failures of a run whose folds train one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ferdis import run_folder
from ferdis.evaluation import fit_and_score, fold_batches
from ferdis.evaluation.fold_batches import batches_of
from ferdis.evaluation.runner import EvaluationError, evaluate
from ferdis.evaluation.workers import Workers
from ferdis.protocol import SubjectKFold
from ferdis.training import fused
from tests.evaluation.runner_fakes import NearestMean, make_faces
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

pytestmark = [pytest.mark.usefixtures("quick"), pytest.mark.timeout(180)]

DATA = faces(40)
FOLDS = SubjectKFold(4)
PLAIN: dict[str, Any] = {"accelerator": "cpu", "precision": "32-true"}


def cnn(**changes: Any) -> Any:
    return build("cnn", **{"epochs": 3, **PLAIN, **changes})


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many folds each fused call was for."""
    seen: list[int] = []
    real = fused._at_once
    monkeypatch.setattr(fused, "_at_once", lambda group, *a, **k: seen.append(len(group)) or real(group, *a, **k))
    return seen


@pytest.fixture(scope="module")
def apart() -> pd.DataFrame:
    return evaluate({"cnn": cnn(), "short": cnn(epochs=1)}, DATA, FOLDS, seeds=(0, 1), progress=False).rows


def assert_same_rows(one: pd.DataFrame, other: pd.DataFrame) -> None:
    numbers = [name for name in one if name.startswith("p_")]
    words = [name for name in one if name not in (*numbers, "commit")]
    pd.testing.assert_frame_equal(one[words], other[words])
    np.testing.assert_allclose(one[numbers], other[numbers], atol=1e-4)


def test_the_rows_are_those_of_folds_apart(apart: pd.DataFrame, tmp_path: Path, counts: list[int]) -> None:
    out = tmp_path / "run"
    systems = {"cnn": cnn(), "short": cnn(epochs=1)}
    found = evaluate(systems, DATA, FOLDS, seeds=(0, 1), fold_batch=4, out=out, progress=False)
    assert_same_rows(apart, found.rows)
    assert max(counts) == 4, "folds and seeds of one system, in two batches of four"
    assert "Folds were trained 4 at a time, in fused steps (fold_batch)." in (out / "summary.md").read_text()
    assert "fold_batch" not in (out / "config.yaml").read_text() + (out / "resolved.json").read_text()
    fold = next(fold for fold in FOLDS.split(DATA) if fold.index == 1)
    again = type(cnn()).load(next(path for path in out.rglob("fold-01/cnn") if "seed-1" in str(path)))
    rows = found.rows.query("system == 'cnn' and seed == 1 and fold == 1").filter(like="p_")
    np.testing.assert_allclose(again.predict_proba(DATA[fold.test]), rows, atol=1e-6)
    seconds = [run_folder.read_fit(path.parent)["fit_seconds"] for path in out.rglob("done.json")]
    assert len(seconds) == 16 and all(number > 0 for number in seconds)


def test_a_run_goes_on_with_another_number(apart: pd.DataFrame, tmp_path: Path, counts: list[int]) -> None:
    systems = {"cnn": cnn(), "short": cnn(epochs=1)}
    for number, size in ((0, 1), (1, 3)):
        evaluate(systems, DATA, FOLDS, seeds=(0, 1), fold_batch=size, out=tmp_path, only_folds=[number], progress=False)
    found = evaluate(systems, DATA, FOLDS, seeds=(0, 1), fold_batch=8, out=tmp_path, progress=False)
    assert_same_rows(apart, found.rows)
    assert set(counts) >= {2, 4}


def test_a_fold_that_fails_is_named_and_the_others_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fit_and_score.fit

    def broken(job: Any) -> Any:
        if job.task.fold == 2:
            raise ValueError("cannot do this one")
        return real(job)

    monkeypatch.setattr(fit_and_score, "fit", broken)
    with pytest.raises(EvaluationError, match=r"1 of 4 fits failed \(.*cannot do this one"):
        evaluate(cnn(), DATA, FOLDS, fold_batch=4, out=tmp_path, progress=False)
    assert len(list(tmp_path.rglob("done.json"))) == 3


def test_estimators_that_know_nothing_of_steps(tmp_path: Path) -> None:
    data, folds = make_faces(), SubjectKFold(3)
    alone = evaluate(NearestMean(), data, folds, progress=False).rows
    pd.testing.assert_frame_equal(evaluate(NearestMean(), data, folds, fold_batch=3, progress=False).rows, alone)
    auto = evaluate(NearestMean(), data, folds, fold_batch="auto", progress=False).rows
    pd.testing.assert_frame_equal(auto, alone)


@pytest.mark.slow
def test_batches_in_processes(apart: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    systems = {"cnn": cnn(), "short": cnn(epochs=1)}
    found = evaluate(systems, DATA, FOLDS, seeds=(0, 1), fold_batch=4, n_jobs=2, progress=True)
    assert_same_rows(apart, found.rows)
    assert "16/16" in capsys.readouterr().err


class TestAuto:
    @pytest.fixture(params=[(0.2, 0.5), (0.5, 0.2)], ids=["fused is faster", "apart is faster"])
    def timed(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[float, float]]:
        def measured(functions: Any, watch: Any) -> list[Any]:
            assert len(functions) == 4
            watch.seconds = {True: [9.0, request.param[0], 0.0], False: [request.param[1]]}
            return []

        real = fused.together
        monkeypatch.setattr(
            fold_batches, "together", lambda fits, *watch: measured(fits, *watch) if watch else real(fits)
        )
        yield request.param

    def test_the_faster_way_is_taken_and_told(
        self, timed: tuple[float, float], counts: list[int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        evaluate(cnn(epochs=1), DATA, FOLDS, fold_batch="auto", progress=True)
        told = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("fold_batch: "))
        assert f"a step of 4 folds of cnn takes {timed[0]} s fused, {timed[1]} s apart" in told.replace("baseline", "")
        assert ("they train together, in 40%" in told) == bool(counts) == (timed[0] < timed[1])

    def test_it_is_measured(self, capsys: pytest.CaptureFixture[str]) -> None:
        jobs = fold_batches_jobs(cnn(epochs=500))
        size, told = fold_batches._choose(jobs, Workers(fold_batch="auto"))
        fused_step, apart_step = map(float, re.findall(r"([\d.e-]+) s (?:fused|apart)", told))
        assert (size > 1) == (fused_step < apart_step) and min(fused_step, apart_step) > 1e-4

    def test_what_ends_at_once_or_fails_is_left_apart(self) -> None:
        assert fold_batches._choose(fold_batches_jobs(cnn(epochs=1)), Workers())[0] == 1
        size, told = fold_batches._choose(fold_batches_jobs(cnn(crop_size=33)), Workers())
        assert size == 1 and told.startswith("fold_batch: nothing to time (crop_size=33")
        assert fold_batches._choose(fold_batches_jobs(cnn())[:1], Workers()) == (1, "")


def fold_batches_jobs(estimator: Any) -> list[Any]:
    """The jobs that evaluate would make."""
    from ferdis.evaluation.fit_and_score import Job
    from ferdis.run_folder import Task

    return [
        Job(Task(0, fold.index, "cnn"), Path("none"), estimator, DATA, fold, "faces", "last", False, "same", "commit")
        for fold in FOLDS.split(DATA)
    ]


def test_batches_are_of_one_system_and_about_as_large() -> None:
    from dataclasses import replace

    jobs = fold_batches_jobs(cnn()) * 3
    others = [replace(job, parameters="others") for job in jobs[:2]]
    sizes = [[len(batch.jobs), {job.parameters for job in batch.jobs}] for batch in batches_of([*others, *jobs], 10)]
    assert sizes == [[2, {"others"}], [6, {"same"}], [6, {"same"}]]
    assert [len(batch.jobs) for batch in batches_of(jobs, 5)] == [4, 4, 4]


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: list[int]) -> None:
    from ferdis.cli import main

    line = "kfold --system cnn --preset small --dataset.people 4 --dataset.images_per_expression 1 --folds 2"
    line += " --protocol.validation_folds 0 --fold-batch 2 --cnn.epochs 1 --cnn.min_steps 0 --cnn.weights null"
    assert not main([*line.split(), "--out", str(tmp_path / "run")])
    assert 2 in counts
    assert "fold_batch" not in yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
