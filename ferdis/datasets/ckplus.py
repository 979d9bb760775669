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
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.common import is_image
from ferdis.datasets.frames import FrameRule, Row
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import WITH_CONTEMPT, Tree, TreeDataset
from ferdis.faces import ACTION_UNITS
from ferdis.messages import named, quoted

EMOTIONS = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
NAMESPACE = "ck"
SEQUENCES = {
    "anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83,
}  # fmt: skip
"""Labelled sequences of each class, Lucey et al. 2010, Table 3: 327 in all, of 118 people."""

_FILE = re.compile(
    r"(?:^|/)(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})(?P<kind>_emotion\.txt|_facs\.txt|\.[a-z]+)$",
    re.IGNORECASE,
)
_UNITS = range(1, 100)
_BLINK = 45  # a movement, which a still cannot show: not known unless listed

Sequence = tuple[str, str]  # ("S005", "001")
Units = dict[int, float]  # action unit -> intensity 1..5, NaN where none was given


def published_counts(keep: Collection[str], frames_each: int | None = 3) -> dict[str, int]:
    """What the papers count: 981 images of 7 classes, 927 of 6; ``frames_each`` None leaves the images out."""
    classes = {name: count for name, count in SEQUENCES.items() if name in keep}
    total = sum(classes.values())
    return {
        **({"images": total * frames_each} if frames_each else {}),
        "sequences": total,
        **({"subjects": 118} if len(classes) == len(SEQUENCES) else {}),
        **{f"sequences of {name}": count for name, count in classes.items()},
    }


class CKPlus(TreeDataset):
    """CK+: the labelled sequences in their official layout.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``cohn-kanade-images/S005/001/S005_001_00000001.png and Emotion/S005/001/S005_001_00000011_emotion.txt``.
    expressions : int, str or sequence of str
        7 with contempt (327 sequences, 981 images), 6 without (309 sequences, 927 images), 8 with contempt and neutral
        (the first frame of each sequence), or names.
    frames : str
        The frames of each sequence that carry its label: ``"last3"`` (the papers' rule), ``"last"``, ``"last5"``.
        ``"first+last"`` takes the first frame too, as a neutral face.
    neutral : "first" or None
        "first" adds the first frame of each sequence as a neutral face, whatever ``frames`` says.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``ck/S005``, ``sequence`` ``ck/S005/001``, ``frame`` the number in the file name; ``position``
    counts back from the peak (0 = last frame). With ``FACS`` there, ``AU01`` .. ``AU45`` hold the peak's
    intensities 1 (A) to 5 (E), 0 for a unit not listed, NaN for one listed without intensity; ``AU01_present`` ..
    say whether a unit was listed (1) or not (0). Units outside the 17 that occur have columns of both kinds too,
    and ``facs`` lists all as coded (``"1c+2c+25d"``). Everything is NaN on neutral frames and in sequences without
    a code; AU 45 (a blink, a movement) is NaN unless listed.
    """

    name = "ckplus"
    layout = "cohn-kanade-images/S005/001/S005_001_00000001.png and Emotion/S005/001/S005_001_00000011_emotion.txt"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
        frames: str = "last3",
        neutral: str | None = None,
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
        self.expressions = expressions
        self.frames = frames
        self.neutral = neutral

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if self.neutral not in (None, "first"):
            raise ValueError(f"neutral={self.neutral!r}: choose 'first' (the first frame of each sequence) or None")
        keep = chosen_expressions(self.expressions, seven=WITH_CONTEMPT)
        rule = FrameRule.parse(self.frames, "last", neutral=self.neutral == "first" or "neutral" in keep)
        files = _find(tree)
        if not files.images or not files.emotions:
            lacking = "images" if not files.images else "emotion labels"
            raise FileNotFoundError(f"{tree.root} holds no CK+ {lacking}: expected {tree.layout}")
        labels = _read_labels(tree, files.emotions)
        counts = published_counts(keep, None if rule.where == "all" else rule.count)
        rows = list(_labelled_frames(files.images, labels))
        if not rows and not tree.problems:
            raise ValueError(f"{tree.root}: no labelled sequence has images; expected {tree.layout}")
        table = tree.table(rows, keep=keep, frames=rule, key=("sequence", "frame"), published=counts)
        _name_cut(tree, files.images, labels)
        if any("published" in note for note in tree.notes):
            _name_missing(tree, files.images, labels)
        codes = _read_facs(tree, files.facs)
        return _with_units(table, codes) if codes and len(table) else table


class _Files(NamedTuple):
    images: dict[Sequence, dict[int, str]]  # frame number -> path
    emotions: dict[Sequence, dict[int, str]]
    facs: dict[Sequence, dict[int, str]]


def _find(tree: Tree) -> _Files:
    """Images, labels and FACS codes of every sequence, by the names of the files."""
    files = _Files({}, {}, {})
    for path, match in tree.find(_FILE):
        group = {"_emotion.txt": files.emotions, "_facs.txt": files.facs}.get(match["kind"].lower(), files.images)
        sequence, frame = (match["subject"].upper(), match["sequence"]), int(match["frame"])
        # CK+48 has images of the same names: those of CK+ lie in a folder a sequence.
        if group is files.images and not (is_image(path) and tuple(path.upper().split("/")[-3:-1]) == sequence):
            continue
        other = group.setdefault(sequence, {}).setdefault(frame, path)
        # Emotion beside Emotion_labels: one label in two files.
        if other != path and (group is files.images or tree.text(path) != tree.text(other)):
            tree.problem(path, f" is there a second time as {other}: give root= one copy of CK+", "twice")
    return files


def _read_labels(tree: Tree, emotions: Mapping[Sequence, Mapping[int, str]]) -> dict[Sequence, tuple[str, int]]:
    """Expression and labelled (peak) frame of each sequence."""
    labels: dict[Sequence, tuple[str, int]] = {}
    for sequence, by_frame in emotions.items():
        (frame, path), *others = by_frame.items()
        if others:
            tree.problem(path, f": its sequence has a second label, {others[0][1]}; remove one", "second")
            continue
        text = tree.text(path).strip()
        try:
            labels[sequence] = EMOTIONS[float(text)], frame  # type: ignore[index]  # 3.0 is 3
        except (ValueError, KeyError):
            known = ", ".join(f"{number} {name}" for number, name in EMOTIONS.items())
            tree.problem(path, f": label {quoted(text)} has no name; known are {known}")
    return labels


def _labelled_frames(
    images: Mapping[Sequence, Mapping[int, str]], labels: Mapping[Sequence, tuple[str, int]]
) -> Iterator[Row]:
    """A row for each frame of each labelled sequence."""
    for (subject, number), (expression, _) in sorted(labels.items()):
        for frame, path in images.get((subject, number), {}).items():
            yield {
                "path": path,
                "expression": expression,
                "subject": f"{NAMESPACE}/{subject}",
                "sequence": f"{NAMESPACE}/{subject}/{number}",
                "frame": frame,
            }


def _read_facs(tree: Tree, facs: Mapping[Sequence, Mapping[int, str]]) -> dict[str, Units]:
    """Action units of each sequence's peak; an intensity written 0 was not given.

    A file that cannot be read leaves its sequence uncoded, and is named in the notes: the labels do not depend on it.
    """
    codes: dict[str, Units] = {}
    unreadable = []
    for (subject, number), by_frame in facs.items():
        path = by_frame[max(by_frame)]
        lines = [line.split() for line in tree.text(path).splitlines() if line.strip()]
        try:
            pairs = [(float(unit), float(intensity)) for unit, intensity in lines]
        except ValueError:
            pairs = [(0.0, -1.0)]
        if any(unit not in _UNITS or not 0 <= intensity <= 5 for unit, intensity in pairs):
            unreadable.append(path)
            continue
        codes[f"{NAMESPACE}/{subject}/{number}"] = {
            int(unit): intensity if intensity > 0 else np.nan for unit, intensity in pairs
        }
    if unreadable:
        tree.notes.append(
            f"FACS files that are not rows of unit and intensity 0..5 ({len(unreadable)}): {named(unreadable)}"
        )
    return codes


def _with_units(table: pd.DataFrame, codes: Mapping[str, Units]) -> pd.DataFrame:
    """The table with intensity and presence of every unit that is coded anywhere, and the code as text."""
    units = sorted({*ACTION_UNITS, *(unit for code in codes.values() for unit in code)})
    coded = [
        codes.get(sequence) if expression != "neutral" else None
        for sequence, expression in zip(table["sequence"], table["expression"], strict=True)
    ]
    columns: dict[str, list[float | str | None]] = {}
    for unit in units:
        silent = np.nan if unit == _BLINK else 0.0
        columns[f"AU{unit:02d}"] = [np.nan if code is None else code.get(unit, silent) for code in coded]
    for unit in units:
        silent = np.nan if unit == _BLINK else 0.0
        columns[f"AU{unit:02d}_present"] = [
            np.nan if code is None else (1.0 if unit in code else silent) for code in coded
        ]
    columns["facs"] = [None if code is None else _as_coded(code) for code in coded]
    joined = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
    joined.attrs = dict(table.attrs)
    return joined


def _as_coded(units: Units) -> str:
    """``{4: 4.0, 9: nan}`` -> ``"4d+9"``."""
    return "+".join(f"{unit}{'' if np.isnan(value) else '_abcde'[int(value)]}" for unit, value in sorted(units.items()))


def _name_cut(
    tree: Tree, images: Mapping[Sequence, Mapping[int, str]], labels: Mapping[Sequence, tuple[str, int]]
) -> None:
    """Say which sequences lack the frame that their label is of."""
    cut = []
    for sequence, (_, peak) in sorted(labels.items()):
        last = max(images.get(sequence, {peak: ""}))
        if last != peak:
            cut.append(f"{'/'.join((NAMESPACE, *sequence))} (label of frame {peak}, last image {last})")
    if cut:
        tree.notes.append(
            f"sequences that do not end at the labelled peak, images are missing ({len(cut)}): {named(cut)}"
        )


def _name_missing(
    tree: Tree, images: Mapping[Sequence, Mapping[int, str]], labels: Mapping[Sequence, tuple[str, int]]
) -> None:
    """Say which labelled sequences have no images, and which people have no label at all."""
    bare = sorted(sequence for sequence in labels if sequence not in images)
    if bare:
        names = named("/".join((NAMESPACE, *sequence)) for sequence in bare)
        tree.notes.append(f"labelled sequences without images ({len(bare)}): {names}")
    silent = sorted({subject for subject, _ in images} - {subject for subject, _ in labels})
    if silent:
        names = named(f"{NAMESPACE}/{subject}" for subject in silent)
        tree.notes.append(f"people with images and no label ({len(silent)}): {names}")


build_table, load_ckplus = functions_of(CKPlus)
