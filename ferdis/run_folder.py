"""The run folder: where everything about one evaluation lies, one layout for every command.

::

    RUN/
      config.yaml         the arguments, as ``ferdis kfold --config`` takes them again
      resolved.json       what they came to: data, protocol, every parameter of every system, seeds, selection rule
      audit.txt           what the audit of the folds found
      folds.csv           who is where, readable by ``ferdis.protocol.splitters.read_folds``
      environment.json    machine, versions, threads, commit, time
      rows.csv            one line a test image and system: the source of every table and figure
      history.csv         every loss term of every fold
      summary.csv .md     the table
      figures/*.png
      fold-03/<system>/   weights, rows.csv, history.csv, training/ (checkpoints), done.json
      seed-1/fold-03/...  the same with several seeds

A file is written under another name and then renamed, so it is there whole or not at all. ``done.json`` is the
last file of a fold: with it the fold is finished for good, without it the fold is run (again).
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import yaml

from ferdis._io import (
    DiskError,
    digest,
    file_digest,
    is_disk_full,
    plain,
    read_json,
    replacing,
    write_bytes,
    write_csv,
    write_json,
    write_text,
    writing,
)
from ferdis.messages import short

__all__ = [
    "NON_REPRODUCIBILITY_PARAMS", "PACKAGES", "TEXT_COLUMNS", "DiskError", "FinishedRun", "RunFolder", "Task",
    "check_rows", "digest", "environment", "file_digest", "finished_fits", "first_difference", "fold_lists",
    "git_commit", "is_disk_full", "plain", "read_json", "read_record", "read_rows", "read_run", "version",
    "write_bytes", "write_config", "write_csv", "write_environment", "write_json", "write_provenance", "write_text",
    "writing",
]  # fmt: skip

PACKAGES = (
    "numpy", "pandas", "scipy", "scikit-learn", "torch", "torchvision", "timm", "lightning",
    "facenet-pytorch", "joblib", "safetensors", "torchmetrics", "pillow", "matplotlib",
)  # fmt: skip

# Entries of a record that change no row: a run may go on with others.
NON_REPRODUCIBILITY_PARAMS = ("attrs", "notes", "progress", "logger", "audit")

# Columns of rows.csv that are text whatever they look like: a digest may read as 12e5, a person as 007.
TEXT_COLUMNS = (
    "system", "dataset", "subject", "path", "true", "predicted", "selection", "parameters", "commit", "sequence",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Task:
    """One fit: a seed, a fold and a system."""

    seed: int
    fold: int
    system: str

    def __str__(self) -> str:
        return f"{self.system}, fold {self.fold}, seed {self.seed}"


class RunFolder:
    """Paths and records of one run.

    Parameters
    ----------
    root : path of the folder; made by :meth:`open`.
    several_seeds : whether folds lie under ``seed-<n>/``.
    """

    def __init__(self, root: str | Path, *, several_seeds: bool = False) -> None:
        self.root = Path(root)
        self.several_seeds = several_seeds

    def seed(self, seed: int) -> Path:
        """Folder that holds the folds of a seed."""
        return self.root / f"seed-{seed}" if self.several_seeds else self.root

    def task(self, task: Task) -> Path:
        """Folder of one fit."""
        return self.seed(task.seed) / f"fold-{task.fold:02d}" / task.system

    def is_done(self, task: Task) -> bool:
        """Whether the fit is finished: its marker is there.

        Raises
        ------
        ValueError
            If the marker is there but the rows are gone or are not those that it vouches for.
        """
        folder = self.task(task)
        if not (folder / "done.json").exists():
            return False
        check_rows(folder, read_json(folder / "done.json"))
        return True

    @contextmanager
    def locked(self, wait: float = 0) -> Iterator[None]:
        """Hold the folder against a second run; released by the system when this process ends in any way.

        Parameters
        ----------
        wait : seconds to wait for another process that holds it.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.root / ".lock")
            try:
                lock.acquire(timeout=wait)
            except filelock.Timeout:
                raise ValueError(
                    f"{self.root} is in use by another run: wait for it, or choose another folder"
                ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def fits_locked(self, tasks: Sequence[Task]) -> Iterator[None]:
        """Hold some fits against other processes that work in this folder."""
        with ExitStack() as held:
            for folder in sorted({self.task(task).parent for task in tasks}):
                name = "-".join(folder.relative_to(self.root).parts)
                try:
                    held.enter_context(filelock.FileLock(self.root / f".{name}.lock").acquire(timeout=0))
                except filelock.Timeout:
                    raise ValueError(f"{folder} is in use by another run: wait for it, or leave the fold out") from None
            yield

    def open(
        self,
        record: Mapping[str, Any],
        folds: Mapping[Path, Callable[[Path], None]],
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the folder, or find that it belongs to this very run.

        Parameters
        ----------
        record : JSON-able record of all that decides the rows; kept in resolved.json.
        folds : for each fold list its path and what writes it there.
        arguments : as they were given, kept in config.yaml; by default the record.

        Raises
        ------
        ValueError
            If the folder holds another run (the first key that differs is named) or files of something else.
        """
        path = self.root / "resolved.json"
        record = plain(record)
        if path.exists():
            key = first_difference(read_json(path), record, ignored=NON_REPRODUCIBILITY_PARAMS)
            if key is not None:
                raise ValueError(f"{self.root} holds another run ({key}): choose another folder, or delete this one")
        elif any(not item.name.startswith(".") and item.name != "config.yaml" for item in self.root.iterdir()):
            raise ValueError(f"{self.root} is not empty and holds no run: choose another folder")
        else:
            write_config(self.root, arguments or record)
            write_json(path, record)
        for place, write in folds.items():
            self._open_folds(place, write)
        write_environment(self.root)

    def _open_folds(self, path: Path, write: Callable[[Path], None]) -> None:
        """Write a fold list, or refuse when the one that is there differs."""
        with replacing(path) as fresh:
            write(fresh)
            if path.exists() and path.read_bytes() != fresh.read_bytes():
                raise ValueError(f"{path} holds other folds than this protocol gives: choose another folder")


def write_provenance(root: str | Path, arguments: Mapping[str, Any]) -> None:
    """config.yaml and environment.json, for a command that writes something else than a run into a folder.

    Parameters
    ----------
    root : the folder.
    arguments : as they were given.
    """
    write_config(Path(root), arguments)
    write_environment(Path(root))


def write_config(root: Path, arguments: Mapping[str, Any]) -> None:
    """Write config.yaml: arguments as ``--config`` takes them again."""
    text = yaml.safe_dump(plain(arguments), sort_keys=False, allow_unicode=True, width=110)
    write_text(root / "config.yaml", text)


def write_environment(root: Path) -> None:
    """Write environment.json; what earlier starts of the same command found stays under ``earlier``."""
    path, record = root / "environment.json", environment()
    if path.exists():
        before = read_json(path)
        record["earlier"] = [*before.pop("earlier", []), before]
    write_json(path, record)


# ---------------------------------------------------------------- reading


def read_rows(path: str | Path) -> pd.DataFrame:
    """Read a rows.csv: names stay text ("007", "NA"), an empty cell is a missing value, floats are exact."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: is this the folder of a finished run?")
    columns = list(pd.read_csv(path, nrows=0).columns)
    probabilities = [name for name in columns if name.startswith("p_")]
    text = [name for name in columns if name in TEXT_COLUMNS]
    empty = {name: [] if name in text and name != "sequence" else [""] for name in columns}
    # Probabilities come as text first: pandas' own fast parser may be off in the last digit.
    kinds = dict.fromkeys([*text, *probabilities], str)
    rows = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=empty)
    return rows.astype(dict.fromkeys(probabilities, float))


def read_record(root: str | Path) -> dict[str, Any]:
    """resolved.json of a run folder: what the run came to.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: there is no such folder, it holds no run, or the record cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; give one that ferdis kfold --out wrote")
    if not (root / "resolved.json").is_file():
        raise FileNotFoundError(f"{root} holds no run (no resolved.json): give a folder that ferdis kfold --out wrote")
    record = read_json(root / "resolved.json")
    if "systems" not in record:
        raise ValueError(f"{root} is no evaluation (a sweep's folder, perhaps): give one that ferdis kfold --out wrote")
    return record


def finished_fits(root: str | Path) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and done.json of every finished fit, in the order of seed, fold and system."""
    found = [(path.parent, read_json(path)) for path in Path(root).rglob("fold-*/*/done.json")]
    return sorted(found, key=lambda item: (item[1]["seed"], item[1]["fold"], item[1]["system"]))


def fold_lists(root: str | Path) -> dict[int | None, Path]:
    """The fold lists of a run: one for all seeds (under None), or one a seed where seeds have folds of their own."""
    root = Path(root)
    if (root / "folds.csv").is_file():
        return {None: root / "folds.csv"}
    return {int(path.parent.name.removeprefix("seed-")): path for path in sorted(root.glob("seed-*/folds.csv"))}


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
    """

    root: Path
    record: dict[str, Any]
    config: dict[str, Any]
    rows: pd.DataFrame
    fits: pd.DataFrame
    folds: pd.DataFrame
    environment: dict[str, Any]
    audit: str

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.root.resolve().name

    def text(self, name: str) -> str:
        """A text file of the folder; empty where it is not there."""
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def read_run(root: str | Path) -> FinishedRun:
    """Read a run folder, and be sure that it is whole.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: no such folder, no run in it, folds that are not finished (how many), rows that are missing or are not
        those of the finished folds.
    """
    root = Path(root)
    record = read_record(root)
    lists = fold_lists(root)
    if not lists:
        raise FileNotFoundError(f"{root}/folds.csv is missing: run the same command again, finished folds are kept")
    tables = {seed: pd.read_csv(path, dtype=str, keep_default_na=False) for seed, path in lists.items()}
    parts = [table if seed is None else table.assign(seed=seed) for seed, table in tables.items()]
    folds = pd.concat(parts, ignore_index=True).astype({"fold": int})
    each = [tables[seed if None not in tables else None]["fold"].nunique() for seed in record["seeds"]]
    fits = finished_fits(root)
    _check_finished(root, fits, sum(each) * len(record["systems"]))
    rows = read_rows(root / "rows.csv")
    told = sum(done["rows"] for _, done in fits)
    if len(rows) != told:
        raise ValueError(
            f"{root}/rows.csv has {len(rows)} rows, its finished folds have {told}: run the same command again, it "
            "gathers them anew"
        )
    environment, config, remarks = (root / name for name in ("environment.json", "config.yaml", "audit.txt"))
    return FinishedRun(
        root=root,
        record=record,
        config=yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {},
        rows=rows,
        fits=pd.DataFrame([done for _, done in fits]),
        folds=folds,
        environment=read_json(environment) if environment.is_file() else {},
        audit=remarks.read_text(encoding="utf-8") if remarks.is_file() else "",
    )


def _check_finished(root: Path, fits: Sequence[tuple[Path, dict[str, Any]]], expected: int) -> None:
    """Every fit is there with the rows that its marker vouches for, and they were gathered."""
    if len(fits) < expected:
        raise ValueError(
            f"{root} is not finished: {len(fits)} of {expected} fits are done; run the same command again, it goes on "
            "there"
        )
    for folder, done in fits:
        check_rows(folder, done)
    if not (root / "rows.csv").is_file():
        raise FileNotFoundError(f"{root}/rows.csv is missing: run the same command again, it gathers it from the folds")


def check_rows(folder: Path, done: Mapping[str, Any]) -> None:
    """Raise ValueError when the rows of a finished fit are gone or are not those that its marker vouches for."""
    rows = folder / "rows.csv"
    if not rows.exists() or file_digest(rows) != done.get("rows_sha256"):
        raise ValueError(f"{rows} is missing or was changed after the fold was finished: delete {folder} to rerun")


# ---------------------------------------------------------------- records


def first_difference(old: Any, new: Any, key: str = "", ignored: Sequence[str] = ()) -> str | None:
    """The first dotted key at which two plain records differ, as ``key: old there, new now``; None if equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if name in ignored:
                continue
            inner = f"{key}.{name}" if key else str(name)
            found = first_difference(old.get(name, "nothing"), new.get(name, "nothing"), inner, ignored)
            if found is not None:
                return found
        return None
    if old == new:
        return None
    return f"{key}: {_told(old)} there, {_told(new)} now"


def _told(value: Any) -> str:
    return short(value if isinstance(value, str) else json.dumps(value))


def git_commit() -> str:
    """Commit of the working folder, ``+changes`` when tracked files differ from it; ``unknown`` without one."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    return f"{head[:12]}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head[:12]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def version(package: str) -> str:
    """Installed version of a package, or ``absent``."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def environment() -> dict[str, Any]:
    """What the run ran on: versions, processor, accelerators, threads, memory (GB), commit, command, time (UTC)."""
    import joblib
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "ferdis": version("ferdis"),
        "commit": git_commit(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "memory_gb": _memory_gb(),
        "torch_threads": torch.get_num_threads(),
        "cuda": {"version": torch.version.cuda, "devices": cuda},
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None  # not known on this system
