"""One model on everybody: what is deployed after k-fold has measured its recipe.

A run of :func:`ferdis.evaluate` leaves a model for each fold, each without the people it was tested on; none of them is
the one to deploy. :func:`fit_final` fits the same recipe on all people. Nobody is left to test that model: its card
cites the figures of the run, and only where the run measured this very recipe.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferdis import run_folder
from ferdis.capabilities import ChecksItself
from ferdis.evaluation.fit_and_score import accepts, describe, seeded_clone
from ferdis.evaluation.model_card import CARD, fitted_card
from ferdis.evaluation.runtime_estimate import estimate, size_remarks
from ferdis.evaluation.tuned_parameters import TunedParameters
from ferdis.faces import Faces
from ferdis.messages import named
from ferdis.progress import lines_of, on_terminal
from ferdis.protocol import Fold
from ferdis.run_folder import FinishedRun

_TRAINING = "training"  # checkpoints of an unfinished fit


def fit_final(
    estimator: Any,
    faces: Faces,
    out: str | Path,
    *,
    like: str | Path | None = None,
    system: str | None = None,
    validation: Faces | None = None,
    seed: int = 0,
    dataset: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Any:
    """Fit one model on all faces and write it into a folder that ``predict`` and ``export`` take.

    Called again with the same arguments it goes on where it was stopped, and gives a finished model back.

    Parameters
    ----------
    estimator : a system, any of :mod:`ferdis.systems`; itself it stays unfitted.
    faces : Faces
        Everybody. Subjects need not be known.
    out : the model's folder.
    like : a finished run folder, whose figures the card cites if it measured this recipe (the same class and
        arguments, by the same rule of selection, with the same classes).
    system : its name in that run, where there are several.
    validation : faces of other people, by which the epoch is chosen; without them it is the last one.
    seed : of the training.
    dataset : name of the data set; by default what the loader left in ``faces.attrs["dataset"]``.
    arguments : kept in ``config.yaml``; their ``dataset`` says how to load the faces again.
    progress : say beforehand how long it takes, and without a terminal once a minute how far it is.

    Returns
    -------
    The fitted estimator.

    Raises
    ------
    ValueError, FileNotFoundError
        If ``out`` holds something else, ``like`` is no finished run or has no such system, and as the system's ``fit``.
    """
    out = Path(out)
    run = None if like is None else run_folder.read_run(like)
    label = system or (one_system(run) if run is not None else type(estimator).__name__.lower())
    measured, not_measured, others = _cited(run, label, estimator, faces, validation)
    model = seeded_clone(estimator, seed)
    dataset = dataset or str(faces.attrs.get("dataset", "unnamed"))
    recipe = run_folder.plain(
        {
            "system": label,
            "seed": seed,
            "parameters": run_folder.digest(run_folder.recipe_parameters(describe(model))),
            "dataset": dataset,
            "faces_digest": faces.digest(),
            "validation_digest": None if validation is None else validation.digest(),
            "images": len(faces),
            "people": len(set(faces.subject)) if faces.has_subjects else None,
            "classes": list(faces.classes),
            "validation_people": _people(validation),
        }
    )
    if _finished(out, recipe):
        return type(model).load(out)
    if isinstance(estimator, ChecksItself):
        estimator.check()
    if progress and hasattr(model, "get_params"):
        _tell_estimate(label, model, faces)
    with run_folder.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {} if validation is None else {"validation": validation}
    if accepts(model.fit, "run_dir"):
        options["run_dir"] = out / _TRAINING
    with lines_of(label if progress and not on_terminal() else ""):
        model.fit(faces, **options)
    model.save(out)
    if (history := getattr(model, "history_", None)) is not None:
        run_folder.write_csv(out / "history.csv", history)
    run_folder.write_provenance(out, arguments or recipe)
    run_folder.write_fit_record(out, {**recipe, "measured": measured, "not_measured": not_measured, "others": others})
    run_folder.write_text(out / CARD, fitted_card(out))
    shutil.rmtree(out / _TRAINING, ignore_errors=True)
    return model


def _tell_estimate(label: str, model: Any, faces: Faces) -> None:
    """Print what the fit will take. What goes wrong here would go wrong in the fit, which then says so."""
    every = Fold(0, np.arange(len(faces)), np.arange(0), np.arange(0))
    with contextlib.suppress(Exception):
        told = [str(estimate({label: model}, faces, [every])), *size_remarks({label: model}, len(faces))]
        print("\n".join(told), file=sys.stderr, flush=True)


def one_system(run: FinishedRun) -> str:
    """The name of the one system of a run.

    Raises
    ------
    ValueError
        If it has several; the message names them.
    """
    names = list(run.record["systems"])
    if len(names) > 1:
        raise ValueError(f"{run.root} has the systems {named(names)}: name one, as in --system {names[0]}")
    return names[0]


def common_winner(run: FinishedRun, system: str) -> Mapping[str, Any]:
    """Arguments of a sweep's winner that served every fold of a system; empty where the run took none.

    Raises
    ------
    ValueError
        If folds had winners of their own: then there is no one recipe to fit on everybody.
    """
    winners = [TunedParameters.from_record(about) for about in run.record.get("tuned", [])]
    own = [winner for winner in winners if winner.system == system]
    if len(own) > 1:
        raise ValueError(
            f"{run.root}: each fold of {system} has arguments of its own, which a sweep chose; there is no one recipe "
            "to fit on everybody: choose the arguments and run k-fold with them, or fit with --config of one winner"
        )
    return own[0].parameters if own else {}


def _cited(
    run: FinishedRun | None, system: str, estimator: Any, faces: Faces, validation: Faces | None
) -> tuple[dict[str, Any] | None, str, str]:
    """What the run measured of this recipe; or why nothing is cited; and what differs all the same."""
    if run is None:
        return None, "run ferdis kfold with the same arguments, then ferdis fit --like its folder", ""
    if system not in run.record["systems"]:
        raise ValueError(f"{run.root} has no system {system!r}: it has {named(run.record['systems'])}")
    there = {**run.record["systems"][system], **common_winner(run, system)}
    if difference := run_folder.other_recipe(
        there, run_folder.plain({"class": type(estimator).__name__, **describe(estimator)})
    ):
        return None, f"{run.name} measured another recipe ({difference})", ""
    rule = "last" if validation is None else "validation"
    if rule != run.record["selection"]:
        return None, f"{run.name} chose the epoch by {run.record['selection']!r}, this model by {rule!r}", ""
    if list(faces.classes) != list(run.record["faces"]["classes"]):
        return None, f"{run.name} has other classes ({named(run.record['faces']['classes'])})", ""
    here = faces if validation is None else Faces.concat([faces, validation])
    about = run.record["faces"]
    same = len(here) == about["images"] and (validation is not None or here.digest() == about["digest"])
    others = "" if same else f"The run measured it on other images: {about['images']} there, {len(here)} here"
    return run_folder.measured_recipe(run, system), "", others


def _people(faces: Faces | None) -> int | None:
    if faces is None:
        return None
    return len(np.unique(faces.subject)) if faces.has_subjects else len(faces)


def _finished(out: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether the folder holds this model; an error if it holds another one, or something else."""
    there = run_folder.read_fit_record(out)
    if there is not None:
        differs = run_folder.first_difference({name: there.get(name) for name in recipe}, dict(recipe))
        if differs:
            raise ValueError(f"{out} holds another model ({differs}): choose another folder, or delete this one")
        return True
    stopped = (out / _TRAINING).is_dir()  # it goes on there
    if out.is_dir() and not stopped and any(not item.name.startswith(".") for item in out.iterdir()):
        raise ValueError(f"{out} is not empty and holds no model of ferdis fit: choose another folder")
    return False
