"""Which frames of a sequence carry its label: the papers' rules, and the first frame as a neutral face."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ferdis.messages import named

Row = dict[str, Any]
Peak = Literal["last", "middle"]

_RULE = re.compile(r"(?P<first>first\+)?(?P<where>last|middle|apex|all)(?P<count>[1-9]\d*)?|(?P<only>first)")


@dataclass(frozen=True)
class FrameRule:
    """A rule such as ``"last3"``, ``"middle3"``, ``"first+last"``, ``"apex"``, ``"all"``.

    Attributes
    ----------
    text : str
        As it was given.
    first : bool
        The first frame is taken too, as a neutral face.
    where : str
        ``"last"``, ``"middle"``, ``"all"``, or ``"first"`` for the neutral frame alone.
    count : int
        Frames that carry the label; what ``all`` makes of it is up to the sequence.
    peak : "last" or "middle"
        Where these sequences are strongest: at the end (from neutral to the apex) or half way (and back again).
    """

    text: str
    first: bool
    where: str
    count: int
    peak: Peak

    @staticmethod
    def parse(text: str, peak: Peak, *, neutral: bool = False) -> FrameRule:
        """Read a rule; ``neutral`` takes the first frame whatever the rule says.

        Raises
        ------
        ValueError
            If there is no such rule.
        """
        match = _RULE.fullmatch(text)
        if match is None or (match["where"] == "all" and match["count"]):
            raise ValueError(
                f"frames={text!r}: choose 'last3', 'middle3', 'apex', 'all', 'first+last' or another number of frames"
            )
        where = match["only"] or match["where"].replace("apex", peak)
        first = neutral or match["only"] is not None or match["first"] is not None
        return FrameRule(text, first, where, int(match["count"] or 1), peak)

    def choose(self, length: int) -> tuple[list[int], list[int]]:
        """Numbers (from 0) of a sequence's neutral frames, none or one, and of its labelled ones; never both."""
        if self.where == "all":
            labelled = list(range(length))
        elif self.where == "first":
            labelled = []
        else:
            start = max(0, length - self.count)
            start = start // 2 if self.where == "middle" else start
            labelled = list(range(start, min(start + self.count, length)))
        if not self.first or not length:
            return [], labelled
        if self.where == "all":
            return [0], labelled[1:]
        return ([0] if 0 not in labelled else []), labelled

    def before_peak(self, number: int, length: int) -> int:
        """How many frames before the peak frame ``number`` is; negative after it."""
        return (length - 1 if self.peak == "last" else (length - 1) // 2) - number

    @property
    def remark(self) -> str | None:
        """What to say of a rule that does not fit how these sequences run."""
        if self.where in ("all", "first", self.peak):
            return None
        if self.peak == "middle":
            return f"frames={self.text!r}: these sequences end at rest, so that their last frames show no expression"
        return f"frames={self.text!r}: these sequences are strongest at the end, their middle is half way"


def choose_frames(rows: Iterable[Row], rule: FrameRule, notes: list[str] | None = None) -> list[Row]:
    """The rows of the chosen frames, sequence by sequence, with ``position`` (frames before the peak).

    Parameters
    ----------
    rows : iterable of dict
        With ``sequence`` and ``frame``; the frames of a sequence in any order.
    rule : FrameRule
    notes : list of str, optional
        Where sequences too short for the rule are named.
    """
    sequences: dict[str, list[Row]] = {}
    for row in rows:
        sequences.setdefault(row["sequence"], []).append(row)
    chosen, short = [], []
    for name, frames in sequences.items():
        frames.sort(key=lambda row: row["frame"])
        neutral, labelled = rule.choose(len(frames))
        for number in (*neutral, *labelled):
            position = rule.before_peak(number, len(frames))
            label = "neutral" if number in neutral else frames[number]["expression"]
            chosen.append({**frames[number], "expression": label, "position": position})
        wanted = {"all": 1, "first": 0}.get(rule.where, rule.count)
        if len(labelled) < wanted or len(neutral) < rule.first:
            short.append(f"{name} ({len(frames)} frames)")
    if short and notes is not None:
        notes.append(f"sequences too short for the frames asked for ({len(short)}): {named(short)}")
    return chosen
