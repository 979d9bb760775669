"""What the loaders share: finding the folder, listing images, and putting down what is wrong, cause by cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ferdis.datasets.listing import walk_files
from ferdis.messages import closest, named

__all__ = [
    "IMAGE_SUFFIXES",
    "Problem",
    "Problems",
    "checked_root",
    "closest",
    "is_image",
    "keep_expressions",
    "named",
    "walk_files",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")


@dataclass
class Problem:
    """One mistake and every place where it was made: one line, however many rows it concerns.

    Attributes
    ----------
    first : str
        The line about the first place. It names file and row, and the way out.
    places : list
        All places, the first included: line numbers, or paths.
    kind : type
        What it is raised as: ValueError or FileNotFoundError.
    """

    first: str
    places: list[int] | list[str] = field(default_factory=list)
    kind: type[ValueError] | type[FileNotFoundError] = ValueError

    def __str__(self) -> str:
        others = self.places[1:]
        if not others:
            return self.first
        what = "lines" if isinstance(others[0], int) else "files"
        return f"{self.first} ({len(others)} more {what if len(others) > 1 else what[:-1]} alike: {named(others)})"


class Problems:
    """What is wrong with the files or rows of one data set, one entry per cause in the order they were met."""

    def __init__(self) -> None:
        self._of: dict[str, Problem] = {}

    def add(
        self,
        cause: str,
        first: str,
        places: list[int] | list[str],
        kind: type[ValueError] | type[FileNotFoundError] = ValueError,
    ) -> None:
        """Put down a mistake.

        Parameters
        ----------
        cause : str
            What tells this mistake from others: all places with one cause become one line.
        first : str
            The whole line about the first place, if it is new.
        places : list
            Line numbers, or paths.
        kind : type
            What it is raised as.
        """
        self._of.setdefault(cause, Problem(first, [], kind)).places.extend(places)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def settle(self, collected: list[Problem] | None, dataset: str) -> None:
        """Hand the problems over to a list, or raise the first of them.

        Parameters
        ----------
        collected : list or None
            Where they go; None raises the first, which says how many other causes there are.
        dataset : str
            The data set as ``ferdis check`` is told of it (``"jaffe --root DIR"``), for that line.
        """
        if collected is not None:
            collected.extend(self)
        elif len(self):
            first, more = next(iter(self)), len(self) - 1
            rest = f" ({more} more: `ferdis check {dataset}` lists all)" if more else ""
            raise first.kind(f"{first}{rest}")


def checked_root(root: str | Path, dataset: str) -> Path:
    """``root`` as a folder that exists and holds something.

    Raises
    ------
    FileNotFoundError
        If it does not exist, is a file, or is empty.
    """
    folder = Path(root).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist: give root= the folder that holds the {dataset} data")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is a file: give root= the folder that holds it")
    if not any(folder.iterdir()):
        raise FileNotFoundError(f"{folder} is empty: give root= the folder that holds the {dataset} data")
    return folder


def is_image(path: str) -> bool:
    """Whether the file's name says that it is an image."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def keep_expressions(table: pd.DataFrame, keep: Sequence[str] | None, notes: list[str]) -> pd.DataFrame:
    """The rows whose expression is in ``keep`` (None: all); how many others were dropped goes into ``notes``.

    Raises
    ------
    ValueError
        If no row is left.
    """
    if keep is None:
        return table
    kept = table["expression"].isin(keep)
    if kept.all():
        return table
    counts = table.loc[~kept, "expression"].value_counts().sort_index()
    if not kept.any():
        present = ", ".join(counts.index)
        raise ValueError(f"no row has one of the expressions {', '.join(keep)}: the data has {present}")
    dropped = ", ".join(f"{name} {count}" for name, count in counts.items())
    notes.append(f"dropped {int((~kept).sum())} of {len(table)} rows outside the chosen expressions: {dropped}")
    return table[kept].reset_index(drop=True)
