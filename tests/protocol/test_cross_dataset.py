"""CrossDataset: joined sets, shared classes, people of one namespace, the audit, a run folder, and the matrix."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import CrossDataset, Faces, audit, evaluate, load
from ferdis.protocol.leakage import LeakError
from tests.evaluation.runner_fakes import NearestMean

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
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


@pytest.fixture
def crossdataset(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import crossdataset

    yield crossdataset
    sys.modules.pop("crossdataset", None)


def test_matrix(crossdataset, tmp_path):
    sets = {"a": people("a", 4), "a48": people("a48", 4, ("anger", "fear", "neutral"), namespace="a", seed=4)}
    table, refused = crossdataset.matrix(sets, {"means": NearestMean()}, tmp_path, folds=2)
    assert list(table["images"]) == [8, 0, 0, 8]  # two shared classes; the same people cannot be trained on
    assert list(table["accuracy"].isna()) == list(table["UAR"].isna()) == [False, True, True, False]
    assert table[["accuracy", "UAR"]].min(axis=None) >= 0 and table[["accuracy", "UAR"]].max(axis=None) <= 100
    assert len(refused) == 2 and "a -> a48: fold 0: the same person a/P00" in refused[0]
    assert (tmp_path / "a--a" / "rows.csv").is_file()


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
