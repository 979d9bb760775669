"""Expressions as action units: EMFACS prototypes, variants, a person's own style, intensity and noise.

Prototypes follow Ekman and Friesen's EMFACS tables (FACS Investigator's Guide, 2002), restricted to the 17 action units
of `ferdis.faces.ACTION_UNITS`; values are intensities 0..5 at the apex. Action units outside this list are replaced by
the nearest one in it (24 by 23, 27 by 26, 16 by 25).
"""

from __future__ import annotations

import numpy as np

from ...faces import ACTION_UNITS, EXPRESSIONS
from .scene import check_difficulty

PROTOTYPES: dict[str, list[dict[int, float]]] = {
    "neutral": [{}],
    "happiness": [
        {6: 3.5, 12: 4.5, 25: 4.0},
        {6: 4.0, 12: 5.0, 25: 4.0, 26: 1.5},
        {6: 3.0, 12: 4.0},
        {6: 3.0, 7: 1.0, 12: 4.5, 25: 3.5},
        {12: 4.0, 25: 3.5, 6: 1.5},
    ],
    "surprise": [
        {1: 4.0, 2: 4.0, 5: 3.0, 25: 4.0, 26: 4.0},
        {1: 4.5, 2: 4.5, 5: 3.5, 25: 4.5, 26: 5.0},
        {1: 3.5, 2: 3.5, 5: 2.5, 25: 3.0, 26: 2.5},
        {1: 3.5, 2: 4.0, 5: 2.0, 25: 3.5, 26: 3.5},
    ],
    "anger": [
        {4: 4.5, 5: 2.5, 7: 3.0, 23: 4.0},
        {4: 4.5, 5: 2.0, 7: 3.5, 23: 3.5, 17: 2.0},
        {4: 4.0, 7: 3.0, 10: 2.5, 23: 2.0, 25: 3.5, 26: 1.5},
        {4: 4.5, 7: 3.5, 17: 3.0, 23: 3.0},
        {4: 4.5, 5: 2.0, 7: 2.5, 9: 1.5, 10: 3.0, 25: 4.0, 26: 2.5},
    ],
    "sadness": [
        {1: 4.0, 4: 2.5, 15: 4.0},
        {1: 4.0, 4: 2.0, 15: 3.5, 17: 3.0},
        {1: 3.5, 15: 4.0, 17: 2.0, 7: 1.0},
        {1: 4.0, 4: 3.0, 15: 3.0, 17: 3.5, 25: 0.5},
        {1: 3.5, 4: 2.0, 15: 3.5, 6: 1.5, 20: 1.0},
    ],
    "disgust": [
        {9: 4.5, 10: 3.0, 17: 2.0, 4: 1.5},
        {9: 4.0, 10: 4.0, 25: 2.5, 7: 2.0},
        {10: 4.5, 9: 2.0, 17: 2.5, 15: 1.5},
        {9: 4.5, 7: 2.5, 15: 1.0, 17: 2.5, 6: 1.0},
        {9: 4.0, 10: 4.0, 25: 3.5, 26: 1.5, 7: 2.0},
    ],
    "fear": [
        {1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 20: 4.0, 25: 3.0},
        {1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 7: 1.5, 20: 4.0, 25: 3.5, 26: 2.0},
        {1: 3.5, 2: 2.5, 4: 2.5, 5: 4.5, 20: 3.0, 25: 2.5, 26: 1.5},
        {1: 4.0, 4: 3.0, 5: 3.5, 20: 4.5, 25: 2.0},
    ],
    "contempt": [{12: 2.5, 14: 4.0}, {14: 4.5}, {12: 2.0, 14: 4.0, 10: 1.0}],
}

# Mean intensity as a share of the prototype, its spread, and the size of unrelated action unit activity.
_INTENSITY = {"easy": (1.0, 0.06), "normal": (0.8, 0.2), "hard": (0.6, 0.24)}
_NOISE = {"easy": 0.1, "normal": 0.4, "hard": 0.75}
_ASYMMETRY = {"easy": 0.03, "normal": 0.1, "hard": 0.16}
# How often an unrelated action unit is active, and (talking, blinking) how strongly.
_DISTRACTION = {"easy": 0.0, "normal": 0.22, "hard": 0.5}
_FOES = ((12, 15), (5, 45), (12, 23), (20, 23), (5, 7))


def person_style(seed: int, person: int) -> np.ndarray:
    """A person's style: a gain for each action unit (columns 0..16) and a resting level (columns 17..33).

    Returns
    -------
    ndarray
        (34,) float32; gains 0.6..1.4, resting levels 0..1 and mostly 0.
    """
    rng = np.random.default_rng([7002, seed, person])
    gains = np.clip(1 + 0.16 * rng.normal(size=len(ACTION_UNITS)), 0.6, 1.4)
    rest = np.clip(0.45 * rng.normal(size=len(ACTION_UNITS)) - 0.35, 0, 1)
    rest[[ACTION_UNITS.index(25), ACTION_UNITS.index(26), ACTION_UNITS.index(45)]] *= 0.4
    return np.concatenate([gains, rest]).astype(np.float32)


def sample_expression(
    expression: str,
    rng: np.random.Generator,
    *,
    style: np.ndarray | None,
    difficulty: str,
    intensity: float | None = None,
    prototype: dict[int, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the action units of one image.

    Parameters
    ----------
    expression
        One of `ferdis.faces.EXPRESSIONS`.
    rng
        Source of randomness; ``style`` and ``intensity`` do not change what is drawn from it.
    style
        `person_style` of the person, or None for the average person.
    difficulty
        ``easy``, ``normal`` or ``hard``: spread of intensity, noise, asymmetry, talking and blinking.
    intensity
        Share of the apex, 0..1; None samples it.
    prototype
        Action units and their intensities at the apex; None samples one of `PROTOTYPES`.

    Returns
    -------
    tuple of ndarray
        Action units of the person's left and right half of the face, each (17,) float32 in 0..5, in the order of
        `ACTION_UNITS`.
    """
    check_difficulty(difficulty)
    if expression not in PROTOTYPES:
        raise ValueError(f"expression {expression!r} is unknown; choose one of {', '.join(EXPRESSIONS)}")
    variants = PROTOTYPES[expression]
    number = int(rng.integers(0, 840)) % len(variants)
    prototype = variants[number] if prototype is None else prototype
    drawn = sample_intensity(rng, difficulty=difficulty)
    share = drawn if intensity is None else float(intensity)
    apex = np.array([prototype.get(unit, 0.0) for unit in ACTION_UNITS])
    wobble = np.exp(0.6 * _NOISE[difficulty] * rng.normal(size=apex.size))
    values = apex * share * np.clip(wobble, 0.5, 1.5)
    values = values + _unrelated(rng, difficulty)
    if style is not None:
        relaxed = 1.0 if difficulty != "easy" else 0.3
        values = values * style[: apex.size] + relaxed * style[apex.size :]
    if apex[ACTION_UNITS.index(5)] > 0:  # nobody blinks while staring
        values[ACTION_UNITS.index(45)] *= 0.1
    values = _settle_foes(values, apex)
    tilt = _ASYMMETRY[difficulty] * rng.normal(size=apex.size)
    left, right = values * (1 + tilt), values * (1 - tilt)
    if expression == "contempt":
        left, right = _one_sided(left, right, bool(rng.integers(0, 2)))
    return _bounded(left), _bounded(right)


def sample_intensity(rng: np.random.Generator, *, difficulty: str) -> float:
    """Sample the strength of an expression: a share of its apex, 0.3..1.15."""
    mean, sd = _INTENSITY[difficulty]
    return float(np.clip(mean + sd * rng.normal(), 0.3 if difficulty == "hard" else 0.42, 1.15))


def _unrelated(rng: np.random.Generator, difficulty: str) -> np.ndarray:
    """Action unit activity that belongs to no expression: small twitches, and sometimes talking or a blink."""
    noise = _NOISE[difficulty]
    twitch = np.maximum(0.0, noise * rng.normal(size=len(ACTION_UNITS)) - 0.25 * noise)
    active = rng.uniform(size=3) < _DISTRACTION[difficulty] * np.array([1.0, 0.2, 0.6])
    size = rng.uniform(0.5, 2.5, size=4)
    if active[0]:  # talking
        twitch[ACTION_UNITS.index(25)] += size[0]
        twitch[ACTION_UNITS.index(26)] += 0.6 * size[1]
    if active[1]:  # blinking
        twitch[ACTION_UNITS.index(45)] += 1.6 * size[2]
    if active[2]:  # squinting against the light
        twitch[ACTION_UNITS.index(7)] += 0.8 * size[3]
    return twitch


def _settle_foes(values: np.ndarray, apex: np.ndarray) -> np.ndarray:
    """Of two antagonistic action units weaken the weaker one, unless the prototype contains both."""
    values = values.copy()
    for first, second in _FOES:
        i, j = ACTION_UNITS.index(first), ACTION_UNITS.index(second)
        if apex[i] > 0 and apex[j] > 0:
            continue
        weaker = i if values[i] < values[j] else j
        values[weaker] *= 0.25
    return values


def _one_sided(left: np.ndarray, right: np.ndarray, on_left: bool) -> tuple[np.ndarray, np.ndarray]:
    """Contempt raises one corner of the mouth: AU 10, 12 and 14 nearly vanish on the other side."""
    weak = (right if on_left else left).copy()
    for unit, keep in ((12, 0.1), (14, 0.12), (10, 0.2)):
        weak[ACTION_UNITS.index(unit)] *= keep
    return (left, weak) if on_left else (weak, right)


def _bounded(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0.0, 5.0).astype(np.float32)
