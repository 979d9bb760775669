import pytest
import torch

from ferdis.preprocess import augment
from ferdis.preprocess.augment import (
    _partly_covered,
    augmented_views,
    centre_crop,
    centre_views,
    distorted,
    loosened,
    noisy,
    patch_views,
    random_views,
    take_views,
    to_bytes,
    to_unit_range,
)


def pictures(n: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("size", "crop"), [(16, 12), (16, 13), (17, 12), (16, 16)])
def test_centre_view_is_the_centre_crop(size: int, crop: int) -> None:
    images = pictures(size=size)
    taken = take_views(images, centre_views(3, size, crop), crop)
    torch.testing.assert_close(taken, centre_crop(images, crop), atol=1e-5, rtol=0)


def test_unrotated_views_are_exact_crops_or_their_mirrors() -> None:
    size, crop, n = 16, 12, 64
    images = pictures(1, size).expand(n, -1, -1, -1)
    views = random_views(n, size, crop, max_degrees=0, generator=torch.Generator().manual_seed(1))
    taken = take_views(images, views, crop)
    windows = images[0].unfold(1, crop, 1).unfold(2, crop, 1).permute(1, 2, 0, 3, 4).reshape(-1, 3, crop, crop)
    every = torch.cat([windows, windows.flip(-1)])
    distance = (taken[:, None] - every[None]).abs().flatten(2).amax(2)
    assert distance.amin(1).max() < 1e-5
    assert len(distance.argmin(1).unique()) > 25  # 5 x 5 places x 2 mirrors, 64 draws


def test_every_place_of_a_crop_is_drawn_as_often() -> None:
    views = random_views(4000, 16, 12, max_degrees=0, flip=0, generator=torch.Generator().manual_seed(1))
    places = (views[:, :, 2] * 8 + 2).round().long()  # of the first pixel
    counts = torch.bincount(places[:, 0] * 5 + places[:, 1], minlength=25)
    assert len(counts) == 25 and counts.min() > 100 and counts.max() < 220


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_lies_at_whole_pixels_of_the_picture_turned_about_its_centre(seed: int) -> None:
    image = pictures(1, 25)
    (view,) = random_views(1, 25, 15, max_degrees=30, flip=0, generator=torch.Generator().manual_seed(seed))
    turn = view[:, :2] * 25 / 15
    x, y = (torch.linalg.solve(turn, view[:, 2]) * 12.5 + 5).tolist()
    left, top = round(x), round(y)
    assert abs(x - left) < 1e-3 and abs(y - top) < 1e-3 and 0 <= left <= 10 and 0 <= top <= 10
    whole = take_views(image, torch.cat([turn, torch.zeros(2, 1)], 1)[None], 25)
    taken = take_views(image, view[None], 15)
    torch.testing.assert_close(taken, whole[..., top : top + 15, left : left + 15], atol=1e-4, rtol=0)


def test_rotation_angle_and_sense_by_a_bright_point() -> None:
    size = 65
    images = torch.zeros(1, 1, size, size)
    images[0, 0, 32, 62] = 1  # 30 pixels right of the centre
    generator = torch.Generator().manual_seed(3)
    angles = []
    for _ in range(50):
        views = random_views(1, size, size, max_degrees=20, flip=0, generator=generator)
        place = take_views(images, views, size)[0, 0].flatten().argmax()
        y, x = divmod(int(place), size)
        assert abs(((y - 32) ** 2 + (x - 32) ** 2) ** 0.5 - 30) < 1.5
        angles.append(torch.atan2(torch.tensor(y - 32.0), torch.tensor(x - 32.0)).rad2deg().item())
    assert -21.5 < min(angles) < -12 and 12 < max(angles) < 21.5


def test_one_view_serves_two_pictures_alike() -> None:
    first, second = pictures(8), 1 - pictures(8)
    views = random_views(8, 16, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(take_views(first, views, 12), 1 - take_views(second, views, 12))


def test_seeded_and_different_for_each_sample() -> None:
    draw = lambda seed: random_views(6, 20, 16, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))
    assert len(draw(0).flatten(1).unique(dim=0)) == 6


def test_no_corner_is_black() -> None:
    views = random_views(32, 16, 16, max_degrees=45, generator=torch.Generator().manual_seed(2))
    assert take_views(torch.ones(32, 3, 16, 16), views, 16).min() > 0.999


def test_bytes_round_trip_and_range() -> None:
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)
    scaled = to_unit_range(values)
    assert scaled.shape == (1, 3, 16, 16) and scaled.min() == -1 and scaled.max() == 1
    assert torch.equal(to_bytes(scaled), values)


def test_too_large_a_crop() -> None:
    for function in (lambda: random_views(1, 8, 9), lambda: centre_views(1, 8, 9), lambda: centre_crop(pictures(), 17)):
        with pytest.raises(ValueError, match="crop_size"):
            function()


@pytest.mark.parametrize(("size", "crop"), [(24, 16), (23, 16), (16, 16)])
def test_patches_are_the_centre_and_the_corners_and_their_mirrors(size: int, crop: int) -> None:
    image = pictures(1, size)
    slack = size - crop
    corners = [image[..., y : y + crop, x : x + crop] for y, x in ((0, 0), (0, slack), (slack, 0), (slack, slack))]
    expected = torch.cat([centre_crop(image, crop), *corners])
    numbers = torch.cat([torch.arange(5), torch.arange(25, 30)])
    taken = take_views(image.expand(10, -1, -1, -1), patch_views(numbers, size, crop), crop)
    torch.testing.assert_close(taken[:5], expected, atol=1e-5, rtol=0)
    mirrored = take_views(image.flip(-1).expand(5, -1, -1, -1), patch_views(torch.arange(5), size, crop), crop)
    torch.testing.assert_close(taken[5:], mirrored, atol=1e-5, rtol=0)


def test_the_fifty_views_differ_and_turn_inside_the_picture() -> None:
    image = pictures(1, 33).expand(50, -1, -1, -1)
    taken = take_views(image, patch_views(torch.arange(50), 33, 22), 22)
    apart = torch.cdist(taken.flatten(1), taken.flatten(1)) + torch.eye(50) * 9
    assert apart.min() > 0.5
    point = torch.zeros(1, 1, 33, 33)
    point[0, 0, 16, 30] = 1
    turned = [
        divmod(int(take_views(point, patch_views(torch.tensor([k]), 33, 33), 33).argmax()), 33)[0] for k in (5, 20)
    ]
    assert sorted(turned) == [15, 17] or sorted(turned) == [14, 18]  # by 6 degrees, up and down


def test_loosened_views_stay_within_their_ranges() -> None:
    n, generator = 4000, torch.Generator().manual_seed(4)
    views = loosened(centre_views(n, 16, 16), generator)
    area = torch.linalg.det(views[:, :, :2])  # scale squared, but for shear and turn
    assert 0.87**2 * 0.97 < area.min() < 0.8 and 1.25 < area.max() < 1.15**2 * 1.03
    assert views[:, :, 2].abs().max() <= 0.09 and views[:, :, 2].abs().max() > 0.085
    turned = torch.atan2(views[:, 1, 0], views[:, 0, 0]).rad2deg()
    assert 7 < turned.max() < 9.7 and views[:, :, 2].mean().abs() < 0.01


def test_loosened_views_compose_with_the_view() -> None:
    views = random_views(50, 20, 12, generator=torch.Generator().manual_seed(5))
    loose = loosened(views, torch.Generator().manual_seed(6))
    alone = loosened(centre_views(50, 12, 12), torch.Generator().manual_seed(6))
    point = torch.tensor([0.3, -0.7])
    moved = (alone[:, :, :2] @ point) + alone[:, :, 2]
    expected = (views[:, :, :2] @ moved[..., None])[..., 0] + views[:, :, 2]
    torch.testing.assert_close((loose[:, :, :2] @ point) + loose[:, :, 2], expected)


@pytest.mark.parametrize("augmentation", ["paper", "strong"])
def test_a_second_image_can_take_the_views_of_the_first(monkeypatch: pytest.MonkeyPatch, augmentation: str) -> None:
    images = pictures(8) * 2 - 1
    given = random_views(8, 16, 12, generator=torch.Generator().manual_seed(2))
    crops, views = augmented_views(images, given, 12, augmentation, torch.Generator().manual_seed(3))
    assert torch.equal(views, given) == (augmentation == "paper")
    assert torch.equal(crops, take_views(images, views, 12)) == (augmentation == "paper"), "no other light"
    monkeypatch.setattr(augment, "distorted", lambda images, generator: images)
    crops, views = augmented_views(images, given, 12, augmentation, torch.Generator().manual_seed(3))
    assert torch.equal(crops, take_views(images, views, 12))


def test_distorted_images_are_duller_sharper_softer_and_noisier() -> None:
    edge = torch.full((200, 3, 32, 32), -0.3)
    edge[..., 16:] = 0.2
    edge += torch.tensor([0.15, 0.0, -0.15])[:, None, None]
    taken = distorted(edge, torch.Generator().manual_seed(9))[:, :, :, 4:28]
    colour = (taken[:, 0] - taken[:, 2]).abs().median(2).values.median(1).values
    assert colour.min() < 0.05 and colour.max() > 0.25
    rows = taken.median(2).values.mean(1)  # across the edge; a rectangle covers few of its rows
    steep = (rows[:, 12] - rows[:, 11]) / (rows[:, 15] - rows[:, 8])
    beyond = (rows[:, 12] - rows[:, 13]) - (rows[:, 13] - rows[:, 14])  # the brink, and the ramp of light beside it
    assert (beyond / (rows[:, 15] - rows[:, 8])).quantile(0.9) > 0.08 and steep.quantile(0.05) < 0.6
    noise = (taken[:, :, 1:] - taken[:, :, :-1]).abs().median(2).values.median(2).values.mean(1)
    assert noise.quantile(0.1) < 0.03 and noise.quantile(0.9) > 0.05


def test_distorted_images_keep_shape_range_and_themselves() -> None:
    images = pictures(64, 32) * 2 - 1
    before = images.clone()
    first = distorted(images, torch.Generator().manual_seed(7))
    assert torch.equal(images, before) and first.shape == images.shape
    assert first.min() >= -1 and first.max() <= 1
    assert torch.equal(first, distorted(images, torch.Generator().manual_seed(7)))
    apart = (first - distorted(images, torch.Generator().manual_seed(8))).abs().mean((1, 2, 3))
    assert (apart > 0.01).all()


def test_a_third_is_partly_covered_and_light_differs() -> None:
    flat = torch.zeros(3000, 3, 24, 24)
    out = distorted(flat, torch.Generator().manual_seed(9))
    assert out.mean((1, 2, 3)).std() > 0.15  # exposure
    covered = _partly_covered(flat - 1, torch.Generator().manual_seed(9))[:, 0] != -1
    share = covered.float().mean((1, 2))
    assert 0.3 < (share > 0).float().mean() < 0.36 and 0.1 < share.max() < 0.17
    rows, columns = covered.any(2), covered.any(1)
    assert torch.equal(covered, rows[:, :, None] & columns[:, None, :])  # a rectangle


def test_noise_differs_between_images_and_is_seeded() -> None:
    images = torch.zeros(40, 3, 16, 16)
    found = noisy(images, 0.5, torch.Generator().manual_seed(3))
    spread = found.std((1, 2, 3))
    assert spread.max() < 0.52 and spread.max() > 0.4 and spread.min() < 0.1 and abs(float(found.mean())) < 0.02
    assert torch.equal(found, noisy(images, 0.5, torch.Generator().manual_seed(3)))
    assert noisy(images, 0.0) is images
