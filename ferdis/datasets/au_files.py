"""Action units from a file: what OpenFace or py-feat wrote about images or videos, joined to Faces.

>>> units = read_units("openface/")                                                           # doctest: +SKIP
>>> faces = join_units(faces, units)                                                          # doctest: +SKIP

- **OpenFace** (Baltrusaitis et al. 2018): intensities ``AU01_r`` .. ``AU45_r``, 0..5. Older versions put a space before
  each name of the header; newer ones number the faces of a video (``face_id``); ``FaceLandmarkImg`` writes one file a
  image, with ``face`` in place of ``frame``. ``AU01_c`` (there or not) is no intensity and is never read as one.
- **py-feat** (Cheong et al. 2023): ``AU01`` .., from 0 to 1; ``input`` and ``frame`` say of what.

A file whose action units are not named as OpenFace names its intensities does not say its scale, and 0..1 looks like
faint movements on 0..5: ``scale=`` must be given. What these programs write are estimates; only people code units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from ferdis._tables import header_of, read_csv
from ferdis.datasets.listing import walk_files
from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces
from ferdis.messages import named, quoted, short

KEYS = ("source", "frame", "face_id", "confidence")
_OPENFACE = {f"{name}_r": name for name in AU_COLUMNS}
_NUMBERS = {  # ours: theirs
    "frame": ("frame",),
    "face_id": ("face_id", "face"),
    "confidence": ("confidence", "FaceScore"),  # OpenFace's, py-feat's
    "success": ("success",),
}
_UNIT = re.compile(r"AU\d\d?(_[rc])?")


def read_units(
    path: str | Path,
    *,
    scale: Literal[1, 5] | None = None,
    min_confidence: float = 0.0,
    face: int | Literal["confident"] | None = None,
) -> pd.DataFrame:
    """Read action units from CSV files of OpenFace or py-feat.

    Parameters
    ----------
    path : path
        One CSV file, or a folder: every ``*.csv`` below it, all of one program.
    scale : 5 or 1, optional
        What the file's largest possible value is. OpenFace's intensities go to 5 and need no argument. For py-feat say
        1: values are multiplied by 5.
    min_confidence : float
        Rows whose confidence (OpenFace) or face score (py-feat) is lower count as failed, like ``success`` 0.
    face : int or "confident", optional
        Which one, where an image or video has several faces: a ``face_id`` (py-feat: 0, 1, .. in the file's order), or
        ``"confident"``, in each frame the face with the highest confidence, whoever it is.

    Returns
    -------
    DataFrame
        One row a frame: ``source`` (of what: py-feat's ``input``, else the CSV file's path below the folder; without
        suffix), ``frame`` (as numbered in the file; NaN for OpenFace's images), ``face_id``, ``confidence`` and
        ``AU01`` .. ``AU45``, 0..5. A failed row keeps its place with NaN in every AU, as has a unit that the file does
        not hold. ``attrs["notes"]`` counts both, ``attrs["program"]`` is "OpenFace" or "py-feat".

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no CSV file in the folder.
    ValueError
        If a file holds no action units, its scale is not said or contradicted by its values, a cell is no number, two
        rows are of the same face and frame, or there are several faces and ``face`` is not given. The message names
        file and line.
    """
    if scale not in (None, 1, 5):
        raise ValueError(f"scale={scale!r}: give 5 (intensities from 0 to 5) or 1 (values from 0 to 1)")
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: give a CSV file of OpenFace or py-feat, or a folder of them")
    names = [name for name in walk_files(path) if name.lower().endswith(".csv")] if path.is_dir() else [path.name]
    if not names:
        raise FileNotFoundError(f"{path} has no .csv file in it: give the folder that OpenFace or py-feat wrote to")
    root = path if path.is_dir() else path.parent
    tables = [_read_file(root / name, _stem(name), scale) for name in names]
    programs = sorted({table.attrs["program"] for table in tables})
    if len(programs) > 1:
        raise ValueError(f"{path} holds files of OpenFace and of py-feat: read them one after the other")
    units = pd.concat(tables, ignore_index=True)
    notes = _fail(units, min_confidence)
    units = _one_face(units, path, face, notes)
    if missing := [name for name in AU_COLUMNS if units[name].isna().all()]:
        notes.append(f"not in the file, NaN: {', '.join(missing)}")
    units.attrs = {"notes": notes, "program": programs[0]}
    return units


def join_units(
    faces: Faces,
    units: pd.DataFrame,
    *,
    by: Literal["path", "frame"] = "path",
    video: str = "sequence",
    frame_offset: int = 0,
    missing: Literal["raise", "nan", "drop"] = "raise",
    overwrite: bool = False,
) -> Faces:
    """Give faces the action units that :func:`read_units` read about them.

    Parameters
    ----------
    faces : Faces
        With ``path`` (``by="path"``), or ``frame`` and the column ``video`` (``by="frame"``).
    units : DataFrame
        From :func:`read_units`.
    by : "path" or "frame"
        "path": a row is of one image, and a face's ``path`` and the row's ``source`` end alike (suffixes aside).
        "frame": a row is of one frame of a video; the column ``video`` and ``source`` end alike, ``frame`` is equal.
    video : str
        The column of ``faces`` that names the video. Where the units have one source only it is not needed.
    frame_offset : int
        Added to the units' frame numbers. OpenFace counts from 1, py-feat from 0: say 1 for py-feat's frames of
        images that are numbered from 1.
    missing : "raise", "nan" or "drop"
        For a face without a row: an error that names it, NaN in its AUs, or go on without it. "drop" leaves out the
        faces whose row failed as well, which otherwise keep NaN. Both are counted in ``attrs["notes"]``.
    overwrite : bool
        Replace action units that the faces have already; otherwise they are an error.

    Returns
    -------
    Faces
        The same images with ``AU01`` .. ``AU45`` (0..5, NaN = not known) and ``au_confidence``.

    Raises
    ------
    ValueError
        If a column is missing, nothing matches, a name fits two sources or a source two faces, a face has no row, or
        the faces are coded already. The message gives an example.
    """
    table = faces.to_frame()
    _check_join(table, by, video, missing, overwrite, units)
    row = _rows_by_path(table, units) if by == "path" else _rows_by_frame(table, units, video, frame_offset)
    notes = [f"action units estimated by {units.attrs['program']}", *units.attrs["notes"]]
    found = row >= 0
    shown = "path" if "path" in table else by
    if not found.all():
        text = f"{int((~found).sum())} of {len(faces)} faces have no row of action units"
        absent = named(table.loc[~found, shown])
        if missing == "raise":
            raise ValueError(f"{text} ({absent}): add the rows, or pass missing='nan' or missing='drop'")
        notes.append(f"{text}, {'left out' if missing == 'drop' else 'NaN'}: {absent}")
    if unused := len(units) - len(np.unique(row[found])):
        notes.append(f"{unused} of {len(units)} rows of action units are of no face here")
    joined = units.reset_index(drop=True).reindex(row)  # row -1 does not exist: NaN
    table[list(AU_COLUMNS)] = joined[list(AU_COLUMNS)].to_numpy()
    table["au_confidence"] = joined["confidence"].to_numpy()
    keep = np.ones(len(faces), dtype=bool)
    if missing == "drop":
        keep = found & table[list(AU_COLUMNS)].notna().any(axis=1).to_numpy()
        if failed := int((found & ~keep).sum()):
            notes.append(f"{failed} of {len(faces)} faces left out: their row failed")
    if not keep.any():
        raise ValueError("no face is left: every row of action units failed")
    attrs = {**faces.attrs, "notes": [*faces.attrs.get("notes", []), *notes]}
    return Faces(faces.images, table, attrs)[keep]


# ------------------------------------------------------------------------------------------------------ one file


def _read_file(path: Path, source: str, scale: Literal[1, 5] | None) -> pd.DataFrame:
    """One CSV file as KEYS, AU_COLUMNS (0..5) and ``success``."""
    header = header_of(path)
    openface = any(name in _OPENFACE for name in header)
    columns = _OPENFACE if openface else {name: name for name in AU_COLUMNS}
    columns = {theirs: ours for theirs, ours in columns.items() if theirs in header}
    if not columns:
        raise ValueError(f"{path}: {_no_units(header)}")
    wanted = {*columns, "input", *(name for names in _NUMBERS.values() for name in names)}
    raw = read_csv(path, usecols=lambda name: name.strip() in wanted, index_col=False)
    table = pd.DataFrame({"source": source}, index=raw.index)
    if "input" in raw:
        table["source"] = [_stem(str(name)) for name in raw["input"]]
    for name, names in _NUMBERS.items():
        present = [column for column in names if column in raw]
        table[name] = _numbers(raw[present[0]], path) if present else np.nan
    if table["face_id"].isna().all():  # older OpenFace tracks one face; py-feat lists those of a frame in a row
        table["face_id"] = 0.0 if openface else table.groupby(["source", "frame"], dropna=False).cumcount()
    table[list(AU_COLUMNS)] = np.nan
    for theirs, ours in columns.items():
        table[ours] = _numbers(raw[theirs], path)
    _to_intensities(table, list(columns.values()), path, scale, openface)
    if (twice := table.duplicated(["source", "frame", "face_id"])).any():
        line = int(np.flatnonzero(twice)[0]) + 2
        raise ValueError(f"{path} line {line}: the same frame and face are there a second time; remove one")
    table.attrs["program"] = "OpenFace" if openface else "py-feat"
    return table


def _stem(path: str) -> str:
    """A path without its suffix, with forward slashes."""
    return PurePosixPath(path.replace("\\", "/")).with_suffix("").as_posix()


def _no_units(header: Sequence[str]) -> str:
    present = [name for name in header if _UNIT.fullmatch(name)]
    if any(name.endswith("_c") for name in present):
        return "it only says which action units are there (AU01_c ..), not how strong: run OpenFace with -aus"
    return f"no column is an action unit (AU01_r or AU01); it has {named(map(short, header))}"


def _no_longer_than_a_float(value: object) -> object:
    """Whole numbers of any length, which pandas reads as Python's, as a float; infinite if they are too large."""
    if not isinstance(value, int):
        return value
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    values = column.map(_no_longer_than_a_float) if column.dtype == object else column
    numbers = pd.to_numeric(values, errors="coerce")
    if (wrong := numbers.isna() & column.notna()).any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{path} line {row + 2}: {column.name} is {quoted(column.iloc[row])}, no number")
    if (wrong := np.isinf(numbers)).any():
        raise ValueError(f"{path} line {int(np.flatnonzero(wrong)[0]) + 2}: {column.name} is infinite")
    return numbers.astype(float)


def _to_intensities(table: pd.DataFrame, columns: list[str], path: Path, scale: int | None, openface: bool) -> None:
    """Check the values against their scale, and bring them to 0..5."""
    values = table[columns].to_numpy()
    largest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    if scale is None:
        if not openface:
            raise ValueError(
                f"{path} does not say the scale of its action units (largest here {largest:.3g}): pass scale=1 if they "
                f"go from 0 to 1, as py-feat's do, or scale=5 if from 0 to 5"
            )
        scale = 5
    outside = (values < 0) | (values > scale)
    if outside.any():
        row, column = (int(index) for index in np.argwhere(outside)[0])
        way = "; pass scale=5 if these are intensities from 0 to 5" if scale == 1 and largest <= AU_MAXIMUM else ""
        raise ValueError(
            f"{path} line {row + 2}: {columns[column]} is {values[row, column]:g}, outside 0..{scale}{way}"
        )
    table[columns] = values * (AU_MAXIMUM / scale)


def _fail(units: pd.DataFrame, min_confidence: float) -> list[str]:
    """NaN in the AUs of failed rows, in place; drops ``success``; what to say."""
    failed = units.pop("success") == 0
    unsure = ~failed & (units["confidence"] < min_confidence)
    empty = ~failed & ~unsure & units[list(AU_COLUMNS)].isna().all(axis=1)
    units.loc[failed | unsure, list(AU_COLUMNS)] = np.nan
    counts = {
        "failed (success 0)": failed,
        f"have a confidence below {min_confidence:g}": unsure,
        "hold no face": empty,
    }
    return [
        f"{int(rows.sum())} of {len(units)} rows of action units {why}: NaN"
        for why, rows in counts.items()
        if rows.any()
    ]


def _one_face(units: pd.DataFrame, path: Path, face: int | str | None, notes: list[str]) -> pd.DataFrame:
    """One row a frame: the chosen face, or the only one."""
    columns = [*KEYS, *AU_COLUMNS]
    ids = units.groupby("source")["face_id"].unique()
    several = ids[ids.map(len) > 1]
    if face is None:
        if len(several):
            shown = named(f"{value:g}" for value in sorted(several.iloc[0]))
            raise ValueError(
                f"{path}: {several.index[0]} has several faces (face_id {shown}): pass face= one of these, or "
                f"face='confident'"
            )
        return units[columns]
    if face == "confident":
        # A failed row may hold any confidence: it comes after every row that has values.
        usable = units[list(AU_COLUMNS)].notna().any(axis=1)
        order = units.assign(usable=usable).sort_values(["usable", "confidence"], ascending=False, kind="stable").index
        kept = units.loc[order].drop_duplicates(["source", "frame"]).sort_index()
    else:
        kept = units[units["face_id"] == face]
        if lacking := sorted(set(units["source"]) - set(kept["source"])):
            raise ValueError(f"face={face!r}: {path} has no such face_id of {named(lacking)}")
    if others := len(units) - len(kept):
        notes.append(f"{others} of {len(units)} rows of action units are of other faces than face={face!r}, left out")
    return kept[columns].reset_index(drop=True)


# ------------------------------------------------------------------------------------------------------- joining


def _check_join(table: pd.DataFrame, by: str, video: str, missing: str, overwrite: bool, units: pd.DataFrame) -> None:
    if by not in ("path", "frame"):
        raise ValueError(f"by={by!r}: choose 'path' (a row an image) or 'frame' (a row a frame of a video)")
    if missing not in ("raise", "nan", "drop"):
        raise ValueError(f"missing={missing!r}: choose 'raise', 'nan' or 'drop'")
    if lacking := {*KEYS, *AU_COLUMNS} - set(units):
        raise ValueError(f"units has no column {min(lacking)}: give what read_units returns")
    if by not in table:
        raise ValueError(f"by={by!r}, but the faces have no column {by!r}, only {named(table.columns)}")
    if by == "frame" and video not in table and units["source"].nunique() > 1:
        raise ValueError(f"video={video!r}: the faces have no such column; name the one that tells the videos apart")
    coded = table[table.columns.intersection(AU_COLUMNS)].notna().any(axis=1)
    if coded.any() and not overwrite:
        raise ValueError(f"{int(coded.sum())} faces have action units already: pass overwrite=True to replace them")


def _rows_by_path(table: pd.DataFrame, units: pd.DataFrame) -> np.ndarray:
    """Row of ``units`` for each face, -1 for none."""
    counts = units["source"].value_counts()
    if (counts > 1).any():
        raise ValueError(f"{counts.index[0]} has {counts.iloc[0]} rows of action units, a video: join it by='frame'")
    names = [_stem(path) for path in table["path"].astype(str)]
    match = _match(names, units["source"], "path")
    row = pd.Series(np.arange(len(units)), index=units["source"])
    found = np.array([row[match[name]] if name in match else -1 for name in names], dtype=int)
    used, times = np.unique(found[found >= 0], return_counts=True)
    if (times > 1).any():
        twice = used[times > 1][0]
        pictures = named(table.loc[found == twice, "path"])
        raise ValueError(
            f"{units['source'].iloc[twice]} fits several faces ({pictures}): keep the pictures' folders in the folder "
            f"of CSV files, so that the ends of their paths differ"
        )
    return found


def _rows_by_frame(table: pd.DataFrame, units: pd.DataFrame, video: str, offset: int) -> np.ndarray:
    """Row of ``units`` for each face, -1 for none."""
    sources = units["source"].unique()
    if video in table:
        names = table[video].astype(str)
        match = _match(list(dict.fromkeys(names)), sources, video)
        if len(set(match.values())) < len(match):
            raise ValueError(f"two values of {video!r} end like one source of action units ({named(match)})")
        source = names.map(match)
    else:
        source = pd.Series(sources[0], index=table.index)
    row = pd.Series(np.arange(len(units)), index=pd.MultiIndex.from_arrays([units["source"], units["frame"] + offset]))
    found = (
        row.reindex(pd.MultiIndex.from_arrays([source, pd.to_numeric(table["frame"], errors="coerce")]))
        .fillna(-1)
        .to_numpy(int)
    )
    if (found < 0).all():
        frames = units["frame"] + offset
        raise ValueError(
            f"no face's frame (such as {table['frame'].iloc[0]}) is among the {len(units)} frames of action units "
            f"({frames.min():g}..{frames.max():g}): do they count alike? frame_offset= is added to the units' numbers"
        )
    return found


def _match(names: Sequence[str], sources: Iterable[str], what: str) -> dict[str, str]:
    """Which source each name is: the one whose path ends like it, as far as the shorter of the two goes."""
    by_last: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for source in dict.fromkeys(sources):
        parts = PurePosixPath(source).parts
        by_last.setdefault(parts[-1], []).append((source, parts))
    match: dict[str, str] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        fitting = [
            source
            for source, other in by_last.get(parts[-1] if parts else "", [])
            if all(a == b for a, b in zip(reversed(parts), reversed(other), strict=False))
        ]
        if len(fitting) > 1:
            raise ValueError(f"{what} {name} fits several sources of action units ({named(fitting)}): keep one")
        if fitting:
            match[name] = fitting[0]
    if not match:
        first = next(iter(sources), "none")
        example = names[0] if names else "none"
        raise ValueError(f"no face's {what} (such as {example}) ends like a source of action units (such as {first})")
    return match
