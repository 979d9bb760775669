"""One half of a photographed set, three folds by subject."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import ferdis
from ferdis import Faces
from tools import measure_systems
from tools.synthetic_checks.real import HALVES, half_of

PEOPLE = [f"person {number}" for number in range(24)]


@pytest.fixture(autouse=True)
def photographs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A set of three images of each person, two of which show one of the seven expressions."""
    rows = [(f"{name}-{kind}.jpg", kind, name) for name in PEOPLE for kind in ("anger", "neutral", "contempt")]
    folder = tmp_path / "data" / "wild"
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=["path", "expression", "subject"]).to_csv(folder / "faces.csv", index=False)
    monkeypatch.setenv("FERDIS_SHARED", str(tmp_path))
    monkeypatch.setattr(
        measure_systems,
        "prepare",
        lambda paths, table, **_: Faces(np.zeros((len(paths), 8, 8, 3), np.uint8), table),
    )


def test_each_person_of_the_half_is_named_by_a_system_that_never_saw_them(monkeypatch, capsys) -> None:
    learned, tested = [], []

    class Constant:
        def fit(self, faces: Faces) -> None:
            learned.append(set(faces.subject))

        def predict(self, faces: Faces) -> np.ndarray:
            assert not learned[-1] & set(faces.subject)
            tested.extend(zip(faces.subject, faces.expression, strict=True))
            return np.full(len(faces), "anger", dtype=object)

    monkeypatch.setattr(ferdis, "IFGAN", SimpleNamespace(small=lambda **_: Constant()))
    assert measure_systems.main(["wild", "IFGAN", "--half", HALVES[1]]) == 0
    half = {name for name in PEOPLE if half_of(name) == HALVES[1]}
    assert len(learned) == measure_systems.FOLDS and 2 < len(half) < 22
    assert sorted(tested) == sorted((name, kind) for name in half for kind in ("anger", "neutral"))
    assert "accuracy 50.0%, UAR 50.0%, {'anger': 1.0, 'neutral': 0.0}" in capsys.readouterr().out


def test_the_same_trainings_answer_with_all_images_of_a_person(monkeypatch, capsys) -> None:
    fits = []

    class Shifted:
        """Its feature is a person's own number, less or more for the expression, and is nobody's label."""

        def fit(self, faces: Faces) -> None:
            fits.append(faces)

        def transform(self, faces: Faces) -> np.ndarray:
            if fits[-1] is not faces:
                assert not set(fits[-1].subject) & set(faces.subject)
            number = np.array([PEOPLE.index(name) for name in faces.subject])
            angry = np.array([path.endswith("anger.jpg") for path in faces.table["path"]])
            return np.stack([100.0 * number + angry, np.zeros(len(faces))], 1)

        def predict(self, faces: Faces) -> np.ndarray:
            return np.full(len(faces), "anger", dtype=object)

    monkeypatch.setattr(ferdis, "CNN", SimpleNamespace(small=lambda **_: Shifted()), raising=False)
    assert measure_systems.main(["wild", "CNN", "--person_mean", "difference", "both"]) == 0
    plain, difference, both = capsys.readouterr().out.splitlines()
    assert len(fits) == measure_systems.FOLDS
    assert "accuracy 50.0%" in plain and "mean" not in plain
    assert "less the mean of a person's images (difference): accuracy 100.0%, UAR 100.0%" in difference
    assert "less the mean of a person's images (both): accuracy" in both
