"""Rendered faces lie where alignment would put them, and all else of their rows works as before."""

import numpy as np
import pytest

from ferdis import load
from ferdis.datasets.framing import aligned_scenes, as_detected
from ferdis.datasets.rendered import LANDMARK_COLUMNS
from ferdis.datasets.synthetic.dataset import PEOPLE, SCENE_NAMES
from ferdis.preprocess.align import DRAWN_TEMPLATE, TEMPLATE, similarity
from tests.datasets import facekit_model

SIZE = 64


def seen(faces, habit):
    five = faces.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    return as_detected(five, np.array(habit))[:, :3] / faces.shape[1]


@pytest.fixture(params=["synthetic", "facekit"])
def drawn(request, tmp_path):
    from ferdis.datasets.facekit.dataset import PEOPLE as SCANNED

    given = {"people": 3, "images_per_expression": 1, "image_size": SIZE, "difficulty": "hard", "cache": False}
    if request.param == "facekit":
        given["root"] = facekit_model.write_model(tmp_path)
    habit = {"synthetic": PEOPLE, "facekit": SCANNED}[request.param].habit
    return {framing: load(request.param, framing=framing, **given) for framing in ("drawn", "aligned")}, habit


def test_alignment_leaves_an_aligned_face_where_it_is(drawn):
    faces, habit = drawn
    apart = {
        framing: similarity(seen(some, habit), TEMPLATE) - [[1, 0, 0], [0, 1, 0]] for framing, some in faces.items()
    }
    assert np.abs(apart["aligned"]).max() < 5e-3 < 0.05 < np.abs(apart["drawn"]).max()


def test_only_roll_scale_and_shift_change(drawn):
    faces, _ = drawn
    moved = ["roll", "scale", "shift_x", "shift_y", *LANDMARK_COLUMNS]
    same = [name for name in faces["drawn"].table if name not in moved]
    assert set(SCENE_NAMES) - set(same) == set(moved[:4])
    assert faces["drawn"].table[same].equals(faces["aligned"].table[same])


def test_an_aligned_row_can_be_redrawn():
    faces = load("synthetic", people=2, image_size=SIZE, framing="aligned", cache=False)
    assert np.array_equal(faces.counterpart(faces).pixels(), faces.pixels())


def test_an_unknown_framing_is_refused():
    with pytest.raises(ValueError, match="framing='close' must be one of drawn, aligned"):
        load("synthetic", framing="close")


def test_the_record_says_where_faces_lie(drawn):
    faces, _ = drawn
    told = {framing: some.attrs["preprocessing"]["params"]["template"] for framing, some in faces.items()}
    assert told == {"drawn": DRAWN_TEMPLATE.tolist(), "aligned": TEMPLATE.tolist()}
    assert faces["aligned"].attrs["preprocessing"]["digest"] != faces["drawn"].attrs["preprocessing"]["digest"]


def test_a_redrawn_row_keeps_its_template():
    faces = load("synthetic", people=2, expressions=6, image_size=SIZE, framing="aligned", cache=False)
    assert faces.counterpart(faces[:1]).attrs["preprocessing"] == faces.attrs["preprocessing"]


def test_habits_are_along_and_across_the_line_of_the_eyes():
    """In distances of the eyes: of level eyes 20 pixels apart, right and down; of turned ones, turned with them."""
    habit = np.array([[0.1, 0.2], [0.0, -0.1], [-0.05, 0.0]])
    level = np.array([[[10.0, 30], [30, 30], [20, 45], [12, 60], [28, 60]]])
    moved = [[12, 34], [30, 28], [19, 45], [12, 60], [28, 60]]
    given = level.copy()
    np.testing.assert_allclose(as_detected(given, habit), [moved])
    np.testing.assert_array_equal(given, level)  # the caller's own are left alone
    turn = np.array([[0, 1], [-1, 0]])  # a quarter turn
    np.testing.assert_allclose(as_detected(level @ turn, habit), np.array([moved]) @ turn)


def test_the_scenes_given_are_left_alone():
    scenes = np.array([[5.0, 6.0, 0.5, -0.5, 9.0]])
    given = scenes.copy()

    def landmarks(scenes):
        roll, scale, right, down, _ = scenes.T[:, :, None]
        face = np.array([[-3.0, -3], [3, -3], [0, 1], [-2, 4], [2, 4]])
        x, y = face.T
        cos, sin = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
        return np.stack([scale * (cos * x - sin * y + right), scale * (sin * x + cos * y + down)], axis=-1) + 64

    names = ("roll", "scale", "shift_x", "shift_y", "smile")
    aligned = aligned_scenes(given, names, landmarks, np.zeros((3, 2)))
    np.testing.assert_array_equal(given, scenes)
    assert aligned[0, 0] == pytest.approx(0, abs=1e-6) and aligned[0, 4] == 9
    np.testing.assert_allclose(landmarks(aligned)[0, :3].mean(axis=0), 128 * TEMPLATE.mean(axis=0))
