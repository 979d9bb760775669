"""Several runs beside one another: paired where they tested the same images in the same folds, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from ferdis.run_folder import FinishedRun


@dataclass
class Group:
    """Runs whose systems were tested on the same images.

    Attributes
    ----------
    runs : list of FinishedRun
    rows : DataFrame, the rows of all; a system is called by its label here.
    labels : one mapping a run: its own name of a system -> the label.
    remarks : what a reader must know of runs that were joined.
    """

    runs: list[FinishedRun] = field(default_factory=list)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Names of the data sets."""
        return ", ".join(dict.fromkeys(self.rows["dataset"].astype(str)))

    @property
    def fits(self) -> pd.DataFrame:
        """One row a fit of every run, systems by their labels."""
        parts = [run.fits.replace({"system": names}) for run, names in zip(self.runs, self.labels, strict=True)]
        return pd.concat(parts, ignore_index=True)


def join(runs: Sequence[FinishedRun]) -> tuple[list[Group], list[str]]:
    """Join runs that were tested alike.

    A name that two runs share stays one system only where its parameters are the same and its seeds are others (the
    second run then adds seeds); else each is called after its run's folder.

    Returns
    -------
    groups : list of Group, in the order of the runs
    apart : list of str
        Why the groups were not paired, one line for each after the first.
    """
    groups: list[Group] = []
    apart: list[str] = []
    for run in runs:
        reasons = [_difference(group.runs[0], run) for group in groups]
        if None in reasons:
            _add(groups[reasons.index(None)], run)
            continue
        if groups:
            first = groups[0].runs[0].name
            apart.append(f"{run.name} is not paired with {first}: {reasons[0]}. The two stand side by side.")
        groups.append(Group())
        _add(groups[-1], run)
    return groups, apart


def _difference(one: FinishedRun, other: FinishedRun) -> str | None:
    """Why two runs cannot be paired; None where they can."""
    if ("reference" in one.rows) != ("reference" in other.rows):
        return "one of them may give images of the test people to its systems, the other is strict"
    tested = [set(zip(run.rows["fold"], run.rows["path"], run.rows["true"], strict=True)) for run in (one, other)]
    if tested[0] == tested[1]:
        return None
    pictures = [{(path, true) for _, path, true in items} for items in tested]
    if pictures[0] == pictures[1]:
        return "it tested the same images in other folds"
    paths = [{path for path, _ in items} for items in pictures]
    if paths[0] == paths[1]:
        return "it tested the same images under other labels"
    both = len(paths[0] & paths[1])
    return f"it tested other images ({both} of its {len(paths[1])} are among the {len(paths[0])} of the other)"


def _add(group: Group, run: FinishedRun) -> None:
    rows = run.rows
    labels = {system: _label(group, run, system) for system in dict.fromkeys(rows["system"])}
    if group.runs:
        group.remarks += _remarks(group.runs[0], run)
    group.runs.append(run)
    group.labels.append(labels)
    group.rows = pd.concat([group.rows, rows.assign(system=rows["system"].map(labels))], ignore_index=True)


def _label(group: Group, run: FinishedRun, system: str) -> str:
    """What a run's system is called among those that are there already."""
    for name in (system, f"{system} ({run.name})"):
        there = group.rows[group.rows["system"] == name] if len(group.rows) else group.rows
        mine = run.rows[run.rows["system"] == system]
        if there.empty or _more_seeds(there, mine):
            return name
    return f"{system} ({run.root})"


def _more_seeds(there: pd.DataFrame, mine: pd.DataFrame) -> bool:
    """Whether rows are of one system trained with further seeds."""
    return set(there["parameters"]) == set(mine["parameters"]) and not set(there["seed"]) & set(mine["seed"])


def _remarks(first: FinishedRun, run: FinishedRun) -> list[str]:
    """Joined runs test the same images; they may still have trained on others, or chosen their model otherwise."""
    remarks = []
    for part, verb in (("train", "trained"), ("validation", "validated")):
        if _part(first, part) != _part(run, part):
            remarks.append(f"{run.name} {verb} on other images of the folds than {first.name}.")
    rules = [one.record["selection"] for one in (run, first)]
    if rules[0] != rules[1]:
        remarks.append(f'{run.name} chose its models by "{rules[0]}", {first.name} by "{rules[1]}".')
    return remarks


def _part(run: FinishedRun, part: str) -> set[tuple[int, str]]:
    """Who is in a part of the folds: fold and image."""
    lines = run.folds[run.folds["part"] == part]
    return set(zip(lines["fold"], lines["path"], strict=True))
