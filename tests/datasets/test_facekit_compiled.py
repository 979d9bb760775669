"""The compiled loops against the torch code that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ferdis.datasets.facekit import compiled, geometry, shading
from ferdis.datasets.facekit.anatomy import Anatomy, anatomy_of
from ferdis.datasets.facekit.dataset import load_facekit
from ferdis.datasets.facekit.model import load_model
from ferdis.datasets.facekit.raster import rasterise
from ferdis.faces import Faces
from tests.datasets.facekit_model import write_model

pytestmark = pytest.mark.skipif(not compiled.available(), reason="numba is not installed: pip install ferdis[fast]")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("facekit"))


@pytest.fixture(scope="module")
def anatomy(root: Path) -> Anatomy:
    return anatomy_of(load_model(root))


def both(monkeypatch: pytest.MonkeyPatch, function: Callable) -> tuple:
    """What a function gives with the loops, and with torch alone."""
    fast = function()
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "available", lambda: False)
        return fast, function()


def test_normals(anatomy: Anatomy, monkeypatch: pytest.MonkeyPatch):
    vertices = anatomy.template + 0.05 * torch.randn(2, *anatomy.template.shape, generator=torch.manual_seed(1))
    fast, slow = both(monkeypatch, lambda: geometry.normals_of(anatomy, vertices))
    assert fast.norm(dim=-1).median() == pytest.approx(1, abs=1e-5) and torch.allclose(fast, slow, atol=1e-5)


@pytest.mark.parametrize("told", [False, True])
def test_rasteriser(told: bool, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(5)
    flat = rng.uniform(-6, 46, (3, 90, 2)) + rng.normal(0, 2, (3, 90, 2))
    screen = torch.from_numpy(np.concatenate([flat, rng.uniform(-70, 70, (3, 90, 1))], 2).astype(np.float32))
    triangles = torch.from_numpy(rng.integers(0, 90, (200, 3)))  # some are lines, some reach beyond image and depth
    two_sided, shown = torch.from_numpy(rng.random(200) < 0.4), torch.from_numpy(rng.random((3, 200)) < 0.5)
    fast, slow = both(
        monkeypatch, lambda: rasterise(screen, triangles, 40, *((two_sided, shown) if told else (None, None)))
    )
    assert (slow.triangle >= 0).float().mean() > 0.5
    same = fast.triangle == slow.triangle
    assert same.float().mean() > 0.998  # a centre on an edge may fall to either side
    assert torch.allclose(fast.weights[same], slow.weights[same], atol=1e-4)
    assert torch.allclose(fast.depth[same], slow.depth[same], atol=1e-3)


@pytest.mark.parametrize("side", [24, 84, 96])
def test_occlusion(side: int, monkeypatch: pytest.MonkeyPatch):
    depth = 12 * torch.randn(2, side, side, generator=torch.manual_seed(2)).clamp(-1, 1)
    fast, slow = both(monkeypatch, lambda: shading.occlusion(depth))
    assert slow.std() > 0.05 and torch.allclose(fast, slow, atol=1e-5)


def pixels(root: Path, difficulty: str, **more: int) -> np.ndarray:
    return load_facekit(root, 2, 8, 1, difficulty=difficulty, cache=False, **more).pixels().astype(int)


@pytest.mark.parametrize("difficulty", ["easy", "normal", "hard"])
def test_images_are_those_of_torch(root: Path, difficulty: str, monkeypatch: pytest.MonkeyPatch):
    fast, slow = both(monkeypatch, lambda: pixels(root, difficulty, image_size=64, seed=3))
    change = np.abs(fast - slow)
    assert change.mean(axis=(1, 2, 3)).max() < 0.2  # grey levels
    assert (change.max(axis=3) > 8).mean() < 1e-3


def test_pixels_do_not_depend_on_company_or_threads(root: Path):
    faces: Faces = load_facekit(root, 3, 8, 1, 48, seed=7, cache=False)
    whole = faces.pixels()
    rows = np.array([23, 1, 12, 9, 9])
    assert np.array_equal(faces[rows].pixels(), whole[rows])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert np.array_equal(faces.pixels(), whole)
    finally:
        torch.set_num_threads(before)


def test_without_numba_torch_draws_and_the_cache_is_another(root: Path, monkeypatch: pytest.MonkeyPatch):
    faces = load_facekit(root, 1, 6, 1, 32, seed=3, cache=False)
    named = faces.images.renderer()
    monkeypatch.setattr(compiled, "loops", None)  # whoever asks for a loop, fails
    with pytest.raises(TypeError):
        faces.pixels([0])
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert faces.pixels([0]).std() > 12 and faces.images.renderer() != named
