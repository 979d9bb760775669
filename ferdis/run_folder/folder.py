"""Writing a run folder: its places, its locks, its records; opened once, gone on with as often as is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import yaml

from ferdis._io import plain, read_json, replacing, write_csv, write_json, write_text, writing
from ferdis.messages import short
from ferdis.run_folder.machine import environment
from ferdis.run_folder.seals import check_sealed, read_fit, seal

# Entries of a record that change no row: a run may go on with others.
NON_REPRODUCIBILITY_PARAMS = ("attrs", "notes", "progress", "logger", "audit")


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
            If the marker is there but is damaged, or the tables are gone or are not those that it vouches for.
        """
        folder = self.task(task)
        if not (folder / "done.json").exists():
            return False
        read_fit(folder)
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
        audit: str = "",
    ) -> None:
        """Make the folder, or find that it belongs to this very run.

        Parameters
        ----------
        record : JSON-able record of all that decides the rows; kept in resolved.json.
        folds : for each fold list its path and what writes it there.
        arguments : as they were given, kept in config.yaml; by default the record.
        audit : what the audit of the folds found, kept in audit.txt.

        Raises
        ------
        ValueError
            If the folder holds another run (the first key that differs is named) or files of something else, or if
            its records were changed.
        """
        path, config = self.root / "resolved.json", self.root / "config.yaml"
        record = plain(record)
        if path.exists():
            check_sealed(self.root, path.name, *(() if arguments is not None else (config.name,)))
            key = first_difference(read_json(path), record, ignored=NON_REPRODUCIBILITY_PARAMS)
            if key is not None:
                raise ValueError(f"{self.root} holds another run ({key}): choose another folder, or delete this one")
        elif any(not item.name.startswith(".") and item.name != "config.yaml" for item in self.root.iterdir()):
            raise ValueError(f"{self.root} is not empty and holds no run: choose another folder")
        else:
            write_config(self.root, arguments or record)
            write_json(path, record)
        if arguments is not None or not config.exists():
            write_config(self.root, arguments or record)
        for place, write in folds.items():
            self._open_folds(place, write)
        write_environment(self.root)
        write_text(self.root / "audit.txt", audit)
        seal(self.root, path, config, *folds, self.root / "environment.json", self.root / "audit.txt")

    def write_tables(self, **tables: pd.DataFrame) -> None:
        """Write tables at the top, each as CSV under its name, and seal them."""
        paths = [self.root / f"{name}.csv" for name in tables]
        for path, table in zip(paths, tables.values(), strict=True):
            write_csv(path, table)
        seal(self.root, *paths)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file at the top, and seal it."""
        write_text(self.root / name, text)
        seal(self.root, self.root / name)

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
        check_sealed(root, path.name)
        before = read_json(path, mend="delete it and run the same command again")
        earlier = before.pop("earlier", [])
        record["earlier"] = [*(earlier if isinstance(earlier, list) else ()), before]
    write_json(path, record)


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
