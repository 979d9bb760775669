"""MTCNN's three networks in torch, with the weights of facenet-pytorch's wheel."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferdis.preprocess.mtcnn import Networks


class Sheet(nn.Module):
    """The first network on a sheet of levels: pooling does not mix a level of odd size with what is beside it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, sheet: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 3, h, w) and (h - 2, w - 2) -> moves (1, 4, ...), probabilities (1, 2, ...)."""
        net: Any = self.network
        x = net.prelu1(net.conv1(sheet))  # (1, 10, h - 2, w - 2)
        x = net.pool1(x.masked_fill(outside, -torch.inf))  # half of that
        x = net.prelu3(net.conv3(net.prelu2(net.conv2(x))))  # 4 less
        return net.conv4_2(x), net.softmax4_1(net.conv4_1(x))


def modules() -> tuple[nn.Module, nn.Module, nn.Module]:
    """The networks as modules; images are (m, 3, h, w)."""
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet  # takes a second to import

    return Sheet(PNet().eval()), RNet().eval(), ONet().eval()


@cache
def networks(device: str) -> Networks:
    """The networks on a device, as :func:`ferdis.preprocess.mtcnn.find_faces` calls them."""
    placed = (module.to(device=torch.device(device)).to(memory_format=torch.channels_last) for module in modules())
    return Networks(*(partial(_run, module) for module in placed))


@torch.inference_mode()
def _run(module: nn.Module, images: np.ndarray, *more: np.ndarray) -> list[np.ndarray]:
    device = next(module.parameters()).device
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
    return [answer.cpu().numpy() for answer in module(batch, *(torch.from_numpy(item).to(device) for item in more))]
