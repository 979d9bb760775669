"""A model by its path or name, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ferdis import zoo
from ferdis.onnx_model import OnnxModel
from ferdis.run_folder import find_model

if TYPE_CHECKING:
    from ferdis.systems.base import Estimator

DEFAULT_MODEL = "zoo:expression"
"""What names expressions where no model is given; ``ferdis models expression`` prints its card."""


def load_model(path: str | Path, system: str | None = None) -> Estimator | OnnxModel:
    """Load a model, whatever it is.

    Parameters
    ----------
    path : path
        A folder that ``save()``, ``ferdis fit`` or ``ferdis kfold`` wrote (of a run: a fold of it), an exported
        ``.onnx`` file, or ``zoo:NAME``.
    system : str, optional
        Which one, where a fold holds several.

    Returns
    -------
    Estimator or OnnxModel
        Both have ``predict`` and ``predict_proba`` for aligned faces; :class:`Predictor` takes whole images.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such model, it is damaged, was modified, was saved by a newer version or was not written by
        ferdis.
    """
    if str(path).startswith(zoo.PREFIX):
        return OnnxModel(zoo.path(str(path), "onnx"))
    if str(path).endswith(".onnx"):
        return OnnxModel(path)
    folder = find_model(path, system)
    from ferdis import saved_models  # imports torch, which takes seconds

    return saved_models.load_model(folder)
