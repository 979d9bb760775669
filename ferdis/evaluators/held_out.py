"""People that an evaluator never learns from, so that it can say how far to trust it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import numpy as np

from ferdis.faces import Faces


def refuse_shared_people(**groups: Faces) -> None:
    """Refuse groups of faces that have people in common, by name.

    Parameters
    ----------
    **groups : what each group is for -> its faces; those without subjects say nothing about people.

    Raises
    ------
    ValueError
        One line that names two groups and one of the people.
    """
    people = {what: set(map(str, faces.subject)) for what, faces in groups.items() if faces.has_subjects}
    for (one, theirs), (other, others) in combinations(people.items(), 2):
        if shared := sorted(theirs & others):
            raise ValueError(
                f"{shared[0]} is among the faces of {one!r} and of {other!r} ({len(shared)} people in all): choose "
                "other people"
            )


def refuse_known_people(what: str, people: Collection[str], faces: Faces) -> None:
    """Refuse faces of people that an evaluator learned from or was measured on.

    Parameters
    ----------
    what : str
        The evaluator, for the message.
    people : names of its people.
    faces : Faces that it is to judge.

    Raises
    ------
    ValueError
        One line that names one of them.
    """
    if faces.has_subjects and (shared := sorted(set(map(str, faces.subject)) & set(people))):
        raise ValueError(
            f"{what} was trained on {shared[0]} ({len(shared)} of the judged people in all): train it on other people"
        )


def seed_apart(seed: int, *used: int) -> int:
    """``seed``, or the next that is none of ``used``: synthetic populations of different seeds share no people."""
    while seed in used:
        seed += 1
    return seed


def hold_out(faces: Faces, share: float, seed: int, *, least: int = 1) -> tuple[Faces, Faces]:
    """Faces to learn from, and faces of the people held out, chosen by ``seed``.

    Parameters
    ----------
    faces : Faces whose subjects are known.
    share : of the people that are held out, between 0 and 1.
    seed : of the choice.
    least : people that each part needs.

    Raises
    ------
    ValueError
        If the people are not known or too few, or the share is none.
    """
    people = np.unique(faces.subject)
    if not 0 < share < 1:
        raise ValueError(f"held_out={share}: a share of the people between 0 and 1")
    held = max(least, round(share * len(people)))
    if len(people) - held < least:
        raise ValueError(
            f"{len(people)} people are too few for held_out={share}: at least {least} to learn from and {least} to be "
            "measured on are needed"
        )
    out = np.isin(faces.subject, np.random.default_rng(seed).permutation(people)[:held])
    return faces[~out], faces[out]
