"""The network of the zoo's recogniser inside the systems: small, fast, and with a start that photographs agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import SEVEN_EXPRESSIONS
from ferdis.nn import SAVED, ImageClassifier, checked_architecture
from ferdis.preprocess.align import TEMPLATE, similarity
from ferdis.weights import put_weights, read_weights
from ferdis.zoo.networks import DROPOUT, LUMA, SIDE, WIDTHS, FiveBlockCNN, standardise
from ferdis.zoo.networks import TEMPLATE as RECOGNISER_TEMPLATE

RECOGNISER = "recogniser"
"""Its name, where one of timm can stand too."""

_FIRST = "networks.0."  # what its tensors are called in the zoo's file, which has several


class RecogniserNetwork(nn.Module):
    """A network of the zoo's recogniser behind the interface of :class:`ImageClassifier`; it may start as the zoo's.

    It looks at 48 grey pixels of each image, framed as the recogniser's own and standardised, so that neither colour
    nor exposure tells anything.

    Parameters
    ----------
    outputs : int or sequence of str
        How many numbers the last layer gives, or the classes that it names.
    in_channels : int
        3 for one image, 6 for two concatenated.
    inner : float
        Side of the images as a share of that of the aligned face: 64 / 72 for crops of 64 from 72 pixels.
    weights : str or None
        ``"zoo:expression"``, of whose networks it is the first; a .safetensors file of a system that has this network;
        or None for random weights. A last layer that names classes has the rows of those which the recogniser knows;
        one of plain numbers begins with what it says of expressions and action units.

    Raises
    ------
    ValueError, FileNotFoundError
        For weights of another network, as :func:`~ferdis.weights.read_weights`.
    """

    grid: Tensor
    luma: Tensor

    def __init__(
        self, outputs: int | Sequence[str], *, in_channels: int = 3, inner: float = 1.0, weights: str | None = None
    ) -> None:
        super().__init__()
        count = outputs if isinstance(outputs, int) else len(outputs)
        self.network = FiveBlockCNN(in_channels // 3, count, 0, widths=WIDTHS, dropout=DROPOUT)
        place = similarity(np.array(RECOGNISER_TEMPLATE)[None], TEMPLATE)[0]  # its view to the aligned face, 0..1
        scale, (across, down) = place[0, 0] / inner, (2 * (place[:, :2].sum(1) / 2 + place[:, 2]) - 1) / inner
        view = torch.tensor([[[scale, 0, across], [0, scale, down]]], dtype=torch.float32)
        self.register_buffer("grid", F.affine_grid(view, [1, 1, SIDE, SIDE], align_corners=False), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA), persistent=False)
        if weights is not None:
            self.start_from(read_weights(weights), weights, [] if isinstance(outputs, int) else outputs)

    @property
    def width(self) -> int:
        """Features per image."""
        return self.network.heads.in_features

    @property
    def last_layer(self) -> nn.Module:
        """Names the classes: its rows are theirs."""
        return self.network.heads

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 3 or 6, S, S) in [-1, 1] to features (n, width) and the last layer's numbers."""
        grey = torch.stack([(image * self.luma[:, None, None]).sum(1) for image in images.float().split(3, 1)], 1)
        if grey.shape[-1] > 2 * SIDE:  # the view alone would skip pixels
            grey = F.interpolate(grey, (2 * SIDE, 2 * SIDE), mode="area")
        places = self.grid.to(grey.dtype).expand(grey.shape[0], -1, -1, -1)
        seen = F.grid_sample((grey + 1) * 127.5, places, padding_mode="border", align_corners=False)
        maps = self.network.features(standardise(seen).contiguous(memory_format=torch.channels_last))
        features = F.adaptive_avg_pool2d(maps, 2).flatten(1)
        return features, self.network.heads(self.network.dropout(features))

    def start_from(self, tensors: Mapping[str, Tensor], source: str, classes: Sequence[str] = ()) -> None:
        """Take the tensors of the zoo's recogniser, or of a system that has this network; see ``weights``."""
        first = {key.removeprefix(_FIRST): part for key, part in tensors.items() if key.startswith(_FIRST)}
        own = {key.removeprefix(SAVED): part for key, part in tensors.items() if key.startswith(SAVED)}
        given = dict(first or own or tensors)
        first_layer, heads = "features.0.weight", self.network.heads
        images = self.network.state_dict()[first_layer].shape[1]  # of which each has what one has there
        if first_layer in given and given[first_layer].shape[1] == 1:
            given[first_layer] = given[first_layer].repeat(1, images, 1, 1) / images
        for part in ("weight", "bias"):
            name, new = f"heads.{part}", getattr(heads, part).detach()
            if first:
                given[name] = _with_rows(new, given[name], classes)
            elif name in given and len(given[name]) != len(new):  # of other classes
                given[name] = new
        put_weights(self.network, given, source, "the recogniser's network")


class RecogniserEncoder(RecogniserNetwork):
    """The same with a code in the place of the classes' logits: what the zoo says of a face, and further numbers."""

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """Images (n, 3, S, S) in [-1, 1] to codes (n, outputs)."""
        return super().forward(images)[1]


def names_from_code(layer: nn.Linear, classes: Sequence[str]) -> None:
    """Let a new layer on a code that begins as the zoo's name the classes as the zoo does; in place.

    A random layer would pull at the encoder before it has learned anything itself. Rows of other classes stay random.
    """
    with torch.no_grad():
        for own, number in _known(classes):
            layer.weight[own], layer.bias[own] = 0.0, 0.0
            layer.weight[own, number] = 1.0


def names_through_hidden(hidden: nn.Linear, last: nn.Linear, classes: Sequence[str]) -> None:
    """:func:`names_from_code` for two layers with a ReLU between them: x is relu(x) - relu(-x).

    Needs two hidden units for each of the seven expressions; with fewer both layers stay random.
    """
    count = len(SEVEN_EXPRESSIONS)
    if hidden.out_features < 2 * count:
        return
    with torch.no_grad():
        hidden.weight[: 2 * count], hidden.bias[: 2 * count] = 0.0, 0.0
        hidden.weight[:count, :count].fill_diagonal_(1.0)
        hidden.weight[count : 2 * count, :count].fill_diagonal_(-1.0)
        for own, number in _known(classes):
            last.weight[own], last.bias[own] = 0.0, 0.0
            last.weight[own, number], last.weight[own, count + number] = 1.0, -1.0


def of_recogniser(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the tensors are those of the zoo's recogniser."""
    return any(name.startswith(_FIRST) for name in tensors)


def _with_rows(new: Tensor, learned: Tensor, classes: Sequence[str]) -> Tensor:
    """A last layer whose rows are the recogniser's where it has them: by class, or without classes in its order."""
    found = new.clone()
    if not classes:
        found[: len(learned)] = learned[: len(new)]
    for own, number in _known(classes):
        found[own] = learned[number]
    return found


def _known(classes: Sequence[str]) -> list[tuple[int, int]]:
    """The places of the recogniser's expressions in ``classes``, each with the recogniser's number of it."""
    return [(own, SEVEN_EXPRESSIONS.index(name)) for own, name in enumerate(classes) if name in SEVEN_EXPRESSIONS]


def image_classifier(
    name: str, classes: Sequence[str], *, in_channels: int = 3, weights: str | None = None,
    arguments: Mapping[str, Any] | None = None, small_stem: bool = False, inner: float = 1.0,
) -> ImageClassifier | RecogniserNetwork:  # fmt: skip
    """A network that names classes: any of timm by its name, or ``"recogniser"``, the zoo's.

    Parameters and errors are those of :class:`ImageClassifier` and :class:`RecogniserNetwork`.
    """
    if name == RECOGNISER:
        if checked_architecture(arguments or {}) or small_stem:
            raise ValueError("classifier_arguments and small_stem are of timm's networks: 'recogniser' has one build")
        return RecogniserNetwork(classes, in_channels=in_channels, inner=inner, weights=weights)
    return ImageClassifier(
        name, len(classes), in_channels=in_channels, weights=weights, arguments=arguments, small_stem=small_stem
    )
