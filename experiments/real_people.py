"""People of a real data set for the experiments of EGGAN and DECGAN: some to learn from, others to test on."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

import numpy as np
import yaml

from ferdis import Faces, load
from ferdis.datasets import REGISTRY, entry
from ferdis.evaluators.held_out import refuse_shared_people
from ferdis.faces import AU_COLUMNS

SYNTHETIC = "synthetic"
# People to test on, by data set. EGGAN's paper publishes no split of RaFD: its 1,392 training images are 58 people by
# eight expressions and three gazes, frontal, so that 9 of the 67 people are left. Which nine it does not say.
INFERRED = {"rafd": 9}
SHARE = 9 / 67  # of the people of other sets
ARGUMENTS: dict[str, dict[str, Any]] = {"rafd": {"angles": (90,)}}  # as in the paper


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that name a real data set, its action units and the systems' size."""
    parser.add_argument(
        "--data", choices=list(REGISTRY), default=SYNTHETIC, help="a data set instead of rendered people"
    )
    parser.add_argument("--root", help="its folder")
    parser.add_argument(
        "--au", help="OpenFace's CSV file for it, or a folder of them, where the set has no coded units"
    )
    parser.add_argument(
        "--data_arguments", type=yaml.safe_load, default={}, help="further arguments of its loader, as YAML"
    )
    parser.add_argument("--preset", choices=["small", "paper"], default="small", help="the systems' size")


def read(options: argparse.Namespace, image_size: int, *, coded: bool) -> Faces:
    """The faces of ``--data``; with ``coded`` those of which action units are known.

    Raises
    ------
    ValueError, FileNotFoundError
        One line, if an option is missing, or the set has no people or no action units.
    """
    if not options.root:
        there = entry(options.data)
        raise ValueError(f"--data {options.data} needs --root: {there.layout} ({there.where})")
    given: dict[str, Any] = {**ARGUMENTS.get(options.data, {}), **options.data_arguments}
    if options.au:
        if "openface" not in inspect.signature(entry(options.data).imported()).parameters:
            raise ValueError(
                f"--au: {options.data} takes no files of OpenFace; give its action units as its layout says"
            )
        given["openface"] = options.au
    faces = load(options.data, root=options.root, **{"image_size": image_size, **given})
    if not faces.has_subjects:
        raise ValueError(f"--data {options.data} does not name its people: nothing could be tested on unseen ones")
    if not coded:
        return faces
    known = faces.table.reindex(columns=list(AU_COLUMNS)).notna().any(axis=1).to_numpy()
    if not known.any():
        raise ValueError(f"no image of {options.data} has action units: give --au the folder of OpenFace's CSV files")
    if not known.all():
        print(f"{(~known).sum()} of {len(faces)} images have no action units: they are left out")
    return faces[known]


def parted(options: argparse.Namespace, faces: Faces) -> tuple[Faces, Faces]:
    """Faces of people to learn from and of people to test on; prints how many, and what of it is inferred."""
    people = np.unique(faces.subject)
    count = options.test_people or INFERRED.get(options.data) or max(1, round(SHARE * len(people)))
    if not 0 < count < len(people):
        raise ValueError(
            f"--test_people {count}: the set has {len(people)} people, and some must be left to learn from"
        )
    chosen = np.isin(faces.subject, np.random.default_rng(options.seed).permutation(people)[:count])
    learned, unseen = faces[~chosen], faces[chosen]
    refuse_shared_people(training=learned, testing=unseen)
    print(
        f"{options.data}: {len(learned)} images of {len(people) - count} people to learn from, {len(unseen)} of ",
        end="",
    )
    print(f"{count} others to test on, drawn with seed {options.seed}")
    if options.data in INFERRED and count == INFERRED[options.data]:
        print("that nine people test is inferred: the paper's 1,392 training images are 58 people x 8 expressions x 3 "
              "gazes; which nine they were it does not say")  # fmt: skip
    return learned, unseen
