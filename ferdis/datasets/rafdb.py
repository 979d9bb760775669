"""RAF-DB, the Real-world Affective Faces Database, basic expressions: 15,339 crowd-labelled images, official split.

::

    root/basic/EmoLabel/list_patition_label.txt        (sic) train_00001.jpg 5
    root/basic/Image/aligned/train_00001_aligned.jpg   100 x 100 pixels
    root/basic/Image/original/train_00001.jpg          optional

Li, Deng, Du: Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild, CVPR
2017. Who is seen is not known: there is no ``subject``. A re-packing without the list, in folders by label
(``train/5/train_00001_aligned.jpg``), is read too.
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
from ferdis.messages import named, quoted, short

LABELS = {
    "1": "surprise", "2": "fear", "3": "disgust", "4": "happiness", "5": "sadness", "6": "anger", "7": "neutral",
}  # fmt: skip
PUBLISHED = {"images": 15_339, "images of train": 12_271, "images of test": 3_068}

_LIST = re.compile(r"(?:^|/)list_(?:patition|partition)_label\.txt$", re.IGNORECASE)
_FILE = re.compile(
    r"(?:^|/)(?:(?P<label>[1-7])/)?(?P<name>(?P<part>train|test)_\d+)(?P<aligned>_aligned)?\.(?:jpe?g|png)$",
    re.IGNORECASE,
)


class RAFDB(TreeDataset):
    """RAF-DB: the basic expressions.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``EmoLabel/list_patition_label.txt and Image/aligned/train_00001_aligned.jpg``.
    expressions : int, str or sequence of str
        7 (basic and neutral: 12,271 to train and 3,068 to test), 6, or names.
    images : "aligned" or "original"
        The set's own crops, which the papers use as they are, or whole photographs (then give ``align=True``).
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    No ``subject``; ``split`` is ``train`` or ``test``.
    """

    name = "rafdb"
    layout = "EmoLabel/list_patition_label.txt and Image/aligned/train_00001_aligned.jpg"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
        images: Literal["aligned", "original"] = "aligned",
        image_size: int = 100,
        align: bool = False,
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

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if self.images not in ("aligned", "original"):
            raise ValueError(f"images={self.images!r}: choose 'aligned' or 'original'")
        keep = chosen_expressions(self.expressions)
        labels = _read_list(tree)
        rows, unlisted = [], []
        for path, match in tree.find(_FILE):
            if (match["aligned"] is not None) != (self.images == "aligned"):
                continue
            name = match["name"].lower()
            label = labels.get(name) if labels else match["label"]
            if label is None:
                unlisted.append(path)
                continue
            expression = tree.expression(path, label, LABELS)
            rows.append({"path": path, "expression": expression, "split": match["part"].lower(), "name": name})
        if unlisted:
            tree.notes.append(f"pictures without a label, left out ({len(unlisted)}): {named(unlisted)}")
        without = sorted(set(labels) - {row["name"] for row in rows})
        if rows and without:
            tree.notes.append(f"labelled images that are missing ({len(without)}): {named(without)}")
        table = tree.table(rows, keep=keep, key=("name",), published=PUBLISHED if keep == SEVEN_EXPRESSIONS else {})
        return table.drop(columns="name", errors="ignore")


def _read_list(tree: Tree) -> dict[str, str]:
    """Label of each image by its name (``train_00001``); nothing without a list."""
    labels: dict[str, str] = {}
    for path, _ in tree.find(_LIST):
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            words = line.split()
            if not words:
                continue
            name = words[0].lower().rpartition(".")[0].removesuffix("_aligned")
            if len(words) != 2 or not name:
                what = f"{quoted(line)} is not an image and a label"
                tree.problems.add("words", f"{tree.root / path} line {number}: {what}", [number])
            elif labels.setdefault(name, words[1]) != words[1]:
                what = (
                    f"line {number}: {short(words[0])} has label {short(labels[name])} and {short(words[1])}; keep one"
                )
                tree.problems.add("twice", f"{tree.root / path} {what}", [number])
    return labels


build_table, load_rafdb = functions_of(RAFDB)
