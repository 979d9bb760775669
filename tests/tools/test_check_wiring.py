"""The list of wrong programs is up to date: each edit is of a line that is there, and gives a program."""

from __future__ import annotations

import ast

import pytest

from tools import check_wiring
from tools.check_wiring import ROOT, programs

EVERY = list(programs())


def test_each_edit_gives_a_program() -> None:
    for program in EVERY:
        text = (ROOT / program.file).read_text(encoding="utf-8").replace(program.right, program.wrong)
        ast.parse(text)
        assert program.wrong != program.right and all((ROOT / test).is_file() for test in program.tests), program.name


def test_names_are_told_apart_and_the_first_ones_are_marked() -> None:
    assert len({(program.file, program.name) for program in EVERY}) == len(EVERY)
    assert sum(program.name.startswith("*") for program in EVERY) >= 43


def test_an_edit_whose_line_is_gone_is_an_error(monkeypatch) -> None:
    edits = {"gone": ("no such line", "whatever")}
    monkeypatch.setattr(check_wiring, "PROGRAMS", {"ferdis/losses.py": ((), edits)})
    with pytest.raises(ValueError, match=r"ferdis/losses.py: 'no such line' of 'gone' is there 0 times"):
        list(programs())
