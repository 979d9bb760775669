"""The noise of a result: what people, partitions and seeds each move, and which differences stand out of it."""

from __future__ import annotations

import itertools

import pandas as pd

from ferdis.metrics import Gain, gain, spreads
from ferdis.report.page import Part
from ferdis.report.tables import Table, bracketed, signed

_REPLICATES = 4000


def gains_of(rows: pd.DataFrame) -> dict[tuple[str, str], Gain]:
    """The gain in UAR of each pair of systems that were trained several times alike; empty for single trainings."""
    found: dict[tuple[str, str], Gain] = {}
    for first, second in itertools.combinations(dict.fromkeys(rows["system"]), 2):
        seeds = [set(rows.loc[rows["system"] == name, "seed"]) for name in (first, second)]
        if seeds[0] == seeds[1] and len(seeds[0]) > 1:
            found[first, second] = gain(rows, first, second, "uar", replicates=_REPLICATES)
    return found


def verdict_between(gains: dict[tuple[str, str], Gain], best: str, other: str) -> tuple[Gain, float] | None:
    """The gain between two systems, with the sign that makes it ``best`` less ``other``; None where there is none."""
    if (best, other) in gains:
        return gains[best, other], 1.0
    return (gains[other, best], -1.0) if (other, best) in gains else None


def noise_part(rows: pd.DataFrame, gains: dict[tuple[str, str], Gain], anchor: str) -> Part:
    """The three spreads of each system, and the verdict of each pair."""
    part = Part("Noise", f"{anchor}-noise")
    if rows["seed"].nunique() < 2:
        part.lines.append(
            "Trained once: how far another partition into folds or another seed would move these figures is not known. "
            "ferdis kfold --partitions 10 tells it."
        )
        return part
    part.tables.append(spread_table(spreads(rows)))
    if gains:
        part.tables.append(gain_table(gains))
    return part


def spread_table(found: pd.DataFrame) -> Table:
    """The spreads of each system, from :func:`ferdis.metrics.spreads` (points)."""
    lines = []
    for line in found.to_dict("records"):
        lines.append(
            {
                "system": line["system"], "UAR (%)": f"{line['value']:.1f}", "people": _points(line["people"]),
                "partitions": _points(line["partitions"]), "seeds": _points(line["seeds"]),
                "trainings": _points(line["trainings"]), "one run": _points(line["total"]),
                "people / partitions / trainings":
                    f"{line['n_people']:.0f} / {line['n_partitions']:.0f} / {line['n_trainings']:.0f}",
            }
        )  # fmt: skip
    notes = [
        "Standard deviations in points of UAR: over people (bootstrap), from partition to partition and from seed to "
        "seed (nested analysis of variance), from training to training whatever the cause, and of a single run, which "
        "has all of them.",
    ]
    if found["seeds"].isna().any():
        notes.append("Each partition was trained once: partition and seed cannot be told apart without two seeds.")
    return Table("noise", "What people, partitions and seeds move", pd.DataFrame(lines), tuple(notes))


def gain_table(gains: dict[tuple[str, str], Gain]) -> Table:
    """Each pair with its interval over people, the floor and the verdict."""
    lines = []
    for (first, second), found in gains.items():
        lines.append(
            {
                "first − second": f"{first} − {second}",
                "UAR [over people]": bracketed(found.difference, found.low, found.high, signed),
                "[over people and trainings]": f"[{signed(found.both_low)}, {signed(found.both_high)}]",
                "floor": _points(100 * found.floor), "verdict": found.verdict,
            }
        )  # fmt: skip
    note = (
        "Shown: 0 is outside both intervals and the difference is above the floor, the spread of trainings. Of 200 "
        "simulated comparisons of equally good systems at most 5 % are shown (docs/report.md)."
    )
    return Table("gains", "Differences beside the noise floor", pd.DataFrame(lines), (note,))


def _points(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.1f}"
