"""Several things at once, each computed by one thread alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_AHEAD = 4  # results a thread that may be computed before they are asked for: memory must not grow

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_on_one_thread(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Apply a function to each item, as many at a time as torch has threads; yields the results in order.

    An item is computed by one thread from beginning to end. That is faster than threads inside each operation where
    operations are small (they would wait for each other at every one), and it makes a result independent of the number
    of threads: a sum is never split over them.

    Parameters
    ----------
    function : callable
        Called with one item; it must not depend on other calls.
    items : sequence

    Yields
    ------
    result of ``function``
    """
    torch = sys.modules.get("torch")  # where nothing has imported it, nothing runs in it
    threads = _cores() if torch is None else torch.get_num_threads()
    limit: Callable[[int], Any] = (lambda count: None) if torch is None else torch.set_num_threads
    try:
        if threads == 1 or len(items) < 2:
            limit(1)
            yield from map(function, items)
            return
        with ThreadPoolExecutor(threads, initializer=limit, initargs=(1,)) as pool:
            for start in range(0, len(items), _AHEAD * threads):
                yield from pool.map(function, items[start : start + _AHEAD * threads])
    finally:
        limit(threads)  # some of torch's libraries take the workers' setting for everybody's


def _cores() -> int:
    """Threads to use where torch does not say: ``$OMP_NUM_THREADS``, or the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
