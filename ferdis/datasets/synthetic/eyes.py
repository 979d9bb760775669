"""Eyes, lids, lashes, brows and glasses, drawn for both sides at once in lateral coordinates."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import Canvas, Columns, bell, from_sides, mix, ramp, smooth, texture, to_sides
from .geometry import Face, brow_curve, lid_curves

IRIS_RADIUS, PUPIL_RADIUS = 0.58, 0.22  # cm
SCLERA = (0.34, 0.31, 0.29)


def colour(rgb: tuple[float, float, float]) -> Tensor:
    """A linear colour as (1, 1, 3, 1, 1), for layers by side."""
    return torch.tensor(rgb).view(1, 1, 3, 1, 1)


def iris_colour(face: Face) -> Tensor:
    """(n, 1, 3, 1, 1): dark brown to blue, green or grey with the tone."""
    tone = face.p.iris_tone[:, None, None]
    hue = face.p.iris_hue[:, None, None]
    brown, blue, green = colour((0.014, 0.007, 0.004)), colour((0.08, 0.12, 0.16)), colour((0.08, 0.095, 0.05))
    return mix(brown, mix(blue, green, hue), tone)


def draw_eyes(canvas: Canvas, face: Face, scene: Columns) -> None:
    """Eyeball, iris, pupil, catchlight, lids with their lash line and fold, and the shadow of the upper lid."""
    rows = canvas.rows(-2.6, 2.4)
    x, left, right = canvas.lateral(0.9, 5.6)
    y = canvas.y[rows][:, None]
    soft = 1.4 * canvas.cell
    upper, lower, s = lid_curves(face, x)
    inside = ramp((1 - s.abs()) * face.eye_half, soft)
    opening = ramp(y - upper, soft) * ramp(lower - y, soft) * inside
    albedo = to_sides(canvas.albedo, rows, left, right)
    crease = to_sides(canvas.crease, rows, left, right)
    ball, glow = _eyeball(face, scene, x, y, upper, lower, s)
    open_ = opening.unsqueeze(2)
    albedo = _lids(face, albedo, x, y, upper, lower, s, soft)
    albedo = mix(albedo, ball, open_)
    fold = _lid_fold(face, y, upper, s)
    from_sides(canvas.albedo, rows, left, right, albedo)
    from_sides(canvas.crease, rows, left, right, crease + fold * (1 - opening))
    height = to_sides(canvas.height, rows, left, right)
    lid_edge = 0.1 * ramp(upper - y, 0.2) * bell(y - upper + 0.15, 0.3) * inside
    from_sides(canvas.height, rows, left, right, height + lid_edge - 0.08 * opening)
    from_sides(canvas.glow, rows, left, right, glow * opening)
    gloss = to_sides(canvas.gloss, rows, left, right)
    from_sides(canvas.gloss, rows, left, right, gloss * (1 - opening))


def _eyeball(
    face: Face, scene: Columns, x: Tensor, y: Tensor, upper: Tensor, lower: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    """Colour (n, 2, 3, h, w) and catchlight (n, 2, h, w) of the eyeball as if no lid covered it."""
    outward = torch.tensor((-1.0, 1.0)).view(1, 2, 1, 1)
    gaze_x = 0.38 * scene.gaze_x.unsqueeze(1) * outward
    gaze_y = 0.22 * scene.gaze_y.unsqueeze(1) - 0.03
    dx, dy = x - face.eye_x - gaze_x, y - gaze_y
    radius = (dx.square() + dy.square()).sqrt()
    shade = 1 - 0.45 * s.abs().pow(3) - 0.6 * torch.exp(-(y - upper).clamp(min=0) / 0.2)
    ball = colour(SCLERA) * (shade.clamp(min=0.1) * (1 - 0.6 * face.p.melanin.unsqueeze(1))).unsqueeze(2)
    canthus = bell(s + 1.0, 0.16).unsqueeze(2)
    ball = mix(ball, colour((0.45, 0.2, 0.17)), 0.7 * canthus)
    iris = iris_colour(face) * (0.75 + 0.5 * radius / IRIS_RADIUS + 0.5 * (dy > 0) * (dy / IRIS_RADIUS)).unsqueeze(2)
    iris = iris * (1 - 0.65 * smooth(radius, 0.78 * IRIS_RADIUS, IRIS_RADIUS)).unsqueeze(2)  # the limbal ring
    iris = iris * (0.45 + 0.55 * shade.clamp(0, 1)).unsqueeze(2)
    ball = mix(ball, iris, ramp(IRIS_RADIUS - radius, 0.16).unsqueeze(2))
    ball = mix(ball, colour((0.002, 0.002, 0.002)), ramp(PUPIL_RADIUS - radius, 0.12).unsqueeze(2))
    light_x = torch.sin(torch.deg2rad(scene.light_azimuth)).unsqueeze(1) * outward
    light_y = -torch.sin(torch.deg2rad(scene.light_elevation)).unsqueeze(1)
    glint = bell(dx - 0.12 * outward - 0.25 * light_x, 0.07) * bell(dy - 0.2 * light_y + 0.12, 0.07)
    wet = 0.12 * bell(y - lower + 0.05, 0.06) * (1 - s.square()).clamp(min=0)
    return ball, (0.4 * glint + 0.2 * wet) * (1 - 0.5 * face.p.melanin.unsqueeze(1))


def _lids(
    face: Face, albedo: Tensor, x: Tensor, y: Tensor, upper: Tensor, lower: Tensor, s: Tensor, soft: float
) -> Tensor:
    """Lash lines and eye shadow on the skin round the opening."""
    makeup = face.p.makeup.unsqueeze(1)
    reach = ramp((1.06 - s.abs()) * face.eye_half, 0.3)
    closed = face.lid_closed
    width = 0.09 + 0.06 * makeup + 0.03 * closed
    lashes = (0.72 + 0.28 * makeup) * bell(y - upper + 0.03, width) * reach
    wing = 0.35 * makeup * bell(y - upper + 0.12, 0.14) * smooth(s, 0.3, 1.0) * reach
    under = (0.3 + 0.3 * makeup) * bell(y - lower - 0.03, 0.06) * reach
    shadow = (0.22 * makeup + 0.1) * ramp(upper - y, 0.2) * bell(y - upper + 0.35, 0.4) * reach
    dark = (lashes + wing + under + shadow).clamp(0, 0.95).unsqueeze(2)
    albedo = mix(albedo, colour((0.004, 0.003, 0.003)), dark)
    rim = 0.4 * bell(y - lower - 0.02, 0.05) * reach * (1 - closed)
    return mix(albedo, colour((0.4, 0.2, 0.17)) * (0.3 + 0.7 * (1 - face.p.melanin[:, None, None])), rim.unsqueeze(2))


def _lid_fold(face: Face, y: Tensor, upper: Tensor, s: Tensor) -> Tensor:
    """The fold above the upper lid; it stays with the orbit when the lid closes and deepens under AU 5."""
    au = face.au
    rest = -face.p.eye_tilt.unsqueeze(1) * s - face.lid_rest_upper * (1 - s.square()).clamp(min=0).pow(0.8)
    height = face.p.lid_fold.unsqueeze(1)
    brow_weight = 0.16 * au[4] + 0.12 * au[9]  # the lowered brow pushes the fold on the lid
    line = rest - height * (1 - 0.5 * s.square()) + brow_weight - 0.12 * (au[1] + au[2]) - 0.22 * au[5]
    line = torch.minimum(line, upper - 0.06)
    depth = 0.45 + 0.4 * au[5] + 0.25 * au[9] - 0.35 * face.lid_closed
    return depth * bell(y - line, 0.1) * ramp((1.12 - s.abs()) * face.eye_half, 0.5)


def draw_brows(canvas: Canvas, face: Face, hair_colour: Tensor) -> None:
    """Brows: hair along a curve, thick at the nose and tapering to the tail; AU 4 bunches the inner end."""
    rows = canvas.rows(-5.2, 0.6)
    x, left, right = canvas.lateral(0.0, 7.0)
    y = canvas.y[rows][:, None]
    centre, u = brow_curve(face, x)
    au, p = face.au, face.p
    taper = smooth(u, -0.06, 0.16) * (1 - 0.72 * smooth(u, 0.45, 1.0))
    half = p.brow_thickness.unsqueeze(1) * taper * (1 + 0.25 * au[4] * (1 - u.clamp(0, 1)))
    seed = p.texture_seed
    hairs = texture("grain", seed + 19, len(y), 2 * len(x), canvas.cell).view(len(seed), len(y), 2, -1).transpose(1, 2)
    distance = half - (y - centre).abs() + 0.03 * hairs
    cover = ramp(distance, 0.3) * smooth(u, -0.06, 0.06) * (1 - smooth(u, 0.92, 1.06))
    cover = (cover * p.brow_density.unsqueeze(1) * (0.95 + 0.1 * hairs)).clamp(0, 1)
    albedo = to_sides(canvas.albedo, rows, left, right)
    from_sides(canvas.albedo, rows, left, right, mix(albedo, 0.55 * hair_colour.unsqueeze(1), cover.unsqueeze(2)))
    height = to_sides(canvas.height, rows, left, right)
    from_sides(canvas.height, rows, left, right, height + 0.06 * cover)
    gloss = to_sides(canvas.gloss, rows, left, right)
    from_sides(canvas.gloss, rows, left, right, gloss * (1 - cover))


def wear_glasses(canvas: Canvas, face: Face) -> None:
    """Glasses for the people who wear them: rims, bridge, temples, and a faint glare on the lens."""
    if not bool((face.p.glasses > 0).any()):
        return
    p = face.p
    rows = canvas.rows(-2.4, 3.4)
    x, left, right = canvas.lateral(0.0, 7.4)
    y = canvas.y[rows][:, None]
    worn, wide = p.glasses.unsqueeze(1), p.glasses_width.unsqueeze(1)
    dx, dy = (x - face.eye_x - 0.1).abs() / 2.45, (y - 0.45).abs() / (1.7 + 2 * (wide - 0.1))
    edge = (1 - (dx.pow(3.2) + dy.pow(3.2)).pow(1 / 3.2)) * 1.9
    frame = ramp(wide / 2 - edge.abs(), 0.12)
    bridge = ramp(wide / 2 - (y + 0.15 - 0.1 * x).abs(), 0.12) * ramp(face.eye_x - 2.35 - x, 0.1)
    temple = ramp(wide / 2 - (y + 0.25).abs(), 0.12) * ramp(x - face.eye_x - 2.5, 0.1)
    cover = worn * torch.maximum(torch.maximum(frame, bridge), temple)
    tone = p.glasses_tone[:, None, None] * colour((0.5, 0.42, 0.35)) + 0.01
    albedo = to_sides(canvas.albedo, rows, left, right)
    from_sides(canvas.albedo, rows, left, right, mix(albedo, tone, 0.92 * cover.unsqueeze(2)))
    glow = to_sides(canvas.glow, rows, left, right)
    glare = 0.02 * ramp(edge, 0.1) * smooth(x - y, 1.5, 4.5)
    from_sides(canvas.glow, rows, left, right, glow * (1 - cover) + worn * (glare + 0.05 * frame))
