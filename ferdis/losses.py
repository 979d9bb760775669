"""Loss terms that two or more systems share: pure functions of tensors, computed in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Function = TypeVar("Function", bound=Callable[..., Any])


def in_float32(function: Function) -> Function:
    """Decorate a loss: half-precision tensors arrive as float32 and autocast is off inside; float64 stays."""

    def widen(value: Any) -> Any:
        half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
        return value.float() if half else value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        with torch.autocast(tensors[0].device.type if tensors else "cpu", enabled=False):
            return function(*map(widen, args), **{name: widen(value) for name, value in kwargs.items()})

    return wrapped  # type: ignore[return-value]


ISLAND_REDUCTIONS = ("mean", "batch_mean", "sum")


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of rows of ``logits`` (n, classes) whose largest is that of ``labels`` (n,): to log, not to learn from."""
    return (logits.argmax(1) == labels).float().mean()


@in_float32
def island_loss(
    features: Tensor,
    labels: Tensor,
    centres: Tensor,
    alpha: float = 0.03,
    reduction: str = "mean",
    known: Tensor | None = None,
) -> Tensor:
    """``sum_i |x_i - c_yi|^2 + alpha sum_{j != k} (cos(c_j, c_k) + 1)`` (Eq. 5; Cai et al. 2018).

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Pooled features x of E.
    labels : Tensor of shape (n,), int64
    centres : Tensor of shape (K, d)
        No gradient flows into them: :meth:`Centres.move` moves them.
    alpha : float
        0 makes it the centre loss.
    reduction : str
        Of the first term: ``"mean"`` over images and features, ``"batch_mean"`` over images, ``"sum"`` as printed.
    known : Tensor of shape (K,), bool, optional
        Centres that are set; the others attract nothing and enter no cosine.
    """
    if reduction not in ISLAND_REDUCTIONS:
        raise ValueError(f"island_reduction={reduction!r}: choose one of {', '.join(ISLAND_REDUCTIONS)}")
    centres = centres.detach().to(features.dtype)
    squared = (features - centres[labels]).square().sum(1)
    if known is not None:  # a class that has no centre yet pulls nowhere
        squared = squared * known[labels]
    divisor = {"mean": features.numel(), "batch_mean": len(features), "sum": 1}[reduction]
    return squared.sum() / divisor + alpha * _cosine_sum(centres, known)


class Centres(nn.Module):
    """One centre a class for the island loss, in float32; moved by :meth:`move`, not by an optimiser.

    Parameters
    ----------
    n_classes, width : int
        Centres, and features of each.
    alpha : float
        Weight of the cosine term of Eq. 5.
    rate : float
        Step of the centres; 0.5 in the centre loss (Wen et al. 2016).
    """

    values: Tensor
    known: Tensor

    def __init__(self, n_classes: int, width: int, alpha: float = 0.03, rate: float = 0.5) -> None:
        super().__init__()
        self.alpha, self.rate = alpha, rate
        self.register_buffer("values", torch.zeros(n_classes, width))
        self.register_buffer("known", torch.zeros(n_classes, dtype=torch.bool))

    @torch.no_grad()
    def move(self, features: Tensor, labels: Tensor, reduce: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Step by -rate * (centre-loss delta + gradient of the alpha term); a class first seen starts at its mean.

        Parameters
        ----------
        features : Tensor of shape (n, width)
        labels : Tensor of shape (n,), int64
        reduce : callable
            Sums a tensor over the processes of a distributed run.
        """
        member = F.one_hot(labels, len(self.values)).float()  # (n, K)
        counts = reduce(member.sum(0))  # (K,)
        sums = reduce(member.T @ features.detach().float())  # (K, width)
        new = (counts > 0) & ~self.known
        self.values.copy_(torch.where(new[:, None], sums / counts.clamp(min=1)[:, None], self.values))
        self.known |= new
        delta = (counts[:, None] * self.values - sums) / (1 + counts[:, None])  # Wen et al. 2016, Eq. 4
        with torch.enable_grad():
            centres = self.values.clone().requires_grad_()
            push = self.alpha * _cosine_sum(centres, self.known)
            (gradient,) = torch.autograd.grad(push, centres)
        self.values -= self.rate * (delta + gradient)


def _cosine_sum(centres: Tensor, known: Tensor | None = None) -> Tensor:
    """sum_{j != k} (cos(c_j, c_k) + 1) over the known centres, the second part of Eq. 5."""
    unit = F.normalize(centres, dim=1)
    pairs = ~torch.eye(len(centres), dtype=torch.bool, device=centres.device)
    if known is not None:
        pairs = pairs & known[:, None] & known[None, :]
    return ((unit @ unit.T + 1) * pairs).sum()


_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@in_float32
def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale structural similarity of images, 1 for equal ones (Wang, Simoncelli, Bovik 2003).

    Five scales from 128 pixels on, three from 64, one below, their weights renormalised; windows of 7 pixels, as 11 do
    not fit the last scale. A scale below 1e-4 counts as that: one negative scale would take the gradient of all.

    Parameters
    ----------
    a, b : Tensor of shape (n, 3, S, S)
        Images in [0, 1].

    Returns
    -------
    Tensor of shape (n,)
    """
    scales = 5 if a.shape[-1] >= 128 else 3 if a.shape[-1] >= 64 else 1
    weights = _MS_SSIM_WEIGHTS[:scales]
    place = torch.arange(7, dtype=a.dtype, device=a.device) - 3
    window = (-place.square() / (2 * 1.5**2)).exp()
    window = window / window.sum()

    def blur(x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.conv2d(x, window.reshape(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)
        return F.conv2d(x, window.reshape(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)

    result = a.new_ones(len(a))
    for scale, weight in enumerate(weights):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        mean_a, mean_b, squares_a, squares_b, products = blur(torch.cat([a, b, a * a, b * b, a * b], 1)).chunk(5, 1)
        covariance = products - mean_a * mean_b
        variances = squares_a - mean_a.square() + squares_b - mean_b.square()
        similarity = (2 * covariance + 0.03**2) / (variances + 0.03**2)  # contrast and structure
        if scale == scales - 1:
            similarity = similarity * (2 * mean_a * mean_b + 0.01**2) / (mean_a.square() + mean_b.square() + 0.01**2)
        result = result * similarity.mean((1, 2, 3)).clamp(min=1e-4) ** (weight / sum(weights))
    return result


@in_float32
def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean of ``(|grad D(I)|_2 - 1)^2`` over images, WGAN-GP's (Gulrajani et al. 2017; EGGAN's Eq. 2).

    Parameters
    ----------
    critic : callable
        Images (n, C, S, S) to values (n,).
    images : Tensor of shape (n, C, S, S)
        Where the gradient is taken: points between real and generated images, or real ones.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # The norm's own gradient is infinite at 0, where a critic that is still constant stands.
    return ((gradient.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
