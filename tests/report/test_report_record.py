"""What changed from one report to another, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ferdis.report.record import changes, changes_text


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
