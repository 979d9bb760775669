"""Write ONNX files: torch's exporter, onnxruntime's quantiser, the checker, the metadata."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferdis.export.graph import UNITS, Graph
from ferdis.onnx_model import as_metadata, required

OPSET = 18
"""The opset of the ONNX files; runtimes since 2023 support it."""

_CALIBRATION_BATCH = 16
_QUANTISED = ["Conv", "Gemm", "MatMul"]


def write(graph: Graph, path: Path, about: Mapping[str, Any]) -> Path:
    """Write a graph with dynamic batch and image size; returns the path."""
    count, height, width = (torch.export.Dim(name) for name in "NHW")
    shapes = tuple({0: count} if name == UNITS else {0: count, 1: height, 2: width} for name in graph.inputs)
    to_onnx(graph, graph.arguments(2), path, graph.inputs, [graph.output], (shapes,))
    return finished(path, about)


def to_onnx(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    path: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: Any,
) -> None:
    """Write a module with torch's exporter; ``shapes`` are its ``dynamic_shapes``."""
    with quiet(), torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        torch.onnx.export(
            module,
            arguments,
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def quantise(source: Path, path: Path, calibration: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Path:
    """Quantise the convolutions and matrices of a float32 file to 8 bits; returns the path.

    Activation ranges are those of the ``calibration`` inputs. Weights have 7 bits and one scale per channel: with 8
    bits, processors without VNNI overflow.
    """
    onnx, quantization = required("onnx", "onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """The calibration inputs, batch by batch."""

        def __init__(self) -> None:
            count = len(next(iter(calibration.values())))
            self.starts = iter(range(0, count, _CALIBRATION_BATCH))

        def get_next(self) -> dict[str, np.ndarray] | None:
            start = next(self.starts, None)
            if start is None:
                return None
            return {name: given[start : start + _CALIBRATION_BATCH] for name, given in calibration.items()}

    with quiet():
        quantization.quantize_static(
            source,
            path,
            Reader(),
            op_types_to_quantize=_QUANTISED,
            nodes_to_exclude=_resizing(onnx.load(source)),
            per_channel=True,
            reduce_range=True,
        )
    return finished(path, about)


def _resizing(model: Any) -> list[str]:
    """Names of the matrix products that resize the faces: those in float64."""
    (onnx,) = required("onnx")
    inferred = onnx.shape_inference.infer_shapes(model)
    double = {
        item.name for item in inferred.graph.value_info if item.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    }
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and set(node.output) & double]


def finished(path: Path, about: Mapping[str, Any], text: str | None = None) -> Path:
    """Add the metadata and a description, remove the exporter's traces (paths of this machine), check the model."""
    (onnx,) = required("onnx")
    model = onnx.load(path)
    graph = model.graph
    for part in (
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *graph.value_info,
        *model.functions,
    ):
        del part.metadata_props[:]
    del model.metadata_props[:]
    model.producer_name, model.producer_version = "ferdis", str(about["ferdis_version"])
    model.doc_string = f"{about['system']}.{about['method']}, {about['weights']}" if text is None else text
    onnx.helper.set_model_props(model, as_metadata(about))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters' log messages and warnings, which are not meant for users."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
