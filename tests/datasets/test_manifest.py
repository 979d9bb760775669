from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferdis.datasets import load
from ferdis.datasets.check import check
from ferdis.datasets.manifest import build_table
from ferdis.faces import EXPRESSIONS
from ferdis.protocol import SubjectKFold
from tests.datasets import layouts
from tests.datasets.trees import manifest, noise, picture

SHARED = Path(os.environ.get("FERDIS_SHARED", Path(__file__).parents[3] / "shared"))


def test_reads_every_column(tmp_path):
    root = manifest(
        tmp_path / "mine",
        ["images/1.png, Happy ,001,31,train,,2.5,", "2.png,fear,002,,test,a,,0"],
        "Path,expression,Subject,age,split,sequence,AU01,au45",
    )
    table, notes = build_table(root)
    assert notes == []
    assert list(table["path"]) == ["images/1.png", "2.png"]
    assert list(table["expression"]) == ["happiness", "fear"]
    assert list(table["subject"]) == ["mine/001", "mine/002"]  # a name stays text
    assert table["age"][0] == 31 and np.isnan(table["age"][1])
    assert list(table["split"]) == ["train", "test"]
    assert pd.isna(table["sequence"][0]) and table["sequence"][1] == "mine/002/a"
    assert table["AU01"][0] == 2.5 and np.isnan(table["AU01"][1])
    assert np.isnan(table["AU45"][0]) and table["AU45"][1] == 0


def test_frames_are_numbers_and_what_is_not_coded_is_not_0(tmp_path):
    root = manifest(
        tmp_path, ["1.png,fear,01,7,10,", "2.png,fear,01,7,9,2"], "path,expression,subject,sequence,frame,AU04"
    )
    table, _ = build_table(root, namespace="n")
    assert list(table["frame"]) == [10, 9] and table["frame"].idxmin() == 1
    assert list(table["sequence"]) == ["n/01/7"] * 2 and np.isnan(table["AU04"][0]) and table["AU04"][1] == 2


def test_a_further_column_is_numbers_only_if_all_of_it_is(tmp_path):
    root = manifest(
        tmp_path,
        ["1.png,fear,a,31,31", "2.png,fear,a,about 40,", "3.png,fear,b,,40"],
        "path,expression,subject,age,years",
    )
    table, _ = build_table(root)
    assert table["age"].dropna().tolist() == ["31", "about 40"]
    assert table["years"].dropna().tolist() == [31, 40] and table["years"].isna().tolist() == [False, True, False]


def test_blanks_around_values_are_not_part_of_them(tmp_path):
    root = manifest(tmp_path, ["1.png ,fear ,anna ,x ,train "], "path,expression,subject,site,split")
    table, _ = build_table(root, namespace="n")
    assert table.loc[0].to_dict() == {
        "path": "1.png", "expression": "fear", "subject": "n/anna", "site": "x", "split": "train",
    }  # fmt: skip


def test_namespace_makes_two_copies_one_set(tmp_path):
    for copy in ("a", "b"):
        table, _ = build_table(manifest(tmp_path / copy, ["1.png,fear,x"]), namespace="set")
        assert table["subject"][0] == "set/x"


def test_loads_pixels(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,a", "2.png,anger,b"])
    faces = load("manifest", root=root, align=False, cache=False, image_size=16, namespace="n")
    assert faces.shape == (2, 16, 16, 3) and list(faces.subject) == ["n/a", "n/b"]  # a name, not a missing value
    assert faces.attrs["dataset"] == "n"


def test_dropped_classes_are_counted_and_said(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,a", "2.png,contempt,a", "3.png,neutral,b", "4.png,contempt,b"])
    table, notes = build_table(root, expressions="seven")
    assert list(table["expression"]) == ["fear", "neutral"]
    assert notes == ["dropped 2 of 4 rows outside the chosen expressions: contempt 2"]
    with pytest.raises(
        ValueError, match="no row has one of the expressions anger: the data has contempt, fear, neutral"
    ):
        build_table(root, expressions=["anger"])


def test_own_labels(tmp_path):
    root = manifest(tmp_path, ["1.png,4,a", "2.png,0,a"])
    table, _ = build_table(root, labels={"4": "happiness", "0": "neutral"})
    assert list(table["expression"]) == ["happiness", "neutral"]
    table, notes = build_table(root)
    assert list(table["expression"]) == ["4", "0"]
    assert notes == ["classes besides the eight expressions (2): 0 1, 4 1"]


def test_any_names_are_classes(tmp_path):
    root = manifest(tmp_path, ["1.png,engaged,a", "2.png,pain 3,a", "3.png,happy,b", "4.png,engaged,b"])
    table, notes = build_table(root)
    assert list(table["expression"]) == ["engaged", "pain 3", "happiness", "engaged"]
    assert notes == ["classes besides the eight expressions (2): engaged 2, pain 3 1"]
    kept, notes = build_table(root, expressions=["engaged", "happy"])
    assert list(kept["expression"]) == ["engaged", "happiness", "engaged"]
    assert notes[0] == "dropped 1 of 4 rows outside the chosen expressions: pain 3 1"


def test_a_likely_misspelling_is_refused_until_it_is_declared(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,a", "2.png,madness,a", "3.png,neutral,b"])
    with pytest.raises(ValueError, match=r"line 3: expression 'madness' of 2.png: did you mean 'sadness'\?") as caught:
        build_table(root)
    assert "{'madness': 'madness'} keeps it" in str(caught.value)
    for labels, name in (({"madness": "madness"}, "madness"), ({"madness": "anger"}, "anger")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nor is it doubted again
            faces = load("manifest", root=root, labels=labels, align=False, cache=False, image_size=16, progress=False)
        assert faces.expression[1] == name


def test_spellings_that_differ_in_case_alone_are_refused(tmp_path):
    root = manifest(tmp_path, ["1.png,Engaged,a", "2.png,engaged,a", "3.png,very-bored,b", "4.png,very bored,b"])
    with pytest.raises(ValueError, match=r"line 3: expression 'engaged' .*there is 'Engaged' too.*\(1 more: "):
        build_table(root)
    table, _ = build_table(root, labels={"Engaged": "engaged", "very-bored": "very bored"})
    assert list(table["expression"]) == ["engaged", "engaged", "very bored", "very bored"]


GOOD = "ok.png,fear,a"


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        ([GOOD, "2.png,nan,a"], None, r"faces.csv line 3: 2.png has no expression: label it"),
        ([GOOD, "2.png,,a"], None, r"line 3: 2.png has no expression"),
        (
            [GOOD, "2.png,hapiness,a"],
            None,
            r"line 3: expression 'hapiness' of 2.png: did you mean 'happiness'",
        ),
        ([GOOD, "2.png,fear,"], None, r"line 3: 2.png has no subject: name the person"),
        ([GOOD, "ok.png,anger,b"], None, r"line 3: ok.png was already named in line 2"),
        ([GOOD, "./x/../ok.png,fear,a"], None, r"line 3: ok.png was already named in line 2"),
        ([GOOD, "gone.jpg,fear,a"], None, r"line 3: .*gone.jpg does not exist"),
        ([GOOD, ",fear,a"], None, r"line 3: the path is empty"),
        (["ok.png,fear,a,7"], "path,expression,subject,AU04", r"line 2: AU04 is '7'; an intensity is 0 to 5"),
        (["ok.png,fear,a,x"], "path,expression,subject,AU04", r"line 2: AU04 is 'x'"),
        (["ok.png,fear,a,-1"], "path,expression,subject,AU04", r"line 2: AU04 is '-1'; an intensity is 0 to 5"),
        (["ok.png,fear,a"], "path,expresion,subject", r"no column 'expression'; did you mean 'expresion'\?"),
        (
            ["ok.png,fear,a"],
            "file,expression,subject",
            r"no column 'path' \(it has file, expression, subject\)",
        ),
        (["ok.png;fear;a"], "path;expression;subject", r"not comma-separated"),
        (["ok.png,fear,a,b"], "path,expression,subject,Subject", r"two columns 'subject'"),
        (["ok.png,fear,a,b,c"], None, r"lines have more values than the header has columns"),
        ([GOOD, "2.png,fear,a,b"], None, r"Expected 3 fields in line 3, saw 4"),
        ([], None, r"faces.csv has a header and no rows"),
    ],
)
def test_bad_manifest_is_one_line_naming_file_and_row(tmp_path, lines, header, message):
    root = manifest(tmp_path, lines, header or "path,expression,subject")
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        build_table(root)
    assert "\n" not in str(caught.value) and "faces.csv" in str(caught.value)


def test_missing_or_empty_csv(tmp_path):
    picture(tmp_path / "1.png", 0)
    with pytest.raises(FileNotFoundError, match=r"faces.csv does not exist: it lists path, expression"):
        build_table(tmp_path)
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(FileNotFoundError, match=r"the folder has labels.csv: name it with csv="):
        build_table(tmp_path)
    with pytest.raises(ValueError, match=r"labels.csv is empty: it needs a header line"):
        build_table(tmp_path, csv="labels.csv")


def test_without_subjects(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,train,a", "2.png,anger,test,b"], "path,expression,split,subjct")
    table, notes = build_table(root)
    assert "subject" not in table and list(table["split"]) == ["train", "test"]
    assert notes[0] == (
        "no column 'subject'; did you mean 'subjct'?: these faces can be fitted and predicted, not split by person"
    )
    assert build_table(root, without_subjects=True)[1] == []
    faces = load("manifest", root=root, align=False, cache=False, image_size=16, progress=False)
    with pytest.raises(ValueError, match="have no subject column"):
        SubjectKFold(2, validation_folds=0).split(faces)


def test_several_problems_are_counted(tmp_path):
    root = manifest(tmp_path, ["1.png,fearr,a", "2.png,,a", "3.png,fear,a"])
    with pytest.raises(ValueError, match=r"did you mean 'fear'.* \(1 more: `ferdis check manifest --root"):
        build_table(root)


words = st.sampled_from([*EXPRESSIONS, "happy", "Sad", "hapy", "", "nan"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(0, 8), words, st.sampled_from(["a", "b", "007", ""])), min_size=1, max_size=12)
)
def test_no_row_is_lost_or_doubled(tmp_path_factory, rows):
    """Each line is in the table once or named in the problems once; never both, never neither."""
    root = tmp_path_factory.mktemp("rows")
    for number in range(8):  # image 8 does not exist
        picture(root / f"{number}.png", number, (4, 4))
    lines = [f"{number}.png,{label},{person}" for number, label, person in rows]
    (root / "faces.csv").write_text("\n".join(["path,expression,subject", *lines]) + "\n")
    problems: list = []
    table, _ = build_table(root, problems=problems)
    named = Counter(line - 2 for problem in problems for line in problem.places)
    assert set(named.values()) <= {1}
    right = [row for row in range(len(rows)) if row not in named]
    assert list(table["path"]) == [f"{rows[row][0]}.png" for row in right]
    assert list(table["subject"].str.split("/").str[1]) == [rows[row][2] for row in right]
    assert table["path"].is_unique


WORDS = ["", "None", "NA", "null", "n/a", "nan", " NaN ", "N/A", "<NA>"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("column", "message"),
    [("path", "the path is empty"), ("expression", "2.png has no expression"), ("subject", "2.png has no subject")],
)
def test_words_for_nothing_are_no_values(tmp_path, word, column, message):
    row = {"path": "2.png", "expression": "fear", "subject": "b"} | {column: word}
    picture(tmp_path / "2.png", 2)
    root = manifest(tmp_path, [GOOD, ",".join(row.values())])
    with pytest.raises(ValueError, match=f"line 3: {message}"):
        build_table(root)


@pytest.mark.parametrize("word", WORDS)
def test_words_for_nothing_in_further_columns_are_missing(tmp_path, word):
    lines = [f"1.png,fear,a,{word},{word},{word},{word}", "2.png,fear,b,2,x,train,s1"]
    table, _ = build_table(manifest(tmp_path, lines, "path,expression,subject,AU01,note,split,sequence"))
    assert table.loc[0, ["AU01", "note", "split", "sequence"]].isna().all()
    assert table.loc[1, "AU01"] == 2 and table.loc[1, "note"] == "x"
    assert table.loc[1, "sequence"] == f"{tmp_path.name}/b/s1"


def test_a_label_of_the_file_s_own_may_be_called_none(tmp_path):
    root = manifest(tmp_path, ["1.png,none,a"])
    assert list(build_table(root, labels={"none": "neutral"})[0]["expression"]) == ["neutral"]


def test_without_subjects_an_empty_column_is_no_column(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,,train", "2.png,anger,NA,test"], "path,expression,subject,split")
    assert "subject" not in build_table(root, without_subjects=True)[0]
    manifest(root, ["1.png,fear,anna,train", "2.png,anger,,test"], "path,expression,subject,split")
    with pytest.raises(ValueError, match=r"line 3: 2\.png has no subject"):  # some people are known
        build_table(root, without_subjects=True)


@pytest.mark.parametrize("name", ["subject", "age"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, name):
    root = manifest(tmp_path, ["1.png,fear,a,30,b"], f"path,expression,subject,age,{name}")
    what = rf"faces.csv has two columns '{name}' \(the {'3rd' if name == 'subject' else '4th'} and the 5th\): remove"
    with pytest.raises(ValueError, match=what):
        build_table(root)
    with pytest.raises(ValueError, match=what):
        check("manifest", root=root)


def test_absolute_paths_and_paths_out_of_the_folder_are_followed(tmp_path):
    elsewhere = picture(tmp_path / "elsewhere" / "1.png", 1)
    root = manifest(tmp_path / "mine", [f"{elsewhere},fear,a", "../elsewhere/../elsewhere/1.png,anger,a"])
    picture(tmp_path / "elsewhere" / "2.png", 2)
    with pytest.raises(ValueError, match=r"line 3: \.\./elsewhere/1\.png was already named in line 2"):
        build_table(root)
    manifest(root, [f"{elsewhere},fear,a", "../elsewhere/2.png,anger,a"])
    faces = load("manifest", root=root, align=False, cache=False, image_size=8, progress=False)
    assert list(faces.table["path"]) == [elsewhere.as_posix(), "../elsewhere/2.png"] and faces.pixels().any()


def test_a_frame_of_a_video_may_be_a_row(tmp_path):
    pytest.importorskip("av", reason="videos need PyAV")
    layouts.video(tmp_path / "clips" / "1.avi", 3)
    root = manifest(tmp_path, ["clips/1.avi#0,fear,a", "clips/1.avi#2,anger,a", "clips/2.avi#0,fear,a"])
    with pytest.raises(FileNotFoundError, match=r"line 4: .*clips/2\.avi#0 does not exist"):
        build_table(root)
    manifest(root, ["clips/1.avi#0,fear,a", "clips/1.avi#2,anger,a"])
    faces = load("manifest", root=root, align=False, cache=False, image_size=8, progress=False)
    assert [int(image.mean().round(-1)) for image in faces.pixels()] == [0, 20]


def test_a_long_value_is_quoted_in_part(tmp_path):
    root = manifest(tmp_path, [GOOD, f"2.png,{'x' * 100_000},a", f"{'y' * 100_000},fear,a"])
    problems: list = []
    build_table(root, problems=problems)
    assert len(problems) == 2 and all(len(str(problem)) < 500 for problem in problems)


def test_more_than_ten_unknown_labels_are_told_together(tmp_path):
    root = manifest(tmp_path, [GOOD, *(f"ok.png,happiness{number},a" for number in range(25))])
    problems: list = []
    build_table(root, problems=problems)
    assert len(problems) == 11 and len(problems[-1].places) == 15


@pytest.mark.parametrize("listed", [True, False])
def test_missing_files_are_counted_without_looking_for_each(tmp_path, monkeypatch, listed):
    """A row of a big folder costs no look at the disk, whether or not the folder exists."""
    folder = tmp_path / "images"
    if listed:
        for number in range(0, 2000, 2):
            picture(folder / "0.png", 0) if number == 0 else os.link(folder / "0.png", folder / f"{number}.png")
    looked = []
    isfile = os.path.isfile
    monkeypatch.setattr("os.path.isfile", lambda path: looked.append(path) or isfile(path))
    root = manifest(tmp_path, [])
    rows = [f"images/{number}.jpg,fear,a" if number % 2 else f"images/{number}.png,fear,a" for number in range(2000)]
    (root / "faces.csv").write_text("\n".join(["path,expression,subject", *rows]))
    problems: list = []
    table, _ = build_table(root, problems=problems)
    assert len(table) == (1000 if listed else 0) and len(problems) == 1
    assert len(problems[0].places) == (1000 if listed else 2000) and len(looked) < 200


def test_a_file_that_a_listing_spells_in_another_way_is_found(tmp_path, monkeypatch):
    """Some file systems do not tell capitals from small letters: the listing says 1.PNG, the file opens as 1.png."""
    rows = [f"images/{number}.png" for number in range(100)]
    for seed, row in enumerate(rows):
        picture(tmp_path / row, seed, (4, 4))
    monkeypatch.setattr("ferdis.datasets.manifest._listing", lambda folder: frozenset(f"{n}.PNG" for n in range(100)))
    table, _ = build_table(manifest(tmp_path, [f"{row},fear,a" for row in rows]))
    assert len(table) == 100


def test_blank_and_short_lines_keep_line_numbers(tmp_path):
    picture(tmp_path / "1.png", 1)
    (tmp_path / "faces.csv").write_text("path,expression,subject\n\n1.png,fear,a\n,,\n1.png,fear\n2.png\n")
    problems: list = []
    table, _ = build_table(tmp_path, problems=problems)
    assert list(table["path"]) == ["1.png"]
    lines = [str(problem).split("faces.csv ")[1].split(":")[0] for problem in problems]
    assert lines == ["line 5", "line 6"]


def test_truncated_picture_is_named_in_one_line(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,a", "2.png,anger,b", "3.png,anger,a"])
    data = (root / "2.png").read_bytes()
    (root / "2.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"2\.png") as caught:
        load("manifest", root=root, align=False, cache=tmp_path / "cache", image_size=16, progress=False)
    assert "\n" not in str(caught.value)
    faces = load("manifest", root=root, align=False, cache=tmp_path / "c", image_size=16, progress=False, errors="skip")
    assert list(faces.table["path"]) == ["1.png", "3.png"] and faces.attrs["skipped"] == ["2.png"]


def test_byte_order_mark_quotes_and_backslashes(tmp_path):
    picture(tmp_path / "a, b" / "1.png", 1)
    text = 'path,expression,subject,note\r\n"a, b\\1.png",fear,anna,"says ""no"""\r\n'
    (tmp_path / "faces.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table, _ = build_table(tmp_path)
    assert table["path"][0] == "a, b/1.png" and table["note"][0] == 'says "no"'
    assert noise(1).shape == (24, 20, 3)


@pytest.mark.skipif(not (SHARED / "data" / "london").is_dir(), reason=f"real photographs are not at {SHARED}/data")
@pytest.mark.parametrize(("name", "images", "people"), [("london", 204, 102), ("wild", 2433, 1135)])
def test_real_photographs(name, images, people):
    table, notes = build_table(SHARED / "data" / name, expressions="seven")
    assert (len(table), table["subject"].nunique()) == (images, people)
    assert bool(notes) == (name == "wild")
    if name == "london":
        report = check("manifest", root=SHARED / "data" / name)
        assert report.ok and len(report.table) == images and report.table["height"].notna().all()
