"""From parsed arguments to faces, estimators and protocols."""

from __future__ import annotations

import importlib
from typing import Any

from ferdis.cli.arguments import UsageError
from ferdis.cli.parsers import faces_parameters


def build_estimator(cls: type, arguments: dict[str, Any]) -> Any:
    """A system from its parsed arguments; where its constructor takes faces, they are loaded."""
    for name in faces_parameters(cls):
        if arguments.get(name) is not None:
            arguments[name] = build_faces(arguments[name])
    return cls(**arguments)


def build_faces(given: dict[str, Any] | list[dict[str, Any]]) -> Any:
    """Faces of one or several ``{name: DATASET, ...}``."""
    from ferdis.datasets import load
    from ferdis.faces import Faces

    given = [given] if isinstance(given, dict) else given
    for item in given:
        if "name" not in item:
            raise UsageError(f"{item} does not say which data set: it needs a name, as in {{name: ckplus, root: DIR}}")
    return Faces.concat([load(item["name"], **without_name(item)) for item in given])


def without_name(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a loader or protocol, without the name that chose it."""
    return {key: value for key, value in arguments.items() if key != "name"}


def imported(name: str) -> Any:
    """What ``"package.module:name"`` names."""
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)
