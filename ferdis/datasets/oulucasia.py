"""Oulu-CASIA NIR&VIS: 80 people, six expressions, sequences from neutral to the peak, two cameras, three lights.

::

    root/B_OriginalImg/VL/Strong/P001/Anger/000.jpeg       camera, light, person, expression, frame

Zhao, Huang, Taini, Li, Pietikainen: Facial expression recognition from near-infrared videos, Image and Vision Computing
2011. ``VL`` is the visible-light camera, ``NI`` the near-infrared one. The folder may be called ``OriginalImg``; a
folder of cropped images (its name holds "preprocess") may lie beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.frames import FrameRule
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.published import numbered
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SIX_EXPRESSIONS

PEOPLE = numbered("oulu/P{:03d}", range(1, 81))

_FILE = re.compile(
    r"(?:^|/)(?P<camera>VL|NI)/(?P<light>Strong|Weak|Dark)/(?P<subject>P\d{3})/(?P<label>[^/]+)/[a-z_]*(?P<frame>\d+)"
    r"\.(?:jpe?g|png|bmp)$",
    re.IGNORECASE,
)


class OuluCASIA(TreeDataset):
    """Oulu-CASIA: one camera and one light of its sequences.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``B_OriginalImg/{VL,NI}/{Strong,Weak,Dark}/P001/{Anger,Disgust,Fear,Happiness,Sadness,Surprise}/000.jpeg``.
    expressions : int, str or sequence of str
        6, or names. With neutral among them (7) the first frame of each sequence is a neutral face.
    frames : str
        The frames that carry the label: ``"last3"`` (the papers' rule: 1,440 images), ``"last"``, ``"first+last"``,
        ``"all"``.
    camera : "VL" or "NI"
        Visible light (the papers' choice) or near infrared.
    light : "Strong", "Weak" or "Dark"
        The papers take strong light.
    images : "original" or "preprocessed"
        Which of the two copies that the set itself holds.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.

    Notes
    -----
    ``subject`` is ``oulu/P001``, ``sequence`` ``oulu/P001/VL/Strong/anger``, ``frame`` the number in the file name;
    ``position`` counts frames before the last; ``camera``, ``light``.
    """

    name = "oulucasia"
    layout = "B_OriginalImg/{VL,NI}/{Strong,Weak,Dark}/P001/{Anger,Disgust,Fear,Happiness,Sadness,Surprise}/000.jpeg"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 6,
        frames: str = "last3",
        camera: Literal["VL", "NI"] = "VL",
        light: Literal["Strong", "Weak", "Dark"] = "Strong",
        images: Literal["original", "preprocessed"] = "original",
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
    ) -> None:
        super().__init__(
            root, image_size=image_size, align=align, cache=cache, device=device, errors=errors, progress=progress
        )
        self.expressions = expressions
        self.frames = frames
        self.camera = camera
        self.light = light
        self.images = images

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        keep = chosen_expressions(self.expressions)
        rule = FrameRule.parse(self.frames, "last", neutral="neutral" in keep)
        wanted = (self.camera.upper(), self.light.capitalize(), self.images)
        if wanted[0] not in ("VL", "NI") or wanted[1] not in ("Strong", "Weak", "Dark"):
            raise ValueError(f"camera={self.camera!r}, light={self.light!r}: choose VL or NI, and Strong, Weak or Dark")
        if self.images not in ("original", "preprocessed"):
            raise ValueError(f"images={self.images!r}: choose 'original' or 'preprocessed'")
        rows = []
        for path, match in tree.find(_FILE):
            copy = "preprocessed" if "preprocess" in match.string[: match.start()].lower() else "original"
            if (match["camera"].upper(), match["light"].capitalize(), copy) != wanted:
                continue
            subject, name = f"oulu/{match['subject'].upper()}", tree.expression(path, match["label"])
            rows.append(
                {
                    "path": path,
                    "expression": name,
                    "subject": subject,
                    "sequence": "/".join((subject, *wanted[:2], str(name))),
                    "frame": int(match["frame"]),
                    "camera": wanted[0],
                    "light": wanted[1],
                }
            )
        basic = [name for name in keep if name in SIX_EXPRESSIONS]
        total = len(PEOPLE) * len(basic)
        return tree.table(
            rows,
            keep=keep,
            frames=rule,
            key=("sequence", "frame"),
            published={
                "sequences": total,
                "subjects": len(PEOPLE),
                **({"images": total * rule.count} if rule.where != "all" else {}),
            },
            expected={"subject": PEOPLE, "expression": basic},
        )


build_table, load_oulucasia = functions_of(OuluCASIA)
