"""One model on everybody: it is fitted on all, cites the run of its recipe and no other, and is finished once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ferdis import BaselineCNN, SubjectKFold, evaluate, run_folder
from ferdis._io import sealed
from ferdis.evaluation.final_fit import fit_final
from ferdis.export import export
from ferdis.faces import Faces
from ferdis.saved_models import evidence_of, load_model, training_faces
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

PEOPLE = faces(48)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds of two systems, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    systems = {"cnn": build("cnn", epochs=1), "other": build("cnn", epochs=2)}
    evaluate(systems, PEOPLE, SubjectKFold(2, validation_folds=0), out=out, dataset="bars", progress=False)
    return out


@pytest.fixture(scope="module")
def fitted(run: Path) -> Path:
    """The model of everybody by the recipe of the run's system cnn."""
    out = run.parent / "model"
    fit_final(build("cnn", epochs=1), PEOPLE, out, like=run, system="cnn", dataset="bars")
    return out


def test_it_is_the_same_fit_as_by_hand(fitted: Path) -> None:
    by_hand = build("cnn", epochs=1).fit(PEOPLE)
    loaded = load_model(fitted)
    assert type(loaded) is BaselineCNN
    np.testing.assert_array_equal(loaded.predict_proba(PEOPLE), by_hand.predict_proba(PEOPLE))
    assert sorted(path.name for path in fitted.iterdir()) == [
        "card.md", "config.yaml", "environment.json", "estimator.json", "fit.json", "history.csv",
        "weights.safetensors",
    ]  # fmt: skip


def test_the_figures_are_those_of_the_run(run: Path, fitted: Path) -> None:
    cited, fold = evidence_of(fitted), evidence_of(run / "fold-00" / "cnn")
    assert cited is not None and fold is not None
    assert cited.protocol_accuracy == fold.protocol_accuracy and cited.uar == fold.uar and cited.folds == 2
    assert cited.fold is None and np.isnan(cited.fold_accuracy)
    assert cited.record()["accuracy_of_this_model"]["value"] is None
    assert (cited.training_images, cited.training_people, cited.people) == (48, 8, 8)
    card = (fitted / "card.md").read_text()
    assert f"{100 * cited.protocol_accuracy[0]:.2f} %" in card and "`mine`" in card
    assert "nobody is left to test it" in card and "48 images, 8 people, of bars: all there are" in card
    text = (fitted / "fit.json").read_text()
    assert not [name for name in PEOPLE.subject if name in text], "a shipped model names nobody"


def test_an_exported_model_of_everybody_cites_the_run(fitted: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    written = export(load_model(fitted), tmp_path / "m.onnx", training=PEOPLE, evidence=evidence_of(fitted))
    card = written.card.read_text()
    assert "48 images of 8 people: everybody" in card and "recall, this model" not in card and "`mine`" in card
    assert written.about["protocol"]["accuracy_of_this_model"]["value"] is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": 2}, "mine measured another recipe (epochs: 1 there, 2 now)"),
        ({"epochs": 1, "class_weight": "balanced"}, "mine measured another recipe (class_weight: null there, "),
    ],
)
def test_another_recipe_is_not_cited(run: Path, tmp_path: Path, changes: dict, says: str) -> None:
    fit_final(build("cnn", **changes), PEOPLE, tmp_path / "model", like=run, system="cnn")
    assert evidence_of(tmp_path / "model") is None
    card = (tmp_path / "model" / "card.md").read_text()
    assert "no accuracy is claimed" in card
    assert says in card


def test_without_a_run_the_card_says_how_to_measure_it(tmp_path: Path) -> None:
    nobody = Faces(PEOPLE.images, PEOPLE.to_frame().drop(columns="subject"))
    fit_final(build("cnn", epochs=1), nobody, tmp_path / "model")
    card = (tmp_path / "model" / "card.md").read_text()
    assert "no accuracy is claimed: run ferdis kfold" in card and "people not known" in card


def test_other_images_by_the_same_recipe_are_said(run: Path, tmp_path: Path) -> None:
    more = Faces.concat([PEOPLE, faces(12, seed=5)])
    fit_final(build("cnn", epochs=1), more, tmp_path / "model", like=run, system="cnn")
    found = evidence_of(tmp_path / "model")
    assert found is not None and found.others == "The run measured it on other images: 48 there, 60 here"
    assert f"- {found.others}." in (tmp_path / "model" / "card.md").read_text()


def test_as_many_other_images_are_other_images(run: Path, tmp_path: Path) -> None:
    fit_final(build("cnn", epochs=1), faces(48, seed=5), tmp_path / "model", like=run, system="cnn")
    found = evidence_of(tmp_path / "model")
    assert found is not None and found.others == "The run measured it on other images: 48 there, 48 here"


def test_the_seed_is_that_of_the_training(tmp_path: Path) -> None:
    model = fit_final(build("cnn", epochs=1), PEOPLE, tmp_path / "model", seed=3)
    first, third = (build("cnn", epochs=1, seed=seed).fit(PEOPLE).predict_proba(PEOPLE) for seed in (0, 3))
    np.testing.assert_array_equal(model.predict_proba(PEOPLE), third)
    assert not np.array_equal(first, third)


def test_a_run_that_took_the_last_epoch_is_not_cited_for_the_best(run: Path, tmp_path: Path) -> None:
    others = faces(12, seed=7)
    validation = Faces(others.images, others.to_frame().assign(subject=[f"other-{name}" for name in others.subject]))
    fit_final(build("cnn", epochs=1), PEOPLE, tmp_path / "model", like=run, system="cnn", validation=validation)
    assert evidence_of(tmp_path / "model") is None
    assert "mine chose the epoch by 'last', this model by 'validation'" in (tmp_path / "model" / "card.md").read_text()


def test_as_many_other_classes_are_other_classes(run: Path, tmp_path: Path) -> None:
    first = PEOPLE.classes[0]
    renamed = PEOPLE.to_frame().assign(expression=["pride" if name == first else name for name in PEOPLE.expression])
    fit_final(build("cnn", epochs=1), Faces(PEOPLE.images, renamed), tmp_path / "model", like=run, system="cnn")
    assert evidence_of(tmp_path / "model") is None
    assert f"mine has other classes ({', '.join(PEOPLE.classes)})" in (tmp_path / "model" / "card.md").read_text()


def test_a_finished_model_is_not_fitted_again(fitted: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (fitted / "weights.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(BaselineCNN, "fit", lambda *_, **__: pytest.fail("fitted again"))
    again = fit_final(build("cnn", epochs=1), PEOPLE, fitted, like=run, system="cnn", dataset="bars")
    assert isinstance(again, BaselineCNN) and (fitted / "weights.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"holds another model .seed: 0 there, 1 now."):
        fit_final(build("cnn", epochs=1), PEOPLE, fitted, like=run, system="cnn", dataset="bars", seed=1)


def test_refusals(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has the systems cnn, other: name one"):
        fit_final(build("cnn"), PEOPLE, tmp_path / "a", like=run)
    with pytest.raises(ValueError, match="has no system 'ifgan': it has cnn, other"):
        fit_final(build("cnn"), PEOPLE, tmp_path / "a", like=run, system="ifgan")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not empty and holds no model of ferdis fit"):
        fit_final(build("cnn"), PEOPLE, tmp_path / "b")


@pytest.mark.parametrize("name", ["fit.json", "estimator.json"])
def test_a_changed_record_is_refused(fitted: Path, tmp_path: Path, name: str) -> None:
    model = Path(shutil.copytree(fitted, tmp_path / "model"))
    record = json.loads((model / name).read_text())
    record["images" if name == "fit.json" else "notes"] = 1_000_000
    (model / name).write_text(json.dumps(record if name == "fit.json" else sealed(record)))
    with pytest.raises(ValueError, match=r"was changed after it was written|is of another model than") as error:
        evidence_of(model)
    assert "\n" not in str(error.value) and str(model) in str(error.value)


def test_counts_give_the_rows_again(run: Path) -> None:
    read = run_folder.read_run(run)
    again = run_folder.pooled_rows(run_folder.measured_recipe(read, "other"))
    key = ["seed", "fold", "true", "predicted"]
    rows = read.rows[read.rows["system"] == "other"][key].sort_values(key).reset_index(drop=True)
    assert again.sort_values(key).reset_index(drop=True).astype(str).equals(rows.astype(str))


def test_training_faces_are_not_those_of_a_run(run: Path) -> None:
    with pytest.raises(ValueError, match="lies in no run"):
        training_faces(run / "fold-00" / "cnn", "0")
