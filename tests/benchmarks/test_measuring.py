"""Turns, growth, JSON and history; and what the layers of a program are."""

from __future__ import annotations

import json

import layer_calls
import measuring
import pytest
import step_profile
import torch
from torch import nn


def test_every_way_has_its_turn_in_every_round() -> None:
    now, order = [0.0], []

    def way(name: str, seconds: float):
        def run() -> None:
            order.append(name)
            now[0] += seconds

        return run

    spent = measuring.in_turns({"a": way("a", 1.0), "b": way("b", 3.0)}, 3, lambda: now[0])
    assert order == ["a", "b"] * 4  # the first of each is not counted
    assert spent == {"a": 1.0, "b": 3.0}


def test_a_turn_lasts_as_long_as_is_asked_and_gives_the_time_of_one_call() -> None:
    now, calls = [0.0], [0]

    def run() -> None:
        calls[0] += 1
        now[0] += 0.25

    assert measuring.in_turns({"a": run}, 1, lambda: now[0], seconds=1.0) == {"a": 0.25}
    assert calls[0] == 1 + 4


def test_the_median_of_the_rounds_counts() -> None:
    values = iter([5.0, 1.0, 2.0])
    assert measuring.medians({"a": lambda: next(values)}, 3) == {"a": 2.0}


@pytest.mark.parametrize(("times", "exponent"), [([2, 4], 1), ([3, 3], 0), ([1, 4], 2)])
def test_growth_is_an_exponent(times: list[float], exponent: float) -> None:
    assert measuring.growth([10, 20], times) == pytest.approx(exponent)


def test_json_and_history_hold_the_ratios_and_the_machine(tmp_path, capsys) -> None:
    file, history = tmp_path / "a.json", tmp_path / "history.jsonl"
    options = ["--json", str(file), "--record", "--history", str(history)]
    given = measuring.parser("about").parse_args(options)
    for _ in range(2):
        measuring.finish("question", given, [{"way": "torch", "seconds": 0.5}], {"share": 0.12345})
    found, lines = json.loads(file.read_text()), [json.loads(line) for line in history.read_text().splitlines()]
    assert found["rows"] == [{"way": "torch", "seconds": 0.5}] and found["ratios"] == {"share": 0.123}
    assert len(lines) == 2 and set(lines[0]) == {"question", "version", "commit", "time", "machine", "ratios"}
    assert "cores" in lines[0]["machine"] and "share: 0.123" in capsys.readouterr().out


def test_without_record_the_history_stays_as_it_is(tmp_path) -> None:
    given = measuring.parser("about").parse_args(["--history", str(tmp_path / "history.jsonl")])
    measuring.finish("question", given, [{"way": "torch"}], {})
    assert not list(tmp_path.iterdir())


def test_layers_are_counted_forward_and_backward_with_their_flop() -> None:
    layer, x = nn.Linear(8, 16), torch.randn(4, 8)
    with layer_calls.LayerCalls() as found:
        layer(x).sum().backward()
        torch.relu(x)  # no layer
    # Two operations for each multiplication and addition; of the input no gradient is asked.
    assert found.flop == 2 * (2 * 4 * 8 * 16)
    assert sum(found.calls.values()) == 2


def test_a_gradient_inside_a_loss_is_counted() -> None:
    """As the penalty of a critic has it, where torch's own counter gives up."""
    layer = nn.Conv2d(3, 4, 3)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    with layer_calls.LayerCalls() as found:
        (gradient,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        once = found.flop
        gradient.square().sum().backward()
    one = 2 * (2 * 4 * 6 * 6) * (3 * 3 * 3)
    assert once == 2 * one < found.flop  # forward, and the gradient of the input


def test_calls_are_timed_alone_in_their_layout_and_the_fastest() -> None:
    x = torch.randn(2, 4, 16, 16).contiguous(memory_format=torch.channels_last)
    with layer_calls.LayerCalls() as found:
        nn.Conv2d(4, 4, 3)(x).sum().backward()
        x.new_ones(1).expand(5, 5) @ torch.randn(5, 5)  # memory that several elements share
    own, best = found.seconds(2)
    assert 0 < best <= own < 1
    shapes = [part for part in next(iter(found.calls)).arguments if isinstance(part, layer_calls.Shape)]
    assert shapes[0].size == (2, 4, 16, 16) and shapes[0].stride[1] == 1


def test_a_profile_tells_layers_optimiser_and_the_rest_apart() -> None:
    network = nn.Linear(256, 256)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        network(torch.ones(512, 256)).square().sum().backward()
        optimizer.step()

    found = step_profile.shares(step)
    assert set(found) == set(step_profile.GROUPS) and sum(found.values()) == pytest.approx(1, abs=0.05)
    assert found["layers"] > found["norms"] == 0 and found["optimiser"] > 0


def test_a_turn_may_say_several_things() -> None:
    spent = iter([{"a": 1.0, "b": 9.0}, {"a": 5.0, "b": 7.0}, {"a": 2.0, "b": 8.0}])
    assert measuring.medians_by_kind({"way": lambda: next(spent)}, 3) == {"way": {"a": 2.0, "b": 8.0}}


def test_all_clocks_are_read_of_one_call() -> None:
    now, calls = {"slow": 0.0, "fast": 10.0}, []

    def run() -> None:
        calls.append(1)
        now["slow"] += 1
        now["fast"] += 3

    clocks = {kind: lambda kind=kind: now[kind] for kind in now}
    assert measuring.timed(run, clocks) == {"slow": 1.0, "fast": 3.0} and len(calls) == 1
