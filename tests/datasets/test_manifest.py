from __future__ import annotations

import os
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


def test_namespace_makes_two_copies_one_set(tmp_path):
    for copy in ("a", "b"):
        table, _ = build_table(manifest(tmp_path / copy, ["1.png,fear,x"]), namespace="set")
        assert table["subject"][0] == "set/x"


def test_loads_pixels(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,a", "2.png,anger,b"])
    faces = load("manifest", root=root, align=False, cache=False, image_size=16, namespace="n")  # person a of the set n has a name
    assert faces.shape == (2, 16, 16, 3) and list(faces.subject) == ["n/a", "n/b"]
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
    with pytest.raises(ValueError, match=r"line 2: unknown expression '4' of 1.png; known are anger"):
        build_table(root)


GOOD = "ok.png,fear,a"


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        ([GOOD, "2.png,nan,a"], None, r"faces.csv line 3: 2.png has no expression: label it"),
        ([GOOD, "2.png,,a"], None, r"line 3: 2.png has no expression"),
        (
            [GOOD, "2.png,hapiness,a"],
            None,
            r"line 3: unknown expression 'hapiness' of 2.png; did you mean 'happiness'",
        ),
        ([GOOD, "2.png,fear,"], None, r"line 3: 2.png has no subject: name the person"),
        ([GOOD, "ok.png,anger,b"], None, r"line 3: ok.png was already named in line 2"),
        ([GOOD, "./x/../ok.png,fear,a"], None, r"line 3: ok.png was already named in line 2"),
        ([GOOD, "gone.jpg,fear,a"], None, r"line 3: .*gone.jpg does not exist"),
        ([GOOD, ",fear,a"], None, r"line 3: the path is empty"),
        (["ok.png,fear,a,7"], "path,expression,subject,AU04", r"line 2: AU04 is '7'; an intensity is 0 to 5"),
        (["ok.png,fear,a,x"], "path,expression,subject,AU04", r"line 2: AU04 is 'x'"),
        (["ok.png,fear"], "path,expression", r"no column 'subject': add it, .* pass without_subjects=True"),
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


def test_without_subjects_has_to_be_said_and_needs_a_split(tmp_path):
    root = manifest(tmp_path, ["1.png,fear,train", "2.png,anger,test"], "path,expression,split")
    with pytest.raises(ValueError, match="no column 'subject'"):
        build_table(root)
    table, _ = build_table(root, without_subjects=True)
    assert "subject" not in table and list(table["split"]) == ["train", "test"]
    root = manifest(tmp_path, ["1.png,fear"], "path,expression")
    with pytest.raises(ValueError, match="neither 'subject' nor 'split'"):
        build_table(root, without_subjects=True)


def test_several_problems_are_counted(tmp_path):
    root = manifest(tmp_path, ["1.png,fea,a", "2.png,,a", "3.png,fear,a"])
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
        assert check("manifest", root=SHARED / "data" / name).ok
