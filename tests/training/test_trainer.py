"""Phases, stages and the trainer, on networks of a few hundred weights."""

from __future__ import annotations

import importlib.util
import random
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ferdis.training import (
    ArrayBatches,
    Batch,
    Modules,
    Phase,
    Stage,
    Trainer,
    TrainingDiverged,
    checkpoints,
    in_float32,
    seeded,
)

ADAM = partial(torch.optim.Adam, lr=1e-2)
# In float32, whatever the processor can do: several tests compare with a loop written out by hand.
CPU = partial(Trainer, accelerator="cpu", precision="32-true", progress=False)


def arrays(n: int = 24, seed: int = 3) -> dict[str, np.ndarray]:
    random_numbers = np.random.default_rng(seed)
    labels = random_numbers.integers(0, 3, n)
    return {"x": random_numbers.normal(labels[:, None], 0.3, (n, 4)).astype("float32"), "y": labels}


def network(seed: int = 0, *layers: nn.Module) -> nn.Sequential:
    with seeded(seed):
        return nn.Sequential(nn.Linear(4, 8), *layers, nn.ReLU(), nn.Linear(8, 3))


def cross_entropy(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    logits = modules.net(batch["x"])
    hit = (logits.argmax(1) == batch["y"]).float().mean()
    return {"ce": functional.cross_entropy(logits, batch["y"]), "accuracy": hit}


def classifier_stage(net: nn.Module, epochs: int = 3, batch_size: int = 8, **changes) -> Stage:
    phase = {"updates": ("net",), "terms": cross_entropy, "weights": {"ce": 1.0}, "optimizer": ADAM}
    stage = {"frozen": (), "prepare": None, "validate": None, "modules": {"net": net}}
    stage.update({key: changes.pop(key) for key in list(changes) if key in stage})
    batches = changes.pop("batches", ArrayBatches(arrays(), batch_size))
    return Stage("main", phases=[Phase("net", **{**phase, **changes})], epochs=epochs, batches=batches, **stage)


def weights_of(*modules: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for module in modules for tensor in module.state_dict().values()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# A small GAN with everything that a resume must get right: batch norm, dropout, augmentation noise, a forward shared
# by two phases, a phase that runs at some steps only, a schedule, a buffer moved in after_step, a frozen module.


class Centre(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(4))


def gan(seed: int = 0) -> dict[str, nn.Module]:
    with seeded(seed):
        generator = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 4))
        discriminator = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Linear(8, 1))
        encoder = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    return {"generator": generator, "discriminator": discriminator, "encoder": encoder, "centre": Centre()}


def gan_stage(modules: dict[str, nn.Module], epochs: int = 6, validate=None) -> Stage:
    def prepare(m: Modules, batch: Batch, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch["x"].shape, generator=generator)
        return {**batch, "generated": m.generator(batch["x"] + 0.1 * noise)}

    def judge(m: Modules, batch: Batch) -> dict[str, Tensor]:
        real, fake = m.discriminator(batch["x"]), m.discriminator(batch["generated"].detach())
        accuracy = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
        return {
            "real": functional.softplus(-real).mean(),
            "fake": functional.softplus(fake).mean(),
            "accuracy": accuracy,
        }

    def fool(m: Modules, batch: Batch) -> dict[str, Tensor]:
        batch["feature"] = m.encoder(batch["generated"]).detach()
        adversarial = functional.softplus(-m.discriminator(batch["generated"])).mean()
        return {"adversarial": adversarial, "l1": (batch["generated"] - batch["x"]).abs().mean()}

    def move(m: Modules, batch: Batch, all_reduce_sum) -> None:
        m.centre.value += 0.5 * (all_reduce_sum(batch["feature"].mean(0)) - m.centre.value)

    def every(history) -> int:
        return 2 if history.mean("discriminator/accuracy", last=5) > 0.5 else 1

    def rising(epoch: int) -> float:
        return 20.0 + epoch

    halve = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)
    phases = [
        Phase("discriminator", ("discriminator",), judge, {"real": 1.0, "fake": 1.0}, ADAM, halve, every),
        Phase("generator", ("generator",), fool, {"adversarial": 1.0, "l1": rising}, ADAM, halve, after_step=move),
    ]
    return Stage("gan", modules, phases, epochs, ArrayBatches(arrays(), 5), prepare, ("encoder",), validate)


class TestLearning:
    def test_one_batch_is_overfitted(self):
        net = network()
        history = CPU().run([classifier_stage(net, epochs=250, batch_size=24)]).to_frame()
        loss = history.query("term == 'ce'").value
        assert loss.iloc[-1] < 0.05 < 0.5 < loss.iloc[0]
        assert not net.training

    def test_it_is_the_loop_one_would_write(self):
        net, mine = network(), network()
        CPU().run([classifier_stage(net, epochs=4)])
        optimizer, batches = ADAM(mine.parameters()), ArrayBatches(arrays(), 8)
        for epoch in range(4):
            for batch in batches(epoch):
                optimizer.zero_grad()
                functional.cross_entropy(mine(batch["x"]), batch["y"]).backward()
                optimizer.step()
        assert same(weights_of(net), weights_of(mine))

    def test_the_loss_is_the_weighted_sum_of_the_terms(self):
        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            w = m.net.weight
            return {"a": (w * 1.0).sum(), "b": (w**2).sum(), "off": 100 * w.sum(), "logged": 7 * w.sum().detach()}

        net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(net.weight, 2.0)
        stage = classifier_stage(net, epochs=1, batch_size=24, terms=terms, weights={"a": 3.0, "b": 0.5, "off": 0.0},
                                 optimizer=partial(torch.optim.SGD, lr=0.1))  # fmt: skip
        history = CPU().run([stage]).to_frame().set_index("term").value
        assert net.weight.item() == pytest.approx(2.0 - 0.1 * (3.0 + 0.5 * 2 * 2.0))
        assert history[["a", "b", "off", "logged"]].tolist() == [2.0, 4.0, 200.0, 14.0]

    def test_a_weight_may_be_a_function_of_the_epoch(self):
        net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(net.weight, 0.0)
        sgd, weights = partial(torch.optim.SGD, lr=1.0), {"a": lambda epoch: 10.0**epoch}
        terms = lambda m, _: {"a": -m.net.weight.sum()}  # noqa: E731
        stage = classifier_stage(net, epochs=3, batch_size=24, terms=terms, weights=weights, optimizer=sgd)
        CPU().run([stage])
        assert net.weight.item() == pytest.approx(111.0)

    def test_the_schedule_moves_once_an_epoch_and_is_in_the_history(self):
        schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.1)
        history = CPU().run([classifier_stage(network(), epochs=4, schedule=schedule)]).to_frame()
        rates = history.query("term == 'learning_rate'")
        np.testing.assert_allclose(rates.value, [1e-2, 1e-2, 1e-3, 1e-3])
        assert rates.epoch.tolist() == [1, 2, 3, 4] and rates.step.tolist() == [3, 6, 9, 12]

    @pytest.mark.parametrize("clip", [None, 0.5])
    def test_gradients_are_clipped_by_the_norm_of_the_phase(self, clip: float | None):
        net = nn.Linear(4, 1, bias=False)
        nn.init.zeros_(net.weight)

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            return {"sum": m.net(torch.ones(1, 4)).sum() * 3}  # gradient (3, 3, 3, 3): norm 6

        sgd = partial(torch.optim.SGD, lr=1.0)
        stage = classifier_stage(net, 1, 24, terms=terms, weights={"sum": 1.0}, optimizer=sgd)
        CPU(gradient_clip=clip).run([stage])
        assert net.weight.norm().item() == pytest.approx(clip or 6.0, rel=1e-4)

    def test_bfloat16_runs_terms_under_autocast_and_losses_in_float32(self):
        seen: list[torch.dtype] = []

        @in_float32
        def squared(x: Tensor) -> Tensor:
            seen.extend([x.dtype, (x @ x.T).dtype])  # a product would fall back to bfloat16 under autocast
            return (x**2).mean()

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            with torch.no_grad():
                m.net(batch["x"])  # must not leave weights without a graph behind
            logits = m.net(batch["x"])
            seen.append(logits.dtype)
            return {"squared": squared(logits)}

        net = network()
        before = weights_of(net)
        CPU(precision="bf16-mixed").run([classifier_stage(net, 1, 24, terms=terms, weights={"squared": 1.0})])
        assert seen == [torch.bfloat16, torch.float32, torch.float32]
        assert not any(torch.equal(a, b) for a, b in zip(before, weights_of(net), strict=True))
        assert CPU().precision == "32-true"


class TestPhases:
    def test_phases_share_a_forward_and_step_their_own_modules(self):
        modules = gan()
        before = {name: weights_of(module) for name, module in modules.items()}
        history = CPU().run([gan_stage(modules)])
        changed = {name: not same(before[name], weights_of(module)) for name, module in modules.items()}
        assert changed == {"generator": True, "discriminator": True, "encoder": False, "centre": True}
        assert set(history.to_frame().phase) == {"discriminator", "generator"}

    def test_only_the_updated_parameters_require_gradients(self):
        modules = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)}
        modules["a"].bias.requires_grad_(False)  # the user's own choice stays
        seen: dict[str, list[bool]] = {}

        def terms(name: str):
            def look(m: Modules, batch: Batch) -> dict[str, Tensor]:
                seen[name] = [p.requires_grad for p in (*m.a.parameters(), *m.b.parameters())]
                return {"mean": (m.a(batch["x"]) + m.b(batch["x"])).mean()}

            return look

        def prepare(m: Modules, batch: Batch, generator: torch.Generator) -> Batch:
            look = terms("prepare" if batch["step"][0] else "prepare, b waits")
            look(m, batch)
            return batch

        data = {**arrays(), "step": (np.arange(24) < 12).astype("int64")}
        phases = [Phase("a", ("a",), terms("a"), {"mean": 1.0}, ADAM),
                  Phase("b", ("b",), terms("b"), {"mean": 1.0}, ADAM, every=2)]  # fmt: skip
        CPU().run([Stage("s", modules, phases, 1, ArrayBatches(data, 12, shuffle=False), prepare)])
        assert seen["a"] == [True, False, False, False] and seen["b"] == [False, False, True, True]
        assert seen["prepare"] == [True, False, True, True] and seen["prepare, b waits"] == seen["a"]
        assert [p.requires_grad for m in modules.values() for p in m.parameters()] == [True, False, True, True]

    @pytest.mark.parametrize(("every", "expected"), [(1, 12), (3, 4), (5, 3), (lambda history: 4, 4)])
    def test_every(self, every, expected: int):
        """4 epochs of 3 steps; a function is asked after the first values, so the first two waits may differ."""
        count = 0

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            nonlocal count
            count += 1
            return cross_entropy(m, batch)

        CPU().run([classifier_stage(network(), epochs=4, terms=terms, every=every)])
        assert count == (expected if isinstance(every, int) else 3)

    def test_every_follows_a_running_mean(self):
        """G takes 4 steps for each of D once D's accuracy passes 0.9 (here: from step 5 on)."""
        steps: list[int] = []
        step = 0

        def prepare(m: Modules, batch: Batch, generator: torch.Generator) -> Batch:
            nonlocal step
            step += 1
            return batch

        def judge(m: Modules, batch: Batch) -> dict[str, Tensor]:
            steps.append(step)
            return {"loss": m.net(batch["x"]).mean(), "accuracy": torch.tensor(1.0 if step >= 5 else 0.0)}

        def every(history) -> int:
            return 4 if history.mean("net/accuracy", last=1) > 0.9 else 1

        stage = classifier_stage(network(), 6, terms=judge, weights={"loss": 1.0}, every=every, prepare=prepare)
        CPU().run([stage])
        assert steps == [1, 2, 3, 4, 5, 9, 13, 17]

    def test_a_frozen_module_keeps_every_bit(self):
        modules = {"net": network(), "encoder": network(1, nn.BatchNorm1d(8), nn.Dropout(0.5))}
        before, modes = weights_of(modules["encoder"]), []

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            modes.append((m.net.training, m.encoder.training))
            return {"loss": (m.net(batch["x"]) - m.encoder(batch["x"])).square().mean()}

        stage = classifier_stage(
            nn.Identity(), terms=terms, weights={"loss": 1.0}, modules=modules, frozen=("encoder",)
        )
        CPU().run([stage])
        assert same(before, weights_of(modules["encoder"])) and set(modes) == {(True, False)}
        assert all(p.requires_grad and p.grad is None for p in modules["encoder"].parameters())

    def test_after_step_sees_what_terms_left_in_the_batch(self):
        seen: list[tuple[bool, float]] = []

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            batch["feature"] = m.net(batch["x"])
            return {"loss": batch["feature"].mean()}

        def after(m: Modules, batch: Batch, all_reduce_sum) -> None:
            seen.append((torch.is_grad_enabled(), all_reduce_sum(batch["feature"].sum()).item()))

        CPU().run([classifier_stage(network(), 1, 24, terms=terms, weights={"loss": 1.0}, after_step=after)])
        with seeded(0):
            assert seen == [(False, network()(torch.from_numpy(arrays()["x"])).sum().item())]


class TestSeeds:
    def test_the_seed_decides_everything(self):
        def train(seed: int) -> list[Tensor]:
            modules = gan(seed)
            CPU(seed=seed).run([gan_stage(modules, epochs=2)])
            return weights_of(*modules.values())

        torch.manual_seed(11)
        first = train(0)
        torch.manual_seed(12)
        assert same(first, train(0))
        assert not same(first, train(1))

    def test_the_trainers_seed_alone_moves_dropout_and_noise(self):
        results = []
        for seed in (0, 1):
            modules = gan()
            CPU(seed=seed).run([gan_stage(modules, epochs=1)])
            results.append(weights_of(modules["generator"]))
        assert not same(*results)

    def test_the_callers_random_state_is_put_back(self):
        def draw() -> tuple[float, float, float]:
            return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

        for generator in (random.seed, np.random.seed, torch.manual_seed):
            generator(5)
        expected = draw()
        for generator in (random.seed, np.random.seed, torch.manual_seed):
            generator(5)
        CPU(seed=1).run([gan_stage(gan(), epochs=1)])
        assert draw() == expected


class Stop(Exception):
    """Pulls the plug."""


def stop_before(stage: Stage, epoch: int, error: type[BaseException] = Stop) -> Stage:
    def batches(index: int):
        for number, batch in enumerate(stage.batches(index)):
            if index == epoch - 1 and number == 2:
                raise error
            yield batch

    return Stage(**{**vars(stage), "batches": batches})


class TestResume:
    def test_a_stage_starts_once_after_the_one_before_it(self, tmp_path: Path):
        seen: list[bool] = []

        def stages(modules: dict[str, nn.Module]) -> list[Stage]:
            initial = [parameter.clone() for parameter in modules["generator"].parameters()]

            def start() -> None:
                seen.append(all(map(torch.equal, initial, modules["generator"].parameters())))
                modules["head"].load_state_dict(modules["generator"].state_dict())

            def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
                return {"loss": m.head(batch["x"]).square().mean()}

            phase = Phase("head", ("head",), terms, {"loss": 1.0}, ADAM)
            both = {name: modules[name] for name in ("generator", "head")}
            batches = ArrayBatches(arrays(), 8)
            return [gan_stage(modules), Stage("head", both, [phase], 4, batches, frozen=("generator",), start=start)]

        undisturbed, killed, fresh = ({**gan(), "head": gan()["generator"]} for _ in range(3))
        CPU().run(stages(undisturbed))
        assert seen == [False], "the generator is trained by then"
        first, second = stages(killed)
        with pytest.raises(Stop):
            CPU(run_dir=tmp_path, checkpoint_seconds=0).run([first, stop_before(second, 2)])
        CPU(run_dir=tmp_path, checkpoint_seconds=0).run(stages(fresh))
        assert seen == [False, False], "not again where the run goes on"
        assert same(weights_of(*undisturbed.values()), weights_of(*fresh.values()))

    @pytest.mark.parametrize("stop", [1, 2, 4, 6])
    @pytest.mark.parametrize("validated", [False, True])
    def test_a_killed_run_ends_like_an_undisturbed_one(self, tmp_path: Path, stop: int, validated: bool):
        def stages(modules: dict[str, nn.Module], done: int = 0) -> list[Stage]:
            scores = iter([0.1, 0.7, 0.3, 0.7, 0.2, 0.0][done:])

            def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
                return {"loss": m.head(m.generator(batch["x"])).square().mean()}

            first = gan_stage(modules, validate=(lambda: next(scores)) if validated else None)
            phase = Phase("head", ("head",), terms, {"loss": 1.0}, ADAM)
            both = {name: modules[name] for name in ("generator", "head")}
            return [first, Stage("head", both, [phase], 2, ArrayBatches(arrays(), 8), frozen=("generator",))]

        undisturbed, killed, fresh = ({**gan(), "head": network(9)} for _ in range(3))
        calm = CPU(run_dir=tmp_path / "calm", checkpoint_seconds=0)
        calm.run(stages(undisturbed))
        first, second = stages(killed)
        with pytest.raises(Stop):
            CPU(run_dir=tmp_path / "killed", checkpoint_seconds=0).run([stop_before(first, stop), second])
        again = CPU(run_dir=tmp_path / "killed", checkpoint_seconds=0)
        again.run(stages(fresh, done=stop - 1))

        assert same(weights_of(*undisturbed.values()), weights_of(*fresh.values()))
        assert calm.history.rows == again.history.rows
        assert calm.history.to_frame(steps=True).equals(again.history.to_frame(steps=True))
        assert again.best_epochs == ({"gan": 2} if validated else {})
        tables = [(tmp_path / name / "history.csv").read_text() for name in ("calm", "killed")]
        assert tables[0] == tables[1]

    def test_in_the_second_stage_the_first_is_not_trained_again(self, tmp_path: Path):
        def stages(net: nn.Module) -> list[Stage]:
            one = classifier_stage(net, epochs=2)
            return [one, Stage(**{**vars(one), "name": "more"})]

        undisturbed, fresh = network(), network()
        CPU().run(stages(undisturbed))
        first, second = stages(network())
        with pytest.raises(Stop):
            CPU(run_dir=tmp_path).run([first, stop_before(second, 1)])
        first, second = stages(fresh)
        CPU(run_dir=tmp_path).run([stop_before(first, 1), second])
        assert same(weights_of(undisturbed), weights_of(fresh))

    def test_a_finished_run_is_read_back(self, tmp_path: Path):
        net, fresh = network(), network(5)
        first = CPU(run_dir=tmp_path).run([classifier_stage(net)])
        second = CPU(run_dir=tmp_path).run([stop_before(classifier_stage(fresh), 1)])
        assert same(weights_of(net), weights_of(fresh)) and first.rows == second.rows

    @pytest.mark.parametrize(
        ("trainer", "stage", "signature", "word"),
        [
            ({"seed": 1}, {}, "", "seed"),
            ({"gradient_clip": 1.0}, {}, "", "gradient_clip"),
            ({}, {"epochs": 4}, "", "stages"),
            ({}, {"weights": {"ce": 2.0}}, "", "phases"),
            ({}, {}, "other data", "arguments"),
        ],
    )
    def test_another_runs_checkpoint_is_refused(self, tmp_path: Path, trainer, stage, signature: str, word: str):
        CPU(run_dir=tmp_path).run([classifier_stage(network())])
        with pytest.raises(ValueError, match=rf"checkpoint\.safetensors is from other arguments \({word}.*delete it"):
            CPU(run_dir=tmp_path, **trainer).run([classifier_stage(network(), **stage)], signature=signature)

    def test_another_networks_checkpoint_is_refused(self, tmp_path: Path):
        CPU(run_dir=tmp_path).run([classifier_stage(network())])
        with pytest.raises(ValueError, match=r"does not fit this model: net\.1\.weight is absent there and \(8,\)"):
            CPU(run_dir=tmp_path).run([classifier_stage(network(0, nn.BatchNorm1d(8)))])

    def test_interrupting_keeps_the_last_checkpoint(self, tmp_path: Path):
        stage = classifier_stage(network(), epochs=4)
        with pytest.raises(KeyboardInterrupt):
            CPU(run_dir=tmp_path, checkpoint_seconds=0).run([stop_before(stage, 3, KeyboardInterrupt)])
        _, numbers = checkpoints.load_tensors(tmp_path / "checkpoint.safetensors")
        assert numbers["epoch"] == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.safetensors", "history.csv"]

    def test_short_runs_write_at_their_end_only(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        written: list[Path] = []
        monkeypatch.setattr(checkpoints, "save_tensors", lambda path, *_: written.append(path))
        CPU(run_dir=tmp_path).run([classifier_stage(network(), epochs=5)])
        assert len(written) == 1
        CPU().run([classifier_stage(network(), epochs=5)])
        assert len(written) == 1

    def test_keep_epochs(self, tmp_path: Path):
        net = network()
        one = classifier_stage(net, epochs=2)
        CPU(run_dir=tmp_path, keep_epochs=True).run([one, Stage(**{**vars(one), "name": "more"})])
        files = sorted((tmp_path / "epochs").iterdir())
        assert [file.name for file in files] == [f"epoch-{number:03d}.safetensors" for number in (1, 2, 3, 4)]
        last, early = network(7), network(7)
        assert checkpoints.load_modules(files[3], {"net": last}) == {"stage": "more", "epoch": 2}
        checkpoints.load_modules(files[0], {"net": early})
        assert same(weights_of(last), weights_of(net)) and not same(weights_of(early), weights_of(net))
        assert set(load_file(files[0])) == {f"net.{key}" for key in net.state_dict()}


class TestValidation:
    def test_the_best_epochs_weights_come_back(self, tmp_path: Path):
        net, seen = network(0, nn.BatchNorm1d(8)), []
        scores = iter([0.2, 0.9, 0.9, 0.4])

        def validate() -> float:
            seen.append((weights_of(net), net.training, torch.is_grad_enabled()))
            return next(scores)

        trainer = CPU(run_dir=tmp_path)
        history = trainer.run([classifier_stage(net, epochs=4, validate=validate)]).to_frame()
        assert same(weights_of(net), seen[1][0]) and not same(weights_of(net), seen[3][0])
        assert all(not training and not grad for _, training, grad in seen)
        assert trainer.best_epochs == {"main": 2}
        assert history.query("phase == 'validation'").value.tolist() == [0.2, 0.9, 0.9, 0.4]

    def test_validating_does_not_change_the_training(self):
        net, other = network(0, nn.Dropout(0.5)), network(0, nn.Dropout(0.5))
        rows = CPU().run([classifier_stage(net)]).rows
        assert [row for row in CPU().run([classifier_stage(other, validate=lambda: torch.rand(1).item())]).rows
                if row[3] != "validation"] == rows  # fmt: skip


class TestDivergence:
    @staticmethod
    def poisoned(value: float, at: int, name: str = "island"):
        step = 0

        def terms(m: Modules, batch: Batch) -> dict[str, Tensor]:
            nonlocal step
            step += 1
            poison = value if step == at else 0.0
            return {**cross_entropy(m, batch), name: m.net(batch["x"]).mean() * 0 + poison}

        return terms

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_the_message_names_term_phase_step_and_checkpoint(self, tmp_path: Path, value: float):
        stage = classifier_stage(network(), terms=self.poisoned(value, 8), weights={"ce": 1.0, "island": 0.1})
        with pytest.raises(TrainingDiverged) as caught:
            CPU(run_dir=tmp_path, checkpoint_seconds=0).run([stage])
        message = str(caught.value)
        path = tmp_path / "checkpoint.safetensors"
        assert f"term 'island' of phase 'net' is {value} at step 8 (stage 'main', epoch 3)" in message
        assert f"last good checkpoint: {path};" in message and "\n" not in message
        tensors, numbers = checkpoints.load_tensors(path)
        assert numbers["epoch"] == 2 and all(tensor.isfinite().all() for tensor in tensors.values())

    def test_without_a_checkpoint_it_says_so(self):
        stage = classifier_stage(network(), terms=self.poisoned(float("nan"), 1), weights={"island": 1.0})
        with pytest.raises(TrainingDiverged, match=r"step 1 .*last good checkpoint: none was written"):
            CPU().run([stage])

    def test_a_term_that_is_only_logged_may_have_nothing_to_say(self):
        history = CPU().run([classifier_stage(network(), 1, terms=self.poisoned(float("nan"), 2, "share"))]).to_frame()
        assert history.set_index("term").value["share"] == 0.0  # the mean of the two steps that had one

    def test_weights_that_break_in_the_last_step_never_reach_a_file(self, tmp_path: Path):
        net, calls = network(), 0

        def after(m: Modules, batch: Batch, all_reduce_sum) -> None:
            nonlocal calls
            calls += 1
            if calls == 6:  # the last step of epoch 2: its loss was finite
                m.net[0].weight[0, 0] = torch.nan

        trainer = CPU(run_dir=tmp_path, checkpoint_seconds=0, keep_epochs=True)
        with pytest.raises(TrainingDiverged, match=r"weight net\.0\.weight is not finite after step 6"):
            trainer.run([classifier_stage(net, after_step=after)])
        assert checkpoints.load_tensors(tmp_path / "checkpoint.safetensors")[1]["epoch"] == 1
        assert len(list((tmp_path / "epochs").iterdir())) == 1

    def test_a_validation_score_of_nan_stops_too(self):
        with pytest.raises(TrainingDiverged, match="validation score is nan"):
            CPU().run([classifier_stage(network(), validate=lambda: float("nan"))])


class TestMistakes:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"weights": {"cross": 1.0}}, r"weighs \['cross'\], but its terms are \['accuracy', 'ce'\]"),
            ({"weights": {}}, "nothing to minimise"),
            ({"updates": ("nett",)}, "no module 'nett'"),
            ({"frozen": ("net",)}, "no trainable parameter"),
            ({"frozen": ("nett",)}, "no module 'nett'"),
            ({"epochs": 0}, "epochs=0"),
            ({"batches": lambda epoch: []}, "epoch 1 has no batches"),
            ({"every": lambda history: 0}, "every.. gave 0"),
            ({"terms": lambda m, b: {"ce": m.net(b["x"])}}, r"term 'ce' has shape \(8, 3\)"),
            ({"terms": lambda m, b: {"ce": torch.tensor(1.0)}}, "depends on no parameter"),
        ],
    )
    def test_one_clear_line(self, changes: dict, message: str):
        with pytest.raises(ValueError, match=message) as caught:
            CPU().run([classifier_stage(network(), **changes)])
        assert "\n" not in str(caught.value)

    def test_names(self):
        one, two = classifier_stage(network()), classifier_stage(network())
        with pytest.raises(ValueError, match="distinct names"):
            CPU().run([one, one])
        with pytest.raises(ValueError, match="module name 'net' means two modules"):
            CPU().run([one, Stage(**{**vars(two), "name": "two"})])
        with pytest.raises(ValueError, match="without '/'"):
            CPU().run([Stage(**{**vars(one), "name": "a/b"})])

    @pytest.mark.parametrize(
        "arguments",
        [{"precision": "8"}, {"logger": "wandb"}, {"keep_epochs": True}, {"logger": "tensorboard"}],
    )
    def test_trainer_arguments(self, arguments: dict):
        with pytest.raises(ValueError):
            CPU(**arguments)

    def test_a_run_dir_that_cannot_be_written(self, tmp_path: Path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(OSError, match=r"cannot be written .*choose another folder"):
            CPU(run_dir=tmp_path / "file" / "run").run([classifier_stage(network())])


def test_nothing_is_printed_or_warned_of_without_a_terminal(capfd: pytest.CaptureFixture[str]):
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(accelerator="cpu").run([classifier_stage(network(), every=100, schedule=schedule)])
    assert capfd.readouterr() == ("", "")


def test_tensorboard(tmp_path: Path):
    trainer = CPU(run_dir=tmp_path, logger="tensorboard")
    if any(importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX")):
        trainer.run([classifier_stage(network())])
        assert list((tmp_path / "tensorboard").glob("events*"))
    else:
        with pytest.raises(ValueError, match="pip install tensorboard"):
            trainer.run([classifier_stage(network())])
