"""The page's arithmetic in node against the Python that it was ported from."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ferdis.preprocess import align, mtcnn
from ferdis.preprocess.align import OUTSIDE, PASSES, TEMPLATE, Aligner, align_points, warp
from ferdis.preprocess.images import resize, sample
from ferdis.web.site import _search

HERE = Path(__file__).parent
PAGE = Path(mtcnn.__file__).parents[1] / "web" / "page"
NEEDED = (20, 19)  # modules are told from scripts by what they hold


def node_version() -> tuple[int, ...]:
    if shutil.which("node") is None:
        return ()
    text = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, text.strip().lstrip("v").split(".")[:2]))


needs_node = pytest.mark.skipif(node_version() < NEEDED, reason="node 20.19 or newer is not there")


def text_of(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def record_of(image: np.ndarray) -> dict[str, Any]:
    return {"width": image.shape[1], "height": image.shape[0], "pixels": text_of(image)}


def smooth(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """An image that looks like one: some blobs and noise."""
    low = rng.integers(0, 256, (max(height // 9, 2), max(width // 9, 2), 3), np.uint8)
    large = np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(large + rng.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


def resizes(rng: np.random.Generator) -> list[dict[str, Any]]:
    sizes = [((61, 47), (224, 173)), ((480, 640), (168, 224)), ((97, 301), (97, 24)), ((300, 97), (24, 97))]
    sizes += [((40, 40), (40, 40)), ((5, 9), (1, 1)), ((901, 1203), (113, 150))]
    return [
        {"name": f"{source} -> {target}", "given": record_of(image), "height": target[0], "width": target[1],
         "expected": record_of(resize(image, target))}
        for source, target in sizes for image in [smooth(rng, *source)]
    ]  # fmt: skip


def reductions(rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {"name": f"{size} by {factor}", "given": record_of(image), "factor": factor,
         "expected": record_of(np.asarray(Image.fromarray(image).reduce(factor)))}
        for size, factor in [((60, 80), 2), ((61, 83), 3), ((50, 50), 4), ((47, 92), 5), ((101, 53), 7), ((9, 9), 12)]
        for image in [rng.integers(0, 256, (*size, 3), np.uint8)]
    ]  # fmt: skip


def warps(rng: np.random.Generator) -> list[dict[str, Any]]:
    cases = []
    for name, side, eyes, turn, size in [
        ("enlarged", 90, 18, 5.0, 64), ("nearly the same", 200, 22, -12.0, 64), ("shrunk", 400, 120, 20.0, 64),
        ("shrunk much", 900, 420, 31.0, 48), ("at the edge", 150, 60, -40.0, 64), ("upside down", 300, 90, 175.0, 64),
    ]:  # fmt: skip
        image = smooth(rng, side, side + 31)
        face = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.6], [-0.4, 1.0], [0.4, 1.0]]) * eyes
        turned = face @ np.array([[np.cos(np.radians(turn)), np.sin(np.radians(turn))],
                                  [-np.sin(np.radians(turn)), np.cos(np.radians(turn))]])  # fmt: skip
        middle = [20.0, 30.0] if name == "at the edge" else [side / 2 + 7, side / 2 - 3]
        points = (turned + middle + rng.normal(0, 0.02 * eyes, (5, 2))).round(2)
        cases += [
            {"name": f"{name}, {outside}", "given": record_of(image), "points": points.tolist(), "size": size,
             "template": TEMPLATE.tolist(), "matrix": align_points(points[None], size)[0].tolist(), "outside": outside,
             "expected": record_of(warp(image, points, size, outside=outside))}
            for outside in OUTSIDE
        ]  # fmt: skip
    return cases


def blurs(rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {"given": record_of(image), "radius": radius,
         "expected": record_of(np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))))}
        for size, radius in [((64, 64), 7.68), ((48, 31), 0.9), ((20, 33), 25.0), ((96, 96), 11.52)]
        for image in [rng.integers(0, 256, (*size, 3), np.uint8)]
    ]  # fmt: skip


def samples(rng: np.random.Generator) -> dict[str, Any]:
    image = rng.integers(0, 256, (13, 17, 3), np.uint8)
    across, down = (rng.uniform(-1.3, 1.3, (40, 1)).astype(np.float32) for _ in range(2))
    return {"given": record_of(image), "across": text_of(across), "down": text_of(down),
            "expected": text_of(sample(image, across, down))}  # fmt: skip


def averages(rng: np.random.Generator) -> dict[str, Any]:
    image = rng.integers(0, 256, (50, 70, 3), np.uint8)
    boxes = np.array(
        [[0, 0, 70, 50], [10, 20, 24, 31], [-9, -4, 30, 35], [60, 40, 95, 75], [3, 3, 4, 4], [-5, 48, 80, 60]]
    )
    found = (mtcnn.SumTable(image).averages(boxes, 24, 24) - np.float32(127.5)) * np.float32(1 / 128)
    return {"given": record_of(image), "grey": mtcnn.GREY, "boxes": boxes.tolist(), "side": 24,
            "expected": text_of(found.transpose(0, 3, 1, 2))}  # fmt: skip


def layouts() -> list[dict[str, Any]]:
    cases = []
    for height, width, min_face in [(224, 224, 40), (512, 512, 24), (97, 211, 20), (20, 20, 40)]:
        layout = mtcnn._layout(height, width, min_face)
        levels = [level._asdict() for level in layout.levels]
        cases.append({"height": height, "width": width, "min_face": min_face, "factor": mtcnn.FACTOR, "levels": levels,
                      "shape": list(layout.shape), "outside": text_of(layout.outside.astype(np.uint8))})  # fmt: skip
    return cases


def suppressions(rng: np.random.Generator) -> dict[str, Any]:
    corner, side = rng.uniform(0, 60, (200, 2)), rng.uniform(10, 60, (200, 1))
    sure = rng.choice(np.linspace(0.6, 1, 30), (200, 1))  # with ties
    boxes = np.concatenate([corner, corner + side, sure], 1).astype(np.float32)
    kept = [{"overlap": overlap, "rows": mtcnn._suppressed(boxes, overlap).tolist()} for overlap in (0.3, 0.5, 0.7)]
    inside = mtcnn._suppressed_inside(boxes, mtcnn._OVERLAP).tolist()
    return {"boxes": boxes.astype(float).tolist(), "kept": kept, "inside": inside}


def canvases(rng: np.random.Generator) -> list[dict[str, Any]]:
    cases = []
    for size, search in zip([(333, 500), (64, 48), (7, 400)], PASSES, strict=True):
        image = smooth(rng, *size)
        canvas, scale, offset = align._on_canvas(image, search)
        cases.append({"given": record_of(image), "pass": search._asdict(), "grey": mtcnn.GREY,
                      "expected": record_of(canvas), "scale": scale.tolist(), "offset": offset.tolist()})  # fmt: skip
    return cases


def brightness() -> mtcnn.Networks:
    """Networks that see brightness alone: every step of the search around them can be followed in another language."""

    def first(sheet: np.ndarray, outside: np.ndarray) -> list[np.ndarray]:
        height, width = sheet.shape[1:3]
        rows, columns = mtcnn._outputs(height), mtcnn._outputs(width)
        sure = ((sheet[0, 5 : 5 + 2 * rows : 2, 5 : 5 + 2 * columns : 2, 0].astype(np.float64) + 1) / 2).astype(
            np.float32
        )
        moves = np.array([0.03125, -0.0625, 0.125, 0.0625], np.float32)
        return [np.tile(moves[:, None, None], (1, 1, rows, columns))[0][None], np.stack([1 - sure, sure])[None]]

    def later(images: np.ndarray) -> list[np.ndarray]:
        sure = ((images[..., 0].astype(np.float64).mean((1, 2)) + 1) / 2).astype(np.float32)
        moves = np.tile(np.array([0.03125, 0.0625, -0.03125, 0.0625], np.float32), (len(images), 1))
        return [moves, np.stack([1 - sure, sure], 1)]

    def third(images: np.ndarray) -> list[np.ndarray]:
        moves, sure = later(images)
        points = np.array([0.25, 0.75, 0.5, 0.25, 0.75, 0.25, 0.25, 0.5, 0.75, 0.75], np.float32)
        return [moves, np.tile(points, (len(images), 1)), sure]

    return mtcnn.Networks(first, later, third)


def searches(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(mtcnn, "networks_on", lambda device: brightness())
    cases = []
    for name, bright in [
        ("one", [(60, 50, 70)]),
        ("several", [(15, 20, 60), (120, 70, 50), (60, 130, 40)]),
        ("none", []),
    ]:
        image = rng.integers(0, 40, (200, 220, 3), np.uint8)
        for left, top, side in bright:
            image[top : top + side, left : left + side] = rng.integers(246, 256, (side, side, 3))
        found = Aligner("onnx").detect_all([image])[0]
        faces = [
            {"probability": sure, "box": box.tolist(), "points": points.tolist()}
            for sure, box, points in zip(found.probability, found.boxes, found.landmarks, strict=True)
        ]
        assert bool(faces) == bool(bright)
        cases.append({"name": name, "given": record_of(image), "faces": faces, "detector": _search()})
    return cases


@needs_node
def test_the_page_computes_what_python_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = {
        "resize": resizes(rng),
        "reduce": reductions(rng),
        "sample": samples(rng),
        "warp": warps(rng),
        "blur": blurs(rng),
        "averages": averages(rng),
        "layouts": layouts(),
        "suppressed": suppressions(rng),
        "canvases": canvases(rng),
        "faces": searches(rng, monkeypatch),
    }
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values), "utf-8")
    run = subprocess.run(
        ["node", "--no-warnings", "--test", str(HERE / "scripts.test.js")],
        env={**os.environ, "FERDIS_VALUES": str(file), "FERDIS_PAGE": str(PAGE)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
