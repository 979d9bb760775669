"""Seals of fits and runs: every file that matters is looked at, in folders made by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ferdis.run_folder import seals

DONE = {
    "system": "cnn", "fold": 1, "seed": 0, "rows": 2, "notes": [], "fit_seconds": 1.0, "predict_seconds": 0.1,
    "resumed": False, "train_images": 4, "validation_images": 0, "test_images": 2,
}  # fmt: skip


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "fold-01" / "cnn"
    folder.mkdir(parents=True)
    for name in ("rows.csv", "history.csv", "weights.safetensors", "peeking.csv", "stress.csv", ".hidden"):
        (folder / name).write_text(name)
    (folder / "training").mkdir()
    (folder / "training" / "checkpoint.safetensors").write_text("half-way")
    seals.close_fit(folder, DONE)
    return folder


def test_a_fit_as_it_was_closed_is_read(fit: Path) -> None:
    done = seals.read_fit(fit, whole=True)
    assert {name: done[name] for name in DONE} == DONE
    assert set(done["files"]) == {"rows.csv", "history.csv", "weights.safetensors"}
    assert done["rows_sha256"] == done["files"]["rows.csv"]


@pytest.mark.parametrize("name", ["rows.csv", "history.csv"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_changed_table_is_always_seen(fit: Path, name: str, whole: bool) -> None:
    (fit / name).write_text("other")
    with pytest.raises(ValueError, match=f"{name} is missing or was changed"):
        seals.read_fit(fit, whole=whole)
    (fit / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing or was changed"):
        seals.read_fit(fit, whole=whole)


def test_changed_weights_are_seen_where_all_is_looked_at(fit: Path) -> None:
    (fit / "weights.safetensors").write_text("other")
    assert seals.read_fit(fit)["system"] == "cnn"
    with pytest.raises(ValueError, match=r"weights\.safetensors is missing or was changed"):
        seals.read_fit(fit, whole=True)


def test_what_is_no_part_of_the_result_may_change(fit: Path) -> None:
    for name in ("peeking.csv", "stress.csv"):
        (fit / name).unlink()
    shutil.rmtree(fit / "training")
    assert seals.read_fit(fit, whole=True)["fold"] == 1


@pytest.mark.parametrize("place", ["fold-02/cnn", "fold-01/other", "xfold-01/cnn"])
def test_a_fit_in_the_place_of_another_is_refused(fit: Path, place: str) -> None:
    other = fit.parents[1] / place
    shutil.copytree(fit, other)
    with pytest.raises(ValueError, match="is the marker of fold-01/cnn"):
        seals.read_fit(other)


def test_rows_alone_are_compared_before_they_are_joined(fit: Path) -> None:
    done = seals.read_fit(fit)
    seals.check_rows(fit, done)
    (fit / "rows.csv").write_text("other")
    with pytest.raises(ValueError, match=r"rows\.csv is missing or was changed after the fold"):
        seals.check_rows(fit, done)


def test_later_seals_join_the_earlier_ones(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text(name)
    seals.seal(tmp_path, tmp_path / "a.csv", tmp_path / "missing.csv")
    seals.seal(tmp_path, tmp_path / "b.csv")
    assert set(seals.sealed_files(tmp_path)) == {"a.csv", "b.csv"}
    assert seals.is_sealed(tmp_path, "a.csv", "b.csv") and not seals.is_sealed(tmp_path, "a.csv", "c.csv")
    (tmp_path / "c.csv").write_text("has no seal")
    seals.check_sealed(tmp_path)
    seals.check_sealed(tmp_path, "c.csv")
    (tmp_path / "a.csv").write_text("other")
    seals.check_sealed(tmp_path, "b.csv")
    for names in ((), ("a.csv",)):
        with pytest.raises(ValueError, match=r"a\.csv was changed after the run wrote it"):
            seals.check_sealed(tmp_path, *names)
