"""The tables of equations in the systems' docstrings, held to the code and to the papers' pages."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

DOCS = Path(__file__).parents[1] / "docs"


def load_index() -> ModuleType:
    """``docs/equation_index.py``, which the documentation is built with."""
    spec = importlib.util.spec_from_file_location("equation_index", DOCS / "equation_index.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


index = load_index()
ROWS = [(module, row) for module in index.modules() for row in index.rows(module)]
PAGES = sorted(path for path in (DOCS / "papers").glob("*.md") if path.stem != "index")
# What a page refers to: {func}`~ferdis.systems.ifgan.l1_loss`, or {meth}`its title <ferdis...>`.
REFERENCE = re.compile(r"\{(?:func|class|meth)\}`(?:[^`<]*<)?~?([\w.]+)>?`")
INCLUDE = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)


def found(dotted: str) -> object:
    """What a dotted name stands for."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            target = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            target = getattr(target, part)
        return target
    raise AssertionError(f"nothing is called {dotted}")


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of a page's equations, by the equation: ``{"Eq. 3": ...}``."""
    return dict(
        re.findall(r"^### (Eq\. \w+)[^\n]*\n(.*?)(?=^##|\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )


@pytest.mark.parametrize(("module", "row"), ROWS, ids=[f"{row.paper}-{row.equation}-{row.function}" for _, row in ROWS])
def test_each_equation_has_a_function_that_cites_it(module: str, row):
    cited = re.search(rf"\(?Eq(?:s|\.|uation|uations)?\.? ?{row.number}\b", inspect.getdoc(found(row.function)) or "")
    assert cited, f"{row.function} does not cite {row.equation} in its docstring"


@pytest.mark.parametrize(
    ("paper", "numbers"),
    [("ifgan", range(1, 6)), ("relgan", range(1, 5)), ("eggan", range(1, 9)), ("decgan", range(2, 10)),
     ("stargan", range(1, 9)), ("icgan", range(2, 5))],
)  # fmt: skip
def test_no_equation_of_a_paper_is_left_out(paper: str, numbers: range):
    assert {row.equation for _, row in ROWS if row.paper == paper} == {f"Eq. {number}" for number in numbers}
    assert DOCS / "papers" / f"{paper}.md" in PAGES


@pytest.mark.parametrize("module", index.modules())
def test_each_system_names_its_source(module: str):
    docstring = importlib.import_module(module).__doc__ or ""
    assert re.search(r"\b(19|20)\d\d\b", docstring), f"{module} cites no year of a paper"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_six_parts(page: Path):
    """Claims, equations, departures, what was measured, the real sets, and hardware; each says something."""
    text = page.read_text("utf-8")
    parts = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for title in ("Published figures", "Equations", "Where the code departs from the text, and why",
                  "What was measured here", "On the real sets", "Hardware"):  # fmt: skip
        assert parts.get(title, "").strip(), f"{page.name} has no section {title!r}"
    assert "```python" in parts["On the real sets"] or "```sh" in parts["On the real sets"]
    assert "|---|" in parts["Where the code departs from the text, and why"]


def test_every_paper_can_be_cited():
    cited = yaml.safe_load((DOCS.parent / "CITATION.cff").read_text("utf-8"))["references"]
    titles = {entry["title"] for entry in cited}
    for page in PAGES:
        (title,) = re.findall(r'"([^"]+)"', page.read_text("utf-8").split("\n\n")[1])
        assert " ".join(title.split()) in titles, f"CITATION.cff lacks the paper of {page.name}"
    assert all(entry["authors"] and entry["year"] for entry in cited)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_of_a_registered_system(page: Path):
    assert f"ferdis.systems.{page.stem}" in index.modules()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_every_equation_and_the_functions_that_compute_it(page: Path):
    table = [row for _, row in ROWS if row.paper == page.stem]
    latex, texts = index.mathematics(page), sections(page)
    assert set(latex) == {row.number for row in table}
    for row in table:
        assert latex[row.number].strip() in texts[row.equation], f"{row.equation} stands under another heading"
        assert f"`~{row.function}`" in texts[row.equation], f"{row.equation} does not lead to {row.function}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_whatever_a_page_refers_to_exists(page: Path):
    text = page.read_text("utf-8")
    for name in REFERENCE.findall(text):
        assert callable(found(name)), name
    for script in set(re.findall(r"experiments/\w+\.py", text)):
        assert (DOCS.parent / script).exists(), f"{page.name} names {script}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_mathematics_can_be_typeset(page: Path):
    """Braces, environments and \\left ... \\right are closed; nothing of Markdown is in it."""
    for number, latex in index.mathematics(page).items():
        assert latex.replace(r"\{", "").count("{") == latex.replace(r"\}", "").count("}"), number
        assert re.findall(r"\\begin{(\w+)}", latex) == re.findall(r"\\end{(\w+)}", latex), number
        assert latex.count(r"\left") == latex.count(r"\right"), number
        assert "`" not in latex and "\n\n" not in latex, number


def test_the_index_shows_every_row_with_its_mathematics():
    text = "\n\n".join(index.index(DOCS / "papers"))
    for _, row in ROWS:
        assert f"{{func}}`~{row.function}`: {row.text}" in text
    blocks = re.findall(r"^\$\$\n.+?\n\$\$$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len({(row.paper, row.equation) for _, row in ROWS})


def test_the_reference_shows_equations_where_they_are_computed():
    found = index.by_function(DOCS / "papers")
    assert set(found) == {row.function for _, row in ROWS}
    assert r"\mathcal{L}_{L1}(G)" in found["ferdis.systems.ifgan.l1_loss"][0]
    assert len(found["ferdis.systems.eggan.gradient_penalty"]) == 1
    lines = ["Mean distance (Eq. 3).", "", "Parameters"]
    index.shown_below_summary(lines, ["a\n+ b"])
    assert lines == ["Mean distance (Eq. 3).", "", ".. math::", "", "   a", "   + b", "", "", "Parameters"]
    only = ["Mean distance."]
    index.shown_below_summary(only, ["a"])
    assert only == ["Mean distance.", "", ".. math::", "", "   a", ""]


def test_a_system_without_a_page_is_in_the_index_all_the_same(tmp_path: Path):
    text = "\n\n".join(index.index(tmp_path))
    assert "$$" not in text and text.count("{func}") == len(ROWS)


def test_published_figures_are_those_of_the_table():
    text = index.published("ferdis.systems.relgan")
    assert "| Table 1: accuracy | CK+ |" in text and "| REL-GAN | 97.41 |" in text
    assert "| EGGAN | 0.24 |" in index.published("ferdis.systems.eggan")
    assert index.published("ferdis.systems.decgan") == ""


def test_a_table_row_is_read():
    table = "======\nEquation Function\n======\nEq. 3    :func:`l1_loss`  distance\nEq. 12   :func:`~a.other` text\n"
    assert index.ROW.findall(table) == [("Eq. 3", "l1_loss", "distance"), ("Eq. 12", "a.other", "text")]


def test_a_row_whose_function_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch):
    ifgan = importlib.import_module("ferdis.systems.ifgan")
    monkeypatch.setattr(ifgan, "__doc__", "Eq. 3    :func:`l3_loss`  distance\n")
    with pytest.raises(AttributeError, match="l3_loss"):
        index.rows("ferdis.systems.ifgan")


def test_what_the_pages_include_is_written_once(tmp_path: Path):
    index.write_equations(tmp_path, DOCS / "papers")
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    included = {
        Path(name).name for page in (DOCS / "papers").glob("*.md") for name in INCLUDE.findall(page.read_text("utf-8"))
    }
    assert included == set(written)
    index.write_equations(tmp_path, DOCS / "papers")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
