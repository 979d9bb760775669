"""Terms that two or more papers share: pure functions of tensors, computed in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


def in_float32(function: Function) -> Function:
    """Decorate a loss: half-precision tensors are converted to float32 and autocast is off; float64 stays."""

    def widen(value: Any) -> Any:
        half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
        return value.float() if half else value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        with torch.autocast(tensors[0].device.type if tensors else "cpu", enabled=False):
            return function(*map(widen, args), **{name: widen(value) for name, value in kwargs.items()})

    return wrapped  # type: ignore[return-value]


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of rows of ``logits`` (n, K) whose largest value is that of ``labels`` (n,); it has no gradient."""
    return (logits.argmax(1) == labels).float().mean()


@in_float32
def masked_l1(images: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean absolute difference of images to a ground truth that not all of them have.

    Parameters
    ----------
    images, truth : Tensor of shape (n, 3, S, S)
        Images in [-1, 1].
    known : Tensor of shape (n,), bool
        Which images have a ground truth: the mean is over their pixels, and 0 if there are none.
    """
    each = (truth - images).abs().mean((1, 2, 3))
    return torch.where(known, each, 0).sum() / known.sum().clamp(min=1)
