"""Where fits run: here, in processes of this machine, or on a Ray cluster. A worker that dies loses nothing.

Results travel by file, so all that a worker gives back is how a job ended. What a worker had in hand when it died is
tried again, a bounded number of times; a job that is finished is never run again.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ferdis.evaluation.fit_and_score import Job, Outcome
from ferdis.run_folder import Task
from ferdis.training.memory import cheap_collections

BACKENDS = ("processes", "ray")
AUTO = "auto"
RETRIES = 2  # deaths of its worker that a job survives

Function = Callable[[Job], Outcome]


@dataclass(frozen=True)
class Workers:
    """Who does the fits.

    Attributes
    ----------
    n_jobs : processes of this machine; 1 fits in this very process. Ray decides itself.
    backend : "processes" or "ray".
    cpus_per_fold : processors that a fit reserves on a Ray cluster, and the threads it uses there.
    gpus_per_fold : GPUs of a fit, above 0 and at most 1: 0.5 has two fits share one. None leaves the choice of a GPU to
        the system, which takes the first.
    fold_batch : how many fits advance together in each of these processes (:mod:`ferdis.evaluation.fold_batches`), or
        "auto".

    Raises
    ------
    ValueError
        If these do not go together.
    """

    n_jobs: int = 1
    backend: str = "processes"
    cpus_per_fold: int = 1
    gpus_per_fold: float | None = None
    fold_batch: int | str = 1

    def __post_init__(self) -> None:
        if self.n_jobs < 1:
            raise ValueError(f"n_jobs={self.n_jobs} must be 1 or more")
        if self.backend not in BACKENDS:
            raise ValueError(f"backend={self.backend!r} is unknown: choose one of {', '.join(BACKENDS)}")
        if self.cpus_per_fold < 1:
            raise ValueError(f"cpus_per_fold={self.cpus_per_fold} must be 1 or more")
        if self.gpus_per_fold is not None and not 0 < self.gpus_per_fold <= 1:
            raise ValueError(
                f"gpus_per_fold={self.gpus_per_fold}: above 0 and at most 1; one fit on several GPUs is torchrun's"
            )
        if not (self.fold_batch == AUTO or (isinstance(self.fold_batch, int) and self.fold_batch >= 1)):
            raise ValueError(f"fold_batch={self.fold_batch!r}: how many folds train together, 1 or more, or {AUTO!r}")
        if self.backend == "ray" and self.fold_batch != 1:
            raise ValueError(
                f"fold_batch={self.fold_batch} with backend='ray', which sends each fold elsewhere: leave one"
            )
        if self.backend == "ray" and self.n_jobs != 1:
            raise ValueError(
                f"n_jobs={self.n_jobs} with backend='ray': the cluster runs as many fits as fit into it, by "
                "cpus_per_fold and gpus_per_fold"
            )

    def run(self, function: Function, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
        """Do ``function`` for each job; outcomes come as they end.

        Raises
        ------
        ClusterError
            If the Ray cluster cannot be reached, or goes away. What is finished stays.
        """
        if self.backend == "ray":
            from ferdis.evaluation.ray_workers import run_on_ray

            return run_on_ray(function, jobs, self.cpus_per_fold, self.gpus_per_fold)
        if self.n_jobs == 1 or len(jobs) <= 1:
            return _here(function, jobs)
        return _in_processes(function, jobs, self.n_jobs, self.gpus_per_fold)


class ClusterError(OSError):
    """A cluster cannot be reached, or went away; one line with the way out."""


def died(task: Task, times: int) -> Outcome:
    """The outcome of a job whose worker died too often."""
    return Outcome(task, f"its worker process died {times} times, most often for want of memory: give it more")


def _here(function: Function, jobs: Sequence[Job]) -> Generator[Outcome, None, None]:
    with cheap_collections() as collect:
        for job in jobs:
            yield function(job)
            collect()


def _in_processes(
    function: Function, jobs: Sequence[Job], n_jobs: int, gpus_per_fold: float | None
) -> Generator[Outcome, None, None]:
    """Jobs in ``n_jobs`` processes; after two deaths one at a time, which shows whose job it is that kills.

    joblib hands large arrays over by memory map, so nothing heavy is pickled.
    """
    threads = max(1, joblib.cpu_count() // n_jobs)
    left = {job.task: job for job in jobs}
    broken = 0  # pools
    deaths: Counter[Task] = Counter()
    slots = None if gpus_per_fold is None else (_slots_folder(), _device_slots(n_jobs, gpus_per_fold))
    worker = _Worker(function, threads, slots)
    while left:
        alone = broken >= RETRIES
        some = list(left.values())[: 1 if alone else None]
        try:
            # Two at least, even for a single job: with one, joblib would do it in this process, which is not to die.
            for outcome in _pool(worker, some, max(2, min(n_jobs, len(some)))):
                del left[outcome.task]
                yield outcome
        except TerminatedWorkerError:
            broken += 1
            deaths[some[0].task] += alone
            if deaths[some[0].task] > RETRIES:
                del left[some[0].task]
                yield died(some[0].task, RETRIES + 1)


def _pool(worker: _Worker, jobs: list[Job], n_jobs: int) -> Generator[Outcome, None, None]:
    pool = joblib.Parallel(
        n_jobs=n_jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=n_jobs,
        initializer=end_with, initargs=(os.getpid(),),
    )  # fmt: skip
    with _interrupts_ignored():  # what the workers inherit: Ctrl-C is for the main process, which ends them
        outcomes = pool([joblib.delayed(worker)(job) for job in jobs])
    try:
        yield from outcomes
    finally:
        with warnings.catch_warnings():  # whoever stops early means to cancel the rest
            warnings.simplefilter("ignore")
            outcomes.close()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class _Worker:
    """Does a job in a worker process: with its share of the cores and GPUs."""

    function: Function
    threads: int
    slots: tuple[str, tuple[str, ...]] | None  # a folder of locks, and the GPU that each stands for

    def __call__(self, job: Job) -> Outcome:
        prepare_worker(self.threads)
        if self.slots is not None:
            _take_device(*self.slots)
        return self.function(job)


def prepare_worker(threads: int) -> None:
    """Keep to some threads, and off the terminal: it and its one progress bar are the main process's."""
    if "torch" in sys.modules:  # where the estimator brought it; a new process also finds OMP_NUM_THREADS set so
        sys.modules["torch"].set_num_threads(threads)
    os.environ["TTY_COMPATIBLE"] = "0"  # rich's


def _device_slots(n_jobs: int, gpus_per_fold: float) -> tuple[str, ...]:
    """The GPU of each of ``n_jobs`` processes, as CUDA_VISIBLE_DEVICES names it."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    known = named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]
    each = int(1 / gpus_per_fold + 1e-9)
    if n_jobs > each * len(known):
        raise ValueError(
            f"n_jobs={n_jobs} at gpus_per_fold={gpus_per_fold:g} need {-(-n_jobs // each)} GPUs, and {len(known)} can "
            "be seen: ask for fewer processes, or a smaller share each"
        )
    return tuple(known * each)[:n_jobs]  # one fit on each GPU before any gets a second


@functools.cache
def _slots_folder() -> str:
    """One for this process and all its workers, which joblib keeps from one call to the next."""
    folder = tempfile.mkdtemp(prefix="ferdis-gpus-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_taken: list[filelock.BaseFileLock] = []  # held as long as this process lives, however it ends


def _take_device(folder: str, devices: Sequence[str]) -> None:
    """Claim one of the GPUs, once per process, before CUDA has looked at them."""
    while not _taken:
        for number, device in enumerate(devices):
            lock = filelock.FileLock(Path(folder) / f"{number}.lock")
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(timeout=0)
                _taken.append(lock)
                os.environ["CUDA_VISIBLE_DEVICES"] = device
                return
        time.sleep(0.2)  # a process that has just died may not be gone yet


_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def end_with(parent: int) -> None:
    """Have this process end when its parent does, whatever ended that: an orphan must not write beside a new run.

    On Linux the kernel sees to it; there and elsewhere a thread also looks, twice a second, who the parent is. A parent
    that was gone before this process came so far is noticed at once.

    Parameters
    ----------
    parent : process id of the parent, as the parent itself knows it.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="ferdis-parent", daemon=True).start()
