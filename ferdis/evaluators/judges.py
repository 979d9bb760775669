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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis._io import digest
from ferdis.evaluators.held_out import hold_out, refuse_known_people
from ferdis.evaluators.judge_network import (
    Directions,
    JudgeNetwork,
    augment,
    expression_terms,
    identity_terms,
    margin_softmax,
)
from ferdis.faces import Faces
from ferdis.metrics import accuracy, confusion, uar
from ferdis.metrics.verification import equal_error_rate, pair_cosines
from ferdis.preprocess.cache import default_directory
from ferdis.preprocess.images import resize_batch
from ferdis.systems.base import NON_REPRODUCIBILITY_PARAMS, Estimator, TrainingSet, resized
from ferdis.training import Phase, Stage

__all__ = [
    "ExpressionJudge",
    "IdentityJudge",
    "Judge",
    "Judged",
    "margin_softmax",
    "nearest_of_two",
    "standard_judges",
    "trained",
]

RECIPE = 2  # how judges are trained: raised when it changes, so that no cache serves an old one
_DRAWN = 72  # pixels at which judging people are drawn
JUDGE_SEED = 1000  # the population of the standard judging people, far from the seeds that experiments use
_WIDTH = 64  # numbers of an embedding

J = TypeVar("J", bound="Judge")
E = TypeVar("E", bound=Estimator)


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


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class Judge(Estimator):
    """What both judges do the same way: hold people out, train, read images.

    Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    widths : sequence of int
        Channels of the network's blocks, each of which halves the side.
    dropout : float
        Before the last layer.
    weight_decay : float
        Of AdamW, over one cycle of the learning rate.
    held_out : float
        Share of the people that the judge never sees: its own error is measured on them.
    """

    kind: ClassVar[str] = ""

    image_size: int = 64
    widths: Sequence[int] = (16, 48, 96, 128, 160)
    dropout: float = 0.2
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    held_out: float = 0.15
    accelerator: str = "cpu"
    logger: str | None = None
    progress: bool = False

    @classmethod
    def load(cls: type[J], folder: str | Path) -> J:
        """Read what ``save`` wrote, as :meth:`ferdis.systems.base.Estimator.load` does, with its errors."""
        if (Path(folder) / "judge.json").is_file():
            raise ValueError(f"{folder} holds a judge of an older ferdis: delete the folder, and train the judge again")
        return super().load(folder)

    @property
    def own(self) -> str:
        """The judge's own error on people it never saw, in words."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    def refuse_overlap(self, faces: Faces) -> None:
        """A ValueError if one of the people of ``faces`` is one that the judge learned from or was measured on."""
        check_is_fitted(self)
        refuse_known_people(f"the {self.kind} judge", self.people_, faces)

    # ---------------------------------------------------------------------------------------------- its training

    def _check_parameters(self) -> None:
        if self.image_size < 2 ** len(self.widths):
            raise ValueError(f"image_size={self.image_size} is too small for {len(self.widths)} blocks")

    def _split(self, faces: Faces) -> tuple[Faces, Faces]:
        """Faces to learn from and faces of the people held out; sets ``people_``."""
        learned, unseen = hold_out(faces, self.held_out, self.seed, least=2)
        self.people_ = np.unique(faces.subject).tolist()
        return learned, unseen

    def _network(self, outputs: int) -> JudgeNetwork:
        side = self.image_size // 2 ** len(self.widths)
        return JudgeNetwork(self.widths, side * side, outputs, self.dropout)

    def _stage(
        self, training: TrainingSet, modules: dict[str, nn.Module], terms: Callable[..., dict[str, Tensor]]
    ) -> Stage:
        """AdamW over one cycle of the learning rate, on mirrored, shifted, rotated, zoomed and blurred views."""
        epochs = self.training_epochs(len(training))
        phase = Phase(
            "judge",
            tuple(modules),
            terms,
            {"cross_entropy": 1.0},
            partial(torch.optim.AdamW, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True),
            partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=self.learning_rate, total_steps=epochs + 1),
        )
        batches = training.batches(self.batch_size, self.seed)
        return Stage(f"{self.kind} judge", modules, [phase], epochs, batches, augment)

    def _outputs(self, pictures: Faces | np.ndarray) -> tuple[Tensor, Tensor]:
        """The network's outputs for images and for their mirror images, each (n, outputs) float32."""
        check_is_fitted(self, "modules_")
        network = self.modules_["network"]

        def both(images: Tensor) -> Tensor:
            images = resize_batch(images, self.image_size)
            return torch.stack([network(images), network(images.flip(-1))], 1).float()

        pixels = pictures.images if isinstance(pictures, Faces) else _checked(pictures)
        straight, mirrored = torch.from_numpy(self._map(pixels, both, whole=True)).unbind(1)
        return straight, mirrored

    def _fitted_state(self) -> dict[str, Any]:
        return {"people": self.people_, "error": self.error_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.people_, self.error_ = list(state["people"]), dict(state["error"])


class ExpressionJudge(Judge):
    """Reads the expression of an image.

    Its parameters are those of :class:`Judge`.

    Attributes
    ----------
    classes_ : ndarray of str, sorted
    error_ : dict
        ``accuracy``, ``uar`` (0..1), ``pictures``, ``people``: on the people held out.
    confusion_ : DataFrame of counts, of the same images
    """

    kind = "expression"

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

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        learned, unseen = self._split(faces)
        self.classes_ = np.unique(learned.expression)
        if len(self.classes_) < 2:
            raise ValueError(f"an expression judge needs two expressions, these faces show {self.classes_[0]} only")
        labels = np.searchsorted(self.classes_, learned.expression).astype(np.int64)
        unseen = unseen[np.isin(unseen.expression, self.classes_)]
        images = resized(learned, self.image_size)
        return TrainingSet(images=images, labels=labels, faces=learned, held_out=unseen)

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        return {"network": self._network(len(self.classes_))}

    def _stages(self, training: TrainingSet) -> list[Stage]:
        return [self._stage(training, self.modules_, expression_terms)]

    def _after_training(self, training: TrainingSet) -> None:
        unseen = cast(Faces, training.held_out)
        predicted = self.predict(unseen)
        self.confusion_ = confusion(unseen.expression, predicted, list(self.classes_))
        self.error_ = {
            "accuracy": accuracy(unseen.expression, predicted),
            "uar": uar(unseen.expression, predicted),
            "pictures": len(unseen),
            "people": len(set(unseen.subject)),
        }

    def _fitted_state(self) -> dict[str, Any]:
        counts = self.confusion_.to_numpy().tolist()
        return {**super()._fitted_state(), "classes": self.classes_.tolist(), "confusion": counts}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        names = list(state["classes"])
        self.classes_ = np.array(names)
        index, columns = pd.Index(names, name="true"), pd.Index(names, name="predicted")
        self.confusion_ = pd.DataFrame(state["confusion"], index=index, columns=columns)


class IdentityJudge(Judge):
    """Embeds faces so that images of one person lie near each other, whatever the expression.

    Its parameters are those of :class:`Judge`.

    Attributes
    ----------
    threshold_ : float
        Cosine above which two images are taken for one person: at the equal error rate of the people held out.
    error_ : dict
        On the people held out: ``auc``, ``eer`` (0..1) of genuine against impostor pairs; ``nearest_of_two``, how often
        another image of the person is nearer than an image of another person; ``pairs``, ``people``.
    """

    kind = "identity"

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

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        learned, unseen = self._split(faces)
        person = np.unique(learned.subject, return_inverse=True)[1].astype(np.int64)
        images = resized(learned, self.image_size)
        return TrainingSet(images=images, labels=person, faces=learned, people=person, held_out=unseen)

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        return {"network": self._network(_WIDTH)}

    def _stages(self, training: TrainingSet) -> list[Stage]:
        modules = {**self.modules_, "people": Directions(_WIDTH, int(training.labels.max()) + 1)}
        return [self._stage(training, modules, identity_terms)]

    def _after_training(self, training: TrainingSet) -> None:
        unseen = cast(Faces, training.held_out)
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

    def _fitted_state(self) -> dict[str, Any]:
        return {**super()._fitted_state(), "threshold": self.threshold_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self.threshold_ = float(state["threshold"])


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


def trained(judge: E, faces: Faces, *, cache: str | Path | bool | None = None) -> E:
    """The judge fitted on ``faces``, read from the cache where the same judge was fitted on the same faces before.

    Parameters
    ----------
    judge : an unfitted judge, or another evaluator (:class:`~ferdis.evaluators.au_estimator.AUEstimator`).
    faces : other people than those to be judged.
    cache : folder, by default ``$FERDIS_CACHE`` or ``~/.cache/ferdis``; False trains at every call.
    """
    if cache is False:
        return judge.fit(faces)
    unlike = (*NON_REPRODUCIBILITY_PARAMS, "accelerator")  # a judge trained elsewhere serves as well
    parameters = {name: value for name, value in judge.get_params().items() if name not in unlike}
    folder = Path(default_directory() if cache in (None, True) else cache)  # type: ignore[arg-type]
    folder = (
        folder / f"judge-{getattr(judge, 'kind', type(judge).__name__)}-{digest([RECIPE, parameters, faces.digest()])}"
    )
    if (folder / "estimator.json").is_file():
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


def _checked(pictures: np.ndarray) -> np.ndarray:
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8:
        raise ValueError(f"a judge reads Faces or uint8 (n, H, W, 3), not {pictures.dtype} of shape {pictures.shape}")
    return pictures
