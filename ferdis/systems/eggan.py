"""EGGAN: give a face any action units; an adversarial autoencoder with a conditional generator.

J. Tang, Z. Shao, L. Ma, "Fine-Grained Expression Manipulation via Structured Latent Space", ICME 2020.

An encoder maps a face to a code that a discriminator holds to a Gaussian; a generator draws the face of that code with
the intensities of 17 action units (AUs) as asked. A classifier of AU levels, trained along, and a classifier of people,
trained before and frozen, hold the image to both.

======== ======================================================= ===================================================
Equation Function                                                What it is
======== ======================================================= ===================================================
Eq. 1    :func:`latent_loss`                                     discriminator of codes against the prior N(0, 1)
Eq. 1    :func:`encoder_loss`                                    the encoder's side of it, non-saturating
Eq. 2    :func:`critic_loss`                                     discriminator of images, without its penalty
Eq. 2    :func:`generator_loss`                                  the generator's side of it
Eq. 2    :func:`gradient_penalty`                                the penalty, on interpolates or on real images
Eq. 3    :func:`~ferdis.systems.action_units.action_unit_loss`   6-way cross-entropy of each AU's rounded intensity
Eq. 4    :func:`identity_loss`                                   cross-entropy of the person
Eq. 5    :func:`perceptual_loss`                                 VGG19 maps of source, edited and reconstructed image
Eq. 6    :func:`reconstruction_loss`                             L1 and MS-SSIM
Eq. 7    :func:`generator_terms`                                 terms of encoder and generator, weighted by lambdas
Eq. 8    :func:`interpolated_action_units`                       AUs on the way from source to target
======== ======================================================= ===================================================

Departures from the text
------------------------
The reasons, what was measured, and how to run it on RaFD are in ``docs/papers/eggan.md``.

- Eq. 2 is WGAN-GP, which the text names; ``adversarial="r1-like"`` has its log terms and its penalty on real images.
- The penalty is minimised; its sign in Eq. 2 is wrong for a discriminator that maximises.
- The critic takes ``critic_steps`` steps for one of encoder and generator.
- AUs also set scale and shift after each norm; ``au_injection="input"`` feeds them with the code alone, as the text.
- The AU classifier learns from photographs alone; ``c_exp_on="both"`` adds the generated images of Eq. 7.
- Target AUs are those of another face of the batch.
- An AU that is not coded (NaN) is masked in Eq. 3, and the generator is told that it is unknown.
- Eq. 5 squares its norm; ``perceptual_norm="norm"`` is as printed. Its "third layer" is taken for ``relu2_1``.
- Without VGG19's ImageNet weights Eq. 5 can take the maps of C_id (``weights="identifier"``, in :meth:`EGGAN.small`).
- Every reduction is a mean.
- Encoder and critic start from He's (2015) weights.
- Not given: width of the code, channels of generator and critic, batch norm in the classifiers, betas, mirrored faces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
import timm
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces
from ferdis.losses import accuracy, in_float32
from ferdis.nn import IMAGENET_MEAN, IMAGENET_STD, ImageClassifier, eval_mode, with_present_names
from ferdis.preprocess.augment import to_bytes, to_unit_range
from ferdis.systems.action_units import (
    N_ACTION_UNITS,
    VGGClassifier,
    action_unit_loss,
    action_units_as_trained,
    action_units_of,
    checked_action_units,
    coded_action_units,
    remarks_on_gaps,
)
from ferdis.systems.arguments import check_at_least, check_choice
from ferdis.systems.base import Estimator, TrainingSet, module_device, modules_in_eval_mode, resized
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage, linear_decay_second_half
from ferdis.weights import put_weights, read_weights

_SAVED = "perceptual.layers."  # what VGG19's layers are called in an EGGAN that was saved
IDENTIFIER = "identifier"  # the value of ``weights`` for which C_id gives the maps of Eq. 5, not VGG19
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales (Wang et al. 2003)

# ----------------------------------------------------------------------------------------------------- networks


class Encoder(nn.Module):
    """E: from a face to its latent code by stride-2 convolutions and one linear layer (Section 4.1)."""

    def __init__(self, size: int, channels: Sequence[int] = (16, 32, 64, 128, 256), width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_down(a, b) for a, b in pairwise((3, *channels))))
        self.code = nn.Linear(channels[-1] * (size // 2 ** len(channels)) ** 2, width)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to codes (n, width)."""
        maps = self.layers(images)  # (n, channels[-1], S / 32, S / 32)
        return self.code(maps.flatten(1))


class LatentDiscriminator(nn.Module):
    """D_z: fully connected layers 256-128-64-32-16-1; a positive logit means that the code is drawn from the prior."""

    def __init__(self, width: int = 128, widths: Sequence[int] = (256, 128, 64, 32, 16)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *widths)):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (n, width) to logits (n,)."""
        return self.layers(codes)[:, 0]


class UpBlock(nn.Module):
    """Residual block that doubles the side: instance norm, PReLU, convolution, twice.

    With ``label_width`` the AUs set scale and shift after each norm; 0 gives the norms their own. ``factor`` is 4 for
    a first block from 1x1, which has no norms: a single place has no variance.
    """

    def __init__(self, before: int, after: int, label_width: int, factor: int = 2) -> None:
        super().__init__()
        self.factor = float(factor)
        norms = (nn.InstanceNorm2d(c, affine=not label_width) for c in (before, after))
        self.norms = nn.ModuleList(norms if factor == 2 else (nn.Identity(), nn.Identity()))
        self.convolutions = nn.ModuleList(nn.Conv2d(c, after, 3, 1, 1) for c in (before, after))
        self.activations = nn.ModuleList(nn.PReLU(c) for c in (before, after))
        self.shortcut = nn.Conv2d(before, after, 1)
        self.styles = nn.ModuleList(nn.Linear(label_width, 2 * c) for c in (before, after)) if label_width else None

    def forward(self, x: Tensor, action_units: Tensor) -> Tensor:
        """Maps (n, before, h, w) and AUs (n, label_width) to maps (n, after, 2h, 2w), or 4h and 4w."""
        y = x
        for step in range(2):
            y = self.norms[step](y)
            if self.styles is not None:
                scale, shift = self.styles[step](action_units)[..., None, None].chunk(2, 1)
                y = y * (1 + scale) + shift
            y = self.activations[step](y)
            if step == 1:
                y = F.interpolate(y, scale_factor=self.factor)  # (n, after, 2h, 2w)
            y = self.convolutions[step](y)
        return y + F.interpolate(self.shortcut(x), scale_factor=self.factor)


class Generator(nn.Module):
    """G: from a code and AUs to a face, by residual blocks that double the side (Section 4.1).

    Parameters
    ----------
    size : int
        Side of the images.
    width : int
        Length of a code.
    channels : sequence of int
        Of the maps after each block. The first block starts at size / 2^blocks: 2 for the paper's six blocks at 128.
    modulate : bool
        The AUs enter every block, not the first layer alone.
    first_factor : int
        Of the first block: 2, or 4, from 1x1, as in the authors' code.
    """

    def __init__(
        self,
        size: int = 128,
        width: int = 128,
        channels: Sequence[int] = (512, 256, 256, 128, 64, 32),
        modulate: bool = True,
        first_factor: int = 2,
    ) -> None:
        super().__init__()
        self.start = size // (first_factor * 2 ** (len(channels) - 1))
        self.first = nn.Linear(width + 2 * N_ACTION_UNITS, channels[0] * self.start**2)
        label_width = 2 * N_ACTION_UNITS if modulate else 0
        factors = (first_factor, *[2] * (len(channels) - 1))
        pairs = zip(pairwise((channels[0], *channels)), factors, strict=True)
        self.blocks = nn.ModuleList(UpBlock(a, b, label_width, factor) for (a, b), factor in pairs)
        self.head = nn.Sequential(nn.PReLU(channels[-1]), nn.Conv2d(channels[-1], 3, 3, 1, 1), nn.Tanh())

    def forward(self, codes: Tensor, action_units: Tensor) -> Tensor:
        """Codes (n, width) and AUs (n, 17) in 0..5, NaN = unknown, to images (n, 3, S, S) in [-1, 1]."""
        known = ~action_units.isnan()
        action_units = torch.cat(
            [torch.where(known, action_units, 0) / AU_MAXIMUM, known.to(action_units.dtype)], 1
        )  # (n, 34)
        x = self.first(torch.cat([codes, action_units], 1)).unflatten(1, (-1, self.start, self.start))
        for block in self.blocks:
            x = block(x, action_units)
        return self.head(x)  # (n, channels[-1], S, S) -> (n, 3, S, S)


class Critic(Encoder):
    """D_img: six stride-2 convolutions and a linear layer. No batch statistics: the penalty is of single images."""

    def __init__(self, size: int = 128, channels: Sequence[int] = (32, 64, 128, 256, 256, 256)) -> None:
        super().__init__(size, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to values (n,); higher means more real."""
        return super().forward(images)[:, 0]


class VGG19Features(nn.Module):
    """phi of Eq. 5: VGG19 up to a layer.

    Parameters
    ----------
    layer : str
        ``"relu2_1"`` is the activation after the first convolution of the second block.
    weights : str or None
        "imagenet", None for random ones, or a .safetensors file of VGG19, which may end after the layer; or of an EGGAN
        that was saved with it.

    Raises
    ------
    ValueError, FileNotFoundError
        If there is no such layer; for weights that cannot be used, as :class:`~ferdis.nn.ImageClassifier`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layer: str, weights: str | None) -> None:
        super().__init__()
        depths, first = (2, 2, 4, 4, 4), (1, 6, 11, 20, 29)  # convolutions per block; index of relu<block>_1
        places = {f"relu{b + 1}_{k + 1}": first[b] + 2 * k for b in range(5) for k in range(depths[b])}
        if layer not in places:
            raise ValueError(f"VGG19 has no layer {layer!r}: choose one of {', '.join(places)}")
        self.layers = _vgg19(places[layer] + 1, weights)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to maps (n, C, h, w)."""
        return self.layers(((images + 1) / 2 - self.mean) / self.std)


def _vgg19(count: int, weights: str | None) -> nn.Sequential:
    """VGG19's first layers alone: the whole has 139 million parameters, up to ``relu2_1`` they are 0.1 million."""
    if weights == "imagenet":
        return cast(nn.Sequential, ImageClassifier("vgg19.tv_in1k", 1, weights=weights).network.features[:count])
    with torch.device("meta"):
        whole = timm.create_model("vgg19", pretrained=False)
    layers = cast(nn.Sequential, whole.features)[:count].to_empty(device="cpu")
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, layer.bias))
    if weights is not None:
        tensors = with_present_names(read_weights(weights), whole)
        own = {
            f"features.{name.removeprefix(_SAVED)}": part for name, part in tensors.items() if name.startswith(_SAVED)
        }
        needed = {f"features.{name}" for name in layers.state_dict()}
        behind = set(whole.state_dict()) - needed
        kept = {name: part for name, part in (own or tensors).items() if name not in behind}
        put_weights(nn.ModuleDict({"features": layers}), kept, weights, f"VGG19's first {count} layers")
    return layers


def _down(before: int, after: int) -> nn.Sequential:
    """Halve the side. He's initial weights keep the variance; there are no norms that would restore it."""
    convolution = nn.Conv2d(before, after, 4, 2, 1)
    nn.init.kaiming_normal_(convolution.weight, 0.2, nonlinearity="leaky_relu")
    return nn.Sequential(convolution, nn.LeakyReLU(0.2))


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def latent_loss(prior: Tensor, codes: Tensor) -> Tensor:
    """What D_z minimises: -log D_z(z) - log(1 - D_z(E(I))) (Eq. 1).

    Parameters
    ----------
    prior, codes : Tensor of shape (n,)
        Logits of D_z on draws from N(0, 1) and on codes of faces; the loss is the sum of two means.
    """
    return F.softplus(-prior).mean() + F.softplus(codes).mean()


@in_float32
def encoder_loss(codes: Tensor) -> Tensor:
    """The encoder's side, non-saturating: -log D_z(E(I)) (Eq. 1; Goodfellow et al. 2014).

    Parameters
    ----------
    codes : Tensor of shape (n,)
        Logits of D_z on codes of faces.
    """
    return F.softplus(-codes).mean()


@in_float32
def critic_loss(real: Tensor, fake: Tensor, adversarial: str = "wgan-gp") -> Tensor:
    """What D_img minimises besides its penalty (Eq. 2).

    Parameters
    ----------
    real, fake : Tensor of shape (n,)
        Values of D_img for real and edited images.
    adversarial : str
        ``"wgan-gp"``: mean D(fake) - mean D(real); ``"r1-like"``: -log D(real) - log(1 - D(fake)), as printed.
    """
    if adversarial == "wgan-gp":
        return fake.mean() - real.mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@in_float32
def generator_loss(fake: Tensor, adversarial: str = "wgan-gp") -> Tensor:
    """The generator's side: -mean D(fake), or non-saturating -log D(fake) for ``"r1-like"`` (Eq. 2).

    Parameters
    ----------
    fake : Tensor of shape (n,)
        Values of D_img for edited images.
    adversarial : str
        As for :func:`critic_loss`.
    """
    return -fake.mean() if adversarial == "wgan-gp" else F.softplus(-fake).mean()


@in_float32
def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean of ``(|grad D(I)|_2 - 1)^2`` over images (Eq. 2; Gulrajani et al. 2017).

    Parameters
    ----------
    critic : callable
        Images (n, C, S, S) to values (n,).
    images : Tensor of shape (n, C, S, S)
        Where the gradient is taken: points between real and generated images, or real ones.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # The derivative of the norm is infinite at 0, which is the gradient of a constant critic.
    return ((gradient.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()


@in_float32
def identity_loss(logits: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of the person (Eq. 4).

    Parameters
    ----------
    logits : Tensor of shape (n, P)
        Of C_id, for P people.
    people : Tensor of shape (n,), int64
    """
    return F.cross_entropy(logits, people)


@in_float32
def perceptual_loss(source: Tensor, edited: Tensor, reconstructed: Tensor, norm: str = "squared") -> Tensor:
    """Distance of the source's maps to those of the edited and of the reconstructed image (Eq. 5).

    Parameters
    ----------
    source, edited, reconstructed : Tensor of shape (n, C, h, w)
        Maps of VGG19 or of C_id.
    norm : str
        ``"squared"``: ``|a - b|^2 / (C h w)``; ``"norm"``: ``|a - b| / (C h w)``, as printed. Means over images.
    """

    def distance(maps: Tensor) -> Tensor:
        squared = (source - maps).square().flatten(1)
        return squared.mean() if norm == "squared" else ((squared.sum(1) + 1e-12).sqrt() / squared.shape[1]).mean()

    return distance(edited) + distance(reconstructed)


@in_float32
def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale structural similarity of images, 1 for equal ones (Wang, Simoncelli, Bovik 2003).

    There are five scales from 128 pixels on, three from 64 and one below, with renormalised weights. Windows have 7
    pixels: 11 do not fit the last scale. A scale's mean is clamped to 1e-4, as a negative one would have no real power.

    Parameters
    ----------
    a, b : Tensor of shape (n, 3, S, S)
        Images in [0, 1].

    Returns
    -------
    Tensor of shape (n,)
        At most 1.
    """
    scales = 5 if a.shape[-1] >= 128 else 3 if a.shape[-1] >= 64 else 1
    weights = MS_SSIM_WEIGHTS[:scales]
    place = torch.arange(7, dtype=a.dtype, device=a.device) - 3
    window = (-place.square() / (2 * 1.5**2)).exp()
    window = window / window.sum()

    def blur(x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.conv2d(x, window.reshape(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)
        return F.conv2d(x, window.reshape(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)

    result = a.new_ones(len(a))
    for scale, weight in enumerate(weights):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        mean_a, mean_b, squares_a, squares_b, products = blur(torch.cat([a, b, a * a, b * b, a * b], 1)).chunk(5, 1)
        covariance = products - mean_a * mean_b
        variances = squares_a - mean_a.square() + squares_b - mean_b.square()
        similarity = (2 * covariance + 0.03**2) / (variances + 0.03**2)  # contrast and structure
        if scale == scales - 1:
            similarity = similarity * (2 * mean_a * mean_b + 0.01**2) / (mean_a.square() + mean_b.square() + 0.01**2)
        result = result * similarity.mean((1, 2, 3)).clamp(min=1e-4) ** (weight / sum(weights))
    return result


@in_float32
def reconstruction_loss(reconstructed: Tensor, image: Tensor, ssim_weight: float = 1.0) -> Tensor:
    """Mean absolute difference plus 1 - MS-SSIM (Eq. 6).

    Parameters
    ----------
    reconstructed, image : Tensor of shape (n, 3, S, S)
        Images in [-1, 1].
    ssim_weight : float
        Of 1 - MS-SSIM; 0 leaves it out.
    """
    loss = (reconstructed - image).abs().mean()
    if ssim_weight:
        loss = loss + ssim_weight * (1 - ms_ssim((reconstructed + 1) / 2, (image + 1) / 2)).mean()
    return loss


def interpolated_action_units(source: np.ndarray, target: np.ndarray, alpha: float) -> np.ndarray:
    """Intensities on the way from source to target: u_i + alpha (u_t - u_i) (Eq. 8).

    Parameters
    ----------
    source, target : ndarray of shape (n, 17)
    alpha : float
        0 gives the source, 1 the target.
    """
    return source + alpha * (target - source)


# ------------------------------------------------------------------------------------------------------- phases


def augment(_: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """The batch with its images in [-1, 1], each mirrored with probability 1/2: AUs do not tell left from right."""
    images = to_unit_range(batch["image"])
    flip = torch.rand(len(images), 1, 1, 1, generator=random, device=images.device) < 0.5
    return {**batch, "image": torch.where(flip, images.flip(-1), images)}


def edit_and_reconstruct(modules: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """Each face's code, and the images of it with another face's AUs (edited) and with its own (reconstructed)."""
    batch = augment(modules, batch, random)
    codes, action_units = modules.encoder(batch["image"]), batch["action_units"]
    targets = action_units[torch.randperm(len(action_units), generator=random, device=action_units.device)]
    edited, reconstructed = modules.generator(codes.repeat(2, 1), torch.cat([targets, action_units])).chunk(2)
    return {**batch, "target": targets, "code": codes, "edited": edited, "reconstructed": reconstructed}


def identity_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What C_id minimises in its own stage, before the others (Eq. 4)."""
    logits = modules.identifier(batch["image"])
    return {"identity": identity_loss(logits, batch["person"]), "accuracy": accuracy(logits, batch["person"])}


def latent_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What D_z minimises (Eq. 1)."""
    codes = batch["code"].detach()
    prior = torch.randn_like(codes)
    return {"latent": latent_loss(modules.latent(prior), modules.latent(codes))}


def critic_terms(modules: Modules, batch: Batch, *, adversarial: str) -> dict[str, Tensor]:
    """What D_img minimises (Eq. 2)."""
    real, fake = batch["image"], batch["edited"].detach()
    at = real
    if adversarial == "wgan-gp":
        at = torch.lerp(real, fake.to(real.dtype), torch.rand(len(real), 1, 1, 1, device=real.device))
    loss = critic_loss(modules.critic(real), modules.critic(fake), adversarial)
    return {"critic": loss, "penalty": gradient_penalty(modules.critic, at)}


def action_unit_terms(modules: Modules, batch: Batch, *, c_exp_on: str) -> dict[str, Tensor]:
    """What C_exp minimises: Eq. 3 on real images, and on edited ones too for ``"both"`` (Eq. 7)."""
    loss = action_unit_loss(modules.units(batch["image"]), batch["action_units"])
    if c_exp_on == "both":
        with eval_mode(modules.units) as classifier:  # edited images must not enter its batch statistics
            loss = loss + action_unit_loss(classifier(batch["edited"].detach()), batch["target"])
    return {"action_units": loss}


def perceptual_maps(modules: Modules, images: Tensor, layer: str) -> Tensor:
    """Maps for Eq. 5 of images (n, 3, S, S): those of VGG19 if it is among the modules, otherwise those of C_id."""
    return modules.perceptual(images) if hasattr(modules, "perceptual") else modules.identifier.maps(images, layer)


def generator_terms(
    modules: Modules,
    batch: Batch,
    *,
    weights: Mapping[str, float],
    adversarial: str,
    ssim_weight: float,
    layer: str,
    norm: str,
) -> dict[str, Tensor]:
    """The terms that encoder and generator minimise together (Eq. 7); Eq. 4 and 5 only if they have a weight."""
    edited, reconstructed, image = batch["edited"], batch["reconstructed"], batch["image"]
    with eval_mode(modules.units) as classifier:
        action_units = action_unit_loss(classifier(edited), batch["target"])
    terms = {
        "latent": encoder_loss(modules.latent(batch["code"])),
        "critic": generator_loss(modules.critic(edited), adversarial),
        "action_units": action_units,
        "reconstruction": reconstruction_loss(reconstructed, image, ssim_weight),
    }
    if weights["identity"]:
        terms["identity"] = identity_loss(modules.identifier(edited), batch["person"])
    if weights["perceptual"]:
        maps = perceptual_maps(modules, torch.cat([image, edited, reconstructed]), layer)
        source, drawn, again = maps.chunk(3)
        terms["perceptual"] = perceptual_loss(source, drawn, again, norm)
    return terms


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class EGGAN(Estimator):
    """Faces with any action units (Tang et al., ICME 2020).

    It learns from faces with action units and, for the identity term, subjects; ``fit`` does not look at ``y``.
    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    adversarial : "wgan-gp", or "r1-like", which is Eq. 2 as printed
    au_injection : where AUs enter the generator: "modulate" every block, or at the "input" alone
    c_exp_on : what the AU classifier learns from: "real" images, or "both" (Eq. 7)
    unit_weight, identity_weight, perceptual_weight, reconstruction_weight, penalty_weight : float
        The lambdas of Eq. 7; 0 switches a term off, and without its term C_id or VGG19 is not needed at all.
    ssim_weight : of MS-SSIM within Eq. 6; 0 is the paper's ablation
    weights : of VGG19, for Eq. 5: "imagenet", a .safetensors file, None for random ones; or "identifier": C_id's maps
    perceptual_layer, perceptual_norm : "relu<block>_<number>"; "squared" or "norm", see :func:`perceptual_loss`
    code_width, generator_channels, critic_channels, classifier_channels, classifier_depths : sizes of the networks
    first_factor : of the generator's first block: 2, or 4, from 1x1, as in the authors' code
    critic_steps : int
        The critic's steps for one of the generator.
    betas : of Adam, whose rate falls linearly over the second half
    identity_epochs, classifier_learning_rate : of C_id; of both classifiers

    Attributes
    ----------
    coded_, always_ : tuples of str, the AUs that some training faces have, and that all have
    people_, modules_ : how many people C_id tells apart, 0 without it; dict of networks
    """

    preset: ClassVar[Mapping[str, Any]] = {
        # The paper's 100 and 60 draw patterns that please the classifiers, long before there is a face.
        "unit_weight": 30.0,
        # At 10 faces stay blurred for thousands of steps; Eq. 5 on the identifier's maps keeps the person.
        "identity_weight": 1.0,
        "perceptual_weight": 30.0,
        "weights": IDENTIFIER,
        "perceptual_layer": "relu5_1",
        "code_width": 256,
        "generator_channels": (96, 64, 32),  # from 8x8
        "critic_channels": (16, 32, 64, 96, 128, 128),
        "classifier_channels": (16, 32, 64, 96, 128),
        "classifier_depths": (1, 1, 1, 1, 1),
        "critic_steps": 1,
        "image_size": 64,
        "epochs": 16,
        "identity_epochs": 4,
        "min_steps": 3000,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "classifier_learning_rate": 2e-3,
    }

    adversarial: str = "wgan-gp"
    au_injection: str = "modulate"
    c_exp_on: str = "real"
    unit_weight: float = 100.0
    identity_weight: float = 60.0
    perceptual_weight: float = 20.0
    reconstruction_weight: float = 100.0
    penalty_weight: float = 20.0
    ssim_weight: float = 1.0
    weights: str | None = "imagenet"
    perceptual_layer: str = "relu2_1"
    perceptual_norm: str = "squared"
    code_width: int = 128
    generator_channels: Sequence[int] = (512, 256, 256, 128, 64, 32)
    critic_channels: Sequence[int] = (32, 64, 128, 256, 256, 256)
    classifier_channels: Sequence[int] = (64, 128, 256, 512, 512)
    classifier_depths: Sequence[int] = (2, 2, 4, 4, 4)
    first_factor: int = 2
    critic_steps: int = 5
    image_size: int = 128
    epochs: int = 400
    identity_epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-4
    classifier_learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def edit(self, faces: Faces, au: ArrayLike | Mapping[str, float]) -> np.ndarray:
        """The faces with other action units, uint8 (n, image_size, image_size, 3).

        ``au`` is as for :func:`~ferdis.systems.action_units.checked_action_units`, with its errors. A mapping changes
        the AUs that it names (``{"AU12": 4}``) and leaves the others as the faces have them.
        """
        check_is_fitted(self, "modules_")
        rest = action_units_of(faces) if isinstance(au, Mapping) else 0.0
        return self._draw(faces, checked_action_units(au, len(faces), self.coded_, rest)[:, None])[:, 0]

    synthesize = edit

    def interpolate(self, faces: Faces, au_target: ArrayLike | Mapping[str, float], steps: int = 8) -> np.ndarray:
        """From each face's own action units to a target, both ends included (Eq. 8).

        ``au_target`` is as for :meth:`edit`; the result is uint8 (n, steps, image_size, image_size, 3).
        """
        check_is_fitted(self, "modules_")
        if steps < 2:
            raise ValueError(f"steps={steps}: two or more, both ends included")
        source = action_units_of(faces)
        target = checked_action_units(au_target, len(faces), self.coded_, source)
        path = [
            interpolated_action_units(source, target, alpha) for alpha in np.linspace(0, 1, steps, dtype=np.float32)
        ]
        return self._draw(faces, np.stack(path, 1))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        coded = torch.from_numpy(np.isin(AU_COLUMNS, self.coded_))
        encoder, generator = self.modules_["encoder"], self.modules_["generator"]
        return {"edit": lambda faces, au: generator(encoder(faces), au.where(coded, torch.nan))}

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """The faces through code and generator, with their own AUs; uint8 (n, image_size, image_size, 3)."""
        return self._draw(faces, action_units_of(faces)[:, None])[:, 0]

    def sample(self, au: ArrayLike | Mapping[str, float], n: int, *, seed: int = 0) -> np.ndarray:
        """``n`` faces of nobody, their codes drawn from the prior; uint8 (n, image_size, image_size, 3).

        ``au`` is as for :meth:`edit`; what a mapping does not name is 0.
        """
        check_is_fitted(self, "modules_")
        action_units = torch.from_numpy(
            action_units_as_trained(checked_action_units(au, n, self.coded_), self.coded_, self.always_)
        )
        device = module_device(self.modules_)
        codes = torch.randn(n, self.code_width, generator=torch.Generator().manual_seed(seed))
        with modules_in_eval_mode(self.modules_):
            pairs = zip(codes.split(64), action_units.split(64), strict=True)
            drawn = [to_bytes(self.modules_["generator"](code.to(device), au.to(device))).cpu() for code, au in pairs]
        return torch.cat(drawn).numpy()

    # ---------------------------------------------------------------------------------------------- its training

    @property
    def _identifies(self) -> bool:
        """Whether C_id is needed."""
        return self.identity_weight > 0 or (self.weights == IDENTIFIER and self.perceptual_weight > 0)

    def _draw(self, faces: Faces, action_units: np.ndarray) -> np.ndarray:
        """Each face with k rows of AUs (n, k, 17): uint8 (n, k, S, S, 3)."""
        check_is_fitted(self, "modules_")
        encoder, generator = self.modules_["encoder"], self.modules_["generator"]
        rows = torch.from_numpy(action_units_as_trained(action_units, self.coded_, self.always_))

        def draw(images: Tensor, wanted: Tensor) -> Tensor:  # (b, k, 17)
            codes = encoder(images).repeat_interleave(wanted.shape[1], 0)
            return to_bytes(generator(codes, wanted.flatten(0, 1))).unflatten(0, wanted.shape[:2])

        return self._map_pairs(resized(faces, self.image_size), rows, draw)

    def _check_parameters(self) -> None:
        check_choice("adversarial", self.adversarial, ("wgan-gp", "r1-like"))
        check_choice("au_injection", self.au_injection, ("modulate", "input"))
        check_choice("c_exp_on", self.c_exp_on, ("real", "both"))
        check_choice("perceptual_norm", self.perceptual_norm, ("squared", "norm"))
        halvings = max(5, len(self.generator_channels) + 1, len(self.critic_channels), len(self.classifier_channels))
        if self.image_size % 2**halvings:
            raise ValueError(f"image_size={self.image_size}: take a multiple of {2**halvings}, or fewer channels")
        start = self.image_size // (self.first_factor * 2 ** (len(self.generator_channels) - 1))
        if self.first_factor != 2 and (self.first_factor != 4 or start != 1):
            raise ValueError(
                f"first_factor={self.first_factor}: 2; or 4 where the generator then starts at 1x1, not at {start}: "
                "give it more generator_channels"
            )
        check_at_least(1, self, "epochs", "identity_epochs", "critic_steps")

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        action_units, people, person = action_units_of(faces), np.empty(0), np.zeros(len(faces), np.int64)
        if self._identifies and faces.has_subjects:
            people, person = np.unique(faces.subject, return_inverse=True)
        if self._identifies and len(people) < 2:
            terms = "identity_weight=0" + ", perceptual_weight=0" * (self.weights == IDENTIFIER)
            raise ValueError(f"identity needs the names of two people or more: add subjects, or pass {terms}")
        self.people_, (self.coded_, self.always_) = len(people), coded_action_units(action_units)
        self.notes_ += remarks_on_gaps(action_units)
        images = resized(faces, self.image_size)
        return TrainingSet(images=images, labels=action_units, faces=faces, people=person.astype(np.int64))

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        size, width = self.image_size, self.code_width
        classifier = partial(VGGClassifier, size, channels=self.classifier_channels, depths=self.classifier_depths)
        modules: dict[str, nn.Module] = {
            "encoder": Encoder(size, width=width),
            "generator": Generator(
                size, width, self.generator_channels, self.au_injection == "modulate", self.first_factor
            ),
            "latent": LatentDiscriminator(width),
            "critic": Critic(size, self.critic_channels),
            "units": classifier(),  # C_exp; "units" is its name in saved files
        }
        if self.people_:
            modules["identifier"] = identifier = classifier(outputs=self.people_)
            if self.weights == IDENTIFIER and self.perceptual_weight:
                identifier.check_layer(self.perceptual_layer)
        if self.perceptual_weight and self.weights != IDENTIFIER:
            modules["perceptual"] = VGG19Features(self.perceptual_layer, self.weights if pretrained else None)
        return modules

    def _stages(self, training: TrainingSet) -> list[Stage]:
        arrays = {"image": training.images, "action_units": training.labels, "person": training.people}
        batches, epochs = ArrayBatches(arrays, self.batch_size, self.seed), self.training_epochs(len(training))
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True)
        classifier_adam = partial(torch.optim.Adam, lr=self.classifier_learning_rate, fused=True)
        rate = linear_decay_second_half(epochs)
        critic = partial(critic_terms, adversarial=self.adversarial)
        weights = {"latent": 1.0, "critic": 1.0, "action_units": self.unit_weight, "identity": self.identity_weight,
                   "perceptual": self.perceptual_weight, "reconstruction": self.reconstruction_weight}  # fmt: skip
        generator = partial(generator_terms, weights=weights, adversarial=self.adversarial,
                            ssim_weight=self.ssim_weight, layer=self.perceptual_layer,
                            norm=self.perceptual_norm)  # fmt: skip
        phases = [
            Phase("latent", ("latent",), latent_terms, {"latent": 1.0}, adam, rate),
            Phase("critic", ("critic",), critic, {"critic": 1.0, "penalty": self.penalty_weight}, adam, rate),
            Phase("action_units", ("units",), partial(action_unit_terms, c_exp_on=self.c_exp_on), {"action_units": 1.0},
                  classifier_adam, rate),
            Phase("generator", ("encoder", "generator"), generator, weights, adam, rate, every=self.critic_steps),
        ]  # fmt: skip
        frozen = tuple(name for name in ("identifier", "perceptual") if name in self.modules_)
        stages = [Stage("eggan", self.modules_, phases, epochs, batches, edit_and_reconstruct, frozen=frozen)]
        if "identifier" in self.modules_:
            phase = Phase("identity", ("identifier",), identity_terms, {"identity": 1.0}, classifier_adam)
            only = {"identifier": self.modules_["identifier"]}
            first = max(1, round(self.identity_epochs * epochs / self.epochs))  # stretched alike
            stages.insert(0, Stage("identity", only, [phase], first, batches, augment))
        return stages

    def _fitted_state(self) -> dict[str, Any]:
        return {"people": self.people_, "coded": list(self.coded_), "always": list(self.always_)}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.people_ = int(state["people"])
        self.coded_, self.always_ = tuple(state["coded"]), tuple(state["always"])
