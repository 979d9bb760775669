"""DISFA: spontaneous expressions of 27 people, 12 action units coded by hand in every frame, 0 to 5.

::

    root/
      ActionUnit_Labels/SN001/SN001_au1.txt ... SN001_au26.txt     lines "frame,intensity", frames from 1
      Videos_LeftCamera/LeftVideoSN001_comp.avi                    and Video_RightCamera/RightVideoSN001_Comp.avi,
      any/folder/SN001/00001.jpg                                   or extracted frames, numbered in their names

Mavadati, Mahoor, Bartlett, Trinh, Cohn: DISFA: A Spontaneous Facial Action Intensity Database, IEEE Transactions on
Affective Computing 2013. Files are found by their names wherever they lie below the root. One person is one recording,
so only a split by person is a split.

Nobody coded expressions. ``expression`` is the one whose prototype (Friesen & Ekman, EMFACS, 1983) the coded units
resemble most, so that the record is complete; it is a function of the units and no label to learn from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from ferdis.datasets.base import Cache, Dataset, Errors, functions_of
from ferdis.datasets.common import Problem, Problems, checked_root, is_image
from ferdis.datasets.listing import walk_files
from ferdis.faces import AU_COLUMNS, AU_MAXIMUM
from ferdis.messages import named, quoted
from ferdis.preprocess.containers import VIDEO_SUFFIXES, count_frames

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
NAMESPACE = "disfa"
PEOPLE = 27
PROTOTYPES = {
    "anger": (4, 5),
    "disgust": (9, 15),
    "fear": (1, 2, 4, 5, 20, 26),
    "happiness": (6, 12),
    "sadness": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
}
"""Units of each expression among those that DISFA codes; of anger's, 7 and 23 are not."""

_LAYOUT = "ActionUnit_Labels/SN001/SN001_au1.txt and Videos_LeftCamera/LeftVideoSN001_comp.avi (or SN001/00001.jpg)"
_LABEL = re.compile(r"(?:^|/)(?P<subject>SN\d{3})_au(?P<unit>\d+)\.txt$", re.IGNORECASE)
_SUBJECT = re.compile(r"SN\d{3}", re.IGNORECASE)
_FRAME = re.compile(r"(\d+)$")

Labels = dict[str, pd.DataFrame]  # subject -> frames (index) by AU columns


class DISFA(Dataset):
    """DISFA: the coded frames.

    Parameters
    ----------
    root : path
        The folder that holds ``ActionUnit_Labels`` and videos or frames, at any depth.
    camera : "left" or "right"
        Whose images, told by ``left`` or ``right`` in their path; images whose path says neither are taken.
    every : int
        Take every so many-th frame: neighbours in a video are almost the same image (1 takes all 130,000).
    first_frame : int
        The number of the first image where frames were extracted: 1 like the labels, or 0.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``disfa/SN001``, ``sequence`` the same (one recording per person), ``frame`` as in the labels, from
    1. ``AU01`` .. ``AU26`` hold the 12 coded units, 0..5; the other five are NaN. ``expression`` is derived from them.
    """

    name = "disfa"

    def __init__(
        self,
        root: str | Path,
        *,
        camera: Literal["left", "right"] = "left",
        every: int = 1,
        first_frame: int = 1,
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
    ) -> None:
        super().__init__(
            root, image_size=image_size, align=align, cache=cache, device=device, errors=errors, progress=progress
        )
        self.camera = camera
        self.every = every
        self.first_frame = first_frame

    def table(self, problems: list[Problem] | None = None) -> tuple[pd.DataFrame, list[str]]:
        """As :meth:`Dataset.table <ferdis.datasets.base.Dataset.table>`; a missing unit of a person is named too."""
        camera, every, first_frame = self.camera, self.every, self.first_frame
        if camera not in ("left", "right"):
            raise ValueError(f"camera={camera!r}: choose 'left' or 'right'")
        if every < 1 or first_frame not in (0, 1):
            raise ValueError(f"every={every!r}, first_frame={first_frame!r}: give every >= 1 and first_frame 1 or 0")
        folder = checked_root(self.root, self.name)
        wrong = Problems()
        files = _find(folder, camera, first_frame, wrong)
        if not files.pictures and problems is None:
            wrong.settle(None, f"disfa --root {self.root}")
        if not files.labels or not files.pictures:
            lacking = "labels" if not files.labels else f"videos or frames of the {camera} camera"
            raise FileNotFoundError(f"{folder} holds no DISFA {lacking}: expected {_LAYOUT}")
        labels = _read_labels(folder, files.labels, wrong)
        wrong.settle(problems, f"disfa --root {self.root}")
        notes: list[str] = []
        table = _rows(labels, files.pictures, every, notes)
        if table.empty and problems is None:
            raise ValueError(f"{folder}: no coded frame has an image; expected {_LAYOUT}")
        return table, notes


def nearest_expressions(units: np.ndarray) -> np.ndarray:
    """Names of the expressions that coded units resemble most.

    Parameters
    ----------
    units : ndarray of shape (n, 12)
        Intensities of :data:`UNITS`, 0..5; NaN counts as 0.

    Returns
    -------
    ndarray of shape (n,), str
        The prototype with the highest cosine; "neutral" where no unit of any prototype is active.
    """
    names = list(PROTOTYPES)
    prototypes = np.array([[float(unit in PROTOTYPES[name]) for unit in UNITS] for name in names])  # (6, 12)
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    likeness = np.nan_to_num(units) @ prototypes.T  # the length of a row of units does not change its order
    return np.where(likeness.max(axis=1) > 0, np.array(names)[likeness.argmax(axis=1)], "neutral")


class _Files(NamedTuple):
    labels: dict[str, dict[int, str]]  # subject -> unit -> path
    pictures: dict[str, dict[int, str]]  # subject -> frame from 1 -> path


def _find(folder: Path, camera: str, first_frame: int, problems: Problems) -> _Files:
    """Labels and images of every person, by the names of the files."""
    files, videos = _Files({}, {}), dict[str, str]()
    other = "right" if camera == "left" else "left"
    for path in walk_files(folder):
        if match := _LABEL.search(path):
            by_unit = files.labels.setdefault(match["subject"].upper(), {})
            if by_unit.setdefault(int(match["unit"]), path) != path:
                _twice(problems, folder, path, by_unit[int(match["unit"])])
            continue
        video = path.lower().endswith(VIDEO_SUFFIXES)
        people = _SUBJECT.findall(path)
        if not people or not (video or is_image(path)) or other in path.lower():
            continue
        subject = people[-1].upper()
        if video:
            if videos.setdefault(subject, path) != path:
                _twice(problems, folder, path, videos[subject])
            continue
        stem = Path(path).stem
        number = _FRAME.search(stem[: -len(subject)] if stem.upper().endswith(subject) else stem)
        if number is None:
            continue
        frame = int(number[1]) + 1 - first_frame
        if frame < 1:
            problems.add("zero", f"{folder / path}: frames are numbered from 0: pass first_frame=0", [path])
        elif files.pictures.setdefault(subject, {}).setdefault(frame, path) != path:
            _twice(problems, folder, path, files.pictures[subject][frame])
    for subject, path in videos.items():
        if subject in files.pictures:
            continue  # frames were extracted from it
        try:
            files.pictures[subject] = {k + 1: f"{path}#{k}" for k in range(count_frames(folder / path))}
        except ValueError as error:
            problems.add("video", str(error), [path])
    return files


def _twice(problems: Problems, folder: Path, path: str, other: str) -> None:
    what = f"{folder / path} is there a second time as {other}: give root= one copy of DISFA"
    problems.add("twice", what, [path])


def _read_labels(folder: Path, labels: Mapping[str, Mapping[int, str]], problems: Problems) -> Labels:
    """Intensities of each person, all twelve units side by side."""
    found: Labels = {}
    for subject, by_unit in sorted(labels.items()):
        if lacking := [unit for unit in UNITS if unit not in by_unit]:
            there = folder / next(iter(by_unit.values()))
            text = ", ".join(f"{subject}_au{unit}.txt" for unit in lacking)
            what = f"{there.parent} lacks {text}: copy the labels again"
            problems.add("lacking", what, [subject], FileNotFoundError)
            continue
        columns = {f"AU{unit:02d}": _read_unit(folder / by_unit[unit], problems) for unit in UNITS}
        if all(column is not None for column in columns.values()):
            found[subject] = pd.DataFrame(columns).sort_index()
    return found


def _read_unit(path: Path, problems: Problems) -> pd.Series | None:
    """Intensities of one unit by frame, or None."""
    intensities: dict[int, float] = {}
    for line, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        parts = re.split(r"[,;\s]+", text.strip())
        try:
            frame, intensity = int(parts[0]), float(parts[1])
        except (ValueError, IndexError):
            what = f"{path} line {line}: {quoted(text.strip())} is not frame,intensity; copy it again"
            problems.add("pair", what, [path.name])
            return None
        if not 0 <= intensity <= AU_MAXIMUM or frame in intensities:
            what = f"frame {frame} a second time" if frame in intensities else f"intensity {intensity:g}, not 0..5"
            problems.add("value", f"{path} line {line}: {what}; copy it again", [path.name])
            return None
        intensities[frame] = intensity
    if not intensities:
        problems.add("empty", f"{path} is empty: expected lines frame,intensity; copy it again", [path.name])
        return None
    return pd.Series(intensities)


def _rows(labels: Labels, pictures: Mapping[str, Mapping[int, str]], every: int, notes: list[str]) -> pd.DataFrame:
    """A row a coded frame that has an image; what lacks either is counted."""
    parts: list[pd.DataFrame] = []
    uncoded, unseen, gaps = 0, 0, list[str]()
    for subject in sorted({*labels, *pictures}):
        frames, coded = pictures.get(subject, {}), labels.get(subject)
        if not frames or coded is None:
            gaps.append(f"{subject} ({'no images' if coded is not None else 'no labels'})")
            continue
        both = [frame for frame in coded.index if frame in frames]
        uncoded, unseen = uncoded + len(frames) - len(both), unseen + len(coded) - len(both)
        both = both[::every]
        name = f"{NAMESPACE}/{subject}"
        about = pd.DataFrame(
            {"path": [frames[frame] for frame in both], "subject": name, "sequence": name, "frame": both}
        )
        parts.append(pd.concat([about, coded.loc[both].reset_index(drop=True)], axis=1))
    for count, what in ((unseen, "coded frames have no image"), (uncoded, "images have no codes")):
        if count:
            notes.append(f"{count} {what}, left out")
    if gaps:
        notes.append(f"people left out ({len(gaps)}): {named(gaps)}")
    if len(parts) != PEOPLE:
        notes.append(f"{len(parts)} people (published {PEOPLE})")
    if not parts:
        return pd.DataFrame()
    return _completed(pd.concat(parts, ignore_index=True), notes)


def _completed(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """With expressions, and all seventeen AU columns in their order."""
    coded: Sequence[str] = [f"AU{unit:02d}" for unit in UNITS]
    table.insert(1, "expression", nearest_expressions(table[coded].to_numpy()))
    notes.append("expression is derived from the coded action units (nearest EMFACS prototype): nobody labelled it")
    units = table[coded].reindex(columns=list(AU_COLUMNS))
    return pd.concat([table.drop(columns=coded), units], axis=1)


build_table, load_disfa = functions_of(DISFA)
