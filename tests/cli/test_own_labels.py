"""Labels of somebody's own, and images of people who are not known, through every verb."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import Faces, SubjectKFold, cli, evaluate
from ferdis.report import write_report
from tests.cli.test_cli import ferdis as ferdis  # the fixture
from tests.cli.test_cli import line, only_error
from tests.evaluation.runner_fakes import NearestMean

LABELS = ("=1+1", "engaged", "pain, 3", "neutral")
TINY = ["--preset", "small", "--system.epochs", 1, "--system.image_size", 32, "--system.crop_size", 32]
PIXELS = ["--dataset.align", "false", "--dataset.image_size", 32, "--dataset.cache", "false"]


def write_images(root: Path, people: int = 4) -> Path:
    """A manifest of noise, as bright as its class is late."""
    random = np.random.default_rng(0)
    root.mkdir(parents=True)
    rows = []
    for person in range(people):
        for number, label in enumerate(LABELS):
            name = f"p{person}-{number}.png"
            pixels = random.integers(0, 60, (32, 32, 3)) + 60 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name)
            rows.append({"path": name, "expression": label, "subject": f"p{person}"})
    pd.DataFrame(rows).to_csv(root / "faces.csv", index=False)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A manifest with labels of its own, and the folder of a run of it."""
    root, out = write_images(tmp_path_factory.mktemp("data") / "own"), tmp_path_factory.mktemp("runs") / "own"
    assert cli.main([str(item) for item in line(root, out)]) == 0
    return root, out


def test_a_run_and_its_report(ferdis, run: tuple[Path, Path], tmp_path: Path) -> None:
    from ferdis.run_folder import read_rows

    rows = read_rows(run[1] / "rows.csv")
    assert set(rows["true"]) == set(LABELS) and len(rows) == 16
    assert [name for name in rows if name.startswith("p_")] == [f"p_{name}" for name in sorted(LABELS)]
    np.testing.assert_allclose(rows.filter(like="p_").sum(axis=1), 1, atol=1e-5)
    report = ferdis("report", run[1], "--out", tmp_path / "report")
    assert report.status == 0, report.err
    page = next((tmp_path / "report").glob("*.html")).read_text()
    assert all(label in page for label in LABELS)


def test_a_model_of_everybody_predicts_and_is_exported(ferdis, run: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    root, out = run
    assert ferdis("fit", "--like", out, "--out", tmp_path / "model").status == 0
    assert ferdis("export", tmp_path / "model", "--out", tmp_path / "m.onnx").status == 0
    for model in (tmp_path / "model", tmp_path / "m.onnx"):
        result = ferdis("predict", model, root / "p0-1.png", "--crops", "--format", "csv", "--progress", "false")
        assert result.status == 0, result.err
        (row,) = csv.DictReader(result.out.splitlines())
        assert row["expression"].lstrip("'") in LABELS and set(row) > {f"p_{name}" for name in LABELS}
    assert "=1+1, engaged, neutral, pain, 3" in (tmp_path / "m.md").read_text()


def test_people_who_are_not_known(ferdis, tmp_path: Path) -> None:
    root = tmp_path / "own"
    for number, label in enumerate(("bored", "engaged")):
        (root / label).mkdir(parents=True)
        for image in range(4):
            pixels = np.random.default_rng(image).integers(0, 99, (32, 32, 3)) + 100 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"{image}.png")
    data = ["--dataset", "folder", "--dataset.root", root, *PIXELS]
    fit = ferdis("fit", "--system", "resnet", *TINY, *data, "--out", tmp_path / "model")
    assert fit.status == 0, fit.err
    assert "can be fitted and predicted, not split by person" in fit.err
    result = ferdis("predict", tmp_path / "model", root, "--crops", "--format", "csv", "--progress", "false")
    assert result.status == 0 and {row["expression"] for row in csv.DictReader(result.out.splitlines())} <= {
        "bored",
        "engaged",
    }
    refused = ferdis("kfold", "--system", "resnet", *TINY, *data, "--folds", 3, "--out", tmp_path / "run")
    assert refused.status == cli.USER_ERROR and "have no subject column" in only_error(refused)


def test_a_hundred_classes(tmp_path: Path) -> None:
    """Through k-fold and report; each class has an image of each of two people. A thousand take minutes."""
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3)).astype(np.uint8)
    table = pd.DataFrame(
        {"expression": [f"class {k:02d}" for k in range(100)] * 2, "subject": ["n/a"] * 100 + ["n/b"] * 100}
    )
    protocol = SubjectKFold(2, validation_folds=0)
    result = evaluate(
        NearestMean(epochs=1), Faces(images, table), protocol, out=tmp_path / "run", progress=False,
        near_duplicates=False,
    )  # fmt: skip
    assert len(result.rows) == 200 and len([name for name in result.rows if name.startswith("p_")]) == 100
    assert write_report([tmp_path / "run"], out=tmp_path / "report").is_file()


def test_no_cache_means_no_folder_of_that_name(ferdis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_images(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert ferdis(*line(root, tmp_path / "run"), "--dataset.cache", "false").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "run"]
