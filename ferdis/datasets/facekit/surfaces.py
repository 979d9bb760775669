"""What lies at each pixel: colour, gloss and normal of skin, eyes, mouth, lashes, hair and glasses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ferdis.datasets.facekit.anatomy import EYE, EYE_SOCKET, GUMS, HEAD, LASH, MOUTH, SKIN, TEETH
from ferdis.datasets.facekit.raster import Fragments
from ferdis.datasets.facekit.shading import PixelColumns, eye_colour, furrowed, on_chart, unit
from ferdis.datasets.synthetic.canvas import smooth


@dataclass
class Surface:
    """A list of pixels: their places in the flattened batch, and what each shows."""

    pixel: Tensor  # (P,)
    albedo: Tensor  # (3, P)
    gloss: Tensor  # (P,)
    normal: Tensor  # (3, P)
    soft: Tensor  # (P,) 1 where light seeps in
    cover: Tensor  # (P,) 0..1


def interpolated(seen: Fragments, rows: Tensor, triangles: Tensor, pixel: Tensor) -> Tensor:
    """Attributes (n, V, c) of vertices at the pixels of a list: (c, P)."""
    _, vertices, channels = rows.shape
    image = torch.div(pixel, seen.triangle.shape[1] * seen.triangle.shape[2], rounding_mode="floor")
    corners = triangles.index_select(0, seen.triangle.view(-1).index_select(0, pixel)) + (image * vertices)[:, None]
    values = rows.reshape(-1, channels).index_select(0, corners.view(-1)).view(-1, 3, channels)
    weights = seen.weights.view(-1, 3).index_select(0, pixel).unsqueeze(-1)
    mixed = values[:, 0] * weights[:, 0] + values[:, 1] * weights[:, 1] + values[:, 2] * weights[:, 2]
    return mixed.t().contiguous()


def head_surface(
    part: Tensor, attributes: Tensor, texture: Tensor, tones: tuple[Tensor, Tensor], up: Tensor, gaze: Tensor,
    pixel: Tensor, p: PixelColumns,
) -> Surface:  # fmt: skip
    """The head's surface.

    Parameters
    ----------
    part : Tensor (P,)
    attributes : Tensor (9, P)
        Normal, chart, direction in the eyeball, depth in the mouth.
    texture : Tensor (n, 7, A, A)
        Skin (colour, gloss) and relief of the folds (two slopes, shade) on the chart.
    tones : Tensor (n, 3), twice
        Of skin and hair.
    up, gaze : Tensor (n, 3)
        The turned head's up; where the eyes look, in the head's own frame.
    """
    normal, chart, behind = unit(attributes[:3]), attributes[3:5], attributes[8]
    tone, hair = (p.of_images(colour) for colour in tones)
    hairy = smooth(p.hair_style, 0.5, 0.9) * smooth(chart[1], 6.0, 9.0)
    albedo, gloss = torch.lerp(tone, hair, 0.6 * hairy), torch.full_like(behind, 0.03)  # the head
    skin = (part == SKIN).nonzero().view(-1)
    sampled = on_chart(texture, chart.index_select(1, skin), p.image.index_select(0, skin))
    albedo[:, skin] = sampled[:3] * (1 - sampled[6].clamp(0, 0.85))
    gloss[skin] = sampled[3]
    normal[:, skin] = furrowed(normal[:, skin], sampled[4:6], p.take(skin).of_images(up))
    dimmed = (1 - behind).clamp_(min=0.02).square_()
    for names, colour, shine in (
        ((MOUTH, GUMS), (0.32, 0.1, 0.1), 0.2), ((TEETH,), (1.0, 0.95, 0.85), 0.3),
        ((EYE_SOCKET,), (0.75, 0.42, 0.4), 0.03), ((LASH,), (0.02, 0.02, 0.02), 0.03), ((EYE,), (0, 0, 0), 0.0),
    ):  # fmt: skip
        here = torch.isin(part, part.new_tensor(names)).nonzero().view(-1)
        own, base = p.take(here), tone.new_tensor(colour).view(3, 1)
        if LASH in names:
            painted = base + 0.5 * (1 - own.lashes) * tone[:, here]
        elif EYE in names:
            painted = eye_colour(unit(attributes[5:8, here]), own.of_images(gaze), own)
        elif EYE_SOCKET in names:
            painted = base * tone[:, here]
        else:
            light = own.tooth_shade if TEETH in names else 0.6 + 0.8 * tone[:, here]
            painted = base * light * dimmed[here]
        albedo[:, here] = painted
        gloss[here] = shine * dimmed[here]
    soft = ((part == SKIN) | (part == HEAD)).float()
    return Surface(pixel, albedo, gloss, normal, soft, torch.ones_like(soft))


def worn_surface(layer: Tensor, hair: Tensor, pixel: Tensor, p: PixelColumns) -> Surface:
    """Hair and frames of glasses, from the layer's attributes (7, P) and the hair's colour (n, 3)."""
    normal, field, across, along, frame = unit(layer[:3]), layer[3], layer[4], layer[5], layer[6] > 0.5
    ragged, streak = _strands(across, along, p)
    cover = smooth(field + 0.3 * ragged, -0.1, 0.45 + 0.3 * p.hair_curl)
    colour = p.of_images(hair) * (1 + 0.45 * streak).clamp_(min=0.2)
    gloss = (0.05 + 0.25 * (1 - p.hair_curl) * (0.5 + 0.5 * streak.clamp(-1, 1))) * (p.hair_tone + 0.4)
    rim = p.glasses_tone.square() * 0.5 + 0.01
    return Surface(
        pixel, torch.where(frame, rim, colour), torch.where(frame, torch.zeros_like(gloss), gloss), normal,
        torch.zeros_like(cover), torch.where(frame, torch.ones_like(cover), cover),
    )  # fmt: skip


def _strands(across: Tensor, along: Tensor, p: PixelColumns) -> tuple[Tensor, Tensor]:
    """Noise that runs with the strands (about -1..1): of the hairline, and of brightness."""
    phase = p.texture_seed.remainder(64.0)
    bent = across + (0.25 + 0.75 * p.hair_curl) * torch.sin(0.7 * along + phase)
    fine = torch.sin(9.1 * bent + phase) + torch.sin(14.7 * bent + 1.7 * phase + 0.6 * along)
    coarse = torch.sin(2.3 * bent + phase) + torch.sin(4.1 * bent + 0.4 * along + 2.1 * phase)
    knots = torch.sin(5.0 * along + 6.0 * across + phase) * torch.sin(6.3 * across - 3.1 * along)
    return 0.25 * fine + 0.45 * coarse, torch.lerp(0.25 * (fine + coarse), 0.6 * knots, p.hair_curl)
