"""What a published table hands on to loaders, systems and evaluate(), with stand-ins for all of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ferdis.faces import Faces
from ferdis.protocol import Fold, SubjectKFold
from ferdis.reproduce import plans, run, tables
from ferdis.reproduce.systems import ROWS
from ferdis.reproduce.tables import Options
from tests.evaluation.runner_fakes import make_faces

FACES = make_faces(12)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Options]]:
    """Columns that were run, each of which measures one method."""
    found: list[tuple[str, Options]] = []

    def column(name: str, options: Options) -> pd.DataFrame:
        found.append((name, options))
        return pd.DataFrame({"method": ["IF-GAN"], "measured": [float(len(found))]})

    monkeypatch.setattr(run, "run", column)
    return found


def test_each_column_has_its_set_the_further_sets_and_a_folder(
    ran: list[tuple[str, Options]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: Any = {"ckplus": "CK", "bu3dfe": "BU", "rafdb": "RAF"}
    asked = ["ifgan-table1", "ifgan_table2"]
    table = run.reproduce(asked, **given, epochs=7, jobs=3, weights="w.safetensors", out=str(tmp_path))
    shared: dict[str, Any] = {"epochs": 7, "jobs": 3, "changes": {"weights": "w.safetensors"}}
    columns: list[tuple[str, str, str, list[str], str]] = [
        ("ifgan-table1", "CK+", "CK", ["bu3dfe=BU", "rafdb=RAF"], "ifgan-table1-ckplus"),
        ("ifgan-table1", "BU-3DFE", "BU", ["ckplus=CK", "rafdb=RAF"], "ifgan-table1-bu3dfe"),
        ("ifgan-table2", "RAF-DB", "RAF", ["ckplus=CK", "bu3dfe=BU"], "ifgan-table2-rafdb"),
    ]
    assert ran == [
        (name, Options(column, root, further, out=str(tmp_path / place), **shared))
        for name, column, root, further, place in columns
    ]
    assert table.to_dict("list") == {
        "table": ["ifgan-table1", "ifgan-table1", "ifgan-table2"], "dataset": ["CK+", "BU-3DFE", "RAF-DB"],
        "method": ["IF-GAN"] * 3, "measured": [1.0, 2.0, 3.0],
    }  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "reproduced.csv"), table)
    said = capsys.readouterr().out
    assert said.count("a GPU is needed") == 2 and "two processor cores" not in said


def test_a_dry_run_has_as_many_people_as_were_asked_for(
    ran: list[tuple[str, Options]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.reproduce(["ifgan-table1"], ckplus="CK", dry_run=12, small=True, out=str(tmp_path))
    place = str(tmp_path / "ifgan-table1-synthetic-small")
    assert ran == [("ifgan-table1", Options("synthetic", None, (), True, None, 12, 1, place))]
    said = capsys.readouterr().out
    assert "two processor cores" in said and "a GPU is needed" not in said and "missing" not in said


def test_small_runs_have_folders_of_their_own(ran: list[tuple[str, Options]], tmp_path: Path) -> None:
    run.reproduce(["ifgan-table2"], rafdb="RAF", small=True, out=str(tmp_path))
    assert ran[0][1].out == str(tmp_path / "ifgan-table2-rafdb-small") and ran[0][1].people == 20


# ---------------------------------------------------------------- one column


def test_a_column_reaches_loaders_systems_and_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    made: list[Any] = []
    evaluated: list[Any] = []

    def rows(small: bool, extra: Faces | None, changes: dict[str, Any]) -> dict[str, Any]:
        made.append((small, None if extra is None else len(extra), changes))
        return {"ifgan": SimpleNamespace(check=lambda: None)}

    def evaluate(estimators: dict[str, Any], faces: Faces, protocol: Any, **given: Any) -> Any:
        evaluated.append((list(estimators), len(faces), protocol, given))
        Path(given["out"]).mkdir()
        table = FACES.to_frame()[["subject", "path"]].assign(system="ifgan", fold=0, true="fear", predicted="fear")
        return SimpleNamespace(rows=table, folder=given["out"])

    protocol_asked = {"name": "subject-kfold", "n_splits": 4, "validation_folds": 2}
    monkeypatch.setattr(tables, "plan_of", lambda name: {**plans.plan(name), "protocol": protocol_asked})
    monkeypatch.setitem(ROWS, "ifgan-table1", rows)
    monkeypatch.setattr(tables, "load", lambda name, **given: loaded.append((name, given)) or FACES)
    monkeypatch.setattr(tables, "evaluate", evaluate)
    out = str(tmp_path / "run")
    options = Options("CK+", "CK", ["mmi=M"], True, 3, jobs=4, out=out, changes={"weights": None})
    line = tables.run("ifgan-table1", options).iloc[0]
    assert (line["method"], line["measured"]) == ("IF-GAN", 100.0)
    assert loaded == [
        ("ckplus", {"root": "CK", "expressions": 6, "frames": "last3"}),
        ("mmi", {"image_size": 16, "root": "M", "expressions": 6, "frames": "middle3"}),
    ]
    changes = {"epochs": 3, "weights": None}
    assert made == [(True, None, changes), (True, len(FACES), changes)]
    ((systems, images, protocol, given),) = evaluated
    assert systems == ["ifgan"] and images == len(FACES)
    assert type(protocol) is SubjectKFold and (protocol.n_splits, protocol.validation_folds) == (4, 2)
    assert given == {"out": out, "dataset": "CK+", "n_jobs": 4}
    said = (tmp_path / "run" / "differences.md").read_text().splitlines()
    assert said[0] == "- the paper's data: last three frames of 309 sequences, six basic expressions, no contempt"
    assert "- the loader says: 1 face was not detected" in said and said[-1].startswith("- of these images ")


def test_published_figures_are_those_of_the_paper_table_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [("OTHER", 1, "CK+", 1.0), ("IF-GAN", 2, "CK+", 2.0), ("IF-GAN", 1, "MMI", 3.0), ("IF-GAN", 1, "CK+", 97.5),
             ("OTHER", 1, "CK+", 5.0), ("IF-GAN", 2, "CK+", 6.0), ("IF-GAN", 1, "MMI", 7.0)]  # fmt: skip
    table = pd.DataFrame(lines, columns=["paper", "table", "dataset", "value"]).assign(method="IF-GAN")
    monkeypatch.setattr(tables, "figures", lambda: table)
    rows = pd.DataFrame({"system": "ifgan", "fold": 0, "true": "x", "predicted": "x", "subject": ["a", "b"]})
    plan = {"paper": "IF-GAN", "table": 1, "methods": {"ifgan": "IF-GAN"}}
    assert tables.side_by_side(plan, "CK+", rows)["published"].tolist() == [97.5]


PLAN: dict[str, Any] = {
    "columns": {"X": {"paper_data": "all of it", "images": 72, "people": 12}},
    "further": {"argument": "extra_train", "paper": "three sets", "without": ["no averages"], "with": ["averages"]},
    "small": "tiny", "epochs": 100, "protocol": {"name": "official"}, "differences": ["another crop"],
}  # fmt: skip


def test_differences_are_those_there_are() -> None:
    common = ["another crop", "the loader says: 1 face was not detected"]
    assert tables.differences(PLAN, Options("X"), FACES, None) == [
        "the paper's data: all of it", "extra_train: none here; in the paper: three sets", "no averages", *common
    ]  # fmt: skip
    other = {**PLAN, "columns": {"X": {"paper_data": "all of it", "images": 70, "people": 11}},
             "protocol": {"name": "subject-kfold"}}  # fmt: skip
    assert tables.differences(other, Options("X", small=True, epochs=2), FACES, FACES[:6]) == [
        "the paper's data: all of it",
        "72 images here, 70 in the paper",
        "12 people here, 11 in the set",
        f"extra_train: {FACES[:6]} here; in the paper: three sets",
        "--small: tiny",
        "2 epochs, 100 in the paper",
        "the paper does not publish its folds; ours are in folds.csv",
        "averages",
        *common,
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options("CK+"), ""),
        (Options("CK+", small=True), "small networks"),
        (Options("synthetic", epochs=3), "rendered people, 3 epochs"),
    ],
)
def test_what_keeps_a_run_from_being_the_papers(options: Options, says: str) -> None:
    assert tables._unlike(options) == says


@pytest.mark.parametrize(("attrs", "framing"), [({}, "aligned"), ({"aligned": "drawn"}, "drawn")])
def test_rendered_people_that_only_train_are_others(
    monkeypatch: pytest.MonkeyPatch, attrs: dict[str, str], framing: str
) -> None:
    monkeypatch.setattr(tables, "load", lambda name, **given: (name, given))
    found: Any = tables.rendered("facekit", 5, Faces(FACES.images, FACES.to_frame(), attrs))
    drawn = {"people": 5, "images_per_expression": 28, "image_size": 16, "seed": 2000, "framing": framing}
    assert found == ("facekit", drawn)


def test_folds_of_several_lengths_are_told_from_to() -> None:
    folds = [Fold(k, np.arange(train), np.arange(0), np.arange(2)) for k, train in enumerate((1200, 1000))]
    assert tables.parts(folds) == (
        "of these images 1,000 to 1,200 train, 0 validate (and choose nothing), 2 test in a fold"
    )


def test_a_script_ends_with_one_line_and_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str, options: Options) -> None:
        raise FileNotFoundError("no such\n  folder")

    argv = ["--dataset", "CK+", "--root", "CK"]
    monkeypatch.setattr(tables, "run", broken)
    assert tables.main("ifgan-table1", "", argv) == 2
    assert capsys.readouterr().err == "ifgan-table1: error: no such folder\n"
    monkeypatch.setattr(tables, "run", lambda name, options: None)
    assert tables.main("ifgan-table1", "", argv) == 0


# ---------------------------------------------------------------- plans

TWO: dict[str, Any] = {
    "columns": {"CK+": {"dataset": "ckplus"}, "MMI": {"dataset": "mmi"}},
    "further": {"argument": "pretrain", "sets": ["mmi", "bu4dfe"]},
}


def test_a_set_is_named_once_and_columns_first() -> None:
    assert plans.sets_of(TWO) == ["ckplus", "mmi", "bu4dfe"]


def test_what_is_missing_is_named_with_its_use_layout_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "entry", lambda name: SimpleNamespace(layout=f"{name}/*.png", where="ask for it"))
    assert plans.missing(TWO, {"ckplus": "CK"}) == [
        "missing: --mmi DIR, column MMI: mmi/*.png; ask for it",
        "missing: --bu4dfe DIR, for training only (pretrain): bu4dfe/*.png; ask for it",
    ]


def test_the_overview_tells_the_cost_of_either_size(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"title": "Table", "columns": {}, "further": {}, "cost": {"paper": "a year", "small": "an hour"}}
    monkeypatch.setattr(plans, "names", lambda: ["one"])
    monkeypatch.setattr(plans, "plan", lambda _: about)
    assert plans.overview().splitlines()[:2] == ["one            Table", "               a year; --small: an hour"]
