"""Arguments of functions and classes, read from their source: no module of theirs is imported.

Importing a system brings torch, which takes seconds. Help, completion and the first look at a line need names, kinds,
defaults and descriptions alone, and these stand in the source.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
REQUIRED = ""  # default of an argument that has none


@dataclass(frozen=True)
class Argument:
    """One argument.

    Attributes
    ----------
    name : str
    kind : its annotation, as written; empty without one.
    default : as written; empty for an argument that must be given.
    help : what the docstring says of it.
    """

    name: str
    kind: str
    default: str
    help: str

    @property
    def first_sentence(self) -> str:
        """What a line of the short help has room for."""
        return re.split(r"(?<=[^.]\w)[.;:](?: |$)", self.help, maxsplit=1)[0]


def arguments_of(target: str) -> dict[str, Argument]:
    """Arguments of ``"module:function"`` or of the constructor of ``"module:Class"``, in their order."""
    module, _, name = target.partition(":")
    node = _definition(module, name)
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return _of_function(node, descriptions(ast.get_docstring(node) or ""))


@cache
def tree_of(module: str) -> ast.Module:
    """The parsed source of a module of ferdis."""
    file = _file_of(module)
    if file is None:
        raise FileNotFoundError(f"there is no module {module}")
    return ast.parse(file.read_text(encoding="utf-8"))


def registered(module: str, call: str, value: str) -> dict[str, str]:
    """Name -> the argument ``value`` of each ``call(name=..., ...)`` in a module: a registry, read from its source."""
    found = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == call:
            given = {item.arg: item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)}
            found[str(given["name"])] = str(given[value])
    return found


def imports_of(module: str) -> dict[str, tuple[str, str]]:
    """Local name -> (module, name there) of everything that a module imports from ferdis, at any depth."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ferdis":
            found |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
    return found


def is_module(name: str) -> bool:
    """Whether ``ferdis.x.y`` is a module."""
    return _file_of(name) is not None


def _file_of(module: str) -> Path | None:
    """The source of a module, which may lie in a folder that was added to its package's path."""
    parent, _, name = module.rpartition(".")
    folders = [PACKAGE.joinpath(*parent.split(".")[1:]), *map(Path, getattr(sys.modules.get(parent), "__path__", ()))]
    files = (folder / file for folder in folders for file in (f"{name}/__init__.py", f"{name}.py"))
    return next((file for file in files if file.is_file()), None)


def descriptions(docstring: str) -> dict[str, str]:
    """What the Parameters section of a NumPy docstring says of each name."""
    docstring = inspect.cleandoc(docstring)
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    texts: dict[str, str] = {}
    items = re.findall(r"^(\w[\w, ]*?) : (.*)\n((?:[ ].*\n?|\n)*)", section.group(1) + "\n" if section else "", re.M)
    for names, kind, below in items:
        # Some docstrings describe right behind the colon, where others have a type.
        prose = len(kind.split()) > 7 or not below.strip()
        text = " ".join([kind, *below.split()] if prose else below.split())
        text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")
        texts |= {name.strip(): text for name in names.split(",")}
    return texts


def _definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    for node in tree_of(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    there = imports_of(module).get(name)
    if there is None:
        raise LookupError(f"{module} has no {name}")
    return _definition(*there)


def _of_class(module: str, node: ast.ClassDef) -> dict[str, Argument]:
    """Its ``__init__``'s arguments; of a dataclass its fields, the bases' first."""
    texts = descriptions(ast.get_docstring(node) or "")
    inherited: dict[str, Argument] = {}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and (found := _base(module, base.id)) is not None:
            inherited |= _of_class(*found)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            own = _of_function(item, texts)
            return {
                name: a if a.help or name not in inherited else Argument(name, a.kind, a.default, inherited[name].help)
                for name, a in own.items()
            }
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return inherited
    fields = {item.target.id: item for item in node.body
              if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)}  # fmt: skip
    for name, item in fields.items():
        kind, default = ast.unparse(item.annotation), "" if item.value is None else ast.unparse(item.value)
        if not kind.startswith("ClassVar"):
            text = inherited[name].help if name in inherited else ""
            inherited[name] = Argument(name, kind, "" if default == "field()" else default, text)
    return {name: Argument(name, a.kind, a.default, texts.get(name, a.help)) for name, a in inherited.items()}


def _base(module: str, name: str) -> tuple[str, ast.ClassDef] | None:
    """A base class that ferdis defines, with its module."""
    for node in tree_of(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
    there = imports_of(module).get(name)
    return None if there is None else _base(*there)


def _of_function(node: ast.FunctionDef, texts: dict[str, str]) -> dict[str, Argument]:
    return {
        item.arg: Argument(
            item.arg, "" if item.annotation is None else ast.unparse(item.annotation), default, texts.get(item.arg, "")
        )
        for item, default in _parameters(node.args)
        if item.arg not in ("self", "cls")
    }


def _parameters(arguments: ast.arguments) -> Iterator[tuple[ast.arg, str]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    for number, item in enumerate(positional):
        yield item, REQUIRED if number < missing else ast.unparse(arguments.defaults[number - missing])
    for item, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield item, REQUIRED if value is None else ast.unparse(value)
