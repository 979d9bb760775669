"""Normalised faces: which face is the target, what the classifier sees, who learns when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ferdis.faces import Faces
from ferdis.systems import normalised as module
from ferdis.systems.normalised import NormalisedFace, Target, normalised
from ferdis.systems.recogniser_network import RecogniserNetwork
from ferdis.training import Modules
from tests.systems.test_ifgan import TINY as IFGAN_TINY
from tests.systems.test_ifgan import faces
from tests.wiring import coded, phase_of, prepared, rows_of, spied

GENERATOR = {
    "encoder_channels": (8, 8, 16, 16, 16),
    "decoder_channels": (16, 16, 8, 8, 8),
    "discriminator_channels": (4, 8, 8, 8),
    "pixel_weight": 300.0,
    "near_optimal": 0.4,
    "truths": 1,
}
TINY = {
    **{name: IFGAN_TINY[name] for name in ("classifier", "classifier_arguments", "weights", "augmentation",
                                           "test_flip", "image_size", "crop_size", "batch_size", "learning_rate",
                                           "schedule", "progress", "min_steps")},
    "small_stem": False,
    "generator_arguments": GENERATOR,
    "classifier_epochs": 2,
    "epochs": 2,
    "decay_epochs": 1,
    "decay": 0.85,
    "logger": None,
}  # fmt: skip


def tiny(**changes) -> NormalisedFace:
    return NormalisedFace.small(**{**TINY, **changes})


class TestTarget:
    def test_the_neutral_face_nearest_to_their_mean(self) -> None:
        data = coded(24)
        system = tiny()
        prepared(system, data)
        rows = np.flatnonzero(data.expression == "neutral")
        pixels = data.pixels()[rows].astype(float)
        nearest = rows[np.square(pixels - pixels.mean(0)).sum((1, 2, 3)).argmin()]
        np.testing.assert_array_equal(system.target_, data.pixels()[nearest])

    def test_of_all_faces_where_none_is_neutral_and_never_of_further_ones(self) -> None:
        data = coded(24)
        other = Faces(
            data.pixels(),
            data.to_frame().assign(expression=np.where(data.expression == "neutral", "joy", data.expression)),
        )
        system = tiny(extra_train=Faces(np.full_like(data.pixels(), 128), other.to_frame()))
        prepared(system, other)
        assert (system.target_[None] == data.pixels()).all((1, 2, 3)).any()

    def test_nearest_is_by_squared_distance(self) -> None:
        """20 off in one number is farther than 3 off in all twelve."""
        images = np.full((4, 2, 2, 3), 100, np.uint8)
        images[0, 0, 0, 0], images[1, 0, 0, 0] = 120, 80
        images[2], images[3] = 103, 97
        target = Target(2)
        target.choose(images, np.arange(4))
        torch.testing.assert_close(target.picture, torch.full((3, 2, 2), 103 / 127.5 - 1))


class TestStep:
    def test_the_classifier_sees_the_target_with_each_expression(self) -> None:
        system = tiny(max_degrees=0.0)
        stage, modules, _ = prepared(system, coded(), "classifier")
        assert stage.frozen == ("expression_encoder", "identity_encoder", "decoder", "target")
        for network in vars(modules).values():
            network.eval()
        faces = next(iter(stage.batches(0)))
        again = stage.prepare(modules, faces, torch.Generator().manual_seed(1))
        np.testing.assert_array_equal(again["label"], faces["label"])
        who = modules.identity_encoder(modules.target.picture[None, :, 2:-2, 2:-2])
        seen = torch.rand(3, 3, 32, 32) * 2 - 1
        codes = torch.cat([modules.expression_encoder(seen), who.expand(3, -1)], 1)
        torch.testing.assert_close(normalised(modules, seen, 32), modules.decoder(codes))
        _, logits = modules.classifier(again["code"])
        found = phase_of(stage, "classifier").terms(modules, again)
        torch.testing.assert_close(found["softmax"], F.cross_entropy(logits, again["label"]))

    def test_first_the_generator_then_the_classifier(self) -> None:
        system = tiny(epochs=1, classifier_epochs=1).fit(faces(24))
        assert list(system.history_["stage"].unique()) == ["reenactment", "classifier"]
        assert any("REL-GAN" in note or "ground truth" in note or "truth" in note for note in system.notes_)

    def test_faces_are_turned_before_they_are_normalised(self, monkeypatch) -> None:
        drawn = spied(monkeypatch, module, "random_views")
        seen = spied(monkeypatch, module, "augmented_views")
        prepared(tiny(max_degrees=20.0, augmentation="strong"), coded(), "classifier")
        assert 20.0 in drawn[0] and "strong" in seen[0]
        made = spied(monkeypatch, module, "normalised")
        _, _, batch = prepared(tiny(), coded(), "classifier")
        rows = rows_of(made[0][1]).round().astype(int)
        np.testing.assert_array_equal(batch["label"], rows % 3)

    def test_the_discriminator_starts_from_the_seed(self) -> None:
        first, again, other = (
            next(prepared(tiny(seed=seed), coded(), "reenactment")[1].discriminator.parameters()) for seed in (1, 1, 2)
        )
        assert torch.equal(first, again) and not torch.equal(first, other)

    def test_the_recogniser_is_told_how_much_of_the_face_it_sees(self) -> None:
        system = tiny(classifier="recogniser", classifier_arguments=None)
        system.classes_ = np.array(["anger", "fear"])
        torch.testing.assert_close(system._build()["classifier"].grid, RecogniserNetwork(2, inner=32 / 36).grid)

    def test_betas_stay_where_the_rate_moves(self) -> None:
        stage, _, _ = prepared(tiny(), coded(), "classifier")
        optimizer = stage.phases[0].optimizer([torch.nn.Parameter(torch.zeros(1))])
        schedule = stage.phases[0].schedule(optimizer)
        for _ in range(stage.epochs):
            assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
            optimizer.step()
            schedule.step()

    def test_rows_of_a_batch_are_faces(self) -> None:
        stage, _, _ = prepared(tiny(), coded(), "classifier")
        batch = next(iter(stage.batches(0)))
        rows = rows_of(batch["image"].permute(0, 3, 1, 2) / 127.5 - 1).round().astype(int)
        np.testing.assert_array_equal(batch["label"], rows % 3)


def test_in_use_it_is_what_it_was_trained_to_be() -> None:
    data = faces(24)
    system = tiny(epochs=1).fit(data)
    drawn = system.normalise(data[:5])
    assert drawn.shape == (5, 32, 32, 3) and drawn.dtype == np.uint8
    modules = Modules(**system.modules_)
    images = torch.from_numpy(data.pixels()[:5, 2:-2, 2:-2]).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        made = normalised(modules, images, 32)
        _, logits = modules.classifier(made)
    expected = ((made + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(drawn - expected).max() <= 1
    np.testing.assert_allclose(system.predict_proba(data[:5]), logits.softmax(1).numpy(), atol=1e-4)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="generator_arguments: 'epochs' is none of encoder_channels, decoder"):
        tiny(generator_arguments={"epochs": 3}).fit(faces(12))
    with pytest.raises(ValueError, match="classifier_epochs=0"):
        tiny(classifier_epochs=0).fit(faces(12))
    with pytest.raises(ValueError, match="truths=0"):
        tiny(generator_arguments={"truths": 0}).fit(faces(12))
