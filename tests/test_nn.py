"""Blocks that systems share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferdis.nn import eval_mode


@pytest.mark.parametrize("training", [True, False])
def test_eval_mode_puts_the_mode_back(training: bool) -> None:
    module = nn.BatchNorm1d(2).train(training)
    with eval_mode(module) as read:
        read(torch.randn(4, 2) + 5)
        assert not module.training
    assert module.training is training and module.running_mean.abs().max() == 0
    with pytest.raises(RuntimeError), eval_mode(module):
        raise RuntimeError
    assert module.training is training
