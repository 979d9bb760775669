"""How fast images come in: listing, alignment, rendering, and the caches of crops.

    python benchmarks/inputs.py index [--count 100000]
    python benchmarks/inputs.py align [--images FOLDER] [--count 128]
    python benchmarks/inputs.py render [--facekit FOLDER] [--count 128]
    python benchmarks/inputs.py photographs [--images FOLDER] [--count 200]
    python benchmarks/inputs.py protocol [--count 20000]
    python benchmarks/inputs.py cache [--count 100000] [--sizes 48 128] [--folder TMP] [--kinds crops rendered]

``index`` makes a folder of so many files and a ``faces.csv``, and reads its table twice. ``align`` finds and crops the
faces of the images below ``FOLDER`` (by default ``$FERDIS_SHARED/data/wild/images``, otherwise synthetic people) in
parts of 64, in torch and in ONNX Runtime, beside facenet-pytorch's own loop over the same images. ``render`` draws
synthetic people, and those of a measured face model where its folder is given. ``photographs`` fills a new cache with
crops of photographs and says what 10,000 would take.
``protocol`` splits so many images by person, then twice the images, people and folds, and gives each growth as an
exponent. ``cache`` writes noise through ``prepare`` and through a renderer, whose own cost is nearly
nothing, and reads all of it back in batches of 64 rows in random order: once with the files dropped from the system's
memory (cold), once right after (warm). At 128 pixels 100,000 rows take 5 GB.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import finish, growth, in_turns, parser, peak_mb
from PIL import Image

from ferdis import Faces, SubjectKFold, load
from ferdis.datasets.manifest import Manifest
from ferdis.datasets.synthetic.lazy import Recipes, RenderedImages
from ferdis.preprocess import prepare
from ferdis.preprocess.align import Aligner
from ferdis.preprocess.images import read_image

BATCH = 64
POOL = 256  # different noise images
COUNTS = {"index": 100_000, "align": 128, "render": 128, "photographs": 200, "protocol": 20_000, "cache": 100_000}
WILD = Path(os.environ.get("FERDIS_SHARED", "")) / "data/wild/images"
Answer = tuple[list[dict[str, Any]], dict[str, float]]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it."""
    options = parser(__doc__)
    options.add_argument("question", choices=COUNTS)
    options.add_argument("--count", type=int, help=", ".join(f"{name}: {count}" for name, count in COUNTS.items()))
    options.add_argument("--images", type=Path, help="folder of photographs")
    options.add_argument("--facekit", type=Path, help="folder of a measured face model")
    options.add_argument("--size", type=int, default=128, help="side of the crops and of the rendered images")
    options.add_argument("--sizes", type=int, nargs="+", default=[48, 128])
    options.add_argument("--kinds", nargs="+", choices=["crops", "rendered"], default=["crops", "rendered"])
    options.add_argument("--folder", type=Path, help="where a cache is made (and removed again)")
    given = options.parse_args(argv)
    given.count = given.count or COUNTS[given.question]
    torch.set_num_threads(given.threads)
    rows, ratios = ANSWERS[given.question](given)
    return finish(f"inputs {given.question}", given, rows, ratios)


def indexing(given: argparse.Namespace) -> Answer:
    """Seconds to the table of a set of so many images, and of half as many."""
    rows = []
    for count in (given.count // 2, given.count):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            _listed(Path(folder), count)
            seconds, clock = [], []
            for _ in range(2):
                start, began = time.process_time(), time.perf_counter()
                found = len(Manifest(folder, progress=False).table()[0])
                seconds.append(time.process_time() - start)
                clock.append(time.perf_counter() - began)
        rows.append({"images": found, "first, s": seconds[0], "again, s": seconds[1], "again on the clock, s": clock[1],
                     "peak MB": peak_mb()})  # fmt: skip
    exponent = growth([row["images"] for row in rows], [row["again, s"] for row in rows])
    return rows, {"index: growth with the images": exponent}


def _listed(folder: Path, count: int) -> None:
    """A set of empty files in folders of 200, one subject each, and its ``faces.csv``."""
    lines = ["path,expression,subject"]
    for number in range(count):
        subject = f"{number // 200:05d}"
        if number % 200 == 0:
            (folder / subject).mkdir()
        name = f"{subject}/{number:07d}.jpg"
        with open(os.path.join(folder, name), "wb"):  # noqa: PTH123, PTH118 (a hundred thousand Paths take seconds)
            pass
        lines.append(f"{name},{('happiness', 'sadness')[number % 2]},{subject}")
    (folder / "faces.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def photographs(given: argparse.Namespace) -> list[Path]:
    """So many images below ``--images``, by default photographs of $FERDIS_SHARED; none where there are none."""
    folder = given.images or (WILD if WILD.is_dir() else None)
    if folder is None:
        return []
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise SystemExit(f"--images {folder}: there is no .jpg or .png")
    return [found[place] for place in np.linspace(0, len(found) - 1, given.count).astype(int)]


def alignment(given: argparse.Namespace) -> Answer:
    """Images per second, ours and facenet-pytorch's own loop."""
    from facenet_pytorch import MTCNN

    files = photographs(given)
    images = [read_image(path) for path in files]
    images = images or list(load("synthetic", people=-(-given.count // 7), expressions=7, images_per_expression=1,
                                 image_size=400, cache=False).pixels()[: given.count])  # fmt: skip
    pictures, theirs, found = [Image.fromarray(image) for image in images], MTCNN(image_size=given.size), {}

    def loop() -> None:
        found["facenet-pytorch"] = sum(theirs(picture) is not None for picture in pictures)

    def parts(device: str) -> Callable[[], None]:
        aligner = Aligner(device)

        def run() -> None:
            starts = range(0, len(images), BATCH)
            found[device] = sum(int(aligner(images[i : i + BATCH], given.size)[1].found.sum()) for i in starts)

        return run

    ways = {"facenet-pytorch": loop, "cpu": parts("cpu"), "onnx": parts("onnx")}
    spent = in_turns(ways, given.rounds, _clock(given))
    rows = [{"way": name, "threads": given.threads, "images": len(images), "found": found[name],
             "ms per image": 1e3 * seconds / len(images), "images per second": len(images) / seconds,
             "times facenet-pytorch": spent["facenet-pytorch"] / seconds, "peak MB": peak_mb()}
            for name, seconds in spent.items()]  # fmt: skip
    return rows, {f"align: {row['way']}, times facenet-pytorch": row["times facenet-pytorch"] for row in rows[1:]}


def rendering(given: argparse.Namespace) -> Answer:
    """Images per second of the renderers, without a cache: of processor time, with several threads by the clock."""
    people = max(1, given.count // 14)
    ways = {"synthetic": lambda: _drawn("synthetic", people, given.size)}
    if given.facekit is not None:
        ways["facekit"] = lambda: _drawn("facekit", people, given.size, root=given.facekit)
    spent = in_turns(ways, given.rounds, _clock(given))
    rows = [{"renderer": name, "threads": given.threads, "size": given.size, "images": 14 * people,
             "ms per image": 1e3 * seconds / 14 / people, "images per second": 14 * people / seconds,
             "peak MB": peak_mb()}
            for name, seconds in spent.items()]  # fmt: skip
    return rows, {f"render: {row['renderer']}, images per second": row["images per second"] for row in rows}


def _clock(given: argparse.Namespace) -> Callable[[], float]:
    """Processor time, which other work does not lengthen, unless several threads share it."""
    return time.process_time if given.threads == 1 else time.perf_counter


def _drawn(name: str, people: int, size: int, **more: Any) -> None:
    load(name, people=people, expressions=7, images_per_expression=2, image_size=size, cache=False, **more).pixels()


def first_crops(given: argparse.Namespace) -> Answer:
    """Seconds to fill a new cache with crops of photographs, with its progress bar."""
    files = photographs(given)
    if not files:
        raise SystemExit("photographs: give --images FOLDER, or set FERDIS_SHARED")
    table = pd.DataFrame({"path": [str(path) for path in files], "expression": "neutral", "subject": "a"})
    Aligner()([np.zeros((64, 64, 3), np.uint8)], given.size)  # loads the networks
    folder, spent = Path(tempfile.mkdtemp(dir=given.folder)), []
    try:
        for _ in ("cold", "again"):
            start = time.process_time()
            faces = prepare(files, table, image_size=given.size, cache=folder / "cache", progress=True)
            faces.pixels()
            spent.append(time.process_time() - start)
    finally:
        shutil.rmtree(folder)
    each = spent[0] / len(files)
    row = {"photographs": len(files), "cold, s": spent[0], "again, s": spent[1], "ms per image": 1e3 * each,
           "10,000, minutes of a core": each * 10_000 / 60, "peak MB": peak_mb()}  # fmt: skip
    return [row], {"photographs: again, share of cold": spent[1] / spent[0]}


def splitting(given: argparse.Namespace) -> Answer:
    """Seconds of a split by person, with twice the images, people and folds."""
    sizes = {"as it is": (1, 1, 1), "images x2": (2, 1, 1), "people x2": (1, 2, 1), "folds x2": (1, 1, 2)}
    ways = {}
    for name, (images, subjects, folds) in sizes.items():
        rows = np.arange(given.count * images)
        table = {"expression": np.array(["happiness", "sadness", "anger"])[rows % 3],
                 "subject": [f"p{row % (100 * subjects)}" for row in rows]}  # fmt: skip
        faces = Faces(np.zeros((len(rows), 1, 1, 3), np.uint8), pd.DataFrame(table))
        ways[name] = partial(SubjectKFold(n_splits=10 * folds).split, faces)
    spent = in_turns({name: lambda split=split: list(split()) for name, split in ways.items()}, given.rounds)
    first = spent["as it is"]
    rows = [{"split": name, "ms": 1e3 * seconds, "exponent": growth([1, 2], [first, seconds])}
            for name, seconds in spent.items()]  # fmt: skip
    return rows, {f"protocol: growth with {row['split'][:-3]}": row["exponent"] for row in rows[1:]}


def caching(given: argparse.Namespace) -> Answer:
    """Rows per second of both caches, at each size."""
    rows = []
    for size in given.sizes:
        for kind in given.kinds:
            folder = Path(tempfile.mkdtemp(dir=given.folder))
            try:
                rows.append({"cache": kind, "size": size, "rows": given.count})
                rows[-1] |= _cached(kind, given.count, size, folder)
            finally:
                shutil.rmtree(folder)
    words = "warm_rows_per_second", "write_rows_per_second"
    return rows, {f"cache: {row['cache']}, {row['size']} pixels, warm to written": row[words[0]] / row[words[1]]
                  for row in rows}  # fmt: skip


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


ANSWERS: dict[str, Callable[[argparse.Namespace], Answer]] = {
    "index": indexing, "align": alignment, "render": rendering, "photographs": first_crops, "protocol": splitting,
    "cache": caching,
}  # fmt: skip

if __name__ == "__main__":
    main()
