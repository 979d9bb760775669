"""Identity removed by gradient reversal: a classifier whose features a network cannot name the person from.

M. Ning, A. A. Salah, I. Onal Ertugrul, "Representation Learning and Identity Adversarial Training for Facial Behavior
Understanding", FG 2025 (arXiv 2407.11243): identity adversarial training (IAT). Y. Ganin et al., "Domain-Adversarial
Training of Neural Networks", JMLR 2016: the reversed gradient.

A rival to IF-GAN and REL-GAN that draws nothing: beside the layer of expressions a network names the training person
from the features. Its own weights learn to; the gradient that reaches the classifier is reversed: the features learn
how not to be named.

- Here the classifier is that of ``ResNetClassifier``, with its terms, crops and schedule; the paper's is a vision
  transformer that was pretrained on nine million faces and detects action units.
- The text wants a strong reversal, and its values are for that network: ``identity_reversal=1`` is ours.
- ``identity_reversal=0`` is the control: the network learns to name people, and the classifier never hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from ferdis.systems.baselines import ResNetClassifier
from ferdis.systems.classifier import TrainingSet
from ferdis.systems.person_probe import feature_probe
from ferdis.training import Batch, Modules, Stage

Prepare = Callable[[Modules, Batch, torch.Generator], Batch]


def with_person(modules: Modules, batch: Batch, random: torch.Generator, *, prepare: Prepare) -> Batch:
    """What ``prepare`` makes of a batch, and whose faces they are."""
    return {**prepare(modules, batch, random), "person": batch["person"]}


def reversal_terms(
    modules: Modules, batch: Batch, *, terms: Callable[[Modules, Batch], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The classifier's own terms, and the cross-entropy of the person, read off the features through the reversal."""
    found = terms(modules, batch)  # leaves the features in the batch
    return {**found, **modules.person_probe.terms(batch["features"], batch["person"])}


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class IdentityReversal(ResNetClassifier):
    """A ``ResNetClassifier`` whose features are trained not to tell the person (Ning et al., FG 2025).

    It learns from faces whose subjects are known. Arguments that it shares are explained at
    :class:`~ferdis.systems.baselines.ResNetClassifier`.

    Parameters
    ----------
    identity_reversal : float
        The gradient of the person's cross-entropy reaches the features times minus this number; 0 is the control.
    probe_hidden : sequence of int
        Widths of the hidden layers of the network that names the person; with none it is linear.
    """

    preset: ClassVar[Mapping[str, Any]] = ResNetClassifier.preset

    identity_reversal: float = 1.0
    probe_hidden: Sequence[int] = (64,)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.identity_reversal < 0:
            raise ValueError(f"identity_reversal={self.identity_reversal}: 0, or a positive factor")

    def _stages(self, training: TrainingSet) -> list[Stage]:
        (stage,) = super()._stages(training)
        (phase,) = stage.phases
        width = cast(Any, self.modules_["classifier"]).width
        probe = feature_probe(training, width, self.identity_reversal, self.probe_hidden, self.seed)
        phase = replace(
            phase,
            updates=(*phase.updates, "person_probe"),
            terms=partial(reversal_terms, terms=phase.terms),
            weights={**phase.weights, "person": 1.0},
        )
        return [
            replace(
                stage,
                modules={**stage.modules, "person_probe": probe},
                phases=[phase],
                batches=training.batches(self.batch_size, self.seed, people=True),
                prepare=partial(with_person, prepare=cast(Prepare, stage.prepare)),
            )
        ]
