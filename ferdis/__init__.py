"""ferdis: facial expression recognition with features that generative adversarial networks have freed of identity.

>>> from ferdis import IFGAN, SubjectKFold, evaluate, load                                    # doctest: +SKIP
>>> evaluate(IFGAN.small(), load("synthetic"), SubjectKFold(10), out="runs/first")            # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public names and where they live. Looked up when first used, so that `import ferdis` and `ferdis --help` stay
# quick: torch and timm take seconds to import.
_PUBLIC = {
    "Faces": "ferdis.faces",
    "load": "ferdis.datasets",
    "IFGAN": "ferdis.systems.ifgan",
    "ResNetClassifier": "ferdis.systems.baselines",
    "RELGAN": "ferdis.systems.relgan",
    "BaselineCNN": "ferdis.systems.baselines",
    "EGGAN": "ferdis.systems.eggan",
    "DECGAN": "ferdis.systems.decgan",
    "Fold": "ferdis.protocol",
    "SubjectKFold": "ferdis.protocol",
    "OfficialSplit": "ferdis.protocol",
    "LeaveOneSubjectOut": "ferdis.protocol",
    "CrossDataset": "ferdis.protocol",
    "audit": "ferdis.audit",
    "evaluate": "ferdis.runner",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ferdis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


# The function and its module share a name, and importing a module puts it into its package under that name. Imported
# here, the function has the place before anyone else imports the module, and keeps it.
from ferdis.audit import audit as audit  # noqa: E402
