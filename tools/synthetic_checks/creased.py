"""What photographs have and rendered faces have not: folds that mean nothing, and crops that leave the picture.

In a rendered face a fold beside the mouth means a moving unit more often than it does in a photograph, where people
are older, thinner or harder lit: a recogniser takes the folds of faces at rest for disgust and anger. All crops are
framed alike, so that lines of the renderer's chart can be laid over them. And photographs are cut tightly: below the
chin the picture's last row is repeated.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ferdis.datasets.facekit.folds import FOLDS, along_line
from tools.synthetic_checks.crops import TEMPLATE

_EYES_APART, _EYE_HEIGHT = 6.1, 3.45  # cm of the chart
_NARROWEST = 0.2  # cm: a pixel of a 64-pixel crop is a third of a centimetre
_CREASED, _SHOWN = 0.7, 0.35  # shares of faces that get any fold, and of the folds that such a face gets
_DEEPEST, _DARKEST = 0.55, 0.7  # share of light lost on the floor of a fold, and of several
_CUT_OFF, _MOUTH = 0.35, 0.72  # share of faces that are cut off, and from which share of the side downwards
_UNEVEN, _WARPED = 0.2, 0.03  # between the halves of a face, and in place (share of the half side)


def creased(images: Tensor, generator: torch.Generator, margin: float) -> Tensor:
    """Crops (n, 1, S, S), 0..255, with folds over them that do not depend on their expression.

    Parameters
    ----------
    images : Tensor (n, 1, S, S)
        Framed by :data:`tools.synthetic_checks.crops.TEMPLATE`.
    margin : float
        By which a crop is wider than the template on each side, as a share of it.
    """
    count, _, side, _ = images.shape
    maps = _maps(side, margin)
    folds = len(maps) // 2

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    depth = (uniform(folds) < _SHOWN) * uniform(folds) ** 1.5 * _DEEPEST * (uniform(1) < _CREASED)
    depth = depth.repeat_interleave(2, 1) * (1 + _UNEVEN * (2 * uniform(2 * folds) - 1))
    shade = (depth @ maps.flatten(1)).view(count, 1, side, side)
    coarse = torch.randn(count, 2, 4, 4, generator=generator)
    moved = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    grid = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), [count, 1, side, side], align_corners=False)
    shade = F.grid_sample(shade, grid + _WARPED * moved, padding_mode="border", align_corners=False)
    shade = shade.clamp(max=_DARKEST)
    lit = 0.3 * (2 * uniform(1, 1, 1) - 1) * F.pad(shade, (1, 0, 1, 0))[:, :, :-1, :-1]  # the side that faces the lamp
    return (images * (1 - shade + lit)).clamp(0, 255)


def cut_off(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crops (n, 1, S, S), a third of which repeat one row from somewhere below the mouth to the lower edge."""
    count, _, side, _ = images.shape
    last = side * (_MOUTH + (1 - _MOUTH) * torch.rand(count, 1, 1, 1, generator=generator)) - 1
    cut = torch.rand(count, 1, 1, 1, generator=generator) < _CUT_OFF
    row = images.gather(2, last.long().expand(count, 1, 1, side))
    below = torch.arange(side).view(1, 1, side, 1) > last
    return torch.where(below & cut, row, images)


@functools.lru_cache(maxsize=4)
def _maps(side: int, margin: float) -> Tensor:
    """(2 F, side, side): each fold of each half, 1 on its floor."""
    left, right, _ = (TEMPLATE + margin) / (1 + 2 * margin) * side
    scale = (right[0] - left[0]) / _EYES_APART  # pixels per centimetre
    down, across = np.mgrid[:side, :side] + 0.5
    s, t = (across - side / 2) / scale, _EYE_HEIGHT - (down - left[1]) / scale
    drawn = []
    for fold in FOLDS:
        for half in (1, -1) if fold.depth > 0 else ():  # what bulges has no line
            away, where = along_line(s * half, t, fold.line)
            ends = np.clip(np.minimum((1 - where) / 0.25, where / 0.25 + 0.3), 0, 1)
            drawn.append(np.exp(-0.5 * (away / max(fold.width, _NARROWEST)) ** 2) * ends)
    return torch.tensor(np.array(drawn), dtype=torch.float32)
