"""DECGAN's equations: each loss by hand, transcribed, at its limit and by gradcheck."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from ferdis.systems.decgan import (
    FEATURE,
    association_loss,
    constancy_loss,
    discriminator_loss,
    generator_loss,
    labels_of,
    matching_loss,
    mean_absolute,
    restore,
    round_trip,
    synthesise,
    transition,
)
from ferdis.training.phases import Modules
from tests.systems.test_decgan import faces, ready, tiny
from tests.wiring import double


class TestMatching:
    """Real faces with labels of others (Reed et al. 2016)."""

    def test_by_hand(self) -> None:
        wrong = torch.tensor([[0.0, math.log(3)], [5.0, 5.0], [-9.0, 9.0]]).reshape(3, 1, 1, 2)
        found = matching_loss(wrong, torch.tensor([True, False, False]))
        assert float(found) == pytest.approx((math.log(2) + math.log(4)) / 2)  # -log(1 - 1/2), -log(1 - 3/4)
        both = matching_loss(wrong, torch.tensor([True, False, True]))
        assert float(both) == pytest.approx((float(found) + (9 + 2 * math.log(1 + math.exp(-9))) / 2) / 2)

    def test_of_nobody_it_is_0(self) -> None:
        wrong = double(3, 1, 2, 2).requires_grad_()
        loss = matching_loss(wrong, torch.zeros(3, dtype=torch.bool))
        (gradient,) = torch.autograd.grad(loss, wrong)
        assert loss == 0 and not gradient.any()

    def test_gradients(self) -> None:
        differ = torch.tensor([True, False, True])
        assert torch.autograd.gradcheck(lambda logits: matching_loss(logits, differ), double(3, 1, 2, 2))


class TestEquation2:
    def test_by_hand(self) -> None:
        start, end = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        torch.testing.assert_close(transition(start, end), torch.tensor([[0.75, 0.25]]))  # e^log3 : e^0

    def test_transcribed(self) -> None:
        start, end = double(4, 3), double(5, 3, seed=1)
        naive = torch.stack([torch.exp(end @ a) / torch.exp(end @ a).sum() for a in start])
        torch.testing.assert_close(transition(start, end), naive)

    def test_limits(self) -> None:
        codes = 50 * torch.eye(3)
        torch.testing.assert_close(transition(codes, codes), torch.eye(3))  # only the nearest is reached
        torch.testing.assert_close(transition(codes * 0, codes), torch.full((3, 3), 1 / 3))

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(transition, (double(3, 2), double(4, 2, seed=1)))


class TestEquation3:
    def test_by_hand(self) -> None:
        there = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
        back = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
        torch.testing.assert_close(round_trip(there, back), torch.tensor([[0.625, 0.375], [0.25, 0.75]]))

    def test_transcribed(self) -> None:
        a, b = double(3, 2), double(4, 2, seed=1)
        walk = torch.zeros(3, 3, dtype=torch.float64)
        there, back = transition(a, b), transition(b, a)
        for i in range(3):
            for j in range(3):
                walk[i, j] = sum(there[i, k] * back[k, j] for k in range(4))
        torch.testing.assert_close(round_trip(there, back), walk)
        people = torch.tensor([0, 1, 0])
        naive = -(
            (walk[0, 0] + 1e-8).log() / 2
            + (walk[0, 2] + 1e-8).log() / 2
            + (walk[1, 1] + 1e-8).log()
            + (walk[2, 0] + 1e-8).log() / 2
            + (walk[2, 2] + 1e-8).log() / 2
        )
        torch.testing.assert_close(association_loss(walk, people), naive / 3)

    def test_limits(self) -> None:
        home, anywhere = torch.eye(3), torch.full((3, 3), 1 / 3)
        assert association_loss(home, torch.arange(3)).item() == pytest.approx(0, abs=1e-6)  # each walk ends at home
        assert association_loss(anywhere, torch.arange(3)).item() == pytest.approx(math.log(3), rel=1e-5)
        # One person: to end evenly at all faces is right, and costs what an even distribution must.
        assert association_loss(anywhere, torch.zeros(3, dtype=torch.int64)).item() == pytest.approx(math.log(3))

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(round_trip, (double(3, 4), double(4, 3, seed=1)))
        people = torch.tensor([0, 1, 0])
        assert torch.autograd.gradcheck(lambda walk: association_loss(walk.softmax(1), people), (double(3, 3),))


class TestEquations4And5:
    def test_by_hand(self) -> None:
        real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([-math.log(3)])
        # D(x) = 1/2, 3/4; D(G) = 1/4: -log of 1/2, 3/4, and 3/4
        expected = -(math.log(0.5) + math.log(0.75)) / 2 - math.log(0.75)
        assert discriminator_loss(real, fake).item() == pytest.approx(expected, rel=1e-6)
        assert generator_loss(fake).item() == pytest.approx(math.log(4), rel=1e-6)

    def test_transcribed(self) -> None:
        real, fake = double(2, 1, 3, 3), double(2, 1, 3, 3, seed=1)
        naive = -torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
        torch.testing.assert_close(discriminator_loss(real, fake), naive)
        torch.testing.assert_close(generator_loss(fake), -torch.log(torch.sigmoid(fake)).mean())

    def test_limits(self) -> None:
        sure = torch.full((4,), 50.0)
        assert discriminator_loss(sure, -sure).item() == pytest.approx(0, abs=1e-6)
        assert discriminator_loss(sure * 0, sure * 0).item() == pytest.approx(2 * math.log(2))
        assert generator_loss(sure).item() == pytest.approx(0, abs=1e-6)

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(discriminator_loss, (double(4), double(4, seed=1)))
        assert torch.autograd.gradcheck(generator_loss, (double(4),))


class TestEquations6And7:
    """Fakes in which each network is arithmetic: the order of the two trips can be read off a number."""

    def modules(self) -> Modules:
        class Fake(torch.nn.Module):
            def __init__(self, function) -> None:
                super().__init__()
                self.function = function

            def forward(self, *given):
                return self.function(*given)

        return Modules(
            identity_encoder=Fake(lambda x: 10 * x),
            generator=Fake(lambda z, label: z + label),
            restorer=Fake(lambda z, label: z - label),
        )

    def test_by_hand(self) -> None:
        modules = self.modules()
        there = synthesise(modules, torch.tensor(2.0), torch.tensor(3.0))
        assert there.item() == 23  # G1(E1(2), 3)
        assert restore(modules, there, torch.tensor(1.0)).item() == 229  # G2(E1(23), 1)

    def test_a_step_makes_just_these(self) -> None:
        modules, batch, _ = ready(tiny(), faces())
        n = len(batch["face"])
        read = modules.expression_encoder(batch["shown"])
        label, own = labels_of(read, "feature")[: 2 * n].chunk(2)
        torch.testing.assert_close(batch["generated"], synthesise(modules, batch["face"], label))
        torch.testing.assert_close(batch["restored"], restore(modules, batch["generated"], own))
        assert label.shape == (n, 3 + FEATURE) and (label[:, :3].sum(1) - 1).abs().max() < 1e-5


class TestEquations8And9:
    def test_by_hand(self) -> None:
        face, restored = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
        restored[0, 0, 0, 0], restored[0, 1, 1, 1] = 0.6, -0.6
        assert mean_absolute(restored, face).item() == pytest.approx(0.1)  # 1.2 over 12 numbers
        assert constancy_loss(restored, face).item() == pytest.approx(0.1)
        assert constancy_loss(restored, face, F.mse_loss).item() == pytest.approx(0.06)  # any other d

    def test_transcribed(self) -> None:
        restored, face = double(2, 3, 4, 4), double(2, 3, 4, 4, seed=1)
        naive = sum((x - y).abs().sum() for x, y in zip(face, restored, strict=True)) / face.numel()
        torch.testing.assert_close(constancy_loss(restored, face), naive)

    def test_limit_and_gradients(self) -> None:
        face = double(1, 3, 2, 2)
        assert constancy_loss(face, face).item() == 0
        assert torch.autograd.gradcheck(constancy_loss, (face, double(1, 3, 2, 2, seed=1)))
