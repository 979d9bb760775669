"""Who is it? Embedders of published networks, by name, with weights from a local file.

``get_embedder("lightcnn-29", "lightcnn29.safetensors").embed(images)`` gives what
:func:`ferdis.metrics.verification.verify` takes;
:class:`ferdis.evaluators.judges.IdentityJudge`, which is trained here, has the same ``embed``. Nothing is downloaded
and no pickle is read. Its user turns a published checkpoint into a file, once::

    import torch
    from safetensors.torch import save_file

    state = torch.load("published.pth", weights_only=True)
    save_file({k: v.contiguous() for k, v in state.get("state_dict", state).items()}, "weights.safetensors")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.faces import Faces
from ferdis.nn import eval_mode
from ferdis.preprocess.images import resize_batch
from ferdis.weights import put_weights, read_weights

__all__ = ["EMBEDDERS", "Embedder", "LightCNN29", "get_embedder"]

_BATCH = 64


class LightCNN29(nn.Module):
    """LightCNN-29: convolutions whose maps compete in pairs (X. Wu et al., IEEE TIFS 2018, Table II).

    Its parameters are named as in the authors' release, so that their checkpoints fit; the layer over the training
    people is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = MaxFeatureMap(1, 48, 5)
        widths = (48, 96, 192, 128, 128)
        for number, (before, after, depth) in enumerate(zip(widths, widths[1:], (1, 2, 3, 4), strict=False), start=1):
            self.add_module(f"block{number}", nn.Sequential(*(_Residual(before) for _ in range(depth))))
            self.add_module(f"group{number}", _Group(before, after))
        self.fc = MaxFeatureMap(8 * 8 * widths[-1], 256, 0)

    def forward(self, images: Tensor) -> Tensor:
        """Grey images (n, 1, 128, 128) in 0..1 to embeddings (n, 256)."""
        x = F.max_pool2d(self.conv1(images), 2)  # (n, 48, 64, 64)
        for number in range(1, 5):
            x = self.get_submodule(f"group{number}")(self.get_submodule(f"block{number}")(x))
            if number != 3:  # there is no pooling between the third group and the fourth block
                x = F.max_pool2d(x, 2)
        return self.fc(x.flatten(1))  # (n, 128 * 8 * 8) before


class MaxFeatureMap(nn.Module):
    """A convolution (``kernel`` 0: a linear layer) of twice the channels, and the larger one of each two."""

    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        super().__init__()
        self.filter: nn.Module = nn.Linear(before, 2 * after)
        if kernel:
            self.filter = nn.Conv2d(before, 2 * after, kernel, 1, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, ...) to (n, after, ...)."""
        first, second = self.filter(x).chunk(2, 1)
        return torch.maximum(first, second)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = MaxFeatureMap(width, width), MaxFeatureMap(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))


class _Group(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_a, self.conv = MaxFeatureMap(before, before, 1), MaxFeatureMap(before, after)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv_a(x))


def _inception_resnet() -> nn.Module:
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained=None, classify=False)


def _standardised(images: Tensor) -> Tensor:
    return (images - 127.5) / 128  # facenet's fixed standardisation


def _grey(images: Tensor) -> Tensor:
    weights = images.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    return (images * weights).sum(1, keepdim=True) / 255


@dataclass(frozen=True)
class Published:
    """How a published embedder is built and fed: its network, the side it takes, what it makes of 0..255 RGB."""

    network: Callable[[], nn.Module]
    size: int
    prepare: Callable[[Tensor], Tensor]
    people: tuple[str, ...]  # parameters of the layer over its training people, which is not needed


EMBEDDERS: Mapping[str, Published] = {
    "inception-resnet-v1": Published(_inception_resnet, 160, _standardised, ("logits.",)),
    "lightcnn-29": Published(LightCNN29, 128, _grey, ("fc2.",)),
}


class Embedder:
    """A published embedder with its weights; see :func:`get_embedder`."""

    def __init__(self, name: str, weights: str | Path) -> None:
        if name not in EMBEDDERS:
            raise ValueError(f"no embedder is called {name!r}: there are {', '.join(EMBEDDERS)}")
        self.published = EMBEDDERS[name]
        self.own = f"{name} with {weights}; its error is that of real pairs"
        self.network = self.published.network()
        _fill(self.network, Path(weights), self.published.people, name)

    def embed(self, pictures: Faces | np.ndarray) -> np.ndarray:
        """Embeddings (n, d) float32 of unit length; ``pictures`` are Faces or uint8 (n, H, W, 3), aligned faces."""
        images = pictures.images if isinstance(pictures, Faces) else pictures
        if len(images) == 0:
            raise ValueError("there are no images to embed")
        out = []
        with eval_mode(self.network) as network, torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                chunk = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH]))
                floats = resize_batch(chunk.permute(0, 3, 1, 2).float(), self.published.size)
                out.append(F.normalize(network(self.published.prepare(floats))))
        return torch.cat(out).numpy()


def get_embedder(name: str, weights: str | Path) -> Embedder:
    """A published embedder of faces, by name.

    Parameters
    ----------
    name : str
        "inception-resnet-v1" (FaceNet's, of facenet-pytorch; 512 numbers) or "lightcnn-29" (EGGAN's Table 2; 256).
    weights : path of a .safetensors file
        A published checkpoint's tensors under their names; a leading ``module.`` and the layer over the training
        people are ignored.

    Raises
    ------
    ValueError, FileNotFoundError
        For an unknown name; a file that is missing, no safetensors, or of another network.
    """
    return Embedder(name, weights)


def _fill(network: nn.Module, path: Path, people: tuple[str, ...], what: str) -> None:
    tensors = {name.removeprefix("module."): tensor for name, tensor in read_weights(path).items()}
    # The layer over the training people is left out; one that the network was built with nonetheless stays as it is.
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(people)}
    kept = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(people)}
    put_weights(network, {**tensors, **kept}, path, what)
