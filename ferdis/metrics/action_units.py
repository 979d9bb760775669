"""Agreement of action units: requested and measured intensities, or two coders of the same faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ferdis.faces import AU_COLUMNS

__all__ = ["ActionUnitAgreement", "action_unit_agreement", "icc31"]

_VARIES = 1e-6  # a target whose standard deviation is below this, in 0..5, does not vary


@dataclass(frozen=True)
class ActionUnitAgreement:
    """The result of :func:`action_unit_agreement`; printed like the tables of the papers.

    Attributes
    ----------
    table : DataFrame
        One row per action unit whose target varies: ``mse``, ``pcc``, ``icc``, ``n`` (values compared).
    left_out : dict of str to str
        Action units that enter no mean, and why.
    """

    table: pd.DataFrame
    left_out: dict[str, str]

    @property
    def mse(self) -> float:
        """Mean over action units of the mean squared error (intensities 0..5, so 0..25); NaN without any."""
        return float(self.table["mse"].mean())

    @property
    def pcc(self) -> float:
        """Mean over action units of Pearson's correlation, -1..1; NaN without any."""
        return float(self.table["pcc"].mean())

    @property
    def icc(self) -> float:
        """Mean over action units of ICC(3,1), -1..1; NaN without any."""
        return float(self.table["icc"].mean())

    def to_frame(self) -> pd.DataFrame:
        """The table with a last row ``mean``."""
        mean = {"mse": self.mse, "pcc": self.pcc, "icc": self.icc, "n": self.table["n"].sum()}
        return pd.concat([self.table, pd.DataFrame(mean, index=["mean"])])

    def __str__(self) -> str:
        text = self.to_frame().round(3).to_string()
        return text + "".join(f"\nleft out: {name} ({why})" for name, why in self.left_out.items())


def action_unit_agreement(
    target: ArrayLike, found: ArrayLike, names: Sequence[str] = AU_COLUMNS
) -> ActionUnitAgreement:
    """Compare the intensities ``found`` with their ``target``, one action unit at a time.

    Parameters
    ----------
    target, found : array-like of shape (n, action units)
        Intensities 0..5; NaN = not coded. Pairs with NaN on either side are left out.
    names : sequence of str, (action units,)
        Names of the columns.

    Returns
    -------
    ActionUnitAgreement
        An action unit that is not coded, or whose target is constant, is named in ``left_out`` and enters no mean: a
        constant answer would be perfect there. If only ``found`` is constant, ``pcc`` is 0.

    Raises
    ------
    ValueError
        If the shapes differ or do not fit ``names``.
    """
    target, found = np.asarray(target, dtype=float), np.asarray(found, dtype=float)  # (n, units)
    if target.shape != found.shape or target.ndim != 2 or target.shape[1] != len(names):
        raise ValueError(f"target {target.shape} and found {found.shape}: both must be (n, {len(names)})")
    rows, left_out = {}, {}
    for column, name in enumerate(names):
        known = ~np.isnan(target[:, column]) & ~np.isnan(found[:, column])
        a, b = target[known, column], found[known, column]
        if len(a) < 2:
            left_out[name] = f"{len(a)} values"
        elif a.std() < _VARIES:
            left_out[name] = f"its target is always {a[0]:.3g}"
        else:
            rows[name] = {"mse": np.square(a - b).mean(), "pcc": _correlation(a, b), "icc": icc31(np.stack([a, b], 1))}
            rows[name]["n"] = len(a)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["mse", "pcc", "icc", "n"])
    return ActionUnitAgreement(table.astype({"n": int}), left_out)


# Their former names.
UnitAgreement, unit_agreement = ActionUnitAgreement, action_unit_agreement


def icc31(ratings: ArrayLike) -> float:
    """Intraclass correlation ICC(3,1): one rater's consistency with given others (Shrout & Fleiss 1979).

    Parameters
    ----------
    ratings : array-like of shape (n, raters), without NaN
        One row per rated item; here the raters are target and answer.

    Returns
    -------
    float
        (BMS - EMS) / (BMS + (k - 1) EMS) from the mean squares of the two-way table: 1 for raters that differ by at
        most a constant, about 0 for chance. NaN if nothing varies.
    """
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2 or min(ratings.shape) < 2 or np.isnan(ratings).any():
        raise ValueError(f"ratings of shape {ratings.shape}: give (n, raters), two or more of both, without NaN")
    n, k = ratings.shape
    rows, columns, mean = ratings.mean(axis=1), ratings.mean(axis=0), ratings.mean()
    between = k * np.square(rows - mean).sum() / (n - 1)
    residual = ratings - rows[:, None] - columns[None, :] + mean
    error = np.square(residual).sum() / ((n - 1) * (k - 1))
    total = between + (k - 1) * error
    return float((between - error) / total) if total > _VARIES**2 else float("nan")


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; 0 if ``b`` does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if b.std() > _VARIES else 0.0
