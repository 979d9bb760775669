"""The synthetic set as :class:`~ferdis.faces.Faces`: people whose factors are all known, rendered on demand.

What it shares with other rendered sets (rows, sequences, counterparts) is in :mod:`ferdis.datasets.rendered`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ferdis.datasets.rendered import (
    ASYMMETRY_COLUMNS,
    DIFFICULTIES,
    INDEPENDENT,
    LANDMARK_COLUMNS,
    RenderedPeople,
    Request,
    cache_folder,
    nearest_expression,
    write_images,
)
from ferdis.datasets.synthetic.lazy import Recipes, RenderedImages, landmarks_of, render_recipes
from ferdis.datasets.synthetic.scene import SCENE_NAMES, sample_scene
from ferdis.faces import Faces

__all__ = [
    "ASYMMETRY_COLUMNS", "DIFFICULTIES", "INDEPENDENT", "LANDMARK_COLUMNS", "counterpart", "load_synthetic",
    "nearest_expression", "region_masks", "with_action_units", "write_images",
]  # fmt: skip


def load_synthetic(
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
    """Render people with known identity, expression, action units, pose and light.

    Parameters
    ----------
    people : int
        Number of people.
    expressions : int, str or list of str
        6 (the basic ones), 7 (with neutral), 8 (with neutral and contempt), names (a list, or one string with commas),
        or ``"action_units"``: the 17 action units are sampled independently, ``images_per_expression`` images per
        person; the ``expression`` column then names the nearest prototype.
    images_per_expression : int
        Images, or sequences, of each person and expression.
    image_size : int
        Side in pixels, 32 to 512.
    difficulty : {"easy", "normal", "hard"}
        Spread of expressions, pose, light and camera.
    seed : int
        Seed of the population: the same seed gives the same people and the same pixels. Populations of different
        seeds share no people.
    first_person : int
        Number of the first person, so that one population gives disjoint sets: ``people=50`` and
        ``people=50, first_person=50``.
    sequences : bool
        Give image sequences from the resting face to the apex in one scene; columns ``sequence`` and
        ``frame`` (1 .. ``frames``). The first frame is labelled neutral, as is usual for CK+; neutral itself has
        no sequence.
    frames : int
        Frames per sequence, 2 or more.
    intensity : float, optional
        0..1, the strength of every expression; by default sampled per image.
    framing : {"drawn", "aligned"}
        Where faces lie: as drawn, each somewhat off the middle, or where
        :class:`~ferdis.preprocess.align.Aligner` would put a photograph of them: for a start of systems that are then
        trained on aligned photographs.
    cache : str or bool, optional
        Folder that keeps rendered images (None: ``$FERDIS_CACHE`` or ``~/.cache/ferdis``); False renders at every
        access.

    Returns
    -------
    Faces
        Columns ``expression``, ``subject`` (``synthetic/s0/P0003``), ``path`` (a stable id,
        ``synthetic/s0/P0003/normal/happiness-1``), ``AU01`` .. ``AU45`` (0..5, mean of both halves),
        ``AU01_asymmetry`` .. (the person's left minus right), ``asymmetry`` (the largest of these, absolute),
        ``intensity``, ``difficulty``, all of ``SCENE_NAMES`` (``yaw``, ``pitch``, ``roll`` in degrees, light,
        ...) and ``left_eye_x`` .. ``mouth_right_y`` (pixels; left in the image).

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it and the range.
    """
    request = Request(
        people, expressions, images_per_expression, image_size, difficulty, seed, first_person, sequences, frames,
        intensity, framing,
    )  # fmt: skip
    return PEOPLE.load(request, cache_folder(cache))


def counterpart(faces: Faces, expression_of: Faces) -> Faces:
    """Render ``faces`` with the expressions of other rows: same person, pose, light and camera.

    This is the exact ground truth of expression transfer (REL-GAN's ``x_tg``).

    Parameters
    ----------
    faces : Faces of n rows
        Rows of the synthetic set, of any size, subset or order; they give person and scene.
    expression_of : Faces of n rows, or of one
        They give the action units, row by row.

    Returns
    -------
    Faces of n rows
        Rendered on demand at the image size of ``faces``.

    Raises
    ------
    ValueError
        If the row counts differ or rows were not rendered by this renderer.
    """
    return PEOPLE.counterpart(faces, expression_of)


def with_action_units(faces: Faces, units: pd.DataFrame | np.ndarray) -> Faces:
    """Render ``faces`` with other action units: same person, pose, light and camera.

    This is the exact ground truth of editing by action units.

    Parameters
    ----------
    faces : Faces of n rows
        Rows of the synthetic set.
    units : DataFrame or ndarray (n, 17) or (17,)
        Action unit intensities 0..5 in the order of ``ferdis.faces.ACTION_UNITS``; both halves of the face get the
        same.

    Returns
    -------
    Faces of n rows
        ``expression`` names the nearest prototype.

    Raises
    ------
    ValueError
        If the shape does not fit, an intensity is outside 0..5, or rows were not rendered by this renderer.
    """
    return PEOPLE.with_action_units(faces, units)


def region_masks(faces: Faces) -> dict[str, np.ndarray]:
    """Masks of the face's regions: name (``eyes``, ``brows``, ``mouth``, ``nose``, ...) to (n, H, W) bool.

    Raises
    ------
    ValueError
        If rows were not rendered by this renderer.
    """
    return PEOPLE.region_masks(faces)


def _images(recipes: Recipes, size: int, folder: Path | None, model: str | None) -> RenderedImages:
    return RenderedImages(recipes, size, folder)


def _landmarks(recipes: Recipes, size: int, model: str | None) -> np.ndarray:
    return landmarks_of(recipes, size)


def _masks(recipes: Recipes, size: int, model: str | None) -> dict[str, np.ndarray]:
    parts = [drawn.masks for _, drawn in render_recipes(recipes, size, masks=True)]
    known = [part for part in parts if part]
    return {name: np.concatenate([np.asarray(part[name]) for part in known]) for name in known[0]} if known else {}


PEOPLE = RenderedPeople(
    name="synthetic", module=__name__, scene_names=SCENE_NAMES, sample_scene=sample_scene, images=_images,
    landmarks=_landmarks, masks=_masks,
    habit=((0.023, -0.016), (-0.023, -0.016), (0.0, -0.019)),
)  # fmt: skip
