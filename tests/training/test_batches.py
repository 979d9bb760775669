"""Batches out of arrays."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ferdis.training import batches as module
from ferdis.training.batches import ArrayBatches


def rows(batches: ArrayBatches, epoch: int = 0) -> list[list[int]]:
    return [batch["row"].tolist() for batch in batches(epoch)]


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 60), batch_size=st.integers(1, 25), seed=st.integers(0, 5), epoch=st.integers(0, 9))
def test_every_row_once_an_epoch_and_never_a_batch_of_one(n: int, batch_size: int, seed: int, epoch: int):
    batches = ArrayBatches({"row": np.arange(n)}, batch_size, seed)
    found = rows(batches, epoch)
    assert sorted(itertools.chain(*found)) == list(range(n)) and len(batches(epoch)) == len(found)
    assert found == rows(ArrayBatches({"row": np.arange(n)}, batch_size, seed), epoch)
    sizes = [len(part) for part in found]
    assert set(sizes[:-1]) <= {batch_size} and sizes[-1] <= batch_size + 1
    assert batch_size == 1 or min(sizes) > 1


def test_epochs_and_seeds_differ():
    orders = {str(rows(ArrayBatches({"row": np.arange(40)}, 10, seed), epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4
    assert rows(ArrayBatches({"row": np.arange(5)}, 2, shuffle=False)) == [[0, 1], [2, 3, 4]]


def test_arrays_of_all_kinds(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)

    class Lazy:
        shape, dtype = images.shape, images.dtype

        def __len__(self) -> int:
            return 10

        def __getitem__(self, index: np.ndarray) -> np.ndarray:
            assert isinstance(index, np.ndarray)
            return images[index]

    memmap = np.load(tmp_path / "images.npy", mmap_mode="r")
    column = pd.Series(range(10), index=range(5, 15))
    arrays = {"memmap": memmap, "lazy": Lazy(), "array": images, "tensor": torch.from_numpy(images), "column": column}
    for batch in ArrayBatches(arrays, 4)(0):
        expected = torch.from_numpy(images)[batch["column"]]
        for name in ("memmap", "lazy", "array", "tensor"):
            assert batch[name].dtype == torch.uint8 and torch.equal(batch[name], expected)


def test_balanced_sampling():
    labels = np.repeat([0, 1], [950, 50])
    weights = 1 / np.bincount(labels)[labels]
    drawn = torch.cat([b["y"] for b in ArrayBatches({"y": labels}, 100, weights=weights)(0)])
    assert len(drawn) == 1000 and 0.45 < drawn.double().mean() < 0.55


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_global_batch(monkeypatch: pytest.MonkeyPatch, world: int):
    batches = ArrayBatches({"row": np.arange(37)}, 9)
    alone = rows(batches)  # 9 9 9 10
    shares = []
    for rank in range(world):
        monkeypatch.setattr(module, "rank_and_world", lambda rank=rank: (rank, world))
        shares.append(rows(batches))
    assert [sorted(itertools.chain(*parts)) for parts in zip(*shares, strict=True)] == alone
    assert min(len(part) for share in shares for part in share) >= 2


@pytest.mark.parametrize("world", [2, 3])
def test_no_process_is_left_with_a_single_row(monkeypatch: pytest.MonkeyPatch, world: int):
    for n in range(2 * world, 40):
        for rank in range(world):
            monkeypatch.setattr(module, "rank_and_world", lambda rank=rank: (rank, world))
            assert min(map(len, module.split_batches(np.arange(n), 9))) >= 2, n


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": np.arange(3), "b": np.arange(4)}, 2), "as many rows"),
        (({"a": np.array(["fear", "anger"])}, 2), r"arrays\['a'\] holds <U5, not numbers"),
        (({"a": np.zeros(0)}, 2), "no rows"),
        (({"a": np.zeros(4)}, 0), "batch_size=0"),
        (({"a": np.zeros(4)}, 2, 0, np.array([1.0, np.nan, 1, 1])), "weights"),
        (({"a": np.zeros(4)}, 2, 0, np.ones(3)), "weights"),
        (({"a": np.zeros(4)}, 2, 0, np.zeros(4)), "weights"),
    ],
)
def test_mistakes(arguments: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        ArrayBatches(*arguments)


def test_prefetching_hands_over_batches_and_errors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    batches = ArrayBatches({"row": np.arange(20)}, 3)
    assert [batch["row"].tolist() for batch in module.prefetched(batches(0))] == rows(batches)

    def broken():
        yield {"row": torch.zeros(1)}
        raise ValueError("row 7: not an image")

    with pytest.raises(ValueError, match="row 7"):
        list(module.prefetched(broken()))
    source = module.prefetched(batches(0))
    next(source)
    source.close()  # an interrupted epoch leaves no thread behind
