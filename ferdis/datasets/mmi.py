"""MMI: videos of posed expressions, from neutral to the peak and back; some recordings lie on their side.

::

    root/Sessions/1767/S034-001.avi      the recording: person 34, clip 1
    root/Sessions/1767/S034-001.xml      <Metatag Name="Emotion" Value="4"/>
    root/Sessions/1767/session.xml       <track view="0"/>: 0 frontal, 1 side, 2 both through a mirror

Pantic, Valstar, Rademaker, Maat: Web-based Database for Facial Expression Analysis, ICME 2005; Valstar, Pantic: Induced
Disgust, Happiness and Surprise, LREC 2010. Frames are read with PyAV (``pip install 'ferdis[video]'``); a frame is
called ``Sessions/1767/S034-001.avi#57``. Recordings that lie on their side are turned by the face detector.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pandas as pd

from ferdis.datasets.base import Cache, Errors, functions_of
from ferdis.datasets.frames import FrameRule, Row
from ferdis.datasets.labels import Expressions, chosen_expressions
from ferdis.datasets.tree import Tree, TreeDataset
from ferdis.faces import SIX_EXPRESSIONS, Faces
from ferdis.messages import reason
from ferdis.preprocess.containers import count_frames, require_video_reader

LABELS = {"1": "anger", "2": "disgust", "3": "fear", "4": "happiness", "5": "sadness", "6": "surprise"}
FRONTAL = "0"

_CLIP = re.compile(
    r"(?:^|/)(?P<session>[^/]+)/(?P<clip>S(?P<subject>\d{3})-\d{3})\.(?:avi|mp4|m4v|mov|mpe?g|mkv|wmv)$", re.IGNORECASE
)
_XML = re.compile(r"(?:^|/)[^/]+\.xml$", re.IGNORECASE)


class MMI(TreeDataset):
    """MMI: the labelled videos.

    Parameters
    ----------
    root : path
        The folder that holds the set, at any depth:
        ``Sessions/<number>/S001-002.avi with S001-002.xml and session.xml``.
    expressions : int, str or sequence of str
        6, or names. With neutral among them (7) the first frame of each video is a neutral face.
    frames : str
        The frames that carry the label: ``"middle3"`` (the papers' rule: 624 images of 208 videos), ``"apex"`` (the
        middle one), ``"first+middle3"``, ``"all"``.
    view : "frontal" or "all"
        Side views and double views are left out unless asked for. A session that does not tell counts as frontal.
    image_size, align, cache, device, errors, progress
        See :class:`~ferdis.datasets.base.Dataset`.
    openface : path, optional
        OpenFace's CSV file, or a folder of them: ``AU01`` .. ``AU45`` are read from there, NaN where an image is not
        in it, and counted in a note.

    Notes
    -----
    ``subject`` is ``mmi/S034``, ``sequence`` ``mmi/S034-001``, ``frame`` counts from 0, ``position`` frames before
    the middle (negative after it); ``session``, ``view``.
    """

    name = "mmi"
    layout = "Sessions/<number>/S001-002.avi with S001-002.xml and session.xml"

    def __init__(
        self,
        root: str | Path,
        *,
        expressions: Expressions = 6,
        frames: str = "middle3",
        view: Literal["frontal", "all"] = "frontal",
        image_size: int = 256,
        align: bool = True,
        cache: Cache = None,
        device: str = "cpu",
        errors: Errors = "raise",
        progress: bool = True,
        openface: str | Path | None = None,
    ) -> None:
        super().__init__(
            root, image_size=image_size, align=align, cache=cache, device=device, errors=errors, progress=progress
        )
        self.expressions = expressions
        self.frames = frames
        self.view = view
        self.openface = openface

    def rows(self, tree: Tree) -> pd.DataFrame:
        """One row per image; see :class:`~ferdis.datasets.tree.TreeDataset`."""
        if self.view not in ("frontal", "all"):
            raise ValueError(f"view={self.view!r}: choose 'frontal' or 'all'")
        require_video_reader()
        keep = chosen_expressions(self.expressions)
        rule = FrameRule.parse(self.frames, "middle", neutral="neutral" in keep)
        rows = [
            {**clip, "path": f"{clip['path']}#{frame}", "frame": frame}
            for clip, length in _labelled_clips(tree, self.view)
            for frame in range(length)
        ]
        whole = self.view == "frontal" and set(SIX_EXPRESSIONS) <= set(keep)
        published = {"sequences": 208, "subjects": 31, **({"images": 208 * rule.count} if rule.where != "all" else {})}
        return tree.table(rows, keep=keep, frames=rule, key=("sequence", "frame"), published=published if whole else {})

    def load(self) -> Faces:
        """The labelled frames; recordings that lie on their side are turned upright while faces are aligned."""
        from ferdis.preprocess import Aligner

        align = Aligner(self.device, turned=True) if self.align else False
        faces = self.prepared(*self.table(), align=align)
        # OpenFace counts frames from 1.
        return self.with_openface(faces, self.openface, by="frame", video="sequence", frame_offset=-1)


def _labelled_clips(tree: Tree, view: str) -> list[tuple[Row, int]]:
    """Videos with one of the six labels, and how many frames each has."""
    about = {path.rpartition(".")[0].lower(): path for path, _ in tree.find(_XML)}
    clips, dropped = [], Counter[str]()
    for path, match in tree.find(_CLIP):
        labels = about.get(path.rpartition(".")[0].lower())
        label = _attribute(tree, labels, "metatag", "Value", name="Emotion")
        if label is None or label not in LABELS:
            dropped["without one of the six labels"] += 1
            continue
        folder = path.rpartition("/")[0].lower()
        seen = _attribute(tree, about.get(f"{folder}/session".lstrip("/")), "track", "view")
        if view == "frontal" and seen not in (None, FRONTAL):
            dropped["not frontal"] += 1
            continue
        clip = {
            "path": path,
            "expression": LABELS[label],
            "subject": f"mmi/S{match['subject']}",
            "sequence": f"mmi/{match['clip'].upper()}",
            "session": match["session"],
            "view": seen,
        }
        try:
            clips.append((clip, count_frames(tree.root / path)))
        except ValueError as error:
            tree.problems.add("video", str(error), [path])
    if dropped:
        tree.notes.append("videos left out: " + ", ".join(f"{number} {why}" for why, number in sorted(dropped.items())))
    return clips


def _attribute(tree: Tree, path: str | None, tag: str, attribute: str, name: str | None = None) -> str | None:
    """An attribute of the first element of that tag (and ``Name``, if given); None without one, or without the file.

    Case does not matter; ``"4.0"`` is ``"4"``.
    """
    if path is None:
        return None
    try:
        root = ElementTree.fromstring((tree.root / path).read_bytes())
    except ElementTree.ParseError as error:
        tree.problem(path, f": no XML ({reason(error, 200)}); copy it again", "xml")
        return None
    for element in root.iter():
        given = {key.lower(): value.strip() for key, value in element.items()}
        if element.tag.rpartition("}")[2].lower() == tag and (
            name is None or given.get("name", "").lower() == name.lower()
        ):
            value = given.get(attribute.lower())
            return None if value is None else value.removesuffix(".0")
    return None


build_table, load_mmi = functions_of(MMI)
