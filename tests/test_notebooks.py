"""The gallery and its notebooks: all of it is run by the documentation, the two say the same, and every cell runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot as plt

import ferdis
from tests.systems import test_ifgan
from tools import make_notebooks
from tools.make_notebooks import CHOSEN, EXAMPLES, blocks, markdown, notebook

NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
SHORT = {"epochs": 1, "min_steps": 0, "steps_per_image": 0.0, "progress": False}
# Systems as narrow as in their own tests: what is tested is that the cells run; the documentation trains them in full.
NARROW: dict[str, dict[str, Any]] = {
    "IFGAN": {**test_ifgan.TINY, **SHORT, "weights": None},
    "EGGAN": {"generator_channels": (8, 8, 8), "critic_channels": (8, 8, 8), "code_width": 8,
              "classifier_channels": (8, 8), "classifier_depths": (1, 1), **SHORT},
}  # fmt: skip


def narrowed(small: Callable[..., Any], changes: dict[str, Any]) -> Callable[..., Any]:
    return lambda **given: small(**{**given, **changes})


def test_there_are_five_and_they_are_what_the_tool_writes() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(CHOSEN) and len(CHOSEN) == 5
    for path in NOTEBOOKS:
        same = path.read_text("utf-8") == notebook(EXAMPLES / f"plot_{path.stem}.py")
        assert same, f"{path.name} is not what its example says: run `python -m tools.make_notebooks`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_one_without_outputs(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    kinds = [cell["cell_type"] for cell in found["cells"]]
    assert kinds[0] == "markdown" and kinds.count("code") >= 2
    identities = [cell["id"] for cell in found["cells"]]
    assert len(set(identities)) == len(identities)
    for cell in found["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            compile(text, path.name, "exec")
        else:
            assert "``" not in text and ":func:" not in text and "===" not in text and ".. " not in text


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    matplotlib.use("agg")
    shown: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.get_fignums())) or plt.close("all"))
    for name, changes in NARROW.items():
        system = getattr(ferdis, name)
        monkeypatch.setattr(system, "small", narrowed(system.small, changes))
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    assert shown and all(shown) and not plt.get_fignums(), "a figure is drawn and not shown, or the other way round"


def test_every_item_of_the_gallery_is_run() -> None:
    conf = (EXAMPLES.parent / "docs" / "conf.py").read_text("utf-8")
    (pattern,) = re.findall(r'"filename_pattern": r"([^"]+)"', conf)
    programs = sorted(EXAMPLES.glob("plot_*.py"))
    assert len(programs) >= len(CHOSEN) and all(re.search(pattern, f"/{path.name}") for path in programs)
    assert all("plt.show()" in path.read_text("utf-8") for path in programs), "each has a picture"


def test_a_program_becomes_cells(tmp_path: Path) -> None:
    program = tmp_path / "plot_it.py"
    program.write_text(
        '"""\nTitle\n=====\n\nSee ``x`` of :func:`~ferdis.metrics.uar`.\n\n.. image:: /a.png\n   :alt: kept\n"""\n\n'
        "# sphinx_gallery_thumbnail_path = 'a.png'\n\n"
        "# %%\n# Part\n# ----\n#\n# Why.\nx = 1\n# how\ny = 2\n\n# %%\nz = 3\n"
    )
    assert list(blocks(program)) == [
        ("markdown", "# Title\n\nSee `x` of `uar`.\n\n*`plot_it.py` of the gallery; it needs `pip install ferdis`.*"),
        ("markdown", "## Part\n\nWhy."),
        ("code", "x = 1\n# how\ny = 2"),
        ("code", "z = 3"),
    ]
    assert markdown("`Sphinx <https://a.org>`_ and :class:`Faces`") == "[Sphinx](https://a.org) and `Faces`"
    program.write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"plot_it\.py does not begin with a docstring"):
        list(blocks(program))


def test_notebooks_of_programs_that_are_gone_go_too(tmp_path: Path) -> None:
    (tmp_path / "gone.ipynb").write_text("{}")
    assert make_notebooks.main(["--out", str(tmp_path)]) == 0
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(CHOSEN)
