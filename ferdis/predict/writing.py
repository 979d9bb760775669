"""Where the rows of a prediction go: a file, a terminal, or another program."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pandas as pd

from ferdis._io import guarded, writing

SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
FORMATS = ("auto", "table", "jsonl", "csv")
_HELD = (".json", ".parquet")  # written as a whole, at the end
_WIDTH = 40  # characters of an image's name on the terminal


class Writer:
    """Writes rows to a file or to standard output as they come; JSON and Parquet files at the end, or on an error.

    Parameters
    ----------
    out : str, optional
        A file that ends with one of :data:`SUFFIXES`; otherwise standard output.
    form : {"auto", "table", "jsonl", "csv"}
        Of standard output: "auto" is a table on a terminal and JSON lines elsewhere.
    classes : sequence of str
        Of the columns ``p_<class>``.

    Raises
    ------
    ValueError
        If the suffix or the format is another one, or Parquet lacks its package.
    """

    def __init__(self, out: str | None, form: str, classes: Sequence[str]) -> None:
        if out is not None and not out.endswith(SUFFIXES):
            raise ValueError(f"out={out!r}: give the name of a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
        if form not in FORMATS:
            raise ValueError(f"format={form!r}: choose one of {', '.join(FORMATS)}")
        self.path = None if out is None else Path(out)
        if form == "auto":
            form = "table" if sys.stdout.isatty() else "jsonl"
        self.form = form if self.path is None else self.path.suffix.removeprefix(".")
        if self.form == "parquet":
            _check_parquet()
        self.classes = list(classes)
        self.held: list[pd.DataFrame] | None = [] if self.path is not None and self.path.suffix in _HELD else None
        self.started = False
        self.file: TextIO = sys.stdout

    def __enter__(self) -> Writer:
        if self.path is not None:
            with writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self.form != "parquet":
                    self.file = self.path.open("w", encoding="utf-8", newline="")
        return self

    def write(self, rows: pd.DataFrame) -> None:
        """Add rows."""
        if self.held is not None:
            self.held.append(rows)
            return
        with writing(self.path or Path("standard output")):
            if self.form == "csv":
                guarded(rows).to_csv(self.file, index=False, header=not self.started, lineterminator="\n")
            elif self.form == "jsonl":
                self.file.writelines(f"{json.dumps(record, ensure_ascii=False)}\n" for record in _records(rows))
            else:
                self.file.write(terminal_table(rows, self.classes, header=not self.started))
            self.file.flush()
        self.started = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.held is not None and self.path is not None:
            with writing(self.path):
                self._write_held(pd.concat(self.held, ignore_index=True) if self.held else pd.DataFrame())
        if self.file is not sys.stdout:
            self.file.close()

    def _write_held(self, rows: pd.DataFrame) -> None:
        if self.form == "parquet":
            rows.to_parquet(self.path, index=False)
        else:
            json.dump(_records(rows), self.file, indent=1)


def terminal_table(rows: pd.DataFrame, classes: Sequence[str], header: bool = True) -> str:
    """Rows as a person reads them: one line per face with its two most probable expressions."""
    lines = [f"{'image':<{_WIDTH}}  {'face':>4}  {'expression':<12}  {'probability':>11}  next"] if header else []
    for row in rows.to_dict("records"):
        name = f"{_end(row['image']):<{_WIDTH}}"
        if pd.isna(row["face"]):
            lines.append(f"{name}  {'-':>4}  no face found")
            continue
        first, second = sorted(classes, key=lambda name: -row[f"p_{name}"])[:2]
        said = f"({first}?)" if pd.isna(row["expression"]) else row["expression"]
        lines.append(
            f"{name}  {row['face'] + 1:>4}  {said:<12}  {_percent(row, first):>11}  {second} {_percent(row, second)}"
        )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _end(name: str) -> str:
    """The end of a long name, which tells images apart."""
    return name if len(name) <= _WIDTH else f"...{name[3 - _WIDTH :]}"


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: what is missing is null."""
    return json.loads(rows.to_json(orient="records", double_precision=10))


def _percent(row: dict[str, Any], name: str) -> str:
    return f"{100 * row[f'p_{name}']:.0f} %"


def _check_parquet() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ValueError("a .parquet file needs pyarrow: pip install 'ferdis[parquet]', or write .csv") from error
