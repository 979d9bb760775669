"""The synthetic set as :class:`~ferdis.faces.Faces`: people whose factors are all known, rendered on demand.

Each row of the table determines its pixels: the person, the action units of both halves of the face, and the scene
(pose, light, background, camera). A row can therefore be rendered again with one factor changed, as
:func:`counterpart` and :func:`with_action_units` do, and no image needs to be stored.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ferdis.datasets.synthetic.expression import PROTOTYPES, person_style, sample_expression, sample_intensity
from ferdis.datasets.synthetic.lazy import LANDMARKS, Recipes, RenderedImages, landmarks_of, render_recipes
from ferdis.datasets.synthetic.scene import SCENE_NAMES, sample_scene
from ferdis.faces import (
    ACTION_UNITS,
    AU_COLUMNS,
    AU_MAXIMUM,
    EXPRESSIONS,
    SEVEN_EXPRESSIONS,
    SIX_EXPRESSIONS,
    Faces,
)
from ferdis.preprocess.align import Drawn, record_of

DIFFICULTIES = ("easy", "normal", "hard")
INDEPENDENT = "action_units"  # expressions="action_units": action units are sampled independently of each other
LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
ASYMMETRY_COLUMNS = tuple(f"{name}_asymmetry" for name in AU_COLUMNS)

_ACTIVE = 0.3  # share of active units where action units are independent: five of 17, as in spontaneous faces
_UNEVEN = 0.12  # std of the left/right ratio there
_STILL = 1.0  # a face whose strongest action unit is below A (1 of 5) is called neutral
_NUMBERED = {6: SIX_EXPRESSIONS, 7: SEVEN_EXPRESSIONS, 8: EXPRESSIONS}


def load_synthetic(
    people: int = 40,
    expressions: int | str | list[str] = 7,
    images_per_expression: int = 4,
    image_size: int = 128,
    difficulty: str = "normal",
    seed: int = 0,
    *,
    first_person: int = 0,
    sequences: bool = False,
    frames: int = 6,
    intensity: float | None = None,
    cache: str | bool | None = None,
) -> Faces:
    """Render people with known identity, expression, action units, pose and light.

    Parameters
    ----------
    people : int
        Number of people.
    expressions : int, str or list of str
        6 (the basic ones), 7 (with neutral), 8 (with neutral and contempt), names (a list, or one string with commas),
        or ``"action_units"``: the 17 action units are sampled independently, ``images_per_expression`` images per
        person; the ``expression`` column then names the nearest prototype.
    images_per_expression : int
        Images, or sequences, of each person and expression.
    image_size : int
        Side in pixels, 32 to 512.
    difficulty : {"easy", "normal", "hard"}
        Spread of expressions, pose, light and camera.
    seed : int
        Seed of the population: the same seed gives the same people and the same pixels. Populations of different
        seeds share no people.
    first_person : int
        Number of the first person, so that one population gives disjoint sets: ``people=50`` and
        ``people=50, first_person=50``.
    sequences : bool
        Give image sequences from the resting face to the apex in one scene; columns ``sequence`` and
        ``frame`` (1 .. ``frames``). The first frame is labelled neutral, as is usual for CK+; neutral itself has
        no sequence.
    frames : int
        Frames per sequence, 2 or more.
    intensity : float, optional
        0..1, the strength of every expression; by default sampled per image.
    cache : str or bool, optional
        Folder of the memory map that keeps rendered images (None: ``$FERDIS_CACHE`` or
        ``~/.cache/ferdis``); False renders at every access.

    Returns
    -------
    Faces
        Columns ``expression``, ``subject`` (``synthetic/s0/P0003``), ``path`` (a stable id,
        ``synthetic/s0/P0003/normal/happiness-1``), ``AU01`` .. ``AU45`` (0..5, mean of both halves),
        ``AU01_asymmetry`` .. (the person's left minus right), ``asymmetry`` (the largest of these, absolute),
        ``intensity``, ``difficulty``, all of ``SCENE_NAMES`` (``yaw``, ``pitch``, ``roll`` in degrees, light,
        ...) and ``left_eye_x`` .. ``mouth_right_y`` (pixels; left in the image).

    Raises
    ------
    ValueError
        If an argument is out of range; the message names it and the range.
    """
    names = _expression_names(expressions)
    _check_arguments(people, images_per_expression, image_size, difficulty, seed, first_person, frames, intensity)
    if sequences:
        names = [name for name in names if name != "neutral"]
        if not names or names == [INDEPENDENT]:
            raise ValueError(f"expressions={expressions!r} has no sequences: name expressions other than neutral")
    rows: list[_Row] = []
    for person in range(first_person, first_person + people):
        style = person_style(seed, person)
        for name in names:
            for number in range(1, images_per_expression + 1):
                apex = _draw_row(seed, person, name, number, difficulty, style, intensity)
                rows += _sequence(apex, seed, style, frames) if sequences else [apex]
    return _faces(_table(rows), image_size, _cache_folder(cache))


def counterpart(faces: Faces, expression_of: Faces) -> Faces:
    """Render ``faces`` with the expressions of other rows: same person, pose, light and camera.

    This is the exact ground truth of expression transfer (REL-GAN's ``x_tg``).

    Parameters
    ----------
    faces : Faces of n rows
        Rows of the synthetic set, of any size, subset or order; they give person and scene.
    expression_of : Faces of n rows, or of one
        They give the action units, row by row.

    Returns
    -------
    Faces of n rows
        Rendered on demand at the image size of ``faces``.

    Raises
    ------
    ValueError
        If the row counts differ or rows were not rendered by this renderer.
    """
    if len(expression_of) not in (1, len(faces)):
        raise ValueError(f"expression_of has {len(expression_of)} rows for {len(faces)} faces: give as many, or one")
    for drawn in (faces, expression_of):
        _recipes(drawn.table)  # refuses rows of other sets before their columns are touched
    other = expression_of.table.iloc[np.zeros(len(faces), int) if len(expression_of) == 1 else np.arange(len(faces))]
    table = faces.to_frame()
    for name in (*AU_COLUMNS, *ASYMMETRY_COLUMNS, "asymmetry", "expression", "intensity"):
        table[name] = other[name].to_numpy()
    table["path"] = [f"{own}+{_tail(source)}" for own, source in zip(table["path"], other["path"], strict=True)]
    return _redrawn(faces, table)


def with_action_units(faces: Faces, units: pd.DataFrame | np.ndarray) -> Faces:
    """Render ``faces`` with other action units: same person, pose, light and camera.

    This is the exact ground truth of editing by action units.

    Parameters
    ----------
    faces : Faces of n rows
        Rows of the synthetic set.
    units : DataFrame or ndarray (n, 17) or (17,)
        Action unit intensities 0..5 in the order of ``ferdis.faces.ACTION_UNITS``; both halves of the face get the
        same.

    Returns
    -------
    Faces of n rows
        ``expression`` names the nearest prototype.

    Raises
    ------
    ValueError
        If the shape does not fit, an intensity is outside 0..5, or rows were not rendered by this renderer.
    """
    _recipes(faces.table)
    if isinstance(units, pd.DataFrame):
        units = units[list(AU_COLUMNS)].to_numpy()
    wanted = np.asarray(units, dtype=np.float32)
    if wanted.shape not in ((len(ACTION_UNITS),), (len(faces), len(ACTION_UNITS))):
        raise ValueError(f"units must have shape (17,) or ({len(faces)}, 17), got {wanted.shape}")
    if not ((wanted >= 0) & (wanted <= AU_MAXIMUM)).all():
        raise ValueError("action units must lie in 0..5 and be known: clip them, fill NaN with 0")
    wanted = np.broadcast_to(wanted, (len(faces), len(ACTION_UNITS)))
    table = faces.to_frame()
    table[list(AU_COLUMNS)] = wanted.astype(np.float64)
    table[[*ASYMMETRY_COLUMNS, "asymmetry"]] = 0.0
    table["expression"] = [nearest_expression(row) for row in wanted]
    table["intensity"] = wanted.max(axis=1) / AU_MAXIMUM
    codes = ["_".join(f"{unit}{v:.2f}" for unit, v in zip(ACTION_UNITS, row, strict=True) if v) for row in wanted]
    table["path"] = [f"{own}+AU{code or '0'}" for own, code in zip(table["path"], codes, strict=True)]
    return _redrawn(faces, table)


def region_masks(faces: Faces) -> dict[str, np.ndarray]:
    """Masks of the face's regions: name (``eyes``, ``brows``, ``mouth``, ``nose``, ...) to (n, H, W) bool.

    Raises
    ------
    ValueError
        If rows were not rendered by this renderer.
    """
    parts = [drawn.masks for _, drawn in render_recipes(_recipes(faces.table), faces.shape[1], masks=True)]
    known = [part for part in parts if part]
    return {name: np.concatenate([np.asarray(part[name]) for part in known]) for name in known[0]} if known else {}


def write_images(faces: Faces, out: str | Path) -> Path:
    """Write images as PNG and ``faces.csv`` beside them, which the ``manifest`` loader reads back.

    Parameters
    ----------
    faces : Faces
        Any faces whose table has a ``path`` column; file names are derived from it.
    out : path
        Folder; created if absent.

    Returns
    -------
    Path
        The path of ``faces.csv``.

    Raises
    ------
    ValueError
        If there is no ``path`` column, two rows share one, or the folder cannot be written.
    """
    root, table = Path(out), faces.to_frame()
    if "path" not in table or table["path"].duplicated().any():
        raise ValueError("writing images needs a 'path' column with a name of its own for each row")
    names = ["images/" + Path(str(path).strip("/").removeprefix("synthetic/")).as_posix() for path in table["path"]]
    files = [name if name.endswith(".png") else f"{name}.png" for name in names]
    try:
        for start in range(0, len(faces), 64):
            for name, pixels in zip(files[start : start + 64], faces.pixels(slice(start, start + 64)), strict=True):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(root / name)
        table.assign(path=files).to_csv(root / "faces.csv", index=False)
    except OSError as error:
        raise ValueError(f"cannot write images to {root} ({error.strerror or error}): name another folder") from None
    return root / "faces.csv"


def nearest_expression(units: np.ndarray) -> str:
    """The prototype with the largest cosine to action units (17,); neutral if none is active."""
    if units.max() < _STILL:
        return "neutral"
    best, name = -1.0, "neutral"
    for expression, variants in PROTOTYPES.items():
        for variant in variants:
            pattern = np.array([variant.get(unit, 0.0) for unit in ACTION_UNITS])
            cosine = float(units @ pattern / max(np.linalg.norm(units) * np.linalg.norm(pattern), 1e-9))
            if cosine > best:
                best, name = cosine, expression
    return name


class _Row(dict):
    """A row before it becomes part of the table: ``left``, ``right`` (17,), ``scene`` (S,) and the other columns."""


def _draw_row(
    seed: int,
    person: int,
    name: str,
    number: int,
    difficulty: str,
    style: np.ndarray,
    intensity: float | None,
) -> _Row:
    """Sample one image. Each has its own random stream, so that no row depends on which others were requested."""
    kind = len(EXPRESSIONS) if name == INDEPENDENT else EXPRESSIONS.index(name)
    key = [seed, person, kind, number, DIFFICULTIES.index(difficulty)]
    face, view = np.random.default_rng([*key, 1]), np.random.default_rng([*key, 2])
    subject = f"synthetic/s{seed}/P{person:04d}"
    if name == INDEPENDENT:
        left, right = _independent_units(face)
        strength, label = (
            float(max(left.max(), right.max())) / AU_MAXIMUM,
            nearest_expression((left + right) / 2),
        )
    else:
        strength = sample_intensity(face, difficulty=difficulty) if intensity is None else intensity
        left, right = sample_expression(name, face, style=style, difficulty=difficulty, intensity=strength)
        label = name
    asked = "" if intensity is None else f"-at-{intensity:g}"
    return _Row(
        expression=label, subject=subject,
        path=f"{subject}/{difficulty}/{name}-{number}{asked}",
        difficulty=difficulty,        intensity=float(strength), seed=seed, person=person, left=left, right=right,
        scene=sample_scene(view, difficulty=difficulty),
    )  # fmt: skip


def _independent_units(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Independent action units: each active with probability 0.3, then uniform in 0..5, slightly asymmetric."""
    count = len(ACTION_UNITS)
    level = np.where(rng.random(count) < _ACTIVE, rng.uniform(0, AU_MAXIMUM, count), 0.0)
    uneven = _UNEVEN * rng.standard_normal(count)
    halves = [np.clip(level * (1 + side * uneven), 0, AU_MAXIMUM).astype(np.float32) for side in (1, -1)]
    return halves[0], halves[1]


def _sequence(apex: _Row, seed: int, style: np.ndarray, frames: int) -> list[_Row]:
    """Frames from the person's resting face to the apex in one scene, with a smooth onset."""
    rest = sample_expression(
        "neutral",
        np.random.default_rng([seed, apex["person"], 3]),
        style=style,
        difficulty="easy",
        intensity=0.0,
    )
    rows = []
    for frame in range(1, frames + 1):
        time = (frame - 1) / (frames - 1)
        halves = (apex["left"], apex["right"])
        share = np.float32(time * time * (3 - 2 * time))  # slow, fast, slow, as posed expressions unfold
        left, right = (still + share * (full - still) for still, full in zip(rest, halves, strict=True))
        rows.append(
            _Row(
                apex,
                expression="neutral" if frame == 1 else apex["expression"],
                path=f"{apex['path']}/frame-{frame:02d}", sequence=apex["path"], frame=frame,
                intensity=float(share) * apex["intensity"],
                left=np.clip(left, 0, AU_MAXIMUM), right=np.clip(right, 0, AU_MAXIMUM),
            )
        )  # fmt: skip
    return rows


def _table(rows: list[_Row]) -> pd.DataFrame:
    """Columns of numbers from the rows; values are float32 in float64, so that a table loses nothing."""
    plain = [{k: v for k, v in row.items() if k not in ("left", "right", "scene", "seed", "person")} for row in rows]
    left, right, scene = (np.stack([row[k] for row in rows]).astype(np.float64) for k in ("left", "right", "scene"))
    apart = left - right
    parts = [
        pd.DataFrame(plain),
        pd.DataFrame((left + right) / 2, columns=list(AU_COLUMNS)),
        pd.DataFrame({"asymmetry": np.abs(apart).max(axis=1)}),
        pd.DataFrame(apart, columns=list(ASYMMETRY_COLUMNS)),
        pd.DataFrame(scene, columns=list(SCENE_NAMES)),
    ]
    return pd.concat(parts, axis=1)


def _recipes(table: pd.DataFrame) -> Recipes:
    """The rows of a table as recipes, which determine the pixels."""
    wanted = ("subject", "path", "expression", "intensity", *AU_COLUMNS, *ASYMMETRY_COLUMNS, *SCENE_NAMES)
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(f"these faces have no column {missing[0]!r}: only rows of load('synthetic') can be redrawn")
    who = table["subject"].astype(str).str.extract(r"synthetic/s(\d+)/P(\d+)$")
    if who.isna().any(axis=None) or table[list(wanted[3:])].isna().any(axis=None):
        row = int(np.flatnonzero(who.isna().any(axis=1) | table[list(wanted[3:])].isna().any(axis=1))[0])
        raise ValueError(f"row {row} ({table['path'].iloc[row]}) was not rendered by ferdis")
    mean = table[list(AU_COLUMNS)].to_numpy(np.float64)
    half = table[list(ASYMMETRY_COLUMNS)].to_numpy(np.float64) / 2
    return Recipes(
        seed=who[0].to_numpy(np.int64), person=who[1].to_numpy(np.int64),
        au_left=(mean + half).astype(np.float32), au_right=(mean - half).astype(np.float32),
        scene=table[list(SCENE_NAMES)].to_numpy(np.float32),
    )  # fmt: skip


def _faces(table: pd.DataFrame, size: int, folder: Path | None) -> Faces:
    """Faces rendered from a table of factors; adds the landmark columns."""
    recipes = _recipes(table)
    points = landmarks_of(recipes, size).reshape(len(table), -1).astype(np.float64)
    kept = table.drop(columns=table.columns.intersection(LANDMARK_COLUMNS)).reset_index(drop=True)
    kept = pd.concat([kept, pd.DataFrame(points, columns=list(LANDMARK_COLUMNS))], axis=1)
    about = {
        "dataset": "synthetic",
        "aligned": "drawn",
        "preprocessing": record_of(Drawn()),
        "counterpart": f"{__name__}:{counterpart.__name__}",
    }
    return Faces(RenderedImages(recipes, size, folder), kept, about)


def _redrawn(faces: Faces, table: pd.DataFrame) -> Faces:
    """Faces of the changed table, rendered on demand; its rows are no longer frames of a sequence."""
    table = table.drop(columns=table.columns.intersection(["sequence", "frame", "split"]))
    return _faces(table, faces.shape[1], None)


def _tail(path: str) -> str:
    return "-".join(str(path).removeprefix("synthetic/").split("/"))


def _expression_names(expressions: int | str | Sequence[str]) -> list[str]:
    if isinstance(expressions, str):
        expressions = int(expressions) if expressions.isdecimal() else [e.strip() for e in expressions.split(",")]
    if isinstance(expressions, int | np.integer):
        if expressions not in _NUMBERED:
            raise ValueError(f"expressions={expressions}: give 6, 7, 8, names, or {INDEPENDENT!r}")
        return list(_NUMBERED[int(expressions)])
    names = list(dict.fromkeys(expressions))
    unknown = [name for name in names if name not in EXPRESSIONS]
    if names == [INDEPENDENT]:
        return names
    if unknown or not names:
        raise ValueError(
            f"expressions={expressions!r}: known are {', '.join(EXPRESSIONS)}, or {INDEPENDENT!r} on its own"
        )
    return names


def _check_arguments(
    people: int,
    images: int,
    size: int,
    difficulty: str,
    seed: int,
    first: int,
    frames: int,
    intensity: float | None,
) -> None:
    ranges = {
        "people": (people, 1, None), "images_per_expression": (images, 1, None),
        "image_size": (size, 32, 512),
        "seed": (seed, 0, None), "first_person": (first, 0, None), "frames": (frames, 2, None),
    }  # fmt: skip
    for name, (value, low, high) in ranges.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"{name}={value!r} must be a whole number")
        if value < low or (high is not None and value > high):
            raise ValueError(f"{name}={value} must be at least {low}" + (f" and at most {high}" if high else ""))
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty={difficulty!r} must be one of {', '.join(DIFFICULTIES)}")
    if intensity is not None and not 0 <= intensity <= 1:
        raise ValueError(f"intensity={intensity} must lie in 0..1")


def _cache_folder(cache: str | Path | bool | None) -> Path | None:
    if cache is False:
        return None
    if cache is None or cache is True:
        return Path(os.environ.get("FERDIS_CACHE") or Path.home() / ".cache" / "ferdis")
    return Path(cache)
