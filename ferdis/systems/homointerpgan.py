"""HomoInterpGAN: a face walks towards another one in latent space, one group of attributes at a time; EGGAN's rival.

Y.-C. Chen, X. Xu, Z. Tian, J. Jia, "Homomorphic Latent Space Interpolation for Unpaired Image-to-Image Translation",
CVPR 2019 (arXiv 1902.04932).

An encoder maps two faces to maps of features. An interpolation network has one branch for each group of attributes and
one for the rest; each branch is given the difference of the two maps, and a strength in 0..1 says how far the result
walks along it. A Wasserstein critic of *features*, with a head for each group, asks that what is reached on the way is
the feature of a real face that has the attributes of that place; at full strength in all groups it has to be the
other face. A decoder draws features.

=============== =================================== ===============================================================
Term            Function                            What it is
=============== =================================== ===============================================================
interpolation   :class:`Interpolator`               z = E(x) + sum of v_k B_k(E(x') - E(x)) over the groups k
attributes      :func:`attributes_on_the_way`       a + v (a' - a), what the critic is to read there
critic          :func:`critic_loss`                 Wasserstein loss of features; the penalty has a weight of 100
critic          :func:`interpolator_loss`           encoder's and interpolator's side of it
group           :func:`group_loss`                  cross-entropy of what is read of each group
homomorphic     :func:`homomorphic_loss`            at full strength the other face's feature is reached
reconstruction  :func:`reconstruction_loss`         pixels and VGG19's maps of the decoded face
guidance        :func:`guidance_loss`               a linear map of the features gives VGG19's
=============== =================================== ===============================================================

The terms, their weights and the sizes are those of the authors' code (github.com/EnVision-Research/HomoInterpGAN),
which could be read; the text with its numbers of equations could not, so that none is cited.

Departures
----------
- ``weights`` says whose maps the perceptual and the guidance term take: VGG19's ("imagenet" or a file; ``None``: random
  ones), or those of one of the zoo's networks (``"zoo:NAME"``), which was trained on synthetic faces. ``notes_`` says
  which it was.
- The attributes are 17 action units, as shares of 5, in groups (``condition="action_units"``), or the expressions, one
  group; the authors' are binary attributes of CelebA. Action units that are not coded are masked.
- The critic's heads learn from real features and their attributes. The authors' code gives them interpolated features
  with the attributes of the face that the walk starts at (``head_on="interpolated"``).
- The encoder starts from random weights; the authors' from VGG19's, whose shape it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis import zoo
from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces
from ferdis.losses import in_float32
from ferdis.nn import ImageClassifier
from ferdis.preprocess.augment import to_bytes
from ferdis.systems.arguments import check_at_least, check_choice, check_pairs
from ferdis.systems.base import TrainingSet, resized
from ferdis.systems.conditioned_generator import ConditionedGenerator
from ferdis.systems.conditions import ACTION_UNITS, EXPRESSIONS
from ferdis.systems.eggan import VGG19Features, augment, gradient_penalty
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage
from ferdis.zoo.networks import NARROW_RESNET

GROUPS: Mapping[str, tuple[str, ...]] = {
    "brows": ("AU01", "AU02", "AU04"),
    "eyes": ("AU05", "AU06", "AU07", "AU45"),
    "nose and lips": ("AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU23"),
    "jaw": ("AU25", "AU26"),
}
"""Groups of action units, each with a branch of its own; all 17 are in one of them."""
_RELU3_1 = 12  # VGG19's layers that lead up to it

# ----------------------------------------------------------------------------------------------------- networks


class Encoder(nn.Module):
    """E: blocks of 3x3 convolutions with pooling between them, VGG19 up to ``relu5_1`` at the paper's sizes.

    Parameters
    ----------
    channels, depths : sequence of int
        Channels and convolutions of each block; all but the last block end with a pooling.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for block, (after, depth) in enumerate(zip(channels, depths, strict=True)):
            layers += [nn.MaxPool2d(2)] if block else []
            for _ in range(depth):
                layers += [_convolution(before, after), nn.ReLU()]
                before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] to features (n, C, h, w), not below 0."""
        return self.layers(faces)


class Interpolator(nn.Module):
    """One branch of three convolutions for each group, and one for the rest.

    Parameters
    ----------
    branches : int
        Groups and the rest.
    channels : int
        Of the features.
    """

    def __init__(self, branches: int, channels: int) -> None:
        super().__init__()
        steps = (_convolution(channels, channels) for _ in range(3 * branches))
        self.branches = nn.ModuleList(
            nn.Sequential(next(steps), nn.ReLU(), next(steps), nn.ReLU(), next(steps)) for _ in range(branches)
        )

    def forward(self, here: Tensor, there: Tensor, strength: Tensor) -> Tensor:
        """Features (n, C, h, w) of two faces and strengths (n, branches) in 0..1 to features on the way."""
        apart = there - here
        steps = (strength[:, k, None, None, None] * branch(apart) for k, branch in enumerate(self.branches))
        return here + sum(steps)


class Decoder(nn.Module):
    """Features to faces: a convolution, then blocks that double the side (nearest neighbours), batch norm throughout.

    Parameters
    ----------
    channels, depths : sequence of int
        Those of the encoder, which it mirrors.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        layers = _normed(channels[-1], channels[-1])
        back = zip(pairwise(channels[::-1]), depths[-2::-1], strict=True)
        for (before, after), depth in back:
            layers += [nn.Upsample(scale_factor=2), *_normed(before, after)]
            for _ in range(depth - 1):
                layers += _normed(after, after)
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[0], 3, 3, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, C, h, w) to faces (n, 3, S, S); nothing holds them in [-1, 1] but the losses."""
        return self.layers(features)


class Critic(nn.Module):
    """D: convolutions of features with instance norm; how real each is, and the attributes of each group.

    Parameters
    ----------
    channels : int
        Of the features.
    hidden : int
        Of its own maps.
    width : int
        Attributes in all groups.
    side : int
        Of the features, a multiple of 4.
    """

    def __init__(self, channels: int, hidden: int, width: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, kernel, stride in ((channels, 1, 1), (hidden, 4, 2), (hidden, 4, 2)):
            convolution = nn.Conv2d(before, hidden, kernel, stride, kernel // 4)
            layers += [convolution, nn.InstanceNorm2d(hidden, affine=True), nn.LeakyReLU(0.2)]
        # Not a mean over places: instance norm has taken the means away.
        self.layers = nn.Sequential(*layers, nn.Conv2d(hidden, hidden, side // 4))
        self.source, self.attributes = nn.Linear(hidden, 1), nn.Linear(hidden, width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, C, side, side) to values (n,) and logits of attributes (n, width)."""
        seen = self.layers(features).flatten(1)
        return self.source(seen)[:, 0], self.attributes(seen)


class Teacher(nn.Module):
    """Whose maps the perceptual and the guidance term take; the stage holds it frozen.

    Parameters
    ----------
    weights : str or None
        "imagenet", a .safetensors file or None: VGG19, ``relu3_1`` and ``relu5_1``. "zoo:NAME": a narrow ResNet of the
        zoo, its second and its last block.

    Raises
    ------
    ValueError, FileNotFoundError
        For weights that cannot be had, as :class:`~ferdis.systems.eggan.VGG19Features`.
    """

    def __init__(self, weights: str | None) -> None:
        super().__init__()
        self.of_zoo = weights is not None and weights.startswith(zoo.PREFIX)
        self.network: Any
        if self.of_zoo:
            self.network = ImageClassifier("resnet18", 2, weights=weights, arguments=NARROW_RESNET, small_stem=True)
        else:
            self.network = VGG19Features("relu5_1", weights)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 3, S, S) in [-1, 1] to shallow and to deep maps, each (n, C, h, w)."""
        shallow = self.shallow(images)
        if not self.of_zoo:
            return shallow, self.network.layers[_RELU3_1:](shallow)
        net = self.network.network
        return shallow, net.layer4(net.layer3(shallow))

    def shallow(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to shallow maps (n, C, h, w) alone."""
        own = self.network
        x = ((images + 1) / 2 - own.mean) / own.std
        if not self.of_zoo:
            return own.layers[:_RELU3_1](x)
        net = own.network
        return net.layer2(net.layer1(net.maxpool(net.act1(net.bn1(net.conv1(x))))))


def _convolution(before: int, after: int) -> nn.Conv2d:
    convolution = nn.Conv2d(before, after, 3, 1, 1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")  # no norms would restore the variance
    nn.init.zeros_(cast(Tensor, convolution.bias))
    return convolution


def _normed(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU()]


# ------------------------------------------------------------------------------------------------------- losses


def attributes_on_the_way(here: Tensor, there: Tensor, strength: Tensor) -> Tensor:
    """a + v (a' - a): the attributes of a place between two faces; NaN where either is not coded.

    Parameters
    ----------
    here, there : Tensor of shape (n, width)
        Attributes of both faces, in 0..1.
    strength : Tensor of shape (n, width)
        Of each attribute's group.
    """
    return here + strength * (there - here)


@in_float32
def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimises besides its penalty: mean D(features on the way) - mean D(features), values (n,)."""
    return fake.mean() - real.mean()


@in_float32
def interpolator_loss(fake: Tensor) -> Tensor:
    """Encoder's and interpolator's side of it: -mean D(features on the way), values (n,)."""
    return -fake.mean()


@in_float32
def group_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Binary cross-entropy of attributes that may lie between 0 and 1: summed over those known, mean over faces.

    Parameters
    ----------
    logits : Tensor of shape (n, width)
    attributes : Tensor of shape (n, width)
        In 0..1; NaN = not coded, which is left out.
    """
    known = ~attributes.isnan()
    each = F.binary_cross_entropy_with_logits(logits, torch.where(known, attributes, 0), reduction="none")
    return (each * known).sum(1).mean()


@in_float32
def homomorphic_loss(reached: Tensor, there: Tensor) -> Tensor:
    """Mean squared distance of what is reached at full strength in all branches to the other face's features."""
    return F.mse_loss(reached, there)


@in_float32
def reconstruction_loss(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean squared distance: of decoded faces to faces, and of a teacher's shallow maps of both."""
    return F.mse_loss(drawn, truth)


@in_float32
def guidance_loss(mapped: Tensor, deep: Tensor) -> Tensor:
    """Mean squared distance of linearly mapped features (n, C, h, w) to a teacher's deep maps (n, C, h', w').

    The maps are averaged or repeated to the features' size.
    """
    return F.mse_loss(mapped, F.adaptive_avg_pool2d(deep, (mapped.shape[2], mapped.shape[3])))


# ------------------------------------------------------------------------------------------------------- phases


def walk(modules: Modules, batch: Batch, random: torch.Generator, *, groups: Sequence[int]) -> Batch:
    """Features of each face, and those on the way to another face of the batch, at random strengths of the branches.

    The teacher's maps of the faces, which three phases compare with, are taken once here. ``groups`` is the branch of
    each attribute.
    """
    batch = augment(modules, batch, random)
    attributes = batch["attributes"]
    n, device = len(attributes), attributes.device
    order = torch.randperm(n, generator=random, device=device)
    strength = torch.rand(n, max(groups) + 2, generator=random, device=device)
    features = modules.encoder(batch["image"])
    with torch.no_grad():
        shallow, deep = modules.teacher(batch["image"])
    wanted = attributes_on_the_way(attributes, attributes[order], strength[:, list(groups)])
    on_the_way = modules.interpolator(features, features[order], strength)
    made = {"order": order, "features": features, "wanted": wanted, "on_the_way": on_the_way}
    return {**batch, **made, "shallow": shallow, "deep": deep}


def decoder_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What the decoder minimises: pixels and shallow maps of the decoded face."""
    return _decoded(modules, batch["features"].detach(), batch)


def critic_terms(modules: Modules, batch: Batch, *, head_on: str) -> dict[str, Tensor]:
    """What the critic minimises, on features that it does not train."""
    real, fake = batch["features"].detach(), batch["on_the_way"].detach()
    value, read = modules.critic(real)
    other, read_there = modules.critic(fake)
    at = torch.lerp(real.float(), fake.float(), torch.rand(len(real), 1, 1, 1, device=real.device))
    return {
        "critic": critic_loss(value, other),
        "penalty": gradient_penalty(lambda features: modules.critic(features)[0], at),
        "group": group_loss(read if head_on == "real" else read_there, batch["attributes"]),
    }


def guidance_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What the linear map minimises, on features that it does not train."""
    return {"guidance": guidance_loss(modules.guide(batch["features"].detach()), batch["deep"])}


def interpolator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What encoder and interpolator minimise together; the phase weights it."""
    features = batch["features"]
    value, read = modules.critic(batch["on_the_way"])
    held, there = features.detach(), features.detach()[batch["order"]]
    full = held.new_ones(len(held), len(modules.interpolator.branches))
    return {
        "critic": interpolator_loss(value),
        "group": group_loss(read, batch["wanted"]),
        "homomorphic": homomorphic_loss(modules.interpolator(held, there, full), there),
        "guidance": guidance_loss(modules.guide(features), batch["deep"]),
        **_decoded(modules, features, batch),
    }


def _decoded(modules: Modules, features: Tensor, batch: Batch) -> dict[str, Tensor]:
    drawn = modules.decoder(features)
    seen = modules.teacher.shallow(drawn)
    return {
        "pixels": reconstruction_loss(drawn, batch["image"]),
        "perceptual": reconstruction_loss(seen, batch["shallow"]),
    }


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class HomoInterpGAN(ConditionedGenerator):
    """Faces that walk towards other faces, in some attributes and not in others (Chen et al., CVPR 2019).

    It learns from faces with action units, or from two or more expressions; subjects are not needed.
    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    condition : the attributes: "action_units", in the groups of ``GROUPS``, or "expressions", one group
    head_on : whose features the critic's heads learn from: "real", or "interpolated", as in the authors' code
    weights : str or None
        Whose maps the perceptual and the guidance term take, see :class:`Teacher`; "imagenet", a file or None: VGG19;
        "zoo:resnet-small": a network that was trained on synthetic faces.
    critic_weight, group_weight, homomorphic_weight, pixel_weight, perceptual_weight, guidance_weight : float
        Of the terms of encoder and interpolator; pixel and perceptual weight are the decoder's too.
    penalty_weight : of the critic's gradient penalty
    encoder_channels, encoder_depths : of the encoder's blocks; all but the last end with a pooling
    critic_channels : of the critic's maps
    critic_steps : int
        Steps of critic, decoder and linear map for one of encoder and interpolator.
    betas : of Adam, for encoder, interpolator and critic

    Attributes
    ----------
    condition_ : Condition, the attributes: the expressions, or which action units were coded
    modules_ : dict of networks: encoder, interpolator, decoder, and those that only training needs
    """

    trains_channels_last = False  # no faster here

    preset: ClassVar[Mapping[str, Any]] = {
        "weights": "zoo:resnet-small",
        "encoder_channels": (24, 48, 64, 96),
        "encoder_depths": (1, 1, 2, 1),
        "critic_channels": 64,
        "critic_steps": 1,
        "pixel_weight": 20.0,
        "perceptual_weight": 1.0,
        "penalty_weight": 10.0,
        "group_weight": 1.0,
        "image_size": 64,
        "epochs": 16,
        "min_steps": 3000,
        "batch_size": 16,
        "learning_rate": 5e-4,
    }

    condition: str = ACTION_UNITS
    head_on: str = "real"
    weights: str | None = "imagenet"
    critic_weight: float = 1.0
    group_weight: float = 1.0
    homomorphic_weight: float = 1.0
    pixel_weight: float = 1.0
    perceptual_weight: float = 1.0
    guidance_weight: float = 1.0
    penalty_weight: float = 100.0
    encoder_channels: Sequence[int] = (64, 128, 256, 512, 512)
    encoder_depths: Sequence[int] = (2, 2, 4, 4, 1)
    critic_channels: int = 256
    critic_steps: int = 5
    image_size: int = 128
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """Each face with the attributes of its reference, uint8 (n, image_size, image_size, 3).

        All groups at full strength, and nothing of the rest: pose, person and light stay.
        """
        return self.interpolate(faces, references, 2)[:, 1]

    synthesize = transfer

    def interpolate(self, faces: Faces, references: Faces, steps: int = 8) -> np.ndarray:
        """From each face to its reference's attributes in even steps, both ends included: uint8 (n, steps, S, S, 3)."""
        check_is_fitted(self, "modules_")
        check_pairs(faces, references)
        if steps < 2:
            raise ValueError(f"steps={steps}: two or more, both ends included")
        encoder, interpolator, decoder = self._used()
        there = self._map(resized(references, self.image_size), lambda images: encoder(images).float())
        alphas = torch.linspace(0, 1, steps)

        def draw(images: Tensor, goal: Tensor) -> Tensor:
            here = encoder(images)
            strengths = (alpha * self._groups_alone(len(here)).to(here) for alpha in alphas)
            path = [to_bytes(decoder(interpolator(here, goal, strength))) for strength in strengths]
            return torch.stack(path, 1)

        return self._map_pairs(resized(faces, self.image_size), torch.from_numpy(there), draw)

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """The faces through encoder and decoder, uint8 (n, image_size, image_size, 3)."""
        check_is_fitted(self, "modules_")
        encoder, _, decoder = self._used()
        return self._map(resized(faces, self.image_size), lambda images: to_bytes(decoder(encoder(images))))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        encoder, interpolator, decoder = self._used()

        def transfer(faces: Tensor, references: Tensor) -> Tensor:
            here = encoder(faces)
            strength = self._groups_alone(1).to(here).expand(here.shape[0], -1)
            return decoder(interpolator(here, encoder(references), strength)).clamp(-1, 1)

        return {"transfer": transfer}

    # ---------------------------------------------------------------------------------------------- its training

    def _used(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.modules_["encoder"], self.modules_["interpolator"], self.modules_["decoder"]

    def _groups(self) -> list[int]:
        """The branch of each attribute."""
        if self.condition_.kind == EXPRESSIONS:
            return [0] * self.condition_.width
        return [next(k for k, units in enumerate(GROUPS.values()) if name in units) for name in AU_COLUMNS]

    def _groups_alone(self, n: int) -> Tensor:
        """Strengths (n, branches): 1 for all groups, 0 for the rest."""
        strength = torch.ones(n, max(self._groups()) + 2)
        strength[:, -1] = 0
        return strength

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("head_on", self.head_on, ("real", "interpolated"))
        if len(self.encoder_channels) != len(self.encoder_depths):
            raise ValueError(
                f"{len(self.encoder_channels)} encoder_channels and {len(self.encoder_depths)} encoder_depths"
            )
        side = 8 * 2 ** (len(self.encoder_channels) - 1)
        if self.image_size % side:
            raise ValueError(f"image_size={self.image_size}: take a multiple of {side}, or fewer encoder_channels")
        check_at_least(1, self, "epochs", "critic_steps")

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        training = super()._training_set(faces, y)
        return replace(
            training, labels=training.labels / np.float32(AU_MAXIMUM if self.condition == ACTION_UNITS else 1)
        )

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        channels, depths = self.encoder_channels, self.encoder_depths
        return {
            "encoder": Encoder(channels, depths),
            "interpolator": Interpolator(max(self._groups()) + 2, channels[-1]),
            "decoder": Decoder(channels, depths),
            "critic": Critic(
                channels[-1], self.critic_channels, self.condition_.width, self.image_size // 2 ** (len(channels) - 1)
            ),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        teacher = Teacher(self.weights).eval()
        of = {None: "VGG19 with random weights", "imagenet": "ImageNet's VGG19"}
        whose = of.get(self.weights, self.weights if teacher.of_zoo else f"VGG19 of {self.weights}")
        self.notes_.append(f"HomoInterpGAN: maps of the perceptual and the guidance term are those of {whose}")
        with torch.no_grad():
            deep = teacher(torch.zeros(1, 3, self.image_size, self.image_size))[1].shape[1]
        modules = {**self.modules_, "teacher": teacher, "guide": nn.Conv2d(self.encoder_channels[-1], deep, 1)}
        epochs = self.training_epochs(len(training))
        batches = ArrayBatches({"image": training.images, "attributes": training.labels}, self.batch_size, self.seed)
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        with_betas = partial(adam, betas=self.betas)
        decoded = {"pixels": self.pixel_weight, "perceptual": self.perceptual_weight}
        weights = {"critic": self.critic_weight, "group": self.group_weight, "homomorphic": self.homomorphic_weight,
                   "guidance": self.guidance_weight, **decoded}  # fmt: skip
        judged = {"critic": 1.0, "group": 1.0, "penalty": self.penalty_weight}
        phases = [
            Phase("decoder", ("decoder",), decoder_terms, decoded, adam),
            Phase("critic", ("critic",), partial(critic_terms, head_on=self.head_on), judged, with_betas),
            Phase("guide", ("guide",), guidance_terms, {"guidance": 1.0}, adam),
            Phase("interpolator", ("encoder", "interpolator"), interpolator_terms, weights, with_betas,
                  every=self.critic_steps),
        ]  # fmt: skip
        prepare = partial(walk, groups=self._groups())
        return [Stage("homointerpgan", modules, phases, epochs, batches, prepare, frozen=("teacher",))]
