"""The plainest way to remove identity: subtract a person's mean feature, then classify what is left.

A person's own neutral face, or all that is there of her, is an easy reference for her expressions (person-specific
normalisation: Baltrusaitis et al., FG 2015, subtract the median of a film). :class:`PersonMean` is the plainest system
that uses one: features of any classifier, less the mean feature of the person's reference images, and a logistic
regression on the differences. It declares ``uses_reference``, so that only a protocol that gives images of the test
people to systems (:class:`ferdis.protocol.CalibratedKFold`, :class:`ferdis.protocol.TransductiveKFold`) runs it, and
its rows say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sklearn.base
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression

from ferdis._io import file_digest, read_json, sealed, write_json
from ferdis.capabilities import ChecksItself, Describes, Represents
from ferdis.faces import Faces
from ferdis.run_folder.models import PERSON_MEAN, WRAPPED
from ferdis.systems import SYSTEMS, get
from ferdis.systems.arguments import check_choice

FEATURES = ("difference", "both")
_WEIGHTS = "person_mean.safetensors"


class PersonMean(sklearn.base.ClassifierMixin, sklearn.base.BaseEstimator):
    """A classifier on features from which each person's mean is subtracted.

    Parameters
    ----------
    estimator : classifier with ``transform``
        Gives the features; a fresh clone is fitted on the training people.
    reference : str
        Expression of a training person's reference images; where she has none of it, all her images count, and so do
        all of everybody's with "any".
    c : float
        Inverse strength of the logistic regression's penalty.
    seed : int
        Of the estimator.
    features : str
        What the regression sees: the "difference" from the person's mean, or "both", features and difference, for
        people with few images or one.

    Notes
    -----
    ``uses_reference`` is true: ``predict_proba`` needs images of the people that it is asked about.
    """

    uses_reference = True

    def __init__(
        self, estimator: Any = None, reference: str = "neutral", c: float = 1.0, seed: int = 0,
        features: str = "difference",
    ) -> None:  # fmt: skip
        self.estimator = estimator
        self.reference = reference
        self.c = c
        self.seed = seed
        self.features = features

    @property
    def wrapped(self) -> Any:
        """The estimator: a regression on its features takes no time beside its fit."""
        return self.estimator

    def check(self) -> None:
        """Refuse what could not be fitted (ValueError)."""
        if not isinstance(self.estimator, Represents):
            raise ValueError("PersonMean needs an estimator that has features (transform), such as BaselineCNN.small()")
        check_choice("features", self.features, FEATURES)
        if isinstance(self.estimator, ChecksItself):
            self.estimator.check()

    def describe(self) -> dict[str, Any]:
        """Parameters as plain records, and what a reader of its figures must know."""
        inner = self.estimator
        about = inner.describe() if isinstance(inner, Describes) else inner.get_params()
        return {
            "estimator": {"class": type(inner).__name__, **about}, "reference": self.reference, "c": self.c,
            "seed": self.seed, "features": self.features,
            "notes": ["PersonMean is given images of each test person: these are no figures of a strict protocol."],
        }  # fmt: skip

    def fit(self, faces: Faces, y: Any = None) -> PersonMean:
        """Fit the estimator, and the regression on the differences of training people from their means."""
        self.check()
        inner = sklearn.base.clone(self.estimator)
        if "seed" in inner.get_params(deep=False):
            inner.set_params(seed=self.seed)
        return self.fit_on(inner.fit(faces), faces)

    def fit_on(self, estimator: Any, faces: Faces) -> PersonMean:
        """Fit the regression alone: ``estimator`` has been fitted on these faces."""
        self.check()
        self.estimator_ = estimator
        features = np.asarray(estimator.transform(faces), dtype=np.float64)
        neutral = faces.expression == self.reference
        people, person = np.unique(faces.subject, return_inverse=True)
        has = np.bincount(person[neutral], minlength=len(people)) > 0
        counted = neutral | ~has[person]
        left = self._seen(features, _means(features[counted], person[counted], len(people))[person])
        spread = left.std(axis=0)  # a feature that hardly moves is not blown up: its rounding would decide
        self.scale_ = np.maximum(spread, 0.01 * spread.max()) if spread.max() > 0 else np.ones_like(spread)
        model = LogisticRegression(C=self.c, max_iter=2000).fit(left / self.scale_, faces.expression)
        self.classes_ = np.asarray(model.classes_, dtype=str)
        two = len(self.classes_) == 2
        self.coef_ = np.concatenate([-model.coef_, model.coef_]) / (2 if two else 1) if two else model.coef_
        self.intercept_ = np.concatenate([-model.intercept_, model.intercept_]) / 2 if two else model.intercept_
        return self

    def transform(self, faces: Faces, reference: Faces) -> np.ndarray:
        """What the regression sees, scaled: features less the mean of each person's reference images, (n, d).

        With ``features="both"`` the features themselves stand before them, (n, 2 d).

        Raises
        ------
        ValueError
            If a person has no reference image.
        """
        known, number = np.unique(reference.subject, return_inverse=True)
        place = np.searchsorted(known, faces.subject).clip(max=len(known) - 1)
        absent = np.flatnonzero(known[place] != faces.subject)
        if len(absent):
            raise ValueError(f"no reference image of {faces.subject[absent[0]]}: give one of each person")
        means = _means(np.asarray(self.estimator_.transform(reference), dtype=np.float64), number, len(known))
        return self._seen(np.asarray(self.estimator_.transform(faces), dtype=np.float64), means[place]) / self.scale_

    def _seen(self, features: np.ndarray, means: np.ndarray) -> np.ndarray:
        """What the regression sees of features (n, d) and of the means of their people."""
        return features - means if self.features == "difference" else np.concatenate([features, features - means], 1)

    def predict_proba(self, faces: Faces, reference: Faces | None = None) -> np.ndarray:
        """Probabilities (n, K) in the order of ``classes_``.

        Parameters
        ----------
        faces : Faces
        reference : Faces
            Images of the same people; their labels are not read.
        """
        if reference is None:
            raise ValueError("PersonMean needs reference=: images of the people whom it is asked about")
        score = self.transform(faces, reference) @ self.coef_.T + self.intercept_
        score = np.exp(score - score.max(axis=1, keepdims=True))
        return score / score.sum(axis=1, keepdims=True)

    def predict(self, faces: Faces, reference: Faces | None = None) -> np.ndarray:
        """The likeliest class of each face, (n,) of str."""
        return self.classes_[self.predict_proba(faces, reference).argmax(axis=1)]

    def save(self, folder: str | Path) -> Path:
        """Write the estimator below ``folder``, and the regression beside it."""
        folder = Path(folder)
        self.estimator_.save(folder / WRAPPED)
        weights = {"coef": self.coef_, "intercept": self.intercept_, "scale": self.scale_}
        # In the order of C: safetensors would write the memory of another order as it lies.
        save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, folder / _WEIGHTS)
        about = {
            "class": type(self.estimator_).__name__, "classes": self.classes_.tolist(), "reference": self.reference,
            "c": self.c, "seed": self.seed, "features": self.features, "weights_sha256": file_digest(folder / _WEIGHTS),
        }  # fmt: skip
        write_json(folder / PERSON_MEAN, sealed(about))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> PersonMean:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing or was changed, or the estimator is no system of this ferdis.
        """
        folder = Path(folder)
        about = read_json(folder / PERSON_MEAN, mend="copy the folder again or refit")
        if file_digest(folder / _WEIGHTS) != about["weights_sha256"]:
            raise ValueError(f"{folder / _WEIGHTS} was changed since it was saved: copy the folder again or refit")
        classes = {item.__name__: item for item in map(get, SYSTEMS)}
        if about["class"] not in classes:
            raise ValueError(f"{folder} holds a {about['class']}, which is no system of this ferdis")
        inner = classes[about["class"]].load(folder / WRAPPED)  # type: ignore[attr-defined]
        found = cls(inner, about["reference"], about["c"], about["seed"], about.get("features", FEATURES[0]))
        found.estimator_, found.classes_ = inner, np.array(about["classes"], dtype=str)
        weights = load_file(folder / _WEIGHTS)
        found.coef_, found.intercept_, found.scale_ = weights["coef"], weights["intercept"], weights["scale"]
        return found


def _means(features: np.ndarray, person: np.ndarray, people: int) -> np.ndarray:
    """Mean feature of each person, (people, d); 0 for one without images."""
    sums = np.zeros((people, features.shape[1]))
    np.add.at(sums, person, features)
    return sums / np.maximum(np.bincount(person, minlength=people), 1)[:, None]
