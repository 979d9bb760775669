"""Pixels of people from the face model, drawn when indexed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit import compiled
from ferdis.datasets.facekit.anatomy import Anatomy, anatomy_of, landmarks_only
from ferdis.datasets.facekit.identity import sample_people
from ferdis.datasets.facekit.model import named_model, place_of, register_model
from ferdis.datasets.facekit.posed import landmarks_of, pose
from ferdis.datasets.facekit.render import Rendered, render
from ferdis.datasets.synthetic.lazy import Recipes, RenderedImages
from ferdis.datasets.synthetic.lazy import renderer_digest as drawn_renderer_digest
from ferdis.preprocess.threads import each_on_one_thread

CHUNK = 8  # images drawn at a time on a processor: their layers stay near its cache, and memory stays flat
_DEVICE_CHUNK = 64
_NOT_RENDERER = ("__init__", "dataset", "lazy", "model", "expression")


class FacekitImages(RenderedImages):
    """Array-like (n, size, size, 3), uint8, of people from the face model of that name; takes its place along."""

    name = "facekit"

    def __init__(self, recipes: Recipes, size: int, folder: Path | None, model: str | None) -> None:
        super().__init__(recipes, size, folder)
        self.model, self.place = model, place_of(model)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        register_model(self.place)  # so that a worker finds it by name

    def chunks(self, recipes: Recipes) -> Iterator[tuple[slice, Rendered]]:
        """Draw images in chunks; rows and their ``Rendered``, in order."""
        return render_recipes(recipes, self.size, self.model)

    def renderer(self) -> str:
        """Names the renderer's source, what compiles it, and the model."""
        by = "numba" if compiled.available() else "torch"  # they agree within a grey level, not in the last bit
        return f"{renderer_digest()} {by} {named_model(self.model).digest}"


def render_recipes(
    recipes: Recipes, size: int, model: str | None, *, masks: bool = False, device: str = "cpu"
) -> Iterator[tuple[slice, Rendered]]:
    """Draw images in chunks; yields the rows and their ``Rendered``, in order."""
    anatomy = _anatomy(model, device)
    left, right, scene = (_tensor(values) for values in (recipes.au_left, recipes.au_right, recipes.scene))
    step = CHUNK if device == "cpu" else _DEVICE_CHUNK
    chunks = [slice(start, min(start + step, len(recipes))) for start in range(0, len(recipes), step)]

    def draw(rows: slice) -> tuple[slice, Rendered]:
        identity = _identities(recipes, rows, anatomy)
        return rows, render(anatomy, identity, left[rows], right[rows], scene[rows], size, masks=masks)

    yield from each_on_one_thread(draw, chunks) if device == "cpu" else map(draw, chunks)


@torch.no_grad()
def landmarks(recipes: Recipes, size: int, model: str | None) -> np.ndarray:
    """The five landmarks of each image, (n, 5, 2) float32 pixels: nothing is drawn, only landmarks are moved."""
    whole = _anatomy(model, "cpu")
    anatomy = landmarks_only(whole)
    left, right, scene = (_tensor(values) for values in (recipes.au_left, recipes.au_right, recipes.scene))
    out = np.empty((len(recipes), 5, 2), np.float32)
    for start in range(0, len(recipes), _DEVICE_CHUNK):
        rows = slice(start, min(start + _DEVICE_CHUNK, len(recipes)))
        identity = _identities(recipes, rows, whole)
        posed = pose(anatomy, identity, left[rows], right[rows], scene[rows], normals=False)
        out[rows] = landmarks_of(anatomy, posed, size).numpy()
    return out


@functools.cache
def renderer_digest() -> str:
    """SHA-256 (hex) of the renderer's source, what it takes from the drawn people's included."""
    sha = hashlib.sha256(drawn_renderer_digest().encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        if path.stem not in _NOT_RENDERER:
            sha.update(path.read_bytes())
    return sha.hexdigest()


def _anatomy(model: str | None, device: str) -> Anatomy:
    anatomy = anatomy_of(named_model(model))
    return anatomy if device == "cpu" else anatomy.to(device)


def _identities(recipes: Recipes, rows: slice, anatomy: Anatomy) -> Tensor:
    """Identity parameters (n, P) of some rows' people."""
    return torch.stack(
        [_person(anatomy, int(seed), int(k)) for seed, k in zip(recipes.seed[rows], recipes.person[rows], strict=True)]
    )


@functools.lru_cache(maxsize=1024)
def _person(anatomy: Anatomy, seed: int, number: int) -> Tensor:
    return sample_people(anatomy, [number], seed)[0]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))
