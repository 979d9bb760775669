"""Saved models: find one, load it by its class, and read what the run that fitted it measured.

A model is a folder that ``save()`` wrote (``estimator.json`` and ``weights.safetensors``), or a fold of a run folder
(``runs/x/fold-03``) that holds one. For a model in a run, the run's records say which subjects it was fitted on and how
accurate it was on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics, run_folder
from ferdis.faces import Faces
from ferdis.protocol.folds import read_fold_table, read_folds
from ferdis.systems.base import Estimator
from ferdis.systems.saved import read_about


def find_model(path: str | Path, system: str | None = None) -> Path:
    """The folder of a saved model.

    Parameters
    ----------
    path : path
        The folder itself, or a fold of a run that holds it.
    system : str, optional
        Which one, where a fold holds several.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or more than one; the message names them.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; give a saved model, a fold of a run, or an .onnx file")
    if (path / "estimator.json").is_file():
        return path
    found = {file.parent.name: file.parent for file in sorted(path.glob("*/estimator.json"))}
    if system is not None and system in found:
        return found[system]
    if len(found) > 1 or (found and system is not None):
        names = ", ".join(found)
        raise ValueError(f"{path} holds the models {names}: name one, as in {next(iter(found.values()))} or --system")
    if found:
        return next(iter(found.values()))
    inner = sorted(path.rglob("fold-*/*/estimator.json"))
    if inner:
        raise ValueError(f"{path} is a run of {len(inner)} models: name one, as in {inner[0].parent}")
    raise FileNotFoundError(f"{path} holds no saved model (estimator.json): give a folder that save() or kfold wrote")


def load_model(folder: str | Path) -> Estimator:
    """Load a saved system, whatever its class.

    Parameters
    ----------
    folder : path
        A folder that ``save()`` wrote.

    Returns
    -------
    Estimator
        Fitted, of the class that was saved.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`ferdis.systems.base.Estimator.load`; if this version of ferdis has no such system; and if the model
        is in a run and was changed after its fold was finished.
    """
    from ferdis.systems import GENERATORS, SYSTEMS, get

    if _run_of(Path(folder).resolve()) is not None:  # which vouches for the files of the model
        run_folder.read_fit(folder, whole=True)
    kind = read_about(Path(folder))["class"]
    classes = {cls.__name__: cls for cls in map(get, [*SYSTEMS, *GENERATORS])}
    if kind not in classes:
        raise ValueError(f"{folder} holds a {kind}, which is no system of this ferdis: there are {', '.join(classes)}")
    return classes[kind].load(folder)  # type: ignore[attr-defined]


def unlabelled(crops: np.ndarray) -> Faces:
    """Faces from crops (n, H, W, 3) without labels; the expression in the table is a placeholder, never read."""
    return Faces(crops, pd.DataFrame({"expression": ["neutral"] * len(crops)}))


@dataclass(frozen=True)
class Evidence:
    """What a run measured of a system, and of the one model that a fold fitted.

    Attributes
    ----------
    run, fold_list : Path
    system, dataset : str
    fold, seed : int
    classes : list of str
    protocol : dict
        The protocol's class and arguments.
    selection : {"last", "validation"}
    people, images : int
        Numbers of subjects and images in the whole data set; ``people`` is None where subjects are not known.
    training_people, training_images, test_people : int
        The same of this fold.
    pooled, tested : DataFrame
        The system's rows of all its finished folds with this seed, and of this fold alone.
    sealed : bool
        Whether digests vouch for the files of the run (see :mod:`ferdis.run_folder.seals`).
    """

    run: Path
    fold_list: Path
    system: str
    dataset: str
    fold: int
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
        """Accuracy of this model on the test part of its fold, 0..1."""
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
            "accuracy_of_this_model": {
                "what": f"fold {self.fold}, on {len(self.tested)} {self.unseen}",
                "value": self.fold_accuracy,
            },
        }

    def faces(self) -> tuple[Faces, Faces]:
        """The training and the test faces of the model's fold, loaded again.

        Raises
        ------
        FileNotFoundError, ValueError
            If the run does not say how to load its data set, or the set has moved or changed.
        """
        from ferdis.datasets import load

        arguments = run_folder.read_config(self.run).get("dataset")
        if not isinstance(arguments, dict) or "name" not in arguments:
            raise ValueError(f"{self.run}/config.yaml does not say how {self.dataset} was loaded")
        faces = load(arguments["name"], **{name: value for name, value in arguments.items() if name != "name"})
        if faces.digest() != run_folder.read_record(self.run)["faces"]["digest"]:
            raise ValueError(f"{self.dataset} has changed since {self.run} was made")
        fold = next(fold for fold in read_folds(self.fold_list, faces) if fold.index == self.fold)
        return faces[fold.train], faces[fold.test]


def evidence_of(folder: str | Path) -> Evidence | None:
    """The :class:`Evidence` of the run that a model is in; None for a model outside a run or in an unfinished fold.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: a file of the run that the evidence rests on is missing, damaged or was changed.
    """
    folder = Path(folder).resolve()
    root = _run_of(folder)
    if root is None:
        return None
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


def _run_of(folder: Path) -> Path | None:
    """The run in which a folder is a finished fit; None elsewhere."""
    if not (folder / "done.json").is_file():
        return None
    return next((parent for parent in folder.parents[:3] if (parent / "resolved.json").is_file()), None)
