"""Modules that have moved go on being importable under their former names, which say the new one once."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

FORMER: dict[str, str] = {
    "ferdis.audit": "ferdis.protocol.leakage",
    "ferdis.au_estimator": "ferdis.evaluators.au_estimator",
    "ferdis.codes": "ferdis.disentanglement.representations",
    "ferdis.datasets.messages": "ferdis.messages",
    "ferdis.disentangle": "ferdis.disentanglement.report",
    "ferdis.embedders": "ferdis.evaluators.embedders",
    "ferdis.export.onnxfile": "ferdis.onnx_model",
    "ferdis.evaluation.progress": "ferdis.progress",
    "ferdis.fingerprints": "ferdis.protocol.near_duplicates",
    "ferdis.folds": "ferdis.protocol.folds",
    "ferdis.history": "ferdis.training.history",
    "ferdis.judges": "ferdis.evaluators.judges",
    "ferdis.metrics.pictures": "ferdis.metrics.images",
    "ferdis.metrics.units": "ferdis.metrics.action_units",
    "ferdis.models": "ferdis.saved_models",
    "ferdis.runfolder": "ferdis.run_folder",
    "ferdis.runner": "ferdis.evaluation.runner",
    "ferdis.seeding": "ferdis.training.seeding",
    "ferdis.space": "ferdis.sweep.search_space",
    "ferdis.systems.estimator": "ferdis.systems.base",
    "ferdis.systems.unpaired": "ferdis.systems.decgan",
    "ferdis.transfer": "ferdis.disentanglement.transfer",
    "ferdis.tuned": "ferdis.evaluation.tuned_parameters",
}


def renamed_arguments(**new_names: str) -> Callable[[F], F]:
    """Let a function take keywords under their former names, which say the new ones once.

    Parameters
    ----------
    **new_names : former name -> name of today.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for former, name in new_names.items():
                if former not in kwargs:
                    continue
                if name in kwargs:
                    raise TypeError(f"{function.__qualname__}() got {former}= and {name}=, which are one argument")
                warnings.warn(f"{function.__qualname__}({former}=) is now {name}=", DeprecationWarning, stacklevel=2)
                kwargs[name] = kwargs.pop(former)
            return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    return decorate


class CallablePackage(ModuleType):
    """A module that can be called: it runs its own function of the same name.

    ``ferdis.sweep`` is a package and, in ``from ferdis import sweep``, the function that the package is about;
    whichever was imported first, both uses work.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that bears the package's name."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


class _FormerModule(CallablePackage):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(FORMER[self.__name__]), name)


class FormerNames(MetaPathFinder, Loader):
    """Finds the modules of :data:`FORMER`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a former name, None for any other."""
        return ModuleSpec(fullname, self) if fullname in FORMER else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module that looks every name up in the new one."""
        warnings.warn(f"{spec.name} is now {FORMER[spec.name]}", DeprecationWarning, stacklevel=2)
        return _FormerModule(spec.name, f"Now :mod:`{FORMER[spec.name]}`.")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the names are looked up when they are asked for."""


def install() -> None:
    """Let imports find the former names, after everything else has been asked."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.append(FormerNames())
