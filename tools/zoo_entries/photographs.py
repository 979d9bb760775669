"""What a recogniser does on photographs, found, cropped and read by ``ferdis predict``'s own path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis._io import digest
from ferdis.faces import SEVEN_EXPRESSIONS
from ferdis.predict import Predictor
from ferdis.preprocess.images import read_image
from tools.synthetic_checks.cnn import unweighted_recall
from tools.synthetic_checks.real import HALVES, half_of, shared_folder
from tools.train_recogniser import cache_place

SETS = ("london", "wild")
_GROUPS = ("gender", "ethnicity", "age")
_AGES, _AGE_NAMES = [0, 25, 35, 200], ["under 25", "25 to 34", "35 and older"]
_THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_BINS = 10
_FEWEST = 10  # images of a group for which a figure is given


def figures_on_photographs(predictor: Predictor) -> dict[str, Any]:
    """Figures by set and half; without the sets one line that says so."""
    folder = shared_folder()
    if not all((folder / name / "faces.csv").exists() for name in SETS):
        return {"photographs": {"note": "not measured: $FERDIS_SHARED names no folder of photographs"}}
    figures: dict[str, Any] = {}
    for name in SETS:
        table = answers(predictor, folder / name)
        for half in HALVES:
            figures[f"{name}, {half}"] = summary(table[table["half"] == half].reset_index(drop=True))
    return figures


def answers(predictor: Predictor, folder: Path) -> pd.DataFrame:
    """The set's table with ``half``, ``detected`` and a column ``p_<class>`` each; images of other classes left out."""
    crops, table = found_faces(predictor, folder)
    shares = np.full((len(table), len(SEVEN_EXPRESSIONS)), 1 / len(SEVEN_EXPRESSIONS))  # unfound faces stay in the sums
    detected = table["detected"].to_numpy(bool)
    shares[detected] = predictor.probabilities(crops)
    columns = pd.DataFrame(shares, columns=[f"p_{name}" for name in SEVEN_EXPRESSIONS])
    return pd.concat([table.assign(half=[half_of(subject) for subject in table["subject"]]), columns], axis=1)


def found_faces(predictor: Predictor, folder: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """A crop per face that was found, and the set's table with ``detected``; kept for the next model."""
    where = [predictor.preprocessing.get("digest"), predictor.crop_size, "one face each", str(folder)]
    file = cache_place() / f"zoo-{folder.name}-{digest(where, length=16)}.npz"
    table = pd.read_csv(folder / "faces.csv", dtype=str)
    table = table[table["expression"].isin(SEVEN_EXPRESSIONS)].reset_index(drop=True)
    if not file.exists():
        paths = [folder / path for path in table["path"]]
        found = [predictor.align([read_image(path)]) for path in paths]
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            file,
            crops=np.concatenate([crops for crops, _ in found]),
            detected=np.array([bool(rows["detected"].iloc[0]) for _, rows in found]),
        )
    with np.load(file) as kept:
        return kept["crops"], table.assign(detected=kept["detected"])


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Recall, confusion, calibration and abstention on one part of a set; groups where the set tells them."""
    names, true = np.array(SEVEN_EXPRESSIONS), table["expression"].to_numpy(str)
    probabilities = table[[f"p_{name}" for name in names]].to_numpy()
    offered = np.isin(names, true)  # of the set's own classes the most probable one, as in tools/train_recogniser.py
    predicted = names[offered][probabilities[:, offered].argmax(1)]
    shown = names[offered]
    figures: dict[str, Any] = {
        "images": len(table),
        "people": int(table["subject"].nunique()),
        "faces_found": int(table["detected"].sum()),
        "uar": round(unweighted_recall(true, predicted), 3),
        "recall": {name: round(float((predicted[true == name] == name).mean()), 3) for name in shown},
        "of": {name: int((true == name).sum()) for name in shown},
        "uar_of_all_seven": round(unweighted_recall(true, names[probabilities.argmax(1)]), 3),
        **reliability(probabilities, names, true),
    }
    if groups := _by_group(table, true, predicted):
        figures["uar_by_group"] = groups
    return figures


def gaps(figures: dict[str, Any]) -> list[str]:
    """Between which groups of people a recogniser differs most, in words, one line per attribute and held-out half."""
    lines = []
    for where, about in figures.items():
        for column, groups in about.get("uar_by_group", {}).items() if HALVES[1] in where else ():
            low, high = (pick(groups, key=lambda name: groups[name]["uar"]) for pick in (min, max))
            if low != high:
                worst, best = groups[low], groups[high]
                lines.append(
                    f"It is not alike for everybody: on {where}, by {column}, UAR is {worst['uar']:.3f} for {low} "
                    f"({worst['images']} images) and {best['uar']:.3f} for {high} ({best['images']})."
                )
    return lines


def reliability(probabilities: np.ndarray, names: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Accuracy, mean confidence, expected calibration error (10 bins), and both where it abstains below a threshold."""
    confidence, right = probabilities.max(1), names[probabilities.argmax(1)] == true
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    error = sum(
        (bins == k).mean() * abs(confidence[bins == k].mean() - right[bins == k].mean()) for k in np.unique(bins)
    )
    kept = [(least, confidence >= least) for least in _THRESHOLDS]
    return {
        "accuracy": round(float(right.mean()), 3),
        "mean_confidence": round(float(confidence.mean()), 3),
        "calibration_error": round(float(error), 3),
        "abstaining": [
            {
                "below": least,
                "answered": round(float(some.mean()), 3),
                "accuracy": round(float(right[some].mean()), 3) if some.any() else None,
            }
            for least, some in kept
        ],
    }


def _by_group(table: pd.DataFrame, true: np.ndarray, predicted: np.ndarray) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for column in (name for name in _GROUPS if name in table):
        values = table[column]
        if column == "age":
            values = pd.cut(pd.to_numeric(values), _AGES, right=False, labels=_AGE_NAMES).astype(str)
        for value in sorted(values.dropna().unique()):
            rows = (values == value).to_numpy()
            if rows.sum() >= _FEWEST and value != "nan":
                uar = round(unweighted_recall(true[rows], predicted[rows]), 3)
                groups.setdefault(column, {})[str(value)] = {"uar": uar, "images": int(rows.sum())}
    return groups
