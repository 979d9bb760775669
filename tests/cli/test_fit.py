"""`ferdis fit`: from a data set, like a finished run, and what of a line it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from ferdis import cli
from ferdis.saved_models import evidence_of, load_model
from tests.cli.test_cli import ferdis as ferdis  # the fixture
from tests.cli.test_cli import line, only_error, write_manifest


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
