"""The systems, one paper in one file, and their registry: a new system is one file here and one line below."""

from __future__ import annotations

from importlib import import_module

SYSTEMS = {
    "ifgan": "ferdis.systems.ifgan:IFGAN",
    "resnet": "ferdis.systems.baselines:ResNetClassifier",
    "relgan": "ferdis.systems.relgan:RELGAN",
    "cnn": "ferdis.systems.baselines:BaselineCNN",
    "reversal": "ferdis.systems.identity_reversal:IdentityReversal",
    "normalised": "ferdis.systems.normalised:NormalisedFace",
}
"""Classifiers: what a protocol can evaluate."""

GENERATORS = {
    "eggan": "ferdis.systems.eggan:EGGAN",
    "decgan": "ferdis.systems.decgan:DECGAN",
    "stargan": "ferdis.systems.stargan:StarGAN",
    "icgan": "ferdis.systems.icgan:IcGAN",
    "homointerpgan": "ferdis.systems.homointerpgan:HomoInterpGAN",
}
"""Systems that make faces and name no expression."""


def get(name: str) -> type:
    """The class of a system by its registry name.

    Raises
    ------
    ValueError
        If there is no such system; the message lists those there are.
    """
    every = {**SYSTEMS, **GENERATORS}
    if name not in every:
        raise ValueError(f"no system is called {name!r}: choose one of {', '.join(every)}")
    module, _, cls = every[name].partition(":")
    return getattr(import_module(module), cls)
