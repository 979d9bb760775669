"""Figures of a report by hand: what is divided by what, over which people, and which of two columns a cell shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from ferdis import figures
from ferdis.metrics import compare_systems, corrected_resampled_t, fold_differences, interval, summary
from ferdis.metrics.selective import temperatures, tempered
from ferdis.report import confidence, tables
from ferdis.report.confidence import calibration_part, coverage_figure, selective_table, temperature_table
from ferdis.report.joining import _more_seeds
from ferdis.report.mistakes import with_pictures, worst
from ferdis.report.notes import leak_of, notes
from tests.evaluation.runner_fakes import make_faces
from tests.metrics.test_recognition import make_rows
from tests.report.test_report_extras import overconfident


def grouped(people: int, right: str, group: str, start: int = 0) -> pd.DataFrame:
    """People of one class with one image each; a pattern of right answers that is repeated."""
    number = range(start, start + people)
    marks = [right[k % len(right)] for k in range(people)]
    predicted = ["fear" if mark == "1" else "anger" for mark in marks]
    return pd.DataFrame(
        {"system": "a", "seed": 0, "fold": 0, "subject": [f"s{k}" for k in number],
         "path": [f"{k}.png" for k in number], "true": "fear", "predicted": predicted, "skin": group}
    )  # fmt: skip


def gap(rows: pd.DataFrame) -> tuple[str, list[float]] | None:
    groups = tables.groups_of(rows)
    table = tables.gap_table(rows, tables.group_records(rows, groups), groups)
    if table is None:
        return None
    cell = table.cells.loc[0, "gap in UAR (points)"].replace("−", "-")
    return table.cells.loc[0, "groups"], [
        float(x) for x in cell.replace("[", "").replace("]", "").replace(",", "").split()
    ]


def test_people_of_two_groups_are_drawn_apart() -> None:
    """Groups that answer alike: the same draws for both would leave no interval at all."""
    found = gap(pd.concat([grouped(200, "1110", "I"), grouped(200, "1110", "VI", 200)]))
    assert found is not None
    value, low, high = found[1]
    assert value == 0 and high - low == pytest.approx(
        100 * 2 * stats.norm.ppf(0.975) * np.sqrt(2 * 0.75 * 0.25 / 200), rel=0.12
    )


def test_gaps_are_between_groups_that_can_be_compared() -> None:
    first, second = grouped(8, "1", "I"), grouped(8, "10", "II", 10)
    third = grouped(8, "0", "VI", 20)
    assert gap(pd.concat([first, second, third]))[0] == "I − VI"  # type: ignore[index]
    few = third[:4]  # four people
    assert gap(pd.concat([first, second, few]))[0] == "I − II"  # type: ignore[index]
    wider = [some.assign(true=np.where(np.arange(8) % 2, "anger", "fear")) for some in (first, second)]
    found = gap(pd.concat([*wider, third]))  # the third has one class only
    assert found is not None and "VI" not in found[0]
    assert gap(pd.concat([first, few])) is None


def test_the_t_test_takes_test_over_training_of_each_fold() -> None:
    rows = pd.concat([make_rows(), make_rows(seed=1, system="two", skill=0.5)])
    fits = pd.DataFrame({"seed": 0, "fold": range(5), "test_images": [24, 24, 24, 24, 24],
                         "train_images": [72, 72, 96, 96, 48]})  # fmt: skip
    found = tables.compared(rows, fits)
    assert found is not None
    share = np.mean([24 / 72, 24 / 72, 24 / 96, 24 / 96, 24 / 48])
    assert found.loc[0, "t"] == corrected_resampled_t(fold_differences(rows, "one", "two"), share)[0]
    given = {(0, fold): 1 / (fold + 1) for fold in range(5)}
    table = compare_systems(rows, test_shares=given, replicates=20)
    mean = np.mean(list(given.values()))
    assert table.loc[0, "t"] == corrected_resampled_t(fold_differences(rows, "one", "two"), mean)[0]


def test_cells_show_the_columns_of_their_heads() -> None:
    line = {"system": "a", "dataset": "x", "accuracy_mean": 0.5, "accuracy_std": 0.1, "accuracy": 0.6,
            "accuracy_low": 0.55, "accuracy_high": 0.65, "uar": 0.4, "uar_low": 0.3, "uar_high": 0.45, "macro_f1": 0.35,
            "sequence_accuracy": 0.7, "ece": 0.2}  # fmt: skip
    cells = tables.summary_table(pd.DataFrame([line])).cells.iloc[0].tolist()
    assert cells == ["a", "50.0 ± 10.0", "60.0 [55.0, 65.0]", "40.0 [30.0, 45.0]", "35.0", "70.0", "20.0"]
    rows = pd.concat([make_rows(), make_rows(seed=1, system="two"), make_rows(seed=2, system="three")])
    found = compare_systems(rows, replicates=200)
    shown = tables.comparison_table(found).cells
    for k, each in found.iterrows():
        assert shown.loc[k, "p, UAR"] == tables.p_text(each["uar_p"])
        assert shown.loc[k, "p, UAR, Holm"] == tables.p_text(each["uar_holm"])
    assert (found["uar_holm"] >= found["uar_p"]).all() and (found["uar_holm"] > found["uar_p"]).any()


def test_classes_are_recalled_not_predicted() -> None:
    rows = pd.DataFrame(
        {"system": "a", "subject": ["1", "2", "3", "4"], "path": list("wxyz"),
         "true": ["anger", "anger", "fear", "fear"], "predicted": ["anger", "fear", "fear", "fear"]}
    )  # fmt: skip
    cells = tables.class_table(rows).cells.set_index("class")["a (%)"]
    assert cells["anger"].startswith("50.0 [") and cells["fear"].startswith("100.0 [")


def test_calibration_stands_before_and_after_its_temperature() -> None:
    rows = overconfident(2.5, 900)
    table = temperature_table(rows)
    assert table is not None
    line = table.cells.iloc[0]
    assert float(line["ECE before (%)"]) > 5 > float(line["ECE after (%)"])
    each, cooled = temperatures(rows), tempered(rows)
    assert cooled is not None and line["mean confidence after (%)"] == f"{100 * cooled.max(axis=1).mean():.1f}"
    assert line["temperature"] == f"{each.median():.2f} ({each.min():.2f} to {each.max():.2f})"


def test_the_middle_temperature_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "temperatures", lambda _: pd.Series([1.0, 1.25, 3.0]))
    table = temperature_table(overconfident(2.5, 90))
    assert table is not None and table.cells.loc[0, "temperature"] == "1.25 (1.00 to 3.00)"


def sure(right: str, system: str = "a") -> pd.DataFrame:
    """Answers of one system, the surest first; 1 marks the right ones."""
    share = np.linspace(0.99, 0.6, len(right))
    true = ["fear" if mark == "1" else "anger" for mark in right]
    return pd.DataFrame({"system": system, "true": true, "predicted": "fear", "p_fear": share,
                         "p_anger": 1 - share})  # fmt: skip


def test_accuracy_is_of_the_surest_answers() -> None:
    (line,) = selective_table(sure("1111100111")).cells.to_dict("records")
    shares = {"100 % answered": "80.0", "90 % answered": "77.8", "80 % answered": "75.0", "70 % answered": "71.4",
              "50 % answered": "100.0"}  # fmt: skip
    assert line == {"system": "a", **shares, "AURC (%)": "11.2"}  # mean of 0 five times, 1/6, 2/7, 2/8, 2/9, 2/10
    (drawn,) = coverage_figure(sure("1101")).axes[0].lines
    np.testing.assert_allclose(drawn.get_xdata(), [25, 50, 75, 100])
    np.testing.assert_allclose(drawn.get_ydata(), [100, 100, 200 / 3, 75])


def test_each_system_has_a_reliability_diagram_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def reliability(rows: pd.DataFrame) -> Figure:
        drawn.append(set(rows["system"]))
        return figures.empty_figure(1, 1)[0]

    monkeypatch.setattr(figures, "reliability", reliability)
    part = calibration_part(pd.concat([sure("1101"), sure("1011", "b")]).assign(fold=0, seed=0), "g1")
    assert drawn == [{"a"}, {"b"}] and [item.name for item in part.figures[:2]] == ["reliability-a", "reliability-b"]


def test_a_run_adds_seeds_only_with_the_same_parameters() -> None:
    one = pd.DataFrame({"parameters": ["p", "p"], "seed": [0, 1]})
    assert _more_seeds(one, one.assign(seed=[2, 3]))
    assert not _more_seeds(one, one.assign(seed=[1, 2]))
    assert not _more_seeds(one, one.assign(seed=[2, 3], parameters="q"))


def test_mistakes_are_of_the_mean_over_seeds_and_find_their_image() -> None:
    faces = make_faces(2)
    path = [str(faces.table["path"].iloc[row]) for row in (7, 2)]
    rows = pd.DataFrame(
        {"path": path * 2, "subject": ["b", "a"] * 2, "true": "fear", "predicted": "anger", "seed": [0, 0, 1, 1],
         "p_anger": [0.9, 0.8, 0.0, 0.6], "p_fear": [0.1, 0.2, 1.0, 0.4]}
    )  # fmt: skip
    found = worst(rows)
    assert found["path"].tolist() == [path[1]] and found["confidence"].tolist() == pytest.approx([0.7])
    (mistake,), missing = with_pictures(found, faces)
    ((direct,), _) = with_pictures(found, faces[[2]])
    ((other,), _) = with_pictures(found.assign(path=path[0]), faces)
    assert not missing and mistake.picture == direct.picture != other.picture


def test_chance_and_leaks_in_words() -> None:
    rows = make_rows()
    record = {"seeds": [0], "selection": "last", "protocol": "given", "systems": {}, "dataset": "x",
              "faces": {"images": 120, "classes": ["a", "b", "c"], "attrs": {}}}  # fmt: skip
    fits = pd.DataFrame({"train_images": [96] * 5, "test_images": [24] * 5, "notes": [[]] * 5, "resumed": [False] * 5})
    assert "Chance is a UAR of 33.3 %." in notes(rows, record, fits)
    said = leak_of({"audit": {"leaks": 4, "seen_share": 0.25}})
    assert "25.0 % of its test images" in said and "findings of the audit: 4" in said
    assert leak_of({"audit": {"leaks": 0}}) == "" == leak_of({})
    assert summary(rows, replicates=10)["folds"].item() == 5


def test_a_pair_of_systems_by_hand() -> None:
    line = {"first": "a", "second": "b", "people": 12, "folds": 5, "decisions": 90, "first_only": 7, "second_only": 4,
            "uar_difference": 0.05, "uar_low": -0.01, "uar_high": 0.1, "uar_p": 0.0004, "uar_holm": 0.001,
            "accuracy_difference": -0.02, "accuracy_low": -0.04, "accuracy_high": 0.01, "accuracy_p": 0.3,
            "accuracy_holm": 0.6, "t_p": 0.2, "mcnemar_p": 0.55}  # fmt: skip
    (shown,) = tables.comparison_table(pd.DataFrame([line])).cells.to_dict("records")
    assert shown == {
        "first − second": "a − b", "UAR (points)": "+5.0 [−1.0, +10.0]", "p, UAR": "< 0.001",
        "accuracy (points)": "−2.0 [−4.0, +1.0]", "p, accuracy": "0.30", "p, t": "0.20",
        "right: only first / only second": "7 / 4 of 90", "p, McNemar": "0.55",
    }  # fmt: skip


def test_groups_of_numbers_are_in_their_order_and_the_unknown_last() -> None:
    rows = pd.concat([grouped(2, "10", group, 10 * k) for k, group in enumerate(["10", "not known", "9", "VI"])])
    records = tables.group_records(rows, {"skin": rows["skin"]})
    assert records["group"].tolist() == ["9", "10", "VI", "not known"]


def test_images_of_a_class_are_counted_once_and_its_interval_is_its_own() -> None:
    rows = pd.concat([grouped(8, "1110", "I"), grouped(8, "1110", "I").assign(true="anger", path=list("abcdefgh"))])
    both = pd.concat([rows, rows.assign(system="b")], ignore_index=True)
    anger, fear = tables.class_table(both).cells.to_dict("records")
    assert (anger["class"], anger["images"], fear["class"], fear["images"]) == ("anger", "8", "fear", "8")
    for shown, name, value in ((anger, "anger", "25.0"), (fear, "fear", "75.0")):
        low, high = interval(rows[rows["true"] == name], "accuracy")
        assert shown["a (%)"] == shown["b (%)"] == f"{value} [{100 * low:.1f}, {100 * high:.1f}]"


def test_a_gap_is_the_best_less_the_worst() -> None:
    found = gap(pd.concat([grouped(40, "1110", "I"), grouped(40, "1000", "VI", 40)]))
    assert found is not None and found[0] == "I − VI"
    value, low, high = found[1]
    assert value == 50 and 20 < low < 50 < high < 80


def test_calibration_by_hand() -> None:
    """Ten answers with a confidence of 0.61 or 0.69, which are two of fifteen bins and one of ten."""
    rows = pd.DataFrame({"system": "a", "true": ["fear"] * 8 + ["anger"] * 2, "predicted": "fear",
                         "p_fear": [0.61] * 5 + [0.69] * 5})  # fmt: skip
    rows["p_anger"] = 1 - rows["p_fear"]
    table = tables.calibration_table(rows)
    assert table is not None
    (line,) = table.cells.to_dict("records")
    assert line == {"system": "a", "ECE (%)": "24.0", "mean confidence (%)": "65.0", "accuracy (%)": "80.0",
                    "confidence − accuracy": "−15.0"}  # fmt: skip


def test_a_birthday_begins_a_decade() -> None:
    ages = pd.Series([9, 10, 19, 20, 59, 60, 99, np.nan], name="age")
    assert tables.groups_of(ages.to_frame())["age"].tolist() == [
        "0–9", "10–19", "10–19", "20–29", "50–59", "60 and over", "60 and over", "not known",
    ]  # fmt: skip
