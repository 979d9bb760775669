"""IF-GAN: identity-free facial expression recognition with a conditional GAN.

J. Cai, Z. Meng, A. S. Khan, J. O'Reilly, Z. Li, S. Han, Y. Tong, "Identity-Free Facial Expression Recognition
Using Conditional Generative Adversarial Network", ICIP 2021.

A generator turns any face into the "average" person of the training set with the same expression; a classifier
reads the expression from that image. Both are trained together, against a discriminator.

======== ============================ ======================================================================
Equation Function                     What it is
======== ============================ ======================================================================
Eq. 1    :func:`joint_terms`          the four terms of the sum, weighted 1, 20, 10 and 1
Eq. 2    :func:`cgan_loss`            conditional GAN loss of the discriminator on pairs (input, average)
Eq. 2    :func:`generator_cgan_loss`  the generator's side of it, non-saturating
Eq. 3    :func:`l1_loss`              distance of the generated to the true average face
Eq. 4    :func:`softmax_loss`         cross-entropy on the true and on the generated average face
Eq. 5    :func:`island_loss`          compact classes, centres pushed apart
======== ============================ ======================================================================

Departures from the text
------------------------
The reasons, what was measured, and the commands for the paper's tables are in ``docs/papers/ifgan.md``.

- The classifier sees the generated image alone, as the abstract says; ``classifier_input="pair"`` is Eq. 4's pair.
- Eq. 4 has the minus sign that it is printed without.
- Softmax and island terms reach the generator too, through the generated image; the discriminator has its own step.
- Depth and patch size are pix2pix's; C2 of the attention is C1 / 8 and its gamma starts at 0 (SAGAN).
- Generator and discriminator have instance norm; the text names none.
- The decoder doubles its maps by nearest neighbours and a 3x3 convolution.
- Eq. 3 is a mean over pixels, Eq. 5 over images and features; ``island_reduction="batch_mean"`` and ``"sum"`` (as
  printed) are there. lambda_3 and lambda_4 weigh G and E, which share their step; D's own, Eq. 2, has no weight.
- G has no dropout, where pix2pix has it. The validation part of a fold chooses nothing (``selection="last"``).
- Centres start at the first batch's class means and move by the centre-loss rule plus the gradient of the alpha term.
- Both images of Eq. 4 go through the classifier in one pass, so that they share its batch statistics.
- Rotation is uniform in [-5, 5] degrees; the average face takes its input's flip, rotation and crop.

Further ones have arguments of their own, are off in ``IFGAN()`` and on in ``IFGAN.small()``: ``generator_encoder``,
``generator_norm``, ``skips``, ``average_view``, ``names_weight``, ``classifier_trains_generator``, ``schedule``,
``decoder_input``. Off in both are ``identity_reversal`` and ``attention_start``.

How hard the terms pull
-----------------------
Shares, in percent, of the norms of the weighted terms' gradients in G and in E, on synthetic people from random weights
by ``python experiments/gradient_shares.py --system ifgan --paper --batch_size 6 --people 4 --steps 2 5``:

======= ==== ==== ======= ======
network cGAN L1   softmax island
======= ==== ==== ======= ======
G, 2    1.2  26.2 72.4    0.16
G, 5    1.3  24.9 73.5    0.26
E, 2    --   --   99.95   0.05
E, 5    --   --   99.94   0.06
======= ==== ==== ======= ======

Of E alone, at steps 2 and 5 of ``--system resnet --paper --batch_size 8 --people 4``, the island term has 0.05 and 0.32
% with ``island_reduction="mean"``, 51 and 86 % with "batch_mean", 89 and 98 % with "sum". The text calls the softmax
term dominant and warns of a larger island loss: "mean" is the reduction under which that is so, and the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import Faces
from ferdis.losses import accuracy, in_float32
from ferdis.nn import ImageClassifier, initialise_normal
from ferdis.preprocess.augment import (
    augmented_views,
    centre_crop,
    random_views,
    take_views,
    to_bytes,
    to_unit_range,
)
from ferdis.systems.arguments import check_choice
from ferdis.systems.class_means import Averages, Centres, cosine_sum
from ferdis.systems.classifier import Classifier, TrainingSet, resized
from ferdis.systems.generator_blocks import halvings, head, up
from ferdis.systems.person_probe import person_probe
from ferdis.systems.recogniser_network import RecogniserNetwork, image_classifier
from ferdis.training import Batch, DrawThenForward, Modules, Phase, Stage

ISLAND_REDUCTIONS = ("mean", "batch_mean", "sum")

# ----------------------------------------------------------------------------------------------------- networks


class SelfAttention(nn.Module):
    """Self-attention over the positions of a map, added to it with a trainable weight (Fig. 4).

    Parameters
    ----------
    channels : int
        C1, of input and output.
    reduction : int
        C2 = C1 / reduction channels of query and key.
    start : float
        The weight at first; 0 is SAGAN's.
    """

    def __init__(self, channels: int, reduction: int = 8, start: float = 0.0) -> None:
        super().__init__()
        reduced = max(1, channels // reduction)
        self.query = nn.Conv2d(channels, reduced, 1)
        self.key = nn.Conv2d(channels, reduced, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.tensor(float(start)))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, C1, h, w) to maps of the same shape."""
        query, key, value = (_places(layer(x)) for layer in (self.query, self.key, self.value))
        # The paper's softmax has no 1/sqrt(C2); the fused kernels require an axis of heads.
        seen = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], scale=1.0)[:, 0]
        return x + self.gamma * seen.transpose(1, 2).reshape(x.shape)

    def maps(self, x: Tensor, places: Tensor) -> Tensor:
        """Attention of the query ``places`` (n, q), numbered row by row, over the whole map: (n, q, h, w)."""
        query, key = _places(self.query(x)), _places(self.key(x))  # (n, hw, C2)
        query = query.gather(1, places[..., None].expand(-1, -1, query.shape[-1]))  # (n, q, C2)
        return (query @ key.transpose(1, 2)).float().softmax(-1).reshape(*places.shape, *x.shape[-2:])


class Generator(nn.Module):
    """G: a U-Net from a face to the average person's face with the same expression (Fig. 3).

    Parameters
    ----------
    channels : sequence of int
        Channels after each halving: the paper's 64-128-256-512-512 take 224 to 112-56-28-14-7.
    attention : bool
        Self-attention at a quarter of the input's size (56x56): in the encoder, on the skip connection and in the
        decoder; False is the paper's ablation.
    skips : bool
        Skip connections from encoder to decoder; without them all passes through the smallest maps.
    encoder : str
        What halves the maps: "strided" 4x4 convolutions (pix2pix), or "pooled" 3x3 ones, which see each place.
    n_classes : int
        With classes a linear layer on the smallest maps, pooled to 2x2, names them.
    norm : str
        "instance" or "batch". Instance norm takes from a map its mean, and with it what is said by how strong a whole
        map is.
    attention_start : float
        The weight of self-attention at first.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        attention: bool = True,
        skips: bool = True,
        norm: str = "instance",
        encoder: str = "strided",
        n_classes: int = 0,
        attention_start: float = 0.0,
    ) -> None:
        super().__init__()
        last, joined = len(channels) - 1, 2 if skips else 1
        self.skips = skips
        self.encoder = nn.ModuleList(halvings(channels, norm, encoder))
        self.decoder = nn.ModuleList(  # decoder[k] gives maps of the size of encoder[k]'s, which are concatenated
            up(channels[level + 1] * (1 if level == last - 1 else joined), channels[level], norm)
            for level in range(last)
        )
        self.head = head(joined * channels[0])
        places = ("encoder", "skip", "decoder") if skips else ("encoder", "decoder")
        self.attend = nn.ModuleDict(
            {p: SelfAttention(channels[1], start=attention_start) if attention else nn.Identity() for p in places}
        )
        self.names = nn.Linear(4 * channels[-1], n_classes) if n_classes else None

    def forward(self, face: Tensor, named: bool = False) -> Any:
        """Faces (n, 3, S, S) in [-1, 1] to average faces of the same shape and range.

        With ``named`` also logits (n, K) of what the encoder takes the expression for: a tuple.
        """
        x, skips = face, []
        for level, block in enumerate(self.encoder):
            x = block(x)  # (n, channels[level], S / 2^(level+1), same)
            if level == 1:
                x = self.attend["encoder"](x)
            skips.append(x)
        code = x
        for level in reversed(range(len(self.decoder))):
            x, skip = self.decoder[level](x), skips[level]
            if level == 1:
                x = self.attend["decoder"](x)
                skip = self.attend["skip"](skip) if self.skips else skip
            x = torch.cat([x, skip], 1) if self.skips else x  # (n, 2 * channels[level], ...)
        if not named or self.names is None:
            return self.head(x)
        return self.head(x), self.names(F.adaptive_avg_pool2d(code, 2).flatten(1))

    def class_layers(self) -> list[Tensor]:
        """Tensors with a row or column per class."""
        return [] if self.names is None else list(self.names.parameters())


class NamingEncoder(nn.Module):
    """The encoder of a :class:`Generator` with the layer that names the class: features and logits, as E has them."""

    def __init__(self, channels: Sequence[int], norm: str, encoder: str, n_classes: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(*halvings(channels, norm, encoder), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.names = nn.Linear(4 * channels[-1], n_classes)

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor]:
        """Faces (n, 3, S, S) in [-1, 1] to features (n, 4 channels[-1]) and logits (n, K)."""
        features = self.maps(face)
        return features, self.names(features)


class ClassGenerator(nn.Module):
    """G whose decoder is told classes and nothing else: what it draws can hardly show who the input was.

    Eq. 3 is smallest at the pixelwise median of the averages under p(class | face): one class's average, once that has
    more than half of the probability. Nothing asks for what else maps could carry, and probes read the person there.

    Parameters
    ----------
    reader : ImageClassifier, RecogniserNetwork or NamingEncoder
        Names the class of a face; the cross-entropy of ``names_weight`` trains it.
    n_classes, channels, norm : as for :class:`Generator`, of which this has the decoder
    side : side of the smallest maps
    hard : bool
        The decoder is told the most probable class alone, not the probabilities; Eq. 2 and 3 reach the reader as if it
        were these (straight-through: Bengio et al. 2013).
    """

    def __init__(
        self, reader: ImageClassifier | RecogniserNetwork | NamingEncoder, n_classes: int, channels: Sequence[int],
        norm: str, side: int, hard: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.reader, self.hard = reader, hard
        self.draw = nn.Sequential(
            nn.Linear(n_classes, channels[-1] * side**2),
            nn.Unflatten(1, (channels[-1], side, side)),
            *(up(channels[level + 1], channels[level], norm) for level in reversed(range(len(channels) - 1))),
            head(channels[0]),
        )

    def forward(self, face: Tensor, named: bool = False) -> Any:
        """Faces (n, 3, S, S) in [-1, 1] to faces of the same shape and range; with ``named`` also logits (n, K)."""
        names = self.reader(face)[1]
        shares = told = names.float().softmax(1)
        if self.hard:
            told = F.one_hot(names.argmax(1), names.shape[1]) + shares - shares.detach()
        drawn = self.draw(told)
        return (drawn, names) if named else drawn

    def class_layers(self) -> list[Tensor]:
        """Tensors with a row or column per class."""
        reader = self.reader
        last = reader.names if isinstance(reader, NamingEncoder) else reader.last_layer
        return [*last.parameters(), cast(nn.Linear, self.draw[0]).weight]


class PatchDiscriminator(nn.Module):
    """D: a PatchGAN with one logit per 70x70 patch of a pair (input, average face), on six channels (pix2pix)."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        widths = [6, channels, 2 * channels, 4 * channels, 8 * channels]
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(before, after, 4, 2 if level < 3 else 1, 1))
            layers += [nn.InstanceNorm2d(after)] if level else []
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, face: Tensor, average: Tensor) -> Tensor:
        """Pairs of images (n, 3, S, S) in [-1, 1] to logits (n, 1, S/8 - 2, S/8 - 2); positive means real."""
        return self.layers(torch.cat([face, average], 1))


def _places(maps: Tensor) -> Tensor:  # (n, C, h, w) -> (n, hw, C)
    return maps.flatten(2).transpose(1, 2)


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def cgan_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's side of the conditional GAN, as a loss: -log D(real) - log(1 - D(fake)) (Eq. 2).

    Parameters
    ----------
    real, fake : Tensor
        Logits of D on {input, true average} and {input, generated average}, any shape.

    Returns
    -------
    Tensor
        Scalar; each expectation is a mean over samples and patches. 2 log 2 if D gives every pair probability 1/2.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@in_float32
def generator_cgan_loss(fake: Tensor) -> Tensor:
    """Generator's side of the conditional GAN, non-saturating: -log D(fake) (Eq. 2; Goodfellow et al. 2014).

    Parameters
    ----------
    fake : Tensor
        Logits of D on {input, generated average}, any shape.
    """
    return F.softplus(-fake).mean()


@in_float32
def l1_loss(generated: Tensor, average: Tensor) -> Tensor:
    """Mean absolute difference of generated and true average face (Eq. 3).

    Parameters
    ----------
    generated, average : Tensor of shape (n, 3, S, S)
        Images in [-1, 1].
    """
    return (average - generated).abs().mean()


@in_float32
def softmax_loss(
    on_average: Tensor, on_generated: Tensor, labels: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy on the true plus that on the generated average face (Eq. 4, with the minus sign it lacks).

    Parameters
    ----------
    on_average, on_generated : Tensor of shape (n, K)
        Logits of E; ``on_average`` may be empty (0, K), as for the baseline, which sees one image only.
    labels : Tensor of shape (n,), int64
    class_weights : Tensor of shape (K,), optional
    """
    loss = F.cross_entropy(on_generated, labels, weight=class_weights)
    if len(on_average):
        loss = loss + F.cross_entropy(on_average, labels, weight=class_weights)
    return loss


@in_float32
def island_loss(
    features: Tensor,
    labels: Tensor,
    centres: Tensor,
    alpha: float = 0.03,
    reduction: str = "mean",
    known: Tensor | None = None,
) -> Tensor:
    """``sum_i |x_i - c_yi|^2 + alpha sum_{j != k} (cos(c_j, c_k) + 1)`` (Eq. 5; Cai et al. 2018).

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Pooled features x of E.
    labels : Tensor of shape (n,), int64
    centres : Tensor of shape (K, d)
        They receive no gradient: :meth:`Centres.move` moves them.
    alpha : float
        0 makes it the centre loss.
    reduction : str
        Of the first term: ``"mean"`` over images and features, ``"batch_mean"`` over images, ``"sum"`` as printed.
    known : Tensor of shape (K,), bool, optional
        Centres that are set; the others attract no feature and enter no cosine.
    """
    if reduction not in ISLAND_REDUCTIONS:
        raise ValueError(f"island_reduction={reduction!r}: choose one of {', '.join(ISLAND_REDUCTIONS)}")
    centres = centres.detach().to(features.dtype)
    squared = (features - centres[labels]).square().sum(1)
    if known is not None:  # a class without a centre has no distance
        squared = squared * known[labels]
    divisor = {"mean": features.numel(), "batch_mean": len(features), "sum": 1}[reduction]
    return squared.sum() / divisor + alpha * cosine_sum(centres, known)


# ------------------------------------------------------------------------------------------------------- phases


def draw_views(
    modules: Modules,
    batch: Batch,
    random: torch.Generator,
    *,
    image_size: int,
    crop_size: int,
    max_degrees: float,
    augmentation: str = "paper",
    average_view: str = "input",
) -> Batch:
    """One view of each face, and the same or the centre view of its class's average face."""
    faces, labels = to_unit_range(batch["image"]), batch["label"]
    views = random_views(
        len(faces), image_size, crop_size, max_degrees=max_degrees, generator=random, device=faces.device
    )
    face, views = augmented_views(faces, views, crop_size, augmentation, random)
    averages = modules.averages.pictures[labels]
    average = take_views(averages, views, crop_size) if average_view == "input" else centre_crop(averages, crop_size)
    made = {"face": face, "average": average, "label": labels}
    return made | {"person": batch["person"]} if "person" in batch else made


def generate(modules: Modules, batch: Batch, *, named: bool = False) -> Batch:
    """The face that G makes of each view; with ``named`` also what it takes the expression for."""
    if not named:
        return batch | {"generated": modules.generator(batch["face"])}
    generated, names = modules.generator(batch["face"], named=True)
    return batch | {"generated": generated, "names": names}


def discriminator_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What D minimises (Eq. 2), and its accuracy."""
    real = modules.discriminator(batch["face"], batch["average"])
    fake = modules.discriminator(batch["face"], batch["generated"].detach())
    right = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
    return {"cgan": cgan_loss(real, fake), "accuracy": right}


def joint_terms(
    modules: Modules,
    batch: Batch,
    *,
    pair: bool,
    alpha: float,
    reduction: str,
    class_weights: Tensor | None,
    trains_generator: bool = True,
) -> dict[str, Tensor]:
    """The four terms of the objective that generator and classifier minimise together (Eq. 1).

    Both images of Eq. 4 pass through E at once; the island loss and the centres use the features of the generated one,
    which stay in the batch for :func:`move_centres`.
    """
    face, average, generated, labels = (batch[name] for name in ("face", "average", "generated", "label"))
    fake = modules.discriminator(face, generated)
    seen = torch.cat([average, generated if trains_generator else generated.detach()])
    if pair:
        seen = torch.cat([torch.cat([face, face]), seen], 1)  # (2n, 6, S, S)
    features, logits = modules.classifier(seen)
    batch["features"] = features[len(face) :]
    if class_weights is not None:
        class_weights = class_weights.to(logits.device)
    on_average, on_generated = logits.chunk(2)
    centres = modules.centres  # unknown in the first step, after which they start at its class means
    island = island_loss(batch["features"], labels, centres.values, alpha, reduction, centres.known)
    names = batch.get("names")
    return {
        **({} if names is None else {"names": softmax_loss(names[:0], names, labels, class_weights)}),
        **(modules.person_probe.terms(generated, batch["person"]) if "person" in batch else {}),
        "cgan": generator_cgan_loss(fake),
        "l1": l1_loss(generated, average),
        "softmax": softmax_loss(on_average, on_generated, labels, class_weights),
        "island": island,
        "accuracy": accuracy(on_generated, labels),
    }


def move_centres(modules: Modules, batch: Batch, reduce: Callable[[Tensor], Tensor]) -> None:
    """Move the centres of the island loss by the features of this step."""
    modules.centres.move(batch["features"], batch["label"], reduce)


def fitted_and_heads(modules: Mapping[str, nn.Module]) -> tuple[list[Tensor], list[Tensor]]:
    """Averages and centres, which belong to one training set; and E's last layer, whose rows are classes."""
    fitted = [t for name in ("averages", "centres") if name in modules for t in modules[name].buffers()]
    classifier: Any = modules["classifier"]
    generator: Any = modules.get("generator")
    heads = list(classifier.last_layer.parameters())
    return fitted, heads + ([] if generator is None else generator.class_layers())


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class IFGAN(Classifier):
    """Facial expression recognition on a generated face of nobody (Cai et al., ICIP 2021).

    Arguments of every classifier are explained at :class:`~ferdis.systems.classifier.Classifier`, those of every
    training has at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    classifier : str
        Any timm network; the paper's is ResNet-101, here with torchvision's first ImageNet weights. "recogniser" is
        that of the zoo (:class:`~ferdis.systems.recogniser_network.RecogniserNetwork`), which
        ``weights="zoo:expression"`` starts.
    classifier_arguments : mapping, optional
        Passed on to ``timm.create_model``.
    small_stem : bool
        For images of 64 pixels; see :class:`ferdis.nn.ImageClassifier`.
    weights : str or None
        The classifier's start: "imagenet", a .safetensors file, or None for random weights.
    classifier_input : str
        "generated" (identity-free, the paper's claim) or "pair" (input and generated face, Eq. 4 to the letter).
    attention : bool
        Self-attention in the generator; False is the paper's ablation.
    attention_start : float
        Its weight at first. From the 0 of SAGAN it cannot get far in a short training: a CK+ fold without
        ``extra_train`` is 1,500 steps of Adam, whose learning rates sum to 0.1, so that the ablation then compares
        little; with the paper's further sets they sum to 1.9.
    skips : bool
        Skip connections in the generator; without them less of the input's identity reaches the output.
    generator_encoder : str
        "strided" or "pooled", see :class:`Generator`; "classifier": a network like E, for another ``decoder_input``
        than "maps".
    generator_norm : str
        "instance" or "batch", see :class:`Generator`.
    names_weight : float
        Weight of a cross-entropy that is not in the text: a linear layer names the class from the generator's smallest
        maps. 0 leaves the layer out; nothing reads it in prediction.
    decoder_input : str
        "maps": the decoder reads the encoder's maps. "posterior": it reads the probabilities of the classes alone, as
        the layer of ``names_weight`` has them, and draws a mixture of the averages; nothing else of the input is left.
        "class": it reads the most probable class alone, see :class:`ClassGenerator`. Both need ``names_weight`` and
        ``skips=False``, and have no attention.
    identity_reversal : float
        Not in the text: a network names the training person from the generated face, and its gradient reaches the
        generator reversed, times this number (:mod:`ferdis.systems.person_probe`). 0 leaves it out.
    classifier_trains_generator : bool
        Whether Eq. 4 and 5 reach the generator through its image, as the text has it; without, E reads an image that
        Eq. 2 and 3 alone have made.
    generator_channels : sequence of int
        Channels after each halving of the generator's maps.
    discriminator_channels : int
        Channels of the discriminator's first layer.
    cgan_weight, l1_weight, softmax_weight, island_weight : float
        lambda_1 to lambda_4 of Eq. 1.
    island_alpha : float
        alpha of Eq. 5; 0 makes the island loss a centre loss.
    island_reduction : str
        "mean", "batch_mean" or "sum"; see :func:`island_loss`.
    average_from : str
        "target": averages come from the faces given to ``fit``; "all": from ``extra_train`` too; "extra": from
        ``extra_train`` alone, as the paper's of RAF-DB come from the posed sets.
    average_view : str
        "input": the average face takes its input's flip, rotation and crop, "centre": it is always the centre crop,
        so that the output need not follow the shape of the input.
    max_degrees : float
        Rotations are uniform in [-max_degrees, max_degrees] degrees.
    betas, weight_decay : tuple of float, float
        Of Adam.

    Attributes
    ----------
    classes_ : ndarray of str
    averages_ : dict of str to uint8 array (image_size, image_size, 3)
        Mean of all training faces of each class.
    history_ : DataFrame
        Every loss term, by epoch.
    modules_ : dict of networks: generator, discriminator, classifier, centres
    """

    # In a short training the text's generator stays at the mean of all averages; what each departure is worth is
    # measured in docs/papers/ifgan.md. The network and its start are the zoo's: docs/zoo.md says what they are worth.
    preset: ClassVar[Mapping[str, Any]] = {
        "classifier": "recogniser",
        "weights": "zoo:expression",
        "augmentation": "strong",
        "test_flip": True,
        "generator_channels": (16, 32, 64, 128, 128),
        "generator_encoder": "classifier",
        "decoder_input": "posterior",
        "generator_norm": "batch",
        "skips": False,
        "average_view": "centre",
        "names_weight": 10.0,
        "classifier_trains_generator": False,
        "cgan_weight": 0.02,
        "discriminator_channels": 16,
        "image_size": 72,
        "crop_size": 64,
        "epochs": 20,
        "min_steps": 300,
        "steps_per_image": 3.0,
        "schedule": "one-cycle",
        "batch_size": 32,
        "learning_rate": 1e-3,
    }

    classifier: str = "resnet101.tv_in1k"
    classifier_arguments: Mapping[str, Any] | None = None
    small_stem: bool = False
    weights: str | None = "imagenet"
    classifier_input: str = "generated"
    attention: bool = True
    attention_start: float = 0.0
    skips: bool = True
    generator_encoder: str = "strided"
    generator_norm: str = "instance"
    names_weight: float = 0.0
    decoder_input: str = "maps"
    identity_reversal: float = 0.0
    classifier_trains_generator: bool = True
    generator_channels: Sequence[int] = (64, 128, 256, 512, 512)
    discriminator_channels: int = 64
    cgan_weight: float = 1.0
    l1_weight: float = 20.0
    softmax_weight: float = 10.0
    island_weight: float = 1.0
    island_alpha: float = 0.03
    island_reduction: str = "mean"
    average_from: str = "target"
    average_view: str = "input"
    image_size: int = 256
    crop_size: int = 224
    max_degrees: float = 5.0
    epochs: int = 100
    batch_size: int = 50
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    decay: float = 0.9
    decay_epochs: int = 10

    @property
    def averages_(self) -> dict[str, np.ndarray]:
        """Average face of each class, uint8 (image_size, image_size, 3)."""
        check_is_fitted(self, "modules_")
        pictures = to_bytes(cast(Averages, self.modules_["averages"]).pictures.cpu()).numpy()
        return dict(zip(self.classes_.tolist(), pictures, strict=True))

    def average(self, faces: Faces) -> np.ndarray:
        """The generated average person with each face's expression, uint8 (n, crop_size, crop_size, 3)."""
        check_is_fitted(self, "modules_")
        return self._map(resized(faces, self.image_size), lambda images: to_bytes(self.modules_["generator"](images)))

    synthesize = average

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        return {**super()._graphs(), "average": lambda faces: self.modules_["generator"](self._centre(faces))}

    def attention_maps(self, faces: Faces, points: Sequence[tuple[float, float]]) -> np.ndarray:
        """Where the last attention block looks from each point (Fig. 6).

        Parameters
        ----------
        faces : Faces
            n faces.
        points : sequence of (x, y)
            q query points as fractions 0..1 of the centre crop, from its top left corner.

        Returns
        -------
        ndarray of shape (n, q, crop_size / 4, crop_size / 4), float32
            Each map sums to 1.

        Raises
        ------
        ValueError
            Without attention blocks, or for a point outside the crop.
        """
        check_is_fitted(self, "modules_")
        if not self.attention or self.decoder_input != "maps":
            raise ValueError(
                f"attention={self.attention}, decoder_input={self.decoder_input!r}: it has no attention maps"
            )
        if not points or any(not 0 <= value <= 1 for point in points for value in point):
            raise ValueError(f"points={points!r}: give (x, y) fractions of the crop between 0 and 1")
        generator, seen = cast(Generator, self.modules_["generator"]), list[Tensor]()
        block = cast(SelfAttention, generator.attend["decoder"])

        def maps(images: Tensor) -> Tensor:
            generator(images)
            x = seen.pop()
            height, width = x.shape[-2:]
            places = [min(int(v * height), height - 1) * width + min(int(u * width), width - 1) for u, v in points]
            return block.maps(x, torch.tensor(places, device=x.device).expand(len(x), -1))

        handle = block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            return self._map(resized(faces, self.image_size), maps)
        finally:
            handle.remove()

    # ---------------------------------------------------------------------------------------------- its training

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("classifier_input", self.classifier_input, ("generated", "pair"))
        check_choice("generator_encoder", self.generator_encoder, ("strided", "pooled", "classifier"))
        if self.generator_encoder == "classifier" and self.decoder_input == "maps":
            raise ValueError("generator_encoder='classifier' has no maps for decoder_input='maps': take 'posterior'")
        check_choice("generator_norm", self.generator_norm, ("instance", "batch"))
        check_choice("average_view", self.average_view, ("input", "centre"))
        check_choice("average_from", self.average_from, ("target", "all", "extra"))
        check_choice("decoder_input", self.decoder_input, ("maps", "posterior", "class"))
        if self.decoder_input != "maps" and (self.skips or not self.names_weight):
            raise ValueError(
                f"decoder_input={self.decoder_input!r} needs skips=False and names_weight above 0: "
                "no other way leads past the class"
            )
        if self.identity_reversal < 0:
            raise ValueError(f"identity_reversal={self.identity_reversal}: 0, or a positive factor")
        check_choice("island_reduction", self.island_reduction, ISLAND_REDUCTIONS)
        halvings = 2 ** len(self.generator_channels)
        if self.crop_size % halvings or len(self.generator_channels) < 3:
            raise ValueError(
                f"crop_size={self.crop_size} with {len(self.generator_channels)} generator_channels: "
                f"take at least 3 channels and a multiple of {halvings} pixels"
            )

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        n_classes = len(self.classes_)
        side = self.crop_size // 2 ** len(self.generator_channels)
        reader = partial(
            image_classifier, self.classifier, list(self.classes_), weights=self.weights if pretrained else None,
            arguments=self.classifier_arguments, small_stem=self.small_stem, inner=self.crop_size / self.image_size,
        )  # fmt: skip
        generator: Generator | ClassGenerator
        new: nn.Module
        channels, norm = self.generator_channels, self.generator_norm
        if self.decoder_input == "maps":
            generator = new = Generator(
                channels, self.attention, self.skips, norm, self.generator_encoder,
                n_classes if self.names_weight else 0, self.attention_start,
            )  # fmt: skip
        else:
            like_e = self.generator_encoder == "classifier"
            naming = reader() if like_e else NamingEncoder(channels, norm, self.generator_encoder, n_classes)
            generator = ClassGenerator(naming, n_classes, channels, norm, side, self.decoder_input == "class")
            new = generator.draw if like_e else generator  # E's own start is timm's
        discriminator = PatchDiscriminator(self.discriminator_channels)
        for network in (new, discriminator):
            initialise_normal(network)
        classifier = reader(in_channels=6 if self.classifier_input == "pair" else 3)
        return {
            "generator": generator,
            "discriminator": discriminator,
            "classifier": classifier,
            "centres": Centres(n_classes, classifier.width, self.island_alpha),
            "averages": Averages(n_classes, self.image_size),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        own, number = len(training) - training.extra, np.arange(len(training))
        rows = {"target": number[:own], "all": number, "extra": number[own:]}[self.average_from]
        cast(Averages, self.modules_["averages"]).fit(training.images, training.labels, rows, self.classes_)
        optimizer = partial(
            torch.optim.Adam, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )
        epochs, decay_epochs = self._length(len(training))
        schedule = self._scheduler(epochs, decay_epochs)
        terms = partial(joint_terms, pair=self.classifier_input == "pair", alpha=self.island_alpha,
                        reduction=self.island_reduction, class_weights=training.class_weights,
                        trains_generator=self.classifier_trains_generator)  # fmt: skip
        weights = {"cgan": self.cgan_weight, "l1": self.l1_weight,
                   "softmax": self.softmax_weight, "island": self.island_weight}  # fmt: skip
        if self.names_weight:
            weights["names"] = self.names_weight
        modules = self.modules_
        updated: tuple[str, ...] = ("generator", "classifier")
        if self.identity_reversal:
            modules = {**modules, "person_probe": person_probe(training, self.identity_reversal, self.seed)}
            updated, weights["person"] = (*updated, "person_probe"), 1.0
        phases = [
            Phase("discriminator", ("discriminator",), discriminator_terms, {"cgan": 1.0}, optimizer, schedule),
            Phase("joint", updated, terms, weights, optimizer, schedule, after_step=move_centres),
        ]
        drawn = partial(draw_views, image_size=self.image_size, crop_size=self.crop_size, max_degrees=self.max_degrees,
                        augmentation=self.augmentation, average_view=self.average_view)  # fmt: skip
        prepare = DrawThenForward(drawn, partial(generate, named=self.names_weight > 0))
        batches = training.batches(self.batch_size, self.seed, people=self.identity_reversal > 0)
        return [Stage("ifgan", modules, phases, epochs, batches, prepare)]

    def _for_pretraining(self) -> IFGAN:
        other = super()._for_pretraining()
        return other.set_params(average_from="target") if self.average_from == "extra" else other

    def _class_tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        return fitted_and_heads(self.modules_)

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        generated = self.modules_["generator"](images)
        seen = torch.cat([images, generated], 1) if self.classifier_input == "pair" else generated
        return self.modules_["classifier"](seen)
