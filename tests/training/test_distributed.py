"""What processes that train together exchange, with the other process played by its numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferdis.training import distributed


def test_gradients_are_weighted_by_the_rows_of_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over 3 rows here and 1 there; a parameter that was not reached here counts as 0."""
    first, second = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1, 1))
    first.grad = torch.tensor([1.0, 2.0])
    theirs = torch.tensor([5.0, 10.0, 8.0, 1.0])  # of 1 row, and their number of rows

    def all_reduce(flat: Tensor) -> None:
        flat += theirs

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    distributed.average_gradients([first, second], 3)
    assert first.grad.tolist() == [(3 * 1 + 5) / 4, (3 * 2 + 10) / 4]
    assert second.grad is not None and second.grad.tolist() == [[8 / 4]]


def test_statistics_are_averaged_where_they_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "rank_and_world", lambda: (0, 2))
    monkeypatch.setattr(distributed, "all_reduce_sum", lambda tensor: tensor + 3 * torch.ones_like(tensor))
    trained, frozen = nn.Sequential(nn.BatchNorm1d(2)), nn.BatchNorm1d(2).eval()
    trained[0].num_batches_tracked += 7
    distributed.average_statistics([trained, frozen])
    assert trained[0].running_mean.tolist() == [1.5, 1.5] and trained[0].running_var.tolist() == [2.0, 2.0]
    assert int(trained[0].num_batches_tracked) == 7
    assert not frozen.running_mean.any() and (frozen.running_var == 1).all()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, (0, 1)),
        ({"WORLD_SIZE": "1", "RANK": "0"}, (0, 1)),
        ({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}, (3, 4)),  # the second process of the second machine
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, (1, 2)),
        ({"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "2"}, (2, 3)),
    ],
)
def test_the_rank_is_that_among_all_machines(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], found: tuple[int, int]
) -> None:
    monkeypatch.setattr(distributed.os, "environ", given)
    assert distributed.rank_and_world_of_launch() == found
