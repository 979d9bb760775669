"""Does a system beat its control? Four rows on the same folds: control and system, from scratch and from other people.

python experiments/four_rows.py --system relgan --dataset manifest --root DIR --pretrain synthetic=200 --partitions 5
python experiments/four_rows.py --system ifgan --dataset synthetic --seed 1 --pretrain synthetic=200 --partitions 5

A system that has seen further people is ahead of a control that has not; which of both the people or the system are the
cause of only shows beside a control that learned the same people with their labels. The control of REL-GAN is the plain
CNN, that of IF-GAN the plain ResNet. Folds keep subjects apart; nothing of a test fold is seen before its end.

REL-GAN's encoder learns labels twice, while it reenacts (``names_weight``) and at the end (``finetune_encoder``): its
control is trained for as many epochs as both together (on 2,432 photographs that alone was worth a point, which had
looked like a gain of reenactment: docs/report.md). ``--control_arguments '{epochs: 20}'`` decides otherwise.

k-fold is repeated over ``--partitions`` seeded partitions, each trained ``--seeds`` times. A gain is paired over
people, and shown only where 0 is outside its interval over people and it is outside the spread of trainings
(:mod:`ferdis.metrics.noise_floor`): one partition, trained once, shows nothing. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ferdis import IFGAN, RELGAN, BaselineCNN, Faces, ResNetClassifier, SubjectKFold, evaluate
from ferdis.metrics import gains, uar
from ferdis.reproduce.tables import read_further, read_tested

SYSTEMS: dict[str, tuple[type[Any], type[Any]]] = {"relgan": (RELGAN, BaselineCNN), "ifgan": (IFGAN, ResNetClassifier)}
STARTS = ("scratch", "same-people")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a script: errors that the user can correct are one line, not a traceback."""
    try:
        run(argv)
    except (ValueError, OSError) as error:
        print(f"four_rows: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def run(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train and test the rows; prints them with the gains over each control, and returns the gains."""
    options = arguments(argv)
    faces = read(options)
    people = read_further("pretrain", options.pretrain, faces)
    rows = estimators(options, people)
    out = options.out or f"runs/four-rows-{options.system}-{options.dataset}-{options.seed}"
    found = evaluate(
        rows, faces, SubjectKFold(options.folds, validation_folds=0), out=out, dataset=options.dataset,
        n_jobs=options.jobs, seeds=range(options.seeds), partitions=options.partitions,
    ).rows  # fmt: skip
    print(accuracies(found).to_string(index=False, float_format="%.2f"))
    table = compared(found, options.system)
    print(f"\n{readable(table).to_string(index=False)}")
    table.to_csv(Path(out) / "gains.csv", index=False)
    return table


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--system", choices=list(SYSTEMS), required=True)
    parser.add_argument("--dataset", required=True, help="a loader's name; synthetic or facekit: rendered people")
    parser.add_argument("--root", help="folder of the set; of facekit that of the face model")
    parser.add_argument("--people", type=int, default=60, help="of a rendered set")
    parser.add_argument("--seed", type=int, default=1, help="of a rendered set; presets were tuned on 0")
    parser.add_argument(
        "--pretrain",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="other people, synthetic=PEOPLE, facekit=PEOPLE",
    )
    parser.add_argument("--weights", help="in the place of --pretrain: a start of both, zoo:expression")
    parser.add_argument("--partitions", type=int, default=1, help="k-fold is repeated over so many seeded partitions")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each partition")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--augmentation", choices=["paper", "strong"], help="of all rows; by default the preset's")
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a dry run")
    parser.add_argument("--pretrain_epochs", type=int)
    parser.add_argument("--arguments", type=yaml.safe_load, help="of the system: '{finetune_encoder: true}'")
    parser.add_argument("--control_arguments", type=yaml.safe_load, help="of its control")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel folds")
    parser.add_argument("--out", help="run folder")
    options = parser.parse_args(argv)
    for name in ("partitions", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: at least 1")
    return options


def read(options: argparse.Namespace) -> Faces:
    """The faces that are tested on."""
    return read_tested(options.dataset, options.root, options.people, options.seed)


def estimators(options: argparse.Namespace, people: Faces | None) -> dict[str, Any]:
    """Control and system, each from random weights and, where there are any, from further people or their weights."""
    given = {name: getattr(options, name) for name in ("augmentation", "epochs", "pretrain_epochs")}
    given = {"progress": False, **{name: value for name, value in given.items() if value is not None}}
    system, control = SYSTEMS[options.system]
    own, others = ({**given, **(more or {})} for more in (options.arguments, options.control_arguments))
    decided = "epochs" in (options.control_arguments or {})
    rows = {}
    begin: list[dict[str, Any]] = [{"weights": None}]
    if people is not None or options.weights:
        begin.append({"weights": options.weights, "pretrain": people})
    for kind, start in zip(STARTS, begin, strict=False):
        mine = system.small(**{**start, **own})
        plain = control.small(**{**start, **others})
        rows[f"control-{kind}"] = plain if decided else as_long(plain, passes(mine))
        rows[f"{options.system}-{kind}"] = mine
    return rows


def passes(system: Any) -> float:
    """How often the network that names the classes learns the labels, in multiples of the system's ``epochs``."""
    if getattr(system, "names_weight", 0) and getattr(system, "finetune_encoder", False):
        return 1 + system.mlp_epochs / system.epochs
    return 1.0


def as_long(control: Any, factor: float) -> Any:
    """The control with so many times its epochs and steps."""
    lengths = {name: type(value)(round(factor * value, 3)) for name in ("epochs", "min_steps", "steps_per_image")
               if (value := getattr(control, name))}  # fmt: skip
    return control.set_params(**lengths)


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and UAR in percent over all images, and how accuracy spreads over folds and partitions."""
    lines = []
    for system, part in rows.groupby("system", sort=False):
        right = 100 * (part.true == part.predicted)
        line = {"row": system, "accuracy": right.mean(), "uar": 100 * uar(part.true, part.predicted)}
        line["std over folds"] = right.groupby([part.seed, part.fold]).mean().std(ddof=1)
        if part.seed.nunique() > 1:
            line["std over partitions"] = right.groupby(part.seed).mean().std(ddof=1)
        lines.append(line)
    return pd.DataFrame(lines)


def compared(rows: pd.DataFrame, system: str) -> pd.DataFrame:
    """System less control with the same start, and what the further people bring to each; percentage points."""
    mine, control = ([f"{who}-{start}" for start in STARTS] for who in (system, "control"))
    pairs = [*zip(mine, control, strict=True), *((who[1], who[0]) for who in (mine, control))]
    present = set(rows.system)
    return gains(rows, [pair for pair in pairs if present.issuperset(pair)])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The gains in few columns: with its interval over people, and the spread over partitions and seeds."""
    lines = [
        {
            "row": line["first"],
            "over": line["second"],
            "of": line["statistic"],
            "gain [95 % over people]": f"{line['gain']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]",
            "spread": f"{line['spread']:.1f}",
            "floor": f"{line['floor']:.1f}",
            "partitions": f"{line['over_partitions']:.1f}",
            "seeds": f"{line['over_seeds']:.1f}",
            "": line["verdict"],
        }
        for _, line in table.iterrows()
    ]
    return pd.DataFrame(lines).replace("nan", "-")


if __name__ == "__main__":
    sys.exit(main())
