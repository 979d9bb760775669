"""The drawn people's parts: what each unit moves and on which side, expressions, styles, pose, pixels, people."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ferdis.datasets.rendered import ASYMMETRY_COLUMNS, LANDMARK_COLUMNS
from ferdis.datasets.synthetic.camera import head_rotation, look, photograph, to_pixels
from ferdis.datasets.synthetic.canvas import Columns
from ferdis.datasets.synthetic.dataset import PEOPLE, counterpart, load_synthetic
from ferdis.datasets.synthetic.expression import PROTOTYPES, person_style, sample_expression, sample_intensity
from ferdis.datasets.synthetic.geometry import Face
from ferdis.datasets.synthetic.identity import sample_people
from ferdis.datasets.synthetic.lazy import Recipes
from ferdis.datasets.synthetic.scene import SCENE_NAMES
from ferdis.faces import ACTION_UNITS, AU_COLUMNS, Faces
from tests.datasets.asked_units import units

UNMOVED = {"scale": 6.0, "light_elevation": 30.0, "light_strength": 0.8, "ambient": 0.3, "exposure": 1.0,
           "contrast": 1.0, "saturation": 1.0, "jpeg_quality": 95.0}  # fmt: skip


def scenes(count: int = 1, **values: float | list[float]) -> np.ndarray:
    """Rows of a scene in which nothing turns, but for ``values``."""
    given = UNMOVED | values
    return np.stack([np.broadcast_to(given.get(name, 0.0), count) for name in SCENE_NAMES], 1).astype(np.float32)


def landmarks(left: torch.Tensor, right: torch.Tensor, scene: np.ndarray, size: int = 64) -> np.ndarray:
    """The five landmarks (5, 2) of the first person of seed 0; nothing is drawn."""
    recipes = Recipes(np.array([0]), np.array([0]), left.numpy(), right.numpy(), scene)
    return PEOPLE.landmarks(recipes, size, None)[0]


# FACS (Ekman, Friesen and Hager 2002): what a unit moves, and whether its coordinate grows; y points down.
MOVED = {
    1: ("brow_inner_y", -1), 2: ("brow_outer_y", -1), 4: ("brow_inner_y", 1), 5: ("lid_upper", 1), 6: ("lid_lower", -1),
    7: ("lid_lower", -1), 9: ("ala_y", -1), 12: ("corner_dy", -1), 15: ("corner_dy", 1), 20: ("mouth_half", 1),
    23: ("mouth_half", -1), 45: ("lid_upper", -1),
}  # fmt: skip
MOVED_MIDDLE = {10: ("upper_lip_raise", 1), 17: ("chin_y", -1), 25: ("gap_lower", 1), 26: ("chin_y", 1)}


def test_each_unit_moves_its_feature_on_its_own_side():
    person, none = sample_people([0], 0), units()

    def strongest(names, unit, left):
        move = units(**{f"au{unit}": 4.0})
        still, face = Face(person, none, none), Face(person, *((move, none) if left else (none, move)))
        return {name: (getattr(face, name) - getattr(still, name)).flatten().tolist() for name in names}

    for unit, (name, sign) in MOVED.items():
        for left in (True, False):  # side 1 of a pair lies at image right: the person's left
            change = strongest([name], unit, left)[name]
            assert change[int(left)] * sign > 0.05 and change[1 - int(left)] == 0, (unit, left)
    for unit, (name, sign) in MOVED_MIDDLE.items():
        assert strongest([name], unit, True)[name][0] * sign > 0.02, unit
    brows = strongest(["brow_inner_y", "brow_outer_y"], 2, True)
    assert brows["brow_outer_y"][1] < 3 * brows["brow_inner_y"][1] < 0  # unit 2 is the outer brow's, 1 the inner's
    assert strongest(["brow_outer_y"], 1, True)["brow_outer_y"] == [0, 0]
    wide = [strongest(["mouth_half"], unit, True)["mouth_half"][1] for unit in (20, 14)]
    assert wide[0] > 0.3 > 0 > wide[1]


def test_prototypes_hold_the_units_without_which_emfacs_knows_no_such_expression():
    needed = {
        "happiness": [{12}], "surprise": [{1, 2}], "anger": [{4}, {7, 5}], "sadness": [{15}, {1}],
        "disgust": [{9, 10}], "fear": [{1}, {4}, {5}, {20}, {25}], "contempt": [{14}], "neutral": [],
    }  # fmt: skip
    barred = {"happiness": {15, 9, 4}, "surprise": {4, 20, 12}, "anger": {1, 2, 12}, "sadness": {12, 2, 5},
              "disgust": {12, 1, 2}, "fear": {12, 9}, "contempt": {15, 1, 4}, "neutral": set(ACTION_UNITS)}  # fmt: skip
    assert set(PROTOTYPES) == set(needed)
    for name, variants in PROTOTYPES.items():
        for variant in variants:
            some = [group & set(variant) for group in needed[name]]
            assert all(some) and not barred[name] & set(variant), (name, variant)
            assert name != "surprise" or {1, 2, 5} <= set(variant), variant
            assert all(0 < value <= 5 for value in variant.values())


def drawn(name: str, number: int, **given) -> tuple[np.ndarray, np.ndarray]:
    arguments = {"style": None, "difficulty": "normal"} | given
    return sample_expression(name, np.random.default_rng(number), **arguments)


def test_a_style_is_the_person_s_and_its_two_halves_are_gains_and_rest():
    styles = [person_style(seed, person) for seed, person in ((0, 0), (0, 1), (1, 0))]
    assert not any(np.array_equal(a, b) for a, b in ((styles[0], styles[1]), (styles[0], styles[2])))
    style = np.concatenate([np.full(17, 0.5), np.zeros(17)]).astype(np.float32)
    plain, halved = (drawn("surprise", 3, style=given, intensity=0.8)[0] for given in (None, style))
    assert np.allclose(halved, plain / 2, atol=1e-5) and plain.max() > 2
    style = np.concatenate([np.ones(17), np.full(17, 0.7)]).astype(np.float32)
    rested = np.mean([drawn("neutral", k, style=style) for k in range(20)], axis=(0, 1))
    still = np.mean([drawn("neutral", k) for k in range(20)], axis=(0, 1))
    unopposed = [ACTION_UNITS.index(unit) for unit in (1, 2, 4, 6, 9, 10, 14, 17, 25, 26)]
    assert np.allclose((rested - still)[unopposed], 0.7, atol=1e-4)


def test_intensity_and_difficulty_mean_what_they_say():
    full, half, none = (drawn("happiness", 4, difficulty="easy", intensity=share)[0] for share in (1.0, 0.5, 0.0))
    smile = ACTION_UNITS.index(12)
    assert full[smile] > half[smile] + 1
    assert full[smile] - none[smile] == pytest.approx(2 * (half[smile] - none[smile]), rel=0.01)
    random = np.random.default_rng(6)
    random.integers(0, 840)  # which variant
    share = sample_intensity(random, difficulty="normal")
    assert np.array_equal(drawn("fear", 6), drawn("fear", 6, intensity=share))  # given or drawn, all else is alike
    means = [
        np.mean([drawn("anger", k, difficulty=level) for k in range(40)], axis=(0, 1)) for level in ("easy", "hard")
    ]
    brow = ACTION_UNITS.index(4)
    assert means[0][brow] > 1.3 * means[1][brow]
    assert max(np.max(drawn("happiness", k, intensity=1.0)) for k in range(30)) == 5.0


def test_of_two_foes_the_weaker_yields_and_who_stares_does_not_blink():
    for number in range(20):
        left, right = drawn("happiness", number, prototype={12: 4.0, 15: 0.0}, difficulty="hard", intensity=1.0)
        mean = (left + right) / 2
        assert mean[ACTION_UNITS.index(12)] > 2 * mean[ACTION_UNITS.index(15)]
    style = np.concatenate([np.ones(17), np.zeros(17)]).astype(np.float32)
    style[17 + ACTION_UNITS.index(45)] = 1.0
    shut = {name: np.mean([drawn(name, k, style=style) for k in range(10)], axis=(0, 1))[ACTION_UNITS.index(45)]
            for name in ("surprise", "happiness", "sadness")}  # fmt: skip
    assert 5 * shut["surprise"] < min(shut["happiness"], shut["sadness"])


def test_a_pixel_sees_the_point_that_is_projected_on_its_middle():
    size = 32
    scene = Columns(torch.from_numpy(scenes(shift_x=0.5, shift_y=-0.25)), SCENE_NAMES)
    turned = head_rotation(scene)
    x, y = look(torch.zeros(1, 2 * size, 2 * size), scene, turned, size)
    points = torch.stack((x, y, torch.zeros_like(x)), -1).reshape(1, -1, 3)
    seen = to_pixels(points, scene, turned, size).reshape(size, size, 2)
    middles = torch.arange(size) + 0.5
    assert torch.allclose(seen[..., 0], middles.expand(size, -1), atol=1e-3)
    assert torch.allclose(seen[..., 1], middles[:, None].expand(-1, size), atol=1e-3)
    ahead = to_pixels(torch.tensor([[[0.0, 1.9, 0.0]]]), scene, turned, size)[0, 0]
    assert ahead.tolist() == pytest.approx([16 + 0.5 * 1.5, 16 - 0.25 * 1.5])  # 1.5 pixels a centimetre


def test_a_photograph_keeps_colours_and_has_blur_and_noise_of_its_own():
    def taken(image, seeds=(1, 1), **values):
        scene = Columns(torch.from_numpy(scenes(2, jpeg_quality=100.0, **values)), SCENE_NAMES)
        return photograph(image.expand(2, -1, -1, -1), scene, np.array(seeds)).numpy().astype(float)

    def bar(size):
        """Orange to the right of the middle."""
        image = torch.zeros(1, 3, size, size)
        image[:, :2, :, size // 2 :] = torch.tensor([1.0, 0.5]).view(2, 1, 1)
        return image

    sharp, noisy = taken(bar(64))[0], taken(bar(64), (1, 2), noise=8.0)
    assert np.abs(sharp[:, 48].mean(0) - [255, 128, 0]).max() < 6 and sharp[:, 16].max() < 6
    assert np.abs(noisy[0] - noisy[1])[:, 16:48].std() > 4
    assert np.array_equal(*taken(bar(64), (3, 3), noise=8.0))
    small, large, huge = (taken(bar(size), blur=2.0)[0, :, :, 0].mean(0) for size in (64, 128, 256))
    assert np.abs(large.reshape(64, 2).mean(1) - small).max() < 12  # sigma is in pixels of 128
    assert np.abs(huge.reshape(128, 2).mean(1) - large).max() < 4
    assert small[32] < sharp[:, 32, 0].mean() - 40


def test_the_head_turns_as_the_columns_say():
    def turned(**angles):
        return head_rotation(Columns(torch.from_numpy(scenes(**angles)), SCENE_NAMES))[0]

    nose, crown = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, -1.0, 0.0])
    assert (turned(yaw=30) @ nose).tolist() == pytest.approx([0.5, 0, 0.75**0.5], abs=1e-6)  # to image right
    assert (turned(pitch=30) @ nose).tolist() == pytest.approx([0, 0.5, 0.75**0.5], abs=1e-6)  # down
    assert (turned(roll=30) @ crown).tolist() == pytest.approx([0.5, -(0.75**0.5), 0], abs=1e-6)  # clockwise
    both = turned(roll=20) @ turned(yaw=25) @ turned(pitch=10)
    assert torch.allclose(turned(yaw=25, pitch=10, roll=20), both, atol=1e-6)  # roll is the camera's


def test_a_corner_is_raised_on_the_side_of_the_table():
    still, left = landmarks(units(), units(), scenes()), landmarks(units(au12=5), units(), scenes())
    assert left[4, 1] < still[4, 1] - 0.5 and np.array_equal(left[3], still[3])  # the person's left is image right
    faces = load_synthetic(1, ["contempt"], 4, 32, seed=5, cache=False)
    table, points = faces.table, faces.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    halves = PEOPLE.recipes(table)
    names = list(AU_COLUMNS)
    assert np.allclose(halves.au_left - halves.au_right, table[list(ASYMMETRY_COLUMNS)], atol=1e-5)
    assert np.allclose((halves.au_left + halves.au_right) / 2, table[names], atol=1e-5)
    assert table["AU14_asymmetry"].abs().max() > 1 and points.shape == (4, 5, 2)
    for row in range(4):
        one = halves.take(np.array([row]))
        assert np.allclose(PEOPLE.landmarks(one, 32, None)[0], points[row], atol=1e-3)


def test_a_unit_of_one_half_is_drawn_on_its_side():
    """The person's left lies at image right, where the other half stays as it is."""
    face = load_synthetic(1, ["neutral"], 1, 32, "easy", cache=False)
    rows = face.to_frame().assign(roll=0.0, yaw=0.0, noise=0.0, jpeg_quality=99.0)
    smile = rows.assign(AU12=2.5, AU12_asymmetry=5.0)
    rest, moved = (counterpart(face.with_table(table), face.with_table(table)).pixels() for table in (rows, smile))
    change = np.abs(moved.astype(int) - rest).mean(axis=(0, 1, 3))
    assert change[17:].sum() > 1.5 * change[:15].sum()


def test_rows_of_two_populations_keep_their_people():
    parts = [load_synthetic(2, ["fear"], 1, 32, seed=seed, cache=False)[::-1] for seed in (4, 3)]
    both = Faces.concat(parts)
    identities = PEOPLE.recipes(both.table).identities()
    assert torch.equal(identities, torch.cat([sample_people([1, 0], 4), sample_people([1, 0], 3)]))
    assert len({tuple(row.tolist()) for row in identities}) == 4
    made = counterpart(both, expression_of=both)
    assert np.array_equal(made.table[list(LANDMARK_COLUMNS)], both.table[list(LANDMARK_COLUMNS)])


def test_rows_have_scenes_and_styles_of_their_own():
    table = load_synthetic(2, ["anger", "fear"], 2, 32, seed=3, cache=False).table
    assert not table[["yaw", "pitch", "light_azimuth", "noise_seed"]].duplicated(keep=False).any()
    assert table["yaw"].nunique() == table["light_azimuth"].nunique() == 8


def test_a_sequence_unfolds_smoothly_from_the_person_s_own_rest(monkeypatch):
    asked = []

    def style_of(seed, person):
        asked.append((seed, person))
        return person_style(seed, person)

    monkeypatch.setattr("ferdis.datasets.rendered.person_style", style_of)
    given = {"people": 2, "expressions": ["fear"], "images_per_expression": 1, "image_size": 32, "seed": 3}
    table = load_synthetic(**given, first_person=5, sequences=True, frames=5, cache=False).table
    assert asked == [(3, 5), (3, 6)]
    for person, (_, film) in zip((5, 6), table.groupby("subject"), strict=True):
        shares = film["intensity"].to_numpy() / film["intensity"].max()
        assert shares.tolist() == pytest.approx([0, 0.15625, 0.5, 0.84375, 1])  # 3 t^2 - 2 t^3
        still = np.random.default_rng([3, person, 3])
        rest = sample_expression("neutral", still, style=person_style(3, person), difficulty="easy", intensity=0.0)
        assert np.allclose(film[list(AU_COLUMNS)].iloc[0], np.mean(rest, axis=0), atol=1e-6)
