"""Sweeps: what they find, what they never look at, and what becomes of workers that die."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml

from ferdis.evaluation.tuned_parameters import TunedParameters, person_digest, person_digests
from ferdis.faces import Faces
from ferdis.protocol import Fold, SubjectKFold
from ferdis.protocol.leakage import LeakError
from ferdis.sweep import SweepError, shared_study, sweep
from ferdis.training import Callback, History
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, make_faces
from tests.sweep.sweep_fakes import Curve

SPACE = {"rate": {"low": 0.0, "high": 1.0}, "kind": ["plain", "good"]}


@pytest.fixture(scope="module")
def faces() -> Faces:
    return make_faces(12)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    monkeypatch.setattr("ferdis.run_folder.git_commit", lambda: "0123456789ab")


def run(faces: Faces, out: Path, estimator: Any = None, **changes: Any) -> list[TunedParameters]:
    """A short sweep of one outer fold, in a journal, which is quicker than a database."""
    settings = {"trials": 6, "inner_folds": 2, "storage": f"journal:{out.parent / 'sweep.log'}", "name": "curve",
                "progress": False, "near_duplicates": False, **changes}  # fmt: skip
    protocol = settings.pop("protocol", None) or PROTOCOL.split(faces)[:1]
    space = settings.pop("space", SPACE)
    return sweep(estimator or Curve(), faces, protocol, space, out=out, **settings)


# ---------------------------------------------------------------- what it finds


def test_a_winner_for_each_fold_with_whom_it_was_tuned_on(faces: Faces, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    winners = run(faces, out, protocol=PROTOCOL, trials=3, arguments={"system": ["curve"], "folds": 3})
    for winner, fold in zip(winners, PROTOCOL.split(faces), strict=True):
        assert winner.fold == fold.index and winner.trials == 3
        assert set(winner.people) == {person_digest(name) for name in faces.subject[fold.train]}
        written = yaml.safe_load((out / "best" / f"fold-{fold.index:02d}.yaml").read_text())
        assert written["system"] == ["curve"] and written["selection"] == "last"
        assert TunedParameters.from_record(written["tuned"][0]) == winner
    trials = pd.read_csv(out / "trials.csv")
    best = trials.loc[trials.groupby("part")["score"].idxmax()]
    assert [w.parameters["rate"] for w in winners] == pytest.approx(list(best["rate"]))
    assert [w.score for w in winners] == pytest.approx(list(best["score"]), abs=1e-6)
    assert (out / "figures" / "history.png").stat().st_size > 5000
    assert "are no results" in (out / "sweep.md").read_text()


def test_the_score_is_what_the_selection_would_keep(faces: Faces, tmp_path: Path) -> None:
    class Falling(Curve):
        """Best after half of its epochs."""

        def fit(
            self, faces: Faces, y: Any = None, *, validation: Faces | None = None, callbacks: Sequence[Callback] = ()
        ) -> Curve:
            self.classes_, history = np.array(faces.classes), History()
            for epoch, score in enumerate((0.2, 0.7, 0.4), start=1):
                rows = history.end_epoch("curve", epoch, epoch, [("validation", "score", score)])
                for callback in callbacks:
                    callback.on_epoch_end(rows)
            return self

    space = {"kind": ["plain", "good"]}
    for selection, score in (("last", 0.4), ("validation", 0.7)):
        winners = run(faces, tmp_path / selection / "s", Falling(), space=space, trials=2, selection=selection,
                      storage=f"journal:{tmp_path}/{selection}.log")  # fmt: skip
        assert winners[0].score == pytest.approx(score)


def test_an_estimator_without_history_is_scored_by_its_predictions(faces: Faces, tmp_path: Path) -> None:
    winners = run(faces, tmp_path / "s", NearestMean(), space={"epochs": [1, 40]}, trials=2, name="mean")
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    assert trials["score"].between(1 / 3, 1).all() and winners[0].score == pytest.approx(
        trials["score"].max(), abs=1e-6
    )


def test_proposals_learn_from_scores(faces: Faces, tmp_path: Path) -> None:
    run(faces, tmp_path / "s", trials=24, prune=False, space={"rate": {"low": 0.0, "high": 1.0}})
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    first, last = (np.abs(part["rate"] - 0.3).mean() for part in (trials[:10], trials[16:]))
    assert last < first / 2
    assert trials["score"].max() > 0.85


def test_hopeless_trials_are_given_up_at_an_epoch(faces: Faces, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    run(faces, tmp_path / "s", Curve(epochs=10, diary=str(diary)), trials=16, warmup_epochs=2)
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    pruned = trials[trials["state"] == "pruned"]
    assert len(pruned) >= 3 and pruned["score"].isna().all()
    epochs = len(diary.read_text().splitlines())
    complete = 2 * 10 * (len(trials) - len(pruned))
    assert complete + 2 * len(pruned) <= epochs < complete + 20 * len(pruned), "some epochs, but not all"
    assert (trials["score"].max() > trials["score"]).sum() > 0
    assert np.abs(pruned["rate"] - 0.3).mean() > np.abs(trials[trials["state"] == "complete"]["rate"] - 0.3).mean()


def test_a_trial_that_diverges_is_given_up_and_another_that_fails_is_told(faces: Faces, tmp_path: Path) -> None:
    class Diverging(Curve):
        def fit(self, faces: Faces, y: Any = None, **more: Any) -> Curve:
            if self.rate > 0.6:
                raise ArithmeticError("training diverged: term 'loss' is nan")
            return super().fit(faces, y, **more)

    run(faces, tmp_path / "s", Diverging(fail_below=0.2), trials=14, prune=False)
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    assert len(trials) == 14
    assert (trials["rate"].gt(0.6) == trials["state"].eq("pruned")).all() and trials["state"].eq("pruned").any()
    failed = trials[trials["state"] == "fail"]
    assert len(failed) and (failed["rate"] < 0.2).all() and failed["error"].str.endswith("is too small by far").all()


# ---------------------------------------------------------------- what it never looks at


class _Spy:
    """Pictures that remember which rows were read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
        self.seen: set[int] = set()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        self.seen.update(np.atleast_1d(index).tolist())
        return self.pixels[index]


@pytest.mark.parametrize("seed", range(3))
def test_trials_of_a_fold_read_its_training_rows_alone(monkeypatch, tmp_path: Path, seed: int) -> None:
    source = make_faces(12)
    spy = _Spy(source.pixels())
    spied = Faces(spy, source.to_frame(), source.attrs)
    fold = SubjectKFold(3, seed=seed).split(source)[seed]
    held: list[tuple[set[str], set[str]]] = []
    work = shared_study.SharedStudy.work

    def watched(self: shared_study.SharedStudy, trial: Any, objective: Any) -> None:
        spy.seen = set()
        work(self, trial, objective)
        assert spy.seen == set(fold.train.tolist()), "all of the training part, and nothing else"

    class Noting(NearestMean):
        def fit(self, faces: Faces, y: Any = None, *, validation: Faces | None = None) -> NearestMean:
            held.append((set(faces.subject), set(validation.subject)))
            return super().fit(faces, validation=validation)

    monkeypatch.setattr(shared_study.SharedStudy, "work", watched)
    run(spied, tmp_path / "s", Noting(epochs=1), protocol=[fold], space={"wait": [0.0, 0.001]}, trials=2, name="mean")
    tested = set(source.subject[fold.test]) | set(source.subject[fold.validation])
    assert len(held) == 4
    for train, validation in held:
        assert not train & validation and not (train | validation) & tested


@pytest.mark.parametrize("seed", range(3))
def test_other_test_pictures_change_no_trial(tmp_path: Path, seed: int) -> None:
    faces = make_faces(12)
    fold = SubjectKFold(3, seed=seed).split(faces)[0]
    pixels = faces.pixels()
    outside = np.concatenate([fold.validation, fold.test])
    pixels[outside] = np.random.default_rng(seed).integers(0, 256, pixels[outside].shape)
    tables = []
    for name, some in (("a", faces), ("b", Faces(pixels, faces.to_frame(), faces.attrs))):
        storage = f"journal:{tmp_path / name}.log"
        run(some, tmp_path / name, NearestMean(), protocol=[fold], space={"epochs": {"low": 1, "high": 4}}, trials=4,
            storage=storage, name="mean")  # fmt: skip
        tables.append(pd.read_csv(tmp_path / name / "trials.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)


def test_people_set_aside_tune_alone(faces: Faces, tmp_path: Path) -> None:
    (winner,) = run(faces, tmp_path / "s", protocol=PROTOCOL, tune_people=5, trials=2)
    assert winner.fold is None and len(winner.people) == 5
    folds = pd.read_csv(tmp_path / "s" / "folds.csv")
    used = set(folds.query("part == 'train'")["subject"])
    assert {person_digest(name) for name in used} == set(winner.people)
    assert (tmp_path / "s" / "best" / "all.yaml").exists()
    shuffled = faces[np.random.default_rng(0).permutation(len(faces))]
    (again,) = run(shuffled, tmp_path / "t", tune_people=5, trials=1, storage=f"journal:{tmp_path}/t.log")
    assert again.people == winner.people, "whatever the order of the rows"


def test_leaks_are_refused(faces: Faces, tmp_path: Path) -> None:
    person = faces.subject[PROTOCOL.split(faces)[0].test[0]]
    with pytest.raises(LeakError, match="extra_train holds a person"):
        run(faces, tmp_path / "s", Curve(extra_train=faces[faces.subject == person]))
    train = faces.subject[PROTOCOL.split(faces)[0].train[0]]  # not tested outside, but inside
    with pytest.raises(LeakError, match="extra_train holds a person"):
        run(faces, tmp_path / "t", Curve(extra_train=faces[faces.subject == train]))
    fold = PROTOCOL.split(faces)[0]
    leaking = Fold(0, np.concatenate([fold.train, fold.test[:1]]), fold.validation, fold.test)
    with pytest.raises(LeakError):
        run(faces, tmp_path / "u", protocol=[leaking])


# ---------------------------------------------------------------- going on


def test_a_stopped_sweep_goes_on_as_if_it_had_not_been(faces: Faces, tmp_path: Path) -> None:
    run(faces, tmp_path / "whole", trials=8, storage=f"journal:{tmp_path}/whole.log")

    class Stopped(Curve):
        """Ctrl-C in the fifth trial."""

    fits = []

    def fit(self: Curve, faces: Faces, y: Any = None, **more: Any) -> Curve:
        fits.append(1)
        if len(fits) == 9:
            raise KeyboardInterrupt
        return Curve.fit(self, faces, y, **more)

    Stopped.fit = fit  # type: ignore[method-assign]
    Stopped.__name__ = "Curve"  # the same system, before and after
    with pytest.raises(KeyboardInterrupt):
        run(faces, tmp_path / "s", Stopped(), trials=8)
    run(faces, tmp_path / "s", trials=8)
    columns = ["rate", "kind", "score", "state"]
    whole, parts = (pd.read_csv(tmp_path / name / "trials.csv") for name in ("whole", "s"))
    pd.testing.assert_frame_equal(whole[columns][:5], parts[columns][:5])
    assert list(parts["trial"]) == [0, 1, 2, 3, 5, 6, 7, 8], "the interrupted one was done again, in its turn"
    before = len(pd.read_csv(tmp_path / "s" / "trials.csv"))
    run(faces, tmp_path / "s", trials=8)
    assert len(pd.read_csv(tmp_path / "s" / "trials.csv")) == before, "finished is finished"


def test_another_sweep_under_the_name_is_refused(faces: Faces, tmp_path: Path) -> None:
    run(faces, tmp_path / "s", trials=1)
    with pytest.raises(ValueError, match=r"holds another sweep under 'toy-curve/fold-00' \(system\.epochs: 4 there, 5"):
        run(faces, tmp_path / "t", Curve(epochs=5), trials=1)
    run(faces, tmp_path / "t", Curve(epochs=5), trials=1, study="other")


def test_a_worker_that_vanished_is_replaced(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = f"journal:{tmp_path / 'sweep.log'}"
    run(faces, tmp_path / "s", trials=2)
    study = optuna.load_study(study_name="toy-curve/fold-00", storage=shared_study.open_storage(storage))
    abandoned = study.ask()
    abandoned.suggest_float("rate", 0.0, 1.0)
    abandoned.set_user_attr("beat", time.time() - 1000)
    held = study.ask()
    held.set_user_attr("beat", time.time())  # another worker, alive; it ends while this one waits
    waiting = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: study.tell(held, 0.5)})  # the sweep's alone
    monkeypatch.setattr(sys.modules[sweep.__module__], "time", waiting)
    held.set_user_attr("parameters", {"rate": 0.5})
    run(faces, tmp_path / "s", trials=5)
    trials = pd.read_csv(tmp_path / "s" / "trials.csv")
    assert len(trials) == 5 and (trials["state"] == "complete").all()
    again = trials[np.isclose(trials["rate"], abandoned.params["rate"], atol=1e-12)]
    assert len(again) == 1 and again["trial"].item() > held.number


def test_a_trial_that_kills_its_worker_is_given_up_in_the_end(faces: Faces, tmp_path: Path) -> None:
    storage = shared_study.open_storage(f"journal:{tmp_path / 'sweep.log'}")
    shared = shared_study.SharedStudy(storage, "x", {"a": 1}, where="here", trials=2, seed=0)
    for deaths in range(shared_study.RETRIES + 1):
        trial = shared.claim()
        assert trial is not None and trial.user_attrs.get("deaths", 0) == deaths
        trial.set_user_attr("beat", time.time() - 1000)
    other = shared.claim()
    assert other is not None and "deaths" not in other.user_attrs
    assert len(shared.failed()) == 1 and shared.finished() == 1
    shared.work(other, lambda trial: 0.5)
    assert shared.finished() == 2 and shared.claim() is None


WORKER = """
import sys
from ferdis.sweep import sweep
from tests.evaluation.runner_fakes import PROTOCOL, make_faces
from tests.sweep.sweep_fakes import Curve
faces = make_faces(12)
system = Curve(wait=float(sys.argv[3]), diary=sys.argv[4], die_once=sys.argv[5] if len(sys.argv) > 5 else None)
sweep(system, faces, PROTOCOL.split(faces)[:1], {"rate": {"low": 0.0, "high": 1.0}}, out=sys.argv[1], name="curve",
      storage=sys.argv[2], trials=10, inner_folds=2, progress=False, near_duplicates=False)
"""


def start(*argv: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, *map(str, argv)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_two_processes_share_a_storage(tmp_path: Path, kind: str) -> None:
    storage = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else f"journal:{tmp_path}/s.log"
    diary = tmp_path / "diary"
    workers = [start(tmp_path / "out", storage, 0.1, diary) for _ in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=250)
        assert worker.returncode == 0, said
    trials = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert 10 <= len(trials) <= 11 and trials["trial"].is_unique, "the second may have begun its last one meanwhile"
    assert trials["rate"].nunique() == len(trials), "they drew nothing twice"
    processes = {line.split()[0] for line in diary.read_text().splitlines()}
    assert len(processes) == 2, "both worked"
    assert (tmp_path / "out" / "best" / "fold-00.yaml").exists()


@pytest.mark.slow
def test_nothing_is_lost_when_one_of_two_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, diary = f"sqlite:///{tmp_path}/s.db", tmp_path / "diary"
    doomed = start(tmp_path / "out", storage, 0.3, diary)
    end = time.monotonic() + 200
    while not (diary.exists() and len(diary.read_text().splitlines()) > 9):
        assert time.monotonic() < end and doomed.poll() is None, doomed.communicate()
        time.sleep(0.05)
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate()
    monkeypatch.setattr(shared_study, "GRACE_SECONDS", 0.0)
    sweep(Curve(wait=0.3, diary=str(diary)), make_faces(12), PROTOCOL.split(make_faces(12))[:1],
          {"rate": {"low": 0.0, "high": 1.0}}, out=tmp_path / "out", name="curve", storage=storage, trials=10,
          inner_folds=2, progress=False, near_duplicates=False)  # fmt: skip
    trials = pd.read_csv(tmp_path / "out" / "trials.csv")
    first = diary.read_text().splitlines()[8].split()[2]  # the rate of the trial that was cut off
    assert len(trials) == 10 and first in {f"{rate:.4f}" for rate in trials["rate"]}


# ---------------------------------------------------------------- one clear line


def test_a_locked_database_is_one_line_and_loses_nothing(faces: Faces, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shared_study, "LOCK_SECONDS", 0.2)
    path = tmp_path / "s.db"
    run(faces, tmp_path / "s", trials=2, storage=f"sqlite:///{path}")
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(shared_study.StorageError, match=r"s\.db: the database is locked: another program") as error:
        run(faces, tmp_path / "s", trials=4, storage=f"sqlite:///{path}")
    assert "\n" not in str(error.value) and "journal:FILE" in str(error.value)
    other.rollback()
    other.close()
    run(faces, tmp_path / "s", trials=4, storage=f"sqlite:///{path}")
    assert list(pd.read_csv(tmp_path / "s" / "trials.csv")["trial"]) == [0, 1, 2, 3]


def test_a_database_locked_within_a_trial(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_study, "LOCK_SECONDS", 0.2)
    path = tmp_path / "s.db"
    held: list[sqlite3.Connection] = []

    class Locking(Curve):
        def fit(self, faces: Faces, y: Any = None, **more: Any) -> Curve:
            if not held:
                held.append(sqlite3.connect(path))
                held[0].execute("BEGIN EXCLUSIVE")
            return super().fit(faces, y, **more)

    with pytest.raises(shared_study.StorageError, match="the database is locked"):
        run(faces, tmp_path / "s", Locking(), trials=2, storage=f"sqlite:///{path}")
    held[0].rollback()
    monkeypatch.setattr(shared_study, "GRACE_SECONDS", -1.0)  # what was in hand counts as abandoned
    run(faces, tmp_path / "s", Locking(), trials=2, storage=f"sqlite:///{path}")
    assert len(pd.read_csv(tmp_path / "s" / "trials.csv")) == 2


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("sweep.db", "storage 'sweep.db' is no address: write sqlite:///sweep.db"),
        ("sqlite:////no/such/folder/s.db", "unable to open database file"),
        ("journal:/no/such/folder/s.log", "there is no folder /no/such/folder"),
        ("oracel://me:secret@host/db", "oracel"),
    ],
)
def test_an_address_that_is_none(storage: str, says: str) -> None:
    with pytest.raises((shared_study.StorageError, ValueError)) as error:
        shared_study.open_storage(storage)
    assert says in str(error.value) and "\n" not in str(error.value) and "secret" not in str(error.value)


def test_no_database_but_another_file(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("thesis " * 100)
    with pytest.raises(shared_study.StorageError, match="file is not a database"):
        shared_study.open_storage(f"sqlite:///{tmp_path}/s.db")


@pytest.mark.parametrize("url", ["postgresql://me:secret@host/sweeps", "mysql+pymysql://me:secret@host/sweeps"])
def test_addresses_of_servers_are_passed_through(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(shared_study, "RDBStorage", lambda *a, **k: asked.append((a, k)) or "storage")
    assert shared_study.open_storage(url) == "storage"
    assert asked == [((url,), {"engine_kwargs": None})]
    assert "secret" not in shared_study.shown(url)

    def absent(*_: Any, **__: Any) -> None:
        raise ImportError("Failed to import DB access module for the specified storage URL.\nPlease install one.")

    monkeypatch.setattr(shared_study, "RDBStorage", absent)
    with pytest.raises(ValueError, match="needs a driver") as error:
        shared_study.open_storage(url)
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


def test_when_nothing_goes_through(faces: Faces, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="fold-00: all of the first 3 trials failed, the last with: rate=") as error:
        run(faces, tmp_path / "s", Curve(fail_below=2.0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trials": 0}, "trials=0"),
        ({"selection": "best"}, "selection='best'"),
        ({"tune_people": 1}, "tune_people=1 cannot fill inner_folds=2"),
        ({"tune_people": 12}, "leaves nobody to test on"),
        ({"inner_folds": 9}, "4 people cannot fill 9"),
        ({"space": {"rat": [1]}}, "did you mean 'rate'"),
    ],
)
def test_arguments_that_do_not_fit(faces: Faces, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        run(faces, tmp_path / "s", **change)
    assert "\n" not in str(error.value)


def test_pictures_without_people_are_tuned_by_picture(faces: Faces, tmp_path: Path) -> None:
    table = faces.to_frame().drop(columns=["subject", "sequence"])
    table["split"] = np.where(np.arange(len(table)) % 3 == 0, "test", "train")
    nobody = Faces(faces.pixels(), table, faces.attrs)
    from ferdis.protocol import OfficialSplit

    (winner,) = run(nobody, tmp_path / "s", protocol=OfficialSplit(validation=0.0), trials=2)
    train = nobody[np.flatnonzero(table["split"] == "train")]
    assert winner.people == person_digests(train) and len(winner.people) == len(train)


def test_records_are_json(faces: Faces, tmp_path: Path) -> None:
    run(faces, tmp_path / "s", trials=1, space={"sizes": {"choices": [[1, 2], [3]]}})
    best = yaml.safe_load((tmp_path / "s" / "best" / "fold-00.yaml").read_text())
    assert best["tuned"][0]["parameters"]["sizes"] in ([1, 2], [3])
    assert json.loads((tmp_path / "s" / "resolved.json").read_text())["space"]["sizes"]["kind"] == "Choice"
