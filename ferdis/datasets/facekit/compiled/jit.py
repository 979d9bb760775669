"""How loops are compiled: once for a machine, kept on disk, and free of Python's lock while they run.

What is kept is told apart by the loop's own file alone. So a loop calls only functions of its file, and takes what it
needs of other modules as arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled at its first call; without a place on disk that can be written, in every process."""
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "cannot cache function": neither the package nor the home folder can be written
        return numba.njit(**options)(function)
