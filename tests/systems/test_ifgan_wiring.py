"""IF-GAN and its baseline: which tensor reaches which network and which loss, and who learns from it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.preprocess.augment import to_unit_range
from ferdis.systems import baselines, ifgan
from ferdis.systems.baselines import ResNetClassifier
from ferdis.systems.ifgan import IFGAN, Centres, Generator, PatchDiscriminator
from ferdis.systems.recogniser_network import RecogniserNetwork
from ferdis.training import Batch, Modules
from tests.systems.test_ifgan import TINY
from tests.wiring import assert_same_terms, awake, coded, layers, phase_of, prepared, rows_of, same_view, softplus


def tiny(**changes) -> IFGAN:
    return IFGAN.small(**{**TINY, **changes})


def baseline(**changes) -> ResNetClassifier:
    own = {name: value for name, value in TINY.items() if name in {field.name for field in fields(ResNetClassifier)}}
    return ResNetClassifier.small(**{**own, **changes})


def nets(modules: Modules) -> Modules:
    """In eval mode, so that it does not matter which images pass together; that they do is another test's."""
    for module in vars(modules).values():
        module.eval()
    return modules


class TestViews:
    def test_the_average_is_that_of_the_faces_own_class_in_the_faces_view(self) -> None:
        data, extra = coded(24), coded(6, first=24)
        seen: list[Tensor] = []
        stub = lambda face: seen.append(face) or face / 2  # noqa: E731
        for source, rows in (("target", 24), ("all", 30)):
            seen.clear()
            _, _, batch = prepared(tiny(extra_train=extra, average_from=source), data, generator=stub)
            row, label = rows_of(batch["face"]), batch["label"].numpy()
            np.testing.assert_array_equal(row % 3, label)
            of_class = np.array([np.arange(rows)[np.arange(rows) % 3 == k].mean() for k in range(3)])
            np.testing.assert_allclose(rows_of(batch["average"]), of_class[label], atol=0.01)
            assert same_view(batch["face"], batch["average"]).all()
            assert len(np.unique(batch["face"][:, 1:].sum((1, 2, 3)))) > 6, "each face has a view of its own"
            assert seen[0] is batch["face"] and torch.equal(batch["generated"], batch["face"] / 2)

    def test_the_baseline_sees_the_same_views_or_the_centre(self) -> None:
        _, _, batch = prepared(baseline(), coded())
        np.testing.assert_array_equal(rows_of(batch["face"]) % 3, batch["label"])
        assert len(np.unique(batch["face"][:, 1:].sum((1, 2, 3)))) > 6
        _, _, batch = prepared(baseline(augment=False), coded())
        centre = to_unit_range(torch.from_numpy(coded(1).pixels()))[:, :, 2:34, 2:34]
        assert same_view(batch["face"], centre).all()
        np.testing.assert_array_equal(rows_of(batch["face"]) % 3, batch["label"])


class TestTerms:
    def test_of_the_discriminator(self) -> None:
        stage, modules, batch = prepared(tiny(), coded())
        found = phase_of(stage, "discriminator").terms(modules, batch)
        real = modules.discriminator(batch["face"], batch["average"])
        fake = modules.discriminator(batch["face"], batch["generated"].detach())
        assert_same_terms(found, {"cgan": softplus(-real).mean() + softplus(fake).mean()}, modules)
        right = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
        assert found["accuracy"] == pytest.approx(right.item())

    @pytest.mark.parametrize("classifier_input", ["generated", "pair"])
    @pytest.mark.parametrize("reduction", ["mean", "batch_mean", "sum"])
    def test_of_generator_and_classifier(self, classifier_input: str, reduction: str) -> None:
        changes = {"classifier_input": classifier_input, "island_reduction": reduction, "island_alpha": 0.2}
        stage, modules, batch = prepared(tiny(class_weight={"anger": 3.0}, **changes), coded())
        found = phase_of(stage, "joint").terms(nets(modules), batch)
        expected = joint(modules, batch, classifier_input == "pair", reduction, 0.2, torch.tensor([3.0, 1.0, 1.0]))
        assert_same_terms(found, expected, modules)
        torch.testing.assert_close(batch["features"], seen_by_classifier(modules, batch, classifier_input == "pair")[0])
        assert batch["features"].requires_grad

    def test_true_and_generated_pass_at_once_and_only_the_generated_is_counted(self) -> None:
        stage, modules, batch = prepared(tiny(), coded())
        modules.classifier = lambda seen: (seen.new_zeros(len(seen), 32), F.one_hot(truth(seen), 3).float())
        batch["generated"], right = batch["average"].roll(1, 0), batch["label"] == batch["label"].roll(1)

        def truth(seen: Tensor) -> Tensor:
            assert len(seen) == 2 * len(batch["label"])
            return torch.cat([batch["label"], batch["label"].roll(1)])

        found = phase_of(stage, "joint").terms(modules, batch)
        assert found["accuracy"] == pytest.approx(right.float().mean().item())

    def test_of_the_baseline(self) -> None:
        stage, modules, batch = prepared(baseline(island_alpha=0.2, class_weight={"fear": 2.0}), coded())
        found = phase_of(stage, "classifier").terms(nets(modules), batch)
        features, logits = modules.classifier(batch["face"])
        weights = torch.tensor([1.0, 2.0, 1.0])
        island = (features - modules.centres.values[batch["label"]]).square().mean() + 0.2 * cosines(modules)
        expected = {"softmax": F.cross_entropy(logits, batch["label"], weights), "island": island}
        assert_same_terms(found, expected, modules)
        assert torch.equal(batch["features"], features)
        assert set(phase_of(stage, "classifier").weights) == {"softmax", "island"}


def seen_by_classifier(modules: Modules, batch: Batch, pair: bool) -> tuple[Tensor, Tensor]:
    """Features and logits of the generated face; in a pair the input comes first."""
    generated = batch["generated"]
    return modules.classifier(torch.cat([batch["face"], generated], 1) if pair else generated)


def cosines(modules: Modules) -> Tensor:
    unit = F.normalize(modules.centres.values, dim=1)
    return sum(unit[j] @ unit[k] + 1 for j in range(3) for k in range(3) if j != k)


def joint(
    modules: Modules, batch: Batch, pair: bool, reduction: str, alpha: float, weights: Tensor
) -> dict[str, Tensor]:
    """Eq. 1's terms, written down anew."""
    face, average, generated, labels = (batch[name] for name in ("face", "average", "generated", "label"))
    features, logits = seen_by_classifier(modules, batch, pair)
    _, on_average = modules.classifier(torch.cat([face, average], 1) if pair else average)
    squared = (features - modules.centres.values[labels]).square()
    reduced = {"mean": squared.mean(), "batch_mean": squared.sum(1).mean(), "sum": squared.sum()}[reduction]
    return {
        "cgan": softplus(-modules.discriminator(face, generated)).mean(),
        "l1": (generated - average).abs().mean(),
        "softmax": F.cross_entropy(logits, labels, weights) + F.cross_entropy(on_average, labels, weights),
        "island": reduced + alpha * cosines(modules),
    }


class TestCentres:
    @pytest.mark.parametrize("system", [tiny, baseline])
    def test_they_move_by_the_features_of_the_step(self, system) -> None:
        stage, modules, batch = prepared(system(island_alpha=0.4), coded())
        phase = stage.phases[-1]
        phase.terms(nets(modules), batch)
        name = "generated" if system is tiny else "face"
        features, before = modules.classifier(batch[name])[0].detach(), modules.centres.values.clone()
        with torch.no_grad():
            phase.after_step(modules, batch, lambda x: x)
        centres = before.clone().requires_grad_()
        (push,) = torch.autograd.grad(0.4 * cosines(Modules(centres=Modules(values=centres))), centres)
        for k in range(3):
            own = features[batch["label"] == k]
            delta = (len(own) * before[k] - own.sum(0)) / (1 + len(own))
            torch.testing.assert_close(modules.centres.values[k], before[k] - 0.5 * (delta + push[k]))

    @pytest.mark.parametrize("system", [tiny, baseline])
    def test_those_of_a_pretraining_stay_there(self, system) -> None:
        """Its last layer may serve the same classes; centres and averages are of other people."""
        system = system(pretrain=coded(12, first=24), pretrain_epochs=1, epochs=1)
        system.notes_, data = [], coded()
        system._training_set(data, None)
        system.modules_ = system._build()
        own = [t for name in ("centres", "averages") for t in system.modules_.get(name, nn.Identity()).buffers()]
        for tensor in own:
            tensor.fill_(1)
        before = system.modules_["classifier"].network.get_classifier().weight.clone()
        system._start()
        assert len(own) >= 2 and all(bool((tensor == 1).all()) for tensor in own)
        assert not torch.equal(system.modules_["classifier"].network.get_classifier().weight, before)

    def test_they_start_unknown_and_are_summed_over_processes(self) -> None:
        _, modules, _ = prepared(tiny(), coded(), generator=lambda x: x)
        assert "known" in dict(modules.centres.named_buffers())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.wiring.awake", lambda _: None)
            _, modules, batch = prepared(tiny(), coded(), generator=lambda x: x)
        assert not modules.centres.known.any()
        batch["features"] = torch.arange(12.0)[:, None].expand(-1, modules.centres.values.shape[1])
        modules.centres.alpha = 0.0
        ifgan.move_centres(modules, batch, lambda tensor: 2 * tensor)
        for k in range(3):  # two processes with the same rows
            of_class = batch["features"][batch["label"] == k]
            mean = (2 * of_class.sum(0)) / (2 * len(of_class))
            torch.testing.assert_close(modules.centres.values[k], mean)


class TestNetworks:
    def test_generator_by_layers(self) -> None:
        down = "{} 4x4/2 -> {}"
        with torch.device("meta"):
            found = layers(Generator(), torch.zeros(1, 3, 224, 224))
        convolutions = [line for line in found if line.startswith("Conv2d") and "1x1" not in line]
        sizes = [(3, 64, 112), (64, 128, 56), (128, 256, 28), (256, 512, 14), (512, 512, 7)]
        assert convolutions[:5] == [down.format(f"Conv2d {a}>{b}", f"{b}x{s}x{s}") for a, b, s in sizes]
        up = [(512, 512, 14), (1024, 256, 28), (512, 128, 56), (256, 64, 112), (128, 3, 224)]
        assert convolutions[5:] == [f"Conv2d {a}>{b} 3x3/1 -> {b}x{s}x{s}" for a, b, s in up]
        attended = [line for line in found if line == "Conv2d 128>128 1x1/1 -> 128x56x56"]
        assert len(attended) == 3, "encoder, skip and decoder attend"
        assert sum(line.startswith("InstanceNorm2d affine") for line in found) == 3 + 4
        assert sum(line.startswith("LeakyReLU 0.2") for line in found) == 5
        assert sum(line.startswith("ReLU") for line in found) == 5 and found[-1].startswith("Tanh")

    def test_discriminator_by_layers(self) -> None:
        with torch.device("meta"):
            found = layers(PatchDiscriminator(), torch.zeros(1, 3, 224, 224), torch.zeros(1, 3, 224, 224))
        sizes = [(6, 64, 2, 112), (64, 128, 2, 56), (128, 256, 2, 28), (256, 512, 1, 27)]
        expected = []
        for level, (a, b, stride, s) in enumerate(sizes):
            expected.append(f"Conv2d {a}>{b} 4x4/{stride} -> {b}x{s}x{s}")
            expected += [f"InstanceNorm2d -> {b}x{s}x{s}"] if level else []
            expected.append(f"LeakyReLU 0.2 -> {b}x{s}x{s}")
        assert found == [*expected, "Conv2d 512>1 4x4/1 -> 1x26x26"]

    @pytest.mark.parametrize("place", ["encoder", "skip", "decoder"])
    def test_attention_at_each_place_changes_the_face(self, place: str) -> None:
        torch.manual_seed(0)
        generator, face = Generator((8, 16, 16)), torch.randn(1, 3, 32, 32)
        before = generator(face)
        with torch.no_grad():
            generator.attend[place].gamma.fill_(5.0)
        assert (generator(face) - before).abs().max() > 1e-4

    def test_every_weight_has_a_part_in_the_face(self) -> None:
        torch.manual_seed(0)
        generator = Generator((8, 16, 16))
        awake([generator])
        generator(torch.randn(2, 3, 32, 32)).square().sum().backward()
        assert [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.any()] == []

    def test_weights_start_normal(self) -> None:
        system = tiny(generator_channels=(32, 64, 64), discriminator_channels=32)
        system.classes_ = np.array(["a", "b"])
        modules = system._build()
        for name in ("generator", "discriminator"):
            weights = [m.weight for m in modules[name].modules() if isinstance(m, nn.Conv2d)]
            assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(0.02, rel=0.05)


class TestPrediction:
    @pytest.mark.parametrize("classifier_input", ["generated", "pair"])
    def test_it_sees_what_training_saw(self, classifier_input: str) -> None:
        data, system = coded(5), tiny(classifier_input=classifier_input)
        _, modules, _ = prepared(system, coded())
        nets(modules)
        face = to_unit_range(torch.from_numpy(data.pixels()))[:, :, 2:34, 2:34]
        batch = {"face": face, "generated": modules.generator(face)}
        features, logits = seen_by_classifier(modules, batch, classifier_input == "pair")
        np.testing.assert_allclose(system.predict_proba(data), logits.softmax(1).detach(), atol=1e-5)
        np.testing.assert_allclose(system.transform(data), features.detach(), atol=1e-4)
        drawn = ((batch["generated"] + 1) * 127.5).detach().permute(0, 2, 3, 1)
        assert np.abs(system.average(data) - drawn.numpy()).max() <= 0.51

    def test_the_baseline_reads_the_centre(self) -> None:
        data, system = coded(5), baseline()
        _, modules, _ = prepared(system, coded())
        features, logits = nets(modules).classifier(to_unit_range(torch.from_numpy(data.pixels()))[:, :, 2:34, 2:34])
        np.testing.assert_allclose(system.predict_proba(data), logits.softmax(1).detach(), atol=1e-5)
        np.testing.assert_allclose(system.transform(data), features.detach(), atol=1e-4)

    def test_class_numbers_are_the_sorted_names(self) -> None:
        system = tiny()
        _, _, batch = prepared(system, coded()[::-1])
        assert list(system.classes_) == ["anger", "fear", "neutral"]
        np.testing.assert_array_equal(rows_of(batch["face"]) % 3, batch["label"])


def test_a_class_without_a_centre_has_no_part_in_the_baselines_island_loss() -> None:
    features, logits = torch.tensor([[0.0, 0.0], [5.0, 5.0]]), torch.tensor([[9.0, 0.0], [9.0, 0.0]])
    centres = Centres(2, 2)
    centres.values.copy_(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    centres.known.copy_(torch.tensor([True, False]))
    batch = {"face": torch.zeros(2, 3, 4, 4), "label": torch.tensor([0, 1])}
    modules = Modules(classifier=lambda face: (features, logits), centres=centres)
    found = baselines.baseline_terms(modules, batch, alpha=10.0, reduction="sum", class_weights=None)
    assert found["island"].item() == 1.0, "one face is 1 away from the centre that is known"
    assert found["accuracy"].item() == 0.5
    right = {**batch, "label": torch.tensor([0, 0])}
    found = baselines.baseline_terms(modules, right, alpha=0.0, reduction="sum", class_weights=None)
    assert found["accuracy"].item() == 1 and found["island"].item() == 1 + 16 + 25


def test_the_baselines_network_is_told_how_much_of_the_face_it_sees() -> None:
    system = baseline(classifier="recogniser", classifier_arguments=None, small_stem=False)
    system.classes_ = np.array(["anger", "fear"])
    torch.testing.assert_close(system._build()["classifier"].grid, RecogniserNetwork(2, inner=32 / 36).grid)


def test_no_weights_are_fetched_for_a_model_that_has_its_own() -> None:
    system = baseline(weights="nowhere.safetensors")
    system.classes_ = np.array(["anger", "fear"])
    assert set(system._build(pretrained=False)) == {"classifier", "centres"}
    with pytest.raises(FileNotFoundError, match="nowhere"):
        system._build()


def test_the_baseline_has_ifgans_losses() -> None:
    assert baselines.island_loss is ifgan.island_loss and baselines.softmax_loss is ifgan.softmax_loss
    assert baselines.move_centres is ifgan.move_centres and baselines.Centres is Centres
