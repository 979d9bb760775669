"""The model card: what a file computes, the data it was trained and measured on, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ferdis import metrics
from ferdis.export.differences import Differences
from ferdis.messages import markdown_table
from ferdis.saved_models import Evidence

_MEANING = (
    "It names the expression that a face shows, among the classes above and no others; it does not tell what a person "
    "feels, and is not made for decisions about people."
)


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
    parts = [
        f"# {name}: {about['system']}, `{about['method']}`",
        "",
        *_file(about, size),
        "",
        "## Differences from the system it was exported from",
        "",
        f"{about['weights']}: {found}.",
        "",
        "## Trained on",
        "",
        *_training(about, evidence),
        "",
        "## Measured",
        "",
        *(
            _measured(evidence)
            if evidence is not None
            else ["No protocol has measured this model, so no accuracy is claimed."]
        ),
        "",
        "## Limits",
        "",
        *_limits(system, about, evidence),
    ]
    return "\n".join(parts) + "\n"


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
        lines.append(f"- {evidence.training_images} images{people}: the training part of fold {evidence.fold}")
    template = about["crop_template"]
    if template is None:
        lines.append(f"- Crops: {how.get('name') or 'not said'}; where the face lies in them was decided elsewhere")
    else:
        places = ", ".join(f"{point.replace('_', ' ')} at {tuple(place)}" for point, place in template.items())
        kind = "drawn about" if how["name"] == "drawn" else f"aligned ({how['name']}) to"
        lines.append(f"- Crops: {kind} {places}, as fractions of the side from the top left")
    return lines


def _measured(evidence: Evidence) -> list[str]:
    mean, std = evidence.protocol_accuracy
    people = f"{evidence.people} people" if evidence.people else "people not known"
    protocol = evidence.protocol
    named = protocol.get("class", protocol) if isinstance(protocol, dict) else protocol
    lines = [
        f"Protocol: {named} on {evidence.dataset} ({evidence.images} images, {people}), {evidence.folds} folds; "
        f"selection: {'the last epoch' if evidence.selection == 'last' else 'the best epoch on validation people'}.",
        "",
        f"- Accuracy of the protocol: {100 * mean:.2f} %{'' if pd.isna(std) else f' ± {100 * std:.2f}'} over folds; "
        f"UAR {100 * evidence.uar:.2f} %. Each fold has its own model, tested on {evidence.unseen}.",
        f"- Accuracy of this model: {100 * evidence.fold_accuracy:.2f} % on {len(evidence.tested)} {evidence.unseen}"
        f"{f': {evidence.test_people} people' if evidence.test_people else ''}.",
        "",
    ]
    head = ["class", "recall, all folds (%)", "images", "recall, this model (%)", "images"]
    if not evidence.sealed:
        lines.insert(-1, "- The run is unsealed: no digests say whether its files are as it wrote them.")
    classes = evidence.classes
    pooled, tested = (
        metrics.recalls(part["true"], part["predicted"], classes) for part in (evidence.pooled, evidence.tested)
    )
    counts = [part["true"].value_counts() for part in (evidence.pooled, evidence.tested)]
    table = []
    for label in classes:
        cells = [label]
        for recall, count in zip((pooled, tested), counts, strict=True):
            cells += ["-" if pd.isna(recall[label]) else f"{100 * recall[label]:.1f}", str(count.get(label, 0))]
        table.append(cells)
    return [*lines, markdown_table(head, table).rstrip()]


def _limits(system: Any, about: Mapping[str, Any], evidence: Evidence | None) -> list[str]:
    lines = []
    if about["method"] == "predict_proba":
        lines.append(f"- {_MEANING}")
    else:
        lines.append("- Generated images resemble the training faces; they are not photographs of a person.")
        lines += ["- The figures above are of its classification, not of its images."] if evidence is not None else []
    lines.append("- Faces cropped in another way, or an image without a face, give results that mean nothing.")
    if about["preprocessing"].get("name") == "drawn":
        lines.append("- Trained on synthetic people: its accuracy on photographs is unknown.")
    if evidence is not None:
        lines.append(
            f"- The figures hold for people, light and poses like those of {evidence.dataset}; elsewhere expect less."
        )
        rare = evidence.pooled["true"].value_counts()
        if few := [f"{label} ({count})" for label, count in rare.items() if count < 30]:
            lines.append(f"- Recalls rest on few images for {', '.join(few)}.")
    return [*lines, *(f"- {note}" for note in system.notes_)]
