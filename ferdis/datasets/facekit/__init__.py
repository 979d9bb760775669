"""People from measured faces: the identity modes and expression shapes of ICT-FaceKit, drawn, lit and photographed.

The model is not part of ferdis (github.com/ICT-VGL/ICT-FaceKit, MIT licence). Geometry comes from it; skin, folds,
brows, eyes, hair, light and camera are drawn here, without a photograph.
"""

from .identity import GROUPS, IDENTITY_NAMES, sample_people
from .model import FaceModel, load_model
from .render import REGIONS, Rendered, render
from .scene import SCENE_NAMES, sample_scene

__all__ = [
    "GROUPS",
    "IDENTITY_NAMES",
    "REGIONS",
    "SCENE_NAMES",
    "FaceModel",
    "Rendered",
    "load_model",
    "render",
    "sample_people",
    "sample_scene",
]
