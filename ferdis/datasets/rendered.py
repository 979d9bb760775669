"""People that are drawn rather than photographed, as :class:`~ferdis.faces.Faces`: what every renderer's set shares.

Each row of the table says all that fixes its pixels: the person, the action units of both halves of the face, and the
scene (pose, light, background, camera). So a row can be drawn again with one factor changed, which is what
:meth:`RenderedPeople.counterpart` and :meth:`RenderedPeople.with_action_units` do, and nothing needs to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ferdis.datasets.framing import FRAMINGS, aligned_scenes
from ferdis.datasets.synthetic.expression import PROTOTYPES, person_style, sample_intensity
from ferdis.datasets.synthetic.expression import sample_expression as sample_drawn_expression
from ferdis.datasets.synthetic.lazy import LANDMARKS, Recipes
from ferdis.faces import (
    ACTION_UNITS,
    AU_COLUMNS,
    AU_MAXIMUM,
    EXPRESSIONS,
    SEVEN_EXPRESSIONS,
    SIX_EXPRESSIONS,
    Faces,
)
from ferdis.preprocess.align import DRAWN_TEMPLATE, TEMPLATE, Drawn, record_of
from ferdis.preprocess.image_store import default_directory

DIFFICULTIES = ("easy", "normal", "hard")
INDEPENDENT = "action_units"  # expressions="action_units": units drawn independently of each other
LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
ASYMMETRY_COLUMNS = tuple(f"{name}_asymmetry" for name in AU_COLUMNS)

_ACTIVE = 0.3  # share of units that move in an image of independent units: five of 17, as in spontaneous faces
_UNEVEN = 0.12  # std of the left/right ratio there
_STILL = 1.0  # a face whose strongest unit stays below A (1 of 5) is called neutral
_NUMBERED = {6: SIX_EXPRESSIONS, 7: SEVEN_EXPRESSIONS, 8: EXPRESSIONS}


@dataclass(frozen=True)
class Request:
    """What a loader was asked for; its arguments' meaning is that of :func:`load_synthetic`."""

    people: int = 40
    expressions: int | str | Sequence[str] = 7
    images_per_expression: int = 4
    image_size: int = 128
    difficulty: str = "normal"
    seed: int = 0
    first_person: int = 0
    sequences: bool = False
    frames: int = 6
    intensity: float | None = None
    framing: str = "drawn"

    def names(self) -> list[str]:
        """The expressions; ValueError names the argument that is out of its range."""
        names = expression_names(self.expressions)
        _check(self)
        if self.sequences:
            names = [name for name in names if name != "neutral"]
            if not names or names == [INDEPENDENT]:
                raise ValueError(
                    f"expressions={self.expressions!r} has no sequences: name expressions other than neutral"
                )
        return names


class _Row(dict):
    """A row in the making: ``left``, ``right`` (17,), ``scene`` (S,) and the columns that are not numbers."""


@dataclass(frozen=True)
class RenderedPeople:
    """A kind of drawn people.

    Attributes
    ----------
    name : str
        Of the data set; subjects are ``name/s0/P0003``.
    module : str
        That has ``counterpart`` and ``region_masks`` as functions.
    scene_names : tuple of str
    sample_scene : function
        ``(rng, difficulty=...) -> ndarray (S,)``.
    sample_expression : function
        As :func:`ferdis.datasets.synthetic.expression.sample_expression`.
    images : function
        ``(recipes, size, folder, model) -> array-like (n, size, size, 3)``.
    landmarks : function
        ``(recipes, size, model) -> ndarray (n, 5, 2)``, pixels.
    masks : function
        ``(recipes, size, model) -> dict of name to ndarray (n, size, size), bool``.
    habit : tuple of three pairs of float
        Mean offset of the points that MTCNN finds from the eyes and the nose, in eye distances along and across the
        line of the eyes.
    """

    name: str
    module: str
    scene_names: tuple[str, ...]
    sample_scene: Callable[..., np.ndarray]
    images: Callable[[Recipes, int, Path | None, str | None], Any]
    landmarks: Callable[[Recipes, int, str | None], np.ndarray]
    masks: Callable[[Recipes, int, str | None], dict[str, np.ndarray]]
    habit: tuple[tuple[float, float], ...]
    sample_expression: Callable[..., tuple[np.ndarray, np.ndarray]] = sample_drawn_expression

    def load(self, request: Request, folder: Path | None, model: str | None = None) -> Faces:
        """The people asked for; ``folder`` keeps drawn images, ``model`` is written into a column of that name."""
        rows: list[_Row] = []
        names = request.names()
        for person in range(request.first_person, request.first_person + request.people):
            style = person_style(request.seed, person)
            for name in names:
                for number in range(1, request.images_per_expression + 1):
                    apex = self._draw_row(request, person, name, number, style)
                    rows += self._sequence(apex, request, style) if request.sequences else [apex]
        table = self._table(rows)
        if model is not None:
            table["model"] = model
        if request.framing == "aligned":
            self._align(table)
        template = TEMPLATE if request.framing == "aligned" else DRAWN_TEMPLATE
        return self._faces(table, request.image_size, folder, template)

    def counterpart(self, faces: Faces, expression_of: Faces) -> Faces:
        """See :func:`ferdis.datasets.synthetic.dataset.counterpart`."""
        if len(expression_of) not in (1, len(faces)):
            raise ValueError(
                f"expression_of has {len(expression_of)} rows for {len(faces)} faces: give as many, or one"
            )
        for drawn in (faces, expression_of):
            self.recipes(drawn.table)  # refuses rows of other sets before their columns are touched
        one = len(expression_of) == 1
        other = expression_of.table.iloc[np.zeros(len(faces), int) if one else np.arange(len(faces))]
        table = faces.to_frame()
        for name in (*AU_COLUMNS, *ASYMMETRY_COLUMNS, "asymmetry", "expression", "intensity"):
            table[name] = other[name].to_numpy()
        table["path"] = [
            f"{own}+{self._tail(source)}" for own, source in zip(table["path"], other["path"], strict=True)
        ]
        return self._redrawn(faces, table)

    def with_action_units(self, faces: Faces, units: pd.DataFrame | np.ndarray) -> Faces:
        """See :func:`ferdis.datasets.synthetic.dataset.with_action_units`."""
        self.recipes(faces.table)
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
        return self._redrawn(faces, table)

    def region_masks(self, faces: Faces) -> dict[str, np.ndarray]:
        """See :func:`ferdis.datasets.synthetic.dataset.region_masks`."""
        return self.masks(self.recipes(faces.table), faces.shape[1], _model_of(faces.table))

    def recipes(self, table: pd.DataFrame) -> Recipes:
        """Read back from a table what fixes its pixels; ValueError if this renderer did not draw it."""
        scene = self.scene_names
        wanted = ("subject", "path", "expression", "intensity", *AU_COLUMNS, *ASYMMETRY_COLUMNS, *scene)
        missing = [name for name in wanted if name not in table]
        if missing:
            raise ValueError(
                f"these faces have no column {missing[0]!r}: only rows of load({self.name!r}) can be redrawn"
            )
        who = table["subject"].astype(str).str.extract(rf"{self.name}/s(\d+)/P(\d+)$")
        numbers = table[list(wanted[3:])]
        if who.isna().any(axis=None) or numbers.isna().any(axis=None):
            row = int(np.flatnonzero(who.isna().any(axis=1) | numbers.isna().any(axis=1))[0])
            raise ValueError(f"row {row} ({table['path'].iloc[row]}) was not drawn by load({self.name!r})")
        mean = table[list(AU_COLUMNS)].to_numpy(np.float64)
        half = table[list(ASYMMETRY_COLUMNS)].to_numpy(np.float64) / 2
        return Recipes(
            seed=who[0].to_numpy(np.int64), person=who[1].to_numpy(np.int64),
            au_left=(mean + half).astype(np.float32), au_right=(mean - half).astype(np.float32),
            scene=table[list(scene)].to_numpy(np.float32),
        )  # fmt: skip

    def _draw_row(self, request: Request, person: int, name: str, number: int, style: np.ndarray) -> _Row:
        """Sample one image. Each has its own random stream: no row depends on which others were asked for."""
        kind = len(EXPRESSIONS) if name == INDEPENDENT else EXPRESSIONS.index(name)
        key = [request.seed, person, kind, number, DIFFICULTIES.index(request.difficulty)]
        face, view = np.random.default_rng([*key, 1]), np.random.default_rng([*key, 2])
        subject = f"{self.name}/s{request.seed}/P{person:04d}"
        if name == INDEPENDENT:
            left, right = _independent_units(face)
            strength = float(max(left.max(), right.max())) / AU_MAXIMUM
            label = nearest_expression((left + right) / 2)
        else:
            drawn = (
                sample_intensity(face, difficulty=request.difficulty)
                if request.intensity is None
                else request.intensity
            )
            strength, label = drawn, name
            left, right = self.sample_expression(
                name, face, style=style, difficulty=request.difficulty, intensity=strength
            )
        at = "" if request.intensity is None else f"-at-{request.intensity:g}"
        return _Row(
            expression=label, subject=subject, path=f"{subject}/{request.difficulty}/{name}-{number}{at}",
            difficulty=request.difficulty, intensity=float(strength), seed=request.seed, person=person, left=left,
            right=right, scene=self.sample_scene(view, difficulty=request.difficulty),
        )  # fmt: skip

    def _sequence(self, apex: _Row, request: Request, style: np.ndarray) -> list[_Row]:
        """Frames from the person's resting face to the apex: a smooth onset, in one scene."""
        still = np.random.default_rng([request.seed, apex["person"], 3])
        rest = self.sample_expression("neutral", still, style=style, difficulty="easy", intensity=0.0)
        rows = []
        for frame in range(1, request.frames + 1):
            time = (frame - 1) / (request.frames - 1)
            halves = (apex["left"], apex["right"])
            share = np.float32(time * time * (3 - 2 * time))  # slow, fast, slow: how a posed expression unfolds
            left, right = (calm + share * (full - calm) for calm, full in zip(rest, halves, strict=True))
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

    def _align(self, table: pd.DataFrame) -> None:
        """Change roll, scale and shift of each row so that alignment would leave the face where it is."""
        names, model = list(self.scene_names), _model_of(table)

        def landmarks(scenes: np.ndarray) -> np.ndarray:
            return self.landmarks(self.recipes(table.assign(**dict(zip(names, scenes.T, strict=True)))), 128, model)

        scenes = table[names].to_numpy(np.float32)
        table[names] = aligned_scenes(scenes, names, landmarks, np.array(self.habit)).astype(np.float64)

    def _table(self, rows: list[_Row]) -> pd.DataFrame:
        """Columns of numbers from the rows; values are float32 in float64, so that a table loses nothing."""
        vectors = ("left", "right", "scene")
        plain = [{k: v for k, v in row.items() if k not in (*vectors, "seed", "person")} for row in rows]
        left, right, scene = (np.stack([row[k] for row in rows]).astype(np.float64) for k in vectors)
        apart = left - right
        parts = [
            pd.DataFrame(plain),
            pd.DataFrame((left + right) / 2, columns=list(AU_COLUMNS)),
            pd.DataFrame({"asymmetry": np.abs(apart).max(axis=1)}),
            pd.DataFrame(apart, columns=list(ASYMMETRY_COLUMNS)),
            pd.DataFrame(scene, columns=list(self.scene_names)),
        ]
        return pd.concat(parts, axis=1)

    def _faces(self, table: pd.DataFrame, size: int, folder: Path | None, template: np.ndarray) -> Faces:
        """Faces drawn from a table of factors, about a template; adds the landmark columns."""
        recipes, model = self.recipes(table), _model_of(table)
        points = self.landmarks(recipes, size, model).reshape(len(table), -1).astype(np.float64)
        kept = table.drop(columns=table.columns.intersection(LANDMARK_COLUMNS)).reset_index(drop=True)
        kept = pd.concat([kept, pd.DataFrame(points, columns=list(LANDMARK_COLUMNS))], axis=1)
        about = {
            "dataset": self.name,
            "aligned": "drawn",
            "preprocessing": record_of(Drawn(template)),
            "counterpart": f"{self.module}:counterpart",
        }
        return Faces(self.images(recipes, size, folder, model), kept, about)

    def _redrawn(self, faces: Faces, table: pd.DataFrame) -> Faces:
        """The changed table, drawn on demand; its rows are no longer frames of a recorded sequence."""
        table = table.drop(columns=table.columns.intersection(["sequence", "frame", "split"]))
        record = faces.attrs.get("preprocessing") or record_of(Drawn())
        return self._faces(table, faces.shape[1], None, np.array(record["params"]["template"]))

    def _tail(self, path: str) -> str:
        return "-".join(str(path).removeprefix(f"{self.name}/").split("/"))


def nearest_expression(units: np.ndarray) -> str:
    """Name of the prototype whose action units (17,) point most nearly the same way; neutral if still."""
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


def write_images(faces: Faces, out: str | Path) -> Path:
    """Write images as PNG and ``faces.csv`` beside them, which the ``manifest`` loader reads back.

    Parameters
    ----------
    faces : Faces
        Any faces whose table has a ``path`` column; the file names are made from it.
    out : path
        Folder; made if absent.

    Returns
    -------
    Path
        Of ``faces.csv``.

    Raises
    ------
    ValueError
        If there is no ``path`` column, two rows share one, or the folder cannot be written.
    """
    root, table = Path(out), faces.to_frame()
    if "path" not in table or table["path"].duplicated().any():
        raise ValueError("writing images needs a 'path' column with a name of its own for each row")
    name = str(faces.attrs.get("dataset", "synthetic"))
    names = ["images/" + Path(str(path).strip("/").removeprefix(f"{name}/")).as_posix() for path in table["path"]]
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


def expression_names(expressions: int | str | Sequence[str]) -> list[str]:
    """6, 7, 8, names, one string with commas, or `INDEPENDENT`, as a list of names; ValueError lists the choices."""
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


def cache_folder(cache: str | Path | bool | None) -> Path | None:
    """Where drawn images are kept: as asked, by default ``$FERDIS_CACHE`` or ``~/.cache/ferdis``; None for nowhere."""
    if cache is False:
        return None
    if cache is None or cache is True:
        return default_directory()
    return Path(cache).expanduser()


def _model_of(table: pd.DataFrame) -> str | None:
    """The one model that rows were drawn from, if their renderer needs one; ValueError if there are several."""
    if "model" not in table or not len(table):
        return None
    models = table["model"].dropna().unique()
    if len(models) > 1:
        raise ValueError(f"rows of several face models ({models[0]}, {models[1]}): redraw those of one at a time")
    return str(models[0]) if len(models) else None


def _independent_units(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Units drawn independently: each active with probability 0.3, then uniform in 0..5, a bit uneven."""
    count = len(ACTION_UNITS)
    level = np.where(rng.random(count) < _ACTIVE, rng.uniform(0, AU_MAXIMUM, count), 0.0)
    uneven = _UNEVEN * rng.standard_normal(count)
    halves = [np.clip(level * (1 + side * uneven), 0, AU_MAXIMUM).astype(np.float32) for side in (1, -1)]
    return halves[0], halves[1]


def _check(request: Request) -> None:
    """ValueError names the argument that is out of its range."""
    ranges = {
        "people": (request.people, 1, None), "images_per_expression": (request.images_per_expression, 1, None),
        "image_size": (request.image_size, 32, 512), "seed": (request.seed, 0, None),
        "first_person": (request.first_person, 0, None), "frames": (request.frames, 2, None),
    }  # fmt: skip
    for name, (value, low, high) in ranges.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"{name}={value!r} must be a whole number")
        if value < low or (high is not None and value > high):
            raise ValueError(f"{name}={value} must be at least {low}" + (f" and at most {high}" if high else ""))
    if request.difficulty not in DIFFICULTIES:
        raise ValueError(f"difficulty={request.difficulty!r} must be one of {', '.join(DIFFICULTIES)}")
    if request.framing not in FRAMINGS:
        raise ValueError(f"framing={request.framing!r} must be one of {', '.join(FRAMINGS)}")
    if request.intensity is not None and not 0 <= request.intensity <= 1:
        raise ValueError(f"intensity={request.intensity} must lie in 0..1")
