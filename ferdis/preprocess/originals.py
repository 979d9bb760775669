"""The whole images that crops were cut from: they stay known, so that an audit can compare what lies on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from ferdis.preprocess.containers import inside
from ferdis.preprocess.images import read_image

T = TypeVar("T")

_AHEAD = 4096  # files whose results are waited for at a time


class CroppedImages:
    """Crops, (n, H, W, 3) uint8, that remember their files.

    Parameters
    ----------
    crops : array-like of shape (n, H, W, 3), uint8
    files : sequence of n paths
        Where the image that each crop was cut from lies.
    """

    def __init__(self, crops: Any, files: Sequence[str]) -> None:
        self.crops, self.files = crops, list(files)
        self.shape = tuple(crops.shape)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Pixels of an integer (H, W, 3), or of a slice, mask or integers (m, H, W, 3)."""
        return self.crops[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.crops, dtype=dtype)

    def map_originals(self, function: Callable[[np.ndarray], T], rows: np.ndarray) -> list[T]:
        """``function`` of the whole image of each row; see :func:`map_files`."""
        return map_files(function, [self.files[row] for row in rows])


def map_files(function: Callable[[np.ndarray], T], files: Sequence[str | os.PathLike[str]]) -> list[T]:
    """``function`` of each file's image, (H, W, 3) uint8, in order; each file is read once, by all cores.

    Raises
    ------
    FileNotFoundError, UnreadableImageError
        If a file is gone, or was damaged since the crops were made; one line that names it.
    """
    unique = list(dict.fromkeys(files))
    done: dict[str | os.PathLike[str], T] = {}
    # Frames of a video are decoded in order or not at all; decoders of single files release the interpreter's lock.
    alone = [file for file in unique if inside(file) is None]
    done.update((file, function(read_image(file))) for file in unique if inside(file) is not None)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(alone), _AHEAD):
            part = alone[start : start + _AHEAD]
            done.update(zip(part, pool.map(lambda file: function(read_image(file)), part), strict=True))
    return [done[file] for file in files]
