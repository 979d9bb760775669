"""Arrays of images that read their pixels when they are indexed: chosen rows of one, and several end to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
READ_BYTES = 2**24  # pixels that are read at a time where all are looked at


class View:
    """Chosen rows of an array-like; reads pixels only when indexed."""

    def __init__(self, images: Any, index: np.ndarray) -> None:
        self.base, self.index = images, index
        self.shape = (len(index), *images.shape[1:])
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return np.asarray(self.base[self.index[np.array([key])]])[0]
        return np.asarray(self.base[self.index[row_numbers(key, len(self))]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.base[self.index], dtype=dtype)


class Joined:
    """Several array-likes end to end."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self.ends[-1]), *parts[0].shape[1:])
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self[np.array([key])][0]
        rows = row_numbers(key, len(self))
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        owner = np.searchsorted(self.ends, rows, side="right")
        for number in np.unique(owner):
            chosen = owner == number
            start = self.ends[number] - len(self.parts[number])
            out[chosen] = self.parts[number][rows[chosen] - start]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[np.arange(len(self))], dtype=dtype)


def map_originals_of(function: Callable[[np.ndarray], T], images: Any, rows: np.ndarray) -> list[T]:
    """``function`` of the whole image that each of the rows was cut from; see :meth:`ferdis.Faces.map_originals`."""
    if isinstance(images, Joined):
        owner = np.searchsorted(images.ends, rows, side="right")
        found: dict[int, T] = {}
        for number in np.unique(owner):
            chosen = np.flatnonzero(owner == number)
            start = images.ends[number] - len(images.parts[number])
            found.update(
                zip(chosen, map_originals_of(function, images.parts[number], rows[chosen] - start), strict=True)
            )
        return [found[place] for place in range(len(rows))]
    if isinstance(images, View):
        return map_originals_of(function, images.base, images.index[rows])
    if hasattr(images, "map_originals"):
        return images.map_originals(function, rows)
    step = max(1, READ_BYTES // int(np.prod(images.shape[1:])))
    blocks = (np.asarray(images[rows[start : start + step]]) for start in range(0, len(rows), step))
    return [function(image) for block in blocks for image in block]


def row_numbers(key: Any, length: int) -> np.ndarray:
    """A slice, mask, integer or integers as an array of row numbers, all in 0..length-1."""
    if isinstance(key, slice):
        return np.arange(length)[key]
    array = np.atleast_1d(np.asarray(key))
    if array.dtype == bool:
        if array.shape != (length,):
            raise IndexError(f"a mask of {array.shape} does not fit {length} faces")
        return np.flatnonzero(array)
    if array.size == 0:
        return np.empty(0, dtype=np.intp)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != 1:
        raise IndexError(f"faces are indexed by a slice, a mask or integers, not by {key!r}")
    if array.min() < -length or array.max() >= length:
        raise IndexError(f"row {int(array[(array < -length) | (array >= length)][0])} is outside 0..{length - 1}")
    return np.where(array < 0, array + length, array)
