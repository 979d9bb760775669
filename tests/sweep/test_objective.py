"""What a trial's score is made of: inner folds, epochs, seeds; by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FixedTrial
from sklearn.base import BaseEstimator

from ferdis.faces import Faces
from ferdis.protocol import Fold
from ferdis.sweep.search_space import Space
from ferdis.sweep.sweep import _inner, _outer, _Part, _Plan, _score, _study
from ferdis.training import History
from tests.evaluation.runner_fakes import PROTOCOL, make_faces
from tests.sweep.sweep_fakes import Curve

SCORES = ((0.2, 0.6), (0.4, 0.2))  # of each inner fold, epoch by epoch


class Scripted(BaseEstimator):
    """Its validation scores are :data:`SCORES`, one line per fit; it notes its seed and the subjects of both parts."""

    def __init__(self, seed: int = 0, kind: str = "plain") -> None:
        self.seed = seed
        self.kind = kind

    def fit(self, faces: Faces, y: Any = None, *, validation: Faces, callbacks: Any = ()) -> Scripted:
        notes.append((self.seed, set(faces.subject), set(validation.subject)))
        history = History()
        for epoch, score in enumerate(SCORES[len(notes) - 1], start=1):
            for callback in callbacks:
                callback.on_epoch_end(history.end_epoch("it", epoch, epoch, [("validation", "score", score)]))
        return self


notes: list[tuple[int, set[str], set[str]]] = []


class Told(FixedTrial):
    """A trial that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__({"kind": "plain"})
        self.told: list[tuple[int, float]] = []

    def report(self, value: float, step: int) -> None:
        self.told.append((step, value))


def plan(selection: str = "last", seed: int = 0) -> _Plan:
    return _Plan(Scripted(), Space({"kind": ["plain", "good"]}, Scripted()), 2, selection, seed, 1, None)


@pytest.mark.parametrize(("selection", "score"), [("last", (0.6 + 0.2) / 2), ("validation", (0.6 + 0.4) / 2)])
def test_the_score_is_the_mean_over_inner_folds(selection: str, score: float) -> None:
    faces, trial = make_faces(4), Told()
    part = _Part(0, faces, _inner(plan(), faces), None)  # type: ignore[arg-type]
    notes.clear()
    assert _score(plan(selection, seed=7), part, trial) == pytest.approx(score)  # type: ignore[arg-type]
    kept = (0.6, 0.6)[selection == "validation"]
    steps = {1: 0.2 / 2, 2: 0.6 / 2, 99_999: kept / 2, 100_001: (kept + 0.4) / 2, 100_002: (kept + 0.2) / 2}
    assert dict(trial.told) == pytest.approx(steps) and len(trial.told) == len(steps)
    for (seed, trained, held_out), fold in zip(notes, part.inner, strict=True):
        assert seed == 7, "every fit has the sweep's seed"
        assert trained == set(faces.subject[fold.train]) and held_out == set(faces.subject[fold.test])


def test_the_seed_deals_the_inner_folds_and_sets_people_aside() -> None:
    faces = make_faces(12)
    inner = [_inner(plan(seed=seed), faces) for seed in (0, 1)]
    assert inner[0] != inner[1] and inner[0] == _inner(plan(), faces)
    aside = [set(faces.subject[_outer(faces, PROTOCOL, 5, seed)[0].train]) for seed in range(4)]
    assert len({frozenset(some) for some in aside}) == 4 and all(len(some) == 5 for some in aside)


def test_outer_folds_are_the_protocols() -> None:
    faces = make_faces(12)
    folds = _outer(faces, PROTOCOL, 0, 3)
    assert folds == PROTOCOL.split(faces) and all(isinstance(fold, Fold) for fold in folds)


def test_each_fold_draws_arguments_of_its_own() -> None:
    faces, drawn = make_faces(4), {}
    some = _Plan(Curve(), Space({"rate": {"low": 0.0, "high": 1.0}}, Curve()), 2, "last", 0, 3, None)
    for name, fold, seed in (("a", 0, 0), ("b", 0, 0), ("c", 1, 0), ("d", 0, 1)):
        study = _study(dataclasses.replace(some, seed=seed), InMemoryStorage(), name, "memory", faces, fold, {})
        trials = [study.claim() for _ in range(3)]
        drawn[name] = [some.space.draw(trial)["rate"] for trial in trials]
    assert drawn["a"] == drawn["b"] and not set(drawn["a"]) & (set(drawn["c"]) | set(drawn["d"]))
