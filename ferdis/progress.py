"""The progress bar: one on a terminal, lines elsewhere (a log file wants lines, not a bar redrawn)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ferdis.messages import duration

_DAY = 86_400.0
EVERY = 60.0  # seconds between two lines of a training in a log file
_told = ContextVar("told", default="")  # what the training of this thread is called, where its lines are wanted


@contextmanager
def lines_of(name: str) -> Iterator[None]:
    """Have trainings inside the block say once a minute how far they are, under this name; no name, no lines.

    For a process without a terminal: the lines are of the stage, its epoch, the losses and the time left.
    """
    before = _told.set(name)
    try:
        yield
    finally:
        _told.reset(before)


def told_name() -> str:
    """The name that :func:`lines_of` gave; empty outside of it."""
    return _told.get()


def on_terminal() -> bool:
    """Whether a bar can be drawn: standard error is a terminal, or this is a notebook."""
    console = Console(stderr=True)
    return console.is_terminal or console.is_jupyter


class Bar:
    """Progress over steps of about equal length; a context manager.

    On a terminal (or in a notebook) a bar, below the one that is on the screen already, if any. Elsewhere nothing, or
    lines, as ``each`` and ``every`` say.

    Parameters
    ----------
    what : str
        What is counted.
    total : int, optional
        Number of steps; None where it is not known (yet, see :meth:`update`).
    done : int
        Steps that were done before.
    shown : bool
        False prints nothing.
    each : bool
        The steps take minutes: without a terminal each has a line of its own, on a terminal the bar stays when it is
        full, and the time left is reckoned from all steps.
    every : float, optional
        Seconds after which, without a terminal, another line says how far it is. None: no such lines.
    lines : bool
        Print these lines even where ``shown`` is False.

    Attributes
    ----------
    apart : float
        Seconds of the steps done that no further step will take; the time left is reckoned without them.
    """

    _screen: ClassVar[Progress | None] = None  # of the outermost bar: a process has one terminal

    def __init__(
        self,
        what: str,
        total: int | None,
        done: int = 0,
        shown: bool = True,
        *,
        each: bool = False,
        every: float | None = None,
        lines: bool = False,
    ) -> None:
        self.lines, self.apart = shown or lines, 0.0
        self.what, self.total, self.done, self.shown, self.each, self.every = what, total, done, shown, each, every
        self._before, self._start = done, time.monotonic()
        self._told = self._start
        self._bar: Progress | None = None

    def __enter__(self) -> Bar:
        console = Console(stderr=True)
        finished = self.total is not None and self.done >= self.total
        if self.shown and (console.is_terminal or console.is_jupyter) and not finished:
            self._outermost = Bar._screen is None
            self._bar = self._new(console) if Bar._screen is None else Bar._screen
            self._task = self._bar.add_task(self.what, total=self.total, completed=self.done, last="")
            if self._outermost:
                Bar._screen = self._bar
                self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is None:
            return
        if self._outermost:
            Bar._screen = None
            self._bar.stop()
        else:
            self._bar.remove_task(self._task)

    def _new(self, console: Console) -> Progress:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[last]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        speed: dict[str, Any] = {"speed_estimate_period": _DAY} if self.each else {}
        return Progress(*columns, console=console, transient=not self.each, **speed)

    def step(self, name: str = "", count: int = 1) -> None:
        """``count`` steps have ended, the last of them called ``name``."""
        self.update(self.done + count, name=name)

    def update(
        self, done: int | None = None, *, total: int | None = None, what: str | None = None, name: str = ""
    ) -> None:
        """Show how far it is.

        Parameters
        ----------
        done : steps done in all, as far as that has changed.
        total, what : as for the class, where these have changed.
        name : what the last step was called.
        """
        self.done = self.done if done is None else done
        self.total = self.total if total is None else total
        self.what = what or self.what
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, total=self.total, description=self.what, last=name)
        elif self.lines and self._due(moved=done is not None):
            self._told = time.monotonic()
            print(self._line(name), file=sys.stderr, flush=True)

    def _due(self, moved: bool) -> bool:
        """Whether it is time for a line."""
        return moved and (self.each or (self.every is not None and time.monotonic() - self._told >= self.every))

    def _line(self, name: str) -> str:
        text = f"{self.what} {self.done}" + ("" if self.total is None else f"/{self.total}") + (name and f": {name}")
        if self.total is None or not self._before < self.done < self.total:
            return text
        each = max(time.monotonic() - self._start - self.apart, 0.0) / (self.done - self._before)
        return f"{text}, about {duration(each * (self.total - self.done))} left"
