"""Folders named after expressions, the person read from the path by a regular expression.

::

    root/
      anger/     anna_01.jpg  ben_02.jpg
      happiness/ anna_03.jpg  ...

with ``subject=r"(?P<subject>[a-z]+)_"``. The folder that names the expression may lie anywhere on the path
(``train/anna/happy/3.jpg``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ferdis.datasets.base import Cache, Dataset, Errors, functions_of
from ferdis.datasets.common import Problem, Problems, checked_root, is_image, keep_expressions
from ferdis.datasets.labels import chosen_expressions, closest_expression, expression_of
from ferdis.datasets.listing import walk_files
from ferdis.messages import named, quoted

_TREE = "root/{anger,contempt,disgust,fear,happiness,neutral,sadness,surprise}/*.jpg"
_FIXED = ("path", "expression", "subject")


class Folder(Dataset):
    r"""Images in folders named after expressions.

    Parameters
    ----------
    root : path
        The folder that holds the expression folders.
    subject : str
        Regular expression searched in each image's path relative to ``root`` (forward slashes). Its group
        ``subject`` (or its only group, or the whole match) is the person. Further named groups become
        columns; ``sequence`` and ``frame`` are the video's. Example:
        ``r"(?P<subject>S\d+)_(?P<sequence>\d+)_(?P<frame>\d+)"``.
    expressions : sequence of str, "six", "seven" or None
        Classes to keep; images of other classes are dropped and counted in a note. None keeps all.
    labels : mapping, optional
        Folder names to expression names, for example ``{"4": "happiness"}``.
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
        subject: str,
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
        keep = chosen_expressions(self.expressions)
        pattern = _compiled(self.subject)
        folder = checked_root(self.root, self.name)
        files = walk_files(folder)
        images = [path for path in files if is_image(path)]
        if not images:
            raise FileNotFoundError(f"{folder} holds no images: expected {_TREE}")
        wrong = Problems()
        rows = [row for path in images if (row := self._row(path, pattern, wrong)) is not None]
        wrong.settle(problems, f"folder --root {self.root}")
        notes: list[str] = []
        others = [path for path in files if not is_image(path)]
        if others:
            notes.append(f"files that are no images, left alone ({len(others)}): {named(others)}")
        table = _typed(pd.DataFrame(rows, columns=_columns(pattern)))
        if len(table) or problems is None:
            table = keep_expressions(table, keep, notes)
        return table, notes

    def _row(self, path: str, pattern: re.Pattern[str], wrong: Problems) -> dict[str, object] | None:
        """What the path says of one image; None, and a problem, if that is not enough."""
        file = self.root / path
        parents = path.split("/")[:-1]
        found = sorted({name for part in parents if (name := expression_of(part, self.labels))})
        if len(found) > 1:
            wrong.add("two", f"{file} lies in folders of {' and '.join(found)}: move it to one of them", [path])
            return None
        if not parents:
            wrong.add("none", f"{file} lies in no expression folder: expected {_TREE}", [path])
            return None
        if not found:
            name = parents[-1]
            what = f"folder {quoted(name)} is no expression; {closest_expression(name)}"
            wrong.add(f"folder {name}", f"{file}: {what} (rename it, or pass labels={{{name!r}: ...}})", [path])
            return None
        match = pattern.search(path)
        groups = match.groupdict() if match else {}
        person = groups.get("subject") or (match.group(1 if pattern.groups == 1 else 0) if match else None)
        if not person:
            what = f"subject={pattern.pattern!r} finds no person in {path!r}"
            wrong.add("subject", f"{file}: {what}; change the expression or the file name", [path])
            return None
        row: dict[str, object] = {**groups, "path": path, "expression": found[0], "subject": f"{self.title}/{person}"}
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


def _columns(pattern: re.Pattern[str]) -> list[str]:
    return ["path", "expression", "subject", *(name for name in pattern.groupindex if name not in _FIXED)]


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers where a whole column is numbers."""
    for name in table.columns.difference(["path", "expression", "subject", "sequence", "split"]):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (numbers.notna() | table[name].isna()).all():
            table[name] = numbers
    return table


build_table, load_folder = functions_of(Folder)
