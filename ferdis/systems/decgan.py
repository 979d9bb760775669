"""DECGAN: one encoder for who, another for which expression, and two generators that go there and back.

M. Chen, C. Li, K. Li, H. Zhang, X. He, "Double Encoder Conditional GAN for Facial Expression Synthesis", Chinese
Control Conference (CCC), 2018.

E1 keeps the person of a face, E2 reads the expression of another one (the reference); G1 joins the two, and G2 brings
the first face back from the result. A discriminator that is told the expression judges the result. Images of one
person in several expressions are not needed, and used where there are any.

======== ============================ =========================================================================
Equation Function                     What it is
======== ============================ =========================================================================
Eq. 2    :func:`transition`           association: from faces of one domain to those of the other
Eq. 3    :func:`round_trip`           there and back again
Eq. 3    :func:`association_loss`     the walk back is to end at the same person
Eq. 4    :func:`discriminator_loss`   D tells real faces from generated ones, given their expressions
Eq. 5    :func:`generator_loss`       G1's side of it, non-saturating
Eq. 6    :func:`synthesise`           x_AB = G1(x_A, l)
Eq. 7    :func:`restore`              x'_A = G2(x_AB, l')
Eq. 8    :func:`constancy_loss`       distance d of x'_A to x_A
Eq. 9    :func:`mean_absolute`        that d is the L1 distance
======== ============================ =========================================================================

Departures from the text
------------------------
The reasons, what was measured, and how to run it on CK+ are in ``docs/papers/decgan.md``.

- E2's output is both what the text calls it: a label (softmax, held to the face's own) and a feature of 16 numbers.
- E2 learns alone, first, from the true answers of pairs too, and goes on learning with the generators.
- Label and feature also set scale and shift after each norm; as constant maps alone the norms leave little of them.
- ``norm="batch"``, ``residual_blocks``, ``skips`` and ``max_degrees`` are not in the text, and off by default.
- In use the generators are told 1 for the likeliest expression, not its probability.
- Section 3.2's "same category" is a cross-entropy of E2, its weights held, on x_AB and x'_A (``category_weight``).
- D's copy of the label is detached; a real pair is the reference and its own label.
- The image library is CycleGAN's pool: D gets the new image, or one of 50 older ones, with its label.
- Where the answer is known (``ground_truth``), an L1 term asks for it; ``pair_weight=0`` is unpaired training.
- For that, and off by default (:attr:`DECGAN.unpaired`): ``self_weight`` holds a face whose own expression is asked for
  to itself, ``draws="change"`` draws a change of the face, ``matching_weight`` teaches D that a face with
  another's label is wrong (Reed et al. 2016), ``reading_noise`` lets E2 read noisy images.
- The association is of maps averaged over places, ends at the same person, and is left out by default.
- Eq. 3 prints P^ab for P^aba; Table 1 prints 8 filters for the last layer, of 3.
- The deconvolutions of stride 1 in Table 1 are convolutions.
- Not given: weights of the terms, epochs, batch size, E2's pooling, padding, initial weights, the learning rate's fall.
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
from torch.func import functional_call
from torch.nn import functional as F

from ferdis.faces import Faces
from ferdis.losses import in_float32, masked_l1
from ferdis.nn import eval_mode
from ferdis.preprocess.augment import noisy, random_views, take_views, to_bytes, to_unit_range
from ferdis.systems.arguments import check_at_least, check_choice, check_pairs
from ferdis.systems.base import Estimator, expressions_of, resized
from ferdis.systems.classifier import TrainingSet
from ferdis.systems.triplets import GROUND_TRUTHS, Triplets
from ferdis.training import Batch, Modules, Phase, Stage, linear_decay_second_half

FEATURE = 16  # width of the feature that describes how a face shows its expression
PLACES = 4  # E2's maps are pooled to 4x4 before its fully connected layer
SLOPE = 0.01  # of LeakyReLU (Section 4.2)
UNKNOWN = -100  # the label of an expression that is not known; the cross-entropy leaves it out
NORMS: Mapping[str, Callable[..., nn.Module]] = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}

# ----------------------------------------------------------------------------------------------------- networks


class Encoder(nn.Module):
    """E1: three convolutions, of which the last two halve the side (Table 1).

    Parameters
    ----------
    channels : sequence of three int
    kernel : int
        Side of the first convolution's kernel.
    norm : str
        A key of ``NORMS``.
    """

    def __init__(self, channels: Sequence[int] = (64, 128, 256), kernel: int = 7, norm: str = "instance") -> None:
        super().__init__()
        steps = zip(pairwise((3, *channels)), (kernel, 3, 3), (1, 2, 2), strict=True)
        self.layers = nn.Sequential(*(_convolution(a, b, k, stride, norm) for (a, b), k, stride in steps))

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """Faces (n, 3, S, S) in [-1, 1] to themselves and maps of side S, S / 2, S / 4; the last is z."""
        maps = [face]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return tuple(maps)


class ExpressionEncoder(nn.Module):
    """E2: the convolutions of :class:`Encoder`, pooling, and one fully connected layer (Section 3.1).

    Parameters
    ----------
    n_expressions : int
    channels, kernel, norm : as for :class:`Encoder`
    further : sequence of int
        Channels of further 3x3 convolutions before the pooling, each of which halves the side.
    """

    def __init__(
        self, n_expressions: int, channels: Sequence[int], kernel: int, norm: str, further: Sequence[int]
    ) -> None:
        super().__init__()
        self.n_expressions = n_expressions
        self.layers = Encoder(channels, kernel, norm).layers
        widths = (channels[-1], *further)
        blocks = (nn.Sequential(_convolution(a, b, 3, 1, norm), nn.MaxPool2d(2)) for a, b in pairwise(widths))
        linear = nn.Linear(widths[-1] * PLACES**2, n_expressions + FEATURE)
        self.head = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(PLACES), nn.Flatten(), linear)

    def forward(self, face: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Faces (n, 3, S, S) in [-1, 1] to maps like z, expression logits (n, N) and features (n, 16) in [-1, 1]."""
        maps = self.layers(face)
        logits, feature = self.head(maps).split([self.n_expressions, FEATURE], 1)
        return maps, logits, feature.tanh()


class ConditionalLayer(nn.Module):
    """A layer and a norm, whose scale and shift are linear functions of a label.

    Parameters
    ----------
    layer : Module
        Gives maps of ``width`` channels.
    norm : Module
        For ``width`` channels, without scale and shift of its own.
    width, label_width : int
        Channels of the maps, and length of a label.
    """

    def __init__(self, layer: nn.Module, norm: nn.Module, width: int, label_width: int) -> None:
        super().__init__()
        self.layer, self.norm, self.style = layer, norm, nn.Linear(label_width, 2 * width)

    def forward(self, maps: Tensor, label: Tensor) -> Tensor:
        """Maps (n, c, h, w) and labels (n, ``label_width``) to maps (n, ``width``, h', w')."""
        scale, shift = self.style(label)[..., None, None].chunk(2, 1)
        return self.norm(self.layer(maps)) * (1 + scale) + shift


class ConditionalResidual(nn.Module):
    """A residual block of two 3x3 convolutions, each a :class:`ConditionalLayer`.

    Parameters
    ----------
    width, label_width : int
        Channels of the maps, and length of a label.
    norm : callable
        From a width to a norm without scale and shift of its own.
    """

    def __init__(self, width: int, label_width: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.first, self.second = (
            ConditionalLayer(nn.Conv2d(width, width, 3, 1, 1), norm(width), width, label_width) for _ in range(2)
        )

    def forward(self, maps: Tensor, label: Tensor) -> Tensor:
        """Maps (n, ``width``, h, w) and labels (n, ``label_width``) to maps of the same shape."""
        return maps + self.second(self.first(maps, label).relu(), label)


class Generator(nn.Module):
    """G1 and G2: from z and a label to a face; the first two layers double the side (Table 1).

    Parameters
    ----------
    encoder_channels : sequence of three int
        Of :class:`Encoder`.
    label_width : int
        Length of a label, which joins z as constant maps and sets scale and shift after each norm.
    channels : sequence of three int
        Of the layers before the last one.
    kernel : int
        Side of the last two layers' kernels.
    norm : str
        A key of ``NORMS``.
    skips : bool
        The larger maps of E1 join those of the same side.
    blocks : int
        Residual blocks at the side of z.
    draws : str
        What comes out of the last layer: "image", or "change", which is added to the face.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        label_width: int,
        channels: Sequence[int] = (256, 128, 64),
        kernel: int = 7,
        norm: str = "instance",
        skips: bool = False,
        blocks: int = 0,
        draws: str = "image",
    ) -> None:
        super().__init__()
        bare = partial(NORMS[norm], affine=False)
        *larger, z = encoder_channels
        first, second, third = channels
        self.skips, self.changes = skips, draws == "change"
        fine, middle = larger if skips else (0, 0)
        self.blocks = nn.ModuleList(ConditionalResidual(z, label_width, bare) for _ in range(blocks))
        layers = (
            nn.ConvTranspose2d(z + label_width, first, 3, 2, 1, output_padding=1),
            nn.ConvTranspose2d(first + middle, second, 3, 2, 1, output_padding=1),
            nn.Conv2d(second + fine, third, kernel, 1, kernel // 2),
        )
        self.layers = nn.ModuleList(
            ConditionalLayer(a, bare(n), n, label_width) for a, n in zip(layers, channels, strict=True)
        )
        self.head = nn.Conv2d(third, 3, kernel, 1, kernel // 2)
        if self.changes:  # at first a face is drawn as it is
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(cast(Tensor, self.head.bias))

    def forward(self, maps: Sequence[Tensor], label: Tensor) -> Tensor:
        """What E1 returns and labels (n, L) to faces (n, 3, S, S) in [-1, 1]."""
        face, fine, middle, x = maps
        for block in self.blocks:
            x = block(x, label)
        joined = (_replicated(label, x), middle, fine)  # concatenated before each layer
        for number, layer in enumerate(self.layers):
            x = layer(torch.cat([x, joined[number]], 1) if self.skips or number == 0 else x, label).relu()
        drawn = self.head(x).tanh()
        return (face + 2 * drawn).clamp(-1, 1) if self.changes else drawn


class Discriminator(nn.Module):
    """D: five convolutions, of which the second also sees the label (Table 2)."""

    def __init__(self, label_width: int, channels: Sequence[int] = (64, 128, 256, 512), kernel: int = 7) -> None:
        super().__init__()
        first, *rest = channels
        self.first = nn.Sequential(nn.Conv2d(3, first, kernel, 1, kernel // 2), nn.LeakyReLU(SLOPE))
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise((first + label_width, *rest)), (2, 2, 1), strict=True):
            layers += [nn.Conv2d(before, after, kernel, stride, kernel // 2), nn.LeakyReLU(SLOPE)]
        self.rest = nn.Sequential(*layers, nn.Conv2d(rest[-1], 1, kernel, 1, kernel // 2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # smaller weights would let the signal fade: there are no norms
                nn.init.kaiming_normal_(layer.weight, SLOPE, nonlinearity="leaky_relu")

    def forward(self, face: Tensor, label: Tensor) -> Tensor:
        """Faces (n, 3, S, S) in [-1, 1] and labels (n, L) to logits (n, 1, S / 4, S / 4)."""
        x = self.first(face)
        return self.rest(torch.cat([x, _replicated(label, x)], 1))


def _convolution(before: int, after: int, kernel: int, stride: int, norm: str) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2)
    return nn.Sequential(convolution, NORMS[norm](after, affine=True), nn.LeakyReLU(SLOPE))


def _replicated(label: Tensor, maps: Tensor) -> Tensor:
    """Labels (n, L) as constant maps (n, L, h, w)."""
    return label[:, :, None, None].expand(-1, -1, *maps.shape[2:]).to(maps.dtype)


# ------------------------------------------------------------------------------------------------------- losses


@in_float32
def transition(start: Tensor, end: Tensor) -> Tensor:
    """P^ab_ij = P(B_j | A_i), softmax over j of the scalar products of representations (Eq. 2).

    Parameters
    ----------
    start, end : Tensor of shape (n, d), (m, d)
        Representations A and B.

    Returns
    -------
    Tensor of shape (n, m)
        Its rows sum to 1.
    """
    return (start @ end.T).softmax(1)


@in_float32
def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """P^aba = P^ab P^ba: from each face of A through all of B to each face of A (Eq. 3).

    Parameters
    ----------
    there, back : Tensor of shape (n, m), (m, n)
        From :func:`transition`.

    Returns
    -------
    Tensor of shape (n, n)
        Its rows sum to 1.
    """
    return there @ back


@in_float32
def association_loss(walk: Tensor, people: Tensor) -> Tensor:
    """Cross-entropy of the round trip's end with the faces of the same person (Eq. 3; Haeusser et al. 2017).

    Parameters
    ----------
    walk : Tensor of shape (n, n)
        From :func:`round_trip`.
    people : Tensor of shape (n,), int64
        The person of each face of A.
    """
    same = (people[:, None] == people[None, :]).to(walk.dtype)
    return -(same / same.sum(1, keepdim=True) * (walk + 1e-8).log()).sum(1).mean()


@in_float32
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What D minimises: -log D(x) - log(1 - D(G1(x, l))), means over logits of any shape (Eq. 4)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@in_float32
def matching_loss(wrong: Tensor, differ: Tensor) -> Tensor:
    """What D minimises on real faces with labels of others: -log(1 - D(x, l')) (Reed et al. 2016).

    Parameters
    ----------
    wrong : Tensor of shape (n, 1, h, w)
        Logits.
    differ : Tensor of shape (n,), bool
        Faces whose expression is not the label's; the mean is over them, 0 where there are none.
    """
    each = F.softplus(wrong).mean((1, 2, 3))
    return (each * differ).sum() / differ.sum().clamp(min=1)


@in_float32
def generator_loss(fake: Tensor) -> Tensor:
    """What G1 minimises: -log D(G1(x_A, l)), mean over logits (Eq. 5)."""
    return F.softplus(-fake).mean()


def synthesise(modules: Modules, face: Tensor, label: Tensor) -> Tensor:
    """x_AB = G1(x_A, l) (Eq. 6): faces (n, 3, S, S) with the expression of the labels (n, L)."""
    return modules.generator(modules.identity_encoder(face), label)


def restore(modules: Modules, generated: Tensor, own: Tensor) -> Tensor:
    """x'_A = G2(x_AB, l') (Eq. 7): generated faces (n, 3, S, S) with their former labels (n, L)."""
    return modules.restorer(modules.identity_encoder(generated), own)


@in_float32
def mean_absolute(restored: Tensor, face: Tensor) -> Tensor:
    """``E[|x_A - x'_A|_1]``, the mean over images (n, 3, S, S) and their pixels (Eq. 9)."""
    return (face - restored).abs().mean()


def constancy_loss(
    restored: Tensor, face: Tensor, distance: Callable[[Tensor, Tensor], Tensor] = mean_absolute
) -> Tensor:
    """L_const = d(G2(G1(x_A, l), l'), x_A) (Eq. 8); d is Eq. 9's."""
    return distance(restored, face)


# ------------------------------------------------------------------------------------------------------- phases


class ImagePool(nn.Module):
    """A pool of generated faces with their labels, from which D is trained (Section 4.2; Zhu et al. 2017, Section 4).

    Parameters
    ----------
    size : int
        Number of faces in the pool; with 0 every face is passed on at once.
    label_width, image_size : int
    """

    faces: Tensor
    labels: Tensor
    filled: Tensor

    def __init__(self, size: int, label_width: int, image_size: int) -> None:
        super().__init__()
        self.register_buffer("faces", torch.zeros(size, 3, image_size, image_size))
        self.register_buffer("labels", torch.zeros(size, label_width))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, faces: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Put faces (n, 3, S, S) and labels (n, L) into the pool and draw as many, some of them older ones."""
        faces, labels = faces.float().clone(), labels.float().clone()
        size = len(self.faces)
        fresh = min(len(faces), size - int(self.filled))  # a pool that is not full stores faces and passes them on
        places = torch.arange(fresh) + int(self.filled)
        self.faces[places], self.labels[places] = faces[:fresh], labels[:fresh]
        self.filled += fresh
        if fresh == len(faces) or not size:
            return faces, labels
        # Each of the others is exchanged for a random older one, or passed on, with probability 1/2.
        swapped = fresh + torch.nonzero(torch.rand(len(faces) - fresh) < 0.5).flatten()[:size]
        places = torch.randperm(size)[: len(swapped)]
        older = self.faces[places].clone(), self.labels[places].clone()
        self.faces[places], self.labels[places] = faces[swapped], labels[swapped]
        faces[swapped], labels[swapped] = older
        return faces, labels


def labels_of(encoded: tuple[Tensor, Tensor, Tensor], condition: str, sure: bool = False) -> Tensor:
    """The label that generators and D are given: probabilities of the expressions, and E2's feature.

    Parameters
    ----------
    encoded : tuple
        What :class:`ExpressionEncoder` returns: maps, logits (n, N), features (n, 16).
    condition : str
        "feature", or "label" to leave the feature out.
    sure : bool
        Probability 1 for the likeliest expression, as E2 comes to give nearly all of its training faces.

    Returns
    -------
    Tensor of shape (n, N + 16) or (n, N)
    """
    _, logits, feature = encoded
    label = (logits >= logits.amax(1, keepdim=True)) if sure else logits.float().softmax(1)
    label = label.to(feature.dtype)
    return torch.cat([label, feature], 1) if condition == "feature" else label


def augment(
    _: Modules, batch: Batch, random: torch.Generator, *, max_degrees: float, truths: bool, noise: float
) -> Batch:
    """Random views of faces, references and ground truths in [-1, 1], and all images that E2 learns from, with noise.

    E2's images are the references, the faces and, with ``truths``, the ground truths; the expression of a ground truth
    that does not exist is ``UNKNOWN``.
    """
    n, size = batch["target"].shape[:2]
    draw = partial(random_views, n, size, size, max_degrees=max_degrees, generator=random, device=random.device)
    own, others = draw(), draw()
    face, truth = (take_views(to_unit_range(batch[name]), own, size) for name in ("target", "truth"))
    reference, known = take_views(to_unit_range(batch["source"]), others, size), batch["known"]
    expressions = [batch["expression"], batch["target_expression"], batch["expression"].where(known, UNKNOWN)]
    return {
        "face": face,
        "reference": reference,
        "truth": truth,
        "known": known,
        "people": batch["identity"],
        "shown": noisy(torch.cat([reference, face, truth][: 2 + truths]), noise, random),
        "expressions": torch.cat(expressions[: 2 + truths]),
    }


def cycle_forward(
    modules: Modules, batch: Batch, random: torch.Generator, *, condition: str, itself: bool, max_degrees: float,
    truths: bool, noise: float,
) -> Batch:  # fmt: skip
    """Each face with its reference's expression, and back again (Eq. 6, 7); ``itself``: also with its own."""
    batch = augment(modules, batch, random, max_degrees=max_degrees, truths=truths, noise=noise)
    face = batch["face"]
    encoded = modules.expression_encoder(batch["shown"])
    label, own = labels_of(encoded, condition)[: 2 * len(face)].chunk(2)
    maps = modules.identity_encoder(face)
    generated = modules.generator(maps, label)  # Eq. 6; z is needed again for the association
    restored = restore(modules, generated, own)
    return {
        **batch,
        "logits": encoded[1],
        "label": label,
        "own_label": own,
        "representation": maps[-1].mean((2, 3)),
        "reference_representation": encoded[0][: len(face)].mean((2, 3)),
        "generated": generated,
        "restored": restored,
        "reread": noisy(torch.cat([generated, restored]), noise, random),
        **({"itself": modules.generator(maps, own)} if itself else {}),
    }


def expression_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    """What E2 minimises in its own stage, before the generators."""
    _, logits, _ = modules.expression_encoder(batch["shown"])
    return _label_terms(logits, batch["expressions"])


def matching_terms(modules: Modules, batch: Batch, *, condition: str) -> dict[str, Tensor]:
    """What D minimises in the stage of E2: references and faces with their labels, and with each other's."""
    expressions = batch["expressions"][: 2 * len(batch["face"])]
    shown = batch["shown"][: len(expressions)]
    encoder = modules.expression_encoder
    label = F.one_hot(expressions, encoder.n_expressions).to(shown.dtype)
    if condition == "feature":
        with torch.no_grad(), eval_mode(encoder):  # its batch norm has counted these images
            label = torch.cat([label, encoder(shown)[2].to(label.dtype)], 1)
    right, wrong = (modules.discriminator(shown, given) for given in (label, swapped(label)))
    differ = expressions != swapped(expressions)
    return {"matching": F.softplus(-right.float()).mean() + matching_loss(wrong, differ)}


def swapped(rows: Tensor) -> Tensor:
    """Rows (2n, ...) of references and faces: to each the other's of its pair."""
    return rows.roll(len(rows) // 2, 0)


def discriminator_terms(modules: Modules, batch: Batch, *, matching: bool = False) -> dict[str, Tensor]:
    """What D minimises, on real pairs and on faces from the pool (Eq. 4); and how often it is right."""
    label, n = batch["label"].detach(), len(batch["label"])
    real = modules.discriminator(batch["reference"], label)
    fake = modules.discriminator(*modules.image_pool.exchange(batch["generated"].detach(), label))
    wrong: dict[str, Tensor] = {}
    if matching:
        differ = batch["expressions"][:n] != batch["expressions"][n : 2 * n]
        logits = modules.discriminator(batch["reference"], batch["own_label"].detach())
        wrong["matching"] = matching_loss(logits, differ)
    return {
        **wrong,
        "adversarial": discriminator_loss(real, fake),
        "real_accuracy": (real > 0).float().mean(),
        "fake_accuracy": (fake < 0).float().mean(),
    }


def generator_terms(modules: Modules, batch: Batch, *, association: bool) -> dict[str, Tensor]:
    """What both encoders and both generators minimise together (Eq. 3, 5, 9); the phase weights it."""
    encoder = modules.expression_encoder
    held = {name: parameter.detach() for name, parameter in encoder.named_parameters()}
    with eval_mode(encoder):  # generated faces must not enter the statistics of its batch norm
        _, logits, _ = functional_call(encoder, held, (batch["reread"],))
    expressions = batch["expressions"]
    terms = {
        "adversarial": generator_loss(modules.discriminator(batch["generated"], batch["label"].detach())),
        "cycle": constancy_loss(batch["restored"], batch["face"]),
        **_label_terms(batch["logits"], expressions),
        "category": F.cross_entropy(logits.float(), expressions[: len(logits)]),
        "pair": masked_l1(batch["generated"], batch["truth"], batch["known"]),
    }
    if "itself" in batch:
        terms["self"] = mean_absolute(batch["itself"], batch["face"])
    if association:
        here, there = batch["representation"], batch["reference_representation"]
        walk = round_trip(transition(here, there), transition(there, here))
        terms["association"] = association_loss(walk, batch["people"])
    return terms


def _label_terms(logits: Tensor, expressions: Tensor) -> dict[str, Tensor]:
    right, known = (logits.argmax(1) == expressions).sum(), (expressions != UNKNOWN).sum()
    return {
        "label": F.cross_entropy(logits.float(), expressions, ignore_index=UNKNOWN),
        "label_accuracy": right / known,
    }


# ---------------------------------------------------------------------------------------------------- estimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class DECGAN(Estimator):
    """Faces with the expressions of other faces (Chen et al. 2018).

    It learns from faces of two or more expressions.
    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    condition : "feature": label and feature of the reference go to the generators and D; "label": the label alone
    norm : of encoders and generators, "instance" or "batch"
    skips : E1's larger maps join a generator's of the same side, as in a U-Net
    residual_blocks : of a generator, at the side of z; 0 in the text
    ground_truth : str
        Where images of the face's person with the reference's expression come from: "counterparts", "pairs", "off" or
        "auto", as in :class:`~ferdis.systems.relgan.RELGAN`.
    truths : int
        Counterparts drawn for each training face.
    adversarial_weight, cycle_weight, label_weight, category_weight, pair_weight, association_weight : float
        Of Eq. 5, Eq. 9, E2's cross-entropy on real faces and (E2 held) on others, L1 to the truth, Eq. 3.
    self_weight : float
        Of the L1 distance of a face to what G1 draws of it with its own expression.
    matching_weight : float
        Of real faces with another's label, which D is to call wrong; D then learns that beside E2, before G1 and G2.
    draws : what the generators' last layer is: the "image", or a "change" that is added to the face
    reading_noise : float
        Largest standard deviation of the noise (of 2, the range of pixels) on every image that E2 is shown in training.
    encoder_channels, generator_channels, discriminator_channels : sequences of 3, 3 and 4 int
    further_channels : sequence of int
        Of further convolutions in E2, see :class:`ExpressionEncoder`.
    kernel : int
        Side of the convolutions that are 7x7 in Tables 1 and 2.
    library_size : faces in the image library
    max_degrees : training faces are rotated by up to so many, and mirrored
    image_size : side of the images, pixels, divisible by 4; others are resized
    betas : of Adam, whose rate falls linearly over the second half
    expression_epochs : of E2 alone, before

    Attributes
    ----------
    classes_ : ndarray of str, the expressions that E2 names
    modules_ : dict of networks: identity_encoder, expression_encoder, generator, restorer (E1, E2, G1, G2)
    """

    preset: ClassVar[Mapping[str, Any]] = {
        "norm": "batch",
        "residual_blocks": 4,
        "pair_weight": 100.0,
        "encoder_channels": (16, 40, 80),
        "generator_channels": (64, 32, 16),
        "discriminator_channels": (8, 16, 32, 64),
        "further_channels": (96, 128),
        "kernel": 5,
        "truths": 2,
        "epochs": 42,
        "expression_epochs": 12,
        "min_steps": 1500,
        "learning_rate": 1e-3,
        "max_degrees": 8.0,
    }

    unpaired: ClassVar[Mapping[str, Any]] = {
        "ground_truth": "off",
        "condition": "label",  # the feature would bring the reference's colours
        "draws": "change",
        "self_weight": 2.0,
        "cycle_weight": 2.0,  # against 10 a change of a face does not pay
        "matching_weight": 1.0,
        "reading_noise": 0.15,
        "discriminator_channels": (16, 32, 64, 128),
    }
    """For training without pairs: ``DECGAN.small(**DECGAN.unpaired)``."""

    condition: str = "feature"
    norm: str = "instance"
    skips: bool = False
    residual_blocks: int = 0
    ground_truth: str = "auto"
    truths: int = 8
    adversarial_weight: float = 1.0
    cycle_weight: float = 10.0
    label_weight: float = 1.0
    category_weight: float = 1.0
    pair_weight: float = 10.0
    association_weight: float = 0.0
    self_weight: float = 0.0
    matching_weight: float = 0.0
    draws: str = "image"
    reading_noise: float = 0.0
    encoder_channels: Sequence[int] = (64, 128, 256)
    generator_channels: Sequence[int] = (256, 128, 64)
    discriminator_channels: Sequence[int] = (64, 128, 256, 512)
    further_channels: Sequence[int] = ()
    kernel: int = 7
    library_size: int = 50
    max_degrees: float = 0.0
    image_size: int = 64
    epochs: int = 200
    expression_epochs: int = 50
    batch_size: int = 16
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """Each face with its reference's expression (Eq. 6), uint8 (n, image_size, image_size, 3)."""
        check_pairs(faces, references)
        return self._draw(faces, self._labels(references), "generator")

    synthesize = transfer

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """Each face with its own expression, uint8 (n, image_size, image_size, 3)."""
        return self.transfer(faces, faces)

    def restore(self, generated: Faces, faces: Faces) -> np.ndarray:
        """Generated faces with the expressions that the faces had before, by G2 (Eq. 7)."""
        return self._draw(generated, self._labels(faces), "restorer")

    def read(self, faces: Faces) -> np.ndarray:
        """What E2 reads: probabilities of the expressions ``classes_``, (n, N) float32."""
        check_is_fitted(self, "modules_")
        reader = self.modules_["expression_encoder"]
        return self._map(resized(faces, self.image_size), lambda images: reader(images)[1].float().softmax(1))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        first, reader, generator, _ = self.modules_.values()
        return {"transfer": lambda faces, references: generator(first(faces), self._told(reader(references)))}

    # ---------------------------------------------------------------------------------------------- its training

    @property
    def _label_width(self) -> int:
        return len(self.classes_) + (FEATURE if self.condition == "feature" else 0)

    def _labels(self, faces: Faces) -> np.ndarray:
        """What the generators are told of faces, (n, L) float32."""
        check_is_fitted(self, "modules_")
        reader = self.modules_["expression_encoder"]
        return self._map(resized(faces, self.image_size), lambda images: self._told(reader(images)))

    def _told(self, read: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """What the generators are told in use, here and in an exported file, of what E2 read."""
        return labels_of(read, self.condition, sure=True)

    def _draw(self, faces: Faces, labels: np.ndarray, name: str) -> np.ndarray:
        """Faces through E1 and a generator, which is told the labels."""
        encoder, generator = self.modules_["identity_encoder"], self.modules_[name]
        images = resized(faces, self.image_size)
        return self._map_pairs(
            images, torch.from_numpy(labels), lambda batch, told: to_bytes(generator(encoder(batch), told))
        )

    def _check_parameters(self) -> None:
        check_choice("condition", self.condition, ("feature", "label"))
        check_choice("norm", self.norm, tuple(NORMS))
        check_choice("draws", self.draws, ("image", "change"))
        check_choice("ground_truth", self.ground_truth, GROUND_TRUTHS)
        side = 4 * 2 ** len(self.further_channels)
        if self.image_size % side:
            raise ValueError(f"image_size={self.image_size}: take a multiple of {side}, or fewer further_channels")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel}: take an odd number")
        check_at_least(1, self, "epochs", "expression_epochs", "truths")
        check_at_least(0, self, "residual_blocks", "self_weight", "matching_weight", "reading_noise")

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        self.classes_, labels = np.unique(expressions_of(faces, y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{len(faces)} training faces show {len(self.classes_)} expression: two are needed")
        people = np.unique(faces.subject, return_inverse=True)[1].astype(np.int64) if faces.has_subjects else None
        images = resized(faces, self.image_size)
        return TrainingSet(images=images, labels=labels.astype(np.int64), faces=faces, people=people)

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        shape = (self.encoder_channels, self._label_width, self.generator_channels, self.kernel, self.norm)
        generator = partial(Generator, *shape, skips=self.skips, blocks=self.residual_blocks, draws=self.draws)
        encoder = (self.encoder_channels, self.kernel, self.norm)
        return {
            "identity_encoder": Encoder(*encoder),
            "expression_encoder": ExpressionEncoder(len(self.classes_), *encoder, self.further_channels),
            "generator": generator(),
            "restorer": generator(),
        }

    def _stages(self, training: TrainingSet) -> list[Stage]:
        sampler = Triplets(training, self.ground_truth, self.truths, "random", self.batch_size, self.seed)
        self.notes_.append(f"DECGAN: {sampler.describe()}")
        modules = {
            **self.modules_,
            "discriminator": Discriminator(self._label_width, self.discriminator_channels, self.kernel),
            "image_pool": ImagePool(self.library_size, self._label_width, self.image_size),
        }
        epochs = self.training_epochs(len(training))
        weights = self._weights()
        first = max(1, round(self.expression_epochs * epochs / self.epochs))  # stretched alike
        matching, association = self.matching_weight > 0, "association" in weights
        real = {"adversarial": 1.0, **({"matching": self.matching_weight} if matching else {})}
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=self.betas, fused=True)
        falling = partial(linear_decay_second_half, epochs)
        read = partial(Phase, optimizer=adam, schedule=linear_decay_second_half(first))
        reading = [read("expression", ("expression_encoder",), expression_terms, {"label": self.label_weight})]
        alone = {"expression_encoder": modules["expression_encoder"]}
        if matching:
            match = partial(matching_terms, condition=self.condition)
            reading.append(read("matching", ("discriminator",), match, {"matching": self.matching_weight}))
            alone["discriminator"] = modules["discriminator"]
        judge = partial(discriminator_terms, matching=matching)
        generate = partial(generator_terms, association=association)
        phases = [
            Phase("discriminator", ("discriminator",), judge, real, adam, falling()),
            Phase("generator", tuple(self.modules_), generate, weights, adam, falling()),
        ]
        turned = partial(augment, max_degrees=self.max_degrees, truths=sampler.share > 0, noise=self.reading_noise)
        prepare = partial(cycle_forward, condition=self.condition, itself=self.self_weight > 0, **turned.keywords)
        return [
            Stage("expression", alone, reading, first, sampler, turned),
            Stage("decgan", modules, phases, epochs, sampler, prepare),
        ]

    def _weights(self) -> dict[str, float]:
        """Of the generators' terms; those of weight 0 that cost a forward are left out."""
        names = ("adversarial", "cycle", "label", "category", "pair", "association", "self")
        weights = {name: float(getattr(self, f"{name}_weight")) for name in names}
        return {name: value for name, value in weights.items() if value or name not in ("association", "self")}

    def _fitted_state(self) -> dict[str, Any]:
        return {"classes": [str(name) for name in self.classes_]}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.classes_ = np.array(state["classes"])
