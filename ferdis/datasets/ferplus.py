"""FER+: FER2013's images with ten people's votes for each.

::

    root/fer2013new.csv        Usage,Image name,neutral,happiness,...,contempt,unknown,NF
    root/fer2013.csv           the pixels, row by row the same images
    root/FER2013Train/fer0000000.png ...       or images under the names of the list, instead of fer2013.csv

Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution, ICMI 2016. Who is seen is not known: there is no ``subject``.
"""

from __future__ import annotations

import re

import pandas as pd

from ferdis.datasets.fer2013 import part_of, read_csv
from ferdis.datasets.labels import Expressions, chosen_expressions, expression_of
from ferdis.datasets.tree import Tree, loaders

_VOTES = re.compile(r"(?:^|/)(?:fer2013new|label|fer\+|ferplus)[^/]*\.csv$", re.IGNORECASE)
_PICTURE = re.compile(r"(?:^|/)(?P<name>fer\d{7})\.(?:png|jpe?g)$", re.IGNORECASE)
_NO_FACE = ("unknown", "nf")


def _rows(tree: Tree, *, expressions: Expressions = 8, majority: float = 0.5) -> pd.DataFrame:
    """Load FER2013's images with FER+'s labels.

    Parameters
    ----------
    expressions : int, str or sequence of str
        8 (all), 7 (without contempt), 6, or names.
    majority : float
        Share of the votes, 0 to 1, above which a class is the picture's label; images without such a class, or where
        it is "unknown" or "no face", are left out and counted. Single votes are dropped first, as outliers.

    Returns
    -------
    Faces
        No ``subject``; ``split`` as of ``fer2013``; ``votes_anger`` .. ``votes_surprise``, 0 to 10.
    """
    if not 0 <= majority < 1:
        raise ValueError(f"majority={majority}: a share of the votes, 0 <= share < 1")
    votes, pictures = _read_votes(tree), {match["name"].lower(): path for path, match in tree.find(_PICTURE)}
    pixels = None if pictures else read_csv(tree)
    if votes.empty or (pixels is None and not pictures):
        raise FileNotFoundError(f"{tree.root} holds no FER+ votes or no images to them: expected {tree.layout}")
    if pixels is not None and len(pixels[1]) != len(votes):
        raise ValueError(
            f"{tree.root}: {len(votes)} rows of votes but {len(pixels[1])} of {pixels[0]}; give whole files"
        )
    names = [name for name in votes if expression_of(name)]
    classes = [*names, *(name for name in votes if name.lower() in _NO_FACE)]
    counted = votes[classes].apply(pd.to_numeric, errors="coerce").fillna(0)
    firm = counted.where(counted > 1, 0)
    best, share = firm.idxmax(axis=1), firm.max(axis=1) / firm.sum(axis=1).clip(lower=1)
    rows, undecided, absent = [], 0, 0
    for number, (name, usage) in enumerate(zip(votes["image name"], votes["usage"], strict=True)):
        path = f"{pixels[0]}#{number}" if pixels else pictures.get(str(name).lower().rpartition(".")[0])
        part = part_of(str(usage))
        if share[number] <= majority or best[number] not in names:
            undecided += 1
        elif path is None or part is None:
            absent += 1
        else:
            row = {"path": path, "expression": expression_of(best[number]), "split": part}
            rows.append(row | {f"votes_{expression_of(name)}": int(counted[name][number]) for name in names})
    if undecided:
        tree.notes.append(f"{undecided} of {len(votes)} images without a majority for one expression, left out")
    if absent:
        tree.notes.append(f"{absent} images of the list are missing, or of no official part")
    return tree.table(rows, keep=chosen_expressions(expressions))


def _read_votes(tree: Tree) -> pd.DataFrame:
    """The list of votes, all text, column names in small letters; several files (one a part) one after the other."""
    tables = []
    for path, _ in tree.find(_VOTES):
        table = pd.read_csv(tree.root / path, dtype=str)
        table.columns = [name.strip().lower() for name in table.columns]
        if {"usage", "image name", "neutral"} <= set(table):
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


build_table, load_ferplus = loaders(
    _rows, "ferplus", "fer2013new.csv beside fer2013.csv (or beside fer0000000.png ...)", image_size=48, align=False
)
