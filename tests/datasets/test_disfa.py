"""DISFA from small trees in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferdis.datasets import load
from ferdis.datasets.disfa import PROTOTYPES, UNITS, build_table, nearest_expressions
from ferdis.faces import AU_COLUMNS
from ferdis.protocol import SubjectKFold
from tests.datasets.trees import picture


def disfa(
    root: Path, people: tuple[str, ...] = ("SN001", "SN002", "SN003"), frames: int = 6, images: bool = True
) -> Path:
    """``frames`` frames a person; AU12 counts with the frame, AU04 is the person's last digit, all else is 0."""
    for person in people:
        labels = root / "ActionUnit_Labels" / person
        labels.mkdir(parents=True)
        for unit in UNITS:
            lines = []
            for frame in range(1, frames + 1):
                value = {12: min(frame - 1, 5), 4: int(person[-1]) if frame == 1 else 0}.get(unit, 0)
                lines.append(f"{frame},{value}")
            (labels / f"{person}_au{unit}.txt").write_text("\r\n".join(lines) + "\r\n")
        for frame in range(1, frames + 1) if images else ():
            picture(root / "Images" / person / f"{frame:05d}.png", seed=frame)
    return root


def test_each_frame_gets_its_codes(tmp_path):
    table, notes = build_table(disfa(tmp_path))
    assert len(table) == 18 and table["subject"].nunique() == 3
    second = table[table["subject"] == "disfa/SN002"]
    assert second["path"].tolist() == [f"Images/SN002/{k:05d}.png" for k in range(1, 7)]
    assert second["AU12"].tolist() == [0, 1, 2, 3, 4, 5] and second["AU04"].tolist() == [2, 0, 0, 0, 0, 0]
    assert second["frame"].tolist() == [1, 2, 3, 4, 5, 6] and set(second["sequence"]) == {"disfa/SN002"}
    uncoded = {f"AU{unit:02d}" for unit in (7, 10, 14, 23, 45)}
    assert {name for name in AU_COLUMNS if table[name].isna().all()} == uncoded
    assert table[[name for name in AU_COLUMNS if name not in uncoded]].notna().all().all()
    assert notes[0] == "3 people (published 27)" and "derived from the coded action units" in notes[1]


def test_loads_and_splits_by_person(tmp_path):
    faces = load("disfa", root=disfa(tmp_path), align=False, cache=False, image_size=16, progress=False)
    assert faces.shape == (18, 16, 16, 3)
    for fold in SubjectKFold(3).split(faces):
        assert not set(faces.subject[fold.train]) & set(faces.subject[fold.test])


def test_every_and_first_frame(tmp_path):
    root = disfa(tmp_path)
    table, _ = build_table(root, every=4)
    assert table["frame"].tolist() == [1, 5] * 3
    picture(root / "Images" / "SN001" / "00000.png", seed=9)
    with pytest.raises(ValueError, match=r"00000\.png: frames are numbered from 0: pass first_frame=0"):
        build_table(root)
    shifted, notes = build_table(root, first_frame=0)
    first = shifted[shifted["subject"] == "disfa/SN001"]
    assert first["path"].iloc[0].endswith("00000.png") and first["AU04"].iloc[0] == 1
    assert "2 coded frames have no image, left out" in notes and "3 images have no codes, left out" in notes


def test_cameras(tmp_path):
    root = disfa(tmp_path, people=("SN001",), images=False)
    for frame in range(1, 7):
        picture(root / "frames" / f"LeftVideoSN001_comp_{frame}.png", seed=frame)
        picture(root / "frames" / f"RightVideoSN001_Comp_{frame}.png", seed=50 + frame)
    for camera in ("left", "right"):
        table, _ = build_table(root, camera=camera)
        assert len(table) == 6 and table["path"].str.lower().str.contains(camera).all()


def test_videos(tmp_path):
    av = pytest.importorskip("av")
    root = disfa(tmp_path, people=("SN001",), images=False)
    path = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=20, options={"qscale": "2"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuvj420p"
        for frame in range(5):  # the labels have a sixth
            pixels = np.full((32, 32, 3), 40 * frame, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    faces = load("disfa", root=root, align=False, cache=False, image_size=16, progress=False)
    assert faces.table["AU12"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(faces.pixels().mean((1, 2, 3)), [0, 40, 80, 120, 160], atol=6)
    assert "1 coded frames have no image, left out" in faces.attrs["notes"]
    path.write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"comp\.avi"):
        build_table(root)


def test_people_without_pictures_or_labels_are_named(tmp_path):
    root = disfa(tmp_path)
    for path in (root / "Images" / "SN003").iterdir():
        path.unlink()
    picture(root / "Images" / "SN009" / "1.png", seed=1)
    table, notes = build_table(root)
    assert table["subject"].nunique() == 2
    assert "people left out (2): SN003 (no images), SN009 (no labels)" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n2,7\n", r"SN001_au5\.txt line 2: intensity 7, not 0\.\.5"),
        ("1,0\n1,2\n", r"line 2: frame 1 a second time"),
        ("1,a\n", r"line 1: '1,a' is not frame,intensity"),
        ("3\n", r"line 1: '3' is not frame,intensity"),
        ("\n", r"is empty"),
    ],
)
def test_bad_labels(tmp_path, text, message):
    root = disfa(tmp_path)
    (root / "ActionUnit_Labels" / "SN001" / "SN001_au5.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        build_table(root)
    problems: list = []
    table, _ = build_table(root, problems=problems)
    assert len(problems) == 1 and table["subject"].nunique() == 2


def test_what_is_missing_or_double(tmp_path):
    root = disfa(tmp_path)
    (root / "ActionUnit_Labels" / "SN002" / "SN002_au26.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks SN002_au26\.txt"):
        build_table(root)
    (root / "ActionUnit_Labels" / "SN002" / "SN002_au26.txt").write_text("1,0\n")
    picture(root / "copy" / "SN001" / "00001.png", seed=1)
    with pytest.raises(ValueError, match="is there a second time as"):
        build_table(root)
    for changes in ({"camera": "top"}, {"every": 0}, {"first_frame": 2}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            build_table(root, **changes)
    bare = tmp_path / "bare"
    disfa(bare, images=False)
    with pytest.raises(FileNotFoundError, match="no DISFA videos or frames of the left camera"):
        build_table(bare)


def test_prototypes_are_those_of_emfacs():
    """Friesen and Ekman 1983, less the units that DISFA does not code: 7, 16, 23, 24, 27."""
    assert UNITS == (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    assert {name: set(units) for name, units in PROTOTYPES.items()} == {
        "happiness": {6, 12}, "sadness": {1, 4, 15}, "surprise": {1, 2, 5, 26}, "fear": {1, 2, 4, 5, 20, 26},
        "anger": {4, 5}, "disgust": {9, 15},
    }  # fmt: skip


def test_frames_and_codes_are_paired_by_their_number_whatever_lies_around(tmp_path):
    root = disfa(tmp_path / "of_SN009", people=("SN001",), images=False)
    for frame in (2, 3, 4, 6):  # the first and the fifth were not extracted
        picture(root / "SN003_copies" / "SN001" / f"{frame}.png", seed=frame)
    table, _ = build_table(root)
    assert list(table["frame"]) == [2, 3, 4, 6] and list(table["AU12"]) == [1, 2, 3, 5]
    assert set(table["subject"]) == {"disfa/SN001"}
    assert list(build_table(root, every=2)[0]["frame"]) == [2, 4]


def test_expressions_follow_the_prototypes():
    def face(**units):
        return [float(units.get(f"AU{unit:02d}", 0)) for unit in UNITS]

    faces = {
        "neutral": face(AU25=5),
        "happiness": face(AU06=2, AU12=4),
        "sadness": face(AU01=1, AU04=3, AU15=2),
        "surprise": face(AU01=3, AU02=3, AU05=4, AU26=5),
        "fear": face(AU01=3, AU02=2, AU04=4, AU05=4, AU20=3, AU26=3),
        "anger": face(AU04=3, AU05=3),
        "disgust": face(AU09=4),
    }
    rows = np.array(list(faces.values()))
    rows[0, 3] = np.nan
    assert nearest_expressions(rows).tolist() == list(faces)
