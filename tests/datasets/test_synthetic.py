from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.datasets.synthetic.dataset import (
    ASYMMETRY_COLUMNS,
    LANDMARK_COLUMNS,
    counterpart,
    load_synthetic,
    nearest_expression,
    region_masks,
    with_action_units,
    write_images,
)
from ferdis.datasets.synthetic.lazy import CHUNK
from ferdis.datasets.synthetic.scene import SCENE_NAMES
from ferdis.faces import ACTION_UNITS, AU_COLUMNS, EXPRESSIONS, SEVEN_EXPRESSIONS, Faces


@pytest.fixture(scope="module")
def faces() -> Faces:
    return load_synthetic(3, 8, 1, 64, seed=7, cache=False)


@pytest.fixture(scope="module")
def pixels(faces: Faces) -> np.ndarray:
    return faces.pixels()


def near(a: np.ndarray, b: np.ndarray) -> bool:
    """99.9 % of the values within one grey level: what is promised across machines."""
    return (np.abs(a.astype(int) - b.astype(int)) <= 1).mean() >= 0.999


def test_rows_and_columns(faces: Faces):
    table = faces.table
    assert len(faces) == 24 and faces.shape == (24, 64, 64, 3)
    assert faces.classes == EXPRESSIONS and len(set(faces.subject)) == 3
    assert faces.subject[0] == "synthetic/s7/P0000"
    assert table["path"].is_unique and table["path"][0] == "synthetic/s7/P0000/normal/anger-1"
    for name in (*AU_COLUMNS, *ASYMMETRY_COLUMNS, *SCENE_NAMES, *LANDMARK_COLUMNS, "intensity", "asymmetry"):
        assert table[name].notna().all(), name
    assert {"yaw", "pitch", "roll", "light_azimuth"} <= set(table.columns)
    assert table[list(AU_COLUMNS)].to_numpy().min() >= 0 and table[list(AU_COLUMNS)].to_numpy().max() <= 5
    assert set(table["difficulty"]) == {"normal"}


def test_pictures_are_faces_not_blanks(pixels: np.ndarray):
    assert pixels.dtype == np.uint8
    assert (pixels.std(axis=(1, 2, 3)) > 15).all()


def test_same_seed_same_pixels(pixels: np.ndarray):
    assert near(load_synthetic(3, 8, 1, 64, seed=7, cache=False).pixels(), pixels)


def test_another_seed_other_people(pixels: np.ndarray):
    other = load_synthetic(3, 8, 1, 64, seed=8, cache=False)
    assert other.subject[0] == "synthetic/s8/P0000"
    assert not near(other.pixels(), pixels)


def test_pixels_do_not_depend_on_company(faces: Faces, pixels: np.ndarray):
    rows = np.array([17, 3, 20, 3])
    assert np.array_equal(faces[rows].pixels(), pixels[rows])
    for row in (0, CHUNK, 23):
        assert np.array_equal(faces.images[row], pixels[row])


def test_a_row_does_not_depend_on_which_were_asked_for(faces: Faces, pixels: np.ndarray):
    wanted = np.flatnonzero((faces.expression == "fear") & (faces.subject == "synthetic/s7/P0002"))
    alone = load_synthetic(1, ["fear"], 1, 64, seed=7, first_person=2, cache=False)
    pd.testing.assert_frame_equal(alone.table, faces[wanted].table, check_exact=False)
    assert np.array_equal(alone.pixels(), pixels[wanted])


def test_landmarks_are_in_order_and_inside(faces: Faces):
    points = faces.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    assert ((points > 0) & (points < 64)).all()
    assert (points[:, 0, 0] < points[:, 1, 0]).all() and (points[:, 3, 0] < points[:, 4, 0]).all()
    assert (points[:, :2, 1].mean(1) < points[:, 2, 1]).all() and (points[:, 2, 1] < points[:, 3, 1]).all()


def test_landmarks_scale_with_the_picture(faces: Faces):
    large = load_synthetic(1, 8, 1, 128, seed=7, cache=False).table[list(LANDMARK_COLUMNS)].to_numpy()
    small = faces.table[list(LANDMARK_COLUMNS)].to_numpy()[:8]
    assert np.abs(large / 2 - small).max() < 0.6


def test_cache_keeps_what_was_drawn(faces: Faces, pixels: np.ndarray, tmp_path, monkeypatch):
    kept = load_synthetic(3, 8, 1, 64, seed=7, cache=str(tmp_path))
    assert np.array_equal(kept.pixels([5, 6]), pixels[[5, 6]])
    again = load_synthetic(3, 8, 1, 64, seed=7, cache=str(tmp_path))
    monkeypatch.setattr("ferdis.datasets.synthetic.lazy.render", None)  # whatever is drawn now, fails
    assert np.array_equal(again.pixels([6, 5, 6]), pixels[[6, 5, 6]])
    with pytest.raises(TypeError):
        again.pixels([20])


def test_no_order_of_reading_decides_what_the_cache_holds(tmp_path):
    """Alone or beside others, one image of ten differs by up to three grey levels: the cache draws whole chunks."""
    arguments = {"people": 7, "expressions": 6, "images_per_expression": 1, "image_size": 72, "seed": 3}
    load_synthetic(**{**arguments, "people": 3}, cache=str(tmp_path / "a")).pixels()  # a set that has some of the rows
    one = load_synthetic(**arguments, cache=str(tmp_path / "a"))
    other = load_synthetic(**arguments, cache=str(tmp_path / "b"))
    alone = {row: one.pixels([row])[0] for row in (30, 3, 17, 39)}
    assert np.array_equal(one.pixels(), other.pixels())
    assert all(np.array_equal(image, other.pixels([row])[0]) for row, image in alone.items())
    assert one.digest() == other.digest()
    assert near(one.pixels(), load_synthetic(**arguments, cache=False).pixels())


def test_cache_travels_to_a_worker(pixels: np.ndarray, tmp_path):
    kept = load_synthetic(3, 8, 1, 64, seed=7, cache=str(tmp_path))
    kept.pixels([0])
    assert np.array_equal(pickle.loads(pickle.dumps(kept)).pixels([0, 1]), pixels[:2])  # noqa: S301


def test_cache_in_an_impossible_place_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    kept = load_synthetic(1, ["fear"], 1, 64, cache=str(tmp_path / "file"))
    with pytest.raises(ValueError, match="cache="):
        kept.pixels()


def test_counterpart_keeps_person_and_scene(faces: Faces):
    who, what = faces[faces.subject == "synthetic/s7/P0000"], faces[faces.subject == "synthetic/s7/P0001"][::-1]
    made = counterpart(who, expression_of=what)
    assert list(made.subject) == list(who.subject)
    assert np.array_equal(made.table[list(SCENE_NAMES)], who.table[list(SCENE_NAMES)])
    shown = [*AU_COLUMNS, *ASYMMETRY_COLUMNS, "asymmetry", "intensity"]
    assert np.array_equal(made.table[shown], what.table[shown])
    assert list(made.expression) == list(what.expression)
    assert made.table["path"].is_unique and not set(made.table["path"]) & set(faces.table["path"])


def test_counterpart_of_itself_is_itself(faces: Faces, pixels: np.ndarray):
    assert np.array_equal(counterpart(faces, expression_of=faces).pixels(), pixels)


def test_counterpart_changes_the_face_and_not_the_background(faces: Faces, pixels: np.ndarray):
    neutral = np.flatnonzero(faces.expression == "neutral")
    made = counterpart(faces[neutral], expression_of=faces[np.flatnonzero(faces.expression == "surprise")[:1]])
    change = np.abs(made.pixels().astype(int) - pixels[neutral]).mean(axis=3)
    corner = change[:, :8, :8].mean()
    mouth = np.stack([c[m].mean() for c, m in zip(change, region_masks(made)["mouth"], strict=True)])
    assert (mouth > 3).all() and mouth.mean() > 5 * corner


def test_counterpart_survives_a_csv(faces: Faces, pixels: np.ndarray, tmp_path):
    faces.table.to_csv(tmp_path / "t.csv", index=False)
    read = Faces(pixels, pd.read_csv(tmp_path / "t.csv"))
    assert np.array_equal(counterpart(read, expression_of=read).pixels([3]), pixels[[3]])


def test_counterpart_refuses_strangers(faces: Faces):
    with pytest.raises(ValueError, match="24 rows for 2"):
        counterpart(faces[:2], expression_of=faces)
    stranger = Faces(np.zeros((2, 64, 64, 3), np.uint8), pd.DataFrame({"expression": ["fear", "anger"]}))
    with pytest.raises(ValueError, match="subject"):
        counterpart(stranger, expression_of=faces[:1])
    table = faces[:2].to_frame()
    table.loc[1, "subject"] = "ck/S005"
    with pytest.raises(ValueError, match="row 1"):
        counterpart(faces[:2].with_table(table), expression_of=faces[:1])


def test_action_units_can_be_set(faces: Faces):
    still = with_action_units(faces[:3], np.zeros(len(ACTION_UNITS)))
    assert set(still.expression) == {"neutral"} and (still.table["intensity"] == 0).all()
    smile = pd.DataFrame([dict.fromkeys(AU_COLUMNS, 0.0) | {"AU06": 4.0, "AU12": 5.0, "AU25": 3.0}] * 3)
    made = with_action_units(still, smile)
    assert set(made.expression) == {"happiness"}
    assert (made.table["AU12"] == 5).all() and made.table["path"].is_unique
    assert (made.table["intensity"] == 1).all() and faces.table["asymmetry"][:3].min() > 0
    assert (made.table[["asymmetry", *ASYMMETRY_COLUMNS]] == 0).all(axis=None)  # both halves get the same
    with pytest.raises(ValueError, match=r"0\.\.5"):
        with_action_units(still, np.full(17, 6.0))
    with pytest.raises(ValueError, match="shape"):
        with_action_units(still, np.zeros((2, 17)))


def test_prototypes_are_their_own_nearest():
    surprise = np.array([{1: 4.0, 2: 4.0, 5: 3.0, 25: 4.0, 26: 4.0}.get(unit, 0.0) for unit in ACTION_UNITS])
    assert nearest_expression(surprise) == "surprise"
    assert nearest_expression(np.zeros(17)) == "neutral"
    parted = np.array([{12: 0.3, 25: 4.0}.get(unit, 0.0) for unit in ACTION_UNITS])
    assert nearest_expression(parted) == "happiness"  # by direction: surprise has more of unit 25, and of all else


def test_contempt_is_one_sided():
    table = load_synthetic(6, ["contempt", "happiness"], 2, 32, seed=1, cache=False).table
    contempt = table[table["expression"] == "contempt"]
    assert (contempt["AU14_asymmetry"].abs() > 1).mean() > 0.7
    assert set(np.sign(contempt["AU14_asymmetry"])) == {-1, 1}
    assert (table[table["expression"] == "happiness"]["AU12_asymmetry"].abs() < 2).all()


def test_sequences_unfold(faces: Faces):
    films = load_synthetic(2, 7, 1, 64, seed=7, sequences=True, frames=5, cache=False)
    table = films.table
    assert len(films) == 2 * 6 * 5 and table["path"].is_unique
    assert table["sequence"].nunique() == 12 and set(table["frame"]) == {1, 2, 3, 4, 5}
    for name, film in table.groupby("sequence"):
        assert list(film["expression"][:1]) == ["neutral"] and film["expression"].iloc[1:].nunique() == 1
        assert np.all(np.diff(film["intensity"]) > 0) and film["intensity"].iloc[0] == 0
        assert film[["yaw", "light_azimuth"]].nunique().eq(1).all()
        apex = faces.table[faces.table["path"] == name]
        assert np.allclose(film[list(AU_COLUMNS)].iloc[-1], apex[list(AU_COLUMNS)].iloc[0])
    film = films[table["sequence"] == "synthetic/s7/P0001/normal/surprise-1"].pixels().astype(int)
    change = np.abs(film - film[0]).mean(axis=(1, 2, 3))
    assert change[1] < change[2] < change[3]


def test_independent_units_are_independent():
    table = load_synthetic(40, "action_units", 15, 32, seed=3, cache=False).table
    units = table[list(AU_COLUMNS)].to_numpy()
    correlation = np.corrcoef(units.T) - np.eye(17)
    assert np.abs(correlation).max() < 0.2
    assert 0.2 < (units > 0).mean() < 0.4 and units.max() > 4.5


def test_populations_give_disjoint_people():
    first = load_synthetic(2, ["fear"], 1, 32, cache=False)
    second = load_synthetic(2, ["fear"], 1, 32, first_person=2, cache=False)
    assert not set(first.subject) & set(second.subject)


def test_written_images_are_read_back(faces: Faces, pixels: np.ndarray, tmp_path):
    table = pd.read_csv(write_images(faces[:9], tmp_path / "out"))
    assert list(table["path"][:1]) == ["images/s7/P0000/normal/anger-1.png"]
    for row in (0, 8):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / table["path"][row])), pixels[row])
    assert list(table["subject"]) == list(faces.subject[:9])
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="another folder"):
        write_images(faces[:1], tmp_path / "file")
    with pytest.raises(ValueError, match="path"):
        write_images(Faces.concat([faces[:1], faces[:1]]), tmp_path)


def test_manifest_reads_them_back(faces: Faces, pixels: np.ndarray, tmp_path):
    manifest = pytest.importorskip("ferdis.datasets.manifest")
    write_images(faces[:3], tmp_path)
    read = manifest.load_manifest(tmp_path, image_size=64, align=False, cache=False)
    assert np.array_equal(read.pixels(), pixels[:3])
    assert list(read.expression) == list(faces.expression[:3])
    assert np.allclose(read.table["AU12"], faces.table["AU12"][:3])


def test_the_registry_knows_it():
    import ferdis.datasets

    assert len(ferdis.datasets.load("synthetic", people=1, expressions=6, images_per_expression=1, image_size=32)) == 6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"people": 0}, "people=0"),
        ({"people": 2.5}, "people=2.5"),
        ({"expressions": 5}, "expressions=5"),
        ({"expressions": ["joy"]}, "joy"),
        ({"expressions": []}, "expressions="),
        ({"images_per_expression": 0}, "images_per_expression=0"),
        ({"image_size": 8}, "image_size=8"),
        ({"difficulty": "brutal"}, "brutal"),
        ({"seed": -1}, "seed=-1"),
        ({"first_person": -1}, "first_person=-1"),
        ({"intensity": 2.0}, "intensity=2.0"),
        ({"sequences": True, "frames": 1}, "frames=1"),
        ({"sequences": True, "expressions": ["neutral"]}, "sequences"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, named: str):
    with pytest.raises(ValueError, match=named) as raised:
        load_synthetic(**{"people": 1, "image_size": 32, "cache": False} | arguments)
    assert "\n" not in str(raised.value)


def test_an_intensity_that_is_asked_for_is_every_image_s():
    faint, full = (load_synthetic(1, ["fear"], 3, 32, intensity=share, cache=False).table for share in (0.25, 1.0))
    assert faint["intensity"].tolist() == [0.25] * 3 and faint["path"].str.endswith("-at-0.25").all()
    assert (faint[["AU01", "AU04"]].mean(axis=1) < full[["AU01", "AU04"]].mean(axis=1) - 1).all()


def test_names_may_come_as_one_string():
    assert load_synthetic(1, "fear, anger", 1, 32, cache=False).classes == ("anger", "fear")
    assert load_synthetic(1, "7", 1, 32, cache=False).classes == SEVEN_EXPRESSIONS
