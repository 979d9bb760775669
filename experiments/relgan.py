"""The two rows that REL-GAN's Tables 1 to 4 share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferdis import RELGAN, BaselineCNN, Faces


def systems(small: bool, pretrain: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The CNN baseline and REL-GAN. Whether the paper pretrained its baseline too it does not say; here it is not."""
    relgan, cnn = (RELGAN.small, BaselineCNN.small) if small else (RELGAN, BaselineCNN)
    given = {"progress": False, **changes}
    return {"cnn": cnn(**given), "relgan": relgan(pretrain=pretrain, **given)}
