"""Speed of face alignment and of the image cache.

    python benchmarks/preprocessing.py align [--images FOLDER] [--count 256] [--threads 1 2]
    python benchmarks/preprocessing.py cache [--rows 100000] [--sizes 48 128] [--folder TMP] [--kinds crops rendered]

``align`` detects and crops the images below ``FOLDER`` (by default synthetic people) in parts of 64, as a data set is
loaded, and prints images per second and how many faces were found.

``cache`` writes that many noise images through ``prepare`` and through a renderer, whose own cost is nearly nothing,
and reads all of them back in batches of 64 rows in random order: once with the files dropped from the system's memory
(cold), once right after (warm). It prints rows per second and the bytes on disk. At 128 pixels 100,000 rows take 5 GB.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from ferdis import load
from ferdis.datasets.synthetic.lazy import Recipes, RenderedImages
from ferdis.preprocess import prepare
from ferdis.preprocess.align import Aligner
from ferdis.preprocess.images import read_image

BATCH = 64
POOL = 256  # different noise images


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="what", required=True)
    align = verbs.add_parser("align")
    align.add_argument("--images", type=Path)
    align.add_argument("--count", type=int, default=256)
    align.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    align.add_argument("--size", type=int, default=128)
    cache = verbs.add_parser("cache")
    cache.add_argument("--rows", type=int, default=100_000)
    cache.add_argument("--sizes", type=int, nargs="+", default=[48, 128])
    cache.add_argument("--kinds", nargs="+", choices=["crops", "rendered"], default=["crops", "rendered"])
    cache.add_argument("--folder", type=Path, help="where the cache is made (and removed again)")
    given = parser.parse_args(argv)
    table = pd.DataFrame(list(alignment(given) if given.what == "align" else caching(given)))
    print(table.to_string(index=False))
    return table


def alignment(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Images per second, and faces found, for each number of threads."""
    if given.images:
        files = sorted(path for path in given.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        files = files[:: max(1, len(files) // given.count)][: given.count]
        images = [read_image(file) for file in files]
    else:
        images = list(load("synthetic", people=given.count, expressions=1, images_per_expression=1).pixels())
    aligner = Aligner()
    aligner(images[:2], given.size)  # loads the networks
    for threads in given.threads:
        torch.set_num_threads(threads)
        start, found = time.perf_counter(), 0
        for first in range(0, len(images), BATCH):
            found += int(aligner(images[first : first + BATCH], given.size)[1].found.sum())
        seconds = time.perf_counter() - start
        rate = round(len(images) / seconds, 1)
        yield {"threads": threads, "images": len(images), "found": found, "images_per_second": rate}


def caching(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows per second of both caches, at each size."""
    for size in given.sizes:
        for kind in given.kinds:
            folder = Path(tempfile.mkdtemp(dir=given.folder))
            try:
                yield {"cache": kind, "size": size, "rows": given.rows, **_cached(kind, given.rows, size, folder)}
            finally:
                shutil.rmtree(folder)


def _cached(kind: str, rows: int, size: int, folder: Path) -> dict[str, Any]:
    cache = folder / "cache"
    table = _linked(folder, rows) if kind == "crops" else pd.DataFrame()
    start = time.perf_counter()
    if kind == "crops":
        images: Any = _crops(table, size, cache)
    else:
        images = NoiseRenderer(_recipes(rows), size, cache)
        for first in range(0, rows, 4 * BATCH):
            images[first : first + 4 * BATCH]
    written = time.perf_counter() - start
    start = time.perf_counter()
    if kind == "crops":
        images = _crops(table, size, cache)
    opened = time.perf_counter() - start
    files = [file for file in cache.rglob("*") if file.is_file()]
    for file in files:
        _forget(file)
    order, seconds = np.random.default_rng(0).permutation(rows), []
    for _ in ("cold", "warm"):
        fresh = pickle.loads(pickle.dumps(images))  # noqa: S301 (as in another process: nothing is held)
        start = time.perf_counter()
        for first in range(0, rows, BATCH):
            fresh[order[first : first + BATCH]]
        seconds.append(time.perf_counter() - start)
    return {
        "write_rows_per_second": round(rows / written), "open_again_seconds": round(opened, 1),
        "cold_rows_per_second": round(rows / seconds[0]), "warm_rows_per_second": round(rows / seconds[1]),
        "bytes_per_row": round(sum(file.stat().st_size for file in files) / rows),
    }  # fmt: skip


def _forget(file: Path) -> None:
    """Drop a file from the system's memory."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _linked(folder: Path, rows: int) -> pd.DataFrame:
    """As many names of one tiny image as there are rows."""
    Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(folder / "one.bmp")
    paths = [str(folder / f"{row:06d}.bmp") for row in range(rows)]
    for path in paths:
        os.symlink(folder / "one.bmp", path)  # noqa: PTH211 (a hundred thousand Paths take seconds)
    return pd.DataFrame({"path": paths, "expression": "neutral", "subject": "a"})


def _crops(table: pd.DataFrame, size: int, cache: Path) -> Any:
    return prepare(list(table["path"]), table, image_size=size, align=Noise(), cache=cache, progress=False).images


def _noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


class Noise:
    """A preprocessor that costs next to nothing."""

    name, version, digest = "noise", 1, "noise"
    params: dict[str, Any] = {}  # noqa: RUF012

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, None]:
        """Noise for every image."""
        if not hasattr(self, "pool"):
            self.pool = _noise(POOL, size)
        return self.pool[: len(images)], None


class NoiseRenderer(RenderedImages):
    """Draws noise."""

    def chunks(self, recipes: Recipes) -> Iterator[tuple[slice, Any]]:
        """Noise in parts of 16, as faces are rendered."""
        pool = _noise(16, self.size)
        for start in range(0, len(recipes), 16):
            rows = slice(start, min(start + 16, len(recipes)))
            yield rows, SimpleNamespace(images=pool[: rows.stop - rows.start])


def _recipes(rows: int) -> Recipes:
    """Recipes that are all different."""
    faces = load("synthetic", people=1, expressions=["neutral"], images_per_expression=1, cache=False)
    one: Recipes = faces.images.recipes
    person = np.arange(rows, dtype=one.person.dtype)
    repeated = [np.repeat(values, rows, axis=0) for values in (one.seed, one.au_left, one.au_right, one.scene)]
    return Recipes(repeated[0], person, *repeated[1:])


if __name__ == "__main__":
    main()
