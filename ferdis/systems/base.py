"""What every system does the same way, classifier or generator: parameters, training, reading images, files.

A system adds its networks (:meth:`Estimator._restored`), its own fitted state (:meth:`Estimator._state`) and ``fit``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ferdis._io import file_digest, write_json
from ferdis.faces import Faces
from ferdis.nn import eval_mode
from ferdis.preprocess.augment import centre_crop, to_unit_range
from ferdis.preprocess.cache import default_directory
from ferdis.preprocess.images import resize_batch, whole_pixels
from ferdis.training import Stage, Trainer
from ferdis.training.checkpoints import load_modules, save_modules
from ferdis.training.distributed import meet, rank_and_world_of_launch

FORMAT = 1  # of a saved estimator; raised when an older ferdis could not read it
_PREDICT_BATCH = 64
_RESIZE_BATCH = 128
NON_REPRODUCIBILITY_PARAMS = ("logger", "progress")  # parameters that change no weight
_TRAINER_PARAMETERS = ("accelerator", "devices", "precision", "seed", "gradient_clip", "logger", "progress")
S = TypeVar("S", bound="Estimator")


class Estimator(BaseEstimator):
    """Base of all systems; scikit-learn's habits, Faces as ``X``.

    Subclasses have the parameters image_size, crop_size, epochs, min_steps, batch_size, seed, accelerator, devices,
    precision, gradient_clip, logger and progress. ``fit`` sets ``modules_``, ``notes_``, ``selection_``,
    ``training_digest_``, ``preprocessing_`` and ``history_``.
    """

    preset: ClassVar[Mapping[str, Any]] = {}  # what `small` changes

    crop_size: int
    epochs: int
    min_steps: int
    batch_size: int
    decay_epochs: int
    seed: int
    accelerator: str
    modules_: dict[str, nn.Module]
    notes_: list[str]

    @classmethod
    def small(cls: type[S], **changes: Any) -> S:
        """The same system for two CPU cores: 64x64 faces, narrow networks, random weights.

        ``changes`` override; with ``epochs`` among them exactly so many are trained, whatever ``min_steps`` says.
        """
        return cls(**{**cls.preset, **({"min_steps": 0} if "epochs" in changes else {}), **changes})

    def _state(self) -> dict[str, Any]:
        """Fitted state besides networks and what all systems have, JSON-able."""
        raise TypeError(f"{type(self).__name__} has no fitted state")

    def _restored(self, about: Mapping[str, Any]) -> dict[str, nn.Module]:
        """Take :meth:`_state` back, and give fresh networks for the saved weights."""
        raise TypeError(f"{type(self).__name__} builds no networks")

    def describe(self) -> dict[str, Any]:
        """All parameters, JSON-able (Faces become digests), and ``notes``: what a reader of a figure must know."""
        parameters = {name: jsonable(value) for name, value in self.get_params(deep=False).items()}
        return {"class": type(self).__name__, **parameters, "notes": list(getattr(self, "notes_", []))}

    def training_epochs(self, images: float) -> int:
        """Epochs that ``fit`` trains on so many faces: ``epochs``, or more where ``min_steps`` asks for them."""
        steps = max(1, round(images / self.batch_size))
        return max(self.epochs, -(-self.min_steps // steps))

    def _graphs(self) -> dict[str, Callable[..., Tensor]]:
        """What can be exported, tensor by tensor: functions of ``modules_`` by the public method that each computes.

        A parameter called ``au`` is action units (n, 17); any other is images (n, 3, image_size, image_size) in
        [-1, 1]. The result is what the method gives for a batch: probabilities, or images in [-1, 1].
        """
        return {}

    def save(self, folder: str | Path) -> Path:
        """Write ``weights.safetensors`` and ``estimator.json`` into ``folder``; returns it."""
        check_is_fitted(self, "modules_")
        folder = Path(folder)
        weights = folder / "weights.safetensors"
        save_modules(weights, self.modules_)
        about = {
            "format": FORMAT,
            "class": type(self).__name__,
            "weights_sha256": file_digest(weights),
            "parameters": {name: jsonable(value) for name, value in self.get_params(deep=False).items()},
            **self._state(),
            "selection": self.selection_,
            "training_digest": self.training_digest_,
            "preprocessing": jsonable(self.preprocessing_),
            "notes": list(getattr(self, "notes_", [])),
        }
        write_json(folder / "estimator.json", about)
        return folder

    @classmethod
    def load(cls: type[S], folder: str | Path) -> S:
        """Read what :meth:`save` wrote. Faces-valued parameters come back as None: only their digest was kept.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing, damaged or changed since, of another class, or written by a newer version.
        """
        about = read_about(Path(folder))
        if (found := about["class"]) != cls.__name__:
            raise ValueError(f"{folder} holds a {found}, not a {cls.__name__}: load it with {found}.load()")
        _check_weights(Path(folder) / "weights.safetensors", about)
        known = cls().get_params(deep=False)
        parameters = {name: value for name, value in about["parameters"].items() if name in known}
        parameters = {k: None if isinstance(v, Mapping) and "faces_digest" in v else v for k, v in parameters.items()}
        estimator = cls(**parameters)
        estimator.selection_ = about["selection"]
        estimator.training_digest_ = about["training_digest"]
        estimator.preprocessing_ = about["preprocessing"]
        estimator.notes_ = about["notes"]
        estimator.history_ = pd.DataFrame(columns=["stage", "epoch", "step", "phase", "term", "value"])
        estimator.modules_ = estimator._restored(about)
        load_modules(Path(folder) / "weights.safetensors", estimator.modules_)
        estimator._to_device()
        return estimator

    def load_epoch(self: S, path: str | Path) -> S:
        """Put the weights of one kept epoch (``run_dir/epochs/epoch-003.safetensors``) in place of the fitted ones."""
        check_is_fitted(self, "modules_")
        load_modules(path, self.modules_)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "modules_")

    # ------------------------------------------------------------------------------------------ shared machinery

    def _length(self, images: int) -> tuple[int, int]:
        """Epochs to train, and epochs between two steps of the learning rate, stretched alike."""
        epochs = self.training_epochs(images)
        return epochs, max(1, round(self.decay_epochs * epochs / self.epochs))

    def _trainer(self, run_dir: str | Path | None, keep_epochs: bool = False) -> Trainer:
        chosen = {name: getattr(self, name) for name in _TRAINER_PARAMETERS}
        return Trainer(run_dir=run_dir, keep_epochs=keep_epochs, **chosen)

    def _signature(self, validation: Faces | None) -> str:
        """Tells this training from another one in the same folder."""
        parameters = {name: jsonable(value) for name, value in self.get_params(deep=False).items()}
        shown = {name: value for name, value in parameters.items() if name not in NON_REPRODUCIBILITY_PARAMS}
        text = json.dumps([shown, self.training_digest_, validation.digest() if validation is not None else None])
        return hashlib.sha256(text.encode()).hexdigest()

    def _map(self, images: Any, function: Callable[[Tensor], Tensor], *, whole: bool = False) -> np.ndarray:
        """``function`` of the centre crops, or the ``whole`` images, in [-1, 1], a batch at a time; end to end."""
        device, out = module_device(self.modules_), []
        with modules_in_eval_mode(self.modules_):
            for start in range(0, len(images), _PREDICT_BATCH):
                chunk = np.ascontiguousarray(images[start : start + _PREDICT_BATCH])
                floats = to_unit_range(torch.from_numpy(chunk).to(device))
                out.append(function(floats if whole else self._centre(floats)).cpu().numpy())
        if not out:
            raise ValueError("there are no faces to read: the Faces given has no rows")
        return np.concatenate(out)

    def _centre(self, pictures: Tensor) -> Tensor:
        """What the networks see of images (n, 3, image_size, image_size) outside training: (n, 3, crop, crop)."""
        return centre_crop(pictures, self.crop_size)

    def _to_device(self) -> None:
        """Networks to where predictions run: the accelerator asked for, or the CPU."""
        wanted = self.accelerator
        device = "cuda" if wanted in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
        for module in self.modules_.values():
            module.to(device).to(memory_format=torch.channels_last)
            module.eval()


def train_once(
    estimator: Estimator, kind: str, modules: Mapping[str, nn.Module], stages: Callable[[], list[Stage]]
) -> Path:
    """Train ``modules`` unless the same training has been done before: for what all folds share.

    Parameters
    ----------
    estimator : Estimator
        Its parameters and ``training_digest_`` tell one training from another; its trainer is used.
    kind : str
        Folder in ``$FERDIS_CACHE`` (``~/.cache/ferdis``).
    stages : callable
        Called only if there is something to train; a training that was killed goes on where it was.

    Returns
    -------
    Path
        Of the weights, for :func:`ferdis.training.checkpoints.load_modules`.
    """
    folder = default_directory() / kind / estimator._signature(None)[:20]
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.safetensors"
    first = rank_and_world_of_launch()[0] == 0  # processes that train this together do not wait for each other
    with FileLock(folder / "lock") if first else nullcontext():  # folds side by side wait for the first of them
        if not weights.is_file():
            estimator._trainer(folder).run(stages(), signature=folder.name)
            if first:
                save_modules(weights, modules)
            meet()
    return weights


@contextmanager
def modules_in_eval_mode(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Modules in eval mode without gradients inside the block, as they were after it."""
    with ExitStack() as stack:
        for module in modules.values():
            stack.enter_context(eval_mode(module))
        stack.enter_context(torch.inference_mode())
        yield


def resized(faces: Faces, size: int) -> Any:
    """Pictures (n, size, size, 3) uint8: the faces' own where the size fits, else resized once, in memory."""
    if faces.shape[1:3] == (size, size):
        return faces.images
    out = np.empty((len(faces), size, size, 3), np.uint8)
    for start in range(0, len(faces), _RESIZE_BATCH):
        chunk = torch.from_numpy(np.ascontiguousarray(faces.pixels(slice(start, start + _RESIZE_BATCH))))
        resized = whole_pixels(resize_batch(chunk.permute(0, 3, 1, 2).double(), size))
        out[start : start + _RESIZE_BATCH] = resized.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return out


def preprocessing_of(faces: Faces) -> dict[str, Any]:
    """How ``faces`` were made of images, for a saved system: what prediction has to do again.

    The record of :func:`ferdis.preprocess.align.record_of` (``name`` is None where the faces do not say it), and
    ``image_size`` (height, width in pixels) and ``dataset`` of these faces.
    """
    record = faces.attrs.get("preprocessing") or {"name": None}
    return {**record, "image_size": list(faces.shape[1:3]), "dataset": faces.attrs.get("dataset")}


def module_device(modules: Mapping[str, nn.Module]) -> torch.device:
    """Where the modules' parameters are."""
    return next(parameter.device for module in modules.values() for parameter in module.parameters())


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """A ValueError that lists the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(choices)}")


def jsonable(value: Any) -> Any:
    """``value`` as JSON can hold it; Faces become their digest."""
    if isinstance(value, Faces):
        return {"faces_digest": value.digest(), "faces": repr(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def read_about(folder: Path) -> dict[str, Any]:
    """The ``estimator.json`` of a saved system of any class.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is missing or damaged, or written by a newer version.
    """
    path = folder / "estimator.json"
    if not path.is_file():
        raise FileNotFoundError(f"no estimator.json in {folder}: give a folder that save() wrote")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version = int(about["format"])
        str(about["class"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: it is not what save() writes") from error
    if version > FORMAT:
        raise ValueError(f"{path} has format {version}, this ferdis reads up to {FORMAT}: install a newer ferdis")
    return about


def _check_weights(path: Path, about: Mapping[str, Any]) -> None:
    """Refuse weights that are not those which were saved; a model of before the digest is taken as it is."""
    digest = about.get("weights_sha256")
    if digest and path.is_file() and file_digest(path) != digest:
        raise ValueError(f"{path} was changed after it was saved (its SHA-256 differs): copy the folder again or refit")
