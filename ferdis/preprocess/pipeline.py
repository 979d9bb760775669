"""From image files and a table to Faces: decode, align, cache, and say what was not found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ferdis.faces import Faces
from ferdis.messages import named
from ferdis.preprocess.align import Aligner, Preprocessor, WholePicture, record_of
from ferdis.preprocess.cache import CropStore, Entry, MemoryStore, Source, default_directory
from ferdis.preprocess.images import UnreadableImageError, centre_crop, read_image, read_size, resize
from ferdis.preprocess.originals import CroppedImages, T, map_files
from ferdis.progress import Bar

Problems = dict[Path, Exception]

_CHUNK_IMAGES = 64  # images between two writes to the cache: what a kill can cost
_CHUNK_PIXELS = 100_000_000  # decoded pixels held at once: 300 MB


def prepare(
    paths: Sequence[str | os.PathLike[str]],
    table: pd.DataFrame,
    *,
    image_size: int = 256,
    align: bool | Preprocessor = True,
    cache: str | os.PathLike[str] | bool | None = None,
    device: str = "cpu",
    progress: bool = True,
    errors: Literal["raise", "skip"] = "raise",
) -> Faces:
    """Turn image files into Faces of one size, aligned, each decoded once.

    A face that is not found is kept: the picture's centre square stands in, ``detected`` is False, and it is
    named in the line that is printed.

    Parameters
    ----------
    paths : sequence of n paths
        Image files, in the order of the table. One file may serve several rows.
    table : DataFrame of n rows
        As :class:`~ferdis.Faces` wants it; a ``path`` column is added if there is none.
    image_size : int
        Side of the square crops in pixels.
    align : bool or Preprocessor
        True: MTCNN and similarity alignment (:class:`~ferdis.preprocess.Aligner`). False: images used as
        given, their centre square resized.
    cache : path, optional
        Cache directory; by default ``$FERDIS_CACHE`` or ``~/.cache/ferdis``. False: nothing is written; crops
        stay in memory, and with ``align=False`` images are decoded each time they are used.
    device : str
        Where MTCNN runs.
    progress : bool
        Show a progress bar while images are decoded.
    errors : {"raise", "skip"}
        What to do about images that cannot be read: an error naming them, or rows dropped and named.

    Returns
    -------
    Faces
        When aligned, with columns ``detected`` (bool) and ``detection_probability`` (0..1, NaN where nothing
        was found). ``attrs``: ``aligned``, ``preprocessing`` (name, version, params, digest), ``not_found``
        (count), ``not_found_paths``, ``skipped`` (names), ``notes`` (the lines that were printed).

    Raises
    ------
    FileNotFoundError
        If an image does not exist.
    ValueError
        If images cannot be read (:class:`~ferdis.preprocess.UnreadableImageError`), the cache directory
        cannot be written (:class:`~ferdis.preprocess.CacheError`), the table does not fit Faces, or an argument
        is wrong.
    """
    if errors not in ("raise", "skip"):
        raise ValueError(f"errors must be 'raise' or 'skip', got {errors!r}")
    if image_size < 1:
        raise ValueError(f"image_size must be at least 1 pixel, got {image_size}")
    files = [Path(path) for path in paths]
    table = _checked(table, files, image_size)
    preprocessor = (Aligner(device) if align else WholePicture()) if isinstance(align, bool) else align

    sources, problems = _look(files)
    if errors == "raise" and problems:
        raise _unreadable(problems, len(files))
    lazy = cache is False and align is False
    store = MemoryStore(image_size) if cache is False else CropStore(_directory(cache), preprocessor, image_size)
    if lazy:
        entries: dict[str, Entry] = {}
        problems |= _check_files(sources, decode=errors == "skip")
    else:
        entries, unreadable = _fill(store, sources, preprocessor, image_size, progress)
        problems |= unreadable
    kept = [row for row, file in enumerate(files) if file not in problems]
    if problems and (errors == "raise" or not kept):
        raise _unreadable(problems, len(files))

    skipped = table["path"].drop(index=kept).tolist()
    table = table.iloc[kept].reset_index(drop=True)
    if lazy:
        return Faces(LazyImages([files[row] for row in kept], image_size), table, _attrs(preprocessor, table, skipped))
    chosen = [entries[sources[files[row]].path] for row in kept]
    if any(entry.found is not None for entry in chosen):
        probability = [np.nan if entry.probability is None else entry.probability for entry in chosen]
        table = table.assign(detected=[bool(entry.found) for entry in chosen], detection_probability=probability)
    images = CroppedImages(store.images(chosen), [sources[files[row]].path for row in kept])
    return Faces(images, table, _attrs(preprocessor, table, skipped))


class LazyImages:
    """Picture files as (n, size, size, 3) uint8, decoded each time they are indexed.

    Parameters
    ----------
    files : list of n paths
    size : int
        Side of the square that each picture's centre square is resized to.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        self.files = list(files)
        self.shape = (len(self.files), size, size, 3)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Pixels of an integer (H, W, 3), or of a slice, mask or integers (m, H, W, 3)."""
        rows = np.arange(len(self))[key]
        if rows.ndim == 0:
            return self[[key]][0]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, row in zip(images, rows, strict=True):
            image[:] = resize(centre_crop(read_image(self.files[row])), self.shape[1])
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def map_originals(self, function: Callable[[np.ndarray], T], rows: np.ndarray) -> list[T]:
        """``function`` of the whole image of each row; see :func:`~ferdis.preprocess.originals.map_files`."""
        return map_files(function, [self.files[row] for row in rows])


def _checked(table: pd.DataFrame, files: list[Path], size: int) -> pd.DataFrame:
    """The table with a path column, held to what Faces wants before minutes of decoding are spent on it."""
    if len(table) != len(files):
        raise ValueError(f"{len(files)} paths but {len(table)} rows in the table: one row a path is needed")
    table = table.reset_index(drop=True)
    if "path" not in table:
        table = table.assign(path=[str(file) for file in files])
    return Faces(np.broadcast_to(np.uint8(0), (len(files), size, size, 3)), table).to_frame()


def _directory(cache: str | os.PathLike[str] | bool | None) -> Path:
    return default_directory() if cache is None or isinstance(cache, bool) else Path(cache).expanduser()


def _look(files: list[Path]) -> tuple[dict[Path, Source], Problems]:
    """Size and time of every file; the missing ones among the problems."""
    sources: dict[Path, Source] = {}
    problems: Problems = {}
    for file in dict.fromkeys(files):
        try:
            sources[file] = Source.of(file)
        except OSError as error:
            problems[file] = error
    return sources, problems


def _check_files(files: Iterable[Path], decode: bool) -> Problems:
    """Look at every header (and decode every image, if asked to) without keeping pixels."""
    problems: Problems = {}
    for file in files:
        try:
            read_image(file) if decode else read_size(file)
        except (OSError, ValueError) as error:
            problems[file] = error
    return problems


def _fill(
    store: CropStore | MemoryStore,
    sources: dict[Path, Source],
    preprocessor: Preprocessor,
    size: int,
    progress: bool,
) -> tuple[dict[str, Entry], Problems]:
    """Make every crop that the store lacks: entries by absolute path, and what could not be read."""
    done = store.read(list(sources.values()))
    problems: Problems = {}
    if all(source.path in done for source in sources.values()):
        return done, problems
    with store.writing():
        done = store.read(list(sources.values()))  # what another process has made while this one waited
        todo = {source.path: file for file, source in sources.items() if source.path not in done}
        with Bar(f"{preprocessor.name} {size}x{size}", len(todo), shown=progress) as bar:
            for chunk in _chunks(todo.values(), problems):
                crops, detections = preprocessor(list(chunk.values()), size)
                for entry in store.append([sources[file] for file in chunk], crops, detections):
                    done[entry.path] = entry
                bar.step(count=len(chunk))
    return done, problems


def _chunks(files: Iterable[Path], problems: Problems) -> Iterator[dict[Path, np.ndarray]]:
    """Decoded images, a bounded number of images and pixels at a time."""
    chunk: dict[Path, np.ndarray] = {}
    for file in files:
        try:
            chunk[file] = read_image(file)
        except (OSError, UnreadableImageError) as error:
            problems[file] = error
        if len(chunk) == _CHUNK_IMAGES or sum(image.size for image in chunk.values()) > 3 * _CHUNK_PIXELS:
            yield chunk
            chunk = {}
    if chunk:
        yield chunk


def _unreadable(problems: Problems, total: int) -> Exception:
    """One error for all images that cannot be read; a single one speaks for itself."""
    first = next(iter(problems.values()))
    if len(problems) == 1:
        return first
    kind = FileNotFoundError if all(isinstance(e, FileNotFoundError) for e in problems.values()) else None
    return (kind or UnreadableImageError)(
        f"{len(problems)} of {total} images cannot be read: {named(problems)}; "
        f"the first: {str(first).removeprefix(f'{next(iter(problems))}: ')} (errors='skip' drops them all)"
    )


def _attrs(preprocessor: Preprocessor, table: pd.DataFrame, skipped: list[str]) -> dict[str, Any]:
    """What was done and what was not found; printed as well, because a silent centre crop would mislead."""
    attrs: dict[str, Any] = {
        "aligned": preprocessor.name if "detected" in table else "no",
        "preprocessing": record_of(preprocessor),
        "skipped": skipped,
        "notes": [],
    }
    if "detected" in table:
        missed = table.loc[~table["detected"], "path"].tolist()
        found = len(table) - len(missed)
        rate = f"found {found} of {len(table)} faces ({100 * found / len(table):.4g} %)"
        rest = f"; not found, centre square used: {named(missed)}" if missed else ""
        attrs["notes"].append(f"{preprocessor.name.upper()} {rate}{rest}")
        attrs.update(not_found=len(missed), not_found_paths=missed)
    if skipped:
        attrs["notes"].append(f"skipped {len(skipped)} unreadable images: {named(skipped)}")
    for note in attrs["notes"]:
        print(note, flush=True)
    return attrs
