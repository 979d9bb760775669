"""``load("facekit")``: people from measured faces, whose every factor is known, drawn on demand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ferdis.datasets.facekit.expression import sample_expression
from ferdis.datasets.facekit.lazy import FacekitImages, landmarks, render_recipes
from ferdis.datasets.facekit.model import register_model
from ferdis.datasets.facekit.scene import SCENE_NAMES, sample_scene
from ferdis.datasets.rendered import RenderedPeople, Request, cache_folder
from ferdis.datasets.synthetic.lazy import Recipes
from ferdis.faces import Faces


def load_facekit(
    root: str | Path | None = None,
    people: int = 40,
    expressions: int | str | list[str] = 7,
    images_per_expression: int = 4,
    image_size: int = 128,
    difficulty: str = "normal",
    seed: int = 0,
    *,
    first_person: int = 0,
    sequences: bool = False,
    frames: int = 6,
    intensity: float | None = None,
    framing: str = "drawn",
    cache: bool | str | None = None,
) -> Faces:
    """Draw people from ICT-FaceKit's scans with known identity, expression, action units, pose and light.

    Parameters
    ----------
    root : path, optional
        A checkout of github.com/ICT-VGL/ICT-FaceKit (MIT licence; its ``FaceXModel/`` is converted once into the
        cache), or a folder with ``facekit.npz``. By default ``$FERDIS_FACEKIT``.
    people : int
        Number of persons.
    expressions : int, str or list of str
        6 (the basic ones), 7 (and neutral), 8 (and contempt), names (a list, or one string with commas), or
        ``"action_units"``: each of the 17 units on its own, ``images_per_expression`` images per person.
    images_per_expression : int
        Images, or sequences, of each person and expression.
    image_size : int
        Side in pixels, 32 to 512.
    difficulty : {"easy", "normal", "hard"}
        Spread of expressions, pose, light and camera.
    seed : int
        Names a population: the same seed gives the same people and the same pixels. Other seeds share nobody.
    first_person : int
        Number of the first person, so that one population gives disjoint sets.
    sequences : bool
        Give image sequences from the resting face to the apex in one scene; columns ``sequence`` and ``frame``.
    frames : int
        Frames of a sequence, 2 or more.
    intensity : float, optional
        0..1, the strength of every expression; by default drawn for each image.
    framing : {"drawn", "aligned"}
        Where faces lie: as drawn, each somewhat off the middle, or where
        :class:`~ferdis.preprocess.align.Aligner` would put a photograph of them: for a start of systems that are then
        trained on aligned photographs.
    cache : str or bool, optional
        Folder that keeps drawn images (None: ``$FERDIS_CACHE`` or ``~/.cache/ferdis``); False draws at every access.

    Returns
    -------
    Faces
        The columns of :func:`ferdis.datasets.synthetic.dataset.load_synthetic`, subjects ``facekit/s0/P0003``, the
        further columns of ``SCENE_NAMES``, and ``model``, the first digits of the face model's digest.

    Raises
    ------
    FileNotFoundError
        If the face model is not there.
    ValueError
        If the model is broken or of another topology, or an argument is out of its range.
    """
    request = Request(
        people, expressions, images_per_expression, image_size, difficulty, seed, first_person, sequences, frames,
        intensity, framing,
    )  # fmt: skip
    request.names()  # a wrong argument is said before a large model is read
    return PEOPLE.load(request, cache_folder(cache), register_model(root))


def counterpart(faces: Faces, expression_of: Faces) -> Faces:
    """Give each person the expression of another row: same person, pose, light and camera.

    Parameters, returns and errors are those of :func:`ferdis.datasets.synthetic.dataset.counterpart`.
    """
    return PEOPLE.counterpart(faces, expression_of)


def with_action_units(faces: Faces, units: pd.DataFrame | np.ndarray) -> Faces:
    """Give each face other action units: same person, pose, light and camera.

    Parameters, returns and errors are those of :func:`ferdis.datasets.synthetic.dataset.with_action_units`.
    """
    return PEOPLE.with_action_units(faces, units)


def region_masks(faces: Faces) -> dict[str, np.ndarray]:
    """Masks of the face's regions: name (``eyes``, ``brows``, ``mouth``, ``nose``, ...) to (n, H, W) bool.

    Raises
    ------
    ValueError
        If rows were not drawn by this renderer.
    """
    return PEOPLE.region_masks(faces)


def _masks(recipes: Recipes, size: int, model: str | None) -> dict[str, np.ndarray]:
    parts = [drawn.masks for _, drawn in render_recipes(recipes, size, model, masks=True)]
    known = [part for part in parts if part]
    return {name: np.concatenate([np.asarray(part[name]) for part in known]) for name in known[0]} if known else {}


PEOPLE = RenderedPeople(
    name="facekit", module=__name__, scene_names=SCENE_NAMES, sample_scene=sample_scene, images=FacekitImages,
    landmarks=landmarks, masks=_masks, sample_expression=sample_expression,
    habit=((0.006, -0.003), (-0.006, -0.003), (0.0, 0.056)),
)  # fmt: skip
