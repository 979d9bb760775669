"""Which faces of an image are taken, by what the searches say: MTCNN's place is taken by a list of faces for each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ferdis.preprocess import align
from ferdis.preprocess.align import PASSES, Aligner, _Face
from ferdis.preprocess.warp import TEMPLATE, warp

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def face(probability: float, left: float = 10, top: float = 10, side: float = 30) -> _Face:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return _Face(probability, np.array([left, top, left + side, top + side]), points * side + [left, top])


@pytest.fixture
def searched(monkeypatch):
    """Have each search find these faces, by its number; returns the numbers of the searches that ran."""

    def finding(found: Mapping[int, list[_Face]]) -> list[int]:
        ran: list[int] = []

        def search(image, which, device):
            ran.append(PASSES.index(which))
            return found.get(ran[-1], [])

        monkeypatch.setattr(align, "_search", search)
        return ran

    return finding


@pytest.mark.parametrize(
    ("found", "probability", "searches"),
    [
        ({0: [face(0.95)], 1: [face(0.99)]}, 0.95, [0]),  # a confident face ends the search
        ({0: [face(0.6)], 1: [face(0.93)], 2: [face(0.99)]}, 0.93, [0, 1]),
        ({0: [face(0.8)], 1: [face(0.5)], 2: [face(0.7)]}, 0.8, [0, 1, 2]),  # the surest, not the last
        ({2: [face(0.4)]}, 0.4, [0, 1, 2]),
        ({}, None, [0, 1, 2]),
    ],
)
def test_a_search_goes_on_while_there_is_no_confident_face(searched, found, probability, searches) -> None:
    ran = searched(found)
    seen = Aligner().detect([IMAGE])
    assert ran == searches
    assert seen.found.tolist() == [probability is not None]
    if probability is not None:
        assert seen.probability[0] == probability


def test_all_faces_come_from_all_searches_once_each(searched) -> None:
    small_in_large = face(0.97, 12, 12, 10)  # all of it lies in the first face's box
    apart, doubtful = face(0.92, 50, 20, 20), face(0.85, 45, 40, 15)
    searched({0: [face(0.99), doubtful], 1: [small_in_large], 2: [apart, face(0.98, 11, 11, 30)]})
    (seen,) = Aligner().detect_all([IMAGE])
    np.testing.assert_array_equal(seen.probability, [0.99, 0.92])
    np.testing.assert_allclose(seen.boxes[1], [50, 20, 70, 40])


def test_neighbours_that_touch_are_two_faces(searched) -> None:
    searched({0: [face(0.99, 0, 0, 30), face(0.95, 20, 0, 30)]})  # a third is shared, 0.4 is one face
    (seen,) = Aligner().detect_all([IMAGE])
    assert len(seen.found) == 2


@pytest.mark.parametrize("outside", ["fade", "edge", "mean", "reflect"])
@pytest.mark.parametrize("template", [None, TEMPLATE * 0.5 + 0.1])
def test_a_crop_is_the_warp_to_its_template_with_its_outside(searched, template, outside: str) -> None:
    one = face(0.99, 40, 30, 38)  # what the crop shows lies in part beyond the image
    searched({0: [one]})
    crops, _ = Aligner(template=template, outside=outside)([IMAGE], 24)
    expected = warp(IMAGE, one.landmarks.round(2), 24, TEMPLATE if template is None else template, outside)
    np.testing.assert_array_equal(crops[0], expected)


def test_what_decides_the_pixels_is_in_the_digest() -> None:
    digests = [Aligner(**changes).digest for changes in ({}, {"template": TEMPLATE + 0.01}, {"outside": "edge"})]
    assert len(set(digests)) == 3 and Aligner(template=TEMPLATE.copy()).digest == digests[0]
