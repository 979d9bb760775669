"""REL-GAN: face reenactment based facial expression recognition.

K. Ali, C. E. Hughes, "Face Reenactment Based Facial Expression Recognition", EasyChair preprint, October 2020.

A generator learns to draw one person's expression on another person. Its expression encoder can then know nothing of
who the first person was: it is frozen, and a small network classifies its 30-d representation.

======== ============================ ======================================================================
Equation Function                     What it is
======== ============================ ======================================================================
Eq. 1    :func:`discriminator_loss`   D names expressions, people and fakes
Eq. 2    :func:`generator_losses`     G is to be named as the source's expression and the target's person
Eq. 3    :func:`pixel_loss`           distance of the generated face to the ground truth, where there is one
Eq. 4    :func:`reenactment_terms`    the four terms of G's sum, weighted 0.7, 20, 50 and 30
======== ============================ ======================================================================

Departures from the text
------------------------
The reasons, what was measured, and the commands for the paper's tables are in ``docs/papers/relgan.md``.

- Eq. 4's adversarial term is -log(1 - p_fake), its class terms leave "fake" out: their plain sum is Eq. 2 exactly.
- The pixel term is a mean over pixels (``pixel_reduction``), of the triplets that have a ground truth
  (``ground_truth``, ``self_transfers``); their share is in ``notes_``. In a sequence the truth is as far from the peak
  as the source.
- lambda_3 and lambda_4 weigh G's terms alone: Eq. 1, which D minimises, has no weights.
- The ground truth takes the target's crop, rotation and flip; the source has its own.
- D names expression and person of source and target alike, as the text says; Eq. 1 has one of each.
- Downsampling is 2x2 average pooling, upsampling nearest neighbour, with batch norm and ReLU: sizes divide by 32.
- D's four blocks are the encoder's, with LeakyReLU, and its linear layers have batch norm too.
- Weights start at N(0, 0.02) and Adam's beta2 is 0.999 (DCGAN, which the text follows).
- D takes one step in ``generator_steps`` while its mean accuracy over 100 steps is above ``near_optimal``.
- Patches come from an image of ``image_size`` (110 for 96), and the unrotated ones stay: 5 places x 5 angles x 2.
- An epoch of reenactment shows one random view of each face; ``views="all"`` shows all 50, as the MLP's epochs do.
- The MLP has one hidden layer of 128 and dropout 0.2.
- Pretraining lasts ``pretrain_epochs``; the text does not say how long, nor whether its baseline was pretrained too.
- Faces are aligned by a similarity transform, not by frontalisation.

Further ones have arguments of their own and are off: ``self_transfers``, ``cycle_weight``, ``names_weight``,
``finetune_encoder``.

How hard the terms pull
-----------------------
Shares, in percent, of the norms of the weighted terms' gradients in two networks, on synthetic people, by
``python experiments/gradient_shares.py --system relgan --paper --batch_size 16 --steps 1 40``, and without ``--paper``
by ``--arguments '{pixel_weight: 20.0, pixel_growth: 1.0, near_optimal: 0.9}' --steps 400`` (``small()``):

==================== =========== ===== ========== ========
network, step        adversarial pixel expression identity
==================== =========== ===== ========== ========
G_es, 1              0.05        0.59  60.0       39.3
G_es, 40             0.05        0.83  61.8       37.3
G_de, 1              0.05        1.60  57.5       40.9
G_de, 40             0.06        2.65  55.9       41.4
G_es, 400, small     1.92        0.28  80.9       16.9
G_de, 400, small     1.81        3.31  63.7       31.2
==================== =========== ===== ========== ========

Of lambda_2's nominal 20 % the mean over pixels has a tenth or less. ``pixel_reduction="batch_mean"`` multiplies its
gradient by 27,648 (96 x 96 x 3), which leaves 1 % to everything else: between the two readings of Eq. 3 the mean is the
one under which G is asked for an expression at all, and the default. ``small()`` weighs pixels more instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis._former_names import renamed_arguments
from ferdis.faces import Faces
from ferdis.losses import accuracy, in_float32, masked_l1
from ferdis.nn import frozen_statistics, initialise_normal
from ferdis.preprocess.augment import (
    PATCH_VIEWS,
    distorted,
    loosened,
    patch_views,
    take_views,
    to_bytes,
    to_unit_range,
)
from ferdis.systems.arguments import check_at_least, check_choice, check_pairs
from ferdis.systems.base import train_once
from ferdis.systems.classifier import TrainingSet, module_device, modules_in_eval_mode, resized
from ferdis.systems.recogniser_network import RECOGNISER, RecogniserEncoder, names_from_code, names_through_hidden
from ferdis.systems.triplets import GROUND_TRUTHS, PatchClassifier, Patches, Triplets, patch
from ferdis.training import Batch, DrawThenForward, Modules, Phase, Stage
from ferdis.training.checkpoints import load_modules
from ferdis.training.history import History

EXPRESSION_CODE, IDENTITY_CODE = 30, 50
LABELS = ("expression", "identity", "source_identity", "target_expression", "known")
PIXEL_REDUCTIONS = ("mean", "batch_mean", "sum")

# ----------------------------------------------------------------------------------------------------- networks


class Encoder(nn.Module):
    """G_es and G_et: five blocks of a 3x3 convolution and downsampling, then one linear layer.

    Parameters
    ----------
    code_size : int
        30 for the expression, 50 for the identity.
    size : int
        Side of the images, divisible by 32.
    channels : sequence of five int
    """

    def __init__(self, code_size: int, size: int = 96, channels: Sequence[int] = (64, 128, 256, 512, 512)) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(nn.Sequential(*_block(before, after), nn.AvgPool2d(2))
              for before, after in zip((3, *channels[:-1]), channels, strict=True))
        )  # fmt: skip
        self.code = nn.Linear(channels[-1] * (size // 32) ** 2, code_size)

    def forward(self, face: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] to codes (n, code_size)."""
        return self.code(self.blocks(face).flatten(1))  # (n, channels[-1], S / 32, S / 32) -> (n, code_size)


def expression_encoder(system: PatchClassifier) -> Encoder | RecogniserEncoder:
    """G_es as the system's ``encoder`` says: the text's blocks, or the recogniser's network."""
    if system.encoder == RECOGNISER:
        return RecogniserEncoder(EXPRESSION_CODE, inner=system.crop_size / system.image_size)
    return Encoder(EXPRESSION_CODE, system.crop_size, system.encoder_channels)


class Decoder(nn.Module):
    """G_de: five blocks of upsampling and a 3x3 convolution, from both codes to a face."""

    def __init__(self, size: int = 96, channels: Sequence[int] = (512, 256, 128, 64, 32)) -> None:
        super().__init__()
        self.start, self.side = channels[0], size // 32
        self.expand = nn.Linear(EXPRESSION_CODE + IDENTITY_CODE, self.start * self.side**2)
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.Upsample(scale_factor=2), *_block(before, after))
              for before, after in zip((channels[0], *channels[:-1]), channels, strict=True))
        )  # fmt: skip
        self.head = nn.Sequential(nn.Conv2d(channels[-1], 3, 3, 1, 1), nn.Tanh())

    def forward(self, code: Tensor) -> Tensor:
        """Codes (n, 30 + 50), the expression first, to faces (n, 3, S, S) in [-1, 1]."""
        maps = self.expand(code).reshape(-1, self.start, self.side, self.side)
        return self.head(self.blocks(maps))


class Discriminator(nn.Module):
    """D: four shared blocks and a 1024-d layer, then a branch for expressions and "fake" and one for people.

    Parameters
    ----------
    n_expressions, n_people : int
        N_e and N_i. Without people (0) there is no second branch.
    size : int
        Side of the images, divisible by 16.
    channels : sequence of four int
    """

    def __init__(
        self, n_expressions: int, n_people: int, size: int = 96, channels: Sequence[int] = (16, 32, 64, 128)
    ) -> None:
        super().__init__()
        blocks = (
            (*_block(before, after, nn.LeakyReLU(0.2)), nn.AvgPool2d(2))
            for before, after in zip((3, *channels[:-1]), channels, strict=True)
        )
        flat = channels[-1] * (size // 2 ** len(channels)) ** 2
        self.shared = nn.Sequential(*(layer for block in blocks for layer in block), nn.Flatten(), *_dense(flat, 1024))
        self.expression, self.identity = _branch(), _branch() if n_people else None
        self.expression_head = nn.Linear(256, n_expressions + 1)  # the last one is "fake"
        self.identity_head = nn.Linear(256, n_people) if n_people else None

    def with_new_heads(self, fresh: Discriminator) -> Discriminator:
        """This network with the last layers of ``fresh``, which knows other expressions and people."""
        self.expression_head, self.identity_head = fresh.expression_head, fresh.identity_head
        self.identity = fresh.identity if self.identity is None else self.identity
        return self

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor | None]:
        """Faces (n, 3, S, S) in [-1, 1] to logits (n, N_e + 1) of D^e and (n, N_i) of D^i."""
        shared = self.shared(face)  # (n, 1024)
        if self.identity is None or self.identity_head is None:
            return self.expression_head(self.expression(shared)), None
        return self.expression_head(self.expression(shared)), self.identity_head(self.identity(shared))


def _block(before: int, after: int, activation: nn.Module | None = None) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), activation or nn.ReLU()


def _dense(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.LeakyReLU(0.2)


def _branch() -> nn.Sequential:
    return nn.Sequential(*_dense(1024, 512), *_dense(512, 256))


def initialise_blocks(*networks: nn.Module) -> None:
    """DCGAN's initial weights, in place, for all but the recogniser's network."""
    for network in networks:
        if not isinstance(network, RecogniserEncoder):
            initialise_normal(network)


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def discriminator_loss(
    real: Tensor, expression: Tensor, real_people: Tensor | None, identity: Tensor, fake: Tensor
) -> Tensor:
    """D's side, as a loss: -log D^e_y(x) - log D^i_y(x) - log D^e_fake(G(x_s, x_t)) (Eq. 1).

    Parameters
    ----------
    real : Tensor of shape (m, N_e + 1)
        Logits of D^e on real faces.
    expression : Tensor of shape (m,), int64
        Their expressions, 0 .. N_e - 1.
    real_people : Tensor of shape (m, N_i) or None
        Logits of D^i on real faces; None, for a set without known people, leaves the term out.
    identity : Tensor of shape (m,), int64
        Their people.
    fake : Tensor of shape (n, N_e + 1)
        Logits of D^e on generated faces.
    """
    generated = expression.new_full((len(fake),), fake.shape[1] - 1)
    loss = F.cross_entropy(real, expression) + F.cross_entropy(fake, generated)
    return loss if real_people is None else loss + F.cross_entropy(real_people, identity)


@in_float32
def generator_losses(
    expression_logits: Tensor, expression: Tensor, identity_logits: Tensor | None, identity: Tensor
) -> dict[str, Tensor]:
    """G's side in three parts, whose sum is -log D^e_y(G) - log D^i_y(G) (Eq. 2, as Eq. 4 weights it).

    Parameters
    ----------
    expression_logits : Tensor of shape (n, N_e + 1)
        Logits of D^e on generated faces; the last one is "fake".
    expression : Tensor of shape (n,), int64
        The sources' expressions.
    identity_logits : Tensor of shape (n, N_i) or None
        Logits of D^i on generated faces.
    identity : Tensor of shape (n,), int64
        The targets' people.

    Returns
    -------
    dict
        ``adversarial`` -log(1 - p_fake), ``expression`` -log p(y | not fake), ``identity`` -log D^i_y (absent without
        people): scalars, means over the batch.
    """
    real = expression_logits[:, :-1]
    losses = {
        "adversarial": (expression_logits.logsumexp(1) - real.logsumexp(1)).mean(),
        "expression": F.cross_entropy(real, expression),
    }
    return losses if identity_logits is None else {**losses, "identity": F.cross_entropy(identity_logits, identity)}


def pixel_loss(generated: Tensor, truth: Tensor, known: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute difference of generated face and ground truth (Eq. 3).

    Parameters
    ----------
    generated, truth : Tensor of shape (n, 3, S, S)
        Images in [-1, 1].
    known : Tensor of shape (n,), bool
        Which samples have a ground truth: it is of their pixels, and 0 if there are none.
    reduction : str
        "mean" over images, pixels and colours; "batch_mean" of the images' sums; "sum" of all.
    """
    if reduction not in PIXEL_REDUCTIONS:
        raise ValueError(f"pixel_reduction={reduction!r}: choose one of {', '.join(PIXEL_REDUCTIONS)}")
    pixels = generated[0].numel()
    loss = masked_l1(generated, truth, known)
    if reduction == "mean":
        return loss
    return loss * pixels if reduction == "batch_mean" else loss * pixels * known.sum()


def cycle_loss(modules: Modules, batch: Batch) -> Tensor:
    """What is left of both faces in the generated one; not in the text.

    From the identity code of the generated face and the target's own expression comes the target again, from its
    expression code and the source's identity the source: the mean L1 distances of both, added. It asks for a face where
    no ground truth exists.
    """
    expression, identity = modules.expression_encoder, modules.identity_encoder
    with frozen_statistics(expression, identity, modules.decoder):  # those that prediction uses are of real faces
        seen = batch["generated"]
        target = modules.decoder(torch.cat([expression(batch["target"]), identity(seen)], 1))
        source = modules.decoder(torch.cat([expression(seen), identity(batch["source"])], 1))
    everywhere = torch.ones_like(batch["known"])
    return masked_l1(target, batch["target"], everywhere) + masked_l1(source, batch["source"], everywhere)


# ------------------------------------------------------------------------------------------------------- phases


def draw_views(
    _: Modules, batch: Batch, random: torch.Generator, *, image_size: int, crop_size: int, augmentation: str = "paper"
) -> Batch:
    """Views of source, target and ground truth, and the source as its encoder sees it: once a step.

    What "strong" does to light and camera befalls the source as its encoder sees it; D and the pixels know clean faces.
    """
    own, others = (patch_views(batch[f"{name}_view"], image_size, crop_size) for name in ("source", "target"))
    if augmentation == "strong":
        own = loosened(own, random)
    source = take_views(to_unit_range(batch["source"]), own, crop_size)
    target, truth = (take_views(to_unit_range(batch[name]), others, crop_size) for name in ("target", "truth"))
    truth = torch.where(batch["own"][:, None, None, None], target, truth)
    seen = distorted(source, random) if augmentation == "strong" else source
    views = {"source": source, "target": target, "truth": truth, "seen": seen}
    return views | {name: batch[name] for name in LABELS}


def reenact(modules: Modules, batch: Batch) -> Batch:
    """The source's expression code and the generated face: once a step."""
    code = modules.expression_encoder(batch["seen"])
    codes = torch.cat([code, modules.identity_encoder(batch["target"])], 1)  # (n, 30 + 50)
    return batch | {"generated": modules.decoder(codes), "code": code}


def discriminator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What D minimises (Eq. 1), and its accuracies."""
    real, people = modules.discriminator(torch.cat([batch["source"], batch["target"]]))
    fake, _ = modules.discriminator(batch["generated"].detach())
    expression = torch.cat([batch["expression"], batch["target_expression"]])
    identity = torch.cat([batch["source_identity"], batch["identity"]])
    return {
        "class": discriminator_loss(real, expression, people, identity, fake),
        "real_accuracy": accuracy(real, expression),
        "fake_accuracy": (fake.argmax(1) == fake.shape[1] - 1).float().mean(),
        **({} if people is None else {"identity_accuracy": accuracy(people, identity)}),
    }


def reenactment_terms(
    modules: Modules, batch: Batch, *, reduction: str = "mean", cycle: bool = False, named: bool = False
) -> dict[str, Tensor]:
    """The terms of L_adv + L_pixel + L_De + L_Di that G minimises (Eq. 4); its phase weights them.

    With ``cycle`` also :func:`cycle_loss`; with ``named`` the cross-entropy of a linear layer on the expression code,
    as the plain CNN is trained (``names``). Neither is in the text.
    """
    expression_logits, identity_logits = modules.discriminator(batch["generated"])
    expression, identity = batch["expression"], batch["identity"]
    return {
        **generator_losses(expression_logits, expression, identity_logits, identity),
        "pixel": pixel_loss(batch["generated"], batch["truth"], batch["known"], reduction),
        **({"cycle": cycle_loss(modules, batch)} if cycle else {}),
        **({"names": F.cross_entropy(modules.names(batch["code"]).float(), expression)} if named else {}),
        "accuracy": accuracy(expression_logits[:, :-1], expression),
    }


def discriminator_every(history: History, *, near_optimal: float, generator_steps: int) -> int:
    """Steps of G per step of D: more than one while D is near its optimum (Section 4.1)."""
    right = [history.mean(f"discriminator/{name}_accuracy", last=100) for name in ("real", "fake")]
    return generator_steps if sum(right) / 2 > near_optimal else 1


def draw_patches(
    _: Modules, batch: Batch, random: torch.Generator, *, image_size: int, crop_size: int, augmentation: str = "paper"
) -> Batch:
    """One view of each face: once a step of the second stage."""
    return {"face": patch(batch, image_size, crop_size, augmentation, random), "label": batch["label"]}


def encode(modules: Modules, batch: Batch, *, encoder: str = "expression_encoder") -> Batch:
    """The expression representation of each view."""
    return {"code": getattr(modules, encoder)(batch["face"]), "label": batch["label"]}


class FrozenCodes:
    """The frozen expression representations of all views of all faces, computed once: in the place of :func:`encode`.

    Parameters
    ----------
    images : array-like (n, S, S, 3) uint8
    image_size, crop_size : as for :func:`draw_patches`
    chunk : how many views are encoded at a time
    """

    def __init__(self, images: Any, image_size: int, crop_size: int, chunk: int = 100) -> None:
        self.images, self.sizes, self.chunk = images, (image_size, crop_size), chunk
        self.codes: Tensor | None = None

    def __call__(self, modules: Modules, batch: Batch, random: torch.Generator) -> Batch:
        """The representation of each ``row`` in its ``view``."""
        if self.codes is None:
            self.codes = self._all(modules.expression_encoder, batch["view"].device)
        return {"code": self.codes[batch["row"] * PATCH_VIEWS + batch["view"]], "label": batch["label"]}

    @torch.no_grad()
    def _all(self, encoder: nn.Module, device: torch.device) -> Tensor:
        found, number = [], np.arange(len(self.images) * PATCH_VIEWS)
        for part in np.split(number, range(self.chunk, len(number), self.chunk)):
            row, view = part // PATCH_VIEWS, torch.from_numpy(part % PATCH_VIEWS).to(device)
            images = torch.from_numpy(np.ascontiguousarray(self.images[row])).to(device)
            found.append(encoder(patch({"image": images, "view": view}, *self.sizes)).float())
        return torch.cat(found)


def classifier_terms(modules: Modules, batch: Batch, *, class_weights: Tensor | None) -> dict[str, Tensor]:
    """Cross-entropy of the MLP on frozen representations (Section 3.2)."""
    logits = modules.classifier(batch["code"]).float()
    if class_weights is not None:
        class_weights = class_weights.to(logits.device)
    return {
        "softmax": F.cross_entropy(logits, batch["label"], weight=class_weights),
        "accuracy": accuracy(logits, batch["label"]),
    }


def _growing(weight: float, growth: float, epochs: int, done: bool, epoch: int) -> float:
    """A weight that grows by the factor ``growth`` from the first epoch to the last, or has grown if ``done``."""
    return weight * growth ** (1.0 if done else epoch / max(1, epochs - 1))


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class RELGAN(PatchClassifier):
    """Facial expression recognition from a code learned by reenactment (Ali & Hughes 2020).

    Arguments of every classifier are explained at :class:`~ferdis.systems.classifier.Classifier`, those of every
    training has at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    decoder_channels, discriminator_channels : sequence of int
        Channels of the decoder's five blocks, of the discriminator's four.
    hidden, dropout : width of the MLP's hidden layer, and what is dropped before its last one
    adversarial_weight, pixel_weight, expression_weight, identity_weight : float
        lambda_1 to lambda_4 of Eq. 4.
    pixel_reduction : str
        Of Eq. 3: "mean", "batch_mean" or "sum", see :func:`pixel_loss`.
    pixel_growth : float
        The pixel weight's factor from the first epoch of reenactment to the last; kept after a pretraining.
    ground_truth : str
        Where the target's person with the source's expression comes from. "counterparts": the set draws it (the
        synthetic one); "pairs": another image of that person, for sets where pose and light are the same in all of
        them, and of a sequence the frame as far from its peak as the source; "off": the pixel term does not run.
        "auto": counterparts where they can be drawn, pairs where the loader says that the set is posed
        (``attrs["posed"]``), otherwise off.
    truths : counterparts drawn for each training face
    self_transfers : float
        Share of the sources that are their own target, each in a view of its own, so that the target is the ground
        truth: it asks for a face where there is no other truth. 0, the text's, has none.
    cycle_weight : float
        Of :func:`cycle_loss`, which does so too; 0, the text's, leaves it out.
    names_weight : float
        Of a cross-entropy that is not in the text: while reenactment is learned a linear layer names the class from the
        expression code, as the plain CNN does. 0 leaves it out; nothing reads the layer afterwards.
    near_optimal, generator_steps : float, int
        While D's mean accuracy on real expressions and fakes is above ``near_optimal``, G takes ``generator_steps``
        steps for each of D's.
    pretrain, pretrain_epochs : Faces (optional), int
        Faces of other people to learn reenactment on first (the paper: BU-4DFE); D's last layers and the MLP are new
        afterwards.
    mlp_epochs, mlp_learning_rate : int, float
        Of the MLP, which is trained after reenactment; ``epochs``, ``learning_rate`` and ``decay`` are reenactment's.
    mlp_views : str
        Of the faces that the MLP learns from: "all" 50 in each epoch, or a "random" one. With "all" each view is
        encoded once for all epochs, and 50 epochs of a CK+ fold are 34,500 steps of the MLP alone; with "random" they
        are 700, too few for it to end.
    finetune_encoder : bool
        Whether a copy of the expression encoder learns beside the MLP, which then reads it: at ``mlp_learning_rate``,
        along ``schedule``, on ``mlp_views`` (which cost a pass through the encoder, each time). The text freezes it.
        Transfers go on reading the encoder of reenactment (:meth:`expression_code`), ``transform`` reads the copy.
    betas : of Adam, in both

    Attributes
    ----------
    classes_ : ndarray of str
    modules_ : dict of networks: expression_encoder, identity_encoder, decoder, classifier; with ``finetune_encoder``
        also recognition_encoder
    """

    # In a short training pixels weighed 20 drown in the class terms, and class terms in pixels weighed 1000 until there
    # is a code; then pixels sharpen it. A step of D for each of G's leaves the code at chance, one for four does not.
    preset: ClassVar[Mapping[str, Any]] = {
        "encoder": "recogniser",
        "weights": "zoo:expression",
        "augmentation": "strong",
        "test_flip": True,
        "encoder_channels": (16, 32, 64, 128, 128),  # of identity
        "decoder_channels": (128, 96, 64, 32, 16),
        "names_weight": 50.0,
        "self_transfers": 0.25,
        "finetune_encoder": True,
        "pixel_weight": 300.0,
        "pixel_growth": 30.0,
        "near_optimal": 0.4,
        "image_size": 72,
        "crop_size": 64,
        "epochs": 20,
        "min_steps": 300,
        "steps_per_image": 3.0,
        "mlp_epochs": 20,
        "mlp_views": "random",
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": "one-cycle",
        "mlp_learning_rate": 1e-3,
        "truths": 2,
        "pretrain_epochs": 12,
    }

    _started = ("expression_encoder", "identity_encoder", "decoder")

    decoder_channels: Sequence[int] = (512, 256, 128, 64, 32)
    discriminator_channels: Sequence[int] = (16, 32, 64, 128)
    hidden: int = 128
    dropout: float = 0.2
    adversarial_weight: float = 0.7
    pixel_weight: float = 20.0
    pixel_reduction: str = "mean"
    pixel_growth: float = 1.0
    expression_weight: float = 50.0
    identity_weight: float = 30.0
    ground_truth: str = "auto"
    truths: int = 8
    self_transfers: float = 0.0
    cycle_weight: float = 0.0
    names_weight: float = 0.0
    near_optimal: float = 0.9
    generator_steps: int = 4
    image_size: int = 110
    crop_size: int = 96
    epochs: int = 300
    mlp_epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 1.0
    decay_epochs: int = 1
    mlp_learning_rate: float = 1e-4
    mlp_views: str = "all"
    finetune_encoder: bool = False

    def expression_code(self, faces: Faces) -> np.ndarray:
        """Expression codes of the centre patches that the decoder reads, (n, 30) float32."""
        check_is_fitted(self, "modules_")
        return self._map(resized(faces, self.image_size), self.modules_["expression_encoder"])

    def identity_code(self, faces: Faces) -> np.ndarray:
        """Identity codes of the centre patches, (n, 50) float32."""
        check_is_fitted(self, "modules_")
        return self._map(resized(faces, self.image_size), self.modules_["identity_encoder"])

    @renamed_arguments(sources="references", targets="faces")
    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """The person of each face with its reference's expression, uint8 (n, crop_size, crop_size, 3).

        Parameters
        ----------
        faces, references : Faces of n rows each
            Row by row; the result has the face's centre patch. In the paper's words a reference is the source, a face
            the target.
        """
        check_pairs(faces, references)
        return self.decode(self.expression_code(references), self.identity_code(faces))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        def transfer(faces: Tensor, references: Tensor) -> Tensor:
            expression = self.modules_["expression_encoder"](self._centre(references))
            identity = self.modules_["identity_encoder"](self._centre(faces))
            return self.modules_["decoder"](torch.cat([expression, identity], 1))

        return {**super()._graphs(), "transfer": transfer}

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """Each face from its own two codes, uint8 (n, crop_size, crop_size, 3)."""
        return self.transfer(faces, faces)

    synthesize = reconstruct

    def decode(self, expression_codes: np.ndarray, identity_codes: np.ndarray) -> np.ndarray:
        """Images of codes (n, 30) and (n, 50), uint8 (n, crop_size, crop_size, 3)."""
        check_is_fitted(self, "modules_")
        codes = torch.from_numpy(np.concatenate([expression_codes, identity_codes], 1))
        device = module_device(self.modules_)
        with modules_in_eval_mode(self.modules_):
            faces = [to_bytes(self.modules_["decoder"](part.to(device))).cpu() for part in codes.split(64)]
        return torch.cat(faces).numpy()

    # ---------------------------------------------------------------------------------------------- its training

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("ground_truth", self.ground_truth, GROUND_TRUTHS)
        check_choice("pixel_reduction", self.pixel_reduction, PIXEL_REDUCTIONS)
        check_choice("mlp_views", self.mlp_views, ("random", "all"))
        if not 0 <= self.self_transfers <= 1:
            raise ValueError(f"self_transfers={self.self_transfers}: a share, from 0 to 1")
        check_at_least(1, self, "mlp_epochs", "truths", "generator_steps", "pixel_growth")
        if len(self.decoder_channels) != 5:
            raise ValueError(f"decoder_channels={self.decoder_channels}: name five, one for each upsampling")

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {
            "expression_encoder": expression_encoder(self),
            "identity_encoder": Encoder(IDENTITY_CODE, self.crop_size, self.encoder_channels),
            "decoder": Decoder(self.crop_size, self.decoder_channels),
        }
        initialise_blocks(*modules.values())
        hidden, last = nn.Linear(EXPRESSION_CODE, self.hidden), nn.Linear(self.hidden, len(self.classes_))
        modules["classifier"] = nn.Sequential(hidden, nn.ReLU(), nn.Dropout(self.dropout), last)
        if self.finetune_encoder:
            modules["recognition_encoder"] = expression_encoder(self)
        self._begun(modules, pretrained)
        if self._began_as == "recogniser":
            names_through_hidden(hidden, last, list(self.classes_))
        return modules

    def _start(self) -> None:
        """Nothing: of a pretraining the discriminator is needed, too, so that ``_stages`` sees to that."""

    def _stages(self, training: TrainingSet) -> list[Stage]:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            discriminator = self._discriminator(training)
        if self.pretrain is not None:
            discriminator = self._pretrain().with_new_heads(discriminator)
        sampler = self._triplets(training)
        self.notes_.append(f"RELGAN: {sampler.describe()}")
        epochs, decay_epochs = self._length(len(training))
        reenactment = self._reenactment("reenactment", discriminator, sampler, epochs, decay_epochs)
        return [reenactment, self._recognition(training, max(1, round(self.mlp_epochs * epochs / self.epochs)))]

    def _recognition(self, training: TrainingSet, epochs: int) -> Stage:
        """The MLP on the expression encoder, which is frozen or, a copy of it, trained beside (Section 3.2)."""
        tuned = self.finetune_encoder
        encoder = "recognition_encoder" if tuned else "expression_encoder"
        modules = {name: self.modules_[name] for name in dict.fromkeys(("expression_encoder", encoder, "classifier"))}
        phase = Phase(
            "classifier", (encoder, "classifier") if tuned else ("classifier",),
            partial(classifier_terms, class_weights=training.class_weights),
            {"softmax": 1.0}, partial(torch.optim.Adam, lr=self.mlp_learning_rate, betas=self.betas, fused=True),
            self._scheduler(epochs, max(1, round(self.decay_epochs * epochs / self.mlp_epochs))) if tuned else None,
        )  # fmt: skip
        once = self.mlp_views == "all" and self.augmentation == "paper" and not tuned
        batches = Patches(training, self.mlp_views, self.batch_size, self.seed, numbered=once)
        drawn = partial(
            draw_patches, image_size=self.image_size, crop_size=self.crop_size, augmentation=self.augmentation
        )
        prepare = DrawThenForward(drawn, partial(encode, encoder=encoder))
        codes = FrozenCodes(training.images, self.image_size, self.crop_size) if once else None
        start = partial(_copy, self.modules_["expression_encoder"], modules[encoder]) if tuned else None
        return Stage(
            "classifier", modules, [phase], epochs, batches, codes or prepare, ("expression_encoder",), start=start
        )

    def _reenactment(
        self, name: str, discriminator: Discriminator, sampler: Triplets, epochs: int, decay_epochs: int
    ) -> Stage:
        """Generator and discriminator against each other (Section 3.1)."""
        optimizer = partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True)
        schedule = self._scheduler(epochs, decay_epochs)
        terms = ("adversarial", "pixel", "expression", *(("identity",) if discriminator.identity_head else ()))
        weights = {term: getattr(self, f"{term}_weight") for term in terms}
        grown = self.pretrain is not None or self._began_as == "saved"
        weights["pixel"] = partial(_growing, self.pixel_weight, self.pixel_growth, epochs, grown)
        if self.cycle_weight:
            weights["cycle"] = self.cycle_weight
        generator_terms = partial(reenactment_terms, reduction=self.pixel_reduction, cycle=self.cycle_weight > 0,
                                  named=self.names_weight > 0)  # fmt: skip
        every = partial(discriminator_every, near_optimal=self.near_optimal, generator_steps=self.generator_steps)
        modules: dict[str, nn.Module] = {
            key: self.modules_[key] for key in ("expression_encoder", "identity_encoder", "decoder")
        }
        if self.names_weight:
            weights["names"], modules["names"] = self.names_weight, self._names()
        phases = [
            Phase("discriminator", ("discriminator",), discriminator_terms, {"class": 1.0}, optimizer, schedule, every),
            Phase("generator", tuple(modules), generator_terms, weights, optimizer, schedule),
        ]
        modules["discriminator"] = discriminator
        drawn = partial(
            draw_views, image_size=self.image_size, crop_size=self.crop_size, augmentation=self.augmentation
        )
        return Stage(name, modules, phases, epochs, sampler, DrawThenForward(drawn, reenact))

    def _names(self) -> nn.Linear:
        """The layer of ``names_weight``: only reenactment has it."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            layer = nn.Linear(EXPRESSION_CODE, len(self.classes_))
        if self._began_as == "recogniser":
            names_from_code(layer, list(self.classes_))
        return layer

    def _discriminator(self, training: TrainingSet) -> Discriminator:
        n_people = 0 if training.people is None else int(training.people.max()) + 1
        network = Discriminator(len(self.classes_), n_people, self.crop_size, self.discriminator_channels)
        initialise_normal(network)
        return network

    def _triplets(self, training: TrainingSet) -> Triplets:
        return Triplets(
            training, self.ground_truth, self.truths, self.views, self.batch_size, self.seed, self.self_transfers
        )

    def _pretrain(self) -> Discriminator:
        """Reenactment on the people of ``pretrain``, once for all folds and seeds: its weights are kept on disk."""
        faces = cast(Faces, self.pretrain)
        other = type(self)(**{name: getattr(self, name) for name in _PRETRAINING}, epochs=self.pretrain_epochs)
        other.notes_, other.training_digest_ = [], faces.digest()
        training = other._training_set(faces, None)
        with torch.random.fork_rng():
            torch.manual_seed(other.seed)
            other.modules_ = other._build()
            discriminator = other._discriminator(training)
        del other.modules_["classifier"]
        everything = {**other.modules_, "discriminator": discriminator}

        def stages() -> list[Stage]:
            length = other._length(len(training))
            return [other._reenactment("pretraining", discriminator, other._triplets(training), *length)]

        weights = train_once(other, "relgan", everything, stages)
        load_modules(weights, {name: self.modules_[name] for name in other.modules_} | {"discriminator": discriminator})
        self.notes_.append(f"RELGAN: pretrained for {self.pretrain_epochs} epochs on {faces!r}")
        return discriminator

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        code = self.modules_["recognition_encoder" if self.finetune_encoder else "expression_encoder"](images)
        return code, self.modules_["classifier"](code)


def _copy(learned: nn.Module, into: nn.Module) -> None:
    into.load_state_dict(learned.state_dict())


# What a pretraining depends on; all else is at its default there, so that one serves every fold, seed and classifier.
_PRETRAINING = (
    "augmentation", "encoder", "encoder_channels", "decoder_channels", "discriminator_channels", "adversarial_weight",
    "pixel_weight", "pixel_reduction", "pixel_growth", "expression_weight", "identity_weight", "truths",
    "self_transfers", "cycle_weight", "names_weight", "near_optimal", "generator_steps", "views", "image_size",
    "crop_size", "batch_size", "learning_rate", "betas", "decay", "decay_epochs", "schedule", "gradient_clip",
    "accelerator", "devices", "precision", "logger", "progress", "weights",
)  # fmt: skip
