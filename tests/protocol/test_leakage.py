"""The audit: planted leaks are refused, clean folds pass, and the report says what was proved."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from ferdis.faces import Faces
from ferdis.protocol import Fold, LeaveOneSubjectOut, OfficialSplit, SubjectKFold, write_folds
from ferdis.protocol.audit_report import Leak
from ferdis.protocol.leakage import AuditReport, LeakError, audit, audit_list, audit_parameters

CLASSES = ("anger", "fear", "happiness")


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Different images with structure at several scales, (count, 48, 48, 3) uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((count, 48, 48, 3))
    for cells in (3, 6, 12, 24):
        total += np.kron(rng.normal(size=(count, cells, cells, 3)), np.ones((1, 48 // cells, 48 // cells, 1)))
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def people(count: int = 10, namespace: str = "ck", seed: int = 0, **columns: Any) -> Faces:
    """``count`` people with three images each."""
    table = pd.DataFrame(
        {
            "path": [f"{namespace}/S{row // 3:03d}/{CLASSES[row % 3]}.png" for row in range(3 * count)],
            "expression": [CLASSES[row % 3] for row in range(3 * count)],
            "subject": [f"{namespace}/S{row // 3:03d}" for row in range(3 * count)],
            **columns,
        }
    )
    return Faces(pictures(3 * count, seed), table)


def change(faces: Faces, row: int, image: np.ndarray) -> Faces:
    images = faces.pixels().copy()
    images[row] = image
    return Faces(images, faces.table)


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


@dataclasses.dataclass
class Model(BaseEstimator):
    """An estimator with Faces among its parameters."""

    extra_train: Any = None
    inner: Any = None


@pytest.mark.parametrize("protocol", [SubjectKFold(5), SubjectKFold(5, 0), LeaveOneSubjectOut(1)])
def test_clean_folds_pass(protocol: SubjectKFold) -> None:
    faces = people()
    report = audit(faces, protocol.split(faces))
    assert report.ok and not report.leaks and report.seen_share == 0
    assert (report.images, report.people, report.test_slots) == (30, 10, 30)
    assert report.pairs_compared == 30 * 29 // 2 - 10 * 3 and report.near_pairs == 0
    assert str(report).startswith(f"audit of {report.folds} folds, 30 images, 10 people: no leak")
    assert "0.0 % of test slots (0 of 30) show a person who is also in training" in str(report)


def test_shared_person_is_refused() -> None:
    faces = people()
    folds = SubjectKFold(5).split(faces)
    fold = folds[2]
    bad = Fold(2, fold.train[1:], fold.validation, np.append(fold.test, fold.train[0]))
    with pytest.raises(
        LeakError, match=r"^fold 2: the same person ck/S\d+: .*\(train\) and .*\(test\).*: keep all"
    ) as e:
        audit(faces, [bad])
    assert "\n" not in str(e.value)


def test_ordinary_k_fold_is_refused_with_the_share() -> None:
    """What the most copied code does: folds over images, blind to people."""
    faces = people(12)
    folds = [
        Fold(number, train, np.array([]), test)
        for number, (train, test) in enumerate(KFold(4, shuffle=True, random_state=0).split(faces.expression))
    ]
    report = audit(faces, folds, raise_on_leak=False)
    seen = sum(faces.subject[row] in faces.subject[fold.train] for fold in folds for row in fold.test)
    assert not report.ok and report.seen_slots == seen > 20
    assert f"{100 * seen / 36:.1f} % of test slots ({seen} of 36) show a person who is also in training" in str(report)


def test_same_row_twice_is_refused() -> None:
    faces = people(4)
    with pytest.raises(LeakError, match="the same image"):
        audit(faces, [Fold(0, np.arange(9), np.array([]), np.arange(8, 12))])


def test_shared_sequence_is_refused() -> None:
    sequence: list[str | None] = [f"seq{row}" for row in range(30)]
    sequence[0] = sequence[29] = "seq0"
    sequence[5] = sequence[20] = None  # no sequence is not a shared sequence
    faces = people(sequence=sequence)
    with pytest.raises(LeakError, match="the same sequence seq0"):
        audit(faces, SubjectKFold(5).split(faces))
    sequence[29] = "seq29"
    other = people(sequence=sequence)
    assert audit(other, SubjectKFold(5).split(other)).ok


@pytest.mark.parametrize("mirror", [False, True])
def test_duplicate_under_two_names_is_refused(mirror: bool) -> None:
    faces = people()
    image = faces.pixels([0])[0]
    faces = change(faces, 29, image[:, ::-1] if mirror else image)
    with pytest.raises(LeakError, match=r"fold \d: the same image \(as it is or mirrored\).*S009.*S000.*remove one"):
        audit(faces, SubjectKFold(5).split(faces), near_duplicates=False)


@pytest.mark.parametrize("kind", ["jpeg", "brightness", "mirrored jpeg"])
def test_near_duplicate_under_two_names_is_refused(kind: str) -> None:
    faces = people()
    image = faces.pixels([0])[0]
    altered = {
        "jpeg": jpeg(image),
        "brightness": np.clip(0.7 * image + 30, 0, 255).astype(np.uint8),
        "mirrored jpeg": jpeg(np.ascontiguousarray(image[:, ::-1])),
    }[kind]
    faces = change(faces, 29, altered)
    folds = SubjectKFold(5).split(faces)
    with pytest.raises(LeakError, match=r"nearly one image \(similarity (0\.9\d\d|1\.000)\)"):
        audit(faces, folds)
    assert audit(faces, folds, near_duplicates=False).ok
    report = audit(faces, folds, raise_on_leak=False)
    assert report.near_pairs == 1 and {leak.kind for leak in report.leaks} == {"near-duplicate"}


def test_the_nearest_of_several_pairs_is_shown_and_equal_images_are_no_near_pair() -> None:
    faces = people()
    first, second, third = faces.pixels([0, 1, 2])
    blurred = np.asarray(Image.fromarray(third).resize((34, 34)).resize((48, 48)))
    fold = Fold(0, np.arange(15), np.array([]), np.arange(15, 30))

    def near(faces: Faces) -> Leak:
        (leak,) = (leak for leak in audit(faces, [fold], raise_on_leak=False).leaks if leak.kind == "near-duplicate")
        return leak

    alone = {row: near(change(faces, row, image)) for row, image in ((27, blurred), (28, jpeg(second)))}
    assert alone[27].what < alone[28].what, "the words end with the similarity"
    every = change(change(change(faces, 29, first), 28, jpeg(second)), 27, blurred)
    report, leak = audit(every, [fold], raise_on_leak=False), near(every)
    assert (report.near_pairs, leak.count) == (2, 2) and leak.what == alone[28].what
    assert leak.paths == ("ck/S000/fear.png", "ck/S009/fear.png")
    assert {other.kind: other.count for other in report.leaks} == {"duplicate": 1, "near-duplicate": 2}


def test_what_is_never_tested_is_said_of_several_folds() -> None:
    faces = people()
    one = Fold(0, np.arange(15), np.array([]), np.arange(15, 24))
    assert not audit(faces, [one]).warnings, "an official split tests what it tests"
    other = Fold(1, np.arange(15, 30), np.array([]), np.arange(15))
    assert audit(faces, [one, other]).warnings == ["6 images are never tested"]
    given = dataclasses.replace(one, reference=np.arange(24, 30))
    assert not audit(faces, [given, other]).warnings, "they are given instead"


def test_a_near_duplicate_of_a_reference_image_is_refused() -> None:
    """What a calibrated system is given of a test person must not be a training image under another name."""
    faces = people()
    fold = SubjectKFold(5).split(faces)[0]
    fold = dataclasses.replace(fold, test=fold.test[1:], reference=fold.test[:1])
    faces = change(faces, int(fold.train[0]), jpeg(faces.pixels(fold.reference)[0]))
    (leak,) = audit(faces, [fold], raise_on_leak=False).leaks
    assert leak.kind == "near-duplicate" and leak.parts == ("train", "test")


def test_near_duplicates_of_one_person_are_no_leak() -> None:
    faces = people()
    faces = change(faces, 1, jpeg(faces.pixels([0])[0]))
    report = audit(faces, SubjectKFold(5).split(faces))
    assert report.ok and report.near_pairs == 0


def test_duplicates_in_one_part_are_no_leak() -> None:
    faces = people(4)
    faces = change(faces, 3, faces.pixels([0])[0])
    report = audit(faces, [Fold(0, np.arange(9), np.array([]), np.arange(9, 12))])
    assert report.ok and report.duplicate_groups == 1


def test_class_missing_from_training_is_an_error() -> None:
    table = people(4).table.assign(expression=["fear"] * 9 + ["anger"] * 3)
    faces = Faces(pictures(12), table)
    with pytest.raises(ValueError, match=r"^fold 3: no image of class anger is in training") as caught:
        audit(faces, [Fold(3, np.arange(9), np.array([]), np.arange(9, 12))])
    assert not isinstance(caught.value, LeakError)


def test_class_missing_from_a_test_part_is_a_warning() -> None:
    faces = people(4).with_table(people(4).table.assign(expression=["fear", "anger", "fear"] * 3 + ["fear"] * 3))
    report = audit(faces, [Fold(0, np.arange(9), np.array([]), np.arange(9, 12))])
    assert report.ok and "no image of class anger is in the test part of fold 0" in report.warnings
    assert "warning: no image of class anger" in str(report)


def test_reports_stay_short() -> None:
    faces = people(15).with_table(people(15).table.assign(expression=["fear"] * 44 + ["anger"]))
    report = audit(faces, LeaveOneSubjectOut().split(faces), raise_on_leak=False)
    assert "class anger is in the test part of folds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 more" in str(report)
    assert report.missing_classes == [
        "fold 14: no image of class anger is in training: use fewer folds, or leave the class out"
    ]
    mixed = [Fold(k, np.arange(45), np.array([]), np.arange(45)) for k in range(12)]
    assert len(str(audit(faces, mixed, near_duplicates=False, raise_on_leak=False)).splitlines()) < 20


def test_unknown_people_are_said_and_pictures_still_compared() -> None:
    table = people(4).table.drop(columns="subject").assign(split=["train"] * 9 + ["test"] * 3)
    images = pictures(12)
    images[10] = jpeg(images[0])
    faces = Faces(images, table)
    folds = OfficialSplit(0).split(faces)
    report = audit(faces, folds)
    assert report.people is None and any("people are not known" in line for line in report.warnings)
    assert any("near-duplicate" in line for line in report.warnings)
    images[11] = images[1]
    with pytest.raises(LeakError, match="the same image"):
        audit(Faces(images, table), folds)


def test_sets_that_may_overlap_need_the_flag() -> None:
    faces = Faces.concat([people(5, "bu3d"), people(5, "bu4d", seed=1)])
    fold = Fold(0, np.arange(15), np.array([]), np.arange(15, 30))
    with pytest.raises(LeakError, match=r"bu3d may show people of bu4d.*allow_overlap=True"):
        audit(faces, [fold])
    assert audit(faces, [fold], allow_overlap=True).ok


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (Fold(0, np.arange(20), np.array([]), np.arange(20, 31)), "test row 30 is not among 30 faces"),
        (Fold(0, np.arange(-2, 20), np.array([]), np.arange(20, 30)), "train row -2 is not among 30 faces"),
        (Fold(0, np.arange(30), np.array([]), np.array([])), "test part is empty"),
        (Fold(0, np.array([]), np.array([]), np.arange(30)), "train part is empty"),
    ],
)
def test_folds_of_other_faces(fold: Fold, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit(people(), [fold])


@pytest.mark.parametrize("wrap", ["plain", "list", "mapping", "nested", "pipeline"])
def test_test_person_planted_in_extra_train_is_refused(wrap: str) -> None:
    faces = people(10)
    planted = people(3, seed=5).with_table(people(3).table.assign(path=list("abcdefghi")))
    clean = people(4, "ja", seed=6)
    estimators = {
        "plain": lambda extra: Model(extra),
        "list": lambda extra: Model([clean, extra]),
        "mapping": lambda extra: Model({"set": extra}),
        "nested": lambda extra: Model(inner=Model(extra)),
        "pipeline": lambda extra: Pipeline([("model", Model(extra))]),
    }
    folds = SubjectKFold(5).split(faces)
    with pytest.raises(LeakError, match=r"fold 0: .*extra_train.* holds a person .* ck/S00\d: . \(.*take it out of"):
        audit_parameters(estimators[wrap](planted), faces, folds)
    assert audit_parameters(estimators[wrap](clean), faces, folds)


def test_validation_person_in_extra_train_is_refused() -> None:
    faces = people(6)
    fold = Fold(0, np.arange(12), np.arange(12, 15), np.arange(15, 18))
    validating = people(6, seed=3)[12:15]
    with pytest.raises(LeakError, match=r"ck/S004: .*\(extra_train\) and .*\(validation\)"):
        audit_parameters(Model(validating), faces, [fold])
    assert audit_parameters(Model(people(6, seed=3)[:12]), faces, [fold]) == ["extra_train"]


@pytest.mark.parametrize("near", [False, True])
def test_test_picture_in_extra_train_is_refused(near: bool) -> None:
    faces = people(6)
    image = faces.pixels([4])[0]
    extra = change(people(2, "other", seed=9), 1, jpeg(image) if near else image[:, ::-1])
    with pytest.raises(LeakError, match="nearly one image" if near else "the same image"):
        audit_parameters(Model(extra), faces, SubjectKFold(6).split(faces))
    if near:
        assert audit_parameters(Model(extra), faces, SubjectKFold(6).split(faces), near_duplicates=False)


def test_the_evaluated_faces_as_parameter_are_refused() -> None:
    faces = people(6)
    with pytest.raises(LeakError, match="extra_train holds a person"):
        audit_parameters(Model(faces), faces, SubjectKFold(6).split(faces))


def test_parameter_that_may_overlap_needs_the_flag() -> None:
    faces, extra = people(6, "bu3d"), people(3, "bu4d", seed=4)
    folds = SubjectKFold(6).split(faces)
    with pytest.raises(LeakError, match=r"extra_train holds bu4d.*allow_overlap=True"):
        audit_parameters(Model(extra), faces, folds)
    assert audit_parameters(Model(extra), faces, folds, allow_overlap=True) == ["extra_train"]


def test_a_person_who_is_called_like_a_set_is_a_person() -> None:
    faces = Faces.concat([people(5, "bu4d"), people(5, seed=1)])
    table = faces.table.assign(subject=[*faces.subject[:15], *["bu3d"] * 3, *faces.subject[18:]])
    assert audit(faces.with_table(table), [Fold(0, np.arange(15), np.array([]), np.arange(15, 30))]).ok


def test_the_image_of_the_person_who_is_evaluated_is_named() -> None:
    faces = people(6)
    extra = Faces.concat([people(2, "other", seed=9), people(1, seed=8)])
    extra = extra.with_table(extra.table.assign(path=[f"extra/{row}.png" for row in range(9)]))
    with pytest.raises(LeakError, match=r"ck/S000: extra/6\.png \(extra_train\) and ck/S000/anger\.png \(test\)"):
        audit_parameters(Model(extra), faces, SubjectKFold(6, scheme="id-ascending").split(faces))
    assert audit_parameters(Model(extra[:0]), faces, SubjectKFold(6).split(faces)) == ["extra_train"]


def test_estimators_without_faces() -> None:
    faces = people(6)
    assert audit_parameters(Model(3), faces, SubjectKFold(6).split(faces)) == []
    with pytest.raises(ValueError, match="no get_params"):
        audit_parameters(object(), faces, SubjectKFold(6).split(faces))


def test_foreign_list_is_audited_without_raising(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "fold": [0] * 4 + [1] * 4,
            "part": ["train", "train", "test", "test"] * 2,
            "path": ["a1", "b1", "a2", "c1", "a2", "c1", "a1", "b1"],
            "subject": ["A", "B", "A", "C", "A", "C", "A", "B"],
        }
    )
    rows.to_csv(tmp_path / "list.csv", index=False)
    for given in (rows, tmp_path / "list.csv"):
        report = audit_list(given)
        assert report.seen_slots == 2 and report.seen_share == 0.5
        assert "50.0 % of test slots (2 of 4) show a person who is also in training" in str(report)
        assert {leak.kind for leak in report.leaks} == {"person"}
        with pytest.raises(LeakError, match="same person A"):
            audit_list(given, raise_on_leak=True)


@pytest.mark.parametrize("subject", ["", None])
def test_people_who_are_not_all_known_are_not_known(subject: str | None) -> None:
    rows = pd.DataFrame({"fold": 0, "part": ["train", "test"], "path": ["a", "b"], "subject": ["A", subject]})
    assert audit_list(rows).people is None and audit_list(rows.assign(subject=["A", "B"])).people == 2


def test_own_list_passes_with_and_without_pixels(tmp_path: Path) -> None:
    faces = people()
    write_folds(tmp_path / "folds.csv", faces, SubjectKFold(5).split(faces))
    assert audit_list(tmp_path / "folds.csv").ok
    with_pixels = audit_list(tmp_path / "folds.csv", faces)
    assert with_pixels.ok and with_pixels.near_pairs == 0
    mixed = faces[np.random.default_rng(0).permutation(len(faces))]
    for table in (faces, mixed):
        assert audit_list(pd.read_csv(tmp_path / "folds.csv"), table).ok, "rows are found by name"
    with pytest.raises(ValueError, match="not among these faces"):
        audit_list(pd.read_csv(tmp_path / "folds.csv"), faces[:10])


def test_empty_report_reads() -> None:
    assert "people unknown: no leak" in str(AuditReport())


def leak(count: int = 1, kind: str = "person") -> Leak:
    return Leak(kind, 1, ("train", "test"), ("a.png", "b.png"), "the same person ck/S1", count)


def test_a_report_by_hand() -> None:
    report = AuditReport(
        images=1200, people=4, folds=2, test_slots=40, seen_slots=10, duplicate_groups=0, near_pairs=1,
        pairs_compared=1234, threshold=0.9, leaks=[leak(3)], missing_classes=["fold 1: no fear"],
    )  # fmt: skip
    assert report.seen_share == 0.25 and not report.ok
    assert str(report).splitlines() == [
        "audit of 2 folds, 1,200 images, 4 people: REFUSED: 2 findings",
        "  people: 25.0 % of test slots (10 of 40) show a person who is also in training",
        "  duplicates: 0 groups of identical or mirrored images in the set",
        "  near-duplicates: 1,234 pairs of different people compared, mirrored too: 1 alike (similarity over 0.9)",
        "  refused: fold 1: the same person ck/S1: a.png (train) and b.png (test) and 2 more: keep all images of a "
        "person in one part, as SubjectKFold does",
        "  refused: fold 1: no fear",
    ]


def test_what_was_not_looked_at_is_no_figure() -> None:
    assert np.isnan(AuditReport(test_slots=4, seen_slots=1).seen_share), "of people who are not known"
    assert np.isnan(AuditReport(people=4).seen_share), "of no test part"
    assert len(str(AuditReport(folds=2, images=3)).splitlines()) == 1


def test_findings_are_raised_one_by_one() -> None:
    with pytest.raises(LeakError, match=r"does$"):
        AuditReport(leaks=[leak()]).raise_on_leak()
    with pytest.raises(LeakError, match=r"does \(2 more such findings\)$"):
        AuditReport(leaks=[leak()] * 3, missing_classes=["no fear"]).raise_on_leak()
    with pytest.raises(ValueError, match=r"^no fear$"):
        AuditReport(missing_classes=["no fear", "no anger"]).raise_on_leak()
    assert not AuditReport(missing_classes=["no fear"]).ok and AuditReport().ok


def test_leaks_may_pass_and_missing_classes_may_not() -> None:
    report = AuditReport(leaks=[leak()])
    report.let_leaks_pass()
    assert "LEAKS, let pass by allow_overlap: 1 findings" in str(report) and "  leak: fold 1: " in str(report)
    clean = AuditReport()
    clean.let_leaks_pass()
    assert not clean.let_pass and str(clean).endswith("no leak")
    with pytest.raises(ValueError, match="no fear"):
        AuditReport(leaks=[leak()], missing_classes=["no fear"]).let_leaks_pass()


def test_ten_findings_are_printed() -> None:
    lines = str(AuditReport(leaks=[leak()] * 13)).splitlines()
    assert sum(line.startswith("  refused: ") for line in lines) == 10 and lines[-1] == "  ... and 3 more"


def test_thousands_of_images_take_bounded_time() -> None:
    """4,000 images, 200 people, 10 folds: 8 million pairs in seconds."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4000, 24, 24, 3)).astype(np.uint8)
    table = pd.DataFrame(
        {"expression": np.resize(CLASSES, 4000), "subject": np.repeat([f"s{k}" for k in range(200)], 20)}
    )
    faces = Faces(images, table)
    report = audit(faces, SubjectKFold().split(faces))
    assert report.ok and report.pairs_compared == 4000 * 3999 // 2 - 200 * 190
