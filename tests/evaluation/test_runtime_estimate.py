"""What a run will cost, told before it begins, and what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferdis.evaluation.runner import evaluate
from ferdis.evaluation.runtime_estimate import estimate, size_remarks
from ferdis.faces import Faces
from tests.evaluation.runner_fakes import CLASSES, PROTOCOL, NearestMean, Plain, make_faces

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def faces() -> Faces:
    return make_faces()


def test_estimate_scales_with_epochs_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = make_faces(30)
    folds = PROTOCOL.split(faces)
    asked = []

    def clock(estimator: Any, few: Faces, changes: dict[str, int]) -> float:
        """A fit that takes 0.3 s, and 0.01 s for each image and epoch."""
        asked.append((len(few), few.classes))
        return 0.3 + 0.01 * len(few) * changes["epochs"]

    monkeypatch.setattr("ferdis.evaluation.runtime_estimate._time_fit", clock)
    told = estimate({"slow": NearestMean(epochs=50)}, faces, folds, n_jobs=2)
    images = np.mean([len(fold.train) for fold in folds])
    assert told.fold_seconds["slow"] == pytest.approx(0.3 + 0.01 * images * 50)
    assert told.total_seconds == pytest.approx(3 / 2 * (0.3 + 0.01 * images * 50)) and told.fits == 3
    assert set(asked) == {(min(64, len(folds[0].train)), CLASSES)}, "few faces, all classes"


def test_stages_that_are_stretched_alike_are_estimated_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoStages:
        def get_params(self, deep: bool = True) -> dict[str, int]:
            return {"epochs": 10, "mlp_epochs": 5}

        def training_epochs(self, images: float) -> int:
            return 40  # four times as many

    monkeypatch.setattr(
        "ferdis.evaluation.runtime_estimate._time_fit",
        lambda estimator, few, changes: 0.1 * changes["epochs"] + 0.01 * changes["mlp_epochs"],
    )
    faces = make_faces(30)
    folds = PROTOCOL.split(faces)
    told = estimate({"two": TwoStages()}, faces, folds)
    few, images = min(64, len(folds[0].train)), np.mean([len(fold.train) for fold in folds])
    assert told.fold_seconds["two"] == pytest.approx((0.1 * 40 + 0.01 * 20) * images / few)


def test_what_follows_from_the_size_of_a_set_is_told_once_for_all_systems() -> None:
    class Says:
        def remarks(self, images: float) -> list[str]:
            return [f"trained on {images:g}"]

    assert size_remarks({"a": Says(), "b": Says(), "c": object()}, 48) == ["trained on 48"]


def test_the_time_of_a_fold_leaves_out_a_pretraining_that_folds_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferdis import RELGAN

    faces, asked = make_faces(30), []
    monkeypatch.setattr(
        "ferdis.evaluation.runtime_estimate._time_fit",
        lambda estimator, few, changes: asked.append(dict(changes)) or 1.0,
    )
    estimate({"relgan": RELGAN.small(pretrain=faces)}, faces, PROTOCOL.split(faces))
    *of_a_fold, shared = asked
    assert all(changes["pretrain"] is None and changes["min_steps"] == 0 for changes in of_a_fold)
    assert "pretrain" not in shared and shared["epochs"] == shared["mlp_epochs"] == 1
    assert not any({"pretrain_epochs", "decay_epochs"} & set(changes) for changes in asked)


def test_estimate_says_what_it_does_not_know(faces: Faces) -> None:
    told = estimate({"mean": NearestMean(epochs=2), "plain": Plain()}, faces, PROTOCOL.split(faces))
    assert told.fold_seconds["plain"] is None and told.total_seconds is None and told.fits == 6
    assert told.fold_seconds["mean"] is not None and told.fold_seconds["mean"] >= 0
    assert "time not known" in str(told) and "plain not known" in str(told) and told.memory_gb > 0


def test_estimate_is_printed_and_asks_the_estimator_that_knows(
    faces: Faces, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    class Knows(Plain):
        def estimate_seconds(self, faces: Faces) -> float:
            return 100.0

    evaluate(Knows(), faces, PROTOCOL, out=tmp_path)
    said = capsys.readouterr().err
    assert "estimate: about 5 min 0 s" in said and "GB of memory for 3 fits, 1 at a time" in said
    assert "fits 3/3" in said
    evaluate(Knows(), faces, PROTOCOL, out=tmp_path)
    assert "estimate" not in capsys.readouterr().err
