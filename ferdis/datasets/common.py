"""What the loaders share: finding the folder, listing pictures, saying what is wrong, preprocessing."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ferdis.faces import EXPRESSIONS, Faces

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")
NAMED = 5  # things that a message names before it only counts

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


def walk_files(root: Path) -> list[str]:
    """Every file under ``root`` as a sorted relative path with forward slashes.

    Hidden files and folders are left out, and with them macOS's ``._*`` companions, which carry a picture's
    name but no picture; so is ``__MACOSX``. Links to folders are followed, each real folder once.
    """
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders[:] = []
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        relative = Path(folder).relative_to(root)
        found += [(relative / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


def is_image(path: str) -> bool:
    """Whether the file's name says that it is a picture."""
    return path.lower().endswith(IMAGE_SUFFIXES)


def raise_problems(problems: Sequence[Problem], dataset: str) -> None:
    """Raise the first of ``problems``, saying how many follow; nothing if there are none."""
    if problems:
        more = len(problems) - 1
        rest = f" ({more} more: `ferdis check {dataset}` lists all)" if more else ""
        raise type(problems[0])(f"{problems[0]}{rest}")


def named(things: Iterable[object]) -> str:
    """The first few of ``things`` by name and the rest by number: ``a, b and 3 more``."""
    texts = [str(thing) for thing in things]
    rest = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + rest


def closest(text: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` if one of ``choices`` is near ``text``, else nothing."""
    near = difflib.get_close_matches(text, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


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


def compare_counts(table: pd.DataFrame, published: Mapping[str, int], notes: list[str]) -> bool:
    """Note which counts of images, sequences, people differ from ``published``; True if any does."""
    labelled = table[table["expression"] != "neutral"]
    here = {
        "images": len(labelled),
        "sequences": labelled["sequence"].nunique(),
        "subjects": labelled["subject"].nunique(),
    }
    per_class = labelled.groupby("expression")["sequence"].nunique()
    here |= {f"sequences of {name}": int(per_class.get(name, 0)) for name in EXPRESSIONS}
    differing = [f"{here[what]} {what} (published {count})" for what, count in published.items() if here[what] != count]
    if differing:
        notes.append("counts differ from the published ones: " + ", ".join(differing))
    return bool(differing)


def prepared(
    root: Path,
    table: pd.DataFrame,
    notes: Sequence[str],
    *,
    dataset: str,
    image_size: int,
    align: bool,
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
