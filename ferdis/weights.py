"""Files given as ``weights=``: read without unpickling anything, and put into a network whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ferdis import zoo
from ferdis.messages import named, one_line

_COUNTERS = "num_batches_tracked"  # of batch norms; some releases lack them, and nothing depends on them
_NAMED = 3  # tensors that a message names


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, by name, in float32.

    Parameters
    ----------
    path : path
        The file, or ``zoo:NAME`` for weights that ship with ferdis (:mod:`ferdis.zoo`).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another format (a pickle can run any code), damaged, or holds NaN or infinite numbers; if the zoo
        has no such weights.
    """
    path = zoo.resolved(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights={str(path)!r}: no such file; give a .safetensors file")
    if path.suffix != ".safetensors":
        raise ValueError(
            f"weights={str(path)!r}: only .safetensors files are read, as pickles can run any code; write the tensors "
            "into one with safetensors.torch.save_file"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({one_line(error, 160)})") from None
    check_finite(tensors, path)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def check_finite(tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Refuse tensors that hold NaN or infinity: whatever they were put into would answer with nothing.

    Raises
    ------
    ValueError
        One line with ``source`` and the first such tensors.
    """
    wrong = [name for name, part in tensors.items() if part.is_floating_point() and not torch.isfinite(part).all()]
    if wrong:
        raise ValueError(
            f"{source} holds NaN or infinite numbers ({named(wrong, _NAMED)}): get the file again or refit"
        )


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor], source: str | Path, what: str) -> None:
    """Copy tensors into a network, in place: every one of its tensors is there, and no other.

    Parameters
    ----------
    network : Module
    tensors : mapping
        By the names of ``network.state_dict()``; counters of batch norms may be missing.
    source, what : str
        The file and the network, for the message.

    Raises
    ------
    ValueError
        One line that names the first three tensors that are missing, of another shape, or not part of the network.
    """
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors and not name.endswith(_COUNTERS)]
    wrong += [
        f"{name} is {_shape(tensors[name])} there and {_shape(own[name])} here"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    wrong += [f"{name} is not part of it" for name in tensors if name not in own]
    if wrong:
        raise ValueError(f"{source} does not fit {what}: {named(wrong, _NAMED, '; ')}{_others(source)}")
    network.load_state_dict(dict(tensors), strict=False)


def _others(source: str | Path) -> str:
    """What of the zoo fits which system, for weights of it that do not fit."""
    if not str(source).startswith(zoo.PREFIX):
        return ""
    fits = [f"{zoo.PREFIX}{name} fits {text}" for name in zoo.names() if (text := zoo.card(name).get("fits"))]
    return f" ({'; '.join(fits)})"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
