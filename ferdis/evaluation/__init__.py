"""From estimators and folds to rows: fits, in several processes or on a cluster, on disk and resumable."""

from __future__ import annotations

from ferdis.evaluation.final_fit import fit_final
from ferdis.evaluation.fit_and_score import EvaluationError
from ferdis.evaluation.result import Evaluation
from ferdis.evaluation.runner import evaluate
from ferdis.evaluation.runtime_estimate import estimate

__all__ = ["Evaluation", "EvaluationError", "estimate", "evaluate", "fit_final"]
