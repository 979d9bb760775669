"""The list of wrong programs is up to date: each edit is of a line that is there, and gives a program."""

from __future__ import annotations

import ast
import functools
import textwrap

import pytest

from tools import check_wiring
from tools.check_wiring import ROOT, WrongProgram, programs

EVERY = list(programs())


@functools.cache
def statements_of(file: str) -> tuple[str, list[tuple[int, int]]]:
    """The text of a file, and the lines of its statements and methods, the shortest first."""
    text = (ROOT / file).read_text(encoding="utf-8")
    whole = ast.parse(text).body
    inside = [node for one in whole if isinstance(one, ast.ClassDef) for node in one.body]
    first = {node: min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
             for node in (*whole, *inside)}  # fmt: skip
    return text, sorted(((line, node.end_lineno or line) for node, line in first.items()), key=lambda at: at[1] - at[0])


def parse_edited(program: WrongProgram) -> None:
    """Parse the statement or method that an edit changes; the whole file where that alone is no program."""
    text, statements = statements_of(program.file)
    begins = text.count("\n", 0, text.index(program.right)) + 1
    ends = begins + program.right.count("\n")
    for first, last in statements:
        if first <= begins and ends <= last:
            part = "\n".join(text.split("\n")[first - 1 : last])
            try:
                ast.parse(textwrap.dedent(part.replace(program.right, program.wrong)))
            except SyntaxError:
                break
            return
    ast.parse(text.replace(program.right, program.wrong))


def test_each_edit_gives_a_program() -> None:
    for program in EVERY:
        parse_edited(program)
        assert program.wrong != program.right and all((ROOT / test).is_file() for test in program.tests), program.name


def test_an_edit_that_gives_none_is_found() -> None:
    for wrong in ("return value.float( if half", "return value.float() if half else value)"):
        broken = WrongProgram("broken", "ferdis/losses.py", "return value.float() if half else value", wrong, ())
        with pytest.raises(SyntaxError):
            parse_edited(broken)


def test_names_are_told_apart_and_the_first_ones_are_marked() -> None:
    assert len({(program.file, program.name) for program in EVERY}) == len(EVERY)
    assert sum(program.name.startswith("*") for program in EVERY) >= 43


def test_an_edit_whose_line_is_gone_is_an_error(monkeypatch) -> None:
    edits = {"gone": ("no such line", "whatever")}
    monkeypatch.setattr(check_wiring, "PROGRAMS", {"ferdis/losses.py": ((), edits)})
    with pytest.raises(ValueError, match=r"ferdis/losses.py: 'no such line' of 'gone' is there 0 times"):
        list(programs())
