"""StarGAN: one generator that takes a face from any domain to any other, told by a vector; EGGAN's rival.

Y. Choi, M. Choi, M. Kim, J.-W. Ha, S. Kim, J. Choo, "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
Image-to-Image Translation", CVPR 2018 (arXiv 1711.09020).

A generator is given a face and a target condition, as maps of one value each beside the colours, and draws the face
again. A critic of patches tells real from drawn faces and reads the condition off both; what is drawn has to lead
back to the face when its own condition is asked for.

======== ================================= =========================================================================
Equation Function                          What it is
======== ================================= =========================================================================
Eq. 1    :func:`log_critic_loss`           adversarial loss with logarithms, which Eq. 8 replaces
Eq. 2    :func:`real_domain_loss`          the critic reads the condition of a real face
Eq. 3    :func:`generated_domain_loss`     what is drawn is read as the condition that was asked for
Eq. 4    :func:`reconstruction_loss`       back again: L1 distance to the face
Eq. 5    :func:`critic_terms`              what the critic minimises
Eq. 6    :func:`generator_terms`           what the generator minimises
Eq. 7    :func:`told`                      the condition beside its mask
Eq. 8    :func:`critic_loss`               Wasserstein loss in the place of Eq. 1, without its penalty
Eq. 8    :func:`generator_loss`            the generator's side of it
======== ================================= =========================================================================

Departures from the text
------------------------
The reasons and what was measured are in ``docs/papers/stargan.md``.

- ``condition="action_units"``: 17 intensities, as the comparison in EGGAN's Table 1 asks; their domain loss is the mean
  squared error of a regression. ``"expressions"`` has the text's cross-entropy.
- The mask of Eq. 7 has one entry per action unit, for those that are not coded, in the place of one per data set.
- Target conditions are those of another face of the batch, as in the authors' code; the text draws them at random.
- The penalty of Eq. 8 is the ``gradient_penalty`` of :mod:`ferdis.systems.eggan`; it is minimised, and taken of the sum
  over patches, as in the authors' code.
- The critic starts from He's (2015) weights.
- Not in the text and off by default: ``identity_weight`` holds a face whose own condition is asked for to itself. In
  :meth:`StarGAN.small` the condition sets scale and shift of norms (``injection="modulate"``), G draws a change of
  the face (``draws="change"``), and the critic learns to read conditions first (``reading_epochs``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.losses import in_float32
from ferdis.preprocess.augment import to_bytes
from ferdis.systems.arguments import check_at_least, check_choice, check_pairs
from ferdis.systems.base import TrainingSet, resized
from ferdis.systems.conditioned_generator import ConditionedGenerator
from ferdis.systems.conditions import ACTION_UNITS, condition_loss, with_mask
from ferdis.systems.eggan import augment, gradient_penalty
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage, linear_decay_second_half

SLOPE = 0.01  # of the critic's LeakyReLU (Table 5)

# ----------------------------------------------------------------------------------------------------- networks


class Normed(nn.Module):
    """A convolution, instance norm and ReLU.

    Parameters
    ----------
    convolution : nn.Module
    channels : int
        Of its maps.
    told_width : int
        0: the norm has a scale and a shift of its own; otherwise they are linear in a condition of so many numbers.
    relu : bool
    """

    def __init__(self, convolution: nn.Module, channels: int, told_width: int = 0, relu: bool = True) -> None:
        super().__init__()
        self.convolution, self.norm = convolution, nn.InstanceNorm2d(channels, affine=not told_width)
        self.style = nn.Linear(told_width, 2 * channels) if told_width else None
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps (n, c, h, w) and conditions (n, told_width) to maps (n, channels, h', w')."""
        maps = self.norm(self.convolution(maps))
        if self.style is not None:
            scale, shift = self.style(condition)[..., None, None].chunk(2, 1)
            maps = maps * (1 + scale) + shift
        return self.relu(maps)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to the maps (Table 4)."""

    def __init__(self, channels: int, told_width: int = 0) -> None:
        super().__init__()
        self.first, self.second = (
            Normed(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), channels, told_width, relu)
            for relu in (True, False)
        )

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps (n, c, h, w) and conditions (n, told_width) to maps of the same shape."""
        return maps + self.second(self.first(maps, condition), condition)


class Generator(nn.Module):
    """G: two halvings, residual blocks, two doublings (Table 4).

    Parameters
    ----------
    told_width : int
        Numbers of the condition.
    channels : int
        Of the first layer; the two halvings have 2 and 4 times as many.
    blocks : int
        Residual blocks.
    injection : "input" or "modulate"
        Where the condition enters, see :class:`StarGAN`.
    draws : "image" or "change"
        What comes out of the last layer, see :class:`StarGAN`.
    """

    def __init__(
        self,
        told_width: int,
        channels: int = 64,
        blocks: int = 6,
        injection: str = "input",
        draws: str = "image",
    ) -> None:
        super().__init__()
        self.changes = draws == "change"
        wide = (channels, 2 * channels, 4 * channels)
        maps, style = (told_width, 0) if injection == "input" else (0, told_width)
        self.maps = bool(maps)
        layers = [Normed(nn.Conv2d(3 + maps, channels, 7, 1, 3, bias=False), channels)]
        for before, after in pairwise(wide):
            layers.append(Normed(nn.Conv2d(before, after, 4, 2, 1, bias=False), after))
        between = [ResidualBlock(wide[-1], style) for _ in range(blocks)]
        ups = [
            Normed(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), after)
            for before, after in pairwise(wide[::-1])
        ]
        self.layers = nn.ModuleList([*layers, *between, *ups])
        self.head = nn.Sequential(nn.Conv2d(channels, 3, 7, 1, 3, bias=False), nn.Tanh())
        if self.changes:
            nn.init.zeros_(cast(Tensor, self.head[0].weight))  # at first a face is drawn as it is

    def forward(self, faces: Tensor, condition: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] and conditions (n, told_width) to faces (n, 3, S, S) in [-1, 1]."""
        maps = faces
        if self.maps:
            beside = condition[:, :, None, None].expand(-1, -1, *faces.shape[2:]).to(faces.dtype)
            maps = torch.cat([faces, beside], 1)  # (n, 3 + told_width, S, S)
        for layer in self.layers:
            maps = layer(maps, condition)
        drawn = self.head(maps)
        return (faces + 2 * drawn).clamp(-1, 1) if self.changes else drawn


class Critic(nn.Module):
    """D: stride-2 convolutions, and two heads: real or drawn for each patch, and the condition (Table 5).

    Parameters
    ----------
    size : int
        Side of the images.
    width : int
        Numbers of a condition.
    channels, layers : int
        Of the first layer, and how many halve the side; each has twice the channels of the one before.
    """

    def __init__(self, size: int, width: int, channels: int = 64, layers: int = 6) -> None:
        super().__init__()
        wide = (3, *(channels * 2**level for level in range(layers)))
        self.layers = nn.Sequential(
            *(layer for pair in pairwise(wide) for layer in (_halving(*pair), nn.LeakyReLU(SLOPE)))
        )
        self.source = nn.Conv2d(wide[-1], 1, 3, 1, 1, bias=False)
        self.domain = nn.Conv2d(wide[-1], width, size // 2**layers, bias=False)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (n, 3, S, S) in [-1, 1] to values of patches (n, 1, h, w) and what is read of conditions (n, width)."""
        maps = self.layers(faces)
        return self.source(maps), self.domain(maps).flatten(1)


def _halving(before: int, after: int) -> nn.Conv2d:
    """He's initial weights keep the variance: there are no norms that would restore it."""
    convolution = nn.Conv2d(before, after, 4, 2, 1)
    nn.init.kaiming_normal_(convolution.weight, SLOPE, nonlinearity="leaky_relu")
    nn.init.zeros_(cast(Tensor, convolution.bias))
    return convolution


def told(rows: Tensor, kind: str) -> Tensor:
    """The condition beside the mask of what of it is known (Eq. 7): :func:`ferdis.systems.conditions.with_mask`."""
    return with_mask(rows, kind)


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def log_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimises of the loss with logarithms: -log D(x) - log(1 - D(G(x, c))) (Eq. 1).

    Parameters
    ----------
    real, fake : Tensor of any shape
        Logits of D on real and on drawn faces; the loss is the sum of two means.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@in_float32
def real_domain_loss(found: Tensor, rows: Tensor, kind: str) -> Tensor:
    """-log D_cls(c' | x), what the critic reads off a real face against its condition (Eq. 2).

    Parameters
    ----------
    found, rows, kind
        As for :func:`ferdis.systems.conditions.condition_loss`: a cross-entropy, or a squared distance of intensities.
    """
    return condition_loss(found, rows, kind)


@in_float32
def generated_domain_loss(found: Tensor, rows: Tensor, kind: str) -> Tensor:
    """-log D_cls(c | G(x, c)), what the critic reads off a drawn face against what was asked for (Eq. 3).

    Parameters
    ----------
    found, rows, kind
        As for :func:`ferdis.systems.conditions.condition_loss`.
    """
    return condition_loss(found, rows, kind)


@in_float32
def reconstruction_loss(back: Tensor, face: Tensor) -> Tensor:
    """Mean absolute difference of G(G(x, c), c') to x (Eq. 4): images (n, 3, S, S) in [-1, 1]."""
    return (face - back).abs().mean()


@in_float32
def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimises besides its penalty: mean D(G(x, c)) - mean D(x), values of any shape (Eq. 8)."""
    return fake.mean() - real.mean()


@in_float32
def generator_loss(fake: Tensor) -> Tensor:
    """The generator's side: -mean D(G(x, c)), values of any shape (Eq. 8)."""
    return -fake.mean()


# ------------------------------------------------------------------------------------------------------- phases


def edit_faces(modules: Modules, batch: Batch, random: torch.Generator, *, kind: str) -> Batch:
    """Each face, mirrored or not, and what is drawn of it with the condition of another face of the batch."""
    batch = augment(modules, batch, random)
    own = batch["condition"]
    target = own[torch.randperm(len(own), generator=random, device=own.device)]
    return {**batch, "target": target, "edited": modules.generator(batch["image"], told(target, kind))}


def reading_terms(modules: Modules, batch: Batch, *, kind: str) -> dict[str, Tensor]:
    """What the critic minimises in a stage of its own, before G: it reads conditions of real faces (Eq. 2)."""
    return {"domain": real_domain_loss(modules.critic(batch["image"])[1], batch["condition"], kind)}


def critic_terms(modules: Modules, batch: Batch, *, kind: str, adversarial: str) -> dict[str, Tensor]:
    """-L_adv + lambda_cls L_cls^r, term by term, and the penalty of Eq. 8 (Eq. 5)."""
    image, edited = batch["image"], batch["edited"].detach()
    real, found = modules.critic(image)
    fake, _ = modules.critic(edited)
    terms = {"domain": real_domain_loss(found, batch["condition"], kind)}
    if adversarial == "log":
        return {"critic": log_critic_loss(real, fake), **terms}
    at = torch.lerp(image, edited.to(image.dtype), torch.rand(len(image), 1, 1, 1, device=image.device))
    penalty = gradient_penalty(lambda images: modules.critic(images)[0], at)
    return {"critic": critic_loss(real, fake), "penalty": penalty, **terms}


def generator_terms(
    modules: Modules, batch: Batch, *, kind: str, adversarial: str, identity: bool
) -> dict[str, Tensor]:
    """L_adv + lambda_cls L_cls^f + lambda_rec L_rec, term by term; the phase weights them (Eq. 6)."""
    image, edited, own = batch["image"], batch["edited"], told(batch["condition"], kind)
    fake, found = modules.critic(edited)
    terms = {
        "critic": F.softplus(-fake.float()).mean() if adversarial == "log" else generator_loss(fake),
        "domain": generated_domain_loss(found, batch["target"], kind),
        "reconstruction": reconstruction_loss(modules.generator(edited, own), image),
    }
    if identity:
        terms["identity"] = reconstruction_loss(modules.generator(image, own), image)
    return terms


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class StarGAN(ConditionedGenerator):
    """Faces with other action units or expressions (Choi et al., CVPR 2018).

    It learns from faces with action units, or from two or more expressions; subjects are not needed.
    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    condition : what G is told and the critic reads: "action_units", or "expressions"
    adversarial : "wgan-gp" (Eq. 8), or "log" (Eq. 1; there is then no penalty)
    injection : where the condition enters G: at the "input", as maps beside the colours, or to "modulate" the scale and
        shift of the residual blocks' norms
    draws : what G's last layer is: the "image", or a "change" that is added to the face
    domain_weight, reconstruction_weight, penalty_weight : float
        lambda_cls, lambda_rec and lambda_gp.
    identity_weight : float
        Of the L1 distance between a face and what is drawn of it when its own condition is asked for; 0 is the text.
    generator_channels, generator_blocks : of G's first layer, and its residual blocks
    critic_channels, critic_layers : of the critic's first layer, and how many halve the side
    critic_steps : int
        The critic's steps for one of the generator.
    reading_epochs : int
        In which the critic learns to read conditions, before there is a generator; 0 is the text.
    betas : of Adam, whose rate falls linearly over the second half

    Attributes
    ----------
    condition_ : Condition, what it learned to be told: the expressions, or which action units were coded
    modules_ : dict of networks: generator, critic
    """

    trains_channels_last = False  # instance norm would turn every map round

    preset: ClassVar[Mapping[str, Any]] = {
        "injection": "modulate",
        "draws": "change",
        "domain_weight": 0.3,
        "reconstruction_weight": 1.0,  # against 10 a change of a face does not pay
        "generator_channels": 16,
        "generator_blocks": 4,
        "critic_channels": 16,
        "critic_layers": 5,
        "critic_steps": 1,
        "reading_epochs": 16,
        "image_size": 64,
        "epochs": 16,
        "min_steps": 3000,
        "learning_rate": 1e-3,
    }

    condition: str = ACTION_UNITS
    adversarial: str = "wgan-gp"
    injection: str = "input"
    draws: str = "image"
    domain_weight: float = 1.0
    reconstruction_weight: float = 10.0
    penalty_weight: float = 10.0
    identity_weight: float = 0.0
    generator_channels: int = 64
    generator_blocks: int = 6
    critic_channels: int = 64
    critic_layers: int = 6
    critic_steps: int = 5
    reading_epochs: int = 0
    image_size: int = 128
    epochs: int = 200
    batch_size: int = 16
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def edit(self, faces: Faces, au: ArrayLike | Mapping[str, float]) -> np.ndarray:
        """The faces with other action units, uint8 (n, image_size, image_size, 3).

        ``au`` is as for :meth:`EGGAN.edit <ferdis.systems.eggan.EGGAN.edit>`, with its errors; a StarGAN of expressions
        refuses it.
        """
        check_is_fitted(self, "modules_")
        return self._draw(faces, self.condition_.asked(au, faces))

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """Each face with the condition in its reference's table, uint8 (n, image_size, image_size, 3).

        The references' images are not looked at: the condition is given, as in the paper.
        """
        check_is_fitted(self, "modules_")
        check_pairs(faces, references)
        return self._draw(faces, self.condition_.of(references))

    synthesize = transfer

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """Each face with its own condition, uint8 (n, image_size, image_size, 3)."""
        return self.transfer(faces, faces)

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        if self.condition_.kind != ACTION_UNITS:
            return {}  # the condition of a reference is in its table, not in its image
        generator = self.modules_["generator"]
        coded = torch.from_numpy(np.isin(AU_COLUMNS, self.condition_.coded))
        return {"edit": lambda faces, au: generator(faces, told(au.where(coded, torch.nan), ACTION_UNITS))}

    # ---------------------------------------------------------------------------------------------- its training

    def _draw(self, faces: Faces, rows: np.ndarray) -> np.ndarray:
        generator, wanted = self.modules_["generator"], told(torch.from_numpy(rows), self.condition_.kind)
        images = resized(faces, self.image_size)
        return self._map_pairs(images, wanted, lambda batch, asked: to_bytes(generator(batch, asked)))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("adversarial", self.adversarial, ("wgan-gp", "log"))
        check_choice("injection", self.injection, ("input", "modulate"))
        check_choice("draws", self.draws, ("image", "change"))
        side = 2 ** max(2, self.critic_layers)
        if self.image_size % side:
            raise ValueError(f"image_size={self.image_size}: take a multiple of {side}, or fewer critic_layers")
        names = "epochs", "critic_steps", "critic_layers", "generator_channels", "critic_channels"
        check_at_least(1, self, *names)
        check_at_least(0, self, "reading_epochs")

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        size, condition = self.image_size, self.condition_
        return {
            "generator": Generator(
                condition.told_width, self.generator_channels, self.generator_blocks, self.injection, self.draws
            ),
            "critic": Critic(size, condition.width, self.critic_channels, self.critic_layers),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        kind, epochs = self.condition_.kind, self.training_epochs(len(training))
        batches = ArrayBatches({"image": training.images, "condition": training.labels}, self.batch_size, self.seed)
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True)
        rate = linear_decay_second_half(epochs)
        judged = {"critic": 1.0, "domain": self.domain_weight}
        penalised = {**judged, **({"penalty": self.penalty_weight} if self.adversarial == "wgan-gp" else {})}
        drawn = {**judged, "reconstruction": self.reconstruction_weight}
        if self.identity_weight:
            drawn["identity"] = self.identity_weight
        critic = partial(critic_terms, kind=kind, adversarial=self.adversarial)
        generator = partial(generator_terms, kind=kind, adversarial=self.adversarial, identity=self.identity_weight > 0)
        phases = [
            Phase("critic", ("critic",), critic, penalised, adam, rate),
            Phase("generator", ("generator",), generator, drawn, adam, rate, every=self.critic_steps),
        ]
        stages = [Stage("stargan", self.modules_, phases, epochs, batches, partial(edit_faces, kind=kind))]
        if self.reading_epochs:
            phase = Phase("reading", ("critic",), partial(reading_terms, kind=kind), {"domain": 1.0}, adam)
            first = max(1, round(self.reading_epochs * epochs / self.epochs))  # stretched alike
            only = {"critic": self.modules_["critic"]}
            stages.insert(0, Stage("reading", only, [phase], first, batches, augment))
        return stages
