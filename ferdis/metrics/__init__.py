"""Metrics: pure functions of arrays and rows, one module per question.

- :mod:`ferdis.metrics.recognition`: accuracy of expression recognition, with intervals.
- :mod:`ferdis.metrics.comparison`: whether one system is better than another, tested over subjects first.
- :mod:`ferdis.metrics.noise_floor`: whether a gain stands out of the spread of people, partitions and seeds.
- :mod:`ferdis.metrics.spreads`: how much of a figure's spread is people, partitions and seeds.
- :mod:`ferdis.metrics.action_units`: agreement of action units: MSE, Pearson's correlation, ICC(3,1).
- :mod:`ferdis.metrics.verification`: whether a generated image still shows the same person.
- :mod:`ferdis.metrics.images`: similarity of generated and real images: FID, KID, LPIPS.
- :mod:`ferdis.metrics.disentanglement`: how much a representation holds of expression and of identity.
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
    dci,
    effective_dimensions,
    expression_probe,
    identity_probe,
    linear_probe,
    mig,
    mutual_information,
    representation_cosine,
    sap,
)
from ferdis.metrics.disentanglement import code_cosine as code_cosine  # the former name of representation_cosine
from ferdis.metrics.noise_floor import Gain, gain, gains
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
from ferdis.metrics.spreads import Spread, spread, spreads

__all__ = [
    "DCI",
    "Comparison",
    "Gain",
    "McNemar",
    "Probe",
    "Spread",
    "accuracy",
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
    "gain",
    "gains",
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
    "representation_cosine",
    "sap",
    "sequence_accuracy",
    "spread",
    "spreads",
    "summary",
    "uar",
]
