"""Stages and phases of every system, from one table: who is trained when, by which optimiser, on which terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from ferdis import (
    DECGAN,
    EGGAN,
    IFGAN,
    RELGAN,
    BaselineCNN,
    HomoInterpGAN,
    IcGAN,
    IdentityReversal,
    NormalisedFace,
    ResNetClassifier,
    StarGAN,
)
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.training import Phase, Stage
from tests.systems.argument_tables import EXTRA
from tests.systems.test_arguments_wiring import BASES
from tests.wiring import coded, watched


@dataclass(frozen=True)
class Wanted:
    """A phase as the paper has it: networks it updates, terms it minimises, Adam's betas and weight decay."""

    updates: tuple[str, ...]
    terms: tuple[str, ...]
    betas: tuple[float, float]
    decay: float = 0.0
    kind: type = torch.optim.Adam
    moves: bool = False  # something besides its parameters, after the step


CAI, DCGAN, PLAIN = (0.9, 0.99), (0.5, 0.999), (0.9, 0.999)
D = ("discriminator",)
REENACTMENT = {
    "discriminator": Wanted(D, ("class",), DCGAN),
    "generator": Wanted(("expression_encoder", "identity_encoder", "decoder"),
                        ("adversarial", "pixel", "expression", "identity"), DCGAN),
}  # fmt: skip


def judged(*updates: str) -> dict[str, Wanted]:
    return {"judge": Wanted(updates, ("cross_entropy",), PLAIN, 0.02, torch.optim.AdamW)}


# class -> stage -> (frozen modules, phases in their order)
TABLE: dict[type, dict[str, tuple[tuple[str, ...], dict[str, Wanted]]]] = {
    IFGAN: {"ifgan": ((), {
        "discriminator": Wanted(D, ("cgan",), CAI, 1e-4),
        "joint": Wanted(("generator", "classifier"), ("cgan", "l1", "softmax", "island"), CAI, 1e-4, moves=True),
    })},
    ResNetClassifier: {"baseline": ((), {
        "classifier": Wanted(("classifier",), ("softmax", "island"), CAI, 1e-4, moves=True),
    })},
    RELGAN: {
        "pretraining": ((), REENACTMENT),
        "reenactment": ((), REENACTMENT),
        "classifier": (("expression_encoder",), {"classifier": Wanted(("classifier",), ("softmax",), DCGAN)}),
    },
    BaselineCNN: {"cnn": ((), {"classifier": Wanted(("encoder", "classifier"), ("softmax",), DCGAN)})},
    EGGAN: {
        "identity": ((), {"identity": Wanted(("identifier",), ("identity",), PLAIN)}),
        "eggan": (("identifier",), {
            "latent": Wanted(("latent",), ("latent",), DCGAN),
            "critic": Wanted(("critic",), ("critic", "penalty"), DCGAN),
            "action_units": Wanted(("units",), ("action_units",), PLAIN),
            "generator": Wanted(
                ("encoder", "generator"),
                ("latent", "critic", "action_units", "identity", "perceptual", "reconstruction"), DCGAN,
            ),
        }),
    },
    DECGAN: {
        "expression": ((), {"expression": Wanted(("expression_encoder",), ("label",), DCGAN)}),
        "decgan": ((), {
            "discriminator": Wanted(D, ("adversarial",), DCGAN),
            "generator": Wanted(
                ("identity_encoder", "expression_encoder", "generator", "restorer"),
                ("adversarial", "cycle", "label", "category", "pair"), DCGAN,
            ),
        }),
    },
    StarGAN: {
        "reading": ((), {"reading": Wanted(("critic",), ("domain",), DCGAN)}),
        "stargan": ((), {
            "critic": Wanted(("critic",), ("critic", "domain", "penalty"), DCGAN),
            "generator": Wanted(("generator",), ("critic", "domain", "reconstruction"), DCGAN),
        }),
    },
    IcGAN: {
        "icgan": ((), {
            "discriminator": Wanted(D, ("adversarial",), DCGAN),
            "generator": Wanted(("generator",), ("adversarial",), DCGAN),
        }),
        "encoders": (("generator",), {
            "latent": Wanted(("latent_encoder",), ("latent",), DCGAN),
            "condition": Wanted(("condition_encoder",), ("condition",), DCGAN),
        }),
    },
    HomoInterpGAN: {"homointerpgan": (("teacher",), {
        "decoder": Wanted(("decoder",), ("pixels", "perceptual"), PLAIN),
        "critic": Wanted(("critic",), ("critic", "group", "penalty"), DCGAN),
        "guide": Wanted(("guide",), ("guidance",), PLAIN),
        "interpolator": Wanted(("encoder", "interpolator"),
                               ("critic", "group", "homomorphic", "guidance", "pixels", "perceptual"), DCGAN),
    })},
    IdentityReversal: {"baseline": ((), {
        "classifier": Wanted(("classifier", "person_probe"), ("softmax", "island", "person"), CAI, 1e-4, moves=True),
    })},
    NormalisedFace: {
        "reenactment": ((), REENACTMENT),
        "classifier": (("expression_encoder", "identity_encoder", "decoder", "target"),
                       {"classifier": Wanted(("classifier",), ("softmax",), DCGAN)}),
    },
    AUEstimator: {"action_units": ((), {
        "action_units": Wanted(("units",), ("action_units",), PLAIN, 0.02, torch.optim.AdamW),
    })},
    ExpressionJudge: {"expression judge": ((), judged("network"))},
    IdentityJudge: {"identity judge": ((), judged("network", "people"))},
}  # fmt: skip


def stages(cls: Any, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[Stage]:
    watch = watched(monkeypatch)
    cls.small(**{**BASES[cls], **changes}).fit(coded(36, people=6))
    return watch.stages


def found(phase: Phase) -> Wanted:
    optimizer = phase.optimizer([nn.Parameter(torch.zeros(1))])
    group = optimizer.param_groups[0]
    moves = phase.after_step is not None
    betas = tuple(group["betas"])
    return Wanted(phase.updates, tuple(phase.weights), betas, group["weight_decay"], type(optimizer), moves)


@pytest.mark.parametrize("cls", TABLE, ids=lambda cls: cls.__name__)
def test_stages_and_phases_are_the_papers(cls: Any, monkeypatch) -> None:
    changes = {RELGAN: {"pretrain": EXTRA}, StarGAN: {"reading_epochs": 1}}.get(cls, {})
    seen = {stage.name: (stage.frozen, {phase.name: found(phase) for phase in stage.phases})
            for stage in stages(cls, monkeypatch, **changes)}  # fmt: skip
    assert seen == TABLE[cls]
    assert list(seen) == list(TABLE[cls])
    for name, (_, phases) in TABLE[cls].items():
        assert list(seen[name][1]) == list(phases), "in this order"


STRETCHED = {  # epochs of the main stage, grown from 4 to 10, and the factors of the rates in them
    IFGAN: [1.0] * 5 + [0.9] * 5,
    ResNetClassifier: [1.0] * 5 + [0.9] * 5,
    RELGAN: [1.0] * 5 + [0.85] * 5,
    BaselineCNN: [1.0] * 5 + [0.85] * 5,
    EGGAN: [1.0] * 6 + [0.8, 0.6, 0.4, 0.2],
    DECGAN: [1.0] * 6 + [0.8, 0.6, 0.4, 0.2],
    StarGAN: [1.0] * 6 + [0.8, 0.6, 0.4, 0.2],
}


@pytest.mark.parametrize("cls", STRETCHED, ids=lambda cls: cls.__name__)
def test_schedules_stretch_with_the_training(cls: Any, monkeypatch) -> None:
    steps = -(-36 // BASES[cls]["batch_size"])
    main = next(s for s in stages(cls, monkeypatch, min_steps=10 * steps) if s.name not in ("identity", "expression"))
    assert main.epochs == 10
    for phase in main.phases:
        optimizer = phase.optimizer([nn.Parameter(torch.zeros(1))])
        schedule, rates = phase.schedule(optimizer), []
        for _ in range(10):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert [rate / rates[0] for rate in rates] == pytest.approx(STRETCHED[cls]), phase.name
