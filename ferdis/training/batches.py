"""Arrays in, batches out: seeded, shuffled or balanced, split over processes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ferdis.training.distributed import rank_and_world

Batch = dict[str, Tensor]


class ArrayBatches:
    """``batches(epoch)`` for a :class:`~ferdis.training.trainer.Stage`: every row once an epoch, in an order of
    (seed, epoch).

    Parameters
    ----------
    arrays : name -> array-like of n rows: ndarray, memmap, Tensor, or anything with ``len`` and ``[int
        array]`` -> ndarray, such as ``Faces.images``. Numbers only; kept as they are (uint8 images stay uint8
        until they are on the device).
    batch_size : rows a step over all processes together.
    seed : with the epoch's number the only source of randomness.
    weights : (n,) non-negative; rows are then drawn with replacement in proportion, n an epoch.
    shuffle : False keeps the order of the rows (not with `weights`).

    Notes
    -----
    A last batch of fewer than two rows a process joins the one before (batch norm cannot work on one row).
    Under distributed training each process gets its share of the same global batch. Rows inside a batch are
    in rising order: memory-mapped files are read forwards.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        batch_size: int,
        seed: int = 0,
        weights: np.ndarray | None = None,
        shuffle: bool = True,
    ) -> None:
        self.arrays = {name: _indexable(name, array) for name, array in arrays.items()}
        lengths = {name: len(array) for name, array in self.arrays.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"arrays must have as many rows each, found {lengths}")
        self.n = next(iter(lengths.values()))
        if self.n == 0:
            raise ValueError("there are no rows to make batches of")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: must be at least 1")
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.probabilities = None
        if weights is not None:
            weights = np.asarray(weights, dtype=np.float64)
            if weights.shape != (self.n,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
                raise ValueError(f"weights must be {self.n} finite numbers >= 0, not all 0; got shape {weights.shape}")
            self.probabilities = weights / weights.sum()

    def __call__(self, epoch: int) -> EpochBatches:
        """The batches of an epoch, counted from 0."""
        random = np.random.default_rng([self.seed, epoch])
        if self.probabilities is not None:
            order = random.choice(self.n, size=self.n, replace=True, p=self.probabilities)
        else:
            order = random.permutation(self.n) if self.shuffle else np.arange(self.n)
        return EpochBatches(self.arrays, split_batches(order, self.batch_size))


def split_batches(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Samples (n,) in batches of ``batch_size``, of each the part of this process; see :class:`ArrayBatches`."""
    rank, world = rank_and_world()
    n = len(order)
    if n < world:
        raise ValueError(f"{n} rows for {world} processes: use fewer devices")
    if batch_size < world:
        raise ValueError(f"batch_size={batch_size} is below the {world} processes that share it")
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] < 2 * world:
        starts.pop()
    return [np.sort(order[a:b])[rank::world] for a, b in zip(starts, [*starts[1:], n], strict=True)]


class EpochBatches:
    """The batches of one epoch: a sized iterable of name -> tensor.

    Parameters
    ----------
    arrays : name -> array-like
    parts : the samples of each batch
    rows : name -> (m,) row of that array for each sample; by default sample k is row k of all of them.
    """

    def __init__(
        self, arrays: Mapping[str, Any], parts: list[np.ndarray], rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self.arrays, self.parts, self.rows = arrays, parts, rows

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        for part in self.parts:
            rows = {name: part if self.rows is None else self.rows[name][part] for name in self.arrays}
            yield {name: _gather(array, rows[name]) for name, array in self.arrays.items()}


def _indexable(name: str, array: Any) -> Any:
    if isinstance(array, (list, tuple)) or hasattr(array, "to_numpy"):  # a pandas column, a plain list
        array = np.asarray(array)
    dtype = getattr(array, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in "biuf":
        raise ValueError(f"arrays[{name!r}] holds {dtype}, not numbers: give class indices, not names")
    return array


def _gather(array: Any, rows: np.ndarray) -> Tensor:
    if isinstance(array, Tensor):
        return array[torch.from_numpy(rows)]
    return torch.from_numpy(np.ascontiguousarray(array[rows]))


def prefetched(batches: Iterable[Batch], depth: int = 2) -> Generator[Batch, None, None]:
    """The same batches, gathered and pinned by a thread: reading files overlaps with the GPU's work."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batch in batches:
                put({name: tensor.pin_memory() for name, tensor in batch.items()})
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the training loop, which raises it
            put(error)

    thread = threading.Thread(target=work, daemon=True, name="ferdis-prefetch")
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
