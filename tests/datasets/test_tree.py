"""A tree of files whose names say what is in them, by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from ferdis.datasets.common import Problem
from ferdis.datasets.frames import FrameRule, Row
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import EXPRESSIONS
from tests.datasets.test_au_files import openface
from tests.datasets.trees import picture


class Named(TreeDataset):
    """Files like anna_fear.png."""

    name, layout = "named", "root/PERSON_EXPRESSION.png"
    title = "named"

    def rows(self, tree: Tree) -> pd.DataFrame:
        return tree.table(rows_of(tree), keep=EXPRESSIONS)


def rows_of(tree: Tree) -> list[Row]:
    """One person is one sequence; each file is a frame."""
    return [
        {"path": path, "expression": tree.expression(path, match[2]), "sequence": match[1], "frame": number}
        for number, (path, match) in enumerate(tree.find(re.compile(r"/(\w+)_(\w+)\.png$")))
    ]


def tree_of(root: Path, *names: str) -> Tree:
    for name in names:
        (root / f"{name}.png").touch()
    return Tree(root, Named.name, Named.layout)


def test_files_of_one_mistake_are_one_line(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "anna_fear", "anna_smirk", "ben_gloat", "ben_smirk")
    table = tree.table(rows_of(tree), keep=EXPRESSIONS)
    assert table["path"].tolist() == ["anna_fear.png"]
    problems: list[Problem] = []
    tree.problems.settle(problems, "named")
    assert [problem.places for problem in problems] == [["anna_smirk.png", "ben_smirk.png"], ["ben_gloat.png"]]


def test_classes_of_which_there_is_nothing_are_refused(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "anna_fear", "anna_sadness", "ben_fear")
    message = "no row has one of the expressions anger, joy: the data has fear 2, sadness 1"
    with pytest.raises(ValueError, match=message):
        tree.table(rows_of(tree), keep=("anger", "joy"))


@pytest.mark.parametrize(("rule", "says"), [("middle1", ["strongest at the end"]), ("last1", [])])
def test_frames_that_do_not_fit_the_sequences_are_remarked_on(tmp_path: Path, rule: str, says: list[str]) -> None:
    tree = tree_of(tmp_path, "anna_fear", "ben_anger")
    table = tree.table(rows_of(tree), keep=EXPRESSIONS, frames=FrameRule.parse(rule, "last"))
    assert len(table) == 2 and len(tree.notes) == len(says)
    assert all(word in note for word, note in zip(says, tree.notes, strict=True))


def test_an_image_without_action_units_keeps_its_place(tmp_path: Path) -> None:
    for seed, name in enumerate(("anna_fear", "ben_anger")):
        picture(tmp_path / "set" / f"{name}.png", seed)
    openface(tmp_path / "units" / "anna_fear.csv", [{"AU12_r": 2.0}])
    data = Named(tmp_path / "set", align=False, cache=False, image_size=8, progress=False)
    faces = data.with_openface(data.load(), tmp_path / "units", by="path")
    assert faces.table["AU12"].fillna(-1).tolist() == [2.0, -1.0] and len(faces) == 2
    assert any("1 of 2 faces have no row of action units" in note for note in faces.attrs["notes"])
