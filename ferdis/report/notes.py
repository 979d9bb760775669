"""What a reader of a run's table must know, in words: how it was made, and every shortcut by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ferdis.metrics.noise_floor import partitions_of
from ferdis.metrics.resampling import has_people

_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?!\w|\.\d)")  # none in names: net3, 2x2, 0.1.0


def notes(rows: pd.DataFrame, record: Mapping[str, Any], fits: pd.DataFrame) -> list[str]:
    """One line each.

    Parameters
    ----------
    rows : the run's rows.
    record : its resolved.json.
    fits : its done.json, one row a fit.
    """
    clusters = "people" if has_people(rows) else "pictures"
    lines = [
        f"{repetition(rows)} ({_named_seeds(record['seeds'])}); ± is the standard deviation over folds (ddof 1), "
        f"brackets are 95 % intervals over {clusters} (cluster bootstrap).",
        f"Chance is a UAR of {100 / len(record['faces']['classes']):.1f} %.",
        *_departures(record),
        *given_people(rows),
        *_choices(rows, record, fits),
        *_undetected(rows),
        *map(str, record["faces"]["attrs"].get("notes", [])),
        *_further_faces(record),
        *(str(note) for system in record["systems"].values() for note in system.get("notes", [])),
        *joined([str(note) for some in fits["notes"] for note in some]),
    ]
    if fits["resumed"].any():
        lines.append(
            f"{fits['resumed'].sum()} fits were stopped and resumed: their seconds are those of the last part."
        )
    return list(dict.fromkeys(lines))


def repetition(rows: pd.DataFrame) -> str:
    """How often what was trained: "10 folds, 2 seeds", "10 partitions into 2 folds, 2 seeds each"."""
    folds, seeds = rows["fold"].nunique(), sorted(rows["seed"].unique())
    partitions = len(np.unique(partitions_of(rows.drop_duplicates(["path", "seed"]), seeds)))
    of_folds = f"{folds} fold{'s' * (folds != 1)}"
    if partitions == 1:
        return f"{of_folds}, {len(seeds)} seed{'s' * (len(seeds) != 1)}"
    each, rest = divmod(len(seeds), partitions)
    times = f"{len(seeds)} trainings" if rest else f"{each} seed{'s' * (each != 1)} each"
    return f"{partitions} partitions into {of_folds}, {times}"


def _named_seeds(seeds: Sequence[int]) -> str:
    """Each seed, or of many in a row the first and the last: "0 to 19"."""
    if len(seeds) > 5 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def joined(lines: Sequence[str]) -> list[str]:
    """Each line once; of lines that differ in their numbers alone one, with the range of each: "23 to 28 %"."""
    alike: dict[str, list[list[str]]] = {}
    for line in lines:
        alike.setdefault(_NUMBER.sub("\0", line), []).append(_NUMBER.findall(line))
    found = []
    for words, numbers in alike.items():
        ranges = [
            sorted(set(column), key=lambda number: float(number.replace(",", "")))
            for column in zip(*numbers, strict=True)
        ]
        told = iter(some[0] if len(some) == 1 else f"{some[0]} to {some[-1]}" for some in ranges)
        first, *rest = words.split("\0")
        found.append(first + "".join(f"{next(told)}{part}" for part in rest))
    return found


def _choices(rows: pd.DataFrame, record: Mapping[str, Any], fits: pd.DataFrame) -> list[str]:
    """How the model was chosen, who sat out, and what the audit was told to let pass."""
    last = record["selection"] == "last"
    lines = [
        f"Model selection: {'the last epoch' if last else 'the best epoch on the validation people of the fold'}. "
        "The test people were scored once, after it."
    ]
    used = fits["train_images"] + fits["test_images"]
    out = record["faces"]["images"] - used.mean()
    if "reference" in rows:  # images that were given to systems, and neither trained on nor tested
        out -= (record["faces"]["images"] - rows["path"].nunique()) / rows.groupby("seed")["fold"].nunique().mean()
    if out >= 0.5:
        what = "sat out" if last else "chose the epoch"
        lines.append(f"Validation: {out:.0f} of {record['faces']['images']} images a fold {what} and trained nothing.")
    if not has_people(rows):
        lines.append(
            "People are not known: intervals and tests take each image for itself and are too sure, and nothing "
            "proves that nobody is in two parts."
        )
    for winner in record.get("tuned", []):
        where = "all folds" if winner["fold"] is None else f"fold {winner['fold']}"
        chosen = ", ".join(f"{name} {value}" for name, value in winner["parameters"].items())
        effort = f"{winner['trials']} trials on {len(winner['people'])} people"
        lines.append(f"{winner['system']}, {where}: {chosen}; chosen in {effort} whom no test part of it shows.")
    audit = record.get("audit", {})
    if audit.get("allow_overlap"):
        lines.append("allow_overlap: sets that may share people under other names were let pass.")
    if audit.get("near_duplicates") is False:
        lines.append("near_duplicates was off: images were not compared for likeness across people.")
    if record.get("diagnose_peeking"):
        lines.append(
            "Peeking was diagnosed after the rows were final (peeking.csv); no figure here but the diagnosis reads it."
        )
    return lines


def given_people(rows: pd.DataFrame) -> list[str]:
    """What the systems of a calibrated protocol were given of the test people; nothing for a strict protocol."""
    if "reference" not in rows:
        return []
    each = rows.drop_duplicates(["system", "reference"])
    return [
        f"{line.system} was given {line.reference}: this is not the strict protocol, which gives nothing of them."
        if line.reference != "none"
        else f"{line.system} was given nothing of the test people; it is tested on the same images as a control."
        for line in each.itertuples()
    ]


def leak_of(record: Mapping[str, Any]) -> str:
    """What must be said first of a run whose list of folds leaks, and was let pass; empty for any other run."""
    audit = record.get("audit", {})
    if not audit.get("leaks"):
        return ""
    share = audit.get("seen_share")
    seen = (
        ""
        if share is None or pd.isna(share)
        else f"{100 * share:.1f} % of its test images show a person who also trains; "
    )
    return (
        f"The folds of this list leak ({seen}findings of the audit: {audit['leaks']}) and were run as they are "
        "(allow_overlap). These figures do not say how well strangers are recognised."
    )


def _departures(record: Mapping[str, Any]) -> list[str]:
    """How the images of a run depart from those of the published protocol that it names."""
    protocols = record["protocol"] if isinstance(record["protocol"], list) else [record["protocol"]]
    found = [
        f"Not the published experiment of {about['class']}: {line}."
        for about in protocols
        if isinstance(about, Mapping)
        for line in about.get("departures", [])
    ]
    leak = leak_of(record)
    return [*([leak] if leak else []), *found]


def _further_faces(record: Mapping[str, Any]) -> list[str]:
    """Faces that a system learned from besides the fold's."""
    return [
        f"{system} also learned from {name}: {value.get('faces')}. The audit compared them with every test part."
        for system, about in record["systems"].items()
        for name, value in about.items()
        if isinstance(value, dict) and "faces_digest" in value
    ]


def _undetected(rows: pd.DataFrame) -> list[str]:
    """Faces that the detector did not find are tested all the same; say how many. Drawn faces are not looked for."""
    if "detected" not in rows:
        return []
    said = rows.drop_duplicates("path")["detected"].astype(str).str.lower()
    found, wrong = said.isin(("true", "1", "1.0")), said.isin(("false", "0", "0.0"))
    searched = found.sum() + wrong.sum()
    if not searched:
        return []
    line = f"Faces detected: {found.sum()} of {searched} ({100 * found.sum() / searched:.1f} %)"
    if wrong.any():
        line += f" and stay in every denominator: {wrong.sum()} as centre crops"
    return [f"{line}; in {len(said) - searched} images none was looked for." if searched < len(said) else f"{line}."]


def peeking_claims(table: pd.DataFrame, rows: pd.DataFrame) -> str:
    """In words, per system: the honest accuracy, and what the best test epoch would have claimed.

    Parameters
    ----------
    table : columns system, seed, fold, epoch, test_accuracy (0..1): one row per kept epoch.
    rows : the final rows.
    """
    lines = []
    right = rows.assign(right=rows["true"] == rows["predicted"])
    for system in dict.fromkeys(table["system"]):
        honest = right[right["system"] == system].groupby(["seed", "fold"])["right"].mean().mean()
        one = table[table["system"] == system]
        each = one.groupby(["seed", "fold"])["test_accuracy"].max().mean()
        common = one.groupby("epoch")["test_accuracy"].mean().max()
        lines.append(
            f"{system}: {100 * honest:.2f} % honest (mean over folds). Choosing the best test epoch would have claimed "
            f"{100 * each:.2f} % ({100 * (each - honest):+.2f}) with one epoch for each fold, "
            f"{100 * common:.2f} % ({100 * (common - honest):+.2f}) with one epoch for all. Do not report these two."
        )
    return "\n".join(lines)
