"""JAFFE, the Japanese Female Facial Expression set: 213 grey images of 10 people, seven expressions.

::

    root/KA.AN1.39.tiff        subject, expression and take, serial number

Lyons, Akamatsu, Kamachi, Gyoba: Coding Facial Expressions with Gabor Wavelets, FG 1998.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SEVEN_EXPRESSIONS

LABELS = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness", "SU": "surprise",
}  # fmt: skip
PEOPLE = [f"jaffe/{name}" for name in ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")]
PUBLISHED = {
    "images": 213, "subjects": 10, "images of anger": 30, "images of disgust": 29, "images of fear": 32,
    "images of happiness": 31, "images of neutral": 30, "images of sadness": 31, "images of surprise": 30,
}  # fmt: skip

_FILE = re.compile(
    r"(?:^|/)(?P<subject>[A-Z]{2})\.(?P<label>[A-Z]{2})(?P<take>\d)\.(?P<serial>\d+)\.(?:tiff?|png|jpe?g|bmp)$",
    re.IGNORECASE,
)


class JAFFE(TreeDataset):
    """JAFFE: 213 posed images of 10 women.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth: ``KA.AN1.39.tiff``.
    expressions : int, str or sequence of str
        7 (basic and neutral, 213 images), 6 (without neutral, 183), or names.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``jaffe/KA``, ``take`` the number of the pose, ``serial`` that of the image.
    """

    name = "jaffe"
    layout = "KA.AN1.39.tiff"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
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

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep = chosen_expressions(self.expressions)
        rows = []
        for path, match in tree.find(_FILE):
            rows.append(
                {
                    "path": path,
                    "expression": tree.expression(path, match["label"].upper(), LABELS),
                    "subject": f"jaffe/{match['subject'].upper()}",
                    "take": int(match["take"]),
                    "serial": int(match["serial"]),
                }
            )
        return tree.table(
            rows,
            keep=keep,
            key=("subject", "expression", "take", "serial"),
            published=PUBLISHED if keep == SEVEN_EXPRESSIONS else {"subjects": 10},
            expected={"subject": PEOPLE, "expression": [name for name in keep if name in SEVEN_EXPRESSIONS]},
        )


build_table, load_jaffe = functions_of(JAFFE)
