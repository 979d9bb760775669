"""Bring your own data: a folder with images and one CSV file.

``faces.csv`` has one row per image and a header::

    path,expression,subject,age,split
    images/001.jpg,happiness,anna,31,train

``path`` is relative to the folder (an absolute path and ``../`` are followed too), ``expression`` the class: one of the
eight expressions (or a usual spelling: ``happy``) or any other name (``engaged``, ``pain 3``). ``subject`` is who it
is; without that column the set can be fitted and predicted, and k-fold refuses it. Every further column is kept:
``sequence`` and ``frame`` (video), ``split`` (an official split), ``AU01`` .. ``AU45`` (0..5, empty = not coded),
``age``, anything. In every column an empty cell, ``nan``, ``None``, ``null``, ``NA`` and ``n/a`` are missing values.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ferdis._tables import missing, read_csv
from ferdis.datasets.base import Cache, Dataset, Errors, functions_of
from ferdis.datasets.common import Problem, Problems, checked_root, keep_expressions
from ferdis.datasets.labels import ClassNames, class_names, own_expressions
from ferdis.faces import AU_COLUMNS, AU_MAXIMUM
from ferdis.messages import closest, named, quoted, short
from ferdis.preprocess.containers import file_of

_TEXT_COLUMNS = ("path", "expression", "subject", "sequence", "split")
_LABELS = 10  # unknown labels that have a line of their own
_FEW = 32  # files of one folder that are looked at one by one; more, and the folder is listed
_CONFIRMED = 100  # files not in their folder's listing that are looked for all the same


class Manifest(Dataset):
    """The images that a CSV file lists.

    Parameters
    ----------
    root : path
        The folder that holds the CSV file; paths in it are relative to this folder.
    csv : str
        The file's name.
    expressions : sequence of str, "six", "seven" or None
        Classes to keep, any names; rows of other classes are dropped and counted in a note. None keeps all.
    labels : mapping, optional
        The file's own label names to class names, for example ``{"4": "happiness"}``. A label that looks like an
        expression misspelt, where all others are expressions, is refused unless it stands here:
        ``{"madness": "madness"}``.
    namespace : str, optional
        What subjects are prefixed with (``london/001``), by default the folder's name. Give two copies of one
        set the same namespace: then a person is one person in both.
    without_subjects : bool
        State that this set does not know its people: an empty ``subject`` column is then none.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.
    """

    name = "manifest"

    def __init__(
        self,
        root: str | Path,
        *,
        csv: str = "faces.csv",
        expressions: str | Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
        without_subjects: bool = False,
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
    ) -> None:
        super().__init__(
            root, image_size=image_size, align=align, cache=cache, device=device, errors=errors, progress=progress
        )
        self.csv = csv
        self.expressions = expressions
        self.labels = labels
        self.namespace = namespace
        self.without_subjects = without_subjects

    @property
    def title(self) -> str:
        """The namespace, by default the folder's name."""
        return self.namespace or self.root.resolve().name

    def table(self, problems: list[Problem] | None = None) -> tuple[pd.DataFrame, list[str]]:
        """As :meth:`Dataset.table <ferdis.datasets.base.Dataset.table>`; a bad row is named by its line."""
        keep = own_expressions(self.expressions)
        folder = checked_root(self.root, self.name)
        raw = _read(folder / self.csv)
        if self.without_subjects and "subject" in raw and missing(raw["subject"]).all():
            raw = raw.drop(columns="subject")
        _require_columns(raw, folder / self.csv)
        rows = _Rows(raw, folder / self.csv)
        names = class_names(set(raw["expression"][~missing(raw["expression"])]) | _used(raw, self.labels), self.labels)
        table = _typed(_checked(rows, folder, names))
        table.attrs["own_labels"] = names.declared
        rows.problems().settle(problems, f"manifest --root {self.root}")
        if "subject" in table:
            table["subject"] = self.title + "/" + table["subject"]
            if "sequence" in table:  # often numbered afresh for each person
                table["sequence"] = (table["subject"] + "/" + table["sequence"]).where(table["sequence"].notna(), None)
        notes: list[str] = []
        if "subject" not in table and not self.without_subjects:
            hint = closest("subject", map(str, raw.columns))
            notes.append(f"no column 'subject'{hint}: these faces can be fitted and predicted, not split by person")
        if len(table) or problems is None:
            table = keep_expressions(table, keep, notes)
        notes += names.note(table["expression"].value_counts())
        return table, notes


def _used(raw: pd.DataFrame, labels: Mapping[str, str] | None) -> set[str]:
    """Words for a missing value that ``labels`` makes a label of, and that occur."""
    return set(raw["expression"]) & set(labels or ())


def _read(path: Path) -> pd.DataFrame:
    """The file as text without blanks around it, indexed by line number; known column names in our spelling."""
    if not path.is_file():
        others = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() == ".csv")
        found = f"; the folder has {named(others)}: name it with csv=" if others else ""
        raise FileNotFoundError(
            f"{path} does not exist{found or ': it lists path, expression and subject of each image'}"
        )
    raw = read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    if not isinstance(raw.index, pd.RangeIndex):
        raise ValueError(f"{path}: lines have more values than the header has columns; quote values that hold a comma")
    known = {name.lower(): name for name in (*_TEXT_COLUMNS, "frame", *AU_COLUMNS)}
    raw.columns = [known.get(name.lower(), name) for name in raw.columns]
    doubled = raw.columns[raw.columns.duplicated()]
    if len(doubled):
        raise ValueError(f"{path} has two columns {quoted(doubled[0])}: remove or rename one")
    raw.index = raw.index + 2  # the line in the file: 1 is the header
    raw = raw.fillna("").apply(lambda column: column.str.strip())  # a line cut short has empty values
    return raw[(raw != "").any(axis=1)]


def _require_columns(raw: pd.DataFrame, path: Path) -> None:
    columns = [str(name) for name in raw.columns]
    for name in ("path", "expression"):
        if name not in columns:
            hint = closest(name, [short(other) for other in columns]) or f" (it has {named(map(short, columns))})"
            if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
                hint = ": the header is not comma-separated; save the file with commas"
            raise ValueError(f"{path} has no column {name!r}{hint}")
    if raw.empty:
        raise ValueError(f"{path} has a header and no rows: add one line per image")


class _Rows:
    """The rows of the file, which of them are right so far, and what is wrong with the others."""

    def __init__(self, raw: pd.DataFrame, file: Path) -> None:
        self.raw, self.file = raw, file
        self.line = raw.index.to_numpy()
        self.right = np.ones(len(raw), dtype=bool)
        self.wrong: list[tuple[str, np.ndarray, type[ValueError] | type[FileNotFoundError]]] = []

    def refuse(
        self,
        which: np.ndarray | pd.Series,
        what: Callable[[int], str],
        kind: type[ValueError] | type[FileNotFoundError] = ValueError,
    ) -> None:
        """Take out the rows of a mask with which nothing else is wrong; ``what`` words it for the first of them."""
        rows = np.flatnonzero(np.asarray(which, dtype=bool) & self.right)
        if len(rows):
            self.right[rows] = False
            self.wrong.append((f"{self.file} line {self.line[rows[0]]}: {what(int(rows[0]))}", self.line[rows], kind))

    def problems(self) -> Problems:
        """What was refused, in the order of the first line of each."""
        found = Problems()
        for number, (first, lines, kind) in enumerate(sorted(self.wrong, key=lambda item: item[1][0])):
            found.add(str(number), first, lines.tolist(), kind)
        return found


def _checked(rows: _Rows, folder: Path, names: ClassNames) -> pd.DataFrame:
    """The rows that are right: paths in one spelling, expressions as class names."""
    raw = rows.raw
    path = [_relative(text) for text in raw["path"]]
    rows.refuse(missing(raw["path"]), lambda row: "the path is empty: name the image or remove the line")
    expression = _expressions(rows, path, names)
    if "subject" in raw:
        rows.refuse(
            missing(raw["subject"]),
            lambda row: f"{short(path[row])} has no subject: name the person or remove the line",
        )
    for name in raw.columns.intersection(AU_COLUMNS):
        _refuse_intensities(rows, name)
    rows.refuse(
        _absent(folder, path, rows.right),
        lambda row: f"{short(folder / path[row], 200)} does not exist: correct the path or remove the line",
        FileNotFoundError,
    )
    file = pd.Series([_one_name(text, folder) for text in path], dtype=object)
    rows.refuse(
        file.duplicated(),
        lambda row: (
            f"{short(path[row])} was already named in line {rows.line[(file == file[row]).idxmax()]}; remove one"
        ),
    )
    return raw.assign(path=path, expression=expression)[rows.right].reset_index(drop=True)


def _expressions(rows: _Rows, path: Sequence[str], names: ClassNames) -> np.ndarray:
    """Class names, None where there is none; a line for each label that is doubted, up to ten."""
    given = rows.raw["expression"]
    rows.refuse(
        ~given.isin(list(names.names)),
        lambda row: f"{short(path[row])} has no expression: label it or remove the line",
    )
    code, spellings = pd.factorize(given)
    expression = np.array([names.names.get(text) for text in spellings], dtype=object)[code]
    doubted = np.array([name in names.doubts for name in expression], dtype=bool) & rows.right
    lines_of_their_own = list(dict.fromkeys(code[doubted]))[:_LABELS]

    def doubtful(row: int) -> str:
        return f"expression {quoted(given.iloc[row])} of {short(path[row])}: {names.doubts[expression[row]]}"

    for which in (*(code == label for label in lines_of_their_own), doubted):
        rows.refuse(which & doubted, doubtful)
    return expression


def _refuse_intensities(rows: _Rows, name: str) -> None:
    given = rows.raw[name]
    values = pd.to_numeric(given.where(~missing(given)), errors="coerce")
    rows.refuse(
        ~missing(given) & ~values.between(0, AU_MAXIMUM),
        lambda row: f"{name} is {quoted(given.iloc[row])}; an intensity is 0 to 5, empty if it was not coded",
    )


def _absent(folder: Path, paths: Sequence[str], asked: np.ndarray) -> np.ndarray:
    """Which of the paths asked for name no file, (n,) of bool.

    A folder that many rows name is listed once. A file that its listing does not have is looked for all the same, until
    a hundred were not there: some file systems do not tell capitals from small letters, or spell accents their own way.
    """
    absent = np.zeros(len(paths), dtype=bool)
    by_folder: dict[str, list[int]] = {}
    for row in np.flatnonzero(asked).tolist():
        by_folder.setdefault(posixpath.dirname(paths[row]), []).append(row)
    unconfirmed = _CONFIRMED
    for name, rows in by_folder.items():
        files = [file_of(os.path.join(folder, paths[row])) for row in rows]  # noqa: PTH118
        listed = _listing(os.path.join(folder, name)) if len(rows) > _FEW else frozenset()  # noqa: PTH118
        for row, file in zip(rows, files, strict=True):
            if os.path.basename(file) in listed:  # noqa: PTH119
                continue
            if unconfirmed > 0 or len(rows) <= _FEW:
                absent[row] = not os.path.isfile(file)  # noqa: PTH113
                unconfirmed -= int(absent[row])
            else:
                absent[row] = True
    return absent


def _listing(folder: str) -> frozenset[str]:
    """Names of the files in a folder; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (OSError, ValueError):  # a path with a NUL is a ValueError
        return frozenset()


def _relative(path: str) -> str:
    """One spelling per path: ``./a.jpg`` beside ``a.jpg`` must not hide a second row for one image."""
    return posixpath.normpath(path.replace("\\", "/"))


def _one_name(path: str, folder: Path) -> str:
    """A path that leaves the folder by the way that may lead back into it."""
    if not path.startswith(("/", "..")):
        return path
    return os.path.relpath(os.path.join(folder, path), folder)  # noqa: PTH118


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers where a whole column is numbers; paths, labels and names stay text (``001`` is a name)."""
    for name in table.columns:
        if name in ("path", "expression", "subject"):
            continue
        present = ~missing(table[name])
        numbers = pd.to_numeric(table[name].where(present), errors="coerce")
        if name in AU_COLUMNS:
            table[name] = numbers.astype(float)
        elif name not in _TEXT_COLUMNS and present.any() and numbers[present].notna().all():
            table[name] = numbers
        else:
            table[name] = table[name].where(present, None)
    return table


build_table, load_manifest = functions_of(Manifest)
