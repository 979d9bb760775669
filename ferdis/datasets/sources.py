"""Several data sets by their names on one line: ``wild=manifest:DIR``, ``ckplus=DIR``, ``synthetic=60``.

``ferdis kfold --protocol cross --train A B --test C`` and ``--protocol leave-one-dataset-out --datasets A B C`` name
their sets so; a run's ``config.yaml`` does too, and :func:`faces_of_config` loads the faces of a run again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferdis.datasets import entry
from ferdis.faces import Faces
from ferdis.protocol.cross_dataset import JOINT
from ferdis.protocol.published import REGISTRY

Loader = Callable[..., Faces]


@dataclass(frozen=True)
class Source:
    """One data set of a line.

    Parameters
    ----------
    label : str
        What the rows call it; no two sets of a line share one.
    name : str
        Of its loader.
    arguments : dict
        Of its loader: ``root``, or ``people`` of a set that is drawn.
    """

    label: str
    name: str
    arguments: dict[str, Any]


def read_source(text: str) -> Source:
    """``NAME``, ``NAME=DIR``, ``NAME=PEOPLE``, ``LABEL=NAME:DIR`` or ``LABEL=NAME:PEOPLE``.

    Raises
    ------
    ValueError
        If there is no such data set.
    """
    label, _, place = text.strip().partition("=")
    before, colon, behind = place.partition(":")
    name, root = (before, behind) if colon and not Path(place).exists() else (label, place)
    try:
        there = entry(name)
    except ValueError as error:
        raise ValueError(f"{text}: {error}; write NAME=DIR or LABEL=NAME:DIR") from None
    key = "people" if root.isdecimal() and "people" in _accepted(name) else "root"
    return Source(label, there.name, {key: int(root) if key == "people" else root} if root else {})


def load_sources(texts: Sequence[str], load: Loader, loading: Mapping[str, Any] | None = None) -> list[Faces]:
    """The faces of each set; their ``attrs["dataset"]`` is the label.

    Parameters
    ----------
    texts : as :func:`read_source` takes them.
    load : ``load(name, **arguments) -> Faces``, as :func:`ferdis.load`.
    loading : arguments for each loader that has them (``expressions``, ``image_size``, ...). Without an
        ``image_size`` all sets take that of the first.

    Raises
    ------
    ValueError
        If two sets have one label, no loader takes an argument, or a set cannot be loaded.
    """
    sources, loading = [read_source(text) for text in texts], dict(loading or {})
    labels = [source.label for source in sources]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise ValueError(f"two sets are called {twice}: label one of them, as in {twice}2={twice}:DIR")
    unknown = set(loading) - set().union(*(_accepted(source.name) for source in sources))
    if unknown:
        raise ValueError(f"no loader of {', '.join(labels)} takes {sorted(unknown)[0]!r}")
    sets: list[Faces] = []
    for source in sources:
        accepted = _accepted(source.name)
        size = {"image_size": sets[0].shape[1]} if sets and "image_size" in accepted else {}
        shared = {name: value for name, value in loading.items() if name in accepted}
        faces = load(source.name, **{**size, **shared, **source.arguments})
        sets.append(Faces(faces.images, faces.table, {**faces.attrs, "dataset": source.label}))
    return sets


def joint_protocol(name: str, given: Mapping[str, Any], load: Loader) -> Any:
    """A protocol over several data sets, from the arguments of a line; its ``faces`` are all sets as one.

    Parameters
    ----------
    name : ``cross`` or ``leave-one-dataset-out``.
    given : its arguments, sets by their texts.
    load : ``load(name, **arguments) -> Faces``.
    """
    keys = JOINT[name]
    lists = {key: [given[key]] if isinstance(given.get(key), str) else list(given.get(key) or ()) for key in keys}
    if missing := [key for key in keys if not lists[key]]:
        wanted = " and ".join(f"--{key}" for key in keys)
        raise ValueError(f"--protocol {name} needs --{missing[0]}: data sets are named with {wanted}")
    texts = [text for key in keys for text in lists[key]]
    sets = dict(zip(texts, load_sources(texts, load, given.get("loading")), strict=True))
    found: dict[str, Any] = {key: [sets[text] for text in lists[key]] for key in lists}
    if "test" in found:
        if len(found["test"]) != 1:
            raise ValueError(f"--test names {len(found['test'])} sets: one is tested; leave-one-dataset-out tests each")
        found["test"] = found["test"][0]
    others = {key: value for key, value in given.items() if key not in (*keys, "loading", "name")}
    return REGISTRY[name].imported()(**found, **others)


def faces_of_config(config: Mapping[str, Any], load: Loader) -> Faces | None:
    """The faces of a run, loaded as its config.yaml says; None where it does not say how.

    Parameters
    ----------
    config : arguments of a run: ``dataset: {name: ..., ...}``, or a ``protocol`` over several sets.
    load : ``load(name, **arguments) -> Faces``.
    """
    protocol, given = config.get("protocol"), config.get("dataset")
    if isinstance(protocol, Mapping) and protocol.get("name") in JOINT:
        return joint_protocol(protocol["name"], protocol, load).faces
    if not isinstance(given, Mapping) or "name" not in given:
        return None
    return load(given["name"], **{key: value for key, value in given.items() if key != "name"})


def _accepted(name: str) -> set[str]:
    return set(inspect.signature(entry(name).imported()).parameters)
