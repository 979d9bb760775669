"""Augmentation: training faces that a generator makes, by one that cannot have seen the test people.

>>> Augmented(ResNetClassifier.small(), DECGAN.small(), filter=QualityFilter())              # doctest: +SKIP

:class:`Augmented` is an estimator like any other: ``evaluate`` gives it the training people of a fold, and everything
that has a part in a generated face is fitted on, or drawn from, these alone: the generator, the quality filter's two
judges, the estimator of action units, the units that are asked for, the faces and the references.

How faces are drawn is in :mod:`ferdis.augmentation.generating`, what rejects some of them in
:mod:`ferdis.augmentation.filtering`; shortcuts are named in :attr:`Augmented.notes_`.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from ferdis._io import write_csv, write_json
from ferdis.augmentation.filtering import QualityFilter
from ferdis.augmentation.generating import (
    PROVENANCE,
    Generated,
    asks_action_units,
    check_generator,
    coded,
    express,
    generate,
    shortfall,
)
from ferdis.capabilities import Describes, Saves, StatesItsError
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems import GENERATORS, SYSTEMS, get
from ferdis.systems.base import Estimator, jsonable, resized
from ferdis.training import Callback

__all__ = [
    "PROVENANCE",
    "Augmented",
    "Generated",
    "QualityFilter",
    "check_generator",
    "express",
    "generate",
    "shortfall",
]

FORMAT = 1  # of a saved Augmented


class Augmented(ClassifierMixin, BaseEstimator):
    """A classifier that also learns from generated faces, made inside ``fit`` from its training faces alone.

    Parameters
    ----------
    classifier : estimator
        Any classifier; a fresh clone learns from real and generated faces together.
    generator : estimator
        ``EGGAN``, ``DECGAN``, ``RELGAN`` or another that :func:`express` can use; a clone is fitted on the real faces.
    per_class, strategy : int or None, "balance" or "multiply"
        How many faces are made, see :func:`shortfall`.
    filter : QualityFilter or None
        A clone is fitted on the real faces and rejects generated ones.
    au_estimator : AUEstimator or None
        For a generator that edits action units, where faces lack them: a clone learns from the training faces that
        have some, and from ``au_train``, and reads those of the others.
    au_train : Faces or None
        Further faces with action units, of other people, for ``au_estimator`` alone.
    seed : of everything inside: it takes the place of the parts' own seeds

    Attributes
    ----------
    classifier_, generator_, filter_, au_estimator_ : fitted, or None
    generated_ : Faces or None, with the columns of :data:`PROVENANCE`
    notes_ : list of str, what was made, rejected and not reached
    """

    def __init__(
        self,
        classifier: Any,
        generator: Any,
        *,
        per_class: int | None = None,
        strategy: str = "balance",
        filter: QualityFilter | None = None,
        au_estimator: AUEstimator | None = None,
        au_train: Faces | None = None,
        seed: int = 0,
    ) -> None:
        self.classifier = classifier
        self.generator = generator
        self.per_class = per_class
        self.strategy = strategy
        self.filter = filter
        self.au_estimator = au_estimator
        self.au_train = au_train
        self.seed = seed

    def fit(
        self,
        faces: Faces,
        y: Any = None,
        *,
        validation: Faces | None = None,
        run_dir: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Augmented:
        """Fit the generator, make faces, fit the classifier on both.

        Parameters
        ----------
        faces : Faces
            Training faces: all that is fitted or drawn here is from these (and ``au_train``).
        y : (n,) of str, optional
            Labels instead of ``faces.expression``.
        validation : Faces, optional
            For the classifier's choice of an epoch; nothing else sees them.
        run_dir : path, optional
            Where the parts keep their checkpoints; fitting again with it continues where a killed run was.
        callbacks : sequence of Callback
            Told of every epoch of the generator and of the classifier.

        Raises
        ------
        ValueError
            If the generator cannot be used on these faces, or an argument is out of its range.
        """
        if y is not None:
            faces = faces.with_table(faces.to_frame().assign(expression=np.asarray(y, dtype=str)))
        check_generator(self.generator)
        wanted = shortfall(faces.expression, self.strategy, self.per_class)
        self.notes_ = []
        faces = self._with_units(faces)
        self.generator_ = _fit(self._fresh(self.generator), faces, run_dir, "generator", callbacks)
        self.filter_ = None if self.filter is None else self._fresh(self.filter).fit(faces)
        made = generate(self.generator_, faces, wanted, filter=self.filter_, seed=self.seed)
        self.generated_ = made.faces
        self.notes_ += self._remarks(made)
        both = faces if made.faces is None else Faces.concat([faces, made.faces])
        given = {} if validation is None else {"validation": validation}
        self.classifier_ = _fit(self._fresh(self.classifier), both, run_dir, "classifier", callbacks, **given)
        self.selection_ = getattr(self.classifier_, "selection_", "last")
        self.history_ = _joined_history(self.generator_, self.classifier_)
        if run_dir is not None:  # all is fitted: what only an unfinished fit needs
            for part in ("generator", "classifier"):
                shutil.rmtree(Path(run_dir) / part, ignore_errors=True)
        return self

    def predict(self, faces: Faces) -> np.ndarray:
        """Most probable expression of each face, (n,) of str."""
        return self.classes_[self.predict_proba(faces).argmax(axis=1)]

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """The classifier's probabilities, (n, K) in the order of ``classes_``."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.predict_proba(faces)

    def transform(self, faces: Faces) -> np.ndarray:
        """The classifier's features, (n, d)."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.transform(faces)

    def score(self, faces: Faces, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy against ``y`` or, without it, ``faces.expression``."""
        truth = faces.expression if y is None else np.asarray(y, dtype=str)
        return float(np.average(self.predict(faces) == truth, weights=sample_weight))

    @property
    def classes_(self) -> np.ndarray:
        """The classifier's classes, (K,) of str."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.classes_

    def describe(self) -> dict[str, Any]:
        """All parameters, JSON-able, and ``notes``: what a reader of a figure must know."""
        about = {name: _described(value) for name, value in self.get_params(deep=False).items()}
        parts = [getattr(self, f"{name}_", None) or getattr(self, name) for name in ("classifier", "generator")]
        notes = [note for part in parts if isinstance(part, Describes) for note in part.describe()["notes"]]
        return {"class": type(self).__name__, **about, "notes": [*getattr(self, "notes_", []), *notes]}

    def save(self, folder: str | Path) -> Path:
        """Write classifier and generator, what was made (``generated.csv``) and ``augmented.json``; returns the folder.

        The filter's judges and the estimator of action units are not kept: their work is done.
        """
        check_is_fitted(self, "classifier_")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("classifier", "generator"):
            if isinstance(part := getattr(self, f"{name}_"), Saves):
                part.save(folder / name)
        if self.generated_ is not None:
            write_csv(folder / "generated.csv", self.generated_.table)
        about = {"format": FORMAT, **self.describe(), "notes": self.notes_, "selection": self.selection_}
        write_json(folder / "augmented.json", about)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Augmented:
        """Read what :meth:`save` wrote; ``generated_`` and Faces-valued parameters come back as None.

        Raises
        ------
        FileNotFoundError, ValueError
            If a file is missing or damaged, or a part is of a class that ferdis does not have.
        """
        path = Path(folder) / "augmented.json"
        if not path.is_file():
            raise FileNotFoundError(f"no augmented.json in {folder}: give a folder that {cls.__name__}.save() wrote")
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            parameters = {name: _built(about[name]) for name in _parameter_names(cls)}
            version, notes, selection = about["format"], about["notes"], about["selection"]
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged: it is not what {cls.__name__}.save() writes") from error
        if version > FORMAT:
            raise ValueError(f"{path} has format {version}, this ferdis reads up to {FORMAT}: install a newer ferdis")
        augmented = cls(**parameters)
        augmented.notes_, augmented.selection_, augmented.generated_ = notes, selection, None
        augmented.filter_ = augmented.au_estimator_ = None
        for name in ("classifier", "generator"):
            setattr(augmented, f"{name}_", type(parameters[name]).load(Path(folder) / name))
        augmented.history_ = _joined_history(augmented.generator_, augmented.classifier_)
        return augmented

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classifier_")

    # ------------------------------------------------------------------------------------------ its parts

    def _fresh(self, part: Any) -> Any:
        """A clone with this seed in place of its own and of its parts'."""
        copy = clone(part)
        seeds = [name for name in copy.get_params() if name.rpartition("__")[2] in ("seed", "random_state")]
        return copy.set_params(**dict.fromkeys(seeds, self.seed))

    def _with_units(self, faces: Faces) -> Faces:
        """The faces with action units, read by the estimator where they have none and the generator needs them."""
        self.au_estimator_ = None
        known = coded(faces)
        if self.au_estimator is None or not asks_action_units(self.generator) or known.all():
            return faces
        learned = [faces[known]] if known.any() else []
        if self.au_train is not None:
            size = faces.shape[1]
            learned.append(Faces(np.asarray(resized(self.au_train, size)), self.au_train.table, self.au_train.attrs))
        if not learned:
            raise ValueError("no training face has action units: au_estimator has nothing to learn from; give au_train")
        self.au_estimator_ = self._fresh(self.au_estimator).fit(Faces.concat(learned))
        table = faces.to_frame().reindex(columns=list(dict.fromkeys([*faces.table.columns, *AU_COLUMNS])))
        table.loc[~known, list(AU_COLUMNS)] = self.au_estimator_.predict(faces[~known]).astype(np.float64)
        estimator = self.au_estimator_
        error = estimator.own if isinstance(estimator, StatesItsError) else "error not known"
        self.notes_.append(f"Augmented: action units of {(~known).sum()} faces were estimated ({error})")
        return faces.with_table(table)

    def _remarks(self, made: Generated) -> list[str]:
        """What a reader of a figure must know of the generated faces."""
        name = type(self.generator_).__name__
        asked = "labelled as was asked" + ("" if self.filter_ is None else f", filtered (judges: {self.filter_.own})")
        lines = [f"Augmented by {name}: {made}; {asked}"]
        if isinstance(self.generator_, Estimator) and self.generator_.image_size > self.generator_.crop_size:
            lines.append(f"Augmented: {name} draws centre crops; their border is repeated to the size of real faces")
        return lines


def _fit(
    part: Any, faces: Faces, run_dir: str | Path | None, name: str, callbacks: Sequence[Callback], **given: Any
) -> Any:
    """Fit a part, with a folder of its own and the callbacks where it takes them."""
    taken = inspect.signature(part.fit).parameters
    if run_dir is not None and "run_dir" in taken:
        given["run_dir"] = Path(run_dir) / name
    if callbacks and "callbacks" in taken:
        given["callbacks"] = callbacks
    return part.fit(faces, **given)


def _joined_history(*parts: Any) -> pd.DataFrame:
    """The parts' loss terms, one after the other."""
    tables = [table for part in parts if (table := getattr(part, "history_", None)) is not None and len(table)]
    columns = ["stage", "epoch", "step", "phase", "term", "value"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _parameter_names(cls: type) -> list[str]:
    return [name for name in inspect.signature(cls).parameters if name != "self"]


def _described(value: Any) -> Any:
    """A parameter as JSON can hold it; estimators as their class and parameters."""
    if isinstance(value, BaseEstimator):
        parameters = {name: _described(item) for name, item in value.get_params(deep=False).items()}
        return {"class": type(value).__name__, "parameters": parameters}
    return jsonable(value)


def _built(about: Any) -> Any:
    """Inverse of :func:`_described`; Faces become None."""
    if not isinstance(about, dict):
        return about
    if "faces_digest" in about:
        return None
    if set(about) != {"class", "parameters"}:
        return about
    known = {item.__name__: item for item in map(get, [*SYSTEMS, *GENERATORS])}
    known |= {item.__name__: item for item in (ExpressionJudge, IdentityJudge, AUEstimator, QualityFilter)}
    if about["class"] not in known:
        raise ValueError(f"a saved {about['class']} cannot be loaded: known are {', '.join(known)}")
    return known[about["class"]](**{name: _built(value) for name, value in about["parameters"].items()})
