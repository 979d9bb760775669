"""The baselines of the papers: the same classifiers, without a generator.

``BaselineCNN`` is the baseline of REL-GAN's Tables 1 to 4: "The CNN baseline network used in this paper is the encoder
G_es network with one additional FC layer for expression classification" (Ali & Hughes 2020, Section 4.1).
``ResNetClassifier`` is the baseline of IF-GAN's Tables 1 and 2: "To make a fair comparison, the island loss is also
employed" (Cai et al., ICIP 2021, footnote 2). It has the same network, terms, optimiser and crops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ferdis.losses import accuracy
from ferdis.preprocess.augment import augmented_views, centre_crop, random_views, to_unit_range
from ferdis.systems.arguments import check_choice
from ferdis.systems.class_means import Centres
from ferdis.systems.classifier import Classifier, TrainingSet
from ferdis.systems.ifgan import (
    IFGAN,
    ISLAND_REDUCTIONS,
    fitted_and_heads,
    island_loss,
    move_centres,
    softmax_loss,
)
from ferdis.systems.recogniser_network import image_classifier, names_from_code
from ferdis.systems.relgan import (
    EXPRESSION_CODE,
    RELGAN,
    classifier_terms,
    draw_patches,
    expression_encoder,
    initialise_blocks,
)
from ferdis.systems.triplets import PatchClassifier, Patches
from ferdis.training import Batch, Modules, Phase, Stage


def baseline_terms(
    modules: Modules, batch: Batch, *, alpha: float, reduction: str, class_weights: Tensor | None
) -> dict[str, Tensor]:
    """Softmax and island loss of the image itself (IF-GAN's Eq. 4 and 5 without the average face)."""
    features, logits = modules.classifier(batch["face"])
    batch["features"] = features
    if class_weights is not None:
        class_weights = class_weights.to(logits.device)
    centres = modules.centres
    return {
        "softmax": softmax_loss(logits[:0], logits, batch["label"], class_weights),
        "island": island_loss(features, batch["label"], centres.values, alpha, reduction, centres.known),
        "accuracy": accuracy(logits, batch["label"]),
    }


def crop(
    modules: Modules,
    batch: Batch,
    random: torch.Generator,
    *,
    image_size: int,
    crop_size: int,
    max_degrees: float,
    augment: bool,
    augmentation: str = "paper",
) -> Batch:
    """One random view of each face, drawn once per step; without ``augment`` its centre crop."""
    faces = to_unit_range(batch["image"])
    if not augment:
        return {"face": centre_crop(faces, crop_size), "label": batch["label"]}
    views = random_views(
        len(faces), image_size, crop_size, max_degrees=max_degrees, generator=random, device=faces.device
    )
    face, _ = augmented_views(faces, views, crop_size, augmentation, random)
    return {"face": face, "label": batch["label"]}


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class ResNetClassifier(Classifier):
    """A timm network with softmax and island loss: IF-GAN's baseline (Cai et al., ICIP 2021, Tables 1 and 2).

    Arguments of every classifier are explained at :class:`~ferdis.systems.classifier.Classifier`, those of every
    training has at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    classifier : str
        Any timm network; the paper's is ResNet-101. "recogniser" is the zoo's, which ``weights="zoo:expression"``
        starts (:class:`~ferdis.systems.recogniser_network.RecogniserNetwork`).
    classifier_arguments : mapping, optional
        Passed on to ``timm.create_model``.
    small_stem : bool
        For images of 64 pixels; see :class:`ferdis.nn.ImageClassifier`.
    weights : str or None
        "imagenet", a .safetensors file, or None for random weights.
    softmax_weight, island_weight : float
        lambda_3 and lambda_4 of the paper's Eq. 1.
    island_alpha : float
        0 makes the island loss a centre loss.
    island_reduction : str
        "mean", "batch_mean" or "sum"; see :func:`ferdis.systems.ifgan.island_loss`.
    max_degrees : float
        Rotations are uniform in [-max_degrees, max_degrees] degrees.
    augment : bool
        False trains on centre crops as they are, to see what mirroring, rotating and cropping are worth.
    betas, weight_decay : tuple of float, float
        Of Adam.
    """

    # IF-GAN's, without its generator.
    preset: ClassVar[Mapping[str, Any]] = {
        name: IFGAN.preset[name]
        for name in ("classifier", "weights", "augmentation", "test_flip", "image_size", "crop_size", "epochs",
                     "min_steps", "steps_per_image", "schedule", "batch_size", "learning_rate")
    }  # fmt: skip

    classifier: str = "resnet101.tv_in1k"
    classifier_arguments: Mapping[str, Any] | None = None
    small_stem: bool = False
    weights: str | None = "imagenet"
    softmax_weight: float = 10.0
    island_weight: float = 1.0
    island_alpha: float = 0.03
    island_reduction: str = "mean"
    image_size: int = 256
    crop_size: int = 224
    max_degrees: float = 5.0
    augment: bool = True
    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    decay: float = 0.9
    decay_epochs: int = 10

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("island_reduction", self.island_reduction, ISLAND_REDUCTIONS)

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        n_classes, weights = len(self.classes_), self.weights if pretrained else None
        classifier = image_classifier(
            self.classifier, list(self.classes_), weights=weights, arguments=self.classifier_arguments,
            small_stem=self.small_stem, inner=self.crop_size / self.image_size,
        )  # fmt: skip
        return {
            "classifier": classifier,
            "centres": Centres(n_classes, classifier.width, self.island_alpha),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        epochs, decay_epochs = self._length(len(training))
        terms = partial(baseline_terms, alpha=self.island_alpha, reduction=self.island_reduction,
                        class_weights=training.class_weights)  # fmt: skip
        phase = Phase(
            "classifier",
            ("classifier",),
            terms,
            {"softmax": self.softmax_weight, "island": self.island_weight},
            partial(
                torch.optim.Adam, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
            ),
            self._scheduler(epochs, decay_epochs),
            after_step=move_centres,
        )
        prepare = partial(crop, image_size=self.image_size, crop_size=self.crop_size, max_degrees=self.max_degrees,
                          augment=self.augment, augmentation=self.augmentation)  # fmt: skip
        batches = training.batches(self.batch_size, self.seed)
        return [Stage("baseline", self.modules_, [phase], epochs, batches, prepare)]

    def _class_tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        return fitted_and_heads(self.modules_)

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.modules_["classifier"](images)


def cnn_terms(modules: Modules, batch: Batch, *, class_weights: Tensor | None) -> dict[str, Tensor]:
    """Cross-entropy of the encoder with one layer on top: REL-GAN's second stage, with an encoder that learns."""
    code = {"code": modules.encoder(batch["face"]), "label": batch["label"]}
    return classifier_terms(modules, code, class_weights=class_weights)


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class BaselineCNN(PatchClassifier):
    """REL-GAN's expression encoder and one linear layer, trained on labels alone (Ali & Hughes 2020, Tables 1 to 4).

    It sees the same 50 views as REL-GAN; its feature, like REL-GAN's, has 30 numbers.
    Arguments of every classifier are explained at :class:`~ferdis.systems.classifier.Classifier`, those of every
    training has at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    betas : tuple of float
        Of Adam.
    """

    preset: ClassVar[Mapping[str, Any]] = {
        name: RELGAN.preset[name]
        for name in ("encoder", "encoder_channels", "weights", "augmentation", "test_flip", "image_size", "crop_size",
                     "schedule", "batch_size", "learning_rate", "pretrain_epochs")
    } | {"epochs": 20, "min_steps": 300, "steps_per_image": 3.0}  # fmt: skip
    _started = ("encoder",)

    image_size: int = 110
    crop_size: int = 96
    epochs: int = 300
    batch_size: int = 64
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 1.0
    decay_epochs: int = 1

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        encoder = expression_encoder(self)
        initialise_blocks(encoder)
        classifier = nn.Linear(EXPRESSION_CODE, len(self.classes_))
        modules = self._begun({"encoder": encoder, "classifier": classifier}, pretrained)
        if self._began_as == "recogniser":
            names_from_code(classifier, list(self.classes_))
        return modules

    def _stages(self, training: TrainingSet) -> list[Stage]:
        epochs, decay_epochs = self._length(len(training))
        phase = Phase(
            "classifier",
            ("encoder", "classifier"),
            partial(cnn_terms, class_weights=training.class_weights),
            {"softmax": 1.0},
            partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True),
            self._scheduler(epochs, decay_epochs),
        )
        batches = Patches(training, self.views, self.batch_size, self.seed)
        prepare = partial(
            draw_patches, image_size=self.image_size, crop_size=self.crop_size, augmentation=self.augmentation
        )
        return [Stage("cnn", self.modules_, [phase], epochs, batches, prepare)]

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        code = self.modules_["encoder"](images)
        return code, self.modules_["classifier"](code)
