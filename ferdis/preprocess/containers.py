"""Files that hold many images: a frame of a video, a row of FER2013's CSV, each with a name of its own.

``clip.avi#12`` is the 12th image of that file, counted from 0. The name goes wherever a picture's path goes: into a
table, through the cache, into :func:`ferdis.preprocess.read_image`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

MAX_PIXELS = 64_000_000
"""Largest image that is decoded, in pixels (width x height): 192 MB as RGB."""

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mpg", ".mpeg", ".mkv", ".webm", ".wmv")

_NAME = re.compile(r"(?s)(.*\.(?:avi|mp4|m4v|mov|mpe?g|mkv|webm|wmv|csv))#(\d+)", re.IGNORECASE)
_PARSED_ROWS = 4096  # rows of a CSV that are held as text at a time


class Inside(NamedTuple):
    """One image of a file: the file, and the number of the image from 0."""

    file: str
    number: int


def inside(path: str | os.PathLike[str]) -> Inside | None:
    """``clip.avi#12`` taken apart; None for the path of an ordinary file."""
    text = os.fspath(path)
    match = _NAME.fullmatch(text) if "#" in text else None
    return Inside(match[1], int(match[2])) if match else None


def file_of(path: str | os.PathLike[str]) -> str:
    """The file on disk that a picture's name belongs to: ``clip.avi`` of ``clip.avi#12``, else the path itself."""
    found = inside(path)
    return found.file if found else os.fspath(path)


def read_inside(place: Inside) -> np.ndarray:
    """Read one image of a file, (H, W, 3) uint8 RGB; a video's own rotation mark is followed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, or has no such image. The message names the file.
    """
    status = Path(place.file).stat()  # a changed file is another file
    if place.file.lower().endswith(".csv"):
        rows = _csv_pictures(place.file, status.st_mtime_ns)
        if place.number >= len(rows):
            raise ValueError(f"{place.file}#{place.number}: the file holds {len(rows)} pictures")
        return np.repeat(rows[place.number][:, :, None], 3, axis=2)
    return _video(place.file, status.st_mtime_ns).frame(place.number)


def require_video_reader() -> Any:
    """The module PyAV.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ValueError("reading videos needs PyAV: pip install 'ferdis[video]'") from error
    return av


def count_frames(path: str | os.PathLike[str]) -> int:
    """Frames of a video, from its header where that says it, else by counting packets; nothing is decoded.

    Raises
    ------
    ValueError
        If it is no video that can be read, or PyAV is not installed.
    """
    with _opened(os.fspath(path)) as container:
        stream = container.streams.video[0]
        return int(stream.frames) or sum(1 for packet in container.demux(stream) if packet.size)


class Picture(NamedTuple):
    """One frame of a stream: its number from 0, its time in seconds where known, and (H, W, 3) uint8 or an error."""

    number: int
    seconds: float | None
    pixels: np.ndarray | ValueError


def video_frames(path: str | os.PathLike[str], every: int = 1) -> Iterator[Picture]:
    """Every ``every``-th frame of a video, in order; a frame that cannot be decoded is one whose pixels are an error.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is no video that can be read, or PyAV is not installed.
    """
    with _opened(os.fspath(path)) as container:
        yield from _pictures(container, os.fspath(path), every)


def camera_frames(camera: str, every: int = 1) -> Iterator[Picture]:
    """Frames of a camera, without end.

    Parameters
    ----------
    camera : str
        Its number ("0" is the first), on Windows its name; or whatever FFmpeg opens, such as an ``rtsp://`` address.
    every : int
        Take each ``every``-th frame.

    Raises
    ------
    ValueError
        If it cannot be opened, or PyAV is not installed.
    """
    av = require_video_reader()
    place, kind = camera, None
    if camera.isdecimal():
        place, kind = (f"/dev/video{camera}", "v4l2") if sys.platform.startswith("linux") else (camera, "avfoundation")
    elif sys.platform == "win32" and "://" not in camera:
        place, kind = f"video={camera}", "dshow"
    try:
        container = av.open(place, format=kind)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ValueError(f"camera {camera} cannot be opened ({error}): is it there, and may you read it?") from error
    with container:
        yield from _pictures(container, f"camera {camera}", every)


def _pictures(container: Any, name: str, every: int) -> Iterator[Picture]:
    """Decode a stream packet by packet, so that what is damaged costs one frame and not the rest."""
    av = require_video_reader()
    number, packets = 0, container.demux(container.streams.video[0])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            yield Picture(number, None, ValueError(f"{name}#{number}: the stream breaks off here ({error})"))
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            yield Picture(number, None, ValueError(f"{name}#{number}: a frame that cannot be decoded ({error})"))
            number += 1
            continue
        for frame in frames:
            if number % every == 0:
                yield Picture(number, frame.time, _upright(frame))
            number += 1


class _Video:
    """A video that is read forwards: frames asked for in order are decoded once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.next = 0
        self.frames: Iterator[Any] = iter(())
        self.last: tuple[int, np.ndarray] | None = None

    def frame(self, number: int) -> np.ndarray:
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        if number < self.next or self.next == 0:
            self.next, self.frames = 0, self._decoded()
        for frame in self.frames:
            self.next += 1
            if self.next > number:
                self.last = number, _upright(frame)
                return self.last[1]
        count, self.next = self.next, 0
        raise ValueError(f"{self.path}#{number}: only {count} frames can be decoded; copy the video again")

    def _decoded(self) -> Iterator[Any]:
        with _opened(self.path) as container:
            yield from container.decode(video=0)


@lru_cache(maxsize=1)
def _video(path: str, mtime: int) -> _Video:
    return _Video(path)


def _upright(frame: Any) -> np.ndarray:
    """A decoded frame as (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), _quarter_turns(frame)))


def _quarter_turns(frame: Any) -> int:
    """Counter-clockwise quarter turns that a display would make (a phone's rotation mark)."""
    return round(int(getattr(frame, "rotation", 0)) / 90) % 4


def _opened(path: str) -> Any:
    """The video as a PyAV container with at least one video stream."""
    av = require_video_reader()
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such video; correct the path or remove its row")
    try:
        container = av.open(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ValueError(f"{path}: no video that can be read ({error}); copy it again or remove its row") from error
    if not container.streams.video:
        container.close()
        raise ValueError(f"{path}: holds no images, only sound; remove its row")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        container.close()
        raise ValueError(f"{path}: its frames are of a format that cannot be decoded; copy it again or remove its row")
    if stream.width * stream.height > MAX_PIXELS:
        container.close()
        raise ValueError(
            f"{path}: frames of {stream.width} x {stream.height} pixels, the limit is "
            f"{MAX_PIXELS // 1_000_000} Mpixel; scale it down"
        )
    return container


@lru_cache(maxsize=1)
def _csv_pictures(path: str, mtime: int) -> np.ndarray:
    """The ``pixels`` column of a CSV: square grey images as text, 48 x 48 numbers each -> (n, 48, 48) uint8."""
    parts = []
    try:
        for rows in pd.read_csv(path, usecols=lambda name: name.strip() == "pixels", chunksize=_PARSED_ROWS, dtype=str):
            parts.append(np.stack([np.array(text.split(), dtype=np.uint8) for text in rows.iloc[:, 0]]))
        flat = np.concatenate(parts)
    except (ValueError, OverflowError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: its column 'pixels' is not one square grey image a row ({reason})") from error
    side = round(flat.shape[1] ** 0.5)
    if side * side != flat.shape[1]:
        raise ValueError(f"{path}: {flat.shape[1]} numbers a row are no square picture")
    return flat.reshape(-1, side, side)
