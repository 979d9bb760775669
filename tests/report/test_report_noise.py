"""Which pairs have a verdict, and its sign; how the stress table weighs classes."""

from __future__ import annotations

import pandas as pd
import pytest

from ferdis.metrics import gain
from ferdis.report.noise import gains_of, verdict_between
from ferdis.report.robustness import robustness_table
from tests.metrics.test_noise_floor import rows


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rows(0.9, 0.7, people=8, images=6, partitions=3)


def test_a_gain_has_the_sign_of_the_order_that_was_asked_for(table: pd.DataFrame) -> None:
    found = gains_of(table)
    assert list(found) == [("ours", "theirs")]
    assert found["ours", "theirs"] == gain(table, "ours", "theirs", "uar", replicates=4000)
    assert verdict_between(found, "ours", "theirs") == (found["ours", "theirs"], 1.0)
    assert verdict_between(found, "theirs", "ours") == (found["ours", "theirs"], -1.0)
    assert verdict_between(found, "ours", "nobody") is None


def test_systems_of_other_seeds_and_single_trainings_have_no_gain(table: pd.DataFrame) -> None:
    moved = table.assign(seed=table["seed"] + (table["system"] == "theirs"))
    assert gains_of(moved) == {} == gains_of(table[table["seed"] == 0])


def test_stress_weighs_classes_alike_and_people_by_their_images() -> None:
    """One class of 9 images, 9 right; another of two people with 1 image, 1 right, and 9 images, none right."""
    about = {"system": "a", "seed": 0, "fold": 0, "stress": "blur", "strength": 1}
    counts = [("s1", "anger", 9, 9), ("s1", "fear", 1, 1), ("s2", "fear", 9, 0)]
    stress = pd.DataFrame(
        {**about, "subject": subject, "true": true, "images": images, "right": right}
        for subject, true, images, right in counts
    )
    clean = pd.DataFrame({"system": "a", "true": ["anger", "fear"], "predicted": "anger"})
    cells = robustness_table(stress, clean).cells.iloc[0]
    assert (cells["clean"], cells["1"], cells["mean"]) == ("50.0", "55.0", "55.0")  # (9/9 + 1/10) / 2
