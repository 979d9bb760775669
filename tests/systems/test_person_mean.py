"""The baseline of a calibration slice against scikit-learn on the differences, step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from ferdis.faces import Faces
from ferdis.systems.person_mean import PersonMean

EXPRESSIONS = ("anger", "fear", "neutral")


class Columns(BaseEstimator):
    """Its features are two columns of the table."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, faces: Faces) -> Columns:
        return self

    def transform(self, faces: Faces) -> np.ndarray:
        return faces.table[["x", "y"]].to_numpy(float)


def crowd(people: int, classes: int, seed: int) -> Faces:
    """Four images of each person and class; each person has an offset of her own, the first no neutral image."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        offset = 5 * random.normal(size=2)
        for number, name in enumerate(EXPRESSIONS[-classes:]):
            for _ in range(4):
                x, y = offset + [number, 3.0 * (number == 1)] + 0.7 * random.normal(size=2)
                rows.append({"expression": name, "subject": f"p{person}", "x": x, "y": 10 * y})
    table = pd.DataFrame(rows)
    table = table[(table["subject"] != "p0") | (table["expression"] != "neutral")].sample(frac=1, random_state=seed)
    return Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table.reset_index(drop=True))


def less_means(faces: Faces, reference: Faces) -> np.ndarray:
    """Each row less the mean of that person's rows of the reference."""
    means = {name: Columns().transform(reference[reference.subject == name]).mean(0) for name in set(faces.subject)}
    return Columns().transform(faces) - np.stack([means[name] for name in faces.subject])


@pytest.mark.parametrize("reference", ["neutral", "any"])
def test_both_are_the_features_and_their_differences(reference: str) -> None:
    training, tested, others = (crowd(6, 3, seed) for seed in (0, 1, 2))
    fitted = PersonMean(Columns(), reference=reference, features="both").fit(training)
    if reference == "neutral":
        training_means = training[(training.expression == "neutral") | (training.subject == "p0")]
    else:
        training_means = training
    left = np.concatenate([Columns().transform(training), less_means(training, training_means)], 1)
    model = LogisticRegression(max_iter=2000).fit(left / left.std(0), training.expression)
    seen = np.concatenate([Columns().transform(tested), less_means(tested, others)], 1) / left.std(0)
    np.testing.assert_allclose(fitted.transform(tested, others), seen, atol=1e-9)
    np.testing.assert_allclose(fitted.predict_proba(tested, others), model.predict_proba(seen), atol=1e-6)
    assert fitted.describe()["features"] == "both"


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features='mean': choose .*difference.*both"):
        PersonMean(Columns(), features="mean").fit(crowd(4, 3, 0))


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_a_logistic_regression_on_differences_from_the_reference(classes: int) -> None:
    training, tested, reference = (crowd(6, classes, seed) for seed in (0, 1, 2))
    fitted = PersonMean(Columns(), c=0.3, seed=7).fit(training)
    assert fitted.estimator_.seed == 7 and fitted.classes_.tolist() == sorted(set(training.expression))
    counted = training[(training.expression == "neutral") | (training.subject == "p0")]  # p0 has no neutral image
    left = less_means(training, counted)
    scale = left.std(0)
    model = LogisticRegression(C=0.3, max_iter=2000).fit(left / scale, training.expression)
    expected = model.predict_proba(less_means(tested, reference) / scale)
    np.testing.assert_allclose(fitted.predict_proba(tested, reference), expected, atol=1e-6)
    assert (fitted.predict(tested, reference) == model.classes_[expected.argmax(1)]).all()
    assert np.ptp(expected.max(1)) > 0.1


def test_a_feature_that_hardly_moves_is_not_blown_up() -> None:
    faces = crowd(4, 3, 0)
    table = faces.to_frame()
    still = faces.with_table(table.assign(y=1e-9 * np.arange(len(table))))
    fitted = PersonMean(Columns()).fit(still)
    assert fitted.scale_[1] == pytest.approx(0.01 * fitted.scale_[0])
