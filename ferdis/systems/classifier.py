"""What every classifier does the same way: take labelled Faces, predict. It is trained by ``fit`` of its base.

A system adds its networks (``_build``), its phases (``_stages``) and how it reads an image (``_forward_features``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ferdis.faces import Faces
from ferdis.preprocess.augment import AUGMENTATIONS
from ferdis.systems.arguments import check_choice
from ferdis.systems.base import (
    Estimator,
    TrainingSet,
    expressions_of,
    module_device,
    modules_in_eval_mode,
    resized,
    train_once,
)
from ferdis.training import Stage
from ferdis.training.checkpoints import load_modules

__all__ = ["Classifier", "TrainingSet", "check_choice", "module_device", "modules_in_eval_mode", "resized"]

SAMPLERS = {"shuffle": 0.0, "square-root": 0.5, "balanced": 1.0}
"""Ways to draw training faces: an image's chance is its class's number of images to minus this power."""

C = TypeVar("C", bound="Classifier")

if TYPE_CHECKING:  # scikit-learn has no types: what inherits from it would have every attribute

    class ClassifierMixin: ...

else:
    from sklearn.base import ClassifierMixin


@dataclass(kw_only=True, eq=False, repr=False)
class Classifier(ClassifierMixin, Estimator):
    """Base of the recognition systems; scikit-learn's habits, Faces as ``X``.

    Parameters
    ----------
    image_size, crop_size : int
        Faces are resized to image_size; the networks see crop_size (random crops in training, the centre in testing).
    extra_train : Faces, optional
        Further training faces; classes outside the target set are dropped, counted in ``notes_``.
    class_weight : str, mapping or None
        None, "balanced", or weights by class name, for the cross-entropy.
    sampler : str
        "shuffle"; "balanced": each class is drawn equally often; "square-root": as often as the square root of its
        share, so that a class of a hundredth is drawn ten times as often, and not a hundred times; "people": each
        person, and of a person each class, is drawn equally often, so that no class is known by who shows it.
    pretrain : Faces, optional
        Faces of other people to start from: the same system learns them first, with their labels (REL-GAN: by
        reenactment). Done once for all folds and kept in ``$FERDIS_CACHE``; the layers that name classes are new
        afterwards, unless the classes are the same.
    pretrain_epochs : int
        Epochs of it.
    augmentation : str
        "paper": the views that the system's paper names. "strong": these, loosened, and another light and camera for
        each (:func:`ferdis.preprocess.augment.loosened`, :func:`~ferdis.preprocess.augment.distorted`).
    test_flip : bool
        Average the probabilities of a face and its mirror image.
    schedule : str
        Of the learning rate. "steps": it is multiplied by ``decay`` every ``decay_epochs`` epochs, as the papers do.
        "one-cycle": it rises over the first tenth of the epochs and falls to 0 along half a cosine.
    decay, decay_epochs : float, int
        Of "steps"; ``decay_epochs`` is stretched with ``min_steps``.
    """

    crop_size: int = field()  # the paper's, in the place of the base's property
    extra_train: Faces | None = None
    class_weight: str | Mapping[str, float] | None = None
    sampler: str = "shuffle"
    pretrain: Faces | None = None
    pretrain_epochs: int = 20
    augmentation: str = "paper"
    test_flip: bool = False
    schedule: str = "steps"
    decay: float
    decay_epochs: int

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, K) of images (n, 3, crop, crop) in [-1, 1]; modules are in eval mode."""
        raise TypeError(f"{type(self).__name__} reads no images: it has no _forward_features()")

    def predict(self, faces: Faces) -> np.ndarray:
        """Most probable expression of each face, (n,) of str."""
        return self._classes(self.predict_proba(faces))

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """Probabilities, (n, K) float32 in the order of ``classes_``; centre crops, and mirror images if test_flip."""
        check_is_fitted(self, "modules_")
        return self._probabilities(resized(faces, self.image_size))

    def score(self, faces: Faces, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy against ``y`` or, without it, ``faces.expression``."""
        truth = faces.expression if y is None else np.asarray(y, dtype=str)
        return float(np.average(self.predict(faces) == truth, weights=sample_weight))

    def transform(self, faces: Faces) -> np.ndarray:
        """Features that the last layer reads, (n, d) float32."""
        check_is_fitted(self, "modules_")
        return self._map(resized(faces, self.image_size), lambda images: self._forward_features(images)[0])

    def describe(self) -> dict[str, Any]:
        """All parameters, JSON-able (Faces become digests), and ``notes``: what a reader of a figure must know."""
        about = super().describe()
        notes = [f"{type(self).__name__}: {self.flops() / 1e9:.2f} GFLOP an image at {self.crop_size} pixels"]
        usual = self.__dataclass_fields__.get("weights")
        if about.get("weights", "") is None and usual is not None and usual.default is not None:
            notes.append(
                f"{type(self).__name__}: weights=None, trained from random weights (the papers start from ImageNet)"
            )
        return {**about, "notes": notes + about["notes"]}

    def flops(self) -> int:
        """Floating point operations of one prediction (two a multiplication and addition), counted on one image."""
        if not hasattr(self, "modules_"):
            untrained = type(self)(**self.get_params(deep=False))
            with torch.random.fork_rng():
                untrained.classes_ = np.array(["one", "other"])
                untrained.modules_ = untrained._build(pretrained=False)
            return untrained.flops()
        image = torch.zeros(1, 3, self.crop_size, self.crop_size, device=module_device(self.modules_))
        with modules_in_eval_mode(self.modules_), FlopCounterMode(display=False) as counter:
            self._forward_features(image)
        return int(counter.get_total_flops())

    def _fitted_state(self) -> dict[str, Any]:
        return {"classes": [str(name) for name in self.classes_]}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.classes_ = np.array(state["classes"])

    # ------------------------------------------------------------------------------------------ shared machinery

    def _check_parameters(self) -> None:
        """Errors for parameters out of range; systems add their own."""
        check_choice("sampler", self.sampler, (*SAMPLERS, "people"))
        check_choice("schedule", self.schedule, ("steps", "one-cycle"))
        check_choice("augmentation", self.augmentation, AUGMENTATIONS)
        if self.crop_size > self.image_size:
            raise ValueError(f"crop_size={self.crop_size} is larger than image_size={self.image_size}")
        for name in ("epochs", "pretrain_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: train for at least one")

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        expression = expressions_of(faces, y)
        self.classes_ = np.unique(expression)
        if len(self.classes_) < 2:
            raise ValueError(f"the training faces show one class only ({self.classes_[0]}): a classifier needs two")
        size = self.image_size
        images = resized(faces, size)
        subjects = faces.subject if faces.has_subjects else None
        extra: Faces | None = self.extra_train
        if extra is not None:
            kept = extra[np.isin(extra.expression, self.classes_)]
            if dropped := len(extra) - len(kept):
                self.notes_.append(
                    f"extra_train: {dropped} of {len(extra)} faces dropped, their class is no target class"
                )
            images = np.concatenate([np.asarray(images), np.asarray(resized(kept, size))])
            expression = np.concatenate([expression, kept.expression])
            known = subjects is not None and kept.has_subjects
            subjects = np.concatenate([subjects, kept.subject]) if known else None
        labels = np.searchsorted(self.classes_, expression).astype(np.int64)
        counts = np.bincount(labels, minlength=len(self.classes_))
        people = None if subjects is None else np.unique(subjects, return_inverse=True)[1].astype(np.int64)
        power = SAMPLERS.get(self.sampler, 0.0)
        rows = (counts**-power)[labels] if power else None
        if self.sampler == "people":
            rows = people_weights(people, labels)
        return TrainingSet(
            images=images,
            labels=labels,
            faces=faces,
            extra=len(labels) - len(faces),
            people=people,
            class_weights=self._class_weights(counts),
            row_weights=rows,
        )

    def _start(self) -> None:
        """The weights that the same system has after ``pretrain``; see :meth:`_class_tensors` for what stays new."""
        if self.pretrain is None:
            return
        other = self._for_pretraining()
        other.classes_ = np.unique(self.pretrain.expression)
        with torch.random.fork_rng():
            torch.manual_seed(other.seed)
            other.modules_ = other._build()
        kind = type(self).__name__.lower()

        def stages() -> list[Stage]:
            training = other._training_set(cast(Faces, self.pretrain), None)  # read only if there is something to train
            return [replace(stage, name=f"pretraining {stage.name}") for stage in other._stages(training)]

        load_modules(train_once(other, kind, other.modules_, stages), other.modules_)
        fitted, heads = self._class_tensors()
        new = {id(tensor) for tensor in (fitted if np.array_equal(other.classes_, self.classes_) else fitted + heads)}
        with torch.no_grad():
            for name, module in self.modules_.items():
                learned = other.modules_[name].state_dict()
                for key, tensor in module.state_dict(keep_vars=True).items():
                    if id(tensor) not in new:
                        tensor.copy_(learned[key])
        self.notes_.append(f"{type(self).__name__}: starts from {self.pretrain_epochs} epochs on {self.pretrain!r}")

    def _for_pretraining(self: C) -> C:
        """This system as it learns ``pretrain``: the same for every fold and seed of the target set."""
        own = {"extra_train": None, "pretrain": None, "epochs": self.pretrain_epochs, "min_steps": 0, "seed": 0,
               "class_weight": None, "sampler": "shuffle", "steps_per_image": 0.0}  # fmt: skip
        other = type(self)(**{**self.get_params(deep=False), **own})
        other.notes_, other.training_digest_ = [], cast(Faces, self.pretrain).digest()
        return other

    def _class_tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Tensors of ``modules_`` that are fitted to the target's faces, and the layers whose rows are classes."""
        return [], list(self.modules_["classifier"].state_dict(keep_vars=True).values())

    def _length(self, images: int) -> tuple[int, int]:
        """Epochs to train, and epochs between two steps of the learning rate, stretched alike."""
        epochs = self.training_epochs(images)
        return epochs, max(1, round(self.decay_epochs * epochs / self.epochs))

    def _scheduler(self, epochs: int, decay_epochs: int) -> Callable[..., Any]:
        """The learning rate's course over so many epochs, for a phase."""
        if self.schedule == "one-cycle":
            return partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=partial(one_cycle, epochs=epochs))
        return partial(torch.optim.lr_scheduler.StepLR, step_size=decay_epochs, gamma=self.decay)

    def _class_weights(self, counts: np.ndarray) -> Tensor | None:
        choice = self.class_weight
        if choice is None:
            return None
        if isinstance(choice, str):
            check_choice("class_weight", choice, ("balanced",))
            return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
        if unknown := sorted(set(choice) - set(self.classes_)):
            raise ValueError(f"class_weight names {', '.join(unknown)}, but the classes are {', '.join(self.classes_)}")
        return torch.tensor([float(choice.get(name, 1.0)) for name in self.classes_], dtype=torch.float32)

    def _validation_score(self, validation: Faces) -> Callable[[], float]:
        """Accuracy on ``validation``."""
        images, truth = resized(validation, self.image_size), validation.expression
        return lambda: float((self._classes(self._probabilities(images)) == truth).mean())

    def _classes(self, probabilities: np.ndarray) -> np.ndarray:
        return self.classes_[probabilities.argmax(1)]

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        return {"predict_proba": self._scores}

    def _probabilities(self, images: Any) -> np.ndarray:
        return self._map(images, self._scores, whole=True)

    def _scores(self, faces: Tensor) -> Tensor:
        """Probabilities (n, K) of images (n, 3, image_size, image_size) in [-1, 1], the mean over test views."""
        return torch.stack(
            [self._forward_features(view)[1].float().softmax(1) for view in self._test_views(faces)]
        ).mean(0)

    def _test_views(self, pictures: Tensor) -> list[Tensor]:
        """The crops (n, 3, crop, crop) of images that are classified."""
        centre = self._centre(pictures)
        return [centre, centre.flip(-1)] if self.test_flip else [centre]


def people_weights(people: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    """Chances (n,) under which each person, and of a person each class that is there, is drawn equally often.

    Parameters
    ----------
    people, labels : (n,) int
        Numbers of the person and of the class of each face.

    Raises
    ------
    ValueError
        If ``people`` is None.
    """
    if people is None:
        raise ValueError("sampler='people': the training faces do not name their people; take 'shuffle'")
    pairs, place, faces = np.unique(np.stack([people, labels]), axis=1, return_inverse=True, return_counts=True)
    classes = np.bincount(pairs[0])  # of each person
    return 1 / (faces[place.ravel()] * classes[people])


def one_cycle(epoch: int, epochs: int) -> float:
    """Share of the highest learning rate in an epoch, counted from 0: up over a tenth, then half a cosine to 0."""
    rising = max(1, round(0.1 * epochs))
    if epoch < rising:
        return (epoch + 1) / (rising + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (epoch - rising) / max(1, epochs - rising))
