"""What a generator is told about a face: its action units or its expression, as a row of numbers.

StarGAN, IcGAN and HomoInterpGAN were published for binary attributes; here each of them takes either. A row of action
units has 17 intensities 0..5, NaN where an action unit is not coded; a row of an expression is one-hot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F

from ferdis.faces import AU_MAXIMUM, Faces
from ferdis.losses import in_float32
from ferdis.systems.action_units import (
    N_ACTION_UNITS,
    action_units_as_trained,
    action_units_of,
    checked_action_units,
    coded_action_units,
)
from ferdis.systems.base import expressions_of

__all__ = ["CONDITIONS", "Condition", "condition_loss", "with_mask"]

ACTION_UNITS, EXPRESSIONS = CONDITIONS = ("action_units", "expressions")


@dataclass(frozen=True)
class Condition:
    """What a generator learned to be told.

    Attributes
    ----------
    kind : "action_units" or "expressions"
    classes : the expressions, sorted; empty for action units
    coded, always : action units that some training faces have, and those that all have; empty for expressions
    """

    kind: str
    classes: tuple[str, ...] = ()
    coded: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    @classmethod
    def learned_from(cls, kind: str, faces: Faces, y: Any = None) -> tuple[Condition, np.ndarray]:
        """The condition of these training faces, and their rows (n, width) float32.

        Parameters
        ----------
        kind : str
            One of :data:`CONDITIONS`.
        faces : Faces
        y : (n,) of str, optional
            Expressions instead of ``faces.expression``.

        Raises
        ------
        ValueError
            If no face has action units, there are fewer than two expressions, or ``y`` has another length.
        """
        if kind == ACTION_UNITS:
            rows = action_units_of(faces)
            coded, always = coded_action_units(rows)
            return cls(kind, coded=coded, always=always), rows
        expression = expressions_of(faces, y)
        classes = np.unique(expression)
        if len(classes) < 2:
            raise ValueError(f"{len(faces)} training faces show {len(classes)} expression: two are needed")
        condition = cls(kind, classes=tuple(classes.tolist()))
        return condition, condition._one_hot(expression)

    @property
    def width(self) -> int:
        """Numbers in a row: 17, or one per expression."""
        return N_ACTION_UNITS if self.kind == ACTION_UNITS else len(self.classes)

    @property
    def told_width(self) -> int:
        """Numbers that a network is given, see :func:`with_mask`."""
        return 2 * N_ACTION_UNITS if self.kind == ACTION_UNITS else len(self.classes)

    def of(self, faces: Faces) -> np.ndarray:
        """The rows of faces by their own table, (n, width) float32.

        Raises
        ------
        ValueError
            For faces without action units, or an expression that no training face had.
        """
        if self.kind == ACTION_UNITS:
            return action_units_as_trained(action_units_of(faces), self.coded, self.always).astype(np.float32)
        return self._one_hot(faces.expression)

    def asked(self, au: ArrayLike | Mapping[str, float], faces: Faces) -> np.ndarray:
        """The rows that ``edit(faces, au)`` asks for, (n, 17) float32.

        Parameters
        ----------
        au : array-like of shape (17,) or (n, 17), or mapping
            As for :func:`~ferdis.systems.action_units.checked_action_units`; a mapping changes the action units that it
            names and leaves the others as the faces have them.
        faces : Faces

        Raises
        ------
        ValueError
            If the generator was told expressions, or as ``checked_action_units`` and ``action_units_as_trained`` do.
        """
        if self.kind != ACTION_UNITS:
            raise ValueError(f"it learned expressions, not action units: fit it with condition={ACTION_UNITS!r}")
        rest = action_units_of(faces) if isinstance(au, Mapping) else 0.0
        rows = checked_action_units(au, len(faces), self.coded, rest)
        return action_units_as_trained(rows, self.coded, self.always).astype(np.float32)

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Condition:
        """What :meth:`record` gave."""
        return cls(str(record["kind"]), *(tuple(record[name]) for name in ("classes", "coded", "always")))

    def _one_hot(self, expression: np.ndarray) -> np.ndarray:
        if unknown := sorted(set(map(str, expression)) - set(self.classes)):
            raise ValueError(f"no training face shows {unknown[0]!r}: there are {', '.join(self.classes)}")
        return (np.asarray(expression, dtype=str)[:, None] == np.array(self.classes)).astype(np.float32)


def with_mask(rows: Tensor, kind: str) -> Tensor:
    """What a network is told: expressions as they are; action units as shares of 5, beside which of them are known.

    The second half is the mask vector of StarGAN's Eq. 7, with one entry per action unit: NaN is 0 in both halves.

    Parameters
    ----------
    rows : Tensor of shape (n, width)
        Rows of a :class:`Condition`.
    kind : str
        One of :data:`CONDITIONS`.

    Returns
    -------
    Tensor of shape (n, 34) or (n, K)
        In [0, 1].
    """
    if kind == EXPRESSIONS:
        return rows
    known = ~rows.isnan()
    return torch.cat([torch.where(known, rows, 0) / AU_MAXIMUM, known.to(rows.dtype)], 1)


@in_float32
def condition_loss(found: Tensor, rows: Tensor, kind: str) -> Tensor:
    """Distance of what a network reads to the condition of a face.

    Parameters
    ----------
    found : Tensor of shape (n, width)
        Logits of expressions, or intensities of action units.
    rows : Tensor of shape (n, width)
        One-hot, or 0..5 with NaN = not coded, which is masked.
    kind : str
        One of :data:`CONDITIONS`.

    Returns
    -------
    Tensor
        Scalar: the cross-entropy, mean over faces; or the squared distance, mean over coded action units and faces (0
        if nothing is coded).
    """
    if kind == EXPRESSIONS:
        return F.cross_entropy(found, rows)
    known = ~rows.isnan()
    return ((found - torch.where(known, rows, 0)).square() * known).sum() / known.sum().clamp(min=1)
