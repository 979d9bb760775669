"""A system whose score is a known function of its arguments, with the validation history of a real one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ferdis.faces import Faces
from ferdis.training.history import History


class Curve(BaseEstimator):
    """Its validation score climbs to ``1 - |rate - 0.3|``, a little higher with ``kind="good"``.

    ``diary`` is a file that gets a line an epoch; ``wait`` seconds pass in each. ``die_once`` names a file: the fit
    that finds it missing makes it and ends its process.
    """

    def __init__(
        self,
        rate: float = 0.0,
        epochs: int = 4,
        kind: str = "plain",
        sizes: tuple[int, ...] = (1, 2),
        seed: int = 0,
        diary: str | None = None,
        wait: float = 0.0,
        fail_below: float = 0.0,
        die_once: str | None = None,
        extra_train: Faces | None = None,
    ) -> None:
        self.rate = rate
        self.epochs = epochs
        self.kind = kind
        self.sizes = sizes
        self.seed = seed
        self.diary = diary
        self.wait = wait
        self.fail_below = fail_below
        self.die_once = die_once
        self.extra_train = extra_train

    def fit(self, faces: Faces, y: Any = None, *, validation: Faces | None = None, callbacks: Any = ()) -> Curve:
        if self.die_once is not None and not Path(self.die_once).exists():
            Path(self.die_once).touch()
            os._exit(9)
        if self.rate < self.fail_below:
            raise ValueError(f"rate={self.rate} is too small\nby far")
        self.classes_ = np.array(faces.classes)
        self.history_ = History()
        best = 0.9 - abs(self.rate - 0.3) + 0.1 * (self.kind == "good")
        for epoch in range(1, self.epochs + 1):
            time.sleep(self.wait)
            if self.diary is not None:
                with Path(self.diary).open("a") as file:
                    file.write(f"{os.getpid()} {epoch} {self.rate:.4f}\n")
            score = [] if validation is None else [("validation", "score", best * epoch / self.epochs)]
            rows = self.history_.end_epoch("curve", epoch, epoch, score)
            for callback in callbacks:
                callback.on_epoch_end(rows)
        return self

    def predict_proba(self, faces: Faces) -> np.ndarray:
        return np.full((len(faces), len(self.classes_)), 1 / len(self.classes_))
