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
from typing import Literal

import pandas as pd

from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import Tree, loaders
from ferdis.faces import SEVEN_EXPRESSIONS

# The part's folder is the nearest one above the picture: nothing below it may be called so again.
_FILE = re.compile(
    r"(?:^|/)(?P<part>train|val)(?P<kind>[^/]*)/(?P<below>(?:(?!train|val|test)[^/]+/)*?)(?P<label>[^/]+)/"
    r"(?P<name>[^/]+)\.(?:png|jpe?g|bmp)$",
    re.IGNORECASE,
)


def _rows(
    tree: Tree,
    *,
    expressions: Expressions = 7,
    images: Literal["original", "aligned"] = "original",
    val: Literal["test", "validation"] = "test",
) -> pd.DataFrame:
    """Load SFEW 2.0.

    Parameters
    ----------
    expressions : int, str or sequence of str
        7 (basic and neutral), 6, or names.
    images : "original" or "aligned"
        The stills, or the set's own crops (a few faces were not found: there are fewer of these).
    val : "test" or "validation"
        What the Val folder is in the column ``split``: the papers test on it.

    Returns
    -------
    Faces
        No ``subject``; ``split`` is ``train`` or ``test``; ``movie`` is what the file name begins with.
    """
    if images not in ("original", "aligned") or val not in ("test", "validation"):
        raise ValueError(f"images={images!r}, val={val!r}: choose original or aligned, and test or validation")
    keep = chosen_expressions(expressions)
    rows = []
    for path, match in tree.find(_FILE):
        aligned = "align" in (match["kind"] + match["below"]).lower()
        if aligned == (images == "aligned"):
            rows.append(
                {
                    "path": path,
                    "expression": tree.expression(path, match["label"]),
                    "split": "train" if match["part"].lower() == "train" else val,
                    "movie": match["name"].split("_")[0],
                    "name": match["name"].lower(),
                }
            )
    whole = images == "original" and keep == SEVEN_EXPRESSIONS
    table = tree.table(
        rows,
        keep=keep,
        key=("name",),
        published={"images": 1394, "images of train": 958, f"images of {val}": 436} if whole else {},
    )
    return table.drop(columns="name", errors="ignore")


build_table, load_sfew = loaders(
    _rows, "sfew", "{Train,Val}/{Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}/Movie_time_frame.png"
)
