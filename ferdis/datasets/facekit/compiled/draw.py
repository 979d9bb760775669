"""Head, hair and glasses in their light, by compiled loops: what ``layers.draw`` gives."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit import shading
from ferdis.datasets.facekit.anatomy import (
    CHART_WIDTH,
    EYE,
    EYE_SOCKET,
    GUMS,
    HEAD,
    LASH,
    MOUTH,
    SKIN,
    TEETH,
    Anatomy,
)
from ferdis.datasets.facekit.compiled import array, loops
from ferdis.datasets.facekit.folds import CHART_SIZE, fold_strengths, relief_cells
from ferdis.datasets.facekit.hair import hair_layer, hair_mesh
from ferdis.datasets.facekit.identity import IDENTITY_NAMES
from ferdis.datasets.facekit.layers import SUNK
from ferdis.datasets.facekit.posed import Posed, fixed_attributes, gaze_of, on_screen
from ferdis.datasets.facekit.raster import Fragments, rasterise
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.facekit.skin import brow_colour, hair_colour, lip_colour, skin_maps, skin_noise, skin_tone
from ferdis.datasets.synthetic.canvas import Columns


def draw_compiled(
    anatomy: Anatomy, posed: Posed, units: tuple[Tensor, Tensor], head: Fragments, background: Tensor
) -> Tensor:
    """Heads before a background, in linear light; parameters and returns are those of ``layers.draw``."""
    lit, p = loops("light"), posed.p
    matrix, person = array(posed.matrix), _columns(posed.identity, IDENTITY_NAMES, lit.PERSON)
    hair = array(hair_colour(p)[..., 0, 0])
    worn, front = _wear(anatomy, posed, head, matrix, hair, person)
    sky, arrives = _surroundings(posed, front)
    people, which = torch.unique(posed.identity, dim=0, return_inverse=True)
    skin = painted(anatomy, people)
    strengths = fold_strengths(*units, p.wrinkles[:, 0], p.fold_depth[:, 0])
    out = background.contiguous()
    lit.light(
        array(head.triangle), array(head.weights), worn, sky, arrives, array(anatomy.triangles),
        array(anatomy.triangle_part), (SKIN, HEAD, MOUTH, EYE_SOCKET, GUMS, TEETH, EYE, LASH), array(posed.normals),
        array(fixed_attributes(anatomy)), matrix, CHART_WIDTH, skin, array(which), *relief_cells(),
        array(strengths), array(skin_tone(p)[..., 0, 0]), hair, array(gaze_of(posed.scene)), shading.IRIS, person,
        _columns(posed.scene_table, SCENE_NAMES, lit.SCENE), _lamps(posed), out.numpy(),
    )  # fmt: skip
    return out


def _wear(
    anatomy: Anatomy, posed: Posed, head: Fragments, matrix: np.ndarray, hair: np.ndarray, person: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hair and glasses at each pixel, and the depth (n, H, W) of what is in front."""
    positions, attributes, shown = hair_layer(anatomy, posed.vertices, posed.normals, posed.p)
    mesh, size = hair_mesh(anatomy), head.depth.shape[-1]
    sides = torch.ones(len(mesh.triangles), dtype=torch.bool)
    seen = rasterise(on_screen(posed, positions, size), mesh.triangles, size, sides, shown)
    front = np.empty(head.depth.shape, np.float32)
    worn = np.empty((*head.depth.shape, loops("light").WORN), np.float32)
    loops("light").wear(
        array(seen.triangle), array(seen.weights), array(seen.depth), array(head.depth), SUNK, array(mesh.triangles),
        array(attributes), matrix, hair, person, worn, front,
    )  # fmt: skip
    return worn, front


def painted(anatomy: Anatomy, people: Tensor) -> np.ndarray:
    """Albedo and gloss of people's skin on the chart, (k, A, A, 4)."""
    p = Columns(people, IDENTITY_NAMES)
    out = np.empty((len(people), CHART_SIZE * CHART_SIZE, 4), np.float32)
    colours = (array(colour(p)[..., 0, 0]) for colour in (skin_tone, hair_colour, brow_colour, lip_colour))
    loops("paint").paint(
        _maps(anatomy), *(array(noise.flatten(1)) for noise in skin_noise(p)),
        _columns(people, IDENTITY_NAMES, loops("paint").PERSON), *colours, out,
    )  # fmt: skip
    return out.reshape(-1, CHART_SIZE, CHART_SIZE, 4)


@functools.lru_cache(maxsize=2)
def _maps(anatomy: Anatomy) -> np.ndarray:
    """The chart's maps, (M, A A)."""
    maps = skin_maps(anatomy)
    return array(torch.stack([getattr(maps, name).flatten() for name in loops("paint").MAPS]))


def _surroundings(posed: Posed, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the sky and of the first lamp that each pixel of half-size maps sees."""
    count, size, _ = front.shape
    small = np.empty((count, size // 2, size // 2), np.float32)
    loops("mesh").halve(front, shading.FAR_BACK, small)
    sky = shading.occlusion(torch.from_numpy(small)).numpy()
    steps = shading.shadow_steps(posed.lamp("light"), posed.scene.scale[:, 0, 0] * size / 256, size // 2)
    offsets = np.array([[step[:2] for step in image] for image in steps])
    rises = np.array([[step[2] for step in image] for image in steps], np.float32)
    arrives = np.empty_like(small)
    softness = array(posed.scene.softness[:, 0, 0])
    loops("mesh").shadow(small, offsets, rises, shading.FAR_BACK, softness, arrives)
    return sky, arrives


def _lamps(posed: Posed) -> np.ndarray:
    """(n, 4, 3): towards both lamps, and half-way from each to the camera."""
    towards = torch.stack((posed.lamp("light"), posed.lamp("second")), 1)
    half = towards + towards.new_tensor((0.0, 0.0, 1.0))
    return array(torch.cat((towards, half / half.norm(dim=-1, keepdim=True).clamp(min=1e-4)), 1))


def _columns(table: Tensor, names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    return array(table[:, [names.index(name) for name in wanted]])
