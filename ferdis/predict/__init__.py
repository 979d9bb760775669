"""From a fitted model to expressions in photographs, videos and before a camera.

>>> from ferdis.predict import Predictor                                                      # doctest: +SKIP
>>> Predictor.load("runs/first/fold-03/ifgan")(["anna.jpg", "group.jpg"])                     # doctest: +SKIP

Faces are found and cropped exactly as those of the model's training were; a model for which that cannot be done is
refused, and the refusal says why.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis.export.onnxfile import OnnxModel
from ferdis.preprocess.align import Aligner, Detections, warp
from ferdis.preprocess.images import read_image
from ferdis.preprocess.restore import restored
from ferdis.saved_models import find_model, load_model, unlabelled

__all__ = ["Predictor"]

_BOX = ("left", "top", "right", "bottom")
_PICTURES = 16  # at a time
FACES = ("all", "one")


class Predictor:
    """A fitted classifier with the preprocessing of its training: images in, a table out.

    Parameters
    ----------
    model : a fitted classifier, or :class:`~ferdis.export.OnnxModel`
    faces : {"all", "one"}
        Every face of an image, or the large and central one that training would have taken.
    crops : bool
        The images are faces cropped like those of the training already; nothing is looked for.
    device : str
        Where faces are looked for.
    name : str
        What messages call the model.

    Attributes
    ----------
    classes : list of str
    preprocessing : dict, how the training's faces were made

    Raises
    ------
    ValueError
        If the model names no expressions, or its preprocessing cannot be repeated
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
            method, size = "predict_proba" if hasattr(model, "predict_proba") else "", model.image_size
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
            If there is no such model, it is damaged, was changed, is of a newer version or from elsewhere; and as the
            class itself.
        """
        if str(path).endswith(".onnx"):
            return cls(OnnxModel(path), faces=faces, crops=crops, device=device, name=str(path))
        folder = find_model(path, system)
        return cls(load_model(folder), faces=faces, crops=crops, device=device, name=str(folder))

    def __call__(self, images: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Find faces and name their expressions.

        Parameters
        ----------
        images : pictures: paths, arrays (H, W, 3) uint8 of any sizes, or one of either
        names : what the column ``image`` says; by default the path, or the number

        Returns
        -------
        DataFrame
            One row a face, and one with ``detected`` False for an image without: ``image``, ``face`` (from 0, the
            most prominent first), ``detected``, ``detection_probability``, ``left``, ``top``, ``right``, ``bottom``
            (pixels of the image), ``expression``, and ``p_<class>`` for each class. Where there is no face the rest
            is empty; with ``crops`` all of detection is.

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
        for start in range(0, len(images), _PICTURES):
            some = [_pixels(image) for image in images[start : start + _PICTURES]]
            crops, table = self.align(some)
            table.insert(0, "image", [named[start + place] for place in table.pop("picture")])
            parts.append(self._named(crops, table))
        return pd.concat(parts, ignore_index=True) if parts else self._named(*self.align([]))

    def align(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, pd.DataFrame]:
        """The crops that the model is given, uint8 (m, S, S, 3), and a row for each face and each image without one.

        The rows have ``picture`` (its number), ``face``, ``detected``, ``detection_probability`` and the box; crops
        belong to the rows with a ``face``, in their order.
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
        table = pd.DataFrame(rows, columns=["picture", "face", "detected", "detection_probability", *_BOX])
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


def _rows(picture: int, faces: Detections | None) -> list[dict[str, Any]]:
    """A row a face; one without a face where none was found, one without a box where none was looked for."""
    if faces is None:
        return [{"picture": picture, "face": 0}]
    found = zip(faces.probability, faces.boxes, strict=True)
    rows = [
        {"picture": picture, "face": face, "detected": True, "detection_probability": probability}
        | dict(zip(_BOX, box, strict=True))
        for face, (probability, box) in enumerate(found)
    ]
    return rows or [{"picture": picture, "detected": False}]
