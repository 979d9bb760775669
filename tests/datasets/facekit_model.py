"""A face model of ICT-FaceKit's topology made of simple surfaces: the machinery can be tested without the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferdis.datasets.facekit.anatomy import LANDMARKS_68
from ferdis.datasets.facekit.model import CENTRAL, FACES, MODES, NEUTRAL, SHAPES, VERTICES

# First and last vertex, first and last quad of each part, and the half axes and centre of the ellipsoid that stands
# for it; the skin's is open behind.
_PARTS = (
    ((0, 9409), (0, 9230), (8.0, 14.0, 10.0), (0.0, -1.0, 0.0)),
    ((9409, 11248), (9230, 11144), (7.9, 13.9, 9.9), (0.0, -1.0, -0.2)),
    ((11248, 13294), (11144, 13226), (2.0, 1.0, 2.0), (0.0, -3.4, 5.0)),
    ((13294, 14062), (13226, 14034), (1.0, 1.0, 1.0), (3.0, 3.4, 5.0)),
    ((14062, 17039), (14034, 17006), (1.5, 0.8, 2.0), (0.0, -3.4, 4.0)),
    ((17039, 21451), (17006, 21496), (1.8, 0.7, 2.0), (0.0, -3.4, 4.5)),
    ((21451, 22221), (21496, 22296), (1.5, 1.5, 1.5), (3.0, 3.4, 6.5)),
    ((23021, 23791), (23094, 23894), (1.5, 1.5, 1.5), (-3.0, 3.4, 6.5)),
    ((25351, 26719), (25304, 26384), (0.2, 0.2, 0.2), (0.0, 3.4, 2.0)),
)


def _wanted_landmarks() -> np.ndarray:
    """Where 68 landmarks of a plain face lie, (68, 2): x to the person's left, y up, cm."""
    jaw = [(7.0 * np.sin(a), 2.0 - 10.5 * np.cos(a) ** 1.5) for a in np.linspace(-np.pi / 2, np.pi / 2, 17)]
    brows = [
        (x, 5.6 + 0.5 * (1 - (abs(x) - 3.4) ** 2 / 6)) for x in (-5.6, -4.6, -3.5, -2.4, -1.2, 1.2, 2.4, 3.5, 4.6, 5.6)
    ]
    nose = [(0, 3.6), (0, 2.5), (0, 1.4), (0, 0.3), (-1.3, -0.9), (-0.6, -1.1), (0, -1.2), (0.6, -1.1), (1.3, -0.9)]
    right_eye = [(-4.4, 3.4), (-3.6, 3.9), (-2.6, 3.9), (-1.8, 3.3), (-2.6, 3.0), (-3.6, 3.0)]
    left_eye = [(1.8, 3.3), (2.6, 3.9), (3.6, 3.9), (4.4, 3.4), (3.6, 3.0), (2.6, 3.0)]
    outer = [(-2.5, -3.4), (-1.6, -2.8), (-0.7, -2.5), (0, -2.6), (0.7, -2.5), (1.6, -2.8), (2.5, -3.4)]
    outer += [(1.6, -4.0), (0.8, -4.3), (0, -4.4), (-0.8, -4.3), (-1.6, -4.0)]
    inner = [
        (-2.1, -3.4),
        (-1.0, -3.25),
        (0, -3.25),
        (1.0, -3.25),
        (2.1, -3.4),
        (1.0, -3.55),
        (0, -3.55),
        (-1.0, -3.55),
    ]
    return np.array([*jaw, *brows, *nose, *right_eye, *left_eye, *outer, *inner], dtype=float)


def make_model() -> dict[str, np.ndarray]:
    """The arrays of ``facekit.npz``."""
    vertices, faces = np.zeros((VERTICES, 3)), np.zeros((FACES, 4), np.int32)
    for (first, last), (start, stop), axes, centre in _PARTS:
        nodes, quads = _sheet(last - first, stop - start, first == 0)
        number = np.arange(len(nodes))
        points = nodes * axes + centre
        if first == 0:
            number = _landmarks_in_place(points)
        vertices[first + number] = points
        faces[start:stop] = first + number[quads]
    rng = np.random.default_rng(0)
    x, y, z = vertices.T / 10
    smooth = np.stack([np.ones_like(x), x, y, z, x * x, y * y, x * x * y, y**3, z * z])
    identity = np.stack([0.12 / (1 + 0.05 * k) * (rng.normal(size=(3, len(smooth))) @ smooth).T for k in range(MODES)])
    identity[:, :, 0] = 0.3 * np.sign(vertices[:, 0]) * np.abs(identity[:, :, 0]) * np.abs(x)
    shapes = np.stack([_shape(name, vertices) for name in SHAPES])
    return {
        "vertices": vertices.astype(np.float32), "faces": faces, "identity": identity.astype(np.float16),
        "identity_names": np.array([f"identity{k:03d}" for k in range(MODES)]),
        "expression": shapes.astype(np.float16), "expression_names": np.array(SHAPES),
    }  # fmt: skip


def write_model(folder: Path) -> Path:
    """The model as ``facekit.npz`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "facekit.npz", **make_model())
    return folder


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """One text file as ICT-FaceKit has them; a quad that repeats its third corner is a triangle."""
    lines = ["# ICT FaceKit", "g face"]
    lines += [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in vertices]
    for quad in faces + 1:
        corners = quad if quad[2] != quad[3] else quad[:3]
        lines.append("f " + " ".join(f"{corner}/{corner}/{corner}" for corner in corners))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_checkout(folder: Path, arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> Path:
    """``FaceXModel/`` with the neutral mesh and the named modes and shapes."""
    neutral = arrays["vertices"]
    write_obj(folder / "FaceXModel" / NEUTRAL, neutral, arrays["faces"])
    for name in names:
        kind = "identity" if name.startswith("identity") else "expression"
        moved = arrays[kind][list(arrays[f"{kind}_names"]).index(name)]
        write_obj(folder / "FaceXModel" / f"{name}.obj", neutral + moved, arrays["faces"])
    return folder


def _sheet(vertices: int, faces: int, front: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (vertices, 3) on a unit sphere, or its front, and quads (faces, 4); what is left over is degenerate."""
    side = next(n for n in range(int(vertices**0.5), 1, -1) if (n - 1) ** 2 <= faces)
    reach = 1.75 if front else np.pi
    around, up = np.meshgrid(np.linspace(-reach, reach, side), np.linspace(-1.5, 1.5, side))
    nodes = np.stack([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)], -1).reshape(-1, 3)
    index = np.arange(side * side).reshape(side, side)
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
    filler = np.zeros((faces - len(quads), 4), int)
    nodes = np.concatenate([nodes, np.repeat(nodes[:1], vertices - len(nodes), 0)])
    return nodes, np.concatenate([quads, filler])


def _landmarks_in_place(points: np.ndarray) -> np.ndarray:
    """A number for each node, so that the model's landmark vertices lie where a face has them."""
    number = np.full(len(points), -1)
    for vertex, (x, y) in zip(LANDMARKS_68, _wanted_landmarks(), strict=True):
        away = np.hypot(points[:, 0] - x, points[:, 1] - y) + 100 * (points[:, 2] < 0) + 1000 * (number >= 0)
        number[int(away.argmin())] = vertex
    free = np.setdiff1d(np.arange(len(points)), LANDMARKS_68)
    number[number < 0] = free
    return number


def _shape(name: str, vertices: np.ndarray) -> np.ndarray:
    """A soft push where the shape's name says, on its side."""
    pushes = {
        "brow": ((3.0, 5.8), 1.2, {"Down": (0, -0.6, 0.1), "Up": (0, 0.7, 0)}),
        "eye": ((3.0, 3.8), 0.7, {"": (0, -0.5, 0)}),
        "cheek": ((4.5, 0.5), 1.5, {"": (0, 0.6, 0.2)}), "nose": ((1.5, 0.5), 1.0, {"": (0, 0.8, 0)}),
        "mouthSmile": ((2.4, -3.4), 1.0, {"": (0.7, 1.0, -0.5)}),
        "mouthFrown": ((2.4, -3.4), 1.0, {"": (0.2, -0.6, -0.2)}),
        "mouth": ((1.5, -3.4), 1.0, {"": (0.2, 0.4, 0.1)}),
    }  # fmt: skip
    if name in CENTRAL:
        if name == "jawOpen":
            return np.stack(
                [0 * vertices[:, 0], -3.0 * (vertices[:, 1] < -3.4) * (vertices[:, 2] > 0), 0 * vertices[:, 2]], 1
            )
        bump = np.exp(-0.5 * ((vertices[:, 0] / 1.5) ** 2 + ((vertices[:, 1] + 3.4) / 0.8) ** 2)) * (vertices[:, 2] > 0)
        return bump[:, None] * np.array([0.0, 0.3, 0.4])
    start = max((key for key in pushes if name.startswith(key)), key=len)
    (x, y), width, ways = pushes[start]
    way = next(way for part, way in ways.items() if part in name)
    side = 1 if name.endswith("_L") else -1
    bump = np.exp(-0.5 * (((vertices[:, 0] - side * x) / width) ** 2 + ((vertices[:, 1] - y) / width) ** 2))
    return (bump * (vertices[:, 2] > 0))[:, None] * (np.array(way) * [side, 1, 1])
