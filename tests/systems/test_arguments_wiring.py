"""Every constructor argument of every system: its default is the paper's, and it changes what it says, nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest
import torch

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
    systems,
)
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.systems.base import Estimator
from tests.evaluators import test_judges
from tests.systems import (
    test_decgan,
    test_eggan,
    test_homointerpgan,
    test_icgan,
    test_ifgan,
    test_normalised,
    test_relgan,
    test_stargan,
)
from tests.systems.argument_tables import ARGUMENTS, CHANGED, DEFAULTS, Argument
from tests.wiring import coded, digest, nearly, watched

CLASSIFIERS = (IFGAN, ResNetClassifier, RELGAN, BaselineCNN, IdentityReversal, NormalisedFace)
GENERATORS = (EGGAN, DECGAN, StarGAN, IcGAN, HomoInterpGAN)
EVERY = (*CLASSIFIERS, *GENERATORS, AUEstimator, ExpressionJudge, IdentityJudge)
SAME: dict[str, Any] = {"accelerator": "cpu", "precision": "32-true", "logger": None, "progress": False}


def own(cls: type[Estimator], tiny: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    """The arguments of a tiny system that the class has."""
    names = {item.name for item in fields(cls)}
    return {name: value for name, value in {**tiny, **SAME, **further}.items() if name in names}


BASES: dict[type[Estimator], dict[str, Any]] = {
    IFGAN: own(IFGAN, test_ifgan.TINY, epochs=4, decay_epochs=2),
    ResNetClassifier: own(ResNetClassifier, test_ifgan.TINY, epochs=4, decay_epochs=2),
    RELGAN: own(RELGAN, test_relgan.TINY, epochs=4, decay_epochs=2, mlp_epochs=4),
    BaselineCNN: own(BaselineCNN, test_relgan.TINY, epochs=4, decay_epochs=2),
    EGGAN: own(EGGAN, test_eggan.TINY, epochs=4, identity_epochs=2, perceptual_weight=1.0, weights="identifier"),
    DECGAN: own(DECGAN, test_decgan.TINY, epochs=4, expression_epochs=2, min_steps=0),
    StarGAN: own(StarGAN, test_stargan.TINY, epochs=4),
    IcGAN: own(IcGAN, test_icgan.TINY, epochs=4, encoder_epochs=2),
    HomoInterpGAN: own(HomoInterpGAN, test_homointerpgan.TINY, epochs=4),
    IdentityReversal: own(IdentityReversal, test_ifgan.TINY, epochs=4, decay_epochs=2),
    NormalisedFace: own(NormalisedFace, test_normalised.TINY, epochs=4, decay_epochs=2, classifier_epochs=4),
    AUEstimator: own(AUEstimator, {"channels": (8, 8, 8), "depths": (1, 1, 1), "image_size": 32, "batch_size": 12},
                     epochs=4, min_steps=0),
    ExpressionJudge: own(ExpressionJudge, test_judges.SMALL, epochs=4, batch_size=12),
    IdentityJudge: own(IdentityJudge, test_judges.SMALL, epochs=4, batch_size=12),
}  # fmt: skip
USES: dict[type[Estimator], Callable[[Any], np.ndarray]] = {
    **dict.fromkeys(CLASSIFIERS, lambda system: system.predict_proba(coded(4))),
    EGGAN: lambda system: system.reconstruct(coded(4)),
    **dict.fromkeys(
        (DECGAN, StarGAN, IcGAN, HomoInterpGAN), lambda system: system.transfer(coded(4), coded(4, first=4))
    ),
    AUEstimator: lambda system: system.predict(coded(4)),
    ExpressionJudge: lambda system: system.predict_proba(coded(4)),
    IdentityJudge: lambda system: system.embed(coded(4)),
}


def observed(cls: type[Estimator], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What can be seen of a fit and of the fitted system's use, see :class:`tests.wiring.Watch`."""
    system = cls.small(**{**BASES[cls], **changes})
    with pytest.MonkeyPatch.context() as patch:
        watch = watched(patch, measure=True)
        system.fit(coded(24, people=4) if cls in CLASSIFIERS + GENERATORS else coded(36, people=6))
    used = np.ascontiguousarray(USES[cls](system)).astype(float)
    return {
        **watch.seen,
        "used": digest(1e4 * torch.from_numpy(used)),
    }  # an untrained network says nearly the same of all


@functools.cache
def unchanged(cls: type[Estimator]) -> dict[str, Any]:
    return observed(cls, {})


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_every_argument_has_an_entry(cls: type[Estimator]) -> None:
    assert {systems.get(name) for name in (*systems.SYSTEMS, *systems.GENERATORS)} <= set(EVERY)
    names = {item.name for item in fields(cls)}
    assert set(ARGUMENTS[cls.__name__]) == names, "give a new argument an entry in tests/systems/argument_tables.py"
    assert set(DEFAULTS[cls.__name__]) == names


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_defaults_are_the_papers(cls: type[Estimator]) -> None:
    assert cls().get_params(deep=False) == DEFAULTS[cls.__name__]


@pytest.mark.parametrize(("cls", "name"), [(cls, name) for cls in EVERY for name in ARGUMENTS[cls.__name__]],
                         ids=lambda value: value if isinstance(value, str) else value.__name__)  # fmt: skip
def test_an_argument_changes_what_it_says_and_nothing_else(cls: type[Estimator], name: str) -> None:
    argument: Argument = ARGUMENTS[cls.__name__][name]
    if argument.error:
        with pytest.raises((ValueError, FileNotFoundError), match=argument.error):
            observed(cls, {**argument.given, name: argument.value})
        return
    before = observed(cls, argument.given) if argument.given else unchanged(cls)
    after = observed(cls, {**argument.given, name: argument.value})
    found = {key: after.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}
    patterns = argument.changes
    other = [key for key in sorted(found) if not any(fnmatchcase(key, pattern.lstrip("?")) for pattern in patterns)]
    assert not other, f"{name}={argument.value!r} also changes {other}"
    for pattern, wanted in patterns.items():
        matching = {key: value for key, value in found.items() if fnmatchcase(key, pattern.lstrip("?"))}
        assert matching or pattern.startswith("?"), f"{name}={argument.value!r} does not change {pattern}"
        for key, value in matching.items():
            assert wanted is CHANGED or value == nearly(wanted), f"{name}={argument.value!r}: {key}"
