"""`ferdis disentangle` on small runs: what it writes, whom it measures on, and one line for whatever is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from ferdis import RELGAN, BaselineCNN, SubjectKFold, cli, evaluate, load
from ferdis._io import sealed
from ferdis.disentanglement import report
from ferdis.disentanglement.report import finished_fits, further_people, grid_rows, load_fit, scored_faces, seen_people
from ferdis.evaluators import judges
from ferdis.faces import Faces
from ferdis.metrics import disentanglement
from tests.evaluation.runner_fakes import reseal
from tests.painted import CLASSES, painted

NARROW: dict[str, Any] = {"encoder_channels": (4, 4, 8, 8, 8), "image_size": 36, "crop_size": 32, "progress": False}
PEOPLE: dict[str, Any] = {"people": 4, "expressions": "fear,happiness,neutral", "images_per_expression": 1}


@pytest.fixture(scope="module")
def drawn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of two systems on synthetic people of 36x36, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "drawn"
    systems = {
        "cnn": BaselineCNN.small(epochs=1, **NARROW),
        "relgan": RELGAN.small(
            epochs=1,
            mlp_epochs=1,
            truths=1,
            decoder_channels=(8, 8, 8, 4, 4),
            discriminator_channels=(4, 4, 8, 8),
            **NARROW,
        ),
    }
    faces = load("synthetic", **PEOPLE, image_size=36, seed=3, cache=False)
    evaluate(systems, faces, SubjectKFold(2, validation_folds=0), out=out, progress=False)
    return out


@pytest.fixture
def run(drawn_run: Path, tmp_path: Path) -> Path:
    """A copy that a test may write into or damage."""
    return Path(shutil.copytree(drawn_run, tmp_path / "run"))


class Judge:
    """Stands for both judges."""

    own = "90.0 % of 10 images of 5 people it never saw"

    def refuse_overlap(self, faces: Faces) -> None:
        assert len(set(faces.subject)) == 5

    def agreement(self, images: np.ndarray, expression: np.ndarray) -> Any:
        return SimpleNamespace(value=0.5)

    def embed(self, images: np.ndarray) -> np.ndarray:
        return np.ones((len(images), 2)) / 2**0.5

    def nearer(self, *embeddings: np.ndarray) -> Any:
        return SimpleNamespace(value=0.75)


def test_the_report_of_a_run(run, monkeypatch, capsys):
    monkeypatch.setattr(disentanglement, "_TREES", 4)
    monkeypatch.setattr(judges, "standard_judges", lambda load, **what: (Judge(), Judge()))
    table = report.run(str(run), people=5, images=4)
    assert list(table["representation"]) == ["features", "expression representation", "identity representation"]
    rows = pd.read_csv(run / "disentanglement.csv")
    assert len(rows) == 6 and set(rows["fold"]) == {0, 1}
    assert set(rows["people"]) == {5} and set(rows["images"]) == {20}
    assert (rows["identity_chance"] == 0.2).all() and rows["mig"].notna().all()
    text = (run / "disentanglement.md").read_text()
    assert text in capsys.readouterr().out
    for said in (
        "5 further people",
        "as a share of that of cnn",
        "| relgan | expression representation | 30 (",
        "Means of 2 fits",
        "The expression judge itself: 90.0 %",
        "50.0 ± 0.0",
        "75.0 ± 0.0",
        "cosine with the source's",
    ):
        assert said in text
    record = json.loads((run / "disentanglement.json").read_text())
    assert len(record["transfers"]) == 2 and record["transfers"][0]["pairs"] == 20
    drawn = {path.name for path in (run / "figures").glob("*.png")}
    assert {
        "representations-cnn.png",
        "representations-relgan.png",
        "identity-relgan.png",
        "transfer-relgan.png",
        "transfer-truth-relgan.png",
    } <= drawn


def test_faces_that_a_run_does_not_list_are_named(run):
    record = json.loads((run / "resolved.json").read_text())
    record["systems"]["relgan"]["pretrain"] = {"faces_digest": "12ab", "faces": "Faces(9 images of 36x36, ...)"}
    (run / "resolved.json").write_text(json.dumps(record))
    reseal(run)
    said = report._further_training(run)
    assert said.startswith("- relgan also learned from pretrain=Faces(9 images") and said.count("\n") == 1


def test_test_people_of_each_fold_from_the_shell(run, monkeypatch, capsys):
    """The data set is found again in config.yaml, and each fold is measured on people of its own."""
    monkeypatch.setattr(disentanglement, "_TREES", 4)
    (run / "config.yaml").write_text(
        "dataset: {name: synthetic, people: 4, expressions: 'fear,happiness,neutral', images_per_expression: 1, "
        "image_size: 36, seed: 3, cache: false}\n"
    )
    reseal(run)
    assert cli.main(["disentangle", str(run), "--on", "test", "--transfers", "false", "--baseline", "relgan"]) == 0
    rows = pd.read_csv(run / "disentanglement.csv")
    assert set(rows["people"]) == {2} and set(rows["images"]) == {6}
    assert "each fold's own test people" in capsys.readouterr().out
    fit = finished_fits(run)[0]
    tested = scored_faces(fit, load("synthetic", **PEOPLE, image_size=36, seed=3, cache=False))
    folds = pd.read_csv(run / "folds.csv")
    mine = folds[(folds["fold"] == fit.fold) & (folds["part"] == "test")]
    assert set(tested.table["path"]) == set(mine["path"])


def test_further_people_are_nobody_the_run_knows(run):
    faces = further_people(run, people=3, images=4)
    assert sorted(set(faces.subject)) == ["synthetic/s3/P0004", "synthetic/s3/P0005", "synthetic/s3/P0006"]
    assert not set(faces.subject) & seen_people(run) and len(seen_people(run)) == 4
    assert faces.shape == (12, 36, 36, 3) and set(faces.classes) <= {"fear", "happiness", "neutral"}


def test_weights_come_back_as_they_were(run):
    fits = finished_fits(run)
    assert [(fit.fold, fit.system, fit.kind) for fit in fits] == [
        (0, "cnn", "BaselineCNN"), (0, "relgan", "RELGAN"), (1, "cnn", "BaselineCNN"), (1, "relgan", "RELGAN"),
    ]  # fmt: skip
    faces = load("synthetic", **PEOPLE, image_size=36, seed=3, cache=False)
    rows = pd.read_csv(fits[1].folder / "rows.csv")
    probability = load_fit(fits[1]).predict_proba(scored_faces(fits[1], faces))
    np.testing.assert_allclose(probability[:, 0], rows["p_fear"], atol=1e-5)


def test_a_system_that_needs_a_persons_images_is_left_out_and_named(run, capsys):
    for folder in run.glob("fold-*/cnn"):
        (folder / "person_mean.json").write_text("{}")
    assert [(fit.fold, fit.system) for fit in finished_fits(run)] == [(0, "relgan"), (1, "relgan")]
    assert "not measured: cnn, which need other images of a person" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "options", "says"),
    [
        (lambda run: shutil.rmtree(run), [], "does not exist"),
        (lambda run: (run / "resolved.json").unlink(), [], "holds no run (no resolved.json)"),
        (lambda run: [path.unlink() for path in run.rglob("done.json")], [], "no fold is finished"),
        (lambda run: [path.unlink() for path in run.rglob("estimator.json")], [], "holds no saved weights"),
        (lambda run: None, ["--on", "somewhere"], "on='somewhere'"),
        (lambda run: None, ["--on", "test"], "config.yaml does not say how 'synthetic' was loaded"),
        (lambda run: None, ["--images", "1"], "images=1: two or more"),
        (lambda run: None, ["--people", "1"], "two people"),
        (lambda run: None, ["--baseline", "vgg"], "no system 'vgg'"),
        (lambda run: None, ["--faces", "{name: synthetic, people: 2, seed: 3}"], "the run's own people"),
        (lambda run: _rename(run, "RELGAN", "OLDGAN"), ["--images", "2"], "holds a OLDGAN, which is no system"),
        (lambda run: _rename(run, "synthetic/s3/P0001/normal", "elsewhere"), [], "not made on synthetic people of one"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(run, damage, options, says, capsys):
    damage(run)
    status = cli.main(["disentangle", str(run), "--transfers", "false", *options])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2 and error.startswith("ferdis: error: ") and says in error


def _rename(run: Path, old: str, new: str) -> None:
    for path in (run / "resolved.json", run / "folds.csv", *run.rglob("estimator.json")):
        path.write_text(path.read_text().replace(old, new))
        if path.name == "estimator.json":
            path.write_text(json.dumps(sealed(json.loads(path.read_text()))))
    reseal(run)


class Guess(BaseEstimator):
    """A system without representations and without weights."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, faces: Faces) -> Guess:
        """Nothing to learn."""
        self.classes_ = np.array(CLASSES)
        return self

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """The first class."""
        return np.eye(3)[np.zeros(len(faces), int)]


def test_a_system_that_saves_nothing_is_one_clear_line(tmp_path, capsys):
    evaluate({"guess": Guess()}, painted(4), SubjectKFold(2, validation_folds=0), out=tmp_path / "run", progress=False)
    assert cli.main(["disentangle", str(tmp_path / "run")]) == 2
    assert "holds no saved weights: its system has no save()" in capsys.readouterr().err


def test_a_grid_shows_each_expression_and_other_people():
    faces = painted(8, 1)
    sources, targets = grid_rows(faces)
    assert list(faces.expression[sources]) == list(CLASSES) and len(set(faces.subject[sources])) == 3
    assert len(targets) == 5 and len(set(faces.subject[targets])) == 5
    assert not set(faces.subject[sources]) & set(faces.subject[targets])


def test_the_first_system_that_draws_nothing_is_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, features = RELGAN.small(), BaselineCNN.small()
    systems = {"cnn": features, "resnet": features, "relgan": drawing}
    monkeypatch.setattr(report, "load_fit", lambda fit: systems[fit.system])
    fits = [report.Fit(0, fold, name, "", Path()) for fold in (0, 1) for name in ("relgan", "resnet", "cnn")]
    assert report._baseline(fits, None) == "resnet" and report._baseline(fits, "cnn") == "cnn"
    assert report._baseline([fit for fit in fits if fit.system == "relgan"], None) is None


def test_transfers_stand_with_the_deviation_of_a_sample_of_folds() -> None:
    names = ("distance", "distance_identity_baseline", "distance_oracle", "gain", "expression", "expression_of_truth",
             "expression_share", "identity", "identity_of_truth")  # fmt: skip
    told = {"expression_judge": "a", "identity_judge": "b"}
    rows = [{"system": "relgan", "pairs": 9, **told, **dict.fromkeys(names, value)} for value in (0.5, 0.7)]
    (line,) = [line for line in "\n".join(report._transfer_table(pd.DataFrame(rows))).splitlines() if "relgan" in line]
    assert line.count("60.0 ± 14.1") == 2 and "0.600" in line and "60 %" in line
