"""Face alignment: MTCNN finds eyes and nose, a similarity transform puts them where the template says.

K. Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE
Signal Processing Letters 2016, through facenet-pytorch, whose wheel holds the weights: nothing is downloaded.
Cai et al. (2021) align on eye centres and nose tip; they print no template, so :data:`TEMPLATE` is our own.

Coordinates are (x, y) in pixels, continuous: the first pixel covers 0..1 and its centre is 0.5. "Left" is the
left of the image, not of the person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ferdis._io import digest
from ferdis.preprocess.images import centre_crop, checked_side, resize
from ferdis.preprocess.mtcnn import GREY, find_faces
from ferdis.preprocess.threads import each_on_one_thread
from ferdis.preprocess.warp import OUTSIDE, TEMPLATE, align_points, check_outside, similarity, warp

__all__ = [
    "DRAWN_TEMPLATE", "LANDMARKS", "OUTSIDE", "PASSES", "TEMPLATE", "Aligner", "Detections", "Drawn", "Pass",
    "Preprocessor", "WholePicture", "align_points", "record_of", "similarity", "warp",
]  # fmt: skip

DRAWN_TEMPLATE = np.array([[0.361, 0.411], [0.639, 0.411], [0.50, 0.570]])
"""Where eyes and nose of the synthetic people lie on average (difficulty "normal"); each is drawn somewhat off it."""
DRAWN_TEMPLATE.setflags(write=False)

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""MTCNN's five points, in its order."""

# As params have it; the first words tell one from another.
_BEYOND = {"fade": "mirrored, dissolving into a blur", "edge": "edge pixels repeated", "mean": "mean colour",
           "reflect": "mirrored alone"}  # fmt: skip
_POINTS = len(TEMPLATE)
CONFIDENT = 0.9  # a face of at least this probability ends the search
_TURNS = (1, 2, 3)  # counter-clockwise quarter turns
CENTRE_WEIGHT = 2.0
ONE_FACE = 0.4  # boxes that share this much of the smaller one are of one face


class Pass(NamedTuple):
    """One search: the longer side of an image becomes ``content``, on a grey square of side ``canvas``."""

    canvas: int
    content: int
    min_face: int


PASSES = (
    Pass(canvas=224, content=224, min_face=40),  # a portrait: the face is at least 18 % of the image
    Pass(canvas=224, content=150, min_face=40),  # a tight crop: MTCNN wants to see something around a face
    Pass(canvas=512, content=512, min_face=24),  # a small face: at least 5 %
)
"""Searches in order; the next one runs only for images without a confident face so far."""


@dataclass(frozen=True)
class Detections:
    """What was found in n images; NaN where nothing was.

    Attributes
    ----------
    found : (n,) bool
    probability : (n,) float, 0..1
    boxes : (n, 4) float
        Left, top, right, bottom.
    landmarks : (n, 5, 2) float
        The points of :data:`LANDMARKS`, (x, y) in pixels of the image.
    """

    found: np.ndarray
    probability: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray

    @staticmethod
    def none(count: int) -> Detections:
        """No face in any of ``count`` images."""
        return Detections(
            np.zeros(count, bool),
            np.full(count, np.nan),
            np.full((count, 4), np.nan),
            np.full((count, 5, 2), np.nan),
        )


class Preprocessor(Protocol):
    """What :func:`ferdis.preprocess.prepare` and the cache need of a way to turn images into crops."""

    name: str
    version: int

    @property
    def params(self) -> dict[str, Any]:
        """Everything that decides the pixels, JSON-able."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of name, version and params."""

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, Detections | None]:
        """Pictures, each (H, W, 3) uint8 of its own size -> crops (n, size, size, 3) uint8."""


class Aligner:
    """MTCNN detection and alignment to :data:`TEMPLATE`; deterministic, nothing is fitted.

    Of several faces in an image, the one is taken whose box area minus twice its squared distance from the
    picture's centre is largest (large and central; the rule of D. Sandberg's facenet), among those of
    probability 0.9 or more, or among all if there is none. An image without a face gets its centre square,
    resized, and ``found`` is False.

    Parameters
    ----------
    device : str or torch.device
        Where the three networks run: one of torch's, or "onnx" for ONNX Runtime, which spares the import of torch. It
        does not enter the digest.
    turned : bool
        Look in all four quarter turns of an image and take the surest face: for recordings that may lie on their
        side, at four times the cost. The crop is upright; landmarks and box are those of the image as it is.
    template : (3, 2), optional
        Another template than :data:`TEMPLATE`.
    outside : str
        What a crop shows where it reaches beyond its image: "fade", "edge", "mean" or "reflect", see
        :data:`ferdis.preprocess.warp.OUTSIDE`. Models that were fitted before there was a choice have "edge", and what
        they are given is cropped like that.
    """

    name = "mtcnn"
    version = 2

    def __init__(
        self,
        device: Any = "cpu",
        *,
        turned: bool = False,
        template: np.ndarray | None = None,
        outside: str = "fade",
    ) -> None:
        check_outside(outside)
        self.device = "onnx" if device == "onnx" else _torch_device(device)
        self.turned = turned
        self.template = TEMPLATE if template is None else np.asarray(template, np.float64)
        self.outside = outside

    @property
    def params(self) -> dict[str, Any]:
        """Everything that decides the pixels: template, searches, selection rule, filter."""
        return {
            **({"turned": _TURNS} if self.turned else {}),
            "template": self.template.tolist(),
            "landmarks": LANDMARKS[:_POINTS],
            "passes": [search._asdict() for search in PASSES],
            "confident": CONFIDENT,
            "select": f"area - {CENTRE_WEIGHT:g} * squared distance from the centre",
            "filter": "bilinear, antialias",
            "outside": f"{_BEYOND[self.outside]}; {GREY} for the networks",
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of name, version and params."""
        return _digest(self)

    def detect(self, images: Sequence[np.ndarray]) -> Detections:
        """Find one face per image; what is found in an image depends on that image alone.

        Parameters
        ----------
        images : n arrays of shape (H, W, 3), uint8
            Of any sizes: each is scaled to a canvas.

        Returns
        -------
        Detections
            In pixels of the images given.
        """
        return _together(each_on_one_thread(self._face, images), len(images))

    def detect_all(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find every face of each image.

        Parameters
        ----------
        images : n arrays of shape (H, W, 3), uint8

        Returns
        -------
        list of n Detections
            Of an image with k faces k rows, none without a face. The first is the one that :meth:`detect` takes;
            after it come faces of probability 0.9 or more, from all searches, upright ones alone.
        """
        return [_together(faces, len(faces)) for faces in each_on_one_thread(self._faces, images)]

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, Detections]:
        """Detect and crop; a crop depends on its image alone, not on the others given, their order or the threads.

        Parameters
        ----------
        images : n arrays of shape (H, W, 3), uint8
        size : int
            Side of the crops in pixels.

        Returns
        -------
        crops : (n, size, size, 3) uint8
        detections : Detections
        """

        def crop(image: np.ndarray) -> tuple[np.ndarray, _Face | None]:
            face = self._face(image)
            if face is None:
                return resize(centre_crop(image), size), None
            return warp(image, face.landmarks, size, self.template, self.outside), face

        crops = np.empty((len(images), checked_side(size, "size"), size, 3), np.uint8)
        faces: list[_Face | None] = []
        for place, (pixels, face) in zip(crops, each_on_one_thread(crop, images), strict=True):
            place[:] = pixels
            faces.append(face)
        return crops, _together(faces, len(faces))

    def _face(self, image: np.ndarray) -> _Face | None:
        """The face of one image, in all the turns that are looked at."""
        best = _upright_face(image, self.device)
        for turns in _TURNS if self.turned else ():
            turned = _upright_face(np.ascontiguousarray(np.rot90(image, turns)), self.device)
            # MTCNN is often confident of a face that lies on its side, but surest of one that stands.
            if turned is not None and (best is None or turned.probability > best.probability):
                corners = _turned_back(turned.box.reshape(2, 2), image.shape[:2], turns)
                points = _turned_back(turned.landmarks, image.shape[:2], turns)
                best = _Face(turned.probability, np.concatenate([corners.min(0), corners.max(0)]), points)
        return best

    def _faces(self, image: np.ndarray) -> list[_Face]:
        """All faces of one image; the first is that of :meth:`_face`."""
        first = self._face(image)
        faces = [] if first is None else [first]
        for search in PASSES if faces else ():
            for face in map(_rounded, _search(image, search, self.device)):
                apart = all(_overlap(face.box, other.box) <= ONE_FACE for other in faces)
                if face.probability >= CONFIDENT and apart:
                    faces.append(face)
        return faces


class WholePicture:
    """Pictures used as given: the centre square, resized; for sets that come cropped (RAF-DB) or rendered."""

    name = "whole"
    version = 1
    params: dict[str, Any] = {"crop": "centre square", "filter": "bilinear, antialias"}  # noqa: RUF012

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of name, version and params."""
        return _digest(self)

    def __call__(self, images: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, None]:
        """Pictures, each (H, W, 3) uint8 of its own size -> crops (n, size, size, 3) uint8; no detections."""
        return np.stack([resize(centre_crop(image), size) for image in images]), None


class Drawn:
    """Faces that were rendered into their place: nothing was aligned, and eyes and nose lie about the template.

    Parameters
    ----------
    template : ndarray (3, 2)
        Where: :data:`DRAWN_TEMPLATE`, or :data:`TEMPLATE` if they were rendered to where alignment puts photographs.
    """

    name = "drawn"
    version = 1

    def __init__(self, template: np.ndarray = DRAWN_TEMPLATE) -> None:
        self.params: dict[str, Any] = {"template": template.tolist()}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of name, version and params."""
        return _digest(self)


def outside_of(params: Mapping[str, Any]) -> str:
    """Which of :data:`~ferdis.preprocess.warp.OUTSIDE` the ``params`` of an :class:`Aligner` have."""
    text = str(params.get("outside", ""))
    return next((name for name, words in _BEYOND.items() if text.startswith(words)), OUTSIDE[0])


def record_of(preprocessor: Preprocessor | Drawn) -> dict[str, Any]:
    """What decides the pixels, JSON-able: name, version, params and their digest."""
    return {name: getattr(preprocessor, name) for name in ("name", "version", "params", "digest")}


class _Face(NamedTuple):
    """One face: probability, box (4,) and landmarks (5, 2), in pixels of its image."""

    probability: float
    box: np.ndarray
    landmarks: np.ndarray


def _together(faces: Iterable[_Face | None], count: int) -> Detections:
    """Faces of ``count`` images, or of one, as one record."""
    result = Detections.none(count)
    for row, face in enumerate(faces):
        if face is not None:
            result.found[row] = True
            result.probability[row], result.boxes[row], result.landmarks[row] = face
    return result


def _upright_face(image: np.ndarray, device: str) -> _Face | None:
    """The face of an image as it is; a further search runs only while there is no confident face."""
    best: _Face | None = None
    for search in PASSES:
        faces = _search(image, search, device)
        if faces:
            face = faces[_most_prominent(faces, np.array(image.shape[1::-1]) / 2)]
            best = face if best is None or face.probability > best.probability else best
        if best is not None and best.probability >= CONFIDENT:
            break
    return None if best is None else _rounded(best)


def _search(image: np.ndarray, search: Pass, device: str) -> list[_Face]:
    """The faces that one search finds in an image, surest first."""
    canvas, scale, offset = _on_canvas(image, search)
    boxes, probabilities, points = find_faces(canvas, search.min_face, device)
    boxes = ((boxes.reshape(-1, 2, 2) - offset) / scale).reshape(-1, 4)
    return [_Face(*face) for face in zip(probabilities, boxes, (points - offset) / scale, strict=True)]


def _rounded(face: _Face) -> _Face:
    """As it is stored: finer digits differ between processors."""
    return _Face(round(float(face.probability), 4), face.box.round(2), face.landmarks.round(2))


def _on_canvas(image: np.ndarray, search: Pass) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The image scaled and centred on a grey square, with the scale and the offset (x, y) that did it."""
    height, width = image.shape[:2]
    scale = search.content / max(height, width)
    small = resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))
    top, left = (search.canvas - small.shape[0]) // 2, (search.canvas - small.shape[1]) // 2
    canvas = np.full((search.canvas, search.canvas, 3), GREY, np.uint8)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas, np.array([small.shape[1] / width, small.shape[0] / height]), np.array([left, top])


def _turned_back(points: np.ndarray, shape: tuple[int, int], turns: int) -> np.ndarray:
    """Points (m, 2) of an image of ``shape`` (height, width) turned by ``np.rot90``, in the image as it was."""
    height, width = shape
    for turn in range(turns, 0, -1):
        before = width if turn % 2 else height  # how wide the image was before this turn
        points = np.stack([before - points[:, 1], points[:, 0]], axis=1)
    return points


def _most_prominent(faces: Sequence[_Face], centre: np.ndarray) -> int:
    """Index of the large and central face; the rule is in :class:`Aligner`."""
    boxes = np.array([face.box for face in faces]).reshape(-1, 2, 2)
    area = np.prod(boxes[:, 1] - boxes[:, 0], axis=1)
    score = area - CENTRE_WEIGHT * ((boxes.mean(1) - centre) ** 2).sum(1)
    confident = np.array([face.probability >= CONFIDENT for face in faces])
    if confident.any():
        score[~confident] = -np.inf
    return int(score.argmax())


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Area that two boxes (4,) share, as a share of the smaller one, 0..1."""
    shared = np.prod(np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None))
    return float(shared / max(min(np.prod(box[2:] - box[:2]), np.prod(other[2:] - other[:2])), 1e-9))


def _torch_device(device: Any) -> str:
    from torch import device as known  # takes seconds to import: ONNX Runtime does without

    return str(known(device))


def _digest(preprocessor: Preprocessor | Drawn) -> str:
    content = {"name": preprocessor.name, "version": preprocessor.version, "params": preprocessor.params}
    return digest(content, length=64)
