"""Images by key in one SQLite file, each of them checked whenever it is read.

Crops and rendered faces are kept here, so that each is made once. A store is a folder for one way of making images and
one size; all data sets share it::

    ~/.cache/ferdis/mtcnn-256-1f0c9a2b7d3e/
        about.json                      what makes the images
        images-18a3f0c25be07d11.sqlite  key -> note and pixels, with a CRC-32 of each
        *.lock                          held while images are made, and while the file is replaced

What is read is what was written, or it counts as missing and is made again. A CRC-32 covers what the store is for, the
key and the bytes, so that flipped bits, zeroed pages, exchanged rows and exchanged files are found; it is zlib's, which
runs at the speed at which SQLite delivers. (Equal bytes under two keys never have one checksum unless the keys alone
have.) A file that SQLite itself cannot read is replaced by one with the rows that are intact. SQLite locks writers and
takes back what a killed one left. Nothing here is precious: the folder may be deleted at any time.

SQLite and not LMDB, which maps its file into memory and trusts its pages: a file that is cut while it is mapped ends
the process (SIGBUS), where SQLite raises an error that can be handled. ``benchmarks/preprocessing.py cache`` measures
speed.

A store is bounded by ``$FERDIS_CACHE_GB`` (64 GB by default): beyond it the images written first make room.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sqlite3
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ferdis._io import digest, write_json
from ferdis.messages import quoted
from ferdis.preprocess.database import Database, UnwritableError

FORMAT = 2
_PAGE = 8192  # bytes: a crop of 48 x 48 fits one page
_TOGETHER, _TOGETHER_BYTES = 256, 2**25  # images in one query
_HELD_BYTES = 2**28  # a set of at most so many bytes stays in memory once it has been read
_GIGABYTES = 64.0  # of one store, unless $FERDIS_CACHE_GB says otherwise

ABSENT, INTACT, DAMAGED = 0, 1, -1
"""What :meth:`ImageStore.read` says of a row."""

_ROWS = (
    "SELECT key, rows.place, note, note_crc, pixels_crc, data FROM rows LEFT JOIN pixels USING (place) WHERE key IN "
)
_NOTES = "SELECT key, place, note, note_crc, pixels_crc FROM rows WHERE key IN "


class Made(NamedTuple):
    """Images that were made: their rows (m,), pixels (m, H, W, 3) uint8, and a note of bytes for each."""

    rows: np.ndarray
    images: np.ndarray
    notes: Sequence[bytes]


Make = Callable[[np.ndarray], Iterator[Made]]
"""Makes the images of rows (m,), in any parts and order, and of others if it likes; an error ends it."""


def default_directory() -> Path:
    """``$FERDIS_CACHE``, or ``~/.cache/ferdis``."""
    return Path(os.environ.get("FERDIS_CACHE") or "~/.cache/ferdis").expanduser()


def most_bytes() -> int:
    """How large one store may become: ``$FERDIS_CACHE_GB`` times 10^9 bytes.

    Raises
    ------
    ValueError
        If the variable is no number above 0.
    """
    given = os.environ.get("FERDIS_CACHE_GB") or str(_GIGABYTES)
    try:
        most = float(given) * 1e9
    except ValueError:
        most = 0.0
    if not 0 < most < math.inf:
        raise ValueError(f"FERDIS_CACHE_GB={quoted(given)} must be a number of gigabytes above 0, such as 20")
    return int(most)


def key_of(*parts: object) -> bytes:
    """16 bytes that stand for what fixes an image's pixels (BLAKE2b of the parts, text or bytes)."""
    content = b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return hashlib.blake2b(content, digest_size=16).digest()


class ImageStore(Database):
    """Images of one size, made in one way, on disk; it may be pickled and copied.

    Parameters
    ----------
    root : path
        The cache directory; the store is a folder in it.
    name : str
        What makes the images; the folder's name begins with it.
    size : int
        Side of the images in pixels.
    about : mapping
        Everything that decides an image's pixels besides its key, JSON-able. Another content is another store.
    """

    schema = (
        f"PRAGMA page_size = {_PAGE}",
        "CREATE TABLE pixels (place INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL)",  # no place twice
        "CREATE TABLE rows (key BLOB PRIMARY KEY, place INTEGER NOT NULL, note BLOB NOT NULL,"
        " note_crc INTEGER NOT NULL, pixels_crc INTEGER NOT NULL) WITHOUT ROWID",
    )

    def __init__(self, root: str | os.PathLike[str], name: str, size: int, about: Mapping[str, Any]) -> None:
        self.about = {"format": FORMAT, "size": size, **about}
        identity = digest(self.about, length=64)
        super().__init__(Path(root) / f"{name}-{size}-{identity[:12]}")
        self.shape = (size, size, 3)
        self._arguments = (root, name, size, about)
        self._seed = zlib.crc32(identity.encode())

    def __reduce__(self) -> tuple:
        return type(self), self._arguments

    def notes(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The notes of those keys that are stored; pixels are not looked at.

        Raises
        ------
        CacheError
            If the store exists and may not be read.
        """
        found: dict[bytes, bytes] = {}
        for some in _parts(keys):
            for key, place, note, crc, pixels_crc in self._answers(_NOTES, some):
                if crc == self._note_crc(key, place, note, pixels_crc):
                    found[key] = note
        return found

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Images by key, each checked.

        Parameters
        ----------
        keys : m of 16 bytes, all different

        Returns
        -------
        images : (m, H, W, 3) uint8
            Undefined unless intact.
        state : (m,) int8
            :data:`INTACT`, :data:`ABSENT` or :data:`DAMAGED`.

        Raises
        ------
        CacheError
            If the store exists and may not be read.
        """
        images, state = np.empty((len(keys), *self.shape), np.uint8), np.full(len(keys), ABSENT, np.int8)
        numbers = {key: number for number, key in enumerate(keys)}
        for some in _parts(keys):
            for row in self._answers(_ROWS, some):
                number = numbers.get(row[0])
                if number is None:  # a damaged key
                    continue
                state[number] = INTACT if self._intact(*row) else DAMAGED
                if state[number] == INTACT:
                    images[number] = np.frombuffer(row[-1], np.uint8).reshape(self.shape)
        return images, state

    def keep(self, keys: Sequence[bytes], images: np.ndarray, notes: Sequence[bytes]) -> bool:
        """Write images (m, H, W, 3) uint8 with a note each, all of them or none; what a key had is replaced.

        Returns
        -------
        bool
            False, said once in a process, if the folder may not be written.

        Raises
        ------
        CacheError
            If the disk is full or the folder cannot be made. What was written before stays.
        """
        data = [np.ascontiguousarray(image, np.uint8).tobytes() for image in images]
        rows, most = list(zip(keys, data, notes, strict=True)), most_bytes()

        def insert(connection: sqlite3.Connection) -> None:
            self._make_room(connection, sum(map(len, data)), most)
            self._insert(connection, rows)

        try:
            self.write(insert)
        except UnwritableError as reason:
            _say_once(f"{self.folder}: the image cache cannot be written ({reason}): images are made without it")
            return False
        return True

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Hold the store while many images are made, so that no other process makes the same ones.

        Raises
        ------
        CacheError
            If the folder cannot be made. One that may only be read is not held.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(UnwritableError):
                stack.enter_context(self.locked("filling.lock"))
            yield

    def rescue(self, damaged: sqlite3.Connection, new: sqlite3.Connection) -> None:
        """Copy the rows that are intact."""
        keys: dict[bytes, None] = {}
        for order in ("ASC", "DESC"):  # from both ends up to the damage
            with contextlib.suppress(sqlite3.Error, MemoryError):
                for (key,) in damaged.execute(f"SELECT key FROM rows ORDER BY key {order}"):
                    keys[key] = None
        for key in keys:
            with contextlib.suppress(sqlite3.Error, MemoryError):
                for row in damaged.execute(f"{_ROWS} (?)", [key]).fetchall():
                    if row[0] == key and self._intact(*row):
                        self._insert(new, [(key, row[-1], row[2])])

    def _made(self, old: Path | None) -> Path:
        write_json(self.folder / "about.json", self.about, sync=False)
        return super()._made(old)

    def _answers(self, question: str, keys: Sequence[bytes]) -> list[tuple]:
        question = f"{question} ({','.join('?' * len(keys))})"
        return self.read_with(lambda connection: connection.execute(question, keys).fetchall(), [])

    def _make_room(self, connection: sqlite3.Connection, coming: int, most: int) -> None:
        """Delete the rows written first, if the file would have more than ``most`` bytes with those that come."""
        (pages,), (free,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count")
        )
        over = (pages - free) * _PAGE + coming - most
        if over <= 0:
            return
        count = -(-(over + most // 16) // math.prod(self.shape))  # a sixteenth more, so that it is not done every time
        first = "SELECT place FROM pixels ORDER BY place LIMIT ?"
        connection.execute(f"DELETE FROM rows WHERE place <= (SELECT max(place) FROM ({first}))", [count])
        connection.execute(f"DELETE FROM pixels WHERE place IN ({first})", [count])
        _say_once(
            f"{self.folder}: the image cache has {most / 1e9:g} GB (FERDIS_CACHE_GB): the oldest images make room"
        )

    def _insert(self, connection: sqlite3.Connection, rows: Any) -> None:
        """Write rows of key, pixels and note."""
        for key, data, note in rows:
            connection.execute("DELETE FROM pixels WHERE place = (SELECT place FROM rows WHERE key = ?)", [key])
            place = connection.execute("INSERT INTO pixels (data) VALUES (?)", [data]).lastrowid
            crc = self._pixels_crc(key, data)
            row = (key, place, note, self._note_crc(key, place, note, crc), crc)
            connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)", row)

    def _intact(self, key: Any, place: Any, note: Any, note_crc: Any, pixels_crc: Any, data: Any) -> bool:
        """Whether a row, whose values may be of any type, is as it was written."""
        return (
            note_crc == self._note_crc(key, place, note, pixels_crc)
            and isinstance(data, bytes)
            and len(data) == self.shape[0] * self.shape[1] * 3
            and pixels_crc == self._pixels_crc(key, data)
        )

    def _pixels_crc(self, key: bytes, data: bytes) -> int:
        return zlib.crc32(data, zlib.crc32(key, self._seed))

    def _note_crc(self, *values: Any) -> int:
        return zlib.crc32(repr(values).encode(), self._seed)


class ImageArray(ABC):
    """Images as an array-like (n, H, W, 3), uint8, that are read when indexed; :meth:`take` says how.

    Parameters
    ----------
    count : int
    size : int
        Side in pixels.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, count: int, size: int) -> None:
        self.shape = (count, size, size, 3)

    @abstractmethod
    def take(self, rows: np.ndarray) -> np.ndarray:
        """Pixels of rows (m,), each 0 .. n - 1: (m, H, W, 3), not to be changed afterwards by anybody else."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Pixels of an integer (H, W, 3), or of a slice, mask or integers (m, H, W, 3)."""
        rows = np.arange(len(self))[key]
        return self.take(rows[None])[0] if rows.ndim == 0 else self.take(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


class StoredImages(ImageArray):
    """Images of a store: read and checked when indexed, made where they are missing or damaged, and kept.

    They may be pickled; what they have read is not. A set of up to 256 MB stays in memory once it has been read, in
    each process that reads it.
    """

    _read: _Read | None = None

    @abstractmethod
    def store(self) -> ImageStore | None:
        """Where images are kept; None makes them whenever they are asked for. Called once in a process."""

    @abstractmethod
    def keys(self) -> Sequence[bytes]:
        """The key of each row; rows may share one. Called once in a process."""

    @abstractmethod
    def make(self, rows: np.ndarray) -> Iterator[Made]:
        """Make the images of rows (m,), all different, in any parts and order, and others if it likes."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": None}

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Pixels of rows (m,): (m, H, W, 3)."""
        if self._read is None:
            self._read = _Read(self.store(), self.keys())
        return self._read.images(rows, self.make, self.shape[1:])


class _Read:
    """What one process has read of a set."""

    def __init__(self, store: ImageStore | None, keys: Sequence[bytes]) -> None:
        self.store = store
        packed = np.frombuffer(b"".join(keys), np.dtype("V16"))
        distinct, self.rows, self.which = np.unique(packed, return_index=True, return_inverse=True)
        self.keys = [key.tobytes() for key in distinct]
        self.held: np.ndarray | None = None
        self.present = np.zeros(len(self.keys), bool)
        self.checked = False

    def images(self, rows: np.ndarray, make: Make, shape: tuple[int, ...]) -> np.ndarray:
        """Pixels of rows (m,)."""
        wanted, back = np.unique(self.which[rows], return_inverse=True)
        together = max(1, min(_TOGETHER, _TOGETHER_BYTES // math.prod(shape)))
        if self.held is None and self.store is not None and len(self.keys) * math.prod(shape) <= _HELD_BYTES:
            self.held = np.empty((len(self.keys), *shape), np.uint8)
        if self.held is None:
            images = np.empty((len(wanted), *shape), np.uint8)
            for start in range(0, len(wanted), together):
                images[start : start + together] = self._fetched(wanted[start : start + together], make, shape)
            return images[back]
        new = wanted[~self.present[wanted]]
        for start in range(0, len(new), together):
            part = new[start : start + together]
            self.held[part] = self._fetched(part, make, shape)
            self.present[part] = True
        return self.held[self.which[rows]]

    def _fetched(self, numbers: np.ndarray, make: Make, shape: tuple[int, ...]) -> np.ndarray:
        """Distinct images by number, (m, H, W, 3), from the store or newly made."""
        images, state = np.empty((len(numbers), *shape), np.uint8), np.full(len(numbers), ABSENT, np.int8)
        if self.store is not None:
            keys = [self.keys[number] for number in numbers.tolist()]
            images, state = self.store.read(keys)
            if (state == DAMAGED).any() and not self.checked:
                self._repair(self.store, make)
                images, state = self.store.read(keys)
        missing = np.flatnonzero(state != INTACT)
        place = dict(zip(numbers[missing].tolist(), missing.tolist(), strict=True))
        for some, made in self._made(numbers[missing], make):
            for number, image in zip(some, made, strict=True):
                if number in place:
                    images[place.pop(number)] = image
                elif self.held is not None:
                    self.held[number], self.present[number] = image, True
        if place:
            raise ValueError(f"{len(place)} images were asked for and not made")
        return images

    def _made(self, numbers: np.ndarray, make: Make) -> Iterator[tuple[list[int], np.ndarray]]:
        """Make distinct images and keep them; their numbers and pixels."""
        for made in make(self.rows[numbers]) if len(numbers) else ():
            some = self.which[made.rows].tolist()
            if self.store is not None:
                self.store.keep([self.keys[number] for number in some], made.images, made.notes)
            yield some, made.images

    def _repair(self, store: ImageStore, make: Make) -> None:
        """Check every image of the set, and make again those that are damaged; once in a process."""
        self.checked, damaged = True, []
        together = max(1, min(_TOGETHER, _TOGETHER_BYTES // math.prod(store.shape)))
        for start in range(0, len(self.keys), together):
            _, state = store.read(self.keys[start : start + together])
            damaged += (start + np.flatnonzero(state == DAMAGED)).tolist()
        for _ in self._made(np.array(damaged, np.intp), make):
            pass
        print(
            f"{store.folder}: {len(damaged)} of {len(self.keys)} images were damaged and have been made again",
            flush=True,
        )


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _TOGETHER):
        yield keys[start : start + _TOGETHER]


_said: set[str] = set()


def _say_once(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, flush=True)
