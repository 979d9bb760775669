"""Data sets: the registry, one line each, and :func:`load`.

A new data set is one class in one file in this folder and one line in :data:`REGISTRY`. The class is a
:class:`~ferdis.datasets.base.Dataset`: its constructor's plain, typed keyword arguments and its docstring are what the
command line shows and reads; its ``table`` gives names and labels without reading pixels, which is what ``ferdis check``
looks through; its ``load`` gives :class:`~ferdis.faces.Faces`. A set whose file names say what is in them is a
:class:`~ferdis.datasets.tree.TreeDataset` and writes ``rows`` instead of ``table``. A set that draws its images is a
function that gives the faces.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferdis.datasets.base import Dataset
from ferdis.faces import EXPRESSIONS, Faces
from ferdis.messages import closest


@dataclass(frozen=True)
class Entry:
    """One data set of the registry.

    Parameters
    ----------
    name : str
        What :func:`load` and the command line call it.
    loader : str
        ``"module:name"`` of its class, or of a function that gives the faces; imported when it is first used.
    title, people, classes, images : str
        Its name in words, and how many of each there are.
    layout : str
        The files that the loader expects under its root.
    where : str
        Where to get it, and on what terms.
    subject_namespace : str
        What its subjects' names begin with; two copies of one set share it.
    posed : bool
        Whether pose and light are alike in all images of a person, so that another of her images can stand for a
        ground truth; ``faces.attrs["posed"]`` says it on.
    """

    name: str
    loader: str
    title: str
    people: str
    classes: str
    images: str
    layout: str
    where: str
    subject_namespace: str
    posed: bool = False

    def imported(self) -> type[Dataset] | Callable[..., Faces]:
        """Import what :attr:`loader` names: its signature and docstring are the command line's options and help."""
        module, name = self.loader.split(":")
        return getattr(importlib.import_module(module), name)

    def load(self, **arguments: Any) -> Faces:
        """The faces, for arguments that :meth:`imported` takes."""
        made = self.imported()(**arguments)
        return made.load() if isinstance(made, Dataset) else made


OWN_LABELS = f"{', '.join(EXPRESSIONS)}, or any other names"


def _registry(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


REGISTRY: dict[str, Entry] = _registry(
    Entry(
        name="synthetic",
        loader="ferdis.datasets.synthetic.dataset:load_synthetic",
        title="Synthetic people",
        people="as asked",
        classes="7",
        images="as asked",
        layout="no files: rendered",
        where="inside ferdis",
        subject_namespace="synthetic",
    ),
    Entry(
        name="facekit",
        loader="ferdis.datasets.facekit.dataset:load_facekit",
        title="People from measured faces",
        people="as asked",
        classes="7",
        images="as asked",
        layout="FaceXModel/*.obj of a checkout of ICT-FaceKit, or facekit.npz",
        where="rendered from github.com/ICT-VGL/ICT-FaceKit, MIT licence (Li et al. 2020)",
        subject_namespace="facekit",
    ),
    Entry(
        name="manifest",
        loader="ferdis.datasets.manifest:Manifest",
        title="Bring your own data: one CSV file",
        people="any",
        classes=OWN_LABELS,
        images="any",
        layout="faces.csv (path, expression, subject if known, any further column) beside the pictures",
        where="yours",
        subject_namespace="<folder name>",
    ),
    Entry(
        name="folder",
        loader="ferdis.datasets.folder:Folder",
        title="Folders named after expressions, or after classes of your own",
        people="any",
        classes=OWN_LABELS,
        images="any",
        layout="{anger,disgust,...}/picture.jpg, the person in the path, found by a regular expression (optional)",
        where="yours",
        subject_namespace="<folder name>",
    ),
    Entry(
        name="ckplus",
        loader="ferdis.datasets.ckplus:CKPlus",
        title="Extended Cohn-Kanade (CK+), official layout",
        people="118",
        classes="7 with contempt, 6 without",
        images="981, 927",
        layout="cohn-kanade-images/S005/001/*.png, Emotion/S005/001/*_emotion.txt, FACS (optional)",
        where="on request from its authors (Lucey et al. 2010)",
        subject_namespace="ck",
        posed=True,
    ),
    Entry(
        name="ck48",
        loader="ferdis.datasets.ck48:CK48",
        title="CK+48: CK+'s last three frames, cropped to 48x48",
        people="118",
        classes="7 with contempt, 6 without",
        images="981, 927",
        layout="CK+48/{anger,contempt,...}/S010_004_00000017.png",
        where="a re-packing of CK+, under its terms; the same people as ckplus",
        subject_namespace="ck",
        posed=True,
    ),
    Entry(
        name="oulucasia",
        loader="ferdis.datasets.oulucasia:OuluCASIA",
        title="Oulu-CASIA NIR&VIS",
        people="80",
        classes="6, 7 with the first frames as neutral",
        images="1,440",
        layout="B_OriginalImg/{VL,NI}/{Strong,Weak,Dark}/P001/{Anger,...}/000.jpeg",
        where="on request from the University of Oulu, for research (Zhao et al. 2011)",
        subject_namespace="oulu",
        posed=True,
    ),
    Entry(
        name="bu3dfe",
        loader="ferdis.datasets.bu3dfe:BU3DFE",
        title="BU-3DFE, the texture pictures",
        people="100",
        classes="6, 7 with neutral",
        images="1,200 at two intensities",
        layout="F0001/F0001_AN01WH_F2D.bmp",
        where="by licence from Binghamton University (Yin et al. 2006)",
        subject_namespace="bu3d",
        posed=True,
    ),
    Entry(
        name="bu4dfe",
        loader="ferdis.datasets.bu4dfe:BU4DFE",
        title="BU-4DFE, the texture pictures",
        people="101",
        classes="6, 7 with the first frames as neutral",
        images="60,600",
        layout="F001/{Angry,Disgust,Fear,Happy,Sad,Surprise}/000.jpg",
        where="by licence from Binghamton University (Yin et al. 2008); may show people of bu3dfe",
        subject_namespace="bu4d",
        posed=True,
    ),
    Entry(
        name="sfew",
        loader="ferdis.datasets.sfew:SFEW",
        title="SFEW 2.0: stills of films",
        people="not known",
        classes="7",
        images="958 to train, 436 to test (its Val)",
        layout="{Train,Val}/{Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}/Movie_time_frame.png",
        where="on request from its authors, for research (Dhall et al. 2015)",
        subject_namespace="(none)",
    ),
    Entry(
        name="mmi",
        loader="ferdis.datasets.mmi:MMI",
        title="MMI: videos of posed expressions",
        people="31 in frontal view with a label",
        classes="6, 7 with the first frames as neutral",
        images="624: three of each of 208 videos",
        layout="Sessions/<number>/S001-002.avi, S001-002.xml, session.xml",
        where="mmifacedb.eu, after signing its agreement; needs pip install 'ferdis[video]'",
        subject_namespace="mmi",
        posed=True,
    ),
    Entry(
        name="rafdb",
        loader="ferdis.datasets.rafdb:RAFDB",
        title="RAF-DB, basic expressions",
        people="not known",
        classes="7",
        images="12,271 to train, 3,068 to test",
        layout="EmoLabel/list_patition_label.txt, Image/aligned/train_00001_aligned.jpg",
        where="whdeng.cn/RAF, on request with a university's address, for research (Li et al. 2017)",
        subject_namespace="(none)",
    ),
    Entry(
        name="rafd",
        loader="ferdis.datasets.rafd:RaFD",
        title="RaFD, Radboud Faces",
        people="67",
        classes="8",
        images="8,040: five angles, three gazes",
        layout="Rafd090_01_Caucasian_female_angry_frontal.jpg",
        where="rafd.socsci.ru.nl, on request, for research (Langner et al. 2010)",
        subject_namespace="rafd",
    ),
    Entry(
        name="jaffe",
        loader="ferdis.datasets.jaffe:JAFFE",
        title="JAFFE, Japanese Female Facial Expression",
        people="10",
        classes="7",
        images="213",
        layout="KA.AN1.39.tiff",
        where="zenodo.org, on request, for research (Lyons et al. 1998)",
        subject_namespace="jaffe",
        posed=True,
    ),
    Entry(
        name="yale",
        loader="ferdis.datasets.yale:Yale",
        title="Yale Face Database",
        people="15",
        classes="4: happiness, neutral, sadness, surprise",
        images="60, 135 with the neutral faces in other light",
        layout="subject01.happy (or subject01.happy.gif)",
        where="vision.ucsd.edu and mirrors, for research (Belhumeur et al. 1997)",
        subject_namespace="yale",
    ),
    Entry(
        name="fer2013",
        loader="ferdis.datasets.fer2013:FER2013",
        title="FER2013: web images of 48x48 pixels",
        people="not known",
        classes="7",
        images="28,709 to train, 3,589 to validate, 3,589 to test",
        layout="fer2013.csv (emotion,pixels,Usage) or {train,test}/{angry,...}/*.jpg",
        where="kaggle.com, a competition's data (Goodfellow et al. 2013)",
        subject_namespace="(none)",
    ),
    Entry(
        name="ferplus",
        loader="ferdis.datasets.ferplus:FERPlus",
        title="FER+: FER2013 with ten people's votes",
        people="not known",
        classes="8",
        images="those of fer2013 with a majority",
        layout="fer2013new.csv beside fer2013.csv, or beside FER2013Train/fer0000000.png",
        where="github.com/microsoft/FERPlus, MIT licence for the labels (Barsoum et al. 2016)",
        subject_namespace="(none)",
    ),
    Entry(
        name="disfa",
        loader="ferdis.datasets.disfa:DISFA",
        title="DISFA: 12 action units coded by hand, frame by frame",
        people="27",
        classes="none coded",
        images="130,788 frames",
        layout="ActionUnit_Labels/SN001/SN001_au1.txt, Videos_LeftCamera/LeftVideoSN001_comp.avi or SN001/00001.jpg",
        where="on request from its authors (Mavadati et al. 2013)",
        subject_namespace="disfa",
    ),
)


def entry(name: str) -> Entry:
    """The registry's entry of that name; as the papers write it will do (``"CK+"``, ``"Oulu-CASIA"``, ``"FER+"``).

    Raises
    ------
    ValueError
        If there is none; the message lists the choices.
    """
    plain = re.sub(r"[^a-z0-9]", "", str(name).lower().replace("+", "plus"))
    if plain not in REGISTRY:
        _refuse_path(Path(name))
        near, choices = closest(str(name), REGISTRY), ", ".join(REGISTRY)
        raise ValueError(f"no data set {name!r}{near} (there are {choices})")
    return REGISTRY[plain]


def _refuse_path(path: Path) -> None:
    """Say what to call for a file or folder that is given in the place of a data set's name."""
    if path.suffix == ".onnx" or (path / "estimator.json").is_file():
        raise ValueError(
            f"{path} is a model, not a data set: ferdis.Predictor.load({str(path)!r}) or load_model reads it"
        )
    if (path / "resolved.json").is_file():
        raise ValueError(
            f"{path} is a run, not a data set: `ferdis report {path}` shows it, load_model names its models"
        )
    if path.is_dir():
        kind = "manifest" if any(path.glob("*.csv")) else "folder"
        raise ValueError(f"{path} is a folder, not the name of a data set: load({kind!r}, root={str(path)!r})")


def load(name: str, **arguments: Any) -> Faces:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        A key of :data:`REGISTRY`: ``synthetic``, ``manifest``, ``folder``, ``ckplus``, ``oulucasia``, ...
    **arguments
        The loader's arguments; see the loader's own documentation.

    Returns
    -------
    Faces

    Raises
    ------
    ValueError
        If the name or an argument is unknown, or an argument is missing; what a loader says of bad data.
    FileNotFoundError
        If the data is not where ``root`` says.
    """
    about = entry(name)
    check_arguments(name, about.imported(), arguments)
    faces = about.load(**arguments)
    return Faces(faces.images, faces.table, {**faces.attrs, "posed": True}) if about.posed else faces


def check_arguments(name: str, imported: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Raise a ValueError that lists the choices if ``arguments`` do not fit the class or function of a data set."""
    parameters = inspect.signature(imported).parameters
    choices = ", ".join(parameters)
    for argument in arguments:
        if argument not in parameters:
            near = closest(argument, parameters)
            raise ValueError(f"{name} has no argument {argument!r}{near} (it has {choices})")
    needed = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    missing = [key for key in needed if key not in arguments]
    if missing:
        layout = entry(name).layout
        raise ValueError(f"{name} needs {missing[0]}=: it expects {layout} (it has {choices})")


def describe_datasets() -> str:
    """The registry as text for reading: name, title, people, classes, images, layout and where to get it."""
    lines = []
    for item in REGISTRY.values():
        lines += [
            f"{item.name}: {item.title}",
            f"    people: {item.people} · classes: {item.classes} · images: {item.images}",
            f"    subjects: {item.subject_namespace}/...",
            f"    layout: {item.layout}",
            f"    where:  {item.where}",
        ]
    return "\n".join(lines)
