"""CrossDataset: joined sets, shared classes, people of one namespace, the audit, a run folder, and the matrix."""

from __future__ import annotations

import os
from functools import wraps
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferdis import CrossDataset, Faces, LeaveOneDatasetOut, audit, cli, evaluate, load
from ferdis.datasets.sources import faces_of_config, joint_protocol, load_sources, read_source
from ferdis.protocol.leakage import LeakError
from tests.evaluation.runner_fakes import NearestMean

pytestmark = pytest.mark.usefixtures("quick")

SHARED = Path(os.environ.get("FERDIS_SHARED", Path(__file__).parents[3] / "shared"))


def people(name, count, classes=("anger", "fear", "happiness"), *, first=0, namespace=None, side=24, seed=0):
    """A set of noise faces; with ``namespace`` the people are those of another set."""
    rng = np.random.default_rng([seed, first, *name.encode()])
    table = pd.DataFrame(
        {"expression": label, "subject": f"{namespace or name}/P{person:02d}", "path": f"{person}-{label}.png"}
        for person in range(first, first + count)
        for label in classes
    )
    return Faces(rng.integers(0, 256, (len(table), side, side, 3), dtype=np.uint8), table, {"dataset": name})


def test_trains_on_all_sets_but_the_test_set():
    a, b, c = people("a", 4), people("b", 3), people("c", 2)
    protocol = CrossDataset(train=[a, b], test=c)
    faces = protocol.faces
    (fold,) = protocol.split(faces)
    assert set(faces.table["dataset"][fold.train]) == {"a", "b"} and set(faces.table["dataset"][fold.test]) == {"c"}
    assert len(fold.train) == 21 and len(fold.test) == 6 and len(fold.validation) == 0
    assert faces.table["path"].is_unique and faces.attrs["dataset"] == "a+b->c"
    assert protocol.split(faces) == protocol.split() == CrossDataset(train=["a", "b"], test="c").split(faces)
    assert (faces.pixels(fold.test) == c.pixels()).all()
    assert audit(faces, [fold]).ok and protocol.get_n_splits() == 1


def test_validation_is_carved_by_person():
    protocol = CrossDataset(train=[people("a", 20)], test=people("b", 3), validation=0.2)
    (fold,) = protocol.split(protocol.faces)
    subject = protocol.faces.subject
    assert len(fold.validation) > 0 and not set(subject[fold.validation]) & set(subject[fold.train])
    assert len(fold.train) + len(fold.validation) == 60


def test_only_shared_classes_are_kept_and_the_others_counted():
    a = people("a", 4, ("anger", "contempt", "fear"))
    b = people("b", 3, ("anger", "fear", "neutral"))
    c = people("c", 2, ("anger", "fear", "neutral", "sadness"))
    faces = CrossDataset(train=[a, b], test=c).faces
    assert faces.classes == ("anger", "fear", "neutral")  # neutral: one training set has it, and the test set
    notes = faces.attrs["notes"]
    assert "a: classes that the other side lacks, left out: contempt 4" in notes
    assert "c: classes that the other side lacks, left out: sadness 2" in notes
    with pytest.raises(
        ValueError, match="train and test share 1 classes, two are needed: a has anger, contempt, fear; "
    ):
        _ = CrossDataset(train=[a], test=people("d", 2, ("fear", "sadness"))).faces


def test_copies_of_one_set_share_their_people_and_are_refused():
    full, crops = people("ckplus", 4, namespace="ck"), people("ck48", 4, namespace="ck", seed=1)
    protocol = CrossDataset(train=[full], test=crops)
    with pytest.raises(LeakError, match=r"the same person ck/P00"):
        evaluate(NearestMean(), protocol.faces, protocol, progress=False)


def test_sets_that_may_overlap_need_a_flag():
    protocol = CrossDataset(train=[people("bu4dfe", 4, namespace="bu4d")], test=people("bu3dfe", 3, namespace="bu3d"))
    with pytest.raises(LeakError, match=r"bu[34]d may show people of bu[34]d.*allow_overlap=True"):
        evaluate(NearestMean(), protocol.faces, protocol, progress=False)
    assert len(evaluate(NearestMean(), protocol.faces, protocol, progress=False, allow_overlap=True).rows) == 9


def test_a_picture_that_two_sets_share_is_refused():
    a, b = people("a", 4), people("b", 3)
    pixels = b.pixels().copy()
    pixels[2] = a.pixels([5])[0][:, ::-1]  # mirrored
    protocol = CrossDataset(train=[a], test=Faces(pixels, b.table, b.attrs))
    with pytest.raises(LeakError, match=r"the same image .*a/1-happiness\.png.*b/0-happiness\.png"):
        audit(protocol.faces, protocol.split())


def test_near_duplicates_between_sets_are_refused():
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.repeat(rng.integers(0, 200, (12, 24, 24, 3), dtype=np.uint8), 2, 1), 2, 2)
    a, b = people("a", 4, side=48), people("b", 3, side=48)
    pixels = b.pixels().copy()
    pixels[4] = smooth[3] + 9
    protocol = CrossDataset(train=[Faces(smooth, a.table, a.attrs)], test=Faces(pixels, b.table, b.attrs))
    with pytest.raises(LeakError, match=r"two names but nearly one image .*a/1-anger\.png.*b/1-fear\.png"):
        audit(protocol.faces, protocol.split())


def test_sets_that_do_not_know_their_people():
    unknown = people("web", 3)
    unknown = Faces(unknown.images, unknown.table.drop(columns="subject"), unknown.attrs)
    protocol = CrossDataset(train=[people("a", 4)], test=unknown)
    faces = protocol.faces
    assert len(set(faces.subject[protocol.split()[0].test])) == 9
    assert any("web does not know its people" in note for note in faces.attrs["notes"])
    assert audit(faces, protocol.split()).ok
    other = Faces(unknown.images, unknown.table, {"dataset": "other"})
    assert not CrossDataset(train=[unknown], test=other).faces.has_subjects


def test_two_populations_of_one_name_are_told_apart():
    one, two = (load("synthetic", people=2, image_size=32, images_per_expression=1, seed=seed) for seed in (0, 1))
    protocol = CrossDataset(train=[one], test=two)
    assert sorted(set(protocol.faces.table["dataset"])) == ["synthetic", "synthetic-2"]
    assert audit(protocol.faces, protocol.split()).ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": [], "test": "b"}, "train is empty"),
        ({"train": ["a", "b"], "test": "b"}, "the test set is among the training sets"),
        ({"train": ["a"], "test": "b", "validation": 1.0}, "validation=1.0"),
        ({"train": ["a"], "test": people("b", 2)}, "mix names and Faces"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrossDataset(**arguments)


def test_wrong_faces():
    with pytest.raises(ValueError, match="no column 'dataset'"):
        CrossDataset(train=["a"], test="b").split(people("a", 3))
    with pytest.raises(ValueError, match="no row is of 'c': these faces are of a, b"):
        CrossDataset(train=["a"], test="c").split(CrossDataset(train=[people("a", 3)], test=people("b", 2)).faces)
    with pytest.raises(ValueError, match="by name only"):
        _ = CrossDataset(train=["a"], test="c").faces
    with pytest.raises(ValueError, match="image sizes differ"):
        _ = CrossDataset(train=[people("a", 3)], test=people("b", 2, side=16)).faces


def test_run_folder_and_resuming(tmp_path):
    protocol = CrossDataset(train=people("a", 4), test=people("b", 3))
    first = evaluate(NearestMean(), protocol.faces, protocol, out=tmp_path, progress=False)
    assert set(first.rows["path"].str.split("/").str[0]) == {"b"} and set(first.rows["dataset"]) == {"b"}
    for name in ("config.yaml", "folds.csv", "rows.csv", "summary.md", "audit.txt"):
        assert (tmp_path / name).is_file(), name
    assert "CrossDataset" in (tmp_path / "config.yaml").read_text()
    again = evaluate(NearestMean(), protocol.faces, protocol, out=tmp_path, progress=False)
    pd.testing.assert_frame_equal(first.rows, again.rows)


@given(
    sizes=st.lists(st.integers(3, 6), min_size=2, max_size=4), seed=st.integers(0, 9), share=st.sampled_from([0.0, 0.3])
)
@settings(max_examples=20, deadline=None)
def test_each_set_is_tested_once_and_trains_otherwise(sizes, seed, share):
    sets = [people(f"set{k}", count) for k, count in enumerate(sizes)]
    protocol = LeaveOneDatasetOut(sets, validation=share, seed=seed)
    faces, folds = protocol.faces, protocol.split()
    assert protocol.get_n_splits() == len(folds) == len(sets)
    origin, tested = faces.table["dataset"].to_numpy(str), []
    for fold in folds:
        assert set(origin[fold.test]) == {f"set{fold.index}"} and f"set{fold.index}" not in set(origin[fold.train])
        parts = [set(faces.subject[part]) for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) and bool(len(fold.validation)) == bool(share)
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(len(faces)))
    order = np.random.default_rng(seed).permutation(len(faces))
    named = LeaveOneDatasetOut([f"set{k}" for k in range(len(sets))], validation=share, seed=seed)
    for fold, other in zip(folds, named.split(faces[order]), strict=True):
        assert set(order[other.train]) == set(fold.train) and set(order[other.test]) == set(fold.test)


def test_classes_are_those_that_all_sets_have_and_this_is_said(tmp_path):
    sets = [people("a", 4, ("anger", "fear", "neutral")), people("b", 3, ("anger", "fear")), people("c", 3)]
    protocol = LeaveOneDatasetOut(sets)
    found = evaluate(NearestMean(), None, protocol, out=tmp_path, progress=False)
    assert set(found.rows["true"]) == {"anger", "fear"} and list(found.rows.groupby("fold")["dataset"].first()) == list(
        "abc"
    )
    summary = (tmp_path / "summary.md").read_text()
    assert "Classes that the sets share: anger, fear" in summary
    assert "a: classes that not all sets have, left out: neutral 4" in summary
    with pytest.raises(ValueError, match="the sets share 1 classes, two are needed"):
        _ = LeaveOneDatasetOut([*sets, people("d", 3, ("fear", "joy"))]).faces


def test_any_two_sets_that_share_a_person_or_an_image_are_refused():
    a, b, c = people("a", 4), people("b", 3), people("c", 3)
    shared = people("copy", 3, first=2, namespace="a", seed=5)
    with pytest.raises(LeakError, match="the same person a/P0"):
        evaluate(NearestMean(), None, LeaveOneDatasetOut([a, b, shared]), progress=False)
    pixels = c.pixels().copy()
    pixels[0] = b.pixels([1])[0]
    with pytest.raises(LeakError, match="the same image"):
        evaluate(NearestMean(), None, LeaveOneDatasetOut([a, b, Faces(pixels, c.table, c.attrs)]), progress=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [([people("a", 2)], "fewer than two"), (["a", people("b", 2)], "mixes names"), (["a", "b", "a"], "twice")],
)
def test_wrong_sets(given, message):
    with pytest.raises(ValueError, match=message):
        LeaveOneDatasetOut(given)


def test_sets_on_a_line(tmp_path):
    assert read_source("synthetic=60") == read_source("synthetic=synthetic:60")
    assert read_source("synthetic=60").arguments == {"people": 60}
    source = read_source("wild=manifest:data/wild")
    assert (source.label, source.name, source.arguments) == ("wild", "manifest", {"root": "data/wild"})
    with pytest.raises(ValueError, match=r"nobody=x: .*write NAME=DIR or LABEL=NAME:DIR"):
        read_source("nobody=x")
    with pytest.raises(ValueError, match="two sets are called synthetic: label one"):
        load_sources(["synthetic=2", "synthetic=3"], load)
    with pytest.raises(ValueError, match="no loader of synthetic takes 'sise'"):
        load_sources(["synthetic=2"], load, {"sise": 3})
    with pytest.raises(ValueError, match="--protocol cross needs --test"):
        joint_protocol("cross", {"train": ["synthetic=2"]}, load)
    with pytest.raises(ValueError, match="--test names 2 sets"):
        joint_protocol("cross", {"train": ["a=synthetic:2"], "test": ["b=synthetic:2", "c=synthetic:2"]}, fake_load)


def fake_load(name, people=3, root="", image_size=24, **_):
    return globals()["people"](root or f"n{people}", people, side=image_size)


def test_a_run_knows_its_sets_again():
    config = {
        "protocol": {
            "name": "cross",
            "train": ["a=synthetic:4"],
            "test": "b=synthetic:3",
            "loading": {"image_size": 32},
        }
    }
    faces = faces_of_config(config, fake_load)
    assert faces is not None and faces.shape == (21, 32, 32, 3) and faces.attrs["dataset"] == "a->b"
    assert faces_of_config({}, fake_load) is None


def test_the_line_makes_the_protocol(tmp_path, capsys, monkeypatch):
    seen = {}

    @wraps(evaluate)
    def evaluate_instead(systems, faces, protocol, **settings):
        seen.update(faces=faces, protocol=protocol, **settings)
        (settings["out"]).mkdir(parents=True)
        (settings["out"] / "summary.md").write_text("table")

    monkeypatch.setattr("ferdis.evaluation.runner.evaluate", evaluate_instead)
    monkeypatch.setattr("ferdis.datasets.load", fake_load)
    line = ["kfold", "--system", "cnn", "--preset", "small", "--protocol", "cross", "--train", "a=synthetic:4",
            "b=synthetic:5", "--test", "c=synthetic:3", "--protocol.validation", "0.2"]  # fmt: skip
    assert cli.main([*line, "--out", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    assert seen["dataset"] == "a+b->c" and isinstance(seen["protocol"], CrossDataset) and len(seen["faces"]) == 36
    assert seen["protocol"].validation == 0.2 and seen["arguments"]["protocol"]["train"] == [
        "a=synthetic:4",
        "b=synthetic:5",
    ]
    assert cli.main([*line, "--dataset", "synthetic"]) == 2
    assert "takes its data sets from --train and --test: leave --dataset out" in capsys.readouterr().err
    assert cli.main(["kfold", "--system", "cnn", "--preset", "small", "--protocol", "leave-one-dataset-out",
                     "--datasets", "a=synthetic:4"]) == 2  # fmt: skip
    assert "fewer than two sets" in capsys.readouterr().err


@pytest.fixture
def crossdataset(experiment):
    return experiment("crossdataset")


def test_matrix(crossdataset, tmp_path):
    sets = {"a": people("a", 4), "a48": people("a48", 4, ("anger", "fear", "neutral"), namespace="a", seed=4)}
    table, refused = crossdataset.matrix(sets, {"means": NearestMean()}, tmp_path, folds=2)
    assert list(table["images"]) == [8, 0, 0, 8]  # two shared classes; the same people cannot be trained on
    assert list(table["accuracy"].isna()) == list(table["UAR"].isna()) == [False, True, True, False]
    assert table[["accuracy", "UAR"]].min(axis=None) >= 0 and table[["accuracy", "UAR"]].max(axis=None) <= 100
    assert len(refused) == 2 and "a -> a48: fold 0: the same person a/P00" in refused[0]
    assert (tmp_path / "a--a" / "rows.csv").is_file()


def test_matrix_of_three_sets_has_a_row_of_all_others(crossdataset, tmp_path):
    sets = {name: people(name, count) for name, count in (("a", 4), ("b", 3), ("c", 3))}
    table, refused = crossdataset.matrix(sets, {"means": NearestMean()}, tmp_path, folds=2)
    last = table[table["train"] == "all others"]
    assert not refused and list(last["test"]) == ["a", "b", "c"] and list(last["images"]) == [12, 9, 9]


def test_matrix_from_the_command_line(crossdataset, tmp_path, capsys, monkeypatch):
    def matrix(sets, systems, out, **options):
        assert list(sets) == ["normal", "hard"] and list(systems) == ["resnet"] and options["folds"] == 2
        assert not set(sets["normal"].subject) & set(sets["hard"].subject)
        cells = [(train, test) for train in sets for test in sets]
        table = pd.DataFrame(cells, columns=["train", "test"]).assign(system="resnet", UAR=50.0)
        return table.assign(accuracy=[11.0, 12.0, np.nan, 22.0]), ["hard -> normal: why not"]

    monkeypatch.setattr(crossdataset, "matrix", matrix)
    crossdataset.run(["--synthetic", "--people", "2", "--system", "resnet", "--folds", "2", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "resnet: accuracy (%), rows are training sets, columns" in said and "resnet: UAR (%)" in said
    lines = [line.split() for line in said.splitlines()]
    assert ["normal", "11.0", "12.0"] in lines and ["hard", "-", "22.0"] in lines
    assert "refused, hard -> normal: why not" in said and len(pd.read_csv(tmp_path / "matrix.csv")) == 4
    with pytest.raises(ValueError, match="write NAME=DIR"):
        crossdataset.run(["--set", "ckplus", "--out", str(tmp_path)])
    with pytest.raises(ValueError, match="at least twice"):
        crossdataset.run(["--out", str(tmp_path)])


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data" / "wild").is_dir(), reason=f"real photographs are not at {SHARED}/data")
def test_london_against_wild(crossdataset):
    sets = {}
    for name in ("london", "wild"):
        root = SHARED / "data" / name
        faces = load("manifest", root=root, align=False, image_size=48, expressions="seven", progress=False)
        keep = [
            row for row, path in enumerate(faces.table["path"]) if name == "london" or sum(map(ord, path)) % 12 == 0
        ]
        sets[name] = crossdataset.shared_classes({"x": faces[keep], "y": faces[keep]})["x"]
    protocol = CrossDataset(train=[sets["london"]], test=sets["wild"])
    assert protocol.faces.classes == ("happiness", "neutral")
    result = evaluate(NearestMean(), protocol.faces, protocol, progress=False)
    assert len(result.rows) == len(protocol.split()[0].test) > 100
