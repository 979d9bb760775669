"""Several things at once, each computed by one thread alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

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
    threads = torch.get_num_threads()
    try:
        if threads == 1 or len(items) < 2:
            torch.set_num_threads(1)
            yield from map(function, items)
            return
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for start in range(0, len(items), _AHEAD * threads):
                yield from pool.map(function, items[start : start + _AHEAD * threads])
    finally:
        torch.set_num_threads(threads)  # some of torch's libraries take the workers' setting for everybody's
