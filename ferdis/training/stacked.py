"""The networks of several trainings as one: their tensors stacked, and one call for all of them.

:mod:`ferdis.training.fused` says what is called, and when. Everything that belongs to one training is a row: of the
stacked parameters and buffers, of the stacked batches, of the tensors that the functions hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ferdis.training.batches import Batch
from ferdis.training.phases import Modules
from ferdis.training.turns import RandomState

_ROW = "_ferdis_row"  # what a row of a batch knows: (the stacked tensor that it is of, its number)


class Networks(nn.Module):
    """A stage's networks as one module, to be called with other tensors than its own."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(modules)

    def forward(self, function: Callable[[Modules, Batch], Any], batch: Batch) -> Any:
        """``function(modules, batch)``."""
        return function(Modules(**self.networks), batch)


class Stack:
    """The tensors of the networks of several trainings: each is a row of a stacked tensor from now on.

    What an optimiser does to a network, and what batch norm keeps, is then in the stacked tensor and the network alike.

    Parameters
    ----------
    networks : as many as there are trainings, of one architecture.

    Attributes
    ----------
    parameters, buffers : name -> tensor of shape (trainings, ...).
    """

    def __init__(self, networks: Sequence[Networks]) -> None:
        self.count = len(networks)
        self._places: list[tuple[Tensor, int]] = []
        self.parameters = self._stacked([dict(one.named_parameters()) for one in networks])
        self.buffers = self._stacked([dict(one.named_buffers()) for one in networks])

    def _stacked(self, tensors: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {name: self._rows([some[name] for some in tensors]) for name in tensors[0]}

    @torch.no_grad()
    def _rows(self, parts: Sequence[Tensor]) -> Tensor:
        first = parts[0]
        strides = (first.numel(), *torch.empty_like(first).stride())  # each row in the layout that its tensor has
        whole = torch.empty_strided((len(parts), *first.shape), strides, dtype=first.dtype, device=first.device)
        for part, row in zip(parts, whole, strict=True):
            part.data = row.copy_(part)
            self._places.append((part, part.data_ptr()))
        return whole

    def holds(self) -> bool:
        """Whether the networks' tensors are still its rows; who gives a network other ones ends that."""
        return all(tensor.data_ptr() == place for tensor, place in self._places)

    def require_gradients(self, names: Iterable[str]) -> None:
        """Have these parameters require gradients, and no others."""
        wanted = set(names)
        for name, whole in self.parameters.items():
            whole.requires_grad_(name in wanted)

    def gradient(self, name: str, row: int) -> Tensor | None:
        """A training's gradient of a parameter."""
        found = self.parameters[name].grad
        return None if found is None else found[row]

    def forget_gradients(self) -> None:
        """Make all gradients None."""
        for whole in self.parameters.values():
            whole.grad = None

    def call(
        self,
        networks: Networks,
        rows: Sequence[int],
        functions: Sequence[Callable[[Modules, Batch], dict[str, Tensor]]],
        batches: Sequence[Batch],
        states: Sequence[RandomState],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """``function(modules, batch)`` of several trainings at once.

        Parameters
        ----------
        networks : of one of them.
        rows : which trainings they are.
        functions : alike but for the tensors that they hold, see :func:`compared`.
        batches : of equal shapes.
        states : the random states that dropout draws from, and moves on.

        Returns
        -------
        dict, dict
            What the function gives, and what it has left in the batch: tensors of shape (len(rows), ...).
        """
        parameters, buffers = self.parameters, self.buffers
        if some := len(rows) < self.count:
            chosen = torch.tensor(rows, device=next(iter(parameters.values())).device)
            parameters = {name: whole.index_select(0, chosen) for name, whole in parameters.items()}
            buffers = {name: whole.index_select(0, chosen) for name, whole in buffers.items()}
        batch = {name: _whole([one[name] for one in batches]) for name in batches[0]}
        held = [torch.stack(own) for own in zip(*(compared(one)[1] for one in functions), strict=True)]

        def of_one(tensors: dict[str, Tensor], given: Batch, own: list[Tensor]) -> tuple[dict[str, Tensor], Batch]:
            batch = dict(given)
            result = functional_call(networks, tensors, (_with_tensors(functions[0], iter(own)), batch))
            return result, {name: tensor for name, tensor in batch.items() if tensor is not given.get(name)}

        with _AsAlone(states):
            found: tuple[dict[str, Tensor], dict[str, Tensor]] = torch.vmap(of_one)(
                {**parameters, **buffers}, batch, held
            )
        if some:  # by .data: as with one training, a graph hears nothing of what a norm keeps
            for name, whole in self.buffers.items():
                whole.data.index_copy_(0, chosen, buffers[name])
        return found


def rows_of(tensors: Mapping[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """Stacked tensors as one mapping for each training; :meth:`Stack.call` finds the stacked ones again."""
    found: list[dict[str, Tensor]] = [{} for _ in range(count)]
    for name, whole in tensors.items():
        for row, part in enumerate(whole.unbind()):
            setattr(part, _ROW, (whole, row))
            found[row][name] = part
    return found


def shared_graphs(batch: Batch) -> list[Tensor]:
    """Of a batch of :func:`rows_of`: the stacked tensors whose graph all of their rows share."""
    wholes = [getattr(tensor, _ROW)[0] for tensor in batch.values() if hasattr(tensor, _ROW)]
    return [whole for whole in wholes if whole.requires_grad]


def _whole(parts: Sequence[Tensor]) -> Tensor:
    """The tensor whose rows these are, or a new one."""
    known = [getattr(part, _ROW, (None, -1)) for part in parts]
    whole = known[0][0]
    if whole is not None and len(whole) == len(parts) and all(k[0] is whole and k[1] == n for n, k in enumerate(known)):
        return whole
    return torch.stack(list(parts))


class _AsAlone(TorchFunctionMode):
    """In torch.vmap: dropout draws from each training's own random state, and what it lacks is done in another way."""

    def __init__(self, states: Sequence[RandomState]) -> None:
        super().__init__()
        self.states = states

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is F.dropout:
            return self._dropout(*args, **(kwargs or {}))
        if function is Tensor.contiguous:
            return args[0]
        if function is F.batch_norm and args[0].ndim == 2 and args[0].dtype in (torch.bfloat16, torch.float16):
            # torch.vmap has none of half-precision rows with statistics in float32, in which all of it is computed.
            return function(args[0].float(), *args[1:], **(kwargs or {})).to(args[0].dtype)
        return function(*args, **(kwargs or {}))

    def _dropout(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return _Dropout.apply(values, p, self.states) if training and p else values  # type: ignore[no-untyped-call]


class _Dropout(torch.autograd.Function):
    """Dropout of stacked values, each row with a mask that is drawn from its own random state."""

    @staticmethod
    def forward(values: Tensor, p: float, states: Sequence[RandomState]) -> Tensor:
        """Of values that are not stacked, there is none."""
        raise RuntimeError("dropout of what is no training's own")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing: the gradient is that of the product below."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, values: Tensor, p: float, states: Sequence[RandomState]) -> tuple[Tensor, int]:
        """The stacked values, and where their rows are."""
        rows = values.movedim(in_dims[0], 0)
        masks = []
        for row, state in zip(rows, states, strict=True):
            state.put_torch()
            masks.append(F.dropout(torch.ones_like(row), p, True))
            state.take_torch()
        return rows * torch.stack(masks), 0


# ------------------------------------------------------------------------------------------------ what is alike


def compared(function: Any) -> tuple[Hashable, list[Tensor]]:
    """What tells a function from others, in which its tensors are left open; and these tensors.

    Raises
    ------
    TypeError
        If it holds what cannot be compared.
    """
    if isinstance(function, Tensor):
        return (function.shape, function.dtype, function.device), [function]
    if isinstance(function, partial):
        alike, tensors = _all_compared((function.func, *function.args, *function.keywords.values()))
        return (tuple(function.keywords), alike), tensors
    if isinstance(function, tuple | list | Mapping):
        parts = [part for pair in function.items() for part in pair] if isinstance(function, Mapping) else function
        alike, tensors = _all_compared(parts)
        if not tensors:
            return (type(function), alike), []
    if function is None or isinstance(function, bool | int | float | str | type | BuiltinFunctionType):
        return (type(function), function), []
    if (code := getattr(function, "__code__", None)) is not None and not hasattr(function, "__self__"):
        inside = [*(cell.cell_contents for cell in function.__closure__ or ()), *(function.__defaults__ or ())]
        alike, tensors = _all_compared(inside)
        if not tensors:
            return (function.__module__, code, alike), []
    raise TypeError(f"{getattr(function, '__qualname__', type(function).__name__)} cannot be compared between folds")


_OF_TORCH = frozenset(vars(nn.Module()))  # attributes that every module has


def build_of(network: nn.Module) -> Hashable:
    """Shapes of a network's tensors, the types of its modules, and the numbers and words that these keep.

    Raises
    ------
    TypeError
        If a module keeps tensors elsewhere than among parameters and buffers: they would not be stacked.
    """
    tensors = [*network.named_parameters(), *network.named_buffers()]
    found: list[Hashable] = [(name, t.shape, t.dtype, t.device) for name, t in tensors]
    for place, module in network.named_modules():
        found.append((place, type(module)))
        for name in sorted(vars(module).keys() - _OF_TORCH):
            value = vars(module)[name]
            if _holds_tensors(value):
                raise TypeError(f"{type(module).__name__}.{name} is neither parameter nor buffer")
            with contextlib.suppress(TypeError):  # a record of timm's, say
                found.append((place, name, compared(value)[0]))
    return tuple(found)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _holds_tensors(list(value.values()))
    if isinstance(value, tuple | list | set):
        return any(map(_holds_tensors, value))
    return isinstance(value, Tensor | np.ndarray | nn.Module)


def _all_compared(parts: Iterable[Any]) -> tuple[Hashable, list[Tensor]]:
    found = [compared(part) for part in parts]
    return tuple(alike for alike, _ in found), [tensor for _, tensors in found for tensor in tensors]


def _with_tensors(function: Any, tensors: Iterator[Tensor]) -> Any:
    """The function with other tensors in the place of those that :func:`compared` found, in the same order."""
    if isinstance(function, Tensor):
        return next(tensors)
    if isinstance(function, partial):
        new = [_with_tensors(part, tensors) for part in (function.func, *function.args, *function.keywords.values())]
        count = 1 + len(function.args)
        return partial(new[0], *new[1:count], **dict(zip(function.keywords, new[count:], strict=True)))
    return function
