"""Train on one data set, test on another: a matrix with training sets as rows and test sets as columns.

python experiments/crossdataset.py --set ckplus=DIR --set oulucasia=DIR --set jaffe=DIR
python experiments/crossdataset.py --set mine=manifest:DIR --set rafdb=DIR --system resnet --small
python experiments/crossdataset.py --synthetic --small --epochs 3    # a dry run on two synthetic populations

Each cell is ``ferdis kfold --protocol cross --train A --test B``, its diagonal ``--protocol subject-kfold``; the last
row is ``--protocol leave-one-dataset-out``, which trains on all other sets.

All cells use the classes that all sets share. The diagonal is subject-exclusive too: k folds by subject, or the
official split where subjects are not known. A cell that the audit refuses (CK+ against CK+48: the same people) stays
empty, and the reason is printed below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import (
    IFGAN,
    RELGAN,
    BaselineCNN,
    CrossDataset,
    Faces,
    LeaveOneDatasetOut,
    OfficialSplit,
    ResNetClassifier,
    SubjectKFold,
    evaluate,
    load,
)
from ferdis.datasets.sources import load_sources
from ferdis.metrics import uar
from ferdis.protocol.leakage import LeakError

OTHERS = "all others"
SYSTEMS: dict[str, Any] = {"resnet": ResNetClassifier, "cnn": BaselineCNN, "ifgan": IFGAN, "relgan": RELGAN}
FIGURES: dict[str, Callable[[pd.Series, pd.Series], float]] = {
    "accuracy": lambda true, predicted: 100 * float((true == predicted).mean()),
    "UAR": lambda true, predicted: 100 * float(uar(true.to_numpy(dtype=str), predicted.to_numpy(dtype=str))),
}


def matrix(
    sets: Mapping[str, Faces],
    systems: Mapping[str, Any],
    out: str | Path,
    *,
    folds: int = 5,
    jobs: int = 1,
    allow_overlap: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Evaluate every pair of sets, and with three or more each set after all others; one run folder per cell.

    Returns
    -------
    DataFrame
        One row per system and cell: system, train, test, accuracy, UAR (%; NaN where refused), images.
    list of str
        The refused cells with the reason.
    """
    sets = shared_classes(sets)
    lines: list[dict[str, Any]] = []
    refused: list[str] = []

    def add(train: str, tests: Sequence[str], faces: Faces | None, protocol: Any, folder: str) -> None:
        try:
            rows = evaluate(
                systems, faces, protocol, out=Path(out) / folder, n_jobs=jobs, allow_overlap=allow_overlap,
                dataset=None if faces is None else train,
            ).rows  # fmt: skip
        except LeakError as error:
            refused.append(f"{folder.replace('--', ' -> ')}: {error}")
            rows = pd.DataFrame(columns=["system", "dataset", "true", "predicted"])
        for test in tests:
            for system in systems:
                part = rows[(rows["system"] == system) & (rows["dataset"] == test)]
                figures = {
                    name: figure(part["true"], part["predicted"]) if len(part) else np.nan
                    for name, figure in FIGURES.items()
                }
                lines.append({"system": system, "train": train, "test": test, **figures, "images": len(part)})

    for train in sets:
        for test in sets:
            faces, protocol = (None, cross(sets, train, test)) if train != test else diagonal(sets[train], folds)
            add(train, [test], faces, protocol, f"{train}--{test}")
    if len(sets) > 2:
        add(OTHERS, list(sets), None, LeaveOneDatasetOut(list(named(sets).values())), "leave-one-dataset-out")
    return pd.DataFrame(lines), refused


def named(sets: Mapping[str, Faces]) -> dict[str, Faces]:
    """The sets, each knowing what it is called here."""
    return {name: Faces(item.images, item.table, {**item.attrs, "dataset": name}) for name, item in sets.items()}


def cross(sets: Mapping[str, Faces], train: str, test: str) -> CrossDataset:
    """The protocol of a cell: train on one set, test on another."""
    given = named(sets)
    return CrossDataset(train=[given[train]], test=given[test])


def diagonal(faces: Faces, folds: int) -> tuple[Faces, Any]:
    """The faces and the protocol within one set: folds by subject, or the official split where nobody is known."""
    if not faces.has_subjects:
        return faces, OfficialSplit(validation=0)
    return faces, SubjectKFold(min(folds, len(set(faces.subject))), validation_folds=0)


def shared_classes(sets: Mapping[str, Faces]) -> dict[str, Faces]:
    """Each set reduced to the classes that all sets share."""
    classes = set.intersection(*(set(faces.classes) for faces in sets.values()))
    if len(classes) < 2:
        raise ValueError(f"the sets share {len(classes)} classes, two are needed")
    return {name: faces[np.isin(faces.expression, sorted(classes))] for name, faces in sets.items()}


def read_sets(options: argparse.Namespace) -> dict[str, Faces]:
    """The sets of the command line, all at one image size."""
    if options.synthetic:
        easy = load("synthetic", people=options.people, expressions=6, image_size=64, images_per_expression=2, seed=0)
        hard = load("synthetic", people=options.people, expressions=6, image_size=64, images_per_expression=2, seed=1,
                    difficulty="hard")  # fmt: skip
        return {"normal": easy, "hard": hard}
    for item in options.set:
        if "=" not in item:
            raise ValueError(f"--set {item}: write NAME=DIR, or LABEL=NAME:DIR, for example mine=manifest:data/mine")
    if len(options.set) < 2:
        raise ValueError("give --set at least twice, or --synthetic")
    loading = {"expressions": options.expressions, "image_size": options.image_size}
    return {str(faces.attrs["dataset"]): faces for faces in load_sources(options.set, load, loading)}


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=DIR", help="a set; several times")
    parser.add_argument("--synthetic", action="store_true", help="two synthetic populations instead")
    parser.add_argument("--embedded", dest="synthetic", action="store_true", help="former name of --synthetic")
    parser.add_argument("--people", type=int, default=20, help="people of each synthetic population")
    parser.add_argument("--expressions", default="six", help="six, seven or names with commas")
    parser.add_argument("--image_size", type=int, default=256, help="side of the faces, pixels")
    parser.add_argument("--system", nargs="+", default=["resnet", "ifgan"], choices=list(SYSTEMS))
    parser.add_argument("--small", action="store_true", help="the systems' size for two cores")
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a dry run")
    parser.add_argument("--folds", type=int, default=5, help="folds by subject on the diagonal")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel folds")
    parser.add_argument("--allow_overlap", action="store_true", help="accept BU-3DFE against BU-4DFE")
    parser.add_argument("--out", default="runs/crossdataset", help="folder of the run folders")
    return parser.parse_args(argv)


def run(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Run the matrix and print it; returns the table of :func:`matrix`."""
    options = parsed(argv)
    changes = {"progress": False, **({"epochs": options.epochs} if options.epochs else {})}
    systems = {name: (SYSTEMS[name].small if options.small else SYSTEMS[name])(**changes) for name in options.system}
    sets = read_sets(options)
    table, refused = matrix(
        sets, systems, options.out, folds=options.folds, jobs=options.jobs, allow_overlap=options.allow_overlap
    )
    print(f"classes: {', '.join(next(iter(shared_classes(sets).values())).classes)}")
    for system, part in table.groupby("system", sort=False):
        for figure in FIGURES:
            square = part.pivot(index="train", columns="test", values=figure)
            square = square.reindex([*sets, *({OTHERS} & set(square.index))])[list(sets)]
            print(f"\n{system}: {figure} (%), rows are training sets, columns test sets")
            print(square.to_string(na_rep="-", float_format="%.1f"))
    for line in refused:
        print(f"\nrefused, {line}")
    table.to_csv(Path(options.out) / "matrix.csv", index=False)
    print(f"\nrows and figures of each cell are below {options.out}")
    return table


if __name__ == "__main__":
    try:
        run()
    except (ValueError, OSError) as error:
        print(f"crossdataset: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
