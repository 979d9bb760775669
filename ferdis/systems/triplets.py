"""What REL-GAN and its baseline share: 50 views a face, in training and testing; and triplets for reenactment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ferdis.preprocess.augment import PATCH_VIEWS, augmented_views, patch_views, take_views, to_unit_range
from ferdis.systems.arguments import check_choice
from ferdis.systems.classifier import Classifier, TrainingSet, resized
from ferdis.systems.recogniser_network import RECOGNISER, RecogniserEncoder, of_recogniser
from ferdis.training import Batch
from ferdis.training.batches import EpochBatches, split_batches
from ferdis.weights import put_weights, read_weights

GROUND_TRUTHS = ("auto", "counterparts", "pairs", "off")


@dataclass(kw_only=True, eq=False, repr=False)
class PatchClassifier(Classifier):
    """A classifier of patches with five poolings.

    Parameters
    ----------
    image_size, crop_size : int
        Faces are resized to image_size, patches have crop_size (divisible by 32).
    encoder_channels : sequence of int
        Channels of an encoder's five blocks.
    encoder : str
        Of expressions: "blocks", the paper's, or "recogniser", the zoo's network, which ``weights="zoo:expression"``
        starts (:class:`~ferdis.systems.recogniser_network.RecogniserNetwork`).
    views : str
        "random": one of the 50 views of a face in each epoch; "all": all of them, so that an epoch takes 50 times as
        many steps. 300 epochs of the 883 faces of a CK+ fold are 4,200 steps of 64 with "random", 207,000 with "all";
        the estimate before a run counts them.
    test_views : str
        "centre": the centre patch is classified; "all": the mean over the 50 views.
    weights : str, optional
        What the networks start from, except for the layers that name classes: a .safetensors file that such a system
        saved, or ``zoo:NAME``. Without it they start from random weights, as the papers' do. With ``pretrain`` it is
        the pretraining that starts from them.
    """

    _started: ClassVar[tuple[str, ...]] = ()  # names of the networks that ``weights`` fill
    _began_as = "random"  # or "recogniser", "saved": what the networks were before they learned

    encoder_channels: Sequence[int] = (64, 128, 256, 512, 512)
    encoder: str = "blocks"
    views: str = "random"
    test_views: str = "centre"
    weights: str | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("encoder", self.encoder, ("blocks", RECOGNISER))
        check_choice("views", self.views, ("random", "all"))
        check_choice("test_views", self.test_views, ("centre", "all"))
        if self.crop_size % 32 or len(self.encoder_channels) != 5:
            raise ValueError(
                f"crop_size={self.crop_size} with {len(self.encoder_channels)} encoder_channels: five poolings need a "
                "multiple of 32 pixels and five channels"
            )

    def _begun(self, modules: dict[str, nn.Module], pretrained: bool) -> dict[str, nn.Module]:
        """New networks, with what ``weights`` has of them."""
        self._began_as = "random"
        if self.weights is None or not pretrained:
            return modules
        tensors = read_weights(self.weights)
        if of_recogniser(tensors):
            recognisers = [part for part in modules.values() if isinstance(part, RecogniserEncoder)]
            if not recognisers:
                raise ValueError(f"{self.weights} is the recogniser's network: it starts an encoder='recogniser'")
            for part in recognisers:
                part.start_from(tensors, self.weights)
            self.notes_.append(f"{type(self).__name__}: its expression encoder starts from {self.weights}")
            self._began_as = "recogniser"
            return modules
        for name in self._started:
            own = {key.removeprefix(f"{name}."): part for key, part in tensors.items() if key.startswith(f"{name}.")}
            put_weights(modules[name], own, self.weights, f"the {name} of {type(self).__name__}")
        self.notes_.append(f"{type(self).__name__}: starts from {self.weights}")
        self._began_as = "saved"
        return modules

    def _test_views(self, pictures: Tensor) -> list[Tensor]:
        if self.test_views == "centre":
            return super()._test_views(pictures)
        numbers = torch.arange(PATCH_VIEWS, device=pictures.device)[:, None].expand(-1, len(pictures))
        views = (patch_views(number, self.image_size, self.crop_size) for number in numbers)
        return [take_views(pictures, view, self.crop_size) for view in views]


class Patches:
    """Batches of ``image``, ``label`` and ``view``: each face once an epoch, or 50 times, once a view.

    Call it with an epoch's number, counted from 0, for that epoch's batches. With ``numbered`` a batch has ``row``, the
    number of each face, in the place of its ``image``.
    """

    def __init__(self, training: TrainingSet, views: str, batch_size: int, seed: int, numbered: bool = False) -> None:
        self.training, self.views, self.batch_size, self.seed = training, views, batch_size, seed
        self.numbered = numbered

    def __call__(self, epoch: int) -> EpochBatches:
        """The batches of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        row, view = draw_rows(self.training, self.views, random)
        name, faces = ("row", np.arange(len(self.training))) if self.numbered else ("image", self.training.images)
        arrays = {name: faces, "label": self.training.labels, "view": view}
        rows = {name: row, "label": row, "view": np.arange(len(row))}
        return EpochBatches(arrays, split_batches(random.permutation(len(row)), self.batch_size), rows)


class Triplets:
    """Source, target and ground truth: whose expression is to be drawn on whom, and how that would look.

    Every row is a source once an epoch (50 times, once a view, with ``views="all"``); its target is a random row of
    another person. Call it with an epoch's number, counted from 0, for that epoch's batches.

    Parameters
    ----------
    training : TrainingSet
    ground_truth : str
        "counterparts": drawn by the set itself, ``truths`` of them for each source, which fixes their targets.
        "pairs": a row with the target's person and the source's expression, the one whose place in its sequence is
        nearest to the source's where places are known (:func:`places_in_sequences`), else any. "off": none. "auto":
        see :func:`kind_of`.
    truths : int
        Counterparts a source.
    views : str
        "random" or "all".
    batch_size, seed : of the batches
    self_transfers : float
        Share of the sources that are their own target, in two views: the target's view is then the ground truth.
    """

    def __init__(
        self,
        training: TrainingSet,
        ground_truth: str,
        truths: int,
        views: str,
        batch_size: int,
        seed: int,
        self_transfers: float = 0.0,
    ) -> None:
        self.training, self.kind, self.views = training, kind_of(ground_truth, training), views
        self.batch_size, self.seed, self.self_transfers = batch_size, seed, self_transfers
        n = len(training.labels)
        self.people = np.arange(n) if training.people is None else training.people  # unknown: everybody is another one
        # Rows in the order of (person, expression, place): those of a pair are found by bisection.
        keys, self.places = self._keys(self.people, training.labels), places_in_sequences(training)
        known = np.zeros(n) if self.places is None else np.nan_to_num(self.places)
        self.order = np.lexsort((known, keys))
        self.keys, self.placed = keys[self.order], (keys + 0.25 * known)[self.order]
        self.images = self.truths = in_memory(training.images)
        if self.kind == "counterparts":
            self._draw_counterparts(truths)

    def describe(self) -> str:
        """Which share of the triplets has a ground truth, and what is off without it."""
        share = self.share  # draws an epoch
        text = f"{share:.0%} of the triplets have a ground truth (ground_truth={self.kind!r})"
        if share == 0:
            text += ", so the pixel term does not run"
        if self.training.people is None:
            text += "; the faces do not name their people, so nothing holds the target's identity"
        return text

    @property
    def share(self) -> float:
        """Share of the first epoch's triplets that have a ground truth."""
        source, target, truth, _ = self._draw(np.random.default_rng([self.seed, 0]))
        return float(((truth >= 0) | (source == target)).mean())

    def __call__(self, epoch: int) -> EpochBatches:
        """The batches of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        source, target, truth, view = self._draw(random)
        n = len(source)
        images = {"source": self.images, "target": self.images, "truth": self.truths}
        numbers = {
            "expression": self.training.labels[source],
            "identity": self.people[target],
            "target_expression": self.training.labels[target],
            "source_identity": self.people[source],
            "known": (truth >= 0) | (source == target),
            "own": source == target,
            "source_view": view,
            "target_view": random.integers(PATCH_VIEWS, size=n),
        }
        # Without a truth there is no pixel term: any image will do in its place.
        rows = {"source": source, "target": target, "truth": np.maximum(truth, 0)}
        rows.update(dict.fromkeys(numbers, np.arange(n)))
        return EpochBatches({**images, **numbers}, split_batches(random.permutation(n), self.batch_size), rows)

    def _draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows of sources, targets and truths (-1: there is none), and the sources' views."""
        source, view = draw_rows(self.training, self.views, random)
        target, truth = self._others_and_truths(source, random)
        if self.self_transfers:
            own = random.random(len(source)) < self.self_transfers
            target[own], truth[own] = source[own], -1
        return source, target, truth, view

    def _others_and_truths(self, source: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """For each source a row of somebody else, and the truth of it."""
        target = self._others(source, len(self.people), random)
        if self.kind == "pairs":
            return target, self._pair(target, source, random)
        truth = np.full(len(source), -1)
        if self.kind == "counterparts":
            drawn = np.flatnonzero(source < len(self.targets))  # extra_train may come from a set that draws nothing
            which = random.integers(self.targets.shape[1], size=len(drawn))
            target[drawn] = self.targets[source[drawn], which]
            truth[drawn] = source[drawn] * self.targets.shape[1] + which
        return target, truth

    def _others(self, source: np.ndarray, among: int, random: np.random.Generator) -> np.ndarray:
        """For each source one of the first ``among`` rows, of somebody else (of anybody, if there is nobody else)."""
        target = random.integers(among, size=len(source))
        if len(np.unique(self.people[:among])) > 1:
            while (same := self.people[target] == self.people[source]).any():
                target[same] = random.integers(among, size=int(same.sum()))
        return target

    def _pair(self, target: np.ndarray, source: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """For each target a row of its person with the source's expression, at the source's place; or -1."""
        wanted = self._keys(self.people[target], self.training.labels[source])
        first, last = np.searchsorted(self.keys, wanted), np.searchsorted(self.keys, wanted, side="right")
        there = last > first
        if self.places is not None:
            first, last = self._nearest(wanted, first, last, self.places[source])
        chosen = first + (random.random(len(wanted)) * (last - first)).astype(np.int64)
        return np.where(there, self.order[np.minimum(chosen, len(self.order) - 1)], -1)

    def _nearest(
        self, wanted: np.ndarray, first: np.ndarray, last: np.ndarray, place: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of the rows ``first`` to ``last`` those nearest to a place (n,); all of them where that is NaN."""
        aim = wanted + 0.25 * np.nan_to_num(place)
        end = len(self.placed) - 1
        after = np.clip(np.searchsorted(self.placed, aim), first, np.maximum(last - 1, first)).clip(max=end)
        before = np.maximum(after - 1, first).clip(max=end)
        closer = np.abs(self.placed[before] - aim) < np.abs(self.placed[after] - aim)
        value = self.placed[np.where(closer, before, after)]
        some = (last > first) & ~np.isnan(place)
        equal = np.searchsorted(self.placed, value), np.searchsorted(self.placed, value, side="right")
        return np.where(some, equal[0], first), np.where(some, equal[1], last)

    def _keys(self, people: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return people * (self.training.labels.max() + 1) + labels

    def _draw_counterparts(self, truths: int) -> None:
        faces = self.training.faces
        source = np.repeat(np.arange(len(faces)), truths)
        target = self._others(source, len(faces), np.random.default_rng([self.seed, 2**31]))
        self.targets = target.reshape(len(faces), truths)
        self.truths = np.asarray(resized(faces[target].counterpart(faces[source]), self.training.images.shape[1]))


def kind_of(ground_truth: str, training: TrainingSet) -> str:
    """What "auto" means: counterparts where the set draws them, pairs where it is posed, otherwise no ground truth."""
    if ground_truth == "pairs" and training.people is None:
        raise ValueError("ground_truth='pairs': these faces do not name their people, so there are none; use 'off'")
    if ground_truth != "auto":
        return ground_truth
    if training.faces.has_counterparts:
        return "counterparts"
    return "pairs" if training.faces.attrs.get("posed") and training.people is not None else "off"


def places_in_sequences(training: TrainingSet) -> np.ndarray | None:
    """Where in its sequence each face is, (n,): 0 at the peak, 1 as far before it as the sequence goes, -1 after it.

    From the columns ``position`` (frames before the peak) and ``sequence``. NaN where it is not known, as of faces that
    came as ``extra_train``; None where it is known of no face, or of none but the peak.
    """
    table = training.faces.table
    if "position" not in table or "sequence" not in table:
        return None
    position = pd.to_numeric(table["position"], errors="coerce").astype(float)
    longest = position.abs().groupby(table["sequence"].fillna("").astype(str)).transform("max")
    places = np.full(len(training), np.nan)
    places[: len(table)] = (position / longest.clip(lower=1)).to_numpy()
    return places if np.nan_to_num(places).any() else None


def in_memory(images: Any, limit: int = 2**31) -> Any:
    """The images as one array if they take no more than ``limit`` bytes: three scattered reads a step are slow."""
    return np.asarray(images) if np.prod(images.shape) <= limit else images


def draw_rows(training: TrainingSet, views: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows and views (0..49) of an epoch: a random view each, or with ``views="all"`` every view of every row."""
    n, weights = len(training.labels), training.row_weights
    row = np.arange(n) if weights is None else random.choice(n, n, p=weights / weights.sum())
    if views == "all":
        return np.repeat(row, PATCH_VIEWS), np.tile(np.arange(PATCH_VIEWS), n)
    return row, random.integers(PATCH_VIEWS, size=n)


def patch(
    batch: Batch, image_size: int, crop_size: int, augmentation: str = "paper", random: torch.Generator | None = None
) -> Tensor:
    """The view of each ``image`` (n, S, S, 3) uint8 that ``view`` (n,) says: (n, 3, crop, crop) in [-1, 1]."""
    images, views = to_unit_range(batch["image"]), patch_views(batch["view"], image_size, crop_size)
    return augmented_views(images, views, crop_size, augmentation, random)[0]
