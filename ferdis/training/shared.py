"""What all folds start from is trained once: the first fold that needs it trains it, the others wait and read it.

Its seconds are counted apart, and :func:`shared_seconds_of` tells beforehand how many they will be, so that neither an
estimate nor the time left counts them once for each fold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import nn

from ferdis.preprocess.cache import default_directory
from ferdis.training.batches import Batch
from ferdis.training.checkpoints import save_modules
from ferdis.training.distributed import meet, rank_and_world_of_launch
from ferdis.training.phases import Stage
from ferdis.training.trainer import Trainer
from ferdis.training.turns import undisturbed

_FEW, _MORE = 2, 6  # steps of a stage that are timed: what the further ones add is scaled
_looking = False  # inside shared_seconds_of: nothing is trained, it is only said
_spent = 0.0


class _Ahead(Exception):
    """A shared training that has not been done yet."""

    def __init__(self, stages: list[Stage], arguments: Mapping[str, Any]) -> None:
        super().__init__("a training that all folds share is ahead")
        self.stages, self.arguments = stages, arguments


def train_shared(
    signature: str,
    kind: str,
    modules: Mapping[str, nn.Module],
    stages: Callable[[], list[Stage]],
    arguments: Mapping[str, Any],
) -> Path:
    """Train ``modules`` unless the same training has been done before.

    Parameters
    ----------
    signature : tells one training from another.
    kind : folder in ``$FERDIS_CACHE`` (``~/.cache/ferdis``).
    stages : called only if there is something to train; a training that was killed goes on where it was.
    arguments : of :class:`~ferdis.training.trainer.Trainer`.

    Returns
    -------
    Path
        Of the weights, for :func:`ferdis.training.checkpoints.load_modules`.
    """
    folder = default_directory() / kind / signature
    weights = folder / "weights.safetensors"
    if _looking and not weights.is_file():
        raise _Ahead(stages(), arguments)
    folder.mkdir(parents=True, exist_ok=True)
    first = rank_and_world_of_launch()[0] == 0  # processes that train this together do not wait for each other
    # The others wait for the first of them; of those that train in fused steps nobody goes on while it holds the lock.
    with _counted(), undisturbed(), FileLock(folder / "lock") if first else nullcontext():
        if not weights.is_file():
            Trainer(run_dir=folder, **arguments).run(stages(), signature=folder.name)
            if first:
                save_modules(weights, modules)
            meet()
    return weights


def seconds_spent() -> float:
    """Seconds that this process has spent on shared trainings, or waiting for them."""
    return _spent


def shared_seconds_of(fit: Callable[[], Any]) -> float:
    """Seconds of the shared training that ``fit`` would begin with; 0 where there is none, or it has been done.

    Parameters
    ----------
    fit : a short fit, which is run if nothing is ahead.
    """
    global _looking
    _looking = True
    try:
        fit()
        return 0.0
    except _Ahead as ahead:
        return sum(_seconds(stage, ahead.arguments) for stage in ahead.stages)
    finally:
        _looking = False


def _seconds(stage: Stage, arguments: Mapping[str, Any]) -> float:
    """Seconds of a stage, by timing a few steps of it."""
    steps = sum(1 for _ in stage.batches(0))
    times = []
    for count in (1, _FEW, _FEW + _MORE):  # the first also pays for warming up
        start = time.perf_counter()
        few = replace(stage, epochs=1, batches=_First(stage.batches, min(count, steps)), validate=None)
        Trainer(**{**arguments, "progress": False}).run([few])
        times.append(time.perf_counter() - start)
    more = min(_FEW + _MORE, steps) - min(_FEW, steps)
    step = (times[2] - times[1]) / more if more else times[2] / steps
    return max(step, 0.0) * steps * stage.epochs


class _First:
    """The first few batches of each epoch."""

    def __init__(self, batches: Callable[[int], Iterable[Batch]], count: int) -> None:
        self.batches, self.count = batches, count

    def __call__(self, epoch: int) -> Sequence[Batch]:
        return list(islice(self.batches(epoch), self.count))


@contextmanager
def _counted() -> Iterator[None]:
    global _spent
    start = time.monotonic()
    try:
        yield
    finally:
        _spent += time.monotonic() - start
