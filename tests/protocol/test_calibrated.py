"""The calibration slice: a protocol of its own, for systems that declare it; the plain baseline; rows that say so."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from ferdis import evaluate
from ferdis.evaluation.verify import verify
from ferdis.faces import Faces
from ferdis.protocol import CalibratedKFold, LeakError, SubjectKFold, audit, audit_list, read_folds, write_folds
from ferdis.report import write_report
from ferdis.systems.person_mean import PersonMean

pytestmark = pytest.mark.usefixtures("quick")

NAMES = ("anger", "happiness", "neutral")


def make_faces(people: int = 12, each: int = 3, seed: int = 0) -> Faces:
    """Images of a person's own grey, a little more or less for the expression: unreadable for strangers."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"expression": name, "subject": f"t/{person:02d}", "path": f"{person:02d}/{name}-{k}.png"}
        for person in range(people)
        for name in NAMES
        for k in range(each)
    )
    grey = random.uniform(60, 190, people)[table["subject"].str[2:].astype(int)]
    shift = table["expression"].map({"anger": -15, "happiness": 15, "neutral": 0}).to_numpy()
    images = (grey + shift)[:, None, None, None] + random.normal(0, 6, (len(table), 8, 8, 3))
    return Faces(np.clip(images, 0, 255).astype(np.uint8), table, {"dataset": "greys"})


class Grey(BaseEstimator):
    """Features are mean greys of the whole and of the upper half; classes by the nearest class mean of the first."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, faces: Faces, y: Any = None) -> Grey:
        self.classes_ = np.array(faces.classes)
        value = self.transform(faces)[:, 0]
        self.means_ = np.array([value[faces.expression == name].mean() for name in self.classes_])
        return self

    def transform(self, faces: Faces) -> np.ndarray:
        pixels = faces.pixels().astype(float)
        return np.stack([pixels.mean(axis=(1, 2, 3)), pixels[:, :4].mean(axis=(1, 2, 3))], axis=1)

    def predict_proba(self, faces: Faces) -> np.ndarray:
        score = np.exp(-abs(self.transform(faces)[:, :1] - self.means_) / 10)
        return score / score.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        np.savetxt(Path(folder) / "means.txt", self.means_)
        (Path(folder) / "classes.txt").write_text("\n".join(self.classes_))

    @classmethod
    def load(cls, folder: Path) -> Grey:
        found = cls()
        found.means_ = np.loadtxt(Path(folder) / "means.txt")
        found.classes_ = np.array((Path(folder) / "classes.txt").read_text().split())
        return found


@given(people=st.integers(4, 9), images=st.integers(0, 2), seed=st.integers(0, 5), data=st.data())
@settings(max_examples=25, deadline=None)
def test_reference_images_are_of_test_people_and_tested_by_nobody(people: int, images: int, seed: int, data) -> None:
    faces = make_faces(people)
    protocol = CalibratedKFold(4, images=images, seed=seed)
    strict = SubjectKFold(4, seed=seed).split(faces)
    names, tested = faces.table["path"].to_numpy(str), []
    order = np.random.default_rng(seed).permutation(len(faces))
    for fold, plain, other in zip(protocol.split(faces), strict, protocol.split(faces[order]), strict=True):
        assert set(fold.test) | set(fold.reference) == set(plain.test) and not set(fold.test) & set(fold.reference)
        assert np.array_equal(fold.train, plain.train) and set(faces.expression[fold.reference]) == {"neutral"}
        assert pd.Series(faces.subject[fold.reference]).value_counts().eq(images or 3).all()
        assert set(faces.subject[fold.reference]) == set(faces.subject[fold.test])
        assert set(names[order][other.reference]) == set(names[fold.reference])  # whatever the order of the rows
        tested += fold.test.tolist()
    assert len(tested) == len(set(tested)) == len(faces) - people * (images or 3)
    assert audit(faces, protocol.split(faces)).ok


def test_fold_lists_keep_the_reference(tmp_path: Path) -> None:
    faces = make_faces(6)
    folds = CalibratedKFold(3).split(faces)
    write_folds(tmp_path / "folds.csv", faces, folds)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # every face is tested or given: none is missing
        assert read_folds(tmp_path / "folds.csv", faces)[1] == folds[1]
    assert "reference=2" in repr(folds[0]) and audit_list(tmp_path / "folds.csv").ok


def test_a_reference_that_leaks_is_refused() -> None:
    import dataclasses

    faces = make_faces(6)
    fold = CalibratedKFold(3).split(faces)[0]
    tested = dataclasses.replace(fold, test=np.concatenate([fold.test, fold.reference]))
    with pytest.raises(LeakError, match="the same image"):
        audit(faces, [tested])
    trained = dataclasses.replace(fold, reference=fold.train[:2], train=fold.train[2:])
    with pytest.raises(LeakError, match="the same person"):
        audit(faces, [trained])
    pixels = faces.pixels().copy()
    pixels[fold.test[0]] = pixels[fold.reference[0]][:, ::-1]
    with pytest.raises(LeakError, match="the same image"):
        audit(Faces(pixels, faces.table), [fold])


def test_people_without_a_reference_are_named() -> None:
    faces = make_faces(6)
    some = faces[(faces.subject != "t/03") | (faces.expression != "neutral")]
    with pytest.raises(ValueError, match=r"1 people have no neutral image \(t/03\)"):
        CalibratedKFold(3).split(some)
    assert len(CalibratedKFold(3, expression="any", images=2).split(some)[0].reference) == 4
    with pytest.raises(ValueError, match="has reference images alone"):
        CalibratedKFold(3, expression="any", images=9).split(faces)


def test_the_baseline_reads_what_strangers_hide(tmp_path: Path) -> None:
    systems = {"grey": Grey(), "grey-mean": PersonMean(Grey())}
    found = evaluate(systems, make_faces(20), CalibratedKFold(5), out=tmp_path / "run", progress=False)
    right = found.rows.assign(right=found.rows["true"] == found.rows["predicted"]).groupby("system")["right"].mean()
    assert right["grey-mean"] > 0.95 and right["grey"] < 0.75
    given = found.rows.groupby("system")["reference"].unique()
    assert given["grey"].tolist() == ["none"] and given["grey-mean"].tolist() == ["1 neutral image of each test person"]
    page = write_report([tmp_path / "run"], mistakes=0).read_text()
    lead = page[page.index('<div class="lead">') : page.index("<nav>")]
    assert "grey-mean was given 1 neutral image of each test person" in lead and "as a control" in lead


def test_the_strict_protocol_refuses_it() -> None:
    with pytest.raises(ValueError, match=r"wants images of the test people .*calibrated-kfold"):
        evaluate(PersonMean(Grey()), make_faces(6), SubjectKFold(3), progress=False)
    with pytest.raises(ValueError, match="needs reference="):
        PersonMean(Grey()).fit(make_faces(4)).predict_proba(make_faces(4))
    with pytest.raises(ValueError, match="no reference image of t/03"):
        PersonMean(Grey()).fit(make_faces(4)).predict_proba(make_faces(4), make_faces(3))
    with pytest.raises(ValueError, match="needs an estimator that has features"):
        PersonMean().check()


def test_labels_of_mixed_references_are_hidden() -> None:
    class Looks(Grey):
        uses_reference = True

        def predict_proba(self, faces: Faces, reference: Faces) -> np.ndarray:
            assert set(reference.expression) == {"unknown"} and set(reference.subject) == set(faces.subject)
            return super().predict_proba(faces)

    protocol = CalibratedKFold(3, expression="any", images=2)
    rows = evaluate(Looks(), make_faces(6), protocol, progress=False).rows
    assert set(rows["reference"]) == {"2 images of each test person"}


def test_runs_of_both_protocols_are_not_paired(tmp_path: Path) -> None:
    faces = make_faces(6)
    evaluate(Grey(), faces, CalibratedKFold(3), out=tmp_path / "calibrated", progress=False)
    evaluate(Grey(), faces, SubjectKFold(3), out=tmp_path / "strict", progress=False)
    page = write_report([tmp_path / "calibrated", tmp_path / "strict"], mistakes=0).read_text()
    assert "is not paired with calibrated: one of them may give images of the test people" in page


def test_saved_and_verified_with_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ferdis.systems.person_mean as module

    monkeypatch.setattr(module, "SYSTEMS", {"grey": "x"})
    monkeypatch.setattr(module, "get", lambda name: Grey)
    faces = make_faces(6)
    evaluate(PersonMean(Grey()), faces, CalibratedKFold(3), out=tmp_path / "run", progress=False)
    found = verify(tmp_path / "run", faces=faces)
    assert found.ok, str(found)
    (tmp_path / "run/fold-00/personmean/person_mean.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match="was changed since it was saved"):
        PersonMean.load(tmp_path / "run/fold-00/personmean")
