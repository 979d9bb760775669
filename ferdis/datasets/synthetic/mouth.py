"""Lips, the opening between them, teeth, tongue; nostrils."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .canvas import Canvas, bell, mix, ramp, smooth, texture
from .geometry import Face, mouth_curves
from .skin import skin_tone


def rgb(red: float, green: float, blue: float) -> Tensor:
    """A linear colour as (1, 3, 1, 1)."""
    return torch.tensor((red, green, blue)).view(1, 3, 1, 1)


def draw_mouth(canvas: Canvas, face: Face) -> None:
    """Lips over the skin, and through their opening the teeth and the dark of the mouth."""
    rows, columns = canvas.rows(3.4, 12.4), canvas.columns(4.2)
    x, y = canvas.x[columns], canvas.y[rows][:, None]
    soft = 1.4 * canvas.cell
    lips = mouth_curves(face, x)
    across = ramp((1 - lips["t"].abs()) * lips["half"], soft)
    vermilion = ramp(y - lips["top"], 1.6 * soft) * ramp(lips["bottom"] - y, 1.6 * soft) * across
    opening = ramp(y - lips["upper"], soft) * ramp(lips["lower"] - y, soft) * across
    opening = opening * smooth(lips["lower"] - lips["upper"], 0.02, 0.12)
    albedo = canvas.albedo[:, :, rows, columns]
    albedo = mix(albedo, _lip_colour(canvas, face, len(y), len(x)), (0.85 * vermilion).unsqueeze(1))
    albedo = albedo * (1 - _seam(face, lips, y)).unsqueeze(1)
    inside = _mouth_cavity(face, lips, x, y)
    canvas.albedo[:, :, rows, columns] = mix(albedo, inside, opening.unsqueeze(1))
    canvas.height[:, rows, columns] += _lip_relief(face, lips, y) * across * (1 - opening)
    gloss = canvas.gloss[:, rows, columns]
    lip_gloss = 0.03 + 0.15 * face.p.makeup
    canvas.gloss[:, rows, columns] = mix(mix(gloss, lip_gloss, vermilion), 0 * gloss, opening)
    canvas.crease[:, rows, columns] *= 1 - opening


def _lip_colour(canvas: Canvas, face: Face, rows: int, columns: int) -> Tensor:
    """(n, 3, h, w): the skin's tone, redder and darker, or lipstick; fine vertical lines."""
    p = face.p
    strength = (0.8 + 0.5 * p.lip_colour).unsqueeze(1)
    natural = skin_tone(face) * (1 + strength * (rgb(0.78, 0.42, 0.45) - 1))
    stick = rgb(0.32, 0.05, 0.06) * (0.5 + p.lip_colour.unsqueeze(1))
    lip = mix(natural, stick, smooth(p.makeup, 0.45, 0.8).unsqueeze(1) * 0.85)
    lines = texture("strand", p.texture_seed + 23, rows, columns, canvas.cell)
    return lip * (1 + 0.05 * lines).unsqueeze(1)


def _seam(face: Face, lips: dict[str, Tensor], y: Tensor) -> Tensor:
    """Darkening 0..1 of the line between closed lips and of the corners."""
    t = lips["t"]
    reach = 1 - smooth(t.abs(), 0.9, 1.12)
    gap = lips["lower"] - lips["upper"]
    closed = 1 - smooth(gap, 0.1, 0.35)
    line = 0.9 * bell(y - lips["upper"], 0.11) * closed * reach
    edge = 0.45 * bell(y - lips["upper"] + 0.02, 0.07) * (1 - closed) * reach
    corner = 0.5 * bell((t.abs() - 1.0) * lips["half"], 0.17) * bell(y - lips["seam"], 0.13)
    return (line + edge + corner).clamp(0, 0.92)


def _lip_relief(face: Face, lips: dict[str, Tensor], y: Tensor) -> Tensor:
    """Height of the two lips, cm; pressed flat by AU 23, the lower one everted by AU 17."""
    flat = 1 - 0.6 * face.mid[23]
    v = ((y - lips["top"]) / (lips["upper"] - lips["top"]).clamp(min=0.05)).clamp(0, 1)
    w = ((y - lips["lower"]) / (lips["bottom"] - lips["lower"]).clamp(min=0.05)).clamp(0, 1)
    above = torch.exp((y - lips["top"]).clamp(max=0) / 0.4)  # skin swells towards the upper lip, which slopes inwards
    upper = 0.2 * above * (1 - v.square())
    lower = 0.22 * torch.sin(math.pi * w.pow(0.8)) * (1 + 0.3 * face.mid[17])
    return (upper + lower) * flat


def _mouth_cavity(face: Face, lips: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    """(n, 3, h, w): upper teeth are fixed to the skull, lower teeth move with the jaw, the tongue lies between."""
    p, x = face.p, x[None, None]
    inside = rgb(0.035, 0.008, 0.007) * torch.ones_like(y * x).unsqueeze(1)
    tongue = bell(x, 1.5) * smooth(y, lips["lower"] - 0.95, lips["lower"] - 0.35) * smooth(face.jaw_drop, 0.3, 1.2)
    inside = mix(inside, rgb(0.3, 0.09, 0.08), (0.8 * tongue).unsqueeze(1))
    curve = 0.028 * x.square()  # the dental arch seen from the front: its ends lie higher
    edge = p.mouth_y + 0.22 - curve
    top = edge - 1.05
    lower_edge = p.mouth_y + 0.32 + 1.0 * face.jaw_drop + 0.5 * curve
    between = torch.cos(x.abs() * (math.pi / 0.42)).clamp(min=0).pow(10) * 0.3
    white = rgb(0.82, 0.74, 0.62) * (p.tooth_shade * (1 - 0.72 * p.melanin)).unsqueeze(1)
    recede = (1 - 0.55 * smooth(x.abs(), 1.2, 2.9)) * (1 - between)
    reach = ramp(2.75 - x.abs(), 0.7)
    upper = ramp(edge - y, 0.12) * ramp(y - top, 0.15) * reach
    lower = ramp(y - lower_edge, 0.12) * reach * 0.75
    gum = ramp(top - y, 0.15) * reach
    inside = mix(inside, rgb(0.42, 0.15, 0.14), gum.unsqueeze(1))
    inside = mix(inside, 0.72 * white * recede.unsqueeze(1), lower.unsqueeze(1))
    inside = mix(inside, white * recede.unsqueeze(1), upper.unsqueeze(1))
    shadow = 1 - 0.45 * torch.exp(-(y - lips["upper"]).clamp(min=0) / 0.13)
    shadow = shadow * (0.2 + 0.8 * smooth(lips["lower"] - lips["upper"], 0.15, 0.6))  # little light enters a slit
    return inside * shadow.unsqueeze(1)


def draw_nostrils(canvas: Canvas, face: Face) -> None:
    """Nostrils, the crease behind each wing of the nose, and the shadow under the tip."""
    rows, columns = canvas.rows(2.0, 6.2), canvas.columns(2.8)
    x, y = canvas.x[columns], canvas.y[rows][:, None]
    dark = torch.zeros(1)
    for side, sign in ((0, -1.0), (1, 1.0)):
        ala_x, ala_y = sign * face.ala_x[:, side], face.ala_y[:, side]
        width = 0.22 + 0.06 * face.au[9][:, side]
        tilt = (y - ala_y - 0.28) - 0.35 * sign * (x - 0.5 * ala_x)
        hole = bell(x - 0.52 * ala_x, width) * bell(tilt, 0.07 + 0.045 * face.p.nostril_show)
        wing = bell(x - ala_x - sign * (0.12 - 0.35 * (y - ala_y).square()), 0.11) * bell(y - ala_y + 0.02, 0.38)
        dark = dark + 0.66 * hole + (0.3 + 0.12 * face.au[9][:, side] + 0.1 * face.au[10][:, side]) * wing
    under = 0.05 * bell(x, 0.85 * face.p.nose_width) * bell(y - face.nose_base_y - 0.1, 0.18)
    canvas.albedo[:, :, rows, columns] *= (1 - (dark + under).clamp(0, 0.9)).unsqueeze(1)
