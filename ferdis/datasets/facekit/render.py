"""Render people from the face model: identity, action units and scene to photographs with landmarks and regions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ferdis.datasets.facekit import geometry, shading
from ferdis.datasets.facekit.anatomy import EYE, GUMS, LASH, MOUTH, SKIN, TEETH, Anatomy
from ferdis.datasets.facekit.folds import fold_strengths, relief_of
from ferdis.datasets.facekit.hair import hair_layer, hair_mesh
from ferdis.datasets.facekit.identity import IDENTITY_NAMES, MODE_NAMES, REST_NAMES
from ferdis.datasets.facekit.raster import Fragments, rasterise
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.facekit.skin import hair_colour, paint_skin, skin_tone
from ferdis.datasets.facekit.surfaces import Surface, head_surface, interpolated, worn_surface
from ferdis.datasets.synthetic.camera import photograph
from ferdis.datasets.synthetic.canvas import Columns, mix, smooth
from ferdis.datasets.synthetic.memory import keep_freed_memory

OVERSAMPLED = 1.5  # pixels are drawn this much finer and averaged
_SUNK = 0.35  # cm that hair may lie under the skin and still be seen
GAZE_DEGREES = 24.0  # of a gaze of 1
REGIONS = ("eyes", "brows", "mouth", "nose", "cheeks", "chin", "forehead")
_FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))  # eyes, nose tip, mouth corners


@dataclass
class Rendered:
    """A batch of images and what is known about them.

    Attributes
    ----------
    images : Tensor (n, H, W, 3), uint8
    landmarks : Tensor (n, 5, 2)
        Pixels, in MTCNN's order: eye at image left, at image right, nose tip, mouth corner at image left, at right.
    masks : dict of str to Tensor (n, H, W), bool, or None
        By name of `REGIONS`.
    """

    images: Tensor
    landmarks: Tensor
    masks: dict[str, Tensor] | None


@dataclass
class _Posed:
    """A batch of heads in their scene."""

    identity: Tensor  # (n, P)
    scene_table: Tensor  # (n, S)
    p: Columns
    scene: Columns
    vertices: Tensor  # (n, V, 3), not turned
    normals: Tensor  # (n, V, 3), not turned
    matrix: Tensor  # (n, 3, 3)

    def pixels(self, pixel: Tensor, seen: Fragments) -> tuple[shading.PixelColumns, shading.PixelColumns]:
        """Identity and scene as pixels of the flattened batch see them."""
        image = torch.div(pixel, seen.depth.shape[1] * seen.depth.shape[2], rounding_mode="floor")
        return (
            shading.PixelColumns(self.identity, IDENTITY_NAMES, image),
            shading.PixelColumns(self.scene_table, SCENE_NAMES, image),
        )


def pose(
    anatomy: Anatomy, identity: Tensor, au_left: Tensor, au_right: Tensor, scene: Tensor, *, normals: bool = True
) -> _Posed:
    """Vertices of the heads, and how they are turned; ``normals=False`` leaves the normals out."""
    p, view = Columns(identity, IDENTITY_NAMES), Columns(scene, SCENE_NAMES)
    modes, rest = identity[:, : len(MODE_NAMES)], identity[:, len(MODE_NAMES) : len(MODE_NAMES) + len(REST_NAMES)]
    gaze = torch.cat((view.gaze_x, view.gaze_y), 1)[..., 0]
    people, which = torch.unique(modes, dim=0, return_inverse=True)
    still = geometry.rest_positions(anatomy, people).index_select(0, which)
    vertices = geometry.move(anatomy, still, geometry.shape_weights(au_left, au_right, rest, gaze))
    outward = geometry.normals_of(anatomy, vertices) if normals else vertices[:, :0]
    turned = geometry.rotation(view.yaw[:, 0, 0], view.pitch[:, 0, 0], view.roll[:, 0, 0])
    return _Posed(identity, scene, p, view, vertices, outward, turned)


def on_screen(posed: _Posed, points: Tensor, size: int) -> Tensor:
    """Points (n, k, 3) of the heads as pixels and depth (n, k, 3)."""
    v = posed.scene
    shift = torch.cat((v.shift_x, v.shift_y), 1)[..., 0]
    return geometry.project(geometry.turn(points, posed.matrix), v.scale[:, 0, 0], shift, v.distance[:, 0, 0], size)


def landmarks_of(anatomy: Anatomy, posed: _Posed, size: int) -> Tensor:
    """The five landmarks (n, 5, 2), pixels."""
    points = on_screen(posed, posed.vertices.index_select(1, anatomy.landmarks), size)[..., :2]
    return torch.stack([points[:, list(group)].mean(1) for group in _FIVE], 1)


@torch.no_grad()
def render(
    anatomy: Anatomy, identity: Tensor, au_left: Tensor, au_right: Tensor, scene: Tensor, size: int = 128, *,
    masks: bool = False,
) -> Rendered:  # fmt: skip
    """Draw and photograph faces.

    Parameters
    ----------
    anatomy : Anatomy
        Of the face model; the device that its tensors are on draws.
    identity : Tensor (n, P)
        Rows of `sample_people`.
    au_left, au_right : Tensor (n, 17)
        Intensities 0..5 of the person's left and right half, in the order of ``ferdis.faces.ACTION_UNITS``.
    scene : Tensor (n, S)
        Rows of `sample_scene`.
    size : int
        Pixels a side, at least 32.
    masks : bool
        Whether to give the regions of the face, too.

    Returns
    -------
    Rendered
        The same inputs give the same pixels, whatever else is in the batch.
    """
    keep_freed_memory()
    device = anatomy.template.device
    identity, au_left, au_right, scene = (v.to(device) for v in (identity, au_left, au_right, scene))
    posed = pose(anatomy, identity, au_left, au_right, scene)
    fine = 2 * round(size * OVERSAMPLED / 2)
    seeds = scene[:, SCENE_NAMES.index("noise_seed")].long().cpu().numpy()
    two_sided = anatomy.triangle_part == LASH
    head = rasterise(on_screen(posed, posed.vertices, fine), anatomy.triangles, fine, two_sided)
    bare, part, chart = _bare_head(anatomy, posed, (au_left, au_right), head)
    worn, depth = _worn(anatomy, posed, head)
    small = shading.half_size(torch.where(head.depth > depth, head.depth, depth))
    sky = shading.full_size(shading.occlusion(small))
    lamp = shading.light_vector(*(scene[:, SCENE_NAMES.index(f"light_{n}")] for n in ("azimuth", "elevation")))
    lit = shading.cast_shadow(small, lamp, posed.scene.scale[:, 0, 0] * fine / 256)
    lit = shading.full_size(torch.lerp(lit, torch.ones_like(lit), 0.85 * posed.scene.softness))
    linear = _background(posed, fine, seeds).permute(1, 0, 2, 3).reshape(3, -1)
    for surface, parts in ((bare, part), (worn, None)):
        _lay(linear, surface, parts, sky, lit, posed, fine)
    linear = linear.view(3, len(scene), fine, fine).transpose(0, 1)
    linear = F.interpolate(linear, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    photo = photograph(expose(linear, posed.p, posed.scene).cpu(), Columns(scene.cpu(), SCENE_NAMES), seeds)
    regions = _regions(head, bare.pixel, part, chart, size) if masks else None
    return Rendered(photo, landmarks_of(anatomy, posed, size).cpu(), regions)


def _bare_head(
    anatomy: Anatomy, posed: _Posed, units: tuple[Tensor, Tensor], head: Fragments
) -> tuple[Surface, Tensor, Tensor]:
    """The head's surface, the part (P,) and the chart (2, P) at its pixels."""
    pixel = (head.triangle.view(-1) >= 0).nonzero().view(-1)
    part = anatomy.triangle_part.index_select(0, head.triangle.view(-1).index_select(0, pixel))
    turned = geometry.turn_directions(posed.normals, posed.matrix)
    rows = torch.cat((turned, _fixed_attributes(anatomy).expand(len(turned), -1, -1)), -1)
    attributes = interpolated(head, rows, anatomy.triangles, pixel)
    texture = _textures(anatomy, posed, units)
    tones = (skin_tone(posed.p)[..., 0, 0], hair_colour(posed.p)[..., 0, 0])
    p = posed.pixels(pixel, head)[0]
    up = posed.matrix[:, :, 1].contiguous()
    return (
        head_surface(part, attributes, texture, tones, up, _gaze(posed.scene), pixel, p), part, attributes[3:5]
    )  # fmt: skip


def _textures(anatomy: Anatomy, posed: _Posed, units: tuple[Tensor, Tensor]) -> Tensor:
    """Skin and relief on the chart, (n, 7, A, A); each person is painted once."""
    p = posed.p
    people, which = torch.unique(posed.identity, dim=0, return_inverse=True)
    skin = paint_skin(anatomy, Columns(people, IDENTITY_NAMES)).index_select(0, which)
    relief = relief_of(fold_strengths(*units, p.wrinkles[:, 0], p.fold_depth[:, 0]))
    return torch.cat((skin, relief), 1)


def _worn(anatomy: Anatomy, posed: _Posed, head: Fragments) -> tuple[Surface, Tensor]:
    """Hair and glasses where they are before the head, and their depth (n, H, W)."""
    positions, attributes, shown = hair_layer(anatomy, posed.vertices, posed.normals, posed.p)
    mesh = hair_mesh(anatomy)
    size = head.depth.shape[-1]
    two_sided = torch.ones(len(mesh.triangles), dtype=torch.bool, device=head.depth.device)
    seen = rasterise(on_screen(posed, positions, size), mesh.triangles, size, two_sided, shown)
    before = (seen.triangle >= 0) & (seen.depth > head.depth - _SUNK)
    pixel = before.view(-1).nonzero().view(-1)
    turned = geometry.turn_directions(attributes[..., :3].contiguous(), posed.matrix)
    layer = interpolated(seen, torch.cat((turned, attributes[..., 3:]), -1), mesh.triangles, pixel)
    surface = worn_surface(layer, hair_colour(posed.p)[..., 0, 0], pixel, posed.pixels(pixel, head)[0])
    depth = torch.full_like(head.depth, -64.0).view(-1)
    solid = (surface.cover > 0.5).nonzero().view(-1)
    depth[pixel.index_select(0, solid)] = seen.depth.view(-1).index_select(0, pixel.index_select(0, solid))
    return surface, depth.view(head.depth.shape)


def _lay(
    linear: Tensor, surface: Surface, part: Tensor | None, sky: Tensor, lit: Tensor, posed: _Posed, size: int
) -> None:
    """Light a surface and lay it on the image (3, n H W), in place; eyes get their catchlights."""
    scene = shading.PixelColumns(
        posed.scene_table, SCENE_NAMES, torch.div(surface.pixel, size * size, rounding_mode="floor")
    )
    seen, arrives = sky.index_select(0, surface.pixel), lit.index_select(0, surface.pixel)
    colour = shading.shade(surface.albedo, surface.gloss, surface.normal, seen, arrives, surface.soft, scene)
    if part is None:
        colour = torch.lerp(linear.index_select(1, surface.pixel), colour, surface.cover)
    else:
        eyes = (part == EYE).nonzero().view(-1)
        colour[:, eyes] += shading.catchlights(surface.normal[:, eyes], seen[eyes], scene.take(eyes))
    linear.index_copy_(1, surface.pixel, colour)


@functools.lru_cache(maxsize=2)
def _fixed_attributes(anatomy: Anatomy) -> Tensor:
    """Chart, direction in the eyeball and depth in the mouth of each vertex, (V, 6)."""
    template = anatomy.template
    nearest = anatomy.eyes[(template[:, 0] > 0).long()]
    direction = template - nearest
    direction = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-6)
    front = template[anatomy.landmarks[[61, 62, 63, 65, 66, 67]], 2].mean()
    behind = smooth(front - template[:, 2:3], 0.2, 4.5)
    return torch.cat((anatomy.chart, direction, behind), 1)


def _gaze(scene: Columns) -> Tensor:
    """Unit direction (n, 3) in which the eyes look, in the head's own frame."""
    across, down = (torch.deg2rad(GAZE_DEGREES * v[:, 0, 0]) for v in (scene.gaze_x, scene.gaze_y))
    return torch.stack((across.sin() * down.cos(), -down.sin(), across.cos() * down.cos()), 1)


def _background(posed: _Posed, size: int, seeds: np.ndarray) -> Tensor:
    """What is behind the head, linear (n, 3, H, W)."""
    scene = posed.scene
    first = torch.stack([scene.back_r, scene.back_g, scene.back_b], 1)
    second = torch.stack([scene.back_r2, scene.back_g2, scene.back_b2], 1)
    clutter = np.stack([np.random.default_rng([int(s), 5]).random((3, 6, 6), dtype=np.float32) for s in seeds])
    patches = F.interpolate(
        torch.from_numpy(clutter).to(first.device), size=(size, size), mode="bilinear", align_corners=False
    )
    ramp = torch.linspace(0, 1, size, device=first.device)
    share = (0.7 * ramp[:, None] + 0.3 * ramp[None]).expand(len(seeds), 1, size, size)
    share = mix(share, smooth(patches[:, :1], 0.25, 0.75), scene.back_texture.unsqueeze(1))
    back = mix(first, second, share) + 0.18 * scene.back_texture.unsqueeze(1) * (patches - 0.5)
    return back.clamp(0.005, 1).square()


def expose(linear: Tensor, p: Columns, scene: Columns) -> Tensor:
    """Exposure, contrast and saturation: linear light to display values 0..1."""
    luma = (skin_tone(p) * linear.new_tensor((0.30, 0.59, 0.11)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    light = (0.62 * scene.light_strength * (1 + 0.4 * scene.second_strength) + 0.75 * scene.ambient + 0.06).unsqueeze(1)
    gain = 0.42 * luma.pow(0.45) / (luma * light) * scene.exposure.unsqueeze(1)
    values = linear.mul(gain).clamp(min=0)
    values = values / (1 + 0.3 * values)  # a film-like shoulder
    values = (values * 1.25).clamp(max=1.0).pow(1 / 2.2)
    veil = scene.glare.unsqueeze(1)
    values = values * (1 - veil) + veil * 0.8
    values = mix(values, smooth(values, 0.0, 1.0), values.new_tensor(0.45))  # a camera's S-shaped tone curve
    grey = (values * values.new_tensor((0.30, 0.59, 0.11)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    values = mix(grey, values, scene.saturation.unsqueeze(1))
    return (values - 0.5) * scene.contrast.unsqueeze(1) + 0.5


def _regions(head: Fragments, pixel: Tensor, parts: Tensor, chart: Tensor, size: int) -> dict[str, Tensor]:
    """Masks of the face's regions at the image's size, from the chart."""
    shape = head.depth.shape
    part = torch.full((head.depth.numel(),), -1, device=pixel.device).index_copy_(0, pixel, parts).view(shape)
    s = torch.zeros(head.depth.numel(), device=pixel.device).index_copy_(0, pixel, chart[0].abs()).view(shape)
    t = torch.zeros(head.depth.numel(), device=pixel.device).index_copy_(0, pixel, chart[1]).view(shape)
    skin, inside = part == SKIN, (part == MOUTH) | (part == GUMS) | (part == TEETH)
    eyes = (part == EYE) | (part == LASH) | (skin & (((s - 2.95) / 1.75).square() + ((t - 3.45) / 0.95).square() < 1))
    brows = skin & (s > 0.7) & (s < 6.2) & (t > 4.75) & (t < 6.9)
    mouth = inside | (skin & ((s / 3.1).square() + ((t + 3.45) / 1.5).square() < 1))
    nose = skin & ~mouth & (s < 1.75 - 0.15 * t.clamp(min=0)) & (t > -1.7) & (t < 4.3)
    forehead = skin & ~brows & (t >= 4.75)
    chin = skin & ~mouth & (t < -3.4) & (s < 3.6)
    cheeks = skin & ~(eyes | brows | mouth | nose | forehead | chin) & (t > -6.5)
    found = dict(zip(REGIONS, (eyes, brows, mouth, nose, cheeks, chin, forehead), strict=True))
    shrunk = {
        name: F.interpolate(mask[:, None].float(), (size, size), mode="area")[:, 0] for name, mask in found.items()
    }
    return {name: (mask >= 0.5).cpu() for name, mask in shrunk.items()}
