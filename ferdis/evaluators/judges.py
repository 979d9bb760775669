"""Judges: networks that read expression and identity off images that a system made, and say how far to trust them.

A generated face has no label of its own, so somebody must read it. A judge is trained on *other* people than those
judged; part of its own people are held out, and its error on them stands beside every figure that it gives::

    expressions, identities = standard_judges(ferdis.load, judged=faces)
    print(expressions.agreement(transferred, sources.expression))
    # 87.1 % (judge: 92.0 % of 1,428 images of 51 people it never saw)

Both judges read :class:`~ferdis.faces.Faces` and uint8 arrays (n, H, W, 3) of any size. Their network is small on
purpose: a five-block CNN that two cores train in minutes, and no part of any system that it judges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis._io import digest, write_json
from ferdis.faces import Faces
from ferdis.metrics import accuracy, confusion, uar
from ferdis.metrics.verification import equal_error_rate, pair_cosines
from ferdis.preprocess.augment import random_views, take_views, to_unit_range
from ferdis.preprocess.cache import default_directory
from ferdis.preprocess.images import resize_batch
from ferdis.systems.classifier import resized
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage, Trainer, in_float32
from ferdis.training.checkpoints import load_modules, save_modules

__all__ = ["ExpressionJudge", "IdentityJudge", "Judged", "nearest_of_two", "standard_judges", "trained"]

FORMAT = 1  # of a saved judge and of the recipe below: raised when either changes, so that no cache serves an old one
_DRAWN = 72  # pixels at which judging people are drawn
JUDGE_SEED = 1000  # the population of the standard judging people, far from the seeds that experiments use
_BATCH = 256
_LABEL_SMOOTHING = 0.05
_WIDTH = 64  # numbers of an embedding
_MARGIN, _SCALE = 0.2, 16.0  # of the cosine softmax
_ZOOM = (0.8, 1.04)  # side of the part of an image that a training view shows: systems crop, too
_SHIFT, _DEGREES, _BLURRED = 0.05, 8.0, 0.3
NON_REPRODUCIBILITY_PARAMS = ("accelerator", "progress")  # parameters that change no figure

J = TypeVar("J", bound="_Judge")


@dataclass(frozen=True)
class Judged:
    """A figure that a judge gave; printed with the judge's own error.

    Attributes
    ----------
    value : float
        0..1.
    judge : str
        What the judge reached on people it never saw, in words.
    """

    value: float
    judge: str

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % (judge: {self.judge})"


class JudgeNetwork(nn.Module):
    """Convolution blocks, each halving the side, and one linear layer on what is left of the map.

    Parameters
    ----------
    widths : channels of the blocks.
    places : numbers a channel that are left: (side / 2 ** blocks) ** 2.
    outputs : of the linear layer.
    dropout : before it.
    """

    def __init__(self, widths: tuple[int, ...], places: int, outputs: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            channels = width
        self.outputs = outputs
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(places * channels, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, S, S) in [-1, 1] -> (n, outputs). Exposure says nothing of a face: each channel is standardised."""
        mean = images.mean(dim=(2, 3), keepdim=True)
        images = (images - mean) / images.std(dim=(2, 3), keepdim=True).clamp_min(0.06)
        return self.head(self.dropout(self.features(images).flatten(1)))


class Directions(nn.Module):
    """One direction (width,) a person: what :func:`margin_softmax` compares embeddings with."""

    def __init__(self, width: int, people: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(people, width))


@in_float32
def margin_softmax(embeddings: Tensor, directions: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """Large-margin cosine loss (Wang et al., CosFace, CVPR 2018, Eq. 4), and the share of people named right.

    Parameters
    ----------
    embeddings : (n, d)
    directions : (people, d)
    person : (n,) int64, row of ``directions``
    """
    cosine = F.normalize(embeddings) @ F.normalize(directions).T
    logits = _SCALE * (cosine - _MARGIN * F.one_hot(person, len(directions)))
    return F.cross_entropy(logits, person), (cosine.argmax(1) == person).float().mean()


class _Judge(BaseEstimator):
    """What both judges do the same way: hold people out, train, read images, save and load."""

    kind: ClassVar[str] = ""

    def __init__(
        self,
        *,
        image_size: int = 64,
        widths: tuple[int, ...] = (16, 48, 96, 128, 160),
        dropout: float = 0.2,
        epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 4e-3,
        weight_decay: float = 0.02,
        held_out: float = 0.15,
        seed: int = 0,
        accelerator: str = "cpu",
        progress: bool = False,
    ) -> None:
        self.image_size = image_size
        self.widths = widths
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.held_out = held_out
        self.seed = seed
        self.accelerator = accelerator
        self.progress = progress

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    @property
    def own(self) -> str:
        """The judge's own error on people it never saw, in words."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    def refuse_overlap(self, faces: Faces) -> None:
        """A ValueError if one of the people of ``faces`` is one that the judge learned from or was measured on."""
        check_is_fitted(self)
        if faces.has_subjects and (shared := sorted(set(faces.subject) & set(self.people_))):
            raise ValueError(
                f"the {self.kind} judge was trained on {shared[0]} ({len(shared)} of the judged people in all): "
                "train it on other people"
            )

    def save(self, folder: str | Path) -> Path:
        """Write ``weights.safetensors`` and ``judge.json`` into ``folder``; returns it."""
        check_is_fitted(self)
        folder = Path(folder)
        save_modules(folder / "weights.safetensors", {"network": self.network_})
        about = {
            "format": FORMAT,
            "class": type(self).__name__,
            "parameters": self.get_params(),
            "outputs": self.network_.outputs,
            **{name: getattr(self, name) for name in ("error_", "people_", "training_digest_")},
            **self._more(),
        }
        write_json(folder / "judge.json", about)  # the last: with it the judge is there
        return folder

    @classmethod
    def load(cls: type[J], folder: str | Path) -> J:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            One line: a file is missing, damaged, or of another judge or format.
        """
        path = Path(folder) / "judge.json"
        if not path.is_file():
            raise FileNotFoundError(f"no judge.json in {folder}: give a folder that {cls.__name__}.save() wrote")
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["class"] != cls.__name__ or about["format"] != FORMAT:
                raise ValueError(f"{path} holds a {about['class']} of format {about['format']}: delete its folder")
            known = cls().get_params()
            judge = cls(**{name: value for name, value in about["parameters"].items() if name in known})
            judge.widths = tuple(judge.widths)
            for name in ("error_", "people_", "training_digest_"):
                setattr(judge, name, about[name])
            judge._set_more(about)
            judge.network_ = judge._network(int(about["outputs"]))
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged: delete its folder and train the judge again") from error
        load_modules(Path(folder) / "weights.safetensors", {"network": judge.network_})
        judge.network_.eval()
        return judge

    def _more(self) -> dict[str, Any]:
        """Fitted state besides the common one, JSON-able."""
        return {}

    def _set_more(self, about: Mapping[str, Any]) -> None:
        """Take :meth:`_more` back."""

    def _network(self, outputs: int) -> JudgeNetwork:
        side = self.image_size // 2 ** len(self.widths)
        return JudgeNetwork(self.widths, side * side, outputs, self.dropout)

    def _split(self, faces: Faces) -> tuple[Faces, Faces]:
        """Faces to learn from and faces of the people held out; sets ``people_`` and ``training_digest_``."""
        if self.image_size < 2 ** len(self.widths):
            raise ValueError(f"image_size={self.image_size} is too small for {len(self.widths)} blocks")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out={self.held_out}: a share of the people between 0 and 1")
        people = np.unique(faces.subject)
        held = max(2, round(self.held_out * len(people)))
        if len(people) - held < 2:
            raise ValueError(f"{len(people)} people are too few: a judge needs two to learn and two to be measured on")
        chosen = np.random.default_rng(self.seed).permutation(people)[:held]
        self.people_ = people.tolist()
        self.training_digest_ = faces.digest()
        out = np.isin(faces.subject, chosen)
        return faces[~out], faces[out]

    def _train(
        self, faces: Faces, labels: np.ndarray, modules: dict[str, nn.Module], terms: Callable[..., dict[str, Tensor]]
    ) -> None:
        """AdamW over one cycle of the learning rate, on mirrored, shifted, rotated, zoomed and blurred views."""
        phase = Phase(
            "judge",
            tuple(modules),
            terms,
            {"cross_entropy": 1.0},
            partial(torch.optim.AdamW, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True),
            partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=self.learning_rate, total_steps=self.epochs + 1),
        )
        for module in modules.values():
            module.to(memory_format=torch.channels_last)
        pixels = resized(faces, self.image_size)
        batches = ArrayBatches({"image": pixels, "label": labels.astype(np.int64)}, self.batch_size, self.seed)
        stage = Stage(f"{self.kind} judge", modules, [phase], self.epochs, batches, _augmented)
        Trainer(accelerator=self.accelerator, seed=self.seed, logger=None, progress=self.progress).run([stage])
        self.network_ = modules["network"].cpu()

    def _outputs(self, pictures: Faces | np.ndarray) -> tuple[Tensor, Tensor]:
        """The network's outputs for images and for their mirror images, each (n, outputs) float32."""
        self.network_.eval()
        found: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode():
            for start in range(0, len(pictures), _BATCH):
                part = slice(start, start + _BATCH)
                pixels = pictures.pixels(part) if isinstance(pictures, Faces) else _checked(pictures)[part]
                images = resize_batch(to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels))), self.image_size)
                found.append((self.network_(images), self.network_(images.flip(-1))))
        if not found:
            raise ValueError("there are no images to judge")
        straight, mirrored = zip(*found, strict=True)
        return torch.cat(straight).float(), torch.cat(mirrored).float()


class ExpressionJudge(_Judge):
    """Reads the expression of an image.

    Parameters
    ----------
    image_size : int
        Images of any size are resized to it.
    widths : tuple of int
        Channels of the blocks, each of which halves the side.
    dropout : float
        Before the last layer.
    epochs, batch_size, learning_rate, weight_decay : of AdamW over one cycle
    held_out : float
        Share of the people that the judge never sees: its own error is measured on them.
    seed : of every random choice
    accelerator : Fabric's
    progress : show a progress bar

    Attributes
    ----------
    classes_ : ndarray of str, sorted
    error_ : dict
        ``accuracy``, ``uar`` (0..1), ``pictures``, ``people``: on the people held out.
    confusion_ : DataFrame of counts, of the same images
    """

    kind = "expression"

    def fit(self, faces: Faces, y: Any = None) -> ExpressionJudge:
        """Learn from most of the people of ``faces``; measure the error on the others.

        Raises
        ------
        ValueError
            If the people are not known or too few, or there is a single expression.
        """
        learned, unseen = self._split(faces)
        self.classes_ = np.unique(learned.expression)
        if len(self.classes_) < 2:
            raise ValueError(f"an expression judge needs two expressions, these faces show {self.classes_[0]} only")
        labels = np.searchsorted(self.classes_, learned.expression)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = self._network(len(self.classes_))
        self._train(learned, labels, {"network": network}, _expression_terms)
        unseen = unseen[np.isin(unseen.expression, self.classes_)]
        predicted = self.predict(unseen)
        self.confusion_ = confusion(unseen.expression, predicted, list(self.classes_))
        self.error_ = {
            "accuracy": accuracy(unseen.expression, predicted),
            "uar": uar(unseen.expression, predicted),
            "pictures": len(unseen),
            "people": len(set(unseen.subject)),
        }
        return self

    @property
    def own(self) -> str:
        """The judge's own accuracy on people it never saw, in words."""
        found = self.error_
        what = f"{found['pictures']:,} images of {found['people']} people it never saw"
        return f"{100 * found['accuracy']:.1f} % of {what}"

    def predict_proba(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Probabilities (n, classes) in the order of ``classes_``: mean over an image and its mirror image."""
        check_is_fitted(self)
        straight, mirrored = self._outputs(pictures)
        return ((straight.softmax(1) + mirrored.softmax(1)) / 2).numpy()

    def predict(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Most probable expression of each image, (n,) of str."""
        return self.classes_[self.predict_proba(pictures).argmax(1)]

    def agreement(self, pictures: Faces | np.ndarray, expression: np.ndarray) -> Judged:
        """Share of images read as the expression named for each, (n,) of str.

        Raises
        ------
        ValueError
            If an expression is none that the judge knows: it could only be counted as wrong.
        """
        check_is_fitted(self)
        if unknown := sorted(set(map(str, expression)) - set(self.classes_)):
            raise ValueError(f"the expression judge does not know {unknown[0]!r}, only {', '.join(self.classes_)}")
        return Judged(float((self.predict(pictures) == expression).mean()), self.own)

    def _more(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "confusion": self.confusion_.to_numpy().tolist()}

    def _set_more(self, about: Mapping[str, Any]) -> None:
        names = list(about["classes"])
        self.classes_ = np.array(names)
        index, columns = pd.Index(names, name="true"), pd.Index(names, name="predicted")
        self.confusion_ = pd.DataFrame(about["confusion"], index=index, columns=columns)


class IdentityJudge(_Judge):
    """Embeds faces so that images of one person lie near each other, whatever the expression.

    Parameters
    ----------
    image_size, widths, dropout, epochs, batch_size, learning_rate, weight_decay, held_out, seed, accelerator, progress
        As for :class:`ExpressionJudge`.

    Attributes
    ----------
    threshold_ : float
        Cosine above which two images are taken for one person: at the equal error rate of the people held out.
    error_ : dict
        On the people held out: ``auc``, ``eer`` (0..1) of genuine against impostor pairs; ``nearest_of_two``, how often
        another image of the person is nearer than an image of another person; ``pairs``, ``people``.
    """

    kind = "identity"

    def fit(self, faces: Faces, y: Any = None) -> IdentityJudge:
        """Learn from most of the people of ``faces``; measure the error on the others.

        Raises
        ------
        ValueError
            If the people are not known or too few, or fewer than two of those held out have two images.
        """
        learned, unseen = self._split(faces)
        people, person = np.unique(learned.subject, return_inverse=True)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            modules = {"network": self._network(_WIDTH), "people": Directions(_WIDTH, len(people))}
        self._train(learned, person, modules, _identity_terms)
        embeddings = self.embed(unseen)
        cosines, same = pair_cosines(embeddings, unseen.subject)
        eer, self.threshold_ = equal_error_rate(cosines, same)
        self.error_ = {
            "auc": float(roc_auc_score(same, cosines)),
            "eer": eer,
            "nearest_of_two": nearest_of_two(embeddings, unseen.subject),
            "pairs": len(cosines),
            "people": len(set(unseen.subject)),
        }
        return self

    @property
    def own(self) -> str:
        """The judge's own error on people it never saw, in words."""
        found = self.error_
        rates = f"nearest of two {100 * found['nearest_of_two']:.1f} %, EER {100 * found['eer']:.1f} %"
        return f"{rates}, AUC {found['auc']:.3f} on {found['people']} people it never saw"

    def embed(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Embeddings (n, width) float32 of unit length: mean over an image and its mirror image."""
        check_is_fitted(self)
        straight, mirrored = self._outputs(pictures)
        return F.normalize(F.normalize(straight) + F.normalize(mirrored)).numpy()

    def nearer(self, embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> Judged:
        """Share of ``embeddings`` (n, width) that lie nearer to ``first`` than to ``second``, row by row, by cosine."""
        check_is_fitted(self)
        near = (embeddings * first).sum(1) > (embeddings * second).sum(1)
        return Judged(float(near.mean()), self.own)

    def same_person(self, embeddings: np.ndarray, others: np.ndarray) -> Judged:
        """Share of rows of the two (n, width) that the judge takes for one person: cosine above ``threshold_``."""
        check_is_fitted(self)
        return Judged(float(((embeddings * others).sum(1) > self.threshold_).mean()), self.own)

    def _more(self) -> dict[str, Any]:
        return {"threshold": self.threshold_}

    def _set_more(self, about: Mapping[str, Any]) -> None:
        self.threshold_ = float(about["threshold"])


def nearest_of_two(embeddings: np.ndarray, subject: np.ndarray) -> float:
    """How often an image is nearer to another one of its person than to one of somebody else, 0..1, by cosine.

    Mean over the images, each with all pairs of another of its own and one of a stranger.

    Parameters
    ----------
    embeddings : (n, d) of unit length
    subject : (n,) of str
    """
    cosines = embeddings @ embeddings.T
    shares = []
    for row, name in enumerate(subject):
        own = cosines[row, (subject == name) & (np.arange(len(subject)) != row)]
        strangers = np.sort(cosines[row, subject != name])
        if len(own) and len(strangers):
            shares.append(np.searchsorted(strangers, own).mean() / len(strangers))
    return float(np.mean(shares)) if shares else float("nan")


def trained(judge: J, faces: Faces, *, cache: str | Path | bool | None = None) -> J:
    """The judge fitted on ``faces``, read from the cache where it was fitted before.

    Parameters
    ----------
    judge : an unfitted judge.
    faces : other people than those to be judged.
    cache : folder, by default ``$FERDIS_CACHE`` or ``~/.cache/ferdis``; False trains at every call.
    """
    if cache is False:
        return judge.fit(faces)
    parameters = {name: value for name, value in judge.get_params().items() if name not in NON_REPRODUCIBILITY_PARAMS}
    folder = Path(default_directory() if cache in (None, True) else cache)  # type: ignore[arg-type]
    folder = folder / f"judge-{judge.kind}-{digest([FORMAT, parameters, faces.digest()])}"
    if (folder / "judge.json").is_file():
        return type(judge).load(folder)
    judge.fit(faces).save(folder)
    return judge


def standard_judges(
    load: Callable[..., Faces],
    *,
    people: int = 340,
    images_per_expression: int = 4,
    expressions: int | str = 7,
    difficulty: str = "normal",
    seed: int = JUDGE_SEED,
    judged: Faces | None = None,
    cache: str | Path | bool | None = None,
    progress: bool = True,
) -> tuple[ExpressionJudge, IdentityJudge]:
    """Both judges, trained on synthetic people of a population of their own; five minutes of one core, once.

    Parameters
    ----------
    load : function
        :func:`ferdis.load`, or another that draws synthetic people from the arguments below.
    people, images_per_expression, expressions, difficulty, seed
        Of the judging people, as :func:`ferdis.load` has them for ``"synthetic"``.
    judged : Faces, optional
        Refused, in one line, if a judging person is among them.
    cache : as for :func:`trained`.
    progress : show progress bars where a judge must be trained.

    Raises
    ------
    ValueError
        If ``judged`` holds a judging person.
    """
    faces = load(
        "synthetic",
        people=people,
        expressions=expressions,
        images_per_expression=images_per_expression,
        image_size=_DRAWN,
        difficulty=difficulty,
        seed=seed,
    )
    judges = (
        trained(ExpressionJudge(epochs=12, progress=progress), faces, cache=cache),
        trained(IdentityJudge(epochs=16, progress=progress), faces, cache=cache),
    )
    for judge in judges:
        if judged is not None:
            judge.refuse_overlap(judged)
    return judges


def _expression_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    logits = modules.network(batch["view"]).float()
    loss = F.cross_entropy(logits, batch["label"], label_smoothing=_LABEL_SMOOTHING)
    return {"cross_entropy": loss, "accuracy": (logits.argmax(1) == batch["label"]).float().mean()}


def _identity_terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    loss, right = margin_softmax(modules.network(batch["view"]), modules.people.values, batch["label"])
    return {"cross_entropy": loss, "accuracy": right}


def _augmented(modules: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """A mirrored, shifted, rotated, zoomed view of each image, some of them blurred: what generators do to faces."""
    images = to_unit_range(batch["image"])
    n, side, device = len(images), images.shape[-1], images.device
    views = random_views(n, side, side, max_degrees=_DEGREES, generator=random, device=device)
    uniform = torch.rand(4, n, generator=random, device=device)
    zoom = _ZOOM[0] + (_ZOOM[1] - _ZOOM[0]) * uniform[0]
    views[:, :, :2] *= zoom[:, None, None]
    views[:, :, 2] += _SHIFT * (2 * uniform[1:3].T - 1)
    faces = take_views(images, views, side)
    soft = F.interpolate(F.avg_pool2d(faces, 2), size=side, mode="bilinear", align_corners=False)
    faces = torch.where((uniform[3] < _BLURRED)[:, None, None, None], soft, faces)
    return {"view": faces.contiguous(memory_format=torch.channels_last), "label": batch["label"]}


def _checked(pictures: np.ndarray) -> np.ndarray:
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        raise ValueError(f"a judge reads Faces or uint8 (n, H, W, 3), not {pictures.dtype} of shape {pictures.shape}")
    return pictures
