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


def test_a_cell_stands_in_the_row_of_the_true_and_the_column_of_the_predicted_class() -> None:
    cells: dict[tuple[int, int], list[str]] = {}
    for text in figures.confusion_matrix(make_rows().query("system == 'a'")).axes[0].texts:
        across, down = text.get_position()
        cells.setdefault((round(down), round(across)), []).append(text.get_text())
    assert cells[0, 1] == ["25 %", "1"] and cells[1, 0] == ["50 %", "1"] and cells[2, 1] == ["100 %", "2"]
    assert cells[1, 2] == ["0 %", "0"]


def test_a_fold_of_each_seed_is_a_point_and_chance_is_of_all_classes() -> None:
    one = make_rows().query("system == 'a'")
    axes = figures.fold_accuracy(pd.concat([one, one.assign(seed=1, predicted=one["true"])])).axes[0]
    assert sorted(np.asarray(axes.collections[0].get_offsets())[:, 1]) == [25, 75, 100, 100]
    assert axes.get_title().startswith("4 folds")
    axes = figures.fold_accuracy(one[one["true"] != "happiness"]).axes[0]  # which still has its probability
    (text,) = axes.texts
    assert text.get_text() == "1/3" and text.get_position()[1] == pytest.approx(100 / 3)
    mostly = one.assign(subject=["t/1"] * 7 + [""])
    assert figures.fold_accuracy(mostly).axes[0].get_title() == "2 folds"


def test_reliability_by_hand() -> None:
    confidence = [0.95, 0.95, 0.95, 0.95, 0.61, 0.69]
    rows = pd.DataFrame({"system": "a", "true": ["joy"] * 6, "p_joy": confidence})
    rows["p_joy"] = rows["p_joy"].where([True, True, True, False, True, False], 1 - rows["p_joy"])
    rows = rows.assign(p_fear=1 - rows["p_joy"], predicted=np.where(rows["p_joy"] > 0.5, "joy", "fear"))
    above, below = figures.reliability(rows, bins=10).axes
    points = above.lines[-1]
    np.testing.assert_allclose(points.get_xdata(), [0.65, 0.95])
    np.testing.assert_allclose(points.get_ydata(), [0.5, 0.75])
    assert [bar.get_height() for bar in below.patches] == [0, 0, 0, 0, 0, 0, 2, 0, 0, 4]
    assert above.get_title() == "a: ECE 18.3 %"  # (2 x 0.15 + 4 x 0.2) / 6; of 15 bins 31.3 %


def test_a_group_has_a_dot_and_an_interval_of_each_systems_colour() -> None:
    records = pd.DataFrame(
        [("gender", "f", "a", 7, 21, 0.5, 0.4, 0.7), ("gender", "f", "b", 7, 21, 0.2, 0.1, 0.3),
         ("gender", "m", "a", 0, 9, 0.6, 0.5, 0.8), ("gender", "m", "b", 0, 9, 0.3, 0.2, 0.6)],
        columns=["attribute", "group", "system", "people", "images", "uar", "low", "high"],
    )  # fmt: skip
    axes = figures.group_recall(records).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gender: f (7)", "gender: m (9)"]
    drawn = axes.lines[: 2 * len(records)]
    assert [line.get_color() for line in drawn] == [*figures.COLOURS[:1] * 2, *figures.COLOURS[1:2] * 2] * 2
    np.testing.assert_allclose([line.get_xdata() for line in drawn[::2]], [[40, 70], [10, 30], [50, 80], [20, 60]])
    np.testing.assert_allclose([line.get_xdata()[0] for line in drawn[1::2]], [50, 20, 60, 30])


def test_a_transfer_stands_beside_its_face_and_below_its_reference() -> None:
    data = painted(4, 1)
    references, faces = data[[0, 4]], data[[6, 9, 7]]
    figure = figures.transfer_grid(Painter(), faces, references)
    shown: dict[tuple[int, int], np.ndarray] = {}
    for axes in figure.axes:
        if axes.images:
            place = axes.get_subplotspec()
            shown[place.rowspan.start, place.colspan.start] = axes.images[0].get_array()  # type: ignore[union-attr]
    for i in range(3):
        np.testing.assert_array_equal(shown[i + 1, 0], faces.pixels([i])[0])
        for k in range(2):
            np.testing.assert_array_equal(shown[i + 1, 2 + k], composed(faces[[i]], references[[k]]).pixels()[0])
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["anger", "fear"]


def test_a_representation_map_is_of_scaled_dimensions_and_of_its_seed() -> None:
    faces = painted(4, 1)
    codes = Painter().transform(faces)

    def places(codes: np.ndarray, **options: int) -> np.ndarray:
        axes = figures.representation_map(codes, faces.subject, faces.expression, **options).axes[0]
        return np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])

    once = places(codes)
    np.testing.assert_allclose(places(codes * 2.0 ** np.arange(8)), once)
    assert np.abs(places(codes, seed=1) - once).max() > 1


def test_class_averages_are_rounded_means_of_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_BLOCK", 2)
    pixels = np.array([1, 2, 2], np.uint8)[:, None, None, None] * np.ones((2, 2, 3), np.uint8)
    averages = figures.class_averages(Faces(pixels, pd.DataFrame({"expression": ["fear"] * 3})))
    assert (averages["fear"] == 2).all()  # of 5/3


def test_stages_of_several_lengths_follow_one_another() -> None:
    lengths = {"first": 3, "second": 2, "third": 2}
    history = pd.DataFrame([{"stage": stage, "phase": "p", "term": "t", "epoch": epoch, "value": 1.0}
                            for stage, length in lengths.items() for epoch in range(1, length + 1)])  # fmt: skip
    shown = [axes.lines[-1].get_xdata().tolist() for axes in figures.loss_curves(history).axes]  # type: ignore[union-attr]
    assert shown == [[1, 2, 3], [4, 5], [6, 7]]
