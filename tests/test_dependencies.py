"""Every package that the source imports is declared in setup.cfg; what is optional is imported where it is used."""

from __future__ import annotations

import ast
import configparser
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = {"ferdis", "tests", "tools"}
# What a user may leave out, and the rooms that are imported only where they are used: these name it at the top.
USER_EXTRAS = ("tensorboard", "export", "fast", "video", "parquet", "sweep", "ray", "gradio")
OPTIONAL_ROOMS = {"ferdis/sweep": "sweep"}
# Folders whose scripts and pages may use more than a user installs.
FOLDERS = {"experiments": USER_EXTRAS, "tools": (*USER_EXTRAS, "test"), "examples": USER_EXTRAS,
           "benchmarks": USER_EXTRAS, "docs": ("docs",), "tests": ("test", "browser", "docs", "gradio")}  # fmt: skip
SCRIPTS = {path.stem for folder in ("experiments", "benchmarks") for path in (ROOT / folder).glob("*.py")}
BY_NAME = {"import_module", "required", "importorskip", "find_spec"}  # functions that import what they are told


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def declared() -> dict[str, frozenset[str]]:
    """Distributions by extra; those that are always installed under ``""``."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = {"": parser["options"]["install_requires"], **parser["options.extras_require"]}
    names = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
    return {extra: frozenset(map(normal, names.findall(re.sub(r"#.*", "", text)))) for extra, text in lists.items()}


@functools.cache
def distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def providers(module: str) -> set[str]:
    """Distributions that hold a module; one that is not installed is taken to be called like its module."""
    return {normal(name) for name in distributions().get(module, [module])}


def imports(source: str) -> Iterator[tuple[str, bool, int]]:
    """(top-level package, whether it is imported with the file, line) of all that a source imports from elsewhere."""

    def visit(node: ast.AST, at_once: bool) -> Iterator[tuple[str, bool, int]]:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_NAME:
            texts = (item.value for item in node.args if isinstance(item, ast.Constant))
            names = [text for text in texts if isinstance(text, str) and re.fullmatch(r"[A-Za-z_][\w.]*", text)]
        for name in names:
            yield name.split(".")[0], at_once, node.lineno  # type: ignore[attr-defined]
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inner = at_once and not typing_only and not isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inner)

    for name, at_once, line in visit(ast.parse(source), True):
        if name not in sys.stdlib_module_names and name not in OWN:
            yield name, at_once, line


def undeclared(path: str, source: str, beside: set[str] = frozenset()) -> list[str]:
    """What the file at ``path`` (relative to the project) imports without being allowed to, with its line."""
    sets = declared()
    always, room = sets[""], "/".join(path.split("/")[:2])
    if path.startswith("ferdis/"):
        lazy = always.union(*(sets[extra] for extra in USER_EXTRAS))
        at_top = always | sets[OPTIONAL_ROOMS[room]] if room in OPTIONAL_ROOMS else always
    else:
        at_top = lazy = always.union(*(sets[extra] for extra in FOLDERS[path.split("/")[0]]))
    return [
        f"{path}:{line} {name}"
        for name, at_once, line in imports(source)
        if name not in beside and not providers(name) & (at_top if at_once else lazy)
    ]


FILES = [path for folder in ("ferdis", *FOLDERS) for path in sorted((ROOT / folder).rglob("*.py"))]


def test_every_imported_package_is_declared() -> None:
    wrong = []
    for path in FILES:
        inside = path.is_relative_to(ROOT / "ferdis")
        beside = set() if inside else SCRIPTS | {item.stem for item in path.parent.iterdir()}
        wrong += undeclared(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"), beside)
    assert len(FILES) > 150 and not wrong, "add to setup.cfg: " + ", ".join(wrong)


def test_rooms_of_an_extra_are_imported_only_where_they_are_used() -> None:
    for room in OPTIONAL_ROOMS:
        module = room.replace("/", ".")
        for path in FILES:
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("ferdis/") or name.startswith(room + "/"):
                continue
            for node in ast.parse(path.read_text("utf-8")).body:
                assert not (isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{module}.")), name
                assert not (isinstance(node, ast.Import) and any(a.name.startswith(module) for a in node.names)), name


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("ferdis/nn.py", "import requests"),
        ("ferdis/nn.py", "import onnx"),  # an extra's, and at the top
        ("ferdis/nn.py", "def late():\n    from hypothesis import given"),  # an extra's, but not a user's
        ("ferdis/export/graph.py", "def late():\n    required('onnx', 'tensorflow.lite')"),
        ("ferdis/evaluation/workers.py", "try:\n    import optuna\nexcept ImportError:\n    pass"),
        ("experiments/table.py", "import pytest"),
        ("examples/plot_first.py", "import seaborn as sns"),
    ],
)
def test_an_undeclared_package_is_seen(path: str, source: str) -> None:
    assert undeclared(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("ferdis/nn.py", "import os, PIL.Image\nfrom sklearn.base import clone\nimport yaml"),
        ("ferdis/nn.py", "from ferdis.faces import Faces\ndef late():\n    import onnx"),
        ("ferdis/nn.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ray"),
        ("ferdis/sweep/sweep.py", "import optuna"),
        ("tests/test_nn.py", "import pytest, hypothesis"),
    ],
)
def test_a_declared_package_is_not(path: str, source: str) -> None:
    assert not undeclared(path, source)
