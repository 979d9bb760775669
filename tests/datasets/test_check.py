from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.datasets.check import check, examine, examine_faces
from ferdis.faces import Faces
from ferdis.preprocess import prepare
from tests.datasets.trees import ck48, ckplus, manifest, noise, picture

PEOPLE = [f"images/{person}_{label}.png,{label},p{person:02d}" for person in range(12) for label in ("fear", "anger")]


def smooth(seed, side=64):
    """An image with structure at all scales, so that recompression leaves it much the same."""
    small = noise(seed, (16, 16))
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def test_clean_set_has_nothing_wrong(tmp_path):
    report = check("manifest", root=manifest(tmp_path, PEOPLE))
    assert report.ok and report.wrong == [] and report.remarks == []
    assert report.counts.loc["all"].to_dict() == {"images": 24, "people": 12}
    assert report.counts.loc["fear"].to_dict() == {"images": 12, "people": 12}
    text = str(report)
    assert "manifest: 24 images" in text and "nothing is wrong" in text and "images a person: 2 to 2" in text
    assert "shortest side 20, longest 24 pixels" in text


def test_unreadable_pictures_and_bad_rows_are_all_listed(tmp_path):
    root = manifest(tmp_path, [*PEOPLE, "text.png,fear,p01", "cut.jpg,fear,p01", "bad.png,,p01", "gone.jpg,fear,p02"])
    (root / "text.png").write_text("no picture")
    Image.fromarray(noise(1, (64, 64))).save(root / "cut.jpg")
    data = (root / "cut.jpg").read_bytes()
    (root / "cut.jpg").write_bytes(data[: len(data) // 2])
    report = check("manifest", root=root)
    assert not report.ok and report.unreadable == ["text.png", "cut.jpg"]
    assert len(report.table) == 26 and report.table["readable"].sum() == 24
    for name in ("line 28: bad.png has no expression", "gone.jpg does not exist", "text.png", "cut.jpg"):
        assert sum(name in line for line in report.wrong) == 1, name
    assert all("\n" not in line for line in report.wrong) and "WRONG:" in str(report)
    assert "(1 more images cannot be read: cut.jpg)" in next(line for line in report.wrong if "text.png" in line)


def test_repeated_images_are_one_line_per_cause(tmp_path):
    copies = [f"copy{row}.png,anger,p00" for row in range(6)]
    root = manifest(tmp_path, [*PEOPLE, *copies])
    for row in range(6):  # copies of images that carry other labels
        Image.open(root / f"{PEOPLE[row].split(',')[0]}").save(root / f"copy{row}.png")
    report = check("manifest", root=root)
    lines = [line for line in report.wrong if "have the same pixels but are labelled" in line]
    assert len(lines) == 1 and len(report.duplicates) == 6 and "more groups alike" in lines[0]


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        ("copy.png,anger,p00", True, "have the same pixels but are labelled anger and fear"),
        ("copy.png,fear,p05", True, r"have the same pixels but are said to show .*/p00 and .*/p05"),
        ("copy.png,fear,p00", False, r"groups of one person's images that have the same pixels \(1\)"),
    ],
)
def test_exact_copies(tmp_path, line, wrong, said):
    root = manifest(tmp_path, [*PEOPLE, line])
    Image.open(root / "images/0_fear.png").save(root / "copy.bmp")  # another format, the same pixels
    (root / "copy.bmp").rename(root / "copy.png")
    report = check("manifest", root=root)
    assert report.duplicates == [("images/0_fear.png", "copy.png")] and report.mirrored == []
    assert report.ok is not wrong
    assert pd.Series(report.wrong if wrong else report.remarks).str.contains(said).sum() == 1


def test_mirrored_copy(tmp_path):
    root = manifest(tmp_path, [*PEOPLE, "copy.png,fear,p05"])
    Image.fromarray(np.asarray(Image.open(root / "images/0_fear.png"))[:, ::-1]).save(root / "copy.png")
    report = check("manifest", root=root)
    assert report.mirrored == [("images/0_fear.png", "copy.png")] and report.duplicates == []
    assert len(report.wrong) == 1 and "are mirror images of each other but are said to show" in report.wrong[0]


def test_picture_that_is_its_own_mirror_image_is_no_pair():
    half = noise(3, (16, 8))
    images = np.stack([np.concatenate([half, half[:, ::-1]], axis=1), noise(4, (16, 16))])
    table = pd.DataFrame({"expression": ["fear", "anger"], "subject": ["n/a", "n/b"]})
    assert examine_faces("own", Faces(images, table)).mirrored == []


@pytest.mark.parametrize(("quality", "flip"), [(30, False), (50, True)])
def test_near_duplicate_across_people_only(tmp_path, quality, flip):
    lines = [f"{person}.png,fear,p{person:02d}" for person in range(12)]
    for person in range(12):
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(smooth(person)).save(tmp_path / f"{person}.png")
    pixels = smooth(3)[:, :: -1 if flip else 1]
    for name in ("near", "own"):
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"{name}.jpg", quality=quality)
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "own.jpg", quality=quality - 10)
    root = manifest(tmp_path, [*lines, "near.jpg,fear,p07", "own.jpg,fear,p03"])
    report = check("manifest", root=root)
    assert sorted(map(set, report.near), key=sorted) == [{"3.png", "near.jpg"}, {"near.jpg", "own.jpg"}]
    assert any("2 pairs of two people's images are nearly one image" in line for line in report.remarks)


def test_imbalance_and_people_with_one_expression(tmp_path):
    lines = [f"{person}_{copy}.png,fear,p{person:02d}" for person in range(12) for copy in range(2)]
    report = check("manifest", root=manifest(tmp_path, [*lines, "x.png,anger,p00"]))
    remarks = "\n".join(report.remarks)
    assert report.ok
    assert "classes are unbalanced: fear 24 to anger 1 (24:1)" in remarks
    assert "11 of 12 people show one expression only" in remarks
    assert "fewer than 10 people show anger 1" in remarks


def test_few_people_one_class_and_unknown_people(tmp_path):
    report = check("manifest", root=manifest(tmp_path / "a", ["1.png,fear,a", "2.png,fear,b"]))
    assert any("one class only, fear" in line for line in report.remarks)
    assert any("2 people: too few for 10 subject-exclusive folds" in line for line in report.remarks)
    root = manifest(tmp_path / "b", ["1.png,fear,train", "2.png,anger,test"], "path,expression,split")
    report = check("manifest", root=root, without_subjects=True)
    assert any("people are not known" in line for line in report.remarks)


@pytest.mark.parametrize(("name", "tree"), [("ckplus", ckplus), ("ck48", ck48)])
def test_published_counts_are_compared(tmp_path, name, tree):
    report = check(name, root=tree(tmp_path))
    assert report.ok and "15 images (published 981)" in report.remarks[0]
    found = report.counts.loc["all", ["images", "people", "sequences"]]
    assert found.to_dict() == {"images": 15, "people": 3, "sequences": 5}
    published = report.counts["published sequences"]
    assert published["anger"] == 45 and published["all"] == 327 and report.counts.loc["all", "published images"] == 981
    assert "published images" in str(report) and "<NA>" not in str(report)


def test_a_neutral_first_frame_is_no_second_label_of_its_sequence(tmp_path):
    report = check("ckplus", root=ckplus(tmp_path, facs=False), frames="first+last")
    assert report.counts.loc["neutral", "images"] == 5
    assert not any("more than one expression" in line for line in report.remarks)


def test_problems_of_a_layout_do_not_stop_the_look(tmp_path):
    root = ckplus(tmp_path)
    (root / "Emotion/S010/001/S010_001_00000005_emotion.txt").write_text("9")
    picture(root / "cohn-kanade-images/S005/001/S005_001_00000011.png", 1).write_bytes(b"")
    report = check("ckplus", root=root)
    assert len(report.wrong) == 2 and "label '9' has no name" in report.wrong[0]
    assert report.unreadable == ["cohn-kanade-images/S005/001/S005_001_00000011.png"]


@pytest.mark.parametrize("other", ["7", "007", "7.0"])
def test_look_alike_names_are_warned_of(tmp_path, other):
    lines = [line.replace("p07", "07").replace("p03", other) for line in PEOPLE]
    report = check("manifest", root=manifest(tmp_path / "mine", lines))
    assert report.ok and len(report.remarks) == 1
    assert f"'mine/07' and 'mine/{other}'" in report.remarks[0] or f"'mine/{other}' and 'mine/07'" in report.remarks[0]


def test_one_cause_is_one_line_however_many_rows_it_concerns(tmp_path):
    bad = [f"gone{row}.jpg,fear,p01" for row in range(200)] + [f"{row}.png,hapy,p01" for row in range(50)]
    report = check("manifest", root=manifest(tmp_path, [*PEOPLE, *bad]))
    assert len(report.wrong) == 2 and len(str(report).splitlines()) < 15
    assert "faces.csv line 26: " in report.wrong[0] and "gone0.jpg does not exist" in report.wrong[0]
    assert "(199 more lines alike: 27, 28, 29, 30, 31 and 194 more)" in report.wrong[0]
    assert (
        "expression 'hapy'" in report.wrong[1]
        and "did you mean 'happiness'?" in report.wrong[1]
        and "(49 more lines alike: 227," in report.wrong[1]
    )


def test_every_row_is_bad(tmp_path):
    report = check("manifest", root=manifest(tmp_path, ["gone.jpg,fear,a"]))
    assert not report.ok and len(report.wrong) == 1 and "0 images" in str(report)


def test_faces_in_memory_and_arguments():
    table = pd.DataFrame({"expression": ["fear", "anger"], "subject": ["n/a", "n/b"]})
    report = examine_faces("mine", Faces(np.stack([noise(1), noise(1)]), table, {"notes": ["said by the loader"]}))
    assert report.duplicates == [("row 0", "row 1")] and not report.ok
    assert report.remarks[0] == "said by the loader"
    with pytest.raises(ValueError, match="manifest has no argument 'rot'"):
        check("manifest", rot=1)
    with pytest.raises(ValueError, match="no data set 'manifst'; did you mean 'manifest'"):
        check("manifst")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check("manifest", root="nowhere")


def looked_at(images, **columns):
    """A look at images in memory; None is one that cannot be read."""

    def read(row):
        if images[row] is None:
            raise ValueError(f"{row}.png is damaged")
        return images[row]

    table = pd.DataFrame({"path": [f"{row}.png" for row in range(len(images))], **columns})
    return examine("set", table, read)


def saved(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_sizes_and_counts_by_hand():
    images = [noise(1, (20, 30)), None, noise(2, (24, 28)), noise(3, (20, 30))]
    columns = {"expression": ["fear", "fear", "anger", "fear"], "subject": ["a", "a", "a", "b"]}
    columns |= {"sequence": ["a/1", "a/1", "a/1", "b/1"], "split": ["train", "train", "train", "test"]}
    report = looked_at(images, **columns)
    assert report.table["height"].tolist() == pytest.approx([20, np.nan, 24, 20], nan_ok=True)
    assert report.table["width"].tolist() == pytest.approx([30, np.nan, 28, 30], nan_ok=True)
    assert report.counts.to_numpy().tolist() == [[1, 1, 1], [3, 2, 2], [1, 1, 1], [3, 1, 1], [4, 2, 2]]
    assert report.counts.index.tolist() == ["anger", "fear", "test", "train", "all"]
    assert "shortest side 20, longest 30 pixels" in str(report)
    assert "sequences with more than one expression (1): a/1 (anger, fear)" in report.remarks


def test_the_most_alike_pair_comes_first_under_its_own_names():
    images = [None, *map(smooth, range(4)), saved(smooth(1), 25), saved(smooth(2), 95)]
    report = looked_at(images, expression="fear", subject=[f"p{row}" for row in range(len(images))])
    assert report.near == [("3.png", "6.png"), ("2.png", "5.png")]
    (line,) = [line for line in report.remarks if "nearly one image" in line]
    assert line.startswith("2 pairs of two people's images") and "3.png and 6.png (p3 and p6; similarity " in line


def test_near_duplicates_across_the_parts_of_a_split_are_said():
    images = [*map(smooth, range(4)), saved(smooth(1), 60), saved(smooth(2), 60)]
    report = looked_at(images, expression="fear", split=["train"] * 4 + ["test", "train"])
    assert report.near == [("1.png", "4.png")]
    assert any("1 pairs of two splits' images are nearly one image" in line for line in report.remarks)


def test_balance_at_its_edges():
    """Ten to one is balanced and ten people are enough; a class is rare by its people, not by its images."""
    people = [f"p{row % 10}" for row in range(22)]
    report = looked_at([noise(row) for row in range(22)], expression=["fear"] * 20 + ["anger"] * 2, subject=people)
    assert report.remarks == [
        "fewer than 10 people show anger 2: some of 10 folds cannot test it",
        "8 of 10 people show one expression only: p2, p3, p4, p5, p6 and 3 more",
    ]
    three = looked_at([noise(row) for row in range(33)], expression=["fear"] * 21 + ["anger"] * 12,
                      subject=[*people[:21], *["p0", "p1", "p2"] * 4])  # fmt: skip
    assert "fewer than 10 people show anger 3: some of 10 folds cannot test it" in three.remarks
    (line,) = looked_at([noise(row) for row in range(13)], expression=["fear"] * 12 + ["anger"]).remarks[:1]
    assert line == "classes are unbalanced: fear 12 to anger 1 (12:1); read UAR beside accuracy"


def test_whole_images_are_looked_at_not_crops(tmp_path):
    Image.fromarray(noise(1, (20, 30))).save(tmp_path / "a.png")
    table = pd.DataFrame({"expression": ["fear"], "path": ["a.png"]})
    faces = prepare([tmp_path / "a.png"], table, image_size=8, align=False, cache=False, progress=False)
    report = examine_faces("mine", faces)
    assert report.table[["height", "width"]].to_numpy().tolist() == [[20, 30]]
