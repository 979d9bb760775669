"""Judges learn on some people, say how they do on others, and come back from disk as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ferdis._io import sealed
from ferdis.evaluators import judges
from ferdis.evaluators.held_out import hold_out
from ferdis.evaluators.judges import (
    ExpressionJudge,
    IdentityJudge,
    Judged,
    margin_softmax,
    nearest_of_two,
    standard_judges,
    trained,
)
from ferdis.faces import Faces
from tests.wiring import prepared

CLASSES = ("anger", "fear", "happiness")
SMALL: dict[str, Any] = {"image_size": 16, "widths": (8, 16), "epochs": 12, "learning_rate": 0.02, "batch_size": 32}


def people(number: int = 14, each: int = 3, size: int = 16, seed: int = 0, first: int = 0) -> Faces:
    """The upper half of an image is a pattern of the person, the lower half one of the expression."""
    random = np.random.default_rng(seed)
    records = [
        {"expression": name, "subject": f"t/P{person:02d}", "path": f"{person}-{name}-{k}"}
        for person in range(first, first + number) for name in CLASSES for k in range(each)
    ]  # fmt: skip
    table = pd.DataFrame(records)
    images = random.integers(0, 60, (len(table), size, size, 3))
    coarse = size // 4
    for row, (name, person) in enumerate(zip(table.expression, table.subject, strict=True)):
        mine = np.random.default_rng(int(person[-2:])).integers(0, 180, (2, 2, 3))
        images[row, : size // 2] += np.kron(mine, np.ones((coarse, 2 * coarse, 1), int))[: size // 2, :size]
        bar = size // 2 + 2 * CLASSES.index(name)  # a mirror image shows the same
        images[row, bar : bar + 3] += 150
    return Faces(images.clip(0, 255).astype(np.uint8), table, {"dataset": "toy"})


@pytest.fixture(scope="module")
def expressions() -> ExpressionJudge:
    return ExpressionJudge(**SMALL).fit(people())


@pytest.fixture(scope="module")
def identities() -> IdentityJudge:
    return IdentityJudge(**SMALL).fit(people(24))


def test_the_expression_judge_reads_people_it_never_saw(expressions):
    fresh = people(6, seed=5, first=50)
    assert (expressions.predict(fresh) == fresh.expression).mean() > 0.9
    probabilities = expressions.predict_proba(fresh)
    assert probabilities.shape == (54, 3) and probabilities.sum(1) == pytest.approx(np.ones(54), abs=1e-5)
    found = expressions.error_
    assert (found["people"], found["pictures"]) == (2, 18) and found["accuracy"] > 0.8
    assert expressions.confusion_.to_numpy().sum() == 18


def test_a_figure_stands_beside_the_judges_own_error(expressions):
    fresh = people(4, seed=5, first=50)
    figure = expressions.agreement(fresh, fresh.expression)
    own = f"{100 * expressions.error_['accuracy']:.1f} % of 18 images of 2 people it never saw"
    assert str(figure) == f"{100 * figure.value:.1f} % (judge: {own})" and float(figure) == figure.value
    wrong = np.roll(fresh.expression, 3)
    assert expressions.agreement(fresh, wrong).value < 0.2


def test_a_judges_error_is_counted_by_class(monkeypatch):
    """Of two people held out: six angry images, three fearful ones, two happy ones; and one that nobody else shows."""
    data = people(8)
    _, unseen = hold_out(data, 0.15, 0, least=2)
    held, table = np.isin(data.subject, unseen.subject), data.to_frame()
    rows = [np.flatnonzero(held & (data.expression == name)) for name in CLASSES]
    kept = np.r_[np.flatnonzero(~held), rows[0], rows[1][:3], rows[2][:3]]
    table.loc[rows[2][0], "expression"] = "sadness"
    monkeypatch.setattr(ExpressionJudge, "predict", lambda self, faces: np.full(len(faces), "anger"))
    prepared(judge := ExpressionJudge(**SMALL), data.with_table(table)[kept])
    assert judge.error_ == {"accuracy": 6 / 11, "uar": pytest.approx(1 / 3), "pictures": 11, "people": 2}
    assert judge.confusion_.to_numpy().tolist() == [[6, 0, 0], [3, 0, 0], [2, 0, 0]]


def test_the_identity_judge_says_its_error_and_where_its_threshold_lies(monkeypatch):
    judge = _unlearned(IdentityJudge(**SMALL), people(8))
    judge.error_ = {"nearest_of_two": 0.9, "eer": 0.2, "auc": 0.75, "people": 4, "pairs": 9}
    assert judge.own == "nearest of two 90.0 %, EER 20.0 %, AUC 0.750 on 4 people it never saw"
    ours, others = np.array([[1.0, 0.0]] * 4), np.array([[0.4, 0.9], [0.6, 0.8], [0.9, 0.4], [-1.0, 0.0]])
    assert judge.same_person(ours, others).value == 0.5, "two cosines lie above 0.5"
    monkeypatch.setattr(judges, "equal_error_rate", lambda cosines, same: (0.1, 0.7))
    prepared(judge, people(8))
    assert judge.error_["eer"] == 0.1 and judge.threshold_ == 0.7


def test_the_identity_judge_tells_people_apart_that_it_never_saw(identities):
    fresh = people(8, seed=5, first=60)
    embeddings = identities.embed(fresh)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(len(fresh)), abs=1e-5)
    assert nearest_of_two(embeddings, fresh.subject) > 0.8
    own, other = embeddings.reshape(8, 9, -1)[:, 0], np.roll(embeddings.reshape(8, 9, -1)[:, 0], 1, axis=0)
    pictures = embeddings.reshape(8, 9, -1)[:, 4]
    figure = identities.nearer(pictures, own, other)
    assert figure.value >= 0.75 and "EER" in str(figure) and "4 people it never saw" in str(figure)
    assert identities.nearer(pictures, other, own).value == pytest.approx(1 - figure.value)
    assert identities.same_person(pictures, pictures).value == 1
    assert identities.error_["pairs"] == 36 * 35 // 2 and identities.error_["auc"] > 0.75


def test_arrays_of_any_size_are_read_as_faces_are(expressions, identities):
    fresh = people(2, seed=5, first=50)
    for read in (expressions.predict_proba, identities.embed):
        np.testing.assert_array_equal(read(fresh), read(fresh.pixels()))
        larger = np.repeat(np.repeat(fresh.pixels(), 2, axis=1), 2, axis=2)
        np.testing.assert_allclose(read(larger), read(fresh), atol=0.05)


@pytest.mark.parametrize("kind", [ExpressionJudge, IdentityJudge])
def test_the_same_seed_gives_the_same_judge_and_saving_keeps_it(kind, tmp_path):
    first, second = (kind(**{**SMALL, "epochs": 2}).fit(people(8)) for _ in range(2))
    read = "predict_proba" if kind is ExpressionJudge else "embed"
    fresh = people(3, seed=5, first=50)
    np.testing.assert_array_equal(getattr(first, read)(fresh), getattr(second, read)(fresh))
    again = kind.load(first.save(tmp_path / "judge"))
    np.testing.assert_array_equal(getattr(first, read)(fresh), getattr(again, read)(fresh))
    assert again.own == first.own and again.get_params() == first.get_params()
    if kind is ExpressionJudge:
        pd.testing.assert_frame_equal(again.confusion_, first.confusion_)
    else:
        assert again.threshold_ == first.threshold_


def test_nobody_held_out_is_learned_from(monkeypatch):
    seen: list[str] = []
    original = ExpressionJudge._stages

    def spy(self, training):
        assert len(training.images) == len(training.faces) == len(training.labels)
        seen.extend(training.faces.subject)
        return original(self, training)

    monkeypatch.setattr(ExpressionJudge, "_stages", spy)
    judge = ExpressionJudge(**{**SMALL, "epochs": 1, "held_out": 0.4}).fit(people(10))
    assert len(set(seen)) == 6 and judge.error_["people"] == 4


def test_people_that_a_judge_knows_are_refused(expressions):
    expressions.refuse_overlap(people(3, first=50))
    with pytest.raises(ValueError, match=r"trained on t/P13 \(1 of the judged people"):
        expressions.refuse_overlap(people(3, first=13))


def test_the_cache_trains_once(tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr(ExpressionJudge, "fit", lambda self, faces: fits.append(1) or original(self, faces))
    faces = people(8)
    judge = lambda **more: ExpressionJudge(**{**SMALL, "epochs": 1, **more})  # noqa: E731
    first = trained(judge(), faces, cache=tmp_path)
    again = trained(judge(progress=False, accelerator="auto"), faces, cache=tmp_path)
    assert len(fits) == 1 and again.own == first.own
    trained(judge(seed=1), faces, cache=tmp_path)
    trained(judge(), people(9), cache=tmp_path)
    assert len(fits) == 3
    trained(judge(), faces, cache=False)
    assert len(fits) == 4
    monkeypatch.setattr(judges, "RECIPE", 99)
    trained(judge(), faces, cache=tmp_path)
    assert len(fits) == 5, "trained in another way"


def test_judges_of_both_kinds_have_folders_of_their_own(tmp_path, monkeypatch):
    faces = people(8)
    for kind in (ExpressionJudge, IdentityJudge):
        monkeypatch.setattr(kind, "fit", lambda self, faces: _unlearned(self, faces))
    found = [trained(kind(**SMALL), faces, cache=tmp_path) for kind in (ExpressionJudge, IdentityJudge) * 2]
    assert [type(judge) for judge in found] == [ExpressionJudge, IdentityJudge] * 2
    assert len(list(tmp_path.iterdir())) == 2


original = ExpressionJudge.fit


def test_standard_judges_draw_people_of_their_own(tmp_path, monkeypatch):
    asked = []

    def load(name: str, **arguments: Any) -> Faces:
        asked.append((name, arguments))
        return people(8)

    for kind in (ExpressionJudge, IdentityJudge):
        monkeypatch.setattr(kind, "fit", lambda self, faces: _unlearned(self, faces))
    with pytest.raises(ValueError, match="judged people"):
        standard_judges(load, cache=tmp_path, progress=False, judged=people(2, first=7))
    one, two = standard_judges(load, cache=tmp_path, progress=False, judged=people(2, first=30))
    assert isinstance(one, ExpressionJudge) and isinstance(two, IdentityJudge)
    assert asked[0][0] == "synthetic" and asked[0][1]["seed"] == 1000
    asked.clear()
    drawn = {"people": 9, "expressions": 8, "images_per_expression": 2, "difficulty": "hard", "seed": 5}
    standard_judges(load, cache=tmp_path, progress=False, **drawn)
    assert asked == [("synthetic", {**drawn, "image_size": 72})]


def _unlearned(judge: Any, faces: Faces) -> Any:
    """Fitted as far as saving needs."""
    judge.people_, judge.training_digest_ = np.unique(faces.subject).tolist(), faces.digest()
    judge.notes_, judge.selection_, judge.preprocessing_ = [], "last", {}
    judge.error_ = {"accuracy": 0.5, "pictures": 1, "people": 1, "nearest_of_two": 1.0, "eer": 0.0, "auc": 1.0}
    judge.classes_, judge.threshold_ = np.array(CLASSES), 0.5
    judge.confusion_ = pd.DataFrame(np.eye(3))
    judge.modules_ = judge._build()
    return judge


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "estimator.json").unlink(), "no estimator.json"),
        (lambda folder: (folder / "estimator.json").write_text("{"), "damaged"),
        (lambda folder: _change(folder / "estimator.json", "format", 99), "format 99"),
        (lambda folder: _change(folder / "estimator.json", "class", "IdentityJudge"), "IdentityJudge"),
        (lambda folder: (folder / "estimator.json").rename(folder / "judge.json"), "older ferdis: delete the folder"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"no"), "changed after it was saved"),
    ],
)
def test_a_damaged_judge_is_one_clear_line(expressions, tmp_path, damage, says):
    damage(expressions.save(tmp_path / "judge"))
    with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
        ExpressionJudge.load(tmp_path / "judge")
    assert "\n" not in str(error.value)


def _change(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), key: value})))


def test_bad_input_is_one_clear_line(expressions):
    with pytest.raises(ValueError, match="3 people are too few"):
        ExpressionJudge(**SMALL).fit(people(3))
    one = people()
    with pytest.raises(ValueError, match="two expressions, these faces show fear only"):
        ExpressionJudge(**SMALL).fit(one[one.expression == "fear"])
    with pytest.raises(ValueError, match="image_size=4 is too small for 3 blocks"):
        ExpressionJudge(**{**SMALL, "image_size": 4, "widths": (4, 4, 4)}).fit(one)
    with pytest.raises(ValueError, match="a share of the people"):
        ExpressionJudge(**SMALL, held_out=2.0).fit(one)
    with pytest.raises(ValueError, match="does not know 'contempt', only anger, fear, happiness"):
        expressions.agreement(one[:1], np.array(["contempt"]))
    with pytest.raises(ValueError, match=r"not float64 of shape \(2, 8, 8, 3\)"):
        expressions.predict(np.zeros((2, 8, 8, 3)))
    with pytest.raises(ValueError, match="no faces to read"):
        expressions.predict(np.zeros((0, 8, 8, 3), np.uint8))


def test_margin_softmax_is_its_equation():
    """CosFace, Eq. 4, written out: -log of e^(s (cos_y - m)) over itself and the others' e^(s cos_j)."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    directions = torch.tensor([[2.0, 0.0], [0.0, 0.5], [-1.0, 0.0]])
    person = torch.tensor([0, 1])
    loss, right = margin_softmax(embeddings, directions, person)
    root = 0.5**0.5
    cosine = np.array([[1, 0, -1], [root, root, -root]])
    total = 0.0
    for row, own in enumerate(person.tolist()):
        margin = np.exp(16 * (cosine[row, own] - 0.2))
        others = sum(np.exp(16 * cosine[row, j]) for j in range(3) if j != own)
        total -= np.log(margin / (margin + others)) / 2
    assert loss.item() == pytest.approx(total, rel=1e-5) and right.item() in (0.5, 1.0)


def test_nearest_of_two_counts_triplets():
    """Four images of two people, by hand: the third lies nearer to the first person."""
    angle = np.deg2rad([0, 10, 5, 90])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    subject = np.array(["a", "a", "b", "b"])
    # Of the first: own 10 away, strangers 5 and 90: 1/2. Second: the same. Third and fourth: own 85 away, strangers
    # nearer each: third 0 of 2, fourth 0 of 2 (80 and 90 away, own 85: one of two).
    assert nearest_of_two(embeddings, subject) == pytest.approx((0.5 + 0.5 + 0 + 0.5) / 4)
    assert np.isnan(nearest_of_two(embeddings[:1], subject[:1]))
    assert nearest_of_two(np.ones((3, 1)), subject[:3]) == 0, "as near is not nearer"


def test_judged_prints():
    assert str(Judged(0.5, "90 % of 3 people")) == "50.0 % (judge: 90 % of 3 people)"
