"""Faces with known landmarks onto a template: a similarity transform, resampled once, and what lies outside an image.

Coordinates are (x, y) in pixels, continuous: the first pixel covers 0..1 and its centre is 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from ferdis.preprocess.images import checked_side, sample

TEMPLATE = np.array([[0.35, 0.35], [0.65, 0.35], [0.50, 0.525]])
"""Where left eye centre, right eye centre and nose tip go, as fractions of the crop's side; a constant.

Chosen from average proportions of an adult head, never from a data set: with the eyes 0.3 of the side apart,
the hairline (1.1 eye distances above the eyes) and the chin (1.75 below, 2.15 with the mouth wide open) are
inside, and the cheeks (2.3 wide) leave a margin for turned heads and for random crops.
"""
TEMPLATE.setflags(write=False)

OUTSIDE = ("fade", "edge", "mean", "reflect")
"""What a crop shows where it reaches beyond its image.

"fade": the image mirrored at its border, dissolving into a blur of itself, so that no second face appears; "edge": its
edge pixels repeated, as streaks; "mean": the mean colour of what is under the crop; "reflect": the mirrored image
alone.
"""

_FADE, _BLUR = 0.1, 0.12  # of a crop's side: over how much "fade" dissolves, and radius of the blur
_POINTS = len(TEMPLATE)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity transform (rotation, one scale, translation) of points to points, closed form.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991,
    without reflection. In two dimensions a point is a complex number and the transform is z -> a z + b, so
    that linear regression gives ``a = sum(conj(s) t) / sum(|s|^2)`` over centred points.

    Parameters
    ----------
    source : (n, k, 2)
    target : (k, 2) or (n, k, 2)

    Returns
    -------
    (n, 2, 3) float64
        Matrices M with target ~ M @ (x, y, 1).

    Raises
    ------
    ValueError
        If the source points of a row coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    s, t = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    s_mean, t_mean = s.mean(-1, keepdims=True), t.mean(-1, keepdims=True)
    spread = (np.abs(s - s_mean) ** 2).sum(-1)  # (n,)
    if not (spread > 0).all():
        rows = np.flatnonzero(~(spread > 0))[:5].tolist()
        raise ValueError(f"landmarks of row {', '.join(map(str, rows))} coincide or are NaN: nothing to align on")
    a = ((s - s_mean).conj() * (t - t_mean)).sum(-1) / spread
    b = t_mean[..., 0] - a * s_mean[..., 0]
    return np.stack([np.stack([a.real, -a.imag, b.real], -1), np.stack([a.imag, a.real, b.imag], -1)], -2)


def align_points(landmarks: np.ndarray, size: int, template: np.ndarray = TEMPLATE) -> np.ndarray:
    """The transforms that :func:`warp` applies.

    Parameters
    ----------
    landmarks : (n, 3 or more, 2)
        Left eye, right eye, nose tip; further points (MTCNN's mouth corners) are not used.
    size : int
        Side of the crop in pixels, at most :data:`ferdis.preprocess.images.MAX_SIDE`.
    template : (3, 2)
        Where the three points go, as fractions of the crop's side.

    Returns
    -------
    (n, 2, 3) float64
        Matrices from image to crop coordinates.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.ndim != 3 or landmarks.shape[1] < _POINTS or landmarks.shape[2] != 2:
        raise ValueError(f"landmarks must have shape (n, 3 or more, 2), got {landmarks.shape}")
    return similarity(landmarks[:, :_POINTS], template * size)


def warp(
    images: Sequence[np.ndarray] | np.ndarray,
    landmarks: np.ndarray,
    size: int,
    template: np.ndarray = TEMPLATE,
    outside: str = "fade",
) -> np.ndarray:
    """Crop faces with known landmarks: each image is resampled once, with antialiasing, onto the template.

    Parameters
    ----------
    images : n arrays of shape (H, W, 3), uint8
        Or one array (n, H, W, 3); sizes may differ. A single (H, W, 3) array goes with (k, 2) landmarks.
    landmarks : (n, 3 or more, 2)
        Left eye, right eye, nose tip of each, in pixels.
    size : int
        Side of the crops.
    template : (3, 2)
        As for :func:`align_points`.
    outside : str
        What is shown beyond the border of an image, see :data:`OUTSIDE`. A crop inside its image is the same with all.

    Returns
    -------
    (n, size, size, 3) uint8
        Or (size, size, 3) for a single image.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        return warp(images[None], np.asarray(landmarks)[None], size, template, outside)[0]
    check_outside(outside)
    size = checked_side(size, "size")
    transforms = align_points(landmarks, size, template)
    if len(images) != len(transforms):
        raise ValueError(f"{len(images)} images but {len(transforms)} rows of landmarks")
    crops = np.empty((len(images), size, size, 3), np.uint8)
    for crop, image, transform in zip(crops, images, transforms, strict=True):
        crop[:] = _warp_one(image, transform, size, outside)
    return crops


def check_outside(outside: str) -> None:
    """Refuse what is none of :data:`OUTSIDE`.

    Raises
    ------
    ValueError
        One line with what there is.
    """
    if outside not in OUTSIDE:
        raise ValueError(f"outside={outside!r}: choose one of {', '.join(OUTSIDE)}")


def _warp_one(image: np.ndarray, transform: np.ndarray, size: int, outside: str) -> np.ndarray:
    """(H, W, 3) uint8 and a (2, 3) matrix from image to crop -> (size, size, 3) uint8."""
    inverse = np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]  # crop -> image
    shrink = float(np.hypot(inverse[0, 0], inverse[1, 0]))  # image pixels per crop pixel
    factor = max(1, int(shrink))
    # Only the part under the crop is touched: a 60-Mpixel image would be 720 MB in floating point.
    corners = inverse @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    height, width = image.shape[:2]
    mirrored = outside in ("fade", "reflect")
    left, right = _span(corners[0], width, 2 * factor, mirrored)
    top, bottom = _span(corners[1], height, 2 * factor, mirrored)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    # Shrinking averages twice: whole pixels of the image first, then 2 x 2 samples a pixel of the crop for
    # the rest (a factor of 1 to 2). Bilinear sampling alone would skip pixels.
    if factor > 1:
        part = np.asarray(Image.fromarray(part).reduce(factor))
    samples = 2 if shrink > 1 else 1
    steps = (np.arange(size * samples) + 0.5) / samples
    x, y = steps[None, :], steps[:, None]
    across = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]
    down = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]
    reaches = min(across.min(), down.min()) < 0 or across.max() > width or down.max() > height
    if reaches:
        beyond = np.hypot(across - across.clip(0, width), down - down.clip(0, height))  # in pixels of the image
    if reaches and mirrored:
        across, down = _reflected(across, width), _reflected(down, height)
    u = (across - left) / (factor * part.shape[1]) * 2 - 1
    v = (down - top) / (factor * part.shape[0]) * 2 - 1
    crop = sample(part, u.astype(np.float32), v.astype(np.float32))
    if outside == "mean" and reaches:
        inside = beyond == 0
        crop[~inside] = crop[inside].mean(0) if inside.any() else part.mean((0, 1))
    if samples > 1:
        crop = _halved(crop)
    pixels = np.rint(crop).clip(0, 255).astype(np.uint8)
    if outside != "fade" or not reaches:
        return pixels
    return _faded(pixels, (_halved(beyond) if samples > 1 else beyond) / shrink)


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 neighbours: (2 S, 2 S) or (2 S, 2 S, c) to (S, S) or (S, S, c)."""
    rows = values[::2], values[1::2]
    return (rows[0][:, ::2] + rows[0][:, 1::2] + rows[1][:, ::2] + rows[1][:, 1::2]) / 4


def _faded(crop: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """A crop (S, S, 3) that dissolves into its blur with the distance (S, S), in its pixels, from what is its image."""
    side = len(crop)
    blurred = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(_BLUR * side)), np.float64)
    share = (beyond / (_FADE * side)).clip(0, 1)
    share = (share**2 * (3 - 2 * share))[..., None]
    return np.rint(crop * (1 - share) + blurred * share).astype(np.uint8)


def _reflected(coordinates: np.ndarray, length: int) -> np.ndarray:
    """Coordinates mirrored at 0 and at ``length`` until they are between them; those between them as they are."""
    if coordinates.min() >= 0 and coordinates.max() <= length:
        return coordinates
    return length - np.abs(np.mod(coordinates, 2 * length) - length)


def _span(coordinates: np.ndarray, length: int, margin: int, mirrored: bool) -> tuple[int, int]:
    """Whole pixels that hold the coordinates, as they are or mirrored, and a margin; inside 0..length, one at least."""
    low, high = float(coordinates.min()), float(coordinates.max())
    if mirrored:
        if high - low >= length or low < -length or high > 2 * length:
            low, high = 0.0, float(length)  # the whole of it
        else:
            low, high = min(low, 2 * length - high), max(high, -low)
    start = int(np.clip(np.floor(low) - margin, 0, length - 1))
    stop = int(np.clip(np.ceil(high) + margin, start + 1, length))
    return start, stop
