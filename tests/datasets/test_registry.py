from __future__ import annotations

import importlib
import inspect
import re

import pytest

from ferdis.datasets import REGISTRY, describe_datasets, entry, load
from ferdis.datasets.labels import chosen_expressions, expression_of
from ferdis.faces import EXPRESSIONS, SEVEN_EXPRESSIONS, Faces
from tests.datasets.trees import ck48


def test_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"no data set 'ckpluss'; did you mean 'ckplus'\? \(there are synthetic, "):
        load("ckpluss")


def test_unknown_argument_lists_the_choices(tmp_path):
    with pytest.raises(ValueError, match=r"ck48 has no argument 'alig'; did you mean 'align'\? \(it has root, "):
        load("ck48", root=tmp_path, alig=True)


WITH_ROOT = sorted(set(REGISTRY) - {"synthetic"})


@pytest.mark.parametrize("name", WITH_ROOT)
def test_missing_root_is_one_line_that_says_what_is_expected(name):
    with pytest.raises(ValueError, match="needs root=: it expects") as caught:
        load(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WITH_ROOT)
def test_root_that_is_missing_empty_or_a_file(name, tmp_path):
    arguments = {"subject": r"(\d+)"} if name == "folder" else {}
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: give root="):
        load(name, root=tmp_path / "nowhere", **arguments)
    with pytest.raises(FileNotFoundError, match="is empty: give root="):
        load(name, root=tmp_path, **arguments)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileNotFoundError, match="is a file: give root="):
        load(name, root=tmp_path / "file", **arguments)


@pytest.mark.parametrize("name", WITH_ROOT)
def test_loaders_and_tables_take_the_same_arguments(name):
    """What a table depends on can be given to the loader, with the same default; and everything is typed."""
    loader = REGISTRY[name].load_function()
    parameters = inspect.signature(loader).parameters
    module = importlib.import_module(REGISTRY[name].loader.split(":")[0])
    for key, parameter in inspect.signature(module.build_table).parameters.items():
        if key not in ("problems", "cache"):  # a look at a folder remembers nothing
            assert parameters[key].default == parameter.default, key
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters.values())
    assert {"image_size", "align", "cache"} <= set(parameters)


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
        loader = REGISTRY[name].load_function()
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
