"""After the last fold: histories, seconds, figures, diagnoses, and what an evaluation then says of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ferdis import run_folder
from ferdis.evaluation import finishing, result
from ferdis.evaluation.afterwards import diagnose
from ferdis.evaluation.fit_and_score import EvaluationError
from ferdis.evaluation.result import Evaluation
from ferdis.evaluation.runner import evaluate
from ferdis.evaluation.workers import Workers
from ferdis.faces import Faces
from ferdis.run_folder import RunFolder, Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Plain, make_faces

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Faces that are not square."""
    made = make_faces()
    return Faces(made.pixels()[:, :12], made.to_frame(), made.attrs)


class Historian(Plain):
    """Keeps a history with a name that looks missing and a number with many digits."""

    def fit(self, faces: Faces, y: Any = None) -> Plain:
        self.history_ = pd.DataFrame({"term": ["NA"], "value": [0.1 + 0.2]})
        return super().fit(faces)


def test_histories_are_joined_as_they_were_written(faces: Faces, tmp_path: Path) -> None:
    evaluate({"one": Historian()}, faces, PROTOCOL.split(faces)[1:], seeds=(7, 5), out=tmp_path, progress=False)
    expected = [f"one,{seed},{fold},NA,0.30000000000000004" for seed in (7, 5) for fold in (1, 2)]
    assert (tmp_path / "history.csv").read_text().splitlines() == ["system,seed,fold,term,value", *expected]


def test_seconds_of_a_fold_are_those_of_its_system(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run_folder.read_fit

    def timed(folder: Path) -> dict[str, Any]:
        done = real(folder)
        fitting = {"b": 10.0, "a": 1.0}[done["system"]] * (1 + done["fold"])
        return {**done, "fit_seconds": fitting, "predict_seconds": 0.5}

    monkeypatch.setattr(run_folder, "read_fit", timed)
    found = evaluate({"b": Plain(), "a": Plain()}, faces, PROTOCOL, out=tmp_path, progress=False).summary
    assert found.set_index("system")["seconds_per_fold"].to_dict() == {"b": 20.5, "a": 2.5}
    assert (tmp_path / "summary.md").read_text().startswith("# toy: 54 images of 12x16, 9 people, 3 classes\n")


class Own(NearestMean):
    """Has average faces of its own."""

    averages_ = "its own"


def drawn(run: RunFolder, faces: Faces, systems: dict[str, NearestMean], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the figures of a run are made of, by the name of the file."""
    evaluate(systems, faces, PROTOCOL, out=run.root, progress=False)
    jobs = [
        job_of(task, estimator, faces, fold, run.task(task))
        for fold in PROTOCOL.split(faces)
        for name, estimator in systems.items()
        for task in (Task(0, fold.index, name),)
    ]
    figures = SimpleNamespace(
        fold_accuracy=lambda rows: set(rows["system"]),
        confusion_matrix=lambda rows: (set(rows["system"]), len(rows)),
        loss_curves=lambda history, title: (set(history["system"]), title),
        class_averages=lambda faces: set(faces.table["path"]),
        average_faces=lambda estimator, shown, averages, title: (
            type(estimator), set(shown.table["path"]), averages, title
        ),
    )  # fmt: skip
    monkeypatch.setattr(finishing, "figures", figures)
    made: dict[str, Any] = {}
    monkeypatch.setattr(finishing, "_save", lambda figure, path: made.update({path.name: figure}))
    finishing.draw(run, jobs, run_folder.read_rows(run.root / "rows.csv"))
    return made


def test_each_systems_figures_are_of_its_own_rows_and_its_first_fit(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = drawn(RunFolder(tmp_path), faces, {"far": NearestMean(epochs=1), "own": Own(epochs=2)}, monkeypatch)
    assert made["folds.png"] == {"far", "own"}
    assert made["confusion-far.png"] == ({"far"}, 54) and made["confusion-own.png"] == ({"own"}, 54)
    assert made["losses-own.png"] == ({"own"}, "own: loss terms")
    fold, path = PROTOCOL.split(faces)[0], faces.table["path"].to_numpy()
    says = "fold 0: test faces and the average faces generated from them"
    assert made["averages-far.png"] == (NearestMean, {*path[fold.test]}, {*path[fold.train]}, f"far, {says}")
    assert made["averages-own.png"][2] == "its own"


# ---------------------------------------------------------------- diagnoses


def tables_of(run: RunFolder, write: Any, **more: Any) -> pd.DataFrame:
    jobs: list[Any] = [
        SimpleNamespace(task=Task(0, fold, "a"), folder=run.task(Task(0, fold, "a"))) for fold in range(3)
    ]
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
    return diagnose("look", run, jobs, write, ("fold", "code"), doing="looking at", workers=Workers(), progress=False,
                    **more)  # fmt: skip


def write_code(job: Any) -> None:
    run_folder.write_text(job.folder / "look.csv", f"fold,code\n{job.task.fold},007\n")


def test_what_each_fit_wrote_is_joined_and_none_is_done_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    (tmp_path / "fold-01" / "a").mkdir(parents=True)
    (tmp_path / "fold-01" / "a" / "look.csv").write_text("fold,code\n1,earlier\n")
    table = tables_of(run, write_code, dtype={"code": str})
    assert list(table.itertuples(index=False, name=None)) == [(0, "007"), (1, "earlier"), (2, "007")]
    assert (tmp_path / "look.csv").read_text() == "fold,code\n0,007\n1,earlier\n2,007\n"


def test_a_diagnosis_that_fails_is_named_and_leaves_its_traceback(tmp_path: Path) -> None:
    def fail(job: Any) -> None:
        raise KeyError("nothing kept")

    with pytest.raises(
        EvaluationError, match=r"looking at a, fold 0, seed 0 failed: .*nothing kept.*; the rows are not"
    ):
        tables_of(RunFolder(tmp_path), fail)
    assert "Traceback" in (tmp_path / "fold-00" / "a" / "error.txt").read_text()
    assert not (tmp_path / "look.csv").exists()


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"fold-00/a/look\.csv.*code"):
        tables_of(RunFolder(tmp_path), lambda job: (job.folder / "look.csv").write_text("fold\n0\n"))


# ---------------------------------------------------------------- what an evaluation says of itself


@pytest.fixture
def two(tmp_path: Path) -> Evaluation:
    rows = pd.DataFrame({"system": ["near", "near", "far"], "true": "x", "predicted": ["x", "y", "x"]})
    summary = pd.DataFrame({"system": ["near", "far"], "accuracy": [0.5, 1.0]})
    return Evaluation(rows, summary, tmp_path)


def test_a_confusion_matrix_is_of_one_system(two: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result.figures, "confusion_matrix", lambda rows: list(rows["predicted"]))
    assert two.confusion("near") == ["x", "y"] and two.confusion("far") == ["x"]
    assert Evaluation(two.rows[2:], two.summary[1:], None).confusion() == ["x"]
    for name in (None, "nobody"):
        with pytest.raises(ValueError, match=f"system={name!r}: name one of near, far"):
            two.confusion(name)


def test_accuracies_are_shown_in_per_cent(two: Evaluation) -> None:
    assert repr(two) == f"Evaluation(3 rows; accuracy: near 50.0 %, far 100.0 %, {two.folder})"


def test_a_report_goes_where_it_is_wanted(two: Evaluation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(result, "write_report", lambda runs, out: asked.append((runs, out)))
    two.report()
    two.report(tmp_path / "elsewhere")
    assert asked == [([tmp_path], tmp_path / "report"), ([tmp_path], tmp_path / "elsewhere")]


def test_the_page_that_is_there_is_linked(two: Evaluation, tmp_path: Path) -> None:
    assert f'"{tmp_path.as_posix()}"' in two._repr_html_()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("")
    assert f'"{(tmp_path / "report" / "report.html").as_posix()}"' in two._repr_html_()
