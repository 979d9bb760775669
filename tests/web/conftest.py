"""A folder that stands for ONNX Runtime Web, and generators as small as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferdis.web import runtime as runtime_module


@pytest.fixture
def fake_runtime(tmp_path: Path) -> Path:
    """An unpacked npm package of a few bytes."""
    folder = tmp_path / "npm" / "dist"
    folder.mkdir(parents=True)
    (folder.parent / "package.json").write_text('{"version": "0.0.1"}', "utf-8")
    for name in (runtime_module.SCRIPT, runtime_module.LOADER, runtime_module.BINARY):
        (folder / name).write_bytes(f"/* {name} */".encode() * 9)
    return folder.parent


def onnx_file(path: Path, method: str, **about: Any) -> Path:
    """An exported model without training: it answers what its method must, from the inputs alone.

    ``edit`` brightens the face by AU12, ``transfer`` gives the mean of face and reference, ``predict_proba`` two
    classes by brightness.
    """
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    from ferdis.faces import AU_COLUMNS
    from ferdis.onnx_model import FORMAT, as_metadata
    from ferdis.preprocess.align import DRAWN_TEMPLATE

    nodes = [helper.make_node("Cast", ["faces"], ["f"], to=kinds.FLOAT), helper.make_node("Div", ["f", "top"], ["a"])]
    inputs = [helper.make_tensor_value_info("faces", kinds.UINT8, ["N", "H", "W", 3])]
    constants = {"top": np.float32(255)}
    if method == "transfer":
        inputs.append(helper.make_tensor_value_info("references", kinds.UINT8, ["N", "H", "W", 3]))
        nodes += [
            helper.make_node("Cast", ["references"], ["r"], to=kinds.FLOAT),
            helper.make_node("Div", ["r", "top"], ["b"]),
            helper.make_node("Mean", ["a", "b"], ["image"]),
        ]  # fmt: skip
    elif method == "edit":
        inputs.append(helper.make_tensor_value_info("au", kinds.FLOAT, ["N", len(AU_COLUMNS)]))
        weights = np.zeros((len(AU_COLUMNS), 1), np.float32)
        weights[AU_COLUMNS.index("AU12")] = 0.1
        constants |= {"weights": weights, "shape": np.array([-1, 1, 1, 1]), "low": np.float32(0), "high": np.float32(1)}
        nodes += [
            helper.make_node("MatMul", ["au", "weights"], ["m"]), helper.make_node("Reshape", ["m", "shape"], ["s"]),
            helper.make_node("Add", ["a", "s"], ["sum"]), helper.make_node("Clip", ["sum", "low", "high"], ["image"]),
        ]  # fmt: skip
    elif method == "predict_proba":
        constants |= {"axes": np.array([1, 2, 3]), "flat": np.array([-1, 1]), "one": np.float32(1)}
        nodes += [
            helper.make_node("ReduceMean", ["a", "axes"], ["m"], keepdims=0),
            helper.make_node("Reshape", ["m", "flat"], ["bright"]),
            helper.make_node("Sub", ["one", "bright"], ["dark"]),
            helper.make_node("Concat", ["bright", "dark"], ["probabilities"], axis=1),
        ]  # fmt: skip
    else:
        nodes[-1] = helper.make_node("Div", ["f", "top"], ["image"])
    output = "probabilities" if method == "predict_proba" else "image"
    shape = ["N", 2] if method == "predict_proba" else ["N", "H", "W", 3]
    graph = helper.make_graph(
        nodes, "test", inputs, [helper.make_tensor_value_info(output, kinds.FLOAT, shape)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    record = {
        "ferdis_format": FORMAT, "ferdis_version": "0.1.0", "system": "Test", "method": method, "weights": "float32",
        "classes": ["bright", "dark"] if method == "predict_proba" else [], "image_size": 48,
        "preprocessing": {"name": "drawn", "image_size": [96, 96], "params": {"template": DRAWN_TEMPLATE.tolist()}},
        "protocol": {"what": "none"},
    } | ({"action_units": list(AU_COLUMNS)} if method == "edit" else {}) | about  # fmt: skip
    helper.set_model_props(model, as_metadata(record))
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
