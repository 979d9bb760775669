"""The published tables that ferdis can run: their plans, one YAML file each beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ferdis.datasets import entry
from ferdis.messages import closest

_FOLDER = Path(__file__).parent / "plans"


def names() -> list[str]:
    """Names of the tables, in the order of the papers."""
    return sorted(file.stem for file in _FOLDER.glob("*.yaml"))


def plan(name: str) -> dict[str, Any]:
    """The plan of a table.

    Parameters
    ----------
    name : such as ``ifgan-table1``.

    Returns
    -------
    dict
        ``title``, ``paper``, ``table``, ``protocol``, ``methods`` (system -> published name), ``columns`` (published
        data set -> loader, arguments and what the paper says of it), ``further`` (sets for training only), ``epochs``,
        ``cost`` (time and hardware, in words), ``differences`` from the paper.

    Raises
    ------
    ValueError
        If there is no such table; one line with the names that exist.
    """
    name = name.replace("_", "-")
    if name not in names():
        raise ValueError(f"no table {name!r}{closest(name, names())} (there are {', '.join(names())})")
    return dict(_read(name))


@cache
def _read(name: str) -> Mapping[str, Any]:
    return yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def sets_of(about: Mapping[str, Any]) -> list[str]:
    """Loaders of a plan: those of its columns first, then the sets for training only."""
    further = about["further"].get("sets", ())
    return list(dict.fromkeys([*(column["dataset"] for column in about["columns"].values()), *further]))


def overview() -> str:
    """All tables: what each measures, the sets that it needs, time and hardware."""
    lines: list[str] = []
    for name in names():
        about = plan(name)
        lines += [f"{name:<14} {about['title']}"]
        for column, what in about["columns"].items():
            lines.append(f"{'':<14} {column}: --{what['dataset']} DIR ({what['paper_data']})")
        if further := about["further"].get("sets"):
            given = ", ".join(f"--{one} DIR" for one in further)
            lines.append(f"{'':<14} for training only: {given}")
        lines += [f"{'':<14} {about['cost']['paper']}; --small: {about['cost']['small']}", ""]
    lines.append(
        "EGGAN's tables and DECGAN's evaluation are scripts of a checkout: experiments/eggan_table1.py --data NAME"
    )
    lines.append(
        "ferdis reproduce NAME says what is missing, with its layout; --dry-run 20 tries it on rendered people."
    )
    return "\n".join(lines)


def missing(about: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """A line for each set of a plan whose folder was not given: its option, layout, and where to get it.

    Parameters
    ----------
    about : the plan.
    given : loader -> folder.
    """
    lines = []
    tested = {what["dataset"]: column for column, what in about["columns"].items()}
    for name in sets_of(about):
        if name not in given:
            there = entry(name)
            why = f"column {tested[name]}" if name in tested else f"for training only ({about['further']['argument']})"
            lines.append(f"missing: --{name} DIR, {why}: {there.layout}; {there.where}")
    return lines
