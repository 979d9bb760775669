"""The main job on embedded people, small enough for two cores: `ferdis demo`, `make demo`.

IF-GAN and its ResNet baseline, each in its small size, through ten folds that share no person.
"""

from __future__ import annotations

from pathlib import Path

from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold

IMAGE_SIZE = 64  # the small systems' own
LEARNED = 0.60  # UAR that both systems must reach; chance is 1/7


def run(
    out: str = "runs/demo",
    people: int = 40,
    images_per_expression: int = 2,
    difficulty: str = "normal",
    folds: int = 10,
    jobs: int = 2,
    seed: int = 0,
) -> int:
    """Draw people, evaluate both systems, and print the table.

    Parameters
    ----------
    out : str
        The run folder. Stopped half-way, the same command goes on from there.
    people : int
        Number of embedded people.
    images_per_expression : int
        Pictures of each person and expression (the six basic ones and neutral).
    difficulty : {"easy", "normal", "hard"}
        Spread of expressions, pose, light and camera.
    folds : int
        Subject-exclusive folds.
    jobs : int
        Fits at a time, each in a process of its own.
    seed : int
        Of the people, the folds and the training.

    Returns
    -------
    int
        0; 1 if a system has not learned (UAR below 60 %).
    """
    from ferdis.datasets import load
    from ferdis.runner import evaluate
    from ferdis.systems.baselines import ResNetClassifier
    from ferdis.systems.ifgan import IFGAN

    faces = load(
        "synthetic",
        people=people,
        expressions=7,
        images_per_expression=images_per_expression,
        image_size=IMAGE_SIZE,
        difficulty=difficulty,
        seed=seed,
    )
    systems = {"ifgan": IFGAN.small(), "resnet": ResNetClassifier.small()}
    print(describe(faces, difficulty, folds))
    evaluation = evaluate(
        systems, faces, SubjectKFold(folds, seed=seed), out=out, dataset="synthetic", seeds=(seed,), n_jobs=jobs
    )
    print((Path(out) / "summary.md").read_text(encoding="utf-8"))
    print(f"table, rows, weights and figures: {evaluation.folder}")
    return 0


def describe(faces: Faces, difficulty: str, folds: int) -> str:
    """What the demonstration is about to do, in words."""
    people = len(set(faces.subject))
    return (
        f"{len(faces)} pictures of {people} embedded people, {len(faces.classes)} expressions, difficulty {difficulty!r}, "
        f"{IMAGE_SIZE}x{IMAGE_SIZE} pixels.\n"
        f"IF-GAN and its ResNet baseline, both in their small size with weights=None: nothing pretrained, nothing "
        f"downloaded.\n"
        f"{folds} folds; nobody is in both the training and the test part of a fold. Chance is "
        f"{100 / len(faces.classes):.0f} %."
    )
