"""Similarity of generated and real images: FID and KID of two sets, LPIPS of pairs; computed by torchmetrics.

FID and KID compare features, and the choice of features decides what the figure means: use ``"inception"`` (the usual
Inception V3, whose weights are downloaded) to compare with publications; use features of a network trained here on
other people to compare two runs offline.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

__all__ = ["Features", "fid", "kid", "lpips"]

Features = Callable[[np.ndarray], ArrayLike]
"""From images, uint8 (n, H, W, 3), to features (n, d)."""

_BATCH = 64
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
_BACKBONES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}


def fid(real: np.ndarray, generated: np.ndarray, features: Features | Literal["inception"] = "inception") -> float:
    """Fréchet inception distance of two sets of images (Heusel et al. 2017); 0 for equal means and covariances.

    Parameters
    ----------
    real, generated : ndarray of shape (n, H, W, 3), (m, H, W, 3), uint8
        Compare only figures with the same n and m: FID is biased upwards for few images.
    features : callable or "inception"
        "inception" is the last pooling layer of FID's own Inception V3 (2048 wide; images resized to 299).

    Raises
    ------
    ValueError
        If either set has fewer than two images, or the arrays are not uint8 images.
    FileNotFoundError, ImportError
        If "inception" is not available; the message says what to install or which file to put where.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = _both(real, generated, features)
    metric = FrechetInceptionDistance(feature=_Given(a.shape[1]))
    metric.set_dtype(torch.float64)
    metric.update(a, real=True)
    metric.update(b, real=False)
    return max(0.0, float(metric.compute()))


def kid(
    real: np.ndarray,
    generated: np.ndarray,
    features: Features | Literal["inception"] = "inception",
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Kernel inception distance of two sets of images (Bińkowski et al. 2018): mean and std over random subsets.

    Unlike that of :func:`fid`, its expectation does not depend on the number of images: prefer it for small sets.

    Parameters
    ----------
    real, generated, features
        As for :func:`fid`.
    subsets, subset_size : int
        Number of subsets, and images per subset (at most the size of the smaller set).
    seed : int
        Seed of the subsets.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As :func:`fid`.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    a, b = _both(real, generated, features)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        torch.manual_seed(seed)
        size = min(subset_size, len(a), len(b))
        metric = KernelInceptionDistance(feature=_Given(a.shape[1]), subsets=subsets, subset_size=size)
        metric.update(a, real=True)
        metric.update(b, real=False)
        mean, std = metric.compute()
    return float(mean), float(std)


def lpips(first: np.ndarray, second: np.ndarray, network: Literal["alex", "vgg", "squeeze"] = "alex") -> np.ndarray:
    """Perceptual distance of each pair of images (LPIPS, Zhang et al. 2018), (n,); 0 for identical images.

    Parameters
    ----------
    first, second : ndarray of shape (n, H, W, 3), uint8
    network : "alex", "vgg" or "squeeze"
        Its ImageNet weights come from torchvision (downloaded once to ``torch.hub.get_dir()``).

    Raises
    ------
    ValueError
        If the shapes differ or the arrays are not uint8 images.
    FileNotFoundError
        If the weights are not available; the message says which file to put where.
    """
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    if network not in _BACKBONES:
        raise ValueError(f"network={network!r}: choose one of {', '.join(_BACKBONES)}")
    if first.shape != second.shape:
        raise ValueError(f"images of shapes {first.shape} and {second.shape}: pairs need as many of both, of one size")
    a, b = _checked(first), _checked(second)
    try:
        judge = LearnedPerceptualImagePatchSimilarity(net_type=network).net
    except OSError as error:  # URLError is one
        raise FileNotFoundError(
            f"the weights of LPIPS's {network} could not be had ({error}): download "
            f"download.pytorch.org/models/{_BACKBONES[network]} to {torch.hub.get_dir()}/checkpoints/"
        ) from error
    with torch.inference_mode():
        pairs = zip(_chunks(a), _chunks(b), strict=True)
        return np.concatenate([judge(_unit_range(x), _unit_range(y)).flatten().numpy() for x, y in pairs])


class _Given(nn.Module):
    """Stands in for torchmetrics' network: the features are computed already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def _both(real: np.ndarray, generated: np.ndarray, features: Features | str) -> tuple[Tensor, Tensor]:
    """Features of both sets, float64."""
    if features == "inception":
        features = _inception()
    if not callable(features):
        raise ValueError(f"features={features!r}: give 'inception' or a function of images (n, H, W, 3) to (n, d)")
    out = []
    for name, images in (("real", real), ("generated", generated)):
        if len(_checked(images)) < 2:
            raise ValueError(f"{len(images)} {name} images: two are the least")
        rows = np.concatenate([np.asarray(features(chunk), dtype=np.float64) for chunk in _chunks(images)])
        if rows.ndim != 2 or len(rows) != len(images) or not np.isfinite(rows).all():
            raise ValueError(f"features of {len(images)} {name} images have shape {rows.shape} or are not finite")
        out.append(torch.from_numpy(rows))
    return out[0], out[1]


def _inception() -> Features:
    """FID's own Inception V3."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        network: Any = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    except ModuleNotFoundError as error:
        raise ImportError(
            "FID's Inception V3 needs the package torch-fidelity: pip install torch-fidelity; or pass features= a "
            "function of images (n, H, W, 3) to features (n, d)"
        ) from error
    except OSError as error:
        raise FileNotFoundError(
            f"the weights of FID's Inception V3 could not be had ({error}): download {_INCEPTION} of "
            f"github.com/toshas/torch-fidelity/releases to {torch.hub.get_dir()}/checkpoints/, or pass features="
        ) from error

    def read(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)).numpy()

    return read


def _checked(images: np.ndarray) -> np.ndarray:
    if getattr(images, "ndim", 0) != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        shape, kind = getattr(images, "shape", None), getattr(images, "dtype", type(images).__name__)
        raise ValueError(f"images of shape {shape}, {kind}: give (n, H, W, 3) uint8")
    return images


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    return (np.asarray(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH))


def _unit_range(images: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) to float (n, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
