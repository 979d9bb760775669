"""The model card: what a file computes, the data it was trained and measured on, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferdis.evaluation.model_card import card_text, limits_lines, measured_lines
from ferdis.export.differences import Differences
from ferdis.saved_models import Evidence


def model_card(
    name: str, system: Any, about: Mapping[str, Any], found: Differences, evidence: Evidence | None, size: int
) -> str:
    """A model card in Markdown.

    Parameters
    ----------
    name : str
        Name of the file.
    system : Estimator
        The fitted system.
    about : mapping
        The file's metadata.
    found : Differences
        From the system itself.
    evidence : Evidence or None
        What a run measured; None for a model outside a run.
    size : int
        Bytes of the file.
    """
    draws = about["method"] != "predict_proba"
    return card_text(
        f"{name}: {about['system']}, `{about['method']}`",
        _file(about, size),
        {
            "Differences from the system it was exported from": [f"{about['weights']}: {found}."],
            "Trained on": _training(about, evidence),
            "Measured": measured_lines(evidence),
            "Limits": limits_lines(system, about["preprocessing"], evidence, draws=draws),
        },
    )


def _file(about: Mapping[str, Any], size: int) -> list[str]:
    lines = [
        f"- Weights: {about['weights']}, {size / 1e6:.1f} MB; ONNX opset {about['opset']}",
        f"- Input: {about['input']} ({about['image_size']} pixels). Resizing, scaling and normalisation are inside.",
        f"- Output: {about['output']}",
    ]
    if about["method"] == "predict_proba":
        lines.append(f"- Classes, in the order of the output: {', '.join(about['classes'])}")
    if "action_units" in about:
        lines.append(f"- `au`: float32 (N, 17), intensities 0 to 5 of {', '.join(about['action_units'])}")
    return lines


def _training(about: Mapping[str, Any], evidence: Evidence | None) -> list[str]:
    how = about["preprocessing"]
    lines = [
        f"- Data set: {how.get('dataset') or 'not said'}; digest of the training faces `{about['training_digest']}`"
    ]
    if evidence is not None:
        people = f" of {evidence.training_people} people" if evidence.training_people else ", people not known"
        part = "everybody" if evidence.fold is None else f"the training part of fold {evidence.fold}"
        lines.append(f"- {evidence.training_images} images{people}: {part}")
    template = about["crop_template"]
    if template is None:
        lines.append(f"- Crops: {how.get('name') or 'not said'}; where the face lies in them was decided elsewhere")
    else:
        places = ", ".join(f"{point.replace('_', ' ')} at {tuple(place)}" for point, place in template.items())
        kind = "drawn about" if how["name"] == "drawn" else f"aligned ({how['name']}) to"
        lines.append(f"- Crops: {kind} {places}, as fractions of the side from the top left")
    return lines
