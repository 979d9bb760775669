"""The worst mistakes: confident and wrong, with their images where these can be found again."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from ferdis.datasets.sources import faces_of_config
from ferdis.faces import Faces
from ferdis.metrics import probabilities
from ferdis.metrics.resampling import has_people
from ferdis.protocol import row_names
from ferdis.run_folder import FinishedRun

SIDE = 160  # pixels of an image on the page, at most

Loader = Callable[..., Faces]


@dataclass(frozen=True)
class Mistake:
    """One image that a system was sure of and named wrongly.

    Attributes
    ----------
    path, true, predicted : str
    confidence : float, 0..1, mean over seeds.
    picture : data URI of a PNG; empty where the image was not found.
    """

    path: str
    true: str
    predicted: str
    confidence: float
    picture: str = ""


def worst(rows: pd.DataFrame, count: int = 12) -> pd.DataFrame:
    """The most confident wrong predictions of one system: path, true, predicted, confidence.

    Seeds are averaged first. Of one person and true class only the worst is shown: the frames of a sequence would fill
    the page with one mistake.

    Parameters
    ----------
    rows : of one system, with probabilities.
    count : images, at most.
    """
    rows = rows.reset_index(drop=True)
    known = probabilities(rows)
    known = known[known.notna().all(axis=1)]
    if known.empty or not known.shape[1]:
        return pd.DataFrame(columns=["path", "true", "predicted", "confidence"])
    mean = known.groupby(rows.loc[known.index, "path"]).mean()
    about = rows.drop_duplicates("path").set_index("path").loc[mean.index]
    table = pd.DataFrame({"true": about["true"], "predicted": mean.idxmax(axis=1), "confidence": mean.max(axis=1)})
    table["who"] = about["subject"] if has_people(rows) else table.index
    wrong = table[table["true"] != table["predicted"]].sort_values("confidence", ascending=False, kind="stable")
    return wrong.drop_duplicates(["who", "true"]).head(count).rename_axis("path").reset_index().drop(columns="who")


def find_faces(run: FinishedRun, load: Loader | None, faces: Faces | None) -> tuple[Faces | None, str]:
    """The faces that a run tested, and why not where they cannot be had.

    Parameters
    ----------
    run : the run; its config.yaml says how its data set was loaded.
    load : ``load(name, **arguments) -> Faces``, as :func:`ferdis.load`; None looks for nothing.
    faces : given by hand; they win.
    """
    if faces is not None:
        return faces, ""
    if load is None:
        return None, "no loader was given to look for them"
    try:
        found = faces_of_config(run.config, load)
        unsaid = f"{run.name}/config.yaml does not say how its data set was loaded; name it with --faces"
        return found, "" if found is not None else unsaid
    except Exception as error:  # whatever is wrong with the images, the figures stand
        return None, f"the data set could not be loaded again ({' '.join(str(error).split())})"


def with_pictures(table: pd.DataFrame, faces: Faces | None) -> tuple[list[Mistake], str]:
    """Mistakes of :func:`worst` with their images from ``faces``, found by path; and what is missing, in words."""
    pictures: dict[str, str] = {}
    if faces is not None:
        place = pd.Series(np.arange(len(faces)), index=row_names(faces)).reindex(table["path"]).dropna().astype(int)
        for path, pixels in zip(place.index, faces.pixels(place.to_numpy()), strict=True):
            pictures[str(path)] = data_uri(pixels)
    found = [
        Mistake(line["path"], line["true"], line["predicted"], line["confidence"], pictures.get(line["path"], ""))
        for line in table.to_dict("records")
    ]
    missing = sum(not item.picture for item in found)
    return found, f"{missing} of {len(found)} are not among the faces of the data set" if missing else ""


def data_uri(pixels: np.ndarray, side: int = SIDE) -> str:
    """An image, uint8 (H, W, 3), as a PNG inside a URI, ``side`` pixels high or wide at most."""
    image = Image.fromarray(np.asarray(pixels))
    image.thumbnail((side, side))
    return png_uri(image)


def png_uri(image: Image.Image | bytes) -> str:
    """An image, or the bytes of a PNG file, as a ``data:`` URI."""
    if isinstance(image, Image.Image):
        memory = io.BytesIO()
        image.save(memory, format="PNG", optimize=True)
        image = memory.getvalue()
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")
