"""Memory between steps and between fits: what is freed stays with the process, what is left over is found cheaply."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform
from collections.abc import Callable, Iterator

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
_KEPT = {_TRIM: 2**31 - 1, _MMAP: 2**30}
_USUAL = {_TRIM: 2**26, _MMAP: 2**25}  # what glibc comes to by itself where blocks of some megabytes are freed


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside the block freed memory is not given back to the system; it is at the end.

    By itself glibc gives the activations of a step back, depending on where in memory they lie, and the next step has
    them cleared page by page: up to a sixth of the time of a small network's step. No number changes. Nothing is done
    where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    for name, value in _KEPT.items():
        library.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in _USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


@contextlib.contextmanager
def cheap_collections() -> Iterator[Callable[[], None]]:
    """Gives a function that frees what reference cycles hold; from its second call on only what was made meanwhile.

    A full collection walks over every object of the process, those of the libraries included: a quarter of a second,
    as long as a small fit. After the first one here what is left is set aside (`gc.freeze`) until the block ends,
    unless somebody else has set objects aside.
    """
    first, set_aside = True, False

    def collect() -> None:
        nonlocal first, set_aside
        gc.collect()
        if first and not gc.get_freeze_count():  # to count them takes as long as they are many
            gc.freeze()
            set_aside = True
        first = False

    try:
        yield collect
    finally:
        if set_aside:
            gc.unfreeze()
