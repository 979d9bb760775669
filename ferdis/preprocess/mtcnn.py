"""MTCNN's three networks on one image at a time, so that what is found depends on that image alone.

K. Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE Signal
Processing Letters 2016. Networks and weights are those of facenet-pytorch, whose wheel holds them; they run in torch
(:mod:`ferdis.preprocess.mtcnn_torch`) or in ONNX Runtime (:mod:`ferdis.preprocess.mtcnn_onnx`). The search around them
is our own, in NumPy. It is that of ``facenet_pytorch.MTCNN.detect``, with these differences:

- facenet-pytorch suppresses overlapping boxes of a whole batch at once, each image's boxes moved aside by a float32
  offset. Boxes that reach over their image's left or upper edge then overlap those of the image before, offsets of some
  thousand pixels cost the last bits of an overlap, and equal probabilities are ordered by an unstable sort: an image's
  faces change with its neighbours. Here boxes are suppressed image by image, ties in order.
- Linear layers and convolutions on a CPU choose their order of summation by the number of rows. Here a row is a
  candidate of this image, and one thread computes it, so that neither a batch nor the number of threads decides a bit.
- A candidate that reaches over the edge was cut there and stretched to a square, but its points were placed as if the
  network had seen all of it, many pixels off. Here what lies outside is grey, zero for the networks, as around an image
  on its canvas. (A candidate wholly outside, which ended in an IndexError, is dropped.)
- Candidates were cut out and averaged one by one. Here one summed-area table serves the pyramid and all candidates:
  sums of whole numbers, exact, in a few array operations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

FACTOR = 0.709
"""From one level of the pyramid to the next."""

THRESHOLDS = (0.6, 0.7, 0.7)
"""The least probability of a face after each network."""

GREY = 128
"""What is outside an image: zero for the networks, nearly."""

_ZERO = 127.5  # the value that is 0 for the networks
_CELL, _STRIDE = 12, 2  # what an output of the first network sees, and how far the next one is
_SIDES = (24, 48)  # what the second and the third network look at
_OVERLAP_LEVEL, _OVERLAP = 0.5, 0.7  # boxes that share more are of one face: within a level, within an image


class FacesFound(NamedTuple):
    """The m faces of one image, surest first: boxes (m, 4), probabilities (m,), points (m, 5, 2), in its pixels."""

    boxes: np.ndarray
    probabilities: np.ndarray
    points: np.ndarray


class Networks(NamedTuple):
    """The three networks: each takes images (m, h, w, 3), float32 and about -1..1, and gives its answers as arrays.

    Attributes
    ----------
    first : callable
        Of one sheet (1, h, w, 3) and ``outside`` (h - 2, w - 2), the places off its levels: moves (1, 4, ...) and
        probabilities (1, 2, ...), see :func:`_outputs` for their size.
    second : callable
        Of images of side 24: moves (m, 4), probabilities (m, 2).
    third : callable
        Of images of side 48: moves (m, 4), points (m, 10), five x and then five y, probabilities (m, 2).
    """

    first: Callable[..., list[np.ndarray]]
    second: Callable[..., list[np.ndarray]]
    third: Callable[..., list[np.ndarray]]


def find_faces(image: np.ndarray, min_face: int, device: str = "cpu") -> FacesFound:
    """Search one image; a pure function of its pixels, on a CPU with any number of threads.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    min_face : int
        Side of the smallest face that is searched for, in pixels.
    device : str
        Where the networks run: one of torch's, or "onnx" for ONNX Runtime.

    Returns
    -------
    FacesFound
        float64; boxes are left, top, right, bottom, points those of :data:`ferdis.preprocess.align.LANDMARKS`.
    """
    networks = networks_on(device)
    table = SumTable(image)
    boxes = _first(networks.first, table, min_face)
    boxes, moves, _ = _judged(networks.second, table, boxes, _SIDES[0], THRESHOLDS[1])
    kept = _suppressed(boxes, _OVERLAP)
    boxes = _square(_moved(boxes[kept], moves[kept]))
    boxes, moves, points = _judged(networks.third, table, boxes, _SIDES[1], THRESHOLDS[2])
    corner, side = boxes[:, None, :2], boxes[:, None, 2:4] - boxes[:, None, :2] + 1
    points = side * points + corner - 1
    boxes = _moved(boxes, moves)
    kept = _suppressed_inside(boxes, _OVERLAP)
    return FacesFound(*(part[kept].astype(np.float64) for part in (boxes[:, :4], boxes[:, 4], points)))


class SumTable:
    """Sums over rectangles of an image: whole numbers, exact.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        Up to 2^31 / 255 pixels (8.4 million): a sum is an int32.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.height, self.width = image.shape[:2]
        self._sums = np.zeros((self.height + 1, self.width + 1, 3), np.int32)
        np.cumsum(image, axis=0, dtype=np.int32, out=self._sums[1:, 1:])
        np.cumsum(self._sums[1:, 1:], axis=1, out=self._sums[1:, 1:])

    def averages(self, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Parts of the image, each averaged to one size as ``torch.nn.functional.adaptive_avg_pool2d`` does.

        Parameters
        ----------
        boxes : ndarray of shape (m, 4), integers
            Left, top, right, bottom: pixels left .. right - 1 of rows top .. bottom - 1, at least one each. Outside the
            image everything is grey.
        height, width : int
            Of the result.

        Returns
        -------
        ndarray of shape (m, height, width, 3), float32, 0..255
        """
        above, below = _windows(boxes[:, 1], boxes[:, 3], height)
        left, right = _windows(boxes[:, 0], boxes[:, 2], width)
        area = (below - above)[:, :, None] * (right - left)[:, None, :]  # (m, height, width)
        above, below = above.clip(0, self.height), below.clip(0, self.height)
        left, right = left.clip(0, self.width), right.clip(0, self.width)
        flat, step = self._sums.reshape(-1, 3), self.width + 1

        def at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            return flat.take(rows[:, :, None] * step + columns[:, None, :], axis=0)

        total = at(below, right) - at(above, right) - at(below, left) + at(above, left)  # (m, height, width, 3)
        outside = area - (below - above)[:, :, None] * (right - left)[:, None, :]
        if outside.any():
            total = total + GREY * outside[..., None]
        return total.astype(np.float32) / area.astype(np.float32)[..., None]

    def resized(self, height: int, width: int) -> np.ndarray:
        """The whole image averaged to one size, (height, width, 3) float32; a level of the pyramid."""
        (above,), (below,) = _windows(np.zeros(1, int), np.array([self.height]), height)
        (left,), (right,) = _windows(np.zeros(1, int), np.array([self.width]), width)
        rows = self._sums[below] - self._sums[above]
        area = ((below - above)[:, None] * (right - left)).astype(np.float32)
        return (rows[:, right] - rows[:, left]).astype(np.float32) / area[..., None]


def _windows(start: np.ndarray, stop: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole pixels that each of ``count`` averages covers, of lengths (m,): first and one past the last, (m, count)."""
    length, steps = (stop - start)[:, None], np.arange(count)
    return start[:, None] + steps * length // count, start[:, None] - (-(steps + 1) * length // count)


def networks_on(device: str) -> Networks:
    """The three networks with the weights of facenet-pytorch, loaded once per device."""
    if device == "onnx":
        from ferdis.preprocess.mtcnn_onnx import networks

        return networks()
    from ferdis.preprocess.mtcnn_torch import networks as networks_in_torch

    return networks_in_torch(device)


def _first(network: Callable[..., list[np.ndarray]], table: SumTable, min_face: int) -> np.ndarray:
    """Candidates of the first network on all levels of the pyramid: boxes (m, 5) with their probability, square."""
    layout = _layout(table.height, table.width, min_face)
    if not layout.levels:
        return np.empty((0, 5), np.float32)
    sheet = np.full((1, *layout.shape, 3), np.float32(_ZERO))
    for level in layout.levels:
        sheet[0, level.top : level.top + level.height, level.left : level.left + level.width] = table.resized(
            level.height, level.width
        )
    moves, sure = network(_scaled(sheet), layout.outside)
    found = []
    for number, level in enumerate(layout.levels):
        top, left = level.top // 2, level.left // 2
        down, across = slice(top, top + _outputs(level.height)), slice(left, left + _outputs(level.width))
        probability, shifts = sure[0, 1, down, across], moves[0][:, down, across]
        rows, columns = np.nonzero(probability >= THRESHOLDS[0])
        cell = np.stack([columns, rows], 1).astype(np.float32) * _STRIDE
        scale = np.float32(level.scale)
        corners = [np.floor((cell + 1) / scale), np.floor((cell + _CELL) / scale)]
        which = np.full((len(rows), 1), number, np.float32)
        found.append(
            np.concatenate([*corners, probability[rows, columns][:, None], shifts[:, rows, columns].T, which], 1)
        )
    boxes = np.concatenate(found)
    # Boxes are whole numbers yet: moved aside by level, all levels are suppressed at once and exactly.
    aside = boxes[:, 9:] * (2 * max(table.height, table.width))
    boxes = boxes[_suppressed(np.concatenate([boxes[:, :4] + aside, boxes[:, 4:5]], 1), _OVERLAP_LEVEL)]
    boxes = boxes[_suppressed(boxes, _OVERLAP)]
    side = boxes[:, 2:4] - boxes[:, :2]
    boxes[:, :4] += np.tile(side, 2) * boxes[:, 5:9]
    return _square(boxes[:, :5])


class _Level(NamedTuple):
    """One level of the pyramid: its scale, its size, and its place on the sheet (even numbers)."""

    scale: float
    height: int
    width: int
    top: int
    left: int


class _Layout(NamedTuple):
    """All levels on one sheet of ``shape``; ``outside`` (h - 2, w - 2) is True off the levels after the first layer."""

    levels: list[_Level]
    shape: tuple[int, int]
    outside: np.ndarray


@cache
def _layout(height: int, width: int, min_face: int) -> _Layout:
    """Levels of the pyramid side by side: one run of the first network instead of one per level.

    A face of ``min_face`` pixels fills the network's view on the first level. Levels are put into columns from the
    left, the next one below the last as long as there is room.
    """
    levels: list[_Level] = []
    scale, left, top, column = _CELL / min_face, 0, 0, 0
    while min(height, width) * scale >= _CELL:
        tall, wide = int(height * scale + 1), int(width * scale + 1)
        if levels and top + tall > levels[0].height:
            left, top, column = left + column, 0, 0
        levels.append(_Level(scale, tall, wide, top, left))
        top, column = top + tall + tall % 2, max(column, wide + wide % 2)
        scale *= FACTOR
    shape = (levels[0].height, max(level.left + level.width for level in levels)) if levels else (0, 0)
    outside = np.ones((max(shape[0] - 2, 0), max(shape[1] - 2, 0)), bool)
    for level in levels:
        outside[level.top : level.top + level.height - 2, level.left : level.left + level.width - 2] = False
    return _Layout(levels, shape, outside)


def _outputs(side: int) -> int:
    """How many places the first network looks at on a side: 3x3 layer, halved and rounded up, two 3x3 layers."""
    return (side - 1) // 2 - 4


def _judged(
    network: Callable[..., list[np.ndarray]], table: SumTable, boxes: np.ndarray, side: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates that a network takes for faces: boxes (m, 5), moves (m, 4), and points (m, 5, 2) in 0..1 if any."""
    pixels = np.floor(boxes[:, :4]).astype(np.int64) - [1, 1, 0, 0]
    within = np.clip(pixels, 0, [table.width, table.height] * 2)
    seen = (within[:, 2:] > within[:, :2]).all(1)  # at least a pixel of the image
    boxes, pixels = boxes[seen], pixels[seen]
    if len(boxes) == 0:
        return boxes, np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    moves, *points, sure = network(_scaled(table.averages(pixels, side, side)))
    taken = sure[:, 1] > threshold
    boxes = np.concatenate([boxes[:, :4], sure[:, 1:]], 1)[taken]
    # The third network gives five x, then five y.
    places = points[0][taken].reshape(-1, 2, 5).swapaxes(1, 2) if points else np.empty((len(boxes), 5, 2), np.float32)
    return boxes, moves[taken], places


def _scaled(images: np.ndarray) -> np.ndarray:
    """Images 0..255 as the networks take them."""
    return (images - np.float32(_ZERO)) * np.float32(1 / 128)


def _moved(boxes: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Boxes (m, 5) with each edge moved by a share of the side."""
    side = boxes[:, 2:4] - boxes[:, :2] + 1
    return np.concatenate([boxes[:, :4] + np.tile(side, 2) * moves, boxes[:, 4:]], 1)


def _square(boxes: np.ndarray) -> np.ndarray:
    """Boxes (m, 5) widened about their centre to squares of the longer side."""
    side = boxes[:, 2:4] - boxes[:, :2]
    longer = side.max(1, keepdims=True) if len(side) else side[:, :1]
    corner = boxes[:, :2] + side * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([corner, corner + longer, boxes[:, 4:]], 1)


def _suppressed(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """Rows of boxes (m, 5 or more) of one image that stay, surest first: none shares more than ``overlap``."""
    corners = boxes[:, :4]
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    rest, kept = np.argsort(-boxes[:, 4], kind="stable"), []
    while len(rest):
        first, rest = rest[0], rest[1:]
        kept.append(first)
        low, high = np.maximum(corners[first, :2], corners[rest, :2]), np.minimum(corners[first, 2:], corners[rest, 2:])
        wide, tall = (high - low).clip(0, None).T
        shared = wide * tall
        rest = rest[shared / (area[first] + area[rest] - shared) <= overlap]
    return np.array(kept, np.intp)


def _suppressed_inside(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """The same by the share of the smaller box, so that a box inside another one goes as well."""
    area = np.prod(boxes[:, 2:4] - boxes[:, :2] + 1, axis=1)
    rest, kept = np.argsort(-boxes[:, 4], kind="stable"), []
    while len(rest):
        first, rest = rest[0], rest[1:]
        kept.append(first)
        low, high = np.maximum(boxes[first, :2], boxes[rest, :2]), np.minimum(boxes[first, 2:4], boxes[rest, 2:4])
        shared = np.prod(np.maximum(high - low + 1, 0), axis=1)
        rest = rest[shared <= overlap * np.minimum(area[first], area[rest])]
    return np.array(kept, np.intp)
