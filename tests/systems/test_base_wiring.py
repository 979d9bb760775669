"""The one fit: what is seeded, what the trainer is given, what tells trainings apart, in which mode it reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ferdis._io import sealed
from ferdis.faces import Faces
from ferdis.systems import base
from ferdis.systems.base import NON_REPRODUCIBILITY_PARAMS, jsonable, preprocessing_of, resized
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


def test_a_batch_at_a_time_in_the_order_of_the_faces(monkeypatch) -> None:
    watched(monkeypatch)
    system = baseline().fit(coded())
    whole = system.predict_proba(coded(5))
    monkeypatch.setattr(base, "_PREDICT_BATCH", 2)
    np.testing.assert_allclose(system.predict_proba(coded(5)), whole, atol=1e-5)
    rows = torch.arange(5.0)
    np.testing.assert_array_equal(system._map_pairs(coded(5).images, rows, lambda faces, own: own), rows)
    system.crop_size = 32
    given = {whole: system._map(coded(1).images, lambda faces: faces, whole=whole).shape[-1] for whole in (True, False)}
    assert given == {True: 36, False: 32}


def test_faces_of_another_size_are_resized_and_rounded(monkeypatch) -> None:
    monkeypatch.setattr(base, "_RESIZE_BATCH", 2)
    np.testing.assert_array_equal(resized(coded(5), 18)[:, 9, 9, 0], coded(5).pixels()[:, 0, 0, 0])
    tiles = np.tile(np.array([[10, 11], [11, 11]], np.uint8)[..., None], (1, 4, 4, 3))
    assert (resized(tiles, 4) == 11).all(), "from 10.67 on"


def test_how_faces_were_made_is_told() -> None:
    table = pd.DataFrame({"expression": ["fear"]})
    faces = Faces(np.zeros((1, 4, 6, 3), np.uint8), table, {"dataset": "toy"})
    assert preprocessing_of(faces) == {"name": None, "image_size": [4, 6], "dataset": "toy"}
    aligned = Faces(faces.images, table, {"preprocessing": {"name": "aligned"}})
    assert preprocessing_of(aligned) == {"name": "aligned", "image_size": [4, 6], "dataset": None}


def test_values_become_those_of_json() -> None:
    found = jsonable({1: (np.float32(0.5), [np.int64(2)]), "faces": {"extra": coded(2)}})
    assert found["1"] == [0.5, [2]] and [type(value) for value in (found["1"][0], found["1"][1][0])] == [float, int]
    assert found["faces"]["extra"]["faces_digest"] == coded(2).digest()


def test_a_saved_system_comes_back_with_what_it_tells(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watched(patch)
        system = baseline(extra_train=coded(3, first=24), betas=(0.5, 0.9))
        system.fit(coded(), validation=coded(6))
    system.notes_.append("a note")
    again = type(system).load(system.save(tmp_path))
    assert again.selection_ == "validation" and again.training_digest_ == coded().digest()
    assert again.notes_ == system.notes_ and again.notes_[-1] == "a note"
    assert again.extra_train is None and again.betas == (0.5, 0.9) and again.preprocessing_ == system.preprocessing_
    about = json.loads((tmp_path / "estimator.json").read_text())
    about["parameters"]["of_another_version"] = 3
    (tmp_path / "estimator.json").write_text(json.dumps(sealed(about)))
    assert type(system).load(tmp_path).betas == (0.5, 0.9)
    save_file({"other": torch.zeros(1)}, tmp_path / "epoch.safetensors")
    with pytest.raises(ValueError, match=r"epoch\.safetensors"):
        system.load_epoch(tmp_path / "epoch.safetensors")


def test_what_cannot_be_learned_from_or_is_not_fitted() -> None:
    with pytest.raises(ValueError, match=r"ResNetClassifier.fit learns from Faces, got ndarray: Faces\.from_arrays"):
        baseline().fit(coded(3).pixels())
    with pytest.raises(NotFittedError):
        baseline().predict(coded(3))
    with pytest.raises(NotFittedError):
        check_is_fitted(baseline())
    with pytest.raises(ValueError, match="epochs=0"):
        baseline(epochs=0).check()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        baseline(weights="nowhere.safetensors").check()


def test_the_epoch_is_chosen_in_the_last_stage() -> None:
    with pytest.MonkeyPatch.context() as patch:
        watch = watched(patch)
        relgan().fit(coded(), validation=coded(6, first=24))
    assert [stage.validate is not None for stage in watch.stages] == [False, True]
