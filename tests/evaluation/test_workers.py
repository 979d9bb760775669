"""Processes that die, GPUs that are shared out, folds that several calls divide among them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ferdis.evaluation import workers
from ferdis.evaluation.runner import EvaluationError, evaluate
from ferdis.evaluation.workers import Workers
from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold
from ferdis.run_folder import RunFolder, Task
from tests.evaluation.jobs import job_of
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Placed, make_faces
from tests.evaluation.test_runner import start, wait_for

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.slow  # four workers one after the other, each of which imports everything
def test_a_job_that_always_kills_its_worker_is_named_and_the_others_finish(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "RETRIES", 1)  # each worker takes seconds to start
    diary, out = tmp_path / "diary", tmp_path / "run"
    protocol = SubjectKFold(3, validation_folds=0)
    (deadly,) = [fold.index for fold in protocol.split(faces) if "t/004" in faces.subject[fold.test]]
    system = {"bad": Placed(diary=str(diary), die_without="t/004")}
    with pytest.raises(EvaluationError) as error:
        evaluate(system, faces, protocol, out=out, n_jobs=2, progress=False)
    message = str(error.value)
    assert "1 of 3 fits failed" in message and "\n" not in message
    assert f"bad, fold {deadly}, seed 0: its worker process died 2 times" in message
    finished = {path.parent.parent.name for path in out.rglob("done.json")}
    assert finished == {f"fold-{k:02d}" for k in range(3) if k != deadly}
    fits = diary.read_text().count("placed")
    assert 2 + 3 <= fits <= 2 + 3 + 1, "once with the others, twice alone; and what ran beside it once more, perhaps"


def test_a_finished_fold_is_not_run_again_when_its_worker_dies_just_after(faces: Faces, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    evaluate(NearestMean(diary=str(diary)), faces, PROTOCOL, out=tmp_path / "run", progress=False)
    from ferdis.evaluation.fit_and_score import fit_and_score

    folder = tmp_path / "run" / "fold-00" / "nearestmean"
    job = job_of(Task(0, 0, "nearestmean"), NearestMean(diary=str(diary)), faces, PROTOCOL.split(faces)[0], folder)
    before = diary.read_text()
    assert fit_and_score(job).error is None and diary.read_text() == before


def test_each_process_has_a_gpu_of_its_own(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    diary = tmp_path / "diary"
    monkeypatch.setenv("FERDIS_TEST_WAIT", "1")
    evaluate(Placed(diary=str(diary)), faces, PROTOCOL, n_jobs=2, gpus_per_fold=1, progress=False)
    used = [line.split(" on ")[1] for line in diary.read_text().splitlines() if line.startswith("placed")]
    assert len(used) == 3 and set(used) == {"5", "7"}


def test_shares_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert workers._device_slots(2, 1.0) == ("0", "1")
    assert workers._device_slots(4, 0.5) == ("0", "1", "0", "1")
    assert workers._device_slots(3, 0.3) == ("0", "1", "0")
    with pytest.raises(ValueError, match="n_jobs=3 at gpus_per_fold=1 need 3 GPUs, and 2 can be seen"):
        workers._device_slots(3, 1.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"backend": "dask"}, "backend='dask' is unknown: choose one of processes, ray"),
        ({"backend": "ray", "n_jobs": 4}, "n_jobs=4 with backend='ray'"),
        ({"cpus_per_fold": 0}, "cpus_per_fold=0"),
        ({"gpus_per_fold": 0}, "gpus_per_fold=0"),
        ({"fold_batch": 0}, "fold_batch=0: how many folds train together, 1 or more, or 'auto'"),
        ({"fold_batch": "all"}, "fold_batch='all'"),
        ({"fold_batch": 2, "backend": "ray"}, "fold_batch=2 with backend='ray'"),
        ({"gpus_per_fold": 2}, "one fit on several GPUs is torchrun's"),
    ],
)
def test_workers_that_cannot_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Workers(**given)


def test_several_processes_a_fold_go_with_one_fold_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    faces = make_faces()
    with pytest.raises(ValueError, match="leaves n_jobs=1"):
        evaluate(NearestMean(), faces, PROTOCOL, out=tmp_path, n_jobs=2, progress=False)
    with pytest.raises(ValueError, match="leaves n_jobs=1, fold_batch=1"):
        evaluate(NearestMean(), faces, PROTOCOL, out=tmp_path, fold_batch=2, progress=False)
    with pytest.raises(ValueError, match="give out="):
        evaluate(NearestMean(), faces, PROTOCOL, progress=False)


# ---------------------------------------------------------------- folds divided among calls


def test_calls_that_divide_the_folds_make_the_rows_of_one(faces: Faces, tmp_path: Path) -> None:
    whole = evaluate(NearestMean(), faces, PROTOCOL, out=tmp_path / "whole", progress=False)
    out, diary = tmp_path / "parts", tmp_path / "diary"
    system = {"nearestmean": NearestMean()}
    part = evaluate(system, faces, PROTOCOL, out=out, only_folds=[2], progress=False)
    assert set(part.rows["fold"]) == {2} and len(part.summary) == 1 and not (out / "rows.csv").exists()
    evaluate(system, faces, PROTOCOL, out=out, only_folds=[0], progress=False)
    assert not (out / "rows.csv").exists()
    last = evaluate(system, faces, PROTOCOL, out=out, only_folds=[1], progress=False)
    pd.testing.assert_frame_equal(last.rows, whole.rows)
    assert (out / "rows.csv").read_bytes() == (tmp_path / "whole" / "rows.csv").read_bytes()
    assert not diary.exists() and (out / "summary.md").exists()


def test_a_fold_in_anothers_hands_is_refused_and_others_are_not(faces: Faces, tmp_path: Path) -> None:
    out = tmp_path / "run"
    evaluate(NearestMean(), faces, PROTOCOL, out=out, only_folds=[0], progress=False)
    with RunFolder(out).fits_locked([Task(0, 1, "nearestmean")]):
        with pytest.raises(ValueError, match=r"fold-01 is in use by another run"):
            evaluate(NearestMean(), faces, PROTOCOL, out=out, progress=False)
        with pytest.raises(ValueError, match=r"fold-01 is in use by another run"):
            evaluate(NearestMean(), faces, PROTOCOL, out=out, only_folds=[1, 2], progress=False)
        evaluate(NearestMean(), faces, PROTOCOL, out=out, only_folds=[2], progress=False)
    evaluate(NearestMean(), faces, PROTOCOL, out=out, progress=False)
    assert len(json.loads((out / "environment.json").read_text())["earlier"]) == 2, "one for each call that ran"


@pytest.mark.parametrize("only", [[3], [], [0, 7]])
def test_folds_that_there_are_not(faces: Faces, only: list[int]) -> None:
    with pytest.raises(ValueError, match=r"only_folds=.*: the folds are 0, 1, 2"):
        evaluate(NearestMean(), faces, PROTOCOL, only_folds=only, progress=False)


# ---------------------------------------------------------------- a parent that is killed


def children(parent: int) -> list[int]:
    """Workers of a process: those of its children that loky has made."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(state[1]) == parent and b"popen_loky" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def lives(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("moment", ["before their first fit", "during one"])
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path, moment: str) -> None:
    out, diary = tmp_path / "run", tmp_path / "diary"
    process = start(out, diary, 2)
    wait_for(lambda: len(children(process.pid)) >= 2)
    made = children(process.pid)
    if moment == "during one":
        wait_for(diary.exists)
    assert (moment == "during one") == diary.exists() and all(map(lives, made))
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(lives, made)), seconds=100)  # those that are still starting find out when they have
    if moment == "during one":
        before = diary.read_text()
        time.sleep(1.2)
        assert diary.read_text() == before


def test_a_process_whose_parent_is_gone_ends_at_once() -> None:
    script = "from ferdis.evaluation.workers import end_with; end_with(1 << 22); print('still here')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 1 and done.stdout == "", done.stderr
