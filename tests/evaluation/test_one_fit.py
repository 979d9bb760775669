"""One fit by itself: what its marker says, what its rows hold, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from ferdis.evaluation import fit_and_score, peeking
from ferdis.evaluation.fit_and_score import class_probabilities, reference_name, seeded_clone
from ferdis.faces import Faces
from ferdis.protocol import Fold
from ferdis.run_folder import Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Plain, make_faces

FACES = make_faces()
FOLD = PROTOCOL.split(FACES)[0]


class Asks(Plain):
    """Wants images of the test people."""

    uses_reference = True

    def predict_proba(self, faces: Faces, reference: Faces | None = None) -> np.ndarray:
        assert reference is not None
        return super().predict_proba(faces)


def run(folder: Path, estimator: Any, faces: Faces = FACES, fold: Fold = FOLD, **changes: Any) -> Any:
    """The outcome, what the marker says, and the rows."""
    job = job_of(Task(3, 0, "a"), estimator, faces, fold, folder, **{"parameters": "same", "commit": "1", **changes})
    outcome = fit_and_score.fit_and_score(job)
    assert outcome.error is None
    return (
        outcome,
        json.loads((folder / "done.json").read_text()),
        pd.read_csv(folder / "rows.csv", keep_default_na=False),
    )


@pytest.mark.parametrize(("selection", "validation"), [("last", 0), ("validation", 18)])
def test_the_marker_counts_what_was_used(tmp_path: Path, selection: str, validation: int) -> None:
    _, done, rows = run(tmp_path, NearestMean(), selection=selection)
    assert done["validation_images"] == validation and len(FOLD.validation) == 18
    assert (done["train_images"], done["test_images"], done["rows"]) == (len(FOLD.train), len(FOLD.test), len(rows))
    assert done["resumed"] is False


def test_fitting_and_scoring_are_timed_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 110.0, 113.0])
    monkeypatch.setattr(fit_and_score, "turns", SimpleNamespace(clock=lambda: next(times)))
    _, done, _ = run(tmp_path, Plain())
    assert (done["fit_seconds"], done["predict_seconds"]) == (10.0, 3.0)


def test_a_fit_that_goes_on_says_so_and_clears_up(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "checkpoint.json").write_text('{"epoch": 1}')
    (tmp_path / "error.txt").write_text("of the time before")
    _, done, _ = run(tmp_path, NearestMean())
    assert done["resumed"] is True
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "classes.json", "done.json", "history.csv", "rows.csv", "weights.safetensors"
    ]  # fmt: skip


def test_kept_epochs_stay_and_checkpoints_do_not(tmp_path: Path) -> None:
    run(tmp_path, NearestMean(epochs=2), keep_epochs=True)
    kept = sorted(path.name for path in (tmp_path / "training").rglob("*") if path.is_file())
    assert kept == ["epoch-001.safetensors", "epoch-002.safetensors"]


def test_notes_of_a_system_reach_the_marker(tmp_path: Path) -> None:
    class Says(Plain):
        def describe(self) -> dict[str, Any]:
            return {"notes": ["on few faces"]}

    assert run(tmp_path, Says())[1]["notes"] == ["on few faces"]


def test_only_its_own_seconds_of_what_is_shared_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spent: Iterator[float] = iter([100.0, 107.0])
    monkeypatch.setattr(fit_and_score, "seconds_spent", lambda: next(spent))
    assert run(tmp_path, Plain())[0].shared_seconds == 7


def test_columns_of_the_table_take_the_place_of_none_of_ours(tmp_path: Path) -> None:
    more = FACES.to_frame().assign(fold=9, p_width=2.5, age=31, dataset=["left", "right"] * 27)
    _, _, rows = run(tmp_path, Plain(), FACES.with_table(more))
    assert set(rows["fold"]) == {0} and set(rows["table_fold"]) == {9} and set(rows["age"]) == {31}
    assert set(rows["table_p_width"]) == {2.5} and "p_width" not in rows
    assert rows["dataset"].tolist() == [("left", "right")[row % 2] for row in FOLD.test]


def test_rows_say_what_their_system_was_given(tmp_path: Path) -> None:
    """Of three test people two images of happiness, of one of them a single one."""
    people = sorted(set(FACES.subject[FOLD.test]))
    happy = [row for row in FOLD.test if FACES.expression[row] == "happiness"]
    assert len(people) == 3 and len(happy) == 6
    given, rest = happy[:-1], [row for row in FOLD.test if row not in happy[:-1]]
    fold = Fold(0, FOLD.train, FOLD.validation, np.array(rest), np.array(given))
    assert reference_name(FACES, fold) == "2 happiness images of each test person"
    for name, estimator, said in (("asks", Asks(), "2 happiness images of each test person"), ("not", Plain(), "none")):
        assert set(run(tmp_path / name, estimator, fold=fold)[2]["reference"]) == {said}
    assert "reference" not in run(tmp_path / "strict", Plain())[2]


def test_the_seed_goes_by_either_name() -> None:
    assert seeded_clone(NearestMean(seed=1), 7).seed == 7
    assert seeded_clone(DecisionTreeClassifier(random_state=1), 7).random_state == 7
    assert isinstance(seeded_clone(Plain(), 7), Plain)


def test_a_class_that_the_faces_do_not_have_is_named() -> None:
    fitted = Plain().fit(FACES)
    fitted.classes_ = np.array(["anger", "pride", "fear"])
    with pytest.raises(ValueError, match=r"knows classes that these faces do not have: \['pride'\]"):
        class_probabilities(fitted, FACES, FACES.classes)


# ---------------------------------------------------------------- peeking


class Shown(NearestMean):
    """Is shown images of the test people, and cannot do without."""

    uses_reference = True

    def predict_proba(self, faces: Faces, reference: Faces | None = None) -> np.ndarray:
        assert reference is not None and len(reference) == 2
        return super().predict_proba(faces)


def test_epochs_are_scored_as_the_fold_was_and_then_deleted(tmp_path: Path) -> None:
    fold = Fold(0, FOLD.train, FOLD.validation, FOLD.test[2:], FOLD.test[:2])
    folder = tmp_path / "fold"
    job = job_of(Task(3, 0, "a"), Shown(epochs=12), FACES, fold, folder, keep_epochs=True)
    assert fit_and_score.fit_and_score(job).error is None
    peeking._write(job)
    table = pd.read_csv(folder / "peeking.csv")
    assert table["epoch"].tolist() == list(range(1, 13)) and set(table["seed"]) == {3}
    rows = pd.read_csv(folder / "rows.csv")
    assert table["test_accuracy"].iloc[-1] == pytest.approx((rows["true"] == rows["predicted"]).mean())
    assert not list(folder.rglob("epoch-*"))
