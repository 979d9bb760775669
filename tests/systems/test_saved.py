"""What a crafted model folder may ask for: nothing is allocated, fetched or unpickled; one line says what is wrong."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ferdis import cli
from ferdis._io import file_digest, sealed
from ferdis.nn import ARCHITECTURE, checked_architecture
from ferdis.saved_models import load_model
from ferdis.systems.saved import out_of_bounds
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("resnet", epochs=1).fit(faces(24)).save(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def model(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def unpickled(*_: object, **__: object) -> None:
        raise AssertionError("torch.load was reached")

    monkeypatch.setattr(torch, "load", unpickled)
    return Path(shutil.copytree(made, tmp_path / "model"))


def craft(model: Path, part: str, **changes: Any) -> None:
    """Change the record and seal it again: a digest does not stop a deliberate forgery."""
    about = json.loads((model / "estimator.json").read_text())
    about[part] |= changes
    about["weights_sha256"] = file_digest(model / "weights.safetensors")
    (model / "estimator.json").write_text(json.dumps(sealed(about)))


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("preprocessing", {"image_size": [1_000_000, 1_000_000]}),
        ("preprocessing", {"image_size": [0, 64]}),
        ("parameters", {"image_size": 10**9}),
        ("parameters", {"crop_size": 1e12}),
        ("parameters", {"classifier_arguments": {"channels": [10**9, 8, 8, 8]}}),
        ("parameters", {"classifier_arguments": {"channels": [60_000, 60_000, 60_000, 60_000]}}),
        ("parameters", {"classifier_arguments": {"layers": [10**6, 1, 1, 1]}}),
        ("parameters", {"classifier_arguments": {"channels": [8] * 10_000}}),
        ("parameters", {"classifier_arguments": {"checkpoint_path": "evil.pth"}}),
        ("parameters", {"classifier_arguments": {"pretrained_cfg_overlay": {"file": "evil.pth"}}}),
        ("parameters", {"classifier": "hf-hub:someone/evil"}),
        ("parameters", {"classifier": "local-dir:/tmp"}),
    ],
)
def test_what_a_record_may_not_ask_for(model: Path, part: str, changes: dict[str, Any]) -> None:
    craft(model, part, **changes)
    tracemalloc.start()
    with pytest.raises(ValueError, match=str(model)) as error:
        load_model(model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500 and peak < 100e6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(model: Path, value: float) -> None:
    tensors = load_file(model / "weights.safetensors")
    tensors["classifier.network.fc.bias"][1] = value
    save_file(tensors, model / "weights.safetensors")
    craft(model, "parameters")
    with pytest.raises(ValueError, match=r"weights\.safetensors holds NaN or infinite numbers \(classifier.network.fc"):
        load_model(model)


def test_weights_of_other_networks(model: Path) -> None:
    craft(model, "parameters", classifier_arguments={"channels": [8, 16, 16, 48]})
    with pytest.raises(ValueError, match=r"weights\.safetensors is of other networks than estimator.json says"):
        load_model(model)
    (model / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.safetensors is missing"):
        load_model(model)


def test_models_of_before_the_seal_are_read_and_later_ones_are_not(model: Path) -> None:
    about = json.loads((model / "estimator.json").read_text())
    bare = {name: value for name, value in about.items() if name not in set(sealed({})) | {"weights_sha256"}}
    (model / "estimator.json").write_text(json.dumps({**bare, "format": 1}))
    assert load_model(model).training_digest_ == about["training_digest"]
    (model / "estimator.json").write_text(json.dumps(bare))
    with pytest.raises(ValueError, match=r"estimator\.json has no seal: it is damaged"):
        load_model(model)


def test_tensors_that_are_missing(model: Path) -> None:
    tensors = load_file(model / "weights.safetensors")
    del tensors["classifier.network.fc.bias"]
    save_file(tensors, model / "weights.safetensors")
    craft(model, "parameters")
    with pytest.raises(
        ValueError, match=r"of other networks than estimator.json says \(classifier\.network\.fc\.bias\)"
    ):
        load_model(model)


def test_sizes_of_real_networks_are_in_bounds() -> None:
    assert out_of_bounds(build("ifgan").get_params(deep=False)) == ""
    assert out_of_bounds({"a": {"depths": [1, 513]}}) == "a.depths is [1, 513]"
    for name in ("generator_blocks", "critic_layers", "depth"):
        assert out_of_bounds({name: 513}) == f"{name} is 513" and out_of_bounds({name: 512}) == ""
    assert out_of_bounds({"widths": [-(10**9)]}) and out_of_bounds({"grid": [[8, 10**9]]})
    assert out_of_bounds({"seed": 10**12, "min_steps": 10**6, "betas": [0.5, 0.999], "template": [[0.1, 0.2]]}) == ""


@pytest.mark.parametrize(
    "name", ["checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir",
             "pretrained_strict", "num_classes", "features_only", "scriptable"]
)  # fmt: skip
def test_arguments_of_no_architecture_are_refused_wherever_they_come_from(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name not in ARCHITECTURE
    with pytest.raises(ValueError, match=f"classifier_arguments: '{name}' is no argument of an architecture"):
        build("resnet", classifier_arguments={name: "x"}).fit(faces(12))
    if name == "checkpoint_path":
        given = ["--resnet.classifier_arguments", f"{{{name}: evil.pth}}", "--out", str(tmp_path / "run")]
        data = ["--dataset", "synthetic", "--dataset.people", "4", "--folds", "2", "--protocol.validation_folds", "0"]
        line = ["kfold", "--system", "resnet", "--preset", "small", *data, *given]
        assert cli.main(line) == 2
        assert "is no argument of an architecture" in capsys.readouterr().err


@pytest.mark.parametrize("value", [{"a": 1}, 1e9, float("nan"), "x" * 65, [[[[1]]]], list(range(65)), object()])
def test_values_of_an_architecture_are_plain(value: object) -> None:
    with pytest.raises(ValueError, match="classifier_arguments: channels="):
        checked_architecture({"channels": value})
    with pytest.raises(ValueError, match="a mapping, such as"):
        checked_architecture([("channels", 8)])  # type: ignore[arg-type]
