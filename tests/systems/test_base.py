"""What holds for every estimator: one fit, one way to build networks, arguments declared once, callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
import pytest
from sklearn.base import clone

from ferdis import IFGAN, ResNetClassifier, systems
from ferdis.cli.signatures import arguments_of
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from ferdis.systems.arguments import check_pairs
from ferdis.systems.base import Estimator, TrainingParameters
from ferdis.training.history import Row
from tests.evaluators import test_au_estimator, test_judges
from tests.systems import test_decgan, test_eggan, test_ifgan

REGISTERED = [systems.get(name) for name in (*systems.SYSTEMS, *systems.GENERATORS)]
EVERY = [*REGISTERED, AUEstimator, ExpressionJudge, IdentityJudge]
every_class = pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)


def subclasses(cls: type = Estimator) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def of_ferdis() -> list[type]:
    return [cls for cls in subclasses() if cls.__module__.startswith("ferdis.")]


def test_there_is_one_fit() -> None:
    assert set(EVERY) <= set(of_ferdis())
    assert [cls.__name__ for cls in of_ferdis() if "fit" in vars(cls)] == []
    assert [cls.__name__ for cls in of_ferdis() if "save" in vars(cls)] == []


@pytest.mark.parametrize(
    "hook",
    ["_build", "_stages", "_training_set", "_after_training", "_validation_score", "_fitted_state", "_restore",
     "_check_parameters", "_forward_features"],
)  # fmt: skip
def test_a_hook_has_one_signature(hook: str) -> None:
    owner = Estimator if hasattr(Estimator, hook) else systems.get("ifgan").__mro__[1]
    expected = inspect.signature(getattr(owner, hook))
    for cls in of_ferdis():
        if hook in vars(cls):
            assert inspect.signature(vars(cls)[hook]) == expected, cls.__name__


def test_shared_arguments_are_declared_once() -> None:
    """A system repeats one only to give it another default, never its meaning."""
    shared = {field.name: field for field in fields(TrainingParameters)}
    for cls in of_ferdis():
        for name in shared.keys() & vars(cls).get("__annotations__", {}).keys():
            assert vars(cls)["__annotations__"][name] == shared[name].type, f"{cls.__name__}.{name}"
            inherited = next((getattr(base, name) for base in cls.__mro__[1:] if name in vars(base)), None)
            assert getattr(cls, name) != inherited, f"{cls.__name__} says {name} again as it is"


@every_class
def test_parameters_are_scikit_learns(cls: type[Estimator]) -> None:
    estimator = cls()
    parameters = estimator.get_params(deep=False)
    assert set(parameters) == {field.name for field in fields(cls)} >= {f.name for f in fields(TrainingParameters)}
    changed = clone(estimator).set_params(seed=7, epochs=3)
    assert changed.get_params(deep=False) == {**parameters, "seed": 7, "epochs": 3}
    with pytest.raises(TypeError):
        cls(64)  # type: ignore[call-arg]


@every_class
def test_every_argument_has_help(cls: type[Estimator]) -> None:
    found = arguments_of(f"{cls.__module__}:{cls.__name__}")
    assert set(found) == set(inspect.signature(cls).parameters)
    assert [name for name, argument in found.items() if len(argument.help) < 4] == []


class Stopping:
    """Ends a training after an epoch, as a sweep's callback does."""

    def __init__(self, after: int) -> None:
        self.after, self.heard = after, list[tuple[str, int]]()

    def on_epoch_end(self, rows: Sequence[Row]) -> None:
        assert rows and len({row[:2] for row in rows}) == 1
        self.heard.append(rows[0][:2])
        if len(self.heard) == self.after:
            raise StopIteration("far enough")


def small_ones() -> dict[str, tuple[Estimator, object]]:
    judge = ExpressionJudge(**{**test_judges.SMALL, "epochs": 4})
    return {
        "IFGAN": (test_ifgan.tiny(epochs=4), test_ifgan.faces(12)),
        "EGGAN": (test_eggan.tiny(epochs=4), test_eggan.faces(12)),
        "DECGAN": (test_decgan.tiny(epochs=4), test_decgan.faces(12)),
        "AUEstimator": (test_au_estimator.tiny(epochs=4), test_au_estimator.faces(20)),
        "ExpressionJudge": (judge, test_judges.people(8)),
    }


@pytest.mark.parametrize("name", list(small_ones()))
def test_a_callback_ends_a_training(name: str, tmp_path) -> None:
    estimator, data = small_ones()[name]
    callback = Stopping(2)
    with pytest.raises(StopIteration, match="far enough"):
        estimator.fit(data, callbacks=[callback], run_dir=tmp_path)
    assert len(set(callback.heard)) == len(callback.heard) == 2
    assert not hasattr(estimator, "history_")
    whole = Stopping(0)
    estimator.fit(data, callbacks=[whole, whole], run_dir=tmp_path)  # goes on where the first was
    history = estimator.history_.groupby(["stage", "epoch"], sort=False).size()
    assert whole.heard[::2] == whole.heard[1::2], "both are told"
    assert set(whole.heard) <= set(history.index) and whole.heard[-1] == history.index[-1]


@pytest.mark.parametrize("name", ["EGGAN", "DECGAN", "AUEstimator", "ExpressionJudge"])
def test_validation_needs_a_score(name: str) -> None:
    estimator, data = small_ones()[name]
    with pytest.raises(ValueError, match=f"{type(estimator).__name__} has no score to choose an epoch by"):
        estimator.fit(data, validation=data)


def test_a_classifier_keeps_its_best_epoch() -> None:
    data = test_ifgan.faces(24)
    system = test_ifgan.tiny(epochs=3).fit(data, validation=data[::2])
    scores = system.history_.query("phase == 'validation'")["value"].to_numpy()
    assert system.selection_ == "validation" and len(scores) == 3
    assert system.score(data[::2]) == pytest.approx(np.max(scores))


@pytest.mark.parametrize("cls", [IFGAN, ResNetClassifier])
def test_small_takes_any_network(cls: type) -> None:
    """The zoo's weights are asked of the zoo's network alone, and of one that nothing else starts."""
    own, other = cls.small(), cls.small(classifier="mobilenetv3_small_050")
    assert own.weights == "zoo:expression" and other.weights is None
    assert cls.small(classifier="resnet34", weights="own.safetensors").weights == "own.safetensors"
    other.classes_ = np.array(["a", "b"])
    other._build()


def test_each_face_has_one_reference() -> None:
    check_pairs(range(3), range(3))
    for references in (2, 4):
        with pytest.raises(ValueError, match=f"3 faces and {references} references: give as many of both"):
            check_pairs(range(3), range(references))
