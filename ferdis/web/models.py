"""What the page is told of a model: read from the file itself, or from its card in the zoo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferdis import zoo
from ferdis.faces import AU_COLUMNS
from ferdis.messages import quoted
from ferdis.onnx_model import OnnxModel
from ferdis.predict import DEFAULT_MODEL
from ferdis.predict.command import caution
from ferdis.preprocess.align import Aligner
from ferdis.preprocess.restore import NotReproducibleError, restored

ACTION_UNIT_NAMES = {
    "AU01": "inner brow raiser", "AU02": "outer brow raiser", "AU04": "brow lowerer", "AU05": "upper lid raiser",
    "AU06": "cheek raiser", "AU07": "lid tightener", "AU09": "nose wrinkler", "AU10": "upper lip raiser",
    "AU12": "lip corner puller", "AU14": "dimpler", "AU15": "lip corner depressor", "AU17": "chin raiser",
    "AU20": "lip stretcher", "AU23": "lip tightener", "AU25": "lips part", "AU26": "jaw drop", "AU45": "blink",
}  # fmt: skip
"""The names of P. Ekman and W. Friesen's Facial Action Coding System."""

_METHODS = ("predict_proba", "edit", "transfer", "average")
_NOT_ON_THE_PAGE = ", or pass crops=True"


@dataclass(frozen=True)
class PageModel:
    """A file and what the page is told of it.

    Attributes
    ----------
    path : Path
    about : dict
        ``name``, ``title``, ``file`` (in the site), ``method``, ``inputs``, ``classes``, ``action_units`` with their
        ``unit_names``, ``size``, ``template`` and ``outside`` of the crop, ``caution`` and ``limits`` in words,
        ``abstaining``.
    notes : tuple of str
        What the page does otherwise than ``ferdis predict`` would with this model.
    """

    path: Path
    about: dict[str, Any]
    notes: tuple[str, ...] = ()


def zoo_model() -> PageModel:
    """The recogniser that ships with ferdis."""
    name = DEFAULT_MODEL
    card, path = zoo.card(name), zoo.path(name, "onnx")
    page = page_model(path, card["title"])
    told = {"caution": f"{_sentence(caution(name).rpartition(' (')[0])}.", "limits": card["limits"]}
    return PageModel(path, {**page.about, **told, "abstaining": _abstaining(card)})


def page_model(path: Path, title: str = "") -> PageModel:
    """A file of ``ferdis export``, or of the zoo.

    Raises
    ------
    FileNotFoundError, ValueError
        If it was not written by ferdis, it is none that the page can show, or its faces cannot be aligned again.
    """
    model = OnnxModel(path)
    about, method = model.about, str(model.about["method"])
    if method not in _METHODS:
        raise ValueError(f"{path} computes {quoted(method)}: the page shows {', '.join(_METHODS)}")
    aligner = _aligner(about["preprocessing"], path)
    units = list(AU_COLUMNS) if "action_units" in model.outputs or "au" in model.inputs else []
    entry = {
        "name": path.stem,
        "title": title or f"{about['system']} ({path.stem})",
        "file": f"models/{path.name}",
        "method": method,
        "inputs": model.inputs,
        "classes": model.classes if method == "predict_proba" else [],
        "action_units": units,
        "unit_names": [ACTION_UNIT_NAMES[name] for name in units],
        "size": int(about["preprocessing"].get("image_size", [int(about["image_size"])])[0]),
        "template": aligner.template.tolist(),
        "outside": aligner.outside,
        "caution": _measured(about),
        "limits": [],
        "abstaining": [],
    }
    notes = (f"{path.name}: its training looked at images in all four turns, the page looks at upright ones alone",)
    return PageModel(path, entry, notes if aligner.turned else ())


def _aligner(record: Mapping[str, Any], path: Path) -> Aligner:
    """What put the training's faces in place."""
    try:
        aligner = restored(record, device="onnx", model=str(path))
    except NotReproducibleError as error:
        raise ValueError(str(error).partition(_NOT_ON_THE_PAGE)[0]) from error
    if not isinstance(aligner, Aligner):
        raise ValueError(
            f"{path}: its faces are not aligned, so that the page cannot crop them: fit it on aligned faces"
        )
    return aligner


def _measured(about: Mapping[str, Any]) -> str:
    """What a run measured of an exported model, in a sentence."""
    record = about.get("protocol") or {}
    own = record.get("accuracy_of_this_model") or {}
    text = f"{about['system']}, {about['weights']} weights. "
    if own.get("value") is not None:
        return f"{text}Accuracy {own['value']:.1%} ({own['what']})."
    return f"{text}No figure of this file itself is known; its model card says what it was trained on."


def _abstaining(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How often answers of at least a probability are right, on the largest set that nothing was chosen on."""
    held_out = {where: about for where, about in card["figures"].items() if "held-out" in where}
    if not held_out:
        return []
    where = max(held_out, key=lambda name: held_out[name]["images"])
    on = f"{held_out[where]['images']} photographs ({where})"
    return [{"on": on, **row} for row in held_out[where]["abstaining"]]


def _sentence(text: str) -> str:
    """Without the entry's prefix, as the beginning of a sentence."""
    name = text.partition(" ")[0]
    return f"This model ({name}){text[len(name) :]}"
