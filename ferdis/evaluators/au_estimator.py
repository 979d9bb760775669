"""Reads action units off images, and says how far to trust it: for photographs without codes, and generated faces.

>>> estimator = AUEstimator.small().fit(coded_faces)                                          # doctest: +SKIP
>>> print(estimator.own)                                                                      # doctest: +SKIP
>>> faces = estimator.annotate(faces)                                                         # doctest: +SKIP

Its network is EGGAN's C_exp (Tang et al. 2020, Section 3.3): six levels for each unit. An intensity is the mean of its
levels' distribution, over an image and its mirror image. Part of the people are never learned from; the error on them
stands beside every figure that rests on the estimates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.metrics.units import UnitAgreement, unit_agreement
from ferdis.preprocess.augment import random_views, take_views, to_unit_range
from ferdis.systems.action_units import VGGClassifier, coded_names, expected_units, unit_loss, units_of
from ferdis.systems.base import Estimator, preprocessing_of, resized
from ferdis.training import ArrayBatches, Batch, Modules, Phase, Stage

__all__ = ["AUEstimator"]

_DEGREES = 5.0


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class AUEstimator(Estimator):
    """Estimates the intensities of 17 action units, 0..5.

    Parameters
    ----------
    channels, depths : sequence of int
        Of the network's blocks, see :class:`~ferdis.systems.action_units.VGGClassifier`.
    image_size : side of the images, pixels; others are resized
    held_out : float
        Share of the people whose faces are not learned from: the error is measured on them.
    epochs, batch_size, learning_rate, weight_decay : of AdamW over one cycle of the rate
    min_steps : epochs are added until there are at least so many steps
    gradient_clip, seed, accelerator, devices, precision, logger, progress : as in :class:`~ferdis.systems.ifgan.IFGAN`

    Attributes
    ----------
    error_ : UnitAgreement
        Against the codes of the people held out.
    coded_ : tuple of str
        AUs that the training faces have; of others nothing is said.
    people_ : list of str
        Everybody it learned from or was measured on.
    """

    preset: ClassVar[Mapping[str, Any]] = {
        "channels": (24, 48, 96, 128, 160),
        "depths": (1, 1, 1, 1, 1),
        "image_size": 64,
        "epochs": 20,
        "min_steps": 600,
        "batch_size": 32,
        "learning_rate": 4e-3,
    }

    channels: Sequence[int] = (64, 128, 256, 512, 512)
    depths: Sequence[int] = (2, 2, 4, 4, 4)
    image_size: int = 128
    held_out: float = 0.15
    epochs: int = 40
    min_steps: int = 0
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    gradient_clip: float | None = None
    seed: int = 0
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "auto"
    logger: str | None = None
    progress: bool = True

    def fit(self, faces: Faces, y: Any = None, *, run_dir: str | Path | None = None) -> AUEstimator:
        """Learn from most of the people of ``faces``, measure the error on the others; ``y`` is not looked at.

        Raises
        ------
        ValueError
            If no face has action units, or there are too few people to hold some out.
        """
        units, people = units_of(faces), np.unique(faces.subject)
        held = max(1, round(self.held_out * len(people)))
        if not 0 < self.held_out < 1 or len(people) - held < 1:
            raise ValueError(f"held_out={self.held_out} of {len(people)} people: both parts need at least one person")
        chosen = np.random.default_rng(self.seed).permutation(people)[:held]
        out = np.isin(faces.subject, chosen)
        learned = units_of(faces[~out])
        self.coded_, _ = coded_names(learned)
        self.people_, self.training_digest_, self.selection_ = people.tolist(), faces.digest(), "last"
        self.preprocessing_ = preprocessing_of(faces)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.modules_ = {"units": self._network()}
        batches = ArrayBatches(
            {"image": resized(faces[~out], self.image_size), "units": learned}, self.batch_size, self.seed
        )
        trainer = self._trainer(run_dir)
        trainer.run([self._stage(batches, self.training_epochs(int((~out).sum())))], signature=self._signature(None))
        self.history_ = trainer.history.to_frame()
        self._to_device()
        self.held_out_ = {"pictures": int(out.sum()), "people": held}
        self.error_ = unit_agreement(units[out], self.predict(faces[out]))
        self.notes_ = [f"AUEstimator: {self.own}"]
        return self

    @property
    def own(self) -> str:
        """Its own error on people it never saw, in words."""
        check_is_fitted(self, "modules_")
        left = f"; without {', '.join(self.error_.left_out)}" if self.error_.left_out else ""
        where = f"{self.held_out_['pictures']:,} images of {self.held_out_['people']} people it never saw"
        return f"mean MSE {self.error_.mse:.3f}, PCC {self.error_.pcc:.3f} on {where}{left}"

    def predict(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Intensities, (n, 17) float32, 0..5; NaN for units that training never saw.

        ``pictures`` are Faces or uint8 (n, H, W, 3) of any size.
        """
        check_is_fitted(self, "modules_")
        if not isinstance(pictures, Faces):
            pictures = Faces(pictures, pd.DataFrame({"expression": ["neutral"] * len(pictures)}))
        network = self.modules_["units"]

        def read(images: Tensor) -> Tensor:
            return (expected_units(network(images)) + expected_units(network(images.flip(-1)))) / 2

        units = self._map(resized(pictures, self.image_size), read)
        units[:, ~np.isin(AU_COLUMNS, self.coded_)] = np.nan
        return units

    def score(self, faces: Faces, y: ArrayLike | None = None) -> float:
        """Mean Pearson correlation with the faces' own units, or with ``y`` (n, 17)."""
        return unit_agreement(units_of(faces) if y is None else y, self.predict(faces)).pcc

    def annotate(self, faces: Faces, *, overwrite: bool = False) -> Faces:
        """The faces with estimated action units; ``attrs["notes"]`` says whose and how good they are.

        Raises
        ------
        ValueError
            If they have some already, unless ``overwrite`` is set.
        """
        table = faces.to_frame()
        coded = table[table.columns.intersection(AU_COLUMNS)].notna().any(axis=1)
        if coded.any() and not overwrite:
            raise ValueError(f"{int(coded.sum())} faces have action units already: pass overwrite=True to replace them")
        table[list(AU_COLUMNS)] = self.predict(faces).astype(np.float64)
        notes = [*faces.attrs.get("notes", []), f"action units estimated by AUEstimator ({self.own})"]
        return Faces(faces.images, table, {**faces.attrs, "notes": notes})

    # ---------------------------------------------------------------------------------------------- its training

    @property
    def crop_size(self) -> int:  # type: ignore[override]
        """Nothing is cropped."""
        return self.image_size

    def _network(self) -> nn.Module:
        return VGGClassifier(self.image_size, self.channels, self.depths)

    def _stage(self, batches: ArrayBatches, epochs: int) -> Stage:
        adam = partial(torch.optim.AdamW, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
        cycle = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=self.learning_rate, total_steps=epochs + 1)
        phase = Phase("units", ("units",), _terms, {"units": 1.0}, adam, cycle)
        return Stage("units", self.modules_, [phase], epochs, batches, _views)

    def _state(self) -> dict[str, Any]:
        error = {"table": self.error_.table.to_dict(orient="index"), "left_out": self.error_.left_out}
        return {"coded": list(self.coded_), "people": self.people_, "held_out": self.held_out_, "error": error}

    def _restored(self, about: Mapping[str, Any]) -> dict[str, nn.Module]:
        self.coded_, self.people_, self.held_out_ = tuple(about["coded"]), about["people"], about["held_out"]
        table = pd.DataFrame.from_dict(about["error"]["table"], orient="index", columns=["mse", "pcc", "icc", "n"])
        self.error_ = UnitAgreement(table, about["error"]["left_out"])
        return {"units": self._network()}


def _terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    return {"units": unit_loss(modules.units(batch["image"]), batch["units"])}


def _views(_: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """Pictures in [-1, 1], mirrored and rotated at random."""
    images = to_unit_range(batch["image"])
    size = images.shape[-1]
    views = random_views(len(images), size, size, max_degrees=_DEGREES, generator=random, device=images.device)
    return {**batch, "image": take_views(images, views, size)}
