"""Trainings in float64, in which two ways to compute one thing agree to rounding of 1e-16 and a mistake shows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from ferdis.systems import base
from ferdis.training import Batch, Stage, Trainer


class WideTrainer(Trainer):
    """Networks and batches in float64; of precision "32-true", which casts nothing."""

    def run(self, stages: Any, *, signature: str = "") -> Any:
        """Train the stages, widened."""
        for module in (module for stage in stages for module in stage.modules.values()):
            module.double()
        return super().run([_wide(stage) for stage in stages], signature=signature)


def _wide(stage: Stage) -> Stage:
    def batches(epoch: int) -> list[Batch]:
        return [{name: t.double() if t.is_floating_point() else t for name, t in one.items()} for one in drawn(epoch)]

    drawn: Callable[[int], Any] = stage.batches
    return replace(stage, batches=batches)


@contextmanager
def in_float64() -> Iterator[None]:
    """Every system trains and predicts in float64 inside the block, its losses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "Trainer", WideTrainer)
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        for module in [module for name, module in sys.modules.items() if name.startswith("ferdis.")]:
            if hasattr(module, "to_unit_range"):
                patch.setattr(module, "to_unit_range", lambda images: images.permute(0, 3, 1, 2).double() / 127.5 - 1)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)
