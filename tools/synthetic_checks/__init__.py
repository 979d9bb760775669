"""Measurements of the synthetic set, one module a demand; ``selfcheck`` runs them and prints their tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Demand:
    """One figure that was asked for.

    Attributes
    ----------
    what : str
        In words.
    value, limit : float
        Measured, and demanded.
    at_least : bool
        Whether the value must reach the limit (True) or stay within it (False).
    """

    what: str
    value: float
    limit: float
    at_least: bool = True

    @property
    def passed(self) -> bool:
        """Whether the demand is met; NaN never is."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict, sign = "pass" if self.passed else "FAIL", ">=" if self.at_least else "<="
        return f"{verdict}  {self.what}: {self.value:.4g} (demanded {sign} {self.limit:g})"


@dataclass(frozen=True)
class Measurement:
    """What a check found: its tables, by title, its demands, and remarks."""

    title: str
    demands: list[Demand]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every demand is met."""
        return all(demand.passed for demand in self.demands)

    def __str__(self) -> str:
        parts = [f"== {self.title}"]
        for name, table in self.tables.items():
            parts += [f"-- {name}", table.to_string(float_format=lambda value: f"{value:.3f}")]
        return "\n".join([*parts, *self.remarks, *map(str, self.demands)])
