"""Training: stages of phases on lightning Fabric; the only place that calls ``backward`` and ``step``.

A *stage* trains some modules for some epochs; a *phase* is one optimiser's part of a step (a discriminator's,
a generator's). For every batch::

    batch to the device -> stage.prepare (augmentation, forwards that phases share, graph kept)
    for each phase that is due:
        only the parameters of phase.updates require gradients
        loss = sum of weights[k] * terms(modules, batch)[k] -> backward -> clip -> step -> after_step

Random numbers (Python, NumPy, torch, and the generator given to ``prepare``) are reseeded from (seed, stage,
epoch, process) as each epoch begins, so a run that resumes at an epoch is the run that was never interrupted;
the caller's own random state is put back afterwards. Several processes share each batch; gradients are summed
by hand in one buffer, weighted by rows, which gives the gradient of the global batch and needs no module
wrappers: phases may use each other's modules freely.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ferdis import progress
from ferdis.messages import short
from ferdis.progress import Bar, told_name
from ferdis.training import checkpoints, fused
from ferdis.training.batches import Batch, prefetched
from ferdis.training.callbacks import Callback
from ferdis.training.distributed import (
    all_reduce_sum,
    average_gradients,
    average_statistics,
    devices_and_nodes,
)
from ferdis.training.history import History
from ferdis.training.phases import (
    DrawThenForward,
    LivePhase,
    Modules,
    Phase,
    Stage,
    check_stages,
    loss_of,
    run_signature,
)
from ferdis.training.seeding import derived_seed, seed_everything, seeded

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["Trainer", "TrainingDiverged"]

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
FLUSH_EVERY = 20  # steps between two looks at an accelerator's loss values; each look waits for the device


class TrainingDiverged(ArithmeticError):
    """A loss term or a weight is NaN or infinite; the message names it, the step and the last checkpoint."""


class Trainer:
    """Runs stages; resumes from `run_dir` when it holds an unfinished run of the same arguments.

    Parameters
    ----------
    accelerator, devices, num_nodes : as in lightning Fabric ("auto", "cpu", "cuda", ...). Under ``torchrun``
        and ``srun`` their process counts rule.
    precision : "auto" (bfloat16 autocast where the device computes in it natively, otherwise float32), "32-true",
        "bf16-mixed" or "16-mixed".
    seed : all randomness comes from it.
    gradient_clip : largest gradient norm of a phase, or None.
    run_dir : folder for ``checkpoint.safetensors``, ``history.csv``, ``epochs/``; None writes nothing.
    logger : "csv" (``history.csv``), "tensorboard" (``tensorboard/`` as well) or None.
    progress : a bar with remaining time where standard error is a terminal.
    keep_epochs : write every epoch's weights to ``epochs/epoch-003.safetensors``, counted from 1 through all
        stages.
    checkpoint_seconds : shortest time between two checkpoints (0: each epoch); the end of a stage always
        writes one.
    callbacks : told of every epoch, see :class:`~ferdis.training.callbacks.Callback`.

    Attributes
    ----------
    history : the :class:`~ferdis.training.history.History` of the last run.
    best_epochs : stage name -> epoch (from 1) whose weights were put back, for stages that validate.
    device : where modules and batches go.
    """

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        devices: int = 1,
        num_nodes: int = 1,
        precision: str = "auto",
        seed: int = 0,
        gradient_clip: float | None = None,
        run_dir: str | Path | None = None,
        logger: str | None = "csv",
        progress: bool = True,
        keep_epochs: bool = False,
        checkpoint_seconds: float = 30.0,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r}: choose one of {', '.join(PRECISIONS)}")
        if logger not in ("csv", "tensorboard", None):
            raise ValueError(f"logger={logger!r}: choose 'csv', 'tensorboard' or None")
        if run_dir is None and (keep_epochs or logger == "tensorboard"):
            raise ValueError("keep_epochs and logger='tensorboard' write files: give a run_dir")
        from lightning.fabric import Fabric  # seconds to import: not for those who only describe a system

        devices, num_nodes = devices_and_nodes(devices, num_nodes)
        self.fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=num_nodes,
                             precision="16-mixed" if precision == "16-mixed" else "32-true")  # fmt: skip
        if not torch.cuda.is_available():
            # Set by lightning, it makes torch look for a driver library at every optimiser step: 0.2 ms each.
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        self.device = self.fabric.device
        self.precision = precision
        if precision == "auto":
            self.precision = "bf16-mixed" if _native_bfloat16(self.device) else "32-true"
        self.seed, self.gradient_clip = seed, gradient_clip
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.logger, self.progress, self.keep_epochs = logger, progress, keep_epochs
        self.checkpoint_seconds, self.callbacks = checkpoint_seconds, tuple(callbacks)
        self.history = History()
        self.best_epochs: dict[str, int] = {}
        self._flush_every = 1 if self.device.type == "cpu" else FLUSH_EVERY

    def run(self, stages: Sequence[Stage], *, signature: str = "") -> History:
        """Train all stages in order; afterwards their modules are trained, in eval mode, on :attr:`device`.

        Parameters
        ----------
        stages : see :class:`Stage`.
        signature : anything that tells this run from another one in the same `run_dir` (a digest of data and
            arguments); a checkpoint with another signature is refused.

        Raises
        ------
        TrainingDiverged, ValueError, OSError
            One line each: a term went NaN; stages that contradict themselves or the checkpoint; a full disk.
        """
        stages = list(stages)
        modules = check_stages(stages)
        self.fabric.launch()
        self.history, self.best_epochs = History(), {}
        self._tensorboard = _tensorboard(self.run_dir, self.fabric) if self.logger == "tensorboard" else None
        self._all, self._stages, self._last_write = modules, stages, time.monotonic()
        self._signature = run_signature(stages, self.seed, self.gradient_clip, signature)
        for module in modules.values():
            module.to(self.device)
        with seeded(self.seed):
            first, tensors, numbers = self._read_checkpoint()
            for index in range(first, len(stages)):
                _StageRun(self, index, tensors, numbers).run()
                tensors, numbers = {}, {}
        for module in modules.values():
            module.eval()
        if self._tensorboard is not None:
            self._tensorboard.finalize("success")
        self.fabric.barrier()
        return self.history

    # Checkpoints: one file, replaced whole.

    @property
    def checkpoint_path(self) -> Path | None:
        """Where the run's checkpoint lies, or None without a `run_dir`."""
        return None if self.run_dir is None else self.run_dir / "checkpoint.safetensors"

    def _write_checkpoint(self, stage: int, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        path = self.checkpoint_path
        if path is None or self.fabric.global_rank:
            return
        weights = checkpoints.module_tensors(self._all)
        measured, rest = self.history.state()
        own = {"signature": self._signature, "stage": stage, "history": rest, "best_epochs": self.best_epochs}
        everything = {**_under("weights/", weights), **_under("history/", measured), **tensors}
        checkpoints.save_tensors(path, everything, {**own, **numbers})
        if self.logger is not None:
            self.history.write_csv(path.with_name("history.csv"))
        self._last_write = time.monotonic()

    def _read_checkpoint(self) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
        """Put weights and history back; (stage to go on with, tensors, numbers) or (0, {}, {})."""
        path = self.checkpoint_path
        if path is None or not path.is_file():
            return 0, {}, {}
        tensors, numbers = checkpoints.load_tensors(path)
        theirs = numbers.get("signature", {})
        for key, ours in self._signature.items():
            if theirs.get(key) != ours:
                what = f"{key} {short(theirs.get(key))} there, {short(ours)} now"
                raise ValueError(f"{path} is from other arguments ({what}): choose another run_dir or delete it")
        checkpoints.put_module_tensors(self._all, _below("weights/", tensors), path)
        self.history.load_state(_below("history/", tensors), numbers["history"])
        self.best_epochs = dict(numbers["best_epochs"])
        return int(numbers["stage"]), tensors, numbers


class _StageRun:
    """One stage from its first (or resumed) epoch to its end."""

    def __init__(self, trainer: Trainer, index: int, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        self.trainer, self.index, self.stage = trainer, index, trainer._stages[index]
        self.fabric, self.history, self.device = trainer.fabric, trainer.history, trainer.device
        self.modules = Modules(**self.stage.modules)
        frozen = {id(p) for name in self.stage.frozen for p in self.stage.modules[name].parameters()}
        every = {id(p): p for module in self.stage.modules.values() for p in module.parameters() if p.requires_grad}
        self.stilled = [parameter for key, parameter in every.items() if key in frozen]
        self.trainable = [parameter for key, parameter in every.items() if key not in frozen]
        if self.fabric.world_size > 1:
            self._join_processes()
        self.phases = [LivePhase(phase, self.stage, self.trainable, self.fabric) for phase in self.stage.phases]
        alone = self.fabric.world_size > 1
        self.fused = None if alone else fused.member(self.stage, self.trainable, self._autocast, trainer.precision)
        self.generator = torch.Generator(self.device)
        self.step = self.epoch = 0
        self.best_score, self.best = -math.inf, dict[str, Tensor]()
        self.pending: list[tuple[int, Phase, dict[str, Tensor], int]] = []
        if "epoch" in numbers:
            self._resume(tensors, numbers)
        else:
            self.history.begin_stage()
            if self.stage.start is not None:
                self.stage.start()

    def run(self) -> None:
        stage, first = self.stage, self.epoch
        try:
            for parameter in self.stilled:
                parameter.requires_grad_(False)
            shown = self.trainer.progress and not self.fabric.global_rank
            lines = bool(told_name()) and not self.fabric.global_rank
            with Bar(stage.name, None, self.step, shown, every=progress.EVERY, lines=lines) as self.bar:
                for self.epoch in range(first + 1, stage.epochs + 1):
                    self._run_epoch()
                    self._end_epoch()
            if self.best:
                checkpoints.put_module_tensors(stage.modules, self.best, "the best epoch")
            self.trainer._write_checkpoint(self.index + 1, {}, {})
        finally:
            for parameter in (*self.trainable, *self.stilled):
                parameter.requires_grad_(True)
                parameter.grad = None

    def _run_epoch(self) -> None:
        stage = self.stage
        seed = derived_seed(self.trainer.seed, self.index, self.epoch, self.fabric.global_rank)
        seed_everything(seed)
        self.generator.manual_seed(seed)
        for module in stage.modules.values():
            module.train()
        for name in stage.frozen:
            stage.modules[name].eval()
        batches = stage.batches(self.epoch - 1)
        steps = len(batches) if isinstance(batches, Sized) else None
        total = None if steps is None else self.step + steps * (stage.epochs - self.epoch + 1)
        name = f"{told_name()}: {stage.name}" if told_name() else stage.name
        self.bar.update(total=total, what=f"{name}, epoch {self.epoch}/{stage.epochs}, step")
        for live in self.phases:
            live.weights = live.phase.weights_in(self.epoch - 1)
        before = self.step
        ahead = prefetched if self.device.type == "cuda" else _plain
        with contextlib.closing(ahead(batches)) as source:
            for batch in source:
                self.step += 1
                self._run_step({k: tensor.to(self.device, non_blocking=True) for k, tensor in batch.items()})
        if self.step == before:
            raise ValueError(f"stage {stage.name!r}: epoch {self.epoch} has no batches")
        self._flush()

    def _run_step(self, batch: Batch) -> None:
        rows = len(next(iter(batch.values()))) if batch else 1
        due = [live for live in self.phases if live.due()]
        if self.fused is not None:
            self.fused.begin_step()
        if self.stage.prepare is not None:
            self._require_gradients(set().union(*(live.ids for live in due)))
            batch = self._prepare(self.stage.prepare, batch)
        for live in due:
            self._require_gradients(live.ids)
            self._run_phase(live, batch, rows)
        if self.step % self.trainer._flush_every == 0:
            self._flush()

    def _prepare(self, prepare: Callable[[Modules, Batch, torch.Generator], Batch], batch: Batch) -> Batch:
        with self._autocast():
            if self.fused is None or not isinstance(prepare, DrawThenForward):
                return prepare(self.modules, batch, self.generator)
            batch = prepare.draw(self.modules, batch, self.generator)
            made = self.fused.forward(prepare.forward, batch)
            return prepare.forward(self.modules, batch) if made is None else made

    def _gradients(self, live: LivePhase, batch: Batch) -> dict[str, Tensor]:
        """Put the phase's gradients into its parameters; its terms."""
        if self.fused is not None and (found := self.fused.phase(live, batch)) is not None:
            return found
        with self._autocast():
            terms = live.phase.terms(self.modules, batch)
        self.fabric.backward(loss_of(live.phase, terms, live.weights))
        return {name: term.detach() for name, term in terms.items()}

    def _run_phase(self, live: LivePhase, batch: Batch, rows: int) -> None:
        phase = live.phase
        live.raw.zero_grad(set_to_none=True)
        self.pending.append((self.step, phase, self._gradients(live, batch), rows))
        if self.fabric.world_size > 1:
            average_gradients(live.parameters, rows)
        if self.trainer.gradient_clip is not None:
            self.fabric.strategy.precision.unscale_gradients(live.raw)
            nn.utils.clip_grad_norm_(live.parameters, self.trainer.gradient_clip)
        live.optimizer.step()
        if phase.after_step is not None:
            with torch.no_grad():
                phase.after_step(self.modules, batch, all_reduce_sum)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.trainer.precision == "32-true":
            return contextlib.nullcontext()
        kind = torch.bfloat16 if self.trainer.precision == "bf16-mixed" else torch.float16
        # No cache of cast weights: one made under no_grad would cut the graph of the block's next forward.
        return torch.autocast(self.device.type, dtype=kind, cache_enabled=False)

    def _require_gradients(self, wanted: set[int]) -> None:
        for parameter in self.trainable:
            if parameter.requires_grad != (id(parameter) in wanted):
                parameter.requires_grad_(not parameter.requires_grad)

    def _flush(self) -> None:
        """Bring the waiting values to the CPU in one transfer, check and keep them, ask `every` functions."""
        pending, self.pending = self.pending, []
        if not pending:
            return
        values = iter(self._read([(value, rows) for _, _, terms, rows in pending for value in terms.values()]))
        weights = {live.phase.name: live.weights for live in self.phases}
        losses: dict[str, float] = {}
        for step, phase, terms, _ in pending:
            losses[phase.name] = 0.0
            for name in terms:
                value = next(values)
                if weight := weights[phase.name].get(name):
                    losses[phase.name] += weight * value
                if not math.isfinite(value) and phase.weights.get(name):
                    self._diverged(f"term {name!r} of phase {phase.name!r} is {value} at step {step}")
                self.history.add(self.stage.name, self.epoch, step, phase.name, name, value)
                self._tensorboard(phase.name, name, value, step)
        for live in self.phases:
            live.ask_every(self.history)
        self.bar.update(self.step, name="loss " + ", ".join(f"{name} {loss:.3g}" for name, loss in losses.items()))

    def _read(self, values: list[tuple[Tensor, int]]) -> list[float]:
        """Scalars as numbers, averaged over processes by their rows."""
        if self.device.type == "cpu" and self.fabric.world_size == 1:
            return [value.item() for value, _ in values]
        flat = torch.stack([value.to(self.device, torch.float32) for value, _ in values])
        if self.fabric.world_size > 1:
            weights = flat.new_tensor([rows for _, rows in values])
            total, weight = all_reduce_sum(torch.stack([flat * weights, weights]))
            flat = total / weight
        return flat.tolist()

    def _tensorboard(self, phase: str, term: str, value: float, step: int) -> None:
        if self.trainer._tensorboard is not None:
            self.trainer._tensorboard.log_metrics({f"{self.stage.name}/{phase}/{term}": value}, step)

    def _diverged(self, what: str) -> None:
        path = self.trainer.checkpoint_path
        good = str(path) if path is not None and path.is_file() else "none was written"
        raise TrainingDiverged(
            f"training diverged: {what} (stage {self.stage.name!r}, epoch {self.epoch});"
            f" last good checkpoint: {good}; lower the learning rate or set gradient_clip"
        )

    def _end_epoch(self) -> None:
        trainer, stage = self.trainer, self.stage
        if self.fabric.world_size > 1:
            average_statistics(stage.modules.values())
        if (name := checkpoints.first_non_finite(stage.modules)) is not None:
            self._diverged(f"weight {name} is not finite after step {self.step}")
        rows = [(live.phase.name, "learning_rate", float(group["lr"])) for live in self.phases
                for group in live.raw.param_groups[:1]]  # fmt: skip
        if stage.validate is not None:
            score = self._validate(stage.validate)
            rows.append(("validation", "score", score))
            if score > self.best_score:
                self.best_score, self.best = score, checkpoints.snapshot(stage.modules)
                trainer.best_epochs[stage.name] = self.epoch
        closed = self.history.end_epoch(stage.name, self.epoch, self.step, rows)
        for phase, term, value in rows:
            self._tensorboard(phase, term, value, self.step)
        for live in self.phases:
            live.step_schedule()
        if trainer.keep_epochs and not self.fabric.global_rank and trainer.run_dir is not None:
            number = sum(other.epochs for other in trainer._stages[: self.index]) + self.epoch
            numbers = {"stage": stage.name, "epoch": self.epoch}
            checkpoints.save_modules(
                trainer.run_dir / "epochs" / f"epoch-{number:03d}.safetensors", trainer._all, numbers
            )
        waited = time.monotonic() - trainer._last_write >= trainer.checkpoint_seconds
        if waited and self.epoch < stage.epochs:  # the end of the stage writes its own
            trainer._write_checkpoint(self.index, *self._state())
        for callback in trainer.callbacks:
            callback.on_epoch_end(closed)

    def _validate(self, validate: Callable[[], float]) -> float:
        for module in self.stage.modules.values():
            module.eval()
        with torch.no_grad():
            score = float(validate())
        if self.fabric.world_size > 1:
            score = float(self.fabric.broadcast(score))
        if math.isnan(score):
            self._diverged("the validation score is nan")
        return score

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = _under("best/", self.best)
        optimizers: dict[str, Any] = {}
        for live in self.phases:
            state, rest = checkpoints.optimizer_state(live.raw, f"optimizer/{live.phase.name}/")
            tensors.update(state)
            optimizers[live.phase.name] = {**rest, "every": live.every, "waited": live.waited}
        scaler = self.fabric.strategy.precision.state_dict()
        return tensors, {"epoch": self.epoch, "step": self.step, "best_score": self.best_score,
                         "optimizers": optimizers, "scaler": scaler}  # fmt: skip

    def _resume(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        self.epoch, self.step, self.best_score = numbers["epoch"], numbers["step"], numbers["best_score"]
        self.best = _below("best/", tensors)
        for live in self.phases:
            rest = numbers["optimizers"][live.phase.name]
            for _ in range(self.epoch):  # schedules count epochs; what they did to the rate is loaded below
                live.step_schedule()
            checkpoints.put_optimizer_state(live.raw, f"optimizer/{live.phase.name}/", tensors, rest)
            live.every, live.waited = rest["every"], rest["waited"]
        self.fabric.strategy.precision.load_state_dict(numbers["scaler"])

    def _join_processes(self) -> None:
        """All processes start from the first one's weights; on GPUs batch norm sees the global batch."""
        for name, module in self.stage.modules.items():
            if self.device.type == "cuda" and name not in self.stage.frozen:
                nn.SyncBatchNorm.convert_sync_batchnorm(module)
        for tensor in checkpoints.module_tensors(self.stage.modules).values():
            torch.distributed.broadcast(tensor, src=0)


def _native_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32: on older devices it is emulated, and slower by far."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch cannot tell
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _plain(batches: Iterable[Batch]) -> Generator[Batch, None, None]:
    yield from batches


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _tensorboard(run_dir: Path | None, fabric: Fabric) -> Any:
    if fabric.global_rank:
        return None
    try:
        from lightning.fabric.loggers import TensorBoardLogger

        return TensorBoardLogger(root_dir=str(run_dir), name="tensorboard", version="")
    except ModuleNotFoundError as error:
        raise ValueError("logger='tensorboard' needs the package tensorboard: pip install tensorboard") from error
