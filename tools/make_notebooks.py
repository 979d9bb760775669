"""Write the notebooks of ``examples/notebooks`` from the gallery: the same text and code, without outputs.

Run it as ``python -m tools.make_notebooks`` after a change of an example; a test holds the two to each other. What a
program of the gallery says in reStructuredText is turned into Markdown: titles, literals, roles and links.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CHOSEN = ("recogniser", "leaking_split", "ifgan_average", "action_units", "synthetic_people")
"""Programs of the gallery (``plot_NAME.py``) that are notebooks too: those that need nothing but ferdis."""

_CELL = re.compile(r"^# %%.*$", re.MULTILINE)
_FOR_SPHINX = re.compile(r"^# sphinx_gallery_.*\n", re.MULTILINE)
_TITLE = re.compile(r"^(\S.*)\n(=+|-+)$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^\.\. [\w-]+::.*\n(?:[ \t]+.*\n|\n(?=[ \t]))*", re.MULTILINE)
_ROLE = re.compile(r":[\w:]+:`(?:[^<`]*<)?~?(?:[\w.]+\.)?([^`>]+)>?`")
_LINK = re.compile(r"`([^`<]+?)\s*<(https?://[^>]+)>`_+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the notebooks, and remove those of programs that are gone."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=EXAMPLES / "notebooks")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    wanted = {out / f"{name}.ipynb": notebook(EXAMPLES / f"plot_{name}.py") for name in CHOSEN}
    for path in set(out.glob("*.ipynb")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


def notebook(program: Path) -> str:
    """The notebook (JSON, nbformat 4.5) of a program of the gallery."""
    cells = [_cell(number, kind, text) for number, (kind, text) in enumerate(blocks(program))]
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def blocks(program: Path) -> Iterator[tuple[str, str]]:
    """("markdown", text) and ("code", text) of a program, in order.

    Raises
    ------
    ValueError
        If it does not begin with a docstring.
    """
    source = program.read_text("utf-8")
    tree = ast.parse(source)
    about = ast.get_docstring(tree)
    if about is None:
        raise ValueError(f"{program} does not begin with a docstring: the gallery takes its title from there")
    yield "markdown", f"{markdown(about)}\n\n*`{program.name}` of the gallery; it needs `pip install ferdis`.*"
    rest = "".join(source.splitlines(keepends=True)[tree.body[0].end_lineno :])
    first, *others = _CELL.split(_FOR_SPHINX.sub("", rest))
    if first.strip():
        yield "code", first.strip()
    for part in others:
        lines = part.strip("\n").splitlines()
        told = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
        if said := "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:told]).strip():
            yield "markdown", markdown(said)
        if code := "\n".join(lines[told:]).strip():
            yield "code", code


def markdown(text: str) -> str:
    """reStructuredText of the gallery as Markdown; directives, which show kept images, are left out."""
    text = _DIRECTIVE.sub("", f"{text}\n").strip()
    text = _TITLE.sub(lambda found: f"{'#' if found[2][0] == '=' else '##'} {found[1]}", text)
    text = _LINK.sub(r"[\1](\2)", _ROLE.sub(r"`\1`", text))
    return text.replace("``", "`")


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell


if __name__ == "__main__":
    raise SystemExit(main())
