"""Where rendered faces lie in their image: as drawn, or as alignment would put photographs of them.

Who learns from rendered people what is then asked of aligned photographs wants both framed alike. Nothing is warped:
roll, scale and shift are part of a row's scene, so that an aligned row is drawn, redrawn and masked as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ferdis.preprocess.align import TEMPLATE, similarity

FRAMINGS = ("drawn", "aligned")
_SIDE = 128  # pixels, the image that a scene's scale is given for
_STEPS = 3  # turning moves the eyes by the depth of the head, too: each step leaves a small part of the rest


def aligned_scenes(
    scenes: np.ndarray, names: Sequence[str], landmarks: Callable[[np.ndarray], np.ndarray], habit: np.ndarray
) -> np.ndarray:
    """Turn, scale and shift scenes so that eyes and nose lie at the template of alignment.

    Parameters
    ----------
    scenes : ndarray (n, S)
        In the order of ``names``.
    names : sequence of str
        ``roll`` in degrees, ``scale`` in pixels per centimetre of a 128-pixel image, ``shift_x`` and ``shift_y`` in
        centimetres, and others, which stay.
    landmarks : callable
        Scenes (n, S) to landmarks (n, 5, 2) in a 128-pixel image.
    habit : ndarray (3, 2)
        Where MTCNN finds eyes and nose, relative to where they are: see :func:`as_detected`.

    Returns
    -------
    ndarray (n, S), of the type of ``scenes``
    """
    roll, scale, right, down = (list(names).index(name) for name in ("roll", "scale", "shift_x", "shift_y"))
    goal = TEMPLATE * _SIDE
    out = scenes.astype(np.float64)

    def found() -> np.ndarray:
        return as_detected(landmarks(out.astype(scenes.dtype)), habit)[:, :3]

    seen = found()
    for _ in range(_STEPS):
        matrix = similarity(seen, goal)
        out[:, roll] += np.rad2deg(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))
        out[:, scale] *= np.hypot(matrix[:, 0, 0], matrix[:, 1, 0])
        seen = found()
    out[:, [right, down]] += (goal - seen).mean(axis=1) / out[:, [scale]]  # a shift moves all points alike: once
    return out.astype(scenes.dtype)


def as_detected(landmarks: np.ndarray, habit: np.ndarray) -> np.ndarray:
    """Landmarks (n, 5, 2) with eyes and nose where MTCNN finds them.

    Parameters
    ----------
    landmarks : ndarray (n, 5, 2)
        In MTCNN's order.
    habit : ndarray (3, 2)
        Offsets of both eyes and the nose, in eye distances along and across the line of the eyes.
    """
    along = (landmarks[:, 1] - landmarks[:, 0])[:, None]  # its length is the distance of the eyes
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    moved = np.array(landmarks, dtype=np.float64)
    moved[:, :3] += habit[:, :1] * along + habit[:, 1:] * across
    return moved
