"""The command that makes what ships: its smallest run writes files that load, and cards that say what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ferdis import zoo
from ferdis.faces import SEVEN_EXPRESSIONS, Faces
from ferdis.onnx_model import OnnxModel, session
from ferdis.zoo.networks import WIDTHS, FiveBlockCNN, Recogniser
from tools import train_zoo
from tools.synthetic_checks.real import framed
from tools.zoo_entries import expression, photographs


def test_every_entry_that_ships_has_its_command() -> None:
    assert set(zoo.names()) <= set(train_zoo.ENTRIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in train_zoo.ENTRIES if name != "mtcnn"])
def test_the_smallest_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_zoo.main([name, "--quick", "--out", str(tmp_path)]) == 0
    card = json.loads((tmp_path / f"{name}.json").read_text())
    assert card["command"] == f"python -m tools.train_zoo {name} --quick" and card["figures"]
    monkeypatch.setattr(zoo, "_FOLDER", tmp_path)
    monkeypatch.setattr(zoo, "_card", zoo._card.__wrapped__)
    for file in card["files"]:
        if "/" in file:
            assert zoo.folder(name) == (tmp_path / file).parent
        else:
            assert zoo.path(name, file.removeprefix(f"{name}.")) == tmp_path / file
    written = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(written) == sorted([*card["files"], f"{name}.json"])


@pytest.mark.slow
def test_the_detector_is_written_again_as_it_is(tmp_path: Path) -> None:
    """Same weights, same answers as the files that ship."""
    train_zoo.main(["mtcnn", "--out", str(tmp_path)])
    images = np.random.default_rng(0).normal(0, 1, (3, 3, 24, 24)).astype(np.float32)
    written, shipped = (session(path).run(None, {"images": images})
                        for path in (tmp_path / "mtcnn.r.onnx", zoo.path("mtcnn", "r.onnx")))  # fmt: skip
    for one, other in zip(written, shipped, strict=True):
        np.testing.assert_array_equal(one, other)


def recogniser(views: tuple = ((1, 0, 0),), networks: int = 1) -> Recogniser:
    torch.manual_seed(0)
    return Recogniser([FiveBlockCNN(1, 7, 17, widths=WIDTHS) for _ in range(networks)], views).eval()


class Fixed(torch.nn.Module):
    """Answers known beforehand: the row is written into the first two pixels of a crop."""

    def __init__(self, probabilities: torch.Tensor) -> None:
        super().__init__()
        self.probabilities = probabilities

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = crops[:, 0, 0, 0].long() * 256 + crops[:, 0, 1, 0].long()
        return self.probabilities[rows], torch.zeros(len(rows), 17)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_the_temperature_is_the_likeliest(temperature: float) -> None:
    """Answers that were sharpened or blurred on purpose are brought back to how often they are right."""
    rng, count = np.random.default_rng(0), 4000
    scores = rng.normal(0, 1.5, (count, 7))
    true = np.array(SEVEN_EXPRESSIONS)[(scores + rng.gumbel(size=scores.shape)).argmax(1)]  # drawn from softmax(scores)
    crops = np.zeros((count, 1, 2, 3), np.uint8)
    crops[:, 0, 0, 0], crops[:, 0, 1, 0] = np.divmod(np.arange(count), 256)
    model = Fixed(torch.tensor(scores * temperature).softmax(1))
    faces = Faces(crops, pd.DataFrame({"expression": true}))
    assert expression.fitted_temperature(model, crops, faces) == pytest.approx(temperature, rel=0.06)


def test_views_networks_and_mirror_images_are_averaged(tmp_path: Path) -> None:
    """The graph against a plain loop; the file against the graph, at other batch sizes than the exporter saw."""
    views, temperature = ((1, 0, 0), (0.9, 0.05, -0.05)), 1.7
    model = recogniser(views, 2)
    model.temperature = temperature
    crops = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    found, units = expression.answers(model, crops)
    grey = torch.from_numpy(np.rint(crops @ np.array([0.299, 0.587, 0.114]))).float()[:, None]
    loop = []
    with torch.inference_mode():
        for network in model.networks:
            for size, across, down in views:
                seen = framed(grey, torch.Generator(), size, across, down)
                loop += [network(seen)[0].softmax(1), network(seen.flip(3))[0].softmax(1)]
    expected = (torch.stack(loop).mean(0).log() / temperature).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    expression.write(model, tmp_path / "model.onnx")
    for rows in (slice(0, 1), slice(0, 5)):
        answers = OnnxModel(tmp_path / "model.onnx").answers(faces=crops[rows])
        np.testing.assert_allclose(answers["probabilities"], found[rows], atol=1e-5)
        np.testing.assert_allclose(answers["action_units"], units[rows], atol=1e-4)


def test_gaps_between_groups_are_on_the_card() -> None:
    groups = {
        "young": {"uar": 0.9, "images": 30},
        "old": {"uar": 0.6, "images": 20},
        "other": {"uar": 0.7, "images": 9},
    }
    figures = {f"town, {half}": {"uar_by_group": {"age": groups}} for half in ("development half", "held-out half")}
    (line,) = photographs.gaps({**figures, "rendered": {"uar": 1.0}})
    assert "on town, held-out half, by age" in line and "0.600 for old (20 images) and 0.900 for young (30)" in line


def test_reliability_by_hand() -> None:
    names = np.array(["a", "b"])
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.62, 0.38]])
    found = photographs.reliability(probabilities, names, np.array(["a", "b", "b", "a"]))
    assert found["accuracy"] == 0.75 and found["mean_confidence"] == pytest.approx(0.768, abs=1e-3)
    # |0.95 - 0.5| / 2 + |0.55 - 1| / 4 + |0.62 - 1| / 4
    assert found["calibration_error"] == pytest.approx(0.225 + 0.1125 + 0.095, abs=1e-3)
    kept = {row["below"]: (row["answered"], row["accuracy"]) for row in found["abstaining"]}
    assert kept[0.0] == (1.0, 0.75) and kept[0.6] == (0.75, 0.667) and kept[0.9] == (0.5, 0.5)
