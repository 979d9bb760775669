"""ferdis: facial expression recognition with features that generative adversarial networks have freed of identity.

>>> from ferdis import IFGAN, SubjectKFold, evaluate, load                                    # doctest: +SKIP
>>> evaluate(IFGAN.small(), load("synthetic"), SubjectKFold(10), out="runs/first")            # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ferdis import _former_names

if TYPE_CHECKING:
    from ferdis import zoo as zoo
    from ferdis.augmentation import Augmented as Augmented
    from ferdis.datasets import load as load
    from ferdis.evaluation import evaluate as evaluate
    from ferdis.evaluation import fit_final as fit_final
    from ferdis.evaluators.au_estimator import AUEstimator as AUEstimator
    from ferdis.export import export as export
    from ferdis.faces import Faces as Faces
    from ferdis.predict import Predictor as Predictor
    from ferdis.predict import load_model as load_model
    from ferdis.predict import predict as predict  # type: ignore[no-redef]
    from ferdis.protocol import CrossDataset as CrossDataset
    from ferdis.protocol import Fold as Fold
    from ferdis.protocol import FoldList as FoldList
    from ferdis.protocol import LeaveOneDatasetOut as LeaveOneDatasetOut
    from ferdis.protocol import LeaveOneSubjectOut as LeaveOneSubjectOut
    from ferdis.protocol import OfficialSplit as OfficialSplit
    from ferdis.protocol import SubjectKFold as SubjectKFold
    from ferdis.protocol import audit as audit
    from ferdis.protocol import repeat as repeat
    from ferdis.sweep import sweep as sweep  # type: ignore[no-redef]
    from ferdis.systems.baselines import BaselineCNN as BaselineCNN
    from ferdis.systems.baselines import ResNetClassifier as ResNetClassifier
    from ferdis.systems.decgan import DECGAN as DECGAN
    from ferdis.systems.eggan import EGGAN as EGGAN
    from ferdis.systems.homointerpgan import HomoInterpGAN as HomoInterpGAN
    from ferdis.systems.icgan import IcGAN as IcGAN
    from ferdis.systems.identity_reversal import IdentityReversal as IdentityReversal
    from ferdis.systems.ifgan import IFGAN as IFGAN
    from ferdis.systems.normalised import NormalisedFace as NormalisedFace
    from ferdis.systems.relgan import RELGAN as RELGAN
    from ferdis.systems.stargan import StarGAN as StarGAN

__version__ = "0.1.0"

# Public names and where they live. Looked up when first used, so that `import ferdis` and `ferdis --help` stay
# quick: torch and timm take seconds to import.
_PUBLIC = {
    "AUEstimator": "ferdis.evaluators.au_estimator",
    "Augmented": "ferdis.augmentation",
    "BaselineCNN": "ferdis.systems.baselines",
    "CrossDataset": "ferdis.protocol",
    "DECGAN": "ferdis.systems.decgan",
    "EGGAN": "ferdis.systems.eggan",
    "Faces": "ferdis.faces",
    "Fold": "ferdis.protocol",
    "FoldList": "ferdis.protocol",
    "HomoInterpGAN": "ferdis.systems.homointerpgan",
    "IFGAN": "ferdis.systems.ifgan",
    "IdentityReversal": "ferdis.systems.identity_reversal",
    "IcGAN": "ferdis.systems.icgan",
    "LeaveOneDatasetOut": "ferdis.protocol",
    "LeaveOneSubjectOut": "ferdis.protocol",
    "NormalisedFace": "ferdis.systems.normalised",
    "OfficialSplit": "ferdis.protocol",
    "Predictor": "ferdis.predict",
    "RELGAN": "ferdis.systems.relgan",
    "ResNetClassifier": "ferdis.systems.baselines",
    "StarGAN": "ferdis.systems.stargan",
    "SubjectKFold": "ferdis.protocol",
    "audit": "ferdis.protocol",
    "evaluate": "ferdis.evaluation",
    "export": "ferdis.export",
    "fit_final": "ferdis.evaluation",
    "load": "ferdis.datasets",
    "load_model": "ferdis.predict",
    "predict": "ferdis.predict",
    "repeat": "ferdis.protocol",
    "sweep": "ferdis.sweep",
    "zoo": "ferdis.zoo",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

_former_names.install()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ferdis' has no attribute {name!r}")
    module = import_module(_PUBLIC[name])
    # `sweep`, `export` and `predict` are packages as well: importing one has put the (callable) package here.
    return globals().get(name) or getattr(module, name)


def __dir__() -> list[str]:
    return __all__
