"""Blocks that systems share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from ferdis import nn as ferdis_nn
from ferdis.nn import VGG19Features, eval_mode


@pytest.fixture
def vgg19(monkeypatch: pytest.MonkeyPatch) -> nn.Sequential:
    """VGG19's convolutions alone: the layers behind them would be 120 million random numbers."""
    features = make_layers(cfgs["E"])

    def classifier(*_: object, **__: object) -> SimpleNamespace:
        statistic = torch.zeros(1, 3, 1, 1)
        return SimpleNamespace(network=SimpleNamespace(features=features), mean=statistic, std=statistic + 1)

    monkeypatch.setattr(ferdis_nn, "ImageClassifier", classifier)
    return features


@pytest.mark.parametrize(
    ("layer", "convolutions", "shape"),
    [("relu1_1", 1, (64, 32)), ("relu2_1", 3, (128, 16)), ("relu3_4", 8, (256, 8)), ("relu5_4", 16, (512, 2))],
)
def test_vgg19_up_to_a_layer(vgg19: nn.Sequential, layer: str, convolutions: int, shape: tuple[int, int]) -> None:
    network = VGG19Features(layer, None)
    assert sum(isinstance(m, nn.Conv2d) for m in network.layers) == convolutions
    assert isinstance(network.layers[-1], nn.ReLU)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    out = network(images)
    assert out.shape == (1, shape[0], shape[1], shape[1])
    torch.testing.assert_close(out, vgg19[: len(network.layers)]((images + 1) / 2))  # in [0, 1] before normalising


def test_vgg19_has_no_such_layer(vgg19: nn.Sequential) -> None:
    with pytest.raises(ValueError, match=r"no layer 'relu2_3': choose one of relu1_1, "):
        VGG19Features("relu2_3", None)


@pytest.mark.parametrize("training", [True, False])
def test_reading_puts_the_mode_back(training: bool) -> None:
    module = nn.BatchNorm1d(2).train(training)
    with eval_mode(module) as read:
        read(torch.randn(4, 2) + 5)
        assert not module.training
    assert module.training is training and module.running_mean.abs().max() == 0
    with pytest.raises(RuntimeError), eval_mode(module):
        raise RuntimeError
    assert module.training is training
