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
from pathlib import Path

import numpy as np
import pandas as pd

from ferdis._tables import header_of, read_csv
from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.fer2013 import part_of, read_pixels_list
from ferdis.datasets.labels import Expressions, chosen_expressions, expression_of
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.messages import quoted

VOTERS = 10
"""People who voted on each image."""

_VOTES = re.compile(r"(?:^|/)(?:fer2013new|label|fer\+|ferplus)[^/]*\.csv$", re.IGNORECASE)
_PICTURE = re.compile(r"(?:^|/)(?P<name>fer\d{7})\.(?:png|jpe?g)$", re.IGNORECASE)
_NO_FACE = ("unknown", "nf")


class FERPlus(TreeDataset):
    """FER+: FER2013's images with the labels of ten people's votes.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``fer2013new.csv beside fer2013.csv (or beside fer0000000.png ...)``.
    expressions : int, str or sequence of str
        8 (all), 7 (without contempt), 6, or names.
    majority : float
        Share of the votes, 0 to 1, above which a class is the picture's label; images without such a class, or where
        it is "unknown" or "no face", are left out and counted. Single votes are dropped first, as outliers.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    No ``subject``; ``split`` as of ``fer2013``; ``votes_anger`` .. ``votes_surprise``, 0 to 10.
    """

    name = "ferplus"
    layout = "fer2013new.csv beside fer2013.csv (or beside fer0000000.png ...)"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 8,
        majority: float = 0.5,
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
        self.majority = majority

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if not 0 <= self.majority < 1:
            raise ValueError(f"majority={self.majority}: a share of the votes, 0 <= share < 1")
        votes, pictures = _read_votes(tree), {match["name"].lower(): path for path, match in tree.find(_PICTURE)}
        pixels = None if pictures else read_pixels_list(tree)
        if votes.empty or (pixels is None and not pictures):
            raise FileNotFoundError(f"{tree.root} holds no FER+ votes or no images to them: expected {tree.layout}")
        if pixels is not None and len(pixels[1]) != len(votes):
            raise ValueError(
                f"{tree.root}: {len(votes)} rows of votes but {len(pixels[1])} of {pixels[0]}; give whole files"
            )
        names = [name for name in votes if expression_of(name)]
        counted = votes[_voted(votes)].fillna(0)  # a file may lack a column that another has
        firm = counted.where(counted > 1, 0)
        best, share = firm.idxmax(axis=1), firm.max(axis=1) / firm.sum(axis=1).clip(lower=1)
        rows, undecided, absent = [], 0, 0
        for number, (name, usage) in enumerate(zip(votes["image name"], votes["usage"], strict=True)):
            path = f"{pixels[0]}#{number}" if pixels else pictures.get(str(name).lower().rpartition(".")[0])
            part = part_of(str(usage))
            if share[number] <= self.majority or best[number] not in names:
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
        return tree.table(rows, keep=chosen_expressions(self.expressions))


def _read_votes(tree: Tree) -> pd.DataFrame:
    """The list of votes, column names in small letters; several files (one per part) one after the other."""
    tables = []
    for path, _ in tree.find(_VOTES):
        file = tree.root / path
        if not {"usage", "image name", "neutral"} <= {name.lower() for name in header_of(file)}:
            continue
        table = read_csv(file, dtype=str, keep_default_na=False)
        table.columns = [name.lower() for name in table.columns]
        of = [expression_of(name) or name for name in _voted(table)]
        if twice := next((name for name in of if of.count(name) > 1), None):
            raise ValueError(f"{file} has two columns of votes for {twice}: remove one")
        for name in _voted(table):
            table[name] = _counted(tree, path, table[name])
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _voted(table: pd.DataFrame) -> list[str]:
    """The columns that hold votes."""
    return [name for name in table.columns if expression_of(name) or name in _NO_FACE]


def _counted(tree: Tree, path: str, column: pd.Series) -> pd.Series:
    """Votes as whole numbers; what is none is a problem, and 0."""
    votes = pd.to_numeric(column, errors="coerce")
    right = votes.between(0, VOTERS) & (votes % 1 == 0)
    wrong = np.flatnonzero(~right)
    if len(wrong):
        what = f"column {column.name!r} has {quoted(column.iloc[wrong[0]])} votes; a whole number from 0 to {VOTERS}"
        line = (wrong + 2).tolist()
        tree.problems.add(f"{path} {column.name}", f"{tree.root / path} line {line[0]}: {what}", line)
    return votes.where(right, 0)


build_table, load_ferplus = functions_of(FERPlus)
