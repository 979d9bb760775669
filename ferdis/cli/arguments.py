"""Reading a line: options with their values, YAML files in place of arguments, the long form that the parsers know."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

USER_ERROR = 2  # exit status for what the user can put right

LISTS = (
    "--system",
    "--seeds",
    "--only_folds",
    "--by",
    "--protocol.train",
    "--protocol.datasets",
)  # one value is a list of one
FLAGS = (
    "diagnose_peeking",
    "new_folds",
    "person_mean",
    "stress",
    "sequences",
    "without_subjects",
    "half",
    "list",
    "all",
    "small",
    "int8",
    "crops",
    "gradio",
    "action_units",
)  # may stand without a value

# Options by the names that they had once; ``*.name`` is an argument of any system, data set or protocol.
FORMER_OPTIONS = {"--pictures": "--images"}


class UsageError(ValueError):
    """The command line cannot be understood."""


def with_present_names(argv: Sequence[str], *, tell: bool = True) -> list[str]:
    """The line with options by their present names; each that is still called by a former one is told of, once."""
    line, told = [], set()
    for token in argv:
        option, equals, value = token.partition("=")
        former = f"--{option[2:].replace('-', '_')}"
        label, dot, name = former.rpartition(".")
        present = FORMER_OPTIONS.get(former) or FORMER_OPTIONS.get(f"*.{name}" if dot else "", "").replace("*", label)
        if not (present and option.startswith("--")):
            line.append(token)
            continue
        if option not in told and tell:
            print(f"ferdis: {option} is now {present}", file=sys.stderr)
        told.add(option)
        line.append(f"{present}{equals}{value}")
    return line


def options(argv: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Options with the values that follow each; ``--a=b`` is split, ``--gpus-per-fold`` is ``--gpus_per_fold``."""
    option = ""
    values: list[str] = []
    for token in argv:
        if token.startswith("--") or token == "-h":
            if option or values:
                yield option, values
            option, equals, value = token.partition("=")
            option = f"--{option[2:].replace('-', '_')}" if token.startswith("--") else option
            values = [value] if equals else []
        else:
            values.append(token)
    if option or values:
        yield option, values


def value_of(argv: Sequence[str], wanted: str) -> str | None:
    """The value of an option, where the line gives one."""
    return next((values[-1] for option, values in options(argv) if option == wanted and values), None)


def leading(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first option, and the rest."""
    count = next((place for place, token in enumerate(argv) if token.startswith("-")), len(argv))
    return list(argv[:count]), list(argv[count:])


def flat(values: str | Sequence[str]) -> list[str]:
    """``["[a, b]", "c"]`` -> ``["a", "b", "c"]``."""
    values = [values] if isinstance(values, str) else values
    parts = [part.strip(" \"'") for value in values for part in str(value).strip("[] ").split(",")]
    return [part for part in parts if part]


def long_form(argv: Sequence[str], lists: Sequence[str] = LISTS) -> list[str]:
    """The line as the parsers take it: one token an option, flags with their value, several values as a list."""
    line: list[str] = []
    for option, values in options(argv):
        if not option:
            raise UsageError(f"unrecognized arguments: {' '.join(values)}")
        if option.lstrip("-").rpartition(".")[2] in FLAGS and not values:
            values = ["true"]
        if (option in lists and values != ["null"]) or len(values) > 1:  # --print_config writes null for none
            values = [f"[{', '.join(flat(values))}]"]
        line.append("=".join([option, *values]))
    return line


def with_config(argv: Sequence[str], *, tell: bool = True) -> list[str]:
    """The line with ``--config FILE`` replaced by the arguments that the file holds."""
    line: list[str] = []
    for option, values in options(argv):
        if option == "--config":
            if len(values) != 1:
                raise UsageError("--config needs the name of one file")
            line += with_present_names(tokens(configuration(Path(values[0]))), tell=tell)
        else:
            line += [option, *values] if option else values
    return line


def configuration(path: Path) -> dict[str, Any]:
    """Arguments in a file: written by --print_config or by hand, the record of a run, or a sweep's winner.

    A folder is that of a sweep's winners: its files differ in ``tuned`` alone, which the result has from all of them.
    """
    if path.is_dir():
        records = {file: configuration(file) for file in sorted(path.glob("*.yaml"))}
        if not records or not all(isinstance(record.get("tuned"), list) for record in records.values()):
            raise UsageError(f"--config {path} is a folder, but not of winners: give a file, or a sweep's folder best/")
        first, *others = ({**record, "tuned": None} for record in records.values())
        for file, other in zip(list(records)[1:], others, strict=True):
            if other != first:
                raise UsageError(
                    f"--config {path}: {file.name} is of another sweep than its neighbours: keep one sweep"
                )
        return {**first, "tuned": [winner for record in records.values() for winner in record["tuned"]]}
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is no YAML: {error}") from None
    if isinstance(record, dict) and isinstance(record.get("arguments"), dict):
        record = record["arguments"]
    if not isinstance(record, dict):
        raise UsageError(f"--config {path} holds no arguments: it should read like the output of --print_config")
    return record


def tokens(record: dict[str, Any], prefix: str = "--") -> list[str]:
    """``{"folds": 5, "ifgan": {"epochs": 3}}`` -> ``["--folds=5", "--ifgan.epochs=3"]``."""
    line: list[str] = []
    for key, value in record.items():
        if isinstance(value, dict) and prefix == "--":
            line += tokens(value, f"--{key}.")
        else:
            line.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return line
