"""BU-4DFE: 101 people, six expressions, sequences of about 100 frames from neutral to the peak and back.

::

    root/F001/Angry/000.jpg ...        person, expression, frame; the .wrl beside each image is not read

Yin, Chen, Sun, Worm, Reale: A High-Resolution 3D Dynamic Facial Expression Database, FG 2008. 58 women (F001 ..) and 43
men (M001 ..). BU-3DFE may show some of the same people under other names: see ``allow_overlap`` of the audit.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.frames import FrameRule
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.published import numbered
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SIX_EXPRESSIONS

PEOPLE = [*numbered("bu4d/F{:03d}", range(1, 59)), *numbered("bu4d/M{:03d}", range(1, 44))]

_FILE = re.compile(r"(?:^|/)(?P<subject>[FM]\d{3})/(?P<label>[^/]+)/(?P<frame>\d+)\.(?:jpe?g|png|bmp)$", re.IGNORECASE)


class BU4DFE(TreeDataset):
    """BU-4DFE: the texture images of 101 people's sequences.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth: ``F001/{Angry,Disgust,Fear,Happy,Sad,Surprise}/000.jpg``.
    expressions : int, str or sequence of str
        6, or names. With neutral among them (7) the first frame of each sequence is a neutral face.
    frames : str
        The frames that carry the label: ``"all"`` (REL-GAN's pretraining: 60,600 images), ``"middle3"``, ``"apex"``
        (the middle one), ``"first+apex"``.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``bu4d/F001``, ``sequence`` ``bu4d/F001/anger``, ``frame`` the number in the file name;
    ``position`` counts frames before the middle (negative after it); ``gender``.
    """

    name = "bu4dfe"
    layout = "F001/{Angry,Disgust,Fear,Happy,Sad,Surprise}/000.jpg"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 6,
        frames: str = "all",
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

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep = chosen_expressions(self.expressions)
        rule = FrameRule.parse(self.frames, "middle", neutral="neutral" in keep)
        rows = []
        for path, match in tree.find(_FILE):
            subject, name = f"bu4d/{match['subject'].upper()}", tree.expression(path, match["label"])
            rows.append(
                {
                    "path": path,
                    "expression": name,
                    "subject": subject,
                    "sequence": f"{subject}/{name}",
                    "frame": int(match["frame"]),
                    "gender": "female" if match["subject"][0] in "Ff" else "male",
                }
            )
        basic = [name for name in keep if name in SIX_EXPRESSIONS]
        published = {"sequences": 101 * len(basic), "subjects": 101}
        if rule.where != "all":
            published["images"] = 101 * len(basic) * rule.count
        elif len(basic) == 6 and not rule.first:
            published["images"] = 60_600
        return tree.table(
            rows,
            keep=keep,
            frames=rule,
            key=("sequence", "frame"),
            published=published,
            expected={"subject": PEOPLE, "expression": basic},
        )


build_table, load_bu4dfe = functions_of(BU4DFE)
