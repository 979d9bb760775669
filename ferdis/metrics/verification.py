"""Identity preservation: face verification from embeddings, with a threshold set on real images.

The threshold is that of the equal error rate on pairs of real images: as many pairs of one person are rejected as
pairs of two people are accepted. Generated images do not influence it. The rate on real pairs is reported beside that
on generated ones, as the upper bound that the embedder allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

__all__ = ["Verification", "cosine", "equal_error_rate", "pair_cosines", "verify"]


@dataclass(frozen=True)
class Verification:
    """The result of :func:`verify`; printed in one line.

    Attributes
    ----------
    accuracy : float
        Share of (source, generated) pairs accepted as the same person, 0..1.
    real_accuracy : float
        Share of real pairs of one person accepted as the same person: the upper bound.
    error : float
        The equal error rate on real pairs.
    threshold : float
        Smallest cosine at which a pair is accepted.
    generated_cosine, same_cosine, different_cosine : float
        Mean cosine of (source, generated) pairs, of real pairs of one person and of two people.
    """

    accuracy: float
    real_accuracy: float
    error: float
    threshold: float
    generated_cosine: float
    same_cosine: float
    different_cosine: float

    def __str__(self) -> str:
        return (
            f"{100 * self.accuracy:.2f} % taken for the same person (real pairs {100 * self.real_accuracy:.2f} %); "
            f"mean cosine {self.generated_cosine:.3f} (real: same {self.same_cosine:.3f}, different "
            f"{self.different_cosine:.3f}; threshold {self.threshold:.3f} at {100 * self.error:.2f} % errors)"
        )


def cosine(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Cosine of each row of ``a`` with the same row of ``b``: (n, d), (n, d) -> (n,), -1..1."""
    a, b = _unit(a), _unit(b)
    if a.shape != b.shape:
        raise ValueError(f"embeddings of shapes {a.shape} and {b.shape}: pairs need as many of both, of one width")
    return (a * b).sum(axis=1)


def pair_cosines(embeddings: ArrayLike, people: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of all pairs of images, and which pairs show one person.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
    people : array-like of shape (n,)
        The subject of each image.

    Returns
    -------
    cosines : ndarray of shape (n (n - 1) / 2,)
    same : ndarray of bool, of the same shape
    """
    unit, people = _unit(embeddings), np.asarray(people)
    if people.shape != (len(unit),):
        raise ValueError(f"{len(unit)} embeddings and {people.shape} people: one name an embedding is needed")
    first, second = np.triu_indices(len(unit), k=1)
    return (unit @ unit.T)[first, second], people[first] == people[second]


def equal_error_rate(cosines: ArrayLike, same: ArrayLike) -> tuple[float, float]:
    """The equal error rate of pairs, and the threshold at which it lies.

    Parameters
    ----------
    cosines : array-like of shape (n,)
        Higher means more alike.
    same : array-like of bool, (n,)

    Returns
    -------
    error : float
        The rate at which equal shares of same-person pairs are rejected and of different-person pairs accepted, 0..1;
        between two thresholds of the sample, the mean of both shares at the nearer one.
    threshold : float
        A pair is accepted if its cosine is at least this.

    Raises
    ------
    ValueError
        If there are no same-person or no different-person pairs.
    """
    cosines, same = np.asarray(cosines, dtype=float), np.asarray(same, dtype=bool)
    if same.all() or not same.any():
        kind = "different people" if same.all() else "one person"
        raise ValueError(f"no pair is of {kind}: a threshold needs pairs of both kinds (two people, one of them twice)")
    accepted, kept, thresholds = roc_curve(same, cosines, drop_intermediate=False)
    nearest = int(np.abs(accepted - (1 - kept)).argmin())
    error = float((accepted[nearest] + 1 - kept[nearest]) / 2)
    if nearest + 1 < len(thresholds) and np.isfinite(thresholds[nearest]):
        # Midway to the next lower cosine: this changes no decision on this sample, and a pair of another sample that
        # lies just below the last accepted one is not rejected.
        return error, float((thresholds[nearest] + thresholds[nearest + 1]) / 2)
    return error, float(thresholds[nearest])


def verify(real: ArrayLike, people: ArrayLike, sources: ArrayLike, generated: ArrayLike) -> Verification:
    """Verify generated images at the threshold that real images set.

    Parameters
    ----------
    real : array-like of shape (n, d)
        Embeddings of real images; all pairs among them are used, so n is best below 5,000.
    people : array-like of shape (n,)
        The subject of each real image.
    sources, generated : array-like of shape (m, d)
        Embeddings of the source images, and of the image generated from each.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        If shapes differ, an embedding is zero or not finite, or ``real`` has no pair of one person or of two.
    """
    cosines, same = pair_cosines(real, people)
    error, threshold = equal_error_rate(cosines, same)
    edited = cosine(sources, generated)
    if not len(edited):
        raise ValueError("there is no generated image to verify")
    return Verification(
        accuracy=float((edited >= threshold).mean()),
        real_accuracy=float((cosines[same] >= threshold).mean()),
        error=error,
        threshold=threshold,
        generated_cosine=float(edited.mean()),
        same_cosine=float(cosines[same].mean()),
        different_cosine=float(cosines[~same].mean()),
    )


def _unit(embeddings: ArrayLike) -> np.ndarray:
    values = np.asarray(embeddings, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"embeddings of shape {values.shape}: give (n, d), one row per image")
    length = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.isfinite(length).all() or (length == 0).any():
        row = int(np.flatnonzero(~np.isfinite(length[:, 0]) | (length[:, 0] == 0))[0])
        raise ValueError(f"embedding {row} is zero or not finite: it has no direction")
    return values / length
