"""Reads action units off images, and says how far to trust it: for photographs without codes, and generated faces.

>>> estimator = AUEstimator.small().fit(coded_faces)                                          # doctest: +SKIP
>>> print(estimator.own)                                                                      # doctest: +SKIP
>>> faces = estimator.annotate(faces)                                                         # doctest: +SKIP

Its network is EGGAN's C_exp (Tang et al. 2020, Section 3.3): six levels for each action unit. An intensity is the mean
of its levels' distribution, over an image and its mirror image. Part of the people are never learned from; the
error on them stands beside every figure that rests on the estimates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ferdis.evaluators.held_out import hold_out, refuse_known_people
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.metrics.action_units import ActionUnitAgreement, action_unit_agreement
from ferdis.preprocess.augment import random_views, take_views, to_unit_range
from ferdis.systems.action_units import (
    VGGClassifier,
    action_unit_loss,
    action_units_of,
    coded_action_units,
    expected_action_units,
)
from ferdis.systems.base import Estimator, TrainingSet, resized
from ferdis.training import Batch, Modules, Phase, Stage

__all__ = ["AUEstimator"]

_DEGREES = 5.0


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn's way: arguments are kept as they are
class AUEstimator(Estimator):
    """Estimates the intensities of 17 action units, 0..5.

    It learns from most of the people given to ``fit``, which does not look at ``y``, and measures its error on the
    others. Arguments of every training are explained at :class:`~ferdis.systems.base.TrainingParameters`.

    Parameters
    ----------
    channels, depths : sequence of int
        Of the network's blocks, see :class:`~ferdis.systems.action_units.VGGClassifier`.
    held_out : float
        Share of the people whose faces are not learned from: the error is measured on them.
    weight_decay : of AdamW, over one cycle of the learning rate

    Attributes
    ----------
    error_ : ActionUnitAgreement
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
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    logger: str | None = None

    @property
    def own(self) -> str:
        """Its own error on people it never saw, in words."""
        check_is_fitted(self, "modules_")
        left = f"; without {', '.join(self.error_.left_out)}" if self.error_.left_out else ""
        where = f"{self.held_out_['pictures']:,} images of {self.held_out_['people']} people it never saw"
        return f"mean MSE {self.error_.mse:.3f}, PCC {self.error_.pcc:.3f} on {where}{left}"

    def predict(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Intensities, (n, 17) float32, 0..5; NaN for action units that training never saw.

        ``pictures`` are Faces or uint8 (n, H, W, 3) of any size.
        """
        check_is_fitted(self, "modules_")
        if not isinstance(pictures, Faces):
            pictures = Faces(pictures, pd.DataFrame({"expression": ["neutral"] * len(pictures)}))
        network = self.modules_["units"]

        def read(images: Tensor) -> Tensor:
            return (expected_action_units(network(images)) + expected_action_units(network(images.flip(-1)))) / 2

        action_units = self._map(resized(pictures, self.image_size), read)
        action_units[:, ~np.isin(AU_COLUMNS, self.coded_)] = np.nan
        return action_units

    def score(self, faces: Faces, y: ArrayLike | None = None) -> float:
        """Mean Pearson correlation with the faces' own action units, or with ``y`` (n, 17)."""
        return action_unit_agreement(action_units_of(faces) if y is None else y, self.predict(faces)).pcc

    def refuse_overlap(self, faces: Faces) -> None:
        """A ValueError if one of the people of ``faces`` is one that it learned from or was measured on."""
        check_is_fitted(self, "modules_")
        refuse_known_people("the AUEstimator", self.people_, faces)

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

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        action_units_of(faces)  # an error where nobody is coded comes before one about people
        learned, unseen = hold_out(faces, self.held_out, self.seed)
        action_units = action_units_of(learned)
        self.coded_, _ = coded_action_units(action_units)
        self.people_ = np.unique(faces.subject).tolist()
        images = resized(learned, self.image_size)
        return TrainingSet(images=images, labels=action_units, faces=learned, held_out=unseen)

    def _build(self, pretrained: bool = True) -> dict[str, nn.Module]:
        return {"units": VGGClassifier(self.image_size, self.channels, self.depths)}

    def _stages(self, training: TrainingSet) -> list[Stage]:
        epochs = self.training_epochs(len(training))
        adam = partial(torch.optim.AdamW, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
        cycle = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=self.learning_rate, total_steps=epochs + 1)
        phase = Phase("action_units", ("units",), _terms, {"action_units": 1.0}, adam, cycle)
        batches = training.batches(self.batch_size, self.seed)
        return [Stage("action_units", self.modules_, [phase], epochs, batches, _views)]

    def _after_training(self, training: TrainingSet) -> None:
        unseen = cast(Faces, training.held_out)
        coded = unseen.table.reindex(columns=list(AU_COLUMNS)).to_numpy(np.float32)
        self.held_out_ = {"pictures": len(unseen), "people": len(set(unseen.subject))}
        self.error_ = action_unit_agreement(coded, self.predict(unseen))
        self.notes_.append(f"AUEstimator: {self.own}")

    def _fitted_state(self) -> dict[str, Any]:
        error = {"table": self.error_.table.to_dict(orient="index"), "left_out": self.error_.left_out}
        return {"coded": list(self.coded_), "people": self.people_, "held_out": self.held_out_, "error": error}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.coded_, self.people_, self.held_out_ = tuple(state["coded"]), state["people"], state["held_out"]
        table = pd.DataFrame.from_dict(state["error"]["table"], orient="index", columns=["mse", "pcc", "icc", "n"])
        self.error_ = ActionUnitAgreement(table, state["error"]["left_out"])


def _terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
    return {"action_units": action_unit_loss(modules.units(batch["image"]), batch["label"])}


def _views(_: Modules, batch: Batch, random: torch.Generator) -> Batch:
    """Pictures in [-1, 1], mirrored and rotated at random."""
    images = to_unit_range(batch["image"])
    size = images.shape[-1]
    views = random_views(len(images), size, size, max_degrees=_DEGREES, generator=random, device=images.device)
    return {**batch, "image": take_views(images, views, size)}
