"""Hair and glasses: a layer of its own, drawn over the head and cut by a hairline at each pixel."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit.anatomy import HEAD, SKIN, Anatomy
from ferdis.datasets.facekit.identity import BALD, CURLY, LONG, SHORT, TIED
from ferdis.datasets.synthetic.canvas import Columns, smooth

# Height of the hairline (cm) by the chart's |s|: brow of the head, temple, sideburn, behind the ear, nape.
_LINE_S = (0.0, 4.0, 6.5, 8.5, 10.0, 11.3, 12.3, 13.0, 17.0, 24.0, 36.0)
_LINE_T = (9.9, 9.4, 7.6, 5.4, 4.0, 1.6, 0.6, 4.6, 0.5, -4.5, -6.0)
_COLUMNS, _ROWS = 33, 15  # of the curtain of long hair, on each side
_RING = 28  # corners of a glass
HAIR, FRAME = 0.0, 1.0
ATTRIBUTES = 7  # normal (3), field, strand across, strand along, kind


@dataclass(frozen=True, eq=False)
class HairMesh:
    """What does not depend on the person: scalp vertices, triangles of scalp, curtain and glasses."""

    scalp: Tensor  # (k,) vertices of the anatomy
    line: Tensor  # (k,) the hairline's height over each, less that of the vertex: above 0 hairy
    front: Tensor  # (k,) 0..1 how much a fringe lowers the line there
    crown: Tensor  # (k,) 0..1 how far up the head
    triangles: Tensor  # (T, 3) over scalp, curtain, glasses
    hairs: int  # of these, scalp and curtain

    @property
    def curtain_start(self) -> int:
        """Number of the curtain's first vertex."""
        return len(self.scalp)


@functools.lru_cache(maxsize=2)
def hair_mesh(anatomy: Anatomy) -> HairMesh:
    """The layer's topology for an anatomy."""
    device = anatomy.template.device
    x, y, z = anatomy.template.cpu().numpy().T
    s = np.abs(anatomy.chart[:, 0].cpu().numpy())
    part = anatomy.part.cpu().numpy()
    ear = (np.abs(x) > 7.75) & (y < 4.6) & (np.abs(z) < 4.0)
    over = ((part == SKIN) | (part == HEAD)) & ~ear & (y > -7) & ((y > 4.2) | (z < 3.6))
    number = np.cumsum(over) - 1
    tris = anatomy.triangles.cpu().numpy()
    kept = over[tris].all(1)
    scalp = np.flatnonzero(over)
    field = y[scalp] - np.interp(s[scalp], _LINE_S, _LINE_T)
    front = np.exp(-((s[scalp] / 6.0) ** 4))
    crown = np.clip((y[scalp] - 6) / 7, 0, 1)
    curtain = np.concatenate([_sheet(side) for side in (0, 1)]) + len(scalp)
    start = len(scalp) + 2 * _COLUMNS * _ROWS
    triangles = np.concatenate([number[tris[kept]], curtain, _glasses_triangles() + start])
    line, front_, crown_ = (torch.from_numpy(v.astype(np.float32)).to(device) for v in (field, front, crown))
    return HairMesh(
        torch.from_numpy(scalp).to(device), line, front_, crown_,
        triangles=torch.from_numpy(triangles).to(device), hairs=int(kept.sum()) + len(curtain),
    )  # fmt: skip


def hair_layer(anatomy: Anatomy, vertices: Tensor, normals: Tensor, p: Columns) -> tuple[Tensor, Tensor, Tensor]:
    """The layer's vertices before the head turns.

    Parameters
    ----------
    anatomy : Anatomy
    vertices, normals : Tensor (n, V, 3)
        Of the head.
    p : Columns of n people

    Returns
    -------
    positions (n, K, 3), attributes (n, K, 7) and which triangles are shown (n, T), bool
    """
    mesh = hair_mesh(anatomy)
    scalp = vertices.index_select(1, mesh.scalp)
    outward = normals.index_select(1, mesh.scalp)
    field, lift = _scalp_field(mesh, p)
    chart = anatomy.chart.index_select(0, mesh.scalp)
    across = chart[:, 0] + 0 * field
    shell = scalp + outward * lift.unsqueeze(-1)
    ones = torch.ones_like(field)
    shell_attributes = torch.stack((*outward.unbind(-1), field, across, chart[:, 1] * ones, HAIR * ones), -1)
    curtain, curtain_attributes = _curtain(p)
    frames, frame_attributes = _glasses(anatomy, vertices, p)
    positions = torch.cat((shell, curtain, frames), 1)
    attributes = torch.cat((shell_attributes, curtain_attributes, frame_attributes), 1)
    field_at = attributes[..., 3].index_select(1, mesh.triangles.reshape(-1)).view(len(vertices), -1, 3)
    return positions, attributes, field_at.amax(-1) > -0.4


def _scalp_field(mesh: HairMesh, p: Columns) -> tuple[Tensor, Tensor]:
    """How far inside the hair each scalp vertex is (cm) and how far the hair stands off there, (n, k) each."""
    style, volume = p.hair_style[:, 0], p.hair_volume[:, 0]
    has = lambda kind: (style == kind).float()  # noqa: E731
    fringe = p.fringe[:, 0] * (1 - has(TIED)) * (1 - has(CURLY))
    field = mesh.line - p.hairline[:, 0] * mesh.front + 2.9 * fringe * mesh.front
    short = 0.35 + 0.55 * (volume + 1) * mesh.crown
    thick = (
        has(SHORT) * short + has(LONG) * (0.5 + 0.5 * (volume + 1) * (0.4 + mesh.crown)) + has(TIED) * 0.3
        + has(CURLY) * (1.0 + 1.3 * (volume + 1.2))
    )  # fmt: skip
    lift = 0.04 + thick * smooth(field, -0.1, 1.6 + 1.8 * (1 - fringe) * mesh.front)
    return torch.where(style == BALD, field.new_tensor(-9.0), field), lift


def _sheet(side: int) -> np.ndarray:
    """Triangles (2 quads each) of one half of the curtain."""
    index = np.arange(_COLUMNS * _ROWS).reshape(_ROWS, _COLUMNS) + side * _COLUMNS * _ROWS
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def _curtain(p: Columns) -> tuple[Tensor, Tensor]:
    """Hair that falls beside the face: two sheets from the temples to the back of the neck."""
    n, device = len(p.hair_style), p.hair_style.device
    angle = torch.linspace(0.0, 1.0, _COLUMNS, device=device)
    fall = torch.linspace(0.0, 1.0, _ROWS, device=device)[:, None]
    length, volume = p.hair_length, p.hair_volume
    half = 7.9 + 0.5 * (volume + 1)
    front = 0.95 + 0.12 * volume
    sheets, attributes = [], []
    for sign in (-1.0, 1.0):
        phi = front + (3.15 - front) * angle  # from beside the cheek to the back
        phi = phi + 0.1 * fall * (1 - angle)
        y = 8.4 - (9.4 + length) * fall
        bulge = 1 + 0.1 * torch.sin(3.0 * fall) - 0.28 * (1 - fall / 0.22).clamp(min=0).square()
        wave = 0.25 * p.hair_curl * torch.sin(9 * fall + 14 * angle)
        radius = (half + wave) * bulge
        x = sign * radius * torch.sin(phi)
        z = -0.3 + (radius + 0.7) * torch.cos(phi)
        position = torch.stack((x, y.expand_as(x), z), -1).reshape(n, -1, 3)
        normal = torch.stack((sign * torch.sin(phi), 0.12 + 0 * phi, torch.cos(phi)), -1).reshape(len(phi), -1, 3)
        normal = normal.expand(n, -1, 3)
        ragged = torch.minimum(8 * (angle + 0.02), 6 * (1.02 - fall)) * torch.ones_like(x)
        ragged = torch.where(p.hair_style == LONG, ragged, ragged.new_tensor(-9.0)).reshape(n, -1)
        strand = (24 * angle + 0 * x).reshape(n, -1)
        along = y.expand_as(x).reshape(n, -1)
        attributes.append(torch.stack((*normal.unbind(-1), ragged, strand, along, torch.zeros_like(strand)), -1))
        sheets.append(position)
    return torch.cat(sheets, 1), torch.cat(attributes, 1)


def _glasses_triangles() -> np.ndarray:
    """Two rings of ribbons, a bridge and two temples."""
    quads = []
    for ring in range(2):
        base = ring * 2 * _RING
        for k in range(_RING):
            after = (k + 1) % _RING
            quads.append([base + k, base + after, base + _RING + after, base + _RING + k])
    base = 4 * _RING
    quads += [[base + 4 * k, base + 4 * k + 1, base + 4 * k + 2, base + 4 * k + 3] for k in range(3)]
    array = np.array(quads)
    return np.concatenate([array[:, [0, 1, 2]], array[:, [0, 2, 3]]])


def _glasses(anatomy: Anatomy, vertices: Tensor, p: Columns) -> tuple[Tensor, Tensor]:
    """Frames before the eyes: round to square, thin to thick."""
    n, device = len(vertices), vertices.device
    marks = vertices.index_select(1, anatomy.landmarks)
    around = torch.linspace(0, 2 * np.pi, _RING + 1, device=device)[:-1]
    power = 1 - 0.55 * p.glasses_shape[:, 0]  # 1 round .. 0.45 nearly square
    cos, sin = around.cos(), around.sin()
    outline = torch.stack(
        (cos.sign() * cos.abs().pow(power), sin.sign() * sin.abs().pow(power)), -1
    ) * marks.new_tensor((2.55, 1.95))  # (n, ring, 2)
    width = p.glasses_width
    nose = marks[:, 27]
    front = torch.maximum(nose[:, 2], marks[:, [19, 24], 2].amax(1)) + 0.35
    rings, middles = [], []
    for side, corners in ((-1.0, (36, 39)), (1.0, (42, 45))):
        middle = (marks[:, corners[0]] + marks[:, corners[1]]) / 2
        centre = torch.stack((middle[:, 0] + side * 0.12, middle[:, 1] - 0.25, front), -1)
        for grow in (-0.5, 0.5):
            flat = outline * (1 + grow * width * 0.9)
            depth = -0.12 * (flat[..., 0] * side + 2.0).clamp(min=0)  # the frame bends round the face
            rings.append(centre[:, None] + torch.cat((flat, depth.unsqueeze(-1)), -1))
        middles.append(centre)
    extra = []
    thick = width[:, 0]
    left, right = middles
    bridge = [left + left.new_tensor((2.5, 0.3, 0.0)), right + right.new_tensor((-2.5, 0.3, 0.0))]
    extra.append(_ribbon(bridge[0], bridge[1], thick))
    for middle, sign in ((left, -1.0), (right, 1.0)):
        hinge = middle + middle.new_tensor((sign * 2.55, 0.5, -0.6))
        ear = torch.stack((torch.full_like(hinge[:, 0], sign * 8.3), hinge[:, 1] + 0.2, hinge[:, 2] * 0), -1)
        extra.append(_ribbon(hinge, ear, thick))
    positions = torch.cat((*rings, *extra), 1)
    shown = torch.where(p.glasses[:, 0] > 0.5, 9.0, -9.0).expand(n, positions.shape[1])
    zero = torch.zeros_like(shown)
    return positions, torch.stack((zero, zero + 0.2, zero + 0.98, shown, zero, zero, zero + FRAME), -1)


def _ribbon(start: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """A quad (n, 4, 3) between two points (n, 3), ``width`` (n, 1) high."""
    up = torch.cat((torch.zeros_like(width), width, torch.zeros_like(width)), -1)
    return torch.stack((start - up / 2, end - up / 2, end + up / 2, start + up / 2), 1)
