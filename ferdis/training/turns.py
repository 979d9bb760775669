"""Several functions take turns: each in a thread of its own, one at a time, each with its own random state.

A function that runs among others may :meth:`Turn.ask` for something. It then waits, another one runs, and whoever made
the turns looks at what all of them ask for before anybody goes on: that is how the steps of several trainings meet.
What is global and each of them draws from (the random state of Python, NumPy and torch) belongs to the turn, so that a
function draws what it would draw alone.
"""

from __future__ import annotations

import contextlib
import copy
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

_LOOK = 0.5  # seconds between two looks at Ctrl-C, for which some systems do not wake a thread that waits
_thread = threading.local()


class Stopped(BaseException):
    """Ends a function whose turns are over; no ``except Exception`` holds it up."""


class RandomState:
    """The global random state of Python, NumPy and torch, as it is now; ``apart`` others may go on from it.

    NumPy's is changed by its generator, which is a hundred times faster than by its numbers; of what draws from it only
    the second of a pair of ``np.random.normal`` does not outlast a change.
    """

    numpy: Any  # a bit generator

    def __init__(self, apart: bool = False) -> None:
        self.take()
        if apart:
            self.numpy = copy.deepcopy(self.numpy)

    def take(self) -> None:
        """Keep the state as it is now."""
        self.python = random.getstate()
        self.numpy = np.random.get_bit_generator()  # type: ignore[attr-defined]
        self.take_torch()

    def put(self) -> None:
        """Make it the state again."""
        random.setstate(self.python)
        np.random.set_bit_generator(self.numpy)  # type: ignore[attr-defined]
        self.put_torch()

    def take_torch(self) -> None:
        """:meth:`take` of torch alone, which is all that a network draws from."""
        self.torch = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

    def put_torch(self) -> None:
        """:meth:`put` of torch alone."""
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)


class Turn:
    """A function in a thread of its own, which runs only while :meth:`go_on` waits for it.

    Attributes
    ----------
    asked : what the function waits for, or None.
    ended : whether it has returned or raised.
    seconds : time that was spent on it; whoever computes what it asked for adds to it.
    random : its random state, while it waits.
    steps, remarks : of a training (:mod:`ferdis.training.fused`): its steps so far, and what all should know of how the
        turns were used.
    """

    def __init__(self, function: Callable[[], Any], remarks: list[str] | None = None) -> None:
        self.function, self.ended, self.seconds, self.steps = function, False, 0.0, 0
        self.asked: Any = None
        self.remarks = [] if remarks is None else remarks
        self.random = RandomState(apart=True)
        self._result: Any = None
        self._error: BaseException | None = None
        self._answer: Any = None
        self._stopping = False
        self._its, self._ours = threading.Lock(), threading.Lock()  # released by the other: go on
        self._its.acquire()
        self._ours.acquire()
        self._thread: threading.Thread | None = None
        self._since = 0.0

    def go_on(self, answer: Any = None) -> None:
        """Let it run until it asks for something or ends.

        Parameters
        ----------
        answer : what it asked for; an exception is raised where it asked.
        """
        self._answer, self.asked = answer, None
        self.random.put()
        self._since = time.perf_counter()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ferdis-turn", daemon=True)
            self._thread.start()
        else:
            self._its.release()
        self._wait()
        self.seconds += time.perf_counter() - self._since
        self.random.take()

    @property
    def result(self) -> Any:
        """What the function returned; what it raised is raised here."""
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> None:
        """End it where it waits, or as soon as it asks; returns when the thread is gone."""
        self._stopping = True
        while self._thread is not None and self._thread.is_alive() and not self.ended:
            if self.asked is not None:
                self.asked = None
                self._its.release()
            self._wait()

    def ask(self, request: Any) -> Any:
        """Called by the function: wait for the answer to a request, which is not None."""
        if self._stopping:
            raise Stopped
        self.asked = request
        self._ours.release()
        self._its.acquire()
        if self._stopping:
            raise Stopped
        answer, self._answer = self._answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def clock(self) -> float:
        """Called by the function: the seconds that were spent on it so far."""
        return self.seconds + time.perf_counter() - self._since

    def _run(self) -> None:
        _thread.turn = self
        try:
            self._result = self.function()
        except BaseException as error:  # raised where the result is asked for
            self._error = error
        self.ended = True
        self._ours.release()

    def _wait(self) -> None:
        while not self._ours.acquire(timeout=_LOOK):
            pass


def current() -> Turn | None:
    """The turn of this thread; None outside of one, and inside :func:`undisturbed`."""
    return getattr(_thread, "turn", None)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ask for nothing inside the block: nobody else has a turn while this thread holds what they may need."""
    before, _thread.turn = current(), None
    try:
        yield
    finally:
        _thread.turn = before


def clock() -> float:
    """Seconds for differences: of the turn's own time in a turn, else ``time.perf_counter()``."""
    turn = current()
    return time.perf_counter() if turn is None else turn.clock()
