"""The zoo's recogniser in torch: five convolution blocks, several of them, over several views of a face.

It is what is trained and written as ONNX; ``ferdis predict`` runs the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AU_SCALE = 5.0
"""The action unit head learns intensities in 0..1."""

WIDTHS, DROPOUT = (24, 48, 64, 96, 160), 0.3
"""Of the recogniser's networks."""

SIDE, STORED = 48, 64
"""Pixels that a network sees, and of the crop that views are taken from."""

TEMPLATE = ((0.32, 0.37), (0.68, 0.37), (0.50, 0.61))
"""Left eye, right eye and nose tip, as fractions of what a network sees."""

LUMA = (0.299, 0.587, 0.114)
"""What of red, green and blue is grey."""

NARROW_RESNET: Mapping[str, Any] = {"layers": (1, 1, 1, 1), "channels": (16, 32, 64, 128), "zero_init_last": False}
"""What makes timm's resnet18, with a small stem, the network of zoo:resnet-small."""
_LEAST = 1e-6  # a probability


class FiveBlockCNN(nn.Module):
    """Five convolution blocks, each halving the side, and two linear heads on the last 2x2 positions.

    Parameters
    ----------
    channels : int
        Channels of the input (1 grey, 3 colour).
    classes, units : int
        Outputs of the expression head and of the action unit head; 0 leaves a head out.
    widths : tuple of five int
        Channels of the blocks.
    convolutions : int
        3x3 convolutions per block.
    dropout : float
        Rate before the heads.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        units: int,
        widths: tuple[int, ...] = (16, 32, 64, 96, 128),
        convolutions: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            for _ in range(convolutions):
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            # Before the last ReLU, which leaves each maximum where it is: the same numbers, and a quarter of the work.
            layers.insert(-1, nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(4 * channels, classes + units)
        self.classes = classes

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, C, H, W) -> class scores (n, classes), action unit intensities / 5 (n, units)."""
        features = F.adaptive_avg_pool2d(self.features(images), 2)  # (n, widths[-1], 2, 2): keeps coarse position
        outputs = self.heads(self.dropout(features.flatten(1)))
        return outputs[:, : self.classes], outputs[:, self.classes :]


def standardise(images: Tensor) -> Tensor:
    """Zero mean and unit deviation per image and channel, to remove exposure."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    return (images - mean) / images.std(dim=(2, 3), keepdim=True).clamp_min(8.0)


class Recogniser(nn.Module):
    """Expression probabilities and action unit intensities of cropped faces.

    The mean over networks, views and mirror images; the logarithm of the mean probability is divided by a temperature.

    Parameters
    ----------
    networks : sequence of FiveBlockCNN
        Of one grey channel.
    views : sequence of (size, across, down)
        Size of what is looked at (1: the middle 48 of 64 pixels), and its shift as a share of the crop's half side.
    temperature : float
        Above 1 the answer is less sure than the networks.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Names in the ONNX file.
    """

    inputs = ("faces",)
    outputs = ("probabilities", "action_units")
    grids: Tensor
    luma: Tensor

    def __init__(
        self, networks: Sequence[FiveBlockCNN], views: Sequence[Sequence[float]] = ((1, 0, 0),), temperature: float = 1
    ) -> None:
        super().__init__()
        self.networks, self.temperature = nn.ModuleList(networks), temperature
        inner = SIDE / STORED
        matrices = [[[inner * size, 0, across], [0, inner * size, down]] for size, across, down in views]
        grids = F.affine_grid(torch.tensor(matrices), [len(matrices), 1, SIDE, SIDE], align_corners=False)
        self.register_buffer("grids", grids, persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA), persistent=False)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], classes: int, units: int, **settings: object) -> Recogniser:
        """From the tensors of a saved one: ``views`` and ``temperature`` are on the card."""
        count = 1 + max(int(name.split(".")[1]) for name in tensors)
        networks = [FiveBlockCNN(1, classes, units, widths=WIDTHS, dropout=DROPOUT) for _ in range(count)]
        own = cls(networks, **settings)  # type: ignore[arg-type]
        own.load_state_dict(
            {name: part.float() if part.is_floating_point() else part for name, part in tensors.items()}
        )
        return own.eval()

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 64, 64, 3) uint8, RGB -> probabilities (n, classes), intensities 0..5 (n, units)."""
        grey = (faces.float() @ self.luma).round()[:, None]  # (n, 1, 64, 64)
        seen = torch.cat([_seen(grey, grid) for grid in self.grids])
        seen = torch.cat([seen, seen.flip(3)])  # (2 views n, 1, 48, 48): each view of every face, and its mirror image
        likely, units = torch.zeros(()), torch.zeros(())
        for network in self.networks:
            scores, estimates = network(seen)
            likely = likely + scores.softmax(1).reshape(2 * len(self.grids), -1, scores.shape[1]).mean(0)
            units = units + estimates.reshape(2 * len(self.grids), -1, estimates.shape[1]).mean(0)
        tempered = ((likely / len(self.networks)).clamp(min=_LEAST).log() / self.temperature).softmax(1)
        return tempered, (units / len(self.networks) * AU_SCALE).clamp(0.0, AU_SCALE)


def _seen(grey: Tensor, grid: Tensor) -> Tensor:
    """One view of grey crops (n, 1, 64, 64), standardised: (n, 1, 48, 48)."""
    places = grid[None].expand(grey.shape[0], -1, -1, -1)
    return standardise(F.grid_sample(grey, places, padding_mode="border", align_corners=False))
