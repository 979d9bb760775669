"""Generated training faces: real faces only, classic augmentation, and three generators fitted inside each fold.

python experiments/augmentation_table.py --column synthetic --out runs/augmentation
python experiments/augmentation_table.py --column wild --root data/wild --out runs/augmentation-wild

Every row has the same folds and, to the nearest epoch, the same number of classifier steps. Generators and filters are
fitted on the training subjects of the fold alone. Differences from classic augmentation are tested over subjects, as in
the report; p-values are corrected for their number (Holm).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ferdis import DECGAN, EGGAN, RELGAN, Faces, ResNetClassifier, SubjectKFold, evaluate, load
from ferdis.augmentation import Augmented, QualityFilter
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.metrics import accuracy, recalls, uar
from ferdis.metrics.comparison import compare, holm
from ferdis.reproduce.tables import present_name

PLAN = Path(__file__).with_suffix(".yaml")
GENERATORS: dict[str, Any] = {"eggan": EGGAN, "decgan": DECGAN, "relgan": RELGAN}
RARE = 0.5  # a class with fewer faces than this share of the mean class size is a minority class


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Run, print, write; returns the table."""
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    options = arguments(plan, argv)
    faces = read_faces(options, plan)
    column = plan["columns"][options.column]
    folds = SubjectKFold(options.folds or column["folds"], validation_folds=0)
    evaluation = evaluate(
        systems(options, plan), faces, folds, out=options.out, dataset=options.column, n_jobs=options.jobs,
        seeds=options.seeds,
    )  # fmt: skip
    table, tests = measured(evaluation.rows, plan["systems"], minority(faces))
    print(table.to_string(index=False, float_format="{:.2f}".format))
    print(f"\nUAR against {plan['systems']['classic']!r}, over subjects:")
    print(tests.to_string(index=False, float_format="{:.3f}".format))
    if rare := minority(faces):
        print(f"\nminority classes: {', '.join(f'{name} ({number} faces)' for name, number in rare.items())}")
    print(f"\nclassifier steps: {options.steps or plan['classifier_steps']} or the epoch after")
    if options.out:
        for name, part in (("table", table), ("tests", tests)):
            part.to_csv(Path(options.out) / f"augmentation-{name}.csv", index=False)
    return table


def arguments(plan: Mapping[str, Any], argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--column", type=present_name, choices=list(plan["columns"]), default="synthetic")
    parser.add_argument("--root", help="folder of the set, unless it is synthetic")
    parser.add_argument("--systems", nargs="+", choices=list(plan["systems"]), default=list(plan["systems"]))
    parser.add_argument("--people", type=int, help="number of synthetic people, instead of the plan's")
    parser.add_argument("--folds", type=int, help="number of folds, instead of the plan's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, help="steps of the classifier, instead of the plan's")
    parser.add_argument("--generator_steps", type=int, help="steps of each generator, instead of the presets'")
    parser.add_argument("--no_filter", action="store_true", help="keep every generated face")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel fits")
    parser.add_argument("--out", help="run folder")
    return parser.parse_args(argv)


def read_faces(options: argparse.Namespace, plan: Mapping[str, Any]) -> Faces:
    """The faces of a column."""
    column = plan["columns"][options.column]
    given = dict(column["arguments"])
    if column["dataset"] != "synthetic":
        if not options.root:
            raise ValueError(f"--column {options.column} needs --root: the folder of its images")
        given["root"] = options.root
    elif options.people:
        given["people"] = options.people
    return load(column["dataset"], **given)


def systems(options: argparse.Namespace, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the table, by the names of the plan."""
    column = plan["columns"][options.column]
    trained = {"epochs": 1, "min_steps": options.steps or plan["classifier_steps"], "progress": False}
    rows: dict[str, Any] = {
        "real": classifier(augment=False, **trained),
        "classic": classifier(**trained),
        "oversampled": classifier(sampler="balanced", **trained),
    }
    coded = column["dataset"] == "synthetic"
    others = None if coded else load("synthetic", image_size=column["arguments"]["image_size"], **plan["au_people"])
    for name, cls in GENERATORS.items():
        rows[name] = Augmented(
            classifier(**trained),
            shortened(cls.small(progress=False, **column.get(name, {})), options.generator_steps),
            strategy=column["strategy"],
            per_class=column.get("per_class"),
            filter=None if options.no_filter else QualityFilter(),
            au_estimator=None if coded or name != "eggan" else AUEstimator.small(progress=False),
            au_train=others if name == "eggan" else None,
        )
    return {name: rows[name] for name in options.systems}


def shortened(generator: Any, steps: int | None) -> Any:
    """The generator with this many steps in its main stage, rounded up to an epoch; other stages in proportion."""
    if steps:
        generator.set_params(epochs=1, min_steps=steps, steps_per_image=0.0)
        stretched = {"expression_epochs": 1, "mlp_epochs": 1, "identity_epochs": 1}
        generator.set_params(**{name: n for name, n in stretched.items() if name in generator.get_params()})
    return generator


def classifier(**changes: Any) -> ResNetClassifier:
    """The same small network in every row, with a step count given by ``min_steps`` alone."""
    return ResNetClassifier.small(weights=None, **changes).set_params(min_steps=changes["min_steps"])


def minority(faces: Faces) -> dict[str, int]:
    """Minority classes with their counts."""
    counts = pd.Series(faces.expression).value_counts()
    return {str(name): int(n) for name, n in counts.items() if n < RARE * len(faces) / len(counts)}


def measured(
    rows: pd.DataFrame, names: Mapping[str, str], rare: Mapping[str, int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pooled accuracy, UAR and mean recall of the minority classes (%); and UAR against classic augmentation."""
    lines = []
    for system, part in rows.groupby("system", sort=False):
        true, predicted = part["true"], part["predicted"]
        line = {
            "system": names[str(system)],
            "accuracy": 100 * accuracy(true, predicted),
            "UAR": 100 * uar(true, predicted),
        }
        if rare:
            found = recalls(true, predicted)
            line["minority recall"] = 100 * found[list(rare)].mean()
            line |= {name: 100 * found[name] for name in rare}
        lines.append(line)
    tests = []
    for system in rows["system"].unique():
        if system != "classic" and (rows["system"] == "classic").any():
            found_test = compare(rows, system, "classic", "uar")
            tests.append({"system": names[system], "difference": found_test.difference, "low": found_test.low,
                          "high": found_test.high, "p": found_test.p_value, "people": found_test.people})  # fmt: skip
    table = pd.DataFrame(tests)
    if len(table):
        table["p (Holm)"] = holm(table["p"])
    return pd.DataFrame(lines), table


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        print(f"augmentation_table: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
