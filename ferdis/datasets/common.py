"""What the loaders share: finding the folder, listing images, saying what is wrong, preprocessing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from ferdis.datasets.listing import walk_files
from ferdis.faces import Faces
from ferdis.messages import closest, named

if TYPE_CHECKING:
    from ferdis.preprocess.align import Preprocessor

__all__ = [
    "IMAGE_SUFFIXES",
    "Problem",
    "checked_root",
    "closest",
    "is_image",
    "keep_expressions",
    "named",
    "prepared",
    "raise_problems",
    "walk_files",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")

Problem = ValueError | FileNotFoundError


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


def raise_problems(problems: Sequence[Problem], dataset: str) -> None:
    """Raise the first of ``problems``, saying how many follow; nothing if there are none."""
    if problems:
        more = len(problems) - 1
        rest = f" ({more} more: `ferdis check {dataset}` lists all)" if more else ""
        raise type(problems[0])(f"{problems[0]}{rest}")


def keep_expressions(table: pd.DataFrame, keep: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """The rows whose expression is in ``keep``; how many others were dropped goes into ``notes``.

    Raises
    ------
    ValueError
        If no row is left.
    """
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


def prepared(
    root: Path,
    table: pd.DataFrame,
    notes: Sequence[str],
    *,
    dataset: str,
    image_size: int,
    align: bool | Preprocessor,
    cache: str | Path | bool | None,
    device: str,
    errors: Literal["raise", "skip"],
    progress: bool,
) -> Faces:
    """Hand the table to :func:`ferdis.preprocess.prepare` and say the loader's notes aloud.

    Parameters
    ----------
    root : Path
        The folder that ``table["path"]`` is relative to.
    table : DataFrame
        What the loader knows, one row an image.
    dataset : str
        The set's name, for ``faces.attrs["dataset"]`` and as the beginning of each note.
    notes : sequence of str
        What was dropped or differs; printed to stderr, one line each, unless ``progress`` is off, and kept in
        ``faces.attrs["notes"]``.
    """
    from ferdis.preprocess import prepare

    if progress:
        for note in notes:
            print(f"{dataset}: {note}", file=sys.stderr)
    faces = prepare(
        [root / path for path in table["path"]],
        table,
        image_size=image_size,
        align=align,
        cache=cache,
        device=device,
        errors=errors,
        progress=progress,
    )
    attrs: dict[str, Any] = {**faces.attrs, "dataset": dataset}
    attrs["notes"] = [*notes, *faces.attrs.get("notes", [])]
    return Faces(faces.images, faces.table, attrs)
