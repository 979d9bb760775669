"""Folders named after classes, the person read from the path by a regular expression.

::

    root/
      anger/     anna_01.jpg  ben_02.jpg
      happiness/ anna_03.jpg  ...

with ``subject=r"(?P<subject>[a-z]+)_"``. A folder that is named after one of the eight expressions may lie anywhere on
the path (``train/anna/happy/3.jpg``). Folders of other names (``engaged``, ``bored``) name the class too: those that
lie as deep as the expressions' folders, or, where there are none of these, the first folder of each path. A group
``expression`` in the regular expression says it otherwise: ``r"(?P<subject>[^/]+)/(?P<expression>[^/]+)/"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Dataset, Errors, functions_of
from ferdis.datasets.common import Problem, Problems, checked_root, is_image, keep_expressions
from ferdis.datasets.labels import class_names, expression_of, own_expressions
from ferdis.datasets.listing import walk_files
from ferdis.messages import named, quoted

_TREE = "root/{anger,contempt,disgust,fear,happiness,neutral,sadness,surprise}/*.jpg"
_FIXED = ("path", "expression", "subject")


class Folder(Dataset):
    r"""Images in folders named after their classes.

    Parameters
    ----------
    root : path
        The folder that holds the folders of the classes.
    subject : str, optional
        Regular expression searched in each image's path relative to ``root`` (forward slashes). Its group
        ``subject`` (or its only group, or the whole match) is the person. Further named groups become
        columns; ``sequence`` and ``frame`` are the video's, ``expression`` is the class. Example:
        ``r"(?P<subject>S\d+)_(?P<sequence>\d+)_(?P<frame>\d+)"``. Without it nobody is known: such a set can be
        fitted and predicted, and k-fold refuses it.
    expressions : sequence of str, "six", "seven" or None
        Classes to keep, any names; images of other classes are dropped and counted in a note. None keeps all.
    labels : mapping, optional
        Folder names to class names, for example ``{"4": "happiness"}``. A folder that looks like an expression
        misspelt, where all others are expressions, is refused unless it stands here: ``{"madness": "madness"}``.
    namespace : str, optional
        What subjects are prefixed with, by default the folder's name.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.
    """

    name = "folder"

    def __init__(
        self,
        root: str | Path,
        *,
        subject: str | None = None,
        expressions: str | Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
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
        self.subject = subject
        self.expressions = expressions
        self.labels = labels
        self.namespace = namespace

    @property
    def title(self) -> str:
        """The namespace, by default the folder's name."""
        return self.namespace or self.root.resolve().name

    def table(self, problems: list[Problem] | None = None) -> tuple[pd.DataFrame, list[str]]:
        """As :meth:`Dataset.table <ferdis.datasets.base.Dataset.table>`; an image in no such folder is named."""
        keep = own_expressions(self.expressions)
        pattern = None if self.subject is None else _compiled(self.subject)
        folder = checked_root(self.root, self.name)
        files = walk_files(folder)
        images = [path for path in files if is_image(path)]
        if not images:
            raise FileNotFoundError(f"{folder} holds no images: expected {_TREE}")
        wrong = Problems()
        labels = self._labels(images, pattern, wrong)
        names = class_names(labels.values(), self.labels)
        rows = []
        for path, label in labels.items():
            name = names.names[label]
            if name in names.doubts:
                wrong.add(
                    f"folder {label}", f"{self.root / path}: folder {quoted(label)}: {names.doubts[name]}", [path]
                )
            elif (row := self._row(path, name, pattern, wrong)) is not None:
                rows.append(row)
        wrong.settle(problems, f"folder --root {self.root}")
        notes: list[str] = []
        if pattern is None:
            notes.append("subject= is not given: these faces can be fitted and predicted, not split by person")
        others = [path for path in files if not is_image(path)]
        if others:
            notes.append(f"files that are no images, left alone ({len(others)}): {named(others)}")
        table = _typed(pd.DataFrame(rows, columns=_columns(pattern)))
        table.attrs["own_labels"] = names.declared
        if len(table) or problems is None:
            table = keep_expressions(table, keep, notes)
        notes += names.note(table["expression"].value_counts())
        return table, notes

    def _labels(self, images: Sequence[str], pattern: re.Pattern[str] | None, wrong: Problems) -> dict[str, str]:
        """The label of each image as its path has it; those without one are put into ``wrong``."""
        found: dict[str, str] = {}
        known = {path: self._known(path) for path in images}
        depths = {depth for parts in known.values() for depth, _ in parts}
        level = depths.pop() if len(depths) == 1 else 0 if not depths else -1  # of the folders that name the class
        for path in images:
            file, parents = self.root / path, path.split("/")[:-1]
            names = sorted({name for _, name in known[path]})
            if pattern is not None and "expression" in pattern.groupindex:
                match = pattern.search(path)
                label = (match["expression"] if match else None) or ""
                if not label:
                    what = f"subject={pattern.pattern!r} finds no expression in {path!r}"
                    wrong.add("expression", f"{file}: {what}; change the expression or the file name", [path])
                    continue
            elif len(names) > 1:
                wrong.add("two", f"{file} lies in folders of {' and '.join(names)}: move it to one of them", [path])
                continue
            elif names:
                label = next(parents[depth] for depth, _ in known[path])
            elif len(parents) > max(level, 0):
                label = parents[level]
            else:
                wrong.add("none", f"{file} lies in no folder that names its class: expected {_TREE}", [path])
                continue
            found[path] = label.strip()
        return found

    def _known(self, path: str) -> list[tuple[int, str]]:
        """Depth and expression of the folders of a path that are named after one, or after one of ``labels``."""
        parts = path.split("/")[:-1]
        named_so = [
            (depth, expression_of(part, self.labels) or (self.labels or {}).get(part))
            for depth, part in enumerate(parts)
        ]
        return [(depth, name) for depth, name in named_so if name]

    def _row(self, path: str, name: str, pattern: re.Pattern[str] | None, wrong: Problems) -> dict[str, object] | None:
        """What the path says of one image; None, and a problem, if that is not enough."""
        row: dict[str, object] = {"path": path, "expression": name}
        if pattern is None:
            return row
        match = pattern.search(path)
        groups = match.groupdict() if match else {}
        person = groups.get("subject") or (match.group(1 if pattern.groups == 1 else 0) if match else None)
        if not person:
            what = f"subject={pattern.pattern!r} finds no person in {path!r}"
            wrong.add("subject", f"{self.root / path}: {what}; change the expression or the file name", [path])
            return None
        row = {**groups, **row, "subject": f"{self.title}/{person}"}
        if groups.get("sequence") is not None:
            row["sequence"] = f"{self.title}/{person}/{groups['sequence']}"
        return row


def _compiled(subject: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(subject)
    except re.error as error:
        raise ValueError(f"subject={subject!r} is no regular expression: {error}") from None
    if pattern.groups and "subject" not in pattern.groupindex and (pattern.groups > 1 or pattern.groupindex):
        raise ValueError(f"subject={subject!r} has several groups: name the person's (?P<subject>...)")
    return pattern


def _columns(pattern: re.Pattern[str] | None) -> list[str]:
    if pattern is None:
        return ["path", "expression"]
    return ["path", "expression", "subject", *(name for name in pattern.groupindex if name not in _FIXED)]


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers where a whole column is numbers."""
    for name in table.columns.difference(["path", "expression", "subject", "sequence", "split"]):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (numbers.notna() | table[name].isna()).all():
            table[name] = numbers
    return table


build_table, load_folder = functions_of(Folder)
