"""The skin of a person on the chart: tone, blood, brows, lips, beard, lids, make-up, moles."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit.anatomy import Anatomy
from ferdis.datasets.facekit.folds import CHART_SIZE, along_line, chart_grid
from ferdis.datasets.synthetic.canvas import Columns, bell, mix, smooth

# Linear reflectance of very light and very dark skin; between them mixed in the logarithm, as Beer's law says.
LIGHTEST = (0.78, 0.55, 0.42)
DARKEST = (0.095, 0.048, 0.032)
_TILES, _TILE = 6, 512  # noise textures to choose a window from


@dataclass(frozen=True, eq=False)
class SkinMaps:
    """Where things are on the chart, each (A, A): coordinates and signed distances in cm, else shares 0..1."""

    s: Tensor
    t: Tensor
    brow_along: Tensor
    brow_across: Tensor
    eye: Tensor  # above 0 inside
    beard: Tensor
    moustache: Tensor
    scalp: Tensor
    blush: Tensor
    hollow: Tensor  # under the eye
    socket: Tensor
    rim: Tensor  # of the eye
    crease: Tensor  # of the upper lid
    freckled: Tensor
    upper_lid: Tensor
    shadow: Tensor  # of make-up
    lips: Tensor
    lip_gloss: Tensor
    lip_shade: Tensor
    no_lips: Tensor
    shine: Tensor


def skin_tone(p: Columns) -> Tensor:
    """Base reflectance (n, 3, 1, 1)."""
    light, dark = (p.melanin.new_tensor(colour).view(1, 3, 1, 1) for colour in (LIGHTEST, DARKEST))
    melanin = p.melanin.unsqueeze(1)
    tone = torch.exp((1 - melanin) * light.log() + melanin * dark.log())
    return tone * (1 + p.melanin.new_tensor((-0.01, 0.015, -0.08)).view(1, 3, 1, 1) * p.undertone.unsqueeze(1))


def hair_colour(p: Columns) -> Tensor:
    """Reflectance of hair (n, 3, 1, 1)."""
    black, blond, red, grey = (
        p.melanin.new_tensor(colour).view(1, 3, 1, 1)
        for colour in ((0.012, 0.01, 0.009), (0.42, 0.29, 0.15), (0.2, 0.07, 0.025), (0.42, 0.41, 0.4))
    )
    tone = torch.exp(mix(black.log(), blond.log(), p.hair_tone.unsqueeze(1)))
    tone = mix(tone, red, 0.5 * p.hair_red.unsqueeze(1))
    return mix(tone, grey, 0.85 * p.hair_grey.unsqueeze(1))


def paint_skin(anatomy: Anatomy, p: Columns) -> Tensor:
    """Albedo (three channels) and gloss on the chart, (n, 4, A, A)."""
    maps = skin_maps(anatomy)
    blotch, grain, strokes = (noise.to(p.melanin.device) for noise in skin_noise(p))
    tone, red = _complexion(maps, p, blotch, grain)
    albedo = torch.cat([skin_tone(p)[:, i] * tone * (1 + gain * red) for i, gain in enumerate((0.2, -0.5, -0.45))])
    albedo = albedo.view(3, len(tone), CHART_SIZE, CHART_SIZE).transpose(0, 1)
    albedo = _make_up_eyes(albedo, maps, p)
    albedo = mix(albedo, lip_colour(p) * maps.lip_shade, maps.lips)
    albedo = mix(albedo, brow_colour(p), _brows(maps, p, strokes).unsqueeze(1))
    albedo = mix(albedo, hair_colour(p) * 0.8 + 0.1 * albedo, _beard(maps, p, strokes, grain).unsqueeze(1))
    gloss = p.oiliness * (0.06 + 0.16 * maps.shine) * (1 + 0.3 * grain) + maps.lip_gloss * (0.1 + 0.25 * p.makeup)
    return torch.cat((albedo, gloss.unsqueeze(1)), 1)


def _complexion(maps: SkinMaps, p: Columns, blotch: Tensor, grain: Tensor) -> tuple[Tensor, Tensor]:
    """Brightness of the skin relative to its tone, and how much blood shows."""
    tone = 1 + 0.05 * p.blotches * blotch + 0.018 * grain
    tone = tone - maps.hollow * (0.06 + 0.3 * p.eye_bag) - 0.2 * p.socket_shade * maps.socket
    tone = tone - 0.25 * maps.rim - 0.4 * p.lid_fold * maps.crease
    if bool((p.freckles > 0).any()):
        tone = tone - 0.3 * p.freckles * smooth(grain, 1.3, 2.8) * maps.freckled
    for mole_s, mole_t, size in ((p.mole_s, p.mole_t, 0.13), (p.mole_2_s, p.mole_2_t, 0.09)):
        tone = tone * (1 - p.mole_strength * bell(maps.s - mole_s, size) * bell(maps.t - mole_t, size))
    scalp = maps.scalp * smooth(p.hair_style, 0.5, 0.2)  # the shadow of shaved hair
    tone = tone * (1 - 0.3 * scalp * (1 - p.hair_grey) * (1 - p.age))
    return tone.clamp(min=0.05), p.redness * (0.16 * maps.blush + 0.05 + 0.06 * blotch + 0.1 * maps.rim)


def _make_up_eyes(albedo: Tensor, maps: SkinMaps, p: Columns) -> Tensor:
    """Lash line, eye shadow."""
    liner = bell(maps.eye + 0.03, 0.07 + 0.06 * p.makeup) * (0.25 + 0.5 * p.lashes + 0.5 * p.makeup).clamp(max=0.95)
    albedo = albedo * (1 - (maps.shadow * p.makeup * maps.upper_lid).unsqueeze(1))
    return albedo * (1 - (liner * (0.35 + 0.65 * maps.upper_lid) * 0.85).unsqueeze(1))


def lip_colour(p: Columns) -> Tensor:
    """Vermilion and the lipstick over it, (n, 3, 1, 1)."""
    base = skin_tone(p)
    natural = base * base.new_tensor((0.92, 0.58, 0.6)).view(1, 3, 1, 1)
    natural = mix(base * 0.85, natural, (0.35 + 0.65 * p.lip_colour).unsqueeze(1))
    red, rose = (base.new_tensor(colour).view(1, 3, 1, 1) for colour in ((0.35, 0.03, 0.05), (0.9, 0.5, 0.55)))
    stick = mix(red, base * rose, p.lipstick_hue.unsqueeze(1))
    return mix(natural, stick, (0.8 * smooth(p.makeup, 0.25, 0.6)).unsqueeze(1))


def brow_colour(p: Columns) -> Tensor:
    """Reflectance of the brows, darker than the hair, (n, 3, 1, 1)."""
    return hair_colour(p) * (1 - 0.3 * p.hair_tone.unsqueeze(1)) * (1 - 0.55 * p.hair_grey.unsqueeze(1)) + 0.004


def _brows(maps: SkinMaps, p: Columns, strokes: Tensor) -> Tensor:
    """Coverage of the brows."""
    along = maps.brow_along
    arch = p.brow_arch * (1 - (along - 0.62).square() * 4)
    across = maps.brow_across - p.brow_y - arch
    profile = smooth(along, -0.12 + 0.12 * p.brow_gap, 0.1 + 0.1 * p.brow_gap) * smooth(along, 1.12, 0.55)
    half = p.brow_thickness * (0.35 + 0.65 * profile)
    edge = smooth(half + 0.05 * strokes - across.abs(), -0.16, 0.16)
    cover = edge * profile * (0.85 + 0.15 * strokes.clamp(-1, 1))
    return (cover * (0.5 + 0.6 * p.brow_density)).clamp(0, 0.96)


def _beard(maps: SkinMaps, p: Columns, strokes: Tensor, grain: Tensor) -> Tensor:
    """Coverage of beard, moustache and stubble."""
    stubble = smooth(p.beard, 0.0, 0.15) * 0.22 + smooth(p.beard, 0.15, 0.7) * 0.7
    lip = smooth(p.moustache, 0.0, 0.15) * 0.22 + smooth(p.moustache, 0.15, 0.7) * 0.7
    cover = torch.maximum(maps.beard * stubble, maps.moustache * lip)
    cover = cover * (1 + 0.25 * strokes.clamp(-1, 1) + 0.15 * grain.clamp(-1, 1))
    return (cover * maps.no_lips).clamp(0, 0.92)


@functools.lru_cache(maxsize=2)
def skin_maps(anatomy: Anatomy) -> SkinMaps:
    """Distances from the template's landmarks on the chart."""
    s, t = chart_grid()
    marks = anatomy.chart[anatomy.landmarks].cpu().numpy()
    half = (marks[22:27] * [1, 1] + marks[21:16:-1] * [-1, 1]) / 2  # brow, inner end first
    half = half - [0, 0.42]
    half[0] = half[0] + [-0.15, -0.12]
    away, along = along_line(np.abs(s), t, tuple(map(tuple, half)))
    above = np.interp(np.abs(s), half[:, 0], half[:, 1])
    inner, outer = half[0, 0], half[-1, 0]
    along = (
        along + np.minimum(np.abs(s) - inner, 0) / (outer - inner) + np.maximum(np.abs(s) - outer, 0) / (outer - inner)
    )
    eye = (marks[42:48] + marks[[39, 38, 37, 36, 41, 40]] * [-1, 1]) / 2
    lip_points, inner_points = marks[48:60], marks[60:68]
    seam_t = np.interp(
        s, inner_points[[0, 1, 2, 3, 4], 0], (inner_points[[0, 1, 2, 3, 4], 1] + inner_points[[0, 7, 6, 5, 4], 1]) / 2
    )
    lid_t = np.interp(np.abs(s), eye[:4, 0], eye[:4, 1])
    low = _soft(t - np.interp(np.abs(s), [0, 2.2, 3.6, 5.5, 8.2], [-4.6, -4.4, -3.2, -2.2, 2.6]), -0.35)
    whiskers = low * _soft(np.abs(s) - 9.6, -0.4)
    upper_lip = _soft(np.abs(s) - 2.7, -0.4) * _soft(t + 1.5 + 0.28 * np.abs(s), -0.2) * _soft(t + 4.2, 0.3)
    hairline = 9.4 - 0.035 * s**2 - 0.0012 * s**4
    values = {
        "s": s, "t": t, "brow_along": along, "eye": _inside_polygon(np.abs(s), t, eye),
        "brow_across": np.where(away < np.abs(t - above), np.sign(t - above) * away, t - above),
        "beard": whiskers, "moustache": upper_lip, "scalp": _soft(t - hairline, 0.8),
        "over_eye": t - lid_t, "lips": _inside_polygon(s, t, lip_points), "seam": t - seam_t,
    }  # fmt: skip
    tensors = {name: torch.from_numpy(value.astype(np.float32)) for name, value in values.items()}
    shares = _shares(
        *(tensors[name] for name in ("s", "t", "eye")), *(tensors.pop(n) for n in ("over_eye", "lips", "seam"))
    )
    return SkinMaps(**{name: value.to(anatomy.template.device) for name, value in (tensors | shares).items()})


def _shares(s: Tensor, t: Tensor, eye: Tensor, over_eye: Tensor, lips: Tensor, seam: Tensor) -> dict[str, Tensor]:
    """Where on the chart something shows, whoever the person is."""
    across = s.abs()
    blush = bell(across - 4.3, 1.5) * bell(t + 0.2, 1.5) + 0.9 * bell(s, 1.0) * bell(t - 0.3, 0.8)
    socket = smooth(over_eye, 1.25, 0.2) * bell(across - 2.6, 1.5)
    shine = bell(s, 1.1) * bell(t - 1.2, 1.8) + 0.9 * bell(t - 8.0, 1.4) * bell(s, 2.8)
    return {
        "blush": blush + 0.35 * bell(t + 6.6, 0.9) * bell(s, 1.6),
        "hollow": bell(across - 2.4, 1.0) * bell(t - 2.1, 0.55),
        "socket": socket + 0.6 * bell(across - 1.25, 0.6) * bell(t - 3.8, 0.8),
        "rim": bell(eye + 0.02, 0.1),
        "crease": bell(over_eye - 0.38, 0.09) * smooth(across, 1.7, 2.3) * smooth(across, 4.9, 4.2),
        "freckled": bell(t - 0.6, 2.4) * bell(s, 4.5),
        "upper_lid": smooth(over_eye, -0.25, 0.05),
        "shadow": 0.5 * bell(over_eye - 0.25, 0.3) * smooth(across, 1.6, 2.4) * smooth(across, 5.3, 4.5),
        "lips": smooth(lips, -0.09, 0.09),
        "lip_gloss": smooth(lips, -0.06, 0.1),
        "lip_shade": 1 - 0.14 * (seam > 0).float() - 0.55 * bell(seam, 0.1),
        "no_lips": smooth(lips, 0.05, -0.1),
        "shine": shine + 0.7 * bell(across - 4.4, 1.2) * bell(t - 1.2, 1.0),
    }


def _soft(value: np.ndarray, width: float) -> np.ndarray:
    """0 below, 1 above 0, over ``width`` cm; a negative width turns it round."""
    return np.clip(value / width + 0.5, 0, 1)


def _inside_polygon(s: np.ndarray, t: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Signed distance to a closed polygon, above 0 inside."""
    closed = np.concatenate([points, points[:1]])
    away, _ = along_line(s, t, tuple(map(tuple, closed)))
    inside = np.zeros(s.shape, bool)
    for (s0, t0), (s1, t1) in pairwise(closed):
        crosses = (t0 > t) != (t1 > t)
        inside ^= crosses & (s < (s1 - s0) * (t - t0) / (t1 - t0 if t1 != t0 else 1e-9) + s0)
    return np.where(inside, away, -away)


def skin_noise(p: Columns) -> tuple[Tensor, Tensor, Tensor]:
    """Blotches, grain and strokes of each person, (n, A, A) each."""
    seeds = p.texture_seed[:, 0, 0].long().tolist()
    return _noise("blotch", seeds), _noise("grain", seeds), _noise("stroke", seeds)


def _noise(kind: str, seeds: list[int]) -> Tensor:
    """A window of unit noise for each seed, (n, A, A)."""
    tiles = _noise_tiles(kind)
    windows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, len(kind)])
        top, left = rng.integers(0, _TILE - CHART_SIZE, 2)
        windows.append(tiles[int(rng.integers(0, _TILES)), top : top + CHART_SIZE, left : left + CHART_SIZE])
    return torch.stack(windows)


@functools.cache
def _noise_tiles(kind: str) -> Tensor:
    """(tiles, 512, 512): slow blotches, fine grain, or strokes that lean outwards as brow hairs do."""
    rng = np.random.default_rng(7103)
    white = np.fft.rfft2(rng.normal(size=(_TILES, _TILE, _TILE)))
    down = np.fft.fftfreq(_TILE)[:, None] * CHART_SIZE / 20  # cycles per cm
    across = np.fft.rfftfreq(_TILE)[None] * CHART_SIZE / 20
    if kind == "blotch":
        band = np.exp(-np.hypot(down, across) / 0.5)
    elif kind == "grain":
        band = np.exp(-0.5 * ((np.hypot(down, across) - 2.0) / 1.2) ** 2)
    else:
        band = np.exp(-0.5 * (((down * 0.8 + across * 0.6) / 0.8) ** 2 + ((across * 0.8 - down * 0.6) / 3.0) ** 2))
    noise = np.fft.irfft2(white * band, s=(_TILE, _TILE))
    return torch.from_numpy((noise / noise.std()).astype(np.float32))
