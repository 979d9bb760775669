"""Saved models: load one by its class, and read what the run that fitted it measured.

A model is a folder that ``save()`` or ``ferdis fit`` wrote (``estimator.json`` and ``weights.safetensors``), or a fold
of a run folder (``runs/x/fold-03``) that holds one. For a model in a run, the run's records say which subjects it was
fitted on and how accurate it was on the others; a model that ``ferdis fit`` made of everybody carries the figures of
the run that measured its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics, run_folder
from ferdis.faces import Faces
from ferdis.protocol.folds import read_fold_table, read_folds
from ferdis.run_folder import find_model
from ferdis.run_folder.models import needs_reference
from ferdis.systems.base import Estimator
from ferdis.systems.saved import read_about


def load_model(folder: str | Path) -> Estimator:
    """Load a saved system, whatever its class.

    Parameters
    ----------
    folder : path
        A folder that ``save()`` or ``ferdis fit`` wrote, or a fold of a run with one model.

    Returns
    -------
    Estimator
        Fitted, of the class that was saved.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`ferdis.systems.base.Estimator.load`; if the folder holds no model, or several, which are named; if
        this version of ferdis has no such system; and if the model is in a run and was changed after its fold was
        finished.
    """
    from ferdis.systems import GENERATORS, SYSTEMS, get

    folder = find_model(folder)
    if _run_of(Path(folder).resolve()) is not None:  # which vouches for the files of the model
        run_folder.read_fit(folder, whole=True)
    kind = read_about(Path(folder))["class"]
    classes = {cls.__name__: cls for cls in map(get, [*SYSTEMS, *GENERATORS])}
    if kind not in classes:
        raise ValueError(f"{folder} holds a {kind}, which is no system of this ferdis: there are {', '.join(classes)}")
    return classes[kind].load(folder)  # type: ignore[attr-defined]


def load_fitted(folder: str | Path) -> Any:
    """Load a fitted system of a run, wrappers around systems (:class:`ferdis.systems.person_mean.PersonMean`) included.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`load_model`.
    """
    from ferdis.systems.person_mean import PersonMean

    return PersonMean.load(folder) if needs_reference(Path(folder)) else load_model(folder)


def unlabelled(crops: np.ndarray) -> Faces:
    """Faces from crops (n, H, W, 3) without labels; the expression in the table is a placeholder, never read."""
    return Faces(crops, pd.DataFrame({"expression": ["neutral"] * len(crops)}))


@dataclass(frozen=True)
class Evidence:
    """What a run measured of a system, and of the one model that a fold fitted; or, for a model of everybody, what the
    run that it cites measured of its recipe.

    Attributes
    ----------
    run : Path
        The run's folder; of a model of everybody, its name.
    fold_list : Path or None
    system, dataset : str
    fold : int or None
        None for a model that was fitted on everybody: it has no test people.
    seed : int
    classes : list of str
    protocol : dict
        The protocol's class and arguments.
    selection : {"last", "validation"}
    people, images : int
        Numbers of subjects and images in the whole data set; ``people`` is None where subjects are not known.
    training_people, training_images, test_people : int
        The same of this fold; of a model of everybody, how many it was fitted on.
    pooled, tested : DataFrame
        The system's rows of all its finished folds with this seed, and of this fold alone.
    sealed : bool
        Whether digests vouch for the files of the run (see :mod:`ferdis.run_folder.seals`).
    others : str
        What a reader must know of a model of everybody: how its images are not those of the run; empty for none.
    """

    run: Path
    fold_list: Path | None
    system: str
    dataset: str
    fold: int | None
    seed: int
    classes: list[str]
    protocol: Any
    selection: str
    people: int | None
    images: int
    training_people: int | None
    training_images: int
    test_people: int | None
    pooled: pd.DataFrame
    tested: pd.DataFrame
    sealed: bool
    others: str = ""

    @property
    def folds(self) -> int:
        """Number of finished folds in the pooled rows."""
        return int(self.pooled["fold"].nunique())

    @property
    def unseen(self) -> str:
        """The test images of a fold in words."""
        if self.people is None:
            return "held-out images (their subjects are not known and may be in its training set too)"
        return "images of held-out subjects"

    @property
    def fold_accuracy(self) -> float:
        """Accuracy of this model on the test part of its fold, 0..1; NaN for a model of everybody, which has none."""
        if self.fold is None:
            return float("nan")
        return metrics.accuracy(self.tested["true"], self.tested["predicted"])

    @property
    def protocol_accuracy(self) -> tuple[float, float]:
        """Mean and standard deviation (ddof 1; NaN for one fold) of the system's accuracy over folds, 0..1."""
        return metrics.mean_std(metrics.fold_accuracies(self.pooled)["accuracy"])

    @property
    def uar(self) -> float:
        """Unweighted average recall on the pooled rows of the system's folds, 0..1."""
        return metrics.uar(self.pooled["true"], self.pooled["predicted"])

    def record(self) -> dict[str, Any]:
        """The figures with a description of each; JSON-able."""
        mean, std = self.protocol_accuracy
        own: dict[str, Any] = {
            "what": f"fold {self.fold}, on {len(self.tested)} {self.unseen}",
            "value": self.fold_accuracy,
        }
        if self.fold is None:
            own = {"what": f"not known: fitted on everybody by the recipe that {self.run} measured", "value": None}
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "folds_finished": self.folds,
            "selection": self.selection,
            "accuracy_of_the_protocol": {
                "what": f"mean over folds, each with its own model, on {self.unseen}; not of this file alone",
                "mean": mean,
                "std_over_folds": None if pd.isna(std) else std,
            },
            "accuracy_of_this_model": own,
        }

    def faces(self) -> tuple[Faces, Faces | None]:
        """The training and the test faces of the model's fold, loaded again.

        Raises
        ------
        FileNotFoundError, ValueError
            If the run does not say how to load its data set, or the set has moved or changed.
        """
        if self.fold is None or self.fold_list is None:
            raise ValueError("the model was fitted on everybody: see training_faces()")
        faces = _loaded_again(self.run, self.dataset)
        if faces.digest() != run_folder.read_record(self.run)["faces"]["digest"]:
            raise ValueError(f"{self.dataset} has changed since {self.run} was made")
        fold = next(fold for fold in read_folds(self.fold_list, faces) if fold.index == self.fold)
        return faces[fold.train], faces[fold.test]


def evidence_of(folder: str | Path) -> Evidence | None:
    """The :class:`Evidence` of the run that a model is in, or of the run that a model of everybody cites.

    None for a model outside a run that cites none, and in an unfinished fold.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: a file of the run that the evidence rests on is missing, damaged or was changed.
    """
    folder = Path(folder).resolve()
    root = _run_of(folder)
    if root is None:
        return _cited(run_folder.read_fit_record(folder))
    done, record = run_folder.read_fit(folder, whole=True), run_folder.read_record(root)
    seed, fold = int(done["seed"]), int(done["fold"])
    seeded = folder.parent.parent  # the folds of one seed
    fits = {path.parent: run_folder.read_fit(path.parent) for path in seeded.glob(f"fold-*/{folder.name}/done.json")}
    pooled = pd.concat(
        [run_folder.read_rows(fit / "rows.csv", run_folder.ROW_COLUMNS) for fit in sorted(fits)], ignore_index=True
    )
    fold_list = next((path for path in (seeded / "folds.csv", root / "folds.csv") if path.is_file()), None)
    if fold_list is None:
        raise FileNotFoundError(f"{root}/folds.csv is missing: run the same command again, finished folds are kept")
    run_folder.check_sealed(root, fold_list.relative_to(root).as_posix(), "config.yaml")
    lists = read_fold_table(fold_list)
    part = lists[lists["fold"] == fold]
    people = part.groupby("part")["subject"].nunique() if "subject" in part else {}
    return Evidence(
        run=root,
        fold_list=fold_list,
        system=str(done["system"]),
        dataset=str(record["dataset"]),
        fold=fold,
        seed=seed,
        classes=list(record["faces"]["classes"]),
        protocol=record["protocol"],
        selection=str(record["selection"]),
        people=record["faces"]["people"],
        images=int(record["faces"]["images"]),
        training_people=people.get("train"),
        training_images=int(done["train_images"]),
        test_people=people.get("test"),
        pooled=pooled,
        tested=pooled[pooled["fold"] == fold],
        sealed=run_folder.is_sealed(root, "resolved.json") and all("files" in fit for fit in fits.values()),
    )


def _cited(fit: Mapping[str, Any] | None) -> Evidence | None:
    """What the run measured that a model of everybody cites; None where it cites none."""
    if fit is None or fit.get("measured") is None:
        return None
    measured = fit["measured"]
    pooled = run_folder.pooled_rows(measured)
    return Evidence(
        run=Path(measured["run"]),
        fold_list=None,
        system=measured["system"],
        dataset=measured["dataset"],
        fold=None,
        seed=int(fit["seed"]),
        classes=list(measured["classes"]),
        protocol=measured.get("protocol"),
        selection=measured["selection"],
        people=measured["people"],
        images=int(measured["images"]),
        training_people=fit["people"],
        training_images=int(fit["images"]),
        test_people=None,
        pooled=pooled,
        tested=pooled[:0],
        sealed=bool(measured.get("sealed")),
        others=str(fit.get("others") or ""),
    )


def training_faces(folder: str | Path, digest: str) -> Faces:
    """The faces that ``ferdis fit`` fitted a model on, loaded again.

    Parameters
    ----------
    folder : of the model.
    digest : of the faces, as the model has it.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder does not say how to load them, or the set has moved or changed.
    """
    folder = Path(folder)
    fit = run_folder.read_fit_record(folder)
    if fit is None:
        raise ValueError("the model lies in no run, which would say how to load its training faces")
    faces = _loaded_again(folder, fit["dataset"])
    if faces.digest() != digest:
        raise ValueError(f"{fit['dataset']} has changed since {folder} was fitted, or a part of it chose the epoch")
    return faces


def _loaded_again(folder: Path, dataset: str) -> Faces:
    """The data set that the ``config.yaml`` of a run or a fit names."""
    from ferdis.datasets import load

    arguments = run_folder.read_config(folder).get("dataset")
    if not isinstance(arguments, dict) or "name" not in arguments:
        raise ValueError(f"{folder}/config.yaml does not say how {dataset} was loaded")
    return load(arguments["name"], **{name: value for name, value in arguments.items() if name != "name"})


def _run_of(folder: Path) -> Path | None:
    """The run in which a folder is a finished fit; None elsewhere."""
    if not (folder / "done.json").is_file():
        return None
    return next((parent for parent in folder.parents[:3] if (parent / "resolved.json").is_file()), None)
