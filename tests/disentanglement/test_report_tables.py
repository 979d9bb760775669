"""The tables of `ferdis disentangle`, and what reaches its parts, without a run."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ferdis import BaselineCNN
from ferdis.disentanglement import report
from ferdis.disentanglement.report import further_people, grid_rows
from ferdis.evaluators import judges
from ferdis.faces import Faces
from tests.painted import PaintedJudge, Painter, painted


def figures_of(**changes: Any) -> pd.DataFrame:
    """The summary of one representation, whose figures all differ."""
    line = {"system": "cnn", "representation": "features", "dimensions": 30.0, "effective_dimensions": 4.5,
            "identity": 0.11, "identity_std": 0.01, "identity_nearest": 0.12, "identity_ratio": 0.13,
            "expression": 0.21, "expression_std": 0.02, "expression_nearest": 0.22,
            "identity_chance": 0.05, "expression_chance": 0.2, "fits": 2, "identity_images": 8, "images": 9,
            "note": "said"}  # fmt: skip
    return pd.DataFrame([{**line, **changes}])


def line_of(lines: list[str]) -> list[str]:
    """The cells of the only row that begins with the system's name."""
    (row,) = [line for line in "\n".join(lines).splitlines() if line.startswith("| cnn")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_each_figure_stands_in_its_column() -> None:
    text = report._markdown(figures_of(), pd.DataFrame(), "nobody", "cnn")
    assert line_of([text]) == [
        "cnn", "features", "30 (4.5)", "11.0 ± 1.0", "12.0", "13 %", "21.0 ± 2.0", "22.0", "said",
    ]  # fmt: skip
    assert "Chance: identity 5.0 %, expression 20.0 %. Means of 2 fits" in text
    assert "of the 8 of 9 images whose person has two or more" in text
    scores = figures_of(mig=0.1, disentanglement=0.2, completeness=0.3, informativeness=0.4, sap=0.5)
    assert line_of(report._alignment_table(scores)) == ["cnn", "features", "0.100", "0.200", "0.300", "0.400", "0.500"]
    swaps = figures_of(swap_source=0.6, swap_target=0.7, swap_agreement=0.8)
    assert line_of(report._swap_table(swaps)) == ["cnn", "features", "0.60", "0.70", "80.0"]
    moved = {"system": "cnn", "pairs": 9, "distance": 0.1, "distance_identity_baseline": 0.2, "distance_oracle": 0.3,
             "gain": 0.4, "expression": 0.5, "expression_of_truth": 0.6, "expression_share": 0.7, "identity": 0.8,
             "identity_of_truth": 0.9, "expression_judge": "one", "identity_judge": "two"}  # fmt: skip
    lines = report._transfer_table(pd.DataFrame([moved]))
    assert line_of(lines) == ["cnn", "0.100", "0.200", "40 %", "0.300", "50.0", "60.0", "70 %", "80.0", "90.0"]
    assert lines[-2:] == ["- The expression judge itself: one.", "- The identity judge itself: two."]


def test_further_people_are_drawn_as_the_runs_were(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    chosen: list[tuple[int, int]] = []
    paths = pd.DataFrame({"path": [f"facekit/s7/P{k:04d}/hard/fear-0-at-0.5" for k in (4, 11, 9)]})
    about = {"faces": {"classes": ["fear", "joy", "neutral"], "size": [40, 40]}}
    monkeypatch.setattr(report, "_fold_lists", lambda run: paths)
    monkeypatch.setattr(report, "_dataset", lambda run: ("facekit", {"root": "somewhere"}))
    monkeypatch.setattr(report.run_folder, "read_record", lambda run: about)
    monkeypatch.setattr("ferdis.datasets.load", lambda name, **given: asked.append((name, given)))
    monkeypatch.setattr(report, "some_of_each", lambda faces, images, seed: chosen.append((images, seed)))
    further_people("run", people=3, images=7, seed=5)
    drawn = {"root": "somewhere", "people": 3, "expressions": ["fear", "joy", "neutral"], "images_per_expression": 3,
             "image_size": 40, "difficulty": "hard", "seed": 7, "first_person": 12, "intensity": 0.5}  # fmt: skip
    assert asked == [("facekit", drawn)] and chosen == [(7, 5)]


def test_a_run_on_drawn_people_is_measured_on_further_ones_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(report, "_dataset", lambda run: ("synthetic", None))
    monkeypatch.setattr(report, "further_people", lambda *given: asked.append(given) or painted(3))
    chosen, said = report._choose(Path("run"), "auto", 3, 4, 6, None)
    assert asked == [(Path("run"), 3, 4, 6)] and len(set(chosen(report.Fit(0, 0, "cnn", "", Path())).subject)) == 3
    assert said == "3 further people of the run's population, 4 images of each"


class Written:
    """Stands for the run folder: keeps what is written."""

    def __init__(self, _: Path) -> None:
        self.kept: dict[str, Any] = {}

    def locked(self, wait: float) -> AbstractContextManager[None]:
        return nullcontext()

    def write_tables(self, **tables: pd.DataFrame) -> None:
        self.kept.update(tables)

    def write_text(self, name: str, text: str) -> None:
        self.kept[name] = text


def test_what_is_asked_for_reaches_every_part_and_all_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    folder = Written(Path())
    line = figures_of(seed=0, fold=0).drop(columns=["identity_std", "expression_std", "identity_ratio", "fits"])

    def choose(root: Path, on: str, people: int, images: int, seed: int, faces: Faces | None) -> Any:
        seen["choice"] = (on, people, images, seed)
        return lambda fit: painted(4), "nobody"

    def records(system: str, estimator: Any, faces: Faces, *, seed: int) -> list[dict[str, Any]]:
        seen["probes"] = seed
        return line.assign(system=system, identity={"cnn": 0.45, "relgan": 0.25}[system]).to_dict("records")

    def judge(fits: Any, faces: Faces, seed: int) -> None:
        seen["pairs"] = seed

    stubs = {
        "finished_fits": lambda root: [report.Fit(0, 0, name, "", Path()) for name in ("cnn", "relgan")],
        "load_fit": lambda fit: BaselineCNN(),
        "_choose": choose,
        "representation_records": records,
        "_judge": judge,
        "_draw": lambda *_: None,
        "_further_training": lambda root: "- what else was learned from.\n",
    }
    for name, stub in stubs.items():
        monkeypatch.setattr(report, name, stub)
    monkeypatch.setattr(report.run_folder, "RunFolder", lambda root: folder)
    table = report.run("run", people=3, images=4, on="further", baseline="cnn", seed=6)
    assert seen == {"choice": ("further", 3, 4, 6), "probes": 6, "pairs": 6}
    assert table.set_index("system")["identity_ratio"].to_dict() == pytest.approx({"cnn": 1.0, "relgan": 0.5})
    assert folder.kept["disentanglement.md"].endswith("- what else was learned from.\n")
    assert json.loads(folder.kept["disentanglement.json"])["measured_on"] == "nobody"
    assert folder.kept["disentanglement"]["system"].tolist() == ["cnn", "relgan"]
    seen.clear()
    report.run("run", transfers=False)
    assert "pairs" not in seen


@pytest.mark.parametrize(("label", "classes"), [("contempt", 8), ("fear", 7)])
def test_judges_know_the_expressions_of_the_people_measured(
    label: str, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(
        judges, "standard_judges", lambda load, **given: asked.append(given) or (PaintedJudge(), PaintedJudge())
    )
    monkeypatch.setattr(Faces, "has_counterparts", True)
    monkeypatch.setattr(report, "load_fit", lambda fit: Painter())
    data = painted(3)
    data = data.with_table(data.to_frame().assign(expression=np.where(data.expression == "fear", label, "anger")))
    found = report._judge([report.Fit(0, 0, "cnn", "", Path())], data, 6)
    assert asked == [{"expressions": classes, "judged": data}] and found is not None
    assert found.keywords["seed"] == 6


def test_targets_of_a_grid_are_neutral_where_they_can_be() -> None:
    data = painted(6, 1)
    data = data.with_table(data.to_frame().assign(expression=data.to_frame()["expression"].replace("fear", "neutral")))
    _, targets = grid_rows(data)
    assert set(data.expression[targets]) == {"neutral"}
