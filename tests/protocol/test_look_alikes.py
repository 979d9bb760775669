from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from ferdis import audit
from ferdis.faces import Faces
from ferdis.protocol.folds import Fold
from ferdis.protocol.leakage import LeakError, audit_parameters
from ferdis.protocol.look_alikes import look_alike_subjects, look_alikes_across, subject_key

ACCENT = "Zo\u00eb"
ALIKE = [
    ("7", "007"),
    ("7", "7.0"),
    ("007", "7.00"),
    ("anna", "Anna"),
    (unicodedata.normalize("NFC", ACCENT), unicodedata.normalize("NFD", ACCENT)),
    ("stra\u00dfe", "STRASSE"),
    ("anna b", "anna  b "),
    ("anna", "an\u200bna"),
    ("ck/S005", "CK/s005"),
]
UNLIKE = [("7", "70"), ("7", "7.5"), ("0", "00/0"), ("anna", "ana"), ("a/1", "b/1"), ("zoe", ACCENT), ("S07", "S7")]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_names_of_one_person_are_found_in_every_namespace(one, other):
    assert look_alike_subjects([one, other, one, "someone else"]) == [tuple(sorted((one, other)))]
    assert look_alike_subjects([f"set/{one}", f"set/{other}"]) == [tuple(sorted((f"set/{one}", f"set/{other}")))]
    assert look_alike_subjects([f"a/{one}", f"b/{other}"]) == []


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_other_names_are_left_alone(one, other):
    assert subject_key(one) != subject_key(other) and look_alike_subjects([one, other]) == []


def test_a_huge_number_is_a_name_like_any_other():
    assert look_alike_subjects(["9" * 10_000, "0" + "9" * 10_000])[0][0] == "0" + "9" * 10_000


def faces_of(subjects: list[str], seed: int = 0) -> Faces:
    n = len(subjects)
    images = np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3)).astype(np.uint8)
    table = pd.DataFrame({"expression": ["fear", "anger"] * (n // 2), "subject": subjects})
    return Faces(images, table.assign(path=[f"{seed}-{row}.png" for row in range(n)]))


FOLD = [Fold(0, np.array([0, 1, 2, 3]), np.array([], dtype=int), np.array([4, 5]))]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_the_audit_refuses_them_in_two_parts_unless_told_otherwise(one, other):
    faces = faces_of([one, one, "m", "m", other, other])
    with pytest.raises(LeakError, match=r"may be one person: .* pass allow_overlap=True") as caught:
        audit(faces, FOLD, near_duplicates=False)
    assert "0-0.png (train) and 0-4.png (test) and 1 more" in str(caught.value) and "\n" not in str(caught.value)
    assert audit(faces, FOLD, near_duplicates=False, allow_overlap=True).ok


def test_within_one_part_they_are_no_leak():
    assert audit(faces_of(["7", "7", "007", "007", "m", "m"]), FOLD, near_duplicates=False).ok


def test_every_pair_of_names_across_parts_is_found_with_its_rows():
    subject = np.array(["7", "07", "m", "m", "007", "7.0"])
    found = list(look_alikes_across(FOLD, subject, [("train", "test")]))
    assert sorted(item.names for item in found) == [("07", "007"), ("07", "7.0"), ("7", "007"), ("7", "7.0")]
    assert all(subject[item.rows[0]] == item.names[0] and subject[item.rows[1]] == item.names[1] for item in found)
    assert all(item.matches == 1 for item in found)


def test_each_fold_is_searched_in_its_own_parts():
    subject, none = np.array(["7", "m", "007", "x"]), np.array([], int)
    apart = Fold(0, np.array([0, 2]), none, np.array([1, 3]))
    shared = Fold(1, np.array([1, 2]), none, np.array([3, 0]))
    for folds in ([apart, shared], [shared, apart]):
        (found,) = look_alikes_across(folds, subject, [("train", "test")])
        assert (found.fold, found.rows, found.names) == (1, (2, 0), ("007", "7"))


class Extra(BaseEstimator):
    def __init__(self, extra_train=None):
        self.extra_train = extra_train


def test_faces_among_the_parameters_are_compared_too():
    faces, extra = faces_of(["a", "a", "m", "m", "7", "7"]), faces_of(["007", "x"], seed=1)
    with pytest.raises(LeakError, match=r"extra_train holds a name that may be an evaluated person's, 7: 1-0\.png"):
        audit_parameters(Extra(extra), faces, FOLD, near_duplicates=False)
    assert audit_parameters(Extra(extra), faces, FOLD, near_duplicates=False, allow_overlap=True) == ["extra_train"]
    assert audit_parameters(Extra(faces_of(["8", "x"], seed=1)), faces, FOLD, near_duplicates=False) == ["extra_train"]
