from __future__ import annotations

import shutil

import pytest

from ferdis.datasets import ckplus as official
from ferdis.datasets import load
from ferdis.datasets.ck48 import build_table
from tests.datasets.trees import ck48, ckplus, picture


def test_same_people_sequences_and_labels_as_ckplus(tmp_path):
    small, _ = build_table(ck48(tmp_path / "CK+48"))
    large, _ = official.build_table(ckplus(tmp_path / "official"))
    columns = ["subject", "sequence", "frame", "expression"]
    rows = [sorted(table[columns].itertuples(index=False, name=None)) for table in (small, large)]
    assert rows[0] == rows[1] and len(rows[0]) == 15


@pytest.mark.parametrize(
    "names",
    [
        {"anger": "Anger", "happy": "HAPPINESS"},
        {"happy": "happiness", "sadness": "Sad", "disgust": "Disgusted"},
    ],
)
def test_spelling_nesting_and_companion_files_do_not_matter(tmp_path, names):
    plain, _ = build_table(ck48(tmp_path / "a"))
    root = ck48(tmp_path / "b" / "CK+48" / "CK+48", names)
    (next(root.iterdir()) / "._S010_004_00000008.png").write_bytes(b"x")
    other, _ = build_table(tmp_path / "b")
    columns = ["subject", "sequence", "frame", "expression"]
    assert sorted(map(tuple, plain[columns].values)) == sorted(map(tuple, other[columns].values))


def test_six_classes(tmp_path):
    table, notes = build_table(ck48(tmp_path), expressions=6)
    assert len(table) == 12 and "contempt" not in set(table["expression"])
    assert "12 images (published 927)" in notes[0] and "contempt" not in notes[0]


def test_incomplete_sequences_are_named(tmp_path):
    root = ck48(tmp_path)
    (root / "anger" / "S010_004_00000007.png").unlink()
    _, notes = build_table(root)
    assert "sequences without exactly 3 images (1): ck/S010/004 (2)" in notes


@pytest.mark.parametrize(
    ("add", "message"),
    [
        ("anger/other.png", r"anger/other.png is not named as in CK\+48: expected CK\+48/\{anger"),
        ("hapy/S011_001_00000001.png", r"folder 'hapy' is no expression; did you mean 'happiness'\?"),
        (
            "fear/S010_004_00000008.png",
            r"fear/S010_004_00000008.png is there a second time as anger/S010_004_00000008",
        ),
        (
            "fear/S010_004_00000009.png",
            r"fear/S010_004_00000009.png: another frame of its sequence is anger/S010_004_",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, add, message):
    root = ck48(tmp_path)
    picture(root / add, 1)
    with pytest.raises(ValueError, match=message) as caught:
        build_table(root)
    assert "\n" not in str(caught.value)
    problems: list = []
    assert len(build_table(root, problems=problems)[0]) >= 15 and len(problems) == 1


def test_no_pictures(tmp_path):
    (tmp_path / "anger").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no ck48 pictures: expected CK\+48/\{anger,contempt"):
        build_table(tmp_path)


def test_pictures_are_taken_as_they_are(tmp_path):
    from PIL import Image

    faces = load("ck48", root=ck48(tmp_path), cache=False, progress=False)
    assert faces.shape == (15, 48, 48, 3)
    with Image.open(tmp_path / faces.table["path"][0]) as image:
        assert (faces.pixels([0])[0] == image).all()
    shutil.rmtree(tmp_path / "contempt")
    assert len(load("ck48", root=tmp_path, cache=False, progress=False)) == 12
