"""Crops in the cache: their keys, their notes, and how they are made again."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferdis.preprocess import cache
from ferdis.preprocess.align import Detections, WholePicture
from ferdis.preprocess.cache import CacheError, CropMaker, Source, StoredCrops, crop_store, detected, note_of

SIZE = 8


def files(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(count)]


def crops(tmp_path: Path, paths: list[Path]) -> StoredCrops:
    maker = CropMaker([Source.of(path) for path in paths], WholePicture(), SIZE)
    return StoredCrops(crop_store(tmp_path / "cache", WholePicture(), SIZE), maker)


def pixels(paths: list[Path]) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in paths])


def test_as_an_array(tmp_path: Path) -> None:
    paths = files(tmp_path / "a", 6)
    images, truth = crops(tmp_path, paths), pixels(paths)
    assert images.shape == (6, SIZE, SIZE, 3) and images.dtype == np.uint8 and images.ndim == 4 and len(images) == 6
    for key in (slice(None), slice(4, 1, -2), [5, 0, 3, 5], np.array([True, False] * 3), 2, -1, np.int64(3)):
        np.testing.assert_array_equal(images[key], truth[key])
    assert images[[]].shape == (0, SIZE, SIZE, 3)
    np.testing.assert_array_equal(np.asarray(images), truth)
    with pytest.raises(IndexError):
        images[6]


def test_rows_may_share_a_file(tmp_path: Path) -> None:
    first, second = files(tmp_path / "a", 2)
    images = crops(tmp_path, [first, second, first, first])
    np.testing.assert_array_equal(images[[3, 1, 0]], pixels([first, second, first]))


def test_what_was_read_is_not_changed_from_outside(tmp_path: Path) -> None:
    paths = files(tmp_path / "a", 3)
    images, truth = crops(tmp_path, paths), pixels(paths)
    images[:][:] = 0
    images[1][:] = 0
    images[[0, 1]][:] = 0
    np.testing.assert_array_equal(images[:], truth)


def test_the_key_is_path_size_and_time_of_change(tmp_path: Path) -> None:
    first, second, third = files(tmp_path / "a", 3)
    before = [Source.of(path).key() for path in (first, second, third)]
    assert len(set(before)) == 3
    os.utime(second, ns=(0, Source.of(second).mtime_ns + 1))
    third.write_bytes(third.read_bytes() + b"longer")
    after = [Source.of(path).key() for path in (first, second, third)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]
    own = Source("a/1.png", 10, 5)
    others = Source("b/1.png", 10, 5), Source("a/1.png", 11, 5), Source("a/1.png", 10, 6)
    assert len({one.key() for one in (own, *others)}) == 4, "each of the three tells"


def test_the_store_is_one_preprocessing_and_size(tmp_path: Path) -> None:
    class Other(WholePicture):
        params = {"crop": "none"}  # noqa: RUF012

    class Later(WholePicture):
        version = 2

    made = {crop_store(tmp_path, way, size).folder for way in (WholePicture(), Other(), Later()) for size in (8, 9)}
    assert len(made) == 6


def test_detections_survive() -> None:
    found = Detections.none(3)
    found.found[0], found.probability[0] = True, 0.97
    found.boxes[0], found.landmarks[0] = [1, 2, 3, 4], np.arange(10).reshape(5, 2)
    read = detected([note_of(found, row) for row in (0, 1)] + [b""])
    assert read is not None
    for name in ("found", "probability", "boxes", "landmarks"):
        np.testing.assert_array_equal(getattr(read, name), getattr(found, name))
    assert note_of(None, 0) == b"" and detected([b"", b""]) is None


def test_a_crop_that_was_lost_is_not_made_of_a_changed_image(tmp_path: Path) -> None:
    paths = files(tmp_path / "a", 3)
    images = crops(tmp_path, paths)
    images[0]
    Image.new("RGB", (SIZE, SIZE)).save(paths[2])
    images[1]
    with pytest.raises(CacheError, match=r"2\.png: the image has changed since .* load the data set again"):
        images[2]
    paths[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png: no such image"):
        images[2]


def test_few_large_images_are_decoded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_CHUNK_PIXELS", 2 * SIZE * SIZE)
    maker = CropMaker([Source.of(path) for path in files(tmp_path / "a", 7)], WholePicture(), SIZE)
    assert [made.rows.tolist() for made in maker.made(np.arange(7), {})] == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_image_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    paths = files(tmp_path / "a", 3)
    paths[1].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1\.png: not an image"):
        crops(tmp_path, paths)[:]
    assert crops(tmp_path, paths)[[0, 2]].shape == (2, SIZE, SIZE, 3)


def test_they_travel_without_their_pixels(tmp_path: Path) -> None:
    paths = files(tmp_path / "a", 6)
    images = crops(tmp_path, paths)
    empty = len(pickle.dumps(images))
    images[:]
    parcel = pickle.dumps(images)
    assert len(parcel) == empty
    np.testing.assert_array_equal(pickle.loads(parcel)[:], pixels(paths))  # noqa: S301
