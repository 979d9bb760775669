"""What a model card says of a model: what it was trained on, what was measured, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ferdis import metrics, run_folder
from ferdis.messages import markdown_table
from ferdis.saved_models import Evidence, evidence_of, load_model

CARD = "card.md"
_FEW = 30  # images of a class on which a recall says little
_MEANING = (
    "It names the class that a face shows, among the classes above and no others; it does not tell what a person "
    "feels, and is not made for decisions about people."
)


def fitted_card(folder: str | Path) -> str:
    """The card of a model that was fitted on everybody, in Markdown.

    Parameters
    ----------
    folder : what :func:`ferdis.evaluation.final_fit.fit_final` wrote.
    """
    folder = Path(folder)
    system, evidence, fit = load_model(folder), evidence_of(folder), run_folder.read_fit_record(folder) or {}
    classes = [str(name) for name in getattr(system, "classes_", [])]
    names = [f"- Classes, in the order of the probabilities: {', '.join(classes)}"] if classes else []
    people = "people not known" if fit["people"] is None else f"{fit['people']} people"
    chose = fit.get("validation_people")
    about = f"- Parameters: {run_folder.digest(system.describe())}, all in estimator.json; seed {fit['seed']}"
    learned = f"- {fit['images']} images, {people}, of {fit['dataset']}: all there are"
    learned += f", but for {chose} people who chose the epoch" if chose else ""
    return card_text(
        f"{fit['system']}: {type(system).__name__} fitted on everybody",
        [*names, about],
        {
            "Trained on": [learned, f"- Digest of the training faces `{system.training_digest_}`"],
            "Measured": measured_lines(evidence, why=str(fit.get("not_measured") or "")),
            "Limits": limits_lines(system, system.preprocessing_ or {}, evidence, draws=not classes),
        },
    )


def card_text(title: str, about: Sequence[str], sections: Mapping[str, Sequence[str]]) -> str:
    """A card in Markdown: a title, lines about the model, and sections of lines by their heading."""
    lines = [f"# {title}", "", *about]
    for heading, text in sections.items():
        lines += ["", f"## {heading}", "", *text]
    return "\n".join(lines) + "\n"


def measured_lines(evidence: Evidence | None, why: str = "") -> list[str]:
    """The figures of the run, or that there are none.

    Parameters
    ----------
    evidence : what a run measured; None for none.
    why : a reason, and what would give figures, where there is no evidence.
    """
    if evidence is None:
        return [f"No protocol has measured this model, so no accuracy is claimed{f': {why}' if why else ''}."]
    mean, std = evidence.protocol_accuracy
    people = f"{evidence.people} people" if evidence.people else "people not known"
    protocol = evidence.protocol
    kind = protocol.get("class", protocol) if isinstance(protocol, dict) else protocol
    one = evidence.fold is not None
    lines = [
        f"Protocol: {kind} on {evidence.dataset} ({evidence.images} images, {people}), {evidence.folds} folds; "
        f"selection: {'the last epoch' if evidence.selection == 'last' else 'the best epoch on validation people'}.",
        "",
        f"- Accuracy of the protocol: {100 * mean:.2f} %{'' if pd.isna(std) else f' ± {100 * std:.2f}'} over folds; "
        f"UAR {100 * evidence.uar:.2f} %. Each fold has its own model, tested on {evidence.unseen}.",
    ]
    if one:
        lines.append(
            f"- Accuracy of this model: {100 * evidence.fold_accuracy:.2f} % on {len(evidence.tested)} "
            f"{evidence.unseen}{f': {evidence.test_people} people' if evidence.test_people else ''}."
        )
    else:
        lines.append(
            f"- These are figures of the recipe, measured by the run `{evidence.run}` on models that had each seen a "
            "part of the people. This model has seen everybody: nobody is left to test it."
        )
    lines += [f"- {evidence.others}."] if evidence.others else []
    if not evidence.sealed:
        lines.append("- The run is unsealed: no digests say whether its files are as it wrote them.")
    return [*lines, "", _recalls(evidence, one).rstrip()]


def _recalls(evidence: Evidence, one: bool) -> str:
    """Recall of each class over all folds, and of the one model if it was tested itself."""
    parts = [evidence.pooled, *([evidence.tested] if one else [])]
    head = ["class", "recall, all folds (%)", "images", *(["recall, this model (%)", "images"] if one else [])]
    recalls = [metrics.recalls(part["true"], part["predicted"], evidence.classes) for part in parts]
    counts = [part["true"].value_counts() for part in parts]
    table = []
    for label in evidence.classes:
        cells = [label]
        for recall, count in zip(recalls, counts, strict=True):
            cells += ["-" if pd.isna(recall[label]) else f"{100 * recall[label]:.1f}", str(count.get(label, 0))]
        table.append(cells)
    return markdown_table(head, table)


def limits_lines(system: Any, preprocessing: Mapping[str, Any], evidence: Evidence | None, *, draws: bool) -> list[str]:
    """What the model cannot do, a line each.

    Parameters
    ----------
    system : the fitted system; its ``notes_`` are among them.
    preprocessing : how its training faces were made.
    evidence : what a run measured, or None.
    draws : its results are images, not classes.
    """
    lines = []
    if draws:
        lines.append("- Generated images resemble the training faces; they are not photographs of a person.")
        lines += ["- The figures above are of its classification, not of its images."] if evidence is not None else []
    else:
        lines.append(f"- {_MEANING}")
    lines.append("- Faces cropped in another way, or an image without a face, give results that mean nothing.")
    if preprocessing.get("name") == "drawn":
        lines.append("- Trained on synthetic people: its accuracy on photographs is unknown.")
    if evidence is not None:
        lines.append(
            f"- The figures hold for people, light and poses like those of {evidence.dataset}; elsewhere expect less."
        )
        rare = evidence.pooled["true"].value_counts()
        if few := [f"{label} ({count})" for label, count in rare.items() if count < _FEW]:
            lines.append(f"- Recalls rest on few images for {', '.join(few)}.")
    return [*lines, *(f"- {note}" for note in system.notes_)]
