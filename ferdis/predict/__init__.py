"""Facial expressions in images, videos and camera streams, by a fitted model.

>>> from ferdis.predict import Predictor                                                      # doctest: +SKIP
>>> Predictor.load("runs/first/fold-03/ifgan")(["anna.jpg", "group.jpg"])                     # doctest: +SKIP

Faces are detected and cropped exactly as those of the model's training; a model for which that is impossible is refused
with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis.capabilities import NamesExpressions
from ferdis.onnx_model import OnnxModel
from ferdis.preprocess.align import Aligner, Detections, warp
from ferdis.preprocess.images import read_image
from ferdis.preprocess.restore import restored
from ferdis.saved_models import find_model, load_model, unlabelled

__all__ = ["Predictor"]

_BOX = ("left", "top", "right", "bottom")
_IMAGES = 16  # at a time
FACES = ("all", "one")


class Predictor:
    """A fitted classifier with the preprocessing of its training: images in, a table out.

    Parameters
    ----------
    model : fitted classifier, or :class:`~ferdis.export.OnnxModel`
    faces : {"all", "one"}
        Every face of an image, or the large and central one that training would have used.
    crops : bool
        The images are already cropped like the training faces; no face is detected.
    device : str
        Device of the face detector.
    name : str
        Name of the model in messages.

    Attributes
    ----------
    classes : list of str
    preprocessing : dict
        How the training faces were made.

    Raises
    ------
    ValueError
        If the model is no classifier, or its preprocessing cannot be repeated
        (:class:`ferdis.preprocess.restore.NotReproducibleError`).
    """

    def __init__(
        self, model: Any, *, faces: str = "all", crops: bool = False, device: str = "cpu", name: str = "the model"
    ) -> None:
        if faces not in FACES:
            raise ValueError(f"faces={faces!r}: choose one of {', '.join(FACES)}")
        self.model, self.faces, self.crops = model, faces, crops
        if isinstance(model, OnnxModel):
            self.classes, self.preprocessing = list(model.about["classes"]), model.about["preprocessing"]
            method, size = model.about["method"], int(model.about["image_size"])
        else:
            self.classes = [str(name) for name in getattr(model, "classes_", [])]
            self.preprocessing = model.preprocessing_ or {"name": None}
            method, size = "predict_proba" if isinstance(model, NamesExpressions) else "", model.image_size
        if method != "predict_proba":
            raise ValueError(f"{name} draws faces and names no expression: predict needs a classifier")
        self.preprocessor = restored(self.preprocessing, crops=crops, device=device, model=name)
        self.crop_size = int(self.preprocessing.get("image_size", [size])[0])

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        system: str | None = None,
        faces: str = "all",
        crops: bool = False,
        device: str = "cpu",
    ) -> Predictor:
        """From a saved model, a fold of a run (``system`` says which model of it), or an exported ``.onnx`` file.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such model, it is damaged, was modified, was saved by a newer version or was not written by
            ferdis; and as the class itself.
        """
        if str(path).endswith(".onnx"):
            return cls(OnnxModel(path), faces=faces, crops=crops, device=device, name=str(path))
        folder = find_model(path, system)
        return cls(load_model(folder), faces=faces, crops=crops, device=device, name=str(folder))

    def __call__(self, images: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Detect faces and classify their expressions.

        Parameters
        ----------
        images : sequence
            Paths, or arrays (H, W, 3) uint8 of any sizes; a single path or array is one image.
        names : sequence of str, optional
            Values of the column ``image``; by default the path, or the number.

        Returns
        -------
        DataFrame
            One row per face, and one with ``detected`` False for an image without a face: ``image``, ``face`` (from 0,
            the most prominent first), ``detected``, ``detection_probability``, ``left``, ``top``, ``right``,
            ``bottom`` (pixels of the image), ``expression``, and ``p_<class>`` for each class. Without a face the
            other columns are empty; with ``crops`` the columns of the detection are.

        Raises
        ------
        FileNotFoundError, ValueError
            If an image cannot be read.
        """
        if isinstance(images, str | os.PathLike) or (isinstance(images, np.ndarray) and images.ndim == 3):
            images = [images]
        named = [str(image) if isinstance(image, str | os.PathLike) else str(k) for k, image in enumerate(images)]
        named = named if names is None else list(names)
        if len(named) != len(images):
            raise ValueError(f"{len(images)} images but {len(named)} names: give as many of both")
        parts = []
        for start in range(0, len(images), _IMAGES):
            some = [_pixels(image) for image in images[start : start + _IMAGES]]
            crops, table = self.align(some)
            table["image"] = [named[start + place] for place in table["image"]]
            parts.append(self._named(crops, table))
        return pd.concat(parts, ignore_index=True) if parts else self._named(*self.align([]))

    def align(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, pd.DataFrame]:
        """The model's input crops, uint8 (m, S, S, 3), and one row per face and per image without a face.

        The rows have ``image`` (its number), ``face``, ``detected``, ``detection_probability`` and the box; crops
        correspond to the rows with a ``face``, in order.
        """
        found: Sequence[Detections | None]
        if isinstance(self.preprocessor, Aligner):
            found = faces = self._detections(images)
            template = self.preprocessor.template
            crops = [
                warp(image, points, self.crop_size, template)
                for image, some in zip(images, faces, strict=True)
                for points in some.landmarks
            ]
        else:
            found = [None] * len(images)
            crops = list(self.preprocessor(images, self.crop_size)[0]) if len(images) else []
        rows = [row for place, some in enumerate(found) for row in _rows(place, some)]
        table = pd.DataFrame(rows, columns=["image", "face", "detected", "detection_probability", *_BOX])
        table = table.astype({"face": "Int64", "detected": "boolean"})
        return np.stack(crops) if crops else np.empty((0, self.crop_size, self.crop_size, 3), np.uint8), table

    def _detections(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """The faces of each image."""
        aligner: Any = self.preprocessor
        if self.faces == "all":
            return aligner.detect_all(images)
        found = aligner.detect(images)
        fields = (found.found, found.probability, found.boxes, found.landmarks)
        return [Detections(*(field[[row]][found.found[[row]]] for field in fields)) for row in range(len(images))]

    def _named(self, crops: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        """The table with expressions and probabilities."""
        probability = np.full((len(table), len(self.classes)), np.nan)
        faces = table["face"].notna().to_numpy()
        if len(crops):
            scores = (
                self.model(faces=crops)
                if isinstance(self.model, OnnxModel)
                else self.model.predict_proba(unlabelled(crops))
            )
            probability[faces] = scores
        expression = np.full(len(table), None, dtype=object)
        expression[faces] = np.array(self.classes)[probability[faces].argmax(1)]
        columns = pd.DataFrame(probability, columns=[f"p_{name}" for name in self.classes], index=table.index)
        return pd.concat([table.assign(expression=expression), columns], axis=1)


def _pixels(image: Any) -> np.ndarray:
    """An image as (H, W, 3) uint8, read if it is a path."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        about = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"an image must be a path or an array (H, W, 3) of uint8, got {about}")
    return image


def _rows(image: int, faces: Detections | None) -> list[dict[str, Any]]:
    """One row per face; a row without a face where none was found, one without a box if there was no detection."""
    if faces is None:
        return [{"image": image, "face": 0}]
    found = zip(faces.probability, faces.boxes, strict=True)
    rows = [
        {"image": image, "face": face, "detected": True, "detection_probability": probability}
        | dict(zip(_BOX, box, strict=True))
        for face, (probability, box) in enumerate(found)
    ]
    return rows or [{"image": image, "detected": False}]
