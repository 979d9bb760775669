"""Robustness rows: how far the UAR falls on images made worse (``ferdis kfold --stress``)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferdis import metrics
from ferdis._io import read_csv
from ferdis.report.joining import Group
from ferdis.report.page import Part
from ferdis.report.tables import Table, percent

_COLUMNS = ("system", "seed", "fold", "stress", "strength", "subject", "true", "images", "right")


def robustness_part(group: Group, anchor: str) -> Part:
    """The rows of every run that was stressed."""
    part = Part("Robustness", f"{anchor}-robustness")
    found = []
    for run, labels in zip(group.runs, group.labels, strict=True):
        path = run.root / "stress.csv"
        if path.is_file():
            kinds = {"system": str, "subject": str, "true": str}
            table = read_csv(path, _COLUMNS, dtype=kinds, keep_default_na=False)
            found.append(table.assign(system=table["system"].map(labels)))
    if found:
        part.tables.append(robustness_table(pd.concat(found, ignore_index=True), group.rows))
    return part


def robustness_table(stress: pd.DataFrame, rows: pd.DataFrame) -> Table:
    """UAR of each system on clean images and at five strengths of each stress."""
    lines = []
    for (system, kind), part in stress.groupby(["system", "stress"], sort=False):
        mine = rows[rows["system"] == system]
        clean = metrics.uar(mine["true"], mine["predicted"])
        each = {int(strength): _uar(some) for strength, some in part.groupby("strength")}
        shown = {str(strength): percent(value) for strength, value in sorted(each.items())}
        lines.append(
            {
                "system": system, "stress": kind, "clean": percent(clean), **shown,
                "mean": percent(float(np.mean(list(each.values())))),
            }
        )  # fmt: skip
    note = (
        "UAR (%) of the same systems on the same test people; training saw none of these stresses on purpose. "
        "Strengths 1 to 5 are described in ferdis.preprocess.stress."
    )
    return Table("robustness", "UAR on images made worse", pd.DataFrame(lines), (note,))


def _uar(part: pd.DataFrame) -> float:
    counts = part.groupby("true")[["images", "right"]].sum()
    return float((counts["right"] / counts["images"]).mean())
