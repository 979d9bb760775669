"""A batch of heads in their scene: vertices, normals, pose, and what is fixed to the head."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from ferdis.datasets.facekit import compiled, geometry, shading
from ferdis.datasets.facekit.anatomy import Anatomy
from ferdis.datasets.facekit.identity import IDENTITY_NAMES, MODE_NAMES, REST_NAMES
from ferdis.datasets.facekit.raster import Fragments
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.synthetic.canvas import Columns, smooth

GAZE_DEGREES = 24.0  # of a gaze of 1
_FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))  # eyes, nose tip, mouth corners


@dataclass
class Posed:
    """A batch of heads in their scene."""

    identity: Tensor  # (n, P)
    scene_table: Tensor  # (n, S)
    p: Columns
    scene: Columns
    vertices: Tensor  # (n, V, 3), not turned
    normals: Tensor  # (n, V, 3), not turned
    matrix: Tensor  # (n, 3, 3)

    def lamp(self, name: str) -> Tensor:
        """(n, 3) towards ``light``, the first lamp, or ``second``."""
        angles = (self.scene_table[:, SCENE_NAMES.index(f"{name}_{angle}")] for angle in ("azimuth", "elevation"))
        return shading.light_vector(*angles)

    def pixels(self, pixel: Tensor, seen: Fragments) -> tuple[shading.PixelColumns, shading.PixelColumns]:
        """Identity and scene as pixels of the flattened batch see them."""
        image = torch.div(pixel, seen.depth.shape[1] * seen.depth.shape[2], rounding_mode="floor")
        return (
            shading.PixelColumns(self.identity, IDENTITY_NAMES, image),
            shading.PixelColumns(self.scene_table, SCENE_NAMES, image),
        )


def pose(
    anatomy: Anatomy, identity: Tensor, au_left: Tensor, au_right: Tensor, scene: Tensor, *, normals: bool = True
) -> Posed:
    """Vertices of the heads, and how they are turned; ``normals=False`` leaves the normals out."""
    p, view = Columns(identity, IDENTITY_NAMES), Columns(scene, SCENE_NAMES)
    modes, rest = identity[:, : len(MODE_NAMES)], identity[:, len(MODE_NAMES) : len(MODE_NAMES) + len(REST_NAMES)]
    gaze = torch.cat((view.gaze_x, view.gaze_y), 1)[..., 0]
    people, which = torch.unique(modes, dim=0, return_inverse=True)
    still = geometry.rest_positions(anatomy, people).index_select(0, which)
    vertices = geometry.move(anatomy, still, geometry.shape_weights(au_left, au_right, rest, gaze))
    outward = geometry.normals_of(anatomy, vertices) if normals else vertices[:, :0]
    turned = geometry.rotation(view.yaw[:, 0, 0], view.pitch[:, 0, 0], view.roll[:, 0, 0])
    return Posed(identity, scene, p, view, vertices, outward, turned)


def on_screen(posed: Posed, points: Tensor, size: int) -> Tensor:
    """Points (n, k, 3) of the heads as pixels and depth (n, k, 3)."""
    v = posed.scene
    if compiled.usable(points):
        view = torch.cat((v.scale * size / 128, v.shift_x, v.shift_y, v.distance), 1)[..., 0]
        face = (geometry.FACE_PLANE, geometry.FRAME_CENTRE_Y)
        return compiled.project(points, posed.matrix, geometry.PIVOT, view, face, size)
    shift = torch.cat((v.shift_x, v.shift_y), 1)[..., 0]
    return geometry.project(geometry.turn(points, posed.matrix), v.scale[:, 0, 0], shift, v.distance[:, 0, 0], size)


def landmarks_of(anatomy: Anatomy, posed: Posed, size: int) -> Tensor:
    """The five landmarks (n, 5, 2), pixels."""
    points = on_screen(posed, posed.vertices.index_select(1, anatomy.landmarks), size)[..., :2]
    return torch.stack([points[:, list(group)].mean(1) for group in _FIVE], 1)


@functools.lru_cache(maxsize=2)
def fixed_attributes(anatomy: Anatomy) -> Tensor:
    """Chart, direction in the eyeball and depth in the mouth of each vertex, (V, 6)."""
    template = anatomy.template
    nearest = anatomy.eyes[(template[:, 0] > 0).long()]
    direction = template - nearest
    direction = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-6)
    front = template[anatomy.landmarks[[61, 62, 63, 65, 66, 67]], 2].mean()
    behind = smooth(front - template[:, 2:3], 0.2, 4.5)
    return torch.cat((anatomy.chart, direction, behind), 1)


def gaze_of(scene: Columns) -> Tensor:
    """Unit direction (n, 3) in which the eyes look, in the head's own frame."""
    across, down = (torch.deg2rad(GAZE_DEGREES * v[:, 0, 0]) for v in (scene.gaze_x, scene.gaze_y))
    return torch.stack((across.sin() * down.cos(), -down.sin(), across.cos() * down.cos()), 1)
