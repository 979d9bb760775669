"""The preprocessing of a saved model's training faces, again, for new images; or a refusal that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferdis.messages import quoted
from ferdis.preprocess.align import TEMPLATE, Aligner, Preprocessor, WholePicture, outside_of
from ferdis.preprocess.images import checked_side

_CROPPED = "or pass crops=True (--crops) if the images are cropped like those of its training already"


class NotReproducibleError(ValueError):
    """A model's preprocessing cannot be repeated; the message is one line that says why, and the way out."""


def restored(
    record: Mapping[str, Any] | None, *, crops: bool = False, device: str = "cpu", model: str = "the model"
) -> Preprocessor:
    """What turns images into crops as for a model's training.

    Parameters
    ----------
    record : mapping or None
        What the model saved: see :func:`ferdis.systems.base.preprocessing_of`.
    crops : bool
        The images are faces cropped like those of the training already: nothing is looked for in them, their centre
        square is resized.
    device : str
        Where faces are looked for.
    model : str
        Its name, for messages.

    Returns
    -------
    Preprocessor
        For drawn faces an :class:`~ferdis.preprocess.Aligner` to the place that the renderer gives eyes and nose.

    Raises
    ------
    NotReproducibleError
        If the training faces were not aligned by ferdis, aligned in a way that this ferdis does not have, or the record
        does not say.
    """
    record = dict(record or {"name": None})
    _check_size(record.get("image_size"), model)
    if crops:
        return WholePicture()
    name, faces = record.get("name"), f"the faces of {record['dataset']}" if record.get("dataset") else "its faces"
    if name is None or "image_size" not in record:
        raise NotReproducibleError(
            f"{model} does not say how {faces} were cropped for its training: fit it again on a set that ferdis loads, "
            f"{_CROPPED}"
        )
    if name == WholePicture.name:
        raise NotReproducibleError(
            f"{model} was trained on {faces} as they came: where a face lies in them was decided elsewhere and cannot "
            f"be repeated; fit it on faces that ferdis aligns (align=True), {_CROPPED}"
        )
    if name == "drawn":
        return Aligner(device, template=_template(record, model))
    params = record.get("params", {})
    aligner = Aligner(device, turned="turned" in params, template=_template(record, model), outside=outside_of(params))
    if name != aligner.name:
        raise NotReproducibleError(
            f"{model} was trained on faces made by {name!r}, which this ferdis does not have: fit it again, {_CROPPED}"
        )
    if record.get("digest") != aligner.digest:
        raise NotReproducibleError(
            f"{model} was trained on faces aligned otherwise than by this ferdis ({_difference(record, aligner)}): use "
            f"the ferdis that fitted it, fit it again, {_CROPPED}"
        )
    return aligner


def _check_size(size: Any, model: str) -> None:
    """Refuse a size that no crop can have, before anything is allocated for it."""
    if size is None:
        return
    try:
        if not isinstance(size, list | tuple) or len(size) != 2:
            raise ValueError(f"image_size must be height and width, got {quoted(size)}")
        for side in size:
            checked_side(side, "image_size")
    except ValueError as error:
        raise NotReproducibleError(f"{model}: its preprocessing is damaged ({error}); fit it again") from error


def _template(record: Mapping[str, Any], model: str) -> np.ndarray:
    """Where the model's training put eyes and nose."""
    try:
        template = np.array(record.get("params", {}).get("template", TEMPLATE), np.float64)
    except (TypeError, ValueError):
        template = np.empty(0)
    if template.shape != TEMPLATE.shape or not (np.abs(template - 0.5) <= 1).all():
        raise NotReproducibleError(f"{model}: its preprocessing is damaged (template); fit it again")
    return template


def _difference(record: Mapping[str, Any], aligner: Aligner) -> str:
    """What the two ways of aligning differ in."""
    if record.get("version") != aligner.version:
        return f"version {record.get('version')} of the alignment there, {aligner.version} here"
    there, here = record.get("params", {}), aligner.params
    keys = [key for key in {**here, **there} if _plain(there.get(key)) != _plain(here.get(key))]
    return f"{keys[0]}: {there.get(keys[0])} there, {here.get(keys[0])} here" if keys else "its digest was changed"


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
