"""A fit of a run that there need not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ferdis.evaluation.fit_and_score import Job
from ferdis.faces import Faces
from ferdis.protocol import Fold
from ferdis.run_folder import Task


def job_of(
    task: Task, estimator: Any, faces: Faces, fold: Fold, folder: Path = Path("none"), **changes: Any
) -> Job:  # fmt: skip
    """A job on toy faces that keeps its last epoch."""
    usual = {"dataset": "toy", "selection": "last", "keep_epochs": False, "parameters": "", "commit": ""}
    return Job(task, folder, estimator, faces, fold, **{**usual, **changes})
