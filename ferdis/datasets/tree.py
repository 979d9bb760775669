"""Data sets whose file names say what is in them: the official layouts.

Such a set is a :class:`TreeDataset`. Its file writes :meth:`TreeDataset.rows`, which asks the :class:`Tree` for the
files whose names it knows, makes a row of each, and hands the rows to :meth:`Tree.table` with what the papers count.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ferdis.datasets.au_files import join_units, read_units
from ferdis.datasets.base import Dataset
from ferdis.datasets.common import Problem, Problems, checked_root, is_image
from ferdis.datasets.frames import FrameRule, Row, choose_frames
from ferdis.datasets.labels import closest_expression, expression_of
from ferdis.datasets.listing import walk_files
from ferdis.datasets.published import Counts, differing, missing
from ferdis.faces import EXPRESSIONS, SEVEN_EXPRESSIONS, SIX_EXPRESSIONS, Faces
from ferdis.messages import named, quoted

WITH_CONTEMPT = tuple(sorted((*SIX_EXPRESSIONS, "contempt")))
_RULES = (SIX_EXPRESSIONS, SEVEN_EXPRESSIONS, WITH_CONTEMPT, EXPRESSIONS)


class TreeDataset(Dataset):
    """A data set in its official layout; parameters as of :class:`~ferdis.datasets.base.Dataset`."""

    layout: ClassVar[str]
    """The expected tree in one line, for messages."""

    def table(self, problems: list[Problem] | None = None) -> tuple[pd.DataFrame, list[str]]:
        """As :meth:`Dataset.table <ferdis.datasets.base.Dataset.table>`."""
        tree = Tree(self.root, self.name, self.layout)
        table = self.rows(tree)
        tree.problems.settle(problems, f"{self.name} --root {self.root}")
        return table, tree.notes

    @abstractmethod
    def rows(self, tree: Tree) -> pd.DataFrame:
        """The set's table, from the names of its files.

        Parameters
        ----------
        tree : Tree
            The files; it takes what is wrong with them and what is to be noted.

        Returns
        -------
        DataFrame
            From :meth:`Tree.table`.
        """

    def with_openface(self, faces: Faces, units: str | Path | None, **how: Any) -> Faces:
        """The faces with OpenFace's action units, NaN where an image has no row; unchanged without any.

        Parameters
        ----------
        faces : Faces
        units : path or None
            What :func:`ferdis.datasets.au_files.read_units` reads.
        **how
            How rows and images belong together, see :func:`ferdis.datasets.au_files.join_units`.
        """
        if units is None:
            return faces
        joined = join_units(faces, read_units(units), missing="nan", **how)
        self.say(joined.attrs["notes"][len(faces.attrs["notes"]) :])
        return joined


class Tree:
    """The files of a copy of a data set, what is wrong with them, and what is to be noted about them.

    Parameters
    ----------
    root : path
    dataset : str
        The loader's name.
    layout : str
        The expected tree in one line, for messages.

    Attributes
    ----------
    files : list of str
        Relative paths, sorted.
    problems : Problems
        What must be put right, one line per cause.
    notes : list of str
        What was dropped, left alone, or counted differently.
    """

    def __init__(self, root: str | Path, dataset: str, layout: str) -> None:
        self.root = checked_root(root, dataset)
        self.dataset, self.layout = dataset, layout
        self.files = walk_files(self.root)
        self.problems = Problems()
        self.notes: list[str] = []
        self._above = self.root.resolve().as_posix().rstrip("/") + "/"
        self._known: set[str] = set()

    def find(self, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
        """Files whose full path the pattern finds: (relative path, match).

        The full path is searched, so that a copy is recognised however deep it nests, and from inside too
        (``root=.../VL/Strong``). Patterns end in ``$``.
        """
        for path in self.files:
            match = pattern.search(self._above + path)
            if match is not None:
                self._known.add(path)
                yield path, match

    def text(self, path: str) -> str:
        """A label file's text."""
        return (self.root / path).read_text(encoding="utf-8-sig", errors="replace")

    def problem(self, path: str, what: str, cause: str | None = None) -> None:
        """Put down what is wrong with a file.

        Parameters
        ----------
        path : str
            The file, relative to the root.
        what : str
            What follows its name in the message: ``" line 3: ..."`` or ``": ..."``.
        cause : str, optional
            What all files of one mistake share; by default ``what``.
        """
        self.problems.add(cause or what, f"{self.root / path}{what}", [path])

    def expression(self, path: str, label: str, labels: Mapping[str, str] | None = None) -> str | None:
        """The vocabulary's name for a label; None, and a problem, if it has none."""
        name = expression_of(label, labels)
        if name is None:
            known = f"known are {', '.join(labels)}" if labels else closest_expression(label)
            self.problem(path, f": {quoted(label)} is no expression of this set; {known}")
        return name

    def table(
        self,
        rows: Sequence[Row],
        *,
        keep: Sequence[str],
        frames: FrameRule | None = None,
        key: Sequence[str] = ("path",),
        published: Counts | None = None,
        expected: Mapping[str, Sequence[object]] | None = None,
    ) -> pd.DataFrame:
        """Rows to the set's table: each once, its frames chosen, its classes chosen, its counts held to the papers'.

        Parameters
        ----------
        rows : sequence of dict
            With ``path`` and ``expression``; those without an expression are left out (they are problems already).
        keep : sequence of str
            The classes to keep. What falls outside a choice that is none of the papers' rules is counted and said.
        frames : FrameRule, optional
            For sequences.
        key : columns that two different images cannot share.
        published : what the papers count with these arguments; of what carries the label, not of neutral first frames.
        expected : what a complete copy has, see :func:`ferdis.datasets.published.missing`.

        Raises
        ------
        FileNotFoundError
            If there are no rows and nothing is wrong with any file: this is no such tree.
        """
        if not rows and not self.problems:
            raise FileNotFoundError(f"{self.root} holds no {self.dataset} pictures: expected {self.layout}")
        rows = self._kept(self.once([row for row in rows if row["expression"] is not None], key), keep)
        if frames is not None:
            rows = choose_frames(rows, frames, self.notes)
            self.notes += [frames.remark] if frames.remark else []
        table = pd.DataFrame(rows)
        if len(table):
            firsts = table["expression"].eq("neutral") & (frames is not None and frames.first)
            if not firsts.all():
                self.compare(table[~firsts], published or {}, expected)
        others = [path for path in self.files if is_image(path) and path not in self._known]
        if others:
            self.notes.append(f"pictures not named as in this set, left alone ({len(others)}): {named(others)}")
        table.attrs["published"] = dict(published or {})
        return table

    def compare(
        self, table: pd.DataFrame, published: Counts, expected: Mapping[str, Sequence[object]] | None = None
    ) -> None:
        """Say which counts are not the published ones, and what is missing."""
        differs = differing(table, published)
        if differs:
            self.notes.append("counts differ from the published ones: " + ", ".join(differs))
        if expected:
            self.notes += missing(table, expected)

    def once(self, rows: Sequence[Row], key: Sequence[str]) -> list[Row]:
        """The first of the rows that agree in ``key``; a second one is a problem."""
        first: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            other = first.setdefault(tuple(row[name] for name in key), row)
            if other is not row:
                what = f" is there a second time as {other['path']}: give root= one copy of the set"
                self.problem(row["path"], what, "twice")
        return list(first.values())

    def _kept(self, rows: Sequence[Row], keep: Sequence[str]) -> list[Row]:
        """The rows of the chosen classes."""
        kept = [row for row in rows if row["expression"] in keep]
        dropped = pd.Series([row["expression"] for row in rows if row["expression"] not in keep], dtype=str)
        counts = ", ".join(f"{name} {number}" for name, number in dropped.value_counts().sort_index().items())
        if len(dropped) and not kept:
            raise ValueError(f"no row has one of the expressions {', '.join(keep)}: the data has {counts}")
        if len(dropped) and tuple(keep) not in _RULES:
            self.notes.append(f"dropped {len(dropped)} of {len(rows)} rows outside the chosen expressions: {counts}")
        return kept
