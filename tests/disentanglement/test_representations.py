"""What a representation holds is found where it was put, and nothing is found where it was not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis import load
from ferdis.disentanglement.representations import (
    framed,
    known_factors,
    representation_records,
    some_of_each,
    summary,
    swap_pairs,
)
from ferdis.faces import Faces
from tests.painted import CLASSES, Features, Painter, painted


@pytest.fixture(scope="module")
def faces() -> Faces:
    return painted(people=8, each=4)


def test_each_code_says_its_own_and_no_other(faces):
    expression, identity = representation_records("painter", Painter(), faces)
    assert (expression["representation"], identity["representation"]) == (
        "expression representation",
        "identity representation",
    )
    for suffix in ("", "_nearest"):
        assert expression[f"expression{suffix}"] > 0.95 and identity[f"identity{suffix}"] > 0.95
        assert expression[f"identity{suffix}"] < 0.3 and identity[f"expression{suffix}"] < 0.6
    assert expression["identity_chance"] == 1 / 8 and expression["expression_chance"] == 1 / 3
    assert (expression["people"], expression["images"], expression["dimensions"]) == (8, 96, 8)
    assert expression["note"] == identity["note"] == ""  # an identity representation need not know expressions


def test_swap_consistency_of_an_exact_transfer_and_of_none(faces):
    exact, whose = representation_records("painter", Painter(), faces)
    assert exact["swap_source"] > 0.99 and exact["swap_target"] < 0.3 and exact["swap_agreement"] == 1
    assert whose["swap_target"] > 0.99 and whose["swap_source"] < 0.3
    lazy, _ = representation_records("lazy", Painter(lazy=True), faces)
    assert lazy["swap_target"] > 0.99 and lazy["swap_source"] < 0.3 and lazy["swap_agreement"] == 0


def test_a_collapsed_code_cannot_pass(faces):
    record, _ = representation_records("collapsed", Painter(collapsed=True), faces)
    assert record["note"] == "collapsed: the same representation for every image"
    assert record["effective_dimensions"] == 0 and abs(record["identity"] - 1 / 8) < 0.02


def test_a_code_of_noise_is_remarked_upon(faces):
    class Noise:
        def transform(self, faces: Faces) -> np.ndarray:
            return np.random.default_rng(0).normal(size=(len(faces), 8))

    (record,) = representation_records("noise", Noise(), faces)
    assert record["representation"] == "features" and "holds nothing of expression" in record["note"]


def test_summary_compares_with_the_baseline(faces):
    systems = {"cnn": Features(), "painter": Painter(), "leaking": Painter(leak=True)}
    rows = pd.DataFrame(
        [record for name, system in systems.items() for record in representation_records(name, system, faces)]
    )
    table = summary(rows, "cnn").set_index(["system", "representation"])
    assert table.loc[("cnn", "features"), "identity_ratio"] == pytest.approx(1)
    assert table.loc[("painter", "expression representation"), "identity_ratio"] < 0.2
    assert table.loc[("leaking", "expression representation"), "identity_ratio"] > 0.9
    with pytest.raises(ValueError, match="no system 'resnet' in this run: there are cnn, painter, leaking"):
        summary(rows, "resnet")
    assert "identity_ratio" not in summary(rows)


def test_ratios_are_of_what_is_above_chance_and_deviations_over_folds():
    """(0.40 - 0.10) / (0.70 - 0.10); none of a baseline that is hardly above chance."""
    known = {"representation": "features", "identity_chance": 0.10, "expression": 0.5, "note": ""}
    rows = pd.DataFrame(
        [{"fold": 0, "system": "cnn", "identity": 0.70, "identity_nearest": 0.14, **known},
         {"fold": 0, "system": "gan", "identity": 0.30, "identity_nearest": 0.12, **known},
         {"fold": 1, "system": "gan", "identity": 0.50, "identity_nearest": 0.12, **known, "expression": 0.8},
         {"fold": 0, "system": "blind", "identity": 0.05, "identity_nearest": 0.10, **known}]
    )  # fmt: skip
    table = summary(rows, "cnn").set_index("system")
    assert table["identity"].tolist() == pytest.approx([0.7, 0.4, 0.05]) and "fold" not in table
    assert table["identity_ratio"].tolist() == pytest.approx([1, 0.5, 0])
    assert table["identity_nearest_ratio"].isna().all() and table["fits"].tolist() == [1, 2, 1]
    assert table.loc["gan", ["identity_std", "expression_std"]].tolist() == pytest.approx([0.02**0.5, 0.045**0.5])


def test_notes_say_in_how_many_fits():
    known = {"system": "p", "representation": "features", "identity": 0.5, "expression": 0.5}
    table = summary(pd.DataFrame([{**known, "note": note} for note in ("", "collapsed", "collapsed")]))
    assert table["note"].item() == "collapsed (2 of 3 fits)"
    assert summary(pd.DataFrame([{**known, "note": "collapsed"}] * 2))["note"].item() == "collapsed"


def test_factors_are_those_known_and_varying():
    drawn = load("synthetic", people=2, expressions="fear,neutral", images_per_expression=1, image_size=32, cache=False)
    found = known_factors(drawn)
    assert {"person", "AU01", "yaw", "light_azimuth"} <= set(found) and len(found["yaw"]) == 4
    table = drawn.to_frame().assign(AU01=1.0)
    table.loc[0, "AU02"] = np.nan
    assert not {"AU01", "AU02"} & set(known_factors(drawn.with_table(table)))
    assert known_factors(painted(2)) == {}


def test_alignment_is_measured_where_factors_are_known():
    drawn = load("synthetic", people=4, expressions="fear,neutral", images_per_expression=2, image_size=32, cache=False)

    class Reader:
        def transform(self, faces: Faces) -> np.ndarray:
            return faces.table[["yaw", "AU04"]].to_numpy()

    (record,) = representation_records("reader", Reader(), drawn)
    assert {"mig", "disentanglement", "completeness", "informativeness", "sap"} <= set(record)
    (plain,) = representation_records("features", Features(), painted())
    assert "mig" not in plain


def test_pairs_are_of_other_people_with_other_expressions(faces):
    sources, targets = swap_pairs(faces, seed=1)
    assert sorted(targets) == list(range(len(faces)))
    assert (faces.subject[sources] != faces.subject[targets]).all()
    assert (faces.expression[sources] != faces.expression[targets]).all()
    np.testing.assert_array_equal(sources, swap_pairs(faces, seed=1)[0])
    with pytest.raises(ValueError, match="two people with different expressions"):
        swap_pairs(faces[faces.expression == CLASSES[0]])


def test_a_frame_gives_back_the_very_crop():
    class System:
        image_size = 11

    made = painted(2).pixels()
    whole = framed(made, painted(2), System())
    start = (11 - 8) // 2
    assert whole.shape[1:3] == (11, 11)
    np.testing.assert_array_equal(whole.pixels()[:, start : start + 8, start : start + 8], made)
    ends = np.clip(np.arange(11) - start, 0, 7)  # the border repeated
    np.testing.assert_array_equal(whole.pixels(), made[:, ends][:, :, ends])
    np.testing.assert_array_equal(framed(made, painted(2), object()).pixels(), made)


def test_so_many_images_of_each(faces):
    some = some_of_each(faces, 5, seed=2)
    assert set(np.unique(some.subject, return_counts=True)[1]) == {5} and len(some) == 40
    assert list(some.table["path"]) == list(some_of_each(faces, 5, seed=2).table["path"])
    assert list(some.table["path"]) != list(some_of_each(faces, 5, seed=3).table["path"])
    assert list(some.table.index) == sorted(some.table.index) and some.table["path"].is_unique
    with pytest.raises(ValueError, match="t/P00 has 12 images, 13 are asked for"):
        some_of_each(faces, 13)


def test_what_is_no_code_is_one_clear_line(faces):
    class Flat:
        def transform(self, faces: Faces) -> np.ndarray:
            return np.ones(len(faces))

    with pytest.raises(ValueError, match=r"system 'flat'.* shape \(96,\)"):
        representation_records("flat", Flat(), faces)
    with pytest.raises(ValueError, match=r"system 'none' \(object\) has no representations"):
        representation_records("none", object(), faces)


def test_identity_is_read_of_people_with_two_images_alone(faces):
    first = pd.Series(faces.subject).drop_duplicates().index.to_numpy()
    alone = np.r_[first[:3], np.flatnonzero(np.isin(faces.subject, np.unique(faces.subject)[3:]))]
    several = alone[3:]
    (mixed,) = representation_records("painter", Features(), faces[np.sort(alone)])
    (without,) = representation_records("painter", Features(), faces[several])
    assert mixed["identity_images"] == len(several) == mixed["images"] - 3
    assert mixed["identity"] == without["identity"] and mixed["identity_chance"] == without["identity_chance"]
    (single,) = representation_records("painter", Features(), faces[first[:3] + np.array([0, 4, 8])])
    assert np.isnan([single["identity"], single["identity_nearest"], single["identity_chance"]]).all()
    assert single["identity_images"] == 0 and single["expression_chance"] > 0
