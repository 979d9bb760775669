""":func:`reproduce`: what is missing first, then every column whose set is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ferdis.reproduce.plans import missing, plan
from ferdis.reproduce.tables import SYNTHETIC, Options, run

SUMMARY = "reproduced.csv"


@dataclass(frozen=True)
class _Column:
    """A column that can be run."""

    table: str
    options: Options


def reproduce(
    tables: Sequence[str],
    *,
    ckplus: str | None = None,
    bu3dfe: str | None = None,
    mmi: str | None = None,
    rafdb: str | None = None,
    oulucasia: str | None = None,
    sfew: str | None = None,
    bu4dfe: str | None = None,
    small: bool = False,
    epochs: int | None = None,
    weights: str | None = None,
    dry_run: int = 0,
    jobs: int = 1,
    out: str = "runs/reproduce",
) -> pd.DataFrame:
    """Run published tables and print published and measured figures with a verdict.

    Every set whose folder is given is used where the paper used it: as a column, or for training only. What is missing
    is named first, with its layout.

    Parameters
    ----------
    tables : sequence of str
        Names, see :func:`ferdis.reproduce.names`.
    ckplus : str
        Folder of CK+ in its official layout.
    bu3dfe : str
        Folder of BU-3DFE.
    mmi : str
        Folder of MMI.
    rafdb : str
        Folder of RAF-DB.
    oulucasia : str
        Folder of Oulu-CASIA.
    sfew : str
        Folder of SFEW.
    bu4dfe : str
        Folder of BU-4DFE, which REL-GAN pretrains on.
    small : bool
        The systems' size for two cores, from random weights, instead of the paper's.
    epochs : int
        Fewer epochs than the paper's, to try it.
    weights : str
        A .safetensors file with ImageNet weights of ResNet-101 where there is no network; by default they are
        downloaded once.
    dry_run : int
        Run on so many rendered people instead of any set, to see that everything works.
    jobs : int
        Fits at a time.
    out : str
        Run folders go below it, and ``reproduced.csv`` with all figures. A run that was stopped goes on.

    Returns
    -------
    DataFrame
        Columns table, dataset, method, published, measured, difference, low, high, std (in per cent), folds, verdict.

    Raises
    ------
    ValueError, FileNotFoundError
        One line, if a table does not exist, none of its sets is given, or one is not as it should be.
    """
    folders = {"ckplus": ckplus, "bu3dfe": bu3dfe, "mmi": mmi, "rafdb": rafdb, "oulucasia": oulucasia, "sfew": sfew,
               "bu4dfe": bu4dfe}  # fmt: skip
    given = {name: folder for name, folder in folders.items() if folder is not None}
    tables = [name.replace("_", "-") for name in tables]
    shared = Options("", None, (), small, epochs, dry_run or 20, jobs, None, {"weights": weights} if weights else None)
    columns = [column for name in tables for column in _columns(name, given, shared, Path(out), dry=dry_run > 0)]
    print("\n".join(line for name in tables for line in _before(name, given, small, dry=dry_run > 0)), flush=True)
    if not columns:
        needed = dict.fromkeys(f"--{about['dataset']}" for name in tables for about in plan(name)["columns"].values())
        raise ValueError(f"no set of {', '.join(tables)} was given: give {' or '.join(needed)}, or --dry-run 20")
    found = []
    for column in columns:
        print(f"\n{column.table}, {column.options.dataset}:", flush=True)
        table = run(column.table, column.options)
        found.append(table.assign(table=column.table, dataset=column.options.dataset))
    result = pd.concat(found, ignore_index=True)
    result = result[["table", "dataset", *(name for name in result if name not in ("table", "dataset"))]]
    Path(out).mkdir(parents=True, exist_ok=True)
    result.to_csv(Path(out) / SUMMARY, index=False)
    print(f"\nall figures: {Path(out) / SUMMARY}")
    return result


def _before(name: str, given: Mapping[str, str], small: bool, *, dry: bool) -> list[str]:
    """What a reader should know before hours are spent: the table, its cost, what is missing."""
    about = plan(name)
    cost = about["cost"]["small" if small else "paper"]
    return [f"{name}: {about['title']}", f"time and hardware: {cost}", *([] if dry else missing(about, given))]


def _columns(name: str, given: Mapping[str, str], shared: Options, out: Path, *, dry: bool) -> list[_Column]:
    """The columns of a table whose sets are given, each with the other sets that it learns from."""
    about: Mapping[str, Any] = plan(name)
    if dry:
        place = out / f"{name}-{SYNTHETIC}{'-small' * shared.small}"
        return [_Column(name, replace(shared, dataset=SYNTHETIC, out=str(place)))]
    found = []
    for column, what in about["columns"].items():
        own = what["dataset"]
        if own not in given:
            continue
        others = [one for one in about["further"].get("sets", ()) if one in given and one != own]
        place = out / f"{name}-{own}{'-small' * shared.small}"
        further = [f"{one}={given[one]}" for one in others]
        found.append(_Column(name, replace(shared, dataset=column, root=given[own], further=further, out=str(place))))
    return found
