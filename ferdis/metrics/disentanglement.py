"""How much a representation holds of a factor, and in which of its dimensions: pure functions of arrays.

*How much is there?* :func:`identity_probe` and :func:`expression_probe` fit a probe (logistic regression, nearest
neighbours, or a small network) on some representations and score it on others. Each result carries the chance level:
``excess`` is the accuracy above it, and the ratio of two excesses says how much less one representation reveals than
another. A representation that holds nothing at all holds nothing of identity either, so always read the expression
probe beside the identity probe.

*Is it axis-aligned?* :func:`mig`, :func:`dci` and :func:`sap` ask whether single dimensions of the representation
belong to single factors. They need the factors, and they are low for a representation that is merely rotated. No
system here is trained to align its axes, so these figures describe a representation and do not rank systems.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, mutual_info_score, r2_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

__all__ = [
    "DCI",
    "Probe",
    "dci",
    "effective_dimensions",
    "expression_probe",
    "identity_probe",
    "linear_probe",
    "mig",
    "mutual_information",
    "representation_cosine",
    "sap",
]

Reader = Literal["logistic", "nearest", "mlp"]

_WIDTH = 100  # principal components that a probe reads at most
_C = 0.1
_NEIGHBOURS = 5
_ALPHA, _MLP_EPOCHS = 0.1, 300
_HALVINGS = 5  # random halvings of each subject's images; each half is fitted on and scored once
_PARTS = 5  # folds over subjects, for the expression probe
_BINS = 20
_TREES = 50


@dataclass(frozen=True)
class Probe:
    """The result of a probe.

    Attributes
    ----------
    accuracy : float
        Share of labels predicted correctly, 0..1.
    chance : float
        Share of the most frequent label: the accuracy of a constant prediction.
    n : int
        Number of representations scored.
    """

    accuracy: float
    chance: float
    n: int

    @property
    def excess(self) -> float:
        """Accuracy above chance; negative for a probe that is worse than a constant prediction."""
        return self.accuracy - self.chance

    def ratio(self, other: Probe) -> float:
        """This excess as a share of another's; NaN where the other is not above chance."""
        return max(self.excess, 0.0) / other.excess if other.excess > 0 else float("nan")


def linear_probe(
    representations: np.ndarray,
    labels: ArrayLike,
    test_representations: np.ndarray,
    test_labels: ArrayLike,
    *,
    seed: int = 0,
) -> float:
    """Accuracy, 0..1, of a linear probe: a logistic regression from representations to labels.

    Representations are standardised; of more than 100 dimensions the first 100 principal components are used, so that
    images and features are read by probes of one size. Everything is fitted on the first pair.

    Parameters
    ----------
    representations, test_representations : ndarray of shape (n, d), (m, d)
    labels, test_labels : array-like of str, (n,), (m,)

    Raises
    ------
    ValueError
        If there are fewer than two labels to tell apart, or representations and labels differ in number.
    """
    labels, test_labels = np.asarray(labels), np.asarray(test_labels)
    if len(representations) != len(labels) or len(test_representations) != len(test_labels):
        raise ValueError("a probe needs one label per representation")
    if len(np.unique(labels)) < 2:
        raise ValueError("a probe needs at least two labels to tell apart")
    found = _predicted("logistic", np.asarray(representations), labels, np.asarray(test_representations), seed)
    return float(accuracy_score(test_labels, found))


def identity_probe(
    representations: ArrayLike, subject: ArrayLike, *, reader: Reader = "logistic", seed: int = 0
) -> Probe:
    """Accuracy of predicting the subject from a representation, after fitting on other images of the same subjects.

    The probe is fitted on half of each subject's images and scored on the other half, then the halves are swapped;
    the result is the mean over five random halvings.

    Parameters
    ----------
    representations : (n, d)
        Of subjects that no system was trained on.
    subject : (n,) of str
    reader : "logistic" (standardised, C = 0.1), "nearest" (standardised, five neighbours weighted by distance) or "mlp"
        (standardised, one hidden layer of 64)

    Raises
    ------
    ValueError
        If there is a single subject, or a subject has a single image (the message names the subject).
    """
    representations, subject = _checked(representations, subject)
    names, counts = np.unique(subject, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"all images show {names[0]}: to read identity takes two people")
    if counts.min() < 2:
        raise ValueError(f"{names[counts.argmin()]} has one image only: to read identity takes two a person")
    right = []
    for fit, score in _halvings(subject, seed):
        found = _predicted(reader, representations[fit], subject[fit], representations[score], seed)
        right.append(found == subject[score])
    return Probe(float(np.concatenate(right).mean()), float(counts.max() / len(subject)), len(subject))


def expression_probe(
    representations: ArrayLike, expression: ArrayLike, subject: ArrayLike, *, reader: Reader = "logistic", seed: int = 0
) -> Probe:
    """Accuracy of predicting the expression from a representation of unseen subjects: five-fold over subjects.

    Parameters
    ----------
    representations : (n, d)
    expression, subject : (n,) of str
    reader : as for :func:`identity_probe`

    Raises
    ------
    ValueError
        If there is a single expression or a single subject.
    """
    representations, expression = _checked(representations, expression)
    subject = np.asarray(subject, dtype=str)
    names, counts = np.unique(expression, return_counts=True)
    people = np.unique(subject)
    if len(names) < 2 or len(people) < 2:
        raise ValueError("to read expressions takes two expressions, and two people to tell fit and score apart")
    # Subjects in random order: the order of their names could be related to the data.
    place = np.random.default_rng(seed).permutation(len(people))[np.searchsorted(people, subject)]
    right = []
    for fit, score in GroupKFold(min(_PARTS, len(people))).split(representations, groups=place):
        if len(np.unique(expression[fit])) < 2:
            right.append(expression[score] == expression[fit][0])
            continue
        found = _predicted(reader, representations[fit], expression[fit], representations[score], seed)
        right.append(found == expression[score])
    return Probe(float(np.concatenate(right).mean()), float(counts.max() / len(expression)), len(expression))


def effective_dimensions(representations: ArrayLike) -> float:
    """Participation ratio of the covariance: (sum of its eigenvalues)^2 / sum of their squares.

    It is d for d uncorrelated dimensions of equal variance, 1 for fully correlated ones, and 0 for a collapsed
    representation, which is the same for every image (Gao et al. 2017, "A theory of multineuronal dimensionality").
    """
    values = np.asarray(representations, dtype=np.float64)
    centred = values - values.mean(axis=0)
    scale = np.abs(values).max(initial=0.0)
    if np.abs(centred).max(initial=0.0) <= 1e-6 * max(scale, 1e-12):  # float32 noise around a constant
        return 0.0
    covariance = centred.T @ centred
    return float(np.trace(covariance) ** 2 / (covariance**2).sum())


def representation_cosine(first: ArrayLike, second: ArrayLike, centre: ArrayLike | None = None) -> float:
    """Mean cosine of corresponding rows of two (n, d) representations, after subtracting ``centre``.

    ``centre`` (d,) is by default the mean of both; without it any two representations with a common offset look alike.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    middle = np.concatenate([one, other]).mean(axis=0) if centre is None else np.asarray(centre, dtype=np.float64)
    one, other = one - middle, other - middle
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float((np.einsum("nd,nd->n", one, other) / np.maximum(norms, 1e-12)).mean())


code_cosine = representation_cosine  # its former name


def mutual_information(
    representations: ArrayLike, factors: Mapping[str, ArrayLike], *, bins: int = _BINS
) -> pd.DataFrame:
    """Mutual information in nats of each dimension of the representation with each factor: (d, factors).

    Dimensions are cut into ``bins`` equally wide bins between their extremes, as in Locatello et al. (2019,
    Appendix C).
    """
    values, known = _checked_factors(representations, factors)
    cut = [_binned(column, bins) for column in values.T]
    columns = {name: _levels(factor, bins) for name, factor in known.items()}
    table = {name: [mutual_info_score(factor, column) for column in cut] for name, factor in columns.items()}
    return pd.DataFrame(table)


def mig(representations: ArrayLike, factors: Mapping[str, ArrayLike], *, bins: int = _BINS) -> pd.Series:
    """Mutual information gap of each factor, 0..1; its mean is the MIG (Chen et al., NeurIPS 2018, Eq. 6).

    (I(z_a; v) - I(z_b; v)) / H(v), where z_a and z_b are the two dimensions with the most information about the factor
    v. It is 1 if one dimension holds all of it and no other holds any, and near 0 if none or several do.

    Parameters
    ----------
    representations : (n, d), d at least 2
    factors : mapping of name to (n,)
        Text is a discrete factor, numbers are cut into ``bins``.

    Raises
    ------
    ValueError
        If a factor has a single value, or the numbers of rows differ.
    """
    found = np.sort(mutual_information(representations, factors, bins=bins).to_numpy(), axis=0)
    _, known = _checked_factors(representations, factors)
    entropy = np.array([mutual_info_score(level, level) for level in (_levels(f, bins) for f in known.values())])
    return pd.Series((found[-1] - found[-2]) / entropy, index=list(known), name="MIG")


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and informativeness (Eastwood and Williams, ICLR 2018).

    Attributes
    ----------
    disentanglement : float
        0..1; 1 when each dimension serves one factor.
    completeness : float
        0..1; 1 when each factor is served by one dimension.
    informativeness : float
        0..1, mean of ``predicted`` over factors.
    importance : DataFrame (d, factors)
        Importance of each dimension for each factor; a column sums to 1, or to 0 for a collapsed representation.
    predicted : Series over factors
        How well the whole representation predicts each factor: R^2 (numbers), or (accuracy - chance) / (1 - chance)
        (text), not below 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: pd.DataFrame
    predicted: pd.Series


def dci(representations: ArrayLike, factors: Mapping[str, ArrayLike], *, seed: int = 0) -> DCI:
    """DCI from random forests, one per factor, fitted on half of the rows and scored on the other half.

    The importance of dimension i for factor j is the forest's impurity decrease R_ij. Disentanglement is
    sum_i rho_i (1 - H_K(P_i)), P_ij = R_ij / sum_k R_ik, with rho_i the share of dimension i in all of R; completeness
    is the mean over factors of 1 - H_D(P_j), P_ij = R_ij / sum_k R_kj (Section 2 of the paper; entropies to the base
    of the number of factors K and of dimensions D, so that both lie in 0..1). As in the paper, factors have equal
    weight.

    Informativeness is a score here, not the paper's error: higher is better. Read it first: where it is near 0 the
    other two describe noise, whose importance spreads evenly and gives values near 0.

    Parameters
    ----------
    representations : (n, d), d at least 2
    factors : mapping of name to (n,), two or more
        Text is a discrete factor.
    """
    values, known = _checked_factors(representations, factors)
    if len(known) < 2:
        raise ValueError("DCI compares factors: name two or more")
    order = np.random.default_rng(seed).permutation(len(values))
    fit, score = order[: len(order) // 2], order[len(order) // 2 :]
    importance, predicted = {}, {}
    for name, factor in known.items():
        text = factor.dtype.kind == "U"
        forest = (RandomForestClassifier if text else RandomForestRegressor)(
            _TREES, min_samples_leaf=2, random_state=seed, n_jobs=1
        )
        found = forest.fit(values[fit], factor[fit]).predict(values[score])
        predicted[name] = max(_above_chance(factor[score], found) if text else r2_score(factor[score], found), 0.0)
        importance[name] = forest.feature_importances_
    table = pd.DataFrame(importance)
    scores = pd.Series(predicted, name="predicted")
    return DCI(*disentangled_complete(table.to_numpy()), float(scores.mean()), table, scores)


def disentangled_complete(importance: np.ndarray) -> tuple[float, float]:
    """Disentanglement and completeness of an importance matrix (dimensions, factors) >= 0; see :func:`dci`."""
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    dimensions, factors = importance.shape
    weight = importance.sum(axis=1) / total
    disentangled = 1 - _entropy(importance) / math.log(factors)
    complete = 1 - _entropy(importance.T) / math.log(dimensions)
    complete[importance.sum(axis=0) <= 0] = 0.0  # no dimension serves a factor that cannot be predicted
    return float((weight * disentangled).sum()), float(complete.mean())


def sap(representations: ArrayLike, factors: Mapping[str, ArrayLike], *, seed: int = 0) -> pd.Series:
    """Separated attribute predictability of each factor, 0..1; its mean is SAP (Kumar et al., ICLR 2018, Section 3).

    The gap between the two dimensions that best predict the factor by themselves. For a numeric factor the score is
    the squared correlation. For a discrete one the paper fits "one or more thresholds" to the balanced classification
    error; here a tree with one leaf per class finds them on half of the rows and is scored on the other half, as
    (accuracy - chance) / (1 - chance).

    Parameters
    ----------
    representations : (n, d), d at least 2
    factors : mapping of name to (n,)
    """
    values, known = _checked_factors(representations, factors)
    order = np.random.default_rng(seed).permutation(len(values))
    fit, score = order[: len(order) // 2], order[len(order) // 2 :]
    gaps = {}
    for name, factor in known.items():
        if factor.dtype.kind == "U":
            leaves = len(np.unique(factor))
            single = [
                _balanced(factor[score], _tree(leaves, seed).fit(column[fit, None], factor[fit]), column[score, None])
                for column in values.T
            ]
        else:
            single = [_squared_correlation(column, factor) for column in values.T]
        ranked = np.sort(single)
        gaps[name] = ranked[-1] - ranked[-2]
    return pd.Series(gaps, name="SAP")


def _halvings(subject: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit a probe on, and to score it on: random halves of each subject's images, then the other way round."""
    for halving in range(_HALVINGS):
        yield from StratifiedKFold(2, shuffle=True, random_state=seed + halving).split(subject, subject)


def _predicted(kind: Reader, values: np.ndarray, labels: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
    """Labels of other representations, by a probe that is fitted on these."""
    return np.asarray(_fitted(kind, values, labels, seed).predict(others))


def _fitted(kind: Reader, values: np.ndarray, labels: np.ndarray, seed: int) -> Pipeline:
    """A probe that is fitted on these representations."""
    with warnings.catch_warnings():
        # Many subjects with few images each look like a regression to scikit-learn; a network could always go on.
        warnings.filterwarnings("ignore", "The number of unique classes is greater")
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _reader(kind, values, seed).fit(values, labels)


def _reader(kind: Reader, representations: np.ndarray, seed: int) -> Pipeline:
    """A fresh probe for representations as wide as ``representations``."""
    steps: list = [StandardScaler()]
    if representations.shape[1] > _WIDTH:
        steps.append(PCA(min(_WIDTH, len(representations) - 1), random_state=seed))
    if kind == "logistic":
        return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=_C, max_iter=2000))
    if kind == "nearest":
        neighbours = min(_NEIGHBOURS, len(representations))
        return make_pipeline(*steps, KNeighborsClassifier(neighbours, weights="distance"))
    if kind == "mlp":
        network = MLPClassifier((64,), alpha=_ALPHA, max_iter=_MLP_EPOCHS, random_state=seed)
        return make_pipeline(*steps, StandardScaler(), network)
    raise ValueError(f"reader={kind!r}: choose 'logistic', 'nearest' or 'mlp'")


def _checked(representations: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, names = np.asarray(representations, dtype=np.float64), np.asarray(labels, dtype=str)
    if values.ndim != 2 or len(values) != len(names) or not len(values):
        raise ValueError(f"representations have shape {values.shape} for {len(names)} labels: give (n, d) and n labels")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise ValueError(f"the representation of row {row} is not finite")
    return values, names


def _checked_factors(
    representations: ArrayLike, factors: Mapping[str, ArrayLike]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Representations as (n, d) float64 and factors as text or float64 columns."""
    values = np.asarray(representations, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"representations have shape {values.shape}: finite, (n, d) with two or more dimensions are needed"
        )
    known = {}
    for name, factor in factors.items():
        column = np.asarray(factor)
        column = column.astype(np.float64) if column.dtype.kind in "biuf" else column.astype(str)
        if column.shape != (len(values),):
            raise ValueError(f"factor {name!r} has shape {column.shape} for {len(values)} representations")
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(f"factor {name!r} is not known in every row: leave it out, or those rows")
        if (column == column[0]).all():
            raise ValueError(f"factor {name!r} is the same in every row: leave it out")
        known[name] = column
    return values, known


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each value, of equally wide bins between the extremes; a constant column is one bin."""
    low, high = column.min(), column.max()
    if high <= low:
        return np.zeros(len(column), dtype=int)
    return np.clip(((column - low) / (high - low) * bins).astype(int), 0, bins - 1)


def _levels(factor: np.ndarray, bins: int) -> np.ndarray:
    return factor if factor.dtype.kind == "U" else _binned(factor, bins)


def _entropy(weights: np.ndarray) -> np.ndarray:
    """Entropy in nats of each row of non-negative weights; an all-zero row counts as uniform."""
    total = weights.sum(axis=1, keepdims=True)
    share = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / weights.shape[1])
    return -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)


def _above_chance(true: np.ndarray, predicted: np.ndarray) -> float:
    """(Accuracy - chance) / (1 - chance), where chance is the share of the most frequent label."""
    chance = np.unique(true, return_counts=True)[1].max() / len(true)
    return float((np.mean(true == predicted) - chance) / max(1 - chance, 1e-12))


def _tree(leaves: int, seed: int) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_leaf_nodes=max(leaves, 2), class_weight="balanced", random_state=seed)


def _balanced(true: np.ndarray, tree: DecisionTreeClassifier, column: np.ndarray) -> float:
    """(Balanced accuracy - chance) / (1 - chance), not below 0."""
    chance = 1 / len(np.unique(true))
    if chance == 1:
        return 0.0
    return max((balanced_accuracy_score(true, tree.predict(column)) - chance) / (1 - chance), 0.0)


def _squared_correlation(column: np.ndarray, factor: np.ndarray) -> float:
    if column.std() == 0:
        return 0.0
    return float(np.corrcoef(column, factor)[0, 1] ** 2)
