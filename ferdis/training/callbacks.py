"""Who is told of a training while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ferdis.training.history import Row


class Callback(Protocol):
    """Follows a training, and may end it: ``fit(faces, callbacks=[...])`` takes any number of them.

    A sweep's callback gives up a trial whose validation score falls behind (:mod:`ferdis.sweep`).
    """

    def on_epoch_end(self, rows: Sequence[Row]) -> None:
        """Called at the end of each epoch, on every process; a checkpoint that is due has been written by then.

        Parameters
        ----------
        rows : sequence of (stage, epoch, step, phase, term, value)
            What this epoch added to :attr:`ferdis.training.History.rows`.

        Raises
        ------
        Exception
            Whatever is raised here ends the training and reaches the caller of ``fit``.
        """
