"""Faces: images and a table of what is known about each, the one record that everything passes.

A :class:`Faces` behaves as ``X`` in scikit-learn: it has a length, a shape, and may be indexed by a slice, a
mask or integers. Indexing never copies pixels: the images stay where they are (in memory, in a memory map, or
on disk to be decoded) until somebody asks for them.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from ferdis import notebook
from ferdis._image_arrays import Joined, T, View, map_originals_of, row_numbers
from ferdis._tables import MISSING
from ferdis.labels import EXPRESSIONS, MOST_CLASSES, SEVEN_EXPRESSIONS, SIX_EXPRESSIONS, can_name_a_class, misspelt
from ferdis.messages import NAMED, and_more, named, quoted, short

__all__ = [
    "ACTION_UNITS", "AU_COLUMNS", "AU_MAXIMUM", "EXPRESSIONS", "SEVEN_EXPRESSIONS", "SIX_EXPRESSIONS", "Faces",
]  # fmt: skip

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
AU_COLUMNS = tuple(f"AU{unit:02d}" for unit in ACTION_UNITS)
AU_MAXIMUM = 5.0  # FACS intensities A to E, and OpenFace's 0..5

_DIGEST_IMAGES = 64  # images that enter Faces.digest(): enough to tell two sets apart, cheap for 100,000
_DIGEST_ATTRS = ("posed", "counterpart")  # what a fit reads beside the table
_NO_NAMES = MISSING - {"n/a"}  # person a of the set n has that name
_SHOWN, _LISTED = 12, 20  # images and classes of a notebook's view
_NOT_DIGESTED = ("detection_probability", "au_confidence")


class Faces:
    """Images and their table; frozen.

    Parameters
    ----------
    images : array-like of shape (n, H, W, 3), uint8
        An array, a memory map, or any object with ``__len__``, ``shape``, ``dtype`` and ``__getitem__`` of an
        integer array that gives uint8 pixels (a lazy reader).
    table : DataFrame of n rows
        ``expression`` is required: the class of each row, any name (up to 1,000 different ones); the eight of
        :data:`EXPRESSIONS` are those that data sets agree on. ``subject`` is a person's name, unique across data sets
        (``ck/S005``); a set that does not know its people leaves the column out. Optional: ``path``, ``sequence``,
        ``frame``, ``split``, ``AU01`` .. ``AU45`` (0..5, NaN = not coded), and anything else.
    attrs : mapping, optional
        What a loader wants said aloud: the data set's name, its preprocessing, faces that were not found.

    Raises
    ------
    ValueError
        If the row count differs from the image count, a column is there twice, an expression is missing or no text, a
        subject is missing in some rows (``None``, ``"NA"``, ``"null"`` and the like are no names), or an AU lies
        outside 0..5. The message names the rows.

    Warns
    -----
    UserWarning
        If a label looks like an expression misspelt (``hapiness``) where all others are expressions. The loaders
        refuse such a set. ``table.attrs["own_labels"]`` lists labels that are meant.

    Examples
    --------
    >>> faces = Faces(np.zeros((2, 48, 48, 3), np.uint8), pd.DataFrame({"expression": ["fear", "anger"]}))
    >>> faces[faces.expression == "fear"]
    Faces(1 image of 48x48, 1 class, no subjects)
    """

    __slots__ = ("_images", "_index", "_table", "attrs")

    _images: Any
    _index: np.ndarray | None
    _table: pd.DataFrame
    attrs: dict[str, Any]

    def __init__(self, images: Any, table: pd.DataFrame, attrs: Mapping[str, Any] | None = None) -> None:
        if not isinstance(table, pd.DataFrame):
            raise ValueError(f"table must be a pandas DataFrame, got {type(table).__name__}")
        _check_images(images)
        if len(images) != len(table):
            raise ValueError(f"{len(images)} images but {len(table)} rows in the table: one row an image is needed")
        table = table.reset_index(drop=True)
        _check_table(table)
        images, index = (images.base, images.index) if isinstance(images, View) else (images, None)
        _set(self, images, index, table, dict(attrs or {}))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Faces is frozen: build a new one instead of setting {name!r}")

    @classmethod
    def from_arrays(
        cls, images: Any, expression: Sequence[str], subject: Sequence[str] | None = None, **columns: Sequence[Any]
    ) -> Faces:
        """Faces from pixels that are cropped already.

        Parameters
        ----------
        images : uint8 (n, H, W, 3), or grey (n, H, W), or a list of n such images of one size.
        expression, subject : the class and, where known, the person of each image.
        **columns : further columns of the table, n values each.
        """
        if isinstance(images, Sequence):
            images = np.stack([np.asarray(image) for image in images])
        if getattr(images, "ndim", 0) == 3:
            images = np.repeat(np.asarray(images)[..., None], 3, axis=3)
        return cls(images, _table_of(expression, subject, columns))

    @classmethod
    def from_paths(
        cls,
        paths: Sequence[Any],
        expression: Sequence[str],
        subject: Sequence[str] | None = None,
        *,
        image_size: int = 256,
        align: bool = True,
        progress: bool = True,
        **columns: Sequence[Any],
    ) -> Faces:
        """Faces from photographs: detected, aligned and cropped as the loaders do (:func:`ferdis.preprocess.prepare`).

        Parameters
        ----------
        paths : n image files.
        expression, subject : the class and, where known, the person of each image.
        image_size : side of the square crops, pixels.
        align : False takes the images as they are (centre square, resized).
        progress : show a progress bar while images are decoded.
        **columns : further columns of the table, n values each.

        Raises
        ------
        FileNotFoundError, ValueError
            If an image does not exist or cannot be read; and as the class itself.
        """
        prepare = import_module("ferdis.preprocess").prepare
        table = _table_of(expression, subject, columns)
        return prepare([str(path) for path in paths], table, image_size=image_size, align=align, progress=progress)

    @property
    def table(self) -> pd.DataFrame:
        """The table, one row an image. It belongs to the Faces: take :meth:`to_frame` to change a copy."""
        return self._table

    @property
    def images(self) -> Any:
        """Array-like of shape (n, H, W, 3), uint8, in the order of the table; pixels are read when indexed."""
        return self._images if self._index is None else View(self._images, self._index)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, H, W, 3)."""
        return (len(self), *(int(side) for side in self._images.shape[1:]))  # type: ignore[return-value]

    @property
    def dtype(self) -> np.dtype:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        """Always 4."""
        return 4

    @property
    def expression(self) -> np.ndarray:
        """Expression names, (n,) of str."""
        return self._table["expression"].to_numpy(dtype=str)

    @property
    def subject(self) -> np.ndarray:
        """Names of the people, (n,) of str.

        Raises
        ------
        ValueError
            If this set does not know its people.
        """
        if not self.has_subjects:
            raise ValueError(
                "these faces have no subject column: name the person of each row, or use the set's official split"
            )
        return self._table["subject"].to_numpy(dtype=str)

    @property
    def has_subjects(self) -> bool:
        """Whether the people are known."""
        return "subject" in self._table and not self._table["subject"].isna().all()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names that occur, in alphabetical order: class k of a fitted estimator is the k-th of these."""
        return tuple(sorted(set(self.expression)))

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, key: Any) -> Faces:
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn indexes array-likes as X[rows, ...]
        rows = row_numbers(key, len(self))
        index = rows if self._index is None else self._index[rows]
        part = object.__new__(Faces)
        _set(part, self._images, index, self._table.iloc[rows].reset_index(drop=True), dict(self.attrs))
        return part

    def __iter__(self) -> Iterator[Faces]:
        return (self[[row]] for row in range(len(self)))

    def pixels(self, index: Any = None) -> np.ndarray:
        """Read pixels: uint8 of shape (m, H, W, 3), of all rows or of those in ``index`` (slice, mask, integers)."""
        rows = np.arange(len(self)) if index is None else row_numbers(index, len(self))
        return np.asarray(self._images[rows if self._index is None else self._index[rows]])

    def map_originals(self, function: Callable[[np.ndarray], T]) -> list[T]:
        """``function`` of the whole image that each row was cut from, as its file holds it, in order.

        Crops of one image differ with how a face was found in it; the image does not. Images of no file (in memory,
        or drawn) are taken as they are. Nothing but the results is kept.

        Parameters
        ----------
        function : callable
            Of pixels (height, width, 3), uint8; it may be called from several threads.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is gone or damaged; one line that names it.
        """
        return map_originals_of(function, self._images, np.arange(len(self)) if self._index is None else self._index)

    def rows_in(self, other: Faces) -> np.ndarray | None:
        """Rows of ``other`` that these images are, (n,), if both were taken from one Faces; None if some are not."""
        if self._images is not other._images:
            return None
        place = np.full(len(self._images), -1)
        place[slice(None) if other._index is None else other._index] = np.arange(len(other))
        rows = place if self._index is None else place[self._index]
        return rows if (rows >= 0).all() else None

    def with_table(self, table: pd.DataFrame) -> Faces:
        """The same images with another table of as many rows (a new column, say); checked like a new one."""
        return Faces(self.images, table, self.attrs)

    @property
    def has_counterparts(self) -> bool:
        """Whether :meth:`counterpart` works: whether the set draws its people rather than photographs them."""
        return "counterpart" in self.attrs

    def counterpart(self, expression_of: Faces) -> Faces:
        """These people in these poses and light, with the expressions of other rows: a reenactment's ground truth.

        Only a set that draws its people has it: ``attrs["counterpart"]`` then names the function, ``module:name``.

        Raises
        ------
        ValueError
            If the set cannot do this.
        """
        if not self.has_counterparts:
            raise ValueError("these faces cannot be redrawn with another expression: only drawn people's can")
        module, _, name = self.attrs["counterpart"].partition(":")
        return getattr(import_module(module), name)(self, expression_of)

    def region_masks(self) -> dict[str, np.ndarray]:
        """Masks of regions of the face (``eyes``, ``brows``, ``mouth``, ...), (n, H, W) bool each.

        Only a set that draws its people has them: the module that ``attrs["counterpart"]`` names has the function, too.

        Raises
        ------
        ValueError
            If the set cannot do this.
        """
        if not self.has_counterparts:
            raise ValueError("where the regions of these faces lie is not known: only drawn people's are")
        return import_module(self.attrs["counterpart"].partition(":")[0]).region_masks(self)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table."""
        return self._table.copy()

    @staticmethod
    def concat(parts: Sequence[Faces]) -> Faces:
        """Join several Faces of one image size; columns that a part lacks are NaN there. No pixel is copied.

        Raises
        ------
        ValueError
            If there is nothing to join, the image sizes differ, or only some parts know their people.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("Faces.concat needs at least one Faces")
        sizes = sorted({part.shape[1:3] for part in parts})
        if len(sizes) > 1:
            raise ValueError(f"image sizes differ ({sizes}): load every set with one image_size before joining them")
        table = pd.concat([part.table for part in parts], ignore_index=True)
        return Faces(Joined([part.images for part in parts]), table, _joined_attrs(parts))

    def digest(self) -> str:
        """SHA-256 (hex) of what a fit may read of these faces: it stands for them wherever parameters are written down.

        It covers every column of the table in every row (paths, labels, subjects, action units, pose, whatever else
        there is), ``attrs["posed"]`` and ``attrs["counterpart"]`` (where a ground truth comes from), the image size,
        and the pixels of up to 64 spread-out images. Numbers count to single precision; missing values are alike.

        It leaves out ``detection_probability`` and ``au_confidence`` (how sure a program was, which no fit reads and
        which may differ in the last digit from machine to machine), the order of the columns, and all other attrs.
        """
        sha = hashlib.sha256()
        about = [[name, self.attrs.get(name)] for name in _DIGEST_ATTRS]
        sha.update(json.dumps([self.shape, about], default=str).encode())
        for name in sorted(set(self._table.columns) - set(_NOT_DIGESTED), key=str):
            sha.update(json.dumps(str(name)).encode())
            sha.update(_column_bytes(self._table[name]))
        spread = np.unique(np.linspace(0, len(self) - 1, min(_DIGEST_IMAGES, len(self))).astype(int))
        sha.update(np.ascontiguousarray(self.pixels(spread)).tobytes() if len(self) else b"")
        return sha.hexdigest()

    def __repr__(self) -> str:
        n, height, width, _ = self.shape
        people = f"{len(set(self.subject))} people" if self.has_subjects else "no subjects"
        classes = len(self.classes)
        return f"Faces({n} image{'s' * (n != 1)} of {height}x{width}, {classes} class{'es' * (classes != 1)}, {people})"

    def _repr_html_(self) -> str:
        """A notebook's view: how many images each class has, and some of them."""
        counts = self._table["expression"].value_counts().sort_index()
        shown = np.unique(np.linspace(0, len(self) - 1, min(_SHOWN, len(self))).astype(int))
        some = self.pixels(shown) if len(shown) else np.empty((0, 1, 1, 3), np.uint8)
        return notebook.section(
            repr(self), notebook.table(["class", "images"], list(counts.items())[:_LISTED], len(counts)),
            notebook.thumbnails(some, [str(name) for name in self.expression[shown]] if len(shown) else []),
        )  # fmt: skip

    # Faces travel as estimator parameters: clone() must not copy gigabytes, and frozen objects need no copy.
    def __deepcopy__(self, memo: dict) -> Faces:
        return self

    def __copy__(self) -> Faces:
        return self

    def __reduce__(self) -> tuple:
        return _restore, (self._images, self._index, self._table, self.attrs)


_SHARED = ("aligned", "preprocessing", "posed", "counterpart")  # true of joined faces if it is of every part


def _set(faces: Faces, images: Any, index: np.ndarray | None, table: pd.DataFrame, attrs: dict) -> None:
    for name, value in (("_images", images), ("_index", index), ("_table", table), ("attrs", attrs)):
        object.__setattr__(faces, name, value)


def _restore(images: Any, index: np.ndarray | None, table: pd.DataFrame, attrs: dict) -> Faces:
    faces = object.__new__(Faces)
    _set(faces, images, index, table, attrs)
    return faces


def cropped_faces(given: Any) -> Faces:
    """Faces as they are; pixels of crops, uint8 (n, H, W, 3) or one (H, W, 3), as Faces of one nameless class.

    Raises
    ------
    ValueError
        For anything else; a photograph (a path, an image of Pillow) needs its face found first, and the line says
        what finds it.
    """
    if isinstance(given, Faces):
        return given
    if isinstance(given, np.ndarray):
        images = given[None] if given.ndim == 3 and given.shape[2] == 3 else given
        if images.ndim == 4 and images.shape[3] == 3 and images.dtype == np.uint8:
            return Faces(images, pd.DataFrame({"expression": ["neutral"] * len(images)}))
        what = f"an array {given.shape} of {given.dtype}"
    else:
        what = quoted(given) if isinstance(given, str) else type(given).__name__
    raise ValueError(
        f"a fitted system reads faces that are cropped as in its training: Faces, or uint8 (n, H, W, 3); got {what}. "
        "For photographs ferdis.Predictor(model)([...]) finds and crops the faces"
    )


def _table_of(
    expression: Sequence[str], subject: Sequence[str] | None, columns: Mapping[str, Sequence[Any]]
) -> pd.DataFrame:
    people = {} if subject is None else {"subject": list(subject)}
    return pd.DataFrame({"expression": list(expression), **people, **columns})


def _check_images(images: Any) -> None:
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    if shape is None or len(shape) != 4 or shape[3] != 3:
        raise ValueError(f"images must have shape (n, H, W, 3), got {shape}")
    if dtype != np.uint8:
        raise ValueError(f"images must be uint8 (0..255), got {dtype}")


def _column_bytes(column: pd.Series) -> bytes:
    """A column as bytes: 3 and 3.0 are alike, and so are all missing values; a text is told from its neighbour."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_float_dtype(column):
            with np.errstate(over="ignore"):
                values = values.astype(np.float32).astype(np.float64)
        return (np.where(np.isnan(values), np.nan, values) + 0.0).tobytes()  # -0.0 becomes 0.0
    missing = column.isna().to_numpy()
    return json.dumps([None if gone else str(value) for value, gone in zip(column, missing, strict=True)]).encode()


def _check_table(table: pd.DataFrame) -> None:
    doubled = table.columns[table.columns.duplicated()]
    if len(doubled):
        raise ValueError(f"the table has two columns {quoted(doubled[0])}: remove or rename one")
    if "expression" not in table:
        raise ValueError(f"the table has no 'expression' column, only {named(map(short, table.columns))}")
    _check_labels(table)
    if "subject" in table and not table["subject"].isna().all():
        missing = table["subject"].isna() | table["subject"].astype(str).str.strip().str.casefold().isin(_NO_NAMES)
        if missing.any():
            raise ValueError(f"no subject in {_these_rows(table, missing)}: name the person of every row, or drop them")
    for name in table.columns.intersection(AU_COLUMNS):
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = (values < 0) | (values > AU_MAXIMUM) | (values.isna() & table[name].notna())
        if wrong.any():
            raise ValueError(
                f"{name} outside 0..5 in {_these_rows(table, wrong)}: action units are intensities, NaN if not coded"
            )


def _check_labels(table: pd.DataFrame) -> None:
    """Refuse labels that name no class; warn of those that look like an expression misspelt."""
    spellings = list(pd.unique(table["expression"]))
    wrong = [text for text in spellings if not can_name_a_class(text) or text.strip().casefold() in MISSING]
    if wrong:
        where = _these_rows(table, table["expression"].isin(wrong) | table["expression"].isna())
        raise ValueError(
            f"no expression in {where} ({named(map(quoted, wrong))}): a label is the name of a class, as text"
        )
    if len(spellings) > MOST_CLASSES:
        raise ValueError(
            f"{len(spellings)} different expressions, more than {MOST_CLASSES}: is this column the label of the images?"
        )
    for text, name in misspelt(spellings).items():
        if text not in table.attrs.get("own_labels", ()):
            where = _these_rows(table, table["expression"] == text)
            warnings.warn(
                f"expression {quoted(text)} in {where}: did you mean {name!r}? All other labels are expressions",
                stacklevel=4,
            )


def _these_rows(table: pd.DataFrame, mask: pd.Series) -> str:
    rows = np.flatnonzero(mask.to_numpy())
    shown = [f"{row} ({short(table['path'].iloc[row])})" if "path" in table else str(row) for row in rows[:NAMED]]
    return f"row{'s' * (len(rows) > 1)} {', '.join(shown)}{and_more(len(rows) - NAMED)}"


def _joined_attrs(parts: Sequence[Faces]) -> dict[str, Any]:
    names = [str(part.attrs["dataset"]) for part in parts if "dataset" in part.attrs]
    notes = [note for part in parts for note in part.attrs.get("notes", [])]
    first = {name: value for name, value in parts[0].attrs.items() if name in _SHARED}
    shared = {name: value for name, value in first.items() if all(part.attrs.get(name) == value for part in parts)}
    joined = {"dataset": "+".join(dict.fromkeys(names)), "notes": notes}
    return shared | {name: value for name, value in joined.items() if value}
