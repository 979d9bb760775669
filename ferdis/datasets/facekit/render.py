"""Render people from the face model: identity, action units and scene to photographs with landmarks and regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ferdis.datasets.facekit import compiled, layers
from ferdis.datasets.facekit.anatomy import EYE, GUMS, LASH, MOUTH, SKIN, TEETH, Anatomy
from ferdis.datasets.facekit.compiled.draw import draw_compiled
from ferdis.datasets.facekit.posed import Posed, landmarks_of, on_screen, pose
from ferdis.datasets.facekit.raster import Fragments, rasterise
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.facekit.skin import skin_tone
from ferdis.datasets.facekit.surfaces import interpolated
from ferdis.datasets.synthetic.camera import photograph
from ferdis.datasets.synthetic.canvas import Columns, mix, smooth
from ferdis.datasets.synthetic.memory import keep_freed_memory

OVERSAMPLED = 1.5  # pixels are drawn this much finer and averaged
REGIONS = ("eyes", "brows", "mouth", "nose", "cheeks", "chin", "forehead")


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
    draw = draw_compiled if compiled.usable(head.depth) else layers.draw
    linear = draw(anatomy, posed, (au_left, au_right), head, _background(posed, fine, seeds))
    linear = F.interpolate(linear, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    photo = photograph(expose(linear, posed.p, posed.scene).cpu(), Columns(scene.cpu(), SCENE_NAMES), seeds)
    regions = _regions(anatomy, head, size) if masks else None
    return Rendered(photo, landmarks_of(anatomy, posed, size).cpu(), regions)


def _background(posed: Posed, size: int, seeds: np.ndarray) -> Tensor:
    """What is behind the head, linear (n, 3, H, W)."""
    scene = posed.scene
    clutter = np.stack([np.random.default_rng([int(s), 5]).random((3, 6, 6), dtype=np.float32) for s in seeds])
    if compiled.usable(posed.scene_table):
        names = ("back_texture", "back_r", "back_g", "back_b", "back_r2", "back_g2", "back_b2")
        return compiled.background(clutter, posed.scene_table[:, [SCENE_NAMES.index(name) for name in names]], size)
    first = torch.stack([scene.back_r, scene.back_g, scene.back_b], 1)
    second = torch.stack([scene.back_r2, scene.back_g2, scene.back_b2], 1)
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


def _regions(anatomy: Anatomy, head: Fragments, size: int) -> dict[str, Tensor]:
    """Masks of the face's regions at the image's size, from the chart."""
    shape, flat = head.depth.shape, head.triangle.view(-1)
    pixel = (flat >= 0).nonzero().view(-1)
    parts = anatomy.triangle_part.index_select(0, flat.index_select(0, pixel))
    chart = interpolated(head, anatomy.chart.expand(len(head.depth), -1, -1), anatomy.triangles, pixel)
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
