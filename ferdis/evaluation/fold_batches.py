"""Fits that advance together: the folds, seeds and partitions of one system in fused steps.

What a fit writes, where it resumes and what it measures is as for one that runs by itself; its rows differ by rounding
alone (:mod:`ferdis.training.fused`). Small networks leave most of an accelerator idle, and several of them less of it.
A processor they do not leave idle: there it is several processes (``n_jobs``) that pay.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import joblib

from ferdis.evaluation.fit_and_score import Job, Outcome, fit_and_score, seeded_clone
from ferdis.evaluation.runtime_estimate import with_threads
from ferdis.evaluation.workers import Workers
from ferdis.messages import one_line
from ferdis.run_folder import Task
from ferdis.training.fused import Watch, together
from ferdis.training.memory import cheap_collections

_MOST = 10  # fits that "auto" has advance together


@dataclass(frozen=True)
class JobBatch:
    """Fits of one system that advance together."""

    jobs: tuple[Job, ...]

    @property
    def task(self) -> Task:
        """Names it."""
        return self.jobs[0].task


@dataclass(frozen=True)
class _Ended:
    """How a batch ended that another process had."""

    task: Task
    outcomes: tuple[Outcome, ...]


def run_fits(jobs: Sequence[Job], workers: Workers, tell: bool) -> Generator[Outcome, None, None]:
    """Fit and score, as many at a time and together as ``workers`` say; outcomes come as they end.

    Parameters
    ----------
    tell : print what ``fold_batch="auto"`` has measured, and chosen.
    """
    size = workers.fold_batch
    if not isinstance(size, int):
        for some in _of_one_kind(jobs):
            size, line = _choose(some, workers)
            if tell and line:
                print(line, file=sys.stderr, flush=True)
            yield from run_fits(some, replace(workers, fold_batch=size), tell)
        return
    if size == 1:
        yield from workers.run(fit_and_score, jobs)
        return
    batches = batches_of(jobs, size)
    if workers.n_jobs == 1 or len(batches) == 1:
        with cheap_collections() as collect:
            for batch in batches:
                yield from _fit_together(batch)
                collect()
        return
    known = {batch.task: batch for batch in batches}
    for ended in workers.run(_fit_batch, batches):  # type: ignore[arg-type]  # a batch has a task, as a job has
        if isinstance(ended, _Ended):
            yield from ended.outcomes
        else:  # its process died
            yield from (replace(ended, task=job.task) for job in known[ended.task].jobs)


def batches_of(jobs: Iterable[Job], size: int) -> list[JobBatch]:
    """Jobs of one system with the same arguments, in their order, at most ``size`` and about as many in each."""
    found = []
    for some in _of_one_kind(jobs):
        count = -(-len(some) // size)
        cuts = [len(some) * number // count for number in range(count + 1)]
        found += [JobBatch(tuple(some[cuts[number] : cuts[number + 1]])) for number in range(count)]
    return found


def _of_one_kind(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs of each system with each set of arguments."""

    def kind(job: Job) -> tuple[str, str]:
        return job.task.system, job.parameters

    return [list(some) for _, some in groupby(sorted(jobs, key=kind), kind)]


def _fit_together(batch: JobBatch) -> Generator[Outcome, None, None]:
    if len(batch.jobs) == 1:
        yield fit_and_score(batch.jobs[0])
        return
    jobs = [replace(job, lines=job.lines and job is batch.jobs[0]) for job in batch.jobs]  # one line tells of all
    with contextlib.closing(together([partial(fit_and_score, job) for job in jobs])) as outcomes:
        yield from (outcome for _, outcome in outcomes)


def _fit_batch(batch: JobBatch) -> _Ended:
    return _Ended(batch.task, tuple(_fit_together(batch)))


def _choose(jobs: Sequence[Job], workers: Workers) -> tuple[int, str]:
    """How many fits of one kind advance together, and why: a few steps of the first batch are timed in either way."""
    batch = batches_of(jobs, _MOST)[0]
    if len(batch.jobs) == 1:
        return 1, ""
    count, watch = len(batch.jobs), Watch()
    with with_threads(max(1, joblib.cpu_count() // workers.n_jobs) if workers.n_jobs > 1 else None):
        try:
            for _ in together([partial(_fit_quietly, job) for job in batch.jobs], watch):
                pass
        except Exception as error:  # which the fit will meet, and tell
            return 1, f"fold_batch: nothing to time ({one_line(error)}), each fold trains by itself"
    if not all(watch.seconds.values()):
        return 1, "fold_batch: too few steps to time, each fold trains by itself"
    fused, apart = (statistics.median(watch.seconds[kind]) for kind in (True, False))
    told = f"fold_batch: a step of {count} folds of {batch.task.system} takes {fused:.3g} s fused, {apart:.3g} s apart"
    if fused < apart:
        return _MOST, f"{told}: they train together, in {fused / apart:.0%} of the time above"
    return 1, f"{told}: each trains by itself, {workers.n_jobs} at a time"


def _fit_quietly(job: Job) -> None:
    """A fit that leaves nothing behind."""
    estimator = seeded_clone(job.estimator, job.task.seed)
    quiet = {name: value for name, value in (("progress", False), ("logger", None)) if name in estimator.get_params()}
    estimator.set_params(**quiet).fit(job.faces[job.fold.train])
