"""Identity reversal: what the reversed gradient reaches, that it hides people, its control, and balanced batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ferdis import ResNetClassifier
from ferdis.faces import Faces
from ferdis.systems.classifier import TrainingSet, people_weights
from ferdis.systems.identity_reversal import IdentityReversal
from ferdis.systems.person_probe import FeatureProbe, PersonProbe, feature_probe, person_probe
from tests.systems.test_ifgan import TINY, faces
from tests.wiring import coded, layers, phase_of, prepared, rows_of

KNOWN = IdentityReversal().get_params()


def tiny(**changes) -> IdentityReversal:
    own = {name: value for name, value in TINY.items() if name in KNOWN}
    return IdentityReversal.small(**{**own, "logger": None, "epochs": 1, **changes})


def people(n: int = 48, size: int = 36, seed: int = 0) -> Faces:
    """Four people of different colours, who show three expressions by where a bar lies."""
    made = faces(n, size, seed)
    pixels, who = made.pixels().copy(), np.arange(n) // 3 % 4
    colours = np.array([[90, 0, 0], [0, 90, 0], [0, 0, 90], [60, 60, 0]])
    pixels = np.clip(pixels // 2 + colours[who][:, None, None], 0, 255).astype(np.uint8)
    return Faces(pixels, made.to_frame().assign(subject=[f"t/{k}" for k in who]))


class TestProbe:
    @pytest.mark.parametrize("hidden", [(), (8,)])
    def test_the_gradient_is_reversed_for_the_features_alone(self, hidden: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        probe, features = FeatureProbe(5, 3, 2.5, hidden), torch.randn(4, 5, requires_grad=True)
        person = torch.tensor([0, 1, 2, 1])
        probe.terms(features, person)["person"].backward()
        plain = torch.autograd.grad(F.cross_entropy(probe.layers(features), person), [features, *probe.parameters()])
        torch.testing.assert_close(features.grad, -2.5 * plain[0])
        for parameter, gradient in zip(probe.parameters(), plain[1:], strict=True):
            torch.testing.assert_close(parameter.grad, gradient)

    def test_by_hand(self) -> None:
        probe = FeatureProbe(2, 4, 1.0, ())
        for parameter in probe.parameters():
            torch.nn.init.zeros_(parameter)
        found = probe.terms(torch.randn(6, 2), torch.zeros(6, dtype=torch.int64))
        assert found["person"].item() == pytest.approx(np.log(4)) and found["person_accuracy"].item() == 1

    def test_what_a_hidden_layer_says_below_zero_is_lost(self) -> None:
        probe = FeatureProbe(1, 1, 1.0, (1,))
        for name, parameter in probe.named_parameters():
            torch.nn.init.constant_(parameter, float(name.endswith("weight")))
        assert probe(torch.tensor([[-2.0], [3.0]])).tolist() == [[0.0], [3.0]]

    def test_an_image_is_halved_four_times(self) -> None:
        found = layers(PersonProbe(5, 1.0), torch.zeros(2, 3, 64, 64))
        sizes = [(3, 16, 32), (16, 32, 16), (32, 64, 8), (64, 128, 4)]
        expected = [
            line
            for a, b, s in sizes
            for line in (f"Conv2d {a}>{b} 3x3/2", "BatchNorm2d affine", "LeakyReLU 0.2")
            for line in [f"{line} -> {b}x{s}x{s}"]
        ]
        assert found == [*expected, "AdaptiveAvgPool2d -> 128x4x4", "Flatten -> 2048", "Linear 2048>5 -> 5"]

    @pytest.mark.parametrize("image", [True, False])
    def test_first_weights_are_of_the_seed(self, image: bool) -> None:
        data = coded(3)
        known = TrainingSet(images=data.images, labels=np.arange(3), faces=data, people=np.array([0, 2, 1]))
        probes = [person_probe(known, 1.0, seed) if image else feature_probe(known, 5, 1.0, (4,), seed)
                  for seed in (1, 1, 2)]  # fmt: skip
        first, again, other = (torch.cat([p.flatten() for p in probe.parameters()]) for probe in probes)
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert list(probes[0].parameters())[-1].shape == (3,)


class TestStep:
    def test_features_and_person_are_of_the_same_faces(self) -> None:
        stage, modules, batch = prepared(tiny(max_degrees=0.0), coded())
        rows = rows_of(batch["face"]).round().astype(int)
        np.testing.assert_array_equal(batch["person"], rows // 3 % 4)
        phase = phase_of(stage, "classifier")
        assert phase.updates == ("classifier", "person_probe") and phase.weights["person"] == 1
        modules.classifier.eval()
        found = phase.terms(modules, batch)
        features, logits = modules.classifier(batch["face"])
        expected = F.cross_entropy(modules.person_probe.layers(features), batch["person"])
        torch.testing.assert_close(found["person"], expected)
        torch.testing.assert_close(found["softmax"], F.cross_entropy(logits, batch["label"]))

    @pytest.mark.parametrize("factor", [0.0, 3.0])
    def test_what_reaches_the_classifier(self, factor: float) -> None:
        stage, modules, batch = prepared(tiny(identity_reversal=factor), coded())
        modules.classifier.eval()
        loss = phase_of(stage, "classifier").terms(modules, batch)["person"]
        first = next(modules.classifier.parameters())
        (found,) = torch.autograd.grad(loss, first, retain_graph=True)
        features, _ = modules.classifier(batch["face"])
        plain = F.cross_entropy(modules.person_probe.layers(features), batch["person"])
        torch.testing.assert_close(found, -factor * torch.autograd.grad(plain, first)[0])

    def test_the_probe_starts_from_the_systems_seed(self) -> None:
        first, other = (prepared(tiny(seed=seed), coded())[1].person_probe for seed in (1, 2))
        assert not torch.equal(first.layers[0].weight, other.layers[0].weight)

    def test_it_needs_people(self) -> None:
        data = coded(12)
        with pytest.raises(ValueError, match="the training faces do not name their people"):
            tiny().fit(Faces(data.pixels(), data.to_frame().drop(columns="subject")))
        with pytest.raises(ValueError, match="identity_reversal=-1: 0, or a positive factor"):
            tiny(identity_reversal=-1).fit(data)


@pytest.mark.slow
def test_the_network_beside_names_people_without_the_reversal_and_not_with_it() -> None:
    """Four people told apart by a colour. What a probe reads that is fitted afterwards is another question."""
    data = people(96)
    hidden, control = (
        tiny(identity_reversal=factor, epochs=20, augment=False, island_weight=0.0, precision="32-true").fit(data)
        for factor in (1.0, 0.0)
    )
    named = []
    for system in (hidden, control):
        found = system.history_.query("term == 'person_accuracy'").sort_values(["epoch", "step"])["value"]
        named.append(found.tail(8).mean())
        assert system.score(data) > 0.9
    assert named[1] > 0.5 and named[0] < named[1] - 0.1, named  # chance is 0.25


class TestBalancedPeople:
    def test_each_person_and_each_of_its_classes_equally_often(self) -> None:
        people, labels = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 2, 2, 2, 0])
        weights = people_weights(people, labels)
        assert [weights[people == k].sum() for k in (0, 1)] == pytest.approx([1, 1])
        assert weights[:2].sum() == pytest.approx(0.5) and weights[3:6].sum() == pytest.approx(0.5)

    def test_it_reaches_the_batches(self) -> None:
        data = faces(24)
        rows = np.r_[0:24, [0] * 12]  # one face thirteen times
        system = ResNetClassifier.small(**{k: v for k, v in TINY.items() if k in KNOWN}, epochs=1, sampler="people")
        training = system._training_set(data[rows], None)
        whose = np.asarray(data.subject)[rows]
        totals = [training.row_weights[whose == name].sum() for name in np.unique(whose)]
        assert totals == pytest.approx([totals[0]] * len(totals))
        bare = Faces(data.pixels(), data.to_frame().drop(columns="subject"))
        with pytest.raises(ValueError, match="sampler='people': the training faces do not name their people"):
            system.fit(bare)
