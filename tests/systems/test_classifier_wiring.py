"""What every classifier does with its faces: labels, weights, the epoch that is kept, mirror images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferdis.preprocess.augment import centre_crop, to_unit_range
from ferdis.systems.baselines import ResNetClassifier
from ferdis.systems.classifier import TrainingSet, one_cycle, people_weights
from tests.systems.test_ifgan_wiring import baseline, tiny
from tests.systems.test_relgan_wiring import tiny as relgan
from tests.wiring import coded, prepared, rows_of, watched

UNEVEN = np.r_[np.arange(24)[np.arange(24) % 3 == 0], 1, 4, 7, 10, 2, 5]  # 8 anger, 4 fear, 2 neutral


def training(**changes) -> TrainingSet:
    system = baseline(**changes)
    system.notes_ = []
    return system._training_set(coded()[UNEVEN], None)


def test_labels_are_of_the_rows() -> None:
    found = training()
    images = to_unit_range(torch.from_numpy(np.asarray(found.images)))
    np.testing.assert_array_equal(rows_of(images), UNEVEN)
    np.testing.assert_array_equal(found.labels, UNEVEN % 3)
    np.testing.assert_array_equal(found.people, UNEVEN // 3 % 4)
    assert found.extra == 0 and found.class_weights is None and found.row_weights is None


def test_other_labels_take_the_place_of_the_faces_own() -> None:
    system = baseline()
    found = system._training_set(coded()[UNEVEN], np.where(UNEVEN % 2, "odd", "even"))
    assert list(system.classes_) == ["even", "odd"]
    np.testing.assert_array_equal(found.labels, UNEVEN % 2)


def test_weights_and_chances_are_the_inverse_of_the_shares() -> None:
    counts = np.array([8, 4, 2])
    np.testing.assert_allclose(training(class_weight="balanced").class_weights, 14 / (3 * counts))
    np.testing.assert_allclose(training(class_weight={"neutral": 5}).class_weights, [1, 1, 5])
    chances = training(sampler="balanced").row_weights
    each = [chances[k == UNEVEN % 3].sum() for k in range(3)]
    np.testing.assert_allclose(each, each[0])
    assert training(sampler="balanced").batches(4, 0).probabilities is not None
    chances = training(sampler="square-root").row_weights
    each = np.array([chances[k == UNEVEN % 3].sum() for k in range(3)])
    np.testing.assert_allclose(each / each[0], [1, 0.5**0.5, 0.5])
    weights = people_weights(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(weights, [0.25, 0.25, 0.5, 1])


def test_extra_faces_come_last_and_only_of_known_classes() -> None:
    extra = coded(9, first=24)
    found = training(extra_train=extra)
    assert found.extra == 9 and len(found) == 23 and len(found.faces) == 14
    images = to_unit_range(torch.from_numpy(np.asarray(found.images)))
    np.testing.assert_array_equal(rows_of(images), [*UNEVEN, *range(24, 33)])
    np.testing.assert_array_equal(found.labels, np.r_[UNEVEN, np.arange(24, 33)] % 3)
    other = extra.with_table(extra.table.assign(expression=["fear", "disgust", "disgust"] * 3))
    system = baseline(extra_train=other)
    system.notes_ = []
    found = system._training_set(coded()[UNEVEN], None)
    assert system.notes_ == ["extra_train: 6 of 9 faces dropped, their class is no target class"]
    assert found.extra == 3 and (found.labels[-3:] == 1).all() and list(system.classes_) == ["anger", "fear", "neutral"]
    nameless = extra.with_table(extra.table.drop(columns="subject"))
    assert training(extra_train=nameless).people is None


@pytest.mark.parametrize("system", [tiny, baseline, relgan])
def test_the_epoch_is_chosen_by_the_accuracy_on_all_validation_faces(system, monkeypatch) -> None:
    watch = watched(monkeypatch)
    validation = coded()[UNEVEN]
    fitted = system().fit(coded(), validation=validation)
    assert [stage.validate is not None for stage in watch.stages] == [False] * (len(watch.stages) - 1) + [True]
    right = fitted.predict(validation) == validation.expression
    assert watch.stages[-1].validate() == pytest.approx(right.mean()) and right.mean() != right[:2].mean()
    for stage in watch.stages:
        rows = {int(row) for batch in stage.batches(0) for name in ("image", "source") if name in batch
                for row in rows_of(to_unit_range(batch[name]))}  # fmt: skip
        assert rows == set(range(24))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": 40}, "crop_size=40 is larger than image_size=36"),
        ({"epochs": 0}, "epochs=0: train for at least one"),
        ({"pretrain_epochs": 0}, "pretrain_epochs=0: train for at least one"),
        ({"class_weight": {"joy": 2.0}}, "class_weight names joy, but the classes are anger, fear, neutral"),
    ],
)
def test_bad_arguments(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        baseline(**changes).fit(coded())


def test_one_cycle_rises_over_a_tenth_and_falls_along_half_a_cosine() -> None:
    found = [one_cycle(epoch, 20) for epoch in (0, 1, 2, 8, 11, 20)]
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 0.75, 0.5, 0])


class Flat(nn.Module):
    """One linear layer on all numbers of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 2)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.layer(images.flatten(1))
        return logits, logits


def test_operations_are_counted_of_one_image(monkeypatch) -> None:
    system = baseline()
    system.modules_ = {"classifier": Flat()}
    assert system.flops() == 2 * 3072 * 2
    monkeypatch.setattr(ResNetClassifier, "flops", lambda self: 1_230_000_000)
    assert system.describe()["notes"][0] == "ResNetClassifier: 1.23 GFLOP an image at 32 pixels"


def test_a_score_is_against_the_labels_and_by_the_weights_given(monkeypatch) -> None:
    system, data = baseline(), coded(4)  # anger, fear, neutral, anger
    monkeypatch.setattr(ResNetClassifier, "predict", lambda self, faces: np.array(["anger", "anger", "fear", "fear"]))
    assert system.score(data) == 0.25
    assert system.score(data, ["anger", "anger", "fear", "neutral"]) == 0.75
    assert system.score(data, sample_weight=[3, 1, 1, 1]) == 0.5


def test_rates_fall_as_often_in_a_training_that_is_longer() -> None:
    assert baseline(epochs=10, decay_epochs=5)._length(24) == (10, 5)
    assert baseline(epochs=10, decay_epochs=5, min_steps=40)._length(24) == (20, 10)
    assert baseline(epochs=10, decay_epochs=1, min_steps=0)._length(5000) == (10, 1)


@pytest.mark.parametrize("test_flip", [True, False])
def test_probabilities_of_a_face_and_its_mirror_image_are_averaged(test_flip: bool) -> None:
    system, data = baseline(test_flip=test_flip), coded(4)
    prepared(system, coded())
    images = centre_crop(to_unit_range(torch.from_numpy(data.pixels())), 32)
    with torch.no_grad():  # so that probabilities lie apart, neither at 0 nor at 1
        head, features = (
            system.modules_["classifier"].network.get_classifier(),
            system.modules_["classifier"](images)[0],
        )
        head.weight.mul_(3 / (features @ head.weight.T).std(0).mean())
        head.bias.copy_(-(head.weight @ features.mean(0)))
    each = [system.modules_["classifier"](view)[1].softmax(1).detach() for view in (images, images.flip(-1))]
    assert (each[0] - each[1]).abs().max() > 0.01
    expected = (each[0] + each[1]) / 2 if test_flip else each[0]
    np.testing.assert_allclose(system.predict_proba(data), expected, atol=1e-5)
    assert list(system.predict(data)) == [system.classes_[k] for k in expected.argmax(1)]
