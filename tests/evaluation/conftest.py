"""The people that most runs of these tests are made on."""

from __future__ import annotations

import pytest

from ferdis.faces import Faces
from tests.evaluation.runner_fakes import make_faces


@pytest.fixture(scope="module")
def faces() -> Faces:
    return make_faces()
