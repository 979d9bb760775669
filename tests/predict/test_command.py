"""`ferdis predict` on images, folders, videos and a camera: what is written, drawn, named and counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import Predictor, cli, export, load, load_model
from ferdis.preprocess.containers import video_frames
from tests.systems.test_classifier import build

SIDE = 160


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    """Two synthetic people, (2, 160, 160, 3)."""
    return load(
        "synthetic", people=2, expressions="happiness", images_per_expression=1, image_size=SIDE, cache=False
    ).pixels()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of synthetic people, hardly trained."""
    drawn = load(
        "synthetic", people=2, expressions="happiness,sadness", images_per_expression=1, image_size=48, cache=False
    )
    return build("cnn", epochs=1).fit(drawn).save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def ferdis(model: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run ``ferdis predict MODEL ...``: exit status, standard output, standard error."""

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(["predict", str(model), *map(str, argv), "--progress", "false"])
        return status, *capsys.readouterr()

    return run


def film(path: Path, images: list[np.ndarray]) -> Path:
    """A video of which every frame stands alone (motion JPEG), 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuvj420p"
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def wall() -> np.ndarray:
    return np.full((SIDE, SIDE, 3), 120, np.uint8)


def test_a_folder_to_csv_json_and_drawings(ferdis: Any, portraits: np.ndarray, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    (photographs / "album").mkdir(parents=True)
    Image.fromarray(portraits[0]).save(photographs / "album" / "anna.png")
    Image.fromarray(wall()).save(photographs / "wall.jpg")
    (photographs / "notes.txt").write_text("not an image")
    for out in ("faces.csv", "faces.json"):
        status, _, err = ferdis(photographs, "--out", tmp_path / out, "--draw", tmp_path / "drawn")
        assert status == 0 and "images: 2, faces: 1; no face in 1: " in err
    rows = pd.read_csv(tmp_path / "faces.csv")
    assert [Path(name).name for name in rows["image"]] == ["anna.png", "wall.jpg"]
    assert list(rows["detected"]) == [True, False] and rows["expression"].isna().tolist() == [False, True]
    assert rows.loc[0, ["p_happiness", "p_sadness"]].sum() == pytest.approx(1)
    records = json.loads((tmp_path / "faces.json").read_text())
    assert [record["detected"] for record in records] == [True, False]
    assert records[0]["expression"] == rows["expression"][0] and records[1]["p_happiness"] is None
    drawn = np.asarray(Image.open(tmp_path / "drawn" / "album" / "anna.png")).astype(int)
    assert drawn.shape[1] == 320 <= drawn.shape[0] < 400  # drawn larger, so that words can be read beside the face
    left, top = (round(2 * rows[name][0]) for name in ("left", "top"))
    assert np.abs(drawn[top + 20 : top + 60, left] - (255, 200, 0)).max() < 60, "the box"
    assert (tmp_path / "drawn" / "wall.jpg").is_file()


def test_images_of_one_name_are_drawn_side_by_side(ferdis: Any, portraits: np.ndarray, tmp_path: Path) -> None:
    for name, portrait in zip("ab", portraits, strict=True):
        (tmp_path / name).mkdir()
        Image.fromarray(portrait).save(tmp_path / name / "1.png")
    status, _, _ = ferdis(tmp_path / "a", tmp_path / "b", "--draw", tmp_path / "drawn")
    assert status == 0 and sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["1-2.png", "1.png"]


def test_what_cannot_be_read_is_named_and_costs_nothing_else(
    ferdis: Any, portraits: np.ndarray, tmp_path: Path
) -> None:
    for k, portrait in enumerate(portraits):
        Image.fromarray(portrait).save(tmp_path / f"{k}.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:2000])
    status, out, err = ferdis(tmp_path / "0.png", tmp_path / "cut.png", tmp_path / "no.png", tmp_path / "1.png")
    assert status == 2
    found = [(Path(row["image"]).name, row["face"], row["detected"]) for row in map(json.loads, out.splitlines())]
    assert found == [("0.png", 0, True), ("1.png", 0, True)]
    (line,) = [text for text in err.splitlines() if text.startswith("ferdis: error:")]
    assert "2 of 4 images could not be read: " in line and "cut.png, " in line and "no.png" in line
    assert "the rows of all others are in the output" in line


class TestVideo:
    def test_frames_with_their_times(self, ferdis: Any, portraits: np.ndarray, tmp_path: Path) -> None:
        clip = film(tmp_path / "clip.avi", [portraits[0], wall(), portraits[1], wall()])
        status, _, _ = ferdis(clip, "--out", tmp_path / "f.csv", "--draw", tmp_path / "drawn")
        rows = pd.read_csv(tmp_path / "f.csv")
        assert status == 0 and list(rows["image"]) == [f"{clip}#{k}" for k in range(4)]
        assert list(rows["detected"]) == [True, False, True, False]
        np.testing.assert_allclose(rows["seconds"], [0, 0.1, 0.2, 0.3], atol=1e-6)
        assert (tmp_path / "drawn" / "clip.avi-000002.jpg").is_file()
        status, out, _ = ferdis(clip, "--every", 2, "--limit", 1)
        assert status == 0 and f"{clip}#0" in out and "#1" not in out and "#2" not in out

    def test_without_a_face(self, ferdis: Any, tmp_path: Path) -> None:
        clip = film(tmp_path / "wall.avi", [wall()] * 3)
        status, out, err = ferdis(clip)
        assert status == 2 and [json.loads(line)["detected"] for line in out.splitlines()] == [False] * 3
        assert f"ferdis: error: no face in any frame of {clip}" in err

    def test_a_damaged_frame_costs_one_frame(self, ferdis: Any, portraits: np.ndarray, tmp_path: Path) -> None:
        clip = film(tmp_path / "clip.avi", [portraits[0], portraits[1], portraits[0]])
        with av.open(str(clip)) as container:
            packet = list(container.demux(video=0))[1]
            place, size = packet.pos, packet.size
        data = bytearray(clip.read_bytes())
        data[place : place + size + 8] = bytes(size + 8)
        clip.write_bytes(bytes(data))
        images = list(video_frames(clip))
        readable = [image.number for image in images if isinstance(image.pixels, np.ndarray)]
        assert 0 in readable and len(readable) < 3
        status, out, err = ferdis(clip)
        assert status == 2 and f"{clip}#0" in out
        assert "could not be read" in err and f"{clip}#1" in err

    def test_no_video_at_all(self, ferdis: Any, portraits: np.ndarray, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(b"not a video")
        Image.fromarray(portraits[0]).save(tmp_path / "a.png")
        status, out, err = ferdis(tmp_path / "clip.mp4", tmp_path / "a.png")
        row = json.loads(out)
        assert row["image"].endswith("a.png") and row["seconds"] is None and row["detected"]
        assert status == 2 and "clip.mp4: no video that can be read" in err


class TestCamera:
    def test_until_the_limit(
        self, ferdis: Any, portraits: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clip, opened = film(tmp_path / "clip.avi", [portraits[0]] * 5), []
        original = av.open

        def device(place: str, *rest: Any, **more: Any) -> Any:
            opened.append((place, more))
            return original(str(clip))

        monkeypatch.setattr(av, "open", device)
        monkeypatch.setattr("sys.platform", "linux")
        status, out, _ = ferdis("--camera", 1, "--limit", 3)
        assert opened == [("/dev/video1", {"format": "v4l2"})]
        assert status == 0 and [f"camera 1#{k}" in out for k in range(4)] == [True, True, True, False]

    def test_that_is_not_there(self, ferdis: Any) -> None:
        status, _, err = ferdis("--camera", "/nowhere/camera")
        assert status == 2 and "camera /nowhere/camera cannot be opened" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing to look at"),
        (["a.png", "--out", "faces.xls"], "give the name of a .csv, .json, .jsonl or .parquet file"),
        (["a.png", "--every", "0"], "both are 1 or more"),
        (["a.png", "--faces", "two"], "choose one of all, one"),
    ],
)
def test_arguments_that_do_not_fit(ferdis: Any, argv: list[str], message: str) -> None:
    status, _, err = ferdis(*argv)
    assert status == 2 and message in err


def test_an_empty_folder(ferdis: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    status, _, err = ferdis(tmp_path)
    assert status == 2 and "holds no images and no videos" in err


def test_an_exported_model_answers_alike_and_without_torch(model: Path, portraits: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(portraits[0]).save(tmp_path / "anna.png")
    file = export(load_model(model), tmp_path / "model.onnx").path
    own, exported = (Predictor.load(path)(tmp_path / "anna.png") for path in (model, file))
    box = ["left", "top", "right", "bottom"]
    np.testing.assert_allclose(exported[box].to_numpy(float), own[box].to_numpy(float), atol=0.05)
    shares = ["p_happiness", "p_sadness"]
    np.testing.assert_allclose(exported[shares].to_numpy(float), own[shares].to_numpy(float), atol=0.01)
    code = "import sys; from ferdis.cli import main; main(); print('torch' in sys.modules, file=sys.stderr)"
    argv = [sys.executable, "-c", code, "predict", str(file), str(tmp_path / "anna.png")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["expression"] == own["expression"][0] and done.stderr.splitlines()[-1] == "False"
