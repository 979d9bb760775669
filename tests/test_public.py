"""The names that are importable from ferdis itself."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import sys

import pytest

import ferdis
from ferdis._former_names import FORMER


@pytest.mark.parametrize("name", ferdis.__all__)
def test_every_public_name_is_there(name: str):
    assert getattr(ferdis, name) is not None


def test_audit_is_the_function_whatever_was_imported_before():
    from ferdis import audit, evaluate

    assert inspect.isfunction(audit) and inspect.isfunction(evaluate)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ferdis.nothing  # noqa: B018


def test_the_version_is_that_of_the_package():
    assert ferdis.__version__ == importlib.metadata.version("ferdis")


@pytest.mark.parametrize("name", FORMER)
def test_a_moved_module_is_importable_under_its_former_name_which_says_the_new_one(name: str, monkeypatch):
    present = importlib.import_module(FORMER[name])
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{name} is now {FORMER[name]}"):
        former = importlib.import_module(name)
    own = [key for key, value in vars(present).items() if getattr(value, "__module__", None) == present.__name__]
    public = own or present.__all__  # of a package
    assert public and all(getattr(former, key) is getattr(present, key) for key in public)


def test_former_names_within_modules():
    from ferdis import figures, metrics
    from ferdis.metrics import action_units

    assert metrics.code_cosine is metrics.representation_cosine and figures.code_map is figures.representation_map
    assert action_units.unit_agreement is action_units.action_unit_agreement
