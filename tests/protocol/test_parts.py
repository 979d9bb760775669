"""Each pair of parts compared, each seed used, each row found by its name: what a folds' test may overlook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import Pipeline

from ferdis.faces import Faces
from ferdis.protocol import (
    CalibratedKFold,
    Fold,
    LeaveOneSubjectOut,
    OfficialSplit,
    SubjectKFold,
    audit,
    partitioned,
    read_folds,
    write_folds,
)
from ferdis.protocol.across_datasets import CrossDataset, LeaveOneDatasetOut
from ferdis.protocol.dealing import carve, deal
from ferdis.protocol.image_matching import _COARSE, _Frequencies, _nearest, structure
from ferdis.protocol.leakage import LeakError, audit_parameters
from ferdis.protocol.near_duplicates import Fingerprinter, exact_duplicates, fingerprint, near_duplicates
from tests.protocol.test_leakage import Model, change, jpeg, people, pictures
from tests.protocol.test_splitters import balanced, make_faces

PARTS = ("train", "validation", "test")


@pytest.mark.parametrize(("one", "other"), [("train", "validation"), ("train", "test"), ("validation", "test")])
@pytest.mark.parametrize("shared", ["person", "row", "mirrored", "nearly"])
def test_any_two_parts_are_compared(one: str, other: str, shared: str) -> None:
    """Five people: three train, one validates, one is tested; then one thing is in two parts."""
    faces = people(5)
    rows = {"train": list(range(9)), "validation": [9, 10, 11], "test": [12, 13, 14]}
    first, second = rows[one][0], rows[other][0]
    if shared == "person":
        faces = Faces(faces.pixels(), faces.to_frame().assign(subject=np.where(
            np.arange(15) == second, faces.subject[first], faces.subject)))  # fmt: skip
    elif shared == "row":
        rows[other].append(first)
    else:
        image = faces.pixels()[first]
        faces = change(faces, second, image[:, ::-1] if shared == "mirrored" else jpeg(image))
    fold = Fold(0, *(np.array(rows[part]) for part in PARTS))
    report = audit(faces, [fold], raise_on_leak=False)
    assert {leak.parts for leak in report.leaks} == {(one, other)}
    clean = audit(people(5), [Fold(0, np.arange(9), np.arange(9, 12), np.arange(12, 15))])
    assert clean.ok and not clean.leaks


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("mirror", [False, True])
def test_reference_images_are_compared_with_every_part(part: str, mirror: bool) -> None:
    faces = people(5)
    fold = Fold(0, np.arange(9), np.arange(9, 12), np.arange(12, 14), np.array([14]))
    assert audit(faces, [fold]).ok
    row = getattr(fold, part)[0]
    copy = change(faces, 14, faces.pixels()[row][:, ::-1] if mirror else faces.pixels()[row])
    report = audit(copy, [fold], raise_on_leak=False)
    pair = {"train": ("train", "reference"), "validation": ("validation", "reference")}
    assert ("duplicate", pair.get(part, ("reference", "test"))) in {(leak.kind, leak.parts) for leak in report.leaks}


def test_two_sets_that_may_overlap_are_refused_in_either_order() -> None:
    both = Faces.concat([people(4, "bu3d", seed=1), people(4, "bu4d", seed=2)])
    rows = np.arange(24)
    for train, test in ((rows[:12], rows[12:]), (rows[12:], rows[:12])):
        with pytest.raises(LeakError, match=r"bu[34]d may show people of bu[34]d"):
            audit(both, [Fold(0, train, np.array([]), test)])


def test_the_threshold_decides_what_is_nearly_one_image() -> None:
    faces = people(4)
    noise = np.random.default_rng(0).normal(0, 12, faces.pixels()[0].shape)
    faces = change(faces, 9, np.clip(faces.pixels()[0] + noise, 0, 255).astype(np.uint8))
    found = near_duplicates(faces, threshold=0.5)
    similarity = float(found["similarity"].iloc[0])
    assert set(found.loc[0, ["first", "second"]]) == {0, 9} and 0.5 < similarity < 0.999
    fold = Fold(0, np.arange(9), np.array([]), np.arange(9, 12))
    for offset, refused in ((-0.001, True), (0.001, False)):
        report = audit(faces, [fold], threshold=similarity + offset, raise_on_leak=False)
        assert report.ok != refused and report.threshold == similarity + offset


def test_rows_without_a_sequence_are_of_none() -> None:
    sequence: list[str | None] = ["a", "a", "a", *[None] * 12]
    faces = people(5, sequence=sequence)
    assert audit(faces, SubjectKFold(5).split(faces)).ok


def test_what_is_tested_twice_is_said() -> None:
    faces = people(4)
    folds = [
        Fold(0, np.arange(6), np.array([]), np.arange(6, 12)),
        Fold(1, np.arange(6), np.array([]), np.arange(6, 9)),
    ]
    assert "3 images are tested more than once" in audit(faces, folds).warnings


def inside(kind: str, faces: Faces) -> Any:
    """An estimator that holds faces in its depths."""
    if kind == "inner":
        return Model(inner=Model(extra_train=faces))
    if kind == "pipeline":
        return Pipeline([("model", Model(extra_train=faces))])
    return Model(extra_train={"list": [faces], "tuple": (faces,), "deep": {"further": [(faces,)]}}[kind])


@pytest.mark.parametrize("kind", ["list", "tuple", "deep", "inner", "pipeline"])
@pytest.mark.parametrize("part", ["test", "validation"])
def test_faces_anywhere_in_an_estimator_are_compared_with_both_parts(kind: str, part: str) -> None:
    faces = people(5)
    fold = Fold(0, np.arange(9), np.arange(9, 12), np.arange(12, 15))
    planted = faces[getattr(fold, part)[:1]]
    with pytest.raises(LeakError, match="holds a person who is evaluated"):
        audit_parameters(inside(kind, planted), faces, [fold])
    strangers = people(2, "other", seed=3)
    assert len(audit_parameters(inside(kind, strangers), faces, [fold])) == 1
    copied = Faces(faces.pixels()[getattr(fold, part)[:1]], strangers.table[:1])
    with pytest.raises(LeakError, match="the same image"):
        audit_parameters(inside(kind, copied), faces, [fold])


def test_mirrored_is_told_from_the_first_of_its_kind() -> None:
    image = pictures(1)[0]
    four = np.stack([image[:, ::-1], image, image[:, ::-1], image])
    found = exact_duplicates(Faces(four, pd.DataFrame({"expression": ["anger"] * 4})))
    assert found["first"].tolist() == [0, 0, 0] and found["mirrored"].tolist() == [True, False, True]
    again = exact_duplicates(Faces(four[1:], pd.DataFrame({"expression": ["anger"] * 3})))
    assert again["mirrored"].tolist() == [True, False]


def test_prints_of_some_rows_are_of_these_rows() -> None:
    faces, known = people(3), Fingerprinter()
    whole = known(faces)
    rows = np.array([7, 2, 5])
    assert known(faces[rows]).key.tolist() == whole.key[rows].tolist()
    assert (known(faces[rows]).structure == whole.structure[rows]).all()


def test_images_of_two_shapes_with_the_same_bytes_are_two() -> None:
    grey = np.full((8, 4, 3), 90, np.uint8)
    assert fingerprint(grey).key != fingerprint(grey.reshape(4, 8, 3)).key == fingerprint(grey.reshape(4, 8, 3)).key


def test_a_mirror_image_is_among_the_nearest_by_sketch() -> None:
    images = pictures(30)
    images[20] = images[3][:, ::-1]
    band = _Frequencies.of(*_COARSE)
    sketches = band.sketch(np.stack([structure(image) for image in images]))
    code = torch.arange(30)
    nearest = _nearest(band, sketches, sketches, (code, code), 1)[:, 0]
    assert nearest[3] == 20 and nearest[20] == 3


# ---------------------------------------------------------------- seeds and shares


def named_sets(count: int) -> list[Faces]:
    """Data sets d0, d1, ... of ten people each, 70 images."""
    return [
        Faces(
            some.pixels(),
            some.to_frame().assign(subject=[f"{k}/{name}" for name in some.subject]),
            {"dataset": f"d{k}"},
        )
        for k, some in enumerate(balanced(10) for _ in range(count))
    ]


def test_every_seed_deals_otherwise() -> None:
    faces = balanced(30)
    official = Faces(faces.pixels(), faces.to_frame().assign(split=np.where(np.arange(210) < 140, "train", "test")))
    for make in (
        lambda seed: SubjectKFold(5, seed=seed).split(faces),
        lambda seed: OfficialSplit(0.2, seed=seed).split(official),
        lambda seed: [Fold(0, np.flatnonzero(carve(faces, 0.2, seed)), np.array([]), np.array([]))],
        lambda seed: CalibratedKFold(5, seed=seed, expression="any").split(faces),
        lambda seed: CalibratedKFold(5, reference_seed=seed, expression="any").split(faces),
        lambda seed: CrossDataset(named_sets(2)[:1], named_sets(2)[1], validation=0.3, seed=seed).split(),
        lambda seed: LeaveOneDatasetOut(named_sets(2), validation=0.3, seed=seed).split(),
    ):
        assert make(0) == make(0) and any(make(seed) != make(0) for seed in (1, 2, 3)), "another seed, another deal"


def test_partitions_test_the_same_images() -> None:
    """What is given of each person depends on the reference's seed, not on the partition."""
    faces = balanced(12)
    given = [
        np.sort(
            np.concatenate([fold.reference for fold in CalibratedKFold(4, seed=seed, expression="any").split(faces)])
        )
        for seed in (0, 1)
    ]
    assert (given[0] == given[1]).all() and len(given[0]) == 12


@pytest.mark.parametrize("share", [0.001, 0.05, 0.1, 0.25, 0.5, 0.999])
def test_a_share_is_of_people_never_none_and_never_all(share: float) -> None:
    faces = balanced(40)
    chosen = carve(faces, share, 0)
    validating, training = set(faces.subject[chosen]), set(faces.subject[~chosen])
    assert not validating & training and validating and training
    assert len(validating) == pytest.approx(np.clip(share, 0.05, 0.95) * 40, abs=2)
    assert not carve(faces, 0, 0).any()


def test_official_validation_leaves_training() -> None:
    faces = balanced(30)
    (fold,) = OfficialSplit(0.2).split(
        Faces(faces.pixels(), faces.to_frame().assign(split=np.where(np.arange(210) < 140, "train", "test")))
    )
    assert sorted([*fold.train, *fold.validation]) == list(range(140)) and fold.test.tolist() == list(range(140, 210))


def test_people_are_left_out_in_the_order_of_their_numbers() -> None:
    faces = balanced(12, 1)
    numbered = Faces(faces.pixels(), faces.to_frame().assign(subject=[f"S{k}" for k in range(12, 0, -1)]))
    folds = LeaveOneSubjectOut(1).split(numbered)
    assert [str(numbered.subject[fold.test][0]) for fold in folds] == [f"S{k}" for k in range(1, 13)]
    assert [str(numbered.subject[fold.validation][0]) for fold in folds] == [f"S{k % 12 + 1}" for k in range(1, 13)]


def test_trainings_of_partitions_never_share_a_number() -> None:
    protocols, numbers = partitioned(SubjectKFold(5, seed=3), (0, 2), 3)
    assert numbers == [0, 2, 3, 5, 6, 8] and [protocol.seed for protocol in protocols] == [3, 3, 4, 4, 5, 5]
    with pytest.raises(ValueError, match="leaves nothing to chance"):
        partitioned(LeaveOneSubjectOut(), (0, 1), 2)


def test_a_rare_class_is_dealt_before_frequent_ones() -> None:
    """Four people have one image of a rare class each; two subsets get two of these people each."""
    counts = np.zeros((12, 3), dtype=np.int64)
    counts[:, 0] = 20
    counts[:4, 1] = 1
    counts[:, 2] = counts[:, :2].sum(axis=1)
    for seed in range(8):
        subset = deal(np.array([f"p{k:02d}" for k in range(12)]), counts, 2, seed)
        assert np.bincount(subset[:4], minlength=2).tolist() == [2, 2] == (np.bincount(subset) - 4).tolist()


def test_sets_left_out_validate_on_training_people_alone() -> None:
    protocol = LeaveOneDatasetOut(named_sets(3), validation=0.2)
    origin = protocol.faces.table["dataset"].to_numpy()
    for k, fold in enumerate(protocol.split()):
        assert set(origin[fold.test]) == {f"d{k}"} and f"d{k}" not in {*origin[fold.train], *origin[fold.validation]}
        assert len(fold.validation) and not set(fold.train) & set(fold.validation)
        assert len(fold.train) + len(fold.validation) == 140


def test_sets_that_are_not_named_are_in_no_part() -> None:
    faces = LeaveOneDatasetOut(named_sets(3)).faces
    origin = faces.table["dataset"].to_numpy()
    (fold,) = CrossDataset(["d0"], "d2", validation=0.2).split(faces)
    assert set(origin[fold.test]) == {"d2"} and set(origin[[*fold.train, *fold.validation]]) == {"d0"}
    first, second = LeaveOneDatasetOut(["d1", "d0"]).split(faces)
    assert [set(origin[fold.test]) for fold in (first, second)] == [{"d1"}, {"d0"}]
    assert [set(origin[fold.train]) for fold in (first, second)] == [{"d0"}, {"d1"}]


def test_a_test_set_among_the_training_sets_is_known_by_its_name() -> None:
    read = "".join(["d", "1"])  # equal to the other name, and another object
    with pytest.raises(ValueError, match="the test set is among the training sets"):
        CrossDataset(["d0", "d1"], read)


# ---------------------------------------------------------------- names, not places


def test_a_list_finds_its_rows_and_people_by_name(tmp_path: Path) -> None:
    faces = balanced(10)
    write_folds(tmp_path / "folds.csv", faces, SubjectKFold(5).split(faces))
    order = np.random.default_rng(1).permutation(len(faces))
    shuffled = faces[order]
    found = read_folds(tmp_path / "folds.csv", shuffled)
    for fold, right in zip(found, SubjectKFold(5).split(faces), strict=True):
        for part in PARTS:
            assert set(shuffled.table["path"].iloc[getattr(fold, part)]) == set(
                faces.table["path"].iloc[getattr(right, part)]
            )


def test_numbers_of_the_same_paths_in_two_sets_stay_apart() -> None:
    both = [make_faces([f"{name}/p{k}" for k in (0, 0, 1, 1)], ["anger", "fear"] * 2) for name in "ab"]
    named = [Faces(some.pixels(), some.table, {"dataset": name}) for some, name in zip(both, "ab", strict=True)]
    faces = LeaveOneDatasetOut(named).faces
    assert sorted(faces.table["path"]) == sorted(f"{name}/{k:04d}.png" for name in "ab" for k in range(4))
