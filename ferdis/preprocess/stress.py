"""Images made worse, in seven ways at five strengths: what a recogniser meets outside of a studio.

The strengths follow the habit of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), with lengths as shares of the
image's side, so that they mean the same at every size. What chance decides (the noise, the place of the square) is
decided by a seed and the image's name: the same image is made worse in the same way in every run.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

STRENGTHS = (1, 2, 3, 4, 5)

_BLUR = (0.01, 0.02, 0.03, 0.045, 0.06)  # sd of a Gaussian, share of the side
_NOISE = (0.04, 0.08, 0.12, 0.18, 0.26)  # sd, share of the full range
_JPEG = (40, 25, 15, 8, 4)  # quality
_COVERED = (0.05, 0.1, 0.2, 0.3, 0.4)  # share of the area under a grey square
_LIGHT = (0.6, 0.4, 0.25, 0.15, 0.08)  # share of the light
_ROTATION = (5.0, 10.0, 20.0, 30.0, 45.0)  # degrees, to a side that the name decides
_RESOLUTION = (0.5, 0.33, 0.25, 0.17, 0.12)  # share of the side that is kept


def stressed(images: np.ndarray, kind: str, strength: int, names: Sequence[str], seed: int = 0) -> np.ndarray:
    """Images made worse.

    Parameters
    ----------
    images : uint8 (n, H, W, 3)
    kind : one of :data:`STRESSES`
    strength : 1 to 5
    names : n names; with the seed they decide what chance decides.
    seed : int

    Returns
    -------
    uint8 (n, H, W, 3)

    Raises
    ------
    ValueError
        If there is no such kind or strength, or the names are not as many as the images.
    """
    if kind not in STRESSES:
        raise ValueError(f"no stress {kind!r} (there are {', '.join(STRESSES)})")
    if strength not in STRENGTHS:
        raise ValueError(f"strength={strength}: 1 to {len(STRENGTHS)}")
    if len(names) != len(images):
        raise ValueError(f"{len(names)} names for {len(images)} images: one each")
    worse = [
        STRESSES[kind](np.asarray(image), strength - 1, _random(seed, kind, name))
        for image, name in zip(images, names, strict=True)
    ]
    return np.stack(worse) if worse else np.asarray(images)


def _random(seed: int, kind: str, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{kind}:{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blur(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    sigma = _BLUR[level] * min(image.shape[:2])
    return _bytes(ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest"))


def _noise(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    return _bytes(image + random.normal(0, 255 * _NOISE[level], image.shape))


def _jpeg(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    memory = io.BytesIO()
    Image.fromarray(image).save(memory, format="JPEG", quality=_JPEG[level])
    return np.asarray(Image.open(memory).convert("RGB"))


def _occlusion(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    share = np.sqrt(_COVERED[level])
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    top, left = int(random.random() * (height - tall + 1)), int(random.random() * (width - wide + 1))
    covered = image.copy()
    covered[top : top + tall, left : left + wide] = 128
    return covered


def _low_light(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    light = (image / 255.0) ** 2.2 * _LIGHT[level]  # linear light, fewer photons, and the noise that comes with few
    light = light + random.normal(0, 1, image.shape) * np.sqrt(np.maximum(light, 0) / 2000 + 1e-5)
    return _bytes(255 * np.clip(light, 0, 1) ** (1 / 2.2))


def _rotation(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    angle = _ROTATION[level] * (1 if random.random() < 0.5 else -1)
    return _bytes(ndimage.rotate(image.astype(float), angle, axes=(0, 1), reshape=False, order=1, mode="nearest"))


def _resolution(image: np.ndarray, level: int, random: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    small = (max(2, round(width * _RESOLUTION[level])), max(2, round(height * _RESOLUTION[level])))
    picture = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


STRESSES: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "occlusion": _occlusion,
    "low light": _low_light,
    "rotation": _rotation,
    "resolution": _resolution,
}
"""Name -> what it does to an image, uint8 (H, W, 3), at a level from 0."""
