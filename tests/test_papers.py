"""Each system's module says which function is which equation; here that table is held to the code."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from ferdis.systems import GENERATORS, SYSTEMS

# A row of the table in a module's docstring: "Eq. 3    :func:`l1_loss`   distance of ...".
ROW = re.compile(r"^(Eq\. ?\d+\w*(?:[-–]\d+)?)\s+(?::\w+:)?`{1,2}~?([\w.]+)`{1,2}", re.MULTILINE)
MODULES = sorted({target.split(":")[0] for target in {**SYSTEMS, **GENERATORS}.values()})


def equations(docstring: str) -> list[tuple[str, str]]:
    """(equation, function) of every row of the table."""
    return ROW.findall(docstring)


def rows() -> list[tuple[str, str, str]]:
    found = []
    for name in MODULES:
        docstring = importlib.import_module(name).__doc__ or ""
        found += [(name, equation, function) for equation, function in equations(docstring)]
    return found


@pytest.mark.parametrize(("module", "equation", "function"), rows())
def test_each_equation_has_a_function_that_cites_it(module: str, equation: str, function: str):
    owner = importlib.import_module(module)
    target = owner
    for part in function.split("."):
        assert hasattr(target, part), f"{module} lists {function} for {equation}, and has no such function"
        target = getattr(target, part)
    number = re.search(r"\d+", equation).group()
    cited = re.search(rf"\(?Eq(?:s|\.|uation|uations)?\.? ?{number}\b", inspect.getdoc(target) or "")
    assert cited, f"{module}.{function} does not cite {equation} in its docstring"


def test_if_gan_has_all_five_equations():
    found = [equation for module, equation, _ in rows() if module == "ferdis.systems.ifgan"]
    assert {"Eq. 1", "Eq. 2", "Eq. 3", "Eq. 4", "Eq. 5"} <= set(found)


def test_eggan_has_all_eight_equations():
    found = [equation for module, equation, _ in rows() if module == "ferdis.systems.eggan"]
    assert set(found) == {f"Eq. {number}" for number in range(1, 9)}


@pytest.mark.parametrize("module", MODULES)
def test_each_system_names_its_source(module: str):
    docstring = importlib.import_module(module).__doc__ or ""
    assert re.search(r"\b(19|20)\d\d\b", docstring), f"{module} cites no year of a paper"


def test_a_table_row_is_read():
    table = "======\nEquation Function\n======\nEq. 3    :func:`l1_loss`  distance\nEq. 12   ``other``  text\n"
    assert equations(table) == [("Eq. 3", "l1_loss"), ("Eq. 12", "other")]
