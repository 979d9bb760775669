"""BU-3DFE: 100 people, six expressions at four intensities and neutral, as the texture images of 3D scans.

::

    root/F0001/F0001_AN01WH_F2D.bmp        person, expression, intensity, ancestry; the .wrl beside it is not read

Yin, Wei, Sun, Wang, Rosato: A 3D Facial Expression Database For Facial Behavior Research, FG 2006. 56 women (F0001 ..)
and 44 men (M0001 ..). BU-4DFE may show some of the same people under other names: see ``allow_overlap`` of the audit.
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
from ferdis.faces import SIX_EXPRESSIONS

LABELS = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness", "SU": "surprise",
}  # fmt: skip
PEOPLE = [*numbered("bu3d/F{:04d}", range(1, 57)), *numbered("bu3d/M{:04d}", range(1, 45))]

_FILE = re.compile(
    r"(?:^|/)(?P<subject>[FM]\d{4})_(?P<label>[A-Z]{2})(?P<intensity>\d\d)(?P<ancestry>[A-Z]{2})_F2D"
    r"\.(?:bmp|png|jpe?g)$",
    re.IGNORECASE,
)


class BU3DFE(TreeDataset):
    """BU-3DFE: the texture images of 100 people.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth: ``F0001/F0001_AN01WH_F2D.bmp``.
    expressions : int, str or sequence of str
        6 (basic, 1,200 images at two intensities), 7 (and neutral, one image a person), or names.
    intensity : sequence of int
        Of 1 to 4; the papers take the two highest. Neutral has none.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``bu3d/F0001``; ``intensity`` 1 to 4 (0 for neutral), ``gender``, ``ancestry`` (two letters, as
    in the file name).
    """

    name = "bu3dfe"
    layout = "F0001/F0001_AN01WH_F2D.bmp"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 6,
        intensity: Sequence[int] = (3, 4),
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
        self.intensity = intensity

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep, levels = chosen_expressions(self.expressions), sorted(set(self.intensity))
        if not levels or not set(levels) <= {1, 2, 3, 4}:
            raise ValueError(f"intensity={self.intensity!r}: choose from 1, 2, 3, 4")
        rows = []
        for path, match in tree.find(_FILE):
            name = tree.expression(path, match["label"].upper(), LABELS)
            level = 0 if name == "neutral" else int(match["intensity"])
            if level in (0, *levels):
                rows.append(
                    {
                        "path": path,
                        "expression": name,
                        "subject": f"bu3d/{match['subject'].upper()}",
                        "intensity": level,
                        "gender": "female" if match["subject"][0] in "Ff" else "male",
                        "ancestry": match["ancestry"].upper(),
                    }
                )
        basic = [name for name in keep if name in SIX_EXPRESSIONS]
        return tree.table(
            rows,
            keep=keep,
            key=("subject", "expression", "intensity"),
            published={"images": 100 * (len(basic) * len(levels) + ("neutral" in keep)), "subjects": 100},
            expected={"subject": PEOPLE, "expression": basic, "intensity": levels},
        )


build_table, load_bu3dfe = functions_of(BU3DFE)
