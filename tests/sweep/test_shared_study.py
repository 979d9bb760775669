"""A study in memory: how many trials it gives away, how each ends, and what becomes of those whose worker died."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.exceptions import TrialPruned
from optuna.pruners import MedianPruner
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import Trial, TrialState

from ferdis.sweep import shared_study
from ferdis.sweep.shared_study import SharedStudy, shown


def study(storage: BaseStorage | None = None, trials: int = 3, **options: Any) -> SharedStudy:
    given = {"name": "x", "record": {"a": 1}, "where": "memory", "trials": trials, "seed": 0, **options}
    return SharedStudy(storage or InMemoryStorage(), **given)


def claimed(shared: SharedStudy) -> tuple[Trial, float]:
    """A trial, and the argument that it draws."""
    trial = shared.claim()
    assert trial is not None
    return trial, trial.suggest_float("rate", 0, 1)


def raising(error: BaseException) -> Any:
    def objective(_: Trial) -> float:
        raise error

    return objective


def test_no_more_trials_are_given_than_are_wanted() -> None:
    shared = study()
    assert len({claimed(shared)[1] for _ in range(3)}) == 3, "each draws arguments of its own"
    assert shared.claim() is None and shared.finished() == 0


def test_each_trial_that_ends_counts_however_it_ends() -> None:
    shared = study(trials=5)
    errors = (TrialPruned(), OverflowError("too large"), ValueError("no such layer"))
    for error in errors:
        shared.work(claimed(shared)[0], raising(error))
    for score in (0.25, 0.75):
        shared.work(claimed(shared)[0], lambda _, score=score: score)  # type: ignore[misc]
    states = [TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert [trial.state for trial in shared.ended()] == states and shared.finished() == 5
    assert [trial.value for trial in shared.scored()] == [0.25, 0.75] and shared.study.best_value == 0.75
    assert shared.ended()[1].user_attrs["diverged"] == "too large"
    (failed,) = shared.failed()
    assert "no such layer" in failed.user_attrs["error"] and shared.claim() is None


def test_a_worker_that_goes_on_draws_what_the_first_would_have_drawn() -> None:
    alone = study()
    drawn = [claimed(alone)[1] for _ in range(3)]
    storage = InMemoryStorage()
    assert [claimed(study(storage))[1] for _ in range(3)] == drawn
    assert claimed(study(seed=1))[1] != drawn[0]


def test_an_interrupted_trial_is_done_again() -> None:
    shared = study(trials=1)
    trial, rate = claimed(shared)
    with pytest.raises(KeyboardInterrupt):
        shared.work(trial, raising(KeyboardInterrupt()))
    assert shared.finished() == 0
    again, same = claimed(shared)
    assert same == rate and again.number == 1 and again.user_attrs["deaths"] == 0


def test_a_trial_whose_worker_died_is_done_again_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = study(trials=1)
    rate = claimed(shared)[1]
    assert shared.claim() is None, "its worker is alive"
    monkeypatch.setattr(shared_study, "GRACE_SECONDS", -1.0)
    for deaths in (1, 2):
        again, same = claimed(shared)
        assert same == rate and again.user_attrs["deaths"] == deaths
    assert shared.claim() is None and shared.finished() == 1
    assert [trial.number for trial in shared.failed()] == [2]


def test_another_sweep_and_another_pruner() -> None:
    storage, pruner = InMemoryStorage(), MedianPruner()
    assert study(storage, pruner=pruner).study.pruner is pruner
    with pytest.raises(ValueError, match=r"^memory holds another sweep under 'x' \(a.*choose another --study"):
        study(storage, record={"a": 2})


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert shown("journal:sweep.log") == "journal:sweep.log"
