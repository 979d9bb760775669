"""Trainings that advance together are the trainings that they would be alone; in float64, where a mistake shows."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ferdis.training import (
    ArrayBatches,
    Batch,
    DrawThenForward,
    Modules,
    Phase,
    Stage,
    Trainer,
    TrainingDiverged,
    fused,
    seeded,
    turns,
)
from ferdis.training.shared import train_shared
from tests.training.test_trainer import Centre, arrays

pytestmark = pytest.mark.timeout(60)  # whoever waits for a turn that never comes is to be told

CPU = partial(Trainer, accelerator="cpu", precision="32-true", progress=False)
ADAM = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.9), fused=True)


# ------------------------------------------------------------------- a small GAN with everything that a system has


# Layers before a batch norm have no bias: its gradient is rounding alone, which Adam would make steps of.
def networks(seed: int, width: int = 8) -> dict[str, nn.Module]:
    with seeded(seed):
        encoder = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        generator = nn.Sequential(
            nn.Linear(16, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 4)
        )
        critic = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    modules = {"encoder": encoder, "generator": generator, "critic": critic, "centre": Centre()}
    for module in modules.values():
        module.double().to(memory_format=torch.channels_last)
    return modules


def noisy(_: Modules, batch: Batch, generator: torch.Generator) -> Batch:
    noise = torch.randn(batch["x"].shape, generator=generator)
    return {"x": batch["x"], "y": batch["y"], "seen": (batch["x"] + 0.1 * noise).reshape(-1, 1, 2, 2)}


def draw(modules: Modules, batch: Batch) -> Batch:
    return {**batch, "drawn": modules.generator(modules.encoder(batch["seen"]))}


def judge(modules: Modules, batch: Batch, *, class_weights: Tensor | None = None) -> dict[str, Tensor]:
    real, fake = modules.critic(batch["x"]), modules.critic(batch["drawn"].detach())
    return {
        "real": nn.functional.cross_entropy(real, batch["y"], weight=class_weights),
        "fake": nn.functional.softplus(fake).mean(),
        "accuracy": (real.argmax(1) == batch["y"]).double().mean(),
    }


def fool(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    batch["feature"] = batch["drawn"].detach()
    return {
        "adversarial": nn.functional.cross_entropy(modules.critic(batch["drawn"]), batch["y"]),
        "l1": (batch["drawn"] - batch["x"]).abs().mean(),
    }


def fool_a_judge(modules: Modules, batch: Batch, *, judge: nn.Module) -> dict[str, Tensor]:
    return {**fool(modules, batch), "adversarial": nn.functional.cross_entropy(judge(batch["drawn"]), batch["y"])}


def fool_with_python(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    if batch["drawn"].sum().item() > 1e9:  # torch.vmap has no item()
        raise ValueError("far too bright")
    return fool(modules, batch)


def fool_late(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """Draws masks and moves statistics before torch.vmap refuses it."""
    again = modules.generator(modules.encoder(batch["seen"]))
    return {**fool_with_python(modules, batch), "again": again.mean()}


def move(modules: Modules, batch: Batch, all_reduce_sum: Callable[[Tensor], Tensor]) -> None:
    modules.centre.value += 0.5 * (all_reduce_sum(batch["feature"].mean(0)) - modules.centre.value)


def every(history: Any) -> int:
    return 2 if history.mean("critic/accuracy", last=3) > 0.4 else 1


def rising(epoch: int) -> float:
    return 2.0 + epoch


def now_and_then(epoch: int) -> float:
    return float(epoch % 2)


def stage_of(modules: dict[str, nn.Module], data: dict[str, np.ndarray], epochs: int = 4, **changes: Any) -> Stage:
    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)
    critic = changes.pop("judge", partial(judge, class_weights=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)))
    generator, l1 = changes.pop("fool", fool), changes.pop("l1", rising)
    phases = [
        Phase("critic", ("critic",), critic, {"real": 1.0, "fake": 0.5}, ADAM, halve, every),
        Phase("generator", ("encoder", "generator"), generator, {"adversarial": 1.0, "l1": l1}, ADAM, halve,
              after_step=move),
    ]  # fmt: skip
    stage = {"name": "gan", "prepare": DrawThenForward(noisy, draw), **changes}
    return Stage(modules=modules, phases=phases, epochs=epochs, batches=ArrayBatches(data, 7), **stage)


def data_of(fold: int) -> dict[str, np.ndarray]:
    """Folds of unequal size: 21 + 5 k rows in batches of 7, so that last batches and numbers of steps differ."""
    found = arrays(21 + 5 * fold, seed=fold)
    return {"x": found["x"].astype(np.float64), "y": found["y"]}


class Fit:
    """A training as a fold's fit makes it."""

    def __init__(self, fold: int, trainer: dict[str, Any] | None = None, **changes: Any) -> None:
        self.modules, self.remarks = networks(fold), list[str]()
        self.trainer = CPU(seed=fold, **(trainer or {}))
        self.stage = stage_of(self.modules, data_of(fold), **changes)

    def __call__(self) -> Fit:
        self.trainer.run([self.stage])
        self.remarks = fused.remarks()
        self.drawn = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
        return self

    def weights(self) -> dict[str, Tensor]:
        tensors = {f"{name}.{key}": t for name, m in self.modules.items() for key, t in m.state_dict().items()}
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def run_together(fits: Sequence[Callable[[], Any]], **more: Any) -> list[Any]:
    found = dict(fused.together(fits, **more))
    return [found[number] for number in range(len(fits))]


def assert_same(one: Fit, other: Fit) -> None:
    assert (
        one.trainer.history.to_frame()
        .drop(columns="value")
        .equals(other.trainer.history.to_frame().drop(columns="value"))
    )
    np.testing.assert_allclose(one.trainer.history.to_frame().value, other.trainer.history.to_frame().value, rtol=1e-9)
    theirs = other.weights()
    for name, tensor in one.weights().items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-8, atol=1e-10, msg=lambda text, n=name: f"{n}: {text}")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trainings each fused call was for."""
    seen: list[int] = []
    real = fused._at_once

    def count(group: Any, *rest: Any, **more: Any) -> Any:
        seen.append(len(group))
        return real(group, *rest, **more)

    monkeypatch.setattr(fused, "_at_once", count)
    return seen


class TestTogether:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"prepare": lambda m, b, g: draw(m, noisy(m, b, g))},  # one piece: its graph is each training's own
            {"frozen": ("encoder",), "fool": fool},
        ],
        ids=["forward of all", "forward of each", "a frozen encoder"],
    )
    def test_a_gan_is_what_it_is_alone(self, changes: dict[str, Any], counted: list[int]) -> None:
        if "frozen" in changes:
            changes = {**changes, "phases_of": ("generator",)}
        alone = [self.fit(fold, changes)() for fold in range(3)]
        assert not counted
        for one, other in zip(alone, run_together([self.fit(fold, changes) for fold in range(3)]), strict=True):
            assert_same(one, other)
            assert other.remarks == ["Folds were trained 3 at a time, in fused steps (fold_batch)."]
        assert {2, 3} <= set(counted), "all three, and some of them, where the others have another batch or no step"

    @staticmethod
    def fit(fold: int, changes: dict[str, Any]) -> Fit:
        changes = dict(changes)
        updates = changes.pop("phases_of", None)
        fit = Fit(fold, **changes)
        if updates:
            _, second = fit.stage.phases
            object.__setattr__(second, "updates", updates)
        return fit

    def test_tensors_that_terms_hold_are_each_folds_own(self, counted: list[int]) -> None:
        def fit(fold: int) -> Fit:
            return Fit(fold, judge=partial(judge, class_weights=torch.tensor([1.0, 2.0, 3.0 + fold]).double()))

        for one, other in zip([fit(0)(), fit(1)()], run_together([fit(0), fit(1)]), strict=True):
            assert_same(one, other)
        assert 2 in counted

    def test_what_is_not_alike_is_computed_apart(self, counted: list[int]) -> None:
        def wider(fold: int) -> Fit:
            fit = Fit(fold)
            fit.modules.update(networks(fold, width=8 + 2 * fold))
            fit.stage = stage_of(fit.modules, data_of(fold))
            return fit

        for one, other in zip([wider(0)(), wider(1)()], run_together([wider(0), wider(1)]), strict=True):
            assert_same(one, other)
        assert not counted

    def test_a_forward_is_shared_by_folds_whose_losses_differ(self, counted: list[int]) -> None:
        """Folds of other lengths are in other epochs, in which a term has no weight: two groups, one graph."""
        alone = [Fit(fold, l1=now_and_then, epochs=6)() for fold in range(3)]
        for one, other in zip(alone, run_together([Fit(f, l1=now_and_then, epochs=6) for f in range(3)]), strict=True):
            assert_same(one, other)
            assert len(other.remarks) == 1
        assert {1, 2, 3} <= set(counted)

    @pytest.mark.parametrize("refused", [fool_with_python, fool_late])
    @pytest.mark.parametrize("split", [True, False])
    def test_what_vmap_refuses_is_computed_apart_and_told_once(
        self, split: bool, refused: Callable[..., Any], counted: list[int]
    ) -> None:
        changes: dict[str, Any] = {"fool": refused}
        if not split:
            changes["prepare"] = lambda m, b, g: draw(m, noisy(m, b, g))
        alone = [Fit(fold, **changes)() for fold in range(3)]
        for one, other in zip(alone, run_together([Fit(fold, **changes) for fold in range(3)]), strict=True):
            assert_same(one, other)
            assert len(other.remarks) == 2
            assert other.remarks[1].startswith("Not in the fused steps: gan, generator (vmap: ")
        assert {2, 3} <= set(counted), "the critic's phase is still one"

    @pytest.mark.parametrize("kind", ["a method", "a network"])
    def test_terms_that_hold_what_cannot_be_compared(self, kind: str) -> None:
        class Holder:
            def terms(self, modules: Modules, batch: Batch) -> dict[str, Tensor]:
                return fool(modules, batch)

        def fit(fold: int) -> Fit:
            judge = networks(10 + fold)["critic"].eval()
            return Fit(fold, fool=Holder().terms if kind == "a method" else partial(fool_a_judge, judge=judge))

        alone = [fit(fold)() for fold in range(2)]
        for one, other in zip(alone, run_together([fit(fold) for fold in range(2)]), strict=True):
            assert_same(one, other)
            what = "Holder.terms" if kind == "a method" else "Sequential"
            assert other.remarks[1].endswith(f"{what} cannot be compared between folds).")

    def test_a_step_that_fails_later_is_an_error_of_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real, calls = fused._at_once, []

        def fails(*given: Any, **more: Any) -> Any:
            calls.append(not more and len(given[0]) == 2)  # not the first of its kind, which would be tried apart
            if sum(calls) == 5:
                raise MemoryError("no memory is left")
            return real(*given, **more)

        def caught(fit: Fit) -> str:
            with pytest.raises(MemoryError, match="no memory is left") as error:
                fit()
            return str(error.value)

        monkeypatch.setattr(fused, "_at_once", fails)
        found = run_together([partial(caught, Fit(fold)) for fold in range(2)])
        assert found == ["no memory is left"] * 2

    @pytest.mark.parametrize("value", [torch.tensor, float], ids=["a tensor", "a number"])
    def test_networks_that_keep_something_of_their_fold(
        self, value: Callable[[float], Any], counted: list[int]
    ) -> None:
        class Scaled(nn.Linear):
            scale: Any = 1.0

            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x) * self.scale

        def fit(fold: int) -> Fit:
            found = Fit(fold)
            with seeded(fold):
                last = Scaled(8, 3).double()
            last.scale = value(1.0 + fold)
            found.modules["critic"][3] = last
            return found

        alone = [fit(fold)() for fold in range(2)]
        for one, other in zip(alone, run_together([fit(fold) for fold in range(2)]), strict=True):
            assert_same(one, other)
            assert ("Scaled.scale is neither parameter nor buffer" in "".join(other.remarks)) == (value is torch.tensor)
        assert not counted

    def test_one_that_diverges_is_told_as_alone_and_the_others_go_on(self) -> None:
        def fit(fold: int) -> Fit:
            fit = Fit(fold)
            if fold == 1:
                fit.stage.batches.arrays["x"][-3:] = np.inf
            return fit

        def caught(fit: Fit) -> Any:
            try:
                return fit()
            except TrainingDiverged as error:
                return str(error)

        alone = [caught(fit(fold)) for fold in range(3)]
        found = run_together([partial(caught, fit(fold)) for fold in range(3)])
        assert found[1] == alone[1] and "at step" in found[1]
        for fold in (0, 2):
            assert_same(alone[fold], found[fold])

    def test_one_that_is_stopped_resumes_alone_or_with_others(self, tmp_path: Path) -> None:
        alone = [Fit(fold)() for fold in range(2)]

        class Stop:
            def on_epoch_end(self, rows: Any) -> None:
                if rows[0][1] == 2:
                    raise KeyboardInterrupt

        where = [{"run_dir": tmp_path / str(fold), "checkpoint_seconds": 0.0} for fold in range(2)]
        with pytest.raises(KeyboardInterrupt):
            run_together([Fit(0, {**where[0], "callbacks": [Stop()]}), Fit(1, where[1])])
        assert [(tmp_path / str(fold) / "checkpoint.safetensors").exists() for fold in range(2)] == [True, True]
        for one, other in zip(alone, run_together([Fit(fold, where[fold]) for fold in range(2)]), strict=True):
            assert_same(one, other)

    def test_whoever_gives_a_network_other_tensors_is_followed(self) -> None:
        class Replace:
            """New storage for all weights, as ``module.to(...)`` makes it."""

            def __init__(self) -> None:
                self.modules: dict[str, nn.Module] = {}

            def on_epoch_end(self, rows: Any) -> None:
                for module in self.modules.values():
                    for parameter in module.parameters():
                        parameter.data = parameter.data.clone()

        def fit(fold: int) -> Fit:
            replace = Replace()
            found = Fit(fold, {"callbacks": [replace]})
            replace.modules = found.modules
            return found

        for one, other in zip([Fit(0)(), Fit(1)()], run_together([fit(0), fit(1)]), strict=True):
            assert_same(one, other)

    def test_bfloat16_is_that_of_one_alone_within_its_rounding(self) -> None:
        def fit(fold: int) -> Fit:
            found = Fit(fold, {"precision": "bf16-mixed"}, epochs=1, judge=judge)
            for module in found.modules.values():
                module.float()
            found.stage.batches.arrays["x"] = found.stage.batches.arrays["x"].astype(np.float32)
            return found

        for one, other in zip([fit(0)(), fit(1)()], run_together([fit(0), fit(1)]), strict=True):
            values = one.trainer.history.to_frame().value, other.trainer.history.to_frame().value
            np.testing.assert_allclose(*values, rtol=0.05)
            assert len(other.remarks) == 1, "something was computed apart"

    def test_a_scaled_loss_is_computed_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        turn = turns.Turn(lambda: None)
        monkeypatch.setattr(turns, "current", lambda: turn)
        assert fused.member(Fit(0).stage, [], lambda: None, "16-mixed") is None
        assert turn.remarks == ["Not in the fused steps: gan (precision='16-mixed' scales each loss by itself)."]


class TestTurns:
    def test_each_draws_what_it_draws_alone(self) -> None:
        def drawing() -> list[float]:
            found = []
            for _ in range(3):
                found += [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002
                if (turn := turns.current()) is not None:
                    turn.ask(("anything",))
            return found

        def take_turns(count: int) -> list[list[float]]:
            some = [turns.Turn(drawing) for _ in range(count)]
            while not all(turn.ended for turn in some):
                for turn in some:
                    turn.go_on()
            return [turn.result for turn in some]

        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(5)
        state = turns.RandomState(apart=True)
        alone = drawing()
        state.put()
        assert take_turns(3) == [alone] * 3

    def test_the_callers_random_state_is_put_back(self) -> None:
        def state() -> tuple[Any, ...]:
            numpy_state = np.random.get_state()  # noqa: NPY002
            return random.getstate(), numpy_state[1].tolist(), numpy_state[2], torch.get_rng_state().tolist()

        before, generator = state(), np.random.get_bit_generator()
        for _ in fused.together([Fit(0, epochs=1), Fit(1, epochs=1)]):
            assert state() == before
        assert state() == before and np.random.get_bit_generator() is generator

    def test_an_error_ends_all_and_no_thread_is_left(self) -> None:
        def broken() -> None:
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            run_together([Fit(0), broken, Fit(1)])
        assert not [thread for thread in threading.enumerate() if thread.name == "ferdis-turn"]

    def test_who_stops_listening_ends_all(self) -> None:
        ended = []

        def fit() -> None:
            try:
                Fit(0, epochs=50)()
            finally:
                ended.append(torch.initial_seed())

        listening = fused.together([fit, fit, lambda: None])
        assert next(listening)[0] == 2
        drawn = random.random(), torch.rand(1)
        before = random.getstate(), torch.get_rng_state().tolist()
        listening.close()
        assert (random.getstate(), torch.get_rng_state().tolist()) == before, drawn
        assert not [thread for thread in threading.enumerate() if thread.name == "ferdis-turn"]

    def test_ctrl_c_while_one_runs_ends_all(self) -> None:
        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGUSR1, interrupt)
        soon = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
        soon.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                run_together([Fit(0, epochs=10_000), Fit(1, epochs=10_000)])
        finally:
            soon.cancel()
            signal.signal(signal.SIGUSR1, before)
        assert not [thread for thread in threading.enumerate() if thread.name == "ferdis-turn"]

    def test_the_seconds_of_each_add_up(self) -> None:
        def timed(fold: int) -> float:
            start = turns.clock()
            Fit(fold)()
            return turns.clock() - start

        start = time.perf_counter()
        found = run_together([partial(timed, fold) for fold in range(3)])
        whole = time.perf_counter() - start
        assert all(seconds > 0 for seconds in found) and sum(found) < 1.01 * whole

    def test_a_training_that_all_share_waits_for_nobody(self, tmp_path: Path) -> None:
        trained = []

        def fit(fold: int) -> Fit:
            modules = networks(9)

            def stages() -> list[Stage]:
                trained.append(fold)
                return [stage_of(modules, data_of(0), epochs=2)]

            train_shared("one", "test", modules, stages, {"accelerator": "cpu", "precision": "32-true"})
            return Fit(fold)()

        alone = [Fit(fold)() for fold in range(3)]
        for one, other in zip(alone, run_together([partial(fit, fold) for fold in range(3)]), strict=True):
            assert_same(one, other)
        assert trained == [0]


def test_a_watch_times_both_ways_and_ends_all(counted: list[int]) -> None:
    watch = fused.Watch()
    assert list(fused.together([Fit(0, epochs=10_000), Fit(1, epochs=10_000)], watch)) == []
    assert min(len(seconds) for seconds in watch.seconds.values()) >= 2 and counted
    assert abs(len(watch.seconds[True]) - len(watch.seconds[False])) <= 1
    assert sum(map(sum, watch.seconds.values())) == pytest.approx(2.0, abs=0.5)
