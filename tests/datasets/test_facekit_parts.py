"""The renderer's parts: rasteriser, shapes of the action units, folds, expressions, people."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ferdis.datasets.facekit import expression
from ferdis.datasets.facekit.anatomy import Anatomy, anatomy_of
from ferdis.datasets.facekit.expression import VARIANTS, sample_expression
from ferdis.datasets.facekit.folds import FOLDS, fold_strengths, relief_of
from ferdis.datasets.facekit.geometry import project, rotation, shape_weights, steady_product
from ferdis.datasets.facekit.identity import GROUPS, IDENTITY_NAMES, sample_people
from ferdis.datasets.facekit.model import SHAPES, load_model
from ferdis.datasets.facekit.posed import landmarks_of, on_screen, pose
from ferdis.datasets.facekit.raster import rasterise, triangles_of
from ferdis.datasets.facekit.scene import SCENE_NAMES, sample_scene
from ferdis.faces import ACTION_UNITS, EXPRESSIONS
from tests.datasets.asked_units import units
from tests.datasets.facekit_model import write_model


@pytest.fixture(scope="module")
def anatomy(tmp_path_factory: pytest.TempPathFactory) -> Anatomy:
    return anatomy_of(load_model(write_model(tmp_path_factory.mktemp("facekit"))))


def naive(screen: np.ndarray, triangles: np.ndarray, size: int) -> np.ndarray:
    """The nearest triangle of each pixel, one at a time; triangles seen from behind do not count."""
    best, nearest = np.full((size, size), -1), np.full((size, size), -np.inf)
    for number, corners in enumerate(triangles):
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = screen[corners]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= 0:
            continue
        for row in range(size):
            for column in range(size):
                x, y = column + 0.5, row + 0.5
                b = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                c = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                depth = z0 + b * (z1 - z0) + c * (z2 - z0)
                if min(b, c, 1 - b - c) >= 0 and depth > nearest[row, column]:
                    best[row, column], nearest[row, column] = number, depth
    return best


def test_rasteriser_agrees_with_a_naive_one():
    rng = np.random.default_rng(3)
    screen = np.concatenate([rng.uniform(-4, 28, (2, 60, 2)), rng.uniform(-9, 9, (2, 60, 1))], axis=2).astype(
        np.float32
    )
    triangles = rng.permutation(60).reshape(20, 3)
    seen = rasterise(torch.from_numpy(screen), torch.from_numpy(triangles), 24)
    for image in range(2):
        expected = naive(screen[image].astype(float), triangles, 24)
        assert (expected >= 0).mean() > 0.2
        assert (seen.triangle[image].numpy() == expected).mean() > 0.998  # a centre on an edge may fall to either side
    covered = seen.triangle >= 0
    assert torch.allclose(seen.weights[covered].sum(-1), torch.ones(()), atol=1e-5)
    place = (
        seen.weights.unsqueeze(-1)
        * torch.from_numpy(screen)[:, triangles][torch.arange(2)[:, None, None], seen.triangle]
    ).sum(-2)
    down, across = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(24) + 0.5, indexing="ij")
    assert torch.allclose(place[..., 0][covered], across.expand(2, -1, -1)[covered], atol=1e-3)
    assert torch.allclose(place[..., 1][covered], down.expand(2, -1, -1)[covered], atol=1e-3)
    assert torch.allclose(place[..., 2][covered], seen.depth[covered], atol=1e-3)


def test_rasteriser_sees_backs_and_leaves_out_as_told():
    square = torch.tensor([[[1.0, 1, 0], [7, 1, 0], [7, 7, 0], [1, 7, 0]]])
    quads = torch.tensor([[3, 2, 1, 0]])
    front, back = triangles_of(quads), triangles_of(quads.flip(1))
    assert (rasterise(square, front, 8).triangle >= 0).sum() == 36
    assert (rasterise(square, back, 8).triangle >= 0).sum() == 0
    assert (rasterise(square, back, 8, torch.ones(2, dtype=torch.bool)).triangle >= 0).sum() == 36
    hidden = torch.tensor([[False, False]])
    assert (rasterise(square, front, 8, None, hidden).triangle >= 0).sum() == 0
    assert len(triangles_of(torch.tensor([[0, 1, 2, 2]]))) == 1


def test_a_row_of_a_product_does_not_depend_on_its_company():
    rows, matrix = torch.randn(11, 40), torch.randn(40, 300)
    whole = steady_product(rows, matrix)
    assert torch.allclose(whole, rows @ matrix, atol=1e-4)
    for row in (0, 7, 10):
        assert torch.equal(steady_product(rows[row : row + 1], matrix)[0], whole[row])


def test_each_half_moves_its_own_shapes():
    none, rest, ahead = units(), torch.zeros(1, len(SHAPES)), torch.zeros(1, 2)
    smile = shape_weights(units(au12=5), none, rest, ahead)[0]
    assert smile[SHAPES.index("mouthSmile_L")] == 1 and smile[SHAPES.index("mouthSmile_R")] == 0
    for unit in ACTION_UNITS:
        both = units(**{f"au{unit}": 5.0})
        assert shape_weights(both, both, rest, ahead).abs().sum() > 0.1, unit


# FACS (Ekman, Friesen and Hager 2002) in the names of the model's shapes: what a unit moves most.
STRONGEST = {
    1: "browInnerUp", 2: "browOuterUp", 4: "browDown", 5: "eyeWide", 6: "cheekSquint", 7: "eyeSquint", 9: "noseSneer",
    10: "mouthUpperUp", 12: "mouthSmile", 14: "mouthDimple", 15: "mouthFrown", 20: "mouthStretch", 23: "mouthPress",
    25: "mouthLowerDown", 45: "eyeBlink",
}  # fmt: skip
STRONGEST_MIDDLE = {17: "mouthShrugLower", 26: "jawOpen"}


def test_each_unit_moves_what_facs_says_on_its_side():
    none, rest, ahead = units(), torch.zeros(1, len(SHAPES)), torch.zeros(1, 2)
    for unit in ACTION_UNITS:
        move = units(**{f"au{unit}": 5.0})
        for side, pair in (("L", (move, none)), ("R", (none, move))):
            weights = shape_weights(*pair, rest, ahead)[0]
            weights[[k for k, shape in enumerate(SHAPES) if shape == "mouthClose"]] = 0
            name = STRONGEST_MIDDLE.get(unit) or f"{STRONGEST[unit]}_{side}"
            assert SHAPES[int(weights.argmax())] == name, (unit, side)
    rest[0, 3] = 0.25
    assert torch.equal(shape_weights(none, none, rest, ahead), rest)


def test_lips_stay_closed_over_an_open_jaw_until_they_part():
    rest, ahead = torch.zeros(1, len(SHAPES)), torch.zeros(1, 2)
    jaw, close = SHAPES.index("jawOpen"), SHAPES.index("mouthClose")
    shut = shape_weights(units(au26=4), units(au26=4), rest, ahead)[0]
    parted = shape_weights(units(au26=4, au25=4), units(au26=4, au25=4), rest, ahead)[0]
    assert shut[jaw] > 0.3 and shut[close] == shut[jaw] and parted[close] == 0


def test_gaze_turns_both_eyes_the_same_way():
    look = shape_weights(units(), units(), torch.zeros(1, len(SHAPES)), torch.tensor([[1.0, 0.0]]))[0]
    assert look[SHAPES.index("eyeLookOut_L")] == 1 and look[SHAPES.index("eyeLookIn_R")] == 1
    assert look[SHAPES.index("eyeLookIn_L")] == 0 and look[SHAPES.index("eyeLookOut_R")] == 0


def test_turning_and_projecting():
    degrees = torch.tensor([30.0])
    ahead, up = torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 1, 0])
    zero = torch.zeros(1)
    assert (rotation(degrees, zero, zero)[0] @ ahead)[0] == pytest.approx(0.5)  # yaw: to image right
    assert (rotation(zero, degrees, zero)[0] @ ahead)[1] == pytest.approx(-0.5)  # pitch: down
    assert (rotation(zero, zero, degrees)[0] @ up)[0] == pytest.approx(0.5)  # roll: clockwise
    points = torch.tensor([[[1.0, 1.4, 9.0], [1.0, 1.4, 13.0]]])
    seen = project(points, torch.tensor([6.0]), torch.zeros(1, 2), torch.tensor([50.0]), 128)[0]
    assert seen[0, :2].tolist() == pytest.approx([70.0, 64.0])
    assert seen[1, 0] == pytest.approx(64 + 6 * 50 / 46)  # nearer is larger


def test_five_landmarks_are_middles_of_eyes_tip_and_corners_of_each_own_person(anatomy: Anatomy):
    people, none = sample_people(anatomy, [0, 1, 2], 3), units().expand(3, -1)
    scene = torch.zeros(3, len(SCENE_NAMES))
    scene[:, SCENE_NAMES.index("scale")], scene[:, SCENE_NAMES.index("distance")] = 6.0, 100.0
    posed = pose(anatomy, people, none, none, scene, normals=False)
    seen = on_screen(posed, posed.vertices[:, anatomy.landmarks], 128)[..., :2]
    parts = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))  # Multi-PIE's 68 points
    expected = torch.stack([seen[:, part].mean(1) for part in parts], 1)
    assert torch.allclose(landmarks_of(anatomy, posed, 128), expected, atol=1e-4)
    assert (expected[:, 0, 0] < expected[:, 2, 0]).all() and (expected[:, 2, 0] < expected[:, 1, 0]).all()
    for row in range(3):
        alone = pose(anatomy, people[[row]], none[:1], none[:1], scene[:1], normals=False)
        assert torch.equal(alone.vertices[0], posed.vertices[row])


def test_folds_open_with_their_units_on_their_half():
    flat, deep = torch.zeros(1, 1), torch.ones(1, 1)
    weak, strong = (fold_strengths(units(au12=v), units(), flat, deep) for v in (2.0, 5.0))
    count = len(FOLDS)
    assert (weak[0, count:] == 0).all() and (strong >= weak).all() and strong[0, :count].max() > 0.9
    relief = relief_of(strong)[0]
    middle = relief.shape[-1] // 2
    assert relief[..., :, middle:].abs().sum() > 50 * relief[..., :, : middle - 8].abs().sum()
    old = fold_strengths(units(), units(), torch.ones(1, 1), deep)
    assert old.max() > 0.3 and torch.equal(old[:, :count], old[:, count:])
    driven = {unit for fold in FOLDS for unit in fold.units}
    assert driven >= set(ACTION_UNITS) - {5, 25, 26, 45}  # lids, lips and jaw fold nothing


def test_expressions_have_variants_that_people_show():
    assert set(VARIANTS) == set(EXPRESSIONS)
    assert any(25 not in units for _, units in VARIANTS["happiness"])
    assert any(25 in units for _, units in VARIANTS["anger"]) and any(25 not in units for _, units in VARIANTS["anger"])
    assert any(1 not in units for _, units in VARIANTS["sadness"]) and any(
        2 not in units for _, units in VARIANTS["fear"]
    )
    for name in EXPRESSIONS:
        left, right = sample_expression(name, np.random.default_rng(1), style=None, difficulty="normal", intensity=1.0)
        assert left.shape == (17,) and left.min() >= 0 and max(left.max(), right.max()) <= 5
    with pytest.raises(ValueError, match="'joy' is unknown"):
        sample_expression("joy", np.random.default_rng(1), style=None, difficulty="easy")


def test_variants_are_drawn_as_often_as_they_say_and_keep_most_of_their_units(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "ferdis.datasets.facekit.expression.sample_drawn_expression", lambda *_, prototype, **__: prototype
    )
    rng = np.random.default_rng(2)

    def patterns(name, difficulty, count):
        return [sample_expression(name, rng, style=None, difficulty=difficulty) for _ in range(count)]

    weights = [weight for weight, _ in VARIANTS["neutral"]]
    still = np.mean([pattern == {} for pattern in patterns("neutral", "normal", 400)])
    assert still == pytest.approx(weights[0] / sum(weights), abs=0.08)  # 0.45; one of 13 if all were alike
    whole = [units for _, units in VARIANTS["fear"]]
    assert all(pattern in whole for pattern in patterns("fear", "easy", 50))
    hard = patterns("fear", "hard", 200)
    assert 0.2 < np.mean([pattern not in whole for pattern in hard]) < 0.9
    monkeypatch.setitem(expression._DROPPED, "hard", 1.0)
    for pattern in patterns("fear", "hard", 50):
        assert any(pattern.items() <= variant.items() and 0.55 <= len(pattern) / len(variant) < 1 for variant in whole)


def test_easy_faces_show_common_variants_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "ferdis.datasets.facekit.expression.sample_drawn_expression", lambda *_, prototype, **__: prototype
    )
    rng = np.random.default_rng(3)
    shown = {
        name: {
            tuple(sample_expression(name, rng, style=None, difficulty="easy").items()) for _ in range(200)
        } for name in VARIANTS
    }  # fmt: skip
    assert shown["neutral"] == {()}
    assert shown["surprise"] == {tuple(units.items()) for _, units in VARIANTS["surprise"][:3]}
    assert {name: len(patterns) for name, patterns in shown.items()} == {
        "neutral": 1, "happiness": 6, "surprise": 3, "anger": 7, "sadness": 9, "disgust": 6, "fear": 8, "contempt": 4,
    }  # fmt: skip


def test_intensity_does_not_change_what_else_is_drawn():
    faint, full = (
        sample_expression("anger", np.random.default_rng(5), style=None, difficulty="easy", intensity=share)[0]
        for share in (0.2, 1.0)
    )
    assert set(np.flatnonzero(faint > 0.3)) <= set(np.flatnonzero(full > 0.3)) and full.max() > 2 * faint.max()


def test_people_are_keyed_balanced_and_within_range(anatomy: Anatomy):
    people = sample_people(anatomy, range(120), 4)
    assert people.shape == (120, len(IDENTITY_NAMES)) and people.isfinite().all()
    assert torch.equal(sample_people(anatomy, [17], 4)[0], people[17])
    group = people[:, IDENTITY_NAMES.index("group")].long()
    assert torch.bincount(group, minlength=len(GROUPS)).min() > 18
    melanin = people[:, IDENTITY_NAMES.index("melanin")]
    darkest = sorted(GROUPS, key=lambda name: -float(melanin[group == GROUPS.index(name)].mean()))
    assert darkest == ["african", "south_asian", "east_asian", "european"]
    assert melanin[group == 0].mean() > melanin[group == 3].mean() + 0.3
    assert not torch.equal(sample_people(anatomy, [17], 5)[0], people[17])
    assert ((melanin >= 0) & (melanin <= 1)).all()


def test_scenes_have_their_columns():
    scene = sample_scene(np.random.default_rng(0), difficulty="hard")
    assert scene.shape == (len(SCENE_NAMES),) and len(set(SCENE_NAMES)) == len(SCENE_NAMES)
    assert 45 <= scene[SCENE_NAMES.index("distance")] <= 300
