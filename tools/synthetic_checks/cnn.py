"""A plain five-block CNN and its training loop, the reference network of the measurements.

It is independent of the systems on purpose, so that the reference does not change when a system is improved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ferdis.datasets.synthetic.memory import keep_freed_memory
from ferdis.zoo.networks import AU_SCALE, FiveBlockCNN, standardise

Augment = Callable[[Tensor, torch.Generator], Tensor]

_STEPS_WARM = 0.25  # share of the one-cycle schedule that raises the learning rate


@dataclass
class Recipe:
    """Training settings of a reference network."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    unit_weight: float = 1.0
    seed: int = 0


def train(
    model: FiveBlockCNN,
    images: np.ndarray,
    labels: np.ndarray | None,
    units: np.ndarray | None,
    augment: Augment,
    recipe: Recipe,
) -> FiveBlockCNN:
    """Train with AdamW and a one-cycle schedule; the last epoch counts.

    Parameters
    ----------
    images : ndarray (n, H, W, C), uint8
        ``augment`` turns a batch of them (float 0..255, (b, C, H, W)) into the network's input.
    labels : ndarray (n,) of int, optional
        Class indices.
    units : ndarray (n, U), optional
        Action unit intensities 0..5.
    """
    keep_freed_memory()
    generator = torch.Generator().manual_seed(recipe.seed)
    source = torch.from_numpy(images)
    targets = None if labels is None else torch.tensor(labels, dtype=torch.long)
    intensities = None if units is None else torch.tensor(units, dtype=torch.float32) / AU_SCALE
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = max(len(images) // recipe.batch_size, 1) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=_STEPS_WARM
    )
    for _ in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator)
        for batch in order[: steps // recipe.epochs * recipe.batch_size].split(recipe.batch_size):
            inputs = augment(_floats(source[batch]), generator).contiguous(memory_format=torch.channels_last)
            with _autocast():
                scores, estimates = model(inputs)
            loss = torch.zeros(())
            if targets is not None:
                loss = loss + F.cross_entropy(scores.float(), targets[batch], label_smoothing=recipe.label_smoothing)
            if intensities is not None:
                loss = loss + recipe.unit_weight * F.mse_loss(estimates.float(), intensities[batch]) * AU_SCALE
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def predict(
    model: FiveBlockCNN, images: np.ndarray, prepare: Augment, mirror: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities (n, classes) and intensities 0..5 (n, units); mean of image and mirror image."""
    generator = torch.Generator().manual_seed(0)
    scores, units = [], []
    for start in range(0, len(images), 256):
        inputs = prepare(_floats(torch.from_numpy(images[start : start + 256])), generator)
        views = [inputs, inputs.flip(3)] if mirror else [inputs]
        outputs = [model(view.contiguous(memory_format=torch.channels_last)) for view in views]
        scores.append(torch.stack([score.softmax(1) for score, _ in outputs]).mean(0))
        units.append(torch.stack([unit for _, unit in outputs]).mean(0) * AU_SCALE)
    return torch.cat(scores).numpy(), torch.cat(units).numpy()


def plain(images: Tensor, generator: torch.Generator) -> Tensor:
    """No augmentation."""
    return standardise(images)


def mirrored_shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random mirror and a shift of up to 4 %: the usual light augmentation."""
    flip = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    reach = max(round(images.shape[2] * 0.04), 1)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
    return standardise(padded[:, :, down : down + images.shape[2], right : right + images.shape[3]])


def unweighted_recall(true: np.ndarray, predicted: np.ndarray) -> float:
    """UAR: mean recall over the classes that occur."""
    return float(np.mean([(predicted[true == name] == name).mean() for name in np.unique(true)]))


def _floats(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float()


def _autocast() -> torch.autocast:
    fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(fast))
