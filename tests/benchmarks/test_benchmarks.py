"""Each benchmark once, at a size that only shows that it measures what it says."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import first_answer
import inputs
import numpy as np
import pytest
import steps
import torch
from PIL import Image
from torch import nn

from ferdis.training import Phase, Stage

SHORT = ["--rounds", "1"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two rendered faces as files."""
    from ferdis import load

    folder = tmp_path_factory.mktemp("photographs")
    faces = load("synthetic", people=2, expressions=["neutral"], images_per_expression=1, image_size=128, cache=False)
    for number, pixels in enumerate(faces.pixels()):
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
    return folder


@pytest.mark.slow
def test_a_system_is_stepped_as_its_fit_would(tmp_path) -> None:
    out = tmp_path / "steps.json"
    options = ["cnn", "--batch-size", "4", "--steps", "1", *SHORT, "--json", str(out)]
    (row,) = steps.main(options).to_dict("records")
    assert row["batch"] == 4 and 0 < row["share"] < 1.2 and row["GFLOP"] > 0.05 and row["ms bare"] > 0
    assert set(json.loads(out.read_text())["ratios"]) == {"cnn: share of attainable", "trainer: share of a 2.5 ms step"}


def short_stepper(batch, terms=lambda modules, batch: {"square": modules.network(batch["x"]).square().mean()}):
    """A stepper of one linear network, and the network."""
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    phase = Phase("only", ("network",), terms, {"square": 2.0}, lambda p: torch.optim.SGD(p, lr=0.1))
    stage = Stage("short", {"network": network}, [phase], 1, lambda _: [])
    return steps.Stepper(stage, [batch], 3, "32-true"), network


def test_the_bare_loop_trains_what_the_trainer_trains() -> None:
    """So that the difference of their times is the trainer's own."""
    batch, weights = {"x": torch.randn(8, 4)}, []
    for way in ("by_trainer", "by_loop"):
        stepper, network = short_stepper(batch)
        assert getattr(stepper, way)() > 0
        weights.append(network.weight.detach().clone())
    assert torch.equal(*weights)


def test_compiled_modules_are_copies_stepped_in_turns_with_those_that_are_not(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: asked.append(module))
    stepper, network = short_stepper({"x": torch.randn(8, 4)})
    before = network.weight.detach().clone()
    row = steps.gained_by_compiling(stepper, 1)
    assert row["compiled"] > 0 and row["compile s"] > 0
    (twin,) = asked
    assert twin is not network
    assert not torch.equal(network.weight, before) and not torch.equal(twin.weight, before)


@pytest.mark.parametrize("message, known", [("no double backward here", True), ("out of memory", False)])
def test_what_needs_a_second_gradient_is_not_compiled(monkeypatch, message, known) -> None:
    def refused(modules, batch):
        raise RuntimeError(message)

    monkeypatch.setattr(nn.Module, "compile", lambda module: None)
    stepper, _ = short_stepper({"x": torch.randn(8, 4)}, refused)
    if known:
        assert np.isnan(steps.gained_by_compiling(stepper, 1)["compiled"])
    else:
        with pytest.raises(RuntimeError, match=message):
            steps.gained_by_compiling(stepper, 1)


@pytest.mark.parametrize("text", [None, "other = 1"])
def test_a_reference_without_its_function_is_refused_in_one_line(tmp_path, capsys, text) -> None:
    if text is not None:
        (tmp_path / steps.REFERENCE).write_text(text)
    with pytest.raises(SystemExit):
        steps.main(["cnn", "--reference", str(tmp_path)])
    assert "step(images, labels)" in capsys.readouterr().err.splitlines()[-1]


def test_a_reference_gets_batches_of_the_systems_size(tmp_path) -> None:
    (tmp_path / steps.REFERENCE).write_text(
        "seen = []\ndef prepare(*given): seen.append(given)\n"
        "def step(images, labels): seen.append((tuple(images.shape), str(labels.dtype)))\n"
    )
    reference = steps.reference_in(tmp_path, pytest.fail)
    given = SimpleNamespace(systems=["cnn"], paper=False, batch_size=3, precision="auto", steps=1, rounds=1)
    assert 0 <= steps.compared(reference, given) < 1
    assert reference.seen[:2] == [(72, 3, 7), ((3, 3, 72, 72), "torch.int64")]


def test_a_set_is_indexed_twice(tmp_path) -> None:
    table = inputs.main(["index", "--count", "40", "--folder", str(tmp_path)])
    assert list(table["images"]) == [20, 40] and (table["again, s"] > 0).all() and not list(tmp_path.iterdir())


def test_alignment_beside_facenets_own_loop(photographs) -> None:
    table = inputs.main(["align", "--images", str(photographs), "--count", "2", *SHORT]).set_index("way")
    assert list(table.index) == ["facenet-pytorch", "cpu", "onnx"] and table.loc["cpu", "found"] == 2
    rate = table["images per second"]
    assert table.loc["onnx", "times facenet-pytorch"] == pytest.approx(rate["onnx"] / rate["facenet-pytorch"])


def test_rendering() -> None:
    (row,) = inputs.main(["render", "--count", "14", "--size", "32", *SHORT]).to_dict("records")
    assert row["renderer"] == "synthetic" and row["images"] == 14 and row["images per second"] > 1


@pytest.mark.parametrize("threads", [1, 2])
def test_rendering_on_several_threads_is_timed_by_the_clock(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of this process, which goes on to other tests
    monkeypatch.setattr(inputs, "_drawn", lambda *_, **__: time.sleep(0.1))  # takes no processor time
    (row,) = inputs.main(["render", "--count", "14", "--threads", str(threads), *SHORT]).to_dict("records")
    assert row["threads"] == threads and (row["ms per image"] > 100 / 14) == (threads == 2)


def test_a_new_cache_of_photographs(photographs, tmp_path) -> None:
    options = ["photographs", "--images", str(photographs), "--count", "2", "--size", "32", "--folder", str(tmp_path)]
    (row,) = inputs.main(options).to_dict("records")
    assert row["again, s"] < row["cold, s"] and not list(tmp_path.iterdir())
    assert row["10,000, minutes of a core"] == pytest.approx(row["cold, s"] / 2 * 10_000 / 60)


def test_a_folder_without_images_is_refused(tmp_path) -> None:
    with pytest.raises(SystemExit, match=r"there is no \.jpg or \.png"):
        inputs.main(["photographs", "--images", str(tmp_path)])


def test_splits_of_twice_the_images_people_and_folds() -> None:
    table = inputs.main(["protocol", "--count", "600"])
    assert list(table["split"]) == ["as it is", "images x2", "people x2", "folds x2"] and (table["ms"] > 0).all()
    assert table["exponent"][0] == 0 and np.isfinite(table["exponent"]).all()


def test_caches_of_noise(tmp_path) -> None:
    options = ["cache", "--count", "40", "--sizes", "16", "--folder", str(tmp_path)]
    table = inputs.main(options)
    assert list(table["cache"]) == ["crops", "rendered"] and (table["bytes_per_row"] > 16 * 16 * 3).all()


def test_faces_and_images_per_second(photographs) -> None:
    options = ["--only", "faces", "--images", str(photographs), "--count", "2", *SHORT]
    table = first_answer.main(options).set_index("what")
    assert len(table) == 4 and np.isfinite(table["per second"]).all()
    assert list(table["wanted per second"]) == [60, 60, 12, 12]


@pytest.mark.slow
def test_whole_processes_and_threads(photographs) -> None:
    options = ["--only", "processes", "threads", "--images", str(photographs), "--count", "2", *SHORT]
    table = first_answer.main(options).set_index("what")
    assert table.loc["an empty Python", "processor s"] < table.loc["ferdis predict photo.jpg", "processor s"]
    assert table.loc["image by image, 2 threads", "clock ms"] > 0
