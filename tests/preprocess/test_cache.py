"""The cache on disk: append, reopen, damage, locks, full disks."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferdis.preprocess import cache
from ferdis.preprocess.align import Detections, WholePicture
from ferdis.preprocess.cache import CacheError, CropStore, Source

SIZE = 8


def sources(folder: Path, count: int) -> list[Source]:
    folder.mkdir(exist_ok=True)
    for k in range(count):
        (folder / f"{k}.png").write_bytes(b"x" * (k + 1))
    return [Source.of(folder / f"{k}.png") for k in range(count)]


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def filled(tmp_path: Path, count: int = 6) -> tuple[CropStore, list[Source], np.ndarray]:
    store, files, images = (
        CropStore(tmp_path / "cache", WholePicture(), SIZE),
        sources(tmp_path / "a", count),
        crops(count),
    )
    with store.writing():
        store.append(files[:4], images[:4], None)
        store.append(files[4:], images[4:], None)
    return store, files, images


def again(store: CropStore, files: list[Source]) -> dict[str, cache.Entry]:
    return CropStore(store.folder.parent, WholePicture(), SIZE).read(files)


def test_what_was_written_is_read_in_any_order(tmp_path: Path) -> None:
    store, files, images = filled(tmp_path)
    entries = again(store, files)
    order = [5, 0, 3]
    stored = store.images([entries[files[k].path] for k in order])
    assert stored.shape == (3, SIZE, SIZE, 3) and stored.dtype == np.uint8 and len(stored) == 3
    np.testing.assert_array_equal(stored[:], images[order])
    np.testing.assert_array_equal(stored[1], images[0])
    np.testing.assert_array_equal(stored[np.array([True, False, True])], images[[5, 3]])
    np.testing.assert_array_equal(np.asarray(stored), images[order])


def test_detections_survive(tmp_path: Path) -> None:
    store, files = CropStore(tmp_path / "cache", WholePicture(), SIZE), sources(tmp_path / "a", 2)
    found = Detections.none(2)
    found.found[0], found.probability[0] = True, 0.97
    found.boxes[0], found.landmarks[0] = [1, 2, 3, 4], np.arange(10).reshape(5, 2)
    with store.writing():
        store.append(files, crops(2), found)
    first, second = (again(store, files)[file.path] for file in files)
    assert first.found and first.probability == 0.97 and first.box == [1, 2, 3, 4]
    assert np.array(first.landmarks).tolist() == np.arange(10).reshape(5, 2).tolist()
    assert second.found is False and second.probability is None and second.landmarks is None


def test_key_is_path_size_mtime_and_preprocessing(tmp_path: Path) -> None:
    store, files, _ = filled(tmp_path)
    os.utime(files[2].path, ns=(0, files[2].mtime_ns + 1))
    Path(files[3].path).write_bytes(b"longer than before")
    now = [Source.of(file.path) for file in files]
    assert {Path(path).name for path in again(store, now)} == {"0.png", "1.png", "4.png", "5.png"}

    class Other(WholePicture):
        params = {"crop": "none"}  # noqa: RUF012

    assert CropStore(tmp_path / "cache", Other(), SIZE).read(files) == {}
    assert CropStore(tmp_path / "cache", WholePicture(), SIZE + 1).read(files) == {}


def test_a_picture_written_again_replaces_its_row(tmp_path: Path) -> None:
    store, files, _ = filled(tmp_path)
    new = crops(1, seed=1)
    with store.writing():
        store.append(files[:1], new, None)
    entry = again(store, files)[files[0].path]
    np.testing.assert_array_equal(store.images([entry])[0], new[0])


def test_a_cut_pixel_file_costs_only_what_was_cut(tmp_path: Path) -> None:
    store, files, images = filled(tmp_path)
    row = SIZE * SIZE * 3
    with store.pixels.open("r+b") as file:
        file.truncate(3 * row + 10)
    kept = again(store, files)
    assert sorted(Path(path).name for path in kept) == ["0.png", "1.png", "2.png"]
    with store.writing():
        store.append(files[4:5], images[4:5], None)
    assert sorted(Path(path).name for path in again(store, files)) == ["0.png", "1.png", "2.png", "4.png"]
    assert store.pixels.stat().st_size == 4 * row, "the cut row is written over"


@pytest.mark.parametrize("tail", [b'{"path": "/x", "byt', b"\xff\xfe\n", b"[1, 2]\n", b'{"path": 3}\n', b"null\n"])
def test_a_damaged_index_line_is_not_stored(tmp_path: Path, tail: bytes) -> None:
    store, files, images = filled(tmp_path)
    with store.index.open("ab") as file:
        file.write(tail)
    assert len(again(store, files)) == 6
    more = sources(tmp_path / "b", 1)
    with store.writing():  # a line cut by a kill must not swallow the next one
        store.append(more, images[:1], None)
    assert len(again(store, files + more)) == 7
    assert store.index.read_bytes().count(b"\n") == 7


def test_damaged_pixels_count_as_missing(tmp_path: Path) -> None:
    store, files, _ = filled(tmp_path)
    with store.pixels.open("r+b") as file:
        file.seek(2 * SIZE * SIZE * 3 + 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    assert {Path(path).name for path in again(store, files)} == {"0.png", "1.png", "3.png", "4.png", "5.png"}


def test_an_index_without_pixels_and_the_reverse_are_empty(tmp_path: Path) -> None:
    store, files, _ = filled(tmp_path)
    index = store.index.read_bytes()
    store.index.unlink()
    assert again(store, files) == {}
    store.index.write_bytes(index)
    store.pixels.unlink()
    assert again(store, files) == {}


def test_nothing_is_written_without_the_lock_held_by_another(tmp_path: Path, capsys: Any) -> None:
    import threading

    store, files, images = filled(tmp_path, count=5)
    inside, order = threading.Event(), []

    def second() -> None:
        other = CropStore(tmp_path / "cache", WholePicture(), SIZE)
        inside.wait()
        with other.writing():
            order.append("second")
            other.append(files[:1], images[:1], None)

    thread = threading.Thread(target=second)
    thread.start()
    with store.writing():
        inside.set()
        thread.join(0.3)
        order.append("first")
        store.append(files[1:2], images[1:2], None)
    thread.join()
    assert order == ["first", "second"]
    assert "waiting for another process" in capsys.readouterr().out
    rows = [json.loads(line)["row"] for line in store.index.read_text().splitlines()]
    assert len(rows) == len(set(rows)), "both took their own rows"


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, files, images = filled(tmp_path, count=5)
    more = sources(tmp_path / "b", 2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CacheError, match=r"disk is full.*cache= or FERDIS_CACHE") as caught, store.writing():
            store.append(more, images[:2], None)
    assert str(store.folder) in str(caught.value) and "\n" not in str(caught.value)
    assert len(again(store, files + more)) == 5
    with store.writing():
        store.append(more, images[:2], None)
    entries = again(store, files + more)
    np.testing.assert_array_equal(store.images([entries[f.path] for f in files + more])[:], [*images, *images[:2]])


def test_an_unusable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = CropStore(tmp_path / "file", WholePicture(), SIZE)
    assert store.read(sources(tmp_path / "a", 1)) == {}
    with (
        pytest.raises(CacheError, match=r"file.*cannot use the image cache .* cache=False") as caught,
        store.writing(),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_stored_images_travel_as_a_path(tmp_path: Path) -> None:
    store, files, images = filled(tmp_path)
    stored = store.images([again(store, files)[file.path] for file in files])
    stored[:]
    parcel = pickle.dumps(stored)
    assert len(parcel) < 1000 < images.nbytes
    np.testing.assert_array_equal(pickle.loads(parcel)[:], images)  # noqa: S301
    store.pixels.unlink()
    with pytest.raises(CacheError, match=r"pixels\.u8: .* removed or cut .* load the data set again"):
        pickle.loads(parcel)[0]  # noqa: S301


def test_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "here"))
    assert cache.default_directory() == tmp_path / "here"
    monkeypatch.delenv("FERDIS_CACHE")
    assert cache.default_directory() == Path.home() / ".cache" / "ferdis"
