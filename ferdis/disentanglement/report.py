"""`ferdis disentangle RUN`: what the representations of a run's systems hold of expression and of identity.

Every fitted system of the run is measured on subjects it was not trained on; where it transfers expressions, the
transfers are measured too. The results are written into the run folder: ``disentanglement.csv`` (one row per fold,
system and representation), ``.json`` (everything, with the judges' own errors), ``.md``, and
``figures/representations-*.png``, ``figures/transfer-*.png``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import figures, run_folder
from ferdis.capabilities import DRAWS_FACES, Transfers
from ferdis.disentanglement.representations import (
    IDENTITY,
    LEAST_EXCESS,
    representation_records,
    representations_of,
    some_of_each,
    summary,
)
from ferdis.disentanglement.transfer import Transfer, measure_transfer
from ferdis.faces import Faces
from ferdis.messages import markdown_table
from ferdis.protocol import read_fold_table, row_names
from ferdis.run_folder.models import needs_reference
from ferdis.saved_models import load_model

RENDERED_SETS = ("synthetic", "facekit")
DRAWN = re.compile(
    r"(?P<name>synthetic|facekit)/s(?P<seed>\d+)/P(?P<person>\d+)/(?P<difficulty>\w+)/[^/]*?(?:-at-(?P<intensity>[\d.]+))?$"
)
GRID_TARGETS = 5
_LOCK_SECONDS = 60.0  # for another process that writes into the run


@dataclass(frozen=True, order=True)
class Fit:
    """One fitted system of a run.

    Attributes
    ----------
    seed, fold : int
    system : str
        Its name in the run.
    kind : str
        Name of its class.
    folder : Path
        Where its weights are.
    """

    seed: int
    fold: int
    system: str
    kind: str
    folder: Path


def run(
    folder: str,
    people: int = 20,
    images: int = 10,
    on: str = "auto",
    baseline: str | None = None,
    transfers: bool = True,
    seed: int = 0,
    *,
    faces: Faces | None = None,
) -> pd.DataFrame:
    """Measure what the representations of a run's systems hold, print the table, and write it into the run folder.

    Parameters
    ----------
    folder : str
        A run folder of ``ferdis kfold``, with saved weights.
    people : int
        Number of further people of the run's synthetic population, after the last one it used.
    images : int
        Images of each of them; half fit the identity probe and half score it.
    on : {"auto", "further", "test"}
        Further people, where the run was made on synthetic people; or the test subjects of each fold.
    baseline : str, optional
        System whose representation the others are compared with; by default the first that generates no images.
    transfers : bool
        Also measure transfers against the exact truth and with judges, where the people are synthetic and a system
        transfers. The judges are trained the first time, which takes minutes.
    seed : int
        Of the probes' halves and of the pairs.
    faces : Faces, optional
        Faces to measure on instead, of subjects that are not in the run.

    Returns
    -------
    DataFrame
        One row per system and representation, see :func:`ferdis.disentanglement.representations.summary`.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line: no such folder, no run in it, no saved weights, or a system without representations.
    """
    root = Path(folder)
    fits = finished_fits(root)
    baseline = _baseline(fits, baseline)
    chosen, said = _choose(root, on, people, images, seed, faces)
    judge = _judge(fits, chosen(fits[0]), seed) if transfers else None
    records, moved, drawn = [], [], set()
    for fit in fits:
        estimator, measured = load_fit(fit), chosen(fit)
        place = {"seed": fit.seed, "fold": fit.fold}
        records += [
            {**place, **record} for record in representation_records(fit.system, estimator, measured, seed=seed)
        ]
        if judge is not None and isinstance(estimator, Transfers):
            moved.append({**place, "system": fit.system, **judge(estimator, measured).record()})
        if fit.system not in drawn:
            _draw(root, fit, estimator, measured)
            drawn.add(fit.system)
        print(f"{fit.system}, fold {fit.fold}, seed {fit.seed}: measured", file=sys.stderr, flush=True)
    rows = pd.DataFrame(records)
    table = summary(rows, baseline)
    transferred = pd.DataFrame(moved)
    text = _markdown(table, transferred, said, baseline) + _further_training(root)
    tables = {"representations": rows, "transfers": transferred, "summary": table}
    record = {name: json.loads(part.to_json(orient="records", double_precision=15)) for name, part in tables.items()}
    opened = run_folder.RunFolder(root)
    with opened.locked(wait=_LOCK_SECONDS):
        opened.write_tables(disentanglement=rows)
        opened.write_text("disentanglement.json", json.dumps({"measured_on": said, **record}, indent=2) + "\n")
        opened.write_text("disentanglement.md", text)
    print(text)
    return table


def finished_fits(run: str | Path) -> list[Fit]:
    """The fitted systems of a run folder, in the order of seed, fold and system; none that needs a person's images.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such folder, it holds no run, no fold is finished, or a fold has no saved weights.
    """
    kinds = {name: str(about["class"]) for name, about in run_folder.read_record(run)["systems"].items()}
    fits, left_out = [], set()
    for folder, done in run_folder.finished_fits(run):
        if needs_reference(folder):
            left_out.add(done["system"])
            continue
        if not (folder / "estimator.json").is_file():
            raise ValueError(f"{folder} holds no saved weights: its system has no save(), so nothing can be measured")
        if done["system"] not in kinds:
            raise ValueError(f"{folder} is of a system that {run}/resolved.json does not name: delete it")
        fits.append(Fit(done["seed"], done["fold"], done["system"], kinds[done["system"]], folder))
    if left_out:
        print(f"not measured: {', '.join(sorted(left_out))}, which need other images of a person", file=sys.stderr)
    if not fits:
        raise ValueError(f"{run}: no fold is finished; let ferdis kfold run to its end first")
    return fits


def seen_people(run: str | Path) -> set[str]:
    """The subjects in a run's fold lists: further people must not be among them."""
    lists = _fold_lists(Path(run))
    return set(lists["subject"].dropna().astype(str)) - {""} if "subject" in lists else set()


def scored_faces(fit: Fit, faces: Faces) -> Faces:
    """The test faces of a fit, found by their paths among the faces of the run's data set."""
    rows = run_folder.read_rows(fit.folder / "rows.csv")
    place = pd.Series(np.arange(len(faces)), index=row_names(faces)).reindex(rows["path"])
    if place.isna().any():
        path = rows["path"][place.isna().to_numpy()].iloc[0]
        raise ValueError(f"{path} of {fit.folder} is not among these faces: load the data set that the run used")
    return faces[place.to_numpy().astype(int)]


def load_fit(fit: Fit) -> Any:
    """The fitted estimator, with its weights."""
    return load_model(fit.folder)


def further_people(run: str | Path, people: int, images: int, seed: int = 0) -> Faces:
    """People of the synthetic population that a run was made on, after the last one of its fold lists.

    Raises
    ------
    ValueError
        If the run was not made on synthetic people of one population and difficulty.
    """
    from ferdis.datasets import load

    run = Path(run)
    found = [DRAWN.match(path) for path in sorted(set(_fold_lists(run)["path"].astype(str)))]
    drawn = [match.groupdict() for match in found if match]
    kinds = {(item["name"], item["seed"], item["difficulty"], item["intensity"]) for item in drawn}
    if len(drawn) < len(found) or len(kinds) != 1:
        raise ValueError(
            f"{run} was not made on synthetic people of one population: measure on its test people (--on test), or "
            "name other faces with --faces"
        )
    name, population, difficulty, intensity = kinds.pop()
    root = (_dataset(run)[1] or {}).get("root")
    about = run_folder.read_record(run)["faces"]
    faces = load(
        name,
        **({"root": root} if root else {}),
        people=people,
        expressions=list(about["classes"]),
        images_per_expression=-(-images // len(about["classes"])),
        image_size=int(about["size"][0]),
        difficulty=difficulty,
        seed=int(population),
        first_person=1 + max(int(item["person"]) for item in drawn),
        intensity=None if intensity is None else float(intensity),
    )
    return some_of_each(faces, images, seed)


def _fold_lists(run: Path) -> pd.DataFrame:
    lists = run_folder.fold_lists(run).values()
    if not lists:
        raise FileNotFoundError(f"{run}/folds.csv is missing: run ferdis kfold again, finished folds are kept")
    run_folder.check_sealed(run, *(path.relative_to(run).as_posix() for path in lists))
    return pd.concat([read_fold_table(path) for path in lists], ignore_index=True)


def _choose(
    run: Path, on: str, people: int, images: int, seed: int, faces: Faces | None
) -> tuple[Callable[[Fit], Faces], str]:
    """The faces that each fit is measured on, and their description."""
    if on not in ("auto", "further", "test"):
        raise ValueError(f"on={on!r}: choose 'auto', 'further' or 'test'")
    if images < 2:
        raise ValueError(f"images={images}: two or more of each person, half of them score the identity probe")
    if faces is not None:
        if shared := sorted(set(faces.subject) & seen_people(run)):
            raise ValueError(f"{shared[0]} is one of the run's own people: measure on others, or with --on test")
        return lambda fit: faces, f"{faces!r} of another set"
    if on == "further" or (on == "auto" and _dataset(run)[0] in RENDERED_SETS):
        further = further_people(run, people, images, seed)
        what = f"{people} further people of the run's population, {images} images of each"
        return lambda fit: further, what
    from ferdis.datasets import load

    name, arguments = _dataset(run)
    if arguments is None:
        raise ValueError(f"{run}/config.yaml does not say how {name!r} was loaded: name the faces with --faces")
    whole = load(name, **arguments)
    return partial(scored_faces, faces=whole), "each fold's own test people"


def _dataset(run: Path) -> tuple[str, dict[str, Any] | None]:
    """Name of the data set of a run, and its loader's arguments where config.yaml has them."""
    given = run_folder.read_config(run).get("dataset")
    if isinstance(given, dict) and "name" in given:
        return str(given["name"]), {key: value for key, value in given.items() if key != "name"}
    return str(run_folder.read_record(run)["dataset"]), None


def _judge(fits: Sequence[Fit], faces: Faces, seed: int) -> Callable[[Any, Faces], Transfer] | None:
    """The function that measures transfers; None where no system transfers or the people are not synthetic."""
    if not faces.has_counterparts or not any(isinstance(load_fit(fit), Transfers) for fit in _first_of_each(fits)):
        return None
    from ferdis.datasets import load
    from ferdis.evaluators.judges import standard_judges

    print("judges: trained on other people the first time, then read from the cache", file=sys.stderr, flush=True)
    classes = 8 if "contempt" in faces.classes else 7
    expressions, identities = standard_judges(load, expressions=classes, judged=faces)
    return partial(
        measure_transfer, counterpart=Faces.counterpart, region_masks=Faces.region_masks, expressions=expressions,
        identities=identities, seed=seed,
    )  # fmt: skip


def _first_of_each(fits: Sequence[Fit]) -> list[Fit]:
    return list({fit.system: fit for fit in reversed(fits)}.values())


def _baseline(fits: Sequence[Fit], named: str | None) -> str | None:
    """The system that the others are compared with: the one named, or the first that generates no images."""
    if named is not None:
        if named not in (systems := [fit.system for fit in _first_of_each(fits)]):
            raise ValueError(f"no system {named!r} in this run: there are {', '.join(sorted(systems))}")
        return named
    for fit in reversed(_first_of_each(fits)):
        estimator = load_fit(fit)
        if not isinstance(estimator, DRAWS_FACES):
            return fit.system
    return None


def _draw(root: Path, fit: Fit, estimator: Any, faces: Faces) -> None:
    """Maps of the representations and, where the system transfers, grids of its transfers."""
    folder = root / "figures"
    folder.mkdir(exist_ok=True)
    for name, values in representations_of(fit.system, estimator, faces).items():
        what = "identity" if name == IDENTITY else "representations"
        title = f"{fit.system}: t-SNE of its {name}, {values.shape[1]} dimensions, people not seen in training"
        figure = figures.representation_map(values, faces.subject, faces.expression, title=title)
        figure.savefig(folder / f"{what}-{fit.system}.png")
    if isinstance(estimator, Transfers):
        sources, targets = grid_rows(faces)
        title = f"{fit.system}: people not seen in training"
        figures.transfer_grid(estimator, faces[targets], faces[sources], title=title).savefig(
            folder / f"transfer-{fit.system}.png"
        )
        if faces.has_counterparts:
            figure = figures.transfer_grid(
                estimator, faces[targets], faces[sources], truth=Faces.counterpart, title=f"{title}, beside the truth"
            )
            figure.savefig(folder / f"transfer-truth-{fit.system}.png")


def _further_training(run: Path) -> str:
    """Notes on faces that systems learned from besides the fold's: a run keeps their digest, not their subjects."""
    systems = run_folder.read_record(run)["systems"]
    return "".join(
        f"- {system} also learned from {name}={value.get('faces')}: a run does not list these people, so see to it "
        "that they are none of those measured on.\n"
        for system, about in systems.items()
        for name, value in about.items()
        if isinstance(value, dict) and "faces_digest" in value
    )


def grid_rows(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Rows of references, one of each expression, of different people where possible; and of other people's faces."""
    people = list(dict.fromkeys(faces.subject))
    order = {name: place for place, name in enumerate(people)}
    sources: list[int] = []
    for label in faces.classes:
        rows = [int(row) for row in np.flatnonzero(faces.expression == label)]
        used = {faces.subject[row] for row in sources}
        sources.append(min(rows, key=lambda row: (faces.subject[row] in used, order[faces.subject[row]])))
    shown = {faces.subject[row] for row in sources}
    targets = [
        min(np.flatnonzero(faces.subject == name), key=lambda row: (faces.expression[row] != "neutral", row))
        for name in sorted(people, key=lambda name: (name in shown, order[name]))[:GRID_TARGETS]
    ]
    return np.array(sources), np.array(targets)


def _markdown(table: pd.DataFrame, moved: pd.DataFrame, said: str, baseline: str | None) -> str:
    head = ["system", "representation", "dimensions (effective)", "identity, logistic (%)", "nearest (%)",
            "of baseline's", "expression, logistic (%)", "nearest (%)", "note"]  # fmt: skip
    chance = table.iloc[0]
    rows = []
    for line in table.to_dict("records"):
        rows.append([
            line["system"], line["representation"], f"{line['dimensions']:.0f} ({line['effective_dimensions']:.1f})",
            _percent(line["identity"], line["identity_std"]), _percent(line["identity_nearest"]),
            _share(line.get("identity_ratio")),
            _percent(line["expression"], line["expression_std"]), _percent(line["expression_nearest"]), line["note"],
        ])  # fmt: skip
    read, all_of_them = (int(chance[name]) for name in ("identity_images", "images"))
    only = "" if read == all_of_them else f", of the {read} of {all_of_them} images whose person has two or more"
    lines = [
        f"# What the representations hold: {said}",
        "",
        markdown_table(head, rows),
        f"- Chance: identity {_percent(chance['identity_chance'])} %, expression "
        f"{_percent(chance['expression_chance'])} %. Means of {chance['fits']} fits per system; ± is over fits.",
        f"- Identity: fitted on half of each person's images, scored on the other half, five halvings{only}. "
        "Expression: fitted and scored on different people. A representation that holds nothing of expression proves "
        "nothing by holding nothing of identity.",
    ]
    if baseline is not None:
        lines.append(
            f"- Of baseline's: identity accuracy above chance, as a share of that of {baseline}; no share is given "
            f"where that is less than {100 * LEAST_EXCESS:.0f} points above chance itself."
        )
    lines += _alignment_table(table) + _swap_table(table) + _transfer_table(moved)
    return "\n".join(lines) + "\n"


def _alignment_table(table: pd.DataFrame) -> list[str]:
    if "mig" not in table or table["mig"].isna().all():
        return []
    head = ["system", "representation", "MIG", "DCI disentanglement", "completeness", "informativeness", "SAP"]
    keys = ("mig", "disentanglement", "completeness", "informativeness", "sap")
    rows = [
        [line["system"], line["representation"], *(f"{line[key]:.3f}" for key in keys)]
        for line in table.to_dict("records")
    ]
    title = "## Single dimensions against person, action units, pose and light"
    return ["", title, "", markdown_table(head, rows).rstrip()]


def _swap_table(table: pd.DataFrame) -> list[str]:
    if "swap_source" not in table:
        return []
    head = [
        "system",
        "representation",
        "cosine with the source's",
        "with the target's",
        "same expression predicted (%)",
    ]
    rows = []
    for line in table[table["swap_source"].notna()].to_dict("records"):
        cosines = (f"{line[key]:.2f}" for key in ("swap_source", "swap_target"))
        rows.append([line["system"], line["representation"], *cosines, _percent(line.get("swap_agreement"))])
    return ["", "## The system's own representation of its transfers", "", markdown_table(head, rows).rstrip()]


def _transfer_table(moved: pd.DataFrame) -> list[str]:
    if moved.empty:
        return []
    head = ["system", "L1 to the truth", "doing nothing", "below it", "given the truth itself",
            "source's expression read (%)", "on true counterparts (%)", "share",
            "nearer to the target's person (%)", "on true counterparts (%)"]  # fmt: skip
    rows = []
    for system, part in moved.groupby("system", sort=False):
        mean = part.mean(numeric_only=True)
        rows.append([
            str(system), f"{mean.distance:.3f}", f"{mean.distance_identity_baseline:.3f}", _share(mean.gain),
            f"{mean.distance_oracle:.3f}", _percent(mean.expression, part.expression.std(ddof=1)),
            _percent(mean.expression_of_truth), _share(mean.expression_share),
            _percent(mean.identity, part.identity.std(ddof=1)), _percent(mean.identity_of_truth),
        ])  # fmt: skip
    last = moved.iloc[0]
    return [
        "",
        "## Transfers, inside eyes, brows and mouth, and before judges",
        "",
        markdown_table(head, rows),
        f"- {last['pairs']} pairs per fit; each face is a target once, its source another person with another "
        "expression.",
        "- Doing nothing is the system's own reconstruction of the target, against the same truth.",
        f"- The expression judge itself: {last['expression_judge']}.",
        f"- The identity judge itself: {last['identity_judge']}.",
    ]


def _percent(share: float | None, std: float | None = None) -> str:
    if share is None or pd.isna(share):
        return "-"
    spread = "" if std is None or pd.isna(std) else f" ± {100 * std:.1f}"
    return f"{100 * share:.1f}{spread}"


def _share(share: float | None) -> str:
    return "-" if share is None or pd.isna(share) else f"{100 * share:.0f} %"
