"""What a code says, of whom it says it, and which of its numbers say it: pure functions of arrays.

Two questions, two kinds of answer.

*How much is there?* :func:`identity_probe` and :func:`expression_probe` fit a reader (logistic regression, or the
nearest neighbours) on some codes and score it on others. Each answer carries the chance level: ``excess`` is what is
read above it, and a ratio of two excesses says how much less one code betrays than another. A code that says nothing
at all also says nothing of identity, so the expression probe always stands beside.

*Is it in numbers of its own?* :func:`mig`, :func:`dci` and :func:`sap` ask whether single numbers of the code belong
to single factors. They need the factors, and they are low for a code that is merely rotated: none of the systems here
is asked to align its axes, so these figures describe a code and judge no system.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, mutual_info_score, r2_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

__all__ = [
    "DCI",
    "Probe",
    "code_cosine",
    "dci",
    "effective_dimensions",
    "expression_probe",
    "identity_probe",
    "linear_probe",
    "mig",
    "mutual_information",
    "sap",
]

Reader = Literal["logistic", "nearest"]

_WIDTH = 100  # principal components that a probe reads, at most
_C = 0.1
_NEIGHBOURS = 5
_HALVINGS = 5  # times that each person's images are halved; each half is fitted on and scored once
_PARTS = 5  # of the people, for the expression probe
_BINS = 20
_TREES = 50


@dataclass(frozen=True)
class Probe:
    """What a reader found.

    Attributes
    ----------
    accuracy : float
        Share named right, 0..1.
    chance : float
        Share of the commonest label: what a reader without a code reaches.
    n : int
        Codes that were scored.
    """

    accuracy: float
    chance: float
    n: int

    @property
    def excess(self) -> float:
        """Accuracy above chance; below zero for a reader that learned the wrong thing."""
        return self.accuracy - self.chance

    def ratio(self, other: Probe) -> float:
        """This excess as a share of another's; NaN where the other reads nothing above chance."""
        return max(self.excess, 0.0) / other.excess if other.excess > 0 else float("nan")


def linear_probe(
    codes: np.ndarray, labels: ArrayLike, test_codes: np.ndarray, test_labels: ArrayLike, *, seed: int = 0
) -> float:
    """How well a linear reader names the labels from codes: accuracy, 0..1, of a logistic regression.

    Codes are standardised; of more than 100 numbers a code, the first 100 principal components are read, so that
    images and features are read by probes of one size. Everything is fitted on the first pair.

    Parameters
    ----------
    codes, test_codes : ndarray of shape (n, d), (m, d)
    labels, test_labels : array-like of str, (n,), (m,)

    Raises
    ------
    ValueError
        If there are fewer than two labels to tell apart, or codes and labels differ in number.
    """
    labels, test_labels = np.asarray(labels), np.asarray(test_labels)
    if len(codes) != len(labels) or len(test_codes) != len(test_labels):
        raise ValueError("a probe needs one label a code")
    if len(np.unique(labels)) < 2:
        raise ValueError("a probe needs at least two labels to tell apart")
    reader = _reader("logistic", codes, seed)
    return float(accuracy_score(test_labels, reader.fit(codes, labels).predict(test_codes)))


def identity_probe(codes: ArrayLike, subject: ArrayLike, *, reader: Reader = "logistic", seed: int = 0) -> Probe:
    """How well a reader names the person from a code, having seen other images of the same people.

    Half of each person's images fit the reader, the other half scores it, then the halves change places; this is
    done for five random halvings and averaged, so that the figure does not hang on one.

    Parameters
    ----------
    codes : (n, d)
        Of people on whom nothing was trained.
    subject : (n,) of str
    reader : "logistic" (standardised, C = 0.1) or "nearest" (standardised, five neighbours, nearer ones weigh more)

    Raises
    ------
    ValueError
        If there is a single person, or a person has a single image (the person is named).
    """
    codes, subject = _checked(codes, subject)
    names, counts = np.unique(subject, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"all images show {names[0]}: to read identity takes two people")
    if counts.min() < 2:
        raise ValueError(f"{names[counts.argmin()]} has one image only: to read identity takes two a person")
    right = []
    for halving in range(_HALVINGS):
        halves = StratifiedKFold(2, shuffle=True, random_state=seed + halving)
        for fit, score in halves.split(codes, subject):
            with warnings.catch_warnings():  # of many people with few images, who are no regression problem
                warnings.filterwarnings("ignore", "The number of unique classes is greater")
                found = _reader(reader, codes[fit], seed).fit(codes[fit], subject[fit]).predict(codes[score])
            right.append(found == subject[score])
    return Probe(float(np.concatenate(right).mean()), float(counts.max() / len(subject)), len(subject))


def expression_probe(
    codes: ArrayLike, expression: ArrayLike, subject: ArrayLike, *, reader: Reader = "logistic", seed: int = 0
) -> Probe:
    """How well a reader names the expression from a code of people it has not seen: five parts of people in turn.

    Parameters
    ----------
    codes : (n, d)
    expression, subject : (n,) of str
    reader : as for :func:`identity_probe`

    Raises
    ------
    ValueError
        If there is a single expression or a single person.
    """
    codes, expression = _checked(codes, expression)
    subject = np.asarray(subject, dtype=str)
    names, counts = np.unique(expression, return_counts=True)
    people = np.unique(subject)
    if len(names) < 2 or len(people) < 2:
        raise ValueError("to read expressions takes two expressions, and two people to tell fit and score apart")
    # People dealt in random order: names in order could be drawn in an order that means something.
    place = np.random.default_rng(seed).permutation(len(people))[np.searchsorted(people, subject)]
    right = []
    for fit, score in GroupKFold(min(_PARTS, len(people))).split(codes, groups=place):
        if len(np.unique(expression[fit])) < 2:
            right.append(expression[score] == expression[fit][0])
            continue
        found = _reader(reader, codes[fit], seed).fit(codes[fit], expression[fit]).predict(codes[score])
        right.append(found == expression[score])
    return Probe(float(np.concatenate(right).mean()), float(counts.max() / len(expression)), len(expression))


def effective_dimensions(codes: ArrayLike) -> float:
    """Participation ratio of the covariance: (sum of its eigenvalues)^2 / sum of their squares.

    d for a code of d equally strong, uncorrelated numbers, 1 for numbers that all say the same, 0 for a collapsed
    code, which is the same for every image (Gao et al. 2017, "A theory of multineuronal dimensionality").
    """
    values = np.asarray(codes, dtype=np.float64)
    centred = values - values.mean(axis=0)
    scale = np.abs(values).max(initial=0.0)
    if np.abs(centred).max(initial=0.0) <= 1e-6 * max(scale, 1e-12):  # float32 noise around a constant
        return 0.0
    covariance = centred.T @ centred
    return float(np.trace(covariance) ** 2 / (covariance**2).sum())


def code_cosine(first: ArrayLike, second: ArrayLike, centre: ArrayLike | None = None) -> float:
    """Mean cosine of the rows of two (n, d) codes, about ``centre`` (d,), by default the mean of both.

    About the origin any two codes with a common offset look alike.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    middle = np.concatenate([one, other]).mean(axis=0) if centre is None else np.asarray(centre, dtype=np.float64)
    one, other = one - middle, other - middle
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float((np.einsum("nd,nd->n", one, other) / np.maximum(norms, 1e-12)).mean())


def mutual_information(codes: ArrayLike, factors: Mapping[str, ArrayLike], *, bins: int = _BINS) -> pd.DataFrame:
    """Mutual information in nats of each number of the code with each factor: (d, factors).

    Numbers are cut into ``bins`` equally wide bins between their extremes, as in Locatello et al. (2019, Appendix C).
    """
    values, known = _checked_factors(codes, factors)
    cut = [_binned(column, bins) for column in values.T]
    columns = {name: _levels(factor, bins) for name, factor in known.items()}
    table = {name: [mutual_info_score(factor, column) for column in cut] for name, factor in columns.items()}
    return pd.DataFrame(table)


def mig(codes: ArrayLike, factors: Mapping[str, ArrayLike], *, bins: int = _BINS) -> pd.Series:
    """Mutual information gap of each factor, 0..1; its mean is the MIG (Chen et al., NeurIPS 2018, Eq. 6).

    (I(z_a; v) - I(z_b; v)) / H(v), where z_a and z_b are the two numbers of the code that say most of the factor v.
    1: one number says all of it, and no other anything. Near 0: none does, or several do.

    Parameters
    ----------
    codes : (n, d), d at least 2
    factors : name -> (n,): text is a discrete factor, numbers are cut into ``bins``.

    Raises
    ------
    ValueError
        If a factor has no two values, or numbers of rows differ.
    """
    found = np.sort(mutual_information(codes, factors, bins=bins).to_numpy(), axis=0)
    _, known = _checked_factors(codes, factors)
    entropy = np.array([mutual_info_score(level, level) for level in (_levels(f, bins) for f in known.values())])
    return pd.Series((found[-1] - found[-2]) / entropy, index=list(known), name="MIG")


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and informativeness (Eastwood and Williams, ICLR 2018).

    Attributes
    ----------
    disentanglement : float
        0..1; 1 when each number of the code serves one factor.
    completeness : float
        0..1; 1 when each factor is served by one number.
    informativeness : float
        0..1, mean over factors of what is predicted from the whole code.
    importance : DataFrame (d, factors)
        Shares of a factor's prediction; a column sums to 1, or to 0 for a collapsed code.
    predicted : Series over factors
        R^2 (numbers) or accuracy above chance as a share of what is possible (text), not below 0.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: pd.DataFrame
    predicted: pd.Series


def dci(codes: ArrayLike, factors: Mapping[str, ArrayLike], *, seed: int = 0) -> DCI:
    """DCI from random forests, one a factor, fitted on half of the rows and scored on the other half.

    The importance of number i for factor j is the forest's impurity decrease R_ij. Disentanglement is
    sum_i rho_i (1 - H_K(P_i)), P_ij = R_ij / sum_k R_ik, rho_i the share of number i in all of R; completeness is the
    mean over factors of 1 - H_D(P_j), P_ij = R_ij / sum_k R_kj (Section 2 of the paper; entropies to the base of the
    number of factors K and of numbers D, so that both lie in 0..1). The paper weights no factor; nor does this.

    Informativeness is a score here, not the paper's error: higher is better. Read it first: where it is near 0 the
    other two describe noise, which spreads evenly and gives values near 0.

    Parameters
    ----------
    codes : (n, d), d at least 2
    factors : name -> (n,), two or more; text is a discrete factor.
    """
    values, known = _checked_factors(codes, factors)
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
    """Disentanglement and completeness of an importance matrix (numbers, factors) >= 0; see :func:`dci`."""
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    numbers, factors = importance.shape
    weight = importance.sum(axis=1) / total
    disentangled = 1 - _entropy(importance) / math.log(factors)
    complete = 1 - _entropy(importance.T) / math.log(numbers)
    complete[importance.sum(axis=0) <= 0] = 0.0  # a factor that nothing predicts is served by no number
    return float((weight * disentangled).sum()), float(complete.mean())


def sap(codes: ArrayLike, factors: Mapping[str, ArrayLike], *, seed: int = 0) -> pd.Series:
    """Separated attribute predictability of each factor, 0..1; its mean is SAP (Kumar et al., ICLR 2018, Section 3).

    The gap between the two numbers of the code that predict the factor best by themselves. For a factor of numbers the
    score is the squared correlation. For a discrete one the paper fits "one or more thresholds" to the balanced
    classification error; here a tree with a leaf a class finds them on half of the rows, and the other half scores,
    as accuracy above chance (a share of what is possible).

    Parameters
    ----------
    codes : (n, d), d at least 2
    factors : name -> (n,)
    """
    values, known = _checked_factors(codes, factors)
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


def _reader(kind: Reader, codes: np.ndarray, seed: int) -> Pipeline:
    """A fresh reader of codes as wide as ``codes``."""
    steps: list = [StandardScaler()]
    if codes.shape[1] > _WIDTH:
        steps.append(PCA(min(_WIDTH, len(codes) - 1), random_state=seed))
    if kind == "logistic":
        return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=_C, max_iter=2000))
    if kind == "nearest":
        neighbours = min(_NEIGHBOURS, len(codes))
        return make_pipeline(*steps, KNeighborsClassifier(neighbours, weights="distance"))
    raise ValueError(f"reader={kind!r}: choose 'logistic' or 'nearest'")


def _checked(codes: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, names = np.asarray(codes, dtype=np.float64), np.asarray(labels, dtype=str)
    if values.ndim != 2 or len(values) != len(names) or not len(values):
        raise ValueError(f"codes have shape {values.shape} for {len(names)} labels: (n, d) codes and n labels")
    if not np.isfinite(values).all():
        raise ValueError(f"code of row {int(np.flatnonzero(~np.isfinite(values).all(1))[0])} is not finite")
    return values, names


def _checked_factors(codes: ArrayLike, factors: Mapping[str, ArrayLike]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Codes as (n, d) float64 and factors as text or float64 columns."""
    values = np.asarray(codes, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError(f"codes have shape {values.shape}: finite, (n, d) with two numbers or more are needed")
    known = {}
    for name, factor in factors.items():
        column = np.asarray(factor)
        column = column.astype(np.float64) if column.dtype.kind in "biuf" else column.astype(str)
        if column.shape != (len(values),):
            raise ValueError(f"factor {name!r} has shape {column.shape} for {len(values)} codes")
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(f"factor {name!r} is not known in every row: leave it out, or those rows")
        if (column == column[0]).all():
            raise ValueError(f"factor {name!r} is the same in every row: leave it out")
        known[name] = column
    return values, known


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    """Numbers of equally wide bins between the extremes; a constant column is one bin."""
    low, high = column.min(), column.max()
    if high <= low:
        return np.zeros(len(column), dtype=int)
    return np.clip(((column - low) / (high - low) * bins).astype(int), 0, bins - 1)


def _levels(factor: np.ndarray, bins: int) -> np.ndarray:
    return factor if factor.dtype.kind == "U" else _binned(factor, bins)


def _entropy(weights: np.ndarray) -> np.ndarray:
    """Entropy in nats of each row of non-negative weights; of an empty row that of the uniform distribution."""
    total = weights.sum(axis=1, keepdims=True)
    share = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / weights.shape[1])
    return -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)


def _above_chance(true: np.ndarray, predicted: np.ndarray) -> float:
    """Accuracy above the commonest label's share, as a share of what is possible."""
    chance = np.unique(true, return_counts=True)[1].max() / len(true)
    return float((np.mean(true == predicted) - chance) / max(1 - chance, 1e-12))


def _tree(leaves: int, seed: int) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_leaf_nodes=max(leaves, 2), class_weight="balanced", random_state=seed)


def _balanced(true: np.ndarray, tree: DecisionTreeClassifier, column: np.ndarray) -> float:
    """Balanced accuracy above chance, as a share of what is possible, not below 0."""
    chance = 1 / len(np.unique(true))
    if chance == 1:
        return 0.0
    return max((balanced_accuracy_score(true, tree.predict(column)) - chance) / (1 - chance), 0.0)


def _squared_correlation(column: np.ndarray, factor: np.ndarray) -> float:
    if column.std() == 0:
        return 0.0
    return float(np.corrcoef(column, factor)[0, 1] ** 2)
