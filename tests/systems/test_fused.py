"""Every system trained with others is the system trained alone: each fold's history and predictions, in float64."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from ferdis import IFGAN, RELGAN, BaselineCNN, ResNetClassifier
from ferdis.evaluators.judges import Judge
from ferdis.systems import normalised
from ferdis.systems.base import Estimator
from ferdis.training import fused
from tests.float64 import in_float64
from tests.systems.test_arguments_wiring import BASES, SAME, USES
from tests.wiring import coded

pytestmark = pytest.mark.timeout(300)

# What is computed apart, and why. A new system is fused where it can be; what cannot be is written here.
RANDOM = "called random operation"
APART: dict[str, dict[str, str]] = {
    "EGGAN": {"eggan, latent": RANDOM, "eggan, critic": RANDOM},
    "DECGAN": {"decgan, discriminator": "calling .item() on a Tensor"},
    "StarGAN": {"stargan, critic": RANDOM},
    "HomoInterpGAN": {"homointerpgan, critic": RANDOM},
}
SIZES = (24, 22, 29)  # faces of each fold: with batches of 12 their steps differ, and their last batches
OURS = (BaselineCNN, ResNetClassifier, RELGAN, IFGAN)
SYSTEMS = [cls for cls in BASES if not issubclass(cls, Judge)]  # a judge is trained once, for all folds


def fits(cls: type[Estimator], folds: int, **changes: Any) -> list[Any]:
    few = {name: 2 for name in ("epochs", "mlp_epochs", "classifier_epochs") if name in BASES[cls]}
    arguments = {**BASES[cls], **few, **changes}

    def fit(fold: int) -> tuple[Estimator, list[str]]:
        return cls.small(**arguments, seed=fold).fit(coded(SIZES[fold], people=4)), fused.remarks()

    return [partial(fit, fold) for fold in range(folds)]


def assert_same(alone: Estimator, other: Estimator) -> None:
    np.testing.assert_array_equal(alone.history_.drop(columns="value"), other.history_.drop(columns="value"))
    np.testing.assert_allclose(alone.history_["value"], other.history_["value"], rtol=1e-6, atol=1e-9)
    use = USES[type(alone)]
    # A bias before a norm has no gradient but rounding, of which Adam makes steps: the norm, in eval mode, shows them.
    np.testing.assert_allclose(use(alone).astype(float), use(other).astype(float), rtol=1e-5, atol=1e-5)


@pytest.fixture
def drawn_over_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new decoder draws is constant: batch norm would enlarge its rounding until nothing else is left."""
    drawn = normalised.normalised
    monkeypatch.setattr(normalised, "normalised", lambda modules, faces, size: drawn(modules, faces, size) + faces)


@pytest.mark.usefixtures("drawn_over_the_face")
@pytest.mark.parametrize(
    "cls", [pytest.param(cls, id=cls.__name__, marks=() if cls in OURS else pytest.mark.slow) for cls in SYSTEMS]
)
def test_a_fold_is_what_it_is_alone(cls: type[Estimator], monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = fused._at_once
    monkeypatch.setattr(
        fused, "_at_once", lambda group, *rest, **more: counts.append(len(group)) or real(group, *rest, **more)
    )
    folds = 3 if cls in OURS else 2
    with in_float64():
        alone = [fit()[0] for fit in fits(cls, folds)]
        together = dict(fused.together(fits(cls, folds)))
        for fold, one in enumerate(alone):
            assert_same(one, together[fold][0])
    assert folds in counts, "nothing was computed at once"
    told = {line.split(": ")[1].split(" (")[0]: line for line in together[folds - 1][1][1:]}
    wanted = APART.get(cls.__name__, {})
    assert told.keys() == wanted.keys() and all(wanted[name] in line for name, line in told.items()), told


@pytest.mark.parametrize(
    ("cls", "changes"),
    [
        pytest.param(RELGAN, {"finetune_encoder": True, "dropout": 0.4, "augmentation": "strong"}, id="relgan tuned"),
        pytest.param(RELGAN, {"cycle_weight": 1.0, "names_weight": 5.0, "near_optimal": 0.1}, id="relgan, more terms"),
        pytest.param(RELGAN, {"mlp_views": "all"}, id="relgan all views"),
        pytest.param(BaselineCNN, {"encoder": "recogniser", "test_flip": True}, id="cnn of the recogniser"),
        pytest.param(
            IFGAN,
            {"classifier": "recogniser", "classifier_arguments": None, "generator_encoder": "classifier",
             "decoder_input": "posterior", "skips": False, "names_weight": 1.0, "augmentation": "strong"},
            id="ifgan as small() is",
        ),
        pytest.param(IFGAN, {"identity_reversal": 0.5, "classifier_input": "pair"}, id="ifgan with a probe"),
    ],
)  # fmt: skip
def test_arguments_change_nothing_about_it(cls: type[Estimator], changes: dict[str, Any]) -> None:
    with in_float64():
        alone = [fit()[0] for fit in fits(cls, 2, **changes)]
        together = dict(fused.together(fits(cls, 2, **changes)))
        for fold, one in enumerate(alone):
            assert_same(one, together[fold][0])
            assert len(together[fold][1]) == 1, "something was computed apart"


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_nothing_of_small_is_computed_apart_in_bfloat16(cls: type[Estimator]) -> None:
    few = {name: 1 for name in ("epochs", "mlp_epochs") if name in BASES[cls]}

    def fit(fold: int) -> list[str]:
        system = cls.small(**SAME | few, min_steps=0, steps_per_image=0.0, seed=fold).set_params(precision="bf16-mixed")
        system.fit(coded(24))
        return fused.remarks()

    assert [len(told) for _, told in fused.together([partial(fit, fold) for fold in range(2)])] == [1, 1]
