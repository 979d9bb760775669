"""Metrics: pure functions of arrays and rows, one module a question.

- :mod:`ferdis.metrics.recognition`: how well expressions are recognised, and how sure that is.
- :mod:`ferdis.metrics.comparison`: whether one system is better than another, over people first.
- :mod:`ferdis.metrics.units`: how well action units agree: MSE, Pearson's correlation, ICC(3,1).
- :mod:`ferdis.metrics.verification`: whether a generated image is still the same person.
- :mod:`ferdis.metrics.images`: how like real images generated ones are: FID, KID, LPIPS.
- :mod:`ferdis.metrics.disentanglement`: what a code says of expression and of identity.
"""

from __future__ import annotations

from ferdis.metrics.comparison import (
    Comparison,
    McNemar,
    compare,
    compare_systems,
    corrected_resampled_t,
    fold_differences,
    holm,
    mcnemar,
)
from ferdis.metrics.disentanglement import (
    DCI,
    Probe,
    code_cosine,
    dci,
    effective_dimensions,
    expression_probe,
    identity_probe,
    linear_probe,
    mig,
    mutual_information,
    sap,
)
from ferdis.metrics.recognition import (
    accuracy,
    confusion,
    decisions,
    expected_calibration_error,
    fold_accuracies,
    interval,
    macro_f1,
    mean_std,
    per_class,
    probabilities,
    recalls,
    reliability,
    sequence_accuracy,
    summary,
    uar,
)

__all__ = [
    "DCI",
    "Comparison",
    "McNemar",
    "Probe",
    "accuracy",
    "code_cosine",
    "compare",
    "compare_systems",
    "confusion",
    "corrected_resampled_t",
    "dci",
    "decisions",
    "effective_dimensions",
    "expected_calibration_error",
    "expression_probe",
    "fold_accuracies",
    "fold_differences",
    "holm",
    "identity_probe",
    "interval",
    "linear_probe",
    "macro_f1",
    "mcnemar",
    "mean_std",
    "mig",
    "mutual_information",
    "per_class",
    "probabilities",
    "recalls",
    "reliability",
    "sap",
    "sequence_accuracy",
    "summary",
    "uar",
]
