from __future__ import annotations

import pandas as pd
import pytest

from ferdis._tables import MISSING, header_of, missing, read_csv

GOOD = "path, expression ,age\n1.png,fear,30\n2.png,anger,\n"


def written(tmp_path, data: str | bytes):
    path = tmp_path / "table.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("data", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace("fear", '"fear"')])
def test_what_people_write_is_read(tmp_path, data):
    path = written(tmp_path, data)
    assert header_of(path) == ["path", "expression", "age"]
    table = read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == ["path", "expression", "age"] and list(table["expression"]) == ["fear", "anger"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "is empty: it needs a header line"),
        ("\ufeff", "is empty"),
        ("\n\n", "begins with a line that names no column"),
        (",,\n1,2,3\n", "begins with a line that names no column"),
        ("a,b,a\n1,2,3\n", r"two columns 'a' \(the 1st and the 3rd\): remove or rename one"),
        ("a, a\n1,2\n", "two columns 'a'"),
        ("\ufeffa,a\n1,2\n", "two columns 'a'"),
        (GOOD.encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
        (GOOD.encode("utf-16-be"), "is no text"),
        (GOOD.encode().replace(b"fear", b"fe\0r"), r"is no text \(byte \d+ is 0\)"),
        (GOOD.encode() + b"x" * (1 << 20) + b"\0", r"is no text \(byte 1048\d+ is 0\)"),
        (GOOD.encode().replace(b"fear", b"\xff\xfe"), "cannot be read as comma-separated UTF-8 text"),
        (GOOD + "3.png,fear,30,too,many\n", "cannot be read as comma-separated UTF-8 text"),
        (GOOD + '"3.png,fear,30\n', "cannot be read as comma-separated UTF-8 text"),
    ],
)
def test_what_pandas_would_pass_over_is_refused_in_one_line(tmp_path, data, message):
    path = written(tmp_path, data)
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path, dtype=str, keep_default_na=False)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text and len(text) < 500 and not isinstance(caught.value, UnicodeError)


def test_blanks_before_a_value_are_none_of_it_even_before_a_quote(tmp_path):
    table = read_csv(written(tmp_path, 'path, note, age\n1.png, "a, b", 30\n'), dtype=str)
    assert table.loc[0].to_dict() == {"path": "1.png", "note": "a, b", "age": "30"}


def test_longer_lines_are_not_cut_in_silence(tmp_path):
    path = written(tmp_path, "a,b\n1,2,3\n4,5,6\n")
    with pytest.raises(ValueError, match=r"table\.csv cannot be read"):
        read_csv(path, index_col=False)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.csv does not exist"):
        header_of(tmp_path / "gone.csv")
    with pytest.raises(ValueError, match="is a folder or a device"):
        header_of(tmp_path)


def test_words_for_a_missing_value():
    column = pd.Series(
        ["", " ", "None", "NA", "null", "n/a", "nan", "<NA>", None, "anna", "0", "nano", "-"], dtype=object
    )
    assert list(missing(column)) == [True] * 9 + [False] * 4
    assert all(word == word.casefold() for word in MISSING)
