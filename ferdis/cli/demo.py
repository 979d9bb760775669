"""``ferdis demo``: the main job on synthetic people, small enough for two cores.

IF-GAN and its ResNet baseline, each in its small size and from random weights, through folds that share no person.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferdis.cli.arguments import long_form
from ferdis.cli.parsers import parser_of

if TYPE_CHECKING:
    import pandas as pd

    from ferdis.faces import Faces
    from ferdis.protocol import SubjectKFold

TUNED_ON = 0  # seed of the people on whom the small presets were tuned
LEARNED = 0.70  # UAR that both systems must reach; chance is 1/7


def run(argv: Sequence[str]) -> int:
    """Run the main job on synthetic people: IF-GAN against its ResNet baseline, 4 subject-exclusive folds."""
    parser = parser_of("demo")
    parser.add_function_arguments(demo)
    return demo(**parser.parse_args(long_form(argv)).as_dict())


def demo(
    out: str = "runs/demo",
    people: int = 40,
    images_per_expression: int = 2,
    difficulty: str = "easy",
    intensity: float | None = 1.0,
    folds: int = 4,
    jobs: int = 2,
    seed: int = 0,
) -> int:
    """Draw people, evaluate both systems, and print the table.

    Parameters
    ----------
    out : str
        The run folder. Stopped half-way, the same command goes on from there.
    people : int
        Number of synthetic people.
    images_per_expression : int
        Images of each person and expression (the six basic ones and neutral).
    difficulty : {"easy", "normal", "hard"}
        Spread of expressions, pose, light and camera.
    intensity : float or None
        0..1, the strength of every expression; None draws one for each image. Full strength and ``easy`` are what
        can be learned in the minutes of a demonstration.
    folds : int
        Subject-exclusive folds.
    jobs : int
        Fits at a time, each in a process of its own.
    seed : int
        Of the people, the folds and the training. The presets were tuned on people of seed 0.

    Returns
    -------
    int
        0; 1 if a system has not learned (UAR below 70 %).
    """
    from ferdis.datasets import load
    from ferdis.evaluation import evaluate
    from ferdis.protocol import SubjectKFold
    from ferdis.systems.baselines import ResNetClassifier
    from ferdis.systems.ifgan import IFGAN

    # The bar counts fits; bars of their own would run over it.
    short: dict[str, Any] = {"epochs": 20, "batch_size": 16, "progress": False}
    systems = {"ifgan": IFGAN.small(**short), "resnet": ResNetClassifier.small(**short)}
    faces = load(
        "synthetic",
        people=people,
        expressions=7,
        images_per_expression=images_per_expression,
        image_size=systems["ifgan"].image_size,
        difficulty=difficulty,
        intensity=intensity,
        seed=seed,
    )
    protocol = SubjectKFold(folds, validation_folds=0, seed=seed)  # the last epoch is kept: nothing is validated
    print(describe(faces, systems, difficulty, intensity, protocol))
    if seed == TUNED_ON:
        print(f"The presets were tuned on these people (seed {seed}); --seed 1 draws others.")
    start = time.monotonic()
    # Who is who is known here: people of one light and pose who look alike (0.978 of 1) are two people all the same.
    evaluation = evaluate(
        systems, faces, protocol, out=out, dataset="synthetic", seeds=(seed,), n_jobs=jobs, near_duplicates=False
    )
    folder = Path(out)
    print((folder / "summary.md").read_text(encoding="utf-8"))
    print(f"{time.monotonic() - start:.0f} s; table, rows, weights and figures are in {folder}:")
    for figure in sorted((folder / "figures").glob("*.png")):
        print(f"  {figure}")
    weak = [name for name, reached in recalls(evaluation.rows).items() if reached < LEARNED]
    if weak:
        print(f"{' and '.join(weak)} stayed below {LEARNED:.0%} UAR: this run has not learned enough to compare")
    return 1 if weak else 0


def describe(
    faces: Faces, systems: Mapping[str, Any], difficulty: str, intensity: float | None, protocol: SubjectKFold
) -> str:
    """What the demonstration is about to do, in words."""
    people = len(set(faces.subject))
    strength = "mixed" if intensity is None else f"{intensity:.0%}"
    cost = ", ".join(f"{name} {system.flops() / 1e9:.2f}" for name, system in systems.items())
    size = next(iter(systems.values())).crop_size
    return "\n".join(
        [
            f"{len(faces)} images of {people} synthetic people, {len(faces.classes)} expressions, "
            f"difficulty {difficulty!r}, expressions of {strength} strength.",
            f"Systems in their small size at {size}x{size} pixels. They start from zoo:expression, which ships and has "
            f"learned other rendered people; nothing is downloaded. GFLOP an image: {cost}.",
            f"{protocol.n_splits} folds; nobody is in both the training and the test part of a fold. "
            f"Chance is {1 / len(faces.classes):.0%}.",
        ]
    )


def recalls(rows: pd.DataFrame) -> dict[str, float]:
    """UAR (mean recall over classes, 0..1) of each system, from the pooled rows."""
    from ferdis.metrics import uar

    return {str(name): uar(part.true, part.predicted) for name, part in rows.groupby("system")}
