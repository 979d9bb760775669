"""The setup that EGGAN's tables share: people to train on, others to train judges on, and others to edit.

The three groups share nobody, at any seed. Action units of an image are estimated by an ``AUEstimator``, identity by an
identity judge; both are trained on the second group and report their error on held-out people of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import real_people
import yaml
from PIL import Image
from scipy.stats import spearmanr

from ferdis import EGGAN, Faces, load
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.embedders import EMBEDDERS, Embedder, get_embedder
from ferdis.evaluators.held_out import refuse_shared_people, seed_apart
from ferdis.evaluators.judges import JUDGE_SEED as STANDARD_SEED
from ferdis.evaluators.judges import IdentityJudge, standard_judges, trained
from ferdis.faces import AU_COLUMNS
from ferdis.metrics.action_units import ActionUnitAgreement, action_unit_agreement
from ferdis.metrics.verification import Verification, verify
from ferdis.nn import check_pretrained

JUDGE_SEED = 3000  # a population of their own, the same for every other --seed
DRIVEN, STILL = 1.0, 0.1  # an action unit whose target differs by this much is driven; below the other, it should stay


@dataclass(frozen=True)
class Bench:
    """Everything a table needs.

    Attributes
    ----------
    learned, unseen : Faces
        EGGAN's training faces, and faces of unseen people.
    estimator, identity : AUEstimator, IdentityJudge or Embedder
        The judges, trained on other people.
    sources : Faces
        Rows of ``unseen`` to edit.
    targets : (n, 17)
        The action units to give each of them: those of a face of ``learned``.
    shown : Faces
        The faces that the targets are from.
    """

    learned: Faces
    unseen: Faces
    estimator: AUEstimator
    identity: IdentityJudge | Embedder
    sources: Faces
    targets: np.ndarray
    shown: Faces


def arguments(argv: Sequence[str] | None, description: str, **further: dict[str, Any]) -> argparse.Namespace:
    """The command line of all tables; ``further`` holds the options of a single table."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--people", type=int, default=300, help="number of training people")
    parser.add_argument("--images", type=int, default=4, help="images per person and expression")
    parser.add_argument("--judge_people", type=int, default=400, help="number of people the judges are trained on")
    parser.add_argument("--test_people", type=int, help="number of people whose faces are edited; 30 rendered ones")
    parser.add_argument("--edits", type=int, help="500, or as many as a real set has training images")
    real_people.add_arguments(parser)
    parser.add_argument(
        "--expressions", default="8", help="7, 8 with contempt, or action_units: independent of another"
    )
    parser.add_argument("--difficulty", choices=["easy", "normal", "hard"], default="normal")
    parser.add_argument("--epochs", type=int, help="epochs of every training, instead of the presets'")
    parser.add_argument("--arguments", type=yaml.safe_load, default={}, help="EGGAN's, as YAML, over the preset's")
    parser.add_argument("--seed", type=int, default=1, help="seed of people and training")
    parser.add_argument("--weights", help="VGG19 instead of C_id in Eq. 5: 'imagenet' or a .safetensors file")
    parser.add_argument("--embedder", choices=list(EMBEDDERS), help="judge identity by a published network instead")
    parser.add_argument("--embedder_weights", help="its .safetensors file, see ferdis.evaluators.embedders")
    parser.add_argument("--out", type=Path, help="folder for models, tables and images")
    for name, about in further.items():
        parser.add_argument(f"--{name}", **about)
    options = parser.parse_args(argv)
    if not isinstance(options.arguments, dict) or (set(options.arguments) - set(EGGAN().get_params())):
        parser.error(f"--arguments {options.arguments}: a mapping of EGGAN's arguments, such as '{{batch_size: 64}}'")
    if not isinstance(options.data_arguments, dict):
        parser.error(f"--data_arguments {options.data_arguments}: a mapping of the loader's arguments")
    if bool(options.embedder) != bool(options.embedder_weights):
        parser.error("--embedder and --embedder_weights go together")
    return options


def bench(options: argparse.Namespace) -> Bench:
    """Read or render the people, train the judges, choose the edits; prints the judges' own errors.

    With ``--out`` the action unit judge is saved, and not trained again for the next table of the same arguments.
    """
    return rendered_bench(options) if options.data == real_people.SYNTHETIC else real_bench(options)


def real_bench(options: argparse.Namespace) -> Bench:
    """A real set: the judges learn from EGGAN's own training people, the edits are of people that neither has seen."""
    system = new_system(options)
    if system.perceptual_weight and isinstance(system.weights, str):
        check_pretrained("vgg19.tv_in1k", system.weights)  # weights that are not to be had, before hours of training
    learned, unseen = real_people.parted(options, real_people.read(options, system.image_size, coded=True))
    changes = {"epochs": options.epochs} if options.epochs else {}
    judge = AUEstimator.small if options.preset == "small" else AUEstimator
    estimator = trained(judge(**changes), learned, cache=options.out or False)
    identity: IdentityJudge | Embedder
    if options.embedder:
        identity = get_embedder(options.embedder, options.embedder_weights)
    else:
        identity = trained(IdentityJudge(**changes), learned, cache=options.out or False)
        identity.refuse_overlap(unseen)
    estimator.refuse_overlap(unseen)
    print(f"action units: AUEstimator, {estimator.own}\nidentity: {identity.own}")
    print("both judges have learned the people that EGGAN learns from, and nobody who is edited")
    return edits_of(options, options.edits or len(learned), learned, unseen, estimator, identity)


def edits_of(
    options: argparse.Namespace, edits: int, learned: Faces, unseen: Faces, estimator: AUEstimator,
    identity: IdentityJudge | Embedder,
) -> Bench:  # fmt: skip
    """Faces of unseen people, each with the action units of a random face that EGGAN learns from."""
    random = np.random.default_rng(options.seed)
    sources = unseen[random.integers(len(unseen), size=edits)]
    shown = learned[random.integers(len(learned), size=edits)]
    targets = shown.table[list(AU_COLUMNS)].to_numpy()
    return Bench(learned, unseen, estimator, identity, sources, targets, shown)


def rendered_bench(options: argparse.Namespace) -> Bench:
    """Rendered people; the judges learn from others."""
    size = new_system(options).image_size
    drawn = {
        "expressions": options.expressions,
        "difficulty": options.difficulty,
        "image_size": size,
        "seed": options.seed,
    }
    several = {**drawn, "images_per_expression": options.images}
    learned = load("synthetic", people=options.people, **several)
    unseen = load("synthetic", people=options.test_people or 30, first_person=options.people, **several)
    own = {"seed": seed_apart(JUDGE_SEED, options.seed)}
    judging = load("synthetic", people=options.judge_people, **{**several, **own})
    refuse_shared_people(training=learned, testing=unseen, judging=judging)
    estimator = trained(
        AUEstimator.small(**({"epochs": options.epochs} if options.epochs else {})), judging, cache=options.out or False
    )
    judges: list[AUEstimator | IdentityJudge] = [estimator]
    if options.embedder:
        identity: IdentityJudge | Embedder = get_embedder(options.embedder, options.embedder_weights)
    elif options.epochs:
        identity = IdentityJudge(epochs=options.epochs).fit(judging)
        judges.append(identity)
    else:
        _, identity = standard_judges(load, judged=unseen, seed=seed_apart(STANDARD_SEED, options.seed))
        judges.append(identity)
    for judge in judges:
        judge.refuse_overlap(learned)
        judge.refuse_overlap(unseen)
    edits = options.edits or 500
    print(f"{len(learned)} training faces of {options.people} people; {edits} edits of faces of ", end="")
    print(f"{options.test_people or 30} others\naction units: AUEstimator, {estimator.own}\nidentity: {identity.own}")
    return edits_of(options, edits, learned, unseen, estimator, identity)


def new_system(options: argparse.Namespace, **changes: object) -> EGGAN:
    """EGGAN as the options have it, before its training."""
    chosen = {"epochs": options.epochs, "identity_epochs": options.epochs} if options.epochs else {}
    if options.weights:
        published = EGGAN()
        chosen |= {"weights": options.weights, "perceptual_weight": published.perceptual_weight}
        chosen |= {"perceptual_layer": published.perceptual_layer}
    made = EGGAN.small if options.preset == "small" else EGGAN
    return made(seed=options.seed, **{**chosen, **options.arguments, **changes})


def fitted(options: argparse.Namespace, on: Bench, **changes: object) -> EGGAN:
    """EGGAN fitted on the training people; with ``--out`` an interrupted training continues."""
    model = new_system(options, **changes)
    name = "-".join(["eggan", *(f"{key}={value}" for key, value in changes.items())])
    return model.fit(on.learned, run_dir=None if options.out is None else options.out / name)


def units_shown(on: Bench, images: np.ndarray | Faces) -> ActionUnitAgreement:
    """Agreement of the action units of images with the requested ones."""
    return action_unit_agreement(on.targets, on.estimator.predict(images))


def identity_kept(on: Bench, images: np.ndarray) -> Verification:
    """Whether edited images still show their source's person; the threshold is that of unedited images."""
    embed = on.identity.embed
    return verify(embed(on.unseen), on.unseen.subject, embed(on.sources), embed(images))


def on_the_way(on: Bench, model: EGGAN, faces: int = 60, steps: int = 6) -> dict[str, float]:
    """Along interpolations (Eq. 8): Spearman's correlation of driven action units with alpha, and change of others."""
    sources, targets = on.sources[:faces], on.targets[:faces]
    path = model.interpolate(sources, targets, steps)  # (n, steps, S, S, 3)
    found = on.estimator.predict(path.reshape(-1, *path.shape[2:])).reshape(*path.shape[:2], -1)
    change = targets - sources.table[list(AU_COLUMNS)].to_numpy()
    rising = [
        np.sign(change[row, unit]) * spearmanr(np.arange(steps), found[row, :, unit]).statistic
        for row, unit in np.argwhere(np.abs(change) >= DRIVEN)
    ]
    moved = np.abs(found[:, -1] - found[:, 0])[np.abs(change) < STILL]
    return {
        "spearman of driven action units": float(np.nanmean(rising)),
        "mean change of the others": float(moved.mean()),
    }


def saved(options: argparse.Namespace, name: str, table: pd.DataFrame) -> None:
    """Print a table, and write it below ``--out``."""
    print(table.to_string(float_format="{:.3f}".format))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        table.to_csv(options.out / f"{name}.csv")


def saved_grid(options: argparse.Namespace, name: str, rows: Sequence[np.ndarray], said: str) -> None:
    """Save rows of images (n, S, S, 3) as one PNG file below ``--out``; ``said`` describes the rows."""
    if options.out is not None:
        path = options.out / f"{name}.png"
        Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path)
        print(f"{path}: {said}")
