"""``ferdis kfold`` with two processes a fold, started by torchrun, by srun, or by Fabric itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from ferdis.training.distributed import devices_and_nodes, rank_and_world_of_launch

KFOLD = [
    "kfold", "--system", "cnn", "--preset", "small", "--cnn.image_size=36", "--cnn.crop_size=32", "--cnn.epochs=1",
    "--cnn.encoder_channels=[4,4,4,4,4]", "--cnn.accelerator=cpu", "--cnn.precision=32-true", "--dataset.people=4",
    "--dataset.images_per_expression=1", "--dataset.image_size=36", "--dataset.expressions", "anger", "happiness",
    "--folds=2", "--protocol.validation_folds=0", "--near_duplicates=false", "--out",
]  # fmt: skip

gloo = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="torch was built without gloo, the backend of distributed training on CPUs",
)


def environment(cache: Path, **changes: str) -> dict[str, str]:
    known = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]), **changes}
    return {**known, "FERDIS_CACHE": str(cache)}


def check(out: Path) -> None:
    """The run is whole."""
    rows = pd.read_csv(out / "rows.csv")
    assert len(rows) == 8 and rows["path"].is_unique and (out / "summary.md").exists()
    assert pd.read_csv(out / "history.csv")["fold"].nunique() == 2
    assert len(list(out.rglob("done.json"))) == 2


@gloo
@pytest.mark.slow
def test_torchrun(tmp_path: Path) -> None:
    out = tmp_path / "run"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    command = [sys.executable, *launch, "--rdzv-endpoint=127.0.0.1:0", "-m", "ferdis", *KFOLD, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("| cnn |") == 1, "the first process alone tells"
    check(out)


@gloo
@pytest.mark.slow
def test_srun(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    slurm = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "kfold", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2",
             "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1",
             "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
    command = [sys.executable, "-m", "ferdis", *KFOLD, str(tmp_path / "run")]
    tasks = []
    for rank in "01":
        known = environment(tmp_path, **slurm, SLURM_PROCID=rank, SLURM_LOCALID=rank)
        tasks.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known))
    for task in tasks:
        _, said = task.communicate(timeout=280)
        assert task.returncode == 0, said[-3000:]
    check(tmp_path / "run")


@gloo
@pytest.mark.slow
def test_fabric_starts_the_second_process_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ferdis", *KFOLD, str(tmp_path / "run"), "--cnn.devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    check(tmp_path / "run")


@pytest.mark.parametrize(
    ("known", "rank", "devices"),
    [
        ({}, (0, 1), (3, 1)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, (5, 8), (3, 1)),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1", "NODE_RANK": "0"}, (1, 2), (3, 1)),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, (0, 1), (3, 1)),  # a batch script, not srun
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "6", "SLURM_STEP_NUM_NODES": "2"}, (6, 8), (4, 2)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "6", "SLURM_JOB_NAME": "interactive"}, (0, 1), (3, 1)),
    ],
)
def test_who_started_us(monkeypatch: pytest.MonkeyPatch, known: dict[str, str], rank: tuple, devices: tuple) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", *(n for n in os.environ if n.startswith("SLURM_"))):
        monkeypatch.delenv(name, raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    assert rank_and_world_of_launch() == rank
    assert devices_and_nodes(3, 1) == devices
