"""Who can do what: every system of the registry, the judges, and what is none of them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferdis import capabilities, systems
from ferdis.augmentation import Augmented
from ferdis.capabilities import (
    DRAWS_FACES,
    Averages,
    EditsActionUnits,
    Embeds,
    NamesExpressions,
    Reconstructs,
    Represents,
    RepresentsIdentity,
    StatesItsError,
    Synthesizes,
    Transfers,
    frame_side,
)
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.embedders import Embedder
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.faces import Faces

ASKED = (Transfers, EditsActionUnits, Averages, Synthesizes, Reconstructs, Represents, RepresentsIdentity, Embeds,
         NamesExpressions)  # fmt: skip
CAN: dict[str, set[type]] = {
    "ifgan": {Averages, Synthesizes, Represents, NamesExpressions},
    "resnet": {Represents, NamesExpressions},
    "cnn": {Represents, NamesExpressions},
    "relgan": {Transfers, Synthesizes, Reconstructs, Represents, RepresentsIdentity, NamesExpressions},
    "eggan": {EditsActionUnits, Synthesizes, Reconstructs},
    "decgan": {Transfers, Synthesizes, Reconstructs},
    "homointerpgan": {Transfers, Synthesizes, Reconstructs},
    "reversal": {Represents, NamesExpressions},
    "normalised": {Synthesizes, Represents, NamesExpressions},
    "icgan": {EditsActionUnits, Transfers, Synthesizes, Reconstructs},
    "stargan": {EditsActionUnits, Transfers, Synthesizes, Reconstructs},
}


@pytest.mark.parametrize("name", [*systems.SYSTEMS, *systems.GENERATORS])
def test_what_a_system_can_do(name: str) -> None:
    system = systems.get(name)()
    assert {kind for kind in ASKED if isinstance(system, kind)} == CAN[name]
    assert isinstance(system, DRAWS_FACES) == (name not in ("resnet", "cnn", "reversal"))


@pytest.mark.parametrize("name", [*systems.SYSTEMS, *systems.GENERATORS])
def test_methods_take_what_the_type_says(name: str) -> None:
    """isinstance looks at names alone: here are the arguments, in their order."""
    cls = systems.get(name)
    for kind in CAN[name] - {Synthesizes}:
        (method,) = [item for item in vars(kind) if not item.startswith("_")]
        asked = list(inspect.signature(getattr(kind, method)).parameters)
        assert list(inspect.signature(getattr(cls, method)).parameters)[: len(asked)] == asked


def test_evaluators_and_wrappers() -> None:
    assert isinstance(IdentityJudge(), Embeds) and not isinstance(ExpressionJudge(), Embeds)
    assert isinstance(Embedder.__new__(Embedder), Embeds)
    assert isinstance(ExpressionJudge(), NamesExpressions)
    for cls in (ExpressionJudge, IdentityJudge, AUEstimator):
        assert issubclass(cls, capabilities.Saves) and "own" in dir(cls)
    augmented = Augmented(systems.get("cnn")(), systems.get("decgan")())
    assert isinstance(augmented, NamesExpressions) and not isinstance(augmented, DRAWS_FACES)


def test_only_the_method_counts() -> None:
    class Foreign:
        own = "as good as any"

        def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
            return faces.pixels()

    assert isinstance(Foreign(), Transfers) and isinstance(Foreign(), StatesItsError)
    assert not isinstance(Foreign(), EditsActionUnits) and not isinstance(object(), Transfers)


@pytest.mark.parametrize(("image_size", "drawn", "expected"), [(72, 64, 72), (None, 64, 64), (48, 64, 64)])
def test_the_frame_of_a_drawn_image(image_size: int | None, drawn: int, expected: int) -> None:
    system: Any = type("System", (), {} if image_size is None else {"image_size": image_size})()
    assert frame_side(system, drawn) == expected


def test_nobody_looks_for_the_name_of_a_method() -> None:
    """`hasattr(system, "transfer")` and its like are gone from the rooms that use systems."""
    methods = {name for kind in vars(capabilities).values() if getattr(kind, "_is_protocol", False)
               for name in vars(kind) if not name.startswith("_")}  # fmt: skip
    assert {"transfer", "edit", "average", "embed", "own"} <= methods
    calls = [(file.name, node) for file in sorted(Path(capabilities.__file__).parent.rglob("*.py"))
             for node in ast.walk(ast.parse(file.read_text("utf-8")))
             if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr")]  # fmt: skip
    assert len(calls) > 10
    names = {repr(method) for method in methods}
    assert [f"{file}:{node.lineno}" for file, node in calls if ast.unparse(node.args[1]) in names] == []
