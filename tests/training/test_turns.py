"""Functions that take turns: what they are answered, how they end, and whose seconds and random numbers they use."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ferdis.training import turns
from ferdis.training.turns import RandomState, Turn


def test_answers_go_to_who_asked_and_errors_are_raised_there() -> None:
    heard: list[object] = []

    def asking() -> str:
        turn = turns.current()
        assert turn is not None
        heard.append(turn.ask("first"))
        try:
            turn.ask("second")
        except KeyError as error:
            heard.append(error.args)
        return "done"

    turn = Turn(asking)
    turn.go_on()
    assert turn.asked == "first" and not turn.ended
    turn.go_on(7)
    assert turn.asked == "second" and heard == [7]
    turn.go_on(KeyError("no"))
    assert turn.ended and turn.asked is None and turn.result == "done" and heard == [7, ("no",)]


def test_what_a_function_raised_is_raised_where_its_result_is_asked_for() -> None:
    def failing() -> None:
        raise OSError("the disk is gone")

    turn = Turn(failing)
    turn.go_on()
    assert turn.ended
    with pytest.raises(OSError, match="the disk is gone"):
        _ = turn.result


def test_a_function_that_is_stopped_does_nothing_more() -> None:
    done: list[str] = []

    def asking() -> None:
        turn = turns.current()
        assert turn is not None
        try:
            turn.ask("anything")
            done.append("went on")
        finally:
            done.append("ended")

    turn = Turn(asking)
    turn.go_on()
    turn.stop()
    assert done == ["ended"] and turn.ended


def test_seconds_are_those_of_its_own_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(turns, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert turns.clock() == 1000

    def working() -> float:
        start = turns.clock()
        now[0] += 1
        turn = turns.current()
        assert turn is not None
        turn.ask("anything")
        now[0] += 2
        return turns.clock() - start

    turn = Turn(working)
    turn.go_on()
    assert turn.seconds == 1
    now[0] += 100  # the others' turns
    turn.go_on()
    assert turn.result == 3 and turn.seconds == 3


def test_inside_undisturbed_nobody_has_a_turn() -> None:
    def looking() -> list[bool]:
        found = [turns.current() is turn]
        with turns.undisturbed():
            found.append(turns.current() is turn)
        return [*found, turns.current() is turn]

    turn = Turn(looking)
    turn.go_on()
    assert turn.result == [True, False, True] and turns.current() is None


def test_remarks_are_told_to_whoever_made_the_turns() -> None:
    remarks: list[str] = []
    Turn(lambda: None, remarks).remarks.append("said")
    assert remarks == ["said"] and Turn(lambda: None).remarks == []


def test_a_random_state_is_of_python_numpy_and_torch() -> None:
    def draw() -> list[float]:
        return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002

    caller, state = RandomState(), RandomState(apart=True)
    try:
        state.put()
        first = draw()
        state.take()
        second = draw()
        state.put()
        third = draw()
    finally:
        caller.put()
    assert (third[0], third[2]) == (second[0], second[2]), "it goes on from where it was taken"
    assert len({first[1], second[1], third[1]}) == 3, "NumPy's generator itself is put back"
    assert draw() == first, "the caller's was left as it was"
