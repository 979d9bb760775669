"""On an accelerator: the same terms and gradients as on a processor, and models that are read anywhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ferdis import SubjectKFold, evaluate
from ferdis.saved_models import load_model
from ferdis.training.phases import Modules, Phase
from tests.systems import test_decgan, test_eggan, test_ifgan, test_relgan

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA accelerator: none is here")


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Float32 as a processor computes it: TF32 keeps ten bits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def prepared(name: str) -> tuple[Modules, dict[str, Any], list[Phase]]:
    """An untrained system's modules, one batch as its phases see it, and the phases that draw no random numbers."""
    if name == "decgan":
        modules, batch, phases = test_decgan.ready(test_decgan.tiny(), test_decgan.faces())
        return modules, batch, list(phases.values())
    if name == "eggan":
        modules, batch, phases = test_eggan.ready(test_eggan.tiny(), test_eggan.faces())
        return modules, batch, [phases["action_units"], phases["generator"]]
    if name == "relgan":
        stage, modules, batch = test_relgan.ready(test_relgan.tiny(), test_relgan.posed())
    else:
        stage, modules, batch = test_ifgan.ready(test_ifgan.tiny(), test_ifgan.faces())
    return modules, batch, list(stage.phases)


def terms_and_gradients(modules: Modules, batch: dict[str, Any], phase: Phase, device: str) -> dict[str, torch.Tensor]:
    """All that a phase computes from a batch, on a device, in float64 on the processor."""
    moved = Modules(**{name: copy.deepcopy(part).to(device) for name, part in vars(modules).items()})
    leaves = {name: value.detach().to(device) for name, value in batch.items() if isinstance(value, torch.Tensor)}
    drawn = [name for name, value in batch.items() if isinstance(value, torch.Tensor) and value.requires_grad]
    for name in drawn:
        leaves[name].requires_grad_()
    torch.manual_seed(0)
    terms = phase.terms(moved, {**batch, **leaves})
    weights = phase.weights_in(0)
    sum(weight * terms[name] for name, weight in weights.items() if weight and not terms[name].isnan()).backward()
    parameters = {
        f"{part}.{name}": parameter
        for part in phase.updates
        for name, parameter in getattr(moved, part).named_parameters()
    }
    gradients = {name: value.grad for name, value in {**parameters, **{k: leaves[k] for k in drawn}}.items()}
    found = {**terms, **{name: value for name, value in gradients.items() if value is not None}}
    return {name: value.detach().double().cpu() for name, value in found.items()}


@pytest.mark.parametrize("name", ["ifgan", "relgan", "eggan", "decgan"])
def test_terms_and_gradients_are_those_of_a_processor(name: str) -> None:
    modules, batch, phases = prepared(name)
    for phase in phases:
        here = terms_and_gradients(modules, batch, phase, "cpu")
        there = terms_and_gradients(modules, batch, phase, "cuda")
        assert here.keys() == there.keys() and len(here) > len(phase.weights)
        largest = max(float(value.abs().nan_to_num().max()) for value in here.values())
        for key, value in here.items():
            scale = value.abs().max().clamp_min(1e-3 * largest)  # a bias before a norm has no gradient but noise
            difference = ((there[key] - value).abs().max() / scale).item()
            assert difference < 2e-3 or bool(value.isnan().all()), f"{phase.name}: {key} differs by {difference:.1e}"


def outcome(model: Any, name: str) -> np.ndarray:
    """What a user gets from a model of `fitted`."""
    if name == "eggan":
        return model.edit(test_eggan.faces(seed=1), {"AU12": 4}).astype(float) / 255
    if name == "decgan":
        data = test_decgan.faces(seed=1)
        return model.transfer(data, data[::-1]).astype(float) / 255
    return model.predict_proba(test_ifgan.faces(seed=1))


def fitted(name: str, **arguments: Any) -> Any:
    if name == "eggan":
        return test_eggan.tiny(**arguments).fit(test_eggan.faces())
    if name == "decgan":
        return test_decgan.tiny(**arguments).fit(test_decgan.faces())
    if name == "relgan":
        return test_relgan.tiny(**arguments).fit(test_relgan.posed())
    return test_ifgan.tiny(epochs=2, **arguments).fit(test_ifgan.faces())


@pytest.mark.parametrize("name", ["ifgan", "relgan", "eggan", "decgan"])
def test_a_model_trained_there_says_the_same_here(name: str, tmp_path: Path) -> None:
    model = fitted(name, precision="32-true")
    assert all(part.device.type == "cuda" for net in model.modules_.values() for part in net.parameters())
    model.save(tmp_path / "model")
    read = load_model(tmp_path / "model").set_params(accelerator="cpu")
    read._to_device()  # where there is no accelerator, loading does it
    assert all(part.device.type == "cpu" for net in read.modules_.values() for part in net.parameters())
    np.testing.assert_allclose(outcome(read, name), outcome(model, name), atol=1.5 / 255)


@pytest.mark.parametrize("name", ["ifgan", "relgan", "eggan", "decgan"])
def test_bfloat16_trains_there(name: str) -> None:
    history = fitted(name, precision="bf16-mixed").history_
    values = history.loc[~history["term"].str.contains("accuracy"), "value"].dropna()
    assert len(values) and np.isfinite(values).all()


def test_two_folds_at_a_time() -> None:
    data = test_ifgan.faces()
    folds = SubjectKFold(2, validation_folds=0)
    found = evaluate({"ifgan": test_ifgan.tiny(epochs=2)}, data, folds, out=None, n_jobs=2)
    assert len(found.rows) == len(data)
