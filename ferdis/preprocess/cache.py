"""Crops in the cache: what a crop is called, what is noted beside it, and how it is made again."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ferdis.preprocess.align import Detections, Preprocessor
from ferdis.preprocess.containers import file_of
from ferdis.preprocess.database import CacheError
from ferdis.preprocess.image_store import ImageStore, Made, StoredImages, default_directory, key_of
from ferdis.preprocess.images import UnreadableImageError, read_image

__all__ = [
    "CacheError", "CropMaker", "Source", "StoredCrops", "crop_store", "default_directory", "detected", "note_of",
]  # fmt: skip

_CHUNK_IMAGES = 64  # images between two writes to the cache: what a kill can cost
_CHUNK_PIXELS = 100_000_000  # decoded pixels held at once: 300 MB
_NOTE = np.dtype("<f8")  # probability, box (4), landmarks (10); NaN where no face was found
_NOTE_VALUES = 15


@dataclass(frozen=True)
class Source:
    """An image file as the cache knows it: once it is changed, it is decoded again."""

    path: str
    bytes: int
    mtime_ns: int

    @staticmethod
    def of(path: str | os.PathLike[str]) -> Source:
        """Look at a file.

        Raises
        ------
        FileNotFoundError
            If there is none; one line that names it.
        """
        try:
            status = os.stat(file_of(path))  # noqa: PTH116 (a hundred thousand Paths take seconds)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"{path}: no such image; correct the path or the data set's root, or remove its row"
            ) from error
        return Source(os.path.abspath(path), status.st_size, status.st_mtime_ns)  # noqa: PTH100 (keeps links)

    def key(self) -> builtins.bytes:
        """The name of its crop in a store."""
        return key_of(self.path, self.bytes, self.mtime_ns)


def crop_store(root: str | os.PathLike[str], preprocessor: Preprocessor, size: int) -> ImageStore:
    """The store of the crops of one preprocessing and size.

    Parameters
    ----------
    root : path
        The cache directory.
    preprocessor : Preprocessor
    size : int
        Side of the crops in pixels.
    """
    about = {name: getattr(preprocessor, name) for name in ("version", "params")}
    return ImageStore(root, preprocessor.name, size, {"preprocessing": preprocessor.name, **about})


class CropMaker:
    """Makes the crops of image files.

    Parameters
    ----------
    sources : sequence of Source
        The file of each row.
    preprocessor : Preprocessor
    size : int
        Side of the crops in pixels.
    """

    def __init__(self, sources: Sequence[Source], preprocessor: Preprocessor, size: int) -> None:
        self.sources, self.preprocessor, self.size = list(sources), preprocessor, size

    def made(self, rows: np.ndarray, problems: dict[int, Exception]) -> Iterator[Made]:
        """Make crops in parts of at most 64 images; what cannot be read goes to ``problems``, by row."""
        for chunk in self._chunks(rows, problems):
            crops, detections = self.preprocessor(list(chunk.values()), self.size)
            yield Made(np.array(list(chunk)), crops, [note_of(detections, k) for k in range(len(chunk))])

    def _chunks(self, rows: np.ndarray, problems: dict[int, Exception]) -> Iterator[dict[int, np.ndarray]]:
        """Decoded images by row, a bounded number of images and pixels at a time."""
        chunk: dict[int, np.ndarray] = {}
        for row in rows.tolist():
            try:
                chunk[row] = read_image(self.sources[row].path)
            except (OSError, UnreadableImageError) as error:
                problems[row] = error
            if len(chunk) == _CHUNK_IMAGES or sum(image.size for image in chunk.values()) > 3 * _CHUNK_PIXELS:
                yield chunk
                chunk = {}
        if chunk:
            yield chunk


class StoredCrops(StoredImages):
    """Crops of image files in a store, as an array-like.

    Parameters
    ----------
    store : ImageStore
        Of :func:`crop_store`, for the maker's preprocessor and size.
    maker : CropMaker
        Whose rows these are.
    """

    def __init__(self, store: ImageStore, maker: CropMaker) -> None:
        super().__init__(len(maker.sources), maker.size)
        self._store, self.maker = store, maker

    def store(self) -> ImageStore:
        """Where the crops are."""
        return self._store

    def keys(self) -> list[bytes]:
        """The key of each row's file."""
        return [source.key() for source in self.maker.sources]

    def make(self, rows: np.ndarray) -> Iterator[Made]:
        """Make crops again that the cache has lost.

        Raises
        ------
        CacheError
            If a file has changed since it was looked at: its former crop cannot be made any more.
        FileNotFoundError, UnreadableImageError
            If a file is gone or cannot be read.
        """
        for source in (self.maker.sources[row] for row in rows.tolist()):
            if Source.of(source.path) != source:
                raise CacheError(
                    f"{source.path}: the image has changed since the data set was loaded, and its crop is no longer in "
                    f"the cache; load the data set again"
                )
        problems: dict[int, Exception] = {}
        yield from self.maker.made(rows, problems)
        for error in problems.values():
            raise error


def note_of(detections: Detections | None, row: int) -> bytes:
    """What is noted beside a crop: nothing where nothing was to be detected, else probability, box and landmarks."""
    if detections is None:
        return b""
    values = [detections.probability[row], *detections.boxes[row], *detections.landmarks[row].ravel()]
    return np.array(values, _NOTE).tobytes()


def detected(notes: Sequence[bytes]) -> Detections | None:
    """Notes of n crops as a record of what was detected; None where nothing was to be detected in any."""
    if not any(notes):
        return None
    blank = np.full(_NOTE_VALUES, np.nan, _NOTE).tobytes()
    values = np.frombuffer(b"".join(note or blank for note in notes), _NOTE).reshape(-1, _NOTE_VALUES)
    return Detections(~np.isnan(values[:, 0]), values[:, 0], values[:, 1:5], values[:, 5:].reshape(-1, 5, 2))
