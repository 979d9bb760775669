"""Fits that advance together, without training: who says how far it is, who fails, and what "auto" times."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import joblib
import pytest
from sklearn.base import BaseEstimator

from ferdis.evaluation import fold_batches
from ferdis.evaluation.fit_and_score import Job, Outcome, fit_and_score
from ferdis.evaluation.fold_batches import JobBatch, run_fits
from ferdis.evaluation.workers import Workers, died
from ferdis.faces import Faces
from ferdis.run_folder import Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, make_faces

FACES = make_faces()


class Timed(BaseEstimator):
    """Says how it is fitted."""

    fits: list[tuple[Any, ...]]

    def __init__(self, seed: int = 0, progress: bool = True, logger: Any = "csv") -> None:
        self.seed = seed
        self.progress = progress
        self.logger = logger

    def fit(self, faces: Faces) -> Timed:
        self.fits.append((self.seed, self.progress, self.logger, set(faces.table["path"])))
        return self


def jobs(count: int, lines: bool = False) -> list[Job]:
    folds = PROTOCOL.split(FACES)
    return [
        job_of(Task(seed, 0, "timed"), Timed(), FACES, folds[0], parameters="same", lines=lines)
        for seed in range(count)
    ]


def test_one_fit_of_a_batch_says_how_far_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Job] = []

    def together(fits: list[Any]) -> Iterator[Any]:
        assert all(fit.func is fit_and_score for fit in fits)
        taken.extend(fit.args[0] for fit in fits)
        yield from ((number, Outcome(job.task)) for number, job in enumerate(taken))

    monkeypatch.setattr(fold_batches, "together", together)
    ended = list(fold_batches._fit_together(JobBatch(tuple(jobs(3, lines=True)))))
    assert [job.lines for job in taken] == [True, False, False]
    assert [outcome.task.seed for outcome in ended] == [0, 1, 2]
    taken.clear()
    list(fold_batches._fit_together(JobBatch(tuple(jobs(2)))))
    assert [job.lines for job in taken] == [False, False]


def test_every_fit_of_a_batch_whose_process_died_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def processes(self: Workers, function: Any, batches: list[JobBatch]) -> Iterator[Any]:
        assert function is fold_batches._fit_batch and [len(batch.jobs) for batch in batches] == [2, 2]
        yield died(batches[0].task, 3)
        yield fold_batches._Ended(batches[1].task, tuple(Outcome(job.task) for job in batches[1].jobs))

    monkeypatch.setattr(Workers, "run", processes)
    found = {outcome.task.seed: outcome.error for outcome in run_fits(jobs(4), Workers(2, fold_batch=2), False)}
    assert sorted(found) == [0, 1, 2, 3] and found[2] is None and found[3] is None
    assert found[0] == found[1] == "its worker process died 3 times, most often for want of memory: give it more"


@pytest.mark.parametrize(("tell", "says"), [(True, "measured\n"), (False, "")])
def test_what_was_measured_is_told_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tell: bool, says: str
) -> None:
    monkeypatch.setattr(fold_batches, "_choose", lambda some, workers: (1, "measured"))
    monkeypatch.setattr(Workers, "run", lambda self, function, some: (Outcome(job.task) for job in some))
    assert len(list(run_fits(jobs(2), Workers(fold_batch="auto"), tell))) == 2
    assert capsys.readouterr().err == says


@pytest.mark.parametrize(("n_jobs", "threads"), [(1, None), (3, 2), (12, 1)])
def test_steps_are_timed_with_a_processs_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, n_jobs: int, threads: int | None
) -> None:
    asked: list[int | None] = []

    @contextlib.contextmanager
    def with_threads(count: int | None) -> Iterator[None]:
        asked.append(count)
        yield

    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setattr(fold_batches, "with_threads", with_threads)
    monkeypatch.setattr(fold_batches, "together", lambda fits, watch: [])
    assert fold_batches._choose(jobs(2), Workers(n_jobs, fold_batch="auto"))[0] == 1 and asked == [threads]


def test_the_fits_that_are_timed_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timed, "fits", [], raising=False)
    job = jobs(4)[3]
    fold_batches._fit_quietly(job)
    assert Timed.fits == [(3, False, None, set(FACES.table["path"].to_numpy()[job.fold.train]))]
