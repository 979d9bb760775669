"""evaluate(): systems x folds x seeds -> one row a test image, on disk, resumable, several folds at a time.

The order is the argument. First the audit, which refuses folds or parameters that leak. Then, for each seed, fold
and system, a fresh clone is fitted on the training people (and, only with ``selection="validation"``, shown the
validation people), the test people are scored *once*, and the fold is closed by a marker. When every fold is closed
the rows are gathered, and the table and the figures are read off them. Nothing that is fitted or chosen ever
sees a test image.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.base

from ferdis import metrics, run_folder
from ferdis._io import read_csv
from ferdis.capabilities import ChecksItself, Splits, uses_reference
from ferdis.evaluation.finishing import draw, gather, summarise
from ferdis.evaluation.fit_and_score import EvaluationError, Job, Outcome, accepts, describe, fit
from ferdis.evaluation.fold_batches import run_fits
from ferdis.evaluation.peeking import peek
from ferdis.evaluation.result import Evaluation
from ferdis.evaluation.runtime_estimate import estimate, idle_people, tell_estimate
from ferdis.evaluation.stress import stress as stress_all
from ferdis.evaluation.tuned_parameters import TunedParameters, parameters_for, refuse_tuned_people, without_set_aside
from ferdis.evaluation.workers import Workers
from ferdis.faces import Faces
from ferdis.messages import named
from ferdis.progress import Bar, on_terminal
from ferdis.protocol import Fold, FoldList, LeakError, partitioned, protocol_named, write_folds
from ferdis.protocol.leakage import NEAR_DUPLICATE, audit, audit_parameters
from ferdis.protocol.near_duplicates import Fingerprinter
from ferdis.protocol.published import departures_of
from ferdis.run_folder import RunFolder, Task
from ferdis.training.distributed import meet, rank_and_world_of_launch

__all__ = ["Evaluation", "EvaluationError", "estimate", "evaluate"]

SELECTIONS = ("last", "validation")
_WAIT_SECONDS = 60.0  # for another process that opens or closes the same run
_NAMED = 3  # failures that a message names before it only counts
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")


def evaluate(
    estimators: Any,
    faces: Faces | None,
    protocol: Any,
    *,
    out: str | Path | None = None,
    dataset: str | None = None,
    seeds: Sequence[int] = (0,),
    partitions: int = 1,
    selection: str = "last",
    n_jobs: int = 1,
    backend: str = "processes",
    cpus_per_fold: int = 1,
    gpus_per_fold: float | None = None,
    fold_batch: int | str = 1,
    only_folds: Sequence[int] | None = None,
    tuned: Sequence[TunedParameters] = (),
    progress: bool = True,
    diagnose_peeking: bool = False,
    stress: bool = False,
    near_duplicates: bool = True,
    threshold: float = NEAR_DUPLICATE,
    allow_overlap: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Run systems through a protocol and write one row a test image.

    Called again with the same arguments it goes on where it was stopped: a finished fold is never run twice, and
    the rows are those of an undisturbed run.

    Parameters
    ----------
    estimators : an estimator, or a mapping from a system's name to its estimator. Never fitted itself: each fold
        fits a fresh clone, with its ``seed`` set.
    faces : Faces; None where the protocol brings its own (:class:`~ferdis.protocol.CrossDataset`,
        :class:`~ferdis.protocol.LeaveOneDatasetOut`).
    protocol : gives the folds: ``protocol.split(faces)``, the same at every call; or the name of one
        (``"ckplus-ascending"``; :func:`ferdis.protocol.describe_protocols` lists them); or a sequence of folds; or, for
        repeated k-fold, one protocol a seed, as :func:`ferdis.protocol.splitters.repeat` gives them.
    out : the run folder (see :mod:`ferdis.run_folder`); None keeps nothing on disk.
    dataset : name of the data set in the rows; by default what the loader left in ``faces.attrs["dataset"]``.
    seeds : each system is trained once per seed and fold. With one protocol every seed sees the same folds.
    partitions : repeat the protocol over so many partitions of the people, each trained with every seed; the rows then
        number the trainings (see :func:`ferdis.protocol.partitioned`). It takes two or more to tell a difference from
        the noise of trainings, see :func:`ferdis.metrics.gain`.
    selection : "last" takes the last epoch; "validation" the best epoch on the fold's validation people.
    n_jobs : fits at a time, each in its own process with its share of the cores. The number of threads changes
        the order of floating-point sums, so compare bit by bit only runs of one ``n_jobs`` and machine.
    backend : "processes" of this machine, or "ray": the cluster that RAY_ADDRESS names, which then decides how many
        fits run at a time (see :mod:`ferdis.evaluation.ray_workers`).
    cpus_per_fold : with "ray": processors, and threads, of a fit.
    gpus_per_fold : GPUs of a fit, at most 1; with 0.5 two fits share one. None gives every fit the first GPU.
    fold_batch : how many folds, seeds and partitions of a system train together, in fused steps; "auto" measures first
        whether that is faster (see :mod:`ferdis.evaluation.fold_batches`). Rows are the same up to rounding.
    only_folds : numbers of the folds to run now; others are left to other calls, in other jobs of a cluster perhaps,
        with the same ``out``. The call that finishes the last fold writes the tables.
    tuned : winners of :func:`ferdis.sweep.sweep`; each serves its own fold, a single one all. A fold that tests on
        people it was tuned on is refused.
    progress : print an estimate of time and memory, then a progress bar.
    diagnose_peeking : keep each epoch's weights, and when the rows are final also score them on the test people,
        to show what choosing the best test epoch would have claimed (peeking.csv). Nothing else reads it.
    stress : when the rows are final also score the test people on images made worse, in seven ways at five strengths
        (stress.csv); no row depends on it, and a finished run may be asked for it later.
    near_duplicates, threshold, allow_overlap : for the audit, see :func:`ferdis.protocol.audit`. A
        :class:`~ferdis.protocol.FoldList` that leaks runs only with ``allow_overlap``; its leaks are counted in
        ``resolved.json`` and are the first thing that the report says.
    arguments : written to config.yaml, for a caller that reads its arguments from such a file.

    Returns
    -------
    Evaluation

    Raises
    ------
    LeakError
        If a person, sequence or image is shared between parts of a fold, or between a parameter and a test part.
    ValueError
        If an argument does not fit, or ``out`` holds another run (the key that differs is named).
    EvaluationError
        If folds failed; all others have been run and stay finished.
    ClusterError
        If the Ray cluster cannot be reached or goes away; what is finished stays.
    DiskError
        If the disk is full or ``out`` cannot be written.
    """
    workers = Workers(n_jobs, backend, cpus_per_fold, gpus_per_fold, fold_batch)
    rank = rank_and_world_of_launch()[0]
    progress = progress and rank == 0
    systems = _named(estimators)
    of_others = isinstance(protocol, FoldList)
    faces = _check(
        systems, getattr(protocol, "faces", None) if faces is None else faces, seeds, selection, diagnose_peeking, out
    )
    protocol, seeds = partitioned(
        protocol_named(protocol) if isinstance(protocol, str) else protocol, seeds, partitions
    )
    faces = without_set_aside(faces, tuned)
    folds = _folds(protocol, faces, seeds, selection)
    _check_reference(systems, folds)
    mine = _only(folds, only_folds)
    options = {"near_duplicates": near_duplicates, "threshold": threshold, "allow_overlap": allow_overlap}
    report, leaks = _audit(systems, faces, folds, options, progress, of_others=of_others)
    refuse_tuned_people(tuned, systems, faces, mine, allow_overlap=allow_overlap)
    dataset = dataset or str(faces.attrs.get("dataset", "unnamed"))
    record = _record(systems, faces, protocol, dataset, seeds, selection, diagnose_peeking, tuned)
    record |= {"audit": options | leaks}
    with _folder(out, len(seeds) > 1) as run:
        jobs = _jobs(run, systems, faces, folds, record, tuned)
        ours = [job for job in jobs if only_folds is None or job.task.fold in only_folds]
        if rank:
            return _follow(run, ours)
        with ExitStack() as held:
            with run.locked(wait=0 if only_folds is None else _WAIT_SECONDS):
                held.enter_context(run.fits_locked([job.task for job in ours if not run.is_done(job.task)]))
                run.open(record, _fold_lists(run, faces, folds), arguments, report)
            _run_all(run, ours, workers, progress)
        with run.locked(wait=_WAIT_SECONDS):
            rows, table = _results(run, jobs, ours, record, workers, progress, out is not None, stress)
        meet()
        return Evaluation(rows, table, None if out is None else run.root)


def _results(
    run: RunFolder,
    jobs: list[Job],
    ours: list[Job],
    record: Mapping[str, Any],
    workers: Workers,
    progress: bool,
    figures: bool,
    stressed: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and table: of the whole run where every fit is done, else of those that this call ran."""
    if not all(run.is_done(job.task) for job in jobs):  # the other folds are for other calls
        rows = pd.concat([run_folder.read_rows(job.folder / "rows.csv") for job in ours], ignore_index=True)
        return rows, metrics.summary(rows)
    rows = gather(run, jobs)
    table = summarise(run, jobs, rows, record)
    if figures:
        draw(run, jobs, rows)
    if record["diagnose_peeking"]:
        peek(run, jobs, rows, workers=workers, progress=progress)
    if stressed:
        stress_all(run, jobs, workers=workers, progress=progress)
    return rows, table


# ---------------------------------------------------------------- what was asked for


def _named(estimators: Any) -> dict[str, Any]:
    """Estimators by name; a single one is named after its class."""
    if not isinstance(estimators, Mapping):
        return {type(estimators).__name__.lower(): estimators}
    return {str(name): estimator for name, estimator in estimators.items()}


def _check(
    systems: dict[str, Any], faces: Any, seeds: Sequence[int], selection: str, keep_epochs: bool, out: Any
) -> Faces:
    """The faces, where everything that was asked for fits."""
    if not isinstance(faces, Faces):
        raise ValueError(
            f"faces must be a Faces, got {type(faces).__name__}: load(), Faces.from_arrays or Faces.from_paths make one"
        )
    if not systems:
        raise ValueError("estimators is empty: name at least one system")
    if selection not in SELECTIONS:
        raise ValueError(f"selection={selection!r} is unknown: choose one of {SELECTIONS}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds={tuple(seeds)} must be one or several different integers")
    if out is None and _together(systems.values()):
        raise ValueError("several processes train each fold together (torchrun, srun, devices): give out=")
    for name, estimator in systems.items():
        if isinstance(estimator, ChecksItself):
            estimator.check()
        if not _NAME.fullmatch(name):
            raise ValueError(f"system name {name!r} cannot name a folder: use letters, digits and any of _.+=-")
        for needed, argument in ((selection == "validation", "validation"), (keep_epochs, "keep_epochs")):
            if needed and not accepts(estimator.fit, argument):
                raise ValueError(f"system {name!r} cannot do this: its fit() takes no {argument}=")
    return faces


def _folds(protocol: Any, faces: Faces, seeds: Sequence[int], selection: str) -> dict[int, list[Fold]]:
    """The folds of each seed: one list for all, or one list each when there is one protocol a seed."""
    if not isinstance(protocol, Splits | Iterable):
        few = f"SubjectKFold({protocol})" if isinstance(protocol, int) else "SubjectKFold(10)"
        raise ValueError(f"protocol={protocol!r} gives no folds: pass a protocol, such as {few}, or a list of folds")
    if isinstance(protocol, Splits):
        return dict.fromkeys(seeds, _checked(protocol.split(faces), selection))
    parts = list(protocol)
    if any(isinstance(part, Splits) for part in parts):
        if len(parts) != len(seeds):
            raise ValueError(f"{len(parts)} protocols for {len(seeds)} seeds: give one protocol, or one a seed")
        return {seed: _checked(part.split(faces), selection) for seed, part in zip(seeds, parts, strict=True)}
    return dict.fromkeys(seeds, _checked(parts, selection))


def _check_reference(systems: Mapping[str, Any], folds: Mapping[int, list[Fold]]) -> None:
    """Refuse a system that wants images of the test people in a protocol that gives none."""
    given = all(len(fold.reference) for some in folds.values() for fold in some)
    for name, estimator in systems.items():
        if uses_reference(estimator) and not given:
            raise ValueError(
                f"system {name!r} wants images of the test people (uses_reference), which a strict protocol does not "
                "give: take calibrated-kfold (CalibratedKFold) or transductive-kfold (TransductiveKFold), whose rows "
                "say so"
            )


def _checked(folds: Sequence[Fold], selection: str) -> list[Fold]:
    if not len(folds):
        raise ValueError("the protocol gave no folds")
    for fold in folds:
        if selection == "validation" and len(fold.validation) == 0:
            raise ValueError(
                f'fold {fold.index} has no validation people: selection="validation" needs validation_folds >= 1'
            )
    return list(folds)


def _only(folds: Mapping[int, list[Fold]], only: Sequence[int] | None) -> list[Fold]:
    """The folds that this call runs, each once; an error for a number that no fold has."""
    some = list({id(fold): fold for part in folds.values() for fold in part}.values())
    if only is None:
        return some
    known = {fold.index for fold in some}
    if not only or not set(only) <= known:
        raise ValueError(f"only_folds={list(only)}: the folds are {', '.join(map(str, sorted(known)))}")
    return [fold for fold in some if fold.index in only]


def _fold_lists(run: RunFolder, faces: Faces, folds: Mapping[int, list[Fold]]) -> dict[Path, Callable[[Path], None]]:
    """Where the fold lists go, and what writes them: at the top, and under each seed where seeds differ in folds."""
    lists = list(folds.values())
    if all(some is lists[0] for some in lists):
        return {run.root / "folds.csv": lambda path: write_folds(path, faces, lists[0])}
    return {run.seed(seed) / "folds.csv": partial(write_folds, faces=faces, folds=some) for seed, some in folds.items()}


def _audit(
    systems: Mapping[str, Any],
    faces: Faces,
    folds: Mapping[int, list[Fold]],
    options: Mapping[str, Any],
    progress: bool,
    *,
    of_others: bool,
) -> tuple[str, dict[str, Any]]:
    """Refuse folds and parameters that leak; what else the audit found, in words and for the record.

    A list ``of_others`` that leaks is run as it is where overlap is allowed, and the record counts its leaks.
    """
    reports, texts, known = [], [], Fingerprinter()
    tolerant = of_others and options["allow_overlap"]
    first: dict[int, int] = {}  # seed of each list of folds: several trainings of one partition share theirs
    for seed, some in folds.items():
        first.setdefault(id(some), seed)
    for seed in first.values():
        try:
            report = audit(faces, folds[seed], **options, known=known, raise_on_leak=not tolerant)
        except LeakError as error:
            way = "; a list of others runs as it is with allow_overlap=True, and the report says so" * of_others
            raise LeakError(f"{error}{way}") from None
        if tolerant:
            report.let_leaks_pass()
        for estimator in systems.values():
            audit_parameters(estimator, faces, folds[seed], **options, known=known)
        reports.append(report)
        texts.append(f"seed {seed}: {report}" if len(first) > 1 else str(report))
        if progress:
            print(report, file=sys.stderr)
    leaking = [report for report in reports if report.let_pass]
    found: dict[str, Any] = {}
    if leaking:
        found["leaks"] = sum(len(report.leaks) for report in leaking)
        found["seen_share"] = None if np.isnan(leaking[0].seen_share) else leaking[0].seen_share
    return "\n".join(texts) + "\n", found


def deciding_parameters(description: dict[str, Any]) -> dict[str, Any]:
    """The part of a description that the digest covers: not the seed (its own column), not what changes no row."""
    left_out = ("seed", "random_state", *run_folder.NON_REPRODUCIBILITY_PARAMS)
    return {name: value for name, value in description.items() if name not in left_out}


def _record(
    systems: dict[str, Any],
    faces: Faces,
    protocol: Any,
    dataset: str,
    seeds: Sequence[int],
    selection: str,
    diagnose_peeking: bool,
    tuned: Sequence[TunedParameters],
) -> dict[str, Any]:
    """All that decides the rows. Who does the work is not part of it: a run may go on with other ``n_jobs``."""
    winners = {"tuned": [winner.record() for winner in tuned]} if tuned else {}
    return run_folder.plain(
        {
            "dataset": dataset,
            "faces": {
                "images": len(faces),
                "size": faces.shape[1:3],
                "classes": faces.classes,
                "people": len(set(faces.subject)) if faces.has_subjects else None,
                "digest": faces.digest(),
                "attrs": faces.attrs,
            },
            "protocol": _describe_protocol(protocol, faces),
            "seeds": list(seeds),
            "selection": selection,
            "diagnose_peeking": diagnose_peeking,
            "systems": {name: {"class": type(item).__name__, **describe(item)} for name, item in systems.items()},
            **winners,
        }
    )


def _describe_protocol(protocol: Any, faces: Faces) -> Any:
    if hasattr(protocol, "get_params"):
        about = {"class": type(protocol).__name__, **protocol.get_params()}
        departures = departures_of(protocol, faces)
        return about | ({"departures": departures} if departures else {})
    if isinstance(protocol, Splits):
        return {"class": type(protocol).__name__}
    parts = list(protocol)
    return (
        [_describe_protocol(part, faces) for part in parts] if isinstance(parts[0], Splits) else "given, see folds.csv"
    )


def _jobs(
    run: RunFolder,
    systems: Mapping[str, Any],
    faces: Faces,
    folds: Mapping[int, list[Fold]],
    record: Mapping[str, Any],
    tuned: Sequence[TunedParameters],
) -> list[Job]:
    """Every fit, in the order of the rows: seed, fold, system."""
    digests = {name: run_folder.digest(deciding_parameters(record["systems"][name])) for name in systems}
    commit = run_folder.git_commit()
    jobs = []
    for seed, some in folds.items():
        for fold in some:
            for name, estimator in systems.items():
                task = Task(int(seed), int(fold.index), name)
                parameters = digests[name]
                if (winner := parameters_for(tuned, name, fold.index)) is not None:
                    estimator = sklearn.base.clone(estimator).set_params(**winner.parameters)
                    parameters = run_folder.digest(deciding_parameters(run_folder.plain(describe(estimator))))
                jobs.append(
                    Job(
                        task=task,
                        folder=run.task(task),
                        estimator=estimator,
                        faces=faces,
                        fold=fold,
                        dataset=record["dataset"],
                        selection=record["selection"],
                        keep_epochs=record["diagnose_peeking"],
                        parameters=parameters,
                        commit=commit,
                    )
                )
    return jobs


@contextlib.contextmanager
def _folder(out: str | Path | None, several_seeds: bool) -> Iterator[RunFolder]:
    if out is not None:
        yield RunFolder(out, several_seeds=several_seeds)
        return
    with tempfile.TemporaryDirectory(prefix="ferdis-", ignore_cleanup_errors=True) as folder:
        yield RunFolder(folder, several_seeds=several_seeds)


# ---------------------------------------------------------------- running


def _run_all(run: RunFolder, jobs: list[Job], workers: Workers, progress: bool) -> None:
    """Run the fits that are not finished; tell of failures when all others are done."""
    pending = [job for job in jobs if not run.is_done(job.task)]
    together = _together(job.estimator for job in jobs)  # others train each fold with us, and must not be left waiting
    if together and (workers.n_jobs > 1 or workers.backend != "processes" or workers.fold_batch != 1):
        alone = "n_jobs=1, fold_batch=1 and backend='processes'"
        raise ValueError(f"several processes train each fold together: that leaves {alone}")
    if progress and pending and not together:
        tell_estimate(pending, workers.n_jobs)
        if idle := idle_people([job.fold for job in pending], pending[0].selection):
            print(idle, file=sys.stderr)
    pending = [replace(job, lines=progress and not on_terminal()) for job in pending]
    failed: list[Outcome] = []
    shared: dict[str, float] = {}  # seconds of what all folds of a system start from
    bar = Bar("fits", len(jobs), len(jobs) - len(pending), progress, each=True)
    with bar, contextlib.closing(run_fits(pending, workers, progress)) as outcomes:
        for outcome in outcomes:
            if outcome.disk_full:
                raise run_folder.DiskError(outcome.error)
            if outcome.error is not None:
                failed.append(outcome)
            shared[outcome.task.system] = max(shared.get(outcome.task.system, 0.0), outcome.shared_seconds)
            bar.apart = sum(shared.values())
            bar.step(f"{outcome.task} FAILED" if outcome.error else str(outcome.task))
            if failed and together:
                break
    if failed:
        failed.sort(key=lambda item: item.task)
        which = named((f"{item.task}: {item.error}" for item in failed), _NAMED, "; ")
        raise EvaluationError(
            f"{len(failed)} of {len(jobs)} fits failed ({which}); the other {len(jobs) - len(failed)} are "
            f"finished and kept in {run.root}, where error.txt says more: mend the cause and run again"
        )


def _together(systems: Iterable[Any]) -> bool:
    """Whether several processes train each fold: a launcher has started them, or Fabric will for ``devices=2``."""
    return rank_and_world_of_launch()[1] > 1 or any(getattr(system, "devices", 1) not in (1, "1") for system in systems)


def _follow(run: RunFolder, jobs: list[Job]) -> Evaluation:
    """What the other processes of ``torchrun`` or ``srun`` do: train with the first, which alone writes and scores.

    No fit can end before all processes have joined the first one, so all find the same fits unfinished.
    """
    for job in [job for job in jobs if not (job.folder / "done.json").exists()]:
        fit(job)
    meet()
    try:
        rows = run_folder.read_rows(run.root / "rows.csv")
        return Evaluation(rows, read_csv(run.root / "summary.csv"), run.root)
    except FileNotFoundError:  # other folds are still to come
        return Evaluation(pd.DataFrame(), pd.DataFrame(), run.root)
