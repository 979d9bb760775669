"""The Yale Face Database: 165 grey images, 15 people in 11 conditions, four of which are expressions.

::

    root/subject01.happy       no suffix, or subject01.happy.gif, .png, ...

Belhumeur, Hespanha, Kriegman: Eigenfaces vs. Fisherfaces, PAMI 1997. The conditions are centerlight, glasses, happy,
leftlight, noglasses, normal, rightlight, sad, sleepy, surprised, wink. Copies often hold a ``subject01.gif`` too: a
condition is not named in it, and it is left alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.published import numbered
from ferdis.datasets.tree import Tree, TreeDataset

LABELS = {"happy": "happiness", "normal": "neutral", "sad": "sadness", "surprised": "surprise"}
NEUTRAL = ("centerlight", "glasses", "leftlight", "noglasses", "rightlight")
NEITHER = ("sleepy", "wink")

_FILE = re.compile(
    rf"(?:^|/)subject(?P<subject>\d\d)\.(?P<condition>{'|'.join((*LABELS, *NEUTRAL, *NEITHER))})"
    r"(?:\.(?:gif|png|jpe?g|pgm|bmp|tiff?))?$",
    re.IGNORECASE,
)


class Yale(TreeDataset):
    """The Yale Face Database: 15 people.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth: ``subject01.happy (or subject01.happy.gif)``.
    expressions : int, str or sequence of str
        Of the seven, the set has happiness, neutral, sadness and surprise.
    neutral : "normal" or "all"
        What counts as neutral: the condition ``normal`` (60 images with the other three), or also the five conditions
        of light and glasses (135 images). ``sleepy`` and ``wink`` are no expressions of the vocabulary.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``yale/01``; ``condition`` as in the file name.
    """

    name = "yale"
    layout = "subject01.happy (or subject01.happy.gif)"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
        neutral: Literal["normal", "all"] = "normal",
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
        self.neutral = neutral

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if self.neutral not in ("normal", "all"):
            raise ValueError(f"neutral={self.neutral!r}: choose 'normal' or 'all'")
        labels = {**LABELS, **(dict.fromkeys(NEUTRAL, "neutral") if self.neutral == "all" else {})}
        rows, others = [], 0
        for path, match in tree.find(_FILE):
            condition = match["condition"].lower()
            if condition not in labels:
                others += 1
                continue
            row = {"path": path, "expression": labels[condition], "subject": f"yale/{match['subject']}"}
            rows.append({**row, "condition": condition})
        if others:
            tree.notes.append(f"{others} images of conditions that are no expressions, left out")
        keep = chosen_expressions(self.expressions)
        conditions = [condition for condition, name in labels.items() if name in keep]
        return tree.table(
            rows,
            keep=keep,
            key=("subject", "condition"),
            published={"images": 15 * len(conditions), "subjects": 15},
            expected={"subject": numbered("yale/{:02d}", range(1, 16)), "condition": conditions},
        )


build_table, load_yale = functions_of(Yale)
