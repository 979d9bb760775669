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
(
    _HAIR_STYLE, _HAIR_CURL, _HAIR_TONE, _TEXTURE_SEED, _GLASSES_TONE, _LASHES, _TOOTH_SHADE, _IRIS_SIZE, _IRIS_HUE,
    _IRIS_TONE,
) = range(len(PERSON))  # fmt: skip
_AMBIENT, _LIGHT_STRENGTH, _FILL, _LIGHT_WARMTH, _SECOND_STRENGTH = range(len(SCENE))


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
def _turned(matrix: np.ndarray, image: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A direction turned with the head, of length 1."""
    return _unit(
        matrix[image, 0, 0] * x + matrix[image, 0, 1] * y + matrix[image, 0, 2] * z,
        matrix[image, 1, 0] * x + matrix[image, 1, 1] * y + matrix[image, 1, 2] * z,
        matrix[image, 2, 0] * x + matrix[image, 2, 1] * y + matrix[image, 2, 2] * z,
    )


@compiled
def wear(
    triangle: np.ndarray, weights: np.ndarray, depth: np.ndarray, head_depth: np.ndarray, sunk: float,
    triangles: np.ndarray, attributes: np.ndarray, matrix: np.ndarray, hair: np.ndarray, person: np.ndarray,
    worn: np.ndarray, front: np.ndarray,
) -> None:  # fmt: skip
    """``layers._worn`` with ``surfaces.worn_surface``: the layer (n, H, W, WORN), and what is in front with it.

    Of the layer come its fragments, triangles and attributes (n, K, 7) before the head turned by ``matrix``; ``hair``
    is (n, 3). ``front`` (n, H, W) is the depth of head and layer.
    """
    count, size, _ = triangle.shape
    for image in range(count):
        curl, tone, phase = person[image, _HAIR_CURL], person[image, _HAIR_TONE], person[image, _TEXTURE_SEED] % 64.0
        rim = person[image, _GLASSES_TONE] * person[image, _GLASSES_TONE] * 0.5 + 0.01
        for row in range(size):
            for column in range(size):
                worn[image, row, column, 0] = 0.0
                behind, near = head_depth[image, row, column], depth[image, row, column]
                front[image, row, column] = behind
                number = triangle[image, row, column]
                if number < 0 or not near > behind - sunk:
                    continue
                i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
                u, v, w = weights[image, row, column, 0], weights[image, row, column, 1], weights[image, row, column, 2]
                red, green, blue, gloss, cover = rim, rim, rim, 0.0, 1.0
                x, y, z, field, across, along, frame = _seven(attributes, image, i, j, k, u, v, w)
                if not frame > 0.5:
                    ragged, streak = _strands(across, along, curl, phase)
                    cover = _smooth(field + 0.3 * ragged, -0.1, 0.45 + 0.3 * curl)
                    if cover == 0.0:
                        continue
                    bright = max(1.0 + 0.45 * streak, 0.2)
                    red, green, blue = hair[image, 0] * bright, hair[image, 1] * bright, hair[image, 2] * bright
                    gloss = 0.05 + 0.25 * (1.0 - curl) * (0.5 + 0.5 * min(max(streak, -1.0), 1.0))
                    gloss *= tone + 0.4
                x, y, z = _turned(matrix, image, x, y, z)
                for channel, value in enumerate((cover, red, green, blue, gloss, x, y, z)):
                    worn[image, row, column, channel] = value
                if cover > 0.5:
                    front[image, row, column] = max(near, behind)


@compiled
def _seven(
    values: np.ndarray, image: int, i: int, j: int, k: int, u: float, v: float, w: float
) -> tuple[float, float, float, float, float, float, float]:
    """Attributes (n, V, 7) between three vertices."""
    return (
        values[image, i, 0] * u + values[image, j, 0] * v + values[image, k, 0] * w,
        values[image, i, 1] * u + values[image, j, 1] * v + values[image, k, 1] * w,
        values[image, i, 2] * u + values[image, j, 2] * v + values[image, k, 2] * w,
        values[image, i, 3] * u + values[image, j, 3] * v + values[image, k, 3] * w,
        values[image, i, 4] * u + values[image, j, 4] * v + values[image, k, 4] * w,
        values[image, i, 5] * u + values[image, j, 5] * v + values[image, k, 5] * w,
        values[image, i, 6] * u + values[image, j, 6] * v + values[image, k, 6] * w,
    )


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
def _doubled(values: np.ndarray, image: int, row: int, column: int) -> float:
    """``shading.full_size`` at one pixel of half-size maps."""
    y, x = max(0.5 * row - 0.25, 0.0), max(0.5 * column - 0.25, 0.0)
    top, left = int(y), int(x)
    low, right = min(top + 1, values.shape[1] - 1), min(left + 1, values.shape[1] - 1)
    upper = values[image, top, left] * (1.0 - x + left) + values[image, top, right] * (x - left)
    lower = values[image, low, left] * (1.0 - x + left) + values[image, low, right] * (x - left)
    return upper + (lower - upper) * (y - top)


@compiled
def _eye(along: float, radius: float, hue: float, tone: float) -> tuple[float, float, float]:
    """``shading.eye_colour``; ``along`` is the cosine of the angle from the gaze, ``radius`` the iris's sine."""
    away = math.sqrt(max(1.0 - along * along, 0.0)) if along > 0 else 1.0
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
    soft: float, scene: np.ndarray, lamps: np.ndarray, image: int,
) -> tuple[float, float, float]:  # fmt: skip
    """``shading.shade``; ``lamps`` (n, 4, 3): both directions, and half-way from each to the camera."""
    x, y, z = normal
    ambient, strength, fill = scene[image, _AMBIENT], scene[image, _LIGHT_STRENGTH], scene[image, _FILL]
    warmth, second = scene[image, _LIGHT_WARMTH], scene[image, _SECOND_STRENGTH]
    facing = x * lamps[image, 0, 0] + y * lamps[image, 0, 1] + z * lamps[image, 0, 2]
    other = x * lamps[image, 1, 0] + y * lamps[image, 1, 1] + z * lamps[image, 1, 2]
    mirrored = max(x * lamps[image, 2, 0] + y * lamps[image, 2, 1] + z * lamps[image, 2, 2], 0.0)
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
def _catchlight(
    normal: tuple[float, float, float], seen: float, scene: np.ndarray, lamps: np.ndarray, image: int
) -> float:
    """``shading.catchlights``."""
    x, y, z = normal
    one = max(x * lamps[image, 2, 0] + y * lamps[image, 2, 1] + z * lamps[image, 2, 2], 0.0)
    two = max(x * lamps[image, 3, 0] + y * lamps[image, 3, 1] + z * lamps[image, 3, 2], 0.0)
    return min(one**180 + two**180 * scene[image, _SECOND_STRENGTH], 1.0) * seen * 0.9 * scene[image, _LIGHT_STRENGTH]


@compiled
def _place(value: float, side: int) -> tuple[int, float]:
    place = min(max(value, 0.0), side - 1.001)
    return int(place), place - int(place)


@compiled
def _on_chart(
    s: float, t: float, chart_width: float, skin: np.ndarray, person: int, cells: np.ndarray, folds: np.ndarray,
    slopes: np.ndarray, strengths: np.ndarray, image: int,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """``shading.on_chart``: skin (k, A, A, 4) and the folds' relief at a place of the chart.

    A cell's relief is the sum over ``i`` in ``cells[cell]..cells[cell + 1]`` of ``slopes[i]``, the fold ``folds[i]``'s.
    """
    side = skin.shape[1]
    column, right = _place((s / chart_width + 1.0) * (side / 2) - 0.5, side)
    row, low = _place((1.0 - t / chart_width) * (side / 2) - 0.5, side)
    red, green, blue, gloss, across, up, shade = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for down in range(2):
        for over in range(2):
            share = (low if down else 1.0 - low) * (right if over else 1.0 - right)
            red += share * skin[person, row + down, column + over, 0]
            green += share * skin[person, row + down, column + over, 1]
            blue += share * skin[person, row + down, column + over, 2]
            gloss += share * skin[person, row + down, column + over, 3]
            cell = (row + down) * side + column + over
            for i in range(cells[cell], cells[cell + 1]):
                weight = share * strengths[image, folds[i]]
                across += weight * slopes[i, 0]
                up += weight * slopes[i, 1]
                shade += weight * slopes[i, 2]
    return red, green, blue, gloss, across, up, shade


@compiled
def _furrowed(
    normal: tuple[float, float, float], across: float, upward: float, matrix: np.ndarray, image: int
) -> tuple[float, float, float]:
    """``shading.furrowed``; up is the second column of the image's ``matrix``."""
    x, y, z = normal
    u, v, w = matrix[image, 0, 1], matrix[image, 1, 1], matrix[image, 2, 1]
    sx, sy, sz = _unit(v * z - w * y, w * x - u * z, u * y - v * x)
    ox, oy, oz = y * sz - z * sy, z * sx - x * sz, x * sy - y * sx
    return _unit(x - across * sx - upward * ox, y - across * sy - upward * oy, z - across * sz - upward * oz)


@compiled
def _flesh(
    kind: int, parts: tuple[int, int, int, int, int, int, int, int], behind: float, t: float, person: np.ndarray,
    tone: np.ndarray, hair: np.ndarray, n: int,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Colour and gloss of what is neither skin nor eye: head, mouth, gums, teeth, lashes, eye socket."""
    head, socket, teeth, lash = parts[1], parts[3], parts[5], parts[7]  # the rest is mouth and gums
    red, green, blue = tone[n, 0], tone[n, 1], tone[n, 2]
    dim = max(1.0 - behind, 0.02)
    dim *= dim
    if kind == head:
        hairy = 0.6 * _smooth(person[n, _HAIR_STYLE], 0.5, 0.9) * _smooth(t, 6.0, 9.0)
        red, green = red + (hair[n, 0] - red) * hairy, green + (hair[n, 1] - green) * hairy
        return red, green, blue + (hair[n, 2] - blue) * hairy, 0.03
    if kind == teeth:
        light = person[n, _TOOTH_SHADE] * dim
        return light, 0.95 * light, 0.85 * light, 0.3 * dim
    if kind == socket:
        return 0.75 * red, 0.42 * green, 0.4 * blue, 0.03 * dim
    if kind == lash:
        pale = 0.5 * (1.0 - person[n, _LASHES])
        return 0.02 + pale * red, 0.02 + pale * green, 0.02 + pale * blue, 0.03 * dim
    red, green, blue = 0.32 * (0.6 + 0.8 * red), 0.1 * (0.6 + 0.8 * green), 0.1 * (0.6 + 0.8 * blue)
    return red * dim, green * dim, blue * dim, 0.2 * dim


@compiled
def _between(values: np.ndarray, i: int, j: int, k: int, u: float, v: float, w: float, channel: int) -> float:
    """An attribute (V, c) between three vertices."""
    return values[i, channel] * u + values[j, channel] * v + values[k, channel] * w


@compiled
def light(
    triangle: np.ndarray, weights: np.ndarray, worn: np.ndarray, sky: np.ndarray, arrives: np.ndarray,
    triangles: np.ndarray, part: np.ndarray, parts: tuple[int, int, int, int, int, int, int, int],
    normals: np.ndarray, fixed: np.ndarray, matrix: np.ndarray, chart_width: float, skin: np.ndarray,
    painted: np.ndarray, cells: np.ndarray, folds: np.ndarray, slopes: np.ndarray, strengths: np.ndarray,
    tone: np.ndarray, hair: np.ndarray, gaze: np.ndarray, iris_sine: float, person: np.ndarray, scene: np.ndarray,
    lamps: np.ndarray, linear: np.ndarray,
) -> None:  # fmt: skip
    """``surfaces.head_surface`` and ``layers._lay``: head, then hair and glasses, over linear (n, 3, H, W) in place.

    ``sky`` and ``arrives`` are half-size maps; ``fixed`` (V, 6) are chart, direction in the eyeball and depth in the
    mouth; ``painted`` (n,) says which of ``skin`` (k, A, A, 4) is whose.
    """
    count, size, _ = triangle.shape
    for n in range(count):
        for row in range(size):
            for column in range(size):
                number, cover = triangle[n, row, column], worn[n, row, column, 0]
                if number < 0 and cover == 0.0:
                    continue
                seen, lit = _doubled(sky, n, row, column), _doubled(arrives, n, row, column)
                if number >= 0 and cover < 1.0:
                    i, j, k = triangles[number, 0], triangles[number, 1], triangles[number, 2]
                    u, v, w = weights[n, row, column, 0], weights[n, row, column, 1], weights[n, row, column, 2]
                    x = normals[n, i, 0] * u + normals[n, j, 0] * v + normals[n, k, 0] * w
                    y = normals[n, i, 1] * u + normals[n, j, 1] * v + normals[n, k, 1] * w
                    z = normals[n, i, 2] * u + normals[n, j, 2] * v + normals[n, k, 2] * w
                    normal, kind, soft, glow = _turned(matrix, n, x, y, z), part[number], 0.0, 0.0
                    s, t = _between(fixed, i, j, k, u, v, w, 0), _between(fixed, i, j, k, u, v, w, 1)
                    if kind == parts[0]:
                        red, green, blue, gloss, across, upward, dark = _on_chart(
                            s, t, chart_width, skin, painted[n], cells, folds, slopes, strengths, n
                        )
                        normal = _furrowed(normal, across, upward, matrix, n)
                        soft, left = 1.0, 1.0 - min(max(dark, 0.0), 0.85)
                        red, green, blue = red * left, green * left, blue * left
                    elif kind == parts[6]:
                        x, y = _between(fixed, i, j, k, u, v, w, 2), _between(fixed, i, j, k, u, v, w, 3)
                        x, y, z = _unit(x, y, _between(fixed, i, j, k, u, v, w, 4))
                        along = x * gaze[n, 0] + y * gaze[n, 1] + z * gaze[n, 2]
                        radius = iris_sine * person[n, _IRIS_SIZE]
                        red, green, blue = _eye(along, radius, person[n, _IRIS_HUE], person[n, _IRIS_TONE])
                        gloss, glow = 0.0, _catchlight(normal, seen, scene, lamps, n)
                    else:
                        behind = _between(fixed, i, j, k, u, v, w, 5)
                        red, green, blue, gloss = _flesh(kind, parts, behind, t, person, tone, hair, n)
                        soft = 1.0 if kind == parts[1] else 0.0
                    red, green, blue = _shaded((red, green, blue), gloss, normal, seen, lit, soft, scene, lamps, n)
                    linear[n, 0, row, column] = red + glow
                    linear[n, 1, row, column] = green + glow
                    linear[n, 2, row, column] = blue + glow
                if cover > 0.0:
                    albedo = worn[n, row, column, 1], worn[n, row, column, 2], worn[n, row, column, 3]
                    normal = worn[n, row, column, 5], worn[n, row, column, 6], worn[n, row, column, 7]
                    colour = _shaded(albedo, worn[n, row, column, 4], normal, seen, lit, 0.0, scene, lamps, n)
                    for channel in range(3):
                        under = linear[n, channel, row, column]
                        linear[n, channel, row, column] = under + (colour[channel] - under) * cover
