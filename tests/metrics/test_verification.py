"""Verification: thresholds by hand, and against scikit-learn's own curve."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from ferdis.metrics.verification import cosine, equal_error_rate, pair_cosines, verify


def test_cosine_by_hand() -> None:
    assert cosine([[3, 4], [1, 0]], [[4, 3], [-2, 0]]).tolist() == pytest.approx([24 / 25, -1])
    with pytest.raises(ValueError, match="as many of both"):
        cosine([[1, 0]], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="embedding 1 is zero"):
        cosine([[1, 0], [0, 0]], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="embedding 0 is zero or not finite"):
        cosine([[np.nan, 0]], [[1, 0]])


def test_all_pairs_once() -> None:
    cosines, same = pair_cosines([[1, 0], [0, 1], [1, 1]], ["a", "b", "a"])
    assert cosines.tolist() == pytest.approx([0, np.sqrt(0.5), np.sqrt(0.5)])
    assert same.tolist() == [False, True, False]
    with pytest.raises(ValueError, match="one name an embedding"):
        pair_cosines([[1, 0], [0, 1]], ["a"])


def test_separable_pairs_have_no_error_and_a_threshold_between() -> None:
    error, threshold = equal_error_rate([0.9, 0.8, 0.3, 0.1], [True, True, False, False])
    assert error == 0 and threshold == pytest.approx(0.55)


def test_equal_error_by_hand() -> None:
    # from 0.5 on: refused one of four of the same (0.2), accepted one of four different (0.6)
    cosines = [0.9, 0.8, 0.7, 0.2, 0.6, 0.4, 0.3, 0.1]
    error, threshold = equal_error_rate(cosines, [True] * 4 + [False] * 4)
    assert error == 0.25 and 0.4 < threshold < 0.6


def test_both_kinds_of_error_count() -> None:
    """From 0.5 on, one of three of the same is refused and one of two different accepted: no rates are equal."""
    error, threshold = equal_error_rate([0.9, 0.8, 0.2, 0.5, 0.1], [True] * 3 + [False] * 2)
    assert error == pytest.approx((1 / 3 + 1 / 2) / 2) and threshold == pytest.approx(0.35)


def test_chance_is_half() -> None:
    random = np.random.default_rng(0)
    error, _ = equal_error_rate(random.random(4000), random.random(4000) < 0.3)
    assert error == pytest.approx(0.5, abs=0.03)


def test_equal_error_is_that_of_the_roc_curve() -> None:
    random = np.random.default_rng(1)
    same = random.random(3000) < 0.2
    cosines = random.normal(same * 1.5, 1.0)
    error, threshold = equal_error_rate(cosines, same)
    accepted, kept, _ = roc_curve(same, cosines)
    crossing = np.interp(0, accepted + kept - 1, accepted)
    assert error == pytest.approx(crossing, abs=2e-3)
    assert (cosines[same] < threshold).mean() == pytest.approx((cosines[~same] >= threshold).mean(), abs=5e-3)


@pytest.mark.parametrize(("same", "kind"), [([True, True], "different people"), ([False, False], "one person")])
def test_pairs_of_one_kind_set_no_threshold(same: list[bool], kind: str) -> None:
    with pytest.raises(ValueError, match=f"no pair is of {kind}"):
        equal_error_rate([0.1, 0.2], same)


def test_generated_images_are_judged_by_real_ones() -> None:
    random = np.random.default_rng(2)
    centres = np.eye(8)
    people = np.repeat(np.arange(8), 5)
    real = centres[people] + random.normal(0, 0.05, (40, 8))
    kept = centres[people] + random.normal(0, 0.05, (40, 8))
    swapped = centres[(people + 1) % 8] + random.normal(0, 0.05, (40, 8))
    good, bad = verify(real, people, real, kept), verify(real, people, real, swapped)
    assert good.accuracy == good.real_accuracy == 1 and good.error == 0
    assert bad.accuracy == 0 and bad.threshold == good.threshold  # the generated have no part in the threshold
    half = verify(real, people, real, np.concatenate([kept[:20], swapped[20:]]))
    assert half.accuracy == 0.5
    assert good.same_cosine > 0.95 and abs(good.different_cosine) < 0.1 and bad.generated_cosine < 0.2
    assert "100.00 % taken for the same person" in str(good)
    with pytest.raises(ValueError, match="no generated image"):
        verify(real, people, real[:0], real[:0])


def test_a_pair_at_the_threshold_is_accepted() -> None:
    """Cosines of 1 and 0 set the threshold to 1/2, which the generated face has exactly."""
    first, second = np.eye(4)[0], np.eye(4)[1]
    found = verify([first, first, second, second], ["a", "a", "b", "b"], [first], [np.ones(4)])
    assert found.threshold == found.generated_cosine == 0.5 and found.accuracy == 1
    assert (found.same_cosine, found.different_cosine) == (1, 0)
