"""What training measured: every loss term, by stage, epoch, step and phase."""

from __future__ import annotations

import csv
import itertools
import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ferdis._io import replacing

COLUMNS = ("stage", "epoch", "step", "phase", "term", "value")
Row = tuple[str, int, int, str, str, float]


class History:
    """Epoch means of every term, a thinned trace of single steps, and the last values for :meth:`mean`.

    Epochs and steps count from 1, inside their stage. A term that is only logged may be NaN in steps that had
    nothing to measure: NaN is left out of every mean.

    Attributes
    ----------
    rows : list of (stage, epoch, step, phase, term, value)
        One row per epoch and term; `step` is the epoch's last step. Besides the terms there is a
        `learning_rate` for each phase, and phase `validation` with term `score` where a stage validates.
    """

    keep_recent = 1000  # values a term that `mean` can look back on
    keep_steps = 1000  # rows a term of the step trace, at most; older ones are thinned by halves

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._recent: dict[str, deque[float]] = {}
        self._sums: dict[str, list[float]] = {}  # "phase/term" -> [sum, count] of the running epoch
        self._trace: dict[str, list[tuple[int, int, float]]] = {}  # "stage/phase/term" -> [(epoch, step, value)]
        self._stride: dict[str, int] = {}

    def mean(self, name: str, last: int = 100) -> float:
        """Mean of the last values of a term in the running stage, e.g. ``mean("discriminator/real_accuracy",
        100)``.

        Parameters
        ----------
        name : ``"<phase>/<term>"``.
        last : how many values back, 1..1000; fewer are averaged while there are fewer.

        Returns
        -------
        float
            NaN before the first value (any comparison with it is False). Values arrive when the device is
            read: after each step on CPU, every 20 steps on an accelerator.
        """
        if not 1 <= last <= self.keep_recent:
            raise ValueError(f"last={last}: History.mean looks back 1 to {self.keep_recent} values")
        recent = self._recent.get(name, ())
        values = [value for value in itertools.islice(reversed(recent), last) if value == value]
        return math.fsum(values) / len(values) if values else math.nan

    def to_frame(self, steps: bool = False) -> pd.DataFrame:
        """Columns stage, epoch, step, phase, term, value: the `rows`, or the thinned single steps."""
        rows = self.rows
        if steps:
            rows = []
            for key, trace in self._trace.items():
                stage, phase, term = key.split("/", 2)
                rows.extend((stage, epoch, step, phase, term, value) for epoch, step, value in trace)
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def write_csv(self, path: str | Path) -> None:
        """Write :meth:`to_frame` as CSV; the old file stays until the new one is whole."""
        with replacing(path, sync=False) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows)

    # What the trainer calls.

    def begin_stage(self) -> None:
        """Forget the last values: `mean` looks at one stage."""
        self._recent.clear()
        self._sums.clear()

    def add(self, stage: str, epoch: int, step: int, phase: str, term: str, value: float) -> None:
        """Take in one value of one step."""
        name = f"{phase}/{term}"
        if name not in self._recent:
            self._recent[name] = deque(maxlen=self.keep_recent)
        self._recent[name].append(value)
        if value == value:
            total = self._sums.setdefault(name, [0.0, 0])
            total[0] += value
            total[1] += 1
        key = f"{stage}/{name}"
        stride = self._stride.setdefault(key, 1)
        if (step - 1) % stride == 0:
            trace = self._trace.setdefault(key, [])
            trace.append((epoch, step, value))
            if len(trace) > self.keep_steps:
                self._stride[key] = stride * 2
                self._trace[key] = [row for row in trace if (row[1] - 1) % (stride * 2) == 0]

    def end_epoch(self, stage: str, epoch: int, step: int, extra: Sequence[tuple[str, str, float]] = ()) -> list[Row]:
        """Close the epoch: its means become rows, then `extra` (phase, term, value) rows; these rows."""
        before = len(self.rows)
        for name, (total, count) in self._sums.items():
            phase, term = name.split("/", 1)
            self.rows.append((stage, epoch, step, phase, term, total / count))
        self._sums.clear()
        self.rows.extend((stage, epoch, step, phase, term, value) for phase, term, value in extra)
        return self.rows[before:]

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, JSON-able rest) from which :meth:`load_state` goes on as if nothing had happened."""
        tensors = {f"recent/{name}": torch.tensor(list(v), dtype=torch.float64) for name, v in self._recent.items()}
        for key, trace in self._trace.items():
            tensors[f"trace/{key}"] = torch.tensor(trace, dtype=torch.float64)
        return tensors, {"rows": self.rows, "stride": self._stride}

    def load_state(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.rows = [tuple(row) for row in rest["rows"]]  # type: ignore[misc]
        self._stride = dict(rest["stride"])
        for name, tensor in tensors.items():
            if name.startswith("recent/"):
                self._recent[name.removeprefix("recent/")] = deque(tensor.tolist(), maxlen=self.keep_recent)
        for key in self._stride:  # in the order of their first values, which a file does not keep
            trace = tensors[f"trace/{key}"].tolist()
            self._trace[key] = [(int(epoch), int(step), value) for epoch, step, value in trace]
