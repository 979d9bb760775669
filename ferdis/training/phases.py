"""What a training step consists of: phases, and the stages they belong to. ``ferdis.training.trainer`` runs them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from ferdis.training.batches import Batch
from ferdis.training.history import History

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Modules(SimpleNamespace):
    """The stage's modules by name: ``modules.generator(x)``."""


@dataclass(frozen=True)
class Phase:
    """One optimiser's part of a training step.

    Attributes
    ----------
    name : as it appears in the history; no ``/``.
    updates : names in ``Stage.modules`` that this phase's optimiser steps. Nothing else requires gradients
        meanwhile.
    terms : ``(modules, batch) -> {name: scalar}``, unweighted, run under autocast: compute losses with
        functions that go back to float32 (``ferdis.losses``, or :func:`in_float32`). It may leave tensors in
        `batch` for `after_step` and for later phases of the step.
    weights : loss = sum of ``weights[k] * terms[k]``. A term without a weight is only logged and may be NaN
        ("nothing to measure in this step"); a weight of 0 keeps the term out of the gradient. A function gives
        the weight of each epoch, counted from 0.
    optimizer : parameters -> optimiser, e.g. ``partial(torch.optim.Adam, lr=1e-4)``.
    schedule : optimiser -> learning-rate schedule, stepped once an epoch.
    every : run at every `every`-th step, first at the first. A function of the :class:`History` is asked
        again whenever values arrive (see :meth:`History.mean`):
        ``lambda history: 4 if history.mean("discriminator/real_accuracy", last=100) > 0.9 else 1``.
    after_step : ``(modules, batch, all_reduce_sum)``, without gradients, after the optimiser's step: class
        centres, image pools. ``all_reduce_sum(tensor)`` returns the sum over processes. State that must
        survive a resume belongs into buffers of a module of the stage.
    """

    name: str
    updates: tuple[str, ...]
    terms: Callable[[Modules, Batch], dict[str, Tensor]]
    weights: Mapping[str, float | Callable[[int], float]]
    optimizer: Callable[[Iterable[Parameter]], Optimizer]
    schedule: Callable[[Optimizer], LRScheduler] | None = None
    every: int | Callable[[History], int] = 1
    after_step: Callable[[Modules, Batch, Callable[[Tensor], Tensor]], None] | None = None

    def weights_in(self, epoch: int) -> dict[str, float]:
        """The weights of one epoch, counted from 0."""
        return {name: float(some(epoch) if callable(some) else some) for name, some in self.weights.items()}


@dataclass(frozen=True)
class DrawThenForward:
    """A :attr:`Stage.prepare` in two parts: first all that draws from the generator, then forwards.

    Trainings that advance together (:mod:`ferdis.training.fused`) draw apart, and share the forwards.

    Attributes
    ----------
    draw : ``(modules, batch, generator) -> batch``.
    forward : ``(modules, batch) -> batch``.
    """

    draw: Callable[[Modules, Batch, torch.Generator], Batch]
    forward: Callable[[Modules, Batch], Batch]

    def __call__(self, modules: Modules, batch: Batch, generator: torch.Generator) -> Batch:
        """Both, one after the other."""
        return self.forward(modules, self.draw(modules, batch, generator))


@dataclass(frozen=True)
class Stage:
    """Modules that are trained together for some epochs.

    Attributes
    ----------
    name : as it appears in the history; no ``/``.
    modules : name -> module, whatever the phases need; a name means one module in all stages of a run.
    phases : run in this order in every step. A phase that uses a result of `prepare` with its graph must not
        come after one that updates the modules of that graph, and only one phase may go backward through it.
    epochs : how many.
    batches : epoch (from 0) -> batches of CPU tensors, a function of (seed, epoch) alone: on an accelerator a
        thread draws them, so the global random state is not for it. See :class:`~ferdis.training.batches.ArrayBatches`.
    prepare : ``(modules, batch, generator) -> batch``, once a step, on the device, under autocast. Parameters
        require gradients if a phase of this step updates them. `generator` lives on the device. A
        :class:`DrawThenForward` says which part of it draws.
    frozen : module names that stay in eval mode without gradients; their buffers keep every bit.
    validate : () -> score, higher is better; after each epoch, modules in eval mode, no gradients, on every
        process. The weights of the best epoch (the first of equals) are put back at the stage's end.
    start : called once, before the first epoch, when the stages before it are trained; not where a run resumes
        inside it.
    """

    name: str
    modules: dict[str, nn.Module]
    phases: Sequence[Phase]
    epochs: int
    batches: Callable[[int], Iterable[Batch]]
    prepare: Callable[[Modules, Batch, torch.Generator], Batch] | None = None
    frozen: tuple[str, ...] = ()
    validate: Callable[[], float] | None = None
    start: Callable[[], None] | None = None


class LivePhase:
    """A phase at work: its parameters, optimiser and schedule, and the steps since it last ran."""

    def __init__(self, phase: Phase, stage: Stage, trainable: Sequence[Parameter], fabric: Fabric) -> None:
        allowed = {id(parameter) for parameter in trainable}
        found = {id(p): p for name in phase.updates for p in stage.modules[name].parameters() if id(p) in allowed}
        if not found:
            raise ValueError(f"phase {phase.name!r} updates {phase.updates}, which hold no trainable parameter")
        self.phase = phase
        self.ids = set(found)
        self.parameters = list(found.values())
        raw = phase.optimizer(self.parameters)
        self.schedule = phase.schedule(raw) if phase.schedule else None
        self.raw: Optimizer = raw
        self.optimizer: Any = fabric.setup_optimizers(raw)
        self.every = phase.every if isinstance(phase.every, int) else 1
        self.waited: int | None = None  # None: has not run yet
        self.weights: dict[str, float] = {}  # of the epoch

    def due(self) -> bool:
        """Whether the phase runs in this step; asked once a step."""
        self.waited = self.every if self.waited is None else self.waited + 1
        if self.waited < self.every:
            return False
        self.waited = 0
        return True

    def ask_every(self, history: History) -> None:
        """How often it runs from now on, where a function of the history says so."""
        if callable(self.phase.every):
            self.every = self.phase.every(history)
            if not isinstance(self.every, int) or self.every < 1:
                raise ValueError(f"phase {self.phase.name!r}: every() gave {self.every!r}, not an integer >= 1")

    def step_schedule(self) -> None:
        """Move the learning rate on by an epoch."""
        if self.schedule is not None:
            with warnings.catch_warnings():  # torch warns of a phase that had no step in an epoch
                warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
                self.schedule.step()


def weighted_sum(phase: Phase, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The loss: the sum of ``weights[k] * terms[k]``, a scalar in float32."""
    for name, term in terms.items():
        if term.ndim:
            raise ValueError(f"phase {phase.name!r}: term {name!r} has shape {tuple(term.shape)}, a scalar is needed")
    weighted = {name: weight for name, weight in weights.items() if weight}
    if missing := weighted.keys() - terms.keys():
        raise ValueError(f"phase {phase.name!r} weighs {sorted(missing)}, but its terms are {sorted(terms)}")
    if not weighted:
        raise ValueError(f"phase {phase.name!r} has no term with a weight: nothing to minimise")
    first, *others = (
        terms[name].float() * weight if weight != 1 else terms[name].float() for name, weight in weighted.items()
    )
    return sum(others, start=first)


def loss_of(phase: Phase, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """:func:`weighted_sum`, where it has a gradient."""
    loss = weighted_sum(phase, terms, weights)
    if not loss.requires_grad:
        raise ValueError(f"phase {phase.name!r}: its loss depends on no parameter of {phase.updates}")
    return loss


def linear_decay_second_half(epochs: int) -> Callable[[Optimizer], LRScheduler]:
    """For :attr:`Phase.schedule`: a learning rate that falls to 0 over the second half of so many epochs."""
    return partial(LambdaLR, lr_lambda=lambda done: min(1.0, 2 * (1 - done / epochs)))


def check_stages(stages: Sequence[Stage]) -> dict[str, nn.Module]:
    """All modules by name; the first contradiction in the stages is an error."""
    modules: dict[str, nn.Module] = {}
    names = [stage.name for stage in stages]
    if not stages or len(set(names)) != len(names):
        raise ValueError(f"stages need distinct names and at least one of them, got {names}")
    for stage in stages:
        phases = [phase.name for phase in stage.phases]
        if not phases or len(set(phases)) != len(phases) or any("/" in name for name in [stage.name, *phases]):
            raise ValueError(f"stage {stage.name!r} needs phases with distinct names without '/', got {phases}")
        if stage.epochs < 1:
            raise ValueError(f"stage {stage.name!r}: epochs={stage.epochs}, must be at least 1")
        for name, module in stage.modules.items():
            if modules.setdefault(name, module) is not module:
                raise ValueError(f"module name {name!r} means two modules in different stages: rename one")
        for used in [*stage.frozen, *(name for phase in stage.phases for name in phase.updates)]:
            if used not in stage.modules:
                raise ValueError(f"stage {stage.name!r} has no module {used!r}, only {sorted(stage.modules)}")
    return modules


def run_signature(stages: Sequence[Stage], seed: int, gradient_clip: float | None, extra: str) -> dict[str, Any]:
    """What must agree between a checkpoint and the run that resumes from it, as JSON gives it back."""
    return {
        "seed": seed,
        "gradient_clip": gradient_clip,
        "arguments": extra,
        "stages": [[stage.name, stage.epochs] for stage in stages],
        "phases": [
            [phase.name, phase.weights_in(0), phase.weights_in(stage.epochs - 1)]
            for stage in stages
            for phase in stage.phases
        ],
    }
