"""The compiled loops against the torch code that they stand for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ferdis.datasets.facekit import compiled, geometry, shading
from ferdis.datasets.facekit.anatomy import Anatomy, anatomy_of
from ferdis.datasets.facekit.compiled.draw import painted
from ferdis.datasets.facekit.dataset import load_facekit
from ferdis.datasets.facekit.folds import CHART_SIZE, FOLDS, relief_cells, relief_of
from ferdis.datasets.facekit.identity import IDENTITY_NAMES, sample_people
from ferdis.datasets.facekit.model import load_model
from ferdis.datasets.facekit.posed import Posed, on_screen, pose
from ferdis.datasets.facekit.raster import rasterise
from ferdis.datasets.facekit.render import _background
from ferdis.datasets.facekit.scene import sample_scene
from ferdis.datasets.facekit.skin import paint_skin
from ferdis.datasets.synthetic.canvas import Columns
from ferdis.faces import ACTION_UNITS, Faces
from tests.datasets.facekit_model import write_model

pytestmark = pytest.mark.skipif(not compiled.available(), reason="numba is not installed: pip install ferdis[fast]")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("facekit"))


@pytest.fixture(scope="module")
def anatomy(root: Path) -> Anatomy:
    return anatomy_of(load_model(root))


def posed_heads(anatomy: Anatomy, count: int, difficulty: str) -> Posed:
    """People with all units at random, each in a scene."""
    rng = np.random.default_rng(9)
    scene = np.stack([sample_scene(rng, difficulty=difficulty) for _ in range(count)])
    units = torch.from_numpy(rng.uniform(0, 5, (2, count, len(ACTION_UNITS))).astype(np.float32))
    return pose(anatomy, sample_people(anatomy, range(count), 6), *units, torch.from_numpy(scene))


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


def test_projection_and_background(anatomy: Anatomy, monkeypatch: pytest.MonkeyPatch):
    heads = posed_heads(anatomy, 3, "hard")
    fast, slow = both(monkeypatch, lambda: on_screen(heads, heads.vertices, 100))
    assert torch.allclose(fast, slow, atol=1e-4)
    behind = both(monkeypatch, lambda: _background(heads, 60, np.arange(3)))
    assert behind[0].std() > 0.01 and torch.allclose(*behind, atol=1e-5)


def test_skin_of_many_people(anatomy: Anatomy):
    people = sample_people(anatomy, range(30), 8)
    p = Columns(people, IDENTITY_NAMES)
    assert all((getattr(p, name) > 0.2).any() for name in ("beard", "moustache", "freckles", "makeup", "mole_strength"))
    slow = paint_skin(anatomy, p).permute(0, 2, 3, 1)
    assert slow[..., :3].std() > 0.1 and torch.allclose(torch.from_numpy(painted(anatomy, people)), slow, atol=1e-4)


def test_relief_by_cells_is_that_of_the_matrix():
    strengths = torch.rand(1, 2 * len(FOLDS), generator=torch.manual_seed(4))
    starts, folds, slopes = relief_cells()
    cell = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    relief = np.zeros((len(starts) - 1, 3))
    np.add.at(relief, cell, slopes * strengths[0].numpy()[folds][:, None])
    assert np.allclose(relief.T.reshape(3, CHART_SIZE, CHART_SIZE), relief_of(strengths)[0].numpy(), atol=1e-5)


def test_loops_take_nothing_from_other_modules():
    """What numba keeps on disk is told apart by a loop's own file: a constant of another would go stale."""
    for name in ("mesh", "light", "paint"):
        tree = ast.parse((Path(compiled.__file__).parent / f"{name}.py").read_text())
        taken = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert taken == {"__future__", f"{compiled.__name__}.jit"}


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
