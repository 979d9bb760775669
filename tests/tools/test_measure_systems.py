"""One half of a photographed set, three folds by subject."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

import ferdis
from ferdis import Faces
from tools import measure_systems
from tools.synthetic_checks.real import HALVES, half_of


def test_each_person_of_the_half_is_named_by_a_system_that_never_saw_them(monkeypatch, tmp_path, capsys) -> None:
    people = [f"person {number}" for number in range(24)]
    rows = [(f"{name}-{kind}.jpg", kind, name) for name in people for kind in ("anger", "neutral", "contempt")]
    folder = tmp_path / "data" / "wild"
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=["path", "expression", "subject"]).to_csv(folder / "faces.csv", index=False)
    monkeypatch.setenv("FERDIS_SHARED", str(tmp_path))
    monkeypatch.setattr(
        measure_systems,
        "prepare",
        lambda paths, table, **_: Faces(np.zeros((len(paths), 8, 8, 3), np.uint8), table),
    )
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
    half = {name for name in people if half_of(name) == HALVES[1]}
    assert len(learned) == measure_systems.FOLDS and 2 < len(half) < 22
    assert sorted(tested) == sorted((name, kind) for name in half for kind in ("anger", "neutral"))
    assert "accuracy 50.0%, UAR 50.0%, {'anger': 1.0, 'neutral': 0.0}" in capsys.readouterr().out
