"""Blocks that systems share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferdis.nn import ImageClassifier, eval_mode, frozen_statistics, initialise_normal


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


def test_frozen_statistics_are_used_and_not_kept() -> None:
    norm = nn.BatchNorm1d(2, momentum=0.3)
    images = torch.randn(64, 2) * 3 + 5
    with frozen_statistics(nn.Sequential(norm)):
        found = norm(images)
    torch.testing.assert_close(found, (images - images.mean(0)) / images.var(0, correction=0).add(norm.eps).sqrt())
    assert norm.running_mean.abs().max() == 0 and (norm.running_var == 1).all() and norm.momentum == 0.3
    with pytest.raises(RuntimeError), frozen_statistics(norm):
        raise RuntimeError
    norm(images)
    torch.testing.assert_close(norm.running_mean, 0.3 * images.mean(0))


def test_initial_weights_are_those_of_dcgan() -> None:
    layers = nn.Sequential(
        nn.Conv2d(16, 32, 3), nn.ConvTranspose2d(32, 16, 3), nn.Linear(64, 64), nn.BatchNorm2d(4096),
        nn.InstanceNorm2d(4096, affine=True), nn.InstanceNorm2d(4),
    )  # fmt: skip
    for parameter in layers.parameters():
        nn.init.constant_(parameter, 7.0)
    torch.manual_seed(0)
    initialise_normal(layers)
    for number, layer in enumerate(layers[:5]):
        mean = float(number >= 3)
        assert abs(layer.weight.mean() - mean) < 0.002 and abs(layer.weight.std() - 0.02) < 0.001
        assert layer.bias.abs().max() == 0


def test_images_are_standardised_as_for_imagenet_each_of_two_by_itself() -> None:
    """(x - mean) / std of x in 0..1, with torchvision's mean and deviation of red, green and blue."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    network = ImageClassifier("resnet18", 3, in_channels=6, arguments={"channels": (8, 8, 8, 8)}).eval()
    given: list[torch.Tensor] = []
    network.network.conv1.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    images = torch.rand(2, 6, 32, 32)
    network(images * 2 - 1)
    for number in range(2):
        one = slice(3 * number, 3 * number + 3)
        expected = (images[:, one] - mean[:, None, None]) / std[:, None, None]
        torch.testing.assert_close(given[0][:, one], expected, rtol=1e-4, atol=1e-5)
