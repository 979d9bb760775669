"""What choosing the best test epoch would have claimed: a diagnosis, run after the rows are final, read by nothing.

Many published numbers keep the epoch that scores best on the very people they then report. This scores every kept
epoch on the test people and puts that number beside the honest one. It loads saved weights only: no fit, no
selection and no row ever depends on it.
"""

from __future__ import annotations

import contextlib
import shutil
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import run_folder
from ferdis._io import read_csv
from ferdis.evaluation.fit_and_score import EvaluationError, Job, Outcome, class_probabilities, reference_of
from ferdis.evaluation.workers import Workers
from ferdis.messages import one_line
from ferdis.progress import Bar
from ferdis.report.notes import peeking_claims
from ferdis.run_folder import RunFolder

COLUMNS = ("system", "seed", "fold", "epoch", "test_accuracy")  # of peeking.csv


def peek(run: RunFolder, jobs: list[Job], rows: pd.DataFrame, *, workers: Workers, progress: bool) -> pd.DataFrame:
    """Score all kept epochs of all fits on their test people; write peeking.csv and print what peeking claims.

    Parameters
    ----------
    run : the finished run.
    jobs : its fits, made with ``keep_epochs``.
    rows : its final rows.
    workers : who does it.
    progress : show a bar.

    Returns
    -------
    DataFrame
        Columns system, seed, fold, epoch, test_accuracy (0..1): one row a kept epoch.

    Raises
    ------
    EvaluationError
        If a fit kept no epochs or they cannot be scored. The rows are not touched.
    """
    pending = [job for job in jobs if not (job.folder / "peeking.csv").exists()]
    bar = Bar("peeking (after the fact)", len(jobs), len(jobs) - len(pending), progress, each=True)
    with bar, contextlib.closing(workers.run(_peek_at_one, pending)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                raise EvaluationError(f"peeking at {outcome.task} failed: {outcome.error}; the rows are not affected")
            bar.step(str(outcome.task))
    table = pd.concat([read_csv(job.folder / "peeking.csv", COLUMNS) for job in jobs], ignore_index=True)
    run.write_tables(peeking=table)
    print(peeking_claims(table, rows))
    return table


def _peek_at_one(job: Job) -> Outcome:
    try:
        table = _score_epochs(job)
        run_folder.write_csv(job.folder / "peeking.csv", table)
        shutil.rmtree(job.folder / "training" / "epochs", ignore_errors=True)  # large, and of no further use
    except Exception as error:
        with contextlib.suppress(OSError):
            run_folder.write_text(job.folder / "error.txt", traceback.format_exc())
        return Outcome(job.task, one_line(error))
    return Outcome(job.task)


def _score_epochs(job: Job) -> pd.DataFrame:
    epochs = sorted((job.folder / "training" / "epochs").glob("epoch-*"))
    if not epochs:
        raise ValueError(f"{job.folder} kept no epochs: peeking must be asked for before the run starts")
    estimator = type(job.estimator).load(job.folder)
    test = job.faces[job.fold.test]
    classes = np.array(job.faces.classes)
    truth = test.expression
    reference = reference_of(job.faces, job.fold)
    records: list[dict[str, Any]] = []
    for path in epochs:
        estimator.load_epoch(path)
        predicted = classes[class_probabilities(estimator, test, job.faces.classes, reference).argmax(axis=1)]
        records.append(
            {
                "system": job.task.system,
                "seed": job.task.seed,
                "fold": job.task.fold,
                "epoch": _epoch_number(path),
                "test_accuracy": float((predicted == truth).mean()),
            }
        )
    return pd.DataFrame(records)


def _epoch_number(path: Path) -> int:
    return int("".join(filter(str.isdigit, path.stem)))
