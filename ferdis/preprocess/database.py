"""One SQLite file in a folder that survives what happens to files: damage, removal, kills, forks, full disks.

The file's name changes whenever it is made anew (``images-18a3f0c2.sqlite``, the newest counts): a process that still
has an older one open, removed or not, shares no journal with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import filelock

from ferdis._io import is_disk_full
from ferdis.messages import reason

Result = TypeVar("Result")

_BUSY_SECONDS = 600.0  # others commit within milliseconds, unless they are stopped
_ATTEMPTS = 3
_LENGTH = 0  # SQLITE_LIMIT_LENGTH
_MOST_BYTES = 2**25  # of one value: a damaged length must not ask for gigabytes
_NAME = re.compile(r"images-([0-9a-f]{16})\.sqlite")
_NOT_DAMAGE = ("readonly", "is full", "locked", "disk i/o", "locking protocol")
_GUARD = threading.RLock()  # one use of SQLite at a time in a process, and none while it forks
_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


class CacheError(ValueError):
    """The cache directory cannot be used; the message is one line that names it and the way out."""


class UnwritableError(Exception):
    """The folder may be read at most; the message says why."""


class Database:
    """A file of tables that may be lost: where it is damaged, it is made anew with what can be saved.

    Any number of threads and processes may use it; one that is carried over a fork opens the file for itself.

    Parameters
    ----------
    folder : Path
        Where it lies; made when something is written.
    """

    schema: Sequence[str] = ()
    """Statements that make the tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection: sqlite3.Connection | None = None
        self._file: Path | None = None
        self._inode: tuple[int, int] | None = None
        _OPEN.add(self)

    def rescue(self, damaged: sqlite3.Connection, new: sqlite3.Connection) -> None:
        """Copy what is intact from a damaged file; an ``sqlite3.Error`` may end it anywhere. By default nothing is."""

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the interpreter anything may be gone
            self.close()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with _GUARD:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._file = self._inode = None

    def read_with(self, work: Callable[[sqlite3.Connection], Result], empty: Result) -> Result:
        """What ``work`` answers; ``empty`` if there is no file, or a damaged one in a folder that may only be read.

        Raises
        ------
        CacheError
            If the file is there and may not be read.
        """
        try:
            return self._use(work, empty, write=False)
        except UnwritableError:
            return empty

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run ``work`` in one transaction: all of it stays, or nothing.

        Raises
        ------
        UnwritableError
            If the folder may not be written.
        CacheError
            If the disk is full, or the folder cannot be made.
        """

        def committed(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                work(connection)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    connection.execute("ROLLBACK")
                raise

        self._use(committed, None, write=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock file of the folder; waits, and says so, while another process holds it.

        Raises
        ------
        UnwritableError, CacheError
            As :meth:`write`.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / name)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                print(f"waiting for another process that fills {self.folder}", flush=True)
                lock.acquire()
        except OSError as error:
            raise self._refusal(error) from error
        try:
            yield
        finally:
            lock.release()

    def _use(self, work: Callable[[sqlite3.Connection], Result], empty: Result, write: bool) -> Result:
        for last in [False] * (_ATTEMPTS - 1) + [True]:
            with _GUARD:
                try:
                    connection = self._opened(write)
                    return empty if connection is None else work(connection)
                except OSError as error:
                    raise self._refusal(error) from error
                except (sqlite3.Error, MemoryError) as error:  # a damaged length may ask for gigabytes
                    damaged = self._file
                    self.close()
                    self._judge(error, last)
            if damaged is not None:
                self._replace(damaged)
        raise AssertionError("the last attempt returns or raises")

    def _opened(self, write: bool) -> sqlite3.Connection | None:
        """The connection, to the newest file; None if there is no file and nothing is to be written."""
        if self._connection is not None and (not write or _inode(self._file) == self._inode):
            return self._connection
        self.close()
        file = self._newest()
        if file is None and write:
            with self.locked("replace.lock"):
                file = self._newest() or self._made(None)
        if file is None:
            return None
        self._file, self._inode = file, _inode(file)
        self._connection = _connect(file)
        return self._connection

    def _newest(self) -> Path | None:
        try:
            names = [file.name for file in self.folder.iterdir() if _NAME.fullmatch(file.name)]
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self.folder / max(names) if names else None

    def _made(self, old: Path | None) -> Path:
        """A new file with what can be saved of the old one; call it while the lock is held."""
        for draft in self.folder.glob("*.draft*"):  # of a process that was killed here
            draft.unlink()
        number = max(time.time_ns(), 1 + int(old.stem.removeprefix("images-"), 16) if old else 0)  # later than the old
        file = self.folder / f"images-{number:016x}.sqlite"
        draft = file.with_suffix(".draft")
        with contextlib.closing(_connect(draft, new=True)) as new:
            for statement in self.schema:
                new.execute(statement)
            if old is not None:
                new.execute("BEGIN")
                with contextlib.suppress(sqlite3.Error, MemoryError), contextlib.closing(_connect(old)) as damaged:
                    damaged.execute("PRAGMA writable_schema = ON")  # or a file that was cut is refused as a whole
                    self.rescue(damaged, new)
                new.execute("COMMIT")
        draft.replace(file)
        return file

    def _replace(self, damaged: Path) -> None:
        with self.locked("replace.lock"):
            if self._newest() != damaged:
                return  # another process has done it, or it was removed
            try:
                self._made(damaged)
                for file in (damaged, damaged.with_name(f"{damaged.name}-journal")):
                    file.unlink(missing_ok=True)
            except (OSError, sqlite3.Error) as error:
                raise self._refusal(error) from error
        print(
            f"{damaged}: the image cache was damaged; it has been made anew with the images that are intact", flush=True
        )

    def _judge(self, error: Exception, last: bool) -> None:
        """Raise what an error means; return if the file is damaged, or gone, and another attempt is worth it."""
        text, file = str(error).lower(), self._newest()
        if last or any(part in text for part in _NOT_DAMAGE):
            raise self._refusal(error) from error
        if "unable to open" in text and file is not None:
            if not os.access(file, os.R_OK):
                raise self._refusal(error) from error
            if not os.access(self.folder, os.W_OK):  # no place for a journal
                raise UnwritableError(str(error)) from error

    def _refusal(self, error: Exception) -> Exception:
        """What an error that no new file would cure is reported as."""
        text, code = reason(error), getattr(error, "errno", None)
        if code in (errno.EACCES, errno.EPERM, errno.EROFS) or "readonly" in text:
            return UnwritableError(text)
        full = is_disk_full(error) or "is full" in text
        return CacheError(
            f"{self.folder}: cannot use the image cache ({'the disk is full' if full else text}); "
            f"{'free some space' if full else 'make it readable and writable'}, name another directory with cache= or "
            f"FERDIS_CACHE, or pass cache=False; finished images are kept"
        )


def _connect(file: Path, new: bool = False) -> sqlite3.Connection:
    """Open a file that exists, or a new one; without Python's own transactions, and bytes for what should be text."""
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={'rwc' if new else 'rw'}",
        uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    connection.text_factory = bytes
    if hasattr(connection, "setlimit"):  # Python 3.11
        connection.setlimit(_LENGTH, _MOST_BYTES)
    connection.execute(
        "PRAGMA synchronous = OFF"
    )  # a power cut is damage like any other, and a commit is 4 times faster
    return connection


def _inode(file: Path | None) -> tuple[int, int] | None:
    try:
        status = os.stat(file) if file else None  # noqa: PTH116
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _before_fork() -> None:
    """SQLite must not be carried over a fork: whatever is open is closed, and opened again when it is used."""
    _GUARD.acquire()
    for database in list(_OPEN):
        database.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_GUARD.release, after_in_child=_GUARD.release)
