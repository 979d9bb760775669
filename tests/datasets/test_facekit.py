from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferdis.datasets import load
from ferdis.datasets.facekit.dataset import counterpart, load_facekit, region_masks, with_action_units
from ferdis.datasets.facekit.model import SHAPES, load_model
from ferdis.datasets.facekit.scene import SCENE_NAMES
from ferdis.datasets.rendered import ASYMMETRY_COLUMNS, LANDMARK_COLUMNS
from ferdis.datasets.synthetic import dataset as synthetic
from ferdis.datasets.synthetic.dataset import load_synthetic
from ferdis.faces import ACTION_UNITS, AU_COLUMNS, EXPRESSIONS, Faces
from tests.datasets.facekit_model import make_model, write_checkout, write_model


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("facekit"))


@pytest.fixture(scope="module")
def faces(root: Path) -> Faces:
    return load_facekit(root, 2, 8, 1, 48, seed=7, cache=False)


@pytest.fixture(scope="module")
def pixels(faces: Faces) -> np.ndarray:
    return faces.pixels()


def test_rows_and_columns(faces: Faces):
    table = faces.table
    assert len(faces) == 16 and faces.shape == (16, 48, 48, 3) and faces.classes == EXPRESSIONS
    assert faces.subject[0] == "facekit/s7/P0000" and len(set(faces.subject)) == 2
    assert table["path"].is_unique and table["path"][0] == "facekit/s7/P0000/normal/anger-1"
    for name in (*AU_COLUMNS, *ASYMMETRY_COLUMNS, *SCENE_NAMES, *LANDMARK_COLUMNS, "intensity", "model"):
        assert table[name].notna().all(), name
    units = table[list(AU_COLUMNS)].to_numpy()
    assert units.min() >= 0 and units.max() <= 5


def test_images_are_faces_and_people_differ(faces: Faces, pixels: np.ndarray):
    assert pixels.dtype == np.uint8 and (pixels.std(axis=(1, 2, 3)) > 12).all()
    assert np.abs(pixels[:8].astype(int) - pixels[8:]).mean() > 10


def test_the_same_arguments_give_the_same_pixels_and_another_seed_others(root: Path, pixels: np.ndarray):
    again = load(
        "facekit", root=root, people=2, expressions=8, images_per_expression=1, image_size=48, seed=7, cache=False
    )
    assert np.array_equal(again.pixels(), pixels)
    other = load_facekit(root, 1, 8, 1, 48, seed=8, cache=False)
    assert other.subject[0] == "facekit/s8/P0000" and not np.array_equal(other.pixels(), pixels[:8])


def test_pixels_do_not_depend_on_company(faces: Faces, pixels: np.ndarray):
    rows = np.array([13, 3, 9, 3])
    assert np.array_equal(faces[rows].pixels(), pixels[rows])
    for row in (0, 8, 15):
        assert np.array_equal(faces.images[row], pixels[row])


def test_a_row_does_not_depend_on_which_were_asked_for(root: Path, faces: Faces, pixels: np.ndarray):
    wanted = np.flatnonzero((faces.expression == "fear") & (faces.subject == "facekit/s7/P0001"))
    alone = load_facekit(root, 1, ["fear"], 1, 48, seed=7, first_person=1, cache=False)
    pd.testing.assert_frame_equal(alone.table, faces[wanted].table)
    assert np.array_equal(alone.pixels(), pixels[wanted])


def test_landmarks_are_in_order_inside_and_scale(root: Path, faces: Faces):
    points = faces.table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    assert ((points > 0) & (points < 48)).all()
    assert (points[:, 0, 0] < points[:, 1, 0]).all() and (points[:, 3, 0] < points[:, 4, 0]).all()
    assert (points[:, :2, 1].mean(1) < points[:, 2, 1]).all() and (points[:, 2, 1] < points[:, 3, 1]).all()
    large = load_facekit(root, 2, 8, 1, 96, seed=7, cache=False).table[list(LANDMARK_COLUMNS)].to_numpy()
    assert np.allclose(large / 2, points.reshape(16, 10), atol=1e-3)


def test_counterpart_keeps_person_and_scene(faces: Faces, pixels: np.ndarray):
    who, what = faces[:8], faces[8:]
    made = who.counterpart(what)
    assert list(made.subject) == list(who.subject) and list(made.expression) == list(what.expression)
    assert np.array_equal(made.table[list(SCENE_NAMES)], who.table[list(SCENE_NAMES)])
    assert np.array_equal(made.table[list(AU_COLUMNS)], what.table[list(AU_COLUMNS)])
    assert np.array_equal(counterpart(faces[:3], expression_of=faces[:3]).pixels(), pixels[:3])
    with pytest.raises(ValueError, match="16 rows for 2"):
        counterpart(faces[:2], expression_of=faces)


def test_rows_of_two_populations_keep_their_people(root: Path, faces: Faces):
    both = Faces.concat([faces[:1], load_facekit(root, 1, ["fear"], 1, 48, seed=8, cache=False)])
    made = counterpart(both, expression_of=both)
    assert np.array_equal(made.table[list(LANDMARK_COLUMNS)], both.table[list(LANDMARK_COLUMNS)])


def test_a_unit_of_one_half_moves_its_side(faces: Faces):
    """Of the table, the landmarks and the pixels: the person's left lies at image right."""
    still = with_action_units(faces[faces.expression == "neutral"][:1], np.zeros(len(ACTION_UNITS)))
    table = still.to_frame().assign(AU12=2.5, AU12_asymmetry=5.0, roll=0.0, yaw=0.0)
    level = still.to_frame().assign(roll=0.0, yaw=0.0)
    rest, smile = (counterpart(still.with_table(rows), still.with_table(rows)) for rows in (level, table))
    corners = [f"mouth_{side}_{axis}" for side in ("left", "right") for axis in "xy"]
    moved = np.abs(smile.table[corners] - rest.table[corners]).to_numpy()[0]
    assert moved[:2].max() < 1e-3 < 0.2 < moved[2:].max()
    change = np.abs(smile.pixels().astype(int) - rest.pixels()).mean(axis=(0, 1, 3))
    assert change[24:].sum() > 2 * change[:24].sum()


def test_rows_of_another_renderer_are_refused(faces: Faces):
    drawn = load_synthetic(1, ["fear"], 1, 48, cache=False)
    with pytest.raises(ValueError, match=r"only rows of load\('facekit'\) can be redrawn|was not drawn by"):
        counterpart(drawn, expression_of=faces[:1])
    with pytest.raises(ValueError, match=r"row 0 .* was not drawn by load\('synthetic'\)"):
        synthetic.counterpart(faces[:1], expression_of=faces[:1])


def test_redrawing_survives_a_csv_and_a_worker(faces: Faces, pixels: np.ndarray, tmp_path: Path):
    faces.table.to_csv(tmp_path / "t.csv", index=False)
    read = Faces(pixels, pd.read_csv(tmp_path / "t.csv"))
    assert np.array_equal(counterpart(read, expression_of=read).pixels([3]), pixels[[3]])
    assert np.array_equal(pickle.loads(pickle.dumps(faces)).pixels([0, 1]), pixels[:2])  # noqa: S301


def test_action_units_move_their_region_and_both_halves_are_known(faces: Faces):
    still = with_action_units(faces[faces.expression == "neutral"][:1], np.zeros(len(ACTION_UNITS)))
    masks = region_masks(still)
    assert set(masks) == {"eyes", "brows", "mouth", "nose", "cheeks", "chin", "forehead"}
    assert all(mask.shape == (1, 48, 48) and mask.any() for mask in masks.values())
    rest = still.pixels().astype(int)
    units = np.zeros(len(ACTION_UNITS))
    units[ACTION_UNITS.index(26)] = 5
    change = np.abs(with_action_units(still, units).pixels().astype(int) - rest).mean(3)
    assert change[masks["chin"]].mean() > 3 * change[masks["brows"]].mean()
    with pytest.raises(ValueError, match=r"0\.\.5"):
        with_action_units(still, np.full(17, 6.0))


def test_sequences_unfold(root: Path):
    films = load_facekit(root, 1, 6, 1, 48, seed=7, sequences=True, frames=4, cache=False)
    assert len(films) == 24 and films.table["sequence"].nunique() == 6
    for _, film in films.table.groupby("sequence"):
        assert list(film["expression"][:1]) == ["neutral"] and film["intensity"].is_monotonic_increasing
        assert film[["yaw", "light_azimuth"]].nunique().eq(1).all()


def test_cache_keeps_what_was_drawn(root: Path, pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = load_facekit(root, 2, 8, 1, 48, seed=7, cache=str(tmp_path))
    assert np.array_equal(kept.pixels([5, 6]), pixels[[5, 6]])
    again = load_facekit(root, 2, 8, 1, 48, seed=7, cache=str(tmp_path))
    monkeypatch.setattr("ferdis.datasets.facekit.lazy.render", None)  # whatever is drawn now, fails
    assert np.array_equal(again.pixels([6, 5]), pixels[[6, 5]])
    with pytest.raises(TypeError):
        load_facekit(root, 1, 8, 1, 48, seed=8, cache=str(tmp_path)).pixels([0])


def test_without_a_model_one_line_names_source_and_licence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("FERDIS_FACEKIT", raising=False)
    with pytest.raises(FileNotFoundError, match=r"ICT-VGL/ICT-FaceKit \(MIT licence\)") as raised:
        load("facekit")
    assert "\n" not in str(raised.value)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds neither facekit\.npz nor"):
        load_facekit(tmp_path / "other")


def test_the_environment_names_the_model(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FERDIS_FACEKIT", str(root))
    assert len(load("facekit", people=1, expressions=6, images_per_expression=1, image_size=32, cache=False)) == 6


def _changed(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir()
    np.savez(folder / "facekit.npz", **(make_model() | arrays))
    return folder


def test_a_broken_model_is_said_in_one_line(root: Path, tmp_path: Path):
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "facekit.npz").write_bytes((root / "facekit.npz").read_bytes()[:200_000])
    model = make_model()
    wild = model["vertices"].copy()
    wild[3] = np.nan
    names = np.array([name if name != "browDown_L" else "browLower_L" for name in model["expression_names"]])
    cases = {
        cut: "is broken",
        _changed(tmp_path / "topology", vertices=model["vertices"][:-1]): "another topology",
        _changed(tmp_path / "wild", vertices=wild): "not finite",
        _changed(tmp_path / "name", expression_names=names): "no expression shape browDown_L",
        _changed(tmp_path / "modes", identity=model["identity"][:7]): "7 of 100 identity modes",
    }
    for folder, said in cases.items():
        with pytest.raises(ValueError, match=said) as raised:
            load_facekit(folder)
        assert "\n" not in str(raised.value) and str(folder) in str(raised.value)


def test_an_official_checkout_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    arrays = make_model()
    checkout = write_checkout(tmp_path / "ICT-FaceKit", arrays, ("identity000", "mouthSmile_L"))
    model = load_model(checkout, partial=True)
    assert np.allclose(model.vertices, arrays["vertices"], atol=1e-4)
    smile = arrays["expression"][SHAPES.index("mouthSmile_L")].astype(np.float32)
    assert np.allclose(model.shape("mouthSmile_L"), smile, atol=2e-3) and np.array_equal(model.faces, arrays["faces"])
    (kept,) = (tmp_path / "cache" / "facekit").glob("*.npz")
    monkeypatch.setattr("ferdis.datasets.facekit.model._read_obj", None)  # it is not read again
    assert load_model(checkout / "FaceXModel", partial=True).digest == model.digest
    with pytest.raises(ValueError, match=r"no expression shape 'mouthSmile_X'; did you mean 'mouthSmile_L'"):
        model.shape("mouthSmile_X")
    kept.unlink()
    with pytest.raises(ValueError, match=r"lacks identity001.obj, .* and \d+ more: fetch the whole"):
        load_facekit(checkout)


def test_a_cut_off_text_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    checkout = write_checkout(tmp_path / "ICT-FaceKit", make_model(), ("identity000",))
    file = checkout / "FaceXModel" / "identity000.obj"
    file.write_text(file.read_text()[:100_000])
    with pytest.raises(ValueError, match=r"identity000.obj: \d+ vertices instead of 26719: cut off"):
        load_model(checkout, partial=True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"people": 0}, "people=0"),
        ({"expressions": ["joy"]}, "joy"),
        ({"difficulty": "brutal"}, "brutal"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_arguments_are_named_before_the_model_is_read(arguments: dict, named: str):
    with pytest.raises(ValueError, match=named):
        load_facekit(**({"root": "/nowhere"} | arguments))


def test_the_loader_takes_what_synthetic_takes():
    own, drawn = (inspect.signature(loader).parameters for loader in (load_facekit, load_synthetic))
    assert set(drawn) == set(own) - {"root"}
    assert all(own[name].default == parameter.default for name, parameter in drawn.items())
