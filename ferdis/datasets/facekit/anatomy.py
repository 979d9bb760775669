"""What of the model is drawn, as tensors: vertices, triangles, parts, shapes, and the chart that skin is painted on."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit.model import MODES, SHAPES, FaceModel
from ferdis.datasets.facekit.raster import triangles_of

# Parts of the topology: name, first and last vertex, first and last quad that are drawn (the iris and the transparent
# meshes of the eye are not: eyes are painted on the eyeball).
SKIN, HEAD, MOUTH, EYE_SOCKET, GUMS, TEETH, EYE, LASH = range(8)
_PARTS = (
    (SKIN, (0, 9409), (0, 9230)),
    (HEAD, (9409, 11248), (9230, 11144)),
    (MOUTH, (11248, 13294), (11144, 13226)),
    (EYE_SOCKET, (13294, 14062), (13226, 14034)),
    (GUMS, (14062, 17039), (14034, 17006)),
    (TEETH, (17039, 21451), (17006, 21496)),
    (EYE, (21451, 22221), (21496, 22296)),
    (EYE, (23021, 23791), (23094, 23894)),
    (LASH, (25351, 26719), (25304, 26384)),
)
_EYEBALL, _EYE_BACK = 0.97, 0.07  # size of the eyeballs, and cm that they are set back
_LASHES_SHOWN = 3  # of ten strips: all of them would blacken the eye

# Multi-PIE's 68 landmarks, from the model's own page.
LANDMARKS_68 = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443, 268, 493, 1914,
    2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360, 1507, 1542, 1537,
    1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518,
    5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip

CHART_WIDTH, CHART_TOP, CHART_BOTTOM = 10.0, 10.0, -10.0  # cm: the chart shows s in -10..10 and t in -10..10
_CHART_RADIUS, _CHART_AXIS = 11.0, 2.0
_VALENCE = 5  # quads around a vertex that enter its normal


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The drawn part of a face model.

    Attributes
    ----------
    template : Tensor (V, 3)
        The average face at rest, cm; x to the person's left, y up, z forward.
    part : Tensor (V,), int64
        One of SKIN .. LASH.
    identity : Tensor (100, 3 V)
        Principal modes; modes that a partial model lacks are 0.
    shapes : Tensor (len(SHAPES), 3 V)
        Expression shapes, in the order of ``model.SHAPES``.
    quads, triangles : Tensor (F, 4), (T, 3), int64
    triangle_part : Tensor (T,), int64
    around : Tensor (V, 5), int64
        Quads at each vertex; where there are fewer, the number F.
    chart : Tensor (V, 2)
        Where on the chart of the skin a vertex lies, cm: s along the cheek (to the person's left), t up.
    landmarks : Tensor (68,), int64
    eyes : Tensor (2, 3)
        Centres of the eyeballs of the template, right then left.
    """

    template: Tensor
    part: Tensor
    identity: Tensor
    shapes: Tensor
    quads: Tensor
    triangles: Tensor
    triangle_part: Tensor
    around: Tensor
    chart: Tensor
    landmarks: Tensor
    eyes: Tensor

    def to(self, device: torch.device | str) -> Anatomy:
        """The same on a device."""
        return Anatomy(**{name: value.to(device) for name, value in self.__dict__.items()})


@functools.lru_cache(maxsize=2)
def landmarks_only(anatomy: Anatomy) -> Anatomy:
    """The same with the 68 landmarks for vertices, and nothing to draw: for where they are."""
    rows, count = anatomy.landmarks, len(anatomy.template)
    none = anatomy.quads[:0]
    return replace(
        anatomy, template=anatomy.template[rows], part=anatomy.part[rows], chart=anatomy.chart[rows],
        identity=anatomy.identity.view(-1, count, 3)[:, rows].flatten(1).contiguous(),
        shapes=anatomy.shapes.view(-1, count, 3)[:, rows].flatten(1).contiguous(), quads=none,
        triangles=none[:, :3], triangle_part=none[:, 0], around=none, landmarks=torch.arange(len(rows)),
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def anatomy_of(model: FaceModel) -> Anatomy:
    """Build the drawn part of ``model``; kept for the process."""
    vertices = np.concatenate([np.arange(*span) for _, span, _ in _PARTS])
    part = np.concatenate([np.full(last - first, name) for name, (first, last), _ in _PARTS])
    quads, owner = _drawn_quads(model.faces)
    extra = np.setdiff1d(np.unique(quads), vertices)  # seams that a quad shares with a part that is not drawn
    vertices, part = np.concatenate([vertices, extra]), np.concatenate([part, np.full(len(extra), SKIN)])
    number = np.full(len(model.vertices), -1)
    number[vertices] = np.arange(len(vertices))
    quads = number[quads]
    template = model.vertices[vertices]
    eyes = [_centre(model.vertices[first:last]) for first, last in ((23021, 23791), (21451, 22221))]
    for side, centre in enumerate(eyes):  # lids close over it, and no cornea shows through them
        ball = (part == EYE) & ((template[:, 0] > 0) == bool(side))
        template[ball] = centre + _EYEBALL * (template[ball] - centre) - [0, 0, _EYE_BACK]
    identity = np.zeros((MODES, len(vertices) * 3), np.float32)
    identity[: len(model.identity)] = model.identity[:, vertices].reshape(len(model.identity), -1)
    nothing = np.zeros((len(vertices), 3), np.float32)
    shapes = [model.expression[name][vertices] if name in model.expression else nothing for name in SHAPES]
    quads_tensor = torch.from_numpy(quads)
    second = owner[quads[:, 2] != quads[:, 3]]
    return Anatomy(
        template=torch.from_numpy(template), part=torch.from_numpy(part), identity=torch.from_numpy(identity),
        shapes=torch.from_numpy(np.stack(shapes).reshape(len(SHAPES), -1)), quads=quads_tensor,
        triangles=triangles_of(quads_tensor), triangle_part=torch.from_numpy(np.concatenate([owner, second])),
        around=torch.from_numpy(_quads_around(quads, len(vertices))), chart=chart_of(torch.from_numpy(template)),
        landmarks=torch.from_numpy(number[np.array(LANDMARKS_68)]),
        eyes=torch.from_numpy(np.stack(eyes).astype(np.float32)),
    )  # fmt: skip


def chart_of(points: Tensor) -> Tensor:
    """The chart's coordinates (..., 2) of points (..., 3) of the template: the face unrolled from a cylinder."""
    angle = torch.atan2(points[..., 0], (points[..., 2] + _CHART_AXIS).clamp(min=0.1))
    return torch.stack((_CHART_RADIUS * angle, points[..., 1]), -1)


def _drawn_quads(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The quads of all parts (F, 4) and the part of each."""
    quads, owner = [], []
    for name, _, (first, last) in _PARTS:
        chosen = faces[first:last]
        if name == LASH:
            strip = np.arange(len(chosen)) // 6
            chosen = chosen[strip * 7 % 10 < _LASHES_SHOWN]
        quads.append(chosen)
        owner.append(np.full(len(chosen), name))
    return np.concatenate(quads).astype(np.int64), np.concatenate(owner)


def _centre(points: np.ndarray) -> np.ndarray:
    """The centre of a sphere through points (n, 3), by least squares; the cornea's bulge is a small part of them."""
    a = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    return np.linalg.lstsq(a, (points**2).sum(1), rcond=None)[0][:3]


def _quads_around(quads: np.ndarray, count: int) -> np.ndarray:
    """(count, 5) numbers of the quads at each vertex, filled up with len(quads)."""
    corner = quads.reshape(-1)
    quad = np.repeat(np.arange(len(quads)), 4)
    same = np.zeros(len(corner), bool)
    same[3::4] = quads[:, 2] == quads[:, 3]
    corner, quad = corner[~same], quad[~same]
    order = np.argsort(corner, kind="stable")
    corner, quad = corner[order], quad[order]
    nth = np.arange(len(corner)) - np.searchsorted(corner, corner)
    around = np.full((count, _VALENCE), len(quads))
    kept = nth < _VALENCE
    around[corner[kept], nth[kept]] = quad[kept]
    return around
