"""The small size of a system, and how long a training is for a set of so many images."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeVar

_NETWORKS = {"classifier", "encoder"}  # beside which the weights of `small` would not fit
_FEWEST = 6  # of a small set: a sixth of `min_steps`
P = TypeVar("P", bound="FollowsTheSet")


class FollowsTheSet:
    """Base of systems whose training is as long as ``epochs``, ``min_steps`` and ``steps_per_image`` say."""

    epochs: int
    min_steps: int
    steps_per_image: float
    batch_size: int
    preset: ClassVar[Mapping[str, Any]] = {}  # what `small` changes

    @classmethod
    def small(cls: type[P], **changes: Any) -> P:
        """The same system for two CPU cores: 64x64 faces, narrow networks, fewer steps for a smaller set.

        Classifiers have the zoo's network and start from its weights (``weights=None``: from random ones).
        ``changes`` override; see :meth:`preset_beside` for what else they change.
        """
        return cls(**{**cls.preset_beside(changes), **changes})

    @classmethod
    def preset_beside(cls, given: Collection[str]) -> dict[str, Any]:
        """What :meth:`small` changes where the arguments named in ``given`` are chosen by somebody else.

        With ``epochs`` exactly so many are trained, with ``min_steps`` so many steps, whatever the size of the set;
        with another network (``classifier``, ``encoder``) the zoo's weights are left out.
        """
        preset = dict(cls.preset)
        if "epochs" in given:
            preset["min_steps"] = 0
        if {"epochs", "min_steps"} & set(given):
            preset.pop("steps_per_image", None)
        if "weights" in preset and _NETWORKS & set(given):
            preset["weights"] = None
        return preset

    def training_epochs(self, images: float) -> int:
        """Epochs that ``fit`` trains on so many faces: ``epochs``, or more where ``min_steps`` asks for them."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size}: must be at least 1")
        steps = max(1, round(images / self.batch_size))
        return max(self.epochs, -(-self._least_steps(images) // steps))

    def _least_steps(self, images: float) -> int:
        """``min_steps``, or fewer for so few faces."""
        if self.steps_per_image < 0:
            raise ValueError(f"steps_per_image={self.steps_per_image}: 0, or a positive number")
        if not self.steps_per_image:
            return self.min_steps
        return min(self.min_steps, max(math.ceil(self.steps_per_image * images), -(-self.min_steps // _FEWEST)))

    def remarks(self, images: float) -> list[str]:
        """What ``fit`` does on so few faces and would not do on more; a line each, the same for all folds of a set."""
        if self._least_steps(images) == self.min_steps:
            return []
        full = math.ceil(self.min_steps / self.steps_per_image)
        return [
            f"{type(self).__name__}: fewer than {full} training faces have {self.steps_per_image:g} steps each, at "
            f"least {-(-self.min_steps // _FEWEST)} in all, in place of min_steps={self.min_steps} (steps_per_image)"
        ]
