"""The loaders against their official layouts: whole sets for the papers' counts, small ones with all that copies do."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferdis.datasets import load
from ferdis.datasets.check import check
from ferdis.datasets.frames import FrameRule
from tests.datasets import layouts
from tests.datasets.layouts import written
from tests.datasets.trees import picture


def table_of(name, root, **arguments):
    return importlib.import_module(f"ferdis.datasets.{name}").build_table(root, **arguments)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A root whose listing is said to hold these pictures: whole sets without ten thousand files."""

    def root_of(pictures, files=None):
        written(tmp_path, [layouts.Picture("readme.txt", None)], files)
        paths = sorted([*(item.path for item in pictures), *(files or {})])
        monkeypatch.setattr("ferdis.datasets.tree.walk_files", lambda root: paths)
        return tmp_path

    return root_of


# ------------------------------------------------------------------------------------------- the papers' counts


def test_oulucasia_has_1440_images(listed):
    root = listed(layouts.oulucasia())
    table, notes = table_of("oulucasia", root)
    assert (len(table), table["subject"].nunique(), notes) == (1440, 80, [])
    assert sorted(set(table["frame"])) == [1, 2, 3] and set(table["position"]) == {0, 1, 2}
    table, notes = table_of("oulucasia", root, expressions=7, frames="last")
    assert Counter(table["expression"])["neutral"] == 480 and len(table) == 960 and notes == []


def test_bu3dfe_has_1200_images(listed):
    root = listed(layouts.bu3dfe())
    table, notes = table_of("bu3dfe", root)
    assert (len(table), table["subject"].nunique(), notes) == (1200, 100, [])
    assert set(table["intensity"]) == {3, 4} and Counter(table["gender"])["female"] == 56 * 12
    table, notes = table_of("bu3dfe", root, expressions=7, intensity=(1, 2, 3, 4))
    assert (len(table), notes) == (2500, [])


def test_bu4dfe_has_606_sequences_of_101_people(listed):
    root = listed(layouts.bu4dfe(frames=4))
    table, notes = table_of("bu4dfe", root, frames="middle3")
    assert (len(table), table["sequence"].nunique(), notes) == (1818, 606, [])
    table, notes = table_of("bu4dfe", root)
    assert notes == ["counts differ from the published ones: 2424 images (published 60600)"]


def test_sfew_has_958_and_436_images(listed):
    root = listed(layouts.sfew())
    table, notes = table_of("sfew", root)
    assert dict(table["split"].value_counts()) == {"train": 958, "test": 436} and notes == []
    assert "subject" not in table and table["movie"].str.startswith("Film").all()
    table, _ = table_of("sfew", root, val="validation")
    assert set(table["split"]) == {"train", "validation"}


def test_rafdb_has_12271_and_3068_images(listed):
    pictures = layouts.rafdb()
    root = listed(pictures, {"basic/EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)})
    table, notes = table_of("rafdb", root)
    assert dict(table["split"].value_counts()) == {"train": 12_271, "test": 3_068} and notes == []
    assert "subject" not in table
    truth = {item.path: item.expression for item in pictures}
    assert dict(zip(table["path"], table["expression"], strict=True)) == truth


def test_rafd_has_8040_images(listed):
    root = listed(layouts.rafd())
    table, notes = table_of("rafd", root)
    assert (len(table), table["subject"].nunique(), notes) == (8040, 67, [])
    table, notes = table_of("rafd", root, expressions=7, angles=[90], gazes=["frontal"])
    assert (len(table), notes) == (67 * 7, []) and set(table["angle"]) == {90}


def test_jaffe_has_213_images(tmp_path):
    written(tmp_path, layouts.jaffe())
    table, notes = table_of("jaffe", tmp_path)
    assert (len(table), table["subject"].nunique(), notes) == (213, 10, [])


@pytest.mark.parametrize("suffix", ["", ".gif", ".png"])
def test_yale_has_four_expressions_of_15_people(tmp_path, suffix):
    written(tmp_path, layouts.yale(suffix=suffix))
    table, notes = table_of("yale", tmp_path)
    assert (len(table), table["subject"].nunique()) == (60, 15)
    assert notes == ["105 images of conditions that are no expressions, left out"]
    assert len(table_of("yale", tmp_path, neutral="all")[0]) == 135


def test_mmi_has_624_images(tmp_path, monkeypatch):
    clips = [(1 + n % 31, 1 + n // 31, 1 + n % 6, 0) for n in range(208)]
    monkeypatch.setattr("ferdis.datasets.mmi.count_frames", lambda path: 5)
    table, notes = table_of("mmi", layouts.mmi(tmp_path, clips, frames=0))
    assert (len(table), table["subject"].nunique(), table["sequence"].nunique(), notes) == (624, 31, 208, [])
    assert set(table["frame"]) == {1, 2, 3} and set(table["position"]) == {-1, 0, 1}


# ------------------------------------------------------------------------------------ what differs is said aloud


def test_missing_people_and_sequences_are_named(listed):
    pictures = [
        item
        for item in layouts.oulucasia()
        if item.subject not in ("oulu/P003", "oulu/P080") and "P005/Fear" not in item.path
    ]
    _, notes = table_of("oulucasia", listed(pictures))
    assert notes == [
        "counts differ from the published ones: 467 sequences (published 480), 78 subjects (published 80), "
        "1401 images (published 1440)",
        "people that are missing (2): oulu/P003, oulu/P080",
        "missing of people who are there (1): oulu/P005 fear",
    ]


def test_missing_intensities_are_named(listed):
    pictures = [item for item in layouts.bu3dfe() if "M0044_SA04" not in item.path]
    _, notes = table_of("bu3dfe", listed(pictures))
    assert notes[-1] == "missing of people who are there (1): bu3d/M0044 sadness 4"


def test_a_rafdb_that_lacks_pictures_names_them(tmp_path):
    pictures = layouts.rafdb(9, 4)
    files = {"EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)}
    written(tmp_path, [*pictures[:-1], layouts.Picture("basic/Image/aligned/train_00777_aligned.jpg", None)], files)
    table, notes = table_of("rafdb", tmp_path)
    assert len(table) == 12
    assert "labelled images that are missing (1): test_00004" in notes
    assert "pictures without a label, left out (1): basic/Image/aligned/train_00777_aligned.jpg" in notes


def test_load_says_it_aloud(tmp_path, capsys):
    root = written(tmp_path, layouts.jaffe()[:40], picture=lambda path: picture(path, hash(path.name) % 999))
    faces = load("jaffe", root=root, align=False, cache=False, image_size=8)
    said = capsys.readouterr().err
    assert "jaffe: counts differ from the published ones: 40 images (published 213)" in said
    assert faces.attrs["notes"][0].startswith("counts differ") and faces.shape == (40, 8, 8, 3)


def test_check_prints_published_beside_found(tmp_path):
    pictures = layouts.rafdb(9, 4)
    files = {"EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)}
    root = written(tmp_path, pictures, files, picture=lambda path: picture(path, hash(path.name) % 999))
    report = check("rafdb", root=root)
    assert report.counts.loc["train", "images"] == 9 and report.counts.loc["test", "published images"] == 3068
    assert "12271" in str(report)


# --------------------------------------------------------------------------------------------- all that copies do

SMALL = {
    "oulucasia": (lambda: layouts.oulucasia(2, 2), {"frames": "all"}),
    "bu3dfe": (lambda: layouts.bu3dfe(1, 1), {"expressions": 7, "intensity": [1, 2, 3, 4]}),
    "bu4dfe": (lambda: layouts.bu4dfe(1, 1, 2), {}),
    "sfew": (lambda: layouts.sfew(15, 9), {}),
    "rafd": (lambda: layouts.rafd(1, (0, 90)), {"angles": [0, 90]}),
    "jaffe": (lambda: layouts.jaffe()[::9], {}),
    "yale": (lambda: layouts.yale(2), {}),
    "fer2013": (layouts.fer2013_folders, {}),
    "rafdb": (lambda: layouts.rafdb(8, 5), {}),
}


def small(name, root, chosen=None, change=lambda path: path):
    """A small copy; the images at ``chosen`` alone if given, their paths changed. Gives its truth by changed path."""
    pictures = SMALL[name][0]()
    pictures = pictures if chosen is None else [pictures[n % len(pictures)] for n in sorted(set(chosen))]
    pictures = list({item.path: item for item in pictures}.values())
    files = {"EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)} if name == "rafdb" else {}
    changed = [item._replace(path=change(item.path)) for item in pictures]
    written(root, changed, files)
    return [item for item in changed if item.expression is not None]


def rows(table):
    columns = [table[name] if name in table else [None] * len(table) for name in ("path", "expression", "subject")]
    return sorted(zip(*columns, strict=True))


def truth(pictures):
    return sorted((item.path, item.expression, item.subject) for item in pictures)


CHANGES = {
    "plain": lambda path: path,
    "nested": lambda path: f"unpacked/{path.split('/')[0]}.zip/{path}",
    "upper": lambda path: path.upper(),
    "lower": lambda path: path.lower(),
    "above": lambda path: f"a/b c/{path}",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", SMALL)
def test_variants_of_a_copy_give_the_same_rows(tmp_path, name, change):
    pictures = small(name, tmp_path, change=CHANGES[change])
    for item in pictures[::3]:  # macOS's companions
        folder, _, file = item.path.rpartition("/")
        (tmp_path / folder / f"._{file}").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / pictures[0].path.rpartition("/")[2]).touch()
    table, _ = table_of(name, tmp_path, **SMALL[name][1])
    assert rows(table) == truth(pictures)
    if pictures[0].split:
        splits = {item.path: item.split for item in pictures}
        assert dict(zip(table["path"], table["split"], strict=True)) == splits


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(SMALL)),
    chosen=st.sets(st.integers(0, 400), min_size=1, max_size=60),
    change=st.sampled_from(sorted(CHANGES)),
)
def test_no_row_is_lost_or_doubled(tmp_path_factory, name, chosen, change):
    root = tmp_path_factory.mktemp(name)
    pictures = small(name, root, chosen, CHANGES[change])
    if not pictures:
        with pytest.raises((FileNotFoundError, ValueError)):
            table_of(name, root, **SMALL[name][1])
        return
    table, _ = table_of(name, root, **SMALL[name][1])
    assert rows(table) == truth(pictures) and table["path"].is_unique


@pytest.mark.parametrize("name", [*SMALL, "mmi", "ferplus"])
def test_another_tree_is_an_error_that_shows_the_expected_one(tmp_path, name):
    picture(tmp_path / "some" / "pictures" / "face.webp", 1)
    module = importlib.import_module(f"ferdis.datasets.{name}")
    with pytest.raises(FileNotFoundError, match="expected ") as caught:
        module.build_table(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["oulucasia", "bu4dfe", "sfew"])
def test_a_label_without_a_name_is_an_error_that_names_it(tmp_path, name):
    pictures = small(name, tmp_path)
    wrong = pictures[0].path.split("/")
    wrong[-2] = "Angr"
    (tmp_path / "/".join(wrong[:-1])).mkdir(parents=True)
    (tmp_path / "/".join(wrong)).touch()
    with pytest.raises(ValueError, match=r"'Angr' is no expression of this set; did you mean 'anger'") as caught:
        table_of(name, tmp_path, **SMALL[name][1])
    assert "/".join(wrong) in str(caught.value) and "\n" not in str(caught.value)
    problems: list = []
    table, _ = table_of(name, tmp_path, **SMALL[name][1], problems=problems)
    assert len(problems) == 1 and len(table) == len(pictures)


@pytest.mark.parametrize("name", ["oulucasia", "bu3dfe", "bu4dfe", "sfew", "rafd", "jaffe", "yale", "rafdb"])
def test_two_copies_under_one_root_are_refused(tmp_path, name):
    small(name, tmp_path / "one")
    small(name, tmp_path / "two")
    with pytest.raises(ValueError, match=r"is there a second time as one/.*: give root= one copy"):
        table_of(name, tmp_path, **SMALL[name][1])


def test_a_root_inside_the_tree_is_recognised(tmp_path):
    small("oulucasia", tmp_path)
    table, _ = table_of("oulucasia", tmp_path / "B_OriginalImg/VL/Strong", frames="last")
    assert len(table) == 12
    small("sfew", tmp_path / "s")
    assert set(table_of("sfew", tmp_path / "s" / "Val")[0]["split"]) == {"test"}


def test_pictures_with_other_names_are_left_alone_and_said(tmp_path):
    small("bu3dfe", tmp_path)
    (tmp_path / "F0001" / "thumbnail.png").touch()
    _, notes = table_of("bu3dfe", tmp_path)
    assert "pictures not named as in this set, left alone (1): F0001/thumbnail.png" in notes


def test_oulucasia_cameras_lights_and_copies_are_kept_apart(tmp_path):
    for camera, light in (("VL", "Strong"), ("VL", "Weak"), ("NI", "Strong")):
        written(tmp_path, layouts.oulucasia(1, 2, camera, light))
    written(tmp_path, layouts.oulucasia(2, 2, top="C_PreProcess Img/PreProcessImg"))
    for arguments, people in (({}, 1), ({"light": "Weak"}, 1), ({"camera": "NI"}, 1), ({"images": "preprocessed"}, 2)):
        table, _ = table_of("oulucasia", tmp_path, frames="last", **arguments)
        assert table["subject"].nunique() == people and len(table) == 6 * people
    with pytest.raises(FileNotFoundError, match="expected"):
        table_of("oulucasia", tmp_path, camera="NI", light="Dark")
    with pytest.raises(ValueError, match="choose VL or NI"):
        table_of("oulucasia", tmp_path, camera="IR")
    with pytest.raises(ValueError, match="choose from 1, 2, 3, 4"):
        table_of("bu3dfe", tmp_path, intensity=[5])


def test_first_frames_of_one_file_name(tmp_path):
    """Some copies call the frames FirstF_000.jpeg."""
    for item in layouts.oulucasia(1, 4):
        folder, _, file = item.path.rpartition("/")
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"FirstF_{file}").touch()
    table, _ = table_of("oulucasia", tmp_path)
    assert sorted(set(table["frame"])) == [1, 2, 3] and len(table) == 18


def test_what_a_file_name_says_is_in_the_table(tmp_path):
    """One name of each set, written as its authors write it."""
    names = {
        "rafd": "Rafd135_05_Moroccan_male_surprised_left.jpg",
        "bu3dfe": "M0044/M0044_SU04AE_F2D.bmp",
        "bu4dfe": "F058/Surprise/017.jpg",
        "jaffe": "UY.SU3.143.tiff",
        "yale": "subject09.surprised",
        "sfew": "Val/Surprise/Harry_Potter_and_the_Goblet_012307_000.png",
        "oulucasia": "B_OriginalImg/NI/Dark/P080/Surprise/007.jpeg",
    }
    said = {
        "rafd": {"subject": "rafd/05", "angle": 135, "gaze": "left", "gender": "male", "group": "moroccan"},
        "bu3dfe": {"subject": "bu3d/M0044", "intensity": 4, "gender": "male", "ancestry": "AE"},
        "bu4dfe": {"subject": "bu4d/F058", "sequence": "bu4d/F058/surprise", "frame": 17, "gender": "female"},
        "jaffe": {"subject": "jaffe/UY", "take": 3, "serial": 143},
        "yale": {"subject": "yale/09", "condition": "surprised"},
        "sfew": {"split": "test", "movie": "Harry"},
        "oulucasia": {
            "subject": "oulu/P080", "sequence": "oulu/P080/NI/Dark/surprise", "frame": 7, "camera": "NI",
            "light": "Dark",
        },
    }  # fmt: skip
    for name, path in names.items():
        root = written(tmp_path / name, [layouts.Picture(path, None)])
        table, _ = table_of(name, root, **({"camera": "NI", "light": "Dark"} if name == "oulucasia" else {}))
        assert table.loc[0, ["path", "expression", *said[name]]].to_dict() == {
            "path": path, "expression": "surprise", **said[name],
        }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "length", "neutral", "labelled"),
    [
        ("last3", 11, [], [8, 9, 10]), ("last", 4, [], [3]), ("first+last", 4, [0], [3]), ("first+last", 1, [], [0]),
        ("middle3", 4, [], [0, 1, 2]), ("middle3", 9, [], [3, 4, 5]), ("apex", 4, [], [1]), ("apex", 5, [], [2]),
        ("first+apex", 2, [], [0]), ("all", 3, [], [0, 1, 2]), ("first+all", 3, [0], [1, 2]), ("first", 3, [0], []),
        ("last3", 2, [], [0, 1]), ("first+middle2", 6, [0], [2, 3]),
    ],
)  # fmt: skip
def test_rules_of_frames(rule, length, neutral, labelled):
    assert FrameRule.parse(rule, "middle").choose(length) == (neutral, labelled)


def test_the_peak_is_at_the_end_or_at_the_frame_that_apex_takes():
    last, middle = FrameRule.parse("apex", "last"), FrameRule.parse("apex", "middle")
    for length in (1, 4, 5, 100):
        for rule in (last, middle):
            (apex,) = rule.choose(length)[1]
            assert rule.before_peak(apex, length) == 0 and rule.before_peak(0, length) == apex
    assert last.choose(9)[1] == [8] and last.before_peak(5, 9) == 3 and middle.before_peak(5, 9) == -1


def test_sfew_crops_and_stills_are_kept_apart(tmp_path):
    pictures = layouts.sfew(10, 4)
    written(tmp_path, pictures)
    written(tmp_path, [item._replace(path=item.path.replace("/", "_Aligned_Faces/", 1)) for item in pictures[:5]])
    written(tmp_path / "Val", [item._replace(path=item.path.replace("Val/", "Val_Aligned/")) for item in pictures[-2:]])
    below = [item._replace(path=item.path.replace("/", "/Aligned/", 1)) for item in pictures[5:6]]
    written(tmp_path, below)
    assert len(table_of("sfew", tmp_path)[0]) == 14
    table, notes = table_of("sfew", tmp_path, images="aligned")
    assert dict(table["split"].value_counts()) == {"train": 6, "test": 2} and notes == []


def test_rafdb_list_under_its_other_name_originals_and_folders_by_label(tmp_path):
    pictures = layouts.rafdb(8, 5)
    text = layouts.rafdb_list(pictures)
    originals = [
        item._replace(path=item.path.replace("_aligned", "").replace("aligned", "original")) for item in pictures
    ]
    written(tmp_path, [*pictures, *originals], {"EmoLabel/list_partition_label.txt": text})
    assert rows(table_of("rafdb", tmp_path)[0]) == truth(pictures)
    assert rows(table_of("rafdb", tmp_path, images="original")[0]) == truth(originals)
    repacked = [
        item._replace(
            path=f"DATASET/{item.split}/{layouts.RAFDB.index(item.expression) + 1}/{item.path.split('/')[-1]}"
        )
        for item in pictures
    ]
    assert rows(table_of("rafdb", written(tmp_path / "again", repacked))[0]) == truth(repacked)
    misplaced = [item._replace(path=f"{item.split}/1/{item.path.split('/')[-1]}") for item in pictures]
    root = written(tmp_path / "both", misplaced, {"list_partition_label.txt": text})
    assert rows(table_of("rafdb", root)[0]) == truth(misplaced)  # the list is the authors'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg 8", "'8' is no expression of this set; known are 1, 2"),
        ("train_00001.jpg", "line 1: 'train_00001.jpg' is not an image and a label"),
    ],
)
def test_a_wrong_line_of_the_rafdb_list(tmp_path, line, message):
    written(tmp_path, layouts.rafdb(1, 0), {"EmoLabel/list_patition_label.txt": line + "\n"})
    with pytest.raises(ValueError, match=message):
        table_of("rafdb", tmp_path)


# --------------------------------------------------------------------------------------------------- the listing


def test_links_are_followed_once(tmp_path):
    from ferdis.datasets.listing import walk_files

    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.png").touch()
    (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "set" / "a")
    assert walk_files(tmp_path / "set") == ["a/1.png"]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_rows_do_not_depend_on_the_order_of_the_disk(tmp_path, order):
    pictures = layouts.jaffe()[::7]
    random.Random(order).shuffle(pictures)
    written(tmp_path, pictures)
    assert rows(table_of("jaffe", tmp_path)[0]) == truth(pictures)
    assert list(table_of("jaffe", tmp_path)[0]["path"]) == sorted(item.path for item in pictures)


def test_an_index_of_20_000_images_takes_a_fifth_of_a_second_and_some(tmp_path):
    """By this process's clock: other work on the machine does not count. docs/datasets.md has the figure of 100,000."""
    names = [f"{frame:03d}.jpg" for frame in range(33)]
    for item in layouts.bu4dfe(frames=1):
        folder = tmp_path / "set" / item.path.rpartition("/")[0]
        folder.mkdir(parents=True)
        for name in names:
            os.close(os.open(f"{folder}/{name}", os.O_CREAT))
    start = time.process_time()
    table, _ = table_of("bu4dfe", tmp_path / "set")
    assert len(table) == 606 * 33
    assert time.process_time() - start < 1
    shutil.rmtree(tmp_path / "set")
