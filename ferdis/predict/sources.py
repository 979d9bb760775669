"""Sources of images: files, folders, videos, a camera; one frame at a time, unreadable ones with their error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ferdis.datasets.common import is_image, walk_files
from ferdis.preprocess.containers import VIDEO_SUFFIXES, camera_frames, count_frames, video_frames
from ferdis.preprocess.images import read_image


@dataclass(frozen=True, eq=False)
class Frame:
    """One image.

    Attributes
    ----------
    name : str
        The file; ``clip.mp4#12`` for a frame of a video, ``camera 0#12`` for one of a camera.
    place : Path
        Its path relative to the given folder, under which a drawing of it is saved.
    seconds : float or None
        Time from the beginning of the video.
    pixels : array (H, W, 3) uint8
        Empty if it cannot be read.
    error : str
        In one line why it cannot be read; empty if it can.
    """

    name: str
    place: Path
    seconds: float | None = None
    pixels: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))
    error: str = ""


@dataclass(frozen=True)
class Source:
    """An image file, a video, or a camera (``kind``)."""

    name: str
    place: Path
    kind: str

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Its images, readable or not."""
        label = f"camera {self.name}" if self.kind == "camera" else self.name
        try:
            if self.kind == "image":
                yield Frame(label, self.place, pixels=read_image(self.name))
                return
            stream = video_frames(self.name, every) if self.kind == "video" else camera_frames(self.name, every)
            number = None
            for number, seconds, pixels in stream:
                where = f"{label}#{number}", self.place.with_name(f"{self.place.name}-{number:06d}")
                if isinstance(pixels, ValueError):
                    yield Frame(*where, error=str(pixels))
                else:
                    yield Frame(*where, seconds, pixels)
            if number is None:
                raise ValueError(f"{label}: no frame can be decoded")
        except (OSError, ValueError) as error:
            yield Frame(label, self.place, error=" ".join(str(error).split()))

    def count(self, every: int = 1) -> int | None:
        """The number of images it gives; None where that is not known."""
        try:
            known = {"image": 1, "camera": None}
            return known[self.kind] if self.kind in known else -(-count_frames(self.name) // every)
        except (OSError, ValueError):
            return 1  # the error, which frames() gives


def sources_of(paths: Sequence[str], camera: str | None = None) -> list[Source]:
    """Files, the images and videos in folders (at any depth, in the order of their names), and a camera.

    Raises
    ------
    FileNotFoundError, ValueError
        If no source is given, or a folder holds neither images nor videos.
    """
    sources = []
    for path in map(Path, paths):
        if not path.is_dir():
            sources.append(Source(str(path), Path(path.name), _kind(path.name)))
            continue
        inside = [name for name in walk_files(path) if is_image(name) or _kind(name) == "video"]
        if not inside:
            raise FileNotFoundError(f"{path} holds no images and no videos")
        sources += [Source(str(path / name), Path(name), _kind(name)) for name in inside]
    if camera is not None:
        sources.append(Source(camera, Path(f"camera-{Path(camera).name}"), "camera"))
    if not sources:
        raise ValueError("nothing to look at: name images, folders or videos, or a --camera")
    return _with_places_of_their_own(dict.fromkeys(sources))


def _with_places_of_their_own(sources: Iterable[Source]) -> list[Source]:
    """The sources, with numbers added where two have the same place: two folders may hold files of one name."""
    taken: set[Path] = set()
    told = []
    for source in sources:
        place, number = source.place, 1
        while place in taken:
            number += 1
            place = source.place.with_name(f"{source.place.stem}-{number}{source.place.suffix}")
        taken.add(place)
        told.append(replace(source, place=place))
    return told


def _kind(name: str) -> str:
    return "video" if name.lower().endswith(VIDEO_SUFFIXES) else "image"
