"""Fits as tasks of a Ray cluster: each reserves its processors and GPUs, wherever in the cluster they are free.

The cluster is the one that ``RAY_ADDRESS`` names (``host:6379``, or ``auto`` on one of its nodes); without it a cluster
is started on this machine for as long as the run takes. The run folder, and files that faces or systems are read from,
must lie on a disk that all nodes share; faces in memory are sent to each node once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from ferdis.evaluation.fit_and_score import Job, Outcome
from ferdis.evaluation.workers import RETRIES, ClusterError, died, prepare_worker
from ferdis.run_folder import Task

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 10.0  # without a word from any fit, the cluster is asked whether it is there
ANSWER_SECONDS = 30.0  # and has so long to answer

_KEPT = "finished folds are kept, and the same command goes on from there"


def run_on_ray(
    function: Callable[[Job], Outcome], jobs: Sequence[Job], cpus_per_fold: int, gpus_per_fold: float | None
) -> Generator[Outcome, None, None]:
    """Do ``function`` for each job on the cluster; outcomes come as they end.

    Raises
    ------
    ValueError
        If Ray is not installed.
    ClusterError
        If the cluster cannot be reached, has not what a fit asks for, or goes away.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise ValueError("backend='ray' needs Ray: pip install 'ferdis[ray]'") from None
    with _connected(ray):
        _check_resources(ray, cpus_per_fold, gpus_per_fold)
        options = {"num_cpus": cpus_per_fold, "num_gpus": gpus_per_fold or 0, "max_retries": 0}
        task = ray.remote(_on_node).options(**options)
        send = _Sender(ray)
        settings = {name: os.environ[name] for name in ("FERDIS_CACHE",) if name in os.environ}

        def submit(job: Job) -> Any:
            light, heavy = send(job)
            return task.remote(function, light, heavy["faces"], heavy["estimator"], cpus_per_fold, settings)

        try:
            yield from _collect(ray, list(jobs), submit)
        except SystemExit:  # how Ray ends a process whose node has gone
            raise ClusterError(f"the Ray cluster went away: {_KEPT}") from None


def _collect(ray: Any, jobs: list[Job], submit: Callable[[Job], Any]) -> Generator[Outcome, None, None]:
    """Outcomes as they come; a job whose worker or node died is submitted again, a bounded number of times."""
    errors = ray.exceptions
    lost = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError,
            errors.LocalRayletDiedError, errors.RaySystemError)  # fmt: skip
    deaths: Counter[Task] = Counter()
    running = {submit(job): job for job in jobs}
    while running:
        done, _ = ray.wait(list(running), num_returns=1, timeout=SILENCE_SECONDS)
        if not done:
            _check_presence(ray)
        for reference in done:
            job = running.pop(reference)
            try:
                outcome = ray.get(reference)
            except lost:
                _check_presence(ray)
                deaths[job.task] += 1
                if deaths[job.task] <= RETRIES:
                    running[submit(job)] = job
                    continue
                outcome = died(job.task, deaths[job.task])
            except errors.RayError as error:
                line = str(error).strip().splitlines()[-1]
                raise ClusterError(
                    f"a Ray worker cannot do {job.task}: {line}; all nodes need the same ferdis"
                ) from None
            yield outcome


class _Sender:
    """Puts faces and estimators into the cluster's store, each once, so that jobs travel light."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._sent: dict[int, Any] = {}

    def __call__(self, job: Job) -> tuple[Job, dict[str, Any]]:
        heavy = {name: getattr(job, name) for name in ("faces", "estimator")}
        for value in heavy.values():
            if id(value) not in self._sent:
                self._sent[id(value)] = self._ray.put(value)
        folder = job.folder.absolute()
        folder.parent.mkdir(parents=True, exist_ok=True)  # where a node that shares the disk sees it
        light = dataclasses.replace(job, folder=folder, faces=None, estimator=None)  # type: ignore[arg-type]
        return light, {name: self._sent[id(value)] for name, value in heavy.items()}


def _on_node(
    function: Callable[[Job], Outcome], job: Job, faces: Any, estimator: Any, threads: int, settings: dict[str, str]
) -> Outcome:
    """One job, in a worker process of some node."""
    if not Path(job.folder).parent.is_dir():
        node = socket.gethostname()
        return Outcome(
            job.task, f"{job.folder.parent} is not there on {node}: put the run on a disk that all nodes share"
        )
    os.environ.update(settings)
    prepare_worker(threads)
    return function(dataclasses.replace(job, faces=faces, estimator=estimator))


@contextlib.contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Use the connection that is there, or one for the length of the block."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    _check_address(address)
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        line = str(error).strip().partition("\n")[0]
        raise ClusterError(f"the Ray cluster at {address} does not take us in: {line}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Knock, because Ray itself goes on trying for a quarter of an hour."""
    host, colon, port = address.rpartition("/")[2].rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at RAY_ADDRESS={address} ({error}): start it with ray start --head, correct the "
            "address, or unset RAY_ADDRESS to use this machine alone"
        ) from None


def _check_resources(ray: Any, cpus_per_fold: int, gpus_per_fold: float | None) -> None:
    """Refuse what no node has: Ray would wait for it for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for kind, wanted, argument in (
        ("CPU", cpus_per_fold, "cpus_per_fold"),
        ("GPU", gpus_per_fold or 0, "gpus_per_fold"),
    ):
        most = max((node.get(kind, 0) for node in nodes), default=0)
        if wanted > most:
            raise ClusterError(f"{argument}={wanted:g}, but no node of the Ray cluster has more than {most:g} {kind}s")


def _check_presence(ray: Any) -> None:
    """Raise if the cluster, or our own node of it, is gone. The question may never be answered, so a thread asks."""
    alive: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            here = ray.get_runtime_context().get_node_id()
            alive.append(any(node["Alive"] and node["NodeID"] == here for node in ray.nodes()))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if alive != [True]:
        raise ClusterError(f"the Ray cluster went away: {_KEPT}")
