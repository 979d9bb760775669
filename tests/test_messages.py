"""How things are named, quoted and cut."""

from __future__ import annotations

import errno
import os

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
