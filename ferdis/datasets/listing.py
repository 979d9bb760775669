"""Which files lie below a folder: found fast, and remembered until a folder changes.

A folder's time of change moves when an entry is added, removed or renamed in it. So a listing is good for as long as
every folder below the root has the time that it had: to see that, the folders are looked at, and no file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from ferdis._io import write_text
from ferdis.preprocess import default_directory

_FORMAT = 1
_SECOND = 10**9


def walk_files(root: Path, cache: str | Path | bool | None = False) -> list[str]:
    """Every file under ``root`` as a sorted relative path with forward slashes.

    Hidden files and folders are left out, and with them macOS's ``._*`` companions, which carry a picture's
    name but no image; so is ``__MACOSX``. Links to folders are followed, each real folder once.

    Parameters
    ----------
    root : path
    cache : path, bool or None
        Where listings are remembered: a cache directory, None for the default one, False for nowhere.
    """
    if cache is False:
        return _walk(root)[1]
    directory = default_directory() if cache is None or cache is True else Path(cache).expanduser()
    name = hashlib.sha256(os.path.abspath(root).encode()).hexdigest()[:16]  # noqa: PTH100 (keeps links)
    remembered = directory / "listings" / f"{name}.json"
    known = _read(remembered)
    if known is not None and _folders_are(root, known["folders"]):
        return known["files"]
    start = time.time_ns()
    folders, files = _walk(root)
    newest = max(folders.values())
    # A folder that changed a moment ago may change again within one tick of its clock: not to be remembered. Whole
    # seconds tell a file system whose ticks are that long.
    tick = 2 * _SECOND if newest % _SECOND == 0 else _SECOND // 20
    if newest + tick < start:
        _write(remembered, {"format": _FORMAT, "folders": folders, "files": files})
    return files


def _walk(root: Path) -> tuple[dict[str, int], list[str]]:
    """Folders (relative path -> time of change, ns) and files below the root."""
    folders: dict[str, int] = {}
    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        folder = os.path.join(root, relative)  # noqa: PTH118 (a hundred thousand Paths take seconds)
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[relative] = status.st_mtime_ns
        below = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    files.append(relative + entry.name)
                elif entry.name != "__MACOSX":
                    below.append(f"{relative}{entry.name}/")
        waiting += sorted(below, reverse=True)
    return folders, sorted(files)


def _folders_are(root: Path, folders: dict[str, int]) -> bool:
    """Whether every folder is there with the time of change it had."""
    try:
        return all(os.stat(os.path.join(root, name)).st_mtime_ns == time for name, time in folders.items())  # noqa: PTH116, PTH118
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    """A remembered listing; None if there is none that can be used."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known if known["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, listing: dict[str, Any]) -> None:
    """Remember a listing, whole or not at all; a cache that cannot be written costs time, nothing else."""
    with contextlib.suppress(OSError):
        write_text(path, json.dumps(listing, ensure_ascii=True), sync=False)  # a name need not be UTF-8
