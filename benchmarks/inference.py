"""How fast a classifier names expressions: torch, torch.compile, and its ONNX files; measured in one run.

    python benchmarks/inference.py [MODEL] [--rounds 7] [--threads 1 2] [--batches 1 32] [--out inference.csv]

``MODEL`` is a saved classifier or a fold of a run; without one a small IF-GAN with random weights (speed does not ask
what they are). Every way is measured in turn, round after round, so that whatever else the machine does falls on all of
them alike; a time is the median over rounds, a ratio is to torch as it is with the same batch and threads. With the
detector, the image of each face (400 x 400 pixels) goes through MTCNN and alignment first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import torch

from ferdis import IFGAN, load, run_folder
from ferdis.export import OnnxModel, export
from ferdis.export.graph import Graph
from ferdis.faces import Faces
from ferdis.preprocess.align import Aligner
from ferdis.saved_models import find_model, load_model

PICTURE = 400  # pixels a side of what the detector sees
SECONDS = 0.2  # a round of one way lasts at least so long

Way = Callable[[np.ndarray], Any]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it: batch, threads, detector, way, milliseconds a face, ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    faces = load("synthetic", people=16, images_per_expression=1, image_size=128, cache=False)[:64]
    system, training = fitted(given.model, faces)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.onnx" for name in ("ONNX float", "ONNX int8")}
        export(system, files["ONNX float"], training=training)
        export(system, files["ONNX int8"], training=training, int8=True)
        for threads in given.threads:
            torch.set_num_threads(threads)
            ways, absent = ways_of(system, files, threads)
            for batch in given.batches:
                rows += measure(ways, np.resize(faces.pixels(), (batch, *faces.shape[1:])), given.rounds, threads)
            for name, reason in absent.items():
                print(f"{name} with {threads} threads is not there: {reason}", file=sys.stderr)
    table = pd.DataFrame(rows)
    eager = table[table["way"] == "torch"].set_index(["threads", "batch", "detector"])["ms_a_face"]
    keys = pd.MultiIndex.from_frame(table[["threads", "batch", "detector"]])
    table["times_faster"] = eager.reindex(keys).to_numpy() / table["ms_a_face"]
    tell(table, system, given.rounds)
    if given.out:
        table.to_csv(given.out, index=False)
    return table


def fitted(model: str | None, faces: Faces) -> tuple[Any, Faces]:
    """A classifier on the CPU, and faces that pass for those of its training: int8 is to be timed, not trusted."""
    if model is None:
        return IFGAN.small(epochs=1, progress=False, logger=None, accelerator="cpu").fit(faces), faces
    system = load_model(find_model(model))
    system.training_digest_ = faces.digest()
    return system, faces


def ways_of(system: Any, files: dict[str, Path], threads: int) -> tuple[dict[str, Way], dict[str, str]]:
    """What is compared, by name, each from uint8 crops to probabilities; and what this machine cannot do, and why."""
    graph = Graph(system, "predict_proba").eval()

    def torch_way(network: Any) -> Way:
        def run(crops: np.ndarray) -> Any:
            with torch.inference_mode():
                return network(torch.from_numpy(crops))

        return run

    ways, absent = {"torch": torch_way(graph)}, {}
    compiled = torch_way(torch.compile(graph, dynamic=False))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled(np.zeros((1, 128, 128, 3), np.uint8))
        ways["torch.compile"] = compiled
    except Exception as error:  # no compiler, or none that works: the others can be measured all the same
        absent["torch.compile"] = str(error).strip().splitlines()[0]
    for name, path in files.items():
        model = OnnxModel(path, threads)
        ways[name] = lambda crops, model=model: model(faces=crops)  # type: ignore[misc]
    return ways, absent


def measure(ways: dict[str, Way], crops: np.ndarray, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Milliseconds a face of every way, without the detector and with it; all ways in every round."""
    aligner, batch = Aligner(), len(crops)
    pictures = list(np.kron(crops, np.ones((1, 3, 3, 1), np.uint8))[:, :PICTURE, :PICTURE])
    everything: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, way in ways.items():
        everything[name, "no"] = lambda way=way: way(crops)  # type: ignore[misc]
        everything[name, "yes"] = lambda way=way: way(aligner(pictures, crops.shape[1])[0])  # type: ignore[misc]
    for run in everything.values():
        run()  # compiled, allocated, loaded
    times: dict[tuple[str, str], list[float]] = {key: [] for key in everything}
    for _ in range(rounds):
        for key, run in everything.items():
            done, start = 0, time.perf_counter()
            while done == 0 or time.perf_counter() - start < SECONDS:
                run()
                done += 1
            times[key].append((time.perf_counter() - start) / done)
    return [
        {
            "threads": threads,
            "batch": batch,
            "detector": detector,
            "way": name,
            "ms_a_face": 1000 * statistics.median(values) / batch,
            "spread": (max(values) - min(values)) / statistics.median(values),
        }
        for (name, detector), values in times.items()
    ]


def tell(table: pd.DataFrame, system: Any, rounds: int) -> None:
    """Print the table, and what it was measured on."""
    machine = run_folder.environment()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{type(system).__name__}, {system.crop_size} pixels, {system.flops() / 1e9:.2f} GFLOP a face; {rounds} rounds"
    )
    print(f"{machine['processor']}, {usable} of {machine['cores']} cores; torch {torch.__version__}, onnxruntime "
          f"{onnxruntime.__version__}; medians, spread = (longest - shortest) / median")  # fmt: skip
    shown = table.assign(
        ms_a_face=table["ms_a_face"].map("{:.2f}".format),
        spread=table["spread"].map("{:.0%}".format),
        times_faster=table["times_faster"].map("{:.2f}".format),
    )
    print(shown.sort_values(["detector", "batch", "threads"], kind="stable").to_string(index=False))


if __name__ == "__main__":
    main()
