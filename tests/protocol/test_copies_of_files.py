"""Copies are told by the whole image on disk, however differently the crops of image and copy came out."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

from ferdis import Faces, load
from ferdis.datasets.check import check
from ferdis.preprocess import originals, prepare
from ferdis.preprocess.images import resize
from ferdis.protocol import Fold
from ferdis.protocol.leakage import LeakError, audit, audit_parameters
from ferdis.protocol.near_duplicates import Fingerprinter, exact_duplicates, near_duplicates
from tests.protocol.test_near_duplicates import pictures


class Anywhere:
    """A preprocessor whose crop of an image and of its copy differ: a corner that the pixels choose."""

    name = "anywhere"
    version = 1
    params: dict[str, Any] = {}  # noqa: RUF012
    digest = "1" * 64

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, None]:
        crops = []
        for image in images:
            row, column = divmod(int(image.sum()) % 64, 8)
            crops.append(resize(np.ascontiguousarray(image[6 * row :, 6 * column :][:48, :48]), size))
        return np.stack(crops), None


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exact": np.copy,
    "mirrored": lambda image: image[:, ::-1],
    "mirrored, compressed": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1]), 75),
    "compressed": lambda image: jpeg(image, 30),
    "smaller": lambda image: resize(image, 48),
}


def on_disk(folder: Path, copy: Callable[[np.ndarray], np.ndarray], **options: Any) -> Faces:
    """Twelve images of six people as files, aligned; the last one is a copy of the first."""
    images = list(pictures(12, side=96))
    images[11] = copy(images[0])
    folder.mkdir(exist_ok=True)
    for row, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{row}.png")
    table = pd.DataFrame({"expression": ["fear", "anger"] * 6, "subject": [f"s{row // 2}" for row in range(12)]})
    files = [folder / f"{row}.png" for row in range(12)]
    return prepare(files, table, align=Anywhere(), image_size=40, cache=False, progress=False, **options)


FOLD = Fold(0, np.arange(8), np.array([]), np.arange(8, 12))


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_with_another_crop_is_refused(tmp_path: Path, kind: str) -> None:
    faces = on_disk(tmp_path / "set", COPIES[kind])
    crops = Faces(faces.pixels(), faces.table)
    if kind != "exact":
        assert audit(crops, [FOLD]).ok  # the crops alone do not tell
    what = "the same image" if kind in ("exact", "mirrored") else "nearly one image"
    with pytest.raises(LeakError, match=rf"{what}.*0\.png \(train\) and .*11\.png \(test\)"):
        audit(faces, [FOLD])
    part = faces[[0, 1, 2, 3, 11, 10]]
    with pytest.raises(LeakError, match=what):
        audit(part, [Fold(0, np.arange(4), np.array([]), np.arange(4, 6))])


def test_images_that_are_no_copies_pass(tmp_path: Path) -> None:
    faces = on_disk(tmp_path / "set", lambda image: pictures(13, side=96)[12])
    report = audit(faces, [FOLD])
    assert report.ok and report.duplicate_groups == 0 and report.near_pairs == 0


def test_both_searches_see_the_whole_images(tmp_path: Path) -> None:
    mirrored = exact_duplicates(on_disk(tmp_path / "a", COPIES["mirrored"]))
    assert mirrored[["first", "second", "mirrored"]].to_numpy().tolist() == [[0, 11, True]]
    near = near_duplicates(on_disk(tmp_path / "b", COPIES["mirrored, compressed"]))
    assert near[["first", "second", "mirrored"]].to_numpy().tolist() == [[0, 11, True]]


class Model(BaseEstimator):
    def __init__(self, extra_train: Faces) -> None:
        self.extra_train = extra_train


def test_a_copy_in_extra_train_is_refused(tmp_path: Path) -> None:
    faces = on_disk(tmp_path / "set", COPIES["mirrored, compressed"])
    extra = faces[8:].with_table(faces[8:].table.assign(subject=list("wxyz"), path=list("wxyz")))
    rest = faces[:8]
    fold = Fold(0, np.arange(2, 8), np.array([]), np.arange(2))
    with pytest.raises(LeakError, match="nearly one image"):
        audit_parameters(Model(extra), rest, [fold])
    assert audit_parameters(Model(extra[:3]), rest, [fold]) == ["extra_train"]


def test_images_are_read_once_for_all_audits_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = on_disk(tmp_path / "set", lambda image: pictures(13, side=96)[12])
    read: list[Any] = []
    monkeypatch.setattr(originals, "read_image", lambda file: read.append(file) or np.asarray(Image.open(file)))
    known = Fingerprinter()
    for _ in range(3):
        audit(faces, [FOLD], known=known)
    audit_parameters(Model(faces[:4]), faces[4:], [Fold(0, np.arange(4), np.array([]), np.arange(4, 8))], known=known)
    assert len(read) == 12


def test_real_faces_aligned_by_detection(tmp_path: Path, shared_data: Path) -> None:
    """The default ``align=True``: mirrored, compressed and moved copies of detected faces."""
    table = pd.read_csv(shared_data / "london" / "faces.csv", dtype=str)
    chosen = table.drop_duplicates("subject").iloc[:8].reset_index(drop=True)
    rows = []
    for number, path in enumerate(chosen["path"]):
        with Image.open(shared_data / "london" / path) as file:
            image = file.convert("RGB")
        image.save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", f"person {number}"))
        if number < 4:
            flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            kinds = (flipped, flipped, image.rotate(2, Image.Resampling.BILINEAR), image.convert("L"))
            copy = jpeg(np.asarray(kinds[number].convert("RGB")), 75) if number else np.asarray(flipped)
            Image.fromarray(copy).save(tmp_path / f"copy{number}.png")
            rows.append((f"copy{number}.png", f"copied {number}"))
    listed = pd.DataFrame(rows, columns=["path", "subject"]).assign(expression="happiness")
    listed.to_csv(tmp_path / "faces.csv", index=False)
    faces = load("manifest", root=tmp_path, image_size=64, cache=False, progress=False)
    exact, near = exact_duplicates(faces), near_duplicates(faces)
    pairs = pd.concat([exact, near])[["first_path", "second_path"]].to_numpy().tolist()
    assert sorted(pairs) == [[f"{number}.png", f"copy{number}.png"] for number in range(4)]
    assert exact["mirrored"].tolist() == [True]
    report = check("manifest", root=tmp_path)
    said = "\n".join(report.remarks + report.wrong)
    assert all(f"copy{number}.png" in said for number in range(4))
