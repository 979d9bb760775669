"""`ferdis sweep` and what `ferdis kfold` makes of its winners, in-process on tiny inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ferdis import cli

DATA = ["--dataset.people=6", "--dataset.images_per_expression=1", "--dataset.image_size=36", "--dataset.expressions",
        "anger", "happiness", "--near-duplicates=false", "--folds=2", "--protocol.validation_folds=0"]  # fmt: skip
TINY = ["--system=cnn", "--preset=small", "--cnn.image_size=36", "--cnn.crop_size=32", "--cnn.epochs=1",
        "--cnn.encoder_channels=[4,4,4,4,4]"]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.evaluation.runner.draw", lambda *_: None)
    monkeypatch.setattr("ferdis.evaluation.runner.tell_estimate", lambda *_: None)
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text("learning_rate: {low: 1e-4, high: 1e-2, log: true}\n")
    return path


def said(capsys: pytest.CaptureFixture[str], status: int, *argv: object) -> str:
    """What a line printed: its output, or its one error."""
    capsys.readouterr()
    assert cli.main([str(item) for item in argv]) == status, capsys.readouterr().err
    printed = capsys.readouterr()
    if not status:
        return printed.out
    errors = [line for line in printed.err.splitlines() if line.startswith("ferdis: error: ")]
    assert len(errors) == 1 and "Traceback" not in printed.err, printed.err
    return errors[0]


def test_from_a_space_to_rows(tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, best = tmp_path / "sweep", tmp_path / "sweep" / "best"
    sweep = ["sweep", *TINY, *DATA, "--space", space, "--trials", 2, "--inner-folds", 2, "--out", out]
    told = said(capsys, 0, *sweep, "--progress", "false")
    assert "| fold-01 |" in told and f"ferdis kfold --config {best}" in told
    rate = [yaml.safe_load((best / f"fold-0{k}.yaml").read_text())["tuned"][0]["parameters"]["learning_rate"]
            for k in (0, 1)]  # fmt: skip

    run = tmp_path / "run"
    kfold = ["kfold", "--progress", "false", "--out", run]
    assert "| cnn |" in said(capsys, 0, *kfold, "--config", best)
    for k in (0, 1):
        fitted = yaml.safe_load((run / f"fold-0{k}" / "cnn" / "estimator.json").read_text())
        assert fitted["parameters"]["learning_rate"] == pytest.approx(rate[k])
    again = said(
        capsys, 0, "kfold", "--config", run / "config.yaml", "--progress", "false", "--out", tmp_path / "twice"
    )
    assert "| cnn |" in again, "a run's own configuration holds its winners"

    other = ["kfold", "--progress", "false", "--out", tmp_path / "other"]
    assert "fold 0: cnn was tuned on" in said(capsys, 2, *other, "--config", best / "fold-01.yaml")
    assert "finished: fold 1" in said(capsys, 0, *other, "--config", best / "fold-01.yaml", "--only-folds", 1)
    clash = said(capsys, 2, *other, "--config", best, "--cnn.learning_rate", 0.1)
    assert "--cnn.learning_rate is what the sweep has chosen" in clash

    (best / "fold-02.yaml").write_text((best / "fold-01.yaml").read_text().replace("epochs: 1", "epochs: 2"))
    assert "fold-02.yaml is of another sweep" in said(capsys, 2, *kfold, "--config", best)
    assert "but not of winners" in said(capsys, 2, *kfold, "--config", tmp_path)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--space", "/no/such.yaml"], "/no/such.yaml: no such file"),
        ([], "space"),
        (["--space", "SPACE", "--system", "cnn", "resnet"], "sweep takes one system"),
        (["--space", "SPACE", "--storage", "sweep.db"], "write sqlite:///sweep.db"),
        (["--space", "SPACE", "--trials", "0"], "trials=0"),
        (["--space", "SPACE", "--tune-people", "6"], "leaves nobody to test on"),
    ],
)
def test_a_line_that_cannot_be_run(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    given = [space if item == "SPACE" else item for item in argv]
    assert says in said(capsys, 2, "sweep", *TINY, *DATA, "--out", tmp_path / "s", *given)
