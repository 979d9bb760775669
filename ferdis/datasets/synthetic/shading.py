"""Light on the sheet: normals of the relief, ambient occlusion, wrap lighting, sheen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .canvas import Canvas, Columns

WRAP = 0.25  # how far light creeps round the terminator: skin scatters
STEEPEST = 1.4  # a sheet cannot turn away from the camera; its slope is capped like a cheek's at the outline


def light_direction(scene: Columns) -> Tensor:
    """Unit vectors (n, 3) towards the key light: x right, y down, z to the camera."""
    azimuth, elevation = (torch.deg2rad(v)[:, 0, 0] for v in (scene.light_azimuth, scene.light_elevation))
    return torch.stack(
        (torch.sin(azimuth) * torch.cos(elevation), -torch.sin(elevation), torch.cos(azimuth) * torch.cos(elevation)), 1
    )


def blur_matrix(count: int, sigma: float) -> Tensor:
    """A (count, count) matrix whose rows are normalised Gaussians of ``sigma`` cells."""
    index = torch.arange(count, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((index[:, None] - index) / sigma).square())
    return weights / weights.sum(1, keepdim=True)


def normals(canvas: Canvas) -> tuple[Tensor, Tensor, Tensor]:
    """Components (n, H, W) of the unit normal, from central differences."""
    dx, dy = torch.zeros_like(canvas.height), torch.zeros_like(canvas.height)
    dx[:, :, 1:-1] = (canvas.height[:, :, 2:] - canvas.height[:, :, :-2]) / (2 * canvas.cell)
    dy[:, 1:-1] = (canvas.height[:, 2:] - canvas.height[:, :-2]) / (2 * canvas.cell)
    dx, dy = dx.clamp(-STEEPEST, STEEPEST), dy.clamp(-STEEPEST, STEEPEST)
    z = torch.rsqrt(1 + dx.square() + dy.square())
    return -dx * z, -dy * z, z


def occlusion(canvas: Canvas) -> Tensor:
    """Share (n, H, W) of the sky that a point sees: points below the blurred relief lie in a hollow."""
    rows = blur_matrix(len(canvas.y), 1.0 / canvas.cell)
    columns = blur_matrix(len(canvas.x), 1.0 / canvas.cell)
    hollow = torch.matmul(torch.matmul(rows, canvas.height), columns.T) - canvas.height
    return 1 / (1 + 1.1 * hollow.clamp(min=0))


def cast_shadow(canvas: Canvas, light: Tensor) -> Tensor:
    """Share (n, H, W) of the key light that brow, nose, lips and hair block at a point.

    At half the resolution the relief is sampled at three positions along the ray to the light; where it is above the
    ray, the point is in shadow, with a soft edge.
    """
    height = F.avg_pool2d(canvas.height[:, None], 2)
    rows, columns = height.shape[-2:]
    across = (torch.arange(columns) + 0.5) * 2 / columns - 1
    down = ((torch.arange(rows) + 0.5) * 2 / rows - 1)[:, None]
    x_unit, y_unit = 2 / (canvas.cell * len(canvas.x)), 2 / (canvas.cell * len(canvas.y))
    lx, ly, lz = (light[:, i, None, None] for i in range(3))
    above = torch.full_like(height[:, 0], -1.0)
    for step in (0.7, 1.4, 2.4):  # cm
        grid = torch.stack(torch.broadcast_tensors(across + step * lx * x_unit, down + step * ly * y_unit), -1)
        there = F.grid_sample(height, grid, padding_mode="border", align_corners=False)[:, 0]
        above = torch.maximum(above, there - height[:, 0] - step * lz)
    shadow = ((above + 0.15) / 0.45).clamp(0, 1)
    shadow = F.avg_pool2d(shadow[:, None], 3, stride=1, padding=1)
    return F.interpolate(shadow, canvas.height.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def shade(canvas: Canvas, scene: Columns, rotation: Tensor) -> Tensor:
    """Linear colour (n, 3, H, W) of the lit sheet.

    Parameters
    ----------
    canvas
        Relief, albedo, gloss, glow.
    scene
        Light parameters.
    rotation
        (n, 3, 3) of the head; the light stays with the camera.
    """
    light = torch.einsum("nij,ni->nj", rotation, light_direction(scene))  # into the head's frame
    lx, ly, lz = (light[:, i, None, None] for i in range(3))
    nx, ny, nz = normals(canvas)
    facing = nx * lx + ny * ly + nz * lz
    sky = occlusion(canvas)
    key = ((facing + WRAP) / (1 + WRAP)).clamp(min=0) * scene.light_strength * (0.5 + 0.5 * sky)
    key = key * (1 - 0.4 * cast_shadow(canvas, light))
    fill = scene.fill * ((0.4 * nz - 0.7 * nx * lx.sign() + 0.4) / 1.1).clamp(min=0)
    soft = (scene.ambient * (0.68 - 0.32 * ny) + fill) * sky
    hx, hy, hz = lx, ly, lz + 1
    norm = torch.rsqrt(hx.square() + hy.square() + hz.square())
    sheen = ((nx * hx + ny * hy + nz * hz) * norm).clamp(min=0)
    sheen = sheen.square().square()
    sheen = sheen * sheen.square() * (scene.light_strength * canvas.gloss)
    bright = canvas.glow * scene.light_strength
    channels = []
    for i, warm in enumerate((0.16, 0.0, -0.22)):
        tint = 1 + warm * scene.light_warmth
        lit = canvas.albedo[:, i] * (key * tint + soft * (1 - 0.4 * warm * scene.light_warmth))
        channels.append(lit + (sheen + bright) * tint)
    return torch.stack(channels, 1)
