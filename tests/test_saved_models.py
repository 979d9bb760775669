"""Saved models: found by folder or fold, loaded by class, refused in one line, and what their run says of them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferdis import BaselineCNN, SubjectKFold, evaluate
from ferdis._io import sealed
from ferdis.saved_models import evidence_of, find_model, load_model
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds of two systems, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "run"
    systems = {"cnn": build("cnn", epochs=1), "other": build("cnn", epochs=1, image_size=40)}
    evaluate(systems, faces(48), SubjectKFold(2, validation_folds=0), out=out, dataset="bars", progress=False)
    return out


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A copy of one model that a test may damage."""
    return Path(shutil.copytree(made / "fold-01" / "cnn", tmp_path / "model"))


class TestFinding:
    def test_a_folder_a_fold_and_its_system(self, made: Path, model: Path) -> None:
        assert find_model(model) == model
        assert find_model(made / "fold-01", "other") == made / "fold-01" / "other"
        shutil.copytree(model, model.parent / "fold-07" / "only")
        assert find_model(model.parent / "fold-07") == model.parent / "fold-07" / "only"

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


class TestEvidence:
    def test_what_the_run_measured(self, made: Path) -> None:
        found = evidence_of(made / "fold-01" / "cnn")
        assert found is not None
        rows = found.pooled
        right = rows["true"] == rows["predicted"]
        assert len(rows) == 48 and set(rows["system"]) == {"cnn"} and found.folds == 2
        assert found.protocol_accuracy[0] == pytest.approx(np.mean([right[rows["fold"] == k].mean() for k in (0, 1)]))
        assert found.fold_accuracy == right[rows["fold"] == 1].mean()
        assert (found.people, found.training_people, found.test_people) == (8, 4, 4)
        assert found.training_images + len(found.tested) == 48
        record = found.record()
        assert "not of this file alone" in record["accuracy_of_the_protocol"]["what"]
        assert record["accuracy_of_this_model"]["what"] == "fold 1, on 24 images of held-out subjects"
        json.dumps(record)

    def test_outside_a_run(self, model: Path) -> None:
        assert evidence_of(model) is None

    def test_faces_that_the_run_cannot_load_again(self, made: Path) -> None:
        found = evidence_of(made / "fold-01" / "cnn")
        assert found is not None
        with pytest.raises(ValueError, match="does not say how bars was loaded"):
            found.faces()
