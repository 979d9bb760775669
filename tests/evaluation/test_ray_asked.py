"""Fits as a Ray cluster is asked for them, without a cluster: what is sent, sent again, and refused."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ferdis.evaluation import ray_workers
from ferdis.evaluation.fit_and_score import Job, Outcome
from ferdis.evaluation.workers import ClusterError
from ferdis.faces import Faces
from ferdis.run_folder import Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean


class Died(Exception):
    """In the place of each of Ray's errors that say that a worker or node has gone."""


class NoCluster:
    """As much of Ray as sends jobs, in this process; the workers of some folds die so many times."""

    class _Answers(dict[int, Any]):
        def __missing__(self, fold: int) -> int:
            return 0

    def __init__(self, deaths: dict[int, int] | None = None, nodes: list[dict[str, Any]] | None = None) -> None:
        names = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError", "LocalRayletDiedError",
                 "RaySystemError")  # fmt: skip
        self.exceptions = SimpleNamespace(**dict.fromkeys(names, Died), RayError=Died)
        self.deaths = self._Answers(deaths or {})
        self.known = [{"Alive": True, "NodeID": "here", "Resources": {"CPU": 4, "GPU": 1}}] if nodes is None else nodes
        self.stored: list[Any] = []
        self.options: dict[str, Any] = {}
        self.sent: list[tuple[int, Any]] = []
        self.calls: list[str] = []
        self.there = False

    def put(self, value: Any) -> Any:
        self.stored.append(value)
        return value

    def remote(self, function: Any) -> Any:
        def options(**given: Any) -> Any:
            self.options = given
            return SimpleNamespace(remote=lambda *arguments: self.submitted(lambda: function(*arguments)))

        return SimpleNamespace(options=options)

    def submitted(self, what: Any) -> Any:
        self.sent.append((len(self.sent), what))
        return self.sent[-1]

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        outcome = reference[1]()
        if self.deaths[outcome.task.fold] > 0:
            self.deaths[outcome.task.fold] -= 1
            raise Died
        return outcome

    def nodes(self) -> list[dict[str, Any]]:
        return self.known

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def is_initialized(self) -> bool:
        return self.there

    def init(self, **_: Any) -> None:
        self.calls.append("init")

    def shutdown(self) -> None:
        self.calls.append("shutdown")


def jobs_in(folder: Path, faces: Faces, folds: int = 3) -> list[Job]:
    estimator = NearestMean()
    return [
        job_of(Task(0, fold, "mean"), estimator, faces, PROTOCOL.split(faces)[0], folder / f"fold-0{fold}" / "mean")
        for fold in range(folds)
    ]


def test_a_job_survives_two_deaths_of_its_own(faces: Faces, tmp_path: Path) -> None:
    ray = NoCluster({0: 2, 1: 3})
    found = ray_workers._collect(
        ray, jobs_in(tmp_path, faces), lambda job: ray.submitted(lambda: Outcome(job.task, shared_seconds=1.0))
    )
    said = {outcome.task.fold: outcome for outcome in found}
    assert sorted(said) == [0, 1, 2] and said[0].error is None and said[2].error is None
    assert str(said[1].error).startswith("its worker process died 3 times")
    assert len(ray.sent) == 3 + 3 + 1


def test_what_a_node_is_given(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    ray, seen = NoCluster(), []
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")

    def function(job: Job) -> Outcome:
        seen.append((job.task.fold, job.folder, job.faces is faces, type(job.estimator)))
        return Outcome(job.task)

    list(ray_workers.run_on_ray(function, jobs_in(Path("run"), faces), 3, 0.5))
    assert ray.options == {"num_cpus": 3, "num_gpus": 0.5, "max_retries": 0} and threads == [3, 3, 3]
    assert seen == [(fold, tmp_path / f"run/fold-0{fold}/mean", True, NearestMean) for fold in range(3)]
    assert [type(value) for value in ray.stored] == [Faces, NearestMean], "each once"
    assert ray.calls == ["init", "shutdown"]
    ray.there = True
    list(ray_workers.run_on_ray(function, jobs_in(Path("run"), faces, 1), 1, None))
    assert ray.options["num_gpus"] == 0 and ray.calls == ["init", "shutdown"], "a connection of others is left"


def test_jobs_travel_light(faces: Faces, tmp_path: Path) -> None:
    light, heavy = ray_workers._Sender(NoCluster())(jobs_in(tmp_path, faces)[0])
    assert light.faces is None and light.estimator is None and heavy["faces"] is faces


def test_a_node_reads_the_cache_of_who_asked(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERDIS_CACHE", "at/home")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    job = jobs_in(tmp_path, faces)[0]
    job.folder.parent.mkdir()
    given = {"FERDIS_CACHE": "on/a/shared/disk"}
    found = ray_workers._on_node(
        lambda job: Outcome(job.task, os.environ["FERDIS_CACHE"]), job, faces, NearestMean(), 1, given
    )
    assert found.error == "on/a/shared/disk"


def test_what_no_node_alone_has_is_refused() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2}},
        {"Alive": True, "Resources": {"CPU": 3, "GPU": 1}},
        {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}},
    ]
    ray = NoCluster(nodes=nodes)
    ray_workers._check_resources(ray, 3, 1)
    with pytest.raises(ClusterError, match="cpus_per_fold=4, but no node of the Ray cluster has more than 3 CPUs"):
        ray_workers._check_resources(ray, 4, None)
    with pytest.raises(ClusterError, match=r"gpus_per_fold=0\.5, but no node of the Ray cluster has more than 0 GPUs"):
        ray_workers._check_resources(NoCluster(nodes=nodes[:1]), 1, 0.5)


def test_only_an_address_with_a_port_is_knocked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    knocked: list[tuple[str, int]] = []
    monkeypatch.setattr(
        socket, "create_connection", lambda place, _: knocked.append(place) or SimpleNamespace(close=lambda: None)
    )
    for address in ("auto", "local", "ray://head:10001", "10.0.0.1:6379"):
        ray_workers._check_address(address)
    assert knocked == [("head", 10001), ("10.0.0.1", 6379)]
