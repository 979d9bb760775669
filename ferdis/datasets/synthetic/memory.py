"""Keep freed memory in the process, so that each batch does not page-fault again.

The layers of a batch are a few megabytes each: glibc returns each of them to the kernel at once and requests it again
for the next, which takes as long as the arithmetic. Raising two thresholds stops that; the memory in use stays what
one batch needs.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 32 * 1024 * 1024  # glibc accepts no more


@cache
def keep_freed_memory() -> bool:
    """Raise malloc's thresholds where the C library has them (glibc); True if it took them. Done once."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, 16 * _LARGEST))
