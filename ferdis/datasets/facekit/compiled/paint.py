"""A loop over the cells of the chart: what `skin` paints there. Tables hold the columns `PERSON`, maps are `MAPS`."""

from __future__ import annotations

import numpy as np

from ferdis.datasets.facekit.compiled.jit import compiled

PERSON = (
    "blotches", "eye_bag", "socket_shade", "lid_fold", "freckles", "mole_s", "mole_t", "mole_2_s", "mole_2_t",
    "mole_strength", "hair_style", "hair_grey", "age", "redness", "makeup", "lashes", "brow_arch", "brow_y",
    "brow_gap", "brow_thickness", "brow_density", "beard", "moustache", "oiliness",
)  # fmt: skip
MAPS = (
    "s", "t", "brow_along", "brow_across", "eye", "beard", "moustache", "scalp", "blush", "hollow", "socket", "rim",
    "crease", "freckled", "upper_lid", "shadow", "lips", "lip_gloss", "lip_shade", "no_lips", "shine",
)  # fmt: skip
(
    _BLOTCHES, _EYE_BAG, _SOCKET_SHADE, _LID_FOLD, _FRECKLES, _MOLE_S, _MOLE_T, _MOLE_2_S, _MOLE_2_T, _MOLE_STRENGTH,
    _HAIR_STYLE, _HAIR_GREY, _AGE, _REDNESS, _MAKEUP, _LASHES, _BROW_ARCH, _BROW_Y, _BROW_GAP, _BROW_THICKNESS,
    _BROW_DENSITY, _BEARD, _MOUSTACHE, _OILINESS,
) = range(len(PERSON))  # fmt: skip
(
    _S, _T, _BROW_ALONG, _BROW_ACROSS, _EYE, _AT_BEARD, _AT_MOUSTACHE, _SCALP, _BLUSH, _HOLLOW, _SOCKET, _RIM,
    _CREASE, _FRECKLED, _UPPER_LID, _SHADOW, _LIPS, _LIP_GLOSS, _LIP_SHADE, _NO_LIPS, _SHINE,
) = range(len(MAPS))  # fmt: skip


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
    bag, socket = 0.06 + 0.3 * of[_EYE_BAG], 0.2 * of[_SOCKET_SHADE]
    fold, freckles, blotchy = 0.4 * of[_LID_FOLD], 0.3 * of[_FRECKLES], 0.05 * of[_BLOTCHES]
    for k in range(len(out)):
        tone = 1.0 + blotchy * blotch[k] + 0.018 * grain[k] - maps[_HOLLOW, k] * bag - socket * maps[_SOCKET, k]
        out[k] = tone - 0.25 * maps[_RIM, k] - fold * maps[_CREASE, k]
    if freckles > 0:
        for k in range(len(out)):
            out[k] -= freckles * _smooth(grain[k], 1.3, 2.8) * maps[_FRECKLED, k]
    if of[_MOLE_STRENGTH] > 0:
        strength, s0, t0, s1, t1 = of[_MOLE_STRENGTH], of[_MOLE_S], of[_MOLE_T], of[_MOLE_2_S], of[_MOLE_2_T]
        for k in range(len(out)):
            out[k] *= _mole(maps[_S, k] - s0, maps[_T, k] - t0, strength, 0.13)
            out[k] *= _mole(maps[_S, k] - s1, maps[_T, k] - t1, strength, 0.09)
    for k in range(len(out)):
        out[k] = max(out[k] * (1.0 - shaved * maps[_SCALP, k]), 0.05)


@compiled
def _brows(maps: np.ndarray, of: np.ndarray, strokes: np.ndarray, out: np.ndarray) -> None:
    """``skin._brows``."""
    arch, height, gap = of[_BROW_ARCH], of[_BROW_Y], of[_BROW_GAP]
    thickness, density = of[_BROW_THICKNESS], 0.5 + 0.6 * of[_BROW_DENSITY]
    inner, outer = -0.12 + 0.12 * gap, 0.1 + 0.1 * gap
    for k in range(len(out)):
        along, stroke = maps[_BROW_ALONG, k], strokes[k]
        off = along - 0.62
        across = maps[_BROW_ACROSS, k] - height - arch * (1.0 - off * off * 4.0)
        profile = _smooth(along, inner, outer) * _smooth(along, 1.12, 0.55)
        half = thickness * (0.35 + 0.65 * profile)
        edge = _smooth(half + 0.05 * stroke - abs(across), -0.16, 0.16)
        cover = edge * profile * (0.85 + 0.15 * _clip(stroke, -1.0, 1.0))
        out[k] = _clip(cover * density, 0.0, 0.96)


@compiled
def _beard(maps: np.ndarray, of: np.ndarray, strokes: np.ndarray, grain: np.ndarray, out: np.ndarray) -> None:
    """``skin._beard``."""
    chin = _smooth(of[_BEARD], 0.0, 0.15) * 0.22 + _smooth(of[_BEARD], 0.15, 0.7) * 0.7
    lip = _smooth(of[_MOUSTACHE], 0.0, 0.15) * 0.22 + _smooth(of[_MOUSTACHE], 0.15, 0.7) * 0.7
    for k in range(len(out)):
        cover = max(maps[_AT_BEARD, k] * chin, maps[_AT_MOUSTACHE, k] * lip)
        cover *= 1.0 + 0.25 * _clip(strokes[k], -1.0, 1.0) + 0.15 * _clip(grain[k], -1.0, 1.0)
        out[k] = _clip(cover * maps[_NO_LIPS, k], 0.0, 0.92)


@compiled
def paint(
    maps: np.ndarray, blotches: np.ndarray, grains: np.ndarray, strokes: np.ndarray, person: np.ndarray,
    tones: np.ndarray, hairs: np.ndarray, brow_hairs: np.ndarray, lips: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """``skin.paint_skin``: maps (len(MAPS), A A), noise (n, A A), colours (n, 3), out (n, A A, 4)."""
    bright, browed, bearded = (np.empty(maps.shape[1]), np.empty(maps.shape[1]), np.empty(maps.shape[1]))
    for n in range(len(person)):
        of, blotch, grain = person[n], blotches[n], grains[n]
        shaved = 0.3 * (1.0 - of[_HAIR_GREY]) * (1.0 - of[_AGE]) * _smooth(of[_HAIR_STYLE], 0.5, 0.2)
        _brightness(maps, of, blotch, grain, shaved, bright)
        _brows(maps, of, strokes[n], browed)
        _beard(maps, of, strokes[n], grain, bearded)
        redness, oil, made_up = of[_REDNESS], of[_OILINESS], of[_MAKEUP]
        width = 0.07 + 0.06 * made_up
        dark = 0.85 * min(0.25 + 0.5 * of[_LASHES] + 0.5 * made_up, 0.95)
        for k in range(maps.shape[1]):
            red = redness * (0.16 * maps[_BLUSH, k] + 0.05 + 0.06 * blotch[k] + 0.1 * maps[_RIM, k])
            lids = 1.0 - maps[_SHADOW, k] * made_up * maps[_UPPER_LID, k]
            lids *= (1.0 - _bell(maps[_EYE, k] + 0.03, width) * dark * (0.35 + 0.65 * maps[_UPPER_LID, k])) * bright[k]
            for channel in range(3):
                gain = 0.2 if channel == 0 else (-0.5 if channel == 1 else -0.45)
                colour = tones[n, channel] * (1.0 + gain * red) * lids
                colour += (lips[n, channel] * maps[_LIP_SHADE, k] - colour) * maps[_LIPS, k]
                colour += (brow_hairs[n, channel] - colour) * browed[k]
                colour += (hairs[n, channel] * 0.8 + 0.1 * colour - colour) * bearded[k]
                out[n, k, channel] = colour
            shine = oil * (0.06 + 0.16 * maps[_SHINE, k]) * (1.0 + 0.3 * grain[k])
            out[n, k, 3] = shine + maps[_LIP_GLOSS, k] * (0.1 + 0.25 * made_up)
