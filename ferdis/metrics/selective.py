"""What a system is worth when it may decline, and when its confidence is cooled: pure functions of rows.

- :func:`risk_coverage`: answers are given from the most confident down; accuracy at each coverage (El-Yaniv and Wiener,
  JMLR 2010). Answers of one confidence count with their mean.
- :func:`tempered`: probabilities after temperature scaling (Guo et al., ICML 2017). The temperature of a fold is fitted
  on the rows of the *other* folds of the same training: people whom this fold trains on or validates with, answered by
  systems that had not seen them. No test person of a fold enters its temperature.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from ferdis.metrics.recognition import probabilities
from ferdis.metrics.resampling import with_seed

__all__ = ["area_under_risk_coverage", "risk_coverage", "selective_accuracy", "temperatures", "tempered"]

_RANGE = (0.05, 20.0)  # of a temperature
_SMALL = 1e-12


def risk_coverage(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (0..1, ascending) and the accuracy of what is answered there; (n,) each.

    Parameters
    ----------
    right : (n,) of bool
    confidence : (n,) of float; higher is answered first.
    """
    right, confidence = np.asarray(right, dtype=float), np.asarray(confidence, dtype=float)
    order = np.argsort(-confidence, kind="stable")
    level = pd.Series(confidence[order])
    mean = pd.Series(right[order]).groupby(level, sort=False).transform("mean").to_numpy()
    n = np.arange(1, len(right) + 1)
    return n / len(right), np.cumsum(mean) / n


def area_under_risk_coverage(right: np.ndarray, confidence: np.ndarray) -> float:
    """Mean error over all coverages, 0..1: lower is better, also for a better order of the same answers."""
    return float(1 - risk_coverage(right, confidence)[1].mean())


def selective_accuracy(right: np.ndarray, confidence: np.ndarray, coverage: float) -> float:
    """Accuracy (0..1) of the most confident share of the answers, at least one.

    Raises
    ------
    ValueError
        If the coverage is not in (0, 1].
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage={coverage}: a share of the answers, 0 < share <= 1")
    accuracy = risk_coverage(right, confidence)[1]
    return float(accuracy[max(1, int(np.floor(coverage * len(accuracy) + 1e-9))) - 1])


def temperatures(rows: pd.DataFrame) -> pd.Series:
    """The temperature of each training and fold of one system, index (seed, fold); NaN where there is one fold.

    Parameters
    ----------
    rows : of one system, with one probability per class.
    """
    rows = with_seed(rows)
    known = probabilities(rows)
    found = {}
    for seed, part in rows.groupby("seed"):
        for fold in sorted(set(part["fold"])):
            others = part.index[part["fold"] != fold]
            others = others[known.loc[others].notna().all(axis=1)]
            found[seed, fold] = _fitted(known.loc[others], part.loc[others, "true"]) if len(others) else np.nan
    return pd.Series(found, dtype=float).rename_axis(["seed", "fold"])


def tempered(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Probabilities of one system's rows after the temperature of their fold; None where it is known for no fold."""
    rows = with_seed(rows)
    known, temperature = probabilities(rows), temperatures(rows)
    if not known.shape[1] or temperature.isna().any():
        return None
    each = temperature.loc[pd.MultiIndex.from_frame(rows[["seed", "fold"]])].to_numpy()
    return pd.DataFrame(_cooled(known.to_numpy(), each[:, None]), index=known.index, columns=known.columns)


def _cooled(probability: np.ndarray, temperature: np.ndarray | float) -> np.ndarray:
    score = np.log(np.maximum(probability, _SMALL)) / temperature
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return score / score.sum(axis=1, keepdims=True)


def _fitted(probability: pd.DataFrame, true: pd.Series) -> float:
    """The temperature of least negative log-likelihood."""
    column = probability.columns.get_indexer(true)
    values, rows = probability.to_numpy()[column >= 0], np.arange(int((column >= 0).sum()))

    def loss(log_temperature: float) -> float:
        cooled = _cooled(values, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(cooled[rows, column[column >= 0]], _SMALL)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(_RANGE)), method="bounded").x))
