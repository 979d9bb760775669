"""The filter of generated faces: two judges, of expression and identity, fitted on the faces that a generator saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from ferdis.capabilities import StatesItsError
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.faces import Faces

__all__ = ["QualityFilter"]


class QualityFilter(BaseEstimator):
    """Rejects generated faces that do not show what was asked, or are no longer the person they were made from.

    It is fitted on the faces that the generator was fitted on, and judges faces of the same people: a face that it
    keeps may still fool it, and one that it rejects is worse than its figures say.

    Its classifier's probabilities are divided by the classes' shares of the training faces, so that every class is as
    likely as any other before a face is seen: rare ones are asked for as often as common ones, and a classifier that
    learned how rare they are names them hardly ever.

    Parameters
    ----------
    classifier : ExpressionJudge or another estimator with ``predict_proba``; None takes an ``ExpressionJudge``
    embedder : IdentityJudge, or another with ``embed`` and ``threshold_``; None takes an ``IdentityJudge``
    minimum_probability : float or None
        Of the class that was asked for, all being equally likely before; None: it is to be the most probable one.
    minimum_cosine : float or None
        Between the generated face and the one that it was made from; None: the embedder's own threshold, at its equal
        error rate on people held out.
    """

    def __init__(
        self,
        *,
        classifier: Any = None,
        embedder: Any = None,
        minimum_probability: float | None = None,
        minimum_cosine: float | None = None,
    ) -> None:
        self.classifier = classifier
        self.embedder = embedder
        self.minimum_probability = minimum_probability
        self.minimum_cosine = minimum_cosine

    def fit(self, faces: Faces, y: Any = None) -> QualityFilter:
        """Fit both on ``faces``; identity is judged only where people are known."""
        self.classifier_ = clone(ExpressionJudge() if self.classifier is None else self.classifier).fit(faces)
        shares = (faces.expression[:, None] == np.asarray(self.classifier_.classes_)).mean(0)
        self.shares_ = np.maximum(shares, 1 / len(faces))
        self.embedder_ = None
        if faces.has_subjects:
            self.embedder_ = clone(IdentityJudge() if self.embedder is None else self.embedder).fit(faces)
        return self

    def verdict(self, generated: Faces, sources: Faces) -> tuple[np.ndarray, np.ndarray]:
        """Which faces (n,) show the expression that they are labelled with, and which are still their source."""
        check_is_fitted(self, "classifier_")
        probabilities = self.classifier_.predict_proba(generated) / self.shares_
        probabilities /= probabilities.sum(1, keepdims=True)
        names = np.asarray(self.classifier_.classes_)
        shown = names[probabilities.argmax(1)] == generated.expression
        if self.minimum_probability is not None:
            asked = np.where(names[None] == generated.expression[:, None], probabilities, 0).sum(1)
            shown = asked >= self.minimum_probability
        if self.embedder_ is None:
            return shown, np.ones(len(generated), bool)
        least = self.embedder_.threshold_ if self.minimum_cosine is None else self.minimum_cosine
        cosine = (self.embedder_.embed(generated) * self.embedder_.embed(sources)).sum(1)
        return shown, cosine >= least

    @property
    def own(self) -> str:
        """What its judges reach on the training people that they did not learn from, in words."""
        check_is_fitted(self, "classifier_")
        judges = {"expression": self.classifier_, "identity": self.embedder_}
        known = [f"{name} {judge.own}" for name, judge in judges.items() if isinstance(judge, StatesItsError)]
        return "; ".join(known) or "error not known"
