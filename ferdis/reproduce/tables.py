"""Run one column of a published table, and put published and measured figures side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ferdis.datasets import load
from ferdis.evaluation import evaluate
from ferdis.faces import Faces
from ferdis.metrics import interval
from ferdis.metrics.resampling import has_people
from ferdis.protocol import Fold, OfficialSplit, SubjectKFold
from ferdis.report.published import figures
from ferdis.reproduce.plans import plan as plan_of
from ferdis.reproduce.systems import ROWS
from ferdis.reproduce.verdict import verdict

SYNTHETIC = "synthetic"  # the dry run on synthetic people, to check that everything runs
RENDERED = (SYNTHETIC, "facekit")
FORMER = "embedded"  # what the dry run was called before
PROTOCOLS = {"subject-kfold": SubjectKFold, "official": OfficialSplit}


@dataclass(frozen=True)
class Options:
    """How one column is run.

    Attributes
    ----------
    dataset : column of the table, or "synthetic" for a dry run
    root : folder of its set
    further : sets for training only, each ``NAME=DIR`` or ``{name: NAME, root: DIR, ...}``
    small : the systems' size for two cores
    epochs : fewer epochs than the plan's; None for all
    people : of the dry run, how many
    jobs : fits at a time
    out : run folder
    changes : further arguments of all systems
    """

    dataset: str
    root: str | None = None
    further: Sequence[str] = ()
    small: bool = False
    epochs: int | None = None
    people: int = 20
    jobs: int = 1
    out: str | None = None
    changes: Mapping[str, Any] | None = None


def present_name(given: str) -> str:
    """A data set as given on the command line, under its present name, which is said where it was the former one."""
    name, equals, rest = given.partition("=")
    if name == FORMER:
        print(f"{FORMER!r} is now {SYNTHETIC!r}", file=sys.stderr)
    return f"{SYNTHETIC if name == FORMER else name}{equals}{rest}"


def arguments(description: str, plan: Mapping[str, Any], argv: Sequence[str] | None) -> Options:
    """The command line that the scripts of all tables share."""
    parser = argparse.ArgumentParser(description=description)
    columns, further = [*plan["columns"], SYNTHETIC], plan["further"]["argument"]
    parser.add_argument(
        "--dataset", type=present_name, choices=columns, required=True, help="column of the table, or a dry run"
    )
    parser.add_argument("--root", help="folder of the set")
    parser.add_argument(
        f"--{further}",
        dest="further",
        type=present_name,
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a further set for training only, by its loader's name, or synthetic=PEOPLE; may be given several times; "
        "its arguments are the table's, or '{name: NAME, root: DIR, frames: last3}'",
    )
    parser.add_argument("--small", action="store_true", help="the systems' size for two cores, weights=None")
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a dry run")
    parser.add_argument("--people", type=int, default=20, help="number of people in the dry run")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel folds")
    parser.add_argument("--out", help="run folder")
    return Options(**vars(parser.parse_args(argv)))


def run(name: str, options: Options) -> pd.DataFrame:
    """Run one column of the table `name` and print it; returns published and measured figures, one row per method.

    Raises
    ------
    ValueError, FileNotFoundError
        One line, if a set or weights are not there, or arguments do not fit.
    """
    plan = plan_of(name)
    changes = {**({"epochs": options.epochs} if options.epochs else {}), **(options.changes or {})}
    for system in ROWS[name](options.small, None, changes).values():
        system.check()  # weights that are not to be had are named before an image is read
    faces = read_faces(options, plan)
    extra = read_further(plan["further"]["argument"], options.further, faces, plan["further"].get("arguments", {}))
    estimators = ROWS[name](options.small, extra, changes)
    settings = {key: value for key, value in plan["protocol"].items() if key != "name"}
    protocol = PROTOCOLS[plan["protocol"]["name"]](**settings)
    out = options.out or f"runs/{name}-{options.dataset.lower().replace('+', 'plus')}{'-small' * options.small}"
    evaluation = evaluate(
        estimators,
        faces,
        protocol,
        out=out,
        dataset=options.dataset,
        n_jobs=options.jobs,
    )
    table = side_by_side(plan, options.dataset, evaluation.rows)
    print(table.to_string(index=False, na_rep="-", float_format="%.2f"))
    print(f"\nThe interval (95 %) is over {_clusters(evaluation.rows)}, of all test images together.")
    if changed := _unlike(options):
        print(f"Not the paper's experiment ({changed}): the verdicts are of this run, not of the paper.")
    print("\nWhat differs from the paper:")
    said = [*differences(plan, options, faces, extra), parts(protocol.split(faces))]
    unlike = "".join(f"- {line}\n" for line in said)
    print(unlike, end="")
    (Path(out) / "differences.md").write_text(unlike, encoding="utf-8")  # shown by ferdis report
    print(f"\nrows, figures and the exact configuration: {evaluation.folder}")
    return table


def _clusters(rows: pd.DataFrame) -> str:
    return "subjects" if has_people(rows) else "images (subjects are not known)"


def _unlike(options: Options) -> str:
    """What keeps a run from being the paper's, in a few words; empty for the paper's own."""
    words = [
        "rendered people" * (options.dataset == SYNTHETIC),
        "small networks" * options.small,
        f"{options.epochs} epochs" if options.epochs else "",
    ]
    return ", ".join(filter(None, words))


def read_faces(options: Options, plan: Mapping[str, Any]) -> Faces:
    """The faces of a column, or synthetic people in the dry run."""
    if options.dataset == SYNTHETIC:
        official = plan["protocol"]["name"] == "official"
        faces = load("synthetic", people=options.people, expressions=6, images_per_expression=2, image_size=64)
        if not official:
            return faces
        table = faces.to_frame()
        last = sorted(set(faces.subject))[-max(1, options.people // 5) :]
        table["split"] = ["test" if person in last else "train" for person in faces.subject]
        return faces.with_table(table)
    column = plan["columns"][options.dataset]
    if not options.root:
        raise ValueError(f"--dataset {options.dataset} needs --root: the folder of its official layout")
    return load(column["dataset"], root=options.root, **column["arguments"])


def read_further(
    argument: str, given: Sequence[str], faces: Faces, arguments: Mapping[str, Mapping[str, Any]] | None = None
) -> Faces | None:
    """The further training sets, at the image size of the first.

    Each is ``NAME=DIR``, loaded with the ``arguments`` that its name has, or ``{name: NAME, root: DIR, ...}`` with
    arguments of its loader.
    """
    found = []
    for item in given:
        chosen = further_set(argument, item, arguments or {})
        name = chosen.pop("name")
        found.append(
            rendered(name, int(chosen["root"]), faces)
            if name in RENDERED
            else load(name, **{"image_size": faces.shape[1], **chosen})
        )
    return found[0] if len(found) == 1 else Faces.concat(found) if found else None


def further_set(argument: str, item: str, arguments: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``name``, ``root`` and a loader's arguments of one further set, as it was written on the command line."""
    if item.startswith("{"):
        try:
            chosen = yaml.safe_load(item)
        except yaml.YAMLError as error:
            raise ValueError(f"--{argument} {item}: {error}") from error
        if not isinstance(chosen, dict) or not {"name", "root"} <= set(chosen):
            raise ValueError(f"--{argument} {item}: name and root are needed, as in '{{name: ckplus, root: DIR}}'")
        return chosen
    name, equals, root = item.partition("=")
    if not equals:
        raise ValueError(f"--{argument} {item}: write NAME=DIR, for example ckplus=data/ckplus")
    return {"name": name, "root": root, **arguments.get(name, {})}


def parts(folds: Sequence[Fold]) -> str:
    """How many images train, validate and test, fold by fold."""
    numbers = [[len(getattr(fold, name)) for fold in folds] for name in ("train", "validation", "test")]
    text = [f"{min(n):,}" if min(n) == max(n) else f"{min(n):,} to {max(n):,}" for n in numbers]
    return f"of these images {text[0]} train, {text[1]} validate (and choose nothing), {text[2]} test in a fold"


def rendered(name: str, people: int, faces: Faces) -> Faces:
    """Rendered people of a population that no dry run uses, 28 images per expression, framed as ``faces`` are."""
    framing = "drawn" if faces.attrs.get("aligned") == "drawn" else "aligned"
    return load(name, people=people, images_per_expression=28, image_size=faces.shape[1], seed=2000, framing=framing)


def read_tested(
    dataset: str, root: str | None, people: int, seed: int, images: int = 4, image_size: int | None = None
) -> Faces:
    """The faces that a comparison of systems is tested on: rendered ones, or a set in its folder.

    Parameters
    ----------
    dataset : a loader's name
    root : folder of the set; of facekit the face model's, which ``$FERDIS_FACEKIT`` may name instead
    people, seed, images : of rendered people, and how many images each has of every expression
    image_size : side in pixels; 72 for rendered people, and the loader's own for others, where it is not given

    Raises
    ------
    ValueError
        A set that is not rendered, without ``root``.
    """
    if dataset in RENDERED:
        place = {"root": root} if dataset != SYNTHETIC else {}
        size = image_size or 72
        return load(dataset, people=people, images_per_expression=images, image_size=size, seed=seed, **place)
    if not root:
        raise ValueError(f"--dataset {dataset} needs --root: the folder of its layout")
    return load(dataset, root=root, **({"image_size": image_size} if image_size else {}))


def side_by_side(plan: Mapping[str, Any], dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Published and measured accuracy in per cent, one row per method, with a verdict.

    ``measured`` and ``std`` are mean and standard deviation (ddof 1) over folds; ``low`` and ``high`` the 95 % interval
    of the accuracy over all test images, over subjects (cluster bootstrap).
    """
    published = figures()
    here = (published.paper == plan["paper"]) & (published.table == plan["table"]) & (published.dataset == dataset)
    value = dict(zip(published[here].method, published[here].value, strict=True))
    lines = []
    for system, part in rows.groupby("system", sort=False):
        method = plan["methods"][str(system)]
        folds = 100 * (part.true == part.predicted).groupby(part.fold).mean()
        printed, measured = value.get(method, float("nan")), folds.mean()
        low, high = (100 * end for end in interval(part, "accuracy"))
        lines.append(
            {
                "method": method,
                "published": printed,
                "measured": measured,
                "difference": measured - printed,
                "low": low,
                "high": high,
                "std": folds.std(ddof=1),
                "folds": len(folds),
                "verdict": verdict(printed, measured, low, high),
            }
        )
    return pd.DataFrame(lines)


def differences(plan: Mapping[str, Any], options: Options, faces: Faces, extra: Faces | None) -> list[str]:
    """All differences between the paper's experiment and this one."""
    lines = []
    people = len(set(faces.subject)) if faces.has_subjects else None
    if options.dataset == SYNTHETIC:
        lines.append(f"a dry run on {people} synthetic people: the published figures are of other data altogether")
    else:
        column = plan["columns"][options.dataset]
        lines.append(f"the paper's data: {column['paper_data']}")
        if len(faces) != column["images"]:
            lines.append(f"{len(faces)} images here, {column['images']} in the paper")
        if people is not None and people != column["people"]:
            lines.append(f"{people} people here, {column['people']} in the set")
    further = plan["further"]
    if extra is None:
        lines.append(f"{further['argument']}: none here; in the paper: {further['paper']}")
    else:
        lines.append(f"{further['argument']}: {extra} here; in the paper: {further['paper']}")
    if options.small:
        lines.append(f"--small: {plan['small']}")
    if options.epochs:
        lines.append(f"{options.epochs} epochs, {plan['epochs']} in the paper")
    if plan["protocol"]["name"] == "subject-kfold":
        lines.append("the paper does not publish its folds; ours are in folds.csv")
    lines += further["without" if extra is None else "with"] + plan["differences"]
    lines += [f"the loader says: {note}" for note in faces.attrs.get("notes", ())]
    return lines


def main(name: str, description: str, argv: Sequence[str] | None = None) -> int:
    """Run as a script: errors that the user can correct are one line, not a traceback."""
    try:
        run(name, arguments(description, plan_of(name), argv))
    except (ValueError, OSError) as error:
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0
