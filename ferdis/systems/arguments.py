"""Arguments of systems: refused when out of range, or, with the nearest that there is, when a system lacks them."""

from __future__ import annotations

import inspect
from collections.abc import Sized
from typing import TYPE_CHECKING, Any

from ferdis.messages import closest

OTHER_NAMES = {  # what other libraries call an argument
    "backbone": "classifier", "model": "classifier", "lr": "learning_rate", "n_epochs": "epochs",
    "random_state": "seed", "pretrained": "weights",
}  # fmt: skip


class _OfInit:
    """The signature of a class is that of its ``__init__``: Python 3.10 would show ``__new__``'s."""

    def __get__(self, instance: Any, cls: type) -> inspect.Signature:
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class RefusesUnknownArguments:
    """Base of classes whose constructors name what was probably meant."""

    if not TYPE_CHECKING:  # a type checker reads the constructor's own arguments
        __signature__ = _OfInit()

        def __new__(cls, *args: Any, **given: Any) -> RefusesUnknownArguments:
            """Refuse an argument that there is not.

            Raises
            ------
            TypeError
                One line with the nearest argument that there is.
            """
            known = inspect.signature(cls).parameters
            for name in () if any(item.kind is item.VAR_KEYWORD for item in known.values()) else given:
                if name not in known:
                    hint = closest(OTHER_NAMES.get(name, name), known) or f" (it has {', '.join(known)})"
                    raise TypeError(f"{cls.__name__} has no argument {name!r}{hint}")
            return super().__new__(cls)


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """A ValueError that lists the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(choices)}")


def check_at_least(least: float, system: Any, *names: str) -> None:
    """A ValueError that names the first of these arguments of a system that is below ``least``."""
    for name in names:
        if getattr(system, name) < least:
            raise ValueError(f"{name}={getattr(system, name)}: must be at least {least}")


def check_pairs(faces: Sized, references: Sized) -> None:
    """A ValueError unless each face has a reference."""
    if len(faces) != len(references):
        raise ValueError(f"{len(faces)} faces and {len(references)} references: give as many of both")
