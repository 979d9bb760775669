"""What a line has chosen: systems, data set, protocol. They decide which arguments there are."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ferdis.cli.arguments import UsageError, flat, options

PROTOCOLS = {
    "subject-kfold": "ferdis.protocol.splitters:SubjectKFold",
    "leave-one-subject-out": "ferdis.protocol.splitters:LeaveOneSubjectOut",
    "official": "ferdis.protocol.splitters:OfficialSplit",
    "fold-list": "ferdis.protocol.splitters:FoldList",
}
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
    epochs_of : labels whose epochs are named ("system" for all): as with ``small(epochs=...)``, exactly these are
        trained.
    """

    systems: dict[str, type] = field(default_factory=dict)
    dataset: str = DEFAULTS["dataset"]
    protocol: str = DEFAULTS["protocol"]
    preset: str = DEFAULTS["preset"]
    epochs_of: frozenset[str] = frozenset()


def choose(argv: Sequence[str]) -> Chosen:
    """Read the names off the command line, before any argument is checked."""
    from ferdis.systems import get

    found = dict(DEFAULTS)
    epochs_of: set[str] = set()
    for option, values in options(argv):
        if option.endswith(".epochs"):
            epochs_of.add(option.removeprefix("--").removesuffix(".epochs"))
        name = option.removeprefix("--").removesuffix(".name")
        if name in DEFAULTS and values:
            found[name] = values if name == "system" else values[-1]
    systems: dict[str, type] = {}
    for item in flat(found["system"]):
        label, _, name = item.rpartition("=")
        label = label or name
        if label in systems:
            raise UsageError(f"--system names {label!r} twice: label one of them, as in --system {name} b={name}")
        systems[label] = get(name)
        if label in RESERVED or not label.isidentifier():
            raise UsageError(f"--system {item}: a label is a plain word that is no other argument's name")
    if found["protocol"] not in PROTOCOLS:
        raise UsageError(f"no protocol {found['protocol']!r} (there are {', '.join(PROTOCOLS)})")
    dataset, protocol, preset = (str(found[name]) for name in ("dataset", "protocol", "preset"))
    return Chosen(systems, dataset, protocol, preset, frozenset(epochs_of))


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
