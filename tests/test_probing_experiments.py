"""What identity probes and gradient shares are computed of: by hand, with nothing trained but for a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ferdis.faces import Faces
from ferdis.metrics import expression_probe, identity_probe
from ferdis.training import Phase

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def identity(experiment: Any) -> Any:
    return experiment("ifgan_identity")


@pytest.fixture
def gradients(experiment: Any) -> Any:
    return experiment("gradient_shares")


def crowd(people: int, each: int, first: int = 0) -> Faces:
    """Images of side 6, as grey as their number; each person shows both expressions equally often."""
    rows = [
        {"expression": ("anger", "fear")[k % 2], "subject": f"p{first + person:02d}", "path": f"{person}-{k}"}
        for person in range(people)
        for k in range(each)
    ]
    grey = np.arange(len(rows), dtype=np.uint8)[:, None, None, None]
    return Faces(np.broadcast_to(grey, (len(rows), 6, 6, 3)).copy(), pd.DataFrame(rows))


# ---------------------------------------------------------------- who is named from the generated face


def test_distances_are_to_the_average_of_the_true_class_in_the_crop(identity: Any) -> None:
    faces = crowd(1, 3)  # greys 0 (anger), 1 (fear) and 2 (anger)
    averages = {"anger": np.full((6, 6, 3), 100, np.uint8), "fear": np.full((6, 6, 3), 160, np.uint8)}
    for image in averages.values():
        image[[0, -1]] = image[:, [0, -1]] = 7  # the border is cropped away
    ifgan = SimpleNamespace(image_size=6, crop_size=4, averages_=averages)
    generated = np.stack([np.full((4, 4, 3), grey, np.uint8) for grey in (90, 175, 120)])
    table = identity.distances(ifgan, faces, generated).set_index("image")["L1 to true average"] * 127.5
    assert table["generated face"] == pytest.approx((10 + 15 + 20) / 3)
    assert table["the face itself"] == pytest.approx((100 + 159 + 98) / 3)
    assert table["mean of the averages, whatever the face"] == pytest.approx(30)


def test_images_are_probed_as_rows_of_a_thousand_pixels(identity: Any) -> None:
    images = np.zeros((2, 64, 64, 3), np.uint8)
    images[1, :32, :, 2] = 255  # the upper half is blue
    rows = identity.pixel_rows(images).reshape(2, 3, 32, 32)
    assert not rows[0].any() and not rows[1, :2].any()
    assert rows[1, 2, :15].min() == pytest.approx(1, abs=1e-6) and rows[1, 2, 17:].max() == pytest.approx(0, abs=1e-6)


def test_each_reader_stands_under_its_name(identity: Any) -> None:
    faces = crowd(6, 8)
    number = np.array([int(name[1:]) for name in faces.subject])
    values = np.eye(6)[number] + 0.8 * np.random.default_rng(0).normal(size=(len(faces), 6))
    values = np.c_[values, (faces.expression == "fear") + 0.5 * np.random.default_rng(1).normal(size=len(faces))]
    found = identity.probes(values, faces, 5)
    for name, reader in (("logistic", "logistic"), ("nearest", "nearest"), ("network", "mlp")):
        probe: Any = identity_probe(values, faces.subject, reader=reader, seed=5)  # type: ignore[arg-type]
        assert found[f"person, {name}"] == probe.accuracy
    assert len({found[f"person, {name}"] for name in ("logistic", "nearest", "network")}) > 1
    assert found["expression"] == expression_probe(values, faces.expression, faces.subject, seed=5).accuracy > 0.6


def test_people_are_others_and_each_row_is_of_its_own_representation(
    identity: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn, made, probed = [], {}, {}

    class System:
        image_size, crop_size = 6, 4

        def __init__(self, kind: str, given: dict[str, Any]) -> None:
            self.kind, self.given, self.value = kind, given, {"ifgan": 1.0, "resnet": 2.0}[kind]
            self.averages_ = {name: np.zeros((6, 6, 3), np.uint8) for name in ("anger", "fear")}
            made[kind] = self

        def fit(self, faces: Faces) -> None:
            self.learned = set(faces.subject)

        def average(self, faces: Faces) -> np.ndarray:
            return np.full((len(faces), 4, 4, 3), 51, np.uint8)

        def transform(self, faces: Faces) -> np.ndarray:
            return np.full((len(faces), 2), self.value)

        def score(self, faces: Faces) -> float:
            assert not self.learned & set(faces.subject)
            return 0.5

    def load(name: str, people: int, images_per_expression: int, first_person: int = 0, **more: Any) -> Faces:
        drawn.append({"people": people, "first": first_person, **more})
        return crowd(people, 2 * images_per_expression, first_person)

    def probes(values: np.ndarray, faces: Faces, seed: int) -> dict[str, float]:
        probed[len(probed)] = values
        return {"person, logistic": 0.25, "expression": 0.75}

    monkeypatch.setattr(identity, "load", load)
    monkeypatch.setattr(identity, "probes", probes)
    for name, kind in (("IFGAN", "ifgan"), ("ResNetClassifier", "resnet")):
        monkeypatch.setattr(identity, name, SimpleNamespace(small=lambda kind=kind, **given: System(kind, given)))
    line = ["--people", "5", "--test_people", "3", "--seed", "4", "--difficulty", "hard"]
    table = identity.main([*line, "--arguments", "{identity_reversal: 1.0}"])
    assert [part["people"] for part in drawn] == [5, 3] and [part["first"] for part in drawn] == [0, 5]
    assert all(part["seed"] == 4 and part["difficulty"] == "hard" and part["image_size"] == 6 for part in drawn)
    assert made["ifgan"].given == {"seed": 4, "identity_reversal": 1.0} and made["resnet"].given == {"seed": 4}
    assert made["ifgan"].learned == made["resnet"].learned == {f"p{k:02d}" for k in range(5)}
    names = ["the face itself", "baseline's features", "IF-GAN's generated face", "IF-GAN's features"]
    assert table["read from"].tolist() == names
    assert [float(values.mean()) for values in probed.values()] == pytest.approx(
        [crowd(3, 4).pixels().mean() / 255, 2.0, 0.2, 1.0]
    )
    said = capsys.readouterr().out
    assert "chance: identity 33.3%, expression 50.0%" in said and "accuracy: IF-GAN 50.0%, baseline 50.0%" in said


# ---------------------------------------------------------------- how hard the terms pull


def test_norms_are_of_the_weighted_terms_in_each_network(gradients: Any) -> None:
    class Two(nn.Module):
        def __init__(self, *values: float) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.tensor(values))
            self.frozen = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    modules = SimpleNamespace(a=Two(3.0, 4.0), b=Two(1.0))

    def terms(modules: Any, batch: Any) -> dict[str, torch.Tensor]:
        square, product = modules.a.value.square().sum() / 2, modules.a.value.sum() * modules.b.value.sum()
        return {"square": square, "product": product, "logged": torch.tensor(9.0)}

    weights = {"square": 2.0, "product": lambda epoch: 0.5 + epoch}
    phase = Phase("joint", ("a", "b"), terms, weights, torch.optim.Adam)
    rows: list[dict[str, Any]] = []
    measured = gradients.Measured(phase, [2, 3], rows)
    for _ in range(3):
        assert set(measured(modules, {})) == {"square", "product", "logged"}
    with pytest.raises(gradients.Enough):
        measured(modules, {})
    table = pd.DataFrame(rows).set_index(["step", "network", "term"])
    assert len(table) == 2 * 2 * 2 and set(table.index.get_level_values("step")) == {2, 3}
    first = table.loc[2]
    assert first.loc[("a", "square"), "norm"] == pytest.approx(2 * 5)  # of (3, 4), twice
    assert first.loc[("a", "product"), "norm"] == pytest.approx(0.5 * 2**0.5)
    assert first.loc[("b", "square"), "norm"] == 0 and first.loc[("b", "product"), "norm"] == pytest.approx(0.5 * 7)
    assert first.loc[("a", "square"), "share"] == pytest.approx(10 / (10 + 0.5**0.5))
    assert first.loc[("b", "product"), "share"] == 1 and first.loc[("b", "square"), "share"] == 0
    assert first.loc[("a", "square"), "value"] == 12.5 and first.loc[("a", "square"), "weight"] == 2.0


def test_a_phase_is_measured_where_it_is_trained(gradients: Any) -> None:
    line = ["--system", "cnn", "--people", "2", "--steps", "1", "3", "--batch_size", "7"]
    table = gradients.run(line)
    assert set(table["step"]) == {1, 3} and set(table["term"]) == {"softmax"} and (table["norm"] > 0).all()
    assert table.groupby(["step", "network"])["share"].sum().to_numpy() == pytest.approx(1)
    assert gradients.main([*line, "--phase", "joint"]) == 2 and gradients.main([*line, "--arguments", "{nose: 1}"]) == 2
