"""Parsers whose arguments and help are read from signatures and docstrings."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any, Literal

from jsonargparse import ArgumentParser

from ferdis.cli.chosen import DEFAULTS, PROTOCOLS, Chosen


class Parser(ArgumentParser):
    """jsonargparse's parser, with help for parameters that a docstring describes together (``a, b : int``)."""

    def describe(self, key: str, function: Callable[..., Any]) -> None:
        """Fill in the help of the arguments of ``function`` below ``key`` from its docstring, a class's bases' too."""
        described = reversed(inspect.getmro(function)) if inspect.isclass(function) else [function]
        texts = {name: text for item in described for name, text in descriptions(item.__doc__ or "").items()}
        prefix = f"{key}." if key else ""
        for action in self._actions:
            name = action.dest.removeprefix(prefix)
            if action.dest == prefix + name and name in texts:
                action.help = texts[name].replace("%", "%%")
            elif key and action.dest == key:
                action.help = argparse.SUPPRESS  # --ifgan FILE: --config does that for all at once


def parser_of(verb: str, function: Callable[..., Any], more: str = "") -> Parser:
    """A parser for ``ferdis VERB``, described by the docstring of the verb's function."""
    about = inspect.getdoc(function)
    return Parser(prog=f"ferdis {verb}", description=about, epilog=more, exit_on_error=False, allow_abbrev=False)


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


def add_arguments(parser: Parser, function: Callable[..., Any], key: str | None = None) -> None:
    """Add the arguments of a function or constructor, below ``--KEY`` if there is one."""
    add = parser.add_class_arguments if inspect.isclass(function) else parser.add_function_arguments
    add(function, key)  # type: ignore[operator]


def add_named(parser: Parser, key: str, function: Callable[..., Any], name: str) -> None:
    """Add ``--KEY.name`` and, below ``--KEY``, the arguments of a function or constructor."""
    add_arguments(parser, function, key)
    parser.describe(key, function)
    parser.add_argument(f"--{key}.name", type=str, default=name, help=f"which {key}; --{key} NAME is short for it")


def add_system(parser: Parser, label: str, cls: type, chosen: Chosen) -> None:
    """Add a system's constructor arguments below ``--LABEL``; the chosen preset gives their defaults."""
    faces = set(faces_parameters(cls))
    parser.add_class_arguments(cls, label, skip=faces)
    parser.describe(label, cls)
    for name in sorted(faces):
        kind = dict[str, Any] | list[dict[str, Any]] | None
        text = "faces: {name: DATASET, root: DIR, ...}, or a list of such"
        parser.add_argument(f"--{label}.{name}", type=kind, default=None, help=text)  # type: ignore[arg-type]
    if chosen.preset == "small":
        small = cls.small().get_params(deep=False)  # type: ignore[attr-defined]
        if chosen.epochs_of & {label, "system"}:
            small = cls.small(epochs=small["epochs"]).get_params(deep=False)  # type: ignore[attr-defined]
        parser.set_defaults({f"{label}.{name}": value for name, value in small.items() if name not in faces})
    parser.set_defaults({f"{label}.progress": False})  # the bar counts fits; bars of their own would run over it


def experiment_parser(verb: str, function: Callable[..., Any], chosen: Chosen, *, protocol: bool = True) -> Parser:
    """A parser for what an experiment is made of: systems, data set, protocol, each with its own arguments.

    Parameters
    ----------
    verb, function : name of the verb, and the function whose docstring describes it.
    chosen : what the line names.
    protocol : False for a verb that makes no folds.
    """
    from ferdis.datasets import REGISTRY, entry
    from ferdis.systems import SYSTEMS

    shown = ", ".join([*chosen.systems, chosen.dataset, *([chosen.protocol] if protocol else [])])
    more = f"Shown are the arguments of {shown}; name others to see theirs. Systems: {', '.join(SYSTEMS)}. "
    more += f"Data sets: {', '.join(REGISTRY)}." + (f" Protocols: {', '.join(PROTOCOLS)}." if protocol else "")
    parser = parser_of(verb, function, more)
    parser.add_argument("--config", type=str, help="YAML file of these arguments, such as RUN/config.yaml")
    parser.add_argument("--print_config", action="store_true", help="show what would be run, and stop")
    parser.add_argument("--system", type=list[str], default=DEFAULTS["system"], help="NAME or LABEL=NAME, one or more")
    parser.add_argument("--preset", type=Literal["paper", "small"], default="paper", help="the systems' starting point")
    add_named(parser, "dataset", entry(chosen.dataset).imported(), chosen.dataset)
    if protocol:
        add_named(parser, "protocol", imported(PROTOCOLS[chosen.protocol]), chosen.protocol)
    for label, cls in chosen.systems.items():
        add_system(parser, label, cls, chosen)
    return parser


def imported(name: str) -> Any:
    """What ``"package.module:name"`` names."""
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


def faces_parameters(cls: type) -> list[str]:
    """Names of the constructor arguments that take faces."""
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if "Faces" in str(parameter.annotation)]
