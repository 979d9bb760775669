"""Folds trained together against folds trained one after the other, measured in one run.

    python benchmarks/folds.py [--systems cnn relgan] [--folds 2 10] [--seconds 20] [--threads 1] [--out folds.json]

The systems are those of ``small()``. Their folds train on synthetic people; every other step is fused, so that other
load on the machine affects both ways alike. Times are medians of steps of the first stage, all folds together, from the
batch to the optimisers. ``ratio`` is that of fused to separate; ``times_one`` says how many times as long as a single
fold all of them take when they are fused.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ferdis import Faces, SubjectKFold, load, run_folder, systems
from ferdis.training.fused import Watch, together


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print the result as JSON and return it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["cnn", "relgan"])
    parser.add_argument("--folds", type=int, nargs="+", default=[2, 10])
    parser.add_argument("--seconds", type=float, default=20.0, help="of timed steps, for each system and number")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    drawn = load("synthetic", people=20, images_per_expression=1, image_size=72, cache=False)
    faces = Faces(drawn.pixels(), drawn.table, drawn.attrs)  # in memory: what draws them is not timed
    found = {
        "machine": run_folder.environment(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": given.threads,
        "precision": given.precision,
        "steps": list(measured(given, faces)),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    return found


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
