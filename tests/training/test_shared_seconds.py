"""Seconds of a training that all folds share, by a clock that only its steps move."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from ferdis.training import shared


@dataclass(frozen=True)
class SomeStage:
    epochs: int
    batches: Callable[[int], Iterable[Any]]
    validate: Any = "somebody"


def stage(steps: int, epochs: int) -> Any:
    return SomeStage(epochs, lambda epoch: range(steps))


class Clocked:
    """A trainer that takes 3 s, half a second for each step, and 20 s more the first time."""

    def __init__(self, now: list[float], step: float = 0.5) -> None:
        self.now, self.step = now, step
        self.steps: list[int] = []
        self.arguments: list[dict[str, Any]] = []

    def __call__(self, **arguments: Any) -> Any:
        self.arguments.append(arguments)
        return SimpleNamespace(run=self.run)

    def run(self, stages: list[Any], **_: Any) -> None:
        (one,) = stages
        assert one.epochs == 1 and one.validate is None
        self.steps.append(len(list(one.batches(0))))
        self.now[0] += 3 + self.step * self.steps[-1] + 20 * (len(self.steps) == 1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made = [1000.0]
    clock = SimpleNamespace(perf_counter=lambda: made[0], monotonic=lambda: made[0])
    monkeypatch.setattr(shared, "time", clock)
    return made


@pytest.mark.parametrize(
    ("steps", "step", "timed", "seconds"),
    [
        (30, 0.5, [1, 2, 8], 0.5 * 30 * 4),
        (5, 0.5, [1, 2, 5], 0.5 * 5 * 4),
        (2, 0.5, [1, 2, 2], (3 + 1) * 4),  # too few to tell a step from what comes once
        (30, -0.1, [1, 2, 8], 0.0),  # a machine that became faster
    ],
)
def test_a_stage_takes_as_long_as_its_steps_and_epochs(
    now: list[float], monkeypatch: pytest.MonkeyPatch, steps: int, step: float, timed: list[int], seconds: float
) -> None:
    trainer = Clocked(now, step)
    monkeypatch.setattr(shared, "Trainer", trainer)
    assert shared._seconds(stage(steps, 4), {"progress": True, "seed": 3}) == pytest.approx(seconds)
    assert trainer.steps == timed and trainer.arguments == [{"progress": False, "seed": 3}] * 3


def test_all_stages_that_are_ahead_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_seconds", lambda one, arguments: one.epochs * arguments["each"])

    def fit() -> None:
        shared.train_shared("new", "test", {}, lambda: [stage(1, 2), stage(1, 5)], {"each": 10.0})

    assert shared.shared_seconds_of(fit) == 70 and shared.shared_seconds_of(lambda: None) == 0
    with pytest.raises(ZeroDivisionError):
        shared.shared_seconds_of(lambda: 1 // 0)
    assert not shared._looking, "what comes next is trained"


def test_what_is_shared_is_trained_once_in_a_folder_of_its_own(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[Path, str]] = []

    def trainer(run_dir: Path, **_: Any) -> Any:
        return SimpleNamespace(run=lambda stages, signature: trained.append((run_dir, signature)))

    monkeypatch.setattr(shared, "Trainer", trainer)
    modules = {"net": nn.Linear(2, 2)}
    for name in ("one", "one", "other"):
        weights = shared.train_shared(name, "pretrained", modules, lambda: [], {})
        assert weights == own_cache / "pretrained" / name / "weights.safetensors" and weights.is_file()
    assert trained == [(own_cache / "pretrained" / name, name) for name in ("one", "other")]


def test_seconds_until_an_error_were_spent_as_well(now: list[float]) -> None:
    before = shared.seconds_spent()
    with pytest.raises(KeyError), shared._counted():
        now[0] += 5
        raise KeyError
    assert shared.seconds_spent() - before == pytest.approx(5)
