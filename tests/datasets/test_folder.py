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


@pytest.mark.parametrize(
    ("path", "subject", "message"),
    [
        ("anger/x.png", r"S\d", r"anger/x.png: subject='S\\\\d' finds no person in 'anger/x.png'"),
        ("hapy/S1.png", r"S\d", r"hapy/S1.png: folder 'hapy' is no expression; did you mean 'happiness'\?"),
        ("S1.png", r"S\d", r"S1.png lies in no expression folder: expected root/\{anger"),
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
    with pytest.raises(ValueError, match="folder needs subject="):
        load("folder", root=tmp_path)


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
    bad = {path for path in paths if path.startswith("odd/") or "x3_" in path}
    assert sorted(table["path"]) == sorted(paths - bad)
    assert sorted(path for problem in problems for path in problem.places) == sorted(bad)
    assert all(str(problem).startswith(str(root / problem.places[0])) for problem in problems)
