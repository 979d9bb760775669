"""What a run will cost, told before it begins, and what is not known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ferdis.evaluation import runtime_estimate
from ferdis.evaluation.fit_and_score import Job
from ferdis.evaluation.runner import evaluate
from ferdis.evaluation.runtime_estimate import Estimate, estimate, idle_people, size_remarks, tell_estimate
from ferdis.faces import Faces
from ferdis.protocol import Fold
from ferdis.run_folder import Task
from ferdis.systems.person_mean import PersonMean
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import CLASSES, PROTOCOL, NearestMean, Plain, make_faces

pytestmark = pytest.mark.usefixtures("quick")


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


def test_a_wrapper_takes_as_long_as_what_it_wraps_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Says(Plain):
        def estimate_seconds(self, faces: Faces) -> float:
            return 2.0 * len(faces)

        def remarks(self, images: float) -> list[str]:
            return [f"trained on {images:g}"]

    faces = make_faces(30)
    wrapped = PersonMean(PersonMean(Says()))
    folds = PROTOCOL.split(faces)
    images = np.mean([len(fold.train) for fold in folds])
    assert estimate({"mean": wrapped}, faces, folds).fold_seconds == {"mean": pytest.approx(2 * images)}
    assert size_remarks({"mean": wrapped}, 48) == ["trained on 48"]
    assert estimate({"mean": PersonMean(Plain())}, faces, folds).fold_seconds == {"mean": None}


def test_a_system_that_is_also_wrapped_is_timed_once_and_pretrained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferdis import RELGAN

    faces, asked = make_faces(30), []
    monkeypatch.setattr(
        "ferdis.evaluation.runtime_estimate._time_fit",
        lambda estimator, few, changes: asked.append(changes) or 1.0 + len(asked),
    )
    monkeypatch.setattr("ferdis.evaluation.runtime_estimate.shared_seconds_of", lambda fit: fit() and 100.0)
    system, folds = RELGAN.small(pretrain=faces), PROTOCOL.split(faces)
    alone = estimate({"relgan": system}, faces, folds)
    fits = len(asked)
    asked.clear()
    both = estimate({"relgan": system, "relgan-mean": PersonMean(system)}, faces, folds)
    assert len(asked) == fits and alone.shared_seconds == both.shared_seconds == 100.0
    assert both.fold_seconds == dict.fromkeys(("relgan", "relgan-mean"), alone.fold_seconds["relgan"])
    other = estimate({"relgan": system, "other-mean": PersonMean(RELGAN.small(pretrain=faces))}, faces, folds)
    assert len(asked) == 3 * fits and other.fits == both.fits == 2 * alone.fits


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


class Knows(Plain):
    """Needs a second for each of the 12 faces of the first fold, and is never fitted to find out."""

    def estimate_seconds(self, faces: Faces) -> float:
        assert len(faces) == 12
        return 12.0

    def fit(self, faces: Faces, y: Any = None) -> Plain:
        raise AssertionError("fitted")


def fold(number: int, train: int, validation: int = 0) -> Fold:
    ends = np.cumsum([0, train, validation, 3])
    return Fold(number, *(np.arange(ends[k], ends[k + 1]) for k in range(3)))


def test_seconds_are_for_the_images_of_a_mean_fold(faces: Faces) -> None:
    folds = [fold(0, 12), fold(1, 36)]  # 24 images a fold
    told = estimate({"knows": Knows()}, faces, folds, n_jobs=5)
    assert told.fold_seconds == {"knows": 24.0} and told.fits == 2
    assert told.total_seconds == 24, "no more than two at a time"
    assert told.shared_seconds == 0
    assert estimate({"knows": Knows()}, faces, folds, n_jobs=2, counts={"knows": 6}).total_seconds == 72


def test_only_the_fits_that_are_ahead_are_told(faces: Faces, capsys: pytest.CaptureFixture[str]) -> None:
    def job(system: str, number: int) -> Job:
        return job_of(Task(0, number, system), Knows(), faces, fold(number, 12))

    tell_estimate([job("a", 0), job("b", 0), job("b", 1), job("b", 2)], 1)
    said = capsys.readouterr().err
    assert said.startswith("estimate: about 48 s and ") and said.endswith(
        "for 4 fits, 1 at a time (a fit: a 12 s, b 12 s)\n"
    )


def test_what_cannot_be_estimated_is_said_and_not_raised(faces: Faces, capsys: pytest.CaptureFixture[str]) -> None:
    tell_estimate([job_of(Task(0, 0, "a"), Knows(), faces, fold(0, 13))], 1)
    assert capsys.readouterr().err.startswith("no estimate of time and memory: ")


def test_memory_is_of_all_processes() -> None:
    alone = Estimate({"a": 60.0}, 1, 60.0, 2.0, 0.0, 1)
    assert str(alone) == "estimate: about 1 min 0 s and about 2.0 GB of memory for 1 fit (a fit: a 1 min 0 s)"
    three = Estimate({"a": 60.0}, 6, 125.0, 2.0, 1.5, 3, 5.0)
    assert str(three) == (
        "estimate: about 2 min 5 s, 5.0 s of it for a pretraining, once and about 8.0 GB of memory and 4.5 GB on the "
        "accelerator for 6 fits, 3 at a time (a fit: a 1 min 0 s)"
    )


def test_two_batches_are_timed_and_warming_up_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Batches(Plain):
        def __init__(self, epochs: int = 5, batch_size: int = 8) -> None:
            self.epochs = epochs
            self.batch_size = batch_size

    asked: list[int] = []

    def clock(estimator: Any, few: Faces, changes: dict[str, int]) -> float:
        """The first fit takes 100 s more; each a second, and one for each epoch."""
        asked.append(len(few))
        return 100.0 * (len(asked) == 1) + 1.0 + changes["epochs"]

    monkeypatch.setattr(runtime_estimate, "_time_fit", clock)
    told = estimate({"batches": Batches()}, make_faces(), [fold(0, 48)])
    assert asked == [16] * 3
    assert told.fold_seconds["batches"] == 1 + 5 * 48 / 16


def test_the_few_faces_that_are_timed_are_of_all_classes() -> None:
    table = ["anger"] * 6 + ["fear"] * 3
    faces = Faces.from_arrays(np.arange(9, dtype=np.uint8).repeat(12).reshape(9, 2, 2, 3), table)
    assert runtime_estimate._few(faces, 4).pixels()[:, 0, 0, 0].tolist() == [0, 1, 6, 7]
    assert runtime_estimate._few(faces, 5).pixels()[:, 0, 0, 0].tolist() == [0, 1, 2, 6, 7]
    assert len(runtime_estimate._few(faces, 1)) == 4, "two of each class"


def test_threads_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    with pytest.raises(KeyError), runtime_estimate.with_threads(2):
        raise KeyError
    assert asked == [2, 6]


@pytest.mark.parametrize(("platform", "peak"), [("linux", 2_500_000), ("darwin", 2_500_000_000)])
def test_memory_in_the_units_of_the_system(monkeypatch: pytest.MonkeyPatch, platform: str, peak: int) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=peak))
    monkeypatch.setattr(runtime_estimate, "sys", SimpleNamespace(platform=platform))
    assert runtime_estimate._host_gb() == 2.5


def test_people_who_validate_cost_something_only_where_they_choose_nothing() -> None:
    folds = [fold(0, 30, 10), fold(1, 30, 10)]
    assert idle_people(folds, "last").startswith("validation: 10 images of a fold, 25% of those it could train on")
    assert idle_people(folds, "validation") == "" and idle_people([fold(0, 30)], "last") == ""
