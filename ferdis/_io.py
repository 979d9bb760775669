"""Files, written whole or not at all, and their digests.

A file is written beside its final name and then renamed: a reader finds the old state or the new one and never half of
either, and a writer that is killed leaves the old one. Nothing here (or anywhere in ferdis) unpickles a file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferdis.messages import reason

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 1 << 20  # bytes that a digest reads at a time
_ABANDONED_SECONDS = 3600.0  # a partial file that nobody has touched for so long belonged to a process that was killed


class DiskError(OSError):
    """A file could not be written; the message names it and the way out."""


# ---------------------------------------------------------------- writing


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn a disk that is full or may not be written into one clear line naming ``path``."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise DiskError(
                f"{path}: the disk is full; free some space and run again, what is finished is kept"
            ) from error
        raise DiskError(f"{path} cannot be written ({reason(error)}): choose another folder") from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk (or quota) is at the root of an error; safetensors only says so in words."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def replacing(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """Where to write what ``path`` is to hold: a file beside it, renamed when the block ends and removed if it fails.

    Missing folders are made.

    Parameters
    ----------
    path : path
        The file that is to appear.
    sync : bool
        Be sure that the content is on the disk before the name is. False for what may be lost with the machine's power,
        such as a cache.

    Yields
    ------
    Path
        The name to write to, hidden, in the same folder.

    Raises
    ------
    DiskError
        An OSError of one line with the path: the disk is full or the folder cannot be written. An earlier file stays
        as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        try:
            yield partial
            if sync:
                with partial.open("r+b") as file:  # without it the rename may reach the disk before the content does
                    os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Delete what killed writers of the same file have left."""
    prefix = f".{path.name}."
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(".partial")):
                continue
            if time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                Path(entry.path).unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file whole or not at all (see :func:`replacing`)."""
    with replacing(path, sync=sync) as partial:
        partial.write_bytes(content)


def write_text(path: str | Path, text: str, *, sync: bool = True) -> None:
    """Write a text file whole or not at all, as UTF-8 with ``\\n`` at the ends of lines."""
    write_bytes(path, text.encode("utf-8"), sync=sync)


def write_json(path: str | Path, record: Any, *, indent: int | None = 2, sync: bool = True) -> None:
    """Write a record whole or not at all; what JSON lacks becomes what :func:`plain` makes of it."""
    write_text(path, json.dumps(plain(record), indent=indent, ensure_ascii=False) + "\n", sync=sync)


def write_csv(path: str | Path, frame: pd.DataFrame, *, sync: bool = True) -> None:
    """Write a table whole or not at all; floats keep every digit."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"), sync=sync)


# ---------------------------------------------------------------- reading


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    ValueError
        If the file is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}): delete its folder to rerun") from None


# ---------------------------------------------------------------- digests


def plain(value: Any) -> Any:
    """The value as JSON keeps it (tuples become lists, keys text, arrays lists, anything else its text)."""

    def other(item: Any) -> Any:
        return item.tolist() if hasattr(item, "tolist") else str(item)

    return json.loads(json.dumps(value, default=other))


def digest(record: Any, length: int = 12) -> str:
    """First hex digits of the SHA-256 of a JSON-able record; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(plain(record), sort_keys=True).encode()).hexdigest()[:length]


def file_digest(path: str | Path) -> str:
    """SHA-256 (64 hex digits) of a file, read a block at a time."""
    sha = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()
