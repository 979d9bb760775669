"""Whether the tests notice wrong programs: each is made in a copy by one edit, and a test has to fail.

    python -m tools.check_wiring                   # all of tools/wrong_programs.py; exit status 1 if one is accepted
    python -m tools.check_wiring --only eggan      # those with this word in file or name
    python -m tools.check_wiring --markdown        # the table "wrong program -> test that catches it"

Every program runs in a process of its own, forked from one that has imported the libraries: about two seconds each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.wrong_programs import PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("ferdis", "tests", "experiments", "examples", "setup.cfg", "pyproject.toml")
LIBRARIES = ("torch", "timm", "sklearn.base", "pandas", "lightning.fabric", "torchmetrics", "pytest")
TIME_LIMIT = 300  # seconds; a program that takes longer counts as noticed; so many for each file of the right one


@dataclass(frozen=True)
class WrongProgram:
    """One edit of one file, and the tests that are asked."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


def programs(only: str = "") -> Iterator[WrongProgram]:
    """The list as data, with a ValueError for an edit whose original is not there exactly once."""
    for file, (tests, edits) in chain.from_iterable(part.items() for part in PROGRAMS):
        text = (ROOT / file).read_text(encoding="utf-8")
        for name, (right, wrong) in edits.items():
            if (found := text.count(right)) != 1:
                raise ValueError(f"{file}: {right!r} of {name!r} is there {found} times, not once: write the edit anew")
            if only.lower() in f"{file} {name}".lower():
                yield WrongProgram(name, file, right, wrong, tests)


class FirstFailure:
    """A pytest plugin that keeps the first test that fails."""

    def __init__(self) -> None:
        self.test, self.collected = "", True

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest with each part of a test."""
        if report.failed and not self.test:
            self.test = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """Called by pytest with each file."""
        self.collected &= not report.failed


def run_tests(folder: str, tests: tuple[str, ...], answer: Connection, write_bytecode: bool) -> None:
    """In a process of its own: send (exit status, first failed test) of the tests of the copy in ``folder``."""
    import pytest

    sys.dont_write_bytecode = not write_bytecode
    os.chdir(folder)
    sys.path.insert(0, folder)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    first = FirstFailure()
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], plugins=[first])
    answer.send((int(status) if first.collected else -1, first.test))


def outcome(
    folder: Path, tests: tuple[str, ...], write_bytecode: bool = False, limit: float = TIME_LIMIT
) -> tuple[int, str]:
    """Exit status of pytest (-1: a file could not be imported) and the first test that failed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    receiver, sender = context.Pipe(duplex=False)
    # Not a daemon, which may not have children: some tests start processes.
    process = context.Process(target=run_tests, args=(str(folder), tests, sender, write_bytecode))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit):
            process.terminate()
            return 1, f"no end after {limit:g} s"
        status, test = receiver.recv()
    except EOFError:  # the process died
        status, test = 1, "the process died"
    process.join(10)
    return status, test


def check(program: WrongProgram, folder: Path) -> str:
    """The test that notices a wrong program, or an empty string."""
    path = folder / program.file
    right, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(right.replace(program.right, program.wrong), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**10))  # what was compiled of the right one is outdated
    status, test = outcome(folder, program.tests)
    path.write_text(right, encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if status not in (0, 1):
        raise ValueError(f"{program.file}, {program.name!r}: the tests do not start; write the edit anew")
    return test


def main() -> int:
    """The command line; 1 if a wrong program is accepted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a word in file or name")
    parser.add_argument("--markdown", action="store_true", help="a table for a page")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    chosen = list(programs(options.only))
    accepted = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        every = tuple(dict.fromkeys(test for program in chosen for test in program.tests))
        limit = TIME_LIMIT * len(every)
        if every and (failed := outcome(folder, every, write_bytecode=True, limit=limit)) != (0, ""):
            raise ValueError(f"the tests fail on the right program: {failed[1] or 'they do not start'}")
        if options.markdown:
            print("| file | wrong program | noticed by |\n|---|---|---|")
        for program in chosen:
            test = check(program, folder)
            accepted += not test
            line = (program.file.removeprefix("ferdis/"), program.name, test or "ACCEPTED")
            print("| {} | {} | `{}` |".format(*line) if options.markdown else "{}: {} -> {}".format(*line), flush=True)
    print(f"{len(chosen) - accepted} of {len(chosen)} wrong programs noticed")
    return int(accepted > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
