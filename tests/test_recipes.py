"""Every command and every line of Python of the recipes runs, in the order of its page, on a few rendered people.

Systems are as narrow as in their own tests and train for an epoch: what is tested is that the pages are right.
"""

from __future__ import annotations

import re
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import ferdis
from ferdis import cli
from ferdis.augmentation import QualityFilter
from ferdis.datasets.synthetic.dataset import load_synthetic, write_images
from ferdis.reproduce import run as reproduce_run
from ferdis.reproduce import tables
from ferdis.reproduce.systems import ROWS
from tests.systems import test_decgan, test_ifgan, test_relgan

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
BLOCK = re.compile(r"^```(sh|python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHORT = {"epochs": 1, "min_steps": 0, "steps_per_image": 0.0, "progress": False}
RANDOM = {"weights": None}

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``my/faces`` and ``photographs``, and systems that train in a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    matplotlib.use("agg")
    names = ["anger", "happiness", "neutral"]
    write_images(load_synthetic(12, names, 1, 96, "normal", 5, cache=False), tmp_path / "my/faces")
    (tmp_path / "photographs").mkdir()
    people = load_synthetic(2, names[:1], 1, 160, "easy", 9, cache=False).pixels()
    for name, person in zip(("one", "two"), people, strict=True):
        Image.fromarray(person).save(tmp_path / "photographs" / f"{name}.png")
    own = ("classifier", "classifier_arguments", "image_size", "crop_size", "batch_size", "test_flip")
    resnet = {key: test_ifgan.TINY[key] for key in own}
    eggan = {"image_size": 32, "generator_channels": (8, 8, 8, 8), "critic_channels": (8, 8, 8), "code_width": 8,
             "classifier_channels": (8, 8), "classifier_depths": (1, 1), "perceptual_layer": "relu2_1",
             "identity_epochs": 1}  # fmt: skip
    for cls, tiny in {
        ferdis.IFGAN: {**test_ifgan.TINY, **SHORT, **RANDOM},
        ferdis.ResNetClassifier: {**resnet, **SHORT, **RANDOM},
        ferdis.RELGAN: {**test_relgan.TINY, **SHORT, "mlp_epochs": 1},
        ferdis.DECGAN: {**test_decgan.TINY, **SHORT},
        ferdis.EGGAN: {**eggan, **SHORT},
        ferdis.AUEstimator: {"image_size": 32, "channels": (8, 8), "depths": (1, 1), **SHORT},
    }.items():
        monkeypatch.setattr(cls, "preset", {**cls.preset, **tiny})
    return tmp_path


def run_page(name: str) -> dict[str, Any]:
    """Run the blocks of a recipe in their order; returns the names that its Python has."""
    recipe = types.ModuleType("recipe")  # a dataclass looks for the module that it is in
    sys.modules["recipe"] = recipe
    variables = vars(recipe)
    for kind, text in BLOCK.findall((RECIPES / f"{name}.md").read_text("utf-8")):
        if kind == "yaml":
            Path("space.yaml").write_text(text)
        elif kind == "python":
            exec(compile(text, f"{name}.md", "exec"), variables)
        else:
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                assert not words or words[0] == "ferdis", f"{name}.md: what is {line!r}?"
                assert cli.main(words[1:]) == 0, f"{name}.md: {line}"
    return variables


def test_every_recipe_has_a_test() -> None:
    tested = re.findall(r'run_page\("(\w+)"\)', Path(__file__).read_text("utf-8"))
    assert {path.stem for path in RECIPES.glob("*.md")} == set(tested)


def test_classify(place: Path) -> None:
    table = run_page("classify")["table"]
    assert len(table) == 1 and table["detected"].all()
    assert len(pd.read_csv("faces.csv")) == len(pd.read_csv("sure.csv")) == 2 and any((place / "drawn").iterdir())


def test_train(place: Path) -> None:
    result = run_page("train")["result"]
    assert set(result.rows["subject"]) and len(pd.read_csv("runs/mine/rows.csv")) == 2 * 36
    assert "figures of the recipe, measured by the run" in (place / "models/mine/card.md").read_text("utf-8")
    assert len(pd.read_csv("faces.csv")) == 2


def test_leaking(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = ferdis.load("manifest", root="my/faces", progress=False)
    part = np.where(np.arange(len(faces)) % 2, "test", "train")
    pd.DataFrame({"fold": 0, "part": part, "path": faces.table["path"]}).to_csv("my/folds.csv", index=False)
    report = run_page("leaking")["report"]
    assert report.leaks and "100.0 % of test slots" in capsys.readouterr().out


def test_action_units(place: Path) -> None:
    found = run_page("action_units")
    assert found["strip"].shape == (4, 6, 32, 32, 3) and (place / "smile.png").is_file()


def test_augment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pass_all(self: QualityFilter, generated: ferdis.Faces, sources: ferdis.Faces) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(generated), bool), np.ones(len(sources), bool)

    monkeypatch.setattr(
        QualityFilter, "verdict", pass_all
    )  # a generator that has learned for an epoch may pass nothing
    found = run_page("augment")
    assert set(found["result"].rows["system"]) == {"plain", "more"} and (place / "generated/notes.txt").is_file()


def test_export(place: Path) -> None:
    line = "fit --dataset manifest --dataset.root my/faces --system resnet --preset small --out models/mine"
    assert cli.main(line.split()) == 0
    assert run_page("export")["probabilities"].shape == (1, 3)
    assert (place / "model.md").is_file() and len(pd.read_csv("faces.csv")) == 2


def test_sweep(place: Path) -> None:
    run_page("sweep")
    assert len(list((place / "sweeps/resnet/best").glob("*.yaml"))) == 3
    assert len(pd.read_csv("runs/tuned/rows.csv")) == 36


def test_machines(place: Path) -> None:
    run_page("machines")
    pd.testing.assert_frame_equal(
        *(pd.read_csv(f"runs/{name}/rows.csv")[["path", "fold"]] for name in ("many", "array"))
    )


def test_system(place: Path) -> None:
    run_page("system")
    history = pd.read_csv("runs/focal/history.csv")
    assert set(history.loc[history["system"] == "focal", "term"]) >= {"focal", "learning_rate"}


def test_reproduce(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables of rendered people are run; where a licensed set is needed, a stand-in gives its figures."""

    def on_licensed_sets(name: str, options: tables.Options) -> pd.DataFrame:
        if options.dataset == tables.SYNTHETIC:
            return tables.run(name, options)
        assert str(options.root).startswith("data/")
        return pd.DataFrame({"method": ["IF-GAN"], "published": [97.5], "measured": [97.0], "low": [95.0],
                             "high": [99.0], "verdict": ["reproduced"]})  # fmt: skip

    monkeypatch.setattr(reproduce_run, "run", on_licensed_sets)
    quick = {**RANDOM, "progress": False}
    monkeypatch.setitem(ROWS, "relgan-table1", lambda small, pretrain, changes: {
        "relgan": ferdis.RELGAN.small(pretrain=pretrain, progress=False, **changes),
        "cnn": ferdis.ResNetClassifier.small(**{**changes, **quick}),
    })  # fmt: skip
    table = run_page("reproduce")["table"]
    assert list(table["verdict"]) == ["reproduced"]
    said = capsys.readouterr().out
    assert "missing: --bu3dfe DIR" in said and "Not the paper's experiment (rendered people, small networks" in said
