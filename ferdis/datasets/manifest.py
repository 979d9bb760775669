"""Bring your own data: a folder with images and one CSV file.

``faces.csv`` has one row an image and a header::

    path,expression,subject,age,split
    images/001.jpg,happiness,anna,31,train

``path`` is relative to the folder, ``expression`` one of the eight names (or a usual spelling: ``happy``),
``subject`` who it is. Every further column is kept: ``sequence`` and ``frame`` (video), ``split`` (an
official split), ``AU01`` .. ``AU45`` (0..5, empty = not coded), ``age``, anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.common import Problem, checked_root, closest, keep_expressions, prepared, raise_problems
from ferdis.datasets.labels import chosen_expressions, closest_expression, expression_of
from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces

_TEXT_COLUMNS = ("path", "expression", "subject", "sequence", "split")
_EMPTY = ("", "nan", "none", "null", "na", "n/a")


def load_manifest(
    root: str | Path,
    *,
    csv: str = "faces.csv",
    expressions: str | Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    namespace: str | None = None,
    without_subjects: bool = False,
    image_size: int = 256,
    align: bool = True,
    cache: str | Path | bool | None = None,
    device: str = "cpu",
    errors: Literal["raise", "skip"] = "raise",
    progress: bool = True,
) -> Faces:
    """Load the images that a CSV file lists.

    Parameters
    ----------
    root : path
        The folder that holds the CSV file; paths in it are relative to this folder.
    csv : str
        The file's name.
    expressions : sequence of str, "six", "seven" or None
        Classes to keep; rows of other classes are dropped, counted and said. None keeps all.
    labels : mapping, optional
        The file's own label names to expression names, for example ``{"4": "happiness"}``.
    namespace : str, optional
        What subjects are prefixed with (``london/001``), by default the folder's name. Give two copies of one
        set the same namespace: then a person is one person in both.
    without_subjects : bool
        State that this set does not know its people: no ``subject`` column is asked for, a ``split`` column
        is.
    image_size : int
        Side of the square faces, pixels.
    align : bool
        Align on eye centres and nose tip; False takes the images as they are (centre crop, resized).
    cache : path, bool or None
        Folder of decoded faces, None for the default one, False for none.
    device : str
        Where faces are detected.
    errors : "raise" or "skip"
        What to do about images that cannot be read: an error that names them, or go on without them, named.
    progress : bool
        Show progress and say what was dropped.

    Returns
    -------
    Faces

    Raises
    ------
    FileNotFoundError
        If the folder, the CSV file or an image is missing.
    ValueError
        If a column is missing, a label is empty or unknown, a subject is missing, an AU lies outside 0..5, or
        two rows name one image. The message names the file and the line.
    """
    table, notes = build_table(
        root,
        csv=csv,
        expressions=expressions,
        labels=labels,
        namespace=namespace,
        without_subjects=without_subjects,
    )
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
    csv: str = "faces.csv",
    expressions: str | Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    namespace: str | None = None,
    without_subjects: bool = False,
    problems: list[Problem] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The manifest as a table, and what to say about it; arguments and errors as :func:`load_manifest`.

    With a list given as ``problems``, what is wrong with single rows is put there and the row left out,
    instead of raised.
    """
    keep = chosen_expressions(expressions)
    folder = checked_root(root, "manifest")
    raw = _read_csv(folder / csv)
    _require_columns(raw, folder / csv, without_subjects)
    wrong: list[Problem] = []
    table = _checked_rows(raw, folder, csv, labels, wrong)
    if problems is None:
        raise_problems(wrong, f"manifest --root {root}")
    else:
        problems += wrong
    table = _typed(table)
    if "subject" in table:
        name = namespace or folder.resolve().name
        table["subject"] = name + "/" + table["subject"]
        if "sequence" in table:  # often numbered afresh for each person
            table["sequence"] = (table["subject"] + "/" + table["sequence"]).where(table["sequence"].notna(), None)
    notes: list[str] = []
    if len(table) or problems is None:
        table = keep_expressions(table, keep, notes)
    return table, notes


def _read_csv(path: Path) -> pd.DataFrame:
    """The file as text, indexed by line number; known column names in our spelling."""
    if not path.is_file():
        others = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() == ".csv")
        found = f"; the folder has {', '.join(others)}: name it with csv=" if others else ""
        raise FileNotFoundError(
            f"{path} does not exist{found or ': it lists path, expression and subject of each picture'}"
        )
    try:
        raw = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True, skip_blank_lines=False
        )
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"{path} is empty: it needs a header line path,expression,subject and one line a picture"
        ) from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as comma-separated UTF-8 text: {reason}") from None
    if isinstance(raw.index, pd.MultiIndex) or not isinstance(raw.index, pd.RangeIndex):
        raise ValueError(f"{path}: lines have more values than the header has columns; quote values that hold a comma")
    known = {name.lower(): name for name in (*_TEXT_COLUMNS, "frame", *AU_COLUMNS)}
    raw.columns = [known.get(str(name).strip().lower(), str(name).strip()) for name in raw.columns]
    doubled = raw.columns[raw.columns.duplicated()]
    if len(doubled):
        raise ValueError(f"{path} has two columns {doubled[0]!r}: remove or rename one")
    raw.index = raw.index + 2  # the line in the file: 1 is the header
    raw = raw.fillna("").apply(lambda column: column.str.strip())  # a line cut short has empty values
    return raw[(raw != "").any(axis=1)]


def _require_columns(raw: pd.DataFrame, path: Path, without_subjects: bool) -> None:
    columns = list(raw.columns)
    for name in ("path", "expression"):
        if name not in columns:
            hint = closest(name, columns) or f" (it has {', '.join(columns)})"
            if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
                hint = ": the header is not comma-separated; save the file with commas"
            raise ValueError(f"{path} has no column {name!r}{hint}")
    if "subject" not in columns and not without_subjects:
        raise ValueError(
            f"{path} has no column 'subject': add it, the person of each image, so that nobody is in "
            f"both training and test; if nobody knows, add the official split as column 'split' and pass "
            f"without_subjects=True"
        )
    if "subject" not in columns and "split" not in columns:
        raise ValueError(f"{path} has neither 'subject' nor 'split': without people only an official split can be used")
    if raw.empty:
        raise ValueError(f"{path} has a header and no rows: add one line a picture")


def _checked_rows(
    raw: pd.DataFrame, folder: Path, csv: str, labels: Mapping[str, str] | None, problems: list[Problem]
) -> pd.DataFrame:
    """The rows of ``raw`` that are right, expressions in the vocabulary; the others go into ``problems``."""
    rows: list[dict[str, object]] = []
    first_line: dict[str, int] = {}
    for line, row in zip(raw.index, raw.to_dict("records"), strict=True):
        where = f"{folder / csv} line {line}"
        problem = _row_problem(row, folder, where, labels)
        path = _relative(row["path"])
        if problem is None and path in first_line:
            problem = ValueError(f"{where}: {path} was already named in line {first_line[path]}; remove one")
        first_line.setdefault(path, line)
        if problem is not None:
            problems.append(problem)
            continue
        rows.append({**row, "path": path, "expression": expression_of(row["expression"], labels)})
    return pd.DataFrame(rows, columns=raw.columns)


def _row_problem(row: Mapping[str, str], folder: Path, where: str, labels: Mapping[str, str] | None) -> Problem | None:
    """What is wrong with one row, or None."""
    if not row["path"]:
        return ValueError(f"{where}: the path is empty: name the image or remove the line")
    if row["expression"].lower() in _EMPTY and not (labels and row["expression"] in labels):
        return ValueError(f"{where}: {row['path']} has no expression: label it or remove the line")
    if expression_of(row["expression"], labels) is None:
        return ValueError(
            f"{where}: unknown expression {row['expression']!r} of {row['path']}; "
            f"{closest_expression(row['expression'])}"
        )
    if row.get("subject", "-") == "" or row.get("subject", "-").lower() == "nan":
        return ValueError(f"{where}: {row['path']} has no subject: name the person or remove the line")
    for name in AU_COLUMNS:
        text = row.get(name, "")
        if text.lower() not in _EMPTY and not _is_intensity(text):
            return ValueError(f"{where}: {name} is {text!r}; an intensity is 0 to 5, empty if it was not coded")
    if not (folder / _relative(row["path"])).is_file():
        return FileNotFoundError(f"{where}: {folder / row['path']} does not exist: correct the path or remove the line")
    return None


def _is_intensity(text: str) -> bool:
    try:
        return 0 <= float(text) <= AU_MAXIMUM
    except ValueError:
        return False


def _relative(path: str) -> str:
    """One spelling a path: ``./a.jpg`` beside ``a.jpg`` must not hide a second row for one image."""
    return Path(os.path.normpath(path.replace("\\", "/"))).as_posix()


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers where a whole column is numbers; paths, labels and names stay text (``001`` is a name)."""
    for name in table.columns:
        if name in _TEXT_COLUMNS:
            if name in ("sequence", "split"):
                table[name] = table[name].where(table[name] != "", None)
            continue
        present = ~table[name].str.lower().isin(_EMPTY)
        numbers = pd.to_numeric(table[name].where(present), errors="coerce")
        if name in AU_COLUMNS or (present.any() and numbers[present].notna().all()):
            table[name] = numbers.astype(float) if name in AU_COLUMNS else numbers
    return table
