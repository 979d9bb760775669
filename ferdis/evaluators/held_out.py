"""People that an evaluator never learns from, so that it can say how far to trust it."""

from __future__ import annotations

import numpy as np

from ferdis.faces import Faces


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
