"""A progress bar on a terminal, a line a step elsewhere (a log file wants lines, not a bar redrawn)."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ferdis.evaluation.runtime_estimate import duration


class Bar:
    """Progress over steps of about equal length; a context manager.

    Parameters
    ----------
    what : what is counted.
    total : number of steps.
    done : steps that were done before.
    shown : False prints nothing.
    """

    def __init__(self, what: str, total: int, done: int, shown: bool) -> None:
        self.what, self.total, self.done, self.shown = what, total, done, shown
        self._before, self._start = done, time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Bar:
        console = Console(file=sys.stderr)
        if self.shown and console.is_terminal and self.done < self.total:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[last]}"),
            )
            clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            # Steps take minutes: speed is measured over all of them, not over the last half minute.
            self._bar = Progress(*columns, *clocks, console=console, speed_estimate_period=86_400)
            self._bar.add_task(self.what, total=self.total, completed=self.done, last="")
            self._bar.start()
        return self

    def step(self, name: str) -> None:
        """One step, called ``name``, has ended."""
        self.done += 1
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, last=name)
        elif self.shown:
            each = (time.monotonic() - self._start) / (self.done - self._before)
            left = f", about {duration(each * (self.total - self.done))} left" if self.done < self.total else ""
            print(f"{self.what} {self.done}/{self.total}: {name}{left}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
