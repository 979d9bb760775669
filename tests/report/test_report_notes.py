"""Every shortcut has its line, and published figures stand beside those measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import metrics
from ferdis.metrics import Gain
from ferdis.report.joining import join
from ferdis.report.notes import _named_seeds, _undetected, given_people, joined, notes, repetition
from ferdis.report.sections import (
    _HISTORY,
    _disentanglement,
    _groups,
    _mistakes,
    _provenance,
    _published,
    _result,
    _shown,
    _single_seeds,
    _training,
    about,
    headline,
    summary_of,
)
from ferdis.report.tables import compared, groups_of
from ferdis.run_folder import FinishedRun
from tests.evaluation.runner_fakes import make_faces
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
    folds = pd.DataFrame({"fold": 0, "part": "train", "path": ["0.png"]})
    return FinishedRun(root, about | record, {}, rows, fits, folds, {}, "", sealed=True)


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


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"tuned": [{"system": "one", "fold": fold, "parameters": {"lr": 0.1}, "people": ["a"], "trials": 7}]},
         f"one, {where}: lr 0.1; chosen in 7 trials on 1 people whom no test part of it shows.")
        for fold, where in ((0, "fold 0"), (None, "all folds"))
    ] + [
        ({"systems": {"one": {"notes": ["one starts from net2"]}}}, "one starts from net2"),
        ({"faces": {"images": 120, "classes": list(CLASSES), "attrs": {"notes": ["9 left out"]}}}, "9 left out"),
        ({"protocol": {"class": "SFEWOfficial", "departures": ["958 images, these 900"]}},
         "Not the published experiment of SFEWOfficial: 958 images, these 900."),
        ({"protocol": [{"class": "A"}, {"class": "B", "departures": ["10 folds"]}]},
         "Not the published experiment of B: 10 folds."),
        ({"audit": {"leaks": 2}}, "The folds of this list leak (findings of the audit: 2) and were run as they are "
         "(allow_overlap). These figures do not say how well strangers are recognised."),
    ],
)  # fmt: skip
def test_each_note_word_by_word(record: dict[str, Any], line: str) -> None:
    run = make_run(Path("run"), **record)
    assert line in notes(run.rows, run.record, run.fits)


def test_resumed_fits_are_counted() -> None:
    run = make_run(Path("run"))
    told = notes(run.rows, run.record, run.fits.assign(resumed=[True, False, True, False, False]))
    assert "2 fits were stopped and resumed: their seconds are those of the last part." in told


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([3, 1], "3, 1"),
        (list(range(7)), "0 to 6"),
        ([0, 1, 2, 3, 4, 6], "0, 1, 2, 3, 4, 6"),
        (range(5), "0, 1, 2, 3, 4"),
    ],
)
def test_seeds_are_named(seeds: Sequence[int], said: str) -> None:
    assert _named_seeds(seeds) == said


def test_what_a_system_was_given_of_test_people_is_said_of_each() -> None:
    rows = pd.DataFrame({"system": ["a", "b", "b", "c"], "reference": ["none", *["a neutral image"] * 3]})
    given = " was given a neutral image: this is not the strict protocol, which gives nothing of them."
    assert given_people(rows) == [
        "a was given nothing of the test people; it is tested on the same images as a control.",
        f"b{given}",
        f"c{given}",
    ]  # fmt: skip
    assert given_people(rows[["system"]]) == []


def test_unknown_people_are_a_shortcut() -> None:
    run = make_run(Path("run"), make_rows().assign(subject=""))
    told = notes(run.rows, run.record, run.fits)
    assert "intervals over pictures" in told[0] and any("People are not known" in line for line in told)


def test_published_figures_stand_beside_those_measured(tmp_path: Path) -> None:
    (tmp_path / "differences.md").write_text("- 900 images here, 927 in the paper\n")
    rows = make_rows().assign(dataset="CK+")[:-17]  # folds of several sizes: their mean is not the pooled accuracy
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


def comparison(**changed: Any) -> pd.DataFrame:
    """One pair: the second is better by 10 points."""
    line = {"first": "one", "second": "two", "uar_difference": -0.1, "uar_low": -0.15, "uar_high": -0.02, "uar_p": 0.01}
    return pd.DataFrame([line | {"uar_holm": 0.2} | changed])


def figures_of(*values: tuple[float, float, float]) -> pd.DataFrame:
    """A summary of systems "one", "two", ...: accuracy, UAR, lower end of its interval."""
    lines = [{"system": name, "accuracy": accuracy, "uar": uar, "uar_low": low, "uar_high": uar + 0.1}
             for name, (accuracy, uar, low) in zip(("one", "two"), values, strict=False)]  # fmt: skip
    return pd.DataFrame(lines)


def test_a_lead_is_of_the_best_by_uar_and_judged_after_holms_correction() -> None:
    group = join([make_run(Path("run"))])[0][0]
    summary = figures_of((0.9, 0.5, 0.45), (0.5, 0.6, 0.45))
    told = headline(group, summary, comparison())
    assert told[1].startswith("two has the highest UAR, 60.0 [45.0, 70.0] %; chance is 33.3 %.")
    assert told[2].startswith("Its lead over one, +10.0 [+2.0, +15.0] points of UAR, is not more than chance may give")
    assert told[2].endswith("p = 0.20).")
    told = headline(group, summary, comparison(uar_holm=0.04))
    assert told[2].startswith("It is ahead of one by +10.0 [+2.0, +15.0] points") and told[2].endswith("p = 0.040).")
    several = pd.concat([comparison(uar_holm=0.04), comparison(second="three")], ignore_index=True)
    assert headline(group, summary, several)[2].endswith("p = 0.040, Holm-corrected).")


def test_better_than_chance_is_said_of_intervals() -> None:
    group = join([make_run(Path("run"))])[0][0]
    assert headline(group, figures_of((0.5, 0.4, 0.3)), None)[-1] == "Not shown to be better than chance: one."
    assert "Not shown" not in headline(group, figures_of((0.5, 0.4, 0.35)), None)[-1]


@pytest.mark.parametrize("why_not", ["", "0 is in the interval"])
def test_a_gain_over_several_trainings_is_told_with_its_reason(why_not: str) -> None:
    gain = Gain(-0.1, -0.2, 0.0, -0.3, 0.02, 0.01, 0.01, 0.01, 0.05, 4, 2, 20, why_not)
    told = _shown("two", "one", gain, -1, "people")
    lead = "+10.0 [−2.0, +30.0] points of UAR"
    assert told == (
        f"It is ahead of one by {lead} (shown: over 20 people and 4 trainings on 2 partitions)."
        if not why_not
        else f"Its lead over one, {lead}, is not shown (0 is in the interval; 20 people, 4 trainings on 2 partitions)."
    )


def test_a_leak_of_any_run_is_said_first() -> None:
    rows = make_rows(system="two", seed=1)
    leaking = make_run(Path("second"), rows, audit={"leaks": 3, "seen_share": 0.5})
    group = join([make_run(Path("first")), leaking])[0][0]
    told = headline(group, figures_of((0.5, 0.5, 0.45), (0.5, 0.5, 0.45)), None)
    assert told[0].startswith("The folds of this list leak (50.0 % of its test images show a person who also trains")
    assert not any("none of whom" in line for line in told)


def test_a_group_in_figures() -> None:
    runs = [make_run(Path("first")), make_run(Path("second"), make_rows(system="two", seed=1))]
    runs[1].fits["system"] = "two"
    for run in runs:
        run.fits[["fit_seconds", "predict_seconds"]] = [[10.0, 1.0]] * 4 + [[20.0, 1.0]]
    group = join(runs)[0][0]
    assert summary_of(group)["seconds_per_fold"].tolist() == [13.0, 13.0]
    assert about(group) == "set: 120 test images of 20 people, 3 classes; 5 folds, 1 seed (X); runs: first, second"


def test_single_seeds_have_their_mean_recall() -> None:
    predicted = ["fear", "fear", "fear", "fear", "fear", "joy", "joy", "joy"]
    rows = pd.DataFrame({"system": "one", "seed": [0] * 4 + [1] * 4, "true": ["fear", "fear", "fear", "joy"] * 2})
    rows["predicted"] = predicted
    assert _single_seeds(rows) == [
        "UAR (%) of the single seeds: one 50.0, 66.7. Intervals are over people; they do not hold this spread."
    ]
    assert _single_seeds(rows[rows["seed"] == 0]) == []


def test_runs_without_digests_and_joined_runs_are_remarked_on() -> None:
    unsealed = dataclasses.replace(make_run(Path("old"), make_rows(system="two")), sealed=False)
    unsealed = dataclasses.replace(unsealed, record=unsealed.record | {"selection": "validation"})
    group = join([make_run(Path("run")), unsealed])[0][0]
    remarks = _result(group, metrics.summary(group.rows), "g1").remarks
    (about_digests,) = [line for line in remarks if "unsealed" in line]
    assert about_digests.startswith("old is unsealed: it carries no digests")
    assert 'old chose its models by "validation", run by "last".' in remarks


def test_losses_are_drawn_of_each_system_under_its_label(tmp_path: Path) -> None:
    lines = [("one", 0, fold, "s", epoch, 1, "p", "t", 0.5) for fold in (0, 1) for epoch in (1, 2)]
    pd.DataFrame(lines, columns=list(_HISTORY)).to_csv(tmp_path / "history.csv", index=False)
    group = join([make_run(tmp_path)])[0][0]
    group.labels[0] = {"one": "one (here)"}
    (shown,) = _training(group, "g1").figures
    assert (shown.name, shown.caption) == ("losses-one (here)", "one (here): folds (thin) and their mean.")


def test_images_of_disentanglement_are_shown_once_each(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    for name in ("codes-one", "transfer-one", "transfer-truth-one"):
        Image.new("RGB", (4, 4)).save(tmp_path / "figures" / f"{name}.png")
    group = join([make_run(tmp_path)])[0][0]
    assert not _disentanglement(group, "g1")
    (tmp_path / "disentanglement.md").write_text("# Codes\n")
    part = _disentanglement(group, "g1")
    assert [shown.caption.split(": ")[1] for shown in part.figures] == [
        "codes-one.", "transfer-one.", "transfer-truth-one.",
    ]  # fmt: skip


def test_every_commit_of_a_run_is_named(tmp_path: Path) -> None:
    rows = make_rows().assign(commit=["abc"] * 60 + ["def+changes"] * 60)
    (line,) = _provenance(join([make_run(tmp_path, rows)])[0][0], "g1").lines
    assert "commit abc, def+changes, " in line and "Files differed from that commit" in line


def test_mistakes_stand_under_their_system() -> None:
    rows = pd.concat([make_rows(), make_rows(seed=1, system="two")], ignore_index=True)
    group = join([make_run(Path("run"), rows)])[0][0]
    part = _mistakes(group, 5, make_faces(), None, "g1")
    for system, shown in part.mistakes:
        wrong = rows[(rows["system"] == system) & (rows["true"] != rows["predicted"])]
        assert {(item.path, item.predicted) for item in shown} <= set(
            zip(wrong["path"], wrong["predicted"], strict=True)
        )
    assert [system for system, _ in part.mistakes] == ["one", "two"]


def test_gaps_between_groups_stand_below_them() -> None:
    person = make_rows()["subject"].str[1:].astype(int)
    rows = make_rows().assign(gender=np.where(person < 10, "f", "m"))
    part = _groups(rows, groups_of(rows), "g1")
    assert [table.name for table in part.tables] == ["groups", "gaps"]


def test_runs_that_were_not_tested_alike_stand_apart() -> None:
    rows = make_rows()
    others = {
        "folds": rows.assign(fold=rows["fold"] + 1),
        "labels": rows.assign(true=rows["true"].iloc[::-1].to_numpy()),
        "images": rows[:60],
        "given": rows.assign(reference="a neutral image"),
        "again": rows.assign(seed=1),
    }
    runs = [
        make_run(Path("run")),
        *(make_run(Path(name), some.assign(parameters="p")) for name, some in others.items()),
    ]
    groups, apart = join([dataclasses.replace(run, rows=run.rows.assign(parameters="p")) for run in runs])
    assert [[run.name for run in group.runs] for group in groups] == [
        ["run", "again"], ["folds"], ["labels"], ["images"], ["given"],
    ]  # fmt: skip
    assert [line.split(": ")[1].removesuffix(". The two stand side by side.") for line in apart] == [
        "it tested the same images in other folds",
        "it tested the same images under other labels",
        "it tested other images (60 of its 60 are among the 120 of the other)",
        "one of them may give images of the test people to its systems, the other is strict",
    ]
    assert apart[0].startswith("folds is not paired with run: ")


def test_joined_runs_are_told_apart() -> None:
    def run(name: str, selection: str = "last", train: int = 0, validation: int = 0) -> FinishedRun:
        made = make_run(Path(name), make_rows().assign(parameters=name), selection=selection)
        folds = pd.DataFrame({"fold": [train, validation], "part": ["train", "validation"], "path": "0.png"})
        return dataclasses.replace(made, folds=folds)

    group = join([run("first"), run("second", "validation", train=1), run("third", validation=1)])[0][0]
    assert list(dict.fromkeys(group.rows["system"])) == ["one", "one (second)", "one (third)"]
    assert list(dict.fromkeys(group.fits["system"])) == ["one", "one (second)", "one (third)"]
    assert group.remarks == [
        "second trained on other images of the folds than first.",
        'second chose its models by "validation", first by "last".',
        "third validated on other images of the folds than first.",
    ]
