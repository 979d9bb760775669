"""The experiments on generated faces, at sizes that only show that they run and count right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ferdis import DECGAN, Faces, SubjectKFold
from ferdis.evaluators.judges import Judged
from tests.painted import painted


def test_measured_by_hand(experiment) -> None:
    table = experiment("augmentation_table")
    people = np.repeat([f"P{k}" for k in range(6)], 2)
    true = np.tile(["anger", "fear"], 6)
    rows = pd.concat(
        pd.DataFrame({"system": system, "fold": 0, "seed": 0, "subject": people, "path": [f"{k}" for k in range(12)],
                      "true": true, "predicted": predicted})
        for system, predicted in {"classic": ["anger"] * 12, "decgan": [*["anger"] * 6, *true[6:]]}.items()
    )  # fmt: skip
    names = {"classic": "real + classic augmentation", "decgan": "classic + DECGAN"}
    found, tests = table.measured(rows, names, {"fear": 6})
    assert list(found["UAR"]) == [50, 75] and list(found["accuracy"]) == [50, 75]
    assert list(found["minority recall"]) == list(found["fear"]) == [0, 50]
    line = tests.iloc[0]
    assert line["system"] == "classic + DECGAN" and line["difference"] == pytest.approx(0.25) and line["people"] == 6
    assert line["low"] <= 0.25 <= line["high"] and line["p"] == line["p (Holm)"]


def test_classes_of_other_sizes_and_two_tests(experiment) -> None:
    table = experiment("augmentation_table")
    people = np.repeat([f"P{k}" for k in range(8)], 4)
    true = np.tile(["anger", "anger", "anger", "fear"], 8)
    answers = {
        "classic": np.where(np.arange(32) % 4 == 0, "fear", "anger"),  # of each person 2 of 3 and 0 of 1
        "decgan": np.full(32, "anger"),  # 3 of 3 and 0 of 1
        "eggan": np.where(np.arange(32) < 28, true, "anger"),  # all but the last person's fear
    }
    rows = pd.concat(
        pd.DataFrame({"system": system, "fold": 0, "seed": 0, "subject": people, "path": [f"{k}" for k in range(32)],
                      "true": true, "predicted": predicted})
        for system, predicted in answers.items()
    )  # fmt: skip
    names = {name: name for name in answers}
    found, tests = table.measured(rows, names, {})
    assert found["accuracy"].tolist() == pytest.approx([50, 75, 100 * 31 / 32])
    assert found["UAR"].tolist() == pytest.approx([100 / 3, 50, 100 * (1 + 7 / 8) / 2])
    assert "minority recall" not in found and tests["system"].tolist() == ["decgan", "eggan"]
    assert tests["difference"].tolist() == pytest.approx([1 / 6, (1 + 7 / 8) / 2 - 1 / 3])
    smaller, larger = sorted(tests["p"])
    assert sorted(tests["p (Holm)"]) == pytest.approx([min(1, 2 * smaller), max(min(1, 2 * smaller), larger)])


@pytest.mark.parametrize(("fear", "rare"), [(9, {}), (5, {"fear": 5})])
def test_a_class_is_rare_below_half_of_the_mean(experiment, fear: int, rare: dict[str, int]) -> None:
    names = ["anger"] * 20 + ["neutral"] * 20 + ["fear"] * fear  # means of 16.3 and 15: halves of 8.2 and 7.5
    faces = Faces(np.zeros((len(names), 2, 2, 3), np.uint8), pd.DataFrame({"expression": names}))
    assert experiment("augmentation_table").minority(faces) == rare


def test_minority_classes(experiment) -> None:
    data = painted(people=6, each=2)
    few = data[np.flatnonzero((data.expression != "fear") | (np.arange(len(data)) < 6))]
    assert experiment("augmentation_table").minority(few) == {"fear": int((few.expression == "fear").sum())}
    assert experiment("augmentation_table").minority(data) == {}


@pytest.mark.parametrize("column", ["synthetic", "wild"])
def test_rows_of_the_table_differ_in_nothing_else(experiment, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = experiment("augmentation_table")
    monkeypatch.setattr(table, "load", lambda *_, **__: painted(people=2))
    plan = yaml.safe_load(table.PLAN.read_text())
    options = table.arguments(plan, ["--column", column, "--generator_steps", "70"])
    rows = table.systems(options, plan)
    assert list(rows) == list(plan["systems"])
    common = None
    for name, system in rows.items():
        inner = (system.classifier if hasattr(system, "generator") else system).get_params()
        varying = {key: inner.pop(key) for key in ("augment", "sampler")}
        assert varying == {"augment": name != "real", "sampler": "balanced" if name == "oversampled" else "shuffle"}
        common = common or inner
        assert inner == common and inner["min_steps"] == plan["classifier_steps"]
        if hasattr(system, "generator"):
            assert system.generator.min_steps == 70 and system.filter is not None
            assert system.generator.steps_per_image == 0 and system.generator.epochs == 1
            assert system.strategy == plan["columns"][column]["strategy"]
            assert system.per_class == plan["columns"][column].get("per_class")
    assert (rows["eggan"].au_train is None) == (column == "synthetic")
    assert rows["relgan"].generator.mlp_epochs == rows["eggan"].generator.identity_epochs == 1
    assert common["weights"] is None, "as in the generators, nothing is known of faces before"
    few = table.systems(table.arguments(plan, ["--column", column, "--steps", "30", "--no_filter"]), plan)
    assert few["classic"].min_steps == few["decgan"].classifier.min_steps == 30 and few["decgan"].filter is None
    assert few["decgan"].generator.min_steps == DECGAN.small().min_steps


def test_people_folds_and_seeds_are_those_asked_for(
    experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, asked = experiment("augmentation_table"), {}

    def load(name: str, **given: object) -> Faces:
        asked.update(given, name=name)
        return painted(people=4)

    def evaluate(systems: dict, faces: Faces, folds: object, **more: object) -> None:
        asked.update(more, systems=systems, folds=folds)
        raise ValueError("that is all")

    monkeypatch.setattr(table, "load", load)
    monkeypatch.setattr(table, "evaluate", evaluate)
    line = ["--people", "30", "--folds", "2", "--seeds", "1", "4", "--systems", "classic", "--jobs", "2"]
    with pytest.raises(ValueError, match="that is all"):
        table.main([*line, "--out", str(tmp_path)])
    assert asked["name"] == "synthetic" and asked["people"] == 30 and list(asked["systems"]) == ["classic"]
    assert asked["folds"] == SubjectKFold(2, validation_folds=0) and asked["seeds"] == [1, 4] and asked["n_jobs"] == 2


def test_the_table_runs_and_is_written(experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from tests.augmentation.test_augmented import Composer
    from tests.evaluation.runner_fakes import NearestMean

    table = experiment("augmentation_table")
    from ferdis.augmentation import Augmented

    rows = {"classic": NearestMean(epochs=30), "decgan": Augmented(NearestMean(epochs=30), Composer())}
    monkeypatch.setattr(table, "systems", lambda *_: rows)
    monkeypatch.setattr(table, "read_faces", lambda *_: painted(people=6, each=2))
    found = table.main(["--folds", "3", "--out", str(tmp_path)])
    assert list(found["system"]) == ["real + classic augmentation", "classic + DECGAN"]
    assert (tmp_path / "augmentation-table.csv").is_file() and (tmp_path / "augmentation-tests.csv").is_file()
    assert "over subjects" in capsys.readouterr().out


def test_a_set_needs_its_folder(experiment) -> None:
    table = experiment("augmentation_table")
    with pytest.raises(ValueError, match="--root"):
        table.main(["--column", "wild"])


class PixelJudge:
    """Both judges in one: embeds by pixels, reads nothing."""

    own = "nothing at all"

    def refuse_overlap(self, faces) -> None:
        """Nobody."""

    def embed(self, images) -> np.ndarray:
        """Rows of unit length."""
        pixels = images.pixels() if hasattr(images, "pixels") else images
        flat = pixels[:, ::8, ::8].reshape(len(pixels), -1).astype(float) - 127
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def agreement(self, images, expression) -> Judged:
        """One half."""
        return Judged(0.5, self.own)

    def nearer(self, embeddings, first, second) -> Judged:
        """As the real one."""
        return Judged(float(((embeddings * first).sum(1) > (embeddings * second).sum(1)).mean()), self.own)


def test_decgan_is_measured(experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    evaluation = experiment("decgan_evaluation")
    from ferdis import DECGAN, ResNetClassifier

    tiny = {"image_size": 32, "encoder_channels": (4, 6, 8), "generator_channels": (8, 6, 4), "further_channels": (),
            "discriminator_channels": (4, 4, 4, 4), "truths": 1, "progress": False}  # fmt: skip
    monkeypatch.setattr(DECGAN, "preset", {**DECGAN.preset, **tiny})
    small = {"image_size": 36, "crop_size": 32, "classifier": "resnet18"}
    small["classifier_arguments"] = {"channels": (4, 4, 8, 8)}
    monkeypatch.setattr(ResNetClassifier, "preset", {**ResNetClassifier.preset, **small})
    monkeypatch.setattr(evaluation, "standard_judges", lambda *_, **__: (PixelJudge(), PixelJudge()))
    argv = ["--people", "3", "--images", "1", "--test_people", "2", "--epochs", "1", "--out", str(tmp_path)]
    table = evaluation.main(argv).set_index("what")["value"]
    assert np.isfinite(table).all() and 0 < table["cycle L1 in [-1, 1]"] < 2
    assert table["transfer: expression_share"] == 1  # 0.5 of 0.5
    for name in ("decgan.csv", "transfers.png", "model/weights.safetensors"):
        assert (tmp_path / name).is_file()
    said = capsys.readouterr().out
    assert "21 training faces of 3 people" in said and "ground_truth='counterparts'" in said
