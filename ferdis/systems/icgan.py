"""IcGAN: a conditional GAN, and two encoders that invert it; DECGAN's rival.

G. Perarnau, J. van de Weijer, B. Raducanu, J. M. Alvarez, "Invertible Conditional GANs for image editing", NIPS
Workshop on Adversarial Training 2016 (arXiv 1611.06355).

A generator draws a face from noise z and a condition y, against a discriminator that is told y. Afterwards E_z learns
to find the noise of a drawn face, and E_y the condition of a real one: a real face is drawn again from both, with
another condition in the place of its own.

======== ============================= ===========================================================================
Equation Function                      What it is
======== ============================= ===========================================================================
Eq. 2    :func:`discriminator_loss`    D tells real faces with their condition from drawn ones with theirs
Eq. 2    :func:`generator_loss`        G's side of it, non-saturating
Eq. 3    :func:`latent_loss`           E_z finds the noise of a drawn face
Eq. 4    :func:`condition_error`       E_y finds the condition of a real face
======== ============================= ===========================================================================

Departures from the text
------------------------
The reasons and what was measured are in ``docs/papers/icgan.md``.

- The condition is one of several expressions (``condition="expressions"``), or 17 intensities of action units as shares
  of 5 beside those that are known; the text has binary attributes.
- The two encoders are independent ("IND" in the text), and E_z learns from G in eval mode, as it is used.
- For expressions G is told 1 for the likeliest, not what E_y says of each.
- Faces are mirrored at random in training.
- Eq. 1 is the GAN without a condition, which the text only recalls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces
from ferdis.losses import in_float32
from ferdis.nn import initialise_normal
from ferdis.preprocess.augment import to_bytes
from ferdis.systems.arguments import check_at_least, check_pairs
from ferdis.systems.base import TrainingSet, resized
from ferdis.systems.conditioned_generator import ConditionedGenerator
from ferdis.systems.conditions import ACTION_UNITS, EXPRESSIONS, with_mask
from ferdis.systems.eggan import augment
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage

# ----------------------------------------------------------------------------------------------------- networks


class Generator(nn.Module):
    """G: transposed convolutions from noise and condition, joined at the input (Table 1).

    Parameters
    ----------
    width, told_width : int
        Numbers of the noise, and of the condition.
    channels : sequence of int
        Of the maps of side 4, 8, 16, ...; the image has twice the side of the last ones.
    """

    def __init__(self, width: int, told_width: int, channels: Sequence[int] = (512, 256, 128, 64)) -> None:
        super().__init__()
        layers = _normed(nn.ConvTranspose2d(width + told_width, channels[0], 4, bias=False), channels[0])
        for before, after in pairwise(channels):
            layers += _normed(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), after)
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1), nn.Tanh())

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Noise (n, width) and conditions (n, told_width) to faces (n, 3, S, S) in [-1, 1]."""
        return self.layers(torch.cat([noise, condition], 1)[:, :, None, None])


class Discriminator(nn.Module):
    """D: convolutions of stride 2; the condition joins the maps of the first one (Table 1, Section 3.1)."""

    def __init__(self, told_width: int, channels: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, channels[0], 4, 2, 1), nn.LeakyReLU(0.2))
        layers: list[nn.Module] = []
        for before, after in pairwise((channels[0] + told_width, *channels[1:])):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.rest = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4))

    def forward(self, faces: Tensor, condition: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] and conditions (n, told_width) to logits (n,); positive means real."""
        maps = self.first(faces)  # (n, channels[0], S / 2, S / 2)
        told = condition[:, :, None, None].expand(-1, -1, *maps.shape[2:]).to(maps.dtype)
        return self.rest(torch.cat([maps, told], 1)).flatten()


class Encoder(nn.Module):
    """E_z or E_y: 5x5 convolutions of stride 2 and two linear layers (Table 1).

    Parameters
    ----------
    size : int
        Side of the images.
    outputs, hidden : int
        Of the last and of the first linear layer: 4,096 for E_z, 512 for E_y.
    channels : sequence of int
    """

    def __init__(self, size: int, outputs: int, hidden: int, channels: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3, *channels)):
            layers += _normed(nn.Conv2d(before, after, 5, 2, 2, bias=False), after)
        wide = channels[-1] * (size // 2 ** len(channels)) ** 2
        linear = nn.Linear(wide, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        self.layers = nn.Sequential(*layers, nn.Flatten(), *linear)

    def forward(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] to (n, outputs)."""
        return self.layers(faces)


def _normed(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU()]


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What D minimises: -log D(x, y) - log(1 - D(G(z, y'), y')), the sum of two means (Eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (n,)
        Logits of D on real faces with their condition, and on drawn ones with theirs.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@in_float32
def generator_loss(fake: Tensor) -> Tensor:
    """G's side, non-saturating: -log D(G(z, y'), y'), mean of logits (n,) (Eq. 2)."""
    return F.softplus(-fake).mean()


@in_float32
def latent_loss(found: Tensor, noise: Tensor) -> Tensor:
    """``E |z - E_z(G(z, y'))|^2``: squares summed over the noise, mean over faces (Eq. 3).

    Parameters
    ----------
    found, noise : Tensor of shape (n, width)
    """
    return (noise - found).square().sum(1).mean()


@in_float32
def condition_error(found: Tensor, rows: Tensor) -> Tensor:
    """``E |y - E_y(x)|^2``: squares summed over what is known of the condition, mean over faces (Eq. 4).

    Parameters
    ----------
    found, rows : Tensor of shape (n, width)
        In 0..1; NaN in ``rows`` = not coded, which is left out.
    """
    known = ~rows.isnan()
    return ((found - torch.where(known, rows, 0)).square() * known).sum(1).mean()


# ------------------------------------------------------------------------------------------------------- phases


def draw(modules: Modules, batch: Batch, random: torch.Generator, *, kind: str, width: int) -> Batch:
    """Faces, mirrored or not, with their conditions; and faces drawn from noise with these in another order."""
    batch = augment(modules, batch, random)
    own = with_mask(batch["condition"], kind)
    device = own.device
    asked = own[torch.randperm(len(own), generator=random, device=device)]
    noise = torch.randn(len(own), width, generator=random, device=device)
    return {**batch, "own": own, "asked": asked, "noise": noise, "drawn": modules.generator(noise, asked)}


def discriminator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What D minimises (Eq. 2), and how often it is right."""
    real = modules.discriminator(batch["image"], batch["own"])
    fake = modules.discriminator(batch["drawn"].detach(), batch["asked"])
    return {
        "adversarial": discriminator_loss(real, fake),
        "real_accuracy": (real > 0).float().mean(),
        "fake_accuracy": (fake < 0).float().mean(),
    }


def generator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What G minimises (Eq. 2)."""
    return {"adversarial": generator_loss(modules.discriminator(batch["drawn"], batch["asked"]))}


def latent_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What E_z minimises, on drawn faces (Eq. 3)."""
    return {"latent": latent_loss(modules.latent_encoder(batch["drawn"]), batch["noise"])}


def condition_terms(modules: Modules, batch: Batch, *, kind: str) -> dict[str, Tensor]:
    """What E_y minimises, on real faces (Eq. 4)."""
    rows = batch["condition"] / (AU_MAXIMUM if kind == ACTION_UNITS else 1)
    return {"condition": condition_error(modules.condition_encoder(batch["image"]), rows)}


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class IcGAN(ConditionedGenerator):
    """Faces drawn again with other conditions (Perarnau et al. 2016).

    It learns from faces of two or more expressions, or from faces with action units; subjects are not needed.
    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    condition : what G and D are told and E_y reads: "expressions", or "action_units"
    code_width : numbers of the noise z
    latent_hidden, condition_hidden : of the first linear layer of E_z and of E_y
    generator_channels : of G's maps of side 4, 8, ...; the image has twice the side of the last ones
    discriminator_channels : of D's maps, each of half the side; the last ones have side 4
    encoder_channels : of the maps of both encoders
    encoder_epochs : of E_z and E_y, after G and D
    betas : of Adam

    Attributes
    ----------
    condition_ : Condition, what it learned to be told: the expressions, or which action units were coded
    modules_ : dict of networks: generator, discriminator, latent_encoder, condition_encoder
    """

    preset: ClassVar[Mapping[str, Any]] = {
        "generator_channels": (192, 96, 48, 24),
        "discriminator_channels": (24, 48, 96, 192),
        "encoder_channels": (16, 32, 64, 128),
        "latent_hidden": 512,
        "condition_hidden": 128,
        "epochs": 16,
        "encoder_epochs": 12,
        "min_steps": 3000,
        "batch_size": 32,
    }

    condition: str = EXPRESSIONS
    code_width: int = 100
    latent_hidden: int = 4096
    condition_hidden: int = 512
    generator_channels: Sequence[int] = (512, 256, 128, 64)
    discriminator_channels: Sequence[int] = (64, 128, 256, 512)
    encoder_channels: Sequence[int] = (32, 64, 128, 256)
    image_size: int = 64
    epochs: int = 25
    encoder_epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def edit(self, faces: Faces, au: ArrayLike | Mapping[str, float]) -> np.ndarray:
        """The faces drawn again with other action units, uint8 (n, image_size, image_size, 3).

        ``au`` is as for :meth:`EGGAN.edit <ferdis.systems.eggan.EGGAN.edit>`, with its errors; an IcGAN of expressions
        refuses it.
        """
        check_is_fitted(self, "modules_")
        return self._draw(faces, with_mask(torch.from_numpy(self.condition_.asked(au, faces)), ACTION_UNITS))

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """Each face with what E_y reads off its reference, uint8 (n, image_size, image_size, 3)."""
        check_pairs(faces, references)
        check_is_fitted(self, "modules_")
        encoder = self.modules_["condition_encoder"]
        read = self._map(resized(references, self.image_size), lambda images: self._told(encoder(images)))
        return self._draw(faces, torch.from_numpy(read))

    synthesize = transfer

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """The faces through both encoders and G, uint8 (n, image_size, image_size, 3)."""
        return self.transfer(faces, faces)

    def read(self, faces: Faces) -> np.ndarray:
        """What E_y reads, (n, width) float32: of each expression, or of each action unit in 0..5, NaN = never coded."""
        check_is_fitted(self, "modules_")
        encoder = self.modules_["condition_encoder"]
        found = self._map(resized(faces, self.image_size), lambda images: encoder(images).float())
        if self.condition_.kind == EXPRESSIONS:
            return found
        return np.where(np.isin(AU_COLUMNS, self.condition_.coded), AU_MAXIMUM * found.clip(0, 1), np.float32(np.nan))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        generator, _, latent, reader = self.modules_.values()
        return {"transfer": lambda faces, references: generator(latent(faces), self._told(reader(references)))}

    # ---------------------------------------------------------------------------------------------- its training

    def _told(self, found: Tensor) -> Tensor:
        """What G is told of what E_y found: the likeliest expression, or the action units that it knows."""
        if self.condition_.kind == EXPRESSIONS:
            return (found >= found.amax(1, keepdim=True)).to(found.dtype)
        coded = torch.from_numpy(np.isin(AU_COLUMNS, self.condition_.coded)).to(found.device)
        return with_mask((AU_MAXIMUM * found.clamp(0, 1)).where(coded, torch.nan), ACTION_UNITS)

    def _draw(self, faces: Faces, told: Tensor) -> np.ndarray:
        generator, encoder = self.modules_["generator"], self.modules_["latent_encoder"]
        images = resized(faces, self.image_size)
        return self._map_pairs(images, told, lambda batch, asked: to_bytes(generator(encoder(batch), asked)))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name, side in (
            ("generator_channels", 4 * 2 ** len(self.generator_channels)),
            ("discriminator_channels", 4 * 2 ** len(self.discriminator_channels)),
        ):
            if self.image_size != side:
                raise ValueError(f"image_size={self.image_size}: {name} of {len(getattr(self, name))} make {side}")
        if self.image_size % 2 ** len(self.encoder_channels):
            raise ValueError(f"image_size={self.image_size}: take fewer encoder_channels")
        check_at_least(1, self, "epochs", "encoder_epochs", "code_width")

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        size, told = self.image_size, self.condition_.told_width
        encoder = partial(Encoder, size, channels=self.encoder_channels)
        networks: dict[str, Callable[[], nn.Module]] = {
            "generator": partial(Generator, self.code_width, told, self.generator_channels),
            "discriminator": partial(Discriminator, told, self.discriminator_channels),
            "latent_encoder": partial(encoder, self.code_width, self.latent_hidden),
            "condition_encoder": partial(encoder, self.condition_.width, self.condition_hidden),
        }
        modules: dict[str, nn.Module] = {}
        for name, build in networks.items():
            modules[name] = build()
            initialise_normal(modules[name])
        return modules

    def _stages(self, training: TrainingSet) -> list[Stage]:
        kind, epochs = self.condition_.kind, self.training_epochs(len(training))
        batches = ArrayBatches({"image": training.images, "condition": training.labels}, self.batch_size, self.seed)
        prepare = partial(draw, kind=kind, width=self.code_width)
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True)
        phases = [
            Phase("discriminator", ("discriminator",), discriminator_terms, {"adversarial": 1.0}, adam),
            Phase("generator", ("generator",), generator_terms, {"adversarial": 1.0}, adam),
        ]
        inverted = [
            Phase("latent", ("latent_encoder",), latent_terms, {"latent": 1.0}, adam),
            Phase("condition", ("condition_encoder",), partial(condition_terms, kind=kind), {"condition": 1.0}, adam),
        ]
        later = max(1, round(self.encoder_epochs * epochs / self.epochs))  # stretched alike
        first = {name: self.modules_[name] for name in ("generator", "discriminator")}
        second = {name: self.modules_[name] for name in ("generator", "latent_encoder", "condition_encoder")}
        return [
            Stage("icgan", first, phases, epochs, batches, prepare),
            Stage("encoders", second, inverted, later, batches, prepare, frozen=("generator",)),
        ]
