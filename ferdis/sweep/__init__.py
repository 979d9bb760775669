"""Sweeps: choose a system's arguments on training subjects alone, with optuna."""

from __future__ import annotations

import sys

from ferdis._former_names import CallablePackage
from ferdis.sweep.search_space import Space
from ferdis.sweep.sweep import SweepError, sweep

__all__ = ["Space", "SweepError", "sweep"]

sys.modules[__name__].__class__ = CallablePackage  # `from ferdis import sweep` may be called: see there
