"""Probes and MIG, DCI, SAP: known representations, limit cases, and plain transcriptions of the equations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferdis import metrics
from ferdis.metrics import Probe, disentanglement
from ferdis.metrics.disentanglement import (
    _above_chance,
    _balanced,
    _binned,
    _predicted,
    _reader,
    _tree,
    disentangled_complete,
)
from tests.wiring import spied

PEOPLE, EACH = 20, 10
SUBJECT = np.array([f"t/P{k:02d}" for k in range(PEOPLE)]).repeat(EACH)
EXPRESSION = np.tile(["anger", "disgust", "fear", "happiness", "sadness"], PEOPLE * EACH // 5)


def one_hot(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.unique(labels)).astype(float)


def noisy(values: np.ndarray, level: float = 0.3, seed: int = 0) -> np.ndarray:
    return values + level * np.random.default_rng(seed).normal(size=values.shape)


def factors(n: int = 1500, seed: int = 0) -> dict[str, np.ndarray]:
    """Independent factors: two of numbers, one of text."""
    random = np.random.default_rng(seed)
    return {
        "AU12": random.uniform(0, 5, n),
        "yaw": random.uniform(-20, 20, n),
        "person": np.array([f"P{k}" for k in random.integers(0, 6, n)]),
    }


def aligned(known: dict[str, np.ndarray]) -> np.ndarray:
    """A number a factor, in other units, and one number of noise."""
    columns = [np.unique(v, return_inverse=True)[1] if v.dtype.kind == "U" else v for v in known.values()]
    values = np.stack([3.0 * column - 1 for column in columns], axis=1).astype(float)
    values = (values - values.mean(0)) / values.std(0)
    return np.column_stack([values, np.random.default_rng(9).normal(size=len(values))])


def rotated(values: np.ndarray) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(values.shape[1],) * 2))
    return values @ turn


class TestLinearProbe:
    def test_reads_what_is_there_and_nothing_else(self) -> None:
        random = np.random.default_rng(0)
        labels = np.array([f"P{k}" for k in range(20)]).repeat(10)
        place = random.normal(size=(20, 300)).repeat(10, axis=0)
        representations = place + 0.5 * random.normal(size=place.shape)
        even = np.arange(200) % 2 == 0
        assert metrics.linear_probe(representations[even], labels[even], representations[~even], labels[~even]) > 0.95
        nothing = random.normal(size=(200, 30))
        assert metrics.linear_probe(nothing[even], labels[even], nothing[~even], labels[~even]) < 0.15  # chance 0.05

    def test_constant_codes_give_chance(self) -> None:
        labels = np.array(["a", "b"] * 10)
        assert metrics.linear_probe(np.zeros((20, 3)), labels, np.zeros((20, 3)), labels) == 0.5

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="two labels"):
            metrics.linear_probe(np.zeros((3, 2)), ["a"] * 3, np.zeros((1, 2)), ["a"])
        with pytest.raises(ValueError, match="one label per representation"):
            metrics.linear_probe(np.zeros((3, 2)), ["a"], np.zeros((1, 2)), ["a"])


@pytest.mark.parametrize("reader", ["logistic", "nearest", "mlp"])
class TestProbes:
    def test_a_code_of_identity(self, reader) -> None:
        values = noisy(one_hot(SUBJECT), 0.2)
        identity = metrics.identity_probe(values, SUBJECT, reader=reader)
        expression = metrics.expression_probe(values, EXPRESSION, SUBJECT, reader=reader)
        assert identity.accuracy > 0.85 and identity.chance == 0.05 and identity.n == 200
        assert expression.accuracy < 0.35 and expression.chance == 0.2

    def test_chance_is_the_most_frequent_expression(self, reader) -> None:
        """Always answering "fear" is right in three of four."""
        rows = np.arange(40)
        expression = np.where(rows % 4 == 0, "anger", "fear")
        found = metrics.expression_probe(noisy(one_hot(expression)), expression, rows // 8, reader=reader)
        assert found.chance == 0.75 and found.n == 40

    def test_a_code_of_expression(self, reader) -> None:
        values = noisy(one_hot(EXPRESSION))
        assert metrics.identity_probe(values, SUBJECT, reader=reader).accuracy < 0.12
        assert metrics.expression_probe(values, EXPRESSION, SUBJECT, reader=reader).accuracy > 0.85

    def test_a_collapsed_code_reads_as_chance(self, reader) -> None:
        values = np.ones((200, 30))
        assert abs(metrics.identity_probe(values, SUBJECT, reader=reader).excess) < 0.03
        assert metrics.expression_probe(values, EXPRESSION, SUBJECT, reader=reader).excess < 0.05

    def test_the_expression_of_a_person_is_never_read_off_other_images(self, reader) -> None:
        """Each person wears one expression: who knows the person knows the expression, if he may."""
        worn = np.array(["anger", "fear"])[np.arange(PEOPLE) % 2].repeat(EACH)
        values = noisy(one_hot(SUBJECT), 0.05)
        assert metrics.expression_probe(values, worn, SUBJECT, reader=reader).accuracy < 0.75

    def test_seeded(self, reader) -> None:
        values = noisy(one_hot(SUBJECT), 0.6)
        first = metrics.identity_probe(values, SUBJECT, reader=reader, seed=3)
        assert first == metrics.identity_probe(values, SUBJECT, reader=reader, seed=3)


def test_halvings_are_five_and_of_the_seed(monkeypatch) -> None:
    halves = spied(monkeypatch, disentanglement, "StratifiedKFold")
    subject = np.array(["a"] * 4 + ["b"] * 2)
    found = metrics.identity_probe(np.arange(6.0)[:, None], subject, reader="nearest", seed=3)
    assert [state for *_, state in halves] == [3, 4, 5, 6, 7]
    assert found.chance == pytest.approx(4 / 6), "of the person with the most images"


def test_people_are_parted_by_the_seed(monkeypatch) -> None:
    calls = spied(monkeypatch, disentanglement, "_predicted")
    rows = np.arange(200.0)[:, None]
    for seed in (0, 0, 1):
        metrics.expression_probe(rows, EXPRESSION, SUBJECT, reader="nearest", seed=seed)
    first, again, other = (sorted(call[3].ravel()) for call in calls[::5])
    assert len(calls) == 15 and first == again and first != other


def test_three_people_are_three_parts() -> None:
    expression, subject = EXPRESSION[:30], SUBJECT[:30]
    assert metrics.expression_probe(one_hot(expression), expression, subject, reader="nearest").accuracy == 1


def test_who_learns_one_expression_says_it_always() -> None:
    """The first person shows anger alone: of the other's two images one is read."""
    expression = np.array(["anger", "anger", "anger", "fear"])
    found = metrics.expression_probe(one_hot(expression), expression, ["a", "a", "b", "b"], reader="nearest")
    assert found.accuracy == 0.75


def test_readers() -> None:
    near = _predicted("nearest", np.array([[0.0], [3.0], [3.1]]), np.array(["a", "b", "b"]), np.array([[0.1]]), 0)
    assert near.tolist() == ["a"], "nearer neighbours count for more"
    for shape, components in (((50, 200), 49), ((300, 200), 100)):
        assert _reader("logistic", np.zeros(shape), 0).named_steps["pca"].n_components == components
    assert "pca" not in _reader("logistic", np.zeros((50, 100)), 0).named_steps


def test_excess_and_ratio() -> None:
    base, ours = Probe(0.65, 0.05, 200), Probe(0.20, 0.05, 200)
    assert ours.excess == pytest.approx(0.15) and ours.ratio(base) == pytest.approx(0.25)
    assert Probe(0.01, 0.05, 200).ratio(base) == 0  # below chance reads nothing, not less than nothing
    assert math.isnan(ours.ratio(Probe(0.05, 0.05, 200)))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.identity_probe(np.ones((3, 2)), ["a", "a", "b"]), "b has one image only"),
        (lambda: metrics.identity_probe(np.ones((2, 2)), ["a", "a"]), "all images show a"),
        (lambda: metrics.identity_probe(np.ones((2, 2)), ["a"]), "1 labels"),
        (lambda: metrics.identity_probe(np.full((4, 2), np.nan), ["a", "a", "b", "b"]), "row 0 is not finite"),
        (lambda: metrics.identity_probe(np.ones((4, 2)), ["a", "a", "b", "b"], reader="tree"), "reader='tree'"),
        (lambda: metrics.expression_probe(np.ones((2, 2)), ["fear"] * 2, ["a", "b"]), "two expressions"),
        (lambda: metrics.mig(np.ones((4, 1)), {"a": np.arange(4)}), "two or more dimensions"),
        (lambda: metrics.mig(np.ones((4, 2)), {"a": np.ones(4)}), "'a' is the same in every row"),
        (lambda: metrics.mig(np.ones((4, 2)), {"a": [1.0, 2.0]}), "shape"),
        (lambda: metrics.sap(np.ones((2, 2)), {"a": [1.0, np.nan]}), "not known in every row"),
        (lambda: metrics.dci(np.ones((4, 2)), {"a": np.arange(4)}), "two or more"),
    ],
)
def test_errors_are_one_line(call, says) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


def test_effective_dimensions() -> None:
    random = np.random.default_rng(0)
    assert metrics.effective_dimensions(random.normal(size=(20_000, 6))) == pytest.approx(6, abs=0.05)
    line = random.normal(size=(500, 1)) * np.arange(1, 5)
    assert metrics.effective_dimensions(line) == pytest.approx(1)
    assert metrics.effective_dimensions(np.full((50, 30), 0.7)) == 0
    assert metrics.effective_dimensions(np.zeros((50, 30))) == 0


def test_representation_cosine() -> None:
    first = np.array([[1.0, 0], [0, 1], [-1, -1]])
    assert metrics.representation_cosine(first, first) == pytest.approx(1)
    assert metrics.representation_cosine(first, -first, centre=[0, 0]) == pytest.approx(-1)
    # An offset that all representations share says nothing: about their mean, shuffled representations are not alike.
    random = np.random.default_rng(0).normal(size=(400, 8))
    assert abs(metrics.representation_cosine(random + 50, np.roll(random, 1, axis=0) + 50)) < 0.1


class TestAlignment:
    """MIG, DCI and SAP on representations whose answer is known."""

    def test_an_aligned_code_is_near_one(self) -> None:
        known = factors()
        values = aligned(known)
        assert metrics.mig(values, known).mean() > 0.85
        assert metrics.sap(values, known).mean() > 0.9
        found = metrics.dci(values, known)
        assert min(found.disentanglement, found.completeness, found.informativeness) > 0.9

    def test_a_rotated_code_says_as_much_in_no_number_of_its_own(self) -> None:
        known = factors()
        values = rotated(aligned(known))
        assert metrics.mig(values, known).mean() < 0.2
        assert metrics.sap(values, known).mean() < 0.4
        found = metrics.dci(values, known)
        assert found.disentanglement < 0.5 and found.informativeness > 0.6

    def test_a_random_code_is_near_zero(self) -> None:
        known = factors()
        values = np.random.default_rng(1).normal(size=(1500, 5))
        assert metrics.mig(values, known).max() < 0.03
        assert metrics.sap(values, known).max() < 0.05
        found = metrics.dci(values, known)
        assert found.disentanglement < 0.15 and found.informativeness < 0.05
        assert (found.predicted >= 0).all(), "nothing is worse than to know nothing"

    def test_a_collapsed_code_is_zero(self) -> None:
        known = factors(200)
        values = np.ones((200, 4))
        found = metrics.dci(values, known)
        assert (found.disentanglement, found.completeness, found.informativeness) == (0, 0, 0)
        assert metrics.mig(values, known).max() == 0 and metrics.sap(values, known).max() == 0

    def test_two_numbers_for_one_factor_close_the_gap(self) -> None:
        known = factors()
        values = aligned(known)
        twice = np.column_stack([values, values[:, 0]])
        assert metrics.mig(twice, known)["AU12"] == pytest.approx(0, abs=1e-9)
        assert metrics.sap(twice, known)["AU12"] == pytest.approx(0, abs=1e-9)
        assert metrics.dci(twice, known).completeness < metrics.dci(values, known).completeness


def test_mig_is_its_equation() -> None:
    """Chen et al. 2018, Eq. 6, with probabilities counted cell by cell."""
    random = np.random.default_rng(2)
    factor = random.integers(0, 3, 300)
    values = np.stack([factor + random.integers(0, 2, 300), random.integers(0, 4, 300), factor * (factor > 1)], axis=1)

    def information(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for x in set(a):
            for y in set(b):
                joint = np.mean((a == x) & (b == y))
                if joint > 0:
                    total += joint * math.log(joint / (np.mean(a == x) * np.mean(b == y)))
        return total

    each = sorted(information(column, factor) for column in values.T)
    entropy = -sum(np.mean(factor == v) * math.log(np.mean(factor == v)) for v in set(factor))
    expected = (each[-1] - each[-2]) / entropy
    assert metrics.mig(values, {"v": factor.astype(str)})["v"] == pytest.approx(expected)


def test_bins_of_mig() -> None:
    """In two bins 0, 1, 2, 3 say one bit: as much as 0, 0, 1, 1, and 0, 1, 0, 1 nothing of it."""
    factor = np.arange(4.0)
    same, other = (np.stack([factor, np.array(second)], axis=1) for second in ([0, 0, 1, 1], [0, 1, 0, 1]))
    assert metrics.mig(same, {"v": factor}, bins=2)["v"] == pytest.approx(0)
    assert metrics.mig(other, {"v": factor}, bins=2)["v"] == pytest.approx(1)
    assert metrics.mig(same, {"v": factor})["v"] == pytest.approx(0.5)
    assert _binned(np.arange(5.0), 4).tolist() == [0, 1, 2, 3, 3] and _binned(np.ones(3), 4).tolist() == [0, 0, 0]


def test_scores_above_chance() -> None:
    true = np.array(["a", "a", "a", "b"])
    assert _above_chance(true, true) == 1 and _above_chance(true, np.array(["a"] * 4)) == 0
    assert _above_chance(true, np.array(["b"] * 4)) == pytest.approx((0.25 - 0.75) / 0.25)
    # Of 22 faces of a four look like the two of b: b is there where it is likelier than among all.
    column, rare = np.array([0.0] * 18 + [1.0] * 6)[:, None], np.array(["a"] * 22 + ["b"] * 2)
    assert _balanced(rare, _tree(2, 0).fit(column, rare), column) == pytest.approx(18 / 22)
    three = np.array(["a", "b", "c"])
    assert _balanced(three, _tree(3, 0).fit([[0], [1], [2]], three), np.array([[0], [1], [2]])) == 1


def test_disentanglement_and_completeness_are_their_equations() -> None:
    """Eastwood and Williams 2018, Section 2, written out with loops."""
    importance = np.random.default_rng(4).uniform(0, 1, (5, 3)) ** 3
    numbers, factors_ = importance.shape
    disentangled = 0.0
    for i in range(numbers):
        share = [importance[i, j] / importance[i].sum() for j in range(factors_)]
        entropy = -sum(p * math.log(p, factors_) for p in share)
        disentangled += importance[i].sum() / importance.sum() * (1 - entropy)
    complete = 0.0
    for j in range(factors_):
        share = [importance[i, j] / importance[:, j].sum() for i in range(numbers)]
        complete += (1 + sum(p * math.log(p, numbers) for p in share)) / factors_
    assert disentangled_complete(importance) == pytest.approx((disentangled, complete))
    assert disentangled_complete(np.eye(3)) == pytest.approx((1, 1))
    assert disentangled_complete(np.ones((4, 3))) == pytest.approx((0, 0))


def test_sap_is_the_gap_of_squared_correlations() -> None:
    """Kumar et al. 2018, Section 3: the R^2 of a line fitted to each number by itself."""
    random = np.random.default_rng(6)
    factor = random.normal(size=400)
    values = np.stack([factor + 0.5 * random.normal(size=400), factor + random.normal(size=400)], axis=1)
    explained = []
    for column in values.T:
        design = np.column_stack([column, np.ones(400)])
        rest = factor - design @ np.linalg.lstsq(design, factor, rcond=None)[0]
        explained.append(1 - rest.var() / factor.var())
    assert metrics.sap(values, {"v": factor})["v"] == pytest.approx(explained[0] - explained[1])
