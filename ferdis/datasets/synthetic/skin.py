"""Skin: its colour over the face, the creases that action units and age fold into it, beard, moles, freckles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .canvas import BOTTOM, TOP, Canvas, bell, from_sides, mix, ramp, smooth, texture, to_sides
from .geometry import Face, brow_curve, mouth_curves

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
    tone = 1 + blotch + grain - hollow * (0.16 + 0.3 * p.eye_bag) - lid_shade * (0.05 + 0.13 * p.socket_depth) - 0.07 * bell(across - 6.5, 1.6)
    red = p.redness * (0.16 * blush + 0.05 + 0.6 * blotch)
    if bool((p.freckles > 0).any()):
        spots = smooth(texture("grain", seed + 3, rows, columns, canvas.cell), 1.2, 2.6)
        tone = tone - 0.5 * p.freckles * spots * bell(y - 2.8, 2.4) * bell(x, 4.5)
    tone = tone * (1 - _moles(canvas, face))
    base = skin_tone(face)
    for i, gain in enumerate((0.2, -0.55, -0.5)):
        torch.mul(tone, base[:, i] * (1 + gain * red), out=canvas.albedo[:, i])
    shine = bell(x, 1.1) * bell(y - 2.2, 2.6) + 0.8 * bell(y + 4.8, 1.5) * bell(x, 3.0)
    shine = shine + 0.7 * bell(across - 4.4, 1.2) * bell(y - 2.0, 1.0)
    canvas.gloss = p.oiliness * (0.06 + 0.14 * shine)


def _moles(canvas: Canvas, face: Face) -> Tensor:
    p = face.p
    first = bell(canvas.x - p.mole_x, 0.13) * bell(canvas.y[:, None] - p.mole_y, 0.13)
    second = bell(canvas.x - p.mole_2_x, 0.09) * bell(canvas.y[:, None] - p.mole_2_y, 0.09)
    return p.mole_strength * (first + 0.8 * second).clamp(max=1)


def fold_skin(canvas: Canvas, face: Face) -> None:
    """Add every crease to ``canvas.crease`` (0 none .. 1 deep) and the ridges beside them to the height."""
    rows = canvas.rows(-8.2, 12.8)
    x, left, right = canvas.lateral(0.0, 7.6)
    y = canvas.y[rows][:, None]
    folds = to_sides(canvas.crease, rows, left, right)
    height = to_sides(canvas.height, rows, left, right)
    folds = folds + _upper_face_creases(face, x, y)
    fold, ridge = _nasolabial(face, x, y)
    folds = folds + fold + _eye_region_creases(face, x, y) + _mouth_region_creases(face, x, y)
    from_sides(canvas.crease, rows, left, right, folds)
    from_sides(canvas.height, rows, left, right, height + ridge)
    _lip_and_chin_creases(canvas, face)
    canvas.height = canvas.height - 0.11 * canvas.crease
    canvas.albedo.mul_((1 - 0.42 * canvas.crease.clamp(max=1.3)).unsqueeze(1))


def _upper_face_creases(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Forehead lines (1 in the middle, 2 at the side), frown lines (4), wrinkles on the root of the nose (9)."""
    au, lines = face.au, face.age_lines.unsqueeze(1)
    seed = face.p.texture_seed.unsqueeze(1)
    inner = 1 - smooth(x, 1.6, 3.0)
    amplitude = (0.95 * au[1] * inner + 0.95 * au[2] * (1 - inner)) * (0.6 + 0.8 * lines) + 0.3 * lines
    amplitude = (amplitude * (1 - 0.5 * au[4] * (1 - inner))).clamp(max=1.1)
    raise_ = 0.35 * (au[1] * inner + au[2] * (1 - inner))
    bend = -0.12 * torch.cos(0.75 * x + seed) - 0.25 * au[1] * bell(x, 1.3)
    waves = torch.cos((y + raise_ + bend) * (2 * math.pi / 0.85) + seed).clamp(min=0).pow(4)
    forehead = amplitude * waves * smooth(y, -7.0, -5.6) * (1 - smooth(y, -3.9, -2.9)) * (1 - smooth(x, 4.2, 5.4))
    frown_x = 0.52 - 0.12 * au[4] + 0.1 * (y + 1.7) * (1 - au[9])
    frown = (1.0 * au[4] + 0.25 * au[9] + 0.3 * lines).clamp(max=1.2)
    frown = frown * bell(x - frown_x, 0.17) * bell(y + 1.95 - 0.35 * au[4], 0.55)
    knot = 0.4 * au[4] * bell(x, 0.7) * bell(y + 0.75, 0.16)  # the corrugator's horizontal knot over the nasion
    v_shape = y - 0.35 * x
    nose = au[9] * torch.cos(v_shape * (2 * math.pi / 0.55)).clamp(min=0).pow(3)
    nose = nose * smooth(y, -1.2, -0.5) * (1 - smooth(y, 1.3, 2.2)) * bell(x, 0.75)
    return forehead + frown + knot + 1.0 * nose


def _nasolabial(face: Face, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The fold from the wing of the nose round the corner of the mouth: deep under 12, steep under 9 and 10."""
    au, lines = face.au, face.age_lines.unsqueeze(1)
    start = face.ala_y - 0.35
    end = face.mouth_y.unsqueeze(1) + face.corner_dy + 0.7
    s = ((y - start) / (end - start)).clamp(-0.2, 1.2)
    reach = (face.mouth_half + 0.85 - 0.25 * au[9] - face.ala_x).clamp(min=0.4)
    line = face.ala_x + 0.2 + reach * s.clamp(0, 1).pow(0.85 - 0.2 * au[12] + 0.5 * au[9])
    depth = 0.2 + 0.55 * lines + 0.95 * au[12] + (0.75 * au[10] + 0.7 * au[9]) * (1 - smooth(s, 0.35, 0.9)) + 0.2 * au[6]
    depth = depth.clamp(max=1.15) * (0.35 + 0.65 * smooth(s, 0.0, 0.45)) * smooth(s, -0.15, 0.1) * (1 - smooth(s, 0.7, 1.15))
    offset = x - line
    crease = depth * bell(offset, 0.18 + 0.08 * au[12])
    ridge = 0.2 * depth * smooth(offset, -0.15, 0.55) * torch.exp(-offset.clamp(min=0) / 1.3)
    return crease, ridge


def _eye_region_creases(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Crow's feet and the furrow below the eye (6), the tightened lower lid (7), bags with age."""
    au, lines = face.au, face.age_lines.unsqueeze(1)
    out = x - (face.eye_x + face.eye_half)
    reach = smooth(out, 0.1, 0.5) * (1 - smooth(out, 0.9, 1.9))
    fan = sum(bell(y + 0.1 - slope * out - start, 0.085) for slope, start in ((-0.5, -0.12), (-0.05, 0.08), (0.42, 0.3)))
    feet = (1.0 * au[6] + 0.25 * lines + 0.15 * au[12] + 0.2 * au[45]).clamp(max=1.1) * reach * fan
    s = (x - face.eye_x) / face.eye_half
    below = y - face.lid_lower * (1 - 0.55 * s.square()).clamp(min=0)
    inside = (1 - smooth(s.abs(), 0.75, 1.25))
    bag = (0.85 * au[6] + 0.35 * face.p.eye_bag.unsqueeze(1) + 0.2 * au[9]).clamp(max=1.1)
    furrow = bag * bell(below - 0.62 + 0.1 * au[6], 0.13) * inside
    tight = 0.8 * au[7] * bell(below - 0.28, 0.085) * inside
    return feet + furrow + tight


def _mouth_region_creases(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Dimple (14), stretch lines beside the mouth (20), the line below the corner (15)."""
    au, lines = face.au, face.age_lines.unsqueeze(1)
    corner_y = face.mouth_y.unsqueeze(1) + face.corner_dy
    out = x - face.mouth_half
    arc = out - 0.42 + 0.25 * (y - corner_y).square()
    dimple = 1.1 * au[14] * bell(arc, 0.12) * bell(y - corner_y, 0.5)
    stretch = au[20] * (bell(out - 0.55 + 0.06 * (y - corner_y).square(), 0.1) + 0.8 * bell(out - 1.15 + 0.06 * (y - corner_y).square(), 0.11))
    stretch = 0.6 * stretch * bell(y - corner_y - 0.35, 0.85)
    drop = y - corner_y
    marionette = (0.6 * au[15] + 0.28 * lines + 0.12 * au[17]) * bell(out - 0.12 - 0.22 * drop, 0.2)
    marionette = marionette * smooth(drop, 0.0, 0.35) * (1 - smooth(drop, 1.1, 2.2))
    return dimple + stretch + marionette


def _lip_and_chin_creases(canvas: Canvas, face: Face) -> None:
    """Fine radial creases round tightened lips (23); the chin's arch and its orange peel (17)."""
    rows, columns = canvas.rows(4.6, 13.4), canvas.columns(4.0)
    x, y = canvas.x[columns], canvas.y[rows][:, None]
    mid = face.mid
    lips = mouth_curves(face, x)
    above = bell(y - lips["top"] + 0.3, 0.28)
    under = bell(y - lips["bottom"] - 0.28, 0.26)
    within = ramp(1.0 - lips["t"].abs(), 0.4)
    radial = torch.cos(x * (2 * math.pi / 0.5) * (1 + 0.02 * y)).clamp(min=0).square()
    creases = 0.75 * mid[23] * within * (radial * (above + under) + 0.5 * bell(y - lips["top"], 0.1))
    chin_y = face.chin_y - 1.4 - 0.4 * face.chin_raise
    arch = y - (chin_y - 0.95) - 0.28 * x.square()
    creases = creases + (0.85 * mid[17] + 0.15) * bell(arch, 0.17) * bell(x, 1.2)
    peel = smooth(texture("grain", face.p.texture_seed + 7, len(y), len(x), canvas.cell), 0.1, 1.6)
    creases = creases + 0.75 * mid[17] * peel * bell(x, 1.25) * bell(y - chin_y, 0.7)
    # 26 without 25: cheeks hollow beside the lengthened lips
    canvas.crease[:, rows, columns] += creases


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
    border = 7.0 - 5.2 * smooth(across, 2.6, 6.6) + 0.5 * bell(across - 2.5, 1.2)
    cheek = smooth(y + 0.15 * grain, border - 0.6, border + 1.0)
    spare = 1 - bell(across - 1.7, 0.6) * bell(y - lips["bottom"] - 0.4, 0.35)  # the bare spots below the corners
    beard = p.beard.clamp(max=1) * cheek * spare
    upper = smooth(y, face.nose_base_y + 0.05, face.nose_base_y + 0.55) * (1 - smooth(across, 2.3, 3.3))
    upper = upper * (1 - smooth(y, lips["seam"] - 0.1, lips["seam"] + 0.4))
    moustache = p.moustache.clamp(max=1) * upper
    cover = torch.maximum(beard, moustache)
    cover = (1.25 * cover * (0.85 + 0.12 * grain)).clamp(0, 0.95) * smooth(cover, 0.0, 0.25)
    canvas.albedo[:, :, rows] = mix(canvas.albedo[:, :, rows], hair_colour * (1 + 0.12 * grain.unsqueeze(1)), cover.unsqueeze(1))
    canvas.height[:, rows] += 0.1 * cover
    canvas.gloss[:, rows] *= 1 - 0.7 * cover
