"""HomoInterpGAN: each term by hand and at its limit; which tensor goes where; whose maps; that it edits."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.preprocess.augment import to_bytes, to_unit_range
from ferdis.systems import homointerpgan
from ferdis.systems.homointerpgan import (
    GROUPS,
    Critic,
    Decoder,
    Encoder,
    HomoInterpGAN,
    Interpolator,
    Teacher,
    attributes_on_the_way,
    critic_loss,
    group_loss,
    guidance_loss,
    homomorphic_loss,
    interpolator_loss,
    reconstruction_loss,
)
from tests.systems import test_decgan, test_eggan
from tests.wiring import assert_same_terms, coded, double, layers, phase_of, prepared, rows_of, spied

TINY = {
    "image_size": 32,
    "encoder_channels": (8, 12),
    "encoder_depths": (1, 1),
    "critic_channels": 8,
    "epochs": 1,
    "min_steps": 0,
    "batch_size": 12,
    "learning_rate": 1e-3,
    "progress": False,
    "logger": None,
}


def tiny(**changes) -> HomoInterpGAN:
    return HomoInterpGAN.small(**{**TINY, **changes})


class TestTerms:
    def test_attributes_on_the_way(self) -> None:
        here, there = torch.tensor([[0.0, 1.0, 0.5]]), torch.tensor([[1.0, 0.0, torch.nan]])
        found = attributes_on_the_way(here, there, torch.tensor([[0.25, 1.0, 0.5]]))
        torch.testing.assert_close(found, torch.tensor([[0.25, 0.0, torch.nan]]), equal_nan=True)

    def test_by_hand(self) -> None:
        real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.5])
        assert critic_loss(real, fake).item() == -1.5 and interpolator_loss(fake).item() == -0.5
        one, other = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
        for loss in (homomorphic_loss, reconstruction_loss, guidance_loss):
            assert loss(one, other).item() == pytest.approx(0.25) and loss(one, one).item() == 0

    def test_groups_may_be_half_there(self) -> None:
        rows = torch.tensor([[0.5, torch.nan], [1.0, 0.0]])
        logits = torch.zeros(2, 2, requires_grad=True)
        loss = group_loss(logits, rows)
        assert loss.item() == pytest.approx(3 * math.log(2) / 2)  # summed over those known, mean over faces
        loss.backward()
        torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0], [-0.25, 0.25]]))  # a half is met by 0
        wide, known = double(3, 4), torch.rand(3, 4, dtype=torch.float64)
        p = torch.sigmoid(wide)
        naive = -(known * torch.log(p) + (1 - known) * torch.log(1 - p)).sum() / 3
        torch.testing.assert_close(group_loss(wide, known), naive)

    def test_guidance_is_of_the_features_size(self) -> None:
        deep = torch.arange(16.0).reshape(1, 1, 4, 4)
        mapped = torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]])  # means of the quarters
        assert guidance_loss(mapped, deep).item() == 0
        assert guidance_loss(deep, mapped).item() > 0

    def test_gradients(self) -> None:
        pair = double(2, 3), double(2, 3, seed=1)
        assert torch.autograd.gradcheck(critic_loss, pair) and torch.autograd.gradcheck(homomorphic_loss, pair)
        rows = torch.rand(2, 3, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: group_loss(x, rows), (double(2, 3),))


class TestNetworks:
    def test_a_walk(self) -> None:
        torch.manual_seed(0)
        walker, here, there = Interpolator(3, 4), torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
        strength = torch.tensor([[0.0, 0.0, 0.0], [0.5, 1.0, 0.0]])
        found = walker(here, there, strength)
        torch.testing.assert_close(found[0], here[0])
        apart = (there - here)[1:]
        expected = here[1:] + 0.5 * walker.branches[0](apart) + walker.branches[1](apart)
        torch.testing.assert_close(found[1:], expected)

    def test_paper_sizes_by_layers(self) -> None:
        own = HomoInterpGAN()
        with torch.device("meta"):
            encoder = Encoder(own.encoder_channels, own.encoder_depths)
            decoder = Decoder(own.encoder_channels, own.encoder_depths)
            seen = layers(encoder, torch.zeros(1, 3, 128, 128))
            drawn = layers(decoder, torch.zeros(1, 512, 8, 8))
            branch = Interpolator(2, 512).branches[0]
            read = layers(Critic(512, 256, 17, 8), torch.zeros(1, 512, 8, 8))
        assert sum(line.startswith("Conv2d") for line in seen) == 13 and seen[-1] == "ReLU -> 512x8x8"  # to relu5_1
        assert sum(line.startswith("MaxPool") for line in seen) == 4
        assert drawn[-1] == "Conv2d 64>3 3x3/1 -> 3x128x128" and sum("Upsample" in line for line in drawn) == 4
        sides = Counter(line.rpartition("x")[2] for line in drawn if line.startswith("Conv2d"))
        assert sides == {"8": 1, "16": 4, "32": 4, "64": 2, "128": 3}, "the encoder's depths, backwards"
        assert sum(line.startswith("BatchNorm2d") for line in drawn) == 13
        assert [type(layer).__name__ for layer in branch] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Conv2d"]
        assert [line for line in read if line.startswith("Conv2d")] == [
            "Conv2d 512>256 1x1/1 -> 256x8x8", "Conv2d 256>256 4x4/2 -> 256x4x4", "Conv2d 256>256 4x4/2 -> 256x2x2",
            "Conv2d 256>256 2x2/1 -> 256x1x1",
        ]  # fmt: skip
        assert read[-2:] == ["Linear 256>1 -> 1", "Linear 256>17 -> 17"]
        between = [line.partition(" -> ")[0] for line in read if not line.startswith(("Conv2d", "Linear"))]
        assert between == ["InstanceNorm2d affine", "LeakyReLU 0.2"] * 3

    def test_the_signal_does_not_fade_in_the_encoder(self) -> None:
        """There are no norms: He's (2015) weights, whose deviation is the root of 2 / inputs, keep the variance."""
        torch.manual_seed(0)
        for network in (Encoder((16, 32), (1, 2)), Interpolator(2, 16)):
            for layer in (layer for layer in network.modules() if isinstance(layer, nn.Conv2d)):
                assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * layer.in_channels)), rel=0.1)
                assert not layer.bias.any()

    def test_every_action_unit_has_one_group(self) -> None:
        assert sorted(name for units in GROUPS.values() for name in units) == sorted(AU_COLUMNS)

    def test_whose_maps(self) -> None:
        images = torch.rand(2, 3, 64, 64) * 2 - 1
        of_zoo, of_vgg = Teacher("zoo:resnet-small").eval(), Teacher(None).eval()
        shallow, deep = of_zoo(images)
        torch.testing.assert_close(deep, of_zoo.network.network.forward_features(
            ((images + 1) / 2 - of_zoo.network.mean) / of_zoo.network.std))  # fmt: skip
        assert shallow.shape[2] > deep.shape[2]
        shallow, deep = of_vgg(images)
        assert shallow.shape == (2, 256, 16, 16) and deep.shape == (2, 512, 4, 4)
        assert of_vgg.shallow(images).min() == 0, "behind the ReLU of relu3_1"
        torch.testing.assert_close(deep, of_vgg.network(images))


class Noting(nn.Module):
    """In the interpolator's place: keeps what it is given, and stays where the walk starts."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, here: Tensor, there: Tensor, strength: Tensor) -> Tensor:
        self.seen.append((here, there, strength))
        return here


class TestStep:
    @pytest.mark.parametrize("kind", ["action_units", "expressions"])
    def test_on_the_way_to_another_face(self, kind: str) -> None:
        system = tiny(condition=kind)
        _, modules, batch = prepared(system, coded(size=32))
        rows = rows_of(batch["image"]).round().astype(int)
        own = system.condition_.of(coded(24, 32))[rows] / (5 if kind == "action_units" else 1)
        np.testing.assert_allclose(batch["attributes"], own, rtol=1e-6)
        order, there = batch["order"], batch["attributes"][batch["order"]]
        assert sorted(order.tolist()) == list(range(12))
        torch.testing.assert_close(batch["features"], modules.encoder(batch["image"]))
        share = (batch["wanted"] - batch["attributes"]) / (there - batch["attributes"])
        for row in range(12):
            found = {}
            for name, value in zip(AU_COLUMNS if kind == "action_units" else "abc", share[row].tolist(), strict=True):
                group = next((k for k, units in GROUPS.items() if name in units), "all")
                if math.isfinite(value):
                    assert 0 <= value <= 1 and abs(found.setdefault(group, value) - value) < 1e-4, (
                        "one strength a group"
                    )
        assert batch["on_the_way"].requires_grad

    def test_features_walk_as_far_as_attributes(self) -> None:
        _, _, batch = prepared(tiny(condition="expressions"), coded(size=32), interpolator=(noting := Noting()))
        ((here, there, strength),) = noting.seen
        torch.testing.assert_close(here, batch["features"])
        torch.testing.assert_close(there, batch["features"][batch["order"]])
        own = batch["attributes"]
        torch.testing.assert_close(batch["wanted"], own + strength[:, :1] * (own[batch["order"]] - own))
        assert strength.shape == (12, 2) and 0 <= strength.min() < 0.3 and 0.7 < strength.max() <= 1

    @pytest.mark.parametrize("head_on", ["real", "interpolated"])
    def test_of_the_critic(self, head_on: str, monkeypatch) -> None:
        stage, modules, batch = prepared(tiny(head_on=head_on), coded(size=32))
        calls = spied(monkeypatch, homointerpgan, "gradient_penalty")
        found = phase_of(stage, "critic").terms(modules, batch)
        real, fake = batch["features"].detach(), batch["on_the_way"].detach()
        (value, read), (other, read_there) = modules.critic(real), modules.critic(fake)
        share = ((calls[0][1] - real) / (fake - real)).flatten(1).nanmedian(1).values
        assert share.min() >= 0 and share.max() <= 1 and share.std() > 0.1, "one place between each two"
        at = calls[0][1].detach().requires_grad_()
        (slope,) = torch.autograd.grad(modules.critic(at)[0].sum(), at, create_graph=True)
        expected = {
            "critic": other.mean() - value.mean(),
            "group": group_loss(read if head_on == "real" else read_there, batch["attributes"]),
            "penalty": ((slope.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean(),
        }
        assert_same_terms(found, expected, modules)

    def test_of_the_others(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(size=32))
        modules.decoder.eval()
        features, image = batch["features"], batch["image"]
        shallow, deep = (maps.detach() for maps in modules.teacher(image))

        def decoded(maps: torch.Tensor) -> dict[str, torch.Tensor]:
            drawn = modules.decoder(maps)
            return {"pixels": (drawn - image).square().mean(),
                    "perceptual": (modules.teacher(drawn)[0] - shallow).square().mean()}  # fmt: skip

        pooled = F.adaptive_avg_pool2d(deep, features.shape[-2:])
        assert_same_terms(phase_of(stage, "decoder").terms(modules, batch), decoded(features.detach()), modules)
        guided = (modules.guide(features.detach()) - pooled).square().mean()
        assert_same_terms(phase_of(stage, "guide").terms(modules, batch), {"guidance": guided}, modules)
        value, read = modules.critic(batch["on_the_way"])
        held = features.detach()
        reached = modules.interpolator(held, held[batch["order"]], torch.ones(12, len(GROUPS) + 1))
        expected = {
            "critic": -value.mean(),
            "group": group_loss(read, batch["wanted"]),
            "homomorphic": (reached - held[batch["order"]]).square().mean(),
            "guidance": (modules.guide(features) - pooled).square().mean(),
            **decoded(features),
        }
        assert_same_terms(phase_of(stage, "interpolator").terms(modules, batch), expected, modules)

    def test_the_teacher_stays_as_it_is(self) -> None:
        stage, _, _ = prepared(tiny(), coded(size=32))
        expected = {name: part for name, part in Teacher("zoo:resnet-small").named_buffers() if "running" in name}
        found = dict(stage.modules["teacher"].named_buffers())
        assert expected and all(torch.equal(found[name], part) for name, part in expected.items())

    def test_the_teacher_looks_at_a_face_once(self, monkeypatch) -> None:
        """Its deep maps are those of faces alone, and one pass serves all phases: VGG19 is most of a step's cost."""
        seen = []
        real = Teacher.forward
        monkeypatch.setattr(Teacher, "forward", lambda self, images: seen.append(len(images)) or real(self, images))
        stage, modules, batch = prepared(tiny(), coded(size=32))
        before = len(seen)
        for phase in stage.phases:
            phase.terms(modules, batch)
        assert len(seen) == before and seen[-1] == len(batch["image"])


@pytest.fixture(scope="module", params=["action_units", "expressions"])
def fitted(request) -> HomoInterpGAN:
    return tiny(condition=request.param).fit(coded(size=32))


class TestEstimator:
    def test_shapes_order_and_ends(self, fitted: HomoInterpGAN) -> None:
        data = coded(24, 32)
        data = Faces.concat([data, data, data])  # more than one batch of prediction
        path = fitted.interpolate(data, data[::-1], steps=3)
        assert path.shape == (72, 3, 32, 32, 3) and path.dtype == np.uint8
        assert np.abs(path[:, 0].astype(int) - fitted.reconstruct(data)).max() <= 1
        np.testing.assert_array_equal(path[:, -1], fitted.transfer(data, data[::-1]))
        for row in (0, 40, 71):
            alone = fitted.transfer(data[[row]], data[::-1][[row]])[0]
            assert np.abs(path[row, -1].astype(int) - alone).max() <= 1
        with pytest.raises(ValueError, match="72 faces and 3 references"):
            fitted.transfer(data, data[:3])
        with pytest.raises(ValueError, match="steps=1"):
            fitted.interpolate(data, data, steps=1)

    def test_steps_are_even(self) -> None:
        system = tiny()
        prepared(system, coded(12, 32))
        system.modules_["interpolator"] = noting = Noting()
        system.interpolate(coded(2, 32), coded(2, 32, first=2), steps=5)
        strengths = torch.stack([strength for _, _, strength in noting.seen])
        expected = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])[:, None, None].expand(-1, 2, len(GROUPS))
        torch.testing.assert_close(strengths[..., :-1], expected)
        assert not strengths[..., -1].any()

    def test_a_graph_draws_what_the_method_draws(self, fitted: HomoInterpGAN) -> None:
        data, references = coded(4, 32), coded(4, 32, first=4)
        images = [to_unit_range(torch.from_numpy(faces.pixels())) for faces in (data, references)]
        with torch.no_grad():
            drawn = fitted._graphs()["transfer"](*images)
            wide = fitted._graphs()["transfer"](50 * images[0], images[1])
        assert np.abs(to_bytes(drawn).numpy().astype(int) - fitted.transfer(data, references)).max() <= 1
        assert wide.abs().max() == 1, "what an image can hold"

    def test_the_rest_stays(self, fitted: HomoInterpGAN) -> None:
        groups = len(GROUPS) if fitted.condition_.kind == "action_units" else 1
        torch.testing.assert_close(fitted._groups_alone(2), torch.tensor([[1.0] * groups + [0.0]] * 2))

    def test_saves_and_loads(self, fitted: HomoInterpGAN, tmp_path) -> None:
        again = HomoInterpGAN.load(fitted.save(tmp_path))
        assert again.condition_ == fitted.condition_ and "teacher" not in again.modules_
        data = coded(4, 32)
        np.testing.assert_array_equal(again.transfer(data, data[::-1]), fitted.transfer(data, data[::-1]))

    def test_it_says_whose_maps_it_took(self, fitted: HomoInterpGAN) -> None:
        assert fitted.notes_[-1].endswith("are those of zoo:resnet-small")
        assert tiny(weights=None).fit(coded(12, 32)).notes_[-1].endswith("VGG19 with random weights")
        with pytest.raises(ValueError, match="the zoo has no 'none'"):
            tiny(weights="zoo:none").fit(coded(12, 32))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"condition": "age"}, "condition='age'"),
            ({"head_on": "all"}, "head_on='all'"),
            ({"image_size": 40}, "image_size=40: take a multiple of 16"),
            ({"encoder_depths": (1,)}, "2 encoder_channels and 1 encoder_depths"),
            ({"critic_steps": 0}, "critic_steps=0"),
            ({"epochs": 0}, "epochs=0: must be at least 1"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(coded(12, 32))

    def test_gaps_are_masked(self) -> None:
        system = tiny().fit(test_eggan.faces(12))
        assert system.notes_[0] == "12 of 12 faces lack some AUs: masked, not imputed"
        assert np.isfinite(system.history_["value"]).all()


@pytest.mark.slow
def test_overfits_and_edits_one_batch() -> None:
    """Twelve faces: each is drawn again, and gets the mouth of its reference, its own background staying its own."""
    data = test_decgan.faces(12, size=32)
    system = tiny(condition="expressions", epochs=300, group_weight=3.0, precision="32-true").fit(data)
    error = np.abs(system.reconstruct(data).astype(int) - data.pixels()).mean()
    assert error < 20, error  # flat grey is about 50 away
    like = data[[0, 1, 2]]  # dark, grey and bright mouths
    made = [system.transfer(data, like[[k] * 12]) for k in range(3)]
    mouth = [images[:, 17:21, 8:-8].mean() for images in made]
    assert mouth[2] - mouth[0] > 35, mouth
