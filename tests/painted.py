"""Faces whose two halves say all: the upper one who it is, the lower one with which expression.

And a system that knows it: its codes are the halves, its transfers are exact. Judges that read the halves, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ferdis.evaluators.judges import Judged
from ferdis.faces import Faces

CLASSES = ("anger", "fear", "happiness")
SIZE = 8


def painted(people: int = 6, each: int = 2, seed: int = 0, first: int = 0, noise: int = 6) -> Faces:
    """Faces of 8x8: rows 0..3 a grey level a person and column, rows 4..7 one an expression and column."""
    table = pd.DataFrame(
        [
            {"expression": name, "subject": f"t/P{person:02d}", "path": f"{person}/{name}-{number}"}
            for person in range(first, first + people)
            for name in CLASSES
            for number in range(each)
        ]
    )
    images = np.empty((len(table), SIZE, SIZE, 3))
    for row, (name, person) in enumerate(zip(table["expression"], table["subject"], strict=True)):
        images[row, :4] = _levels("person", int(person[3:]))[None, :, None]
        images[row, 4:] = _levels("expression", CLASSES.index(name))[None, :, None]
    images += np.random.default_rng(seed).normal(0, noise, images.shape)
    return Faces(images.clip(0, 255).astype(np.uint8), table, {"dataset": "painted"})


def _levels(what: str, number: int) -> np.ndarray:
    return np.random.default_rng([len(what), number]).uniform(40, 215, SIZE)


def composed(faces: Faces, references: Faces) -> Faces:
    """The exact counterpart: the faces' upper halves, the references' lower ones."""
    images = faces.pixels().copy()
    images[:, 4:] = references.pixels()[:, 4:]
    return Faces(images, faces.table.assign(expression=references.expression), faces.attrs)


def lower_halves(faces: Faces) -> dict[str, np.ndarray]:
    """Masks as the renderer gives them; the "mouth" is all of the lower half."""
    masks = {name: np.zeros((len(faces), SIZE, SIZE), bool) for name in ("eyes", "brows", "mouth", "nose")}
    masks["mouth"][:, 4:] = True
    masks["nose"][:, 3:5] = True
    return masks


class Painter:
    """A fitted system; ``lazy`` returns the face as it is, ``leak`` puts the person into the expression code."""

    def __init__(self, lazy: bool = False, leak: bool = False, collapsed: bool = False) -> None:
        self.lazy, self.leak, self.collapsed = lazy, leak, collapsed

    def transform(self, faces: Faces) -> np.ndarray:
        """(n, 8), or (n, 16) with the person."""
        pixels = faces.pixels().astype(float)
        if self.collapsed:
            return np.ones((len(faces), SIZE))
        rows = [pixels[:, 4:].mean(axis=(1, 3))] + ([pixels[:, :4].mean(axis=(1, 3))] if self.leak else [])
        return np.concatenate(rows, axis=1)

    def identity_code(self, faces: Faces) -> np.ndarray:
        """(n, 8)."""
        return faces.pixels()[:, :4].astype(float).mean(axis=(1, 3))

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """uint8 (n, 8, 8, 3)."""
        return (faces if self.lazy else composed(faces, references)).pixels()

    def predict(self, faces: Faces) -> np.ndarray:
        """The nearest expression, (n,) of str."""
        return _nearest(faces.pixels()[:, 4:], "expression", CLASSES)


class Features:
    """A fitted system with nothing but features: all pixels."""

    def transform(self, faces: Faces) -> np.ndarray:
        """(n, 16)."""
        return Painter(leak=True).transform(faces)


class PaintedJudge:
    """Both judges in one: reads the halves without error."""

    own = "all of 9 images of 3 people it never saw"

    def __init__(self, knows: tuple[str, ...] = ()) -> None:
        self.knows = knows

    def refuse_overlap(self, faces: Faces) -> None:
        """As the real ones."""
        if shared := set(faces.subject) & set(self.knows):
            raise ValueError(f"the judge was trained on {sorted(shared)[0]}")

    def agreement(self, pictures: np.ndarray, expression: np.ndarray) -> Judged:
        """As the real one."""
        return Judged(float((_nearest(pictures[:, 4:], "expression", CLASSES) == expression).mean()), self.own)

    def embed(self, pictures: Any) -> np.ndarray:
        """Upper halves about grey, of unit length."""
        flat = np.asarray(pictures)[:, :4].astype(float).mean(axis=(1, 3)) - 128
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def nearer(self, embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> Judged:
        """As the real one."""
        return Judged(float(((embeddings * first).sum(1) > (embeddings * second).sum(1)).mean()), self.own)


def _nearest(halves: np.ndarray, what: str, names: tuple[str, ...]) -> np.ndarray:
    levels = np.stack([_levels(what, k) for k in range(len(names))])
    code = halves.astype(float).mean(axis=(1, 3))
    return np.array(names)[np.abs(code[:, None] - levels).sum(axis=2).argmin(axis=1)]
