"""Robustness: every fitted system scores its test people again on images made worse, after the rows are final.

Seven kinds at five strengths (:mod:`ferdis.preprocess.stress`); stress.csv holds, for each training, fold, kind,
strength, person and class, how many images there are and how many were named rightly. Nothing is fitted or chosen, and
no row depends on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ferdis import run_folder
from ferdis.evaluation.afterwards import diagnose
from ferdis.evaluation.fit_and_score import Job, class_probabilities, reference_of, without_labels
from ferdis.evaluation.workers import Workers
from ferdis.faces import Faces
from ferdis.preprocess.stress import STRENGTHS, STRESSES, stressed
from ferdis.protocol import row_names
from ferdis.run_folder import RunFolder

COLUMNS = ("system", "seed", "fold", "stress", "strength", "subject", "true", "images", "right")


def stress(run: RunFolder, jobs: list[Job], *, workers: Workers, progress: bool) -> pd.DataFrame:
    """Score all fits on their test people's images made worse, and write stress.csv.

    Parameters
    ----------
    run : the finished run.
    jobs : its fits.
    workers : who does it.
    progress : show a bar.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`.

    Raises
    ------
    EvaluationError
        If a fit cannot be read or scored. The rows are not touched.
    """
    kinds = {"system": str, "subject": str, "true": str}
    return diagnose("stress", run, jobs, _write, COLUMNS, doing="stress of", workers=workers, progress=progress,
                    dtype=kinds, keep_default_na=False)  # fmt: skip


def _write(job: Job) -> None:
    run_folder.write_csv(job.folder / "stress.csv", _scored(job))


def _scored(job: Job) -> pd.DataFrame:
    estimator = type(job.estimator).load(job.folder)
    test = job.faces[job.fold.test]
    names, pixels = row_names(job.faces)[job.fold.test].tolist(), test.pixels()
    classes = np.array(job.faces.classes)
    tables, reference = [], reference_of(job.faces, job.fold)
    for kind in STRESSES:
        for strength in STRENGTHS:
            worse = Faces(stressed(pixels, kind, strength, names), test.table, test.attrs)
            # Whoever looks at the tested images sees them as they are tested.
            given = without_labels(worse) if job.fold.transductive else reference
            predicted = classes[class_probabilities(estimator, worse, job.faces.classes, given).argmax(axis=1)]
            each = pd.DataFrame(
                {
                    "subject": test.subject if test.has_subjects else "",
                    "true": test.expression,
                    "right": (predicted == test.expression).astype(int),
                },
                index=range(len(test)),
            )
            counted = each.groupby(["subject", "true"])["right"].agg(images="size", right="sum").reset_index()
            about: dict[str, Any] = {"stress": kind, "strength": strength}
            tables.append(counted.assign(**about))
    task = job.task
    table = pd.concat(tables, ignore_index=True).assign(system=task.system, seed=task.seed, fold=task.fold)
    return table[list(COLUMNS)]
