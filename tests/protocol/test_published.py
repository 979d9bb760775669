"""Protocols by name: the published rule on a written CK+ tree, official sizes, lists of others that leak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferdis import cli, evaluate
from ferdis.datasets.ckplus import CKPlus
from ferdis.faces import Faces
from ferdis.protocol import (
    CKPlusAscending,
    FoldList,
    LeakError,
    SFEWOfficial,
    describe_protocols,
    protocol_named,
    write_folds,
)
from ferdis.protocol.published import REGISTRY, departures_of
from ferdis.report import write_report
from tests.evaluation.runner_fakes import NearestMean, make_faces

pytestmark = pytest.mark.usefixtures("quick")

# CK+'s subjects with a labelled sequence, and how many such sequences each has: 118 subjects, 327 sequences.
_NAMES = """
    0051 0103 0116 0144 0223 0264 0281 0291 0325 0343 0353 0373 0424 0443 0452 0464 0504 0512 0523 0532 0543 0555 0563
    0573 0583 0592 0603 0613 0624 0632 0643 0654 0664 0674 0684 0693 0703 0715 0722 0732 0744 0754 0763 0772 0783 0793
    0803 0813 0823 0831 0842 0853 0862 0874 0882 0893 0903 0912 0923 0932 0942 0954 0963 0973 0982 0993 1003 1011 1023
    1051 1063 1072 1083 1093 1101 1113 1121 1133 1142 1153 1163 1173 1193 1221 1244 1255 1262 1273 1282 1294 1305 1314
    1325 1333 1343 1352 1364 1373 1385 1391 1471 1481 1491 1511 1541 1551 1561 1571 1581 1601 5013 5023 5033 5044 5052
    5064 8951 9992
    """
SEQUENCES = {f"S{word[:3]}": int(word[3:]) for word in _NAMES.split()}
PUBLISHED_SIZES = [33, 39, 40, 35, 30, 37, 29, 29, 33, 22]  # sequences of each fold, as the published list prints them
SOME_OF_FOLD = {0: ("S005", "S501"), 6: ("S028", "S895"), 7: ("S029", "S999"), 9: ("S034", "S160")}
UNLABELLED = ("S012", "S900")  # subjects without a label: they must not shift the others


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ck")
    number = 0
    for subject, count in {**SEQUENCES, **dict.fromkeys(UNLABELLED, 1)}.items():
        for sequence in range(1, count + 1):
            place = f"{subject}/{sequence:03d}"
            stem = f"{subject}_{sequence:03d}_"
            (root / "cohn-kanade-images" / place).mkdir(parents=True)
            for frame in (1, 2, 3, 4):
                (root / "cohn-kanade-images" / place / f"{stem}{frame:08d}.png").touch()
            if subject not in UNLABELLED:
                (root / "Emotion" / place).mkdir(parents=True)
                (root / "Emotion" / place / f"{stem}00000004_emotion.txt").write_text(f"  {number % 7 + 1}.0e+00\n")
                number += 1
    return root


@pytest.fixture(scope="module")
def ckplus(tree: Path) -> Faces:
    table, _ = CKPlus(root=tree).table([])
    return Faces(np.broadcast_to(np.zeros(1, np.uint8), (len(table), 1, 1, 3)), table)


def test_the_rule_gives_the_published_folds_of_ckplus(ckplus: Faces) -> None:
    folds = protocol_named("ckplus-ascending").split(ckplus)
    sequence, subject = ckplus.table["sequence"].to_numpy(str), ckplus.subject
    assert [len(set(sequence[fold.test])) for fold in folds] == PUBLISHED_SIZES and len(ckplus) == 981
    names = sorted(SEQUENCES)
    for fold in folds:
        assert {name.removeprefix("ck/") for name in subject[fold.test]} == set(names[fold.index :: 10])
        assert not len(fold.validation) and len(fold.train) + len(fold.test) == len(ckplus)
    for index, some in SOME_OF_FOLD.items():
        assert {f"ck/{name}" for name in some} <= set(subject[folds[index].test])
    assert departures_of(CKPlusAscending(), ckplus) == []


def test_what_is_not_the_published_list_says_so(ckplus: Faces) -> None:
    some = ckplus[np.isin(ckplus.subject, sorted(set(ckplus.subject))[:40])]
    lines = departures_of(CKPlusAscending(validation_folds=1), some)
    assert len(lines) == 3 and "40 people" in lines[1] and "ten folds by ascending id" in lines[0]


def test_as_many_people_of_another_set_are_not_the_published_ones(ckplus: Faces) -> None:
    table = ckplus.to_frame()
    others = ckplus.with_table(table.assign(subject=table["subject"].str.replace("ck/", "dk/")))
    assert len(departures_of(CKPlusAscending(), others)) == 1


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("rafdb-official", {"train": 12271, "test": 3068}),  # Li, Deng, Du, CVPR 2017
        ("sfew-official", {"train": 958, "test": 436}),  # Dhall et al., ICMI 2015
        ("fer2013-official", {"train": 28709, "validation": 3589, "test": 3589}),  # Goodfellow et al., ICONIP 2013
    ],
)
def test_sizes_are_those_of_the_papers(name: str, sizes: dict[str, int]) -> None:
    split = [part for part, count in sizes.items() for _ in range(count)]
    table = pd.DataFrame({"expression": np.resize(["fear", "anger"], len(split)), "split": split})
    faces = Faces(np.broadcast_to(np.zeros(1, np.uint8), (len(split), 1, 1, 3)), table)
    assert departures_of(protocol_named(name), faces) == []
    lines = departures_of(protocol_named(name), faces[:-2])
    assert lines == [f"the published test part has {sizes['test']:,} images, these faces {sizes['test'] - 2:,}"]


@given(sizes=st.lists(st.integers(1, 5), min_size=10, max_size=30), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_ascending_folds_keep_people_apart_and_test_each_image_once(sizes: list[int], seed: int) -> None:
    people = np.repeat([f"ck/S{number:03d}" for number in range(len(sizes))], sizes)
    table = pd.DataFrame({"expression": np.resize(["fear", "anger"], len(people)), "subject": people})
    table["path"] = [f"{row}.png" for row in range(len(table))]
    faces = Faces(np.zeros((len(table), 1, 1, 3), np.uint8), table)
    order = np.random.default_rng(seed).permutation(len(table))
    tested = []
    for fold, other in zip(CKPlusAscending().split(faces), CKPlusAscending(seed=seed).split(faces[order]), strict=True):
        assert not set(people[fold.train]) & set(people[fold.test])
        assert set(order[other.test]) == set(fold.test)  # whatever the order of rows and the seed
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(len(table)))


def test_official_sizes_are_compared() -> None:
    table = pd.DataFrame({"expression": np.resize(["fear", "anger"], 1394), "split": ["train"] * 958 + ["test"] * 436})
    faces = Faces(np.broadcast_to(np.zeros(1, np.uint8), (1394, 1, 1, 3)), table)
    assert departures_of(SFEWOfficial(validation=0.1), faces) == []
    (line,) = departures_of(SFEWOfficial(), faces[np.arange(1394) != 0])
    assert line == "the published train part has 958 images, these faces 957"


def test_more_images_than_published_depart_as_well() -> None:
    table = pd.DataFrame({"expression": np.resize(["fear", "anger"], 1395), "split": ["train"] * 958 + ["test"] * 437})
    faces = Faces(np.broadcast_to(np.zeros(1, np.uint8), (1395, 1, 1, 3)), table)
    assert departures_of(SFEWOfficial(), faces) == ["the published test part has 436 images, these faces 437"]
    assert departures_of(protocol_named("official"), faces) == []


def test_any_other_argument_or_sequence_departs_from_the_published_list(ckplus: Faces) -> None:
    rule = "the published list has ten folds by ascending id and no validation part"
    for changed in ({"n_splits": 5}, {"validation_folds": 1}, {"scheme": "stratified"}):
        assert departures_of(protocol_named("ckplus-ascending", **changed), ckplus) == [rule]
    several = ckplus.table.groupby("subject")["sequence"].unique().map(list)
    one = next(names[0] for names in several if len(names) > 1)
    fewer = ckplus[(ckplus.table["sequence"] != one).to_numpy()]
    assert departures_of(CKPlusAscending(), fewer) == ["the published list has 327 sequences, these faces 326"]


def test_each_name_leads_to_its_class_and_the_command_line_knows_the_same() -> None:
    from ferdis.cli import chosen
    from ferdis.protocol import cross_dataset

    assert chosen.JOINT == cross_dataset.JOINT
    assert {name: entry.splitter for name, entry in REGISTRY.items()} == chosen.PROTOCOLS
    text = describe_protocols()
    for name, entry in REGISTRY.items():
        assert hasattr(entry.imported(), "split") and entry.source in text and entry.good_for in text and name in text
    with pytest.raises(ValueError, match="no protocol 'ckplus-ascendin'; did you mean 'ckplus-ascending'"):
        protocol_named("ckplus-ascendin")
    with pytest.raises(ValueError, match=r"protocol 'fold-list': .*path.*give FoldList\(...\) itself"):
        protocol_named("fold-list")


def test_the_verb_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["protocols"]) == 0
    assert "327 sequences" in capsys.readouterr().out


def test_evaluate_takes_a_name_and_says_what_the_run_is_not(tmp_path: Path) -> None:
    found = evaluate(NearestMean(), make_faces(12), "ckplus-ascending", out=tmp_path / "run", progress=False)
    assert found.rows["fold"].nunique() == 10 and found.rows["path"].is_unique
    record = json.loads((tmp_path / "run/resolved.json").read_text())["protocol"]
    assert record["class"] == "CKPlusAscending" and "12 people" in record["departures"][0]
    assert "Not the published experiment of CKPlusAscending" in (tmp_path / "run/summary.md").read_text()


@pytest.fixture
def leaking(tmp_path: Path) -> tuple[Faces, Path]:
    """A list by image: each tenth image tests, whoever it shows."""
    faces = make_faces(6)
    folds = protocol_named("subject-kfold", n_splits=2, validation_folds=0).split(faces)
    write_folds(tmp_path / "list.csv", faces, folds)
    table = pd.read_csv(tmp_path / "list.csv")
    by_image = np.arange(len(faces)) % 2
    paths = faces.table["path"].to_numpy(str)
    lines = [
        {"fold": fold, "part": "test" if by_image[row] == fold else "train", "subject": faces.subject[row],
         "path": paths[row]}
        for fold in (0, 1)
        for row in range(len(faces))
    ]  # fmt: skip
    pd.DataFrame(lines, columns=table.columns).to_csv(tmp_path / "list.csv", index=False)
    return faces, tmp_path / "list.csv"


def test_a_leaking_list_runs_only_when_told_and_the_headline_says_so(leaking, tmp_path: Path) -> None:
    faces, path = leaking
    with pytest.raises(LeakError, match="a list of others runs as it is with allow_overlap=True"):
        evaluate(NearestMean(), faces, FoldList(path), out=tmp_path / "refused", progress=False)
    run = tmp_path / "run"
    evaluate(NearestMean(), faces, FoldList(path), out=run, progress=False, allow_overlap=True)
    told = json.loads((run / "resolved.json").read_text())["audit"]
    assert told["leaks"] >= 2 and told["seen_share"] == 1.0
    assert "LEAKS, let pass by allow_overlap" in (run / "audit.txt").read_text()
    page = write_report([run], out=tmp_path / "report").read_text()
    lead = page[page.index('<div class="lead">') :]
    assert lead.index("leak (100.0") < lead.index("UAR") and "how well strangers are recognised" in lead


def test_no_other_protocol_may_leak_with_allow_overlap(leaking) -> None:
    faces, path = leaking
    folds = FoldList(path).split(faces)
    with pytest.raises(LeakError, match="the same person"):
        evaluate(NearestMean(), faces, folds, progress=False, allow_overlap=True)


def test_a_list_that_does_not_leak_says_nothing(tmp_path: Path) -> None:
    faces = make_faces(6)
    write_folds(tmp_path / "list.csv", faces, protocol_named("subject-kfold", n_splits=3).split(faces))
    protocol = FoldList(tmp_path / "list.csv")
    evaluate(NearestMean(), faces, protocol, out=tmp_path / "run", progress=False, allow_overlap=True)
    assert "leaks" not in json.loads((tmp_path / "run/resolved.json").read_text())["audit"]
    assert "leak" not in (tmp_path / "run/summary.md").read_text().lower()
