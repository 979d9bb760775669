"""Published tables: their plans, the figures beside them, what is named as missing, and the verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import ResNetClassifier, cli, load
from ferdis.datasets import REGISTRY, check_arguments, entry
from ferdis.faces import Faces
from ferdis.report.published import figures
from ferdis.reproduce import plans, run, tables
from ferdis.reproduce.systems import ROWS
from ferdis.reproduce.verdict import verdict

ROOT = Path(__file__).parents[2]
every_table = pytest.mark.parametrize("name", plans.names())


@every_table
def test_each_plan_has_figures_for_every_column_and_method(name: str):
    plan = plans.plan(name)
    published = figures()
    rows = published[(published.paper == plan["paper"]) & (published.table == plan["table"])]
    assert set(plan["columns"]) == set(rows.dataset)
    for _, part in rows.groupby("dataset"):
        assert set(part.method) == set(plan["methods"].values())
    assert set(ROWS[name](True, None, {})) == set(plan["methods"]) and plan["protocol"]["name"] in tables.PROTOCOLS
    assert plan["title"] and plan["cost"]["paper"] and plan["cost"]["small"]
    assert set(plans.sets_of(plan)) <= set(REGISTRY)


@every_table
def test_arguments_of_further_sets_are_those_of_their_loaders(name: str):
    for one, arguments in plans.plan(name)["further"].get("arguments", {}).items():
        check_arguments(one, entry(one).imported(), {"root": "", **arguments})


@every_table
def test_each_table_has_a_script_that_calls_it(name: str):
    paper, _, number = name.rpartition("-")
    (script,) = (ROOT / "experiments").glob(f"{paper}_{number}*.py")
    assert f'main("{name}"' in script.read_text("utf-8")


@every_table
def test_small_rows_start_from_random_weights(name: str):
    for system in ROWS[name](True, None, {}).values():
        assert system.weights is None


def rows_of(right: list[int], of: int = 2, people: int = 1) -> pd.DataFrame:
    """A row for each image: in each fold the first so many are right."""
    parts = []
    for fold, count in enumerate(right):
        predicted = ["fear"] * count + ["anger"] * (of - count)
        subject = [f"f{fold}/p{k % people}" for k in range(of)]
        parts.append(pd.DataFrame({"system": "ifgan", "fold": fold, "true": "fear", "predicted": predicted,
                                   "subject": subject, "path": [f"{fold}-{k}" for k in range(of)]}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_published_and_measured_stand_side_by_side():
    line = tables.side_by_side(plans.plan("ifgan-table1"), "CK+", rows_of([3, 2], of=4)).iloc[0]
    assert (line.method, line.published, line.folds) == ("IF-GAN", 97.52, 2)
    assert line.measured == pytest.approx((75 + 50) / 2) and line.difference == pytest.approx(62.5 - 97.52)
    assert line["std"] == pytest.approx(17.6777, abs=1e-3)  # ddof 1
    assert line.low == pytest.approx(50) and line.high == pytest.approx(75), "one subject with 3, one with 2 of 4"
    assert line.verdict == "not reproduced: 35.0 points below, noise ±12.5"


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ((90.0, 89.0, 87.0, 91.0), "reproduced: -1.0 points, within the noise of ±2.0"),
        ((90.0, 85.0, 75.0, 95.0), "reproduced: -5.0 points, within the noise of ±10.0, which is wide"),
        ((90.0, 80.0, 78.0, 82.0), "not reproduced: 10.0 points below, noise ±2.0"),
        ((90.0, 95.0, 94.0, 96.0), "above the published figure by 5.0 points, noise ±1.0"),
        ((float("nan"), 95.0, 94.0, 96.0), "nothing published"),
        ((90.0, 95.0, float("nan"), float("nan")), "+5.0 points; no interval (one subject)"),
    ],
)
def test_verdicts(figures: tuple[float, ...], says: str):
    assert verdict(*figures) == says


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("ifgan-table1", {"dataset": "CK+", "small": True}, "official layout"),
        ("ifgan-table1", {"dataset": "MMI", "small": True}, "official layout"),
        ("ifgan-table2", {"dataset": "RAF-DB", "root": ".", "small": True}, "is empty: give root= the folder that"),
    ],
)
def test_a_set_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch, name: str, given: dict, says: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        tables.run(name, tables.Options(**given))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_further_sets_are_read_with_the_tables_arguments(monkeypatch):
    faces = load("synthetic", people=2, expressions=6, images_per_expression=1, image_size=48, cache=False)
    asked: list[tuple[str, dict]] = []
    monkeypatch.setattr(tables, "load", lambda name, **arguments: asked.append((name, arguments)) or faces)
    plan = plans.plan("ifgan-table2")["further"]
    given = ["ckplus=CK", "bu3dfe=BU", "{name: mmi, root: M, frames: apex, image_size: 64}"]
    assert len(tables.read_further("extra_train", given, faces, plan["arguments"])) == 3 * len(faces)
    assert asked == [
        ("ckplus", {"image_size": 48, "root": "CK", "expressions": 6, "frames": "last3", "neutral": "first"}),
        ("bu3dfe", {"image_size": 48, "root": "BU", "expressions": 7, "intensity": [3, 4]}),
        ("mmi", {"image_size": 64, "root": "M", "frames": "apex"}),
    ]
    for wrong, says in (
        ("ckplus", "write NAME=DIR"),
        ("{name: mmi}", "name and root are needed"),
        ("{a", "while parsing"),
    ):
        with pytest.raises(ValueError, match=says):
            tables.read_further("extra_train", [wrong], faces)


def test_what_a_comparison_is_tested_on_is_rendered_or_in_its_folder(monkeypatch):
    asked = []
    monkeypatch.setattr(tables, "load", lambda name, **given: asked.append((name, given)))
    tables.read_tested("synthetic", None, people=60, seed=3)
    tables.read_tested("facekit", None, people=5, seed=4, images=2, image_size=64)
    tables.read_tested("facekit", "ICT", people=5, seed=4)
    tables.read_tested("jaffe", "JAFFE", people=60, seed=3)
    tables.read_tested("jaffe", "JAFFE", people=60, seed=3, image_size=64)
    drawn = {"people": 5, "images_per_expression": 4, "image_size": 72, "seed": 4}
    assert asked == [
        ("synthetic", {**drawn, "people": 60, "seed": 3}),
        ("facekit", {**drawn, "images_per_expression": 2, "image_size": 64, "root": None}),
        ("facekit", {**drawn, "root": "ICT"}),
        ("jaffe", {"root": "JAFFE"}),
        ("jaffe", {"root": "JAFFE", "image_size": 64}),
    ]
    with pytest.raises(ValueError, match="--dataset jaffe needs --root"):
        tables.read_tested("jaffe", None, people=60, seed=3)


def test_table_2_has_the_papers_averages_and_trains_on_every_image(tmp_path: Path, monkeypatch):
    """The posed sets bring a neutral average; all of RAF-DB's training part trains."""
    from tests.datasets import layouts, trees

    pictures = layouts.rafdb(train=14, test=7)
    raf = {"basic/EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)}
    image = lambda path: trees.picture(path, 3)  # noqa: E731
    layouts.written(tmp_path / "raf", pictures, raf, image)
    layouts.written(tmp_path / "bu", layouts.bu3dfe(women=1, men=1), picture=image)
    trees.ckplus(tmp_path / "ck")
    monkeypatch.setattr(tables, "load", lambda name, **arguments: load(name, align=False, cache=False, **arguments))
    plan = plans.plan("ifgan-table2")
    faces = tables.read_faces(tables.Options("RAF-DB", str(tmp_path / "raf")), plan)
    further = [f"ckplus={tmp_path / 'ck'}", f"bu3dfe={tmp_path / 'bu'}"]
    extra = tables.read_further("extra_train", further, faces, plan["further"]["arguments"])
    for name in ("ck/", "bu3d/"):
        assert "neutral" in {e for e, s in zip(extra.expression, extra.subject, strict=True) if s.startswith(name)}
    assert "contempt" not in extra.expression and set(extra.table["intensity"].dropna()) == {0, 3, 4}
    (fold,) = tables.PROTOCOLS["official"](validation=plan["protocol"]["validation"]).split(faces)
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (14, 0, 7)
    assert tables.parts([fold]) == "of these images 14 train, 0 validate (and choose nothing), 7 test in a fold"
    systems = ROWS["ifgan-table2"](True, extra, {})
    assert systems["ifgan"].average_from == "extra" and systems["ifgan-no-attention"].average_from == "extra"
    assert ROWS["ifgan-table2"](True, None, {})["ifgan"].average_from == "target"


@pytest.mark.parametrize(("people", "tested"), [(12, 2), (3, 1)])
def test_the_last_fifth_of_a_dry_runs_people_is_the_official_test_part(monkeypatch, people: int, tested: int):
    table = pd.DataFrame(
        {"expression": ["fear", "anger"] * people, "subject": sorted([f"P{k:02d}" for k in range(people)] * 2)}
    )
    monkeypatch.setattr(tables, "load", lambda name, **_: Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table))
    faces = tables.read_faces(tables.Options("synthetic", people=people), plans.plan("ifgan-table2"))
    (fold,) = tables.PROTOCOLS["official"]().split(faces)
    assert sorted(set(faces.subject[fold.test])) == [f"P{k:02d}" for k in range(people)][-tested:]
    assert len(fold.train) and not set(faces.subject[fold.train]) & set(faces.subject[fold.test])


def test_differences_name_what_the_dry_run_is():
    faces = load("synthetic", people=2, expressions=6, images_per_expression=1, image_size=48, cache=False)
    plan = plans.plan("ifgan-table1")
    options = tables.arguments("", plan, ["--dataset", "synthetic", "--small", "--epochs", "3"])
    text = "\n".join(tables.differences(plan, options, faces, None))
    for said in ("2 synthetic people", "3 epochs, 100 in the paper", "random weights", "three other sets"):
        assert said in text


def test_the_former_name_of_the_dry_run_is_understood(capsys):
    options = tables.arguments("", plans.plan("relgan-table1"), ["--dataset", "embedded", "--pretrain", "embedded=3"])
    assert (options.dataset, options.further) == ("synthetic", ["synthetic=3"])
    assert "'embedded' is now 'synthetic'" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ ferdis reproduce


def test_the_list_names_every_table_with_its_sets_and_cost(capsys):
    assert cli.main(["reproduce", "--list"]) == 0
    said = capsys.readouterr().out
    for name in plans.names():
        assert name in said
    assert "--ckplus DIR" in said and "GPU" in said and "two processor cores" in said


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["ifgan-table3"], "did you mean 'ifgan-table"),
        ([], "name a table (ifgan-table1"),
        (["relgan-table4"], "no set of relgan-table4 was given: give --sfew, or --dry-run 20"),
        (["ifgan-table1", "--ckplus", "/nowhere", "--small"], "/nowhere"),
    ],
)
def test_what_cannot_be_run_is_one_line(argv: list[str], says: str, capsys):
    assert cli.main(["reproduce", *argv]) == cli.USER_ERROR
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in error


def test_what_is_missing_is_named_first_with_its_layout(monkeypatch, capsys, tmp_path: Path):
    ran: list[tuple[str, tables.Options]] = []

    def stand_in(name: str, options: tables.Options) -> pd.DataFrame:
        print(f"running {options.dataset}")
        ran.append((name, options))
        return pd.DataFrame({"method": ["IF-GAN"], "published": [97.52], "measured": [97.0], "verdict": ["reproduced"]})

    monkeypatch.setattr(run, "run", stand_in)
    found = run.reproduce(["ifgan_table1"], ckplus="CK", rafdb="RAF", small=True, out=str(tmp_path))
    said = capsys.readouterr().out
    first = said[: said.index("running")]
    for name in ("bu3dfe", "mmi"):
        assert f"missing: --{name} DIR, column" in first and entry(name).layout in first
    assert "two processor cores" in first and "--ckplus" not in first
    ((name, options),) = ran
    assert name == "ifgan-table1" and options.dataset == "CK+" and options.root == "CK"
    assert options.further == ["rafdb=RAF"], "all further sets that are there, never the tested one"
    assert list(found[["table", "dataset"]].iloc[0]) == ["ifgan-table1", "CK+"]
    assert pd.read_csv(tmp_path / run.SUMMARY).shape == (1, 6)


def test_a_dry_run_goes_through_and_says_that_it_proves_nothing(monkeypatch, capsys, tmp_path: Path):
    def tiny(small, extra, changes):
        return {
            "ifgan": ResNetClassifier(classifier="resnet18", classifier_arguments={"channels": (4, 4, 4, 4)},
                                      weights=None, image_size=36, crop_size=32, progress=False, logger=None, **changes)
        }  # fmt: skip

    monkeypatch.setitem(ROWS, "ifgan-table1", tiny)
    argv = ["ifgan-table1", "--dry-run", "10", "--epochs", "1", "--small", "--out", str(tmp_path)]
    assert cli.main(["reproduce", *argv]) == 0
    said = capsys.readouterr().out
    assert "Not the paper's experiment (rendered people, small networks, 1 epochs)" in said and "missing" not in said
    line = pd.read_csv(tmp_path / run.SUMMARY).iloc[0]
    assert line["method"] == "IF-GAN" and line["folds"] == 10 and line["dataset"] == "synthetic"
    assert line["verdict"] == "nothing published", "there is no figure of rendered people"
    assert "the verdicts are of this run" in said and (tmp_path / "ifgan-table1-synthetic-small/rows.csv").is_file()
