"""`ferdis web --gradio`: a second page, which Python computes, for any classifier that `ferdis predict` takes.

Pictures are sent to the process that serves the page, which listens on this computer alone. The page of
:mod:`ferdis.web.site` sends them nowhere, and is the one to publish.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ferdis.predict import DEFAULT_MODEL, Predictor
from ferdis.predict.command import caution
from ferdis.predict.drawing import draw

_LARGEST = 1600  # pixels of the longer side; a larger picture is made smaller before it is looked at


def answer(
    predictor: Predictor, picture: np.ndarray | None, abstain_below: float = 0.0
) -> tuple[Image.Image | None, pd.DataFrame]:
    """What the page shows of a picture.

    Parameters
    ----------
    predictor : Predictor
    picture : (H, W, 3) uint8, or None where none was given yet
    abstain_below : float
        A face whose most probable expression has less than this probability gets none; 0..1.

    Returns
    -------
    drawing : PIL.Image.Image or None
        The picture with boxes and bars.
    table : DataFrame
        One row per face: ``face`` (from 1), ``expression``, and the probability of each class in per cent.
    """
    columns = ["face", "expression", *predictor.classes]
    if picture is None:
        return None, pd.DataFrame(columns=columns)
    image = Image.fromarray(picture)
    image.thumbnail((_LARGEST, _LARGEST))
    pixels, asked = np.asarray(image), copy.copy(predictor)  # several may be asked at once, each with its own threshold
    asked.abstain_below = abstain_below
    rows = asked([pixels])
    found = rows[rows["detected"].astype(bool)] if not predictor.crops else rows
    shares = {name: (100 * found[f"p_{name}"].astype(float)).round(1) for name in predictor.classes}
    expression = found["expression"].fillna("")
    table = pd.DataFrame({"face": range(1, len(found) + 1), "expression": expression, **shares}, columns=columns)
    return draw(pixels, rows, predictor.classes), table.reset_index(drop=True)


def gradio_page(model: str | Path | None = None) -> Any:
    """The page as a ``gradio.Interface``; its ``launch()`` serves it.

    Parameters
    ----------
    model : path, optional
        As for :func:`ferdis.load_model`; by default the recogniser that ships with ferdis.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`ferdis.predict.Predictor.load`; or gradio is not installed.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # it would tell its makers of each start
    try:
        import gradio
    except ImportError as error:
        raise ValueError("this page needs gradio: pip install 'ferdis[gradio]', or leave out --gradio") from error
    predictor = Predictor.load(model)
    return gradio.Interface(
        lambda picture, least: answer(predictor, picture, least),
        [
            gradio.Image(type="numpy", image_mode="RGB", sources=["upload", "webcam", "clipboard"], label="A picture"),
            gradio.Slider(0, 1, 0, step=0.05, label="Name nothing below"),
        ],
        [gradio.Image(type="pil", label="Faces"), gradio.Dataframe(label="Probabilities, %")],
        title="ferdis",
        description=f"{caution(DEFAULT_MODEL)}." if model is None else f"The model is {model}.",
        flagging_mode="never",
        live=True,
    )


def serve(model: str | Path | None, port: int) -> None:
    """Serve the page on this computer until Ctrl-C; errors as :func:`gradio_page`, or if the port is taken."""
    page = gradio_page(model)
    page.launch(server_name="127.0.0.1", server_port=port, share=False)
