"""Synthetic people: a face renderer with known identity, expression and 17 action unit intensities.

It needs no asset files and no network: a height field in centimetres is drawn, lit and photographed in torch.
"""

from .expression import PROTOTYPES, person_style, sample_expression
from .identity import IDENTITY_NAMES, sample_people
from .render import REGIONS, Rendered, render
from .scene import DIFFICULTIES, SCENE_NAMES, sample_scene

__all__ = [
    "DIFFICULTIES",
    "IDENTITY_NAMES",
    "PROTOTYPES",
    "REGIONS",
    "SCENE_NAMES",
    "Rendered",
    "person_style",
    "render",
    "sample_expression",
    "sample_people",
    "sample_scene",
]
