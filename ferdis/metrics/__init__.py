"""Metrics: pure functions of arrays and rows, one module a question.

- :mod:`ferdis.metrics.recognition`: how well expressions are recognised, and how sure that is.
"""

from __future__ import annotations

from ferdis.metrics.recognition import (
    Comparison,
    accuracy,
    compare,
    confusion,
    expected_calibration_error,
    fold_accuracies,
    interval,
    linear_probe,
    macro_f1,
    mean_std,
    per_class,
    probabilities,
    recalls,
    sequence_accuracy,
    summary,
    uar,
)

__all__ = [
    "Comparison",
    "accuracy",
    "compare",
    "confusion",
    "expected_calibration_error",
    "fold_accuracies",
    "interval",
    "linear_probe",
    "macro_f1",
    "mean_std",
    "per_class",
    "probabilities",
    "recalls",
    "sequence_accuracy",
    "summary",
    "uar",
]
