"""Everything in an image that is neither the person nor the expression: pose, light, background, camera."""

from __future__ import annotations

import numpy as np

DIFFICULTIES = ("easy", "normal", "hard")

SCENE_NAMES: tuple[str, ...] = (
    "yaw", "pitch", "roll",                       # degrees; yaw > 0 turns the nose to image right, pitch > 0 down
    "scale",                                      # pixels a centimetre in a 128-pixel image
    "shift_x", "shift_y",                         # centimetres, right and down
    "gaze_x", "gaze_y",                           # -1..1, right and down
    "light_azimuth", "light_elevation",           # degrees from the camera axis, right and up
    "light_strength", "ambient", "fill",          # shares of exposure
    "light_warmth",                               # -1 blue .. 1 yellow
    "exposure", "contrast", "saturation",         # of the camera
    "back_r", "back_g", "back_b",                 # background, display values 0..1
    "back_r2", "back_g2", "back_b2",              # second background colour
    "back_texture",                               # 0 plain .. 1 cluttered
    "cloth_r", "cloth_g", "cloth_b",              # clothes, display values 0..1
    "blur",                                       # Gaussian sigma, pixels of a 128-pixel image
    "noise",                                      # sigma, grey levels
    "jpeg_quality",                               # 1..100
    "noise_seed",                                 # integer below 2**24, exact in float32
)  # fmt: skip

# Spread of each nuisance by difficulty: (easy, normal, hard).
_YAW = {"easy": 2.0, "normal": 9.0, "hard": 17.0}
_PITCH = {"easy": 1.5, "normal": 5.0, "hard": 9.0}
_ROLL = {"easy": 1.0, "normal": 4.0, "hard": 9.0}
_SHIFT = {"easy": 0.1, "normal": 0.3, "hard": 0.6}
_GAZE = {"easy": 0.05, "normal": 0.25, "hard": 0.45}
_AZIMUTH = {"easy": 10.0, "normal": 32.0, "hard": 48.0}
_AMBIENT = {"easy": (0.5, 0.6), "normal": (0.14, 0.5), "hard": (0.15, 0.6)}
_BLUR = {"easy": (0.0, 0.3), "normal": (0.0, 0.9), "hard": (0.3, 2.0)}
_NOISE = {"easy": (0.5, 1.5), "normal": (1.0, 4.0), "hard": (3.0, 12.0)}
_QUALITY = {"easy": (92, 97), "normal": (55, 95), "hard": (25, 80)}
_EXPOSURE = {"easy": 0.04, "normal": 0.14, "hard": 0.25}


def check_difficulty(difficulty: str) -> None:
    """Raise ValueError unless ``difficulty`` is one of `DIFFICULTIES`."""
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty {difficulty!r} is unknown; choose one of {', '.join(DIFFICULTIES)}")


def sample_scene(rng: np.random.Generator, *, difficulty: str) -> np.ndarray:
    """Sample the nuisance factors of one image.

    Parameters
    ----------
    rng
        Source of randomness.
    difficulty
        ``easy``, ``normal`` or ``hard``: the spread of pose, light, background, blur, noise and compression.

    Returns
    -------
    ndarray
        (S,) float32, columns in the order of `SCENE_NAMES`.
    """
    check_difficulty(difficulty)
    values = _sample_camera(rng, difficulty) | _sample_light(rng, difficulty) | _sample_surroundings(rng, difficulty)
    return np.array([values[name] for name in SCENE_NAMES], dtype=np.float32)


def _bounded(rng: np.random.Generator, sd: float) -> float:
    """A normal draw truncated at two standard deviations."""
    return float(np.clip(sd * rng.normal(), -2 * sd, 2 * sd))


def _sample_camera(rng: np.random.Generator, difficulty: str) -> dict[str, float]:
    return {
        "yaw": _bounded(rng, _YAW[difficulty]),
        "pitch": _bounded(rng, _PITCH[difficulty]),
        "roll": _bounded(rng, _ROLL[difficulty]),
        "scale": float(rng.uniform(5.85, 6.1) if difficulty == "easy" else rng.uniform(5.5, 6.5)),
        "shift_x": _bounded(rng, _SHIFT[difficulty]),
        "shift_y": _bounded(rng, _SHIFT[difficulty]),
        "gaze_x": _bounded(rng, _GAZE[difficulty]),
        "gaze_y": _bounded(rng, 0.6 * _GAZE[difficulty]),
        "blur": float(rng.uniform(*_BLUR[difficulty])),
        "noise": float(rng.uniform(*_NOISE[difficulty])),
        "jpeg_quality": float(rng.integers(*_QUALITY[difficulty])),
        "noise_seed": float(rng.integers(0, 2**24)),
        "exposure": 1.0 + _bounded(rng, _EXPOSURE[difficulty]),
        "contrast": 1.0 + _bounded(rng, 0.7 * _EXPOSURE[difficulty]),
        "saturation": float(rng.uniform(0.75, 1.1)),
    }


def _sample_light(rng: np.random.Generator, difficulty: str) -> dict[str, float]:
    spread = _AZIMUTH[difficulty]
    return {
        "light_azimuth": _bounded(rng, spread),
        "light_elevation": float(np.clip(32 + 0.45 * spread * rng.normal(), -8, 62)),
        "light_strength": float(rng.uniform(0.55, 0.95)),
        "ambient": float(rng.uniform(*_AMBIENT[difficulty])),
        "fill": float(rng.uniform(0.0, 0.35)),
        "light_warmth": _bounded(rng, 0.3),
    }


def _sample_surroundings(rng: np.random.Generator, difficulty: str) -> dict[str, float]:
    """Background and clothes: half of the backgrounds are grey, as in a studio; clothes have any colour."""
    grey = rng.uniform(0.05, 0.95)
    tint = 0.12 * rng.uniform() * rng.normal(size=3)
    first = np.clip(grey + tint, 0.02, 0.98)
    step = 0.7 * rng.normal() + 0.4 * rng.normal(size=3)
    second = np.clip(first + (0.08 if difficulty == "easy" else 0.3) * step * rng.uniform(), 0.02, 0.98)
    cloth = np.clip(rng.uniform(0.04, 0.9) + 0.2 * rng.normal(size=3), 0.02, 0.95)
    texture = 0.0 if difficulty == "easy" or rng.uniform() < 0.3 else float(rng.uniform(0.1, 1.0))
    names = ("back_r", "back_g", "back_b", "back_r2", "back_g2", "back_b2", "cloth_r", "cloth_g", "cloth_b")
    return dict(zip(names, map(float, (*first, *second, *cloth)), strict=True)) | {"back_texture": texture}
