"""After the last fold: rows gathered, the table with what must be known to read it, the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ferdis import figures, metrics, run_folder
from ferdis._io import read_csv, replacing
from ferdis.capabilities import Averages, Saves
from ferdis.evaluation.fit_and_score import Job
from ferdis.report.notes import notes
from ferdis.report.tables import summary_table
from ferdis.run_folder import RunFolder


def gather(run: RunFolder, jobs: Iterable[Job]) -> pd.DataFrame:
    """Join rows and histories of all fits, in the order of the jobs, and write them at the top."""
    jobs = list(jobs)
    tables = {"rows": run_folder.joined_rows([job.folder for job in jobs])}
    histories = []
    for job in jobs:
        path = job.folder / "history.csv"
        if path.exists():
            history = read_csv(path, dtype=str, keep_default_na=False)
            names = {"system": job.task.system, "seed": job.task.seed, "fold": job.task.fold}
            histories.append(pd.concat([pd.DataFrame(names, index=history.index), history], axis=1))
    if histories:
        tables["history"] = pd.concat(histories, ignore_index=True).fillna("")
    run.write_tables(**tables)
    return run_folder.read_rows(run.root / "rows.csv")


def summarise(run: RunFolder, jobs: list[Job], rows: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """summary.csv and summary.md: the table, and below it what a reader must know to read it."""
    table = metrics.summary(rows)
    done = pd.DataFrame([run_folder.read_fit(job.folder) for job in jobs])
    seconds = (done["fit_seconds"] + done["predict_seconds"]).groupby(done["system"]).mean()
    table["seconds_per_fold"] = table["system"].map(seconds).round(1)
    run.write_tables(summary=table)
    run.write_text("summary.md", _markdown(table, rows, record, done))
    return table


def _markdown(table: pd.DataFrame, rows: pd.DataFrame, record: Mapping[str, Any], done: pd.DataFrame) -> str:
    """The table in Markdown, and the shortcuts and choices behind it by name."""
    faces = record["faces"]
    people = f"{faces['people']} people" if faces["people"] else "people not known"
    size, classes = "x".join(map(str, faces["size"])), len(faces["classes"])
    head = f"# {record['dataset']}: {faces['images']} images of {size}, {people}, {classes} classes\n"
    below = "".join(f"- {note}\n" for note in notes(rows, record, done))
    return f"{head}\n{summary_table(table, digits=2).markdown_rows()}\n{below}"


def draw(run: RunFolder, jobs: list[Job], rows: pd.DataFrame) -> None:
    """The figures of a run, under figures/."""
    folder = run.root / "figures"
    _save(figures.fold_accuracy(rows), folder / "folds.png")
    history = run.root / "history.csv"
    losses = read_csv(history, dtype={"system": str}) if history.exists() else None
    for job in {job.task.system: job for job in reversed(jobs)}.values():  # the first fit of each system
        name = job.task.system
        _save(figures.confusion_matrix(rows[rows["system"] == name]), folder / f"confusion-{name}.png")
        if losses is not None and (losses["system"] == name).any():
            curves = figures.loss_curves(losses[losses["system"] == name], title=f"{name}: loss terms")
            _save(curves, folder / f"losses-{name}.png")
        if isinstance(job.estimator, Averages) and isinstance(job.estimator, Saves):
            _save(_average_faces(job), folder / f"averages-{name}.png")


def _average_faces(job: Job) -> Figure:
    """Test faces of one fold beside what the fold's generator makes of them."""
    estimator = type(job.estimator).load(job.folder)
    averages = getattr(estimator, "averages_", None) or figures.class_averages(job.faces[job.fold.train])
    title = f"{job.task.system}, fold {job.task.fold}: test faces and the average faces generated from them"
    return figures.average_faces(estimator, job.faces[job.fold.test], averages, title=title)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
