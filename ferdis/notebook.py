"""What a notebook shows of faces and results: small HTML with the images inside, every text escaped."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from ferdis.messages import and_more, short

_SIDE = 72  # pixels of a thumbnail


def section(title: str, *parts: str) -> str:
    """A title and what stands below it; empty parts are left out."""
    return f"<div><p><b>{html.escape(title)}</b></p>{''.join(part for part in parts if part)}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], total: int | None = None) -> str:
    """A table of text.

    Parameters
    ----------
    head, rows : cells, by their ``str``.
    total : number of rows there are, if not all are given.
    """
    lines = [list(row) for row in rows]
    cells = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in line)}</tr>" for line in lines)
    more = and_more((total or 0) - len(lines)).removeprefix(" and ")
    below = f"<p>{more}</p>" if more else ""
    return f"<table><thead><tr>{''.join(f'<th>{_text(name)}</th>' for name in head)}</tr></thead>{cells}</table>{below}"


def thumbnails(images: np.ndarray, captions: Sequence[str]) -> str:
    """Images (n, H, W, 3) uint8 side by side, each over its caption."""
    figures = []
    for pixels, caption in zip(images, captions, strict=True):
        image = Image.fromarray(pixels)
        image.thumbnail((_SIDE, _SIDE))
        data = io.BytesIO()
        image.save(data, "PNG")
        figures.append(
            f'<figure style="display:inline-block;margin:2px;text-align:center">{picture(data.getvalue(), caption)}'
            f'<figcaption style="font-size:small">{_text(caption)}</figcaption></figure>'
        )
    return "".join(figures)


def picture(png: bytes, caption: str) -> str:
    """An image that the page holds itself."""
    return f'<img alt="{html.escape(caption)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def link(address: str, text: str) -> str:
    """A link to a file or page."""
    return f'<p><a href="{html.escape(address)}">{html.escape(text)}</a></p>'


def _text(value: object) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else short(value))
