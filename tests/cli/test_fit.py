"""`ferdis fit`: from a data set, like a finished run, and what of a line it refuses."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ferdis import cli
from ferdis.cli import fit
from ferdis.cli.arguments import UsageError
from ferdis.cli.building import Experiment
from ferdis.protocol import SubjectKFold
from ferdis.saved_models import evidence_of, load_model
from tests.cli.test_cli import ferdis as ferdis  # the fixture
from tests.cli.test_cli import line, only_error, write_manifest
from tests.evaluation.runner_fakes import NearestMean, make_faces

RUN = {
    "dataset": {"name": "manifest", "root": "faces"}, "system": ["cnn", "other=cnn"], "preset": "small",
    "cnn": {"epochs": 2}, "other": {"epochs": 3},
}  # fmt: skip
FOLDS = {"name": "subject-kfold", "n_splits": 4, "validation_folds": 1}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (tmp_path / "resolved.json").touch()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(RUN))
    return tmp_path


def test_a_line_like_a_run_has_its_arguments_and_then_its_own(run_folder: Path) -> None:
    argv, like = fit._like(["--like", str(run_folder), "--system", "other", "--other.epochs", "5"])
    assert like == run_folder
    assert argv == ["--system=other=cnn", "--preset=small", "--dataset.name=manifest", "--dataset.root=faces",
                    "--other.epochs=3", "--other.epochs", "5"]  # fmt: skip
    with pytest.raises(UsageError, match="it has several systems; name one of cnn, other with --system"):
        fit._like(["--like", str(run_folder)])


def test_those_who_choose_the_epoch_are_the_validation_people_of_the_first_fold() -> None:
    faces = make_faces(12)
    fold = SubjectKFold(4, validation_folds=1).split(faces)[0]
    fitted, validation = fit._held_out({"protocol": FOLDS}, faces)
    assert set(validation.subject) == set(faces.subject[fold.validation])
    assert set(fitted.subject) == set(faces.subject) - set(validation.subject) and len(fitted) + len(validation) == 72


@pytest.mark.parametrize("selection", ["last", "validation"])
def test_what_a_run_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: str) -> None:
    faces, given = make_faces(12), dict[str, Any]()
    settings = {"out": str(tmp_path / "model"), "seed": 7, "progress": False}
    arguments = {"dataset": {"name": "manifest"}, "seed": 7, "out": "x", "progress": False}
    experiment = Experiment({"cnn": NearestMean()}, faces, None, settings, arguments, "manifest")
    measured = SimpleNamespace(record={"selection": selection}, config={"protocol": FOLDS})
    monkeypatch.setattr(fit, "_like", lambda argv: (argv, tmp_path / "run"))
    monkeypatch.setattr(fit, "check_line", lambda *_: None)
    monkeypatch.setattr(fit, "read_experiment", lambda *_: experiment)
    monkeypatch.setattr("ferdis.run_folder.read_run", lambda _: measured)
    monkeypatch.setattr("ferdis.evaluation.final_fit.common_winner", lambda run, label: {"epochs": 50 + len(label)})
    monkeypatch.setattr(
        "ferdis.evaluation.final_fit.fit_final",
        lambda estimator, faces, out, **more: given.update(more, estimator=estimator, faces=faces, out=out),
    )
    monkeypatch.setattr("ferdis.saved_models.evidence_of", lambda _: None)
    monkeypatch.setattr(NearestMean, "set_params", lambda self, **new: vars(self).update(new))
    fit.run([])
    assert given["seed"] == 7 and given["like"] == tmp_path / "run" and given["system"] == "cnn"
    assert given["estimator"].epochs == 53, "the winner's"
    assert given["out"] == tmp_path / "model" and given["arguments"] == {"dataset": {"name": "manifest"}, "seed": 7}
    held_out = 0 if given["validation"] is None else len(given["validation"])
    assert (held_out > 0) == (selection == "validation") and len(given["faces"]) == len(faces) - held_out


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A manifest and the folder of a finished run of it."""
    root, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("runs") / "mine"
    write_manifest(root)
    assert cli.main([str(item) for item in line(root, out, "--seeds", 0)]) == 0
    return root, out


def test_like_a_run(ferdis, measured: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = measured
    result = ferdis("fit", "--like", run, "--out", tmp_path / "model", "--progress", "false")
    assert result.status == 0, result.err
    assert "resnet fitted on 16 images of 4 people" in result.out and "mine measured the recipe" in result.out
    model = load_model(tmp_path / "model")
    assert model.epochs == 1 and model.image_size == 32
    evidence = evidence_of(tmp_path / "model")
    assert evidence is not None and evidence.training_images == 16 and not evidence.others
    config = yaml.safe_load((tmp_path / "model" / "config.yaml").read_text())
    assert config["dataset"]["root"] == str(root)
    assert ferdis("fit", "--config", tmp_path / "model" / "config.yaml", "--out", tmp_path / "again").status == 0
    digests = [load_model(tmp_path / name).training_digest_ for name in ("model", "again")]
    assert digests[0] == digests[1]
    photograph = next(root.glob("*.png"))
    predicted = ferdis("predict", tmp_path / "model", photograph, "--crops", "--format", "csv", "--progress", "false")
    assert predicted.status == 0, predicted.err
    assert next(csv.DictReader(predicted.out.splitlines()))["expression"] in ("anger", "happiness")


def test_a_changed_argument_is_fitted_and_not_cited(ferdis, measured: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = measured
    result = ferdis("fit", "--like", run, "--resnet.epochs", 2, "--out", tmp_path / "model")
    assert result.status == 0, result.err
    assert "measured the recipe" not in result.out
    assert "epochs: 1 there, 2 now" in (tmp_path / "model" / "card.md").read_text()


def test_a_run_named_to_predict_or_export_names_the_cure(ferdis, measured: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = measured
    for argv in (["predict", run, next(root.glob("*.png"))], ["export", run, "--out", tmp_path / "m.onnx"]):
        result = ferdis(*argv)
        assert result.status == cli.USER_ERROR and f"`ferdis fit --like {run}`" in only_error(result)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fit"], "fit takes one system: name it, as in --system ifgan"),
        (["fit", "--system", "ifgan", "resnet"], "fit takes one system"),
        (["fit", "--like", "nowhere"], "--like nowhere: no run folder"),
        (["fit", "--like"], "--like needs one run folder"),
        (["fit", "--like", "RUN", "--system", "ifgan"], "it has no system 'ifgan'; name one of resnet"),
        (["fit", "--like", "RUN", "--folds", "3"], "--folds"),
    ],
)
def test_refusals(ferdis, measured: tuple[Path, Path], argv: list[str], says: str) -> None:
    result = ferdis(*(str(measured[1]) if item == "RUN" else item for item in argv))
    assert result.status == cli.USER_ERROR and says in only_error(result)
