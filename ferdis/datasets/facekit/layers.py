"""Head, hair and glasses in their light, by torch alone: on accelerators, and where the loops are not compiled."""

from __future__ import annotations

import torch
from torch import Tensor

from ferdis.datasets.facekit import geometry, shading
from ferdis.datasets.facekit.anatomy import EYE, Anatomy
from ferdis.datasets.facekit.folds import fold_strengths, relief_of
from ferdis.datasets.facekit.hair import hair_layer, hair_mesh
from ferdis.datasets.facekit.identity import IDENTITY_NAMES
from ferdis.datasets.facekit.posed import Posed, fixed_attributes, gaze_of, on_screen
from ferdis.datasets.facekit.raster import Fragments, rasterise
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.facekit.skin import hair_colour, paint_skin, skin_tone
from ferdis.datasets.facekit.surfaces import Surface, head_surface, interpolated, worn_surface
from ferdis.datasets.synthetic.canvas import Columns

SUNK = 0.35  # cm that hair may lie under the skin and still be seen


def draw(anatomy: Anatomy, posed: Posed, units: tuple[Tensor, Tensor], head: Fragments, background: Tensor) -> Tensor:
    """Heads before a background, in linear light.

    Parameters
    ----------
    anatomy : Anatomy
    posed : Posed
        n heads.
    units : Tensor (n, 17), twice
        Action units of the left and right halves.
    head : Fragments
        What each pixel sees of the bare heads.
    background : Tensor (n, 3, H, W)

    Returns
    -------
    Tensor (n, 3, H, W)
    """
    size = head.depth.shape[-1]
    bare, part = _bare_head(anatomy, posed, units, head)
    worn, depth = _worn(anatomy, posed, head)
    small = shading.half_size(torch.where(head.depth > depth, head.depth, depth))
    sky = shading.full_size(shading.occlusion(small))
    lit = shading.cast_shadow(small, posed.lamp("light"), posed.scene.scale[:, 0, 0] * size / 256)
    lit = shading.full_size(torch.lerp(lit, torch.ones_like(lit), 0.85 * posed.scene.softness))
    linear = background.permute(1, 0, 2, 3).reshape(3, -1)
    for surface, parts in ((bare, part), (worn, None)):
        _lay(linear, surface, parts, sky, lit, posed, size)
    return linear.view(3, len(head.depth), size, size).transpose(0, 1)


def _bare_head(anatomy: Anatomy, posed: Posed, units: tuple[Tensor, Tensor], head: Fragments) -> tuple[Surface, Tensor]:
    """The head's surface, and the part (P,) at its pixels."""
    pixel = (head.triangle.view(-1) >= 0).nonzero().view(-1)
    part = anatomy.triangle_part.index_select(0, head.triangle.view(-1).index_select(0, pixel))
    turned = geometry.turn_directions(posed.normals, posed.matrix)
    rows = torch.cat((turned, fixed_attributes(anatomy).expand(len(turned), -1, -1)), -1)
    attributes = interpolated(head, rows, anatomy.triangles, pixel)
    texture = _textures(anatomy, posed, units)
    tones = (skin_tone(posed.p)[..., 0, 0], hair_colour(posed.p)[..., 0, 0])
    p = posed.pixels(pixel, head)[0]
    up = posed.matrix[:, :, 1].contiguous()
    return head_surface(part, attributes, texture, tones, up, gaze_of(posed.scene), pixel, p), part


def _textures(anatomy: Anatomy, posed: Posed, units: tuple[Tensor, Tensor]) -> Tensor:
    """Skin and relief on the chart, (n, 7, A, A); each person is painted once."""
    p = posed.p
    people, which = torch.unique(posed.identity, dim=0, return_inverse=True)
    skin = paint_skin(anatomy, Columns(people, IDENTITY_NAMES)).index_select(0, which)
    relief = relief_of(fold_strengths(*units, p.wrinkles[:, 0], p.fold_depth[:, 0]))
    return torch.cat((skin, relief), 1)


def _worn(anatomy: Anatomy, posed: Posed, head: Fragments) -> tuple[Surface, Tensor]:
    """Hair and glasses where they are before the head, and their depth (n, H, W)."""
    positions, attributes, shown = hair_layer(anatomy, posed.vertices, posed.normals, posed.p)
    mesh = hair_mesh(anatomy)
    size = head.depth.shape[-1]
    two_sided = torch.ones(len(mesh.triangles), dtype=torch.bool, device=head.depth.device)
    seen = rasterise(on_screen(posed, positions, size), mesh.triangles, size, two_sided, shown)
    before = (seen.triangle >= 0) & (seen.depth > head.depth - SUNK)
    pixel = before.view(-1).nonzero().view(-1)
    turned = geometry.turn_directions(attributes[..., :3].contiguous(), posed.matrix)
    layer = interpolated(seen, torch.cat((turned, attributes[..., 3:]), -1), mesh.triangles, pixel)
    surface = worn_surface(layer, hair_colour(posed.p)[..., 0, 0], pixel, posed.pixels(pixel, head)[0])
    depth = torch.full_like(head.depth, -64.0).view(-1)
    solid = (surface.cover > 0.5).nonzero().view(-1)
    depth[pixel.index_select(0, solid)] = seen.depth.view(-1).index_select(0, pixel.index_select(0, solid))
    return surface, depth.view(head.depth.shape)


def _lay(
    linear: Tensor, surface: Surface, part: Tensor | None, sky: Tensor, lit: Tensor, posed: Posed, size: int
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
