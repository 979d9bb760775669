"""Files, written whole or not at all, and their digests.

A file is written beside its final name and then renamed: a reader finds the old state or the new one and never half of
either, and a writer that is killed leaves the old one. Nothing here (or anywhere in ferdis) unpickles a file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ferdis.messages import one_line, quoted, reason

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 1 << 20  # bytes that a digest reads at a time
_MOST_NESTED = 40  # levels of a record; ours have six
_SEAL = "seal"  # key of a record: its own digest
MEND = "undo the change, or delete its folder and run again"
_FORMULA = r"'*[=+\-@\t\r\n]"  # a spreadsheet runs what begins so; an apostrophe before it is ours, or was there
_GUARDED = r"''*[=+\-@\t\r\n]"
_ABANDONED_SECONDS = 3600.0  # a partial file that nobody has touched for so long belonged to a process that was killed


class DiskError(OSError):
    """A file could not be written; the message names it and the way out."""


# ---------------------------------------------------------------- writing


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn a disk that is full or may not be written into one clear line naming ``path``."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise DiskError(
                f"{path}: the disk is full; free some space and run again, what is finished is kept"
            ) from error
        raise DiskError(f"{path} cannot be written ({reason(error)}): choose another folder") from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk (or quota) is at the root of an error; safetensors only says so in words."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return True
        if "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def replacing(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """Where to write what ``path`` is to hold: a file beside it, renamed when the block ends and removed if it fails.

    Missing folders are made.

    Parameters
    ----------
    path : path
        The file that is to appear.
    sync : bool
        Be sure that the content is on the disk before the name is. False for what may be lost with the machine's power,
        such as a cache.

    Yields
    ------
    Path
        The name to write to, hidden, in the same folder.

    Raises
    ------
    DiskError
        An OSError of one line with the path: the disk is full or the folder cannot be written. An earlier file stays
        as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        try:
            yield partial
            if sync:
                with partial.open("r+b") as file:  # without it the rename may reach the disk before the content does
                    os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Delete what killed writers of the same file have left."""
    prefix = f".{path.name}."
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(".partial")):
                continue
            if time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                Path(entry.path).unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file whole or not at all (see :func:`replacing`)."""
    with replacing(path, sync=sync) as partial:
        partial.write_bytes(content)


def write_text(path: str | Path, text: str, *, sync: bool = True) -> None:
    """Write a text file whole or not at all, as UTF-8 with ``\\n`` at the ends of lines."""
    write_bytes(path, text.encode("utf-8"), sync=sync)


def write_json(path: str | Path, record: Any, *, indent: int | None = 2, sync: bool = True) -> None:
    """Write a record whole or not at all; what JSON lacks becomes what :func:`plain` makes of it."""
    write_text(path, json.dumps(plain(record), indent=indent, ensure_ascii=False) + "\n", sync=sync)


def write_csv(path: str | Path, frame: pd.DataFrame, *, sync: bool = True) -> None:
    """Write a table whole or not at all; floats keep every digit, and no cell is a formula (see :func:`guarded`)."""
    write_text(path, guarded(frame).to_csv(index=False, lineterminator="\n"), sync=sync)


# ---------------------------------------------------------------- reading


def read_text(path: str | Path, *, mend: str = MEND) -> str:
    """Read a text file (UTF-8).

    Parameters
    ----------
    path : path
    mend : str
        What to do about a file that is damaged, for the message.

    Raises
    ------
    FileNotFoundError, ValueError
        One line with the path: it is not there, or it is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text ({error.reason} at byte {error.start}): {mend}") from None


def read_json(path: str | Path, kinds: Mapping[str, str] | None = None, *, mend: str = MEND) -> dict[str, Any]:
    """Read a record that was written as JSON.

    Parameters
    ----------
    path : path
    kinds : mapping, optional
        What must be in it, as for :func:`check_record`.
    mend : str
        As for :func:`read_text`.

    Raises
    ------
    FileNotFoundError, ValueError
        One line with the path: it is not there, no JSON, no record, or without one of ``kinds``.
    """
    text = read_text(path, mend=mend)
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        raise ValueError(f"{path} is not readable as JSON ({one_line(error, 100)}): {mend}") from None
    return check_record(path, record, kinds or {}, mend=mend)


def read_yaml(path: str | Path, *, mend: str = MEND) -> dict[str, Any]:
    """Read a record that was written as YAML; an empty file is an empty record. ``mend`` as for :func:`read_text`.

    Raises
    ------
    FileNotFoundError, ValueError
        One line with the path: it is not there, no YAML, or no record.
    """
    text = read_text(path, mend=mend)
    try:
        record = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is not readable as YAML ({one_line(error, 100)}): {mend}") from None
    return check_record(path, {} if record is None else record, {}, mend=mend)


def read_csv(path: str | Path, columns: Sequence[str] = (), *, mend: str = MEND, **options: Any) -> pd.DataFrame:
    """Read a table as :func:`pandas.read_csv` does; what :func:`write_csv` put before a formula is taken off again.

    Parameters
    ----------
    path : path
    columns : sequence of str
        Columns that must be there.
    mend : str
        As for :func:`read_text`.
    options
        For :func:`pandas.read_csv`.

    Raises
    ------
    FileNotFoundError, ValueError
        One line with the path: it is not there, no table, has a column twice or lacks one of ``columns``.
    """
    import pandas as pd

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is missing")
    try:
        head = list(pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0])
        frame = pd.read_csv(path, **options)
    except (ValueError, OverflowError, IndexError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path} is not readable as CSV ({one_line(error, 100)}): {mend}") from None
    if twice := [name for name, count in Counter(head).items() if count > 1]:
        raise ValueError(f"{path} has the column {quoted(twice[0])} twice: {mend}")
    frame = unguarded(frame)
    if missing := [name for name in columns if name not in frame]:
        raise ValueError(f"{path} has no column {missing[0]}: {mend}")
    return frame


def check_record(path: str | Path, record: Any, kinds: Mapping[str, str], *, mend: str = MEND) -> dict[str, Any]:
    """The record, if it holds what it must.

    Parameters
    ----------
    path : path
        The file that it was read from, for messages.
    record : anything
    kinds : mapping
        For each key (``a.b`` is ``b`` inside ``a``) the kind of its value, a name of :data:`KINDS`; one that ends in
        ``?`` may be null.
    mend : str
        As for :func:`read_text`.

    Raises
    ------
    ValueError
        One line with the path: it is no record, a key is missing, or its value is of another kind.
    """
    if not isinstance(record, dict):
        raise ValueError(f"{path} holds {quoted(record)}, not a record: {mend}")
    if _is_deeper(record, _MOST_NESTED):
        raise ValueError(f"{path} is nested more than {_MOST_NESTED} levels deep: {mend}")
    for key, kind in kinds.items():
        value: Any = record
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ValueError(f"{path} has no {key}: {mend}")
            value = value[part]
        fits, words = KINDS[kind.removesuffix("?")]
        if not fits(value) and not (value is None and kind.endswith("?")):
            raise ValueError(f"{path}: {key} is {quoted(value)}, not {words}: {mend}")
    return record


def _is_deeper(record: Any, levels: int) -> bool:
    level = [record]
    for _ in range(levels):
        inner = [list(item.values()) if isinstance(item, dict) else item for item in level]
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return bool(level)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_list_of(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(kind, value))


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "anything": (lambda value: True, "anything"),
    "text": (lambda value: isinstance(value, str), "text"),
    "count": (lambda value: _is_integer(value) and value >= 0, "a whole number from 0"),
    "integer": (_is_integer, "a whole number"),
    "seconds": (lambda value: isinstance(value, int | float) and 0 <= value < 1e12, "a number of seconds"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "record": (lambda value: isinstance(value, dict), "a record"),
    "list": (lambda value: isinstance(value, list), "a list"),
    "names": (_is_list_of(lambda value: isinstance(value, str)), "a list of names"),
    "integers": (_is_list_of(_is_integer), "a list of whole numbers"),
    "records": (_is_list_of(lambda value: isinstance(value, dict)), "a list of records"),
    "record of records": (
        lambda value: isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()),
        "a record of records",
    ),
}


# ---------------------------------------------------------------- cells that a spreadsheet would run


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before text that a spreadsheet would run (``=1+1``, ``@SUM``, ``-x``).

    Numbers stay as they are; :func:`read_csv` takes the apostrophe off again.
    """
    safe = _map_text(frame, _FORMULA, guarded_text)
    safe.columns = safe.columns.map(lambda name: guarded_text(str(name)))
    return safe


def guarded_text(text: str) -> str:
    """A cell of text as it may stand in a CSV, see :func:`guarded`."""
    return f"'{text}" if re.match(_FORMULA, text) and not _is_number(text) else text


def unguarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without the apostrophes of :func:`guarded`."""
    plain_frame = _map_text(frame, _GUARDED, _without_guard)
    plain_frame.columns = plain_frame.columns.map(lambda name: _without_guard(str(name)))
    return plain_frame


def _without_guard(text: str) -> str:
    return text[1:] if re.match(_GUARDED, text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _map_text(frame: pd.DataFrame, pattern: str, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with ``change`` done to the cells of text that begin as ``pattern`` says."""
    changed = frame.copy(deep=False)
    for place in range(frame.shape[1]):
        if frame.dtypes.iloc[place].kind != "O":
            continue
        cells = frame.iloc[:, place].astype(object)
        texts = {cell for cell in cells if isinstance(cell, str)}
        if found := {text: change(text) for text in texts if re.match(pattern, text)}:
            changed.isetitem(place, [found.get(cell, cell) if isinstance(cell, str) else cell for cell in cells])
    return changed


# ---------------------------------------------------------------- digests


def plain(value: Any) -> Any:
    """The value as JSON keeps it (tuples become lists, keys text, arrays lists, anything else its text)."""

    def other(item: Any) -> Any:
        return item.tolist() if hasattr(item, "tolist") else str(item)

    return json.loads(json.dumps(value, default=other))


def digest(record: Any, length: int = 12) -> str:
    """First hex digits of the SHA-256 of a JSON-able record; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(plain(record), sort_keys=True).encode()).hexdigest()[:length]


def file_digest(path: str | Path) -> str:
    """SHA-256 (64 hex digits) of a file, read a block at a time."""
    sha = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with a digest of itself, by which :func:`check_seal` tells whether it was changed."""
    rest = {name: value for name, value in plain(record).items() if name != _SEAL}
    return {**rest, _SEAL: digest(rest, length=64)}


def check_seal(path: str | Path, record: Mapping[str, Any], *, mend: str = MEND) -> bool:
    """Whether a record carries a seal.

    Raises
    ------
    ValueError
        If it carries the seal of another record: the file at ``path`` was changed after it was written.
    """
    if _SEAL not in record:
        return False
    if sealed(record)[_SEAL] != record[_SEAL]:
        raise ValueError(f"{path} was changed after it was written (its seal is of other content): {mend}")
    return True
