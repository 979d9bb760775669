"""Saved models: found by folder or fold, loaded by class, refused in one line, and what their run says of them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis import BaselineCNN, SubjectKFold, evaluate, run_folder, saved_models
from ferdis._io import sealed
from ferdis.faces import Faces
from ferdis.saved_models import Evidence, evidence_of, find_model, load_model
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces


def seven_people(seed: int = 0) -> Faces:
    """Seven, so that two folds test different numbers of people."""
    every = faces(48, seed=seed)
    named = every.with_table(every.to_frame().assign(path=[f"{row:02d}.png" for row in range(48)]))
    return named[np.flatnonzero(every.subject != "t/7")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds of two systems, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "run"
    systems = {"cnn": build("cnn", epochs=1), "other": build("cnn", epochs=1, image_size=40)}
    evaluate(systems, seven_people(), SubjectKFold(2, validation_folds=0), out=out, dataset="bars", progress=False)
    return out


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy of one model that a test may damage."""
    return Path(shutil.copytree(made / "fold-01" / "cnn", tmp_path / "model"))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "run"))


class TestFinding:
    def test_a_folder_a_fold_and_its_system(self, made: Path, model: Path) -> None:
        assert find_model(model) == model
        assert find_model(made / "fold-01", "other") == made / "fold-01" / "other"
        shutil.copytree(model, model.parent / "fold-07" / "only")
        assert find_model(model.parent / "fold-07") == model.parent / "fold-07" / "only"
        with pytest.raises(ValueError, match="holds the models only: name one"):
            find_model(model.parent / "fold-07", "other")

    @pytest.mark.parametrize(("where", "system"), [("", "mean"), ("mean", None)])
    def test_a_system_less_a_persons_mean_names_no_single_image(
        self, model: Path, tmp_path: Path, where: str, system: str | None
    ) -> None:
        wrapper = tmp_path / "fold-00" / "mean"
        shutil.copytree(model, wrapper / "estimator")
        (wrapper / "person_mean.json").write_text("{}")
        with pytest.raises(
            ValueError, match=r"mean needs other images of the person .*take what it wraps, .*/estimator$"
        ):
            find_model(tmp_path / "fold-00" / where, system)
        assert find_model(wrapper / "estimator") == wrapper / "estimator"

    @pytest.mark.parametrize(
        ("where", "system", "kind", "message"),
        [
            ("nowhere", None, FileNotFoundError, "no such folder"),
            ("figures", None, FileNotFoundError, "holds no saved model"),
            ("fold-00", None, ValueError, "holds the models cnn, other: name one"),
            ("fold-00", "ifgan", ValueError, "holds the models cnn, other: name one"),
            (
                ".",
                None,
                ValueError,
                "is a run of 4 models: cnn, other in fold-00, fold-01; .*`ferdis fit --like .* --system cnn` .*00/cnn",
            ),
        ],
    )
    def test_refusals(self, made: Path, where: str, system: str | None, kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message) as error:
            find_model(made / where, system)
        assert "\n" not in str(error.value)


class TestLoading:
    def test_by_its_class(self, made: Path) -> None:
        loaded = load_model(made / "fold-01" / "cnn")
        assert type(loaded) is BaselineCNN and loaded.score(faces(12, seed=4)) >= 0

    def refused(self, folder: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message) as error:
            load_model(folder)
        assert "\n" not in str(error.value) and str(folder) in str(error.value)

    def changed(self, folder: Path, **changes: object) -> None:
        about = json.loads((folder / "estimator.json").read_text())
        (folder / "estimator.json").write_text(json.dumps(sealed({**about, **changes})))

    def test_a_sealed_record_that_the_run_does_not_vouch_for(self, run: Path) -> None:
        load_model(run / "fold-01" / "cnn")
        self.changed(run / "fold-01" / "cnn", notes=["better than it was"])
        with pytest.raises(ValueError, match=r"estimator\.json is missing or was changed after"):
            load_model(run / "fold-01" / "cnn")

    def test_tampered_weights(self, model: Path) -> None:
        weights = model / "weights.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1  # one bit of one number
        weights.write_bytes(bytes(data))
        self.refused(model, "weights.safetensors was changed after it was saved")

    def test_weights_of_another_model(self, made: Path, model: Path) -> None:
        shutil.copy(made / "fold-00" / "cnn" / "weights.safetensors", model)
        self.refused(model, "was changed after it was saved")

    def test_before_there_was_a_digest(self, model: Path) -> None:
        about = json.loads((model / "estimator.json").read_text())
        del about["weights_sha256"], about["seal"]
        about["format"] = 1
        (model / "estimator.json").write_text(json.dumps(about))
        assert type(load_model(model)) is BaselineCNN

    def test_of_a_newer_version(self, model: Path) -> None:
        self.changed(model, format=99)
        self.refused(model, "has format 99, this ferdis reads up to .*: install a newer ferdis")

    def test_of_an_unknown_class(self, model: Path) -> None:
        self.changed(model, **{"class": "FutureGAN"})
        self.refused(model, "holds a FutureGAN, which is no system of this ferdis: there are IFGAN")

    def test_a_damaged_record(self, model: Path) -> None:
        (model / "estimator.json").write_text('{"format": ')
        self.refused(model, "estimator.json is not readable as JSON .*: it is damaged")

    @pytest.mark.parametrize(
        "change",
        [
            lambda about: about["classes"].reverse(),
            lambda about: about["preprocessing"].update(align="none"),
            lambda about: about["parameters"].update(epochs=1000),
            lambda about: about.update(weights_sha256="0" * 64),
        ],
    )
    def test_a_record_that_was_changed(self, model: Path, change: Callable[[dict], None]) -> None:
        about = json.loads((model / "estimator.json").read_text())
        change(about)
        (model / "estimator.json").write_text(json.dumps(about))
        self.refused(model, "estimator.json was changed after it was written")

    def test_a_record_whose_seal_was_taken_away(self, model: Path) -> None:
        about = json.loads((model / "estimator.json").read_text())
        del about["seal"]
        (model / "estimator.json").write_text(json.dumps({**about, "classes": about["classes"][::-1]}))
        self.refused(model, "estimator.json has no seal: it is damaged")

    @pytest.mark.parametrize("key", ["parameters", "classes", "preprocessing", "notes", "training_digest"])
    @pytest.mark.parametrize("value", ["absent", None, 7, "text", [[]], {"a": []}])
    def test_an_old_record_of_any_content_is_read_or_refused_in_one_line(
        self, model: Path, key: str, value: object
    ) -> None:
        about = json.loads((model / "estimator.json").read_text())
        del about["seal"], about[key]
        about["format"] = 1
        (model / "estimator.json").write_text(json.dumps(about if value == "absent" else {**about, key: value}))
        with contextlib.suppress(ValueError):  # whatever else is raised fails the test
            load_model(model)


def evidence(folder: Path) -> Evidence:
    """Of a model that has some."""
    found = evidence_of(folder)
    assert found is not None
    return found


class TestEvidence:
    def test_what_the_run_measured(self, made: Path) -> None:
        found = evidence(made / "fold-01" / "cnn")
        rows = found.pooled
        right = rows["true"] == rows["predicted"]
        assert len(rows) == 42 and set(rows["system"]) == {"cnn"} and found.folds == 2
        assert found.protocol_accuracy[0] == pytest.approx(np.mean([right[rows["fold"] == k].mean() for k in (0, 1)]))
        assert found.fold_accuracy == right[rows["fold"] == 1].mean()
        assert (found.people, found.training_people, found.test_people) in ((7, 4, 3), (7, 3, 4))
        assert found.training_images + len(found.tested) == 42
        record = found.record()
        assert "not of this file alone" in record["accuracy_of_the_protocol"]["what"]
        assert record["accuracy_of_this_model"]["what"] == f"fold 1, on {len(found.tested)} images of held-out subjects"
        json.dumps(record)

    @pytest.mark.parametrize("number", [0, 1])
    def test_the_faces_of_its_own_fold(self, made: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        found = evidence(made / f"fold-{number:02d}" / "cnn")
        monkeypatch.setattr(saved_models, "_loaded_again", lambda folder, dataset: seven_people())
        learned, tested = found.faces()
        assert tested is not None and set(tested.table["path"]) == set(found.tested["path"])
        assert len(learned) == found.training_images and not set(learned.subject) & set(tested.subject)
        assert (len(set(learned.subject)), len(set(tested.subject))) == (found.training_people, found.test_people)
        assert found.training_people != found.test_people
        monkeypatch.setattr(saved_models, "_loaded_again", lambda folder, dataset: seven_people(seed=1))
        with pytest.raises(ValueError, match="bars has changed since"):
            found.faces()

    def test_accuracy_over_folds(self, made: Path) -> None:
        found = evidence(made / "fold-01" / "cnn")
        rows = found.pooled[:6].assign(true="a", predicted=list("aabbaa"), fold=[0, 0, 0, 0, 1, 1])
        several = replace(found, pooled=rows)
        assert several.protocol_accuracy == pytest.approx((0.75, 0.5**1.5))
        assert several.record()["accuracy_of_the_protocol"]["std_over_folds"] == pytest.approx(0.5**1.5)
        assert replace(found, pooled=rows[:4]).record()["accuracy_of_the_protocol"]["std_over_folds"] is None

    def test_what_the_records_say(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder, record = made / "fold-01" / "cnn", run_folder.read_record(made)
        found = evidence(folder)
        assert (found.sealed, found.seed, found.selection) == (True, 0, "last")
        read_fit = run_folder.read_fit
        monkeypatch.setattr(run_folder, "read_fit", lambda *a, **b: {**read_fit(*a, **b), "seed": 3})
        monkeypatch.setattr(run_folder, "read_record", lambda root: {**record, "selection": "validation"})
        found = evidence(folder)
        assert (found.seed, found.selection) == (3, "validation")
        monkeypatch.setattr(run_folder, "is_sealed", lambda *_: False)
        found = evidence(folder)
        assert not found.sealed
        monkeypatch.undo()
        monkeypatch.setattr(
            run_folder, "read_fit", lambda *a, **b: {k: v for k, v in read_fit(*a, **b).items() if k != "files"}
        )
        found = evidence(folder)
        assert not found.sealed

    def test_what_a_model_of_everybody_cites(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        measured = {
            "run": "runs/x", "system": "cnn", "dataset": "bars", "classes": ["a", "b"], "selection": "validation",
            "people": 9, "images": 60, "sealed": True,
        }  # fmt: skip
        fit = {"measured": measured, "seed": 2, "people": 5, "images": 30, "others": "cut off"}
        rows = pd.DataFrame({"fold": [0, 1], "true": ["a", "a"], "predicted": ["a", "b"]})
        monkeypatch.setattr(run_folder, "read_fit_record", lambda folder: fit)
        monkeypatch.setattr(run_folder, "pooled_rows", lambda record: rows)
        found = evidence(model)
        assert (found.people, found.images, found.test_people) == (9, 60, None)
        assert (found.training_people, found.training_images, found.seed, found.fold) == (5, 30, 2, None)
        assert (found.selection, found.sealed, found.others) == ("validation", True, "cut off")
        assert found.protocol_accuracy[0] == 0.5 and np.isnan(found.fold_accuracy)
        assert found.record()["accuracy_of_this_model"]["value"] is None
        with pytest.raises(ValueError, match="the model was fitted on everybody"):
            found.faces()

    def test_the_faces_of_a_model_of_everybody(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(saved_models, "_loaded_again", lambda folder, dataset: faces(12))
        monkeypatch.setattr(run_folder, "read_fit_record", lambda folder: {"dataset": "bars"})
        assert saved_models.training_faces(model, faces(12).digest()).digest() == faces(12).digest()
        with pytest.raises(ValueError, match="bars has changed since"):
            saved_models.training_faces(model, faces(12, seed=1).digest())

    def test_outside_a_run(self, model: Path) -> None:
        assert evidence_of(model) is None

    def test_faces_that_the_run_cannot_load_again(self, made: Path) -> None:
        found = evidence(made / "fold-01" / "cnn")
        with pytest.raises(ValueError, match="does not say how bars was loaded"):
            found.faces()
