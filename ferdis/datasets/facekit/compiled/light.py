"""Loops over pixels: what `surfaces` and `shading` say of hair, glasses and head, and how bright each pixel is.

Every function mirrors torch code that its docstring names. Positions and tables are float32, arithmetic is in float64.
Tables of people and scenes hold the columns `PERSON` and `SCENE`, in this order.
"""

from __future__ import annotations

import math

import numpy as np

from ferdis.datasets.facekit.compiled.jit import compiled

PERSON = (
    "hair_style", "hair_curl", "hair_tone", "texture_seed", "glasses_tone", "lashes", "tooth_shade", "iris_size",
    "iris_hue", "iris_tone",
)  # fmt: skip
SCENE = ("ambient", "light_strength", "fill", "light_warmth", "second_strength")
WORN = 8  # cover, albedo (3), gloss, normal (3)


@compiled
def _smooth(value: float, low: float, high: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled
def _bell(offset: float, width: float) -> float:
    reach = offset * (0.25 / width)
    left = max(1.0 - reach * reach, 0.0)
    left *= left
    left *= left
    return left * left


@compiled
def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    scale = 1.0 / math.sqrt(max(x * x + y * y + z * z, 1e-8))
    return x * scale, y * scale, z * scale


@compiled
def _turned(matrix: np.ndarray, x: float, y: float, z: float) -> tuple[float, float, float]:
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z,
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z,
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z,
    )


@compiled
def _mixed(values: np.ndarray, corners: np.ndarray, weights: np.ndarray, channel: int) -> float:
    """An attribute of vertices (V, c) at a pixel."""
    return (
        values[corners[0], channel] * weights[0] + values[corners[1], channel] * weights[1]
        + values[corners[2], channel] * weights[2]
    )  # fmt: skip


@compiled
def wear(
    triangle: np.ndarray, weights: np.ndarray, depth: np.ndarray, head_depth: np.ndarray, sunk: float,
    triangles: np.ndarray, attributes: np.ndarray, matrix: np.ndarray, hair: np.ndarray, person: np.ndarray,
    worn: np.ndarray, front: np.ndarray,
) -> None:  # fmt: skip
    """``render._worn`` with ``surfaces.worn_surface``: the layer (n, H, W, WORN), and what is in front with it.

    Of the layer come its fragments, triangles and attributes (n, K, 7) before the head turned by ``matrix``; ``hair``
    is (n, 3). ``front`` (n, H, W) is the depth of head and layer.
    """
    count, size, _ = triangle.shape
    for image in range(count):
        curl, tone, phase = person[image, 1], person[image, 2], person[image, 3] % 64.0
        rim = person[image, 4] * person[image, 4] * 0.5 + 0.01
        for row in range(size):
            for column in range(size):
                worn[image, row, column, 0] = 0.0
                front[image, row, column] = head_depth[image, row, column]
                number, near = triangle[image, row, column], depth[image, row, column]
                if number < 0 or not near > head_depth[image, row, column] - sunk:
                    continue
                out, corners, share = worn[image, row, column], triangles[number], weights[image, row, column]
                values = attributes[image]
                red, green, blue, gloss, cover = rim, rim, rim, 0.0, 1.0
                if not _mixed(values, corners, share, 6) > 0.5:
                    across, along = _mixed(values, corners, share, 4), _mixed(values, corners, share, 5)
                    ragged, streak = _strands(across, along, curl, phase)
                    field = _mixed(values, corners, share, 3)
                    cover = _smooth(field + 0.3 * ragged, -0.1, 0.45 + 0.3 * curl)
                    if cover == 0.0:
                        continue
                    bright = max(1.0 + 0.45 * streak, 0.2)
                    red, green, blue = hair[image, 0] * bright, hair[image, 1] * bright, hair[image, 2] * bright
                    gloss = 0.05 + 0.25 * (1.0 - curl) * (0.5 + 0.5 * min(max(streak, -1.0), 1.0))
                    gloss *= tone + 0.4
                x, y, z = _turned(
                    matrix[image], _mixed(values, corners, share, 0), _mixed(values, corners, share, 1),
                    _mixed(values, corners, share, 2),
                )  # fmt: skip
                out[0], out[1], out[2], out[3], out[4] = cover, red, green, blue, gloss
                out[5], out[6], out[7] = _unit(x, y, z)
                if cover > 0.5:
                    front[image, row, column] = max(near, head_depth[image, row, column])


@compiled
def _strands(across: float, along: float, curl: float, phase: float) -> tuple[float, float]:
    """``surfaces._strands``."""
    bent = across + (0.25 + 0.75 * curl) * math.sin(0.7 * along + phase)
    fine = math.sin(9.1 * bent + phase) + math.sin(14.7 * bent + 1.7 * phase + 0.6 * along)
    coarse = math.sin(2.3 * bent + phase) + math.sin(4.1 * bent + 0.4 * along + 2.1 * phase)
    knots = math.sin(5.0 * along + 6.0 * across + phase) * math.sin(6.3 * across - 3.1 * along)
    plain = 0.25 * (fine + coarse)
    return 0.25 * fine + 0.45 * coarse, plain + (0.6 * knots - plain) * curl


@compiled
def _doubled(values: np.ndarray, row: int, column: int) -> float:
    """``shading.full_size`` at one pixel of a half-size map."""
    y, x = max(0.5 * row - 0.25, 0.0), max(0.5 * column - 0.25, 0.0)
    top, left = int(y), int(x)
    low, right = min(top + 1, len(values) - 1), min(left + 1, len(values) - 1)
    upper = values[top, left] + (values[top, right] - values[top, left]) * (x - left)
    lower = values[low, left] + (values[low, right] - values[low, left]) * (x - left)
    return upper + (lower - upper) * (y - top)


@compiled
def _eye(
    x: float, y: float, z: float, gaze: np.ndarray, person: np.ndarray, iris_sine: float
) -> tuple[float, float, float]:
    """``shading.eye_colour``."""
    along = x * gaze[0] + y * gaze[1] + z * gaze[2]
    away = math.sqrt(max(1.0 - along * along, 0.0)) if along > 0 else 1.0
    radius, hue, tone = iris_sine * person[7], person[8], person[9]
    iris = _smooth(away, radius + 0.025, radius - 0.025)
    pupil = _smooth(away, 0.42 * radius + 0.03, 0.42 * radius - 0.03)
    ring = 1.0 - 0.55 * _bell(away - radius, 0.05)
    white = 1.0 - 0.3 * min(max(away - 0.5, 0.0), 1.0)
    red, green, blue = 0.22 + (0.12 - 0.22) * hue, 0.24 + (0.2 - 0.24) * hue, 0.2 + (0.3 - 0.2) * hue
    red, green, blue = 0.06 + (red - 0.06) * tone, 0.028 + (green - 0.028) * tone, 0.012 + (blue - 0.012) * tone
    share, clear = 1.0 - pupil, 1.0 - iris
    return (
        (0.5 * white * clear + red * share * iris) * ring,
        (0.465 * white * clear + green * share * iris) * ring,
        (0.44 * white * clear + blue * share * iris) * ring,
    )


@compiled
def _shaded(
    albedo: tuple[float, float, float], gloss: float, normal: tuple[float, float, float], seen: float, lit: float,
    soft: float, scene: np.ndarray, lamps: np.ndarray,
) -> tuple[float, float, float]:  # fmt: skip
    """``shading.shade``; ``lamps`` (4, 3): both directions, and half-way from each to the camera."""
    x, y, z = normal
    ambient, strength, fill, warmth, second = scene[0], scene[1], scene[2], scene[3], scene[4]
    facing = x * lamps[0, 0] + y * lamps[0, 1] + z * lamps[0, 2]
    other = x * lamps[1, 0] + y * lamps[1, 1] + z * lamps[1, 2]
    mirrored = max(x * lamps[2, 0] + y * lamps[2, 1] + z * lamps[2, 2], 0.0)
    for _ in range(4):
        mirrored *= mirrored
    sky = (ambient + 0.08) * (0.72 + 0.22 * y + 0.06 * z) * seen + 0.5 * strength * max(-facing, 0.0) * fill
    edge = 1.0 - min(max(z, 0.0), 1.0)
    sky += edge * edge * edge * edge * 0.12 * soft * seen
    sheen = 0.55 * mirrored * gloss * seen * lit * strength
    first, second = strength * lit, strength * second * (0.4 + 0.6 * seen)
    a, b, c = 0.32 * soft, 0.16 * soft, 0.12 * soft
    warm, cold = 1.0 + 0.12 * warmth, 1.0 - 0.16 * warmth
    red = max((facing + a) / (1.0 + a), 0.0) * first * warm + max((other + a) / (1.0 + a), 0.0) * second
    green = max((facing + b) / (1.0 + b), 0.0) * first + max((other + b) / (1.0 + b), 0.0) * second
    blue = max((facing + c) / (1.0 + c), 0.0) * first * cold + max((other + c) / (1.0 + c), 0.0) * second
    return (
        albedo[0] * (red + sky) + sheen * warm,
        albedo[1] * (green + sky) + sheen,
        albedo[2] * (blue + sky) + sheen * cold,
    )


@compiled
def _catchlight(normal: tuple[float, float, float], seen: float, scene: np.ndarray, lamps: np.ndarray) -> float:
    """``shading.catchlights``."""
    x, y, z = normal
    one = max(x * lamps[2, 0] + y * lamps[2, 1] + z * lamps[2, 2], 0.0)
    two = max(x * lamps[3, 0] + y * lamps[3, 1] + z * lamps[3, 2], 0.0)
    return min(one**180 + two**180 * scene[4], 1.0) * seen * 0.9 * scene[1]


@compiled
def _place(value: float, side: int) -> tuple[int, float]:
    place = min(max(value, 0.0), side - 1.001)
    return int(place), place - int(place)


@compiled
def _on_chart(
    s: float, t: float, chart_width: float, skin: np.ndarray, cells: np.ndarray, folds: np.ndarray,
    slopes: np.ndarray, strengths: np.ndarray,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """``shading.on_chart``: skin (A, A, 4) and the folds' relief at a place of the chart.

    The relief of cell k is the sum over ``i`` in ``cells[k]..cells[k + 1]`` of ``slopes[i] * strengths[folds[i]]``.
    """
    side = len(skin)
    column, right = _place((s / chart_width + 1.0) * (side / 2) - 0.5, side)
    row, low = _place((1.0 - t / chart_width) * (side / 2) - 0.5, side)
    red, green, blue, gloss, across, up, shade = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for down in range(2):
        for over in range(2):
            share = (low if down else 1.0 - low) * (right if over else 1.0 - right)
            paint = skin[row + down, column + over]
            red += share * paint[0]
            green += share * paint[1]
            blue += share * paint[2]
            gloss += share * paint[3]
            cell = (row + down) * side + column + over
            for i in range(cells[cell], cells[cell + 1]):
                weight = share * strengths[folds[i]]
                across += weight * slopes[i, 0]
                up += weight * slopes[i, 1]
                shade += weight * slopes[i, 2]
    return red, green, blue, gloss, across, up, shade


@compiled
def _furrowed(
    normal: tuple[float, float, float], across: float, upward: float, matrix: np.ndarray
) -> tuple[float, float, float]:
    """``shading.furrowed``; up is the second column of ``matrix``."""
    x, y, z = normal
    u, v, w = matrix[0, 1], matrix[1, 1], matrix[2, 1]
    sx, sy, sz = _unit(v * z - w * y, w * x - u * z, u * y - v * x)
    ox, oy, oz = y * sz - z * sy, z * sx - x * sz, x * sy - y * sx
    return _unit(x - across * sx - upward * ox, y - across * sy - upward * oy, z - across * sz - upward * oz)


@compiled
def _flesh(
    kind: int, parts: tuple[int, int, int, int, int, int, int, int], behind: float, t: float, person: np.ndarray,
    tone: np.ndarray, hair: np.ndarray,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Colour and gloss of what is neither skin nor eye: head, mouth, gums, teeth, lashes, eye socket."""
    head, socket, teeth, lash = parts[1], parts[3], parts[5], parts[7]  # the rest is mouth and gums
    dim = max(1.0 - behind, 0.02)
    dim *= dim
    if kind == head:
        hairy = 0.6 * _smooth(person[0], 0.5, 0.9) * _smooth(t, 6.0, 9.0)
        red, green, blue = (
            tone[0] + (hair[0] - tone[0]) * hairy, tone[1] + (hair[1] - tone[1]) * hairy,
            tone[2] + (hair[2] - tone[2]) * hairy,
        )  # fmt: skip
        return red, green, blue, 0.03
    if kind == teeth:
        return person[6] * dim, 0.95 * person[6] * dim, 0.85 * person[6] * dim, 0.3 * dim
    if kind == socket:
        return 0.75 * tone[0], 0.42 * tone[1], 0.4 * tone[2], 0.03 * dim
    if kind == lash:
        pale = 0.5 * (1.0 - person[5])
        return 0.02 + pale * tone[0], 0.02 + pale * tone[1], 0.02 + pale * tone[2], 0.03 * dim
    dim_red = 0.32 * (0.6 + 0.8 * tone[0]) * dim
    return dim_red, 0.1 * (0.6 + 0.8 * tone[1]) * dim, 0.1 * (0.6 + 0.8 * tone[2]) * dim, 0.2 * dim


@compiled
def light(
    triangle: np.ndarray, weights: np.ndarray, worn: np.ndarray, sky: np.ndarray, arrives: np.ndarray,
    triangles: np.ndarray, part: np.ndarray, parts: tuple[int, int, int, int, int, int, int, int],
    normals: np.ndarray, fixed: np.ndarray, matrix: np.ndarray, chart_width: float, skin: np.ndarray,
    painted: np.ndarray, cells: np.ndarray, folds: np.ndarray, slopes: np.ndarray, strengths: np.ndarray,
    tone: np.ndarray, hair: np.ndarray, gaze: np.ndarray, iris_sine: float, person: np.ndarray, scene: np.ndarray,
    lamps: np.ndarray, linear: np.ndarray,
) -> None:  # fmt: skip
    """``surfaces.head_surface`` and ``render._lay``: head, then hair and glasses, over linear (n, 3, H, W) in place.

    ``sky`` and ``arrives`` are half-size maps; ``fixed`` (V, 6) are chart, direction in the eyeball and depth in the
    mouth; ``painted`` (n,) says which of ``skin`` (k, A, A, 4) is whose.
    """
    count, size, _ = triangle.shape
    for image in range(count):
        of, view, lit_by, turn = person[image], scene[image], lamps[image], matrix[image]
        for row in range(size):
            for column in range(size):
                number, over = triangle[image, row, column], worn[image, row, column]
                if number < 0 and over[0] == 0.0:
                    continue
                seen, lit = _doubled(sky[image], row, column), _doubled(arrives[image], row, column)
                if number >= 0 and over[0] < 1.0:
                    at, share, kind = triangles[number], weights[image, row, column], part[number]
                    out = normals[image]
                    nx, ny, nz = _turned(
                        turn, _mixed(out, at, share, 0), _mixed(out, at, share, 1), _mixed(out, at, share, 2)
                    )
                    normal, soft = _unit(nx, ny, nz), 1.0 if kind == parts[0] or kind == parts[1] else 0.0
                    s, t = _mixed(fixed, at, share, 0), _mixed(fixed, at, share, 1)
                    glow = 0.0
                    if kind == parts[0]:
                        red, green, blue, gloss, across, upward, dark = _on_chart(
                            s, t, chart_width, skin[painted[image]], cells, folds, slopes, strengths[image]
                        )
                        normal = _furrowed(normal, across, upward, turn)
                        left = 1.0 - min(max(dark, 0.0), 0.85)
                        red, green, blue = red * left, green * left, blue * left
                    elif kind == parts[6]:
                        x, y, z = _unit(
                            _mixed(fixed, at, share, 2), _mixed(fixed, at, share, 3), _mixed(fixed, at, share, 4)
                        )
                        red, green, blue = _eye(x, y, z, gaze[image], of, iris_sine)
                        gloss, glow = 0.0, _catchlight(normal, seen, view, lit_by)
                    else:
                        red, green, blue, gloss = _flesh(
                            kind, parts, _mixed(fixed, at, share, 5), t, of, tone[image], hair[image]
                        )
                    red, green, blue = _shaded((red, green, blue), gloss, normal, seen, lit, soft, view, lit_by)
                    linear[image, 0, row, column] = red + glow
                    linear[image, 1, row, column] = green + glow
                    linear[image, 2, row, column] = blue + glow
                if over[0] > 0.0:
                    colour = _shaded(
                        (over[1], over[2], over[3]), over[4], (over[5], over[6], over[7]), seen, lit, 0.0, view, lit_by
                    )
                    for channel in range(3):
                        under = linear[image, channel, row, column]
                        linear[image, channel, row, column] = under + (colour[channel] - under) * over[0]
