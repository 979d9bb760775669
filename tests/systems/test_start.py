"""What every classifier starts from (``pretrain``), and what it sees in training (``augmentation``)."""

import numpy as np
import pytest
import torch

from ferdis.faces import Faces
from ferdis.training import Modules
from tests.systems.test_classifier import build, every_system
from tests.systems.test_ifgan import faces


def others(n: int = 24, seed: int = 7) -> Faces:
    """Other people than those of ``faces``."""
    found = faces(n, seed=seed)
    return Faces(found.pixels(), found.table.assign(subject="other/" + found.subject))


def started(name: str, target: Faces, **changes):
    """A system with the weights that training would start from."""
    system = build(name, epochs=1, **changes)
    system.notes_, system.training_digest_ = [], target.digest()
    training = system._training_set(target, None)
    torch.manual_seed(0)
    system.modules_ = system._build()
    system._start()
    system._stages(training)
    return system


def tensors(system) -> dict[str, torch.Tensor]:
    return {f"{k}.{key}": t.clone() for k, m in system.modules_.items() for key, t in m.state_dict().items()}


@every_system
def test_starts_from_the_pretraining_and_is_new_where_classes_differ(name: str) -> None:
    target, people = faces(24), others()
    plain, same = started(name, target), started(name, target, pretrain=people, pretrain_epochs=1)
    two = target[np.isin(target.expression, np.unique(target.expression)[:2])]
    fewer = tensors(started(name, two, pretrain=people, pretrain_epochs=1))
    plain, note, same = tensors(plain), same.notes_, tensors(same)
    learned = {key for key, tensor in same.items() if tensor.is_floating_point() and not tensor.equal(plain[key])}
    assert len(learned) > len(same) / 2 and "1 epochs on" in note[0]
    new = {key for key in learned if not fewer[key].equal(same[key])}
    heads = {key for key in same if same[key].shape != fewer[key].shape}
    assert heads and heads >= {key for key in new if same[key].shape != fewer[key].shape}
    fitted = ("averages.", "centres.", "classifier.")  # of the target set, or rows of its classes
    assert all(key in heads or key.startswith(fitted) for key in new)


@every_system
def test_a_pretraining_is_done_once_for_all_folds_and_seeds(name: str, monkeypatch) -> None:
    from ferdis.training import Trainer

    runs, run = [], Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda self, stages, **more: runs.append(1) or run(self, stages, **more))
    people = others(seed=11)
    first = tensors(started(name, faces(24), pretrain=people, pretrain_epochs=1, seed=0))
    second = tensors(started(name, faces(30, seed=3), pretrain=people, pretrain_epochs=1, seed=5))
    assert len(runs) == 1
    shared = [key for key in first if not key.startswith(("averages", "centres", "classifier", "target"))]
    assert all(first[key].equal(second[key]) for key in shared)
    started(name, faces(24), pretrain=people, pretrain_epochs=2)
    assert len(runs) == 2


@every_system
def test_pretrained_system_trains_and_survives_the_disk(name: str, tmp_path) -> None:
    system = build(name, epochs=1, pretrain=others(), pretrain_epochs=1).fit(faces(24))
    again = type(system).load(system.save(tmp_path))
    np.testing.assert_array_equal(again.predict_proba(faces(6, seed=5)), system.predict_proba(faces(6, seed=5)))
    assert any("other" in note or "on Faces(24" in note for note in again.notes_)


@every_system
def test_strong_augmentation_reaches_training_and_no_prediction(name: str) -> None:
    data, unseen = faces(24), faces(6, seed=5)
    paper, strong = (build(name, epochs=1, augmentation=kind).fit(data) for kind in ("paper", "strong"))
    assert np.abs(paper.predict_proba(unseen) - strong.predict_proba(unseen)).max() > 1e-5
    np.testing.assert_array_equal(strong.predict_proba(unseen), strong.predict_proba(unseen))
    with pytest.raises(ValueError, match="augmentation='weak': choose one of paper, strong"):
        build(name, augmentation="weak").fit(data)


@pytest.mark.parametrize("name", ["ifgan", "resnet", "cnn", "relgan"])
def test_ground_truths_keep_their_light(name: str) -> None:
    """White faces: what a network reads is distorted, a ground truth and what D calls real are not."""
    white = Faces(np.full((12, 32, 32, 3), 255, np.uint8), faces(12).table)
    system = started(name, white, augmentation="strong")
    stage = system._stages(system._training_set(white, None))[0]
    seen = []
    for module in system.modules_.values():
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made = stage.prepare(Modules(**stage.modules), next(iter(stage.batches(0))), torch.Generator().manual_seed(0))
    read = seen[0] if seen else made["face"]
    assert read.min() < 0.9
    for key in ("average", "source", "target", "truth"):
        if key in made:
            assert made[key].min() > 0.99
