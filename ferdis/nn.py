"""Networks that two or more systems share, and what they have in common: eval mode, initial weights."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from huggingface_hub.constants import HF_HUB_CACHE
from torch import Tensor, nn

from ferdis.messages import one_line

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageClassifier(nn.Module):
    """Any timm network as an expression classifier: pooled features and logits from images in [-1, 1].

    Parameters
    ----------
    name : str
        A timm model name, such as ``resnet101.tv_in1k`` (``timm.list_models()`` lists them).
    n_classes : int
        Number of logits.
    in_channels : int
        3 for one image, 6 for two concatenated; a pretrained three-channel stem is repeated and rescaled.
    weights : str or None
        ``"imagenet"`` (downloaded through timm), the path of a ``.safetensors`` file for this network, or None for
        random weights.
    arguments : mapping, optional
        Passed on to ``timm.create_model``: ``{"channels": (32, 64, 128, 256)}`` halves a ResNet.
    small_stem : bool
        For images of 64 pixels: a ResNet begins with a new 3x3 convolution of stride 2, without the 7x7 convolution
        and the pooling that leave a quarter of the side before its first block.

    Raises
    ------
    ValueError
        If timm has no such network, the file does not fit it, or a small stem is asked of a network that is no ResNet.
    FileNotFoundError
        If the weights cannot be found or downloaded. Nothing falls back to random weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        n_classes: int,
        *,
        in_channels: int = 3,
        weights: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        small_stem: bool = False,
    ) -> None:
        super().__init__()
        # timm's own interface (forward_features, forward_head, ...) is not in nn.Module's type.
        self.network: Any = _timm_network(
            name, weights, num_classes=n_classes, in_chans=in_channels, **dict(arguments or {})
        )
        if small_stem:
            _shrink_stem(name, self.network)
        for statistic, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            channels = torch.tensor(values).repeat(in_channels // 3).reshape(1, -1, 1, 1)
            self.register_buffer(statistic, channels, persistent=False)

    @property
    def width(self) -> int:
        """Features per image."""
        return int(getattr(self.network, "head_hidden_size", self.network.num_features))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, C, S, S) in [-1, 1] to features (n, width) and logits (n, K)."""
        images = ((images + 1) / 2 - self.mean) / self.std
        maps = self.network.forward_features(images)
        features = self.network.forward_head(maps, pre_logits=True)
        return features, self.network.get_classifier()(features)


def _shrink_stem(name: str, network: Any) -> None:
    stem = getattr(network, "conv1", None)
    if not isinstance(stem, nn.Conv2d) or not hasattr(network, "maxpool"):
        raise ValueError(f"small_stem=True: {name} has no convolution conv1 with pooling after it; take a ResNet")
    network.conv1 = nn.Conv2d(stem.in_channels, stem.out_channels, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[nn.Module]:
    """The module in eval mode inside the block: its inputs do not change its batch statistics."""
    before = module.training
    module.eval()
    try:
        yield module
    finally:
        module.train(before)


def initialise_normal(module: nn.Module, std: float = 0.02) -> None:
    """DCGAN's and pix2pix's initial weights, in place: N(0, std), norm scales N(1, std), biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d) and layer.weight is not None:
            nn.init.normal_(layer.weight, 1.0, std)
            nn.init.zeros_(layer.bias)


def _timm_network(name: str, weights: str | None, **arguments: Any) -> nn.Module:
    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=4)
        raise ValueError(f"timm has no network {name!r}: try {', '.join(near) or 'a name of timm.list_models()'}")
    if weights is None:
        return timm.create_model(name, pretrained=False, **arguments)
    if weights == "imagenet":
        return _imagenet(name, arguments)
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"weights={weights!r}: no such file; give 'imagenet', a .safetensors file, or None")
    if path.suffix != ".safetensors":
        raise ValueError(f"weights={weights!r}: only .safetensors files are read, as a pickle can run any code")
    try:
        return timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay={"file": str(path), "hf_hub_id": None}, **arguments
        )
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"weights={weights!r} do not fit {name}: {type(error).__name__}: {one_line(error, 160)}"
        ) from error


def _imagenet(name: str, arguments: dict[str, Any]) -> nn.Module:
    try:
        _check_network()
        return timm.create_model(name, pretrained=True, **arguments)
    except Exception as error:  # a missing network shows as one of a dozen types, depending on where it breaks
        raise FileNotFoundError(
            f"ImageNet weights of {name} could not be had ({type(error).__name__}: {one_line(error, 160)}): download "
            f"model.safetensors of huggingface.co/timm/{name} elsewhere and give its path as weights=, or weights=None "
            "for random ones"
        ) from error


def _check_network() -> None:
    """Fail at once without a network connection: the hub client would retry for most of a minute, in each fold."""
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    cached = Path(HF_HUB_CACHE).is_dir() and any(Path(HF_HUB_CACHE).iterdir())
    if not cached and not getproxies():
        socket.getaddrinfo(host, 443)
