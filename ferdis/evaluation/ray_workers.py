"""Fits as tasks of a Ray cluster: each reserves its processors and GPUs, wherever in the cluster they are free.

The cluster is the one that ``RAY_ADDRESS`` names (``host:6379``, or ``auto`` on one of its nodes); without it a cluster
is started on this machine for as long as the run takes. Ray itself tries a fit again whose worker or node has died. The
run folder, and files that faces or systems are read from, must lie on a disk that all nodes share; faces in memory are
sent to each node once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from ferdis.evaluation.fit_and_score import Job, Outcome
from ferdis.evaluation.workers import RETRIES, ClusterError, died, prepare_worker
from ferdis.messages import one_line
from ferdis.run_folder import Task

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 10.0  # without a word from any fit, the cluster is asked whether it is there
_GONE = "the Ray cluster went away: finished folds are kept, and the same command goes on from there"


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
    resources = {"num_cpus": cpus_per_fold, "num_gpus": gpus_per_fold or 0}
    with _connected(ray):
        _check_resources(ray, resources)
        task = ray.remote(_on_node).options(**resources, max_retries=RETRIES)
        settings = {name: os.environ[name] for name in ("FERDIS_CACHE",) if name in os.environ}
        large = {id(item): item for job in jobs for item in (job.faces, job.estimator)}
        stored = {key: ray.put(item) for key, item in large.items()}
        running = {}
        for job in jobs:
            job.folder.parent.mkdir(parents=True, exist_ok=True)  # where a node that shares the disk sees it
            light = dataclasses.replace(job, folder=job.folder.absolute(), faces=None, estimator=None)  # type: ignore[arg-type]
            arguments = (stored[id(job.faces)], stored[id(job.estimator)], cpus_per_fold, settings)
            running[task.remote(function, light, *arguments)] = job.task
        try:
            while running:
                done, _ = ray.wait(list(running), timeout=SILENCE_SECONDS)
                if not done:
                    _check_presence(ray)
                for reference in done:
                    yield _outcome(ray, reference, running.pop(reference))
        except SystemExit:  # how Ray ends a process whose node has gone
            raise ClusterError(_GONE) from None


def _outcome(ray: Any, reference: Any, task: Task) -> Outcome:
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError,
            errors.LocalRayletDiedError, errors.RaySystemError):  # fmt: skip
        _check_presence(ray)
        return died(task, RETRIES + 1)
    except errors.RayError as error:
        line = str(error).strip().splitlines()[-1]
        raise ClusterError(f"a Ray worker cannot do {task}: {line}; all nodes need the same ferdis") from None


def _on_node(
    function: Callable[[Job], Outcome], job: Job, faces: Any, estimator: Any, threads: int, settings: dict[str, str]
) -> Outcome:
    """One job, in a worker process of some node."""
    if not job.folder.parent.is_dir():
        where = f"{job.folder.parent} is not there on {socket.gethostname()}"
        return Outcome(job.task, f"{where}: put the run on a disk that all nodes share")
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
    if why := _silent(address):  # Ray itself goes on trying for a quarter of an hour
        raise ClusterError(
            f"no Ray cluster answers at RAY_ADDRESS={address} ({why}): start it with ray start --head, correct the "
            "address, or unset RAY_ADDRESS to use this machine alone"
        )
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        line = str(error).strip().partition("\n")[0]
        raise ClusterError(f"the Ray cluster at {address} does not take us in: {line}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _silent(address: str) -> str:
    """Why nobody answers at ``host:port``; empty if somebody does, and for an address without a port."""
    host, colon, port = address.rpartition("/")[2].rpartition(":")
    try:
        if colon:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return one_line(error)
    return ""


def _check_resources(ray: Any, wanted: dict[str, float]) -> None:
    """Refuse what no node has: Ray would wait for it for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for kind, (name, count) in zip(("CPU", "GPU"), wanted.items(), strict=True):
        most = max((node.get(kind, 0) for node in nodes), default=0)
        if count > most:
            argument = f"{name.removeprefix('num_')}_per_fold={count:g}"
            raise ClusterError(f"{argument}, but no node of the Ray cluster has more than {most:g} {kind}s")


def _check_presence(ray: Any) -> None:
    """Raise if the cluster, or our own node of it, is gone."""
    here = ray.get_runtime_context()
    if _silent(here.gcs_address) or not any(n["Alive"] and n["NodeID"] == here.get_node_id() for n in ray.nodes()):
        raise ClusterError(_GONE)
