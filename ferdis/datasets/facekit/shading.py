"""Light: what a pixel's surface is, and how bright it looks.

Surfaces are lists of pixels, (P,) a quantity and (3, P) a vector or colour, with the image that each lies in: only
what is seen is computed. What needs a pixel's surroundings (shade, shadow) is computed on maps of depth at half size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ferdis.datasets.facekit import compiled
from ferdis.datasets.facekit.anatomy import CHART_WIDTH
from ferdis.datasets.synthetic.canvas import bell, smooth

FAR_BACK = -12.0  # cm: the depth that stands behind everything
_SURROUNDINGS = ((0.05, 0.30), (0.13, 0.16), (0.3, 0.05))  # side of the square, share of the map's, and its weight
_SHADOW_STEPS = (0.35, 0.75, 1.3, 2.1, 3.2, 4.6)  # cm along the ray to the light
IRIS = 0.4  # sine of the angle under which the iris is seen from the eye's centre


class PixelColumns:
    """A table of parameters by name, as the pixels of a list see it: ``columns.melanin`` is (P,)."""

    def __init__(self, table: Tensor, names: tuple[str, ...], image: Tensor) -> None:
        self._table, self._image = table, image
        self._index = {name: i for i, name in enumerate(names)}

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self._index:
            raise AttributeError(name)
        return self._table[:, self._index[name]].index_select(0, self._image)

    def take(self, rows: Tensor) -> PixelColumns:
        """Some pixels of the list."""
        part = object.__new__(PixelColumns)
        part.__dict__.update(self.__dict__)
        part._image = self._image.index_select(0, rows)
        return part

    def of_images(self, values: Tensor) -> Tensor:
        """Values (n, c) of the images as (c, P) of the pixels."""
        return values.t().contiguous().index_select(1, self._image)

    @property
    def image(self) -> Tensor:
        """The image that each pixel lies in, (P,)."""
        return self._image


def unit(v: Tensor) -> Tensor:
    """Vectors (3, P) of length 1."""
    square = torch.addcmul(torch.addcmul(v[0] * v[0], v[1], v[1]), v[2], v[2]).clamp_(min=1e-8)
    return v * square.rsqrt_()


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (P,) of vectors (3, P)."""
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Vector products (3, P)."""
    return torch.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


def on_chart(texture: Tensor, chart: Tensor, image: Tensor) -> Tensor:
    """``texture`` (n, c, A, A) at places (2, P) of the chart, bilinear: (c, P)."""
    side = texture.shape[-1]
    across = ((chart[0] / CHART_WIDTH + 1) * (side / 2) - 0.5).clamp(0, side - 1.001)
    down = ((1 - chart[1] / CHART_WIDTH) * (side / 2) - 0.5).clamp(0, side - 1.001)
    column, row = across.long(), down.long()
    rows = texture.permute(0, 2, 3, 1).reshape(-1, texture.shape[1])  # one row per cell: four gathers a pixel
    cell = (image * side + row) * side + column
    right, low = (across - column).unsqueeze(1), (down - row).unsqueeze(1)
    top = torch.lerp(rows.index_select(0, cell), rows.index_select(0, cell + 1), right)
    bottom = torch.lerp(rows.index_select(0, cell + side), rows.index_select(0, cell + side + 1), right)
    return torch.lerp(top, bottom, low).t().contiguous()


def light_vector(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """(n, 3) towards a light given in degrees (n,): image right, up, to the camera."""
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    return torch.stack((a.sin() * e.cos(), e.sin(), a.cos() * e.cos()), 1)


def furrowed(normal: Tensor, slopes: Tensor, up: Tensor) -> Tensor:
    """Normals (3, P) tilted by the folds' slopes (2, P); ``up`` (3, P) is the turned head's own."""
    side = unit(cross(up, normal))
    over = cross(normal, side)
    return unit(torch.addcmul(torch.addcmul(normal, slopes[:1], side, value=-1), slopes[1:2], over, value=-1))


def occlusion(depth: Tensor) -> Tensor:
    """How much of the sky each pixel sees, 0..1 (n, H/2, W/2), from half-size depth around it."""
    side = depth.shape[-1]
    windows = [(2 * round(share * side / 2) + 1, weight) for share, weight in _SURROUNDINGS]
    if compiled.usable(depth):
        return compiled.occlusion(depth, windows)
    total = torch.zeros_like(depth)
    for reach, weight in windows:
        around = F.avg_pool2d(F.pad(depth[:, None], (reach // 2,) * 4, mode="replicate"), reach, 1)[:, 0]
        total = total + weight * (around - depth).clamp_(min=0, max=3.0)
    return 1 / (1 + 2.2 * total)


def cast_shadow(depth: Tensor, light: Tensor, pixels: Tensor) -> Tensor:
    """Share of a lamp that arrives, (n, H, W): a march through the depth map towards it.

    Parameters
    ----------
    depth : Tensor (n, H, W)
    light : Tensor (n, 3)
        Towards the lamp.
    pixels : Tensor (n,)
        Pixels of the map per centimetre.
    """
    side = depth.shape[-1]
    reach = side // 3
    padded = F.pad(depth[:, None], (reach,) * 4, value=FAR_BACK)[:, 0]
    lit = torch.ones_like(depth)
    for row, steps in enumerate(shadow_steps(light, pixels, side)):
        for dx, dy, rise in steps:
            blocker = padded[row, reach + dy : reach + dy + side, reach + dx : reach + dx + side]
            above = blocker - depth[row] - rise
            dark = ((above - 0.12) / 0.35).clamp_(0, 1) * (above < 6.0)
            lit[row] = torch.minimum(lit[row], 1 - dark)
    return F.avg_pool2d(F.pad(lit[:, None], (2,) * 4, mode="replicate"), 5, 1)[:, 0]


def shadow_steps(light: Tensor, pixels: Tensor, side: int) -> list[list[tuple[int, int, float]]]:
    """For each image the places that a shadow may come from: pixels right and down, and cm that the ray has risen."""
    reach = side // 3
    images = []
    for (across, up, ahead), scale in zip(light.tolist(), pixels.tolist(), strict=True):
        flat = max((across**2 + up**2) ** 0.5, 1e-3)
        steps = []
        for step in _SHADOW_STEPS:
            dx = max(-reach, min(reach, round(step * across / flat * scale)))
            dy = max(-reach, min(reach, round(-step * up / flat * scale)))
            steps.append((dx, dy, step * max(ahead, 0.05) / flat))
        images.append(steps)
    return images


def half_size(depth: Tensor) -> Tensor:
    """Depth (n, H, W) at half size, what is far behind brought nearer."""
    return F.avg_pool2d(depth.clamp(min=FAR_BACK)[:, None], 2)[:, 0]


def full_size(values: Tensor) -> Tensor:
    """Half-size maps (n, H/2, W/2) at full size, flattened: (n H W,)."""
    return F.interpolate(values[:, None], scale_factor=2, mode="bilinear", align_corners=False).reshape(-1)


def eye_colour(direction: Tensor, gaze: Tensor, p: PixelColumns) -> Tensor:
    """Albedo (3, P) of the eyeball where its surface lies in ``direction`` (3, P) from its centre."""
    along = dot(direction, gaze)
    away = torch.where(along > 0, (1 - along.square()).clamp_(min=0).sqrt(), torch.ones_like(along))
    radius = IRIS * p.iris_size
    iris = smooth(away, radius + 0.025, radius - 0.025)
    pupil = smooth(away, 0.42 * radius + 0.03, 0.42 * radius - 0.03)
    colours = ((0.06, 0.028, 0.012), (0.22, 0.24, 0.2), (0.12, 0.2, 0.3), (0.5, 0.465, 0.44))
    dark, light, blue, white = (direction.new_tensor(colour).view(3, 1) for colour in colours)
    tone = torch.lerp(dark, torch.lerp(light, blue, p.iris_hue), p.iris_tone) * (1 - pupil)
    sclera = white * (1 - 0.3 * (away - 0.5).clamp(0, 1))
    return torch.lerp(sclera, tone, iris) * (1 - 0.55 * bell(away - radius, 0.05))


def shade(
    albedo: Tensor, gloss: Tensor, normal: Tensor, seen: Tensor, lit: Tensor, soft: Tensor, scene: PixelColumns
) -> Tensor:
    """Linear colour (3, P): sky, two lamps with a soft reddish terminator, and a sheen.

    Parameters
    ----------
    albedo, normal : Tensor (3, P)
    gloss, seen, lit, soft : Tensor (P,)
        Strength of the sheen, share of the sky seen, share of the first lamp that arrives, and where light seeps in.
    """
    first = scene.of_images(_lamp(scene, "light"))
    second = scene.of_images(_lamp(scene, "second"))
    warmth = scene.light_warmth
    facing, other = dot(normal, first), dot(normal, second)
    strength = scene.light_strength
    sky = (scene.ambient + 0.08) * (0.72 + 0.22 * normal[1] + 0.06 * normal[2]) * seen
    sky = sky + 0.5 * strength * (-facing).clamp_(min=0) * scene.fill
    rim = (1 - normal[2].clamp(0, 1)).square_().square_() * 0.12 * soft * seen
    half = unit(first + first.new_tensor((0.0, 0.0, 1.0)).view(3, 1))
    sheen = 0.55 * dot(normal, half).clamp_(min=0).pow(16) * gloss * seen * lit * strength
    second_lamp = strength * scene.second_strength * (0.4 + 0.6 * seen)
    first_lamp = strength * lit
    channels = []
    for i, (spread, warm) in enumerate(((0.32, 0.12), (0.16, 0.0), (0.12, -0.16))):
        seep = spread * soft
        tint = 1 + warm * warmth
        lamps = ((facing + seep) / (1 + seep)).clamp_(min=0) * first_lamp * tint
        lamps = lamps + ((other + seep) / (1 + seep)).clamp_(min=0) * second_lamp
        channels.append(albedo[i] * (lamps + sky + rim) + sheen * tint)
    return torch.stack(channels)


def catchlights(normal: Tensor, seen: Tensor, scene: PixelColumns) -> Tensor:
    """The lamps' reflections on the eyes, (P,)."""
    glow = torch.zeros_like(seen)
    for name, share in (("light", 1.0), ("second", scene.second_strength)):
        half = unit(scene.of_images(_lamp(scene, name)) + normal.new_tensor((0.0, 0.0, 1.0)).view(3, 1))
        glow = glow + dot(normal, half).clamp_(min=0).pow(180) * share
    return glow.clamp_(max=1) * seen * 0.9 * scene.light_strength


def _lamp(scene: PixelColumns, name: str) -> Tensor:
    table, index = scene._table, scene._index
    return light_vector(table[:, index[f"{name}_azimuth"]], table[:, index[f"{name}_elevation"]])
