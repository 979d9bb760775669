"""What is said of a file's differences from its system, by hand; and what calibrates eight bits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ferdis import export as exporting
from ferdis.export import writing
from ferdis.export.differences import Accuracy, accuracies, differences, spread
from ferdis.faces import Faces


def people(expression: list[str]) -> Faces:
    images = np.zeros((len(expression), 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(expression))
    return Faces(images, pd.DataFrame({"expression": expression}))


def test_largest_mean_and_share_of_the_same_class() -> None:
    expected = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.8, 0.15, 0.05]])
    found = expected + np.array([[0, 0, 0], [0.0, -0.15, 0.15], [0, 0, 0], [-0.03, 0.02, 0.01]])
    told = differences(expected, found, "faces")
    assert (told.count, told.same_class) == (4, 0.75)
    assert (told.largest, told.mean) == pytest.approx((0.15, 0.36 / 12))
    assert "the same class on 75.0 %" in str(told) and "0.15, mean 0.03 on 4 faces" in str(told)
    images = differences(np.zeros((2, 2, 2, 3)), np.full((2, 2, 2, 3), 0.5), "faces")
    assert images.same_class is None and images.largest == 0.5


def test_a_change_of_accuracy_is_the_files_less_the_systems() -> None:
    assert str(Accuracy("test people", 50, 0.80, 0.78)) == (
        "80.00 % by the system, 78.00 % by the file (-2.00 points) on 50 faces of test people"
    )
    assert "(+2.00 points)" in str(Accuracy("test people", 50, 0.78, 0.80))


def test_system_and_file_are_scored_on_the_same_labelled_faces() -> None:
    classes = np.array(["anger", "fear"])
    system = SimpleNamespace(classes_=classes, predict=lambda faces: faces.expression)  # always right

    def model(faces: np.ndarray) -> np.ndarray:  # says fear of every face
        return np.tile([0.1, 0.9], (len(faces), 1))

    labelled = {"test": people(["anger", "fear", "anger", "anger"]), "none": None, "training": people(["fear"] * 3)}
    told = accuracies(system, model, labelled)  # type: ignore[arg-type]
    assert told == (Accuracy("test", 4, 1.0, 0.25), Accuracy("training", 3, 1.0, 1.0))


@pytest.mark.parametrize(("n", "count"), [(100, 10), (7, 7), (5, 64), (64, 63)])
def test_some_faces_are_spread_over_the_whole_set(n: int, count: int) -> None:
    some = spread(people(["fear"] * n), count).pixels()[:, 0, 0, 0].astype(int)
    assert len(some) == min(n, count) and some[0] == 0 and some[-1] == n - 1
    assert np.ptp(np.diff(some)) <= 1


@pytest.mark.parametrize(("gap", "refused"), [(0.9e-4, False), (1.1e-4, True), (np.nan, True)])
def test_a_difference_above_the_limit_is_refused_and_so_is_nan(gap: float, refused: bool) -> None:
    graph: Any = SimpleNamespace(output="probabilities", method="predict_proba", system=None)
    expected = np.full((3, 2), 0.5)
    found = expected + np.array([[0, 0], [0, gap], [0, 0]])
    if refused:
        with pytest.raises(ValueError, match="not written: onnxruntime's probabilities differ by"):
            exporting._refuse_other_results(graph, {}, expected, found)
    else:
        exporting._refuse_other_results(graph, {}, expected, found)


def test_all_calibration_faces_set_the_ranges_and_the_resize_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}

    def quantize_static(source: Path, path: Path, reader: Any, **settings: Any) -> None:
        called.update(settings, read=list(iter(reader.get_next, None)))

    tool = SimpleNamespace(CalibrationDataReader=object, quantize_static=quantize_static)
    monkeypatch.setattr(writing, "required", lambda *names: [SimpleNamespace(load=str), tool])
    monkeypatch.setattr(writing, "_resizing", lambda model: ["resize"])
    monkeypatch.setattr(writing, "finished", lambda path, about: path)
    given = {"faces": np.arange(37), "references": np.arange(37) + 100}
    writing.quantise(Path("a"), Path("b"), given, {})
    for name, values in given.items():
        assert np.concatenate([batch[name] for batch in called["read"]]).tolist() == values.tolist()
    assert called["nodes_to_exclude"] == ["resize"] and called["per_channel"] and called["reduce_range"]
