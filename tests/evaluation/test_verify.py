"""verify finds what was changed, with and without new seals; a pack holds no image and is verified after unpacking."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ferdis import cli, evaluate
from ferdis.evaluation.verify import Verification, verify
from ferdis.run_folder.packing import PACK, pack, unpack
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, make_faces, reseal

FACES = make_faces()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("verify") / "run"
    evaluate({"near": NearestMean(), "far": NearestMean(epochs=1)}, FACES, PROTOCOL, out=root, progress=False)
    return root


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def verified(run: Path) -> Verification:
    return verify(run, faces=FACES, load_model=NearestMean.load, sample=40)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_rows(run: Path, change: Callable[[pd.DataFrame], pd.DataFrame], *, table: bool = True) -> None:
    """Change the rows of system near, fold 0, there and at the top, and seal everything again."""
    fold = run / "fold-00/near/rows.csv"
    rows = pd.read_csv(fold, dtype=str, keep_default_na=False)
    changed = change(rows.copy())
    changed.to_csv(fold, index=False, lineterminator="\n")
    top = pd.read_csv(run / "rows.csv", dtype=str, keep_default_na=False)
    others = top[~((top["system"] == "near") & (top["fold"] == "0"))]
    pd.concat([changed, others]).to_csv(run / "rows.csv", index=False, lineterminator="\n")
    if table:
        from ferdis import metrics, run_folder

        summary = metrics.summary(run_folder.read_rows(run / "rows.csv")).assign(seconds_per_fold=0.0)
        run_folder.write_csv(run / "summary.csv", summary)
    reseal(run)


OTHER = {"anger": "fear", "fear": "happiness", "happiness": "anger"}


def other_answer(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(predicted=rows["predicted"].map(OTHER))


def better_probabilities(rows: pd.DataFrame) -> pd.DataFrame:
    for name in ("anger", "fear", "happiness"):
        rows[f"p_{name}"] = ["1.0" if true == name else "0.0" for true in rows["true"]]
    return rows.assign(predicted=rows["true"])


def other_labels(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(true=rows["true"].map(OTHER))


def without_the_wrong(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[2:]


def another_image(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[rows.index[0], "path"] = "x.png"
    return rows


def a_row_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[[0]]])


def another_person(rows: pd.DataFrame) -> pd.DataFrame:
    other = next(name for name in rows["subject"] if name != rows["subject"].iloc[0])
    rows.loc[rows.index[0], "subject"] = other
    return rows


def moved_probability(by: float, keep_sum: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The first row's likeliest class gains, so that the answer stays; another one loses as much, or not."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        row, most = rows.index[0], f"p_{rows['predicted'].iloc[0]}"
        least = next(f"p_{name}" for name in OTHER if f"p_{name}" != most)
        rows.loc[row, most] = repr(float(rows.loc[row, most]) + by)
        if keep_sum:
            rows.loc[row, least] = repr(float(rows.loc[row, least]) - by)
        return rows

    return change


def leak(run: Path) -> None:
    lines = pd.read_csv(run / "folds.csv", dtype=str)
    test = lines[(lines["fold"] == "0") & (lines["part"] == "test")].iloc[[0]].assign(part="train", path="x.png")
    other = lines[(lines["fold"] == "0") & (lines["part"] == "train")].iloc[[0]]
    lines.loc[other.index, "subject"] = test["subject"].iloc[0]
    lines.to_csv(run / "folds.csv", index=False, lineterminator="\n")
    reseal(run)


def other_weights(run: Path) -> None:
    shutil.copy(run / "fold-01/near/weights.safetensors", run / "fold-00/near/weights.safetensors")
    reseal(run)


def better_table(run: Path) -> None:
    table = pd.read_csv(run / "summary.csv")
    table.assign(uar=table["uar"] + 0.01).to_csv(run / "summary.csv", index=False)
    reseal(run)


def other_parameters(run: Path) -> None:
    edit(run / "resolved.json", '"epochs": 3', '"epochs": 4')
    reseal(run)


def no_seals(run: Path) -> None:
    (run / "seal.json").unlink()


# What is done to the run -> the check that must find it.
TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "an answer in rows.csv": (lambda run: edit(run / "rows.csv", "fear,", "anger,"), "digests"),
    "the machine": (lambda run: edit(run / "environment.json", '"python"', '"Python"'), "digests"),
    "the audit's text": (lambda run: (run / "audit.txt").write_text("no leak\n"), "digests"),
    "the seals removed": (no_seals, "digests"),
    "a fold unfinished": (lambda run: (run / "fold-02/far/done.json").unlink(), "fits"),
    "weights of a fold": (lambda run: (run / "fold-01/far/weights.safetensors").write_bytes(b"x"), "fits"),
    "answers, sealed again": (lambda run: edit_rows(run, other_answer), "answers"),
    "answers and probabilities, sealed again": (lambda run: edit_rows(run, better_probabilities), "predictions"),
    "labels, sealed again": (lambda run: edit_rows(run, other_labels), "labels"),
    "wrong rows left out, sealed again": (lambda run: edit_rows(run, without_the_wrong), "rows"),
    "another image's row, sealed again": (lambda run: edit_rows(run, another_image, table=False), "rows"),
    "a row twice, sealed again": (lambda run: edit_rows(run, a_row_twice), "rows"),
    "another person's row, sealed again": (lambda run: edit_rows(run, another_person), "folds"),
    "one probability, sealed again": (lambda run: edit_rows(run, moved_probability(0.008, True)), "predictions"),
    "a sum of probabilities, sealed again": (lambda run: edit_rows(run, moved_probability(0.01, False)), "answers"),
    "a person on both sides, sealed again": (leak, "folds"),
    "other weights, sealed again": (other_weights, "predictions"),
    "a better table, sealed again": (better_table, "tables"),
    "other parameters, sealed again": (other_parameters, "parameters"),
}


def test_a_run_is_what_it_says(run: Path) -> None:
    found = verified(run)
    assert found.ok and not found.failed and str(found).startswith(f"{run}: verified")
    assert {item.check for item in found.findings} >= {"digests", "folds", "predictions", "environment"}
    assert all(item.state == "ok" for item in found.findings)


def test_the_order_of_rows_is_nothing(run: Path) -> None:
    edit_rows(run, lambda rows: rows.iloc[::-1])
    found = verified(run)
    assert found.ok, str(found)


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_run_is_found(run: Path, what: str) -> None:
    tamper, check = TAMPERED[what]
    tamper(run)
    found = verified(run)
    assert not found.ok and check in found.failed, str(found)
    assert "NOT what it says it is" in str(found)


def test_what_cannot_be_checked_is_said(run: Path) -> None:
    found = verify(run)
    states = {item.check: item.state for item in found.findings}
    assert found.ok and [states[name] for name in ("labels", "images", "predictions")] == ["not checked"] * 3
    (run / "rows.csv").unlink()
    assert verify(run).failed == ["digests", "records"]
    with pytest.raises(FileNotFoundError, match="holds no run"):
        verify(run / "figures")


def test_other_images_are_found(run: Path) -> None:
    other = make_faces(10)
    found = verify(run, faces=other, load_model=NearestMean.load)
    assert "labels" in found.failed and "the data set is not the one" in str(found)


def test_a_pack_holds_no_image_and_is_verified(run: Path, tmp_path: Path) -> None:
    from ferdis.report import write_report

    write_report([run])
    file = pack(run, tmp_path / "supplement.zip")
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".png", ".jpg", ".html"))] and PACK in names
    assert verified(file).ok
    first = file.read_bytes()
    assert pack(run, tmp_path / "again.zip").read_bytes() == first
    root = unpack(file, tmp_path / "unpacked")
    assert verified(root).ok
    edit(root / "summary.md", "fold", "Fold")
    assert verified(root).failed == ["digests"]


def test_a_pack_without_weights_says_so(run: Path, tmp_path: Path) -> None:
    file = pack(run, tmp_path / "small.zip", weights=False)
    found = verified(file)
    assert found.ok and [item.what for item in found.findings if item.check == "predictions"] == [
        "the weights were left out of the pack"
    ]


def test_what_is_no_pack_is_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder: name the file"):
        pack(run, tmp_path)
    edit(run / "rows.csv", "fear,", "anger,")
    with pytest.raises(ValueError, match="was changed after the run wrote it"):
        pack(run, tmp_path / "x.zip")
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="is damaged"):
        verify(tmp_path / "no.zip")
    for name, message in (("a.txt", "is no packed run"), ("../x", "a place outside of the run")):
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            archive.writestr(name, "x")
            if name != "a.txt":
                archive.writestr(PACK, json.dumps({"run": "r"}))
        with pytest.raises(ValueError, match=message):
            unpack(tmp_path / "bad.zip", tmp_path / "out")


def test_the_verbs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pack", str(run), str(tmp_path / "s.zip"), "--weights", "false"]) == 0
    assert cli.main(["verify", str(tmp_path / "s.zip")]) == 0
    assert "verified" in capsys.readouterr().out
    better_table(run)
    assert cli.main(["verify", str(run)]) == 2
    assert "tables" in capsys.readouterr().out
