"""The page that Python computes: what it answers, what it says without Gradio, and that it starts."""

from __future__ import annotations

import sys
import urllib.request
from typing import Any

import numpy as np
import pytest

from ferdis import cli
from ferdis.datasets import load
from ferdis.predict import Predictor
from ferdis.web import gradio_page as page
from tests.web.conftest import onnx_file


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Two people side by side."""
    people = load("synthetic", people=2, expressions=["happiness"], images_per_expression=1, image_size=192,
                  difficulty="easy", seed=19, cache=False).pixels()  # fmt: skip
    return np.concatenate(list(people), axis=1)


def test_a_picture_is_answered_face_by_face(predictor: Predictor, photograph: np.ndarray) -> None:
    drawing, table = page.answer(predictor, photograph)
    rows = predictor([photograph])
    assert drawing is not None and drawing.width == photograph.shape[1]
    assert list(table["face"]) == [1, 2] and list(table["expression"]) == list(rows["expression"])
    np.testing.assert_allclose(table[predictor.classes].to_numpy(float).sum(1), 100, atol=0.5)
    np.testing.assert_allclose(table["happiness"], 100 * rows["p_happiness"], atol=0.051)


def test_a_threshold_leaves_names_out_and_is_of_one_question_alone(
    predictor: Predictor, photograph: np.ndarray
) -> None:
    _, table = page.answer(predictor, photograph, 1.0)
    assert list(table["expression"]) == ["", ""] and table["happiness"].notna().all()
    assert predictor.abstain_below == 0 and all(page.answer(predictor, photograph)[1]["expression"])


def test_no_picture_and_no_face(predictor: Predictor) -> None:
    drawing, table = page.answer(predictor, None)
    assert drawing is None and len(table) == 0 and list(table.columns) == ["face", "expression", *predictor.classes]
    drawing, table = page.answer(predictor, np.full((90, 400, 3), 128, np.uint8))
    assert drawing is not None and drawing.size == (400, 90) and len(table) == 0


def test_a_large_picture_is_made_smaller(predictor: Predictor) -> None:
    drawing, _ = page.answer(predictor, np.zeros((500, 3200, 3), np.uint8))
    assert drawing is not None and drawing.width == 1600


def test_without_gradio_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert cli.main(["web", "--gradio"]) == cli.USER_ERROR
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "pip install 'ferdis[gradio]'" in told


def test_what_does_not_fit_is_refused(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["web", "--gradio", "--out", str(tmp_path / "site")]) == cli.USER_ERROR
    assert "leave out --out and --runtime" in capsys.readouterr().err and not (tmp_path / "site").exists()
    monkeypatch.setitem(sys.modules, "gradio", object())
    with pytest.raises(ValueError, match="names no expression: predict needs a classifier"):
        page.gradio_page(onnx_file(tmp_path / "edit.onnx", "edit"))


def test_it_starts(photograph: np.ndarray) -> None:
    pytest.importorskip("gradio", reason="gradio is not there: pip install 'ferdis[gradio]'")
    interface = page.gradio_page()
    _, address, _ = interface.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    try:
        with urllib.request.urlopen(address, timeout=30) as answered:
            assert answered.status == 200 and b"ferdis" in answered.read()
        assert list(interface.fn(photograph, 0.0)[1]["face"]) == [1, 2]
    finally:
        interface.close()
