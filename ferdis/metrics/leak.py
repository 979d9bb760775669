"""How much of identity leaks through a representation: how many people it tells apart, verification of strangers.

The probes of :mod:`ferdis.metrics.disentanglement` say how often the person is named, which depends on how many people
there are to choose from; the figures here do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score

from ferdis.metrics.disentanglement import _checked, _fitted, _halvings
from ferdis.metrics.verification import equal_error_rate, pair_cosines

__all__ = ["LeakByVerification", "people_told_apart", "verification_leak"]


@dataclass(frozen=True)
class LeakByVerification:
    """Whether two images of strangers show one person, told by the cosine of their representations.

    Attributes
    ----------
    auc : float
        Area under the ROC curve: 0.5 for a representation that holds nothing of identity, 1 for a perfect one.
    eer : float
        Equal error rate: 0.5 and 0.
    pairs : int
    """

    auc: float
    eer: float
    pairs: int


def verification_leak(representations: ArrayLike, subject: ArrayLike) -> LeakByVerification:
    """Verification of all pairs of images by the cosine of their representations about the mean.

    Parameters
    ----------
    representations : (n, d)
        Of subjects that no system was trained on.
    subject : (n,) of str

    Raises
    ------
    ValueError
        If there is no pair of one person, or none of two.
    """
    values, names = _checked(representations, subject)
    cosines, same = pair_cosines(values - values.mean(0), names)
    if same.all() or not same.any():
        raise ValueError("verification takes pairs of one person and pairs of two")
    return LeakByVerification(float(roc_auc_score(same, cosines)), float(equal_error_rate(cosines, same)[0]), len(same))


def people_told_apart(representations: ArrayLike, subject: ArrayLike, *, seed: int = 0) -> float:
    """How many people a representation tells apart: 1 (none) to P, the number of people.

    It is exp(log P - H), where H is the mean of -log p(person) on images that the probe was not fitted on. A code
    that names k groups of people without error, and nothing within a group, gives k. log P - H is a lower bound of the
    mutual information between representation and person (Barber and Agakov, NIPS 2003) where all people have
    equally many images, so that a better probe could only say more. The probe is a logistic regression, fitted on half
    of each subject's images and scored on the other half, five halvings; its logits are scaled by the one factor that
    suits the scored images best, as few images make it less sure than it should be.

    Parameters
    ----------
    representations : (n, d)
        Of subjects that no system was trained on, two images of each or more.
    subject : (n,) of str
    seed : int
        Of the halvings.

    Raises
    ------
    ValueError
        If there is a single subject, or a subject has a single image.
    """
    values, names = _checked(representations, subject)
    people, person, counts = np.unique(names, return_inverse=True, return_counts=True)
    if len(people) < 2 or counts.min() < 2:
        raise ValueError("to tell people apart takes two people, and two images of each")
    found_logits, found_truths = [], []
    for fit, score in _halvings(names, seed):
        probe = _fitted("logistic", values[fit], names[fit], seed)
        found = probe.decision_function(values[score])
        found_logits.append(np.stack([-found / 2, found / 2], 1) if found.ndim == 1 else found)
        found_truths.append(person[score])
    logits, truths = np.concatenate(found_logits), np.concatenate(found_truths)

    def cross_entropy(scale: float) -> float:
        scaled = logits * np.exp(scale)
        peak = scaled.max(1, keepdims=True)
        total = np.log(np.exp(scaled - peak).sum(1)) + peak[:, 0]
        return float((total - scaled[np.arange(len(scaled)), truths]).mean())

    best = minimize_scalar(cross_entropy, bounds=(-12.0, 6.0), method="bounded")
    return float(np.clip(np.exp(np.log(len(people)) - best.fun), 1.0, len(people)))
