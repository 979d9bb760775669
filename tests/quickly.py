"""Small runs without what takes most of their time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest
from PIL import Image


@contextmanager
def quickly(commit: str = "0123456789ab") -> Iterator[pytest.MonkeyPatch]:
    """Inside the block runs sweep no memory and ask git nothing (their commit is ``commit``); figures are empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferdis.evaluation.runner.draw", lambda *_: None)
        patch.setattr("matplotlib.figure.Figure.savefig", _empty)
        patch.setattr("gc.collect", lambda *_: 0)
        patch.setattr("ferdis.run_folder.git_commit", lambda: commit)
        yield patch


def _empty(figure: object, file: BinaryIO, **_: object) -> None:
    """In the place of a figure's ``savefig``: one pixel."""
    Image.new("RGB", (1, 1)).save(file, format="png")
