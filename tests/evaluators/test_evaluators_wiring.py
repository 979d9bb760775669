"""The estimator of action units and both judges: who is learned from, what is minimised, how an image is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ferdis.evaluators import au_estimator
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.held_out import hold_out
from ferdis.evaluators.judge_network import JudgeNetwork
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.preprocess.augment import to_unit_range
from ferdis.systems.action_units import action_unit_loss, expected_action_units
from tests.evaluators import test_au_estimator, test_judges
from tests.wiring import assert_same_terms, coded, prepared, rows_of, spied

DATA = coded(36, 32, people=6)
PARTS = (AUEstimator, ExpressionJudge, IdentityJudge)


def small(cls: type, **changes):
    if cls is AUEstimator:
        return test_au_estimator.tiny(**{"epochs": 4, "logger": None, **changes})
    return cls(**{**test_judges.SMALL, "image_size": 32, "batch_size": 12, "epochs": 4, **changes})


@pytest.mark.parametrize("cls", PARTS)
def test_people_held_out_are_measured_on_and_never_learned_from(cls) -> None:
    system = small(cls, seed=3)
    stage, _, _ = prepared(system, DATA)
    learned, unseen = hold_out(DATA, system.held_out, 3, least=1 if cls is AUEstimator else 2)
    rows = np.concatenate([rows_of(to_unit_range(batch["image"])) for batch in stage.batches(0)])
    people = {f"t/{int(row) // 3 % 6}" for row in rows.round()}
    assert people == set(learned.subject) and not people & set(unseen.subject)
    labels = np.concatenate([batch["label"].numpy() for batch in stage.batches(0)])
    if cls is AUEstimator:
        np.testing.assert_allclose(labels, DATA.table[list(AU_COLUMNS)].to_numpy()[rows.round().astype(int)], rtol=1e-6)
    elif cls is ExpressionJudge:
        np.testing.assert_array_equal(labels, rows.round() % 3)
    else:
        names = sorted(people)
        assert [names[k] for k in labels] == [f"t/{int(row) // 3 % 6}" for row in rows.round()]
    assert system.people_ == sorted(set(DATA.subject))


def test_the_estimators_error_is_of_the_people_held_out(monkeypatch) -> None:
    calls = spied(monkeypatch, au_estimator, "action_unit_agreement")
    system = small(AUEstimator, seed=3)
    prepared(system, DATA)
    _, unseen = hold_out(DATA, system.held_out, 3)
    ((truth, predicted),) = calls
    np.testing.assert_allclose(truth, unseen.table[list(AU_COLUMNS)].to_numpy(np.float32))
    assert predicted.shape == truth.shape


def test_the_estimator_sees_faces_turned_by_up_to_five_degrees(monkeypatch) -> None:
    calls = spied(monkeypatch, au_estimator, "random_views")
    prepared(small(AUEstimator), DATA)
    assert calls[0][1:4] == (32, 32, 5.0)


def test_terms_of_the_estimator_and_of_the_expression_judge() -> None:
    stage, modules, batch = prepared(small(AUEstimator), DATA)
    found = stage.phases[0].terms(modules, batch)
    expected = action_unit_loss(modules.units(batch["image"]), batch["label"])
    assert_same_terms(found, {"action_units": expected}, modules)
    stage, modules, batch = prepared(small(ExpressionJudge), DATA)
    found = stage.phases[0].terms(modules, batch)
    logits = modules.network(batch["view"])
    expected = F.cross_entropy(logits, batch["label"], label_smoothing=0.05)
    torch.testing.assert_close(found["cross_entropy"], expected)
    assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == batch["label"]).float().mean()))
    assert stage.phases[0].updates == ("network",)


def test_terms_of_the_identity_judge() -> None:
    stage, modules, batch = prepared(small(IdentityJudge, dropout=0.0), DATA)
    found = stage.phases[0].terms(modules, batch)
    directions = F.normalize(modules.people.values)
    cosine = F.normalize(modules.network(batch["view"])) @ directions.T
    margin = cosine.clone()
    for row, person in enumerate(batch["label"].tolist()):
        margin[row, person] = cosine[row, person] - 0.2
    assert_same_terms(found, {"cross_entropy": F.cross_entropy(16 * margin, batch["label"])}, modules)
    assert found["accuracy"] == pytest.approx(float((cosine.argmax(1) == batch["label"]).float().mean()))
    assert stage.phases[0].updates == ("network", "people")


@pytest.mark.parametrize("cls", PARTS)
def test_rates_rise_and_fall_in_one_cycle(cls) -> None:
    stage, _, _ = prepared(small(cls, epochs=10, learning_rate=0.01), DATA)
    optimizer = stage.phases[0].optimizer([torch.nn.Parameter(torch.zeros(1))])
    schedule, rates = stage.phases[0].schedule(optimizer), []
    for _ in range(stage.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    top = int(np.argmax(rates))
    assert 0 < top < 5 and max(rates) == pytest.approx(0.01, rel=0.05) and rates[0] < 0.001 and rates[-1] < 0.002
    assert isinstance(optimizer, torch.optim.AdamW) and optimizer.param_groups[0]["weight_decay"] == 0.02


@pytest.mark.parametrize("cls", PARTS)
def test_an_image_and_its_mirror_image_are_read(cls) -> None:
    system = small(cls)
    prepared(system, DATA)
    network = system.modules_["units" if cls is AUEstimator else "network"].eval()
    images = to_unit_range(torch.from_numpy(DATA[:4].pixels()))
    with torch.no_grad():
        straight, mirrored = network(images), network(images.flip(-1))
    if cls is AUEstimator:
        expected = (expected_action_units(straight) + expected_action_units(mirrored)) / 2
        np.testing.assert_allclose(system.predict(DATA[:4]), expected, atol=1e-5)
    elif cls is ExpressionJudge:
        np.testing.assert_allclose(
            system.predict_proba(DATA[:4]), (straight.softmax(1) + mirrored.softmax(1)) / 2, atol=1e-5
        )
    else:
        both = F.normalize(F.normalize(straight) + F.normalize(mirrored))
        np.testing.assert_allclose(system.embed(DATA[:4]), both, atol=1e-5)


def test_exposure_and_contrast_tell_a_judge_nothing() -> None:
    torch.manual_seed(0)
    network, image = JudgeNetwork((4, 8), 16, 3, 0.0).eval(), torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(network(image), network(0.5 * image + 0.2), rtol=1e-4, atol=1e-5)


def test_what_training_never_saw_is_not_estimated() -> None:
    table = DATA.to_frame().assign(AU45=np.nan)
    system = small(AUEstimator)
    prepared(system, Faces(DATA.pixels(), table, DATA.attrs))
    found = system.predict(DATA[:3])
    assert np.isnan(found[:, AU_COLUMNS.index("AU45")]).all() and not np.isnan(found[:, :-1]).any()
