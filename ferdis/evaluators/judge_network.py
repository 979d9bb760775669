"""The network that both judges have, what it minimises, and the views that it learns from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.preprocess.augment import random_views, take_views, to_unit_range
from ferdis.training import Batch, Modules, in_float32

_LABEL_SMOOTHING = 0.05
_MARGIN, _SCALE = 0.2, 16.0  # of the cosine softmax
_ZOOM = (0.8, 1.04)  # side of the part of an image that a training view shows: systems crop, too
_SHIFT, _DEGREES, _BLURRED = 0.05, 8.0, 0.3


class JudgeNetwork(nn.Module):
    """Convolution blocks, each halving the side, and one linear layer on what is left of the map.

    Parameters
    ----------
    widths : channels of the blocks.
    places : numbers a channel that are left: (side / 2 ** blocks) ** 2.
    outputs : of the linear layer.
    dropout : before it.
    """

    def __init__(self, widths: Sequence[int], places: int, outputs: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        self.outputs = outputs
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(places * channels, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, S, S) in [-1, 1] -> (n, outputs). Exposure says nothing of a face: each channel is standardised."""
        mean = images.mean(dim=(2, 3), keepdim=True)
        images = (images - mean) / images.std(dim=(2, 3), keepdim=True).clamp_min(0.06)
        return self.head(self.dropout(self.features(images).flatten(1)))


class Directions(nn.Module):
    """One direction (width,) a person: what :func:`margin_softmax` compares embeddings with."""

    def __init__(self, width: int, people: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(people, width))


@in_float32
def margin_softmax(embeddings: Tensor, directions: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """Large-margin cosine loss (Wang et al., CosFace, CVPR 2018, Eq. 4), and the share of people named right.

    Parameters
    ----------
    embeddings : (n, d)
    directions : (people, d)
    person : (n,) int64, row of ``directions``
    """
    cosine = F.normalize(embeddings) @ F.normalize(directions).T
    logits = _SCALE * (cosine - _MARGIN * F.one_hot(person, len(directions)))
    return F.cross_entropy(logits, person), (cosine.argmax(1) == person).float().mean()


def expression_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What the expression judge minimises: cross-entropy with smoothed labels."""
    logits = modules.network(batch["view"]).float()
    loss = F.cross_entropy(logits, batch["label"], label_smoothing=_LABEL_SMOOTHING)
    return {"cross_entropy": loss, "accuracy": (logits.argmax(1) == batch["label"]).float().mean()}


def identity_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What the identity judge minimises, with one direction for each person to learn from."""
    loss, right = margin_softmax(modules.network(batch["view"]), modules.people.values, batch["label"])
    return {"cross_entropy": loss, "accuracy": right}


def augment(modules: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """A mirrored, shifted, rotated, zoomed view of each image, some of them blurred: what generators do to faces."""
    images = to_unit_range(batch["image"])
    n, side, device = len(images), images.shape[-1], images.device
    views = random_views(n, side, side, max_degrees=_DEGREES, generator=random, device=device)
    uniform = torch.rand(4, n, generator=random, device=device)
    zoom = _ZOOM[0] + (_ZOOM[1] - _ZOOM[0]) * uniform[0]
    views[:, :, :2] *= zoom[:, None, None]
    views[:, :, 2] += _SHIFT * (2 * uniform[1:3].T - 1)
    faces = take_views(images, views, side)
    soft = F.interpolate(F.avg_pool2d(faces, 2), size=side, mode="bilinear", align_corners=False)
    faces = torch.where((uniform[3] < _BLURRED)[:, None, None, None], soft, faces)
    return {"view": faces.contiguous(memory_format=torch.channels_last), "label": batch["label"]}
