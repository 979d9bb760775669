"""What a line has chosen: systems, data set, protocol. They decide which arguments there are."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ferdis.cli.arguments import UsageError, flat, options
from ferdis.cli.signatures import registered
from ferdis.messages import closest

# Name -> "module:Class" of ferdis.protocol.published.REGISTRY.
PROTOCOLS = registered("ferdis.protocol.published", "NamedProtocol", "splitter")
# Protocols over several data sets: their arguments that name sets, as ferdis.protocol.cross_dataset.JOINT has them.
JOINT = {"cross": ("train", "test"), "leave-one-dataset-out": ("datasets",)}
LOADING = "arguments of each set's loader that has them: {image_size: 64, expressions: six}"
DEFAULTS: dict[str, Any] = {
    "system": ["ifgan", "resnet"],
    "dataset": "synthetic",
    "protocol": "subject-kfold",
    "preset": "paper",
}
SHORT = {
    "--dataset": "--dataset.name",
    "--protocol": "--protocol.name",
    "--folds": "--protocol.n_splits",
    "--jobs": "--n_jobs",
    "--train": "--protocol.train",
    "--test": "--protocol.test",
    "--datasets": "--protocol.datasets",
}
RESERVED = (
    *DEFAULTS,
    "config",
    "print_config",
    "seeds",
    "selection",
    "out",
    "n_jobs",
    "backend",
    "tuned",
    "progress",
    "arguments",
    "space",
    "study",
    "storage",
    "trials",
    "prune",
    "seed",
)


@dataclass(frozen=True)
class Chosen:
    """What a kfold line names: it decides which arguments there are.

    Parameters
    ----------
    systems : dict of label to class
    dataset, protocol, preset : names
    given : what the line gives, as ``LABEL.argument`` (``system.argument`` for all): the preset makes room for it, as
        ``small(epochs=...)`` does.
    """

    systems: dict[str, type] = field(default_factory=dict)
    dataset: str = DEFAULTS["dataset"]
    protocol: str = DEFAULTS["protocol"]
    preset: str = DEFAULTS["preset"]
    given: frozenset[str] = frozenset()

    def given_to(self, label: str) -> set[str]:
        """Names of the arguments that the line gives to one system."""
        parts = [name.partition(".") for name in self.given]
        return {argument for owner, dot, argument in parts if dot and owner in (label, "system")}


@dataclass(frozen=True)
class Names:
    """What a line names, before anything is imported.

    Parameters
    ----------
    systems : dict of label to ``"module:Class"``
    dataset, protocol, preset : names
    """

    systems: dict[str, str]
    dataset: str
    protocol: str
    preset: str


def choose_names(argv: Sequence[str]) -> Names:
    """Read the names off the command line; nothing is imported."""
    from ferdis.cli.known import data_sets
    from ferdis.systems import GENERATORS, SYSTEMS

    found = dict(DEFAULTS)
    for option, values in options(argv):
        name = option.removeprefix("--").removesuffix(".name")
        if name in DEFAULTS and values:
            found[name] = values if name == "system" else values[-1]
    every, systems = {**SYSTEMS, **GENERATORS}, dict[str, str]()
    for item in flat(found["system"]):
        label, _, name = item.rpartition("=")
        label = label or name
        if label in systems:
            raise UsageError(f"--system names {label!r} twice: label one of them, as in --system {name} b={name}")
        if name not in every:
            raise UsageError(f"no system is called {name!r}{closest(name, every)} (there are {', '.join(every)})")
        systems[label] = every[name]
        if label in RESERVED or not label.isidentifier():
            raise UsageError(f"--system {item}: a label is a plain word that is no other argument's name")
    dataset, protocol, preset = (str(found[name]) for name in ("dataset", "protocol", "preset"))
    if protocol not in PROTOCOLS:
        near = closest(protocol, PROTOCOLS)
        raise UsageError(f"no protocol {protocol!r}{near} (there are {', '.join(PROTOCOLS)})")
    if protocol in JOINT and any(option in ("--dataset", "--dataset.name") for option, _ in options(argv)):
        names = " and ".join(f"--{name}" for name in JOINT[protocol])
        raise UsageError(f"--protocol {protocol} takes its data sets from {names}: leave --dataset out")
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower().replace("+", "plus"))
    if plain not in data_sets():
        raise UsageError(f"no data set {dataset!r}{closest(dataset, data_sets())} (there are {', '.join(data_sets())})")
    return Names(systems, plain, protocol, preset)


def choose(argv: Sequence[str]) -> Chosen:
    """Read the names off the command line, and import the systems."""
    names = choose_names(argv)
    systems = {}
    for label, target in names.systems.items():
        module, _, cls = target.partition(":")
        systems[label] = getattr(import_module(module), cls)
    given = frozenset(option.removeprefix("--") for option, _ in options(argv))
    return Chosen(systems, names.dataset, names.protocol, names.preset, given)


def spread(argv: Sequence[str], chosen: Chosen) -> list[str]:
    """The line without short names, and with ``--system.epochs`` as ``--ifgan.epochs``, ``--resnet.epochs``."""
    line: list[str] = []
    for option, values in options(argv):
        for name in _spread(SHORT.get(option, option), chosen):
            token = "=".join([name, *values[:1]]) if name else " ".join(values[:1])
            line += [token, *values[1:]]
    return line


def _spread(option: str, chosen: Chosen) -> list[str]:
    """``--system.epochs`` -> ``--ifgan.epochs``, ``--resnet.epochs``; any other option is itself."""
    if not option.startswith("--system."):
        return [option]
    argument = option.removeprefix("--system.")
    has = [label for label, cls in chosen.systems.items() if argument in inspect.signature(cls).parameters]
    if not has:
        raise UsageError(f"none of {', '.join(chosen.systems)} has an argument {argument!r}: see ferdis kfold --help")
    return [f"--{label}.{argument}" for label in has]
