"""What the table of a prediction says, with a classifier whose answers are known: it names the share of red."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.onnx_model import OnnxModel
from ferdis.predict import Predictor, sources
from ferdis.predict.sources import Source
from ferdis.predict.writing import Writer, terminal_table
from ferdis.preprocess.align import Aligner, Detections, Drawn
from ferdis.saved_models import unlabelled

MANY = 35  # more than are read at once


class Reds:
    """p_red is the mean red of a crop, 0..1."""

    classes_ = np.array(["blue", "red"])
    image_size = 8
    preprocessing_: ClassVar[dict[str, Any]] = {"name": "drawn", "image_size": [12, 12], "params": Drawn().params}

    def predict_proba(self, faces: Faces) -> np.ndarray:
        assert faces.shape[1:] == (12, 12, 3), "crops have the size of the training's, not of what the network sees"
        red = faces.pixels()[..., 0].mean((1, 2)) / 255
        return np.stack([1 - red, red], 1)


def flat(count: int) -> np.ndarray:
    """Images of which number k has a red of 7 k."""
    images = np.zeros((count, 20, 20, 3), np.uint8)
    images[..., 0] = 7 * np.arange(count)[:, None, None]
    return images


@pytest.mark.parametrize("names", [None, [f"face {k}" for k in range(MANY)]])
def test_each_row_is_of_its_own_image_however_many_there_are(names: list[str] | None) -> None:
    rows = Predictor(Reds(), crops=True)(list(flat(MANY)), names)
    assert rows["image"].tolist() == (names or [str(k) for k in range(MANY)])
    np.testing.assert_allclose(rows["p_red"], 7 * np.arange(MANY) / 255, atol=1e-6)
    np.testing.assert_allclose(rows["p_blue"], 1 - rows["p_red"])
    assert (rows["expression"] == np.where(rows["p_red"] > 0.5, "red", "blue")).all()


def test_faces_are_named_by_their_paths_however_many_there_are() -> None:
    table = pd.DataFrame({"expression": ["neutral"] * MANY, "path": [f"album/{k}.png" for k in range(MANY)]})
    drawn = Faces(flat(MANY), table, {"preprocessing": {"name": "drawn", "params": Drawn().params}})
    rows = Predictor(Reds())(drawn)
    assert rows["image"].tolist() == table["path"].tolist() and rows["detected"].isna().all()
    np.testing.assert_allclose(rows["p_red"], 7 * np.arange(MANY) / 255, atol=0.01)


def test_each_face_of_an_image_has_its_own_crop_and_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two faces: the surer one right, where all is red, the other left, where nothing is."""
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:, 0] = 255
    boxes = np.array([[44.0, 5, 76, 38], [4, 6, 36, 39]])
    points = np.array([Drawn().params["template"]]) * 24 + [[[48, 8]], [[8, 8]]]
    found = Detections(np.array([True, True]), np.array([0.9, 0.8]), boxes, np.pad(points, ((0, 0), (0, 2), (0, 0))))
    monkeypatch.setattr(Aligner, "detect_all", lambda self, images: [found] * len(images))
    rows = Predictor(Reds())([image, image], ["a", "b"])
    assert rows["image"].tolist() == ["a", "a", "b", "b"] and rows["face"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(rows["p_red"], [1, 0, 1, 0], atol=0.01)
    assert rows[["left", "top", "right", "bottom"]].to_numpy(float).tolist() == boxes.tolist() * 2
    assert rows["detection_probability"].tolist() == [0.9, 0.8] * 2


def test_a_files_answers_stand_under_their_names() -> None:
    model = OnnxModel.__new__(OnnxModel)
    model.outputs = ["probabilities", "action_units"]
    about = {"classes": ["blue", "red"], "preprocessing": Reds.preprocessing_, "method": "predict_proba"}
    model.about = {**about, "image_size": "8"}
    units = np.arange(2 * len(AU_COLUMNS)).reshape(2, -1) / 10
    model.answers = lambda faces: {"probabilities": np.array([[0.9, 0.1], [0.2, 0.8]]), "action_units": units}  # type: ignore[method-assign]
    rows = Predictor(model, crops=True, action_units=True)(list(flat(2)))
    assert rows["p_red"].tolist() == [0.1, 0.8] and rows["expression"].tolist() == ["blue", "red"]
    np.testing.assert_array_equal(rows[list(AU_COLUMNS)], units)


def test_red_is_red_and_grey_is_of_all_colours() -> None:
    pixels = np.full((20, 20, 3), (153, 51, 0), np.uint8)
    given = [pixels, Image.fromarray(pixels), Image.fromarray(pixels).convert("RGBA"), pixels[..., 1]]
    assert Predictor(Reds(), crops=True)(given)["p_red"].tolist() == pytest.approx([0.6, 0.6, 0.6, 0.2])
    predictor, seen = Predictor(Reds(), crops=True), []
    predictor.model.predict_proba = lambda faces: seen.append(faces.pixels()) or np.array([[0.5, 0.5]])
    predictor(pixels[..., 1])
    assert (seen[0] == 51).all()


def test_a_face_as_probable_as_asked_for_has_its_expression() -> None:
    image = np.full((20, 20, 3), 153, np.uint8)  # red by exactly 0.6
    exact = Reds().predict_proba(unlabelled(image[None, :12, :12]))[0, 1]
    for least, said in ((exact, "red"), (np.nextafter(exact, 1), None)):
        rows = Predictor(Reds(), crops=True, abstain_below=float(least))(image)
        assert rows["expression"].tolist() == [said] and rows["p_red"].tolist() == [exact]


def test_a_csv_has_one_head_and_no_formulas(tmp_path: Path) -> None:
    rows = pd.DataFrame({"image": ["=1+1.png", "a.png"], "face": [0, 0], "p_red": [0.25, 0.5]})
    with Writer(str(tmp_path / "rows.csv"), "auto", ["red"]) as writer:
        writer.write(rows)
        writer.write(rows)
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines == ["image,face,p_red", *(["'=1+1.png,0,0.25", "a.png,0,0.5"] * 2)]


def test_a_person_reads_faces_from_1_and_the_two_most_probable_expressions() -> None:
    rows = pd.DataFrame(
        [{"image": "a.png", "face": 0, "expression": "fear", "p_anger": 0.3, "p_fear": 0.6, "p_joy": 0.1},
         {"image": "a.png", "face": 1, "expression": None, "p_anger": 0.4, "p_fear": 0.25, "p_joy": 0.35},
         {"image": "b.png", "face": None, "expression": None}]
    ).astype({"face": "Int64"})  # fmt: skip
    head, first, second, none = terminal_table(rows, ["anger", "fear", "joy"]).splitlines()
    assert head.split() == ["image", "face", "expression", "probability", "next"]
    assert first.split() == ["a.png", "1", "fear", "60", "%", "anger", "30", "%"]
    assert second.split() == ["a.png", "2", "(anger?)", "40", "%", "joy", "35", "%"]
    assert none.split() == ["b.png", "-", "no", "face", "found"]


@pytest.mark.parametrize(("every", "count"), [(1, 10), (3, 4), (10, 1), (11, 1)])
def test_the_frames_of_a_video_are_counted_as_they_are_taken(
    monkeypatch: pytest.MonkeyPatch, every: int, count: int
) -> None:
    monkeypatch.setattr(sources, "count_frames", lambda name: 10)
    assert Source("clip.MP4", Path("clip.MP4"), sources._kind("clip.MP4")).count(every) == count
    assert len(range(0, 10, every)) == count
