"""Measure a system's small size on one half of a set of photographs: three folds by subject, one training of each.

Run it as ``python -m tools.measure_systems london BaselineCNN --half "held-out half"``, with ``$FERDIS_SHARED`` naming
the folder of photographs. Choices are made on the development half; the other half is for one report at the end.
With ``--person_mean`` the same trainings also answer with all tested images of a person together, without their labels
(:class:`~ferdis.systems.person_mean.PersonMean`): these are no figures of a strict protocol.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import yaml

import ferdis
from ferdis.evaluation.fit_and_score import without_labels
from ferdis.faces import SEVEN_EXPRESSIONS, Faces
from ferdis.preprocess import prepare
from ferdis.systems.person_mean import FEATURES, PersonMean
from tools.synthetic_checks.cnn import unweighted_recall
from tools.synthetic_checks.real import HALVES, half_of, shared_folder

FOLDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Print accuracy, UAR and the recall of each class."""
    parser = argparse.ArgumentParser(prog="python -m tools.measure_systems", description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=("london", "wild"))
    parser.add_argument("system", help="a class of ferdis: BaselineCNN, RELGAN, ResNetClassifier, IFGAN")
    parser.add_argument("--arguments", type=yaml.safe_load, default={}, help="of its small(): '{weights: null}'")
    parser.add_argument("--half", choices=HALVES, default=HALVES[0])
    parser.add_argument("--partition", default="x", help="a word that mixes the folds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--person_mean", choices=FEATURES, nargs="*", default=[], help="also less each person's mean")
    given = parser.parse_args(arguments)
    faces = photographed(given.name, given.half)
    answers = {name: np.empty(len(faces), dtype=object) for name in ("", *given.person_mean)}
    folds = np.array([fold_of(subject, given.partition) for subject in faces.subject])
    for fold in range(FOLDS):
        system = getattr(ferdis, given.system).small(
            **{"seed": given.seed * 10 + fold, "logger": None, "progress": False, **given.arguments}
        )
        learned, tested = (faces[np.flatnonzero(part)] for part in (folds != fold, folds == fold))
        system.fit(learned)
        answers[""][folds == fold] = system.predict(tested)
        for features in given.person_mean:
            less_mean = PersonMean(system, reference="any", features=features).fit_on(system, learned)
            answers[features][folds == fold] = less_mean.predict(tested, without_labels(tested))
    for features, predicted in answers.items():
        how = f", less the mean of a person's images ({features})" if features else ""
        print(f"{given.name}, {given.half}, {len(faces)} images, {given.system} {given.arguments}{how}: "
              f"{figures(faces.expression, predicted)}")  # fmt: skip
    return 0


def figures(true: np.ndarray, predicted: np.ndarray) -> str:
    """Accuracy, UAR and the recall of each class."""
    recall = {str(name): round(float((predicted[true == name] == name).mean()), 2) for name in np.unique(true)}
    accuracy = float((predicted == true).mean())
    return f"accuracy {accuracy:.1%}, UAR {unweighted_recall(true, predicted):.1%}, {recall}"


def photographed(name: str, half: str, size: int = 72, *, cache: bool = True) -> Faces:
    """One half of a set, aligned as every loader aligns; rows of unknown classes left out.

    ``cache``: whether the aligned images are kept on disk for the next time.
    """
    folder = shared_folder() / name
    table = pd.read_csv(folder / "faces.csv", dtype=str)
    known = table["expression"].isin(SEVEN_EXPRESSIONS).to_numpy()
    chosen = known & np.array([half_of(subject) == half for subject in table["subject"]])
    table = table[chosen].reset_index(drop=True)
    faces = prepare([folder / path for path in table["path"]], table, image_size=size, cache=cache, progress=False)
    return Faces(faces.images, faces.table, {**faces.attrs, "posed": name == "london"})


def fold_of(subject: str, partition: str) -> int:
    """A fold for each subject, by a hash of the name."""
    return int(hashlib.sha256(f"{partition}{subject}".encode()).hexdigest(), 16) % FOLDS


if __name__ == "__main__":
    raise SystemExit(main())
