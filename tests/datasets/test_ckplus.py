from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferdis.datasets import load
from ferdis.datasets.ckplus import EMOTIONS, SEQUENCES, build_table, published_counts
from ferdis.datasets.tree import WITH_CONTEMPT
from ferdis.faces import AU_COLUMNS, SIX_EXPRESSIONS, Faces
from tests.datasets.trees import CK_SEQUENCES, ck48, ckplus, picture


def test_official_layout(tmp_path):
    table, notes = build_table(ckplus(tmp_path))
    assert len(table) == 15 and table["path"].is_unique
    peak = table[table["sequence"] == "ck/S005/001"]
    assert list(peak["frame"]) == [9, 10, 11] and list(peak["position"]) == [2, 1, 0]
    assert set(peak["expression"]) == {"disgust"} and set(peak["subject"]) == {"ck/S005"}
    assert dict(table.groupby("sequence")["expression"].first()) == {
        "ck/S005/001": "disgust",
        "ck/S010/001": "surprise",
        "ck/S010/002": "happiness",
        "ck/S010/004": "anger",
        "ck/S138/008": "contempt",
    }
    assert "ck/S005/002" not in set(table["sequence"])  # it has no label
    assert notes[0].startswith("counts differ from the published ones: 15 images (published 981), 5 sequences (publ")


@pytest.mark.parametrize(
    "variant",
    [
        {"emotion": "Emotion_labels/Emotion"},
        {"emotion": "emotion_labels", "images": "extended-cohn-kanade-images/cohn-kanade-images"},
        {"images": "CK+/Cohn-Kanade-Images", "emotion": "CK+/EMOTION"},
        {"upper": True},
        {"doubles": True},
        {"images": "A/cohn-kanade-images", "emotion": "B/C/Emotion"},
    ],
)
def test_variants_give_the_same_rows(tmp_path, variant):
    plain, _ = build_table(ckplus(tmp_path / "plain"))
    other, _ = build_table(ckplus(tmp_path / "other" / "nested", **variant).parent)
    pd.testing.assert_frame_equal(plain.drop(columns="path"), other.drop(columns="path"))
    assert not other["path"].str.contains(r"\._").any()


def test_six_classes_drop_contempt(tmp_path):
    table, notes = build_table(ckplus(tmp_path), expressions=6)
    assert len(table) == 12 and "contempt" not in set(table["expression"])
    assert "(published 927)" in notes[0] and "contempt" not in notes[0]


@pytest.mark.parametrize(
    ("frames", "neutral", "counts"),
    [
        ("last", None, {"neutral": 0, "disgust": 1}),
        ("last3", "first", {"neutral": 5, "disgust": 3}),
        ("first+last", None, {"neutral": 5, "disgust": 1}),
        ("last", "first", {"neutral": 5, "disgust": 1}),
        ("last2", None, {"neutral": 0, "disgust": 2}),
    ],
)
def test_frame_rules(tmp_path, frames, neutral, counts):
    table, _ = build_table(ckplus(tmp_path), frames=frames, neutral=neutral)
    assert {name: int((table["expression"] == name).sum()) for name in counts} == counts
    first = table[table["expression"] == "neutral"]
    assert (first["frame"] == 1).all() and first[list(AU_COLUMNS)].isna().all(axis=None)


def test_first_frame_is_not_taken_twice_from_a_short_sequence(tmp_path):
    table, notes = build_table(ckplus(tmp_path), frames="last5", neutral="first")
    assert table["path"].is_unique
    s010_001 = table[table["sequence"] == "ck/S010/001"]  # five frames: all are the peak's
    assert len(s010_001) == 5 and set(s010_001["expression"]) == {"surprise"}
    assert notes[0].startswith("sequences too short for the frames asked for (2): ck/S010/001 (5 fr")


def test_facs_codes_become_intensities(tmp_path):
    table, _ = build_table(ckplus(tmp_path))
    row = table.iloc[0]
    assert row["AU04"] == 4 and np.isnan(row["AU09"]) and row["AU12"] == 0 and np.isnan(row["AU45"])
    assert row["facs"] == "4d+9+27b" and row["AU27"] == 2  # a unit outside the 17 has a column of its own
    present = {name: row[f"{name}_present"] for name in ("AU04", "AU09", "AU12", "AU27")}
    assert present == {"AU04": 1, "AU09": 1, "AU12": 0, "AU27": 1} and np.isnan(row["AU45_present"])
    Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table)  # in range
    table, _ = build_table(ckplus(tmp_path / "without", facs=False))
    assert not set(AU_COLUMNS) & set(table)


def test_codes_are_the_peak_s_and_unknown_without_a_file(tmp_path):
    root = ckplus(tmp_path)
    shutil.rmtree(root / "FACS/S010")
    (root / "FACS/S005/001/S005_001_00000005_facs.txt").write_text("1.0 5.0\n")  # on the way to the peak
    (root / "FACS/S138/008/S138_008_00000009_facs.txt").write_text("45.0 0.0\n14.0 5.0\n")
    table = build_table(root)[0].set_index("sequence")
    units = [name for name in table if name.startswith("AU")]
    assert len(units) == 2 * 18 and table.loc["ck/S010/001", [*units, "facs"]].isna().all(axis=None)
    peak, blink = table.loc["ck/S005/001"].iloc[-1], table.loc["ck/S138/008"].iloc[-1]
    assert (peak["AU04"], peak["AU01"], peak["facs"]) == (4, 0, "4d+9+27b")
    assert (blink["AU14"], blink["AU45_present"], blink["facs"]) == (5, 1, "14e+45") and np.isnan(blink["AU45"])


def test_numbers_of_the_emotions_are_the_published_ones(tmp_path):
    names = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
    for label in range(1, 8):
        for folder, end in (("cohn-kanade-images", ".png"), ("Emotion", "_emotion.txt")):
            path = tmp_path / folder / f"S{label:03d}" / "001" / f"S{label:03d}_001_00000001{end}"
            path.parent.mkdir(parents=True)
            path.write_text(f"   {label}.0000000e+00\n")
    table, _ = build_table(tmp_path, frames="last")
    assert list(table["expression"]) == names and list(table["subject"]) == [f"ck/S{k:03d}" for k in range(1, 8)]
    # Lucey et al. 2010, Table 3
    assert [published_counts(names)[f"sequences of {name}"] for name in names] == [45, 18, 59, 25, 69, 28, 83]


@pytest.mark.parametrize("line", ["4 nine", "4", "4 9", "4 nan", "1e30 3", "4.5 3", "0 1", "-4 1", "inf 1"])
def test_unreadable_facs_is_a_note_not_a_loss(tmp_path, line):
    root = ckplus(tmp_path)
    (root / "FACS/S005/001/S005_001_00000011_facs.txt").write_text(f"{line}\n")
    table, notes = build_table(root)
    assert len(table) == 15 and table.loc[table["sequence"] == "ck/S005/001", "AU04"].isna().all()
    assert any("FACS files that are not rows of unit and intensity 0..5 (1): FACS/S005/001" in note for note in notes)


@pytest.mark.parametrize("text", ["8.0", "0", "", "happy", "nan", "inf", "3.7", "1e30", "3" * 5000])
def test_label_without_a_name(tmp_path, text):
    root = ckplus(tmp_path)
    (root / "Emotion/S010/001/S010_001_00000005_emotion.txt").write_text(text)
    with pytest.raises(ValueError, match=r"S010_001_00000005_emotion.txt: label '.*' has no name; known are 1 anger"):
        build_table(root)


def test_missing_images_and_cut_sequences_are_named(tmp_path):
    root = ckplus(tmp_path)
    shutil.rmtree(root / "cohn-kanade-images/S010/004")
    (root / "cohn-kanade-images/S005/001/S005_001_00000011.png").unlink()
    table, notes = build_table(root)
    assert any(
        note.startswith("sequences that do not end at the labelled peak, images are missing (1): ck/S005")
        for note in notes
    )
    assert notes[-1] == "labelled sequences without images (1): ck/S010/004"
    assert len(table) == 12


def test_people_without_any_label_are_named_when_counts_differ(tmp_path):
    root = ckplus(tmp_path)
    shutil.rmtree(root / "Emotion/S138")
    _, notes = build_table(root)
    assert notes[-1] == "people with images and no label (1): ck/S138"


def test_two_copies_under_one_root(tmp_path):
    ckplus(tmp_path / "a")
    ckplus(tmp_path / "b")
    with pytest.raises(ValueError, match=r"is there a second time as a/.*: give root= one copy of CK\+"):
        build_table(tmp_path)


def test_labels_twice_are_one_if_they_agree(tmp_path):
    root = ckplus(tmp_path)
    shutil.copytree(root / "Emotion", root / "Emotion_labels" / "Emotion")
    assert len(build_table(root)[0]) == 15
    (root / "Emotion_labels/Emotion/S010/001/S010_001_00000005_emotion.txt").write_text("1.0")
    with pytest.raises(ValueError, match=r"S010_001_00000005_emotion.txt is there a second time as Emotion/S010/001"):
        build_table(root)


def test_ck48_beside_it_is_not_counted(tmp_path):
    root = ckplus(tmp_path)
    ck48(root / "CK+48")
    assert len(build_table(root)[0]) == 15


def test_folders_that_are_not_ckplus(tmp_path):
    picture(tmp_path / "S005" / "001" / "S005_001_00000001.png", 0)
    with pytest.raises(FileNotFoundError, match=r"holds no CK\+ emotion labels: expected cohn-kanade-images/S005/001/"):
        build_table(tmp_path)
    (tmp_path / "x").mkdir()
    picture(tmp_path / "x" / "a.png", 0)
    with pytest.raises(FileNotFoundError, match=r"holds no CK\+ images"):
        build_table(tmp_path / "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expressions": 9}, "expressions=9: choose 6, 7, 8 or names"),
        ({"frames": "peak"}, "frames='peak': choose 'last3'"),
        ({"frames": "all3"}, "frames='all3'"),
        ({"frames": "last0"}, "frames='last0'"),
        ({"neutral": "last"}, "neutral='last': choose 'first'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_table(ckplus(tmp_path), **arguments)


def test_eight_classes_take_the_first_frames_as_neutral(tmp_path):
    table, _ = build_table(ckplus(tmp_path), expressions=8, frames="last")
    assert dict(table["expression"].value_counts()) == {
        "neutral": 5, "disgust": 1, "surprise": 1, "happiness": 1, "anger": 1, "contempt": 1,
    }  # fmt: skip
    table, _ = build_table(tmp_path, expressions="seven", frames="last")  # DECGAN's rule: six and neutral
    assert set(table["expression"]) == {"neutral", "disgust", "surprise", "happiness", "anger"} and len(table) == 8


def test_published_counts_are_the_papers():
    seven, six = published_counts(WITH_CONTEMPT), published_counts(SIX_EXPRESSIONS)
    assert (seven["images"], seven["sequences"], seven["subjects"]) == (981, 327, 118)
    assert (six["images"], six["sequences"]) == (927, 309) and "sequences of contempt" not in six


def test_whole_set_is_silent(tmp_path):
    """327 labelled sequences of 118 people with the published class counts: nothing to say, 981 rows."""
    classes = [number for number, name in EMOTIONS.items() for _ in range(SEQUENCES[name])]
    for index, label in enumerate(classes):
        subject, number = f"S{index % 118:03d}", f"{index // 118 + 1:03d}"
        images, labels = (
            tmp_path / "cohn-kanade-images" / subject / number,
            tmp_path / "Emotion" / subject / number,
        )
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for frame in range(1, 5):
            (images / f"{subject}_{number}_{frame:08d}.png").touch()
        (labels / f"{subject}_{number}_00000004_emotion.txt").write_text(f"{label}.0")
    for expressions, images in ((7, 981), (6, 927)):
        table, notes = build_table(tmp_path, expressions=expressions)
        assert len(table) == images and notes == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sequences=st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.none() | st.integers(1, 7), st.integers(1, 6)),
        min_size=1,
        max_size=6,
    ),
    count=st.integers(1, 4),
    neutral=st.sampled_from([None, "first"]),
)
def test_no_frame_is_lost_or_doubled(tmp_path_factory, sequences, count, neutral):
    """Each labelled sequence gives its last frames, and its first once more only if it is not one of them."""
    root = tmp_path_factory.mktemp("ck")
    expected = []
    for (person, number), (label, frames) in sequences.items():
        subject, name = f"S{person:03d}", f"{number:03d}"
        images, labels = root / "cohn-kanade-images" / subject / name, root / "Emotion" / subject / name
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for frame in range(1, frames + 1):
            (images / f"{subject}_{name}_{frame:08d}.png").touch()
        if label:
            (labels / f"{subject}_{name}_{frames:08d}_emotion.txt").write_text(f"  {label:.7e}\n")
            last = list(range(max(1, frames - count + 1), frames + 1))
            expected += [(f"ck/{subject}/{name}", frame, EMOTIONS[label]) for frame in last]
            if neutral and last[0] > 1:
                expected.append((f"ck/{subject}/{name}", 1, "neutral"))
    if not any(label for label, _ in sequences.values()):
        with pytest.raises(FileNotFoundError):
            build_table(root)
        return
    table, _ = build_table(root, frames=f"last{count}", neutral=neutral)
    rows = list(table[["sequence", "frame", "expression"]].itertuples(index=False, name=None))
    assert sorted(rows) == sorted(expected)


def test_loads_pixels(tmp_path):
    faces = load("ckplus", root=ckplus(tmp_path), align=False, cache=False, image_size=16, progress=False)
    assert faces.shape == (15, 16, 16, 3) and len(set(faces.subject)) == len(CK_SEQUENCES)
