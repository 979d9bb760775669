"""The recogniser that ships: any kind of image in, the same answer; without torch, and soon."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import ferdis
from ferdis import cli
from ferdis.faces import AU_COLUMNS, SEVEN_EXPRESSIONS
from ferdis.onnx_model import OnnxModel
from ferdis.predict import command

SIDE = 160
SHARES = [f"p_{name}" for name in SEVEN_EXPRESSIONS]


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A synthetic person, (160, 160, 3)."""
    people = ferdis.load("synthetic", people=1, expressions="happiness", images_per_expression=1, image_size=SIDE,
                         cache=False)  # fmt: skip
    return people.pixels()[0]


@pytest.fixture(scope="module")
def photograph(portrait: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "anna.png"
    Image.fromarray(portrait).save(path)
    return path


def run(*argv: object, code: str = "") -> subprocess.CompletedProcess[str]:
    """``ferdis predict`` in a process of its own, and then ``code``."""
    source = (
        f"import sys; from ferdis.cli import main; status = main({list(map(str, argv))!r}); {code}; sys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )


def test_a_photograph_gets_an_answer_without_torch(photograph: Path) -> None:
    """torch takes seconds and 500 MB; ONNX Runtime finds the face and names its expression."""
    heavy = ("torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib")
    done = run("predict", photograph, code=f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["image"] == str(photograph) and record["detected"] and record["expression"] in SEVEN_EXPRESSIONS
    assert sum(record[name] for name in SHARES) == pytest.approx(1, abs=1e-4)
    assert "images: 1, faces: 1" in done.stderr and "learned from rendered people alone: on " in done.stderr
    assert done.stderr.splitlines()[-1] == "[]", "imported, and not needed"


@pytest.mark.slow
def test_it_is_quick_and_takes_little_memory(photograph: Path) -> None:
    """Warm: the second of two. The clock of a busy machine is not ours, so that processor time is what counts."""
    if sys.platform != "linux":
        pytest.skip("memory is read from /proc")
    # The process's own high-water mark: that of getrusage counts what the test process had when it forked.
    usage = (
        "import time; status_ = dict(line.split(':', 1) for line in open('/proc/self/status')); "
        "print(status_['VmHWM'].split()[0], time.process_time())"
    )
    for _ in range(2):
        started = time.perf_counter()
        done = run("predict", photograph, "--format", "table", code=usage)
        seconds = time.perf_counter() - started
    kilobytes, processor = map(float, done.stdout.splitlines()[-1].split())
    assert kilobytes < 600_000, f"{kilobytes / 1000:.0f} MB"
    assert min(seconds, processor) < 1.5, f"{seconds:.2f} s, {processor:.2f} s of a processor"


def test_every_kind_of_image_gives_one_answer(portrait: np.ndarray, photograph: Path) -> None:
    whole = ferdis.predict(photograph)
    assert len(whole) == 1 and whole["face"].tolist() == [0] and set(SHARES) < set(whole)
    several: list[Any] = [photograph, str(photograph), portrait, Image.fromarray(portrait)]
    together = ferdis.predict(several)
    stacked, folder = ferdis.predict(np.stack([portrait] * 2)), ferdis.predict(photograph.parent)
    for rows in (ferdis.predict(str(photograph)), ferdis.predict(portrait), ferdis.predict([photograph]), together,
                 ferdis.predict(Image.fromarray(portrait)), stacked, folder):  # fmt: skip
        for _, row in rows.iterrows():
            np.testing.assert_allclose(row[SHARES].to_numpy(float), whole[SHARES].to_numpy(float)[0], atol=1e-5)
    assert len(together) == 4 and len(stacked) == 2 and folder["image"].tolist() == [str(photograph)]
    grey = np.asarray(Image.fromarray(portrait).convert("L"))
    np.testing.assert_allclose(
        ferdis.predict(grey)[SHARES].to_numpy(float), whole[SHARES].to_numpy(float), atol=0.1
    )  # the detector sees another image
    assert len(ferdis.predict([])) == 0


def test_faces_are_cropped_where_their_loader_put_them(portrait: np.ndarray) -> None:
    """Not looked for: their place is known, and even faces that no detector finds have an answer."""
    people = ferdis.load("synthetic", people=3, expressions="happiness,surprise", images_per_expression=1,
                         image_size=96, cache=False)  # fmt: skip
    rows = ferdis.predict(people)
    assert rows["image"].tolist() == people.table["path"].astype(str).tolist() and rows["left"].isna().all()
    looked = ferdis.predict(list(people.pixels()))
    both = looked["face"].eq(0).fillna(False).to_numpy(bool)
    assert both.sum() >= 4
    gap = np.abs(rows[SHARES].to_numpy(float)[both] - looked[SHARES].to_numpy(float)[both])
    assert np.median(gap) < 0.1
    without = ferdis.Faces(people.images, people.table)  # nobody knows where their eyes are
    assert ferdis.predict(without)["left"].notna().sum() == both.sum()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"an image must be a path, a PIL image, or an array .* got uint8 \(4, 4, 2\)"),
        (["no.png"], "no.png: no such image"),
        ([3], "got int"),
    ],
)
def test_what_is_no_image(images: Any, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ferdis.predict(images)


def test_the_package_is_a_package_and_a_function(photograph: Path) -> None:
    from ferdis.predict import Predictor

    assert importlib.import_module("ferdis.predict") is ferdis.predict and ferdis.Predictor is Predictor
    assert callable(ferdis.predict) and ferdis.predict.predict is not ferdis.predict
    pd.testing.assert_frame_equal(ferdis.predict(photograph), Predictor.load()(photograph))


def test_load_model_takes_the_zoo_a_file_and_a_folder(tmp_path: Path) -> None:
    from ferdis import zoo

    model = ferdis.load_model("zoo:expression")
    assert isinstance(model, OnnxModel) and model.classes == list(SEVEN_EXPRESSIONS)
    assert isinstance(ferdis.load_model(zoo.path("expression", "onnx")), OnnxModel)
    with pytest.raises(FileNotFoundError, match="no such folder; give a saved model"):
        ferdis.load_model(tmp_path / "no")
    with pytest.raises(ValueError, match=r"zoo:mtcnn has no .onnx file"):
        ferdis.load_model("zoo:mtcnn")


def test_it_abstains_below_a_stated_probability(portrait: np.ndarray) -> None:
    sure = ferdis.predict(portrait)[SHARES].to_numpy(float).max()
    assert ferdis.predict(portrait, abstain_below=sure - 1e-4)["expression"].notna().all()
    rows = ferdis.predict(portrait, abstain_below=sure + 1e-4)
    assert rows["expression"].isna().all() and rows[SHARES].notna().all(axis=None)
    with pytest.raises(ValueError, match=r"abstain_below=2: a probability, 0 to 1"):
        ferdis.predict(portrait, abstain_below=2)


def test_action_units_on_request(portrait: np.ndarray) -> None:
    rows = ferdis.predict(portrait, action_units=True)
    assert list(rows.columns[-len(AU_COLUMNS) :]) == list(AU_COLUMNS)
    assert rows[list(AU_COLUMNS)].to_numpy().min() >= 0 and rows[list(AU_COLUMNS)].to_numpy().max() <= 5
    assert not set(AU_COLUMNS) & set(ferdis.predict(portrait))


class TestOutput:
    def predicted(self, capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(["predict", *map(str, argv), "--progress", "false"])
        return status, *capsys.readouterr()

    def test_files(self, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        readers = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet,
                   "jsonl": lambda path: pd.read_json(path, lines=True)}  # fmt: skip
        expected = ferdis.predict(photograph)
        for suffix, reader in readers.items():
            out = tmp_path / f"faces.{suffix}"
            status, printed, _ = self.predicted(capsys, photograph, "--out", out)
            assert status == 0 and printed == ""
            rows = reader(out)
            assert list(rows.columns) == list(expected.columns) and rows["expression"][0] == expected["expression"][0]
            np.testing.assert_allclose(rows[SHARES].to_numpy(float), expected[SHARES].to_numpy(float), atol=1e-6)

    def test_a_terminal_gets_a_table(
        self, photograph: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blank = photograph.with_name("nobody.jpg")
        Image.new("RGB", (99, 99)).save(blank)
        row = ferdis.predict(photograph).iloc[0]
        status, out, err = self.predicted(capsys, photograph, blank, "--format", "table")
        head, first, second = out.splitlines()
        assert status == 0 and head.split() == ["image", "face", "expression", "probability", "next"]
        share = f"{100 * row[f'p_{row.expression}']:.0f} %"
        assert f"  1  {row.expression}" in first and share in first and second.endswith("no face found")
        assert max(map(len, out.splitlines())) <= 100 and "ferdis models expression" in err
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert self.predicted(capsys, photograph, blank)[1] == out
        status, out, _ = self.predicted(capsys, photograph, "--abstain-below", 1)
        assert f"({row.expression}?)" in out
        blank.unlink()

    def test_another_program_gets_json_lines(self, photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, _ = self.predicted(capsys, photograph, photograph.parent, "--action-units")
        records = [json.loads(line) for line in out.splitlines()]
        assert status == 0 and len(records) == 1, "one image, named twice"
        assert records[0]["image"] == str(photograph) and 0 <= records[0]["AU12"] <= 5

    def test_the_model_may_be_named(self, photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.with_model(["zoo:expression", "a.png"]) == ("zoo:expression", ["a.png"])
        assert command.with_model(["m.onnx"]) == ("m.onnx", []) and command.with_model([]) == (None, [])
        assert command.with_model(["a.png", "b.png"]) == (None, ["a.png", "b.png"])
        assert command.with_model([str(photograph.parent)]) == (None, [str(photograph.parent)])
        named, plain = (self.predicted(capsys, *more, photograph)[1] for more in (["zoo:expression"], []))
        assert named == plain

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["runs/no", "a.png"], "runs/no: no such model, image or folder"),
            (["zoo:no", "a.png"], "the zoo has no 'no': there are expression"),
            (["a.png", "--format", "xml"], "choose one of auto, table, jsonl, csv"),
            (["a.png", "--abstain-below", "3"], "a probability, 0 to 1"),
            ([], "nothing to look at: name images"),
        ],
    )
    def test_one_line_for_what_does_not_fit(
        self, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status, out, err = self.predicted(capsys, *argv)
        assert (status, out) == (2, "") and message in err and len(err.splitlines()) == 1
