"""Upright grey crops around five landmarks, the same for rendered and photographed faces."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ferdis.zoo import networks

# Both eyes and the nose tip in a crop of side 1: brows and chin inside, little else. Mouth corners are left out, so
# that a smile does not change the crop.
TEMPLATE = np.array(networks.TEMPLATE, np.float32)
OVERSAMPLED = 3  # crops are sampled this much finer and averaged, so that a large photograph does not alias


def similarity(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Least-squares similarity transform (rotation, scale, shift) from ``goal`` to ``points``.

    Parameters
    ----------
    points, goal : ndarray (n, k, 2) and (k, 2)

    Returns
    -------
    ndarray (n, 2, 3)
        Per image: ``x = M[:, :2] @ g + M[:, 2]``.
    """
    as_complex = points[..., 0] + 1j * points[..., 1]
    target = goal[..., 0] + 1j * goal[..., 1]
    centred = target - target.mean()
    turn = ((as_complex - as_complex.mean(1, keepdims=True)) * centred.conj()).sum(1) / (abs(centred) ** 2).sum()
    shift = as_complex.mean(1) - turn * target.mean()
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)


def crop_grey(images: np.ndarray, landmarks: np.ndarray, size: int, margin: float = 0.0) -> np.ndarray:
    """Crop faces by their eyes and nose.

    Parameters
    ----------
    images : ndarray (n, H, W, 3), uint8
    landmarks : ndarray (n, 5, 2)
        Pixels, in MTCNN's order.
    size : int
        Side of the crop.
    margin : float
        Widens the crop on each side by this share of the template.

    Returns
    -------
    ndarray (n, size, size, 1), uint8
        Beyond the border of the image its edge is repeated.
    """
    matrix = similarity(landmarks[:, :3].astype(np.float64), TEMPLATE.astype(np.float64))
    fine = size * OVERSAMPLED
    ticks = (np.arange(fine) + 0.5) / fine * (1 + 2 * margin) - margin
    across, down = np.meshgrid(ticks, ticks)
    where = np.stack([across, down, np.ones_like(across)]).reshape(3, -1)  # (3, fine * fine)
    source = (matrix @ where).reshape(len(images), 2, fine, fine).transpose(0, 2, 3, 1)
    height, width = images.shape[1:3]
    grid = torch.from_numpy((source * 2 + 1) / [width, height] - 1).float()  # pixel centres, align_corners=False
    weights = torch.tensor([0.299, 0.587, 0.114])
    grey = (torch.tensor(images).float() @ weights)[:, None]
    crops = F.grid_sample(grey, grid, padding_mode="border", align_corners=False)
    crops = F.avg_pool2d(crops, OVERSAMPLED)
    return crops.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8).numpy()
