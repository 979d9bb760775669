"""What every loader of an official layout does: a function that reads file names becomes a loader.

A data set's file writes one function, ``_rows(tree, *, ...) -> DataFrame``. It asks the :class:`Tree` for the files
whose names it knows, makes a row of each, and hands the rows to :meth:`Tree.table` with what the papers count.
:func:`loaders` makes the two public functions of it: ``build_table``, which looks and does not decode, and the loader.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ferdis.datasets.common import Problem, checked_root, is_image, prepared, raise_problems
from ferdis.datasets.frames import FrameRule, Row, choose_frames
from ferdis.datasets.labels import closest_expression, expression_of
from ferdis.datasets.listing import walk_files
from ferdis.datasets.published import Counts, differing, missing
from ferdis.faces import EXPRESSIONS, SEVEN_EXPRESSIONS, SIX_EXPRESSIONS, Faces
from ferdis.messages import named

Rows = Callable[..., pd.DataFrame]

WITH_CONTEMPT = tuple(sorted((*SIX_EXPRESSIONS, "contempt")))
_RULES = (SIX_EXPRESSIONS, SEVEN_EXPRESSIONS, WITH_CONTEMPT, EXPRESSIONS)


class Tree:
    """The files of a copy of a data set, what is wrong with them, and what is to be said about them.

    Parameters
    ----------
    root : path
    dataset : str
        The loader's name.
    layout : str
        The expected tree in one line, for messages.
    cache : path, bool or None
        Where the listing is remembered, see :func:`ferdis.datasets.listing.walk_files`.

    Attributes
    ----------
    files : list of str
        Relative paths, sorted.
    problems : list of ValueError or FileNotFoundError
        What must be put right, a line each.
    notes : list of str
        What was dropped, left alone, or counted differently.
    """

    def __init__(self, root: str | Path, dataset: str, layout: str, *, cache: str | Path | bool | None = False) -> None:
        self.root = checked_root(root, dataset)
        self.dataset, self.layout = dataset, layout
        self.files = walk_files(self.root, cache)
        self.problems: list[Problem] = []
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

    def problem(self, path: str, what: str) -> None:
        """Put down what is wrong with a file."""
        self.problems.append(ValueError(f"{self.root / path}{what}"))

    def expression(self, path: str, label: str, labels: Mapping[str, str] | None = None) -> str | None:
        """The vocabulary's name for a label; None, and a problem, if it has none."""
        name = expression_of(label, labels)
        if name is None:
            known = f"known are {', '.join(labels)}" if labels else closest_expression(label)
            self.problem(path, f": {label!r} is no expression of this set; {known}")
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
                self.problem(row["path"], f" is there a second time as {other['path']}: give root= one copy of the set")
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


def _pixels(
    image_size: int = 256,
    align: bool = True,
    cache: str | Path | bool | None = None,
    device: str = "cpu",
    errors: Literal["raise", "skip"] = "raise",
    progress: bool = True,
) -> None:
    """The arguments about pixels, which all loaders share.

    Parameters
    ----------
    image_size : int
        Side of the square faces, pixels.
    align : bool
        Align on eye centres and nose tip; False takes the images as they are (centre square, resized).
    cache : path, bool or None
        Folder of decoded faces and remembered listings, None for the default one, False for none.
    device : str
        Where faces are detected.
    errors : "raise" or "skip"
        What to do about images that cannot be read: an error that names them, or go on without them, named.
    progress : bool
        Show progress and say what was dropped.
    """


def _units(*, openface: str | Path | None = None) -> None:
    """The argument of sets whose action units come from a program.

    Parameters
    ----------
    openface : path, optional
        OpenFace's CSV file, or a folder of them: ``AU01`` .. ``AU45`` are read from there, NaN where an image is not
        in it, counted and said.
    """


def _with_units(faces: Faces, units: str | Path, how: Mapping[str, Any], progress: bool) -> Faces:
    """The faces with OpenFace's action units, and what is to be said about them."""
    from ferdis.datasets.au_files import join_units, read_units

    joined = join_units(faces, read_units(units), missing="nan", **how)
    for note in joined.attrs["notes"][len(faces.attrs["notes"]) :] if progress else ():
        print(f"{faces.attrs['dataset']}: {note}", file=sys.stderr)
    return joined


def loaders(
    rows: Rows,
    dataset: str,
    layout: str,
    *,
    image_size: int = 256,
    align: bool = True,
    turned: bool = False,
    openface: Mapping[str, Any] | None = None,
) -> tuple[Callable[..., tuple[pd.DataFrame, list[str]]], Callable[..., Faces]]:
    """Make ``build_table`` and the loader of a data set.

    Parameters
    ----------
    rows : function (tree, *, ...) -> DataFrame
        Its keyword arguments and its docstring are those of the loader.
    dataset, layout : str
        The registry's name, and the expected tree in one line.
    image_size, align
        Defaults: sets that come as crops are not aligned.
    turned : bool
        Recordings may lie on their side, see :class:`ferdis.preprocess.Aligner`.
    openface : mapping, optional
        The loader takes ``openface=``, files of action units; how they are joined to the faces, see
        :func:`ferdis.datasets.au_files.join_units`.

    Returns
    -------
    build_table : function (root, *, ..., cache=False, problems=None) -> (table, notes)
        Names and labels, no pixels. With a list given as ``problems``, what is wrong with single files is put there
        and the file left out, instead of raised.
    load : function (root, *, ..., image_size=, align=, cache=, device=, errors=, progress=) -> Faces
    """
    own = list(inspect.signature(rows, eval_str=True).parameters.values())[1:]
    pixels = {
        name: parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            default={"image_size": image_size, "align": align}.get(name, parameter.default),
        )
        for name, parameter in inspect.signature(_pixels, eval_str=True).parameters.items()
    }
    if openface is not None:
        pixels |= inspect.signature(_units, eval_str=True).parameters
    root = inspect.Parameter("root", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str | Path)
    problems = inspect.Parameter(
        "problems", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=list[Problem] | None
    )

    def build_table(*args: Any, **kwargs: Any) -> tuple[pd.DataFrame, list[str]]:
        given = _bound(build_table, args, kwargs)
        tree = Tree(given.pop("root"), dataset, layout, cache=given.pop("cache"))
        collected = given.pop("problems")
        table = rows(tree, **given)
        if collected is None:
            raise_problems(tree.problems, f"{dataset} --root {tree.root}")
        else:
            collected += tree.problems
        return table, tree.notes

    def load(*args: Any, **kwargs: Any) -> Faces:
        given = _bound(load, args, kwargs)
        chosen = {name: given.pop(name) for name in pixels}
        table, notes = build_table(**given, cache=chosen["cache"])
        if turned and chosen["align"]:
            from ferdis.preprocess import Aligner

            chosen["align"] = Aligner(chosen["device"], turned=True)
        units = chosen.pop("openface", None)
        faces = prepared(Path(given["root"]).expanduser(), table, notes, dataset=dataset, **chosen)
        return faces if units is None else _with_units(faces, units, openface or {}, chosen["progress"])

    listing = pixels["cache"].replace(default=False)
    _sign(build_table, "build_table", rows, [root, *own, listing, problems])
    _sign(load, f"load_{dataset}", rows, [root, *own, *pixels.values()])
    build_table.__doc__ = f"{dataset} as a table, and what to say about it; arguments as :func:`load_{dataset}`."
    load.__doc__ = _documented(
        inspect.getdoc(rows) or "", layout, [_pixels, *([_units] if openface is not None else [])]
    )
    return build_table, load


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, defaults filled in; a TypeError as Python's own if they do not fit."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _sign(function: Any, name: str, like: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
    """Give a function its name, its module and its signature, for help pages and the command line."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = like.__module__
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _documented(own: str, layout: str, functions: Sequence[Callable[..., None]]) -> str:
    """The docstring of a rows function with the arguments that all loaders share."""
    mark = "Parameters\n----------\n"
    about, _, described = own.partition(mark)
    arguments, gap, rest = described.partition("\n\n")
    shared = "\n".join((inspect.getdoc(function) or "").partition(mark)[2] for function in functions)
    raises = (
        "Raises\n------\nFileNotFoundError\n    If the folder is missing or empty, or is no such tree.\n"
        "ValueError\n    If a label has no name, an image is there twice, or an argument is wrong. It is named."
    )
    root = f"root : path\n    The folder that holds the set, at any depth: ``{layout}``."
    return "\n".join(
        [about + mark.rstrip("\n"), root, *filter(None, [arguments]), shared, "", rest, *([""] * bool(gap)), raises]
    )
