"""CK+48: the last three frames of CK+'s labelled sequences, cropped to 48x48 grey, in folders by class.

::

    root/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png

The people and the sequences are CK+'s own, so they carry its names (``ck/S010``, ``ck/S010/004``): a person
of CK+48 cannot stand in training while the same person of CK+ stands in test.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.ckplus import NAMESPACE, published_counts
from ferdis.datasets.common import is_image
from ferdis.datasets.frames import Row
from ferdis.datasets.labels import Expressions, chosen_expressions, closest_expression, expression_of
from ferdis.datasets.tree import WITH_CONTEMPT, Tree, TreeDataset
from ferdis.messages import named

FRAMES = 3  # images of each sequence

_LAYOUT = "CK+48/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png"
_PICTURE = re.compile(r"(?:(?P<label>[^/]+)/)?(?P<name>[^/]+)$")
_NAME = re.compile(r"(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})\.[a-z]+", re.IGNORECASE)


class CK48(TreeDataset):
    """CK+48: the last three frames of CK+'s labelled sequences, 48x48 pixels.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``CK+48/{anger,contempt,disgust,fear,happy,sadness,surprise}/S010_004_00000017.png``.
    expressions : int, str or sequence of str
        7 (with contempt, 981 images), 6 (without, 927), or names.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``ck/S010``, ``sequence`` ``ck/S010/004``, ``frame`` the number in the file name.
    """

    name = "ck48"
    layout = _LAYOUT

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
        keep = chosen_expressions(self.expressions, seven=WITH_CONTEMPT)
        rows = []
        for path, picture in tree.find(_PICTURE):
            match = _NAME.fullmatch(picture["name"])
            if not is_image(path):
                continue
            if match is None:
                tree.problem(path, f" is not named as in CK+48: expected {_LAYOUT}")
            elif expression_of(picture["label"]) is None:
                label = picture["label"]
                tree.problem(path, f": folder {label!r} is no expression; {closest_expression(label)}")
            else:
                subject = f"{NAMESPACE}/{match['subject'].upper()}"
                rows.append(
                    {
                        "path": path,
                        "expression": expression_of(picture["label"]),
                        "subject": subject,
                        "sequence": f"{subject}/{match['sequence']}",
                        "frame": int(match["frame"]),
                    }
                )
        rows = tree.once(rows, ("sequence", "frame"))
        _refuse_two_labels(tree, rows)
        table = tree.table(rows, keep=keep, published=published_counts(keep))
        if len(table):
            sizes = table["sequence"].value_counts().sort_index()
            odd = [f"{name} ({size})" for name, size in sizes.items() if size != FRAMES]
            if odd:
                tree.notes.append(f"sequences without exactly {FRAMES} images ({len(odd)}): {named(odd)}")
        return table


def _refuse_two_labels(tree: Tree, rows: list[Row]) -> None:
    """One problem a sequence whose frames lie in folders of different classes."""
    first: dict[str, Row] = {}
    said: set[str] = set()
    for row in rows:
        other = first.setdefault(row["sequence"], row)
        if other["expression"] != row["expression"] and row["sequence"] not in said:
            said.add(row["sequence"])
            tree.problem(
                row["path"], f": another frame of its sequence is {other['path']}; one of the two labels is wrong"
            )


build_table, load_ck48 = functions_of(CK48)
