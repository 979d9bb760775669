"""Positions of facial features, at rest and under action units, and the relief of the skin.

Comments give the number of the action unit and what FACS (Ekman, Friesen and Hager 2002) says it moves. All lengths are
in centimetres.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...faces import ACTION_UNITS
from .canvas import Canvas, Columns, bell, smooth
from .identity import IDENTITY_NAMES

HEAD_RADIUS_X, HEAD_RADIUS_Y = 6.4, 11.0  # curvature of the paraboloid that carries the face
HEAD_CENTRE_Y = 1.5


class Face:
    """Positions of the features of a batch of faces.

    Midline quantities are (n, 1, 1), paired ones (n, 2, 1, 1) with side 0 at image left. ``au[k]`` is action unit ``k``
    as 0..1 on both sides, ``mid[k]`` its mean.
    """

    def __init__(self, identity: Tensor, au_left: Tensor, au_right: Tensor) -> None:
        self.p = Columns(identity, IDENTITY_NAMES)
        sides = torch.stack((au_right, au_left), dim=1).float().clamp(0, 5) / 5  # the person's left is image right
        self.au = {unit: sides[:, :, i, None, None] for i, unit in enumerate(ACTION_UNITS)}
        self.mid = {unit: value.mean(1) for unit, value in self.au.items()}
        self._place_jaw_and_mouth()
        self._place_eyes_and_brows()

    def _place_jaw_and_mouth(self) -> None:
        p, au, mid = self.p, self.au, self.mid
        # 26 drops the jaw; without 25 the lips stay nearly together over the lowered jaw
        self.jaw_drop = 2.1 * mid[26]
        parted = (0.3 + 1.75 * mid[25]).clamp(max=1.0)
        # 17 pushes the chin boss and with it the lower lip up
        self.chin_raise = 0.55 * mid[17]
        self.chin_y = p.chin_y + 0.85 * self.jaw_drop - 0.35 * self.chin_raise
        lifted = 0.45 * self.chin_raise + 0.22 * (mid[9] + mid[10])
        self.mouth_y = p.mouth_y - lifted + 0.15 * self.jaw_drop * (1 - parted)
        half = p.mouth_width.unsqueeze(1)
        # 12 pulls the corners out and up, 20 straight out, 14 back and in, 23 and the open jaw narrow the mouth
        self.mouth_half = (
            half + 0.72 * au[12] + 0.55 * au[20] - 0.05 * au[14] - 0.38 * au[23] - 0.12 * au[17]
            - 0.5 * au[26] * (1 - 0.8 * au[20]) * (1 - 0.9 * au[12]) - 0.1 * au[15]
        )  # fmt: skip
        self.corner_dy = p.corner_rest.unsqueeze(1) - 1.15 * au[12] + 0.85 * au[15] + 0.18 * au[20] - 0.12 * au[14]
        self.corner_dy = self.corner_dy + 0.22 * au[17] + (0.38 * self.jaw_drop * parted).unsqueeze(1)
        # how far each lip leaves the seam; 10 and 9 lift the upper lip, 12 thins it against the teeth
        lift = 0.4 * mid[10] + 0.25 * mid[9] + 0.42 * mid[12] + 0.12 * mid[20]
        self.gap_upper = mid[25] * (0.2 + 1.45 * lift + 0.5 * mid[12]) + 0.12 * self.jaw_drop * parted
        self.gap_lower = 0.42 * mid[25] + 0.88 * self.jaw_drop * parted + 0.28 * mid[20] * mid[25]
        self.gap_lower = self.gap_lower - 0.12 * mid[12] * mid[25]
        self.squareness = (2.2 + 5 * mid[20] + 2.5 * mid[10] + 1.2 * mid[12] + 0.4 * mid[26]).clamp(max=7)
        thin = 1 - 0.62 * mid[23] - 0.22 * mid[12] - 0.2 * mid[20] - 0.12 * mid[26]
        self.upper_lip = p.upper_lip * (thin - 0.18 * mid[17] + 0.15 * mid[10]).clamp(min=0.22)
        self.lower_lip = p.lower_lip * (thin + 0.12 * mid[17]).clamp(min=0.25)
        self.upper_lip_raise = 0.42 * mid[10] + 0.14 * mid[9]
        self.nose_tip_y = p.nose_length - 0.22 * mid[9] - 0.08 * mid[10] + 0.06 * mid[12]
        self.nose_base_y = self.nose_tip_y + 0.7
        self.ala_x = 1.38 * p.nose_width.unsqueeze(1) + 0.14 * au[12] + 0.14 * au[10] + 0.16 * au[9]
        self.ala_y = (p.nose_length + 0.3).unsqueeze(1) - 0.36 * au[9] - 0.22 * au[10]

    def _place_eyes_and_brows(self) -> None:
        p, au = self.p, self.au
        side = lambda value: value.unsqueeze(1)  # noqa: E731
        self.eye_x, self.eye_half = side(p.eye_x), side(p.eye_width)
        opening = side(p.eye_opening)
        # 5 lifts the upper lid, 7 tightens both, 6 and 9 push the lower lid up, 45 closes
        upper = 0.50 * opening + 0.42 * au[5] - 0.17 * au[7] - 0.05 * au[6] - 0.10 * au[9] - 0.08 * au[4] * (1 - au[5])
        lower = 0.43 * opening + 0.04 * au[5] - 0.23 * au[7] - 0.20 * au[6] - 0.15 * au[9] - 0.05 * au[12]
        lower = lower.clamp(min=0.08)
        upper = upper.clamp(min=0.1)
        self.lid_closed = smooth(au[45], 0.0, 1.0) * 0.4 + 0.6 * au[45]
        self.lid_upper = upper * (1 - self.lid_closed) - 0.92 * lower * self.lid_closed
        self.lid_lower = lower
        self.lid_straight = 1.0 + 1.6 * au[7]  # exponent: the lower lid's curve flattens
        self.lid_rest_upper = 0.50 * opening
        # brows: 1 lifts the inner end, 2 the outer, 4 lowers and draws together, 9 drags the inner end down
        rest = side(p.brow_y)
        self.brow_inner_x = side(p.brow_gap) - 0.36 * au[4] - 0.08 * au[9]
        self.brow_outer_x = self.brow_inner_x + side(p.brow_length) - 0.1 * au[4] + 0.1 * au[2]
        self.brow_inner_y = rest - 0.02 - 1.05 * au[1] + 0.56 * au[4] * (1 - 0.55 * au[1]) + 0.3 * au[9] - 0.12 * au[2]
        self.brow_middle_y = rest - 0.38 * au[1] - 0.72 * au[2] + 0.36 * au[4] * (1 - 0.6 * au[2]) + 0.15 * au[9]
        self.brow_outer_y = rest + 0.24 - 0.85 * au[2] + 0.18 * au[4] + 0.08 * au[6]
        self.brow_arch = side(p.brow_arch)


def lid_curves(face: Face, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Upper and lower lid margin (n, 2, 1, w) at lateral ``x`` (w,), and the position in the fissure, -1..1 inside."""
    s = (x - face.eye_x) / face.eye_half
    inside = (1 - s.square()).clamp(min=0)
    axis = -face.p.eye_tilt.unsqueeze(1) * s
    upper = axis - face.lid_upper * inside.pow(0.8) * (1 - 0.16 * s)
    lower = axis + face.lid_lower * (1 - s.abs().clamp(max=1).pow(face.lid_straight + 1)) * (1 + 0.14 * s)
    return upper, lower, s


def brow_curve(face: Face, x: Tensor) -> tuple[Tensor, Tensor]:
    """Centre line of the brow (n, 2, 1, w) at lateral ``x`` (w,), and the share 0..1 of its length."""
    u = (x - face.brow_inner_x) / (face.brow_outer_x - face.brow_inner_x)
    v = u.clamp(-0.1, 1.1)
    inner, middle, outer = (1 - v) * (1 - 2 * v), 4 * v * (1 - v), v * (2 * v - 1)  # quadratic through three points
    y = inner * face.brow_inner_y + middle * face.brow_middle_y + outer * face.brow_outer_y
    return y - face.brow_arch * bell(v - 0.62, 0.25), u


def mouth_curves(face: Face, x: Tensor) -> dict[str, Tensor]:
    """Lip margins at ``x`` (w,), each (n, 1, w).

    ``top`` and ``bottom`` bound the red of the lips, ``upper`` and ``lower`` the opening; ``seam`` is where closed lips
    meet, ``half`` the half width of the mouth, ``t`` the position along it, -1..1.
    """
    right = (x > 0).float()
    half = face.mouth_half[:, 0] * (1 - right) + face.mouth_half[:, 1] * right
    dy = face.corner_dy[:, 0] * (1 - right) + face.corner_dy[:, 1] * right
    t = x / half
    a = t.abs().clamp(max=1)
    open_profile = (1 - a.pow(face.squareness)).pow(0.75)
    seam = face.mouth_y + dy * a.pow(1.9) + 0.05 * bell(t, 0.16) - 0.04 * bell(a - 0.45, 0.2)
    upper = seam - face.gap_upper * open_profile - face.upper_lip_raise * (1 - a.pow(3)) * 0.6
    lower = torch.maximum(seam + face.gap_lower * open_profile - face.upper_lip_raise * 0.25 * (1 - a.pow(3)), upper)
    bow = face.p.cupid_bow
    body = (1 - a.pow(1.7)) * (0.86 + 0.16 * bow * bell(a - 0.24, 0.13) - 0.08 * bow * bell(t, 0.12))
    top = upper - face.upper_lip * body - face.upper_lip_raise * 0.35 * bell(a - 0.5, 0.25)
    bottom = lower + face.lower_lip * (1 - a.pow(2.3)).clamp(min=0).pow(0.85)
    return {"top": top, "upper": upper, "lower": lower, "bottom": bottom, "t": t, "half": half, "seam": seam}


def outline_half_width(face: Face, y: Tensor) -> Tensor:
    """Half width (n, h, 1) of the head without hair at heights ``y`` (h,); 0 above the crown and below the chin."""
    p = face.p
    y = y[None, :, None]
    crown, widest = -9.9, 0.5
    above = ((widest - y) / (widest - crown)).clamp(0, 1)
    below = ((y - widest) / (face.chin_y - widest)).clamp(0, 1)
    cranium = (p.face_width + 0.35) * (1 - above.pow(2.5)).pow(1 / 2.2)
    jaw = p.jaw_width * (1 + 0.035 * bell(y - 7.0, 1.4))
    square = p.chin_width * 0.12
    lower = (p.face_width + 0.35) * (1 - below.pow(p.jaw_roundness)).clamp(min=0).pow(0.62 - square)
    blend = smooth(below, 0.25, 0.75)
    puff = 0.2 * p.cheek_fullness * bell(y - 5.5, 2.2) + 0.25 * (face.mid[12] + 0.5 * face.mid[6]) * bell(y - 4.2, 1.5)
    return torch.where(y < widest, cranium, lower * (1 + blend * (jaw - 1)) + puff * (below < 1))


def _pairs(face: Face) -> list[tuple[Tensor | float, ...]]:
    """Paired bumps: lateral x, y, sigma x, sigma y, height; numbers or (n, 2, 1, 1)."""
    p, au = face.p, face.au
    side = lambda value: value.unsqueeze(1)  # noqa: E731
    smile = 0.65 * au[12] + 0.6 * au[6]
    cheek = 0.18 + 0.2 * side(p.cheek_fullness)
    brow_y = 0.55 * face.brow_inner_y + 0.45 * face.brow_middle_y
    corner_y = face.mouth_y.unsqueeze(1) + face.corner_dy
    return [
        (2.7, brow_y + 0.35, 1.7, 0.5, side(p.brow_ridge) * (0.24 + 0.1 * au[4])),
        (face.eye_x - 0.1, -0.25, 1.75, 1.15, -0.85 * side(p.socket_depth)),
        (1.35, -0.15, 0.55, 0.8, -0.3 * side(p.socket_depth)),
        (face.eye_x, 0.02, 1.15, 0.72, 0.55),
        (face.ala_x, face.ala_y, 0.45, 0.42, 0.45 + 0.12 * au[9]),
        (face.eye_x, 0.72, 1.1, 0.24, 0.24 * au[7]),  # the swollen roll under a tightened lower lid
        (4.7, 2.1 - 0.35 * au[6], 1.6, 1.1, 0.42 * side(p.cheekbone)),
        (3.9 + 0.2 * smile, 4.1 - 0.9 * smile, 1.35, 1.15, cheek + 0.5 * smile + 0.2 * au[9]),
        (4.9, 6.2, 1.3, 1.7, 0.22 * side(p.cheek_fullness) - 0.12),
        (2.2, -5.0, 2.2, 1.6, 0.18 * side(p.forehead_bulge)),
        # 10 and 9 bunch the infraorbital triangle beside the nose
        (2.5, 3.6, 0.8, 0.9, 0.35 * au[10] + 0.3 * au[9]),
        # 15 leaves a pouch below each corner, 14 a pit beside it
        (face.mouth_half + 0.1, corner_y - face.corner_dy + 1.3, 0.6, 0.6, 0.3 * au[15]),
        (face.mouth_half + 0.35, corner_y, 0.28, 0.34, -0.1 - 0.5 * au[14] - 0.1 * au[12]),
        (face.mouth_half + 0.9, corner_y + 0.1, 0.4, 0.7, 0.35 * au[14] + 0.26 * au[20]),
    ]


def _midline(face: Face) -> list[tuple[Tensor | float, ...]]:
    """Bumps on the midline: y, sigma x, sigma y, height; numbers or (n, 1, 1)."""
    p, mid = face.p, face.mid
    bridge, tip = p.nose_bridge, face.nose_tip_y
    chin_y = face.chin_y - 1.35 - 0.5 * face.chin_raise
    return [
        (-2.0, 1.3, 0.8, 0.3 * p.brow_ridge + 0.2 * mid[4]),
        (-0.4, 0.95, 0.9, 0.3 * bridge),
        (0.4 * tip, 0.95, 1.0, 0.66 * bridge),
        (tip - 1.05, 0.95, 0.85, 0.8),
        (tip - 0.1, 0.88 * p.nose_tip, 0.52, 0.95 * p.nose_tip),
        (tip + 1.5, 1.5, 0.6, 0.4),
        (tip + 1.7, 0.2, 0.45, -0.12 * (1 - mid[12]) * (1 - mid[23])),
        (face.mouth_y, 2.5, 1.9, 0.6 * p.muzzle),
        (0.5 * (face.mouth_y + face.chin_y) + 0.1 + 0.1 * mid[26], 1.5, 0.42, -0.26 - 0.25 * mid[17]),
        (chin_y, 1.2 * p.chin_width, 0.85, 0.55 * p.chin_projection + 0.35 * mid[17]),
        (-5.3, 3.2, 2.2, 0.2 * p.forehead_bulge),
    ]


def relief(canvas: Canvas, face: Face) -> None:
    """Fill ``canvas.height``: a paraboloid plus bumps, each the product of a Gaussian in x and one in y (a bmm)."""
    count = len(canvas.height)
    columns: list[list[Tensor]] = []
    for x, y, sx, sy, height in _pairs(face):
        cells = [torch.as_tensor(v, dtype=torch.float32).expand(count, 2, 1, 1) for v in (x, y, sx, sy, height)]
        for index, sign in ((0, -1.0), (1, 1.0)):
            columns.append([cells[0][:, index] * sign] + [cell[:, index] for cell in cells[1:]])
    for y, sx, sy, height in _midline(face):
        values = [torch.as_tensor(v, dtype=torch.float32).expand(count, 1, 1) for v in (0.0, y, sx, sy, height)]
        columns.append(values)
    cx, cy, sx, sy, height = (torch.cat([column[i] for column in columns], dim=1) for i in range(5))  # (n, K, 1)
    rows = (bell(canvas.y - cy, sy) * height).transpose(1, 2)  # (n, H, K)
    bumps = torch.bmm(rows, bell(canvas.x - cx, sx))
    base_x = -canvas.x.square() / (2 * HEAD_RADIUS_X)
    base_y = -(canvas.y - HEAD_CENTRE_Y).square() / (2 * HEAD_RADIUS_Y)
    canvas.height = bumps + base_x + base_y[:, None]
    # the head turns away at its outline
    canvas.height -= 0.75 * torch.exp((canvas.x.abs() - outline_half_width(face, canvas.y)).clamp(max=0) / 0.6)
