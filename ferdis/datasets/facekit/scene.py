"""The scene of an image: that of the drawn people, and what a perspective camera and a second light add."""

from __future__ import annotations

import numpy as np

from ferdis.datasets.synthetic.scene import SCENE_NAMES as DRAWN_SCENE_NAMES
from ferdis.datasets.synthetic.scene import sample_scene as sample_drawn_scene

SCENE_NAMES: tuple[str, ...] = (
    *DRAWN_SCENE_NAMES,
    "distance",                                   # of the camera from the face, cm: near ones swell the nose
    "second_azimuth", "second_elevation",         # degrees from the camera axis, right and up
    "second_strength",                            # share of the first light's
    "softness",                                   # 0 hard shadows .. 1 none
    "glare",                                      # share of light that veils the image
)  # fmt: skip
_FACE_WIDER = {"easy": 0.0, "normal": 0.05, "hard": 0.12}
_SECOND = {"easy": 0.25, "normal": 0.6, "hard": 0.9}


def sample_scene(rng: np.random.Generator, *, difficulty: str) -> np.ndarray:
    """Draw pose, light, background and camera of one image: (S,) float32 in the order of `SCENE_NAMES`."""
    drawn = dict(zip(DRAWN_SCENE_NAMES, sample_drawn_scene(rng, difficulty=difficulty).tolist(), strict=True))
    drawn["scale"] *= 1 + _FACE_WIDER[difficulty] * float(rng.uniform(-1, 1))
    lit_twice = rng.uniform() < _SECOND[difficulty]
    extra = {
        "distance": float(np.exp(rng.uniform(np.log(45), np.log(300)))),
        "second_azimuth": float(rng.uniform(-100, 100)),
        "second_elevation": float(rng.uniform(-25, 60)),
        "second_strength": float(rng.uniform(0.1, 0.9)) if lit_twice else 0.0,
        "softness": float(rng.beta(1.6, 1.2)),
        "glare": 0.0 if difficulty == "easy" else float(0.12 * rng.beta(1, 3)),
    }
    values = {**drawn, **extra}
    return np.array([values[name] for name in SCENE_NAMES], dtype=np.float32)
