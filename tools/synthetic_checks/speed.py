"""Speed of rendering, and memory that does not grow with the number of images."""

from __future__ import annotations

import resource
import time

import pandas as pd
import torch

from ferdis.faces import Faces
from tools.synthetic_checks import Demand, Measurement
from tools.synthetic_checks.sets import draw

REQUIRED = {"synthetic": 300, "facekit": 100}  # images per second on two cores
_MEGABYTE = 1024  # ru_maxrss counts kilobytes


def measure(quick: bool = False, name: str = "synthetic") -> Measurement:
    """Render images of 128x128 in batches that are discarded, and record time and peak memory."""
    count = 35 if quick else 140
    faces = draw(name, count, 7, 4, 128, seed=30)
    _draw(faces[:1120])
    before = _peak()
    quarter = len(faces) // 4
    started = time.perf_counter()
    _draw(faces[:quarter])
    middle, seconds = _peak(), time.perf_counter() - started
    _draw(faces[quarter:])
    total, after = time.perf_counter() - started, _peak()
    table = pd.DataFrame(
        {"images": [quarter, len(faces)], "images/s": [quarter / seconds, len(faces) / total],
         "peak memory, MB": [middle, after]}
    ).set_index("images")  # fmt: skip
    return Measurement(
        f"6. Speed and memory (128x128, {torch.get_num_threads()} threads)",
        [
            Demand("images per second", len(faces) / total, REQUIRED[name]),
            Demand(
                "growth of peak memory over four times as many images, MB",
                after - middle,
                20,
                at_least=False,
            ),
        ],
        {"rendering": table},
        [f"peak before: {before:.0f} MB"],
    )


def _draw(faces: Faces) -> None:
    for start in range(0, len(faces), 256):
        faces.pixels(slice(start, start + 256))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
