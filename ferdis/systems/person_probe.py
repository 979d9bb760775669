"""Networks that name the training person, and tell what they read how not to be named.

Their cross-entropy is minimised by their own weights, and through a reversed gradient maximised by what gives them
faces or features (Y. Ganin and others, "Domain-Adversarial Training of Neural Networks", JMLR 2016).
:class:`PersonProbe` reads IF-GAN's generated faces; that is not in IF-GAN's text, which removes identity by Eq. 2 and 3
alone. :class:`FeatureProbe` reads the features of :mod:`ferdis.systems.identity_reversal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.losses import accuracy
from ferdis.systems.base import TrainingSet


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by ``-factor``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, factor: float) -> Tensor:  # type: ignore[override]
        """The same values."""
        return values.view_as(values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        """Keep the factor for :meth:`backward`."""
        ctx.factor = inputs[1]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """The reversed gradient."""
        return -context.factor * gradient, None


class PersonProbe(nn.Module):
    """Four halvings by a 3x3 convolution with batch norm, and a linear layer: who is in the image?

    Parameters
    ----------
    people : int
        How many there are.
    reversal : float
        The gradient reaches the images times minus this number.
    channels : int
        Of the first convolution; the others have 2, 4 and 8 times as many.
    """

    def __init__(self, people: int, reversal: float, channels: int = 16) -> None:
        super().__init__()
        self.reversal = reversal
        widths, layers = [3, channels, 2 * channels, 4 * channels, 8 * channels], list[nn.Module]()
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.person = nn.Linear(16 * widths[-1], people)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to logits (n, people)."""
        return self.person(self.layers(_Reversed.apply(images, self.reversal)))

    def terms(self, generated: Tensor, person: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the persons (n,) int64 on the generated faces, and how many of them it names."""
        return _terms(self(generated), person)


class FeatureProbe(nn.Module):
    """Linear layers with ReLU between them: whose are these features?

    Parameters
    ----------
    width, people : int
        Numbers of a feature, and how many people there are.
    reversal : float
        The gradient reaches the features times minus this number.
    hidden : sequence of int
        Widths of the layers between.
    """

    def __init__(self, width: int, people: int, reversal: float, hidden: Sequence[int]) -> None:
        super().__init__()
        self.reversal = reversal
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear((width, *hidden)[-1], people))

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, width) to logits (n, people)."""
        return self.layers(_Reversed.apply(features, self.reversal))

    def terms(self, features: Tensor, person: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the persons (n,) int64 on the features, and how many of them it names."""
        return _terms(self(features), person)


def _terms(logits: Tensor, person: Tensor) -> dict[str, Tensor]:
    logits = logits.float()
    return {"person": F.cross_entropy(logits, person), "person_accuracy": accuracy(logits, person)}


def feature_probe(training: TrainingSet, width: int, reversal: float, hidden: Sequence[int], seed: int) -> FeatureProbe:
    """A probe of features for the people of a training set; ValueError where they are not known."""
    people = _people(training)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return FeatureProbe(width, people, reversal, hidden)


def person_probe(training: TrainingSet, reversal: float, seed: int) -> PersonProbe:
    """A probe for the people of a training set, with first weights of its own; ValueError where they are not known."""
    people = _people(training)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PersonProbe(people, reversal)


def _people(training: TrainingSet) -> int:
    if training.people is None:
        raise ValueError("identity_reversal: the training faces do not name their people; set it to 0")
    return int(training.people.max()) + 1
