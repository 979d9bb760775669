"""Arguments that a system does not have: refused with the nearest that it has."""

from __future__ import annotations

import inspect
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
