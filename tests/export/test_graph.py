"""The network of a file and the reading of one, by hand: a system of a few lines, and a file of one node."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from ferdis import onnx_model
from ferdis.export.graph import Graph, as_training_saw, by_the_system, resize_matrix
from ferdis.onnx_model import FORMAT, OnnxModel, as_metadata, session
from ferdis.preprocess.images import resize_batch


class System:
    """Its network doubles in training; faces and action units may come in either order."""

    image_size = 4

    def __init__(self) -> None:
        self.modules_ = {"network": Network().train()}

    def _graphs(self) -> dict[str, Any]:
        return {"predict_proba": self._probabilities, "draw": self._image, "shift": self._shifted}

    def _probabilities(self, faces: Tensor) -> Tensor:
        return self.modules_["network"](faces)[:, :2, 0, 0]

    def _image(self, faces: Tensor) -> Tensor:
        return 2 * self.modules_["network"](faces)

    def _shifted(self, faces: Tensor, au: Tensor) -> Tensor:
        return self.modules_["network"](faces) + au[:, 0, None, None, None] / 5

    def draw(self, faces: Any) -> np.ndarray:
        return np.full((len(faces), 4, 4, 3), 51, np.uint8)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, faces: Tensor) -> Tensor:
        return self.gain * faces * (2 if self.training else 1)


def plain(value: int, count: int = 1, side: int = 4) -> np.ndarray:
    return np.full((count, side, side, 3), value, np.uint8)


def test_a_row_is_resized_by_a_filter_as_wide_as_a_step() -> None:
    half = resize_matrix(4, 2)  # a step of two pixels: distances 0.5, 0.5, 1.5 of 2
    np.testing.assert_allclose(half[0], np.array([3, 3, 1, 0]) / 7, atol=1e-12)
    larger = resize_matrix(2, 4)  # a step of half a pixel: never narrower than one
    np.testing.assert_allclose(larger, [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], atol=1e-12)


def test_crops_that_are_no_squares_are_resized_as_in_training() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 9, 14, 3), dtype=np.uint8)
    seen = as_training_saw(torch.from_numpy(faces), 6)
    planes = torch.from_numpy(faces).permute(0, 3, 1, 2).double()
    np.testing.assert_allclose(seen, resize_batch(planes, 6).round() / 127.5 - 1, atol=1e-6)


def test_a_graph_is_a_copy_that_does_not_train() -> None:
    system = System()
    graph = Graph(system, "predict_proba")  # type: ignore[arg-type]
    found = graph.run({"faces": plain(255, 40)})
    np.testing.assert_allclose(found, np.ones((40, 2)), atol=1e-6)
    assert system.modules_["network"].training and system.modules_["network"].gain.requires_grad


def test_images_are_from_0_to_1_and_their_channels_last() -> None:
    faces = plain(0)
    faces[..., 0], faces[..., 1] = 255, 153  # 1 and 0.2 of -1..1, doubled by the system
    found = Graph(System(), "draw").run({"faces": faces})  # type: ignore[arg-type]
    np.testing.assert_allclose(found, np.broadcast_to([1, 0.7, 0], (1, 4, 4, 3)), atol=1e-6)


def test_inputs_are_taken_by_name() -> None:
    units = np.zeros((2, 17), np.float32)
    units[:, 0] = [0, 2.5]
    graph = Graph(System(), "shift")  # type: ignore[arg-type]
    assert graph.inputs == ("faces", "au") and graph.output == "image"
    found = graph.run({"au": units, "faces": np.concatenate([plain(51), plain(51)])})
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.2, 0.45], atol=1e-6)


def test_half_has_half_the_bits() -> None:
    graph = Graph(System(), "predict_proba", half=True)  # type: ignore[arg-type]
    assert {value.dtype for value in graph.parameters()} == {torch.float16}
    (read,) = graph.run({"faces": plain(100)})
    assert read.dtype == np.float32 and read[0] == np.float16(100 / 127.5 - 1)


def test_images_of_the_system_itself_are_from_0_to_1() -> None:
    found = by_the_system(System(), "draw", {"faces": plain(7, 2)})  # type: ignore[arg-type]
    assert found.dtype == np.float32 and found == pytest.approx(np.full((2, 4, 4, 3), 0.2))


# ---------------------------------------------------------------- reading a file


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Write a file of two outputs: probabilities, the first two values of a row of faces, and their negatives."""

    def write(**about: Any) -> Path:
        kind = onnx.TensorProto.FLOAT
        given = onnx.helper.make_tensor_value_info("faces", kind, ["n", 2])
        results = [onnx.helper.make_tensor_value_info(name, kind, ["n", 2]) for name in ("probabilities", "negative")]
        nodes = [
            onnx.helper.make_node("Identity", ["faces"], ["probabilities"]),
            onnx.helper.make_node("Neg", ["faces"], ["negative"]),
        ]
        model = onnx.helper.make_model(
            onnx.helper.make_graph(nodes, "g", [given], results),
            opset_imports=[onnx.helper.make_opsetid("", 18)],
            ir_version=10,
        )
        known = {"ferdis_format": FORMAT, "classes": ["anger", "fear"], "crop_template": {"nose": [0.5, 0.6]}, **about}
        onnx.helper.set_model_props(model, as_metadata(known))
        onnx.save(model, tmp_path / "m.onnx")
        return tmp_path / "m.onnx"

    return write


def test_every_row_is_answered_under_the_name_of_its_output(written: Any) -> None:
    model = OnnxModel(written(), threads=1)
    rows = np.arange(300, dtype=np.float32).reshape(150, 2)  # batches of 64, 64 and 22
    found = model.answers(faces=rows)
    np.testing.assert_array_equal(found["probabilities"], rows)
    np.testing.assert_array_equal(found["negative"], -rows)
    np.testing.assert_array_equal(model(faces=rows), rows)


def test_the_most_probable_class_is_named(written: Any) -> None:
    model = OnnxModel(written(), threads=1)
    assert model.predict(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)).tolist() == ["anger", "fear"]
    assert model.about["crop_template"] == {"nose": [0.5, 0.6]}
    assert OnnxModel(written(ferdis_format=FORMAT - 1)).classes == ["anger", "fear"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"faces": np.zeros((3, 5), np.float32)}, r"faces are float32 \(3, 5\), and it takes float32 \(n, 2\)"),
        ({"faces": np.zeros((3, 2, 1), np.float32)}, r"faces are float32 \(3, 2, 1\), and it takes float32 \(n, 2\)"),
        ({"faces": np.zeros((3, 2))}, r"faces are float64 \(3, 2\), and it takes float32 \(n, 2\)"),
        ({"faces": np.zeros((0, 2), np.float32)}, r"faces are float32 \(0, 2\), and it takes .* n of 1 or more"),
        ({"face": np.zeros((3, 2), np.float32)}, r"m\.onnx takes faces, not face"),
        ({}, r"m\.onnx takes faces, not nothing"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(written: Any, inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        OnnxModel(written(), threads=1).answers(**inputs)
    assert "\n" not in str(error.value)


def test_a_generator_names_no_expression(written: Any) -> None:
    with pytest.raises(ValueError, match=r"m\.onnx names no expression: it was exported from a generator"):
        OnnxModel(written(classes=[])).predict_proba(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(("given", "threads", "used"), [("3", None, 3), ("3", 2, 2), ("", 4, 4), ("", None, 0)])
def test_threads_are_those_asked_for_and_sleep_while_they_wait(
    monkeypatch: pytest.MonkeyPatch, given: str, threads: int | None, used: int
) -> None:
    made: list[Any] = []
    onnxruntime = pytest.importorskip("onnxruntime")
    fake = SimpleNamespace(
        SessionOptions=onnxruntime.SessionOptions,
        InferenceSession=lambda path, options, providers: made.append(options),
    )
    monkeypatch.setattr(onnx_model, "required", lambda *_: [fake])
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    session("m.onnx", threads)
    assert made[0].intra_op_num_threads == used
    assert made[0].get_session_config_entry("session.intra_op.allow_spinning") == "0"
