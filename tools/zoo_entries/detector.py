"""MTCNN's three networks as ONNX files: nothing is trained, the weights are facenet-pytorch's."""

from __future__ import annotations

import torch

from ferdis import __version__
from ferdis.export.writing import finished, to_onnx
from ferdis.preprocess.mtcnn_torch import modules
from tools.zoo_entries import Entry, Options

_SIDES = {"r": 24, "o": 48}
_SHEET = 60
CARD = {
    "kind": "detector",
    "title": "MTCNN: where faces are, and their eyes, noses and mouth corners",
    "input": "an image of any size; the search around the three networks is ferdis.preprocess.mtcnn",
    "trained_on": (
        "WIDER FACE and CelebA, by K. Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded "
        "Convolutional Networks, IEEE Signal Processing Letters 2016; not by ferdis"
    ),
    "licence": "MIT (facenet-pytorch, Copyright (c) 2019 Timothy Esler)",
    "minutes": 0,
    "limits": [
        "Faces smaller than 5 % of an image's longer side, in profile, or lying on their side are often missed.",
        "How often it finds a face differs between groups of people; this was not measured here.",
    ],
    "figures": {},
}


def make(options: Options) -> Entry:
    """Write ``mtcnn.p.onnx``, ``mtcnn.r.onnx`` and ``mtcnn.o.onnx``."""
    files = []
    for part, module in zip("pro", modules(), strict=True):
        file = options.out / f"mtcnn.{part}.onnx"
        inputs: dict[str, torch.Tensor] = {"images": torch.zeros(2, 3, *[_SIDES.get(part, 0)] * 2)}
        shapes: tuple[dict[int, object], ...] = ({0: torch.export.Dim("N")},)
        if part == "p":
            tall, wide = torch.export.Dim("H", min=12), torch.export.Dim("W", min=12)
            inputs = {
                "images": torch.zeros(1, 3, _SHEET, _SHEET + 4),
                "outside": torch.zeros(_SHEET - 2, _SHEET + 2, dtype=torch.bool),
            }
            shapes = ({2: tall, 3: wide}, {0: tall - 2, 1: wide - 2})
        names = ["moves", "probabilities"] if part != "o" else ["moves", "points", "probabilities"]
        to_onnx(module, tuple(inputs.values()), file, list(inputs), names, shapes)
        files.append(
            finished(file, {"ferdis_version": __version__}, f"MTCNN's {part}-network, weights of facenet-pytorch")
        )
    parameters = sum(tensor.numel() for module in modules() for tensor in module.parameters())
    return Entry(files, {"parameters": parameters, **CARD})
