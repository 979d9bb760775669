"""From the lit sheet to a photograph: pose, background and body, exposure, blur, noise, JPEG compression."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .canvas import BOTTOM, HALF_WIDTH, TOP, Columns, bell, mix, ramp, smooth
from .geometry import Face
from .shading import light_direction
from .skin import skin_tone

PIVOT = (0.0, 3.0, -7.0)  # the head turns about the top of the neck, cm
FRAME_CENTRE_Y = 1.9  # cm below the eyes: the middle of the image


def head_rotation(scene: Columns) -> Tensor:
    """(n, 3, 3) rotation of the head: pitch, then yaw, then roll; x right, y down, z to the camera."""
    yaw, pitch, roll = (torch.deg2rad(v)[:, 0, 0] for v in (scene.yaw, scene.pitch, scene.roll))
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    about_x = [one, zero, zero, zero, pitch.cos(), pitch.sin(), zero, -pitch.sin(), pitch.cos()]
    about_y = [yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()]
    about_z = [roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one]
    x, y, z = (torch.stack(rows, 1).view(-1, 3, 3) for rows in (about_x, about_y, about_z))
    return z @ y @ x


def frame_coordinates(scene: Columns, size: int) -> tuple[Tensor, Tensor]:
    """The position of each pixel in centimetres of the frame: x (n, 1, W) and y (n, H, 1)."""
    scale = scene.scale * size / 128
    pixels = torch.arange(size) + 0.5 - size / 2
    return pixels / scale - scene.shift_x, (pixels / scale - scene.shift_y).transpose(1, 2) + FRAME_CENTRE_Y


def to_pixels(points: Tensor, scene: Columns, rotation: Tensor, size: int) -> Tensor:
    """Project points (n, k, 3) of the head, cm, to pixels (n, k, 2)."""
    pivot = torch.tensor(PIVOT)
    turned = (points - pivot) @ rotation.transpose(1, 2) + pivot
    scale = scene.scale * size / 128
    u = (turned[..., 0:1] + scene.shift_x) * scale + size / 2
    v = (turned[..., 1:2] - FRAME_CENTRE_Y + scene.shift_y) * scale + size / 2
    return torch.cat((u, v), -1)


def sample(layer: Tensor, x: Tensor, y: Tensor, padding: str = "border") -> Tensor:
    """``layer`` (n, c, H, W) of the sheet at centimetres ``x``, ``y`` (n, h, w)."""
    grid = torch.stack((x / HALF_WIDTH, (y - TOP) * (2 / (BOTTOM - TOP)) - 1), -1)
    return F.grid_sample(layer, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def look(height: Tensor, scene: Columns, rotation: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The point x, y (n, size, size) of the sheet that each pixel sees: three fixed-point steps over the relief."""
    u, v = frame_coordinates(scene, size)
    r = [[rotation[:, i, j, None, None] for j in range(3)] for i in range(3)]
    px, py, pz = PIVOT
    u, v = u - px, v - py
    inverse = 1 / (r[0][0] * r[1][1] - r[0][1] * r[1][0])
    flat = F.avg_pool2d(height[:, None], 2)  # half resolution steadies the steps and halves their cost
    x, y = (u + px).expand(-1, size, -1), (v + py).expand(-1, -1, size)
    for _ in range(3):
        z = sample(flat, x, y)[:, 0] - pz
        a, b = u - r[0][2] * z, v - r[1][2] * z
        x = (r[1][1] * a - r[0][1] * b) * inverse + px
        y = (r[0][0] * b - r[1][0] * a) * inverse + py
    return x, y


def _spread_matrix(few: int, many: int) -> Tensor:
    """(many, few) weights that interpolate ``few`` values smoothly to ``many``."""
    where = (torch.arange(many) + 0.5) / many * few - 0.5
    weights = bell(where[:, None] - torch.arange(few), 0.5)
    return weights / weights.sum(1, keepdim=True)


def backdrop(face: Face, scene: Columns, size: int, seeds: np.ndarray) -> Tensor:
    """Background, neck and clothes (n, 3, size, size), linear; they do not move when the head turns."""
    u, v = frame_coordinates(scene, size)
    first = torch.stack([scene.back_r, scene.back_g, scene.back_b], 1)
    second = torch.stack([scene.back_r2, scene.back_g2, scene.back_b2], 1)
    patches = np.stack([np.random.default_rng([int(s), 5]).random((3, 8, 8), dtype=np.float32) for s in seeds])
    spread = _spread_matrix(8, size)
    clutter = spread @ torch.from_numpy(patches) @ spread.T
    share = (0.5 + 0.04 * (u + v)).clamp(0, 1).unsqueeze(1)
    share = mix(share.expand(-1, 1, -1, -1), smooth(clutter[:, :1], 0.25, 0.75), scene.back_texture.unsqueeze(1))
    image = mix(first, second, share) + 0.18 * scene.back_texture.unsqueeze(1) * (clutter - 0.5)
    image = image.clamp(0.005, 1).square()
    lx = light_direction(scene)[:, 0, None, None]
    lean = 0.06 * scene.yaw
    across = u - 0.25 * lean
    half = 4.25 * face.p.neck_width * (face.p.face_width / 6.75) + 0.5 * (v - 10.8).clamp(min=0).square()
    normal = (across / half).clamp(-1, 1)
    lit = scene.ambient * 0.75 + scene.light_strength * (0.55 + 0.45 * normal * lx - 0.2 * normal.square())
    chin_shadow = 1 - 0.5 * bell(v - 10.5, 2.2) * bell(across, 4.5)
    body = ramp(half - across.abs(), 0.3) * smooth(v, 2.0, 4.0)
    neck = skin_tone(face) * (lit * chin_shadow * 0.85).unsqueeze(1)
    cloth = torch.stack([scene.cloth_r, scene.cloth_g, scene.cloth_b], 1).square() * lit.unsqueeze(1)
    collar = ramp(v - 13.6 + 0.28 * across.abs(), 0.3)
    body_colour = mix(neck, cloth, collar.unsqueeze(1))
    return mix(image, body_colour, body.unsqueeze(1))


def expose(linear: Tensor, face: Face, scene: Columns) -> Tensor:
    """Exposure, contrast and saturation: linear light to display values 0..1 (a square root stands for sRGB)."""
    tone = skin_tone(face)
    luma = (tone * torch.tensor((0.30, 0.59, 0.11)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    light = (0.8 * scene.light_strength + 0.75 * scene.ambient).unsqueeze(1)
    pale = 0.25 * smooth(luma, 0.12, 0.4)  # pale skin would burn out and lose its features to a white background
    gain = 0.755 * (1 - pale) * luma.pow(0.4) / (luma * light) * scene.exposure.unsqueeze(1)
    values = linear.mul(gain).clamp(min=0)
    values = values / (1 + 0.22 * values.square())  # a film-like shoulder
    values = (values * 1.06).clamp(max=1.0).sqrt()
    values = mix(values, smooth(values, 0.0, 1.0), torch.tensor(0.75))  # a camera's S-shaped tone curve
    grey = (values * torch.tensor((0.30, 0.59, 0.11)).view(1, 3, 1, 1)).sum(1, keepdim=True)
    values = mix(grey, values, scene.saturation.unsqueeze(1))
    return (values - 0.5) * scene.contrast.unsqueeze(1) + 0.5


def photograph(image: Tensor, scene: Columns, seeds: np.ndarray) -> Tensor:
    """Blur, sensor noise and JPEG: display values (n, 3, size, size) to (n, size, size, 3) uint8."""
    size = image.shape[-1]
    soft = _blur(image, scene.blur * size / 128)
    grey_levels = soft * 255
    noise = np.stack([_sensor_noise(int(seed), size) for seed in seeds])
    grey_levels = grey_levels + torch.from_numpy(noise) * scene.noise.unsqueeze(1)
    pixels = grey_levels.clamp(0, 255).add(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    quality = scene.jpeg_quality[:, 0, 0].int().tolist()
    return torch.from_numpy(np.stack([_jpeg(image, q) for image, q in zip(pixels, quality, strict=True)]))


def _sensor_noise(seed: int, size: int) -> np.ndarray:
    """(3, size, size) noise of unit variance: mostly in brightness, a little in colour."""
    rng = np.random.default_rng([seed, 6])
    brightness = rng.standard_normal((1, size, size), dtype=np.float32)
    chroma = rng.standard_normal((3, size // 2, size // 2), dtype=np.float32)
    return 0.9 * brightness + 0.4 * np.repeat(np.repeat(chroma, 2, 1), 2, 2)[:, :size, :size]


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a sigma (n, 1, 1) in pixels for each image."""
    reach = max(4, math.ceil(image.shape[-1] / 32))  # sigma grows with the image: 9 taps up to 128 pixels
    taps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[:, 0].clamp(min=0.05)).square())
    kernel = kernel / kernel.sum(1, keepdim=True)
    n, channels, size, _ = image.shape
    flat = F.pad(image.reshape(1, n * channels, size, size), (reach,) * 4, mode="replicate")
    weights = kernel.repeat_interleave(channels, 0)
    flat = F.conv2d(flat, weights.view(-1, 1, 1, len(taps)), groups=n * channels)
    flat = F.conv2d(flat, weights.view(-1, 1, len(taps), 1), groups=n * channels)
    return flat.view(n, channels, size, size)


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
