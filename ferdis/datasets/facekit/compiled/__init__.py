"""The renderer's inner loops, compiled for the processor by numba; where it is not installed the torch code draws.

What is here takes and gives tensors. The torch code that each function stands for is its reference and draws on
accelerators; `usable` says which of the two a caller is to ask.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import numpy as np
import torch
from torch import Tensor


@functools.cache
def available() -> bool:
    """Whether numba is there, and takes the numpy that is there: ``pip install 'ferdis[fast]'``."""
    try:
        importlib.import_module("numba")
    except ImportError:
        return False
    return True


def usable(tensor: Tensor) -> bool:
    """Whether loops may run over a tensor's memory."""
    return tensor.device.type == "cpu" and available()


def normals(vertices: Tensor, quads: Tensor, around: Tensor) -> Tensor:
    """What ``geometry.normals_of`` gives, (n, V, 3)."""
    out = torch.empty_like(vertices)
    loops("mesh").normals(array(vertices), quads.numpy(), around.numpy(), out.numpy())
    return out


def project(
    points: Tensor, matrix: Tensor, pivot: tuple[float, ...], view: Tensor, face: tuple[float, float], size: int
) -> Tensor:
    """What ``geometry.turn`` and then ``geometry.project`` give, (n, V, 3); ``view`` and ``face`` as in the loop."""
    out = torch.empty_like(points)
    turns_at, plane = np.array(pivot, np.float32), np.array(face, np.float32)
    loops("mesh").project(array(points), array(matrix), turns_at, array(view), plane, size / 2, out.numpy())
    return out


def background(clutter: np.ndarray, scene: Tensor, size: int) -> Tensor:
    """What ``render._background`` gives, (n, 3, size, size)."""
    out = torch.empty(len(clutter), 3, size, size)
    loops("mesh").background(clutter, array(scene), out.numpy())
    return out


def rasterise(
    screen: Tensor, triangles: Tensor, size: int, two_sided: Tensor | None, shown: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``raster.rasterise`` gives: triangle, weights and depth."""
    shape = (len(screen), size, size)
    triangle, weights = torch.empty(shape, dtype=torch.long), torch.empty(*shape, 3)
    depth = torch.empty(shape)
    sides = torch.zeros(len(triangles), dtype=torch.bool) if two_sided is None else two_sided
    visible = torch.ones(1, len(triangles), dtype=torch.bool) if shown is None else shown
    loops("mesh").rasterise(
        array(screen), array(triangles), array(sides), array(visible), triangle.numpy(), weights.numpy(),
        depth.numpy(),
    )  # fmt: skip
    return triangle, weights, depth


def occlusion(depth: Tensor, windows: list[tuple[int, float]]) -> Tensor:
    """What ``shading.occlusion`` gives; ``windows`` are sides of squares, odd, and their weights."""
    out = torch.empty_like(depth)
    sides, weights = np.array([side for side, _ in windows]), np.array([w for _, w in windows], np.float32)
    loops("mesh").occlusion(array(depth), sides, weights, out.numpy())
    return out


@functools.cache
def loops(name: str) -> ModuleType:
    """A module of loops; imported at the first image, since numba takes a second."""
    return importlib.import_module(f"{__name__}.{name}")


def array(tensor: Tensor) -> np.ndarray:
    """A tensor's memory, in rows."""
    return np.asarray(tensor.contiguous().numpy())
