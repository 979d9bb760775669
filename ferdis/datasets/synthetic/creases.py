"""Creases that action units and age fold into the skin: the main visible cue of an expression.

A crease is a depth, 0 none .. 1 deep, that later darkens the albedo and lowers the relief. Each is drawn in a window
just large enough, in lateral coordinates for both sides at once. Widths are standard deviations in centimetres. Numbers
in parentheses are action units.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .canvas import Canvas, bell, from_sides, ramp, smooth, texture, to_sides
from .geometry import Face, mouth_curves

Creases = Callable[[Face, Tensor, Tensor], Tensor]

_DARKENING, _SINKING = 0.42, 0.11  # of the albedo, and cm, for depth 1


def fold_skin(canvas: Canvas, face: Face) -> None:
    """Draw every crease, then darken the albedo and lower the relief along them."""
    _draw(canvas, face, _forehead, -8.0, -2.2, 0.0, 5.8)
    _draw(canvas, face, _nose_root, -3.8, 2.6, 0.0, 2.6)
    _draw(canvas, face, _eye_region, -1.9, 2.9, 1.0, 7.4)
    _draw(canvas, face, _mouth_region, 3.3, 10.8, 1.0, 6.4)
    _draw_nasolabial(canvas, face)
    _draw_lips_and_chin(canvas, face)
    canvas.height -= _SINKING * canvas.crease
    canvas.albedo.mul_((1 - _DARKENING * canvas.crease.clamp(max=1.3)).unsqueeze(1))


def _draw(canvas: Canvas, face: Face, creases: Creases, top: float, bottom: float, inner: float, outer: float) -> None:
    """Add ``creases(face, x, y)`` (n, 2, h, w) to the sheet between the four bounds, cm."""
    rows = canvas.rows(top, bottom)
    x, left, right = canvas.lateral(inner, outer)
    depth = creases(face, x, canvas.y[rows][:, None])
    canvas.crease[:, rows, left] += depth[:, 0].flip(-1)
    canvas.crease[:, rows, right] += depth[:, 1]


def _forehead(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Lines across the forehead: AU 1 folds the middle, AU 2 the side, age both."""
    au, lines = face.au, face.p.wrinkles.unsqueeze(1)
    seed = face.p.texture_seed.unsqueeze(1)
    inner = 1 - smooth(x, 1.6, 3.0)
    raised = au[1] * inner + au[2] * (1 - inner)
    amplitude = 0.95 * raised * (0.6 + 0.8 * lines) + 0.3 * lines
    amplitude = (amplitude * (1 - 0.5 * au[4] * (1 - inner))).clamp(max=1.1)
    bend = -0.12 * torch.cos(0.75 * x + seed) - 0.25 * au[1] * bell(x, 1.3)
    waves = torch.cos((y + 0.35 * raised + bend) * (2 * math.pi / 0.85) + seed).clamp(min=0).pow(4)
    within = smooth(y, -7.0, -5.6) * (1 - smooth(y, -3.9, -2.7)) * (1 - smooth(x, 4.2, 5.4))
    return amplitude * waves * within


def _nose_root(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Frown lines and the knot over the nasion (4), wrinkles across the root of the nose (9)."""
    au, lines = face.au, face.p.wrinkles.unsqueeze(1)
    frown_x = 0.52 - 0.12 * au[4] + 0.1 * (y + 1.5) * (1 - au[9])
    frown = (au[4] + 0.25 * au[9] + 0.5 * lines).clamp(max=1.2)
    frown = frown * bell(x - frown_x, 0.17) * bell(y + 1.75 - 0.25 * au[4], 0.6)
    knot = 0.4 * au[4] * bell(x, 0.7) * bell(y + 0.65, 0.16)
    waves = torch.cos((y - 0.35 * x) * (2 * math.pi / 0.6)).clamp(min=0).pow(3)
    nose = au[9] * waves * smooth(y, -1.2, -0.5) * (1 - smooth(y, 1.1, 2.0)) * bell(x, 0.75)
    return frown + knot + nose


def _eye_region(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Crow's feet and the furrow below the eye (6), the tightened lower lid (7), bags with age."""
    au, lines = face.au, face.p.wrinkles.unsqueeze(1)
    out = x - (face.eye_x + face.eye_half)
    reach = smooth(out, 0.1, 0.5) * (1 - smooth(out, 0.9, 1.9))
    rays = ((-0.5, -0.12), (-0.05, 0.08), (0.42, 0.3))  # slope and start of each crow's foot
    fan = sum(bell(y + 0.1 - slope * out - start, 0.085) for slope, start in rays)
    feet = (au[6] + 0.25 * lines + 0.15 * au[12] + 0.2 * au[45]).clamp(max=1.1) * reach * fan
    s = (x - face.eye_x) / face.eye_half
    below = y - face.lid_lower * (1 - 0.55 * s.square()).clamp(min=0)
    inside = 1 - smooth(s.abs(), 0.75, 1.25)
    bag = (0.85 * au[6] + 0.35 * face.p.eye_bag.unsqueeze(1) + 0.2 * au[9]).clamp(max=1.1)
    furrow = bag * bell(below - 0.62 + 0.1 * au[6], 0.13) * inside
    tight = 1.0 * au[7] * (bell(below - 0.26, 0.1) + 0.6 * bell(below - 0.95, 0.13)) * inside
    return feet + furrow + tight


def _mouth_region(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """Dimple (14), stretch lines beside the mouth (20), the line below the corner (15)."""
    au, lines = face.au, face.p.wrinkles.unsqueeze(1)
    drop = y - face.mouth_y.unsqueeze(1) - face.corner_dy
    out = x - face.mouth_half
    dimple = 1.1 * au[14] * bell(out - 0.42 + 0.25 * drop.square(), 0.13) * bell(drop, 0.5)
    arc = out + 0.06 * drop.square()
    stretch = 0.8 * au[20] * (bell(arc - 0.55, 0.12) + 0.8 * bell(arc - 1.25, 0.13)) * bell(drop - 0.35, 0.85)
    marionette = (0.6 * au[15] + 0.28 * lines + 0.12 * au[17]) * bell(out - 0.12 - 0.22 * drop, 0.2)
    return dimple + stretch + marionette * smooth(drop, 0.0, 0.35) * (1 - smooth(drop, 1.1, 2.2))


def _draw_nasolabial(canvas: Canvas, face: Face) -> None:
    """The fold from the wing of the nose round the corner of the mouth: deep under AU 12, steep under AU 9 and 10.

    Beside the fold the cheek forms a ridge.
    """
    au, lines = face.au, face.p.wrinkles.unsqueeze(1)
    rows = canvas.rows(1.8, 10.0)
    x, left, right = canvas.lateral(0.9, 6.8)
    y = canvas.y[rows][:, None]
    start = face.ala_y - 0.35
    end = face.mouth_y.unsqueeze(1) + face.corner_dy + 0.7
    s = ((y - start) / (end - start)).clamp(-0.2, 1.2)
    reach = (face.mouth_half + 0.85 - 0.25 * au[9] - face.ala_x).clamp(min=0.4)
    line = face.ala_x + 0.2 + reach * s.clamp(0, 1).pow(0.85 - 0.2 * au[12] + 0.5 * au[9])
    upper = (0.75 * au[10] + 0.7 * au[9]) * (1 - smooth(s, 0.35, 0.9))
    depth = (0.2 + 0.55 * lines + 0.65 * au[12] + upper + 0.2 * au[6]).clamp(max=1.15)
    # shallow beside the nose: nostril, fold and shadow would otherwise merge into a dark moustache
    depth = depth * (0.35 + 0.65 * smooth(s, 0.0, 0.45)) * smooth(s, -0.15, 0.1) * (1 - smooth(s, 0.7, 1.15))
    offset = x - line
    ridge = 0.2 * depth * smooth(offset, -0.15, 0.55) * torch.exp(-offset.clamp(min=0) / 1.3)
    crease = to_sides(canvas.crease, rows, left, right) + depth * bell(offset, 0.18 + 0.08 * au[12])
    from_sides(canvas.crease, rows, left, right, crease)
    from_sides(canvas.height, rows, left, right, to_sides(canvas.height, rows, left, right) + ridge)


def _draw_lips_and_chin(canvas: Canvas, face: Face) -> None:
    """Fine radial creases round tightened lips (23); the chin's arch and its orange peel (17)."""
    rows, columns = canvas.rows(3.8, 12.8), canvas.columns(3.6)
    x, y = canvas.x[columns], canvas.y[rows][:, None]
    mid = face.mid
    lips = mouth_curves(face, x)
    above = bell(y - lips["top"] + 0.3, 0.28)
    under = bell(y - lips["bottom"] - 0.28, 0.26)
    within = ramp(1.0 - lips["t"].abs(), 0.4)
    radial = torch.cos(x * (2 * math.pi / 0.7) * (1 + 0.02 * y)).clamp(min=0).square()
    creases = 0.9 * mid[23] * within * (radial * (above + under) + 0.5 * bell(y - lips["top"], 0.1))
    chin_y = face.chin_y - 1.4 - 0.4 * face.chin_raise
    arch = y - (chin_y - 0.95) - 0.28 * x.square()
    creases = creases + (0.75 * mid[17] + 0.3) * bell(arch, 0.19) * bell(x, 1.2)
    grain = texture("grain", face.p.texture_seed + 7, len(y), len(x), canvas.cell)
    peel = smooth(grain, 0.1, 1.6) * bell(x, 1.25) * bell(y - chin_y, 0.7)
    canvas.crease[:, rows, columns] += creases + 0.75 * mid[17] * peel
