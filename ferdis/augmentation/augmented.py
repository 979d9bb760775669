"""Augmentation: training faces that a generator makes, by one that cannot have seen the test people.

>>> Augmented(ResNetClassifier.small(), DECGAN.small(), filter=QualityFilter())              # doctest: +SKIP

:class:`Augmented` is an estimator like any other: ``evaluate`` gives it the training people of a fold, and everything
that has a part in a generated face is fitted on, or drawn from, these alone: the generator, the quality filter's two
judges, the estimator of action units, the units that are asked for, the faces and the references.

Every generator serves through one interface, :func:`express`: the people of some faces with the expressions of others.
What comes out is labelled with the expression that was asked for. That is a shortcut, and the filter is what stands
against it. Others are named in :attr:`Augmented.notes_`.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from ferdis._io import write_json
from ferdis.disentanglement.representations import framed
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems import GENERATORS, SYSTEMS, get
from ferdis.systems.action_units import action_units_of
from ferdis.systems.base import check_choice, jsonable, resized

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

PROVENANCE = ("generator", "source", "reference")
"""Columns of a generated face: what made it, the path of the face it was made from, that of the expression's."""

STRATEGIES = ("balance", "multiply")
FORMAT = 1  # of a saved Augmented
_ROUNDS = 6  # tries to make good what the filter rejects


# --------------------------------------------------------------------------------------- what is made, and of what


def express(generator: Any, faces: Faces, references: Faces) -> np.ndarray:
    """The people of ``faces`` with the expressions of ``references``, row by row: uint8 (n, S, S, 3).

    A generator that edits action units is given those of the reference; one that transfers, the reference itself.

    Raises
    ------
    ValueError
        If the generator can do neither.
    """
    check_generator(generator)
    if hasattr(generator, "edit"):
        return generator.edit(faces, action_units_of(references))
    if "references" in inspect.signature(generator.transfer).parameters:
        return generator.transfer(faces, references)
    return generator.transfer(references, faces)  # REL-GAN's sources are whose expression it is


def check_generator(generator: Any) -> None:
    """A ValueError unless :func:`express` can use it."""
    if not hasattr(generator, "edit") and not hasattr(generator, "transfer"):
        raise ValueError(f"{type(generator).__name__} makes no faces: it has neither edit() nor transfer()")


def shortfall(expression: np.ndarray, strategy: str, per_class: int | None) -> dict[str, int]:
    """How many faces of each class are to be made.

    Parameters
    ----------
    expression : (n,) of str, of the real faces.
    strategy : str
        "balance": so many that every class has ``per_class`` in all (None: as many as the largest has). "multiply":
        ``per_class`` more of every class (None: as many as it has).
    per_class : int or None
    """
    check_choice("strategy", strategy, STRATEGIES)
    if per_class is not None and per_class < 1:
        raise ValueError(f"per_class={per_class}: at least 1, or None")
    names, counts = np.unique(expression, return_counts=True)
    if strategy == "balance":
        wanted = np.maximum(0, (counts.max() if per_class is None else per_class) - counts)
    else:
        wanted = counts if per_class is None else np.full(len(names), per_class)
    return {str(name): int(number) for name, number in zip(names, wanted, strict=True)}


@dataclass(frozen=True)
class Generated:
    """What :func:`generate` made.

    Attributes
    ----------
    faces : Faces or None
        Labelled as asked, the subject that of the source, with the columns of :data:`PROVENANCE`; None without any.
    made : int
        Faces that the generator drew.
    misread, drifted : int
        Of these, rejected as not showing what was asked, and (of the others) as no longer the person.
    missing : dict of str to int
        Faces of each class that were asked for and are not there.
    """

    faces: Faces | None
    made: int
    misread: int
    drifted: int
    missing: dict[str, int]

    def __str__(self) -> str:
        kept = 0 if self.faces is None else len(self.faces)
        text = f"{kept} generated faces of {self.made} drawn: {self.misread} rejected as not showing what was asked, "
        text += f"{self.drifted} as no longer the person"
        short = ", ".join(f"{name} {number}" for name, number in self.missing.items())
        return text + (f"; asked for and not reached: {short}" if short else "")


def generate(
    generator: Any, faces: Faces, wanted: Mapping[str, int], *, filter: QualityFilter | None = None, seed: int = 0
) -> Generated:
    """Draw faces of each class: random faces with the expressions of random references of the class.

    A reference is of another person than the face, where there is one. What the filter rejects is tried again with
    other faces and references, up to six times in all.

    Parameters
    ----------
    generator : fitted.
    faces : Faces
        From which faces and references are taken: those that the generator was fitted on.
    wanted : class -> number of faces.
    filter : fitted QualityFilter, optional.
    seed : of the choice of faces and references.
    """
    random = np.random.default_rng([seed, 7])
    parts: list[Faces] = []
    counts = {"made": 0, "misread": 0, "drifted": 0}
    missing = {name: number for name, number in wanted.items() if number}
    for _ in range(_ROUNDS if filter is not None else 1):
        if not missing:
            break
        sources, references = _chosen(faces, missing, needs_units=hasattr(generator, "edit"), random=random)
        drawn = _drawn(generator, faces, sources, references, first=counts["made"])
        counts["made"] += len(drawn)
        kept = np.ones(len(drawn), bool)
        if filter is not None:
            shown, same = filter.verdict(drawn, faces[sources])
            kept = shown & same
            counts["misread"] += int((~shown).sum())
            counts["drifted"] += int((shown & ~same).sum())
        parts.append(drawn[kept])
        found = pd.Series(drawn.expression[kept]).value_counts()
        missing = {name: number - int(found.get(name, 0)) for name, number in missing.items()}
        missing = {name: number for name, number in missing.items() if number > 0}
    parts = [part for part in parts if len(part)]
    return Generated(Faces.concat(parts) if parts else None, **counts, missing=missing)


def _chosen(
    faces: Faces, wanted: Mapping[str, int], *, needs_units: bool, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the faces to be changed and of their references: ``wanted`` of each class."""
    usable = _coded(faces) if needs_units else np.ones(len(faces), bool)
    references = []
    for name, number in wanted.items():
        of_class = np.flatnonzero((faces.expression == name) & usable)
        if not len(of_class):
            raise ValueError(f"no training face of class {name} has action units, so none can be asked for: give some")
        references.append(random.choice(of_class, number))
    reference = np.concatenate(references)
    person = faces.subject if faces.has_subjects else np.arange(len(faces))
    source = random.integers(len(faces), size=len(reference))
    if len(np.unique(person)) > 1:
        while (same := person[source] == person[reference]).any():
            source[same] = random.integers(len(faces), size=int(same.sum()))
    return source, reference


def _drawn(generator: Any, faces: Faces, sources: np.ndarray, references: np.ndarray, first: int) -> Faces:
    """What the generator makes of these rows, in the size of ``faces``, each with its provenance."""
    onto, like = faces[sources], faces[references]
    name = type(generator).__name__
    whole = framed(express(generator, onto, like), onto, generator)
    paths = faces.table["path"].to_numpy(str) if "path" in faces.table else np.arange(len(faces)).astype(str)
    table = pd.DataFrame(
        {
            "expression": like.expression,
            "path": [f"generated/{name}/{first + number:05d}" for number in range(len(like))],
            "generator": name,
            "source": paths[sources],
            "reference": paths[references],
        }
    )
    if faces.has_subjects:
        table["subject"] = onto.subject
    if hasattr(generator, "edit"):
        table[list(AU_COLUMNS)] = action_units_of(like).astype(np.float64)
    return Faces(np.asarray(resized(whole, faces.shape[1])), table)


def _coded(faces: Faces) -> np.ndarray:
    """Which faces have action units, (n,) bool."""
    return faces.table.reindex(columns=list(AU_COLUMNS)).notna().any(axis=1).to_numpy()


# ------------------------------------------------------------------------------------------------ the filter


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
        known = [f"{name} {judge.own}" for name, judge in judges.items() if hasattr(judge, "own")]
        return "; ".join(known) or "error not known"


# --------------------------------------------------------------------------------------------- the estimator


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
        self.generator_ = _fit(self._fresh(self.generator), faces, run_dir, "generator")
        self.filter_ = None if self.filter is None else self._fresh(self.filter).fit(faces)
        made = generate(self.generator_, faces, wanted, filter=self.filter_, seed=self.seed)
        self.generated_ = made.faces
        self.notes_ += self._remarks(made)
        both = faces if made.faces is None else Faces.concat([faces, made.faces])
        given = {} if validation is None else {"validation": validation}
        self.classifier_ = _fit(self._fresh(self.classifier), both, run_dir, "classifier", **given)
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
        notes = [note for part in parts if hasattr(part, "describe") for note in part.describe()["notes"]]
        return {"class": type(self).__name__, **about, "notes": [*getattr(self, "notes_", []), *notes]}

    def save(self, folder: str | Path) -> Path:
        """Write classifier and generator, what was made (``generated.csv``) and ``augmented.json``; returns the folder.

        The filter's judges and the estimator of action units are not kept: their work is done.
        """
        check_is_fitted(self, "classifier_")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("classifier", "generator"):
            if hasattr(part := getattr(self, f"{name}_"), "save"):
                part.save(folder / name)
        if self.generated_ is not None:
            self.generated_.table.to_csv(folder / "generated.csv", index=False)
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
        coded = _coded(faces)
        if self.au_estimator is None or not hasattr(self.generator, "edit") or coded.all():
            return faces
        learned = [faces[coded]] if coded.any() else []
        if self.au_train is not None:
            size = faces.shape[1]
            learned.append(Faces(np.asarray(resized(self.au_train, size)), self.au_train.table, self.au_train.attrs))
        if not learned:
            raise ValueError("no training face has action units: au_estimator has nothing to learn from; give au_train")
        self.au_estimator_ = self._fresh(self.au_estimator).fit(Faces.concat(learned))
        table = faces.to_frame().reindex(columns=list(dict.fromkeys([*faces.table.columns, *AU_COLUMNS])))
        table.loc[~coded, list(AU_COLUMNS)] = self.au_estimator_.predict(faces[~coded]).astype(np.float64)
        error = getattr(self.au_estimator_, "own", "error not known")
        self.notes_.append(f"Augmented: action units of {(~coded).sum()} faces were estimated ({error})")
        return faces.with_table(table)

    def _remarks(self, made: Generated) -> list[str]:
        """What a reader of a figure must know of the generated faces."""
        name = type(self.generator_).__name__
        asked = "labelled as was asked" + ("" if self.filter_ is None else f", filtered (judges: {self.filter_.own})")
        lines = [f"Augmented by {name}: {made}; {asked}"]
        if getattr(self.generator_, "image_size", 0) > getattr(self.generator_, "crop_size", 0):
            lines.append(f"Augmented: {name} draws centre crops; their border is repeated to the size of real faces")
        return lines


def _fit(part: Any, faces: Faces, run_dir: str | Path | None, name: str, **given: Any) -> Any:
    """Fit a part, with a folder of its own where it takes one."""
    if run_dir is not None and "run_dir" in inspect.signature(part.fit).parameters:
        given["run_dir"] = Path(run_dir) / name
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
