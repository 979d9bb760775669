"""What a finished run measured of one recipe (a system with its arguments), without a name or path of anybody.

It goes into the folder of a model that was fitted by that recipe on everybody: such a model has no test people of its
own, and its card cites the run. The counts are enough to compute every figure of the recognition again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis._io import check_record, check_seal, file_digest, read_json, sealed, write_json
from ferdis.run_folder.folder import NON_REPRODUCIBILITY_PARAMS, first_difference
from ferdis.run_folder.reading import FinishedRun

FIT_RECORD = "fit.json"
_MEND = "it is damaged; copy the folder again or refit"
_SEEDS = ("seed", "random_state")  # each seed of a run is the same recipe
_KINDS = {
    "estimator_sha256": "text", "system": "text", "seed": "integer", "images": "count", "people": "count?",
    "classes": "names", "validation_people": "count?", "dataset": "text",
}  # fmt: skip
_MEASURED = {
    "run": "text", "system": "text", "dataset": "text", "selection": "text", "images": "count", "people": "count?",
    "classes": "names", "counts": "list",
}  # fmt: skip


def measured_recipe(run: FinishedRun, system: str) -> dict[str, Any]:
    """What a run measured of one of its systems, as a plain record.

    Parameters
    ----------
    run : a finished run, as :func:`ferdis.run_folder.read_run` gives it.
    system : name of the system there.

    Returns
    -------
    dict
        Run, data set, protocol, selection rule, and ``counts``: ``[seed, fold, true, predicted, images]``, classes by
        their number in ``classes``.
    """
    faces = run.record["faces"]
    classes = list(faces["classes"])
    number = {name: place for place, name in enumerate(classes)}
    rows = run.rows[run.rows["system"] == system]
    cells = rows.groupby(["seed", "fold", rows["true"].map(number), rows["predicted"].map(number)]).size()
    return {
        "run": run.name,
        "system": system,
        "dataset": run.record["dataset"],
        "protocol": run.record["protocol"],
        "selection": run.record["selection"],
        "images": faces["images"],
        "people": faces["people"],
        "classes": classes,
        "faces_digest": faces["digest"],
        "rows_sha256": file_digest(run.root / "rows.csv"),
        "sealed": run.sealed,
        "counts": [[*map(int, cell), int(count)] for cell, count in cells.items()],
    }


def pooled_rows(measured: Mapping[str, Any]) -> pd.DataFrame:
    """The counts as rows again: ``seed, fold, true, predicted``, a row for each image that was tested."""
    cells = np.asarray(measured["counts"], dtype=np.int64).reshape(-1, 5)
    classes = np.asarray(measured["classes"], dtype=str)
    seed, fold, true, predicted = np.repeat(cells[:, :4], cells[:, 4], axis=0).T
    return pd.DataFrame({"seed": seed, "fold": fold, "true": classes[true], "predicted": classes[predicted]})


def other_recipe(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """How the parameters of two systems differ, in words; None where they are one recipe.

    Parameters
    ----------
    there, here : records of a system as ``resolved.json`` has them.
    """
    return first_difference(recipe_parameters(there), recipe_parameters(here))


def recipe_parameters(about: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a system that make a recipe: not the seed, nor what changes no row."""
    left_out = (*_SEEDS, *NON_REPRODUCIBILITY_PARAMS)
    return {name: value for name, value in about.items() if name not in left_out}


def write_fit_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``fit.json`` of a model that was fitted on everybody, with the digest of its ``estimator.json``."""
    digest = file_digest(folder / "estimator.json")
    write_json(folder / FIT_RECORD, sealed({"estimator_sha256": digest, **record}))


def read_fit_record(folder: str | Path) -> dict[str, Any] | None:
    """``fit.json`` of a model that was fitted on everybody; None for any other model.

    Raises
    ------
    ValueError
        One line: it is damaged, was changed, or is of another model.
    """
    folder = Path(folder)
    path = folder / FIT_RECORD
    if not path.is_file():
        return None
    record = read_json(path, _KINDS, mend=_MEND)
    if not check_seal(path, record, mend=_MEND):
        raise ValueError(f"{path} has no seal: {_MEND}")
    if (
        not (folder / "estimator.json").is_file()
        or file_digest(folder / "estimator.json") != record["estimator_sha256"]
    ):
        raise ValueError(f"{path} is of another model than {folder / 'estimator.json'}: copy the folder again or refit")
    if record.get("measured") is not None:
        check_record(path, record["measured"], _MEASURED, mend=_MEND)
    return record
