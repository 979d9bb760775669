"""Hair, ears and the outline of the head, which bounds the person on the sheet."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import HALF_WIDTH, Canvas, bell, from_sides, mix, ramp, smooth, texture, to_sides
from .geometry import Face, outline_half_width
from .identity import BALD, LONG, UPSWEPT


def hair_colour(face: Face, grey: float = 0.9) -> Tensor:
    """Linear reflectance of hair (n, 3, 1, 1): black, brown, red or blond; age turns up to ``grey`` of it grey."""
    p = face.p
    colour = lambda r, g, b: torch.tensor((r, g, b)).view(1, 3, 1, 1)  # noqa: E731
    tone, red = p.hair_tone.unsqueeze(1), p.hair_red.unsqueeze(1)
    pigment = mix(colour(0.009, 0.007, 0.006), colour(0.42, 0.29, 0.15), tone.pow(1.5))
    pigment = pigment * (1 + red * (colour(1.7, 0.85, 0.45) - 1))
    return mix(pigment, colour(0.27, 0.265, 0.26), grey * p.hair_grey.unsqueeze(1))


def draw_ears(canvas: Canvas, face: Face, outline: Tensor, head: Tensor) -> None:
    """Paint the ears' folds on the skin and add their coverage to ``head`` (n, H, W), in place."""
    p = face.p
    rows = canvas.rows(-3.2, 6.4)
    x, left, right = canvas.lateral(4.4, 9.8)
    y = canvas.y[rows][:, None]
    side = outline_half_width(face, torch.tensor([1.5]))
    centre = (side - 0.35 + 0.75 * p.ear_out).unsqueeze(1)
    dx, dy = x - centre - 0.12 * (1.6 - y), (y - 1.7) / (3.0 * p.ear_size.unsqueeze(1))
    radius = ((dx / 0.95).square() + dy.square() * (1 + 0.3 * (y > 2.5))).sqrt()
    cover = ramp((1 - radius) * 0.95, 0.25).expand(-1, 2, -1, -1)
    folds = 0.45 * bell(radius - 0.62, 0.13) + 0.5 * bell(radius, 0.3)
    beyond = smooth(x - outline[:, rows].unsqueeze(1), -0.2, 0.1)
    albedo, height = to_sides(canvas.albedo, rows, left, right), to_sides(canvas.height, rows, left, right)
    from_sides(canvas.albedo, rows, left, right, albedo * (1 - beyond * cover * folds).unsqueeze(2))
    from_sides(canvas.height, rows, left, right, height + 0.2 * cover * beyond)
    from_sides(head, rows, left, right, torch.maximum(to_sides(head, rows, left, right), cover))


def _hair_cover(canvas: Canvas, face: Face) -> tuple[Tensor, Tensor]:
    """Coverage of the hair (n, H, W) and its fine structure, about -1..1."""
    p, x, y = face.p, canvas.x, canvas.y[:, None]
    across = x.abs()
    rows, columns = len(canvas.y), len(canvas.x)
    strand = texture("strand", p.texture_seed + 31, rows, columns, canvas.cell)
    clump = texture("clump", p.texture_seed + 37, rows, columns, canvas.cell)
    structure = (0.55 * strand + 0.6 * clump).clamp(-1.5, 1.5)
    style = p.hair_style
    is_bald, is_long, is_up = style == BALD, style == LONG, style == UPSWEPT
    volume = torch.where(is_bald, 0.0 * p.hair_volume, torch.where(is_up, 0.25 * p.hair_volume, p.hair_volume))
    width = p.face_width + 0.45 + 0.45 * volume
    crown = -10.7 - 0.9 * volume
    widest = -1.5
    above = ((widest - y) / (widest - crown)).clamp(0, 1)
    outer = width * (1 - above.pow(2.2)).pow(0.47)
    falling = (width + 0.10 * (y - widest).clamp(min=0) * volume).clamp(max=HALF_WIDTH - 0.4)
    length = torch.where(is_long, p.hair_length, 1.6 + 0 * p.hair_length)
    outer = torch.where(y > widest, torch.where(is_long, falling, width - 0.12 * (y - widest).clamp(min=0)), outer)
    outer = torch.maximum(outer, (outline_half_width(face, canvas.y) + 0.25) * (y < 0.5))
    inside = ramp(outer - across + 0.12 * structure, 0.35) * smooth(length - y + 0.5 * structure, -0.3, 0.5)
    hairline = p.hairline_y + 3.6 * (across / 5.9).pow(3.2) - 0.5 * bell(across - 3.2, 1.0) * (p.masculinity + 0.6)
    fringe = p.fringe * (2.9 - 0.25 * (x - p.parting).abs()).clamp(min=0.3) * (~is_up)
    hairline = hairline + fringe + 0.16 * structure
    edge = 0.5 + 0.25 * (p.masculinity < 0)
    over_brow = ramp(hairline - y, edge)
    temple = p.face_width - 0.45 + 0.1 * structure
    down = torch.where(is_long, 0.75 * bell(y - 5.0, 3.5) - 0.1 * (y - 8).clamp(min=0), -0.1 * (y + 1).clamp(min=0))
    beside = ramp(across - temple - down * 0.6, 0.3)
    fringe_zone = smooth(y, -4.5, -2.0)
    beside = beside * torch.where(is_long, torch.ones_like(y), fringe_zone * (y < length))
    cover = inside * torch.maximum(over_brow, beside)
    cover = torch.where(is_bald, 0.0 * cover, cover)
    return cover, structure


def draw_head(canvas: Canvas, face: Face, colour: Tensor) -> Tensor:
    """Draw ears and hair; return the coverage (n, H, W) of the whole head."""
    outline = outline_half_width(face, canvas.y)
    slope = torch.gradient(outline, spacing=canvas.cell, dim=1)[0].clamp(-4, 4)
    head = ramp((outline - canvas.x.abs()) / (1 + slope.square()).sqrt(), 1.5 * canvas.cell)
    head = head * (outline > 0)
    draw_ears(canvas, face, outline, head)
    cover, structure = _hair_cover(canvas, face)
    shadow = smooth(_below(cover, canvas.cell), 0.0, 1.0)
    canvas.albedo.mul_((1 - 0.28 * shadow * (1 - cover)).unsqueeze(1))
    lit = colour * (1 + 0.35 * structure.unsqueeze(1)) * (0.85 + 0.25 * face.p.oiliness.unsqueeze(1))
    canvas.albedo.lerp_(lit, cover.unsqueeze(1))
    canvas.height = canvas.height + cover * (0.1 + 0.05 * structure)
    dull = 1 - smooth(canvas.x.abs() - outline, -1.0, -0.2)  # no sheen where the head turns away
    canvas.gloss = mix(canvas.gloss * dull, 0.08 + 0.05 * structure, cover).clamp(min=0)
    return torch.maximum(head, cover)


def _below(cover: Tensor, cell: float) -> Tensor:
    """The cover moved down by 0.45 cm: the shadow that hair casts on the forehead."""
    step = max(1, round(0.45 / cell))
    moved = torch.zeros_like(cover)
    moved[:, step:] = cover[:, :-step]
    return moved
