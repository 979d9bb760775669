"""A fitted system as one network from uint8 crops to probabilities or images: the graph that is written to the file.

Resizing, scaling, colour order and normalisation are inside and give the pixels of the training. The resize is the
bilinear one with antialiasing of :func:`ferdis.preprocess.images.resize_batch`, written as two matrix products, because
onnxruntime's ``Resize`` computes its sampling positions in float32 and is off by up to a hundredth of a grey level,
which rounds some pixels to the next integer.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferdis.faces import AU_COLUMNS
from ferdis.preprocess.augment import to_unit_range
from ferdis.preprocess.images import whole_pixels
from ferdis.saved_models import unlabelled
from ferdis.systems.base import Estimator

_ROWS = 16  # of a batch
UNITS = "au"  # the input for action units; every other input is faces


def resize_matrix(length: int, size: int) -> Tensor:
    """Weights (size, length), float64, that resize a line of pixels with a triangle filter of the step's width.

    The filter is at least one pixel wide. ``length`` may be symbolic: an exported graph computes the weights for the
    size of its input.
    """
    places = torch.arange(length, dtype=torch.float64) + 0.5
    step = (places[-1] + 0.5) / size  # the last place is half a pixel before the end: length / size, as a tensor
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * step
    weights = (1 - (places - centres[:, None]).abs() / step.clamp(min=1)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


def as_training_saw(faces: Tensor, size: int) -> Tensor:
    """Crops (n, H, W, 3), uint8, as float32 images (n, 3, size, size) in [-1, 1], resized as in training."""
    height, width = (resize_matrix(faces.shape[axis], size) for axis in (1, 2))
    planes = faces.permute(0, 3, 1, 2).to(torch.float64)
    pixels = whole_pixels(height @ planes @ width.T)  # (n, 3, size, size), whole numbers
    return to_unit_range(pixels.permute(0, 2, 3, 1))


class Graph(nn.Module):
    """One method of a fitted system, for a batch of uint8 crops.

    Parameters
    ----------
    system : Estimator
        Fitted; it is copied to the CPU, in eval mode.
    method : str
        One of :func:`methods_of`.
    half : bool
        Weights and activations in float16; preprocessing, probabilities and images stay float32.

    Attributes
    ----------
    inputs : tuple of str
        Names of the inputs, in order.
    output : str
        "probabilities" (n, K), or "image" (n, S, S, 3) in 0..1; float32.
    """

    def __init__(self, system: Estimator, method: str, *, half: bool = False) -> None:
        super().__init__()
        self.system = copy.copy(system)
        self.system.modules_ = {name: copy.deepcopy(module).cpu().eval() for name, module in system.modules_.items()}
        self.dtype = torch.float16 if half else torch.float32
        self.networks = nn.ModuleDict(self.system.modules_).to(self.dtype)
        self.networks.requires_grad_(False)
        self.function = methods_of(self.system)[method]
        self.method = method
        self.inputs = inputs_of(system, method)
        self.output = "probabilities" if method == "predict_proba" else "image"

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs in the order of ``inputs``: faces (n, H, W, 3) uint8, action units (n, 17) float32 in 0..5."""
        size = self.system.image_size
        read = [
            (given if name == UNITS else as_training_saw(given, size)).to(self.dtype)
            for name, given in zip(self.inputs, inputs, strict=True)
        ]
        result = self.function(*read).float()
        if self.output == "probabilities":
            return result
        return ((result + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)

    def arguments(self, count: int, side: int = 48) -> tuple[Tensor, ...]:
        """Example inputs for the exporter, a separate tensor each: it would merge inputs that share one tensor."""
        faces = (count, side, side, 3)
        return tuple(
            torch.zeros(count, len(AU_COLUMNS)) if name == UNITS else torch.zeros(faces, dtype=torch.uint8)
            for name in self.inputs
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The result for arrays, by name of the input, a few rows at a time."""
        parts = zip(*(torch.from_numpy(inputs[name]).split(_ROWS) for name in self.inputs), strict=True)
        with torch.inference_mode():
            return np.concatenate([self(*part).numpy() for part in parts])


def methods_of(system: Estimator) -> dict[str, Any]:
    """The exportable functions of a system, by the public method that each computes.

    Raises
    ------
    ValueError
        If there are none.
    """
    methods = system._graphs()
    if not methods:
        raise ValueError(f"{type(system).__name__} names nothing to export: it has no _graphs()")
    return methods


def inputs_of(system: Estimator, method: str) -> tuple[str, ...]:
    """Names of a method's inputs."""
    return tuple(inspect.signature(methods_of(system)[method]).parameters)


def by_the_system(system: Estimator, method: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The result of the system's own method: probabilities (n, K), or images (n, S, S, 3) as float32 in 0..1."""
    arguments = [given if name == UNITS else unlabelled(given) for name, given in inputs.items()]
    result = getattr(system, method)(*arguments)
    return result if method == "predict_proba" else result.astype(np.float32) / 255
