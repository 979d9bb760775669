"""Every system and every way it draws, as a file: the same results, what the file says, and when it is not written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from ferdis import cli
from ferdis import export as exporting
from ferdis.export import OnnxModel, export
from ferdis.export.differences import Accuracy
from ferdis.export.graph import UNITS, Graph, by_the_system, methods_of
from ferdis.faces import Faces
from ferdis.preprocess.align import TEMPLATE, Aligner, record_of
from ferdis.run_folder import read_rows
from ferdis.saved_models import unlabelled
from ferdis.systems import GENERATORS, SYSTEMS
from tests.evaluation.runner_fakes import reseal
from tests.systems import test_decgan, test_eggan, test_homointerpgan, test_icgan, test_stargan
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_only.py"
ODD = 45  # pixels: neither the systems' size nor a simple fraction of it


def fitted(name: str) -> tuple[Any, Faces]:
    """A system of the registry after one epoch, and what it was trained on."""
    if name == "eggan":
        data = test_eggan.faces()
        return test_eggan.tiny().fit(data), data
    if name == "stargan":
        data = test_eggan.faces()
        return test_stargan.tiny().fit(data), data
    if name == "homointerpgan":
        data = test_eggan.faces()
        return test_homointerpgan.tiny().fit(data), data
    if name == "icgan":
        data = test_eggan.faces()
        return test_icgan.tiny(condition="action_units").fit(data), data
    if name == "decgan":
        data = test_decgan.faces()
        return test_decgan.tiny().fit(data), data
    data = faces(24)
    return build(name, epochs=1, mlp_epochs=1, truths=1).fit(data), data


def crops(n: int, size: int = ODD, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def inputs_of(model: OnnxModel, n: int) -> dict[str, np.ndarray]:
    units = np.zeros((n, 17), np.float32)
    units[:, 8] = np.arange(n) % 6  # AU12, which the tiny EGGAN's people have
    return {name: units if name == UNITS else crops(n, seed=k) for k, name in enumerate(model.inputs)}


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Faces, exporting.Exported]:
    """The smallest classifier, after some training, and its file."""
    data = faces(48)
    system = build("cnn", epochs=6).fit(data)
    return system, data, export(system, tmp_path_factory.mktemp("model") / "cnn.onnx", training=data)


@pytest.mark.parametrize("name", [*SYSTEMS, *GENERATORS])
def test_a_file_gives_what_the_system_gives(name: str, tmp_path: Path) -> None:
    system, data = fitted(name)
    methods = list(methods_of(system))
    assert (methods[0] == "predict_proba") == (name in SYSTEMS)
    for method in methods[-1:] if name != "cnn" else methods:  # a classifier that draws shares its networks
        written = export(system, tmp_path / f"{method}.onnx", method=method, training=data)
        model = OnnxModel(written.path)
        given = inputs_of(model, 5)
        found = model(**given)
        limit = 1e-4 if method == "predict_proba" else 1e-3 + 0.5 / 255  # a system's own images are bytes
        np.testing.assert_allclose(found, by_the_system(system, method, given), rtol=0, atol=limit)
        assert found.dtype == np.float32 and found.std() > 0
        for n in (1, 3):  # the batch is dynamic, and a face's result is its own
            few = {key: value[:n] for key, value in given.items()}
            np.testing.assert_allclose(model(**few), found[:n], atol=2e-6)


def test_what_the_file_says_of_itself(cnn: tuple[Any, Faces, exporting.Exported]) -> None:
    _, data, written = cnn
    about = OnnxModel(written.path).about
    assert about["classes"] == ["anger", "fear", "neutral"] and about["training_digest"] == data.digest()
    assert about["weights"] == "float32" and about["method"] == "predict_proba" and about["image_size"] == "36"
    assert about["protocol"] == {"what": "none: no protocol has measured this model"}
    file = onnx.load(written.path)
    onnx.checker.check_model(file, full_check=True)
    assert [(item.domain, item.version) for item in file.opset_import] == [("", exporting.OPSET)]
    assert str(exporting.OPSET) == about["opset"]
    dims = [item.dim_param or item.dim_value for item in file.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["N", "H", "W", 3] and file.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert str(Path(__file__).parents[2]).encode() not in written.path.read_bytes(), "a path of this machine"
    assert written.differences.largest <= 1e-4 and written.differences.count == 48
    card = written.card.read_text(encoding="utf-8")
    assert "anger, fear, neutral" in card and "no accuracy is claimed" in card and data.digest() in card


def test_the_crop_template_is_where_training_put_the_eyes() -> None:
    data = faces(24)
    data = Faces(data.images, data.table, {"preprocessing": record_of(Aligner()), "dataset": "bars"})
    system = build("cnn", epochs=1).fit(data)
    about = exporting._about(system, Graph(system, "predict_proba"), "float32", None)
    assert about["crop_template"] == dict(zip(("left_eye", "right_eye", "nose"), TEMPLATE.tolist(), strict=True))
    assert about["preprocessing"]["image_size"] == [36, 36] and about["preprocessing"]["dataset"] == "bars"


def test_another_result_is_not_written(
    cnn: tuple[Any, Faces, exporting.Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, data, _ = cnn
    original = exporting.write

    def tampered(graph: Graph, path: Path, about: dict) -> Path:
        next(graph.networks["classifier"].parameters()).mul_(3)
        return original(graph, path, about)

    monkeypatch.setattr(exporting, "write", tampered)
    monkeypatch.setattr(exporting, "_expected", lambda graph, inputs: by_the_system(system, graph.method, inputs))
    with pytest.raises(ValueError, match="not written: onnxruntime's probabilities differ by") as error:
        export(system, tmp_path / "m.onnx", training=data)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_half_and_int8_state_what_they_cost(cnn: tuple[Any, Faces, exporting.Exported], tmp_path: Path) -> None:
    system, data, whole = cnn
    unseen = faces(30, seed=9)
    for changes, weights in (({"half": True}, "float16"), ({"int8": True}, "int8")):
        written = export(system, tmp_path / f"{weights}.onnx", training=data, test=unseen, **changes)
        assert written.weights == OnnxModel(written.path).about["weights"] == weights
        assert written.path.stat().st_size < whole.path.stat().st_size
        assert 0 < written.differences.largest < 0.2
        assert written.differences.largest > whole.differences.largest
        on_test, on_training = written.differences.accuracies
        right = OnnxModel(written.path)(faces=unseen.pixels()).argmax(1) == np.searchsorted(
            system.classes_, unseen.expression
        )
        assert on_test == Accuracy("the fold's test people", 30, system.score(unseen), right.mean())
        assert on_training.count == 48
        assert "points) on 30 faces of the fold's test people" in written.card.read_text(encoding="utf-8")
    kinds = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert "QuantizeLinear" in kinds or "QLinearConv" in kinds


def test_int8_is_calibrated_on_training_faces_alone(
    cnn: tuple[Any, Faces, exporting.Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, data, _ = cnn
    seen = []
    original = exporting.quantise
    monkeypatch.setattr(exporting, "quantise", lambda *a: seen.append(a[2]) or original(*a))
    export(system, tmp_path / "m.onnx", int8=True, training=data, test=faces(6, seed=9))
    known = {image.tobytes() for image in data.pixels()}
    assert {image.tobytes() for image in seen[0]["faces"]} == known
    with pytest.raises(ValueError, match="calibrated on the training faces and on no others"):
        export(system, tmp_path / "n.onnx", int8=True)
    with pytest.raises(ValueError, match="not the faces that the system was trained on"):
        export(system, tmp_path / "n.onnx", int8=True, training=faces(48, seed=1))
    assert not (tmp_path / "n.onnx").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"half": True, "int8": True}, "choose one"),
        ({"method": "average"}, "exports no 'average': choose one of predict_proba"),
    ],
)
def test_arguments_that_do_not_fit(cnn, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export(cnn[0], tmp_path / "m.onnx", training=cnn[1], **changes)


def test_without_the_extra(cnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r"onnxscript: pip install 'ferdis\[export\]'"):
        export(cnn[0], tmp_path / "m.onnx", training=cnn[1])


class TestReading:
    """A file that cannot be used ends in one line."""

    def refused(self, path: Path, message: str, kind: type[Exception] = ValueError) -> None:
        with pytest.raises(kind, match=message) as error:
            OnnxModel(path)
        assert "\n" not in str(error.value) and path.name in str(error.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "m.onnx", "no such file", FileNotFoundError)

    def test_damaged(self, cnn, tmp_path: Path) -> None:
        (tmp_path / "m.onnx").write_bytes(cnn[2].path.read_bytes()[:5000])
        self.refused(tmp_path / "m.onnx", "cannot be read as an ONNX model")

    def test_from_elsewhere(self, tmp_path: Path) -> None:
        value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in "xy"]
        graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
        onnx.save(model, tmp_path / "m.onnx")
        self.refused(tmp_path / "m.onnx", "was not written by ferdis export")

    def test_of_a_newer_version(self, cnn, tmp_path: Path) -> None:
        model = onnx.load(cnn[2].path)
        for item in model.metadata_props:
            item.value = "99" if item.key == "ferdis_format" else item.value
        onnx.save(model, tmp_path / "m.onnx")
        self.refused(tmp_path / "m.onnx", "has format 99, .* install a newer ferdis")


def test_metadata_is_text_that_json_reads(cnn) -> None:
    metadata = {item.key: item.value for item in onnx.load(cnn[2].path).metadata_props}
    assert json.loads(metadata["classes"]) == ["anger", "fear", "neutral"]
    assert set(json.loads(metadata["preprocessing"])) == {"name", "image_size", "dataset"}


def test_the_file_runs_without_ferdis_and_torch(cnn, tmp_path: Path) -> None:
    given = crops(3)
    np.save(tmp_path / "crops.npy", given)
    forbid = "import sys; sys.modules.update(dict.fromkeys(['torch', 'ferdis', 'PIL', 'pandas'])); import runpy; "
    script = f"sys.argv[1:] = {[str(cnn[2].path), str(tmp_path / 'crops.npy')]!r}; runpy.run_path({str(EXAMPLE)!r})"
    done = subprocess.run([sys.executable, "-c", forbid + script], capture_output=True, text=True, check=True)
    best = cnn[0].predict(unlabelled(given))
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("face")] == list(best)
    assert "crop_template" in done.stdout
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 30


def test_the_command_takes_what_the_run_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = tmp_path / "run", ["--dataset", "synthetic", "--dataset.people", "4", "--dataset.image_size", "36"]
    data += ["--dataset.expressions", "[fear, happiness]", "--dataset.images_per_expression", "2"]
    tiny = ["--cnn.encoder_channels", "[4, 4, 8, 8, 8]", "--cnn.image_size", "36", "--cnn.crop_size", "32"]
    line = ["kfold", "--system", "cnn", "--preset", "small", "--system.epochs", "1", *tiny, *data, "--folds", "2"]
    assert cli.main([*line, "--protocol.validation_folds", "0", "--out", str(run), "--progress", "false"]) == 0
    out = tmp_path / "m.onnx"
    assert cli.main(["export", str(run / "fold-01"), "--out", str(out), "--int8"]) == 0
    said = capsys.readouterr().err
    assert "int8" in said and "on 8 training faces" in said and "faces of the fold's test people" in said
    about, card = OnnxModel(out).about, out.with_suffix(".md").read_text(encoding="utf-8")
    rows = read_rows(run / "rows.csv")
    tested = rows[rows["fold"] == 1]
    right = float((tested["true"] == tested["predicted"]).mean())
    assert about["protocol"]["protocol"]["class"] == "SubjectKFold"
    assert about["protocol"]["accuracy_of_this_model"]["value"] == pytest.approx(right)
    assert f"{100 * right:.2f} % on 8 images of held-out subjects: 2 people" in card and "| happiness |" in card
    assert "its accuracy on photographs is unknown" in card

    (run / "config.yaml").write_text("dataset: {name: manifest, root: /nowhere}\n")
    assert cli.main(["export", str(run / "fold-01"), "--out", str(tmp_path / "n.onnx"), "--int8"]) == 2
    assert "config.yaml was changed after the run wrote it" in capsys.readouterr().err
    reseal(run)
    assert cli.main(["export", str(run / "fold-01"), "--out", str(tmp_path / "n.onnx"), "--int8"]) == 2
    assert "they are not at hand (/nowhere does not exist" in capsys.readouterr().err
    other = "{name: synthetic, people: 4, image_size: 36, seed: 9, cache: false}"
    assert cli.main(["export", str(run / "fold-01"), "--out", str(out), "--int8", "--calibration", other]) == 2
    assert cli.main(["export", str(run / "fold-01"), "--out", "m.txt"]) == 2
    assert "give the name of an .onnx file" in capsys.readouterr().err
    assert not (tmp_path / "n.onnx").exists()
