"""How long an evaluation will take and how much memory, from timing a few steps of it."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
import sklearn.base

from ferdis.capabilities import EstimatesItsTime, RemarksOnSize, StretchesTraining, innermost
from ferdis.evaluation.fit_and_score import Job
from ferdis.faces import Faces
from ferdis.messages import duration, one_line
from ferdis.protocol import Fold
from ferdis.training.shared import shared_seconds_of

_SLICE = 64  # images of the timed fits, at most


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take.

    Attributes
    ----------
    fold_seconds : system -> seconds for one fold; None where it cannot be told beforehand.
    fits : how many, all systems together.
    total_seconds : for all of them, or None; ``shared_seconds`` are in it once.
    shared_seconds : of a pretraining that the folds share and that is still to be done.
    memory_gb : memory of one process at its highest so far (GB of host memory).
    accelerator_gb : the same on the CUDA device, 0 without one.
    n_jobs : fits at a time.
    """

    fold_seconds: Mapping[str, float | None]
    fits: int
    total_seconds: float | None
    memory_gb: float
    accelerator_gb: float
    n_jobs: int
    shared_seconds: float = 0.0

    def __str__(self) -> str:
        processes = 1 if self.n_jobs == 1 else self.n_jobs + 1  # the one that waits holds the faces too
        parts = [
            f"{name} {duration(seconds)}" if seconds is not None else f"{name} not known (it offers nothing to time)"
            for name, seconds in self.fold_seconds.items()
        ]
        total = f"about {duration(self.total_seconds)}" if self.total_seconds is not None else "time not known"
        memory = f"about {processes * self.memory_gb:.1f} GB of memory"
        if self.accelerator_gb:
            memory += f" and {self.n_jobs * self.accelerator_gb:.1f} GB on the accelerator"
        once = f", {duration(self.shared_seconds)} of it for a pretraining, once" if self.shared_seconds else ""
        fits = "1 fit" if self.fits == 1 else f"{self.fits} fits, {self.n_jobs} at a time"
        return f"estimate: {total}{once} and {memory} for {fits} (a fit: {', '.join(parts)})"


def estimate(
    estimators: Mapping[str, Any],
    faces: Faces,
    folds: Sequence[Fold],
    *,
    n_jobs: int = 1,
    counts: Mapping[str, int] | None = None,
) -> Estimate:
    """Estimate time and memory of an evaluation by fitting each system for an epoch or two on a few faces.

    An estimator that knows better offers ``estimate_seconds(faces) -> float``. Else each of its arguments that count
    epochs (``epochs``, ``mlp_epochs``, ...) is set to 1 and then to 2, on at most 64 training faces of the first
    fold: what the second epoch adds is scaled to the fold's images and epochs. Small batches and caches make this
    good to a factor of perhaps 1.5; scoring and writing are not in it. A pretraining that folds share is counted once,
    by timing a few steps of it, and not at all where it has been done.

    Parameters
    ----------
    estimators : system -> estimator; clones are fitted.
    faces, folds : as for evaluate.
    n_jobs : fits at a time; timed with each one's share of the cores.
    counts : number of fits of each system that lie ahead; by default one a fold.
    """
    train = faces[folds[0].train]
    mean_images = float(np.mean([len(fold.train) for fold in folds]))
    systems = {name: innermost(estimator) for name, estimator in estimators.items()}
    timed: dict[int, float | None] = {}  # a system that is also wrapped is timed once, and its pretraining counted once
    shared = 0.0
    with with_threads(max(1, joblib.cpu_count() // n_jobs) if n_jobs > 1 else None):
        for key, system in {id(system): system for system in systems.values()}.items():
            timed[key] = _fold_seconds(system, train, mean_images)
            shared += _shared_seconds(system, train)
    seconds = {name: timed[id(system)] for name, system in systems.items()}
    accelerator = _accelerator_gb()
    counts = counts if counts is not None else dict.fromkeys(estimators, len(folds))
    fits = sum(counts.values())
    total = sum(counts[name] * value for name, value in seconds.items() if value is not None) / min(n_jobs, fits)
    known = all(value is not None for value in seconds.values())
    return Estimate(seconds, fits, total + shared if known else None, _host_gb(), accelerator, n_jobs, shared)


def tell_estimate(pending: Sequence[Job], n_jobs: int) -> None:
    """Print what the pending fits will take. What goes wrong here would go wrong in the fit, which then says so."""
    systems = {job.task.system: job.estimator for job in pending}
    counts = Counter(job.task.system for job in pending)
    try:
        told = estimate(systems, pending[0].faces, [job.fold for job in pending], n_jobs=n_jobs, counts=counts)
    except Exception as error:
        print(f"no estimate of time and memory: {one_line(error)}", file=sys.stderr)
        return
    mean_images = sum(len(job.fold.train) for job in pending) / len(pending)
    print("\n".join([str(told), *size_remarks(systems, mean_images)]), file=sys.stderr, flush=True)


def _fold_seconds(estimator: Any, train: Faces, images: float) -> float | None:
    if isinstance(estimator, EstimatesItsTime):
        return float(estimator.estimate_seconds(train)) * images / len(train)
    parameters = estimator.get_params(deep=False)
    counts = {
        name: value
        for name, value in parameters.items()
        if (name == "epochs" or name.endswith("_epochs")) and isinstance(value, int) and value > 0
        if not name.startswith(("decay", "pretrain"))  # these count no epochs of a fold
    }
    if not counts:
        return None
    if isinstance(estimator, StretchesTraining):  # it may train longer on a small set
        longer = estimator.training_epochs(images) / counts["epochs"]  # every stage is stretched alike
        counts = {name: max(1, round(value * longer)) for name, value in counts.items()}
    batch = parameters.get("batch_size")
    few = _few(train, min(_SLICE, 2 * batch if isinstance(batch, int) else _SLICE))
    # A pretraining is done once for all folds, and takes as long on a few faces as on many.
    few_steps = (("min_steps", 0), ("steps_per_image", 0.0), ("pretrain", None))
    without = {name: value for name, value in few_steps if name in parameters}
    ones = {**dict.fromkeys(counts, 1), **without}
    _time_fit(estimator, few, ones)  # the first fit also pays for imports and warm-up
    once = _time_fit(estimator, few, ones)
    total, stages = once, 0.0
    for name, epochs in counts.items():
        epoch = max(_time_fit(estimator, few, {**ones, name: 2}) - once, 0.0)
        stages += epoch
        total += epoch * epochs * images / len(few)
    return total - min(stages, once)  # the single epochs that `once` holds besides its fixed cost


def size_remarks(estimators: Mapping[str, Any], images: float) -> list[str]:
    """What the systems do because the training set has so many faces, a line each."""
    systems = map(innermost, estimators.values())
    lines = [line for one in systems if isinstance(one, RemarksOnSize) for line in one.remarks(images)]
    return list(dict.fromkeys(lines))


def idle_people(folds: Sequence[Fold], selection: str) -> str:
    """What validation people cost where nobody asks them, in a line; empty where it costs nothing.

    The folds stay as the protocol deals them: a fold trains on the same people by whichever rule the epoch is chosen.
    """
    held = float(np.mean([len(fold.validation) for fold in folds]))
    if selection != "last" or not held:
        return ""
    share = np.mean([len(fold.validation) / (len(fold.train) + len(fold.validation)) for fold in folds])
    return (
        f"validation: {held:.0f} images of a fold, {share:.0%} of those it could train on, train nothing and, with "
        "selection='last', choose nothing: validation_folds=0 (--protocol.validation_folds 0) trains on them too"
    )


def _shared_seconds(estimator: Any, train: Faces) -> float:
    """Seconds of the pretraining that is still to be done for all folds."""
    parameters = estimator.get_params(deep=False)
    if parameters.get("pretrain") is None:
        return 0.0
    ones = {
        name: 1 for name, value in parameters.items() if name in ("epochs", "mlp_epochs") and isinstance(value, int)
    }
    changes = {**ones, **{name: 0 for name in ("min_steps", "steps_per_image") if name in parameters}}
    return shared_seconds_of(lambda: _time_fit(estimator, _few(train, _SLICE), changes))


def _few(train: Faces, count: int) -> Faces:
    """About ``count`` faces, at least two of each class, the classes in turn."""
    turn = pd.Series(train.expression).groupby(train.expression).cumcount().to_numpy()
    order = np.lexsort((train.expression, turn))
    return train[np.sort(order[: max(count, 2 * len(train.classes))])]


def _time_fit(estimator: Any, faces: Faces, changes: Mapping[str, Any]) -> float:
    clone = sklearn.base.clone(estimator).set_params(**changes)
    start = time.perf_counter()
    clone.fit(faces)
    return time.perf_counter() - start


@contextlib.contextmanager
def with_threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads inside the block; None leaves it alone."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _host_gb() -> float:
    try:
        import resource
    except ImportError:  # not on Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)  # bytes there, kilobytes elsewhere


def _accelerator_gb() -> float:
    """Highest use so far; what the timed fits held is given back, for the workers to have."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.max_memory_reserved() / 1e9
