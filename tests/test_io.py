"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import _io


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@pytest.mark.parametrize(
    "write",
    [
        lambda path: _io.write_bytes(path, b"new"),
        lambda path: _io.write_text(path, "new"),
        lambda path: _io.write_json(path, {"a": (1, np.float64(0.5))}),
        lambda path: _io.write_csv(path, pd.DataFrame({"a": [0.1]})),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch, write) -> None:
    path = tmp_path / "new" / "file"
    write(path)
    old = path.read_bytes()
    assert old and names(path.parent) == ["file"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path.write_bytes(b"old")
    with pytest.raises(_io.DiskError, match=r"file: the disk is full; free some space") as caught:
        write(path)
    assert "\n" not in str(caught.value) and _io.is_disk_full(caught.value)
    assert path.read_bytes() == b"old" and names(path.parent) == ["file"]


def test_whatever_ends_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), _io.replacing(path) as partial:
            partial.write_text("half")
            raise error
    assert path.read_text() == "old" and names(tmp_path) == ["file"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(_io.DiskError, match=r"file/inner cannot be written \(.*\): choose another folder"):
        _io.write_text(tmp_path / "file" / "inner", "x")


KILLED = """
import os, sys, time
from ferdis import _io
with _io.replacing(sys.argv[1]) as partial:
    partial.write_text("half")
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on this system")
def test_a_writer_that_is_killed_leaves_the_old_file_and_its_remains_are_swept_up(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"there\n"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    assert path.read_text() == "old"
    (remains,) = tmp_path.glob(".file.*.partial")
    _io.write_text(path, "new")
    assert remains.exists()  # it may be of somebody who is writing now
    long_ago = time.time() - 2 * _io._ABANDONED_SECONDS
    os.utime(remains, (long_ago, long_ago))
    other = tmp_path / ".other.1.partial"
    other.write_text("")
    os.utime(other, (long_ago, long_ago))
    _io.write_text(path, "newer")
    assert path.read_text() == "newer" and names(tmp_path) == [".other.1.partial", "file"]


def test_digests(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3 * _io._BLOCK + 17)
    _io.write_bytes(tmp_path / "file", content)
    assert _io.file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    assert _io.digest({"a": 1, "b": (2, 3)}) == _io.digest({"b": [2, 3], "a": 1}) != _io.digest({"a": 1, "b": [3, 2]})
    assert len(_io.digest({}, length=64)) == 64


def test_a_seal_is_of_its_own_record() -> None:
    record = _io.sealed({"a": 1, "b": [2]})
    assert _io.sealed(record) == record and _io.check_seal("x.json", record)
    assert not _io.check_seal("x.json", {"a": 1}), "it carries none"
    for other in (
        {**record, "a": 2},
        {**record, "c": 0},
        {"a": 1, "seal": record["seal"]},
        {**record, "seal": "0" * 64},
    ):
        with pytest.raises(ValueError, match=r"^x\.json was changed after it was written"):
            _io.check_seal("x.json", other)


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        ("text", [""], [1, None, ["a"]]),
        ("count", [0, 7], [-1, True, 1.0, "1", 2**63]),
        ("integer", [-3, 0], [False, 0.5, 2**63, "0"]),
        ("seconds", [0, 0.5], [-1, float("inf"), 1e12, "1"]),
        ("flag", [True, False], [0, 1, "true"]),
        ("record", [{}], [[], "a"]),
        ("list", [[], [1]], [{}, "ab"]),
        ("names", [[], ["a", "b"]], ["ab", ["a", 1]]),
        ("integers", [[], [1, -2]], [[True], [1.5], 1]),
        ("records", [[], [{}]], [{}, [[]]]),
        ("record of records", [{}, {"a": {}}], [{"a": 1}, [{}]]),
    ],
)
def test_a_value_is_of_its_kind(kind: str, fitting: list[object], others: list[object]) -> None:
    for value in fitting:
        assert _io.check_record("x.json", {"a": {"b": value}}, {"a.b": kind}) == {"a": {"b": value}}
    for value in others:
        with pytest.raises(ValueError, match=r"^x\.json: a\.b is .*, not "):
            _io.check_record("x.json", {"a": {"b": value}}, {"a.b": kind})
    with pytest.raises(ValueError, match=r"^x\.json: a is .*, not "):
        _io.check_record("x.json", {"a": None}, {"a": kind})
    assert _io.check_record("x.json", {"a": None}, {"a": f"{kind}?"})
    with pytest.raises(ValueError, match=r"^x\.json has no a\.b"):
        _io.check_record("x.json", {"a": {}}, {"a.b": kind})


def test_a_record_is_nested_so_deep_and_no_deeper() -> None:
    deep: dict[str, object] = {}
    for _ in range(_io._MOST_NESTED - 1):
        deep = {"a": deep}
    assert _io.check_record("x.json", deep, {}) == deep
    with pytest.raises(ValueError, match="nested more than 40 levels deep"):
        _io.check_record("x.json", {"a": [deep]}, {})


def test_cells_that_a_spreadsheet_would_run_are_guarded_and_come_back() -> None:
    run = ["=1+1", "@SUM(A1)", "-x", "+x", "\tx", "'=kept", "''=kept"]
    safe = ["plain", "", "-1.5", "+2e3", "it's", "'quoted", "a=b"]
    frame = pd.DataFrame({"cell": run + safe, "=head": -1.0})
    written = _io.guarded(frame)
    assert written["cell"].tolist() == [f"'{text}" for text in run] + safe
    assert list(written) == ["cell", "'=head"] and (written["'=head"] == -1).all()
    pd.testing.assert_frame_equal(_io.unguarded(written), frame)
