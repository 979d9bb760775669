"""Winners: how they travel, which fold takes which, and who may not be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ferdis import run_folder
from ferdis.evaluation.runner import evaluate
from ferdis.evaluation.tuned_parameters import (
    TunedParameters,
    name_spaces,
    parameters_for,
    person_digest,
    person_digests,
    refuse_tuned_people,
    without_set_aside,
)
from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold
from ferdis.protocol.leakage import LeakError
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean

pytestmark = pytest.mark.usefixtures("quick")


def nested(faces: Faces, **changes: Any) -> list[TunedParameters]:
    """A winner for each fold of PROTOCOL, with as many epochs as its number and one."""
    return [
        TunedParameters(
            "mean", {"epochs": fold.index + 1}, person_digests(faces[fold.train]), ("t",), fold.index, **changes
        )
        for fold in PROTOCOL.split(faces)
    ]


def test_a_winner_survives_its_file(faces: Faces, tmp_path: Path) -> None:
    winner = nested(faces, score=0.5, trials=7)[1]
    (tmp_path / "w.yaml").write_text(yaml.safe_dump(run_folder.plain(winner.record())))
    back = TunedParameters.from_record(yaml.safe_load((tmp_path / "w.yaml").read_text()), "w.yaml")
    assert back == winner and back.source == "w.yaml"
    assert "t/00" not in (tmp_path / "w.yaml").read_text(), "names do not travel, digests do"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"people": None}, "without 'people'"),
        ({"people": []}, "digests of the people"),
        ({"parameters": [1]}, "parameters by name"),
        ({"colour": "red"}, "unknown entry 'colour'"),
    ],
)
def test_a_winner_that_was_tampered_with(faces: Faces, change: dict[str, Any], says: str) -> None:
    record = {**nested(faces)[0].record(), **change}
    record = {name: value for name, value in record.items() if value is not None or name == "fold"}
    with pytest.raises(ValueError, match=says) as error:
        TunedParameters.from_record(record, "w.yaml")
    assert str(error.value).startswith("w.yaml: ")


def test_each_fold_takes_its_own_winner_and_a_single_one_serves_all(faces: Faces) -> None:
    winners = nested(faces)
    assert [parameters_for(winners, "mean", k) for k in range(3)] == winners
    assert parameters_for(winners[1:2], "mean", 0) == winners[1] and parameters_for(winners, "other", 0) is None
    with pytest.raises(ValueError, match="fold 0: 0 winners for mean"):
        parameters_for(winners[1:], "mean", 0)
    with pytest.raises(ValueError, match=r"fold 0: 2 winners for mean \(there are winners of folds 0, 1, 0\)"):
        parameters_for([*winners[:2], winners[0]], "mean", 0)


def test_rows_are_those_of_the_winners_arguments(faces: Faces, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    winners = nested(faces)
    system = {"mean": NearestMean(epochs=9, diary=str(diary)), "untuned": NearestMean(epochs=5)}
    out = tmp_path / "run"
    evaluate(system, faces, PROTOCOL, tuned=winners, out=out, progress=False)
    assert diary.read_text().count("epoch") == 1 + 2 + 3
    rows = run_folder.read_rows(out / "rows.csv")
    assert rows.groupby("system")["parameters"].nunique().to_dict() == {"mean": 3, "untuned": 1}
    plain = evaluate({"mean": NearestMean(epochs=2)}, faces, PROTOCOL, progress=False).rows
    columns = ["path", "predicted", "p_anger"]
    tuned = rows.query("system == 'mean' and fold == 1")[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(tuned, plain.query("fold == 1")[columns].reset_index(drop=True))
    others = [TunedParameters(w.system, {"epochs": 4}, w.people, w.sets, w.fold) for w in winners]
    with pytest.raises(ValueError, match="holds another run"):
        evaluate(system, faces, PROTOCOL, tuned=others, out=out, progress=False)


def test_a_fold_that_tests_whom_it_was_tuned_on_is_refused(faces: Faces, tmp_path: Path) -> None:
    winners = nested(faces)
    with pytest.raises(LeakError) as error:
        evaluate({"mean": NearestMean()}, faces, PROTOCOL, tuned=winners[1:2], out=tmp_path / "run", progress=False)
    message = str(error.value)
    assert "fold 0: mean was tuned on t/0" in message and "--only_folds 1" in message and "\n" not in message
    assert not (tmp_path / "run").exists(), "nothing was run"
    swapped = [TunedParameters(w.system, w.parameters, w.people, w.sets, (w.fold + 2) % 3) for w in winners]
    with pytest.raises(LeakError, match="was tuned on"):
        evaluate({"mean": NearestMean()}, faces, PROTOCOL, tuned=swapped, progress=False)
    with pytest.raises(LeakError, match="was tuned on"):  # the same winners, other folds
        evaluate({"mean": NearestMean()}, faces, SubjectKFold(3, seed=4), tuned=winners, progress=False)
    alone = evaluate({"mean": NearestMean()}, faces, PROTOCOL, tuned=winners[1:2], only_folds=[1], progress=False)
    assert set(alone.rows["fold"]) == {1}


def test_every_shared_person_is_found(faces: Faces) -> None:
    """Whoever it is, one person in common is enough."""
    folds = PROTOCOL.split(faces)
    for fold in folds:
        for person in sorted(set(faces.subject)):
            winner = TunedParameters("mean", {}, ("0" * 12, person_digest(person)))
            tested = person in faces.subject[fold.test]
            if tested:
                with pytest.raises(LeakError, match=person):
                    refuse_tuned_people([winner], ["mean"], faces, [fold])
            else:
                refuse_tuned_people([winner], ["mean"], faces, [fold])


def test_people_under_other_names_are_refused(faces: Faces) -> None:
    renamed = faces.with_table(faces.to_frame().assign(subject=[f"bu3d/{name[2:]}" for name in faces.subject]))
    winner = TunedParameters("mean", {}, ("0" * 12,), ("bu4d",))
    folds = PROTOCOL.split(renamed)
    assert name_spaces(renamed) == ("bu3d",)
    with pytest.raises(LeakError, match="people of bu4d, which may show people of bu3d"):
        refuse_tuned_people([winner], ["mean"], renamed, folds)
    refuse_tuned_people([winner], ["mean"], renamed, folds, allow_overlap=True)


def test_other_people_of_the_same_set_may_be_tested(faces: Faces) -> None:
    renamed = faces.with_table(faces.to_frame().assign(subject=[f"bu3d/{name[2:]}" for name in faces.subject]))
    winner = TunedParameters("mean", {}, ("0" * 12,), ("bu3d",))
    refuse_tuned_people([winner], ["mean"], renamed, PROTOCOL.split(renamed))


def test_a_person_is_known_by_twelve_digits_whatever_the_set() -> None:
    assert person_digest("ck/S005") == "27102d7a6256"


def test_names_without_a_set_have_no_name_space(faces: Faces) -> None:
    mixed = faces.with_table(faces.to_frame().assign(subject=["S005", *["ck/S006"] * (len(faces) - 1)]))
    assert name_spaces(mixed) == ("ck",)


def test_where_people_are_not_known_each_image_stands_for_itself(faces: Faces) -> None:
    nobody = Faces(faces.images, faces.to_frame().drop(columns="subject"))
    fold = PROTOCOL.split(faces)[0]
    digests = person_digests(nobody[fold.train])
    assert len(set(digests)) == len(fold.train) and name_spaces(nobody) == ()
    refuse_tuned_people([TunedParameters("mean", {}, digests)], ["mean"], nobody, [fold])
    tested = person_digests(nobody[fold.test[:1]])
    with pytest.raises(LeakError, match=r"was tuned on .*, whom this fold tests \(w\.yaml\): sweep again"):
        refuse_tuned_people([TunedParameters("mean", {}, tested, source="w.yaml")], ["mean"], nobody, [fold])


def test_those_set_aside_are_counted_beside_what_the_loader_said(faces: Faces) -> None:
    winner = TunedParameters("mean", {}, person_digests(faces[[0, 12]]))
    assert without_set_aside(faces, [winner]).attrs["notes"] == [
        "1 face was not detected", "2 people were set aside to choose arguments: no fold holds them."
    ]  # fmt: skip


def test_people_set_aside_are_in_no_fold(faces: Faces, tmp_path: Path) -> None:
    aside = faces[[row for row, name in enumerate(faces.subject) if name in ("t/001", "t/005")]]
    winner = TunedParameters("mean", {"epochs": 2}, person_digests(aside), ("t",), None)
    assert without_set_aside(faces, []) is faces
    kept = without_set_aside(faces, [winner])
    assert len(set(kept.subject)) == 7 and not {"t/001", "t/005"} & set(kept.subject)
    evaluate({"mean": NearestMean()}, faces, PROTOCOL, tuned=[winner], out=tmp_path / "run", progress=False)
    folds = pd.read_csv(tmp_path / "run" / "folds.csv")
    assert not {"t/001", "t/005"} & set(folds["subject"])
    assert "2 people were set aside" in (tmp_path / "run" / "summary.md").read_text()


def test_a_winner_of_a_system_that_does_not_run(faces: Faces) -> None:
    with pytest.raises(ValueError, match="tuned names 'mean', but the systems are other"):
        evaluate({"other": NearestMean()}, faces, PROTOCOL, tuned=nested(faces), progress=False)
