"""MTCNN's three networks in ONNX Runtime: faces are found without importing torch.

The files are those of ``ferdis/zoo``, written from facenet-pytorch's weights by ``python -m tools.train_zoo mtcnn``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ferdis import zoo
from ferdis.onnx_model import session
from ferdis.preprocess.mtcnn import Networks


@cache
def networks() -> Networks:
    """The networks as :func:`ferdis.preprocess.mtcnn.find_faces` calls them; each runs on the thread that calls it."""
    return Networks(*(_runner(zoo.path("mtcnn", f"{part}.onnx")) for part in ("p", "r", "o")))


def _runner(path: Any) -> Any:
    model = session(path, threads=1)
    names = [item.name for item in model.get_inputs()]

    def run(images: np.ndarray, *more: np.ndarray) -> list[np.ndarray]:
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return model.run(None, dict(zip(names, (batch, *more), strict=True)))

    return run
