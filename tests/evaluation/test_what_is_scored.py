"""Whose probabilities, whose folds, whose seed: what a row of an evaluation stands for, by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ferdis import run_folder
from ferdis.evaluation.fit_and_score import class_probabilities, reference_name, reference_of, seeded_clone
from ferdis.evaluation.runner import _check_reference, deciding_parameters, evaluate
from ferdis.evaluation.tuned_parameters import TunedParameters, person_digests, without_set_aside
from ferdis.faces import Faces
from ferdis.protocol import Fold, SubjectKFold, repeat
from ferdis.protocol.leakage import LeakError
from ferdis.report.notes import peeking_claims
from ferdis.run_folder import RunFolder, Task
from ferdis.run_folder.recipe import pooled_rows
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Plain

pytestmark = pytest.mark.usefixtures("quick")


class Fixed(Plain):
    """Knows two classes, in an order of its own."""

    classes_ = np.array(["happiness", "anger"])

    def predict_proba(self, faces: Faces) -> np.ndarray:
        return np.tile([0.9, 0.1], (len(faces), 1))


def test_probabilities_go_to_the_class_that_the_estimator_names(faces: Faces) -> None:
    found = class_probabilities(Fixed(), faces[:2], ("anger", "fear", "happiness"))
    assert found.tolist() == [[0.1, 0.0, 0.9]] * 2


def test_an_estimator_given_to_evaluate_stays_unfitted(faces: Faces) -> None:
    given = NearestMean(seed=4)
    evaluate(given, faces, PROTOCOL, seeds=(7,), progress=False)
    assert not hasattr(given, "classes_") and given.seed == 4
    assert seeded_clone(given, 7).seed == 7 and seeded_clone(given, 7) is not given


class Noting(Plain):
    """Notes its seed and the images of each part that it is given."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, faces: Faces, y: Any = None, *, validation: Faces | None = None) -> Plain:
        notes.append(
            (self.seed, list(faces.table["path"]), [] if validation is None else list(validation.table["path"]))
        )
        return super().fit(faces)


notes: list[tuple[int, list[str], list[str]]] = []


@pytest.mark.parametrize("selection", ["last", "validation"])
def test_each_fit_sees_the_parts_of_its_fold_and_its_seed(faces: Faces, selection: str) -> None:
    notes.clear()
    rows = evaluate(Noting(), faces, repeat(PROTOCOL, (0, 1)), seeds=(5, 6), selection=selection, progress=False).rows
    path, expected = faces.table["path"].to_numpy(), []
    for seed, protocol in zip((5, 6), repeat(PROTOCOL, (0, 1)), strict=True):
        for fold in protocol.split(faces):
            validation = list(path[fold.validation]) if selection == "validation" else []
            expected.append((seed, list(path[fold.train]), validation))
            mine = rows[(rows["seed"] == seed) & (rows["fold"] == fold.index)]
            assert mine["path"].tolist() == list(path[fold.test])
            assert mine["subject"].tolist() == faces.subject[fold.test].tolist()
    assert notes == expected


class Late:
    """Folds of a protocol, the last of which trains on a person that it tests."""

    def split(self, faces: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        *folds, last = PROTOCOL.split(faces)
        return [*folds, Fold(last.index, np.append(last.train, last.test[:1]), last.validation, last.test[1:])]


def test_the_folds_of_every_seed_are_audited(faces: Faces) -> None:
    for protocols in ([PROTOCOL, Late()], [Late(), PROTOCOL]):
        for allowed in (False, True):
            with pytest.raises(LeakError, match="fold 2: the same person"):
                evaluate(Plain(), faces, protocols, seeds=(0, 1), allow_overlap=allowed, progress=False)


def test_parameters_are_audited_against_the_folds_of_every_seed(faces: Faces) -> None:
    first, second = (SubjectKFold(3, seed=seed).split(faces) for seed in (0, 1))
    trained = faces[first[0].train]
    folds = [[first[0]], [second[0]]]
    shared = set(trained.subject) & set(faces.subject[second[0].test])
    assert shared and not set(trained.subject) & set(faces.subject[[*first[0].test, *first[0].validation]])
    with pytest.raises(LeakError, match="extra_train holds a person"):
        evaluate(
            NearestMean(extra_train=trained), faces, [_Given(some) for some in folds], seeds=(0, 1), progress=False
        )


@dataclasses.dataclass
class _Given:
    folds: list[Fold]

    def split(self, faces: Faces, y: Any = None, groups: Any = None) -> list[Fold]:
        return self.folds


def test_the_threshold_reaches_the_audit(faces: Faces) -> None:
    """At -1 everything is alike: whatever is found likely is refused."""
    pixels = faces.pixels()
    fold = PROTOCOL.split(faces)[0]
    pixels[fold.test[0]] = np.clip(pixels[fold.train[0]].astype(int) + 9 * (pixels[fold.train[1]] % 3), 0, 255)
    near = Faces(pixels, faces.to_frame(), faces.attrs)
    with pytest.raises(LeakError, match="nearly one image"):
        evaluate(Plain(), near, [fold], threshold=0.5, progress=False)
    evaluate(Plain(), near, [fold], threshold=1.0, progress=False)


def test_a_system_needs_its_reference_in_every_fold(faces: Faces) -> None:
    class Asking(Plain):
        uses_reference = True

    fold = PROTOCOL.split(faces)[0]
    given = dataclasses.replace(fold, test=fold.test[1:], reference=fold.test[:1])
    _check_reference({"a": Asking()}, {0: [given], 1: [given]})
    with pytest.raises(ValueError, match="system 'a' wants images of the test people"):
        _check_reference({"a": Asking()}, {0: [given], 1: [given, fold]})
    mixed = dataclasses.replace(fold, test=fold.test[4:], reference=fold.test[:4])
    shown = reference_of(faces, mixed)
    assert shown is not None and set(shown.expression) == {"unknown"} and reference_of(faces, fold) is None
    assert reference_name(faces, given) == f"1 {faces.expression[fold.test[0]]} image of each test person"


def test_a_digest_of_parameters_is_the_same_for_all_seeds() -> None:
    assert deciding_parameters({"epochs": 3, "seed": 1, "random_state": 2, "progress": True}) == {"epochs": 3}


def test_only_people_set_aside_from_all_folds_are_left_out(faces: Faces) -> None:
    some = person_digests(faces[faces.subject == "t/003"])
    own, aside = (TunedParameters("mean", {}, some, (), fold) for fold in (0, None))
    assert without_set_aside(faces, [own]) is faces
    assert set(faces.subject) - set(without_set_aside(faces, [own, aside]).subject) == {"t/003"}


def test_counts_are_rows_again() -> None:
    """Two images of anger taken for fear, three of fear found."""
    measured = {"classes": ["anger", "fear"], "counts": [[4, 1, 0, 1, 2], [4, 1, 1, 1, 3]]}
    rows = pooled_rows(measured)
    assert rows["true"].tolist() == ["anger"] * 2 + ["fear"] * 3 and set(rows["predicted"]) == {"fear"}
    assert set(rows["seed"]) == {4} and set(rows["fold"]) == {1}


def test_what_peeking_claims_by_hand() -> None:
    """Two folds, two epochs: the best of each fold 0.6 and 0.8; one epoch for both 0.65; the last one 0.55."""
    about = {"system": "a", "seed": 0}
    accuracy = {(0, 1): 0.6, (0, 2): 0.3, (1, 1): 0.7, (1, 2): 0.8}
    table = pd.DataFrame(
        {**about, "fold": fold, "epoch": epoch, "test_accuracy": value} for (fold, epoch), value in accuracy.items()
    )
    rows = pd.DataFrame(
        {**about, "fold": fold, "true": "x", "predicted": "x" if k < right else "y"}
        for fold, right in ((0, 3), (1, 8))
        for k in range(10)
    )
    said = peeking_claims(table, rows)
    assert "55.00 % honest" in said and "70.00 % (+15.00) with one epoch for each fold" in said
    assert "65.00 % (+10.00) with one epoch for all" in said


def test_peeking_scores_each_epoch_with_its_own_weights(faces: Faces, tmp_path: Path) -> None:
    evaluate(NearestMean(), faces, PROTOCOL, out=tmp_path, progress=False, diagnose_peeking=True)
    table = pd.read_csv(tmp_path / "peeking.csv")
    for fold in PROTOCOL.split(faces):
        test = faces[fold.test]
        for epoch in (1, 2, 3):
            by_hand = NearestMean(epochs=epoch).fit(faces[fold.train])
            right = by_hand.classes_[by_hand.predict_proba(test).argmax(axis=1)] == test.expression
            told = table.query(f"fold == {fold.index} and epoch == {epoch}")["test_accuracy"].item()
            assert told == pytest.approx(right.mean())


def test_other_folds_of_the_same_length_are_other_folds(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", several_seeds=True)
    assert len({run.task(Task(seed, 0, "a")) for seed in (0, 1, -1)}) == 3
    run.root.mkdir()
    place = run.root / "folds.csv"
    run.open({"a": 1}, {place: lambda path: path.write_text("fold,part\n0,test\n")}, {})
    with pytest.raises(ValueError, match="holds other folds"):
        run.open({"a": 1}, {place: lambda path: path.write_text("fold,part\n1,test\n")}, {})
    with pytest.raises(ValueError, match=r"holds another run \(b: nothing there, 2 now\)"):
        run.open({"a": 1, "b": 2}, {}, {})


def test_rows_keep_their_names_and_every_digit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, 2.2250738585072014e-308, 0.30000000000000004]
    rows = pd.DataFrame(
        {"fold": 0, "seed": 0, "subject": ["007", "NA", "1e5", "nan"], "true": "null", "p_null": values}
    )
    run_folder.write_csv(tmp_path / "rows.csv", rows)
    read = run_folder.read_rows(tmp_path / "rows.csv")
    assert read["subject"].tolist() == ["007", "NA", "1e5", "nan"] and set(read["true"]) == {"null"}
    assert read["p_null"].tolist() == values


def test_fits_come_by_seed_fold_and_system(faces: Faces, tmp_path: Path) -> None:
    evaluate({"b": Plain(), "a": Plain()}, faces, PROTOCOL, seeds=(10, 2), out=tmp_path / "run", progress=False)
    found = [(done["seed"], done["fold"], done["system"]) for _, done in run_folder.finished_fits(tmp_path / "run")]
    assert found == [(seed, fold, name) for seed in (2, 10) for fold in range(3) for name in "ab"]
