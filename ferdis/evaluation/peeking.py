"""What choosing the best test epoch would have claimed: a diagnosis, run after the rows are final, read by nothing.

Many published numbers keep the epoch that scores best on the very people they then report. This scores every kept
epoch on the test people and puts that number beside the honest one. It loads saved weights only: no fit, no
selection and no row ever depends on it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import run_folder
from ferdis.evaluation.afterwards import diagnose
from ferdis.evaluation.fit_and_score import Job, class_probabilities, reference_of
from ferdis.evaluation.workers import Workers
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
    table = diagnose("peeking", run, jobs, _write, COLUMNS, doing="peeking at", workers=workers, progress=progress)
    print(peeking_claims(table, rows))
    return table


def _write(job: Job) -> None:
    run_folder.write_csv(job.folder / "peeking.csv", _score_epochs(job))
    shutil.rmtree(job.folder / "training" / "epochs", ignore_errors=True)  # large, and of no further use


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
