"""Every face drawn as one person, in one pose, before one background; a classifier reads the expression off that image.

H. Liu, R. An, Z. Zhang, B. Ma, W. Zhang, Y. Song, Y. Hu, W. Chen, Y. Ding, "Norface: Improving Facial Expression
Analysis by Identity Normalization", ECCV 2024 (arXiv 2407.15617).

A rival to IF-GAN, which draws an average person, and to REL-GAN, which classifies a code. The paper's idea: a first
network gives every face the same identity, pose and background and keeps its expression; a second one classifies.

- The first network here is REL-GAN's generator (:mod:`ferdis.systems.relgan`), trained in the fold by reenactment: it
  draws the *target*, one training face, with the expression of each face. The paper's is larger and pretrained (a
  masked autoencoder, a merging module and a target decoder).
- The target is the training face nearest to the mean of all neutral ones (of all, where no class is called neutral).
- The second network sees normalised images alone, in training and in testing; the paper's also sees the original ones,
  through a mixture of experts. With those its features could not be free of identity.
- What the code of 30 numbers keeps of the person can still reach the image; :mod:`ferdis.disentanglement` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ferdis.faces import Faces
from ferdis.preprocess.augment import augmented_views, centre_crop, random_views, to_bytes, to_unit_range
from ferdis.systems.arguments import check_at_least
from ferdis.systems.baselines import ResNetClassifier
from ferdis.systems.classifier import Classifier, TrainingSet, resized
from ferdis.systems.recogniser_network import image_classifier
from ferdis.systems.relgan import RELGAN, classifier_terms
from ferdis.training import Batch, Modules, Phase, Stage

_GENERATOR = ("expression_encoder", "identity_encoder", "decoder")
_SHARED = ("image_size", "crop_size", "epochs", "min_steps", "batch_size", "learning_rate", "betas", "decay",
           "decay_epochs", "schedule", "augmentation", "seed")  # fmt: skip
_OWN_OF_RELGAN = ("encoder_channels", "decoder_channels", "discriminator_channels", "adversarial_weight",
                  "pixel_weight", "pixel_reduction", "pixel_growth", "expression_weight", "identity_weight",
                  "ground_truth", "truths", "self_transfers", "cycle_weight", "names_weight",
                  "near_optimal", "encoder",
                  "generator_steps", "views")  # fmt: skip


class Target(nn.Module):
    """The face that all others are drawn as: an image (3, S, S) in [-1, 1]; data, not weights."""

    picture: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("picture", torch.zeros(3, size, size))

    def choose(self, images: Any, rows: np.ndarray) -> None:
        """Of ``images`` (n, S, S, 3) uint8 the one of ``rows`` that is nearest to their mean, by squared distance."""
        pixels = np.asarray(images[rows]).astype(np.float32)
        distance = np.square(pixels - pixels.mean(0)).sum((1, 2, 3))
        self.picture.copy_(to_unit_range(torch.from_numpy(pixels[[int(distance.argmin())]]))[0])


def normalised(modules: Modules, faces: Tensor, crop_size: int) -> Tensor:
    """The target with the expression of each face: crops (n, 3, crop, crop) in [-1, 1] to images of the same shape."""
    who = modules.identity_encoder(centre_crop(modules.target.picture[None], crop_size))
    code = modules.expression_encoder(faces)
    return modules.decoder(torch.cat([code, who.to(code.dtype).expand(code.shape[0], -1)], 1))


def normalise(
    modules: Modules, batch: Batch, random: torch.Generator, *, image_size: int, crop_size: int, max_degrees: float,
    augmentation: str,
) -> Batch:  # fmt: skip
    """One view of each face, normalised: once a step of the second stage."""
    faces = to_unit_range(batch["image"])
    views = random_views(
        len(faces), image_size, crop_size, max_degrees=max_degrees, generator=random, device=faces.device
    )
    face, _ = augmented_views(faces, views, crop_size, augmentation, random)
    return {"code": normalised(modules, face, crop_size), "label": batch["label"]}


def recognition_terms(modules: Modules, batch: Batch, *, class_weights: Tensor | None) -> dict[str, Tensor]:
    """Cross-entropy of the second network on normalised images."""
    logits = Modules(classifier=lambda images: modules.classifier(images)[1])
    return classifier_terms(logits, batch, class_weights=class_weights)


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class NormalisedFace(Classifier):
    """Recognition on faces that were all drawn as one person (after Norface; Liu et al., ECCV 2024).

    Arguments of every classifier are explained at :class:`~ferdis.systems.classifier.Classifier`, those of every
    training at :class:`~ferdis.systems.base.TrainingParameters`. ``epochs``, ``learning_rate``, ``decay`` are those of
    the first network, ``augmentation`` of both.

    Parameters
    ----------
    generator_arguments : mapping, optional
        Of :class:`~ferdis.systems.relgan.RELGAN`, for the first network: {"pixel_weight": 300}.
    classifier, classifier_arguments, small_stem, weights : as for ``ResNetClassifier``, for the second network
    classifier_epochs, classifier_learning_rate : int, float
        Of the second network; its rate falls to 0 along ``schedule="one-cycle"``, whatever that of the first one does.
    max_degrees : float
        For the second network faces are turned by up to so many degrees, before they are normalised.
    betas : of Adam, for both
    """

    preset: ClassVar[Mapping[str, Any]] = {
        "generator_arguments": {name: RELGAN.preset[name] for name in _OWN_OF_RELGAN if name in RELGAN.preset},
        **{name: RELGAN.preset[name] for name in _SHARED if name in RELGAN.preset},
        **{name: ResNetClassifier.preset[name] for name in ("classifier", "weights", "test_flip")},
        "classifier_epochs": 20,
        "classifier_learning_rate": 1e-3,
    }

    generator_arguments: Mapping[str, Any] | None = None
    classifier: str = "resnet101.tv_in1k"
    classifier_arguments: Mapping[str, Any] | None = None
    small_stem: bool = False
    weights: str | None = "imagenet"
    classifier_epochs: int = 50
    classifier_learning_rate: float = 1e-4
    max_degrees: float = 5.0
    image_size: int = 110
    crop_size: int = 96
    epochs: int = 300
    batch_size: int = 64
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 1.0
    decay_epochs: int = 1

    def normalise(self, faces: Faces) -> np.ndarray:
        """The target with each face's expression, uint8 (n, crop_size, crop_size, 3)."""
        check_is_fitted(self, "modules_")
        return self._map(
            resized(faces, self.image_size),
            lambda images: to_bytes(normalised(Modules(**self.modules_), images, self.crop_size)),
        )

    synthesize = normalise

    @property
    def target_(self) -> np.ndarray:
        """The face that all others are drawn as, uint8 (image_size, image_size, 3)."""
        check_is_fitted(self, "modules_")
        return to_bytes(cast(Target, self.modules_["target"]).picture[None].cpu())[0].numpy()

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        return {
            **super()._graphs(),
            "normalise": lambda faces: normalised(Modules(**self.modules_), self._centre(faces), self.crop_size),
        }

    # ---------------------------------------------------------------------------------------------- its training

    def _generator(self) -> RELGAN:
        """The first network, unfitted, as REL-GAN."""
        chosen = dict(self.generator_arguments or {})
        if unknown := sorted(set(chosen) - set(_OWN_OF_RELGAN)):
            raise ValueError(f"generator_arguments: {unknown[0]!r} is none of {', '.join(_OWN_OF_RELGAN)}")
        return RELGAN(**{name: getattr(self, name) for name in _SHARED}, **chosen)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._generator()._check_parameters()
        check_at_least(1, self, "classifier_epochs")

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        generator = self._generator()
        generator.classes_ = self.classes_
        networks = generator._build(pretrained)
        classifier = image_classifier(
            self.classifier, list(self.classes_), weights=self.weights if pretrained else None,
            arguments=self.classifier_arguments, small_stem=self.small_stem, inner=self.crop_size / self.image_size,
        )  # fmt: skip
        return {
            **{name: networks[name] for name in _GENERATOR},
            "classifier": classifier,
            "target": Target(self.image_size),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        generator = self._generator()
        generator.classes_, generator.notes_ = self.classes_, self.notes_
        generator.modules_ = self.modules_
        own = len(training) - training.extra
        rows = np.flatnonzero(self.classes_[training.labels[:own]] == "neutral")
        cast(Target, self.modules_["target"]).choose(training.images, rows if len(rows) else np.arange(own))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            discriminator = generator._discriminator(training)
        sampler = generator._triplets(training)
        self.notes_.append(f"NormalisedFace: {sampler.describe()}")
        epochs, decay_epochs = self._length(len(training))
        first = generator._reenactment("reenactment", discriminator, sampler, epochs, decay_epochs)
        return [first, self._recognition(training, max(1, round(self.classifier_epochs * epochs / self.epochs)))]

    def _recognition(self, training: TrainingSet, epochs: int) -> Stage:
        """The second network on what the first one draws, which is frozen."""
        adam = partial(torch.optim.Adam, lr=self.classifier_learning_rate, betas=self.betas, fused=True)
        cycle = partial(
            torch.optim.lr_scheduler.OneCycleLR, max_lr=self.classifier_learning_rate, total_steps=epochs + 1,
            cycle_momentum=False,
        )  # fmt: skip
        terms = partial(recognition_terms, class_weights=training.class_weights)
        phase = Phase("classifier", ("classifier",), terms, {"softmax": 1.0}, adam, cycle)
        prepare = partial(normalise, image_size=self.image_size, crop_size=self.crop_size,
                          max_degrees=self.max_degrees, augmentation=self.augmentation)  # fmt: skip
        batches = training.batches(self.batch_size, self.seed)
        frozen = (*_GENERATOR, "target")
        return Stage("classifier", self.modules_, [phase], epochs, batches, prepare, frozen=frozen)

    def _class_tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        classifier: Any = self.modules_["classifier"]
        return list(self.modules_["target"].buffers()), list(classifier.last_layer.parameters())

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.modules_["classifier"](normalised(Modules(**self.modules_), images, self.crop_size))
