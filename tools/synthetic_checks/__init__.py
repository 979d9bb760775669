"""Measurements of the synthetic people, one module per requirement; ``tools.check_synthetic_people`` runs them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Demand:
    """One requirement.

    Attributes
    ----------
    what : str
        Its description.
    value, limit : float
        The measured and the required figure.
    at_least : bool
        Whether the limit is a lower (True) or an upper bound (False).
    """

    what: str
    value: float
    limit: float
    at_least: bool = True

    @property
    def passed(self) -> bool:
        """Whether the requirement is met; NaN never meets it."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict, sign = "pass" if self.passed else "FAIL", ">=" if self.at_least else "<="
        return f"{verdict}  {self.what}: {self.value:.4g} (required {sign} {self.limit:g})"


@dataclass(frozen=True)
class Measurement:
    """The result of a check: its tables, by title, its requirements, and remarks."""

    title: str
    demands: list[Demand]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(demand.passed for demand in self.demands)

    def __str__(self) -> str:
        parts = [f"== {self.title}"]
        for name, table in self.tables.items():
            parts += [f"-- {name}", table.to_string(float_format=lambda value: f"{value:.3f}")]
        return "\n".join([*parts, *self.remarks, *map(str, self.demands)])
