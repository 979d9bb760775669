"""Panels lie beside the faces: a drawing never covers what it is about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis.predict.drawing import draw

CLASSES = ("happiness", "neutral", "sadness")
GREEN = (0, 200, 0)


def drawn(
    size: tuple[int, int], boxes: list[tuple[float, float, float, float]], said: str | None = "happiness"
) -> tuple:
    """A grey image whose faces are green, drawn into: the drawing and the scale that it was enlarged by."""
    pixels = np.full((size[1], size[0], 3), 120, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[round(top) : round(bottom), round(left) : round(right)] = GREEN
    rows = pd.DataFrame(boxes, columns=["left", "top", "right", "bottom"]).assign(
        expression=said, p_happiness=0.7, p_neutral=0.2, p_sadness=0.1
    )
    image = draw(pixels, rows, CLASSES)
    return np.asarray(image), image.width / size[0]


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((640, 480), [(200, 100, 300, 220)]),
        ((640, 480), [(0, 380, 90, 480)]),
        ((640, 480), [(10, 360, 110, 470), (120, 360, 220, 470), (500, 0, 640, 150)]),
        ((224, 224), [(20, 10, 204, 220)]),
        ((100, 60), [(1, 1, 40, 59), (60, 1, 99, 59)]),
        ((320, 320), [(40 * k, 0, 40 * k + 39, 320) for k in range(8)]),
    ],
)
def test_no_face_is_covered_and_every_panel_is_there(size: tuple[int, int], boxes: list) -> None:
    image, zoom = drawn(size, boxes)
    frame = 6 + zoom  # the box is drawn on the face's edge
    for left, top, right, bottom in np.array(boxes) * zoom:
        face = image[round(top + frame) : round(bottom - frame), round(left + frame) : round(right - frame)]
        assert face.size and (face == GREEN).all(), "covered"
    bars = np.abs(image.astype(int) - (90, 160, 250)).max(2) < 12
    assert image.shape[1] >= 320 and bars.sum() > 20 * len(boxes)


def test_the_image_keeps_its_size_where_there_is_room() -> None:
    image, _ = drawn((640, 480), [(200, 100, 300, 220)])
    assert image.shape == (480, 640, 3)
    crowded, _ = drawn((400, 300), [(2, 2, 398, 298)])
    assert crowded.shape[1] == 400 and 300 < crowded.shape[0] < 400


def test_an_abstention_is_in_brackets() -> None:
    said, unsure = (drawn((640, 480), [(200, 100, 300, 220)], word)[0] for word in ("happiness", None))
    assert said.shape == unsure.shape and (said != unsure).any()


def test_the_most_probable_class_stands_first() -> None:
    image, _ = drawn((640, 480), [(200, 100, 300, 220)])
    bars = (np.abs(image.astype(int) - (90, 160, 250)).max(2) == 0).sum(1)
    rows = np.flatnonzero(bars)
    lengths = [max(bars[some]) for some in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)]
    assert len(lengths) == 3 and np.divide(lengths, lengths[0]) == pytest.approx([1, 2 / 7, 1 / 7], abs=0.03)
