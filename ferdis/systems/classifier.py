"""What every classifier does the same way: take Faces, train, predict.

A system adds its networks (``_build``), its phases (``_stages``) and how it reads an image (``_forward_features``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ferdis.faces import Faces
from ferdis.systems.base import Estimator, check_choice, module_device, modules_in_eval_mode, preprocessing_of, resized
from ferdis.training import ArrayBatches, Stage

__all__ = ["Classifier", "TrainingSet", "check_choice", "module_device", "modules_in_eval_mode", "resized"]

C = TypeVar("C", bound="Classifier")


@dataclass(frozen=True)
class TrainingSet:
    """What a system trains on.

    Attributes
    ----------
    images : array-like (n, S, S, 3) uint8, S = image_size
    labels : (n,) int64, numbers of the sorted class names
    target : (n,) bool, False for faces that came as ``extra_train``
    class_weights : Tensor (K,) or None, for the cross-entropy
    row_weights : (n,) or None, chances of being drawn
    people : (n,) int64, numbers of the subjects; None where the set does not know them
    faces : Faces that came to ``fit``: the first rows of ``images``, in their own size
    """

    images: Any
    labels: np.ndarray
    target: np.ndarray
    class_weights: Tensor | None
    row_weights: np.ndarray | None
    people: np.ndarray | None
    faces: Faces

    def batches(self, batch_size: int, seed: int) -> ArrayBatches:
        """Seeded batches of ``image`` (b, S, S, 3) uint8 and ``label`` (b,)."""
        return ArrayBatches({"image": self.images, "label": self.labels}, batch_size, seed, self.row_weights)


class Classifier(ClassifierMixin, Estimator):
    """Base of the recognition systems; scikit-learn's habits, Faces as ``X``.

    Subclasses have the parameters image_size, crop_size, class_weight, sampler, extra_train, test_flip, weights, seed,
    accelerator, devices, precision, gradient_clip, logger and progress.
    """

    image_size: int
    class_weight: str | Mapping[str, float] | None
    sampler: str
    extra_train: Faces | None
    test_flip: bool
    weights: str | None

    def _build(self, n_classes: int, weights: str | None) -> dict[str, nn.Module]:
        """Fresh networks by name."""
        raise TypeError(f"{type(self).__name__} builds no networks")

    def _stages(self, training: TrainingSet, validate: Callable[[], float] | None) -> list[Stage]:
        """Stages of phases for the trainer; ``modules_`` and ``classes_`` are set."""
        raise TypeError(f"{type(self).__name__} has no training")

    def _forward_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, K) of images (n, 3, crop, crop) in [-1, 1]; modules are in eval mode."""
        raise TypeError(f"{type(self).__name__} reads no pictures")

    def fit(
        self: C,
        faces: Faces,
        y: Any = None,
        *,
        validation: Faces | None = None,
        run_dir: str | Path | None = None,
        keep_epochs: bool = False,
    ) -> C:
        """Train on ``faces``.

        Parameters
        ----------
        faces : Faces
            Training faces; every fitted thing sees these (and ``extra_train``) alone.
        y : (n,) of str, optional
            Labels instead of ``faces.expression``.
        validation : Faces, optional
            If given, the epoch with the best accuracy on them is kept instead of the last one.
        run_dir : path, optional
            Where checkpoints and the history go; fitting again with it continues where a killed run was.
        keep_epochs : bool
            Keep the weights of every epoch under ``run_dir/epochs``; they enter no decision.

        Raises
        ------
        ValueError
            On fewer than two classes, faces without rows, or an argument out of its range.
        """
        self._check_parameters()
        training = self._training_set(faces, y)
        self.selection_ = "last" if validation is None else "validation"
        self.training_digest_ = faces.digest()
        self.preprocessing_ = preprocessing_of(faces)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.modules_ = self._build(len(self.classes_), self.weights)
        self._to_device()
        validate = None
        if validation is not None:
            images, truth = resized(validation, self.image_size), validation.expression
            validate = lambda: float((self._classes(self._probabilities(images)) == truth).mean())  # noqa: E731
        trainer = self._trainer(run_dir, keep_epochs)
        trainer.run(self._stages(training, validate), signature=self._signature(validation))
        self.history_ = trainer.history.to_frame()
        self._to_device()
        return self

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
        if about.get("weights", "") is None:
            notes.append(
                f"{type(self).__name__}: weights=None, trained from random weights (the papers start from ImageNet)"
            )
        return {**about, "notes": notes + about["notes"]}

    def flops(self) -> int:
        """Floating point operations of one prediction (two a multiplication and addition), counted on one image."""
        if not hasattr(self, "modules_"):
            untrained = type(self)(**self.get_params(deep=False))
            with torch.random.fork_rng():
                untrained.modules_ = self._build(2, None)
            return untrained.flops()
        image = torch.zeros(1, 3, self.crop_size, self.crop_size, device=module_device(self.modules_))
        with modules_in_eval_mode(self.modules_), FlopCounterMode(display=False) as counter:
            self._forward_features(image)
        return int(counter.get_total_flops())

    def _state(self) -> dict[str, Any]:
        return {"classes": [str(name) for name in self.classes_]}

    def _restored(self, about: Mapping[str, Any]) -> dict[str, nn.Module]:
        self.classes_ = np.array(about["classes"])
        return self._build(len(self.classes_), None)

    # ------------------------------------------------------------------------------------------ shared machinery

    def _check_parameters(self) -> None:
        """Errors for parameters out of range; systems add their own."""
        for name, choices in (("sampler", ("shuffle", "balanced")),):
            check_choice(name, getattr(self, name), choices)
        if self.crop_size > self.image_size:
            raise ValueError(f"crop_size={self.crop_size} is larger than image_size={self.image_size}")
        if self.epochs < 1:
            raise ValueError(f"epochs={self.epochs}: train for at least one")

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        expression = faces.expression if y is None else np.asarray(y, dtype=str)
        if len(faces) == 0 or len(expression) != len(faces):
            raise ValueError(f"{len(faces)} training faces and {len(expression)} labels: as many of both are needed")
        self.classes_ = np.unique(expression)
        if len(self.classes_) < 2:
            raise ValueError(f"the training faces show one class only ({self.classes_[0]}): a classifier needs two")
        self.notes_ = []
        size = self.image_size
        images, target = resized(faces, size), np.ones(len(faces), dtype=bool)
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
            target = np.concatenate([target, np.zeros(len(kept), dtype=bool)])
            known = subjects is not None and kept.has_subjects
            subjects = np.concatenate([subjects, kept.subject]) if known else None
        labels = np.searchsorted(self.classes_, expression).astype(np.int64)
        counts = np.bincount(labels, minlength=len(self.classes_))
        rows = (1 / counts)[labels] if self.sampler == "balanced" else None
        people = None if subjects is None else np.unique(subjects, return_inverse=True)[1].astype(np.int64)
        return TrainingSet(images, labels, target, self._class_weights(counts), rows, people, faces)

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
