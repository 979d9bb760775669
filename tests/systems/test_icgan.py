"""IcGAN: each loss by hand, transcribed, at its limit and by gradcheck; which tensor goes where; that it edits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ferdis.faces import AU_COLUMNS
from ferdis.systems.conditions import with_mask
from ferdis.systems.icgan import (
    Discriminator,
    Encoder,
    Generator,
    IcGAN,
    condition_error,
    discriminator_loss,
    discriminator_terms,
    generator_loss,
    latent_loss,
)
from ferdis.training import Modules
from tests.systems import test_decgan, test_eggan
from tests.wiring import assert_same_terms, coded, double, layers, phase_of, prepared, rows_of, softplus

TINY = {
    "image_size": 32,
    "generator_channels": (24, 16, 8),
    "discriminator_channels": (8, 16, 24),
    "encoder_channels": (8, 16),
    "latent_hidden": 32,
    "condition_hidden": 16,
    "code_width": 8,
    "epochs": 1,
    "encoder_epochs": 1,
    "min_steps": 0,
    "batch_size": 12,
    "learning_rate": 1e-3,
    "progress": False,
    "logger": None,
}
KINDS = ("action_units", "expressions")


def tiny(**changes) -> IcGAN:
    return IcGAN.small(**{**TINY, **changes})


class TestEquation2:
    def test_by_hand_and_limit(self) -> None:
        real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([-math.log(3)])
        expected = -(math.log(0.5) + math.log(0.75)) / 2 - math.log(0.75)
        assert discriminator_loss(real, fake).item() == pytest.approx(expected, rel=1e-6)
        assert generator_loss(fake).item() == pytest.approx(math.log(4), rel=1e-6)
        sure = torch.full((3,), 50.0)
        assert discriminator_loss(sure, -sure).item() == pytest.approx(0, abs=1e-6)

    def test_transcribed(self) -> None:
        real, fake = double(6), double(4, seed=1)
        printed = torch.log(torch.sigmoid(real)).mean() + torch.log(1 - torch.sigmoid(fake)).mean()
        torch.testing.assert_close(discriminator_loss(real, fake), -printed)  # D maximises what is printed
        assert torch.autograd.gradcheck(discriminator_loss, (real, fake))
        assert torch.autograd.gradcheck(generator_loss, (fake,))


class TestEquations3And4:
    def test_by_hand(self) -> None:
        found, noise = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 2.0]])
        assert latent_loss(found, noise).item() == pytest.approx((5 + 4) / 2)
        assert condition_error(found, noise).item() == pytest.approx((5 + 4) / 2)
        assert latent_loss(noise, noise).item() == 0

    def test_what_is_not_coded_is_left_out(self) -> None:
        rows = torch.tensor([[0.5, torch.nan], [torch.nan, torch.nan]])
        found = torch.ones(2, 2, requires_grad=True)
        error = condition_error(found, rows)
        assert error.item() == pytest.approx(0.25 / 2)
        error.backward()
        torch.testing.assert_close(found.grad, torch.tensor([[0.5, 0.0], [0.0, 0.0]]))

    def test_gradients(self) -> None:
        rows = torch.rand(3, 4, dtype=torch.float64)
        for loss in (latent_loss, condition_error):
            assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, rows), (double(3, 4),))


def test_how_often_the_discriminator_is_right() -> None:
    said = iter([torch.tensor([1.0, 2.0, -1.0, 3.0]), torch.tensor([-1.0, 2.0, 3.0, 4.0])])
    faces = {name: torch.zeros(4) for name in ("image", "own", "drawn", "asked")}
    found = discriminator_terms(Modules(discriminator=lambda faces, told: next(said)), faces)
    assert found["real_accuracy"].item() == 0.75 and found["fake_accuracy"].item() == 0.25


@pytest.mark.parametrize("kind", KINDS)
class TestStep:
    def test_drawn_from_noise_with_the_conditions_in_another_order(self, kind: str) -> None:
        system = tiny(condition=kind)
        _, modules, batch = prepared(system, coded(size=32), "icgan")
        rows = rows_of(batch["image"]).round().astype(int)
        np.testing.assert_allclose(batch["condition"], system.condition_.of(coded(24, 32))[rows])
        torch.testing.assert_close(batch["own"], with_mask(batch["condition"], kind))
        assert sorted(map(tuple, batch["asked"].tolist())) == sorted(map(tuple, batch["own"].tolist()))
        assert (batch["asked"] != batch["own"]).any(1).float().mean() > 0.4
        torch.testing.assert_close(batch["drawn"], modules.generator(batch["noise"], batch["asked"]))
        assert batch["noise"].shape == (12, 8) and abs(batch["noise"].mean()) < 0.4 and batch["drawn"].requires_grad

    def test_of_the_adversaries(self, kind: str) -> None:
        stage, modules, batch = prepared(tiny(condition=kind), coded(size=32), "icgan")
        modules.discriminator.eval()
        real = modules.discriminator(batch["image"], batch["own"])
        held = modules.discriminator(batch["drawn"].detach(), batch["asked"])
        found = phase_of(stage, "discriminator").terms(modules, batch)
        assert_same_terms(found, {"adversarial": softplus(-real).mean() + softplus(held).mean()}, modules)
        fake = modules.discriminator(batch["drawn"], batch["asked"])
        found = phase_of(stage, "generator").terms(modules, batch)
        assert_same_terms(found, {"adversarial": softplus(-fake).mean()}, modules)

    def test_of_the_encoders(self, kind: str) -> None:
        stage, modules, batch = prepared(tiny(condition=kind), coded(size=32), "encoders")
        assert stage.frozen == ("generator",)
        for name in ("generator", "latent_encoder", "condition_encoder"):
            getattr(modules, name).eval()
        found = phase_of(stage, "latent").terms(modules, batch)
        again = modules.latent_encoder(batch["drawn"])
        assert_same_terms(found, {"latent": (again - batch["noise"]).square().sum(1).mean()}, modules)
        rows = batch["condition"] / (5 if kind == "action_units" else 1)
        read = modules.condition_encoder(batch["image"])
        found = phase_of(stage, "condition").terms(modules, batch)
        assert_same_terms(found, {"condition": (read - rows).square().sum(1).mean()}, modules)


class TestNetworks:
    def test_paper_sizes_by_layers(self) -> None:
        with torch.device("meta"):
            generator, critic = Generator(100, 18), Discriminator(18)
            latent, condition = Encoder(64, 100, 4096), Encoder(64, 18, 512)
            image, told = torch.zeros(2, 3, 64, 64), torch.zeros(2, 18)
            drawn, read = layers(generator, torch.zeros(2, 100), told), layers(critic, image, told)
            found = layers(latent, image)
        assert drawn[0] == "ConvTranspose2d 118>512 4x4/1 -> 512x4x4" and drawn[-1] == "Tanh -> 3x64x64"
        assert [line for line in read if line.startswith("Conv2d")] == [
            "Conv2d 3>64 4x4/2 -> 64x32x32",
            "Conv2d 82>128 4x4/2 -> 128x16x16",
            "Conv2d 128>256 4x4/2 -> 256x8x8",
            "Conv2d 256>512 4x4/2 -> 512x4x4",
            "Conv2d 512>1 4x4/1 -> 1x1x1",
        ]
        assert sum(line.startswith("BatchNorm") for line in read) == 3, "none after the first and the last"
        assert sum(line.startswith("LeakyReLU 0.2 ") for line in read) == 4
        assert sum(line.startswith("ReLU") for line in drawn) == 4
        assert [line for line in found if line.startswith(("Conv", "Linear"))] == [
            "Conv2d 3>32 5x5/2 -> 32x32x32",
            "Conv2d 32>64 5x5/2 -> 64x16x16",
            "Conv2d 64>128 5x5/2 -> 128x8x8",
            "Conv2d 128>256 5x5/2 -> 256x4x4",
            "Linear 4096>4096 -> 4096",
            "Linear 4096>100 -> 100",
        ]
        assert found[-4:-1] == ["Linear 4096>4096 -> 4096", "BatchNorm1d -> 4096", "ReLU -> 4096"]
        assert sum(line.startswith("ReLU") for line in found) == 5
        millions = [sum(p.numel() for p in m.parameters()) / 1e6 for m in (generator, critic, latent, condition)]
        assert millions == pytest.approx([3.7, 2.8, 18.3, 3.2], abs=0.1)

    def test_weights_start_normal(self) -> None:
        _, modules, _ = prepared(tiny(), coded(12, 32), "icgan")
        _, encoders, _ = prepared(tiny(), coded(12, 32), "encoders")
        networks = (modules.generator, modules.discriminator, encoders.latent_encoder, encoders.condition_encoder)
        for network in networks:
            weights = [p.flatten() for p in network.parameters() if p.ndim > 1]
            assert torch.cat(weights).std().item() == pytest.approx(0.02, rel=0.05)


class Said(nn.Module):
    """Reads the same of all faces."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[-1.0, 0.5] + [2.0] * 15]).expand(len(faces), -1)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request) -> IcGAN:
    return tiny(condition=request.param).fit(coded(size=32))


class TestEstimator:
    def test_the_reference_is_read_not_its_table(self, fitted: IcGAN) -> None:
        data, references = coded(4, 32), coded(4, 32, first=4)
        made = fitted.transfer(data, references)
        assert made.shape == (4, 32, 32, 3) and made.dtype == np.uint8
        other = type(references)(references.pixels(), references.to_frame().assign(expression="fear", AU12=0.0))
        np.testing.assert_array_equal(fitted.transfer(data, other), made)
        np.testing.assert_array_equal(fitted.reconstruct(data), fitted.transfer(data, data))
        with pytest.raises(ValueError, match="4 faces and 3 references"):
            fitted.transfer(data, references[:3])

    def test_a_graph_draws_the_face_with_what_is_read_of_the_reference(self) -> None:
        system = tiny()
        prepared(system, coded(12, 32))
        system.modules_ = {
            "generator": lambda noise, told: (noise, told),
            "discriminator": None,
            "latent_encoder": lambda faces: faces.mean((1, 2, 3)),
            "condition_encoder": lambda faces: faces.mean((1, 2, 3))[:, None] * torch.tensor([1.0, 2.0, 3.0]),
        }
        noise, told = system._graphs()["transfer"](torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
        assert noise.tolist() == [0, 0] and told.tolist() == [[0, 0, 1]] * 2

    def test_intensities_are_read_in_their_range(self) -> None:
        system = tiny(condition="action_units")
        prepared(system, coded(12, 32))
        system.modules_["condition_encoder"] = Said()
        assert system.read(coded(2, 32)).tolist() == [[0.0, 2.5] + [5.0] * 15] * 2

    def test_rows_keep_their_order(self, fitted: IcGAN) -> None:
        data = coded(24, 32)
        data = type(data).concat([data, data, data])  # more than one batch of prediction
        whole = fitted.transfer(data, data[::-1])
        for row in (0, 40, 71):
            alone = fitted.transfer(data[[row]], data[::-1][[row]])[0]
            assert np.abs(whole[row].astype(int) - alone).max() <= 1

    def test_what_g_is_told(self, fitted: IcGAN) -> None:
        if fitted.condition_.kind == "expressions":
            told = fitted._told(torch.tensor([[0.1, 0.9, -3.0]]))
            torch.testing.assert_close(told, torch.tensor([[0.0, 1.0, 0.0]]))
            with pytest.raises(ValueError, match="learned expressions, not action units"):
                fitted.edit(coded(2, 32), np.zeros(17))
            return
        told = fitted._told(torch.tensor([[-1.0] * 8 + [0.5] * 8 + [2.0]]))
        torch.testing.assert_close(told, torch.tensor([[0.0] * 8 + [0.5] * 8 + [1.0] + [1.0] * 17]))
        rows = fitted.condition_.of(coded(2, 32))
        rows[:, AU_COLUMNS.index("AU12")] = 3
        np.testing.assert_array_equal(fitted.edit(coded(2, 32), {"AU12": 3}), fitted.edit(coded(2, 32), rows))
        assert fitted.read(coded(3, 32)).shape == (3, 17)

    def test_saves_and_loads(self, fitted: IcGAN, tmp_path) -> None:
        again = IcGAN.load(fitted.save(tmp_path))
        assert again.condition_ == fitted.condition_
        data = coded(4, 32)
        np.testing.assert_array_equal(again.transfer(data, data[::-1]), fitted.transfer(data, data[::-1]))

    def test_units_that_nobody_coded_stay_unknown(self) -> None:
        system = tiny(condition="action_units").fit(test_eggan.faces())
        assert np.isnan(system.read(test_eggan.faces(3))[:, AU_COLUMNS.index("AU45")]).all()
        assert not system._told(torch.ones(1, 17))[0, 17 + AU_COLUMNS.index("AU45")]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"condition": "age"}, "condition='age'"),
            ({"image_size": 64}, "image_size=64: generator_channels of 3 make 32"),
            ({"discriminator_channels": (8, 16)}, "image_size=32: discriminator_channels of 2 make 16"),
            ({"encoder_epochs": 0}, "encoder_epochs=0"),
            ({"epochs": 0}, "epochs=0: must be at least 1"),
            ({"code_width": 0}, "code_width=0"),
            ({"encoder_channels": (4,) * 6}, "image_size=32: take fewer encoder_channels"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(coded(12, 32))


@pytest.mark.slow
def test_overfits_and_edits_one_batch() -> None:
    """Twelve faces: what is drawn of a face gets the mouth of its reference."""
    data = test_decgan.faces(12, size=32)
    system = tiny(epochs=250, encoder_epochs=100, precision="32-true").fit(data)
    assert (system.read(data).argmax(1) == np.arange(12) % 3).all()
    like = data[[0, 1, 2]]  # dark, grey and bright mouths
    mouth = [system.transfer(data, like[[k] * 12])[:, 18:21, 8:-8].mean() for k in range(3)]
    assert mouth[0] < mouth[1] < mouth[2] and mouth[2] - mouth[0] > 80, mouth
