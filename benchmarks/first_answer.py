"""How long a user waits: for help, for an error, for the first answer, and for each further image.

    python benchmarks/first_answer.py [--images FOLDER] [--count 64] [--only processes faces threads]

``processes`` are whole processes, from the shell to their end, with the files they read already in memory: ``ferdis
--help``, a misspelt argument, ``ferdis predict`` of one image with the recogniser that ships with ferdis, and an empty
Python beside them. ``faces`` is what a loaded recogniser does with crops and with whole images, on one core.
``threads`` compares one and two threads, image by image: processor time that grows is threads that wait for each other.
Images are those below ``FOLDER``, by default ``$FERDIS_SHARED/data/wild/images``, otherwise synthetic people.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from inputs import photographs
from measuring import finish, in_turns, medians_by_kind, parser, peak_mb, timed
from PIL import Image

from ferdis import load
from ferdis.predict import Predictor
from ferdis.preprocess.images import read_image

PARTS = ("processes", "faces", "threads")
WANTED = {"ferdis --help": 0.3, "an argument error": 1.0, "ferdis predict photo.jpg": 1.5}  # seconds
CROPS, WHOLE = 60, 12  # a second


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--images", type=Path, help="folder of photographs")
    options.add_argument("--count", type=int, default=64)
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options.add_argument("--child", help=argparse.SUPPRESS)  # a process that `threads` starts
    given = options.parse_args(argv)
    if given.child is not None:
        return pd.DataFrame([_in_child(Path(given.child), given.rounds)])
    images = _images(given)
    answers = {"processes": processes, "faces": faces, "threads": threads}
    rows, ratios = [], {}
    for name in given.only:
        found, shares = answers[name](images, given)
        rows, ratios = rows + found, ratios | shares
    return finish("first answer", given, rows, ratios)


def _images(given: argparse.Namespace) -> list[np.ndarray]:
    """Images as arrays, not all of one size where they are photographs."""
    found = [read_image(path) for path in photographs(given)]
    people = -(-given.count // 7)
    return found or list(
        load("synthetic", people=people, expressions=7, images_per_expression=1, image_size=400).pixels()[: given.count]
    )


def processes(images: Sequence[np.ndarray], given: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Seconds of whole processes: on the clock, and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        Image.fromarray(images[0]).save(photo, quality=92)
        ferdis = [sys.executable, "-m", "ferdis"]
        commands = {
            "an empty Python": [sys.executable, "-c", "pass"],
            "ferdis --help": [*ferdis, "--help"],
            "an argument error": [*ferdis, "kfold", "--system", "ifgan", "--ifgan.epoch", "3"],
            "ferdis predict photo.jpg": [*ferdis, "predict", str(photo)],
        }
        for line in commands.values():
            _process(line)  # the files it reads are in memory from now on
        clocks = {"processor": _child, "clock": time.perf_counter}
        ways = {name: partial(timed, partial(_process, line), clocks) for name, line in commands.items()}
        spent = medians_by_kind(ways, given.rounds)
    rows = [
        {"what": name, "processor s": took["processor"], "clock s": took["clock"], "wanted s": WANTED.get(name)}
        for name, took in spent.items()
    ]
    empty = spent["an empty Python"]["processor"]
    return rows, {f"{name}, times an empty Python": spent[name]["processor"] / empty for name in WANTED}


def _process(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}")


def _child() -> float:
    """Processor seconds of all processes that were started and have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def faces(images: Sequence[np.ndarray], given: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Faces and images per second of one core, in a process that has the recogniser loaded."""
    os.environ["OMP_NUM_THREADS"] = "1"
    whole, cropped = Predictor.load(faces="one"), Predictor.load(crops=True)
    crops = list(whole.align(images)[0]) or list(images)
    ways: dict[str, Callable[[], Any]] = {
        "crops, all at once": lambda: cropped(crops),
        "crops, one by one": lambda: [cropped([crop]) for crop in crops],
        "images, all at once": lambda: whole(list(images)),
        "images, one by one": lambda: [whole([image]) for image in images],
    }
    spent = in_turns(ways, min(3, given.rounds))
    rows = [
        {"what": name, "per second": len(crops if "crop" in name else images) / seconds,
         "wanted per second": CROPS if "crop" in name else WHOLE, "peak MB": peak_mb()}
        for name, seconds in spent.items()
    ]  # fmt: skip
    return rows, {f"{row['what']}, share of the wanted": row["per second"] / row["wanted per second"] for row in rows}


def threads(images: Sequence[np.ndarray], given: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Detector and recogniser image by image, in processes of one and of two threads that take turns."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "images.npz", *images[:16])

        def run(count: int) -> dict[str, float]:
            command = [sys.executable, __file__, "--child", str(Path(folder) / "images.npz"), "--rounds", "2"]
            environment = {**os.environ, "OMP_NUM_THREADS": str(count)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            return found

        spent = medians_by_kind({count: partial(run, count) for count in (1, 2)}, min(3, given.rounds))
    rows = [
        {"what": f"image by image, {count} threads", "processor ms": 1e3 * took["processor"],
         "clock ms": 1e3 * took["clock"]}
        for count, took in spent.items()
    ]  # fmt: skip
    return rows, {f"two threads to one, {kind}": spent[1][kind] / spent[2][kind] for kind in spent[1]}


def _in_child(path: Path, rounds: int) -> dict[str, float]:
    """Seconds per image, printed as JSON: of the processor, and on the clock."""
    with np.load(path) as stored:
        images = [stored[name] for name in stored.files]
    predictor = Predictor.load()

    def run() -> None:
        for image in images:
            predictor([image])

    run()  # the first one also warms up
    both = {"processor": time.process_time, "clock": time.perf_counter}
    spent = medians_by_kind({"all": partial(timed, run, both)}, rounds)["all"]
    found = {kind: seconds / len(images) for kind, seconds in spent.items()}
    print(json.dumps(found))
    return found


if __name__ == "__main__":
    main()
