"""Workers without their processes: who is tried again, who is blamed, and what a worker has to itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import joblib
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ferdis.evaluation import workers
from ferdis.evaluation.fit_and_score import Outcome
from ferdis.evaluation.workers import Workers
from ferdis.run_folder import Task

JOBS: list[Any] = [SimpleNamespace(task=Task(0, fold, "mean")) for fold in range(4)]


def ended(job: Any) -> Outcome:
    return Outcome(job.task)


class Pool:
    """In the place of a pool of processes: jobs end in their order, and one of them kills whoever does it."""

    def __init__(self, deadly: int | None = None) -> None:
        self.deadly = deadly
        self.asked: list[list[int]] = []
        self.processes: list[int] = []
        self.workers: list[Any] = []

    def __call__(self, worker: Any, jobs: list[Any], n_jobs: int) -> Iterator[Outcome]:
        assert len(self.asked) < 10, "it goes on for ever"
        self.asked.append([job.task.fold for job in jobs])
        self.processes.append(n_jobs)
        self.workers.append(worker)
        for job in jobs:
            if job.task.fold == self.deadly:
                raise TerminatedWorkerError("killed")
            yield Outcome(job.task)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(workers, "_pool", made)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    return made


def test_after_two_deaths_one_at_a_time_shows_whose_job_it_is(pool: Pool) -> None:
    pool.deadly = 1
    outcomes = list(Workers(n_jobs=3).run(ended, JOBS))
    assert pool.asked == [[0, 1, 2, 3], [1, 2, 3], [1], [1], [1], [2], [3]]
    assert pool.processes == [3, 3, 2, 2, 2, 2, 2], "never in this very process"
    assert [outcome.task.fold for outcome in outcomes] == [0, 1, 2, 3]
    assert [outcome.error for outcome in outcomes] == [
        None, "its worker process died 3 times, most often for want of memory: give it more", None, None
    ]  # fmt: skip


@pytest.mark.parametrize(("n_jobs", "threads"), [(3, 2), (12, 1)])
def test_processes_share_the_cores(pool: Pool, n_jobs: int, threads: int) -> None:
    list(Workers(n_jobs=n_jobs).run(ended, JOBS))
    assert [(worker.threads, worker.slots) for worker in pool.workers] == [(threads, None)]


def test_processes_share_the_gpus(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    list(Workers(n_jobs=3, gpus_per_fold=0.5).run(ended, JOBS))
    assert [worker.slots[1] for worker in pool.workers] == [("4", "6", "4")]
    list(Workers(n_jobs=2, gpus_per_fold=1).run(ended, JOBS))
    assert pool.workers[1].slots[1] == ("4", "6")


def test_a_single_job_needs_no_process(pool: Pool) -> None:
    assert [outcome.task.fold for outcome in Workers(n_jobs=3).run(ended, JOBS[2:3])] == [2] and not pool.asked


def test_ray_is_told_of_processors_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("ferdis.evaluation.ray_workers.run_on_ray", lambda *given: asked.append(given))
    Workers(backend="ray", cpus_per_fold=3, gpus_per_fold=0.5).run(ended, JOBS)
    assert asked == [(ended, JOBS, 3, 0.5)]


def test_a_worker_keeps_to_its_threads_and_off_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    workers.prepare_worker(5)
    assert threads == [5] and os.environ["TTY_COMPATIBLE"] == "0"


def test_a_process_takes_the_first_gpu_that_is_free_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    held: list[list[filelock.BaseFileLock]] = []
    for device in ("4", "6"):  # a process each
        held.append([])
        monkeypatch.setattr(workers, "_taken", held[-1])
        for _ in range(2):
            workers._take_device(str(tmp_path), ("4", "6"))
            assert os.environ["CUDA_VISIBLE_DEVICES"] == device and len(held[-1]) == 1
    for lock in (lock for locks in held for lock in locks):
        lock.release()


def test_ctrl_c_is_ignored_only_while_workers_start() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # one that is run in the background has none
    try:
        with workers._interrupts_ignored():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
