"""The leak of identity is found where it was put, in the size in which it was put."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from ferdis.metrics.disentanglement import linear_probe
from ferdis.metrics.leak import people_told_apart, verification_leak

PEOPLE, EACH = 12, 12
SUBJECT = np.repeat([f"t/{k}" for k in range(PEOPLE)], EACH)


def of_groups(groups: int, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """Representations that tell so many groups of people apart, and nobody within a group."""
    random = np.random.default_rng(seed)
    centres = 3 * np.eye(groups)[np.repeat(np.arange(PEOPLE) % groups, EACH)]
    return centres + noise * random.normal(size=centres.shape)


class TestPeopleToldApart:
    @pytest.mark.parametrize("groups", [2, 3, 4, 6])
    def test_it_is_the_number_of_groups(self, groups: int) -> None:
        assert people_told_apart(of_groups(groups), SUBJECT) == pytest.approx(groups, rel=0.12)

    def test_everybody_and_nobody(self) -> None:
        assert people_told_apart(of_groups(PEOPLE), SUBJECT) > 0.95 * PEOPLE
        noise = np.random.default_rng(1).normal(size=(len(SUBJECT), 8))
        assert 1 <= people_told_apart(noise, SUBJECT) < 1.1
        assert people_told_apart(np.ones((len(SUBJECT), 3)), SUBJECT) == pytest.approx(1, abs=1e-3)

    def test_images_in_any_order(self) -> None:
        order = np.random.default_rng(2).permutation(len(SUBJECT))
        assert people_told_apart(of_groups(PEOPLE)[order], SUBJECT[order]) > 0.95 * PEOPLE

    def test_two_people(self) -> None:
        two = SUBJECT[: 2 * EACH]
        assert people_told_apart(of_groups(2)[: 2 * EACH], two) == pytest.approx(2, rel=0.05)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="two people, and two images of each"):
            people_told_apart(np.ones((3, 2)), ["a", "a", "b"])


class TestVerification:
    def test_everybody_and_nobody(self) -> None:
        found = verification_leak(of_groups(PEOPLE), SUBJECT)
        assert found.auc > 0.999 and found.eer < 0.01 and found.pairs == len(SUBJECT) * (len(SUBJECT) - 1) // 2
        noise = verification_leak(np.random.default_rng(1).normal(size=(len(SUBJECT), 8)), SUBJECT)
        assert noise.auc == pytest.approx(0.5, abs=0.06) and noise.eer == pytest.approx(0.5, abs=0.06)

    def test_an_offset_changes_nothing(self) -> None:
        values = of_groups(3, noise=1.0)
        assert verification_leak(values + 100, SUBJECT).auc == pytest.approx(verification_leak(values, SUBJECT).auc)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="pairs of one person and pairs of two"):
            verification_leak(np.eye(3), ["a", "b", "c"])


def test_many_people_with_two_images_each_are_no_regression() -> None:
    """scikit-learn would say so of every probe."""
    representations, people = np.eye(12).repeat(2, axis=0), np.arange(12).repeat(2).astype(str)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert people_told_apart(representations, people) == pytest.approx(12, abs=0.1)
        assert linear_probe(representations[::2], people[::2], representations[1::2], people[1::2]) == 1
