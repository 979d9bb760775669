"""A model with the preprocessing of its training: images in, a table out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ferdis.capabilities import NamesExpressions
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.onnx_model import OnnxModel
from ferdis.predict.loading import DEFAULT_MODEL, load_model
from ferdis.preprocess.align import Aligner, Detections, warp
from ferdis.preprocess.images import read_image
from ferdis.preprocess.restore import restored

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
    device : str, optional
        Device of the face detector: one of torch's, or "onnx". By default that of the model: ONNX Runtime for an ONNX
        file, else the CPU.
    abstain_below : float
        A face whose most probable expression has less than this probability gets none; 0..1.
    action_units : bool
        Also the intensities of action units, where the model gives them (the recogniser of the zoo does).
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
        self,
        model: Any,
        *,
        faces: str = "all",
        crops: bool = False,
        device: str | None = None,
        abstain_below: float = 0.0,
        action_units: bool = False,
        name: str = "the model",
    ) -> None:
        if faces not in FACES:
            raise ValueError(f"faces={faces!r}: choose one of {', '.join(FACES)}")
        if not 0 <= abstain_below <= 1:
            raise ValueError(f"abstain_below={abstain_below}: a probability, 0 to 1")
        self.model, self.faces, self.crops, self.abstain_below = model, faces, crops, abstain_below
        if isinstance(model, OnnxModel):
            self.classes, self.preprocessing = list(model.about["classes"]), model.about["preprocessing"]
            method, size = model.about["method"], int(model.about["image_size"])
        else:
            self.classes = [str(name) for name in getattr(model, "classes_", [])]
            self.preprocessing = model.preprocessing_ or {"name": None}
            method, size = "predict_proba" if isinstance(model, NamesExpressions) else "", model.image_size
        if method != "predict_proba":
            raise ValueError(f"{name} draws faces and names no expression: predict needs a classifier")
        if action_units and "action_units" not in getattr(model, "outputs", ()):
            raise ValueError(f"{name} gives no action units: leave them out, or use zoo:expression")
        self.action_units = list(AU_COLUMNS) if action_units else []
        device = device or ("onnx" if isinstance(model, OnnxModel) else "cpu")
        self.preprocessor = restored(self.preprocessing, crops=crops, device=device, model=name)
        self.crop_size = int(self.preprocessing.get("image_size", [size])[0])

    @classmethod
    def load(cls, path: str | Path | None = None, *, system: str | None = None, **options: Any) -> Predictor:
        """From a saved model, a fold of a run, an exported ``.onnx`` file, or the zoo.

        Parameters
        ----------
        path : path, optional
            As for :func:`ferdis.load_model`; by default the recogniser that ships with ferdis.
        system : str, optional
            Which one, where a fold holds several.
        **options
            Of the class itself.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such model, it is damaged, was modified, was saved by a newer version or was not written by
            ferdis; and as the class itself.
        """
        path = DEFAULT_MODEL if path is None else path
        return cls(load_model(path, system), **{"name": str(path), **options})

    def __call__(self, images: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Detect faces and classify their expressions.

        Parameters
        ----------
        images : sequence
            Paths, PIL images, or arrays of uint8, (H, W, 3) or grey (H, W), of any sizes; a single one of these is one
            image. Faces are taken from where their loader put them, if it says where, and looked for otherwise.
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
        if isinstance(images, Faces):
            return self._of_faces(images, names)
        if _is_one(images):
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
            template, outside = self.preprocessor.template, self.preprocessor.outside
            crops = [
                warp(image, points, self.crop_size, template, outside)
                for image, some in zip(images, faces, strict=True)
                for points in some.landmarks
            ]
        else:
            found = [None] * len(images)
            crops = list(self.preprocessor(images, self.crop_size)[0]) if len(images) else []
        rows = [row for place, some in enumerate(found) for row in _rows(place, some)]
        empty = np.empty((0, self.crop_size, self.crop_size, 3), np.uint8)
        return np.stack(crops) if crops else empty, _table(rows)

    def _of_faces(self, faces: Faces, names: Sequence[str] | None) -> pd.DataFrame:
        """Faces whose place in their images is known are cropped there; others are images like any."""
        paths = faces.table["path"].astype(str) if "path" in faces.table else map(str, range(len(faces)))
        names = list(paths) if names is None else list(names)
        record = faces.attrs.get("preprocessing") or {}
        template = np.array(record.get("params", {}).get("template", []), np.float64)
        if not isinstance(self.preprocessor, Aligner) or template.shape != self.preprocessor.template.shape:
            return self([faces.pixels([row])[0] for row in range(len(faces))], names)
        size, parts = np.array(faces.shape[2:0:-1]), []
        for start in range(0, len(faces), _IMAGES):
            some = faces.pixels(slice(start, start + _IMAGES))
            points = np.repeat((template * size)[None], len(some), axis=0)
            table = _table([{"image": names[start + row], "face": 0} for row in range(len(some))])
            crops = warp(some, points, self.crop_size, self.preprocessor.template, self.preprocessor.outside)
            parts.append(self._named(crops, table))
        return pd.concat(parts, ignore_index=True) if parts else self._named(*self.align([]))

    def _detections(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """The faces of each image."""
        aligner: Any = self.preprocessor
        if self.faces == "all":
            return aligner.detect_all(images)
        found = aligner.detect(images)
        fields = (found.found, found.probability, found.boxes, found.landmarks)
        return [Detections(*(field[[row]][found.found[[row]]] for field in fields)) for row in range(len(images))]

    def _named(self, crops: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        """The table with expressions, probabilities and, if asked for, action units."""
        probability = np.full((len(table), len(self.classes)), np.nan)
        units = np.full((len(table), len(self.action_units)), np.nan)
        faces = table["face"].notna().to_numpy()
        if len(crops):
            probability[faces], units[faces] = self._answers(crops)
        expression = np.full(len(table), None, dtype=object)
        best, sure = np.array(self.classes)[probability[faces].argmax(1)], probability[faces].max(1, initial=0)
        expression[faces] = np.where(sure >= self.abstain_below, best, None)
        numbers = np.concatenate([probability, units], axis=1)
        names = [*(f"p_{name}" for name in self.classes), *self.action_units]
        columns = pd.DataFrame(numbers, columns=names, index=table.index)
        return pd.concat([table.assign(expression=expression), columns], axis=1)

    def probabilities(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities (m, K) of crops (m, S, S, 3) uint8, as :meth:`align` gives them, by :attr:`classes`."""
        return self._answers(crops)[0]

    def _answers(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and, if asked for, action units of crops."""
        if isinstance(self.model, OnnxModel):
            answers = self.model.answers(faces=crops)
            units = answers["action_units"] if self.action_units else np.empty((len(crops), 0))
            return answers["probabilities"], units
        from ferdis.saved_models import unlabelled  # its model has imported torch already

        return self.model.predict_proba(unlabelled(crops)), np.empty((len(crops), 0))


def _is_one(images: Any) -> bool:
    """Whether this is one image, not several."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    return isinstance(images, str | os.PathLike | Image.Image)


def _table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of images and faces as a table with its columns."""
    table = pd.DataFrame(rows, columns=["image", "face", "detected", "detection_probability", *_BOX])
    return table.astype({"face": "Int64", "detected": "boolean"})


def _pixels(image: Any) -> np.ndarray:
    """An image as (H, W, 3) uint8, read if it is a path."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        return np.array(image.convert("RGB"))
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        about = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"an image must be a path, a PIL image, or an array (H, W, 3) or (H, W) of uint8, got {about}")
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
