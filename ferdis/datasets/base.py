"""What every data set on disk is: a class whose constructor stores its arguments, a table, and faces.

>>> from ferdis.datasets.jaffe import JAFFE
>>> jaffe = JAFFE("/data/jaffe", expressions=6)  # nothing is read yet
>>> table, notes = jaffe.table()                 # names and labels, no pixels                  # doctest: +SKIP
>>> faces = jaffe.load()                         # the same rows with their images              # doctest: +SKIP
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pandas as pd

from ferdis.datasets.common import Problem
from ferdis.faces import Faces

if TYPE_CHECKING:
    from ferdis.preprocess.align import Preprocessor

Cache = bool | str | Path | None  # bool first: the command line reads "false" as the first type that it fits
"""A folder, None or True for the default one, False for none."""

Errors = Literal["raise", "skip"]
"""What to do about images that cannot be read."""


class Dataset(ABC):
    """One copy of a data set on disk.

    A data set is one subclass in one file, and one line of :data:`ferdis.datasets.REGISTRY`. Its constructor stores
    its arguments and reads nothing; the command line takes its options and their help from the constructor's
    signature and from the class's docstring, as they stand.

    Parameters
    ----------
    root : path
        The folder that holds the set.
    image_size : int
        Side of the square faces, pixels.
    align : bool
        Align on eye centres and nose tip; False takes the images as they are (centre square, resized).
    cache : path, bool or None
        Folder of decoded faces, None for the default one, False for none.
    device : str
        Where faces are detected.
    errors : "raise" or "skip"
        What to do about images that cannot be read: an error that names them, or go on without them, named.
    progress : bool
        Show progress and print what was dropped.
    """

    name: ClassVar[str]
    """The registry's name."""

    def __init__(
        self,
        root: str | Path,
        *,
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
    ) -> None:
        self.root = Path(root).expanduser()
        self.image_size = image_size
        self.align = align
        self.cache = cache
        self.device = device
        self.errors = errors
        self.progress = progress

    @property
    def title(self) -> str:
        """What ``faces.attrs["dataset"]`` and printed notes call this copy."""
        return self.name

    @abstractmethod
    def table(self, problems: list[Problem] | None = None) -> tuple[pd.DataFrame, list[str]]:
        """Names and labels of all images; no pixels are read.

        Parameters
        ----------
        problems : list, optional
            What is wrong with single files or rows is put there and the row left out, instead of raised.

        Returns
        -------
        table : DataFrame
            One row per image; ``path`` is relative to the root.
        notes : list of str
            What was dropped, not found, or counted differently from the publication.

        Raises
        ------
        FileNotFoundError
            If the folder is missing or empty, or holds no such data set.
        ValueError
            If a label has no name, an image is there twice, or an argument is wrong. The message names it.
        """

    def load(self) -> Faces:
        """The rows of :meth:`table` with their images, which are read when they are asked for.

        Raises
        ------
        FileNotFoundError, ValueError
            As :meth:`table`; and if images cannot be read (``errors="raise"``) or the cache cannot be written.
        """
        return self.prepared(*self.table(), align=self.align)

    def prepared(self, table: pd.DataFrame, notes: Sequence[str], *, align: bool | Preprocessor) -> Faces:
        """Faces of a table, by :func:`ferdis.preprocess.prepare`.

        Parameters
        ----------
        table : DataFrame
            One row per image, ``path`` relative to the root.
        notes : sequence of str
            Printed to stderr, one line each, unless ``progress`` is off, and kept in ``faces.attrs["notes"]``.
        align : bool or Preprocessor
        """
        from ferdis.preprocess import prepare

        self.say(notes)
        faces = prepare(
            [self.root / path for path in table["path"]],
            table,
            image_size=self.image_size,
            align=align,
            cache=self.cache,
            device=self.device,
            errors=self.errors,
            progress=self.progress,
        )
        attrs: dict[str, Any] = {**faces.attrs, "dataset": self.title}
        attrs["notes"] = [*notes, *faces.attrs.get("notes", [])]
        return Faces(faces.images, faces.table, attrs)

    def say(self, notes: Sequence[str]) -> None:
        """Print notes to stderr, unless ``progress`` is off."""
        for note in notes if self.progress else ():
            print(f"{self.title}: {note}", file=sys.stderr)


def functions_of(dataset: type[Dataset]) -> tuple[Callable[..., tuple[pd.DataFrame, list[str]]], Callable[..., Faces]]:
    """``build_table(root, ...)`` and ``load_NAME(root, ...)``, the two functions that a data set was before.

    They go on working; new code writes ``JAFFE(root, ...).table()`` and ``.load()``.
    """

    def build_table(
        root: str | Path, *, problems: list[Problem] | None = None, **arguments: Any
    ) -> tuple[pd.DataFrame, list[str]]:
        return dataset(root, **arguments).table(problems)

    def load(root: str | Path, **arguments: Any) -> Faces:
        return dataset(root, **arguments).load()

    return build_table, load
