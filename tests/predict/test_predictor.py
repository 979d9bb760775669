"""Pictures in, a table out: aligned as in training, every face, nothing lost, and models that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import load
from ferdis.faces import Faces
from ferdis.predict import Predictor
from ferdis.preprocess import prepare
from ferdis.preprocess.align import Aligner, Drawn, WholePicture, record_of
from ferdis.preprocess.restore import NotReproducibleError, restored
from tests.systems.test_classifier import build

GREY = 120


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    """Four synthetic people, (4, 160, 160, 3): MTCNN believes them."""
    drawn = load(
        "synthetic", people=4, expressions="happiness,sadness", images_per_expression=1, image_size=160, cache=False
    )
    return drawn.pixels([0, 3, 4, 7])


@pytest.fixture(scope="module")
def folder(portraits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs: a portrait each, one of two people, one of nobody."""
    root = tmp_path_factory.mktemp("photographs")
    for k, portrait in enumerate(portraits):
        Image.fromarray(portrait).save(root / f"{k}.png")
    pair = np.full((240, 420, 3), GREY, np.uint8)
    pair[40:200, 20:180], pair[60:220, 230:390] = portraits[0], portraits[1]
    Image.fromarray(pair).save(root / "pair.png")
    Image.fromarray(np.full((90, 120, 3), GREY, np.uint8)).save(root / "nobody.png")
    return root


def fitted(faces: Faces) -> Any:
    return build("cnn", epochs=2).fit(faces)


@pytest.fixture(scope="module")
def aligned(folder: Path) -> Faces:
    """The portraits, as a data set that ferdis aligned at 64x64."""
    paths = [folder / f"{k}.png" for k in range(4)]
    table = pd.DataFrame({"expression": ["happiness", "sadness"] * 2, "subject": list("abcd")})
    return prepare(paths, table, image_size=64, cache=False, progress=False)


@pytest.fixture(scope="module")
def predictor(aligned: Faces) -> Predictor:
    return Predictor(fitted(aligned))


def test_images_are_aligned_as_in_training(aligned: Faces, predictor: Predictor, folder: Path) -> None:
    paths = [folder / f"{k}.png" for k in range(4)]
    crops, _ = predictor.align([np.array(Image.open(path)) for path in paths])
    np.testing.assert_array_equal(crops, aligned.pixels())
    rows = predictor(paths)
    probability = rows[[f"p_{name}" for name in predictor.classes]].to_numpy(np.float32)
    np.testing.assert_array_equal(probability, predictor.model.predict_proba(aligned))
    assert list(rows["expression"]) == list(predictor.model.predict(aligned))
    assert rows["detected"].all() and list(rows["image"]) == [str(path) for path in paths]


def test_every_face_of_an_image_and_a_row_without_one(predictor: Predictor, folder: Path) -> None:
    rows = predictor([folder / "nobody.png", folder / "pair.png"], names=["nobody", "pair"])
    assert list(rows["image"]) == ["nobody", "pair", "pair"]
    assert list(rows["detected"]) == [False, True, True] and list(rows["face"].dropna()) == [0, 1]
    nobody, *pair = rows.to_dict("records")
    assert pd.isna(nobody["expression"]) and np.isnan(nobody["p_happiness"]) and np.isnan(nobody["left"])
    centres = sorted((row["left"] + row["right"]) / 2 for row in pair)
    assert abs(centres[0] - 100) < 25 and abs(centres[1] - 310) < 25
    assert {row["expression"] for row in pair} <= {"happiness", "sadness"}


def test_one_face_is_the_one_that_training_takes(aligned: Faces, folder: Path) -> None:
    system = fitted(aligned)
    image = np.array(Image.open(folder / "pair.png"))
    first = Predictor(system, faces="one")([image])
    found = Aligner().detect([image])
    assert len(first) == 1
    np.testing.assert_array_equal(first[["left", "top", "right", "bottom"]].to_numpy(float), found.boxes)
    every = Predictor(system)([image])
    pd.testing.assert_frame_equal(every.iloc[:1], first)


def test_drawn_faces_are_put_where_the_renderer_puts_them(portraits: np.ndarray) -> None:
    drawn = load(
        "synthetic", people=2, expressions="happiness,sadness", images_per_expression=1, image_size=64, cache=False
    )
    predictor = Predictor(fitted(drawn))
    crops, _ = predictor.align(list(portraits))
    found = Aligner().detect([np.kron(crop, np.ones((4, 4, 1), np.uint8)) for crop in crops])
    points = found.landmarks[:, :3] / 256
    np.testing.assert_allclose(points.mean(0), Drawn().params["template"], atol=0.03)


def test_the_drawn_template_is_where_eyes_and_nose_are() -> None:
    from ferdis.datasets.synthetic.dataset import LANDMARK_COLUMNS

    drawn = load("synthetic", people=60, images_per_expression=1, image_size=64, cache=False)
    points = drawn.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(len(drawn), 5, 2)[:, :3] / 64
    np.testing.assert_allclose(points.mean(0), Drawn().params["template"], atol=0.012)


def test_crops_are_taken_as_they_are(aligned: Faces) -> None:
    system = fitted(aligned)
    rows = Predictor(system, crops=True)(list(aligned.pixels()))
    probability = rows[[f"p_{name}" for name in system.classes_]].to_numpy(np.float32)
    np.testing.assert_array_equal(probability, system.predict_proba(aligned))
    assert rows["detected"].isna().all() and rows["left"].isna().all()


def test_faces_go_where_the_training_of_the_model_put_them(aligned: Faces, portraits: np.ndarray) -> None:
    """The template is the model's own, not this ferdis's."""
    record = record_of(Aligner(template=np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.6]])))
    system = build("cnn", epochs=1).fit(Faces(aligned.images, aligned.table, {"preprocessing": record}))
    crops, _ = Predictor(system).align(list(portraits))
    expected, _ = Aligner(template=np.array(record["params"]["template"]))(list(portraits), 64)
    np.testing.assert_array_equal(crops, expected)
    assert (crops != aligned.pixels()).any()


class TestRefusals:
    """A model whose preprocessing cannot be repeated says why; with crops it may be used all the same."""

    def refused(self, aligned: Faces, record: dict[str, Any] | None, message: str, dataset: str | None = None) -> None:
        attrs = {"preprocessing": record} if record else {}
        faces = Faces(aligned.images, aligned.table, {**attrs, **({"dataset": dataset} if dataset else {})})
        system = build("cnn", epochs=1).fit(faces)
        with pytest.raises(ValueError, match=message) as error:
            Predictor(system, name="runs/x")
        assert "\n" not in str(error.value) and "runs/x" in str(error.value) and "--crops" in str(error.value)
        assert Predictor(system, crops=True)(list(aligned.pixels())).shape[0] == 4

    def test_faces_that_came_cropped(self, aligned: Faces) -> None:
        self.refused(aligned, record_of(WholePicture()), "trained on the faces of rafdb as they came", "rafdb")

    def test_faces_of_which_nothing_is_known(self, aligned: Faces) -> None:
        self.refused(aligned, None, "does not say how its faces were cropped")

    def test_another_version(self, aligned: Faces) -> None:
        record = {**record_of(Aligner()), "version": 7, "digest": "0"}
        self.refused(aligned, record, f"version 7 of the alignment there, {Aligner.version} here")

    def test_a_changed_template(self, aligned: Faces) -> None:
        record = record_of(Aligner())
        params = {**record["params"], "template": [[0.3, 0.3], [0.7, 0.3], [0.5, 0.6]]}
        self.refused(aligned, {**record, "params": params}, "its digest was changed")

    def test_what_differs_is_named_as_it_was_and_as_it_is(self) -> None:
        record = json.loads(json.dumps({**record_of(Aligner()), "image_size": [64, 64]}))
        record["params"]["confident"] = 0.5
        with pytest.raises(NotReproducibleError, match=r"\(confident: 0\.5 there, 0\.\d+ here\)"):
            restored({**record, "digest": "0"}, model="runs/x")

    def test_a_record_that_lacks_the_size(self) -> None:
        with pytest.raises(NotReproducibleError, match="runs/x does not say how its faces were cropped"):
            restored(record_of(Aligner()), model="runs/x")

    @pytest.mark.parametrize("template", [[[0.3, 0.3]], "eyes", None, [[0.3, 0.3], [0.7, float("nan")], [0.5, 0.6]], 7])
    def test_a_template_that_is_none(self, template: Any) -> None:
        record = {**record_of(Aligner()), "image_size": [64, 64], "params": {**Aligner().params, "template": template}}
        with pytest.raises(NotReproducibleError, match=r"runs/x: its preprocessing is damaged \(template\)"):
            restored(record, model="runs/x")

    @pytest.mark.parametrize("size", [[10**6, 10**6], [64, 2.5], [64], 64, [0, 64], ["64", 64], [float("inf"), 64]])
    @pytest.mark.parametrize("crops", [False, True])
    def test_a_size_that_no_crop_can_have(self, size: Any, crops: bool) -> None:
        """It ate 12 GB."""
        with pytest.raises(
            NotReproducibleError, match=r"runs/x: its preprocessing is damaged .*image_size.*fit it again"
        ):
            restored({**record_of(Aligner()), "image_size": size}, crops=crops, model="runs/x")

    def test_somebody_elses_way(self, aligned: Faces) -> None:
        self.refused(aligned, {"name": "dlib", "version": 1, "params": {}, "digest": "0"}, "made by 'dlib'")

    def test_a_generator(self) -> None:
        from tests.systems import test_eggan

        system = test_eggan.tiny().fit(test_eggan.faces())
        with pytest.raises(ValueError, match="names no expression: predict needs a classifier"):
            Predictor(system)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.zeros((4, 4, 2), np.uint8)], r"an array \(H, W, 3\) or \(H, W\) of uint8, got uint8 \(4, 4, 2\)"),
        ([np.zeros((4, 4, 3))], "got float64"),
        (["no.png"], "no.png: no such image"),
    ],
)
def test_what_is_no_image(predictor: Predictor, images: list[Any], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        predictor(images)


def test_nothing_to_look_at(predictor: Predictor) -> None:
    rows = predictor([])
    assert len(rows) == 0 and "p_happiness" in rows
