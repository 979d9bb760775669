"""Expressions as people show them: more variants than EMFACS has, with units dropped, added and uneven.

The prototypes of the drawn people are EMFACS's. Photographed people, posed or not, rarely show them whole: they smile
with closed lips, are angry with pressed lips or bared teeth or with little but their brows, are sad without raised
brows, and afraid without surprise. Each variant lists intensities 0..5 at the apex and how often it is drawn.
"""

from __future__ import annotations

import numpy as np

from ferdis.datasets.synthetic.expression import sample_expression as sample_drawn_expression
from ferdis.faces import ACTION_UNITS

Variant = tuple[float, dict[int, float]]

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "neutral": (
        (6, {}), (1, {4: 0.9}), (1, {15: 0.9}), (0.7, {17: 0.8}), (0.7, {23: 1.0}), (0.7, {7: 1.0}), (0.7, {25: 1.2}),
        (0.5, {12: 0.6}), (0.5, {1: 0.8, 2: 0.8}), (0.4, {14: 0.7}), (0.4, {4: 0.8, 7: 0.8}), (0.4, {25: 1.5, 26: 0.6}),
        (0.4, {45: 1.2}),
    ),
    "happiness": (
        (2, {6: 3.5, 12: 4.5, 25: 4.0}), (1, {6: 4.0, 12: 5.0, 25: 4.5, 26: 2.0}), (2, {6: 2.5, 12: 3.8}),
        (1.5, {12: 3.5}), (0.7, {12: 3.0, 14: 1.5}), (1.5, {12: 4.0, 25: 3.5, 6: 1.5}),
        (1, {6: 3.0, 7: 1.5, 12: 4.5, 25: 3.5}), (0.7, {6: 4.0, 7: 1.5, 12: 5.0, 25: 5.0, 26: 3.5}),
        (0.7, {12: 4.0, 10: 1.5, 25: 3.5, 6: 2.5}), (0.5, {1: 1.5, 2: 1.5, 12: 4.5, 25: 4.0, 26: 1.0}),
        (0.5, {12: 3.5, 17: 1.2, 6: 2.0}), (0.4, {12: 3.0, 23: 1.5, 6: 1.5}),
    ),
    "surprise": (
        (2, {1: 4.0, 2: 4.0, 5: 3.0, 25: 4.0, 26: 4.0}), (1.5, {1: 4.5, 2: 4.5, 5: 3.5, 25: 4.5, 26: 5.0}),
        (1, {1: 3.5, 2: 3.5, 5: 2.5, 25: 3.0, 26: 2.5}), (0.8, {1: 3.5, 2: 4.0, 5: 2.0, 25: 3.5, 26: 3.5}),
        (0.6, {5: 3.5, 25: 4.0, 26: 4.5}), (0.7, {1: 4.0, 2: 4.0, 5: 3.0}), (0.5, {1: 2.0, 2: 2.5, 25: 4.0, 26: 4.0}),
        (0.5, {1: 4.0, 2: 4.0, 25: 3.0, 26: 2.0}), (0.4, {1: 4.0, 2: 4.0, 5: 3.5, 25: 3.5, 26: 4.5, 20: 0.8}),
    ),
    "anger": (
        (1.5, {4: 4.5, 5: 2.5, 7: 3.0, 23: 4.0}), (1.5, {4: 4.5, 7: 3.0, 17: 2.5, 23: 3.5}),
        (1, {4: 4.5, 5: 2.0, 7: 3.5, 23: 3.5, 17: 1.5}), (1, {4: 4.5, 7: 2.5}), (0.7, {4: 4.0, 5: 3.0, 23: 2.0}),
        (0.8, {4: 4.0, 7: 2.5, 15: 1.5, 17: 2.5, 23: 2.5}), (1, {4: 4.0, 7: 3.0, 10: 2.5, 23: 2.0, 25: 3.5, 26: 1.0}),
        (0.8, {4: 4.5, 5: 2.0, 7: 2.5, 9: 1.5, 10: 3.0, 25: 4.5, 26: 2.5}), (0.6, {4: 4.5, 7: 3.0, 25: 4.5, 26: 4.0}),
        (0.6, {4: 4.5, 5: 3.0, 7: 2.0, 20: 1.5, 25: 4.0, 26: 0.5}), (0.6, {4: 4.5, 7: 3.5, 9: 2.0, 17: 2.0, 23: 2.5}),
        (0.5, {4: 4.0, 23: 4.5, 14: 1.5}),
    ),
    "sadness": (
        (1.2, {1: 4.0, 4: 2.5, 15: 4.0}), (1.2, {1: 4.0, 4: 2.0, 15: 3.5, 17: 3.0}), (1.2, {15: 4.0, 17: 3.0}),
        (1, {1: 3.0, 15: 3.0, 17: 1.5}), (0.8, {15: 3.5, 4: 1.5, 17: 2.5}), (0.7, {1: 4.0, 4: 3.0, 15: 2.0, 25: 0.8}),
        (0.6, {1: 3.5, 4: 2.0, 15: 3.5, 6: 1.5, 20: 1.0}), (0.6, {15: 3.5, 45: 2.2, 17: 1.5}),
        (0.5, {1: 3.5, 4: 3.0, 7: 2.0, 15: 3.0, 17: 3.5, 23: 1.0}), (0.5, {1: 4.0, 4: 2.5, 45: 1.8, 15: 1.5}),
        (0.4, {4: 2.5, 6: 2.5, 15: 3.5, 20: 2.0, 25: 2.0}), (0.6, {15: 4.5}), (0.5, {1: 2.5, 17: 4.0, 15: 2.5}),
    ),
    "disgust": (
        (1.5, {9: 4.5, 10: 3.0, 17: 2.0, 4: 1.5}), (1, {9: 4.0, 10: 4.0, 25: 2.5, 7: 2.0}),
        (1, {10: 4.5, 9: 2.0, 17: 2.5, 15: 1.5}), (1.2, {9: 4.5, 7: 3.0, 4: 3.0, 6: 2.0}),
        (0.8, {9: 4.0, 10: 4.0, 25: 3.5, 26: 1.5, 7: 2.0}), (0.8, {9: 4.5, 4: 3.5, 7: 3.0, 17: 3.0}),
        (0.6, {10: 4.0, 25: 3.0, 15: 2.0, 4: 1.5}), (0.5, {9: 3.0, 10: 2.5, 20: 2.5, 25: 2.5, 7: 2.0}),
        (0.5, {10: 3.5, 15: 3.0, 17: 3.0, 7: 2.0}), (0.5, {9: 3.5, 6: 2.5, 12: 1.0, 10: 2.5, 25: 2.0}),
        (0.5, {45: 3.0, 9: 3.5, 4: 2.5, 10: 2.5}),
    ),
    "fear": (
        (1.2, {1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 20: 4.0, 25: 3.0}), (1, {1: 4.0, 4: 3.0, 5: 3.5, 20: 4.0, 25: 2.5}),
        (0.8, {1: 4.0, 2: 3.0, 4: 3.0, 5: 4.0, 7: 1.5, 20: 4.0, 25: 3.5, 26: 2.0}),
        (0.8, {1: 3.5, 2: 2.0, 4: 2.5, 5: 4.5, 20: 3.0, 25: 2.5, 26: 1.5}), (0.8, {1: 4.0, 4: 3.0, 25: 2.5, 20: 2.5}),
        (0.7, {1: 3.5, 4: 2.5, 5: 3.0, 25: 2.0}), (0.6, {5: 4.5, 4: 2.0, 20: 3.5, 25: 3.0}),
        (0.6, {1: 4.0, 2: 1.0, 4: 3.5, 5: 3.0, 7: 2.0, 15: 1.0, 20: 3.0, 25: 3.5, 26: 2.5}),
        (0.5, {1: 4.0, 4: 2.5, 5: 4.0, 20: 3.0}), (0.5, {4: 3.0, 7: 2.0, 20: 4.5, 25: 4.0, 1: 2.0}),
        (0.5, {1: 3.5, 2: 1.5, 4: 2.0, 5: 4.0, 25: 3.0, 26: 3.0, 20: 2.0}),
    ),
    "contempt": ((1, {12: 2.5, 14: 4.0}), (1, {14: 4.5}), (0.6, {12: 2.0, 14: 4.0, 10: 1.0}), (0.6, {12: 2.5, 7: 1.0})),
}  # fmt: skip

_DROPPED = {"easy": 0.0, "normal": 0.07, "hard": 0.12}  # chance that a unit of the variant stays away
_FRAMES_ONLY = 0.55  # at the least, this share of a variant's units stays
# Variants that are drawn less often than this share of the most frequent one stay away.
_RAREST = {"easy": 0.5, "normal": 0.0, "hard": 0.0}


def sample_expression(
    expression: str, rng: np.random.Generator, *, style: np.ndarray | None, difficulty: str,
    intensity: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Draw the action units of one image.

    Parameters and returns are those of :func:`ferdis.datasets.synthetic.expression.sample_expression`; the prototype
    is one of `VARIANTS`, of which a unit or two may be missing. With ``difficulty="easy"`` none is missing, and only
    variants that are drawn at least half as often as the most frequent one are drawn.
    """
    variants = VARIANTS.get(expression, ())
    if not variants:
        raise ValueError(f"expression {expression!r} is unknown; choose one of {', '.join(VARIANTS)}")
    least = _RAREST[difficulty] * max(weight for weight, _ in variants)
    variants = tuple(variant for variant in variants if variant[0] >= least)
    weights = np.array([weight for weight, _ in variants])
    chosen = variants[int(np.searchsorted(np.cumsum(weights / weights.sum()), rng.uniform(0, 0.9999)))][1]
    stays = rng.uniform(size=len(ACTION_UNITS)) >= _DROPPED[difficulty]
    order = rng.permutation(len(chosen))
    units = list(chosen)
    kept = {unit for unit in units if stays[ACTION_UNITS.index(unit)]}
    for k in order:
        if len(kept) >= _FRAMES_ONLY * len(units):
            break
        kept.add(units[k])
    pattern = {unit: value for unit, value in chosen.items() if unit in kept}
    return sample_drawn_expression(
        expression, rng, style=style, difficulty=difficulty, intensity=intensity, prototype=pattern
    )
