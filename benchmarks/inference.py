"""Speed of a classifier in torch, torch.compile, and as ONNX files, measured in one run.

    python benchmarks/inference.py [MODEL] [--rounds 7] [--threads 1 2] [--batches 1 32] [--json FILE]

``MODEL`` is a saved classifier or a fold of a run; by default a small IF-GAN with random weights (speed does not depend
on them). Every variant is measured in turn in every round, so that other load on the machine affects all of them alike;
times are medians over rounds, ratios are to plain torch with the same batch size and threads. With the detector, the
image of each face (400 x 400 pixels) passes through MTCNN and alignment first.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import finish, parser

from ferdis import IFGAN, load
from ferdis.export import OnnxModel, export
from ferdis.export.graph import Graph
from ferdis.faces import Faces
from ferdis.preprocess.align import Aligner
from ferdis.saved_models import find_model, load_model

IMAGE = 400  # side of the detector's input, pixels
SECONDS = 0.2  # smallest duration of one variant in a round

Way = Callable[[np.ndarray], Any]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it: batch, threads, detector, way, milliseconds per face, ratio."""
    options = parser(__doc__, rounds=7)
    options.add_argument("model", nargs="?")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    given = options.parse_args(argv)
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
                print(f"{name} with {threads} threads is not available: {reason}", file=sys.stderr)
    table = pd.DataFrame(rows)
    eager = table[table["way"] == "torch"].set_index(["threads", "batch", "detector"])["ms_per_face"]
    keys = pd.MultiIndex.from_frame(table[["threads", "batch", "detector"]])
    table["times_faster"] = eager.reindex(keys).to_numpy() / table["ms_per_face"]
    table = table.sort_values(["detector", "batch", "threads"], kind="stable")
    print(f"{type(system).__name__}, {system.crop_size} pixels, {system.flops() / 1e9:.2f} GFLOP a face")
    ratios = {
        f"{row.way}, batch {row.batch}, {row.threads} threads, detector {row.detector}": row.times_faster
        for row in table.itertuples()
        if row.way != "torch"
    }
    return finish("inference", given, table.to_dict("records"), ratios)


def fitted(model: str | None, faces: Faces) -> tuple[Any, Faces]:
    """A classifier on the CPU, and faces that stand in for its training faces: int8 is timed here, not used."""
    if model is None:
        return IFGAN.small(epochs=1, progress=False, logger=None, accelerator="cpu").fit(faces), faces
    system = load_model(find_model(model))
    system.training_digest_ = faces.digest()
    return system, faces


def ways_of(system: Any, files: dict[str, Path], threads: int) -> tuple[dict[str, Way], dict[str, str]]:
    """The variants by name, each from uint8 crops to probabilities; and those this machine cannot run, with why."""
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
    except Exception as error:  # no working compiler: the other variants can be measured all the same
        absent["torch.compile"] = str(error).strip().splitlines()[0]
    for name, path in files.items():
        model = OnnxModel(path, threads)
        ways[name] = lambda crops, model=model: model(faces=crops)  # type: ignore[misc]
    return ways, absent


def measure(ways: dict[str, Way], crops: np.ndarray, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Milliseconds per face of every variant, without and with the detector; all variants in every round."""
    aligner, batch = Aligner(), len(crops)
    images = list(np.kron(crops, np.ones((1, 3, 3, 1), np.uint8))[:, :IMAGE, :IMAGE])
    everything: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, way in ways.items():
        everything[name, "no"] = lambda way=way: way(crops)  # type: ignore[misc]
        everything[name, "yes"] = lambda way=way: way(aligner(images, crops.shape[1])[0])  # type: ignore[misc]
    for run in everything.values():
        run()  # warm up: compile, allocate, load
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
            "ms_per_face": 1000 * statistics.median(values) / batch,
            "spread": (max(values) - min(values)) / statistics.median(values),
        }
        for (name, detector), values in times.items()
    ]


if __name__ == "__main__":
    main()
