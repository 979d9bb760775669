"""Alignment: the transform against algebra, the crop against known points, MTCNN on a drawn face and on photographs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ferdis.preprocess import align
from ferdis.preprocess.images import read_image, resize
from ferdis.preprocess.restore import restored

SHARED = Path(os.environ.get("FERDIS_SHARED", Path(__file__).parents[3] / "shared"))
photographs = pytest.mark.skipif(
    not (SHARED / "data/london/faces.csv").exists(), reason="the London photographs are not here (FERDIS_SHARED)"
)


def moved(points: np.ndarray, scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + shift


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]


def test_similarity_recovers_a_known_transform() -> None:
    points = np.random.default_rng(0).normal(size=(3, 5, 2)) * 40
    known = [(2.0, 30.0, (5, -7)), (0.3, -110.0, (0, 0)), (1.0, 0.0, (100, 3))]
    target = np.stack([moved(p, *k) for p, k in zip(points, known, strict=True)])
    matrices = align.similarity(points, target)
    np.testing.assert_allclose(apply(matrices, points), target, atol=1e-9)
    np.testing.assert_allclose(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]), [k[0] for k in known])


def test_similarity_is_umeyamas_least_squares() -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    # Umeyama (1991), Eq. 40 to 42, by SVD.
    s, t = source - source.mean(0), target - target.mean(0)
    u, d, v = np.linalg.svd(t.T @ s / 3)
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    scale = np.trace(np.diag(d) @ sign) / (s**2).sum(1).mean()
    linear = scale * u @ sign @ v
    expected = np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])
    np.testing.assert_allclose(align.similarity(source[None], target[None])[0], expected)


def test_similarity_refuses_points_without_extent() -> None:
    points = np.random.default_rng(0).normal(size=(3, 3, 2))
    points[1] = 4.0
    with pytest.raises(ValueError, match="row 1 coincide"):
        align.similarity(points, align.TEMPLATE)
    points[1] = np.nan
    with pytest.raises(ValueError, match="row 1"):
        align.align_points(points, 64)
    with pytest.raises(ValueError, match=r"\(n, 3 or more, 2\)"):
        align.align_points(np.zeros((3, 2)), 64)


def test_template_is_a_constant_face() -> None:
    left, right, nose = align.TEMPLATE
    assert left[0] + right[0] == 1 and left[1] == right[1] and left[1] < nose[1] and nose[0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        align.TEMPLATE[0, 0] = 0.4


@pytest.mark.parametrize("scale, degrees", [(0.4, 0), (1.0, 15), (1.7, -25), (6.3, 8)])
def test_warp_puts_marks_on_the_template(scale: float, degrees: float) -> None:
    """Draw red, green and blue discs at landmarks, crop, and find their centres where the template says."""
    size, side = 96, int(200 * max(1, scale))
    landmarks = moved(align.TEMPLATE * size - size / 2, scale, degrees, (side / 2 + 3.3, side / 2 - 1.2))
    rows, columns = np.mgrid[:side, :side] + 0.5
    image = np.zeros((side, side, 3), np.uint8)
    for channel, (x, y) in enumerate(landmarks):
        image[..., channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (4 * scale) ** 2))
    crop = align.warp(image, landmarks, size)
    assert crop.shape == (size, size, 3) and crop.dtype == np.uint8
    weights = crop.astype(float)
    grid = np.arange(size) + 0.5
    x = (weights * grid[None, :, None]).sum((0, 1)) / weights.sum((0, 1))
    y = (weights * grid[:, None, None]).sum((0, 1)) / weights.sum((0, 1))
    np.testing.assert_allclose(np.stack([x, y], 1), align.TEMPLATE * size, atol=0.1)


def test_warp_averages_when_it_shrinks() -> None:
    """A one-pixel checkerboard must become grey; sampling without antialiasing gives black and white."""
    board = np.indices((600, 600)).sum(0) % 2 * 255
    image = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    for scale in (1.6, 2.5, 4.7):
        crop = align.warp(image, moved(align.TEMPLATE * 64, scale, 10, (80, 20)), 64)
        assert np.abs(crop.astype(float) - 127.5).mean() < 20, scale
    outside = align.warp(np.full((40, 40, 3), 90, np.uint8), align.TEMPLATE * 20 - 300, 32)
    assert (outside == 90).all(), "of one colour, inside and outside"


def test_every_pixel_counts_when_an_image_shrinks_much() -> None:
    """Stripes of two pixels, shrunk eight times: two samples a pixel of the crop would all fall on one colour."""
    stripes = np.tile(np.repeat([0, 255], 2).astype(np.uint8), 128)[None, :, None].repeat(512, 0).repeat(3, 2)
    crop = align.warp(stripes, align.TEMPLATE * 512 + [1, 0], 64)
    assert np.abs(crop[4:-4, 4:-4].astype(float) - 127.5).max() < 30


def test_eyes_and_nose_decide_and_no_mouth() -> None:
    points = np.random.default_rng(3).normal(size=(2, 5, 2)) * 30 + 50
    found = align.align_points(points, 64)
    np.testing.assert_allclose(found, align.similarity(points[:, :3], align.TEMPLATE * 64))
    assert np.abs(found - align.similarity(points[:, :2], align.TEMPLATE[:2] * 64)).max() > 0.01
    other = points.copy()
    other[:, 3:] += 40
    np.testing.assert_array_equal(align.align_points(other, 64), found)


@pytest.mark.parametrize("scale", [0.6, 1.3, 2.6])
@pytest.mark.parametrize("outside, mode", [("reflect", "symmetric"), ("edge", "edge")])
def test_what_lies_outside_an_image_is_as_if_it_had_been_padded(outside: str, mode: str, scale: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(3)))
    points = moved(align.TEMPLATE * 64 - 32, scale, 12, (52, 30))  # some of each side of the crop is beyond the image
    padded = np.pad(image, ((66, 66), (66, 66), (0, 0)), mode=mode)
    crop = align.warp(image, points, 64, outside=outside).astype(int)
    whole = align.warp(padded, points + 66, 64, outside="edge").astype(int)
    assert np.abs(crop - whole).max() <= (1 if scale < 2 else 8), "shrinking averages from another first pixel on"


def test_beyond_an_image_is_its_mean_where_that_is_asked_for() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    points = align.TEMPLATE * 60 - [20, 0]  # a third of the crop lies to the left of the image
    crop, edge = (align.warp(image, points, 60, outside=name) for name in ("mean", "edge"))
    np.testing.assert_array_equal(crop[:, 20:], edge[:, 20:])
    assert (crop[:, :20] == crop[0, 0]).all() and np.abs(crop[0, 0] - edge[:, 20:].mean((0, 1))).max() < 1
    for name in align.OUTSIDE:
        assert align.warp(image, align.TEMPLATE * 20 - 300, 32, outside=name).std() < 100, "far away from the image"
    with pytest.raises(ValueError, match="outside='black': choose one of fade, edge, mean, reflect"):
        align.warp(image, points, 60, outside="black")


def test_a_mirrored_image_dissolves_with_the_distance_from_its_border() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 6:10], image[:, 20:24] = 250, 250  # two bars, which would be there again in the mirror
    points = align.TEMPLATE * 60 - [25, 0]
    fade, reflect = (align.warp(image, points, 60, outside=name).astype(int) for name in ("fade", "reflect"))
    np.testing.assert_array_equal(fade[:, 25:], reflect[:, 25:])
    assert np.ptp(reflect[30, :25]) == 250, "mirrored bars"
    assert np.abs(fade[:, 24] - reflect[:, 24]).max() <= 3, "at the border it is the mirrored image"
    far = fade[30, :18]  # 7 pixels beyond and more: a blur, without an edge
    assert np.abs(np.diff(far, axis=0)).max() < 25 < np.abs(np.diff(reflect[30, :18], axis=0)).max()


def test_inside_an_image_nothing_depends_on_what_lies_outside() -> None:
    image = np.random.default_rng(1).integers(0, 256, (200, 220, 3), dtype=np.uint8)
    for scale in (0.5, 1.4, 2.9):
        points = moved(align.TEMPLATE * 48 - 24, scale, 7, (110, 100))
        crops = [align.warp(image, points, 48, outside=name) for name in align.OUTSIDE]
        assert all(np.array_equal(crop, crops[0]) for crop in crops)


def test_a_way_of_filling_has_a_digest_of_its_own_and_is_restored() -> None:
    aligners = [align.Aligner(outside=name) for name in align.OUTSIDE]
    assert len({one.digest for one in aligners}) == len(aligners)
    for one in aligners:
        record = {**align.record_of(one), "image_size": [64, 64]}
        again = restored(record)
        assert isinstance(again, align.Aligner) and again.outside == one.outside and again.digest == one.digest
    assert align.Aligner(outside="edge").params["outside"] == "edge pixels repeated; 128 for the networks"
    with pytest.raises(ValueError, match="outside='black'"):
        align.Aligner(outside="black")


@pytest.mark.parametrize("turned", [False, True])
def test_turning_and_the_device_asked_for_are_restored(turned: bool) -> None:
    record = {**align.record_of(align.Aligner(turned=turned)), "image_size": [64, 64]}
    again = restored(record, device="onnx")
    assert isinstance(again, align.Aligner) and again.device == "onnx"
    assert again.turned == turned and again.digest == record["digest"]
    drawn = restored({**align.record_of(align.Drawn()), "image_size": [64, 64]}, device="onnx")
    assert isinstance(drawn, align.Aligner) and drawn.device == "onnx"
    assert drawn.template.tolist() == align.Drawn().params["template"]


def test_warp_of_many_sizes_is_warp_of_each() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in [(50, 60), (200, 90)]]
    points = np.stack([align.TEMPLATE * 50, align.TEMPLATE * 80 + 9])
    both = align.warp(images, np.concatenate([points, points[:, :2]], 1), 48)
    for image, landmarks, crop in zip(images, points, both, strict=True):
        np.testing.assert_array_equal(crop, align.warp(image, landmarks, 48))
    with pytest.raises(ValueError, match="2 images but 1 rows"):
        align.warp(images, points[:1], 48)


def faces(boxes: list[list[float]], probabilities: list[float]) -> list[align._Face]:
    return [align._Face(p, np.array(b, float), np.zeros((5, 2))) for b, p in zip(boxes, probabilities, strict=True)]


def test_most_prominent_is_large_and_central_and_confident() -> None:
    boxes: list[list[float]] = [[0, 0, 40, 40], [60, 60, 140, 140], [50, 50, 150, 150]]
    centre = np.array([100.0, 100.0])
    assert align._most_prominent(faces(boxes, [0.99, 0.99, 0.99]), centre) == 2
    assert align._most_prominent(faces(boxes, [0.99, 0.99, 0.80]), centre) == 1
    assert align._most_prominent(faces(boxes, [0.80, 0.75, 0.80]), centre) == 2
    assert align._most_prominent(faces([[0, 0, 60, 60], [75, 75, 125, 125]], [1.0, 1.0]), centre) == 1


@pytest.mark.parametrize("number", range(len(align.PASSES)))
def test_a_face_is_where_it_is_in_the_image(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found on a search's canvas, enlarged and with a margin, is told in pixels of the image."""
    image = np.zeros((90, 160, 3), np.uint8)
    image[20:50, 100:140] = 255  # found by a detector of white rectangles, on grey

    def find(canvas: np.ndarray, min_face: int, device: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns = np.nonzero(canvas[..., 0] > 192)
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], float)
        return box, np.array([0.9]), np.tile(box[:, None, :2], (1, 5, 1))

    monkeypatch.setattr(align, "find_faces", find)
    (face,) = align._search(image, align.PASSES[number], "cpu")
    np.testing.assert_allclose(face.box, [100, 20, 140, 50], atol=2)
    np.testing.assert_allclose(face.landmarks, np.tile([100, 20], (5, 1)), atol=2)


def test_the_centre_of_a_wide_image_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 pixels wide and 100 high: the middle is at x = 150, y = 50."""
    two = faces([[40, 30, 80, 70], [130, 30, 170, 70]], [0.9999, 0.9999])
    monkeypatch.setattr(align, "_search", lambda image, search, device: two)
    found = align._upright_face(np.zeros((100, 300, 3), np.uint8), "cpu")
    assert found is not None and found.box.tolist() == [130, 30, 170, 70]


def drawn_face(side: int = 240) -> np.ndarray:
    """A cartoon that MTCNN takes for a face: skin, eyes, brows, nose, mouth."""
    image = Image.new("RGB", (side, side), (90, 110, 130))
    draw = ImageDraw.Draw(image)
    k = side / 240
    draw.ellipse([60 * k, 30 * k, 180 * k, 200 * k], fill=(224, 180, 150))
    draw.pieslice([58 * k, 20 * k, 182 * k, 130 * k], 180, 360, fill=(60, 40, 30))
    draw.ellipse([64 * k, 55 * k, 176 * k, 200 * k], fill=(224, 180, 150))
    for x in (95, 145):
        draw.ellipse([(x - 13) * k, 95 * k, (x + 13) * k, 109 * k], fill=(250, 250, 250))
        draw.ellipse([(x - 6) * k, 96 * k, (x + 6) * k, 108 * k], fill=(40, 30, 30))
        draw.rectangle([(x - 16) * k, 82 * k, (x + 16) * k, 87 * k], fill=(70, 45, 35))
    draw.polygon([(120 * k, 105 * k), (110 * k, 138 * k), (130 * k, 138 * k)], fill=(205, 155, 125))
    draw.ellipse([100 * k, 155 * k, 140 * k, 170 * k], fill=(170, 70, 70))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(2 * k)))


def test_aligner_finds_a_drawn_face_and_flags_its_absence() -> None:
    face = drawn_face()
    nothing = np.full((80, 120, 3), 100, np.uint8)
    nothing[:, 20:60] = 180
    crops, found = align.Aligner()([face, nothing], 64)
    assert found.found.tolist() == [True, False]
    assert found.probability[0] > 0.9 and np.isnan(found.probability[1]) and np.isnan(found.landmarks[1]).all()
    eyes = found.landmarks[0, :2]
    assert np.abs(eyes - [[95, 102], [145, 102]]).max() < 8
    np.testing.assert_array_equal(crops[1], resize(nothing[:, 20:100], 64))


def test_digest_follows_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    before = align.Aligner().digest
    assert before == align.Aligner("cpu").digest != align.WholePicture().digest
    monkeypatch.setattr(align, "PASSES", align.PASSES[:1])
    assert align.Aligner().digest != before


@photographs
def test_photographs_are_found_and_aligned() -> None:
    table = pd.read_csv(SHARED / "data/london/faces.csv").iloc[::17]
    pictures = [read_image(SHARED / "data/london" / path) for path in table["path"]]
    found = align.Aligner().detect(pictures)
    assert found.found.all() and (found.probability > 0.95).all()
    onto = apply(align.align_points(found.landmarks, 1), found.landmarks)
    assert np.abs(onto[:, :3] - align.TEMPLATE).max() < 0.05
    # As small and as tight as 48x48 sets: found just as well.
    tight = [resize(align.warp(p, m, 96)[6:90, 6:90], 48) for p, m in zip(pictures, found.landmarks, strict=True)]
    assert align.Aligner().detect(tight).found.all()


@photographs
def test_pictures_that_lie_on_their_side_are_turned_upright() -> None:
    table = pd.read_csv(SHARED / "data/london/faces.csv").iloc[::51]
    pictures = [
        np.pad(read_image(SHARED / "data/london" / path), ((9, 0), (80, 60), (0, 0)), "edge") for path in table["path"]
    ]
    aligner = align.Aligner(turned=True)
    upright, found = aligner(pictures, 48)
    for turns in (1, 2, 3):
        lying = [np.ascontiguousarray(np.rot90(picture, turns)) for picture in pictures]
        crops, seen = aligner(lying, 48)
        assert np.abs(crops.astype(int) - upright).mean() < 4  # not turned it is about 55
        assert seen.found.all() and (seen.boxes[:, 2:] > seen.boxes[:, :2]).all()
    assert aligner.digest != align.Aligner().digest and np.allclose(
        found.landmarks, align.Aligner().detect(pictures).landmarks
    )


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_points_of_a_turned_picture_are_turned_back(turns: int) -> None:
    picture = np.zeros((5, 9), int)
    picture[1, 6] = 1
    row, column = np.argwhere(np.rot90(picture, turns) == 1)[0]
    assert align._turned_back(np.array([[column + 0.5, row + 0.5]]), (5, 9), turns).tolist() == [[6.5, 1.5]]
