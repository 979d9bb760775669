"""Confidence, gaps, robustness, the JSON record, two reports compared: by hand and on a small run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import Faces, evaluate
from ferdis.metrics.selective import (
    area_under_risk_coverage,
    risk_coverage,
    selective_accuracy,
    temperatures,
    tempered,
)
from ferdis.preprocess.stress import STRENGTHS, STRESSES, stressed
from ferdis.protocol import SubjectKFold, row_names
from ferdis.report import tables, write_report
from ferdis.report.record import changes, changes_text, read_report
from tests.evaluation.runner_fakes import NearestMean, Plain, make_faces
from tests.quickly import quickly

FACES = make_faces(12)

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("extras") / "run"
    systems = {"near": NearestMean(), "far": NearestMean(epochs=1)}
    with quickly():
        evaluate(systems, FACES, SubjectKFold(3), out=root, progress=False, partitions=2, stress=True)
    write_report([root], faces=FACES, mistakes=2)
    return root


def test_selective_accuracy_by_hand() -> None:
    right, confidence = np.array([1, 0, 1, 1]), np.array([0.9, 0.8, 0.6, 0.5])
    coverage, accuracy = risk_coverage(right, confidence)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1] and accuracy == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert selective_accuracy(right, confidence, 0.5) == 0.5 and selective_accuracy(right, confidence, 0.1) == 1
    assert area_under_risk_coverage(right, confidence) == pytest.approx(1 - (1 + 1 / 2 + 2 / 3 + 3 / 4) / 4)
    ties = risk_coverage(np.array([1, 0]), np.array([0.5, 0.5]))[1]
    assert ties.tolist() == [0.5, 0.5] == risk_coverage(np.array([0, 1]), np.array([0.5, 0.5]))[1].tolist()
    with pytest.raises(ValueError, match="coverage=0"):
        selective_accuracy(right, confidence, 0)


def overconfident(temperature: float, n: int = 3000) -> pd.DataFrame:
    """Rows whose logits are too large by a factor."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (n, 3))
    true = np.array([random.choice(3, p=p) for p in np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)])
    sharp = np.exp(logits * temperature)
    values = sharp / sharp.sum(axis=1, keepdims=True)
    names = np.array(["anger", "fear", "joy"])
    table = pd.DataFrame(values, columns=[f"p_{name}" for name in names])
    about = {"system": "x", "seed": 0, "fold": np.arange(n) % 3, "path": [f"{k}" for k in range(n)]}
    return table.assign(**about, true=names[true], predicted=names[values.argmax(axis=1)])


def test_a_planted_temperature_is_found_and_no_test_row_enters_it() -> None:
    rows = overconfident(2.5)
    found = temperatures(rows)
    assert found.to_numpy() == pytest.approx([2.5] * 3, rel=0.12)
    cooled = tempered(rows)
    assert cooled is not None and (cooled.idxmax(axis=1) == rows["predicted"]).all()
    assert cooled.sum(axis=1).to_numpy() == pytest.approx(np.ones(len(rows)))
    spoiled = rows.copy()
    spoiled.loc[spoiled["fold"] == 1, "true"] = "joy"  # the labels of fold 1 decide all temperatures but its own
    changed = temperatures(spoiled)
    assert changed[0, 1] == found[0, 1] and changed[0, 0] != found[0, 0]
    assert tempered(rows[rows["fold"] == 0]) is None


def test_the_largest_gap_has_an_interval_over_people() -> None:
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(40), 12)
    true = np.resize(["anger", "fear", "joy"], len(person))
    rate = np.where(person < 20, 0.9, 0.5)
    predicted = np.where(random.random(len(person)) < rate, true, np.roll(true, 1))
    rows = pd.DataFrame({"system": "x", "seed": 0, "fold": 0, "subject": person.astype(str), "true": true,
                         "predicted": predicted, "path": [str(k) for k in range(len(person))],
                         "skin_tone": np.where(person < 20, "I", "VI")})  # fmt: skip
    groups = tables.groups_of(rows)
    table = tables.gap_table(rows, tables.group_records(rows, groups), groups)
    assert table is not None and table.cells.loc[0, "groups"] == "I − VI"
    value, low, high = (
        float(x.replace("−", "-"))
        for x in table.cells.loc[0, "gap in UAR (points)"].replace("[", "").replace("]", "").replace(",", "").split()
    )
    assert 30 < value < 50 and 20 < low < value < high < 60
    few = rows[rows["subject"].astype(int).between(17, 39)]
    groups = tables.groups_of(few)
    assert tables.gap_table(few, tables.group_records(few, groups), groups) is None


def test_stress_counts_every_test_image_at_every_strength(run: Path) -> None:
    table = pd.read_csv(run / "stress.csv")
    each = table.groupby(["system", "seed", "stress", "strength"])["images"].sum()
    assert len(each) == 2 * 2 * len(STRESSES) * len(STRENGTHS) and set(each) == {len(FACES)}
    assert (table["right"] <= table["images"]).all()
    again = evaluate(  # asked for later, with the same folder: nothing is fitted again
        {"near": NearestMean(), "far": NearestMean(epochs=1)}, FACES, SubjectKFold(3), out=run, progress=False,
        partitions=2, stress=True,
    )  # fmt: skip
    assert len(again.rows) == 4 * len(FACES)


@pytest.mark.parametrize(("kind", "strength"), [("blur", 5), ("noise", 3), ("low light", 1)])
def test_stress_is_what_the_fitted_system_says_of_worse_images(run: Path, kind: str, strength: int) -> None:
    fold = next(iter(SubjectKFold(3).split(FACES)))
    assert kind in STRESSES and strength in STRENGTHS
    test, names = FACES[fold.test], row_names(FACES)[fold.test].tolist()
    worse = Faces(stressed(test.pixels(), kind, strength, names), test.table, test.attrs)
    (folder,) = (path for path in run.rglob(f"fold-{fold.index:02d}/near") if "seed-1" not in str(path))
    system = NearestMean.load(folder)
    said = system.classes_[system.predict_proba(worse).argmax(axis=1)]
    right = pd.Series(said == test.expression).groupby([test.subject, test.expression]).sum()
    table = pd.read_csv(run / "stress.csv").query("system == 'near' and fold == @fold.index and seed == 0")
    cell = table[(table["stress"] == kind) & (table["strength"] == strength)]
    assert cell.set_index(["subject", "true"])["right"].to_dict() == right.to_dict()


def test_the_page_has_all_of_it_and_the_json_the_same(run: Path) -> None:
    page = (run / "report/report.html").read_text()
    for text in ("What people, partitions and seeds move", "Differences beside the noise floor", "Selective accuracy",
                 "Calibration after temperature scaling", "UAR on images made worse", "prefers-color-scheme: dark",
                 "none of whom the tested system had trained on"):  # fmt: skip
        assert text in page, text
    record = json.loads((run / "report/report.json").read_text())
    (group,) = record["groups"]
    assert group["headline"][0].startswith("Tested on 72 images of 12 people")
    assert {item["system"] for item in group["systems"]} == {"near", "far"}
    assert set(group["tables"]) >= {"summary", "noise", "gains", "selective", "robustness", "gaps"} - {"gaps"}
    assert group["gains"][0]["verdict"].startswith(("shown", "not shown"))
    for name, table in group["tables"].items():
        assert (run / f"report/tables/{name}.md").is_file()
        assert all(len(line) == len(table["columns"]) for line in table["rows"])


def test_once_trained_the_headline_says_so(tmp_path: Path) -> None:
    evaluate({"a": Plain(), "b": Plain()}, FACES, SubjectKFold(3), out=tmp_path / "run", progress=False)
    page = write_report([tmp_path / "run"], mistakes=0).read_text()
    assert "Each was trained once: whether another seed or other folds would say the same is not known." in page
    assert "ferdis kfold --partitions 10 tells it" in page


def test_two_reports_are_compared(run: Path, tmp_path: Path) -> None:
    systems = {"near": NearestMean(epochs=2), "other": Plain()}
    evaluate(systems, FACES, SubjectKFold(4), out=tmp_path / "later", progress=False)
    page = write_report([tmp_path / "later"], mistakes=0, against=run / "report").read_text()
    assert "Since an earlier report" in page and "another protocol than in the earlier report" in page
    then, now = read_report(run / "report/report.html"), read_report(tmp_path / "later/report")
    table, remarks = changes(then, now)
    line = table[(table["system"] == "near") & (table["figure"] == "uar")].iloc[0]
    assert line["change"] == pytest.approx(line["now"] - line["then"]) and set(table["system"]) == {"near"}
    assert any("other: only now" in remark for remark in remarks) and any("far: only earlier" in r for r in remarks)
    same, remarks = changes(then, then)
    assert (same["change"] == 0).all() and not same["outside"].any() and not remarks
    assert set(same.loc[same["outside"].isna(), "figure"]) == {"macro_f1", "ece"}  # they have no interval
    assert "| macro-F1 | " in (text := changes_text(then, then)) and text.count("no interval") == 2 * len(
        then["groups"][0]["systems"]
    )


def test_what_is_no_report_is_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such report"):
        write_report([run], out=tmp_path / "x", against=tmp_path)
    assert not (tmp_path / "x").exists()
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ValueError, match="is no report"):
        read_report(tmp_path)
