"""People set aside: as many as asked for, others with another seed, and none that is used elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis.evaluators.held_out import hold_out, seed_apart
from ferdis.faces import Faces


def crowd(people: int, each: int = 3) -> Faces:
    table = pd.DataFrame({"subject": [f"p{k:02d}" for k in range(people)] * each, "expression": "fear"})
    return Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table)


@pytest.mark.parametrize(
    ("people", "share", "least", "held"), [(20, 0.25, 1, 5), (19, 0.3, 1, 6), (20, 0.01, 1, 1), (20, 0.1, 4, 4)]
)
def test_a_share_of_the_people_is_held_out_with_all_their_images(
    people: int, share: float, least: int, held: int
) -> None:
    faces = crowd(people)
    learned, unseen = hold_out(faces, share, 0, least=least)
    assert len(set(unseen.subject)) == held and len(unseen) == 3 * held and len(learned) == 3 * (people - held)
    assert not set(unseen.subject) & set(learned.subject)


def test_the_seed_decides_who_they_are() -> None:
    faces = crowd(20)
    groups = [frozenset(hold_out(faces, 0.25, seed)[1].subject) for seed in (0, 0, 1, 2)]
    assert groups[0] == groups[1] and len(set(groups)) == 3
    for least in (3, 2):  # as many for either part
        with pytest.raises(ValueError, match=rf"4 people are too few .* at least {least} to learn from and {least}"):
            hold_out(crowd(4), 0.7 if least == 2 else 0.5, 0, least=least)


@pytest.mark.parametrize(("seed", "used", "found"), [(3, (), 3), (3, (4,), 3), (3, (3,), 4), (3, (5, 3, 4), 6)])
def test_a_seed_apart_is_the_next_that_nobody_uses(seed: int, used: tuple[int, ...], found: int) -> None:
    assert seed_apart(seed, *used) == found
