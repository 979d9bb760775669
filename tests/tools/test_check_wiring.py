"""The list of wrong programs is up to date: each edit is of a line that is there, and gives a program."""

from __future__ import annotations

import ast
from itertools import groupby

import pytest

from tools import check_wiring
from tools.check_wiring import ROOT, WrongProgram, programs

EVERY = list(programs())


def test_each_edit_gives_a_program() -> None:
    """Edits of one file that leave each other's places alone are parsed together."""
    for file, edits in groupby(sorted(EVERY, key=lambda program: program.file), lambda program: program.file):
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


def test_each_edit_changes_something_that_tests_can_notice() -> None:
    for program in EVERY:
        assert program.wrong != program.right and all((ROOT / test).is_file() for test in program.tests), program.name


def test_names_are_told_apart_and_the_first_ones_are_marked() -> None:
    assert len({(program.file, program.name) for program in EVERY}) == len(EVERY)
    assert sum(program.name.startswith("*") for program in EVERY) >= 43


def test_an_edit_whose_line_is_gone_is_an_error(monkeypatch) -> None:
    edits = {"gone": ("no such line", "whatever")}
    monkeypatch.setattr(check_wiring, "PROGRAMS", {"ferdis/losses.py": ((), edits)})
    with pytest.raises(ValueError, match=r"ferdis/losses.py: 'no such line' of 'gone' is there 0 times"):
        list(programs())
