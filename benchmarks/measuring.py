"""What the benchmarks share: rounds in which every way has its turn, memory, one table, JSON, and the history.

Times are seconds of processor time unless a benchmark says otherwise: other work on the machine lengthens the time on
the clock, and a little the processor's too (caches, frequency), so that only ratios of one run are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

HISTORY = Path(__file__).with_name("history.jsonl")
Key = TypeVar("Key")
Said = TypeVar("Said")


def parser(about: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """An argument parser with the options of every benchmark; ``defaults`` are other values of theirs.

    A benchmark may declare one of them again in its own way.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=about, formatter_class=formatter, conflict_handler="resolve")
    made.add_argument("--rounds", type=int, default=3, help="turns of every way; times are medians over them")
    made.add_argument("--threads", type=int, default=1, help="threads of torch and of ONNX Runtime")
    made.add_argument("--json", type=Path, help="write the table, the ratios and the machine to this file")
    made.add_argument("--record", action="store_true", help="add the ratios to the history (--history)")
    made.add_argument("--history", type=Path, default=HISTORY, help="JSON lines, one for each recorded run")
    made.set_defaults(**defaults)
    return made


def medians(ways: Mapping[Key, Callable[[], float]], rounds: int) -> dict[Key, float]:
    """Median of what each way says that it took; all ways have their turn in every round."""
    return {name: statistics.median(values) for name, values in _rounds(ways, rounds).items()}


def medians_by_kind(ways: Mapping[Key, Callable[[], Mapping[str, float]]], rounds: int) -> dict[Key, dict[str, float]]:
    """:func:`medians` of ways that say several things of one turn, by name."""
    return {
        name: {kind: statistics.median(each[kind] for each in values) for kind in values[0]}
        for name, values in _rounds(ways, rounds).items()
    }


def _rounds(ways: Mapping[Key, Callable[[], Said]], rounds: int) -> dict[Key, list[Said]]:
    said: dict[Key, list[Said]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            said[name].append(run())
    return said


def timed(run: Callable[[], Any], clocks: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Seconds of one call by each clock."""
    start = {kind: clock() for kind, clock in clocks.items()}
    run()
    return {kind: clock() - start[kind] for kind, clock in clocks.items()}


def in_turns(
    ways: Mapping[Key, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    seconds: float = 0.0,
) -> dict[Key, float]:
    """Median seconds of one call of each way, all ways in every round, after one call of each that is not counted.

    Parameters
    ----------
    ways : name -> what is measured
    rounds : how many turns each way has
    clock : ``time.process_time``, or ``time.perf_counter``
    seconds : a turn repeats its call until so much time is over
    """

    def turn(run: Callable[[], Any]) -> float:
        calls, start = 0, clock()
        while not calls or clock() - start < seconds:
            run()
            calls += 1
        return (clock() - start) / calls

    for run in ways.values():
        run()
    return medians({name: partial(turn, run) for name, run in ways.items()}, rounds)


def forget_peak() -> None:
    """Let :func:`peak_mb` start again from the present memory, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float:
    """The largest memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def growth(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The exponent with which a time grows between the first and the last size: 1 is proportional."""
    return math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])


def machine() -> str:
    """Processor, cores, memory and versions, in words."""
    from ferdis.run_folder import environment

    about = environment()
    packages = {name: about["packages"].get(name) for name in ("torch", "onnxruntime")}
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    accelerators = "".join(f", {name}" for name in about["cuda"]["devices"])
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']:.0f} GB{accelerators}; "
        f"{about['torch_threads']} torch threads; {versions}"
    )


def finish(
    question: str, given: argparse.Namespace, rows: Sequence[Mapping[str, Any]], ratios: Mapping[str, float]
) -> pd.DataFrame:
    """Print the table, the ratios and the machine; write what ``--json`` and ``--record`` ask for; return the table.

    Parameters
    ----------
    question : name of the benchmark in the history
    given : the parsed options of :func:`parser`
    rows : of the table
    ratios : what of it can be compared with another day's and another machine's
    """
    from ferdis.run_folder import environment

    table, words, shown = pd.DataFrame(list(rows)), machine(), {k: round(float(v), 3) for k, v in ratios.items()}
    with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_colwidth", 60):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(words)
    for name, value in shown.items():
        print(f"{name}: {value:g}")
    about = environment()
    line = {"question": question, "version": about["ferdis"], "commit": about["commit"], "time": about["time"]}
    line |= {"machine": words, "ratios": shown}
    if given.json is not None:
        records = json.loads(table.to_json(orient="records"))
        given.json.write_text(json.dumps({**line, "rows": records}, indent=1) + "\n", encoding="utf-8")
    if given.record:
        with given.history.open("a", encoding="utf-8") as history:
            history.write(json.dumps(line) + "\n")
    return table
