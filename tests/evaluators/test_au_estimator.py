"""The estimator of action units: it learns, knows whom it has not seen, and says so wherever it is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.metrics.action_units import action_unit_agreement


def faces(n: int = 120, people: int = 10, seed: int = 0) -> Faces:
    """AU12 is how bright a bar at the mouth is, AU04 one at the brows; AU01 is always 0, AU45 not coded."""
    random = np.random.default_rng(seed)
    units = pd.DataFrame(np.nan, index=range(n), columns=list(AU_COLUMNS))
    units["AU12"], units["AU04"], units["AU01"] = random.uniform(0, 5, n), random.uniform(0, 5, n), 0.0
    images = random.integers(0, 30, (n, 32, 32, 3)).astype(np.uint8)
    images[:, 20:26, 6:26] += (units["AU12"].to_numpy() * 40).astype(np.uint8)[:, None, None, None]
    images[:, 6:10, 6:26] += (units["AU04"].to_numpy() * 40).astype(np.uint8)[:, None, None, None]
    return Faces(images, units.assign(expression="neutral", subject=[f"t/{k % people}" for k in range(n)]))


def tiny(**changes) -> AUEstimator:
    sizes = {"channels": (8, 16, 16), "depths": (1, 1, 1), "image_size": 32, "progress": False}
    return AUEstimator.small(**{**sizes, "epochs": 12, "batch_size": 24, **changes})


@pytest.fixture(scope="module")
def fitted() -> AUEstimator:
    return tiny().fit(faces())


def test_learns_and_states_its_error(fitted: AUEstimator) -> None:
    unseen = faces(60, seed=5)
    found = fitted.predict(unseen)
    assert found.shape == (60, 17) and found.dtype == np.float32
    assert {name for name, ok in zip(AU_COLUMNS, ~np.isnan(found).all(0), strict=True) if ok} == {
        "AU01",
        "AU04",
        "AU12",
    }
    agreement = action_unit_agreement(unseen.table[list(AU_COLUMNS)], found)
    assert agreement.pcc > 0.8
    assert fitted.error_.pcc == pytest.approx(agreement.pcc, abs=0.15)
    assert "24 images of 2 people it never saw; without AU01, " in fitted.own
    assert fitted.notes_ == [f"AUEstimator: {fitted.own}"]


def test_held_out_people_are_not_learned_from() -> None:
    """With other images of the people held out the network is the same; only the error is another."""
    data = faces()
    chosen = np.random.default_rng(0).permutation(np.unique(data.subject))[:2]
    out = np.isin(data.subject, chosen)
    pixels = data.pixels().copy()
    pixels[out] = 255 - pixels[out]
    first, second = (tiny(epochs=1).fit(d) for d in (data, Faces(pixels, data.table)))
    np.testing.assert_array_equal(first.predict(data[:5]), second.predict(data[:5]))
    assert first.error_.mse != second.error_.mse


def test_annotates_and_says_so(fitted: AUEstimator) -> None:
    bare = Faces(faces(6).pixels(), faces(6).table[["expression", "subject"]], {"notes": ["old"], "dataset": "toy"})
    told = fitted.annotate(bare)
    np.testing.assert_allclose(told.table["AU12"], fitted.predict(bare)[:, 8])
    assert told.attrs["notes"] == ["old", f"action units estimated by AUEstimator ({fitted.own})"]
    assert told.attrs["dataset"] == "toy"
    some = told.to_frame()
    some.loc[1:, list(AU_COLUMNS)] = np.nan
    with pytest.raises(ValueError, match="1 faces have action units already"):
        fitted.annotate(told.with_table(some))
    with pytest.raises(ValueError, match="overwrite=True"):
        fitted.annotate(told)
    assert fitted.annotate(told, overwrite=True).table.equals(told.table)


def test_a_score_is_the_correlation_with_the_codes_given(fitted: AUEstimator) -> None:
    data = faces(20, seed=5)
    found = fitted.predict(data)
    assert fitted.score(data, 0.5 * found) == pytest.approx(1), "half as strong, and as ordered"
    assert fitted.score(data) < 0.999


def test_people_that_it_knows_are_refused(fitted: AUEstimator) -> None:
    fitted.refuse_overlap(faces(4).with_table(faces(4).to_frame().assign(subject="t/new")))
    with pytest.raises(ValueError, match="the AUEstimator was trained on t/0"):
        fitted.refuse_overlap(faces(4))


def test_reads_pictures_of_any_size(fitted: AUEstimator) -> None:
    data = faces(4)
    np.testing.assert_array_equal(fitted.predict(data.pixels()), fitted.predict(data))
    large = np.repeat(np.repeat(data.pixels(), 2, 1), 2, 2)
    assert np.nanmax(np.abs(fitted.predict(large) - fitted.predict(data))) < 1  # resizing blurs a little


def test_saves_and_loads(fitted: AUEstimator, tmp_path) -> None:
    again = AUEstimator.load(fitted.save(tmp_path))
    np.testing.assert_array_equal(again.predict(faces(3)), fitted.predict(faces(3)))
    pd.testing.assert_frame_equal(again.error_.table, fitted.error_.table)
    assert again.own == fitted.own and again.people_ == fitted.people_ and again.coded_ == fitted.coded_


def test_missing_units_are_masked() -> None:
    data = faces()
    table = data.to_frame()
    table.loc[np.arange(len(table)) // 10 % 2 == 0, "AU12"] = np.nan
    half = tiny().fit(Faces(data.pixels(), table))
    assert half.error_.table.loc["AU12", "n"] < half.error_.table.loc["AU04", "n"] == 24
    assert half.score(faces(40, seed=7)) > 0.6


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (faces(10, people=1), {}, "1 people are too few"),
        (faces(10), {"held_out": 1.0}, r"held_out=1\.0"),
        (Faces(faces(10).pixels(), faces(10).table[["expression", "subject"]]), {}, "none of the 10 faces"),
    ],
)
def test_bad_input(data: Faces, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**changes).fit(data)
