"""The rows of the published tables: the systems that the papers trained themselves, by the plans' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ferdis.faces import Faces
from ferdis.systems.baselines import BaselineCNN, ResNetClassifier
from ferdis.systems.ifgan import IFGAN
from ferdis.systems.relgan import RELGAN

Systems = Callable[[bool, Faces | None, Mapping[str, Any]], dict[str, Any]]
"""``(small, further faces, changed arguments) -> system by name``."""


def ifgan_rows(small: bool, extra: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """IF-GAN's Table 1: the baseline, IF-GAN without and with attention."""
    return _ifgan(small, extra, changes, {})


def ifgan_rows_of_unposed(small: bool, extra: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """IF-GAN's Table 2: RAF-DB's faces have all poses, so that averages are of the posed sets, where there are any."""
    return _ifgan(small, extra, changes, {"average_from": "extra" if extra is not None else "target"})


def _ifgan(small: bool, extra: Faces | None, changes: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"extra_train": extra, "progress": False, **_random_start(small), **changes}
    ifgan, resnet = (IFGAN.small, ResNetClassifier.small) if small else (IFGAN, ResNetClassifier)
    return {
        "resnet": resnet(**given),
        "ifgan-no-attention": ifgan(attention=False, **own, **given),
        "ifgan": ifgan(**own, **given),
    }


def relgan_rows(small: bool, pretrain: Faces | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """REL-GAN's Tables 1 to 4: CNN and REL-GAN. Whether the paper pretrained its baseline it does not say; here not."""
    relgan, cnn = (RELGAN.small, BaselineCNN.small) if small else (RELGAN, BaselineCNN)
    given = {"progress": False, **_random_start(small), **changes}
    return {"cnn": cnn(**given), "relgan": relgan(pretrain=pretrain, **given)}


def _random_start(small: bool) -> dict[str, Any]:
    """A table at the small size starts from random weights, however few its images are."""
    return {"weights": None} if small else {}


ROWS: dict[str, Systems] = {
    "ifgan-table1": ifgan_rows,
    "ifgan-table2": ifgan_rows_of_unposed,
    **dict.fromkeys(("relgan-table1", "relgan-table2", "relgan-table3", "relgan-table4"), relgan_rows),
}
"""Table -> its rows."""
