"""Reading a run folder: rows, records and finished fits, each checked before it is believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferdis._io import check_record, guarded_text, read_csv, read_json, read_text, read_yaml
from ferdis.protocol.folds import read_fold_table
from ferdis.run_folder.seals import check_sealed, is_sealed, read_fit

# Columns of rows.csv that are text whatever they look like: a digest may read as 12e5, a person as 007.
TEXT_COLUMNS = (
    "system", "dataset", "subject", "path", "true", "predicted", "selection", "parameters", "commit", "sequence",
)  # fmt: skip
ROW_COLUMNS = ("system", "dataset", "fold", "subject", "path", "true", "predicted", "seed", "selection")
_AGAIN = "undo the change, or delete it and run the same command again (finished folds are kept)"
_RECORD = {
    "dataset": "text", "faces.images": "count", "faces.size": "integers", "faces.classes": "names",
    "faces.people": "count?", "faces.digest": "text", "faces.attrs": "record", "protocol": "anything",
    "seeds": "integers", "selection": "text", "systems": "record of records",
}  # fmt: skip
_TUNED = {"system": "text", "parameters": "record", "people": "list", "fold": "integer?", "trials": "count"}


def read_rows(path: str | Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a rows.csv: names stay text ("007", "NA"), an empty cell is a missing value, floats are exact.

    Parameters
    ----------
    path : path
    columns : names of columns that must be there.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: there is no such file, or it is no table of rows.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: is this the folder of a finished run?")
    names = list(read_csv(path, columns, nrows=0, mend=_AGAIN).columns)
    probabilities = [name for name in names if name.startswith("p_")]
    text = [name for name in names if name in TEXT_COLUMNS]
    empty = {guarded_text(name): [] if name in text and name != "sequence" else [""] for name in names}
    # Probabilities come as text first: pandas' own fast parser may be off in the last digit.
    kinds = dict.fromkeys([*text, *probabilities], str)
    rows = read_csv(path, mend=_AGAIN, dtype=kinds, keep_default_na=False, na_values=empty)
    for name in {"fold", "seed"} & set(names):
        if len(rows) and rows[name].dtype.kind != "i":
            raise ValueError(f"{path}: column {name} holds something else than whole numbers: {_AGAIN}")
    try:
        return rows.astype(dict.fromkeys(probabilities, float))
    except ValueError as error:
        raise ValueError(f"{path}: a probability is no number ({error}): {_AGAIN}") from None


def read_record(root: str | Path) -> dict[str, Any]:
    """resolved.json of a run folder: what the run came to.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: there is no such folder, it holds no run, or the record was changed or cannot be read.
    """
    root = Path(root)
    path, mend = root / "resolved.json", "undo the change, or choose another run"
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give one that ferdis kfold --out wrote")
    if not path.is_file():
        raise FileNotFoundError(f"{root} holds no run (no resolved.json): give a folder that ferdis kfold --out wrote")
    check_sealed(root, path.name)
    record = read_json(path, mend=mend)
    if "systems" not in record:
        raise ValueError(f"{root} is no evaluation (a sweep's folder, perhaps): give one that ferdis kfold --out wrote")
    check_record(path, record, _RECORD, mend=mend)
    for about in record["systems"].values():
        check_record(path, about, {"class": "text"}, mend=mend)
    for about in check_record(path, {"tuned": [], **record}, {"tuned": "records"}, mend=mend)["tuned"]:
        check_record(path, about, _TUNED, mend=mend)
    check_record(path, {"audit": {}, **record}, {"audit": "record"}, mend=mend)
    return record


def read_config(root: str | Path) -> dict[str, Any]:
    """config.yaml of a run folder: the arguments as they were given; empty where there is none.

    Raises
    ------
    ValueError
        One line: it was changed, or cannot be read.
    """
    path = Path(root) / "config.yaml"
    check_sealed(root, path.name)
    return read_yaml(path, mend=_AGAIN) if path.is_file() else {}


def finished_fits(root: str | Path, *, whole: bool = False) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and done.json of every finished fit, in the order of seed, fold and system.

    Parameters
    ----------
    root : the run folder.
    whole : also look at the saved models, see :func:`ferdis.run_folder.seals.read_fit`.

    Raises
    ------
    ValueError
        One line: a file of a fit is missing, damaged or was changed.
    """
    found = [(path.parent, read_fit(path.parent, whole=whole)) for path in Path(root).rglob("fold-*/*/done.json")]
    return sorted(found, key=lambda item: (item[1]["seed"], item[1]["fold"], item[1]["system"]))


def joined_rows(folders: Sequence[Path]) -> pd.DataFrame:
    """The rows of several fits as text, so that a number is written again with the very digits it had in its fold."""
    parts = [read_csv(folder / "rows.csv", mend=_AGAIN, dtype=str, keep_default_na=False) for folder in folders]
    return pd.concat(parts, ignore_index=True).fillna("")


def fold_lists(root: str | Path) -> dict[int | None, Path]:
    """The fold lists of a run: one for all seeds (under None), or one a seed where seeds have folds of their own."""
    root = Path(root)
    if (root / "folds.csv").is_file():
        return {None: root / "folds.csv"}
    found = {re.fullmatch(r"seed-(-?\d+)", path.parent.name): path for path in sorted(root.glob("seed-*/folds.csv"))}
    return {int(match[1]): path for match, path in found.items() if match}


@dataclass(frozen=True)
class FinishedRun:
    """A run folder whose every fold is finished, as :func:`read_run` finds it.

    Attributes
    ----------
    root : Path
    record : resolved.json: data set, protocol, seeds, selection rule, every parameter of every system.
    config : config.yaml: the arguments as they were given.
    rows : DataFrame, one row a test image, system and seed.
    fits : DataFrame, one row a fit: what its done.json says.
    folds : DataFrame, the fold lists: fold, part, path, and subject where known; seed where seeds differ in folds.
    environment : machine, versions, commit.
    audit : what the audit of the folds found, in words; empty where a run wrote none.
    sealed : whether digests vouch for its files (see :mod:`ferdis.run_folder.seals`).
    """

    root: Path
    record: dict[str, Any]
    config: dict[str, Any]
    rows: pd.DataFrame
    fits: pd.DataFrame
    folds: pd.DataFrame
    environment: dict[str, Any]
    audit: str
    sealed: bool

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.root.resolve().name

    def text(self, name: str) -> str:
        """A text file of the folder; empty where it is not there."""
        path = self.root / name
        return read_text(path, mend=_AGAIN) if path.is_file() else ""


def read_run(root: str | Path) -> FinishedRun:
    """Read a run folder, and be sure that it is whole and as the run wrote it.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: no such folder, no run in it, folds that are not finished (how many), rows that are missing or are not
        those of the finished folds, a file that is damaged or was changed.
    """
    root = Path(root)
    record = read_record(root)
    check_sealed(root)
    tables = _read_folds(root, record)
    parts = [table if seed is None else table.assign(seed=seed) for seed, table in tables.items()]
    each = [tables[seed if None not in tables else None]["fold"].nunique() for seed in record["seeds"]]
    fits = finished_fits(root)
    rows = _read_finished(root, fits, sum(each) * len(record["systems"]))
    environment, remarks = (root / name for name in ("environment.json", "audit.txt"))
    machine = read_json(environment, mend=_AGAIN) if environment.is_file() else {}
    return FinishedRun(
        root=root,
        record=record,
        config=read_config(root),
        rows=rows,
        fits=pd.DataFrame([done for _, done in fits]),
        folds=pd.concat(parts, ignore_index=True),
        environment=check_record(environment, {"packages": {}, **machine}, {"packages": "record"}, mend=_AGAIN),
        audit=read_text(remarks, mend=_AGAIN) if remarks.is_file() else "",
        sealed=is_sealed(root, "resolved.json") and all("files" in done for _, done in fits),
    )


def _read_folds(root: Path, record: dict[str, Any]) -> dict[int | None, pd.DataFrame]:
    """The fold lists of a run by seed, or the one of all under None."""
    lists = fold_lists(root)
    if not lists:
        raise FileNotFoundError(f"{root}/folds.csv is missing: run the same command again, finished folds are kept")
    if None not in lists and (missing := [seed for seed in record["seeds"] if seed not in lists]):
        raise FileNotFoundError(
            f"{root}/seed-{missing[0]}/folds.csv is missing: run the same command again, finished folds are kept"
        )
    return {seed: read_fold_table(path) for seed, path in lists.items()}


def _read_finished(root: Path, fits: Sequence[tuple[Path, dict[str, Any]]], expected: int) -> pd.DataFrame:
    """The gathered rows; every fit is there, and they are its rows."""
    path, again = root / "rows.csv", "run the same command again, it gathers it anew from the folds"
    if len(fits) < expected:
        raise ValueError(
            f"{root} is not finished: {len(fits)} of {expected} fits are done; run the same command again, it goes on "
            "there"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {again}")
    if not is_sealed(root, path.name):  # a run of before: the rows of its folds are vouched for, these are compared
        found = read_csv(path, mend=_AGAIN, dtype=str, keep_default_na=False)
        made = joined_rows([folder for folder, _ in fits])
        if sorted(found.columns) != sorted(made.columns) or _sorted(found[made.columns]) != _sorted(made):
            raise ValueError(f"{path} does not hold the rows of the finished folds: {again}")
    return read_rows(path, ROW_COLUMNS)


def _sorted(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return sorted(table.itertuples(index=False, name=None))
