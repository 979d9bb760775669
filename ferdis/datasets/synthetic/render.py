"""Render synthetic people: from identity, action units and scene to images with known landmarks and regions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import backdrop, expose, head_rotation, look, photograph, sample, to_pixels
from .canvas import Canvas, Columns
from .creases import fold_skin
from .eyes import draw_brows, draw_eyes, wear_glasses
from .geometry import Face, relief
from .hair import draw_head, hair_colour
from .identity import IDENTITY_NAMES
from .memory import keep_freed_memory
from .mouth import draw_mouth, draw_nostrils
from .scene import SCENE_NAMES
from .shading import shade
from .skin import grow_beard, paint_skin

REGIONS = ("eyes", "brows", "mouth", "nose", "cheeks", "chin", "forehead")
SMALLEST_SHEET = 96  # pixels: smaller images are rendered at twice the size and averaged
_CHUNK = 16  # faces rendered at a time: their layers fit the processor's cache


@dataclass
class Rendered:
    """A batch of images with their ground truth.

    Attributes
    ----------
    images
        (n, H, W, 3) uint8 RGB.
    landmarks
        (n, 5, 2) float32 pixels, x then y: eye at image left, eye at image right, nose tip, mouth corner at image
        left, mouth corner at image right; the order of MTCNN. The centre of pixel (0, 0) is (0.5, 0.5).
    masks
        For each name of `REGIONS` (n, H, W) bool, or None if not requested.
    """

    images: Tensor
    landmarks: Tensor
    masks: dict[str, Tensor] | None


def render(
    identity: Tensor, au_left: Tensor, au_right: Tensor, scene: Tensor, size: int = 128, *, masks: bool = False
) -> Rendered:
    """Render faces.

    Parameters
    ----------
    identity
        (n, P) rows of `sample_people`.
    au_left, au_right
        (n, 17) intensities 0..5 of the person's left and right half of the face, order `ferdis.faces.ACTION_UNITS`.
    scene
        (n, S) rows of `sample_scene`.
    size
        Side in pixels, at least 32.
    masks
        Whether to return the regions of the face too.

    Returns
    -------
    Rendered
        The same inputs give the same pixels, whatever the rest of the batch.

    Raises
    ------
    ValueError
        When a shape does not fit or ``size`` is below 32.
    """
    tables = (torch.as_tensor(v, dtype=torch.float32) for v in (identity, au_left, au_right, scene))
    identity, au_left, au_right, scene = tables
    _check(identity, au_left, au_right, scene, size)
    keep_freed_memory()
    parts = []
    for start in range(0, len(identity), _CHUNK):
        rows = slice(start, start + _CHUNK)
        parts.append(_render_chunk(identity[rows], au_left[rows], au_right[rows], scene[rows], size, masks))
    if not parts:
        empty = {name: torch.zeros(0, size, size, dtype=torch.bool) for name in REGIONS} if masks else None
        return Rendered(torch.zeros(0, size, size, 3, dtype=torch.uint8), torch.zeros(0, 5, 2), empty)
    regions = None
    if masks:
        regions = {name: torch.cat([part.masks[name] for part in parts if part.masks]) for name in REGIONS}
    return Rendered(torch.cat([p.images for p in parts]), torch.cat([p.landmarks for p in parts]), regions)


def _check(identity: Tensor, au_left: Tensor, au_right: Tensor, scene: Tensor, size: int) -> None:
    if size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size}")
    wanted = {"identity": len(IDENTITY_NAMES), "au_left": 17, "au_right": 17, "scene": len(SCENE_NAMES)}
    for (name, columns), table in zip(wanted.items(), (identity, au_left, au_right, scene), strict=True):
        if table.shape != (len(identity), columns):
            raise ValueError(f"{name} must be {(len(identity), columns)}, got {tuple(table.shape)}")


@torch.no_grad()
def _render_chunk(
    identity: Tensor, au_left: Tensor, au_right: Tensor, scene_values: Tensor, size: int, masks: bool
) -> Rendered:
    face, scene = Face(identity, au_left, au_right), Columns(scene_values, SCENE_NAMES)
    drawn_size = size if size >= SMALLEST_SHEET else 2 * size
    canvas = Canvas.blank(len(identity), drawn_size)
    cover = draw_person(canvas, face, scene)
    rotation = head_rotation(scene)
    lit = shade(canvas, scene, rotation)
    x, y = look(canvas.height, scene, rotation, drawn_size)
    person = sample(torch.cat((lit * cover.unsqueeze(1), cover.unsqueeze(1)), 1), x, y, "zeros")
    seeds = scene_values[:, SCENE_NAMES.index("noise_seed")].to(torch.int64).numpy()
    behind = backdrop(face, scene, drawn_size, seeds)
    image = person[:, :3] + (1 - person[:, 3:]) * behind
    image = expose(image, face, scene)
    if drawn_size != size:
        image = F.avg_pool2d(image, 2)
    images = photograph(image, scene, seeds)
    landmarks = to_pixels(landmark_points(canvas, face), scene, rotation, size)
    return Rendered(images, landmarks, _regions(face, x, y, size) if masks else None)


def draw_person(canvas: Canvas, face: Face, scene: Columns) -> Tensor:
    """Draw everything that turns with the head, from the inside out; return its coverage (n, H, W)."""
    hair = hair_colour(face)
    relief(canvas, face)
    paint_skin(canvas, face)
    fold_skin(canvas, face)
    draw_nostrils(canvas, face)
    grow_beard(canvas, face, hair)
    draw_mouth(canvas, face)
    draw_eyes(canvas, face, scene)
    draw_brows(canvas, face, hair_colour(face, grey=0.4))  # brows keep their colour longest
    cover = draw_head(canvas, face, hair)
    wear_glasses(canvas, face)
    return cover


def landmark_points(canvas: Canvas, face: Face) -> Tensor:
    """(n, 5, 3) cm: eye centres, nose tip, mouth corners, with the height of the relief there."""
    flat = lambda value: value.reshape(len(canvas.height), -1)  # noqa: E731
    eye_x, half = flat(face.eye_x), flat(face.mouth_half)
    corner_y = flat(face.mouth_y.unsqueeze(1) + face.corner_dy)
    zero = torch.zeros_like(eye_x)
    tip = flat(face.nose_tip_y)
    x = torch.cat((-eye_x, eye_x, zero, -half[:, :1], half[:, 1:]), 1)
    y = torch.cat((zero, zero, tip, corner_y), 1)
    z = sample(canvas.height[:, None], x[:, None], y[:, None])[:, 0, 0]
    return torch.stack((x, y, z), -1)


def _regions(face: Face, x: Tensor, y: Tensor, size: int) -> dict[str, Tensor]:
    """Regions of the face (n, size, size) bool from the position on the sheet that each pixel sees."""
    if x.shape[-1] != size:
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    p, across = face.p, x.abs()
    inside = across < p.face_width + 0.2
    mouth_top, mouth_bottom = p.mouth_y - 1.7, p.mouth_y + 2.0
    eyes = (y > -1.15) & (y < 1.3) & (across > 0.9) & (across < 6.3)
    mouth = (y > mouth_top) & (y < mouth_bottom) & (across < 4.3)
    nose = (across < 2.0 - 0.9 * (y < 2.2)) & (y > -1.0) & (y <= mouth_top)
    chin = (y >= mouth_bottom) & (y < face.chin_y + 0.3) & (across < 4.6)
    brows = (y <= -1.15) & (y > -3.6) & inside
    forehead = (y <= -3.6) & (y > p.hairline_y - 0.3) & inside
    cheeks = (y >= 1.3) & (y < p.mouth_y + 2.0) & inside & ~mouth & ~nose
    values = {"eyes": eyes, "brows": brows, "mouth": mouth, "nose": nose & ~eyes, "cheeks": cheeks, "chin": chin}
    return values | {"forehead": forehead}
