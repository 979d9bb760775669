"""The sheet that a face is drawn on, and the few curves used to draw everything.

The sheet is the face seen from straight ahead, in centimetres: the origin lies between the eyes, x grows to image
right, y grows down, z towards the camera. Features that come in pairs are drawn once, in lateral coordinates
(x counted outwards from the midline), for both sides at a time: side 0 is image left, the person's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

HALF_WIDTH = 10.0  # cm
TOP, BOTTOM = -10.0, 13.75  # cm
CELLS_PER_CM = 6.4  # of a 128-pixel image
_ONE = torch.ones(())


def ramp(distance: Tensor, softness: Tensor | float) -> Tensor:
    """Coverage 0..1 of an edge: 0.5 at distance 0, full at ``+softness / 2`` centimetres inside."""
    return (distance / softness + 0.5).clamp(0, 1)


def bell(offset: Tensor, width: Tensor | float) -> Tensor:
    """Bump of height 1, close to a Gaussian of standard deviation ``width``, and 0 beyond 4 of them.

    It is (1 - q / 8) ** 8 for exp(-q), q = (offset / width) ** 2 / 2: three squarings are several times faster than an
    exponential, and the same on every machine.
    """
    reach = offset * (0.25 / width)
    return torch.addcmul(_ONE, reach, reach, value=-1).clamp_(min=0).square_().square_().square_()


def smooth(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Smoothstep: 0 below ``low``, 1 above ``high``."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def mix(base: Tensor, over: Tensor, share: Tensor) -> Tensor:
    """``over`` laid on ``base`` with coverage ``share``."""
    return torch.lerp(base, over, share)


class Columns:
    """A table of parameters by name: ``columns.eye_width`` is its column as (n, 1, 1)."""

    def __init__(self, values: Tensor, names: tuple[str, ...]) -> None:
        self._values = values
        self._index = {name: i for i, name in enumerate(names)}

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self._index:
            raise AttributeError(name)
        return self._values[:, self._index[name], None, None]


@dataclass
class Canvas:
    """Layers of a batch of faces, (n, H, W) each except ``albedo`` (n, 3, H, W).

    Height is in centimetres towards the camera, albedo linear 0..1, gloss the strength of the skin's sheen, glow
    light added after shading (catchlights), crease the depth of folds (0 none .. 1 deep).
    """

    x: Tensor  # (W,)
    y: Tensor  # (H,)
    cell: float  # cm
    height: Tensor
    albedo: Tensor
    gloss: Tensor
    glow: Tensor
    crease: Tensor

    @classmethod
    def blank(cls, count: int, size: int) -> Canvas:
        """An empty sheet for ``count`` faces to be photographed at ``size`` pixels."""
        columns = 2 * round(HALF_WIDTH * CELLS_PER_CM * size / 128)
        cell = 2 * HALF_WIDTH / columns
        rows = round((BOTTOM - TOP) / cell)
        x = (torch.arange(columns) + 0.5) * cell - HALF_WIDTH
        y = (torch.arange(rows) + 0.5) * cell + TOP
        flat = [torch.zeros(count, rows, columns) for _ in range(4)]
        return cls(x, y, cell, flat[0], torch.zeros(count, 3, rows, columns), *flat[1:])

    def rows(self, top: float, bottom: float) -> slice:
        """The rows between two heights."""
        return slice(self._row(top), self._row(bottom))

    def _row(self, y: float) -> int:
        return int(min(max(round((y - TOP) / self.cell), 0), len(self.y)))

    def columns(self, half_width: float) -> slice:
        """The columns within ``half_width`` of the midline."""
        half = min(round(half_width / self.cell), len(self.x) // 2)
        return slice(len(self.x) // 2 - half, len(self.x) // 2 + half)

    def lateral(self, inner: float, outer: float) -> tuple[Tensor, slice, slice]:
        """Lateral x (w,) of a strip on both sides and its columns at image left and image right."""
        middle = len(self.x) // 2
        first, last = round(inner / self.cell), min(round(outer / self.cell), middle)
        return (
            self.x[middle + first : middle + last],
            slice(middle - last, middle - first),
            slice(middle + first, middle + last),
        )


def to_sides(layer: Tensor, rows: slice, left: slice, right: slice) -> Tensor:
    """Cut a strip of ``layer`` (n, ..., H, W) into lateral halves (n, 2, ..., h, w)."""
    return torch.stack((layer[..., rows, left].flip(-1), layer[..., rows, right]), dim=1)


def from_sides(layer: Tensor, rows: slice, left: slice, right: slice, halves: Tensor) -> None:
    """Put lateral halves (n, 2, ..., h, w) back into ``layer`` (n, ..., H, W), in place."""
    layer[..., rows, left] = halves[:, 0].flip(-1)
    layer[..., rows, right] = halves[:, 1]


_BANK_SIDE = 512


def _texture_bank() -> dict[str, Tensor]:
    """Fixed noise sheets, zero mean and unit variance: ``grain``, ``blotch``, ``strand`` (vertical) and ``clump``."""
    rng = np.random.default_rng(20240229)
    bank = {}
    for name, (wide, tall) in {"grain": (1, 1), "blotch": (9, 9), "strand": (1, 13), "clump": (5, 17)}.items():
        sheet = torch.from_numpy(rng.standard_normal((1, 1, _BANK_SIDE, _BANK_SIDE)).astype(np.float32))
        for _ in range(3):  # three box filters are close to a Gaussian
            if wide * tall > 1:
                padded = F.pad(sheet, (wide // 2, wide // 2, tall // 2, tall // 2), mode="circular")
                sheet = F.avg_pool2d(padded, (tall, wide), stride=1)
        bank[name] = ((sheet - sheet.mean()) / sheet.std())[0, 0]
    return bank


_BANK: dict[str, Tensor] = {}


def texture(kind: str, seeds: Tensor, rows: int, columns: int, cell: float) -> Tensor:
    """A piece of noise for each person, the same at every resolution.

    Parameters
    ----------
    kind
        ``grain``, ``blotch``, ``strand`` or ``clump``.
    seeds
        (n, 1, 1) integers that choose the piece.
    rows, columns
        Size of the piece in cells of ``cell`` centimetres.
    """
    if not _BANK:
        _BANK.update(_texture_bank())
    sheet = _BANK[kind]
    zoom = cell * CELLS_PER_CM
    tall, wide = min(round(rows * zoom), 400), min(round(columns * zoom), 400)
    pieces = []
    for seed in seeds.flatten().tolist():
        top = int(seed * 7919 + len(kind) * 31) % (_BANK_SIDE - tall)
        left = int(seed * 104729 + len(kind) * 17) % (_BANK_SIDE - wide)
        pieces.append(sheet[top : top + tall, left : left + wide])
    piece = torch.stack(pieces)
    if (tall, wide) == (rows, columns):
        return piece
    return F.interpolate(piece[:, None], (rows, columns), mode="bilinear", align_corners=False)[:, 0]
