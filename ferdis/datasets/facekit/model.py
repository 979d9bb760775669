"""The ICT-FaceKit model on disk: an official checkout's text files, or ``facekit.npz``, as one checked record.

ICT-FaceKit is the light version of USC ICT's morphable face model (Li et al., Learning Formation of Physically-Based
Face Attributes, CVPR 2020): one topology, 100 principal modes of identity from light-stage scans, and expression
shapes with ARKit's names. Its licence is MIT, its home github.com/ICT-VGL/ICT-FaceKit.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ferdis._io import replacing
from ferdis.messages import closest, named, one_line
from ferdis.progress import Bar

VERTICES, FACES = 26719, 26384
SOURCE = "github.com/ICT-VGL/ICT-FaceKit (MIT licence)"
NEUTRAL = "generic_neutral_mesh.obj"

# Shapes that the action units, the gaze and the resting faces need.
SIDED = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn",
    "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress",
    "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
CENTRAL = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
SHAPES = tuple(f"{name}_{side}" for name in SIDED for side in "LR") + CENTRAL
MODES = 100


@dataclass(frozen=True, eq=False)
class FaceModel:
    """The model's geometry in centimetres: x to the person's left, y up, z forward.

    Attributes
    ----------
    vertices : ndarray (26719, 3), float32
        The average face at rest.
    faces : ndarray (26384, 4), int32
        Quads; a triangle repeats its third corner.
    identity : ndarray (M, 26719, 3), float32
        Differences along the principal modes, scaled for weights of N(0, 1).
    expression : dict of str to ndarray (26719, 3), float32
        Differences at weight 1, by ARKit's name with ``_L`` and ``_R``.
    digest : str
        SHA-256 (hex) of all of it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    identity: np.ndarray
    expression: dict[str, np.ndarray]
    digest: str

    @property
    def name(self) -> str:
        """Of the model in tables: the first digits of its digest."""
        return self.digest[:12]

    def shape(self, name: str) -> np.ndarray:
        """The expression shape of that name, (26719, 3); ValueError lists near ones if the model has none."""
        if name not in self.expression:
            near = closest(name, self.expression)
            raise ValueError(f"the face model has no expression shape {name!r}{near} (it has {len(self.expression)})")
        return self.expression[name]


def load_model(root: str | Path | None = None, *, partial: bool = False) -> FaceModel:
    """Load the model from a folder.

    Parameters
    ----------
    root : path, optional
        An official checkout (or its folder ``FaceXModel``), a folder with ``facekit.npz``, or that file. By default
        ``$FERDIS_FACEKIT``. A checkout's text files are read once and kept in ``$FERDIS_CACHE``.
    partial : bool
        Take what is there: shapes that are missing move nothing, modes that are missing vary nothing. For the sample
        files in documentation; never for data.

    Returns
    -------
    FaceModel

    Raises
    ------
    FileNotFoundError
        If there is no model there; the message says where to get it and on what terms.
    ValueError
        If a file is broken, a shape is missing, or the topology is another.
    """
    place = _place(root)
    archive = place if place.is_file() else place / "facekit.npz"
    if archive.is_file():
        status = archive.stat()
        return _kept_model(str(archive), status.st_mtime_ns, status.st_size, partial)
    folder = place / "FaceXModel" if (place / "FaceXModel").is_dir() else place
    if not (folder / NEUTRAL).is_file():
        raise FileNotFoundError(
            f"{place} holds neither facekit.npz nor FaceXModel/{NEUTRAL}: give root= a checkout of {SOURCE}"
        )
    return _from_checkout(folder, partial)


_PLACES: dict[str, Path] = {}  # name of a model -> where it was found; tables carry the name, for paths differ


def register_model(root: str | Path | None) -> str:
    """Load the model at ``root`` and return its name, by which `named_model` finds it again in this process."""
    name = load_model(root).name
    _PLACES[name] = _place(root).resolve()
    return name


def place_of(name: str | None) -> Path:
    """Where the model of that name was found, else ``$FERDIS_FACEKIT``; errors as for `load_model`."""
    return _PLACES.get(name or "") or _place(None).resolve()


def named_model(name: str | None) -> FaceModel:
    """The model that faces of a table were drawn from.

    Raises
    ------
    FileNotFoundError
        If it was not loaded in this process and ``$FERDIS_FACEKIT`` names none.
    ValueError
        If ``$FERDIS_FACEKIT`` names another one.
    """
    model = load_model(place_of(name))
    if name and model.name != name:
        raise ValueError(f"faces drawn from the face model {name}, but $FERDIS_FACEKIT holds {model.name}: name theirs")
    return model


def _place(root: str | Path | None) -> Path:
    given = root if root is not None else os.environ.get("FERDIS_FACEKIT")
    if not given:
        raise FileNotFoundError(
            f"the face model is not part of ferdis: clone {SOURCE} and give root= or set $FERDIS_FACEKIT to it"
        )
    place = Path(given)
    if not place.exists():
        raise FileNotFoundError(f"{place} does not exist: give root= a checkout of {SOURCE}")
    if place.is_file() and place.suffix != ".npz":
        raise FileNotFoundError(f"{place} is a file: give root= the folder of a checkout of {SOURCE}, or facekit.npz")
    if place.is_dir() and not any(place.iterdir()):
        raise FileNotFoundError(f"{place} is empty: give root= a checkout of {SOURCE}")
    return place


@functools.lru_cache(maxsize=2)
def _kept_model(path: str, mtime: int, size: int, partial: bool) -> FaceModel:
    """One archive, read once per process and version of the file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            parts = {
                name: archive[name] for name in ("vertices", "faces", "identity", "expression", "expression_names")
            }
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is broken ({one_line(error)}): copy or convert the face model again") from None
    except KeyError as error:
        raise ValueError(f"{path} lacks the array {error.args[0].split()[0]}: this is no facekit.npz") from None
    names = [str(name) for name in parts["expression_names"]]
    return _checked(parts["vertices"], parts["faces"], parts["identity"], parts["expression"], names, path, partial)


def _checked(
    vertices: np.ndarray,
    faces: np.ndarray,
    identity: np.ndarray,
    expression: np.ndarray,
    names: list[str],
    path: str,
    partial: bool,
) -> FaceModel:
    """The arrays as a FaceModel, or one line that says what does not fit."""
    expected = (
        ("vertices", vertices.shape, (VERTICES, 3)),
        ("faces", faces.shape, (FACES, 4)),
        ("identity", identity.shape[1:], (VERTICES, 3)),
        ("expression", expression.shape, (len(names), VERTICES, 3)),
    )
    for what, found, wanted in expected:
        if found != wanted:
            raise ValueError(f"{path}: {what} has shape {found}, not {wanted}: another topology than ICT-FaceKit's")
    if faces.min() < 0 or faces.max() >= VERTICES:
        raise ValueError(f"{path}: faces name vertices outside 0..{VERTICES - 1}")
    missing = sorted(set(SHAPES) - set(names))
    if missing and not partial:
        raise ValueError(f"{path}: no expression shape {named(missing)}: fetch the whole of FaceXModel/")
    if len(identity) < MODES and not partial:
        raise ValueError(f"{path}: {len(identity)} of {MODES} identity modes: fetch the whole of FaceXModel/")
    sha = hashlib.sha256()
    for array in (vertices, faces, identity, expression):
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: coordinates are not finite: copy or convert the face model again")
        sha.update(np.ascontiguousarray(array).tobytes())
    sha.update("\n".join(names).encode())
    shapes = {name: values.astype(np.float32) for name, values in zip(names, expression, strict=True)}
    return FaceModel(
        vertices.astype(np.float32), faces.astype(np.int32), identity[:MODES].astype(np.float32), shapes,
        sha.hexdigest(),
    )  # fmt: skip


def _from_checkout(folder: Path, partial: bool) -> FaceModel:
    """The official text files, converted once: the archive in the cache is named after their sizes and times."""
    files = sorted(folder.glob("*.obj"))
    known = "".join(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}\n" for file in files)
    cache = Path(os.environ.get("FERDIS_CACHE") or Path.home() / ".cache" / "ferdis") / "facekit"
    kept = cache / f"{hashlib.sha256(known.encode()).hexdigest()[:20]}.npz"
    if not kept.is_file():
        convert_checkout(folder, kept, partial=partial)
    status = kept.stat()
    return _kept_model(str(kept), status.st_mtime_ns, status.st_size, partial)


def convert_checkout(folder: Path, out: Path, *, partial: bool = False) -> Path:
    """Read an official ``FaceXModel/`` and write it as one archive of the layout of ``facekit.npz``.

    Parameters
    ----------
    folder : Path
        With ``generic_neutral_mesh.obj``, ``identity000.obj`` .. ``identity099.obj`` and a file per expression shape.
    out : Path
        The archive; its folder is made.
    partial : bool
        Whether files may be missing.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError
        If a file is missing or broken, naming it.
    """
    modes = sorted(file.stem for file in folder.glob("identity*.obj"))
    shapes = sorted({file.stem for file in folder.glob("*.obj")} - {*modes, Path(NEUTRAL).stem})
    wanted = [*(f"identity{number:03d}" for number in range(MODES)), *SHAPES]
    missing = [name for name in wanted if name not in {*modes, *shapes}]
    if missing and not partial:
        raise ValueError(f"{folder} lacks {named(f'{name}.obj' for name in missing)}: fetch the whole of FaceXModel/")
    neutral, faces = _read_obj(folder / NEUTRAL, with_faces=True)
    names = [*modes, *shapes]
    read = []
    with Bar(f"reading {folder.name}", len(names)) as bar:
        for name in names:
            read.append(_read_obj(folder / f"{name}.obj")[0] - neutral)
            bar.update(len(read))
    moved = np.stack(read).astype(np.float16) if read else np.zeros((0, VERTICES, 3), np.float16)
    with replacing(out) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file, vertices=neutral, faces=faces, identity=moved[: len(modes)], identity_names=np.array(modes, "U16"),
            expression=moved[len(modes) :], expression_names=np.array(shapes, "U20"),
        )  # fmt: skip
    return out


def _read_obj(path: Path, *, with_faces: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (26719, 3) float32 of a text file, and its quads (26384, 4) if asked for."""
    try:
        lines = path.read_text().splitlines()
        found = [line.split()[1:4] for line in lines if line.startswith("v ")]
        if len(found) == VERTICES:
            vertices = np.array(found, np.float32)
        corners = [_corners(line) for line in lines if line.startswith("f ")] if with_faces else []
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is broken ({one_line(error)}): fetch it again from {SOURCE}") from None
    if len(found) != VERTICES or vertices.shape != (VERTICES, 3) or (with_faces and len(corners) != FACES):
        raise ValueError(f"{path}: {len(found)} vertices instead of {VERTICES}: cut off, or another topology")
    return vertices, np.array(corners, np.int32).reshape(-1, 4)


def _corners(line: str) -> list[int]:
    """``f 1/1/1 2/2/2 3/3/3 [4/4/4]`` as four vertex numbers from 0."""
    numbers = [int(part.split("/")[0]) - 1 for part in line.split()[1:]]
    if len(numbers) not in (3, 4):
        raise ValueError(f"a face of {len(numbers)} corners")
    return numbers if len(numbers) == 4 else [*numbers, numbers[2]]
