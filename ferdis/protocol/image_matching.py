"""Are two images copies of one? Likely pairs by a sketch, then registration, then agreement window by window.

An image is kept as its *structure*: 48x48 luminance, less its surroundings and divided by the local contrast, so that
light, contrast and colour drop out. Two copies show one structure up to a small affine move (a crop, a shift, a turn);
two people's faces, however well aligned, differ in it. Three steps, each stricter and slower than the one before:

1. **sketch**: for each image the nearest others by the correlation of low spatial frequencies, mirrored ones too;
2. **likely pairs**: the correlation of middle frequencies, maximised over small affine moves to first order (the
   tangent distance of Simard et al., 1993);
3. **registration**: the affine move that takes one structure onto the other (inverse compositional alignment, Baker
   and Matthews, 2004, with clipped residuals, so that overlaid text does not pull it), at half resolution first, and
   then the correlation of each window of 8x8 pixels. The similarity is their median, those at the centre, where a face
   is, counting most: copies agree nearly everywhere, and what is written over them changes the minority of the windows;
   two people agree in some windows only. Windows that are flat in both images are left out.

Step 3 looks at two images alone, so the similarity of a pair depends on nothing else; steps 1 and 2 bound how many
pairs reach it (see :data:`NEAREST` and :data:`LIKELY`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE = 48
"""Pixels a side of a structure."""

NEAREST = 100
"""Others of each image that step 2 looks at, the nearest by sketch; more in sets of fewer than 2,000 images."""
LIKELY = 6
"""Others of each image that step 3 looks at, at most; more in sets of fewer than 2,000 images."""

_SMALL = 2_000  # images; each image of smaller sets is compared with as many more
_SURROUNDINGS = 4.0  # pixels: sigma of the Gaussian that says what is local
_FINEST = 0.7  # pixels: sigma of the Gaussian that removes what compression changes first
_QUIET = 8.0  # grey levels of local contrast below which structure fades
_CLIP = 2.5  # local contrasts
_STEPS = 50.0  # of one local contrast, as int8
_TAPER = 5  # pixels over which the edge fades out of a sketch: crops and black borders change it
_COARSE = (2.0, 8.0, 6.0)  # spatial frequencies (half periods a side): lowest, highest, roll-off
_FINE = (3.0, 14.0, 10.0)
_LIKELY_SIMILARITY = 0.8  # of middle frequencies; copies of the kinds that are asked for have 0.93 and more
_ROWS, _COLUMNS = 512, 16384  # of the matrix of all pairs that is held at a time
_PAIRS = 256  # pairs that are registered at a time
_HALF, _HALF_STEPS, _STEPS_LEFT = SIDE // 2, 6, 4  # registration: iterations at half and at full resolution
_HALF_ALIKE = 0.75  # correlation at half resolution below which a pair is not looked at any further
_STEP = 0.2  # of any coefficient of a move in one iteration, at most
_RESIDUAL = 1.0  # local contrasts: larger differences pull no harder
_WINDOW, _STRIDE = 8, 4
_CENTRE = 0.6  # sigma of the windows' weights, in half sides
_COVERED = 0.6  # share of the first image, centre counting most, that the second must cover
_FLAT = 0.35  # root mean square, in local contrasts, below which a window shows nothing
_SHOWS = 0.2  # share of the windows, centre counting most, that must show something


class Matches(NamedTuple):
    """Pairs of rows, (m,) arrays; ``mirrored``: the second matches as its mirror image."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray


def structure(image: np.ndarray) -> np.ndarray:
    """Structure of an image: (H, W, 3) uint8 -> (48, 48) int8, in fiftieths of the local contrast."""
    grey = Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    finest, smooth = _gaussian(_FINEST), _gaussian(_SURROUNDINGS)
    luminance = finest @ np.asarray(grey, dtype=np.float32) @ finest.T
    detail = luminance - smooth @ luminance @ smooth.T
    contrast = np.sqrt(smooth @ detail**2 @ smooth.T)
    return np.rint(_STEPS * np.clip(detail / (contrast + _QUIET), -_CLIP, _CLIP)).astype(np.int8)


def find_matches(
    one: np.ndarray,
    other: np.ndarray,
    threshold: float,
    *,
    group: np.ndarray | None = None,
    limit: int,
) -> Matches:
    """Pairs of structures whose similarity is above the threshold.

    Parameters
    ----------
    one, other : ndarray of shape (n, 48, 48) and (m, 48, 48), int8
        The same array twice: each pair of it is compared once.
    threshold : float
    group : ndarray of shape (n,), optional
        Only where ``one is other``: rows of one group (a person) are not compared.
    limit : int
        Pairs at most; the search stops there.
    """
    first, second, mirrored = _likely_pairs(one, other, group)
    found: list[tuple[np.ndarray, ...]] = []
    total = 0
    for start in range(0, len(first), _PAIRS):
        part = slice(start, start + _PAIRS)
        similarity = agreement(one[first[part]], other[second[part]], mirrored[part])
        kept = similarity > threshold
        found.append((first[part][kept], second[part][kept], similarity[kept], mirrored[part][kept]))
        total += int(kept.sum())
        if total >= limit:
            break
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return Matches(nothing, nothing, nothing.astype(np.float32), nothing.astype(bool))
    return Matches(*(np.concatenate(column)[:limit] for column in zip(*found, strict=True)))


# ---------------------------------------------------------------- steps 1 and 2: which pairs to look at


def _likely_pairs(
    one: np.ndarray, other: np.ndarray, group: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of ``one`` and of ``other`` that may be copies, and whether mirrored; each pair once, in the rows' order."""
    same = one is other
    coarse, fine = _Frequencies.of(*_COARSE), _Frequencies.of(*_FINE)
    theirs, theirs_fine = coarse.sketch(other), fine.sketch(other)
    count = len(other) - same
    nearest, likely = (min(count, max(most, _SMALL * most // max(1, len(other)))) for most in (NEAREST, LIKELY))
    code = None if not same else torch.arange(len(one)) if group is None else torch.from_numpy(_codes(group))
    keys = [np.zeros(0, dtype=np.int64)]
    for top in range(0, len(one) if count > 0 else 0, _ROWS):
        rows = slice(top, top + _ROWS)
        columns = _nearest(
            coarse, coarse.sketch(one[rows]), theirs, None if code is None else (code[rows], code), nearest
        )
        plain, mirrored = fine.moved_similarity(one[rows], theirs_fine[columns])
        value, best = torch.maximum(plain, mirrored).topk(likely, dim=1)
        row, place = np.nonzero(value.numpy() > _LIKELY_SIMILARITY)
        likeliest = best.numpy()[row, place]
        column = columns.numpy()[row, likeliest]
        flipped = (mirrored > plain).numpy()[row, likeliest]
        row = row + top
        if code is not None:
            kept = (code[row] != code[column]).numpy()  # rows of few others are filled up with their own group
            row, column, flipped = row[kept], column[kept], flipped[kept]
            row, column = np.minimum(row, column), np.maximum(row, column)
        keys.append((row * len(other) + column) * 2 + flipped)
    key = np.unique(np.concatenate(keys))
    return key // 2 // max(1, len(other)), key // 2 % max(1, len(other)), (key % 2).astype(bool)


def _codes(group: np.ndarray) -> np.ndarray:
    return np.unique(group, return_inverse=True)[1]


def _nearest(
    frequencies: _Frequencies, ours: Tensor, theirs: Tensor, codes: tuple[Tensor, Tensor] | None, count: int
) -> Tensor:
    """Columns (r, count) of the nearest sketches for each of ``ours`` (r, d), as they are or mirrored."""
    odd = frequencies.odd
    value = torch.full((len(ours), 0), 0.0)
    column = torch.zeros((len(ours), 0), dtype=torch.int64)
    for left in range(0, len(theirs), _COLUMNS):
        part = slice(left, left + _COLUMNS)
        score = ours[:, ~odd] @ theirs[part, ~odd].T
        score += (ours[:, odd] @ theirs[part, odd].T).abs_()  # of the mirror image, the odd half has the other sign
        if codes is not None:
            score.masked_fill_(codes[0][:, None] == codes[1][None, part], -2.0)
        best, place = score.topk(min(count, score.shape[1]), dim=1)
        value, column = torch.cat([value, best], dim=1), torch.cat([column, place + left], dim=1)
        if value.shape[1] > count:
            value, place = value.topk(count, dim=1)
            column = column.gather(1, place)
    return column


class _Frequencies(NamedTuple):
    """A band of the cosine transform, as matrices that act on structures laid out as (48 * 48,) vectors."""

    basis: Tensor  # (2304, d)
    moves: Tensor  # (6, 2304, d): what an infinitesimal affine move of the structure changes in the sketch
    odd: Tensor  # (d,) bool: antisymmetric from left to right

    @staticmethod
    @cache
    def of(lowest: float, highest: float, roll_off: float) -> _Frequencies:
        pixel = np.arange(SIDE)
        wave = np.cos(np.pi * (pixel + 0.5) * pixel[:, None] / SIDE)
        wave *= np.sin(np.pi / 2 * np.minimum(1, np.minimum(pixel + 0.5, SIDE - 0.5 - pixel) / _TAPER)) ** 2
        radius = np.hypot(pixel[:, None], pixel)
        down, across = np.nonzero((radius >= lowest) & (radius <= highest))
        weight = np.exp(-0.5 * (radius[down, across] / roll_off) ** 2)
        basis = weight[:, None, None] * wave[down][:, :, None] * wave[across][:, None, :]
        slope = (np.eye(SIDE, k=1) - np.eye(SIDE, k=-1)) * SIDE / 4  # of a coordinate that runs from -1 to 1
        slope[0] = slope[-1] = 0
        x = (2 * pixel + 1) / SIDE - 1
        along = [(basis * by) @ slope for by in (1, x[None, None, :], x[None, :, None])]
        down_the = [
            np.swapaxes(np.swapaxes(basis * by, 1, 2) @ slope, 1, 2) for by in (1, x[None, None, :], x[None, :, None])
        ]
        flat = [
            torch.from_numpy(m.reshape(len(down), -1).T.astype(np.float32).copy()) for m in (basis, *along, *down_the)
        ]
        return _Frequencies(flat[0], torch.stack(flat[1:]), torch.from_numpy(across % 2 == 1))

    def sketch(self, structures: np.ndarray) -> Tensor:
        """Unit vectors (n, d) of structures (n, 48, 48); of a flat one, zeros."""
        blocks = [_vectors(structures[top : top + 4096]) @ self.basis for top in range(0, len(structures), 4096)]
        return functional.normalize(torch.cat(blocks) if blocks else torch.zeros(0, self.basis.shape[1]), dim=1)

    def moved_similarity(self, structures: np.ndarray, sketches: Tensor) -> tuple[Tensor, Tensor]:
        """Correlation of each structure (r, 48, 48), moved a little, with (r, k, d) sketches and their mirror images.

        A sketch's projection on the plane that the structure's own sketch and its six moves span: (r, k) each.
        """
        vectors = _vectors(structures)
        span = torch.stack([vectors @ self.basis, *(vectors @ move for move in self.moves)], dim=2)  # (r, d, 7)
        plane = torch.linalg.qr(span)[0]
        sign = torch.where(self.odd, -1.0, 1.0)
        plain, mirrored = ((sketches @ side).norm(dim=2) for side in (plane, plane * sign[:, None]))
        return plain, mirrored


def _vectors(structures: np.ndarray) -> Tensor:
    return torch.from_numpy(structures.reshape(len(structures), -1)).float() / _STEPS


# ---------------------------------------------------------------- step 3: one pair at a time


def agreement(one: np.ndarray, other: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Similarity of pairs of structures, (m, 48, 48) each, the second mirrored where told: (m,) in -1..1.

    It is 0 for pairs that do not resemble each other at half resolution, or show nothing but flat areas.
    """
    ours, theirs = (torch.from_numpy(part).float()[:, None] / _STEPS for part in (one, other))
    theirs = torch.where(torch.from_numpy(mirrored)[:, None, None, None], theirs.flip(3), theirs)
    half, half_theirs = (functional.avg_pool2d(part, SIDE // _HALF) for part in (ours, theirs))
    move = _register(half, half_theirs, torch.eye(3).repeat(len(ours), 1, 1), _HALF_STEPS)
    alike = torch.nonzero(_correlation(half, *_moved(half_theirs, move)) > _HALF_ALIKE)[:, 0]
    similarity = torch.zeros(len(one))
    if not len(alike):
        return similarity.numpy()
    ours, theirs = ours[alike], theirs[alike]
    move = _register(ours, theirs, move[alike], _STEPS_LEFT)
    similarity[alike] = _windows_agree(ours, *_moved(theirs, move))
    return similarity.numpy()


def _moved(images: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
    """Images (m, 1, s, s) seen through affine moves (m, 3, 3), and where that lies inside them (m, 1, s, s)."""
    grid = functional.affine_grid(move[:, :2], list(images.shape), align_corners=False)
    seen = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return seen, (grid.abs().amax(dim=3) <= 1)[:, None].float()


def _register(ours: Tensor, theirs: Tensor, move: Tensor, iterations: int) -> Tensor:
    """Refine the moves (m, 3, 3) that take ``theirs`` (m, 1, s, s) onto ``ours``."""
    side = ours.shape[-1]
    x = (2 * torch.arange(side) + 1) / side - 1
    slope_x, slope_y = (torch.gradient(ours[:, 0], spacing=2 / side, dim=d)[0] for d in (2, 1))
    slopes = [slope * by for slope in (slope_x, slope_y) for by in (x[None, :], x[:, None], torch.ones(1, 1))]
    steepest = torch.stack(slopes, dim=1).flatten(2)  # (m, 6, s * s)
    for _ in range(iterations):
        seen, inside = _moved(theirs, move)
        weighted = steepest * inside.flatten(2)
        hessian = weighted @ steepest.transpose(1, 2)
        hessian += 1e-3 * torch.diag_embed(hessian.diagonal(dim1=1, dim2=2)) + 1e-6 * torch.eye(6)
        residual = (seen - ours).clamp(-_RESIDUAL, _RESIDUAL).flatten(2)
        step = torch.linalg.solve(hessian, weighted @ residual.transpose(1, 2))
        step = functional.pad(step.reshape(-1, 2, 3).clamp(-_STEP, _STEP), (0, 0, 0, 1)) + torch.eye(3)
        move = move @ torch.linalg.inv(step)
    return move


def _correlation(ours: Tensor, theirs: Tensor, inside: Tensor) -> Tensor:
    """Correlation of two images (m, 1, s, s) over where the second lies: (m,)."""
    share = inside.mean(dim=(1, 2, 3)).clamp_min(1e-6)[:, None, None, None]
    ours, theirs = (
        (each - (each * inside).mean(dim=(1, 2, 3), keepdim=True) / share) * inside for each in (ours, theirs)
    )
    return functional.cosine_similarity(ours.flatten(1), theirs.flatten(1), dim=1)


def _windows_agree(ours: Tensor, theirs: Tensor, inside: Tensor) -> Tensor:
    """Weighted median over windows of the correlation of two images (m, 1, s, s): (m,); 0 where most is flat."""

    def mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, _WINDOW, _STRIDE)

    share = mean(inside).clamp_min(1e-6)
    mean_ours, mean_theirs = (mean(values * inside) / share for values in (ours, theirs))
    energy, energy_theirs = (
        (mean(values**2 * inside) / share - average**2).clamp_min(0)
        for values, average in ((ours, mean_ours), (theirs, mean_theirs))
    )
    product = mean(ours * theirs * inside) / share - mean_ours * mean_theirs
    correlation = product / (energy * energy_theirs).sqrt().clamp_min(1e-6)
    places = correlation.shape[-1]
    x = ((torch.arange(places) + 0.5) * 2 / places - 1) / _CENTRE
    centre = torch.exp(-0.5 * (x[:, None] ** 2 + x**2))
    covered = (centre * share).sum(dim=(1, 2, 3)) / centre.sum()
    weight = centre * (share > 0.5) * (torch.maximum(energy, energy_theirs) > _FLAT**2)
    agreed = _weighted_median(correlation.flatten(1), weight.flatten(1))
    return torch.where((weight.sum(dim=(1, 2, 3)) > _SHOWS * centre.sum()) & (covered > _COVERED), agreed, 0.0)


def _weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """Of each row of (m, k) values, the smallest that half of the weight does not exceed: (m,)."""
    values, order = values.sort(dim=1)
    passed = weight.gather(1, order).cumsum(dim=1)
    place = (passed < passed[:, -1:] / 2).sum(dim=1, keepdim=True).clamp_max(values.shape[1] - 1)
    return values.gather(1, place)[:, 0]


@cache
def _gaussian(sigma: float) -> np.ndarray:
    """Matrix (48, 48) that blurs a line of a structure."""
    pixel = np.arange(SIDE)
    blur = np.exp(-0.5 * ((pixel - pixel[:, None]) / sigma) ** 2)
    return (blur / blur.sum(axis=1, keepdims=True)).astype(np.float32)
