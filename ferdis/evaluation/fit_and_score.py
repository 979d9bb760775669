"""One fit of an evaluation: a clone, its training people, its rows, its marker."""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.base

from ferdis import run_folder
from ferdis.capabilities import Describes, Saves, uses_reference
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.messages import with_kind
from ferdis.progress import lines_of
from ferdis.protocol import Fold, row_names
from ferdis.run_folder import Task
from ferdis.training import fused, turns
from ferdis.training.shared import seconds_spent


class EvaluationError(ValueError):
    """Some folds failed; the message names them. The others are finished and stay."""


@dataclass(frozen=True)
class Job:
    """All that one fit needs, in this process or another."""

    task: Task
    folder: Path
    estimator: Any
    faces: Faces
    fold: Fold
    dataset: str
    selection: str
    keep_epochs: bool
    parameters: str
    commit: str
    lines: bool = False  # say once a minute how far the training is


@dataclass(frozen=True)
class Outcome:
    """How a job ended; results themselves travel by file."""

    task: Task
    error: str | None = None  # one line
    disk_full: bool = False
    shared_seconds: float = 0.0  # spent on what all folds start from


def fit_and_score(job: Job) -> Outcome:
    """Fit one clone on the fold's training people, score its test people once, and close the fold.

    A fold that is closed stays so: a worker may have died just after it.
    """
    if (job.folder / "done.json").exists():
        return Outcome(job.task)
    try:
        with run_folder.writing(job.folder):
            job.folder.mkdir(parents=True, exist_ok=True)
        before = seconds_spent()
        with lines_of(str(job.task) if job.lines else ""):
            _fit_and_score(job)
    except Exception as error:
        if run_folder.is_disk_full(error):
            line = f"{job.folder}: the disk is full; free some space and run again, what is finished is kept"
            return Outcome(job.task, line, disk_full=True)
        with contextlib.suppress(OSError):
            run_folder.write_text(job.folder / "error.txt", traceback.format_exc())
        return Outcome(job.task, with_kind(error))
    return Outcome(job.task, shared_seconds=seconds_spent() - before)


def fit(job: Job) -> Any:
    """A fitted clone of the job's estimator; a fit that was stopped goes on from its checkpoint."""
    estimator = seeded_clone(job.estimator, job.task.seed)
    arguments: dict[str, Any] = {}
    if job.selection == "validation":
        arguments["validation"] = job.faces[job.fold.validation]
    if accepts(estimator.fit, "run_dir"):
        arguments["run_dir"] = job.folder / "training"
    if job.keep_epochs:
        arguments["keep_epochs"] = True
    return estimator.fit(job.faces[job.fold.train], **arguments)


def _fit_and_score(job: Job) -> None:
    training = job.folder / "training"
    resumed = training.exists()
    start = turns.clock()
    estimator = fit(job)
    fitted = turns.clock()
    rows = _rows(job, estimator)  # the one look at the test people
    scored = turns.clock()
    if isinstance(estimator, Saves):
        estimator.save(job.folder)
    if (history := getattr(estimator, "history_", None)) is not None:
        table = history.to_frame() if hasattr(history, "to_frame") else history
        run_folder.write_csv(job.folder / "history.csv", table)
    run_folder.write_csv(job.folder / "rows.csv", rows)
    (job.folder / "error.txt").unlink(missing_ok=True)
    done = {
        "system": job.task.system,
        "fold": job.task.fold,
        "seed": job.task.seed,
        "rows": len(rows),
        "fit_seconds": round(fitted - start, 3),
        "predict_seconds": round(scored - fitted, 3),
        "resumed": resumed,
        "notes": [
            *(estimator.describe().get("notes", []) if isinstance(estimator, Describes) else []),
            *fused.remarks(),
        ],
        "train_images": len(job.fold.train),
        "validation_images": len(job.fold.validation) if job.selection == "validation" else 0,
        "test_images": len(job.fold.test),
    }
    run_folder.close_fit(job.folder, done)
    _clear(training)


def _clear(training: Path) -> None:
    """Delete what only an unfinished fit needs; epochs that were asked for and logs stay."""
    for item in training.glob("*"):
        if item.is_file():
            item.unlink()
    with contextlib.suppress(OSError):  # not empty, or never made
        training.rmdir()


def seeded_clone(estimator: Any, seed: int) -> Any:
    """An unfitted copy with the seed put into its ``seed`` or ``random_state``, if it has one."""
    clone = sklearn.base.clone(estimator)
    parameters = clone.get_params(deep=False)
    for name in ("seed", "random_state"):
        if name in parameters:
            return clone.set_params(**{name: seed})
    return clone


def describe(estimator: Any) -> dict[str, Any]:
    """Parameters as plain records: what the estimator says of itself, else its ``get_params``."""
    if isinstance(estimator, Describes):
        return run_folder.plain(estimator.describe())
    parameters = {
        name: value.digest() if isinstance(value, Faces) else value for name, value in estimator.get_params().items()
    }
    return run_folder.plain(parameters)


def accepts(function: Callable, argument: str) -> bool:
    """Whether a function can be called with this keyword."""
    parameters = inspect.signature(function).parameters
    return argument in parameters or any(item.kind is item.VAR_KEYWORD for item in parameters.values())


# ---------------------------------------------------------------- rows


def _rows(job: Job, estimator: Any) -> pd.DataFrame:
    """One row a test image: names, truth, prediction, one probability a class, and what else the table knows."""
    test = job.faces[job.fold.test]
    probability = class_probabilities(estimator, test, job.faces.classes, reference_of(job.faces, job.fold))
    classes = np.array(job.faces.classes)
    table = test.table
    names = row_names(job.faces)
    n = len(test)
    rows = pd.DataFrame(
        {
            "system": job.task.system,
            "dataset": table["dataset"].to_numpy(str) if "dataset" in table else job.dataset,
            "fold": job.task.fold,
            "subject": test.subject if test.has_subjects else "",
            "path": names[job.fold.test],
            "true": test.expression,
            "predicted": classes[probability.argmax(axis=1)] if n else np.empty(0, str),
            **{f"p_{name}": probability[:, k] for k, name in enumerate(classes)},
            "seed": job.task.seed,
            "selection": getattr(estimator, "selection_", job.selection),
            "parameters": job.parameters,
            "commit": job.commit,
        },
        index=range(n),
    )
    if len(job.fold.reference):  # of no strict protocol: every row says what its system was given
        given = reference_name(job.faces, job.fold) if uses_reference(estimator) else "none"
        rows["reference"] = given
    known = {"expression", "subject", "path", "dataset", *AU_COLUMNS}
    for name in (str(name) for name in table.columns if name not in known):
        # A manifest may hold any column: one that is named like ours keeps its values under another name.
        rows[f"table_{name}" if name in rows or name.startswith("p_") else name] = table[name].to_numpy()
    return rows


def reference_of(faces: Faces, fold: Fold) -> Faces | None:
    """The images that a system may be given of a fold's test people.

    Their labels are hidden where they differ, and always where these images are the tested ones.
    """
    if not len(fold.reference):
        return None
    given = faces[fold.reference]
    return given if len(given.classes) == 1 and not fold.transductive else without_labels(given)


def without_labels(faces: Faces) -> Faces:
    """The same images and people, all of an expression that says nothing."""
    return faces.with_table(faces.to_frame().assign(expression="unknown"))


def reference_name(faces: Faces, fold: Fold) -> str:
    """What is given of each test person, in words: ``1 neutral image of each test person``."""
    if fold.transductive:
        return "all tested images of each test person together"
    given = faces[fold.reference]
    most = int(pd.Series(given.subject).value_counts().max())
    kind = f"{given.classes[0]} " if len(given.classes) == 1 else ""
    return f"{most} {kind}image{'s' * (most != 1)} of each test person"


def class_probabilities(
    estimator: Any, test: Faces, classes: Sequence[str], reference: Faces | None = None
) -> np.ndarray:
    """Probabilities in the order of ``classes``, (n, len(classes)) float64; a class unknown to the fold gets 0.

    ``reference`` goes to estimators that declare ``uses_reference``, and to no other.

    Raises
    ------
    ValueError
        If the estimator gives another shape, something that is not finite, or a class that is not in ``classes``.
    """
    more = {"reference": reference} if uses_reference(estimator) else {}
    given = np.asarray(estimator.predict_proba(test, **more), dtype=np.float64)
    fitted = [str(name) for name in estimator.classes_]
    if given.shape != (len(test), len(fitted)):
        raise ValueError(f"predict_proba gave shape {given.shape} instead of {(len(test), len(fitted))}")
    if not np.isfinite(given).all():
        row = int(np.flatnonzero(~np.isfinite(given).all(axis=1))[0])
        raise ValueError(f"predict_proba gave a value that is not finite for test image {row} of the fold")
    unknown = sorted(set(fitted) - set(classes))
    if unknown:
        raise ValueError(f"the fitted estimator knows classes that these faces do not have: {unknown}")
    columns = [list(classes).index(name) for name in fitted]
    probability = np.zeros((len(test), len(classes)))
    probability[:, columns] = given
    return probability
