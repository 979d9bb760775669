"""Two processes on one machine train as one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage, Trainer, seeded


class Centre(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(4))


def stages(shift: float) -> list[Stage]:
    """A GAN without batch norm on 37 rows in batches of 9: shares of 5 and 4 rows, the last batch 10.

    `shift` spoils a process's initial weights: the first process's must rule.
    """
    with seeded(0):
        data = {"x": torch.randn(37, 4) + 1}
        modules = {
            "generator": nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4)),
            "discriminator": nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(), nn.Linear(16, 1)),
            "centre": Centre(),
        }
        nn.init.constant_(modules["generator"][2].bias, shift)

    def prepare(m: Modules, batch: Batch, generator: torch.Generator) -> Batch:
        return {**batch, "generated": m.generator(batch["x"])}

    def judge(m: Modules, batch: Batch) -> dict[str, Tensor]:
        real, fake = m.discriminator(batch["x"]), m.discriminator(batch["generated"].detach())
        return {"real": functional.softplus(-real).mean(), "fake": functional.softplus(fake).mean(),
                "accuracy": (real > fake).float().mean()}  # fmt: skip

    def fool(m: Modules, batch: Batch) -> dict[str, Tensor]:
        adversarial = functional.softplus(-m.discriminator(batch["generated"])).mean()
        return {"adversarial": adversarial, "l1": (batch["generated"] - batch["x"]).abs().mean()}

    def move(m: Modules, batch: Batch, all_reduce_sum) -> None:
        total = all_reduce_sum(batch["generated"].detach().sum(0))
        count = all_reduce_sum(torch.tensor(float(len(batch["x"]))))
        m.centre.value += 0.5 * (total / count - m.centre.value)

    def every(history) -> int:
        return 2 if history.mean("discriminator/accuracy", last=4) > 0.5 else 1

    adam = partial(torch.optim.Adam, lr=1e-2)
    phases = [
        Phase("discriminator", ("discriminator",), judge, {"real": 1.0, "fake": 1.0}, adam, every=every),
        Phase("generator", ("generator",), fool, {"adversarial": 1.0, "l1": 5.0}, adam, after_step=move),
    ]
    return [Stage("gan", modules, phases, 5, ArrayBatches(data, 9), prepare, validate=lambda: 1.0)]


def train(folder: Path, shift: float) -> None:
    for name in ("first", "second"):  # a fold after a fold in the same processes
        work = stages(shift)
        trainer = Trainer(
            accelerator="cpu",
            precision="32-true",
            seed=1,
            run_dir=folder / name,
            gradient_clip=1.0,
            checkpoint_seconds=0,
        )
        history = trainer.run(work)
        weights = {key: tensor.flatten().tolist() for module in work[0].modules.values()
                   for key, tensor in module.state_dict().items()}  # fmt: skip
        result = {"rows": history.rows, "weights": list(weights.values()), "world": trainer.fabric.world_size}
        (folder / f"{name}-{trainer.fabric.global_rank}.json").write_text(json.dumps(result))


@pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="torch was built without gloo, the backend of distributed training on CPUs",
)
@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path: Path):
    train(tmp_path, shift=0.0)
    alone = json.loads((tmp_path / "first-0.json").read_text())
    both = tmp_path / "both"
    both.mkdir()
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    command = [sys.executable, *launcher, "--rdzv-endpoint=127.0.0.1:0", __file__, str(both)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]

    results = {name: json.loads((both / f"{name}.json").read_text()) for name in
               ("first-0", "first-1", "second-0", "second-1")}  # fmt: skip
    assert {result["world"] for result in results.values()} == {2} and alone["world"] == 1
    assert all(result["weights"] == results["first-0"]["weights"] for result in results.values())
    for one, two in zip(alone["rows"], results["first-0"]["rows"], strict=True):
        assert one[:5] == two[:5] and two[5] == pytest.approx(one[5], rel=1e-4, abs=1e-5)
    for one, two in zip(alone["weights"], results["first-1"]["weights"], strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)
    assert (both / "first" / "checkpoint.safetensors").is_file()


if __name__ == "__main__":
    train(Path(sys.argv[1]), shift=float(os.environ["RANK"]))
