"""A bar on a terminal, lines in a log."""

from __future__ import annotations

import time

import pytest

from ferdis.progress import Bar, lines_of, told_name


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")


def two_fits(capsys: pytest.CaptureFixture, shown: bool) -> str:
    with Bar("fits", 3, 1, shown, each=True) as bar:
        bar.step("first")
        bar.step("second")
    return capsys.readouterr().err


def test_slow_steps_have_a_line_each_in_a_log(capsys: pytest.CaptureFixture) -> None:
    lines = two_fits(capsys, True).splitlines()
    assert lines[0].startswith("fits 2/3: first, about") and lines[1] == "fits 3/3: second" and len(lines) == 2
    assert two_fits(capsys, False) == ""


def test_a_terminal_has_a_bar(capsys: pytest.CaptureFixture, terminal: None) -> None:
    said = two_fits(capsys, True)
    assert "3/3" in said and "second" in said and "fits 2/3: first" not in said
    assert two_fits(capsys, False) == ""


def test_fast_steps_say_nothing_in_a_log_unless_asked_to_now_and_then(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def minutes(every: float | None) -> list[str]:
        now[0] = 0.0
        with Bar("main", None, every=every) as bar:
            bar.update(total=200, what="main 1/2")
            for _ in range(200):
                now[0] += 1.0
                bar.step()
        return capsys.readouterr().err.splitlines()

    assert minutes(None) == []
    assert minutes(60.0) == [
        "main 1/2 60/200, about 2 min 20 s left",
        "main 1/2 120/200, about 1 min 20 s left",
        "main 1/2 180/200, about 20 s left",
    ]


def test_a_bar_inside_a_bar_is_a_line_below_it(capsys: pytest.CaptureFixture, terminal: None) -> None:
    for name in ("the fit", "another"):  # the screen is free again after an error, too
        with pytest.raises(KeyError), Bar("fits", 2, each=True) as outer:
            with Bar("main", None) as inner:
                inner.update(5, total=5, what="main 1/1")
                Bar._screen.refresh()  # a bar is drawn ten times a second
            outer.step(name)
            raise KeyError
        said = capsys.readouterr().err
        assert "main 1/1" in said and "5/5" in said
        last = said[said.rindex("fits") :]
        assert "1/2" in last and name in last and "main" not in last


def test_a_total_that_becomes_known_is_shown(capsys: pytest.CaptureFixture, terminal: None) -> None:
    with Bar("main", None) as bar:
        bar.update(4, total=8, what="main 1/2")
        bar.update(8)
    said = capsys.readouterr().err
    assert "8/8" in said and "main 1/2" in said


def test_the_name_of_a_block_ends_with_it() -> None:
    with lines_of("fold 1"):
        with lines_of("fold 2"):
            assert told_name() == "fold 2"
        assert told_name() == "fold 1"
    assert told_name() == ""


def test_time_left_is_reckoned_from_the_steps_of_this_run(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [500.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Bar("fits", 10, 4, each=True) as bar:
        now[0] += 120.0  # of which 100 come once
        bar.apart = 100.0
        bar.step("last", 2)
        bar.update(what="other fits")
    assert capsys.readouterr().err.splitlines() == ["fits 6/10: last, about 40 s left"]


def test_what_is_finished_has_no_bar_and_a_short_one_is_wiped_off(
    capsys: pytest.CaptureFixture, terminal: None
) -> None:
    with Bar("fits", 2, 2, each=True):
        assert Bar._screen is None
    assert capsys.readouterr().err == ""
    for each in (True, False):
        with Bar("fits", 2, each=each):
            assert Bar._screen.live.transient is not each
