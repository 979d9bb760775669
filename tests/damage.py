"""Ten ways in which a file may be damaged, whatever it holds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HUGE = "9" * 400


def _cells(text: bytes, change: Callable[[list[list[str]]], list[list[str]]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(change(list(csv.reader(io.StringIO(text.decode())))))
    return out.getvalue().encode()


def _column(rows: list[list[str]], value: str) -> list[list[str]]:
    """``value`` in the first column of numbers, in every row."""
    place = next(k for k, cell in enumerate(rows[1]) if cell.replace(".", "").isdigit())
    return [rows[0], *([*row[:place], value, *row[place + 1 :]] for row in rows[1:])]


def _record(path: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    record = (json.loads if path.suffix == ".json" else yaml.safe_load)(path.read_text())
    change(record)
    return (json.dumps(record) if path.suffix == ".json" else yaml.safe_dump(record)).encode()


def _set_first(record: dict[str, Any], value: Any) -> None:
    """Put ``value`` where the record's first number is, however deep; else where its first entry is."""
    waiting = [record]
    for item in waiting:
        for key, old in item.items():
            if isinstance(old, int | float):
                item[key] = value
                return
            waiting += [old] if isinstance(old, dict) else []
    record[next(iter(record))] = value


def missing(path: Path) -> bytes:
    """Without its first key, column or line."""
    if path.suffix in (".json", ".yaml"):
        return _record(path, lambda record: record.pop(next(iter(record))))
    if path.suffix == ".csv":
        return _cells(path.read_bytes(), lambda rows: [row[1:] for row in rows])
    return path.read_bytes().partition(b"\n")[2]


def wrong_type(path: Path) -> bytes:
    """Words where a number was."""
    if path.suffix in (".json", ".yaml"):
        return _record(path, lambda record: _set_first(record, {"a": ["word"]}))
    return _cells(path.read_bytes(), lambda rows: _column(rows, "word")) if path.suffix == ".csv" else b"word"


def huge(path: Path) -> bytes:
    """A number of 400 digits where another was."""
    if path.suffix in (".json", ".yaml"):
        return _record(path, lambda record: _set_first(record, int(HUGE)))
    return _cells(path.read_bytes(), lambda rows: _column(rows, HUGE)) if path.suffix == ".csv" else HUGE.encode()


DAMAGES: dict[str, Callable[[Path], bytes]] = {
    "missing key": missing,
    "wrong type": wrong_type,
    "list": lambda path: b"[1, 2]\n",
    "null": lambda path: b"null\n",
    "deep nesting": lambda path: b"[" * 100_000,
    "binary": lambda path: bytes(range(255, 0, -1)),
    "empty": lambda path: b"",
    "truncated": lambda path: path.read_bytes()[: path.stat().st_size // 2],
    "foreign columns": lambda path: b"a,b\n1,2\n",
    "huge number": huge,
}
