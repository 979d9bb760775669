"""Where the time of a training step goes, by kinds of operations."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from torch.profiler import ProfilerActivity, profile, record_function

_COUNTED = "ferdis: counted"
AUGMENTATION = "ferdis.preprocess.augment"
GROUPS = ("layers", "norms", "optimiser", "augmentation", "copies and casts", "elementwise and the rest", "Python")
_KINDS = (
    ("layers", ("conv", "mm", "linear", "scaled_dot_product")),
    ("norms", ("batch_norm", "instance_norm", "group_norm", "layer_norm")),
    ("copies and casts", ("copy_", "aten::cat", "aten::fill_", "aten::zero_", "aten::clone", "empty_strided")),
)


def shares(run: Callable[[], Any]) -> dict[str, float]:
    """Share of the time of ``run`` by :data:`GROUPS`; "Python" is what no operation of torch takes.

    The second of two calls counts: in the first the profiler's own memory grows beside the program's. It lengthens
    short operations all the same: small shares are upper bounds.
    """
    with _named(), profile(activities=[ProfilerActivity.CPU]) as recorded:
        run()
        with record_function(_COUNTED):
            run()
    spent: Counter[str] = Counter()
    events = recorded.events()
    counted = next(event for event in events if event.name == _COUNTED)
    whole = counted.cpu_time_total / 1e6
    for event in events:
        if event.time_range.start >= counted.time_range.start and event is not counted:
            spent[_group(event)] += event.self_cpu_time_total / 1e6
    spent["Python"] = whole - sum(spent.values())
    return {name: max(0.0, spent[name]) / whole for name in GROUPS}


def _group(event: Any) -> str:
    """Of an operation: by what it was called from, then by its name."""
    above = event
    while above is not None:
        if above.name.startswith("Optimizer.step"):
            return "optimiser"
        if above.name == AUGMENTATION:
            return "augmentation"
        above = above.cpu_parent
    return next((kind for kind, words in _KINDS if any(word in event.name for word in words)), GROUPS[-2])


@contextmanager
def _named() -> Iterator[None]:
    """The functions of the augmentation say their name to the profiler, wherever a system has imported them."""
    with ExitStack() as stack:
        for module in [found for name, found in sys.modules.items() if name.startswith("ferdis.systems")]:
            for name, value in vars(module).copy().items():
                if inspect.isfunction(value) and value.__module__ == AUGMENTATION:
                    stack.enter_context(mock.patch.object(module, name, _told(value)))
        yield


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def told(*given: Any, **named: Any) -> Any:
        with record_function(AUGMENTATION):
            return function(*given, **named)

    return told
