"""Folds of the skin that smooth modes do not hold, as relief and shade on the chart, each moved by action units.

A fold is a line on one half of the face, mirrored for the other. Where its unit moves it opens: a groove whose sides
catch the light, and little light reaches its floor.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit.anatomy import CHART_BOTTOM, CHART_TOP, CHART_WIDTH
from ferdis.faces import ACTION_UNITS

CHART_SIZE = 256  # cells a side
_SHADE = 0.62  # of the light is lost on the floor of a fold that lists 1
_FAINT = 2e-3  # slopes below it are none


@dataclass(frozen=True)
class Fold:
    """A line of the chart, cm (s outwards from the midline, t up), its width and depth in cm, and what opens it.

    ``units`` are shares of the depth at intensity 5; ``aged`` the share that wrinkled skin shows at rest.
    """

    line: tuple[tuple[float, float], ...]
    width: float
    depth: float
    units: dict[int, float]
    aged: float = 0.0
    shade: float = 0.5


FOLDS: tuple[Fold, ...] = (
    # forehead: three lines, the middle opened by unit 1, the sides by unit 2
    *(
        Fold(((0.0, y), (1.3, y + 0.05), (2.6, y + 0.12)), 0.17, 0.06, {1: 1.0, 2: 0.35}, 0.35)
        for y in (7.0, 7.8, 8.6)
    ),
    *(
        Fold(((2.4, y + 0.12), (3.6, y + 0.05), (4.8, y - 0.3)), 0.17, 0.055, {2: 1.0}, 0.3)
        for y in (7.1, 7.9, 8.7)
    ),
    # between the brows: an upright furrow on each side, and the bulge that unit 4 pushes up beside it
    Fold(((0.55, 4.5), (0.5, 5.2), (0.62, 6.1)), 0.16, 0.12, {4: 1.2, 9: 0.5}, 0.25, 0.8),
    Fold(((0.95, 5.0), (1.0, 5.7), (1.15, 6.3)), 0.14, 0.05, {4: 0.9}, 0.1),
    Fold(((0.0, 5.6), (0.25, 5.6)), 0.34, -0.09, {4: 0.9, 9: 0.4}, 0.0, 0.0),
    # the root and the sides of the nose
    Fold(((0.0, 4.0), (0.5, 4.05), (0.9, 4.2)), 0.14, 0.07, {9: 1.0, 4: 0.45}, 0.15, 0.7),
    Fold(((0.0, 3.4), (0.5, 3.45), (0.9, 3.6)), 0.14, 0.05, {9: 1.0}, 0.05, 0.6),
    Fold(((0.35, 2.9), (0.8, 2.6), (1.15, 2.0)), 0.12, 0.06, {9: 1.1, 10: 0.2}, 0.05, 0.6),
    Fold(((0.5, 2.3), (0.95, 1.9), (1.3, 1.3)), 0.12, 0.05, {9: 1.1, 10: 0.2}, 0.0, 0.5),
    # crow's feet
    Fold(((4.9, 3.7), (5.6, 4.2), (6.3, 4.7)), 0.12, 0.045, {6: 1.0, 7: 0.25, 12: 0.15}, 0.3),
    Fold(((5.0, 3.35), (5.8, 3.35), (6.6, 3.4)), 0.12, 0.05, {6: 1.0, 7: 0.25, 12: 0.15}, 0.35),
    Fold(((4.9, 3.0), (5.6, 2.6), (6.3, 2.1)), 0.12, 0.045, {6: 1.0, 7: 0.2, 12: 0.15}, 0.3),
    # under the eye: the lid's own line, the bag, and the cheek's upper edge
    Fold(((1.7, 2.75), (2.6, 2.4), (3.4, 2.4), (4.3, 2.75)), 0.16, 0.05, {7: 1.0, 6: 0.8, 9: 0.4, 12: 0.25}, 0.3, 0.7),
    Fold(((1.5, 2.4), (2.4, 1.7), (3.5, 1.6), (4.6, 2.1)), 0.28, 0.07, {6: 1.1, 9: 0.5, 12: 0.4}, 0.45, 0.5),
    # from the nostril to beyond the corner of the mouth, and the cheek that it bounds
    Fold(
        ((1.45, -0.1), (2.1, -1.0), (2.85, -2.2), (3.3, -3.4)), 0.26, 0.15,
        {12: 0.95, 10: 0.8, 9: 0.7, 6: 0.25, 14: 0.25, 20: 0.3}, 0.4, 0.75,
    ),
    Fold(((2.0, 0.0), (2.9, -0.9), (3.6, -2.0)), 0.6, -0.16, {12: 0.9, 10: 0.5, 9: 0.5, 6: 0.4}, 0.1, 0.0),
    Fold(((1.3, -0.5), (1.6, -0.1), (1.45, 0.5)), 0.13, 0.06, {10: 0.7, 9: 0.9, 12: 0.3}, 0.1, 0.7),
    # beside the mouth: the dimple, the line of the mouth pulled wide, and the one of corners drawn down
    Fold(((3.0, -2.9), (3.25, -3.5), (3.0, -4.1)), 0.16, 0.1, {14: 1.2, 12: 0.5, 20: 0.6}, 0.1, 0.9),
    Fold(((3.7, -2.0), (4.1, -3.3), (3.9, -4.6)), 0.24, 0.06, {20: 1.0, 12: 0.55, 14: 0.3}, 0.1, 0.4),
    Fold(((2.65, -3.9), (2.8, -4.7), (2.75, -5.6)), 0.2, 0.09, {15: 1.2, 17: 0.35}, 0.4, 0.7),
    # chin: the fold under the lip, and the dimpled boss
    Fold(((0.0, -5.35), (0.8, -5.4), (1.7, -5.75)), 0.26, 0.11, {17: 1.2, 15: 0.4, 23: 0.3}, 0.15, 0.6),
    Fold(((0.0, -6.6), (0.5, -6.7)), 0.75, -0.12, {17: 1.0}, 0.0, 0.0),
    Fold(((0.35, -6.3), (0.6, -6.6)), 0.13, 0.06, {17: 1.0}, 0.0, 0.5),
    Fold(((0.1, -6.9), (0.3, -7.1)), 0.13, 0.06, {17: 1.0}, 0.0, 0.5),
    Fold(((0.85, -6.9), (1.0, -7.2)), 0.13, 0.05, {17: 1.0}, 0.0, 0.5),
    # lips pressed: the bulges above and below them
    Fold(((0.0, -2.0), (1.2, -2.1), (2.0, -2.6)), 0.3, -0.08, {23: 1.0}, 0.0, 0.0),
    Fold(((0.0, -4.9), (1.2, -4.8), (1.9, -4.4)), 0.3, -0.08, {23: 1.0}, 0.0, 0.0),
    Fold(((0.5, -2.2), (0.6, -2.6)), 0.09, 0.04, {23: 0.8}, 0.35, 0.5),
    Fold(((1.2, -2.3), (1.35, -2.7)), 0.09, 0.04, {23: 0.8}, 0.35, 0.5),
)  # fmt: skip


def fold_strengths(au_left: Tensor, au_right: Tensor, wrinkles: Tensor, depth: Tensor) -> Tensor:
    """How far each fold of each half is open, (n, 2 F): the person's left halves, then the right ones."""
    matrix, aged = _drivers()
    halves = [(au @ matrix.to(au) / 5).pow(1.2) * depth + wrinkles * aged.to(au) for au in (au_left, au_right)]
    return torch.cat(halves, 1)


def relief_of(strengths: Tensor) -> Tensor:
    """Slope to the person's left, slope up, and shade of the folds on the chart, (n, 3, A, A)."""
    maps = _maps().to(strengths.device)
    return (maps @ strengths.t().contiguous()).t().reshape(len(strengths), 3, CHART_SIZE, CHART_SIZE)


@functools.cache
def _drivers() -> tuple[Tensor, Tensor]:
    matrix = torch.zeros(len(ACTION_UNITS), len(FOLDS))
    for k, fold in enumerate(FOLDS):
        for unit, share in fold.units.items():
            matrix[ACTION_UNITS.index(unit), k] = share
    return matrix, torch.tensor([fold.aged for fold in FOLDS])


def chart_grid() -> tuple[np.ndarray, np.ndarray]:
    """s and t, cm, of the chart's cells (A, A); the first row is the top."""
    cells = (np.arange(CHART_SIZE) + 0.5) / CHART_SIZE
    s = (2 * cells - 1) * CHART_WIDTH
    t = CHART_TOP + (CHART_BOTTOM - CHART_TOP) * cells
    return tuple(np.meshgrid(s, t))  # type: ignore[return-value]


def along_line(s: np.ndarray, t: np.ndarray, line: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Distance from a line of the chart, cm, and how far along it (0..1) the nearest point lies."""
    points = np.array(line, dtype=float)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    starts = np.concatenate([[0], np.cumsum(lengths)]) / max(lengths.sum(), 1e-9)
    nearest, where = np.full(s.shape, np.inf), np.zeros(s.shape)
    for k, length in enumerate(lengths):
        step = (points[k + 1] - points[k]) / length
        ahead = np.clip((s - points[k, 0]) * step[0] + (t - points[k, 1]) * step[1], 0, length)
        away = np.hypot(s - points[k, 0] - ahead * step[0], t - points[k, 1] - ahead * step[1])
        closer = away < nearest
        nearest = np.where(closer, away, nearest)
        where = np.where(closer, starts[k] + ahead / length * (starts[k + 1] - starts[k]), where)
    return nearest, where


@functools.cache
def relief_cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`relief_of` cell by cell: where each cell's folds begin (A A + 1,), folds (m,), and what each gives (m, 3)."""
    dense = _dense_maps().reshape(3, CHART_SIZE * CHART_SIZE, -1)
    cell, fold = np.nonzero(dense.any(axis=0))
    starts = np.searchsorted(cell, np.arange(CHART_SIZE * CHART_SIZE + 1))
    return starts.astype(np.int32), fold.astype(np.int32), np.ascontiguousarray(dense[:, cell, fold].T)


@functools.cache
def _maps() -> Tensor:
    """(3 A A, 2 F), sparse: slopes and shade of each fold fully open."""
    with warnings.catch_warnings():  # torch calls compressed rows a beta; their product with a matrix is all we ask
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        return torch.from_numpy(_dense_maps()).to_sparse_csr()


def _dense_maps() -> np.ndarray:
    """(3 A A, 2 F): slopes and shade of each fold fully open."""
    s, t = chart_grid()
    cell = 2 * CHART_WIDTH / CHART_SIZE
    rows: list[list[np.ndarray]] = [[], []]
    for fold in FOLDS:
        for half, side in enumerate((1, -1)):
            away, where = along_line(s * side, t, fold.line)
            centred = fold.line[0][0] == 0.0
            ends = np.minimum((1 - where) / 0.25, 1) * (1 if centred else np.minimum(where / 0.25 + 0.15, 1))
            across = np.clip(s * side / 0.25 + 0.5, 0, 1) if centred else 1.0
            groove = np.exp(-0.5 * (away / (0.8 * fold.width)) ** 2) * np.clip(ends, 0, 1) * across
            down, left = np.gradient(-fold.depth * groove, cell)
            rows[half].append(np.stack([left, -down, _SHADE * fold.shade * groove]).reshape(-1))
    full = np.stack(rows[0] + rows[1], axis=1).astype(np.float32)
    full[np.abs(full) < _FAINT] = 0
    return full
