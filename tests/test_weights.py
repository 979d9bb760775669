"""Files given as ``weights=``: strict, without pickles, and those that ferdis itself saved among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ferdis import RELGAN, ResNetClassifier
from ferdis.nn import ImageClassifier
from ferdis.weights import read_weights
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

NARROW: dict[str, Any] = {"arguments": {"channels": (8, 8, 8, 8)}}


@pytest.fixture
def network() -> ImageClassifier:
    torch.manual_seed(0)
    return ImageClassifier("resnet18", 3, **NARROW)


def write(path: Path, tensors: dict[str, torch.Tensor]) -> str:
    save_file({name: part.contiguous() for name, part in tensors.items()}, path)
    return str(path)


def load(file: str, classes: int = 3, **more: Any) -> dict[str, torch.Tensor]:
    return ImageClassifier("resnet18", classes, weights=file, **NARROW, **more).network.state_dict()


def test_every_tensor_arrives(network: ImageClassifier, tmp_path: Path) -> None:
    state = network.network.state_dict()
    found = load(write(tmp_path / "w.safetensors", state))
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
    without = {name: part for name, part in state.items() if not name.endswith("num_batches_tracked")}
    assert torch.equal(load(write(tmp_path / "w.safetensors", without))["fc.weight"], state["fc.weight"])


def test_half_precision_is_read_in_float32_and_whole_numbers_as_they_are(tmp_path: Path) -> None:
    given = {"a": torch.tensor([0.1, 2.0]).half(), "b": torch.tensor([0.1]).bfloat16(), "n": torch.tensor([3])}
    found = read_weights(write(tmp_path / "w.safetensors", given))
    assert [found[name].dtype for name in "abn"] == [torch.float32, torch.float32, torch.int64]
    assert all(torch.equal(found[name], part.to(found[name].dtype)) for name, part in given.items())


def test_only_the_head_may_be_of_other_classes(network: ImageClassifier, tmp_path: Path) -> None:
    file = write(tmp_path / "w.safetensors", state := network.network.state_dict())
    found = load(file, 5)
    assert found["fc.weight"].shape == (5, 8)
    assert all(torch.equal(found[name], state[name]) for name in state if not name.startswith("fc."))


def test_a_stem_of_three_channels_is_repeated(network: ImageClassifier, tmp_path: Path) -> None:
    file = write(tmp_path / "w.safetensors", state := network.network.state_dict())
    found = load(file, in_channels=6)["conv1.weight"]
    torch.testing.assert_close(found, state["conv1.weight"].repeat(1, 2, 1, 1) / 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda state: state.clear() or state.update(foo=torch.zeros(1)),
            r"conv1\.weight is missing; .* and \d+ more$",
        ),
        (lambda state: state.pop("layer2.0.conv1.weight"), r"layer2\.0\.conv1\.weight is missing$"),
        (lambda state: state.update(foo=torch.zeros(1)), "foo is not part of it$"),
        (
            lambda state: state.update({"layer2.0.conv1.weight": torch.zeros(4, 8, 3, 3)}),
            r"layer2\.0\.conv1\.weight is 4x8x3x3 there and 8x8x3x3 here$",
        ),
        (lambda state: state.update({"fc.weight": torch.zeros(3, 9)}), r"fc\.weight is 3x9 there and 3x8 here$"),
        (lambda state: state["bn1.bias"].fill_(float("nan")), r"holds NaN or infinite numbers \(bn1\.bias\)"),
        (lambda state: state["bn1.bias"].fill_(float("inf")), r"holds NaN or infinite numbers \(bn1\.bias\)"),
    ],
)
def test_another_file_is_one_line(network: ImageClassifier, tmp_path: Path, change: Any, says: str) -> None:
    state = {name: part.clone() for name, part in network.network.state_dict().items()}
    change(state)
    with pytest.raises(ValueError, match=says) as error:
        load(write(tmp_path / "w.safetensors", state))
    assert "w.safetensors" in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_safetensors_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(str(tmp_path / "none.safetensors"))
    torch.save({}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"only \.safetensors files are read"):
        load(str(tmp_path / "w.pth"))
    (tmp_path / "w.pth").rename(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load(str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("name", ["resnet", "ifgan"])
def test_a_saved_system_is_a_start(name: str, tmp_path: Path) -> None:
    """Of the same classes, and of others: the last layer alone is new."""
    file = build(name, epochs=1).fit(faces(24)).save(tmp_path / "first") / "weights.safetensors"
    state = {k.removeprefix("classifier."): v for k, v in load_file(file).items() if k.startswith("classifier.")}
    second = build(name, weights=str(file))
    for classes in (["anger", "fear", "neutral"], ["anger", "fear", "neutral", "sadness"]):
        second.classes_ = classes
        found = second._build()["classifier"].state_dict()
        heads = {key for key in found if found[key].shape != state[key].shape}
        assert heads == (set() if len(classes) == 3 else {"network.fc.weight", "network.fc.bias"})
        assert all(torch.equal(found[key], state[key]) for key in found.keys() - heads)


def test_notes_tell_a_random_start_from_a_file(tmp_path: Path) -> None:
    file = build("resnet", epochs=1).fit(faces(24)).save(tmp_path) / "weights.safetensors"
    assert any("random weights" in note for note in build("resnet").describe()["notes"])
    assert not any("random weights" in note for note in build("resnet", weights=str(file)).describe()["notes"])
    save_file({"foo.weight": torch.zeros(1)}, tmp_path / "foo.safetensors")
    with pytest.raises(ValueError, match="does not fit"):  # and so no note is missing where nothing was loaded
        ResNetClassifier.small(weights=str(tmp_path / "foo.safetensors")).fit(faces(12))


@pytest.mark.parametrize(("name", "networks"), [("cnn", ["encoder"]), ("relgan", list(RELGAN._started))])
def test_a_patch_classifier_starts_from_a_saved_one(name: str, networks: list[str], tmp_path: Path) -> None:
    """Encoders are those of the file, a layer that names classes is not; one that does not fit is refused."""
    first = build(name, epochs=1).fit(faces(24))
    file = first.save(tmp_path / "first") / "weights.safetensors"
    started = build(name, epochs=1, learning_rate=1e-12, seed=5, weights=str(file)).fit(faces(24))
    fresh = build(name, epochs=1, learning_rate=1e-12, seed=5).fit(faces(24))
    for network in networks:
        parts = [dict(system.modules_[network].named_parameters()) for system in (first, started, fresh)]
        gaps = [max((one - other[key]).abs().max().item() for key, one in parts[0].items()) for other in parts[1:]]
        assert gaps[0] < 1e-6 < 1e-3 < gaps[1]
    heads = [system.modules_["classifier"].state_dict() for system in (first, started)]
    assert any((heads[0][key] - heads[1][key]).abs().max() > 1e-3 for key in heads[0])
    assert any(f"starts from {file}" in note for note in started.notes_)
    with pytest.raises(ValueError, match=f"does not fit the {networks[0]} of"):
        build(name, epochs=1, encoder_channels=(8, 8, 8, 8, 8), weights=str(file)).fit(faces(24))
    changes = {"epochs": 1, "pretrain": faces(24, seed=8), "pretrain_epochs": 1, "learning_rate": 1e-7}
    both, alone = (build(name, weights=start, **changes).fit(faces(24)) for start in (str(file), None))
    body = [{key: part for key, part in one.modules_[networks[0]].state_dict().items() if "weight" in key}
            for one in (both, alone, started)]  # fmt: skip
    near, far = (max((body[2][key] - other[key]).abs().max().item() for key in body[2]) for other in body[:2])
    assert near < 1e-3 < far, "the pretraining starts from the weights"
