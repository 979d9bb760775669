from __future__ import annotations

import importlib
import inspect
import re

import numpy as np
import pandas as pd
import pytest

from ferdis.datasets import REGISTRY, describe_datasets, entry, load
from ferdis.datasets.base import Dataset
from ferdis.datasets.common import checked_root, keep_expressions
from ferdis.datasets.labels import chosen_expressions, expression_of, own_expressions
from ferdis.faces import EXPRESSIONS, SEVEN_EXPRESSIONS, Faces
from tests.datasets.trees import ck48


def test_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"no data set 'ckpluss'; did you mean 'ckplus'\? \(there are synthetic, "):
        load("ckpluss")


def test_unknown_argument_lists_the_choices(tmp_path):
    with pytest.raises(ValueError, match=r"ck48 has no argument 'alig'; did you mean 'align'\? \(it has root, "):
        load("ck48", root=tmp_path, alig=True)


WITH_ROOT = sorted(set(REGISTRY) - {"synthetic", "facekit"})  # those are drawn


@pytest.mark.parametrize("name", WITH_ROOT)
def test_missing_root_is_one_line_that_says_what_is_expected(name):
    with pytest.raises(ValueError, match="needs root=: it expects") as caught:
        load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WITH_ROOT)
def test_root_that_is_missing_empty_or_a_file(name, tmp_path):
    arguments = ARGUMENTS.get(name, {})
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: give root="):
        load(name, root=tmp_path / "nowhere", **arguments)
    with pytest.raises(FileNotFoundError, match="is empty: give root="):
        load(name, root=tmp_path, **arguments)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="is a file: give root="):
        load(name, root=tmp_path / "file", **arguments)


ARGUMENTS = {"folder": {"subject": r"(\d+)"}}


@pytest.mark.parametrize("name", WITH_ROOT)
def test_a_data_set_is_a_class_whose_constructor_stores_every_argument(name, tmp_path):
    """Explicit, typed keyword arguments: the signature is the one in the file, and the constructor reads nothing."""
    cls = REGISTRY[name].imported()
    assert issubclass(cls, Dataset) and "__init__" in vars(cls) and cls.name == name
    parameters = inspect.signature(cls).parameters
    assert not hasattr(cls.__init__, "__signature__") and not hasattr(cls, "__signature__")
    assert [name for name, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY] == ["root"]
    assert all(parameter.annotation is not parameter.empty for parameter in parameters.values())
    shared = set(inspect.signature(Dataset).parameters)
    assert shared <= set(parameters)
    made = cls(tmp_path / "nowhere", **ARGUMENTS.get(name, {}))
    for key, parameter in parameters.items():
        given = ARGUMENTS.get(name, {}).get(key, parameter.default)
        assert getattr(made, key) == (tmp_path / "nowhere" if key == "root" else given), key


@pytest.mark.parametrize("name", WITH_ROOT)
def test_the_functions_of_before_go_on_working(name, tmp_path):
    module = importlib.import_module(f"ferdis.datasets.{name}")
    for function in (module.build_table, getattr(module, f"load_{name}")):
        with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
            function(tmp_path / "nowhere", **ARGUMENTS.get(name, {}))


def test_registry_keys_are_the_entries_names():
    assert all(entry.name == key for key, entry in REGISTRY.items())
    assert {"synthetic", "manifest", "folder", "ckplus", "ck48"} <= set(REGISTRY)
    text = describe_datasets()
    assert all(entry.title in text and entry.layout in text for entry in REGISTRY.values())


@pytest.mark.parametrize(
    ("written", "name"),
    [("CK+", "ckplus"), ("Oulu-CASIA", "oulucasia"), ("BU-3DFE", "bu3dfe"), ("RAF-DB", "rafdb"), ("FER+", "ferplus")],
)
def test_names_as_papers_write_them(written, name):
    assert entry(written) is REGISTRY[name]


def test_loaders_help_names_every_argument():
    for name in WITH_ROOT:
        loader = REGISTRY[name].imported()
        text = inspect.getdoc(loader) or ""
        described = {
            word.strip() for line in re.findall(r"^(\w[\w, ]*?) : ", text, re.MULTILINE) for word in line.split(",")
        }
        described |= {
            word.strip() for line in re.findall(r"^(\w+(?:, \w+)+)$", text, re.MULTILINE) for word in line.split(",")
        }
        assert set(inspect.signature(loader).parameters) <= described, name


def test_copies_of_one_set_share_a_namespace():
    assert REGISTRY["ckplus"].subject_namespace == REGISTRY["ck48"].subject_namespace == "ck"


def test_load_gives_faces_with_notes(tmp_path, capsys):
    faces = load("ck48", root=ck48(tmp_path / "CK+48"), cache=False)
    assert isinstance(faces, Faces) and faces.shape == (15, 48, 48, 3)
    assert faces.attrs["dataset"] == "ck48"
    assert any("published" in note for note in faces.attrs["notes"])
    assert "15 images (published 981)" in capsys.readouterr().err


SPELT = {
    "anger": "angry mad", "contempt": "contemptuous", "disgust": "disgusted", "fear": "fearful afraid scared",
    "happiness": "happy joy joyful", "neutral": "neutrality no-expression", "sadness": "sad",
    "surprise": "surprised surprize",
}  # fmt: skip


def test_every_usual_spelling():
    assert {name: expression_of(name) for name in SPELT} == {name: name for name in EXPRESSIONS}
    for name, words in SPELT.items():
        assert {expression_of(word.capitalize()) for word in words.split()} == {name}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Happy", "happiness"),
        (" SAD ", "sadness"),
        ("Fear", "fear"),
        ("no_expression", "neutral"),
        ("7", None),
    ],
)
def test_spellings(text, name):
    assert expression_of(text) == name


def test_every_name_is_its_own_spelling_and_own_labels_come_first():
    assert [expression_of(name) for name in EXPRESSIONS] == list(EXPRESSIONS)
    assert expression_of("4", {"4": "happy"}) == "happiness"
    assert expression_of("sad", {"sad": "surprise"}) == "surprise"


def test_rules_of_the_papers_by_number():
    six = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    neutral, contempt = tuple(sorted((*six, "neutral"))), tuple(sorted((*six, "contempt")))
    for chosen in (chosen_expressions, lambda which: chosen_expressions(which, seven=contempt)):
        assert chosen(6) == chosen("six") == chosen("6") == six and chosen("seven") == neutral
        assert chosen(8) == chosen(None) == tuple(sorted((*six, "contempt", "neutral")))
    assert chosen_expressions(7) == neutral and chosen_expressions(7, seven=contempt[::-1]) == contempt
    assert own_expressions("seven") == neutral and own_expressions(["sad", "bored", "anger"]) == (
        "anger",
        "bored",
        "sadness",
    )


def test_chosen_expressions():
    assert chosen_expressions(None) == EXPRESSIONS
    assert chosen_expressions("seven") == SEVEN_EXPRESSIONS
    assert chosen_expressions(["sad", "anger", "sadness"]) == ("anger", "sadness")
    assert chosen_expressions("sad,anger") == ("anger", "sadness")
    with pytest.raises(ValueError, match="'hapiness' is no expression; did you mean 'happiness'"):
        chosen_expressions(["hapiness"])
    with pytest.raises(ValueError, match="expressions is empty"):
        chosen_expressions([])


def test_a_posed_set_says_that_its_pictures_may_stand_for_each_other(tmp_path):
    assert load("ck48", root=ck48(tmp_path / "ck"), align=False, cache=False).attrs["posed"] is True
    assert not any(entry(name).posed for name in ("synthetic", "manifest", "folder", "sfew", "rafdb", "fer2013"))
    posed = {name for name, about in REGISTRY.items() if about.posed}
    assert posed == {"ckplus", "ck48", "oulucasia", "bu3dfe", "bu4dfe", "mmi", "jaffe"}  # not RaFD: angles and gazes


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("estimator.json", "is a model, not a data set"),
        ("resolved.json", "is a run, not a data set: `ferdis report "),
        ("faces.csv", "is a folder, not the name of a data set: load('manifest', root="),
        ("anger.png", "is a folder, not the name of a data set: load('folder', root="),
    ],
)
def test_a_path_in_the_place_of_a_name_says_what_to_call(tmp_path, file, says):
    (tmp_path / file).touch()
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path} {says}")):
        entry(str(tmp_path))
    with pytest.raises(ValueError, match=r"model\.onnx is a model, not a data set"):
        entry(str(tmp_path / "model.onnx"))


class Listed(Dataset):
    """Two images of a list."""

    name = "listed"

    def table(self, problems=None):
        return pd.DataFrame({"path": ["a.png", "b.png"], "expression": ["fear", "anger"]}), ["said by the set"]


def test_what_a_set_is_told_is_passed_on_to_preprocessing(tmp_path, monkeypatch, capsys):
    given = {}

    def prepare(files, table, **more):
        given.update(more, files=files)
        return Faces(np.zeros((2, 4, 4, 3), np.uint8), table, {"notes": ["said in reading"], "preprocessing": {}})

    monkeypatch.setattr("ferdis.preprocess.prepare", prepare)
    asked = {"image_size": 4, "align": False, "cache": tmp_path, "device": "cuda:1", "errors": "skip"}
    faces = Listed(tmp_path, **asked, progress=False).load()
    assert given == {**asked, "progress": False, "files": [tmp_path / "a.png", tmp_path / "b.png"]}
    assert faces.attrs["notes"] == ["said by the set", "said in reading"] and faces.attrs["dataset"] == "listed"
    assert capsys.readouterr().err == ""
    Listed(tmp_path).load()
    assert capsys.readouterr() == ("", "listed: said by the set\n") and given["align"] is True


def test_a_folder_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").touch()
    assert checked_root("~/set", "listed") == Listed("~/set").root == tmp_path / "set"


def test_rows_of_the_chosen_classes_are_counted_from_0():
    notes = []
    table = pd.DataFrame({"expression": ["fear", "anger", "fear", "sadness"], "path": list("abcd")})
    kept = keep_expressions(table, ["anger", "sadness"], notes)
    assert kept.index.tolist() == [0, 1] and kept["path"].tolist() == ["b", "d"]
    assert notes == ["dropped 2 of 4 rows outside the chosen expressions: fear 2"]
