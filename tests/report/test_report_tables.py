"""Tables, groups, mistakes and published figures, by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from ferdis import figures, metrics
from ferdis.report import tables
from ferdis.report.mistakes import data_uri, with_pictures, worst
from ferdis.report.page import Part, Section, _html, drawing, render
from ferdis.report.published import beside
from ferdis.report.tables import Table, bracketed, p_text, percent, signed, with_spread
from tests.evaluation.runner_fakes import make_faces
from tests.metrics.test_recognition import CLASSES, make_rows


@pytest.fixture
def rows() -> pd.DataFrame:
    rows = pd.concat([make_rows(), make_rows(seed=1, system="two")], ignore_index=True)
    person = rows["subject"].str[1:].astype(int)
    return rows.assign(age=15.0 + 3 * person, gender=np.where(person < 2, "f", "m"), tilt=np.linspace(-1, 1, len(rows)))


def test_figures_in_words() -> None:
    assert (percent(0.12345), percent(0.12345, 2), percent(np.nan)) == ("12.3", "12.35", "-")
    assert (signed(0.012), signed(-0.012)) == ("+1.2", "−1.2")
    assert bracketed(0.5, 0.4, 0.6) == "50.0 [40.0, 60.0]" and bracketed(0.5, np.nan, np.nan) == "50.0"
    assert bracketed(-0.05, -0.1, 0.01, signed) == "−5.0 [−10.0, +1.0]"
    assert (with_spread(0.5, 0.1), with_spread(0.5, np.nan)) == ("50.0 ± 10.0", "50.0")
    assert [p_text(value) for value in (0.0001, 0.0312, 0.312, np.nan)] == ["< 0.001", "0.031", "0.31", "-"]


def test_latex_is_escaped() -> None:
    cells = pd.DataFrame({"system_a": ["50 % ± 1", "a|b & {c}"], "n": ["1", "−2"]})
    text = Table("x", "100 % of a_b", cells, ("a note",)).latex()
    assert r"50 \% $\pm$ 1 & 1 \\" in text and r"a|b \& \{c\} & $-$2 \\" in text
    assert r"\caption{100 \% of a\_b}" in text and text.startswith("% a note\n") and "{lr}" in text
    assert "| a\\|b & {c} | −2 |" in Table("x", "t", cells).markdown()


def test_ages_are_in_decades_and_few_people_are_named(rows: pd.DataFrame) -> None:
    groups = tables.groups_of(rows)
    assert set(groups) == {"age", "gender"}
    assert set(groups["age"]) == {"10–19", "20–29", "30–39", "40–49", "50–59", "60 and over"}
    assert groups["age"][rows["age"] == 39].unique().tolist() == ["30–39"]
    records = tables.group_records(rows, groups)
    part = rows[(rows["gender"] == "m") & (rows["system"] == "two")]
    line = records.query("group == 'm' and system == 'two'").iloc[0]
    assert line["uar"] == metrics.uar(part["true"], part["predicted"]) and line["people"] == 18
    assert (line["low"], line["high"]) == metrics.interval(part, "uar")
    table = tables.group_table(records)
    assert table.cells["attribute"].tolist() == ["age", "", "", "", "", "", "gender", ""]
    assert any("gender f" in note and "Nothing follows" in note for note in table.notes)
    assert len(figures.group_recall(records).axes[0].get_yticklabels()) == 8


def test_accuracy_of_sequences_is_shown_where_there_are_any(rows: pd.DataFrame) -> None:
    summary = metrics.summary(rows).assign(sequence_accuracy=[0.75, np.nan])
    shown = tables.summary_table(summary).cells
    assert shown["sequence accuracy (%)"].tolist() == ["75.0", "-"]
    assert "sequence accuracy (%)" not in tables.summary_table(summary.assign(sequence_accuracy=np.nan)).cells


def test_columns_to_group_by(rows: pd.DataFrame) -> None:
    assert tables.groups_of(rows, ["tilt"])["tilt"].nunique() == 4  # quarters
    missing = rows.assign(gender=rows["gender"].where(rows["subject"] != "s5"))
    assert (tables.groups_of(missing)["gender"] == "not known").sum() == (rows["subject"] == "s5").sum()
    with pytest.raises(ValueError, match="column 'path' has 120 values, too many"):
        tables.groups_of(rows, ["path"])
    assert tables.groups_of(rows.assign(gender="f", age=np.nan)) == {}  # one group is no grouping


def test_class_recall_has_the_confusion_matrix_diagonal(rows: pd.DataFrame) -> None:
    cells = tables.class_table(rows).cells
    one = rows[rows["system"] == "one"]
    for name, recall in metrics.recalls(one["true"], one["predicted"]).items():
        assert cells.loc[cells["class"] == name, "one (%)"].iloc[0].startswith(f"{100 * recall:.1f} [")


def test_calibration_of_each_system(rows: pd.DataFrame) -> None:
    cells = tables.calibration_table(rows).cells  # type: ignore[union-attr]
    one = rows[rows["system"] == "one"]
    error = metrics.expected_calibration_error(one["true"], metrics.probabilities(one), CLASSES)
    assert cells["ECE (%)"].iloc[0] == percent(error) and cells["mean confidence (%)"].iloc[0] == "80.0"
    assert tables.calibration_table(rows.drop(columns=[f"p_{name}" for name in CLASSES])) is None
    bars = figures.reliability(one).axes[0].patches
    assert len(bars) == 1 and bars[0].get_height() == pytest.approx((one["true"] == one["predicted"]).mean())


def test_a_single_system_is_compared_with_nothing(rows: pd.DataFrame) -> None:
    fits = pd.DataFrame({"seed": 0, "fold": range(5), "train_images": 72, "test_images": 24})
    assert tables.compared(rows[rows["system"] == "one"], fits) is None
    found = tables.compared(rows, fits)
    shares = {(0, fold): 1 / 3 for fold in range(5)}  # 24 of 96 validate: the true share, not 24 / 96
    assert found["t_p"].iloc[0] == pytest.approx(metrics.compare_systems(rows, test_shares=shares)["t_p"].iloc[0])  # type: ignore[index]


def test_the_worst_mistakes_are_the_surest_one_a_person_and_class() -> None:
    table = pd.DataFrame(
        {
            "path": ["1", "2", "3", "4", "5"],
            "subject": ["a", "a", "a", "b", "b"],
            "true": ["fear", "fear", "anger", "fear", "fear"],
            "predicted": ["anger", "anger", "fear", "anger", "fear"],
            "p_anger": [0.7, 0.9, 0.4, 0.8, 0.0],
            "p_fear": [0.3, 0.1, 0.6, 0.2, 1.0],
        }
    )
    assert worst(table)["path"].tolist() == ["2", "4", "3"]  # 1 shows the same person and class as 2; 5 is right
    assert worst(table)["confidence"].tolist() == [0.9, 0.8, 0.6] and len(worst(table, 1)) == 1
    seeds = pd.concat([table, table.assign(p_anger=0.0, p_fear=1.0)])  # the seeds' mean: 2 is now 0.45 to 0.55
    assert worst(seeds)["path"].tolist() == ["3"]
    assert worst(table.drop(columns=["p_anger", "p_fear"])).empty


def test_pictures_are_found_by_path() -> None:
    faces = make_faces()
    table = pd.DataFrame({"path": [faces.table["path"][7], "gone.png"], "true": "fear", "predicted": "anger"})
    found, missing = with_pictures(table.assign(confidence=0.5), faces)
    assert found[0].picture == data_uri(faces.pixels([7])[0]) and found[1].picture == ""
    assert missing == "1 of 2 are not among the faces of the data set"
    assert data_uri(np.zeros((400, 300, 3), np.uint8)).startswith("data:image/png;base64,")


def test_published_figures_are_found_by_class_and_set() -> None:
    assert beside("ckplus", {"class": "IFGAN"})["value"].tolist() == [97.52]
    assert beside("CK+", {"class": "IFGAN", "attention": False})["value"].tolist() == [95.79]
    assert beside("oulucasia", {"class": "RELGAN"})["value"].tolist() == [88.93]
    assert beside("ckplus", {"class": "ResNetClassifier", "classifier": "resnet18"}).empty
    assert beside("synthetic", {"class": "IFGAN"}).empty and beside("ckplus", {"class": "Plain"}).empty


def test_prose_of_a_run_fetches_and_runs_nothing() -> None:
    crafted = (
        "# A\n\n<img src='http://a.b/c.png'> ![x](http://a.b/d.png) [y](http://a.b) <http://a.b>\n\n"
        "![z][ref]\n\n[ref]: http://a.b/e.png\n\n<script>alert(1)</script>\n\n| a |\n| --- |\n| <b>1 |\n"
    )
    tags = set(re.findall(r"<(\w+)", _html(crafted)))
    assert tags == {"h1", "p", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_page_shows_what_it_is_given_and_obeys_none_of_it() -> None:
    cells = pd.DataFrame({"<i>a": ["<u>b"]})
    part = Part("<b>p", "g1-p", lines=["<s>l"], tables=[Table("t", "<em>t", cells)], texts=[("<h5>", "<pre>x")])
    html = render("<b>r", "s", ["<q>"], [Section("<b>g", "g1", "<i>a", ["<u>h"], [part])], "<b>now")
    assert not re.search(r"<(b|i|u|s|em|q|h5)>", html) and "&lt;s&gt;l" in html and "&lt;u&gt;b" in html
    assert 'id="g1-p-t"' in html, "tables of one name in two groups have two anchors"


def test_a_part_is_there_if_anything_is_below_its_heading() -> None:
    assert not Part("Folds", "g1-folds")
    for name in ("lines", "tables", "remarks", "prose", "figures", "mistakes", "texts", "folded"):
        assert Part("Folds", "g1-folds", **{name: ["x"]})


def test_a_figure_stands_on_the_page_in_inches_of_96_pixels() -> None:
    shown = drawing("x", figures.empty_figure(5.5, 3)[0], "caption")
    assert shown.width == 528 and shown.png.startswith(b"\x89PNG")
