"""Action units from files: what is read, what is refused, and that every row lands on its own face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis.datasets.au_files import join_units, read_units
from ferdis.faces import AU_COLUMNS, Faces


def openface(path: Path, rows: list[dict], *, old: bool = False) -> Path:
    """An OpenFace file: AU01_r .. AU45_r (0 unless given), presence columns, and landmarks nobody reads."""
    table = pd.DataFrame(
        [
            {
                "frame": 1, **({} if old else {"face_id": 0}), "timestamp": 0.0, "confidence": 0.98, "success": 1,
                "x_0": 3.5, **{f"{name}_r": 0.0 for name in AU_COLUMNS}, "AU01_c": 1.0, "AU28_c": 1.0, **row,
            }
            for row in rows
        ]
    )  # fmt: skip
    if old:
        table.columns = [name if name == "frame" else f" {name}" for name in table]
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


def pyfeat(path: Path, rows: list[dict]) -> Path:
    units = {name: 0.5 for name in AU_COLUMNS if name != "AU45"}
    pd.DataFrame(
        [{"FaceScore": 0.99, **units, "AU43": 0.1, "input": "v.mp4", "frame": 0, **row} for row in rows]
    ).to_csv(path, index=False)
    return path


def faces(**columns) -> Faces:
    n = len(next(iter(columns.values())))
    return Faces(
        np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3),
        pd.DataFrame({"expression": "neutral", **columns}),
    )


@pytest.mark.parametrize("old", [True, False])
def test_both_styles_of_openface(tmp_path, old):
    path = openface(tmp_path / "v.csv", [{"frame": 1, "AU12_r": 2.5}, {"frame": 2, "AU45_r": 5.0}], old=old)
    units = read_units(path)
    assert list(units) == ["source", "frame", "face_id", "confidence", *AU_COLUMNS]
    assert list(units["source"]) == ["v", "v"] and list(units["frame"]) == [1, 2]
    assert units["AU12"].tolist() == [2.5, 0] and units["AU45"].tolist() == [0, 5]
    assert (units["AU01"] == 0).all()  # AU01_c, presence, is 1
    assert units.attrs == {"notes": [], "program": "OpenFace"}


def test_failed_and_unsure_rows_keep_their_place_without_values(tmp_path):
    rows = [{"frame": k, "AU12_r": 1.0} for k in range(1, 5)]
    rows[1] |= {"success": 0, "confidence": 0.99}
    rows[2] |= {"confidence": 0.3}
    units = read_units(openface(tmp_path / "v.csv", rows), min_confidence=0.5)
    assert units["AU12"].isna().tolist() == [False, True, True, False]
    assert "1 of 4 rows of action units failed (success 0): NaN" in units.attrs["notes"]
    assert "1 of 4 rows of action units have a confidence below 0.5: NaN" in units.attrs["notes"]
    assert read_units(tmp_path / "v.csv", min_confidence=0.98)["AU12"].notna().tolist() == [True, False, False, True]


def test_several_faces(tmp_path):
    rows = [
        {"frame": 1, "face_id": 0, "confidence": 0.9, "AU12_r": 1.0},
        {"frame": 1, "face_id": 1, "confidence": 0.8, "AU12_r": 4.0},
        {"frame": 2, "face_id": 0, "confidence": 0.99, "AU12_r": 2.0, "success": 0},
        {"frame": 2, "face_id": 1, "confidence": 0.7, "AU12_r": 3.0},
    ]
    path = openface(tmp_path / "v.csv", rows)
    with pytest.raises(ValueError, match=r"v has several faces \(face_id 0, 1\): pass face="):
        read_units(path)
    assert read_units(path, face=1)["AU12"].tolist() == [4.0, 3.0]
    units = read_units(path, face="confident")
    assert units["AU12"].tolist() == [1.0, 3.0]  # the failed row is never the confident one
    assert any("2 of 4 rows of action units are of other faces" in note for note in units.attrs["notes"])
    with pytest.raises(ValueError, match=r"face=7: .*v\.csv has no such face_id"):
        read_units(path, face=7)


def test_pictures_of_facelandmarkimg(tmp_path):
    for person, value in (("anna", 1.0), ("ben", 2.0)):
        table = pd.DataFrame([{"face": 0, "confidence": 0.9, "AU12_r": value}])
        (tmp_path / "out" / person).mkdir(parents=True)
        table.to_csv(tmp_path / "out" / person / "happy.csv", index=False)
    units = read_units(tmp_path / "out")
    assert list(units["source"]) == ["anna/happy", "ben/happy"] and units["frame"].isna().all()
    assert any(note.startswith("not in the file, NaN: AU01, AU02") for note in units.attrs["notes"])
    data = faces(path=["set/ben/happy.jpg", "set/anna/happy.png"])
    assert join_units(data, units).table["AU12"].tolist() == [2.0, 1.0]


def test_scale_is_never_guessed(tmp_path):
    path = pyfeat(tmp_path / "p.csv", [{"AU12": 0.98}, {"frame": 1, "AU12": 0.2}])
    with pytest.raises(ValueError, match=r"does not say the scale .*largest here 0\.98.* scale=1 .* scale=5"):
        read_units(path)
    assert read_units(path, scale=1)["AU12"].tolist() == pytest.approx([4.9, 1.0])
    assert read_units(path, scale=5)["AU12"].tolist() == pytest.approx([0.98, 0.2])
    strong = pyfeat(tmp_path / "s.csv", [{}, {"frame": 1, "AU12": 1.5}])
    with pytest.raises(ValueError, match=r"s\.csv line 3: AU12 is 1\.5, outside 0\.\.1; pass scale=5"):
        read_units(strong, scale=1)
    with pytest.raises(ValueError, match=r"line 2: AU12 is -0\.1, outside 0\.\.5$"):
        read_units(openface(tmp_path / "o.csv", [{"AU12_r": -0.1}]))
    with pytest.raises(ValueError, match="scale=2"):
        read_units(path, scale=2)


def test_pyfeat_leaves_unknown_units_open(tmp_path):
    units = read_units(pyfeat(tmp_path / "p.csv", [{}, {"frame": 1, **dict.fromkeys(AU_COLUMNS)}]), scale=1)
    assert units["AU45"].isna().all()  # AU43, closed eyes, is another unit
    assert units.attrs["notes"] == ["1 of 2 rows of action units hold no face: NaN", "not in the file, NaN: AU45"]
    assert list(units["source"]) == ["v", "v"] and units.attrs["program"] == "py-feat"


def test_pyfeat_lists_the_faces_of_each_frame(tmp_path):
    seen = ((0, 0.9, 0.2), (0, 0.95, 0.4), (1, 0.99, 0.6), (1, 0.3, 0.8))
    path = pyfeat(tmp_path / "p.csv", [{"frame": frame, "FaceScore": sure, "AU12": unit} for frame, sure, unit in seen])
    assert read_units(path, scale=1, face=1)["AU12"].tolist() == pytest.approx([2.0, 4.0])
    units = read_units(path, scale=1, face="confident", min_confidence=0.97)
    assert units["confidence"].tolist() == [0.95, 0.99] and units["AU12"].isna().tolist() == [True, False]
    assert units["AU12"][1] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("frame,success\n1,1\n", "no column is an action unit"),
        ("frame,AU01_c\n1,1\n", "run OpenFace with -aus"),
        ("frame," + "x" * 9000 + "\n1,1\n", r"no column is an action unit .* it has frame, x+\.\.\.x+$"),
        ("frame,AU01_r\n1," + "9" * 400 + "\n", "line 2: AU01_r is infinite"),
        ("frame,AU01_r\n1,much\n", "line 2: AU01_r is 'much', no number"),
        ("frame,AU01_r\n1,1\n1,2\n", "line 3: the same frame and face are there a second time"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_units(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_units(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError, match=r"no \.csv file"):
        read_units(tmp_path)
    openface(tmp_path / "a.csv", [{}])
    pyfeat(tmp_path / "b.csv", [{}])
    with pytest.raises(ValueError, match="OpenFace and of py-feat"):
        read_units(tmp_path, scale=5)


@pytest.fixture
def pictures(tmp_path) -> pd.DataFrame:
    for number in range(4):
        openface(tmp_path / f"{number:03d}.csv", [{"AU12_r": float(number)}])
    return read_units(tmp_path)


def test_join_by_path(pictures):
    data = faces(path=["images/002.jpg", "images/000.jpg"])
    joined = join_units(data, pictures)
    assert joined.table["AU12"].tolist() == [2.0, 0.0] and joined.table["au_confidence"].tolist() == [0.98, 0.98]
    assert joined.attrs["notes"] == [
        "action units estimated by OpenFace",
        "2 of 4 rows of action units are of no face here",
    ]
    assert np.array_equal(joined.pixels(), data.pixels())


def test_faces_without_a_row(pictures):
    data = faces(path=["003.jpg", "009.jpg", "001.jpg"])
    with pytest.raises(ValueError, match=r"1 of 3 faces have no row of action units \(009\.jpg\)"):
        join_units(data, pictures)
    with_gap = join_units(data, pictures, missing="nan")
    assert with_gap.table["AU12"].isna().tolist() == [False, True, False]
    dropped = join_units(data, pictures, missing="drop")
    assert dropped.table["AU12"].tolist() == [3.0, 1.0] and dropped.pixels()[1, 0, 0, 0] == 2
    assert "1 of 3 faces have no row of action units, left out: 009.jpg" in dropped.attrs["notes"]
    pictures.loc[pictures["source"] == "003", list(AU_COLUMNS)] = np.nan
    assert len(join_units(data, pictures, missing="nan")) == 3
    dropped = join_units(data, pictures, missing="drop")
    assert dropped.table["AU12"].tolist() == [1.0]
    assert "1 of 3 faces left out: their row failed" in dropped.attrs["notes"]
    with pytest.raises(ValueError, match="no face is left"):
        join_units(data[:1], pictures, missing="drop")


def test_join_refuses_what_is_ambiguous(tmp_path, pictures):
    with pytest.raises(ValueError, match=r"001 fits several faces \(a/001\.jpg, b/001\.jpg\)"):
        join_units(faces(path=["a/001.jpg", "b/001.jpg"]), pictures)
    with pytest.raises(ValueError, match=r"no face's path \(such as x\) ends like .*\(such as 000\)"):
        join_units(faces(path=["x.jpg"]), pictures)
    for folder in ("a", "b"):
        openface(tmp_path / "twice" / folder / "001.csv", [{}])
    with pytest.raises(ValueError, match=r"path 001\.?.* fits several sources"):
        join_units(faces(path=["001.jpg"]), read_units(tmp_path / "twice"))
    coded = faces(path=["001.jpg"], AU12=[3.0])
    with pytest.raises(ValueError, match="overwrite=True"):
        join_units(coded, pictures)
    assert join_units(coded, pictures, overwrite=True).table["AU12"].tolist() == [1.0]
    for changes, message in (({"by": "name"}, "by='name'"), ({"missing": "zero"}, "missing='zero'")):
        with pytest.raises(ValueError, match=message):
            join_units(coded, pictures, **changes)
    with pytest.raises(ValueError, match="no column 'path'"):
        join_units(faces(frame=[1]), pictures)
    with pytest.raises(ValueError, match="units has no column"):
        join_units(coded, pd.DataFrame({"AU01": [1]}))


def test_join_by_frame(tmp_path):
    for video, base in (("S001", 0.0), ("S002", 2.0)):
        openface(tmp_path / f"{video}.csv", [{"frame": k, "AU12_r": base + k / 10} for k in range(1, 11)])
    units = read_units(tmp_path)
    data = faces(sequence=["mmi/S002", "mmi/S001", "mmi/S002"], frame=[3, 9, 4])
    assert join_units(data, units, by="frame").table["AU12"].tolist() == pytest.approx([2.3, 0.9, 2.4])
    shifted = join_units(data, units, by="frame", frame_offset=-1)  # the faces count from 0
    assert shifted.table["AU12"].tolist() == pytest.approx([2.4, 1.0, 2.5])
    with pytest.raises(ValueError, match="a video: join it by='frame'"):
        join_units(faces(path=["S001.jpg"]), units)
    with pytest.raises(ValueError, match=r"is among the 20 frames of action units \(1001\.\.1010\)"):
        join_units(data, units, by="frame", frame_offset=1000)
    with pytest.raises(ValueError, match="video='sequence'"):
        join_units(faces(frame=[1]), units, by="frame")
    one = read_units(tmp_path / "S001.csv")
    assert join_units(faces(frame=[2]), one, by="frame").table["AU12"].tolist() == [0.2]
    with pytest.raises(ValueError, match="two values of 'sequence'"):
        join_units(faces(sequence=["a/S001", "b/S001"], frame=[1, 1]), one, by="frame")


def test_real_openface_file(shared_data):
    units = read_units(shared_data / "openface" / "openface_features.csv")
    assert len(units) == 100 and units[list(AU_COLUMNS)].notna().all().all()
    assert units["AU01"].iloc[0] == pytest.approx(0.6773) and units["AU45"].iloc[1] == pytest.approx(0.1258)
    data = faces(frame=[1, 100, 50])
    assert join_units(data, units, by="frame").table["AU01"].iloc[0] == pytest.approx(0.6773)


def test_real_pyfeat_file(shared_data):
    path = shared_data / "openface" / "pyfeat_output.csv"
    with pytest.raises(ValueError, match="scale=1"):
        read_units(path)
    units = read_units(path, scale=1)
    assert len(units) == 40 and units["AU20"].eq(5).all() and units["AU45"].isna().all()
    assert units["AU12"].iloc[0] == pytest.approx(5 * 0.509371, abs=1e-4)
    assert list(units["source"].unique()) == ["001"] and units["frame"].tolist() == list(range(40))
