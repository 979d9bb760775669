"""What goes into a packed run, what stays out, and where an archive may be unpacked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from ferdis.evaluation.runner import evaluate
from ferdis.protocol import repeat
from ferdis.run_folder.packing import PACK, pack, pack_record, unpack
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, make_faces
from tests.quickly import quickly


class Painter(NearestMean):
    """Leaves pictures beside its weights."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name in ("face.png", "FACE.JPG"):
            (folder / name).write_bytes(b"a face")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packing") / "run"
    with quickly():
        evaluate(
            {"a": Painter(epochs=1)}, make_faces(), repeat(PROTOCOL, (0, 1)), seeds=(5, 6), out=root, progress=False
        )
    (root / ".note.json").write_text("{}")
    return root


FIT = ["classes.json", "done.json", "history.csv", "rows.csv", "weights.safetensors"]
TOP = ["audit.txt", "config.yaml", "environment.json", "history.csv", "resolved.json", "rows.csv", "seal.json",
       "summary.csv", "summary.md"]  # fmt: skip


def names_of(fit: list[str]) -> list[str]:
    fits = [f"seed-{seed}/fold-0{fold}/a/{name}" for seed in (5, 6) for fold in range(3) for name in fit]
    return sorted([*TOP, *fits, "seed-5/folds.csv", "seed-6/folds.csv"])


@pytest.mark.parametrize(("weights", "fit"), [(True, FIT), (False, ["done.json", "history.csv", "rows.csv"])])
def test_a_pack_holds_records_rows_and_weights_and_no_picture(
    run: Path, tmp_path: Path, weights: bool, fit: list[str]
) -> None:
    with zipfile.ZipFile(pack(run, tmp_path / "pack.zip", weights=weights)) as archive:
        items = archive.infolist()
        record = json.loads(archive.read(PACK))
        assert archive.read("seed-6/folds.csv") == (run / "seed-6" / "folds.csv").read_bytes()
    assert [item.filename for item in items] == [PACK, *names_of(fit)] == [PACK, *record["files"]]
    assert record["left_out"] == ([] if weights else ["weights"]) and record["run"] == "run"
    assert {item.date_time for item in items} == {(1980, 1, 1, 0, 0, 0)}
    assert {item.compress_type for item in items[1:]} == {zipfile.ZIP_DEFLATED}


def test_what_was_unpacked_is_packed_again_as_it_was(run: Path, tmp_path: Path) -> None:
    first = pack(run, tmp_path / "first.zip")
    root = unpack(first, tmp_path)
    assert root == tmp_path / "run" and pack_record(root) is not None and pack_record(run) is None
    assert pack(root, tmp_path / "second.zip").read_bytes() == first.read_bytes()


@pytest.mark.parametrize("name", ["/tmp/x", "a/../../x", "..\\x"])
def test_a_place_outside_of_the_run_is_not_written_to(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(PACK, json.dumps({"run": "r"}))
        archive.writestr(name, "x")
    with pytest.raises(ValueError, match="a place outside of the run: do not trust it"):
        unpack(tmp_path / "bad.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_name_of_a_run_is_no_path(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr(PACK, json.dumps({"run": "../a/b"}))
    assert unpack(tmp_path / "odd.zip", tmp_path / "out") == tmp_path / "out" / "..-a-b"


def test_a_run_that_was_changed_is_not_packed(run: Path, tmp_path: Path) -> None:
    rows = run / "rows.csv"
    before = rows.read_bytes()
    rows.write_bytes(before.replace(b"fear,", b"anger,", 1))
    try:
        with pytest.raises(ValueError, match="was changed after the run wrote it"):
            pack(run, tmp_path / "x.zip")
    finally:
        rows.write_bytes(before)
    assert not (tmp_path / "x.zip").exists()
