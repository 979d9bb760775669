"""What the tests of wiring share: faces that say which they are, a fit that is watched, layers in the order of use.

A coded face tells its row by its red (:func:`rows_of`) and its view by its green and blue, which are ramps of x and y:
a test reads from any tensor *whose* it is and *how it was cropped and turned*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems import base
from ferdis.training import Batch, Modules, Phase, Stage
from ferdis.training.history import History

NAMES = ("anger", "fear", "neutral")
FIRST, STEP = 10, 6  # red of the first row, and from row to row


def coded(n: int = 24, size: int = 36, people: int = 4, first: int = 0, **attrs: Any) -> Faces:
    """Coded faces, rows from ``first`` on: three classes in turn, so many people, action units of each row's own."""
    rows = np.arange(first, first + n)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    images = np.empty((n, size, size, 3), np.uint8)
    images[..., 0] = (FIRST + STEP * rows)[:, None, None]
    images[..., 1], images[..., 2] = x * (250 // size), y * (250 // size)
    table = pd.DataFrame(
        {"expression": [NAMES[k % 3] for k in rows], "subject": [f"t/{k // 3 % people}" for k in rows]}
    )
    action_units = pd.DataFrame((rows[:, None] + np.arange(len(AU_COLUMNS))) * 1.3 % 5, columns=list(AU_COLUMNS))
    return Faces(images, table.join(action_units), {"posed": True, **attrs})


def rows_of(images: Tensor) -> np.ndarray:
    """Which rows coded images (n, 3, S, S) in [-1, 1] are; of an average the mean of its rows."""
    red = (images[:, 0].double().mean((1, 2)) + 1) * 127.5
    return ((red - FIRST) / STEP).numpy().round(3)


def same_view(one: Tensor, other: Tensor) -> np.ndarray:
    """Which coded images (n, 3, S, S) were cropped, turned and mirrored alike."""
    return ((one[:, 1:] - other[:, 1:]).abs().amax((1, 2, 3)) < 1e-4).numpy()


def awake(modules: Iterable[nn.Module], seed: int = 0) -> None:
    """Give what starts at zero (gains, biases, centres) a value, so that nothing passes unnoticed."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in modules:
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
                if name == "known":
                    tensor.fill_(True)
                elif tensor.is_floating_point() and not tensor.any() and not name.endswith(("faces", "labels")):
                    tensor.copy_(0.3 * torch.randn(tensor.shape, generator=random))


@torch.no_grad()
def enlarge(module: nn.Module) -> None:
    """Make weights that start at N(0, 0.02) larger: through five such layers hardly anything of a face is left."""
    for weight in module.parameters():
        if weight.ndim > 1 and 0 < weight.std() < 0.03:
            weight.mul_(5)


def prepared(system: Any, data: Faces, stage: str | None = None, **stubs: Any) -> tuple[Stage, Modules, Batch]:
    """A stage (the last one, or the named one) of an untrained system, its modules or their stubs, a prepared batch."""
    with pytest.MonkeyPatch.context() as patch:
        watch = watched(patch)
        system.fit(data)
    found = [one for one in watch.stages if stage in (None, one.name)][-1]
    modules = {**found.modules, **stubs}
    awake(module for module in modules.values() if isinstance(module, nn.Module))
    batch = next(iter(found.batches(0)))
    torch.manual_seed(1)
    return found, Modules(**modules), found.prepare(Modules(**modules), batch, torch.Generator().manual_seed(1))


def phase_of(stage: Stage, name: str) -> Phase:
    """A phase by its name."""
    return next(phase for phase in stage.phases if phase.name == name)


# ------------------------------------------------------------------------------------------------- a watched fit


class Watch:
    """In the trainer's place: keeps the stages and what the trainer was given, and measures a step of each stage."""

    def __init__(self, measure: bool) -> None:
        self.measure, self.seen, self.stages, self.history = measure, dict[str, Any](), list[Stage](), History()

    def __call__(self, **arguments: Any) -> Watch:
        """The trainer's constructor."""
        self.seen.update({f"trainer.{name}": value for name, value in arguments.items()})
        return self

    def run(self, stages: list[Stage], *, signature: str) -> None:
        """The trainer's method; nothing is trained."""
        self.stages += stages
        for module in (module for stage in stages for module in stage.modules.values()):
            if self.measure:
                self.seen.setdefault(f"shapes.{type(module).__name__}", [tuple(p.shape) for p in module.parameters()])
        for stage in stages if self.measure else ():
            self.seen.update({f"{stage.name}.{name}": value for name, value in stage_seen(stage).items()})
        for module in (module for stage in stages for module in stage.modules.values()):
            module.eval()
            if self.measure:
                enlarge(module)


def watched(patch: pytest.MonkeyPatch, measure: bool = False) -> Watch:
    """Put a :class:`Watch` in the place of every estimator's trainer."""
    watch = Watch(measure)
    patch.setattr(base, "Trainer", watch)
    patch.setattr("ferdis.training.shared.Trainer", watch)
    return watch


def stage_seen(stage: Stage) -> dict[str, Any]:
    """All that can be seen of a stage from outside, without a step of an optimiser."""
    epoch = stage.batches(0)
    batch = next(iter(epoch))
    awake(stage.modules.values())
    seen: dict[str, Any] = {
        "epochs": stage.epochs,
        "modules": tuple(stage.modules),
        "frozen": stage.frozen,
        "steps": len(epoch),
        "rows": len(next(iter(batch.values()))),
        "initial": [digest(p) for module in stage.modules.values() for p in module.parameters()],
    }
    seen |= {f"drawn.{name}": digest(tensor) for name, tensor in batch.items()}
    for name, module in stage.modules.items():
        module.train(name not in stage.frozen)
    torch.manual_seed(3)
    modules = Modules(**stage.modules)
    if stage.prepare is not None:
        batch = stage.prepare(modules, batch, torch.Generator().manual_seed(3))
        seen |= {f"prepared.{name}": digest(tensor) for name, tensor in batch.items()}
    for phase in stage.phases:
        seen |= {f"{phase.name}.{name}": value for name, value in phase_seen(phase, stage, modules, batch).items()}
    return seen


def phase_seen(phase: Phase, stage: Stage, modules: Modules, batch: Batch) -> dict[str, Any]:
    """Of a phase: its parameters, optimiser, rates by epoch, how often, weights, terms."""
    optimizer = phase.optimizer([nn.Parameter(torch.zeros(1))])
    group = optimizer.param_groups[0]
    schedule, rates = phase.schedule(optimizer) if phase.schedule else None, []
    for _ in range(stage.epochs):
        rates.append(round(float(group["lr"]), 12))
        optimizer.step()
        if schedule is not None:
            schedule.step()
    every = phase.every
    seen = {
        "updates": phase.updates,
        "optimizer": type(optimizer).__name__,
        "rates": rates,
        "betas": tuple(group["betas"]),
        "weight_decay": group["weight_decay"],
        "every": [every(accurate(value)) if callable(every) else every for value in (0.5, 0.85, 0.95)],
    }
    for name in phase.weights:
        seen[f"weight.{name}"] = [phase.weights_in(epoch)[name] for epoch in (0, stage.epochs - 1)]
    torch.manual_seed(4)
    for name, term in phase.terms(modules, batch).items():
        seen[f"term.{name}"] = digest(term)
    if phase.after_step is not None:
        with torch.no_grad():
            before = {name: digest(tensor) for name, tensor in buffers(stage.modules).items()}
            phase.after_step(modules, batch, lambda tensor: tensor)
            after = {name: digest(tensor) for name, tensor in buffers(stage.modules).items()}
        seen["moved"] = {name: value for name, value in after.items() if value != before[name]}
    return seen


def accurate(value: float) -> History:
    """A history in which D named so many of 100 steps' images right."""
    history = History()
    for step in range(1, 101):
        for name in ("real_accuracy", "fake_accuracy"):
            history.add("any", 1, step, "discriminator", name, value)
    return history


def buffers(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All buffers by module and name."""
    return {f"{key}.{name}": tensor for key, module in modules.items() for name, tensor in module.named_buffers()}


def digest(tensor: Tensor) -> tuple[Any, ...]:
    """Shape, and a number that depends on every value and its place."""
    flat = tensor.detach().double().nan_to_num(-7.0).flatten()
    return (*tensor.shape, round(float((flat * torch.arange(1.0, len(flat) + 1).sin()).sum()), 5))


# ------------------------------------------------------------------------------------------- networks and losses


def layers(network: nn.Module, *inputs: Tensor, **keywords: Any) -> list[str]:
    """The innermost modules in the order in which they are used, with the shape of what they give (without rows)."""
    seen: list[str] = []

    def note(module: nn.Module, _: Any, out: Any) -> None:
        out = out[0] if isinstance(out, tuple) else out
        seen.append(f"{describe(module)} -> {'x'.join(map(str, out.shape[1:]))}")

    leaves = [module for module in network.modules() if not list(module.children())]
    handles = [module.register_forward_hook(note) for module in leaves]
    network(*inputs, **keywords)
    for handle in handles:
        handle.remove()
    return seen


def describe(layer: nn.Module) -> str:
    """``Conv2d 3>64 4x4/2`` and the like."""
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        return f"{name} {layer.in_channels}>{layer.out_channels} {kernel}x{kernel}/{stride}"
    if isinstance(layer, nn.Linear):
        return f"{name} {layer.in_features}>{layer.out_features}"
    if isinstance(layer, nn.LeakyReLU):
        return f"{name} {layer.negative_slope}"
    if isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d):
        return f"{name}{' affine' if layer.affine else ''}"
    return f"{name} {layer.p}" if isinstance(layer, nn.Dropout) else name


def gradients(loss: Tensor, modules: Modules) -> dict[str, Tensor]:
    """Of the loss, by module and parameter; zeros where it does not reach."""
    named = {
        f"{key}.{name}": parameter
        for key, module in vars(modules).items()
        if isinstance(module, nn.Module)
        for name, parameter in module.named_parameters()
    }
    found = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    return {
        name: torch.zeros_like(named[name]) if gradient is None else gradient
        for name, gradient in zip(named, found, strict=True)
    }


def assert_same_terms(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], modules: Modules) -> None:
    """Each term has the expected value, and its gradient reaches what it should as it should."""
    missing = set(expected) - set(found)
    assert not missing, f"no term {missing}"
    for name, wanted in expected.items():
        torch.testing.assert_close(found[name], wanted, rtol=1e-4, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")
        ours, theirs = gradients(found[name], modules), gradients(wanted, modules)
        largest: dict[str, float] = {}
        for key, gradient in theirs.items():  # of a whole network: a bias before a norm has rounding errors alone
            network = key.split(".")[0]
            largest[network] = max(largest.get(network, 1e-9), float(gradient.abs().max()))
        for key, gradient in theirs.items():
            scale, distance = largest[key.split(".")[0]], float((ours[key] - gradient).abs().max())
            assert distance < 2e-3 * scale, f"gradient of {name} in {key} is off by {distance:.2g} of {scale:.2g}"


def spied(patch: pytest.MonkeyPatch, module: Any, name: str) -> list[tuple[Any, ...]]:
    """What a function of a module is called with, from now on: positional arguments, then keywords' values."""
    calls: list[tuple[Any, ...]] = []
    real: Callable[..., Any] = getattr(module, name)

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append((*args, *kwargs.values()))
        return real(*args, **kwargs)

    patch.setattr(module, name, spy)
    return calls


def softplus(value: Tensor) -> Tensor:
    """log(1 + e^x), in the plain way."""
    return (1 + value.double().exp()).log().to(value.dtype)


def double(*shape: int, seed: int = 0) -> Tensor:
    """Seeded normal numbers in double precision, of which gradients are asked."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def nearly(value: Any) -> Any:
    """``pytest.approx`` for numbers and flat lists of them, anything else as it is."""
    numbers = value if isinstance(value, list | tuple) else [value]
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in numbers)
    return pytest.approx(value) if plain else value
