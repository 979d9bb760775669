"""From image files and a table to Faces: decode, align, cache, and say what was not found."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ferdis.faces import Faces
from ferdis.messages import named
from ferdis.preprocess.align import Aligner, Preprocessor, WholePicture, record_of
from ferdis.preprocess.cache import CropMaker, Source, StoredCrops, crop_store, default_directory, detected
from ferdis.preprocess.image_store import ImageArray, ImageStore
from ferdis.preprocess.images import UnreadableImageError, centre_crop, checked_side, read_image, read_size, resize
from ferdis.preprocess.originals import CroppedImages, T, map_files
from ferdis.progress import Bar

Problems = dict[Path, Exception]


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
    image_size = checked_side(image_size, "image_size")
    files = [Path(path) for path in paths]
    table = _checked(table, files, image_size)
    preprocessor = (Aligner(device) if align else WholePicture()) if isinstance(align, bool) else align

    sources, problems = _look(files)
    if errors == "raise" and problems:
        raise _unreadable(problems, len(files))
    lazy = cache is False and align is False
    crops = _Crops(None if cache is False else crop_store(_directory(cache), preprocessor, image_size))
    if lazy:
        problems |= _check_files(sources, decode=errors == "skip")
    else:
        problems |= crops.fill(sources, preprocessor, image_size, progress)
    kept = [row for row, file in enumerate(files) if file not in problems]
    if problems and (errors == "raise" or not kept):
        raise _unreadable(problems, len(files))

    skipped = table["path"].drop(index=kept).tolist()
    table = table.iloc[kept].reset_index(drop=True)
    if lazy:
        return Faces(LazyImages([files[row] for row in kept], image_size), table, _attrs(preprocessor, table, skipped))
    chosen = [sources[files[row]] for row in kept]
    found = detected([crops.notes[source.path] for source in chosen])
    if found is not None:
        table = table.assign(detected=found.found, detection_probability=found.probability)
    pixels = crops.images(CropMaker(chosen, preprocessor, image_size))
    images = CroppedImages(pixels, [source.path for source in chosen])
    return Faces(images, table, _attrs(preprocessor, table, skipped))


class _Crops:
    """Where the crops of a set are: in a store, or in memory, for want of one that can be written.

    Parameters
    ----------
    store : ImageStore, optional

    Attributes
    ----------
    notes : dict
        By path, what is noted of each crop that is there.
    """

    def __init__(self, store: ImageStore | None) -> None:
        self.store = store
        self.notes: dict[str, bytes] = {}
        self._held: dict[str, np.ndarray] = {}

    def fill(self, sources: dict[Path, Source], preprocessor: Preprocessor, size: int, progress: bool) -> Problems:
        """Make every crop that is not there yet; returns what could not be read.

        Raises
        ------
        CacheError
            If the store may not be read, its disk is full, or its folder cannot be made.
        """
        keys = {source.path: source.key() for source in sources.values()}
        if self.store is None or self._missing(keys):
            with contextlib.nullcontext() if self.store is None else self.store.filling():
                missing = self._missing(keys)  # another process may have made some while this one waited
                files = [file for file, source in sources.items() if source.path in missing]
                maker = CropMaker([sources[file] for file in files], preprocessor, size)
                problems: dict[int, Exception] = {}
                with Bar(f"{preprocessor.name} {size}x{size}", len(files), shown=progress) as bar:
                    for made in maker.made(np.arange(len(files)), problems):
                        self._keep([maker.sources[row] for row in made.rows.tolist()], made.images, made.notes)
                        bar.step(count=len(made.rows))
                return {files[row]: error for row, error in problems.items()}
        return {}

    def images(self, maker: CropMaker) -> Any:
        """The crops of the maker's rows, (n, H, W, 3) uint8."""
        stored = None if self.store is None else StoredCrops(self.store, maker)
        if stored is not None and not self._held:
            return stored
        images = np.empty((len(maker.sources), maker.size, maker.size, 3), np.uint8)
        for row, source in enumerate(maker.sources):
            held = self._held.get(source.path)
            if held is not None:
                images[row] = held
            elif stored is not None:
                images[row] = stored[row]
        return images

    def _missing(self, keys: dict[str, bytes]) -> set[str]:
        """Paths without a crop; reads the notes of the others."""
        if self.store is not None:
            notes = self.store.notes(list(keys.values()))
            self.notes = {path: notes[key] for path, key in keys.items() if key in notes}
        return set(keys) - set(self.notes)

    def _keep(self, sources: Sequence[Source], images: np.ndarray, notes: Sequence[bytes]) -> None:
        stored = self.store is not None and self.store.keep([source.key() for source in sources], images, notes)
        for source, image, note in zip(sources, images, notes, strict=True):
            self.notes[source.path] = note
            if not stored:
                self._held[source.path] = image


class LazyImages(ImageArray):
    """Image files as (n, size, size, 3) uint8, decoded each time they are indexed.

    Parameters
    ----------
    files : list of n paths
    size : int
        Side of the square that each image's centre square is resized to.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        super().__init__(len(files), size)
        self.files = list(files)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Pixels of rows (m,): (m, size, size, 3)."""
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, row in zip(images, rows.tolist(), strict=True):
            image[:] = resize(centre_crop(read_image(self.files[row])), self.shape[1])
        return images

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
