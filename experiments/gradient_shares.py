"""How hard each term of a loss pulls: norms of the weighted terms' gradients during a training.

python experiments/gradient_shares.py --system relgan --steps 1 50 200 400
python experiments/gradient_shares.py --system ifgan --paper --batch_size 6 --steps 1 4 --image_size 256

A paper prints weights, and leaves open whether a term is a mean or a sum: what a weight means is the share of the
gradient that its term has. A training is run as it always is, on synthetic people; at the steps asked for, each term is
differentiated alone, by the parameters of each network that its phase updates. A term's share is its norm divided by
the sum of all terms' norms in that network.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd
import torch
import yaml
from torch import Tensor, nn

from ferdis import IFGAN, RELGAN, BaselineCNN, ResNetClassifier, load
from ferdis.systems.base import TrainingSet
from ferdis.training import Batch, Modules, Phase, Stage

SYSTEMS: dict[str, type[Any]] = {"ifgan": IFGAN, "relgan": RELGAN, "resnet": ResNetClassifier, "cnn": BaselineCNN}


class Enough(Exception):
    """The last step asked for was measured."""


class Measured:
    """In the place of a phase's ``terms``: measures their gradients at some steps, and hands the terms on."""

    def __init__(self, phase: Phase, steps: Sequence[int], rows: list[dict[str, Any]]) -> None:
        self.phase, self.steps, self.rows, self.step = phase, steps, rows, 0

    def __call__(self, modules: Modules, batch: Batch) -> dict[str, Tensor]:
        """The phase's terms."""
        self.step += 1
        if self.step > max(self.steps):
            raise Enough
        terms = self.phase.terms(modules, batch)
        if self.step in self.steps:
            for network in self.phase.updates:
                self._measure(network, getattr(modules, network), terms)
        return terms

    def _measure(self, network: str, module: nn.Module, terms: dict[str, Tensor]) -> None:
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        norms, weights = {}, self.phase.weights_in(0)
        for name, weight in weights.items():
            found = torch.autograd.grad(terms[name], parameters, retain_graph=True, allow_unused=True)
            norms[name] = weight * sum(float(g.float().square().sum()) for g in found if g is not None) ** 0.5
        total = sum(norms.values()) or 1.0
        for name, norm in norms.items():
            self.rows.append(
                {"step": self.step, "network": network, "term": name, "weight": weights[name],
                 "value": float(terms[name].detach()), "norm": norm, "share": norm / total}
            )  # fmt: skip


def shares(system: Any, faces: Any, phase: str, steps: Sequence[int]) -> pd.DataFrame:
    """Fit ``system`` for so many steps of the phase that ends with this name; one row per step, network and term."""
    rows: list[dict[str, Any]] = []
    make: Callable[[TrainingSet], list[Stage]] = system._stages

    def stages(training: TrainingSet) -> list[Stage]:
        found = make(training)
        if not any(one.name == phase for stage in found for one in stage.phases):
            raise ValueError(
                f"--phase {phase}: {type(system).__name__} has {[p.name for s in found for p in s.phases]}"
            )
        return [
            replace(stage, phases=[replace(one, terms=Measured(one, steps, rows)) if one.name == phase else one
                                   for one in stage.phases])
            for stage in found
        ]  # fmt: skip

    system._stages = stages
    with contextlib.suppress(Enough):
        system.fit(faces)
    return pd.DataFrame(rows)


PHASES = {"ifgan": "joint", "relgan": "generator", "resnet": "classifier", "cnn": "classifier"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a script: errors that the user can correct are one line, not a traceback."""
    try:
        print(run(argv).to_string(index=False, float_format="{:.4g}".format))
    except (ValueError, OSError) as error:
        print(f"gradient_shares: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def run(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """The table of :func:`shares` for a command line."""
    options = arguments(argv)
    cls = SYSTEMS[options.system]
    names = {item.name for item in fields(cls)}
    given = {"seed": options.seed, "progress": False, "logger": None, "batch_size": options.batch_size}
    given = {name: value for name, value in given.items() if value is not None} | (options.arguments or {})
    if unknown := sorted(set(given) - names):
        raise ValueError(f"--arguments: {cls.__name__} has no {', '.join(unknown)}")
    if options.paper:  # ImageNet weights are a download: not for a measurement of a few steps, unless asked for
        system = cls(**{**({"weights": None} if "weights" in names else {}), **given})
    else:
        system = cls.small(**given)
    faces = load("synthetic", people=options.people, images_per_expression=2,
                 image_size=options.image_size or system.image_size, seed=options.seed)  # fmt: skip
    return shares(system, faces, options.phase or PHASES[options.system], options.steps)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--system", choices=list(SYSTEMS), required=True)
    parser.add_argument("--paper", action="store_true", help="the paper's size, with random weights; else small()")
    parser.add_argument("--phase", help="a phase's name; by default the generator's or the classifier's")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 50, 200], help="of the phase, counted from 1")
    parser.add_argument("--people", type=int, default=40, help="synthetic people, 14 images each")
    parser.add_argument("--image_size", type=int, help="of the drawn people; by default the system's")
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--arguments", type=yaml.safe_load, help="further ones of the system: '{island_reduction: sum}'"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
