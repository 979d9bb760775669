"""The Extended Cohn-Kanade set (CK+) in its official layout.

::

    root/
      cohn-kanade-images/S005/001/S005_001_00000001.png ... S005_001_00000011.png
      Emotion/S005/001/S005_001_00000011_emotion.txt      one number; 266 of 593 folders are empty
      FACS/S005/001/S005_001_00000011_facs.txt            optional: rows of action unit and intensity

Lucey, Cohn, Kanade, Saragih, Ambadar, Matthews: The Extended Cohn-Kanade Dataset (CK+), CVPR Workshops 2010.
Files are found by their names wherever they lie below the root, so it does not matter whether the label
folder is called ``Emotion`` or ``Emotion_labels``, nor how deep an unpacked archive nests. Each sequence runs
from neutral to the peak, and its one label and its FACS codes are those of the peak (the last frame).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from ferdis.datasets.common import (
    Problem,
    checked_root,
    compare_counts,
    is_image,
    named,
    prepared,
    raise_problems,
    walk_files,
)
from ferdis.faces import ACTION_UNITS, AU_COLUMNS, Faces

EMOTIONS = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
NAMESPACE = "ck"
SEQUENCES = {
    "anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83,
}  # fmt: skip
"""Labelled sequences of each class, Lucey et al. 2010, Table 3: 327 in all, of 118 people."""

_LAYOUT = "cohn-kanade-images/S005/001/S005_001_00000001.png and Emotion/S005/001/S005_001_00000011_emotion.txt"
_FILE = re.compile(
    r"(?:^|/)(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})(?P<kind>_emotion\.txt|_facs\.txt|\.[a-z]+)$",
    re.IGNORECASE,
)
_FRAMES = re.compile(r"(?P<first>first\+)?last(?P<count>[1-9]\d*)?")

Sequence = tuple[str, str]  # ("S005", "001")


def published_counts(expressions: int, frames_each: int = 3) -> dict[str, int]:
    """What the papers count: 981 images of 7 classes, 927 of 6; for ``common.compare_counts``."""
    classes = {name: count for name, count in SEQUENCES.items() if expressions == 7 or name != "contempt"}
    total = sum(classes.values())
    people = {"subjects": 118} if expressions == 7 else {}
    return {
        "images": total * frames_each,
        "sequences": total,
        **people,
        **{f"sequences of {name}": count for name, count in classes.items()},
    }


def load_ckplus(
    root: str | Path,
    *,
    expressions: int = 7,
    frames: str = "last3",
    neutral: str | None = None,
    image_size: int = 256,
    align: bool = True,
    cache: str | Path | bool | None = None,
    device: str = "cpu",
    errors: Literal["raise", "skip"] = "raise",
    progress: bool = True,
) -> Faces:
    """Load the labelled sequences of CK+.

    Parameters
    ----------
    root : path
        The folder that holds ``cohn-kanade-images`` and ``Emotion`` (or ``Emotion_labels``), at any depth.
    expressions : 6 or 7
        7 with contempt (327 sequences, 981 images), 6 without (309 sequences, 927 images).
    frames : str
        The frames of each sequence that carry its label: ``"last3"`` (the papers' rule), ``"last"``,
        ``"last5"``. ``"first+last"`` is ``"last"`` with ``neutral="first"``.
    neutral : "first" or None
        "first" adds the first frame of each sequence as a neutral face.
    image_size, align, cache, device, errors, progress
        As in :func:`ferdis.datasets.manifest.load_manifest`.

    Returns
    -------
    Faces
        ``subject`` is ``ck/S005``, ``sequence`` ``ck/S005/001``, ``frame`` the number in the file name;
        ``position`` counts back from the peak (0 = last frame). With ``FACS`` there, ``AU01`` .. ``AU45``
        hold the peak's intensities 1 (A) to 5 (E), 0 for a unit not listed, NaN for one listed without
        intensity and for everything on neutral frames; ``facs`` lists all units as coded (``"1c+2c+25d"``).
        AU 45 (a blink, a movement) is NaN unless listed.

    Raises
    ------
    FileNotFoundError
        If the folder is missing or empty, or holds no images or labels in this layout.
    ValueError
        If a label file cannot be read, or a picture or label is there twice. The message names the file.
    """
    table, notes = build_table(root, expressions=expressions, frames=frames, neutral=neutral)
    return prepared(
        Path(root).expanduser(),
        table,
        notes,
        dataset="ckplus",
        image_size=image_size,
        align=align,
        cache=cache,
        device=device,
        errors=errors,
        progress=progress,
    )


def build_table(
    root: str | Path,
    *,
    expressions: int = 7,
    frames: str = "last3",
    neutral: str | None = None,
    problems: list[Problem] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """CK+ as a table, and what to say about it; arguments and errors as :func:`load_ckplus`.

    With a list given as ``problems``, what is wrong with single files is put there and the file left out.
    """
    count, first = _frame_rule(frames, neutral)
    check_expressions(expressions)
    folder = checked_root(root, "ckplus")
    wrong: list[Problem] = []
    files = _find(folder, wrong)
    if not files.images or not files.emotions:
        lacking = "images" if not files.images else "emotion labels"
        raise FileNotFoundError(f"{folder} holds no CK+ {lacking}: expected {_LAYOUT}")
    labels = _read_labels(folder, files.emotions, wrong)
    notes: list[str] = []
    codes = _read_facs(folder, files.facs, notes)
    rows = _rows(files.images, labels, codes, expressions, count, first, notes)
    if problems is None:
        raise_problems(wrong, f"ckplus --root {root}")
    else:
        problems += wrong
    table = pd.DataFrame(rows)
    if rows:
        if compare_counts(table, published_counts(expressions, count), notes):
            _name_missing(files, labels, notes)
    elif problems is None:
        raise ValueError(f"{folder}: no labelled sequence has images; expected {_LAYOUT}")
    return table, notes


def check_expressions(expressions: int) -> None:
    """Raise a ValueError unless ``expressions`` is 6 or 7."""
    if expressions not in (6, 7):
        raise ValueError(f"expressions={expressions!r}: choose 7 (with contempt) or 6 (without)")


class _Files(NamedTuple):
    images: dict[Sequence, dict[int, str]]  # frame number -> path
    emotions: dict[Sequence, dict[int, str]]
    facs: dict[Sequence, dict[int, str]]


def _frame_rule(frames: str, neutral: str | None) -> tuple[int, bool]:
    """How many last frames, and whether the first one is taken as neutral."""
    match = _FRAMES.fullmatch(frames)
    if match is None:
        raise ValueError(f"frames={frames!r}: choose 'last3', 'last', 'first+last' or another 'last<number>'")
    if neutral not in (None, "first"):
        raise ValueError(f"neutral={neutral!r}: choose 'first' (the first frame of each sequence) or None")
    return int(match["count"] or 1), neutral == "first" or match["first"] is not None


def _find(folder: Path, problems: list[Problem]) -> _Files:
    """Images, labels and FACS codes of every sequence, by the names of the files."""
    files = _Files({}, {}, {})
    for path in walk_files(folder):
        match = _FILE.search(path)
        if match is None:
            continue
        group = {"_emotion.txt": files.emotions, "_facs.txt": files.facs}.get(match["kind"].lower(), files.images)
        sequence, frame = (match["subject"].upper(), match["sequence"]), int(match["frame"])
        # CK+48 has pictures of the same names: those of CK+ lie in a folder a sequence.
        if group is files.images and not (is_image(path) and tuple(path.upper().split("/")[-3:-1]) == sequence):
            continue
        by_frame = group.setdefault(sequence, {})
        if frame in by_frame:
            if group is not files.images and (folder / path).read_bytes() == (folder / by_frame[frame]).read_bytes():
                continue  # Emotion beside Emotion_labels
            problems.append(
                ValueError(f"{folder / path} is there a second time as {by_frame[frame]}: give root= one copy of CK+")
            )
            continue
        by_frame[frame] = path
    return files


def _read_labels(
    folder: Path, emotions: Mapping[Sequence, Mapping[int, str]], problems: list[Problem]
) -> dict[Sequence, tuple[str, int]]:
    """Expression and labelled (peak) frame of each sequence."""
    labels: dict[Sequence, tuple[str, int]] = {}
    for sequence, by_frame in emotions.items():
        if len(by_frame) > 1:
            paths = " and ".join(by_frame.values())
            problems.append(ValueError(f"{folder}: one sequence has two labels, {paths}; remove one"))
            continue
        frame, path = next(iter(by_frame.items()))
        text = (folder / path).read_text(errors="replace").strip()
        try:
            labels[sequence] = EMOTIONS[int(float(text))], frame
        except (ValueError, KeyError, OverflowError):
            known = ", ".join(f"{number} {name}" for number, name in EMOTIONS.items())
            problems.append(ValueError(f"{folder / path}: label {text[:20]!r} has no name; known are {known}"))
    return labels


def _read_facs(
    folder: Path, facs: Mapping[Sequence, Mapping[int, str]], notes: list[str]
) -> dict[Sequence, dict[int, float]]:
    """Action units of each sequence's peak: unit -> intensity 1..5, NaN where none was given (written 0).

    A file that cannot be read leaves its sequence uncoded, and is named in ``notes``: the labels do not
    depend on it.
    """
    codes: dict[Sequence, dict[int, float]] = {}
    unreadable = []
    for sequence, by_frame in facs.items():
        path = by_frame[max(by_frame)]
        lines = [line.split() for line in (folder / path).read_text(errors="replace").splitlines() if line.strip()]
        try:
            pairs = [(int(float(unit)), float(intensity)) for unit, intensity in lines]
        except (ValueError, OverflowError):
            unreadable.append(path)
            continue
        if any(not 0 <= intensity <= 5 for _, intensity in pairs):
            unreadable.append(path)
            continue
        codes[sequence] = {unit: intensity if intensity > 0 else np.nan for unit, intensity in pairs}
    if unreadable:
        notes.append(
            f"FACS files that are not rows of unit and intensity 0..5 ({len(unreadable)}): {named(unreadable)}"
        )
    return codes


def _rows(
    images: Mapping[Sequence, Mapping[int, str]],
    labels: Mapping[Sequence, tuple[str, int]],
    codes: Mapping[Sequence, Mapping[int, float]],
    expressions: int,
    count: int,
    first: bool,
    notes: list[str],
) -> list[dict[str, object]]:
    """A row a chosen frame: the last ``count`` of each labelled sequence, its first as neutral if asked."""
    rows: list[dict[str, object]] = []
    short, cut = [], []
    for (subject, number), (expression, peak) in sorted(labels.items()):
        frames = sorted(images.get((subject, number), {}).items())
        if not frames or (expression == "contempt" and expressions == 6):
            continue
        name = f"{NAMESPACE}/{subject}/{number}"
        if frames[-1][0] != peak:
            cut.append(f"{name} (label of frame {peak}, last image {frames[-1][0]})")
        labelled = list(enumerate(reversed(frames)))[:count]
        chosen = [(position, frame, path, expression) for position, (frame, path) in reversed(labelled)]
        if first and len(frames) > len(labelled):
            chosen.insert(0, (len(frames) - 1, *frames[0], "neutral"))
        if len(labelled) < count or (first and len(frames) == len(labelled)):
            short.append(f"{name} ({len(frames)} frames)")
        facs = codes.get((subject, number)) if codes else None
        for position, frame, path, label in chosen:
            row: dict[str, object] = {
                "path": path,
                "expression": label,
                "subject": f"{NAMESPACE}/{subject}",
                "sequence": name,
                "frame": frame,
                "position": position,
            }
            if codes:
                row |= _unit_columns(facs if label != "neutral" else None)
            rows.append(row)
    if short:
        notes.append(f"sequences too short for the frames asked for ({len(short)}): {named(short)}")
    if cut:
        notes.append(f"sequences that do not end at the labelled peak, images are missing ({len(cut)}): {named(cut)}")
    return rows


def _unit_columns(units: Mapping[int, float] | None) -> dict[str, object]:
    """AU columns and the ``facs`` text of one frame; all NaN where nothing was coded."""
    if units is None:
        return {**dict.fromkeys(AU_COLUMNS, np.nan), "facs": None}
    intensity = {unit: units.get(unit, np.nan if unit == 45 else 0.0) for unit in ACTION_UNITS}
    text = "+".join(f"{unit}{'' if np.isnan(value) else '_abcde'[int(value)]}" for unit, value in sorted(units.items()))
    return {
        **{column: intensity[unit] for column, unit in zip(AU_COLUMNS, ACTION_UNITS, strict=True)},
        "facs": text,
    }


def _name_missing(files: _Files, labels: Mapping[Sequence, object], notes: list[str]) -> None:
    """Say which labelled sequences have no images, and which people have no label at all."""
    bare = sorted(sequence for sequence in labels if sequence not in files.images)
    if bare:
        names = named("/".join((NAMESPACE, *sequence)) for sequence in bare)
        notes.append(f"labelled sequences without images ({len(bare)}): {names}")
    silent = sorted({subject for subject, _ in files.images} - {subject for subject, _ in labels})
    if silent:
        names = named(f"{NAMESPACE}/{subject}" for subject in silent)
        notes.append(f"people with images and no label ({len(silent)}): {names}")
