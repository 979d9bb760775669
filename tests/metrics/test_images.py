"""FID and KID against their formulas in NumPy; without weights a clear line."""

from __future__ import annotations

import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
import torchvision
from scipy.linalg import sqrtm

from ferdis.metrics.images import fid, kid, lpips


def images(n: int, seed: int, low: int = 0, high: int = 256, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (n, size, size, 3), dtype=np.uint8)


def features(images: np.ndarray) -> np.ndarray:
    """Mean of each channel's left and right half: six numbers an image."""
    halves = images.reshape(len(images), images.shape[1], 2, -1, 3).mean(axis=(1, 3))
    return halves.reshape(len(images), 6) / 25


def test_fid_is_the_formula() -> None:
    a, b = images(300, 0), images(200, 1, high=200)
    x, y = features(a), features(b)
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(cov_x + cov_y - 2 * sqrtm(cov_x @ cov_y).real)
    assert fid(a, b, features) == pytest.approx(expected, rel=1e-6)
    assert fid(a, b, lambda some: features(some) + 1000) == pytest.approx(expected, rel=1e-5), "in double precision"
    assert fid(a, a, features) == pytest.approx(0, abs=1e-6)


def test_kid_is_the_formula() -> None:
    """With one subset of everything KID is the unbiased estimate of the squared MMD."""
    a, b = images(40, 0), images(40, 1, high=180)
    x, y = features(a), features(b)
    kernel = lambda p, q: (p @ q.T / p.shape[1] + 1) ** 3  # noqa: E731
    within = [(k.sum() - np.trace(k)) / (40 * 39) for k in (kernel(x, x), kernel(y, y))]
    mean, std = kid(a, b, features, subsets=1)
    assert mean == pytest.approx(sum(within) - 2 * kernel(x, y).mean(), rel=1e-6)
    assert std == 0


def test_kid_of_one_source_is_about_zero_whatever_the_number() -> None:
    apart, _ = kid(images(80, 0), images(80, 1, high=200), features)
    for n in (20, 80):
        mean, _ = kid(images(n, 0), images(n, 1), features)
        assert abs(mean) < 0.05 * apart


def test_kid_takes_subsets_of_the_smaller_set() -> None:
    few, many = images(20, 0), images(45, 1, high=180)
    for a, b in ((few, many), (many, few)):
        mean, _ = kid(a, b, features, subsets=3)
        assert mean == kid(a, b, features, subsets=3, subset_size=20)[0] > 0


def test_inception_is_given_upright_red_green_and_blue(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[torch.Tensor] = []

    class Network:
        def __init__(self, **_: object) -> None: ...

        def __call__(self, chunk: torch.Tensor) -> torch.Tensor:
            given.append(chunk)
            return chunk.double().mean(dim=3).flatten(1)

    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", Network)
    a = images(70, 0)
    assert kid(a, a, subsets=1)[0] != 0
    seen = torch.cat(given)[:70].numpy()
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, np.stack([a[..., channel] for channel in range(3)], 1))


def test_kid_is_seeded_and_leaves_the_random_state_alone() -> None:
    a, b = images(60, 0), images(60, 1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = kid(a, b, features, subset_size=20, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert first == kid(a, b, features, subset_size=20, seed=1) != kid(a, b, features, subset_size=20, seed=2)


def test_bad_images() -> None:
    a = images(4, 0)
    with pytest.raises(ValueError, match="give \\(n, H, W, 3\\) uint8"):
        fid(a.astype(float), a, features)
    with pytest.raises(ValueError, match="1 generated images"):
        fid(a, a[:1], features)
    with pytest.raises(ValueError, match="features='vgg'"):
        fid(a, a, "vgg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="features of 4 real images"):
        fid(a, a, lambda images: np.full((len(images), 2), np.nan))
    with pytest.raises(ValueError, match="pairs need as many"):
        lpips(a, a[:2])
    with pytest.raises(ValueError, match="network='resnet'"):
        lpips(a, a, "resnet")  # type: ignore[arg-type]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_without_a_network_the_error_names_file_and_folder(offline, tmp_path) -> None:
    a = images(4, 0, size=64)
    with pytest.raises(FileNotFoundError, match=rf"alexnet-owt-7be5be79\.pth to {tmp_path}/hub/checkpoints/"):
        lpips(a, a)
    with pytest.raises((FileNotFoundError, ImportError), match=r"torch-fidelity"):
        fid(a, a)


def test_lpips_is_that_of_images_in_minus_one_to_one_and_grows_with_the_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torchmetrics' own class takes images in 0..1 and brings them to [-1, 1] where it is asked to normalise."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    torch.manual_seed(0)
    backbone = torchvision.models.squeezenet1_1(weights=None)  # the smallest, and nothing is downloaded
    monkeypatch.setattr(torchvision.models, "squeezenet1_1", lambda weights: backbone)
    a = images(3, 0, size=64)
    others = (a, np.clip(a.astype(int) + 5, 0, 255).astype(np.uint8), images(3, 9, high=120, size=64))
    equal, little, much = found = [lpips(a, b, "squeeze") for b in others]
    assert equal.shape == (3,) and np.allclose(equal, 0, atol=1e-6)
    assert (equal < little).all() and (little < much).all()
    judge = LearnedPerceptualImagePatchSimilarity(net_type="squeeze", normalize=True)
    for b, distances in zip(others, found, strict=True):
        first, second = (torch.stack([torchvision.transforms.functional.to_tensor(one) for one in x]) for x in (a, b))
        assert float(judge(first, second)) == pytest.approx(distances.mean(), rel=1e-4)
        judge.reset()
