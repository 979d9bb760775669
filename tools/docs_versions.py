"""Build the documentation of every tag beside that of the working tree, with a list from which a reader chooses.

Run it as ``python -m tools.docs_versions`` (``make docs-versions``). ``docs/_build/versions`` then holds a folder per
tag (``v0.1.0/``), ``dev/`` for the working tree, ``versions.json``, which ``docs/_static/versions.js`` reads, and an
``index.html`` that leads to the newest tag. A tag's pages are built from a checkout of the tag, in the environment that
runs this program, and never again while the tag stays at its commit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKING = "dev"
_TAG = re.compile(r"v(\d+)\.(\d+)(?:\.(\d+))?((?:a|b|rc)\d+)?")
_MARK = ".commit"  # in a tag's folder: what it was built from
_START = """<!doctype html>
<meta charset="utf-8">
<title>ferdis</title>
<meta http-equiv="refresh" content="0; url={newest}/index.html">
<a href="{newest}/index.html">ferdis {newest}</a>
"""

Build = Callable[[Path, Path], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing; prints each folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_versions", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "_build" / "versions")
    parser.add_argument("--only", nargs="+", metavar="TAG", help="these tags, instead of all that are versions")
    chosen = parser.parse_args(arguments)
    try:
        for folder in build_versions(ROOT, chosen.out, only=chosen.only):
            print(folder, flush=True)
    except ValueError as error:
        print(f"docs_versions: error: {error}", file=sys.stderr)
        return 2
    return 0


def build_versions(
    repository: Path, out: Path, *, only: Sequence[str] | None = None, build: Build | None = None
) -> list[Path]:
    """Build tags and working tree into ``out``; returns the folders that were built now.

    Parameters
    ----------
    repository : folder of a git checkout with ``docs/conf.py``.
    out : where the versions go; those of tags that are gone are removed.
    only : tags to build instead of all ``v1.2.3``.
    build : builds the pages of a checkout into a folder; by default :func:`sphinx_html`.

    Raises
    ------
    ValueError
        If a tag of ``only`` is no version or is not there, ``repository`` is no git checkout, or a build fails.
    """
    build = sphinx_html if build is None else build
    tags = versions(repository)
    if wrong := [tag for tag in only or () if tag not in tags]:
        raise ValueError(f"no tag {wrong[0]!r} that is a version: there are {', '.join(tags) or 'none'}")
    out.mkdir(parents=True, exist_ok=True)
    for folder in out.iterdir():  # of a tag that was removed
        if (folder / _MARK).is_file() and folder.name not in tags:
            shutil.rmtree(folder)
    built = [out / tag for tag in (only or tags) if _build_tag(repository, tag, out / tag, build)]
    build(repository, out / WORKING)
    there = [tag for tag in tags if (out / tag / _MARK).is_file()]
    entries = [{"name": tag, "newest": tag == there[0]} for tag in there] + [{"name": WORKING, "newest": False}]
    (out / "versions.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    (out / "index.html").write_text(_START.format(newest=there[0] if there else WORKING), encoding="utf-8")
    return [*built, out / WORKING]


def versions(repository: Path) -> list[str]:
    """Tags that are versions (``v1.2``, ``v1.2.3``, ``v1.2.3rc1``), the newest first; others are no releases."""
    found = [(_key(tag), tag) for tag in _git(repository, "tag", "--list").split() if _TAG.fullmatch(tag)]
    return [tag for _, tag in sorted(found, reverse=True)]


def _key(tag: str) -> tuple[int, int, int, bool, str, int]:
    """Order of versions: a release candidate stands before its release."""
    major, minor, patch, early = _TAG.fullmatch(tag).groups()  # type: ignore[union-attr]
    kind, number = re.fullmatch(r"([a-z]*)(\d*)", early or "").groups()  # type: ignore[union-attr]
    return int(major), int(minor), int(patch or 0), not early, kind, int(number or 0)


def _build_tag(repository: Path, tag: str, folder: Path, build: Build) -> bool:
    """Build a tag's pages unless they are there; whether they were built."""
    commit = _git(repository, "rev-parse", f"{tag}^{{commit}}").strip()
    mark = folder / _MARK
    if mark.is_file() and mark.read_text("utf-8") == commit:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="ferdis-docs-") as place:
        checkout = Path(place) / "checkout"
        _git(repository, "worktree", "add", "--detach", str(checkout), commit)
        try:
            build(checkout, folder)
        finally:
            _git(repository, "worktree", "remove", "--force", str(checkout))
    mark.write_text(commit, encoding="utf-8")
    return True


def sphinx_html(checkout: Path, folder: Path) -> None:
    """The pages of a checkout, by Sphinx, with the checkout's own code in front of what is installed.

    Raises
    ------
    ValueError
        If Sphinx is not installed, or ends with an error; one line.
    """
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "docs", str(folder)]
    path = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        command, cwd=checkout, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True, check=False
    )
    if run.returncode:
        raise ValueError(f"the pages of {checkout} cannot be built: {complaint(run.stderr)}")


def complaint(text: str) -> str:
    """The line of a program's last words that says what was wrong; after it Sphinx asks for reports of errors."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    return next(
        (line for line in reversed(lines) if re.match(r"(?:[\w.]*(?:Error|Exception)|ERROR)\b", line)), lines[-1]
    )


def _git(repository: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise ValueError(f"git {' '.join(arguments[:2])}: {(run.stderr.strip() or 'failed').splitlines()[-1]}")
    return run.stdout


if __name__ == "__main__":
    raise SystemExit(main())
