"""Write the page as a folder of static files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferdis import zoo
from ferdis._io import read_json, write_bytes, write_json
from ferdis.datasets import load
from ferdis.preprocess.align import CENTRE_WEIGHT, CONFIDENT, ONE_FACE, PASSES
from ferdis.preprocess.mtcnn import FACTOR, GREY, THRESHOLDS
from ferdis.run_folder import version
from ferdis.web.models import PageModel, page_model, zoo_model
from ferdis.web.runtime import Runtime, runtime

_PAGE = Path(__file__).parent / "page"
_RECORD = "site.json"
_DETECTOR = {f"models/mtcnn.{part}.onnx": f"{part}.onnx" for part in ("p", "r", "o")}
_LICENCE = "LICENSE-facenet-pytorch.md"  # of the detector
_SIDE = 256  # pixels of a drawn person
_SEED = 19  # of the drawn people
_GROUP = (0, 3, 4, 6)  # who stand side by side, to show several faces in one picture


@dataclass(frozen=True)
class Site:
    """What was written.

    Attributes
    ----------
    folder : Path
    models : tuple of str
        Their titles; the page begins with the first one.
    size : int
        Bytes of all files.
    notes : tuple of str
        What the page does otherwise than Python would.
    """

    folder: Path
    models: tuple[str, ...]
    size: int
    notes: tuple[str, ...] = ()


def write_site(out: str | Path, models: Sequence[str | Path] = (), runtime_from: str | Path | None = None) -> Site:
    """Write the page, its models and ONNX Runtime Web into a folder that any file server can serve.

    Parameters
    ----------
    out : path
        The folder; an earlier page in it is replaced.
    models : sequence of path
        Files that :func:`ferdis.export.export` wrote. The first classifier among them is shown first, generators get
        sliders or references; the zoo's recogniser and face detector are always there.
    runtime_from : path, optional
        Where ONNX Runtime Web is taken from, as for :func:`ferdis.web.runtime.runtime`.

    Returns
    -------
    Site

    Raises
    ------
    FileNotFoundError, ValueError
        In one line, before anything is written: a model that the page cannot show, no runtime, or a folder that holds
        something else.
    """
    out = Path(out)
    _refuse_other_content(out)
    shown = [*_apart([page_model(Path(path)) for path in models]), zoo_model()]
    run = runtime(runtime_from)
    names, contents = _runtime_files(run)
    people, pictures = _drawn_people()
    contents |= pictures | _page_files()
    contents |= {name: zoo.path("mtcnn", suffix).read_bytes() for name, suffix in _DETECTOR.items()}
    contents |= {model.about["file"]: model.path.read_bytes() for model in shown}
    for model in (out / "models").glob("*.onnx"):  # of an earlier page
        model.unlink()
    for name, content in contents.items():
        write_bytes(out / name, content, sync=False)
    record = {
        "page_of": "ferdis",
        "version": version("ferdis"),
        "runtime": names,
        "detector": {"files": list(_DETECTOR), **_search()},
        "models": [model.about for model in shown],
        "people": people,
    }
    write_json(out / _RECORD, record, indent=None, sync=False)
    size = sum(map(len, contents.values())) + (out / _RECORD).stat().st_size
    titles = tuple(model.about["title"] for model in shown)
    return Site(out, titles, size, tuple(note for model in shown for note in model.notes))


def _refuse_other_content(out: Path) -> None:
    """A folder is empty, is not there yet, or holds an earlier page."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ValueError(f"{out} is a file: give the page a folder of its own")
    if any(out.iterdir()) and not (
        (out / _RECORD).is_file() and read_json(out / _RECORD, mend="choose another folder").get("page_of") == "ferdis"
    ):
        raise ValueError(f"{out} holds something else than a page of ferdis: give the page a folder of its own")


def _apart(models: Sequence[PageModel]) -> list[PageModel]:
    """The models with names of their own: two may be files of one name in two folders."""
    for number, model in enumerate(models):
        name = f"own-{number + 1}-{model.path.name}"
        model.about.update(name=f"own-{number + 1}", file=f"models/{name}")
    return list(models)


def _runtime_files(run: Runtime) -> tuple[dict[str, str], dict[str, bytes]]:
    """Where the runtime's files stand in the site, with its version; and the files."""
    names = {"script": "runtime/ort.js", "loader": "runtime/ort-wasm.js", "binary": "runtime/ort-wasm.wasm.gz"}
    files = {name: getattr(run, part) for part, name in names.items()}
    return {**names, "version": run.version}, files


def _page_files() -> dict[str, bytes]:
    """Markup, style, scripts, and the detector's licence."""
    files = [path for path in sorted(_PAGE.rglob("*")) if path.suffix in (".html", ".css", ".js")]
    licence = Path(zoo.__file__).with_name(_LICENCE)
    return {path.relative_to(_PAGE).as_posix(): path.read_bytes() for path in files} | {
        f"models/{_LICENCE}": licence.read_bytes()
    }


def _search() -> dict[str, Any]:
    """The constants of the search for faces, so that the page has those of Python."""
    return {
        "passes": [search._asdict() for search in PASSES],
        "confident": CONFIDENT,
        "centre_weight": CENTRE_WEIGHT,
        "one_face": ONE_FACE,
        "factor": FACTOR,
        "thresholds": list(THRESHOLDS),
        "grey": GREY,
    }


def _drawn_people() -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Pictures to begin with: seven synthetic people, an expression each, and four of them side by side."""
    everyone = load("synthetic", people=7, images_per_expression=1, image_size=_SIDE, seed=_SEED, cache=False)
    names = sorted(set(everyone.expression))
    rows = [k * len(names) + (k + 3) % len(names) for k in range(len(names))]
    some = everyone[np.array(rows)]
    pixels = some.pixels()
    people: list[dict[str, Any]] = [
        {"file": f"people/{number + 1}.png", "title": f"Drawn person {number + 1}, {expression}", "single": True}
        for number, expression in enumerate(some.expression)
    ]
    people.append({"file": "people/group.png", "title": f"{len(_GROUP)} drawn people", "single": False})
    images = [*pixels, np.concatenate([pixels[row] for row in _GROUP], axis=1)]
    return people, {about["file"]: _png(image) for about, image in zip(people, images, strict=True)}


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
