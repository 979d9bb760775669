"""From parsed arguments to faces, estimators and protocols."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from ferdis.cli.arguments import UsageError, long_form, with_config
from ferdis.cli.chosen import JOINT, PROTOCOLS, Chosen, choose, spread
from ferdis.cli.parsers import Parser, faces_parameters, imported


def build_estimator(cls: type, arguments: dict[str, Any]) -> Any:
    """A system from its parsed arguments; where its constructor takes faces, they are loaded."""
    for name in faces_parameters(cls):
        if arguments.get(name) is not None:
            arguments[name] = build_faces(arguments[name])
    return cls(**arguments)


def build_faces(given: dict[str, Any] | list[dict[str, Any]]) -> Any:
    """Faces of one or several ``{name: DATASET, ...}``."""
    from ferdis.datasets import load
    from ferdis.faces import Faces

    given = [given] if isinstance(given, dict) else given
    for item in given:
        if "name" not in item:
            raise UsageError(f"{item} does not say which data set: it needs a name, as in {{name: ckplus, root: DIR}}")
    return Faces.concat([load(item["name"], **without_name(item)) for item in given])


def without_name(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a loader or protocol, without the name that chose it."""
    return {key: value for key, value in arguments.items() if key != "name"}


@dataclass(frozen=True)
class Experiment:
    """What a line of ``kfold`` or ``sweep`` asks for.

    Attributes
    ----------
    systems : label -> estimator
    faces : Faces
    protocol : the splitter; None for a verb that makes no folds
    settings : the other arguments, parsed
    arguments : all of them as plain records, for a config.yaml
    dataset : name of the data set, or of the sets that the protocol joins
    """

    systems: dict[str, Any]
    faces: Any
    protocol: Any
    settings: dict[str, Any]
    arguments: dict[str, Any]
    dataset: str


def read_experiment(
    argv: Sequence[str],
    parser_for: Callable[[Chosen], Parser],
    look: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
) -> Experiment | None:
    """Read a line, and build what it names; with ``--print_config`` only print the arguments, and give None.

    What cannot work is refused before an image is read: parameters, weights that are not to be had, folds that the
    people of the set cannot fill.

    Parameters
    ----------
    argv : the line.
    parser_for : the verb's parser for what the line has chosen.
    look : called with the systems and the other arguments before the data set is loaded, to refuse more.
    """
    argv = with_config(argv)
    show, argv = "--print_config" in argv, [item for item in argv if item != "--print_config"]
    chosen = choose(argv)
    settings = parser_for(chosen).parse_args(long_form(spread(argv, chosen))).as_dict()
    settings = {key: value for key, value in settings.items() if key not in ("config", "print_config")}
    arguments = json.loads(json.dumps(settings, default=str))
    if show:
        print(yaml.safe_dump(arguments, sort_keys=False, allow_unicode=True), end="")
        return None
    from ferdis.datasets import load

    systems = {label: build_estimator(cls, settings.pop(label)) for label, cls in chosen.systems.items()}
    folds = settings.pop("protocol", None)
    for system in systems.values():
        system.check()
    if look is not None:
        look(systems, settings)
    if folds is not None and chosen.protocol in JOINT:
        from ferdis.datasets.sources import joint_protocol

        protocol = joint_protocol(chosen.protocol, folds, load)
        faces, dataset = protocol.faces, protocol.faces.attrs["dataset"]
    else:
        protocol = None if folds is None else imported(PROTOCOLS[chosen.protocol])(**without_name(folds))
        data = without_name(settings.pop("dataset"))
        if protocol is not None:
            _refuse_folds(chosen.dataset, data, protocol)
        faces, dataset = load(chosen.dataset, **data), chosen.dataset
    settings = {key: value for key, value in settings.items() if key not in ("system", "preset")}
    return Experiment(systems, faces, protocol, settings, arguments, dataset)


def _refuse_folds(name: str, arguments: dict[str, Any], protocol: Any) -> None:
    """Split the table of a data set, of which no image is read: folds that cannot be made are known from it."""
    from ferdis.datasets import entry
    from ferdis.datasets.base import Dataset
    from ferdis.faces import Faces

    made = entry(name).imported()
    if not (isinstance(made, type) and issubclass(made, Dataset)):
        return  # people are drawn when they are looked at
    problems: list[Any] = []
    table, _ = made(**arguments).table(problems)
    if len(table) and not problems:  # whatever is wrong with single files the loader says in full
        blank = np.broadcast_to(np.zeros(1, np.uint8), (len(table), 1, 1, 3))
        protocol.split(Faces(blank, table))
