"""Run folders made by hand: what is taken as the run that it was, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ferdis import run_folder
from ferdis.run_folder import RunFolder, Task, read_run
from tests.test_seals import DONE

RECORD = {
    "dataset": "bars", "protocol": {"folds": 2}, "selection": "last", "seeds": [0],
    "faces": {"images": 2, "size": [8, 8], "classes": ["a", "b"], "people": None, "digest": "d", "attrs": {}},
    "systems": {"cnn": {"class": "CNN"}, "resnet": {"class": "ResNet"}},
}  # fmt: skip
COLUMNS = (*run_folder.ROW_COLUMNS, "p_a", "p_b")


def row(task: Task, probability: str = "0.12345678901234567") -> str:
    """One line of a rows.csv, of a person whose name looks like a number."""
    return f"{task.system},bars,{task.fold},007,NA,a,b,{task.seed},last,{probability},1e-3"


def opened(folder: RunFolder, record: Mapping[str, Any] = RECORD, folds: str = "0 1", **given: Any) -> None:
    lines = [f"{fold},{part},,{fold}.png" for fold in folds.split() for part in ("train", "test")]
    text = "\n".join(["fold,part,subject,path", *lines, ""])
    seeds = record["seeds"] if folder.several_seeds else [0]
    places = [folder.seed(seed) / "folds.csv" for seed in seeds]
    with folder.locked():
        folder.open(record, dict.fromkeys(places, lambda path: path.write_text(text)), **given)


def close(folder: RunFolder, task: Task) -> None:
    place = folder.task(task)
    place.mkdir(parents=True)
    (place / "rows.csv").write_text(f"{','.join(COLUMNS)}\n{row(task)}\n")
    run_folder.close_fit(place, {**DONE, "system": task.system, "fold": task.fold, "seed": task.seed})


def gather(folder: RunFolder, tasks: Sequence[Task], sealed: bool = True) -> None:
    path = folder.root / "rows.csv"
    path.write_text("\n".join([",".join(COLUMNS), *map(row, tasks), ""]))
    if sealed:
        run_folder.seal(folder.root, path)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


TASKS = [Task(0, fold, system) for fold in (0, 1) for system in ("cnn", "resnet")]


@pytest.fixture
def finished(folder: RunFolder) -> RunFolder:
    opened(folder)
    for task in TASKS:
        close(folder, task)
    gather(folder, TASKS)
    return folder


def test_a_folder_goes_on_as_the_run_that_it_is(folder: RunFolder) -> None:
    for notes in ("first", "second", "third"):
        opened(folder, {**RECORD, "notes": notes})
    machines = run_folder.read_json(folder.root / "environment.json")
    assert len(machines["earlier"]) == 2, "each start is kept"
    names = ("resolved.json", "config.yaml", "folds.csv", "environment.json", "audit.txt")
    assert run_folder.is_sealed(folder.root, *names)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": [1]}, "seeds: [0] there, [1] now"),
        ({"faces": {**RECORD["faces"], "digest": "e"}}, "faces.digest: d there, e now"),
        ({"tuned": []}, "tuned: nothing there, [] now"),
        ({"selection": None}, "selection: last there, null now"),
    ],
)
def test_another_run_is_refused(folder: RunFolder, changes: dict[str, Any], said: str) -> None:
    opened(folder)
    with pytest.raises(ValueError) as refused:
        opened(folder, {**RECORD, **changes})
    assert f"holds another run ({said})" in str(refused.value)


def test_a_run_that_lacks_a_key_is_another(folder: RunFolder) -> None:
    opened(folder)
    with pytest.raises(ValueError, match=r"holds another run \(selection: last there, nothing now\)"):
        opened(folder, {name: value for name, value in RECORD.items() if name != "selection"})


@pytest.mark.parametrize("folds", ["0 1 2", "0 2"])
def test_other_folds_are_refused(folder: RunFolder, folds: str) -> None:
    opened(folder)
    with pytest.raises(ValueError, match=r"folds\.csv holds other folds than this protocol gives"):
        opened(folder, folds=folds)


@pytest.mark.parametrize("name", ["resolved.json", "config.yaml", "environment.json"])
def test_records_that_were_changed_are_not_gone_on_with(folder: RunFolder, name: str) -> None:
    opened(folder)
    (folder.root / name).write_text((folder.root / name).read_text() + " ")
    with pytest.raises(ValueError, match=f"{name} was changed after the run wrote it"):
        opened(folder)


def test_a_folder_of_something_else_is_left_alone(folder: RunFolder) -> None:
    folder.root.mkdir()
    (folder.root / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        opened(folder)


def test_two_runs_do_not_share_a_folder(folder: RunFolder) -> None:
    other = RunFolder(folder.root)
    with folder.locked(), pytest.raises(ValueError, match="is in use by another run"), other.locked():
        pass
    with other.locked():
        pass


def test_a_fit_is_done_if_its_marker_vouches_for_it(finished: RunFolder) -> None:
    assert finished.is_done(TASKS[0]) and not finished.is_done(Task(0, 2, "cnn"))
    (finished.task(TASKS[0]) / "rows.csv").write_text("other")
    with pytest.raises(ValueError, match=r"rows\.csv is missing or was changed after the fold was finished"):
        finished.is_done(TASKS[0])


def test_tables_and_texts_at_the_top_are_sealed(finished: RunFolder) -> None:
    table = read_run(finished.root).rows
    finished.write_tables(rows=table)
    finished.write_text("summary.txt", "fine\n")
    assert run_folder.is_sealed(finished.root, "rows.csv", "summary.txt")
    for name in ("rows.csv", "summary.txt"):
        before = (finished.root / name).read_text()
        (finished.root / name).write_text(before + " ")
        with pytest.raises(ValueError, match=f"{name} was changed after the run wrote it"):
            read_run(finished.root)
        (finished.root / name).write_text(before)


def test_a_finished_run_is_read_as_it_was_written(finished: RunFolder) -> None:
    run = read_run(finished.root)
    assert run.sealed and run.name == "run" and run.record["dataset"] == "bars"
    assert list(zip(run.fits["fold"], run.fits["system"], strict=True)) == [(t.fold, t.system) for t in TASKS]
    assert set(run.rows["subject"]) == {"007"} and set(run.rows["path"]) == {"NA"}
    assert (run.rows["p_a"] == 0.12345678901234567).all() and run.rows["seed"].dtype.kind == "i"
    marker = finished.task(TASKS[0]) / "done.json"
    done = run_folder.read_json(marker)
    run_folder.write_json(marker, {name: value for name, value in done.items() if name not in ("files", "seal")})
    assert not read_run(finished.root).sealed, "one of its fits is not"


def test_an_unfinished_run_says_how_much_there_is(folder: RunFolder) -> None:
    opened(folder)
    for task in TASKS[::2]:
        close(folder, task)
    gather(folder, TASKS[::2])
    with pytest.raises(ValueError, match="is not finished: 2 of 4 fits are done"):
        read_run(folder.root)


def test_rows_of_others_are_refused_where_no_seal_tells(finished: RunFolder) -> None:
    root = finished.root
    (root / "seal.json").unlink()
    gather(finished, TASKS[::-1], sealed=False)
    assert len(read_run(root).rows) == 4, "in any order"
    other = (root / "rows.csv").read_text().replace("0.12345678901234567", "0.1234567890123457", 1)
    (root / "rows.csv").write_text(other)
    with pytest.raises(ValueError, match=r"rows\.csv does not hold the rows of the finished folds"):
        read_run(root)


@pytest.mark.parametrize("name", ["resolved.json", "config.yaml", "folds.csv"])
def test_what_was_changed_is_not_read(finished: RunFolder, name: str) -> None:
    path = finished.root / name
    path.write_text(path.read_text() + "\n")
    readers = {"resolved.json": run_folder.read_record, "config.yaml": run_folder.read_config, "folds.csv": read_run}
    with pytest.raises(ValueError, match=f"{name} was changed after the run wrote it"):
        readers[name](finished.root)


def test_fits_are_in_the_order_of_seed_fold_and_system(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", several_seeds=True)
    tasks = [Task(s, f, name) for s in (-1, 2, 10) for f in (2, 10, 100) for name in ("cnn", "resnet")]
    for task in tasks[5::-1] + tasks[12:] + tasks[6:12]:
        close(folder, task)
    found = [(done["seed"], done["fold"], done["system"]) for _, done in run_folder.finished_fits(folder.root)]
    assert found == [(task.seed, task.fold, task.system) for task in tasks]


def test_each_seed_has_its_folds(tmp_path: Path) -> None:
    folder, record = RunFolder(tmp_path / "run", several_seeds=True), {**RECORD, "seeds": [-1, 3]}
    opened(folder, record)
    assert set(run_folder.fold_lists(folder.root)) == {-1, 3}
    tasks = [Task(seed, fold, system) for seed in (-1, 3) for fold in (0, 1) for system in ("cnn", "resnet")]
    for task in tasks:
        close(folder, task)
    gather(folder, tasks)
    assert set(read_run(folder.root).folds["seed"]) == {-1, 3}
    (folder.seed(3) / "folds.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"seed-3/folds\.csv is missing"):
        read_run(folder.root)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (row(Task(0, 0, "cnn"), "likely"), "a probability is no number"),
        (row(Task(0, 0, "cnn")).replace(",0,last", ",first,last"), "column seed holds something else"),
        (row(Task(0, 0, "cnn")).replace("bars,0,", "bars,0.5,"), "column fold holds something else"),
    ],
)
def test_rows_hold_numbers_where_numbers_belong(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{','.join(COLUMNS)}\n{line}\n")
    with pytest.raises(ValueError, match=said):
        run_folder.read_rows(tmp_path / "rows.csv")
