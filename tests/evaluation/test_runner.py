"""evaluate(): complete rows, resumed after any death, one look at the test people."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ferdis import run_folder
from ferdis.evaluation import fit_and_score
from ferdis.evaluation.runner import EvaluationError, evaluate
from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold, repeat
from ferdis.run_folder import DiskError
from tests.evaluation.runner_fakes import CLASSES, PROTOCOL, NearestMean, Plain, make_faces

pytestmark = pytest.mark.usefixtures("quick")  # but for ``undisturbed``, which is made before it


@pytest.fixture(scope="module")
def undisturbed(faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "git_commit", lambda: "0123456789ab")
        evaluate({"mean": NearestMean(), "again": NearestMean(epochs=1)}, faces, PROTOCOL, out=out, progress=False)
    return out


def count(diary: Path, event: str) -> int:
    return sum(line.startswith(event) for line in diary.read_text().splitlines())


# ---------------------------------------------------------------- rows and files


def test_every_image_is_tested_once_by_each_system(faces: Faces, undisturbed: Path) -> None:
    rows = run_folder.read_rows(undisturbed / "rows.csv")
    for _, part in rows.groupby("system"):
        assert sorted(part["path"]) == sorted(faces.table["path"])
    known = faces.table.set_index("path")
    assert (rows["true"] == known.loc[rows["path"], "expression"].to_numpy()).all()
    assert (rows["subject"] == known.loc[rows["path"], "subject"].to_numpy()).all()
    assert (rows["age"] == known.loc[rows["path"], "age"].to_numpy()).all()
    assert list(rows.columns) == [
        "system", "dataset", "fold", "subject", "path", "true", "predicted", "p_anger", "p_fear", "p_happiness",
        "seed", "selection", "parameters", "commit", "frame", "sequence", "age", "detected",
    ]  # fmt: skip
    probability = rows[[f"p_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
    assert (np.array(CLASSES)[probability.argmax(axis=1)] == rows["predicted"]).all()
    assert rows.groupby("system")["parameters"].nunique().eq(1).all() and rows["parameters"].nunique() == 2
    assert set(rows["dataset"]) == {"toy"} and set(rows["selection"]) == {"last"}


def test_the_run_folder_holds_what_it_should(undisturbed: Path) -> None:
    names = {item.name for item in undisturbed.iterdir() if not item.name.startswith(".")}
    assert names >= {
        "config.yaml", "resolved.json", "folds.csv", "audit.txt", "environment.json", "rows.csv", "history.csv",
        "summary.csv", "summary.md", "figures", "fold-00", "fold-01", "fold-02",
    }  # fmt: skip
    fold = undisturbed / "fold-01" / "mean"
    assert {item.name for item in fold.iterdir()} == {
        "classes.json", "weights.safetensors", "rows.csv", "history.csv", "done.json",
    }  # fmt: skip
    figures = {item.name for item in (undisturbed / "figures").iterdir()}
    assert figures >= {"folds.png", "confusion-mean.png", "losses-again.png", "averages-mean.png"}
    environment = json.loads((undisturbed / "environment.json").read_text())
    assert environment["packages"]["torch"] and environment["torch_threads"] >= 1 and environment["commit"]
    history = pd.read_csv(undisturbed / "history.csv")
    assert len(history) == 3 * (3 + 1) and set(history["fold"]) == {0, 1, 2}


def test_summary_shows_figures_and_names_shortcuts(undisturbed: Path) -> None:
    text = (undisturbed / "summary.md").read_text()
    assert "mean" in text and "again" in text and "1 face was not detected" in text
    assert "last epoch" in text
    table = pd.read_csv(undisturbed / "summary.csv")
    assert len(table) == 2 and (table["seconds_per_fold"] >= 0).all()


def test_nothing_is_left_on_disk_without_out(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    evaluation = evaluate(Plain(), faces, PROTOCOL, progress=False)
    assert evaluation.folder is None and not list(tmp_path.iterdir())
    assert len(evaluation.rows) == len(faces) and set(evaluation.rows["system"]) == {"plain"}


def test_class_unknown_to_a_fold_gets_probability_zero(faces: Faces) -> None:
    class Narrow(Plain):
        def fit(self, faces: Faces, y: Any = None) -> Plain:
            self.classes_ = np.array(["anger", "happiness"])
            return self

    rows = evaluate(Narrow(), faces, PROTOCOL, progress=False).rows
    assert (rows["p_fear"] == 0).all() and (rows["p_anger"] == 0.5).all()


def test_names_that_look_like_numbers_stay_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({"subject": ["007", "NA"], "parameters": ["12e5", "1"], "age": [30.0, np.nan]})
    run_folder.write_csv(tmp_path / "rows.csv", frame)
    read = run_folder.read_rows(tmp_path / "rows.csv")
    assert list(read["subject"]) == ["007", "NA"] and list(read["parameters"]) == ["12e5", "1"]
    assert np.isnan(read["age"][1])


def test_seeds_have_their_own_folders_and_repeated_folds(faces: Faces, tmp_path: Path) -> None:
    same = evaluate(NearestMean(), faces, PROTOCOL, seeds=(0, 1), out=tmp_path / "same", progress=False)
    assert (tmp_path / "same" / "seed-1" / "fold-02" / "nearestmean" / "done.json").exists()
    assert len(same.rows) == 2 * len(faces) and (tmp_path / "same" / "folds.csv").exists()
    first, second = (part.reset_index(drop=True) for _, part in same.rows.groupby("seed"))
    assert (first["path"] == second["path"]).all() and not np.allclose(first["p_anger"], second["p_anger"])
    repeated = repeat(PROTOCOL, (0, 1))
    evaluate(NearestMean(), faces, repeated, seeds=(0, 1), out=tmp_path / "repeated", progress=False)
    lists = [(tmp_path / "repeated" / f"seed-{seed}" / "folds.csv").read_text() for seed in (0, 1)]
    assert lists[0] != lists[1]


# ---------------------------------------------------------------- honesty


def test_test_pixels_are_never_touched_before_the_fit_ends() -> None:
    class Spy:
        """Pictures that remember which rows were read while a fit was running."""

        def __init__(self, pixels: np.ndarray) -> None:
            self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
            self.fitting, self.seen = False, set()

        def __len__(self) -> int:
            return len(self.pixels)

        def __getitem__(self, index: np.ndarray) -> np.ndarray:
            if self.fitting:
                self.seen.update(np.atleast_1d(index).tolist())
            return self.pixels[index]

    source = make_faces()
    spy = Spy(source.pixels())
    seen: list[set[int]] = []

    class Watched(NearestMean):
        def fit(self, faces: Faces, y: Any = None, **more: Any) -> NearestMean:
            spy.fitting, spy.seen = True, set()
            try:
                return super().fit(faces, y, **more)
            finally:
                spy.fitting = False
                seen.append(spy.seen)

    spied = Faces(spy, source.to_frame(), source.attrs)
    evaluate(Watched(), spied, PROTOCOL, progress=False)
    folds = PROTOCOL.split(spied)
    assert seen == [set(fold.train.tolist()) for fold in folds]
    seen.clear()
    evaluate(Watched(), spied, PROTOCOL, selection="validation", progress=False)
    assert not any(rows & set(fold.test.tolist()) for rows, fold in zip(seen, folds, strict=True))


@pytest.mark.parametrize(("selection", "expected"), [("last", "validation=None"), ("validation", "validation=18")])
def test_validation_people_are_passed_only_on_request(
    faces: Faces, tmp_path: Path, selection: str, expected: str
) -> None:
    diary = tmp_path / "diary"
    evaluation = evaluate(NearestMean(diary=str(diary)), faces, PROTOCOL, selection=selection, progress=False)
    fits = [line for line in diary.read_text().splitlines() if line.startswith("fit")]
    assert len(fits) == 3 and all(expected in line for line in fits)
    assert set(evaluation.rows["selection"]) == {selection}
    assert count(diary, "predict") == 3  # once a fold


def test_leaks_are_refused_before_anything_runs(faces: Faces, tmp_path: Path) -> None:
    folds = PROTOCOL.split(faces)
    leaking = type(folds[0])(0, np.r_[folds[0].train, folds[0].test[:1]], folds[0].validation, folds[0].test)
    diary = tmp_path / "diary"
    with pytest.raises(ValueError, match="fold 0"):
        evaluate(NearestMean(diary=str(diary)), faces, [leaking], out=tmp_path / "run", progress=False)
    planted = NearestMean(diary=str(diary), extra_train=make_faces(1))
    with pytest.raises(ValueError, match="extra_train"):
        evaluate(planted, faces, PROTOCOL, out=tmp_path / "run", progress=False)
    assert not diary.exists() and not (tmp_path / "run").exists()


def test_peeking_changes_no_row_and_shows_its_claim(
    faces: Faces, tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture
) -> None:
    systems = {"mean": NearestMean(), "again": NearestMean(epochs=1)}
    evaluate(systems, faces, PROTOCOL, out=tmp_path, progress=False, diagnose_peeking=True)
    assert (tmp_path / "rows.csv").read_bytes() == (undisturbed / "rows.csv").read_bytes()
    table = pd.read_csv(tmp_path / "peeking.csv")
    assert len(table) == 3 * (3 + 1) and table["test_accuracy"].between(0, 1).all()
    last = table[(table["system"] == "mean") & (table["epoch"] == 3)].set_index("fold")["test_accuracy"]
    rows = run_folder.read_rows(tmp_path / "rows.csv").query("system == 'mean'")
    honest = (rows["true"] == rows["predicted"]).groupby(rows["fold"]).mean()
    np.testing.assert_allclose(last.sort_index(), honest.sort_index())
    said = capsys.readouterr().out
    best = 100 * table[table["system"] == "mean"].groupby("fold")["test_accuracy"].max().mean()
    assert f"{best:.2f} %" in said and "would have claimed" in said
    assert not list(tmp_path.rglob("epoch-*"))
    evaluate(systems, faces, PROTOCOL, out=tmp_path, progress=False, diagnose_peeking=True)  # once more: from the files
    assert pd.read_csv(tmp_path / "peeking.csv").equals(table)


# ---------------------------------------------------------------- going on


def test_a_finished_fold_is_never_run_twice(faces: Faces, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    out = tmp_path / "run"
    first = evaluate(NearestMean(diary=str(diary)), faces, PROTOCOL, out=out, progress=False)
    assert count(diary, "fit") == 3 and count(diary, "predict") == 3
    (out / "rows.csv").unlink()
    second = evaluate(NearestMean(diary=str(diary)), faces, PROTOCOL, out=out, progress=False)
    assert count(diary, "fit") == 3 and count(diary, "predict") == 3
    pd.testing.assert_frame_equal(first.rows, second.rows)
    (out / "fold-01" / "nearestmean" / "done.json").unlink()
    evaluate(NearestMean(diary=str(diary)), faces, PROTOCOL, out=out, progress=False)
    assert count(diary, "fit") == 4


def test_changed_rows_of_a_finished_fold_are_noticed(faces: Faces, tmp_path: Path) -> None:
    evaluate(Plain(), faces, PROTOCOL, out=tmp_path, progress=False)
    rows = tmp_path / "fold-00" / "plain" / "rows.csv"
    rows.write_text(rows.read_text().replace("fear", "anger", 1))
    with pytest.raises(ValueError, match=r"fold-00/plain/rows\.csv"):
        evaluate(Plain(), faces, PROTOCOL, out=tmp_path, progress=False)


RUN = """
from tests.evaluation import runner_fakes
from ferdis.evaluation.runner import evaluate
systems = {"mean": runner_fakes.NearestMean(diary=%r), "again": runner_fakes.NearestMean(epochs=1)}
evaluate(systems, runner_fakes.make_faces(), runner_fakes.PROTOCOL, out=%r, n_jobs=%d, progress=False)
"""


def start(out: Path, diary: Path, n_jobs: int) -> subprocess.Popen:
    """A run in a process of its own, slow enough to be caught in the middle."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
        "FERDIS_TEST_WAIT": "1",
    }
    script = RUN % (str(diary), str(out), n_jobs)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(what: Any, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_rows(tmp_path: Path, undisturbed: Path, faces: Faces, n_jobs: int) -> None:
    out, diary = tmp_path / "run", tmp_path / "diary"
    process = start(out, diary, n_jobs)
    # In the middle: one fold is finished, and an epoch of another is behind us.
    wait_for(lambda: list(out.rglob("done.json")) and list(out.rglob("checkpoint.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1 if n_jobs > 1 else 0)  # orphaned workers notice within half a second
    finished = sorted(out.rglob("done.json"))
    assert finished and len(finished) < 6
    stamps = [path.stat().st_mtime_ns for path in finished]
    before = diary.read_text()
    time.sleep(1.2)
    assert diary.read_text() == before, "a worker outlived the run"
    systems = {"mean": NearestMean(diary=str(diary)), "again": NearestMean(epochs=1)}
    evaluate(systems, faces, PROTOCOL, out=out, n_jobs=n_jobs, progress=False)
    columns = ["parameters", "commit"]  # the diary is a parameter of the test alone
    rows = [run_folder.read_rows(folder / "rows.csv").drop(columns=columns) for folder in (out, undisturbed)]
    pd.testing.assert_frame_equal(*rows)
    assert [path.stat().st_mtime_ns for path in finished] == stamps
    assert any(run_folder.read_json(path)["resumed"] for path in out.rglob("done.json"))
    assert count(diary, "epoch") <= 3 * 3 + n_jobs, "only what was running at the kill is done again"
    assert len(run_folder.read_json(out / "environment.json")["earlier"]) == 1


@pytest.mark.slow
def test_ctrl_c_keeps_finished_folds_and_says_little(tmp_path: Path) -> None:
    out, diary = tmp_path / "run", tmp_path / "diary"
    process = start(out, diary, 2)
    wait_for(lambda: diary.exists() and list(out.rglob("done.json")))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, said = process.communicate(timeout=100)
    assert process.returncode != 0 and said.count("KeyboardInterrupt") == 1, said
    assert list(out.rglob("done.json")) and not (out / "rows.csv").exists()
    before = diary.read_text()
    time.sleep(1.2)
    assert diary.read_text() == before, "a worker outlived the run"


def test_two_processes_give_the_rows_of_one(faces: Faces, tmp_path: Path, undisturbed: Path) -> None:
    systems = {"mean": NearestMean(), "again": NearestMean(epochs=1)}
    evaluate(systems, faces, PROTOCOL, out=tmp_path, n_jobs=2, progress=False)
    assert (tmp_path / "rows.csv").read_bytes() == (undisturbed / "rows.csv").read_bytes()


def test_workers_share_the_pictures_of_one_memory_map(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    large = make_faces(size=104)  # 1.7 MB: smaller arrays are simply sent along
    rows = evaluate(NearestMean(diary=str(diary)), large, PROTOCOL, n_jobs=2, progress=False).rows
    assert len(rows) == len(large) and count(diary, "images memmap") == 3


def test_a_worker_that_dies_is_tried_again(faces: Faces, tmp_path: Path) -> None:
    system = NearestMean(die_once=str(tmp_path / "died"))
    rows = evaluate(system, faces, PROTOCOL, n_jobs=2, progress=False).rows
    assert (tmp_path / "died").exists() and len(rows) == len(faces)


# ---------------------------------------------------------------- one clear line


def test_another_configuration_is_refused_with_its_key(faces: Faces, tmp_path: Path) -> None:
    evaluate(NearestMean(epochs=1), faces, PROTOCOL, out=tmp_path, progress=False)
    before = (tmp_path / "rows.csv").read_bytes()
    for change, key in (
        ({"estimators": NearestMean(epochs=2)}, r"systems\.nearestmean\.epochs: 1 there, 2 now"),
        ({"seeds": (4,)}, "seeds"),
        ({"selection": "validation"}, "selection: last there, validation now"),
        ({"protocol": SubjectKFold(3, seed=5)}, r"protocol\.seed"),
        ({"faces": make_faces(10)}, r"faces\.images: 54 there, 60 now"),
        ({"dataset": "other"}, "dataset"),
    ):
        arguments = {"estimators": NearestMean(epochs=1), "faces": faces, "protocol": PROTOCOL, **change}
        with pytest.raises(ValueError, match=key) as error:
            evaluate(**arguments, out=tmp_path, progress=False)  # type: ignore[arg-type]
        assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    given = PROTOCOL.split(faces)
    evaluate(Plain(), faces, given, out=tmp_path / "given", progress=False)
    with pytest.raises(ValueError, match=r"folds\.csv holds other folds"):
        evaluate(Plain(), faces, SubjectKFold(4).split(faces), out=tmp_path / "given", progress=False)
    assert (tmp_path / "rows.csv").read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(faces: Faces, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="holds no run"):
        evaluate(Plain(), faces, PROTOCOL, out=tmp_path, progress=False)


def test_a_folder_in_use_is_refused(faces: Faces, tmp_path: Path) -> None:
    with run_folder.RunFolder(tmp_path).locked(), pytest.raises(ValueError, match="in use"):
        evaluate(Plain(), faces, PROTOCOL, out=tmp_path, progress=False)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_fold_is_named_and_the_others_are_kept(faces: Faces, tmp_path: Path, n_jobs: int) -> None:
    systems = {"bad": NearestMean(fail_on="t/004"), "good": NearestMean()}
    with pytest.raises(EvaluationError) as error:
        evaluate(systems, faces, PROTOCOL, out=tmp_path, n_jobs=n_jobs, progress=False)
    message = str(error.value)
    folds = [fold.index for fold in PROTOCOL.split(faces) if "t/004" not in faces.subject[fold.train]]
    assert "\n" not in message and "2 of 6 fits failed" in message and "the other 4" in message
    assert all(f"bad, fold {index}, seed 0: cannot do without t/004" in message for index in folds)
    assert len(list(tmp_path.rglob("done.json"))) == 4 and not (tmp_path / "rows.csv").exists()
    for index in folds:
        assert "Traceback" in (tmp_path / f"fold-{index:02d}" / "bad" / "error.txt").read_text()


def test_a_full_disk_ends_in_one_line(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(NearestMean):
        def save(self, folder: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    diary = tmp_path / "diary"
    with pytest.raises(DiskError, match="disk is full") as error:
        evaluate(Full(diary=str(diary)), faces, PROTOCOL, out=tmp_path / "run", progress=False)
    assert "fold-00" in str(error.value) and "\n" not in str(error.value)
    assert count(diary, "fit") == 1, "the others would fail as well"

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"config\.yaml: the disk is full"):
        evaluate(Plain(), faces, PROTOCOL, out=tmp_path / "other", progress=False)
    assert not list((tmp_path / "other").glob("*.yaml"))


def test_an_unwritable_place_is_named(faces: Faces, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be written"):
        evaluate(Plain(), faces, PROTOCOL, out=tmp_path / "file" / "run", progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": {}}, "at least one system"),
        ({"estimators": {"a/b": Plain()}}, "'a/b' cannot name a folder"),
        ({"selection": "best"}, "selection='best'"),
        ({"selection": "validation"}, "takes no validation="),
        ({"seeds": (1, 1)}, "different integers"),
        ({"seeds": ()}, "different integers"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"diagnose_peeking": True}, "takes no keep_epochs="),
        ({"estimators": NearestMean(), "protocol": SubjectKFold(3, validation_folds=0), "selection": "validation"},
         "fold 0 has no validation people"),
        ({"protocol": SubjectKFold(10)}, "9 people"),
        ({"protocol": []}, "no folds"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(faces: Faces, change: dict[str, Any], message: str) -> None:
    arguments = {"estimators": Plain(), "faces": faces, "protocol": PROTOCOL, "progress": False, **change}
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda n: np.zeros((n, 2)), "shape"),
        (lambda n: np.full((n, 3), np.nan), "not finite"),
    ],
)
def test_bad_probabilities_are_refused(faces: Faces, wrong: Any, message: str) -> None:
    class Wrong(Plain):
        def predict_proba(self, faces: Faces) -> np.ndarray:
            return wrong(len(faces))

    with pytest.raises(ValueError, match=message):
        fit_and_score.class_probabilities(Wrong().fit(faces), faces, faces.classes)
