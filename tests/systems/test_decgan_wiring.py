"""DECGAN: whose face, label and maps reach which network and which loss, and who learns from it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.preprocess.augment import to_unit_range
from ferdis.systems import decgan
from ferdis.systems.decgan import (
    DECGAN,
    ConditionalLayer,
    ConditionalResidual,
    Discriminator,
    Encoder,
    ExpressionEncoder,
    Generator,
    ImagePool,
)
from ferdis.training import Batch, Modules
from tests.systems.test_decgan import TINY
from tests.wiring import (
    assert_same_terms,
    awake,
    coded,
    layers,
    phase_of,
    prepared,
    rows_of,
    same_view,
    softplus,
    spied,
    watched,
)


def tiny(**changes) -> DECGAN:
    return DECGAN.small(**{**TINY, "library_size": 0, **changes})


def ready(stage: str = "decgan", **changes):
    """A stage, its modules in eval mode (so that it does not matter what passes together), and a batch made by them."""
    found, modules, _ = prepared(tiny(**changes), coded(size=24), stage)
    for module in vars(modules).values():
        module.eval()
    torch.manual_seed(1)
    batch = found.prepare(modules, next(iter(found.batches(0))), torch.Generator().manual_seed(1))
    return found, modules, batch


def person(row: np.ndarray) -> np.ndarray:
    return row // 3 % 4


class TestStep:
    def test_face_reference_and_truth_are_whom_they_should_be(self) -> None:
        _, _, batch = ready()
        face, reference, truth = (rows_of(batch[name]).round() for name in ("face", "reference", "truth"))
        np.testing.assert_array_equal(person(truth), person(face))
        np.testing.assert_array_equal(truth % 3, reference % 3)
        assert (person(face) != person(reference)).all() and batch["known"].all()
        np.testing.assert_array_equal(batch["people"], person(face))
        assert same_view(batch["truth"], batch["face"]).all()
        assert not same_view(batch["reference"], batch["face"]).all()
        assert torch.equal(batch["shown"], torch.cat([batch[name] for name in ("reference", "face", "truth")]))
        np.testing.assert_array_equal(batch["expressions"], rows_of(batch["shown"]).round() % 3)

    def test_an_unknown_truth_has_no_expression(self) -> None:
        found, modules, _ = ready()
        raw = next(iter(found.batches(0)))
        raw["known"] = torch.arange(len(raw["known"])) % 2 == 0
        batch = decgan.augment(modules, raw, torch.Generator(), max_degrees=0.0, truths=True, noise=0.0)
        n = len(raw["known"])
        assert (batch["expressions"][2 * n :] == decgan.UNKNOWN).tolist() == (~raw["known"]).tolist()
        assert (batch["expressions"][: 2 * n] >= 0).all()
        fewer = decgan.augment(modules, raw, torch.Generator(), max_degrees=0.0, truths=False, noise=0.0)
        assert len(fewer["shown"]) == len(fewer["expressions"]) == 2 * n

    @pytest.mark.parametrize("condition", ["feature", "label"])
    def test_there_with_the_references_label_and_back_with_its_own(self, condition: str) -> None:
        _, modules, batch = ready(condition=condition)
        label, own = (told(modules, batch[name], condition) for name in ("reference", "face"))
        maps = modules.identity_encoder(batch["face"])
        generated = modules.generator(maps, label)
        expected = {
            "label": label,
            "logits": modules.expression_encoder(batch["shown"])[1],
            "generated": generated,
            "restored": modules.restorer(modules.identity_encoder(generated), own),
            "representation": maps[-1].mean((2, 3)),
            "reference_representation": modules.expression_encoder(batch["reference"])[0].mean((2, 3)),
        }
        for name, wanted in expected.items():
            torch.testing.assert_close(batch[name], wanted, rtol=1e-3, atol=1e-5, msg=lambda t, n=name: f"{n}: {t}")
            assert batch[name].requires_grad, name

    def test_the_sampler_is_given_what_it_asks_for(self, monkeypatch) -> None:
        calls = spied(monkeypatch, decgan, "Triplets")
        watched(monkeypatch)
        tiny(truths=3, ground_truth="pairs", batch_size=7, seed=9).fit(coded(size=24))
        assert calls[0][1:] == ("pairs", 3, "random", 7, 9)

    def test_the_four_networks_share_no_weight(self) -> None:
        found, _, _ = ready()
        weights = [id(p) for module in found.modules.values() for p in module.parameters()]
        assert len(set(weights)) == len(weights) > 20

    def test_networks_see_the_images_of_a_step_in_training_mode(self) -> None:
        found, modules, _ = ready()
        seen: list[tuple[str, bool]] = []
        for name, module in vars(modules).items():
            module.train()
            module.register_forward_hook(lambda m, *_, n=name: seen.append((n, m.training)))
        batch = found.prepare(modules, next(iter(found.batches(0))), torch.Generator())
        names = ["expression_encoder", "identity_encoder", "generator", "identity_encoder", "restorer"]
        assert seen == [(name, True) for name in names]
        seen.clear()
        phase_of(found, "generator").terms(modules, batch)
        assert ("expression_encoder", False) in seen and modules.expression_encoder.training


def told(modules: Modules, face: Tensor, condition: str, sure: bool = False) -> Tensor:
    """What E2 tells the generators of faces: probabilities, in use 1 for the likeliest, and its feature."""
    _, logits, feature = modules.expression_encoder(face)
    label = F.one_hot(logits.argmax(1), 3).float() if sure else logits.softmax(1)
    return torch.cat([label, feature], 1) if condition == "feature" else label


class TestTerms:
    def test_of_the_expression_encoder_alone(self) -> None:
        stage, modules, batch = ready("expression")
        (phase,) = stage.phases
        batch["expressions"][:4] = decgan.UNKNOWN
        found = phase.terms(modules, batch)
        logits = modules.expression_encoder(batch["shown"])[1][4:]
        assert_same_terms(found, {"label": F.cross_entropy(logits, batch["expressions"][4:])}, modules)
        right = (logits.argmax(1) == batch["expressions"][4:]).float().mean()
        assert found["label_accuracy"] == pytest.approx(float(right))
        assert phase.updates == ("expression_encoder",) and set(stage.modules) == {"expression_encoder"}

    def test_of_the_discriminator(self) -> None:
        stage, modules, batch = ready()
        found = phase_of(stage, "discriminator").terms(modules, batch)
        label = batch["label"].detach()
        real = modules.discriminator(batch["reference"], label)
        fake = modules.discriminator(batch["generated"].detach(), label)
        expected = {"adversarial": softplus(-real).mean() + softplus(fake).mean()}
        assert_same_terms(found, expected, modules)
        assert found["real_accuracy"] == pytest.approx(float((real > 0).float().mean()))
        assert found["fake_accuracy"] == pytest.approx(float((fake < 0).float().mean()))

    def test_faces_come_from_the_pool_with_their_own_labels(self) -> None:
        torch.manual_seed(0)
        pool, seen = ImagePool(8, 2, 4), []
        modules = Modules(
            image_pool=pool, discriminator=lambda face, label: (seen.append((face, label)), face.mean((1, 2, 3)))[1]
        )
        for first in (0.0, 8.0, 16.0):
            number = torch.arange(first, first + 8)
            faces = number[:, None, None, None].expand(-1, 3, 4, 4)
            batch = {"generated": faces, "label": number[:, None].expand(-1, 2), "reference": faces + 100}
            decgan.discriminator_terms(modules, batch)
        for number, (face, label) in enumerate(seen):
            real = number % 2 == 0
            assert torch.equal(face[:, 0, 0, 0] - 100 * real, label[:, 0]), "a face has the label it was made with"
        drawn = seen[3][1][:, 0]
        assert (drawn < 8).any() and (drawn >= 8).any(), "some are older, some new"

    def test_of_encoders_and_generators(self) -> None:
        stage, modules, batch = ready(association_weight=1.0)
        batch["known"] = torch.arange(len(batch["known"])) % 2 == 0
        batch["expressions"][-1] = decgan.UNKNOWN
        found = phase_of(stage, "generator").terms(modules, batch)
        expected = generator_terms(modules, batch)
        assert_same_terms(found, expected, modules)
        assert set(found) == {*expected, "label_accuracy"}

    def test_without_a_weight_there_is_no_association(self) -> None:
        stage, modules, batch = ready()
        assert "association" not in phase_of(stage, "generator").terms(modules, batch)


class TestUnpaired:
    """What :attr:`DECGAN.unpaired` switches on."""

    def test_beside_e2_the_discriminator_learns_labels_of_real_faces(self) -> None:
        stage, modules, batch = ready("expression", matching_weight=2.0, condition="feature")
        phase = phase_of(stage, "matching")
        found = phase.terms(modules, batch)
        shown, expressions, n = batch["shown"], batch["expressions"], len(batch["face"])
        feature = modules.expression_encoder(shown)[2].detach()
        label = torch.cat([F.one_hot(expressions.clamp(min=0), 3).float(), feature], 1)
        right = [softplus(-modules.discriminator(shown[i : i + n], label[i : i + n])).mean() for i in (0, n)]
        total, several = torch.zeros(()), 0
        for i, other in [(i, (i + n) % (2 * n)) for i in range(2 * n)]:
            if expressions[i] != expressions[other]:
                total = total + softplus(modules.discriminator(shown[i : i + 1], label[other : other + 1])).mean()
                several += 1
        assert several
        assert_same_terms(found, {"matching": (right[0] + right[1]) / 2 + total / several}, modules)
        assert phase.updates == ("discriminator",) and phase.weights == {"matching": 2.0}

    def test_what_the_discriminator_learns_leaves_e2_as_it_is(self) -> None:
        stage, modules, batch = ready("expression", matching_weight=2.0, condition="feature")
        modules.expression_encoder.train()
        before = copy.deepcopy(modules.expression_encoder.state_dict())
        phase_of(stage, "matching").terms(modules, batch)["matching"].backward()
        for name, tensor in modules.expression_encoder.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        assert all(p.grad is None for p in modules.expression_encoder.parameters())

    def test_real_faces_with_the_others_label_are_wrong(self) -> None:
        stage, modules, batch = ready(matching_weight=2.0)
        phase = phase_of(stage, "discriminator")
        found = phase.terms(modules, batch)
        n = len(batch["face"])
        differ = batch["expressions"][:n] != batch["expressions"][n : 2 * n]
        assert differ.any() and not differ.all()
        label, own = batch["label"].detach(), batch["own_label"].detach()
        reference, drawn = batch["reference"], batch["generated"].detach()
        expected = {
            "adversarial": softplus(-modules.discriminator(reference, label)).mean()
            + softplus(modules.discriminator(drawn, label)).mean(),
            "matching": softplus(modules.discriminator(reference[differ], own[differ])).mean(),
        }
        assert_same_terms(found, expected, modules)
        assert phase.weights == {"adversarial": 1.0, "matching": 2.0}

    def test_labels_of_the_other_are_its_own(self) -> None:
        _, modules, batch = ready()
        n = len(batch["face"])
        torch.testing.assert_close(batch["label"], told(modules, batch["reference"], "feature"), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(batch["own_label"], told(modules, batch["face"], "feature"), rtol=1e-3, atol=1e-5)
        rows = torch.arange(2 * n)
        assert decgan.swapped(rows).tolist() == [*range(n, 2 * n), *range(n)]

    def test_a_face_with_its_own_expression_is_held_to_itself(self) -> None:
        stage, modules, batch = ready(self_weight=3.0)
        phase = phase_of(stage, "generator")
        maps = modules.identity_encoder(batch["face"])
        drawn = modules.generator(maps, told(modules, batch["face"], "feature"))
        torch.testing.assert_close(batch["itself"], drawn, rtol=1e-3, atol=1e-5)
        found = phase.terms(modules, batch)["self"]
        torch.testing.assert_close(found, (batch["itself"] - batch["face"]).abs().mean())
        assert phase.weights["self"] == 3.0
        found.backward()
        assert all(p.grad is not None for p in modules.identity_encoder.parameters())
        stage, modules, batch = ready()
        assert "itself" not in batch and "self" not in phase_of(stage, "generator").terms(modules, batch)

    def test_e2_reads_noise_and_nobody_else(self) -> None:
        clean, dirty = (ready(reading_noise=noise, max_degrees=0.0)[2] for noise in (0.0, 0.5))
        n = len(dirty["face"])
        own = torch.cat([dirty["reference"], dirty["face"], dirty["truth"]])
        spread = (dirty["shown"] - own).std((1, 2, 3))
        assert spread.max() > 0.1 and spread.max() < 0.6 and spread.min() < spread.max() / 2
        drawn = torch.cat([dirty["generated"], dirty["restored"]])
        assert 0.1 < (dirty["reread"] - drawn).std() < 0.5
        for name in ("face", "reference", "truth"):
            assert torch.equal(clean[name], dirty[name])
        assert torch.equal(clean["shown"][:n], clean["reference"])
        assert torch.equal(clean["reread"], torch.cat([clean["generated"], clean["restored"]]))

    def test_at_first_a_change_is_none(self) -> None:
        torch.manual_seed(0)
        network, encoder = Generator((4, 6, 8), 5, (8, 6, 4), 3, draws="change"), Encoder((4, 6, 8), 3)
        face, label = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 5)
        assert torch.equal(network(encoder(face), label), face)
        nn.init.normal_(network.head.weight, std=0.5)
        plain = Generator((4, 6, 8), 5, (8, 6, 4), 3)
        plain.load_state_dict(network.state_dict())
        change = plain(encoder(face), label)
        torch.testing.assert_close(network(encoder(face), label), (face + 2 * change).clamp(-1, 1))

    def test_its_arguments_are_arguments(self) -> None:
        assert DECGAN.small(**DECGAN.unpaired).get_params().items() >= DECGAN.unpaired.items()
        assert DECGAN.unpaired["ground_truth"] == "off" and DECGAN.unpaired["condition"] == "label"


def generator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """The terms of both encoders and generators, written down anew."""
    held = copy.deepcopy(modules.expression_encoder).requires_grad_(False)
    n, expressions = len(batch["face"]), batch["expressions"]
    known = expressions >= 0
    difference = (batch["generated"] - batch["truth"]).abs().mean((1, 2, 3))
    category = [F.cross_entropy(held(batch[name])[1], expressions[part]) for name, part in
                (("generated", slice(0, n)), ("restored", slice(n, 2 * n)))]  # fmt: skip
    start, end = batch["representation"], batch["reference_representation"]
    walk = (start @ end.T).softmax(1) @ (end @ start.T).softmax(1)
    people = batch["people"]
    same = (people[:, None] == people[None]).float()
    ends = same / same.sum(1, keepdim=True)
    return {
        "adversarial": softplus(-modules.discriminator(batch["generated"], batch["label"].detach())).mean(),
        "cycle": (batch["restored"] - batch["face"]).abs().mean(),
        "label": F.cross_entropy(batch["logits"][known], expressions[known]),
        "category": (category[0] + category[1]) / 2,
        "pair": difference[batch["known"]].mean(),
        "association": -(ends * (walk + 1e-8).log()).sum(1).mean(),
    }


class TestUse:
    @pytest.mark.parametrize("condition", ["feature", "label"])
    def test_the_references_expression_on_the_face(self, condition: str) -> None:
        system = tiny(condition=condition)
        _, modules, _ = prepared(system, coded(size=24))
        for module in vars(modules).values():
            module.eval()
        faces, references = coded(5, 24), coded(5, 24, first=5)
        ours, theirs = (to_unit_range(torch.from_numpy(data.pixels())) for data in (faces, references))
        drawn = modules.generator(modules.identity_encoder(ours), told(modules, theirs, condition, sure=True))
        back = modules.restorer(modules.identity_encoder(theirs), told(modules, ours, condition, sure=True))
        for found, expected in ((system.transfer(faces, references), drawn), (system.restore(references, faces), back)):
            wanted = ((expected.detach() + 1) * 127.5).permute(0, 2, 3, 1).numpy()
            assert np.abs(found - wanted).max() <= 1
        torch.testing.assert_close(system._graphs()["transfer"](ours, theirs), drawn)
        np.testing.assert_allclose(
            system.read(faces), modules.expression_encoder(ours)[1].softmax(1).detach(), atol=1e-5
        )


class TestNetworks:
    def test_encoders_are_table_1(self) -> None:
        expected: list[str] = []
        for a, b, k, stride, side in ((3, 64, 7, 1, 64), (64, 128, 3, 2, 32), (128, 256, 3, 2, 16)):
            shape = f"{b}x{side}x{side}"
            expected += [f"Conv2d {a}>{b} {k}x{k}/{stride} -> {shape}", f"InstanceNorm2d affine -> {shape}"]
            expected.append(f"LeakyReLU 0.01 -> {shape}")
        with torch.device("meta"):
            image = torch.zeros(1, 3, 64, 64)
            assert layers(Encoder(), image) == expected
            system = paper()
            found = layers(system["expression_encoder"], image)
        assert found == [*expected, "AdaptiveAvgPool2d -> 256x4x4", "Flatten -> 4096", "Linear 4096>23 -> 23"]

    def test_generators_are_table_1(self) -> None:
        for name in ("generator", "restorer"):
            with torch.device("meta"):
                modules = paper()
                maps = modules["identity_encoder"](torch.zeros(1, 3, 64, 64))
                found = layers(modules[name], maps, torch.zeros(1, 23))
            expected: list[str] = []
            for kind, a, b, k, stride, side in (
                ("ConvTranspose2d", 256 + 23, 256, 3, 2, 32), ("ConvTranspose2d", 256, 128, 3, 2, 64),
                ("Conv2d", 128, 64, 7, 1, 64),
            ):  # fmt: skip
                shape = f"{b}x{side}x{side}"
                expected += [f"Linear 23>{2 * b} -> {2 * b}", f"{kind} {a}>{b} {k}x{k}/{stride} -> {shape}"]
                expected.append(f"InstanceNorm2d -> {shape}")
            assert found == [*expected, "Conv2d 64>3 7x7/1 -> 3x64x64"]

    def test_the_discriminator_is_table_2(self) -> None:
        system = DECGAN()
        system.classes_ = np.array(list("abcdefg"))
        with torch.device("meta"):
            network = Discriminator(system._label_width, system.discriminator_channels, system.kernel)
            found = layers(network, torch.zeros(1, 3, 64, 64), torch.zeros(1, 23))
        expected: list[str] = []
        for a, b, stride, side in ((3, 64, 1, 64), (64 + 23, 128, 2, 32), (128, 256, 2, 16), (256, 512, 1, 16)):
            expected += [f"Conv2d {a}>{b} 7x7/{stride} -> {b}x{side}x{side}", f"LeakyReLU 0.01 -> {b}x{side}x{side}"]
        assert found == [*expected, "Conv2d 512>1 7x7/1 -> 1x16x16"]

    def test_a_layer_is_styled_after_its_norm(self) -> None:
        torch.manual_seed(0)
        norm, maps, label = nn.InstanceNorm2d(4), torch.randn(2, 3, 5, 5), torch.rand(2, 6)
        one = ConditionalLayer(nn.Conv2d(3, 4, 3, 1, 1), norm, 4, 6)
        style = one.style(label)
        expected = norm(one.layer(maps)) * (1 + style[:, :4, None, None]) + style[:, 4:, None, None]
        torch.testing.assert_close(one(maps, label), expected)
        block = ConditionalResidual(4, 6, lambda width: nn.InstanceNorm2d(width))
        maps = torch.randn(2, 4, 5, 5)
        expected = maps + block.second(block.first(maps, label).relu(), label)
        torch.testing.assert_close(block(maps, label), expected)

    @pytest.mark.parametrize("skips", [True, False])
    def test_a_generator_layer_by_layer(self, skips: bool) -> None:
        torch.manual_seed(0)
        network = Generator((4, 6, 8), 5, (8, 6, 4), 3, "instance", skips, 1)
        awake([network])
        face, fine, middle, z, label = (
            torch.randn(2, 3, 8, 8),
            torch.randn(2, 4, 8, 8),
            torch.randn(2, 6, 4, 4),
            torch.randn(2, 8, 2, 2),
            torch.rand(2, 5),
        )
        x = network.blocks[0](z, label)
        x = network.layers[0](torch.cat([x, label[:, :, None, None].expand(-1, -1, 2, 2)], 1), label).relu()
        x = network.layers[1](torch.cat([x, middle], 1) if skips else x, label).relu()
        x = network.layers[2](torch.cat([x, fine], 1) if skips else x, label).relu()
        torch.testing.assert_close(network((face, fine, middle, z), label), network.head(x).tanh())

    def test_e2_splits_label_and_feature(self) -> None:
        torch.manual_seed(0)
        network, face = ExpressionEncoder(3, (4, 6, 8), 3, "instance", (8,)), torch.randn(2, 3, 16, 16)
        maps, logits, feature = network(face)
        out = network.head(network.layers(face))
        torch.testing.assert_close(maps, network.layers(face))
        torch.testing.assert_close(logits, out[:, :3])
        torch.testing.assert_close(feature, out[:, 3:].tanh())


def paper() -> dict[str, nn.Module]:
    system = DECGAN()
    system.classes_ = np.array(list("abcdefg"))
    return system._build()
