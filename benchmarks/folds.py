"""Folds trained together against folds trained one after the other, measured in one run.

    python benchmarks/folds.py [--systems cnn relgan] [--folds 2 10] [--seconds 20] [--threads 1] [--json FILE]

The systems are those of ``small()``. Their folds train on synthetic people; every other step is fused, so that other
load on the machine affects both ways alike. Times are medians of steps of the first stage, all folds together, from the
batch to the optimisers. ``ratio`` is that of fused to separate; ``times_one`` says how many times as long as a single
fold all of them take when they are fused.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch
from measuring import finish, parser

from ferdis import Faces, SubjectKFold, load, systems
from ferdis.training.fused import Watch, together


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it."""
    options = parser(__doc__)
    options.add_argument("--systems", nargs="+", default=["cnn", "relgan"])
    options.add_argument("--folds", type=int, nargs="+", default=[2, 10])
    options.add_argument("--seconds", type=float, default=20.0, help="of timed steps, for each system and number")
    options.add_argument("--precision", default="auto")
    given = options.parse_args(argv)
    torch.set_num_threads(given.threads)
    drawn = load("synthetic", people=20, images_per_expression=1, image_size=72, cache=False)
    faces = Faces(drawn.pixels(), drawn.table, drawn.attrs)  # in memory: what draws them is not timed
    rows = list(measured(given, faces))
    ratios = {
        f"{row['system']}, {row['folds']} folds, {given.precision}: fused to separate": row["ratio"] for row in rows
    }
    return finish("folds", given, rows, ratios)


def measured(given: argparse.Namespace, faces: Faces) -> Iterator[dict[str, Any]]:
    """One record for each system and number of folds."""
    for name in given.systems:
        system = systems.get(name).small(precision=given.precision, progress=False, logger=None, epochs=1000)
        for count in given.folds:
            folds = SubjectKFold(count, validation_folds=0).split(faces)
            watch = Watch(given.seconds)
            for _ in together([partial(fit, system, faces[fold.train]) for fold in folds], watch):
                pass
            fused, apart = (statistics.median(watch.seconds[kind]) for kind in (True, False))
            yield {
                "system": name,
                "folds": count,
                "batch_size": system.batch_size,
                "fused_s": round(fused, 5),
                "separate_s": round(apart, 5),
                "ratio": round(fused / apart, 3),
                "times_one": round(fused / (apart / count), 2),
                "timed_steps": [len(watch.seconds[kind]) for kind in (True, False)],
                "spread": [spread(watch.seconds[kind]) for kind in (True, False)],
            }


def fit(system: Any, faces: Faces) -> None:
    """Train until the watch has seen enough."""
    type(system)(**system.get_params(deep=False)).fit(faces)


def spread(values: Sequence[float]) -> float | None:
    """Distance of the quartiles as a share of the median; None for fewer than four."""
    if len(values) < 4:
        return None
    low, middle, high = statistics.quantiles(values, n=4)
    return round((high - low) / middle, 2)


if __name__ == "__main__":
    main()
