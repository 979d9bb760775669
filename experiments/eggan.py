"""What EGGAN's tables share: people to learn from, others to judge by, and further ones whose faces are edited.

Nobody is in two of the three parts. What an image shows is read by an ``AUEstimator``, who it is by an identity
judge; both learned from the judging people, and say what they reach on some of those that they never saw.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from scipy.stats import spearmanr

from ferdis import EGGAN, Faces, load
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.embedders import EMBEDDERS, Embedder, get_embedder
from ferdis.evaluators.judges import IdentityJudge, standard_judges
from ferdis.faces import AU_COLUMNS
from ferdis.metrics.units import UnitAgreement, unit_agreement
from ferdis.metrics.verification import Verification, verify

JUDGE_SEED = 3000  # a population of their own, the same for every --seed
DRIVEN, STILL = 1.0, 0.1  # an AU whose target differs by so much is driven; by less than the other, it should stay


@dataclass(frozen=True)
class Bench:
    """Everything a table needs.

    Attributes
    ----------
    learned, unseen : Faces that EGGAN learns from, and of people it never sees
    estimator, identity : judges that learned from yet other people
    sources : rows of ``unseen`` to edit
    targets : (n, 17), action units to give each of them: those of a face of ``learned``
    shown : Faces, the faces that the targets are from
    """

    learned: Faces
    unseen: Faces
    estimator: AUEstimator
    identity: IdentityJudge | Embedder
    sources: Faces
    targets: np.ndarray
    shown: Faces


def arguments(argv: Sequence[str] | None, description: str, **further: dict[str, Any]) -> argparse.Namespace:
    """The command line of all tables; ``further`` options of one by name."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--people", type=int, default=300, help="people to learn from")
    parser.add_argument("--images", type=int, default=4, help="pictures of each of them and expression")
    parser.add_argument("--judge_people", type=int, default=400, help="others, for the two judges")
    parser.add_argument("--test_people", type=int, default=30, help="others, whose faces are edited")
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--expressions", default="8", help="7, 8 with contempt, or action_units: drawn independently")
    parser.add_argument("--difficulty", choices=["easy", "normal", "hard"], default="normal")
    parser.add_argument("--epochs", type=int, help="of everything, instead of the presets'")
    parser.add_argument("--arguments", type=yaml.safe_load, default={}, help="of EGGAN, as YAML, over the preset's")
    parser.add_argument("--seed", type=int, default=1, help="of people and training")
    parser.add_argument("--weights", help="VGG19 instead of C_id in Eq. 5: 'imagenet' or a .safetensors file")
    parser.add_argument("--embedder", choices=list(EMBEDDERS), help="judge identity by a published network instead")
    parser.add_argument("--embedder_weights", help="its .safetensors file, see ferdis.evaluators.embedders")
    parser.add_argument("--out", type=Path, help="folder for models, tables and pictures")
    for name, about in further.items():
        parser.add_argument(f"--{name}", **about)
    options = parser.parse_args(argv)
    if not isinstance(options.arguments, dict) or (set(options.arguments) - set(EGGAN().get_params())):
        parser.error(f"--arguments {options.arguments}: a mapping of EGGAN's arguments, such as '{{batch_size: 64}}'")
    if bool(options.embedder) != bool(options.embedder_weights):
        parser.error("--embedder and --embedder_weights go together")
    return options


def bench(options: argparse.Namespace) -> Bench:
    """Draw the people, train the judges, choose the edits; says how far the judges are to be trusted."""
    size = EGGAN.small().image_size
    drawn = {
        "expressions": options.expressions,
        "difficulty": options.difficulty,
        "image_size": size,
        "seed": options.seed,
    }
    several = {**drawn, "images_per_expression": options.images}
    learned = load("synthetic", people=options.people, **several)
    unseen = load("synthetic", people=options.test_people, first_person=options.people, **several)
    judging = load("synthetic", people=options.judge_people, **{**several, "seed": JUDGE_SEED})
    estimator = _units_judge(options, judging)
    if options.embedder:
        identity: IdentityJudge | Embedder = get_embedder(options.embedder, options.embedder_weights)
    elif options.epochs:
        identity = IdentityJudge(epochs=options.epochs).fit(judging)
    else:
        _, identity = standard_judges(load, judged=unseen)
    random = np.random.default_rng(options.seed)
    sources = unseen[random.integers(len(unseen), size=options.edits)]
    shown = learned[random.integers(len(learned), size=options.edits)]
    print(f"{len(learned)} faces of {options.people} people to learn from; {options.edits} edits of faces of ", end="")
    print(f"{options.test_people} others\naction units: AUEstimator, {estimator.own}\nidentity: {identity.own}")
    targets = shown.table[list(AU_COLUMNS)].to_numpy()
    return Bench(learned, unseen, estimator, identity, sources, targets, shown)


def _units_judge(options: argparse.Namespace, judging: Faces) -> AUEstimator:
    """With ``--out`` it is kept, and not trained again for the next table."""
    folder = None if options.out is None else options.out / "judge"
    if folder is not None and folder.is_dir():
        return AUEstimator.load(folder)
    judge = AUEstimator.small(**({"epochs": options.epochs} if options.epochs else {})).fit(judging)
    if folder is not None:
        judge.save(folder)
    return judge


def fitted(options: argparse.Namespace, on: Bench, **changes: object) -> EGGAN:
    """EGGAN on the people to learn from; with ``--out`` its run goes on where it was."""
    chosen = {"epochs": options.epochs, "identity_epochs": options.epochs} if options.epochs else {}
    if options.weights:
        published = EGGAN()
        chosen |= {"weights": options.weights, "perceptual_weight": published.perceptual_weight}
        chosen |= {"perceptual_layer": published.perceptual_layer}
    model = EGGAN.small(seed=options.seed, **{**chosen, **options.arguments, **changes})
    name = "-".join(["eggan", *(f"{key}={value}" for key, value in changes.items())])
    return model.fit(on.learned, run_dir=None if options.out is None else options.out / name)


def units_shown(on: Bench, pictures: np.ndarray | Faces) -> UnitAgreement:
    """How well images show the units that were asked for."""
    return unit_agreement(on.targets, on.estimator.predict(pictures))


def identity_kept(on: Bench, pictures: np.ndarray) -> Verification:
    """Whether edited images are still the people they were made from; the threshold is that of real images."""
    embed = on.identity.embed
    return verify(embed(on.unseen), on.unseen.subject, embed(on.sources), embed(pictures))


def on_the_way(on: Bench, model: EGGAN, faces: int = 60, steps: int = 6) -> dict[str, float]:
    """Along interpolations (Eq. 8): Spearman's correlation of driven units with alpha, and how much the others move."""
    sources, targets = on.sources[:faces], on.targets[:faces]
    path = model.interpolate(sources, targets, steps)  # (n, steps, S, S, 3)
    found = on.estimator.predict(path.reshape(-1, *path.shape[2:])).reshape(*path.shape[:2], -1)
    change = targets - sources.table[list(AU_COLUMNS)].to_numpy()
    rising = [
        np.sign(change[row, unit]) * spearmanr(np.arange(steps), found[row, :, unit]).statistic
        for row, unit in np.argwhere(np.abs(change) >= DRIVEN)
    ]
    moved = np.abs(found[:, -1] - found[:, 0])[np.abs(change) < STILL]
    return {"spearman of driven units": float(np.nanmean(rising)), "mean change of the others": float(moved.mean())}


def saved(options: argparse.Namespace, name: str, table: pd.DataFrame) -> None:
    """Print a table, and write it where ``--out`` says."""
    print(table.to_string(float_format="{:.3f}".format))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        table.to_csv(options.out / f"{name}.csv")


def saved_grid(options: argparse.Namespace, name: str, rows: Sequence[np.ndarray], said: str) -> None:
    """Rows of images (n, S, S, 3) as one PNG file where ``--out`` says; ``said`` is what the rows show."""
    if options.out is not None:
        path = options.out / f"{name}.png"
        Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path)
        print(f"{path}: {said}")
