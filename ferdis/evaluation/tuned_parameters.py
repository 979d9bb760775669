"""What a sweep has chosen, and on whom: winners that travel as YAML, and the refusal to test on people of theirs.

A winner carries a digest of every person who took part in choosing it. An evaluation that is given the winner compares
these with the people of each test part, whatever file, folder or machine the winner comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ferdis.faces import Faces
from ferdis.messages import named
from ferdis.protocol import Fold, row_names
from ferdis.protocol.leakage import MAY_OVERLAP, LeakError

_DIGITS = 12  # hex digits of a person's digest: among a million people, two agree with a chance of one in 500


@dataclass(frozen=True)
class TunedParameters:
    """The best arguments that a sweep found, and whose images it used to find them.

    Attributes
    ----------
    system : the name under which the system was swept.
    parameters : constructor arguments and their values.
    people : digests (:func:`person_digest`) of all who were trained on or scored; of images where people are not
        known.
    sets : name spaces of these people (``ck`` of ``ck/S005``), for sets that show the same people under other names.
    fold : the outer fold in whose training part they are; None where they were set aside from all folds.
    score : mean score of the inner folds, 0..1. It chose, so it is no estimate of anything.
    trials : trials that the sweep had finished.
    """

    system: str
    parameters: Mapping[str, Any]
    people: tuple[str, ...]
    sets: tuple[str, ...] = ()
    fold: int | None = None
    score: float = float("nan")
    trials: int = 0
    source: str = field(default="", compare=False)

    def record(self) -> dict[str, Any]:
        """As it stands in YAML."""
        record = {**asdict(self), "people": list(self.people), "sets": list(self.sets)}
        return {name: value for name, value in record.items() if name != "source"}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], source: str = "") -> TunedParameters:
        """Inverse of :meth:`record`.

        Parameters
        ----------
        record : as :meth:`record` gives it.
        source : file that it comes from, for messages.

        Raises
        ------
        ValueError
            If an entry is missing, unknown or of another kind.
        """
        known = {item.name for item in fields(cls)} - {"source"}
        where = f"{source}: " if source else ""
        for name in ("system", "parameters", "people"):
            if name not in record:
                raise ValueError(f"{where}a winner without {name!r}: take a file that ferdis sweep wrote")
        if unknown := sorted(set(record) - known):
            raise ValueError(
                f"{where}a winner with an unknown entry {unknown[0]!r}: known are {', '.join(sorted(known))}"
            )
        if not isinstance(record["parameters"], Mapping) or not record["people"]:
            raise ValueError(f"{where}a winner needs parameters by name, and digests of the people it was tuned on")
        people = tuple(str(item) for item in record["people"])
        sets = tuple(str(item) for item in record.get("sets", ()))
        return cls(**{**record, "people": people, "sets": sets, "source": source})


def person_digest(name: str) -> str:
    """Digest of a person's name: it keeps names out of a file that is passed on, not from somebody who has a list."""
    return hashlib.sha256(f"ferdis person {name}".encode()).hexdigest()[:_DIGITS]


def people_of(faces: Faces) -> np.ndarray:
    """The person of each row, (n,) of str; the picture's name where people are not known."""
    return faces.subject if faces.has_subjects else row_names(faces)


def person_digests(faces: Faces) -> tuple[str, ...]:
    """Sorted digests of everybody in these faces."""
    return tuple(sorted(person_digest(name) for name in set(people_of(faces).tolist())))


def name_spaces(faces: Faces) -> tuple[str, ...]:
    """Sorted name spaces of the people: ``("ck",)`` for ``ck/S005``."""
    names = set(people_of(faces).tolist()) if faces.has_subjects else set()
    return tuple(sorted({name.split("/", 1)[0] for name in names if "/" in name}))


def parameters_for(winners: Sequence[TunedParameters], system: str, fold: int) -> TunedParameters | None:
    """The winner whose arguments a system takes in a fold.

    A single winner of a system serves every fold; of several, each serves its own. None for a system that was not
    swept.

    Raises
    ------
    ValueError
        If there are several and none, or more than one, for this fold.
    """
    mine = [winner for winner in winners if winner.system == system]
    if len(mine) <= 1:
        return mine[0] if mine else None
    own = [winner for winner in mine if winner.fold == fold]
    if len(own) != 1:
        known = ", ".join(str(winner.fold) for winner in mine)
        raise ValueError(f"fold {fold}: {len(own)} winners for {system} (there are winners of folds {known})")
    return own[0]


def without_set_aside(faces: Faces, winners: Sequence[TunedParameters]) -> Faces:
    """The faces without the people whom a sweep has set aside from all folds; the same object if there are none."""
    aside = {digest for winner in winners if winner.fold is None for digest in winner.people}
    names, person = np.unique(people_of(faces), return_inverse=True)
    out = np.array([person_digest(str(name)) in aside for name in names], dtype=bool)
    if not out.any():
        return faces
    kept = faces[~out[person]]
    notes = [
        *kept.attrs.get("notes", []),
        f"{out.sum()} people were set aside to choose arguments: no fold holds them.",
    ]
    return Faces(kept.images, kept.to_frame(), {**kept.attrs, "notes": notes})


def refuse_tuned_people(
    winners: Sequence[TunedParameters],
    systems: Collection[str],
    faces: Faces,
    folds: Sequence[Fold],
    *,
    allow_overlap: bool = False,
) -> None:
    """Refuse a fold that tests on anybody on whom the winner that it takes was tuned.

    Parameters
    ----------
    winners : as the sweep gave them.
    systems : names of the systems that will run.
    faces, folds : what is evaluated.
    allow_overlap : as for :func:`ferdis.protocol.audit`: name spaces that may hold the same people are let pass.

    Raises
    ------
    LeakError
        Naming the fold, the person and the way out.
    ValueError
        If a winner is of no system that runs, or a fold has none.
    """
    for winner in winners:
        if winner.system not in systems:
            raise ValueError(f"tuned names {winner.system!r}, but the systems are {', '.join(systems)}")
    for fold in folds:
        test = faces[fold.test]
        names = {person_digest(name): name for name in sorted(set(people_of(test).tolist()))}
        for system in systems:
            own = parameters_for(winners, system, fold.index)
            if own is None:
                continue
            if both := sorted(names[digest] for digest in set(names) & set(own.people)):
                raise LeakError(
                    f"fold {fold.index}: {system} was tuned on {named(both, 1)}, whom this fold tests"
                    f"{f' ({own.source})' if own.source else ''}: {_remedy(own)}"
                )
            if not allow_overlap:
                _refuse_name_spaces(own, test, fold)


def _remedy(winner: TunedParameters) -> str:
    if winner.fold is None:
        return "sweep again with other people set aside"
    return (
        "give --config the whole folder best/, so that each fold takes its own winner, "
        f"or run its own fold alone with --only_folds {winner.fold}"
    )


def _refuse_name_spaces(winner: TunedParameters, test: Faces, fold: Fold) -> None:
    tested = set(name_spaces(test))
    for group in MAY_OVERLAP:
        for tuned in sorted(group & set(winner.sets)):
            if others := sorted(tested & (group - {tuned})):
                raise LeakError(
                    f"fold {fold.index}: {winner.system} was tuned on people of {tuned}, which may show people of "
                    f"{others[0]} under other names: pass allow_overlap=True if yours do not"
                )
