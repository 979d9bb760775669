"""The pages by hand: their code parses and fits a screen, what they name exists, and the reference covers the house."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

import pytest
from torch import nn

import ferdis
from ferdis import IFGAN
from ferdis.cli import VERBS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "papers").glob("*.md")) + sorted((ROOT / "docs" / "recipes").glob("*.md"))
WIDEST = 88  # characters of a code block that the site shows without a scroll bar
BLOCK = re.compile(r"^```(\{?[\w-]*\}?)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced code blocks of a page in one language."""
    return [text for language, text in BLOCK.findall(page.read_text("utf-8")) if language == kind]


@pytest.fixture(scope="module")
def reference():
    """docs/api_reference.py, which is not installed."""
    spec = importlib.util.spec_from_file_location("api_reference", ROOT / "docs" / "api_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@every_page
def test_code_fits_the_page(page: Path):
    shown = [
        line for kind in ("python", "sh", "text", "yaml") for text in blocks(page, kind) for line in text.split("\n")
    ]
    wide = [line for line in shown if len(line) > WIDEST]
    assert not wide, f"{page.name}: longer than {WIDEST}: {wide}"


@every_page
def test_python_parses(page: Path):
    for text in blocks(page, "python"):
        if not re.match(r"# \S+\.py, in ", text):  # a line of a registry
            ast.parse(text)


@every_page
def test_commands_exist(page: Path):
    for text in blocks(page, "sh"):
        named = re.findall(r"^ferdis (\S+)", text, re.MULTILINE)
        assert set(named) <= set(VERBS), f"{page.name} calls {named}"
        scripts = re.findall(r"\bpython ((?:experiments|benchmarks|examples)/\S+\.py)", text)
        missing = [name for name in scripts if not (ROOT / name).is_file()]
        assert not missing, f"{page.name} runs {missing}"


@every_page
def test_links_lead_somewhere(page: Path):
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in LINK.findall(prose):
        generated = target.split("/")[0] in ("papers", "gallery", "api") and page.parent.name == "docs"
        assert generated or (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_public_module_is_in_a_topic_of_the_reference(reference):
    names = reference.modules()
    assert "ferdis.systems.ifgan" in names and "ferdis.datasets.synthetic.dataset" in names
    assert not [name for name in names if "._" in name or name.startswith("ferdis.cli")]
    assert {reference.topic_of(name).file for name in names} <= {topic.file for topic in reference.TOPICS}
    assert reference.topic_of("ferdis.datasets.synthetic.dataset").file == "synthetic"
    assert reference.topic_of("ferdis.datasets.jaffe").file == "faces"
    with pytest.raises(ValueError, match=r"ferdis\.attic is in no topic"):
        reference.topic_of("ferdis.attic")


def test_implementation_modules_exist(reference):
    there = {item.name for item in pkgutil.walk_packages(ferdis.__path__, "ferdis.")}
    gone = set(reference.IMPLEMENTATION) - there
    assert not gone, f"take out of IMPLEMENTATION: {sorted(gone)}"


def test_inherited_methods_are_shown_if_ferdis_defines_them(reference):
    def skipped(name: str, member: object, what: str = "class") -> bool | None:
        return reference.skip_foreign_members(None, what, name, member, False, None)

    for name in ("fit", "predict", "small", "save", "load"):
        assert skipped(name, getattr(IFGAN, name)) is None
    assert skipped("get_params", IFGAN.get_params) and skipped("train", nn.Module.train)
    assert skipped("set_fit_request", IFGAN.fit) and skipped("with_traceback", ValueError.with_traceback, "exception")
    assert skipped("fail", pytest.fail, "module") is None  # what a module shows is its own affair


def test_summaries_of_the_reference_are_plain(reference):
    assert reference.sentence("Mean of :func:`~ferdis.metrics.uar` over :class:`Faces`.\n\nMore.") == (
        "Mean of ``uar`` over ``Faces``."
    )
    assert reference.sentence(None) == ""
