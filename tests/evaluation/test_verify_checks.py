"""The checks of verify one by one, on a run of two seeds that is written down here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ferdis.evaluation.verify as checks
from ferdis import run_folder
from ferdis.evaluation.verify import Finding, Verification
from ferdis.faces import Faces

PIXELS = np.arange(6, dtype=np.uint8).repeat(12).reshape(6, 2, 2, 3)
FACES = Faces.from_arrays(PIXELS, ["anger", "fear"] * 3, subject=["p", "p", "q", "q", "r", "r"])
NAMES = [str(name) for name in checks.row_names(FACES)]
PARAMETERS = {"class": "Plain", "epochs": 3}


def fold_table() -> pd.DataFrame:
    """Fold 0 tests p, fold 1 q; r trains."""
    parts = {0: ["test"] * 2 + ["train"] * 4, 1: ["train"] * 2 + ["test"] * 2 + ["train"] * 2}
    return pd.concat(
        [
            pd.DataFrame({"fold": fold, "part": part, "path": NAMES, "subject": FACES.subject})
            for fold, part in parts.items()
        ],
        ignore_index=True,
    )


def all_rows() -> pd.DataFrame:
    """A row for each of the four images that are tested, for each seed."""
    one = pd.DataFrame({
        "system": "a", "fold": [0, 0, 1, 1], "subject": FACES.subject[:4], "path": NAMES[:4],
        "true": FACES.expression[:4], "predicted": "fear", "p_anger": 0.25, "p_fear": 0.75, "selection": "last",
        "parameters": run_folder.digest(PARAMETERS),
    })  # fmt: skip
    return pd.concat([one.assign(seed=seed) for seed in (3, 4)], ignore_index=True)


FITS: list[tuple[Path, dict[str, Any]]] = [
    (Path(f"{seed}-{fold}"), {"system": "a", "seed": seed, "fold": fold}) for seed in (3, 4) for fold in (0, 1)
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> checks._Run:
    record = {
        "seeds": [3, 4], "systems": {"a": PARAMETERS}, "selection": "last",
        "faces": {"classes": ["anger", "fear"], "digest": FACES.digest()},
        "audit": {"near_duplicates": True, "threshold": 0.9, "allow_overlap": False},
    }  # fmt: skip
    monkeypatch.setattr(run_folder, "finished_fits", lambda *_, **__: FITS)
    return checks._Run(tmp_path, record, all_rows(), {None: fold_table()}, None, FACES)


def test_what_was_not_checked_has_not_failed() -> None:
    found = Verification("mine", [Finding("labels", "not checked", "no data set"), Finding("rows", "ok", "")])
    assert found.ok and found.failed == []


def test_every_file_needs_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rows.csv", "weights"):
        (tmp_path / name).write_text(name)
    digest = run_folder.file_digest(tmp_path / "rows.csv")
    monkeypatch.setattr(checks.seals, "sealed_files", lambda _: {"rows.csv": digest, "summary.csv": digest})
    assert list(checks._digests(tmp_path, {"files": {"weights": digest}})) == [
        "summary.csv is missing", "weights was changed", "resolved.json has no digest", "config.yaml has no digest",
        "audit.txt has no digest", "environment.json has no digest",
    ]  # fmt: skip


def test_fits_of_every_seed_are_looked_for(run: checks._Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(checks._fits(run)) == []
    monkeypatch.setattr(run_folder, "finished_fits", lambda *_, **__: FITS[:3])
    assert list(checks._fits(run)) == ["a, fold 1, seed 4 is not finished"]


def test_rows_of_every_seed_are_those_of_the_folds(run: checks._Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for rows, faults in ((run.rows, []), (run.rows[:-1], ["a, seed 4: 3 rows, the folds test 4 images"])):
        rows.to_csv(run.root / "rows.csv", index=False)
        monkeypatch.setattr(run_folder, "joined_rows", lambda _, rows=rows: rows.astype(str))
        run.rows = rows
        assert list(checks._rows(run)) == faults


def test_one_of_two_likeliest_classes_is_an_answer(run: checks._Run) -> None:
    run.rows.loc[0, ["p_anger", "p_fear"]] = 0.5
    assert list(checks._answers(run)) == []
    run.rows.loc[1, ["p_anger", "p_fear"]] = 0.6, 0.4
    assert list(checks._answers(run)) == [f"1 answers are not the likeliest class (first: {NAMES[1]}, a)"]


def test_only_leaks_that_the_run_speaks_of_are_let_pass(run: checks._Run) -> None:
    assert list(checks._folds(run)) == []
    table = run.folds[None]
    table.loc[(table["fold"] == 0) & (table["path"] == NAMES[1]), "part"] = "train"
    (leak,) = checks._folds(run)
    assert "p" in leak and "fold 0" in leak
    run.record["audit"]["leaks"] = 1
    assert list(checks._folds(run)) == []


def test_rules_and_parameters_are_those_of_the_record(run: checks._Run) -> None:
    assert list(checks._parameters(run)) == []
    rows = run.rows
    run.rows = rows.assign(selection="validation")
    assert list(checks._parameters(run)) == ["the rows have another selection rule than resolved.json"]
    run.rows = rows.assign(parameters="others")
    assert list(checks._parameters(run)) == ["the rows of a are of other parameters than resolved.json says"]
    run.record["tuned"] = [{"system": "a"}]
    assert list(checks._parameters(run)) == [], "each fold has its winner's"


def test_images_are_audited_as_the_run_audited_them(run: checks._Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(run_folder, "fold_lists", lambda _: {None: Path("folds.csv")})
    monkeypatch.setattr(checks, "read_folds", lambda *_: "folds")
    report = SimpleNamespace(leaks=["the same image"])
    monkeypatch.setattr(checks, "audit", lambda faces, folds, **options: asked.append(options) or report)
    assert list(checks._images(run)) == ["the same image"]
    run.record["audit"] |= {"leaks": 1, "seen_share": 0.5}
    assert list(checks._images(run)) == []
    assert asked == [{"near_duplicates": True, "threshold": 0.9, "allow_overlap": False, "raise_on_leak": False}] * 2


def test_labels_are_those_of_the_same_images(run: checks._Run) -> None:
    assert list(checks._labels(run)) == []
    run.rows.loc[2:3, "true"] = "joy"
    assert list(checks._labels(run)) == ["2 rows have another label than the data set"]
    run.rows = all_rows()
    run.faces = Faces(255 - FACES.pixels(), FACES.to_frame())
    assert list(checks._labels(run)) == ["the data set is not the one that the run was made on"]


@pytest.mark.parametrize(
    ("sample", "images"), [(8, [2, 2, 2, 2]), (5, [2, 2, 2, 2]), (4, [1, 1, 1, 1]), (3, [1, 1, 1])]
)
def test_the_sample_is_of_all_fits(
    run: checks._Run, monkeypatch: pytest.MonkeyPatch, sample: int, images: list[int]
) -> None:
    seen: list[tuple[int, Any]] = []

    def probabilities(system: Any, test: Faces, classes: list[str], given: Any = None) -> np.ndarray:
        seen.append((len(test), given))
        return np.tile([0.25, 0.75], (len(test), 1))

    monkeypatch.setattr(checks, "class_probabilities", probabilities)
    assert list(checks._predictions(run, sample, lambda folder: folder)) == []
    assert seen == [(count, None) for count in images]
    run.folds[None].loc[1, "part"] = "reference"  # an image of fold 0
    seen.clear()
    list(checks._predictions(run, sample, lambda folder: folder))
    assert {given.expression[0] for _, given in seen if given is not None} == {"fear"}


def test_a_set_that_cannot_be_loaded_leaves_the_other_checks(run: checks._Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Faces:
        raise OSError("no such folder")

    monkeypatch.setattr(run_folder, "read_config", lambda _: {})
    monkeypatch.setattr(checks, "faces_of_config", broken)
    checks._find_faces(run, None, lambda name, **_: FACES)
    assert run.faces is None and run.why_no_faces == "the data set could not be loaded (no such folder)"


def test_other_versions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = {"ferdis": "1", "python": "3", "packages": {"torch": "2.0", "numpy": "2.2", "gone": "1"}}
    now = {"ferdis": "1", "python": "3", "packages": {"torch": "2.6", "numpy": "2.2"}}
    monkeypatch.setattr(run_folder, "environment", lambda: now)
    run_folder.write_json(tmp_path / "environment.json", then)
    assert checks._environment(tmp_path).what == "differs: torch 2.0 there, 2.6 here"
