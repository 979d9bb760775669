"""Published figures of the papers' own tables, found by a system's class and its data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

# Loader -> what the papers call the set. Runs of experiments/ use the papers' names themselves.
DATASETS = {
    "ckplus": "CK+", "oulucasia": "Oulu-CASIA", "bu3dfe": "BU-3DFE", "mmi": "MMI", "rafdb": "RAF-DB",
    "sfew": "SFEW",
}  # fmt: skip

_METHODS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "IFGAN": lambda about: "IF-GAN" if about.get("attention", True) else "IF-GAN w/o attention",
    "ResNetClassifier": lambda about: "ResNet-101" if about.get("classifier") == "resnet101" else "",
    "RELGAN": lambda about: "REL-GAN",
    "BaselineCNN": lambda about: "CNN(baseline)",
}


@cache
def figures() -> pd.DataFrame:
    """All published figures: columns paper, table, method, dataset, metric, value (accuracy in per cent)."""
    return pd.read_csv(Path(__file__).with_name("published.csv"))


def beside(dataset: str, about: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracies published for a system on a data set; no rows where there are none.

    Parameters
    ----------
    dataset : name in the rows of a run.
    about : what resolved.json says of the system: its class and parameters.
    """
    table = figures()
    method = _METHODS.get(str(about.get("class")), lambda _: "")(about)
    return table[
        (table["metric"] == "accuracy")
        & (table["dataset"] == DATASETS.get(dataset, dataset))
        & (table["method"] == method)
    ]
