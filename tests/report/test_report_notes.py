"""Every shortcut has its line, and published figures stand beside those measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ferdis import metrics
from ferdis.report.joining import join
from ferdis.report.notes import _undetected, joined, notes, repetition
from ferdis.report.sections import _published, headline
from ferdis.report.tables import compared
from ferdis.run_folder import FinishedRun
from tests.metrics.test_recognition import CLASSES, make_rows


def make_run(root: Path, rows: pd.DataFrame | None = None, **record: Any) -> FinishedRun:
    """A run of one system, as read_run would give it."""
    rows = make_rows() if rows is None else rows
    fits = pd.DataFrame({"system": "one", "seed": 0, "fold": range(5), "train_images": 72, "test_images": 24})
    fits = fits.assign(notes=[[]] * 5, resumed=False)
    about = {
        "dataset": "set", "faces": {"images": 120, "classes": list(CLASSES), "attrs": {}}, "protocol": {"class": "X"},
        "seeds": [0], "selection": "last", "systems": {"one": {"class": "IFGAN", "attention": False}},
    }  # fmt: skip
    return FinishedRun(root, about | record, {}, rows, fits, pd.DataFrame(), {}, "", sealed=True)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"selection": "validation"}, "the best epoch on the validation people"),
        ({"selection": "validation"}, "24 of 120 images a fold chose the epoch"),
        ({}, "24 of 120 images a fold sat out and trained nothing"),
        ({"audit": {"allow_overlap": True}}, "allow_overlap: sets that may share people"),
        ({"audit": {"near_duplicates": False}}, "near_duplicates was off"),
        ({"diagnose_peeking": True}, "Peeking was diagnosed"),
        (
            {"systems": {"one": {"pretrain": {"faces": "Faces(9 images)", "faces_digest": "ab"}}}},
            "one also learned from pretrain: Faces(9 images)",
        ),
        (
            {"tuned": [{"system": "one", "fold": 3, "parameters": {"lr": 0.1}, "people": ["a", "b"], "trials": 7}]},
            "one, fold 3: lr 0.1; chosen in 7 trials on 2 people whom no test part of it shows",
        ),
    ],
)  # fmt: skip
def test_each_shortcut_is_named(record: dict[str, Any], words: str) -> None:
    run = make_run(Path("run"), **record)
    told = notes(run.rows, run.record, run.fits)
    assert sum(words in line for line in told) == 1
    plain = make_run(Path("run"))
    assert (not record) == any(words in line for line in notes(plain.rows, plain.record, plain.fits))


def test_unknown_people_are_a_shortcut() -> None:
    run = make_run(Path("run"), make_rows().assign(subject=""))
    told = notes(run.rows, run.record, run.fits)
    assert "intervals over pictures" in told[0] and any("People are not known" in line for line in told)


def test_published_figures_stand_beside_those_measured(tmp_path: Path) -> None:
    (tmp_path / "differences.md").write_text("- 900 images here, 927 in the paper\n")
    rows = make_rows().assign(dataset="CK+")
    group = join([make_run(tmp_path, rows)])[0][0]
    part = _published(group, metrics.summary(rows), "g1")
    line = part.tables[0].cells.iloc[0]
    assert (line["method"], line["published accuracy (%)"]) == ("IF-GAN w/o attention", "95.79")
    mean = rows.assign(right=rows["true"] == rows["predicted"]).groupby("fold")["right"].mean().mean()
    assert line["measured, mean over folds (%)"].startswith(f"{100 * mean:.2f} ± ")
    assert part.prose == ["- 900 images here, 927 in the paper\n"]
    crossed = join([make_run(tmp_path, rows, protocol={"class": "CrossDataset"})])[0][0]
    assert not _published(crossed, metrics.summary(rows), "g1")  # another experiment than any paper's


def test_the_headline_says_no_more_than_the_tests() -> None:
    def told(first: float, second: float, **changes: Any) -> list[str]:
        rows = pd.concat([make_rows(skill=first), make_rows(skill=second, seed=1, system="two")]).assign(**changes)
        group = join([make_run(Path("run"), rows.reset_index(drop=True))])[0][0]
        return headline(group, metrics.summary(group.rows), compared(group.rows, group.fits))

    clear = told(0.9, 0.2)
    assert clear[0] == "Tested on 120 images of 20 people, none of whom the tested system had trained on."
    assert clear[1].startswith("one has the highest UAR,") and clear[2].startswith("It is ahead of two by +")
    assert "permutation over people" in clear[2] and "Holm" not in clear[2]
    assert clear[3].startswith("Each was trained once")
    assert any("is not more than chance may give" in line for line in told(0.5, 0.5))
    assert "permutation over pictures" in told(0.9, 0.2, subject="")[1]
    assert "cannot be tested" in told(0.9, 0.2, subject="s")[2]
    assert told(-1.0, -1.0)[-1].startswith("Not shown to be better than chance: ")
    rows = make_rows()
    alone = headline(join([make_run(Path("run"), rows)])[0][0], metrics.summary(rows), None)
    assert alone[1].startswith("The UAR of one is ")


def test_notes_of_many_fits_that_differ_in_a_number_are_one_line() -> None:
    told = [
        f"RELGAN: {share}% of the triplets, on {images} of 90 images"
        for share, images in ((9, 80), (28, 80), (24, 7.5))
    ]
    assert joined([*told, "CNN: plain", told[0], "CNN: plain"]) == [
        "RELGAN: 9 to 28% of the triplets, on 7.5 to 80 of 90 images",
        "CNN: plain",
    ]
    for names in (
        ["starts from net2", "starts from net3"],
        ["48x48 pixels", "64x64 pixels"],
        ["zoo 0.1.0", "zoo 0.2.0"],
    ):
        assert joined(names) == names  # numbers in names tell two things apart
    assert joined(["of 900 faces", "of 1,200 faces"]) == ["of 900 to 1,200 faces"]
    assert joined([]) == []


@pytest.mark.parametrize(
    ("detected", "told"),
    [
        ([True, True], ["Faces detected: 2 of 2 (100.0 %)."]),
        ([True, False], ["Faces detected: 1 of 2 (50.0 %) and stay in every denominator: 1 as centre crops."]),
        (["True", float("nan")], ["Faces detected: 1 of 1 (100.0 %); in 1 images none was looked for."]),
        ([float("nan"), None], []),
    ],
)
def test_faces_that_were_not_looked_for_are_not_missed(detected: list[object], told: list[str]) -> None:
    rows = pd.DataFrame({"path": ["photograph", "drawn"], "detected": detected})
    assert _undetected(pd.concat([rows, rows])) == told  # of two systems


def repeated(dealt: list[list[int]]) -> pd.DataFrame:
    """Rows of one system: the fold of each of some images in each training."""
    return pd.DataFrame([{"path": f"{image}.png", "seed": seed, "fold": fold}
                         for seed, folds in enumerate(dealt) for image, fold in enumerate(folds)])  # fmt: skip


@pytest.mark.parametrize(
    ("dealt", "says"),
    [
        ([[0, 1, 2]], "3 folds, 1 seed"),
        ([[0, 0, 0]], "1 fold, 1 seed"),
        ([[0, 1, 0], [0, 1, 0]], "2 folds, 2 seeds"),
        ([[0, 1, 0], [1, 0, 0]], "2 partitions into 2 folds, 1 seed each"),
        ([[0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]], "2 partitions into 2 folds, 2 seeds each"),
        ([[0, 1, 0], [0, 1, 0], [1, 0, 0]], "2 partitions into 2 folds, 3 trainings"),
    ],
)
def test_partitions_are_told_from_seeds(dealt: list[list[int]], says: str) -> None:
    assert repetition(repeated(dealt)) == says
