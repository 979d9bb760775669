"""A report as JSON beside its page, and what changed between two such reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ferdis._io import plain, read_json
from ferdis.messages import markdown_table
from ferdis.report.joining import Group
from ferdis.report.noise import gains_of
from ferdis.report.page import Section

VERSION = 1
FIGURES = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro-F1", "ece": "ECE"}


def report_record(
    groups: Sequence[Group], sections: Sequence[Section], summaries: Sequence[pd.DataFrame]
) -> dict[str, Any]:
    """What report.json holds: for each group its headline, its systems' figures, the gains and every table as text.

    Parameters
    ----------
    groups, sections, summaries : of the same groups of runs; summaries from :func:`ferdis.metrics.summary`.
    """
    found = []
    for group, section, summary in zip(groups, sections, summaries, strict=True):
        first = group.runs[0].record
        tables = {
            table.name: {
                "title": table.title, "columns": list(table.cells), "rows": table.cells.to_numpy().tolist(),
                "notes": list(table.notes),
            }
            for part in section.parts for table in part.tables
        }  # fmt: skip
        gains = [
            {"first": one, "second": other, "difference": gain.difference, "low": gain.both_low, "high": gain.both_high,
             "verdict": gain.verdict}
            for (one, other), gain in gains_of(group.rows).items()
        ]  # fmt: skip
        found.append(
            {
                "title": section.title, "about": section.about, "headline": section.headline,
                "runs": [run.name for run in group.runs], "protocol": first["protocol"],
                "faces_digest": first["faces"]["digest"], "systems": summary.to_dict("records"), "gains": gains,
                "tables": tables,
            }
        )  # fmt: skip
    return {"ferdis_report": VERSION, "groups": [_without_nan(plain(group)) for group in found]}


def read_report(path: str | Path) -> dict[str, Any]:
    """report.json of a report: the file, its folder, or its page.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or it is no report.
    """
    path = Path(path)
    file = path / "report.json" if path.is_dir() else path.with_suffix(".json")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such report; ferdis report RUN writes report.json beside report.html")
    record = read_json(file, mend="make the report again")
    if "ferdis_report" not in record or not isinstance(record.get("groups"), list):
        raise ValueError(f"{file} is no report: give the report.json that ferdis report wrote")
    return record


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """What changed from one report to another: a line for each system and figure that both have, and remarks.

    Figures of two reports are not paired: whether a change is more than chance is not tested. The remarks say where the
    data set, the protocol or the systems differ.

    Returns
    -------
    DataFrame
        ``group, system, figure, then, now, change`` (0..1), and ``outside``: whether each figure is outside of the
        other's interval; None where it has no interval.
    list of str
    """
    lines: list[dict[str, Any]] = []
    remarks: list[str] = []
    for number, group in enumerate(now["groups"]):
        if number >= len(then["groups"]):
            remarks.append(f"{group['title']}: the earlier report has no such group.")
            continue
        before = then["groups"][number]
        for key, word in (("faces_digest", "other images or labels"), ("protocol", "another protocol")):
            if before.get(key) != group.get(key):
                remarks.append(
                    f"{group['title']}: {word} than in the earlier report: the figures answer two questions."
                )
        old = {item["system"]: item for item in before["systems"]}
        new = {item["system"]: item for item in group["systems"]}
        for names, word in ((set(new) - set(old), "only now"), (set(old) - set(new), "only earlier")):
            if names:
                remarks.append(f"{group['title']}: {', '.join(sorted(names))}: {word}.")
        for system in [name for name in new if name in old]:
            for figure in FIGURES:
                one, other = old[system].get(figure), new[system].get(figure)
                if one is None or other is None:
                    continue
                sides = _outside(one, new[system], figure), _outside(other, old[system], figure)
                outside = None if None in sides else all(sides)
                about = {"group": group["title"], "system": system, "figure": figure, "then": one, "now": other}
                lines.append({**about, "change": other - one, "outside": outside})
    columns = ["group", "system", "figure", "then", "now", "change", "outside"]
    return pd.DataFrame(lines, columns=columns).astype({"outside": object}), remarks


def changes_text(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """:func:`changes` in Markdown."""
    table, remarks = changes(then, now)
    lines = [
        [line.group, line.system, FIGURES[line.figure], f"{100 * line.then:.1f}", f"{100 * line.now:.1f}",
         f"{100 * line.change:+.1f}", {None: "no interval", True: "yes", False: "no"}[line.outside]]
        for line in table.itertuples()
    ]  # fmt: skip
    head = ["runs", "system", "figure (%)", "then", "now", "change (points)", "outside both intervals"]
    below = [*remarks, "The two reports are not paired: name both runs in one report to have them tested over people."]
    return f"{markdown_table(head, lines)}\n" + "".join(f"- {line}\n" for line in below)


def _outside(value: float, line: Mapping[str, Any], figure: str) -> bool | None:
    """Whether a figure is outside the interval of another report's; None where that has no interval."""
    low, high = line.get(f"{figure}_low"), line.get(f"{figure}_high")
    return None if low is None or high is None else not low <= value <= high


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def as_json(record: Mapping[str, Any]) -> str:
    """The text of report.json."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
