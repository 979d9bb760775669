"""Decode once: crops on disk as one memory-mapped uint8 file, with an index of what they were made from.

A store is a folder for one preprocessing and one image size; all data sets share it::

    ~/.cache/ferdis/mtcnn-256-1f0c9a2b7d3e/
        about.json     the preprocessing in words
        pixels.u8      row after row of size x size x 3 bytes, only ever appended
        index.jsonl    one line a row: path, bytes and mtime of the image, row, CRC-32, what was detected

A row exists once its index line does, and the pixels are written first: a build that is killed keeps every
finished chunk. One process writes at a time (a lock file), readers need no lock. Nothing here is precious: the
folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from ferdis._io import is_disk_full, write_json, write_text
from ferdis.messages import reason
from ferdis.preprocess.align import Detections, Preprocessor
from ferdis.preprocess.containers import file_of

FORMAT = 1
_CHECKED_ROWS = 32  # rows whose CRC is looked at when a store is opened; all of them if one is wrong


class CacheError(ValueError):
    """The cache directory cannot be used; the message is one line that names it and the way out."""


@dataclass(frozen=True)
class Source:
    """An image file as the cache knows it: change it, and it is decoded again."""

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


@dataclass(frozen=True)
class Entry:
    """One line of the index; ``found`` is None where nothing was to be detected."""

    path: str
    bytes: int
    mtime_ns: int
    row: int
    crc: int
    found: bool | None = None
    probability: float | None = None
    box: list[float] | None = None
    landmarks: list[list[float]] | None = None


def default_directory() -> Path:
    """``$FERDIS_CACHE``, or ``~/.cache/ferdis``."""
    return Path(os.environ.get("FERDIS_CACHE") or "~/.cache/ferdis").expanduser()


class CropStore:
    """Crops of one preprocessing and size on disk.

    Parameters
    ----------
    root : path
        The cache directory; the store is a folder in it.
    preprocessor : Preprocessor
    size : int
        Side of the crops in pixels.
    """

    def __init__(self, root: str | os.PathLike[str], preprocessor: Preprocessor, size: int) -> None:
        key = hashlib.sha256(f"{FORMAT} {preprocessor.digest} {size}".encode()).hexdigest()[:12]
        self.folder = Path(root) / f"{preprocessor.name}-{size}-{key}"
        self.pixels = self.folder / "pixels.u8"
        self.index = self.folder / "index.jsonl"
        self.shape = (size, size, 3)
        self._next_row = 0
        self._about = {
            "format": FORMAT,
            "size": size,
            "preprocessing": preprocessor.name,
            "version": preprocessor.version,
            "params": preprocessor.params,
        }

    def read(self, sources: Sequence[Source]) -> dict[str, Entry]:
        """What is stored, whole and up to date, of these pictures: path -> entry.

        The CRC of some rows is checked; if one is wrong, all are, and damaged rows count as missing.

        Raises
        ------
        CacheError
            If the store exists and may not be read.
        """
        wanted = {source.path: source for source in sources}
        with self._told():
            newest = self._newest()
        entries = {
            path: entry
            for path, entry in newest.items()
            if path in wanted and (entry.bytes, entry.mtime_ns) == (wanted[path].bytes, wanted[path].mtime_ns)
        }
        ordered = list(entries.values())
        spread = np.unique(np.linspace(0, len(ordered) - 1, min(_CHECKED_ROWS, len(ordered))).astype(int))
        if ordered and self._damaged([ordered[k] for k in spread]):
            for entry in self._damaged(ordered):
                del entries[entry.path]
        return entries

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store's lock; waits, and says so, while another process writes.

        Raises
        ------
        CacheError
            If the directory cannot be made or written.
        """
        lock = filelock.FileLock(self.folder / ".lock")
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                print(f"waiting for another process that fills {self.folder}", flush=True)
                lock.acquire()
        try:
            with self._told():
                self._repair()
                self._next_row = 1 + max((entry.row for entry in self._lines()), default=-1)
            yield
        finally:
            lock.release()

    def append(self, sources: Sequence[Source], crops: np.ndarray, detections: Detections | None) -> list[Entry]:
        """Add crops (n, size, size, 3) uint8 of n images; call it inside :meth:`writing`.

        Raises
        ------
        CacheError
            If the disk is full or not writable. What was appended before stays.
        """
        data = [np.ascontiguousarray(crop, np.uint8).tobytes() for crop in crops]
        entries = _entries(sources, self._next_row, [zlib.crc32(row) for row in data], detections)
        with self._told():
            with self.pixels.open("r+b" if self.pixels.exists() else "wb") as file:
                file.seek(self._next_row * math.prod(self.shape))
                file.write(b"".join(data))
                file.flush()
                os.fsync(file.fileno())  # the pixels are there before the index says so
            with self.index.open("ab") as file:
                file.write("".join(json.dumps(asdict(entry)) + "\n" for entry in entries).encode())
        self._next_row += len(entries)
        return entries

    def images(self, entries: Sequence[Entry]) -> StoredImages:
        """The pixels of these entries, in their order, memory-mapped."""
        return StoredImages(self.pixels, self.shape, np.array([entry.row for entry in entries], np.intp))

    def _lines(self) -> list[Entry]:
        """Every readable line of the index whose row is wholly in the pixel file, oldest first."""
        try:
            rows = self.pixels.stat().st_size // math.prod(self.shape)
            lines = self.index.read_bytes().split(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return []
        entries = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # a line cut by a kill, or damaged: not stored
                entry = Entry(**json.loads(line))
                if 0 <= entry.row < rows:
                    entries.append(entry)
        return entries

    def _newest(self) -> dict[str, Entry]:
        """The newest line of each path."""
        return {entry.path: entry for entry in self._lines()}

    def _damaged(self, entries: Sequence[Entry]) -> list[Entry]:
        images = self.images(entries)
        return [entry for k, entry in enumerate(entries) if zlib.crc32(images[k].tobytes()) != entry.crc]

    def _repair(self) -> None:
        """Drop index lines that are cut, stale or without pixels, so that their rows may be written again."""
        if not (self.folder / "about.json").exists():
            write_json(self.folder / "about.json", self._about)
        if not self.index.exists():
            return
        kept, text = list(self._newest().values()), self.index.read_bytes()
        if len(kept) != text.count(b"\n") or not text.endswith(b"\n"):
            write_text(self.index, "".join(json.dumps(asdict(entry)) + "\n" for entry in kept))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a failing disk into one line."""
        try:
            yield
        except OSError as error:
            full = is_disk_full(error)
            what = "the disk is full" if full else reason(error)
            remedy = "free some space" if full else "make it readable and writable"
            raise CacheError(
                f"{self.folder}: cannot use the image cache ({what}); {remedy}, name another directory "
                f"with cache= or FERDIS_CACHE, or pass cache=False; finished images are kept"
            ) from error


class MemoryStore:
    """The same for a run that writes nothing: crops are held in memory.

    Parameters
    ----------
    size : int
        Side of the crops in pixels.
    """

    def __init__(self, size: int) -> None:
        self._crops = np.empty((0, size, size, 3), np.uint8)
        self._parts: list[np.ndarray] = []

    def read(self, sources: Sequence[Source]) -> dict[str, Entry]:
        """Nothing is kept from an earlier run."""
        return {}

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Join what was appended, at the end."""
        yield
        self._crops = np.concatenate([self._crops, *self._parts])
        self._parts = []

    def append(self, sources: Sequence[Source], crops: np.ndarray, detections: Detections | None) -> list[Entry]:
        """Add crops (n, size, size, 3) uint8 of n images; call it inside :meth:`writing`."""
        first = len(self._crops) + sum(map(len, self._parts))
        self._parts.append(np.asarray(crops, np.uint8))
        return _entries(sources, first, [0] * len(crops), detections)

    def images(self, entries: Sequence[Entry]) -> np.ndarray:
        """The pixels of these entries, in their order: (n, size, size, 3) uint8."""
        return self._crops[[entry.row for entry in entries]]


class StoredImages:
    """Rows of a store's pixel file, (n, H, W, 3) uint8, read when indexed; pickled as a path."""

    def __init__(self, path: Path, shape: tuple[int, int, int], rows: np.ndarray) -> None:
        self.path, self.rows = path, rows
        self.shape = (len(rows), *shape)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4
        self._map: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Pixels of an integer (H, W, 3), or of a slice, mask or integers (m, H, W, 3); a copy."""
        if self._map is None:
            self._map = self._open()
        return np.array(self._map[self.rows[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}

    def _open(self) -> np.ndarray:
        if len(self.rows) == 0:
            return np.empty((0, *self.shape[1:]), np.uint8)
        try:
            return np.memmap(self.path, np.uint8, "r", shape=(int(self.rows.max()) + 1, *self.shape[1:]))
        except (OSError, ValueError) as error:
            raise CacheError(
                f"{self.path}: the image cache was removed or cut while in use; load the data set again"
            ) from error


def _entries(
    sources: Sequence[Source], first_row: int, crcs: Sequence[int], detections: Detections | None
) -> list[Entry]:
    return [
        Entry(
            **asdict(source),
            row=first_row + offset,
            crc=crc,
            **({} if detections is None else _seen(detections, offset)),
        )
        for offset, (source, crc) in enumerate(zip(sources, crcs, strict=True))
    ]


def _seen(detections: Detections, row: int) -> dict[str, Any]:
    """The columns of an index line about detection; None instead of NaN, which JSON lacks."""
    if not detections.found[row]:
        return {"found": False}
    return {
        "found": True,
        "probability": float(detections.probability[row]),
        "box": detections.boxes[row].tolist(),
        "landmarks": detections.landmarks[row].tolist(),
    }
