"""Published embedders: their shapes, their weights' names, and files that do not fit."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ferdis.evaluators import embedders
from ferdis.evaluators.embedders import EMBEDDERS, LightCNN29, MaxFeatureMap, Published, get_embedder

WIDTHS = {"lightcnn-29": 256, "inception-resnet-v1": 512}


@functools.cache
def state_of(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return EMBEDDERS[name].network().state_dict()


def checkpoint(name: str, path, prefix: str = "", **more: torch.Tensor) -> str:
    state = state_of(name)
    save_file({prefix + key: value.contiguous() for key, value in {**state, **more}.items()}, path)
    return str(path)


def test_the_larger_of_each_two_maps_is_kept():
    layer = MaxFeatureMap(1, 2, 1)
    with torch.no_grad():
        layer.filter.weight.copy_(torch.tensor([1.0, -1.0, 2.0, -3.0]).reshape(4, 1, 1, 1))
        layer.filter.bias.zero_()
    assert layer(torch.full((1, 1, 1, 1), 1.0)).flatten().tolist() == [2.0, -1.0]
    assert layer(torch.full((1, 1, 1, 1), -1.0)).flatten().tolist() == [-1.0, 3.0]


def test_lightcnn_has_29_layers_and_the_releases_names():
    network = LightCNN29()
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 1 + 2 * (1 + 2 + 3 + 4) + 2 * 4 + 1 == 30  # 29 convolutions, and the embedding
    names = set(network.state_dict())
    assert {
        "conv1.filter.weight",
        "block4.3.conv2.filter.bias",
        "group1.conv_a.filter.weight",
        "fc.filter.bias",
    } <= names
    assert network(torch.rand(2, 1, 128, 128)).shape == (2, 256)
    assert network.state_dict()["fc.filter.weight"].shape == (512, 8 * 8 * 128)
    assert network.conv1.filter.weight.shape == (96, 1, 5, 5)
    assert network.group1.conv_a.filter.weight.shape == (96, 48, 1, 1)
    assert network.group1.conv.filter.weight.shape == (192, 48, 3, 3)


def test_lightcnn_keeps_the_largest_of_four_places():
    network, seen = LightCNN29(), []
    network.conv1.register_forward_hook(lambda _, __, maps: seen.append(maps))
    network.block1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.rand(1, 1, 128, 128))
    maps, pooled = seen
    torch.testing.assert_close(pooled, maps.reshape(1, 48, 64, 2, 64, 2).amax((3, 5)))


class TopRow(torch.nn.Module):
    """Embeds an image as the red of its first row."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0]


def test_images_are_read_upright_a_batch_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setitem(EMBEDDERS, "top", Published(TopRow, 2, lambda images: images, ("none.",)))
    monkeypatch.setattr(embedders, "_BATCH", 2)
    save_file({}, tmp_path / "w.safetensors")
    top = np.array([[30, 40], [40, 30], [50, 0], [0, 1], [3, 4]], np.uint8)
    images = np.zeros((5, 2, 2, 3), np.uint8)
    images[:, 0, :, 0] = top
    embedder = get_embedder("top", tmp_path / "w.safetensors")
    np.testing.assert_allclose(embedder.embed(images), [[0.6, 0.8], [0.8, 0.6], [1, 0], [0, 1], [0.6, 0.8]], rtol=1e-6)
    assert embedder.own == f"top with {tmp_path / 'w.safetensors'}; its error is that of real pairs"


@pytest.mark.parametrize("name", list(EMBEDDERS))
def test_embeddings_are_unit_vectors_of_each_picture_alone(name: str, tmp_path):
    people = {{"lightcnn-29": "fc2.weight", "inception-resnet-v1": "logits.weight"}[name]: torch.zeros(3, WIDTHS[name])}
    embedder = get_embedder(name, checkpoint(name, tmp_path / "w.safetensors", "module.", **people))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype(np.uint8).repeat(10, 1).repeat(10, 2)
    found = embedder.embed(pictures)
    assert found.shape == (3, WIDTHS[name]) and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(embedder.embed(pictures[:1]), found[:1], atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-4  # untrained, all faces are nearly one


def test_each_network_is_fed_as_its_authors_feed_it():
    """FaceNet: (x - 127.5) / 128, fixed; LightCNN: grey, 0.299 R + 0.587 G + 0.114 B, in 0..1."""
    image = torch.tensor([255.0, 0.0, 51.0]).reshape(1, 3, 1, 1)
    facenet, light = (EMBEDDERS[name].prepare(image) for name in ("inception-resnet-v1", "lightcnn-29"))
    torch.testing.assert_close(facenet.flatten(), torch.tensor([127.5, -127.5, -76.5]) / 128)
    torch.testing.assert_close(light, torch.full((1, 1, 1, 1), 0.299 + 0.114 * 0.2))


def test_what_does_not_fit_is_said_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"no embedder is called 'vgg'.*lightcnn-29"):
        get_embedder("vgg", tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"only \.safetensors files are read, as pickles can run any code"):
        (tmp_path / "w.pth").write_bytes(b"")
        get_embedder("lightcnn-29", tmp_path / "w.pth")
    with pytest.raises(FileNotFoundError):
        get_embedder("lightcnn-29", tmp_path / "none.safetensors")
    save_file({"conv1.filter.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(
        ValueError, match=r"does not fit lightcnn-29: conv1\.filter\.bias is missing; block1.* and \d+ more$"
    ):
        get_embedder("lightcnn-29", tmp_path / "other.safetensors")
    wrong = checkpoint("lightcnn-29", tmp_path / "more.safetensors", **{"surplus": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"does not fit lightcnn-29: surplus is not part of it$"):
        get_embedder("lightcnn-29", wrong)
    fine = get_embedder("lightcnn-29", checkpoint("lightcnn-29", tmp_path / "w.safetensors"))
    with pytest.raises(ValueError, match="no images"):
        fine.embed(np.zeros((0, 32, 32, 3), np.uint8))
