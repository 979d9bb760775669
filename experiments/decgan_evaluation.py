"""DECGAN, whose paper reports no figures, measured: expression, identity, cycle, FID and KID.

python experiments/decgan_evaluation.py --seed 1 --out runs/decgan
python experiments/decgan_evaluation.py --data rafd --root RAFD --preset paper --out runs/decgan-rafd

It is trained on some people and transfers expressions between others. Two judges predict expression and identity of the
transfers, and so does a recogniser trained on the training images. Of rendered people the exact counterparts are known,
and every figure is given for them as well; of a real set for its own images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import real_people

from ferdis import DECGAN, Faces, ResNetClassifier, load
from ferdis.datasets.synthetic.dataset import counterpart, region_masks
from ferdis.disentanglement.representations import swap_pairs
from ferdis.disentanglement.transfer import measure_transfer
from ferdis.evaluators.held_out import seed_apart
from ferdis.evaluators.judges import JUDGE_SEED, ExpressionJudge, IdentityJudge, standard_judges, trained
from ferdis.figures import transfer_grid
from ferdis.metrics.images import fid, kid
from ferdis.metrics.verification import verify
from ferdis.systems.base import resized

RECOGNISER_STEPS = 2500


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train, transfer, judge, print; returns the table."""
    options = arguments(argv)
    return on_rendered_people(options) if options.data == real_people.SYNTHETIC else on_real_people(options)


def new_system(options: argparse.Namespace) -> DECGAN:
    """DECGAN as the options have it, before its training."""
    unpaired = DECGAN.unpaired if options.ground_truth == "off" and options.preset == "small" else {}
    changes: dict[str, Any] = {**unpaired, "seed": options.seed, "ground_truth": options.ground_truth}
    if options.epochs:
        changes |= {"epochs": options.epochs, "expression_epochs": options.epochs}
    model = DECGAN.small(**changes) if options.preset == "small" else DECGAN(**changes)
    if options.steps:
        model.set_params(epochs=1, expression_epochs=1, min_steps=options.steps)
    return model


def on_real_people(options: argparse.Namespace) -> pd.DataFrame:
    """A real set: the judges learn from DECGAN's own training people; nobody has seen those who are tested."""
    model = new_system(options)
    learned, unseen = real_people.parted(options, real_people.read(options, model.image_size, coded=False))
    changes = {"epochs": options.epochs} if options.epochs else {}
    cache = options.out or False
    expressions = trained(ExpressionJudge(**changes), learned, cache=cache)
    identities = trained(IdentityJudge(**changes), learned, cache=cache)
    for judge in (expressions, identities):
        judge.refuse_overlap(unseen)
    model.fit(learned, run_dir=None if options.out is None else options.out / "decgan")
    rows, targets = swap_pairs(unseen, options.seed)
    references, faces = unseen[rows], unseen[targets]
    made = model.transfer(faces, references)
    real = pixels(faces, model.image_size)
    asked = references.expression
    table = pd.DataFrame(
        {
            "expression: as the reference's": expressions.agreement(made, asked).value,
            "expression: of the references themselves": expressions.agreement(references, asked).value,
            "expression: of the faces left as they are": expressions.agreement(faces, asked).value,
            **identity(identities, unseen, faces, made),
            **recognised(options, learned, made, unseen, references, "real faces"),
            "cycle L1 in [-1, 1]": cycle(model, faces, made),
            **likeness(identities, real, made, "the real faces"),
        }.items(),
        columns=["what", "value"],
    )
    print(f"{len(made)} transfers\n{model.notes_[0]}\nexpression: {expressions.own}\nidentity: {identities.own}")
    print("both judges have learned the people that DECGAN learns from, and nobody who is tested")
    return finished(options, model, unseen, table)


def finished(
    options: argparse.Namespace,
    model: DECGAN,
    unseen: Faces,
    table: pd.DataFrame,
    truth: Callable[[Faces, Faces], Faces] | None = None,
) -> pd.DataFrame:
    """Print the table; with ``--out`` write it, the model and a grid of transfers."""
    print(table.to_string(index=False, float_format="{:.3f}".format))
    if options.out is not None:
        table.to_csv(options.out / "decgan.csv", index=False)
        model.save(options.out / "model")
        shown, onto = grid_rows(unseen)
        transfer_grid(model, onto, shown, truth=truth).savefig(options.out / "transfers.png")
    return table


def on_rendered_people(options: argparse.Namespace) -> pd.DataFrame:
    """Rendered people, whose counterparts are known; the judges learn from others."""
    model = new_system(options)
    drawn = {"difficulty": options.difficulty, "image_size": model.image_size, "seed": options.seed}
    learned = load("synthetic", people=options.people, images_per_expression=options.images, **drawn)
    unseen = load(
        "synthetic", people=options.test_people or 20, images_per_expression=2, first_person=options.people, **drawn
    )
    judging = {"people": options.judge_people} if options.judge_people else {}
    judging["seed"] = seed_apart(JUDGE_SEED, options.seed)
    expressions, identities = standard_judges(load, judged=unseen, **judging)
    for judge in (expressions, identities):
        judge.refuse_overlap(learned)
    model.fit(learned, run_dir=None if options.out is None else options.out / "decgan")
    found = measure_transfer(
        model, unseen, counterpart=counterpart, region_masks=region_masks,
        expressions=expressions, identities=identities, seed=options.seed,
    )  # fmt: skip
    rows, targets = swap_pairs(unseen, options.seed)
    references, faces = unseen[rows], unseen[targets]
    truth = counterpart(faces, references)
    made = model.transfer(faces, references)
    table = pd.DataFrame(
        {
            **{f"transfer: {name}": value for name, value in found.record().items() if isinstance(value, float)},
            **identity(identities, unseen, faces, made),
            **recognised(options, learned, made, truth, references),
            "cycle L1 in [-1, 1]": cycle(model, faces, made),
            **likeness(identities, pixels(truth, model.image_size), made),
        }.items(),
        columns=["what", "value"],
    )
    print(f"{len(learned)} training faces of {options.people} people; {found.pairs} transfers between "
          f"{options.test_people or 20} others\n{model.notes_[0]}\n{found}")  # fmt: skip
    return finished(options, model, unseen, table, counterpart)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=120, help="number of training people")
    parser.add_argument("--images", type=int, default=3, help="images per person and expression")
    parser.add_argument("--test_people", type=int, help="number of test people; 20 rendered ones, 14 images each")
    real_people.add_arguments(parser)
    parser.add_argument("--judge_people", type=int, help="people to train judges on, instead of the standard judges")
    parser.add_argument("--ground_truth", default="auto", help="off: unpaired, as in the paper's equations")
    parser.add_argument("--difficulty", choices=["easy", "normal", "hard"], default="normal")
    parser.add_argument("--epochs", type=int, help="epochs of every training, instead of the presets'")
    parser.add_argument("--steps", type=int, help="steps of DECGAN, instead of the preset's")
    parser.add_argument("--seed", type=int, default=1, help="seed of people and training")
    parser.add_argument("--out", type=Path, help="folder for model, table and images")
    return parser.parse_args(argv)


def pixels(faces: Faces, size: int) -> np.ndarray:
    """Images (n, size, size, 3) uint8."""
    return np.asarray(resized(faces, size)[np.arange(len(faces))])


def identity(judge: IdentityJudge, unseen: Faces, faces: Faces, made: np.ndarray) -> dict[str, float]:
    """Verification of each transfer against the face it was made from, and the figures of real pairs."""
    found = verify(judge.embed(unseen), unseen.subject, judge.embed(faces), judge.embed(made))
    return {
        "identity: taken for the same person": found.accuracy,
        "identity: real pairs": found.real_accuracy,
        "identity: cosine with the face": found.generated_cosine,
        "identity: cosine of real pairs": found.same_cosine,
        "identity: cosine of two people": found.different_cosine,
    }


def recognised(
    options: argparse.Namespace, learned: Faces, made: np.ndarray, truth: Faces, references: Faces,
    what: str = "true counterparts",
) -> dict[str, float]:  # fmt: skip
    """Accuracy of a recogniser trained on the training images: on transfers, and on images that are no transfers."""
    changes = {"epochs": options.epochs} if options.epochs else {"min_steps": RECOGNISER_STEPS}
    reader = ResNetClassifier.small(seed=options.seed, progress=False, weights=None, **changes).fit(learned)
    transfers = Faces(made, pd.DataFrame({"expression": references.expression}))
    return {
        "recogniser: on transfers": reader.score(transfers),
        f"recogniser: on {what}": reader.score(truth),
    }


def cycle(model: DECGAN, faces: Faces, made: np.ndarray) -> float:
    """L1 between faces and G2's reconstructions from the transfers (Eq. 9)."""
    back = model.restore(Faces(made, faces.table), faces).astype(float)
    return float(np.abs(back - pixels(faces, model.image_size)).mean() / 127.5)


def likeness(
    judge: IdentityJudge, truth: np.ndarray, made: np.ndarray, name: str = "the truth itself"
) -> dict[str, float]:
    """FID and KID in the identity judge's features, of transfers and of the truth, to *other* true images.

    FID grows with fewer images, so both figures are computed on the same number.
    """
    half = np.arange(len(truth)) % 2 == 0
    values = {}
    for what, images in (("transfers", made), (name, truth)):
        values[f"FID, judge's features: {what}"] = fid(truth[half], images[~half], judge.embed)
        values[f"KID, judge's features: {what}"] = kid(truth[half], images[~half], judge.embed, subsets=20)[0]
    return values


def grid_rows(unseen: Faces, people: int = 4) -> tuple[Faces, Faces]:
    """One reference per expression, each of a different person, and faces of a few other people."""
    names = np.unique(unseen.subject)
    references = [
        int(np.flatnonzero((unseen.expression == name) & (unseen.subject == names[k % len(names)]))[0])
        for k, name in enumerate(unseen.classes)
    ]
    onto = [int(np.flatnonzero(unseen.subject == name)[0]) for name in names[::-1][:people]]
    return unseen[references], unseen[onto]


if __name__ == "__main__":
    main()
