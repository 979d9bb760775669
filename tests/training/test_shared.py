"""What folds share is trained once, told beforehand once, and a log file hears of it once a minute."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ferdis import Faces, SubjectKFold, evaluate, progress
from ferdis.evaluation.runtime_estimate import estimate
from ferdis.protocol import Fold
from ferdis.training import shared
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

PEOPLE = faces(24)
OTHERS = Faces(faces(24, seed=9).images, faces(24).to_frame().assign(subject=[f"x/{k % 4}" for k in range(24)]))
EVERYBODY = [Fold(0, np.arange(24), np.arange(0), np.arange(0))]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))


def started(**changes: object):
    return build("cnn", epochs=1, pretrain=OTHERS, pretrain_epochs=3, **changes)


def test_a_pretraining_is_estimated_once_and_not_when_it_is_done() -> None:
    before = estimate({"cnn": started()}, PEOPLE, EVERYBODY * 10)
    assert before.shared_seconds > 0 and " for a pretraining, once" in str(before)
    assert before.total_seconds == pytest.approx(10 * before.fold_seconds["cnn"] + before.shared_seconds)
    started().fit(PEOPLE)
    after = estimate({"cnn": started()}, PEOPLE, EVERYBODY * 10)
    assert after.shared_seconds == 0 and "pretraining" not in str(after)


def test_an_estimate_leaves_no_pretraining_behind(tmp_path: Path) -> None:
    estimate({"cnn": started()}, PEOPLE, EVERYBODY)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_the_seconds_are_counted_for_whoever_trains_or_waits() -> None:
    before = shared.seconds_spent()
    started().fit(PEOPLE)
    first = shared.seconds_spent() - before
    started(seed=1).fit(PEOPLE)
    assert 0 < shared.seconds_spent() - before - first < first


def test_without_a_terminal_a_fit_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    evaluate(
        {"mine": started(progress=False)},
        PEOPLE,
        SubjectKFold(3, validation_folds=1),
        out=tmp_path / "run",
        near_duplicates=False,
    )
    said = capsys.readouterr().err
    assert re.search(
        r"^mine, fold 0, seed 0: pretraining cnn, epoch 1/3, step \d+/\d+: loss classifier [\d.]+", said, re.M
    )
    assert re.search(r"^mine, fold 2, seed 0: cnn, epoch 1/1, step \d+/\d+: loss classifier [\d.e-]+$", said, re.M)
    assert "fold 1, seed 0: pretraining" not in said
    assert re.search(r"validation: \d+ images of a fold, 50% of those it could train on, train nothing", said)
    assert re.search(r"^fits 1/3: mine, fold 0, seed 0, about", said, re.M)


def test_a_fit_that_says_nothing_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    protocol = SubjectKFold(2, validation_folds=0)
    evaluate(
        {"mine": build("cnn", epochs=1, progress=False)},
        PEOPLE,
        protocol,
        out=tmp_path / "run",
        progress=False,
        near_duplicates=False,
    )
    assert capsys.readouterr().err == ""


def test_lines_of_a_bar_that_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Bar("steps", 4, shown=False, every=0.0, lines=True) as bar:
        bar.step("loss 1.5")
    assert capsys.readouterr().err.startswith("steps 1/4: loss 1.5, about ")


def test_what_no_further_step_takes_is_left_out_of_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = itertools.chain([0.0], itertools.repeat(110.0))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with progress.Bar("fits", 10, each=True) as bar:
        bar.apart = 100.0
        bar.step()
    assert "about 1 min 30 s left" in capsys.readouterr().err  # nine of ten seconds each
