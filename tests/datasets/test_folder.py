from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferdis.datasets import load
from ferdis.datasets.folder import build_table
from tests.datasets.trees import picture

VIDEO = r"(?P<subject>S\d+)_(?P<sequence>\d+)_(?P<frame>\d+)"


def tree(root, *paths):
    for seed, path in enumerate(paths):
        picture(root / path, seed, (6, 6))
    return root


def test_expression_folders_at_any_depth(tmp_path):
    root = tree(tmp_path / "mine", "Anger/S1_01_003.png", "train/happy/S2_01_007.JPG", "x/FEAR/deep/S1_02_001.png")
    (root / "readme.txt").write_text("x")
    (root / "Anger" / "._S1_01_003.png").write_bytes(b"x")
    table, notes = build_table(root, subject=VIDEO)
    assert list(table["expression"]) == ["anger", "happiness", "fear"]
    assert list(table["subject"]) == ["mine/S1", "mine/S2", "mine/S1"]
    assert list(table["sequence"]) == ["mine/S1/01", "mine/S2/01", "mine/S1/02"]
    assert list(table["frame"]) == [3, 7, 1]
    assert notes == ["files that are no images, left alone (1): readme.txt"]


@pytest.mark.parametrize("pattern", [r"S\d", r"(S\d)_", r"(?P<subject>S\d)_"])
def test_person_by_whole_match_only_group_or_name(tmp_path, pattern):
    table, _ = build_table(tree(tmp_path, "anger/S1_a.png"), subject=pattern, namespace="n")
    assert table["subject"][0] == "n/S1"


def test_own_folder_names(tmp_path):
    table, _ = build_table(tree(tmp_path, "4/a.png"), subject="[a-z]", labels={"4": "happiness"})
    assert table["expression"][0] == "happiness"
    table, _ = build_table(tree(tmp_path / "deep", "train/4/a.png"), subject="[a-z].png", labels={"4": "happiness"})
    assert table["expression"][0] == "happiness"


def test_a_group_named_expression_outranks_folders_and_one_named_path_renames_no_image(tmp_path):
    root = tree(tmp_path, "anger/S1_sad.png")
    table, _ = build_table(root, subject=r"(?P<subject>S\d)_(?P<path>(?P<expression>[a-z]+))", namespace="n")
    assert table.loc[0].to_dict() == {"path": "anger/S1_sad.png", "expression": "sadness", "subject": "n/S1"}


@pytest.mark.parametrize(
    ("path", "subject", "message"),
    [
        ("anger/x.png", r"S\d", r"anger/x.png: subject='S\\\\d' finds no person in 'anger/x.png'"),
        ("S1.png", r"S\d", r"S1.png lies in no folder that names its class: expected root/\{anger"),
        ("x/S1.png", r"(?P<subject>S\d)(?P<expression>!)?", r"x/S1.png: subject=.* finds no expression in 'x/S1.png'"),
        ("anger/sad/S1.png", r"S\d", r"lies in folders of anger and sadness"),
        ("anger/S1.png", r"(S\d", r"is no regular expression"),
        ("anger/S1.png", r"(S)(\d)", r"has several groups: name the person's"),
        ("anger/S1.png", r"(?P<frame>\d)", r"name the person's"),
        ("anger/S1.png", r"(?P<subject>X)?", r"finds no person"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, path, subject, message):
    with pytest.raises(ValueError, match=message) as caught:
        build_table(tree(tmp_path, path), subject=subject)
    assert "\n" not in str(caught.value)


def test_no_pictures_and_no_subject(tmp_path):
    (tmp_path / "anger").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no images: expected root/\{anger,contempt"):
        build_table(tmp_path, subject=".")


def test_without_subject_nobody_is_known(tmp_path):
    root = tree(tmp_path, "anger/1.png", "fear/2.png")
    table, notes = build_table(root)
    assert list(table) == ["path", "expression"] and list(table["expression"]) == ["anger", "fear"]
    assert notes == ["subject= is not given: these faces can be fitted and predicted, not split by person"]
    assert not load("folder", root=root, align=False, cache=False, image_size=16, progress=False).has_subjects


@pytest.mark.parametrize(
    ("paths", "subject", "labels"),
    [
        (("engaged/anna/1.png", "bored/ben/1.png"), "anna|ben", ("engaged", "bored")),
        (("anna/engaged/1.png", "ben/neutral/1.png"), "anna|ben", ("engaged", "neutral")),
        (("anna/engaged/1.png", "ben/bored/1.png"), "(?P<subject>[^/]+)/(?P<expression>[^/]+)", ("engaged", "bored")),
        (("4/1.png", "happy/2.png"), r"\d", ("4", "happiness")),
    ],
)
def test_folders_of_other_names_are_classes(tmp_path, paths, subject, labels):
    table, _ = build_table(tree(tmp_path, *paths), subject=subject)
    assert dict(zip(table["path"], table["expression"], strict=True)) == dict(zip(paths, labels, strict=True))


def test_a_folder_misspelt_is_named(tmp_path):
    root = tree(tmp_path, "anger/S1.png", "hapy/S2.png", "hapy/S3.png")
    with pytest.raises(
        ValueError, match=r"hapy/S2.png: folder 'hapy': did you mean 'happiness'\?.*\(1 more file alike"
    ):
        build_table(root, subject=r"S\d")
    table, _ = build_table(root, subject=r"S\d", labels={"hapy": "hapy"})
    assert list(table["expression"]) == ["anger", "hapy", "hapy"]


names = st.tuples(st.sampled_from(["anger", "Happy", "sub/sad", "odd"]), st.integers(0, 3), st.integers(0, 9))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.sets(names, min_size=1, max_size=10))
def test_no_picture_is_lost_or_doubled(tmp_path_factory, files):
    """Every image is a row or a named problem, exactly once (person 3's name does not match)."""
    root = tmp_path_factory.mktemp("tree")
    paths = {f"{folder}/{'S' if person < 3 else 'x'}{person}_{number}.png" for folder, person, number in files}
    tree(root, *sorted(paths))
    problems: list = []
    table, _ = build_table(root, subject=r"S\d", problems=problems)
    deep = {folder for folder, _, _ in files} - {"odd"} == {"sub/sad"}  # classes are named in the second folder
    bad = {path for path in paths if "x3_" in path or (deep and path.startswith("odd/"))}
    assert sorted(table["path"]) == sorted(paths - bad)
    assert sorted(path for problem in problems for path in problem.places) == sorted(bad)
    assert all(str(problem).startswith(str(root / problem.places[0])) for problem in problems)
