"""Augmentation: one random view a sample, a whole batch at a time, on the device of the images.

A view is an affine map, so that flip, rotation and crop cost one interpolation, and so that the same view can be
given to a second image: IF-GAN's average face takes its input's view, REL-GAN's ground truth its target's. What
light and camera do (:func:`distorted`) is no part of a view: it befalls what a network reads, never a ground truth.
"""

from __future__ import annotations

import math
from typing import Any

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


def loosened(views: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """``views`` (n, 2, 3), each also scaled, stretched, sheared, turned and shifted a little, at random.

    Scale 0.87..1.15, stretch 0.9..1.1, shear -0.08..0.08, -8..8 degrees, shift up to 4.5 % of the crop's side: what a
    detector's box, a head's turn and another camera do to a face. A second image can take the same views.
    """
    n, device = len(views), views.device
    low, high = torch.tensor(_LOOSE, device=device).T
    scale, stretch, shear, degrees, across, down = (
        torch.rand(n, len(_LOOSE), generator=generator, device=device) * (high - low) + low
    ).T
    cosine, sine = torch.deg2rad(degrees).cos() * scale, torch.deg2rad(degrees).sin() * scale
    x_row = torch.stack([cosine * stretch, shear - sine, across], 1)
    y_row = torch.stack([sine, cosine / stretch, down], 1)
    turned = views[:, :, :2] @ torch.stack([x_row, y_row], 1)
    return torch.cat([turned[:, :, :2], turned[:, :, 2:] + views[:, :, 2:]], 2)


def distorted(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images (n, 3, H, W) in [-1, 1] as another camera in another light would take them; same shape and range.

    Each gets its own gamma (0.6..1.6), brightness, contrast and saturation, a ramp of light, sharpening or blur and
    noise, and one in three a grey rectangle over part of the face, so that no single feature decides.
    """
    n, device = len(images), images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator, device=device) * (high - low) + low

    out = ((images + 1) / 2).clamp(1e-3, 1) ** uniform(0.6, 1.6)
    grey = out.mean(1, keepdim=True)
    out = grey + uniform(0.0, 1.2) * (out - grey)
    across = torch.linspace(-1, 1, out.shape[3], device=device)
    down = torch.linspace(-1, 1, out.shape[2], device=device)[:, None]
    out = out * (uniform(0.75, 1.25) + uniform(-0.35, 0.35) * across + uniform(-0.25, 0.25) * down)
    middle = out.mean((1, 2, 3), keepdim=True)
    out = middle + uniform(0.7, 1.3) * (out - middle)
    soft, softer = _blurred(out, 3), _blurred(out, 5)
    out = out + uniform(-0.5, 1.0) * (torch.where(uniform(0, 1) < 0.5, soft, softer) - out)
    out = out + uniform(0, 0.05) * torch.randn(out.shape, generator=generator, device=device)
    return _partly_covered(out, generator).clamp(0, 1) * 2 - 1


def noisy(images: Tensor, largest: float, generator: torch.Generator | None = None) -> Tensor:
    """Images (n, c, h, w) with normal noise, whose standard deviation is drawn for each between 0 and ``largest``."""
    if not largest:
        return images
    drawn: dict[str, Any] = {"generator": generator, "device": images.device, "dtype": images.dtype}
    return images + largest * torch.rand(len(images), 1, 1, 1, **drawn) * torch.randn(images.shape, **drawn)


def _blurred(images: Tensor, side: int) -> Tensor:
    """Means over squares of an odd ``side``, borders repeated: columns, then rows, four times as fast as avg_pool2d."""
    height, width, edge = *images.shape[2:], side // 2
    padded = F.pad(images, (edge, edge, edge, edge), mode="replicate")
    across = sum((padded[..., start : start + width] for start in range(1, side)), padded[..., :width])
    down = sum((across[:, :, start : start + height] for start in range(1, side)), across[:, :, :height])
    return down / side**2


def _partly_covered(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """A rectangle of one grey over part of every third image; sides of an eighth to two fifths of the image's."""
    n, _, height, width = images.shape
    left, top, wide, high, chosen, grey = torch.rand(6, n, 1, 1, 1, generator=generator, device=images.device)
    across = (torch.arange(width, device=images.device) + 0.5) / width - left
    down = (torch.arange(height, device=images.device)[:, None] + 0.5) / height - top
    wide, high = 0.125 + 0.275 * wide, 0.125 + 0.275 * high
    inside = (across >= 0) & (across < wide) & (down >= 0) & (down < high) & (chosen < 1 / 3)
    return torch.where(inside, grey, images)


def centre_views(n: int, image_size: int, crop_size: int, *, device: torch.device | str = "cpu") -> Tensor:
    """The centre crop, as views of shape (n, 2, 3): what a test image gets."""
    _check_sizes(image_size, crop_size)
    zero = torch.zeros(n, device=device)
    offset = torch.full((2, n), ((image_size - crop_size) // 2 - (image_size - crop_size) / 2) * 2 / image_size)
    return _affine(zero + 1, zero, offset.to(device), crop_size / image_size)


AUGMENTATIONS = ("paper", "strong")
# Scale, stretch, shear, degrees and shifts (in half sides of the crop) of `loosened`.
_LOOSE = ((0.87, 1.15), (0.9, 1.1), (-0.08, 0.08), (-8.0, 8.0), (-0.09, 0.09), (-0.09, 0.09))

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


def augmented_views(
    images: Tensor, views: Tensor, crop_size: int, augmentation: str, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Crops of ``images`` as one of :data:`AUGMENTATIONS` has them, and the views that a second image may take."""
    if augmentation != "strong":
        return take_views(images, views, crop_size), views
    views = loosened(views, generator)
    return distorted(take_views(images, views, crop_size), generator), views


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
