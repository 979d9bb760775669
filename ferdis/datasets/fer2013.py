"""FER2013: 35,887 grey images of 48 x 48 pixels found by web search, seven expressions, an official split.

::

    root/fer2013.csv                               emotion,pixels,Usage (or icml_face_data.csv)
    root/train/angry/Training_3908.jpg, root/test/angry/PrivateTest_88305.jpg       the same as images

Goodfellow et al.: Challenges in Representation Learning: A report on three machine learning contests, 2013. Who is seen
is not known: there is no ``subject``. Its labels are noisy and some of its images are there twice (``ferdis check``).
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ferdis import _tables
from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.frames import Row
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SEVEN_EXPRESSIONS
from ferdis.messages import quoted

LABELS = {
    "0": "anger", "1": "disgust", "2": "fear", "3": "happiness", "4": "sadness", "5": "surprise", "6": "neutral",
}  # fmt: skip
PARTS = {"training": "train", "train": "train", "publictest": "validation", "privatetest": "test", "test": "test"}
PUBLISHED = {"images": 35_887, "images of train": 28_709, "images of validation": 3_589, "images of test": 3_589}

_HEADER = 4096  # characters that are read to see what a CSV file is
_CSV = re.compile(r"(?:^|/)[^/]+\.csv$", re.IGNORECASE)
_FILE = re.compile(
    r"(?:^|/)(?P<part>train|training|test|publictest|privatetest|val|validation)/(?P<label>[^/]+)/"
    r"(?:(?P<usage>training|publictest|privatetest)_)?[^/]+\.(?:jpe?g|png)$",
    re.IGNORECASE,
)


class FER2013(TreeDataset):
    """FER2013, from its CSV file or from a re-packing as images.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``fer2013.csv (emotion,pixels,Usage) or {train,test}/{angry,...}/*.jpg``.
    expressions : int, str or sequence of str
        7 (basic and neutral), 6, or names.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    No ``subject``; ``split`` is ``train`` (Training), ``validation`` (PublicTest) or ``test`` (PrivateTest); a
    image of the CSV is called ``fer2013.csv#12``, the 12th row from 0.
    """

    name = "fer2013"
    layout = "fer2013.csv (emotion,pixels,Usage) or {train,test}/{angry,...}/*.jpg"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 7,
        image_size: int = 48,
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

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep = chosen_expressions(self.expressions)
        rows = _csv_rows(tree) or _picture_rows(tree)
        return tree.table(rows, keep=keep, published=PUBLISHED if keep == SEVEN_EXPRESSIONS else {})


def read_pixels_list(tree: Tree) -> tuple[str, pd.DataFrame] | None:
    """The CSV of pixels and its columns ``emotion`` and ``usage`` as text; None if there is none.

    Of several, one that names the official parts is taken.
    """
    found = []
    for path, _ in tree.find(_CSV):
        with (tree.root / path).open(encoding="utf-8-sig", errors="replace") as file:
            columns = [name.strip().lower() for name in file.readline(_HEADER).split(",")]
        if {"emotion", "pixels"} <= set(columns):
            found.append(("usage" not in columns, path))
    if not found:
        return None
    path = min(found)[1]
    wanted = ("emotion", "usage")
    table = _tables.read_csv(tree.root / path, usecols=lambda name: name.strip().lower() in wanted, dtype=str)
    table.columns = [name.lower() for name in table.columns]
    if table.columns.duplicated().any():
        raise ValueError(f"{tree.root / path} has two columns {table.columns[table.columns.duplicated()][0]!r}")
    return path, table.assign(usage=table.get("usage", "Training"))


def part_of(usage: str) -> str | None:
    """``"PublicTest"`` -> ``"validation"``."""
    return PARTS.get(usage.strip().lower())


def _csv_rows(tree: Tree) -> list[Row]:
    found = read_pixels_list(tree)
    if found is None:
        return []
    path, table = found
    rows = []
    for number, (label, usage) in enumerate(zip(table["emotion"], table["usage"], strict=True)):
        name, part = LABELS.get(str(label).strip()), part_of(str(usage))
        if name is None or part is None:
            what = f"emotion {quoted(label)}" if name is None else f"Usage {quoted(usage)}"
            tree.problems.add(what, f"{tree.root / path} line {number + 2}: {what} is none of this set", [number + 2])
            continue
        rows.append({"path": f"{path}#{number}", "expression": name, "split": part})
    return rows


def _picture_rows(tree: Tree) -> list[Row]:
    rows = []
    for path, match in tree.find(_FILE):
        part = part_of(match["usage"] or match["part"]) or "validation"
        label = match["label"]
        name = tree.expression(path, label, LABELS if label.isdigit() else None)
        rows.append({"path": path, "expression": name, "split": part})
    return rows


build_table, load_fer2013 = functions_of(FER2013)
