"""Files that are whole or absent, records that name their first difference."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from ferdis import run_folder
from ferdis.run_folder import DiskError, RunFolder, Task, machine


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    run_folder.write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"rows\.csv: the disk is full"):
        run_folder.write_text(path, "new")
    assert path.read_text() == "old" and [item.name for item in tmp_path.iterdir()] == ["rows.csv"]


def test_floats_keep_every_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(500)
    run_folder.write_csv(tmp_path / "rows.csv", pd.DataFrame({"p_fear": values, "path": "a"}))
    assert (run_folder.read_rows(tmp_path / "rows.csv")["p_fear"] == values).all()


def test_a_missing_sequence_is_missing_and_a_missing_subject_is_empty(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sequence": ["s1", None], "subject": ["", "ck/S1"]})
    run_folder.write_csv(tmp_path / "rows.csv", frame)
    read = run_folder.read_rows(tmp_path / "rows.csv")
    assert read["sequence"].isna().tolist() == [False, True] and list(read["subject"]) == ["", "ck/S1"]


def test_files_that_are_not_there_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"rows\.csv"):
        run_folder.read_rows(tmp_path / "rows.csv")
    (tmp_path / "done.json").write_text('{"system": ')
    with pytest.raises(ValueError, match=r"done\.json is not readable"):
        run_folder.read_json(tmp_path / "done.json")


def test_a_full_disk_is_recognised_however_it_is_told() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    wrapped = RuntimeError("cannot save")
    wrapped.__cause__ = full
    assert run_folder.is_disk_full(full) and run_folder.is_disk_full(wrapped)
    assert run_folder.is_disk_full(RuntimeError("Error while serializing: No space left on device (os error 28)"))
    assert not run_folder.is_disk_full(OSError(errno.ENOENT, "no such file"))


def test_the_first_difference_is_named_by_its_key() -> None:
    old = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "notes": ["said"]}
    assert run_folder.first_difference(old, {**old}) is None
    assert run_folder.first_difference(old, {**old, "b": {"c": [1, 3], "d": "x"}}) == "b.c: [1, 2] there, [1, 3] now"
    assert run_folder.first_difference(old, {**old, "e": True}) == "e: nothing there, true now"
    assert run_folder.first_difference(old, {"a": 1, "b": old["b"]}, ignored=("notes",)) is None


def test_digests_do_not_depend_on_order_or_kind_of_sequence() -> None:
    assert run_folder.digest({"a": (1, 2), "b": np.float64(0.5)}) == run_folder.digest({"b": 0.5, "a": [1, 2]})
    assert run_folder.digest({"a": 1}) != run_folder.digest({"a": 2})


def test_commit_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run_folder.git_commit() == "unknown"
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "file"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *arguments], check=True)
    commit = run_folder.git_commit()
    assert len(commit) == 12 and int(commit, 16) >= 0
    (tmp_path / "unknown to git").write_text("one")
    assert run_folder.git_commit() == commit
    (tmp_path / "file").write_text("two")
    assert run_folder.git_commit() == f"{commit}+changes"


def test_places_of_fits() -> None:
    assert RunFolder("run").task(Task(0, 3, "ifgan")) == Path("run/fold-03/ifgan")
    assert RunFolder("run", several_seeds=True).task(Task(1, 3, "ifgan")) == Path("run/seed-1/fold-03/ifgan")


def test_provenance_of_what_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.run_folder.machine.git_commit", lambda: "0123456789ab")
    run_folder.write_provenance(tmp_path, {"system": ("decgan",), "size": np.int64(3), "root": tmp_path})
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {
        "system": ["decgan"], "size": 3, "root": str(tmp_path)
    }  # fmt: skip
    run_folder.write_provenance(tmp_path, {})
    environment = run_folder.read_json(tmp_path / "environment.json")
    assert environment["commit"] == "0123456789ab" and len(environment["earlier"]) == 1


def test_records_of_something_else_are_no_evaluation(tmp_path: Path) -> None:
    run_folder.write_json(tmp_path / "resolved.json", {"space": {}, "inner_folds": 3})
    with pytest.raises(ValueError, match="is no evaluation"):
        run_folder.read_record(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        run_folder.read_record(tmp_path / "gone")


def test_bytes_are_whole_or_absent(tmp_path: Path) -> None:
    run_folder.write_bytes(tmp_path / "a" / "b.png", b"\x89PNG\r\n")
    assert (tmp_path / "a" / "b.png").read_bytes() == b"\x89PNG\r\n" and len(list((tmp_path / "a").iterdir())) == 1


def test_the_environment_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 9)
    found = run_folder.environment()
    assert (found["torch_threads"], found["cores"]) == (7, 9)
    assert found["packages"]["numpy"] == np.__version__ and found["packages"]["pandas"] == pd.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["time"])
    assert machine.version("no-such-package-of-anybody") == "absent"


def test_processor_and_memory_as_the_system_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: Somebody\nmodel name\t: Chip @ 2: GHz\n")
    monkeypatch.setattr(machine, "Path", lambda _: tmp_path / "cpuinfo")
    monkeypatch.setattr(
        machine, "os", SimpleNamespace(sysconf={"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_000_000}.__getitem__)
    )
    assert machine._processor() == "Chip @ 2: GHz" and machine._memory_gb() == 8.2
