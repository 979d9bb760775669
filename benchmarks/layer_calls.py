"""The convolutions and matrix products of a program, each timed alone: what its layers cost where nothing else runs."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import flop_registry

SECONDS = 0.004  # smallest duration of one turn of a call


class Shape(NamedTuple):
    """A tensor without its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: str

    @classmethod
    def of(cls, tensor: Tensor) -> Shape:
        """That of a tensor."""
        return cls(tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype, str(tensor.device))

    def filled(self, layout: torch.memory_format | None = None) -> Tensor:
        """Noise of this shape; images and kernels (n, c, h, w) in another layout, where one is given."""
        one = tuple(1 if stride == 0 else side for side, stride in zip(self.size, self.stride, strict=True))
        made = torch.empty_strided(one, self.stride, dtype=self.dtype, device=self.device).normal_().expand(self.size)
        return made.contiguous(memory_format=layout) if layout is not None and made.ndim == 4 else made


class Call(NamedTuple):
    """One operation of torch with the shapes of its arguments, printable and comparable."""

    operation: Any
    arguments: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]
    flop: int

    def bound(self, layout: torch.memory_format | None = None) -> Callable[[], Any]:
        """The call with noise for its tensors."""
        given, named = _revived([self.arguments, dict(self.named)], layout)
        return lambda: self.operation(*given, **named)


class LayerCalls(TorchDispatchMode):
    """Counts the operations that torch knows the FLOP of (``torch.utils.flop_counter``), as they run inside the block.

    The formulas are those of ``FlopCounterMode``, which itself cannot follow a gradient inside a loss.

    Attributes
    ----------
    calls : Counter of Call
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Call] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run it, and note it if it is one of them."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            flop = int(formula(*args, **kwargs, out_val=out))
            plain = tree_map_only(Tensor, Shape.of, (args, kwargs))
            self.calls[Call(func, _hashable(plain[0]), tuple(sorted(_hashable(plain[1]).items())), flop)] += 1
        return out

    @property
    def flop(self) -> int:
        """Of all calls together."""
        return sum(call.flop * count for call, count in self.calls.items())

    def seconds(self, rounds: int, clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
        """Processor time of all calls, each alone: in the layouts the program has, and each in its fastest layout."""
        own = best = 0.0
        for call, count in self.calls.items():
            ways = [call.bound()]
            if "convolution" in str(call.operation):
                ways += [call.bound(layout) for layout in (torch.contiguous_format, torch.channels_last)]
            times = _timed(ways, rounds, clock)
            own, best = own + count * times[0], best + count * min(times)
        return own, best


@torch.no_grad()
def _timed(ways: list[Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> list[float]:
    """Median seconds of a call of each, in turns."""
    for run in ways:
        run()
    start = clock()
    ways[0]()
    repeats = max(1, math.ceil(SECONDS / max(clock() - start, 1e-6)))
    spent: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for number, run in enumerate(ways):
            start = clock()
            for _ in range(repeats):
                run()
            spent[number].append((clock() - start) / repeats)
    return [statistics.median(values) for values in spent]


def _revived(value: Any, layout: torch.memory_format | None) -> Any:
    if isinstance(value, Shape):
        return value.filled(layout)
    if isinstance(value, dict):
        return {name: _revived(item, layout) for name, item in value.items()}
    return [_revived(item, layout) for item in value] if isinstance(value, list | tuple) else value


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hashable(item) for name, item in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Shape):
        return tuple(_hashable(item) for item in value)
    return value
