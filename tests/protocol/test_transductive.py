"""All tested images of a person at once: a protocol of its own, whose labels nobody is given, and rows that say so."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from ferdis import evaluate
from ferdis.evaluation.fit_and_score import class_probabilities
from ferdis.evaluation.verify import verify
from ferdis.faces import Faces
from ferdis.protocol import (
    CalibratedKFold,
    LeakError,
    SubjectKFold,
    TransductiveKFold,
    audit,
    audit_list,
    read_folds,
    write_folds,
)
from ferdis.report import write_report
from ferdis.systems.person_mean import PersonMean
from tests.protocol.test_calibrated import Grey, make_faces

pytestmark = pytest.mark.usefixtures("quick")

TOGETHER = "all tested images of each test person together"


class Looks(Grey):
    """Keeps what it is given."""

    uses_reference = True
    given: ClassVar[list[tuple[Faces, Faces]]] = []  # of all copies: an evaluation fits and loads copies

    def predict_proba(self, faces: Faces, reference: Faces) -> np.ndarray:
        self.given.append((faces, reference))
        return super().predict_proba(faces)


@pytest.fixture(autouse=True)
def nothing_given() -> None:
    Looks.given.clear()


@pytest.mark.parametrize("seed", [0, 3])
def test_folds_are_those_by_subject_and_the_reference_is_what_is_tested(seed: int) -> None:
    faces = make_faces(9)
    folds = TransductiveKFold(4, validation_folds=1, seed=seed).split(faces)
    for fold, strict in zip(folds, SubjectKFold(4, validation_folds=1, seed=seed).split(faces), strict=True):
        assert fold == dataclasses.replace(strict, reference=strict.test)
        assert fold.transductive and not strict.transductive
    assert not any(fold.transductive for fold in CalibratedKFold(3).split(faces))
    assert audit(faces, folds).ok


def test_a_reference_of_some_tested_images_leaks_and_so_does_one_of_training_people() -> None:
    faces = make_faces(6)
    fold = TransductiveKFold(3).split(faces)[0]
    with pytest.raises(LeakError, match="the same image"):
        audit(faces, [dataclasses.replace(fold, reference=fold.test[:-1])])
    with pytest.raises(LeakError, match="the same image"):
        audit(faces, [dataclasses.replace(fold, reference=np.concatenate([fold.test, fold.train[:1]]))])
    with pytest.raises(LeakError, match="the same person"):
        audit(faces, [dataclasses.replace(fold, reference=fold.train[:2], train=fold.train[2:])])


def test_fold_lists_keep_it(tmp_path: Path) -> None:
    faces = make_faces(6)
    folds = TransductiveKFold(3).split(faces)
    write_folds(tmp_path / "folds.csv", faces, folds)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_folds(tmp_path / "folds.csv", faces) == folds
    assert audit_list(tmp_path / "folds.csv").ok


@pytest.mark.parametrize("classes", [("anger", "happiness", "neutral"), ("anger",)])
def test_labels_are_hidden_even_where_a_fold_tests_one_class(classes: tuple[str, ...]) -> None:
    faces = make_faces(6)
    folds = [
        dataclasses.replace(fold, test=rows, reference=rows)
        for fold in TransductiveKFold(3).split(faces)
        for rows in [fold.test[np.isin(faces.expression[fold.test], classes)]]
    ]
    rows = evaluate(Looks(), faces, folds, progress=False).rows
    assert set(rows["reference"]) == {TOGETHER}
    for tested, reference in Looks.given:
        assert set(reference.expression) == {"unknown"}
        np.testing.assert_array_equal(reference.pixels(), tested.pixels())
        np.testing.assert_array_equal(reference.subject, tested.subject)


def test_a_persons_images_together_tell_what_each_alone_does_not(tmp_path: Path) -> None:
    systems = {"grey": Grey(), "grey-mean": PersonMean(Grey(), reference="any")}
    found = evaluate(systems, make_faces(20), TransductiveKFold(5), out=tmp_path / "run", progress=False)
    right = found.rows.assign(right=found.rows["true"] == found.rows["predicted"]).groupby("system")["right"].mean()
    assert right["grey-mean"] > 0.95 and right["grey"] < 0.75
    given = found.rows.groupby("system")["reference"].unique()
    assert given["grey"].tolist() == ["none"] and given["grey-mean"].tolist() == [TOGETHER]
    assert len(found.rows) == 2 * len(make_faces(20)), "every image is tested"
    page = write_report([tmp_path / "run"], mistakes=0).read_text()
    lead = page[page.index('<div class="lead">') : page.index("<nav>")]
    assert f"grey-mean was given {TOGETHER}: this is not the strict protocol" in lead and "as a control" in lead


def test_runs_are_paired_with_no_strict_one(tmp_path: Path) -> None:
    evaluate(Grey(), make_faces(6), TransductiveKFold(3), out=tmp_path / "together", progress=False)
    evaluate(Grey(), make_faces(6), SubjectKFold(3), out=tmp_path / "strict", progress=False)
    page = write_report([tmp_path / "together", tmp_path / "strict"], mistakes=0).read_text()
    assert "strict is not paired with together: one of them may give images of the test people" in page


def test_verified_with_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.systems.person_mean.SYSTEMS", {"grey": "x"})
    monkeypatch.setattr("ferdis.systems.person_mean.get", lambda name: Grey)
    faces, system = make_faces(6), PersonMean(Grey(), reference="any", features="both")
    evaluate(system, faces, TransductiveKFold(3), out=tmp_path / "run", progress=False)
    given = []

    def looked_at(system: Any, tested: Faces, classes: Any, reference: Faces) -> np.ndarray:
        given.append((set(tested.subject), set(reference.subject), len(reference)))
        return class_probabilities(system, tested, classes, reference)

    monkeypatch.setattr("ferdis.evaluation.verify.class_probabilities", looked_at)
    found = verify(tmp_path / "run", faces=faces)
    assert found.ok, str(found)
    assert len(given) == 3 and all(people >= tested and len(people) == 2 and n == 18 for tested, people, n in given)
    assert PersonMean.load(tmp_path / "run/fold-00/personmean").features == "both"


def test_under_stress_the_images_given_are_those_that_are_tested(tmp_path: Path) -> None:
    evaluate(Looks(), make_faces(3, each=1), TransductiveKFold(3), out=tmp_path / "run", stress=True, progress=False)
    clean = [tested for tested, _ in Looks.given[:3]]
    assert len(Looks.given) > 3
    for tested, reference in Looks.given:
        np.testing.assert_array_equal(reference.pixels(), tested.pixels())
        assert set(reference.expression) == {"unknown"}
    changed: list[Any] = [tested for tested, _ in Looks.given[3:]]
    assert any(not any(np.array_equal(one.pixels(), other.pixels()) for other in clean) for one in changed)


def test_in_a_calibrated_protocol_the_reference_stays_clean_under_stress(tmp_path: Path) -> None:
    evaluate(Looks(), make_faces(3, each=2), CalibratedKFold(3), out=tmp_path / "run", stress=True, progress=False)
    references = {reference.pixels().tobytes() for _, reference in Looks.given}
    assert len(Looks.given) > 3 and len(references) == 3, "one of each fold"
    assert all(pd.unique(reference.expression).tolist() == ["neutral"] for _, reference in Looks.given)
