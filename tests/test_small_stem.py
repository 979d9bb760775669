"""A ResNet for small images: the first block sees half the side, not a quarter."""

import pytest
import torch

from ferdis.nn import ImageClassifier

NARROW = {"layers": (1, 1, 1, 1), "channels": (8, 8, 16, 16)}


def first_block_side(small_stem: bool) -> int:
    network, seen = ImageClassifier("resnet18", 3, arguments=NARROW, small_stem=small_stem), []
    network.network.layer1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    features, logits = network(torch.zeros(2, 3, 64, 64))
    assert features.shape == (2, 16) and logits.shape == (2, 3)
    return seen[0]


def test_the_first_block_sees_half_the_side() -> None:
    assert (first_block_side(False), first_block_side(True)) == (16, 32)


def test_a_saved_network_is_a_start_for_one_with_the_same_stem(tmp_path) -> None:
    from safetensors.torch import save_file

    own = ImageClassifier("resnet18", 3, arguments=NARROW, small_stem=True)
    path = str(tmp_path / "w.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in own.network.state_dict().items()}, path)
    again = ImageClassifier("resnet18", 3, arguments=NARROW, small_stem=True, weights=path)
    assert torch.equal(again.network.conv1.weight, own.network.conv1.weight)
    with pytest.raises(ValueError, match=r"conv1\.weight"):
        ImageClassifier("resnet18", 3, arguments=NARROW, weights=path)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="small_stem=True: VGG has no convolution conv1"):
        ImageClassifier("vgg11", 3, small_stem=True)
