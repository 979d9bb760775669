"""Training: stages of phases, run by :class:`Trainer`, the only place that calls ``backward`` and ``step``."""

from __future__ import annotations

from ferdis.losses import in_float32
from ferdis.training.batches import ArrayBatches, Batch
from ferdis.training.callbacks import Callback
from ferdis.training.distributed import rank_and_world
from ferdis.training.history import History
from ferdis.training.phases import DrawThenForward, Modules, Phase, Stage, linear_decay_second_half
from ferdis.training.seeding import seeded
from ferdis.training.trainer import Trainer, TrainingDiverged

__all__ = [
    "ArrayBatches",
    "Batch",
    "Callback",
    "DrawThenForward",
    "History",
    "Modules",
    "Phase",
    "Stage",
    "Trainer",
    "TrainingDiverged",
    "in_float32",
    "linear_decay_second_half",
    "rank_and_world",
    "seeded",
]
