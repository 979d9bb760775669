"""One seed for everything random: Python, NumPy and torch."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, NumPy and torch for the block, and put the caller's random state back after it.

    Build networks inside it: the same seed gives the same initial weights whatever ran before.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 (what others may use)
    try:
        cuda = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # do not wake a GPU for this
        with torch.random.fork_rng(cuda):
            seed_everything(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def derived_seed(*parts: int) -> int:
    """A 63-bit seed that differs wherever one of the non-negative `parts` differs."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
