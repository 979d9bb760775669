"""Loops over vertices, triangles and depth maps, one image after the other: what `geometry`, `raster` and `shading` do.

Every function mirrors one in torch, named in its docstring, and writes into arrays that it is given. Arithmetic is in
float32, in the order of the torch code, without contraction: the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np

from ferdis.datasets.facekit.compiled.jit import compiled

_ZERO, _HALF, _ONE, _TWO = (np.float32(value) for value in (0, 0.5, 1, 2))
_FAR, _RANGE, _STEPS = np.float32(-64), np.float32(128), np.float32(2**24)
_TINY = np.float32(1e-12)
_DEEPEST, _DARKENS = np.float32(3.0), np.float32(2.2)  # as in `shading.occlusion`


@compiled
def normals(vertices: np.ndarray, quads: np.ndarray, around: np.ndarray, out: np.ndarray) -> None:
    """``geometry.normals_of``: vertices (n, V, 3), quads (F, 4), the quads around each vertex (V, k)."""
    own = np.zeros((len(quads) + 1, 3), np.float32)  # the last is the quad that is not there
    for image in range(len(vertices)):
        v = vertices[image]
        for f in range(len(quads)):
            a, b, c, d = quads[f, 0], quads[f, 1], quads[f, 2], quads[f, 3]
            ax, ay, az = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
            bx, by, bz = v[d, 0] - v[b, 0], v[d, 1] - v[b, 1], v[d, 2] - v[b, 2]
            own[f, 0] = ay * bz - az * by
            own[f, 1] = az * bx - ax * bz
            own[f, 2] = ax * by - ay * bx
        for p in range(len(around)):
            x, y, z = _ZERO, _ZERO, _ZERO
            for nth in range(around.shape[1]):
                quad = around[p, nth]
                x += own[quad, 0]
                y += own[quad, 1]
                z += own[quad, 2]
            scale = _ONE / math.sqrt(max(x * x + y * y + z * z, _TINY))
            out[image, p, 0], out[image, p, 1], out[image, p, 2] = x * scale, y * scale, z * scale


@compiled
def project(
    points: np.ndarray, matrix: np.ndarray, pivot: np.ndarray, view: np.ndarray, face: np.ndarray, middle: float,
    out: np.ndarray,
) -> None:  # fmt: skip
    """``geometry.turn`` and ``geometry.project`` of points (n, V, 3).

    ``view`` (n, 4) holds pixels per centimetre, shifts right and down, and distance; ``face`` the depth of the face's
    plane and the height of the image's middle, cm; ``middle`` is that of the image, pixels.
    """
    plane, centre, half = face[0], face[1], np.float32(middle)
    for n in range(len(points)):
        scale, right, down, distance = view[n, 0], view[n, 1], view[n, 2], view[n, 3]
        for k in range(points.shape[1]):
            a, b, c = points[n, k, 0] - pivot[0], points[n, k, 1] - pivot[1], points[n, k, 2] - pivot[2]
            x = a * matrix[n, 0, 0] + b * matrix[n, 0, 1] + c * matrix[n, 0, 2] + pivot[0]
            y = a * matrix[n, 1, 0] + b * matrix[n, 1, 1] + c * matrix[n, 1, 2] + pivot[1]
            z = a * matrix[n, 2, 0] + b * matrix[n, 2, 1] + c * matrix[n, 2, 2] + pivot[2]
            near = distance / (distance - (z - plane))
            out[n, k, 0] = (x * near + right) * scale + half
            out[n, k, 1] = ((centre - y) * near + down) * scale + half
            out[n, k, 2] = z


@compiled
def rasterise(
    screen: np.ndarray, triangles: np.ndarray, two_sided: np.ndarray, shown: np.ndarray,
    triangle: np.ndarray, weights: np.ndarray, depth: np.ndarray,
) -> None:  # fmt: skip
    """``raster.rasterise``: screen (n, V, 3), triangles (T, 3), two_sided (T,) and shown (n or 1, T) as uint8.

    Writes the nearest triangle (n, H, W), its weights (n, H, W, 3) and depth (n, H, W).
    """
    size = triangle.shape[1]
    best = np.empty((size, size), np.int32)
    for image in range(len(screen)):
        best[:] = -1
        triangle[image] = -1
        weights[image] = _ZERO
        depth[image] = _FAR
        visible = shown[min(image, len(shown) - 1)]
        for t in range(len(triangles)):
            if not visible[t]:
                continue
            a, b, c = screen[image, triangles[t, 0]], screen[image, triangles[t, 1]], screen[image, triangles[t, 2]]
            x0, y0, x1, y1, x2, y2 = a[0], a[1], b[0], b[1], c[0], c[1]
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if not (area < _ZERO or (two_sided[t] and area > _ZERO)):
                continue
            left = max(math.ceil(min(x0, x1, x2) - _HALF), 0)
            right = min(math.floor(max(x0, x1, x2) - _HALF), size - 1)
            top = max(math.ceil(min(y0, y1, y2) - _HALF), 0)
            bottom = min(math.floor(max(y0, y1, y2) - _HALF), size - 1)
            if left > right or top > bottom:
                continue
            scale = _ONE / area
            across, down = np.float32(left) + _HALF - x0, np.float32(top) + _HALF - y0
            a0, a1, b0, b1 = (y2 - y0) * scale, (x0 - x2) * scale, (y0 - y1) * scale, (x1 - x0) * scale
            second_at, third_at = a0 * across + a1 * down, b0 * across + b1 * down
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    i, j = np.float32(column - left), np.float32(row - top)
                    second, third = second_at + a0 * i + a1 * j, third_at + b0 * i + b1 * j
                    first = _ONE - second - third
                    if second < _ZERO or third < _ZERO or first < _ZERO:
                        continue
                    z = a[2] + second * (b[2] - a[2]) + third * (c[2] - a[2])
                    level = np.int32(min(max((z - _FAR) / _RANGE, _ZERO), _ONE) * _STEPS)
                    if level >= best[row, column]:
                        best[row, column] = level
                        triangle[image, row, column] = t
                        depth[image, row, column] = z
                        weights[image, row, column, 0] = first
                        weights[image, row, column, 1] = second
                        weights[image, row, column, 2] = third


@compiled
def occlusion(depth: np.ndarray, reaches: np.ndarray, shares: np.ndarray, out: np.ndarray) -> None:
    """``shading.occlusion``: means of depth (n, h, w) over squares of odd sides, from one table of sums."""
    count, side, _ = depth.shape
    margin = reaches.max() // 2
    wide = side + 2 * margin
    table = np.zeros((wide + 1, wide + 1), np.float64)
    for image in range(count):
        for row in range(wide):
            total = 0.0
            from_row = min(max(row - margin, 0), side - 1)
            for column in range(wide):
                total += depth[image, from_row, min(max(column - margin, 0), side - 1)]
                table[row + 1, column + 1] = table[row, column + 1] + total
        for row in range(side):
            for column in range(side):
                here, shut = depth[image, row, column], _ZERO
                for k in range(len(reaches)):
                    half, reach = reaches[k] // 2, reaches[k]
                    top, left = row + margin - half, column + margin - half
                    total = (
                        table[top + reach, left + reach] - table[top, left + reach]
                        - table[top + reach, left] + table[top, left]
                    )  # fmt: skip
                    around = np.float32(total / (reach * reach))
                    shut += shares[k] * min(max(around - here, _ZERO), _DEEPEST)
                out[image, row, column] = _ONE / (_ONE + _DARKENS * shut)


@compiled
def halve(depth: np.ndarray, far: float, out: np.ndarray) -> None:
    """``shading.half_size``: depth (n, H, W) to (n, H/2, W/2)."""
    count, side, _ = out.shape
    for image in range(count):
        for row in range(side):
            for column in range(side):
                total = 0.0
                for down in range(2):
                    for over in range(2):
                        total += max(depth[image, 2 * row + down, 2 * column + over], far)
                out[image, row, column] = 0.25 * total


@compiled
def shadow(
    depth: np.ndarray, offsets: np.ndarray, rises: np.ndarray, far: float, softness: np.ndarray, out: np.ndarray
) -> None:
    """``shading.cast_shadow`` of depth (n, h, w), softened: offsets (n, k, 2) right and down, rises (n, k) in cm."""
    count, side, _ = depth.shape
    lit = np.empty((side, side), np.float64)
    for image in range(count):
        for row in range(side):
            for column in range(side):
                darkest = 0.0
                for k in range(offsets.shape[1]):
                    x, y = column + offsets[image, k, 0], row + offsets[image, k, 1]
                    blocker = depth[image, y, x] if 0 <= x < side and 0 <= y < side else far
                    above = blocker - depth[image, row, column] - rises[image, k]
                    if above < 6.0:
                        darkest = max(darkest, min(max((above - 0.12) / 0.35, 0.0), 1.0))
                lit[row, column] = 1.0 - darkest
        keeps = 1.0 - 0.85 * softness[image]
        for row in range(side):
            for column in range(side):
                total = 0.0
                for down in range(-2, 3):
                    for over in range(-2, 3):
                        total += lit[min(max(row + down, 0), side - 1), min(max(column + over, 0), side - 1)]
                out[image, row, column] = 1.0 - (1.0 - total / 25.0) * keeps


@compiled
def background(clutter: np.ndarray, scene: np.ndarray, out: np.ndarray) -> None:
    """``render._background``: clutter (n, 3, c, c), scene (n, 7) texture and two colours, out (n, 3, H, W)."""
    count, _, size, _ = out.shape
    cells = clutter.shape[2]
    patch = np.empty(3, np.float64)
    for n in range(count):
        texture = scene[n, 0]
        for row in range(size):
            y = max((row + 0.5) * cells / size - 0.5, 0.0)
            top = int(y)
            low = min(top + 1, cells - 1)
            for column in range(size):
                x = max((column + 0.5) * cells / size - 0.5, 0.0)
                left = int(x)
                right = min(left + 1, cells - 1)
                for channel in range(3):
                    above = clutter[n, channel, top, left] * (1.0 - x + left) + clutter[n, channel, top, right] * (
                        x - left
                    )
                    below = clutter[n, channel, low, left] * (1.0 - x + left) + clutter[n, channel, low, right] * (
                        x - left
                    )
                    patch[channel] = above + (below - above) * (y - top)
                share = (0.7 * row + 0.3 * column) / (size - 1)
                step = min(max((patch[0] - 0.25) / 0.5, 0.0), 1.0)
                share += (step * step * (3.0 - 2.0 * step) - share) * texture
                for channel in range(3):
                    back = scene[n, 1 + channel] + (scene[n, 4 + channel] - scene[n, 1 + channel]) * share
                    back = min(max(back + 0.18 * texture * (patch[channel] - 0.5), 0.005), 1.0)
                    out[n, channel, row, column] = back * back
