"""prepare(): one call from files and a table to Faces, resumable, loud about what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.preprocess import cache as cache_module
from ferdis.preprocess.align import Aligner, Detections, WholePicture
from ferdis.preprocess.cache import CacheError
from ferdis.preprocess.images import UnreadableImageError
from ferdis.preprocess.pipeline import prepare


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def dataset(folder: Path, count: int = 7) -> tuple[list[Path], pd.DataFrame]:
    """Pictures of one colour each, 24 x 40, and their table."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{k}.png" for k in range(count)]
    for k, file in enumerate(files):
        Image.new("RGB", (40, 24), (10 * k, 255 - 10 * k, 7)).save(file)
    table = pd.DataFrame(
        {"path": [file.name for file in files], "expression": "fear", "subject": [f"t/{k // 2}" for k in range(count)]}
    )
    return files, table


class Counting(WholePicture):
    """Whole images, counted; every third is "not found"; may be interrupted."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen = 0
        self.stop_after = stop_after

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, Any]:
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        found = Detections.none(len(images))
        for row, image in enumerate(images):
            if image[0, 0, 0] // 10 % 3:
                found.found[row], found.probability[row] = True, 0.9 + image[0, 0, 0] / 1000
                found.boxes[row], found.landmarks[row] = 1, 1
        self.seen += len(images)
        return super().__call__(images, size)[0], found


def test_crops_follow_the_table(tmp_path: Path, capsys: Any) -> None:
    files, table = dataset(tmp_path / "a")
    faces = prepare(files, table, image_size=16, align=Counting(), progress=False)
    assert faces.shape == (7, 16, 16, 3)
    np.testing.assert_array_equal(faces.pixels()[:, 3, 3, 0], 10 * np.arange(7))
    assert faces.table["detected"].tolist() == [False, True, True, False, True, True, False]
    probability = [np.nan, 0.91, 0.92, np.nan, 0.94, 0.95, np.nan]
    np.testing.assert_allclose(faces.table["detection_probability"], probability)
    line = "WHOLE found 4 of 7 faces (57.14 %); not found, centre square used: 0.png, 3.png, 6.png"
    assert capsys.readouterr().out.splitlines() == [line]
    assert faces.attrs["notes"] == [line] and faces.attrs["not_found"] == 3
    assert faces.attrs["not_found_paths"] == ["0.png", "3.png", "6.png"]
    assert faces.attrs["preprocessing"]["digest"] == WholePicture().digest


def test_a_cache_of_its_own_is_used_and_keeps_the_pixels(tmp_path: Path, own_cache: Path) -> None:
    files, table = dataset(tmp_path / "a")
    for place in (tmp_path / "first", str(tmp_path / "second")):
        faces = prepare(files, table, image_size=16, align=Counting(), cache=place, progress=False)
        assert any(Path(place).iterdir()) and not own_cache.exists()
        assert isinstance(faces.images.crops, cache_module.StoredCrops), "they are read when they are asked for"


def test_many_not_found_are_counted_not_listed(tmp_path: Path, capsys: Any) -> None:
    files, table = dataset(tmp_path / "a", count=20)
    prepare(files, table, image_size=8, align=Counting(), cache=False, progress=False)
    assert capsys.readouterr().out.strip().endswith("0.png, 3.png, 6.png, 9.png, 12.png and 2 more")


def test_second_load_decodes_nothing_and_a_changed_file_alone_is_decoded_again(tmp_path: Path) -> None:
    files, table = dataset(tmp_path / "a")
    first, second, third = Counting(), Counting(), Counting()
    before = prepare(files, table, image_size=16, align=first, progress=False)
    again = prepare(files[::-1], table[::-1], image_size=16, align=second, progress=False)
    assert (first.seen, second.seen) == (7, 0)
    np.testing.assert_array_equal(again.pixels()[::-1], before.pixels())
    assert again.table["detected"].tolist() == before.table["detected"].tolist()[::-1]
    Image.new("RGB", (40, 24), (200, 1, 2)).save(files[4])
    after = prepare(files, table, image_size=16, align=third, progress=False)
    assert third.seen == 1
    assert after.pixels([4])[0, 0, 0].tolist() == [200, 1, 2]
    np.testing.assert_array_equal(after.pixels([0, 1, 2, 3, 5, 6]), before.pixels([0, 1, 2, 3, 5, 6]))


def test_one_file_may_serve_two_rows_and_sets_share_the_cache(tmp_path: Path) -> None:
    files, table = dataset(tmp_path / "a", count=3)
    counting = Counting()
    faces = prepare([files[0], files[1], files[0]], table, image_size=16, align=counting, progress=False)
    assert counting.seen == 2
    np.testing.assert_array_equal(faces.pixels([0]), faces.pixels([2]))
    prepare(files, table, image_size=16, align=counting, progress=False)
    assert counting.seen == 3
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_interrupted_build_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_CHUNK_IMAGES", 2)
    files, table = dataset(tmp_path / "a")
    first, rest = Counting(stop_after=4), Counting()
    with pytest.raises(KeyboardInterrupt):
        prepare(files, table, image_size=16, align=first, progress=False)
    faces = prepare(files, table, image_size=16, align=rest, progress=False)
    assert (first.seen, rest.seen) == (4, 3)
    np.testing.assert_array_equal(faces.pixels()[:, 3, 3, 0], 10 * np.arange(7))


def test_killed_build_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL in the middle of the third write: the lock must not outlive the process."""
    files, table = dataset(tmp_path / "a")
    table.to_csv(tmp_path / "table.csv", index=False)
    program = f"""
        import os, pandas as pd
        from ferdis.preprocess import cache, image_store, pipeline
        cache._CHUNK_IMAGES = 2
        insert, calls = image_store.ImageStore._insert, []
        def killed(store, connection, rows):
            insert(store, connection, rows)
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), 9)
        image_store.ImageStore._insert = killed
        folder = {str(tmp_path / "a")!r}
        table = pd.read_csv({str(tmp_path / "table.csv")!r})
        pipeline.prepare([folder + "/" + p for p in table.path], table, image_size=16, align=False, progress=False)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, env=dict(os.environ))
    assert done.returncode == -9
    rest = Counting()
    faces = prepare(files, table, image_size=16, align=rest, progress=False)
    assert rest.seen == 3
    np.testing.assert_array_equal(faces.pixels()[:, 3, 3, 0], 10 * np.arange(7))


def spoil(files: list[Path]) -> None:
    files[1].write_bytes(files[1].read_bytes()[:60])
    files[3].write_bytes(b"no picture")
    files[5].unlink()


def test_unreadable_pictures_are_one_error(tmp_path: Path) -> None:
    files, table = dataset(tmp_path / "a")
    files[3].write_bytes(b"no picture")
    for cache in (None, False):
        for align in (Counting(), False):
            with pytest.raises(UnreadableImageError, match=r"3\.png: not an image"):
                prepare(files, table, image_size=16, align=align, cache=cache, progress=False)
    files[1].write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"^2 of 7 images cannot be read: .*1\.png, .*3\.png; the first: "):
        prepare(files, table, image_size=16, align=Counting(), progress=False)
    files[5].unlink()
    with pytest.raises(FileNotFoundError, match=r"5\.png: no such image; correct the path"):
        prepare(files, table, image_size=16, align=Counting(), progress=False)
    files[6].unlink()
    with pytest.raises(FileNotFoundError, match=r"^2 of 7 images cannot be read: .*5\.png, .*6\.png; the first: "):
        prepare(files, table, image_size=16, align=Counting(), progress=False)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("cache", [None, False])
def test_skip_drops_and_names_them(tmp_path: Path, capsys: Any, align: bool, cache: bool | None) -> None:
    files, table = dataset(tmp_path / "a")
    spoil(files)
    faces = prepare(
        files, table, image_size=16, align=Counting() if align else False, cache=cache, progress=False, errors="skip"
    )
    assert faces.table["path"].tolist() == ["0.png", "2.png", "4.png", "6.png"]
    np.testing.assert_array_equal(faces.pixels()[:, 3, 3, 0], [0, 20, 40, 60])
    assert faces.attrs["skipped"] == ["1.png", "3.png", "5.png"]
    assert "skipped 3 unreadable images: 1.png, 3.png, 5.png" in capsys.readouterr().out
    with pytest.raises(UnreadableImageError, match="2 of 2 images"):
        prepare([files[1], files[3]], table[:2], image_size=16, align=False, cache=cache, progress=False, errors="skip")


def test_used_as_given(tmp_path: Path) -> None:
    """align=False: the centre square, whole; no detection columns; nothing on disk without a cache."""
    picture = np.zeros((24, 40, 3), np.uint8)
    picture[:, 8:32] = 200
    (tmp_path / "a").mkdir()
    Image.fromarray(picture).save(tmp_path / "a/0.png")
    table = pd.DataFrame({"expression": ["fear"]})
    lazy = prepare([tmp_path / "a/0.png"], table, image_size=12, align=False, cache=False)
    assert not (tmp_path / "cache").exists()
    stored = prepare([tmp_path / "a/0.png"], table, image_size=12, align=False)
    for faces in (lazy, stored):
        assert (faces.pixels() == 200).all() and faces.shape == (1, 12, 12, 3)
        assert "detected" not in faces.table and faces.attrs["aligned"] == "no"
        assert faces.table["path"].tolist() == [str(tmp_path / "a/0.png")]


def test_lazy_images_are_decoded_when_asked(tmp_path: Path) -> None:
    files, table = dataset(tmp_path / "a")
    faces = prepare(files, table, image_size=8, align=False, cache=False)
    for file in (*files[:2], *files[3:]):
        file.unlink()
    assert faces[[2]].pixels()[0, 0, 0].tolist() == [20, 235, 7]
    assert faces.images[2].shape == (8, 8, 3)
    with pytest.raises(FileNotFoundError, match=r"4\.png"):
        faces.pixels([4])


def test_mistakes_are_told_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, table = dataset(tmp_path / "a")
    counting = Counting()
    with pytest.raises(ValueError, match="7 paths but 6 rows"):
        prepare(files, table[:6], align=counting)
    with pytest.raises(ValueError, match="no expression in rows"):
        prepare(files, table.assign(expression=""), align=counting)
    with pytest.raises(ValueError, match="image_size"):
        prepare(files, table, image_size=0, align=counting)
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        prepare(files, table, align=counting, errors="ignore")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="cannot use the image cache"):
        prepare(files, table, align=counting, cache=tmp_path / "file")
    assert counting.seen == 0


def test_mtcnn_through_the_cache(tmp_path: Path, capsys: Any) -> None:
    """The real aligner on images without a face: kept, flagged, named, and so they stay on the second load."""
    files, table = dataset(tmp_path / "a", count=2)
    for _ in range(2):
        faces = prepare(files, table, image_size=16, progress=False)
        assert not faces.table["detected"].any() and faces.attrs["aligned"] == "mtcnn"
        assert "MTCNN found 0 of 2 faces (0 %); not found" in capsys.readouterr().out
    assert faces.attrs["preprocessing"]["digest"] == Aligner().digest
