"""EGGAN: which image, code and action units reach which network and which loss, and who learns from it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS
from ferdis.preprocess.augment import to_unit_range
from ferdis.systems import eggan
from ferdis.systems.action_units import action_unit_loss
from ferdis.systems.eggan import EGGAN, Critic, Encoder, Generator, LatentDiscriminator, UpBlock
from ferdis.training import Modules
from tests.systems.test_eggan import TINY
from tests.wiring import assert_same_terms, awake, coded, layers, phase_of, prepared, rows_of, softplus, spied

WITH_MAPS = {"perceptual_weight": 20.0, "weights": "identifier"}


def tiny(**changes) -> EGGAN:
    return EGGAN.small(**{**TINY, **changes})


def evaluating(modules: Modules) -> Modules:
    for module in vars(modules).values():
        module.eval()
    return modules


def units_of(rows: np.ndarray) -> np.ndarray:
    return coded(24, 32).table[list(AU_COLUMNS)].to_numpy(np.float32)[rows.round().astype(int)]


class TestStep:
    def test_edited_has_anothers_units_and_reconstructed_its_own(self) -> None:
        _, modules, batch = prepared(tiny(), coded(size=32))
        rows = rows_of(batch["image"])
        np.testing.assert_allclose(batch["action_units"], units_of(rows))
        np.testing.assert_array_equal(batch["person"], rows // 3 % 4)
        others = [np.flatnonzero((units_of(np.arange(24)) == target.numpy()).all(1)) for target in batch["target"]]
        assert sorted(int(k[0]) for k in others) == sorted(rows.round().astype(int)), "a permutation of the batch's"
        assert (np.array([k[0] for k in others]) != rows).mean() > 0.5
        evaluating(modules)
        torch.testing.assert_close(batch["code"], modules.encoder(batch["image"]))
        for name, action_units in (("edited", batch["target"]), ("reconstructed", batch["action_units"])):
            torch.testing.assert_close(batch[name], modules.generator(batch["code"], action_units), msg=name)
        assert batch["edited"].requires_grad and batch["code"].requires_grad

    def test_both_stages_mirror_some_images(self) -> None:
        for name in ("identity", "eggan"):
            _, _, batch = prepared(tiny(), coded(size=32), name)
            straight = to_unit_range(torch.from_numpy(coded(1, 32).pixels()))[:, 1:]
            mirrored = [torch.equal(image[1:], straight[0].flip(-1)) for image in batch["image"]]
            unchanged = [torch.equal(image[1:], straight[0]) for image in batch["image"]]
            assert any(mirrored) and any(unchanged) and all(np.add(mirrored, unchanged))

    def test_identity_learns_alone_from_photographs(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(size=32), "identity")
        np.testing.assert_array_equal(batch["person"], rows_of(batch["image"]) // 3 % 4)
        found = phase_of(stage, "identity").terms(evaluating(modules), batch)
        logits = modules.identifier(batch["image"])
        assert_same_terms(found, {"identity": F.cross_entropy(logits, batch["person"])}, modules)
        assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == batch["person"]).float().mean()))
        assert set(stage.modules) == {"identifier"} and stage.phases[0].updates == ("identifier",)
        assert prepared(tiny(), coded(size=32))[0].frozen == ("identifier",)


class TestTerms:
    def test_of_the_latent_discriminator(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(size=32))
        phase = phase_of(stage, "latent")
        torch.manual_seed(7)
        found = phase.terms(modules, batch)
        torch.manual_seed(7)
        prior = torch.randn(batch["code"].shape)
        expected = softplus(-modules.latent(prior)).mean() + softplus(modules.latent(batch["code"].detach())).mean()
        assert_same_terms(found, {"latent": expected}, modules)

    def test_the_prior_is_normal(self) -> None:
        seen: list[Tensor] = []
        modules = Modules(latent=lambda codes: (seen.append(codes), codes.mean(1))[1])
        torch.manual_seed(0)
        eggan.latent_terms(modules, {"code": torch.full((2000, 16), 3.0, requires_grad=True)})
        (prior,) = [codes for codes in seen if (codes != 3).any()]
        assert abs(prior.mean()) < 0.02 and abs(prior.std() - 1) < 0.02
        assert abs((prior.abs() < 1).float().mean() - 0.6827) < 0.01

    @pytest.mark.parametrize("adversarial", ["wgan-gp", "r1-like"])
    def test_of_the_critic(self, adversarial: str, monkeypatch) -> None:
        stage, modules, batch = prepared(tiny(adversarial=adversarial), coded(size=32))
        calls = spied(monkeypatch, eggan, "gradient_penalty")
        phase = phase_of(stage, "critic")
        found = phase.terms(modules, batch)
        real, fake = batch["image"], batch["edited"].detach()
        ((critic, at),) = calls
        assert critic is modules.critic
        share = ((at - real) / (fake - real)).flatten(1)
        if adversarial == "r1-like":
            assert torch.equal(at, real)
        else:
            each = share.median(1).values
            assert ((share - each[:, None]).abs() < 1e-2).float().mean() > 0.99, "one point of each line"
            assert each.min() >= 0 and each.max() <= 1 and each.std() > 0.1
        values = [modules.critic(real), modules.critic(fake)]
        loss = values[1].mean() - values[0].mean()
        if adversarial == "r1-like":
            loss = softplus(-values[0]).mean() + softplus(values[1]).mean()
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(modules.critic(at).sum(), at, create_graph=True)
        penalty = ((slope.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
        assert_same_terms(found, {"critic": loss, "penalty": penalty}, modules)

    @pytest.mark.parametrize("c_exp_on", ["real", "both"])
    def test_of_the_classifier_of_units(self, c_exp_on: str) -> None:
        stage, modules, batch = prepared(tiny(c_exp_on=c_exp_on), coded(size=32))
        modules.units.train()
        seen: list[tuple[bool, bool]] = []
        modules.units.register_forward_hook(
            lambda m, x, _: seen.append((torch.equal(x[0], batch["image"]), m.training))
        )
        phase_of(stage, "action_units").terms(modules, batch)
        assert seen == [(True, True), (False, False)][: 1 + (c_exp_on == "both")] and modules.units.training
        found = phase_of(stage, "action_units").terms(evaluating(modules), batch)
        expected = action_unit_loss(modules.units(batch["image"]), batch["action_units"])
        if c_exp_on == "both":
            expected = expected + action_unit_loss(modules.units(batch["edited"].detach()), batch["target"])
        assert_same_terms(found, {"action_units": expected}, modules)

    @pytest.mark.parametrize("adversarial", ["wgan-gp", "r1-like"])
    @pytest.mark.parametrize("norm", ["squared", "norm"])
    def test_of_encoder_and_generator(self, adversarial: str, norm: str) -> None:
        changes = {"adversarial": adversarial, "perceptual_norm": norm, "ssim_weight": 0.7, **WITH_MAPS}
        stage, modules, batch = prepared(tiny(**changes), coded(size=32))
        image, edited, again = batch["image"], batch["edited"], batch["reconstructed"]
        found = phase_of(stage, "generator").terms(evaluating(modules), batch)
        value = modules.critic(edited)
        source, drawn, redrawn = (modules.identifier.maps(images, "relu2_1") for images in (image, edited, again))
        distances = [(source - maps).square().flatten(1) for maps in (drawn, redrawn)]
        each = [d.mean() if norm == "squared" else (d.sum(1).sqrt() / d.shape[1]).mean() for d in distances]
        expected = {
            "latent": softplus(-modules.latent(batch["code"])).mean(),
            "critic": -value.mean() if adversarial == "wgan-gp" else softplus(-value).mean(),
            "action_units": action_unit_loss(modules.units(edited), batch["target"]),
            "identity": F.cross_entropy(modules.identifier(edited), batch["person"]),
            "perceptual": each[0] + each[1],
            "reconstruction": (again - image).abs().mean()
            + 0.7 * (1 - eggan.ms_ssim((again + 1) / 2, (image + 1) / 2)).mean(),
        }
        assert_same_terms(found, expected, modules)
        assert set(found) == set(expected)

    def test_the_classifier_of_units_is_in_eval_mode_where_it_judges(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(size=32))
        modules.units.train()
        seen: list[bool] = []
        modules.units.register_forward_hook(lambda m, *_: seen.append(m.training))
        phase_of(stage, "generator").terms(modules, batch)
        assert seen == [False] and modules.units.training

    def test_maps_are_vgg19s_where_it_is_among_the_modules(self) -> None:
        stage, modules, batch = prepared(tiny(**WITH_MAPS), coded(size=32))
        modules.perceptual = lambda images: images[:, :, ::2, ::2]
        found = phase_of(stage, "generator").terms(modules, batch)["perceptual"]
        source, drawn, again = (batch[name][:, :, ::2, ::2] for name in ("image", "edited", "reconstructed"))
        torch.testing.assert_close(found, (source - drawn).square().mean() + (source - again).square().mean())


class TestUse:
    def test_codes_and_units_in_use_are_those_of_training(self) -> None:
        data, system = coded(5, 32), tiny()
        _, modules, _ = prepared(system, coded(size=32))
        evaluating(modules)
        images, own = to_unit_range(torch.from_numpy(data.pixels())), torch.from_numpy(units_of(np.arange(5)))
        asked = torch.from_numpy(units_of(np.arange(5, 10)))
        same = lambda found, wanted: np.abs(found - pixels(wanted)).max() <= 1  # noqa: E731
        codes = modules.encoder(images)
        assert same(system.edit(data, asked.numpy()), modules.generator(codes, asked))
        assert same(system.reconstruct(data), modules.generator(codes, own))
        path = system.interpolate(data, asked.numpy(), steps=3)
        for step, alpha in enumerate((0.0, 0.5, 1.0)):
            assert same(path[:, step], modules.generator(codes, own + alpha * (asked - own)))
        torch.testing.assert_close(system._graphs()["edit"](images, asked), modules.generator(codes, asked))

    def test_sampled_codes_are_drawn_from_the_prior(self) -> None:
        system = tiny()
        prepared(system, coded(size=32))
        seen: list[Tensor] = []
        system.modules_["generator"].register_forward_hook(lambda _, x, __: seen.append(x[0]))
        system.sample(np.ones(17), 500, seed=3)
        codes = torch.cat(seen)
        assert abs(codes.mean()) < 0.05 and abs(codes.std() - 1) < 0.05
        assert abs((codes.abs() < 1).float().mean() - 0.6827) < 0.02


def pixels(images: Tensor) -> np.ndarray:
    return ((images.detach() + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()


class TestNetworks:
    def test_encoder_and_discriminators_by_layers(self) -> None:
        def halved(channels: tuple[int, ...]) -> list[str]:
            lines, side = [], 128
            for a, b in zip((3, *channels), channels, strict=False):
                side //= 2
                lines += [f"Conv2d {a}>{b} 4x4/2 -> {b}x{side}x{side}", f"LeakyReLU 0.2 -> {b}x{side}x{side}"]
            return lines

        with torch.device("meta"):
            image = torch.zeros(1, 3, 128, 128)
            assert layers(Encoder(128), image) == [*halved((16, 32, 64, 128, 256)), "Linear 4096>128 -> 128"]
            assert layers(Critic(), image) == [*halved((32, 64, 128, 256, 256, 256)), "Linear 1024>1 -> 1"]
            found = layers(LatentDiscriminator(), torch.zeros(1, 128))
        expected: list[str] = []
        for a, b in ((128, 256), (256, 128), (128, 64), (64, 32), (32, 16)):
            expected += [f"Linear {a}>{b} -> {b}", f"LeakyReLU 0.2 -> {b}"]
        assert found == [*expected, "Linear 16>1 -> 1"]

    def test_generator_by_layers(self) -> None:
        for modulate in (True, False):
            with torch.device("meta"):
                found = layers(Generator(modulate=modulate), torch.zeros(1, 128), torch.zeros(1, 17))
            assert found[0] == "Linear 162>2048 -> 2048" and found[-1] == "Tanh -> 3x128x128"
            norm = "InstanceNorm2d" if modulate else "InstanceNorm2d affine"
            assert sum(line.startswith(f"{norm} ->") for line in found) == 12
            assert sum(line.startswith("PReLU") for line in found) == 13
            assert sum(line.startswith("Linear 34>") for line in found) == (12 if modulate else 0)
            drawn = [line for line in found if line.startswith("Conv2d") and "3x3" in line]
            channels, side, expected = (512, 512, 256, 256, 128, 64, 32), 2, []
            for a, b in pairwise(channels):
                expected.append(f"Conv2d {a}>{b} 3x3/1 -> {b}x{side}x{side}")
                side *= 2
                expected.append(f"Conv2d {b}>{b} 3x3/1 -> {b}x{side}x{side}")
            assert drawn == [*expected, "Conv2d 32>3 3x3/1 -> 3x128x128"]

    def test_the_authors_first_block_goes_from_one_place_to_sixteen(self) -> None:
        with torch.device("meta"):
            found = layers(Generator(first_factor=4), torch.zeros(1, 128), torch.zeros(1, 17))
        assert found[0] == "Linear 162>512 -> 512" and found[-1] == "Tanh -> 3x128x128"
        drawn = [line for line in found if line.startswith("Conv2d") and "3x3" in line]
        assert drawn[:2] == ["Conv2d 512>512 3x3/1 -> 512x1x1", "Conv2d 512>512 3x3/1 -> 512x4x4"]
        assert drawn[3] == "Conv2d 256>256 3x3/1 -> 256x8x8"
        assert sum(line.startswith("InstanceNorm2d ->") for line in found) == 10, "none of a single place"

    @pytest.mark.parametrize("label_width", [4, 0])
    def test_a_block_norms_shifts_and_doubles(self, label_width: int) -> None:
        torch.manual_seed(0)
        block, x, units = UpBlock(3, 5, label_width), torch.randn(2, 3, 4, 4), torch.rand(2, 4)
        y = x
        for step in range(2):
            y = (y - y.mean((2, 3), keepdim=True)) / (y.var((2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
            if label_width:
                style = block.styles[step](units)
                half = style.shape[1] // 2
                y = y * (1 + style[:, :half, None, None]) + style[:, half:, None, None]
            y = F.prelu(y, block.activations[step].weight)
            y = y.repeat_interleave(2, 2).repeat_interleave(2, 3) if step else y
            y = block.convolutions[step](y)
        expected = y + block.shortcut(x).repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(block(x, units), expected, rtol=1e-4, atol=1e-5)

    def test_the_generator_is_told_shares_of_five_and_what_is_known(self) -> None:
        torch.manual_seed(0)
        generator, seen = Generator(32, 6, (8, 8)), []
        awake([generator])
        generator.first.register_forward_hook(lambda _, x, __: seen.append(x[0]))
        codes, units = torch.randn(2, 6), torch.tensor([[5.0] * 16 + [torch.nan], [2.5] * 17])
        generator(codes, units)
        expected = torch.tensor([[1.0] * 16 + [0.0] + [1.0] * 16 + [0.0], [0.5] * 17 + [1.0] * 17])
        torch.testing.assert_close(seen[0], torch.cat([codes, expected], 1))

    def test_classifiers_are_two_networks(self) -> None:
        system = tiny()
        _, modules, _ = prepared(system, coded(size=32))
        assert modules.units is not modules.identifier and modules.units.head.out_features == 17 * 6
        assert modules.identifier.head.out_features == 4
        assert isinstance(modules.critic, nn.Module) and modules.critic.code.out_features == 1
