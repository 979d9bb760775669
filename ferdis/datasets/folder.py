"""Folders named after expressions, the person read from the path by a regular expression.

::

    root/
      anger/     anna_01.jpg  ben_02.jpg
      happiness/ anna_03.jpg  ...

with ``subject=r"(?P<subject>[a-z]+)_"``. The folder that names the expression may lie anywhere on the path
(``train/anna/happy/3.jpg``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.common import (
    Problem,
    checked_root,
    is_image,
    keep_expressions,
    named,
    prepared,
    raise_problems,
    walk_files,
)
from ferdis.datasets.labels import chosen_expressions, closest_expression, expression_of
from ferdis.faces import Faces

_TREE = "root/{anger,contempt,disgust,fear,happiness,neutral,sadness,surprise}/*.jpg"


def load_folder(
    root: str | Path,
    *,
    subject: str,
    expressions: str | Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    namespace: str | None = None,
    image_size: int = 256,
    align: bool = True,
    cache: str | Path | bool | None = None,
    device: str = "cpu",
    errors: Literal["raise", "skip"] = "raise",
    progress: bool = True,
) -> Faces:
    r"""Load images from folders named after expressions.

    Parameters
    ----------
    root : path
        The folder that holds the expression folders.
    subject : str
        Regular expression searched in each picture's path relative to ``root`` (forward slashes). Its group
        ``subject`` (or its only group, or the whole match) is the person. Further named groups become
        columns; ``sequence`` and ``frame`` are the video's. Example:
        ``r"(?P<subject>S\d+)_(?P<sequence>\d+)_(?P<frame>\d+)"``.
    expressions : sequence of str, "six", "seven" or None
        Classes to keep; images of other classes are dropped, counted and said. None keeps all.
    labels : mapping, optional
        Folder names to expression names, for example ``{"4": "happiness"}``.
    namespace : str, optional
        What subjects are prefixed with, by default the folder's name.
    image_size, align, cache, device, errors, progress
        As in :func:`ferdis.datasets.manifest.load_manifest`.

    Returns
    -------
    Faces

    Raises
    ------
    FileNotFoundError
        If the folder is missing, empty, or holds no image.
    ValueError
        If an image lies in no expression folder, or ``subject`` does not match its path. The message names
        the file.
    """
    table, notes = build_table(root, subject=subject, expressions=expressions, labels=labels, namespace=namespace)
    return prepared(
        Path(root).expanduser(),
        table,
        notes,
        dataset=namespace or Path(root).expanduser().resolve().name,
        image_size=image_size,
        align=align,
        cache=cache,
        device=device,
        errors=errors,
        progress=progress,
    )


def build_table(
    root: str | Path,
    *,
    subject: str,
    expressions: str | Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    namespace: str | None = None,
    problems: list[Problem] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The folders as a table, and what to say about it; arguments and errors as :func:`load_folder`.

    With a list given as ``problems``, what is wrong with single images is put there and the image left
    out.
    """
    keep = chosen_expressions(expressions)
    pattern = _compiled(subject)
    folder = checked_root(root, "folder")
    files = walk_files(folder)
    pictures = [path for path in files if is_image(path)]
    if not pictures:
        raise FileNotFoundError(f"{folder} holds no pictures: expected {_TREE}")
    prefix = namespace or folder.resolve().name
    rows: list[dict[str, object]] = []
    wrong: list[Problem] = []
    for path in pictures:
        row = _row(path, pattern, labels, prefix, folder)
        (wrong if isinstance(row, Exception) else rows).append(row)  # type: ignore[arg-type]
    if problems is None:
        raise_problems(wrong, f"folder --root {root}")
    else:
        problems += wrong
    notes: list[str] = []
    others = [path for path in files if not is_image(path)]
    if others:
        notes.append(f"files that are no images, left alone ({len(others)}): {named(others)}")
    table = pd.DataFrame(rows, columns=_columns(pattern))
    for name in table.columns.difference(["path", "expression", "subject", "sequence", "split"]):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (numbers.notna() | table[name].isna()).all():
            table[name] = numbers
    if len(table) or problems is None:
        table = keep_expressions(table, keep, notes)
    return table, notes


def _compiled(subject: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(subject)
    except re.error as error:
        raise ValueError(f"subject={subject!r} is no regular expression: {error}") from None
    if pattern.groups and "subject" not in pattern.groupindex and (pattern.groups > 1 or pattern.groupindex):
        raise ValueError(f"subject={subject!r} has several groups: name the person's (?P<subject>...)")
    return pattern


def _columns(pattern: re.Pattern[str]) -> list[str]:
    return ["path", "expression", "subject", *(name for name in pattern.groupindex if name not in _FIXED)]


_FIXED = ("path", "expression", "subject")


def _row(
    path: str, pattern: re.Pattern[str], labels: Mapping[str, str] | None, prefix: str, folder: Path
) -> dict[str, object] | Problem:
    """What the path says of one image, or what is wrong with it."""
    parents = path.split("/")[:-1]
    found = sorted({name for part in parents if (name := expression_of(part, labels))})
    if len(found) > 1:
        return ValueError(f"{folder / path} lies in folders of {' and '.join(found)}: move it to one of them")
    if not found:
        if not parents:
            return ValueError(f"{folder / path} lies in no expression folder: expected {_TREE}")
        return ValueError(
            f"{folder / path}: folder {parents[-1]!r} is no expression; {closest_expression(parents[-1])}"
            f" (rename it, or pass labels={{{parents[-1]!r}: ...}})"
        )
    match = pattern.search(path)
    groups = match.groupdict() if match else {}
    person = groups.get("subject") or (match.group(1 if pattern.groups == 1 else 0) if match else None)
    if not person:
        return ValueError(
            f"{folder / path}: subject={pattern.pattern!r} finds no person in {path!r}; "
            "change the expression or the file name"
        )
    row: dict[str, object] = {**groups, "path": path, "expression": found[0], "subject": f"{prefix}/{person}"}
    if groups.get("sequence") is not None:
        row["sequence"] = f"{prefix}/{person}/{groups['sequence']}"
    return row
