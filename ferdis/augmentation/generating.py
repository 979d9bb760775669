"""Drawing faces of the classes that are short of them: random faces with the expressions of random references.

Every generator serves through one interface, :func:`express`: the people of some faces with the expressions of others.
What comes out is labelled with the expression that was asked for. That is a shortcut, and the filter
(:mod:`ferdis.augmentation.filtering`) is what stands against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ferdis.augmentation.filtering import QualityFilter
from ferdis.capabilities import EditsActionUnits, Transfers
from ferdis.disentanglement.representations import framed
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems.action_units import action_units_of
from ferdis.systems.arguments import check_choice
from ferdis.systems.base import resized
from ferdis.systems.conditions import ACTION_UNITS as _UNITS

__all__ = [
    "PROVENANCE",
    "Generated",
    "asks_action_units",
    "check_generator",
    "coded",
    "express",
    "generate",
    "shortfall",
]

PROVENANCE = ("generator", "source", "reference")
"""Columns of a generated face: what made it, the path of the face it was made from, that of the expression's."""

STRATEGIES = ("balance", "multiply")
_ROUNDS = 6  # tries to make good what the filter rejects


def express(generator: EditsActionUnits | Transfers, faces: Faces, references: Faces) -> np.ndarray:
    """The people of ``faces`` with the expressions of ``references``, row by row: uint8 (n, S, S, 3).

    A generator that transfers is given the reference; one that only edits action units, those of the reference.

    Raises
    ------
    ValueError
        If the generator can do neither.
    """
    if isinstance(generator, Transfers):
        return generator.transfer(faces, references)
    check_generator(generator)
    return generator.edit(faces, action_units_of(references))


def asks_action_units(generator: Any) -> bool:
    """Whether :func:`express` needs the references' action units: not for a generator that was told expressions."""
    return isinstance(generator, EditsActionUnits) and getattr(generator, "condition", _UNITS) == _UNITS


def check_generator(generator: Any) -> None:
    """A ValueError unless :func:`express` can use it."""
    if not isinstance(generator, (EditsActionUnits, Transfers)):
        raise ValueError(f"{type(generator).__name__} makes no faces: it has neither edit() nor transfer()")


def shortfall(expression: np.ndarray, strategy: str, per_class: int | None) -> dict[str, int]:
    """How many faces of each class are to be made.

    Parameters
    ----------
    expression : (n,) of str, of the real faces.
    strategy : str
        "balance": so many that every class has ``per_class`` in all (None: as many as the largest has). "multiply":
        ``per_class`` more of every class (None: as many as it has).
    per_class : int or None
    """
    check_choice("strategy", strategy, STRATEGIES)
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class={per_class}: at least 1, or None")
    names, counts = np.unique(expression, return_counts=True)
    if strategy == "balance":
        wanted = np.maximum(0, (counts.max() if per_class is None else per_class) - counts)
    else:
        wanted = counts if per_class is None else np.full(len(names), per_class)
    return {str(name): int(number) for name, number in zip(names, wanted, strict=True)}


@dataclass(frozen=True)
class Generated:
    """What :func:`generate` made.

    Attributes
    ----------
    faces : Faces or None
        Labelled as asked, the subject that of the source, with the columns of :data:`PROVENANCE`; None without any.
    made : int
        Faces that the generator drew.
    misread, drifted : int
        Of these, rejected as not showing what was asked, and (of the others) as no longer the person.
    missing : dict of str to int
        Faces of each class that were asked for and are not there.
    """

    faces: Faces | None
    made: int
    misread: int
    drifted: int
    missing: dict[str, int]

    def __str__(self) -> str:
        kept = 0 if self.faces is None else len(self.faces)
        text = f"{kept} generated faces of {self.made} drawn: {self.misread} rejected as not showing what was asked, "
        text += f"{self.drifted} as no longer the person"
        short = ", ".join(f"{name} {number}" for name, number in self.missing.items())
        return text + (f"; asked for and not reached: {short}" if short else "")


def generate(
    generator: Any, faces: Faces, wanted: Mapping[str, int], *, filter: QualityFilter | None = None, seed: int = 0
) -> Generated:
    """Draw faces of each class: random faces with the expressions of random references of the class.

    A reference is of another person than the face, where there is one. What the filter rejects is tried again with
    other faces and references, up to six times in all.

    Parameters
    ----------
    generator : fitted.
    faces : Faces
        From which faces and references are taken: those that the generator was fitted on.
    wanted : class -> number of faces.
    filter : fitted QualityFilter, optional.
    seed : of the choice of faces and references.
    """
    random = np.random.default_rng([seed, 7])
    parts: list[Faces] = []
    counts = {"made": 0, "misread": 0, "drifted": 0}
    missing = {name: number for name, number in wanted.items() if number}
    for _ in range(_ROUNDS if filter is not None else 1):
        if not missing:
            break
        sources, references = _chosen(faces, missing, needs_units=asks_action_units(generator), random=random)
        drawn = _drawn(generator, faces, sources, references, first=counts["made"])
        counts["made"] += len(drawn)
        kept = np.ones(len(drawn), bool)
        if filter is not None:
            shown, same = filter.verdict(drawn, faces[sources])
            kept = shown & same
            counts["misread"] += int((~shown).sum())
            counts["drifted"] += int((shown & ~same).sum())
        parts.append(drawn[kept])
        found = pd.Series(drawn.expression[kept]).value_counts()
        missing = {name: number - int(found.get(name, 0)) for name, number in missing.items()}
        missing = {name: number for name, number in missing.items() if number > 0}
    parts = [part for part in parts if len(part)]
    return Generated(Faces.concat(parts) if parts else None, **counts, missing=missing)


def _chosen(
    faces: Faces, wanted: Mapping[str, int], *, needs_units: bool, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the faces to be changed and of their references: ``wanted`` of each class."""
    usable = coded(faces) if needs_units else np.ones(len(faces), bool)
    references = []
    for name, number in wanted.items():
        of_class = np.flatnonzero((faces.expression == name) & usable)
        if not len(of_class):
            raise ValueError(f"no training face of class {name} has action units, so none can be asked for: give some")
        references.append(random.choice(of_class, number))
    reference = np.concatenate(references)
    person = faces.subject if faces.has_subjects else np.arange(len(faces))
    source = random.integers(len(faces), size=len(reference))
    if len(np.unique(person)) > 1:
        while (same := person[source] == person[reference]).any():
            source[same] = random.integers(len(faces), size=int(same.sum()))
    return source, reference


def _drawn(generator: Any, faces: Faces, sources: np.ndarray, references: np.ndarray, first: int) -> Faces:
    """What the generator makes of these rows, in the size of ``faces``, each with its provenance."""
    onto, like = faces[sources], faces[references]
    name = type(generator).__name__
    whole = framed(express(generator, onto, like), onto, generator)
    paths = faces.table["path"].to_numpy(str) if "path" in faces.table else np.arange(len(faces)).astype(str)
    table = pd.DataFrame(
        {
            "expression": like.expression,
            "path": [f"generated/{name}/{first + number:05d}" for number in range(len(like))],
            "generator": name,
            "source": paths[sources],
            "reference": paths[references],
        }
    )
    if faces.has_subjects:
        table["subject"] = onto.subject
    if asks_action_units(generator):
        table[list(AU_COLUMNS)] = action_units_of(like).astype(np.float64)
    return Faces(np.asarray(resized(whole, faces.shape[1])), table)


def coded(faces: Faces) -> np.ndarray:
    """Which faces have action units, (n,) bool."""
    return faces.table.reindex(columns=list(AU_COLUMNS)).notna().any(axis=1).to_numpy()
