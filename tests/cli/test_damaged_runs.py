"""Every file of a finished run, damaged in ten ways: one line that names it, or the very same result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferdis import cli, run_folder
from ferdis._io import sealed
from ferdis.disentanglement import report as disentangling
from ferdis.evaluation.finishing import gather
from ferdis.export import command as exporting
from ferdis.report import sections, write_report
from ferdis.report.page import Drawing
from ferdis.saved_models import evidence_of, load_model
from tests.damage import DAMAGES
from tests.evaluation.runner_fakes import reseal

ROOT = ("config.yaml", "resolved.json", "audit.txt", "folds.csv", "environment.json", "rows.csv", "history.csv",
        "summary.csv", "summary.md", "seal.json")  # fmt: skip
TABLES = ("fold-00/cnn/done.json", "fold-00/cnn/rows.csv", "fold-00/cnn/history.csv")
MODEL = ("fold-00/cnn/estimator.json", "fold-00/cnn/weights.safetensors")
# What each command reads; of the rest it says nothing.
READ = {
    "report": {*ROOT, *TABLES},
    "predict": {*TABLES, *MODEL},
    "export": {"config.yaml", "resolved.json", "folds.csv", "seal.json", *TABLES, *MODEL},
    "disentangle": {"config.yaml", "resolved.json", "seal.json", *TABLES, *MODEL},
    "kfold": {"resolved.json", "folds.csv", "environment.json", "seal.json", *TABLES},
}
FEW = ("missing key", "binary", "truncated")  # kfold loads its data first, which takes a while


def kfold(out: Path) -> list[str]:
    """A line that runs in seconds, or less where everything is finished."""
    data = ["--dataset", "synthetic", "--dataset.people", "4", "--dataset.image_size", "36", "--dataset.expressions",
            "[fear, happiness]", "--dataset.images_per_expression", "2"]  # fmt: skip
    tiny = ["--cnn.encoder_channels", "[4, 4, 8, 8, 8]", "--cnn.image_size", "36", "--cnn.crop_size", "32"]
    folds = ["--folds", "2", "--protocol.validation_folds", "0", "--near_duplicates", "false", "--progress", "false"]
    return ["kfold", "--system", "cnn", "--preset", "small", "--system.epochs", "1", *tiny, *data, *folds, "--out",
            str(out)]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferdis.evaluation.runner.draw", lambda *_: None)
        assert cli.main(kfold(out)) == 0
    return out


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


class Commands:
    """The command line, with what comes after reading cut short; each answer holds what was read."""

    def __init__(self, tmp_path: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.tmp_path, self.capsys = tmp_path, capsys
        self.image = tmp_path / "face.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (36, 36, 3), np.uint8)).save(self.image)
        self.answer: Any = None
        patch.setattr("ferdis.evaluation.runner.draw", lambda *_: None)
        patch.setattr(sections, "drawing", lambda name, figure, caption: Drawing(name, caption, b"", 1))
        patch.setattr(exporting, "export", self.exported)
        patch.setattr(exporting.Evidence, "faces", lambda evidence: (None, None))
        patch.setattr(disentangling, "representation_records", self.measured)
        patch.setattr(disentangling, "summary", lambda rows, baseline: rows)
        patch.setattr(disentangling, "_markdown", lambda *_: "")
        patch.setattr(disentangling, "_draw", lambda *_: None)

    def exported(self, *_: Any, evidence: Any, **more: Any) -> SimpleNamespace:
        self.answer = json.dumps(evidence.record(), sort_keys=True)
        return SimpleNamespace(path="", weights="", differences="", card="")

    def measured(self, system: str, estimator: Any, faces: Any, seed: int) -> list[dict[str, Any]]:
        self.answer = (self.answer or []) + [(system, faces.digest(), estimator.predict_proba(faces).tolist())]
        return [{"system": system}]

    def __call__(self, verb: str, run: Path) -> tuple[int, Any, str]:
        """Status, answer and standard error of a command."""
        self.answer = None
        line = {
            "report": ["report", run, "--mistakes", "0", "--out", self.tmp_path / "page"],
            "predict": ["predict", run / "fold-00", self.image, "--crops", "true", "--progress", "false"],
            "export": ["export", run / "fold-00", "--out", self.tmp_path / "model.onnx"],
            "disentangle": ["disentangle", run, "--on", "test", "--transfers", "false"],
            "kfold": kfold(run),
        }[verb]
        self.capsys.readouterr()
        status = cli.main([str(item) for item in line])
        printed = self.capsys.readouterr()
        if verb == "report" and status == 0:
            self.answer = (self.tmp_path / "page" / "tables" / "summary.md").read_text()
        if verb == "predict":
            self.answer = printed.out
        if verb == "kfold" and status == 0:
            self.answer = (run / "rows.csv").read_bytes()
        return status, self.answer, printed.err


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("verb", READ)
def test_a_changed_file_is_refused_in_one_line_or_not_read(run: Path, made: Path, command: Commands, verb: str) -> None:
    status, right, said = command(verb, run)
    assert status == 0 and right, said
    for name in (*ROOT, *TABLES, *MODEL):
        damages = DAMAGES if name in READ[verb] else ("missing key",)
        for damage in damages if verb != "kfold" or damages != DAMAGES else FEW:
            path, content = run / name, DAMAGES[damage](made / name)
            path.write_bytes(content)
            status, answer, said = command(verb, run)
            errors = [line for line in said.splitlines() if line.startswith("ferdis: error: ")]
            where = f"{verb}, {name}, {damage}: {said}"
            assert "Traceback" not in said and status in (0, 2), where
            if name in READ[verb]:
                assert status == 2 and len(errors) == 1 and path.name in errors[0], where
            else:
                assert status == 0 and answer == right and not errors, where
            shutil.copytree(made, run, dirs_exist_ok=True)  # and files that were written anew


def seal_again(run: Path, name: str) -> None:
    """Have all digests fit: what is left to find the damage is the reading itself."""
    path = run / name
    if name == "seal.json":
        return
    if path.name in ("done.json", "estimator.json"):
        try:
            record = json.loads(path.read_text())
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            path.write_text(json.dumps(sealed(record)))
    if path.name != "done.json":
        reseal(run)


IN_SHORT = ("resolved.json", "rows.csv", "fold-00/cnn/done.json")  # the others are among the long tests


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "name",
    [name if name in IN_SHORT else pytest.param(name, marks=pytest.mark.slow) for name in (*ROOT, *TABLES, *MODEL)],
)
def test_a_damaged_file_whose_digest_fits_is_one_line_too(
    run: Path, made: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sections, "drawing", lambda name, figure, caption: Drawing(name, caption, b"", 1))
    record, fit = run_folder.read_record(made), run / "fold-00" / "cnn"
    places = [run_folder.Task(0, fold, "cnn") for fold in range(2)]
    fits = [SimpleNamespace(task=task, folder=run_folder.RunFolder(run).task(task)) for task in places]
    readers: dict[str, Callable[[], Any]] = {
        "report": lambda: write_report([run], run.parent / "page", mistakes=0),
        "evidence": lambda: evidence_of(fit).record(),  # type: ignore[union-attr]
        "fits": lambda: disentangling.finished_fits(run),
        "model": lambda: load_model(fit),
        "people": lambda: disentangling.seen_people(run),
        "config": lambda: run_folder.read_config(run),
        "gathered": lambda: gather(run_folder.RunFolder(run), fits),  # type: ignore[arg-type]
        "marker": lambda: run_folder.RunFolder(run).is_done(run_folder.Task(0, 0, "cnn")),
        "open": lambda: run_folder.RunFolder(run).open(record, {}),  # the last: it writes
    }
    refused = 0
    for damage, change in DAMAGES.items():
        (run / name).write_bytes(change(made / name))
        seal_again(run, name)
        for reader, read in readers.items():
            try:
                read()
            except (ValueError, OSError) as error:  # anything else would be a traceback
                refused += 1
                said = f"{name}, {damage}, {reader}: {error}"
                assert "\n" not in str(error) and len(str(error)) < 600 and str(run.parent) in str(error), said
        shutil.rmtree(run)
        shutil.copytree(made, run)
    assert refused or name in ("audit.txt", "summary.csv", "summary.md"), "nobody reads what these say"
