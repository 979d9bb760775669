"""Where every vertex is: identity modes, action units as shapes, gaze, pose and camera."""

from __future__ import annotations

import torch
from torch import Tensor

from ferdis.datasets.facekit import compiled
from ferdis.datasets.facekit.anatomy import Anatomy
from ferdis.datasets.facekit.model import CENTRAL, SHAPES, SIDED
from ferdis.faces import ACTION_UNITS

GEMM_ROWS = 8  # products are padded to this many rows, so that a row's result does not depend on its company
PIVOT = (0.0, -3.5, 1.0)  # the head turns about the top of the neck, cm
FRAME_CENTRE_Y = 1.4  # cm: this height of the model is the middle of the image
FACE_PLANE = 9.0  # cm: the depth at which the scale in pixels per centimetre holds

# Action unit -> shape of each half (weight at intensity 5). The model's own table, with what the eye misses in it: a
# raised cheek narrows the eye, a raised upper lip goes with its wings, tightened lips roll inwards.
_SIDED_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.6},
    2: {"browOuterUp": 1.3, "browInnerUp": 0.15},
    4: {"browDown": 1.6},
    5: {"eyeWide": 1.35, "eyeBlink": -0.06},
    6: {"cheekSquint": 1.3, "eyeSquint": 0.4, "eyeBlink": 0.1},
    7: {"eyeSquint": 1.0, "eyeBlink": 0.26},
    9: {"noseSneer": 1.15, "browDown": 0.45, "eyeSquint": 0.3},
    10: {"mouthUpperUp": 1.1, "noseSneer": 0.2},
    12: {"mouthSmile": 1.0, "cheekSquint": 0.15},
    14: {"mouthDimple": 1.1},
    15: {"mouthFrown": 1.5},
    17: {"mouthFrown": 0.15},
    20: {"mouthStretch": 1.1},
    23: {"mouthPress": 0.9},
    25: {"mouthLowerDown": 0.85, "mouthUpperUp": 0.12},
    45: {"eyeBlink": 1.0},
}
_CENTRAL_UNITS: dict[int, dict[str, float]] = {
    10: {"mouthShrugUpper": 0.3},
    17: {"mouthShrugLower": 0.75, "mouthShrugUpper": 0.15},
    23: {"mouthRollUpper": 0.45, "mouthRollLower": 0.5, "mouthPucker": 0.1},
    25: {"jawOpen": 0.05, "mouthShrugUpper": 0.12},
    26: {"jawOpen": 0.52},
}
_PARTED_BY_JAW = 2.0  # intensity of unit 25 from which an open jaw parts the lips altogether


def shape_weights(au_left: Tensor, au_right: Tensor, rest: Tensor, gaze: Tensor) -> Tensor:
    """Weights of the expression shapes.

    Parameters
    ----------
    au_left, au_right : Tensor (n, 17)
        Intensities 0..5 of the person's left and right half, in the order of ``ferdis.faces.ACTION_UNITS``.
    rest : Tensor (n, len(SHAPES))
        The person's resting face.
    gaze : Tensor (n, 2)
        -1..1, image right and down.

    Returns
    -------
    Tensor (n, len(SHAPES))
        In the order of ``model.SHAPES``.
    """
    sided, central = (matrix.to(au_left.device) for matrix in _UNIT_MATRICES)
    halves = [au @ sided / 5 for au in (au_left, au_right)]
    middle = (au_left + au_right) / 2
    centre = middle @ central / 5
    lids = _lids_follow(gaze)
    index = {name: k for k, name in enumerate(SIDED)}
    for side, half in enumerate(halves):
        for name, values in lids.items():
            outward = (side == 0) == (name == "eyeLookRight")
            shape = {"eyeLookRight": "eyeLookOut" if outward else "eyeLookIn"}.get(name)
            if name == "eyeLookLeft":
                shape = "eyeLookOut" if side == 1 else "eyeLookIn"
            half[:, index[shape or name]] += values
    both = torch.stack(halves, 2).flatten(1)  # name_L, name_R in turn, as SHAPES has them
    parted = (middle[:, [ACTION_UNITS.index(25)]] / _PARTED_BY_JAW).clamp(0, 1)
    jaw = CENTRAL.index("jawOpen")
    centre[:, CENTRAL.index("mouthClose")] = (centre[:, [jaw]] * (1 - parted))[:, 0]
    weights = torch.cat((both, centre), 1) + rest
    lid = [SHAPES.index(f"eyeBlink_{side}") for side in "LR"]
    weights[:, lid] = weights[:, lid].clamp(-0.15, 1.0)
    return weights


def _lids_follow(gaze: Tensor) -> dict[str, Tensor]:
    across, down = gaze.unbind(1)
    return {
        "eyeLookRight": across.clamp(min=0), "eyeLookLeft": (-across).clamp(min=0),
        "eyeLookDown": down.clamp(min=0), "eyeLookUp": (-down).clamp(min=0),
    }  # fmt: skip


def _unit_matrix(table: dict[int, dict[str, float]], names: tuple[str, ...]) -> Tensor:
    matrix = torch.zeros(len(ACTION_UNITS), len(names))
    for unit, shapes in table.items():
        for name, weight in shapes.items():
            matrix[ACTION_UNITS.index(unit), names.index(name)] = weight
    return matrix


_UNIT_MATRICES = (_unit_matrix(_SIDED_UNITS, SIDED), _unit_matrix(_CENTRAL_UNITS, CENTRAL))


def steady_product(rows: Tensor, matrix: Tensor) -> Tensor:
    """``rows @ matrix`` in blocks of a fixed height: a row's result is the same in any company."""
    blocks = []
    for start in range(0, len(rows), GEMM_ROWS):
        block = rows[start : start + GEMM_ROWS]
        full = torch.cat((block, block.new_zeros(GEMM_ROWS - len(block), block.shape[1])))
        blocks.append((full @ matrix)[: len(block)])
    return torch.cat(blocks) if blocks else rows.new_zeros(0, matrix.shape[1])


def rest_positions(anatomy: Anatomy, modes: Tensor) -> Tensor:
    """Vertices (n, V, 3) of faces at rest, from mode weights (n, 100)."""
    return anatomy.template + steady_product(modes, anatomy.identity).view(len(modes), -1, 3)


def move(anatomy: Anatomy, still: Tensor, weights: Tensor) -> Tensor:
    """Resting vertices (n, V, 3) moved by shape weights (n, len(SHAPES))."""
    return still + steady_product(weights, anatomy.shapes).view(len(weights), -1, 3)


def normals_of(anatomy: Anatomy, vertices: Tensor) -> Tensor:
    """Unit normals (n, V, 3) of vertices: mean of the quads around each, weighted by their area."""
    if compiled.usable(vertices):
        return compiled.normals(vertices, anatomy.quads, anatomy.around)
    a, b, c, d = (vertices.index_select(1, corner) for corner in anatomy.quads.t().contiguous())
    (ax, ay, az), (bx, by, bz) = (c - a).unbind(-1), (d - b).unbind(-1)
    quads = vertices.new_zeros(len(vertices), len(anatomy.quads) + 1, 3)
    quads[:, :-1] = torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), -1)
    total = quads.index_select(1, anatomy.around[:, 0].contiguous())
    for nth in range(1, anatomy.around.shape[1]):
        total += quads.index_select(1, anatomy.around[:, nth].contiguous())
    return total * total.square().sum(-1, keepdim=True).clamp(min=1e-12).rsqrt()


def rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(n, 3, 3) from degrees: yaw turns the nose to image right, pitch down, roll clockwise in the image."""
    yaw, pitch, roll = (torch.deg2rad(v) for v in (yaw, pitch, roll))
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    about_x = [one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos()]
    about_y = [yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()]
    about_z = [roll.cos(), roll.sin(), zero, -roll.sin(), roll.cos(), zero, zero, zero, one]
    x, y, z = (torch.stack(rows, 1).view(-1, 3, 3) for rows in (about_x, about_y, about_z))
    return z @ y @ x


def turn(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (n, k, 3) of the head turned about the top of the neck."""
    pivot = points.new_tensor(PIVOT)
    return _times(points - pivot, matrix) + pivot


def _times(points: Tensor, matrix: Tensor) -> Tensor:
    """(n, k, 3) times transposed (n, 3, 3), without a product whose rounding depends on its shape."""
    columns = [
        points[..., 0] * matrix[:, i, 0, None] + points[..., 1] * matrix[:, i, 1, None]
        + points[..., 2] * matrix[:, i, 2, None] for i in range(3)
    ]  # fmt: skip
    return torch.stack(columns, -1)


def turn_directions(directions: Tensor, matrix: Tensor) -> Tensor:
    """Directions (n, k, 3) of the head turned with it."""
    return _times(directions, matrix)


def project(points: Tensor, scale: Tensor, shift: Tensor, distance: Tensor, size: int) -> Tensor:
    """Perspective projection.

    Parameters
    ----------
    points : Tensor (n, k, 3)
        Turned points, cm.
    scale : Tensor (n,)
        Pixels per centimetre in the plane of the face, in an image of 128.
    shift : Tensor (n, 2)
        Centimetres, right and down.
    distance : Tensor (n,)
        Of the camera from the plane of the face, cm.
    size : int

    Returns
    -------
    Tensor (n, k, 3)
        Pixels right and down, and depth in cm.
    """
    near = distance[:, None] / (distance[:, None] - (points[..., 2] - FACE_PLANE))
    pixels = (scale * size / 128)[:, None]
    across = (points[..., 0] * near + shift[:, :1]) * pixels + size / 2
    down = ((FRAME_CENTRE_Y - points[..., 1]) * near + shift[:, 1:]) * pixels + size / 2
    return torch.stack((across, down, points[..., 2]), -1)
