"""Facial expressions in images, videos and camera streams, by a fitted model or by the one that ships with ferdis.

>>> import ferdis
>>> ferdis.predict("anna.jpg")                                                                # doctest: +SKIP
>>> ferdis.Predictor.load("runs/first/fold-03/ifgan")(["anna.jpg", "group.jpg"])              # doctest: +SKIP

Faces are detected and cropped exactly as those of the model's training; a model for which that is impossible is refused
with the reason. A model in an ONNX file, the recogniser of the zoo among them, is used without importing torch.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis._former_names import CallablePackage
from ferdis.predict.loading import DEFAULT_MODEL, load_model
from ferdis.predict.predictor import FACES, Predictor
from ferdis.predict.sources import Frame, sources_of

__all__ = ["DEFAULT_MODEL", "FACES", "Predictor", "load_model", "predict"]


def predict(images: Any, model: str | Path = DEFAULT_MODEL, **options: Any) -> pd.DataFrame:
    """Name the expression of every face.

    Parameters
    ----------
    images : path, image, array, Faces, or a list of these
        Paths of images, folders and videos; PIL images; arrays of uint8, (H, W, 3), (H, W) or (n, H, W, 3).
    model : path
        As for :func:`load_model`; by default the recogniser that ships with ferdis.
    **options
        Of :class:`Predictor`: ``faces``, ``crops``, ``device``, ``abstain_below``, ``action_units``.

    Returns
    -------
    DataFrame
        One row per face, as :class:`Predictor` gives it; ``seconds`` as well if there is a video.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`Predictor.load`; if an image cannot be read, or a folder holds none.
    """
    predictor = _loaded(str(model), tuple(sorted(options.items())))
    paths = [images] if isinstance(images, str | os.PathLike) else images
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str | os.PathLike) for path in paths):
        return predictor(images)
    sources = sources_of(list(map(os.fspath, paths))) if paths else []
    if all(source.kind == "image" for source in sources):
        return predictor([source.name for source in sources])
    parts = [_of_frame(predictor, frame) for source in sources for frame in source.frames()]
    return pd.concat(parts, ignore_index=True)


def _of_frame(predictor: Predictor, frame: Frame) -> pd.DataFrame:
    if frame.error:
        raise ValueError(frame.error)
    rows = predictor([frame.pixels], [frame.name])
    rows.insert(1, "seconds", np.nan if frame.seconds is None else frame.seconds)
    return rows


@cache
def _loaded(model: str, options: tuple[tuple[str, Any], ...]) -> Predictor:
    """Loaded once: the next call with the same arguments answers in milliseconds."""
    return Predictor.load(model, **dict(options))


sys.modules[__name__].__class__ = CallablePackage  # so that `ferdis.predict` can be called
