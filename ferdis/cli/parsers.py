"""Parsers whose arguments and help are read from signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Literal

from jsonargparse import ArgumentParser

from ferdis.cli.chosen import DEFAULTS, JOINT, LOADING, PROTOCOLS, Chosen


class Parser(ArgumentParser):
    """jsonargparse's parser: it checks types and builds values; help is :mod:`ferdis.cli.help`'s."""


def parser_of(verb: str) -> Parser:
    """A parser for ``ferdis VERB``."""
    return Parser(prog=f"ferdis {verb}", exit_on_error=False, allow_abbrev=False, add_help=False)


def add_arguments(parser: Parser, function: Callable[..., Any], key: str | None = None) -> None:
    """Add the arguments of a function or constructor, below ``--KEY`` if there is one."""
    add = parser.add_class_arguments if inspect.isclass(function) else parser.add_function_arguments
    add(function, key)  # type: ignore[operator]


def add_named(parser: Parser, key: str, function: Callable[..., Any], name: str) -> None:
    """Add ``--KEY.name`` and, below ``--KEY``, the arguments of a function or constructor."""
    add_arguments(parser, function, key)
    parser.add_argument(f"--{key}.name", type=str, default=name, help=f"which {key}; --{key} NAME is short for it")


def add_system(parser: Parser, label: str, cls: type, chosen: Chosen) -> None:
    """Add a system's constructor arguments below ``--LABEL``; the chosen preset gives their defaults."""
    faces = set(faces_parameters(cls))
    parser.add_class_arguments(cls, label, skip=faces)
    for name in sorted(faces):
        kind = dict[str, Any] | list[dict[str, Any]] | None
        text = "faces: {name: DATASET, root: DIR, ...}, or a list of such"
        parser.add_argument(f"--{label}.{name}", type=kind, default=None, help=text)  # type: ignore[arg-type]
    if chosen.preset == "small":
        small = cls(**cls.preset_beside(chosen.given_to(label))).get_params(deep=False)  # type: ignore[attr-defined]
        parser.set_defaults({f"{label}.{name}": value for name, value in small.items() if name not in faces})
    parser.set_defaults({f"{label}.progress": False})  # the bar counts fits; bars of their own would run over it


def experiment_parser(verb: str, chosen: Chosen, *, protocol: bool = True) -> Parser:
    """A parser for what an experiment is made of: systems, data set, protocol, each with its own arguments.

    Parameters
    ----------
    verb : its name.
    chosen : what the line names.
    protocol : False for a verb that makes no folds.
    """
    from ferdis.datasets import entry

    parser = parser_of(verb)
    parser.add_argument("--config", type=str, help="YAML file of these arguments, such as RUN/config.yaml")
    parser.add_argument("--print_config", action="store_true", help="show what would be run, and stop")
    parser.add_argument("--system", type=list[str], default=DEFAULTS["system"], help="NAME or LABEL=NAME, one or more")
    parser.add_argument("--preset", type=Literal["paper", "small"], default="paper", help="the systems' starting point")
    joint = protocol and chosen.protocol in JOINT
    if not joint:
        add_named(parser, "dataset", entry(chosen.dataset).imported(), chosen.dataset)
    if joint:
        _add_joint(parser, chosen.protocol)
    elif protocol:
        add_named(parser, "protocol", imported(PROTOCOLS[chosen.protocol]), chosen.protocol)
    for label, cls in chosen.systems.items():
        add_system(parser, label, cls, chosen)
    return parser


def _add_joint(parser: Parser, name: str) -> None:
    """The arguments of a protocol over several data sets, which are named as ``NAME=DIR`` or ``LABEL=NAME:DIR``."""
    parser.add_class_arguments(imported(PROTOCOLS[name]), "protocol", skip=set(JOINT[name]))
    for key in JOINT[name]:
        kind = str if key == "test" else list[str]
        parser.add_argument(f"--protocol.{key}", type=kind, required=True, help="NAME=DIR or LABEL=NAME:DIR")  # type: ignore[arg-type]
    parser.add_argument("--protocol.loading", type=dict[str, Any] | None, default=None, help=LOADING)  # type: ignore[arg-type]
    parser.add_argument("--protocol.name", type=str, default=name, help="which protocol")


def imported(name: str) -> Any:
    """What ``"package.module:name"`` names."""
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


def faces_parameters(cls: type) -> list[str]:
    """Names of the constructor arguments that take faces."""
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if "Faces" in str(parameter.annotation)]
