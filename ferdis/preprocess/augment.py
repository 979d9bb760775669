"""Augmentation: one random view a sample, a whole batch at a time, on the device of the images.

A view is an affine map, so that flip, rotation and crop cost one interpolation, and so that the same view can be
given to a second picture: IF-GAN's average face takes its input's view, REL-GAN's ground truth its target's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def random_views(
    n: int,
    image_size: int,
    crop_size: int,
    *,
    max_degrees: float = 5.0,
    flip: float = 0.5,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw a horizontal flip, a rotation and a crop for each of ``n`` samples.

    Parameters
    ----------
    n : int
        Samples.
    image_size, crop_size : int
        Side of the square images and of the crops taken from them, pixels; crops start at whole pixels and lie
        inside the image.
    max_degrees : float
        Rotation about the picture's centre is uniform in [-max_degrees, max_degrees].
    flip : float
        Probability of a mirror image, 0..1.
    generator : torch.Generator, optional
        Source of the randomness, on ``device``.

    Returns
    -------
    Tensor of shape (n, 2, 3)
        Views for :func:`take_views`.

    Raises
    ------
    ValueError
        If the crop is larger than the image.
    """
    _check_sizes(image_size, crop_size)
    uniform = torch.rand(4, n, generator=generator, device=device)
    sign = torch.where(uniform[0] < flip, -1.0, 1.0)
    angle = (uniform[1] * 2 - 1) * math.radians(max_degrees)
    slack = image_size - crop_size
    offset = (uniform[2:] * (slack + 1)).floor().clamp(max=slack) - slack / 2  # of the crop's centre, pixels
    return _affine(sign, angle, offset * (2 / image_size), crop_size / image_size)


def centre_views(n: int, image_size: int, crop_size: int, *, device: torch.device | str = "cpu") -> Tensor:
    """The centre crop, as views of shape (n, 2, 3): what a test image gets."""
    _check_sizes(image_size, crop_size)
    zero = torch.zeros(n, device=device)
    offset = torch.full((2, n), ((image_size - crop_size) // 2 - (image_size - crop_size) / 2) * 2 / image_size)
    return _affine(zero + 1, zero, offset.to(device), crop_size / image_size)


PATCH_DEGREES = (0.0, -6.0, -3.0, 3.0, 6.0)
PATCH_PLACES = ((0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1))  # the centre and the corners, in slacks from the centre
PATCH_VIEWS = 2 * len(PATCH_DEGREES) * len(PATCH_PLACES)


def patch_views(numbers: Tensor, image_size: int, crop_size: int) -> Tensor:
    """REL-GAN's 50 views: five patches, each at five angles, each mirrored or not (Ali & Hughes 2020, Section 4.1).

    Parameters
    ----------
    numbers : Tensor of shape (n,), int64, 0..49
        Which view of each sample; 0 is the centre patch as it is.
    image_size, crop_size : int
        Side of the square images and of the patches, pixels. A patch turns inside the uncropped image.

    Returns
    -------
    Tensor of shape (n, 2, 3)
        Views for :func:`take_views`.
    """
    _check_sizes(image_size, crop_size)
    flip, rest = numbers // (PATCH_VIEWS // 2), numbers % (PATCH_VIEWS // 2)
    degrees = torch.tensor(PATCH_DEGREES, device=numbers.device)[rest // len(PATCH_PLACES)]
    places = torch.tensor(PATCH_PLACES, device=numbers.device)[rest % len(PATCH_PLACES)].T
    # Corners lie at whole pixels; where the slack is odd the centre is the one that `centre_crop` takes.
    slack = image_size - crop_size
    centre = slack // 2 - slack / 2
    offset = torch.where(places == 0, centre, places * (slack / 2)) * (2 / image_size)
    return _affine(1.0 - 2.0 * flip, torch.deg2rad(degrees), offset, crop_size / image_size)


def take_views(images: Tensor, views: Tensor, crop_size: int) -> Tensor:
    """Crop ``images`` (n, C, S, S) by ``views`` (n, 2, 3): bilinear, borders repeated, (n, C, crop, crop).

    Where a rotated crop reaches beyond the image the border's pixels are repeated: a black corner would tell a
    classifier the angle.
    """
    grid = F.affine_grid(
        views.to(images.dtype), [len(images), images.shape[1], crop_size, crop_size], align_corners=False
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def centre_crop(images: Tensor, crop_size: int) -> Tensor:
    """The middle (n, C, crop, crop) of ``images`` (n, C, S, S), without interpolation."""
    _check_sizes(images.shape[-1], crop_size)
    start = (images.shape[-1] - crop_size) // 2
    return images[..., start : start + crop_size, start : start + crop_size]


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 images (n, H, W, 3) in 0..255 to float32 (n, 3, H, W) in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Float images (n, 3, H, W) in [-1, 1] to uint8 (n, H, W, 3), rounded and clipped."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _affine(sign: Tensor, angle: Tensor, offset: Tensor, scale: float) -> Tensor:
    """Output coordinates in [-1, 1] of the crop to input coordinates: rotate(flip(scale * p + offset))."""
    cosine, sine = angle.cos(), angle.sin()
    # The crop is chosen in the flipped and rotated picture: undo the rotation, then the flip.
    x_row = torch.stack(
        [sign * cosine * scale, -sign * sine * scale, sign * (cosine * offset[0] - sine * offset[1])], 1
    )
    y_row = torch.stack([sine * scale, cosine * scale, sine * offset[0] + cosine * offset[1]], 1)
    return torch.stack([x_row, y_row], 1)


def _check_sizes(image_size: int, crop_size: int) -> None:
    if not 0 < crop_size <= image_size:
        raise ValueError(
            f"crop_size={crop_size} does not fit image_size={image_size}: take a crop of at most {image_size}"
        )
