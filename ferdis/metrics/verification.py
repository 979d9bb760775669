"""Is it still the same person? Face verification from embeddings, with the threshold that real images set.

The threshold is where two real images of one person are refused as often as images of two people are accepted (the
equal error rate). Generated images have no part in it: they are then judged by it, and the figure for real pairs
stands beside as what the embedder itself can do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

__all__ = ["Verification", "cosine", "equal_error_rate", "pair_cosines", "verify"]


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found; printed in one line.

    Attributes
    ----------
    accuracy : float
        Share of (source, generated) pairs taken for one person, 0..1.
    real_accuracy : float
        Share of real pairs of one person taken for one person: the upper bound.
    error : float
        The equal error rate of real pairs: how often the embedder errs, either way.
    threshold : float
        Cosine from which on two images are one person.
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
    """Cosines of all pairs of images, and which pairs are of one person.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
    people : array-like of shape (n,)
        Whose image it is.

    Returns
    -------
    cosines : ndarray of shape (n (n - 1) / 2,)
    same : ndarray of bool, likewise
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
        Where as large a share of the same pairs is refused as of the different ones is accepted, 0..1; between two
        thresholds of the sample, the mean of both shares at the nearer one.
    threshold : float
        A pair is accepted if its cosine is at least this.

    Raises
    ------
    ValueError
        If there are no pairs of one kind.
    """
    cosines, same = np.asarray(cosines, dtype=float), np.asarray(same, dtype=bool)
    if same.all() or not same.any():
        kind = "different people" if same.all() else "one person"
        raise ValueError(f"no pair is of {kind}: a threshold needs pairs of both kinds (two people, one of them twice)")
    accepted, kept, thresholds = roc_curve(same, cosines, drop_intermediate=False)
    nearest = int(np.abs(accepted - (1 - kept)).argmin())
    error = float((accepted[nearest] + 1 - kept[nearest]) / 2)
    if nearest + 1 < len(thresholds) and np.isfinite(thresholds[nearest]):
        # Midway to the next lower cosine: no pair of this sample is judged otherwise, and the next sample's pairs are
        # not refused for lying a hair below the last one.
        return error, float((thresholds[nearest] + thresholds[nearest + 1]) / 2)
    return error, float(thresholds[nearest])


def verify(real: ArrayLike, people: ArrayLike, sources: ArrayLike, generated: ArrayLike) -> Verification:
    """Judge generated images by the threshold that real ones set.

    Parameters
    ----------
    real : array-like of shape (n, d)
        Embeddings of real images; all pairs among them are used, so n is best below 5,000.
    people : array-like of shape (n,)
        Whose images they are.
    sources, generated : array-like of shape (m, d)
        Embeddings of the images that were edited, and of what became of each.

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
        raise ValueError(f"embeddings of shape {values.shape}: give (n, d), a row a picture")
    length = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.isfinite(length).all() or (length == 0).any():
        row = int(np.flatnonzero(~np.isfinite(length[:, 0]) | (length[:, 0] == 0))[0])
        raise ValueError(f"embedding {row} is zero or not finite: it has no direction")
    return values / length
