"""How long an audit takes, and how much memory: fingerprints of JPEG files, and the search for copies among them.

    python benchmarks/audit.py [--images 100000] [--files 500] [--copies 200] [--json FILE]

The images are mixtures of a few hundred rendered faces and noise, each under a name of its own, so that as many pairs
are likely copies at first sight as in a set of aligned faces; ``--copies`` of them are real ones (JPEG 30, moved by a
pixel), which the search must find. Fingerprints are measured apart: a million images need not be drawn to know what one
costs. Files are JPEGs of 224 to 400 pixels a side, decoded once each.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring import finish, parser, peak_mb
from PIL import Image

from ferdis import load
from ferdis.preprocess.originals import map_files
from ferdis.protocol.near_duplicates import NEAR_DUPLICATE, Prints, fingerprint, similar

SIDE = 96  # pixels of the images that are searched: their fingerprints hold 48x48


def drawn(count: int, **options: int) -> np.ndarray:
    """That many rendered faces, drawn one after another: what the search needs is to be the peak of memory."""
    faces = load("synthetic", images_per_expression=1, cache=False, **options)
    return np.concatenate([faces.pixels([row]) for row in range(min(count, len(faces)))])


def mixtures(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One image of two faces (2, H, W, 3), each moved, and of coarse noise: (H, W, 3) uint8."""
    share = rng.uniform(0.25, 0.75)
    rolled = [np.roll(face, rng.integers(-3, 4, 2), axis=(0, 1)).astype(np.float32) for face in faces]
    cells = rng.normal(0, 25, (SIDE // 8, SIDE // 8, 1)).astype(np.float32)
    noise = np.repeat(np.repeat(cells, 8, axis=0), 8, axis=1)
    return np.clip(share * rolled[0] + (1 - share) * rolled[1] + noise, 0, 255).astype(np.uint8)


def copied(image: np.ndarray) -> np.ndarray:
    """The image a pixel to the right, as JPEG of quality 30 gives it back."""
    file = io.BytesIO()
    Image.fromarray(np.roll(image, 1, axis=1)).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def seconds_a_file(count: int) -> float:
    """Seconds that one JPEG takes from the disk to its fingerprint, with all cores."""
    faces = drawn(50, people=8, image_size=400)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.jpg" for number in range(count)]
        for number, file in enumerate(files):
            side = 224 + 176 * number // count
            Image.fromarray(faces[number % len(faces)]).resize((side, side)).save(file, quality=90)
        started = time.perf_counter()
        map_files(fingerprint, files)
        return (time.perf_counter() - started) / count


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it."""
    options = parser(__doc__, threads=torch.get_num_threads())
    options.add_argument("--images", type=int, default=100_000)
    options.add_argument("--files", type=int, default=500)
    options.add_argument("--copies", type=int, default=200)
    given = options.parse_args(argv)
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    file_seconds = seconds_a_file(given.files)
    people = drawn(400, people=60, image_size=SIDE)
    prints, spent = [], 0.0
    for number in range(given.images):
        image = mixtures(people[rng.integers(0, len(people), 2)], rng)
        started = time.perf_counter()
        prints.append(fingerprint(image))
        spent += time.perf_counter() - started
        if number < given.copies:
            prints.append(fingerprint(copied(image)))
    stacked = Prints.stack(prints)
    del prints
    before = peak_mb() / 1e3
    started = time.perf_counter()
    found = similar(stacked, stacked, NEAR_DUPLICATE, subject=np.arange(len(stacked)).astype(str))
    search = time.perf_counter() - started
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    caught = sum((2 * number, 2 * number + 1) in pairs for number in range(given.copies))
    row = {
        "images": given.images,
        "cores": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        "ms a JPEG file": 1e3 * file_seconds,
        "ms an array": 1e3 * spent / given.images,
        "search, s": search,
        "files and search, s": file_seconds * given.images + search,
        "memory before the search, GB": before,
        "memory, GB": peak_mb() / 1e3,
        "copies caught": f"{caught} of {given.copies}",
        "others taken for one": len(pairs) - caught,
    }
    return finish("audit", given, [row], {"ms a JPEG file to ms an array": row["ms a JPEG file"] / row["ms an array"]})


if __name__ == "__main__":
    main()
