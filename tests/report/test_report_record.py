"""What changed from one report to another, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ferdis.metrics import Gain
from ferdis.report.joining import join
from ferdis.report.page import Section
from ferdis.report.record import as_json, changes, changes_text, read_report, report_record
from tests.metrics.test_recognition import make_rows
from tests.report.test_report_notes import make_run


def report(accuracy: float, low: float | None, high: float | None, **changed: Any) -> dict[str, Any]:
    system = {"system": "cnn", "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}
    group = {"title": "jaffe", "faces_digest": "a", "protocol": {"class": "SubjectKFold"}, "systems": [system]}
    return {"ferdis_report": 1, "groups": [{**group, **changed}]}


@pytest.mark.parametrize(
    ("then", "now", "outside"),
    [
        ((0.50, 0.45, 0.55), (0.70, 0.65, 0.75), True),  # either is outside of the other's interval
        ((0.50, 0.45, 0.55), (0.57, 0.48, 0.66), False),  # the later one is outside of the earlier interval alone
        ((0.50, 0.40, 0.60), (0.57, 0.54, 0.60), False),  # the earlier one is outside of the later interval alone
        ((0.50, None, None), (0.70, 0.65, 0.75), None),
    ],
)
def test_a_change_is_now_less_then_and_large_if_either_figure_is_outside_the_others_interval(
    then: tuple, now: tuple, outside: bool | None
) -> None:
    (line,) = changes(report(*then), report(*now))[0].to_dict("records")
    assert line["change"] == pytest.approx(now[0] - then[0]) and (line["then"], line["now"]) == (then[0], now[0])
    assert line["outside"] is outside
    word = {None: "no interval", True: "yes", False: "no"}[outside]
    gain = f"+{100 * (now[0] - then[0]):.1f}"
    row = f"| jaffe | cnn | accuracy | {100 * then[0]:.1f} | {100 * now[0]:.1f} | {gain} | {word} |"
    assert row in changes_text(report(*then), report(*now))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, None),
        ({"protocol": {"class": "LeaveOneSubjectOut"}}, "another protocol"),
        ({"faces_digest": "b"}, "other images or labels"),
    ],
)
def test_two_questions_are_told_apart(changed: dict[str, Any], says: str | None) -> None:
    _, remarks = changes(report(0.5, 0.4, 0.6), report(0.5, 0.4, 0.6, **changed))
    expected = f"jaffe: {says} than in the earlier report: the figures answer two questions."
    assert remarks == ([] if says is None else [expected])


def test_systems_of_one_report_alone_and_figures_of_nothing() -> None:
    then, now = report(0.5, 0.4, 0.6), report(0.0, 0.0, 0.1)
    for one, other in ((then, "old"), (now, "new")):
        one["groups"][0]["systems"].append({"system": other, "accuracy": 0.5})
    table, remarks = changes(then, now)
    assert remarks == ["jaffe: new: only now.", "jaffe: old: only earlier."]
    assert table[["system", "then", "now"]].to_numpy().tolist() == [["cnn", 0.5, 0.0]]


def test_each_group_is_compared_with_the_one_in_its_place() -> None:
    then, now = report(0.1, 0.0, 0.2), report(0.2, 0.1, 0.3)
    then["groups"] += report(0.5, 0.4, 0.6)["groups"]
    now["groups"] += report(0.7, 0.6, 0.8, title="ck")["groups"] + report(0.9, 0.8, 1.0, title="bu3d")["groups"]
    table, remarks = changes(then, now)
    assert table[["group", "then", "now"]].to_numpy().tolist() == [["jaffe", 0.1, 0.2], ["ck", 0.5, 0.7]]
    assert remarks == ["bu3d: the earlier report has no such group."]


def test_a_report_is_found_by_its_folder_its_page_and_its_file(tmp_path: Path) -> None:
    record = report(0.5, None, None)
    (tmp_path / "report.json").write_text(as_json(record))
    (tmp_path / "report.html").write_text("<html>")
    for place in (tmp_path, tmp_path / "report.html", tmp_path / "report.json"):
        assert read_report(place) == record
    with pytest.raises(FileNotFoundError, match=r"other\.json: no such report"):
        read_report(tmp_path / "other.html")


def test_what_a_report_holds_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    gain = Gain(0.1, 0.0, 0.2, -0.05, 0.3, 0.01, 0.01, 0.01, 0.05, 4, 2, 20, "")
    monkeypatch.setattr("ferdis.report.record.gains_of", lambda _: {("one", "two"): gain})
    faces = {"digest": "abc", "images": 120, "classes": ["fear", "joy"], "attrs": {}}
    runs = [make_run(Path(name), make_rows(system=name), faces=faces) for name in ("one", "two")]
    group = join(runs)[0][0]
    summary = pd.DataFrame([{"system": "one", "accuracy": 0.5, "ece": float("nan")}])
    (found,) = report_record([group], [Section("both", "g1", "what", ["told"], [])], [summary])["groups"]
    assert found["runs"] == ["one", "two"] and found["faces_digest"] == "abc"
    assert found["systems"] == [{"system": "one", "accuracy": 0.5, "ece": None}]
    (line,) = found["gains"]
    assert (line["first"], line["second"], line["difference"]) == ("one", "two", 0.1)
    assert (line["low"], line["high"]) == (-0.05, 0.3)
