"""Action units as levels: the classifier and its loss, which EGGAN and the AU estimator share.

Each intensity of 0..5 is rounded to one of six levels; a classifier has one logit per action unit and level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import AU_COLUMNS, AU_MAXIMUM, Faces
from ferdis.losses import in_float32

LEVELS = 6  # rounded intensities 0..5
N_ACTION_UNITS = len(AU_COLUMNS)


class VGGClassifier(nn.Module):
    """A VGG19-like network with batch norm: EGGAN's C_exp and C_id (Tang et al. 2020, Section 3.3).

    Parameters
    ----------
    size : int
        Side of the images.
    channels, depths : sequence of int
        Channels and convolutions of each block, which ends with a pooling. VGG19 has 2, 2, 4, 4 and 4 convolutions.
    outputs : int
        17 x 6 for C_exp; for C_id one per person.
    """

    def __init__(
        self, size: int, channels: Sequence[int], depths: Sequence[int], outputs: int = N_ACTION_UNITS * LEVELS
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.places: dict[str, int] = {}  # name of a layer -> how many layers lead up to it
        before = 3
        for block, (after, depth) in enumerate(zip(channels, depths, strict=True), 1):
            for number in range(1, depth + 1):
                layers += [nn.Conv2d(before, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
                self.places[f"relu{block}_{number}"] = len(layers)
                before = after
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before * (size // 2 ** len(channels)) ** 2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, S, S) in [-1, 1] to logits (n, outputs)."""
        return self.head(self.layers(images).flatten(1))

    def maps(self, images: Tensor, layer: str) -> Tensor:
        """Maps (n, c, h, w) of a layer: ``"relu2_1"`` is the activation after the second block's first convolution."""
        return self.layers[: self.check_layer(layer)](images)

    def check_layer(self, layer: str) -> int:
        """How many layers lead up to the named one, itself included; ValueError if there is no such layer."""
        if layer not in self.places:
            raise ValueError(f"perceptual_layer={layer!r}: choose one of {', '.join(self.places)}")
        return self.places[layer]


@in_float32
def action_unit_loss(logits: Tensor, action_units: Tensor) -> Tensor:
    """Cross-entropy of each AU's level, its intensity rounded to the nearest of 0..5 (EGGAN's Eq. 3).

    Parameters
    ----------
    logits : Tensor of shape (n, 17 * 6)
        The levels of the first AU, those of the second, and so on.
    action_units : Tensor of shape (n, 17)
        Intensities 0..5; NaN = not coded, masked.

    Returns
    -------
    Tensor
        Scalar, the mean over coded AUs and faces; 0 if nothing is coded.
    """
    known = ~action_units.isnan()
    levels = (torch.where(known, action_units, 0) + 0.5).floor().long().clamp(0, LEVELS - 1)  # (n, 17)
    losses = F.cross_entropy(logits.reshape(-1, LEVELS), levels.flatten(), reduction="none")
    return (losses * known.flatten()).sum() / known.sum().clamp(min=1)


@in_float32
def expected_action_units(logits: Tensor) -> Tensor:
    """Intensities (n, 17) in 0..5: the expectation of the level under logits (n, 17 * 6)."""
    levels = torch.arange(LEVELS, dtype=logits.dtype, device=logits.device)
    return logits.unflatten(1, (-1, LEVELS)).softmax(2) @ levels


def action_units_of(faces: Faces) -> np.ndarray:
    """The faces' action units, (n, 17) float32, 0..5; NaN = not coded.

    Raises
    ------
    ValueError
        If no face has any.
    """
    action_units = faces.table.reindex(columns=list(AU_COLUMNS)).to_numpy(np.float32)
    if np.isnan(action_units).all():
        raise ValueError(
            f"none of the {len(faces)} faces has action units: give columns AU01 .. AU45, join a file of OpenFace or "
            f"py-feat (ferdis.datasets.au_files), or let an AUEstimator read them"
        )
    return action_units


def coded_action_units(action_units: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the AUs that are coded in some rows of (n, 17), and of those that are coded in all."""
    names, known = np.array(AU_COLUMNS), ~np.isnan(action_units)
    return tuple(names[known.any(0)].tolist()), tuple(names[known.all(0)].tolist())


def checked_action_units(
    au: ArrayLike | Mapping[str, float], n: int, coded: Sequence[str], rest: np.ndarray | float = 0.0
) -> np.ndarray:
    """Requested action units, checked and completed, (n, 17) float32.

    Parameters
    ----------
    au : array-like of shape (17,) or (n, 17), or mapping
        Intensities 0..5: in the order of ``AU_COLUMNS``, one row for all faces or one row per face; or some by name.
    n : int
        Number of faces.
    coded : sequence of str
        AUs that the training faces had; of the others only 0 or NaN can be requested.
    rest : ndarray of shape (n, 17), or 0
        Intensities of the AUs that a mapping does not name.

    Raises
    ------
    ValueError
        For another shape, an unknown name, an intensity outside 0..5, or one above 0 of an AU that was never coded.
    """
    if isinstance(au, Mapping):
        if unknown := sorted(set(au) - set(AU_COLUMNS)):
            raise ValueError(f"no action unit is called {unknown[0]!r}: there are {', '.join(AU_COLUMNS)}")
        action_units = np.array([au.get(name, np.nan) for name in AU_COLUMNS], np.float32)
    else:
        action_units = np.asarray(au, dtype=np.float32)
    if action_units.shape not in ((N_ACTION_UNITS,), (n, N_ACTION_UNITS)):
        raise ValueError(
            f"au of shape {action_units.shape}: give ({N_ACTION_UNITS},) or ({n}, {N_ACTION_UNITS}), "
            "in the order of AU_COLUMNS"
        )
    if ((action_units < 0) | (action_units > AU_MAXIMUM)).any():
        raise ValueError(f"au from {np.nanmin(action_units):g} to {np.nanmax(action_units):g}: intensities are 0 to 5")
    action_units = np.broadcast_to(action_units, (n, N_ACTION_UNITS))
    uncoded = ~np.isin(AU_COLUMNS, coded)
    if asked := [name for name, wanted in zip(AU_COLUMNS, uncoded & (action_units > 0).any(0), strict=True) if wanted]:
        raise ValueError(f"{', '.join(asked)} cannot be asked for: no training face had it coded")
    return (
        np.where(np.isnan(action_units), rest, action_units).astype(np.float32)
        if isinstance(au, Mapping)
        else action_units.copy()
    )


def action_units_as_trained(action_units: np.ndarray, coded: Sequence[str], always: Sequence[str]) -> np.ndarray:
    """Action units (..., 17) as the generator knows them: NaN where no training face was coded.

    Raises
    ------
    ValueError
        If an action unit is NaN that was coded in every training face: the generator never saw it unknown.
    """
    action_units = np.where(np.isin(AU_COLUMNS, coded), action_units, np.float32(np.nan))
    gaps = np.isnan(action_units).reshape(-1, N_ACTION_UNITS).any(0) & np.isin(AU_COLUMNS, always)
    if gaps.any():
        names = ", ".join(np.array(AU_COLUMNS)[gaps])
        raise ValueError(
            f"{names} is unknown, and no training face lacked it: give a value, or let an AUEstimator read it"
        )
    return action_units


def remarks_on_gaps(action_units: np.ndarray) -> list[str]:
    """A note of how many rows (n, 17) have action units that are not coded (NaN); none where all are."""
    gaps = int(np.isnan(action_units).any(1).sum())
    return [f"{gaps} of {len(action_units)} faces lack some AUs: masked, not imputed"] if gaps else []
