"""How each entry of the zoo is made: a file per kind, each with a function that trains it and gives its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PEOPLE = 250  # rendered people of either set per sort of image (tools/synthetic_checks/real.py), for what ships


@dataclass(frozen=True)
class Options:
    """What a run of ``tools.train_zoo`` was asked for.

    Attributes
    ----------
    out : Path
        Where the files go.
    quick : bool
        The smallest that shows that everything works.
    networks : Path or None
        A folder of networks that ``tools.train_recogniser --out`` wrote: they are taken as they are.
    """

    out: Path
    quick: bool = False
    networks: Path | None = None


@dataclass(frozen=True)
class Entry:
    """What a training gives: its files, written already, and what its card says besides what every card says."""

    files: list[Path]
    card: Mapping[str, Any] = field(default_factory=dict)
