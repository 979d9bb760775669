"""Networks that two or more systems share, and what they have in common: eval mode, initial weights."""

from __future__ import annotations

import difflib
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ferdis.messages import closest, one_line, quoted, short
from ferdis.weights import put_weights, read_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ARCHITECTURE = frozenset(
    (
        "aa_layer", "act_layer", "attn_drop_rate", "avg_down", "base_width", "block_config", "block_reduce_first",
        "cardinality", "channel_multiplier", "channels", "class_token", "conv_mlp", "depth", "depth_multiplier",
        "depths", "dims", "down_kernel_size", "drop_block_rate", "drop_path_rate", "drop_rate", "embed_dim",
        "embed_dims", "feature_size", "global_pool", "growth_rate", "head_hidden_size", "head_init_scale",
        "img_size", "init_values", "kernel_size", "kernel_sizes", "layers", "ls_init_value", "mlp_ratio",
        "mlp_ratios", "no_embed_class", "norm_layer", "num_features", "num_heads", "output_stride", "patch_size",
        "pos_drop_rate", "pre_norm", "proj_drop_rate", "qk_norm", "qkv_bias", "reg_tokens", "replace_stem_pool",
        "stem_size", "stem_type", "stem_width", "use_grn", "window_size", "zero_init_last",
    )
)  # fmt: skip
"""Arguments of a timm network that may be given: they say how it is built, and none of them opens a file or a site."""
_LONGEST = 64  # characters of a text, and entries of a list
_LARGEST = 1 << 16
_WEIGHTS = "model.safetensors"  # of a repository of timm
_PATIENCE = 15.0  # seconds that the hub has to answer
_NAME = re.compile(r"[A-Za-z0-9_.\-]+")  # hf-hub:... and local-dir:... would fetch or open what they name
SAVED = "classifier.network."
"""What a classifier's tensors are called in a system that was saved."""


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
        ``"imagenet"`` (downloaded through timm), the path of a ``.safetensors`` file, or None for random weights. The
        file holds every tensor of this network and no other, under timm's names or as a system of ferdis saved them
        (``weights.safetensors``); its last layer is left out where it has another number of classes.
    arguments : mapping, optional
        Of :data:`ARCHITECTURE`, for ``timm.create_model``: ``{"channels": (32, 64, 128, 256)}`` halves a ResNet.
    small_stem : bool
        For images of 64 pixels: a ResNet begins with a new 3x3 convolution of stride 2, without the 7x7 convolution
        and the pooling that leave a quarter of the side before its first block.

    Raises
    ------
    ValueError
        If timm has no such network, the file does not fit it, an argument is none of its architecture, or a small stem
        is asked of a network that is no ResNet.
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
            name,
            weights,
            small_stem,
            num_classes=n_classes,
            in_chans=in_channels,
            **checked_architecture(arguments or {}),
        )
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
        return features, self.last_layer(features)

    @property
    def last_layer(self) -> nn.Module:
        """Names the classes: its rows are theirs."""
        return self.network.get_classifier()


def checked_architecture(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``classifier_arguments``: each is one of :data:`ARCHITECTURE`, its value a number, a word or a list of them.

    Raises
    ------
    ValueError
        One line that names the argument.
    """
    if not isinstance(arguments, Mapping):
        raise ValueError(f"classifier_arguments={quoted(arguments)}: a mapping, such as {{'channels': [4, 8, 8, 8]}}")
    for name, value in arguments.items():
        if name not in ARCHITECTURE:
            near = closest(short(name), ARCHITECTURE) or ": ferdis.nn.ARCHITECTURE lists them"
            raise ValueError(f"classifier_arguments: {quoted(name)} is no argument of an architecture{near}")
        if not _is_plain(value):
            raise ValueError(
                f"classifier_arguments: {name}={quoted(value)}: a number up to {_LARGEST}, a word, or a list of them"
            )
    return dict(arguments)


def _is_plain(value: Any, levels: int = 2) -> bool:
    if isinstance(value, list | tuple):
        return levels > 0 and len(value) <= _LONGEST and all(_is_plain(item, levels - 1) for item in value)
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return value is None or (isinstance(value, int | float) and abs(value) <= _LARGEST)


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[nn.Module]:
    """The module in eval mode inside the block: its inputs do not change its batch statistics."""
    before = module.training
    module.eval()
    try:
        yield module
    finally:
        module.train(before)


@contextmanager
def frozen_statistics(*modules: nn.Module) -> Iterator[None]:
    """Batch norms use each batch's own statistics inside the block, as in training, but do not keep them."""
    norms = [layer for module in modules for layer in module.modules() if isinstance(layer, _BatchNorm)]
    before = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(norms, before, strict=True):
            layer.momentum = momentum


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


def _timm_network(name: str, weights: str | None, small_stem: bool = False, **arguments: Any) -> nn.Module:
    if not _NAME.fullmatch(name) or not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=4)
        raise ValueError(f"timm has no network {quoted(name)}: try {', '.join(near) or 'a name of timm.list_models()'}")
    finish = _with_small_stem if small_stem else lambda network: network
    if weights is None:
        return finish(timm.create_model(name, pretrained=False, **arguments))
    if weights == "imagenet":
        return finish(_imagenet(name, arguments))  # the new layer learns from random weights
    tensors = read_weights(weights)
    network = finish(timm.create_model(name, pretrained=False, **arguments))
    own = {key.removeprefix(SAVED): tensor for key, tensor in tensors.items() if key.startswith(SAVED)}
    put_weights(network, _adapted(own or with_present_names(tensors, network), network), weights, name)
    return network


def _with_small_stem(network: Any) -> nn.Module:
    stem = getattr(network, "conv1", None)
    if not isinstance(stem, nn.Conv2d) or not hasattr(network, "maxpool"):
        name = type(network).__name__
        raise ValueError(f"small_stem=True: {name} has no convolution conv1 with pooling after it; take a ResNet")
    network.conv1 = nn.Conv2d(stem.in_channels, stem.out_channels, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network


def with_present_names(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """A release's tensors under the names that timm's network has for them today, as far as timm knows the release."""
    module = sys.modules[type(network).__module__]
    change = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)
    if change is None:
        return tensors
    try:
        return dict(change(dict(tensors), network) if len(signature(change).parameters) > 1 else change(dict(tensors)))
    except (KeyError, IndexError, RuntimeError, ValueError, AttributeError, TypeError):
        return tensors  # of another network: it is told by its names


def _adapted(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """Tensors without a last layer of another number of classes, with a first one for the network's channels."""
    own, about = network.state_dict(), network.pretrained_cfg
    for layer in _names(about.get("classifier")):
        kept = f"{layer}.weight"
        if kept in tensors and kept in own and len(tensors[kept]) != len(own[kept]):
            tensors |= {
                f"{layer}.{part}": own[f"{layer}.{part}"] for part in ("weight", "bias") if f"{layer}.{part}" in own
            }
    for layer in _names(about.get("first_conv")):
        first = tensors.get(f"{layer}.weight")
        if first is not None and f"{layer}.weight" in own and first.ndim == 4 and first.shape[1] == 3:
            tensors[f"{layer}.weight"] = timm.models.adapt_input_conv(own[f"{layer}.weight"].shape[1], first)
    return tensors


def _names(value: str | Iterable[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _imagenet(name: str, arguments: dict[str, Any]) -> nn.Module:
    try:
        _check_network()
        return timm.create_model(name, pretrained=True, **arguments)
    except Exception as error:  # a missing network shows as one of a dozen types, depending on where it breaks
        raise _not_to_be_had(name, error) from error


def check_pretrained(name: str, weights: str) -> None:
    """Refuse weights of a timm network that are not to be had; nothing is downloaded.

    Parameters
    ----------
    name : of the network, as :class:`ImageClassifier` takes it.
    weights : ``"imagenet"`` or a file; anything else is for others to look at.

    Raises
    ------
    ValueError, FileNotFoundError
        One line with the way out; for ImageNet weights it names the repository as timm does.
    """
    if weights.endswith(".safetensors") and not Path(weights).is_file():
        raise FileNotFoundError(f"weights={weights!r}: no such file; give a .safetensors file")
    if weights != "imagenet" or not timm.is_model(name.split(".")[0]):
        return
    about = timm.get_pretrained_cfg(name)
    if about is None or not about.has_weights:
        raise ValueError(
            f"timm has no ImageNet weights of {name}: take a name of timm.list_pretrained(), or weights=None"
        )
    repository = about.hf_hub_id or _repository(name)
    if isinstance(try_to_load_from_cache(repository, _WEIGHTS), str):
        return
    try:
        _check_network()
        get_hf_file_metadata(hf_hub_url(repository, _WEIGHTS), timeout=_PATIENCE)
    except Exception as error:  # a missing network shows as one of a dozen types, depending on where it breaks
        raise _not_to_be_had(name, error) from error


def _repository(name: str) -> str:
    """Where timm has the ImageNet weights of a network: ``timm/resnet18.a1_in1k`` for ``resnet18``."""
    about = timm.get_pretrained_cfg(name)
    tagged = name if "." in name or about is None or not about.tag else f"{name}.{about.tag}"
    return about.hf_hub_id if about is not None and about.hf_hub_id else f"timm/{tagged}"


def _not_to_be_had(name: str, error: Exception) -> FileNotFoundError:
    return FileNotFoundError(
        f"ImageNet weights of {name} could not be had ({type(error).__name__}: {one_line(error, 160)}): download "
        f"{_WEIGHTS} of huggingface.co/{_repository(name)} elsewhere and give its path as weights=, or weights=None "
        "for random ones"
    )


def _check_network() -> None:
    """Fail at once without a network connection: the hub client would retry for most of a minute, in each fold."""
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    cached = Path(HF_HUB_CACHE).is_dir() and any(Path(HF_HUB_CACHE).iterdir())
    if not cached and not getproxies():
        socket.getaddrinfo(host, 443)
