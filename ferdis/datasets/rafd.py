"""RaFD, the Radboud Faces Database: 67 people, eight expressions, three gazes, five camera angles; 8,040 images.

::

    root/Rafd090_01_Caucasian_female_angry_frontal.jpg     angle, person, group, gender, expression, gaze

Langner, Dotsch, Bijlstra, Wigboldus, Hawk, van Knippenberg: Presentation and validation of the Radboud Faces Database,
Cognition & Emotion 2010. The 67 people are numbered 1 to 73 with gaps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.published import numbered
from ferdis.datasets.tree import Tree, loaders

ANGLES = (0, 45, 90, 135, 180)
GAZES = ("frontal", "left", "right")
PEOPLE = numbered("rafd/{:02d}", [number for number in range(1, 74) if number not in (6, 13, 17, 34, 62, 66)])

_FILE = re.compile(
    r"(?:^|/)Rafd(?P<angle>\d{3})_(?P<subject>\d\d)_(?P<group>[a-z]+)_(?P<gender>female|male)_(?P<label>[a-z]+)"
    r"_(?P<gaze>frontal|left|right)\.(?:jpe?g|png|bmp)$",
    re.IGNORECASE,
)


def _rows(
    tree: Tree,
    *,
    expressions: Expressions = 8,
    angles: Sequence[int] = ANGLES,
    gazes: Sequence[str] = GAZES,
) -> pd.DataFrame:
    """Load RaFD.

    Parameters
    ----------
    expressions : int, str or sequence of str
        8 (all), 7 (without contempt), 6 (without neutral too), or names.
    angles : sequence of int
        Camera angles, degrees: 90 is frontal, 0 and 180 are profiles, which the face detector does not find.
    gazes : sequence of str
        ``"frontal"``, ``"left"``, ``"right"``.

    Returns
    -------
    Faces
        ``subject`` is ``rafd/01``; ``angle`` (degrees), ``gaze``, ``gender`` and ``group`` (caucasian, kid, moroccan)
        as in the file name.
    """
    keep = chosen_expressions(expressions)
    for name, given, known in (("angles", angles, ANGLES), ("gazes", gazes, GAZES)):
        if not set(given) <= set(known) or not len(given):
            raise ValueError(f"{name}={given!r}: choose from {', '.join(map(str, known))}")
    rows = []
    for path, match in tree.find(_FILE):
        angle, gaze = int(match["angle"]), match["gaze"].lower()
        if angle in angles and gaze in gazes:
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
        published={"images": 67 * len(keep) * len(set(angles)) * len(set(gazes)), "subjects": 67},
        expected={"subject": PEOPLE, "expression": keep, "angle": list(angles), "gaze": list(gazes)},
    )


build_table, load_rafd = loaders(
    _rows, "rafd", "Rafd090_01_Caucasian_female_angry_frontal.jpg", openface={"by": "path"}
)
