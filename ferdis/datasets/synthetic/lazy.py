"""Rendered pixels as an array-like: rendered when indexed, and optionally kept in the cache.

The pixels of a row are a pure function of that row (person, action units, scene, size), so an image can be rendered
again at any time and in any batch, and a cache can be filled in any order by any number of processes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ferdis.datasets.synthetic.camera import head_rotation, to_pixels
from ferdis.datasets.synthetic.canvas import Canvas, Columns
from ferdis.datasets.synthetic.geometry import Face, relief
from ferdis.datasets.synthetic.identity import sample_people
from ferdis.datasets.synthetic.render import Rendered, landmark_points, render
from ferdis.datasets.synthetic.scene import SCENE_NAMES
from ferdis.preprocess.image_store import ImageStore, Made, StoredImages, key_of
from ferdis.preprocess.threads import each_on_one_thread

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")  # MTCNN's order: left in the image
CHUNK = 16  # images rendered at a time: the working set stays in a core's cache, and memory is bounded
_RELIEFS, _RELIEF_SIZE = 64, 48  # the relief is smooth: a coarse grid places a point within 0.1 mm
_NOT_RENDERER = ("__init__", "dataset", "lazy")


@dataclass(frozen=True)
class Recipes:
    """Everything that determines the pixels of n images.

    Attributes
    ----------
    seed, person : ndarray (n,) of int
        The population's seed and the person's number in it.
    au_left, au_right : ndarray (n, 17), float32, 0..5
        Action units of the person's own left and right half, in the order of ``ferdis.faces.ACTION_UNITS``.
    scene : ndarray (n, S), float32
        Pose, light, background and camera, in the order of ``SCENE_NAMES``.
    """

    seed: np.ndarray
    person: np.ndarray
    au_left: np.ndarray
    au_right: np.ndarray
    scene: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: np.ndarray) -> Recipes:
        """The recipes of some rows."""
        return Recipes(self.seed[rows], self.person[rows], self.au_left[rows], self.au_right[rows], self.scene[rows])

    def digest(self) -> str:
        """SHA-256 (hex) of all values."""
        sha = hashlib.sha256()
        for values in (self.seed, self.person, self.au_left, self.au_right, self.scene):
            sha.update(np.ascontiguousarray(values).tobytes())
        return sha.hexdigest()

    def identities(self) -> torch.Tensor:
        """Identity parameters of each row's person, (n, P) float32."""
        people, which = np.unique(np.stack([self.seed, self.person], axis=1), axis=0, return_inverse=True)
        parts = [sample_people(people[people[:, 0] == seed, 1].tolist(), int(seed)) for seed in np.unique(people[:, 0])]
        return torch.cat(parts or [sample_people([], 0)])[torch.from_numpy(which.reshape(-1))]


def render_recipes(recipes: Recipes, size: int, *, masks: bool = False) -> Iterator[tuple[slice, Rendered]]:
    """Render images in chunks of :data:`CHUNK` rows; yields the rows and their ``Rendered``, in order.

    Chunks are distributed over as many threads as torch has, each computing single-threaded: threads within an
    operation would wait for each other at each of the many small operations of an image.
    """
    identity = recipes.identities()
    left, right, scene = (_tensor(values) for values in (recipes.au_left, recipes.au_right, recipes.scene))
    chunks = [slice(start, min(start + CHUNK, len(recipes))) for start in range(0, len(recipes), CHUNK)]

    def draw(rows: slice) -> tuple[slice, Rendered]:
        return rows, render(identity[rows], left[rows], right[rows], scene[rows], size, masks=masks)

    yield from each_on_one_thread(draw, chunks)


class RenderedImages(StoredImages):
    """Array-like of shape (n, size, size, 3), uint8, whose images are rendered on demand.

    Parameters
    ----------
    recipes : Recipes
        One per image.
    size : int
        Side in pixels.
    folder : Path, optional
        Cache directory where rendered images are kept, so that each is rendered once; None renders at every access.
    """

    name = "synthetic"
    """What the store's folder begins with."""

    def __init__(self, recipes: Recipes, size: int, folder: Path | None = None) -> None:
        super().__init__(len(recipes), size)
        self.recipes, self.size, self.folder = recipes, size, folder

    def store(self) -> ImageStore | None:
        """Where the images of this renderer and size are kept."""
        about = {"renderer": self.renderer()}
        return None if self.folder is None else ImageStore(self.folder, self.name, self.size, about)

    def keys(self) -> list[bytes]:
        """A key for each row of this set: in another set it is drawn beside others, which decides its last bits."""
        recipes = self.recipes.digest()
        return [key_of(recipes, row) for row in range(len(self))]

    def make(self, rows: np.ndarray) -> Iterator[Made]:
        """Render rows (m,); for the cache the chunks of the set that they lie in, so that no order decides a bit."""
        if self.folder is None:
            for chunk, drawn in self.chunks(self.recipes.take(rows)):
                yield Made(rows[chunk], _pixels(drawn), [b""] * len(_pixels(drawn)))
            return
        starts = np.unique(rows // CHUNK) * CHUNK
        chunks = [np.arange(start, min(start + CHUNK, len(self))) for start in starts.tolist()]

        def draw(chunk: np.ndarray) -> Made:
            images = np.concatenate([_pixels(drawn) for _, drawn in self.chunks(self.recipes.take(chunk))])
            return Made(chunk, images, [b""] * len(chunk))

        yield from each_on_one_thread(draw, chunks)

    def chunks(self, recipes: Recipes) -> Iterator[tuple[slice, Any]]:
        """Render images: rows and an object with their ``images``, in order. Another renderer overrides this."""
        return render_recipes(recipes, self.size)

    def renderer(self) -> str:
        """Identifies the renderer: images cached by another are never used."""
        return renderer_digest()


@torch.no_grad()
def landmarks_of(recipes: Recipes, size: int) -> np.ndarray:
    """The five landmarks of each image, (n, 5, 2) float32 pixels, from the relief alone, without rendering."""
    identity = recipes.identities()
    out = np.empty((len(recipes), len(LANDMARKS), 2), np.float32)
    for start in range(0, len(recipes), _RELIEFS):
        rows = slice(start, min(start + _RELIEFS, len(recipes)))
        face = Face(identity[rows], _tensor(recipes.au_left[rows]), _tensor(recipes.au_right[rows]))
        scene = Columns(_tensor(recipes.scene[rows]), SCENE_NAMES)
        canvas = Canvas.blank(rows.stop - rows.start, _RELIEF_SIZE)
        relief(canvas, face)
        out[rows] = to_pixels(landmark_points(canvas, face), scene, head_rotation(scene), size).numpy()
    return out


@functools.cache
def renderer_digest() -> str:
    """SHA-256 (hex) of the renderer's source: images cached by another version are never used."""
    here = Path(__file__).parent
    sha = hashlib.sha256()
    for name in sorted(path.name for path in here.glob("*.py") if path.stem not in _NOT_RENDERER):
        sha.update((here / name).read_bytes())
    return sha.hexdigest()


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))  # a copy: the source may be read-only


def _pixels(drawn: Any) -> np.ndarray:
    return np.asarray(drawn.images)
