"""CK+48: the last three frames of CK+'s labelled sequences, cropped to 48x48 grey, in folders by class.

::

    root/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png

The people and the sequences are CK+'s own, so they carry its names (``ck/S010``, ``ck/S010/004``): a person
of CK+48 cannot stand in training while the same person of CK+ stands in test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.ckplus import NAMESPACE, check_expressions, published_counts
from ferdis.datasets.common import (
    Problem,
    checked_root,
    compare_counts,
    is_image,
    keep_expressions,
    named,
    prepared,
    raise_problems,
    walk_files,
)
from ferdis.datasets.labels import closest_expression, expression_of
from ferdis.faces import SIX_EXPRESSIONS, Faces

_FILE = re.compile(r"(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})\.[a-z]+", re.IGNORECASE)
FRAMES = 3  # images of each sequence
_LAYOUT = "CK+48/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png"


def load_ck48(
    root: str | Path,
    *,
    expressions: int = 7,
    image_size: int = 48,
    align: bool = False,
    cache: str | Path | bool | None = None,
    device: str = "cpu",
    errors: Literal["raise", "skip"] = "raise",
    progress: bool = True,
) -> Faces:
    """Load CK+48.

    Parameters
    ----------
    root : path
        The folder of the class folders, or one above it.
    expressions : 6 or 7
        7 with contempt (981 images), 6 without (927).
    image_size : int
        Side of the square faces, pixels; the pictures have 48.
    align : bool
        Off by default: the pictures are tight crops already, too small to find eyes in.
    cache, device, errors, progress
        As in :func:`ferdis.datasets.manifest.load_manifest`.

    Returns
    -------
    Faces
        ``subject`` is ``ck/S010``, ``sequence`` ``ck/S010/004``, ``frame`` the number in the file name.

    Raises
    ------
    FileNotFoundError
        If the folder is missing, empty, or holds no pictures.
    ValueError
        If a picture's name or folder does not fit the layout, or one picture lies in two folders. The message
        names it.
    """
    table, notes = build_table(root, expressions=expressions)
    return prepared(
        Path(root).expanduser(),
        table,
        notes,
        dataset="ck48",
        image_size=image_size,
        align=align,
        cache=cache,
        device=device,
        errors=errors,
        progress=progress,
    )


def build_table(
    root: str | Path, *, expressions: int = 7, problems: list[Problem] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """CK+48 as a table, and what to say about it; arguments and errors as :func:`load_ck48`.

    With a list given as ``problems``, what is wrong with single pictures is put there and the picture left
    out.
    """
    check_expressions(expressions)
    folder = checked_root(root, "ck48")
    rows: dict[tuple[str, str, int], dict[str, object]] = {}
    wrong: list[Problem] = []
    for path in filter(is_image, walk_files(folder)):
        *parents, name = path.split("/")
        match = _FILE.fullmatch(name)
        label = parents[-1] if parents else folder.resolve().name  # root may be one class folder: it has its name
        expression = expression_of(label)
        if match is None:
            wrong.append(ValueError(f"{folder / path} is not named as in CK+48: expected {_LAYOUT}"))
            continue
        if expression is None:
            wrong.append(ValueError(f"{folder / path}: folder {label!r} is no expression; {closest_expression(label)}"))
            continue
        subject, number, frame = match["subject"].upper(), match["sequence"], int(match["frame"])
        if (subject, number, frame) in rows:
            other = rows[subject, number, frame]["path"]
            wrong.append(ValueError(f"{folder / path} is there a second time as {other}: remove one"))
            continue
        rows[subject, number, frame] = {
            "path": path,
            "expression": expression,
            "subject": f"{NAMESPACE}/{subject}",
            "sequence": f"{NAMESPACE}/{subject}/{number}",
            "frame": frame,
        }
    wrong += _two_labels(rows.values(), folder)
    if not rows and not wrong:
        raise FileNotFoundError(f"{folder} holds no pictures: expected {_LAYOUT}")
    if problems is None:
        raise_problems(wrong, f"ck48 --root {root}")
    else:
        problems += wrong
    notes: list[str] = []
    table = pd.DataFrame(list(rows.values()), columns=["path", "expression", "subject", "sequence", "frame"])
    if expressions == 6 and len(table):
        dropped: list[str] = []  # contempt is dropped by the 6-class rule itself: nothing to say
        table = keep_expressions(table, (*SIX_EXPRESSIONS, "neutral"), dropped)
    if len(table):
        compare_counts(table, published_counts(expressions), notes)
        sizes = table["sequence"].value_counts().sort_index()
        odd = [f"{name} ({size})" for name, size in sizes.items() if size != FRAMES]
        if odd:
            notes.append(f"sequences without exactly {FRAMES} images ({len(odd)}): {named(odd)}")
    return table, notes


def _two_labels(rows: Iterable[dict[str, object]], folder: Path) -> list[Problem]:
    """One problem a sequence whose frames lie in folders of different classes."""
    first: dict[object, dict[str, object]] = {}
    problems: dict[object, Problem] = {}
    for row in rows:
        other = first.setdefault(row["sequence"], row)
        if other["expression"] != row["expression"]:
            path, known = folder / str(row["path"]), other["path"]
            text = f"{path}: another frame of its sequence is {known}; one of the two labels is wrong"
            problems.setdefault(row["sequence"], ValueError(text))
    return list(problems.values())
