"""What the table of a prediction says, with a classifier whose answers are known: it names the share of red."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.faces import Faces
from ferdis.predict import Predictor, sources
from ferdis.predict.sources import Source
from ferdis.predict.writing import Writer
from ferdis.preprocess.align import Drawn
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


@pytest.mark.parametrize(("every", "count"), [(1, 10), (3, 4), (10, 1), (11, 1)])
def test_the_frames_of_a_video_are_counted_as_they_are_taken(
    monkeypatch: pytest.MonkeyPatch, every: int, count: int
) -> None:
    monkeypatch.setattr(sources, "count_frames", lambda name: 10)
    assert Source("clip.MP4", Path("clip.MP4"), sources._kind("clip.MP4")).count(every) == count
    assert len(range(0, 10, every)) == count
