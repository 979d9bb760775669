"""The list of wrong programs is up to date: each edit is of a line that is there, and gives a program."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

import pytest

from tools import check_wiring
from tools.check_wiring import ROOT, WrongProgram, programs

EVERY = list(programs())


def parse_edited(file: str, edits: Iterable[WrongProgram]) -> None:
    """Parse a file with each of its edits; those that leave each other's places alone are parsed together."""
    right, left = (ROOT / file).read_text(encoding="utf-8"), list(edits)
    while left:
        text = right
        together: list[WrongProgram] = []
        for program in left:
            if text.count(program.right) == 1:
                text = text.replace(program.right, program.wrong)
                together.append(program)
        try:
            ast.parse(text, file)
        except SyntaxError:  # what is a program with one edit may be none with two
            for program in together:
                ast.parse(right.replace(program.right, program.wrong), program.name)
        left = [program for program in left if program not in together]


def test_each_edit_gives_a_program() -> None:
    for file, edits in groupby(sorted(EVERY, key=attrgetter("file")), attrgetter("file")):
        parse_edited(file, edits)


def test_an_edit_that_gives_none_is_found() -> None:
    others = [program for program in EVERY if program.file == "ferdis/losses.py"]
    for wrong in ("return value.float( if half", "return value.float() if half else value)"):
        broken = WrongProgram("broken", "ferdis/losses.py", "return value.float() if half else value", wrong, ())
        with pytest.raises(SyntaxError):
            parse_edited("ferdis/losses.py", [*others, broken])


def test_each_edit_changes_something_that_tests_can_notice() -> None:
    for program in EVERY:
        assert program.wrong != program.right and all((ROOT / test).is_file() for test in program.tests), program.name


def test_names_are_told_apart_and_the_first_ones_are_marked() -> None:
    assert len({(program.file, program.name) for program in EVERY}) == len(EVERY)
    assert sum(program.name.startswith("*") for program in EVERY) >= 43


def test_an_edit_whose_line_is_gone_is_an_error(monkeypatch) -> None:
    edits = {"gone": ("no such line", "whatever")}
    monkeypatch.setattr(check_wiring, "PROGRAMS", [{"ferdis/losses.py": ((), edits)}])
    with pytest.raises(ValueError, match=r"ferdis/losses.py: 'no such line' of 'gone' is there 0 times"):
        list(programs())
