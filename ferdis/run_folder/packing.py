"""A run as one file for a paper's supplement: records, rows, folds and weights, and no image.

The file is a ZIP archive with sorted names and no times, so that the same run always gives the same bytes.
``pack.json`` in it holds the digest of every other file. Left out: figures (average faces and transfers show people),
reports (they show mistakes) and, where asked for, the weights.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ferdis._io import file_digest, read_json, replacing, sealed
from ferdis.run_folder.reading import finished_fits, read_run

PACK = "pack.json"
_TOP = (".yaml", ".json", ".csv", ".txt", ".md")
_TABLES = ("rows.csv", "history.csv", "done.json")
_TIME = (1980, 1, 1, 0, 0, 0)


def pack(run: str | Path, out: str | Path, *, weights: bool = True) -> Path:
    """Write a finished run into one file, after its seals were checked.

    Parameters
    ----------
    run : str
        The run folder.
    out : str
        The file, such as supplement.zip; one that is there is replaced.
    weights : bool
        Whether the fitted systems go in. Without them predictions cannot be computed again.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder holds no finished run, or a file of it was changed.
    """
    root, out = Path(run), Path(out)
    if out.is_dir():
        raise ValueError(f"{out} is a folder: name the file, such as {out / 'supplement.zip'}")
    read_run(root)
    found = dict(_files(root, weights=weights))
    left_out = [] if weights else ["weights"]
    record = sealed(
        {"run": root.resolve().name, "left_out": left_out, "files": {n: file_digest(p) for n, p in found.items()}}
    )
    with replacing(out) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(PACK, _TIME), json.dumps(record, indent=1))
        for name, path in found.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return out


def unpack(file: str | Path, folder: str | Path) -> Path:
    """Unpack a packed run below ``folder``, and give the run folder.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is no packed run, is damaged, or names a place outside of the folder.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; ferdis pack RUN OUT writes one")
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if PACK not in names:
                raise ValueError(f"{file} is no packed run ({PACK} is missing): ferdis pack RUN OUT writes one")
            for name in names:
                place = PurePosixPath(name)
                if place.is_absolute() or ".." in place.parts or "\\" in name:
                    raise ValueError(f"{file} names {name!r}, a place outside of the run: do not trust it")
            root = Path(folder) / str(json.loads(archive.read(PACK)).get("run", "run")).replace("/", "-")
            archive.extractall(root)
    except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{file} is damaged ({error}): copy it again") from None
    return root


def pack_record(root: str | Path) -> dict[str, Any] | None:
    """``pack.json`` of a run that was unpacked; None for any other run."""
    path = Path(root) / PACK
    return read_json(path, mend="unpack the file again") if path.is_file() else None


def _files(root: Path, *, weights: bool) -> Iterator[tuple[str, Path]]:
    """Names in the archive and the files, sorted; no image among them."""
    chosen = [
        path for path in root.iterdir() if path.is_file() and path.suffix in _TOP and not path.name.startswith(".")
    ]
    chosen += root.glob("seed-*/folds.csv")
    for folder, done in finished_fits(root):
        names = [name for name in done.get("files", {"rows.csv": ""}) if weights or name in _TABLES]
        chosen += [folder / name for name in names if (folder / name).suffix.lower() not in (".png", ".jpg", ".jpeg")]
        chosen.append(folder / "done.json")
    for path in sorted(set(chosen) - {root / PACK}):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path
