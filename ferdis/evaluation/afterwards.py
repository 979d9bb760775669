"""Diagnoses after the rows are final: each fit writes a table of its own, and no row depends on it."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from ferdis import run_folder
from ferdis._io import read_csv
from ferdis.evaluation.fit_and_score import EvaluationError, Job, Outcome
from ferdis.evaluation.workers import Workers
from ferdis.messages import one_line
from ferdis.progress import Bar
from ferdis.run_folder import RunFolder


def diagnose(
    name: str, run: RunFolder, jobs: Sequence[Job], write: Callable[[Job], None], columns: Sequence[str],
    *, doing: str, workers: Workers, progress: bool, **reading: Any,
) -> pd.DataFrame:  # fmt: skip
    """Have every fit write ``NAME.csv`` into its folder, unless it is there, and join them at the top of the run.

    Parameters
    ----------
    name : of the table and of the progress bar.
    run, jobs : the finished run and its fits.
    write : writes the table of one fit; a function that another process can import.
    columns : that each of the tables must have.
    doing : what is done, in front of a fit's name: ``stress of``.
    workers : who does it.
    progress : show a bar.
    **reading : passed on to :func:`pandas.read_csv`.

    Raises
    ------
    EvaluationError
        If a table cannot be written. The rows are not touched.
    """
    pending = [job for job in jobs if not (job.folder / f"{name}.csv").exists()]
    bar = Bar(f"{name} (after the fact)", len(jobs), len(jobs) - len(pending), progress, each=True)
    with bar, contextlib.closing(workers.run(partial(_written, write), pending)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                raise EvaluationError(f"{doing} {outcome.task} failed: {outcome.error}; the rows are not affected")
            bar.step(str(outcome.task))
    tables = [read_csv(job.folder / f"{name}.csv", columns, **reading) for job in jobs]
    table = pd.concat(tables, ignore_index=True)
    run.write_tables(**{name: table})
    return table


def _written(write: Callable[[Job], None], job: Job) -> Outcome:
    try:
        write(job)
    except Exception as error:
        with contextlib.suppress(OSError):
            run_folder.write_text(job.folder / "error.txt", traceback.format_exc())
        return Outcome(job.task, one_line(error))
    return Outcome(job.task)
