"""The names that are importable from ferdis itself."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest

import ferdis


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
