"""What fit_final hands on and keeps, with a model that is fitted at once; and the record of what a run measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator

from ferdis import run_folder
from ferdis._io import sealed
from ferdis.evaluation import final_fit
from ferdis.evaluation.final_fit import common_winner, fit_final
from ferdis.evaluation.tuned_parameters import TunedParameters
from ferdis.faces import Faces
from ferdis.run_folder import recipe
from tests.evaluation.runner_fakes import make_faces

FACES = make_faces()
TWO = FACES[FACES.subject < "t/002"]
fits: list[tuple[int, Faces | None, Path | None]] = []


class Model(BaseEstimator):
    """Notes how it is fitted."""

    def __init__(self, seed: int = 0, epochs: int = 1, progress: bool = True) -> None:
        self.seed = seed
        self.epochs = epochs
        self.progress = progress

    def check(self) -> None:
        if self.epochs < 1:
            raise ValueError("no epochs")

    def fit(
        self, faces: Faces, y: Any = None, *, validation: Faces | None = None, run_dir: Path | None = None
    ) -> Model:
        fits.append((self.seed, validation, run_dir))
        if run_dir is not None:
            run_dir.mkdir(exist_ok=True)
            (run_dir / "checkpoint.json").write_text("{}")
        return self

    def save(self, folder: Path) -> None:
        (folder / "estimator.json").write_text("{}")

    @classmethod
    def load(cls, folder: Path) -> Model:
        return cls()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    fits.clear()
    monkeypatch.setattr(final_fit, "fitted_card", lambda _: "card")
    monkeypatch.setattr("ferdis.run_folder.git_commit", lambda: "0123456789ab")


def test_who_validates_what_it_is_called_and_how_it_is_loaded_again(tmp_path: Path) -> None:
    given: dict[str, Any] = {"validation": TWO, "seed": 4, "dataset": "mine", "progress": False}
    fit_final(Model(), FACES, tmp_path, arguments={"dataset": {"root": "here"}}, **given)
    assert fits == [(4, TWO, tmp_path / "training")]
    record = json.loads((tmp_path / "fit.json").read_text())
    assert (record["dataset"], record["seed"], record["images"]) == ("mine", 4, 54)
    assert (record["people"], record["validation_people"]) == (9, 2)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {"dataset": {"root": "here"}}
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "card.md", "config.yaml", "environment.json", "estimator.json", "fit.json"
    ]  # fmt: skip
    fit_final(Model(), FACES, tmp_path, **given)
    assert len(fits) == 1, "it is there"
    with pytest.raises(ValueError, match=r"holds another model \(validation_digest: "):
        fit_final(Model(), FACES, tmp_path, **{**given, "validation": FACES[FACES.subject > "t/006"]})


def test_a_fit_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "checkpoint.json").write_text("{}")
    fit_final(Model(), FACES, tmp_path, progress=False)
    assert fits == [(0, None, tmp_path / "training")] and not (tmp_path / "training").exists()


def test_a_model_says_what_is_wrong_with_it_before_it_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epochs"):
        fit_final(Model(epochs=0), FACES, tmp_path / "model", progress=False)
    assert not fits and not (tmp_path / "model").exists()


def test_people_are_counted_where_they_are_known() -> None:
    nobody = Faces(FACES.images, FACES.to_frame().drop(columns="subject"))
    assert [final_fit._people(some) for some in (None, FACES, nobody)] == [None, 9, 54]


def finished(**changes: Any) -> Any:
    """A run of two systems whose names and arguments are written down here."""
    record: dict[str, Any] = {
        "systems": {"a": {"class": "Model", "seed": 0, "epochs": 2, "progress": True}, "b": {"class": "Model"}},
        "selection": "last", "faces": {"classes": list(FACES.classes), "images": 54, "digest": FACES.digest()},
        **changes,
    }  # fmt: skip
    return SimpleNamespace(root=Path("runs/mine"), name="mine", record=record)


def winner(system: str, epochs: int, fold: int | None = None) -> dict[str, Any]:
    return TunedParameters(system, {"epochs": epochs}, ("0" * 12,), (), fold).record()


def test_the_recipe_of_a_tuned_run_is_its_winners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "measured_recipe", lambda run, system: {"of": system})
    plain, tuned = finished(), finished(tuned=[winner("b", 9), winner("a", 5)])
    assert final_fit._cited(plain, "a", Model(seed=3, epochs=2), FACES, None) == ({"of": "a"}, "", "")
    assert final_fit._cited(tuned, "a", Model(epochs=5, progress=False), FACES, None) == ({"of": "a"}, "", "")
    refused = final_fit._cited(tuned, "a", Model(epochs=2), FACES, None)
    assert refused == (None, "mine measured another recipe (epochs: 5 there, 2 now)", "")


def test_folds_with_winners_of_their_own_have_no_common_recipe() -> None:
    run = finished(tuned=[winner("a", 5, 0), winner("a", 6, 1), winner("b", 7)])
    assert common_winner(run, "b") == {"epochs": 7} and common_winner(run, "c") == {}
    with pytest.raises(ValueError, match="each fold of a has arguments of its own"):
        common_winner(run, "a")


def test_those_who_chose_the_epoch_are_among_the_images_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "measured_recipe", lambda run, system: {})
    rest = FACES[FACES.subject >= "t/002"]
    run = finished(selection="validation")
    assert final_fit._cited(run, "a", Model(epochs=2), rest, TWO) == ({}, "", "")
    assert final_fit._cited(run, "a", Model(epochs=2), FACES, TWO)[2] == (
        "The run measured it on other images: 54 there, 66 here"
    )


# ---------------------------------------------------------------- the record of what a run measured


def test_counts_are_of_one_system_true_before_predicted(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("")
    rows = pd.DataFrame(
        [("a", 1, 0, "anger", "fear")] * 2 + [("a", 1, 0, "fear", "fear"), ("b", 1, 0, "anger", "anger")],
        columns=["system", "seed", "fold", "true", "predicted"],
    )
    faces = {"classes": ["anger", "fear"], "images": 3, "people": 2, "digest": "12"}
    record = {"faces": faces, "dataset": "toy", "protocol": {}, "selection": "last"}
    run: Any = SimpleNamespace(record=record, rows=rows, name="mine", root=tmp_path, sealed=False)
    found = recipe.measured_recipe(run, "a")
    assert found["counts"] == [[1, 0, 0, 1, 2], [1, 0, 1, 1, 1]]
    assert (found["system"], found["images"], found["people"], found["sealed"]) == ("a", 3, 2, False)
    assert np.array_equal(recipe.pooled_rows(found)["true"], ["anger", "anger", "fear"])


def test_a_seed_or_a_bar_makes_no_other_recipe() -> None:
    there = {"epochs": 3, "seed": 1, "random_state": 1, "progress": True}
    assert recipe.other_recipe(there, {"epochs": 3, "seed": 2, "random_state": 5, "progress": False}) is None
    assert recipe.other_recipe(there, {**there, "epochs": 4}) == "epochs: 3 there, 4 now"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"measured": {"run": "mine"}}, "measured"),
        ({"estimator_sha256": "0" * 64}, "is of another model than"),
        ({"sealed": False}, "has no seal"),
    ],
)
def test_a_fit_record_is_whole_sealed_and_of_its_model(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    (tmp_path / "estimator.json").write_text("{}")
    digest = run_folder.file_digest(tmp_path / "estimator.json")
    record = {"estimator_sha256": digest, "system": "a", "seed": 0, "images": 1, "people": None, "classes": ["fear"],
              "validation_people": None, "dataset": "toy", "measured": None, **changes}  # fmt: skip
    with_seal = record.pop("sealed", True)
    run_folder.write_json(tmp_path / "fit.json", sealed(record) if with_seal else record)
    if not says:
        found = recipe.read_fit_record(tmp_path)
        assert found is not None and found["system"] == "a"
        return
    with pytest.raises(ValueError, match=says if says != "measured" else r"fit\.json.*(system|dataset)"):
        recipe.read_fit_record(tmp_path)
