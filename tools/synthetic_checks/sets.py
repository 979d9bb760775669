"""The kinds of drawn people that the measurements can be taken of."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import ferdis
from ferdis.faces import Faces

SETS = ("synthetic", "facekit")


def draw(
    name: str, people: int, expressions: Any = 7, images: int = 4, size: int = 128, difficulty: str = "normal",
    seed: int = 0, **more: Any,
) -> Faces:  # fmt: skip
    """People of the set ``name``, drawn at every access."""
    asked = {"people": people, "expressions": expressions, "images_per_expression": images, "image_size": size}
    return ferdis.load(name, **asked, difficulty=difficulty, seed=seed, cache=False, **more)


def functions(name: str) -> ModuleType:
    """The module with ``with_action_units`` and ``region_masks`` of a set."""
    return importlib.import_module(f"ferdis.datasets.{name}.dataset")
