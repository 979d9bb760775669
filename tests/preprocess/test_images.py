"""Every kind of image file becomes upright RGB, or one line that names it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ferdis.preprocess import images


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    """A smooth RGB image whose corners differ: red grows to the right, green downwards."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 255 // (width - 1), rows * 255 // (height - 1), 0 * rows + 60], 2).astype(np.uint8)


def save(path: Path, image: Image.Image, **arguments: object) -> Path:
    image.save(path, **arguments)
    return path


def test_rgb_png_is_returned_as_it_is(tmp_path: Path) -> None:
    read = images.read_image(save(tmp_path / "a.png", Image.fromarray(picture())))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, picture())


@pytest.mark.parametrize("orientation, undo", [(3, 2), (6, 1), (8, 3)])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, undo: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.rot90(picture(), undo)  # as a sideways camera stores it
    read = images.read_image(save(tmp_path / "a.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif))
    np.testing.assert_array_equal(read, picture())


def test_palette_with_transparency_lies_over_white(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 2), 0)
    palette.putpalette([200, 10, 10, 10, 200, 10] + [0] * 750)
    palette.putpixel((0, 0), 1)
    plain = images.read_image(save(tmp_path / "a.png", palette))
    assert plain[0, 0].tolist() == [10, 200, 10] and plain[1, 1].tolist() == [200, 10, 10]
    clear = images.read_image(save(tmp_path / "b.png", palette, transparency=0))
    assert clear[0, 0].tolist() == [10, 200, 10] and clear[1, 1].tolist() == [255, 255, 255]


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    colour = Image.new("RGB", (32, 32), (220, 40, 90))
    read = images.read_image(save(tmp_path / "a.jpg", colour.convert("CMYK"), quality=95))
    assert np.abs(read.astype(int) - [220, 40, 90]).max() <= 6


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 25700, 65535, 200]], np.uint16)
    for name in ("a.png", "a.tiff"):
        read = images.read_image(save(tmp_path / name, Image.fromarray(values)))
        assert read[0].tolist() == [[0] * 3, [1] * 3, [100] * 3, [255] * 3, [1] * 3], "rounded, not cut off"


def test_grey_and_alpha(tmp_path: Path) -> None:
    assert images.read_image(save(tmp_path / "l.png", Image.new("L", (3, 2), 77))).tolist() == [[[77] * 3] * 3] * 2
    assert images.read_image(save(tmp_path / "1.png", Image.new("1", (2, 2), 1))).max() == 255
    half = images.read_image(save(tmp_path / "la.png", Image.new("LA", (2, 2), (0, 0))))
    assert (half == 255).all(), "fully transparent black must show white"
    blend = images.read_image(save(tmp_path / "rgba.png", Image.new("RGBA", (2, 2), (255, 0, 0, 128))))
    assert blend[0, 0, 0] == 255 and abs(int(blend[0, 0, 1]) - 127) <= 1


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", Image.fromarray(np.ones((3, 3), np.float32)))
    with pytest.raises(ValueError, match=r"a\.tiff: 32-bit pixels have no defined range; save it as"):
        images.read_image(path)


def huge_png(path: Path, side: int) -> Path:
    """A PNG whose header claims side x side pixels, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_only_named_formats_are_opened(tmp_path: Path) -> None:
    """Whatever the suffix says: Pillow hands PostScript to Ghostscript."""
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (tmp_path / "page.png").write_bytes(page)
    Image.open(tmp_path / "page.png").close()  # Pillow itself takes it
    with pytest.raises(
        images.UnreadableImageError, match=r"page\.png: not an image of a format that is read \(PNG, JPEG"
    ):
        images.read_image(tmp_path / "page.png")
    for suffix in ("png", "jpg", "bmp", "tiff", "gif", "webp", "ppm", "jp2"):
        assert images.read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(picture(20, 30)))).shape == (20, 30, 3)


@pytest.mark.parametrize("side", [0, -1, 2049, 10**6, 2.5, float("inf"), float("nan"), True, "64", None, [64]])
def test_a_side_is_bounded_before_anything_is_allocated(side: object) -> None:
    with pytest.raises(ValueError, match="size must be") as caught:
        images.checked_side(side, "size")
    assert "\n" not in str(caught.value)
    assert images.checked_side(np.int64(64), "size") == images.checked_side(64.0, "size") == 64


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [8_001, 10_000, 30_000])
def test_huge_picture_is_refused_from_its_header(tmp_path: Path, side: int) -> None:
    with pytest.raises(ValueError, match=r"huge\.png: .*64 Mpixel; scale it down"):
        images.read_image(huge_png(tmp_path / "huge.png", side))


def test_a_size_is_height_and_width(tmp_path: Path) -> None:
    assert images.read_size(save(tmp_path / "wide.png", Image.new("RGB", (30, 20)))) == (20, 30)


def test_limit_is_the_header_not_the_decoding(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="truncated or damaged"):
        images.read_image(huge_png(tmp_path / "lie.png", 3_000))
    assert images.read_size(tmp_path / "lie.png") == (3_000, 3_000)


def test_broken_files_are_one_line_each(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", Image.fromarray(picture(200, 200)), quality=95).read_bytes()
    png = save(tmp_path / "whole.png", Image.fromarray(picture(200, 200))).read_bytes()
    (tmp_path / "folder.png").mkdir()
    cases = {
        "cut.jpg": (whole[: len(whole) // 2], "truncated or damaged"),
        "cut.png": (png[: len(png) // 2], "truncated or damaged"),
        "text.jpg": (b"this is no image\n" * 10, "not an image"),
        "empty.jpg": (b"", "empty"),
    }
    for name, (content, _) in cases.items():
        (tmp_path / name).write_bytes(content)
    expected = {name: words for name, (_, words) in cases.items()} | {"folder.png": "a folder"}
    for name, words in expected.items():
        with pytest.raises(ValueError, match=words) as caught:
            images.read_image(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message and "\n" not in message and ";" in message
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg: no such image; correct the path"):
        images.read_image(tmp_path / "gone.jpg")


def test_resize_antialiases_and_agrees_with_the_tensor_resize() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    small = images.resize(noise, (30, 40))
    assert small.shape == (30, 40, 3)
    assert small.std() < 0.5 * noise.std(), "3x shrinking must average, not pick"
    tensor = torch.from_numpy(noise).permute(2, 0, 1)[None].float()
    again = images.resize_batch(tensor, (30, 40))[0].permute(1, 2, 0).numpy()
    assert np.abs(again - small).max() <= 1.5
    large = images.resize_batch(tensor, 200)[0].permute(1, 2, 0).numpy()
    assert np.abs(large - images.resize(noise, 200)).max() <= 1.5
    assert images.resize(noise, (90, 120)) is noise
    with pytest.raises(ValueError, match="1 to 2048 pixels"):
        images.resize(noise, 0)


def test_centre_crop_is_the_middle_square() -> None:
    image = picture(20, 30)
    np.testing.assert_array_equal(images.centre_crop(image), image[:, 5:25])
    np.testing.assert_array_equal(images.centre_crop(image.transpose(1, 0, 2)), image.transpose(1, 0, 2)[5:25])
