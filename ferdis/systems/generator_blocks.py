"""Blocks of IF-GAN's generators: what halves maps, what doubles them, and the last layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def halvings(channels: Sequence[int], norm: str, kind: str) -> list[nn.Module]:
    """Blocks that halve a face to maps of so many channels."""
    before, last = (3, *channels[:-1]), len(channels) - 1
    if kind == "pooled":
        return [pooled(*pair, norm) for pair in zip(before, channels, strict=True)]
    # No norm at the input (pix2pix), nor at the smallest maps, which have too few positions for statistics.
    return [down(before[k], channels[k], "" if k in (0, last) else norm) for k in range(last + 1)]


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Instance norm with weights, or batch norm."""
    return nn.InstanceNorm2d(channels, affine=True) if kind == "instance" else nn.BatchNorm2d(channels)


def down(before: int, after: int, norm: str) -> nn.Sequential:
    """Halve the maps: convolution 4x4/2, norm unless it is "", LeakyReLU."""
    layers: list[nn.Module] = [nn.Conv2d(before, after, 4, 2, 1, bias=not norm)]
    return nn.Sequential(*layers, *([norm_layer(norm, after)] if norm else []), nn.LeakyReLU(0.2))


def pooled(before: int, after: int, norm: str) -> nn.Sequential:
    """Halve the maps: convolution 3x3, norm, LeakyReLU, 2x2 average pooling."""
    layers = nn.Conv2d(before, after, 3, 1, 1, bias=False), norm_layer(norm, after), nn.LeakyReLU(0.2), nn.AvgPool2d(2)
    return nn.Sequential(*layers)


def up(before: int, after: int, norm: str = "instance") -> nn.Sequential:
    """Double the maps: ReLU, nearest neighbours, convolution 3x3, norm."""
    # Not a transposed convolution, which leaves a checkerboard pattern (Odena et al. 2016); the text leaves it open.
    return nn.Sequential(
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(before, after, 3, 1, 1, bias=False),
        norm_layer(norm, after),
    )


def head(before: int) -> nn.Sequential:
    """Maps of half the size to a face in [-1, 1]."""
    return nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(before, 3, 3, 1, 1), nn.Tanh())
