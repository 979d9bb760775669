"""IF-GAN's losses four ways: a value by hand, the equation transcribed naively, a limit case, gradcheck in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ferdis.systems.ifgan import Centres, cgan_loss, generator_cgan_loss, island_loss, l1_loss, softmax_loss

RANDOM = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=RANDOM, dtype=torch.float64)


class TestCGAN:  # Eq. 2
    def test_by_hand(self) -> None:
        real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([0.0, -math.log(3)])
        expected = (math.log(2) + math.log(4 / 3)) / 2 * 2  # D(real) = 1/2, 3/4; 1 - D(fake) = 1/2, 3/4
        assert cgan_loss(real, fake).item() == pytest.approx(expected)
        assert generator_cgan_loss(fake).item() == pytest.approx((math.log(2) + math.log(4)) / 2)

    def test_against_the_equation(self) -> None:
        real, fake = normal(4, 1, 3, 3), normal(4, 1, 3, 3)
        naive = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
        torch.testing.assert_close(cgan_loss(real, fake), naive)
        torch.testing.assert_close(generator_cgan_loss(fake), -fake.sigmoid().log().mean())

    def test_limits(self) -> None:
        sure, blind = torch.full((5,), 100.0), torch.zeros(5)
        assert cgan_loss(sure, -sure).item() == pytest.approx(0, abs=1e-6)
        assert cgan_loss(blind, blind).item() == pytest.approx(2 * math.log(2))
        assert cgan_loss(-sure, sure).item() == pytest.approx(200)  # logits: no log of zero

    def test_gradient(self) -> None:
        logits = normal(2, 6).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: cgan_loss(x[0], x[1]), logits)
        assert torch.autograd.gradcheck(generator_cgan_loss, logits)


class TestL1:  # Eq. 3
    def test_by_hand(self) -> None:
        assert l1_loss(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), -0.5)).item() == 0.5

    def test_against_the_equation(self) -> None:
        a, b = normal(2, 3, 4, 4), normal(2, 3, 4, 4)
        naive = sum(abs(x - y) for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)) / a.numel()
        assert l1_loss(a, b).item() == pytest.approx(naive)

    def test_limit(self) -> None:
        a = normal(2, 3, 4, 4)
        assert l1_loss(a, a).item() == 0
        assert l1_loss(torch.ones(1), -torch.ones(1)).item() == 2  # black against white

    def test_gradient(self) -> None:
        a, b = normal(1, 3, 2, 2).requires_grad_(), normal(1, 3, 2, 2)
        assert torch.autograd.gradcheck(lambda x: l1_loss(x, b), a)


class TestSoftmax:  # Eq. 4
    def test_by_hand(self) -> None:
        logits = torch.tensor([[0.0, math.log(3)]])  # p = 1/4, 3/4
        loss = softmax_loss(logits, torch.zeros(1, 2), torch.tensor([1]))
        assert loss.item() == pytest.approx(math.log(4 / 3) + math.log(2))

    def test_against_the_equation(self) -> None:
        a, g, labels = normal(5, 4), normal(5, 4), torch.tensor([0, 3, 1, 1, 2])
        rows = torch.arange(5)
        naive = -(a.softmax(1)[rows, labels].log().mean() + g.softmax(1)[rows, labels].log().mean())
        torch.testing.assert_close(softmax_loss(a, g, labels), naive)

    def test_limits(self) -> None:
        labels = torch.tensor([0, 1])
        assert softmax_loss(1e4 * torch.eye(2), 1e4 * torch.eye(2), labels).item() == 0
        both = softmax_loss(torch.zeros(2, 7), torch.zeros(2, 7), labels).item()
        assert both == pytest.approx(2 * math.log(7))
        assert softmax_loss(torch.zeros(0, 7), torch.zeros(2, 7), labels).item() == pytest.approx(math.log(7))

    def test_class_weights(self) -> None:
        logits, labels = normal(6, 2), torch.tensor([0, 0, 0, 0, 0, 1])
        losses = -logits.log_softmax(1)[torch.arange(6), labels]
        weights = torch.tensor([1.0, 5.0], dtype=torch.float64)
        expected = (losses[:5].sum() + 5 * losses[5]) / 10
        torch.testing.assert_close(softmax_loss(logits[:0], logits, labels, weights), expected)

    def test_gradient(self) -> None:
        labels = torch.tensor([0, 2, 1])
        assert torch.autograd.gradcheck(
            lambda a, g: softmax_loss(a, g, labels), (normal(3, 3).requires_grad_(), normal(3, 3).requires_grad_())
        )


class TestIsland:  # Eq. 5
    def test_by_hand(self) -> None:
        features, labels = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1])
        centres = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        # |x - c|^2 = 1 + 4; the cosine of orthogonal centres is 0, two ordered pairs: 2 * (0 + 1)
        assert island_loss(features, labels, centres, alpha=0.5, reduction="sum").item() == pytest.approx(5 + 0.5 * 2)
        assert island_loss(features, labels, centres, 0.5, "batch_mean").item() == pytest.approx(2.5 + 1)
        assert island_loss(features, labels, centres, 0.5, "mean").item() == pytest.approx(5 / 4 + 1)

    def test_against_the_equation(self) -> None:
        features, labels, centres = normal(6, 5), torch.tensor([0, 1, 2, 0, 1, 2]), normal(3, 5)
        naive = sum(((x - centres[y]) ** 2).sum() for x, y in zip(features, labels, strict=True))
        for j in range(3):
            for k in range(3):
                if j != k:
                    cosine = centres[k] @ centres[j] / (centres[k].norm() * centres[j].norm())
                    naive = naive + 0.03 * (cosine + 1)
        torch.testing.assert_close(island_loss(features, labels, centres, 0.03, "sum"), naive)

    def test_limits(self) -> None:
        opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        labels = torch.tensor([0, 1])
        assert island_loss(opposite, labels, opposite, alpha=1.0).item() == 0  # on their centres, which are opposite
        features = torch.zeros(2, 2)
        assert island_loss(features, labels, opposite, alpha=0).item() == 0.5  # the centre loss alone
        none = torch.zeros(2, dtype=torch.bool)
        assert island_loss(features, labels, opposite, alpha=1.0, known=none).item() == 0

    def test_gradient_reaches_features_not_centres(self) -> None:
        labels, centres = torch.tensor([0, 1, 1]), normal(2, 4).requires_grad_()
        features = normal(3, 4).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: island_loss(x, labels, centres.detach(), 0.03), features)
        island_loss(features, labels, centres).backward()
        assert centres.grad is None and features.grad.abs().sum() > 0

    def test_unknown_reduction(self) -> None:
        with pytest.raises(ValueError, match="island_reduction='max'"):
            island_loss(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), torch.zeros(2, 2), reduction="max")


class TestCentres:
    def test_start_at_class_means_and_later_classes_join(self) -> None:
        centres = Centres(3, 2, alpha=0.0)
        centres.move(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0, 1]))
        assert centres.values.tolist() == [[2, 0], [0, 2], [0, 0]] and centres.known.tolist() == [True, True, False]
        centres.move(torch.tensor([[5.0, 5.0]]), torch.tensor([2]))
        assert centres.values.tolist() == [[2, 0], [0, 2], [5, 5]] and centres.known.all()

    def test_centre_loss_rule(self) -> None:  # Wen et al. 2016, Eq. 4: c - 0.5 * sum(c - x) / (1 + n)
        centres = Centres(2, 1, alpha=0.0)
        centres.move(torch.tensor([[4.0], [0.0]]), torch.tensor([0, 1]))
        centres.move(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]))
        assert centres.values[0].item() == pytest.approx(4 - 0.5 * ((4 - 1) + (4 - 3)) / 3)
        assert centres.values[1].item() == 0

    @pytest.mark.parametrize("alpha", [0.0, 0.03])
    def test_cosines_fall_only_with_alpha(self, alpha: float) -> None:
        random = torch.Generator().manual_seed(1)
        means = torch.randn(4, 8, generator=random) + 1
        centres, labels = Centres(4, 8, alpha), torch.arange(4).repeat(8)
        features = means[labels] + 0.1 * torch.randn(32, 8, generator=random)
        centres.move(features, labels)
        first = _mean_cosine(centres.values)
        for _ in range(100):
            centres.move(features, labels)
        assert (_mean_cosine(centres.values) < first - 0.005) == (alpha > 0)

    def test_sums_over_processes(self) -> None:
        features, labels = normal(8, 3).float(), torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])
        whole, half = Centres(2, 3), Centres(2, 3)
        other = {  # what the second process would add: its counts, then its sums
            (2,): torch.bincount(labels[4:]).float(),
            (2, 3): torch.stack([features[4:][labels[4:] == k].sum(0) for k in (0, 1)]),
        }
        whole.move(features, labels)
        half.move(features[:4], labels[:4], lambda part: part + other[tuple(part.shape)])
        torch.testing.assert_close(whole.values, half.values)

    def test_stay_float32_under_autocast(self) -> None:
        centres = Centres(2, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            centres.move(torch.randn(4, 4, generator=RANDOM).bfloat16(), torch.tensor([0, 0, 1, 1]))
        assert centres.values.dtype == torch.float32


def _mean_cosine(centres: Tensor) -> float:
    unit = torch.nn.functional.normalize(centres, dim=1)
    return ((unit @ unit.T).sum() - len(unit)).item() / (len(unit) * (len(unit) - 1))
