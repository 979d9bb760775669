"""How things are named, quoted and cut."""

from __future__ import annotations

import errno
import os

import markdown_it
import pytest

from ferdis import messages


@pytest.mark.parametrize(
    ("things", "most", "text"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (range(12), 5, "0, 1, 2, 3, 4 and 7 more"),
        (["anna", "bert"], 1, "anna and 1 more"),
    ],
)
def test_the_first_are_named_and_the_rest_counted(things: list, most: int, text: str) -> None:
    assert messages.named(things, most) == text
    assert messages.named(iter(things), most) == text


def test_what_stands_between_names_can_be_chosen() -> None:
    assert messages.named("abc", 2, "; ") == "a; b and 1 more"


def test_a_long_value_loses_its_middle_and_keeps_both_ends() -> None:
    text = "start " + "x" * 100_000 + " end"
    cut = messages.short(text)
    assert len(cut) == messages.QUOTED and cut.startswith("start xx") and cut.endswith("xx end") and "..." in cut
    assert messages.short("a\n b\t c") == "a b c"
    assert messages.short("x" * messages.QUOTED) == "x" * messages.QUOTED
    assert messages.quoted("an\nna") == "'an na'" and messages.quoted(["a"]) == "['a']"
    assert len(messages.quoted("'" * 1000)) <= messages.QUOTED + 2


def test_an_error_is_one_line() -> None:
    assert messages.one_line(ValueError("first\n  second")) == "first second"
    assert messages.one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert len(messages.one_line(ValueError("y" * 10**6))) == messages.LINE


def test_the_reason_of_a_system_error_does_not_repeat_the_file() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/a/file")
    assert messages.reason(error) == "Permission denied" and "/a/file" in messages.one_line(error)
    assert messages.reason(ValueError("no\nword")) == "no word"


def test_only_errors_that_do_not_speak_to_the_user_say_what_they_are() -> None:
    assert messages.with_kind(ValueError("name two\nsystems")) == "name two systems"
    assert messages.with_kind(RuntimeError("CUDA error\nat line 5 of ...")) == "RuntimeError: CUDA error"
    assert messages.with_kind(MemoryError()) == "MemoryError"


def test_a_near_name_is_offered() -> None:
    assert messages.closest("hapiness", ["happiness", "fear"]) == "; did you mean 'happiness'?"
    assert messages.closest("zebra", ["happiness", "fear"]) == ""


def test_a_markdown_table_shows_its_cells_as_text() -> None:
    rows = [["a|b", 1], ["two\nlines", "<img src=x>"], ["![x](http://x/y.png)", "[link](http://x)"]]
    table = messages.markdown_table(["name", "value"], rows)
    assert table.splitlines()[:3] == ["| name | value |", "| --- | --- |", r"| a\|b | 1 |"]
    html = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(table)
    assert html.count("<tr>") == 4 and html.count("<td>") == 6
    assert "<img" not in html and "<a " not in html
    for shown in ("a|b", "two lines", "&lt;img src=x&gt;", "![x](http://x/y.png)", "[link](http://x)"):
        assert f"<td>{shown}</td>" in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert messages.duration(seconds) == text
