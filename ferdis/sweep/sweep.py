"""Sweeps: choose a system's arguments without ever looking at who will test them.

Nested, by default: for each fold of the protocol the people of its *training part* are dealt into inner folds, trials
are scored on these alone, and the fold gets a winner of its own. Neither the fold's test people nor its validation
people are read. With ``tune_people`` some people are set aside instead, tune one winner for all, and are in no fold.

Whoever starts the same sweep again goes on with it; whoever starts it twice, on one machine or on several that share
the storage, has two workers (:mod:`ferdis.sweep.shared_study`). A trial is given up once its validation history lies
below the median of the others'.

The score of a winner has chosen it and is no result: results come from ``ferdis kfold --config SWEEP/best``, which
gives each fold its own winner and refuses one that was tuned on a person whom the fold tests
(:mod:`ferdis.evaluation.tuned_parameters`).
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import sklearn.base
import yaml
from matplotlib.figure import Figure
from optuna.trial import Trial, TrialState

from ferdis import run_folder
from ferdis._io import replacing
from ferdis.capabilities import Splits
from ferdis.evaluation.fit_and_score import accepts, describe, seeded_clone
from ferdis.evaluation.tuned_parameters import TunedParameters, name_spaces, people_of, person_digests
from ferdis.faces import Faces
from ferdis.messages import markdown_table
from ferdis.progress import Bar
from ferdis.protocol import Fold, SubjectKFold, row_names, write_folds
from ferdis.protocol.leakage import NEAR_DUPLICATE, audit, audit_parameters
from ferdis.protocol.near_duplicates import Fingerprinter
from ferdis.run_folder import RunFolder
from ferdis.sweep.figures import importance, optimisation_history
from ferdis.sweep.search_space import Space
from ferdis.sweep.shared_study import SharedStudy, open_storage, shown, storage_errors
from ferdis.training.distributed import rank_and_world_of_launch
from ferdis.training.history import Row
from ferdis.training.memory import cheap_collections
from ferdis.training.seeding import derived_seed

SELECTIONS = ("last", "validation")
_FOLD_STEPS = 100_000  # epochs of inner fold k are reported as steps k * this + epoch: the same place in every trial
_HOPELESS = 3  # so many trials that all end in an error end the sweep
_LOCK_SECONDS = 60.0  # how long a worker waits for another one that is writing files
_POLL_SECONDS = 2.0  # between two looks at trials that other workers still have in hand


class SweepError(ValueError):
    """No trial went through; the message says why."""


@dataclass(frozen=True)
class _Plan:
    """How trials are made and scored; the same for every winner."""

    estimator: Any
    space: Space
    inner_folds: int
    selection: str
    seed: int
    trials: int
    warmup: int | None  # epochs before a trial may be given up; None: never


@dataclass(frozen=True)
class _Part:
    """What one winner is tuned on: an outer fold's training people, or those set aside."""

    fold: int | None
    faces: Faces
    inner: list[Fold]
    study: SharedStudy


def sweep(
    estimator: Any,
    faces: Faces,
    protocol: Any,
    space: Space | Mapping[str, Any] | str | Path,
    *,
    out: str | Path,
    name: str | None = None,
    trials: int = 50,
    storage: str | None = None,
    study: str | None = None,
    inner_folds: int = 3,
    tune_people: int = 0,
    selection: str = "last",
    prune: bool = True,
    warmup_epochs: int = 5,
    seed: int = 0,
    progress: bool = True,
    near_duplicates: bool = True,
    threshold: float = NEAR_DUPLICATE,
    allow_overlap: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> list[TunedParameters]:
    """Choose arguments by inner folds of the training people, one winner for each fold of a protocol.

    Parameters
    ----------
    estimator : the system; what the space does not name stays as it is here. Clones of it are fitted.
    faces : Faces
    protocol : gives the outer folds, ``protocol.split(faces)``, or is a sequence of folds.
    space : see :mod:`ferdis.sweep.search_space`: a YAML file, or what one holds.
    out : folder for ``best/*.yaml``, ``trials.csv``, ``sweep.md`` and ``figures/``.
    name : the system's name in the evaluation that will use the winners; by default its class, in small letters.
    trials : trials of each winner, all workers together; a failed one counts, one whose worker died is run again.
    storage : address of the trials: ``sqlite:///FILE``, ``postgresql://...``, ``mysql+pymysql://...``, or
        ``journal:FILE`` for workers that share a disk; by default ``sweep.db`` in ``out``.
    study : name of the sweep in the storage, which may hold several; by default data set and system.
    inner_folds : folds by subject inside each training part; a trial's score is their mean accuracy.
    tune_people : 0 for nested sweeps; else so many people are set aside from all folds and tune one winner.
    selection : as the evaluation will use it: "last" scores the last epoch, "validation" the best one.
    prune : give up a trial whose history lies below the median of the finished ones.
    warmup_epochs : epochs of a trial's first inner fold before it may be given up.
    seed : of the proposals, the inner folds and every fit.
    progress : show a progress bar.
    near_duplicates, threshold, allow_overlap : for the audit, see :func:`ferdis.protocol.audit`.
    arguments : of ``ferdis kfold``, written into each ``best/*.yaml``, which it then takes as ``--config``.

    Returns
    -------
    list of TunedParameters
        One for each outer fold, or a single one with ``tune_people``.

    Raises
    ------
    LeakError
        If a fold, or a parameter that holds faces, leaks.
    ValueError
        If an argument does not fit, or ``out`` or the storage holds another sweep.
    SweepError
        If trials fail, and none goes through.
    StorageError
        If the storage is locked, gone or no database. Finished trials stay.
    """
    _check(estimator, trials, inner_folds, tune_people, selection)
    name = name or type(estimator).__name__.lower()
    if not isinstance(space, Space):
        space = Space(space, estimator) if isinstance(space, Mapping) else Space.read(space, estimator)
    plan = _Plan(estimator, space, inner_folds, selection, seed, trials, warmup_epochs if prune else None)
    audits: dict[str, Any] = {
        "near_duplicates": near_duplicates,
        "threshold": threshold,
        "allow_overlap": allow_overlap,
        "known": Fingerprinter(),
    }
    folds = _outer(faces, protocol, tune_people, seed)
    report = audit(faces, folds, **audits)
    audit_parameters(estimator, faces, folds, **audits)
    record = {**_record(plan, name, faces), "tune_people": tune_people}
    run = RunFolder(out)
    with run.locked(wait=_LOCK_SECONDS):
        lists = {run.root / "folds.csv": lambda path: write_folds(path, faces, folds)}
        run.open(record, lists, arguments, f"{report}\n")
    storage = storage or f"sqlite:///{run.root / 'sweep.db'}"
    study = study or f"{faces.attrs.get('dataset', 'unnamed')}-{name}"
    with storage_errors(storage), _quiet():
        database = open_storage(storage)
        parts = []
        for fold in folds:
            number = None if tune_people else fold.index
            part = faces[fold.train]  # all that the sweep for this fold ever reads
            inner = _inner(plan, part)
            audit_parameters(estimator, part, inner, **audits)
            shared = _study(plan, database, f"{study}/{_part_name(number)}", shown(storage), part, number, record)
            parts.append(_Part(number, part, inner, shared))
        del audits  # and the fingerprints with them: trials run for days
        _run_all(plan, parts, progress)
        winners = [_winner(part, name) for part in parts]
        with run.locked(wait=_LOCK_SECONDS):
            _write(run, plan, parts, winners, arguments or {"system": [name]})
    return winners


# ---------------------------------------------------------------- what was asked for


def _check(estimator: Any, trials: int, inner_folds: int, tune_people: int, selection: str) -> None:
    if trials < 1:
        raise ValueError(f"trials={trials} must be 1 or more")
    if tune_people and tune_people < inner_folds:
        raise ValueError(f"tune_people={tune_people} cannot fill inner_folds={inner_folds}: set more people aside")
    if selection not in SELECTIONS:
        raise ValueError(f"selection={selection!r} is unknown: choose one of {SELECTIONS}")
    if rank_and_world_of_launch()[1] > 1 or getattr(estimator, "devices", 1) != 1:
        raise ValueError("a sweep trains each trial in one process: start workers by running the command again")


def _outer(faces: Faces, protocol: Any, tune_people: int, seed: int) -> list[Fold]:
    """The protocol's folds; or a single one whose training part are the people set aside."""
    if not tune_people:
        return list(protocol.split(faces) if isinstance(protocol, Splits) else protocol)
    person = people_of(faces)
    # By a digest of seed and name, as folds are: the same people on every platform, whatever the order of the rows.
    names = sorted(set(person.tolist()), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    if tune_people >= len(names):
        raise ValueError(f"tune_people={tune_people} of {len(names)} people leaves nobody to test on")
    aside = np.isin(person, names[:tune_people])
    return [Fold(0, np.flatnonzero(aside), np.empty(0, np.int64), np.flatnonzero(~aside))]


def _inner(plan: _Plan, part: Faces) -> list[Fold]:
    """Inner folds by subject; by image, where nobody is known."""
    if not part.has_subjects:
        part = part.with_table(part.to_frame().assign(subject=row_names(part)))
    return SubjectKFold(plan.inner_folds, validation_folds=0, seed=plan.seed).split(part)


def _study(
    plan: _Plan, database: Any, name: str, where: str, part: Faces, fold: int | None, record: Mapping[str, Any]
) -> SharedStudy:
    pruner = None if plan.warmup is None else optuna.pruners.MedianPruner(n_warmup_steps=plan.warmup)
    people = {"people": run_folder.digest(person_digests(part))}
    seed = derived_seed(plan.seed, fold or 0)
    return SharedStudy(database, name, {**record, **people}, where=where, trials=plan.trials, seed=seed, pruner=pruner)


def _record(plan: _Plan, name: str, faces: Faces) -> dict[str, Any]:
    """What decides the trials besides the people. Their number is not part of it: a sweep may go on with more."""
    return {
        "system": {"name": name, **describe(plan.estimator)},
        "space": plan.space.record(),
        "faces": faces.digest(),
        "inner_folds": plan.inner_folds,
        "selection": plan.selection,
        "warmup": plan.warmup,
        "seed": plan.seed,
    }


def _part_name(fold: int | None) -> str:
    return "all" if fold is None else f"fold-{fold:02d}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without optuna's line a trial; the bar counts them."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


# ---------------------------------------------------------------- trials


def _run_all(plan: _Plan, parts: Sequence[_Part], progress: bool) -> None:
    """Work until every part has its trials; those that other workers have in hand are waited for."""
    wanted = sum(plan.trials for part in parts)
    done = sum(part.study.finished() for part in parts)
    with Bar("trials", wanted, done, progress, each=True) as bar, cheap_collections() as collect:
        while True:
            worked = False
            for part in parts:
                while (trial := part.study.claim()) is not None:
                    part.study.work(trial, partial(_score, plan, part))
                    collect()
                    bar.step(f"{_part_name(part.fold)}, trial {trial.number}")
                    worked = True
                    _refuse_hopeless(plan, part)
            if all(part.study.finished() >= plan.trials for part in parts):
                return
            if not worked:
                time.sleep(_POLL_SECONDS)


def _refuse_hopeless(plan: _Plan, part: _Part) -> None:
    failed = part.study.failed()
    if len(failed) >= min(_HOPELESS, plan.trials) and part.study.finished() == len(failed):
        line = failed[-1].user_attrs.get("error", "its worker died each time, most often for want of memory")
        raise SweepError(
            f"{_part_name(part.fold)}: all of the first {len(failed)} trials failed, the last with: {line}"
        )


def _score(plan: _Plan, part: _Part, trial: Trial) -> float:
    """Mean accuracy (0..1) of a trial's arguments over the inner folds."""
    drawn = plan.space.draw(trial)
    trial.set_user_attr("parameters", drawn)
    candidate = sklearn.base.clone(plan.estimator).set_params(**drawn)
    if "progress" in candidate.get_params(deep=False):
        candidate.set_params(progress=False)
    earned, n = 0.0, len(part.inner)
    for k, fold in enumerate(part.inner):
        watch = _Watch(trial, earned, n, k * _FOLD_STEPS)
        fitted = _fit(plan, candidate, part.faces[fold.train], part.faces[fold.test], watch)
        earned += watch.score(plan.selection) if watch.scores else _accuracy(fitted, part.faces[fold.test])
        if k + 1 < n:
            watch.report(earned, (k + 1) * _FOLD_STEPS - 1)
    return earned / n


def _fit(plan: _Plan, candidate: Any, train: Faces, held_out: Faces, watch: _Watch) -> Any:
    """A fitted clone; one whose ``fit`` takes no ``callbacks`` cannot be given up before its end."""
    estimator = seeded_clone(candidate, plan.seed)
    offered = {"validation": held_out, "callbacks": [watch]}
    return estimator.fit(train, **{name: value for name, value in offered.items() if accepts(estimator.fit, name)})


def _accuracy(fitted: Any, held_out: Faces) -> float:
    """For an estimator that keeps no validation history."""
    predicted = np.asarray(fitted.classes_)[np.asarray(fitted.predict_proba(held_out)).argmax(axis=1)]
    return float((predicted == held_out.expression).mean())


class _Watch:
    """A callback: reports what a trial has earned from the validation scores of one fit, and may give the trial up.

    Earned is the sum of the finished inner folds' scores and the running one's, over the number of folds: it grows
    from 0 to the trial's score, so that trials compare at the same epoch of the same fold, easy or hard.
    """

    def __init__(self, trial: Trial, earned: float, folds: int, step: int) -> None:
        self.trial, self.earned, self.folds, self.step = trial, earned, folds, step
        self.scores: list[float] = []

    def on_epoch_end(self, rows: Sequence[Row]) -> None:
        """Take in an epoch's validation score; raises ``optuna.TrialPruned`` where the other trials were better."""
        for _, _, _, phase, term, value in rows:
            if (phase, term) == ("validation", "score"):
                self.scores.append(value)
                self.report(self.earned + value, self.step + len(self.scores))

    def report(self, earned: float, step: int) -> None:
        """Tell the study, and end the trial if the others were better here."""
        self.trial.report(earned / self.folds, step)
        if self.trial.should_prune():
            raise optuna.TrialPruned

    def score(self, selection: str) -> float:
        """Of the epoch that an evaluation with this selection would keep."""
        return max(self.scores) if selection == "validation" else self.scores[-1]


# ---------------------------------------------------------------- winners


def _winner(part: _Part, name: str) -> TunedParameters:
    scored = part.study.scored()
    if not scored:
        why = [trial.user_attrs["error"] for trial in part.study.failed() if "error" in trial.user_attrs]
        line = f": {why[-1]}" if why else ", they diverged or were given up"
        raise SweepError(f"{_part_name(part.fold)}: none of {part.study.finished()} trials went through{line}")
    best = max(scored, key=lambda trial: (trial.value, -trial.number))
    return TunedParameters(
        system=name,
        parameters=best.user_attrs["parameters"],
        people=person_digests(part.faces),
        sets=name_spaces(part.faces),
        fold=part.fold,
        score=round(float(best.value or 0), 6),
        trials=part.study.finished(),
    )


def _write(
    run: RunFolder,
    plan: _Plan,
    parts: Sequence[_Part],
    winners: Sequence[TunedParameters],
    arguments: Mapping[str, Any],
) -> None:
    """best/*.yaml, trials.csv, sweep.md and the figures."""
    for winner in winners:
        config = run_folder.plain({**arguments, "selection": plan.selection, "tuned": [winner.record()]})
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
        run_folder.write_text(run.root / "best" / f"{_part_name(winner.fold)}.yaml", text)
    table = pd.concat([_trials(part, plan.space) for part in parts], ignore_index=True)
    run.write_tables(trials=table)
    run.write_text("sweep.md", _markdown(table, winners))
    _save(optimisation_history(table), run.root / "figures" / "history.png")
    weights = {_part_name(part.fold): _importances(part.study.study) for part in parts}
    if any(weights.values()):
        _save(importance(weights), run.root / "figures" / "importance.png")


def _trials(part: _Part, space: Space) -> pd.DataFrame:
    """One row a trial that has ended: part, trial, state, score, seconds, error, and the arguments drawn."""
    records = []
    for trial in part.study.ended():
        drawn = trial.user_attrs.get("parameters", {})
        seconds = trial.duration.total_seconds() if trial.duration else float("nan")
        records.append(
            {
                "part": _part_name(part.fold),
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "score": trial.value if trial.state == TrialState.COMPLETE else float("nan"),
                "seconds": round(seconds, 1),
                "error": trial.user_attrs.get("error", trial.user_attrs.get("diverged", "")),
                **{name: _text(drawn[name]) if name in drawn else "" for name in space.items},
            }
        )
    return pd.DataFrame(records)


def _importances(study: optuna.Study) -> dict[str, float]:
    """Share of each argument in how scores differ (sum 1); empty where too few trials differ to tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that trials are too few to tell
            return optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}


def _markdown(table: pd.DataFrame, winners: Sequence[TunedParameters]) -> str:
    rows = []
    for winner in winners:
        part = _part_name(winner.fold)
        states = table.loc[table["part"] == part, "state"].value_counts()
        counts = (states.get(state, 0) for state in ("complete", "pruned", "fail"))
        chosen = ", ".join(
            f"{key}={f'{value:.4g}' if isinstance(value, float) else _text(value)}"
            for key, value in winner.parameters.items()
        )
        rows.append([part, len(winner.people), *counts, f"{100 * winner.score:.2f}", chosen])
    head = ["part", "people", "complete", "pruned", "failed", "score (%)", "arguments"]
    return (
        f"# Winners\n\n{markdown_table(head, rows)}\n"
        "These scores chose the arguments and are no results: the best of many trials is lucky as well as good.\n"
        "`ferdis kfold --config` with the folder `best` gives results.\n"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
