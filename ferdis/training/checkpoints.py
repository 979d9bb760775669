"""Tensors and numbers on disk: one safetensors file with its numbers as JSON in the header.

A file is written beside its final name and then renamed, so that a reader finds the old state or the new one
and never half of either. Nothing here (or anywhere in ferdis) unpickles a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ferdis._io import replacing
from ferdis.messages import one_line

_HEADER = "ferdis"


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any] | None = None) -> None:
    """Write tensors and JSON-able numbers into one file, whole or not at all.

    Parameters
    ----------
    path : path of the file, ``.safetensors`` by custom; missing folders are made.
    tensors : name -> tensor, on any device; aliases (tied weights) are stored as copies.
    numbers : JSON-able mapping kept in the header.

    Raises
    ------
    OSError
        One line with the path when the disk is full or the folder cannot be written; an earlier file stays as
        it was.
    """
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()  # safetensors takes nothing else, and no shared memory
        storage = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    with replacing(path) as partial:
        try:
            save_file(plain, partial, metadata={_HEADER: json.dumps(dict(numbers or {}))})
        except SafetensorError as error:  # a full disk, which it tells in words
            raise OSError(one_line(error)) from error


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote: (name -> CPU tensor, numbers).

    Raises
    ------
    FileNotFoundError, ValueError
        One line naming the file: it is not there, or it is no complete safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            numbers = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, numbers  # noqa: SIM118 (not a dict)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({one_line(error)}): delete it") from error


def module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Parameters and buffers of several modules, named ``<module>.<tensor>``; views, not copies."""
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def put_module_tensors(modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Copy tensors named as in :func:`module_tensors` into the modules, in place; other names are left alone.

    Raises
    ------
    ValueError
        One line naming `source` and the first tensor that is missing, unknown or of another shape.
    """
    for name, module in modules.items():
        prefix = f"{name}."
        found = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        expected = module.state_dict()
        for key in (*expected, *sorted(found)):
            if key not in found or key not in expected or found[key].shape != expected[key].shape:
                there = tuple(found[key].shape) if key in found else "absent"
                here = tuple(expected[key].shape) if key in expected else "absent"
                raise ValueError(
                    f"{source} does not fit this model: {prefix}{key} is {there} there and {here} here;"
                    " build the model with the arguments that it was saved with"
                )
        module.load_state_dict(found)


def save_modules(path: str | Path, modules: Mapping[str, nn.Module], numbers: Mapping[str, Any] | None = None) -> None:
    """Write the weights of several modules into one file (see :func:`save_tensors`)."""
    save_tensors(path, module_tensors(modules), numbers)


def load_modules(path: str | Path, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Put the weights of a file into the modules, in place; returns the numbers stored with them.

    Modules of the file that `modules` does not name are ignored: an encoder can be read out of a whole
    system.
    """
    tensors, numbers = load_tensors(path)
    put_module_tensors(modules, tensors, path)
    return numbers


def optimizer_state(optimizer: Optimizer, prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's state as (tensors named ``<prefix><parameter>/<entry>``, JSON-able rest)."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}{index}/{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, {"scalars": scalars, "groups": state["param_groups"]}


def put_optimizer_state(optimizer: Optimizer, prefix: str, tensors: Mapping[str, Tensor], rest: dict[str, Any]) -> None:
    """Inverse of :func:`optimizer_state`; the optimiser holds the same parameters in the same order.

    An entry of a parameter's shape gets its layout in memory, which no file keeps: a fused optimiser of torch goes
    through parameter, gradient and entry in the order in which each lies there.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in rest["scalars"].items()}
    for name, value in tensors.items():
        if name.startswith(prefix):
            index, entry = name.removeprefix(prefix).split("/", 1)
            like = parameters[int(index)] if int(index) < len(parameters) else value
            fits = like if like.shape == value.shape else value  # Adam's count of steps is a single number
            kept = torch.empty_like(fits, dtype=value.dtype, device=value.device).copy_(value)
            state.setdefault(int(index), {})[entry] = kept
    groups = [{key: tuple(v) if isinstance(v, list) and key != "params" else v for key, v in group.items()}
              for group in rest["groups"]]  # fmt: skip
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def snapshot(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """A CPU copy of :func:`module_tensors` that later training does not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in module_tensors(modules).items()}


def first_non_finite(modules: Mapping[str, nn.Module]) -> str | None:
    """The first parameter or buffer that holds a NaN or infinity, or None; waits for the device once."""
    floats = {name: t for name, t in module_tensors(modules).items() if t.is_floating_point() and t.numel()}
    if not floats:
        return None
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in floats.values()])
    if bool(finite.all()):
        return None
    return list(floats)[int((~finite).nonzero()[0])]
