"""Fingerprints: what is one image, nearly one, or two; and how often that is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import fingerprints as module
from ferdis.faces import Faces
from ferdis.protocol.near_duplicates import (
    NEAR_DUPLICATE,
    exact_duplicates,
    fingerprints,
    near_duplicates,
    similar,
)

SIDE = 48


def pictures(count: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Pictures with structure at several scales, all different: (count, side, side, 3) uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((count, side, side, 3))
    for cells in (3, 6, 12, 24):
        total += np.kron(rng.normal(size=(count, cells, cells, 3)), np.ones((1, side // cells, side // cells, 1)))
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def as_faces(images: np.ndarray, subjects: list[str] | None = None) -> Faces:
    table = pd.DataFrame({"expression": "fear", "path": [f"{row}.png" for row in range(len(images))]})
    return Faces(images, table if subjects is None else table.assign(subject=subjects))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def scaled(image: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip(gain * image.astype(float) + offset, 0, 255).astype(np.uint8)


ALTERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg": lambda image: jpeg(image, 40),
    "brighter": lambda image: scaled(image, 1.0, 30),
    "less contrast": lambda image: scaled(image, 0.6, 20),
    "gamma": lambda image: (255 * (image / 255) ** 0.7).astype(np.uint8),
    "noise": lambda image: scaled(image + np.random.default_rng(1).normal(0, 6, image.shape), 1, 0),
    "mirrored jpeg": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1]), 40),
    "grey": lambda image: np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2),
}


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_found(name: str) -> None:
    images = pictures(12)
    images[7] = ALTERED[name](images[2])
    found = near_duplicates(as_faces(images))
    assert found[["first", "second"]].to_numpy().tolist() == [[2, 7]]
    assert found["mirrored"].tolist() == [name.startswith("mirrored")]
    assert exact_duplicates(as_faces(images)).empty


def test_other_sizes_are_the_same_picture() -> None:
    images = pictures(5)
    large = np.stack(
        [np.asarray(Image.fromarray(image).resize((96, 120), Image.Resampling.BICUBIC)) for image in images]
    )
    pairs = similar(fingerprints(as_faces(images)), fingerprints(as_faces(large)), NEAR_DUPLICATE)
    assert pairs.first.tolist() == pairs.second.tolist() == [0, 1, 2, 3, 4]


def test_exact_and_mirrored_duplicates() -> None:
    images = pictures(6)
    images[3] = images[0]
    images[5] = images[1][:, ::-1]
    found = exact_duplicates(as_faces(images, ["a", "b", "c", "a", "d", "e"]))
    assert found["first"].tolist() == [0, 1] and found["second"].tolist() == [3, 5]
    assert found["mirrored"].tolist() == [False, True]
    assert found["same_person"].tolist() == [True, False]
    assert found["second_path"].tolist() == ["3.png", "5.png"]
    assert near_duplicates(as_faces(images)).empty  # identical ones are listed once, as identical


def test_across_people_only() -> None:
    images = pictures(6)
    images[3], images[4] = jpeg(images[0], 60), jpeg(images[1], 60)
    faces = as_faces(images, ["a", "b", "c", "a", "d", "e"])
    assert near_duplicates(faces)["first"].tolist() == [0, 1] or near_duplicates(faces)["first"].tolist() == [1, 0]
    across = near_duplicates(faces, across_people=True)
    assert across[["first", "second", "same_person"]].to_numpy().tolist() == [[1, 4, False]]


def test_limit_stops_the_search() -> None:
    images = np.stack([jpeg(pictures(1)[0], quality) for quality in range(50, 90)])
    assert len(near_duplicates(as_faces(images), limit=10)) == 10


def test_similarity_is_the_lowest_correlation_of_fine_structure() -> None:
    """Against a plain transcription: high-passed luminance, whole and in nine windows, as it is or mirrored."""
    base = pictures(1, seed=3)[0]
    images = np.stack([jpeg(base, quality) for quality in (80, 20, 5)] + [jpeg(base[:, ::-1].copy(), 20)])
    operators = module._operators(SIDE)

    def fine(image: np.ndarray) -> np.ndarray:
        luminance = image.astype(float) @ [0.299, 0.587, 0.114]
        return operators[0] @ luminance @ operators[0].T - operators[1] @ luminance @ operators[1].T

    def lowest(one: np.ndarray, other: np.ndarray) -> float:
        areas = [(slice(top, top + 12), slice(left, left + 12)) for top in (0, 6, 12) for left in (0, 6, 12)]
        whole = (slice(None), slice(None))
        return min(np.corrcoef(one[area].ravel(), other[area].ravel())[0, 1] for area in (whole, *areas))

    prints = fingerprints(as_faces(images))
    pairs = similar(prints, prints, threshold=-1)
    assert len(pairs.first) == 6
    for first, second, similarity, mirrored in zip(
        pairs.first, pairs.second, pairs.similarity, pairs.mirrored, strict=True
    ):
        plain = lowest(fine(images[first]), fine(images[second]))
        mirror = lowest(fine(images[first]), fine(images[second][:, ::-1]))
        assert similarity == pytest.approx(max(plain, mirror), abs=1e-4)
        assert mirrored == (mirror > plain) == (second == 3)


def test_pictures_that_differ_in_one_place_are_two() -> None:
    """Two people in one scene: the whole correlates, the face does not."""
    images = np.repeat(pictures(1), 2, axis=0)
    images[1, 14:34, 14:34] = pictures(1, seed=8)[0, 14:34, 14:34]
    assert near_duplicates(as_faces(images)).empty


def test_flat_places_are_not_asked() -> None:
    """A bare wall with other noise on it does not make two images of one."""
    images = np.repeat(pictures(1), 2, axis=0)
    images[:, :, 20:] = 128
    images[1, :, 20:] += np.random.default_rng(0).integers(0, 3, (SIDE, SIDE - 20, 3)).astype(np.uint8)
    assert len(near_duplicates(as_faces(images))) == 1


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([pictures(20), np.stack([jpeg(image, 70) for image in pictures(20)])])
    subjects = [f"s{row % 7}" for row in range(40)]
    whole = near_duplicates(as_faces(images, subjects))
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_READ", 50_000)
    pd.testing.assert_frame_equal(near_duplicates(as_faces(images, subjects)), whole)
    assert len(whole) == 20


def test_flat_pictures_are_alike_only_if_identical() -> None:
    images = np.stack([np.full((SIDE, SIDE, 3), grey, np.uint8) for grey in (10, 200, 200)])
    assert near_duplicates(as_faces(images), threshold=0.5).empty
    assert exact_duplicates(as_faces(images))["first"].tolist() == [1]


@pytest.mark.parametrize("height, width", [(5, 7), (24, 31), (256, 200)])
def test_any_size(height: int, width: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, height, width, 3)).astype(np.uint8)
    prints = fingerprints(as_faces(images))
    assert prints.even.shape == prints.odd.shape == (3, 288)
    norm = (prints.even**2 + prints.odd**2).sum(axis=1)
    assert norm == pytest.approx(np.ones(3), abs=1e-4)


def test_no_pictures() -> None:
    assert near_duplicates(as_faces(pictures(3))[:0]).empty
    assert exact_duplicates(as_faces(pictures(3))[:0]).empty


@pytest.mark.parametrize("name, share", [("london", 1.0), ("london", 0.6), ("wild", 0.8)])
def test_false_alarms_on_real_faces(shared_data: Path, name: str, share: float) -> None:
    """Different people at 48x48: well under one false alarm in a hundred (here none), and copies are caught."""
    table = pd.read_csv(shared_data / name / "faces.csv", dtype=str).iloc[::2]
    images = np.empty((len(table), SIDE, SIDE, 3), np.uint8)
    for row, path in enumerate(table["path"]):
        with Image.open(shared_data / name / path) as file:
            image = file.convert("RGB")
        margin = (1 - share) / 2 * min(image.size)
        box = (margin, margin, image.width - margin, image.height - margin)
        images[row] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))
    faces = Faces(images, table)
    assert near_duplicates(faces, across_people=True).empty

    copies = np.stack([jpeg(scaled(image, 0.8, 10), 50) for image in images[:100]])
    known = fingerprints(faces[:100])
    caught = similar(known, fingerprints(as_faces(copies)), NEAR_DUPLICATE)
    assert set(range(100)) == set(caught.first[caught.first == caught.second])
