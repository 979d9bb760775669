"""A loop over the cells of the chart: what `skin` paints there. Tables hold the columns `PERSON`, maps are `MAPS`."""

from __future__ import annotations

import numpy as np

from ferdis.datasets.facekit.compiled.jit import compiled

PERSON = (
    "blotches", "eye_bag", "socket_shade", "lid_fold", "freckles", "mole_s", "mole_t", "mole_2_s", "mole_2_t",
    "mole_strength", "hair_style", "hair_grey", "age", "redness", "makeup", "lashes", "lip_colour", "lipstick_hue",
    "brow_arch", "brow_y", "brow_gap", "brow_thickness", "brow_density", "beard", "moustache", "oiliness", "hair_tone",
)  # fmt: skip
MAPS = (
    "s", "t", "brow_along", "brow_across", "eye", "beard", "moustache", "scalp", "blush", "hollow", "socket", "rim",
    "crease", "freckled", "upper_lid", "shadow", "lips", "lip_gloss", "lip_shade", "no_lips", "shine",
)  # fmt: skip


@compiled
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled
def _smooth(value: float, low: float, high: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled
def _bell(offset: float, width: float) -> float:
    reach = offset * (0.25 / width)
    left = max(1.0 - reach * reach, 0.0)
    left *= left
    left *= left
    return left * left


@compiled
def _mole(s: float, t: float, strength: float, size: float) -> float:
    return 1.0 - strength * _bell(s, size) * _bell(t, size)


@compiled
def _brightness(
    maps: np.ndarray, of: np.ndarray, blotch: np.ndarray, grain: np.ndarray, shaved: float, out: np.ndarray
) -> None:
    """``skin._complexion``'s brightness of each cell."""
    bag, socket, fold, freckles = 0.06 + 0.3 * of[1], 0.2 * of[2], 0.4 * of[3], 0.3 * of[4]
    blotchy = 0.05 * of[0]
    for k in range(len(out)):
        tone = 1.0 + blotchy * blotch[k] + 0.018 * grain[k] - maps[9, k] * bag - socket * maps[10, k]
        out[k] = tone - 0.25 * maps[11, k] - fold * maps[12, k]
    if freckles > 0:
        for k in range(len(out)):
            out[k] -= freckles * _smooth(grain[k], 1.3, 2.8) * maps[13, k]
    if of[9] > 0:
        strength, s0, t0, s1, t1 = of[9], of[5], of[6], of[7], of[8]
        for k in range(len(out)):
            out[k] *= _mole(maps[0, k] - s0, maps[1, k] - t0, strength, 0.13)
            out[k] *= _mole(maps[0, k] - s1, maps[1, k] - t1, strength, 0.09)
    for k in range(len(out)):
        out[k] = max(out[k] * (1.0 - shaved * maps[7, k]), 0.05)


@compiled
def _brows(maps: np.ndarray, of: np.ndarray, strokes: np.ndarray, out: np.ndarray) -> None:
    """``skin._brows``."""
    arch, height, gap, thickness, density = of[18], of[19], of[20], of[21], 0.5 + 0.6 * of[22]
    inner, outer = -0.12 + 0.12 * gap, 0.1 + 0.1 * gap
    for k in range(len(out)):
        along, stroke = maps[2, k], strokes[k]
        off = along - 0.62
        across = maps[3, k] - height - arch * (1.0 - off * off * 4.0)
        profile = _smooth(along, inner, outer) * _smooth(along, 1.12, 0.55)
        half = thickness * (0.35 + 0.65 * profile)
        edge = _smooth(half + 0.05 * stroke - abs(across), -0.16, 0.16)
        cover = edge * profile * (0.85 + 0.15 * _clip(stroke, -1.0, 1.0))
        out[k] = _clip(cover * density, 0.0, 0.96)


@compiled
def _beard(maps: np.ndarray, of: np.ndarray, strokes: np.ndarray, grain: np.ndarray, out: np.ndarray) -> None:
    """``skin._beard``."""
    chin = _smooth(of[23], 0.0, 0.15) * 0.22 + _smooth(of[23], 0.15, 0.7) * 0.7
    lip = _smooth(of[24], 0.0, 0.15) * 0.22 + _smooth(of[24], 0.15, 0.7) * 0.7
    for k in range(len(out)):
        cover = max(maps[5, k] * chin, maps[6, k] * lip)
        cover *= 1.0 + 0.25 * _clip(strokes[k], -1.0, 1.0) + 0.15 * _clip(grain[k], -1.0, 1.0)
        out[k] = _clip(cover * maps[19, k], 0.0, 0.92)


@compiled
def paint(
    maps: np.ndarray, blotches: np.ndarray, grains: np.ndarray, strokes: np.ndarray, person: np.ndarray,
    tones: np.ndarray, hairs: np.ndarray, brow_hairs: np.ndarray, lips: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """``skin.paint_skin``: maps (len(MAPS), A A), noise (n, A A), colours (n, 3), out (n, A A, 4)."""
    bright, browed, bearded = (np.empty(maps.shape[1]), np.empty(maps.shape[1]), np.empty(maps.shape[1]))
    for n in range(len(person)):
        of, blotch, grain = person[n], blotches[n], grains[n]
        _brightness(maps, of, blotch, grain, 0.3 * (1.0 - of[11]) * (1.0 - of[12]) * _smooth(of[10], 0.5, 0.2), bright)
        _brows(maps, of, strokes[n], browed)
        _beard(maps, of, strokes[n], grain, bearded)
        redness, oil, made_up = of[13], of[25], of[14]
        width = 0.07 + 0.06 * made_up
        dark = 0.85 * min(0.25 + 0.5 * of[15] + 0.5 * made_up, 0.95)
        for k in range(maps.shape[1]):
            red = redness * (0.16 * maps[8, k] + 0.05 + 0.06 * blotch[k] + 0.1 * maps[11, k])
            lids = 1.0 - maps[15, k] * made_up * maps[14, k]
            lids *= (1.0 - _bell(maps[4, k] + 0.03, width) * dark * (0.35 + 0.65 * maps[14, k])) * bright[k]
            for channel in range(3):
                gain = 0.2 if channel == 0 else (-0.5 if channel == 1 else -0.45)
                colour = tones[n, channel] * (1.0 + gain * red) * lids
                colour += (lips[n, channel] * maps[18, k] - colour) * maps[16, k]
                colour += (brow_hairs[n, channel] - colour) * browed[k]
                colour += (hairs[n, channel] * 0.8 + 0.1 * colour - colour) * bearded[k]
                out[n, k, channel] = colour
            shine = oil * (0.06 + 0.16 * maps[20, k]) * (1.0 + 0.3 * grain[k])
            out[n, k, 3] = shine + maps[17, k] * (0.1 + 0.25 * made_up)
