"""Differences of an exported file from its system, in results and in accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ferdis.faces import Faces
from ferdis.onnx_model import OnnxModel

_SCORED = 2000  # labelled faces at most


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of the system and of the file on the same ``count`` faces, 0..1."""

    on: str
    count: int
    system: float
    file: float

    def __str__(self) -> str:
        change = 100 * (self.file - self.system)
        values = f"{100 * self.system:.2f} % by the system, {100 * self.file:.2f} % by the file"
        return f"{values} ({change:+.2f} points) on {self.count} faces of {self.on}"


@dataclass(frozen=True)
class Differences:
    """Differences of the file's results from the system's on ``count`` faces.

    Attributes
    ----------
    on : str
        Which faces.
    count : int
    largest, mean : float
        Absolute differences of probabilities, or of images in 0..1.
    same_class : float or None
        Share of faces with the same most probable class; None for images.
    accuracies : tuple of Accuracy
        Of a classifier with float16 or int8 weights.
    """

    on: str
    count: int
    largest: float
    mean: float
    same_class: float | None
    accuracies: tuple[Accuracy, ...] = field(default=())

    def __str__(self) -> str:
        text = f"largest difference from the system {self.largest:.2g}, mean {self.mean:.2g} on {self.count} {self.on}"
        if self.same_class is not None:
            text += f"; the same class on {100 * self.same_class:.1f} %"
        return "; accuracy: ".join([text, *map(str, self.accuracies)])


def differences(expected: np.ndarray, found: np.ndarray, on: str) -> Differences:
    """Compare results (n, ...) with those of the system."""
    gap = np.abs(found.astype(np.float64) - expected)
    same = float((found.argmax(1) == expected.argmax(1)).mean()) if expected.ndim == 2 else None
    return Differences(on, len(gap), float(gap.max()), float(gap.mean()), same)


def accuracies(system: Any, model: OnnxModel, labelled: Mapping[str, Faces | None]) -> tuple[Accuracy, ...]:
    """Accuracy of a classifier and of its file on labelled faces, by a name for each set; None is left out."""
    told = []
    for on, faces in labelled.items():
        if faces is None or not len(faces):
            continue
        some = spread(faces, _SCORED)
        before = system.predict(some)
        after = system.classes_[model(faces=some.pixels()).argmax(1)]
        right = [float((predicted == some.expression).mean()) for predicted in (before, after)]
        told.append(Accuracy(on, len(some), *right))
    return tuple(told)


def spread(faces: Faces, count: int) -> Faces:
    """At most ``count`` faces, evenly spread over the whole set."""
    return faces[np.unique(np.linspace(0, len(faces) - 1, min(count, len(faces))).astype(int))]
