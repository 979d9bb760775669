"""What a card says of a model, from figures that can be counted on the fingers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from ferdis.evaluation import model_card
from ferdis.evaluation.model_card import fitted_card, limits_lines, measured_lines
from ferdis.saved_models import Evidence

A, F = "anger", "fear"


def rows(*cells: tuple[int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["fold", "true", "predicted"])


# Fold 0: three of four right; fold 1: both. Of anger three of three are found, of fear two of three.
POOLED = rows((0, A, A), (0, A, A), (0, A, A), (0, F, A), (1, F, F), (1, F, F))


def evidence(**changes: Any) -> Evidence:
    known: dict[str, Any] = {
        "run": Path("mine"), "fold_list": None, "system": "cnn", "dataset": "bars", "fold": None, "seed": 0,
        "classes": [A, F], "protocol": {"class": "SubjectKFold", "n_splits": 2}, "selection": "last", "people": 5,
        "images": 6, "training_people": 5, "training_images": 6, "test_people": None, "pooled": POOLED,
        "tested": POOLED[:0], "sealed": True,
    }  # fmt: skip
    return Evidence(**{**known, **changes})


def test_figures_of_the_recipe() -> None:
    assert measured_lines(evidence()) == [
        "Protocol: SubjectKFold on bars (6 images, 5 people), 2 folds; selection: the last epoch.",
        "",
        "- Accuracy of the protocol: 87.50 % ± 17.68 over folds; UAR 83.33 %. Each fold has its own model, tested on "
        "images of held-out subjects.",
        "- These are figures of the recipe, measured by the run `mine` on models that had each seen a part of the "
        "people. This model has seen everybody: nobody is left to test it.",
        "",
        "| class | recall, all folds (%) | images |\n| --- | --- | --- |\n| anger | 100.0 | 3 |\n| fear | 66.7 | 3 |",
    ]


def test_figures_of_the_model_of_a_fold() -> None:
    tested = POOLED[POOLED["fold"] == 0]
    said = measured_lines(evidence(fold=0, tested=tested, test_people=2, selection="validation"))
    assert said[0].endswith("selection: the best epoch on validation people.")
    assert said[3] == "- Accuracy of this model: 75.00 % on 4 images of held-out subjects: 2 people."
    assert said[-1].splitlines()[2:] == ["| anger | 100.0 | 3 | 100.0 | 3 |", "| fear | 66.7 | 3 | 0.0 | 1 |"]


def test_what_a_reader_must_know_of_the_run() -> None:
    plain = measured_lines(evidence())
    other = measured_lines(evidence(others="The run measured it on other images", sealed=False))
    assert [line for line in other if line not in plain] == [
        "- The run measured it on other images.",
        "- The run is unsealed: no digests say whether its files are as it wrote them.",
    ]
    assert measured_lines(None, "run k-fold") == [
        "No protocol has measured this model, so no accuracy is claimed: run k-fold."
    ]


SYSTEM = SimpleNamespace(notes_=["Trained on few faces."])
CROPS = "- Faces cropped in another way, or an image without a face, give results that mean nothing."


def test_limits_of_a_model_that_nobody_measured() -> None:
    said = limits_lines(SYSTEM, {"name": "aligned"}, None, draws=False)
    assert said[0].startswith("- It names the class that a face shows")
    assert said[1:] == [CROPS, "- Trained on few faces."]


def test_limits_of_what_draws_rendered_people() -> None:
    assert limits_lines(SYSTEM, {"name": "drawn"}, None, draws=True) == [
        "- Generated images resemble the training faces; they are not photographs of a person.",
        CROPS,
        "- Trained on synthetic people: its accuracy on photographs is unknown.",
        "- Trained on few faces.",
    ]


def test_classes_with_fewer_than_thirty_images_are_named() -> None:
    many = rows(*[(0, A, F)] * 30, *[(0, F, F)] * 29)
    said = limits_lines(SYSTEM, {}, evidence(pooled=many), draws=False)
    assert "- Recalls rest on few images for fear (29)." in said
    assert "- The figures hold for people, light and poses like those of bars; elsewhere expect less." in said


@pytest.mark.parametrize(("chose", "people", "says"), [
    (None, 8, "- 48 images, 8 people, of bars: all there are"),
    (2, None, "- 48 images, people not known, of bars: all there are, but for 2 people who chose the epoch"),
])  # fmt: skip
def test_whom_a_fitted_model_has_seen(
    monkeypatch: pytest.MonkeyPatch, chose: int | None, people: int | None, says: str
) -> None:
    system = SimpleNamespace(
        classes_=[A, F], describe=lambda: {}, training_digest_="123", preprocessing_=None, notes_=[]
    )
    record = {"system": "cnn", "seed": 3, "images": 48, "people": people, "dataset": "bars", "validation_people": chose}
    monkeypatch.setattr(model_card, "load_model", lambda _: system)
    monkeypatch.setattr(model_card, "evidence_of", lambda _: None)
    monkeypatch.setattr("ferdis.run_folder.read_fit_record", lambda _: record)
    card = fitted_card("model").splitlines()
    assert card[0] == "# cnn: SimpleNamespace fitted on everybody" and says in card
    assert "- Classes, in the order of the probabilities: anger, fear" in card and card[3].endswith("; seed 3")
