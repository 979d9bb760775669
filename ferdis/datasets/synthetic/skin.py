"""Skin: its colour over the face, moles, freckles, beard and moustache."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import BOTTOM, Canvas, bell, smooth, texture
from .geometry import Face, mouth_curves

# Linear reflectance of very light and very dark skin (display values squared); between them mixed in the logarithm,
# because melanin absorbs as Beer's law says.
LIGHTEST = (0.80, 0.565, 0.42)
DARKEST = (0.085, 0.042, 0.028)


def skin_tone(face: Face) -> Tensor:
    """Base reflectance (n, 3, 1, 1)."""
    p = face.p
    light, dark = torch.tensor(LIGHTEST).view(1, 3, 1, 1), torch.tensor(DARKEST).view(1, 3, 1, 1)
    melanin = p.melanin.unsqueeze(1)
    tone = torch.exp((1 - melanin) * light.log() + melanin * dark.log())
    hue = torch.tensor((-0.01, 0.015, -0.08)).view(1, 3, 1, 1) * p.undertone.unsqueeze(1)  # + olive, - pink
    return tone * (1 + hue)


def paint_skin(canvas: Canvas, face: Face) -> None:
    """Fill the albedo with skin: tone, blood under thin skin, shadows round the eyes, blotches and pores."""
    p, x, y = face.p, canvas.x, canvas.y[:, None]
    rows, columns = len(canvas.y), len(canvas.x)
    across = x.abs()
    blush = bell(across - 4.0, 1.5) * bell(y - 3.4, 1.5) + 0.9 * bell(x, 1.0) * bell(y - face.nose_tip_y, 0.8)
    blush = blush + 0.35 * bell(y - face.chin_y + 1.0, 0.9) * bell(x, 1.6)
    hollow = bell(across - 2.7, 1.3) * bell(y - 0.15, 0.95)
    seed = p.texture_seed
    blotch = texture("blotch", seed, rows, columns, canvas.cell) * 0.05 * p.blotches
    grain = texture("grain", seed, rows, columns, canvas.cell) * 0.022
    lid_shade = bell(across - 2.9, 1.35) * bell(y + 0.75, 0.42)  # under the brow
    root = bell(x, 1.2) * bell(y + 0.3, 1.1)  # the brows shade the root of the nose
    tone = 1 + blotch + grain - hollow * (0.22 + 0.3 * p.eye_bag) - 0.07 * bell(across - 6.5, 1.6)
    tone = tone - lid_shade * (0.08 + 0.12 * p.socket_depth) - root * (0.06 + 0.08 * p.socket_depth)
    red = p.redness * (0.16 * blush + 0.05 + 0.6 * blotch)
    if bool((p.freckles > 0).any()):
        spots = smooth(texture("grain", seed + 3, rows, columns, canvas.cell), 1.2, 2.6)
        tone = tone - 0.5 * p.freckles * spots * bell(y - 2.8, 2.4) * bell(x, 4.5)
    tone = tone * (1 - _moles(canvas, face))
    base = skin_tone(face)
    for i, gain in enumerate((0.2, -0.55, -0.5)):
        torch.mul(tone, base[:, i] * (1 + gain * red), out=canvas.albedo[:, i])
    shine = 0.6 * bell(x, 1.1) * bell(y - 2.4, 1.8) + 0.8 * bell(y + 4.8, 1.5) * bell(x, 3.0)
    shine = shine + 0.7 * bell(across - 4.4, 1.2) * bell(y - 2.0, 1.0)
    canvas.gloss = p.oiliness * (0.08 + 0.17 * shine)


def _moles(canvas: Canvas, face: Face) -> Tensor:
    p = face.p
    first = bell(canvas.x - p.mole_x, 0.13) * bell(canvas.y[:, None] - p.mole_y, 0.13)
    second = bell(canvas.x - p.mole_2_x, 0.09) * bell(canvas.y[:, None] - p.mole_2_y, 0.09)
    return p.mole_strength * (first + 0.8 * second).clamp(max=1)


def grow_beard(canvas: Canvas, face: Face, hair_colour: Tensor) -> None:
    """Beard and moustache: hair colour over the skin of the lower face, denser towards the chin."""
    p = face.p
    if not bool(((p.beard > 0.02) | (p.moustache > 0.02)).any()):
        return
    rows = canvas.rows(1.0, BOTTOM)
    x, y = canvas.x, canvas.y[rows][:, None]
    lips = mouth_curves(face, x)
    across = x.abs()
    grain = texture("grain", p.texture_seed + 11, len(y), len(x), canvas.cell)
    border = 6.7 - 5.0 * smooth(across, 2.6, 6.6) + 0.5 * bell(across - 2.5, 1.2)
    cheek = smooth(y + 0.25 * grain, border - 1.0, border + 1.5)
    spare = 1 - bell(across - 1.7, 0.6) * bell(y - lips["bottom"] - 0.4, 0.35)  # the bare spots below the corners
    beard = p.beard.clamp(max=1) * cheek * spare
    upper = smooth(y, face.nose_base_y + 0.05, face.nose_base_y + 0.55) * (1 - smooth(across, 1.5, 3.2))
    upper = upper * (1 - smooth(y, lips["seam"] - 0.1, lips["seam"] + 0.4))
    moustache = p.moustache.clamp(max=1) * upper
    cover = torch.maximum(beard, moustache)
    cover = (1.25 * cover * (0.85 + 0.12 * grain)).clamp(0, 0.95) * smooth(cover, 0.0, 0.25)
    hairs = hair_colour * (1 + 0.12 * grain.unsqueeze(1))
    canvas.albedo[:, :, rows].lerp_(hairs, cover.unsqueeze(1))
    canvas.height[:, rows] += 0.1 * cover
    canvas.gloss[:, rows] *= 1 - 0.7 * cover
