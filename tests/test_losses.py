"""Terms that systems share, by hand, against their formula, at their limits and by gradcheck."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ferdis.losses import accuracy, in_float32, masked_l1


def test_losses_leave_autocast() -> None:
    seen = {}

    @in_float32
    def product(a: Tensor, b: Tensor) -> Tensor:
        seen["dtype"] = (a @ b).dtype
        return (a @ b).sum()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        product(torch.ones(2, 2).bfloat16(), torch.ones(2, 2))
    assert seen["dtype"] == torch.float32


def test_in_float32_widens_half_precision_and_leaves_float64() -> None:
    kinds = in_float32(lambda *tensors, last: [x.dtype for x in (*tensors, last)])
    given = torch.zeros(1, dtype=torch.float16), torch.zeros(1, dtype=torch.bfloat16)
    assert kinds(*given, last=torch.zeros(1, dtype=torch.float64)) == [torch.float32, torch.float32, torch.float64]


def test_accuracy_is_a_share() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 9.0]])
    assert accuracy(logits, torch.tensor([0, 1, 1, 0])).item() == 0.5


class TestMaskedL1:
    def test_by_hand(self) -> None:
        images, truth = (
            torch.zeros(3, 3, 2, 2),
            torch.ones(3, 3, 2, 2) * torch.tensor([1.0, -0.5, 9]).reshape(3, 1, 1, 1),
        )
        assert masked_l1(images, truth, torch.tensor([True, True, False])).item() == pytest.approx(0.75)

    def test_against_its_formula(self) -> None:
        images, truth = (torch.randn(4, 3, 2, 2, dtype=torch.float64) for _ in range(2))
        known = torch.tensor([True, False, True, True])
        naive = sum((truth[n] - images[n]).abs().sum() for n in (0, 2, 3)) / (3 * 12)
        torch.testing.assert_close(masked_l1(images, truth, known), naive)

    def test_limits(self) -> None:
        images = torch.randn(2, 3, 2, 2, requires_grad=True)
        nothing = masked_l1(images, images.detach() + 1, torch.zeros(2, dtype=torch.bool))
        nothing.backward()
        assert nothing.item() == 0 and images.grad.abs().max() == 0
        assert masked_l1(images, images, torch.ones(2, dtype=torch.bool)).item() == 0

    def test_gradient_comes_from_known_images_alone(self) -> None:
        truth, known = torch.zeros(2, 3, 2, 2, dtype=torch.float64), torch.tensor([False, True])
        images = torch.rand(2, 3, 2, 2, dtype=torch.float64) + 1
        images.requires_grad_()
        assert torch.autograd.gradcheck(lambda x: masked_l1(x, truth, known), (images,))
        masked_l1(images, truth, known).backward()
        assert images.grad[0].abs().max() == 0 and images.grad[1].abs().min() > 0
