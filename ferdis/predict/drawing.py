"""Draw boxes and probabilities of the detected faces into an image, beside the faces and never over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

_SHOWN = 3  # classes per face
_BOX, _PANEL, _TEXT, _BAR = (255, 200, 0), (20, 20, 20), (255, 255, 255), (90, 160, 250)
_NARROWEST = 320  # pixels


class Box(NamedTuple):
    """A rectangle in pixels of the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def shares(self, other: Box) -> float:
        """Pixels that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(tall, 0.0)


def draw(pixels: np.ndarray, rows: pd.DataFrame, classes: Sequence[str]) -> Image.Image:
    """Boxes and the most probable classes of each face.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
    rows : DataFrame
        The image's rows of :class:`ferdis.predict.Predictor`; those without a box are left out.
    classes : sequence of str

    Returns
    -------
    PIL.Image.Image
        Of the image's size, at least 320 pixels wide; longer where a panel has no room beside the faces.
    """
    zoom = max(1.0, _NARROWEST / pixels.shape[1])
    image = Image.fromarray(pixels).resize([round(zoom * side) for side in pixels.shape[1::-1]])
    size = max(11, round(max(image.size) / 60))
    found = rows[rows["left"].notna()].to_dict("records")
    limits = (image.width - 1, image.height - 1) * 2  # a face may reach over the edge
    boxes = [
        Box(*(min(max(zoom * row[name], 0.0), limit) for name, limit in zip(Box._fields, limits, strict=True)))
        for row in found
    ]
    panels = [_panel({name: row[f"p_{name}"] for name in classes}, row["expression"], size) for row in found]
    places, height = _places(boxes, [panel.size for panel in panels], image.size)
    drawn = Image.new("RGB", (image.width, height), _PANEL)
    drawn.paste(image)
    canvas = ImageDraw.Draw(drawn)
    for box, panel, place in zip(boxes, panels, places, strict=True):
        canvas.rectangle(box, outline=_BOX, width=max(2, size // 7))
        drawn.paste(panel, place)
    return drawn


def _places(
    boxes: Sequence[Box], sizes: Sequence[tuple[int, int]], inside: tuple[int, int]
) -> tuple[list[tuple[int, int]], int]:
    """Corners of the panels, and the height that the drawing needs for them: on no face and on no other panel."""
    taken, places = list(boxes), []
    room, height = list[int](), inside[1]  # right ends of the panels in the strip below the image
    for box, (wide, tall) in zip(boxes, sizes, strict=True):
        across, down = max(0, min(box.left, inside[0] - wide)), max(0, min(box.top, inside[1] - tall))
        sides = ((across, box.bottom), (across, box.top - tall), (box.right, down), (box.left - wide, down))
        free = [
            Box(left, top, left + wide, top + tall)
            for left, top in sides
            if left >= 0 and top >= 0 and left + wide <= inside[0] and top + tall <= inside[1]
        ]
        free = [place for place in free if not any(place.shares(other) > 0 for other in taken)]
        if not free:  # in a strip below the image, one beside the other, as far as there is room
            left = room[-1] if room and room[-1] + wide <= inside[0] else 0
            if left == 0:
                height += tall
            free, room = [Box(left, height - tall, left + wide, height)], [*room, left + wide]
        taken.append(free[0])
        places.append((round(free[0].left), round(free[0].top)))
    return places, height


def _panel(probability: dict[str, float], said: str | None, size: int) -> Image.Image:
    """The most probable classes with bars; in brackets where the model abstains."""
    font, line = _font(size), round(1.35 * size)
    best = sorted(probability, key=lambda name: -probability[name])[:_SHOWN]
    words = [f"{name} {100 * probability[name]:.0f} %" for name in best]
    if pd.isna(said):
        words[0] = f"({words[0]})"
    width = round(max(font.getlength(text) for text in words) + size)
    panel = Image.new("RGB", (width, line * len(words)), _PANEL)
    canvas = ImageDraw.Draw(panel)
    for k, (name, text) in enumerate(zip(best, words, strict=True)):
        bottom = (k + 1) * line
        canvas.rectangle((0, bottom - 3, round(width * probability[name]), bottom - 1), fill=_BAR)
        canvas.text((size // 2, k * line), text, fill=_TEXT, font=font)
    return panel


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, since the operating system may have none."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
