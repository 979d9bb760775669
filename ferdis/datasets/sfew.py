"""SFEW 2.0, Static Facial Expressions in the Wild: stills of films, seven expressions, an official split.

::

    root/Train/Angry/Movie_time_frame.png        958 images; {Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}
    root/Val/Angry/...                           436 images

Dhall, Ramana Murthy, Goecke, Joshi, Gedeon: Video and Image based Emotion Recognition Challenges in the Wild: EmotiW
2015, ICMI 2015. The labels of the Test folder were never published, so that the papers test on Val. Who is seen is not
known: there is no ``subject``. Cropped images lie in folders whose names say so (``Train_Aligned_Faces``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SEVEN_EXPRESSIONS

# The part's folder is the nearest one above the picture: nothing below it may be called so again.
_FILE = re.compile(
    r"(?:^|/)(?P<part>train|val)(?P<kind>[^/]*)/(?P<below>(?:(?!train|val|test)[^/]+/)*?)(?P<label>[^/]+)/"
    r"(?P<name>[^/]+)\.(?:png|jpe?g|bmp)$",
    re.IGNORECASE,
)


class SFEW(TreeDataset):
    """SFEW 2.0: stills of films.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``{Train,Val}/{Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}/Movie_time_frame.png``.
    expressions : int, str or sequence of str
        7 (basic and neutral), 6, or names.
    images : "original" or "aligned"
        The stills, or the set's own crops (a few faces were not found: there are fewer of these).
    val : "test" or "validation"
        What the Val folder is in the column ``split``: the papers test on it.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    No ``subject``; ``split`` is ``train`` or ``test``; ``movie`` is what the file name begins with.
    """

    name = "sfew"
    layout = "{Train,Val}/{Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}/Movie_time_frame.png"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
        images: Literal["original", "aligned"] = "original",
        val: Literal["test", "validation"] = "test",
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
        self.images = images
        self.val = val

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if self.images not in ("original", "aligned") or self.val not in ("test", "validation"):
            raise ValueError(
                f"images={self.images!r}, val={self.val!r}: choose original or aligned, and test or validation"
            )
        keep = chosen_expressions(self.expressions)
        rows = []
        for path, match in tree.find(_FILE):
            aligned = "align" in (match["kind"] + match["below"]).lower()
            if aligned == (self.images == "aligned"):
                rows.append(
                    {
                        "path": path,
                        "expression": tree.expression(path, match["label"]),
                        "split": "train" if match["part"].lower() == "train" else self.val,
                        "movie": match["name"].split("_")[0],
                        "name": match["name"].lower(),
                    }
                )
        whole = self.images == "original" and keep == SEVEN_EXPRESSIONS
        table = tree.table(
            rows,
            keep=keep,
            key=("name",),
            published={"images": 1394, "images of train": 958, f"images of {self.val}": 436} if whole else {},
        )
        return table.drop(columns="name", errors="ignore")


build_table, load_sfew = functions_of(SFEW)
