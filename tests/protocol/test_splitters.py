"""Folds: subject-exclusive, complete, stable, and readable by others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from ferdis.faces import SEVEN_EXPRESSIONS, Faces
from ferdis.protocol import (
    Fold,
    FoldList,
    LeaveOneSubjectOut,
    OfficialSplit,
    SubjectKFold,
    partitioned,
    read_folds,
    repeat,
    row_names,
    write_folds,
)
from ferdis.protocol.dealing import ascending


def make_faces(subjects: list[str] | np.ndarray, expressions: list[str] | np.ndarray, **columns: object) -> Faces:
    table = pd.DataFrame({"expression": expressions, "subject": subjects, **columns})
    if "path" not in table:
        table["path"] = [f"{row:04d}.png" for row in range(len(table))]
    return Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table)


def balanced(people: int, each: int = 7) -> Faces:
    subjects = np.repeat([f"ck/S{person:03d}" for person in range(people)], each)
    return make_faces(subjects, np.resize(SEVEN_EXPRESSIONS, people * each))


@st.composite
def labelled_people(draw: st.DrawFn) -> tuple[Faces, int]:
    """Faces with any label and subject counts, and a number of folds that the people can fill."""
    n_splits = draw(st.integers(2, 10))
    sizes = draw(st.lists(st.integers(1, 12), min_size=n_splits, max_size=25))
    classes = draw(st.integers(1, 7))
    seed = draw(st.integers(0, 2**16))
    labels = np.random.default_rng(seed).integers(0, classes, sum(sizes))
    subjects = np.repeat([f"p{person}" for person in range(len(sizes))], sizes)
    return make_faces(subjects, np.array(SEVEN_EXPRESSIONS)[labels]), n_splits


def parts(fold: Fold) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return fold.train, fold.validation, fold.test


@pytest.mark.parametrize("scheme", ["stratified", "id-ascending"])
@given(drawn=labelled_people(), seed=st.integers(0, 5), data=st.data())
@settings(max_examples=60, deadline=None)
def test_folds_are_exclusive_complete_and_stable(
    scheme: str, drawn: tuple[Faces, int], seed: int, data: st.DataObject
) -> None:
    faces, n_splits = drawn
    validation = data.draw(st.integers(0, n_splits - 2))
    protocol = SubjectKFold(n_splits, validation, scheme, seed)  # type: ignore[arg-type]
    folds = protocol.split(faces)
    assert len(folds) == protocol.get_n_splits() == n_splits
    for fold in folds:
        people = [set(faces.subject[rows]) for rows in parts(fold)]
        assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]
        assert np.array_equal(np.sort(np.concatenate(parts(fold))), np.arange(len(faces)))
        assert len(fold.train) and len(fold.test) and bool(len(fold.validation)) == bool(validation)
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(faces)))
    assert protocol.split(faces) == folds

    order = np.random.default_rng(seed).permutation(len(faces))
    shuffled = protocol.split(faces[order])
    for fold, again in zip(folds, shuffled, strict=True):
        for rows, rows_again in zip(parts(fold), parts(again), strict=True):
            assert np.array_equal(rows, np.sort(order[rows_again]))


@given(drawn=labelled_people(), share=st.floats(0.0, 0.6))
@settings(max_examples=40, deadline=None)
def test_official_split_carves_people(drawn: tuple[Faces, int], share: float) -> None:
    faces, _ = drawn
    test_people = sorted(set(faces.subject))[::3]
    split = np.where(np.isin(faces.subject, test_people), "test", "train")
    faces = faces.with_table(faces.table.assign(split=split))
    if share and len(set(faces.subject) - set(test_people)) < 2:
        with pytest.raises(ValueError, match="validation=0"):
            OfficialSplit(share).split(faces)
        return
    (fold,) = OfficialSplit(share).split(faces)
    assert np.array_equal(fold.test, np.flatnonzero(split == "test"))
    assert np.array_equal(np.sort(np.concatenate([fold.train, fold.validation])), np.flatnonzero(split == "train"))
    assert not set(faces.subject[fold.train]) & set(faces.subject[fold.validation])
    assert len(fold.train) and bool(len(fold.validation)) == (share > 0)


def test_published_folds_do_not_change() -> None:
    """These lists are part of published results: a change of the dealing must not go unnoticed."""
    faces = make_faces([f"S{person}" for person in range(12)], ["fear", "anger", "sadness"] * 4)
    tests = [fold.test.tolist() for fold in SubjectKFold(4, 1, seed=0).split(faces)]
    assert tests == [[1, 2, 3], [0, 7, 11], [5, 9, 10], [4, 6, 8]]


def test_validation_is_the_next_subset() -> None:
    folds = SubjectKFold(10, 1).split(balanced(20))
    for fold, after in zip(folds, folds[1:] + folds[:1], strict=True):
        assert np.array_equal(fold.validation, after.test)
    assert [len(fold.train) for fold in folds] == [8 * 14] * 10
    two = SubjectKFold(5, 2).split(balanced(20))
    assert np.array_equal(two[4].validation, np.sort(np.concatenate([two[0].test, two[1].test])))


def test_id_ascending_takes_every_tenth_person() -> None:
    subjects = [f"S{number}" for number in range(1, 31)]  # S9 before S10: numbers, not letters
    faces = make_faces(subjects[::-1], ["fear"] * 30)
    folds = SubjectKFold(10, scheme="id-ascending").split(faces)
    assert sorted(faces.subject[folds[0].test]) == ["S1", "S11", "S21"]
    assert sorted(faces.subject[folds[9].test]) == ["S10", "S20", "S30"]


def test_stratified_balances_rare_classes_and_sizes() -> None:
    """An unbalanced set: 10 images of the rare class, in people of very different sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 20, 100)
    subjects = np.repeat([f"p{person}" for person in range(100)], sizes)
    labels = rng.choice(["neutral", "happiness"], len(subjects), p=[0.7, 0.3]).astype("<U9")
    labels[np.cumsum(sizes)[::10] - 1] = "disgust"  # one image of each tenth person
    faces = make_faces(subjects, labels)
    folds = SubjectKFold(10).split(faces)
    sizes_of_tests = [len(fold.test) for fold in folds]
    assert max(sizes_of_tests) - min(sizes_of_tests) <= 3
    for name, spread in (("disgust", 1), ("neutral", 3), ("happiness", 3)):
        counts = [int((faces.expression[fold.test] == name).sum()) for fold in folds]
        assert max(counts) - min(counts) <= spread, name


def test_seeds_give_other_folds() -> None:
    faces = balanced(30)
    first, second = (protocol.split(faces) for protocol in repeat(SubjectKFold(10), (1, 2)))
    assert first != second
    assert SubjectKFold(10).with_seed(1).split(faces) == first
    with pytest.raises(ValueError, match="nothing to chance"):
        LeaveOneSubjectOut().with_seed(1)  # type: ignore[type-var]


def test_leave_one_subject_out() -> None:
    faces = balanced(4, each=3)
    folds = LeaveOneSubjectOut(validation_subjects=1).split(faces)
    assert [set(faces.subject[fold.test]) for fold in folds] == [{f"ck/S00{k}"} for k in range(4)]
    assert set(faces.subject[folds[3].validation]) == {"ck/S000"}
    assert LeaveOneSubjectOut().get_n_splits(faces) == 4
    with pytest.raises(ValueError, match="1 people are too few"):
        LeaveOneSubjectOut().split(balanced(1))


def test_too_few_people_say_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"^9 people cannot fill 10 .*n_splits=9 or fewer, or LeaveOneSubjectOut$"):
        SubjectKFold().split(balanced(9))


def test_missing_subjects_say_the_way_out() -> None:
    faces = Faces(np.zeros((2, 2, 2, 3), np.uint8), pd.DataFrame({"expression": ["fear", "anger"]}))
    for protocol in (SubjectKFold(2, 0), LeaveOneSubjectOut()):
        with pytest.raises(ValueError, match="subject column"):
            protocol.split(faces)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_splits": 1}, "at least 2"),
        ({"n_splits": 3, "validation_folds": 2}, "choose 0 to 1"),
        ({"scheme": "random"}, "'stratified' or 'id-ascending'"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SubjectKFold(**arguments)
    with pytest.raises(ValueError, match="share"):
        OfficialSplit(1.0)
    with pytest.raises(ValueError, match="0 or more"):
        LeaveOneSubjectOut(-1)


def test_official_split_without_people_is_stratified() -> None:
    labels = np.array(["fear"] * 40 + ["anger"] * 200)
    table = pd.DataFrame(
        {"expression": labels, "split": ["train"] * 239 + ["test"], "path": np.arange(240).astype(str)}
    )
    faces = Faces(np.zeros((240, 2, 2, 3), np.uint8), table)
    (fold,) = OfficialSplit(0.1).split(faces)
    assert (labels[fold.validation] == "fear").sum() == 4 and len(fold.validation) == 24
    (again,) = OfficialSplit(0.1, seed=1).split(faces)
    assert again != fold
    named = faces.with_table(table.assign(split=["train"] * 200 + ["val"] * 20 + ["test"] * 20))
    assert np.array_equal(OfficialSplit(0.1).split(named)[0].validation, np.arange(200, 220))


def test_parts_of_an_official_split_are_read_as_people_write_them() -> None:
    faces = balanced(3, each=1)
    (fold,) = OfficialSplit().split(faces.with_table(faces.table.assign(split=[" Train", "TEST ", "Val"])))
    assert (fold.train.tolist(), fold.test.tolist(), fold.validation.tolist()) == ([0], [1], [2])


def test_the_seed_decides_among_people_with_about_as_many_images() -> None:
    """In the order of exact numbers every seed would give the same folds."""
    subjects = np.repeat([f"P{number}" for number in range(12)], np.arange(20, 32))
    faces = make_faces(subjects, np.resize(["fear", "anger"], len(subjects)))
    tested = [
        {frozenset(faces.subject[fold.test]) for fold in SubjectKFold(4, seed=seed).split(faces)} for seed in (0, 1)
    ]
    assert tested[0] != tested[1]


def test_official_split_errors() -> None:
    faces = balanced(4)
    with pytest.raises(ValueError, match="no 'split' column"):
        OfficialSplit().split(faces)
    with pytest.raises(ValueError, match=r"row 1 \(0001.png\) has split 'tset'"):
        OfficialSplit().split(faces.with_table(faces.table.assign(split=["train", "tset"] * 14)))
    with pytest.raises(ValueError, match="no row has split 'test'"):
        OfficialSplit().split(faces.with_table(faces.table.assign(split="train")))
    alone = np.where(faces.subject == faces.subject[0], "train", "test")
    with pytest.raises(ValueError, match="one training person cannot both train and validate"):
        OfficialSplit().split(faces.with_table(faces.table.assign(split=alone)))


def test_parameters_and_repr() -> None:
    protocol = SubjectKFold(5, validation_folds=0, seed=3)
    assert protocol.get_params() == {"n_splits": 5, "validation_folds": 0, "scheme": "stratified", "seed": 3}
    assert repr(protocol) == "SubjectKFold(n_splits=5, validation_folds=0, scheme='stratified', seed=3)"
    assert repr(Fold(1, [1], [], [0])) == "Fold(1: train=1, validation=0, test=1)"  # type: ignore[arg-type]


def test_fold_is_frozen() -> None:
    fold = Fold(0, np.array([2, 1]), np.array([]), np.array([0]))
    assert fold.train.tolist() == [1, 2] and fold.validation.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        fold.train[0] = 5
    assert fold == dataclasses.replace(fold) != dataclasses.replace(fold, index=1)
    assert fold != dataclasses.replace(fold, reference=np.array([3]))


def test_fold_list_round_trip(tmp_path: Path) -> None:
    faces = balanced(12)
    folds = SubjectKFold(6).split(faces)
    write_folds(tmp_path / "run" / "folds.csv", faces, folds)
    table = pd.read_csv(tmp_path / "run" / "folds.csv", dtype=str)
    assert list(table.columns) == ["fold", "part", "subject", "path"]
    assert len(table) == 6 * len(faces) and [p.name for p in (tmp_path / "run").iterdir()] == ["folds.csv"]
    order = np.random.default_rng(0).permutation(len(faces))
    again = FoldList(tmp_path / "run" / "folds.csv").split(faces[order])
    for fold, other in zip(folds, again, strict=True):
        assert np.array_equal(fold.test, np.sort(order[other.test]))
        assert np.array_equal(fold.validation, np.sort(order[other.validation]))
    assert read_folds(tmp_path / "run" / "folds.csv", faces) == folds


def test_fold_2_comes_before_fold_10(tmp_path: Path) -> None:
    faces = balanced(24)
    folds = SubjectKFold(12).split(faces)
    write_folds(tmp_path / "folds.csv", faces, folds[::-1])
    assert [fold.index for fold in read_folds(tmp_path / "folds.csv", faces)] == list(range(12))


def test_fold_list_of_others_without_subject_or_namespace(tmp_path: Path) -> None:
    faces = balanced(3, each=1)
    file = tmp_path / "list.csv"
    file.write_text("fold,part,path\n1,train,0000.png\n1,val,0001.png\n1,test,0002.png\n")
    (fold,) = read_folds(file, faces)
    assert fold == Fold(1, np.array([0]), np.array([1]), np.array([2]))
    file.write_text("fold,part,path,subject\n1,train,0000.png,S000\n1,test,0002.png,ck/S002\n")
    assert read_folds(file, faces)[0].test.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: it needs a header line"),
        ("fold,path\n0,a\n", "column part is missing"),
        ("fold,part,path\n", "no rows"),
        ("fold,part,path\n0,train,0000.png\nx,test,0001.png\n", "line 3: fold is not a whole number"),
        ("fold,part,path\n0,train,0000.png\n1.5,test,0001.png\n", "line 3: fold is not a whole number"),
        ("fold,part,path\n0,tset,0000.png\n", "line 2: part is none of train, validation, test"),
        ("fold,part,path\n0,test,\n", "line 2: path is empty"),
        ("fold,part,path\n0,train,0000.png\n0,test,gone.png\n", r"1 of 2 images of the list .*gone.png"),
        ("fold,part,path\n0,train,0000.png\n0,test," + "x" * 9000 + "\n", r"1 of 2 images of the list .*x\.\.\.x"),
        ("fold,part,path,subject\n0,test,0000.png,S999\n", "line 2: 0000.png shows S999 in the list but ck/S000"),
    ],
)
def test_fold_list_errors_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_folds(file, balanced(3, each=1))
    assert str(file) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_fold_list_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such fold list"):
        FoldList(tmp_path / "none.csv").split(balanced(3))


def test_fold_list_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"folds\.csv cannot be written"):
        write_folds(tmp_path / "file" / "folds.csv", balanced(2), [])


def test_fold_list_warns_of_faces_that_are_never_tested(tmp_path: Path) -> None:
    faces = balanced(6, each=2)
    write_folds(tmp_path / "folds.csv", faces, SubjectKFold(6).split(faces)[:5])
    with pytest.warns(UserWarning, match="2 of 12 faces are in no test part"):
        read_folds(tmp_path / "folds.csv", faces)


def test_row_names() -> None:
    faces = balanced(2, each=1)
    assert row_names(faces).tolist() == ["0000.png", "0001.png"]
    assert row_names(faces.with_table(faces.table.drop(columns="path"))).tolist() == ["row-000000", "row-000001"]
    with pytest.raises(ValueError, match=r"rows 0 and 1 have one path, a.png"):
        row_names(faces.with_table(faces.table.assign(path="a.png")))
    with pytest.raises(ValueError, match="row 1 has no path"):
        row_names(faces.with_table(faces.table.assign(path=["a.png", None])))


class MajorityOfFaces(ClassifierMixin, BaseEstimator):
    """A classifier that takes Faces, to be run by scikit-learn."""

    def fit(self, faces: Faces, y: np.ndarray) -> MajorityOfFaces:
        assert isinstance(faces, Faces) and len(faces) == len(y)
        self.classes_ = np.unique(y)
        self.dummy_ = DummyClassifier().fit(np.zeros((len(y), 1)), y)
        return self

    def predict(self, faces: Faces) -> np.ndarray:
        return self.dummy_.predict(np.zeros((len(faces), 1)))


@pytest.mark.parametrize("protocol", [SubjectKFold(5, 0), SubjectKFold(5, 1), LeaveOneSubjectOut()])
def test_protocols_work_in_cross_val_score(protocol: SubjectKFold) -> None:
    faces = balanced(10)
    scores = cross_val_score(MajorityOfFaces(), faces, faces.expression, cv=protocol)  # type: ignore[arg-type]
    assert scores == pytest.approx(np.full(protocol.get_n_splits(faces), 1 / 7))


def test_scikit_learn_splitter_works_on_faces() -> None:
    faces = balanced(10)
    splitter = StratifiedGroupKFold(5)
    for train, test in splitter.split(faces, faces.expression, faces.subject):
        assert not set(faces[train].subject) & set(faces[test].subject)
    scores = cross_val_score(MajorityOfFaces(), faces, faces.expression, groups=faces.subject, cv=splitter)
    assert len(scores) == 5


def test_partitions_deal_the_people_anew_and_number_the_trainings():
    faces = balanced(30)
    protocols, seeds = partitioned(SubjectKFold(5, seed=3), (0, 1), 3)
    assert seeds == [0, 1, 2, 3, 4, 5] and [part.seed for part in protocols] == [3, 3, 4, 4, 5, 5]
    tests = [[fold.test.tolist() for fold in part.split(faces)] for part in protocols]
    assert tests[0] == tests[1] != tests[2] == tests[3] != tests[4]
    assert partitioned(SubjectKFold(5), (7,), 1) == (SubjectKFold(5), [7])
    for protocol, message in (
        (SubjectKFold(5, scheme="id-ascending"), "one partition, not 3"),
        (LeaveOneSubjectOut(), "leaves nothing to chance"),
        ([SubjectKFold(5)], "one protocol with a seed"),
    ):
        with pytest.raises(ValueError, match=message):
            partitioned(protocol, (0,), 3)


def test_every_number_in_an_id_counts_as_a_number() -> None:
    names = np.array(["a/S10-2", "a/S9-10", "a/S9-9", "b/S1", "a/S9", "a/S09-9"])
    assert names[ascending(names)].tolist() == ["a/S9", "a/S09-9", "a/S9-9", "a/S9-10", "a/S10-2", "b/S1"]
