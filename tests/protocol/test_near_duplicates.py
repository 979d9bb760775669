"""What is one image, nearly one, or two; and how often that is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ferdis.faces import Faces
from ferdis.protocol import image_matching
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


def moved(image: np.ndarray, degrees: float = 0.0, margin: float = 0.0) -> np.ndarray:
    """The image turned, and then cropped by that share of its side at each edge."""
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC)
    cut = margin * image.shape[0]
    box = (cut, cut, image.shape[1] - cut, image.shape[0] - cut)
    return np.asarray(turned.resize(turned.size, Image.Resampling.BICUBIC, box=box))


def shifted(image: np.ndarray, pixels: int) -> np.ndarray:
    out = np.zeros_like(image)
    out[pixels:, pixels:] = image[:-pixels, :-pixels]
    return out


def lettered(image: np.ndarray) -> np.ndarray:
    out = image.copy()
    side = len(image)
    out[5 * side // 12 : 6 * side // 12, side // 4 : 3 * side // 4 : 2] = 255
    return out


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
    "half size": lambda image: np.asarray(
        Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX).resize((2 * SIDE, 2 * SIDE))
    ),
    "turned": lambda image: moved(image, degrees=2),
    "cropped": lambda image: moved(image, margin=0.03),
    "shifted": lambda image: shifted(image, 2),
    "lettered": lettered,
    "mirrored, turned, cropped": lambda image: jpeg(moved(image[:, ::-1].copy(), degrees=-1.5, margin=0.02), 60),
}


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_found(name: str) -> None:
    images = pictures(12, side=2 * SIDE)
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


def test_the_most_alike_come_first() -> None:
    images = pictures(3)
    faces = as_faces(np.stack([*images, moved(images[0], 4.0), jpeg(images[1], 60), jpeg(images[2], 95)]))
    found = near_duplicates(faces, across_people=False)
    assert found["first_path"].tolist() == ["2.png", "1.png", "0.png"]
    assert found["similarity"].is_monotonic_decreasing and found["similarity"].is_unique


def test_limit_stops_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([jpeg(pictures(1)[0], quality) for quality in range(50, 90)])
    asked = []
    agreement = image_matching.agreement
    monkeypatch.setattr(image_matching, "_PAIRS", 4)
    monkeypatch.setattr(image_matching, "agreement", lambda *pairs: asked.append(len(pairs[0])) or agreement(*pairs))
    assert len(near_duplicates(as_faces(images), limit=10)) == 10
    assert asked == [4, 4, 4]


@pytest.mark.parametrize(("amplitude", "ramp", "peak"), [(100, 0, 62), (25, 0, 46), (25, 60, 46)])
def test_a_structure_is_what_stands_out_in_local_contrasts(amplitude: float, ramp: float, peak: int) -> None:
    """Stripes of period 8: blurring leaves 0.86 of the amplitude a, and 50 a / (a / sqrt(2) + 8) of it is kept."""
    x = np.arange(SIDE)
    grey = 128 + amplitude * np.cos(np.pi * x / 4) + ramp * (x - 24) / 24  # the light falls off to one side
    image = np.broadcast_to(np.rint(grey)[None, :, None], (SIDE, SIDE, 3)).astype(np.uint8)
    found = image_matching.structure(image)[24]
    assert found[[16, 24, 32]] == pytest.approx(peak, abs=1.5) and found[[20, 28]] == pytest.approx(-peak, abs=1.5)


def test_similarity_is_the_weighted_median_of_the_windows() -> None:
    """Against a plain transcription, for pairs that need no move."""
    base = pictures(1, seed=3)[0]
    noisy = np.clip(base + np.random.default_rng(0).normal(0, 25, base.shape), 0, 255).astype(np.uint8)
    one, other = (image_matching.structure(image) for image in (base, noisy))

    def plain(first: np.ndarray, second: np.ndarray) -> float:
        found = []
        for top in range(0, 41, 4):
            for left in range(0, 41, 4):
                a, b = (each[top : top + 8, left : left + 8].astype(float) / 50 for each in (first, second))
                x, y = (2 * (corner / 4 + 0.5) / 11 - 1 for corner in (left, top))
                if max(a.var(), b.var()) > 0.35**2:
                    found.append((np.corrcoef(a.ravel(), b.ravel())[0, 1], np.exp(-(x**2 + y**2) / 0.72)))
        value, weight = np.array(sorted(found)).T
        return value[np.searchsorted(weight.cumsum(), weight.sum() / 2)]

    ours, theirs = (torch.from_numpy(each).float()[None, None] / 50 for each in (one, other))
    found = image_matching._windows_agree(ours, theirs, torch.ones_like(ours))
    assert found.item() == pytest.approx(plain(one, other), abs=1e-4) and 0.3 < found.item() < 0.99


def agree(one: np.ndarray, other: np.ndarray, covered: int = SIDE) -> float:
    """Agreement by windows of (48, 48) values, of which the second lies in that many columns."""
    inside = torch.zeros(1, 1, SIDE, SIDE)
    inside[..., :covered] = 1
    ours, theirs = (torch.from_numpy(each).float()[None, None] for each in (one, other))
    return image_matching._windows_agree(ours, theirs, inside).item()


def test_the_centre_counts_most() -> None:
    """The windows in the inner two thirds are 49 of 121 and have 0.62 of the weight."""
    one, other = np.random.default_rng(0).normal(size=(2, SIDE, SIDE))
    inner = other.copy()
    inner[8:40, 8:40] = one[8:40, 8:40]
    outer = one.copy()
    outer[8:40, 8:40] = other[8:40, 8:40]
    assert agree(one, inner) > 0.99 and agree(one, outer) < 0.3


def test_windows_that_show_nothing_in_either_image_do_not_count() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, SIDE, SIDE))
    one[:, 16:] *= 0.05  # two thirds of both are flat
    other[:, 16:] *= 0.05
    other[:, :16] = one[:, :16]
    assert agree(one, other) > 0.99


@pytest.mark.parametrize(("covered", "similarity"), [(24, 0.0), (30, 1.0)])
def test_an_image_that_covers_half_of_another_is_no_copy(covered: int, similarity: float) -> None:
    image = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    assert agree(image, image, covered) == pytest.approx(similarity, abs=1e-4)


MOVE = torch.tensor([[[1.03, 0.02, 0.05], [-0.02, 1.01, -0.04], [0, 0, 1]]])


def moved_pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Local contrasts of an image, and the same seen through the move: (1, 1, 48, 48) each."""
    ours = torch.from_numpy(image_matching.structure(pictures(1, seed=seed)[0])).float()[None, None] / 50
    return ours, image_matching._moved(ours, MOVE)[0]


@pytest.mark.parametrize("overlaid", [False, True])
def test_registration_finds_the_move(overlaid: bool) -> None:
    """Even where a bright bar covers a seventh of the second image: large differences pull no harder than small."""
    ours = torch.nn.functional.avg_pool2d(moved_pair(1)[0], 3, 1, 1)
    theirs = image_matching._moved(ours, MOVE)[0]
    if overlaid:
        theirs[:, :, 8:20, 10:38] = 10
    found = image_matching._register(ours, theirs, torch.eye(3)[None], 20)
    assert torch.allclose(MOVE @ found, torch.eye(3), atol=0.01)


def test_a_pair_is_registered_to_the_pixel_and_by_itself() -> None:
    """Half resolution alone gives 0.983 and less; the pairs beside a pair change nothing, and here the first differ."""
    pairs = [moved_pair(seed) for seed in range(3)]
    ours, theirs = (
        np.stack([np.rint(50 * pair[side][0, 0].numpy()).astype(np.int8) for pair in pairs]) for side in (0, 1)
    )
    one, other = ours[[0, 1, 0, 1, 2]], theirs[[1, 2, 0, 1, 2]]
    found = image_matching.agreement(one, other, np.zeros(5, bool))
    assert not found[:2].any() and (found[2:] > 0.985).all()
    alone = [image_matching.agreement(one[[k]], other[[k]], np.zeros(1, bool))[0] for k in range(5)]
    assert found == pytest.approx(alone, abs=1e-4)


def test_a_sketch_follows_small_moves_and_mirrors() -> None:
    """Step 2: a moved copy, mirrored or not, correlates with the image nearly as the image does with itself."""
    fine = image_matching._Frequencies.of(*image_matching._FINE)
    images = pictures(3, side=2 * SIDE)
    ours = np.stack([image_matching.structure(image) for image in images])
    copy = image_matching.structure(moved(images[0], degrees=2, margin=0.02))
    for theirs, way in ((copy, 0), (copy[:, ::-1], 1)):
        sketch = fine.sketch(np.ascontiguousarray(theirs)[None])
        found = [each[:, 0] for each in fine.moved_similarity(ours, sketch.expand(3, 1, -1))]
        unmoved = fine.sketch(ours[:1]) @ torch.where(fine.odd & bool(way), -sketch, sketch)[0]
        assert found[way][0] > unmoved.item() + 0.03 and found[way][0] > found[1 - way].max()
        assert found[way][0] > found[way][1:].max() + 0.2


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
    for name, few in (("_ROWS", 7), ("_COLUMNS", 11), ("_PAIRS", 3)):
        monkeypatch.setattr(image_matching, name, few)
    monkeypatch.setattr("ferdis._image_arrays.READ_BYTES", 50_000)
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
    assert prints.structure.shape == (3, 48, 48) and prints.structure.dtype == np.int8
    pairs = similar(prints, prints, -1.0)
    assert (pairs.similarity < NEAR_DUPLICATE).all()
    copies = fingerprints(as_faces(images[:, ::-1, ::-1][:, ::-1]))
    assert np.array_equal(copies.key, prints.key) and (copies.mirrored != prints.mirrored).all()


def test_crowded_images_still_find_their_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an image has more look-alikes than are compared, its copy is among those that are."""
    for name, few in (("NEAREST", 5), ("LIKELY", 2), ("_SMALL", 0)):
        monkeypatch.setattr(image_matching, name, few)
    base, noise = pictures(1)[0].astype(float), pictures(60, seed=1).astype(float)
    images = np.clip(0.7 * base + 0.3 * noise, 0, 255).astype(np.uint8)
    images[59] = jpeg(np.ascontiguousarray(images[4][:, ::-1]), 50)
    assert near_duplicates(as_faces(images))[["first", "second", "mirrored"]].to_numpy().tolist() == [[4, 59, True]]


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


def test_pairs_of_which_none_is_alike() -> None:
    one, other = (np.stack([image_matching.structure(image) for image in pictures(4, seed=seed)]) for seed in (1, 2))
    assert not image_matching.agreement(one, other, np.zeros(4, bool)).any()
