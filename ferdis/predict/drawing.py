"""Draw boxes and probabilities of the detected faces into an image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

_SHOWN = 3  # classes per face
_BOX, _PANEL, _TEXT, _BAR = (255, 200, 0), (20, 20, 20), (255, 255, 255), (90, 160, 250)


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
        Of the image's size, at least 320 pixels wide.
    """
    zoom = max(1.0, 320 / pixels.shape[1])
    image = Image.fromarray(pixels).resize([round(zoom * side) for side in pixels.shape[1::-1]])
    canvas, size = ImageDraw.Draw(image), max(11, round(max(image.size) / 60))
    for row in rows[rows["left"].notna()].to_dict("records"):
        box = [zoom * row[name] for name in ("left", "top", "right", "bottom")]
        canvas.rectangle(box, outline=_BOX, width=max(2, size // 7))
        _panel(canvas, box, {name: row[f"p_{name}"] for name in classes}, size, image.size)
    return image


def _panel(
    canvas: ImageDraw.ImageDraw, box: list[float], probability: dict[str, float], size: int, inside: tuple[int, int]
) -> None:
    """The most probable classes with bars: below the box, or over its lower edge where the image ends."""
    font, line = _font(size), round(1.35 * size)
    best = sorted(probability, key=lambda name: -probability[name])[:_SHOWN]
    words = [f"{name} {100 * probability[name]:.0f} %" for name in best]
    width = max(round(max(canvas.textlength(text, font) for text in words) + size), round(box[2] - box[0]))
    left = min(max(0, round(box[0])), max(0, inside[0] - width))
    top = min(round(box[3]), inside[1] - line * len(words))
    for k, (name, text) in enumerate(zip(best, words, strict=True)):
        upper = top + k * line
        canvas.rectangle((left, upper, left + width, upper + line), fill=_PANEL)
        canvas.rectangle((left, upper + line - 3, left + round(width * probability[name]), upper + line - 1), fill=_BAR)
        canvas.text((left + size // 2, upper), text, fill=_TEXT, font=font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, since the operating system may have none."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
