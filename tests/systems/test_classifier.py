"""What every classifier of the registry keeps to."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from ferdis import systems
from ferdis._io import sealed
from ferdis.faces import Faces
from tests.systems.test_ifgan import TINY, faces
from tests.systems.test_normalised import GENERATOR

NARROW = {
    **TINY,
    "encoder": "blocks",
    "finetune_encoder": False,
    "self_transfers": 0.0,
    "mlp_learning_rate": 2e-3,
    "encoder_channels": (8, 8, 16, 16, 16),
    "decoder_channels": (16, 16, 8, 8, 8),
    "discriminator_channels": 8,
    "mlp_epochs": 2,
    "epochs": 2,
    "generator_arguments": GENERATOR,
}


def build(name: str, **changes):
    cls = systems.get(name)
    own = {"discriminator_channels": (4, 8, 8, 8)} if name == "relgan" else {}
    own["classifier_epochs"] = changes.get("epochs", 2)
    known = cls().get_params()
    return cls.small(**{key: value for key, value in {**NARROW, **own, **changes}.items() if key in known})


every_system = pytest.mark.parametrize("name", list(systems.SYSTEMS))


@every_system
def test_learns_predicts_and_survives_the_disk(name: str, tmp_path) -> None:
    data = faces(60)
    system = build(name, epochs=20, decay_epochs=20).fit(data)
    unseen = faces(30, seed=9)
    probabilities = system.predict_proba(unseen)
    assert probabilities.shape == (30, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert system.score(unseen) > 0.6  # chance is 1/3
    assert system.transform(unseen).shape[0] == 30
    assert np.isfinite(system.history_["value"]).all() and system.history_["epoch"].max() == 20
    again = type(system).load(system.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(unseen), probabilities)
    assert again.get_params()["epochs"] == 20 and list(again.classes_) == list(system.classes_)


@every_system
def test_same_seed_same_system(name: str) -> None:
    data, unseen = faces(24), faces(6, seed=5)
    first, second, other = (build(name, epochs=1, seed=seed).fit(data).predict_proba(unseen) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-4


@every_system
def test_resumes_where_a_killed_run_was(name: str, tmp_path, monkeypatch) -> None:
    data, unseen = faces(24), faces(6, seed=5)
    undisturbed = build(name, epochs=3).fit(data).predict_proba(unseen)
    cls = type(build(name))
    original, calls = cls._stages, []

    def killed(self, training):
        stages = original(self, training)
        prepare = stages[0].prepare

        def stop(modules, batch, random):
            calls.append(1)
            if len(calls) == 2:  # the first step of the second epoch
                raise KeyboardInterrupt
            return prepare(modules, batch, random)

        object.__setattr__(stages[0], "prepare", stop)
        return stages

    monkeypatch.setattr("ferdis.training.Trainer.__init__.__kwdefaults__", {**_defaults(), "checkpoint_seconds": 0.0})
    monkeypatch.setattr(cls, "_stages", killed)
    with pytest.raises(KeyboardInterrupt):
        build(name, epochs=3).fit(data, run_dir=tmp_path)
    monkeypatch.setattr(cls, "_stages", original)
    resumed = build(name, epochs=3).fit(data, run_dir=tmp_path)
    np.testing.assert_array_equal(resumed.predict_proba(unseen), undisturbed)
    assert resumed.history_["epoch"].max() == 3


def _defaults() -> dict:
    from ferdis.training import Trainer

    return dict(Trainer.__init__.__kwdefaults__)


@every_system
def test_epochs_are_kept_when_asked(name: str, tmp_path) -> None:
    data = faces(24)
    system = build(name, epochs=2).fit(data, run_dir=tmp_path, keep_epochs=True)
    last = system.predict_proba(data)
    kept = sorted((tmp_path / "epochs").iterdir())
    epochs = system.history_.groupby("stage")["epoch"].max().sum()  # two, in each of its stages
    assert [path.name for path in kept] == [f"epoch-{k:03d}.safetensors" for k in range(1, epochs + 1)]
    assert np.abs(system.load_epoch(kept[0]).predict_proba(data) - last).max() > 1e-4
    np.testing.assert_array_equal(system.load_epoch(kept[-1]).predict_proba(data), last)


@every_system
def test_scikit_learn_drives_it(name: str) -> None:
    data = faces(36)
    system = build(name, epochs=1)
    assert clone(system).get_params() == system.get_params()
    cv = StratifiedGroupKFold(n_splits=2)
    scores = cross_val_score(system, data, data.expression, groups=data.subject, cv=cv)
    assert len(scores) == 2 and np.isfinite(scores).all()


@every_system
def test_test_flip_averages_both_mirrors(name: str) -> None:
    data = faces(24)
    system = build(name, epochs=1).fit(data)
    mirrored = Faces(data.pixels()[:, :, ::-1], data.to_frame())
    expected = (system.predict_proba(data) + system.predict_proba(mirrored)) / 2
    np.testing.assert_allclose(system.set_params(test_flip=True).predict_proba(data), expected, atol=1e-6)


@every_system
def test_imbalance_arguments_reach_training(name: str) -> None:
    data = faces(48)[np.r_[0:40:3, 1:48:24, 2:48:24]]  # 14 anger, 2 fear, 2 neutral
    system = build(name, epochs=1, sampler="balanced", class_weight="balanced")
    training = system._training_set(data, None)
    counts = np.bincount(training.labels)
    torch.testing.assert_close(training.class_weights, torch.tensor(counts.sum() / (3 * counts), dtype=torch.float32))
    assert [training.row_weights[training.labels == k].sum() for k in range(3)] == pytest.approx([1, 1, 1])
    assert system.fit(data).predict_proba(data).shape == (18, 3)


@every_system
def test_faces_of_any_size_are_taken(name: str) -> None:
    system = build(name, epochs=1).fit(faces(24, size=50))
    assert system.predict(faces(3, size=41)).shape == (3,)


@every_system
def test_bad_training_sets(name: str) -> None:
    data = faces(24)
    with pytest.raises(ValueError, match="one class only"):
        build(name).fit(data[data.expression == "fear"])
    with pytest.raises(ValueError, match="0 training faces"):
        build(name).fit(data[:0])
    with pytest.raises(ValueError, match="24 training faces and 3 labels"):
        build(name).fit(data, ["fear"] * 3)
    with pytest.raises(ValueError, match="no rows"):
        build(name, epochs=1).fit(data).predict(data[:0])


@every_system
def test_description_names_the_shortcut_and_is_json(name: str) -> None:
    system = build(name, extra_train=faces(3))
    text = json.dumps(system.describe())
    assert faces(3).digest() in text and "GFLOP" in text
    assert ("weights=None" in text) == (name in from_imagenet())
    assert 0 < systems.get(name).small().flops() <= 0.5e9


@every_system
def test_damaged_or_foreign_models_are_refused(name: str, tmp_path) -> None:
    system = build(name, epochs=1).fit(faces(12))
    cls = type(system)
    with pytest.raises(FileNotFoundError, match=r"no estimator\.json"):
        cls.load(tmp_path)
    folder = system.save(tmp_path / "model")
    about = json.loads((folder / "estimator.json").read_text())
    for change, message in (({"format": 99}, "newer ferdis"), ({"class": "Other"}, "holds a Other")):
        (folder / "estimator.json").write_text(json.dumps(sealed({**about, **change})))
        with pytest.raises(ValueError, match=message):
            cls.load(folder)
    (folder / "estimator.json").write_text(json.dumps(about))
    (folder / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes()[:-40])
    with pytest.raises(ValueError, match="changed after it was saved"):
        cls.load(folder)


def from_imagenet() -> list[str]:
    """Systems whose papers start from ImageNet weights."""
    found = [name for name in systems.SYSTEMS if systems.get(name)().get_params().get("weights") == "imagenet"]
    assert "ifgan" in found
    return found


def test_imagenet_weights_never_fall_back(monkeypatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("ferdis.nn._check_network", unreachable)
    for name in from_imagenet():
        with pytest.raises(FileNotFoundError, match=r"give its path as weights=.*or weights=None"):
            build(name, weights="imagenet").fit(faces(12))


def test_unknown_system() -> None:
    with pytest.raises(ValueError, match="ifgan"):
        systems.get("ifgann")
    assert not math.isnan(len(systems.SYSTEMS))


@every_system
def test_a_small_set_is_trained_longer_and_a_named_count_is_kept(name: str) -> None:
    data = faces(24)  # two steps an epoch
    system = build(name, epochs=2, min_steps=7, decay_epochs=1, decay=0.5, learning_rate=1e-3).fit(data)
    assert system.training_epochs(24) == 4 and system.history_["epoch"].max() == 4
    rates = system.history_[system.history_["term"] == "learning_rate"].groupby("epoch")["value"].first()
    assert rates.tolist() == [1e-3, 1e-3, 5e-4, 5e-4]  # the schedule is stretched with it
    cls = type(system)
    assert cls.small().min_steps > 0 and cls.small(epochs=3).min_steps == 0
    assert cls().min_steps == 0


@every_system
def test_steps_fall_with_the_set_and_the_record_says_so(name: str) -> None:
    system = build(name, epochs=1, min_steps=30, steps_per_image=0.5, batch_size=12, learning_rate=1e-3).fit(faces(24))
    first = system.history_[system.history_["stage"] == system.history_["stage"].iloc[0]]
    assert system.training_epochs(24) == 6 and first["epoch"].max() == 6, "12 steps for 24 faces"
    assert system.training_epochs(6) == 5, "a sixth of min_steps at least"
    assert system.training_epochs(60) == 6 and not system.remarks(60), "60 faces have all 30 steps"
    told = [note for note in system.describe()["notes"] if "steps_per_image" in note]
    assert len(told) == 1 and told[0].startswith(f"{type(system).__name__}: fewer than 60 training faces")
    assert system.describe()["steps_per_image"] == 0.5
    with pytest.raises(ValueError, match="steps_per_image=-1"):
        build(name, steps_per_image=-1).fit(faces(12))


@pytest.mark.parametrize("of", ["ifgan", "resnet", "relgan", "cnn"])
def test_small_costs_a_large_set_what_it_did(of: str) -> None:
    small = systems.get(of).small()
    plain = systems.get(of).small(min_steps=small.min_steps)
    assert plain.steps_per_image == 0 and small.steps_per_image > 0
    for images in (333, 800, 5000):
        assert small.training_epochs(images) == plain.training_epochs(images), f"{images} training faces"
    assert small.training_epochs(48) * 2 <= 4 * 48 < small.min_steps, "two steps an epoch"
