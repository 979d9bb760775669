"""The equation index: the tables of the systems' docstrings, beside the mathematics of the papers' pages.

A row of a table says which function computes which equation; ``docs/papers/NAME.md`` has the equation in LaTeX, under
the label ``NAME-eqNUMBER``. Both loop over the registries: a new system appears by itself, with mathematics once its
page has some.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ferdis.report.published import figures
from ferdis.systems import GENERATORS, SYSTEMS

# A row of the table in a module's docstring: "Eq. 3    :func:`l1_loss`   distance of ...".
ROW = re.compile(r"^(Eq\. ?\d+\w*)\s+:func:`~?([\w.]+)`\s+(.*)$", re.MULTILINE)
# The mathematics on a paper's page: a block with the label of the page and the equation's number.
BLOCK = re.compile(r"^\$\$\n((?:(?!\$\$).)+)\n\$\$ \((\w+)-eq(\w+)\)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One row of a paper's table.

    Attributes
    ----------
    paper : name of the module, ``ifgan``
    equation : as the docstring has it, ``Eq. 3``
    function : where it is defined, ``ferdis.systems.ifgan.l1_loss``
    text : what it is
    """

    paper: str
    equation: str
    function: str
    text: str

    @property
    def number(self) -> str:
        """``3`` of ``Eq. 3``."""
        return self.equation.removeprefix("Eq.").strip()


def modules() -> list[str]:
    """Every module that a registry names, once."""
    return sorted({target.split(":")[0] for target in {**SYSTEMS, **GENERATORS}.values()})


def named(module: str, name: str) -> Any:
    """What a docstring of ``module`` means by ``name``: a name of its own, or a dotted one from the top.

    Raises
    ------
    AttributeError, ImportError
        If there is no such thing.
    """
    owner, _, last = name.rpartition(".")
    return getattr(importlib.import_module(owner or module), last)


def rows(module: str) -> list[Row]:
    """The table of a module's docstring; empty if it has none."""
    found = []
    for equation, name, text in ROW.findall(importlib.import_module(module).__doc__ or ""):
        function = named(module, name)
        place = f"{function.__module__}.{function.__qualname__}"
        found.append(Row(module.rpartition(".")[2], equation, place, text.strip()))
    return found


def mathematics(page: Path) -> dict[str, str]:
    """LaTeX of each equation of a paper's page, by its number; empty if there is no such page."""
    text = page.read_text("utf-8") if page.exists() else ""
    return {number: latex for latex, paper, number in BLOCK.findall(text) if paper == page.stem}


def by_function(folder: Path) -> dict[str, list[str]]:
    """LaTeX of the equations that a function computes, by its dotted name; ``folder`` holds the papers' pages."""
    found: dict[str, list[str]] = {}
    for module in modules():
        latex = mathematics(folder / f"{module.rpartition('.')[2]}.md")
        for row in rows(module):
            if (block := latex.get(row.number)) and block not in found.setdefault(row.function, []):
                found[row.function].append(block)
    return found


def shown_below_summary(lines: list[str], equations: list[str]) -> None:
    """Put equations below the first paragraph of a docstring in reStructuredText, in place."""
    end = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    shown = [[".. math::", "", *(f"   {line}" for line in latex.splitlines()), ""] for latex in equations]
    lines[end:end] = ["", *(line for block in shown for line in block)]


def index(folder: Path) -> Iterator[str]:
    """The index in Markdown, paper by paper; ``folder`` holds the papers' pages."""
    for module in modules():
        if not (table := rows(module)):
            continue
        page = folder / f"{module.rpartition('.')[2]}.md"
        latex = mathematics(page)
        title = (importlib.import_module(module).__doc__ or "").split(":")[0]
        yield f"### [{title}]({page.name})" if page.exists() else f"### {title}"
        for equation, group in groupby(table, key=lambda row: row.equation):
            functions = list(group)
            yield f"**{equation}** · " + "; ".join(f"{{func}}`~{row.function}`: {row.text}" for row in functions)
            if block := latex.get(functions[0].number):
                yield f"$$\n{block}\n$$"


def published(module: str) -> str:
    """The figures of a paper's own tables in Markdown, from ``ferdis/report/published.csv``; empty if it has none."""
    table = figures()
    table = table[table["paper"].str.replace("-", "").str.lower() == module.rpartition(".")[2]]
    parts = []
    for (number, metric), part in table.groupby(["table", "metric"], sort=False):
        part = part[~part["dataset"].str.contains(r" AU\d")]  # the means of the AUs stand for their rows
        wide = part.pivot(index="method", columns="dataset", values="value")
        wide = wide.loc[part["method"].unique(), part["dataset"].unique()].reset_index()
        head = [f"Table {number}: {metric}", *wide.columns[1:]]
        lines = [head, ["---"] * len(head), *wide.map(lambda value: str(value)).values.tolist()]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def write_equations(folder: Path, papers: Path) -> None:
    """Write what the pages of ``papers`` include into ``folder``: ``equations.md`` and ``published-NAME.md``."""
    texts = {"equations": "\n\n".join(index(papers))}
    texts |= {f"published-{module.rpartition('.')[2]}": published(module) for module in modules()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / f"{name}.md"
        if text and (not path.exists() or path.read_text("utf-8") != text + "\n"):  # Sphinx rebuilds what has changed
            path.write_text(text + "\n", "utf-8")
