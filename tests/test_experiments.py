"""The experiments: their plans, their published figures, and the table they print. Nothing is trained here."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
PLANS = sorted(EXPERIMENTS.glob("*.yaml"))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import table

    yield table
    sys.modules.pop("table", None)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_each_plan_has_figures_for_every_column_and_method(table, path: Path):
    plan = yaml.safe_load(path.read_text())
    published = pd.read_csv(EXPERIMENTS / "published.csv")
    rows = published[(published.paper == plan["paper"]) & (published.table == plan["table"])]
    assert set(plan["columns"]) == set(rows.dataset)
    for _, part in rows.groupby("dataset"):
        assert set(part.method) == set(plan["methods"].values())
    assert path.with_suffix(".py").is_file() and plan["protocol"]["name"] in table.PROTOCOLS


def test_published_and_measured_stand_side_by_side(table):
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table1.yaml").read_text())
    # Fold 0: 3 of 4 right; fold 1: 1 of 2 right.
    rows = pd.DataFrame(
        {
            "system": "ifgan",
            "fold": [0, 0, 0, 0, 1, 1],
            "true": ["fear"] * 6,
            "predicted": ["fear", "fear", "fear", "anger", "fear", "anger"],
        }
    )
    line = table.side_by_side(plan, "CK+", rows).iloc[0]
    assert (line.method, line.published, line.folds) == ("IF-GAN", 97.52, 2)
    assert line.measured == pytest.approx((75 + 50) / 2)
    assert line["std"] == pytest.approx(17.6777, abs=1e-3)  # ddof 1


@pytest.mark.parametrize(
    ("script", "argv", "says"),
    [
        ("ifgan_table1", ["--dataset", "CK+"], "official layout"),
        ("ifgan_table1", ["--dataset", "MMI"], "faces.csv (path, expression, subject)"),
        ("ifgan_table2", ["--dataset", "RAF-DB", "--root", "."], "faces.csv (path, expression, split)"),
    ],
)
def test_a_set_that_is_not_there_says_what_to_do(table, tmp_path, monkeypatch, script, argv, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        table.run(script, lambda *_: {}, "", argv)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_differences_name_what_the_dry_run_is(table):
    from ferdis import load

    faces = load("synthetic", people=2, expressions=6, images_per_expression=1, image_size=48, cache=False)
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table1.yaml").read_text())
    options = table.arguments("", plan, ["--dataset", "embedded", "--small", "--epochs", "3"])
    text = "\n".join(table.differences(plan, options, faces, None))
    for said in ("2 embedded people", "3 epochs, 100 in the paper", "random weights", "three other sets"):
        assert said in text
