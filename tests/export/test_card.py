"""What the card of an exported file says, line by line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ferdis.export.card import _training, model_card

ABOUT: dict[str, Any] = {
    "system": "BaselineCNN", "method": "predict_proba", "weights": "float32", "opset": 18, "input": "faces",
    "output": "probabilities", "image_size": 64, "classes": ["fear", "anger"], "training_digest": "abc",
    "preprocessing": {"name": "mtcnn", "dataset": "jaffe"}, "crop_template": {"left_eye": [0.3, 0.4]},
}  # fmt: skip


def card(**about: Any) -> str:
    found: Any = "largest difference 0"
    return model_card("m.onnx", SimpleNamespace(notes_=["a note"]), {**ABOUT, **about}, found, None, 2_340_000)


def test_size_and_order_of_classes_are_those_of_the_file() -> None:
    text = card()
    assert "- Weights: float32, 2.3 MB; ONNX opset 18" in text and "- a note" in text
    assert "- Classes, in the order of the output: fear, anger" in text
    assert "Generated images" not in text and "`au`" not in text


def test_a_generator_names_no_classes_and_draws() -> None:
    text = card(method="edit", action_units=["AU01", "AU12"])
    assert "Classes, in the order" not in text and "- Generated images resemble the training faces" in text
    assert "- `au`: float32 (N, 17), intensities 0 to 5 of AU01, AU12" in text


@pytest.mark.parametrize(
    ("fold", "people", "line"),
    [
        (3, 9, "- 120 images of 9 people: the training part of fold 3"),
        (0, 9, "- 120 images of 9 people: the training part of fold 0"),
        (None, 9, "- 120 images of 9 people: everybody"),
        (3, None, "- 120 images, people not known: the training part of fold 3"),
    ],
)
def test_on_whom_it_was_trained(fold: int | None, people: int | None, line: str) -> None:
    evidence: Any = SimpleNamespace(fold=fold, training_people=people, training_images=120)
    first, second, crops = _training(ABOUT, evidence)
    assert first == "- Data set: jaffe; digest of the training faces `abc`" and second == line
    assert crops == "- Crops: aligned (mtcnn) to left eye at (0.3, 0.4), as fractions of the side from the top left"


def test_how_faces_lie_where_nobody_aligned_them() -> None:
    drawn = _training({**ABOUT, "preprocessing": {"name": "drawn"}}, None)
    assert drawn[0].startswith("- Data set: not said") and "Crops: drawn about left eye" in drawn[1]
    unknown = _training({**ABOUT, "crop_template": None, "preprocessing": {}}, None)
    assert unknown[1] == "- Crops: not said; where the face lies in them was decided elsewhere"
