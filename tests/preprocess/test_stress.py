"""Images made worse: by how much, where, and what chance decides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ferdis.preprocess.stress import STRENGTHS, STRESSES, stressed


@pytest.mark.parametrize("kind", STRESSES)
def test_stress_grows_with_its_strength_and_repeats(kind: str) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, (60, 60, 3)), (1.5, 1.5, 0))
    image = np.clip(128 + 250 * noise, 0, 255).astype(np.uint8)[None]
    worse = [stressed(image, kind, strength, ["a.png"]) for strength in STRENGTHS]
    assert all(item.shape == image.shape and item.dtype == np.uint8 for item in worse)
    distance = [float(abs(item.astype(float) - image).mean()) for item in worse]
    assert distance[0] > 0 and distance == sorted(distance)
    assert np.array_equal(worse[3], stressed(image, kind, 4, ["a.png"]))
    with pytest.raises(ValueError, match="strength=6"):
        stressed(image, kind, 6, ["a.png"])


def test_what_is_no_stress_is_one_line() -> None:
    with pytest.raises(ValueError, match="no stress 'fog'"):
        stressed(np.zeros((1, 8, 8, 3), np.uint8), "fog", 1, ["a"])
    with pytest.raises(ValueError, match="2 names for 1 images"):
        stressed(np.zeros((1, 8, 8, 3), np.uint8), "blur", 1, ["a", "b"])
    assert stressed(np.zeros((0, 8, 8, 3), np.uint8), "blur", 1, []).shape == (0, 8, 8, 3)


def flat(height: int, width: int, grey: int) -> np.ndarray:
    return np.full((1, height, width, 3), grey, np.uint8)


@pytest.mark.parametrize("kind", ["noise", "occlusion", "low light"])
def test_seed_and_name_decide_what_chance_decides(kind: str) -> None:
    image = flat(40, 40, 100)
    one, other = stressed(np.concatenate([image, image]), kind, 3, ["a.png", "b.png"])
    assert not np.array_equal(one, other)
    assert np.array_equal(other, stressed(image, kind, 3, ["b.png"])[0])
    assert not np.array_equal(one, stressed(image, kind, 3, ["a.png"], seed=1)[0])


@pytest.mark.parametrize("axis", [1, 2])
def test_blur_is_a_share_of_the_shorter_side_and_mixes_no_colours(axis: int) -> None:
    """An edge becomes the integral of the Gaussian, whose deviation at strength 5 is 6 % of the side."""
    image = np.zeros((1, 40, 120, 3) if axis == 2 else (1, 120, 40, 3), np.uint8)
    image[:, :, 60:, 0] = 200 * (axis == 2)
    image[:, 60:, :, 0] += np.uint8(200 * (axis == 1))
    worse = stressed(image, "blur", 5, ["a"])
    slope = np.diff(worse[..., 0].astype(float).mean(axis=3 - axis)[0])
    place = np.arange(len(slope))
    mean = np.average(place, weights=slope)
    assert np.sqrt(np.average((place - mean) ** 2, weights=slope)) == pytest.approx(0.06 * 40, abs=0.1)
    assert not worse[..., 1:].any()


def test_noise_has_its_deviation_no_bias_and_a_colour() -> None:
    worse = stressed(flat(100, 100, 100), "noise", 1, ["a"])[0].reshape(-1, 3).astype(float)
    assert worse.mean() == pytest.approx(100, abs=0.25) and worse.std() == pytest.approx(0.04 * 255, rel=0.03)
    assert np.abs(np.corrcoef(worse.T)[~np.eye(3, dtype=bool)]).max() < 0.05


def test_the_square_covers_its_share_anywhere() -> None:
    sides = {1: (22, 11), 2: (32, 16), 3: (45, 22), 4: (55, 27), 5: (63, 32)}  # 5, 10, 20, 30, 40 % of 100 x 50
    for strength, side in sides.items():
        grey = (stressed(flat(100, 50, 0), "occlusion", strength, ["a"])[0] == 128).all(axis=2)
        assert (grey.any(axis=1).sum(), grey.any(axis=0).sum()) == side and grey.sum() == side[0] * side[1]
    names = [f"{k}" for k in range(40)]
    many = stressed(flat(100, 50, 0).repeat(40, axis=0), "occlusion", 2, names)[..., 0] == 128
    for axis, room in ((2, 100 - 32), (1, 50 - 16)):
        first = many.any(axis=axis).argmax(axis=1)
        assert first.min() < 0.2 * room and 0.8 * room < first.max() <= room


def test_low_light_is_less_light_not_less_of_a_grey_level() -> None:
    """Light is the 2.2nd power of a grey level; at strength 1 six tenths of it are left, and 2,000 photons at white."""
    worse = stressed(flat(100, 100, 200), "low light", 1, ["a"])[0].astype(float)
    light = (200 / 255) ** 2.2 * 0.6
    assert worse.mean() == pytest.approx(255 * light ** (1 / 2.2), abs=0.3)
    per_light = 255 / 2.2 * light ** (1 / 2.2 - 1)
    assert worse.std() == pytest.approx(per_light * np.sqrt(light / 2000), rel=0.1)


def test_images_are_turned_to_either_side() -> None:
    image = flat(101, 101, 0)
    image[:, 48:53, 78:83] = 255  # 30 pixels right of the centre
    names = [f"{k}" for k in range(12)]
    rows = [
        ndimage.center_of_mass(each[..., 0])[0] for each in stressed(image.repeat(12, axis=0), "rotation", 2, names)
    ]
    shift = 30 * np.sin(np.deg2rad(10))
    np.testing.assert_allclose(np.abs(np.array(rows) - 50), shift, atol=0.5)
    assert {row > 50 for row in rows} == {True, False}


def test_resolution_is_halved_along_each_side() -> None:
    image = flat(60, 120, 0)
    image[:, ::2] = 200
    assert (stressed(image, "resolution", 1, ["a"]) == 100).all()
