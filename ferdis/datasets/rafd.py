"""RaFD, the Radboud Faces Database: 67 people, eight expressions, three gazes, five camera angles; 8,040 images.

::

    root/Rafd090_01_Caucasian_female_angry_frontal.jpg     angle, person, group, gender, expression, gaze

Langner, Dotsch, Bijlstra, Wigboldus, Hawk, van Knippenberg: Presentation and validation of the Radboud Faces Database,
Cognition & Emotion 2010. The 67 people are numbered 1 to 73 with gaps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.published import numbered
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import Faces

ANGLES = (0, 45, 90, 135, 180)
GAZES = ("frontal", "left", "right")
PEOPLE = numbered("rafd/{:02d}", [number for number in range(1, 74) if number not in (6, 13, 17, 34, 62, 66)])

_FILE = re.compile(
    r"(?:^|/)Rafd(?P<angle>\d{3})_(?P<subject>\d\d)_(?P<group>[a-z]+)_(?P<gender>female|male)_(?P<label>[a-z]+)"
    r"_(?P<gaze>frontal|left|right)\.(?:jpe?g|png|bmp)$",
    re.IGNORECASE,
)


class RaFD(TreeDataset):
    """RaFD: 67 people, five angles, three gazes.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth: ``Rafd090_01_Caucasian_female_angry_frontal.jpg``.
    expressions : int, str or sequence of str
        8 (all), 7 (without contempt), 6 (without neutral too), or names.
    angles : sequence of int
        Camera angles, degrees: 90 is frontal, 0 and 180 are profiles, which the face detector does not find.
    gazes : sequence of str
        ``"frontal"``, ``"left"``, ``"right"``.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.
    openface : path, optional
        OpenFace's CSV file, or a folder of them: ``AU01`` .. ``AU45`` are read from there, NaN where an image is not
        in it, and counted in a note.

    Notes
    -----
    ``subject`` is ``rafd/01``; ``angle`` (degrees), ``gaze``, ``gender`` and ``group`` (caucasian, kid, moroccan)
    as in the file name.
    """

    name = "rafd"
    layout = "Rafd090_01_Caucasian_female_angry_frontal.jpg"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 8,
        angles: Sequence[int] = ANGLES,
        gazes: Sequence[str] = GAZES,
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
        openface: str | Path | None = None,
    ) -> None:
        super().__init__(
            root, image_size=image_size, align=align, cache=cache, device=device, errors=errors, progress=progress
        )
        self.expressions = expressions
        self.angles = angles
        self.gazes = gazes
        self.openface = openface

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep = chosen_expressions(self.expressions)
        for name, given, known in (("angles", self.angles, ANGLES), ("gazes", self.gazes, GAZES)):
            if not set(given) <= set(known) or not len(given):
                raise ValueError(f"{name}={given!r}: choose from {', '.join(map(str, known))}")
        rows = []
        for path, match in tree.find(_FILE):
            angle, gaze = int(match["angle"]), match["gaze"].lower()
            if angle in self.angles and gaze in self.gazes:
                rows.append(
                    {
                        "path": path,
                        "expression": tree.expression(path, match["label"]),
                        "subject": f"rafd/{match['subject']}",
                        "angle": angle,
                        "gaze": gaze,
                        "gender": match["gender"].lower(),
                        "group": match["group"].lower(),
                    }
                )
        return tree.table(
            rows,
            keep=keep,
            key=("subject", "expression", "angle", "gaze"),
            published={"images": 67 * len(keep) * len(set(self.angles)) * len(set(self.gazes)), "subjects": 67},
            expected={"subject": PEOPLE, "expression": keep, "angle": list(self.angles), "gaze": list(self.gazes)},
        )

    def load(self) -> Faces:
        """The rows with their images and, where files are given, action units."""
        return self.with_openface(super().load(), self.openface, by="path")


build_table, load_rafd = functions_of(RaFD)
