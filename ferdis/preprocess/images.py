"""Reading and resizing pictures: whatever the file holds becomes upright uint8 RGB, or one clear error.

There is one way of changing the size of an image in ferdis: bilinear interpolation with antialiasing
(:func:`resize` for one array, :func:`resize_batch` for tensors). Crops in the cache, the images a detector
sees and a system's own input size all go through it, so that an exported model has one resize to repeat.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ferdis.messages import one_line, quoted, reason, short
from ferdis.preprocess.containers import MAX_PIXELS, Inside, inside, read_inside

if TYPE_CHECKING:
    from torch import Tensor

MAX_SIDE = 2048
"""Largest side in pixels of what is made: a crop, a resized image, a network's input."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "JPEG2000")
"""Formats that are opened, by Pillow's names. Others, whatever their suffix, are refused: some of Pillow's readers
start another program (EPS runs Ghostscript), and photographs come in none of them."""

_WHITE = (255, 255, 255)
_SIXTEEN_BIT_STEP = 257.0  # 65535 / 255: a 16-bit value divided by it spans 0..255 exactly


class UnreadableImageError(ValueError):
    """An image that cannot be used; the message is one line that names the file and the way out."""


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image as upright RGB.

    EXIF orientation is applied. Palette, grey, CMYK and YCbCr images are converted; 16-bit grey is scaled
    from 0..65535 to 0..255, never clipped; transparency is laid over white. Of an image with several frames,
    the first is read.

    Parameters
    ----------
    path : path
        A file in one of :data:`FORMATS`, whatever its suffix, or one image of a file that holds many
        (``clip.avi#12``, see :mod:`ferdis.preprocess.containers`).

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0..255.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnreadableImageError
        A ValueError: if the file is empty, no image, truncated, damaged, larger than 64 Mpixel (read from the
        header, before decoding) or of a pixel type without a defined range. One line: file and way out.
    """
    place = inside(path)
    if place is not None:
        return _read_inside(place)
    with _open(path) as image:
        try:
            image.load()
            return _to_rgb(image, path)
        except UnreadableImageError:
            raise
        # A damaged file can make Pillow's decoders raise almost anything; each means the same to the user.
        except Exception as error:
            raise UnreadableImageError(
                f"{path}: truncated or damaged image ({one_line(error)}); copy it again or remove its row"
            ) from error


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image as stored (before EXIF rotation), read from its header alone.

    Raises
    ------
    FileNotFoundError, UnreadableImageError
        As :func:`read_image`, for whatever the header shows.
    """
    place = inside(path)
    if place is not None:
        height, width = _read_inside(place).shape[:2]
        return height, width
    with _open(path) as image:
        return image.height, image.width


def checked_side(side: Any, name: str) -> int:
    """A side in pixels, held to 1 .. :data:`MAX_SIDE` before anything is allocated for it.

    Parameters
    ----------
    side : int
        From an argument or a file.
    name : str
        What it is called, for the message.

    Raises
    ------
    ValueError
        If it is no whole number in this range; one line with its name.
    """
    whole = isinstance(side, int | np.integer) and not isinstance(side, bool)
    if not whole and not (isinstance(side, float) and side.is_integer()):
        raise ValueError(f"{name} must be a whole number of pixels, got {quoted(side)}")
    if not 1 <= side <= MAX_SIDE:
        raise ValueError(f"{name} must be 1 to {MAX_SIDE} pixels, got {short(side)}")
    return int(side)


def _sides(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width)."""
    return (size, size) if isinstance(size, int | np.integer) else (size[0], size[1])


def resize(image: np.ndarray, size: int | Sequence[int]) -> np.ndarray:
    """Resize one image by bilinear interpolation with antialiasing.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    size : int or (height, width)
        An integer gives a square, whatever the input's shape.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        The input itself if it has that size already.
    """
    height, width = (checked_side(side, "size") for side in _sides(size))
    if image.shape[:2] == (height, width):
        return image
    # Pillow widens the triangle filter by the shrinking factor: this is torch's antialias=True.
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def resize_batch(images: Tensor, size: int | Sequence[int]) -> Tensor:
    """Resize a batch on its device with the filter of :func:`resize`; differentiable.

    Parameters
    ----------
    images : Tensor of shape (n, C, H, W), floating point, any range
    size : int or (height, width)

    Returns
    -------
    Tensor of shape (n, C, height, width)
    """
    from torch.nn.functional import interpolate  # torch takes seconds to import, and reading an image needs none of it

    target = [checked_side(side, "size") for side in _sides(size)]
    if list(images.shape[-2:]) == target:
        return images
    return interpolate(images, target, mode="bilinear", antialias=True, align_corners=False)


def whole_pixels(images: Tensor) -> Tensor:
    """Resized pixels as whole numbers 0..255, ties upwards as in Pillow.

    Give float64: a tie (72 pixels from 144 have one in eight) is then a tie to a hair, which is added, so that no
    order of summation decides it and an exported model sees the pixels that training saw.
    """
    return (images + (0.5 + 2.0**-20)).floor().clamp(0, 255)


def sample(image: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Bilinear samples of an image; outside it, its edge pixels are repeated.

    Equal to ``torch.nn.functional.grid_sample(..., padding_mode="border", align_corners=False)`` up to rounding.

    Parameters
    ----------
    image : ndarray of shape (H, W, C), uint8 or float32
    across, down : ndarray of shape (h, w), float32
        Where: -1 is the left (upper) edge of the image, 1 the right (lower) one.

    Returns
    -------
    ndarray of shape (h, w, C), float32
    """
    height, width, channels = image.shape
    columns, rows = _neighbours(across, width), _neighbours(down, height)
    pixels = image.reshape(-1, channels).astype(np.float32, copy=False)

    def shares() -> Iterator[np.ndarray]:  # of the four neighbours, one after another: less memory is faster
        for row, high in rows:
            start = row * width
            for column, wide in columns:
                part = pixels.take(start + column, axis=0)
                part *= (wide * high)[:, None]
                yield part

    parts = shares()
    result = next(parts)
    for part in parts:
        result += part
    return result.reshape(*across.shape, channels)


def _neighbours(places: np.ndarray, length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two pixels around each place -1..1 on a line of ``length`` pixels, each with its share."""
    pixel = ((places.ravel() + 1) * np.float32(length / 2) - np.float32(0.5)).clip(0, length - 1)
    first = np.floor(pixel)
    share = pixel - first
    index = first.astype(np.intp)
    return [(index, 1 - share), (np.minimum(index + 1, length - 1), share)]


def centre_crop(image: np.ndarray) -> np.ndarray:
    """The largest centred square of an image: (H, W, 3) -> (s, s, 3) with s = min(H, W); a view, no copy."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _read_inside(place: Inside) -> np.ndarray:
    """One image of a file that holds many, with this module's errors."""
    try:
        return read_inside(place)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{place.file}: no such file; correct the path or remove its rows") from error
    except Exception as error:  # decoders raise almost anything
        said = one_line(error)
        where = "" if str(place.file) in said else f"{place.file}: "
        raise UnreadableImageError(f"{where}{said}; copy it again or remove its rows" if where else said) from error


def _open(path: str | os.PathLike[str]) -> Image.Image:
    """Open an image without decoding it, and refuse what its header or the file system already rules out."""
    file = Path(path)
    try:
        if file.is_dir():
            raise UnreadableImageError(f"{path}: a folder, not an image; name the files inside it")
        if file.stat().st_size == 0:
            raise UnreadableImageError(f"{path}: the file is empty (0 bytes); copy it again or remove its row")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            image = Image.open(file, formats=FORMATS)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such image; correct the path or remove its row") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(_too_large(path, "more than 178 Mpixel")) from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"{path}: not an image of a format that is read ({', '.join(FORMATS)}); convert it to PNG or JPEG, "
            f"or remove its row"
        ) from error
    except UnreadableImageError:
        raise
    except Exception as error:  # whatever a damaged header makes Pillow raise
        raise UnreadableImageError(
            f"{path}: cannot be opened ({reason(error)}); check its permissions or remove its row"
        ) from error
    if image.width * image.height > MAX_PIXELS:
        shape = f"{image.width} x {image.height} pixels"
        image.close()
        raise UnreadableImageError(_too_large(path, shape))
    return image


def _to_rgb(image: Image.Image, path: str | os.PathLike[str]) -> np.ndarray:
    """Any decoded Pillow image as upright (H, W, 3) uint8 RGB."""
    # Older Pillow opens a 16-bit PNG as "I"; other 32-bit files have no range that one could know.
    sixteen_bit = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if image.mode in ("I", "F") and not sixteen_bit:
        raise UnreadableImageError(f"{path}: 32-bit pixels have no defined range; save it as 8 or 16 bit")
    with contextlib.suppress(Exception):  # a damaged EXIF block: the pixels are taken as stored
        ImageOps.exif_transpose(image, in_place=True)
    if sixteen_bit:
        grey = np.rint(np.asarray(image, np.float64) / _SIXTEEN_BIT_STEP).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*_WHITE, 255)), image)
    return np.array(image.convert("RGB"))


def _too_large(path: str | os.PathLike[str], found: str) -> str:
    return f"{path}: {found}, the limit is {MAX_PIXELS // 1_000_000} Mpixel; scale it down or crop the face"
