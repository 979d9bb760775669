"""Is a run what it says it is? Digests, rows, folds, parameters, and a sample of predictions from the weights.

:func:`verify` looks at a run folder, or at a file that ``ferdis pack`` wrote, and trusts nothing in it: what one file
says is computed again from another. Digests find what was changed and not sealed again; the rest finds what was changed
with care: rows against folds, tables against rows, answers against probabilities, labels against the data set, and
probabilities against the weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics, run_folder
from ferdis._io import read_csv
from ferdis.datasets.sources import faces_of_config
from ferdis.evaluation.fit_and_score import class_probabilities, reference_of
from ferdis.evaluation.runner import deciding_parameters
from ferdis.faces import Faces
from ferdis.messages import named, one_line, with_kind
from ferdis.protocol import audit, audit_list, read_fold_table, row_names
from ferdis.protocol.folds import REFERENCE, Fold, read_folds
from ferdis.run_folder import packing, seals
from ferdis.saved_models import load_fitted as load_saved

OK, FAILED, UNKNOWN = "ok", "FAILED", "not checked"
TOLERANCE = 1e-3  # of a probability: another processor, or number of threads, sums in another order


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check : str
    state : "ok", "FAILED" or "not checked"
    what : str
        In words.
    """

    check: str
    state: str
    what: str


@dataclass
class Verification:
    """What :func:`verify` found; ``print`` shows it.

    Attributes
    ----------
    run : str
    findings : list of Finding
    """

    run: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no check failed; some may not have been made."""
        return all(finding.state != FAILED for finding in self.findings)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [finding.check for finding in self.findings if finding.state == FAILED]

    def __str__(self) -> str:
        verdict = "verified" if self.ok else f"NOT what it says it is ({', '.join(self.failed)})"
        lines = [f"{finding.check:<12} {finding.state:<12} {finding.what}" for finding in self.findings]
        return "\n".join([f"{self.run}: {verdict}", *lines])


@dataclass
class _Run:
    """What the checks share."""

    root: Path
    record: dict[str, Any]
    rows: pd.DataFrame
    folds: dict[int | None, pd.DataFrame]
    packed: dict[str, Any] | None
    faces: Faces | None = None
    why_no_faces: str = ""

    def folds_of(self, seed: int) -> pd.DataFrame:
        return self.folds[seed if seed in self.folds else None]


def verify(
    run: str | Path,
    *,
    faces: Faces | None = None,
    load: Callable[..., Faces] | None = None,
    sample: int = 32,
    load_model: Callable[[Path], Any] = load_saved,
) -> Verification:
    """Verify a run.

    Parameters
    ----------
    run : str
        A run folder, or a file that ``ferdis pack`` wrote.
    faces : Faces, optional
        The data set; by default loaded as the run's config.yaml says.
    load : callable, optional
        ``load(name, **arguments) -> Faces``, such as :func:`ferdis.load`; without it and without ``faces`` labels and
        predictions are not checked.
    sample : int
        Images whose predictions are computed again from the weights; 0 for none.
    load_model : callable
        Reads a fitted system from its folder.

    Returns
    -------
    Verification
        Findings, in the order in which they were made. A check that cannot be made says why.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no run at all.
    """
    with ExitStack() as held:
        root = Path(run)
        if root.is_file():
            root = packing.unpack(root, held.enter_context(tempfile.TemporaryDirectory(prefix="ferdis-")))
        if not (root / "resolved.json").is_file():
            raise FileNotFoundError(f"{root} holds no run (no resolved.json): give a folder of ferdis kfold, or a pack")
        found = Verification(str(run))
        packed = packing.pack_record(root)
        found.findings += [_checked("digests", lambda: _digests(root, packed))]
        try:
            there = _read(root, packed)
        except Exception as error:  # as above
            found.findings.append(Finding("records", FAILED, with_kind(error)))
            return found
        _find_faces(there, faces, load)
        checks: Mapping[str, Callable[[], Iterator[str]]] = {
            "fits": lambda: _fits(there), "rows": lambda: _rows(there), "answers": lambda: _answers(there),
            "tables": lambda: _tables(there), "folds": lambda: _folds(there), "parameters": lambda: _parameters(there),
        }  # fmt: skip
        found.findings += [_checked(name, check) for name, check in checks.items()]
        found.findings += _with_faces(there, sample, load_model)
        found.findings.append(_environment(root))
    return found


def _checked(name: str, check: Callable[[], Iterator[str]]) -> Finding:
    """Run a check: each string that it yields is a fault."""
    try:
        faults = list(check())
    except Exception as error:  # a run that was tampered with may break anything
        faults = [with_kind(error)]
    return Finding(name, FAILED, named(faults, 3, "; ")) if faults else Finding(name, OK, _SAID[name])


_SAID = {
    "digests": "every file is as the run wrote it",
    "fits": "every fold of every system is finished",
    "rows": "the rows are those of the folds, one per test image, system and seed",
    "answers": "every answer is the likeliest class, probabilities add up to 1",
    "tables": "the table follows from the rows",
    "folds": "the audit of the fold lists finds what the run says",
    "parameters": "the rows carry the digests of the parameters",
    "labels": "labels and people are those of the data set",
    "images": "the audit of the images finds what the run says",
    "predictions": "computed again from the weights",
}


def _read(root: Path, packed: dict[str, Any] | None) -> _Run:
    record = run_folder.read_json(root / "resolved.json")
    folds = {seed: read_fold_table(path) for seed, path in run_folder.fold_lists(root).items()}
    if not folds:
        raise ValueError(f"{root} holds no fold list")
    return _Run(root, record, run_folder.read_rows(root / "rows.csv", run_folder.ROW_COLUMNS), folds, packed)


def _digests(root: Path, packed: dict[str, Any] | None) -> Iterator[str]:
    names = seals.sealed_files(root)
    if not names:
        yield "seal.json names no file: an older ferdis made this run, or the seals were removed"
    for name, digest in {**names, **(packed or {}).get("files", {})}.items():
        path = root / name
        if not path.is_file():
            yield f"{name} is missing"
        elif run_folder.file_digest(path) != digest:
            yield f"{name} was changed"
    for name in ("resolved.json", "config.yaml", "rows.csv", "summary.csv", "audit.txt", "environment.json"):
        if names and name not in names:
            yield f"{name} has no digest"


def _fits(run: _Run) -> Iterator[str]:
    whole = not (run.packed or {}).get("left_out")
    done = {(m["seed"], m["fold"], m["system"]) for _, m in run_folder.finished_fits(run.root, whole=whole)}
    for seed in run.record["seeds"]:
        for fold in sorted(set(run.folds_of(seed)["fold"])):
            for system in run.record["systems"]:
                if (seed, fold, system) not in done:
                    yield f"{system}, fold {fold}, seed {seed} is not finished"


def _rows(run: _Run) -> Iterator[str]:
    made = run_folder.joined_rows([folder for folder, _ in run_folder.finished_fits(run.root)])
    there = read_csv(run.root / "rows.csv", dtype=str, keep_default_na=False)
    keys = ["system", "seed", "fold", "path"]
    if sorted(there.columns) != sorted(made.columns):
        yield "rows.csv has other columns than the rows of the folds"
    else:
        one, other = (t[list(made.columns)].sort_values(keys, ignore_index=True) for t in (there, made))
        if not one.equals(other):
            yield "rows.csv does not hold the rows of the folds"
    for seed in run.record["seeds"]:
        table = run.folds_of(seed)
        listed = set(table.loc[table["part"] == "test", ["fold", "path"]].itertuples(index=False, name=None))
        for system in run.record["systems"]:
            mine = run.rows[(run.rows["seed"] == seed) & (run.rows["system"] == system)]
            tested = list(mine[["fold", "path"]].itertuples(index=False, name=None))
            if len(tested) != len(set(tested)) or set(tested) != listed:
                yield f"{system}, seed {seed}: {len(tested)} rows, the folds test {len(listed)} images"


def _answers(run: _Run) -> Iterator[str]:
    known = metrics.probabilities(run.rows)
    if not known.shape[1]:
        return
    wrong = known.idxmax(axis=1) != run.rows["predicted"]
    ties = (
        known.max(axis=1) <= known.to_numpy()[np.arange(len(known)), known.columns.get_indexer(run.rows["predicted"])]
    )
    if (wrong & ~ties).any():
        row = run.rows[wrong & ~ties].iloc[0]
        count = int((wrong & ~ties).sum())
        yield f"{count} answers are not the likeliest class (first: {row['path']}, {row['system']})"
    if (abs(known.sum(axis=1) - 1) > TOLERANCE).any():
        yield f"{int((abs(known.sum(axis=1) - 1) > TOLERANCE).sum())} rows have probabilities that do not add up to 1"


def _tables(run: _Run) -> Iterator[str]:
    there = read_csv(run.root / "summary.csv", dtype={"system": str}).set_index("system")
    made = metrics.summary(run.rows).set_index("system")
    for name in ("accuracy", "uar", "macro_f1", "accuracy_mean", "uar_low", "uar_high"):
        if name not in there or list(there.index) != list(made.index):
            yield f"summary.csv lacks {name}, or names other systems"
        elif not np.allclose(there[name].astype(float), made[name].astype(float), atol=1e-9, equal_nan=True):
            yield f"summary.csv has another {name} than the rows"


def _folds(run: _Run) -> Iterator[str]:
    allowed = bool(run.record.get("audit", {}).get("leaks"))
    for seed, table in run.folds.items():
        report = audit_list(table)
        if report.leaks and not allowed:
            yield f"{'' if seed is None else f'seed {seed}: '}{report.leaks[0]}"
        if "subject" in table:
            named_ = table.drop_duplicates("path").set_index("path")["subject"]
            mine = run.rows if seed is None else run.rows[run.rows["seed"] == seed]
            if "subject" in mine and (mine["path"].map(named_).fillna("") != mine["subject"].fillna("")).any():
                yield "a row names another person than the fold list"


def _parameters(run: _Run) -> Iterator[str]:
    if run.record.get("tuned"):
        return  # a winner serves its own fold; the digests are of the fold's parameters
    for system, about in run.record["systems"].items():
        digest = run_folder.digest(deciding_parameters(about))
        if set(run.rows.loc[run.rows["system"] == system, "parameters"]) != {digest}:
            yield f"the rows of {system} are of other parameters than resolved.json says"
    if set(run.rows["selection"]) - {run.record["selection"]} and run.record["selection"] == "last":
        yield "the rows have another selection rule than resolved.json"


def _find_faces(run: _Run, faces: Faces | None, load: Callable[..., Faces] | None) -> None:
    run.faces = faces
    if faces is None and load is not None:
        try:
            run.faces = faces_of_config(run_folder.read_config(run.root), load)
            run.why_no_faces = "config.yaml does not say how its data set was loaded"
        except Exception as error:  # whatever is wrong with the images, the other checks stand
            run.why_no_faces = f"the data set could not be loaded ({one_line(error)})"
    elif faces is None:
        run.why_no_faces = "no data set was given"


def _with_faces(run: _Run, sample: int, load_model: Callable[[Path], Any]) -> list[Finding]:
    if run.faces is None:
        return [Finding(name, UNKNOWN, run.why_no_faces) for name in ("labels", "images", "predictions")]
    found = [_checked("labels", lambda: _labels(run)), _checked("images", lambda: _images(run))]
    if (run.packed or {}).get("left_out"):
        return [*found, Finding("predictions", UNKNOWN, "the weights were left out of the pack")]
    if sample <= 0:
        return [*found, Finding("predictions", UNKNOWN, "no sample was asked for")]
    return [*found, _checked("predictions", lambda: _predictions(run, sample, load_model))]


def _labels(run: _Run) -> Iterator[str]:
    faces = run.faces
    if faces is None:
        return
    if faces.digest() != run.record["faces"]["digest"]:
        yield "the data set is not the one that the run was made on"
    truth = pd.Series(faces.expression, index=row_names(faces))
    given = run.rows["path"].map(truth)
    if (given != run.rows["true"]).any():
        yield f"{int((given != run.rows['true']).sum())} rows have another label than the data set"


def _images(run: _Run) -> Iterator[str]:
    if run.faces is None:
        return
    options = {key: value for key, value in run.record.get("audit", {}).items() if key not in ("leaks", "seen_share")}
    for path in run_folder.fold_lists(run.root).values():
        report = audit(run.faces, read_folds(path, run.faces), **options, raise_on_leak=False)
        if report.leaks and not run.record.get("audit", {}).get("leaks"):
            yield str(report.leaks[0])


def _predictions(run: _Run, sample: int, load_model: Callable[[Path], Any]) -> Iterator[str]:
    """Rows of every fit, evenly, as many as were asked for."""
    faces = run.faces
    if faces is None:
        return
    place = pd.Series(np.arange(len(faces)), index=row_names(faces))
    fits = run_folder.finished_fits(run.root)
    each = -(-sample // max(len(fits), 1))
    chosen = np.random.default_rng(0).permutation(len(fits))[:sample]
    for folder, done in (fits[number] for number in sorted(chosen)):
        key = {name: done[name] for name in ("system", "seed", "fold")}
        rows = run.rows[(run.rows[list(key)] == pd.Series(key)).all(axis=1)]
        rows = rows.iloc[np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int)]
        system = load_model(folder)
        classes = list(run.record["faces"]["classes"])
        listed = run.folds_of(done["seed"])
        listed = listed[listed["fold"] == done["fold"]]
        tested, referred = (
            place[listed.loc[listed["part"] == part, "path"]].to_numpy() for part in ("test", REFERENCE)
        )
        none = np.empty(0, np.int64)
        given = reference_of(faces, Fold(done["fold"], none, none, tested, referred))
        made = class_probabilities(system, faces[place[rows["path"]].to_numpy()], classes, given)
        told = rows[[f"p_{name}" for name in classes]].to_numpy(float)
        if (worst := float(abs(made - told).max())) > TOLERANCE:
            yield (
                f"{done['system']}, fold {done['fold']}, seed {done['seed']}: the weights give probabilities that "
                f"differ by {worst:.3f}"
            )


def _environment(root: Path) -> Finding:
    path = root / "environment.json"
    if not path.is_file():
        return Finding("environment", UNKNOWN, "environment.json is missing")
    then, now = run_folder.read_json(path), run_folder.environment()
    packages = {**then.get("packages", {}), "ferdis": then.get("ferdis"), "python": then.get("python")}
    here = {**now["packages"], "ferdis": now["ferdis"], "python": now["python"]}
    other = [f"{name} {version} there, {here[name]} here" for name, version in packages.items()
             if name in here and here[name] != version]  # fmt: skip
    return Finding("environment", OK, f"differs: {named(other, 4)}" if other else "the same versions")
