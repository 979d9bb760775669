"""What IF-GAN and its baseline fit to the classes of one training set: feature centres, and average faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.preprocess.augment import to_unit_range


class Centres(nn.Module):
    """One centre per class for the island loss, in float32; moved by :meth:`move`, not by an optimiser.

    Parameters
    ----------
    n_classes, width : int
        Number of centres, and their length.
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
        """Step by -rate * (centre-loss delta + gradient of the alpha term); a new class starts at its mean.

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
            push = self.alpha * cosine_sum(centres, self.known)
            (gradient,) = torch.autograd.grad(push, centres)
        self.values -= self.rate * (delta + gradient)


class Averages(nn.Module):
    """The average face of each class: images (K, 3, S, S) in [-1, 1]; data, not weights."""

    pictures: Tensor  # the name in saved files

    def __init__(self, n_classes: int, size: int) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(n_classes, 3, size, size))

    def fit(self, images: Any, labels: np.ndarray, rows: np.ndarray, names: Any = (), chunk: int = 256) -> None:
        """Average ``images[rows]`` (uint8, n, S, S, 3) by class; ValueError that names the class if one has no rows."""
        sums = np.zeros((len(self.pictures), *images.shape[1:]))
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            np.add.at(sums, labels[part], images[part].astype(np.float64))
        counts = np.bincount(labels[rows], minlength=len(sums)).reshape(-1, 1, 1, 1)
        if (counts == 0).any():
            missing = [str(names[k] if len(names) else k) for k in np.flatnonzero(counts == 0)]
            raise ValueError(f"average_from: no face shows {', '.join(missing)}, so that it has no average")
        self.pictures.copy_(to_unit_range(torch.from_numpy(sums / counts)))


def cosine_sum(centres: Tensor, known: Tensor | None = None) -> Tensor:
    """sum_{j != k} (cos(c_j, c_k) + 1) over the known centres, the second part of Eq. 5."""
    unit = F.normalize(centres, dim=1)
    pairs = ~torch.eye(len(centres), dtype=torch.bool, device=centres.device)
    if known is not None:
        pairs = pairs & known[:, None] & known[None, :]
    return ((unit @ unit.T + 1) * pairs).sum()
