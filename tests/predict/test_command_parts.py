"""`ferdis predict` with a predictor that looks at nothing: what is passed on, counted, drawn and held at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.predict import command
from ferdis.predict.command import _chunks, _draw, _Seen, _total, with_model
from ferdis.predict.sources import Frame


class Looked:
    """A predictor that finds as many faces in an image as its name begins with."""

    preprocessing: dict[str, Any] = {}  # noqa: RUF012
    classes = ("fear", "joy")

    def __call__(self, images: Sequence[np.ndarray], names: Sequence[str]) -> pd.DataFrame:
        lines = [
            {"image": name, "face": number, "expression": "joy", "p_fear": 0.1, "p_joy": 0.9}
            for name in names
            for number in range(int(Path(name).name[0]))
        ]
        return pd.DataFrame(lines)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each predictor was loaded with."""
    found: list[dict[str, Any]] = []

    def load(model: str, **options: Any) -> Looked:
        found.append({"model": model, **options})
        return Looked()

    monkeypatch.setattr(command.Predictor, "load", load)
    return found


def frame(name: str, error: str = "") -> Frame:
    return Frame(name, Path(name), pixels=np.zeros((4, 4, 3), np.uint8), error=error)


def test_what_a_model_is_loaded_with(loaded: list[dict[str, Any]], tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    about = {"system": "cnn", "faces": "one", "crops": True, "device": "cuda:1", "abstain_below": 0.4,
             "action_units": True}  # fmt: skip
    command.run("models/mine", [str(tmp_path / "1.png")], str(tmp_path / "f.csv"), progress=False, **about)
    command.run(None, [str(tmp_path / "1.png")], str(tmp_path / "f.csv"), progress=False)
    assert loaded[0] == {"model": "models/mine", **about} and loaded[1]["model"] == command.DEFAULT_MODEL


@pytest.mark.parametrize("kind", ["image", "video", "camera"])
def test_seconds_are_given_of_what_runs(
    loaded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    def frames(every: int) -> Iterator[Frame]:
        yield from (Frame(f"1#{k}", Path("1"), seconds=k / 2) for k in (0, 1))

    source = SimpleNamespace(kind=kind, count=lambda every: 2, frames=frames)
    monkeypatch.setattr(command, "sources_of", lambda *_: [source])
    command.run("m", ["x"], str(tmp_path / "f.csv"), progress=False)
    rows = pd.read_csv(tmp_path / "f.csv")
    assert list(rows["image"]) == ["1#0", "1#1"] and ("seconds" in rows) == (kind != "image")
    assert kind == "image" or rows["seconds"].tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("counts", "limit", "total"),
    [([5, 3], None, 8), ([5, 3], 4, 4), ([5, 3], 20, 8), ([5, None], 7, 7), ([5, None], None, None)],
)
def test_images_to_come(counts: list[int | None], limit: int | None, total: int | None) -> None:
    sources = [SimpleNamespace(count={2: count}.__getitem__) for count in counts]  # of every second image
    assert _total(sources, 2, limit) == total  # type: ignore[arg-type]


def test_readable_images_are_counted_and_given_a_bounded_number_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _Seen()
    frames = [frame(f"{k}", "cut" if k in (3, 5) else "") for k in range(20)]
    assert [len(some) for some in _chunks(frames, seen)] == [16, 2]
    assert seen.summary() == "images: 18, faces: 0"
    monkeypatch.setattr(command, "_PIXELS", 50)
    assert [len(some) for some in _chunks(frames[6:13], seen)] == [4, 3]  # 4 of 16 pixels are more than 50


def test_each_image_is_drawn_with_its_own_faces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[list[str]] = []

    def draw(pixels: np.ndarray, rows: pd.DataFrame, classes: Sequence[str]) -> Image.Image:
        drawn.append(rows["image"].tolist())
        return Image.fromarray(pixels)

    monkeypatch.setattr("ferdis.predict.drawing.draw", draw)
    frames = [frame("2.png"), frame("0.png"), frame("1.png")]
    _draw(frames, Looked()([], ["2.png", "1.png"]), Looked.classes, tmp_path / "drawn")
    assert drawn == [["2.png", "2.png"], [], ["1.png"]]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["0.png", "1.png", "2.png"]


def test_a_model_is_told_from_images(tmp_path: Path) -> None:
    for file in ("model/estimator.json", "fold/cnn/estimator.json", "run/resolved.json", "album/1.png"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    for name in (*(str(tmp_path / folder) for folder in ("model", "fold", "run")), "m.onnx", "zoo:small"):
        assert with_model([name, "a.png"]) == (name, ["a.png"])
    for name in (str(tmp_path / "album"), "a.png"):
        assert with_model([name, "b.png"]) == (None, [name, "b.png"])
    with pytest.raises(FileNotFoundError, match="nowhere: no such model, image or folder"):
        with_model(["nowhere"])
