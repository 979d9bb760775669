"""Digests that vouch for the files of a run: what was changed since is refused, in one line that names the file.

A fit's ``done.json`` holds the SHA-256 of every file beside it, ``RUN/seal.json`` those of the run's records and
tables, and each of the two a digest of itself. That finds every change that was not meant to deceive; it is no
signature. Runs of before have no seals: their rows alone can be checked, by the digest in ``done.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferdis._io import check_seal, file_digest, read_json, sealed, write_json

_SEALS = "seal.json"
_UNSEALED = (
    "done.json",
    "error.txt",
    "peeking.csv",
    "stress.csv",
)  # of a fit: the marker itself, and what is no part of the result
_TABLES = ("rows.csv", "history.csv")
_FIT = {
    "system": "text", "fold": "integer", "seed": "integer", "rows": "count", "rows_sha256": "text", "notes": "list",
    "fit_seconds": "seconds", "predict_seconds": "seconds", "resumed": "flag", "train_images": "count",
    "validation_images": "count", "test_images": "count",
}  # fmt: skip
_AGAIN = "undo the change, or delete it and run the same command again (finished folds are kept)"
_MEND = {"resolved.json": "undo the change, or choose another folder"}


def close_fit(folder: Path, done: Mapping[str, Any]) -> None:
    """Write ``done.json``, the last file of a fit, with the digest of every other.

    Parameters
    ----------
    folder : of the fit.
    done : what the marker says besides.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {
        name: file_digest(path)
        for name, path in files.items()
        if name not in _UNSEALED and not name.startswith("training/") and not path.name.startswith(".")
    }
    write_json(folder / "done.json", sealed({**done, "rows_sha256": digests["rows.csv"], "files": digests}))


def read_fit(folder: str | Path, *, whole: bool = False) -> dict[str, Any]:
    """``done.json`` of a finished fit, if the fit is as it was closed.

    Parameters
    ----------
    folder : of the fit.
    whole : also look at what :meth:`save` wrote, not at the tables alone.

    Returns
    -------
    dict
        The marker; it holds ``files`` where the fit is sealed.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: the marker or another file is missing, damaged, or was changed.
    """
    folder = Path(folder)
    path, mend = folder / "done.json", f"undo the change, or delete {folder} to rerun"
    done = read_json(path, _FIT, mend=mend)
    files = {"rows.csv": done["rows_sha256"]}
    if check_seal(path, done, mend=mend):
        files |= done["files"]
    place = f"fold-{done['fold']:02d}/{done['system']}"
    if not folder.absolute().as_posix().endswith(f"/{place}"):
        raise ValueError(f"{path} is the marker of {place}: {mend}")
    for name, digest in files.items():
        if (whole or name in _TABLES) and not _is(folder / name, digest):
            raise ValueError(f"{folder / name} is missing or was changed after the fold was finished: {mend}")
    return done


def check_rows(folder: Path, done: Mapping[str, Any]) -> None:
    """Refuse rows of a fit that are not those of its marker; :func:`read_fit` looks at the other files as well.

    Raises
    ------
    ValueError
        One line: ``rows.csv`` is missing or was changed.
    """
    if not _is(Path(folder) / "rows.csv", done["rows_sha256"]):
        raise ValueError(
            f"{folder}/rows.csv is missing or was changed after the fold was finished: undo the change, or delete "
            f"{folder} to rerun"
        )


def seal(root: Path, *paths: Path) -> None:
    """Put the digests of files of a run into its ``seal.json``; others that are in it stay."""
    files = {path.relative_to(root).as_posix(): file_digest(path) for path in paths if path.is_file()}
    write_json(root / _SEALS, sealed({"files": {**_seals(root), **files}}))


def check_sealed(root: str | Path, *names: str) -> None:
    """Compare files of a run with their digests; a file without one is taken as it is.

    Parameters
    ----------
    root : the run folder.
    names : files to look at, relative to it; by default all that the seals name and that are there.

    Raises
    ------
    ValueError
        One line: a file was changed after the run wrote it.
    """
    root, seals = Path(root), _seals(Path(root))
    for name in names or tuple(seals):
        path = root / name
        if name in seals and path.is_file() and not _is(path, seals[name]):
            again = "undo the change, or run ferdis disentangle again" if name.startswith("disentangle") else _AGAIN
            raise ValueError(f"{path} was changed after the run wrote it: {_MEND.get(name, again)}")


def sealed_files(root: str | Path) -> dict[str, str]:
    """Digests by file, as the run's seals have them; empty for a run of before.

    Raises
    ------
    ValueError
        One line: the seals themselves were changed.
    """
    return _seals(Path(root))


def is_sealed(root: str | Path, *names: str) -> bool:
    """Whether the run's seals name these files."""
    return set(names) <= set(_seals(Path(root)))


def _seals(root: Path) -> dict[str, Any]:
    """Digests by file; empty for a run of before."""
    path = root / _SEALS
    if not path.exists():
        return {}
    record = read_json(path, {"files": "record"}, mend=_AGAIN)
    if not check_seal(path, record, mend=_AGAIN):
        raise ValueError(f"{path} has no seal: {_AGAIN}")
    return record["files"]


def _is(path: Path, digest: Any) -> bool:
    return path.is_file() and file_digest(path) == digest
