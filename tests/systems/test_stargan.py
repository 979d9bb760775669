"""StarGAN: each loss by hand, transcribed, at its limit and by gradcheck; which tensor goes where; that it edits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems import stargan
from ferdis.systems.conditions import Condition, condition_loss, with_mask
from ferdis.systems.stargan import (
    Critic,
    Generator,
    Normed,
    ResidualBlock,
    StarGAN,
    critic_loss,
    generated_domain_loss,
    generator_loss,
    log_critic_loss,
    real_domain_loss,
    reconstruction_loss,
    told,
)
from tests.systems import test_eggan
from tests.wiring import (
    assert_same_terms,
    coded,
    double,
    layers,
    phase_of,
    prepared,
    rows_of,
    softplus,
    spied,
    watched,
)

TINY = {
    "draws": "image",
    "reading_epochs": 0,
    "image_size": 32,
    "generator_channels": 8,
    "generator_blocks": 1,
    "critic_channels": 8,
    "critic_layers": 3,
    "epochs": 1,
    "min_steps": 0,
    "batch_size": 12,
    "learning_rate": 1e-3,
    "progress": False,
    "logger": None,
}
KINDS = ("action_units", "expressions")


def tiny(**changes) -> StarGAN:
    return StarGAN.small(**{**TINY, **changes})


class TestConditions:
    def test_action_units_and_what_is_known(self) -> None:
        rows = torch.tensor([[5.0] * 16 + [torch.nan], [2.5] * 17])
        expected = torch.tensor([[1.0] * 16 + [0.0] + [1.0] * 16 + [0.0], [0.5] * 17 + [1.0] * 17])
        torch.testing.assert_close(told(rows, "action_units"), expected)
        one_hot = torch.eye(3)
        assert told(one_hot, "expressions") is one_hot and with_mask(one_hot, "expressions") is one_hot

    def test_rows_of_faces(self) -> None:
        data = coded(9)
        condition, rows = Condition.learned_from("expressions", data)
        assert condition.classes == ("anger", "fear", "neutral") and condition.width == condition.told_width == 3
        np.testing.assert_array_equal(rows, np.tile(np.eye(3), (3, 1)))
        np.testing.assert_array_equal(condition.of(data[::-1]), rows[::-1])
        named, rows = Condition.learned_from("expressions", data, ["b"] * 4 + ["a"] * 5)
        assert named.classes == ("a", "b") and rows[:4, 1].all() and rows[4:, 0].all()
        units, rows = Condition.learned_from("action_units", data)
        np.testing.assert_allclose(rows, data.table[list(AU_COLUMNS)].to_numpy(np.float32))
        assert (units.width, units.told_width) == (17, 34)
        for one in (condition, units):
            assert Condition.from_record(one.record()) == one

    def test_refusals(self) -> None:
        data = coded(9)
        condition, _ = Condition.learned_from("expressions", data)
        other = Faces(data.pixels(), data.to_frame().assign(expression="disgust"))
        with pytest.raises(ValueError, match="no training face shows 'disgust': there are anger, fear, neutral"):
            condition.of(other)
        with pytest.raises(ValueError, match="learned expressions, not action units: fit it with condition="):
            condition.asked(np.zeros(17), data)
        with pytest.raises(ValueError, match="9 training faces show 1 expression: two are needed"):
            Condition.learned_from("expressions", other)
        with pytest.raises(ValueError, match="9 training faces and 2 labels"):
            Condition.learned_from("expressions", data, ["a", "b"])


class TestEquation1:
    def test_by_hand_and_limit(self) -> None:
        real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([-math.log(3)])
        expected = -(math.log(0.5) + math.log(0.75)) / 2 - math.log(0.75)
        assert log_critic_loss(real, fake).item() == pytest.approx(expected, rel=1e-6)
        assert log_critic_loss(torch.full((3,), 50.0), torch.full((3,), -50.0)).item() == pytest.approx(0, abs=1e-6)

    def test_transcribed(self) -> None:
        real, fake = double(6), double(4, seed=1)
        printed = torch.log(torch.sigmoid(real)).mean() + torch.log(1 - torch.sigmoid(fake)).mean()
        torch.testing.assert_close(log_critic_loss(real, fake), -printed)  # D maximises what is printed
        assert torch.autograd.gradcheck(log_critic_loss, (real, fake))


@pytest.mark.parametrize("loss", [real_domain_loss, generated_domain_loss])
class TestEquations2And3:
    def test_expressions(self, loss) -> None:
        logits = double(5, 3)
        rows = torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1, 0]]
        naive = -torch.stack([torch.log(torch.softmax(x, 0))[k] for x, k in zip(logits, [0, 2, 1, 1, 0], strict=True)])
        naive = naive.mean()
        torch.testing.assert_close(loss(logits, rows, "expressions"), naive)
        assert loss(torch.zeros(2, 4), torch.eye(4)[:2], "expressions").item() == pytest.approx(math.log(4))
        assert loss(50 * torch.eye(3), torch.eye(3), "expressions").item() == pytest.approx(0, abs=1e-6)

    def test_action_units_are_regressed_and_gaps_masked(self, loss) -> None:
        found = torch.zeros(2, 17)
        rows = torch.full((2, 17), torch.nan)
        rows[0, 3], rows[1, 8] = 2.0, 4.0
        assert loss(found, rows, "action_units").item() == pytest.approx((4 + 16) / 2)
        assert loss(found, torch.full((2, 17), torch.nan), "action_units").item() == 0
        known, wide = torch.rand(3, 17, dtype=torch.float64), double(3, 17)
        torch.testing.assert_close(loss(wide, known, "action_units"), F.mse_loss(wide, known))
        assert torch.autograd.gradcheck(lambda x: loss(x, known, "action_units"), (wide,))
        rows[0, 3] = torch.nan
        loss(wide.float()[:2].detach().requires_grad_(), rows, "action_units").backward()  # NaN reaches no gradient


class TestEquations4And8:
    def test_by_hand(self) -> None:
        assert reconstruction_loss(torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 3, 4, 4)).item() == pytest.approx(0.5)
        real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5]])
        assert critic_loss(real, fake).item() == pytest.approx(0.5 - 2) and generator_loss(fake).item() == -0.5
        assert critic_loss(real, real).item() == 0

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(critic_loss, (double(4), double(4, seed=1)))
        assert torch.autograd.gradcheck(generator_loss, (double(4),))
        assert torch.autograd.gradcheck(reconstruction_loss, (double(1, 3, 2, 2), double(1, 3, 2, 2, seed=1)))


def rows_asked(rows: np.ndarray, kind: str) -> np.ndarray:
    return Condition.learned_from(kind, coded(24, 32))[1][rows.round().astype(int)]


@pytest.mark.parametrize("kind", KINDS)
class TestStep:
    def test_drawn_with_the_condition_of_another_face(self, kind: str) -> None:
        _, modules, batch = prepared(tiny(condition=kind), coded(size=32))
        rows = rows_of(batch["image"])
        np.testing.assert_allclose(batch["condition"], rows_asked(rows, kind))
        assert sorted(map(tuple, batch["target"].tolist())) == sorted(map(tuple, batch["condition"].tolist()))
        assert (batch["target"] != batch["condition"]).any(1).float().mean() > 0.4
        torch.testing.assert_close(batch["edited"], modules.generator(batch["image"], told(batch["target"], kind)))
        assert batch["edited"].requires_grad

    @pytest.mark.parametrize("adversarial", ["wgan-gp", "log"])
    def test_of_the_critic(self, kind: str, adversarial: str, monkeypatch) -> None:
        stage, modules, batch = prepared(tiny(condition=kind, adversarial=adversarial), coded(size=32))
        calls = spied(monkeypatch, stargan, "gradient_penalty")
        found = phase_of(stage, "critic").terms(modules, batch)
        real, fake = batch["image"], batch["edited"].detach()
        values, read = modules.critic(real)
        drawn, _ = modules.critic(fake)
        expected = {"domain": condition_loss(read, batch["condition"], kind)}
        if adversarial == "log":
            assert not calls
            assert_same_terms(found, {"critic": softplus(-values).mean() + softplus(drawn).mean(), **expected}, modules)
            return
        ((_, at),) = calls
        share = ((at - real) / (fake - real)).flatten(1)
        each = share.median(1).values
        assert ((share - each[:, None]).abs() < 1e-2).float().mean() > 0.99, "one point of each line"
        assert each.min() >= 0 and each.max() <= 1 and each.std() > 0.1
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(modules.critic(at)[0].sum(), at, create_graph=True)
        expected["penalty"] = ((slope.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
        assert_same_terms(found, {"critic": drawn.mean() - values.mean(), **expected}, modules)

    def test_the_critic_reads_before_there_is_a_generator(self, kind: str) -> None:
        stage, modules, batch = prepared(tiny(condition=kind, reading_epochs=1), coded(size=32), "reading")
        assert tuple(stage.modules) == ("critic",) and set(batch) == {"image", "condition"}
        found = phase_of(stage, "reading").terms(modules, batch)
        _, read = modules.critic(batch["image"])
        assert_same_terms(found, {"domain": condition_loss(read, batch["condition"], kind)}, modules)
        with pytest.MonkeyPatch.context() as patch:
            watch = watched(patch)
            tiny(condition=kind, epochs=8, reading_epochs=3).fit(coded(size=32))
            assert [(one.name, one.epochs) for one in watch.stages] == [("reading", 3), ("stargan", 8)]
            watch.stages.clear()
            tiny(condition=kind, epochs=8, reading_epochs=0).fit(coded(size=32))
            assert [one.name for one in watch.stages] == ["stargan"]

    @pytest.mark.parametrize("adversarial", ["wgan-gp", "log"])
    def test_of_the_generator(self, kind: str, adversarial: str) -> None:
        changes = {"condition": kind, "adversarial": adversarial, "identity_weight": 1.0}
        stage, modules, batch = prepared(tiny(**changes), coded(size=32))
        found = phase_of(stage, "generator").terms(modules, batch)
        values, read = modules.critic(batch["edited"])
        own = told(batch["condition"], kind)
        back, same = modules.generator(batch["edited"], own), modules.generator(batch["image"], own)
        expected = {
            "critic": -values.mean() if adversarial == "wgan-gp" else softplus(-values).mean(),
            "domain": condition_loss(read, batch["target"], kind),
            "reconstruction": (back - batch["image"]).abs().mean(),
            "identity": (same - batch["image"]).abs().mean(),
        }
        assert_same_terms(found, expected, modules)
        assert set(found) == set(expected)
        assert "identity" not in phase_of(prepared(tiny(), coded(size=32))[0], "generator").weights


class TestNetworks:
    def test_paper_sizes_by_layers(self) -> None:
        with torch.device("meta"):
            generator, critic = Generator(5), Critic(128, 5)
            drawn = layers(generator, torch.zeros(1, 3, 128, 128), torch.zeros(1, 5))
            read = layers(critic, torch.zeros(1, 3, 128, 128))
        assert drawn[0] == "Conv2d 8>64 7x7/1 -> 64x128x128" and drawn[-1] == "Tanh -> 3x128x128"
        assert [line for line in drawn if "/2" in line] == [
            "Conv2d 64>128 4x4/2 -> 128x64x64",
            "Conv2d 128>256 4x4/2 -> 256x32x32",
            "ConvTranspose2d 256>128 4x4/2 -> 128x64x64",
            "ConvTranspose2d 128>64 4x4/2 -> 64x128x128",
        ]
        assert sum("256>256 3x3/1" in line for line in drawn) == 12
        assert sum(line.startswith("InstanceNorm2d affine") for line in drawn) == 17
        assert not any("Norm" in line for line in read)
        assert sum(line.startswith("LeakyReLU 0.01 ") for line in read) == 6
        assert read[-2:] == ["Conv2d 2048>1 3x3/1 -> 1x2x2", "Conv2d 2048>5 2x2/1 -> 5x1x1"]
        count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
        assert count(generator) == pytest.approx(8.4e6, rel=0.01)  # of the authors' networks
        assert count(critic) == pytest.approx(44.8e6, rel=0.01)

    def test_where_the_condition_enters(self) -> None:
        """As maps beside the colours, or as scale and shift of the norms of all residual blocks."""
        torch.manual_seed(0)
        faces, none, asked = torch.rand(2, 3, 64, 64) * 2 - 1, torch.zeros(2, 34), torch.rand(2, 34)
        moved = {}
        for injection, seen in (("input", 37), ("modulate", 3)):
            generator = Generator(34, 16, 2, injection)
            assert generator.layers[0].convolution.in_channels == seen
            styled = [name for name, module in generator.named_modules() if isinstance(module, nn.Linear)]
            blocks = [f"layers.{k}.{part}.style" for k in (3, 4) for part in ("first", "second")]
            assert styled == (blocks if injection == "modulate" else [])
            plain = [
                layer for layer in generator.modules() if isinstance(layer, nn.InstanceNorm2d) and not layer.affine
            ]
            assert len(plain) == len(styled), "a style takes the place of a norm's own weights"
            moved[injection] = (generator(faces, asked) - generator(faces, none))[..., 16:-16, 16:-16].abs().mean()
        # A constant map is taken away by the norm behind it, but for the borders.
        assert moved["modulate"] > 1.2 * moved["input"] > 0, moved

    def test_the_signal_does_not_fade_in_the_critic(self) -> None:
        """There are no norms: with torch's initial weights a thousandth of what images differ by is left (0.0014)."""
        torch.manual_seed(0)
        smooth = F.interpolate(torch.rand(16, 3, 4, 4) * 2 - 1, size=64, mode="bilinear")
        values, found = Critic(64, 17, 16, 5)(smooth)
        assert 0.03 < found.std(0).mean() < 1 and 0.01 < values.std(0).mean() < 1

    def test_a_change_begins_at_nothing(self) -> None:
        faces, asked = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 34)
        generator = Generator(34, 8, 1, draws="change")
        torch.testing.assert_close(generator(faces, asked), faces)
        nn.init.normal_(generator.head[0].weight)
        drawn = generator(faces, asked)
        assert (drawn - faces).abs().mean() > 0.1 and drawn.abs().max() <= 1

    def test_a_black_face_can_become_white(self) -> None:
        generator, asked = Generator(34, 3, 1, draws="change"), torch.rand(1, 34)
        generator.head = nn.Threshold(math.inf, 1.0)  # the most that Tanh gives
        for grey in (-1.0, 0.0):
            assert (generator(torch.full((1, 3, 32, 32), grey), asked) == 1).all()

    def test_what_a_block_adds_may_lower_a_map(self) -> None:
        torch.manual_seed(0)
        block, maps = ResidualBlock(4), torch.randn(2, 4, 8, 8)
        first, second = block.first.convolution, block.second.convolution
        expected = maps + F.instance_norm(second(F.relu(F.instance_norm(first(maps)))))
        torch.testing.assert_close(block(maps, torch.zeros(2, 0)), expected)

    def test_a_style_is_scale_and_shift(self) -> None:
        layer = Normed(nn.Conv2d(3, 4, 1), 4, 5, relu=False)
        maps, asked = torch.randn(2, 3, 6, 6), torch.rand(2, 5)
        normed = F.instance_norm(layer.convolution(maps))
        scale, shift = (asked @ layer.style.weight.T + layer.style.bias)[..., None, None].split(4, 1)
        torch.testing.assert_close(layer(maps, asked), normed * (1 + scale) + shift)


@pytest.fixture(scope="module")
def fitted() -> StarGAN:
    return tiny(epochs=2).fit(test_eggan.faces())


class TestEstimator:
    def test_shapes_and_the_order_of_rows(self, fitted: StarGAN) -> None:
        data = test_eggan.faces(70)  # more than one batch of prediction
        asked = fitted.condition_.of(data)
        whole = fitted.edit(data, np.nan_to_num(asked)[::-1])
        assert whole.shape == (70, 32, 32, 3) and whole.dtype == np.uint8 and whole.std() > 1
        for row in (0, 40, 69):
            alone = fitted.edit(data[[row]], np.nan_to_num(asked)[::-1][[row]])[0]
            assert np.abs(whole[row].astype(int) - alone).max() <= 1
        np.testing.assert_array_equal(fitted.transfer(data, data[::-1]), whole)
        np.testing.assert_array_equal(fitted.reconstruct(data), fitted.transfer(data, data))

    def test_a_mapping_changes_what_it_names(self, fitted: StarGAN) -> None:
        data = test_eggan.faces(4)
        rows = np.nan_to_num(fitted.condition_.of(data))
        rows[:, AU_COLUMNS.index("AU12")] = 3
        np.testing.assert_array_equal(fitted.edit(data, {"AU12": 3}), fitted.edit(data, rows))
        with pytest.raises(ValueError, match="AU45 cannot be asked for: no training face had it coded"):
            fitted.edit(data, {"AU45": 3})
        with pytest.raises(ValueError, match="4 faces and 3 references"):
            fitted.transfer(data, data[:3])

    @pytest.mark.parametrize("kind", KINDS)
    def test_saves_and_loads(self, kind: str, tmp_path) -> None:
        data = coded(size=32)
        system = tiny(condition=kind).fit(data)
        again = StarGAN.load(system.save(tmp_path))
        assert again.condition_ == system.condition_
        np.testing.assert_array_equal(again.transfer(data[:4], data[4:8]), system.transfer(data[:4], data[4:8]))

    def test_same_seed_same_system(self) -> None:
        data = test_eggan.faces(12)
        first, second, other = (tiny(seed=seed).fit(data).reconstruct(data[:2]) for seed in (3, 3, 4))
        assert np.array_equal(first, second) and not np.array_equal(first, other)

    def test_a_graph_tells_of_no_unit_that_nobody_coded(self, fitted: StarGAN) -> None:
        graph, faces, asked = fitted._graphs()["edit"], torch.rand(2, 3, 32, 32), torch.zeros(2, 17)
        known, unknown = asked.clone(), asked.clone()
        known[:, AU_COLUMNS.index("AU12")] = unknown[:, AU_COLUMNS.index("AU45")] = 5
        assert torch.equal(graph(faces, unknown), graph(faces, asked))
        assert not torch.equal(graph(faces, known), graph(faces, asked))

    def test_missing_units_are_counted(self, fitted: StarGAN) -> None:
        assert fitted.notes_ == ["24 of 24 faces lack some AUs: masked, not imputed"]

    def test_expressions_are_drawn_by_name(self) -> None:
        data = coded(size=32)
        system = tiny(condition="expressions").fit(data)
        assert system.transfer(data[:3], data[3:6]).shape == (3, 32, 32, 3)
        with pytest.raises(ValueError, match="learned expressions, not action units"):
            system.edit(data[:2], np.zeros(17))
        bare = Faces(data.pixels(), pd.DataFrame({"expression": data.expression}))
        assert tiny(condition="expressions").fit(bare).condition_.classes == ("anger", "fear", "neutral")
        assert system._graphs() == {}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"condition": "age"}, "condition='age': choose one of action_units, expressions"),
            ({"adversarial": "hinge"}, "adversarial='hinge'"),
            ({"draws": "mask"}, "draws='mask': choose one of image, change"),
            ({"injection": "side"}, "injection='side': choose one of input, modulate"),
            ({"image_size": 36}, "image_size=36: take a multiple of 8, or fewer critic_layers"),
            ({"image_size": 34, "critic_layers": 1}, "image_size=34: take a multiple of 4"),
            ({"critic_steps": 0}, "critic_steps=0: must be at least 1"),
            ({"critic_layers": 0}, "critic_layers=0: must be at least 1"),
            ({"generator_channels": 0}, "generator_channels=0: must be at least 1"),
            ({"reading_epochs": -1}, "reading_epochs=-1: must be at least 0"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(test_eggan.faces(12))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "near", "apart"),
    [
        ({"injection": "input", "identity_weight": 5.0, "reconstruction_weight": 10.0}, 30, 40),
        ({"draws": "change", "reconstruction_weight": 2.0}, 15, 20),
    ],
    ids=["image", "change"],
)
def test_overfits_and_edits_one_batch(changes: dict, near: float, apart: float) -> None:
    """Twelve faces: the bar at the mouth brightens with AU12, and asking for what is there changes little."""
    data = test_eggan.faces(12)
    system = tiny(**{"epochs": 300, "domain_weight": 2.0, "precision": "32-true", **changes}).fit(data)
    error = np.abs(system.reconstruct(data).astype(int) - data.pixels()).mean()
    assert error < near, error  # flat grey is 60 away
    dark = data[data.table["AU12"] == 0]
    mouth = [system.edit(dark, {"AU12": level})[:, 17:23, 8:24].mean() for level in (0, 2, 4)]
    assert mouth[0] < mouth[1] < mouth[2] and mouth[2] - mouth[0] > apart, mouth
