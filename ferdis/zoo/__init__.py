"""Trained weights that ship with ferdis, each with a card: what it is, who it was measured on, what it cannot do.

>>> from ferdis import zoo
>>> zoo.card("mtcnn")["licence"]
'MIT'

``weights="zoo:NAME"`` starts a network from them, ``ferdis.predict`` uses the recogniser, and ``ferdis models`` lists
them all. The files lie beside this module: weights as safetensors or ONNX, the card as JSON. No photograph was trained
on, apart from the face detector's, which is another author's.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ferdis._io import file_digest
from ferdis.messages import closest, quoted

__all__ = ["PREFIX", "card", "folder", "names", "path", "resolved"]

PREFIX = "zoo:"
"""What begins a name where a path could stand too: ``weights="zoo:NAME"``."""

_FOLDER = Path(__file__).parent
_ORDER = ("recogniser", "regressor", "trunk", "encoders", "embedder", "detector")


def names() -> list[str]:
    """Names of what there is: recognisers first, then what training starts from, then the face detector."""
    found = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(_FOLDER.glob("*.json"))}
    return sorted(found, key=lambda name: _ORDER.index(found[name]["kind"]))


@cache
def _card(name: str) -> dict[str, Any]:
    file = _FOLDER / f"{name}.json"
    if not name.replace("-", "").isalnum() or not file.is_file():
        near = closest(name, names())
        raise ValueError(f"the zoo has no {quoted(name)}{near or ':'} there are {', '.join(names())}")
    return json.loads(file.read_text("utf-8"))


def card(name: str) -> dict[str, Any]:
    """The card of one entry, as its training wrote it.

    Parameters
    ----------
    name : str
        With or without ``zoo:``.

    Returns
    -------
    dict
        ``name``, ``kind``, ``title``, ``files`` (bytes and SHA-256 by name), ``parameters``, ``input``,
        ``trained_on``, ``licence``, ``command``, ``figures``, ``limits`` and, where they apply, ``classes``,
        ``action_units``, ``fits``, ``temperature``; see ``docs/zoo.md``.

    Raises
    ------
    ValueError
        If there is no such entry; one line with the names that exist.
    """
    return json.loads(json.dumps(_card(name.removeprefix(PREFIX))))  # a copy: a caller may change it


def path(name: str, suffix: str = "safetensors") -> Path:
    """The file of an entry that ends with ``suffix``, checked against the digest on its card.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such entry, it has no such file, or the file is missing or was changed.
    """
    name = name.removeprefix(PREFIX)
    about = _card(name)
    if f"{name}.{suffix}" not in about["files"]:
        raise ValueError(f"zoo:{name} has no .{suffix} file: it is {', '.join(about['files'])}")
    return _checked(name, f"{name}.{suffix}")


def folder(name: str | Path) -> Path:
    """The folder of an entry that is a saved model, each file checked against the digest on its card.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`path`.
    """
    name = str(name).removeprefix(PREFIX)
    files = list(_card(name)["files"])
    if not all(file.startswith(f"{name}/") for file in files):
        raise ValueError(f"zoo:{name} is no saved model: it is {', '.join(files)}")
    for file in files:
        _checked(name, file)
    return _FOLDER / name


def resolved(weights: str | Path) -> Path:
    """The file that an argument ``weights`` names: a path, or ``zoo:NAME``.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`path`.
    """
    return path(weights) if str(weights).startswith(PREFIX) and isinstance(weights, str) else Path(weights)


def _checked(name: str, relative: str) -> Path:
    file = _FOLDER / relative
    if not file.is_file() or _digest(file) != _card(name)["files"][relative]["sha256"]:
        raise FileNotFoundError(f"{file} is missing or was changed since it was written: install ferdis again")
    return file


@cache
def _digest(file: Path) -> str:
    return file_digest(file)
