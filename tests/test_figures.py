"""Figures show the numbers they are given."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ferdis import figures
from ferdis.faces import SIX_EXPRESSIONS, Faces
from tests.painted import Painter, composed, painted

CLASSES = ("anger", "fear", "happiness")


def make_rows() -> pd.DataFrame:
    """Two systems, two folds; of anger 3 of 4 are right, of fear 1 of 2, of happiness none of 2."""
    true = ["anger"] * 4 + ["fear"] * 2 + ["happiness"] * 2
    predicted = ["anger", "anger", "anger", "fear", "fear", "anger", "fear", "fear"]
    one = pd.DataFrame({"true": true, "predicted": predicted, "fold": [0, 1] * 4, "seed": 0, "subject": "t/1"})
    one = one.assign(**{f"p_{name}": 1 / 3 for name in CLASSES})
    return pd.concat([one.assign(system="a"), one.assign(system="b", predicted=true)], ignore_index=True)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def drawn(figure: Figure) -> np.ndarray:
    """The figure as pixels: drawing must not fail either."""
    memory = io.BytesIO()
    figure.savefig(memory, format="raw", dpi=50)
    return np.frombuffer(memory.getvalue(), np.uint8)


def test_confusion_matrix_shows_shares_and_counts() -> None:
    figure = figures.confusion_matrix(make_rows().query("system == 'a'"))
    cells = texts(figure)
    shares, counts = cells[0::2], cells[1::2]
    assert counts == ["3", "1", "0", "1", "1", "0", "0", "2", "0"]
    assert shares == ["75 %", "25 %", "0 %", "50 %", "50 %", "0 %", "0 %", "100 %", "0 %"]
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["anger (4)", "fear (2)", "happiness (2)"]
    np.testing.assert_allclose(axes.images[0].get_array()[0], [0.75, 0.25, 0])
    assert drawn(figure).std() > 0


def test_confusion_matrix_keeps_a_class_that_never_occurs() -> None:
    rows = make_rows().query("system == 'a' and true != 'happiness'")
    figure = figures.confusion_matrix(rows)
    assert "happiness (0)" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_fold_accuracy_shows_every_fold_of_every_system() -> None:
    rows = make_rows()
    axes = figures.fold_accuracy(rows).axes[0]
    points = [np.sort(np.asarray(dots.get_offsets())[:, 1]) for dots in axes.collections]
    right = rows["true"] == rows["predicted"]
    for system, heights in zip("ab", points, strict=True):
        mine = rows["system"] == system
        np.testing.assert_allclose(heights, np.sort(100 * right[mine].groupby(rows["fold"][mine]).mean()))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert "not seen in training" in axes.get_title()
    assert "seen" not in figures.fold_accuracy(rows.assign(subject="")).axes[0].get_title()


@pytest.fixture
def faces() -> Faces:
    """Four people, six classes; the last person shows anger only. A pixel's value is the row's number."""
    shown = [(person, name) for person in range(4) for name in SIX_EXPRESSIONS if person < 3 or name == "anger"]
    table = pd.DataFrame({"expression": [name for _, name in shown], "subject": [f"t/{3 - p}" for p, _ in shown]})
    pixels = np.arange(len(table), dtype=np.uint8)[:, None, None, None]
    return Faces(np.broadcast_to(pixels, (len(table), 8, 8, 3)), table)


def test_average_faces_puts_each_face_beside_what_it_became(faces: Faces) -> None:
    class Inverter:
        def average(self, faces: Faces) -> np.ndarray:
            return 255 - faces.pixels()

    averages = figures.class_averages(faces)
    figure = figures.average_faces(Inverter(), faces, averages, people=3)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == 6 * (2 * 3 + 1)
    rows = figures.pick_people(faces, 3)
    for i, name in enumerate(sorted(SIX_EXPRESSIONS)):
        line = shown[7 * i : 7 * i + 7]
        for j, row in enumerate(rows[name]):
            assert (line[2 * j] == row).all() and (line[2 * j + 1] == 255 - row).all()
            assert faces.expression[row] == name
        assert (line[6] == averages[name]).all()
    assert drawn(figure).std() > 0


def test_the_same_few_people_are_shown_in_every_class(faces: Faces) -> None:
    chosen = figures.pick_people(faces, 3)
    people = {tuple(faces.subject[rows]) for rows in chosen.values()}
    assert people == {("t/1", "t/2", "t/3")}  # the one with anger only comes last


def test_class_averages_are_means(faces: Faces) -> None:
    averages = figures.class_averages(faces)
    mine = np.flatnonzero(faces.expression == "fear")
    assert averages["fear"].shape == (8, 8, 3) and averages["fear"].dtype == np.uint8
    assert (averages["fear"] == np.rint(mine.mean())).all()


def test_loss_curves_have_a_panel_a_term_and_a_line_a_fold() -> None:
    history = pd.DataFrame(
        [
            {"stage": stage, "phase": "joint", "term": term, "fold": fold, "epoch": epoch, "value": fold + epoch}
            for stage in ("first", "second") for term in ("l1", "island") for fold in (0, 1) for epoch in (1, 2, 3)
        ]
    )  # fmt: skip
    figure = figures.loss_curves(history)
    assert len(figure.axes) == 4
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "first: joint, l1" and titles[3] == "second: joint, island"
    lines = figure.axes[2].lines
    assert len(lines) == 2 + 1
    np.testing.assert_allclose(lines[-1].get_xdata(), [4, 5, 6])  # the second stage follows the first
    np.testing.assert_allclose(lines[-1].get_ydata(), [1.5, 2.5, 3.5])
    assert drawn(figure).std() > 0


def test_loss_curves_of_one_fit_without_folds() -> None:
    history = pd.DataFrame({"stage": "s", "phase": "p", "term": "t", "epoch": [1, 2], "value": [2.0, np.nan]})
    assert len(figures.loss_curves(history).axes[0].lines) == 2


def test_a_transfer_grid_shows_faces_references_and_what_was_made() -> None:
    data = painted(4, 1)
    references, faces = data[[0, 4]], data[[6, 9, 7]]
    figure = figures.transfer_grid(Painter(), faces, references)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 2 + 3 * (1 + 2)
    made = composed(faces[[1]], references[[1]]).pixels()[0]
    assert any(np.array_equal(picture, made) for picture in shown)
    beside = figures.transfer_grid(Painter(lazy=True), faces, references, truth=composed)
    shown = [axes.images[0].get_array() for axes in beside.axes if axes.images]
    assert len(shown) == 2 + 3 * (1 + 4)
    assert any(np.array_equal(picture, made) for picture in shown)  # the truth: the lazy system did not make it
    assert drawn(beside).std() > 0


def test_a_transfer_grid_shows_the_crop_that_the_system_draws() -> None:
    class Cropping(Painter):
        image_size = 10

    faces = painted(2, 1)
    wide = Faces(np.pad(faces.pixels(), ((0, 0), (1, 1), (1, 1), (0, 0))), faces.table)
    Cropping.transfer = lambda self, faces, references: references.pixels()[:, 1:9, 1:9]  # type: ignore[method-assign]
    figure = figures.transfer_grid(Cropping(), wide[[3]], wide[[0]])
    for axes in figure.axes:
        for image in axes.images:
            assert image.get_array().shape == (8, 8, 3) and image.get_array().min() > 0


def test_a_representation_map_draws_everything_twice_and_names_expressions() -> None:
    faces = painted(5, 2)
    figure = figures.representation_map(Painter().transform(faces), faces.subject, faces.expression)
    counts = [sum(len(dots.get_offsets()) for dots in axes.collections) for axes in figure.axes]
    assert counts == [30, 30]
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["anger", "fear", "happiness"]
    assert drawn(figure).std() > 0
    assert drawn(figures.representation_map(np.ones((30, 4)), faces.subject, faces.expression)).std() > 0
    with pytest.raises(ValueError, match="3 representations are too few"):
        figures.representation_map(np.ones((3, 4)), faces.subject[:3], faces.expression[:3])
