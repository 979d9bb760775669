"""Crops remember the files they were cut from, through every way of taking and joining rows."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.faces import Faces
from ferdis.preprocess import prepare
from ferdis.preprocess.images import read_image, resize
from ferdis.preprocess.originals import CroppedImages, map_files


class Corner:
    """A preprocessor that keeps the upper left 8x8 pixels: no crop shows its whole image."""

    name = "corner"
    version = 1
    params: dict[str, Any] = {}  # noqa: RUF012
    digest = "0" * 64

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, None]:
        return np.stack([resize(np.ascontiguousarray(image[:8, :8]), size) for image in images]), None


def write(folder: Path, count: int, seed: int = 0) -> list[Path]:
    rng = np.random.default_rng(seed)
    files = [folder / f"{seed}_{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        Image.fromarray(rng.integers(0, 256, (20 + number, 16, 3), dtype=np.uint8)).save(file)
    return files


def faces_of(files: Sequence[Path], **options: Any) -> Faces:
    table = pd.DataFrame({"expression": "fear", "subject": [f"s{row}" for row in range(len(files))]})
    return prepare(files, table, image_size=12, progress=False, **options)


def same(found: list[np.ndarray], files: Sequence[Path]) -> bool:
    return len(found) == len(files) and all(
        np.array_equal(image, read_image(file)) for image, file in zip(found, files, strict=True)
    )


@pytest.mark.parametrize("cache", [None, False])
@pytest.mark.parametrize("align", [Corner(), False])
def test_whole_images_of_crops(tmp_path: Path, align: Any, cache: bool | None) -> None:
    files = write(tmp_path, 5)
    faces = faces_of(files, align=align, cache=cache)
    assert faces.shape == (5, 12, 12, 3) and faces.pixels([1, 3]).shape == (2, 12, 12, 3)
    assert same(faces.map_originals(np.copy), files)
    assert same(faces[[4, 0, 0]].map_originals(np.copy), [files[4], files[0], files[0]])
    assert same(faces[1:][::2].map_originals(np.copy), files[1::2])
    assert same(faces[2:].with_table(faces[2:].table).map_originals(np.copy), files[2:])
    assert same(pickle.loads(pickle.dumps(faces)).map_originals(np.copy), files)  # noqa: S301
    assert faces[:0].map_originals(np.copy) == []


def test_joined_faces_keep_theirs(tmp_path: Path) -> None:
    ours, theirs = write(tmp_path, 4), write(tmp_path, 3, seed=1)
    drawn = np.random.default_rng(2).integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    table = pd.DataFrame({"expression": "fear", "subject": ["d0", "d1"]})
    joined = Faces.concat([faces_of(ours, align=Corner())[1:], Faces(drawn, table), faces_of(theirs, align=False)])
    order = [7, 0, 3, 4, 1]
    found = joined[order].map_originals(np.copy)
    assert same([found[place] for place in (0, 1, 4)], [theirs[2], ours[1], ours[2]])
    assert np.array_equal(found[2], drawn[0]) and np.array_equal(found[3], drawn[1])


def test_images_of_no_file_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 3), dtype=np.uint8)
    faces = Faces(images, pd.DataFrame({"expression": ["fear"] * 7}))
    monkeypatch.setattr("ferdis._image_arrays.READ_BYTES", 200)  # two images at a time
    assert np.array_equal(faces[::-1].map_originals(np.copy), images[::-1])


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, 3)
    faces = faces_of(files, align=Corner())
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"0_1\.png: no such image"):
        faces.map_originals(np.copy)
    assert same(faces[[0, 2]].map_originals(np.copy), [files[0], files[2]])


def test_a_file_is_read_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    files = write(tmp_path, 2)
    read = []
    assert map_files(lambda image: read.append(0) or image.shape[0], [*files, *files]) == [20, 21, 20, 21]
    assert len(read) == 2


def test_more_files_than_are_waited_for_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.preprocess.originals._AHEAD", 2)
    files = write(tmp_path, 5)[::-1]
    assert same(map_files(np.copy, files), files)


def test_crops_as_an_array() -> None:
    crops = CroppedImages(np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), ["a.png"])
    assert np.asarray(crops).dtype == np.uint8 and np.asarray(crops, dtype=float).dtype == float
    np.testing.assert_array_equal(np.asarray(crops, dtype=float).ravel(), np.arange(12))


def test_rows_of_a_file_that_holds_many_are_read_in_order(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (4, 48, 48))
    rows = [" ".join(map(str, image.ravel())) for image in grey]
    pd.DataFrame({"pixels": rows}).to_csv(tmp_path / "fer.csv", index=False)
    alone = write(tmp_path, 1)[0]
    files = [tmp_path / "fer.csv#2", alone, tmp_path / "fer.csv#0"]
    found = map_files(np.copy, files)
    assert np.array_equal(found[0][..., 0], grey[2]) and np.array_equal(found[2][..., 0], grey[0])
    assert np.array_equal(found[1], read_image(alone))


def test_rows_in_another_selection() -> None:
    faces = Faces(np.zeros((6, 4, 4, 3), np.uint8), pd.DataFrame({"expression": ["fear"] * 6}))
    part = faces[[5, 1, 3]]
    assert part.rows_in(faces).tolist() == [5, 1, 3]  # type: ignore[union-attr]
    assert part[[2, 0]].rows_in(part).tolist() == [2, 0]  # type: ignore[union-attr]
    assert part.with_table(part.table).rows_in(faces).tolist() == [5, 1, 3]  # type: ignore[union-attr]
    assert faces.rows_in(part) is None and faces[[0]].rows_in(part) is None
    other = Faces(np.zeros((6, 4, 4, 3), np.uint8), faces.table)
    assert other.rows_in(faces) is None
