"""What ships: cards that say everything and tell the truth about their files, names, and what fits where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ferdis
from ferdis import cli, zoo
from ferdis.faces import AU_COLUMNS, SEVEN_EXPRESSIONS
from ferdis.onnx_model import OnnxModel
from ferdis.weights import read_weights
from ferdis.zoo import listing
from ferdis.zoo.networks import Recogniser

MOST_BYTES = 12_000_000
TEXTS = ("name", "kind", "title", "input", "trained_on", "licence", "command", "ferdis_version")
KINDS = ("recogniser", "trunk", "encoders", "embedder", "detector")


@pytest.fixture(params=zoo.names())
def card(request: pytest.FixtureRequest) -> dict[str, Any]:
    return zoo.card(request.param)


def test_a_card_says_everything(card: dict[str, Any]) -> None:
    assert all(isinstance(card[key], str) and card[key] for key in TEXTS)
    assert card["kind"] in KINDS and "photograph" not in card["trained_on"].replace("no photograph was trained on", "")
    assert card["parameters"] > 0 and card["minutes"] >= 0
    assert f"python -m tools.train_zoo {card['name']}" in card["command"] and "--quick" not in card["command"]
    assert card["limits"] and all(limit.endswith(".") for limit in card["limits"])
    if card["kind"] != "detector":
        assert card["licence"] == "MIT" and card["figures"]


def test_files_are_those_of_the_card(card: dict[str, Any]) -> None:
    folder = Path(zoo.__file__).parent
    assert card["files"]
    for name, about in card["files"].items():
        assert (folder / name).stat().st_size == about["bytes"]
        if "/" in name:
            assert zoo.folder(card["name"]) == (folder / name).parent
        else:
            assert zoo.path(card["name"], name.removeprefix(f"{card['name']}.")) == folder / name


def test_all_of_it_is_small_and_nothing_is_left_over() -> None:
    folder = Path(zoo.__file__).parent
    listed = {name for entry in zoo.names() for name in zoo.card(entry)["files"]}
    kinds = (".onnx", ".safetensors")
    weights = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.suffix in kinds}
    listed_weights = {name for name in listed if name.endswith(kinds)}
    assert weights == listed_weights
    assert sum((folder / name).stat().st_size for name in listed) < MOST_BYTES


def test_figures_of_the_recogniser() -> None:
    """Shares are shares, and each set of photographs tells per class, calibration and what abstaining brings."""
    card = zoo.card("expression")
    assert card["classes"] == list(SEVEN_EXPRESSIONS) and card["action_units"] == list(AU_COLUMNS)
    assert 0.3 < card["temperature"] < 5
    photographed = [where for where in card["figures"] if "half" in where]
    assert len(photographed) == 4
    for where, about in card["figures"].items():
        assert 0 <= about["uar"] <= 1 and about["images"] > 50, where
        assert all(0 <= value <= 1 for value in about["recall"].values())
        assert 0 <= about["calibration_error"] <= 1
        kept = [row["answered"] for row in about["abstaining"]]
        assert kept[0] == 1 and kept == sorted(kept, reverse=True)
    for where in photographed:
        about = card["figures"][where]
        assert sum(about["of"].values()) == about["images"] and set(about["of"]) == set(about["recall"])
    # Better than chance on both sets of photographs, or it should not ship.
    assert card["figures"]["london, held-out half"]["uar"] > 0.6
    assert card["figures"]["wild, held-out half"]["uar"] > 1.5 / len(SEVEN_EXPRESSIONS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("expresion", "the zoo has no 'expresion'; did you mean 'expression'[?] there are expression"),
        ("../secrets", r"the zoo has no '../secrets': there are"),
        ("", "the zoo has no ''"),
    ],
)
def test_a_wrong_name_tells_the_names_there_are(name: str, message: str) -> None:
    for ask in (zoo.card, zoo.path, lambda name: read_weights(f"zoo:{name}")):
        with pytest.raises(ValueError, match=message) as error:
            ask(name)
        assert "\n" not in str(error.value) and "mtcnn" in str(error.value)


def test_a_file_that_was_changed_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in Path(zoo.__file__).parent.glob("mtcnn*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(zoo, "_FOLDER", tmp_path)
    monkeypatch.setattr(zoo, "_card", zoo._card.__wrapped__)
    assert zoo.path("mtcnn", "p.onnx") == tmp_path / "mtcnn.p.onnx"
    (tmp_path / "mtcnn.r.onnx").write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match=r"mtcnn.r.onnx is missing or was changed .* install ferdis again"):
        zoo.path("mtcnn", "r.onnx")
    with pytest.raises(ValueError, match=r"zoo:mtcnn has no .safetensors file: it is mtcnn.o.onnx"):
        read_weights("zoo:mtcnn")


def test_a_saved_model_is_checked_file_by_file_and_lies_in_the_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "zoo"
    shutil.copytree(Path(zoo.__file__).parent / "identity", here / "identity")
    for name in ("identity", "mtcnn"):
        shutil.copy(Path(zoo.__file__).parent / f"{name}.json", here)
    monkeypatch.setattr(zoo, "_FOLDER", here)
    monkeypatch.setattr(zoo, "_card", zoo._card.__wrapped__)
    assert zoo.folder("zoo:identity") == here / "identity"
    with pytest.raises(ValueError, match=r"zoo:mtcnn is no saved model: it is mtcnn.o.onnx"):
        zoo.folder("mtcnn")
    monkeypatch.setattr(zoo, "_digest", zoo._digest.__wrapped__)
    for changed in zoo.card("identity")["files"]:
        before = (here / changed).read_bytes()
        (here / changed).write_bytes(before + b" ")
        with pytest.raises(FileNotFoundError, match=f"{changed} is missing or was changed"):
            zoo.folder("identity")
        (here / changed).write_bytes(before)
    shutil.move(here / "mtcnn.json", tmp_path / "other.json")
    with pytest.raises(ValueError, match=r"the zoo has no '\.\./other'"):
        zoo.card("../other")


def test_a_card_is_the_callers_own() -> None:
    zoo.card("mtcnn")["files"].clear()
    assert zoo.card("zoo:mtcnn")["files"]


def test_the_file_and_the_network_agree() -> None:
    """The ONNX file was written from the safetensors: same probabilities, same action units."""
    card = zoo.card("expression")
    settings = {"views": card["views"], "temperature": card["temperature"]}
    network = Recogniser.of(read_weights("zoo:expression"), len(SEVEN_EXPRESSIONS), len(AU_COLUMNS), **settings)
    crops = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        probabilities, units = network(torch.from_numpy(crops))
    model = OnnxModel(zoo.path("expression", "onnx"))
    answers = model.answers(faces=crops)
    np.testing.assert_allclose(answers["probabilities"], probabilities.numpy(), atol=1e-4)
    np.testing.assert_allclose(answers["action_units"], units.numpy(), atol=1e-3)
    np.testing.assert_allclose(answers["probabilities"].sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.predict(crops), np.array(model.classes)[probabilities.numpy().argmax(1)])
    assert sum(part.numel() for part in network.networks.parameters()) == card["parameters"]


def test_weights_that_do_not_fit_tell_what_fits_where() -> None:
    system = ferdis.ResNetClassifier.small(classifier="resnet18", weights="zoo:expression")
    people = ferdis.load("synthetic", people=2, images_per_expression=1, image_size=32, cache=False)
    with pytest.raises(ValueError, match=r"zoo:expression does not fit resnet18: .*missing") as error:
        system.fit(people)
    assert "\n" not in str(error.value)


def test_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{out}" for name in zoo.names()) and "UAR" in out and "MIT" in out
    for name in zoo.names():
        assert cli.main(["models", name]) == 0
        out = capsys.readouterr().out
        card = zoo.card(name)
        words = " ".join(out.split())
        assert card["command"] in words and all(limit in words for limit in card["limits"])
        assert all(f"measured on {where}" in words for where in card["figures"])
    assert cli.main(["models", "nothing"]) == 2
    assert "the zoo has no 'nothing': there are expression" in capsys.readouterr().err
    assert cli.main(["models", "mtcnn", "other"]) == 2 and cli.main(["models", "--all"]) == 2


def test_a_figure_in_words() -> None:
    assert listing._figure({"a": 0.25, "b": [{"c": 1}, "d"]}) == "a 0.25, b c 1; d"


def test_cards_are_plain_json(card: dict[str, Any]) -> None:
    file = Path(zoo.__file__).parent / f"{card['name']}.json"
    assert json.loads(file.read_text("utf-8"), parse_constant=pytest.fail) == card
