"""The one fit: what is seeded, what the trainer is given, what tells trainings apart, in which mode it reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ferdis.systems.base import NON_REPRODUCIBILITY_PARAMS
from tests.systems.argument_tables import ARGUMENTS
from tests.systems.test_arguments_wiring import BASES, EVERY
from tests.systems.test_ifgan_wiring import baseline, tiny
from tests.systems.test_relgan_wiring import tiny as relgan
from tests.wiring import coded, digest, watched


def initial(system, before: int) -> list[tuple]:
    """The first weights of all networks of all stages, with another global random state before."""
    torch.manual_seed(before)
    with pytest.MonkeyPatch.context() as patch:
        watch = watched(patch)
        system.fit(coded())
    return [digest(p) for stage in watch.stages for module in stage.modules.values() for p in module.parameters()]


@pytest.mark.parametrize("system", [tiny, relgan])
def test_first_weights_come_from_the_seed_alone_and_the_callers_state_is_kept(system) -> None:
    torch.manual_seed(2)
    following = torch.rand(3)
    assert initial(system(seed=1), 1) == initial(system(seed=1), 2)
    assert torch.equal(torch.rand(3), following), "fit leaves the caller's random numbers alone"
    assert initial(system(seed=2), 1) != initial(system(seed=1), 1)


def test_the_trainer_is_given_what_fit_was_given(monkeypatch, tmp_path) -> None:
    watch = watched(monkeypatch)
    callback = object()
    tiny(gradient_clip=0.5, seed=8).fit(coded(), run_dir=tmp_path, keep_epochs=True, callbacks=[callback])
    found = {name.removeprefix("trainer."): value for name, value in watch.seen.items()}
    assert found["run_dir"] == tmp_path and found["keep_epochs"] is True and list(found["callbacks"]) == [callback]
    assert found["gradient_clip"] == 0.5 and found["seed"] == 8


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_every_argument_that_changes_a_weight_tells_trainings_apart(cls) -> None:
    def signature(**changes) -> str:
        system = cls.small(**{**BASES[cls], **changes})
        system.training_digest_ = "faces"
        return system._signature(None)

    same = [
        name for name, argument in ARGUMENTS[cls.__name__].items() if signature(**{name: argument.value}) == signature()
    ]
    assert set(same) == set(NON_REPRODUCIBILITY_PARAMS) == {"logger", "progress"}


def test_signatures_hold_the_faces_and_those_of_the_validation() -> None:
    system = tiny()
    system.training_digest_ = "faces"
    signatures = {system._signature(None), system._signature(coded(3)), system._signature(coded(4))}
    system.training_digest_ = "others"
    assert len(signatures | {system._signature(None)}) == 4


def test_short_trainings_are_lengthened() -> None:
    system = baseline(epochs=3, min_steps=100, batch_size=10)
    assert system.training_epochs(40) == 25 and system.training_epochs(4000) == 3
    assert baseline(epochs=3, min_steps=0, batch_size=10).training_epochs(40) == 3


def test_use_is_in_eval_mode_and_leaves_no_trace(monkeypatch) -> None:
    watched(monkeypatch)
    system = baseline().fit(coded())
    expected = system.predict_proba(coded(5))
    for module in system.modules_.values():
        module.train()
    before = {name: tensor.clone() for name, tensor in system.modules_["classifier"].state_dict().items()}
    np.testing.assert_array_equal(system.predict_proba(coded(5)), expected)
    np.testing.assert_allclose(system.predict_proba(coded(1)), expected[:1], atol=1e-5, err_msg="no batch statistics")
    after = system.modules_["classifier"].state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert system.modules_["classifier"].training, "as it was"


def test_the_epoch_is_chosen_in_the_last_stage() -> None:
    with pytest.MonkeyPatch.context() as patch:
        watch = watched(patch)
        relgan().fit(coded(), validation=coded(6, first=24))
    assert [stage.validate is not None for stage in watch.stages] == [False, True]
