"""Blocks of IF-GAN's generators against their definitions, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.systems.generator_blocks import down, halvings, head, pooled, up


def filled(block: nn.Module) -> nn.Module:
    """The block with weights that no initialisation gives, so that an unused one shows."""
    torch.manual_seed(0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return block


def normed(maps: Tensor, layer: nn.Module, kind: str) -> Tensor:
    """Each channel to mean 0 and variance 1, of each image (instance) or of the batch, then scale and shift."""
    over = (2, 3) if kind == "instance" else (0, 2, 3)
    centred = maps - maps.mean(over, keepdim=True)
    each = centred / (centred.square().mean(over, keepdim=True) + 1e-5).sqrt()
    return each * layer.weight[:, None, None] + layer.bias[:, None, None]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["instance", "batch"])
def test_what_halves_maps(kind: str) -> None:
    maps = torch.randn(3, 2, 8, 8)
    for block, convolved in (
        (filled(down(2, 4, kind)), lambda layer: F.conv2d(maps, layer.weight, stride=2, padding=1)),
        (filled(pooled(2, 4, kind)), lambda layer: F.conv2d(maps, layer.weight, padding=1)),
    ):
        expected = F.leaky_relu(normed(convolved(block[0]), block[1], kind), 0.2)  # type: ignore[index]
        if expected.shape[-1] == 8:
            expected = expected.reshape(3, 4, 4, 2, 4, 2).mean((3, 5))
        torch.testing.assert_close(block(maps), expected, rtol=1e-4, atol=1e-4)
    bare = filled(down(2, 4, ""))
    expected = F.leaky_relu(F.conv2d(maps, bare[0].weight, bare[0].bias, stride=2, padding=1), 0.2)  # type: ignore[index]
    torch.testing.assert_close(bare(maps), expected)


@pytest.mark.parametrize("kind", ["instance", "batch"])
def test_what_doubles_maps_and_the_last_layers(kind: str) -> None:
    maps = torch.randn(3, 2, 4, 4)
    larger = maps.clamp(min=0).repeat_interleave(2, 2).repeat_interleave(2, 3)
    block, last = filled(up(2, 4, kind)), filled(head(2))
    expected = normed(F.conv2d(larger, block[2].weight, padding=1), block[3], kind)  # type: ignore[index]
    torch.testing.assert_close(block(maps), expected, rtol=1e-4, atol=1e-4)
    expected = F.conv2d(larger, last[2].weight, last[2].bias, padding=1).tanh()  # type: ignore[index]
    torch.testing.assert_close(last(maps), expected, rtol=1e-4, atol=1e-4)


def test_no_norm_at_the_input_nor_at_the_smallest_maps() -> None:
    """As in pix2pix; the pooled blocks have one everywhere."""
    norms = [
        any(isinstance(layer, nn.InstanceNorm2d) for layer in block) for block in halvings((2, 3, 4, 5), "instance", "")
    ]  # type: ignore[attr-defined]
    assert norms == [False, True, True, False]
    blocks = halvings((2, 3, 4), "instance", "pooled")
    assert all(isinstance(block[1], nn.InstanceNorm2d) for block in blocks)  # type: ignore[index]
    assert nn.Sequential(*blocks)(torch.randn(1, 3, 16, 16)).shape == (1, 4, 2, 2)
