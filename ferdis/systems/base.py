"""What every classifier does the same way: take Faces, train, predict, save and load.

A system adds its networks (``_build``), its phases (``_stages``) and how it reads a picture (``_read``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ferdis.checkpoints import load_modules, save_modules
from ferdis.faces import Faces
from ferdis.preprocess.augment import centre_crop, to_unit_range
from ferdis.preprocess.images import resize_batch
from ferdis.training import ArrayBatches, Stage, Trainer

FORMAT = 1  # of a saved estimator; raised when an older ferdis could not read it
_PREDICT_BATCH = 64
_RESIZE_BATCH = 256
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
    """

    images: Any
    labels: np.ndarray
    target: np.ndarray
    class_weights: Tensor | None
    row_weights: np.ndarray | None

    def batches(self, batch_size: int, seed: int) -> ArrayBatches:
        """Seeded batches of ``image`` (b, S, S, 3) uint8 and ``label`` (b,)."""
        return ArrayBatches({"image": self.images, "label": self.labels}, batch_size, seed, self.row_weights)


class Classifier(ClassifierMixin, BaseEstimator):
    """Base of the recognition systems; scikit-learn's habits, Faces as ``X``.

    Subclasses have the parameters image_size, crop_size, class_weight, sampler, extra_train, test_flip, weights, seed,
    accelerator, devices, precision, gradient_clip, logger and progress.
    """

    preset: ClassVar[Mapping[str, Any]] = {}  # what `small` changes

    image_size: int
    crop_size: int
    class_weight: str | Mapping[str, float] | None
    sampler: str
    extra_train: Faces | None
    test_flip: bool
    weights: str | None
    epochs: int
    min_steps: int
    batch_size: int
    decay_epochs: int
    seed: int
    accelerator: str

    @classmethod
    def small(cls: type[C], **changes: Any) -> C:
        """The same system for two CPU cores: 64x64 faces, narrow networks, random weights.

        ``changes`` override; with ``epochs`` among them exactly so many are trained, whatever ``min_steps`` says.
        """
        return cls(**{**cls.preset, **({"min_steps": 0} if "epochs" in changes else {}), **changes})

    def _build(self, n_classes: int, weights: str | None) -> dict[str, nn.Module]:
        """Fresh networks by name."""
        raise TypeError(f"{type(self).__name__} builds no networks")

    def _stages(self, training: TrainingSet, validate: Callable[[], float] | None) -> list[Stage]:
        """Stages of phases for the trainer; ``modules_`` and ``classes_`` are set."""
        raise TypeError(f"{type(self).__name__} has no training")

    def _read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, d) and logits (n, K) of pictures (n, 3, crop, crop) in [-1, 1]; modules are in eval mode."""
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
        self.preprocessing_ = faces.attrs.get("preprocessing")
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.modules_ = self._build(len(self.classes_), self.weights)
        self._to_device()
        validate = None
        if validation is not None:
            images, truth = resized(validation, self.image_size), validation.expression
            validate = lambda: float((self._classes(self._probabilities(images)) == truth).mean())  # noqa: E731
        trainer = Trainer(
            run_dir=run_dir, keep_epochs=keep_epochs, **{name: getattr(self, name) for name in _TRAINER_PARAMETERS}
        )
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
        return self._map(resized(faces, self.image_size), lambda images: self._read(images)[0])

    def describe(self) -> dict[str, Any]:
        """All parameters, JSON-able (Faces become digests), and ``notes``: what a reader of a figure must know."""
        parameters = {name: _jsonable(value) for name, value in self.get_params(deep=False).items()}
        notes = [f"{type(self).__name__}: {self.flops() / 1e9:.2f} GFLOP an image at {self.crop_size} pixels"]
        if parameters.get("weights", "") is None:
            notes.append(
                f"{type(self).__name__}: weights=None, trained from random weights (the papers start from ImageNet)"
            )
        return {"class": type(self).__name__, **parameters, "notes": notes + list(getattr(self, "notes_", []))}

    def training_epochs(self, images: float) -> int:
        """Epochs that ``fit`` trains on so many faces: ``epochs``, or more where ``min_steps`` asks for them."""
        steps = max(1, round(images / self.batch_size))
        return max(self.epochs, -(-self.min_steps // steps))

    def flops(self) -> int:
        """Floating point operations of one prediction (two a multiplication and addition), counted on one image."""
        if not hasattr(self, "modules_"):
            untrained = type(self)(**self.get_params(deep=False))
            with torch.random.fork_rng():
                untrained.modules_ = self._build(2, None)
            return untrained.flops()
        image = torch.zeros(1, 3, self.crop_size, self.crop_size, device=_device(self.modules_))
        with _evaluating(self.modules_), FlopCounterMode(display=False) as counter:
            self._read(image)
        return int(counter.get_total_flops())

    def save(self, folder: str | Path) -> Path:
        """Write ``weights.safetensors`` and ``estimator.json`` into ``folder``; returns it."""
        check_is_fitted(self, "modules_")
        folder = Path(folder)
        save_modules(folder / "weights.safetensors", self.modules_)
        about = {
            "format": FORMAT,
            "class": type(self).__name__,
            "parameters": {name: _jsonable(value) for name, value in self.get_params(deep=False).items()},
            "classes": [str(name) for name in self.classes_],
            "selection": self.selection_,
            "training_digest": self.training_digest_,
            "preprocessing": _jsonable(self.preprocessing_),
            "notes": list(getattr(self, "notes_", [])),
        }
        partial = folder / "estimator.json.partial"
        partial.write_text(json.dumps(about, indent=1))
        partial.replace(folder / "estimator.json")
        return folder

    @classmethod
    def load(cls: type[C], folder: str | Path) -> C:
        """Read what :meth:`save` wrote. Faces-valued parameters come back as None: only their digest was kept.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing or damaged, of another class, or written by a newer version.
        """
        about = _read_about(Path(folder), cls.__name__)
        known = cls().get_params(deep=False)
        parameters = {name: value for name, value in about["parameters"].items() if name in known}
        parameters = {k: None if isinstance(v, Mapping) and "faces_digest" in v else v for k, v in parameters.items()}
        estimator = cls(**parameters)
        estimator.classes_ = np.array(about["classes"])
        estimator.selection_ = about["selection"]
        estimator.training_digest_ = about["training_digest"]
        estimator.preprocessing_ = about["preprocessing"]
        estimator.notes_ = about["notes"]
        estimator.history_ = pd.DataFrame(columns=["stage", "epoch", "step", "phase", "term", "value"])
        estimator.modules_ = estimator._build(len(estimator.classes_), None)
        load_modules(Path(folder) / "weights.safetensors", estimator.modules_)
        estimator._to_device()
        return estimator

    def load_epoch(self: C, path: str | Path) -> C:
        """Put the weights of one kept epoch (``run_dir/epochs/epoch-003.safetensors``) in place of the fitted ones."""
        check_is_fitted(self, "modules_")
        load_modules(path, self.modules_)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "modules_")

    # ------------------------------------------------------------------------------------------ shared machinery

    def _check_parameters(self) -> None:
        """Errors for parameters out of range; systems add their own."""
        for name, choices in (("sampler", ("shuffle", "balanced")),):
            check_choice(name, getattr(self, name), choices)
        if self.crop_size > self.image_size:
            raise ValueError(f"crop_size={self.crop_size} is larger than image_size={self.image_size}")
        if self.epochs < 1:
            raise ValueError(f"epochs={self.epochs}: train for at least one")

    def _length(self, images: int) -> tuple[int, int]:
        """Epochs to train, and epochs between two steps of the learning rate, stretched alike."""
        epochs = self.training_epochs(images)
        return epochs, max(1, round(self.decay_epochs * epochs / self.epochs))

    def _signature(self, validation: Faces | None) -> str:
        """Tells this training from another one in the same folder."""
        parameters = {name: _jsonable(value) for name, value in self.get_params(deep=False).items()}
        shown = {name: value for name, value in parameters.items() if name not in _NO_INFLUENCE}
        text = json.dumps([shown, self.training_digest_, validation.digest() if validation is not None else None])
        return hashlib.sha256(text.encode()).hexdigest()

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        expression = faces.expression if y is None else np.asarray(y, dtype=str)
        if len(faces) == 0 or len(expression) != len(faces):
            raise ValueError(f"{len(faces)} training faces and {len(expression)} labels: as many of both are needed")
        self.classes_ = np.unique(expression)
        if len(self.classes_) < 2:
            raise ValueError(f"the training faces show one class only ({self.classes_[0]}): a classifier needs two")
        self.notes_: list[str] = []
        size = self.image_size
        images, target = resized(faces, size), np.ones(len(faces), dtype=bool)
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
        labels = np.searchsorted(self.classes_, expression).astype(np.int64)
        counts = np.bincount(labels, minlength=len(self.classes_))
        rows = (1 / counts)[labels] if self.sampler == "balanced" else None
        return TrainingSet(images, labels, target, self._class_weights(counts), rows)

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

    def _probabilities(self, images: Any) -> np.ndarray:
        def read(batch: Tensor) -> Tensor:
            probabilities = self._read(batch)[1].float().softmax(1)
            if self.test_flip:
                probabilities = (probabilities + self._read(batch.flip(-1))[1].float().softmax(1)) / 2
            return probabilities

        return self._map(images, read)

    def _map(self, images: Any, function: Callable[[Tensor], Tensor], batch: int = _PREDICT_BATCH) -> np.ndarray:
        """``function`` of all centre crops in [-1, 1], a batch at a time; the results end to end."""
        device, out = _device(self.modules_), []
        with _evaluating(self.modules_):
            for start in range(0, len(images), batch):
                chunk = np.ascontiguousarray(images[start : start + batch])
                floats = to_unit_range(torch.from_numpy(chunk).to(device))
                out.append(function(centre_crop(floats, self.crop_size)).cpu().numpy())
        if not out:
            raise ValueError("there are no faces to read: the Faces given has no rows")
        return np.concatenate(out)

    def _to_device(self) -> None:
        """Networks to where predictions run: the accelerator asked for, or the CPU."""
        wanted = self.accelerator
        device = "cuda" if wanted in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
        for module in self.modules_.values():
            module.to(device).to(memory_format=torch.channels_last)
            module.eval()


_NO_INFLUENCE = ("logger", "progress")  # parameters that change no weight
_TRAINER_PARAMETERS = ("accelerator", "devices", "precision", "seed", "gradient_clip", "logger", "progress")


@contextmanager
def _evaluating(modules: dict[str, nn.Module]) -> Iterator[None]:
    """Modules in eval mode without gradients inside the block, as they were after it."""
    before = {name: module.training for name, module in modules.items()}
    for module in modules.values():
        module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for name, module in modules.items():
            module.train(before[name])


def resized(faces: Faces, size: int) -> Any:
    """Pictures (n, size, size, 3) uint8: the faces' own where the size fits, else resized once, in memory."""
    if faces.shape[1:3] == (size, size):
        return faces.images
    out = np.empty((len(faces), size, size, 3), np.uint8)
    for start in range(0, len(faces), _RESIZE_BATCH):
        chunk = torch.from_numpy(np.ascontiguousarray(faces.pixels(slice(start, start + _RESIZE_BATCH))))
        resized = resize_batch(chunk.permute(0, 3, 1, 2).float(), size).round_().clamp_(0, 255)
        out[start : start + _RESIZE_BATCH] = resized.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return out


def _device(modules: dict[str, nn.Module]) -> torch.device:
    return next(parameter.device for module in modules.values() for parameter in module.parameters())


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """A ValueError that lists the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(choices)}")


def _jsonable(value: Any) -> Any:
    if isinstance(value, Faces):
        return {"faces_digest": value.digest(), "faces": repr(value)}
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _read_about(folder: Path, cls: str) -> dict[str, Any]:
    path = folder / "estimator.json"
    if not path.is_file():
        raise FileNotFoundError(f"no estimator.json in {folder}: give a folder that {cls}.save() wrote")
    try:
        about = json.loads(path.read_text())
        version, found = about["format"], about["class"]
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: it is not what {cls}.save() writes") from error
    if version > FORMAT:
        raise ValueError(f"{path} has format {version}, this ferdis reads up to {FORMAT}: install a newer ferdis")
    if found != cls:
        raise ValueError(f"{path} holds a {found}, not a {cls}: load it with {found}.load()")
    return about
