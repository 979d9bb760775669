"""`ferdis predict [MODEL] PATH...`: the expression of every face in images, folders, videos or a camera, as a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from ferdis import zoo
from ferdis._io import writing
from ferdis.messages import named
from ferdis.predict.loading import DEFAULT_MODEL
from ferdis.predict.predictor import Predictor
from ferdis.predict.sources import Frame, Source, sources_of
from ferdis.predict.writing import Writer
from ferdis.progress import Bar

_IMAGES, _PIXELS = 16, 40_000_000  # held at once
_MODEL_FILES = ("estimator.json", "*/estimator.json", "resolved.json")  # of a model, of a fold, of a run


def run(
    model: str | None,
    paths: Sequence[str] = (),
    out: str | None = None,
    format: str = "auto",
    draw_to: str | None = None,
    camera: str | None = None,
    system: str | None = None,
    faces: str = "all",
    crops: bool = False,
    every: int = 1,
    limit: int | None = None,
    abstain_below: float = 0.0,
    action_units: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> None:
    """Classify the expression of every face, and write one row per face.

    Parameters
    ----------
    model : str, optional
        A saved model (the folder of ferdis fit), a fold of a run (runs/x/fold-03), an exported .onnx file, or zoo:NAME.
        By default the recogniser that ships with ferdis.
    paths : list of str
        Images, folders (at any depth), videos.
    out : str, optional
        A .csv, .jsonl, .json or .parquet file, the first two written row by row; without it rows go to standard output.
    format : {"auto", "table", "jsonl", "csv"}
        Of standard output; auto is a table on a terminal, and JSON lines for another program.
    draw_to : str, optional
        A folder for copies of the images with boxes and probabilities.
    camera : str, optional
        A camera's number (0 is the first), name or address; ends with Ctrl-C or after ``limit`` frames.
    system : str, optional
        Which model, where a fold holds several.
    faces : {"all", "one"}
        Every face of an image, or the large and central one that training would have used.
    crops : bool
        The images are already cropped like the training faces; no face is detected.
    every : int
        Take every n-th frame of a video or camera.
    limit : int, optional
        Stop after this many images.
    abstain_below : float
        A face whose most probable expression has less than this probability gets none, 0..1.
    action_units : bool
        Also the intensities of 17 action units, where the model gives them.
    device : str, optional
        Device of the face detector; by default ONNX Runtime for an .onnx file and the zoo, else the CPU.
    progress : bool
        Show a progress bar.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line: the model cannot be used, or there are no images; and, after everything else is written, images
        that could not be read (named and counted) or a video without any face.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every={every}, limit={limit}: both are 1 or more")
    sources = sources_of(paths, camera)
    model = DEFAULT_MODEL if model is None else model
    options = {"abstain_below": abstain_below, "action_units": action_units}
    predictor = Predictor.load(model, system=system, faces=faces, crops=crops, device=device, **options)
    if predictor.preprocessing.get("name") == "drawn" and not crops:
        print("the model was trained on synthetic people: faces are put where the renderer puts them", file=sys.stderr)
    seen, timed = _Seen(), any(source.kind != "image" for source in sources)
    with (
        Writer(out, format, predictor.classes) as table,
        Bar("images", _total(sources, every, limit), shown=progress) as bar,
    ):
        for some in _chunks(islice(_frames(sources, every), limit), seen):
            rows = predictor([frame.pixels for frame in some], [frame.name for frame in some])
            if timed:
                seconds = {frame.name: frame.seconds for frame in some}
                rows.insert(1, "seconds", rows["image"].map(seconds).astype(float))
            table.write(rows)
            seen.found(some, rows)
            if draw_to is not None:
                _draw(some, rows, predictor.classes, Path(draw_to))
            bar.update(seen.images)
    print(seen.summary(), file=sys.stderr)
    if model.startswith(zoo.PREFIX) and seen.faces:
        print(caution(model), file=sys.stderr)
    seen.complain(out)


def with_model(names: Sequence[str]) -> tuple[str | None, list[str]]:
    """``[MODEL] PATH...`` taken apart: a model is an .onnx file, ``zoo:NAME`` or a folder that holds a saved one.

    Raises
    ------
    FileNotFoundError
        If the first name is none of these, and no file either.
    """
    if not names:
        return None, []
    first = Path(names[0])
    is_one = names[0].startswith(zoo.PREFIX) or first.suffix == ".onnx"
    is_one = is_one or (first.is_dir() and any(next(first.glob(name), None) for name in _MODEL_FILES))
    if not is_one and not first.exists() and not first.suffix:
        raise FileNotFoundError(f"{first}: no such model, image or folder")
    return (names[0], list(names[1:])) if is_one else (None, list(names))


def caution(model: str) -> str:
    """How far the probabilities of an entry of the zoo may be trusted, in one line, from its card."""
    measured = zoo.card(model)["figures"]
    known = [(where, about) for where, about in measured.items() if "held-out" in where and "accuracy" in about]
    text = "; ".join(
        f"on {where} ({about['images']} photographs) it was right {about['accuracy']:.0%} of the time and "
        f"{about['mean_confidence']:.0%} sure"
        for where, about in known
    )
    name = model.removeprefix(zoo.PREFIX)
    return f"{model} learned from rendered people alone{f': {text}' if text else ''} (ferdis models {name})"


def _frames(sources: Sequence[Source], every: int) -> Iterator[Frame]:
    for source in sources:
        yield from source.frames(every)


def _chunks(frames: Iterable[Frame], seen: _Seen) -> Iterator[list[Frame]]:
    """Readable frames, a bounded number of images and pixels at a time."""
    some: list[Frame] = []
    for frame in frames:
        if seen.readable(frame):
            some.append(frame)
        if len(some) == _IMAGES or sum(item.pixels.size for item in some) > 3 * _PIXELS:
            yield some
            some = []
    if some:
        yield some


class _Seen:
    """Counts of images and faces, and everything that went wrong."""

    def __init__(self) -> None:
        self.images = self.faces = 0
        self.without: list[str] = []
        self.unreadable: dict[str, str] = {}  # name -> why
        self.in_videos: dict[str, int] = {}  # faces of each video

    def readable(self, frame: Frame) -> bool:
        """Count a frame, and record its error."""
        self.images += 1
        if frame.error:
            self.unreadable[frame.name] = frame.error
        return not frame.error

    def found(self, frames: Sequence[Frame], rows: pd.DataFrame) -> None:
        """Count the faces of some frames."""
        faces = rows["face"].notna().groupby(rows["image"]).sum()
        for frame in frames:
            count, video = int(faces[frame.name]), frame.name.rpartition("#")[0]
            self.faces += count
            if count == 0:
                self.without.append(frame.name)
            if video:
                self.in_videos[video] = self.in_videos.get(video, 0) + count

    def summary(self) -> str:
        """One line about everything that could be read."""
        text = f"images: {self.images - len(self.unreadable)}, faces: {self.faces}"
        return text + (f"; no face in {len(self.without)}: {named(self.without)}" if self.without else "")

    def complain(self, out: str | None) -> None:
        """Raise ValueError for what could not be read, and for videos in which no face was found."""
        wrong = []
        if self.unreadable:
            first, count = next(iter(self.unreadable.values())), len(self.unreadable)
            which = first if count == 1 else f"{named(self.unreadable)}; the first: {first}"
            wrong.append(f"{count} of {self.images} images could not be read: {which}")
        if empty := [name for name, faces in self.in_videos.items() if not faces]:
            wrong.append(f"no face in any frame of {named(empty)}")
        if wrong:
            raise ValueError(f"{'; '.join(wrong)} (the rows of all others are in {out or 'the output'})")


def _draw(frames: Sequence[Frame], rows: pd.DataFrame, classes: Sequence[str], folder: Path) -> None:
    """Save each frame with its faces, under the path it has below the given paths."""
    from ferdis.predict.drawing import draw  # its font comes with matplotlib

    for frame in frames:
        path = folder / frame.place
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            path = path.with_name(f"{path.name}.jpg")
        drawn = draw(frame.pixels, rows[rows["image"] == frame.name], classes)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn.save(path, quality=92)


def _total(sources: Sequence[Source], every: int, limit: int | None) -> int | None:
    """The number of images to come; None for a camera without a limit."""
    counts = [source.count(every) for source in sources]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return limit
    return sum(known) if limit is None else min(limit, sum(known))
