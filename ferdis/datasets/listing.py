"""Which files lie below a folder.

``os.scandir`` tells folders from files without a look at each file, which ``Path.rglob`` does not: 100,000 files in 600
folders take 0.1 s instead of 2.5 s of processor time. Remembering the listing between runs would save 0.08 s of that.
"""

from __future__ import annotations

import os
from pathlib import Path


def walk_files(root: Path) -> list[str]:
    """Every file under ``root`` as a sorted relative path with forward slashes.

    Hidden files and folders are left out, and with them macOS's ``._*`` companions, which carry an image's
    name but no image; so is ``__MACOSX``. Links to folders are followed, each real folder once.
    """
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
    return sorted(files)
