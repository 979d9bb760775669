"""The cascade: its parts against plain transcriptions, the whole against facenet-pytorch, and nothing but the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d
from torchvision.ops import box_iou

from ferdis.datasets import load
from ferdis.datasets.rendered import LANDMARK_COLUMNS
from ferdis.faces import Faces
from ferdis.preprocess import mtcnn
from ferdis.preprocess.align import PASSES, Aligner, Detections
from ferdis.preprocess.images import read_image
from ferdis.preprocess.pipeline import prepare


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    """Synthetic people in tight crops, two side by side, small in a large image, and images without a face."""
    people = load("synthetic", people=6, expressions=6, images_per_expression=1, image_size=160, seed=3, cache=False)
    pixels, random = people.pixels(), np.random.default_rng(0)
    # Of these, facenet-pytorch's batches change three with their neighbours.
    images = [pixels[k][k % 40 : 150 - k % 30, (7 * k) % 50 : 140] for k in range(0, 36, 2)]
    images += [np.concatenate([pixels[7], pixels[8]], axis=1), np.concatenate([pixels[9], pixels[10]], axis=0)]
    small = random.integers(90, 130, (420, 360, 3), dtype=np.uint8)
    small[200:360, 40:200] = pixels[11]
    images += [small, random.integers(0, 256, (97, 140, 3), dtype=np.uint8), np.zeros((60, 50, 3), np.uint8)]
    return [np.ascontiguousarray(image) for image in images]


def same(first: Detections, second: Detections) -> None:
    for name in ("found", "probability", "boxes", "landmarks"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def picked(found: Detections, rows: list[int]) -> Detections:
    return Detections(found.found[rows], found.probability[rows], found.boxes[rows], found.landmarks[rows])


def test_averages_are_those_of_adaptive_pooling() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    boxes = np.array([[0, 0, 70, 50], [3, 5, 4, 6], [10, 20, 33, 50], [69, 0, 70, 50], [0, 0, 24, 24]])
    table = mtcnn.SumTable(image)
    for height, width in [(24, 24), (7, 12), (1, 1), (50, 70)]:
        averages = table.averages(boxes, height, width)
        assert averages.dtype == np.float32 and averages.shape == (5, height, width, 3)
        for (left, top, right, bottom), found in zip(boxes, averages, strict=True):
            part = torch.from_numpy(image[top:bottom, left:right].astype(np.float64)).permute(2, 0, 1)
            expected = adaptive_avg_pool2d(part, (height, width)).permute(1, 2, 0).numpy()
            np.testing.assert_allclose(found, expected, rtol=3e-7)
        np.testing.assert_array_equal(table.resized(height, width), averages[0])


def test_sums_of_the_largest_canvas_are_exact() -> None:
    side = max(search.canvas for search in PASSES)
    white = np.full((side, side, 3), 255, np.uint8)
    assert (mtcnn.SumTable(white).averages(np.array([[0, 0, side, side]]), 1, 1) == 255).all()


def test_what_is_outside_is_grey() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    boxes = np.array([[-9, -4, 22, 19], [25, 10, 61, 46], [-50, -60, 70, 50], [-20, 3, -1, 9]])
    padded = np.pad(image, ((80, 80), (80, 80), (0, 0)), constant_values=mtcnn.GREY)
    expected = mtcnn.SumTable(padded).averages(boxes + 80, 24, 24)
    np.testing.assert_array_equal(mtcnn.SumTable(image).averages(boxes, 24, 24), expected)


@pytest.mark.parametrize("height, width, min_face", [(224, 224, 40), (512, 512, 24), (97, 140, 20), (60, 61, 20)])
@pytest.mark.parametrize("device", ["cpu", "onnx"])
def test_levels_on_one_sheet_give_what_each_gives_alone(height: int, width: int, min_face: int, device: str) -> None:
    table = mtcnn.SumTable(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))
    network, layout = mtcnn.networks_on(device).first, mtcnn._layout(height, width, min_face)
    sheet = np.zeros((1, *layout.shape, 3), np.float32)
    for level in layout.levels:
        rows, columns = slice(level.top, level.top + level.height), slice(level.left, level.left + level.width)
        assert not sheet[0, rows, columns].any(), "levels do not overlap"
        sheet[0, rows, columns] = table.resized(level.height, level.width) + 1
    together = network(mtcnn._scaled(sheet), layout.outside)
    for level in layout.levels:
        picture = mtcnn._scaled(table.resized(level.height, level.width)[None] + 1)
        alone = network(picture, np.zeros((level.height - 2, level.width - 2), bool))
        for whole, part in zip(together, alone, strict=True):
            tall, wide = mtcnn._outputs(level.height), mtcnn._outputs(level.width)
            assert part.shape[2:] == (tall, wide)
            top, left = level.top // 2, level.left // 2
            np.testing.assert_allclose(whole[:, :, top : top + tall, left : left + wide], part, atol=2e-6)


def boxes_of(count: int, seed: int) -> np.ndarray:
    """Boxes (m, 5) in heaps, some beyond the left and upper edge, a few with equal probabilities."""
    random = np.random.default_rng(seed)
    corner = np.repeat(random.uniform(-40, 100, (count // 5, 2)), 5, axis=0) + random.normal(0, 4, (count, 2))
    side = random.uniform(20, 60, (count, 1))
    probability = random.uniform(0.6, 1, (count, 1)).round(2)
    return np.concatenate([corner, corner + side, probability], 1).astype(np.float32)


def naive(boxes: np.ndarray, share: object, overlap: float) -> list[int]:
    kept: list[int] = []
    for row in np.argsort(-boxes[:, 4], kind="stable").tolist():
        if all(share(boxes[row], boxes[other]) <= overlap for other in kept):  # type: ignore[operator]
            kept.append(row)
    return kept


def union_share(box: np.ndarray, other: np.ndarray) -> float:
    return float(box_iou(torch.tensor(box[None, :4]), torch.tensor(other[None, :4])))


def smaller_share(box: np.ndarray, other: np.ndarray) -> float:
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:4], other[2:4])
    area = [np.prod(b[2:4] - b[:2] + 1) for b in (box, other)]
    return float(np.prod(np.clip(high - low + 1, 0, None)) / min(area))


def test_suppression_keeps_what_a_plain_loop_keeps() -> None:
    for seed in range(5):
        boxes = boxes_of(60, seed)
        assert mtcnn._suppressed(boxes, 0.5).tolist() == naive(boxes, union_share, 0.5)
        assert mtcnn._suppressed_inside(boxes, 0.7).tolist() == naive(boxes, smaller_share, 0.7)
    assert mtcnn._suppressed(boxes[:0], 0.5).tolist() == mtcnn._suppressed_inside(boxes[:0], 0.7).tolist() == []


def test_a_candidate_wholly_outside_is_dropped() -> None:
    """facenet-pytorch ends with an IndexError there."""
    table = mtcnn.SumTable(np.full((40, 40, 3), 128, np.uint8))
    boxes = np.array([[-30, -30, -2, -2, 0.9], [50, 5, 70, 25, 0.9]], np.float32)
    inside = np.array([[5, 5, 25, 25, 0.9]], np.float32)
    networks = mtcnn.networks_on("cpu")
    for network, side in ((networks.second, 24), (networks.third, 48)):
        kept, moves, points = mtcnn._judged(network, table, boxes, side, 0.0)
        mixed, _, _ = mtcnn._judged(network, table, np.vstack([boxes, inside]), side, 0.0)
        assert kept.shape == (0, 5) and moves.shape == (0, 4) and points.shape == (0, 5, 2)
        assert mixed[:, :4].tolist() == [[5, 5, 25, 25]]


@pytest.mark.parametrize("shape", [(1, 1), (11, 200), (12, 12), (40, 13)])
def test_images_too_small_for_a_face(shape: tuple[int, int]) -> None:
    found = mtcnn.find_faces(np.full((*shape, 3), 200, np.uint8), 40)
    assert found.boxes.shape == (0, 4) and found.probabilities.shape == (0,) and found.points.shape == (0, 5, 2)


def judged_by(
    monkeypatch: pytest.MonkeyPatch, sure: tuple[float, float, float], moves: list[list[float]]
) -> np.ndarray:
    """Boxes found in an image of 120 pixels by networks that answer so of two places, 60 pixels apart."""

    def first(sheet: np.ndarray, outside: np.ndarray) -> list[np.ndarray]:
        shape = tuple(mtcnn._outputs(side) for side in sheet.shape[1:3])
        probability = np.zeros((1, 2, *shape), np.float32)
        probability[0, 1, 2, [2, 32]] = sure[0], sure[0] - 0.001
        return [np.zeros((1, 4, *shape), np.float32), probability]

    def faces(count: int, sure: float) -> np.ndarray:
        return np.stack([np.zeros(count), sure - 0.001 * np.arange(count)], 1).astype(np.float32)

    def second(images: np.ndarray) -> list[np.ndarray]:
        return [np.zeros((len(images), 4), np.float32), faces(len(images), sure[1])]

    def third(images: np.ndarray) -> list[np.ndarray]:
        own, points = np.array(moves, np.float32)[: len(images)], np.zeros((len(images), 10), np.float32)
        return [own, points, faces(len(images), sure[2])]

    monkeypatch.setattr(mtcnn, "networks_on", lambda device: mtcnn.Networks(first, second, third))
    return mtcnn.find_faces(np.zeros((120, 120, 3), np.uint8), 12).boxes


def test_each_network_has_its_own_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    still = [[0.0] * 4] * 2
    assert len(judged_by(monkeypatch, (0.65, 0.75, 0.75), still)) == 2
    for sure in ((0.55, 0.75, 0.75), (0.65, 0.65, 0.75), (0.65, 0.75, 0.65)):
        assert len(judged_by(monkeypatch, sure, still)) == 0, sure


def test_of_two_boxes_one_inside_the_other_the_surer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share little of their union, and all of the smaller one."""
    aside = -60 / 12  # in sides of a box
    for moves in ([[0.0] * 4, [aside, 0, aside, 3]], [[0.0, 0, 0, 3], [aside, 0, aside, 0]]):
        found = judged_by(monkeypatch, (0.9, 0.9, 0.9), moves)
        assert len(found) == 1 and found[0, 0] < 20


def test_faces_inside_are_those_of_facenet_pytorch_alone(drawn: list[np.ndarray]) -> None:
    from facenet_pytorch import MTCNN

    theirs, count = MTCNN(keep_all=True, min_face_size=30), 0
    assert (list(mtcnn.THRESHOLDS), mtcnn.FACTOR) == (theirs.thresholds, theirs.factor)
    for image in drawn:
        image = np.pad(image, ((90, 90), (90, 90), (0, 0)), constant_values=mtcnn.GREY)
        ours = mtcnn.find_faces(image, 30)
        boxes, probabilities, points = theirs.detect(torch.from_numpy(image), landmarks=True)
        if boxes is None:
            assert len(ours.boxes) == 0
            continue
        order = np.argsort(-probabilities, kind="stable")
        count += len(order)
        np.testing.assert_allclose(ours.probabilities, probabilities[order].astype(float), atol=1e-4)
        np.testing.assert_allclose(ours.boxes, boxes[order].astype(float), atol=0.01)
        np.testing.assert_allclose(ours.points, points[order].astype(float), atol=0.01)
    assert count >= 8


def test_onnx_runtime_finds_the_same_faces(drawn: list[np.ndarray]) -> None:
    """Every face of every image, and the crop that training would take of it."""
    in_torch, in_onnx = Aligner(), Aligner("onnx")
    assert in_onnx.digest == in_torch.digest
    found = in_torch.detect_all(drawn), in_onnx.detect_all(drawn)
    assert sum(len(one.boxes) for one in found[0]) >= 8
    for one, other in zip(*found, strict=True):
        assert len(one.boxes) == len(other.boxes)
        np.testing.assert_allclose(other.boxes, one.boxes, atol=0.02)
        np.testing.assert_allclose(other.landmarks, one.landmarks, atol=0.02)
        np.testing.assert_allclose(other.probability, one.probability, atol=2e-4)
    crops = in_torch(drawn, 48)[0].astype(int) - in_onnx(drawn, 48)[0]
    assert np.abs(crops).max() <= 2


def test_points_of_a_tight_crop_lie_where_the_face_was_drawn() -> None:
    """Candidates reach over the edges; cut and stretched, as by facenet-pytorch, they put points many pixels off."""
    people = load("synthetic", people=8, expressions=["neutral"], images_per_expression=1, image_size=200, cache=False)
    points = people.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    tight = people.pixels()[:, 40:160, 40:160]
    found = Aligner().detect(list(tight))
    assert found.found.sum() >= 7
    error = np.abs(found.landmarks - (points - 40))[found.found, :3].mean((1, 2))
    assert error.max() < 4, error


def test_a_crop_depends_on_its_image_alone(drawn: list[np.ndarray]) -> None:
    aligner, rows = Aligner(), list(range(len(drawn)))
    crops, found = aligner(drawn, 48)
    assert found.found.sum() >= 8 and not found.found.all()
    for order in (rows[::-1], np.random.default_rng(1).permutation(rows).tolist(), rows[3:7], [5, 5, 5, 0]):
        again, seen = aligner([drawn[row] for row in order], 48)
        np.testing.assert_array_equal(again, crops[order])
        same(seen, picked(found, order))
    for row in rows:
        alone, seen = aligner([drawn[row]], 48)
        np.testing.assert_array_equal(alone[0], crops[row])
        same(seen, picked(found, [row]))


def test_nor_on_the_number_of_threads(drawn: list[np.ndarray]) -> None:
    before = torch.get_num_threads()
    drawn = drawn[::3]
    crops, found = Aligner()(drawn, 48)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            again, seen = Aligner()(drawn, 48)
            assert torch.get_num_threads() == threads
            np.testing.assert_array_equal(again, crops)
            same(seen, found)
            same(Aligner().detect(drawn[:1]), picked(found, [0]))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name, count", [("wild", 40), ("london", 16)])
def test_photographs_alone_in_company_and_with_any_history(
    name: str, count: int, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / name
    table = pd.read_csv(folder / "faces.csv").assign(subject="a")
    # These two differed beside others: their surest candidates see the same pixels and share a probability.
    hard = table["path"].str.contains("John_Ruiz_0001|Tony_Stewart_0001")
    spread = table.iloc[:: len(table) // count][:count]
    table = pd.concat([table[hard], spread]).drop_duplicates("path", ignore_index=True)

    def loaded(rows: np.ndarray, cache: str) -> Faces:
        paths = [folder / path for path in table["path"].iloc[rows]]
        return prepare(paths, table.iloc[rows], image_size=48, cache=tmp_path / cache, progress=False)

    rows = np.arange(len(table))
    whole = loaded(rows, "whole")
    loaded(rows[::5], "part first")
    later = loaded(rows, "part first")
    np.testing.assert_array_equal(later.pixels(), whole.pixels())
    assert later.digest() == whole.digest()
    order = np.random.default_rng(0).permutation(rows)
    np.testing.assert_array_equal(loaded(order, "shuffled").pixels(), whole.pixels(order))
    for row in rows[:8]:
        alone, _ = Aligner()([read_image(folder / table["path"][row])], 48)
        np.testing.assert_array_equal(alone[0], whole.pixels([row])[0])
