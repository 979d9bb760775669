"""Measure the synthetic people against their requirements: ``python -m tools.check_synthetic_people``.

It prints the tables of seven measurements, each required figure beside the measured one, and a summary; the exit
status is 1 if any fails. All checks take about a quarter of an hour on two cores, ``--quick`` a few minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from tools.synthetic_checks import Measurement, detection, expressions, people, real, speed, units
from tools.synthetic_checks.sets import SETS

CHECKS: dict[int, Callable[[bool, str], Measurement]] = {
    1: detection.measure,
    2: units.measure_locality,
    3: units.measure_readback,
    4: expressions.measure,
    5: people.measure,
    6: speed.measure,
    7: real.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen checks; returns 0 if all requirements are met."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_synthetic_people", description=__doc__.split("\n")[0])
    parser.add_argument("--name", default="synthetic", choices=SETS, help="which people: $FERDIS_FACEKIT for facekit")
    parser.add_argument("--only", type=int, nargs="+", choices=sorted(CHECKS), help="numbers of the checks to run")
    parser.add_argument("--quick", action="store_true", help="smaller samples: a rough answer in minutes")
    chosen = parser.parse_args(arguments)
    results: list[Measurement] = []
    for number in chosen.only or sorted(CHECKS):
        started = time.perf_counter()
        results.append(CHECKS[number](chosen.quick, chosen.name))
        print(results[-1], f"({time.perf_counter() - started:.0f} s)\n", sep="\n", flush=True)
    print("== Summary")
    for result in results:
        for line in result.demands or result.remarks[:1]:
            print(f"{result.title[:2]} {line}")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
