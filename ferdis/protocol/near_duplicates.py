"""Fingerprints of images: exact, mirrored and near-duplicates of a whole set, in bounded memory.

What is compared is the whole image as its file holds it, not the crop that a face detector took from it: a detector
crops a copy differently. Images of no file (in memory, or drawn) are compared as they are.

**Exact and mirrored duplicates** are found by a hash of the decoded pixels. **Near-duplicates** are found by
:mod:`ferdis.protocol.image_matching`, whatever their size, light, colour, compression, and a small crop, shift or
turn; how many are found and how often two people's images are taken for one is measured by ``tools/check_copies.py``
and stands in ``docs/protocol.md``. Within a person likeness is no leak: frames of a sequence are alike.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ferdis.faces import Faces

__all__ = [
    "NEAR_DUPLICATE",
    "Fingerprint",
    "Fingerprinter",
    "Pairs",
    "Prints",
    "exact_duplicates",
    "fingerprint",
    "fingerprints",
    "near_duplicates",
    "similar",
]

NEAR_DUPLICATE = 0.97
"""Similarity above which two people's images count as one image; measured, see ``docs/protocol.md``."""

MOST_PAIRS = 1_000_000
"""Pairs that a search stops at."""


class Fingerprint(NamedTuple):
    """Of one image: ``key``, a hash of the pixels, the same for the image and its mirror image; ``mirrored``, which of
    the two this is; ``structure``, (48, 48) int8, see :func:`~ferdis.protocol.image_matching.structure`."""

    key: str
    mirrored: bool
    structure: np.ndarray


@dataclasses.dataclass(frozen=True)
class Prints:
    """Fingerprints of n images: ``key`` (n,) str, ``mirrored`` (n,) bool, ``structure`` (n, 48, 48) int8."""

    key: np.ndarray
    mirrored: np.ndarray
    structure: np.ndarray

    @staticmethod
    def stack(prints: Sequence[Fingerprint]) -> Prints:
        """Fingerprints that were taken one by one."""
        from ferdis.protocol.image_matching import SIDE  # imports torch, which takes seconds

        structures = np.empty((len(prints), SIDE, SIDE), np.int8)
        for row, each in enumerate(prints):
            structures[row] = each.structure
        keys = np.array([each.key for each in prints], dtype=str)
        return Prints(keys, np.array([each.mirrored for each in prints], dtype=bool), structures)

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, rows: np.ndarray) -> Prints:
        return Prints(self.key[rows], self.mirrored[rows], self.structure[rows])


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of rows above a threshold, (m,) arrays; ``full``: the search stopped at its limit."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray
    full: bool


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Fingerprint of an image (H, W, 3) uint8, of any size."""
    from ferdis.protocol.image_matching import structure  # imports torch

    mirrored = _mirror_comes_first(image)
    pixels = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
    sha = hashlib.sha256(repr(image.shape).encode())
    sha.update(pixels.data)
    return Fingerprint(sha.hexdigest()[:32], mirrored, structure(image))


def _mirror_comes_first(image: np.ndarray) -> bool:
    """Whether the mirror image comes first in the order of pixels: true of exactly one of the two, if they differ."""
    for row in image:
        differ = np.flatnonzero(row != row[::-1])
        if len(differ):
            return bool(row[::-1].ravel()[differ[0]] < row.ravel()[differ[0]])
    return False


def fingerprints(faces: Faces) -> Prints:
    """Read every whole image once and keep its fingerprint (2.4 kB an image)."""
    return Prints.stack(faces.map_originals(fingerprint))


class Fingerprinter:
    """Fingerprints of Faces, each image read once as long as this object lives; give one to all audits of a run.

    Examples
    --------
    >>> from ferdis import load
    >>> faces, known = load("synthetic", people=2, expressions=2), Fingerprinter()  # doctest: +SKIP
    >>> known(faces), known(faces[:3])  # reads images once  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._known: list[tuple[Faces, Prints]] = []

    def __call__(self, faces: Faces) -> Prints:
        """Fingerprints of these faces, or of the rows that they are of faces seen before."""
        for known, prints in self._known:
            rows = faces.rows_in(known)
            if rows is not None:
                return prints[rows]
        prints = fingerprints(faces)
        self._known.append((faces, prints))
        return prints


def exact_duplicates(faces: Faces) -> pd.DataFrame:
    """Identical and mirrored images, compared by the decoded pixels of the whole images.

    Returns
    -------
    DataFrame
        A row for each image that repeats an earlier one: ``first``, ``second`` (row numbers),
        ``first_path``, ``second_path``, ``mirrored`` (the second is the mirror image), ``same_person`` (None
        if not known).
    """
    prints = fingerprints(faces)
    earliest, key = np.unique(prints.key, return_index=True, return_inverse=True)[1:]
    second = np.flatnonzero(earliest[key] != np.arange(len(key)))
    first = earliest[key[second]]
    return _pair_table(faces, first, second, mirrored=prints.mirrored[first] != prints.mirrored[second])


def near_duplicates(
    faces: Faces, *, threshold: float = NEAR_DUPLICATE, across_people: bool = False, limit: int = 100_000
) -> pd.DataFrame:
    """Pairs of images that are alike but not identical, most alike first.

    Parameters
    ----------
    faces : Faces
    threshold : float
        Similarity (-1..1) above which a pair is listed.
    across_people : bool
        Only pairs under two people's names, which are what the audit refuses. Frames of one person are often
        alike.
    limit : int
        Pairs at most; the search stops there. In sets of 2,000 images and more, each image is compared with its
        six likeliest others only.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``first_path``, ``second_path``, ``similarity``, ``mirrored``, ``same_person``.
    """
    prints = fingerprints(faces)
    subject = faces.subject if across_people and faces.has_subjects else None
    pairs = similar(prints, prints, threshold, subject=subject, limit=limit)
    kept = prints.key[pairs.first] != prints.key[pairs.second]
    order = np.flatnonzero(kept)[np.argsort(-pairs.similarity[kept], kind="stable")]
    return _pair_table(
        faces,
        pairs.first[order],
        pairs.second[order],
        pairs.mirrored[order],
        similarity=pairs.similarity[order],
    )


def similar(
    one: Prints,
    other: Prints,
    threshold: float,
    *,
    subject: np.ndarray | None = None,
    limit: int = MOST_PAIRS,
) -> Pairs:
    """Pairs above the threshold; if ``one is other`` each pair once, none within a person."""
    from ferdis.protocol.image_matching import find_matches  # imports torch

    found = find_matches(one.structure, other.structure, threshold, group=subject, limit=limit)
    return Pairs(*found, full=len(found.first) >= limit)


def _pair_table(
    faces: Faces, first: np.ndarray, second: np.ndarray, mirrored: np.ndarray, **columns: np.ndarray
) -> pd.DataFrame:
    path = faces.table["path"].to_numpy() if "path" in faces.table else np.arange(len(faces)).astype(str)
    same = faces.subject[first] == faces.subject[second] if faces.has_subjects else None
    table = {"first": first, "second": second, "first_path": path[first], "second_path": path[second]}
    return pd.DataFrame({**table, **columns, "mirrored": mirrored, "same_person": same})
