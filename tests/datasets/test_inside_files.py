"""Sets whose images lie inside other files: FER2013's and FER+'s CSV, MMI's videos."""

from __future__ import annotations

import importlib
import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ferdis.datasets import load
from ferdis.datasets.check import check
from ferdis.faces import ACTION_UNITS
from ferdis.preprocess import containers, read_image
from tests.datasets import layouts
from tests.datasets.layouts import written
from tests.datasets.trees import picture


def table_of(name, root, **arguments):
    return importlib.import_module(f"ferdis.datasets.{name}").build_table(root, **arguments)


def test_fer2013_has_35887_images(tmp_path):
    table, notes = table_of("fer2013", layouts.fer2013_csv(tmp_path))
    assert dict(table["split"].value_counts()) == {"train": 28_709, "validation": 3_589, "test": 3_589}
    assert notes == [] and table["path"][12] == "fer2013.csv#12" and table["expression"][12] == "surprise"


@pytest.mark.parametrize("how", [{}, {"spaced": True, "name": "icml_face_data.csv"}])
def test_fer2013_pixels_of_the_csv(tmp_path, how):
    faces = load("fer2013", root=layouts.fer2013_csv(tmp_path, 9, 3, 2, side=4, **how), cache=False, progress=False)
    assert faces.shape == (14, 48, 48, 3) and not faces.has_subjects
    assert [int(faces.pixels([k]).max()) for k in (0, 5, 13)] == [0, 5, 13]
    assert [int(faces.pixels([k]).min()) for k in (0, 5, 13)] == [0, 5, 13]
    report = check("fer2013", root=tmp_path)
    assert report.unreadable == [] and len(report.table) == 14


def test_fer2013_prefers_the_csv_that_names_the_parts(tmp_path):
    layouts.fer2013_csv(tmp_path, 4, 2, 2)
    (tmp_path / "a_train.csv").write_text("emotion,pixels\n0,1 2 3 4\n")
    assert set(table_of("fer2013", tmp_path)[0]["path"].str.split("#").str[0]) == {"fer2013.csv"}
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n7,1 2 3 4,Training\n0,1 2 3 4,Else\n")
    problems: list = []
    table_of("fer2013", tmp_path, problems=problems)
    assert (
        len(problems) == 2 and "line 2: emotion '7'" in str(problems[0]) and "line 3: Usage 'Else'" in str(problems[1])
    )


def test_fer2013_codes_and_parts(tmp_path):
    """The contest's codes (Goodfellow et al. 2013), in the CSV and as names of folders."""
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    lines = [f"{code},{code} {code} {code} {code},{usage}" for usage in ("Training", "PublicTest") for code in range(7)]
    lines.append("3,9 9 9 9,PrivateTest")
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]))
    table, _ = table_of("fer2013", tmp_path)
    assert list(table["expression"]) == [*names, *names, "happiness"]
    assert list(table["split"]) == ["train"] * 7 + ["validation"] * 7 + ["test"]
    folders = [layouts.Picture(f"val/{code}/{code}.png", name, None) for code, name in enumerate(names)]
    table, _ = table_of("fer2013", written(tmp_path / "folders", folders))
    assert list(table["expression"]) == names and set(table["split"]) == {"validation"}


FERPLUS = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def test_ferplus_takes_the_majority(tmp_path):
    layouts.fer2013_csv(tmp_path, 4, 1, 1)
    (tmp_path / "fer2013new.csv").write_text(
        FERPLUS
        + "Training,fer0000000.png,6,4,0,0,0,0,0,0,0,0\n"  # 6 of 10 neutral
        + "Training,fer0000001.png,4,4,2,0,0,0,0,0,0,0\n"  # no majority
        + "Training,fer0000002.png,1,1,1,1,1,0,0,5,0,0\n"  # single votes dropped: all contempt
        + "Training,,0,0,0,0,0,0,0,0,0,10\n"  # no face
        + "PublicTest,fer0000004.png,0,10,0,0,0,0,0,0,0,0\n"
        + "PrivateTest,fer0000005.png,0,0,0,0,9,0,0,0,1,0\n"
    )
    table, notes = table_of("ferplus", tmp_path)
    assert list(zip(table["path"], table["expression"], table["split"], strict=True)) == [
        ("fer2013.csv#0", "neutral", "train"),
        ("fer2013.csv#2", "contempt", "train"),
        ("fer2013.csv#4", "happiness", "validation"),
        ("fer2013.csv#5", "anger", "test"),
    ]
    assert notes == ["2 of 6 images without a majority for one expression, left out"]
    assert list(table["votes_neutral"]) == [6, 1, 0, 0]
    faces = load("FER+", root=tmp_path, cache=False, progress=False)
    assert faces.attrs["dataset"] == "ferplus" and int(faces.pixels([2]).max()) == 4


def test_ferplus_majorities_at_their_edges(tmp_path):
    layouts.fer2013_csv(tmp_path, 5, 0, 0)
    votes = [
        "5,5,0,0,0,0,0,0,0,0",
        "0,0,0,6,0,0,0,0,4,0",
        "0,0,0,0,0,4,2,0,2,2",
        "0,0,0,0,3,2,0,0,0,5",
        "0,0,2,0,0,0,1,1,6,0",
    ]
    lines = [f"Training,fer{number:07d}.png,{line}\n" for number, line in enumerate(votes)]
    (tmp_path / "fer2013new.csv").write_text(FERPLUS + "".join(lines))

    def labelled(**given):
        table = table_of("ferplus", tmp_path, **given)[0]
        return dict(zip(table["path"].str.rpartition("#")[2], table["expression"], strict=True))

    assert table_of("ferplus", tmp_path)[1] == ["4 of 5 images without a majority for one expression, left out"]
    assert labelled() == {"1": "sadness"}  # half is no majority; votes for "unknown" and "no face" count as votes
    assert labelled(majority=0.35) == {"0": "neutral", "1": "sadness", "2": "disgust"}  # most voted for no face: none


@pytest.mark.parametrize("vote", ["many", "", "nan", "-1", "11", "1e30", "inf", "-inf", "2.5", "x" * 100_000])
def test_ferplus_votes_are_whole_numbers_from_0_to_10(tmp_path, vote):
    layouts.fer2013_csv(tmp_path, 2, 0, 0)
    good = "Training,fer0000000.png,0,10,0,0,0,0,0,0,0,0\n"
    (tmp_path / "fer2013new.csv").write_text(FERPLUS + good + good.replace(",10,", f",{vote},"))
    with pytest.raises(ValueError, match=r"fer2013new\.csv line 3: column 'happiness' has .* votes; a whole") as caught:
        table_of("ferplus", tmp_path)
    assert len(str(caught.value)) < 400
    problems: list = []
    assert len(table_of("ferplus", tmp_path, problems=problems)[0]) == 1 and len(problems) == 1


def test_ferplus_two_columns_of_one_expression_are_refused(tmp_path):
    layouts.fer2013_csv(tmp_path, 1, 0, 0)
    header = FERPLUS.replace("contempt", "happy")
    (tmp_path / "fer2013new.csv").write_text(header + "Training,fer0000000.png,0,10,0,0,0,0,0,0,0,0\n")
    with pytest.raises(ValueError, match=r"fer2013new\.csv has two columns of votes for happiness: remove one"):
        table_of("ferplus", tmp_path)


def test_ferplus_with_pictures_and_with_files_that_do_not_fit(tmp_path):
    layouts.fer2013_csv(tmp_path, 3, 0, 0)
    lines = [f"Training,fer000000{n}.png,0,10,0,0,0,0,0,0,0,0\n" for n in range(2)]
    (tmp_path / "fer2013new.csv").write_text(FERPLUS + "".join(lines))
    with pytest.raises(ValueError, match=r"2 rows of votes but 3 of fer2013\.csv"):
        table_of("ferplus", tmp_path)
    picture(tmp_path / "FER2013Train" / "fer0000000.png", 1)
    table, notes = table_of("ferplus", tmp_path)
    assert list(table["path"]) == ["FER2013Train/fer0000000.png"]
    assert notes == ["1 images of the list are missing, or of no official part"]
    own = lines[0].replace("0,10,", "10,0,")
    (tmp_path / "fer2013new.csv").write_text(FERPLUS + lines[1] + own)  # found by name, wherever it is listed
    table, notes = table_of("ferplus", tmp_path)
    assert list(table["expression"]) == ["neutral"]
    assert list(table["path"]) == ["FER2013Train/fer0000000.png"]
    assert notes == ["1 images of the list are missing, or of no official part"]


def test_mmi_labels_views_and_frames(tmp_path):
    clips = [(1, 2, 1, 0), (1, 3, "6.0", 0), (2, 1, 4, 1), (2, 2, 7, 0), (3, 1, None, 0)]
    layouts.mmi(tmp_path, clips, frames=9)
    table, notes = table_of("mmi", tmp_path, frames="first+middle3")
    assert notes[0].startswith("videos left out: 1 not frontal, 2 without one of the six labels")
    assert list(table["path"]) == [
        f"Sessions/{session}/S001-00{clip}.avi#{frame}" for session, clip in ((1, 2), (2, 3)) for frame in (0, 3, 4, 5)
    ]
    assert list(table["expression"]) == ["neutral", *["anger"] * 3, "neutral", *["surprise"] * 3]
    table, _ = table_of("mmi", tmp_path, view="all", frames="apex")
    assert list(table["frame"]) == [4, 4, 4]
    _, notes = table_of("mmi", tmp_path, frames="last3")
    assert any("these sequences end at rest" in note for note in notes)


def test_mmi_codes(tmp_path, monkeypatch):
    """The set's own numbers of its emotions; 7 to 12 are mixtures and others."""
    monkeypatch.setattr("ferdis.datasets.mmi.count_frames", lambda path: 3)
    root = layouts.mmi(tmp_path, [(1, code, code, 0) for code in range(1, 9)], frames=0)
    (root / "Sessions/2/session.xml").write_text('<session sessionId="2"/>')  # does not tell its view: frontal
    table, _ = table_of("mmi", root, frames="apex")
    assert dict(zip(table["sequence"], table["expression"], strict=True)) == {
        "mmi/S001-001": "anger", "mmi/S001-002": "disgust", "mmi/S001-003": "fear", "mmi/S001-004": "happiness",
        "mmi/S001-005": "sadness", "mmi/S001-006": "surprise",
    }  # fmt: skip


def test_mmi_frames_are_decoded_and_a_broken_video_is_named(tmp_path):
    root = layouts.mmi(tmp_path, [(1, 1, 1, 0), (2, 1, 2, 0)], frames=7)
    faces = load("mmi", root=root, align=False, image_size=16, cache=tmp_path / "cache", progress=False)
    assert [int(value) for value in np.median(faces.pixels(), axis=(1, 2, 3))] == [20, 30, 40, 20, 30, 40]
    again = load("mmi", root=root, align=False, image_size=16, cache=tmp_path / "cache", progress=False)
    assert (again.pixels() == faces.pixels()).all()
    (root / "Sessions/2/S002-001.avi").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"S002-001\.avi: no video that can be read"):
        load("mmi", root=root, align=False, cache=False, progress=False)


def openface_csv(path, rows):
    """OpenFace's columns that matter: (frame or None, AU12) of each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f"AU{unit:02d}_r" for unit in ACTION_UNITS]
    lines = [
        ",".join(map(str, [frame, 0, 0.98, 1, *(value if name == "AU12_r" else 0.5 for name in names)]))
        for frame, value in rows
    ]
    path.write_text("\n".join([",".join(["frame", "face_id", "confidence", "success", *names]), *lines]) + "\n")


def test_openface_units_of_mmi_and_rafd(tmp_path, capsys):
    root = layouts.mmi(tmp_path / "mmi", [(1, 1, 1, 0), (2, 1, 2, 0)], frames=7)
    openface_csv(tmp_path / "units" / "S001-001.csv", [(frame, frame / 10) for frame in range(1, 8)])
    faces = load("mmi", root=root, align=False, cache=False, openface=tmp_path / "units")
    assert list(faces.table["AU12"][:3]) == pytest.approx([0.3, 0.4, 0.5])  # frames 2, 3, 4 from 0
    assert faces.table["AU12"][3:].isna().all()
    assert "mmi: 3 of 6 faces have no row of action units, NaN" in capsys.readouterr().err
    pictures = layouts.rafd(1, (90,))[:2]
    written(tmp_path / "rafd", pictures, picture=lambda path: picture(path, len(path.name)))
    for number, item in enumerate(pictures):
        openface_csv(tmp_path / "rafd-units" / item.path.replace(".jpg", ".csv"), [(1, number + 1.0)])
    faces = load(
        "rafd", root=tmp_path / "rafd", align=False, cache=False, openface=tmp_path / "rafd-units", progress=False
    )
    by_path = dict(zip(faces.table["path"], faces.table["AU12"], strict=True))
    assert by_path == {item.path: number + 1.0 for number, item in enumerate(pictures)}


def test_frames_are_read_in_any_order(tmp_path):
    path = layouts.video(tmp_path / "a.avi", 8)
    order = [*range(8), 3, 3, 7, 0]
    assert [int(np.median(read_image(f"{path}#{k}"))) for k in order] == [10 * k for k in order]
    with pytest.raises(ValueError, match=r"a\.avi#8: only 8 frames"):
        read_image(f"{path}#8")
    with pytest.raises(FileNotFoundError, match=r"b\.avi: no such"):
        read_image(tmp_path / "b.avi#1")


def test_a_video_whose_codec_is_unknown_is_named(tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    stream = SimpleNamespace(codec_context=None)  # as PyAV gives a stream that it has no decoder for
    opened = SimpleNamespace(streams=SimpleNamespace(video=[stream]), close=lambda: None)
    monkeypatch.setattr(av, "open", lambda path: opened)
    (tmp_path / "a.avi").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"a\.avi: its frames are of a format that cannot be decoded"):
        containers._opened(str(tmp_path / "a.avi"))


def test_names_of_images_inside_files() -> None:
    assert containers.inside("a/CLIP.AVI#3") == ("a/CLIP.AVI", 3) and containers.inside("fer.csv#0") == ("fer.csv", 0)
    assert containers.inside("a.png#3") is None and containers.inside("clip.avi") is None
    assert [containers.file_of(name) for name in ("a/clip.mp4#12", "a/b.png")] == ["a/clip.mp4", "a/b.png"]


def test_a_file_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    video = layouts.video(tmp_path / "a.avi", 3)
    table = tmp_path / "a.csv"
    table.write_text("pixels\n1 1 1 1\n2 2 2 2\n")
    assert [int(read_image(f"{file}#1").max()) for file in (video, table)] == [10, 2]
    layouts.video(video, 3, paint=lambda number: np.full((48, 64, 3), 200 + number, np.uint8))
    table.write_text("pixels\n1 1 1 1\n9 9 9 9\n")
    for file in (video, table):
        os.utime(file, ns=(0, 10**18))
    assert [int(read_image(f"{file}#1").max()) for file in (video, table)] == [201, 9]


def test_red_is_red(tmp_path: Path) -> None:
    path = layouts.video(tmp_path / "a.avi", 1, paint=lambda _: np.full((48, 64, 3), (200, 100, 50), np.uint8))
    (image,) = containers.video_frames(path)
    for pixels in (read_image(f"{path}#0"), image.pixels):
        assert np.median(pixels, axis=(0, 1)).tolist() == [200, 100, 50]  # type: ignore[arg-type]


def test_rows_of_a_long_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_PARSED_ROWS", 2)
    file = tmp_path / "long.csv"
    pd.DataFrame({"pixels": [f"{k} {k} {k} {k}" for k in range(5)]}).to_csv(file, index=False)
    assert [int(read_image(f"{file}#{k}").max()) for k in (4, 0, 2)] == [4, 0, 2]
    with pytest.raises(ValueError, match=r"long\.csv#5: the file holds 5 pictures"):
        read_image(f"{file}#5")


def test_every_third_frame_with_its_time(tmp_path: Path) -> None:
    path = layouts.video(tmp_path / "a.avi", 8)  # 25 a second
    found = list(containers.video_frames(path, every=3))
    assert [image.number for image in found] == [0, 3, 6]
    assert [image.seconds for image in found] == pytest.approx([0, 0.12, 0.24])
    assert [int(np.median(image.pixels)) for image in found] == [0, 30, 60]  # type: ignore[arg-type]
    assert containers.count_frames(path) == 8


def test_frames_that_no_header_counts_and_one_that_cannot_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")
    frame = SimpleNamespace(to_ndarray=lambda format: np.zeros((2, 2, 3), np.uint8), time=None)

    def broken() -> None:
        raise av.error.InvalidDataError(1, "damaged")

    packets = [SimpleNamespace(size=9, decode=decode) for decode in (lambda: [frame], broken, lambda: [frame])]
    packets.append(SimpleNamespace(size=0, decode=list))  # the end
    container = SimpleNamespace(
        streams=SimpleNamespace(video=[SimpleNamespace(frames=0)]), demux=lambda _: iter(packets)
    )
    found = list(containers._pictures(container, "a.avi", 1))
    assert [(image.number, isinstance(image.pixels, ValueError)) for image in found] == [
        (0, False),
        (1, True),
        (2, False),
    ]
    monkeypatch.setattr(containers, "_opened", lambda _: nullcontext(container))
    assert containers.count_frames("a.avi") == 3


def test_an_image_is_turned_as_its_mark_says() -> None:
    """A mark of 90 degrees: counter-clockwise."""
    pixels = np.array([[1, 2], [3, 4]], np.uint8)[:, :, None].repeat(3, axis=2)
    for degrees, turned in ((0, [[1, 2], [3, 4]]), (90, [[2, 4], [1, 3]]), (-90, [[3, 1], [4, 2]])):
        frame = SimpleNamespace(to_ndarray=lambda format: pixels, rotation=degrees)
        assert containers._upright(frame)[..., 0].tolist() == turned


@pytest.mark.parametrize(
    ("streams", "says"),
    [([], "holds no images, only sound"), ([(16_000, 4_001)], "16000 x 4001 pixels, the limit is 64 Mpixel")],
)
def test_what_is_no_film_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: list, says: str) -> None:
    av = pytest.importorskip("av")
    video = [SimpleNamespace(codec_context=0, width=width, height=height) for width, height in streams]
    opened = SimpleNamespace(streams=SimpleNamespace(video=video), close=lambda: None)
    monkeypatch.setattr(av, "open", lambda path: opened)
    (tmp_path / "a.avi").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=rf"a\.avi: .*{says}"):
        containers._opened(str(tmp_path / "a.avi"))


@pytest.mark.parametrize(
    ("system", "camera", "place", "kind"),
    [
        ("linux", "1", "/dev/video1", "v4l2"),
        ("darwin", "1", "1", "avfoundation"),
        ("win32", "HD camera", "video=HD camera", "dshow"),
        ("win32", "rtsp://host/1", "rtsp://host/1", None),
        ("linux", "rtsp://host/1", "rtsp://host/1", None),
    ],
)
def test_a_camera_is_opened_as_its_system_names_it(
    monkeypatch: pytest.MonkeyPatch, system: str, camera: str, place: str, kind: str | None
) -> None:
    av = pytest.importorskip("av")
    asked: list[tuple[str, str | None]] = []

    def refuse(name: str, format: str | None) -> None:
        asked.append((name, format))
        raise OSError("not here")

    monkeypatch.setattr(av, "open", refuse)
    monkeypatch.setattr("sys.platform", system)
    with pytest.raises(ValueError, match=r"cannot be opened \(not here\)"):
        next(containers.camera_frames(camera))
    assert asked == [(place, kind)]
