"""What every system does the same way, classifier, generator or judge: parameters, training, reading images, files.

:meth:`Estimator.fit` is the one ``fit`` of the library. A system adds

- its parameters, in a dataclass; those that every training has are inherited from :class:`TrainingParameters`;
- ``_training_set(faces, y)``: what it learns from, as a :class:`TrainingSet`;
- ``_build()``: its networks;
- ``_stages(training)``: how they are trained, for :class:`ferdis.training.Trainer`;
- ``_fitted_state()`` and ``_restore(state)``: what it has learned besides its networks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ferdis import zoo
from ferdis._io import file_digest, sealed, write_json
from ferdis.faces import Faces, cropped_faces
from ferdis.messages import with_kind
from ferdis.nn import check_pretrained, eval_mode
from ferdis.preprocess.augment import centre_crop, to_unit_range
from ferdis.preprocess.images import resize_batch, whole_pixels
from ferdis.systems.arguments import RefusesUnknownArguments
from ferdis.systems.arguments import check_choice as check_choice  # where it was
from ferdis.systems.presets import FollowsTheSet
from ferdis.systems.saved import FORMAT, check_weights, load_weights, read_about
from ferdis.training import ArrayBatches, Callback, Stage, Trainer
from ferdis.training.checkpoints import save_modules
from ferdis.training.memory import freed_memory_kept
from ferdis.training.shared import train_shared

_PREDICT_BATCH = 64
_RESIZE_BATCH = 128
NON_REPRODUCIBILITY_PARAMS = ("logger", "progress")  # parameters that change no weight
_TRAINER_PARAMETERS = ("accelerator", "devices", "precision", "seed", "gradient_clip", "logger", "progress")
# Arguments that came later: at these values they change no training, and its name stays what it was.
_NEUTRAL = {"steps_per_image": 0.0}
S = TypeVar("S", bound="Estimator")

if TYPE_CHECKING:  # scikit-learn has no types: what inherits from it would have every attribute

    class BaseEstimator:  # noqa: D101
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...  # noqa: D102
        def set_params(self: S, **params: Any) -> S: ...  # type: ignore[misc]  # noqa: D102

else:
    from sklearn.base import BaseEstimator


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class TrainingParameters:
    """Arguments that every training has. A system inherits them and gives those without a default its paper's value.

    Parameters
    ----------
    image_size : int
        Side of the images in pixels; faces of another size are resized.
    epochs : int
        Passes over the training faces.
    min_steps : int
        Epochs are added, in every stage alike, until there are at least so many steps: a small set is not seen too
        seldom.
    steps_per_image : float
        Above 0, ``min_steps`` falls with the set: to so many steps for each training face, and no less than a sixth of
        ``min_steps``. 0 asks for ``min_steps`` whatever the set.
    batch_size : int
        Faces in a step.
    learning_rate : float
        Of the main optimiser, at the start.
    gradient_clip : float or None
        Largest norm of a phase's gradient; None does not clip.
    seed : int
        Of every random choice.
    accelerator, devices, precision : str, int, str
        As in lightning Fabric; "auto" takes the GPU if there is one, and bfloat16 where it has it.
    logger : str or None
        "csv" (``history.csv``) or "tensorboard", below ``run_dir``; or None.
    progress : bool
        Show a progress bar.
    """

    image_size: int
    epochs: int
    min_steps: int = 0
    steps_per_image: float = 0.0
    batch_size: int
    learning_rate: float
    gradient_clip: float | None = None
    seed: int = 0
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "auto"
    logger: str | None = "csv"
    progress: bool = True


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What a system trains on.

    Attributes
    ----------
    images : array-like (n, S, S, 3) uint8, S = image_size
    labels : ndarray (n, ...)
        What is learned of each: (n,) int64 numbers of the sorted class names, or (n, 17) action units.
    faces : Faces that came to ``fit``: the first rows of ``images``, in their own size
    extra : how many rows, the last ones, came as ``extra_train``
    people : (n,) int64, numbers of the subjects; None where the set does not know them
    class_weights : Tensor (K,) or None, for the cross-entropy
    row_weights : (n,) or None, chances of being drawn
    held_out : Faces of subjects that are not learned from, to measure the error on; None without
    """

    images: Any
    labels: np.ndarray
    faces: Faces
    extra: int = 0
    people: np.ndarray | None = None
    class_weights: Tensor | None = None
    row_weights: np.ndarray | None = None
    held_out: Faces | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, batch_size: int, seed: int, people: bool = False) -> ArrayBatches:
        """Seeded batches of ``image`` (b, S, S, 3) uint8 and ``label`` (b, ...), with ``people`` of ``person`` (b,)."""
        arrays = {"image": self.images, "label": self.labels, **({"person": self.people} if people else {})}
        return ArrayBatches(arrays, batch_size, seed, self.row_weights)


class Estimator(RefusesUnknownArguments, FollowsTheSet, TrainingParameters, BaseEstimator):
    """Base of all systems; scikit-learn's habits, Faces as ``X``. Subclasses are dataclasses of keyword arguments.

    Attributes
    ----------
    modules_ : dict of str to Module
        The networks.
    history_ : DataFrame
        Every loss term, by stage and epoch.
    notes_ : list of str
        What a reader of a figure must know.
    selection_ : str
        Which epoch was kept: the "last", or the best by "validation".
    training_digest_, preprocessing_ : str, dict
        Of the training faces: their digest, and how they were made of images.
    """

    trains_channels_last: ClassVar[bool] = True  # the layout in which convolutions and above all pooling are faster

    modules_: dict[str, nn.Module]
    notes_: list[str]

    def fit(
        self: S,
        faces: Faces,
        y: Any = None,
        *,
        validation: Faces | None = None,
        run_dir: str | Path | None = None,
        keep_epochs: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> S:
        """Train on ``faces``.

        Parameters
        ----------
        faces : Faces
            Training faces; every fitted thing sees these (and ``extra_train``) alone.
        y : (n,) of str, optional
            Labels instead of ``faces.expression``; systems that learn from action units or subjects ignore it.
        validation : Faces, optional
            For classifiers: the epoch with the best accuracy on them is kept instead of the last one.
        run_dir : path, optional
            Where checkpoints and the history go; fitting again with it continues where a killed run was.
        keep_epochs : bool
            Keep the weights of every epoch under ``run_dir/epochs``; they enter no decision.
        callbacks : sequence of Callback
            Told of every epoch; what one raises ends the training.

        Raises
        ------
        ValueError, FileNotFoundError
            On faces that the system cannot learn from, an argument out of its range, pretrained weights that cannot
            be had, or ``validation`` for a system without a score.
        """
        if not isinstance(faces, Faces):
            made = "Faces.from_arrays(images, labels) or Faces.from_paths(files, labels) makes them"
            raise ValueError(f"{type(self).__name__}.fit learns from Faces, got {type(faces).__name__}: {made}")
        self._check_parameters()
        self.notes_, self.selection_ = [], "last" if validation is None else "validation"
        self.training_digest_, self.preprocessing_ = faces.digest(), preprocessing_of(faces)
        training = self._training_set(faces, y)
        self.notes_ += self.remarks(len(training))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.modules_ = self._build()
            self._start()
            if self.trains_channels_last:
                self._to_device()
            stages = self._stages(training)
            if self.trains_channels_last:  # with them the networks that only training needs
                for module in (module for stage in stages for module in stage.modules.values()):
                    module.to(memory_format=torch.channels_last)
        if validation is not None:
            stages[-1] = replace(stages[-1], validate=self._validation_score(validation))
        chosen = {name: getattr(self, name) for name in _TRAINER_PARAMETERS}
        trainer = Trainer(run_dir=run_dir, keep_epochs=keep_epochs, callbacks=callbacks, **chosen)
        with freed_memory_kept():
            trainer.run(stages, signature=self._signature(validation))
        self.history_ = trainer.history.to_frame()
        self._to_device()
        self._after_training(training)
        return self

    def check(self) -> None:
        """Refuse what :meth:`fit` would refuse whatever the faces are, before any is read.

        Raises
        ------
        ValueError, FileNotFoundError
            On an argument out of its range, and pretrained weights that cannot be had.
        """
        self._check_parameters()
        self.training_epochs(1)
        name, weights = getattr(self, "classifier", None), getattr(self, "weights", None)
        if isinstance(name, str) and isinstance(weights, str):
            check_pretrained(name, weights)

    # ------------------------------------------------------------------------------------- what a system adds

    def _check_parameters(self) -> None:
        """Errors for parameters out of range."""

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        """What is learned from; sets the fitted attributes that :meth:`_build` needs, such as ``classes_``."""
        raise TypeError(f"{type(self).__name__} learns from nothing: it has no _training_set()")

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        """Fresh networks by name; without ``pretrained`` no weights are fetched for them, as saved ones follow."""
        raise TypeError(f"{type(self).__name__} builds no networks: it has no _build()")

    def _start(self) -> None:
        """Other first weights than the random or pretrained ones of :meth:`_build`."""

    def _stages(self, training: TrainingSet) -> list[Stage]:
        """Stages of phases for the trainer; ``modules_`` are built. Networks that only training needs start here."""
        raise TypeError(f"{type(self).__name__} has no training: it has no _stages()")

    def _validation_score(self, validation: Faces) -> Callable[[], float]:
        """Measures the networks as they are on ``validation``; higher is better. It is asked after each epoch."""
        raise ValueError(f"{type(self).__name__} has no score to choose an epoch by: fit it without validation")

    def _after_training(self, training: TrainingSet) -> None:
        """What is measured once the networks are trained."""

    def _fitted_state(self) -> dict[str, Any]:
        """Fitted attributes besides the networks and what all systems have, JSON-able."""
        return {}

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take :meth:`_fitted_state` back, as JSON gives it."""

    @property
    def crop_size(self) -> int:
        """Side of what the networks see: the whole image, unless a system crops."""
        return self.image_size

    def describe(self) -> dict[str, Any]:
        """All parameters, JSON-able (Faces become digests), and ``notes``: what a reader of a figure must know."""
        parameters = {name: jsonable(value) for name, value in self.get_params(deep=False).items()}
        return {"class": type(self).__name__, **parameters, "notes": list(getattr(self, "notes_", []))}

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
            **self._fitted_state(),
            "selection": self.selection_,
            "training_digest": self.training_digest_,
            "preprocessing": jsonable(self.preprocessing_),
            "notes": list(getattr(self, "notes_", [])),
        }
        write_json(folder / "estimator.json", sealed(about))
        return folder

    @classmethod
    def load(cls: type[S], folder: str | Path) -> S:
        """Read what :meth:`save` wrote, or a model of the zoo (``zoo:NAME``).

        Faces-valued parameters come back as None: only their digest was kept.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing, damaged or changed since, of another class, or written by a newer version.
        """
        folder = zoo.folder(folder) if str(folder).startswith(zoo.PREFIX) else Path(folder)
        about = read_about(folder)
        if (found := about["class"]) != cls.__name__:
            raise ValueError(f"{folder} holds a {found}, not a {cls.__name__}: load it with {found}.load()")
        weights = folder / "weights.safetensors"
        try:
            estimator = cls._from_record(about)
            with torch.device("meta"):
                modules = estimator._build(pretrained=False)
        except Exception as error:  # of an old model without a seal: any value may be of any kind
            raise ValueError(f"{folder / 'estimator.json'} is damaged ({with_kind(error, 200)}): refit") from error
        check_weights(weights, about, modules)
        estimator.modules_ = estimator._build(pretrained=False)
        load_weights(weights, estimator.modules_)
        estimator._to_device()
        return estimator

    @classmethod
    def _from_record(cls: type[S], about: Mapping[str, Any]) -> S:
        """An estimator as ``estimator.json`` describes it, without networks."""
        known = cls().get_params(deep=False)  # type: ignore[call-arg]  # a system has a default for each
        parameters = {name: value for name, value in about["parameters"].items() if name in known}
        parameters = {k: None if isinstance(v, Mapping) and "faces_digest" in v else v for k, v in parameters.items()}
        for name, value in parameters.items():  # JSON has no tuples
            if isinstance(value, list) and isinstance(known[name], tuple):
                parameters[name] = tuple(value)
        estimator = cls(**parameters)
        estimator.selection_ = about["selection"]
        estimator.training_digest_ = about["training_digest"]
        estimator.preprocessing_ = about["preprocessing"]
        estimator.notes_ = about["notes"]
        estimator.history_ = pd.DataFrame(columns=["stage", "epoch", "step", "phase", "term", "value"])
        estimator._restore(about)
        return estimator

    def load_epoch(self: S, path: str | Path) -> S:
        """Put the weights of one kept epoch (``run_dir/epochs/epoch-003.safetensors``) in place of the fitted ones."""
        check_is_fitted(self, "modules_")
        load_weights(Path(path), self.modules_)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "modules_")

    # ------------------------------------------------------------------------------------------ shared machinery

    def _signature(self, validation: Faces | None) -> str:
        """Tells this training from another one in the same folder."""
        parameters = {name: jsonable(value) for name, value in self.get_params(deep=False).items()}
        shown = {name: value for name, value in parameters.items() if name not in NON_REPRODUCIBILITY_PARAMS}
        shown = {name: value for name, value in shown.items() if name not in _NEUTRAL or value != _NEUTRAL[name]}
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

    def _map_pairs(self, images: Any, rows: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
        """The same of centre crops and of what belongs to each of them, ``rows`` (n, ...)."""
        following = iter(rows)
        return self._map(images, lambda batch: function(batch, torch.stack([next(following) for _ in batch]).to(batch)))

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
        Its parameters and ``training_digest_`` tell one training from another.
    kind : str
        Folder in ``$FERDIS_CACHE`` (``~/.cache/ferdis``).
    stages : callable
        Called only if there is something to train; a training that was killed goes on where it was.

    Returns
    -------
    Path
        Of the weights, for :func:`ferdis.training.checkpoints.load_modules`.
    """
    chosen = {name: getattr(estimator, name) for name in _TRAINER_PARAMETERS}
    return train_shared(estimator._signature(None)[:20], kind, modules, stages, chosen)


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
    faces = cropped_faces(faces)
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


def expressions_of(faces: Faces, y: Any = None) -> np.ndarray:
    """What is learned of each face, (n,) of str: ``y`` where it is given, otherwise the faces' own expressions.

    Raises
    ------
    ValueError
        If there are no faces, or not as many labels.
    """
    expression = faces.expression if y is None else np.asarray(y, dtype=str)
    if len(faces) == 0 or len(expression) != len(faces):
        raise ValueError(f"{len(faces)} training faces and {len(expression)} labels: as many of both are needed")
    return expression


def jsonable(value: Any) -> Any:
    """``value`` as JSON can hold it; Faces become their digest."""
    if isinstance(value, Faces):
        return {"faces_digest": value.digest(), "faces": repr(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
