"""What a saved system must be before anything of it is built: a sealed record, sizes in bounds, weights that fit.

A record is a few lines of JSON, and a few digits more in it may ask for terabytes. So its sizes are compared with
limits, and its networks are laid out without memory ("meta" tensors) and compared with the tensors that the weights
file holds: what is then allocated is as large as a file that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from ferdis._io import check_seal, file_digest, read_json
from ferdis.messages import named, one_line, quoted
from ferdis.training.checkpoints import first_non_finite, load_modules, module_tensors

FORMAT = 2  # of a saved estimator; raised when an older ferdis could not read it, and when seals came (2)
LARGEST_SIDE = 4096  # pixels of an image
LARGEST_NUMBER = 1 << 16  # in any list of widths
DEEPEST = 512  # blocks of a network
_MEND = "it is damaged; copy the folder again or refit"
_SIDES = ("image_size", "crop_size")
_DEPTHS = ("depth", "layer", "block")  # parts of the names of parameters that count blocks


def read_about(folder: Path) -> dict[str, Any]:
    """The ``estimator.json`` of a saved system of any class.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is missing or damaged, was changed since, asks for sizes out of bounds, or written by a newer version.
    """
    path = folder / "estimator.json"
    if not path.is_file():
        raise FileNotFoundError(f"no estimator.json in {folder}: give a folder that save() wrote")
    about = read_json(path, {"format": "count", "class": "text"}, mend=_MEND)
    if about["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {about['format']}, this ferdis reads up to {FORMAT}: install a newer ferdis"
        )
    if not check_seal(path, about, mend=_MEND) and about["format"] > 1:
        raise ValueError(f"{path} has no seal: {_MEND}")
    for part in ("parameters", "preprocessing"):
        if isinstance(about.get(part), dict) and (wrong := out_of_bounds(about[part])):
            raise ValueError(f"{path}: {part}.{wrong}: {_MEND}")
    return about


def out_of_bounds(values: Mapping[str, Any]) -> str:
    """The first size of a record that no network or image has, as ``name is value``; empty where there is none.

    Parameters
    ----------
    values : parameters by name; a parameter may be a number, a list, or a mapping of more of them.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            if wrong := out_of_bounds(value):
                return f"{name}.{wrong}"
            continue
        side, deep = name in _SIDES, any(part in name for part in _DEPTHS)
        most = LARGEST_SIDE if side else DEEPEST if deep else LARGEST_NUMBER
        listed = isinstance(value, list | tuple)
        numbers = _numbers(value) if listed or side or deep else []
        if len(numbers) > DEEPEST or any(not 0 <= abs(number) <= most for number in numbers):
            return f"{name} is {quoted(value)}"
        if side and any(number < 1 for number in numbers):
            return f"{name} is {quoted(value)}"
    return ""


def _numbers(value: Any) -> list[float]:
    if isinstance(value, list | tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def check_weights(path: Path, about: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> None:
    """Refuse weights that are not those which were saved, or not of the networks that the record describes.

    Parameters
    ----------
    path : of weights.safetensors.
    about : the record; one of before the digest vouches for nothing.
    modules : the networks, laid out without memory.

    Raises
    ------
    FileNotFoundError, ValueError
        One line with the path.
    """
    digest = about.get("weights_sha256")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: copy the folder again or refit")
    if digest and file_digest(path) != digest:
        raise ValueError(f"{path} was changed after it was saved (its SHA-256 differs): copy the folder again or refit")
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({one_line(error, 160)}): refit") from None
    needed = {name: tuple(tensor.shape) for name, tensor in module_tensors(modules).items()}
    wrong = [name for name in needed if found.get(name) != needed[name]]
    if wrong:
        raise ValueError(f"{path} is of other networks than estimator.json says ({named(wrong, 3)}): {_MEND}")


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Put weights into networks; a ValueError if one is NaN or infinite, for which every answer would be empty."""
    load_modules(path, modules)
    if name := first_non_finite(modules):
        raise ValueError(f"{path} holds NaN or infinite numbers ({name}): copy the folder again or refit")
