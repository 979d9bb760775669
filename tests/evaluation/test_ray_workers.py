"""Fits on a Ray cluster of two nodes on this machine: where they run, and what is lost when parts of it die."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferdis.evaluation import ray_workers, workers
from ferdis.evaluation.runner import EvaluationError, evaluate
from ferdis.evaluation.workers import ClusterError
from ferdis.faces import Faces
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Placed

pytestmark = pytest.mark.usefixtures("quick")

# Before Ray is imported: the loopback address is what it is, and nobody is told of this.
LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one processor and one (pretended) GPU each; RAY_ADDRESS names them."""
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'ferdis[ray]'")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, **NODE})
    made.add_node(num_cpus=1, num_gpus=1, **NODE)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made
    made.shutdown()


@pytest.mark.slow
def test_two_nodes_do_what_one_process_does(faces: Faces, tmp_path: Path, cluster: Any) -> None:
    diary, out = tmp_path / "diary", tmp_path / "run"
    systems = {"mean": NearestMean(die_once=str(tmp_path / "died")), "bad": Placed(die_without="t/004")}
    with pytest.raises(EvaluationError) as error:
        evaluate(systems, faces, PROTOCOL, out=out, backend="ray", gpus_per_fold=0.5, progress=False)
    assert (tmp_path / "died").exists(), "and the fit of that worker was done again"
    message = str(error.value)
    assert "2 of 6 fits failed" in message and message.count("its worker process died 3 times") == 2
    assert len(list(out.rglob("mean/done.json"))) == 3 and len(list(out.rglob("bad/done.json"))) == 1

    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("done.json")}
    with pytest.MonkeyPatch.context() as mended:  # in this process, which does the rest
        mended.setattr(Placed, "fit", NearestMean.fit)
        evaluate(systems, faces, PROTOCOL, out=out, progress=False)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "a finished fold was run again"

    placed = {"placed": Placed(diary=str(diary))}
    rows = evaluate(placed, faces, PROTOCOL, seeds=(0, 1), backend="ray", gpus_per_fold=0.5, progress=False).rows
    here = evaluate({"placed": Placed()}, faces, PROTOCOL, seeds=(0, 1), progress=False).rows
    columns = ["seed", "fold", "path", "predicted", "p_anger"]
    assert rows[columns].equals(here[columns])
    lines = [line for line in diary.read_text().splitlines() if line.startswith("placed")]
    assert {line.split(" on ")[1] for line in lines} == {"0"}, "Ray named the GPU of the node"
    with pytest.raises(ClusterError, match="cpus_per_fold=64, but no node of the Ray cluster has more than 1 CPUs"):
        evaluate(placed, faces, PROTOCOL, backend="ray", cpus_per_fold=64, progress=False)


RUN = """
import sys
from ferdis.cli import main, VERBS
from ferdis.evaluation.runner import evaluate
from tests.evaluation import runner_fakes
def run(argv):
    evaluate(runner_fakes.NearestMean(epochs=1, diary=argv[1], wait=float(argv[2])), runner_fakes.make_faces(),
             runner_fakes.PROTOCOL, seeds=(0, 1), out=argv[0], backend="ray", progress=False)
VERBS["fake"] = run
sys.exit(main(["fake", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_one_line_and_loses_nothing(faces: Faces, tmp_path: Path, cluster: Any) -> None:
    out, diary = tmp_path / "run", tmp_path / "diary"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, str(out), str(diary), "4"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 150
    while not list(out.rglob("done.json")):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.05)
    for node in (cluster.head_node, *cluster.worker_nodes):
        node.kill_raylet()
    cluster.head_node.kill_gcs_server()
    _, said = process.communicate(timeout=150)
    assert process.returncode == 2, said
    errors = [line for line in said.splitlines() if line.startswith("ferdis: error:")]
    assert len(errors) == 1 and "the Ray cluster went away: finished folds are kept" in errors[0], said
    assert "Traceback" not in said
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("done.json")}
    assert 1 <= len(finished) < 6
    system = NearestMean(epochs=1, diary=str(diary), wait=4.0)
    rows = evaluate(system, faces, PROTOCOL, seeds=(0, 1), out=out, only_folds=[0], progress=False).rows
    assert len(rows) and {path: path.stat().st_mtime_ns for path in finished} == finished


def test_an_address_where_no_cluster_is(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'ferdis[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at RAY_ADDRESS=127\.0\.0\.1:1") as error:
        evaluate(NearestMean(), faces, PROTOCOL, backend="ray", progress=False)
    assert "\n" not in str(error.value) and "unset RAY_ADDRESS" in str(error.value)


def test_without_ray_the_way_out_is_named(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"backend='ray' needs Ray: pip install 'ferdis\[ray\]'"):
        evaluate(NearestMean(), faces, PROTOCOL, backend="ray", progress=False)


def test_a_run_folder_that_a_node_does_not_see(faces: Faces, tmp_path: Path) -> None:
    from ferdis.evaluation.fit_and_score import fit_and_score
    from ferdis.run_folder import Task

    folder = tmp_path / "elsewhere" / "fold-00" / "mean"
    job = job_of(Task(0, 0, "mean"), None, faces, PROTOCOL.split(faces)[0], folder)
    outcome = ray_workers._on_node(fit_and_score, job, faces, NearestMean(), 1, {})
    assert "put the run on a disk that all nodes share" in str(outcome.error)
    assert workers.RETRIES >= 1
