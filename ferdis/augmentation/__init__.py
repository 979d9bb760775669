"""Generated training faces: generators fitted inside each training fold, filtered, with their provenance."""

from __future__ import annotations

from ferdis.augmentation.augmented import Augmented
from ferdis.augmentation.filtering import QualityFilter
from ferdis.augmentation.generating import PROVENANCE, Generated, check_generator, express, generate, shortfall

__all__ = [
    "PROVENANCE",
    "Augmented",
    "Generated",
    "QualityFilter",
    "check_generator",
    "express",
    "generate",
    "shortfall",
]
